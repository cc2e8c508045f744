//! What a rule is held to: what its plug-in asks for, within what the site grants it.
//! Must not know: stores, what happens to a rule that reaches a limit.

use super::bindings::describing::Description;
use super::fit::fault;
use super::sandbox::Caps;
use crate::config::Fault;
use crate::config::types::{Limits, Rule};
use std::time::Duration;

/// What a rule gets where its description says 0, the site allowing.
const DEFAULT: Limits = Limits { fuel_per_call: 10_000_000, fuel_per_row: 100_000, ..Limits::USUAL };

/// One limit that a component may ask for.
#[derive(Clone, Copy, Debug)]
pub struct AskedLimit {
    /// As its description calls it.
    pub name: &'static str,
    /// As a site file calls it.
    key: &'static str,
    /// What it asks for; 0: the default.
    pub wanted: u64,
    /// What it is held to where the site grants that.
    pub effective: u64,
    /// What a site grants without a word.
    pub unasked: u64,
    /// What a site can grant at most.
    pub most: u64,
}

impl AskedLimit {
    /// As a site file grants it.
    fn written(&self) -> String {
        match self.key {
            "deadline" => format!("deadline = \"{}ms\"", self.wanted),
            key => format!("{key} = {}", self.wanted),
        }
    }
}

/// A number among limits.
type Of = fn(&Limits) -> u64;

/// All that can be asked for: as a description calls it, as a site file does, and where it stands among limits.
const KINDS: [(&str, &str, Of); 7] = [
    ("deadline-ms", "deadline", |of| of.deadline_ms.into()),
    ("fuel-per-call", "fuel", |of| of.fuel_per_call),
    ("fuel-per-row", "fuel_per_row", |of| of.fuel_per_row),
    ("memory-kib", "memory_kib", |of| of.memory_kib.into()),
    ("snapshot-kib", "snapshot_kib", |of| of.snapshot_kib.into()),
    ("findings", "findings", |of| of.findings.into()),
    ("history", "history", |of| of.history.into()),
];

/// What a description asks for; 0: nothing.
fn wanted(d: &Description) -> Limits {
    let w = &d.wants;
    Limits {
        deadline_ms: w.deadline_ms,
        fuel_per_call: w.fuel_per_call,
        fuel_per_row: w.fuel_per_row,
        memory_kib: w.memory_kib,
        snapshot_kib: w.snapshot_kib,
        findings: w.findings,
        history: d.inputs.iter().map(|input| input.history).max().unwrap_or_default(),
        log_lines: 0,
    }
}

/// Each limit as a description asks for it.
pub(super) fn asked(d: &Description) -> [AskedLimit; 7] {
    let (wanted, held) = (wanted(d), held(d, &Limits::MOST));
    KINDS.map(|(name, key, of)| AskedLimit {
        name,
        key,
        wanted: of(&wanted),
        effective: of(&held),
        unasked: of(&Limits::USUAL),
        most: of(&Limits::MOST),
    })
}

/// What a description asks for that no site can grant. How much `history` is told with its input.
pub(super) fn beyond_all(d: &Description) -> Vec<String> {
    let beyond = asked(d).into_iter().filter(|one| one.wanted > one.most && one.name != "history");
    beyond.map(|one| format!("wants {} {}, at most {}", one.name, one.wanted, one.most)).collect()
}

/// What a site must grant by name, in its own words; empty where it needs to grant nothing.
pub(super) fn to_be_granted(d: &Description) -> String {
    let more = asked(d).into_iter().filter(|one| one.wanted > one.unasked);
    more.map(|one| one.written()).collect::<Vec<_>>().join(", ")
}

/// What a rule's plug-in asks for beyond what the site grants it.
pub(super) fn beyond_site(rule: &Rule, d: &Description) -> Vec<Fault> {
    let granted = KINDS.map(|(_, _, of)| of(&rule.limits));
    let more = asked(d).into_iter().zip(granted).filter(|(one, most)| one.wanted > *most);
    let told = |(one, most): (AskedLimit, u64)| {
        let found = format!("{}@{} asks for {} {}", d.id, d.version, one.name, one.wanted);
        let written = one.written();
        let allowed =
            format!("at most {most}; `limits = {{ {written} }}` in this rule, or the like in [plugins.limits], grants it");
        fault(rule, &format!("limits.{}", one.key), found, allowed)
    };
    more.map(told).collect()
}

/// What it is held to under these limits; where it asks for nothing, what is usual. Rows are kept as it asks.
pub(super) fn held(d: &Description, granted: &Limits) -> Limits {
    fn of<T: Copy + Ord + Default>(wanted: T, usual: T, granted: T) -> T {
        if wanted == T::default() { usual.min(granted) } else { wanted.min(granted) }
    }
    let wanted = wanted(d);
    Limits {
        deadline_ms: of(wanted.deadline_ms, DEFAULT.deadline_ms, granted.deadline_ms),
        fuel_per_call: of(wanted.fuel_per_call, DEFAULT.fuel_per_call, granted.fuel_per_call),
        fuel_per_row: of(wanted.fuel_per_row, DEFAULT.fuel_per_row, granted.fuel_per_row),
        memory_kib: of(wanted.memory_kib, DEFAULT.memory_kib, granted.memory_kib),
        snapshot_kib: of(wanted.snapshot_kib, DEFAULT.snapshot_kib, granted.snapshot_kib),
        findings: of(wanted.findings, DEFAULT.findings, granted.findings),
        history: wanted.history.min(granted.history),
        log_lines: granted.log_lines,
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
