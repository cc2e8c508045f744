//! Timelines of one building.
#![allow(clippy::unwrap_used)]

use crate::FireworksRoom;
use safety_brain_sdk::testing::{Bench, Timeline, first, last, micros};
use safety_brain_sdk::{Condition, Quality, Reading, Severity};

fn room(class: &str) -> Bench<FireworksRoom> {
    Bench::new().text("building_class", class).number("quota_people", 3.0).number("quota_kg", 10.0)
}

fn started(bench: Bench<FireworksRoom>) -> Timeline<FireworksRoom> {
    bench.start().map_err(|f| format!("{f:?}")).unwrap()
}

#[test]
fn a_quota_is_never_unlimited() {
    let bench = Bench::<FireworksRoom>::new().text("building_class", "1.1").bind("people", 1).bind("mass", 1);
    let Err(faults) = bench.number("temp_stop", 36.0).number("stop_window_end", 5.0).start() else {
        panic!("it must refuse");
    };
    assert_eq!(faults.len(), 4, "{faults:?}");
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
    let ms = |second| (micros(second) / 1000) as f64;
    let bench = room("1.3").bind("activity", 1);
    let mut line = started(bench.number("stop_window_start", ms(100.0)).number("stop_window_end", ms(1000.0)));
    let said = line.hold(99.0, &[("activity", 1.0)]);
    assert_eq!(last(&said, "fw.stop-window").map(|l| l.1), Some(Condition::Clear));
    let said = line.hold(500.0, &[("activity", 1.0)]);
    assert_eq!(first(&said, "fw.stop-window", Severity::Orange), Some(400.0));
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
    assert_eq!(line.at(3.0, &[]).len(), 2, "all is said again after a restart");
}
