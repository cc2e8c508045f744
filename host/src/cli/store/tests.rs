//! A journal pruned by its own keeper, and a store behind it that loses its state, a day, or is made again: readings before and after are the same.
#![allow(clippy::unwrap_used)]

use crate::cli::Cli;
use crate::daemon::storage::Places;
use crate::journal::{self, FOLDER, Journal, Keeper, Moment, Policy, SEGMENT_BYTES_MIN};
use crate::store::{self, Page, Point, Run, Source, Store};
use brain::event::{Entry, Event, LinkState};
use brain::{Micros, Quality, Reading, TagId};
use clap::Parser;
use std::path::Path;
use std::time::{Duration, Instant};
use tokio::sync::watch;

const SECOND: Micros = 1_000_000;
const DAY: Micros = 86_400 * SECOND;
/// 2026-11-23 00:00 UTC.
const START: Micros = 1_795_392_000 * SECOND;
const DAYS: i64 = 4;
const MINUTES: i64 = 600;

/// Four days of ten hours each: a batch of readings a minute, an event every second one: enough for several pages.
fn written(data: &Path) -> u64 {
    let (journal, _) = Journal::open(&data.join(FOLDER), "site", SEGMENT_BYTES_MIN).unwrap();
    let mut last = 0;
    for (day, minute) in (0..DAYS).flat_map(|day| (0..MINUTES).map(move |minute| (day, minute))) {
        let at = START + day * DAY + minute * 60 * SECOND;
        if minute == 0 && day == 0 {
            let tags = vec!["a".into(), "b".into()];
            let started = Event::started(tags);
            journal.append(at, &Entry::Event(started)).unwrap();
        }
        if minute % 2 == 0 {
            let link = Event::Link { link: "l".into(), state: LinkState::Up, reason: format!("{day} {minute}") };
            journal.append(at, &Entry::Event(link)).unwrap();
        }
        let value = |n: i64| ((day * MINUTES + minute) * 7_919 + n * 104_729) as f64 / 7.0;
        let reading = |n: i64| Reading { tag: TagId((n % 2) as u32), value: value(n), quality: Quality::GOOD, source_us: at + n };
        let readings = (0..20).map(reading).collect();
        last = journal.append(at, &Entry::Event(Event::Readings { readings })).unwrap();
    }
    journal.close().unwrap();
    last
}

fn follow(data: &Path, last: u64) -> (Store, watch::Sender<u64>) {
    let (durable, seen) = watch::channel(last);
    let mut places = Places::new(&data.join(FOLDER));
    let read = move |from: u64, through: u64, most: usize| places.read(from, through, most, |hole| panic!("{hole:#}"));
    let store = Store::start(&data.join(store::FOLDER), 365, Source { run: Run::default(), read: Box::new(read), durable: seen });
    (store.unwrap(), durable)
}

/// All readings, once the store has settled and is whole.
fn readings(data: &Path, last: u64) -> Vec<Vec<Point>> {
    let (store, _durable) = follow(data, last);
    let since = Instant::now();
    let is_settled = |status: &store::StoreStatus| status.watermark == last && status.healthy && status.incomplete.is_empty();
    while !is_settled(&store.status()) {
        assert!(since.elapsed() < Duration::from_secs(300), "{:?}", store.status());
        std::thread::sleep(Duration::from_millis(1));
    }
    // Several questions: none may hold more than the store gives at once.
    let of = |tag: &str| -> Vec<Point> {
        let day = |day: i64| asked(&store, tag, day, day + 1).rows;
        (0..DAYS).flat_map(day).collect()
    };
    let found = ["a", "b"].map(of).to_vec();
    closed(data, store);
    found
}

/// Readings of some days. On a machine with much else to do an answer may come too late.
fn asked(store: &Store, tag: &str, from: i64, to: i64) -> Page<Point> {
    let since = Instant::now();
    loop {
        match store.series(tag, START + from * DAY, START + to * DAY, 20_000) {
            Ok(page) => return page,
            Err(error) => assert!(since.elapsed() < Duration::from_secs(300), "{error:#}"),
        }
    }
}

/// Closed, however long that takes on a machine with much else to do.
fn closed(data: &Path, store: Store) {
    let _ = store.close();
    let since = Instant::now();
    while store::hold(&data.join(store::FOLDER)).unwrap().is_none() {
        assert!(since.elapsed() < Duration::from_secs(300), "never closed");
        std::thread::sleep(Duration::from_millis(1));
    }
}

fn flip(slab: &Path, at: usize) {
    let mut bytes = std::fs::read(slab).unwrap();
    bytes[at] ^= 1;
    std::fs::write(slab, bytes).unwrap();
}

#[test]
fn what_was_pruned_is_in_the_store_whatever_becomes_of_it() {
    let folder = tempfile::tempdir().unwrap();
    let data = &folder.path().join("data");
    let last = written(data);
    let before = readings(data, last);
    assert_eq!(before[0].len() as i64, DAYS * MINUTES * 10);
    // All but the last day and a half is pruned to its events.
    let now = START + (DAYS - 1) * DAY + MINUTES * 60 * SECOND;
    let policy = Policy { bytes_max: u64::MAX, records: DAY * 3 / 2, records_min: 0, events: 1000 * DAY };
    let moment = Moment { now, passed: last, well: true, full: false };
    let kept = Keeper::new(&data.join(FOLDER)).round(&policy, &moment, &|| false).unwrap();
    let live = journal::first_live(&data.join(FOLDER)).unwrap().unwrap();
    assert!(kept.archived > 2 && live > last / 4 && live < last, "{kept:?}, live from {live} of {last}");
    let store = data.join(store::FOLDER);
    assert!(readings(data, last) == before, "pruned");

    // A day that is put aside is seen by who counts, and missed by a backup: its readings are in nothing that is copied.
    let (there, aside) = (store.join("day/2026-11-23"), store.join("quarantine/1/day/2026-11-23"));
    std::fs::create_dir_all(aside.parent().unwrap()).unwrap();
    std::fs::rename(&there, &aside).unwrap();
    for open in [true, false] {
        let days = store::stat(&store, open, &mut drop).unwrap().days;
        assert_eq!(days.iter().map(|day| day.aside).collect::<Vec<_>>(), [true, false, false, false], "{days:?}");
    }
    let out = data.with_file_name("backup-0");
    let said = run(&["backup", "--data"], data, &[("--out", &out)]).unwrap_err().to_string();
    assert!(said.contains("1 days of the store are not in it") && !out.join("store/state").exists(), "{said}");
    std::fs::rename(&aside, &there).unwrap();
    std::fs::remove_dir_all(store.join("quarantine")).unwrap();

    std::fs::remove_dir_all(store.join("state")).unwrap();
    assert!(readings(data, last) == before, "its state lost");

    // As after a failed write: the state and the open days are in the quarantine.
    for part in ["state", "day/2026-11-24", "day/2026-11-25", "day/2026-11-26"] {
        let to = store.join("quarantine/7").join(part);
        std::fs::create_dir_all(to.parent().unwrap()).unwrap();
        std::fs::rename(store.join(part), to).unwrap();
    }
    assert!(readings(data, last) == before, "put aside");
    assert!(!store.join("quarantine/7/day").exists(), "what was taken back whole is not kept twice");

    run(&["store", "rebuild", "--data"], data, &[]).unwrap();
    assert!(readings(data, last) == before, "rebuilt");

    // Beside whoever has the store.
    let (open, _durable) = follow(data, last);
    let kept = store::readings(&store, &data.join("scratch"), &["a".to_owned()], START, START + 2 * DAY - 1).unwrap();
    assert!(kept.missing.is_empty() && !data.join("scratch").exists(), "{:?}", kept.missing);
    assert!(kept.tags[0].1[..] == before[0][..(2 * MINUTES * 10) as usize], "evidence");

    let (out, restored) = (data.with_file_name("backup"), data.with_file_name("restored"));
    run(&["backup", "--data"], data, &[("--out", &out)]).unwrap();
    closed(data, open);
    run(&["restore", "--data"], &restored, &[("--from", &out)]).unwrap();
    assert!(readings(&restored, last) == before, "restored");
    // The controls: without the days they are missing; what is in no database is missed, and said.
    let (out, restored) = (data.with_file_name("backup-2"), data.with_file_name("restored-2"));
    run(&["backup", "--without-store", "--data"], data, &[("--out", &out)]).unwrap();
    run(&["restore", "--data"], &restored, &[("--from", &out)]).unwrap();
    let said = run(&["store", "rebuild", "--data"], &restored, &[]).unwrap_err().to_string();
    assert!(said.contains("days are not whole"), "{said}");
}

fn run(words: &[&str], data: &Path, paths: &[(&str, &Path)]) -> anyhow::Result<()> {
    let mut words: Vec<std::ffi::OsString> = ["safety-brain"].iter().chain(words).map(Into::into).collect();
    words.push(data.into());
    paths.iter().for_each(|(flag, path)| words.extend([flag.into(), path.into()]));
    Cli::try_parse_from(words)?.run()
}

/// One bit of a day that the journal has only the events of.
#[test]
fn a_damaged_day_behind_a_pruned_journal_keeps_what_can_be_read() {
    let folder = tempfile::tempdir().unwrap();
    let data = &folder.path().join("data");
    let last = written(data);
    let before = readings(data, last);
    let now = START + (DAYS - 1) * DAY + MINUTES * 60 * SECOND;
    let policy = Policy { bytes_max: u64::MAX, records: DAY * 3 / 2, records_min: 0, events: 1000 * DAY };
    let moment = Moment { now, passed: last, well: true, full: false };
    Keeper::new(&data.join(FOLDER)).round(&policy, &moment, &|| false).unwrap();
    // What a page holds only sled knows: one that it needs to open at all costs the whole day.
    let pages = pages(&data.join(store::FOLDER).join("day/2026-11-23"));
    let partly = pages.iter().enumerate().any(|(n, (slab, at))| {
        let copy = &folder.path().join(format!("copy-{n}"));
        copy_all(data, copy);
        flip(&copy.join(slab.strip_prefix(data).unwrap()), *at);
        keeps_what_can_be_read(copy, last, &before)
    });
    assert!(partly, "sled opened none of {pages:?}, and the rig proves nothing");
}

/// All pages of a database: slab, which is named by the size of its pages, and a byte in it.
fn pages(folder: &Path) -> Vec<(std::path::PathBuf, usize)> {
    let slabs = std::fs::read_dir(folder.join("slabs")).unwrap().flatten();
    let of_slab = |slab: std::fs::DirEntry| {
        let (size, bytes) =
            (slab.file_name().to_str().unwrap().parse::<usize>().unwrap(), slab.metadata().unwrap().len() as usize);
        (0..bytes / size).map(move |n| (slab.path(), n * size + size / 4))
    };
    let mut pages: Vec<_> = slabs.flat_map(of_slab).collect();
    pages.sort();
    pages
}

/// False where sled does not open what is left at all, and that is said.
fn keeps_what_can_be_read(data: &Path, last: u64, before: &[Vec<Point>]) -> bool {
    let (store, _durable) = follow(data, last);
    let series = |from: i64, to: i64| asked(&store, "a", from, to);
    // That finds the damage, where there is any: a page may be free.
    if series(0, 1).incomplete.is_empty() {
        closed(data, store);
        return false;
    }
    let (since, mut seen) = (Instant::now(), false);
    let nothing = loop {
        let status = store.status();
        let said = |word: &str| status.incomplete == ["2026-11-23"] && status.detail.contains(word);
        if said("nothing of it can be read") {
            break true;
        }
        if said("what could be read of it is here") || (seen && status.incomplete.is_empty()) {
            break false;
        }
        seen |= !status.incomplete.is_empty();
        assert!(since.elapsed() < Duration::from_secs(300), "{status:?}");
        std::thread::sleep(Duration::from_millis(1));
    };
    let rows = series(0, 1).rows;
    assert!(nothing || rows.len() as i64 > MINUTES * 5, "{} of {} are left", rows.len(), MINUTES * 10);
    assert!(rows.iter().all(|row| before[0].binary_search_by_key(&row.source_us, |row| row.source_us).is_ok()));
    assert!(series(1, DAYS).rows == before[0][(MINUTES * 10) as usize..], "another day suffered");
    closed(data, store);
    !nothing
}

fn copy_all(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap().flatten() {
        let to = to.join(entry.file_name());
        if entry.path().is_dir() { copy_all(&entry.path(), &to) } else { std::fs::copy(entry.path(), to).map(|_| ()).unwrap() }
    }
}
