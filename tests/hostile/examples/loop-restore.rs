//! Never ends its restore once its state has rows in it; fails on the trigger, so that it is restored.
use hostile::{Columns, Description, Fault, Finding, Guest, Start, TimeUs};

struct Rule;

impl Guest for Rule {
    fn describe() -> Description {
        hostile::description("loop-restore")
    }
    fn init(_start: Start) -> Result<(), Vec<Fault>> {
        Ok(())
    }
    fn evaluate(_at: TimeUs, readings: Columns) -> Vec<Finding> {
        assert!(!hostile::triggered(&readings), "the case");
        vec![hostile::finding(hostile::count(&readings))]
    }
    fn snapshot() -> Vec<u8> {
        hostile::state()
    }
    fn restore(_version: u32, state: Vec<u8>) -> Result<(), String> {
        hostile::take(&state)?;
        let mut n = 1u64;
        while state.iter().any(|byte| *byte != 0) {
            n = std::hint::black_box(n.wrapping_mul(31));
        }
        Ok(())
    }
}

hostile::component!(Rule);
