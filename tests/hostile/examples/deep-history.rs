//! Wants more of its past kept than anybody may.
use hostile::{Columns, Description, Fault, Finding, Guest, Input, Start, TimeUs};

struct Rule;

impl Guest for Rule {
    fn describe() -> Description {
        let description = hostile::description("deep-history");
        let inputs = description.inputs.into_iter().map(|input| Input { history: 4097, ..input }).collect();
        Description { inputs, ..description }
    }
    fn init(_start: Start) -> Result<(), Vec<Fault>> {
        Ok(())
    }
    fn evaluate(_at: TimeUs, readings: Columns) -> Vec<Finding> {
        vec![hostile::finding(hostile::count(&readings))]
    }
    fn snapshot() -> Vec<u8> {
        hostile::state()
    }
    fn restore(_version: u32, state: Vec<u8>) -> Result<(), String> {
        hostile::take(&state)
    }
}

hostile::component!(Rule);
