//! Who has the duty desk: one officer offers it, the other takes it over with every open matter before their eyes. Until then the first one has it.
//! Must not know: what an entry is about, who may sign in beyond the names of the officers.

use crate::alarm::Person;
use crate::duty::Offer;
use crate::reading::Micros;
use crate::refusal::Refusal;
use serde::{Deserialize, Serialize};
use std::collections::VecDeque;

/// Hand-overs remembered; the journal has all.
const LOG_MAX: usize = 20;

/// What an officer asks of the duty.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "change")]
pub enum ShiftChange {
    /// Whoever has the desk offers it to another officer. Anybody does while nobody has it.
    HandOver {
        /// Name of that officer.
        to: String,
        /// What who comes must know, not empty; what is open is listed without it.
        note: String,
    },
    /// Takes the desk: offered to this officer, had by nobody, or for a reason by a lead.
    TakeOver {
        /// The open entries on that officer's screen. Refused where one is not among them.
        entries: Vec<u64>,
        /// In the person's words.
        note: String,
    },
}

/// One hand-over.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HandedOver {
    /// Who had it; none = nobody.
    pub from: Option<String>,
    /// Who took it over.
    pub to: Person,
    /// When.
    pub at: Micros,
    /// Every entry that was open.
    pub open: Vec<u64>,
    /// What was said at the offer and at the taking.
    pub notes: [String; 2],
}

/// Who has the desk.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Shift {
    /// Whose names may have it.
    pub officers: Vec<String>,
    /// Who has it.
    pub on: Option<String>,
    /// Since when.
    pub since: Micros,
    /// Offered to somebody.
    pub offer: Option<Offer>,
    /// The last hand-overs, oldest first.
    pub log: VecDeque<HandedOver>,
}

fn missing<T>(what: &str) -> Result<T, Refusal> {
    Err(Refusal::NotYet { missing: what.to_owned() })
}

impl Shift {
    /// These are the officers from now on. Whoever is none any more has nothing to hand over.
    pub(super) fn staffed(&mut self, officers: &[String]) {
        self.officers = officers.to_vec();
        self.on = self.on.take().filter(|name| officers.contains(name));
        self.offer = self.offer.take().filter(|offer| officers.contains(&offer.to));
    }

    /// Carries out what `by` asks; `open` is every open entry.
    pub(super) fn change(&mut self, at: Micros, by: &Person, change: &ShiftChange, open: Vec<u64>) -> Result<(), Refusal> {
        match change {
            ShiftChange::HandOver { to, note } => {
                if self.on.as_ref().is_some_and(|on| *on != by.name) {
                    return missing("on_duty");
                }
                if *to == by.name || !self.officers.contains(to) {
                    return missing("on_roster");
                }
                if note.trim().is_empty() {
                    return missing("note");
                }
                self.offer = Some(Offer { by: by.clone(), to: to.clone(), at, note: note.clone() });
            }
            ShiftChange::TakeOver { entries, note } => {
                let offered = self.offer.as_ref().is_some_and(|offer| offer.to == by.name);
                match &self.on {
                    Some(on) if *on == by.name => return Err(Refusal::Already),
                    Some(_) if !offered && by.role != "lead" => return missing("hand_over"),
                    Some(_) if !offered && note.trim().is_empty() => return missing("note"),
                    Some(_) | None => {}
                }
                if open.iter().any(|number| !entries.contains(number)) {
                    return missing("entries");
                }
                let said = self.offer.take().filter(|_| offered).map(|offer| offer.note).unwrap_or_default();
                let notes = [said, note.clone()];
                self.log.push_back(HandedOver { from: self.on.take(), to: by.clone(), at, open, notes });
                if self.log.len() > LOG_MAX {
                    self.log.pop_front();
                }
                (self.on, self.since) = (Some(by.name.clone()), at);
            }
        }
        Ok(())
    }
}
