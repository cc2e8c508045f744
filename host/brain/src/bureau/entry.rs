//! One entry of the duty queue: what it is about, how it stands, until when it may wait, who did what. Owns: every transition of an entry.
//! Must not know: other entries, how messages come and go.

use super::{Accident, Act, Answer, Report, Taken, Terms};
use crate::alarm::{Handling, Person};
use crate::notice::{NoticeKind, Reason};
use crate::reading::Micros;
use crate::refusal::Refusal;
use crate::site::{Mode, Severity};
use crate::words::Words;
use serde::{Deserialize, Serialize};

/// Bodies that one matter can be transferred to.
pub(super) const TRANSFERS_MAX: usize = 20;
/// More messages of one entry are not counted.
pub(super) const MESSAGES_MAX: u32 = u32::MAX / 2 - 1;
/// Messages and acts that an entry still names; of more the first and the newest stay. The journal has all.
const LISTED_MAX: usize = 100;

/// What an entry is about.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "about")]
pub enum About {
    /// What a plant reports.
    Report {
        /// The plant's name for it.
        incident: String,
    },
    /// Nothing comes from the plant.
    Silence {
        /// Heard last.
        since: Micros,
    },
    /// Forged, replayed or changed messages over the plant's line.
    Suspicion,
    /// The record begins anew, out of a backup or from nothing, and the plant says that more stands than is known here.
    Unknown {
        /// So many alarms that need somebody.
        alarms: u64,
    },
}

/// How far an entry has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// A machine has it, and no person.
    Received,
    /// A named person has it.
    Accepted,
    /// A named person refused it.
    Rejected,
    /// A named person told the plant what to do.
    Instructed,
    /// Over.
    Closed,
}

impl State {
    /// The word in JSON and in translation keys.
    pub fn word(self) -> &'static str {
        match self {
            State::Received => "received",
            State::Accepted => "accepted",
            State::Rejected => "rejected",
            State::Instructed => "instructed",
            State::Closed => "closed",
        }
    }
}

/// One message of the plant.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Message {
    /// CAP identifier.
    pub identifier: String,
    /// First, later, or last.
    pub kind: NoticeKind,
    /// Why it came; none where the plant does not say it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<Reason>,
    /// By the plant's clock.
    pub sent: Micros,
    /// When it came.
    pub at: Micros,
}

/// One thing that a duty officer did.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Done {
    /// What.
    pub act: Act,
    /// Who.
    pub by: Person,
    /// When.
    pub at: Micros,
    /// The answer that tells the plant, if any.
    pub answer: Option<u64>,
    /// The plant has it.
    pub delivered_at: Option<Micros>,
    /// The plant refuses it: why.
    pub returned: Option<String>,
    /// Name of the message that tells the plant.
    pub message: String,
    /// Who at the plant took it, where it is an instruction.
    pub taken: Option<Taken>,
}

/// A matter handed to another body.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Transfer {
    /// Within its entry, from 1.
    pub number: u32,
    /// Which body.
    pub to: String,
    /// Who handed it there, when and why.
    pub asked: Handling,
    /// It answers until then.
    pub answer_by: Micros,
    /// What it answered, and who put that on record when.
    pub answer: Option<Handling>,
}

/// One entry.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// From 1.
    pub number: u64,
    /// Whose.
    pub plant: String,
    /// What about.
    pub about: About,
    /// Real, drill or test.
    pub mode: Mode,
    /// Highest since somebody answered last; it does not fall before.
    pub level: Severity,
    /// How far it has come.
    pub state: State,
    /// The condition has cleared, as the plant says.
    pub cleared: bool,
    /// The plant has ended it, or speaks again.
    pub ended: bool,
    /// First seen.
    pub opened_at: Micros,
    /// Changed last.
    pub changed_at: Micros,
    /// A named person answers until then.
    pub acknowledge_by: Micros,
    /// The plant says that somebody did something until then.
    pub handle_by: Micros,
    /// Notes of what was done that the plant tells of.
    #[serde(default)]
    pub notes: u64,
    /// Those of them that were written before somebody was wanted anew.
    #[serde(default)]
    pub notes_before: u64,
    /// Somebody answered, after the present level and occurrence began.
    pub answered_at: Option<Micros>,
    /// The plant said that somebody did something.
    pub handled_at: Option<Micros>,
    /// One line.
    pub headline: Words,
    /// All that is known.
    pub description: Words,
    /// In the order in which they came.
    pub messages: Vec<Message>,
    /// How many came.
    pub messages_so_far: u32,
    /// The newest message; in what version 0.1.0 wrote, none: there the greatest time says which it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last: Option<Message>,
    /// The newest message, packed; empty = none.
    pub message: String,
    /// In order.
    pub acts: Vec<Done>,
    /// In order.
    pub transfers: Vec<Transfer>,
    /// A person at the plant declared an accident: what was said of it last.
    pub accident: Option<Box<Accident>>,
}

impl Entry {
    pub(super) fn new(number: u64, plant: &str, about: About, level: Severity, mode: Mode, at: Micros, terms: &Terms) -> Entry {
        Entry {
            number,
            plant: plant.to_owned(),
            about,
            mode,
            level,
            state: State::Received,
            cleared: false,
            ended: false,
            opened_at: at,
            changed_at: at,
            acknowledge_by: due(at, &terms.acknowledge_s, level),
            handle_by: due(at, &terms.handle_s, level),
            answered_at: None,
            handled_at: None,
            notes: 0,
            notes_before: 0,
            headline: Words::default(),
            description: Words::default(),
            messages: Vec::new(),
            messages_so_far: 0,
            last: None,
            message: String::new(),
            acts: Vec::new(),
            transfers: Vec::new(),
            accident: None,
        }
    }

    /// Nothing more is to be done.
    pub fn is_closed(&self) -> bool {
        self.state == State::Closed
    }

    /// Identifier of the newest message: each that is newer refers to the one before it, or is not older by the plant's clock.
    pub fn newest(&self) -> Option<&str> {
        self.last().map(|message| message.identifier.as_str())
    }

    fn last(&self) -> Option<&Message> {
        self.last.as_ref().or_else(|| self.messages.iter().max_by_key(|message| message.sent))
    }

    /// Transfers that no body has answered, in order.
    pub fn pending(&self) -> impl Iterator<Item = &Transfer> {
        self.transfers.iter().filter(|transfer| transfer.answer.is_none())
    }

    /// Until when somebody must do something next, here, at the plant or at another body; none = nothing is due.
    pub fn due(&self) -> Option<Micros> {
        self.own_due().into_iter().chain(self.pending().map(|transfer| transfer.answer_by)).min()
    }

    fn own_due(&self) -> Option<Micros> {
        match self.state {
            State::Closed => None,
            State::Received => Some(self.acknowledge_by),
            State::Accepted | State::Rejected | State::Instructed if self.ended || self.handled_at.is_some() => None,
            State::Accepted | State::Rejected | State::Instructed => Some(self.handle_by),
        }
    }

    /// The plant itself says when it is over.
    fn is_of_the_plant(&self) -> bool {
        matches!(self.about, About::Report { .. } | About::Silence { .. })
    }

    /// It is about an accident that was not taken back.
    pub fn is_accident(&self) -> bool {
        self.accident.as_ref().is_some_and(|accident| !accident.retracted)
    }

    /// Place in the queue: real before drill before test, accidents first, then what nobody has answered, the worst first, then what is due first.
    pub fn rank(&self) -> (u8, bool, bool, std::cmp::Reverse<Severity>, Micros, u64) {
        let mode = match self.mode {
            Mode::Actual => 0,
            Mode::Exercise => 1,
            Mode::Test => 2,
        };
        (
            mode,
            !self.is_accident(),
            self.state != State::Received,
            std::cmp::Reverse(self.level),
            self.due().unwrap_or(Micros::MAX),
            self.number,
        )
    }

    pub(super) fn hear(&mut self, at: Micros, report: &Report, message: &str, terms: &Terms) {
        // What refers to the newest one came after it, also where the plant's clock was set back between them.
        let after = |last: &Message| last.sent <= report.sent || report.references.contains(&last.identifier);
        let newest = self.last().is_none_or(after);
        let said =
            Message { identifier: report.identifier.clone(), kind: report.kind, reason: report.reason, sent: report.sent, at };
        keep(&mut self.messages, said.clone());
        self.messages_so_far += 1;
        let answered = self.state != State::Received;
        let raised = report.level > self.level;
        // What came late says nothing of the present, except that it was as bad as this.
        let rose_again = newest && self.cleared && !report.cleared && report.kind != NoticeKind::Cancel;
        if newest {
            self.last = Some(said);
            self.cleared = report.cleared || report.kind == NoticeKind::Cancel;
            self.ended = report.kind == NoticeKind::Cancel;
            (self.headline, self.description) = (report.headline.clone(), report.description.clone());
            message.clone_into(&mut self.message);
            self.accident.clone_from(&report.accident);
        }
        self.notes = self.notes.max(report.notes);
        if newest && answered && !raised {
            // Whoever answered knows of the worse; what rises above this wants somebody anew.
            self.level = report.level;
        }
        if raised || rose_again {
            self.level = self.level.max(report.level);
            self.wanted(at, answered, terms);
        }
        if self.notes > self.notes_before {
            self.handled_at.get_or_insert(at);
        }
    }

    /// Somebody is wanted: anew where somebody had answered, else no later than before.
    fn wanted(&mut self, at: Micros, answered: bool, terms: &Terms) {
        let (acknowledge, handle) = (due(at, &terms.acknowledge_s, self.level), due(at, &terms.handle_s, self.level));
        if answered {
            (self.state, self.answered_at, self.acknowledge_by) = (State::Received, None, acknowledge);
        } else {
            self.acknowledge_by = self.acknowledge_by.min(acknowledge);
        }
        // What was done before it rose was done about something else.
        if answered || self.handled_at.is_some() {
            (self.handled_at, self.notes_before, self.handle_by) = (None, self.notes, handle);
        } else {
            self.handle_by = self.handle_by.min(handle);
        }
    }

    pub(super) fn suspect(&mut self, at: Micros, detail: &str, times: u64, terms: &Terms) {
        let answered = self.state != State::Received;
        let times = u32::try_from(times).unwrap_or(MESSAGES_MAX);
        self.messages_so_far = self.messages_so_far.saturating_add(times).min(MESSAGES_MAX);
        self.description = Words::same(detail);
        if answered {
            self.wanted(at, true, terms);
        }
    }

    pub(super) fn allows(&self, act: &Act) -> Result<(), Refusal> {
        let missing = |what: &str| Err(Refusal::NotYet { missing: what.to_owned() });
        let is_report = matches!(self.about, About::Report { .. });
        let said = !act.note().trim().is_empty();
        match (act, self.state) {
            (_, State::Closed) => Err(Refusal::Already),
            (Act::Accept { .. }, State::Accepted | State::Instructed) => Err(Refusal::Already),
            (Act::Reject { .. }, State::Rejected) => Err(Refusal::Already),
            // Nobody at the plant asked anything.
            (Act::Reject { .. } | Act::Instruct { .. }, _) if !is_report => missing("report"),
            (Act::Accept { .. }, _) => Ok(()),
            (_, _) if !said => missing("note"),
            (Act::Transfer { to, .. }, _) if to.trim().is_empty() => missing("to"),
            (Act::Transfer { to, .. }, _) if self.pending().any(|transfer| transfer.to == *to) => Err(Refusal::Already),
            (Act::Transfer { .. }, _) if self.transfers.len() >= TRANSFERS_MAX => {
                Err(Refusal::Full { most: TRANSFERS_MAX as u32 })
            }
            (Act::Heard { transfer, .. }, _) => match self.transfers.iter().find(|known| known.number == *transfer) {
                None => Err(Refusal::Unknown),
                Some(known) if known.answer.is_some() => Err(Refusal::Already),
                Some(_) => Ok(()),
            },
            (Act::Close { .. }, State::Received) => missing("acknowledged"),
            (Act::Close { .. }, State::Accepted | State::Instructed)
                if !self.ended && !self.cleared && self.is_of_the_plant() && self.accident.is_none() =>
            {
                missing("cleared")
            }
            (Act::Close { .. }, _) if self.pending().next().is_some() => missing("transfer"),
            (Act::Reject { .. } | Act::Instruct { .. } | Act::Transfer { .. } | Act::Close { .. }, _) => Ok(()),
        }
    }

    pub(super) fn act(&mut self, at: Micros, by: &Person, act: &Act, answer: Option<&Answer>, terms: &Terms) {
        let word = |note: &String| Handling { by: by.clone(), at, note: note.clone() };
        self.state = match (act, self.state) {
            (Act::Accept { .. }, _) | (Act::Transfer { .. }, State::Received | State::Rejected) => State::Accepted,
            (Act::Reject { .. }, _) => State::Rejected,
            (Act::Instruct { .. }, _) => State::Instructed,
            (Act::Close { .. }, _) => State::Closed,
            (Act::Transfer { .. } | Act::Heard { .. }, state) => state,
        };
        match act {
            Act::Transfer { to, note } => {
                let number = self.transfers.last().map_or(1, |last| last.number + 1);
                let answer_by = due(at, &terms.transfer_s, self.level);
                self.transfers.push(Transfer { number, to: to.clone(), asked: word(note), answer_by, answer: None });
            }
            Act::Heard { transfer, note } => {
                if let Some(known) = self.transfers.iter_mut().find(|known| known.number == *transfer) {
                    known.answer = Some(word(note));
                }
            }
            Act::Accept { .. } | Act::Reject { .. } | Act::Instruct { .. } | Act::Close { .. } => {}
        }
        // Another body's answer is none of this desk.
        if self.state != State::Received {
            self.answered_at.get_or_insert(at);
        }
        keep(&mut self.acts, done(at, by, act, answer));
    }

    /// The instruction of this message, while nobody at the plant is known to have taken it.
    fn untaken(&self, message: &str) -> Option<usize> {
        let is_it = |done: &Done| done.message == message && matches!(done.act, Act::Instruct { .. }) && done.taken.is_none();
        self.acts.iter().position(is_it)
    }

    pub(super) fn take(&mut self, taken: &Taken) {
        if let Some(place) = self.untaken(&taken.message) {
            self.acts[place].taken = Some(taken.clone());
        }
    }

    pub(super) fn answered(&mut self, at: Micros, answer: u64, returned: Option<&str>) {
        let Some(done) = self.acts.iter_mut().find(|done| done.answer == Some(answer)) else { return };
        match returned {
            None => done.delivered_at = Some(at),
            Some(why) => done.returned = Some(why.to_owned()),
        }
    }

    /// What has ended and was answered, here and by all bodies that were asked, is over.
    pub(super) fn settle(&mut self) {
        match self.state {
            State::Accepted | State::Rejected | State::Instructed if self.ended && self.pending().next().is_none() => {
                self.state = State::Closed;
            }
            State::Received | State::Accepted | State::Rejected | State::Instructed | State::Closed => {}
        }
    }
}

fn done(at: Micros, by: &Person, act: &Act, answer: Option<&Answer>) -> Done {
    let message = answer.map(|answer| answer.identifier.clone()).unwrap_or_default();
    let (act, by, answer) = (act.clone(), by.clone(), answer.map(|answer| answer.number));
    Done { act, by, at, answer, delivered_at: None, returned: None, message, taken: None }
}

fn due(at: Micros, seconds: &[u32; 4], level: Severity) -> Micros {
    at.saturating_add(i64::from(seconds[level as usize]) * 1_000_000)
}

/// Adds one; of too many the second goes, the first says how it began.
fn keep<T>(list: &mut Vec<T>, one: T) {
    if list.len() >= LISTED_MAX {
        list.remove(1);
    }
    list.push(one);
}
