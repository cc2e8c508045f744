//! The life of a rule as timelines: what runs, what counts, what stands over a change, who must agree.

use crate::harness::{Timeline, hazard, plant, rule, timeline};
use crate::site::Severity::Red;
use crate::site::{Hazard, Site, Tag};
use crate::stages::Grave;

/// The rule `watch` over `gas`, with the hazard `leak` that is restated every 20 s.
fn watched() -> Site {
    let leak = Hazard { restate_ms: 20_000, ..hazard("leak", Red) };
    Site { rules: vec![rule(vec![leak], 1)], ..plant(vec![Tag::plain("gas")]) }
}

fn guarded() -> Site {
    Site { two_persons: true, ..watched() }
}

#[test]
fn a_shadow_is_compared_and_alarms_nobody() {
    let mut t = timeline(
        &watched(),
        &[
            ("0 install v2", "v2 installed; done"),
            ("1 install v2", "already done"),
            ("2 aside v2 leak=red", ""), // does not run yet
            ("3 shadow v2", "run v2 as heir of v1; v2 shadowed; done"),
            ("4 aside v2 leak=red", ""),
            ("8 rule leak=red", "leak opened red"),
            ("9 aside v2 leak=yellow", ""),
            ("10 gas=10", "ask gas=10"),
            ("12 rule leak=clear", "leak cleared"),
            ("12.1 aside v2 leak=clear", ""), // the way from one answer to the other
            ("13 aside v2 leak=unknown", ""),
            ("14 rule leak=red", "leak reopened red"),
        ],
    );
    let stages = t.brain.stages(0).expect("a rule");
    let shadow = stages.next.as_ref().and_then(|one| one.shadow.as_ref()).expect("a shadow");
    let seen = shadow.compared["leak"].clone().until(t.brain.now() + 5_000_000);
    let spans = [seen.agree, seen.only_active, seen.only_shadow, seen.severity].map(|span| (span.times, span.us / 1_000_000));
    assert_eq!(spans, [(1, 4), (1, 5), (0, 4), (1, 3)], "one time of danger, which the shadow saw earlier, is one");
    assert_eq!(seen.lead(), Some([-4_000_000; 3]));
    t.check(&[
        ("15 withdraw v3", "nothing was done: another component stands there now, v2"),
        ("16 withdraw v2", "end v2; v2 withdrawn; done"),
    ]);
    t.check(&[("17 shadow v2", "nothing was done: another component stands there now, none")]);
}

#[test]
fn two_that_see_it_from_this_moment_on_are_not_said_to_differ() {
    let mut seen = crate::stages::Compared::default();
    seen.hear(5, Some(Some(Red)), None);
    seen.hear(8, None, Some(Some(Red)));
    let times = |seen: crate::stages::Compared| [seen.agree.times, seen.only_active.times, seen.only_shadow.times];
    assert_eq!(times(seen.clone().until(8)), [0, 0, 0]);
    assert_eq!(times(seen.clone().until(9)), [1, 0, 0]);
    // The control: one that the other never saw.
    seen.hear(10, Some(None), Some(None));
    seen.hear(11, Some(Some(Red)), None);
    assert_eq!(times(seen.until(12)), [1, 1, 0]);
}

#[test]
fn a_start_ends_no_danger_that_two_see() {
    let mut t = timeline(
        &watched(),
        &[
            ("0 install v2", "v2 installed; done"),
            ("1 shadow v2", "run v2 as heir of v1; v2 shadowed; done"),
            ("2 rule leak=red", "leak opened red"),
            ("3 aside v2 leak=red", ""),
        ],
    );
    t.crash();
    t.check(&[("10 start", "leak held"), ("11 rule leak=red", "leak believed"), ("12 aside v2 leak=red", "")]);
    let shadow = t.brain.stages(0).and_then(|stages| stages.next.as_ref()).and_then(|one| one.shadow.as_ref()).expect("a shadow");
    let seen = shadow.compared["leak"].clone().until(t.brain.now());
    assert_eq!((seen.agree.times, seen.agree.us / 1_000_000, seen.only_active.times, seen.only_shadow.times), (1, 9, 0, 0));
    assert_eq!(seen.lead(), Some([1_000_000; 3]));
}

#[test]
fn a_shadow_ends_by_its_own_strikes_and_the_active_one_never_knows() {
    let mut t = timeline(
        &watched(),
        &[
            ("0 rule leak=red", "leak opened red"),
            ("1 install v2", "v2 installed; done"),
            ("2 shadow v2", "run v2 as heir of v1; v2 shadowed; done"),
            ("3 trap v2", ""),
            ("4 trap v2", ""),
            ("5 trap v2", "end v2; v2 shadowended"),
            ("6 trap v2", ""),
        ],
    );
    t.check(&[(
        "6.1 promote v2",
        "nothing was done: its shadow ended: Trap: ; let it run as a shadow first, or say why it shall be promoted despite that",
    )]);
    let now = t.brain.rule(0).expect("a rule");
    assert_eq!((now.quarantined, now.strikes), (false, 0));
    assert_eq!(t.brain.stages(0).and_then(|stages| stages.next.as_ref()).map(|one| one.ended.as_str()), Some("Trap: "));
    // The control: the same three strikes of the active one are its quarantine.
    t.check(&[("7 strike", ""), ("8 strike", ""), ("9 strike", "quarantined; leak held; device.blind opened orange")]);
}

#[test]
fn promoted_it_counts_and_what_stands_is_held_until_it_says_it_again() {
    timeline(
        &watched(),
        &[
            ("0 rule leak=red", "leak opened red"),
            ("1 install v2", "v2 installed; done"),
            ("2 shadow v2", "run v2 as heir of v1; v2 shadowed; done"),
            ("3 aside v2 leak=clear", ""),
            ("4 promote v1", "nothing was done: another component stands there now, v2"),
            ("5 promote v2", "leak held; v2 promoted; done"),
            ("6 aside v2 leak=clear", ""), // it is no shadow any more
            ("7 aside v1 leak=red", ""),   // the old one is, and alarms nobody
            ("65 tick", "device.blind opened orange"),
            ("66 rule leak=clear", "leak cleared; device.blind cleared"),
            ("67 back v1", "leak reopened red; v1 rolledback; done"),
            ("68 promote v2", "nothing was done: another component stands there now, none"),
            ("69 back v2", "not yet: despite"), // a step that is sent twice brings nothing back
            ("70 forth v2", "leak held; v2 rolledback; done"),
        ],
    );
}

#[test]
fn danger_that_the_shadow_stands_by_is_an_alarm_the_moment_it_is_promoted() {
    timeline(
        &watched(),
        &[
            ("0 install v2", "v2 installed; done"),
            ("1 shadow v2", "run v2 as heir of v1; v2 shadowed; done"),
            ("2 aside v2 leak=orange", ""),
            ("3 promote v2", "leak opened orange; v2 promoted; done"),
            ("4 rule leak=clear", "leak cleared"),
        ],
    );
}

#[test]
fn one_that_was_never_a_shadow_begins_with_the_state_of_the_one_it_follows() {
    timeline(
        &watched(),
        &[
            ("0 rule leak=red", "leak opened red"),
            ("1 install v2", "v2 installed; done"),
            ("2 despite v2", "run v2 as heir of v1; leak held; v2 promoted; done"),
            ("3 rule", ""),
            ("4 rule leak=red", "leak believed"),
        ],
    );
}

/// Nobody knows how it does on this plant: whoever promotes it all the same says why, and that is on record.
#[test]
fn one_that_is_no_shadow_is_promoted_only_where_somebody_says_why() {
    const UNTRIED: &str = "nothing was done: it does not run as a shadow, so nobody knows how it does here; let it run as a shadow first, or say why it \
                           shall be promoted despite that";
    let decided = |t: &Timeline| t.brain.stages(0).and_then(|stages| stages.promoted.clone()).map(|decided| decided.despite);
    let mut t = timeline(&watched(), &[("0 install v2", "v2 installed; done"), ("1 promote v2", UNTRIED)]);
    assert_eq!(decided(&t), None);
    t.check(&[("2 despite v2", "run v2 as heir of v1; v2 promoted; done")]);
    assert_eq!(decided(&t).as_deref(), Some("no time"));
    t.check(&[("3 back v1", "v1 rolledback; done")]);
    assert!(t.brain.stages(0).and_then(|stages| stages.before.as_ref()).is_some_and(|before| before.rolled_back));
    // Of two persons, the second one approves what the first one knew: a shadow that was thrown out since is another case.
    timeline(
        &guarded(),
        &[
            ("0 install v2", "v2 installed; done"),
            ("1 shadow v2", "run v2 as heir of v1; v2 shadowed; done"),
            ("1 aside v2", ""),
            ("2 promote v2", "v2 proposed; proposed: it is done once a second person approves it within an hour"),
            ("3 trap v2", ""),
            ("4 trap v2", ""),
            ("5 trap v2", "end v2; v2 shadowended"),
            (
                "6 approve v2 promote bob",
                "nothing was done: its shadow ended: Trap: ; let it run as a shadow first, or say why it shall be promoted despite that",
            ),
        ],
    );
}

/// Of a shadow that has judged nothing since it was loaded, nobody knows more than of one that never ran: an answer to time alone is no judging, and a
/// start loads it anew.
#[test]
fn a_shadow_that_has_judged_nothing_is_promoted_only_where_somebody_says_why() {
    const UNJUDGED: &str = "not yet: judged";
    let shadow = [("0 install v2", "v2 installed; done"), ("1 shadow v2", "run v2 as heir of v1; v2 shadowed; done")];
    let mut t = timeline(&watched(), &shadow);
    t.check(&[("2 promote v2", UNJUDGED), ("3 idle v2", ""), ("4 promote v2", UNJUDGED), ("5 trap v2", "")]);
    t.check(&[("6 promote v2", UNJUDGED), ("7 aside v2", ""), ("8 idle v2", "")]);
    t.crash();
    t.check(&[("9 start", ""), ("10 promote v2", UNJUDGED), ("11 aside v2", ""), ("12 promote v2", "v2 promoted; done")]);
    let mut t = timeline(&watched(), &shadow);
    t.check(&[("2 despite v2", "v2 promoted; done")]);
    let decided = t.brain.stages(0).and_then(|stages| stages.promoted.clone()).expect("people decided it");
    assert_eq!(decided.despite, "no time");
    // The second person is asked for the same.
    let mut t = timeline(&guarded(), &shadow);
    let proposed = "v2 proposed; proposed: it is done once a second person approves it within an hour";
    t.check(&[("2 aside v2", ""), ("3 promote v2", proposed), ("4 start", "")]);
    t.check(&[("5 approve v2 promote bob", UNJUDGED), ("6 aside v2", ""), ("7 approve v2 promote bob", "v2 promoted; done")]);
}

/// What was recorded before anybody was asked for a reason stays as it was decided.
#[test]
fn a_promotion_of_an_earlier_record_needs_no_reason() {
    let mut t = timeline(&watched(), &[("0 install v2", "v2 installed; done")]);
    let step = r#"{"step":"grave","what":"promote","digest":"v2","note":""}"#;
    let step: crate::stages::Step = serde_json::from_str(step).expect("a step as it was recorded");
    let by = crate::alarm::Person { name: "ann".into(), role: "lead".into(), station: "t".into() };
    let act = crate::event::Act::Rule { rule: "watch".into(), step };
    t.feed(&crate::event::Event::Operator { command: "old".into(), by, act });
    assert_eq!(t.brain.site().rules[0].plugin, "watch@2");
}

#[test]
fn a_hazard_that_the_new_one_does_not_have_is_shown_as_blind_over_a_start_and_comes_back_with_the_old_one() {
    let mut t = timeline(
        &watched(),
        &[
            ("0 rule leak=red", "leak opened red"),
            ("1 install v2 fire", "v2 installed; done"),
            ("2 despite v2", "run v2 as heir of v1; leak held; device.blind opened orange; v2 promoted; done"),
            ("3 rule fire=red", "fire opened red"),
            ("4 start", "fire held"),
            ("5 rule fire=red", "fire believed"),
        ],
    );
    t.crash();
    t.check(&[("6 start", "fire held"), ("7 back v1", "device.blind opened orange; v1 rolledback; done")]);
}

#[test]
fn the_old_one_goes_on_for_a_day_and_then_is_cold() {
    timeline(
        &watched(),
        &[
            ("0 install v2", "v2 installed; done"),
            ("1 despite v2", "run v2 as heir of v1; v2 promoted; done"),
            ("86401 tick", "end v1; v1 shadowended"),
            ("86402 back v1", "run v1 as heir of v2; v1 rolledback; done"),
        ],
    );
}

#[test]
fn disabled_by_name_it_is_an_alarm_until_it_works_again() {
    let mut t = timeline(
        &watched(),
        &[
            ("0 rule leak=red", "leak opened red"),
            ("1 disable v2", "nothing was done: another component stands there now, none"),
            ("2 disable v1", "quarantined; leak held; rule.disabled opened orange; v1 disabled; done"),
            ("3 disable v1", "already done"),
            ("4 gas=50", ""),
            ("5 rule leak=clear", ""),
            ("6 start", ""),
            ("7 enable", "released; v1 enabled; done"),
            ("8 gas=50", "ask gas=50"),
            ("9 rule leak=red", "rule.disabled cleared; leak believed"),
            ("10 enable", "already done"),
        ],
    );
    t.crash();
    t.check(&[("11 enable", "already done")]);
}

#[test]
fn a_quarantine_is_released_and_not_enabled() {
    timeline(
        &watched(),
        &[
            ("0 strike", ""),
            ("0 strike", ""),
            ("0 strike", "quarantined; device.blind opened orange"),
            ("1 enable", "not yet: release"),
            ("2 release", "released; done"),
            ("3 enable", "already done"),
        ],
    );
}

#[test]
fn where_two_are_needed_one_proposes_and_another_approves_within_an_hour() {
    let mut t = timeline(
        &guarded(),
        &[
            ("0 install v2", "v2 installed; done"),
            ("1 despite v2", "v2 proposed; proposed: it is done once a second person approves it within an hour"),
            ("2 approve v2 promote ann", "not yet: second_person"),
            ("3 approve v2 disable bob", "not yet: proposal"),
            ("4 approve v3 promote bob", "not yet: proposal"),
            ("3601 tick", "v2 lapsed"),
            ("3602 approve v2 promote bob", "not yet: proposal"),
            ("3603 despite v2", "v2 proposed; proposed: it is done once a second person approves it within an hour"),
        ],
    );
    t.crash();
    t.check(&[
        ("3604 approve v2 promote bob", "run v2 as heir of v1; v2 promoted; done"),
        ("3605 disable v2", "v2 proposed; proposed: it is done once a second person approves it within an hour"),
    ]);
    let stages = t.brain.stages(0).expect("a rule");
    let decided = stages.promoted.as_ref().expect("people decided it");
    assert_eq!((decided.by.name.as_str(), decided.second.as_ref().map(|by| by.name.as_str())), ("ann", Some("bob")));
    assert_eq!(stages.proposal.as_ref().map(|proposal| proposal.what), Some(Grave::Disable));
}

#[test]
fn a_promoted_file_that_is_lost_gives_way_to_the_site_file_and_says_so() {
    timeline(
        &watched(),
        &[
            ("0 rule leak=red", "leak opened red"),
            ("1 install v2", "v2 installed; done"),
            ("2 despite v2", "run v2 as heir of v1; leak held; v2 promoted; done"),
            ("3 rule leak=red", "leak believed"),
            (
                "4 lost v2",
                "end v2; run v1 as heir of v2; leak held; rule.fallback opened orange; rule.fallback cleared; v1 fellback",
            ),
            ("5 rule leak=red", "leak believed"),
            // Nor can what the site file names be read: nobody judges, and what stands is held.
            ("6 lost v1", "leak held; rule.lost opened orange"),
        ],
    );
}

#[test]
fn where_the_site_file_s_own_is_lost_what_people_promoted_runs_and_where_both_are_nothing_does() {
    timeline(
        &watched(),
        &[
            ("0 rule leak=red", "leak opened red"),
            ("1 install v2", "v2 installed; done"),
            ("2 despite v2", "run v2 as heir of v1; leak held; v2 promoted; done"),
            ("3 rule leak=red", "leak believed"),
            ("4 lost v1", "end v1; v1 withdrawn; rule.base-lost opened yellow"),
            ("5 rule leak=red", ""),
            ("6 start", "rule.base-lost cleared; leak held"),
            ("7 lost v1", "rule.base-lost reopened yellow"),
            ("8 lost v2", "end v2; v1 fellback; rule.base-lost cleared; rule.lost opened orange"),
            ("9 start", ""),
        ],
    );
}

#[test]
fn who_went_back_is_known_also_where_the_site_file_names_what_runs_and_the_other_is_gone() {
    let decided = |t: &Timeline| t.brain.stages(0).and_then(|stages| stages.promoted.clone());
    let mut t = timeline(&watched(), &[("0 install v2", "v2 installed; done")]);
    assert_eq!(decided(&t), None, "the site file alone");
    t.check(&[("1 despite v2", "run v2 as heir of v1; v2 promoted; done")]);
    assert_eq!(decided(&t).map(|one| one.back), Some(false));
    t.check(&[("2 back v1", "v1 rolledback; done")]);
    let went_back = decided(&t);
    assert_eq!(went_back.as_ref().map(|one| (one.back, one.note.as_str())), Some((true, "looked")));
    t.crash();
    t.check(&[("3 start", ""), ("4 lost v2", "end v2; v2 withdrawn")]);
    assert_eq!(decided(&t), went_back, "as it was saved, and without the other one");
}

#[test]
fn what_people_promoted_outlives_a_changed_site_until_the_site_names_another_component() {
    let promoted = || {
        timeline(
            &watched(),
            &[
                ("0 rule leak=red", "leak opened red"),
                ("1 install v2", "v2 installed; done"),
                ("2 despite v2", "run v2 as heir of v1; leak held; v2 promoted; done"),
                ("3 rule leak=red", "leak believed"),
            ],
        )
    };
    let plugin = |t: &Timeline| (t.brain.site().rules[0].plugin.clone(), t.brain.stages(0).is_some_and(|s| s.promoted.is_some()));
    let other = |digest: &str| {
        let mut site = watched();
        site.tags[0].high = 200.0;
        site.rules[0].digest = digest.to_owned();
        site
    };
    let mut t = promoted();
    t.reconfigure(&other(""));
    t.check(&[("4 start", "leak held"), ("5 rule leak=red", "leak believed")]);
    assert_eq!(plugin(&t), ("watch@2".to_owned(), true));
    // The site file names what was promoted.
    let mut t = promoted();
    t.reconfigure(&other("v2"));
    t.check(&[
        ("4 start", "leak held"),
        ("5 rule leak=red", "leak believed"),
        ("6 back v1", "nothing was done: another component stands there now, none"),
    ]);
    // The site file names a third one: it wins, and that is on record.
    let mut t = promoted();
    t.reconfigure(&other("v3"));
    t.check(&[("4 start", "leak held; v2 overruled"), ("5 rule leak=red", "leak believed")]);
    assert_eq!(plugin(&t), ("watch@1".to_owned(), false));
}

#[test]
fn a_snapshot_keeps_all_of_it_and_one_without_it_is_read() {
    let t = timeline(
        &guarded(),
        &[
            ("0 install v2", "v2 installed; done"),
            ("1 shadow v2", "run v2 as heir of v1; v2 shadowed; done"),
            ("2 aside v2 leak=orange", ""),
            ("3 promote v2", "v2 proposed; proposed: it is done once a second person approves it within an hour"),
        ],
    );
    let mut json = serde_json::to_value(&t.brain).expect("a snapshot");
    let wake = |json: &serde_json::Value| serde_json::from_value::<crate::Saved>(json.clone()).ok().and_then(crate::Saved::wake);
    assert_eq!(wake(&json).expect("it wakes").stages(0), t.brain.stages(0));
    json.as_object_mut().expect("an object").remove("stages");
    let old = wake(&json).expect("one of version 0.1.0 wakes");
    assert_eq!(old.stages(0).map(|stages| (stages.next.is_none(), stages.base.name.as_str())), Some((true, "watch")));
    json["stages"] = serde_json::json!([]);
    json["rules"] = serde_json::json!([]);
    assert!(wake(&json).is_none(), "parts that do not fit");
}
