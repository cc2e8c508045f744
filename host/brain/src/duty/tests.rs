//! Who is on duty as timelines. Second 800 of a timeline is Monday 22:00 by the plant's clock.

use crate::calendar::{Roster, Shift, Window};
use crate::harness::{Timeline, hazard, ladder, plant, rule};
use crate::site::RungKind::{AtOnce, Unacknowledged};
use crate::site::Severity::Red;
use crate::site::Site;
use crate::words::Words;
use crate::{AlarmId, NoticeId};

fn shift(name: &str, from: u16, to: u16, people: &[&str]) -> Shift {
    let window = Window { days: [true; 7], from: from * 60, to: to * 60 };
    Shift { name: name.into(), window, cycle: None, people: people.iter().map(|name| (*name).to_owned()).collect() }
}

/// Crew always, officers by a roster of two shifts and a hole from 16:00 to 22:00, the chief by nobody's.
fn site(hand_over_s: Option<u32>) -> Site {
    let mut site = Site { rules: vec![rule(vec![hazard("leak", Red)], 0)], ..plant(vec![]) };
    let rungs = [
        ("crew", AtOnce, [Some(0); 4]),
        ("officer", Unacknowledged, [Some(600), Some(300), Some(120), Some(60)]),
        ("chief", Unacknowledged, [Some(6_000), Some(3_000), Some(1_200), Some(600)]),
    ];
    ladder(&mut site, &rungs);
    site.rosters = vec![Roster {
        name: "officers".into(),
        title: Words::same("officers"),
        shifts: vec![shift("first", 22, 10, &["ann", "bob"]), shift("second", 10, 16, &["cid"])],
        stand_ins: vec!["dan".into()],
        hand_over_s,
    }];
    site.audiences[1].roster = Some(0);
    site
}

fn present(now: &Timeline) -> String {
    now.brain.duties().next().map(|(_, duty)| duty.present().cloned().collect::<Vec<_>>().join(" ")).unwrap_or_default()
}

/// The second of the timeline, hours after 22:00.
fn after(hours: f64) -> f64 {
    800.0 + hours * 3_600.0
}

#[test]
fn who_is_on_duty_is_told_by_name_and_changes_with_the_plan() {
    let mut now = Timeline::answering(&site(None));
    now.check(&[
        ("800 start", ""),
        ("801 rule leak=red", "leak opened red; alert 1 to crew: opened"),
        ("861 tick", "alert 2 to officer: overdue; leak escalated"),
    ]);
    assert_eq!(now.brain.notice(NoticeId(2)).unwrap().notice.duty, ["ann", "bob"]);
    assert_eq!(now.brain.notice(NoticeId(1)).unwrap().notice.duty, [] as [&str; 0], "the crew has no roster");
    let comes = |now: &Timeline| {
        let (roster, _) = now.brain.duties().next()?;
        now.brain.next_shift(roster).map(|(at, people)| (at, people.join(" ")))
    };
    let (ends, who) = comes(&now).unwrap();
    assert_eq!(
        ((ends - now.brain.clock().wall(now.brain.now())) / 60_000_000, who.as_str()),
        (718, "cid"),
        "twelve hours after 22:00"
    );
    for (hours, who) in [(11.9998, "ann bob"), (12.0001, "cid"), (17.9998, "cid"), (18.0001, ""), (24.0001, "ann bob")] {
        now.only(after(hours), "tick");
        assert_eq!(present(&now), who, "after {hours} h");
    }
    // Another clock is another plan: it is 10:06 now.
    now.only(after(24.1), "clock 12");
    now.only(after(24.1) + 1.0, "tick");
    assert_eq!(present(&now), "cid");
    // One that cannot be believed ends no shift, and then everybody is named.
    now.only(after(25.0), "clock 100000 wrong");
    now.only(after(25.0) + 1.0, "rule leak=clear");
    now.only(after(25.0) + 2.0, "rule leak=red");
    now.only(after(25.0) + 70.0, "tick");
    assert_eq!((present(&now).as_str(), comes(&now)), ("cid", None));
    let last = now.brain.outbox().filter(|row| row.notice.audience == "officer").last().unwrap();
    assert_eq!(last.notice.duty, ["ann", "bob", "cid", "dan"]);
}

/// The chief is told at once, and that nobody is on duty, once, until somebody is there.
#[test]
fn where_nobody_is_on_duty_the_next_rung_speaks_at_once() {
    let mut now = Timeline::answering(&site(None));
    now.only(800.0, "start");
    now.only(after(19.0), "tick");
    now.check(&[
        ("69201 rule leak=red", "leak opened red; alert 1 to crew: opened"),
        (
            "69261 tick",
            "ladder.unstaffed opened orange; alert 2 to crew: opened; alert 3 to officer: overdue; leak escalated; \
             alert 4 to chief: overdue",
        ),
        // Its own ladder finds nobody either, and does not begin anew.
        ("69381 tick", "alert 5 to officer: overdue; ladder.unstaffed escalated; alert 6 to chief: overdue"),
        ("69500 tick", ""),
    ]);
    // At 22:00 somebody is.
    let effects = now.only(after(24.0), "tick");
    assert!(effects.contains("ladder.unstaffed cleared"), "{effects}");
    // Somebody on duty who leaves without relief: the chief is due that moment, not after an hour.
    let mut now = Timeline::answering(&site(None));
    now.only(800.0, "start");
    now.only(after(17.5), "rule leak=blue");
    let effects = now.only(after(17.5) + 600.0, "tick");
    assert!(effects.contains("to officer") && !effects.contains("chief"), "cid is there: {effects}");
    assert_eq!(now.only(after(18.0) - 1.0, "tick"), "");
    let effects = now.only(after(18.0), "tick");
    assert!(effects.contains("to chief: overdue"), "{effects}");
}

#[test]
fn a_shift_is_over_when_somebody_has_taken_over_with_all_alarms_before_their_eyes() {
    let mut now = Timeline::answering(&site(Some(600)));
    now.check(&[
        ("800 start", ""),
        ("801 rule leak=blue", "leak opened blue; alert 1 to crew: opened"),
        ("802 ack 1", "leak acknowledged; update 2 to crew: acknowledged; done"),
        ("803 take officers ann 1", "not yet: hand_over"),
        ("804 over officers eve ann", "not yet: on_duty"),
        ("805 over officers ann eve", "not yet: on_roster"),
        ("806 over nobody ann bob", "no such alarm or rule"),
        ("43999 tick", ""),
        ("44005 take officers cid", "not yet: alarms"),
        ("44006 take officers dan 1", "not yet: hand_over"),
    ]);
    assert_eq!(present(&now), "cid ann bob", "both count");
    now.check(&[
        ("44010 take officers cid 1 99", "done"),
        ("44011 take officers cid 1", "not yet: hand_over"),
        ("45000 tick", ""),
    ]);
    assert_eq!(present(&now), "cid");
    let (_, duty) = now.brain.duties().next().unwrap();
    let last = duty.log.back().unwrap();
    assert_eq!((last.from.join(" ").as_str(), last.to.name.as_str(), &last.alarms[..]), ("ann bob", "cid", &[AlarmId(1)][..]));
    // The same after a crash: the record has it.
    now.crash();
    assert_eq!(present(&now), "cid");
}

#[test]
fn a_hand_over_that_nobody_accepts_in_time_is_an_alarm_until_somebody_does() {
    let mut now = Timeline::answering(&site(Some(600)));
    now.only(800.0, "start");
    now.only(43_990.0, "tick");
    now.check(&[
        ("44600 tick", "ladder.hand-over opened yellow; alert 1 to crew: opened"),
        ("44601 take officers cid", "not yet: alarms"),
        ("44602 take officers cid 1", "ladder.hand-over cleared; update 2 to crew: cleared; done"),
        ("44800 tick", ""),
    ]);
    // A stand-in, in the middle of a shift.
    let mut now = Timeline::answering(&site(None));
    now.check(&[
        ("800 start", ""),
        ("810 over officers ann dan", "done"),
        ("1710 tick", "ladder.hand-over opened yellow; alert 1 to crew: opened"),
        ("1720 take officers dan 1", "ladder.hand-over cleared; update 2 to crew: cleared; done"),
    ]);
    assert_eq!(present(&now), "bob dan");
}
