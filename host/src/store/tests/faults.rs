//! A store that is ahead, taken, fed badly, panics or hangs: what it does about it while it runs.

use super::*;
use crate::store::bases::State;
use crate::store::worker::Worker;

#[test]
fn a_store_ahead_of_its_journal_is_put_aside() {
    let dir = tempfile::tempdir().unwrap();
    let records = Arc::new(life(1, 6));
    feed_all(dir.path(), &records).store.close().unwrap();
    let shorter = Arc::new(records[..100].to_vec());
    let fed = start(dir.path(), &shorter, 100);
    let status = fed.until("caught up", |s| s.healthy && s.watermark == 100);
    assert!(status.detail.contains("the journal ends at 100"), "{status:?}");
    assert!(dir.path().join("quarantine/1/replaced/state").exists() && dir.path().join("quarantine/1/replaced/day").exists());
    assert_eq!(all(&fed.store).0.len(), expected_events(&shorter).len());
}

#[test]
fn one_process_has_the_store() {
    let dir = tempfile::tempdir().unwrap();
    let records = Arc::new(life(1, 1));
    let first = feed_all(dir.path(), &records);
    let second = start(dir.path(), &records, records.len() as u64);
    let error = second.store.alarm(AlarmId(1)).unwrap_err().to_string();
    assert!(error.contains("another process is using the store"), "{error}");
    assert!(!second.store.status().healthy && first.store.status().healthy);
    assert!(!dir.path().join("failed").exists() && !dir.path().join("quarantine").exists());
    // It goes on by itself once the other is gone.
    first.store.close().unwrap();
    second.until("in use", |s| s.healthy);
    assert!(second.store.alarm(AlarmId(1)).unwrap().is_some());
}

/// Days that end before the journal does stay, whether it still has their readings or not.
#[test]
fn a_store_ahead_keeps_the_days_that_its_journal_had() {
    let dir = tempfile::tempdir().unwrap();
    let records = Arc::new(life(3, 6));
    let fed = feed_all(dir.path(), &records);
    let before = all(&fed.store);
    fed.store.close().unwrap();
    let third = records.iter().find(|r| r.at >= MIDNIGHT + 2 * DAY).unwrap().seq;
    let shorter = Arc::new(records[..third as usize + 100].to_vec());
    let fed = start_with(dir.path(), &shorter, third + 100, third, Patience::default());
    fed.until("caught up", |s| s.healthy && s.watermark == third + 100);
    let after = all(&fed.store);
    let of_two_days = |rows: &[Point]| rows.iter().filter(|p| p.at < MIDNIGHT + 2 * DAY).copied().collect::<Vec<_>>();
    for tag in 0..2 {
        assert_eq!(of_two_days(&after.3[tag]), of_two_days(&before.3[tag]));
    }
    assert!(after.3[0].len() < before.3[0].len() && after.0.iter().all(|event| event.seq <= third + 100));
}

fn quick() -> Patience {
    Patience { call: Duration::from_secs(4), then: Duration::from_secs(3600), ..Patience::default() }
}

/// What a store can suffer in one call.
#[derive(Clone, Copy, Debug)]
enum Blow {
    Panic,
    Hang,
}

fn strike(store: &Store, blow: Blow) -> String {
    let struck = store.ask(move |_| -> anyhow::Result<()> {
        match blow {
            Blow::Panic => panic!("injected"),
            Blow::Hang => loop {
                std::thread::park();
            },
        }
    });
    struck.unwrap_err().to_string()
}

/// A write finds the disk full: the same files are gone on with, and nothing is put aside or made again.
#[test]
fn a_full_disk_costs_a_while_and_nothing_else() {
    let records = Arc::new(life(3, 6));
    let dir = tempfile::tempdir().unwrap();
    let last = records.len() as u64;
    let fed = start_with(dir.path(), &records, last - 100, 1, quick());
    fed.wait(last - 100);
    for time in 1..=3 {
        let full = || anyhow::Error::from(std::io::Error::from_raw_os_error(28)).context("cannot write");
        assert!(fed.store.ask(move |_| -> anyhow::Result<()> { Err(full()) }).is_err());
        fed.until("in use again", |s| s.healthy && s.starts == time + 1);
    }
    fed.advance(last);
    let whole = tempfile::tempdir().unwrap();
    let expected = all(&feed_all(whole.path(), &records).store);
    assert_same(&all(&fed.store), &expected, "full three times");
    assert!(!dir.path().join("quarantine").exists() && !dir.path().join("failed").exists());
    assert!(dir.path().join("3/state").exists() && !dir.path().join("2").exists());
    fed.store.close().unwrap();
}

/// Whatever fails, it starts anew in place and shows the same; the fourth time within the while it stays away, and says so.
#[test]
fn a_store_that_panics_or_hangs_starts_anew_in_place() {
    let records = Arc::new(life(3, 6));
    let half = records.len() as u64 / 2;
    for blow in [Blow::Panic, Blow::Hang] {
        let dir = tempfile::tempdir().unwrap();
        let fed = start_with(dir.path(), &records, half, 1, quick());
        fed.wait(half);
        let expected = all(&fed.store);
        for time in 1..=3 {
            let error = strike(&fed.store, blow);
            assert!(error.contains("injected") || error.contains("not come back") || error.contains("out of use"), "{error}");
            let status = fed.until("in use again", |s| s.healthy && s.starts == time + 1);
            assert!(status.detail.contains("in use again after"), "{status:?}");
            assert_same(&all(&fed.store), &expected, &format!("{blow:?} {time}"));
            assert!(dir.path().join(format!("quarantine/{time}/state")).exists());
        }
        strike(&fed.store, blow);
        let status = fed.until("out of use", |s| s.detail.contains("it failed 4 times"));
        assert!(!status.healthy && status.starts == 4, "{status:?}");
        let error = fed.store.alarm(AlarmId(1)).unwrap_err().to_string();
        assert!(error.contains("out of use"), "{error}");
        fed.store.close().unwrap();
        // What lies there now is where the next start of the program goes on.
        let fed = feed_all(dir.path(), &records);
        assert_eq!(all(&fed.store).0.len(), expected_events(&records).len(), "{blow:?}");
    }
}

/// A day that was not closed is walked over before it is used: as long as that goes on, nobody takes it for hanging.
#[test]
fn a_large_day_that_is_walked_over_shows_signs_of_life() {
    const ROWS: u64 = 20_000;
    let dir = tempfile::tempdir().unwrap();
    let day = MIDNIGHT / DAY;
    let setup = || Setup { dir: dir.path().to_owned(), days: KEPT_DAYS, run: Run::default() };
    let worker = || {
        let (touched, opened) = Worker::open(dir.path().to_owned(), setup(), 1, Duration::from_secs(60));
        (touched, opened.unwrap())
    };
    let beats_of_a_look = || {
        let (touched, worker) = worker();
        let before = touched.beats();
        let look = move |shelf: &mut Shelf| shelf.bases.look(day, |base| Ok(base.sum().is_some()));
        assert_eq!(worker.call(Duration::from_secs(60), look).unwrap(), Some(true));
        let beats = touched.beats() - before;
        worker.close(Duration::from_secs(60)).unwrap();
        beats
    };
    let (_, filling) = worker();
    let fill = move |shelf: &mut Shelf| {
        shelf.bases.put(day, (0..ROWS).map(|n| (keys::numbered(b"m", n), vec![1; 8])).collect())?;
        let written = shelf.bases.written(day);
        anyhow::Ok(shelf.bases.state.put(written.into_iter().collect())?)
    };
    filling.call(Duration::from_secs(60), fill).unwrap();
    filling.close(Duration::from_secs(60)).unwrap();
    // The control: a day that was closed is not walked over.
    assert_eq!(beats_of_a_look(), 1);
    let state = State::open(&dir.path().join("state"), 1 << 20).unwrap();
    state.remove(vec![keys::numbered(keys::CLOSED, day as u64)]).unwrap();
    drop(state);
    let beats = beats_of_a_look();
    assert!(beats > ROWS / 4096, "{beats} signs of life in {ROWS} rows");
}

#[test]
fn a_bad_source_never_leaves_the_thread() {
    let (_durable, seen) = watch::channel(5);
    let source = Source { run: Run::default(), read: Box::new(|_, _, _| Err(anyhow!("no journal"))), durable: seen };
    let other = tempfile::tempdir().unwrap();
    let store = Store::start(other.path(), KEPT_DAYS, source).unwrap();
    assert_eq!(store.alarms(None, 5, true).unwrap().rows, []);
    let status = store.status();
    assert!(status.healthy && status.lag == 5 && status.detail.contains("no journal"), "{status:?}");
}

/// A journal that gives nothing, or whose reader panics: after a while that is a failure, and it ends by itself.
#[test]
fn a_store_that_does_not_follow_is_not_healthy() {
    use std::sync::atomic::{AtomicBool, Ordering};
    let records = Arc::new(life(1, 1));
    let last = records.len() as u64;
    type Read = fn() -> anyhow::Result<Batch>;
    let bad: [(&str, Read); 3] = [
        ("no journal", || Err(anyhow!("no journal"))),
        ("injected", || panic!("injected")),
        ("gives none", || Ok(Batch::default())),
    ];
    for (word, nothing) in bad {
        let dir = tempfile::tempdir().unwrap();
        let is_bad = Arc::new(AtomicBool::new(true));
        let (given, still) = (records.clone(), is_bad.clone());
        let read = move |from: u64, through: u64, _: usize| {
            if still.load(Ordering::Relaxed) { nothing() } else { Ok(given[from as usize - 1..through as usize].to_vec().into()) }
        };
        let (durable, seen) = watch::channel(last);
        let source = Source { run: Run::default(), read: Box::new(read), durable: seen };
        let patience = Patience { unread: Duration::ZERO, ..Patience::default() };
        let fed = Fed { store: Store::start_with(dir.path(), KEPT_DAYS, source, patience).unwrap(), durable };
        fed.until("not healthy", |s| !s.healthy && s.detail.contains(word));
        is_bad.store(false, Ordering::Relaxed);
        fed.until("healthy", |s| s.healthy && s.watermark == last);
        fed.store.close().unwrap();
    }
}

#[test]
fn a_database_that_cannot_be_read_is_a_row_of_its_own() {
    let dir = tempfile::tempdir().unwrap();
    let records = Arc::new(life(3, 6));
    feed_all(dir.path(), &records).store.close().unwrap();
    let mut slabs = vec![];
    damage::files(&dir.path().join("day/2026-11-24/slabs"), &mut slabs);
    slabs.iter().for_each(|slab| std::fs::write(slab, vec![0xff; std::fs::metadata(slab).unwrap().len() as usize]).unwrap());
    let stat = stat(dir.path(), true, &mut drop).unwrap();
    let read: Vec<bool> = stat.days.iter().map(|day| day.rows.is_some() && day.unread.is_none()).collect();
    assert_eq!(read, [true, false, true], "{stat:?}");
    assert!(stat.watermark.is_some() && stat.unread.is_none(), "{stat:?}");
}

#[test]
fn readings_without_names_are_counted_not_hidden() {
    let dir = tempfile::tempdir().unwrap();
    let mut records = life(1, 1);
    records.remove(0);
    records.iter_mut().enumerate().for_each(|(i, r)| r.seq = i as u64 + 1);
    let fed = feed_all(dir.path(), &Arc::new(records));
    let status = fed.until("counted", |s| !s.detail.is_empty());
    assert!(status.detail.contains("120 readings were not kept"), "{status:?}");
}

/// The journal no longer has what the store has not read yet: it says so, and goes on; nothing is put under a wrong name.
#[test]
fn a_journal_that_begins_behind_the_store_is_followed() {
    let records = Arc::new(life(3, 6));
    let last = records.len() as u64;
    let second_day = records.iter().find(|r| r.at >= MIDNIGHT + DAY).unwrap().seq;
    for (first, names_known) in [(second_day, true), (second_day + 30, false)] {
        let dir = tempfile::tempdir().unwrap();
        let fed = start(dir.path(), &records, 500);
        fed.wait(500);
        fed.store.close().unwrap();
        let fed = start_with(dir.path(), &records, last, first, Patience::default());
        fed.wait(last);
        let status = fed.store.status();
        assert!(status.healthy && status.detail.contains(&format!("records 501 to {}", first - 1)), "{status:?}");
        let series = fed.store.series("a", 0, i64::MAX, POINTS_MAX).unwrap();
        assert!(series.incomplete.contains(&"2026-11-23".to_owned()), "{:?}", series.incomplete);
        assert!(series.rows.iter().all(|p| p.value == ((p.at % DAY) / SECOND) as f64), "a value of another tag");
        let of_second = series.rows.iter().filter(|p| (MIDNIGHT + DAY..MIDNIGHT + 2 * DAY).contains(&p.at)).count();
        assert_eq!(of_second > 0, names_known, "no start of that day says what its tags are");
        assert!(series.rows.iter().any(|p| p.at >= MIDNIGHT + 2 * DAY));
        let events = fed.store.events(0, 1000, EventFilter::default()).unwrap();
        assert_eq!(events.rows.iter().filter(|e| e.seq > 500).count(), expected_events(&records[first as usize - 1..]).len());
    }
}
