//! What the daemon does with old segments: compressed, pruned to their events once all that needs them is behind them, and still one journal.
#![allow(clippy::unwrap_used)]

use crate::process::{Process, eventually, free_port};
use crate::site::Site;
use brain::event::Event;
use brain::{Micros, Quality, Reading, TagId};
use safety_brain::daemon::{core::Core, snapshot};
use safety_brain::store::{Run, Source, Store};
use safety_brain::{config, journal, store};
use std::path::Path;
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use tokio::sync::watch;

const SECOND: Micros = 1_000_000;
const DAY: Micros = 86_400 * SECOND;
const STEPS: i64 = 500;
const BATCH: i64 = 500;

/// Some hours of three days ago, written by the plant's own code. Says when they began, and how many readings they hold.
fn fill(site: &Path, data: &Path) -> (Micros, u64) {
    let config = config::load(site).unwrap();
    std::fs::create_dir_all(data).unwrap();
    let (mut core, _) = Core::open(config.site.clone(), config.storage.segment_bytes, data).unwrap();
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_micros() as Micros;
    let began = (now - 3 * DAY) / DAY * DAY + 3_600 * SECOND;
    let mut last = core.start(began, "").through;
    for step in 0..STEPS {
        let at = began + step * 30 * SECOND;
        let reading = |n: i64| {
            let value = ((step * BATCH + n) * 7_919 % 100_003) as f64 / 7.0;
            Reading { tag: TagId(0), value, quality: Quality::GOOD, source_us: at + n }
        };
        last = core.step(at, Event::Readings { readings: (0..BATCH).map(reading).collect() }).through.max(last);
    }
    let durable = core.durable();
    eventually("all is on disk", Duration::from_secs(60), || {
        let seq = durable.borrow().seq;
        if seq >= last { Ok(()) } else { Err(format!("{seq} of {last}")) }
    });
    snapshot::write(data, &core.snapshot(), &durable).unwrap();
    (began, (STEPS * BATCH) as u64)
}

fn files(folder: &Path, ending: &str) -> usize {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    entries.filter(|entry| entry.file_name().to_string_lossy().ends_with(ending)).count()
}

/// Readings of one day as the store keeps them.
fn kept(data: &Path, at: Micros) -> u64 {
    let (_durable, seen) = watch::channel(journal::head(&data.join(journal::FOLDER)).unwrap().seq);
    let source = Source { run: Run::default(), read: Box::new(|_, _, _| Ok(vec![].into())), durable: seen };
    let store = Store::start(&data.join(store::FOLDER), 365, source).unwrap();
    let readings = store.packed(at).unwrap().readings;
    store.close().unwrap();
    readings
}

#[test]
fn old_segments_are_pruned_to_their_events_and_nothing_is_lost() {
    let folder = tempfile::tempdir().unwrap();
    let (file, data) = (folder.path().join("site.toml"), folder.path().join("data"));
    let (journal, archive) = (data.join(journal::FOLDER), data.join(journal::FOLDER).join("archive"));
    let site = Site { mqtt: free_port(), modbus: None, bureau: free_port(), console: free_port() }.toml();
    let keeping =
        |days: u32| std::fs::write(&file, site.replace("segment_mib = 4", &format!("segment_mib = 1\njournal_days = {days}")));
    keeping(30).unwrap();
    let (began, readings) = fill(&file, &data);
    let readings_left = || -> usize {
        let events = journal::read(&journal, 1).unwrap().map(|record| record.unwrap().entry);
        events
            .map(|entry| match entry {
                brain::event::Entry::Event(Event::Readings { readings }) => readings.len(),
                brain::event::Entry::Event(_) | brain::event::Entry::Bureau(_) | brain::event::Entry::Outcome { .. } => 0,
            })
            .sum()
    };
    let events_of = || {
        journal::read(&journal, 1)
            .unwrap()
            .map(Result::unwrap)
            .find(|r| matches!(r.entry, brain::event::Entry::Event(Event::Started { .. })))
    };
    let (full, first_start) = (files(&journal, ".seg"), events_of().unwrap());
    assert!(full >= 4 && readings_left() as u64 == readings, "{full} segments");
    let arguments = ["run", "--config", file.to_str().unwrap(), "--data", data.to_str().unwrap()];
    let sealed = full - 3;

    // The control: what is to be kept for thirty days is compressed, and stays.
    let daemon = Process::safety_brain(&arguments);
    eventually("sealed segments are compressed", Duration::from_secs(90), || {
        let packed = files(&journal, ".seg.zst");
        if packed >= sealed { Ok(()) } else { Err(format!("{packed} of {sealed}")) }
    });
    daemon.terminate();
    assert_eq!((files(&archive, ".evt.zst"), readings_left() as u64), (0, readings));

    keeping(1).unwrap();
    let daemon = Process::safety_brain(&arguments);
    eventually("old segments are pruned", Duration::from_secs(90), || {
        let pruned = files(&archive, ".evt.zst");
        if pruned >= sealed { Ok(()) } else { Err(format!("{pruned} of {sealed}")) }
    });
    daemon.terminate();
    let left = readings_left() as u64;
    assert!(left < readings / 2, "{left} of {readings} readings are still in the journal");
    let report = journal::verify(&journal).unwrap();
    assert!(report.is_whole(), "{report:?}");
    assert_eq!(events_of().unwrap(), first_start, "its events stay");
    // Over three days ago: the store has written all of it, from before anything was pruned.
    assert_eq!(kept(&data, began), readings, "what is gone from the journal is in the store");
    println!("{readings} readings in {full} segments; {left} left in the journal, all in the store");
}
