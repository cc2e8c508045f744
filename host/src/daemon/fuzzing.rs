//! A snapshot and a heartbeat as functions of bytes. See [`crate::fuzzing`].

use super::snapshot::{FORMAT, parse, seal};
use brain::Event;
use std::path::Path;

/// A snapshot file as it is; then the bytes as the packed state, and as the state itself, under seals that fit. A brain that wakes can live: a tick and
/// a start make no panic.
pub fn snapshot(bytes: &[u8]) -> bool {
    let sealed = |packed: &[u8]| [format!("{FORMAT}\nsite\n{}\n", seal(1, "site", packed)).as_bytes(), packed].concat();
    let packed = zstd::encode_all(bytes, 1).expect("bytes can be packed");
    [bytes, &sealed(bytes), &sealed(&packed)].iter().fold(false, |taken, file| taken | lives(file))
}

fn lives(file: &[u8]) -> bool {
    let Ok(snapshot) = parse(Path::new("fuzz.brain"), file, 1) else { return false };
    let (mut brain, site) = (snapshot.brain.reconfigured(snapshot.brain.site().clone()), snapshot.brain.site().clone());
    let mut same = snapshot.brain;
    for brain in [&mut same, &mut brain] {
        let at = brain.now();
        brain.step(at, &Event::Tick);
        let tags = site.tags.iter().map(|tag| tag.name.clone()).collect();
        brain.step(at.saturating_add(60_000_000), &Event::Started { config: String::new(), version: String::new(), tags });
        brain.step(at.saturating_add(120_000_000), &Event::Tick);
    }
    true
}

/// A heartbeat as a bureau reads it. What is taken is bounded, and the same again is an old one.
pub fn heartbeat(bytes: &[u8]) -> bool {
    let Ok(said) = super::bureau::heartbeat::read(bytes, None, "plant@demo.example", None) else { return false };
    let heartbeat = said.heartbeat;
    let size = serde_json::to_vec(&heartbeat).map_or(usize::MAX, |text| text.len());
    assert!(size < 16 << 10, "a record of {size} bytes");
    let mut bureau = brain::bureau::Bureau::default();
    assert_eq!(
        bureau.hears(0, "p", &heartbeat, false).is_ok(),
        heartbeat.run <= 0,
        "one that names its run proves that it is new"
    );
    let mut bureau = brain::bureau::Bureau::default();
    let event = bureau.hears(1, "p", &heartbeat, true).expect("the first").expect("is news");
    assert!(bureau.step(1, &event).is_ok() && bureau.hears(2, "p", &heartbeat, true).is_err());
    true
}
