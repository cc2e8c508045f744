//! The databases on disk: one for state, one per UTC day, opened when needed, the least recently used closed. A day that cannot be read is
//! put aside here, and the others go on. Must not know: records, what rows mean.

use super::base::{Base, Row, Sum};
use super::keys;
use super::places::{self, date};
use super::slots::{self, Slot};
use anyhow::{Context, ensure};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::io::{Error, ErrorKind};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// State rows are few and scattered.
pub type State = Base<64>;
/// A day's rows come in order.
pub type Day = Base<DAY_FANOUT>;
/// See [`Day`].
pub const DAY_FANOUT: usize = 256;

const STATE_CACHE_BYTES: usize = 8 << 20;
const DAY_CACHE_BYTES: usize = 8 << 20;
/// Bytes written to the open databases, together, until they are closed and opened again: some seconds of a storm, hours of a quiet plant.
const PINNED_BYTES_MAX: usize = 8 << 20;
/// Day databases open at once: each holds about 80 descriptors.
const DAYS_OPEN_MAX: usize = 5;

/// How long a database just closed may keep its lock.
const LOCK_MAX: Duration = Duration::from_secs(2);
const LOCK_LOOK: Duration = Duration::from_millis(5);

/// Another process has the store.
#[derive(Debug, thiserror::Error)]
#[error("another process is using the store in {0}: stop it, or use another data directory")]
pub struct InUse(pub PathBuf);

/// A database cannot be opened for what is around it; nothing is wrong with what it holds.
#[derive(Debug, thiserror::Error)]
#[error("cannot open the database {0} now: {1}")]
pub struct NotNow(PathBuf, Error);

/// Why a day is not whole.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mark {
    /// It is still to be made again; else it stays as it is.
    pub again: bool,
    /// For people.
    pub why: String,
    /// The state was lost with it: alarms and notices are to be taken from it once it is made again.
    #[serde(default)]
    pub states: bool,
    /// Batches that its database had when it was put aside for damage; none where it was put aside with others and nothing is known to be wrong
    /// with it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub batches: Option<u64>,
}

impl Mark {
    /// To be made again.
    pub fn again(why: String) -> Mark {
        Mark { again: true, why, states: false, batches: None }
    }

    /// It stays as it is.
    pub fn stays(why: String) -> Mark {
        Mark { again: false, why, states: false, batches: None }
    }

    /// All of a state, by day.
    pub fn all(state: &State) -> anyhow::Result<BTreeMap<i64, Mark>> {
        let mut marks = BTreeMap::new();
        for row in state.ascending(keys::MARK, keys::MARK) {
            let (key, value) = row?;
            marks.insert(keys::word_from_end(&key, 0) as i64, serde_json::from_slice(&value)?);
        }
        Ok(marks)
    }
}

/// The databases opened and not closed since, by the part of the place they are in, and signs of life. Seen from outside a thread that hangs in
/// one of them.
#[derive(Clone, Default)]
pub struct Touched {
    names: Arc<Mutex<BTreeSet<String>>>,
    beats: Arc<AtomicU64>,
}

impl Touched {
    fn with<T>(&self, f: impl FnOnce(&mut BTreeSet<String>) -> T) -> T {
        f(&mut self.names.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// What takes long goes on, and does not hang.
    pub fn beat(&self) {
        self.beats.fetch_add(1, Ordering::Relaxed);
    }

    /// Times it went on.
    pub fn beats(&self) -> u64 {
        self.beats.load(Ordering::Relaxed)
    }

    /// Their names.
    pub fn names(&self) -> Vec<String> {
        self.with(|names| names.iter().cloned().collect())
    }
}

/// All databases of a store.
pub struct Bases {
    /// Folder of the store: the quarantine is there.
    pub dir: PathBuf,
    root: PathBuf,
    /// Alarms, notices, names, watermark.
    pub state: State,
    days: BTreeMap<i64, (Day, u64)>,
    uses: u64,
    touched: Touched,
    /// The day that is made again beside the others: it has another folder until it is whole.
    making: Option<i64>,
    /// Days put aside since this was last looked at.
    pub lost: BTreeMap<i64, Mark>,
    /// Numbers as version 0.1.0 gave them.
    pub old: Old,
}

/// Numbers that version 0.1.0 gave, by those of now. Nothing new is written under them.
#[derive(Default)]
pub struct Old {
    /// Tags.
    pub tags: HashMap<u64, u32>,
    /// Zones.
    pub zones: HashMap<u64, u32>,
}

impl Old {
    /// As the state has them.
    pub fn read(state: &State) -> anyhow::Result<Old> {
        let names = |prefix: &'static [u8]| {
            let mut numbers = HashMap::new();
            for row in state.ascending(prefix, prefix) {
                let (key, value) = row?;
                let name = String::from_utf8_lossy(&key[prefix.len()..]).into_owned();
                let old = value.first_chunk::<4>().context("the number of a name in the store is cut short")?;
                numbers.insert(keys::number(&name), u32::from_be_bytes(*old));
            }
            anyhow::Ok(numbers)
        };
        Ok(Old { tags: names(keys::OLD_TAG)?, zones: names(keys::OLD_ZONE)? })
    }
}

impl Bases {
    /// Opens the state database; days follow on demand.
    pub fn open(dir: &Path, root: &Path, touched: Touched) -> anyhow::Result<Bases> {
        touched.with(|names| names.insert("state".to_owned()));
        let state: State = open(&root.join("state"), STATE_CACHE_BYTES)?;
        ensure!(state.is_whole(&|| touched.beat())?, "the rows of the state are not what it says itself");
        let old = Old::read(&state)?;
        let (dir, root) = (dir.to_owned(), root.to_owned());
        Ok(Bases { dir, root, state, days: BTreeMap::new(), uses: 0, touched, making: None, lost: BTreeMap::new(), old })
    }

    /// Writes rows of a day, made if missing. A database that does not open is put aside, and a new one takes the rows.
    pub fn put(&mut self, day: i64, rows: Vec<Row>) -> anyhow::Result<()> {
        let opened = self.day(day).map(|_| ());
        match opened {
            Err(error) if is_damage(&error) => self.put_aside(day, &format!("{error:#}"))?,
            opened => opened?,
        }
        Ok(self.day(day)?.put(rows)?)
    }

    /// Looks into a day, if there is one. What cannot be read is damage of this day alone: it is put aside, and the answer is as if it
    /// were not there.
    pub fn look<T>(&mut self, day: i64, read: impl FnOnce(&Day) -> anyhow::Result<T>) -> anyhow::Result<Option<T>> {
        if !self.days.contains_key(&day) && !self.has(day)? {
            return Ok(None);
        }
        // A question may go through a year of days.
        self.beat();
        match self.day(day).and_then(read) {
            Ok(found) => Ok(Some(found)),
            Err(error) if is_damage(&error) => self.put_aside(day, &format!("{error:#}")).map(|()| None),
            Err(error) => Err(error),
        }
    }

    /// What takes long goes on.
    pub fn beat(&self) {
        self.touched.beat();
    }

    fn day(&mut self, day: i64) -> anyhow::Result<&Day> {
        self.uses += 1;
        if !self.days.contains_key(&day) {
            if self.days.len() >= DAYS_OPEN_MAX
                && let Some(oldest) = self.days.iter().min_by_key(|(_, (_, used))| *used).map(|(d, _)| *d)
            {
                // Whole and flushed: every batch was.
                self.close(oldest)?;
            }
            let part = self.part(day)?;
            let folder = self.root.join(&part);
            let was_closed = self.is_as_closed(day, &folder)?;
            self.touched.with(|names| names.insert(part.clone()));
            let base: Day = open_own(&folder, DAY_CACHE_BYTES)?;
            let written = self.state.get(&keys::numbered(keys::WRITTEN, day as u64))?.and_then(|bytes| Sum::read(&bytes));
            if let Some(written) = written.filter(|_| self.making != Some(day)) {
                let there = base.sum().map_or(0, |sum| sum.batches);
                ensure!(there >= written.batches, "{} of {} batches are there", there, written.batches);
                ensure!(was_closed || base.is_whole(&|| self.touched.beat())?, "its rows are not what it says itself");
            }
            self.days.insert(day, (base, self.uses));
        }
        let (base, used) = self.days.get_mut(&day).context("a day just opened is open")?;
        *used = self.uses;
        Ok(base)
    }

    /// True where nothing has changed what sled keeps of places since it was closed: then all rows need not be walked over.
    fn is_as_closed(&self, day: i64, folder: &Path) -> anyhow::Result<bool> {
        let closed = self.state.get(&keys::numbered(keys::CLOSED, day as u64))?;
        Ok(closed.is_some_and(|closed| fingerprint(folder).is_ok_and(|now| now[..] == closed)))
    }

    /// What is to be written into the state about a day that was written to.
    pub fn written(&self, day: i64) -> Option<Row> {
        let (base, _) = self.days.get(&day)?;
        Some((keys::numbered(keys::WRITTEN, day as u64), base.sum()?.bytes()))
    }

    /// Closes a day that stays, and notes how.
    fn close(&mut self, day: i64) -> anyhow::Result<()> {
        let written = self.written(day);
        self.let_go(day)?;
        let folder = self.root.join(self.part(day)?);
        if folder.exists() && self.making != Some(day) {
            let closed = (keys::numbered(keys::CLOSED, day as u64), fingerprint(&folder)?.to_vec());
            self.state.put(written.into_iter().chain([closed]).collect())?;
        }
        Ok(())
    }

    /// Closes everything where what was written takes too much memory; days are opened again when they are needed.
    pub fn let_go_of_memory(&mut self) -> anyhow::Result<()> {
        let pinned = self.state.pinned() + self.days.values().map(|(day, _)| day.pinned()).sum::<usize>();
        if pinned > PINNED_BYTES_MAX { self.begin_anew() } else { Ok(()) }
    }

    /// Closes everything; the state is opened again, days when they are needed.
    pub fn begin_anew(&mut self) -> anyhow::Result<()> {
        self.close_days()?;
        self.beat();
        let sum = self.state.sum();
        self.state.close();
        self.state = open_own(&self.root.join("state"), STATE_CACHE_BYTES)?;
        ensure!(self.state.sum() == sum, "the state was closed and is another one");
        Ok(())
    }

    /// Closes all days: at a clean stop.
    pub fn close_days(&mut self) -> anyhow::Result<()> {
        let open: Vec<i64> = self.days.keys().copied().collect();
        open.into_iter().try_for_each(|day| self.close(day))
    }

    fn let_go(&mut self, day: i64) -> anyhow::Result<()> {
        let part = self.part(day)?;
        drop(self.days.remove(&day));
        self.touched.with(|names| names.remove(&part));
        Ok(())
    }

    /// What the state says of a database that is not there any more.
    fn forget(&self, day: i64) -> anyhow::Result<()> {
        let keys = [keys::SEAL, keys::WRITTEN, keys::CLOSED].map(|prefix| keys::numbered(prefix, day as u64));
        Ok(self.state.remove(keys.to_vec())?)
    }

    /// True where there is something of that day.
    pub fn has(&self, day: i64) -> anyhow::Result<bool> {
        Ok(self.root.join(self.part(day)?).exists())
    }

    /// Days that have a folder, oldest first.
    pub fn on_disk(&self) -> Vec<i64> {
        places::days_in(&self.root)
    }

    /// Gives up making a day: nothing of it is left.
    pub fn unmake(&mut self) -> anyhow::Result<()> {
        let Some(day) = self.making else {
            return Ok(());
        };
        self.let_go(day)?;
        let folder = self.root.join(self.part(day)?);
        self.making = None;
        places::discard(&self.root, &folder)
    }

    /// Puts a day aside. The state says so first: it is made again also where this is cut short.
    pub fn put_aside(&mut self, day: i64, why: &str) -> anyhow::Result<()> {
        let written = self.state.get(&keys::numbered(keys::WRITTEN, day as u64))?.and_then(|bytes| Sum::read(&bytes));
        let batches = Some(written.map_or(0, |written| written.batches));
        let mark = Mark { batches, ..Mark::again(format!("{} was damaged: {why}", date(day)?)) };
        tracing::error!("{}; it is put aside and made again", mark.why);
        self.state.put(vec![(keys::numbered(keys::MARK, day as u64), serde_json::to_vec(&mark)?)])?;
        self.forget(day)?;
        let part = self.part(day)?;
        self.let_go(day)?;
        places::put_aside(&self.dir, &self.root, &[&part])?;
        self.lost.insert(day, mark);
        Ok(())
    }

    /// Closes a day and removes it.
    pub fn drop_day(&mut self, day: i64) -> anyhow::Result<()> {
        self.forget(day)?;
        self.let_go(day)?;
        places::discard(&self.root, &self.root.join(self.part(day)?))
    }

    /// Begins to make a day again beside the others: until it is whole, nobody sees it. Returns its folder.
    pub fn make(&mut self, day: i64) -> anyhow::Result<PathBuf> {
        self.drop_day(day)?;
        self.making = Some(day);
        self.drop_day(day)?;
        Ok(self.root.join(self.part(day)?))
    }

    /// The day that was made is whole: it takes its place.
    pub fn made(&mut self) -> anyhow::Result<()> {
        let Some(day) = self.making else {
            return Ok(());
        };
        let written = self.written(day);
        self.let_go(day)?;
        let from = self.root.join(self.part(day)?);
        self.making = None;
        let to = self.root.join(self.part(day)?);
        let folder = self.root.join("day");
        let context = || format!("cannot move {} to {}", from.display(), to.display());
        places::make(&folder).with_context(context)?;
        if from.exists() {
            std::fs::rename(&from, &to).with_context(context)?;
        }
        places::sync(&folder)?;
        Ok(self.state.put(written.into_iter().collect())?)
    }

    /// The slot of a day that goes on, and by tag the number of the last record in its blocks of that day, as far as they hold records from `from` on.
    pub fn packed(&mut self, day: i64, from: u64) -> anyhow::Result<(Option<Slot>, HashMap<u64, u64>)> {
        let old = self.old.tags.iter().map(|(tag, old)| (*old, *tag)).collect();
        let touched = self.touched.clone();
        let found = self.look(day, |base| Ok((slots::newest(base)?, slots::packed(base, &old, from, &|| touched.beat())?)))?;
        Ok(found.unwrap_or_default())
    }

    fn part(&self, day: i64) -> anyhow::Result<String> {
        let folder = if self.making == Some(day) { "making" } else { "day" };
        Ok(format!("{folder}/{}", date(day)?))
    }
}

/// True where an error means that what is on disk cannot be trusted.
fn is_damage(error: &anyhow::Error) -> bool {
    !super::worker::is_around(error)
}

/// Names and contents of what sled keeps of places in a database that is closed.
fn fingerprint(folder: &Path) -> anyhow::Result<[u8; 32]> {
    let metadata = folder.join("metadata");
    let context = || format!("cannot read {}", metadata.display());
    let entries = std::fs::read_dir(&metadata).with_context(context)?;
    let mut files: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).collect();
    files.sort();
    let mut hasher = blake3::Hasher::new();
    for file in files {
        let bytes = std::fs::read(&file).with_context(context)?;
        hasher.update(file.file_name().unwrap_or_default().as_encoded_bytes()).update(&(bytes.len() as u64).to_le_bytes());
        hasher.update(&bytes);
    }
    Ok(*hasher.finalize().as_bytes())
}

/// Opens a database that nobody else can have, as the state is ours: one just closed may keep its lock for a moment, until a thread of sled ends.
pub fn open_own<const FANOUT: usize>(dir: &Path, cache_bytes: usize) -> anyhow::Result<Base<FANOUT>> {
    let since = Instant::now();
    loop {
        match open(dir, cache_bytes) {
            Err(error) if error.downcast_ref::<InUse>().is_some() && since.elapsed() < LOCK_MAX => std::thread::sleep(LOCK_LOOK),
            opened => return opened,
        }
    }
}

fn open<const FANOUT: usize>(dir: &Path, cache_bytes: usize) -> anyhow::Result<Base<FANOUT>> {
    // sled keeps the kind of an error; that of too many open files has no name, and only its text tells.
    let around = |e: &Error| match e.kind() {
        ErrorKind::StorageFull
        | ErrorKind::QuotaExceeded
        | ErrorKind::PermissionDenied
        | ErrorKind::ReadOnlyFilesystem
        | ErrorKind::OutOfMemory => true,
        _ => e.to_string().contains("(os error 24)") || e.to_string().contains("(os error 23)"),
    };
    match places::make(dir).and_then(|()| Base::open(dir, cache_bytes)) {
        Err(e) if e.kind() == ErrorKind::WouldBlock => Err(InUse(dir.to_owned()).into()),
        Err(e) if around(&e) => Err(NotNow(dir.to_owned(), e).into()),
        opened => opened.with_context(|| format!("cannot open the database {}", dir.display())),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn what_was_closed_to_save_memory_is_there_again() {
        let dir = tempfile::tempdir().unwrap();
        let mut bases = Bases::open(dir.path(), &dir.path().join("root"), Touched::default()).unwrap();
        let row = |n: u8| (vec![b'k', n], vec![n; 100]);
        for n in 0..4 {
            bases.put(20_000, vec![row(n)]).unwrap();
            bases.state.put(bases.written(20_000).into_iter().chain([row(n)]).collect()).unwrap();
            bases.begin_anew().unwrap();
            assert!(bases.days.is_empty(), "a day is opened when it is needed");
        }
        let of_day = bases.look(20_000, |base| Ok(base.ascending(b"k", b"k").collect::<Result<Vec<_>, _>>()?)).unwrap();
        assert_eq!(of_day, Some((0..4).map(row).collect::<Vec<_>>()));
        assert_eq!(
            bases.state.ascending(b"k", b"k").map(Result::unwrap).collect::<Vec<_>>(),
            (0..4).map(row).collect::<Vec<_>>()
        );
        let many = (1..PINNED_BYTES_MAX >> 20).map(|n| (vec![b'm', n as u8], vec![0; 1 << 20]));
        bases.put(20_000, many.collect()).unwrap();
        bases.let_go_of_memory().unwrap();
        assert!(!bases.days.is_empty(), "not for so little");
        bases.state.put(vec![(vec![b'm'], vec![0; 1 << 20])]).unwrap();
        bases.let_go_of_memory().unwrap();
        assert!(bases.days.is_empty() && bases.state.pinned() == 0);
        let too_long = vec![row(8), (vec![b'v'], vec![0; crate::store::base::VALUE_BYTES_MAX + 1])];
        let error = bases.state.put(too_long).unwrap_err().to_string();
        assert!(error.contains("for v: a value has 2097152 at most"), "{error}");
        assert_eq!(bases.state.get(&row(8).0).unwrap(), None, "a batch is all or nothing");
        bases.state.close();
        assert!(bases.state.get(b"k").is_err() && bases.state.put(vec![row(9)]).is_err());
        assert!(bases.state.ascending(b"k", b"k").next().is_some_and(|row| row.is_err()), "closed is not empty");
    }
}
