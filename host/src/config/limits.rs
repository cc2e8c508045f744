//! What a site grants a rule: the most that its plug-in may ask for, of `[plugins.limits]` and of the rule's own `limits`.
//! Must not know: what any plug-in asks for.

use super::reader::Reader;

/// The most that a rule may have of each. What its plug-in asks for within that it gets; what asks for more is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Processor time of one `evaluate`, milliseconds.
    pub deadline_ms: u32,
    /// Fuel of one call.
    pub fuel_per_call: u64,
    /// Fuel beside that for each row.
    pub fuel_per_row: u64,
    /// Linear memory, KiB.
    pub memory_kib: u32,
    /// One snapshot, KiB.
    pub snapshot_kib: u32,
    /// Findings of one answer.
    pub findings: u32,
    /// Rows of one input that are kept for `history`.
    pub history: u32,
    /// Log lines of one call.
    pub log_lines: u32,
}

impl Limits {
    /// What a rule is granted where the site file says nothing (own default). Fuel is bounded by the deadline already: what would use it up is cut
    /// by the clock.
    pub const USUAL: Limits = Limits {
        deadline_ms: 10,
        fuel_per_call: Limits::MOST.fuel_per_call,
        fuel_per_row: Limits::MOST.fuel_per_row,
        memory_kib: 16 << 10,
        snapshot_kib: 256,
        findings: 64,
        history: Limits::MOST.history,
        log_lines: 1000,
    };

    /// The most that a site may grant.
    pub const MOST: Limits = Limits {
        deadline_ms: 100,
        fuel_per_call: 1_000_000_000,
        fuel_per_row: 10_000_000,
        memory_kib: 64 << 10,
        snapshot_kib: 1 << 10,
        findings: 1024,
        history: 4096,
        log_lines: 1000,
    };
}

/// The table `limits` of `outer`; what it does not name is as in `usual`.
pub(super) fn limits(outer: &Reader<'_>, usual: Limits) -> Limits {
    let Some(table) = outer.table_of("limits", false) else { return usual };
    let most = Limits::MOST;
    // None: a fault on record, of which the file fails.
    let whole = |key, most: u64, usual: u64| {
        let read = table.whole(key, (1, most as i64), Some(usual as i64));
        read.and_then(|n| u64::try_from(n).ok()).unwrap_or(usual)
    };
    let small = |key, most: u32, usual: u32| u32::try_from(whole(key, most.into(), usual.into())).unwrap_or(usual);
    let deadline = table.duration("deadline", (1, most.deadline_ms.into()), Some(usual.deadline_ms.into()));
    let granted = Limits {
        deadline_ms: deadline.and_then(|ms| u32::try_from(ms).ok()).unwrap_or(usual.deadline_ms),
        fuel_per_call: whole("fuel", most.fuel_per_call, usual.fuel_per_call),
        fuel_per_row: whole("fuel_per_row", most.fuel_per_row, usual.fuel_per_row),
        memory_kib: small("memory_kib", most.memory_kib, usual.memory_kib),
        snapshot_kib: small("snapshot_kib", most.snapshot_kib, usual.snapshot_kib),
        findings: small("findings", most.findings, usual.findings),
        history: small("history", most.history, usual.history),
        log_lines: small("log_lines", most.log_lines, usual.log_lines),
    };
    outer.done("limits", table);
    granted
}
