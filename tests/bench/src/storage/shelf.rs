//! A store fed from a list of records, as the daemon feeds it from the journal. Must not know: what the records say.

use anyhow::ensure;
use brain::Micros;
use brain::event::{Entry, Event, Record};
use safety_brain::store::{Packed, Run, Source, Store};
use std::path::Path;
use std::time::Duration;
use tokio::sync::watch;

/// Readings the store is given at once: what a thousand records of a small plant hold.
const READINGS_AT_ONCE: usize = 200_000;
/// Days kept: more than any list here covers.
const DAYS: u32 = 10_000;

/// When the lists here begin: 2026-11-23 00:00 UTC.
pub const START: Micros = 1_795_392_000_000_000;

/// An open store and what keeps it open.
pub struct Kept {
    /// The store.
    pub store: Store,
    _durable: watch::Sender<u64>,
}

/// Starts a store in `folder` and waits until it has all up to record `last`. It pulls `records`, those it does not have yet, on its
/// own thread, so that no list is held in memory.
pub fn keep(folder: &Path, last: u64, mut records: impl Iterator<Item = Record> + Send + 'static) -> anyhow::Result<Kept> {
    let read = move |_: u64, _: u64, most: usize| {
        let (mut taken, mut readings) = (Vec::new(), 0);
        while taken.len() < most && readings < READINGS_AT_ONCE {
            let Some(record) = records.next() else { break };
            if let Entry::Event(Event::Readings { readings: these }) = &record.entry {
                readings += these.len();
            }
            taken.push(record);
        }
        Ok(taken.into())
    };
    let (sender, durable) = watch::channel(last);
    let store = Store::start(folder, DAYS, Source { run: Run::default(), read: Box::new(read), durable })?;
    loop {
        let status = store.status();
        ensure!(status.healthy, "the store failed: {}", status.detail);
        if status.watermark >= last {
            return Ok(Kept { store, _durable: sender });
        }
        std::thread::sleep(Duration::from_millis(1));
    }
}

/// What all packed readings of `days` days from [`START`] on take.
pub fn packed(store: &Store, days: i64) -> anyhow::Result<Packed> {
    let mut all = Packed::default();
    for day in 0..days {
        let one = store.packed(START + day * 86_400_000_000)?;
        all.blocks += one.blocks;
        all.readings += one.readings;
        all.bytes += one.bytes;
    }
    Ok(all)
}
