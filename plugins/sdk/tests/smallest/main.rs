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

/// A tank with the head of its tables, these settings and these rows.
fn filling(params: &str, rows: &str, expect: &str) -> Vec<String> {
    let case = format!(
        "about = 'x'\nuntil = 30\nparams = {{ {params} }}\nrange = {{ level = [0, 100] }}\n\
         rows = '''\ntime,input,value,quality\n{rows}'''\nexpect = '''\nfrom,to,hazard,level\n{expect}'''\n"
    );
    case_faults::<filling::Filling>(&Case::parse(&case).expect("a case"))
}

/// A state that was not declared is not the harmless one: nothing can be told.
#[test]
fn a_state_that_is_none_of_those_declared_is_not_believed() {
    let blind = "10,,overfill,cannot-tell\n";
    assert_eq!(filling("", "0,level,50,\n0,valve,3,\n", blind), [""; 0]);
    assert_eq!(filling("", "0,level,50,\n0,valve,0,\n", ""), [""; 0], "the control");
}

/// What no plant would bind or set is refused here too.
#[test]
fn a_case_that_no_plant_would_take_is_told() {
    let (both, good) = ("0,level,50,\n0,valve,0,\n", "high = 90");
    assert_eq!(filling(good, both, ""), [""; 0], "the control");
    for (params, rows, expected) in [
        ("high = 99", both, "param `high` = Number(99.0): a number from 50 to 98"),
        ("high = 'ten'", both, "param `high` = Text(\"ten\"): a number"),
        ("hihg = 90", both, "`hihg` is no param of the rule: high, rise, window_s"),
        (good, "0,level,50,\n", "input `valve`: 0 tags; 1 to 1 fit"),
        (good, "0,level,50,\n0,level/1,50,\n0,valve,0,\n", "input `level`: 2 tags; 1 to 1 fit"),
        (good, "0,level,50,\n0,valve,0,\n0,pump,0,\n", "`pump` is no input of the rule: level, valve"),
    ] {
        let faults = filling(params, rows, "");
        assert!(
            faults.len() == 1 && faults[0].starts_with("case:") && faults[0].ends_with(&format!(": {expected}")),
            "{faults:?}"
        );
    }
}
