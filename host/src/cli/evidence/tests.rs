//! Evidence of a small plant, made from a replayed recording: it verifies, and every changed byte of it is reported. Beside it, what a forger
//! with the key can do, and what the anchor then says.
#![allow(clippy::unwrap_used)]

use super::check::{check, signature_line};
use super::{Wanted, key};
use crate::cli::Cli;
use crate::daemon::core::Core;
use crate::daemon::storage::Places;
use crate::journal::{self, OutsideAnchor};
use crate::key::{Key, Meaning};
use crate::store;
use brain::event::{Event, StoragePart};
use brain::{Quality, Reading, TagId};
use clap::Parser;
use std::ops::Range;
use std::path::{Path, PathBuf};

mod clock;

const TITLE: &str = r#"{ zh = "测", en = "t" }"#;

/// A tag with a red limit at 100, and one that is nobody's business.
fn site() -> String {
    format!(
        r#"
        [site]
        id = "test"
        title = {TITLE}
        sender = "test@plant.example"
        [storage]
        segment_mib = 1
        [[zone]]
        name = "hall"
        title = {TITLE}
        ladder = "all"
        [[link]]
        name = "file"
        kind = "recording"
        time = {{ every = "1s", start = "2026-01-01T00:00:00Z" }}
        columns = {{ P = "P", Q = "Q" }}
        [[tag]]
        name = "Q"
        title = {TITLE}
        zone = "hall"
        link = "file"
        unit = "kPa"
        quantity = "pressure"
        range = [0, 1000]
        period = "1s"
        [[tag]]
        name = "P"
        title = {TITLE}
        zone = "hall"
        link = "file"
        unit = "kPa"
        quantity = "pressure"
        range = [0, 1000]
        period = "1s"
        [[tag.limit]]
        hazard = "test.high"
        title = {TITLE}
        kind = "high"
        value = 100
        severity = "red"
        deadband = 5
        citation = {{ confidence = "own" }}
        cause = {TITLE}
        consequence = {TITLE}
        action = {TITLE}
        [[audience]]
        name = "crew"
        title = {TITLE}
        channel = "console"
        [[ladder]]
        name = "all"
        [[ladder.rung]]
        name = "crew"
        audience = "crew"
        kind = "at_once"
        after = {{ blue = "0s", yellow = "0s", orange = "0s", red = "0s" }}
        "#
    )
}

/// A data directory with an alarm that rose in row 5 and cleared in row 8, of so many.
fn plant(folder: &Path, rows: u32) -> PathBuf {
    let (config, csv, data) = (folder.join("site.toml"), folder.join("day.csv"), folder.join("data"));
    std::fs::write(&config, site()).unwrap();
    let row = |n: u32| format!("{},{}\n", if (5..8).contains(&n) { 150 } else { 20 + n % 7 }, 30 + n % 5);
    std::fs::write(&csv, format!("P,Q\n{}", (0..rows).map(row).collect::<String>())).unwrap();
    let words = ["safety-brain", "replay", "--findings"].map(PathBuf::from);
    let rest = [folder.join("found.csv"), "--config".into(), config, "--file".into(), csv, "--data".into(), data.clone()];
    Cli::try_parse_from(words.into_iter().chain(rest)).unwrap().run().unwrap();
    data.join("000-day")
}

/// Signed with the key of the site, made by who runs it.
fn export(data: &Path, wanted: &Wanted) -> anyhow::Result<Vec<u8>> {
    Key::of(data)?;
    super::export(data, wanted, &key(data, None)?)
}

fn wanted(anchors: Vec<OutsideAnchor>) -> Wanted {
    let scratch = std::env::temp_dir().join(format!("safety-brain-evidence-{}", std::process::id()));
    Wanted { alarm: 1, before: 2_000_000, after: 1_000_000, scratch, anchors }
}

#[test]
fn evidence_verifies_and_every_changed_byte_is_reported() {
    let folder = tempfile::tempdir().unwrap();
    let data = plant(folder.path(), 12);
    let head = journal::head(&data.join("journal")).unwrap();
    let bytes = export(&data, &wanted(vec![head.clone()])).unwrap();
    let key = Key::of(&data).unwrap().public();
    let good = check(&bytes, Some(&key), std::slice::from_ref(&head));
    assert_eq!(good.faults, Vec::<String>::new());
    assert_eq!((good.notes.as_slice(), good.anchored, good.uncovered), (&[][..], head.seq, 0));
    assert_eq!((good.hazard.as_str(), good.tags.as_slice()), ("test.high", &["P".to_owned()][..]));
    let story: Vec<&str> = good.story.iter().flat_map(|step| &step.changes).map(String::as_str).collect();
    assert_eq!((story.first(), story.contains(&"cleared")), (Some(&"opened"), true), "{story:?}");
    assert!(good.story.iter().any(|step| step.kind == "receipt"), "{:?}", good.story);

    // Two halves, because a check takes a while where nothing is optimised.
    let flip = |range: Range<usize>| {
        let mut changed = bytes.clone();
        for at in range {
            for bit in if at % 64 == 0 { 0..8 } else { at % 8..at % 8 + 1 } {
                changed[at] ^= 1 << bit;
                assert!(!check(&changed, None, &[]).faults.is_empty(), "bit {bit} of byte {at}");
                changed[at] ^= 1 << bit;
            }
        }
    };
    let half = bytes.len() / 2;
    std::thread::scope(|scope| {
        scope.spawn(|| flip(0..half));
        scope.spawn(|| flip(half..bytes.len()));
    });
    eprintln!("{} bytes, each changed and reported", bytes.len());
    for (what, changed) in [
        ("empty", vec![]),
        ("no last byte", bytes[..bytes.len() - 1].to_vec()),
        ("a byte more", [&bytes[..], b"\n"].concat()),
        ("no signature", bytes[..bytes.len() - 146].to_vec()),
    ] {
        assert!(!check(&changed, None, &[]).faults.is_empty(), "{what}");
    }
}

#[test]
fn an_alarm_whose_segment_was_pruned_still_becomes_evidence() {
    let folder = tempfile::tempdir().unwrap();
    let data = plant(folder.path(), 16_000);
    let dir = data.join("journal");
    let head = journal::head(&dir).unwrap();
    let policy = journal::Policy { bytes_max: u64::MAX, records: 0, records_min: 0, events: i64::MAX };
    let moment = journal::Moment { now: i64::MAX, passed: head.seq, well: true, full: false };
    let before = export(&data, &wanted(vec![head.clone()])).unwrap();
    let mut places = Places::new(&dir);
    let read = |from: u64, through: u64, most: usize| places.read(from, through, most, |hole| panic!("{hole:#}"));
    store::rebuild(&data.join(store::FOLDER), u32::MAX, None, head.seq, read).unwrap();
    let kept = journal::Keeper::new(&dir).round(&policy, &moment, &|| false).unwrap();
    assert!(kept.archived > 0, "{kept:?}");
    let bytes = export(&data, &wanted(vec![head.clone()])).unwrap();
    let good = check(&bytes, None, std::slice::from_ref(&head));
    assert_eq!(good.faults, Vec::<String>::new());
    // What the journal had, from the store, and said to be so; nothing is said where the journal has it all.
    let told = |good: &super::check::Report| good.notes.iter().find(|note| note.contains("no longer in the journal")).cloned();
    let said = told(&good).unwrap();
    assert!(said.contains("2026-01-01T00:00:03Z to 2026-01-01T00:00:09Z") && said.contains("taken from the store"), "{said}");
    assert_eq!(told(&check(&before, None, &[])), None);
    let rows = |bytes: &[u8], line: &str| {
        let text = String::from_utf8(bytes.to_vec()).unwrap();
        let line =
            text.lines().find(|l| l.starts_with(&format!("{{\"{line}\""))).unwrap_or_else(|| panic!("no {line}")).to_owned();
        let row = readings_in(&line);
        row.into_iter().filter(|(at, _)| (1_767_225_603_000_000..=1_767_225_609_000_000).contains(at)).collect::<Vec<_>>()
    };
    assert_eq!(rows(&before, "readings"), rows(&bytes, "pruned"));
    assert!(rows(&bytes, "pruned").len() == 7);
    // Beside a daemon too; without a store: missing, and why.
    let daemon = (journal::hold(&dir).unwrap().unwrap(), store::hold(&data.join(store::FOLDER)).unwrap().unwrap());
    assert_eq!(rows(&export(&data, &wanted(vec![])).unwrap(), "pruned"), rows(&bytes, "pruned"));
    drop(daemon);
    std::fs::rename(data.join(store::FOLDER), data.join("gone")).unwrap();
    let said = told(&check(&export(&data, &wanted(vec![])).unwrap(), None, &[])).unwrap();
    assert!(said.contains("missing") && said.contains("there is no store"), "{said}");
    // Who has the key cannot pass off other times and tags, nor this form for the older one.
    let key = Key::of(&data).unwrap();
    let text = String::from_utf8(bytes).unwrap();
    let body = &text[..text.trim_end().rfind('\n').unwrap() + 1];
    for (changed, fault) in [
        (body.replacen("evidence 4", "evidence 1", 1), "out of place"),
        (body.replacen("\"pruned\":{\"from\":1767225603", "\"pruned\":{\"from\":1767225605", 1), "alarm's tags and time"),
    ] {
        assert_ne!(changed, body);
        let signed = [changed.as_bytes(), &signature_line(&key.sign(Meaning::Evidence, changed.as_bytes()))].concat();
        let faults = check(&signed, None, &[]).faults.join("; ");
        assert!(faults.contains(fault), "{faults}");
    }
    assert_eq!((good.hazard.as_str(), good.anchored), ("test.high", head.seq));
    let story: Vec<&str> = good.story.iter().flat_map(|step| &step.changes).map(String::as_str).collect();
    assert!(story.contains(&"opened") && story.contains(&"cleared"), "{story:?}");
}

/// Arrival and value of each reading in a line.
fn readings_in(line: &str) -> Vec<(i64, f64)> {
    fn collect(value: &serde_json::Value, rows: &mut Vec<(i64, f64)>) {
        match value {
            serde_json::Value::Object(map) if map.contains_key("source_us") => {
                rows.push((map["at"].as_i64().unwrap(), map["value"].as_f64().unwrap()));
            }
            serde_json::Value::Object(map) => map.values().for_each(|value| collect(value, rows)),
            serde_json::Value::Array(values) => values.iter().for_each(|value| collect(value, rows)),
            _ => {}
        }
    }
    let mut rows = vec![];
    collect(&serde_json::from_str(line).unwrap(), &mut rows);
    rows
}

#[test]
fn who_has_the_key_cannot_change_a_record_under_an_anchor() {
    let folder = tempfile::tempdir().unwrap();
    // Long enough for several groups of the journal, and an anchor between them.
    let data = plant(folder.path(), 1000);
    let (key, head) = (Key::of(&data).unwrap(), journal::head(&data.join("journal")).unwrap());
    let bytes = export(&data, &wanted(vec![head.clone()])).unwrap();
    let text = String::from_utf8(bytes).unwrap();
    let body = text[..text.trim_end().rfind('\n').unwrap() + 1].to_owned();
    let signed = |body: &str| [body.as_bytes(), &signature_line(&key.sign(Meaning::Evidence, body.as_bytes()))].concat();
    let faults = |body: &str, anchor: &OutsideAnchor| {
        check(&signed(body), Some(&key.public()), std::slice::from_ref(anchor)).faults.join("; ")
    };
    assert_eq!(faults(&body, &head), "");
    let short = check(&export(&data, &wanted(vec![])).unwrap(), None, std::slice::from_ref(&head)).faults.join("; ");
    assert!(short.contains("covered by none"), "records that end before the anchor prove nothing: {short}");

    let lines: Vec<&str> = body.lines().collect();
    let without =
        |n: usize| lines.iter().enumerate().filter(|(i, _)| *i != n).map(|(_, line)| format!("{line}\n")).collect::<String>();
    let find = |word: &str| lines.iter().position(|line| line.contains(word)).unwrap();
    let packed = |line: &&str| line.contains("\"packed\"") && line.contains("\"kind\":1");
    let reading = lines.iter().position(packed).unwrap();
    for (what, forged, complaint) in [
        ("a word in a record", body.replace("\"code\":\"replay\"", "\"code\":\"REPLAY\""), "does not continue the chain"),
        ("a receipt taken out", without(find("\"code\":\"replay\"")), "does not continue the chain"),
        ("a packet of readings taken out", without(reading), "all or none"),
        ("a label", body.replacen("\"own\":{\"seq\"", "\"other\":{\"seq\"", 1), "own"),
        ("the readings shown", body.replacen("\"value\":150", "\"value\":99", 1), "readings shown"),
        ("a limit in the site", body.replacen("\"value\":100.0", "\"value\":200.0", 1), "digest"),
        ("another alarm's number", body.replacen("\"alarm\":1,", "\"alarm\":2,", 1), "alarm 2"),
        (
            "the start of the chain",
            body.replacen(
                &format!("\"link\":\"{}", &lines[0][lines[0].rfind("\"link\"").unwrap() + 8..][..2]),
                "\"link\":\"zz",
                1,
            ),
            "link",
        ),
    ] {
        assert_ne!(forged, body, "{what} is not in the file");
        let said = faults(&forged, &head);
        assert!(said.contains(complaint), "{what}: {said}");
    }
    let rewritten = OutsideAnchor { link: "0".repeat(64), ..head.clone() };
    assert!(faults(&body, &rewritten).contains("rewritten"));
    let early = OutsideAnchor { seq: 1, ..head.clone() };
    assert!(!faults(&body, &early).is_empty(), "an anchor before the alarm proves nothing of it");
    let elsewhere = OutsideAnchor { site: "other".into(), ..head };
    assert!(faults(&body, &elsewhere).contains("covered by none"));
    let stranger = check(&signed(&body), Some("ed25519:00"), &[]).faults.join("; ");
    assert!(stranger.contains("not with ed25519:00"), "{stranger}");
}

const SECOND: i64 = 1_000_000;
const START: i64 = 1_767_225_600 * SECOND;

/// A plant whose journal was taken back to an older copy of its segment.
struct TakenBack {
    data: PathBuf,
    /// Stood from second 30 to 160; the copy is of second 60.
    across: u64,
    /// Tells of the loss, which was found at second 130.
    behind: u64,
    /// Heads of the chain kept elsewhere: of what is lost, and of the end.
    lost: OutsideAnchor,
    end: OutsideAnchor,
}

fn taken_back(folder: &Path) -> TakenBack {
    let (config, data, older) = (folder.join("site.toml"), folder.join("data"), folder.join("older.seg"));
    std::fs::write(&config, site()).unwrap();
    let site = || crate::config::load(&config).unwrap_or_else(|faults| panic!("{faults:?}")).site;
    let open = || Core::open(site(), journal::SEGMENT_BYTES_MIN, &data).unwrap();
    let second = |core: &mut Core, n: i64, value: f64| {
        let at = START + n * SECOND;
        let value = |name: &str| if name == "P" { value } else { 30.0 + (n % 5) as f64 };
        let tags = core.brain().site().tags.iter().enumerate();
        let reading = |(tag, name): (usize, &str)| Reading {
            tag: TagId(tag as u32),
            value: value(name),
            quality: Quality::GOOD,
            source_us: at,
        };
        let readings = tags.map(|(tag, is)| reading((tag, &is.name))).collect();
        core.step(at, Event::Readings { readings });
        let through = core.step(at, Event::Malformed { link: "file".into(), count: 1, sample: n.to_string() }).through;
        while core.durable().borrow().seq < through {
            std::thread::yield_now();
        }
    };
    let alarm = |core: &Core, hazard: &str| core.brain().alarms().find(|alarm| alarm.key.hazard == hazard).unwrap().id.0;
    let (dir, (mut core, _)) = (data.join("journal"), open());
    core.start(START, "");
    for n in 1..120 {
        second(&mut core, n, if n < 30 { 20.0 } else { 150.0 });
        if n == 60 {
            std::fs::copy(dir.join("0000000001.seg"), &older).unwrap();
        }
    }
    let (across, lost) = (alarm(&core, "test.high"), journal::head(&dir).unwrap());
    core.close().unwrap();
    std::fs::copy(&older, dir.join("0000000001.seg")).unwrap();
    let (mut core, replayed) = open();
    assert!(replayed.damage.join("").contains("are lost"), "{replayed:?}");
    core.start(START + 130 * SECOND, "");
    let told = |well| Event::Storage { part: StoragePart::Journal, well, detail: replayed.damage.join("; ") };
    core.step(START + 130 * SECOND, told(false));
    let behind = alarm(&core, "storage.journal");
    core.step(START + 130 * SECOND, told(true));
    for n in 131..200 {
        second(&mut core, n, if n < 160 { 150.0 } else { 20.0 });
    }
    core.close().unwrap();
    TakenBack { end: journal::head(&dir).unwrap(), data, across, behind, lost }
}

fn noted(report: &super::check::Report, word: &str) -> bool {
    report.notes.iter().any(|note| note.contains(word))
}

#[test]
fn an_alarm_that_stands_across_a_hole_becomes_evidence() {
    let folder = tempfile::tempdir().unwrap();
    let TakenBack { data, across, behind, lost, end } = taken_back(folder.path());
    let whole =
        |alarm, before, after| Wanted { alarm, before: before * SECOND, after: after * SECOND, ..wanted(vec![end.clone()]) };
    let anchors = [lost.clone(), end.clone()];
    let key = Key::of(&data).unwrap();
    // It opened before the hole and ended behind it; the other was opened by what found the hole.
    for (alarm, before, after, first) in [(across, 10, 5, 1), (behind, 0, 0, lost.seq), (behind, 200, 10, 1)] {
        let bytes = export(&data, &whole(alarm, before, after)).unwrap();
        let report = check(&bytes, Some(&key.public()), &anchors);
        let what = format!("alarm {alarm}, {before} s before: {:?} {:?}", report.notes, report.faults);
        assert_eq!(report.faults, Vec::<String>::new(), "{what}");
        assert!(noted(&report, "are lost; the chain goes on over it") && report.lost.len() == 1, "{what}");
        assert!(noted(&report, "1 of the anchors kept elsewhere were made behind records that are lost"), "{what}");
        assert_eq!(report.anchored, end.seq, "{what}");
        let text = String::from_utf8(bytes).unwrap();
        let records = text.lines().filter(|line| line.starts_with("{\"own\"") || line.starts_with("{\"other\""));
        let carried = records.filter_map(|line| line.split_once("\"seq\":")?.1.split(',').next()?.parse::<u64>().ok());
        let carried = carried.min().unwrap();
        assert!(if first == 1 { carried < lost.seq } else { carried >= lost.seq }, "{what}: begins with record {carried}");
        // Who has the key cannot hide that records are lost, nor call other ones lost.
        let body = text[..text.trim_end().rfind('\n').unwrap() + 1].to_owned();
        let signed = |body: &str| [body.as_bytes(), &signature_line(&key.sign(Meaning::Evidence, body.as_bytes()))].concat();
        let hole = body.lines().find(|line| line.starts_with("{\"lost\"")).unwrap();
        let hidden = check(&signed(&body.replacen(&format!("{hole}\n"), "", 1)), None, &anchors).faults.join("; ");
        assert!(hidden.contains("is not told here"), "{what}: {hidden}");
        let (less, next) = (hole.split_once("\"next\":").unwrap(), |rest: &str| rest.split_once(',').unwrap().1.to_owned());
        let shorter = format!("{}\"next\":{},{}", less.0, lost.seq - 1, next(less.1));
        let said = check(&signed(&body.replacen(hole, &shorter, 1)), None, &anchors).faults.join("; ");
        assert!(said.contains("is not told here"), "{what}: {said}");
        let older = check(&signed(&body.replacen("evidence 4", "evidence 2", 1)), None, &[]).faults.join("; ");
        assert!(older.contains("out of place"), "{what}: {older}");
    }
    let said = super::lines(&check(&export(&data, &whole(across, 10, 5)).unwrap(), None, &[])).join("\n");
    assert!(said.contains("as made") && !said.contains("whole "), "{said}");
}

/// A record of the chain itself is lost: what stands behind it is proved by later anchors, what stands before it by earlier ones, the first one behind
/// it by none.
#[test]
fn a_chain_that_begins_anew_proves_both_of_its_parts() {
    let folder = tempfile::tempdir().unwrap();
    let TakenBack { data, across, end, .. } = taken_back(folder.path());
    let segment = data.join("journal/0000000001.seg");
    let mut bytes = std::fs::read(&segment).unwrap();
    // A record of second 45, while the alarm stands; the chain ends there and begins anew with what follows.
    let word = br#""sample":"45""#;
    let at = bytes.windows(word.len()).position(|found| found == word).unwrap();
    bytes[at + 10] ^= 1;
    std::fs::write(&segment, bytes).unwrap();
    let all = Wanted { alarm: across, before: 40 * SECOND, after: 40 * SECOND, ..wanted(vec![end.clone()]) };
    let bytes = export(&data, &all).unwrap();
    let report = check(&bytes, None, &[]);
    assert_eq!(report.faults, Vec::<String>::new());
    assert!(noted(&report, "is lost; the chain begins anew behind it") && report.lost.len() == 2, "{:?}", report.notes);
    assert!(report.uncovered > 0 && noted(&report, "beside what is lost"), "{:?}", report.notes);
    // The alarm opened before it: an anchor from behind does not reach there.
    let said = check(&bytes, None, std::slice::from_ref(&end)).faults.join("; ");
    assert!(said.contains("covered by none of the anchors given") && said.contains("from before what is lost"), "{said}");
    // What the tags said behind it is shown only from the next start on: one may have been lost.
    let text = String::from_utf8(bytes).unwrap();
    let rows = readings_in(text.lines().find(|line| line.starts_with("{\"readings\"")).unwrap());
    let shown = |n: i64| rows.iter().any(|(at, _)| *at == START + n * SECOND);
    assert!(shown(44) && !shown(50) && shown(135), "{rows:?}");
}

#[test]
fn what_is_not_there_is_said() {
    let folder = tempfile::tempdir().unwrap();
    let data = plant(folder.path(), 12);
    let error = export(&data, &Wanted { alarm: 99, ..wanted(vec![]) }).err().unwrap().to_string();
    assert!(error.contains("no record of the journal names alarm 99"), "{error}");
    let early = OutsideAnchor { seq: 1, ..journal::head(&data.join("journal")).unwrap() };
    let error = export(&data, &wanted(vec![early])).err().unwrap().to_string();
    assert!(error.contains("give a later one"), "{error}");
    let segment = data.join("journal/0000000001.seg");
    let mut bytes = std::fs::read(&segment).unwrap();
    // The second of the readings that stood over the limit, in the midst of what is wanted.
    let high = 150.0_f64.to_le_bytes();
    let places: Vec<usize> = (4096..bytes.len() - 8).filter(|at| bytes[*at..at + 8] == high).collect();
    bytes[places[1]] ^= 1;
    std::fs::write(&segment, bytes).unwrap();
    let report = check(&export(&data, &wanted(vec![])).unwrap(), None, &[]);
    assert_eq!(report.faults, Vec::<String>::new());
    let note = report.notes.iter().find(|note| note.starts_with("a hole")).unwrap();
    assert!(note.contains("0000000001.seg at byte") && note.contains("is lost") && note.contains("goes on over it"), "{note}");
    let out = folder.path().join("evidence.json");
    let words = ["safety-brain", "evidence", "export", "--alarm", "1", "--data"].map(Into::into);
    let words = words.into_iter().chain([folder.path().into(), "--out".into(), out.clone().into_os_string()]);
    let error = Cli::try_parse_from(words).unwrap().run().unwrap_err().to_string();
    assert!(error.contains("there is no journal") && !out.exists(), "{error}");
}

/// A copy is not the site: no key is made there, and none but the site's signs.
#[test]
fn a_copy_without_the_key_signs_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let data = plant(folder.path(), 12);
    let said = key(&data, None).unwrap_err().to_string();
    assert!(said.contains("evidence key --data") && said.contains("--key-file"), "{said}");
    assert!(!data.join("keys").exists(), "reads only");
    let elsewhere = folder.path().join("site");
    let site = Key::of(&elsewhere).unwrap().public();
    let own = key(&data, Some(&elsewhere.join("keys/evidence.key"))).unwrap();
    let bytes = super::export(&data, &wanted(vec![]), &own).unwrap();
    assert_eq!(check(&bytes, Some(&site), &[]).faults, Vec::<String>::new());
    assert!(!data.join("keys").exists(), "reads only");
}

/// The anchors that a file is held against are held against the key as well.
#[test]
fn anchors_that_nobody_signed_do_not_count_beside_a_key() {
    let folder = tempfile::tempdir().unwrap();
    let data = plant(folder.path(), 12);
    let site = Key::of(&data).unwrap();
    let head = journal::head(&data.join("journal")).unwrap();
    let (file, anchors) = (folder.path().join("a.jsonl"), folder.path().join("anchors.jsonl"));
    std::fs::write(&file, export(&data, &wanted(vec![head.clone()])).unwrap()).unwrap();
    let verify = |anchor: &OutsideAnchor, key: Option<String>| {
        std::fs::write(&anchors, serde_json::to_string(anchor).unwrap()).unwrap();
        super::run(super::EvidenceArgs {
            command: super::Command::Verify { file: file.clone(), key, anchor: Some(anchors.clone()), json: true },
        })
    };
    let signed = |key: &Key| crate::daemon::anchors::signed(head.clone(), Some(key));
    verify(&head, None).unwrap();
    verify(&signed(&site), Some(site.public())).unwrap();
    let said = format!("{:#}", verify(&head, Some(site.public())).unwrap_err());
    assert!(said.contains("anchors.jsonl line 1") && said.contains("not signed"), "{said}");
    let stranger = Key::of(&folder.path().join("stranger")).unwrap();
    let said = format!("{:#}", verify(&signed(&stranger), Some(site.public())).unwrap_err());
    assert!(said.contains("not with the key given"), "{said}");
    // Without a key to hold it against, a file and anchors that two keys have signed are not of one hand.
    let said = format!("{:#}", verify(&signed(&stranger), None).unwrap_err());
    assert!(said.contains(&stranger.public()) && said.contains("somebody else"), "{said}");
    // Who makes a file of a copy may sign with another key than the site's anchors: that is no fault of the journal.
    std::fs::write(&anchors, serde_json::to_string(&signed(&site)).unwrap()).unwrap();
    let command = super::Command::Export {
        data: data.clone(),
        alarm: 1,
        out: folder.path().join("other.jsonl"),
        before: 2,
        after: 1,
        anchor: Some(anchors.clone()),
        key_file: Some(folder.path().join("stranger/keys/evidence.key")),
        json: true,
    };
    super::run(super::EvidenceArgs { command }).unwrap();
    verify(&signed(&site), None).unwrap();
}
