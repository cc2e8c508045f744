//! The life of an alarm: open, raise, clear, latch, acknowledge, close. Separate facts, never folded into one state.
//! Must not know: who is told (that is `escalation`), how it is shown.

use crate::event::{Change, Refusal};
use crate::finding::{Certainty, Evidence};
use crate::reading::Micros;
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
    /// Changed while nothing could be put on record.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub unrecorded: bool,
    /// Opened while nothing could be put on record: after a crash another alarm may get its number.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub opened_unrecorded: bool,
    /// Changed while the wall clock could not be believed: times of it that people read may be wrong.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub times_doubtful: bool,
}

impl Alarm {
    /// In the active list: the condition stands, or nobody has acknowledged, or a latch is set.
    pub fn is_listed(&self) -> bool {
        !self.closed && (self.condition == Condition::Active || self.acknowledged.is_none() || self.latched)
    }
}

/// Danger, as whoever found it says.
pub(crate) struct Claim {
    pub(crate) key: AlarmKey,
    pub(crate) title: Words,
    pub(crate) plugin: String,
    pub(crate) digest: String,
    pub(crate) severity: Severity,
    pub(crate) latches: bool,
    pub(crate) certainty: Certainty,
    pub(crate) text: Text,
    pub(crate) evidence: Vec<Evidence>,
    pub(crate) guide: Guide,
}

impl Alarm {
    /// A new alarm.
    pub(crate) fn open(id: AlarmId, now: Micros, claim: Claim) -> Alarm {
        Alarm {
            id,
            title: claim.title,
            plugin: claim.plugin,
            digest: claim.digest,
            condition: Condition::Active,
            held: false,
            severity_now: claim.severity,
            severity: claim.severity,
            acknowledged: None,
            latched: claim.latches || claim.severity == Severity::Red,
            closed: false,
            occurrences: 1,
            opened_at: now,
            raised_at: now,
            cleared_at: None,
            changed_at: now,
            certainty: claim.certainty,
            text: claim.text,
            evidence: claim.evidence,
            guide: claim.guide,
            handling: Vec::new(),
            escalation: Escalation::default(),
            unrecorded: false,
            opened_unrecorded: false,
            times_doubtful: false,
            key: claim.key,
        }
    }

    /// Danger is claimed again. Where it stands already at that level only the words and the evidence follow, and that is no change to tell of.
    pub(crate) fn claim(&mut self, now: Micros, claim: Claim) -> Option<Change> {
        let change = match self.condition {
            Condition::Cleared => {
                self.occurrences += 1;
                self.raised_at = now;
                // The bureau knows of the earlier one.
                (self.escalation.bureau, self.escalation.bureau_by) = (BureauState::None, None);
                // A new occurrence is nobody's yet: an acknowledgement covers what was seen.
                if self.acknowledged.take().is_some() {
                    self.severity = claim.severity;
                }
                Change::Reopened
            }
            Condition::Active if claim.severity > self.severity_now => {
                let covered = self.acknowledged.as_ref().is_some_and(|ack| ack.severity >= claim.severity);
                if claim.severity <= self.severity && (covered || self.acknowledged.is_none()) {
                    self.severity_now = claim.severity;
                    return None;
                }
                self.acknowledged = None;
                Change::Raised
            }
            Condition::Active if claim.severity < self.severity_now => Change::Lowered,
            Condition::Active => {
                // The words follow the danger as it stands. Shown above its present level, they stay those of the worst.
                if claim.severity >= self.severity {
                    (self.text, self.evidence, self.certainty) = (claim.text, claim.evidence, claim.certainty);
                }
                return None;
            }
        };
        self.condition = Condition::Active;
        self.severity_now = claim.severity;
        // What is shown never falls before somebody has seen it.
        self.severity = if self.acknowledged.is_some() { claim.severity } else { self.severity.max(claim.severity) };
        self.latched |= claim.latches || claim.severity == Severity::Red;
        self.held = false;
        if change != Change::Lowered {
            (self.text, self.evidence, self.certainty) = (claim.text, claim.evidence, claim.certainty);
        }
        self.changed_at = now;
        Some(change)
    }

    /// The condition is gone, seen on inputs that can be believed.
    pub(crate) fn clear(&mut self, now: Micros) -> Option<Change> {
        if self.condition == Condition::Cleared {
            return None;
        }
        (self.condition, self.held) = (Condition::Cleared, false);
        (self.cleared_at, self.changed_at) = (Some(now), now);
        Some(Change::Cleared)
    }

    /// Its inputs stopped, or began again, to be believable.
    pub(crate) fn hold(&mut self, now: Micros, held: bool) -> Option<Change> {
        if self.condition == Condition::Cleared || self.held == held {
            return None;
        }
        (self.held, self.changed_at) = (held, now);
        Some(Change::Held)
    }

    /// A named person takes it, for the severity and occurrence on their screen.
    pub(crate) fn acknowledge(
        &mut self,
        now: Micros,
        by: &Person,
        note: &str,
        seen: (Option<Severity>, Option<u32>),
    ) -> Result<Change, Refusal> {
        if self.closed || self.acknowledged.is_some() {
            return Err(Refusal::Already);
        }
        let (severity, occurrence) = seen;
        if severity.is_some_and(|seen| seen < self.severity) || occurrence.is_some_and(|seen| seen != self.occurrences) {
            return Err(Refusal::Moved { severity: self.severity, occurrence: self.occurrences });
        }
        self.acknowledged = Some(Acknowledgement { by: by.clone(), at: now, severity: self.severity, note: note.to_owned() });
        if self.condition == Condition::Active {
            self.severity = self.severity_now;
        }
        self.changed_at = now;
        Ok(Change::Acknowledged)
    }

    /// Somebody went and looked: the latch is released.
    pub(crate) fn reset(&mut self, now: Micros, by: &Person, note: &str) -> Result<Change, Refusal> {
        if !self.latched || self.closed {
            return Err(Refusal::Already);
        }
        self.need(self.condition == Condition::Cleared, "cleared")?;
        self.need(self.acknowledged.is_some(), "acknowledged")?;
        self.latched = false;
        if !note.trim().is_empty() {
            self.note(now, by, note);
        }
        self.changed_at = now;
        Ok(Change::Reset)
    }

    /// What was done, in a person's words; refused where [`HANDLING_MAX`] notes stand.
    pub(crate) fn handle(&mut self, now: Micros, by: &Person, note: &str) -> Result<Change, Refusal> {
        self.need(!note.trim().is_empty(), "note")?;
        if self.closed {
            return Err(Refusal::Already);
        }
        if self.handling.len() >= HANDLING_MAX {
            return Err(Refusal::Full { most: HANDLING_MAX as u32 });
        }
        self.note(now, by, note);
        self.changed_at = now;
        Ok(Change::Handled)
    }

    /// A person ends it. A red alarm needs a second person.
    pub(crate) fn close(&mut self, now: Micros, by: &Person, note: &str) -> Result<Change, Refusal> {
        if self.closed {
            return Err(Refusal::Already);
        }
        self.need(self.condition == Condition::Cleared, "cleared")?;
        self.need(self.acknowledged.is_some(), "acknowledged")?;
        self.need(!self.latched, "reset")?;
        self.need(!self.handling.is_empty() || !note.trim().is_empty(), "note")?;
        let same_person = self.acknowledged.as_ref().is_some_and(|ack| ack.by.name == by.name);
        let was_red = self.severity == Severity::Red || self.escalation.told.iter().any(|told| told.severity == Severity::Red);
        self.need(!was_red || !same_person, "second_person")?;
        if !note.trim().is_empty() {
            self.note(now, by, note);
        }
        (self.closed, self.changed_at) = (true, now);
        Ok(Change::Closed)
    }

    /// Closing and resetting are never refused for want of room.
    fn note(&mut self, now: Micros, by: &Person, note: &str) {
        self.handling.push(Handling { by: by.clone(), at: now, note: note.to_owned() });
    }

    fn need(&self, held: bool, missing: &str) -> Result<(), Refusal> {
        if held { Ok(()) } else { Err(Refusal::NotYet { missing: missing.to_owned() }) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn claim(severity: Severity) -> Claim {
        let key = AlarmKey { source: Source::Guard, hazard: "h".into(), zone: "z".into(), object: String::new() };
        let (title, text) = (Words::same("t"), Text::Words(Words::same("x")));
        let (plugin, digest, guide) = (String::new(), String::new(), Guide::default());
        Claim {
            key,
            title,
            plugin,
            digest,
            severity,
            latches: false,
            certainty: Certainty::Likely,
            text,
            evidence: vec![],
            guide,
        }
    }

    fn person(name: &str) -> Person {
        Person { name: name.into(), role: "lead".into(), station: "t".into() }
    }

    fn open(severity: Severity) -> Alarm {
        Alarm::open(AlarmId(1), 0, claim(severity))
    }

    #[test]
    fn severity_latches_until_somebody_has_seen_it() {
        let mut alarm = open(Severity::Yellow);
        assert_eq!(alarm.claim(1, claim(Severity::Orange)), Some(Change::Raised));
        assert_eq!(alarm.claim(2, claim(Severity::Blue)), Some(Change::Lowered));
        assert_eq!((alarm.severity, alarm.severity_now), (Severity::Orange, Severity::Blue));
        assert_eq!(alarm.claim(3, claim(Severity::Blue)), None, "claimed again at the same level");
        let says = |alarm: &Alarm, what: &str| alarm.text == Text::Words(Words::same(what));
        let with = |severity, what: &str| Claim { text: Text::Words(Words::same(what)), ..claim(severity) };
        assert_eq!(alarm.claim(3, with(Severity::Blue, "5 people")), None);
        assert!(says(&alarm, "x"), "shown as orange, it keeps the words of the orange");
        alarm.acknowledge(4, &person("a"), "", (None, None)).unwrap();
        assert_eq!(alarm.claim(5, with(Severity::Blue, "12 people")), None);
        assert!(says(&alarm, "12 people") && alarm.changed_at == 4, "what stands now, and nothing to tell of");
        assert_eq!(alarm.severity, Severity::Blue, "after it was seen, the level restarts from the present");
    }

    #[test]
    fn an_acknowledgement_covers_what_was_seen_and_nothing_more() {
        let mut alarm = open(Severity::Yellow);
        alarm.claim(1, claim(Severity::Orange));
        let moved = Refusal::Moved { severity: Severity::Orange, occurrence: 1 };
        assert_eq!(alarm.acknowledge(2, &person("a"), "", (Some(Severity::Yellow), None)), Err(moved.clone()));
        assert_eq!(alarm.acknowledge(2, &person("a"), "", (None, Some(2))), Err(moved));
        assert_eq!(alarm.acknowledge(2, &person("a"), "", (Some(Severity::Orange), Some(1))), Ok(Change::Acknowledged));
        assert_eq!(alarm.acknowledge(3, &person("b"), "", (None, None)), Err(Refusal::Already));
        alarm.claim(4, claim(Severity::Red));
        assert!(alarm.acknowledged.is_none() && alarm.latched, "red is nobody's yet, and latches");
        alarm.clear(5);
        alarm.acknowledge(6, &person("a"), "", (None, None)).unwrap();
        assert_eq!(alarm.claim(7, claim(Severity::Red)), Some(Change::Reopened));
        assert!(alarm.acknowledged.is_none() && alarm.occurrences == 2);
    }

    #[test]
    fn what_must_come_first_is_named() {
        let missing = |result: Result<Change, Refusal>| match result {
            Err(Refusal::NotYet { missing }) => missing,
            other => format!("{other:?}"),
        };
        let (a, b) = (person("a"), person("b"));
        let mut alarm = open(Severity::Red);
        assert_eq!(missing(alarm.close(1, &a, "")), "cleared");
        assert_eq!(missing(alarm.reset(1, &a, "")), "cleared");
        alarm.clear(2);
        assert_eq!(missing(alarm.reset(3, &a, "")), "acknowledged");
        alarm.acknowledge(4, &a, "", (None, None)).unwrap();
        assert_eq!(missing(alarm.close(5, &a, "done")), "reset");
        alarm.reset(6, &a, "").unwrap();
        assert!(!alarm.is_listed(), "cleared, acknowledged, no latch");
        assert_eq!(missing(alarm.close(7, &b, "")), "note");
        assert_eq!(missing(alarm.close(8, &a, "done")), "second_person");
        assert_eq!(alarm.close(9, &b, "done"), Ok(Change::Closed));
        assert_eq!(alarm.close(10, &b, "done"), Err(Refusal::Already));
    }

    #[test]
    fn doubt_holds_and_never_clears() {
        let mut alarm = open(Severity::Blue);
        assert_eq!(alarm.hold(1, true), Some(Change::Held));
        assert_eq!((alarm.condition, alarm.hold(2, true)), (Condition::Active, None));
        assert_eq!(alarm.clear(3), Some(Change::Cleared));
        assert!(!alarm.held);
        assert_eq!(alarm.hold(4, true), None, "what is over cannot be held");
    }
}
