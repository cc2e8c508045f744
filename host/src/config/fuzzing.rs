//! A site file as a function of bytes. See [`crate::fuzzing`].

use super::drill::{self, To};
use super::{Config, Fault, of, text};
use brain::event::{Event, LinkState};
use brain::{Brain, Micros, Quality, Reading, TagId};
use std::path::Path;
use std::sync::LazyLock;

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
    match load(bytes) {
        Err(faults) => {
            explained(bytes, &faults);
            false
        }
        Ok(config) => {
            live(config);
            true
        }
    }
}

/// The scenario of a drill for the gas district. Each fault names place, key and remedy; what passes says of every tag what it shows, in order.
pub fn scenario(bytes: &[u8]) -> bool {
    static SITE: LazyLock<Config> = LazyLock::new(|| {
        let site = load(include_bytes!("../../../configs/gas-district.toml"));
        site.unwrap_or_else(|faults| panic!("{faults:?}"))
    });
    let read = text(Path::new("/nowhere/drill.toml"), bytes.to_vec()).map_err(|fault| vec![fault]);
    match read.and_then(|text| drill::of(&text, &SITE)) {
        Err(faults) => {
            explained(bytes, &faults);
            false
        }
        Ok(drill) => {
            let tags = &SITE.site.tags;
            assert!(drill.tracks.len() == tags.len() && !drill.id.is_empty() && drill.duration_ms > 0, "{drill:?}");
            for (track, tag) in drill.tracks.iter().zip(tags) {
                assert!((tag.low..=tag.high).contains(&track.normal) && track.period_ms > 0, "{track:?}");
                assert!(track.steps.windows(2).all(|pair| pair[0].at_ms <= pair[1].at_ms), "{track:?}");
                assert!(
                    track.steps.iter().all(|step| !matches!(step.to, To::Value(value, _) if !value.is_finite())),
                    "{track:?}"
                );
            }
            assert!(drill.expected.iter().flat_map(|of| &of.told).all(|name| drill.audiences.contains(name)), "{drill:?}");
            true
        }
    }
}

fn explained(bytes: &[u8], faults: &[Fault]) {
    let lines = bytes.iter().filter(|byte| **byte == b'\n').count() + 1;
    assert!(!faults.is_empty(), "refused without a reason");
    for fault in faults {
        assert!((1..=lines).contains(&fault.origin.line), "no such line: {fault}");
        assert!(!fault.key.is_empty() && !fault.found.is_empty() && !fault.allowed.is_empty(), "says nothing: {fault}");
    }
}

/// Two minutes in which every sensor says something, nothing and the impossible.
fn live(config: Config) {
    let (tags, links) = (config.site.tags.len().min(64) as u32, config.site.links.clone());
    let mut brain = Brain::new(config.site);
    let tell = |brain: &mut Brain, at: Micros, event: &Event| drop(brain.step(at, event));
    tell(&mut brain, START, &Event::started(vec![]));
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
