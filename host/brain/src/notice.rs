//! One thing told to one audience, with the reason. Self-contained: what is sent is made from it alone, once; the same bytes go on every try.
//! Must not know: formats (CAP, JSON), transports, addresses.

use crate::alarm::{Alarm, AlarmId};
use crate::reading::Micros;
use crate::site::{Area, Mode, Severity};
use crate::words::Words;
use serde::{Deserialize, Serialize};

/// Number of a notice: 1, 2, ... never reused in one journal.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct NoticeId(pub u64);

/// What kind of message it is, as in CAP.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum NoticeKind {
    /// First of its chain.
    Alert,
    /// Replaces the earlier ones of its chain.
    Update,
    /// Ends its chain.
    Cancel,
}

/// Why it was made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reason {
    /// The alarm opened.
    Opened,
    /// It rose again after clearing.
    Reopened,
    /// The severity rose.
    Raised,
    /// The severity fell and stays so while the condition stands: told to bureaus.
    Lowered,
    /// A deadline passed without an answer.
    Overdue,
    /// Somebody took it.
    Acknowledged,
    /// The condition cleared; not closed.
    Cleared,
    /// A person ended it.
    Closed,
    /// It was put aside: shelved, suppressed by design, or out of service.
    Suppressed,
    /// The last message is about to expire and the alarm is still open.
    Renewed,
    /// Told before, and nobody has answered.
    Repeated,
    /// A named person at the bureau took it.
    Accepted,
    /// A named person at the plant took what the bureau told it to do.
    Instructed,
    /// A named person at the plant noted what was done.
    Handled,
    /// A person declared an accident of it, said more of that, or took it back: a chain of messages of its own.
    Accident,
    /// The drill is over: there never was a danger.
    Ended,
}

impl Reason {
    /// All.
    pub const ALL: [Reason; 16] = [
        Reason::Opened,
        Reason::Reopened,
        Reason::Raised,
        Reason::Lowered,
        Reason::Overdue,
        Reason::Acknowledged,
        Reason::Cleared,
        Reason::Closed,
        Reason::Suppressed,
        Reason::Renewed,
        Reason::Repeated,
        Reason::Accepted,
        Reason::Instructed,
        Reason::Handled,
        Reason::Accident,
        Reason::Ended,
    ];

    /// As one word.
    pub fn word(self) -> &'static str {
        match self {
            Reason::Opened => "opened",
            Reason::Reopened => "reopened",
            Reason::Raised => "raised",
            Reason::Lowered => "lowered",
            Reason::Overdue => "overdue",
            Reason::Acknowledged => "acknowledged",
            Reason::Cleared => "cleared",
            Reason::Closed => "closed",
            Reason::Suppressed => "suppressed",
            Reason::Renewed => "renewed",
            Reason::Repeated => "repeated",
            Reason::Accepted => "accepted",
            Reason::Instructed => "instructed",
            Reason::Handled => "handled",
            Reason::Accident => "accident",
            Reason::Ended => "ended",
        }
    }
}

/// An earlier message of the same chain, as CAP `references` wants it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reference {
    /// Its identifier.
    pub identifier: String,
    /// Its time.
    pub sent: Micros,
}

/// One notice. Its times, and those of the alarm in it, are those of the wall clock as known at its first try; before that, brain time.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Notice {
    /// Number.
    pub id: NoticeId,
    /// Message identifier, unique for the sender for ever: `<site>.<series>.<alarm>.<notice>`, where the series is eight characters by chance for each
    /// record that begins (one begun by version 0.1.0 has none); behind a number given while nothing could be put on record
    /// stands `u` and the second. Where the audience wants names after GB/T 35965.1, it gets one at its first try.
    pub identifier: String,
    /// `<site>.<series>.<alarm>`, where the identifier does not begin with it.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub incident: String,
    /// CAP sender.
    pub sender: String,
    /// Real, drill or test.
    pub mode: Mode,
    /// Audience name.
    pub audience: String,
    /// True for the authority outside the company.
    pub bureau: bool,
    /// Rung that spoke; empty for an answer told back down.
    pub rung: String,
    /// Message kind.
    pub kind: NoticeKind,
    /// Why.
    pub reason: Reason,
    /// When it was made.
    pub at: Micros,
    /// Earlier live messages of the chain, oldest first; at most [`REFERENCES_MAX`].
    pub references: Vec<Reference>,
    /// Site title.
    pub site: Words,
    /// Zone title.
    pub zone: Words,
    /// Where.
    pub area: Option<Area>,
    /// Made while nothing could be put on record.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub unrecorded: bool,
    /// First told while the wall clock could not be believed.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub times_doubtful: bool,
    /// Who is on duty there, as far as is known; empty where the audience has no roster, or nobody is.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub duty: Vec<String>,
    /// Other alarms that this one tells of: the audience is told so much that they do not all go one by one.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub digest: Vec<Digested>,
    /// Whoever it is told to is owed none with a lower number any more: such a one that comes later is an old one. 0 = nothing is said of that.
    #[serde(default, skip_serializing_if = "crate::site::is_zero")]
    pub floor: u64,
    /// The alarm as it stood when the notice was made; with its accident where the notice is about that, and without in all others.
    pub alarm: Box<Alarm>,
}

impl Notice {
    /// It is about an accident, and not about the alarm of which that was declared.
    pub fn is_of_accident(&self) -> bool {
        self.alarm.accident.is_some()
    }
}

/// An alarm that is told in the message of another one.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Digested {
    /// Its own notice, which is not sent.
    pub notice: NoticeId,
    /// Which.
    pub alarm: AlarmId,
    /// What people call the hazard.
    pub title: Words,
    /// Zone title.
    pub zone: Words,
    /// As it stood.
    pub severity: Severity,
    /// Why that notice was made.
    pub reason: Reason,
    /// When that notice was made.
    pub at: Micros,
}

/// References kept per notice.
pub const REFERENCES_MAX: usize = 16;

/// How far a notice has come. Order is progress.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Delivery {
    /// In the outbox; sent again until something better is known.
    Queued,
    /// A machine says it arrived (transport or technical acceptance). Stops resending; never stops a rung.
    Received,
    /// A named person took it.
    Acknowledged,
    /// The receiver refused it. Told to the plant; sent again only as [`OutboxRow::again`] says.
    Rejected,
    /// Never sent, or sent in vain: another one, made later or sent in its place, says all that it would have said.
    Superseded,
    /// Yellow or blue, and nobody took it for a day: not told any more. How its alarm stands since is told by another one.
    Expired,
}

/// A row of the outbox.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct OutboxRow {
    /// What is told.
    pub notice: Notice,
    /// When it was made, brain time; none in what an earlier version kept, whose notices say it.
    #[serde(default)]
    pub made_at: Option<Micros>,
    /// How far it has come.
    pub delivery: Delivery,
    /// Times handed to the sender.
    pub attempts: u32,
    /// When it is due again; meaningless unless queued.
    pub due_at: Micros,
    /// When the first receipt came: a machine at the receiver's address has it.
    pub received_at: Option<Micros>,
    /// When the receiver's system said that it accepts it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub accepted_at: Option<Micros>,
    /// Who took it, and when.
    pub acknowledged: Option<(crate::alarm::Person, Micros)>,
    /// What the last try said, if it failed.
    pub last_error: String,
    /// What is sent, as [`crate::Event::Worded`] told it; kept until it need not be told again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
    /// A machine refused it, and no later message of its chain has come: it is sent again now and then, should the receiver mend its side.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub again: bool,
}

impl OutboxRow {
    /// When it was made, brain time.
    pub fn made_at(&self) -> Micros {
        self.made_at.unwrap_or(self.notice.at)
    }

    /// Audience, alarm, number.
    pub(crate) fn place(&self) -> (String, AlarmId, NoticeId) {
        (self.notice.audience.clone(), self.notice.alarm.id, self.notice.id)
    }

    /// To be told again until a machine says that it arrived.
    pub fn is_owed(&self) -> bool {
        self.delivery == Delivery::Queued || self.again
    }
}
