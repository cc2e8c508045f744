//! The store's thread: opens, catches up, answers, and stops touching the databases at the first error.
//! Must not know: what records and queries mean.

use super::bases::InUse;
use super::shelf::Shelf;
use super::{Source, StoreStatus};
use anyhow::{Context, anyhow};
use std::any::Any;
use std::mem::ManuallyDrop;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::mpsc::SyncSender;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use tokio::sync::{mpsc, watch};

/// Records in one batch.
const BATCH_RECORDS_MAX: usize = 1024;
/// Time between batches that are not full.
const BATCH_EVERY: Duration = Duration::from_millis(250);
/// Time after a failed read before the next.
const RETRY_AFTER: Duration = Duration::from_secs(1);
/// A call that takes longer hangs.
const CALL_MAX: Duration = Duration::from_secs(10);
/// An opening that takes longer hangs.
const OPEN_MAX: Duration = Duration::from_secs(30);
/// Name of the file that says: put this store aside at the next start. Holds why.
const FAILED: &str = "failed";

/// What a query found, of whatever type the asker knows.
type Found = anyhow::Result<Box<dyn Any + Send>>;

/// One query on its way.
pub struct Ask {
    /// What to do.
    pub query: Box<dyn FnOnce(&mut Shelf) -> Found + Send>,
    /// Where the answer goes.
    pub answer: SyncSender<Found>,
}

/// What handle and thread both see.
#[derive(Clone)]
pub struct Shared {
    seen: Arc<Mutex<Seen>>,
    durable: watch::Receiver<u64>,
}

#[derive(Default)]
struct Seen {
    applied: u64,
    failed: Option<String>,
    note: String,
    /// Since when a call runs, and how long it may.
    call: Option<(Instant, Duration)>,
}

impl Shared {
    /// Nothing has happened yet.
    pub fn new(durable: watch::Receiver<u64>) -> Shared {
        Shared { seen: Arc::default(), durable }
    }

    fn with<T>(&self, f: impl FnOnce(&mut Seen) -> T) -> T {
        f(&mut self.seen.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn fail(&self, error: &anyhow::Error) {
        self.with(|seen| seen.failed = Some(format!("{error:#}")));
    }

    /// How it is now; a hanging call is seen here, because the thread cannot tell of it.
    pub fn status(&self) -> StoreStatus {
        let durable = *self.durable.borrow();
        self.with(|seen| {
            let hangs = seen.call.filter(|(since, most)| since.elapsed() > *most);
            let detail = match (&seen.failed, hangs) {
                (Some(why), _) => why.clone(),
                (None, Some((since, _))) => format!("a call has not come back for {} s", since.elapsed().as_secs()),
                (None, None) => seen.note.clone(),
            };
            StoreStatus {
                watermark: seen.applied,
                lag: durable.saturating_sub(seen.applied),
                healthy: seen.failed.is_none() && hangs.is_none(),
                detail,
            }
        })
    }

    /// Runs one call to the databases: watched, and with a panic turned into an error.
    fn call<T>(&self, most: Duration, call: impl FnOnce() -> anyhow::Result<T>) -> anyhow::Result<T> {
        self.with(|seen| seen.call = Some((Instant::now(), most)));
        let result = catch_unwind(AssertUnwindSafe(call)).unwrap_or_else(|panic| {
            let what = panic.downcast_ref::<String>().map(String::as_str).or_else(|| panic.downcast_ref::<&str>().copied());
            Err(anyhow!("panic: {}", what.unwrap_or("without words")))
        });
        self.with(|seen| seen.call = None);
        result
    }
}

/// Works until told to stop, or until the store fails.
pub fn run(dir: &Path, days: u32, source: Source, mut asks: mpsc::Receiver<Ask>, stop: watch::Receiver<bool>, shared: &Shared) {
    // The queue outlives the work: whoever finds it closed finds the reason in the status.
    let Err(error) = serve(dir, days, source, &mut asks, stop, shared) else {
        return;
    };
    tracing::error!("the store is out of use: {error:#}");
    shared.fail(&error);
    if error.downcast_ref::<InUse>().is_none() {
        // The next start rebuilds. Where even this cannot be written, the opening will fail and lead to the same.
        if let Err(e) = std::fs::write(dir.join(FAILED), format!("{error:#}\n")) {
            tracing::error!("cannot note in {} that the store has failed: {e}", dir.display());
        }
    }
}

fn serve(
    dir: &Path,
    days: u32,
    mut source: Source,
    asks: &mut mpsc::Receiver<Ask>,
    mut stop: watch::Receiver<bool>,
    shared: &Shared,
) -> anyhow::Result<()> {
    // Never dropped by an error or a panic: dropping would flush, and a failed database may hang there for ever.
    let mut shelf = ManuallyDrop::new(open(dir, days, &source, shared)?);
    shared.with(|seen| seen.applied = shelf.applied());
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build()?;
    let mut next_batch = Instant::now();
    loop {
        let behind = source.durable.borrow_and_update().saturating_sub(shelf.applied());
        if behind > 0 && (Instant::now() >= next_batch || behind >= BATCH_RECORDS_MAX as u64) {
            let pause = catch_up(&mut shelf, &mut source, shared)?;
            next_batch = Instant::now() + pause;
        }
        let woken = runtime.block_on(async {
            tokio::select! {
                biased;
                _ = stop.wait_for(|stop| *stop) => Woken::Stop,
                ask = asks.recv() => ask.map_or(Woken::Stop, Woken::Ask),
                changed = source.durable.changed() => if changed.is_ok() { Woken::Records } else { Woken::Stop },
                () = tokio::time::sleep_until(next_batch.into()), if behind > 0 => Woken::Records,
            }
        });
        match woken {
            Woken::Records => {}
            Woken::Ask(ask) => answer(ask, &mut shelf, shared)?,
            Woken::Stop => break,
        }
    }
    shared.call(CALL_MAX, || ManuallyDrop::into_inner(shelf).close())
}

fn answer(ask: Ask, shelf: &mut Shelf, shared: &Shared) -> anyhow::Result<()> {
    let found = shared.call(CALL_MAX, || (ask.query)(shelf));
    let failure = found.as_ref().err().map(|e| anyhow!("{e:#}"));
    if let Some(e) = &failure {
        // Before the answer: who gets it may look at the status at once.
        shared.fail(e);
    }
    // An asker who has given up does not need it.
    let _ = ask.answer.try_send(found);
    failure.map_or(Ok(()), Err)
}

enum Woken {
    Stop,
    Ask(Ask),
    Records,
}

/// Applies one batch and says how long to wait before the next.
fn catch_up(shelf: &mut Shelf, source: &mut Source, shared: &Shared) -> anyhow::Result<Duration> {
    let (from, through) = (shelf.applied() + 1, *source.durable.borrow());
    let records = match (source.read)(from, through, BATCH_RECORDS_MAX) {
        Ok(records) => records,
        Err(e) => {
            tracing::error!("the store cannot read records from {from} on: {e:#}");
            shared.with(|seen| seen.note = format!("records from {from} on cannot be read: {e:#}"));
            return Ok(RETRY_AFTER);
        }
    };
    if records.is_empty() {
        return Ok(RETRY_AFTER);
    }
    shared.call(CALL_MAX, || shelf.apply(&records))?;
    let nameless = shelf.nameless();
    shared.with(|seen| {
        seen.applied = shelf.applied();
        if nameless > 0 {
            seen.note = format!("{nameless} readings were not kept: no start names their tags");
        }
    });
    Ok(if records.len() == BATCH_RECORDS_MAX { Duration::ZERO } else { BATCH_EVERY })
}

/// Opens what is there, or puts it aside and begins again: the journal has everything.
fn open(dir: &Path, days: u32, source: &Source, shared: &Shared) -> anyhow::Result<Shelf> {
    std::fs::create_dir_all(dir).with_context(|| format!("cannot make the store's directory {}", dir.display()))?;
    let durable = *source.durable.borrow();
    let why = match std::fs::read_to_string(dir.join(FAILED)) {
        Ok(why) => format!("the store had failed: {}", why.trim()),
        Err(_) => match shared.call(OPEN_MAX, || Shelf::open(dir, days)) {
            Ok(shelf) if shelf.written() <= durable => return Ok(shelf),
            Ok(shelf) => {
                let why = format!("the store had record {}, but the journal ends at {durable}", shelf.written());
                shared.call(CALL_MAX, || shelf.close())?;
                why
            }
            Err(e) if e.downcast_ref::<InUse>().is_some() => return Err(e),
            Err(e) => format!("the store did not open: {e:#}"),
        },
    };
    let aside = put_aside(dir)?;
    tracing::error!("{why}; it is in {} now and is made again from the journal", aside.display());
    shared.with(|seen| seen.note = format!("{why}; put aside in {} and made again from the journal", aside.display()));
    shared.call(OPEN_MAX, || Shelf::open(dir, days))
}

/// Moves everything into a new folder of `quarantine/`. Never deleted by us.
pub fn put_aside(dir: &Path) -> anyhow::Result<std::path::PathBuf> {
    let quarantine = dir.join("quarantine");
    let aside = (1u32..)
        .map(|n| quarantine.join(n.to_string()))
        .find(|path| !path.exists())
        .context("there is a free number for a folder")?;
    let context = || format!("cannot put the store aside in {}", aside.display());
    std::fs::create_dir_all(&aside).with_context(context)?;
    for name in ["state", "day", FAILED] {
        if dir.join(name).exists() {
            std::fs::rename(dir.join(name), aside.join(name)).with_context(context)?;
        }
    }
    std::fs::File::open(dir).and_then(|d| d.sync_all()).with_context(context)?;
    Ok(aside)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_call_that_hangs_is_seen_from_outside() {
        let (_durable, seen) = watch::channel(3);
        let shared = Shared::new(seen);
        assert!(shared.status().healthy);
        let since = Instant::now();
        shared.with(|seen| seen.call = Some((since, Duration::ZERO)));
        while since.elapsed() == Duration::ZERO {}
        let status = shared.status();
        assert!(!status.healthy && status.lag == 3 && status.detail.contains("has not come back"));
    }
}
