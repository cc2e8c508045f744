//! The JSON of a tag: what it reads, whether that may be believed, and whether something is wrong there or it is out of service. Owns: its names and
//! forms, and with them the schema. Must not know: HTTP, history.

use super::shape::{SeverityWord, Text, Time, number, time};
use super::view::{TagRow, View};
use crate::words::phrase;
use brain::Micros;
use brain::alarm::Condition;
use brain::site::Severity;
use schemars::JsonSchema;
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};

/// One tag.
#[derive(Debug, Serialize, JsonSchema)]
pub struct Tag {
    name: String,
    title: Text,
    zone: String,
    link: String,
    unit: String,
    /// Null if never seen, or no number.
    value: Option<f64>,
    /// Quality word.
    quality: String,
    good: bool,
    quality_text: Text,
    source_at: Time,
    arrived_at: Time,
    /// Since the last arrival; null if never seen.
    age_ms: Option<i64>,
    /// Silent after this.
    silent_ms: u64,
    /// Worst level of the alarms about it whose condition goes on, put aside or not; null = none.
    alarm: Option<SeverityWord>,
    out_of_service: bool,
}

/// What else is known of tags, by name.
pub struct Marks<'v> {
    alarms: BTreeMap<&'v str, Severity>,
    out_of_service: BTreeSet<&'v str>,
}

impl<'v> Marks<'v> {
    /// As this view has it.
    pub fn of(view: &'v View) -> Marks<'v> {
        let mut alarms = BTreeMap::new();
        for alarm in view.alarms.values().filter(|alarm| alarm.condition == Condition::Active) {
            let tags = alarm.evidence.iter().map(|evidence| evidence.tag.as_str()).chain([alarm.key.object.as_str()]);
            for tag in tags {
                let worst = alarms.entry(tag).or_insert(alarm.severity);
                *worst = alarm.severity.max(*worst);
            }
        }
        Marks { alarms, out_of_service: view.out_of_service.iter().map(|(tag, _)| tag.as_str()).collect() }
    }
}

/// One tag.
pub fn tag(tag: &TagRow, now: Micros, marks: &Marks<'_>) -> Tag {
    Tag {
        name: tag.name.clone(),
        title: (&tag.title).into(),
        zone: tag.zone.clone(),
        link: tag.link.clone(),
        unit: tag.unit.clone(),
        value: number(tag.value),
        quality: tag.quality.word().to_owned(),
        good: tag.quality.is_good(),
        quality_text: (&phrase(&format!("quality.{}", tag.quality.word()), &[])).into(),
        source_at: time(tag.source_us),
        arrived_at: time(tag.arrived_us),
        age_ms: (tag.arrived_us > 0).then(|| (now - tag.arrived_us).max(0) / 1000),
        silent_ms: tag.silent_ms,
        alarm: marks.alarms.get(tag.name.as_str()).copied().map(SeverityWord),
        out_of_service: marks.out_of_service.contains(tag.name.as_str()),
    }
}
