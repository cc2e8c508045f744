//! Never says what it is.
use hostile::{Columns, Description, Fault, Finding, Guest, Start, TimeUs};

struct Rule;

impl Guest for Rule {
    fn describe() -> Description {
        let mut n = 1u64;
        loop {
            n = std::hint::black_box(n.wrapping_mul(31));
        }
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
