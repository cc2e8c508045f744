//! Every reader of bytes that come from outside, as a function of those bytes alone: for `tests/fuzz`, and for the test that replays its corpus.
//! Owns: the list. Must not know: what the bytes mean (each reader stands beside what it tries).
//!
//! A reader says whether it took the bytes. It panics where a promise is broken, and only there.

use crate::{cli, config, console, daemon, journal, links, notices, rules, store};

/// One reader.
pub struct Target {
    /// Its name, and that of its folder in `tests/fuzz/corpus`.
    pub name: &'static str,
    /// Longest input that is worth trying, bytes.
    pub bytes_max: usize,
    /// True where the bytes were taken.
    pub read: fn(&[u8]) -> bool,
}

/// All of them. To add one: a function beside the reader, a row here, and a seed in `tests/fuzz/corpus/<name>` that it takes.
pub const TARGETS: &[Target] = &[
    target("mqtt-message", 4 << 10, links::fuzzing::message),
    target("modbus-frames", 1 << 10, links::fuzzing::frames),
    target("modbus-registers", 256, links::fuzzing::registers),
    target("recording", 4 << 10, links::fuzzing::recording),
    target("cap-message", 16 << 10, notices::fuzzing::message),
    target("cap-signed", 16 << 10, notices::fuzzing::signed),
    target("cap-json", 16 << 10, notices::fuzzing::json),
    target("cap-notice", 16 << 10, notices::fuzzing::notice),
    target("bureau-reply", 16 << 10, notices::fuzzing::reply),
    target("bureau-report", 16 << 10, notices::fuzzing::report),
    target("heartbeat", 4 << 10, daemon::fuzzing::heartbeat),
    target("head", 4 << 10, daemon::fuzzing::head),
    target("api-request", 4 << 10, console::fuzzing::request),
    target("call-back", 2 << 10, console::fuzzing::call_back),
    target("site-file", 64 << 10, config::fuzzing::site_file),
    target("scenario", 16 << 10, config::fuzzing::scenario),
    target("journal-record", 4 << 10, journal::fuzzing::record),
    target("journal-segment", 16 << 10, journal::fuzzing::segment),
    target("snapshot", 64 << 10, daemon::fuzzing::snapshot),
    target("bureau-snapshot", 64 << 10, daemon::fuzzing::bureau_snapshot),
    target("store-block", 4 << 10, store::fuzzing::block),
    target("evidence", 32 << 10, cli::fuzzing::evidence),
    target("backup", 4 << 10, cli::fuzzing::backup),
    target("plugin-bundle", 64 << 10, rules::fuzzing::bundle),
    target("plugin-component", 64 << 10, rules::fuzzing::component),
    target("plugin-description", 2 << 10, rules::fuzzing::description),
];

const fn target(name: &'static str, bytes_max: usize, read: fn(&[u8]) -> bool) -> Target {
    Target { name, bytes_max, read }
}
