//! The ladder as timelines: who is told at which second, and what stops it.

use crate::harness::{Timeline, gas, hazard, ladder, limit, plant, rule};
use crate::site::LimitKind::High;
use crate::site::RungKind::{AtOnce, Open, Unacknowledged};
use crate::site::Severity::{Blue, Orange, Red, Yellow};
use crate::site::Site;

/// Crew at once, then officer and chief if nobody answers, and the bureau while it is open: seconds for blue, yellow, orange, red.
fn laddered(mut site: Site) -> Site {
    let rungs = [
        ("crew", AtOnce, [Some(0), Some(0), Some(0), Some(0)]),
        ("officer", Unacknowledged, [None, Some(300), Some(120), Some(60)]),
        ("chief", Unacknowledged, [None, None, Some(300), Some(180)]),
        ("bureau", Open, [None, None, Some(600), Some(0)]),
    ];
    ladder(&mut site, &rungs);
    site
}

/// A rule whose word opens, raises and clears the alarm `leak`.
#[track_caller]
fn told(rows: &[(&str, &str)]) {
    let site = laddered(Site { rules: vec![rule(vec![hazard("leak", Red)], 0)], ..plant(vec![]) });
    Timeline::answering(&site).check(rows);
}

/// A limit for each level; what a guard found stands over a restart.
fn guarded() -> Site {
    let levels = [(10.0, Blue), (20.0, Yellow), (40.0, Orange), (60.0, Red)];
    laddered(plant(vec![gas(&levels.map(|(value, severity)| limit(High, value, severity)))]))
}

#[test]
fn every_rung_speaks_at_its_second_and_once() {
    told(&[("0 rule leak=blue", "leak opened blue; alert 1 to crew: opened"), ("5000 tick", "")]);
    told(&[
        ("0 rule leak=yellow", "leak opened yellow; alert 1 to crew: opened"),
        ("300 tick", "alert 2 to officer: overdue; leak escalated"),
        ("5000 tick", ""),
    ]);
    told(&[
        ("0 rule leak=orange", "leak opened orange; alert 1 to crew: opened"),
        ("100 rule leak=orange", ""),
        ("120 tick", "alert 2 to officer: overdue; leak escalated"),
        ("300 tick", "alert 3 to chief: overdue; leak escalated"),
        ("301 rule leak=orange", ""),
        ("600 tick", "alert 4 to bureau: overdue; leak escalated"),
        ("3400 tick", ""),
    ]);
    told(&[
        ("0 rule leak=red", "leak opened red; alert 1 to crew: opened; alert 2 to bureau: opened"),
        ("60 tick", "alert 3 to officer: overdue; leak escalated"),
        ("180 tick", "alert 4 to chief: overdue; leak escalated"),
        ("2800 tick", ""),
    ]);
}

/// The bureau is called for a danger that stands, or went away unanswered; not for a sensor that works again.
#[test]
fn what_waits_for_the_end_calls_nobody_for_a_device_that_works_again() {
    told(&[
        ("0 rule leak=orange", "leak opened orange; alert 1 to crew: opened"),
        ("50 rule leak=clear", "leak cleared; update 2 to crew: cleared"),
        ("120 tick", "alert 3 to officer: overdue; leak escalated"),
        ("300 tick", "alert 4 to chief: overdue; leak escalated"),
        ("600 tick", "alert 5 to bureau: overdue; leak escalated"),
    ]);
    let silent = crate::site::Tag { silent_ms: 1_000_000, blind_severity: Orange, ..gas(&[limit(High, 40.0, Orange)]) };
    Timeline::answering(&laddered(plant(vec![silent]))).check(&[
        ("0 gas=1", ""),
        ("1000 tick", "device.silent opened orange; alert 1 to crew: opened"),
        ("1010 gas=1", "device.silent cleared; update 2 to crew: cleared"),
        ("1120 tick", "alert 3 to officer: overdue; device.silent escalated"),
        ("1300 tick", "alert 4 to chief: overdue; device.silent escalated"),
        ("1990 tick", ""),
    ]);
}

#[test]
fn an_acknowledgement_stops_what_waits_for_one_and_not_what_waits_for_the_end() {
    told(&[
        ("0 rule leak=orange", "leak opened orange; alert 1 to crew: opened"),
        ("120 tick", "alert 2 to officer: overdue; leak escalated"),
        ("299 ack 1", "leak acknowledged; update 3 to crew: acknowledged; update 4 to officer: acknowledged; done"),
        ("600 tick", "alert 5 to bureau: overdue; leak escalated"),
        ("3400 tick", ""),
    ]);
    // At the second of the deadline, the deadline comes first.
    told(&[
        ("0 rule leak=yellow", "leak opened yellow; alert 1 to crew: opened"),
        (
            "300 ack 1",
            "alert 2 to officer: overdue; leak escalated; leak acknowledged; \
             update 3 to crew: acknowledged; done; update 4 to officer: acknowledged",
        ),
    ]);
    told(&[
        ("0 rule leak=orange", "leak opened orange; alert 1 to crew: opened"),
        ("119 ack 1", "leak acknowledged; update 2 to crew: acknowledged; done"),
        ("599 rule leak=clear", "leak cleared; update 3 to crew: cleared"),
        ("5000 tick", ""),
    ]);
}

#[test]
fn a_raise_tells_who_knew_at_once_and_an_answered_one_begins_the_climb_again() {
    told(&[
        ("0 rule leak=yellow", "leak opened yellow; alert 1 to crew: opened"),
        ("10 ack 1", "leak acknowledged; update 2 to crew: acknowledged; done"),
        ("100 rule leak=orange", "leak raised orange; update 3 to crew: raised"),
        ("220 tick", "alert 4 to officer: overdue; leak escalated"),
        (
            "221 rule leak=red",
            "leak raised red; update 5 to crew: raised; update 6 to officer: raised; alert 7 to bureau: opened",
        ),
        // Nobody has answered since 100: the chief's 180 seconds count from there.
        ("280 tick", "alert 8 to chief: overdue; leak escalated"),
        ("2900 tick", ""),
    ]);
}

#[test]
fn a_raise_that_nobody_answered_does_not_postpone_anybody() {
    told(&[
        ("0 rule leak=yellow", "leak opened yellow; alert 1 to crew: opened"),
        ("119 rule leak=orange", "leak raised orange; update 2 to crew: raised"),
        ("120 tick", "alert 3 to officer: overdue; leak escalated"),
        ("130 rule leak=blue", "leak lowered blue"),
        ("131 rule leak=orange", ""), // what is shown never fell
        ("300 tick", "alert 4 to chief: overdue; leak escalated"),
    ]);
    // Late in the day every rung of the new level is overdue.
    told(&[
        ("0 rule leak=blue", "leak opened blue; alert 1 to crew: opened"),
        (
            "1000 rule leak=orange",
            "leak raised orange; update 2 to crew: raised; alert 3 to officer: overdue; \
             alert 4 to chief: overdue; alert 5 to bureau: overdue",
        ),
    ]);
}

#[test]
fn cleared_and_unanswered_orange_goes_on_and_yellow_waits() {
    told(&[
        ("0 rule leak=orange", "leak opened orange; alert 1 to crew: opened"),
        ("50 rule leak=clear", "leak cleared; update 2 to crew: cleared"),
        ("120 tick", "alert 3 to officer: overdue; leak escalated"),
        ("300 tick", "alert 4 to chief: overdue; leak escalated"),
        ("600 tick", "alert 5 to bureau: overdue; leak escalated"),
        ("3400 tick", ""),
    ]);
    told(&[
        ("0 rule leak=yellow", "leak opened yellow; alert 1 to crew: opened"),
        ("50 rule leak=clear", "leak cleared; update 2 to crew: cleared"),
        ("400 tick", ""),
        // It came back before anybody answered: the officer is overdue.
        ("401 rule leak=yellow", "leak reopened yellow; update 3 to crew: reopened; alert 4 to officer: overdue"),
        ("5000 tick", ""),
    ]);
}

#[test]
fn chatter_does_not_postpone_a_call() {
    told(&[
        ("0 rule leak=orange", "leak opened orange; alert 1 to crew: opened"),
        ("50 rule leak=clear", "leak cleared; update 2 to crew: cleared"),
        ("60 rule leak=orange", "leak reopened orange; update 3 to crew: reopened"),
        ("100 rule leak=clear", "leak cleared; update 4 to crew: cleared"),
        ("110 rule leak=orange", "leak reopened orange; update 5 to crew: reopened"),
        ("120 tick", "alert 6 to officer: overdue; leak escalated"),
    ]);
    // An answered one that comes back is nobody's: it climbs from the bottom.
    told(&[
        ("0 rule leak=yellow", "leak opened yellow; alert 1 to crew: opened"),
        ("10 ack 1", "leak acknowledged; update 2 to crew: acknowledged; done"),
        ("50 rule leak=clear", "leak cleared; update 3 to crew: cleared"),
        ("1000 rule leak=yellow", "leak reopened yellow; update 4 to crew: reopened"),
        ("1300 tick", "alert 5 to officer: overdue; leak escalated"),
    ]);
}

#[test]
fn a_closed_alarm_is_over_and_the_same_danger_opens_a_new_one() {
    told(&[
        ("0 rule leak=orange", "leak opened orange; alert 1 to crew: opened"),
        ("1 close 1", "not yet: cleared"),
        ("2 rule leak=clear", "leak cleared; update 2 to crew: cleared"),
        ("3 close 1", "not yet: acknowledged"),
        ("4 ack 1", "leak acknowledged; update 3 to crew: acknowledged; done"),
        ("5 close 1", "leak closed; cancel 4 to crew: closed; done"),
        ("1000 rule leak=orange", "leak opened orange; alert 5 to crew: opened"),
        ("1120 tick", "alert 6 to officer: overdue; leak escalated"),
    ]);
}

#[test]
fn a_restart_loses_no_rung_and_repeats_none() {
    let mut now = Timeline::answering(&guarded());
    now.check(&[
        ("0 start", ""),
        ("1 gas=50", "gas.high opened orange; alert 1 to crew: opened"),
        ("121 tick", "alert 2 to officer: overdue; gas.high escalated"),
        ("296 stop", ""),
    ]);
    now.crash();
    // The chief's deadline passed while nobody was there.
    now.check(&[
        ("303 start", "alert 3 to chief: overdue; gas.high escalated"),
        ("601 tick", "alert 4 to bureau: overdue; gas.high escalated"),
    ]);
    now.crash();
    now.check(&[
        ("605 start", ""),
        (
            "700 gas=70",
            "gas.high raised red; update 5 to crew: raised; update 6 to officer: raised; \
             update 7 to chief: raised; update 8 to bureau: raised",
        ),
    ]);
    now.crash();
    now.check(&[
        ("705 start", ""),
        (
            "710 ack 1",
            "gas.high acknowledged; update 9 to bureau: acknowledged; update 10 to chief: acknowledged; \
             update 11 to crew: acknowledged; update 12 to officer: acknowledged; done",
        ),
        ("3000 tick", ""),
    ]);
}

#[test]
fn the_alarm_knows_how_far_it_has_climbed() {
    let mut now = Timeline::answering(&guarded());
    for (second, what, rung, told) in [
        (0.0, "gas=50", "crew", 1),
        (119.0, "tick", "crew", 1),
        (120.0, "tick", "officer", 2),
        (121.0, "gas=70", "bureau", 5),
        (180.0, "tick", "bureau", 6), // the chief is no step down
    ] {
        now.only(second, what);
        let alarm = now.brain.alarm(crate::AlarmId(1)).unwrap();
        assert_eq!((alarm.escalation.rung.as_str(), alarm.escalation.told.len()), (rung, told), "at {second}");
    }
}

/// Who is new on the ladder has not been told, whoever held the rung before; who was told is not told again.
#[test]
fn a_changed_ladder_reaches_the_alarms_that_stand() {
    let before = guarded();
    let mut renamed = before.clone();
    renamed.audiences[0].name = "crew2".into();
    let mut added = before.clone();
    added.ladders[0].rungs.push(crate::site::Rung::new("gate", 4, AtOnce, [Some(0); 4]));
    added.audiences.push(crate::site::Audience::new("gate", crate::words::Words::same("gate"), false));
    for (after, start) in [
        (&before, ""),
        (&renamed, "alert 3 to crew2: opened; gas.high escalated"),
        (&added, "alert 3 to gate: opened; gas.high escalated"),
    ] {
        let mut now = Timeline::answering(&before);
        now.check(&[
            ("0 start", ""),
            ("1 gas=50", "gas.high opened orange; alert 1 to crew: opened"),
            ("121 tick", "alert 2 to officer: overdue; gas.high escalated"),
            ("125 stop", ""),
        ]);
        now.reconfigure(after);
        now.check(&[("126 start", start), ("127 start", "")]);
    }
}

/// An alarm that comes and goes fills the list of who was told; the bureau and the level it was told at stay on it.
#[test]
fn coming_and_going_forgets_nobody_who_was_told_and_no_level() {
    let plant = Site { rules: vec![rule(vec![hazard("leak", Red)], 0)], ..plant(vec![]) };
    let mut alone = plant.clone();
    ladder(&mut alone, &[("crew", AtOnce, [Some(0); 4])]);
    for (site, ends) in [(laddered(plant), ["crew", "bureau"].as_slice()), (alone, &["crew"])] {
        let mut now = Timeline::answering(&site);
        now.only(0.0, "rule leak=red");
        now.only(0.1, "ack 1");
        for n in 1..=300 {
            let at = f64::from(n) * 100.0;
            now.only(at, "rule leak=clear");
            now.only(at + 0.1, "rule leak=blue");
            now.only(at + 0.2, "ack 1");
        }
        let effects = now.only(40_000.0, "rule leak=clear");
        assert!(ends.iter().all(|who| effects.contains(&format!("to {who}: cleared"))), "{effects}");
        let told = &now.brain.alarm(crate::AlarmId(1)).unwrap().escalation.told;
        assert_eq!(told.len(), 50);
        assert!(told.iter().any(|told| told.severity == Red), "a second person must close what was red");
    }
}

/// A plant is never silenced by its disk.
#[test]
fn the_ladder_is_climbed_while_nothing_can_be_recorded() {
    let mut now = Timeline::answering(&guarded());
    now.feed(&crate::Event::Unrecorded { detail: "full".into() });
    let told = |now: &mut Timeline, at: f64, line: &str, wanted: &[&str]| {
        let effects = now.only(at, line);
        assert!(wanted.iter().all(|wanted| effects.contains(wanted)), "at {at}: {effects}");
    };
    told(&mut now, 1.0, "gas=70", &["gas.high opened red", "to crew: opened", "to bureau: opened"]);
    told(&mut now, 61.0, "tick", &["to officer: overdue", "gas.high escalated"]);
    told(&mut now, 181.0, "tick", &["to chief: overdue"]);
}

/// Else a bureau that took it hears of it as of something new.
#[test]
fn what_a_person_answered_is_forgotten_last() {
    use crate::alarm::{Answers, Person, Told};
    let person = Person { name: "on duty".into(), role: "bureau".into(), station: String::new() };
    let row = |notice: u64| Told {
        rung: "bureau".into(),
        audience: "bureau".into(),
        occurrence: 1,
        severity: Red,
        at: 0,
        notice,
        repeat: 0,
        answers: Answers { person: (notice < 2).then(|| (person.clone(), 1)), ..Answers::default() },
    };
    let mut told: Vec<Told> = (0..5).map(row).collect();
    let mut forgotten = vec![];
    while let Some(gone) = {
        let before = told.clone();
        super::forget_one(&mut told);
        before.into_iter().find(|row| !told.contains(row))
    } {
        forgotten.push(gone.notice);
    }
    assert_eq!(forgotten, [2, 3, 0, 1], "the last word stays");
    // Answers to earlier occurrences count no more: they go before the first word of the present one.
    let mut told: Vec<Told> = (1..4).map(|n| Told { occurrence: if n < 2 { 1 } else { 2 }, ..row(n) }).collect();
    super::forget_one(&mut told);
    assert_eq!(told.iter().map(|row| row.notice).collect::<Vec<_>>(), [2, 3]);
}

mod rungs;

/// Somebody took it, it eased, and it got worse again: all who were told before hear of it, once, and the climb begins anew.
#[test]
fn what_gets_worse_after_somebody_took_it_is_told_to_all_again() {
    told(&[
        ("0 rule leak=red", "leak opened red; alert 1 to crew: opened; alert 2 to bureau: opened"),
        ("5 ack 1", "leak acknowledged; update 3 to bureau: acknowledged; update 4 to crew: acknowledged; done"),
        ("10 rule leak=orange", "leak lowered orange"),
        ("20 rule leak=red", "leak raised red; update 5 to crew: raised; update 6 to bureau: raised"),
        ("30 rule leak=orange", "leak lowered orange"),
        ("40 rule leak=red", ""),
        ("80 tick", "alert 7 to officer: overdue; leak escalated"),
        ("200 tick", "alert 8 to chief: overdue; leak escalated"),
    ]);
}

/// What was done is told to the bureau, whose clock for it runs on otherwise.
#[test]
fn a_handling_note_goes_to_the_bureau() {
    told(&[
        ("0 rule leak=red", "leak opened red; alert 1 to crew: opened; alert 2 to bureau: opened"),
        ("5 note 1", "leak handled; update 3 to bureau: handled; done"),
    ]);
}
