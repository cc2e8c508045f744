//! Chattering, fleeting, stale, floods and first-out as timelines; and what puts aside, where the truth table does not reach.

use crate::harness::{Timeline, gas, hazard, ladder, limit, pigged, plant, rule, timeline};
use crate::shelf::{EXTENSIONS_MAX, TERMS_S, longest_s};
use crate::site::LimitKind::High;
use crate::site::RungKind::{AtOnce, Open, Unacknowledged};
use crate::site::Severity::{Blue, Orange, Red, Yellow};
use crate::site::{Group, Limit, Severity, Site};
use crate::words::Words;
use crate::{Alarm, AlarmId};

fn of(now: &Timeline, alarm: u64) -> &Alarm {
    now.brain.alarm(AlarmId(alarm)).expect("it was opened")
}

fn leaking(worst: Severity) -> Site {
    Site { rules: vec![rule(vec![hazard("leak", worst)], 0)], ..plant(vec![]) }
}

#[test]
fn three_cycles_in_a_minute_chatter_until_ten_minutes_of_quiet() {
    let mut now = timeline(
        &leaking(Red),
        &[
            ("0 rule leak=yellow", "leak opened yellow"),
            ("1 rule leak=clear", "leak cleared"),
            ("20 rule leak=yellow", "leak reopened yellow"),
            ("21 rule leak=clear", "leak cleared"),
            ("40 rule leak=yellow", "leak reopened yellow"),
            ("41 rule leak=clear", "leak cleared; leak chattering"),
            ("60 rule leak=yellow", "leak reopened yellow"),
            // Not clear before a minute without danger, however often it says so.
            ("61 rule leak=clear", ""),
            ("90 rule leak=clear", ""),
            ("110 rule leak=yellow", ""),
            ("111 rule leak=clear", ""),
            ("171 tick", "leak cleared"),
            ("771 tick", "leak quiet"),
            ("772 rule leak=yellow", "leak reopened yellow"),
            ("780 rule leak=clear", "leak cleared"),
        ],
    );
    assert_eq!((of(&now, 1).occurrences, of(&now, 1).fleeting), (5, 4));
    // A worse level is told at once, chattering or not; and what cannot be believed does not become quiet.
    now.check(&[
        ("790 rule leak=yellow", "leak reopened yellow"),
        ("791 rule leak=clear", "leak cleared"),
        ("800 rule leak=yellow", "leak reopened yellow"),
        ("801 rule leak=clear", "leak cleared; leak chattering"),
        ("810 rule leak=yellow", "leak reopened yellow"),
        ("811 rule leak=clear", ""),
        ("812 rule leak=red", "leak raised red"),
        ("813 rule leak=clear", ""),
        ("814 rule leak=unknown", "leak held; device.blind opened orange"),
        ("1000 rule leak=clear", "device.blind cleared"),
    ]);
    assert!(of(&now, 1).condition == crate::alarm::Condition::Active, "nobody could tell for most of the minute");
}

#[test]
fn what_stands_for_a_day_is_stale_and_what_was_gone_at_once_is_fleeting() {
    let now = timeline(
        &leaking(Red),
        &[
            ("0 rule leak=yellow", "leak opened yellow"),
            ("40000 rule leak=clear", "leak cleared"),
            ("50000 rule leak=yellow", "leak reopened yellow"),
            ("136399 tick", ""),
            ("136400 tick", "leak stale"),
            ("137000 rule leak=clear", "leak cleared"),
            ("137001 rule leak=yellow", "leak reopened yellow"),
            ("137005 rule leak=clear", "leak cleared"),
        ],
    );
    assert_eq!((of(&now, 1).stale, of(&now, 1).fleeting), (false, 1));
}

#[test]
fn the_first_of_a_group_is_known_until_none_of_it_needs_anybody() {
    let hazards = ["gas.one", "gas.two", "door.open"].map(|id| hazard(id, Red)).to_vec();
    let group = Group {
        name: "cause".into(),
        title: Words::same("c"),
        zone: None,
        hazards: vec!["door.open".into(), "gas.two".into()],
        parent: "door.open".into(),
    };
    let mut site = Site { rules: vec![rule(hazards, 0)], ..plant(vec![]) };
    let mut now = Timeline::new(&site);
    for (second, what) in [(0.0, "rule gas.two=yellow"), (1.0, "rule gas.one=yellow"), (2.0, "rule door.open=yellow")] {
        now.only(second, what);
    }
    let firsts = |now: &Timeline| [1, 2, 3].map(|id| of(now, id).first_out);
    assert_eq!(firsts(&now), [true, false, true], "of the family in the zone");
    assert_eq!(of(&now, 1).group, "hall/gas");
    // It came back before the group was normal: first is who was first.
    now.only(3.0, "rule gas.two=clear");
    now.only(4.0, "rule gas.two=yellow");
    assert_eq!(firsts(&now), [true, false, true]);
    now.only(5.0, "rule gas.one=clear gas.two=clear");
    now.only(6.0, "ack 1");
    now.only(7.0, "ack 2");
    now.only(8.0, "rule gas.one=yellow");
    now.only(9.0, "rule gas.two=yellow");
    assert_eq!(firsts(&now), [false, true, true]);
    site.groups.push(group);
    now.reconfigure(&site);
    now.only(10.0, "start");
    assert_eq!(
        [1, 2, 3].map(|id| (of(&now, id).group.as_str(), of(&now, id).parent)),
        [("cause", false), ("hall/gas", false), ("cause", true)]
    );
}

#[test]
fn a_flood_is_ten_in_ten_minutes_and_hides_nothing() {
    let hazards: Vec<_> = (0..12).map(|n| hazard(&format!("h{n}.x"), Red)).collect();
    let mut site = Site { rules: vec![rule(hazards, 0)], ..plant(vec![]) };
    ladder(&mut site, &[("crew", AtOnce, [Some(0); 4])]);
    let mut now = Timeline::answering(&site);
    for n in 0..9 {
        now.only(f64::from(n), &format!("rule h{n}.x=yellow"));
    }
    assert_eq!(now.brain.floods().count(), 0);
    now.only(600.0, "rule h9.x=yellow");
    let flood: Vec<_> = now.brain.floods().collect();
    assert_eq!((flood.len(), flood[0].audience.as_str(), flood[0].count), (1, "crew", 10));
    assert_eq!(now.only(601.0, "rule h10.x=red"), "h10.x opened red; alert 11 to crew: opened", "told one by one");
    // It goes on while there are five in ten minutes.
    now.only(607.0, "tick");
    assert_eq!(now.brain.floods().count(), 0, "the last five reach back more than ten minutes");
    now.only(5_000.0, "rule h11.x=blue");
    assert_eq!(now.brain.floods().count(), 0);
}

#[test]
fn a_limit_that_counts_wants_so_many_in_its_window() {
    let counting = Limit { count: 3, count_within_ms: 10_000, ..limit(High, 1.0, Orange) };
    timeline(
        &plant(vec![gas(&[counting])]),
        &[
            ("0 gas=1", ""),
            ("1 gas=0", ""),
            ("2 gas=1", ""),
            ("11 gas=1", ""),
            ("12 gas=1", "gas.high opened orange"),
            ("13 gas=0", "gas.high cleared"),
        ],
    );
}

#[test]
fn terms_and_extensions_have_their_bounds() {
    for (level, most) in [("blue", 28_800), ("yellow", 28_800), ("orange", 3_600), ("red", 0)] {
        let mut now = Timeline::new(&leaking(Red));
        now.only(0.0, &format!("rule leak={level}"));
        let severity = of(&now, 1).severity;
        assert_eq!(longest_s(severity).unwrap_or(0), most);
        for term in TERMS_S {
            let answer = now.only(1.0, &format!("shelve 1 {term}"));
            assert_eq!(answer.ends_with("shelved; done"), term <= most, "{level}, {term} s: {answer}");
            now.only(1.0, "unshelve 1");
        }
        assert!(!now.only(2.0, "shelve 1 301").ends_with("shelved; done"), "not one of the terms");
    }
    let mut now = Timeline::new(&leaking(Red));
    now.only(0.0, "rule leak=yellow");
    for n in 0..=EXTENSIONS_MAX {
        assert_eq!(now.only(f64::from(n), "shelve 1 300"), "leak shelved; done");
    }
    assert!(now.only(9.0, "shelve 1 300").starts_with("3 is the most"));
}

#[test]
fn a_highly_managed_hazard_is_never_shelved_and_nothing_is_while_nothing_is_recorded() {
    let mut managed = hazard("leak", Red);
    managed.managed = true;
    let site = Site { rules: vec![rule(vec![managed], 0)], ..plant(vec![gas(&[limit(High, 50.0, Yellow)])]) };
    let mut now = Timeline::new(&site);
    now.only(0.0, "rule leak=blue");
    assert!(now.only(1.0, "shelve 1 300").starts_with("it is not shelved"));
    now.only(2.0, "gas=60");
    now.feed(&crate::Event::Unrecorded { detail: "full".into() });
    assert!(now.only(3.0, "shelve 2 300").starts_with("nothing can be put on record"));
    assert!(now.only(4.0, "out gas 300").starts_with("nothing can be put on record"));
    let mut now = Timeline::new(&pigged(false));
    now.only(0.0, "gas=30");
    now.feed(&crate::Event::Unrecorded { detail: "full".into() });
    assert_eq!(now.only(1.0, "pig=1"), "", "nor by design");
}

/// Crew, officer and bureau.
fn laddered(mut site: Site) -> Site {
    let rungs = [
        ("crew", AtOnce, [Some(0); 4]),
        ("officer", Unacknowledged, [None, Some(300), Some(120), Some(60)]),
        ("bureau", Open, [None, None, Some(600), Some(0)]),
    ];
    ladder(&mut site, &rungs);
    site
}

#[test]
fn a_shelf_pauses_who_waits_for_an_answer_and_never_who_waits_for_the_end() {
    Timeline::answering(&laddered(leaking(Red))).check(&[
        ("0 rule leak=orange", "leak opened orange; alert 1 to crew: opened"),
        ("10 shelve 1 1800", "leak shelved; update 2 to crew: suppressed; done"),
        ("600 tick", "alert 3 to bureau: overdue; leak escalated"),
        ("1810 tick", "leak unshelved; update 4 to crew: reopened"),
        ("1930 tick", "alert 5 to officer: overdue; leak escalated"),
        (
            "1931 ack 1",
            "leak acknowledged; update 6 to bureau: acknowledged; update 7 to crew: acknowledged; \
          update 8 to officer: acknowledged; done",
        ),
        (
            "1932 shelve 1 300",
            "leak shelved; update 9 to bureau: suppressed; update 10 to crew: suppressed; \
          update 11 to officer: suppressed; done",
        ),
        // Above its cap it breaks, whatever was said.
        ("1940 rule leak=red", "leak raised red; leak unshelved; update 12 to crew: reopened; update 13 to bureau: reopened"),
    ]);
}

#[test]
fn red_that_is_out_of_service_is_told_to_the_officer_alone() {
    Timeline::answering(&laddered(pigged(false))).check(&[
        ("0 out gas 3600", "asked: it is done once a second person asks for the same within ten minutes"),
        ("1 out gas 3600", "asked: it is done once a second person asks for the same within ten minutes"),
        ("2 second gas 3600", "done"),
        ("3 gas=30", "gas.high opened yellow; gas.high suppressed"),
        ("4 gas=70", "gas.high raised red; alert 1 to officer: opened"),
        ("500 gas=10", "gas.high cleared; update 2 to officer: cleared"),
        // Latched, and nobody has taken it: the rest of the ladder hears of it now.
        ("3602 tick", "gas.high restored; alert 3 to bureau: opened"),
    ]);
}

#[test]
fn what_suppresses_ends_by_itself_and_only_good_values_suppress() {
    let mut site = laddered(pigged(false));
    site.suppressions[0].most_s = 100;
    Timeline::answering(&site).check(&[
        ("0 pig=1", ""),
        ("1 gas=30", "gas.high opened yellow; gas.high suppressed"),
        ("100 tick", "gas.high restored; alert 1 to crew: reopened"),
        ("101 pig=1", ""),
        ("102 pig=0", ""),
        ("103 pig=1", "gas.high suppressed; update 2 to crew: suppressed"),
        ("104 pig=1~doubtful", "gas.high restored; update 3 to crew: reopened"),
        ("105 pig=NaN", "device.impossible opened yellow; alert 4 to crew: opened"),
    ]);
    // Red is suppressed by design only where its hazard says so.
    let rows = |allowed: bool| {
        let mut site = laddered(pigged(false));
        site.tags[0].limits.iter_mut().for_each(|limit| limit.may_suppress = allowed);
        let mut now = Timeline::answering(&site);
        now.only(0.0, "pig=1");
        now.only(1.0, "gas=30");
        now.only(2.0, "gas=70")
    };
    assert_eq!(rows(false), "gas.high raised red; gas.high restored; alert 1 to crew: reopened; alert 2 to bureau: reopened");
    assert_eq!(rows(true), "gas.high raised red; alert 1 to officer: opened");
}

/// What is shown red is red until somebody has taken it, however far it fell meanwhile.
#[test]
fn what_is_shown_red_is_not_hidden_by_design_before_somebody_took_it() {
    for rows in [[(0.0, "gas=70"), (1.0, "gas=50"), (2.0, "pig=1")], [(0.0, "pig=1"), (1.0, "gas=70"), (2.0, "gas=50")]] {
        let mut now = Timeline::answering(&laddered(pigged(false)));
        for (second, what) in rows {
            now.only(second, what);
        }
        assert!(of(&now, 1).is_listed() && of(&now, 1).severity == Red && of(&now, 1).severity_now == Orange, "{rows:?}");
        let officer = now.only(61.0, "tick");
        assert!(officer.contains("to officer"), "the ladder goes on: {officer}");
        assert!(now.only(62.0, "ack 1").contains("gas.high suppressed"), "as bad as it stands, a logic may hide it");
        assert_eq!(of(&now, 1).severity, Orange);
    }
    // What the red limit allows holds while red is shown: it neither comes back nor goes again with each crossing.
    let mut site = laddered(pigged(false));
    site.tags[0].limits[2].may_suppress = true;
    let mut now = Timeline::answering(&site);
    now.only(0.0, "pig=1");
    assert!(now.only(1.0, "gas=70").contains("suppressed"));
    for (second, what) in [(2.0, "gas=50"), (3.0, "gas=70"), (4.0, "gas=50")] {
        let told = now.only(second, what);
        assert!(!told.contains("restored") && !told.contains("suppressed") && !told.contains(" to crew"), "{what}: {told}");
    }
    // So it is with what is highly managed at that level only.
    let mut site = laddered(pigged(false));
    site.tags[0].limits[2].managed = true;
    site.tags[0].limits[2].severity = Orange;
    site.tags[0].limits[1].severity = Yellow;
    site.tags[0].limits[0].severity = Blue;
    let mut now = Timeline::answering(&site);
    now.only(0.0, "gas=70");
    now.only(1.0, "gas=50");
    assert!(now.only(2.0, "shelve 1 300").starts_with("it is not shelved"));
    assert!(!now.only(3.0, "pig=1").contains("suppressed"));
    now.only(4.0, "pig=0");
    now.only(5.0, "ack 1");
    now.only(6.0, "gas=50");
    assert!(now.only(7.0, "shelve 1 300").starts_with("gas.high shelved"));
}

#[test]
fn a_tag_comes_back_when_it_was_seen_to_work() {
    let mut site = pigged(false);
    site.tags[0].limits.pop();
    let mut now = Timeline::new(&site);
    assert_eq!(now.only(0.0, "in gas"), "already done");
    assert!(now.only(1.0, "out gas 90000").starts_with("no such term"));
    assert_eq!(now.only(2.0, "out gas 3600"), "done");
    now.only(3.0, "gas=500");
    assert_eq!(now.only(4.0, "in gas"), "not yet: good_reading");
    now.only(5.0, "gas=30");
    assert!(now.only(6.0, "in gas").ends_with("done"));
    assert!(of(&now, 1).shelf.is_empty() && of(&now, 1).occurrences == 2, "it stands, and is new to everybody");
}

#[test]
fn what_puts_aside_survives_a_crash_and_a_changed_site() {
    let mut site = pigged(false);
    let mut now = Timeline::new(&site);
    for (second, what) in
        [(0.0, "gas=30"), (1.0, "shelve 1 3600"), (2.0, "pig=1"), (3.0, "out gas 3600"), (4.0, "second gas 3600")]
    {
        now.only(second, what);
    }
    let shelf = of(&now, 1).shelf.clone();
    assert!(shelf.shelved.is_some() && shelf.by_design.is_some() && shelf.out_of_service.is_some());
    now.crash();
    now.only(5.0, "start");
    assert_eq!(of(&now, 1).shelf, shelf);
    // The logic is another one now, the tag is the same.
    site.suppressions[0].value = 2.0;
    now.reconfigure(&site);
    now.only(6.0, "start");
    let after = of(&now, 1).shelf.clone();
    assert!(after.by_design.is_none() && after.out_of_service == shelf.out_of_service && after.shelved == shelf.shelved);
}
