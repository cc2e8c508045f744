//! Rungs that repeat, tell several side by side, or wait for more than time.

use super::{laddered, rule};
use crate::calendar::{Calendar, Window};
use crate::harness::{Timeline, hazard, plant};
use crate::site::RungKind::{AtOnce, Open, Unacknowledged, Unhandled};
use crate::site::Severity::Red;
use crate::site::{Ladder, Only, Repeat, Rung, Site};
use crate::words::Words;

fn site() -> Site {
    laddered(Site { rules: vec![rule(vec![hazard("leak", Red), hazard("gas.low", Red)], 0)], ..plant(vec![]) })
}

/// Audiences of [`site`].
const CREW: usize = 0;
const OFFICER: usize = 1;
const CHIEF: usize = 2;
const BUREAU: usize = 3;

#[test]
fn a_rung_repeats_until_somebody_answers_and_no_oftener_than_it_says() {
    let mut site = site();
    site.ladders[0].rungs[OFFICER].repeat = Some(Repeat { every_s: 50, most: Some(2) });
    site.ladders[0].rungs.truncate(2);
    let opened = ("0 rule leak=yellow", "leak opened yellow; alert 1 to crew: opened");
    Timeline::answering(&site).check(&[
        opened,
        ("300 tick", "alert 2 to officer: overdue; leak escalated"),
        ("350 tick", "update 3 to officer: repeated; leak escalated"),
        ("400 tick", "update 4 to officer: repeated; leak escalated"),
        ("3000 tick", ""),
    ]);
    Timeline::answering(&site).check(&[
        opened,
        ("300 tick", "alert 2 to officer: overdue; leak escalated"),
        ("349 ack 1", "leak acknowledged; update 3 to crew: acknowledged; update 4 to officer: acknowledged; done"),
        ("3000 tick", ""),
    ]);
    // Raised, it begins anew: nobody has answered that.
    let mut now = Timeline::answering(&site);
    now.check(&[
        opened,
        ("300 tick", "alert 2 to officer: overdue; leak escalated"),
        ("340 rule leak=red", "leak raised red; update 3 to crew: raised; update 4 to officer: raised"),
        ("390 tick", "update 5 to officer: repeated; leak escalated"),
    ]);
    // A restart repeats nothing, and loses none.
    now.crash();
    now.check(&[("440 tick", "update 6 to officer: repeated; leak escalated"), ("2000 tick", "")]);
}

/// The plant's answer does not stop the call to the bureau; that of a named person there does, and all who were told hear of it.
#[test]
fn the_bureau_is_called_again_until_a_person_there_answers() {
    let mut site = site();
    site.ladders[0].rungs = vec![
        Rung::new("crew", CREW, AtOnce, [Some(0); 4]),
        Rung { repeat: Some(Repeat { every_s: 120, most: None }), ..Rung::new("bureau", BUREAU, Open, [Some(0); 4]) },
    ];
    let mut alone = Timeline::answering(&site);
    alone.only(0.0, "rule leak=red");
    let called = (1..=500).filter(|n| alone.only(f64::from(*n) * 120.0, "tick").contains("to bureau: repeated")).count();
    assert_eq!(called, 500, "there is no end to it but an answer");
    let to_bureau = |now: &Timeline| {
        let told = &now.brain.alarm(crate::AlarmId(1)).unwrap().escalation.told;
        told.iter().filter(|row| row.audience == "bureau").count()
    };
    assert_eq!(to_bureau(&alone), 2, "what was new, and what was said last");
    // An answer to what was said before that comes late, and is one.
    let late = alone.only(60_001.0, "accepted 501");
    assert!(late.contains("notice 501 acknowledged") && late.contains("to crew: accepted"), "{late}");
    assert!((501..=520).all(|n| !alone.only(f64::from(n) * 120.0, "tick").contains("repeated")), "it goes on");
    Timeline::answering(&site).check(&[
        ("0 rule leak=red", "leak opened red; alert 1 to crew: opened; alert 2 to bureau: opened"),
        ("10 ack 1", "leak acknowledged; update 3 to bureau: acknowledged; update 4 to crew: acknowledged; done"),
        ("120 tick", "update 5 to bureau: repeated; leak escalated"),
        ("200 accepted 5", "notice 5 acknowledged; leak escalated; update 6 to crew: accepted"),
        ("2000 tick", ""),
    ]);
}

/// What a person at one bureau answers silences the call to no other.
#[test]
fn each_bureau_is_called_again_until_a_person_there_answers() {
    let mut site = site();
    site.audiences[CHIEF].bureau = true;
    site.audiences[CHIEF].name = "city".into();
    let repeat = Some(Repeat { every_s: 100, most: Some(2) });
    site.ladders[0].rungs = vec![
        Rung { repeat, ..Rung::new("county", BUREAU, Open, [Some(0); 4]) },
        Rung { repeat, ..Rung::new("city", CHIEF, Open, [Some(0); 4]) },
    ];
    Timeline::answering(&site).check(&[
        ("0 rule leak=red", "leak opened red; alert 1 to bureau: opened; alert 2 to city: opened"),
        ("10 accepted 1", "notice 1 acknowledged; leak escalated; update 3 to city: accepted"),
        ("100 tick", "update 4 to city: repeated; leak escalated"),
        ("150 accepted 4", "notice 4 acknowledged"),
        // Taken back: it is called again.
        ("160 refused 4", "notice 4 rejected; leak escalated; notice.rejected opened orange; alert 5 to bureau: opened"),
        ("200 tick", "update 6 to city: repeated; leak escalated; update 7 to bureau: cleared"),
    ]);
}

/// Taken, and nothing noted of what was done: who is told of that hears it, and again, until somebody writes it down.
#[test]
fn what_is_taken_and_not_handled_is_told_until_somebody_notes_what_was_done() {
    let mut site = site();
    site.ladders[0].rungs = vec![
        Rung::new("crew", CREW, AtOnce, [Some(0); 4]),
        Rung {
            repeat: Some(Repeat { every_s: 100, most: Some(9) }),
            ..Rung::new("handling", OFFICER, Unhandled, [Some(900); 4])
        },
    ];
    let rows = |last: &'static [(&'static str, &'static str)]| {
        let first = [
            ("0 rule leak=yellow", "leak opened yellow; alert 1 to crew: opened"),
            ("10 ack 1", "leak acknowledged; update 2 to crew: acknowledged; done"),
        ];
        Timeline::answering(&site).check(&first.into_iter().chain(last.iter().copied()).collect::<Vec<_>>());
    };
    rows(&[("20 note 1", "leak handled; done"), ("5000 tick", "")]);
    rows(&[
        ("900 tick", "alert 3 to officer: overdue; leak escalated"),
        ("1000 tick", "update 4 to officer: repeated; leak escalated"),
        ("1050 note 1", "leak handled; done"),
        ("5000 tick", ""),
    ]);
    // Worse than what was taken and noted: that has its own time.
    rows(&[
        ("20 note 1", "leak handled; done"),
        ("2000 rule leak=red", "leak raised red; update 3 to crew: raised"),
        ("2010 ack 1", "leak acknowledged; update 4 to crew: acknowledged; done"),
        ("2900 tick", "alert 5 to officer: overdue; leak escalated"),
        ("2950 note 1", "leak handled; done"),
        ("9000 tick", ""),
    ]);
    // Over before that: it needs nobody any more.
    rows(&[("30 rule leak=clear", "leak cleared; update 3 to crew: cleared"), ("5000 tick", "")]);
}

#[test]
fn one_rung_tells_several_side_by_side_each_once() {
    let mut site = site();
    site.ladders[0].rungs[OFFICER].audiences = vec![OFFICER, CHIEF];
    site.ladders[0].rungs.remove(CHIEF);
    Timeline::answering(&site).check(&[
        ("0 rule leak=yellow", "leak opened yellow; alert 1 to crew: opened"),
        ("300 tick", "alert 2 to officer: overdue; leak escalated; alert 3 to chief: overdue"),
        ("310 ack 1", "leak acknowledged; update 4 to chief: acknowledged; update 5 to crew: acknowledged; update 6 to officer: acknowledged; done"),
        ("3000 tick", ""),
    ]);
}

#[test]
fn a_level_may_have_a_ladder_of_its_own() {
    let mut site = site();
    site.ladders.push(Ladder { name: "loud".into(), rungs: vec![Rung::new("all", BUREAU, AtOnce, [Some(0); 4])] });
    site.zones[0].ladder = [0, 0, 0, 1];
    Timeline::answering(&site).check(&[
        ("0 rule leak=yellow", "leak opened yellow; alert 1 to crew: opened"),
        // Who was told of the lesser level by another ladder hears that it is worse.
        ("10 rule leak=red", "leak raised red; alert 2 to bureau: opened; update 3 to crew: raised"),
        ("20 ack 1", "leak acknowledged; update 4 to bureau: acknowledged; update 5 to crew: acknowledged; done"),
        ("2000 tick", ""),
    ]);
}

#[test]
fn a_rung_may_be_for_some_hazards_and_zones_alone() {
    let mut site = site();
    site.ladders[0].rungs[OFFICER].only = Only { hazards: vec!["gas".into()], zones: vec![0], ..Only::default() };
    site.ladders[0].rungs.truncate(2);
    Timeline::answering(&site).check(&[
        ("0 rule leak=red", "leak opened red; alert 1 to crew: opened"),
        ("1 rule gas.low=red", "gas.low opened red; alert 2 to crew: opened"),
        ("61 tick", "alert 3 to officer: overdue; gas.low escalated"),
        ("1000 tick", ""),
    ]);
}

/// The plant's clock shows Monday 21:46:40 at second 0: a quarter of an hour is 800 s away.
#[test]
fn a_rung_for_hours_of_work_waits_for_them() {
    let mut site = site();
    site.calendars = vec![Calendar {
        name: "late".into(),
        title: Words::same("late"),
        windows: vec![Window { days: [true; 7], from: 22 * 60, to: 23 * 60 }],
        holidays: vec![],
        workdays: vec![],
    }];
    let with = |only: Only| {
        let mut site = site.clone();
        site.ladders[0].rungs[OFFICER].only = only;
        site.ladders[0].rungs.truncate(2);
        site
    };
    let (inside, outside) =
        (with(Only { within: Some(0), ..Only::default() }), with(Only { outside: Some(0), ..Only::default() }));
    let opened = ("0 rule leak=red", "leak opened red; alert 1 to crew: opened");
    Timeline::answering(&inside).check(&[opened, ("800 tick", "alert 2 to officer: overdue; leak escalated"), ("9000 tick", "")]);
    Timeline::answering(&inside).check(&[
        opened,
        ("500 ack 1", "leak acknowledged; update 2 to crew: acknowledged; done"),
        ("9000 tick", ""),
    ]);
    Timeline::answering(&outside).check(&[opened, ("60 tick", "alert 2 to officer: overdue; leak escalated"), ("9000 tick", "")]);
    // The clock is set to 22:46: outside waits until 23:00.
    Timeline::answering(&outside).check(&[
        opened,
        ("10 clock 1", ""),
        ("11 tick", "system.clock opened yellow; alert 2 to crew: opened"),
        ("610 tick", "system.clock cleared; update 3 to crew: cleared"),
        ("800 tick", "alert 4 to officer: overdue; leak escalated"),
    ]);
    // Nobody knows the time: whoever may be meant is told.
    let mut now = Timeline::answering(&inside);
    now.only(0.0, "rule leak=red");
    now.only(10.0, "clock 1000000 wrong");
    now.only(11.0, "tick");
    let effects: String = (12..=60).map(|second| now.only(f64::from(second), "tick")).collect();
    assert!(effects.contains("to officer: overdue"), "{effects}");
}

#[test]
fn a_rung_may_wait_for_what_another_audience_did_not_do() {
    let with = |only: Only| {
        let mut site = site();
        site.ladders[0].rungs.truncate(1);
        site.ladders[0].rungs.push(Rung { only, ..Rung::new("chief", CHIEF, Unacknowledged, [Some(30); 4]) });
        site
    };
    let opened = ("0 rule leak=red", "leak opened red; alert 1 to crew: opened");
    let no_receipt = with(Only { no_receipt: Some(CREW), ..Only::default() });
    Timeline::new(&no_receipt).check(&[opened, ("0.5 receipt 1", "notice 1 received"), ("900 tick", "")]);
    let mut now = Timeline::new(&no_receipt);
    now.only(0.0, "rule leak=red");
    let effects: String = (1..=30).map(|second| now.only(f64::from(second), "tick")).collect();
    assert!(effects.ends_with("alert 2 to chief: overdue; leak escalated"), "{effects}");
    // Its time counts from the last word: a raise is a word of its own.
    let mut now = Timeline::new(&no_receipt);
    now.only(0.0, "rule leak=orange");
    now.only(0.5, "receipt 1");
    now.only(100.0, "rule leak=red");
    let told = (101..200).find(|second| now.only(f64::from(*second), "tick").contains("to chief: overdue"));
    assert_eq!(told, Some(130));

    let no_answer = with(Only { no_answer: Some(CREW), ..Only::default() });
    Timeline::new(&no_answer).check(&[
        opened,
        ("0.5 receipt 1", "notice 1 received"),
        ("30 tick", "alert 2 to chief: overdue; leak escalated"),
    ]);
    Timeline::new(&no_answer).check(&[opened, ("0.5 accepted 1", "notice 1 acknowledged"), ("900 tick", "")]);

    // However often it is said again to the crew, the chief's time counts from what was new.
    let mut again = no_answer.clone();
    again.ladders[0].rungs[0].repeat = Some(Repeat { every_s: 10, most: None });
    let mut now = Timeline::answering(&again);
    now.only(0.0, "rule leak=red");
    let told = (1..100).find(|second| now.only(f64::from(*second), "tick").contains("to chief: overdue"));
    assert_eq!(told, Some(30));

    let unreachable = with(Only { unreachable: Some(CREW), ..Only::default() });
    let mut now = Timeline::new(&unreachable);
    now.only(0.0, "rule leak=red");
    let quiet: String = (1..=100).map(|second| now.only(f64::from(second), "tick")).collect();
    assert!(!quiet.contains("chief"), "no try has failed: {quiet}");
    now.only(100.5, "failed 1");
    let told = (101..300).find(|second| now.only(f64::from(*second), "tick").contains("to chief: overdue"));
    assert_eq!(told, Some(131));
}
