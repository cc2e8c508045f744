//! The journal: the record of truth. An event is on disk here before any effect of it leaves the machine.
//!
//! Owns: segments, framing, group commit, hash chain, reading back after a crash, verifying, and what becomes of old segments.
//! Must not know: what events do, who reads the store, the network.
//!
//! One plain thread owns the files ([`Journal`]); readers ([`Reader`]) open them on their own and go as far as the published
//! durable number. Every record carries a CRC32C, a dense number and the number known to be on disk when it was framed, so that a
//! reader can tell a torn tail (never promised to anybody) from damage (it was, and is lost).

mod carried;
mod codec;
mod cover;
mod disk;
mod files;
#[doc(hidden)]
pub mod fuzzing;
mod keep;
mod outside;
mod packed;
mod reader;
mod record;
mod reopen;
mod segment;
mod stat;
#[cfg(test)]
mod tests;
mod usage;
mod verify;
mod walk;
mod window;
mod writer;

pub use carried::{Carried, Carrier, Chain, Lost, Next};
pub use disk::read_past;
pub use files::{ARCHIVE, BEGINS};
pub use keep::{Keeper, Kept, Moment, Policy};
pub use outside::{OutsideAnchor, bytes, extents, file, first_kept, first_live, head, last, site};
pub use reader::{Damage, Reader, goes_on, read};
pub use record::PAYLOAD_BYTES_MAX;
pub use reopen::Opened;
pub use segment::{SEGMENT_BYTES_MAX, SEGMENT_BYTES_MIN};
pub use stat::{Share, Stat, stat};
pub use usage::{Gauge, Usage};
pub use verify::{Fault, Report, verify, verify_against};
pub use writer::Durable;

use anyhow::{Context, anyhow, ensure};
use brain::Micros;
use brain::event::Entry;
use disk::Medium;
use reopen::Tail;
use std::fs::{File, TryLockError};
use std::io::{ErrorKind, Write};
use std::path::Path;
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::sync::{Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};
use tokio::sync::watch;
use writer::{MARKS_BYTES, Queued, Writer};

/// Folder of the journal inside the data directory.
pub const FOLDER: &str = "journal";
/// Steps waiting for the thread; a full queue makes [`Journal::append`] wait.
const QUEUE_LEN_MAX: usize = 1024;
/// How often a full queue is looked at.
const QUEUE_LOOK: Duration = Duration::from_millis(1);
/// How long a record may be on its way to the disk: [`Journal::append`] waits no longer for one that finishes nothing, whoever began to wait.
pub const PATIENCE: Duration = Duration::from_millis(1800);

/// Something that a newer program wrote: refused, never guessed at, and left as it is.
#[derive(Debug, thiserror::Error)]
#[error("{0}: a newer safety-brain wrote it; use that one, or a later one")]
pub struct Newer(String);

impl Newer {
    fn segment(found: u64, known: u64) -> Newer {
        Newer(format!("the journal segment has format {found}, and this program reads format {known}"))
    }

    fn compressed(found: u32, known: u32) -> Newer {
        Newer(format!("the compressed journal segment has format {found}, and this program reads format {known}"))
    }
}

/// The writing end. Dropping it ends the thread after everything queued is on disk.
pub struct Journal {
    front: Mutex<Front>,
    durable: watch::Sender<Durable>,
    era: u32,
    thread: Option<JoinHandle<()>>,
    framed_bytes_max: usize,
    /// None where the disk did not even give that.
    lock: Option<File>,
}

/// An entry that no record holds: the journal goes on without it.
#[derive(Debug, thiserror::Error)]
#[error("an entry of {0} bytes is too large for the journal (at most {PAYLOAD_BYTES_MAX}, and less than a segment): split it")]
pub struct TooLarge(usize);

/// Where numbers are given out. The queue's order is the numbers' order.
struct Front {
    seq: u64,
    at: Micros,
    /// Since when the disk has owed something.
    owes: Instant,
    queue: Option<SyncSender<Vec<Queued>>>,
}

impl Journal {
    /// Opens the journal in `dir` (made if missing), finds its end, and begins to write behind it. `segment_bytes` is the size of
    /// new segments, [`SEGMENT_BYTES_MIN`] to [`SEGMENT_BYTES_MAX`] in steps of 4096.
    ///
    /// Refused while another process owns the directory, and where the journal belongs to another site. Damage is not an error:
    /// it is in [`Opened`], and writing goes on behind it.
    pub fn open(dir: &Path, site_id: &str, segment_bytes: u64) -> anyhow::Result<(Journal, Opened)> {
        Journal::open_after(dir, site_id, segment_bytes, 0)
    }

    /// As [`Journal::open`], for who knows that record `known` was once on disk: a journal that ends before it is damaged, not young.
    pub fn open_after(dir: &Path, site_id: &str, segment_bytes: u64, known: u64) -> anyhow::Result<(Journal, Opened)> {
        Journal::open_told(unopened(), dir, site_id, segment_bytes, known)
    }

    /// As [`Journal::open_after`], for who has it opened elsewhere and watches [`unopened`] meanwhile.
    pub fn open_told(
        durable: watch::Sender<Durable>,
        dir: &Path,
        site_id: &str,
        segment_bytes: u64,
        known: u64,
    ) -> anyhow::Result<(Journal, Opened)> {
        Journal::open_on(Medium::Real, durable, dir, site_id, segment_bytes, known)
    }

    /// The writing end of a journal that is being opened elsewhere, with `durable`: it takes no record. All up to `known` was once on disk.
    pub fn waiting(durable: watch::Sender<Durable>, known: u64) -> Journal {
        let front = Front { seq: known, at: 0, owes: Instant::now(), queue: None };
        Journal { front: Mutex::new(front), durable, era: 0, thread: None, framed_bytes_max: 0, lock: None }
    }

    /// The writing end of a journal whose disk is dead or read-only at the start (see [`is_of_the_disk`]): it takes no record. All up to `known` was
    /// once on disk. [`Journal::reopened`] is the way back.
    ///
    /// # Errors
    /// Another process owns the directory.
    pub fn dead(dir: &Path, known: u64, why: String) -> anyhow::Result<Journal> {
        let lock = match hold(dir) {
            Ok(None) => return Err(in_use(dir)),
            Ok(lock) => lock,
            Err(_) => None,
        };
        let (durable, _) = watch::channel(Durable { era: 0, seq: known, synced_at: Instant::now(), failed: Some(why) });
        let front = Front { seq: known, at: 0, owes: Instant::now(), queue: None };
        Ok(Journal { front: Mutex::new(front), durable, era: 0, thread: None, framed_bytes_max: 0, lock })
    }

    /// A new writing end for one that has failed, once the disk takes a whole segment and a sync again. Who watches [`Journal::durable`] goes on
    /// watching. An error says why not yet.
    pub fn reopened(&self, dir: &Path, site: &str, bytes: u64) -> anyhow::Result<(Journal, Opened)> {
        make_folder(dir)?;
        let lock = self.lock.as_ref().map_or_else(|| lock(dir), |lock| Ok(lock.try_clone()?))?;
        probe(dir)?;
        let last = files::list(dir)?.last().map_or(1, |held| held.number);
        segment::make(dir, last, bytes).or_else(|_| segment::make(dir, last + 1, bytes))?;
        let tail = reopen::reopen(dir, site, bytes, &Medium::Real, self.durable.borrow().seq)?;
        Journal::begin(Medium::Real, dir, site, bytes, tail, self.durable.clone(), lock)
    }

    fn open_on(
        medium: Medium,
        durable: watch::Sender<Durable>,
        dir: &Path,
        site: &str,
        bytes: u64,
        known: u64,
    ) -> anyhow::Result<(Journal, Opened)> {
        segment::check(site, bytes)?;
        make_folder(dir)?;
        let lock = lock(dir)?;
        let tail = reopen::reopen(dir, site, bytes, &medium, known)?;
        durable.send_modify(|durable| (durable.seq, durable.synced_at) = (tail.opened.last_seq, Instant::now()));
        Journal::begin(medium, dir, site, bytes, tail, durable, lock)
    }

    fn begin(
        medium: Medium,
        dir: &Path,
        site: &str,
        bytes: u64,
        tail: Tail,
        durable: watch::Sender<Durable>,
        lock: File,
    ) -> anyhow::Result<(Journal, Opened)> {
        let opened = tail.opened;
        let mut writer = Writer {
            dir: dir.to_owned(),
            site: site.to_owned(),
            segment_bytes: bytes,
            medium,
            segment: tail.segment,
            link: tail.link,
            cover: tail.cover,
            seq: opened.last_seq,
            at: opened.last_at,
            anchored_at: opened.last_at,
            ahead: None,
            durable: durable.clone(),
        };
        for gap in &tail.gaps {
            writer.note_gap(gap)?;
        }
        // A sign of life for whoever waits: a slow disk takes its time for a whole segment.
        durable.send_modify(|durable| durable.synced_at = Instant::now());
        writer.make_ahead()?;
        let era = durable.borrow().era + 1;
        durable.send_replace(Durable { era, seq: opened.last_seq, synced_at: Instant::now(), failed: None });
        let (queue, queued) = sync_channel(QUEUE_LEN_MAX);
        let thread = spawn(writer, queued)?;
        let front = Front { seq: opened.last_seq, at: opened.last_at, owes: Instant::now(), queue: Some(queue) };
        let journal = Journal {
            front: Mutex::new(front),
            durable,
            era,
            thread: Some(thread),
            framed_bytes_max: (bytes - segment::HEADER_BYTES - MARKS_BYTES) as usize,
            lock: Some(lock),
        };
        Ok((journal, opened))
    }

    /// Queues one record and says its number. Waits only while the queue is full; not for the disk: that is [`Journal::durable`].
    /// An `at` before the last one counts as the last one, as it does for the brain.
    ///
    /// Errors: the entry is larger than [`PAYLOAD_BYTES_MAX`] or a segment (split it; the journal goes on), the disk finishes nothing, or the journal
    /// has failed.
    pub fn append(&self, at: Micros, entry: &Entry) -> anyhow::Result<u64> {
        self.append_with(at, entry, |_| vec![])
    }

    /// As [`Journal::append`], with the records that follow from this one beside it: `following` is given its number. They go to the
    /// disk together, so that what was decided does not wait for a second sync. Says the number of the last; after an error none is queued.
    pub fn append_with(&self, at: Micros, entry: &Entry, following: impl FnOnce(u64) -> Vec<Entry>) -> anyhow::Result<u64> {
        let mut front = self.front.lock().unwrap_or_else(PoisonError::into_inner);
        let (first, at) = (front.seq + 1, at.max(front.at));
        let mut together = vec![self.queued(first, at, entry)?];
        for (seq, entry) in (first + 1..).zip(&following(first)) {
            together.push(self.queued(seq, at, entry)?);
        }
        let last = front.seq + together.len() as u64;
        if self.durable.borrow().seq >= front.seq {
            front.owes = Instant::now();
        }
        loop {
            match front.queue.as_ref().map(|queue| queue.try_send(together)) {
                Some(Ok(())) => {
                    (front.seq, front.at) = (last, at);
                    return Ok(last);
                }
                Some(Err(TrySendError::Full(full))) => together = full,
                Some(Err(TrySendError::Disconnected(_))) | None => return Err(self.failure()),
            }
            // The wait of those that are queued counts: this thread decides nothing meanwhile.
            let waited = front.owes.max(self.durable.borrow().synced_at).elapsed();
            ensure!(waited < PATIENCE, "the disk has finished nothing for {} s", waited.as_secs_f32());
            std::thread::sleep(QUEUE_LOOK);
        }
    }

    fn queued(&self, seq: u64, at: Micros, entry: &Entry) -> anyhow::Result<Queued> {
        let (kind, payload) = (codec::kind(entry), codec::encode(entry)?);
        if payload.len() > PAYLOAD_BYTES_MAX || record::framed_bytes(payload.len(), record::CHAINED) > self.framed_bytes_max {
            return Err(TooLarge(payload.len()).into());
        }
        Ok(Queued { seq, at, kind, payload })
    }

    /// How far the journal is on disk. Effects, acknowledgements and answers wait until `seq` covers their record.
    pub fn durable(&self) -> watch::Receiver<Durable> {
        self.durable.subscribe()
    }

    /// Which writing end this is: what [`Durable::holds`] is asked with, beside the number of a record.
    pub fn era(&self) -> u32 {
        self.era
    }

    /// Writes and syncs everything queued, and ends the thread. An error means that records after the durable number are lost.
    pub fn close(mut self) -> anyhow::Result<()> {
        self.end();
        match self.durable.borrow().failed {
            Some(_) => Err(self.failure()),
            None => Ok(()),
        }
    }

    fn end(&mut self) {
        self.front.get_mut().unwrap_or_else(PoisonError::into_inner).queue = None;
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            tracing::error!("the journal's thread panicked");
        }
    }

    fn failure(&self) -> anyhow::Error {
        let why = self.durable.borrow().failed.clone();
        anyhow!("the journal has failed and takes no more records: {}", why.unwrap_or_else(|| "its thread is gone".into()))
    }
}

impl Drop for Journal {
    fn drop(&mut self) {
        self.end();
    }
}

/// How far a journal is that nobody has opened yet.
pub fn unopened() -> watch::Sender<Durable> {
    let failed = Some("it is not open yet".to_owned());
    watch::channel(Durable { era: 0, seq: 0, synced_at: Instant::now(), failed }).0
}

fn spawn(writer: Writer, queued: Receiver<Vec<Queued>>) -> anyhow::Result<JoinHandle<()>> {
    std::thread::Builder::new()
        .name("journal".into())
        .spawn(move || writer.run(queued))
        .context("cannot start the journal's thread")
}

fn make_folder(dir: &Path) -> anyhow::Result<()> {
    std::fs::create_dir_all(dir).with_context(|| {
        format!(
            "cannot make the journal directory {}: this user must be able to write in the folder that holds it",
            dir.display()
        )
    })
}

/// Whether a journal cannot be opened because its disk is dead, gone, full or read-only. That is no reason not to watch a plant. Everything else is for
/// a person: a folder that this user may not write, one that another process holds, another site's journal, a newer program's.
pub fn is_of_the_disk(error: &anyhow::Error) -> bool {
    // EIO, ENXIO, ENODEV, ENOSPC, EROFS, EBADMSG, EUCLEAN, ENOTCONN, ESHUTDOWN, ETIMEDOUT, ESTALE, EREMOTEIO, EDQUOT.
    const DISK: [i32; 13] = [5, 6, 19, 28, 30, 74, 117, 107, 108, 110, 116, 121, 122];
    let said = |cause: &(dyn std::error::Error + 'static)| cause.downcast_ref::<std::io::Error>()?.raw_os_error();
    error.chain().filter_map(said).any(|code| DISK.contains(&code))
}

/// Whether the disk takes a few bytes and says that it has them.
fn probe(dir: &Path) -> anyhow::Result<()> {
    let path = dir.join("probe");
    let context = || format!("cannot write and sync {}", path.display());
    let mut file = File::create(&path).with_context(context)?;
    let written = file.write_all(&[1; 4096]).and_then(|()| file.sync_all());
    std::fs::remove_file(&path).and(written).with_context(context)
}

/// Holds the journal's directory so that no daemon starts in it; None where one runs. Writes nothing else.
///
/// # Errors
/// The lock file cannot be opened.
pub fn hold(dir: &Path) -> anyhow::Result<Option<File>> {
    let path = dir.join("lock");
    let context = || format!("cannot lock the journal with {}: this user must be able to write there", path.display());
    let opened = File::options().create(true).truncate(false).write(true).open(&path);
    // A lock is no write: one that is there keeps a second daemon off a read-only disk too.
    let read_only =
        |error: std::io::Error| if error.kind() == ErrorKind::ReadOnlyFilesystem { File::open(&path) } else { Err(error) };
    let file = opened.or_else(read_only).with_context(context)?;
    match file.try_lock() {
        Ok(()) => Ok(Some(file)),
        Err(TryLockError::WouldBlock) => Ok(None),
        Err(TryLockError::Error(e)) => Err(e).with_context(context),
    }
}

fn lock(dir: &Path) -> anyhow::Result<File> {
    hold(dir)?.ok_or_else(|| in_use(dir))
}

fn in_use(dir: &Path) -> anyhow::Error {
    anyhow!("another safety-brain is using the journal in {}: stop it, or use another data directory", dir.display())
}
