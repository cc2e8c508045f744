//! How the store is, as its handle and its thread both see it. Must not know: why.

use super::StoreStatus;
use super::shelf::Glance;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use tokio::sync::watch;

/// A wait of the thread is shown from here on ...
const SHOWN_AFTER: Duration = Duration::from_secs(2);
/// ... and the store is out of use from here on: questions went unanswered, and a database that hangs is given up a little later.
const HANGS_AFTER: Duration = Duration::from_secs(20);

/// What handle and thread both see.
#[derive(Clone)]
pub struct Shared {
    seen: Arc<Mutex<Seen>>,
    durable: watch::Receiver<u64>,
}

/// What there is to be seen.
#[derive(Default)]
pub struct Seen {
    /// As the shelf was last.
    pub glance: Glance,
    /// Why it is not in use.
    pub failed: Option<String>,
    /// What failed before it was in use again.
    pub before: String,
    /// What is not well, and no failure yet.
    pub note: String,
    /// Times it was opened.
    pub starts: u64,
    /// What the thread waits for.
    waits: Option<Wait>,
}

/// A wait of the thread.
struct Wait {
    since: Instant,
    what: String,
}

impl Seen {
    /// A wait that takes longer than usual, and how long.
    fn waits(&self) -> Option<(Duration, &Wait)> {
        let wait = self.waits.as_ref()?;
        let waited = wait.since.elapsed();
        (waited >= SHOWN_AFTER).then_some((waited, wait))
    }
}

impl Shared {
    /// Nothing has happened yet.
    pub fn new(durable: watch::Receiver<u64>) -> Shared {
        Shared { seen: Arc::default(), durable }
    }

    /// Looks at it, or changes it.
    pub fn with<T>(&self, f: impl FnOnce(&mut Seen) -> T) -> T {
        f(&mut self.seen.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// What the thread does in `call` may take long, or hang: it is seen that it waits.
    pub fn waiting<T>(&self, what: String, call: impl FnOnce() -> T) -> T {
        self.with(|seen| seen.waits = Some(Wait { since: Instant::now(), what }));
        let done = call();
        self.with(|seen| seen.waits = None);
        done
    }

    /// How it is now.
    pub fn status(&self) -> StoreStatus {
        let durable = *self.durable.borrow();
        self.with(|seen| {
            let mut detail: Vec<String> = seen.failed.iter().cloned().collect();
            detail.extend([&seen.before, &seen.note].into_iter().filter(|note| !note.is_empty()).cloned());
            detail.extend(seen.glance.incomplete.iter().map(|(date, why)| format!("{date} is not whole: {why}")));
            if seen.glance.nameless > 0 {
                detail.push(format!("{} readings were not kept: no start names their tags", seen.glance.nameless));
            }
            let hangs = seen.waits().is_some_and(|(waited, _)| waited >= HANGS_AFTER);
            let waits = seen.waits().map(|(waited, wait)| format!("{}, for {} s now", wait.what, waited.as_secs()));
            let waits = waits.unwrap_or_default();
            detail.extend(Some(waits.clone()).filter(|waits| !waits.is_empty()));
            StoreStatus {
                watermark: seen.glance.applied,
                needed: seen.glance.needed,
                lag: durable.saturating_sub(seen.glance.applied),
                healthy: seen.failed.is_none() && !hangs,
                detail: detail.join("; "),
                incomplete: seen.glance.incomplete.iter().map(|(date, _)| date.clone()).collect(),
                starts: seen.starts,
                waits,
            }
        })
    }
}
