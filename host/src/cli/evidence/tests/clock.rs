//! A plant whose wall clock is a month ahead of brain time, that was stopped for a while and could not record for another: the file says all of it.

use super::super::check::{Report, check, signature_line};
use super::*;

/// What brain time is behind after a stop of forty days, of which seven count.
const AHEAD: i64 = 33 * 86_400 * SECOND;

/// The clock is set in the first run, the alarm stands in the second one, and it is set a little behind all of it. Seconds of brain time since [`START`]: stopped
/// from 20 to 25, in danger from 30, unrecorded from 35 to 40, out of danger from 45.
fn late(folder: &Path) -> (PathBuf, u64) {
    let (config, data) = (folder.join("site.toml"), folder.join("data"));
    std::fs::write(&config, site()).unwrap();
    let site = || crate::config::load(&config).unwrap_or_else(|faults| panic!("{faults:?}")).site;
    let open = || Core::open(site(), journal::SEGMENT_BYTES_MIN, &data).unwrap().0;
    let at = |n: i64| START + n * SECOND;
    let step = |core: &mut Core, n: i64, event: Event| {
        let through = core.step(at(n), event).through;
        while core.durable().borrow().seq < through {
            std::thread::yield_now();
        }
    };
    let reading = |n: i64| Reading {
        tag: TagId(1),
        value: if (30..45).contains(&n) { 150.0 } else { 20.0 },
        quality: Quality::GOOD,
        source_us: at(n),
    };
    let clock = |since: i64, ahead: i64| Event::Clock { since: at(since), ahead, wrong: false };
    let mut core = open();
    core.start(at(0), "");
    step(&mut core, 1, clock(0, AHEAD));
    (2..20).for_each(|n| step(&mut core, n, Event::Readings { readings: vec![reading(n)] }));
    step(&mut core, 20, Event::Stopped);
    core.close().unwrap();
    let mut core = open();
    core.start(at(25), "");
    (26..35).for_each(|n| step(&mut core, n, Event::Readings { readings: vec![reading(n)] }));
    let recorded =
        Event::Recorded { since: at(35), steps: 17, detail: "the disk is gone".into(), next_alarm: 9, next_notice: 99 };
    step(&mut core, 40, recorded);
    (41..50).for_each(|n| step(&mut core, n, Event::Readings { readings: vec![reading(n)] }));
    let alarm = core.brain().alarms().find(|alarm| alarm.key.hazard == "test.high").unwrap().id.0;
    step(&mut core, 60, clock(60, AHEAD + 5 * SECOND));
    core.close().unwrap();
    (data, alarm)
}

fn signed(body: &str, data: &Path) -> Report {
    let key = Key::of(data).unwrap();
    check(&[body.as_bytes(), &signature_line(&key.sign(Meaning::Evidence, body.as_bytes()))].concat(), None, &[])
}

/// A file that carries the record of the clock beside its range. Where a range begins differs with what the disk took in one go: it may hold that record.
fn carried() -> (tempfile::TempDir, PathBuf, Vec<u8>) {
    let made = || {
        let folder = tempfile::tempdir().unwrap();
        let (data, alarm) = late(folder.path());
        let bytes = export(&data, &Wanted { alarm, before: 12 * SECOND, ..wanted(vec![]) }).unwrap();
        (folder, data, bytes)
    };
    let carries = |bytes: &[u8]| !String::from_utf8_lossy(bytes).contains("{\"clock\":{\"records\":[],");
    (0..50).map(|_| made()).find(|(.., bytes)| carries(bytes)).expect("one of fifty carries it")
}

#[test]
fn a_file_says_what_the_wall_clock_showed_and_what_is_on_no_record() {
    let (_folder, data, bytes) = carried();
    let report = check(&bytes, None, &[]);
    assert_eq!(report.faults, Vec::<String>::new());
    let opened = report.story.iter().find(|step| step.changes.contains(&"opened".to_owned())).unwrap();
    assert_eq!((opened.at, opened.wall), (START + 30 * SECOND, Some(START + 30 * SECOND + AHEAD)));
    for words in [
        "was 33 d 00 h 00 min ahead of brain time",
        "stopped on purpose 5.000 s before",
        "from 2026-02-03T00:00:35Z to 2026-02-03T00:00:40Z nothing could be recorded (the disk is gone): 17 steps",
    ] {
        assert!(noted(&report, words), "{words}: {:?}", report.notes);
    }
    let said = super::super::lines(&report).join("\n");
    assert!(said.contains("2026-02-03T00:00:30Z        2026-01-01T00:00:30Z"), "{said}");

    // The controls: a file without that record does not know, nor does one of an older form; and no other record stands for it.
    let text = String::from_utf8(bytes).unwrap();
    let body = text[..text.trim_end().rfind('\n').unwrap() + 1].to_owned();
    let line = body.lines().find(|line| line.starts_with("{\"clock\"")).unwrap();
    let without = body.replacen(&format!("{line}\n"), "", 1);
    for unknown in [&without, &without.replacen("evidence 4", "evidence 3", 1)] {
        let report = signed(unknown, &data);
        assert!(report.faults.is_empty() && report.story.iter().all(|step| step.wall.is_none()), "{:?}", report.faults);
        assert!(noted(&report, "is not known for all of it"), "{:?}", report.notes);
    }
    assert!(signed(&body.replacen("evidence 4", "evidence 3", 1), &data).faults.join("; ").contains("out of place"));
    let started = body.lines().find(|line| line.starts_with("{\"started\"")).unwrap_or_default();
    let other = started.strip_prefix("{\"started\":").and_then(|rest| rest.strip_suffix('}')).unwrap();
    let (head, rest) = line.split_once("\"records\":[").unwrap();
    let forged = format!("{head}\"records\":[{other}{}", &rest[rest.rfind("],").unwrap()..]);
    let faults = signed(&body.replacen(line, &forged, 1), &data).faults.join("; ");
    assert!(faults.contains("none of a clock"), "{faults}");
}

#[test]
fn a_clock_that_always_agreed_is_no_word_worth() {
    let folder = tempfile::tempdir().unwrap();
    let data = plant(folder.path(), 12);
    let report = check(&export(&data, &wanted(vec![])).unwrap(), None, &[]);
    assert!(report.story.iter().all(|step| step.wall == Some(step.at)), "{:?}", report.story);
    assert!(!noted(&report, "clock") && !super::super::lines(&report).join("\n").contains("times "), "{:?}", report.notes);
}
