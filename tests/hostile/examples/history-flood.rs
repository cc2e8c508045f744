//! Asks for its past without end: the host's answers cost the guest little, so the deadline must end it.
use hostile::{Columns, Description, Fault, Finding, Guest, Input, Start, TimeUs, Wants};

struct Rule;

impl Guest for Rule {
    fn describe() -> Description {
        let description = hostile::description("history-flood");
        let inputs = description.inputs.into_iter().map(|input| Input { history: 4096, ..input }).collect();
        let wants = Wants { fuel_per_call: 1_000_000_000, ..description.wants };
        Description { inputs, wants, ..description }
    }
    fn init(_start: Start) -> Result<(), Vec<Fault>> {
        Ok(())
    }
    fn evaluate(_at: TimeUs, readings: Columns) -> Vec<Finding> {
        let count = hostile::count(&readings);
        while hostile::triggered(&readings) {
            std::hint::black_box(hostile::history(0, i64::MIN, u32::MAX));
        }
        vec![hostile::finding(count)]
    }
    fn snapshot() -> Vec<u8> {
        hostile::state()
    }
    fn restore(_version: u32, state: Vec<u8>) -> Result<(), String> {
        hostile::take(&state)
    }
}

hostile::component!(Rule);
