//! What a component did wrong in one call, in words for its vendor: which limit, why it panicked, and where.
//! Must not know: stores, what happens after a strike.

use super::foreign::visible;
use brain::event::StrikeKind;
use std::fmt;
use std::time::Duration;
use wasmtime::{Trap, WasmBacktrace};

/// Functions named of those that led to a trap.
const FRAMES: usize = 3;
/// Bytes of a function's name, as the component bears it; longer ones are not shown.
const NAME_BYTES_MAX: usize = 512;
/// What a rule of the SDK is called by.
const GLUE: &str = "::contract::exports::";
/// What stands on the stack of every panic, and the contract's own entry: says nothing to a vendor.
const RUNTIME: [&str; 12] = [
    "safety_brain_sdk::contract::",
    "std::",
    "core::",
    "alloc::",
    "<std::",
    "<core::",
    "<alloc::",
    "rust_",
    "__rust",
    "dlmalloc",
    "abort",
    "safety-brain:rule/",
];

/// One failure of a plug-in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Strike {
    /// How.
    pub kind: StrikeKind,
    /// For the vendor.
    pub detail: String,
}

impl fmt::Display for Strike {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}: {}", self.kind, self.detail)
    }
}

/// One call of a component, and what it may use.
#[derive(Clone, Copy, Debug)]
pub(super) struct Call {
    /// The function of the contract.
    pub(super) what: &'static str,
    /// Of `evaluate`: how many it was given.
    pub(super) rows: Option<usize>,
    pub(super) fuel: u64,
    pub(super) time: Duration,
}

/// A limit that we enforce ourselves; travels through the guest as an error and is recognised on the other side.
#[derive(Debug)]
pub(super) struct Exceeded(pub(super) StrikeKind, pub(super) String);

impl fmt::Display for Exceeded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.1)
    }
}

impl std::error::Error for Exceeded {}

/// Which limit ended a call. `last_words`: the line of level error that the component logged last in it.
pub(super) fn of(error: &wasmtime::Error, call: Call, last_words: Option<&str>) -> Strike {
    let (called, place) = (called(call), place(error));
    if let Some(Exceeded(kind, text)) = error.downcast_ref() {
        return Strike { kind: *kind, detail: format!("{called}: {text}{place}") };
    }
    let (kind, detail) = match error.downcast_ref::<Trap>() {
        Some(Trap::OutOfFuel) => (StrikeKind::Fuel, out_of_fuel(&called, call)),
        Some(Trap::Interrupt) => (StrikeKind::Deadline, format!("{called}: no answer within {} ms", call.time.as_millis())),
        Some(trap) => (StrikeKind::Trap, format!("{called}: {}", last_words.map_or(trap.to_string(), one_line))),
        None => {
            let detail = format!("{error:#}");
            // wasmtime has no type for this one; the hostile tests hold the text.
            let is_result = detail.contains("fuel allocated for hostcalls");
            let detail = if is_result { format!("{called}: {}", too_much(call)) } else { detail };
            (if is_result { StrikeKind::Result } else { StrikeKind::Trap }, detail)
        }
    };
    Strike { kind, detail: detail + &place }
}

/// A snapshot beyond what the rule declared, both in bytes.
pub(super) fn large_snapshot(bytes: usize, most: usize) -> String {
    format!(
        "snapshot {} KiB, may have {} KiB: raise `.snapshot_kib(...)` of its description",
        bytes.div_ceil(1 << 10),
        most >> 10
    )
}

/// An answer so large that it was never looked at.
fn too_much(call: Call) -> &'static str {
    match call.what {
        "snapshot" => "larger than any `.snapshot_kib(...)` allows: keep less in `state!(...)`",
        _ => "its answer, or what it hands to the host, is larger than any call may give",
    }
}

fn called(call: Call) -> String {
    match call.rows {
        None => call.what.to_owned(),
        Some(0) => format!("{}, called without rows", call.what),
        Some(1) => format!("{}, called with 1 row", call.what),
        Some(rows) => format!("{}, called with {rows} rows", call.what),
    }
}

fn out_of_fuel(called: &str, call: Call) -> String {
    let fuel = call.fuel;
    let remedy = if call.rows.is_some() { ", or raise `.fuel(...)` of its description" } else { "" };
    format!("{called}, used up its {fuel} fuel and did not return: an endless loop{remedy}")
}

fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// The vendor's own functions that led there, innermost first.
fn place(error: &wasmtime::Error) -> String {
    let frames = error.downcast_ref::<WasmBacktrace>().map_or(&[][..], WasmBacktrace::frames);
    let names = frames.iter().filter_map(|frame| frame.func_name()).filter(|name| name.len() <= NAME_BYTES_MAX);
    let names = names.map(|name| visible(&format!("{:#}", rustc_demangle::demangle(name))));
    let own = names.filter(|name| RUNTIME.iter().all(|part| !name.starts_with(part)));
    let (glue, mut own): (Vec<String>, Vec<String>) = own.take(FRAMES).partition(|name| name.contains(GLUE));
    if own.is_empty() {
        own.extend(glue.into_iter().next()); // the rule's own function was inlined into it
    }
    if own.is_empty() { String::new() } else { format!("; in {}", own.join(", from ")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_snapshot_too_large_says_how_large_and_what_to_raise() {
        assert_eq!(
            large_snapshot(200 << 10, 64 << 10),
            "snapshot 200 KiB, may have 64 KiB: raise `.snapshot_kib(...)` of its description"
        );
        let call = Call { what: "snapshot", rows: None, fuel: 1, time: Duration::from_millis(10) };
        let strike = of(&wasmtime::Error::msg("too much data, fuel allocated for hostcalls exhausted"), call, None);
        assert_eq!(strike.kind, StrikeKind::Result);
        assert!(strike.detail.contains("snapshot_kib") && !strike.detail.contains("fuel"), "{strike}");
    }

    #[test]
    fn a_limit_says_which_call_and_what_to_do() {
        let call = |what, rows| Call { what, rows, fuel: 2_000_000, time: Duration::from_millis(10) };
        let told = |trap: Trap, call, words| of(&wasmtime::Error::from(trap), call, words);
        for (strike, kind, text) in [
            (
                told(Trap::OutOfFuel, call("evaluate", Some(0)), None),
                StrikeKind::Fuel,
                "evaluate, called without rows, used up its 2000000 fuel and did not return: an endless loop, or raise `.fuel(...)` of its description",
            ),
            (
                told(Trap::OutOfFuel, call("init", None), None),
                StrikeKind::Fuel,
                "init, used up its 2000000 fuel and did not return: an endless loop",
            ),
            (
                told(Trap::UnreachableCodeReached, call("evaluate", Some(1)), Some("panicked at src/lib.rs:3:4:\nno level")),
                StrikeKind::Trap,
                "evaluate, called with 1 row: panicked at src/lib.rs:3:4: no level",
            ),
            (
                told(Trap::UnreachableCodeReached, call("evaluate", Some(3)), None),
                StrikeKind::Trap,
                "evaluate, called with 3 rows: wasm trap: wasm `unreachable` instruction executed",
            ),
        ] {
            assert_eq!(strike, Strike { kind, detail: text.to_owned() });
        }
    }
}
