//! What the tags behind the alarms read now, for the beat and for an alarm's evidence. Must not know: history, HTTP.

use super::asked::Urgency;
use super::shape::number;
use super::view::{TagRow, View};
use schemars::JsonSchema;
use serde::Serialize;
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
