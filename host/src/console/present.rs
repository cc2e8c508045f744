//! What the tags behind the alarms read now, for the beat and for an alarm's evidence, and what the strip on top counts. Must not know: history, HTTP.

use super::asked::Urgency;
use super::shape::{number, time};
use super::view::{TagRow, View};
use brain::alarm::{Alarm, Condition};
use brain::site::Severity;
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
    /// Quality word.
    quality: &'static str,
}

/// A tag at present.
pub(super) fn now(tag: &TagRow) -> Present {
    Present { value: number(tag.value), good: tag.quality.is_good(), quality: tag.quality.word() }
}

/// Alarms whose tags a beat carries, the most urgent ones: what a page shows at first, and more.
const PRESENT_MAX: usize = 256;

/// The present values of the tags that the most urgent alarms rest on, by name: those of the list before those that are put aside.
pub fn present(view: &View) -> BTreeMap<&str, Present> {
    let shown = view.alarms.values().filter(|alarm| alarm.is_listed() || !alarm.shelf.is_empty());
    let urgency = |alarm: &Alarm| (!alarm.is_listed(), Urgency::of(alarm));
    let mut urgent: Vec<_> = shown.filter_map(|alarm| Some((urgency(alarm), alarm.evidence.first()?.tag.as_str()))).collect();
    urgent.sort_unstable_by_key(|(urgency, _)| *urgency);
    let named: BTreeSet<&str> = urgent.into_iter().take(PRESENT_MAX).map(|(_, tag)| tag).collect();
    let of = view.tags.iter().filter(|tag| named.contains(tag.name.as_str()));
    of.map(|tag| (tag.name.as_str(), now(tag))).collect()
}

/// How many alarms, by level word: every level has its count.
pub type Levels = BTreeMap<&'static str, usize>;

/// Alarms as a person counts them: each that needs somebody, and each whose danger goes on, stands in one of these, whoever has looked away.
#[derive(Debug, PartialEq, Eq)]
pub struct Standing {
    /// In the list, and nobody has taken them.
    pub unacknowledged: Levels,
    /// Somebody has taken them, and the condition goes on.
    pub going_on: Levels,
    /// Put aside, and the condition goes on.
    pub aside: Levels,
}

/// How the alarms of this view stand.
pub fn standing(view: &View) -> Standing {
    let none = || Severity::ALL.into_iter().map(|level| (level.word(), 0)).collect::<Levels>();
    let mut of = Standing { unacknowledged: none(), going_on: none(), aside: none() };
    for alarm in view.alarms.values().filter(|alarm| alarm.is_owed()) {
        let is_active = alarm.condition == Condition::Active;
        let counts = match (alarm.is_listed(), alarm.acknowledged.is_some()) {
            (true, false) => &mut of.unacknowledged,
            (true, true) if is_active => &mut of.going_on,
            (false, _) if is_active => &mut of.aside,
            (true, true) | (false, _) => continue,
        };
        *counts.entry(alarm.severity.word()).or_default() += 1;
    }
    of
}

/// What is put aside, by kind: counted where everybody sees it. Alarms beneath a tag or a logic are counted apart from it.
fn aside_counts(view: &View, active: &Levels) -> Value {
    let mut kinds = [0_usize; 3];
    for hidden in view.alarms.values().filter_map(|alarm| alarm.shelf.hidden()) {
        kinds[hidden as usize] += 1;
    }
    let [shelved, design, service] = kinds;
    json!({"shelved": shelved, "suppressed_by_design": design, "out_of_service": service, "tags": view.out_of_service.len(),
        "logics": view.suppressing.len(), "active": active})
}

/// Unacknowledged alarms by severity, and what else the strip on top counts.
pub fn counts(view: &View) -> Value {
    let Standing { unacknowledged, going_on, aside } = standing(view);
    let told = view.alarms.values().flat_map(|alarm| &alarm.escalation.instructions);
    let good = view.tags.iter().filter(|tag| !tag.quality.is_bad()).count();
    let oldest = view.waiting().map(|row| view.clock.wall(row.made_at())).min();
    let mut counts = json!({
        "going_on": going_on, "aside": aside_counts(view, &aside), "flood": view.floods.iter().map(|flood| flood.count).max(),
        "instructions": told.filter(|told| told.taken.is_none()).count(),
        "tags_good": good, "tags_bad": view.tags.len() - good, "outbox": view.waiting().count(),
        "outbox_since": time(oldest.unwrap_or(0)),
    });
    unacknowledged.into_iter().for_each(|(level, count)| counts[level] = count.into());
    counts
}
