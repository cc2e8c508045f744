//! How an alarm changes: open, raise, clear, latch, acknowledge, suppress, close. Every (state, event) pair of the truth table is decided here.
//! Must not know: who is told (that is `escalation`), when a shelf ends (that is `shelf`).

use crate::alarm::{
    Acknowledgement, Alarm, AlarmId, AlarmKey, BureauState, Closing, Closure, Condition, Escalation, HANDLING_MAX, Handling,
    Person,
};
use crate::event::{Change, Refusal};
use crate::finding::{Certainty, Evidence};
use crate::reading::Micros;
use crate::shelf::Shelf;
use crate::site::{Guide, Severity};
use crate::words::{Text, Words};

/// Danger, as whoever found it says.
pub(crate) struct Claim {
    pub(crate) key: AlarmKey,
    pub(crate) title: Words,
    pub(crate) plugin: String,
    pub(crate) digest: String,
    pub(crate) severity: Severity,
    pub(crate) latches: bool,
    pub(crate) managed: bool,
    pub(crate) may_suppress: bool,
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
            shelf: Shelf::default(),
            managed: claim.managed,
            may_suppress: claim.may_suppress,
            group: String::new(),
            parent: false,
            first_out: false,
            chattering: false,
            stale: false,
            fleeting: 0,
            closure: None,
            accident: None,
            key: claim.key,
        }
    }

    /// Danger is claimed again. Where it stands already at that level only the words and the evidence follow, and that is no change to tell of.
    pub(crate) fn claim(&mut self, now: Micros, claim: Claim) -> Option<Change> {
        // What is shown worse than this goes on being as that was: nobody has seen it yet.
        let is_covered = self.acknowledged.is_none() && claim.severity < self.severity;
        self.managed = claim.managed || (is_covered && self.managed);
        self.may_suppress = if is_covered { self.may_suppress } else { claim.may_suppress };
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
                    self.say(claim);
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
            self.say(claim);
        }
        self.changed_at = now;
        Some(change)
    }

    /// Words, what they rest on, and whose they are: one component takes the place of another, and its limit beside the other's name is wrong.
    fn say(&mut self, claim: Claim) {
        (self.text, self.evidence, self.certainty) = (claim.text, claim.evidence, claim.certainty);
        (self.plugin, self.digest) = (claim.plugin, claim.digest);
    }

    /// The condition is gone, seen on inputs that can be believed.
    pub(crate) fn clear(&mut self, now: Micros) -> Option<Change> {
        if self.condition == Condition::Cleared {
            return None;
        }
        (self.condition, self.held) = (Condition::Cleared, false);
        (self.cleared_at, self.changed_at, self.stale) = (Some(now), now, false);
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
        self.may_be_acknowledged()?;
        self.unmoved(seen)?;
        self.acknowledged = Some(Acknowledgement { by: by.clone(), at: now, severity: self.severity, note: note.to_owned() });
        if self.condition == Condition::Active {
            self.severity = self.severity_now;
        }
        self.changed_at = now;
        Ok(Change::Acknowledged)
    }

    /// Whether somebody may take it, as it stands now: asked for screens too.
    ///
    /// # Errors
    /// What stands in the way.
    pub fn may_be_acknowledged(&self) -> Result<(), Refusal> {
        self.shown()?;
        if self.closed || self.acknowledged.is_some() { Err(Refusal::Already) } else { Ok(()) }
    }

    /// An act covers what was on the person's screen, and nothing that came since.
    pub(crate) fn unmoved(&self, seen: (Option<Severity>, Option<u32>)) -> Result<(), Refusal> {
        let (severity, occurrence) = seen;
        if severity.is_some_and(|seen| seen < self.severity) || occurrence.is_some_and(|seen| seen != self.occurrences) {
            return Err(Refusal::Moved { severity: self.severity, occurrence: self.occurrences });
        }
        Ok(())
    }

    /// What is put aside is not acted on before it is back.
    fn shown(&self) -> Result<(), Refusal> {
        self.shelf.hidden().map_or(Ok(()), |hidden| self.need(false, hidden.first()))
    }

    /// Whether its latch may be released, as it stands now: asked for screens too.
    ///
    /// # Errors
    /// What stands in the way.
    pub fn may_be_reset(&self) -> Result<(), Refusal> {
        self.shown()?;
        if !self.latched || self.closed {
            return Err(Refusal::Already);
        }
        self.need(self.condition == Condition::Cleared, "cleared")?;
        self.need(self.acknowledged.is_some(), "acknowledged")
    }

    /// Somebody went and looked: the latch is released.
    pub(crate) fn reset(&mut self, now: Micros, by: &Person, note: &str) -> Result<Change, Refusal> {
        self.may_be_reset()?;
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

    /// Whether it may be ended, as it stands now and whatever is said: asked for screens too.
    ///
    /// # Errors
    /// What stands in the way.
    pub fn may_be_closed(&self) -> Result<(), Refusal> {
        self.shown()?;
        if self.closed {
            return Err(Refusal::Already);
        }
        self.need(self.condition == Condition::Cleared, "cleared")?;
        self.need(self.acknowledged.is_some(), "acknowledged")?;
        self.need(!self.latched, "reset")
    }

    /// A person ends it. What must be said depends on the worst level it had; from orange on it takes another person than who acknowledged.
    /// `said`: none = as version 0.1.0 recorded it, which asked for a note, and for the second person at red.
    pub(crate) fn close(&mut self, now: Micros, by: &Person, note: &str, said: Option<&Closing>) -> Result<Change, Refusal> {
        self.may_be_closed()?;
        self.need(!self.handling.is_empty() || !note.trim().is_empty(), "note")?;
        let worst = self.worst();
        if let Some(said) = said {
            self.need(worst < Severity::Yellow || said.cause.is_some(), "cause")?;
            self.need(worst < Severity::Orange || !said.evidence.trim().is_empty(), "evidence")?;
        }
        let same_person = self.acknowledged.as_ref().is_some_and(|ack| ack.by.name == by.name);
        let alone = if said.is_some() { Severity::Orange } else { Severity::Red };
        self.need(worst < alone || !same_person, "second_person")?;
        if !note.trim().is_empty() {
            self.note(now, by, note);
        }
        self.closure = said.map(|said| Closure { by: by.clone(), at: now, said: said.clone() });
        (self.closed, self.changed_at) = (true, now);
        Ok(Change::Closed)
    }

    /// Nothing puts it aside any more. The condition decides: what stands is new to everybody; what is gone counts as taken by whoever put it
    /// aside, unless somebody must go and look. `rose`: it rose just now, and that is counted already.
    pub(crate) fn resume(&mut self, now: Micros, by: &Person, reason: &str, rose: bool) {
        self.changed_at = now;
        if self.condition == Condition::Active {
            if !rose {
                self.occurrences += 1;
                (self.escalation.bureau, self.escalation.bureau_by) = (BureauState::None, None);
            }
            if self.acknowledged.take().is_some() {
                self.severity = self.severity_now;
            }
        } else if self.latched {
            self.acknowledged = None;
        } else {
            let severity = self.severity;
            self.acknowledged.get_or_insert_with(|| Acknowledgement {
                by: by.clone(),
                at: now,
                severity,
                note: reason.to_owned(),
            });
        }
    }

    /// Closing and resetting are never refused for want of room.
    fn note(&mut self, now: Micros, by: &Person, note: &str) {
        self.handling.push(Handling { by: by.clone(), at: now, note: note.to_owned() });
    }

    pub(crate) fn need(&self, held: bool, missing: &str) -> Result<(), Refusal> {
        if held { Ok(()) } else { Err(Refusal::NotYet { missing: missing.to_owned() }) }
    }
}

#[cfg(test)]
mod model;
#[cfg(test)]
mod peer;
#[cfg(test)]
mod table;
#[cfg(test)]
mod tests;
