//! Uses its time to the full on every row, within a deadline that it asked for; fails on the trigger.
use hostile::{Columns, Description, Fault, Finding, Guest, Start, TimeUs, Wants};

struct Rule;

impl Guest for Rule {
    fn describe() -> Description {
        let description = hostile::description("slow-legal");
        let wants = Wants { deadline_ms: 100, fuel_per_call: 1_000_000_000, ..description.wants };
        Description { wants, ..description }
    }
    fn init(_start: Start) -> Result<(), Vec<Fault>> {
        Ok(())
    }
    fn evaluate(_at: TimeUs, readings: Columns) -> Vec<Finding> {
        hostile::spin(hostile::SLOW);
        assert!(!hostile::triggered(&readings), "the case");
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
