//! The smallest rule stays small, and a vendor's way of testing it works: no WebAssembly, virtual time, timelines as tables.
mod filling;
mod rule;

use rule::Hot;
use safety_brain_sdk::cases::Case;
use safety_brain_sdk::testing::{case_faults, cases};
use safety_brain_sdk::{Description, Fault, Finding, Reading, Rule, Start};
use std::path::Path;

const CASES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/smallest/cases");

#[test]
fn it_has_fewer_than_thirty_lines() {
    let lines = include_str!("rule.rs").lines().map(str::trim).filter(|l| !l.is_empty() && !l.starts_with("//"));
    assert!(lines.count() < 30);
}

#[test]
fn it_says_what_its_cases_expect() {
    cases::<Hot>(CASES);
}

#[test]
fn the_one_with_two_inputs_says_what_its_cases_expect() {
    cases::<filling::Filling>(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/smallest/filling"));
}

/// The smallest rule with what it last said left out of its state.
struct Forgetful(Hot);

impl Rule for Forgetful {
    fn describe() -> Description {
        Hot::describe()
    }
    fn new(start: Start) -> Result<Forgetful, Vec<Fault>> {
        Hot::new(start).map(Forgetful)
    }
    fn evaluate(&mut self, at: i64, readings: &[Reading]) -> Vec<Finding> {
        self.0.evaluate(at, readings)
    }
    fn snapshot(&self) -> Vec<u8> {
        Vec::new()
    }
    fn restore(&mut self, _version: u32, _state: &[u8]) -> Result<(), String> {
        Ok(())
    }
}

#[test]
fn a_state_with_a_field_missing_is_told() {
    let case = Case::read(&Path::new(CASES).join("votes.toml")).expect("it is there");
    let faults = case_faults::<Forgetful>(&case);
    assert!(
        faults.len() == 1
            && faults[0].contains(
                "hazard `hot`: restored from its own snapshot it says something else: state that `snapshot` does not keep"
            ),
        "{faults:?}"
    );
}

/// The control: an expectation that is wrong by one second, and one that is missing, are told.
#[test]
fn a_wrong_expectation_is_told() {
    let text = std::fs::read_to_string(Path::new(CASES).join("votes.toml")).expect("it is there");
    for (right, wrong) in [("15,40,hot,orange", "16,40,hot,orange"), ("15,40,hot,orange\n", "")] {
        assert!(text.contains(right));
        let case = Case::parse(&text.replace(right, wrong)).expect("still a case");
        let faults = case_faults::<Hot>(&case);
        assert!(faults.iter().any(|fault| fault == "said and not expected: hot orange from 15 to 40 s"), "{faults:?}");
    }
}
