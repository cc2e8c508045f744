//! A phrase of 120 KB, all places: whoever fills it once for each number never ends.
use hostile::{Columns, Description, Fault, Finding, Guest, Start, TimeUs};

struct Rule;

impl Guest for Rule {
    fn describe() -> Description {
        let mut description = hostile::description("phrase-bomb");
        for (_, text) in &mut description.phrases[0].text {
            *text = "{0}".repeat(40_000);
        }
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
