//! Timelines of one zone.
#![allow(clippy::unwrap_used)]

use crate::GasDetector;
use safety_brain_sdk::testing::{Bench, Timeline, first, last};
use safety_brain_sdk::{Certainty, Condition, Finding, Quality, Severity};

fn started(bench: Bench<GasDetector>) -> Timeline<GasDetector> {
    bench.start().map_err(|f| format!("{f:?}")).unwrap()
}

fn gas(tags: u32) -> Timeline<GasDetector> {
    started(Bench::new().bind("gas", tags))
}

#[test]
fn refuses_a_zone_without_detectors_or_limits() {
    assert_eq!(Bench::<GasDetector>::new().start().err().unwrap().len(), 1);
    let toxic = Bench::<GasDetector>::new().bind("toxic", 1);
    assert_eq!(toxic.number("l1", 25.0).number("l2", 20.0).start().err().unwrap().len(), 3);
}

#[test]
fn one_is_yellow_two_are_orange_second_level_is_red() {
    let mut line = gas(3);
    let low = [("gas", 1.0), ("gas/1", 1.0), ("gas/2", 0.0)];
    let said = line.hold(100.0, &low);
    assert_eq!(last(&said, "gas.lel").map(|l| l.1), Some(Condition::Clear));
    // slowly, so that the rise alone says nothing
    for step in 0..8 {
        let _ = line.hold(100.0 + f64::from(step + 1) * 30.0, &[("gas", 1.0 + 3.0 * f64::from(step))]);
    }
    let said = line.hold(350.0, &[("gas", 25.0)]);
    assert_eq!(first(&said, "gas.lel", Severity::Yellow), Some(346.0));
    for step in 0..8 {
        let _ = line.hold(360.0 + f64::from(step + 1) * 30.0, &[("gas/1", 1.0 + 3.0 * f64::from(step))]);
    }
    let said = line.hold(610.0, &[("gas/1", 26.0)]);
    assert_eq!(first(&said, "gas.lel", Severity::Orange), Some(606.0));
    let said = line.hold(620.0, &[("gas/2", 50.0)]);
    assert_eq!(first(&said, "gas.lel", Severity::Red), Some(614.0));
    let said = line.hold(640.0, &[("gas/2", 48.5)]);
    assert_eq!(last(&said, "gas.lel").map(|l| l.2), Some(Severity::Red), "within the deadband");
    let said = line.hold(800.0, &low);
    assert_eq!(last(&said, "gas.lel").map(|l| l.1), Some(Condition::Clear));
}

#[test]
fn a_fast_rise_is_orange_before_the_first_limit() {
    let mut line = gas(2);
    let _ = line.hold(30.0, &[("gas", 1.0), ("gas/1", 1.0)]);
    let said = line.hold(40.0, &[("gas", 14.0)]);
    assert_eq!(first(&said, "gas.lel", Severity::Orange), Some(36.0));
}

#[test]
fn too_few_believable_detectors() {
    let mut line = gas(3);
    let _ = line.hold(5.0, &[("gas", 1.0), ("gas/1", 1.0), ("gas/2", 1.0)]);
    let bad = |tag| (tag, f64::NAN, Quality::SENSOR_FAILURE);
    let _ = line.rows(6.0, &[bad("gas")]);
    let said = line.hold(60.0, &[]);
    assert_eq!(first(&said, "gas.detector", Severity::Yellow), None, "two of three still vote");
    let _ = line.rows(61.0, &[bad("gas/1")]);
    let said = line.hold(80.0, &[]);
    assert_eq!(first(&said, "gas.detector", Severity::Yellow), Some(71.0));
    assert_eq!(last(&said, "gas.lel").map(|l| l.1), Some(Condition::CannotTell));
    let said = line.hold(90.0, &[("gas/2", 60.0)]);
    assert_eq!(first(&said, "gas.lel", Severity::Red), Some(84.0), "one detector is enough for danger");
}

#[test]
fn toxic_is_red_with_people_or_when_nobody_knows() {
    let bench = Bench::new().bind("toxic", 1).bind("people", 1).number("al", 10.0).number("ah", 20.0);
    let mut line = started(bench);
    let said = line.hold(10.0, &[("toxic", 12.0), ("people", 0.0)]);
    assert_eq!(first(&said, "gas.toxic", Severity::Yellow), Some(6.0));
    let said = line.hold(20.0, &[("toxic", 20.0)]);
    assert_eq!(first(&said, "gas.toxic", Severity::Orange), Some(14.0));
    let _ = line.rows(21.0, &[("people", f64::NAN, Quality::SILENT)]);
    let said = line.hold(30.0, &[]);
    assert_eq!(first(&said, "gas.toxic", Severity::Red), Some(24.0));
}

#[test]
fn gas_and_a_falling_pressure_are_a_leak() {
    let mut line = started(Bench::new().bind("gas", 2).bind("pressure", 1));
    let _ = line.hold(60.0, &[("gas", 5.0), ("gas/1", 4.0), ("pressure", 300.0)]);
    let said = line.hold(70.0, &[("gas", 11.0)]);
    assert_eq!(first(&said, "gas.leak", Severity::Orange), None, "gas alone is no leak");
    let said = line.hold(80.0, &[("pressure", 280.0)]);
    assert_eq!(first(&said, "gas.leak", Severity::Orange), Some(74.0));
    let said = line.hold(400.0, &[("gas", 26.0), ("pressure", 280.0)]);
    assert_eq!(first(&said, "gas.leak", Severity::Red), Some(84.0));
    assert_eq!(last(&said, "gas.leak").map(|l| l.1), Some(Condition::Active), "until the gas is gone");
    let said = line.hold(500.0, &[("gas", 1.0)]);
    assert_eq!(last(&said, "gas.leak").map(|l| l.1), Some(Condition::Clear));
}

#[test]
fn uncalibrated_detectors_deviate_together_or_not_at_all() {
    let bench = Bench::new().bind("raw", 3).number("learn_rows", 20.0);
    let mut line = started(bench);
    let air = |n: usize| {
        let wave = (n % 5) as f64;
        [("raw", 500.0 + wave), ("raw/1", 600.0 - wave), ("raw/2", 700.0 + wave)]
    };
    let mut said = Vec::new();
    for n in 1..=60 {
        said.extend(line.hold(n as f64, &air(n)));
    }
    assert_eq!(
        said.iter().find(|(_, f)| f.hazard == "gas.deviation").map(|(s, f)| (*s, f.condition)),
        Some((11.0, Condition::CannotTell))
    );
    assert_eq!(last(&said, "gas.deviation").map(|l| l.1), Some(Condition::Clear));
    let said = line.hold(80.0, &[("raw", 400.0)]);
    assert_eq!(first(&said, "gas.deviation", Severity::Orange), None, "one never decides");
    let said = line.hold(100.0, &[("raw/1", 620.0)]);
    assert_eq!(first(&said, "gas.deviation", Severity::Orange), None, "opposite directions");
    let said = line.hold(120.0, &[("raw/1", 580.0)]);
    assert_eq!(first(&said, "gas.deviation", Severity::Orange), Some(106.0));
}

#[test]
fn drift_is_followed() {
    let mut line = started(Bench::new().bind("raw", 2).number("learn_rows", 20.0));
    let mut said = Vec::new();
    for n in 0..2000 {
        let (drift, wave) = (f64::from(n) * 0.02, f64::from(n % 5));
        said.extend(
            line.at(f64::from(n), &[("raw", 500.0 + drift + wave), ("raw/1", 300.0 + drift - wave)])
                .into_iter()
                .map(|f| (0.0, f)),
        );
    }
    assert_eq!(first(&said, "gas.deviation", Severity::Orange), None);
}

#[test]
fn nothing_and_everything_bound_start_and_hold_their_state() {
    let bench = Bench::new().bind("gas", 16).bind("toxic", 16).bind("raw", 16).bind("pressure", 4).bind("people", 4);
    let mut line = started(bench.number("al", 1.0).number("ah", 2.0).number("learn_rows", 300.0));
    assert!(line.hold(30.0, &[]).is_empty(), "before the first rows there is nothing to say");
    let tags: Vec<String> = (0..16).map(|n| if n == 0 { "raw".into() } else { format!("raw/{n}") }).collect();
    let gases: Vec<String> = (0..16).map(|n| if n == 0 { "gas".into() } else { format!("gas/{n}") }).collect();
    for n in 0..299 {
        let raw = tags.iter().map(|tag| (tag.as_str(), 1.0, Quality::GOOD));
        let gas = gases.iter().map(|tag| (tag.as_str(), f64::NAN, if n % 2 == 0 { Quality::GOOD } else { Quality::LATE }));
        let rows: Vec<_> = raw.chain(gas).collect();
        let _ = line.rows(31.0 + f64::from(n), &rows); // the harness holds every snapshot against its bound
    }
    line.restart();
}

/// Three detectors that measure up to 100 %LEL.
fn ranged() -> Timeline<GasDetector> {
    let bench = Bench::new().bind("gas", 3);
    started(bench.range("gas", 0.0, 100.0).range("gas/1", 0.0, 100.0).range("gas/2", 0.0, 100.0))
}

fn cleared(said: &[(f64, Finding)], hazard: &str) -> bool {
    said.iter().any(|(_, f)| f.hazard == hazard && f.condition == Condition::Clear)
}

/// One detector in danger, then: past its range, no number, silent, frozen. The two others read clean air all the time.
#[test]
fn nothing_is_clear_while_the_detector_that_saw_it_is_not_believed() {
    for (value, quality, condition) in [
        (105.0, Quality::IMPOSSIBLE, Condition::Active),
        (105.0, Quality::SENSOR_FAILURE, Condition::Active),
        (f64::NAN, Quality::IMPOSSIBLE, Condition::CannotTell),
        (60.0, Quality::SILENT, Condition::CannotTell),
        (60.0, Quality(133), Condition::CannotTell),
    ] {
        let mut line = ranged();
        let clean = [("gas/1", 2.0), ("gas/2", 2.0)];
        let said = line.hold(20.0, &[("gas", 60.0), clean[0], clean[1]]);
        assert_eq!(first(&said, "gas.lel", Severity::Red), Some(4.0));
        let mut said: Vec<_> = line.rows(21.0, &[("gas", value, quality)]).into_iter().map(|finding| (21.0, finding)).collect();
        said.extend(line.hold(150.0, &clean));
        line.restart();
        said.extend(line.hold(300.0, &clean));
        assert!(!cleared(&said, "gas.lel"), "{value} {quality:?}");
        let (_, finding) = said.iter().rev().find(|(_, f)| f.hazard == "gas.lel").unwrap();
        assert_eq!(finding.condition, condition, "{value} {quality:?}");
        if condition == Condition::Active {
            assert_eq!((finding.severity, finding.certainty), (Severity::Red, Certainty::Possible));
            assert_eq!(finding.evidence[0].value, 105.0);
        }
        let said = line.hold(400.0, &[("gas", 2.0)]);
        assert!(cleared(&said, "gas.lel"), "{value} {quality:?}: seen in clean air again, it is over");
    }
}

#[test]
fn past_their_range_all_detectors_are_red_at_once() {
    let mut line = ranged();
    let said = line.hold(10.0, &[("gas", 2.0), ("gas/1", 2.0), ("gas/2", 2.0)]);
    assert!(cleared(&said, "gas.lel"));
    let said = line.hold(60.0, &[("gas", 105.0), ("gas/1", 110.0), ("gas/2", 120.0)]);
    assert_eq!(first(&said, "gas.lel", Severity::Red), Some(14.0));
    assert_eq!(first(&said, "gas.detector", Severity::Yellow), Some(21.0), "none of them measures");
    assert!(said.iter().all(|(_, f)| f.hazard != "gas.lel" || f.condition == Condition::Active));
}

/// A drifted zero is no danger, and two of three still vote.
#[test]
fn below_its_range_a_detector_is_only_not_believed() {
    let mut line = ranged();
    let said = line.hold(200.0, &[("gas", -3.0), ("gas/1", 2.0), ("gas/2", 2.0)]);
    assert_eq!(last(&said, "gas.lel").map(|l| l.1), Some(Condition::Clear));
    assert_eq!(first(&said, "gas.detector", Severity::Yellow), None);
}

#[test]
fn a_level_does_not_fall_while_its_detector_is_out_of_sight() {
    let mut line = ranged();
    let _ = line.hold(20.0, &[("gas", 60.0), ("gas/1", 30.0), ("gas/2", 2.0)]);
    let _ = line.rows(21.0, &[("gas", f64::NAN, Quality::SENSOR_FAILURE)]);
    let said = line.hold(200.0, &[("gas/1", 30.0), ("gas/2", 2.0)]);
    assert_eq!(last(&said, "gas.lel").map(|l| (l.1, l.2)), Some((Condition::Active, Severity::Red)));
    let said = line.hold(300.0, &[("gas", 2.0)]);
    assert_eq!(last(&said, "gas.lel").map(|l| (l.1, l.2)), Some((Condition::Active, Severity::Yellow)));
}

/// A rule that has just started takes nothing back before each detector was heard of.
#[test]
fn nothing_is_clear_before_all_were_heard() {
    let mut line = ranged();
    assert!(!cleared(&line.hold(30.0, &[("gas/1", 2.0), ("gas/2", 2.0)]), "gas.lel"));
    let said = line.rows(31.0, &[("gas", f64::NAN, Quality::NEVER_SEEN)]);
    let clear = said.iter().any(|f| f.hazard == "gas.lel" && f.condition == Condition::Clear);
    assert!(clear, "given up by the host: two of three vote: {said:?}");
}

#[test]
fn toxic_pressure_and_raw_past_their_range() {
    let bench = Bench::new().bind("toxic", 2).number("al", 10.0).number("ah", 20.0);
    let mut line = started(bench.range("toxic", 0.0, 50.0).range("toxic/1", 0.0, 50.0));
    let said = line.hold(30.0, &[("toxic", 55.0), ("toxic/1", 0.0)]);
    assert_eq!(last(&said, "gas.toxic").map(|l| (l.1, l.2)), Some((Condition::Active, Severity::Orange)));

    let mut line = started(Bench::new().bind("gas", 1).bind("pressure", 1).range("pressure", 0.0, 600.0));
    let _ = line.hold(60.0, &[("gas", 5.0), ("pressure", 300.0)]);
    let said = line.hold(80.0, &[("gas", 12.0), ("pressure", -4.0)]);
    assert_eq!(first(&said, "gas.leak", Severity::Orange), Some(64.0));

    let bench = Bench::new().bind("raw", 3).number("learn_rows", 20.0);
    let bench = bench.range("raw", 0.0, 1023.0).range("raw/1", 0.0, 1023.0).range("raw/2", 0.0, 1023.0);
    let mut line = started(bench);
    let _ = line.hold(60.0, &[("raw", 500.0), ("raw/1", 600.0), ("raw/2", 700.0)]);
    let said = line.hold(80.0, &[("raw", 1100.0), ("raw/1", 1100.0), ("raw/2", 700.0)]);
    assert_eq!(first(&said, "gas.deviation", Severity::Orange), Some(66.0));
    let bad = |tag| (tag, f64::NAN, Quality::SENSOR_FAILURE);
    let _ = line.rows(81.0, &[bad("raw")]);
    assert!(!cleared(&line.hold(200.0, &[("raw/1", 600.0), ("raw/2", 700.0)]), "gas.deviation"));
}

#[test]
fn a_detector_that_ends_before_its_alarm_is_refused() {
    let refused = |high| Bench::<GasDetector>::new().bind("gas", 2).range("gas/1", 0.0, high).start().err();
    assert!(refused(51.0).is_none());
    for high in [50.0, 20.0] {
        let faults = refused(high).unwrap();
        assert!(faults.len() == 1 && faults[0].text.contains("`gas/1`") && faults[0].text.contains("`l2`, 50"), "{faults:?}");
    }
}

/// The same cases run through the sandbox in `tests/all`.
#[test]
fn cases_say_what_they_expect() {
    safety_brain_sdk::testing::cases::<GasDetector>(concat!(env!("CARGO_MANIFEST_DIR"), "/cases"));
}
