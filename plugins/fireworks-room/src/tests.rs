//! Timelines of one building.
#![allow(clippy::unwrap_used)]

use crate::FireworksRoom;
use safety_brain_sdk::testing::{Bench, Timeline, first, last};
use safety_brain_sdk::{Certainty, Condition, Finding, Quality, Reading, Severity};

fn room(class: &str) -> Bench<FireworksRoom> {
    Bench::new().text("building_class", class).number("quota_people", 3.0).number("quota_kg", 10.0)
}

fn started(bench: Bench<FireworksRoom>) -> Timeline<FireworksRoom> {
    bench.start().map_err(|f| format!("{f:?}")).unwrap()
}

#[test]
fn a_quota_is_never_unlimited() {
    let bench = Bench::<FireworksRoom>::new().text("building_class", "1.1").bind("people", 1).bind("mass", 1);
    let Err(faults) = bench.number("temp_stop", 36.0).start() else {
        panic!("it must refuse");
    };
    assert_eq!(faults.len(), 3, "{faults:?}");
}

#[test]
fn too_many_people_by_class() {
    for (class, severity) in [("1.1", Severity::Red), ("1.3", Severity::Orange)] {
        let mut line = started(room(class).bind("people", 1));
        let said = line.hold(5.0, &[("people", 2.0)]);
        assert_eq!(last(&said, "fw.headcount"), Some((1.0, Condition::Clear, Severity::Blue)));
        let said = line.hold(15.0, &[("people", 3.0)]);
        assert_eq!(first(&said, "fw.headcount", Severity::Blue), Some(11.0));
        let said = line.hold(30.0, &[("people", 4.0)]);
        assert_eq!(first(&said, "fw.headcount", severity), Some(21.0));
        let said = line.hold(120.0, &[("people", 1.0)]);
        assert_eq!(last(&said, "fw.headcount"), Some((91.0, Condition::Clear, Severity::Blue)));
    }
}

#[test]
fn nobody_beside_a_running_machine() {
    let mut line = started(room("1.1").bind("people", 1).bind("machine", 1));
    let said = line.hold(10.0, &[("people", 1.0), ("machine", 0.0)]);
    assert_eq!(first(&said, "fw.machine-room", Severity::Red), None);
    let said = line.hold(20.0, &[("people", 1.0), ("machine", 1.0)]);
    assert_eq!(first(&said, "fw.machine-room", Severity::Red), Some(14.0));
}

#[test]
fn heat_warns_stops_and_turns_red_when_people_stay() {
    let mut line = started(room("1.1").bind("people", 1).bind("temperature", 2));
    let hot = [("people", 1.0), ("temperature", 30.0), ("temperature/1", 32.0)];
    let said = line.hold(40.0, &hot);
    assert_eq!(first(&said, "fw.temp.stop", Severity::Yellow), Some(31.0));
    let hot = [("people", 1.0), ("temperature", 34.0)];
    let said = line.hold(400.0, &hot);
    assert_eq!(first(&said, "fw.temp.stop", Severity::Orange), Some(46.0));
    assert_eq!(first(&said, "fw.temp.stop", Severity::Red), Some(341.0));
    let said = line.hold(500.0, &[("people", 0.0), ("temperature", 33.5)]);
    assert_eq!(last(&said, "fw.temp.stop").map(|l| l.2), Some(Severity::Orange), "within the deadband");
    let said = line.hold(700.0, &[("temperature", 25.0), ("temperature/1", 25.0)]);
    assert_eq!(last(&said, "fw.temp.stop").map(|l| l.1), Some(Condition::Clear));
}

#[test]
fn mass_and_dryness() {
    let mut line = started(room("1.3").bind("mass", 2).bind("humidity", 1));
    let said = line.hold(130.0, &[("mass", 5.0), ("mass/1", 4.0), ("humidity", 60.0)]);
    assert_eq!(first(&said, "fw.quantity", Severity::Blue), Some(11.0));
    assert_eq!(first(&said, "fw.rh.low", Severity::Yellow), Some(121.0));
    let said = line.hold(300.0, &[("mass", 7.0), ("humidity", 49.0)]);
    assert_eq!(first(&said, "fw.quantity", Severity::Orange), Some(141.0));
    assert_eq!(first(&said, "fw.rh.low", Severity::Orange), Some(251.0));
    let said = line.hold(320.0, &[("mass", 9.0)]);
    assert_eq!(first(&said, "fw.quantity", Severity::Red), Some(311.0));
}

#[test]
fn lightning_stops_work_and_half_an_hour_of_quiet_resumes_it() {
    let mut line = started(room("1.1").bind("lightning", 1).bind("storm", 1));
    let said = line.hold(10.0, &[("lightning", 8.0), ("storm", 0.0)]);
    assert_eq!(first(&said, "fw.storm", Severity::Orange), Some(1.0));
    let said = line.hold(20.0, &[("storm", 1.0)]);
    assert_eq!(first(&said, "fw.storm", Severity::Red), Some(11.0));
    let said = line.hold(1850.0, &[("lightning", 40.0), ("storm", 0.0)]);
    assert_eq!(last(&said[..said.len() - 1], "fw.storm").map(|l| l.1), Some(Condition::Active));
    assert_eq!(last(&said, "fw.storm"), Some((1821.0, Condition::Clear, Severity::Blue)));
}

#[test]
fn work_inside_a_season_stop() {
    let mut line = started(room("1.3").bind("activity", 1).bind("season_stop", 1));
    let said = line.hold(99.0, &[("activity", 1.0), ("season_stop", 0.0)]);
    assert_eq!(last(&said, "fw.stop-window").map(|l| l.1), Some(Condition::Clear));
    let said = line.hold(500.0, &[("activity", 1.0), ("season_stop", 1.0)]);
    assert_eq!(first(&said, "fw.stop-window", Severity::Orange), Some(400.0));
    // A calendar that cannot be believed ends no stop and begins none.
    let said = line.rows(501.0, &[("season_stop", 0.0, Quality::BAD)]);
    assert!(said.iter().all(|f| f.condition != Condition::Clear));
}

#[test]
fn bad_inputs_never_clear_anything() {
    let mut line = started(room("1.1").bind("people", 1).bind("temperature", 1).bind("mass", 1).bind("machine", 1));
    let _ = line.hold(20.0, &[("people", 9.0), ("temperature", 35.0), ("mass", 1.0), ("machine", 1.0)]);
    let bad = ["people", "temperature", "mass", "machine"].map(|tag| (tag, f64::NAN, Quality::SILENT));
    assert!(line.rows(21.0, &bad).iter().all(|f| f.condition != Condition::Clear));
    let said = line.hold(40.0, &[]);
    for hazard in ["fw.headcount", "fw.temp.stop", "fw.quantity", "fw.machine-room"] {
        assert_eq!(last(&said, hazard).map(|l| (l.0, l.1)), Some((31.0, Condition::CannotTell)), "{hazard}");
    }
}

#[test]
fn odd_rows_do_no_harm_and_silence_is_not_repeated() {
    let mut line = started(room("1.1").bind("people", 1).bind("temperature", 1));
    assert!(line.at(0.0, &[]).is_empty());
    let row = |handle, value, quality, at| Reading { handle, value, quality, at };
    let odd = [
        row(0, f64::NAN, Quality::GOOD, 5),
        row(0, f64::INFINITY, Quality::GOOD, i64::MAX),
        row(77, 1.0, Quality::GOOD, 0),
        row(1, -1e308, Quality(255), i64::MIN),
        row(1, 20.0, Quality::LATE, -1),
        row(0, 1.0, Quality::GOOD, 3),
        row(0, 1.0, Quality::GOOD, 3),
    ];
    assert_eq!(line.readings(1.0, &odd).len(), 2);
    assert!(line.at(2.0, &[("people", 1.0)]).is_empty(), "nothing new");
    line.restart();
    assert_eq!(line.at(3.0, &[]), [], "what was said is part of the state");
}

/// Everything that a room can have, with the ranges of a site file.
fn ranged(class: &str) -> Timeline<FireworksRoom> {
    let inputs = [("people", 2), ("temperature", 2), ("humidity", 2), ("mass", 2), ("machine", 1), ("lightning", 1)];
    let bench = inputs.iter().fold(room(class), |bench, (input, count)| bench.bind(input, *count));
    let ranges = [
        ("people", 0.0, 50.0),
        ("people/1", 0.0, 50.0),
        ("temperature", -20.0, 80.0),
        ("temperature/1", -20.0, 80.0),
        ("humidity", 0.0, 100.0),
        ("humidity/1", 0.0, 100.0),
        ("mass", 0.0, 100.0),
        ("mass/1", 0.0, 100.0),
        ("machine", 0.0, 1.0),
        ("lightning", 0.0, 60.0),
    ];
    started(ranges.iter().fold(bench, |bench, (tag, low, high)| bench.range(tag, *low, *high)))
}

const CALM: [(&str, f64); 10] = [
    ("people", 1.0),
    ("people/1", 1.0),
    ("temperature", 25.0),
    ("temperature/1", 25.0),
    ("humidity", 70.0),
    ("humidity/1", 70.0),
    ("mass", 1.0),
    ("mass/1", 1.0),
    ("machine", 0.0),
    ("lightning", 50.0),
];

/// (tag, a danger within its range, a value beyond it, hazard, level): the other tags are calm all the time.
const BEYOND: [(&str, f64, f64, &str, Severity); 6] = [
    ("people", 4.0, 60.0, "fw.headcount", Severity::Red),
    ("temperature", 35.0, 95.0, "fw.temp.stop", Severity::Orange),
    ("humidity", 40.0, -3.0, "fw.rh.low", Severity::Orange),
    ("mass", 13.0, 130.0, "fw.quantity", Severity::Red),
    ("machine", 1.0, 2.0, "fw.machine-room", Severity::Red),
    ("lightning", 5.0, -1.0, "fw.storm", Severity::Orange),
];

/// The same rows every ten seconds from `from` up to `until`; everything said.
fn steps(line: &mut Timeline<FireworksRoom>, from: u32, until: u32, rows: &[(&str, f64)]) -> Vec<(f64, Finding)> {
    let seconds = (from..=until).step_by(10).map(f64::from);
    seconds
        .flat_map(|second| line.at(second, rows).into_iter().map(move |finding| (second, finding)).collect::<Vec<_>>())
        .collect()
}

#[test]
fn beyond_its_range_a_value_is_danger_and_said_to_be_possible() {
    for (tag, _, beyond, hazard, severity) in BEYOND {
        let mut line = ranged("1.1");
        let said = steps(&mut line, 10, 200, &CALM);
        assert_eq!(last(&said, hazard).map(|l| l.1), Some(Condition::Clear), "{tag}");
        let said = steps(&mut line, 210, 400, &[(tag, beyond)]);
        assert!(first(&said, hazard, severity).is_some(), "{tag} at {beyond}: no {hazard}");
        let (_, finding) = said.iter().rev().find(|(_, f)| f.hazard == hazard).unwrap();
        assert_eq!((finding.condition, finding.certainty), (Condition::Active, Certainty::Possible), "{tag}");
    }
}

#[test]
fn nothing_is_clear_while_the_tag_that_saw_it_is_not_believed() {
    for (tag, danger, beyond, hazard, severity) in BEYOND {
        for (value, quality) in [(beyond, Quality::IMPOSSIBLE), (f64::NAN, Quality::SENSOR_FAILURE), (danger, Quality::SILENT)] {
            let mut line = ranged("1.1");
            let _ = steps(&mut line, 10, 20, &CALM);
            let said = steps(&mut line, 30, 300, &[(tag, danger)]);
            assert!(first(&said, hazard, severity).is_some(), "{tag} at {danger}: no {hazard}");
            let lost = line.rows(301.0, &[(tag, value, quality)]);
            assert!(lost.iter().all(|f| f.hazard != hazard || f.condition != Condition::Clear));
            let others: Vec<_> = CALM.into_iter().filter(|(other, _)| *other != tag).collect();
            let said = steps(&mut line, 310, 2500, &others);
            let clear = said.iter().find(|(_, f)| f.hazard == hazard && f.condition == Condition::Clear);
            assert!(clear.is_none(), "{tag} {danger} -> {value} {quality:?}: {clear:?}");
            let said = steps(&mut line, 2510, 4500, &CALM);
            assert_eq!(last(&said, hazard).map(|l| l.1), Some(Condition::Clear), "{tag}: seen calm again, it is over");
        }
    }
}

#[test]
fn a_tag_that_ends_before_its_limit_is_refused() {
    let refused = |input: &str, low, high| {
        let bench = room("1.1").bind(input, 1).range(input, low, high);
        bench.start().err().map(|faults| faults.iter().map(|f| f.text.clone()).collect::<String>())
    };
    for (input, low, high, why) in [
        ("temperature", -20.0, 33.0, "`temp_stop`, 34"),
        ("people", 0.0, 3.0, "`quota_people`, 3"),
        ("humidity", 50.0, 100.0, "`rh_very_low`, 50"),
        ("mass", 0.0, 10.0, "`quota_kg`, 10"),
        ("lightning", 10.0, 60.0, "`storm_km`, 10"),
    ] {
        let said = refused(input, low, high).unwrap_or_else(|| panic!("{input} up to {high} was taken"));
        assert!(said.contains(why), "{said}");
        assert_eq!(refused(input, low - 1.0, high + 10.0).filter(|_| !["humidity", "lightning"].contains(&input)), None);
    }
}

/// The same cases run through the sandbox in `tests/all`.
#[test]
fn cases_say_what_they_expect() {
    safety_brain_sdk::testing::cases::<FireworksRoom>(concat!(env!("CARGO_MANIFEST_DIR"), "/cases"));
}
