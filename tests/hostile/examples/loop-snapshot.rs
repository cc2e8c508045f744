//! Never ends its snapshot once it has seen the trigger.
use hostile::{Columns, Description, Fault, Finding, Guest, Start, TimeUs};
use std::sync::atomic::{AtomicBool, Ordering};

static STUCK: AtomicBool = AtomicBool::new(false);

struct Rule;

impl Guest for Rule {
    fn describe() -> Description {
        hostile::description("loop-snapshot")
    }
    fn init(_start: Start) -> Result<(), Vec<Fault>> {
        Ok(())
    }
    fn evaluate(_at: TimeUs, readings: Columns) -> Vec<Finding> {
        STUCK.fetch_or(hostile::triggered(&readings), Ordering::Relaxed);
        vec![hostile::finding(hostile::count(&readings))]
    }
    fn snapshot() -> Vec<u8> {
        let mut n = 1u64;
        while STUCK.load(Ordering::Relaxed) {
            n = std::hint::black_box(n.wrapping_mul(31));
        }
        hostile::state()
    }
    fn restore(_version: u32, state: Vec<u8>) -> Result<(), String> {
        hostile::take(&state)
    }
}

hostile::component!(Rule);
