//! Sectors that the disk does not give back: each is a hole with a name, everything else stays readable, and a start goes on behind it.

use super::damage::small_journal;
use super::walk::{Step, Walk};
use super::*;
use crate::journal::disk::bad;
use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

const BLOCK: u64 = 4096;
/// What the system says of it.
const EIO: &str = "os error 5";

/// Where each record stands.
fn places(dir: &Path) -> BTreeMap<u64, (PathBuf, Range<u64>)> {
    let mut walk = Walk::open(dir, 1).unwrap();
    let mut places = BTreeMap::new();
    while let Step::Raw(raw, place) = walk.step(None).unwrap() {
        if !raw.is_mark() {
            places.insert(raw.head().seq, (place.file, place.offset..place.offset + raw.framed_bytes()));
        }
    }
    places
}

/// Numbers that can be read, and what was said of the others.
fn readable(dir: &Path) -> (BTreeSet<u64>, Vec<String>) {
    let (mut numbers, mut said) = (BTreeSet::new(), vec![]);
    for record in read(dir, 1).unwrap() {
        match record {
            Ok(record) => assert!(numbers.insert(record.seq), "{} twice", record.seq),
            Err(error) => said.push(format!("{error:#}")),
        }
        assert!(said.len() < 100, "a reader must not complain for ever: {}", said[0]);
    }
    (numbers, said)
}

fn block_of(offset: u64) -> Range<u64> {
    let from = offset / BLOCK * BLOCK;
    from..from + BLOCK
}

fn overlap(a: &Range<u64>, b: &Range<u64>) -> bool {
    a.start < b.end && b.start < a.end
}

#[test]
fn a_block_that_cannot_be_read_costs_what_stands_in_it_and_has_a_name() {
    let journal = small_journal();
    let dir = journal.path();
    let passed = places(dir).iter().find(|(_, (file, _))| file.ends_with("0000000003.seg")).map(|(seq, _)| seq - 1).unwrap();
    keep(dir, passed);
    let (all, files) = (places(dir), all_files(dir));
    let forms =
        ["evt.zst", "seg.zst", "seg"].map(|end| files.iter().filter(|file| file.to_str().unwrap().ends_with(end)).count());
    assert!(forms.iter().all(|count| *count > 0), "every form: {files:?}");
    // The control: nothing is bad.
    assert_eq!((readable(dir).1.len(), verify(dir).unwrap().faults_total), (0, 0));
    let (mut seed, mut costly) = (0xbad_b10c_u64, 0);
    println!("seed {seed:#x}");
    for _ in 0..effort(150) {
        let file = dir.join(&files[random(&mut seed) as usize % files.len()]);
        let blocks = std::fs::metadata(&file).unwrap().len().div_ceil(BLOCK);
        let block = block_of(random(&mut seed) % blocks * BLOCK);
        let _bad = bad::make(&file, block.clone());
        let what = format!("{} {block:?}", file.display());
        let within: BTreeSet<u64> = all.iter().filter(|(_, (at, _))| *at == file).map(|(seq, _)| *seq).collect();
        let (read, said) = readable(dir);
        let report = verify(dir).unwrap();
        let lost: BTreeSet<u64> = all.keys().copied().filter(|seq| !read.contains(seq)).collect();
        if file.extension().is_some_and(|end| end == "zst") {
            assert!(lost.is_subset(&within), "{what}: {lost:?}");
        } else {
            let there = |seq: &&u64| overlap(&all[seq].1, &block);
            assert_eq!(lost, within.iter().filter(there).copied().collect(), "{what}");
        }
        if !lost.is_empty() {
            costly += 1;
            assert!(said[0].contains(file.to_str().unwrap()) && said[0].contains(EIO), "{what}: {said:?}");
        }
        let named = report.faults.iter().any(|fault| file.ends_with(&fault.file) && fault.what.contains(EIO));
        assert!(named || lost.is_empty(), "{what}: {report:?}");
    }
    tell(&format!("journal: of blocks that cannot be read {costly} cost a record"));
    assert!(costly > 50);
}

/// Opens it, appends, and says what was found and the number of the new record.
fn goes_on(dir: &Path) -> (Opened, u64) {
    let (journal, opened) = open(dir);
    let seq = journal.append(i64::MAX, &text(10)).unwrap();
    journal.close().unwrap();
    (opened, seq)
}

#[test]
fn a_plant_starts_behind_a_block_of_its_newest_segment() {
    for (what, pick) in [("first", 0.0), ("middle", 0.5), ("last", 1.0)] {
        let journal = small_journal();
        let dir = journal.path();
        let all = places(dir);
        let newest = all.last_key_value().unwrap().1.0.clone();
        let within: Vec<&Range<u64>> = all.values().filter(|(file, _)| *file == newest).map(|(_, bytes)| bytes).collect();
        let block = block_of(within[((within.len() - 1) as f64 * pick) as usize].start);
        let before = std::fs::read(&newest).unwrap();
        let bad = bad::make(&newest, block.clone());
        let (opened, seq) = goes_on(dir);
        let damage = opened.damage.unwrap();
        let named = damage.contains(newest.to_str().unwrap()) && damage.contains(EIO) && damage.contains("lost");
        assert!(named, "{what}: {damage}");
        let last = *all.last_key_value().unwrap().0;
        assert!(seq > last, "{what}: number {seq} was on disk before");
        assert_eq!(std::fs::read(&newest).unwrap(), before, "{what}: nothing is overwritten");
        let aside = dir.join("quarantine").join(newest.file_name().unwrap());
        let copy = std::fs::read(&aside).unwrap();
        let inside = block.start as usize..block.end as usize;
        assert!(copy[inside.clone()].iter().all(|byte| *byte == 0xff), "{what}");
        assert_eq!((&copy[..inside.start], &copy[inside.end..]), (&before[..inside.start], &before[inside.end..]), "{what}");
        let (read, said) = readable(dir);
        assert_eq!(said.len(), 1, "{what}: {said:?}");
        let lost = all.iter().filter(|(_, (file, bytes))| *file == newest && overlap(bytes, &block)).count();
        assert!(lost > 0 && read.len() == all.len() - lost + 1 && read.contains(&seq), "{what}");
        assert_eq!(goes_on(dir).0.damage, None, "{what}: told once");
        let report = verify(dir).unwrap();
        assert!(report.faults[0].what.contains(EIO), "{what}: {report:?}");
        // A sector that comes back gives its records back, under numbers that nobody else has.
        drop(bad);
        assert!(readable(dir).0.is_superset(&all.keys().copied().collect()), "{what}");
    }
}

#[test]
fn what_was_not_written_yet_may_be_unreadable_too() {
    let journal = small_journal();
    let dir = journal.path();
    let all = places(dir);
    let (last, (newest, bytes)) = all.last_key_value().unwrap();
    let end = std::fs::metadata(newest).unwrap().len();
    assert!(bytes.end + 2 * BLOCK < end, "no room is left in it");
    let _bad = bad::make(newest, end - BLOCK..end);
    let (opened, seq) = goes_on(dir);
    let damage = opened.damage.unwrap();
    assert!(damage.contains(EIO) && damage.contains("no record is missing"), "{damage}");
    assert_eq!((seq, readable(dir).0.len() as u64), (last + 1, last + 1));
    // The one made ahead is of no use, and nothing is lost with it.
    let ahead = segments(dir).pop().unwrap();
    let _bad = bad::make(&ahead, 3 * BLOCK..4 * BLOCK);
    let (opened, seq) = goes_on(dir);
    assert_eq!((opened.damage, seq), (None, last + 2));
    assert!(dir.join("quarantine").join(ahead.file_name().unwrap()).exists());
}

#[test]
fn a_segment_that_does_not_say_how_it_begins_is_damage() {
    let journal = small_journal();
    let dir = journal.path();
    let all = places(dir);
    let newest = all.last_key_value().unwrap().1.0.clone();
    for blocks in [1, 2, 16] {
        let copy = copy_journal(dir);
        let file = copy.path().join(newest.file_name().unwrap());
        let _bad = bad::make(&file, 0..blocks * BLOCK);
        let (opened, seq) = goes_on(copy.path());
        let damage = opened.damage.unwrap();
        assert!(damage.contains(file.to_str().unwrap()) && damage.contains(EIO), "{blocks}: {damage}");
        assert!(seq > *all.last_key_value().unwrap().0, "{blocks}: number {seq} was on disk before");
        let (read, said) = readable(copy.path());
        assert!(said.len() <= 2 && read.contains(&seq), "{blocks}: {said:?}");
    }
    // The only segment there is, with a first group that nobody can prove.
    let alone = tempfile::tempdir().unwrap();
    let (_, seq) = goes_on(alone.path());
    let _bad = bad::make(&segments(alone.path())[0], 0..2 * BLOCK);
    let (opened, next) = goes_on(alone.path());
    assert!(opened.damage.as_ref().is_some_and(|damage| damage.contains(EIO)) && next > seq, "{opened:?} {next}");
    assert!(segments(alone.path())[0].exists());
}

#[test]
fn a_damaged_file_is_copied_once() {
    let journal = small_journal();
    let dir = journal.path();
    let newest = places(dir).last_key_value().unwrap().1.0.clone();
    let _bad = bad::make(&newest, BLOCK..2 * BLOCK);
    for _ in 0..3 {
        // As after a reopening that failed: the segment behind the damage was never begun.
        for later in segments(dir).into_iter().filter(|file| *file > newest) {
            std::fs::remove_file(later).unwrap();
        }
        let (journal, opened) = open(dir);
        assert!(opened.damage.is_some());
        drop(journal);
    }
    assert_eq!(std::fs::read_dir(dir.join("quarantine")).unwrap().count(), 1);
}

#[test]
fn compressing_and_pruning_leave_it_as_it_is() {
    let journal = small_journal();
    let dir = journal.path();
    let all = places(dir);
    let file = segment::path(dir, 2);
    let _bad = bad::make(&file, 2 * BLOCK..3 * BLOCK);
    let kept = keep(dir, *all.last_key_value().unwrap().0);
    assert!(kept.packed > 2 && kept.aside == 1, "{kept:?}");
    let aside = dir.join(ARCHIVE).join("0000000002.seg");
    assert!(!file.exists() && aside.exists());
    let (_, said) = readable(dir);
    assert!(said.len() == 1 && said[0].contains(EIO) && said[0].contains(aside.to_str().unwrap()), "{said:?}");
}
