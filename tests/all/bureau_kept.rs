//! What a bureau does with its old records: compressed, and dropped after their time, with the queue as it was. Must not know: how either is done.
#![allow(clippy::unwrap_used)]

use crate::process::{Process, eventually, free_port, tell};
use crate::site::{request, sha256};
use brain::Micros;
use brain::bureau::{Acked, Event, Plant, Report, Terms};
use brain::event::Entry;
use brain::notice::NoticeKind;
use brain::site::{Mode, Severity};
use brain::words::Words;
use safety_brain::journal::{self, Journal};
use serde_json::Value;
use std::path::Path;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

const LONG: Duration = Duration::from_secs(90);
const DAY: Micros = 86_400_000_000;
const OFFICER: &str = "the-officer-of-the-tests";
/// More than a start may replay without a snapshot.
const RECORDS: i64 = 12_000;

/// One open report of forty days ago, thousands of refused messages behind it, and a start of a minute ago.
fn fill(data: &Path) -> u64 {
    let (journal, _) = Journal::open(&data.join(journal::FOLDER), "district", 1 << 20).unwrap();
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_micros() as Micros;
    let began = now - 40 * DAY;
    let plants = vec![Plant { name: "a".into(), silent_s: 86_400 }];
    let started = || Event::Started {
        version: String::new(),
        plants: plants.clone(),
        terms: Terms::default(),
        officers: vec![],
        series: String::new(),
        number_from: 0,
    };
    let report = Report {
        identifier: "a.1.1".into(),
        sent: began,
        mode: Mode::Actual,
        kind: NoticeKind::Alert,
        references: vec![],
        incident: "a.1".into(),
        level: Severity::Red,
        cleared: false,
        number: 0,
        floor: 0,
        notes: 0,
        headline: Words::same("of old"),
        description: Words::default(),
        reason: None,
        digest: "d".into(),
        taken: vec![],
        accident: None,
    };
    journal.append(began, &Entry::Bureau(started())).unwrap();
    let event = Event::Reported { plant: "a".into(), report: Box::new(report), message: String::new(), acked: Acked::default() };
    journal.append(began, &Entry::Bureau(event)).unwrap();
    for n in 0..RECORDS {
        let (detail, digest) = (format!("signature {n} {}", "x".repeat(300)), format!("{n:064}"));
        journal.append(began + n, &Entry::Bureau(Event::Refused { plant: "a".into(), detail, digest, times: 1 })).unwrap();
    }
    let last = journal.append(now - 60_000_000, &Entry::Bureau(started())).unwrap();
    journal.close().unwrap();
    last
}

fn files(folder: &Path, ending: &str) -> usize {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    entries.filter(|entry| entry.file_name().to_string_lossy().ends_with(ending)).count()
}

fn queue(port: u16) -> Vec<(String, String, String, u64)> {
    let items = eventually("the queue", LONG, || {
        let (status, body) = request(port, "GET", "/api/v1/reports", OFFICER, "", "").map_err(|error| error.to_string())?;
        let value: Value = serde_json::from_str(&body).map_err(|error| format!("{status} {error}"))?;
        value["items"].as_array().cloned().ok_or(body)
    });
    let text = |row: &Value, key: &str| row[key].as_str().unwrap().to_owned();
    items.iter().map(|row| (text(row, "id"), text(row, "about"), text(row, "level"), row["messages"].as_u64().unwrap())).collect()
}

#[test]
fn bureau_kept_old_records_are_compressed_and_dropped_and_the_queue_stands() {
    let (began, folder) = (Instant::now(), tempfile::tempdir().unwrap());
    let (file, data) = (folder.path().join("bureau.toml"), folder.path().join("data"));
    std::fs::create_dir(&data).unwrap();
    let (folder, archive) = (data.join(journal::FOLDER), data.join(journal::FOLDER).join("archive"));
    let last = fill(&data);
    let full = files(&folder, ".seg");
    assert!(full >= 4, "{full} segments");
    let port = free_port();
    let toml = |days: u32| {
        format!(
            "[bureau]\nid = \"district\"\ntitle = {{ zh = \"局\", en = \"bureau\" }}\nsender = \"duty@bureau.example\"\n\
             [storage]\nsegment_mib = 1\nevents_days = {days}\n[console]\nbind = \"127.0.0.1:{port}\"\n\
             [[plant]]\nname = \"a\"\ntitle = {{ zh = \"甲\", en = \"a\" }}\nsender = \"a@plant.example\"\ntoken_sha256 = \"{}\"\nsilent = \"24h\"\n\
             [plant.answers]\nurl = \"http://127.0.0.1:1/api/v1/cap\"\n\
             [[person]]\nname = \"王\"\nrole = \"operator\"\ntoken_sha256 = \"{}\"\n",
            sha256("the-plant-of-the-tests"),
            sha256(OFFICER)
        )
    };
    let start = |days: u32| {
        std::fs::write(&file, toml(days)).unwrap();
        let (file, data) = (file.to_str().unwrap(), data.to_str().unwrap());
        let process = Process::safety_brain(&["run", "--role", "bureau", "--config", file, "--data", data]);
        process.line_with("console: http://", LONG);
        process
    };
    // The control: what is to be kept for a year is compressed, and nothing is dropped.
    let process = start(365);
    let before = queue(port);
    let report = ("1".to_owned(), "report".to_owned(), "red".to_owned(), 1);
    assert_eq!(before, [report, ("2".to_owned(), "suspicion".to_owned(), "yellow".to_owned(), RECORDS as u64)]);
    eventually("sealed segments are in the archive", LONG, || match files(&archive, ".evt.zst") {
        kept if kept >= full - 3 => Ok(()),
        kept => Err(format!("{kept} of {full}")),
    });
    process.terminate();
    assert_eq!((files(&data.join("snapshot"), ".bureau"), archive.join("begins.json").exists()), (1, false));
    assert_eq!(journal::read(&folder, 1).unwrap().next().unwrap().unwrap().seq, 1);
    let packed: u64 = std::fs::read_dir(&archive).unwrap().map(|entry| entry.unwrap().metadata().unwrap().len()).sum();

    let process = start(30);
    eventually("what is old is dropped", LONG, || {
        if archive.join("begins.json").exists() { Ok(()) } else { Err("not yet".to_owned()) }
    });
    process.terminate();
    let first = journal::read(&folder, 1).unwrap().next().unwrap().unwrap().seq;
    assert!(first > 1 && first < last, "the journal begins with {first} of {last}");
    assert!(journal::verify(&folder).unwrap().is_whole());
    // The queue comes from the snapshot: what it rests on is in no record any more.
    let process = start(30);
    assert_eq!(queue(port), before);
    process.terminate();
    tell(&format!(
        "bureau_kept: {full} segments of 1 MiB, {packed} bytes in the archive, then begun at record {first} of {last}; the queue stood; {:?} in all",
        began.elapsed()
    ));
}
