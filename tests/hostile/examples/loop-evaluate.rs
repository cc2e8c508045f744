//! Never answers, with as much fuel as anybody can have: the deadline must end it.
use hostile::{Columns, Description, Fault, Finding, Guest, Start, TimeUs, Wants};

struct Rule;

impl Guest for Rule {
    fn describe() -> Description {
        let description = hostile::description("loop-evaluate");
        let wants = Wants { fuel_per_call: 1_000_000_000, ..description.wants };
        Description { wants, ..description }
    }
    fn init(_start: Start) -> Result<(), Vec<Fault>> {
        Ok(())
    }
    fn evaluate(_at: TimeUs, readings: Columns) -> Vec<Finding> {
        let count = hostile::count(&readings);
        let mut n = count;
        while hostile::triggered(&readings) {
            n = std::hint::black_box(n.wrapping_mul(31));
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
