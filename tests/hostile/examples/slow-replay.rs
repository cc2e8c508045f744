//! Quick in its first life and slow in every other one, always within its deadline: what it is given again after a failure takes long.
use hostile::{Columns, Description, Fault, Finding, Guest, Start, TimeUs};
use std::sync::atomic::{AtomicBool, Ordering};

static RESTORED: AtomicBool = AtomicBool::new(false);

struct Rule;

impl Guest for Rule {
    fn describe() -> Description {
        hostile::slow("slow-replay")
    }
    fn init(_start: Start) -> Result<(), Vec<Fault>> {
        Ok(())
    }
    fn evaluate(_at: TimeUs, readings: Columns) -> Vec<Finding> {
        if RESTORED.load(Ordering::Relaxed) {
            hostile::spin(hostile::SLOW);
        }
        assert!(!hostile::triggered(&readings), "the case");
        vec![hostile::finding(hostile::count(&readings))]
    }
    fn snapshot() -> Vec<u8> {
        hostile::state()
    }
    fn restore(_version: u32, state: Vec<u8>) -> Result<(), String> {
        RESTORED.store(true, Ordering::Relaxed);
        hostile::take(&state)
    }
}

hostile::component!(Rule);
