//! The store behind the journal: how it reads what is durable, and who is told when either of them fails.
//! Must not know: what a record means.

use super::Input;
use crate::journal::{Durable, Reader, goes_on};
use crate::store::{Run, Source, Store};
use brain::event::StoragePart;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{mpsc, watch};

/// How often the health of the store is looked at.
const LOOK: Duration = Duration::from_secs(1);

/// Places in the journal that are kept open: where the store follows, and where it makes a day again.
const READERS_MAX: usize = 2;

/// Starts the store; it tails the journal by itself. `run`: what it is told of the present run.
///
/// # Errors
/// Its thread cannot be started.
pub fn start(data: &Path, days: u32, durable: watch::Receiver<Durable>, run: Run) -> anyhow::Result<Store> {
    let (told, numbers) = watch::channel(durable.borrow().seq);
    let mut follow = durable;
    tokio::spawn(async move {
        while follow.changed().await.is_ok() {
            told.send_replace(follow.borrow_and_update().seq);
        }
    });
    let folder = data.join("journal");
    let mut readers: Vec<(u64, Reader)> = vec![];
    let read = move |from: u64, through: u64, most: usize| {
        // A reader keeps its place; one that is somewhere else, or failed, is opened anew.
        let mut open = match readers.iter().position(|(next, _)| *next == from) {
            Some(kept) => readers.remove(kept).1,
            None => Reader::open(&folder, from)?,
        };
        let mut records = Vec::new();
        while records.len() < most {
            match open.next_durable(through) {
                Ok(Some(record)) => records.push(record),
                Ok(None) => break,
                // The reader stands behind the hole now: say it, and go on from there.
                Err(error) if goes_on(&error) => tracing::error!("the journal has a hole: {error:#}"),
                Err(error) if records.is_empty() => return Err(error),
                Err(_) => break,
            }
        }
        if let Some(last) = records.last() {
            readers.truncate(READERS_MAX - 1);
            readers.insert(0, (last.seq + 1, open));
        }
        Ok(records)
    };
    Store::start(&data.join("store"), days, Source { run, read: Box::new(read), durable: numbers })
}

/// Tells the brain when the store fails or works again. Runs until the brain is gone. The journal is the brain's own thread's to watch.
pub async fn watch_health(store: Arc<Store>, inputs: mpsc::Sender<Input>) {
    let mut look = tokio::time::interval(LOOK);
    // An alarm of the last run ends with the first look that finds the store in use.
    let mut known = None;
    loop {
        look.tick().await;
        let status = store.status();
        let begun = status.starts > 0 || !status.healthy;
        if begun && known != Some(status.healthy) {
            known = Some(status.healthy);
            let told = Input::Storage { part: StoragePart::Store, well: status.healthy, detail: status.detail };
            if inputs.send(told).await.is_err() {
                return;
            }
        }
    }
}
