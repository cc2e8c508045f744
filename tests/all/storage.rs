//! Journal and store together, carried by hand as the daemon carries them: the store follows, stops, is lost, and comes back.
#![allow(clippy::unwrap_used)]

use brain::event::{Entry, Event, LinkState};
use brain::{Micros, Quality, Reading, TagId};
use safety_brain::journal::{self, Journal, Reader};
use safety_brain::store::{EventFilter, Point, Run, Source, Store};
use std::path::Path;
use std::time::{Duration, Instant};
use tokio::sync::watch;

const SECOND: Micros = 1_000_000;
const START: Micros = 1_795_392_000 * SECOND;

/// What the daemon does: a reader that follows, and the journal's progress as a plain number.
fn source(dir: &Path, durable: watch::Receiver<u64>) -> Source {
    let dir = dir.to_owned();
    let mut reader: Option<(u64, Reader)> = None;
    let read = move |from: u64, through: u64, most: usize| {
        let (at, reader) = match &mut reader {
            Some((at, reader)) if *at == from => (at, reader),
            stale => {
                let (at, reader) = stale.insert((from, Reader::open(&dir, from)?));
                (at, reader)
            }
        };
        let mut records = vec![];
        while records.len() < most
            && let Some(record) = reader.next_durable(through)?
        {
            *at = record.seq + 1;
            records.push(record);
        }
        Ok(records.into())
    };
    Source { run: Run::default(), read: Box::new(read), durable }
}

fn wait_for_store(store: &Store, seq: u64) {
    let since = Instant::now();
    while store.status().watermark < seq {
        assert!(since.elapsed() < Duration::from_secs(60), "{:?}", store.status());
        std::thread::yield_now();
    }
}

fn write(journal: &Journal, from: i64, seconds: i64) -> u64 {
    let mut last = 0;
    for second in from..from + seconds {
        let at = START + second * SECOND;
        if second % 600 == 0 {
            let started = Event::started(vec!["a".into()]);
            journal.append(at, &Entry::Event(started)).unwrap();
            let link = Event::Link { link: "l".into(), state: LinkState::Up, reason: second.to_string() };
            journal.append(at, &Entry::Event(link)).unwrap();
        }
        let reading = Reading { tag: TagId(0), value: second as f64, quality: Quality::GOOD, source_us: at };
        last = journal.append(at, &Entry::Event(Event::Readings { readings: vec![reading] })).unwrap();
    }
    last
}

fn all_points(store: &Store) -> Vec<Point> {
    store.series("a", 0, i64::MAX, 20_000).unwrap().rows
}

#[test]
fn the_store_follows_the_journal_through_stops_and_loss() {
    let data = tempfile::tempdir().unwrap();
    let (journal_dir, store_dir) = (data.path().join(journal::FOLDER), data.path().join("store"));
    let mut seconds = 0;
    for round in 0..4 {
        let (journal, opened) = Journal::open(&journal_dir, "site", journal::SEGMENT_BYTES_MIN).unwrap();
        assert_eq!(opened.damage, None);
        let (durable, seen) = watch::channel(opened.last_seq);
        let store = Store::start(&store_dir, 30, source(&journal_dir, seen)).unwrap();
        let last = write(&journal, seconds, 1500);
        seconds += 1500;
        let mut progress = journal.durable();
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let state = runtime.block_on(async { progress.wait_for(|d| d.seq >= last).await.unwrap().clone() });
        assert_eq!(state.failed, None);
        durable.send_replace(state.seq);
        wait_for_store(&store, last);
        let values: Vec<f64> = all_points(&store).iter().map(|p| p.value).collect();
        assert_eq!(values, (0..seconds).map(|s| s as f64).collect::<Vec<_>>(), "round {round}");
        let links = EventFilter { kind: Some("link".into()), ..EventFilter::default() };
        assert_eq!(store.events(0, 1000, links).unwrap().rows.len() as i64, (seconds + 599) / 600);
        store.close().unwrap();
        journal.close().unwrap();
        if round == 1 {
            std::fs::remove_dir_all(&store_dir).unwrap();
        }
    }
    let report = journal::verify(&journal_dir).unwrap();
    assert!(report.is_whole() && report.segments > 3, "{report:?}");
}
