//! Rules as timelines: when they are asked, what their answers mean, leases, strikes, quarantine, starts.

use crate::AlarmId;
use crate::harness::{Timeline, at, gas, hazard, limit, plant, rule, timeline};
use crate::site::LimitKind::High;
use crate::site::Severity::{Blue, Orange, Red, Yellow};
use crate::site::{Hazard, Quarantine, Rule, Site, Tag};
use crate::words::Text;

/// The rule `watch` over `gas` and `heat`, with the hazard `leak` that may be red.
fn watched(leak: Hazard) -> Site {
    let tag = |name| Tag { silent_ms: 30_000_000, ..Tag::plain(name) };
    Site { rules: vec![rule(vec![leak], 2)], ..plant(vec![tag("gas"), tag("heat")]) }
}

fn leased() -> Site {
    watched(Hazard { restate_ms: 20_000, ..hazard("leak", Red) })
}

#[test]
fn a_rule_is_asked_once_per_batch_with_all_its_rows_as_judged() {
    timeline(
        &watched(hazard("leak", Red)),
        &[
            ("0 gas=10", "ask gas=10"),
            ("1 gas=11 heat=20 gas=12@2", "ask gas=11 heat=20 gas=12"),
            ("3 gas=12@2", ""), // delivered again
            ("4 gas=13@1", ""), // older
            ("5 gas=nan heat=20~late", "device.impossible opened yellow; ask gas=NaN~impossible heat=20~late"),
            ("6 rule", ""),
        ],
    );
}

#[test]
fn a_rule_is_told_when_a_tag_is_lost() {
    let mut site = watched(hazard("leak", Red));
    site.tags[0].silent_ms = 10_000;
    timeline(
        &site,
        &[
            ("0 start", ""),
            ("1 gas=10 heat=20", "ask gas=10 heat=20"),
            ("11 tick", "device.silent opened yellow; ask gas=10~silent"),
            ("12 link down", "ask heat=20~link_lost; device.link opened yellow"),
        ],
    );
}

#[test]
fn a_rule_that_starts_is_told_what_is_lost_already_and_what_it_showed() {
    let mut site = watched(hazard("leak", Red));
    site.tags[0].silent_ms = 10_000;
    timeline(
        &site,
        &[
            ("0 start", ""),
            ("1 gas=60 heat=20", "ask gas=60 heat=20"),
            ("2 gas=nan", "device.impossible opened yellow; ask gas=NaN~impossible"),
            ("3 start", "ask gas=60~impossible"),
            ("13 tick", "device.silent opened yellow"),
            ("14 start", "ask gas=60~impossible"),
            ("15 gas=2", "device.silent cleared; ask gas=2"),
            ("16 start", ""),
        ],
    );
}

#[test]
fn a_rule_is_asked_without_rows_when_its_time_has_passed() {
    let mut site = watched(hazard("leak", Red));
    site.rules[0].tick_ms = 5_000;
    timeline(
        &site,
        &[("0 start", ""), ("1 tick", "ask"), ("3 gas=10", "ask gas=10"), ("8 tick", "ask"), ("13 tick", "ask"), ("14 tick", "")],
    );
}

#[test]
fn a_finding_holds_until_the_next() {
    timeline(
        &watched(hazard("leak", Red)),
        &[
            ("0 rule leak=clear", ""),
            ("1 rule leak=yellow", "leak opened yellow"),
            ("2 rule leak=yellow", ""),
            ("3 rule", ""),
            ("4 rule leak=red", "leak raised red"),
            ("5 rule leak=blue", "leak lowered blue"),
            ("9000 rule leak=clear", "leak cleared"),
            ("9001 rule leak=orange", "leak reopened orange"),
        ],
    );
}

#[test]
fn a_rule_that_cannot_tell_is_blind_and_its_alarm_is_held() {
    timeline(
        &watched(hazard("leak", Red)),
        &[
            ("0 rule leak=unknown", "device.blind opened orange"),
            ("1 rule leak=unknown", ""),
            ("2 rule leak=clear", "device.blind cleared"),
            ("3 rule leak=red", "leak opened red"),
            ("4 rule leak=unknown", "leak held; device.blind reopened orange"),
            ("5 rule leak=red", "leak believed; device.blind cleared"),
            ("6 rule leak=unknown", "leak held; device.blind reopened orange"),
            ("7 rule leak=clear", "leak cleared; device.blind cleared; device.blind chattering"),
        ],
    );
}

#[test]
fn blindness_is_told_one_level_below_the_worst_it_hides() {
    for (worst, told) in [(Red, "orange"), (Orange, "yellow"), (Yellow, "blue"), (Blue, "blue")] {
        timeline(&watched(hazard("leak", worst)), &[("0 rule leak=unknown", &format!("device.blind opened {told}"))]);
    }
}

#[test]
fn a_rule_claims_no_more_than_its_worst_and_only_its_own_hazards() {
    timeline(
        &watched(hazard("leak", Orange)),
        &[("0 rule leak=red", "leak opened orange"), ("1 rule fire=red", ""), ("2 rule fire=red leak=clear", "leak cleared")],
    );
}

#[test]
fn a_lease_that_runs_out_is_blindness_never_a_clearing() {
    timeline(
        &leased(),
        &[
            ("0 rule leak=red", "leak opened red"),
            ("15 rule leak=red", ""),
            ("30 rule", ""), // an answer about nothing restates nothing
            ("35 tick", "leak held; device.blind opened orange"),
            ("100 tick", ""),
            ("101 rule leak=red", "leak believed; device.blind cleared"),
            ("110 rule leak=clear", "leak cleared"),
            ("900 tick", ""), // what is clear needs no lease
            ("901 rule leak=red", "leak reopened red"),
            ("921 tick", "leak held; device.blind reopened orange"),
        ],
    );
}

#[test]
fn three_strikes_in_a_minute_and_a_rule_is_out_of_use() {
    timeline(
        &leased(),
        &[
            ("0 rule leak=red", "leak opened red"),
            ("1 strike", ""),
            ("10 rule leak=red", ""),
            ("20 rule leak=red", ""),
            ("30 strike", ""),
            ("39 strike", "quarantined; leak held; device.blind opened orange"),
            ("40 strike", ""),
            ("41 gas=10", ""), // not asked
            ("900 tick", ""),
        ],
    );
}

/// Once, ten minutes after it was put out of use; out of the second quarantine a person must let it, and then it may return by itself again.
#[test]
fn a_quarantined_rule_returns_by_itself_once() {
    let site = Site { quarantine: Quarantine::USUAL, ..leased() };
    let out = "quarantined; device.blind opened orange";
    let mut now = timeline(&site, &[("0 strike", ""), ("30 strike", ""), ("60 strike", out)]);
    assert_eq!(now.brain.rule(0).and_then(|rule| rule.returns_at), Some(at(660.0)));
    now.check(&[
        ("61 gas=10", ""), // not asked
        ("659 tick", ""),
        ("660 tick", "released"),
        ("661 gas=11", "ask gas=11"),
        ("662 rule", "device.blind cleared"),
        ("700 strike", ""), // counted from nothing
        ("701 strike", ""),
        ("702 strike", "quarantined; device.blind reopened orange"),
    ]);
    assert_eq!(now.brain.rule(0).and_then(|rule| rule.returns_at), None);
    now.check(&[
        ("9000 tick", ""),
        ("9001 release", "released; done"),
        ("9002 strike", ""),
        ("9003 strike", ""),
        ("9004 strike", "quarantined; device.blind reopened orange"),
        ("9603 tick", ""),
        ("9604 tick", "released"),
    ]);
}

/// A stop in between changes nothing: its hour comes, or has come meanwhile.
#[test]
fn a_quarantine_ends_by_itself_behind_a_crash() {
    let site = Site { quarantine: Quarantine::USUAL, ..leased() };
    let out = "quarantined; device.blind opened orange";
    let mut now = timeline(&site, &[("0 strike", ""), ("1 strike", ""), ("2 strike", out)]);
    now.crash();
    now.check(&[("601 tick", ""), ("602 tick", "released")]);
}

/// A person who was quicker, or who took it out of use, has decided; its hour does not come any more.
#[test]
fn a_released_or_disabled_rule_does_not_return_by_itself() {
    let site = Site { quarantine: Quarantine::USUAL, ..leased() };
    let out = "quarantined; device.blind opened orange";
    let struck = [("0 strike", ""), ("1 strike", ""), ("2 strike", out)];
    let mut now = timeline(&site, &struck);
    now.check(&[("300 release", "released; done"), ("301 rule", "device.blind cleared"), ("602 tick", "")]);
    // Again in quarantine when the first one's time comes: it is the second one's that counts.
    let mut now = timeline(&site, &struck);
    now.check(&[("300 release", "released; done"), ("301 rule", "device.blind cleared")]);
    now.check(&[("500 strike", ""), ("501 strike", ""), ("502 strike", "quarantined; device.blind reopened orange")]);
    now.check(&[("602 tick", ""), ("1101 tick", ""), ("1102 tick", "released")]);
}

/// Whoever enables it puts it back to work, whatever became of its quarantine meanwhile: before its hour, and behind it.
#[test]
fn a_rule_that_was_disabled_over_its_quarantine_works_again_once_it_is_enabled() {
    let site = Site { quarantine: Quarantine::USUAL, ..leased() };
    let out = "quarantined; device.blind opened orange";
    for (enabled, tick) in [("500 enable", "9000 tick"), ("700 enable", "9000 tick")] {
        let mut now = timeline(&site, &[("0 strike", ""), ("1 strike", ""), ("2 strike", out)]);
        now.check(&[("300 disable v1", "quarantined; rule.disabled opened orange; v1 disabled; done")]);
        now.crash();
        if enabled.starts_with('7') {
            now.check(&[("602 tick", ""), ("603 gas=10", "")]); // its hour comes, and people have decided
            now.crash();
        }
        now.check(&[(enabled, "released; v1 enabled; done"), ("701 gas=11", "ask gas=11")]);
        now.check(&[("702 rule", "device.blind cleared; rule.disabled cleared"), (tick, "")]);
        // A person let it: it may return by itself again.
        now.check(&[("9001 strike", ""), ("9002 strike", ""), ("9003 strike", "quarantined; device.blind reopened orange")]);
        now.crash();
        now.check(&[("9602 tick", ""), ("9603 tick", "released")]);
    }
}

/// What the site says counts.
#[test]
fn a_site_says_how_many_strikes_within_which_time() {
    let quarantine = Quarantine { strikes: 2, within_s: 10, return_after_s: Some(5) };
    let site = Site { quarantine, ..leased() };
    let out = "quarantined; device.blind opened orange";
    timeline(&site, &[("0 strike", ""), ("11 strike", ""), ("21 strike", out), ("25 tick", ""), ("26 tick", "released")]);
}

#[test]
fn strikes_are_counted_over_a_minute() {
    let site = watched(hazard("leak", Red));
    let out = "quarantined; device.blind opened orange";
    timeline(&site, &[("0 strike", ""), ("30 strike", ""), ("60 strike", out)]);
    timeline(&site, &[("0 strike", ""), ("30 strike", ""), ("61 strike", ""), ("90 strike", out)]);
    timeline(&site, &[("0 strike", ""), ("61 strike", ""), ("122 strike", ""), ("183 strike", "")]);
}

/// What was on its way when the rule was put out of use comes after. It must not say that somebody is looking.
#[test]
fn a_late_answer_of_a_quarantined_rule_clears_nothing() {
    let struck = [("1 strike", ""), ("1 strike", ""), ("1 strike", "quarantined; device.blind opened orange")];
    for (late, effects) in [("2 rule", ""), ("2 rule leak=clear", ""), ("2 rule leak=unknown", "")] {
        let mut now = timeline(&leased(), &[("0 rule leak=clear", "")]);
        now.check(&struck);
        now.check(&[(late, effects), ("500 tick", "")]);
    }
    // Danger it saw is danger, held.
    let mut now = timeline(&leased(), &[("0 rule leak=clear", "")]);
    now.check(&struck);
    now.check(&[("2 rule leak=red", "leak opened red; leak held"), ("500 tick", "")]);
    // What stands stays.
    let mut now = timeline(&leased(), &[("0 rule leak=red", "leak opened red")]);
    now.check(&[("1 strike", ""), ("1 strike", ""), ("1 strike", "quarantined; leak held; device.blind opened orange")]);
    now.check(&[("2 rule leak=clear", ""), ("3 rule leak=red", ""), ("500 tick", "")]);
}

#[test]
fn a_released_rule_sees_again_when_it_has_answered() {
    let mut now = timeline(&leased(), &[("0 rule leak=red", "leak opened red")]);
    now.check(&[
        ("1 strike", ""),
        ("1 strike", ""),
        ("1 strike", "quarantined; leak held; device.blind opened orange"),
        ("5 release", "released; done"),
        ("6 release", "already done"),
        ("7 gas=10", "ask gas=10"),
        ("8 strike", ""), // counted from nothing
        ("9 strike", ""),
        ("10 rule leak=red", "device.blind cleared; leak believed"),
        ("11 rule leak=clear", "leak cleared"),
        ("12 strike", "quarantined; device.blind reopened orange"),
    ]);
    timeline(&plant(vec![]), &[("0 release", "no such alarm or rule")]);
}

#[test]
fn after_a_start_a_rule_says_again_what_it_claims() {
    let restart = |site: &Site, lease: &'static str| {
        let mut now = timeline(site, &[("0 start", ""), ("1 rule leak=red", "leak opened red"), ("2 stop", "")]);
        now.crash();
        now.check(&[("5 start", "leak held"), (lease, "device.blind opened orange")]);
        now.check(&[("1000 rule leak=red", "device.blind cleared; leak believed")]);
    };
    restart(&watched(hazard("leak", Red)), "65 tick");
    restart(&leased(), "65 tick");
    restart(&watched(Hazard { restate_ms: 90_000, ..hazard("leak", Red) }), "95 tick");
    // In time.
    let mut now = timeline(&leased(), &[("0 start", ""), ("1 rule leak=red", "leak opened red")]);
    now.crash();
    now.check(&[("5 start", "leak held"), ("30 rule", ""), ("60 rule leak=clear", "leak cleared"), ("200 tick", "")]);
}

/// What nobody judged is told with when and what it was; the next answer shows that the rule looks again, and a person must have seen it.
#[test]
fn a_batch_that_is_skipped_is_an_alarm_and_no_strike() {
    let mut now = timeline(&leased(), &[("0 rule leak=red", "leak opened red")]);
    now.check(&[
        ("1 strike", ""),
        ("1 strike", ""),
        ("1 skip 08:00:01 gas = 10 %LEL", "leak held; device.blind opened orange"),
        ("2 rule leak=red", "device.blind cleared; leak believed"),
        ("10 skip", "leak held; device.blind reopened orange"),
        ("11 rule", "device.blind cleared"),
    ]);
    let blind = now.brain.alarms().find(|alarm| alarm.key.hazard == "device.blind").expect("it was told");
    assert!(blind.is_listed(), "until somebody has seen it");
    let alone = timeline(&leased(), &[("0 skip 08:00:01 gas = 10 %LEL", "device.blind opened orange")]);
    let args = ["watch", "leak", "08:00:01 gas = 10 %LEL"].map(String::from).to_vec();
    let text = Text::Phrase { key: "guard.skipped".into(), args };
    assert_eq!(alone.brain.alarm(AlarmId(1)).map(|alarm| &alarm.text), Some(&text));
}

/// Skipped batches come before the quarantine and behind it: what people read is that the rule judges nothing any more, and they are told once more.
#[test]
fn a_quarantine_is_told_over_a_skipped_batch_and_again() {
    let mut now = timeline(
        &leased(),
        &[
            ("0 strike", ""),
            ("0 strike", ""),
            ("0 skip 08:00:00 gas = 90 %LEL", "device.blind opened orange"),
            ("1 ack 1", "device.blind acknowledged; done"),
            ("2 strike", "quarantined; device.blind reopened orange"),
            ("2 strike", ""),
            ("2 skip 08:00:02 gas = 91 %LEL", ""),
        ],
    );
    let alarm = now.brain.alarm(AlarmId(1)).expect("it was told");
    let args = ["watch", "leak"].map(String::from).to_vec();
    assert_eq!(alarm.text, Text::Phrase { key: "guard.quarantine".into(), args });
    assert_eq!((alarm.occurrences, alarm.acknowledged.is_none()), (2, true), "nobody has seen that");
    assert_eq!(now.brain.rule(0).map(|rule| rule.last_strike.as_str()), Some("Trap: "), "the cause, not what came of it");
    now.check(&[("3 release", "released; done"), ("4 rule", "device.blind cleared")]);
}

#[test]
fn a_start_does_not_release_a_rule() {
    let mut now = Timeline::new(&leased());
    now.check(&[("0 start", ""), ("1 strike", ""), ("1 strike", ""), ("1 strike", "quarantined; device.blind opened orange")]);
    now.crash();
    now.check(&[("5 start", ""), ("6 gas=10", ""), ("7 rule leak=clear", ""), ("300 tick", "")]);
    assert!(now.brain.rule(0).is_some_and(|rule| rule.quarantined && rule.strikes == 3));
}

#[test]
fn the_guards_work_with_every_rule_dead() {
    let rules = vec![Rule { tick_ms: 1_000, ..rule(vec![hazard("leak", Red)], 1) }];
    let mut now = Timeline::new(&Site { rules, ..plant(vec![gas(&[limit(High, 50.0, Red)])]) });
    now.check(&[("0 strike", ""), ("0 strike", ""), ("0 strike", "quarantined; device.blind opened orange")]);
    now.check(&[("1 gas=60", "gas.high opened red"), ("60 gas=10", "gas.high cleared")]);
}
