//! Files that other people hand to the tools, as functions of bytes. See [`crate::fuzzing`].

use super::{backup, evidence, journal};

/// An evidence file.
pub fn evidence(bytes: &[u8]) -> bool {
    evidence::check::check(bytes, None, &[]).faults.is_empty()
}

/// The manifest of a backup, and lines of anchors. What a manifest names lies inside the backup.
pub fn backup(bytes: &[u8]) -> bool {
    let named = backup::named(bytes);
    for (folder, name) in named.iter().flatten() {
        let plain = |part: &str| !part.is_empty() && !part.contains('/') && part != ".." && part != ".";
        assert!(plain(folder) && plain(name), "{folder:?} {name:?} lead out of the backup");
    }
    let anchors = journal::parsed_anchors("fuzz", &String::from_utf8_lossy(bytes), None);
    named.is_ok() || anchors.is_ok()
}
