//! The store's thread: follows the journal, hands questions to the worker, and starts the store anew in a fresh place when it fails.
//! Must not know: what records and questions mean. It never touches a database itself, so that one that hangs does not hold it.

use super::again::Salvage;
use super::bases::InUse;
use super::copy::is_full;
use super::places;
use super::salvage::{Salvaged, salvage};
use super::shared::Shared;
use super::shelf::{Setup, Shelf, Took};
use super::worker::{Hangs, Refused, Worker, caught, is_around};
use super::{Batch, Source};
use anyhow::anyhow;
use brain::event::{Entry, Event};
use std::any::Any;
use std::collections::VecDeque;
use std::fs::File;
use std::path::PathBuf;
use std::sync::mpsc::SyncSender;
use std::time::{Duration, Instant};
use tokio::sync::{mpsc, oneshot, watch};

/// Records read at once.
const BATCH_RECORDS_MAX: usize = 1024;
/// Readings in one call to the databases: what a thousand records of a small plant hold.
const CALL_READINGS_MAX: usize = 100_000;
/// Records behind which the store counts as caught up.
const LAG_WELL: u64 = 1024;
/// Time between batches that are not full.
const BATCH_EVERY: Duration = Duration::from_millis(250);
/// Time after a failed read before the next.
const RETRY_AFTER: Duration = Duration::from_secs(1);
/// Time between two steps in the background.
const CARE_EVERY: Duration = Duration::from_millis(20);
/// Time between looks for something to do in the background.
const CARE_IDLE: Duration = Duration::from_secs(10);

/// How long is waited, and how often tried again.
#[derive(Clone, Copy, Debug)]
pub struct Patience {
    /// A call that takes longer hangs. One may open a day and sync what a killed process left of it: seconds on a busy disk.
    pub call: Duration,
    /// An opening without a sign of life for longer hangs.
    pub open: Duration,
    /// Starts in place within `within`; more, and it waits for `then`.
    pub starts: usize,
    /// See `starts`.
    pub within: Duration,
    /// See `starts`.
    pub then: Duration,
    /// Longest wait while what is around the databases keeps them from being opened: it begins with a second, and doubles.
    pub around: Duration,
    /// Time between two days verified.
    pub verify: Duration,
    /// A journal that gives nothing for so long, although there is more, is a failure.
    pub unread: Duration,
}

impl Default for Patience {
    fn default() -> Patience {
        let seconds = Duration::from_secs;
        Patience {
            call: seconds(30),
            open: seconds(30),
            starts: 3,
            within: seconds(600),
            then: seconds(1800),
            around: seconds(60),
            verify: seconds(600),
            unread: seconds(60),
        }
    }
}

/// Workers given up in the life of a process, at most: each may keep six databases, of 81 descriptors and 16 MiB of cache. After that the store
/// stays out of use until the next start of the program.
const GIVEN_UP_MAX: u32 = 8;

/// What a query found, of whatever type the asker knows.
type Found = anyhow::Result<Box<dyn Any + Send>>;

/// One query on its way.
pub struct Ask {
    /// What to do.
    pub query: Box<dyn FnOnce(&mut Shelf) -> Found + Send>,
    /// Where the answer goes.
    pub answer: SyncSender<Found>,
}

/// Why the store is not in use.
enum Down {
    /// Try again in the same place: nothing is wrong with what is there.
    Around(anyhow::Error),
    /// The disk is full, and the databases in these parts must not be touched by their old handles: go on with the same files in a fresh place.
    Full { error: anyhow::Error, parts: Vec<String> },
    /// Begin in a fresh place without these parts. `given_up`: a worker may still hold them.
    Failed { error: anyhow::Error, parts: Vec<String>, given_up: bool },
}

/// The thread.
pub struct Keeper {
    /// What the store is opened with.
    pub setup: Setup,
    /// Where records come from.
    pub source: Source,
    /// How long it waits.
    pub patience: Patience,
    /// What the handle sees.
    pub shared: Shared,
    /// Questions.
    pub asks: mpsc::Receiver<Ask>,
    /// True: stop.
    pub stop: watch::Receiver<bool>,
    /// Held against other processes while this one has the store.
    pub lock: Option<File>,
    /// Since when the journal gives nothing although there is more.
    pub unread: Option<Instant>,
}

enum Woken {
    Stop,
    Ask(Ask),
    Records,
    Care,
    Salvaged(anyhow::Result<Salvaged>),
}

impl Keeper {
    /// Works until told to stop.
    pub fn run(mut self) -> anyhow::Result<()> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build()?;
        let (mut failures, mut given_up, mut tries) = (VecDeque::new(), 0, 0u32);
        // Parts that are to be moved to a fresh place first.
        let mut full: Vec<String> = vec![];
        loop {
            let moved = if full.is_empty() { Ok(()) } else { places::move_over(&self.setup.dir, &full).map_err(Down::Around) };
            let served = moved.and_then(|()| {
                full.clear();
                self.serve(&runtime)
            });
            let down = match served {
                Ok(()) => return Ok(()),
                Err(down) => down,
            };
            let pause = match down {
                Down::Around(error) => Some(self.wait(&error, &mut tries)),
                Down::Full { error, parts } => {
                    (full, given_up) = (parts, given_up + 1);
                    let pause = self.wait(&error, &mut tries);
                    (given_up < GIVEN_UP_MAX).then_some(pause)
                }
                Down::Failed { error, parts, given_up: held } => {
                    tries = 0;
                    given_up += u32::from(held);
                    failures.push_back(Instant::now());
                    failures.retain(|at: &Instant| at.elapsed() < self.patience.within);
                    self.after(&error, &parts, failures.len(), given_up)
                }
            };
            if self.refuse(&runtime, pause) {
                return Ok(());
            }
        }
    }

    /// What is around the databases keeps them from being used: says so, and how long to wait.
    fn wait(&self, error: &anyhow::Error, tries: &mut u32) -> Duration {
        let pause = Duration::from_secs(1 << (*tries).min(10)).min(self.patience.around);
        *tries += 1;
        self.say_down(format!("{error:#}; tried again every {} s", pause.as_secs()));
        pause
    }

    /// Finds a fresh place after a failure, and says how long to wait before it is used; none = for ever.
    fn after(&self, error: &anyhow::Error, parts: &[String], failures: usize, given_up: u32) -> Option<Duration> {
        let why = format!("{error:#}");
        let dir = &self.setup.dir;
        // What follows may hang as well.
        self.shared.with(|seen| seen.failed = Some(why.clone()));
        // Where a fresh place cannot be had, the next start of the program finds this.
        if let Err(error) = places::note_failed(dir, &why, parts) {
            tracing::error!("cannot note in {} that the store has failed: {error}", dir.display());
        }
        let aside = match places::renew(dir, parts) {
            Ok(aside) => aside.display().to_string(),
            Err(error) => {
                self.say_down(format!("{why}; there is no fresh place for it: {error:#}"));
                return Some(self.patience.around);
            }
        };
        if given_up >= GIVEN_UP_MAX {
            self.say_down(format!("{why}; given up {given_up} times: out of use until the next start of the program"));
            return None;
        }
        let pause = if failures > self.patience.starts { self.patience.then } else { Duration::ZERO };
        let when =
            if pause.is_zero() { String::new() } else { format!(" in {} s, as it failed {failures} times", pause.as_secs()) };
        self.say_down(format!("{why}; put aside in {aside}, to be taken back from there and from the journal{when}"));
        Some(pause)
    }

    /// The thread ends, and nobody follows any more.
    pub fn ended(shared: &Shared, error: &anyhow::Error) {
        tracing::error!("the store's thread cannot work: {error:#}");
        shared.with(|seen| {
            seen.failed = Some(format!("its thread has ended: {error:#}; out of use until the next start of the program"))
        });
    }

    fn say_down(&self, why: String) {
        tracing::error!("the store is out of use: {why}");
        self.shared.with(|seen| seen.failed = Some(why));
    }

    /// Answers questions with what is wrong, for `pause` (none = for ever). True: told to stop.
    fn refuse(&mut self, runtime: &tokio::runtime::Runtime, pause: Option<Duration>) -> bool {
        let until = pause.map(|pause| Instant::now() + pause);
        loop {
            let wait = async {
                match until {
                    Some(until) => tokio::time::sleep_until(until.into()).await,
                    None => std::future::pending().await,
                }
            };
            let woken = runtime.block_on(async {
                tokio::select! {
                    biased;
                    _ = self.stop.wait_for(|stop| *stop) => Woken::Stop,
                    ask = self.asks.recv() => ask.map_or(Woken::Stop, Woken::Ask),
                    () = wait => Woken::Care,
                }
            });
            match woken {
                Woken::Stop => return true,
                Woken::Ask(ask) => {
                    let why = self.shared.status().detail;
                    let _ = ask.answer.try_send(Err(anyhow!("the store is out of use: {why}")));
                }
                Woken::Care | Woken::Records | Woken::Salvaged(_) => return false,
            }
        }
    }

    /// Where it is opened, and the record from which on the journal has everything.
    fn place(&mut self, durable: u64) -> anyhow::Result<(PathBuf, u64)> {
        if self.lock.is_none() {
            places::make(&self.setup.dir)?;
            self.lock = places::hold(&self.setup.dir)?;
        }
        if self.lock.is_none() {
            return Err(InUse(self.setup.dir.clone()).into());
        }
        let root = places::settle(&self.setup.dir)?;
        places::has_room(&root)?;
        // Needed where the state is lost: what the journal no longer has cannot be read again.
        let first = if root.join("day").exists() && !root.join("state").exists() {
            let batch = caught(|| (self.source.read)(1, durable, 1))?;
            batch.records.first().map_or(1, |record| record.seq).max(batch.whole_from)
        } else {
            1
        };
        Ok((root, first))
    }

    fn open(&mut self) -> Result<Worker, Down> {
        let (shared, durable) = (self.shared.clone(), *self.source.durable.borrow());
        let what = format!("the store in {} is being opened", self.setup.dir.display());
        let (root, first) = shared.waiting(what.clone(), || self.place(durable)).map_err(Down::Around)?;
        shared.waiting(what, || self.open_in(root, first, durable))
    }

    fn open_in(&self, root: PathBuf, first: u64, durable: u64) -> Result<Worker, Down> {
        let (touched, opened) = Worker::open(root, self.setup.clone(), first, self.patience.open);
        let down = |error: anyhow::Error| {
            let given_up = error.downcast_ref::<Hangs>().is_some();
            let error = error.context("the store did not open");
            match error {
                error if is_around(&error) => Down::Around(error),
                error if is_full(&error) => Down::Full { error, parts: touched.names() },
                error => Down::Failed { error, parts: touched.names(), given_up },
            }
        };
        let worker = opened.map_err(down)?;
        let written = worker.call(self.patience.call, |shelf| Ok(shelf.written())).map_err(down)?;
        if written > durable {
            let error = anyhow!("the store had record {written}, but the journal ends at {durable}");
            // What the journal does not have must not be shown as if it did, nor be taken back.
            let behind = worker.call(self.patience.call, move |shelf| shelf.behind(durable)).map_err(down)?;
            if worker.close(self.patience.call).is_err() {
                return Err(Down::Failed { error, parts: touched.names(), given_up: true });
            }
            let parts: Vec<&str> = behind.iter().map(String::as_str).collect();
            let aside = places::replace(&self.setup.dir, &places::root(&self.setup.dir), &parts).map_err(Down::Around)?;
            return Err(Down::Around(error.context(format!("put aside in {} and made again from the journal", aside.display()))));
        }
        Ok(worker)
    }

    fn serve(&mut self, runtime: &tokio::runtime::Runtime) -> Result<(), Down> {
        let worker = self.open()?;
        let touched = worker.touched.clone();
        self.shared.with(|seen| seen.starts += 1);
        let followed = self.follow(&worker, runtime);
        let ended = followed.and_then(|()| worker.close(self.patience.call));
        ended.map_err(|error| {
            let parts = touched.names();
            match error {
                error if is_around(&error) => Down::Around(error),
                error if is_full(&error) => Down::Full { error, parts },
                error => Down::Failed { error, parts, given_up: true },
            }
        })
    }

    fn follow(&mut self, worker: &Worker, runtime: &tokio::runtime::Runtime) -> anyhow::Result<()> {
        let (mut next_batch, mut next_care, mut verified) = (Instant::now(), Instant::now(), Instant::now());
        let mut salvaging: Option<oneshot::Receiver<anyhow::Result<Salvaged>>> = None;
        let mut applied = self.look(worker)?;
        // Records wait until a day has been made again.
        let mut held_up = false;
        loop {
            let behind = self.source.durable.borrow_and_update().saturating_sub(applied);
            if behind > 0 && (Instant::now() >= next_batch || (behind >= BATCH_RECORDS_MAX as u64 && !held_up)) {
                let (pause, took) = self.catch_up(worker, applied)?;
                next_batch = Instant::now() + pause;
                held_up = matches!(took, Took::After(_) | Took::Later);
                if let Took::After(left) = took {
                    salvaging = Some(begin_salvage(left)?);
                }
                applied = self.look(worker)?;
            }
            // Not below: where questions never end, it would never come to it.
            if Instant::now() >= next_care {
                let (busy, left) = match salvaging {
                    Some(_) => (false, None),
                    None => self.care(worker, &mut verified)?,
                };
                salvaging = salvaging.or(left.map(begin_salvage).transpose()?);
                applied = self.look(worker)?;
                next_care = Instant::now() + if busy { CARE_EVERY } else { CARE_IDLE };
            }
            let woken = runtime.block_on(async {
                tokio::select! {
                    biased;
                    _ = self.stop.wait_for(|stop| *stop) => Woken::Stop,
                    ask = self.asks.recv() => ask.map_or(Woken::Stop, Woken::Ask),
                    found = async { salvaging.as_mut().expect("only while salvaging").await }, if salvaging.is_some() =>
                        Woken::Salvaged(found.unwrap_or_else(|_| Err(anyhow!("its thread panicked")))),
                    changed = self.source.durable.changed() => if changed.is_ok() { Woken::Records } else { Woken::Stop },
                    () = tokio::time::sleep_until(next_batch.into()), if behind > 0 => Woken::Records,
                    () = tokio::time::sleep_until(next_care.into()) => Woken::Care,
                }
            });
            match woken {
                Woken::Records | Woken::Care => {}
                Woken::Ask(ask) => {
                    self.answer(ask, worker)?;
                    applied = self.look(worker)?;
                    next_care = next_care.min(Instant::now() + CARE_EVERY);
                }
                Woken::Salvaged(Err(error)) if is_full(&error) => {
                    let later = Instant::now() + self.patience.around;
                    let why = format!(
                        "no room to take back what was put aside; tried again every {} s: {error:#}",
                        self.patience.around.as_secs()
                    );
                    tracing::warn!("{why}");
                    self.shared.with(|seen| seen.note = why);
                    worker.call(self.patience.call, Shelf::put_off)?;
                    (salvaging, held_up, next_batch, next_care) = (None, true, later, later);
                }
                Woken::Salvaged(found) => {
                    salvaging = None;
                    worker.call(self.patience.call, |shelf| shelf.salvaged(found))?;
                    // The day waits for the rest of it.
                    (held_up, next_batch, next_care) = (false, Instant::now(), Instant::now());
                    applied = self.look(worker)?;
                }
                Woken::Stop => return Ok(()),
            }
        }
    }

    /// Shows how it is, and says how far it is.
    fn look(&self, worker: &Worker) -> anyhow::Result<u64> {
        let (glance, catching_up) = worker.call(self.patience.call, |shelf| {
            shelf.tend()?;
            Ok((shelf.glance(), shelf.is_catching_up() || shelf.is_coming_back()))
        })?;
        let (applied, durable) = (glance.applied, *self.source.durable.borrow());
        self.shared.with(|seen| {
            seen.glance = glance;
            if !catching_up
                && self.unread.is_none()
                && applied + LAG_WELL >= durable
                && let Some(why) = seen.failed.take()
            {
                tracing::info!("the store is in use again");
                seen.before = format!("in use again after: {why}");
            }
        });
        Ok(applied)
    }

    fn answer(&self, ask: Ask, worker: &Worker) -> anyhow::Result<()> {
        let found = worker.call(self.patience.call, |shelf| {
            (ask.query)(shelf).map_err(|error| if is_around(&error) { Refused(error).into() } else { error })
        });
        let failure = found.as_ref().err().filter(|error| error.downcast_ref::<Refused>().is_none());
        let full = || anyhow::Error::from(std::io::Error::from(std::io::ErrorKind::StorageFull));
        let failure =
            failure.map(|error| if is_full(error) { full().context(format!("{error:#}")) } else { anyhow!("{error:#}") });
        if let Some(error) = &failure {
            // Before the answer: who gets it may look at the status at once.
            self.say_down(format!("{error:#}"));
        }
        // An asker who has given up does not need it.
        let _ = ask.answer.try_send(found);
        failure.map_or(Ok(()), Err)
    }

    /// Applies one batch and says how long to wait before the next, and what became of it.
    fn catch_up(&mut self, worker: &Worker, applied: u64) -> anyhow::Result<(Duration, Took)> {
        let (from, through) = (applied + 1, *self.source.durable.borrow());
        let shared = self.shared.clone();
        let reading = format!("the store waits for the journal to give records from {from} on");
        let read = shared.waiting(reading, || caught(|| (self.source.read)(from, through, BATCH_RECORDS_MAX)));
        let batch = match read {
            Ok(batch) if !batch.records.is_empty() => batch,
            nothing => {
                let why = nothing.err().map_or_else(|| "the journal gives none".to_owned(), |error| format!("{error:#}"));
                self.cannot_read(from, &why);
                return Ok((RETRY_AFTER, Took::Later));
            }
        };
        self.unread = None;
        self.shared.with(|seen| seen.note.clear());
        let count = batch.records.len();
        for part in parts(batch) {
            match worker.call(self.patience.call, move |shelf| shelf.apply(&part))? {
                Took::All => {}
                Took::Back => return Ok((Duration::ZERO, Took::Back)),
                took @ (Took::After(_) | Took::Later) => return Ok((RETRY_AFTER, took)),
            }
        }
        let pause = match count {
            BATCH_RECORDS_MAX => Duration::ZERO,
            _ => BATCH_EVERY,
        };
        Ok((pause, Took::All))
    }

    /// There are records, and none can be read: after a while that is a failure.
    fn cannot_read(&mut self, from: u64, why: &str) {
        let why = format!("records from {from} on cannot be read: {why}");
        let since = *self.unread.get_or_insert_with(Instant::now);
        if since.elapsed() < self.patience.unread {
            self.shared.with(|seen| seen.note = why);
        } else if self.shared.with(|seen| seen.failed.is_none()) {
            self.shared.with(|seen| seen.note.clear());
            self.say_down(why);
        }
    }

    /// One step of what is done beside: days made again, the state swept, days sealed and verified. True: there is more to do.
    fn care(&mut self, worker: &Worker, verified: &mut Instant) -> anyhow::Result<(bool, Option<Salvage>)> {
        let most = self.patience.call;
        if let Some(from) = worker.call(most, Shelf::wanted)? {
            let through = *self.source.durable.borrow();
            let Ok(batch) = caught(|| (self.source.read)(from, through, BATCH_RECORDS_MAX)) else {
                return Ok((false, None));
            };
            for part in parts(batch) {
                let again = part.clone();
                if let Some(left) = worker.call(most, move |shelf| shelf.make(&again))? {
                    return Ok((true, Some(left)));
                }
            }
            return Ok((true, None));
        }
        let verify = verified.elapsed() >= self.patience.verify;
        let (swept, walked) = worker.call(most, move |shelf| Ok((shelf.sweep()?, shelf.walk(verify)?)))?;
        if verify {
            *verified = Instant::now();
        }
        Ok((swept || walked, None))
    }
}

/// Small enough for one call; one at least, as none says something too.
fn parts(batch: Batch) -> Vec<Batch> {
    let Batch { records, whole_from, lost } = batch;
    let part = || Batch { records: vec![], whole_from, lost: lost.clone() };
    let mut parts = vec![part()];
    let mut readings = 0;
    for record in records {
        if readings >= CALL_READINGS_MAX {
            parts.push(part());
            readings = 0;
        }
        if let Entry::Event(Event::Readings { readings: these }) = &record.entry {
            readings += these.len();
        }
        if let Some(part) = parts.last_mut() {
            part.records.push(record);
        }
    }
    parts
}

/// On a thread of its own: it touches only what was put aside and what is not in use yet.
fn begin_salvage(left: Salvage) -> anyhow::Result<oneshot::Receiver<anyhow::Result<Salvaged>>> {
    let (told, found) = oneshot::channel();
    std::thread::Builder::new().name("store-salvage".into()).spawn(move || {
        drop(told.send(salvage(&left)));
    })?;
    Ok(found)
}
