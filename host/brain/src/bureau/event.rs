//! All that can happen to a bureau, in words that are kept for ever: its journal is a list of [`Event`]. Must not know: what becomes of any of it.

use super::rate::Count;
use super::shift::ShiftChange;
use crate::accident::{Grade, Kind, Owed};
use crate::alarm::Person;
use crate::notice::{NoticeKind, Reason};
use crate::reading::Micros;
use crate::site::{Mode, Severity};
use crate::words::Words;
use serde::{Deserialize, Deserializer, Serialize};
use std::collections::BTreeMap;

/// What a message of a plant says, as far as the queue needs it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Report {
    /// CAP identifier: unique for the plant for ever.
    pub identifier: String,
    /// Its number in the plant's series, which only rises; 0 = the plant gives none, or nothing proves that it did.
    #[serde(default, skip_serializing_if = "crate::site::is_zero")]
    pub number: u64,
    /// The plant owes this bureau none with a lower number any more; means nothing where `number` does not.
    #[serde(default, skip_serializing_if = "crate::site::is_zero")]
    pub floor: u64,
    /// When, by the plant's clock.
    pub sent: Micros,
    /// Real, drill or test.
    pub mode: Mode,
    /// First, later, or last of its chain.
    pub kind: NoticeKind,
    /// Identifiers of earlier messages of the chain.
    pub references: Vec<String>,
    /// The plant's name for what it is about; empty = it gives none.
    pub incident: String,
    /// As the plant suggests.
    pub level: Severity,
    /// The condition has cleared.
    pub cleared: bool,
    /// Notes of persons at the plant of what was done, so far. Version 0.1.0 wrote whether there is one, as `handled`.
    #[serde(alias = "handled", deserialize_with = "notes")]
    pub notes: u64,
    /// One line.
    pub headline: Words,
    /// All that is known.
    pub description: Words,
    /// Why it came; none where the plant does not say it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<Reason>,
    /// BLAKE3 of the bytes that came, hex.
    pub digest: String,
    /// Instructions of this bureau that somebody at the plant took, so far.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub taken: Vec<Taken>,
    /// What it says of an accident, where it is about one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub accident: Option<Box<Accident>>,
}

fn notes<'de, D: Deserializer<'de>>(from: D) -> Result<u64, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Notes {
        Count(u64),
        Any(bool),
    }
    Ok(match Notes::deserialize(from)? {
        Notes::Count(notes) => notes,
        Notes::Any(any) => any.into(),
    })
}

/// An accident as a plant says that a person there declared it. Times are by the plant's clock.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Accident {
    /// It is none after all: no clock runs.
    pub retracted: bool,
    /// What happened.
    pub kind: Kind,
    /// As it is to be feared.
    pub grade: Grade,
    /// When it was declared: the law's clocks run from here.
    pub declared_at: Micros,
    /// Who declared it.
    pub declared_by: String,
    /// Persons.
    pub dead: u32,
    /// Persons.
    pub injured: u32,
    /// Persons.
    pub missing: u32,
    /// Persons.
    pub at_risk: u32,
    /// Whom the law wants told by when, and what the plant says was told.
    pub clocks: Vec<Owed>,
}

/// What the bureau's machine answered to a message, as far as it cannot be made again: the same answer is the same bytes.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Acked {
    /// When, by the wall clock; 0 in what version 0.1.0 wrote.
    pub at: Micros,
    /// The value of the signature in it; means nothing here; empty = none.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub signature: String,
}

/// Somebody at a plant took an instruction.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Taken {
    /// Name of the message that says what is to be done.
    pub message: String,
    /// Who, as the plant writes it.
    pub by: String,
    /// By the plant's clock.
    pub at: Micros,
    /// In the person's words.
    pub note: String,
}

/// How a plant says that it is watched.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Heartbeat {
    /// Rises with each start of the plant's program, whatever its clock does; 0 in what version 0.1.0 wrote.
    #[serde(default)]
    pub run: Micros,
    /// Rises by one with each in one run of the plant's program.
    pub number: u64,
    /// By the plant's clock.
    pub sent: Micros,
    /// Real, drill or test.
    pub mode: Mode,
    /// The plant's program.
    pub version: String,
    /// Alarms that need somebody there, by level word.
    pub alarms: BTreeMap<String, u64>,
    /// Of those, the ones that nobody there has taken; empty in what version 0.1.0 wrote.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub unacknowledged: BTreeMap<String, u64>,
    /// Put aside there while the condition goes on: not among `alarms`; empty as well.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub aside: BTreeMap<String, u64>,
    /// Notices that nobody has received yet.
    pub waiting: u64,
    /// Parts of the plant's program that do not work.
    pub failing: Vec<String>,
    /// Seconds to the next one; 0 in what version 0.1.0 wrote.
    #[serde(default)]
    pub every_s: u32,
}

impl Heartbeat {
    /// Whether a plant says this after that. Where neither names a run, its clock may tell.
    pub(super) fn follows(&self, last: &Heartbeat) -> bool {
        match (last.run, self.run) {
            (0, 0) => self.number > last.number || self.sent > last.sent,
            (before, now) => (now, self.number) > (before, last.number),
        }
    }
}

fn once() -> u64 {
    1
}

fn is_once(times: &u64) -> bool {
    *times == once()
}

/// Why a message that is known already came again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Again {
    /// The newest of its chain, the same bytes: the plant has not heard our answer.
    Duplicate,
    /// The same bytes after a later message of the chain: no plant sends so.
    Replay,
    /// Other bytes under the same identifier.
    Changed,
    /// It is not remembered, and by its number no new one: see [`super::Judged::Past`].
    Past,
}

/// What a duty officer asked for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "act")]
pub enum Act {
    /// Take it: the plant hears that a named person at the bureau has it.
    Accept {
        /// In the person's words; may be empty.
        note: String,
    },
    /// Refuse it: the plant's ladder goes on.
    Reject {
        /// Why, not empty.
        note: String,
    },
    /// Tell the plant what to do. Takes it as well.
    Instruct {
        /// What, not empty.
        note: String,
    },
    /// Hand the matter to another body, which is to answer; the officer goes on watching it. Takes it as well.
    Transfer {
        /// Which body, not empty.
        to: String,
        /// Why, not empty.
        note: String,
    },
    /// That body answered.
    Heard {
        /// Number of the transfer within its entry.
        transfer: u32,
        /// What it said and who there, not empty.
        note: String,
    },
    /// End the entry. Never ends the plant's alarm.
    Close {
        /// Why, not empty.
        note: String,
    },
}

impl Act {
    /// The person's words.
    pub fn note(&self) -> &str {
        match self {
            Act::Accept { note }
            | Act::Reject { note }
            | Act::Instruct { note }
            | Act::Transfer { note, .. }
            | Act::Heard { note, .. }
            | Act::Close { note } => note,
        }
    }
}

/// An answer on its way to a plant.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Answer {
    /// Number of its own.
    pub number: u64,
    /// What is sent, on every try, packed; means nothing here.
    pub message: String,
    /// Its name; empty in what version 0.1.0 wrote.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub identifier: String,
}

/// How long a level may wait, seconds, in the order of [`Severity::ALL`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Terms {
    /// For a named person to answer.
    pub acknowledge_s: [u32; 4],
    /// For somebody at the plant to note what was done.
    pub handle_s: [u32; 4],
    /// For another body to answer what was transferred to it.
    #[serde(default = "transfer_s")]
    pub transfer_s: [u32; 4],
}

fn transfer_s() -> [u32; 4] {
    [14_400, 3_600, 1_800, 600]
}

/// The ladder's defaults (alarms that reach a bureau; own defaults).
impl Default for Terms {
    fn default() -> Self {
        Terms { acknowledge_s: [14_400, 3_600, 600, 120], handle_s: [14_400, 3_600, 1_800, 900], transfer_s: transfer_s() }
    }
}

/// A plant that reports here.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Plant {
    /// Name in the bureau's file.
    pub name: String,
    /// Silent after so many seconds without a heartbeat or a message.
    pub silent_s: u32,
}

/// All that can happen to a bureau. Each is one record of its journal.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "event")]
pub enum Event {
    /// The program started, with these plants and terms. Silence is counted anew: nobody listened before.
    Started {
        /// Of the program.
        version: String,
        /// Who reports here.
        plants: Vec<Plant>,
        /// How long what may wait.
        terms: Terms,
        /// Whose names may have the duty desk; none in what version 0.1.0 wrote.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        officers: Vec<String>,
        /// Part of the name of every message from here on, as [`crate::Event::Started`] has it. Empty: as before.
        #[serde(default, skip_serializing_if = "String::is_empty")]
        series: String,
        /// No message and no answer gets a lower number from here on: lower ones may have been given on records that are lost. 0 = as before.
        #[serde(default, skip_serializing_if = "crate::site::is_zero")]
        number_from: u64,
    },
    /// The program stopped on purpose.
    Stopped,
    /// A message that was not known.
    Reported {
        /// Whose.
        plant: String,
        /// What it says.
        report: Box<Report>,
        /// The bytes that came, packed.
        message: String,
        /// What was answered.
        #[serde(default)]
        acked: Acked,
    },
    /// A message whose identifier is known.
    Again {
        /// Whose.
        plant: String,
        /// Which.
        identifier: String,
        /// Why.
        how: Again,
        /// BLAKE3 of the bytes that came, hex.
        digest: String,
        /// How many of this cause it stands for, the newest of which it is: see [`super::TOGETHER_US`].
        #[serde(default = "once", skip_serializing_if = "is_once")]
        times: u64,
    },
    /// Something that came over a plant's line and is not what it says.
    Refused {
        /// Over whose line.
        plant: String,
        /// Why.
        detail: String,
        /// BLAKE3 of the bytes that came, hex.
        digest: String,
        /// As in [`Event::Again`].
        #[serde(default = "once", skip_serializing_if = "is_once")]
        times: u64,
    },
    /// A heartbeat that says something new: the first after a start or a silence, or of another run, or of something that fails.
    Alive {
        /// Whose.
        plant: String,
        /// What it says.
        heartbeat: Heartbeat,
    },
    /// Nothing has come from a plant for its time.
    Silent {
        /// Which.
        plant: String,
        /// Heard last.
        since: Micros,
    },
    /// Heartbeats heard since it was counted last.
    Counted {
        /// Day since 1970, by the clock of the desk.
        day: i64,
        /// By plant.
        counts: BTreeMap<String, Count>,
    },
    /// A duty officer asked for something.
    Act {
        /// Unique per request: the same gets the same answer and no second effect.
        command: String,
        /// Who.
        by: Person,
        /// About which entry.
        entry: u64,
        /// The level on the person's screen; none = whatever stands.
        seen: Option<Severity>,
        /// What.
        act: Act,
        /// What the plant is told of it.
        answer: Option<Answer>,
    },
    /// An officer hands the duty desk over, or takes it over.
    Shift {
        /// Unique per request, as in an act.
        command: String,
        /// Who.
        by: Person,
        /// What.
        change: ShiftChange,
    },
    /// A head of the chain of a plant's record, kept to show later that the record was cut or made again.
    Anchored {
        /// Whose.
        plant: String,
        /// One line of JSON; means nothing here.
        head: String,
    },
    /// A plant took an answer.
    Delivered {
        /// Which.
        answer: u64,
    },
    /// A plant refused an answer: sending it again cannot help.
    Returned {
        /// Which.
        answer: u64,
        /// What it said.
        detail: String,
    },
}
