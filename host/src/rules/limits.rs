//! What a rule is held to: what its plug-in asks for, within what the site grants it.
//! Must not know: stores, what happens to a rule that reaches a limit.

use super::bindings::describing::{Description, Wants};
use super::fit::fault;
use super::sandbox::Caps;
use crate::config::Fault;
use crate::config::types::{Limits, Rule};
use std::time::Duration;

/// What a rule gets where its description says 0, the site allowing.
const DEFAULT: Limits = Limits { fuel_per_call: 10_000_000, fuel_per_row: 100_000, ..Limits::USUAL };

/// What it asks for, what was granted, and how a site file says so.
struct Asked {
    /// Of the description.
    wanted: &'static str,
    /// Of the site file.
    key: &'static str,
    asks: u64,
    granted: u64,
    /// As a site file writes it.
    written: String,
}

fn asked(d: &Description, granted: &Limits) -> [Asked; 7] {
    let w = &d.wants;
    let one = |wanted, key, asks, granted| Asked { wanted, key, asks, granted, written: format!("{key} = {asks}") };
    let history = d.inputs.iter().map(|input| input.history).max().unwrap_or_default();
    let deadline = one("deadline-ms", "deadline", w.deadline_ms.into(), granted.deadline_ms.into());
    [
        Asked { written: format!("deadline = \"{}ms\"", w.deadline_ms), ..deadline },
        one("fuel-per-call", "fuel", w.fuel_per_call, granted.fuel_per_call),
        one("fuel-per-row", "fuel_per_row", w.fuel_per_row, granted.fuel_per_row),
        one("memory-kib", "memory_kib", w.memory_kib.into(), granted.memory_kib.into()),
        one("snapshot-kib", "snapshot_kib", w.snapshot_kib.into(), granted.snapshot_kib.into()),
        one("findings", "findings", w.findings.into(), granted.findings.into()),
        one("history of an input", "history", history.into(), granted.history.into()),
    ]
}

/// What a description asks for that no site can grant.
pub(super) fn beyond_all(d: &Description) -> Vec<String> {
    let beyond = asked(d, &Limits::MOST).into_iter().filter(|one| one.asks > one.granted && one.key != "history");
    beyond.map(|one| format!("wants {} {}, at most {}", one.wanted, one.asks, one.granted)).collect()
}

/// What a site must grant by name, in its own words; empty where it needs to grant nothing.
pub fn to_be_granted(d: &Description) -> String {
    let more = asked(d, &Limits::USUAL).into_iter().filter(|one| one.asks > one.granted);
    more.map(|one| one.written).collect::<Vec<_>>().join(", ")
}

/// What a rule's plug-in asks for beyond what the site grants it.
pub(super) fn beyond_site(rule: &Rule, d: &Description) -> Vec<Fault> {
    let granted = &rule.limits;
    let more = asked(d, granted).into_iter().filter(|one| one.asks > one.granted);
    let told = |one: Asked| {
        let found = format!("{}@{} asks for {} {}", d.id, d.version, one.wanted, one.asks);
        let (most, written) = (one.granted, one.written);
        let allowed =
            format!("at most {most}; `limits = {{ {written} }}` in this rule, or the like in [plugins.limits], grants it");
        fault(rule, &format!("limits.{}", one.key), found, allowed)
    };
    more.map(told).collect()
}

/// What it is held to under these limits; where it asks for nothing, what is usual.
pub(super) fn held(wants: &Wants, granted: &Limits) -> Limits {
    fn of<T: Copy + Ord + Default>(wanted: T, usual: T, granted: T) -> T {
        if wanted == T::default() { usual.min(granted) } else { wanted.min(granted) }
    }
    Limits {
        deadline_ms: of(wants.deadline_ms, DEFAULT.deadline_ms, granted.deadline_ms),
        fuel_per_call: of(wants.fuel_per_call, DEFAULT.fuel_per_call, granted.fuel_per_call),
        fuel_per_row: of(wants.fuel_per_row, DEFAULT.fuel_per_row, granted.fuel_per_row),
        memory_kib: of(wants.memory_kib, DEFAULT.memory_kib, granted.memory_kib),
        snapshot_kib: of(wants.snapshot_kib, DEFAULT.snapshot_kib, granted.snapshot_kib),
        findings: of(wants.findings, DEFAULT.findings, granted.findings),
        ..*granted
    }
}

/// The same for one store.
pub(super) fn caps(held: &Limits) -> Caps {
    let kib = |kib: u32| (kib as usize) << 10;
    Caps {
        deadline: Duration::from_millis(held.deadline_ms.into()),
        fuel_per_call: held.fuel_per_call,
        fuel_per_row: held.fuel_per_row,
        memory_bytes: kib(held.memory_kib),
        snapshot_bytes: kib(held.snapshot_kib),
        log_lines: held.log_lines,
    }
}
