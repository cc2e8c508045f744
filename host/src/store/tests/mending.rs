//! What is lost and found again where the journal no longer has it: the state from the days, a day from its remains, a day sealed and changed
//! since, a store that version 0.1.0 wrote.

use super::damage::{Dice, files};
use super::*;
use crate::store::bases::{Day, State};
use crate::store::places;

const CACHE_BYTES: usize = 1 << 20;

/// Days with enough rows for many pages: an event each second, a reading of one tag each tenth.
fn busy(days: i64, seconds: i64) -> Vec<Record> {
    let mut records: Vec<Record> = vec![];
    let mut push = |at: Micros, event: Event| {
        let seq = records.len() as u64 + 1;
        records.push(Record { seq, at, entry: Entry::Event(event) });
    };
    for day in 0..days {
        let start = MIDNIGHT + day * DAY;
        push(start, Event::started(vec!["a".into(), "b".into()]));
        for second in 0..seconds {
            let at = start + second * 60 * SECOND;
            push(at, Event::Link { link: "l".into(), state: LinkState::Up, reason: format!("{day} {second}") });
            let value = second as f64;
            let reading = Reading { tag: TagId(0), value, quality: Quality::GOOD, source_us: at };
            push(at, Event::Readings { readings: vec![reading] });
        }
    }
    records
}

fn first_of(records: &[Record], day: i64) -> u64 {
    records.iter().find(|r| r.at >= MIDNIGHT + day * DAY).unwrap().seq
}

#[test]
fn a_lost_state_comes_back_from_the_days() {
    let records = Arc::new(life(3, 12));
    let dir = tempfile::tempdir().unwrap();
    let fed = feed_all(dir.path(), &records);
    let expected = all(&fed.store);
    fed.store.close().unwrap();
    // The journal reaches back to the last day, and to nothing.
    for first in [first_of(&records, 2), records.len() as u64] {
        std::fs::remove_dir_all(dir.path().join("state")).unwrap();
        let fed = start_with(dir.path(), &records, records.len() as u64, first, Patience::default());
        fed.until("caught up", |s| s.watermark == records.len() as u64);
        assert_same(&all(&fed.store), &expected, &format!("journal from {first}"));
        assert_eq!(fed.store.status().incomplete, [""; 0]);
        fed.store.close().unwrap();
    }
}

#[test]
fn a_day_that_is_gone_is_made_again() {
    let records = Arc::new(life(3, 6));
    let dir = tempfile::tempdir().unwrap();
    let fed = feed_all(dir.path(), &records);
    let expected = all(&fed.store);
    fed.store.close().unwrap();
    for day in ["2026-11-23", "2026-11-24", "2026-11-25"] {
        std::fs::remove_dir_all(dir.path().join("day").join(day)).unwrap();
        let fed = feed_all(dir.path(), &records);
        fed.until("whole", |s| s.incomplete.is_empty() && s.healthy && s.watermark == records.len() as u64);
        assert_same(&all(&fed.store), &expected, day);
        fed.store.close().unwrap();
    }
}

/// One bit of a day that the journal no longer has: nothing wrong is shown, what can be read stays, and the day is named for ever.
#[test]
fn a_damaged_day_older_than_the_journal_is_salvaged() {
    let records = Arc::new(busy(3, 600));
    let prepared = tempfile::tempdir().unwrap();
    let fed = feed_all(prepared.path(), &records);
    let ask = |store: &Store| {
        let (mut rows, mut after) = (vec![], 0);
        loop {
            // On a machine with much else to do an answer may come too late.
            let Ok(page) = store.events(after, 1000, EventFilter::default()) else { continue };
            rows.extend(page.rows);
            match page.next {
                Some(next) => after = next,
                None => match store.series("a", 0, i64::MAX, POINTS_MAX) {
                    Ok(series) => return (rows, series),
                    Err(_) => (rows, after) = (vec![], 0),
                },
            }
        }
    };
    let (events, points) = ask(&fed.store);
    fed.store.close().unwrap();
    let (seed, trials) = (0x5eed_0007u64, 8);
    println!("seed {seed:#x}");
    let mut dice = Dice(seed);
    let (mut partly, mut kept) = (0, 0);
    for _ in 0..trials {
        let dir = tempfile::tempdir().unwrap();
        copy_all(prepared.path(), dir.path());
        let mut slabs = vec![];
        files(&dir.path().join("day/2026-11-24/slabs"), &mut slabs);
        let slab = &slabs[dice.roll(slabs.len() as u64) as usize];
        let mut bytes = std::fs::read(slab).unwrap();
        let at = dice.roll(bytes.len() as u64) as usize;
        bytes[at] ^= 1 << dice.roll(8);
        std::fs::write(slab, bytes).unwrap();
        let fed = start_with(dir.path(), &records, records.len() as u64, first_of(&records, 2), Patience::default());
        ask(&fed.store);
        fed.until("settled", |s| {
            let aside = dir.path().join("quarantine").exists();
            !aside || (s.healthy && s.detail.contains("does not reach back"))
        });
        let (found, series) = ask(&fed.store);
        assert!(found.iter().all(|e| events.binary_search_by_key(&e.seq, |e| e.seq).is_ok_and(|i| events[i] == *e)));
        assert!(
            series.rows.iter().all(|p| points.rows.binary_search_by_key(&p.at, |p| p.at).is_ok_and(|i| points.rows[i] == *p))
        );
        let outside = |e: &&EventRow| !(MIDNIGHT + DAY..MIDNIGHT + 2 * DAY).contains(&e.at);
        assert_eq!(found.iter().filter(outside).count(), events.iter().filter(outside).count(), "another day suffered");
        if found.len() < events.len() || series.rows.len() < points.rows.len() {
            assert_eq!(series.incomplete, ["2026-11-24"]);
            partly += 1;
            kept += found.len() - events.iter().filter(outside).count();
        }
        fed.store.close().unwrap();
    }
    tell(&format!(
        "store: of pairs of damaged copies {partly} of {trials} lost something; {kept} of {} events of those days were kept",
        partly * 601
    ));
    assert!(partly > 0 && kept > 0, "the rig salvages nothing");
}

/// The day that goes on was put aside, alone or with the state and all other days, and the journal no longer has its beginning.
#[test]
fn what_is_left_of_the_day_that_goes_on_is_taken_over() {
    let records = Arc::new(life(3, 12));
    let prepared = tempfile::tempdir().unwrap();
    let middle = records.iter().find(|r| r.at >= MIDNIGHT + 2 * DAY + 300 * SECOND).unwrap().seq;
    let before_the_end = records.len() as u64 - 40;
    let fed = start(prepared.path(), &records, before_the_end);
    fed.wait(before_the_end);
    fed.store.close().unwrap();
    let whole = tempfile::tempdir().unwrap();
    let expected = all(&feed_all(whole.path(), &records).store);
    let today = "2026-11-25";
    let aside = |lost: &[&str]| {
        let dir = tempfile::tempdir().unwrap();
        copy_all(prepared.path(), dir.path());
        for part in lost {
            let to = dir.path().join("quarantine/1").join(part);
            std::fs::create_dir_all(to.parent().unwrap()).unwrap();
            std::fs::rename(dir.path().join(part), to).unwrap();
        }
        dir
    };
    let today_alone = format!("day/{today}");
    for lost in [&[&today_alone[..]][..], &["state", &today_alone], &["state", "day"]] {
        let dir = aside(lost);
        let fed = start_with(dir.path(), &records, records.len() as u64, middle, Patience::default());
        fed.until("whole", |s| s.healthy && s.incomplete.is_empty() && s.watermark == records.len() as u64);
        assert_same(&all(&fed.store), &expected, &format!("{lost:?}"));
        fed.store.close().unwrap();
        // The control: nothing is left of it, and that is said.
        let dir = aside(lost);
        std::fs::remove_dir_all(dir.path().join("quarantine/1/day").join(today)).unwrap();
        let fed = start_with(dir.path(), &records, records.len() as u64, middle, Patience::default());
        let status = fed.until("applied", |s| s.healthy && s.watermark == records.len() as u64);
        assert!(status.incomplete.contains(&today.to_owned()), "{status:?}");
        assert!(all(&fed.store).0.len() < expected.0.len());
    }
}

/// Where the names of the tags are known, readings behind a hole are kept; where not, the control, they are counted and left out.
#[test]
fn a_rebuild_goes_on_behind_a_hole() {
    let records = busy(1, 300);
    let hole = 100..200;
    let names = || Some(vec!["a".to_owned(), "b".to_owned()]);
    for tags in [names(), None] {
        let dir = tempfile::tempdir().unwrap();
        let read = |from: u64, through: u64, most: usize| {
            let is_read = |r: &&Record| (from..=through).contains(&r.seq) && !hole.contains(&r.seq);
            Ok(records.iter().filter(is_read).take(most).cloned().collect::<Vec<_>>().into())
        };
        let rebuilt = rebuild(dir.path(), KEPT_DAYS, tags.clone(), records.len() as u64, read).unwrap();
        assert_eq!(rebuilt.incomplete.len(), 1, "the hole is said: {rebuilt:?}");
        let behind =
            records.iter().filter(|r| r.seq >= hole.end && matches!(r.entry, Entry::Event(Event::Readings { .. }))).count();
        assert_eq!(rebuilt.nameless, if tags.is_some() { 0 } else { behind as u64 });
        let fed = feed_all(dir.path(), &Arc::new(records.clone()));
        let series = fed.store.series("a", 0, i64::MAX, POINTS_MAX).unwrap();
        let found = series.rows.iter().filter(|p| p.at >= records[hole.end as usize - 1].at).count();
        assert_eq!((found, series.incomplete), (if tags.is_some() { behind } else { 0 }, vec!["2026-11-23".to_owned()]));
    }
}

/// What is not written yet, and what is to be made again, is still needed of the journal.
#[test]
fn the_journal_is_needed_for_what_is_not_written() {
    let dir = tempfile::tempdir().unwrap();
    let records = Arc::new(life(2, 6));
    let last = records.len() as u64;
    let fed = feed_all(dir.path(), &records);
    let status = fed.store.status();
    let second_day = first_of(&records, 1);
    assert!((second_day - 1..last).contains(&status.needed), "its readings are in memory alone: {status:?}");
    fed.store.close().unwrap();
    let fed = start(dir.path(), &records, last);
    fed.until("all is written", |s| s.needed == last);
    fed.store.close().unwrap();
    // A journal that cannot be read for it: the day waits, and so must the journal.
    std::fs::remove_dir_all(dir.path().join("day/2026-11-23")).unwrap();
    let (_durable, seen) = watch::channel(last);
    let source = Source { run: Run::default(), read: Box::new(|_, _, _| Err(anyhow!("not now"))), durable: seen };
    let store = Store::start(dir.path(), KEPT_DAYS, source).unwrap();
    assert!(store.alarm(AlarmId(1)).unwrap().is_some());
    assert_eq!((store.status().watermark, store.status().needed), (last, 0));
}

/// A row changed behind our back, with every check below the seal content.
#[test]
fn a_day_that_is_not_what_it_was_sealed_as_is_found() {
    let records = Arc::new(life(3, 6));
    let dir = tempfile::tempdir().unwrap();
    let fed = feed_all(dir.path(), &records);
    let expected = all(&fed.store);
    let sealed =
        || stat(dir.path(), true, &mut drop).unwrap().days.iter().map(|day| day.sealed == Some(true)).collect::<Vec<_>>();
    let since = Instant::now();
    while fed.store.ask(|shelf| shelf.seal_of(DAY_ONE + 1)).unwrap().is_none() {
        assert!(since.elapsed() < Duration::from_secs(60), "never sealed");
        std::thread::yield_now();
    }
    fed.store.close().unwrap();
    assert_eq!(sealed(), [true, true, false]);
    let changed = Day::open(&dir.path().join("day/2026-11-24"), CACHE_BYTES).unwrap();
    let row = changed.ascending(b"e", b"e").nth(1).unwrap().unwrap();
    changed.remove(vec![row.0]).unwrap();
    drop(changed);
    let patience = Patience { verify: Duration::ZERO, ..Patience::default() };
    let fed = start_with(dir.path(), &records, records.len() as u64, 1, patience);
    fed.until("found", |_| dir.path().join("quarantine/1/day/2026-11-24").exists());
    let again = dir.path().join("day/2026-11-24");
    fed.until("whole again", |s| s.incomplete.is_empty() && again.exists());
    assert_same(&all(&fed.store), &expected, "made again");
}

/// 2026-11-23.
const DAY_ONE: i64 = MIDNIGHT / DAY;

type Rows = Vec<(Vec<u8>, Vec<u8>)>;

/// Writes the rows of every day anew as they are given back, and forgets what the state says of their databases.
fn rewritten(dir: &Path, with_sums: bool, before: impl Fn(Rows) -> Rows) -> State {
    for day in places::days_in(dir) {
        let folder = dir.join("day").join(places::date(day).unwrap());
        let base = Day::open(&folder, CACHE_BYTES).unwrap();
        let rows = base.ascending(b"", b"").map(Result::unwrap).filter(|(key, _)| key[0] != b'~').collect();
        drop(base);
        std::fs::remove_dir_all(&folder).unwrap();
        let base = Day::open(&folder, CACHE_BYTES).unwrap();
        base.put(before(rows)).unwrap();
        if !with_sums {
            base.forget_sum();
        }
    }
    let state = State::open(&dir.join("state"), CACHE_BYTES).unwrap();
    let rows: Vec<_> = state.ascending(b"", b"").map(Result::unwrap).collect();
    let gone = rows.iter().filter(|(key, _)| matches!(key[0], b'n' | b'f' | b's' | b'i')).map(|(key, _)| key.clone());
    state.remove(gone.collect()).unwrap();
    state
}

/// Puts blocks by tag, as it was before there were slots.
fn by_tag((key, value): (Vec<u8>, Vec<u8>)) -> Option<(Vec<u8>, Vec<u8>)> {
    match key[0] {
        b'p' => Some(([b"b", &key[9..]].concat(), value)),
        b'q' => None,
        _ => Some((key, value)),
    }
}

/// Turns a store into what version 0.1.0 would have written.
fn as_before(dir: &Path, tags: &[&str], zones: &[&str]) {
    let old = |names: &[&str], hash: u64| names.iter().position(|name| keys::number(name) == hash).unwrap() as u32;
    let hash = |key: &[u8]| u64::from_be_bytes(*key[1..].first_chunk().unwrap());
    let state = rewritten(dir, false, |rows| {
        let before = rows.into_iter().filter_map(by_tag).filter_map(|(key, value)| match key[0] {
            b'b' => Some(([&keys::old_of_tag(old(tags, hash(&key)))[..], &key[9..]].concat(), value)),
            b'o' => Some(([&keys::old_of_zone(old(zones, hash(&key)))[..], &key[9..]].concat(), value)),
            b'g' => None,
            _ => Some((key, value)),
        });
        before.collect()
    });
    let rows: Vec<_> = state.ascending(b"", b"").map(Result::unwrap).collect();
    let days = rows.iter().filter(|(key, _)| key[0] == b'd').map(|(key, value)| (key.clone(), value[1..].to_vec()));
    state.put(days.collect()).unwrap();
    for (prefix, names) in [(keys::OLD_TAG, tags), (keys::OLD_ZONE, zones)] {
        let row = |(n, name): (usize, &&str)| ([prefix, name.as_bytes()].concat(), (n as u32).to_be_bytes().to_vec());
        state.put(names.iter().enumerate().map(row).collect()).unwrap();
    }
    state.forget_sum();
}

#[test]
fn a_store_with_blocks_by_tag_is_read_and_goes_on() {
    let records = Arc::new(life(3, 20));
    let whole = tempfile::tempdir().unwrap();
    let fed = feed_all(whole.path(), &records);
    let expected = all(&fed.store);
    fed.store.close().unwrap();
    let dir = tempfile::tempdir().unwrap();
    let until = first_of(&records, 2) + 1100;
    let fed = start(dir.path(), &records, until);
    fed.wait(until);
    fed.store.close().unwrap();
    drop(rewritten(dir.path(), true, |rows| rows.into_iter().filter_map(by_tag).collect()));
    let fed = feed_all(dir.path(), &records);
    assert_same(&all(&fed.store), &expected, "begun by tag");
    assert_eq!(fed.store.status().incomplete, [""; 0]);
}

#[test]
fn a_store_of_version_0_1_0_is_read_and_goes_on() {
    let records = Arc::new(life(3, 20));
    let whole = tempfile::tempdir().unwrap();
    let fed = feed_all(whole.path(), &records);
    let expected = all(&fed.store);
    let north = EventFilter { zone: Some("north".into()), ..EventFilter::default() };
    let of_north = fed.store.events(0, 1000, north.clone()).unwrap().rows;
    fed.store.close().unwrap();
    let dir = tempfile::tempdir().unwrap();
    // In the middle of the last day.
    let until = first_of(&records, 2) + 1100;
    let fed = start(dir.path(), &records, until);
    fed.wait(until);
    fed.store.close().unwrap();
    // As the starts named them.
    as_before(dir.path(), &["a", "b"], &["south", "north"]);
    let fed = feed_all(dir.path(), &records);
    assert_same(&all(&fed.store), &expected, "begun by 0.1.0");
    assert!(fed.store.events(0, 1000, north).unwrap().rows == of_north);
    assert_eq!(fed.store.status().incomplete, [""; 0]);
    fed.store.close().unwrap();
    std::fs::remove_dir_all(dir.path().join("state")).unwrap();
    let fed = feed_all(dir.path(), &records);
    fed.until("whole", |s| s.incomplete.is_empty() && s.watermark == records.len() as u64);
    assert_same(&all(&fed.store), &expected, "its state lost");
}

/// The numbers of its tags are lost with its state, and the journal no longer has its readings: the starts in its days tell them. Where the first day
/// is not there they tell nothing for certain: then readings are missing, that is said, and none is shown under another tag.
#[test]
fn a_store_of_version_0_1_0_whose_state_is_lost_is_read_without_its_journal() {
    let records = Arc::new(life(3, 20));
    let prepared = tempfile::tempdir().unwrap();
    let fed = feed_all(prepared.path(), &records);
    let expected = all(&fed.store);
    let north = EventFilter { zone: Some("north".into()), ..EventFilter::default() };
    let of_north = fed.store.events(0, 1000, north.clone()).unwrap().rows;
    fed.store.close().unwrap();
    as_before(prepared.path(), &["a", "b"], &["south", "north"]);
    std::fs::remove_dir_all(prepared.path().join("state")).unwrap();
    let last = records.len() as u64;
    for first in [first_of(&records, 2), first_of(&records, 2) + 700, last] {
        let dir = tempfile::tempdir().unwrap();
        copy_all(prepared.path(), dir.path());
        // Twice: what was made again is as good as what was.
        for round in 0..2 {
            let fed = start_with(dir.path(), &records, last, first, Patience::default());
            fed.until("caught up", |s| s.watermark == last && s.healthy);
            assert_same(&all(&fed.store), &expected, &format!("journal from {first}, start {round}"));
            assert!(fed.store.events(0, 1000, north.clone()).unwrap().rows == of_north, "by zone");
            assert_eq!(fed.store.status().incomplete, [""; 0]);
            fed.store.close().unwrap();
        }
        assert!(!dir.path().join("quarantine").exists(), "nothing was put aside");
    }
    std::fs::remove_dir_all(prepared.path().join("day/2026-11-23")).unwrap();
    let fed = start_with(prepared.path(), &records, last, first_of(&records, 2), Patience::default());
    fed.until("caught up", |s| s.watermark == last && s.healthy && s.incomplete.iter().any(|day| day == "2026-11-24"));
    let (.., series) = all(&fed.store);
    for (is, was) in series.iter().zip(&expected.3) {
        assert!(is.len() < was.len() && is.iter().all(|point| was.contains(point)), "a value that was none");
    }
}
