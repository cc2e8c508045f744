//! The journal as its users see it: what goes in comes out, in order, after any kind of end.
#![allow(clippy::unwrap_used)]

mod crash;
mod damage;
mod old;
mod unreadable;

use super::*;
use crate::trials::{effort, tell};
use brain::alarm::{AlarmId, Person};
use brain::event::{Act, Event, LinkState, Outcome, Record, StoragePart, StrikeKind};
use brain::finding::{Certainty, Evidence, Finding, Verdict};
use brain::notice::NoticeId;
use brain::stages::{Aside, Grave, RuleChange, Step};
use brain::words::{Text, Words};
use brain::{Quality, Reading, Severity, TagId};
use std::path::PathBuf;

/// The smallest segment: many switches in a short test.
const SMALL: u64 = SEGMENT_BYTES_MIN;
const SITE: &str = "test-site";

fn open(dir: &Path) -> (Journal, Opened) {
    Journal::open(dir, SITE, SMALL).unwrap()
}

fn reading(tag: u32, value: f64, source_us: Micros) -> Reading {
    Reading { tag: TagId(tag), value, quality: Quality(tag as u8), source_us }
}

fn person() -> Person {
    Person { name: "李雷".into(), role: "officer".into(), station: "127.0.0.1".into() }
}

/// One of each kind, and numbers that are easy to lose.
fn all_entries() -> Vec<Entry> {
    let evidence = Evidence {
        tag: "room/temp".into(),
        value: f64::NEG_INFINITY,
        meaning: Some(Words { zh: "开".into(), en: "open".into() }),
        unit: "Cel".into(),
        at: -1,
        quality: Quality::FROZEN,
        limit: Some(0.1 + 0.2),
        citation: None,
    };
    let finding = Finding {
        hazard: "room.hot".into(),
        verdict: Verdict::CannotTell,
        severity: Severity::Orange,
        certainty: Certainty::Possible,
        text: Text::Words(Words { zh: "过热".into(), en: "too hot".into() }),
        evidence: vec![evidence],
    };
    let readings = vec![
        reading(0, 1.5, 1_000_000),
        reading(300, -0.0, 999_000),
        reading(1, f64::INFINITY, i64::MIN),
        reading(7, 5e-324, i64::MAX),
    ];
    let events = vec![
        Event::Started {
            config: "digest".into(),
            version: "0.1.0".into(),
            tags: vec!["a".into(), "b".into()],
            series: String::new(),
            number_from: 0,
        },
        Event::Stopped,
        Event::Tick,
        Event::Readings { readings },
        Event::Link { link: "plc".into(), state: LinkState::Down, reason: "timeout".into() },
        Event::Malformed { link: "mqtt".into(), count: u64::MAX, sample: "\u{0}\"\\".into() },
        Event::Assessed { rule: "room".into(), findings: vec![finding.clone()] },
        Event::Aside { rule: "room".into(), digest: "d".into(), said: Aside::Findings { findings: vec![finding], judged: true } },
        Event::Aside {
            rule: "room".into(),
            digest: "d".into(),
            said: Aside::Strike { kind: StrikeKind::Trap, detail: "x".into() },
        },
        Event::RuleLost { rule: "room".into(), digest: "d".into(), detail: "gone".into() },
        Event::Operator {
            command: "step".into(),
            by: person(),
            act: Act::Rule { rule: "room".into(), step: Step::Approve { what: Grave::RollBack, digest: "d".into() } },
        },
        Event::Strike { rule: "room".into(), kind: StrikeKind::Fuel, detail: String::new() },
        Event::Receipt { notice: NoticeId(3), code: "200".into(), accepted: false },
        Event::Undelivered { notice: NoticeId(3), detail: "refused".into(), rejected: true },
        Event::Answered {
            notice: NoticeId(3),
            accepted: true,
            by: person(),
            note: "收到".into(),
            instruction: false,
            message: String::new(),
        },
        Event::Operator {
            command: "key".into(),
            by: person(),
            act: Act::Acknowledge { alarm: AlarmId(9), severity: Some(Severity::Red), occurrence: None, note: "go".into() },
        },
        Event::Storage { part: StoragePart::Store, well: false, detail: "EIO".into() },
    ];
    let change = RuleChange::Promoted;
    let outcome = vec![
        Outcome::Quarantine { rule: "room".into(), on: true, plugin: "room@1.0.0".into(), digest: "d".into(), by_itself: false },
        Outcome::Rule { rule: "room".into(), change, plugin: "room@2.0.0".into(), digest: "d".into() },
        Outcome::Answer { command: "key".into(), refused: None },
    ];
    let mut entries: Vec<Entry> = events.into_iter().map(Entry::Event).collect();
    entries.push(Entry::Outcome { cause: 12, outcome });
    entries.push(Entry::Bureau(brain::bureau::Event::Silent { plant: "a".into(), since: 7 }));
    entries
}

fn tick() -> Entry {
    Entry::Event(Event::Tick)
}

/// A chained entry of about `bytes` bytes.
fn text(bytes: usize) -> Entry {
    Entry::Event(Event::Malformed { link: "l".into(), count: 1, sample: "x".repeat(bytes) })
}

fn wait(journal: &Journal, seq: u64) {
    let mut durable = journal.durable();
    let reached = tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap()
        .block_on(async { durable.wait_for(|d| d.seq >= seq || d.failed.is_some()).await.unwrap().seq });
    assert!(reached >= seq, "{:?}", journal.durable().borrow().failed);
}

fn read_all(dir: &Path) -> Vec<Record> {
    read(dir, 1).unwrap().collect::<Result<_, _>>().unwrap()
}

fn segments(dir: &Path) -> Vec<PathBuf> {
    files::list(dir).unwrap().into_iter().map(|held| held.path(dir)).collect()
}

/// Files of a journal, everything but the lock.
fn all_files(dir: &Path) -> Vec<PathBuf> {
    let mut names = vec![];
    for folder in [PathBuf::new(), PathBuf::from(ARCHIVE)] {
        for entry in std::fs::read_dir(dir.join(&folder)).into_iter().flatten() {
            let name = folder.join(entry.unwrap().file_name());
            names.extend((dir.join(&name).is_file() && name != Path::new("lock")).then_some(name));
        }
    }
    names.sort();
    names
}

fn copy_journal(from: &Path) -> tempfile::TempDir {
    let to = fast_folder();
    std::fs::create_dir(to.path().join(ARCHIVE)).unwrap();
    for name in all_files(from) {
        let copied = std::fs::copy(from.join(&name), to.path().join(&name));
        // A segment being made ahead gets its name meanwhile; it holds nothing.
        assert!(copied.is_ok() || name.extension().is_some_and(|e| e == "new"), "{}: {copied:?}", name.display());
    }
    to
}

/// In memory where the machine has such a place: these tests are about what is written, not about waiting for a disk.
fn fast_folder() -> tempfile::TempDir {
    tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).unwrap()
}

fn random(seed: &mut u64) -> u64 {
    *seed = seed.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
    *seed >> 33
}

/// Compresses everything that is sealed, and prunes what ends at or before record `passed`.
fn keep(dir: &Path, passed: u64) -> Kept {
    let policy = Policy { bytes_max: u64::MAX, records: 0, records_min: 0, events: Micros::MAX };
    let moment = Moment { now: Micros::MAX, passed, well: true, full: false };
    Keeper::new(dir).round(&policy, &moment, &|| false).unwrap()
}

fn is_chained(entry: &Entry) -> bool {
    codec::is_chained(codec::kind(entry))
}

#[test]
fn every_entry_comes_back_as_it_went_in() {
    let dir = tempfile::tempdir().unwrap();
    let (journal, opened) = open(dir.path());
    assert_eq!(opened, Opened::default());
    let entries = all_entries();
    for (i, entry) in entries.iter().enumerate() {
        assert_eq!(journal.append(i as i64 * 1000, entry).unwrap(), i as u64 + 1);
    }
    journal.close().unwrap();
    let records = read_all(dir.path());
    assert_eq!(records.len(), entries.len());
    for (i, (record, entry)) in records.iter().zip(&entries).enumerate() {
        assert_eq!((record.seq, record.at), (i as u64 + 1, i as i64 * 1000));
        assert_eq!(&record.entry, entry);
    }
    assert!(verify(dir.path()).unwrap().is_whole());
}

#[test]
fn not_a_number_survives_bit_for_bit() {
    let odd = f64::from_bits(0x7ff8_0000_dead_beef);
    let entry = Entry::Event(Event::Readings { readings: vec![reading(1, odd, 5)] });
    let back = codec::decode(codec::READINGS, 1, &codec::encode(&entry).unwrap()).unwrap();
    let Entry::Event(Event::Readings { readings }) = back else { panic!("{back:?}") };
    assert_eq!(readings[0].value.to_bits(), odd.to_bits());
}

#[test]
fn a_row_of_readings_takes_about_seventeen_bytes() {
    let readings = (0..1000).map(|i| reading(i, f64::from(i) * 0.1, 1_700_000_000_000_000 + i64::from(i) * 1000));
    let entry = Entry::Event(Event::Readings { readings: readings.collect() });
    let bytes = codec::encode(&entry).unwrap().len();
    assert!(bytes <= 17_012, "{bytes}");
}

#[test]
fn an_unknown_kind_or_version_is_named() {
    for (kind, version) in [(999, 1), (codec::READINGS, 2)] {
        let error = codec::decode(kind, version, b"{}").unwrap_err().to_string();
        assert!(error.contains(&format!("kind {kind} version {version}")), "{error}");
    }
    assert!(codec::decode(codec::READINGS, 1, &[0; 11]).is_err());
    assert!(codec::decode(codec::READINGS, 1, &[0xff; 40]).is_err());
}

#[test]
fn an_entry_too_large_is_refused_and_the_journal_goes_on() {
    let dir = tempfile::tempdir().unwrap();
    let (journal, _) = open(dir.path());
    let error = journal.append(0, &text(SMALL as usize)).unwrap_err().to_string();
    assert!(error.contains("split it"), "{error}");
    assert_eq!(journal.append(0, &tick()).unwrap(), 1);
    journal.close().unwrap();
    assert_eq!(read_all(dir.path()).len(), 1);
}

#[test]
fn one_daemon_owns_a_directory_and_one_site_a_journal() {
    let dir = tempfile::tempdir().unwrap();
    let (journal, _) = open(dir.path());
    journal.append(0, &tick()).unwrap();
    let error = Journal::open(dir.path(), SITE, SMALL).err().unwrap().to_string();
    assert!(error.contains("another safety-brain"), "{error}");
    journal.close().unwrap();
    let error = Journal::open(dir.path(), "other", SMALL).err().unwrap().to_string();
    assert!(error.contains("test-site") && error.contains("other"), "{error}");
    let error = Journal::open(dir.path(), SITE, 5).err().unwrap().to_string();
    assert!(error.contains("65536"), "{error}");
}

#[test]
fn time_never_goes_back() {
    let dir = tempfile::tempdir().unwrap();
    let (journal, _) = open(dir.path());
    for at in [5, 3, 9] {
        journal.append(at, &tick()).unwrap();
    }
    journal.close().unwrap();
    let (journal, opened) = open(dir.path());
    assert_eq!((opened.last_seq, opened.last_at), (3, 9));
    journal.append(1, &tick()).unwrap();
    drop(journal);
    let at: Vec<_> = read_all(dir.path()).iter().map(|r| r.at).collect();
    assert_eq!(at, [5, 5, 9, 9]);
}

#[test]
fn segments_switch_and_a_reopening_goes_on() {
    let dir = tempfile::tempdir().unwrap();
    let mut expected = 0;
    for round in 0..4 {
        let (journal, opened) = open(dir.path());
        assert_eq!((opened.last_seq, opened.damage, opened.torn_bytes), (expected, None, 0));
        for i in 0..30 {
            expected = journal.append(round * 61_000_000, &text(5000 + i * 7)).unwrap();
            journal.append(round * 61_000_000, &tick()).unwrap();
            expected += 1;
        }
        journal.close().unwrap();
        let report = verify(dir.path()).unwrap();
        assert!(report.is_whole(), "{report:?}");
        assert_eq!((report.last_seq, report.records), (expected, expected));
    }
    assert!(verify(dir.path()).unwrap().segments >= 8);
    let seqs: Vec<_> = read(dir.path(), 77).unwrap().map(|r| r.unwrap().seq).collect();
    assert_eq!(seqs, (77..=expected).collect::<Vec<_>>());
}

#[test]
fn a_segment_made_ahead_in_another_size_is_replaced() {
    let dir = tempfile::tempdir().unwrap();
    let (journal, _) = open(dir.path());
    journal.append(0, &tick()).unwrap();
    journal.close().unwrap();
    let (journal, _) = Journal::open(dir.path(), SITE, 2 * SMALL).unwrap();
    for _ in 0..20 {
        journal.append(0, &text(9000)).unwrap();
    }
    journal.close().unwrap();
    let report = verify(dir.path()).unwrap();
    assert!(report.is_whole() && report.last_seq == 21, "{report:?}");
    assert_eq!(std::fs::metadata(&segments(dir.path())[1]).unwrap().len(), 2 * SMALL);
}

#[test]
fn many_threads_append_and_numbers_stay_dense() {
    let dir = tempfile::tempdir().unwrap();
    let (journal, _) = open(dir.path());
    let seqs: Vec<u64> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..4)
            .map(|t| {
                let journal = &journal;
                scope.spawn(move || (0..400).map(|i| journal.append(0, &text(t * 40 + i)).unwrap()).collect::<Vec<_>>())
            })
            .collect();
        threads.into_iter().flat_map(|t| t.join().unwrap()).collect()
    });
    journal.close().unwrap();
    let mut sorted = seqs;
    sorted.sort_unstable();
    assert_eq!(sorted, (1..=1600).collect::<Vec<_>>());
    assert_eq!(read_all(dir.path()).len(), 1600);
    assert!(verify(dir.path()).unwrap().is_whole());
}

#[test]
fn a_reader_follows_a_writer() {
    let dir = tempfile::tempdir().unwrap();
    let (journal, _) = open(dir.path());
    let mut reader = Reader::open(dir.path(), 1).unwrap();
    assert_eq!(reader.next_durable(0).unwrap(), None);
    let (mut read, mut limits) = (0, 0);
    for i in 0..600 {
        let seq = journal.append(i, &text(i as usize)).unwrap();
        if i % 7 == 0 {
            wait(&journal, seq);
            limits += 1;
        }
        let durable = journal.durable().borrow().seq;
        while let Some(record) = reader.next_durable(durable).unwrap() {
            read += 1;
            assert_eq!(record.seq, read);
        }
        assert_eq!(read, durable);
    }
    assert!(limits > 80 && segments(dir.path()).len() > 2);
}

/// Copies taken while the writer runs are what a kill leaves behind.
#[test]
fn a_copy_at_any_moment_reopens_with_everything_durable() {
    let dir = tempfile::tempdir().unwrap();
    let (journal, _) = open(dir.path());
    for round in 0..12 {
        for i in 0..60 {
            journal.append(i, &text(300 + i as usize)).unwrap();
        }
        if round % 3 == 0 {
            wait(&journal, round * 60 + 60);
        }
        let durable = journal.durable().borrow().seq;
        let copy = copy_journal(dir.path());
        let (reopened, opened) = open(copy.path());
        assert!(opened.last_seq >= durable && opened.damage.is_none(), "{durable}: {opened:?}");
        let next = reopened.append(99, &text(50)).unwrap();
        reopened.close().unwrap();
        assert_eq!(read_all(copy.path()).len() as u64, next);
        assert!(verify(copy.path()).unwrap().is_whole());
    }
}
