//! The store as its users see it: fed from a list of records, asked, stopped, broken, made again.
#![allow(clippy::unwrap_used)]

mod damage;
mod faults;
mod mending;
mod power;
mod pruned;

use super::*;
use crate::trials::{effort, tell};
use brain::alarm::{AlarmKey, Condition, Escalation, Source as FoundBy};
use brain::event::{Change, Entry, Event, LinkState, Outcome};
use brain::finding::Certainty;
use brain::notice::{NoticeKind, Reason};
use brain::site::{Guide, Mode};
use brain::words::{Text, Words};
use brain::{Reading, Severity, TagId};
use std::sync::Arc;
use std::time::Instant;

const SECOND: Micros = 1_000_000;
const DAY: Micros = 86_400 * SECOND;
const KEPT_DAYS: u32 = 3;
/// 2026-11-23 00:00 UTC.
const MIDNIGHT: Micros = 1_795_392_000 * SECOND;

fn alarm(id: u64, zone: &str, closed: bool, at: Micros) -> Alarm {
    Alarm {
        unrecorded: false,
        opened_unrecorded: false,
        times_doubtful: false,
        shelf: Default::default(),
        managed: false,
        may_suppress: false,
        group: String::new(),
        parent: false,
        first_out: false,
        chattering: false,
        stale: false,
        fleeting: 0,
        closure: None,
        accident: None,
        id: AlarmId(id),
        key: AlarmKey { source: FoundBy::Guard, hazard: "room.hot".into(), zone: zone.into(), object: String::new() },
        title: Words::same("hot"),
        plugin: "guard".into(),
        digest: String::new(),
        condition: Condition::Active,
        held: false,
        severity_now: Severity::Red,
        severity: Severity::Red,
        acknowledged: None,
        latched: false,
        closed,
        occurrences: 1,
        opened_at: 0,
        raised_at: 0,
        cleared_at: None,
        changed_at: at,
        certainty: Certainty::Observed,
        text: Text::Words(Words::same("hot")),
        evidence: vec![],
        guide: Guide::default(),
        handling: vec![],
        escalation: Escalation::default(),
    }
}

fn notice(id: u64, alarm_id: u64, zone: &str, at: Micros) -> Notice {
    Notice {
        unrecorded: false,
        times_doubtful: false,
        id: NoticeId(id),
        identifier: format!("site.{alarm_id}.{id}"),
        incident: String::new(),
        sender: "site".into(),
        mode: Mode::Test,
        audience: "bureau".into(),
        bureau: true,
        rung: "bureau".into(),
        kind: NoticeKind::Alert,
        reason: Reason::Opened,
        at: 0,
        references: vec![],
        site: Words::same("site"),
        zone: Words::same(zone),
        area: None,
        duty: vec![],
        digest: vec![],
        floor: 0,
        alarm: Box::new(alarm(alarm_id, zone, false, at)),
    }
}

/// A plant's life: `days` days of `minutes` minutes each, two tags at 1 Hz, an alarm and a notice every fifth minute.
fn life(days: i64, minutes: i64) -> Vec<Record> {
    let mut records: Vec<Record> = vec![];
    let mut push = |at: Micros, entry: Entry| {
        let seq = records.len() as u64 + 1;
        records.push(Record { seq, at, entry });
        seq
    };
    let mut id = 0;
    for day in 0..days {
        let start = MIDNIGHT + day * DAY;
        // Another order of the tags each day: positions are not names.
        let tags = if day % 2 == 0 { ["a", "b"] } else { ["b", "a"] };
        let started = Event::started(tags.map(String::from).to_vec());
        push(start, Entry::Event(started));
        for second in 0..minutes * 60 {
            let at = start + second * SECOND;
            let value = |name: &str| {
                if name == "a" { second as f64 } else { -(second as f64) }
            };
            let readings = (0..2).map(|i| Reading {
                tag: TagId(i as u32),
                value: value(tags[i]),
                quality: Quality::GOOD,
                source_us: at - 1000,
            });
            push(at, Entry::Event(Event::Readings { readings: readings.collect() }));
            push(at, Entry::Event(Event::Tick));
            if second % 300 == 0 {
                id += 1;
                let zone = if id % 2 == 0 { "north" } else { "south" };
                let link = Event::Link { link: "l".into(), state: LinkState::Up, reason: String::new() };
                let cause = push(at, Entry::Event(link));
                let outcome = vec![
                    Outcome::Alarm { change: Change::Opened, alarm: Box::new(alarm(id, zone, false, at)) },
                    Outcome::Told { notice: Box::new(notice(id, id, zone, at)) },
                ];
                push(at, Entry::Outcome { cause, outcome });
                let cause = push(at, Entry::Event(Event::Receipt { notice: NoticeId(id), code: "200".into(), accepted: false }));
                let delivery = Outcome::Delivery { notice: NoticeId(id), delivery: Delivery::Received };
                push(at, Entry::Outcome { cause, outcome: vec![delivery] });
                if id % 3 == 0 {
                    let closed = Outcome::Alarm { change: Change::Closed, alarm: Box::new(alarm(id, zone, true, at)) };
                    push(at, Entry::Outcome { cause, outcome: vec![closed] });
                }
            }
        }
    }
    records
}

/// A store fed from a list, and how far the list is durable.
struct Fed {
    store: Store,
    durable: watch::Sender<u64>,
}

fn start(dir: &Path, records: &Arc<Vec<Record>>, durable: u64) -> Fed {
    start_with(dir, records, durable, 1, Patience::default())
}

/// Starts on a journal that begins with record `first`.
fn start_with(dir: &Path, records: &Arc<Vec<Record>>, durable: u64, first: u64, patience: Patience) -> Fed {
    let (durable, seen) = watch::channel(durable);
    let records = records.clone();
    let read = move |from: u64, through: u64, most: usize| {
        let from = from.max(first) as usize - 1;
        let there = records.get(from..through as usize).unwrap_or_default();
        Ok(there.iter().take(most).cloned().collect::<Vec<_>>().into())
    };
    let source = Source { run: Run::default(), read: Box::new(read), durable: seen };
    let store = Store::start_with(dir, KEPT_DAYS, source, patience).unwrap();
    Fed { store, durable }
}

/// Starts with everything durable, as a daemon does after opening its journal, and waits until all is applied.
fn feed_all(dir: &Path, records: &Arc<Vec<Record>>) -> Fed {
    let fed = start(dir, records, records.len() as u64);
    fed.wait(records.len() as u64);
    fed
}

impl Fed {
    fn wait(&self, seq: u64) {
        let since = Instant::now();
        while self.store.status().watermark < seq {
            let status = self.store.status();
            assert!(status.healthy && since.elapsed() < Duration::from_secs(60), "{status:?}");
            std::thread::yield_now();
        }
    }
    /// Waits until a status says what is asked for.
    fn until(&self, what: &str, is_so: impl Fn(&StoreStatus) -> bool) -> StoreStatus {
        let since = Instant::now();
        loop {
            let status = self.store.status();
            if is_so(&status) {
                return status;
            }
            assert!(since.elapsed() < Duration::from_secs(120), "never {what}: {status:?}");
            std::thread::sleep(Duration::from_millis(1));
        }
    }
    fn advance(&self, seq: u64) {
        self.durable.send_replace(seq);
        self.wait(seq);
    }
}

type Seen = (Vec<EventRow>, Vec<Alarm>, Vec<NoticeRow>, Vec<Vec<Point>>);

/// Everything a user can see.
fn all(store: &Store) -> Seen {
    let mut events = vec![];
    let mut after = 0;
    loop {
        let page = store.events(after, 7, EventFilter::default()).unwrap();
        events.extend(page.rows);
        match page.next {
            Some(next) => after = next,
            None => break,
        }
    }
    let series = ["a", "b"].map(|tag| store.series(tag, 0, i64::MAX, POINTS_MAX).unwrap().rows);
    let alarms = store.alarms(None, 1000, true).unwrap().rows;
    (events, alarms, store.notices(None, 1000).unwrap().rows, series.to_vec())
}

/// Fails with few words where two differ.
fn assert_same(is: &Seen, expected: &Seen, what: &str) {
    let (events, alarms, notices, series) = is;
    let seqs = |rows: &[EventRow]| rows.iter().map(|e| e.seq).collect::<Vec<_>>();
    assert_eq!(seqs(events), seqs(&expected.0), "{what}: events");
    assert!(events == &expected.0, "{what}: an event differs");
    let ids = |rows: &[Alarm]| rows.iter().map(|a| a.id.0).collect::<Vec<_>>();
    assert_eq!(ids(alarms), ids(&expected.1), "{what}: alarms");
    assert!(alarms == &expected.1, "{what}: an alarm differs");
    assert_eq!(notices.len(), expected.2.len(), "{what}: notices");
    assert!(notices == &expected.2, "{what}: a notice differs");
    for (is, expected) in series.iter().zip(&expected.3) {
        let differs = is.iter().zip(expected).find(|(a, b)| a != b);
        assert_eq!((is.len(), differs), (expected.len(), None), "{what}: readings");
    }
}

fn expected_events(records: &[Record]) -> Vec<u64> {
    records.iter().filter(|r| facts::is_row(&r.entry)).map(|r| r.seq).collect()
}

fn expected_points(records: &[Record]) -> usize {
    records.iter().filter(|r| matches!(r.entry, Entry::Event(Event::Readings { .. }))).count()
}

#[test]
fn everything_fed_can_be_asked_for() {
    let dir = tempfile::tempdir().unwrap();
    let records = Arc::new(life(2, 20));
    let fed = feed_all(dir.path(), &records);
    let (events, alarms, notices, series) = all(&fed.store);
    assert_eq!(events.iter().map(|e| e.seq).collect::<Vec<_>>(), expected_events(&records));
    for event in &events {
        let record = &records[event.seq as usize - 1];
        assert_eq!(event.at, record.at);
        assert_eq!(serde_json::from_str::<Entry>(&event.json).unwrap(), record.entry);
    }
    assert_eq!(alarms.iter().map(|a| a.id.0).collect::<Vec<_>>(), (1..=8).rev().collect::<Vec<_>>());
    assert!(notices.iter().all(|n| n.delivery == Delivery::Received && n.received_at.is_some()));
    for (points, sign) in series.iter().zip([1.0, -1.0]) {
        assert_eq!(points.len(), expected_points(&records));
        assert!(points.is_sorted_by_key(|p| p.at));
        assert!(points.iter().all(|p| p.source_us == p.at - 1000 && p.value == sign * ((p.at % DAY) / SECOND) as f64));
    }
    let store = &fed.store;
    assert!(store.alarm(AlarmId(3)).unwrap().unwrap().closed);
    assert_eq!(store.alarm(AlarmId(99)).unwrap(), None);
    assert_eq!(store.notice(NoticeId(2)).unwrap().unwrap().notice.identifier, "site.2.2");
    assert_eq!(store.alarms(None, 10, false).unwrap().rows.len(), 6);
    let page = store.alarms(Some(AlarmId(5)), 2, true).unwrap();
    assert_eq!((page.rows[0].id, page.rows[1].id, page.next), (AlarmId(4), AlarmId(3), Some(3)));
    assert_eq!(store.series("unknown", 0, i64::MAX, 100).unwrap().rows, []);
    fed.store.close().unwrap();
}

#[test]
fn filters_pick_what_they_name() {
    let dir = tempfile::tempdir().unwrap();
    let records = Arc::new(life(2, 20));
    let fed = feed_all(dir.path(), &records);
    let ask = |after, filter: &EventFilter| {
        let page = fed.store.events(after, 1000, filter.clone()).unwrap();
        assert_eq!(page.next, None);
        page.rows
    };
    let kind = |word: &str| EventFilter { kind: Some(word.into()), ..EventFilter::default() };
    assert_eq!(ask(0, &kind("link")).len(), 8);
    assert_eq!(ask(0, &kind("alarm")).len(), 8 + 2);
    assert_eq!(ask(0, &kind("told")).len(), 8);
    assert_eq!(ask(0, &kind("nothing")).len(), 0);
    let one = EventFilter { alarm: Some(AlarmId(6)), ..EventFilter::default() };
    // Opened and told, the receipt, its delivery, closed.
    let rows = ask(0, &one);
    assert_eq!(rows.len(), 4);
    assert_eq!(ask(rows[1].seq, &one).len(), 2);
    let north = EventFilter { zone: Some("north".into()), ..EventFilter::default() };
    assert_eq!(ask(0, &north).len(), 4 + 1);
    assert_eq!(ask(0, &EventFilter { zone: Some("nowhere".into()), ..EventFilter::default() }).len(), 0);
    assert_eq!(ask(0, &EventFilter { kind: Some("told".into()), ..north }).len(), 4);
}

/// Any stop and start, clean or not, and a rebuild from nothing show the same.
#[test]
fn rebuilt_equals_incremental() {
    let records = Arc::new(life(2, 25));
    let whole = tempfile::tempdir().unwrap();
    let fed = feed_all(whole.path(), &records);
    let expected = all(&fed.store);
    fed.store.close().unwrap();

    let dir = tempfile::tempdir().unwrap();
    let mut seq = 0;
    for (round, step) in [700, 1, 1500, 3, 44, 900, 2000].into_iter().enumerate() {
        let fed = start(dir.path(), &records, seq);
        seq = (seq + step).min(records.len() as u64);
        fed.advance(seq);
        if round % 2 == 0 {
            fed.store.close().unwrap();
        } else {
            // As after a kill: what is on disk now, without what a clean stop would add.
            let copy = tempfile::tempdir().unwrap();
            copy_all(dir.path(), copy.path());
            fed.store.close().unwrap();
            std::fs::remove_dir_all(dir.path()).unwrap();
            copy_all(copy.path(), dir.path());
        }
    }
    let fed = feed_all(dir.path(), &records);
    assert_same(&all(&fed.store), &expected, "in pieces");
    assert_eq!(fed.store.status().detail, "");
}

fn copy_all(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let to = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy_all(&entry.path(), &to);
        } else {
            std::fs::copy(entry.path(), to).unwrap();
        }
    }
}

#[test]
fn a_series_keeps_its_extremes_and_what_is_still_open() {
    let dir = tempfile::tempdir().unwrap();
    let records = Arc::new(life(1, 60));
    let fed = feed_all(dir.path(), &records);
    let points = fed.store.series("a", MIDNIGHT, MIDNIGHT + DAY, 100).unwrap().rows;
    assert!(points.len() <= 100 && points[0].value == 0.0 && points.last().unwrap().value == 3599.0);
    let part = fed.store.series("a", MIDNIGHT + 1000 * SECOND, MIDNIGHT + 1010 * SECOND, 100).unwrap().rows;
    assert_eq!(part.iter().map(|p| p.value).collect::<Vec<_>>(), (1000..1010).map(f64::from).collect::<Vec<_>>());
}

#[test]
fn whole_days_are_dropped_when_their_time_is_over() {
    let dir = tempfile::tempdir().unwrap();
    let records = Arc::new(life(6, 6));
    let fed = feed_all(dir.path(), &records);
    let oldest_kept = MIDNIGHT + 3 * DAY;
    let check = |store: &Store| {
        let (events, _, _, series) = all(store);
        let expected = records.iter().filter(|r| r.at >= oldest_kept && facts::is_row(&r.entry)).count();
        assert_eq!(events.len(), expected);
        assert!(series.iter().all(|s| s.len() == 3 * 360 && s[0].at == oldest_kept));
        assert_eq!(std::fs::read_dir(dir.path().join("day")).unwrap().count(), 3);
        // What is over went with its time: alarms 3 and 6 were closed and told of before; what stands, stands.
        let since = Instant::now();
        while since.elapsed() < Duration::from_secs(60) && store.alarms(None, 1000, true).unwrap().rows.len() > 10 {
            std::thread::yield_now();
        }
        let (_, alarms, notices, _) = all(store);
        assert_eq!(alarms.iter().map(|a| a.id.0).collect::<Vec<_>>(), [12, 11, 10, 9, 8, 7, 5, 4, 2, 1]);
        assert_eq!(notices.iter().map(|n| n.notice.id.0).collect::<Vec<_>>(), [12, 11, 10, 9, 8, 7, 5, 4, 2, 1]);
    };
    check(&fed.store);
    fed.store.close().unwrap();
    check(&feed_all(dir.path(), &records).store);
}
