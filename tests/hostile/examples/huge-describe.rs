//! Says what it is in more words than any host copies.
use hostile::{Columns, Description, Fault, Finding, Guest, Start, TimeUs};

struct Rule;

impl Guest for Rule {
    fn describe() -> Description {
        let mut description = hostile::description("huge-describe");
        description.about[0].1 = "x".repeat(2 << 20);
        description
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
