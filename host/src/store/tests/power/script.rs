//! The life that is recorded: six days of a small plant, lived by a store in several processes, some of which end in the middle of it; batches, days that
//! change and days that are dropped, questions, databases closed and opened again, a store that fails and starts anew.

use super::disk::{DROPPED, DURABLE};
use super::*;
use std::sync::atomic::{AtomicU64, Ordering};

/// How a part of the life ends.
#[derive(Clone, Copy, PartialEq)]
pub enum End {
    /// The store is closed.
    Close,
    /// The process ends where it is.
    Kill,
}

/// The parts: how much of the records is there at its end, in percent; whether the store panics in its midst; and how it ends. The panic comes before a
/// day is dropped: a state made again from days does not know what stands since before them.
pub fn parts() -> [(usize, bool, End); 5] {
    [(15, false, End::Close), (35, true, End::Kill), (60, false, End::Close), (80, false, End::Kill), (100, false, End::Close)]
}

/// What is recorded and read again in two processes must be the same.
const SEED: u64 = 0x5eed_0009;
const DAYS: i64 = 6;
/// Records between two promises of the journal, at most.
const STEP_MAX: u64 = 200;

/// Days of half an hour, with a reading of two tags every four seconds but in a quiet stretch, and an alarm every fifth minute; it is told, the
/// notice arrives, and some alarms are closed.
pub fn records() -> Arc<Vec<Record>> {
    let mut records: Vec<Record> = vec![];
    let mut push = |at: Micros, entry: Entry| {
        let seq = records.len() as u64 + 1;
        records.push(Record { seq, at, entry });
        seq
    };
    let mut id = 0;
    for day in 0..DAYS {
        let start = MIDNIGHT + day * DAY;
        let tags = if day % 2 == 0 { ["a", "b"] } else { ["b", "a"] };
        push(start, Entry::Event(Event::started(tags.map(String::from).to_vec())));
        for second in (0..1800).step_by(4) {
            let at = start + second * SECOND;
            push(at, Entry::Event(Event::Tick));
            if !(1000..1250).contains(&second) {
                let value = |name: &str| if name == "a" { second as f64 } else { -(second as f64) };
                let reading = |i: usize| Reading {
                    tag: TagId(i as u32),
                    value: value(tags[i]),
                    quality: Quality::GOOD,
                    source_us: at - 1000,
                };
                push(at, Entry::Event(Event::Readings { readings: (0..2).map(reading).collect() }));
            }
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
    Arc::new(records)
}

/// Lives one part. What the journal promises, and what it drops as nobody needs it any more, is written beside the store, in order with what the
/// store does.
pub fn live(part: usize, place: &Path) {
    let (data, records) = (place.join("data"), records());
    let through = |part: usize| records.len() * parts()[part].0 / 100;
    let (mut seq, end) = (if part == 0 { 0 } else { through(part - 1) as u64 }, through(part) as u64);
    let (_, panics, ends) = parts()[part];
    let say = |name: &str, seq: u64| std::fs::write(data.join(name), seq.to_string()).unwrap();
    let mut dice = Dice(SEED + part as u64);
    let dropped = Arc::new(AtomicU64::new(std::fs::read_to_string(data.join(DROPPED)).map_or(0, |seq| seq.parse().unwrap())));
    let (durable, seen) = watch::channel(seq);
    let (of, known) = (records.clone(), dropped.clone());
    // Readings go from the journal as soon as the store says that it needs them no more.
    let read = move |from, through, most| pruned::pruned(&of, known.load(Ordering::SeqCst) + 1)(from, through, most);
    let source = Source { run: Run::default(), read: Box::new(read), durable: seen };
    let fed = Fed { store: Store::start(&data.join(FOLDER), KEPT_DAYS, source).unwrap(), durable };
    fed.wait(seq);
    let half = seq + (end - seq) / 2;
    let mut is_due = panics;
    while seq < end {
        seq = (seq + 1 + dice.roll(STEP_MAX)).min(end);
        say(DURABLE, seq);
        fed.advance(seq);
        match dice.roll(4) {
            0 => drop(all(&fed.store)),
            1 => fed.store.ask(|shelf| shelf.bases.begin_anew()).unwrap(),
            2 => fed.store.ask(|shelf| shelf.bases.close_days()).unwrap(),
            _ => {}
        }
        if std::mem::take(&mut is_due) && seq >= half {
            assert!(fed.store.ask(|_| -> anyhow::Result<()> { panic!("injected") }).is_err());
            fed.until("in use again", |s| s.healthy && s.starts == 2 && s.incomplete.is_empty() && s.watermark == seq);
        } else {
            is_due = panics && seq < half;
        }
        let needed = dropped.load(Ordering::SeqCst).max(fed.store.status().needed);
        say(DROPPED, needed);
        dropped.store(needed, Ordering::SeqCst);
    }
    match ends {
        End::Close => fed.store.close().unwrap(),
        End::Kill => std::process::exit(0),
    }
}
