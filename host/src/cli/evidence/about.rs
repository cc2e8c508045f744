//! What is about an alarm: which records, which tags, what these tags said. Used both when a file is made and when it is checked.
//! Must not know: journals, files.

use super::file::{Kept, Row, Series};
use crate::journal::Carried;
use crate::store::facts;
use brain::alarm::{AlarmKey, Source};
use brain::event::{Change, Entry, Event, Outcome};
use brain::{Alarm, AlarmId, NoticeId};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

/// Follows the records in order and says which of them name the alarm, its notices, or answer an act on it.
pub struct Follow {
    alarm: AlarmId,
    notices: BTreeSet<NoticeId>,
    named: BTreeSet<u64>,
}

impl Follow {
    /// Nothing is known yet.
    pub fn new(alarm: u64) -> Follow {
        Follow { alarm: AlarmId(alarm), notices: BTreeSet::new(), named: BTreeSet::new() }
    }

    /// Whether record `seq` names it.
    pub fn names(&mut self, seq: u64, entry: &Entry) -> bool {
        for outcome in facts::outcomes(entry) {
            if let Outcome::Told { notice } = outcome
                && notice.alarm.id == self.alarm
            {
                self.notices.insert(notice.id);
            }
        }
        let answers = matches!(entry, Entry::Outcome { cause, .. } if self.named.contains(cause));
        let names = answers
            || facts::alarms(entry).contains(&self.alarm)
            || facts::notices(entry).iter().any(|notice| self.notices.contains(notice));
        if names && matches!(entry, Entry::Event(_)) {
            self.named.insert(seq);
        }
        names
    }

    /// What happened to the alarm in this record, and how it stood then.
    pub fn changes<'a>(&self, entry: &'a Entry) -> impl Iterator<Item = (Change, &'a Alarm)> {
        let id = self.alarm;
        facts::outcomes(entry).iter().filter_map(move |outcome| match outcome {
            Outcome::Alarm { change, alarm } if alarm.id == id => Some((*change, &**alarm)),
            Outcome::Alarm { .. }
            | Outcome::Told { .. }
            | Outcome::Delivery { .. }
            | Outcome::Quarantine { .. }
            | Outcome::Rule { .. }
            | Outcome::Answer { .. } => None,
        })
    }
}

/// Which of the records are about the alarm, and which tags it rests on.
pub struct About {
    /// Numbers of records that name it, cause what does, or state its rule's findings of its hazard.
    pub own: BTreeSet<u64>,
    /// Tags in its evidence, its own tag, and the inputs of its rule.
    pub tags: BTreeSet<String>,
    /// What happened to it, in order, and how it stood then: record, change, alarm.
    pub changes: Vec<(u64, Change, Alarm)>,
}

/// Looks through decoded records, in order, and the sites in force.
pub fn about(alarm: u64, entries: &[(u64, Entry)], sites: &[Kept]) -> About {
    let (mut follow, mut own, mut changes) = (Follow::new(alarm), BTreeSet::new(), Vec::new());
    for (seq, entry) in entries {
        if follow.names(*seq, entry) {
            own.insert(*seq);
            if let Entry::Outcome { cause, .. } = entry {
                own.insert(*cause);
            }
        }
        changes.extend(follow.changes(entry).map(|(change, alarm)| (*seq, change, alarm.clone())));
    }
    let mut tags: BTreeSet<String> =
        changes.iter().flat_map(|(_, _, alarm)| &alarm.evidence).map(|row| row.tag.clone()).collect();
    if let Some(key) = changes.first().map(|(_, _, alarm)| alarm.key.clone()) {
        for (seq, entry) in entries {
            if let Some(evidence) = found(&key, entry) {
                own.insert(*seq);
                tags.extend(evidence);
            }
        }
        let known = sites.iter().filter_map(|site| serde_json::from_str::<Value>(site.is.get()).ok());
        known.for_each(|site| tags.extend(bound(&key, &site)));
    }
    About { own, tags, changes }
}

/// Tags in the evidence of a finding of this alarm's rule and hazard; none where the record holds no such finding.
fn found(key: &AlarmKey, entry: &Entry) -> Option<Vec<String>> {
    let (Source::Rule(name), Entry::Event(Event::Assessed { rule, findings })) = (&key.source, entry) else {
        return None;
    };
    let mut mine = findings.iter().filter(|finding| rule == name && finding.hazard == key.hazard).peekable();
    mine.peek()?;
    Some(mine.flat_map(|finding| &finding.evidence).map(|row| row.tag.clone()).collect())
}

/// Inputs of the alarm's rule, and its own tag. Read without the program's types: sites of any version keep these names.
fn bound(key: &AlarmKey, site: &Value) -> Vec<String> {
    let name = |tag: &Value| Some(site["tags"].get(tag.as_u64()? as usize)?["name"].as_str()?.to_owned());
    let rules = site["rules"].as_array().into_iter().flatten();
    let mine = rules.filter(|rule| matches!(&key.source, Source::Rule(name) if rule["name"] == name.as_str()));
    let inputs = mine.flat_map(|rule| rule["inputs"].as_array().into_iter().flatten()).filter_map(name);
    let object = site["tags"].as_array().into_iter().flatten().filter_map(|tag| tag["name"].as_str());
    inputs.chain(object.filter(|tag| *tag == key.object).map(str::to_owned)).collect()
}

/// What the tags said in these records. `started` stands before them and names the tags until the next start; behind each of the `breaks` a start may be
/// lost, and nothing names them until the next one.
pub fn series(
    tags: &BTreeSet<String>,
    started: Option<&Entry>,
    records: &[(Carried, Entry)],
    breaks: &[u64],
    sites: &[Kept],
) -> Vec<Series> {
    let names = |entry: &Entry| match entry {
        Entry::Event(Event::Started { tags, .. }) => Some(tags.clone()),
        Entry::Event(_) | Entry::Bureau(_) | Entry::Outcome { .. } => None,
    };
    let mut given = started.and_then(names).unwrap_or_default();
    let mut rows: BTreeMap<&str, Vec<Row>> = BTreeMap::new();
    let mut breaks = breaks.iter().peekable();
    for (carried, entry) in records {
        while breaks.next_if(|first| carried.seq >= **first).is_some() {
            given.clear();
        }
        if let Some(names) = names(entry) {
            given = names;
        }
        let Entry::Event(Event::Readings { readings }) = entry else { continue };
        for reading in readings {
            let name = given.get(reading.tag.0 as usize).and_then(|name| tags.get(name));
            if let Some(name) = name {
                let (source_us, value, quality) = (reading.source_us, reading.value, reading.quality.0);
                rows.entry(name).or_default().push(Row { at: carried.at, source_us, value, quality });
            }
        }
    }
    rows.into_iter().map(|(tag, rows)| Series { tag: tag.to_owned(), unit: unit(sites, tag), rows }).collect()
}

/// Unit of a tag, as the first of these sites that has it says; empty where none does.
pub fn unit(sites: &[Kept], name: &str) -> String {
    let known: Vec<Value> = sites.iter().filter_map(|site| serde_json::from_str(site.is.get()).ok()).collect();
    let mut tags = known.iter().flat_map(|site| site["tags"].as_array().into_iter().flatten());
    tags.find(|tag| tag["name"] == name).and_then(|tag| tag["unit"].as_str()).unwrap_or_default().to_owned()
}
