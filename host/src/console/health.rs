//! Per part whether it works, for whoever asks without a name: people, probes, the pages' beat. Must not know: how a part is judged, beyond a brain
//! that stands still.

use super::shape::{Time, time};
use super::view::{self, View};
use brain::Micros;
use schemars::JsonSchema;
use serde::Serialize;
use std::time::Duration;

/// One part of the program.
#[derive(Debug, Serialize, JsonSchema)]
pub struct Part {
    name: String,
    ok: bool,
    detail: String,
}

/// Per part whether it works, and the one word for all.
#[derive(Debug, Serialize, JsonSchema)]
pub struct Health {
    ok: bool,
    at: Time,
    parts: Vec<Part>,
    version: String,
}

/// A brain that has not moved for this long is not watching.
const STALLED_MS: u64 = 5_000;

/// The health of a bureau: its desk stands still, or decides; and the plants of which nothing blue or yellow is taken, because too much of them is open.
/// A bureau that cannot record ends.
pub fn of_desk(age: Duration, at: Micros, full: &[&str]) -> Health {
    let (age_ms, version) = (u64::try_from(age.as_millis()).unwrap_or(u64::MAX), env!("CARGO_PKG_VERSION").to_owned());
    let part =
        |name: &str, ok: bool, fault: String| Part { name: name.to_owned(), ok, detail: if ok { String::new() } else { fault } };
    let desk = part("desk", age_ms <= STALLED_MS, format!("no decision for {age_ms} ms"));
    let fault = format!("full, nothing blue or yellow is taken of: {}; close what is over", full.join(", "));
    let queue = part("queue", full.is_empty(), fault);
    Health { ok: desk.ok && queue.ok, at: time(at), parts: vec![desk, queue], version }
}

/// Per part whether it works, and the one word for all.
pub fn health(view: &View) -> Health {
    let stalled = view.age_ms() > STALLED_MS;
    let part = |part: &view::Part| {
        let (mut ok, mut detail) = (part.ok, part.detail.clone());
        if part.name == "brain" && stalled {
            (ok, detail) = (false, format!("no decision for {} ms", view.age_ms()));
        }
        Part { name: part.name.to_owned(), ok, detail }
    };
    let ok = !stalled && view.made.is_some() && view.health.iter().all(|part| part.ok);
    let parts = view.health.iter().map(part).collect();
    Health { ok, at: time(view.at), parts, version: env!("CARGO_PKG_VERSION").to_owned() }
}
