//! What the tags behind the alarms read now, for the beat and for an alarm's evidence, and what the strip on top counts. Must not know: history, HTTP.

use super::asked::Urgency;
use super::shape::{number, time};
use super::view::{TagRow, View};
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};

/// A tag at present.
#[derive(Debug, Serialize, JsonSchema)]
pub struct Present {
    /// Null if never seen, or no number.
    value: Option<f64>,
    good: bool,
}

/// A tag at present.
pub(super) fn now(tag: &TagRow) -> Present {
    Present { value: number(tag.value), good: tag.quality.is_good() }
}

/// Alarms whose tags a beat carries, the most urgent ones: what a page shows at first, and more.
const PRESENT_MAX: usize = 256;

/// The present values of the tags that the most urgent alarms rest on, by name.
pub fn present(view: &View) -> BTreeMap<&str, Present> {
    let listed = view.alarms.values().filter(|alarm| alarm.is_listed());
    let mut urgent: Vec<(Urgency, &str)> =
        listed.filter_map(|alarm| Some((Urgency::of(alarm), alarm.evidence.first()?.tag.as_str()))).collect();
    urgent.sort_unstable_by_key(|(urgency, _)| *urgency);
    let named: BTreeSet<&str> = urgent.into_iter().take(PRESENT_MAX).map(|(_, tag)| tag).collect();
    let of = view.tags.iter().filter(|tag| named.contains(tag.name.as_str()));
    of.map(|tag| (tag.name.as_str(), now(tag))).collect()
}

/// What is put aside, by kind: counted where everybody sees it.
fn aside_counts(view: &View) -> Value {
    let mut kinds = [0_usize; 3];
    for hidden in view.alarms.values().filter_map(|alarm| alarm.shelf.hidden()) {
        kinds[hidden as usize] += 1;
    }
    let [shelved, design, service] = kinds;
    json!({"shelved": shelved, "suppressed_by_design": design, "out_of_service": service, "tags": view.out_of_service.len(), "logics": view.suppressing.len()})
}

/// Unacknowledged alarms by severity, and what else the strip on top counts.
pub fn counts(view: &View) -> Value {
    let mut open = [0_usize; 4];
    for alarm in view.alarms.values().filter(|alarm| alarm.is_listed() && alarm.acknowledged.is_none()) {
        open[alarm.severity as usize] += 1;
    }
    let [blue, yellow, orange, red] = open;
    let told = view.alarms.values().flat_map(|alarm| &alarm.escalation.instructions);
    let good = view.tags.iter().filter(|tag| !tag.quality.is_bad()).count();
    let oldest = view.waiting().map(|row| view.clock.wall(row.made_at())).min();
    json!({
        "red": red, "orange": orange, "yellow": yellow, "blue": blue,
        "aside": aside_counts(view), "flood": view.floods.iter().map(|flood| flood.count).max(),
        "instructions": told.filter(|told| told.taken.is_none()).count(),
        "tags_good": good, "tags_bad": view.tags.len() - good, "outbox": view.waiting().count(),
        "outbox_since": time(oldest.unwrap_or(0)),
    })
}
