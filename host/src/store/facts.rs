//! What a record is about: its kind word, its alarms, its zones. One place for indexing and for filtering.
//! Must not know: databases.

use brain::duty::DutyChange;
use brain::event::{Act, Entry, Event, Outcome};
use brain::{AlarmId, NoticeId};

/// Kind word of an event row: that of the event, or `outcome`.
pub fn kind(entry: &Entry) -> &'static str {
    match entry {
        Entry::Outcome { .. } => "outcome",
        Entry::Bureau(_) => "bureau",
        Entry::Event(event) => match event {
            Event::Started { .. } => "started",
            Event::Stopped => "stopped",
            Event::Tick => "tick",
            Event::Readings { .. } => "readings",
            Event::Link { .. } => "link",
            Event::Malformed { .. } => "malformed",
            Event::Assessed { .. } => "assessed",
            Event::Strike { .. } => "strike",
            Event::Aside { .. } => "aside",
            Event::RuleLost { .. } => "rule_lost",
            Event::Receipt { .. } => "receipt",
            Event::Undelivered { .. } => "undelivered",
            Event::Answered { .. } => "answered",
            Event::Operator { .. } => "operator",
            Event::Storage { .. } => "storage",
            Event::Growth { .. } => "growth",
            Event::Heartbeat { .. } => "heartbeat",
            Event::Tested { .. } => "tested",
            Event::ExerciseEnded { .. } => "exercise_ended",
            Event::AnswerRefused { .. } => "answer_refused",
            Event::Unrecorded { .. } => "unrecorded",
            Event::Clock { .. } => "clock",
            Event::Worded { .. } => "worded",
            Event::Anchored { .. } => "anchored",
            Event::Recorded { .. } => "recorded",
        },
    }
}

/// Kind words of what an outcome holds.
fn outcome_kind(outcome: &Outcome) -> &'static str {
    match outcome {
        Outcome::Alarm { .. } => "alarm",
        Outcome::Told { .. } => "told",
        Outcome::Delivery { .. } => "delivery",
        Outcome::Quarantine { .. } => "quarantine",
        Outcome::Rule { .. } => "rule",
        Outcome::Answer { .. } => "answer",
    }
}

/// True where a record is of this kind, or one of its outcomes is.
pub fn is_kind(entry: &Entry, word: &str) -> bool {
    kind(entry) == word || outcomes(entry).iter().any(|o| outcome_kind(o) == word)
}

/// Readings and ticks are not rows: there are too many, and blocks keep the readings.
pub fn is_row(entry: &Entry) -> bool {
    !matches!(entry, Entry::Event(Event::Tick | Event::Readings { .. }))
}

/// What a record decided; empty for an event.
pub fn outcomes(entry: &Entry) -> &[Outcome] {
    match entry {
        Entry::Outcome { outcome, .. } => outcome,
        Entry::Event(_) | Entry::Bureau(_) => &[],
    }
}

/// Alarms a record names itself.
pub fn alarms(entry: &Entry) -> Vec<AlarmId> {
    match entry {
        Entry::Event(Event::Operator { act, .. }) => match act {
            Act::Acknowledge { alarm, .. }
            | Act::Reset { alarm, .. }
            | Act::Handle { alarm, .. }
            | Act::Close { alarm, .. }
            | Act::Accident { alarm, .. }
            | Act::TakeInstruction { alarm, .. }
            | Act::Shelve { alarm, .. }
            | Act::Unshelve { alarm, .. } => vec![*alarm],
            Act::Duty { change: DutyChange::TakeOver { alarms }, .. } => alarms.clone(),
            Act::Duty { .. }
            | Act::TakeOut { .. }
            | Act::PutBack { .. }
            | Act::ReleaseRule { .. }
            | Act::TestAnnunciator { .. }
            | Act::Rule { .. } => vec![],
        },
        Entry::Event(_) | Entry::Bureau(_) => vec![],
        Entry::Outcome { outcome, .. } => outcome
            .iter()
            .filter_map(|o| match o {
                Outcome::Alarm { alarm, .. } => Some(alarm.id),
                Outcome::Told { notice } => Some(notice.alarm.id),
                Outcome::Delivery { .. } | Outcome::Quarantine { .. } | Outcome::Rule { .. } | Outcome::Answer { .. } => None,
            })
            .collect(),
    }
}

/// Notices a record names; their alarms are its alarms too.
pub fn notices(entry: &Entry) -> Vec<NoticeId> {
    match entry {
        Entry::Event(
            Event::Worded { notice, .. }
            | Event::Receipt { notice, .. }
            | Event::Undelivered { notice, .. }
            | Event::Answered { notice, .. },
        ) => vec![*notice],
        Entry::Event(_) | Entry::Bureau(_) => vec![],
        Entry::Outcome { outcome, .. } => outcome
            .iter()
            .filter_map(|o| match o {
                Outcome::Delivery { notice, .. } => Some(*notice),
                Outcome::Alarm { .. }
                | Outcome::Told { .. }
                | Outcome::Quarantine { .. }
                | Outcome::Rule { .. }
                | Outcome::Answer { .. } => None,
            })
            .collect(),
    }
}

/// Names of the zones a record is about.
pub fn zones(entry: &Entry) -> Vec<&str> {
    outcomes(entry)
        .iter()
        .filter_map(|o| match o {
            Outcome::Alarm { alarm, .. } => Some(alarm.key.zone.as_str()),
            Outcome::Told { notice } => Some(notice.alarm.key.zone.as_str()),
            Outcome::Delivery { .. } | Outcome::Quarantine { .. } | Outcome::Rule { .. } | Outcome::Answer { .. } => None,
        })
        .collect()
}
