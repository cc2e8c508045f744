//! The life of an alarm: open, raise, clear, latch, acknowledge, close. Separate facts, never folded into one state.
//! Must not know: who is told (that is `escalation`), how it is shown.

use crate::finding::{Certainty, Evidence};
use crate::reading::Micros;
use crate::site::{Guide, Severity};
use crate::words::{Text, Words};
use serde::{Deserialize, Serialize};

/// Number of an alarm: 1, 2, ... in order of opening, never reused in one journal.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct AlarmId(pub u64);

/// Who found it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Source {
    /// A guard of the brain.
    Guard,
    /// The named rule.
    Rule(String),
}

/// What makes two findings the same alarm.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct AlarmKey {
    /// Who found it.
    pub source: Source,
    /// Hazard identifier.
    pub hazard: String,
    /// Zone name.
    pub zone: String,
    /// Tag name, link name or rule name where the hazard belongs to one of them; else empty.
    pub object: String,
}

/// Does the condition stand.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Condition {
    /// Danger stands.
    Active,
    /// Danger went away, seen on inputs that can be believed.
    Cleared,
}

/// A named person, as the console or the bureau's message says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Person {
    /// Name.
    pub name: String,
    /// Role word: `officer`, `operator`, `bureau` ...
    pub role: String,
    /// Where the act came from: an address, `bureau`, `station-2`.
    pub station: String,
}

/// Somebody took it. Covers only the severity that was seen.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Acknowledgement {
    /// Who.
    pub by: Person,
    /// When.
    pub at: Micros,
    /// What was seen.
    pub severity: Severity,
    /// In the person's words.
    pub note: String,
}

/// One note of what was done.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Handling {
    /// Who.
    pub by: Person,
    /// When.
    pub at: Micros,
    /// In the person's words.
    pub note: String,
}

/// How far the bureau has come with an alarm. Order is progress; it never goes back for one notice.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum BureauState {
    /// Not told.
    #[default]
    None,
    /// A notice is in the outbox.
    Queued,
    /// A machine there says it arrived.
    Received,
    /// A named person there took it.
    Acknowledged,
}

/// One thing the ladder did.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Told {
    /// Rung name.
    pub rung: String,
    /// Audience name.
    pub audience: String,
    /// Occurrence it belongs to.
    pub occurrence: u32,
    /// Severity it told.
    pub severity: Severity,
    /// When.
    pub at: Micros,
    /// The notice that did it.
    pub notice: u64,
}

/// An alarm's place on its ladder.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Escalation {
    /// Ladder name.
    pub ladder: String,
    /// Name of the highest rung that has spoken; empty before the first.
    pub rung: String,
    /// How far the bureau has come.
    pub bureau: BureauState,
    /// Who at the bureau took it.
    pub bureau_by: Option<Person>,
    /// All that was told, oldest first; bounded by rungs x severities x occurrences kept.
    pub told: Vec<Told>,
}

/// An alarm: a hazard in a zone that people must deal with (报警).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Alarm {
    /// Number.
    pub id: AlarmId,
    /// What makes it this alarm.
    pub key: AlarmKey,
    /// What people call the hazard.
    pub title: Words,
    /// `id@version` of the plug-in, or `guard`.
    pub plugin: String,
    /// Digest of the plug-in; empty for a guard.
    pub digest: String,
    /// Does the condition stand.
    pub condition: Condition,
    /// True while its inputs cannot be believed: shown hollow, never cleared.
    pub held: bool,
    /// Present severity of the condition.
    pub severity_now: Severity,
    /// Highest since the last acknowledgement: what is shown.
    pub severity: Severity,
    /// Who took it; none = unacknowledged.
    pub acknowledged: Option<Acknowledgement>,
    /// Somebody must go and look: leaves by reset only.
    pub latched: bool,
    /// Ended by a person. A closed alarm is history; the same key opens a new one.
    pub closed: bool,
    /// Rises of the condition since opening, 1 or more.
    pub occurrences: u32,
    /// First rise.
    pub opened_at: Micros,
    /// Last rise.
    pub raised_at: Micros,
    /// Last fall.
    pub cleared_at: Option<Micros>,
    /// Last change of anything above.
    pub changed_at: Micros,
    /// How sure.
    pub certainty: Certainty,
    /// What a person reads.
    pub text: Text,
    /// What it rests on: that of the last rise or raise.
    pub evidence: Vec<Evidence>,
    /// What to do.
    pub guide: Guide,
    /// What was done.
    pub handling: Vec<Handling>,
    /// Who has been told.
    pub escalation: Escalation,
}

impl Alarm {
    /// In the active list: the condition stands, or nobody has acknowledged, or a latch is set.
    pub fn is_listed(&self) -> bool {
        !self.closed
            && (self.condition == Condition::Active || self.acknowledged.is_none() || self.latched)
    }
}
