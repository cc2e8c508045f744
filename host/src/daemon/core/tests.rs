//! Records that outgrow a record, and gaps in them.
#![allow(clippy::unwrap_used)]
use super::*;
use brain::alarm::{HANDLING_MAX, Person};
use brain::event::{Act, LinkState};
use brain::site::{Severity, Tag};
use brain::{Quality, Reading, TagId};
use std::path::Path;

const RED: usize = 12;

#[test]
fn a_journal_that_stays_dead_is_tried_less_often() {
    let mut dead = Duration::ZERO;
    let tries: Vec<u64> = std::iter::from_fn(|| {
        dead += reopen_after(dead);
        Some(dead.as_secs())
    })
    .take_while(|at| *at <= 3600)
    .collect();
    assert_eq!(tries[..5], [1, 2, 3, 4, 5]);
    assert!((60..80).contains(&tries.len()), "{tries:?}");
    assert_eq!(tries[tries.len() - 1] - tries[tries.len() - 2], 60);
}

/// Twelve red alarms, each with as many long notes as it can hold: together far more than a record takes.
#[test]
fn many_long_notes_are_no_dead_disk() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../configs/gas-district.toml");
    let mut site = crate::config::load(&path).unwrap().site;
    let mut tag: Tag = site.tags.iter().find(|tag| !tag.limits.is_empty()).unwrap().clone();
    tag.limits.truncate(1);
    (tag.limits[0].severity, tag.limits[0].on_delay_ms) = (Severity::Red, 0);
    let over = tag.limits[0].value + 1.0;
    site.tags = (0..RED).map(|n| Tag { name: format!("T{n}"), high: over + 1.0, ..tag.clone() }).collect();
    let data = tempfile::tempdir().unwrap();
    let (mut core, _) = Core::open(site, 1 << 20, data.path()).unwrap();
    let (mut at, link) = (1_795_392_000_000_000, core.brain().site().links[tag.link].clone());
    core.start(at, "");
    let mut step = |core: &mut Core, event: Event| {
        at += 1_000;
        core.step(at, event)
    };
    let link_is = |state| Event::Link { link: link.clone(), state, reason: String::new() };
    step(&mut core, link_is(LinkState::Up));
    let reading = |n| Reading { tag: TagId(n as u32), value: over, quality: Quality::GOOD, source_us: 1_795_392_000_000_000 };
    step(&mut core, Event::Readings { readings: (0..RED).map(reading).collect() });
    let alarms: Vec<_> = core.brain().alarms().map(|alarm| alarm.id).collect();
    assert_eq!(alarms.len(), RED);
    let by = Person { name: "n".into(), role: "lead".into(), station: "s".into() };
    for note in 0..HANDLING_MAX {
        for alarm in &alarms {
            // Only the last ones are long: each note is written with all before it.
            let note_text = if note + 15 > HANDLING_MAX { "很".repeat(2_000) } else { "x".into() };
            let act = Act::Handle { alarm: *alarm, note: note_text };
            step(&mut core, Event::Operator { command: format!("{note}/{alarm:?}"), by: by.clone(), act });
        }
    }
    step(&mut core, link_is(LinkState::Down));
    assert_eq!(core.unrecorded(), None);
    let bytes: usize = core.brain().alarms().map(|alarm| serde_json::to_vec(alarm).unwrap().len()).sum();
    assert!(bytes > crate::journal::PAYLOAD_BYTES_MAX, "{bytes} bytes prove nothing");
    core.close().unwrap();
    assert!(crate::journal::verify(&data.path().join(FOLDER)).unwrap().is_whole());
}

/// A journal whose folder is gone fails at the next segment, and comes back once there is one.
pub(in crate::daemon) fn plant_without_a_folder(data: &Path) -> (Core, Vec<u64>) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../configs/gas-district.toml");
    let site = crate::config::load(&path).unwrap().site;
    let (mut core, _) = Core::open(site, crate::journal::SEGMENT_BYTES_MIN, data).unwrap();
    let mut through = vec![core.start(1, "").through];
    std::fs::remove_dir_all(data.join(FOLDER)).unwrap();
    let long = |n| Event::Malformed { link: "l".into(), count: n, sample: "x".repeat(20_000) };
    for n in 2..2_000 {
        through.push(core.step(n, long(n as u64)).through);
        if core.unrecorded().is_none() {
            core.watch_disk(n);
        }
        if core.unrecorded().is_some() {
            through.push(core.step(n, Event::Tick).through);
            while core.durable().borrow().failed.is_none() {
                std::thread::yield_now();
            }
            std::fs::create_dir(data.join(FOLDER)).unwrap();
            return (core, through);
        }
    }
    panic!("it did not fail");
}

#[test]
fn a_gap_says_how_many_steps_are_on_no_record() {
    let data = tempfile::tempdir().unwrap();
    let (mut core, through) = plant_without_a_folder(data.path());
    let on_disk = core.durable().borrow().seq;
    while core.unrecorded().is_some() {
        core.watch_disk(3_000);
        std::thread::yield_now();
    }
    core.close().unwrap();
    let dir = data.path().join(FOLDER);
    let gaps: Vec<u64> = crate::journal::read(&dir, on_disk + 1)
        .unwrap()
        .filter_map(Result::ok)
        .filter_map(|record| match record.entry {
            Entry::Event(Event::Recorded { steps, .. }) => Some(steps),
            _ => None,
        })
        .collect();
    let expected = through.iter().filter(|through| **through == 0 || **through > on_disk).count() as u64;
    assert!(expected > 1, "{through:?}, {on_disk} on disk");
    assert_eq!(gaps, [expected], "{through:?}, {on_disk} on disk");
}
