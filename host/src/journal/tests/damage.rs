//! Bytes that changed at rest: each change is found or harmless, and everything else stays readable.

use super::*;
use std::os::unix::fs::FileExt;

/// Three closed segments or more, with readings, ticks and chained records.
fn small_journal() -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    let (journal, _) = open(dir.path());
    for i in 0..45 {
        for entry in all_entries() {
            journal.append(i * 1_500_000, &entry).unwrap();
        }
        journal.append(i * 1_500_000, &text(600)).unwrap();
        if i % 5 == 0 {
            wait(&journal, 1);
        }
    }
    journal.close().unwrap();
    assert!(verify(dir.path()).unwrap().is_whole());
    dir
}

fn flip(file: &Path, bit: u64) {
    let file = File::options().read(true).write(true).open(file).unwrap();
    let mut byte = [0];
    file.read_exact_at(&mut byte, bit / 8).unwrap();
    byte[0] ^= 1 << (bit % 8);
    file.write_all_at(&byte, bit / 8).unwrap();
}

/// Everything that can be read, and how many complaints there were.
fn salvage(dir: &Path) -> (Vec<Record>, usize) {
    let (mut records, mut errors) = (vec![], 0);
    for record in read(dir, 1).unwrap() {
        match record {
            Ok(record) => records.push(record),
            Err(_) => errors += 1,
        }
        assert!(errors < 100, "a reader must not complain for ever");
    }
    (records, errors)
}

#[test]
fn one_flipped_bit_anywhere_is_found_or_harmless() {
    let journal = small_journal();
    let whole = read_all(journal.path());
    let files = segments(journal.path());
    let end = verify(journal.path()).unwrap();
    let mut seed = 0x5eed_u64;
    println!("seed {seed:#x}");
    let (mut found, mut harmless) = (0, 0);
    for round in 0..400 {
        seed = seed.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        let file = &files[(seed >> 33) as usize % (files.len() - 1)];
        // Half of the flips in the first record blocks, so that headers and first records get their share.
        let range = if round % 2 == 0 { 8 * 8192 } else { 8 * SMALL };
        let bit = (seed >> 17) % range;
        flip(file, bit);
        let report = verify(journal.path()).unwrap();
        let (records, errors) = salvage(journal.path());
        if report.is_whole() {
            // Padding, zeros behind the end, or the last anchor, behind which nobody can know.
            assert_eq!((records, errors), (whole.clone(), 0), "{} bit {bit}", file.display());
            assert_eq!(report.last_seq, end.last_seq);
            harmless += 1;
        } else {
            assert!(records.len() + 1 >= whole.len(), "{} bit {bit}: more than one record lost", file.display());
            assert!(records.iter().all(|r| whole[r.seq as usize - 1] == *r), "{} bit {bit}", file.display());
            assert!(report.faults[0].file.ends_with(".seg"));
            found += 1;
        }
        flip(file, bit);
    }
    println!("{found} found, {harmless} harmless");
    assert!(found > 100 && harmless > 10);
    assert_eq!(read_all(journal.path()), whole);
}

#[test]
fn damage_is_named_put_on_record_and_written_behind() {
    let journal = small_journal();
    let whole = read_all(journal.path());
    let last_begun = verify(journal.path()).unwrap().segments as usize - 1;
    let file = &segments(journal.path())[last_begun];
    // The first byte of the payload of the first record of the last segment: a tick has no second one.
    flip(file, 8 * (4096 + 40));
    let before = std::fs::read(file).unwrap();
    let (reopened, opened) = open(journal.path());
    let damage = opened.damage.unwrap();
    assert!(damage.contains("byte 4096") && damage.contains("is lost"), "{damage}");
    assert_eq!(opened.last_seq, whole.len() as u64);
    let next = reopened.append(i64::MAX, &text(10)).unwrap();
    assert_eq!(next, whole.len() as u64 + 1);
    reopened.close().unwrap();
    assert_eq!(std::fs::read(file).unwrap(), before, "evidence is not touched");
    assert!(journal.path().join("quarantine").join(file.file_name().unwrap()).exists());
    let (records, errors) = salvage(journal.path());
    assert_eq!((records.len(), errors), (whole.len(), 1));
    // The next start finds nothing new, but no check ever forgets.
    let (again, opened) = open(journal.path());
    assert_eq!((opened.damage, opened.last_seq), (None, next));
    drop(again);
    let report = verify(journal.path()).unwrap();
    assert!(!report.is_whole() && report.last_seq == next, "{report:?}");
}

#[test]
fn a_lost_header_of_the_first_segment_is_damage() {
    let dir = tempfile::tempdir().unwrap();
    let (journal, _) = open(dir.path());
    for i in 0..3 {
        wait(&journal, journal.append(i, &text(10)).unwrap());
    }
    journal.close().unwrap();
    flip(&segments(dir.path())[0], 100);
    let (journal, opened) = open(dir.path());
    assert!(opened.damage.is_some() && opened.last_seq == 3, "{opened:?}");
    journal.append(9, &text(10)).unwrap();
    journal.close().unwrap();
    assert_eq!(salvage(dir.path()).0.len(), 4);
    assert!(!verify(dir.path()).unwrap().is_whole());
}

#[test]
fn missing_swapped_shortened_and_edited_segments_are_found() {
    let journal = small_journal();
    let check = |name: &str, change: &dyn Fn(&[PathBuf])| {
        let copy = copy_journal(journal.path());
        change(&segments(copy.path()));
        let report = verify(copy.path()).unwrap();
        assert!(!report.is_whole(), "{name} was not found");
        // Reading goes on as far as it can, and never panics.
        salvage(copy.path());
    };
    check("a missing segment", &|files| std::fs::remove_file(&files[1]).unwrap());
    check("a shortened segment", &|files| File::options().write(true).open(&files[0]).unwrap().set_len(20_000).unwrap());
    check("an emptied segment", &|files| std::fs::write(&files[1], b"").unwrap());
    check("two swapped segments", &|files| {
        let aside = files[0].with_extension("aside");
        std::fs::rename(&files[0], &aside).unwrap();
        std::fs::rename(&files[1], &files[0]).unwrap();
        std::fs::rename(&aside, &files[1]).unwrap();
    });
    check("a segment twice", &|files| {
        std::fs::copy(&files[0], &files[1]).unwrap();
    });
    check("a record edited with a new CRC", &|files| {
        let mut bytes = std::fs::read(&files[0]).unwrap();
        let start = 4096;
        let len = u32::from_le_bytes(bytes[start..start + 4].try_into().unwrap()) as usize;
        bytes[start + 60] ^= 1;
        let crc = crc32c::crc32c(&bytes[start + 8..start + 40 + len + 32]);
        bytes[start + 4..start + 8].copy_from_slice(&crc.to_le_bytes());
        std::fs::write(&files[0], bytes).unwrap();
    });
}

#[test]
fn an_edited_reading_is_found_by_the_anchor() {
    let dir = tempfile::tempdir().unwrap();
    let (journal, _) = open(dir.path());
    let entry = Entry::Event(Event::Readings { readings: vec![reading(1, 20.0, 5)] });
    journal.append(0, &entry).unwrap();
    journal.close().unwrap();
    let file = &segments(dir.path())[0];
    let mut bytes = std::fs::read(file).unwrap();
    let value = 4096 + 40 + 12 + 5;
    assert_eq!(bytes[value..value + 8], 20.0f64.to_le_bytes());
    bytes[value..value + 8].copy_from_slice(&19.0f64.to_le_bytes());
    let len = u32::from_le_bytes(bytes[4096..4100].try_into().unwrap()) as usize;
    let crc = crc32c::crc32c(&bytes[4104..4136 + len]);
    bytes[4100..4104].copy_from_slice(&crc.to_le_bytes());
    std::fs::write(file, bytes).unwrap();
    let report = verify(dir.path()).unwrap();
    assert!(report.faults[0].what.contains("anchor"), "{report:?}");
}
