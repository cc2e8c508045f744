//! The built-in guards as timelines: limits, delays, bad values, silence, standing still, links, starts.

use crate::harness::{Timeline, gas, limit, plant, timeline};
use crate::site::LimitKind::{Fall, High, Low, Rise};
use crate::site::Severity::{Orange, Red, Yellow};
use crate::site::{Limit, Site, Tag};

fn one(limit: Limit) -> Site {
    plant(vec![gas(&[limit])])
}

#[test]
fn the_limit_itself_is_dangerous() {
    timeline(
        &one(limit(High, 50.0, Red)),
        &[
            ("0 gas=49.999", ""),
            ("1 gas=50", "gas.high opened red"),
            ("2 gas=50", ""),
            ("3 gas=49.999", "gas.high cleared"),
            ("4 gas=100", "gas.high reopened red"),
        ],
    );
    timeline(
        &one(limit(Low, 19.5, Orange)),
        &[("0 gas=19.501", ""), ("1 gas=19.5", "gas.low opened orange"), ("2 gas=19.501", "gas.low cleared")],
    );
}

#[test]
fn the_deadband_acts_on_the_clearing_side_only() {
    timeline(
        &one(Limit { deadband: 5.0, ..limit(High, 50.0, Red) }),
        &[
            ("0 gas=49", ""),
            ("1 gas=50", "gas.high opened red"),
            ("2 gas=46", ""),
            ("3 gas=45", ""),
            ("4 gas=44.9", "gas.high cleared"),
            ("5 gas=49", ""),
        ],
    );
    timeline(
        &one(Limit { deadband: 1.0, ..limit(Low, 19.5, Red) }),
        &[("0 gas=19.5", "gas.low opened red"), ("1 gas=20.5", ""), ("2 gas=20.6", "gas.low cleared")],
    );
}

#[test]
fn danger_must_hold_and_so_must_its_absence() {
    let delayed = one(Limit { on_delay_ms: 5_000, off_delay_ms: 10_000, ..limit(High, 50.0, Orange) });
    timeline(
        &delayed,
        &[
            ("0 gas=60", ""),
            ("3 gas=40", ""),
            ("4 gas=60", ""),
            // No reading is needed: the time alone opens it, and clears it.
            ("9 tick", "gas.high opened orange"),
            ("20 gas=40", ""),
            ("25 gas=60", ""),
            ("26 gas=40", ""),
            ("36 tick", "gas.high cleared"),
        ],
    );
    // What cannot be believed goes on being danger on the way up, and keeps an alarm standing on the way down.
    timeline(
        &delayed,
        &[
            ("0 gas=60", ""),
            ("3 gas=40~late", ""),
            ("5 tick", "gas.high opened orange"),
            ("10 gas=40", ""),
            ("15 gas=40~late", ""),
            ("60 gas=40", ""),
            ("70 tick", "gas.high cleared"),
        ],
    );
}

#[test]
fn two_limits_of_one_hazard_are_one_alarm_at_the_worse_level() {
    let site = plant(vec![gas(&[limit(High, 20.0, Orange), limit(High, 50.0, Red)])]);
    timeline(
        &site,
        &[
            ("0 gas=10", ""),
            ("1 gas=20", "gas.high opened orange"),
            ("2 gas=50", "gas.high raised red"),
            ("3 gas=30", "gas.high lowered orange"),
            ("4 gas=10", "gas.high cleared"),
            ("5 gas=60", "gas.high reopened red"),
        ],
    );
    // The higher limit does not wait for the delay of the lower one.
    let slow = Limit { on_delay_ms: 60_000, ..limit(High, 20.0, Orange) };
    timeline(&plant(vec![gas(&[slow, limit(High, 50.0, Red)])]), &[("0 gas=60", "gas.high opened red"), ("60 tick", "")]);
}

#[test]
fn a_rate_is_taken_over_ten_to_sixty_seconds() {
    timeline(
        &one(limit(Rise, 30.0, Red)),
        &[
            ("0 gas=10", ""),
            ("9 gas=40", ""), // too short to tell
            ("30 gas=24", ""),
            ("30.5 gas=26", "gas.rise opened red"),
            ("60 gas=26", "gas.rise cleared"),
        ],
    );
    timeline(&one(limit(Rise, 30.0, Red)), &[("0 gas=10", ""), ("30 gas=25", "gas.rise opened red")]);
    timeline(
        &one(limit(Fall, 30.0, Yellow)),
        &[("0 gas=90", ""), ("30 gas=75.1", ""), ("40 gas=60", "gas.fall opened yellow"), ("99 gas=60", "gas.fall cleared")],
    );
}

/// A rate limit that can never be reached is a danger that nobody sees.
#[test]
fn a_rate_is_judged_at_any_pace_of_reading() {
    for (period_ms, readings) in [(10, 2_000), (50, 400), (1_000, 40), (60_001, 3), (120_000, 3), (86_400_000, 3)] {
        let period = period_ms as f64 / 1000.0;
        let rise = limit(Rise, 0.05, Red);
        // 0.1 a minute, read every `period`.
        let site = plant(vec![Tag { period_ms, high: 1e6, silent_ms: 3 * period_ms.max(1_000_000), ..gas(&[rise]) }]);
        let mut now = Timeline::new(&site);
        let got: Vec<String> = (0..readings)
            .map(|n| now.only(f64::from(n) * period, &format!("gas={}", 10.0 + f64::from(n) * period / 600.0)))
            .collect();
        assert!(got.iter().any(|effects| effects == "gas.rise opened red"), "never judged with a reading every {period_ms} ms");
    }
}

#[test]
fn a_value_that_cannot_be_is_an_alarm_of_its_own() {
    let site = plant(vec![Tag { blind_severity: Orange, ..gas(&[limit(High, 50.0, Red)]) }]);
    timeline(
        &site,
        &[
            ("0 gas=100", "gas.high opened red"),
            ("1 gas=0", "gas.high cleared"),
            ("2 gas=nan", "device.impossible opened orange"),
            ("3 gas=nan", ""),
            // A loose contact is one alarm: ten seconds without a bad value.
            ("4 gas=0", ""),
            ("13 gas=-0.1", ""),
            ("14 gas=0", ""),
            ("24 tick", "device.impossible cleared"),
            ("25 gas=-inf", "device.impossible reopened orange"),
            ("26 gas=0", ""),
            ("36 tick", "device.impossible cleared"),
            // Beyond the range: nobody knows whether the sensor or the hall is wrong, so both are said.
            ("37 gas=100.1", "gas.high reopened red; gas.high held; device.impossible reopened orange"),
            ("38 gas=0~sensor_failure", ""),
        ],
    );
}

#[test]
fn what_cannot_be_believed_never_clears() {
    let site = one(limit(High, 50.0, Red));
    timeline(
        &site,
        &[
            ("0 gas=60", "gas.high opened red"),
            ("1 gas=10~doubtful", ""),
            ("2 gas=10~late", ""),
            ("3 gas=10~by_hand", ""),
            ("4 gas=nan~sensor_failure", "gas.high held; device.impossible opened yellow"),
            ("5 gas=10~sensor_failure", ""),
            ("60 gas=10~doubtful", "gas.high believed"),
            ("61 gas=10", "gas.high cleared"),
            ("70 tick", "device.impossible cleared"),
        ],
    );
    timeline(&site, &[("0 gas=60~doubtful", "gas.high opened red")]);
    timeline(&site, &[("0 gas=60~sensor_failure", "gas.high opened red; gas.high held; device.impossible opened yellow")]);
}

#[test]
fn silence_is_told_at_its_second() {
    let site = plant(vec![Tag { silent_ms: 10_000, blind_severity: Orange, ..gas(&[limit(High, 50.0, Red)]) }]);
    timeline(
        &site,
        &[
            ("0 start", ""),
            ("10 tick", "device.silent opened orange"), // never heard of
            ("20 gas=10", "device.silent cleared"),
            ("25 gas=60", "gas.high opened red"),
            ("35 tick", "device.silent reopened orange; gas.high held"),
            ("99 tick", ""),
            ("100 gas=10", "device.silent cleared; gas.high believed; gas.high cleared"),
            ("110 tick", "device.silent reopened orange"),
        ],
    );
}

#[test]
fn silence_does_not_clear_what_was_falling() {
    let falling = Limit { off_delay_ms: 20_000, ..limit(High, 50.0, Red) };
    timeline(
        &plant(vec![Tag { silent_ms: 10_000, ..gas(&[falling]) }]),
        &[
            ("0 gas=60", "gas.high opened red"),
            ("1 gas=10", ""),
            ("11 tick", "device.silent opened yellow; gas.high held"),
            // Nobody saw the hall in between: the wait begins again.
            ("15 gas=10", "device.silent cleared; gas.high believed"),
            ("24 gas=10", ""),
            ("33 gas=10", ""),
            ("35 tick", "gas.high cleared"),
        ],
    );
    // What was rising rises.
    let rising = Limit { on_delay_ms: 20_000, ..limit(High, 50.0, Red) };
    timeline(
        &plant(vec![Tag { silent_ms: 10_000, ..gas(&[rising]) }]),
        &[("0 gas=60", ""), ("10 tick", "device.silent opened yellow"), ("20 tick", "gas.high opened red; gas.high held")],
    );
}

/// However long it was, or is said to have been by a clock that is wrong: what was seen before it ends nothing.
#[test]
fn a_stop_does_not_clear_what_was_falling() {
    let falling = Limit { off_delay_ms: 20_000, ..limit(High, 50.0, Red) };
    let mut now = Timeline::new(&plant(vec![Tag { silent_ms: 3_600_000, ..gas(&[falling]) }]));
    now.only(0.0, "start");
    assert!(now.only(1.0, "gas=60").contains("gas.high opened red"));
    now.only(2.0, "gas=10");
    now.only(3.0, "stop");
    for (second, what) in
        [(604_803.0, "start"), (604_804.0, "tick"), (604_830.0, "tick"), (604_831.0, "gas=10"), (604_850.0, "tick")]
    {
        let effects = now.only(second, what);
        assert!(!effects.contains("gas.high cleared"), "{what} at {second}: {effects}");
    }
    let effects = now.only(604_851.0, "tick");
    assert!(effects.contains("gas.high cleared"), "{effects}");
}

#[test]
fn standing_still_is_told_except_at_the_bottom_of_the_range() {
    let still = |low| plant(vec![Tag { frozen_ms: Some(5_000), low, ..gas(&[limit(High, 50.0, Red)]) }]);
    timeline(
        &still(0.0),
        &[
            ("0 start", ""),
            ("1 gas=0", ""), // a healthy detector reads zero for months
            ("100 gas=0", ""),
            ("101 gas=7", ""),
            ("105 gas=7", ""),
            ("106 tick", "device.frozen opened yellow"),
            ("107 gas=7", ""),
            ("120 gas=7.1", "device.frozen cleared"),
            ("124 gas=60", "gas.high opened red"),
            ("128 gas=60", ""),
            ("129 tick", "device.frozen reopened yellow; gas.high held"),
            ("130 gas=0", "device.frozen cleared; gas.high believed; gas.high cleared"),
        ],
    );
    timeline(
        &still(-5.0),
        &[
            ("0 start", ""),
            ("1 gas=0", ""),
            ("6 tick", "device.frozen opened yellow"),
            ("7 gas=-5", "device.frozen cleared"),
            ("99 gas=-5", ""),
        ],
    );
    // A tag that may stand still.
    timeline(&plant(vec![Tag::plain("gas")]), &[("0 start", ""), ("1 gas=7", ""), ("3000 gas=7", "")]);
}

/// A broken wire reads the same impossible value for ever. It is not well again because it also stands still.
#[test]
fn a_bad_value_that_stands_still_stays_a_bad_value() {
    let site = plant(vec![Tag { frozen_ms: Some(5_000), ..Tag::plain("gas") }]);
    for bad in ["gas=nan", "gas=120", "gas=7~sensor_failure"] {
        let opened = format!("1 {bad}");
        let later = ["2", "8", "15", "30"].map(|second| format!("{second} {bad}"));
        let mut rows = vec![("0 start", ""), (opened.as_str(), "device.impossible opened yellow")];
        rows.extend(later.iter().map(|row| (row.as_str(), "")));
        timeline(&site, &rows);
    }
    timeline(
        &site,
        &[
            ("0 start", ""),
            ("1 gas=7", ""),
            ("6 tick", "device.frozen opened yellow"),
            ("7 gas=7~sensor_failure", "device.impossible opened yellow"),
            ("30 gas=7~sensor_failure", ""),
        ],
    );
}

/// A stuck sensor with a loose wire is still a stuck sensor: only another value that can be believed shows it moving.
#[test]
fn a_bad_value_does_not_end_standing_still() {
    timeline(
        &plant(vec![Tag { frozen_ms: Some(5_000), ..Tag::plain("gas") }]),
        &[
            ("0 start", ""),
            ("1 gas=7", ""),
            ("6 tick", "device.frozen opened yellow"),
            ("7 gas=nan", "device.impossible opened yellow"),
            ("8 gas=7", ""),
            ("9 gas=120", ""),
            ("10 gas=8~sensor_failure", ""),
            ("11 gas=7", ""),
            ("12 gas=7.1", "device.frozen cleared"),
            ("17 tick", "device.frozen reopened yellow"),
            ("21 tick", "device.impossible cleared"),
        ],
    );
}

#[test]
fn a_lost_link_is_told_at_once_and_its_tags_are_not_believed() {
    let tags = vec![
        Tag { silent_ms: 10_000, ..gas(&[limit(High, 50.0, Red)]) },
        Tag { silent_ms: 20_000, blind_severity: Orange, ..Tag::plain("heat") },
    ];
    timeline(
        &plant(tags),
        &[
            ("0 start", ""),
            ("1 link up", ""),
            ("2 gas=60 heat=20", "gas.high opened red"),
            ("3 link down", "gas.high held; device.link opened orange"),
            ("4 link down", ""),
            // The link's alarm says it; its tags are not called silent one by one.
            ("100 link up", ""),
            ("105 gas=10", "gas.high believed; gas.high cleared"),
            ("110 tick", "device.link cleared"),
            ("115 tick", "device.silent opened yellow"),
            ("120 tick", "device.silent opened orange"),
        ],
    );
    // A link that nobody has heard of since the start is no excuse.
    timeline(
        &plant(vec![Tag { silent_ms: 10_000, ..Tag::plain("gas") }]),
        &[("0 start", ""), ("10 tick", "device.silent opened yellow")],
    );
}

/// A link that keeps telling of itself must not speak for a dead device behind it.
#[test]
fn an_overload_does_not_postpone_silence_or_standing_still() {
    let site = plant(vec![Tag { silent_ms: 10_000, ..Tag::plain("gas") }]);
    timeline(
        &site,
        &[
            ("0 start", ""),
            ("1 link up", ""),
            ("2 gas=7", ""),
            ("6 link saturated", ""),
            ("7 link up", ""),
            ("11 link saturated", ""),
            ("12 link up", "device.silent opened yellow"),
        ],
    );
    let site = plant(vec![Tag { frozen_ms: Some(10_000), ..Tag::plain("gas") }]);
    timeline(
        &site,
        &[
            ("0 start", ""),
            ("1 link up", ""),
            ("2 gas=7", ""),
            ("6 link saturated", ""),
            ("7 link up", ""),
            ("11 gas=7", ""),
            ("12 tick", "device.frozen opened yellow"),
        ],
    );
}

#[test]
fn a_stop_of_ten_seconds_is_a_gap() {
    let site = plant(vec![Tag::plain("gas")]);
    timeline(&site, &[("0 start", ""), ("1 stop", ""), ("10.9 start", "")]);
    timeline(&site, &[("0 start", ""), ("1 stop", ""), ("11 start", "system.gap opened blue; system.gap cleared")]);
    // Nobody said that it stopped: the last event is when the watch ended.
    timeline(&site, &[("0 start", ""), ("5 tick", ""), ("15 start", "system.gap opened blue; system.gap cleared")]);
}

#[test]
fn after_a_start_silence_counts_anew_and_alarms_stand() {
    let site = plant(vec![Tag { silent_ms: 10_000, ..gas(&[limit(High, 50.0, Red)]) }]);
    timeline(
        &site,
        &[
            ("0 start", ""),
            ("1 gas=60", "gas.high opened red"),
            ("8 stop", ""),
            ("17 start", ""),
            ("26 tick", ""),
            ("27 tick", "device.silent opened yellow; gas.high held"),
            ("30 gas=60", "device.silent cleared; gas.high believed"),
        ],
    );
}

#[test]
fn a_disk_that_fails_is_an_alarm() {
    timeline(
        &plant(vec![]),
        &[("0 journal bad", "storage.journal opened red"), ("1 journal bad", ""), ("9 journal well", "storage.journal cleared")],
    );
}

#[test]
fn room_that_runs_out_is_an_alarm_that_does_not_waver() {
    timeline(
        &plant(vec![]),
        &[
            ("0 room 50 - -", ""),
            ("1 room 50 6.5 -", "storage.growth opened yellow"),
            ("2 room 50 7.5 -", ""),
            ("3 room 50 2 -", "storage.growth raised orange"),
            ("4 room 50 3.5 -", ""),
            ("5 room 50 3.7 -", "storage.growth lowered yellow"),
            ("6 room 16 8.5 -", ""),
            ("7 room 19 8.5 8.5", "storage.growth cleared"),
            ("8 room NaN - -", "storage.growth reopened red"),
        ],
    );
}

#[test]
fn values_read_as_people_write_them() {
    for (value, text) in [
        (60.0, "60"),
        (0.128, "0.13"),
        (7.10, "7.1"),
        (-0.5, "-0.5"),
        (1200.0, "1200"),
        (f64::NAN, "NaN"),
        (f64::INFINITY, "inf"),
    ] {
        assert_eq!(super::number(value), text);
    }
}

/// An alarm on a value that cannot be believed is shown hollow from its first moment, and while it worsens.
#[test]
fn danger_that_cannot_be_believed_opens_held() {
    let site = plant(vec![gas(&[limit(High, 20.0, Orange), limit(High, 50.0, Red)])]);
    timeline(
        &site,
        &[
            ("0 gas=nan", "device.impossible opened yellow"),
            ("1 gas=30~sensor_failure", "gas.high opened orange; gas.high held"),
            ("2 gas=60~sensor_failure", "gas.high raised red; gas.high held"),
            ("3 gas=60", "gas.high believed"),
            ("4 gas=10~sensor_failure", "gas.high held"),
        ],
    );
}

/// A link that flaps is one alarm: it clears ten seconds after the link last came up. Its readings count at once.
#[test]
fn a_link_that_flaps_is_one_alarm() {
    timeline(
        &plant(vec![gas(&[limit(High, 50.0, Red)])]),
        &[
            ("0 start", ""),
            ("1 link up", ""),
            ("2 link down", "device.link opened yellow"),
            ("3 link up", ""),
            ("4 gas=60", "gas.high opened red"),
            ("5 link down", "gas.high held"),
            ("6 link up", ""),
            ("14 link down", ""),
            ("15 link up", ""),
            ("16 gas=10", "gas.high believed; gas.high cleared"),
            ("20 link saturated", ""), // still up
            ("25 tick", "device.link cleared"),
            ("26 link down", "device.link reopened yellow"),
            // What was up before a start is not known to be up after it.
            ("27 link up", ""),
            ("28 stop", ""),
            ("29 start", ""),
            ("60 link up", ""),
            ("70 tick", "device.link cleared"),
        ],
    );
}
