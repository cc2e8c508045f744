//! Accepts its snapshot and does not take it up.
use hostile::{Columns, Description, Fault, Finding, Guest, Start, TimeUs};
use std::sync::atomic::{AtomicU8, Ordering};

static STATE: AtomicU8 = AtomicU8::new(0);

struct Rule;

impl Guest for Rule {
    fn describe() -> Description {
        hostile::description("forgetful")
    }
    fn init(_start: Start) -> Result<(), Vec<Fault>> {
        Ok(())
    }
    fn evaluate(_at: TimeUs, _readings: Columns) -> Vec<Finding> {
        STATE.fetch_add(1, Ordering::Relaxed);
        vec![]
    }
    fn snapshot() -> Vec<u8> {
        vec![STATE.load(Ordering::Relaxed)]
    }
    fn restore(_version: u32, _state: Vec<u8>) -> Result<(), String> {
        Ok(())
    }
}

hostile::component!(Rule);
