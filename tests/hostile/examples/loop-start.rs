//! The test gives it a start function that never ends: it would run before anybody asks it anything.
use hostile::{Columns, Description, Fault, Finding, Guest, Start, TimeUs};

/// What the test makes its start function.
#[unsafe(no_mangle)]
pub extern "C" fn spin() {
    let mut n = 1u64;
    while std::hint::black_box(true) {
        n = std::hint::black_box(n.wrapping_mul(31));
    }
}

struct Rule;

impl Guest for Rule {
    fn describe() -> Description {
        hostile::description("loop-start")
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
