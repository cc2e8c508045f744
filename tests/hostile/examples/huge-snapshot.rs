//! Its state outgrows what it declared once it has seen the trigger.
use hostile::{Columns, Description, Fault, Finding, Guest, Start, TimeUs};
use std::sync::atomic::{AtomicBool, Ordering};

static GROWN: AtomicBool = AtomicBool::new(false);

struct Rule;

impl Guest for Rule {
    fn describe() -> Description {
        hostile::description("huge-snapshot")
    }
    fn init(_start: Start) -> Result<(), Vec<Fault>> {
        Ok(())
    }
    fn evaluate(_at: TimeUs, readings: Columns) -> Vec<Finding> {
        GROWN.fetch_or(hostile::triggered(&readings), Ordering::Relaxed);
        vec![hostile::finding(hostile::count(&readings))]
    }
    fn snapshot() -> Vec<u8> {
        match GROWN.load(Ordering::Relaxed) {
            true => vec![0; 2 << 20],
            false => hostile::state(),
        }
    }
    fn restore(_version: u32, state: Vec<u8>) -> Result<(), String> {
        hostile::take(&state)
    }
}

hostile::component!(Rule);
