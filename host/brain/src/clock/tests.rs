//! The wall clock as timelines: what people read is right again after it was set right, and no deadline notices.

use super::*;
use crate::event::Event;
use crate::harness::{Timeline, at, gas, ladder, limit, plant};
use crate::site::LimitKind::High;
use crate::site::RungKind::{AtOnce, Unacknowledged};
use crate::site::Severity::Red;
use crate::site::{Site, Tag};
use crate::{AlarmId, NoticeId};

const SECOND: Micros = 1_000_000;
const HOUR: Micros = 3_600 * SECOND;
const DAY: Micros = 24 * HOUR;

/// What the wall clock does at second 10.
const STEPS: [(&str, Micros); 7] = [
    ("forward an hour", HOUR),
    ("back an hour", -HOUR),
    ("forward a day", DAY),
    ("back a day", -DAY),
    ("a leap second said twice", -SECOND),
    ("from 1970", 56 * 365 * DAY),
    ("from 2099", -73 * 365 * DAY),
];

/// Told at once and after 30 s without an answer, silent after 20 s.
fn watched() -> Site {
    let tag = Tag { silent_ms: 20_000, ..gas(&[limit(High, 50.0, Red)]) };
    let mut site = plant(vec![tag]);
    ladder(&mut site, &[("bureau", AtOnce, [Some(0); 4]), ("officer", Unacknowledged, [Some(30); 4])]);
    site
}

fn set(now: &mut Timeline, seconds: f64, ahead: Micros, wrong: bool) {
    now.only(seconds, "tick");
    now.feed(&Event::Clock { since: at(0.0), ahead, wrong });
}

#[test]
fn no_deadline_comes_early_late_or_twice_when_the_clock_is_set() {
    let plain = |now: &mut Timeline, from: u32| -> Vec<String> {
        let told = (from..400).map(|second| (second, now.only(f64::from(second), "tick")));
        told.filter(|(_, effects)| effects.contains("officer") || effects.contains("device"))
            .map(|(second, effects)| {
                let of: Vec<&str> = effects.split("; ").filter(|one| !one.contains("clock") && !one.contains("try")).collect();
                format!("{second} {}", of.join("; "))
            })
            .collect()
    };
    let mut undisturbed = Timeline::answering(&watched());
    undisturbed.only(0.0, "start");
    undisturbed.only(5.0, "gas=60");
    let expected = plain(&mut undisturbed, 11);
    assert!(expected.iter().any(|line| line.starts_with("35 ") && line.contains("officer")), "{expected:#?}");
    for (what, ahead) in STEPS {
        let mut now = Timeline::answering(&watched());
        now.only(0.0, "start");
        now.only(5.0, "gas=60");
        set(&mut now, 10.0, ahead, false);
        let got = plain(&mut now, 11);
        for line in &expected {
            let (second, effects) = line.split_once(' ').expect("a second");
            let first = effects.split("; ").next().unwrap_or_default();
            let hazard = first.split(' ').next().unwrap_or_default();
            assert!(
                got.iter().any(|line| line.starts_with(&format!("{second} ")) && line.contains(hazard)),
                "{what}: {line} is missing in {got:#?}"
            );
        }
        let officer = now.brain.alarm(AlarmId(1)).map(|alarm| {
            alarm
                .escalation
                .told
                .iter()
                .filter(|told| told.audience == "officer")
                .map(|told| told.at - at(0.0))
                .collect::<Vec<_>>()
        });
        assert_eq!(officer, Some(vec![35 * SECOND]), "{what}: once, and when it is due");
    }
}

#[test]
fn what_people_read_is_right_again_once_the_clock_is_right() {
    for (what, ahead) in STEPS {
        let mut now = Timeline::answering(&watched());
        now.only(0.0, "start");
        now.only(5.0, "gas=60");
        set(&mut now, 10.0, ahead, false);
        now.only(20.0, "gas=10");
        let clock = now.brain.clock();
        let alarm = clock.alarm(now.brain.alarm(AlarmId(1)).expect("it opened")).into_owned();
        // Also the times from before: within one run there is one difference.
        assert_eq!((alarm.opened_at, alarm.cleared_at), (at(5.0) + ahead, Some(at(20.0) + ahead)), "{what}");
        assert_eq!(alarm.evidence[0].at, at(5.0) + ahead, "{what}");
        let cleared = now.brain.outbox().find(|row| row.notice.reason == crate::notice::Reason::Cleared).expect("told");
        assert_eq!(cleared.notice.at, at(20.0) + ahead, "{what}");
        assert_eq!((cleared.notice.alarm.opened_at, cleared.made_at()), (at(5.0) + ahead, at(20.0)), "{what}");
        // What was sent is named as it was sent.
        assert_eq!(cleared.notice.references[0].sent, at(5.0), "{what}");
        let (from, to) = (at(20.0), at(21.0));
        // A clock set back reads again what it read before this run.
        let first = if from + ahead < at(0.0) { from + ahead } else { from };
        assert_eq!((clock.brain(from + ahead..to + ahead), clock.wall(0)), (first..to, 0), "{what}");
        assert_eq!(now.brain.tag(crate::TagId(0)).quality, crate::Quality::GOOD, "{what}: a fresh value is fresh");
    }
}

#[test]
fn a_clock_that_was_set_is_doubted_for_ten_minutes_and_a_leap_second_is_nothing() {
    let mut now = Timeline::answering(&watched());
    now.only(0.0, "start");
    set(&mut now, 10.0, -SECOND, false);
    assert!(!now.brain.clock().is_doubtful() && now.only(11.0, "tick").is_empty());
    set(&mut now, 12.0, HOUR, false);
    assert!(now.only(13.0, "gas=60").contains("system.clock opened yellow"));
    assert_eq!(now.brain.clock().doubt(), "the clock was set by 3601 s");
    let marked = |now: &Timeline, alarm| now.brain.alarm(AlarmId(alarm)).is_some_and(|alarm| alarm.times_doubtful);
    assert!(marked(&now, 1) && marked(&now, 2), "all that changed meanwhile is marked");
    assert!(now.brain.outbox().all(|row| row.notice.times_doubtful));
    // Set again: ten minutes from then on.
    set(&mut now, 300.0, 0, false);
    let cleared: Vec<u32> =
        (301..1_000).filter(|second| now.only(f64::from(*second), "tick").contains("system.clock cleared")).collect();
    assert_eq!(cleared, [900]);
    assert!(!now.brain.clock().is_doubtful());
    now.only(1_001.0, "rule leak=red");
    assert!(now.brain.alarm(AlarmId(1)).is_some_and(|alarm| alarm.is_listed()), "until somebody has seen it");
}

#[test]
fn a_clock_that_shows_what_cannot_be_is_doubted_until_it_is_set_right() {
    let mut now = Timeline::answering(&watched());
    now.only(0.0, "tick");
    now.feed(&Event::Clock { since: at(0.0), ahead: -at(0.0), wrong: true });
    let effects = now.only(0.0, "start");
    assert!(effects.contains("system.clock opened yellow"), "{effects}");
    let later: String = (1..4_000).map(|second| now.only(f64::from(second), "gas=10")).collect();
    assert!(!later.contains("system.clock cleared") && now.brain.clock().is_doubtful());
    set(&mut now, 4_000.0, 0, false);
    let later: String = (4_001..4_602).map(|second| now.only(f64::from(second), "gas=10")).collect();
    assert!(later.contains("system.clock cleared") && !now.brain.clock().is_doubtful(), "{later}");
}

#[test]
fn each_run_has_its_own_difference_and_a_snapshot_keeps_them() {
    let mut clock = Clock::default();
    assert!(!clock.follow(100, 100, 0, false) && clock == Clock::default(), "a clock that is right is nothing to remember");
    clock.follow(200, 150, 10, false);
    clock.follow(300, 300, 20, false);
    clock.follow(310, 300, 40, false);
    for (brain, wall) in [(0, 0), (149, 149), (150, 160), (299, 309), (300, 340), (400, 440)] {
        assert_eq!(clock.wall(brain), wall);
        assert_eq!(clock.brain(wall..wall + 1), brain..brain + 1);
    }
    // Moments that no clock showed: there is nothing between.
    assert!(clock.brain(320..330).is_empty());
    assert_eq!(clock.ahead(), 40);
    for since in 400..1_000 {
        clock.follow(since, since, since, false);
    }
    assert_eq!((clock.stretches.len(), clock.wall(999)), (STRETCHES_MAX, 1_998));
    let saved = serde_json::to_string(&clock).expect("JSON");
    assert_eq!(serde_json::from_str::<Clock>(&saved).expect("JSON"), clock);
}

/// A query by the wall clock leaves nothing out that reads so, and reaches no further than it must.
/// A clock that was set wrong, and right again by the next start: the run between reads as it did before. One that stays as it was set does not.
#[test]
fn a_step_that_the_next_start_finds_undone_never_was() {
    let start = at(0.0);
    for (by, then, first) in [(DAY, 40 * SECOND, 0), (-DAY, -20 * SECOND, 0), (DAY, DAY, DAY), (DAY, DAY + 40 * SECOND, DAY)] {
        let mut clock = Clock::default();
        assert!(clock.follow(start + 100 * SECOND, start, by, false));
        clock.follow(start + 200 * SECOND, start + 200 * SECOND, then, false);
        assert_eq!(clock.wall(start + 50 * SECOND), start + 50 * SECOND + first, "set by {by}, then {then}");
        assert_eq!(clock.wall(start + 250 * SECOND), start + 250 * SECOND + then);
    }
}

#[test]
fn all_that_reads_so_is_found_around_every_step() {
    let mut seed = 0x5eed_0011_u64;
    let mut roll = |below: u64| {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        ((seed >> 33) % below) as Micros
    };
    let (mut twice, mut nothing) = (0, 0);
    for _ in 0..500 {
        let mut clock = Clock::default();
        for run in 1..=roll(4) {
            clock.follow(run * 50, run * 50, roll(120) - 60, false);
        }
        let from = roll(300);
        let wall = from..from + 1 + roll(60);
        let range = clock.brain(wall.clone());
        let so: Vec<Micros> = (1..600).filter(|at| wall.contains(&clock.wall(*at))).collect();
        // Brain times begin with 1 here.
        let (first, last) = (so.first().copied().unwrap_or(1), so.last().copied().unwrap_or(0));
        assert_eq!(range.start.max(1)..range.end.max(1), first..last + 1, "seed 0x5eed_0011: {clock:?} {wall:?}");
        twice += u32::from(so.len() > (wall.end - wall.start) as usize);
        nothing += u32::from(so.is_empty());
    }
    assert!(twice > 20 && nothing > 0, "seed 0x5eed_0011: {twice} of 500 read some time twice, {nothing} read it never");
}

#[test]
fn a_day_that_was_lived_twice_is_shown_with_both_of_its_halves() {
    let mut clock = Clock::default();
    // The first run ended at noon of the third day; then the clock was set back by a day.
    clock.follow(3 * DAY, 5 * DAY / 2, -DAY, false);
    let range = clock.brain(2 * DAY..3 * DAY);
    assert_eq!(range, 2 * DAY..4 * DAY);
    let reads_so = |at: Micros| (2 * DAY..3 * DAY).contains(&clock.wall(at));
    let read: Vec<bool> = [2 * DAY, 5 * DAY / 2 - 1, 5 * DAY / 2, 3 * DAY, 4 * DAY - 1].map(reads_so).to_vec();
    assert_eq!(read, [true, true, false, true, true], "what lies between reads as the day before");
}

/// The bureau hears a later message about an earlier one by the order in which they were made, whatever the clock showed.
#[test]
fn a_refusal_is_over_by_order_not_by_the_clock() {
    let mut now = Timeline::new(&watched());
    now.only(0.0, "start");
    now.only(5.0, "gas=60");
    now.only(6.0, "rejected 1");
    set(&mut now, 10.0, -DAY, false);
    now.only(11.0, "gas=10");
    let effects = now.only(12.0, "tick") + &now.only(13.0, "receipt 3");
    let newest = now.brain.outbox().map(|row| row.notice.id).max().unwrap_or(NoticeId(0));
    let rest: String = (1..=newest.0).map(|id| now.only(14.0 + id as f64, &format!("receipt {id}"))).collect();
    assert!((effects + &rest).contains("notice.rejected cleared"), "{rest}");
    assert_eq!(now.brain.alarm(AlarmId(1)).map(|alarm| alarm.severity), Some(Red));
}

/// A message that had to wait goes with the times as known when it goes, and names those before it as they were sent.
#[test]
fn a_message_that_waited_has_the_times_of_its_first_try() {
    let mut now = Timeline::new(&watched());
    now.only(0.0, "start");
    set(&mut now, 1.0, DAY, false);
    now.only(5.0, "gas=60");
    now.only(6.0, "gas=10");
    set(&mut now, 10.0, 0, false);
    let waited = now.brain.outbox().find(|row| row.notice.reason == crate::notice::Reason::Cleared).expect("made").clone();
    assert_eq!((waited.attempts, waited.notice.at), (0, at(6.0)));
    let first = |row: &&crate::notice::OutboxRow| row.attempts > 0 && row.notice.alarm.id == waited.notice.alarm.id;
    let first = now.brain.outbox().find(first).expect("told").notice.clone();
    assert_eq!((first.at, first.alarm.opened_at), (at(5.0) + DAY, at(5.0) + DAY), "what was known then");
    now.only(11.0, &format!("receipt {}", first.id.0));
    let told = now.brain.notice(waited.notice.id).expect("told").notice.clone();
    assert_eq!((told.at, told.alarm.opened_at, told.references[0].sent), (at(6.0), at(5.0), first.at));
    assert!(told.times_doubtful, "it was set just now");
}
