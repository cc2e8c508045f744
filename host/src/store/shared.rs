//! How the store is, as its handle and its thread both see it. Must not know: why.

use super::StoreStatus;
use super::shelf::Glance;
use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::watch;

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
            StoreStatus {
                watermark: seen.glance.applied,
                needed: seen.glance.needed,
                lag: durable.saturating_sub(seen.glance.applied),
                healthy: seen.failed.is_none(),
                detail: detail.join("; "),
                incomplete: seen.glance.incomplete.iter().map(|(date, _)| date.clone()).collect(),
                starts: seen.starts,
            }
        })
    }
}
