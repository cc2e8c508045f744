//! What becomes of old segments: the same records in every form, no form lost, the archive one chain with the rest.

use super::*;

/// Segments full of everything, closed. Each record is its own commit, so that the segments hold the same each time.
fn journal() -> (tempfile::TempDir, Vec<Record>) {
    let dir = fast_folder();
    let (journal, _) = open(dir.path());
    for i in 0..60 {
        for entry in all_entries().into_iter().chain([text(900)]) {
            wait(&journal, journal.append(i * 1_500_000, &entry).unwrap());
        }
    }
    journal.close().unwrap();
    let records = read_all(dir.path());
    (dir, records)
}

fn forms(dir: &Path) -> String {
    let letter = |held: &files::Held| match (held.archived, held.form) {
        (false, files::Form::Raw) => 'r',
        (false, files::Form::Packed) => 'p',
        (true, files::Form::Thin) => 't',
        (true, files::Form::Raw) => 'R',
        (true, files::Form::Packed) => 'P',
        (false, files::Form::Thin) => '?',
    };
    files::list(dir).unwrap().iter().map(letter).collect()
}

#[test]
fn compressed_segments_hold_the_same_and_are_smaller() {
    let (dir, records) = journal();
    let before = (verify(dir.path()).unwrap(), forms(dir.path()), head(dir.path()).unwrap());
    let begun = before.0.segments as usize;
    assert!(begun > 3 && before.1.chars().all(|form| form == 'r'));
    assert_eq!(keep(dir.path(), 0), Kept { packed: begun as u64 - 1, ..Kept::default() });
    assert_eq!(forms(dir.path()), format!("{}rr", "p".repeat(begun - 1)));
    let bytes: u64 = segments(dir.path())[..begun - 1].iter().map(|file| file.metadata().unwrap().len()).sum();
    assert!(bytes < (begun as u64 - 1) * SMALL / 3, "{bytes} in {} segments", begun - 1);
    assert!(read_all(dir.path()) == records && verify(dir.path()).unwrap() == before.0 && head(dir.path()).unwrap() == before.2);
    let middle = records.len() as u64 / 2;
    assert_eq!(read(dir.path(), middle).unwrap().next().unwrap().unwrap().seq, middle);
    assert_eq!(keep(dir.path(), 0), Kept::default(), "once is enough");
    let stat = stat(dir.path(), &mut |_| {}).unwrap();
    assert_eq!((stat.records, stat.compressed), (records.len() as u64, begun as u64 - 1));

    // Any tool reads it.
    let (first, size) = (segments(dir.path())[0].clone(), SMALL as usize);
    let inflated = zstd::decode_all(File::open(&first).unwrap()).unwrap();
    assert!(inflated.len() <= size && inflated.starts_with(b"SBJOURN"), "{} bytes", inflated.len());
}

#[test]
fn pruned_segments_leave_their_events_and_one_chain() {
    let (dir, records) = journal();
    let (anchor, early) = (head(dir.path()).unwrap(), verify(dir.path()).unwrap());
    let kept = keep(dir.path(), records.len() as u64);
    assert_eq!(kept.archived, early.segments - 1, "all but the one being written");
    assert_eq!(forms(dir.path()), format!("{}rr", "t".repeat(early.segments as usize - 1)));
    let left = read_all(dir.path());
    let live = match files::open(dir.path(), early.segments).unwrap().0.begun().unwrap() {
        segment::Begun::Yes(header) => header.first_seq,
        other => panic!("{other:?}"),
    };
    let expected: Vec<_> = records.iter().filter(|record| record.seq >= live || is_chained(&record.entry)).cloned().collect();
    assert!(left == expected && left.len() < records.len());
    let report = verify_against(dir.path(), &[anchor], 0, &mut |_| {}).unwrap();
    assert!(report.is_whole() && report.anchors_found == 1 && report.archived == kept.archived, "{report:?}");
    assert_eq!((report.first_seq, report.last_seq, &report.link), (1, early.last_seq, &early.link));
    // A start goes on behind it.
    let (journal, opened) = open(dir.path());
    assert_eq!((opened.last_seq, opened.damage), (early.last_seq, None));
    journal.append(i64::MAX, &tick()).unwrap();
    journal.close().unwrap();
    assert!(verify(dir.path()).unwrap().is_whole());

    // One event less, with everything else in order, is found.
    let thin = &segments(dir.path())[1];
    std::fs::remove_file(thin).unwrap();
    let report = verify(dir.path()).unwrap();
    assert!(report.faults[0].what.contains("is missing"), "{report:?}");
}

#[test]
fn an_anchor_over_a_tick_is_found_after_the_tick_is_gone() {
    let dir = fast_folder();
    let (journal, _) = open(dir.path());
    journal.append(1, &text(10)).unwrap();
    journal.append(2, &tick()).unwrap();
    wait(&journal, 2);
    let anchor = head(dir.path()).unwrap();
    for at in 3..20 {
        journal.append(at, &text(9000)).unwrap();
    }
    journal.close().unwrap();
    assert_eq!(keep(dir.path(), 1).archived, 0, "nobody has passed the segment yet");
    assert!(keep(dir.path(), 15).archived > 0);
    let check = |anchor: OutsideAnchor| verify_against(dir.path(), &[anchor], 0, &mut |_| {}).unwrap();
    assert_eq!((anchor.seq, check(anchor.clone()).anchors_found), (2, 1));
    let forged = OutsideAnchor { link: "0".repeat(64), ..anchor };
    assert!(check(forged).faults[0].what.contains("was rewritten"));
}

#[test]
fn what_is_damaged_is_kept_as_it_is() {
    let (dir, _) = journal();
    let file = segments(dir.path())[1].clone();
    let mut bytes = std::fs::read(&file).unwrap();
    bytes[4096 + 8] ^= 1;
    std::fs::write(&file, &bytes).unwrap();
    keep(dir.path(), 0);
    assert!(forms(dir.path()).starts_with("prp"), "{}", forms(dir.path()));
    let before = verify(dir.path()).unwrap();
    assert_eq!(before.faults_total, 1);
    let kept = keep(dir.path(), before.last_seq);
    assert!(kept.aside == 1 && forms(dir.path()).starts_with("tRt"), "{}", forms(dir.path()));
    assert_eq!(std::fs::read(&segments(dir.path())[1]).unwrap(), bytes);
    let after = verify(dir.path()).unwrap();
    assert_eq!(
        (after.faults_total, after.faults[0].offset, after.faults[0].seq),
        (1, before.faults[0].offset, before.faults[0].seq)
    );
}

/// Behind damage writing goes on past the segment that was made ahead; and a header can be lost at any time.
#[test]
fn pruning_goes_on_past_what_does_not_say_where_it_begins() {
    let (dir, _) = journal();
    let newest = verify(dir.path()).unwrap().segments as usize;
    let spoil = |number: usize, at: usize| {
        let file = &segments(dir.path())[number - 1];
        let mut bytes = std::fs::read(file).unwrap();
        bytes[at] ^= 1;
        std::fs::write(file, &bytes).unwrap();
    };
    spoil(newest, 4096 + 50);
    let (journal, opened) = open(dir.path());
    assert!(opened.damage.is_some());
    for at in 0..40 {
        journal.append(100_000_000 + at, &text(9000)).unwrap();
    }
    journal.close().unwrap();
    spoil(newest + 3, 100);
    let (before, last) = (verify(dir.path()).unwrap(), verify(dir.path()).unwrap().last_seq);
    let (records, begun) = (salvaged(dir.path()), before.segments as usize);
    keep(dir.path(), last);
    // Damaged, empty, sound, without a header, sound ...
    let expected = format!("{}RRtR{}rr", "t".repeat(newest - 1), "t".repeat(begun - newest - 3));
    assert_eq!(forms(dir.path()), expected);
    assert_eq!(segments(dir.path())[newest].metadata().unwrap().len(), 4096, "an empty one takes no room");
    assert_eq!(salvaged(dir.path()), records, "no event is lost by it");
    let after = verify(dir.path()).unwrap();
    assert_eq!((after.faults_total, after.last_seq), (before.faults_total, last), "{after:?}");
    assert_eq!(open(dir.path()).1.damage, None);
}

/// Numbers of all events that can be read.
fn salvaged(dir: &Path) -> Vec<u64> {
    let records = read(dir, 1).unwrap().filter_map(Result::ok);
    records.filter(|record| is_chained(&record.entry)).map(|record| record.seq).collect()
}

#[test]
fn a_round_cut_short_leaves_both_and_the_next_one_goes_on() {
    let (dir, records) = journal();
    let raw = segments(dir.path())[0].clone();
    let bytes = std::fs::read(&raw).unwrap();
    keep(dir.path(), 0);
    let packed = segments(dir.path())[0].clone();
    // Both, the raw one damaged meanwhile: the compressed one is good.
    let mut bad = bytes.clone();
    bad[5000] ^= 1;
    std::fs::write(&raw, &bad).unwrap();
    keep(dir.path(), 0);
    assert!(!raw.exists() && read_all(dir.path()) == records);
    // Both, the compressed one cut: the raw one is good.
    std::fs::write(&raw, &bytes).unwrap();
    File::options().write(true).open(&packed).unwrap().set_len(300).unwrap();
    assert!(read_all(dir.path()) == records, "the raw one is used");
    keep(dir.path(), 0);
    assert!(!raw.exists() && read_all(dir.path()) == records);
}

/// Drops the oldest segments of [`journal`], as a daemon does once they are older than they are kept.
fn drop_oldest(dir: &Path) -> Kept {
    let policy = Policy { bytes_max: u64::MAX, records: 0, records_min: 0, events: 30_000_000 };
    let moment = Moment { now: 90_000_000, passed: 0, well: true, full: false };
    Keeper::new(dir).round(&policy, &moment, &|| false).unwrap()
}

/// What goes because it is too old is no damage to who is reading it just then.
#[test]
fn old_events_dropped_under_a_reader_are_no_damage() {
    let (dir, records) = journal();
    keep(dir.path(), records.len() as u64);
    let copy = fast_folder();
    let copied = std::process::Command::new("cp").arg("-r").arg(dir.path()).arg(copy.path().join("journal")).status().unwrap();
    assert!(copied.success());
    let mut reader = read(dir.path(), 1).unwrap();
    let first = reader.next().unwrap().unwrap();
    assert!(drop_oldest(dir.path()).dropped > 1);
    let rest: Vec<Record> = reader.map(|record| record.unwrap()).collect();
    let whole = read_all(dir.path());
    assert!(first.seq < whole[0].seq && rest.ends_with(&whole), "it goes on where the journal begins by now");
    assert!(rest.windows(2).all(|two| two[0].seq < two[1].seq));

    let copy = copy.path().join("journal");
    // The note stands, and they go while it is read.
    let gone: Vec<_> = files::list(&copy).unwrap().into_iter().map(|held| held.path(&copy)).collect();
    let gone: Vec<_> = gone.into_iter().filter(|path| !dir.path().join(path.strip_prefix(&copy).unwrap()).exists()).collect();
    let back = |path: &PathBuf| dir.path().join(path.strip_prefix(&copy).unwrap());
    for path in &gone {
        std::fs::copy(path, back(path)).unwrap();
    }
    let report = verify_against(dir.path(), &[], 0, &mut |_| gone.iter().for_each(|path| drop(std::fs::remove_file(back(path)))));
    let report = report.unwrap();
    assert!(gone.len() > 1 && report.is_whole() && report.first_seq > 1, "{report:?}");

    let mut dropped = 0;
    let report = verify_against(&copy, &[], 0, &mut |_| {
        if dropped == 0 {
            dropped = drop_oldest(&copy).dropped;
        }
    });
    let report = report.unwrap();
    assert!(dropped > 1 && report.is_whole() && report.first_seq > 1, "{report:?}");
}

/// Real damage is told though the front is dropped during every pass.
#[test]
fn damage_is_told_however_fast_old_events_are_dropped() {
    let (dir, records) = journal();
    keep(dir.path(), records.len() as u64);
    assert!(drop_oldest(dir.path()).dropped > 1);
    let file = files::list(dir.path()).unwrap()[0].path(dir.path());
    let mut bytes = std::fs::read(&file).unwrap();
    let middle = bytes.iter().rposition(|byte| *byte != 0).unwrap() / 2;
    bytes[middle] ^= 1;
    std::fs::write(&file, bytes).unwrap();
    let note = dir.path().join(ARCHIVE).join(BEGINS);
    let text = std::fs::read_to_string(&note).unwrap();
    let mut now = 90_000_000_u64;
    let report = verify_against(dir.path(), &[], 0, &mut |_| {
        now += 1;
        std::fs::write(&note, text.replace("90000000", &now.to_string())).unwrap();
    });
    let report = report.unwrap();
    assert!(now > 90_000_001 && !report.is_whole(), "{now} {report:?}");
}

#[test]
fn old_events_are_dropped_after_it_is_noted() {
    let (dir, records) = journal();
    keep(dir.path(), records.len() as u64);
    assert!(drop_oldest(dir.path()).dropped > 1);
    let report = verify(dir.path()).unwrap();
    assert!(report.is_whole() && report.first_seq > 1, "{report:?}");
    // Dropped by somebody else, or another beginning: found.
    let gone = segments(dir.path())[0].clone();
    let bytes = std::fs::read(&gone).unwrap();
    std::fs::remove_file(&gone).unwrap();
    assert!(verify(dir.path()).unwrap().faults[0].what.contains("is missing"));
    std::fs::write(&gone, bytes).unwrap();
    let note = dir.path().join(ARCHIVE).join(BEGINS);
    let text = std::fs::read_to_string(&note).unwrap();
    std::fs::write(&note, text.replace("\"first_seq\":", "\"first_seq\":1")).unwrap();
    assert!(verify(dir.path()).unwrap().faults[0].what.contains("not how it begins"));
}

#[test]
fn pruning_waits_for_time_room_and_health_unless_the_disk_is_full() {
    let (dir, records) = journal();
    let last = records.len() as u64;
    keep(dir.path(), 0);
    let day = 86_400_000_000;
    let policy = Policy { bytes_max: u64::MAX, records: 2 * day, records_min: day, events: Micros::MAX };
    let moment = Moment { now: day + 100_000_000, passed: last, well: true, full: false };
    let archived = |policy: Policy, moment: Moment| {
        let copy = copy_journal(dir.path());
        Keeper::new(copy.path()).round(&policy, &moment, &|| false).unwrap().archived
    };
    let small = Policy { bytes_max: 1000, ..policy };
    assert_eq!(archived(policy, moment), 0, "too young");
    assert!(archived(policy, Moment { now: 3 * day, ..moment }) > 2);
    assert!(archived(small, moment) > 2, "too large");
    assert_eq!(archived(small, Moment { now: 1000, ..moment }), 0, "too large, and much too young");
    assert_eq!(archived(small, Moment { well: false, ..moment }), 0, "something is wrong with the storage");
    assert_eq!(archived(small, Moment { passed: 5, ..moment }), 0, "somebody has still to read it");
    assert!(archived(policy, Moment { now: 0, well: false, full: true, ..moment }) > 2, "the disk is full");
}

/// The file's own time is the wall clock's, and a copy's or a reset clock's is anything at all.
#[test]
fn a_damaged_segment_is_as_old_as_its_records() {
    let (dir, _) = journal();
    let file = segments(dir.path())[0].clone();
    let mut bytes = std::fs::read(&file).unwrap();
    bytes[4096 + 8] ^= 1;
    std::fs::write(&file, &bytes).unwrap();
    keep(dir.path(), 0);
    let last = verify(dir.path()).unwrap().last_seq;
    let second = match files::source(dir.path(), files::list(dir.path()).unwrap()[1]).unwrap() {
        files::Source::Packed(packed) => packed.about,
        _ => panic!("it is compressed"),
    };
    let round = |dir: &Path, now, records, events| {
        let policy = Policy { bytes_max: u64::MAX, records, records_min: 0, events };
        let moment = Moment { now, passed: last, well: true, full: false };
        Keeper::new(dir).round(&policy, &moment, &|| false).unwrap()
    };
    for written in [std::time::UNIX_EPOCH, std::time::SystemTime::now()] {
        let copy = copy_journal(dir.path());
        let touch = |file: &Path| File::options().write(true).open(file).unwrap().set_modified(written).unwrap();
        touch(&segments(copy.path())[0]);
        assert_eq!(round(copy.path(), second.first_at + 999, 1_000, Micros::MAX), Kept::default(), "{written:?}: too young");
        let kept = round(copy.path(), second.first_at + 1_000, 1_000, Micros::MAX);
        assert_eq!(kept, Kept { aside: 1, ..Kept::default() }, "{written:?}: it is time");
        touch(&segments(copy.path())[0]);
        let dropped = |now| round(copy.path(), now, Micros::MAX, 10_000).dropped;
        assert_eq!(dropped(second.first_at + 9_999), 0, "{written:?}: its events are kept");
        assert_eq!(dropped(second.first_at + 10_000), 1, "{written:?}: and dropped");
    }
}

/// What is pruned is written beside first: on a disk filled to the last byte only the ballast makes room for that. What could not be made whole
/// takes none.
#[test]
fn a_disk_filled_to_the_last_byte_is_pruned() {
    let (dir, records) = journal();
    let policy = Policy { bytes_max: u64::MAX, records: Micros::MAX, records_min: 0, events: Micros::MAX };
    let moment = Moment { now: 1, passed: records.len() as u64, well: true, full: false };
    let half_made = || all_files(dir.path()).into_iter().filter(|name| name.extension().is_some_and(|end| end == "new")).count();
    let before = verify(dir.path()).unwrap();
    std::fs::write(dir.path().join("0000000001.seg.zst.new"), "left by a crash").unwrap();

    let (medium, tape) = super::crash::taped(None);
    let mut keeper = Keeper::on(medium, dir.path()).with_ballast(SMALL);
    let room = |bytes| tape.lock().unwrap().room = Some(bytes);
    // Room for the ballast, and for nothing to compress with.
    room(SMALL);
    assert!(keeper.round(&policy, &moment, &|| false).is_err());
    assert_eq!((half_made(), forms(dir.path())), (0, "r".repeat(before.segments as usize + 1)));
    let ballast = dir.path().join("ballast");
    assert_eq!(ballast.metadata().unwrap().len(), SMALL);

    room(0);
    let full = Moment { well: false, full: true, ..moment };
    let kept = keeper.round(&policy, &full, &|| false).unwrap();
    assert_eq!((kept.archived, kept.aside, half_made()), (before.segments - 1, 0, 0));
    assert!(!ballast.exists(), "given back");
    let after = verify(dir.path()).unwrap();
    assert!(after.is_whole() && after.link == before.link, "{after:?}");
    keeper.round(&policy, &moment, &|| false).unwrap();
    assert_eq!(ballast.metadata().unwrap().len(), SMALL, "taken again");
}

#[test]
fn readers_go_on_while_segments_change_their_form() {
    let (dir, records) = journal();
    let mut reader = Reader::open(dir.path(), 1).unwrap();
    let mut seen = vec![];
    for turn in 0.. {
        match turn {
            100 => drop(keep(dir.path(), 0)),
            400 => drop(keep(dir.path(), records[300].seq)),
            _ => {}
        }
        match reader.next_readable().unwrap() {
            Some(record) => seen.push(record),
            None => break,
        }
    }
    assert!(seen == records);
}

#[test]
fn a_newer_format_is_refused_and_left_alone() {
    let (dir, _) = journal();
    let refused = |dir: &Path, words: &[&str]| {
        let before: Vec<_> = all_files(dir).iter().map(|name| std::fs::read(dir.join(name)).unwrap()).collect();
        let error = format!("{:#}", Journal::open(dir, SITE, SMALL).err().expect("it is newer"));
        assert!(words.iter().all(|word| error.contains(word)), "{error}");
        let after: Vec<_> = all_files(dir).iter().map(|name| std::fs::read(dir.join(name)).unwrap()).collect();
        assert!(before == after, "nothing is touched");
    };
    // A segment of format 2.
    let newer = copy_journal(dir.path());
    let file = &segments(newer.path())[verify(dir.path()).unwrap().segments as usize - 1];
    let mut bytes = std::fs::read(file).unwrap();
    let again = |bytes: &mut [u8]| {
        let crc = crc32c::crc32c(&bytes[..4092]);
        bytes[4092..4096].copy_from_slice(&crc.to_le_bytes());
    };
    bytes[8] = 2;
    again(&mut bytes);
    std::fs::write(file, &bytes).unwrap();
    refused(newer.path(), &["format 2", "reads format 1", "newer safety-brain"]);

    // A record of a kind and version to come.
    let newer = copy_journal(dir.path());
    let file = &segments(newer.path())[verify(dir.path()).unwrap().segments as usize - 1];
    let mut bytes = std::fs::read(file).unwrap();
    let len = u32::from_le_bytes(bytes[4096..4100].try_into().unwrap()) as usize;
    let linked = if bytes[4096 + 36] & 1 == 1 { 32 } else { 0 };
    bytes[4096 + 34] = 2;
    let crc = crc32c::crc32c(&bytes[4104..4096 + 40 + len + linked]);
    bytes[4100..4104].copy_from_slice(&crc.to_le_bytes());
    std::fs::write(file, &bytes).unwrap();
    refused(newer.path(), &["kind", "version 2", "reads version 1", "newer safety-brain"]);

    // A compressed form to come.
    keep(dir.path(), 0);
    let file = &segments(dir.path())[0];
    let mut bytes = std::fs::read(file).unwrap();
    let index = 8 + u32::from_le_bytes(bytes[4..8].try_into().unwrap()) as usize;
    let end = bytes.len();
    for start in [0, end - index] {
        bytes[start + 16] = 2;
        let crc = crc32c::crc32c(&bytes[start + 8..start + index - 8]);
        bytes[start + index - 8..start + index - 4].copy_from_slice(&crc.to_le_bytes());
    }
    std::fs::write(file, &bytes).unwrap();
    let error = format!("{:#}", verify(dir.path()).unwrap_err());
    assert!(error.contains("format 2") && error.contains("compressed"), "{error}");
}

/// A CRC is no signature: numbers that cannot be are refused before anything is done with them.
#[test]
fn an_index_with_impossible_numbers_is_damage() {
    let (dir, _) = journal();
    keep(dir.path(), 0);
    let file = segments(dir.path())[1].clone();
    let whole = std::fs::read(&file).unwrap();
    let size = 8 + u32::from_le_bytes(whole[4..8].try_into().unwrap()) as usize;
    let (slots, frames, used, first) = (20..24, 24..28, 40..48, 80..84);
    let forged = |changes: &[std::ops::Range<usize>]| {
        let mut index = whole[..size].to_vec();
        changes.iter().for_each(|bytes| index[bytes.clone()].fill(0xff));
        let crc = crc32c::crc32c(&index[8..size - 8]);
        index[size - 8..size - 4].copy_from_slice(&crc.to_le_bytes());
        let mut bytes = whole.clone();
        bytes[..size].copy_from_slice(&index);
        let end = bytes.len();
        bytes[end - size..].copy_from_slice(&index);
        std::fs::write(&file, bytes).unwrap();
        verify(dir.path()).unwrap()
    };
    assert!(forged(&[]).is_whole(), "the control");
    for (changes, said) in [
        (vec![slots.clone(), frames.clone()], "no segment can hold"),
        (vec![frames], "no segment can hold"),
        (vec![used.clone()], "no segment can hold"),
        (vec![slots, used], "no segment can hold"),
        (vec![first], "a compressed block is damaged"),
    ] {
        let report = forged(&changes);
        assert!(report.faults[0].what.contains(said), "{changes:?}: {report:?}");
    }
}

/// Ten years of segments are many: what reads them must not list them once for each.
#[test]
fn many_segments_are_listed_a_few_times() {
    let listed = |work: &dyn Fn()| {
        let before = files::LISTED.get();
        work();
        files::LISTED.get() - before
    };
    let counts = [40, 80].map(|segments| {
        let dir = fast_folder();
        let (journal, _) = open(dir.path());
        for i in 1..=segments {
            wait(&journal, journal.append(i, &text(60_000)).unwrap());
        }
        journal.close().unwrap();
        keep(dir.path(), segments as u64 - 2);
        let dir = dir.path();
        let from = |seq| listed(&|| assert_eq!(read(dir, seq).unwrap().next().unwrap().unwrap().seq, seq));
        [
            listed(&|| assert!(verify(dir).unwrap().is_whole())),
            listed(&|| assert_eq!(read_all(dir).len(), segments as usize)),
            from(segments as u64 / 2),
            listed(&|| drop(open(dir))),
            listed(&|| assert_eq!(keep(dir, 0).archived, 0)),
        ]
    });
    println!("{counts:?}");
    assert_eq!(counts[0], counts[1], "no more for twice as many");
    assert!(counts[0].iter().all(|count| (1..10).contains(count)), "{counts:?}");
}
