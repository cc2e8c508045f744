//! A site file as a function of bytes. See [`crate::fuzzing`].

use super::{Config, Fault, of, text};
use brain::event::{Event, LinkState};
use brain::{Brain, Micros, Quality, Reading, TagId};
use std::path::Path;

/// 2026-01-02 in microseconds.
const START: Micros = 1_767_323_045_000_000;

/// Reads a site file that stands nowhere.
///
/// # Errors
/// Its faults.
pub fn load(bytes: &[u8]) -> Result<Config, Vec<Fault>> {
    of(text(Path::new("/nowhere/site.toml"), bytes.to_vec()).map_err(|fault| vec![fault])?)
}

/// A site file. Each fault names place, key and remedy; what passes is a plant the brain can live in.
pub fn site_file(bytes: &[u8]) -> bool {
    let lines = bytes.iter().filter(|byte| **byte == b'\n').count() + 1;
    match load(bytes) {
        Err(faults) => {
            assert!(!faults.is_empty(), "refused without a reason");
            for fault in &faults {
                assert!((1..=lines).contains(&fault.origin.line), "no such line: {fault}");
                assert!(!fault.key.is_empty() && !fault.found.is_empty() && !fault.allowed.is_empty(), "says nothing: {fault}");
            }
            false
        }
        Ok(config) => {
            live(config);
            true
        }
    }
}

/// Two minutes in which every sensor says something, nothing and the impossible.
fn live(config: Config) {
    let (tags, links) = (config.site.tags.len().min(64) as u32, config.site.links.clone());
    let mut brain = Brain::new(config.site);
    let tell = |brain: &mut Brain, at: Micros, event: &Event| drop(brain.step(at, event));
    tell(&mut brain, START, &Event::Started { config: String::new(), version: String::new(), tags: vec![] });
    for link in links {
        tell(&mut brain, START, &Event::Link { link, state: LinkState::Up, reason: String::new() });
    }
    for (second, value) in [0.0, 1e300, f64::NAN, -1e300].into_iter().enumerate() {
        let at = START + second as Micros * 30_000_000;
        let reading = |tag| Reading { tag: TagId(tag), value, quality: Quality::GOOD, source_us: at };
        tell(&mut brain, at, &Event::Readings { readings: (0..tags).map(reading).collect() });
        tell(&mut brain, at + 1_000_000, &Event::Tick);
    }
}
