//! A long day of a plant, written by the plant's own code as fast as it goes: journal, snapshots, store. Must not know: who starts on it.

use crate::load::{PROBES, TAGS, probe_tag};
use anyhow::{Context, anyhow, ensure};
use brain::event::{Effect, Event};
use brain::{Micros, Quality, Reading, TagId};
use safety_brain::daemon::{core::Core, snapshot};
use safety_brain::journal::{FOLDER, Reader};
use safety_brain::store::{self, Source, Store};
use safety_brain::{config, rules};
use std::path::Path;
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use tokio::sync::watch;

/// Readings in one step, as the daemon takes them under load.
const BATCH: u64 = 500;
/// The day has gone on for so long, at most; never from before its beginning.
const DAY_US: Micros = 86_400_000_000;
const HOURS_US: Micros = 6 * 3_600_000_000;

/// Fills `data`, says on standard output what is in it, and waits to be killed.
///
/// # Errors
/// The site file does not fit, or the disk does not take it.
pub fn fill(site_file: &Path, data: &Path, readings: u64) -> anyhow::Result<()> {
    let config = config::load(site_file).map_err(|faults| anyhow!("{faults:?}"))?;
    std::fs::create_dir_all(data)?;
    let (engine, cache) = (rules::Engine::start(rules::Compiler::Here)?, rules::Cache::of(data)?);
    let admitted =
        rules::admit(&engine, &config, Some(&cache), &rules::Versions::default()).map_err(|faults| anyhow!("{faults:?}"))?;
    let mut site = config.site.clone();
    site.rules = admitted.iter().map(|rule| rule.rule.clone()).collect();
    let (mut core, _) = Core::open(site, config.storage.segment_bytes, data)?;
    let now = SystemTime::now().duration_since(UNIX_EPOCH)?.as_micros() as Micros;
    let began = now - (now % DAY_US).min(HOURS_US);
    core.start(began, "");
    let steps = readings.div_ceil(BATCH);
    let mut day = Day { events: 1, ..Day::default() };
    for step in 0..steps {
        let at = began + (now - began) * step as Micros / steps as Micros;
        day.take(&mut core, at, Event::Tick);
        let batch = (0..BATCH).map(|n| detector(step * BATCH + n, at)).chain(probes(step, at)).collect();
        day.take(&mut core, at, Event::Readings { readings: batch });
        if core.snapshot_due() {
            let taken = core.snapshot();
            snapshot::write(data, &taken, &core.durable())?;
            (day.since_readings, day.since_events) = (0, 0);
        }
    }
    let (durable, last) = (core.durable(), day.last);
    let settled = || durable.borrow().seq >= last;
    while !settled() {
        ensure!(durable.borrow().failed.is_none(), "the journal failed: {:?}", durable.borrow().failed);
        std::thread::sleep(Duration::from_millis(10));
    }
    let _store = follow(data, config.storage.days, last)?;
    println!(
        "{} readings and {} events of one day; the last snapshot is {} readings and {} events old",
        day.readings, day.events, day.since_readings, day.since_events
    );
    loop {
        std::thread::park();
    }
}

#[derive(Default)]
struct Day {
    readings: u64,
    events: u64,
    since_readings: u64,
    since_events: u64,
    last: u64,
}

impl Day {
    /// One step, and the receipts for what it told.
    fn take(&mut self, core: &mut Core, at: Micros, event: Event) {
        let mut next = vec![event];
        while let Some(event) = next.pop() {
            match &event {
                Event::Readings { readings } => {
                    self.readings += readings.len() as u64;
                    self.since_readings += readings.len() as u64;
                }
                Event::Tick => {}
                _ => (self.events, self.since_events) = (self.events + 1, self.since_events + 1),
            }
            let stepped = core.step(at, event);
            self.last = self.last.max(stepped.through);
            for effect in stepped.effects {
                match effect {
                    Effect::Tell { notice, .. } => {
                        next.push(Event::Receipt { notice: notice.id, code: "200".to_owned(), accepted: true })
                    }
                    // Each is an outcome on record.
                    Effect::Alarm { .. } => (self.events, self.since_events) = (self.events + 1, self.since_events + 1),
                    Effect::Consult { .. }
                    | Effect::Delivery { .. }
                    | Effect::Quarantine { .. }
                    | Effect::RunBeside { .. }
                    | Effect::EndBeside { .. }
                    | Effect::Test { .. }
                    | Effect::Rule { .. }
                    | Effect::Answer { .. } => {}
                }
            }
        }
    }
}

fn detector(number: u64, at: Micros) -> Reading {
    let tag = TagId((number % (TAGS - PROBES) as u64) as u32);
    Reading { tag, value: 2.0 + (number % 7) as f64, quality: Quality::GOOD, source_us: at }
}

/// Two probes rise and two fall, so that alarms open and clear all day.
fn probes(step: u64, at: Micros) -> impl Iterator<Item = Reading> {
    let probe = move |number: u64, value: f64| Reading {
        tag: TagId(probe_tag(number) as u32),
        value,
        quality: Quality::GOOD,
        source_us: at,
    };
    let rising = [0, 5].map(|n| probe(step + n, 1000.0 + step as f64));
    let falling = [10, 15].map(|n| probe(step + n, 1.0));
    rising.into_iter().chain(falling)
}

/// The store, when it has read all.
fn follow(data: &Path, days: u32, last: u64) -> anyhow::Result<Store> {
    let dir = data.join(FOLDER);
    let mut reader = Reader::open(&dir, 1)?;
    let mut next = 1;
    let read = move |from: u64, through: u64, most: usize| {
        if from != next {
            reader = Reader::open(&dir, from)?;
        }
        let mut records = Vec::new();
        while records.len() < most
            && let Some(record) = reader.next_durable(through)?
        {
            next = record.seq + 1;
            records.push(record);
        }
        Ok(records.into())
    };
    let (durable, seen) = watch::channel(last);
    // The store stops when nobody can tell it of more.
    std::mem::forget(durable);
    let store = Store::start(
        &data.join(store::FOLDER),
        days,
        Source { run: store::Run::default(), read: Box::new(read), durable: seen },
    )?;
    while store.status().watermark < last {
        ensure!(store.status().healthy, "the store failed: {}", store.status().detail);
        std::thread::sleep(Duration::from_millis(50));
    }
    store.alarms(None, 1, true).context("the store does not answer")?;
    Ok(store)
}
