//! What an alarm is: separate facts, never folded into one; the state that people see is derived from them.
//! Must not know: how it changes (that is `life`), who is told, how it is shown.

use crate::accident::Accident;
use crate::builtin::Builtin;
use crate::finding::{Certainty, Evidence};
use crate::reading::Micros;
use crate::shelf::{Hidden, Shelf};
use crate::site::{Guide, Severity};
use crate::words::{Text, Words};
use serde::{Deserialize, Serialize};

/// Handling notes of one alarm, at most: an alarm is written whole at each change.
pub const HANDLING_MAX: usize = 50;

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
    /// Where the act came from: an address, a name people gave the place and its address, or the bureau.
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

/// What a person at the bureau told the plant to do, and who there took it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Instruction {
    /// Who.
    pub by: Person,
    /// When it came.
    pub at: Micros,
    /// In the person's words.
    pub note: String,
    /// Name of the message that says it; empty in what version 0.1.0 wrote.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub message: String,
    /// The audience that it came from; empty as well.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub audience: String,
    /// Who at the plant took it, when, and what was said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub taken: Option<Handling>,
}

/// Why it came to the alarm, as the person who ended it judges. Figures count by it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Cause {
    /// The process itself went there.
    Process,
    /// A machine, vessel or pipe failed.
    Equipment,
    /// The sensor, its wiring or its calibration: nothing was wrong.
    Instrument,
    /// Somebody did something else than was meant.
    Operation,
    /// Known work: maintenance, calibration, a test.
    Maintenance,
    /// Weather, power, a neighbour.
    External,
    /// The limit or rule asks for too much: nothing was wrong.
    Setting,
    /// Looked for and not found.
    Unknown,
}

impl Cause {
    /// As one word.
    pub fn word(self) -> &'static str {
        match self {
            Cause::Process => "process",
            Cause::Equipment => "equipment",
            Cause::Instrument => "instrument",
            Cause::Operation => "operation",
            Cause::Maintenance => "maintenance",
            Cause::External => "external",
            Cause::Setting => "setting",
            Cause::Unknown => "unknown",
        }
    }
}

/// What is said beside the note at the end.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Closing {
    /// Needed from yellow on.
    pub cause: Option<Cause>,
    /// Where a photograph or record is kept: a file, a number, a hash. Needed from orange on.
    #[serde(default)]
    pub evidence: String,
}

/// How it ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Closure {
    /// Who.
    pub by: Person,
    /// When.
    pub at: Micros,
    /// What was said.
    #[serde(flatten)]
    pub said: Closing,
}

/// How far the bureau has come with the present occurrence of an alarm, as it was told last. Order is progress; a rise or a raise begins anew,
/// and an acceptance that is taken back is a receipt again.
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
    /// Times it had been told before, unanswered.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub repeat: u32,
    /// What the audience answered to this, or to what was told to it after this.
    #[serde(default, skip_serializing_if = "Answers::is_none")]
    pub answers: Answers,
}

/// The three answers to what was told. Each proves what it says and nothing more.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Answers {
    /// A machine at the receiver's address has it: it arrived.
    pub received_at: Option<Micros>,
    /// The receiver's system says that it accepts the message.
    pub accepted_at: Option<Micros>,
    /// A named person took it, and when.
    pub person: Option<(Person, Micros)>,
}

impl Answers {
    /// Nobody has answered.
    pub fn is_none(&self) -> bool {
        *self == Answers::default()
    }
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
    /// What persons at the bureau told the plant to do, oldest first; the newest of many.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub instructions: Vec<Instruction>,
    /// It got worse after somebody had taken it: all who were told before then are told again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub worse_at: Option<Micros>,
    /// All that was told, oldest first, what a rung says again in one row; some fifty at most.
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
    /// Changed while nothing could be put on record.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub unrecorded: bool,
    /// Opened while nothing could be put on record: after a crash another alarm may get its number.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub opened_unrecorded: bool,
    /// Changed while the wall clock could not be believed: times of it that people read may be wrong.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub times_doubtful: bool,
    /// Taken out of the list for a while, by whom and until when. Judged and recorded all the same.
    #[serde(default, skip_serializing_if = "Shelf::is_empty")]
    pub shelf: Shelf,
    /// Never shelved, whatever its level.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub managed: bool,
    /// May be suppressed by design even when red or highly managed.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub may_suppress: bool,
    /// Alarms of one cause: the configured group, else zone and family of the hazard. Empty in what version 0.1.0 wrote.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub group: String,
    /// Names the common cause of its group.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub parent: bool,
    /// The first of its group since none of them needed anybody.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub first_out: bool,
    /// Rises and clears again and again: it clears only after a minute without danger, until it has been quiet for ten.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub chattering: bool,
    /// Has stood for a day.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub stale: bool,
    /// Times it was gone within ten seconds before anybody did anything.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub fleeting: u32,
    /// How it ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub closure: Option<Closure>,
    /// A person declared that it is an accident.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub accident: Option<Box<Accident>>,
}

fn is_zero(count: &u32) -> bool {
    *count == 0
}

/// What people see: derived from the facts of [`Alarm`], kept nowhere.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// Gone and taken; until it is closed it waits for that.
    Normal,
    /// Stands, and nobody has taken it.
    Unacknowledged,
    /// Stands, taken.
    Acknowledged,
    /// Gone before anybody took it.
    Returned,
    /// Gone, nobody took it, and somebody must go and look.
    LatchedUnacknowledged,
    /// Gone, taken, and somebody must go and look.
    LatchedAcknowledged,
    /// Put aside by a person for a while.
    Shelved,
    /// Put aside by a logic of the site.
    SuppressedByDesign,
    /// Put aside with its device, under a permit.
    OutOfService,
}

impl Alarm {
    /// Needs somebody, shown or not: the condition stands, or nobody has acknowledged, or a latch is set.
    pub fn is_owed(&self) -> bool {
        !self.closed && (self.condition == Condition::Active || self.acknowledged.is_none() || self.latched)
    }

    /// This program or its surroundings failed, nothing in a zone: the zone that its key names is there for its ladder.
    pub fn is_of_the_system(&self) -> bool {
        self.key.source == Source::Guard && Builtin::is_of_the_system(&self.key.hazard)
    }

    /// The worse of what people see and what stands: as bad as that it is until somebody has taken it.
    pub fn level(&self) -> Severity {
        self.severity.max(self.severity_now)
    }

    /// In the active list: it needs somebody, and is not put aside.
    pub fn is_listed(&self) -> bool {
        self.is_owed() && self.shelf.is_empty()
    }

    /// The state that people see.
    pub fn state(&self) -> State {
        match (self.shelf.hidden(), self.condition, self.latched, self.acknowledged.is_some()) {
            _ if self.closed => State::Normal,
            (Some(Hidden::Service), ..) => State::OutOfService,
            (Some(Hidden::Design), ..) => State::SuppressedByDesign,
            (Some(Hidden::Shelf), ..) => State::Shelved,
            (None, Condition::Active, _, false) => State::Unacknowledged,
            (None, Condition::Active, _, true) => State::Acknowledged,
            (None, Condition::Cleared, true, false) => State::LatchedUnacknowledged,
            (None, Condition::Cleared, true, true) => State::LatchedAcknowledged,
            (None, Condition::Cleared, false, false) => State::Returned,
            (None, Condition::Cleared, false, true) => State::Normal,
        }
    }

    /// The worst level it was shown or told at.
    pub fn worst(&self) -> Severity {
        self.escalation.told.iter().map(|told| told.severity).fold(self.severity, Severity::max)
    }
}
