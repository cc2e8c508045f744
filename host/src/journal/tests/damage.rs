//! Bytes that changed at rest: each change is found or harmless, and everything else stays readable.

use super::*;
use std::collections::{BTreeMap, BTreeSet};
use std::os::unix::fs::FileExt;

/// Three closed segments or more, with readings, ticks and chained records.
pub(super) fn small_journal() -> tempfile::TempDir {
    let dir = fast_folder();
    let (journal, _) = open(dir.path());
    // Each record is its own commit, so that the segments hold the same each time.
    for i in 0..90 {
        for entry in all_entries().into_iter().chain([text(600)]) {
            wait(&journal, journal.append(i * 1_500_000, &entry).unwrap());
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

/// A plant that was killed proves nothing of its last records: what is damaged of them is told as bytes that are no record.
#[test]
fn damage_to_the_last_record_of_a_killed_plant_is_told() {
    let dir = fast_folder();
    let (journal, _) = open(dir.path());
    for i in 0..3 {
        wait(&journal, journal.append(i, &text(100)).unwrap());
    }
    wait(&journal, journal.append(9, &text(60)).unwrap());
    // As it stands on the disk while it is open.
    let killed = fast_folder();
    let file = segment::path(killed.path(), 1);
    std::fs::copy(&segments(dir.path())[0], &file).unwrap();
    journal.close().unwrap();
    let whole = verify(killed.path()).unwrap();
    assert_eq!((whole.is_whole(), whole.last_seq, whole.tail_bytes), (true, 4, 0));
    let records = read_all(killed.path());
    let bytes = std::fs::read(&file).unwrap();
    let end = bytes.iter().rposition(|byte| *byte != 0).unwrap() as u64;
    let (mut tails, mut faults, mut harmless) = (0, 0, 0);
    for bit in (end - 110) * 8..(end + 1) * 8 {
        flip(&file, bit);
        let report = verify(killed.path()).unwrap();
        match (report.is_whole(), report.tail_bytes > 0) {
            (false, _) => faults += 1,
            (true, true) => tails += 1,
            (true, false) => {
                assert!(report.last_seq == 4 && read_all(killed.path()) == records, "bit {bit} is not told");
                harmless += 1;
            }
        }
        flip(&file, bit);
    }
    tell(&format!("journal: bits behind a kill: {tails} told as a tail, {faults} as damage, {harmless} harmless"));
    assert!(tails > 500, "{tails} {faults} {harmless}");
}

/// Where no segment is, nothing is whole.
#[test]
fn a_journal_without_a_segment_is_not_whole() {
    let journal = small_journal();
    for held in files::list(journal.path()).unwrap() {
        std::fs::remove_file(held.path(journal.path())).unwrap();
    }
    let report = verify(journal.path()).unwrap();
    assert!(!report.is_whole() && report.faults[0].what.contains("there is no segment"), "{report:?}");
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

/// One journal in all its forms: two segments in the archive, some compressed, the last as it was written.
fn journal_of_all_forms() -> tempfile::TempDir {
    let journal = small_journal();
    let begins = |number: u64| match files::open(journal.path(), number).unwrap().0.begun().unwrap() {
        segment::Begun::Yes(header) => header.first_seq,
        other => panic!("{other:?}"),
    };
    let passed = begins(3) - 1;
    let kept = keep(journal.path(), passed);
    assert!(kept.archived == 2 && kept.packed > 2 && kept.aside == 0, "{kept:?}");
    assert!(verify(journal.path()).unwrap().is_whole());
    journal
}

/// All files but the newest ones: the last is not begun; that the one before it was cut, only an anchor kept elsewhere can say.
fn told_files(dir: &Path, newest: usize) -> Vec<PathBuf> {
    let mut names: Vec<_> = files::list(dir).unwrap().into_iter().map(|held| held.name()).collect();
    names.truncate(names.len() - newest);
    names
}

/// What must be seen of a journal after something was done to one of its files.
struct Judge {
    whole: BTreeMap<u64, Record>,
    last_seq: u64,
    counts: [u64; 2],
}

impl Judge {
    fn of(journal: &Path) -> Judge {
        let whole = read_all(journal).into_iter().map(|record| (record.seq, record)).collect();
        Judge { whole, last_seq: verify(journal).unwrap().last_seq, counts: [0; 2] }
    }

    /// `file` was changed: found, or harmless; never a wrong record, and of the others at most those of one block are gone.
    fn see(&mut self, dir: &Path, file: &Path, what: &str) {
        let what = format!("{} {what}", file.display());
        let report = verify(dir).unwrap();
        let (records, errors) = salvage(dir);
        for record in &records {
            assert_eq!(self.whole.get(&record.seq), Some(record), "{what}: a wrong record");
        }
        if report.is_whole() {
            assert!(records.len() == self.whole.len() && errors == 0 && report.last_seq == self.last_seq, "{what}: not told");
            self.counts[1] += 1;
            return;
        }
        self.counts[0] += 1;
        let fault = &report.faults[0];
        assert!(fault.file.ends_with(file.to_str().unwrap()), "{what}: {fault:?}");
        assert_eq!(report.faults_total, 1, "{what}: one change is one fault: {:?}", report.faults);
        let read: BTreeSet<u64> = records.iter().map(|record| record.seq).collect();
        let mut lost = self.whole.keys().filter(|seq| !read.contains(seq)).peekable();
        if let Some(first) = lost.peek().copied() {
            // Or one just before it that was left out of the archive.
            let named = fault.seq.is_some_and(|seq| seq <= *first && self.whole.range(seq..*first).next().is_none());
            assert!(named, "{what}: the first lost record, {first}, is named: {fault:?}");
        }
        let packed = file.extension().is_some_and(|end| end == "zst");
        let most = if packed || what.contains("cut") { usize::MAX } else { 1 };
        assert!(lost.count() <= most, "{what}: more than one record lost");
    }

    fn told(&self, of: &str) {
        let [found, harmless] = self.counts;
        tell(&format!("journal: {} {of}: {found} detected, {harmless} harmless, 0 wrong", found + harmless));
    }
}

/// A compressed segment of several frames: what is damaged in one of them takes no record of another along.
#[test]
fn a_damaged_frame_costs_what_it_holds() {
    let dir = fast_folder();
    let (journal, _) = Journal::open(dir.path(), SITE, 1 << 20).unwrap();
    let (mut seed, mut last) = (0x5eed_u64, 0);
    // Text that does not get much smaller, until the second segment has begun.
    while segments(dir.path()).len() < 3 {
        let sample = (0..40).map(|_| format!("{:08x}", random(&mut seed))).collect();
        last = journal.append(last as i64, &Entry::Event(Event::Malformed { link: "l".into(), count: 1, sample })).unwrap();
    }
    journal.close().unwrap();
    let whole = read_all(dir.path());
    assert!(keep(dir.path(), 0).packed >= 1);
    let packed = segments(dir.path()).into_iter().find(|file| file.extension().is_some_and(|end| end == "zst")).unwrap();
    let bytes = packed.metadata().unwrap().len();
    let of_frame = (packed::FRAME_BYTES / 400) as usize;
    for share in [0.3, 0.5, 0.7, 0.9] {
        let bit = (bytes as f64 * 8.0 * share) as u64;
        flip(&packed, bit);
        let report = verify(dir.path()).unwrap();
        let read: BTreeSet<u64> = salvage(dir.path()).0.iter().map(|record| record.seq).collect();
        let lost: Vec<u64> = whole.iter().map(|record| record.seq).filter(|seq| !read.contains(seq)).collect();
        let together = lost.windows(2).all(|two| two[1] == two[0] + 1);
        assert!(
            !report.is_whole() && together && (1..=of_frame + 2).contains(&lost.len()),
            "{share}: {} lost of {}",
            lost.len(),
            whole.len()
        );
        flip(&packed, bit);
    }
    assert!(verify(dir.path()).unwrap().is_whole() && of_frame * 3 < whole.len());
}

#[test]
fn one_flipped_bit_anywhere_is_found_or_harmless() {
    let journal = journal_of_all_forms();
    let mut judge = Judge::of(journal.path());
    let files = told_files(journal.path(), 1);
    let mut seed = 0x5eed_u64;
    println!("seed {seed:#x}");
    for round in 0..effort(500) {
        let file = &files[random(&mut seed) as usize % files.len()];
        let path = journal.path().join(file);
        let bytes = std::fs::metadata(&path).unwrap().len();
        // Half of the flips in the first blocks, so that headers, indexes and first records get their share.
        let range = if round % 2 == 0 { bytes.min(8192) } else { bytes };
        let bit = random(&mut seed) % (8 * range);
        flip(&path, bit);
        judge.see(journal.path(), file, &format!("bit {bit}"));
        flip(&path, bit);
    }
    judge.told("flips");
    // How many are harmless depends on how the groups fell.
    assert!(judge.counts[0] > 100);
    assert_eq!(read_all(journal.path()).len(), judge.whole.len());
}

#[test]
fn a_file_cut_short_anywhere_is_found_or_harmless() {
    let journal = journal_of_all_forms();
    let mut judge = Judge::of(journal.path());
    let files = told_files(journal.path(), 2);
    let mut seed = 0xc0_7700_u64;
    println!("seed {seed:#x}");
    for _ in 0..effort(200) {
        let file = &files[random(&mut seed) as usize % files.len()];
        let path = journal.path().join(file);
        let whole = std::fs::read(&path).unwrap();
        let size = random(&mut seed) % whole.len() as u64;
        File::options().write(true).open(&path).unwrap().set_len(size).unwrap();
        judge.see(journal.path(), file, &format!("cut to {size}"));
        std::fs::write(&path, whole).unwrap();
    }
    judge.told("truncations");
    assert!(judge.counts[0] > 100);
}

/// The newest segment and the one made ahead of it: their size alone says that they were cut. The next start says so, gives them their size back and goes on.
#[test]
fn the_newest_files_cut_short_anywhere_are_told_and_mended() {
    let journal = small_journal();
    let whole = read_all(journal.path());
    let files = segments(journal.path());
    let [.., begun, ahead] = files.as_slice() else { panic!("{files:?}") };
    let (last, end) = (whole.len() as u64, ends_at(begun));
    let mut seed = 0x7a11_u64;
    println!("seed {seed:#x}");
    let sizes = [0, 1, 4095, 4096, end - 1, end, end + 8, end + 39, end + 40, SMALL - 1, SMALL + 8];
    let random = (0..effort(60)).map(|_| random(&mut seed) % SMALL);
    let (mut cut, mut mended) = (0, 0);
    for size in sizes.into_iter().chain(random.collect::<Vec<_>>()) {
        for file in [begun, ahead] {
            let what = format!("{} with {size} bytes", file.display());
            let is_begun = file == begun;
            let copy = copy_journal(journal.path());
            let file = copy.path().join(file.file_name().unwrap());
            File::options().write(true).open(&file).unwrap().set_len(size).unwrap();
            let report = verify(copy.path()).unwrap();
            let told = report.faults.iter().any(|fault| fault.file == file.display().to_string());
            assert_eq!(told, is_begun || size < SMALL, "{what}: {report:?}");
            // What a snapshot or the store knows to have been there is named as ever, and nothing of it is mended.
            let kept = salvage(copy.path()).0;
            assert_eq!(kept, whole[..kept.len()], "{what}: a wrong record");
            if kept.len() < whole.len() {
                let known = copy_journal(copy.path());
                let (_, opened) = Journal::open_after(known.path(), SITE, SMALL, last).unwrap();
                let damage = opened.damage.unwrap_or_default();
                assert!(damage.contains("lost") && opened.last_seq == last, "{what}: {damage}");
                cut += 1;
            }
            let (reopened, opened) = open(copy.path());
            let damage = opened.damage.unwrap_or_default();
            let seen = is_begun || size < SMALL;
            assert_eq!(damage.contains(file.to_str().unwrap()), seen, "{what}: {damage}");
            let (lossless, lossy) = (damage.contains("no record is missing"), damage.contains("may be lost"));
            if is_begun {
                assert_eq!((lossless, lossy), (size >= end + 40, size < end + 40), "{what}: {damage}");
            }
            assert_eq!(opened.last_seq, kept.len() as u64, "{what}");
            let next = reopened.append(i64::MAX, &text(10)).unwrap();
            reopened.close().unwrap();
            let report = verify(copy.path()).unwrap();
            assert!(report.is_whole() && report.last_seq == next, "{what}: {report:?}");
            assert_eq!(std::fs::metadata(&file).unwrap().len(), SMALL, "{what}: writing goes on in a whole segment");
            assert!(!seen || copy.path().join("quarantine").join(file.file_name().unwrap()).exists(), "{what}: evidence is kept");
            assert_eq!(open(copy.path()).1.damage, None, "{what}: told once");
            mended += 1;
        }
    }
    tell(&format!("journal: {mended} files cut short and mended, {cut} of them with records in what was cut, 0 wrong"));
    assert!(cut > 0);
}

/// Where the records of a segment end.
fn ends_at(file: &Path) -> u64 {
    let bytes = std::fs::read(file).unwrap();
    let written = bytes.iter().rposition(|byte| *byte != 0).unwrap() as u64 + 1;
    written.next_multiple_of(8)
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
