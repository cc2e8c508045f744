//! Fails on the trigger only in an instance that was never restored: the second try succeeds.
use hostile::{Columns, Description, Fault, Finding, Guest, Start, TimeUs};
use std::sync::atomic::{AtomicBool, Ordering};

static RESTORED: AtomicBool = AtomicBool::new(false);

struct Rule;

impl Guest for Rule {
    fn describe() -> Description {
        hostile::description("trap-once")
    }
    fn init(_start: Start) -> Result<(), Vec<Fault>> {
        Ok(())
    }
    fn evaluate(_at: TimeUs, readings: Columns) -> Vec<Finding> {
        let count = hostile::count(&readings);
        let restored = RESTORED.load(Ordering::Relaxed);
        assert!(restored || !hostile::triggered(&readings), "only once");
        hostile::looking_back(&readings, count)
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
