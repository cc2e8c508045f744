//! A start: the newest snapshot, the journal, and its replay, on a thread of its own, so that a disk that hangs does not keep a plant from being
//! watched. Must not know: what is watched meanwhile.

use super::super::{snapshot, snapshot::Snapshot, storage};
use super::{Back, Core, Gap, Numbers, OUTCOMES_PER_RECORD, Replayed, SinceSnapshot, Waiting, outcomes, same};
use crate::hang::{self, Far, within};
use crate::journal::{Damage, Durable, FOLDER, Journal, Opened, is_of_the_disk, unopened};
use crate::restored;
use anyhow::Context;
use brain::event::{Entry, Event, Outcome};
use brain::{Alarm, Brain, Site};
use std::collections::VecDeque;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Instant;
use tokio::sync::{oneshot, watch};

/// Alarms that are named where it is said what is not known.
const NAMED_MAX: usize = 20;

/// How far an opening is, seen from outside a thread that may hang in it.
#[derive(Clone, Default)]
struct Seen {
    far: Far,
    /// The newest snapshot, from when it is read until the brain is made of it.
    woken: Arc<Mutex<Option<Arc<Snapshot>>>>,
}

impl Seen {
    fn woken(&self) -> std::sync::MutexGuard<'_, Option<Arc<Snapshot>>> {
        self.woken.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The newest snapshot being read while something else goes on: a large one takes as long as a large site file.
pub struct Ahead(JoinHandle<Option<Snapshot>>);

impl Ahead {
    /// Begins to read the one of this data directory.
    ///
    /// # Errors
    /// There is no thread.
    pub fn begin(data: &Path) -> anyhow::Result<Ahead> {
        let data = data.to_owned();
        let read = move || snapshot::newest(&data);
        std::thread::Builder::new().name("ahead".to_owned()).spawn(read).map(Ahead).context("no thread to read the snapshot on")
    }
}

/// A core being opened on a thread of its own.
pub struct Opening {
    site: Site,
    segment_bytes: u64,
    data: PathBuf,
    durable: watch::Sender<Durable>,
    seen: Seen,
    opened: oneshot::Receiver<anyhow::Result<(Core, Replayed)>>,
    late: Receiver<anyhow::Result<Back>>,
}

impl Opening {
    /// Begins it; see [`Core::open`]. `ahead` has read the snapshot of this directory, or reads it still.
    ///
    /// # Errors
    /// There is no thread.
    pub fn begin(site: Site, segment_bytes: u64, data: &Path, ahead: Option<Ahead>) -> anyhow::Result<Opening> {
        let (durable, seen) = (unopened(), Seen::default());
        let (told, opened) = oneshot::channel();
        let (late_told, late) = sync_channel(1);
        let (given, shown, theirs, of) = (site.clone(), seen.clone(), durable.clone(), data.to_owned());
        let open = move || {
            let opened = Core::open_told(given, segment_bytes, &of, ahead, theirs, &shown);
            if let Err(opened) = told.send(opened) {
                drop(late_told.send(opened.and_then(Back::late)));
                hang::came_back();
            }
        };
        std::thread::Builder::new().name("opening".to_owned()).spawn(open).context("no thread to open the journal on")?;
        Ok(Opening { site, segment_bytes, data: data.to_owned(), durable, seen, opened, late })
    }

    /// Waits for it, and tells `said` what is waited for where that takes long. Where there is no sign of life any more, the plant is watched without a
    /// record, from the newest snapshot if that could be read; what hangs goes on by itself, and is taken when it comes back.
    ///
    /// # Errors
    /// As [`Core::open`].
    pub async fn done(mut self, said: impl FnMut(String)) -> anyhow::Result<(Core, Replayed)> {
        let durable = self.durable.clone();
        let sign = || durable.borrow().synced_at;
        let waited = match self.seen.far.answer(&mut self.opened, sign, said).await {
            Ok(opened) => return opened.context("the thread that opens the journal panicked")?,
            Err(waited) => waited,
        };
        hang::given_up();
        self.opened.close();
        match self.opened.try_recv() {
            Ok(opened) => {
                hang::came_back();
                opened
            }
            Err(_) => {
                let why = format!("{:#}", hang::hangs(&self.seen.far.now(), waited));
                // The brain that is made of it there cannot be had; the file was read a moment ago.
                let data = self.data.clone();
                let again = || within("reading the newest snapshot again", move || snapshot::newest(&data)).ok().flatten();
                let woken = self.seen.woken().take();
                let woken = woken.map(Arc::unwrap_or_clone).or_else(again);
                let known = woken.as_ref().map_or(0, |snapshot| snapshot.seq);
                let journal = Journal::waiting(self.durable, known);
                let mut core = Core::on(journal, self.site, self.segment_bytes, &self.data, woken);
                let replayed = core.without_a_record(why, Some(self.late));
                Ok((core, replayed))
            }
        }
    }
}

impl Back {
    /// What was waited for no longer.
    fn late((core, replayed): (Core, Replayed)) -> anyhow::Result<Back> {
        if let Some(gap) = core.unrecorded {
            anyhow::bail!("{}", gap.why);
        }
        let stood = Some(core.brain.alarms().filter(|alarm| !alarm.closed).cloned().collect());
        let journal = Arc::into_inner(core.journal).context("the journal is held by somebody else")?;
        let last_seq = journal.durable().borrow().seq;
        let damage = (!replayed.damage.is_empty()).then(|| replayed.damage.join("; "));
        Ok(Back { journal, last_seq, damage, stood })
    }
}

impl From<(Journal, Opened)> for Back {
    fn from((journal, Opened { last_seq, damage, .. }): (Journal, Opened)) -> Back {
        Back { journal, last_seq, damage, stood: None }
    }
}

/// What may stand that `brain` does not know of, in words.
pub(super) fn unknown(stood: Option<Vec<Alarm>>, brain: &Brain) -> String {
    let Some(stood) = stood else { return ": alarms may stand in them that are not known here".to_owned() };
    let is_unknown = |alarm: &&Alarm| brain.alarms().all(|known| known.key != alarm.key);
    let unknown: Vec<&Alarm> = stood.iter().filter(is_unknown).collect();
    if unknown.is_empty() {
        return "; no alarm stood in them that is not known here".to_owned();
    }
    let name = |alarm: &&Alarm| {
        let brain::alarm::AlarmKey { hazard, zone, object, .. } = &alarm.key;
        format!("{} {hazard} in {zone} {object}", alarm.id.0).trim_end().to_owned()
    };
    let mut named: Vec<String> = unknown.iter().take(NAMED_MAX).map(name).collect();
    if unknown.len() > NAMED_MAX {
        named.push(format!("and {} more", unknown.len() - NAMED_MAX));
    }
    format!(": these alarms stood then and are not known here, look after them: {}", named.join(", "))
}

impl Core {
    /// Opens the journal and brings a brain to where the last one was: from the newest snapshot, then by the records behind it. Effects of the past
    /// are not carried out again. `site` is decided with from [`Core::start`] on; the past, with the sites of the past.
    ///
    /// Where the disk is dead or read-only, the plant is watched all the same: from the newest snapshot that can be read, unrecorded.
    ///
    /// # Errors
    /// This user may not write in the directory, it belongs to another running daemon or another site, holds records this program cannot read, or a restore
    /// into it has not ended.
    pub fn open(site: Site, segment_bytes: u64, data: &Path) -> anyhow::Result<(Core, Replayed)> {
        Core::open_told(site, segment_bytes, data, None, unopened(), &Seen::default())
    }

    fn open_told(
        site: Site,
        segment_bytes: u64,
        data: &Path,
        ahead: Option<Ahead>,
        durable: watch::Sender<Durable>,
        seen: &Seen,
    ) -> anyhow::Result<(Core, Replayed)> {
        let (dir, far) = (data.join(FOLDER), &seen.far);
        far.at(format!("looking into {}", data.display()));
        restored::whole(data)?;
        far.at(format!("reading the newest snapshot in {}", data.join(snapshot::FOLDER).display()));
        let read = ahead.and_then(|Ahead(reading)| reading.join().ok());
        let woken = read.unwrap_or_else(|| snapshot::newest(data)).map(Arc::new);
        let known = woken.as_ref().map_or(0, |snapshot| snapshot.seq);
        seen.woken().clone_from(&woken);
        // The store may know of records behind the snapshot.
        far.at(format!("reading how far the store was in {}", data.join(crate::store::FOLDER).display()));
        let given = storage::given(data);
        far.at(format!("opening the journal in {}", dir.display()));
        let (journal, opened) = match Journal::open_told(durable, &dir, &site.id, segment_bytes, known.max(given)) {
            Ok((journal, opened)) => (journal, Ok(opened)),
            Err(error) if is_of_the_disk(&error) => {
                let why = format!("{error:#}");
                (Journal::dead(&dir, known, why.clone())?, Err(why))
            }
            Err(error) => return Err(error),
        };
        far.at(format!("keeping the site in {}", data.join(snapshot::SITES).display()));
        if let Err(error) = snapshot::keep_site(data, &snapshot::digest(&site), &site) {
            tracing::error!("what is decided now cannot be decided again under another site file: {error:#}");
        }
        // Of ten thousand alarms a copy takes a tenth of a second: there is none unless somebody took theirs.
        drop(seen.woken().take());
        let mut core = Core::on(journal, site, segment_bytes, data, woken.map(Arc::unwrap_or_clone));
        far.at(format!("replaying the journal in {}", dir.display()));
        let replayed = match opened {
            Ok(opened) => {
                let replayed = core.replay(&dir, opened, far).context("cannot replay the journal")?;
                core.numbers = match core.since.seq {
                    _ if !replayed.damage.is_empty() || restored::is_fresh(&core.data, core.since.seq) => Numbers::Lost,
                    0 => Numbers::First,
                    _ => Numbers::Known,
                };
                replayed
            }
            Err(why) => core.without_a_record(why, None),
        };
        Ok((core, replayed))
    }

    /// From this snapshot, or from nothing.
    fn on(journal: Journal, site: Site, segment_bytes: u64, data: &Path, woken: Option<Snapshot>) -> Core {
        let since = SinceSnapshot {
            seq: woken.as_ref().map_or(0, |snapshot| snapshot.seq),
            at: woken.as_ref().map_or(0, |snapshot| snapshot.brain.now()),
            ..Default::default()
        };
        let (brain, digest) = match woken {
            Some(snapshot) => (snapshot.brain, snapshot.site),
            None => (Brain::new(site.clone()), snapshot::digest(&site)),
        };
        Core {
            brain,
            journal: Arc::new(journal),
            segment_bytes,
            data: data.to_owned(),
            digest,
            site,
            started: 0,
            at: 0,
            unrecorded: None,
            waiting: Waiting { seq: 0, since: Instant::now(), at: 0, safe: 0 },
            queued: VecDeque::new(),
            since,
            numbers: Numbers::Known,
            saving: SinceSnapshot::default(),
            words: Box::new(|_| None),
        }
    }

    /// A start on a dead disk, or one that hangs: `back` is then its journal. [`Core::start`] says so to the brain.
    fn without_a_record(&mut self, why: String, back: Option<Receiver<anyhow::Result<Back>>>) -> Replayed {
        tracing::error!(snapshot = self.since.seq, "nothing can be put on record from the start on, watching without: {why}");
        let (since, now) = (self.brain.now(), Instant::now());
        let gap = Gap { since, steps: 0, why, back, tried: now, said: now, began: now, unread: Some(self.since.seq) };
        (self.unrecorded, self.at) = (Some(gap), since);
        Replayed { snapshot: self.since.seq, last_at: since, ..Default::default() }
    }

    fn replay(&mut self, dir: &Path, opened: Opened, far: &Far) -> anyhow::Result<Replayed> {
        let mut found = Replayed { snapshot: self.since.seq, last_at: self.brain.now(), ..Default::default() };
        found.damage.extend(opened.damage);
        let mut same_program = false;
        let (mut mine, mut theirs): (Vec<Outcome>, Vec<Outcome>) = Default::default();
        let mut cause = 0;
        let mut from = self.since.seq + 1;
        if let Some(live) = crate::journal::first_live(dir)?.filter(|live| *live > from) {
            // Events without their readings would be decided wrongly.
            let lost = format!(
                "no snapshot can be read that reaches record {live}, where the journal begins: what stood before is not known"
            );
            tracing::error!("{lost}");
            found.damage.push(lost);
            from = live;
        }
        for record in crate::journal::read(dir, from)? {
            let record = match record {
                Ok(record) => record,
                // To decide without what a newer program knew, or without the rest, would be to decide wrongly.
                Err(error) if error.downcast_ref::<Damage>().is_none() => return Err(error),
                Err(error) => {
                    tracing::error!("the journal is damaged, going on behind the hole: {error:#}");
                    found.damage.push(format!("{error:#}"));
                    continue;
                }
            };
            (found.last_at, self.at) = (record.at, record.at);
            far.beat();
            match record.entry {
                Entry::Event(event) => {
                    found.different += u64::from(same_program && !same(&mine, &theirs));
                    theirs.clear();
                    // Beside the end of a gap stands what nobody can decide again.
                    same_program &= !matches!(event, Event::Recorded { .. });
                    if let Event::Started { config, version, .. } = &event {
                        self.was_started_with(config);
                        same_program = version == env!("CARGO_PKG_VERSION");
                    }
                    let effects = self.brain.step(record.at, &event);
                    (cause, mine) = (record.seq, outcomes(&self.brain, &effects));
                    found.events += 1;
                    self.count(record.seq, &event);
                }
                Entry::Bureau(_) => anyhow::bail!("this is a bureau's journal: give the plant a data directory of its own"),
                Entry::Outcome { outcome, .. } => {
                    theirs.extend(outcome);
                    self.since.seq = record.seq;
                }
            }
        }
        // The last step before a crash: what happened reached the disk, what was decided did not. It is decided again, and on record now.
        if theirs.len() < mine.len() && same(&mine[..theirs.len()], &theirs) {
            for outcome in mine[theirs.len()..].chunks(OUTCOMES_PER_RECORD) {
                match self.journal.append(self.at, &Entry::Outcome { cause, outcome: outcome.to_vec() }) {
                    Ok(seq) => self.since.seq = seq,
                    // A journal that has failed by now is seen by the first step.
                    Err(error) => tracing::error!("what the last step decided is not on record: {error:#}"),
                }
            }
        }
        Ok(found)
    }

    /// The past goes on under the site of the past.
    fn was_started_with(&mut self, digest: &str) {
        if self.digest != digest {
            match snapshot::site(&self.data, digest) {
                Ok(site) => self.brain = self.brain.reconfigured(site),
                Err(error) => tracing::warn!("a part of the past is decided under the present site: {error:#}"),
            }
            digest.clone_into(&mut self.digest);
        }
    }
}
