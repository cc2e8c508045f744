//! Bits flipped and files cut short in the databases of a store, each on a copy of one prepared store. Every trial: what the store answers is
//! right or missing, never wrong; a day that is not whole is named; the other days are all there; and with its journal it is whole again.
//!
//! `SAFETY_BRAIN_EFFORT=night` tries ten times as often. Seeds are printed. About a second each: sled has all disks of the
//! machine synced whenever it opens a database.

use super::*;
use std::path::PathBuf;

/// A day for each place damage can be in: today, yesterday, before.
const DAYS: i64 = 3;
const SEED: u64 = 0x5eed_0005;

/// SplitMix64.
pub struct Dice(pub u64);

impl Dice {
    pub fn roll(&mut self, below: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % below
    }
}

/// All files of a store that hold anything.
pub fn files(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files(&path, found);
        } else if path.metadata().unwrap().len() > 0 && !path.to_string_lossy().contains("quarantine") {
            found.push(path);
        }
    }
    found.sort();
}

#[derive(Clone, Copy, Debug)]
enum Harm {
    Bit,
    Cut,
}

/// Harms one file. Bytes in use are as likely as files are large.
fn harm(harm: Harm, dir: &Path, dice: &mut Dice) -> String {
    let mut all = vec![];
    files(dir, &mut all);
    all.retain(|file| !file.to_string_lossy().contains("DO_NOT"));
    let file = &all[dice.roll(all.len() as u64) as usize];
    let mut bytes = std::fs::read(file).unwrap();
    let at = dice.roll(bytes.len() as u64) as usize;
    match harm {
        Harm::Bit => bytes[at] ^= 1 << dice.roll(8),
        Harm::Cut => bytes.truncate(at),
    }
    std::fs::write(file, bytes).unwrap();
    format!("{harm:?} at {at} of {}", file.strip_prefix(dir).unwrap().display())
}

#[derive(Debug, Default)]
struct Count {
    trials: usize,
    harmless: usize,
    days: usize,
    state: usize,
}

/// One trial: nothing wrong is ever shown, and in the end everything is there again.
fn trial(kind: Harm, prepared: &Path, records: &Arc<Vec<Record>>, expected: &Seen, dice: &mut Dice, count: &mut Count) {
    let dir = tempfile::tempdir().unwrap();
    copy_all(prepared, dir.path());
    let what = harm(kind, dir.path(), dice);
    let patience = Patience { call: Duration::from_secs(60), starts: usize::MAX, ..Patience::default() };
    let last = records.len() as u64;
    let fed = start_with(dir.path(), records, last, 1, patience);
    // While it is found and made good, an answer may be missing or refused, but is never wrong.
    let mut missing = 0;
    for tag in 0..2 {
        match fed.store.series(["a", "b"][tag], 0, i64::MAX, POINTS_MAX) {
            Ok(page) => {
                let at = |p: &Point| expected.3[tag].binary_search_by_key(&p.at, |e| e.at).ok();
                let right = |p: &Point| at(p).is_some_and(|i| expected.3[tag][i] == *p);
                assert!(page.rows.iter().all(right), "{what}: a wrong value");
                if page.rows.len() < expected.3[tag].len() {
                    missing += 1;
                    let status = fed.store.status();
                    assert!(
                        !page.incomplete.is_empty() || status.lag > 0 || !status.healthy,
                        "{what}: {} points, {status:?}",
                        page.rows.len()
                    );
                }
            }
            Err(_) => missing += 1,
        }
    }
    let events = fed.store.events(0, 1000, EventFilter::default());
    assert!(events.iter().flat_map(|page| &page.rows).all(|e| expected.0.contains(e)), "{what}: a wrong event");
    let alarms = fed.store.alarms(None, 1000, true);
    assert!(alarms.is_err() || fed.store.status().lag > 0 || alarms.unwrap().rows == expected.1, "{what}: wrong alarms");
    fed.until(&format!("whole again after {what}"), |s| s.healthy && s.incomplete.is_empty() && s.watermark == last);
    assert_same(&all(&fed.store), expected, &what);
    count.trials += 1;
    let aside = |part: &str| (1..9).any(|n| dir.path().join(format!("quarantine/{n}/{part}")).exists());
    match (aside("state"), aside("day")) {
        (true, _) => count.state += 1,
        (false, true) => count.days += 1,
        (false, false) => {
            assert_eq!(missing, 0, "{what}: something was missing and nothing was put aside");
            count.harmless += 1;
        }
    }
    fed.store.close().unwrap();
}

fn prepared(records: &Arc<Vec<Record>>) -> (tempfile::TempDir, Seen) {
    let dir = tempfile::tempdir().unwrap();
    let fed = feed_all(dir.path(), records);
    let expected = all(&fed.store);
    fed.store.close().unwrap();
    (dir, expected)
}

fn trials(kind: Harm, most: u64) {
    let records = Arc::new(life(DAYS, 6));
    let (dir, expected) = prepared(&records);
    let mut count = Count::default();
    let seed = SEED ^ most;
    println!("seed {seed:#x}");
    let mut dice = Dice(seed);
    let began = Instant::now();
    for _ in 0..most {
        trial(kind, dir.path(), &records, &expected, &mut dice, &mut count);
    }
    tell(&format!("store: {kind:?}: {count:?} in {:.1} s", began.elapsed().as_secs_f64()));
    assert!(count.days > 0 && count.state > 0, "the rig harms nothing: {count:?}");
}

#[test]
fn flipped_bits_are_found_or_harmless() {
    trials(Harm::Bit, effort(500));
}

#[test]
fn files_cut_short_are_found_or_harmless() {
    trials(Harm::Cut, effort(200));
}

/// As sled leaves it where its log of places is damaged: it opens, and rows are missing.
#[test]
fn a_day_that_is_not_what_its_sum_says_is_told_by_who_counts() {
    let (dir, records) = (tempfile::tempdir().unwrap(), Arc::new(life(2, 10)));
    feed_all(dir.path(), &records).store.close().unwrap();
    let counted = || tools::stat(dir.path(), true, &mut drop).unwrap().days;
    let before = counted();
    assert!(before.iter().all(|day| day.unread.is_none() && day.rows.is_some_and(|rows| rows > 0)), "{before:?}");
    let base = bases::Day::open(&dir.path().join("day").join(&before[0].day), 16 << 20).unwrap();
    let (row, sum) = (base.ascending(b"", b"").next().unwrap().unwrap().0, base.get(base::SUM).unwrap().unwrap());
    base.forget_sum();
    base.remove(vec![row]).unwrap();
    base.put(vec![(base::SUM.to_vec(), sum)]).unwrap();
    drop(base);
    let days = counted();
    assert!(days[0].unread.as_ref().is_some_and(|why| why.contains("not what it says itself")), "{days:?}");
    assert!(days[0].rows.is_none() && days[1].rows == before[1].rows, "{days:?}");
}
