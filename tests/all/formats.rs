//! What released versions wrote is read for ever: the files in `tests/fixtures/<version>` are data of that very program.
//! Must not know: how anything is kept on disk.
//!
//! A new version adds its own with `SAFETY_BRAIN_FIXTURE=<new folder> cargo test -p safety-brain --test all formats_write`; a folder that is there
//! is never written again.

use brain::alarm::Person;
use brain::event::{Act, Entry, Event, Record};
use brain::{AlarmId, Quality, Reading, Severity, TagId};
use safety_brain::daemon::{core::Core, storage};
use safety_brain::journal;
use safety_brain::store::{EventFilter, EventRow, Point, Run};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};
use tokio::sync::watch;

const SECOND: i64 = 1_000_000;
const START: i64 = 1_767_225_600 * SECOND;

fn fixtures() -> PathBuf {
    crate::process::root().join("tests/fixtures")
}

/// Every released version that has a fixture.
fn versions() -> Vec<PathBuf> {
    let mut all: Vec<PathBuf> = std::fs::read_dir(fixtures()).unwrap().map(|entry| entry.unwrap().path()).collect();
    all.sort();
    assert!(all.iter().any(|path| path.ends_with("0.1.0")), "the first version's fixture is gone");
    all
}

fn copied(from: &Path) -> tempfile::TempDir {
    let to = tempfile::tempdir().unwrap();
    let mut folders = vec![PathBuf::new()];
    while let Some(folder) = folders.pop() {
        std::fs::create_dir_all(to.path().join(&folder)).unwrap();
        for entry in std::fs::read_dir(from.join(&folder)).unwrap() {
            let path = folder.join(entry.unwrap().file_name());
            if from.join(&path).is_dir() {
                folders.push(path);
            } else {
                std::fs::copy(from.join(&path), to.path().join(&path)).unwrap();
            }
        }
    }
    to
}

fn site(folder: &Path) -> brain::Site {
    let title = r#"{ zh = "测", en = "t" }"#;
    let text = format!(
        "[site]\nid = \"test\"\ntitle = {title}\nsender = \"test@plant.example\"\n[[zone]]\nname = \"hall\"\ntitle = {title}\nladder = \"all\"\n\
         [[link]]\nname = \"file\"\nkind = \"recording\"\ntime = {{ every = \"1s\", start = \"2026-01-01T00:00:00Z\" }}\ncolumns = {{ P = \"P\" }}\n\
         [[tag]]\nname = \"P\"\ntitle = {title}\nzone = \"hall\"\nlink = \"file\"\nunit = \"kPa\"\nquantity = \"pressure\"\nrange = [0, 1000]\nperiod = \"1s\"\n\
         [[tag.limit]]\nhazard = \"test.high\"\ntitle = {title}\nkind = \"high\"\nvalue = 100\nseverity = \"red\"\ndeadband = 5\n\
         citation = {{ confidence = \"own\" }}\ncause = {title}\nconsequence = {title}\naction = {title}\n\
         [[audience]]\nname = \"crew\"\ntitle = {title}\nchannel = \"console\"\n[[ladder]]\nname = \"all\"\n\
         [[ladder.rung]]\nname = \"crew\"\naudience = \"crew\"\nkind = \"at_once\"\nafter = {{ blue = \"0s\", yellow = \"0s\", orange = \"0s\", red = \"0s\" }}\n"
    );
    std::fs::write(folder.join("site.toml"), text).unwrap();
    safety_brain::config::load(&folder.join("site.toml")).unwrap_or_else(|faults| panic!("{faults:?}")).site
}

/// A short life of a plant: two segments, a red alarm that is acknowledged and clears, a stop.
fn live(data: &Path) -> Vec<Record> {
    let folder = tempfile::tempdir().unwrap();
    let (mut core, _) = Core::open(site(folder.path()), journal::SEGMENT_BYTES_MIN, data).unwrap();
    core.start(START, "");
    for second in 1..600 {
        let at = START + second * SECOND;
        let value = if (300..330).contains(&second) { 150.0 } else { 20.0 + (second % 7) as f64 * 0.5 };
        core.step(
            at,
            Event::Readings { readings: vec![Reading { tag: TagId(0), value, quality: Quality::GOOD, source_us: at }] },
        );
        core.step(at, Event::Tick);
        if second % 3 == 0 {
            core.step(
                at,
                Event::Malformed { link: "file".into(), count: 1, sample: format!("样本 {second} {}", "x".repeat(120)) },
            );
        }
        if second == 310 {
            let by = Person { name: "李雷".into(), role: "officer".into(), station: "室一".into() };
            let alarm = core.brain().alarms().find(|alarm| alarm.key.hazard == "test.high").expect("it stands").id;
            let act = Act::Acknowledge { alarm, severity: Some(Severity::Red), occurrence: None, note: "去看".into() };
            core.step(at, Event::Operator { command: "c-1".into(), by, act });
        }
    }
    core.step(START + 600 * SECOND, Event::Stopped);
    core.close().unwrap();
    journal::read(&data.join(journal::FOLDER), 1).unwrap().collect::<Result<_, _>>().unwrap()
}

/// Writes the fixture of this version where `SAFETY_BRAIN_FIXTURE` says; else checks that what would be written can be read.
#[test]
fn formats_write() {
    let temporary = tempfile::tempdir().unwrap();
    let data = std::env::var_os("SAFETY_BRAIN_FIXTURE").map_or_else(|| temporary.path().join("data"), PathBuf::from);
    assert!(!data.exists(), "{} is there already: a fixture is never written again", data.display());
    let records = live(&data);
    let lines: String = records.iter().map(|record| serde_json::to_string(record).unwrap() + "\n").collect();
    std::fs::write(data.join("records.jsonl"), lines).unwrap();
    std::fs::remove_file(data.join("journal/lock")).unwrap();
    check(&data);
}

fn check(fixture: &Path) {
    let name = fixture.display();
    let expected = std::fs::read_to_string(fixture.join("records.jsonl")).unwrap();
    let data = copied(fixture);
    let dir = data.path().join(journal::FOLDER);
    let report = journal::verify(&dir).unwrap();
    assert!(report.is_whole() && report.segments >= 2, "{name}: {report:?}");
    let records: Vec<Record> = journal::read(&dir, 1).unwrap().collect::<Result<_, _>>().unwrap();
    let lines: String = records.iter().map(|record| serde_json::to_string(record).unwrap() + "\n").collect();
    assert!(lines == expected, "{name}: the export is not what it was");

    // From its snapshot, and from its first record without one.
    let folder = tempfile::tempdir().unwrap();
    let last = records.len() as u64;
    let (core, replayed) = Core::open(site(folder.path()), journal::SEGMENT_BYTES_MIN, data.path()).unwrap();
    assert_eq!((replayed.snapshot, replayed.damage.len()), (last, 0), "{name}: the snapshot");
    let standing = |core: &Core| core.brain().alarms().map(|alarm| (alarm.id, alarm.key.hazard.clone())).collect::<Vec<_>>();
    assert_eq!(standing(&core), [(AlarmId(1), "test.high".to_owned())], "{name}");
    core.close().unwrap();
    let data = copied(fixture);
    std::fs::remove_dir_all(data.path().join("snapshot")).unwrap();
    let (core, replayed) = Core::open(site(folder.path()), journal::SEGMENT_BYTES_MIN, data.path()).unwrap();
    let events = records.iter().filter(|record| matches!(record.entry, Entry::Event(_))).count() as u64;
    assert_eq!((replayed.snapshot, replayed.events, replayed.damage.len()), (0, events, 0), "{name}: the whole replay");
    assert_eq!(standing(&core), [(AlarmId(1), "test.high".to_owned())], "{name}");
    core.close().unwrap();
}

#[test]
fn formats_of_every_released_version_are_read() {
    versions().iter().for_each(|version| check(version));
}

/// All that a store tells.
type Told = (Vec<EventRow>, Vec<Point>, Vec<brain::Alarm>);

/// Starts a store on a data directory as the daemon does, waits until it has everything, and asks.
async fn told(data: &Path, last: u64, durable: watch::Receiver<journal::Durable>) -> Told {
    let store = storage::start(data, 10_000, durable, Run::default()).unwrap();
    let since = Instant::now();
    while store.status().watermark < last || !store.status().incomplete.is_empty() {
        assert!(since.elapsed() < Duration::from_secs(60), "{:?}", store.status());
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let asked = tokio::task::spawn_blocking(move || {
        let (mut events, mut after) = (vec![], Some(0));
        while let Some(from) = after {
            let page = store.events(from, 1000, EventFilter::default()).unwrap();
            events.extend(page.rows);
            after = page.next;
        }
        let points = store.series("P", 0, i64::MAX, 20_000).unwrap().rows;
        let alarms = store.alarms(None, 1000, true).unwrap().rows;
        store.close().unwrap();
        (events, points, alarms)
    });
    asked.await.unwrap()
}

/// The state of the store is lost: it is made again from the days and the journal, nothing is missing and nothing there twice, and nothing is judged
/// again.
#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn formats_of_every_released_version_are_read_by_a_store_that_lost_its_state() {
    for fixture in versions() {
        let (data, folder) = (copied(&fixture), tempfile::tempdir().unwrap());
        let text = std::fs::read_to_string(fixture.join("records.jsonl")).unwrap();
        let records: Vec<Record> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        let readings = |record: &Record| match &record.entry {
            Entry::Event(Event::Readings { readings }) => readings.len(),
            _ => 0,
        };
        let is_row = |record: &&Record| !matches!(record.entry, Entry::Event(Event::Readings { .. } | Event::Tick));
        let rows: Vec<u64> = records.iter().filter(is_row).map(|record| record.seq).collect();
        let last = records.len() as u64;
        let mut before: Option<Told> = None;
        for round in ["made", "opened again", "without its state", "opened once more"] {
            if round == "without its state" {
                std::fs::remove_dir_all(data.path().join("store/state")).unwrap();
            }
            let (core, replayed) = Core::open(site(folder.path()), journal::SEGMENT_BYTES_MIN, data.path()).unwrap();
            assert_eq!((replayed.different, replayed.damage.len()), (0, 0), "{round}");
            let seen = told(data.path(), last, core.durable()).await;
            assert_eq!(core.durable().borrow().seq, last, "{round}: nothing was put on record");
            core.close().unwrap();
            assert_eq!(seen.0.iter().map(|row| row.seq).collect::<Vec<_>>(), rows, "{round}");
            assert_eq!(seen.1.len(), records.iter().map(readings).sum::<usize>(), "{round}");
            assert_eq!(seen.2.len(), 1, "{round}");
            assert!(before.is_none_or(|before| before == seen), "{round}: something differs");
            before = Some(seen);
        }
    }
}
