//! Who is on duty: the plan of the site file by the plant's clock, and what persons said of it. A shift that must be handed over is over when somebody
//! has taken over, with all alarms that need somebody before their eyes; until then both count.
//! Must not know: how anybody is reached.

use crate::alarm::{Alarm, AlarmId, AlarmKey, Person, Source};
use crate::brain::Brain;
use crate::builtin::Builtin;
use crate::calendar::{LOCAL_US, Roster};
use crate::event::{Effect, Refusal};
use crate::guard::builtin;
use crate::reading::Micros;
use crate::site::Severity;
use crate::timer::{Timer, s};
use crate::words::Text;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeSet, VecDeque};

/// An offer that nobody has taken for this long is told, where the roster says nothing else (own default).
const OFFER_S: u32 = 900;
/// Hand-overs remembered per roster; the record keeps all.
const LOG_MAX: usize = 20;

/// What a person asks of a roster.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "change")]
pub enum DutyChange {
    /// Somebody on duty offers it to another person, who must take it over.
    HandOver {
        /// Name of that person; one whom the roster names.
        to: String,
    },
    /// The person whose shift it is, or to whom it was offered, takes over.
    TakeOver {
        /// The alarms on that person's screen. Refused where one that needs somebody is not among them.
        alarms: Vec<AlarmId>,
    },
}

/// Duty, at a plant or at a bureau's desk, offered to somebody and not taken over yet.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Offer {
    /// Who offers it.
    pub by: Person,
    /// To whom.
    pub to: String,
    /// When.
    pub at: Micros,
    /// In the words of who offers it.
    pub note: String,
}

/// One hand-over.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HandedOver {
    /// Who is relieved.
    pub from: Vec<String>,
    /// Who took over.
    pub to: Person,
    /// When.
    pub at: Micros,
    /// What was taken over: every alarm that needed somebody.
    pub alarms: Vec<AlarmId>,
    /// What was said at the offer and at the taking.
    pub notes: [String; 2],
}

/// Who is on duty by one roster.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Duty {
    /// The shifts that run, and when they began by the plant's clock.
    shifts: Vec<(usize, Micros)>,
    /// Whose duty it is.
    pub on: Vec<String>,
    /// Whose shift is over, and whom nobody has relieved yet: they count as well.
    pub outgoing: Vec<String>,
    /// Somebody must have taken over by then.
    pub due_at: Option<Micros>,
    /// Offered to somebody.
    pub offer: Option<Offer>,
    /// The last hand-overs, oldest first.
    pub log: VecDeque<HandedOver>,
}

impl Duty {
    /// Everybody who counts as on duty, each once.
    pub fn present(&self) -> impl Iterator<Item = &String> {
        self.on.iter().chain(self.outgoing.iter().filter(|name| !self.on.contains(name)))
    }

    /// The plan has come to other shifts.
    fn turn(&mut self, roster: &Roster, shifts: Vec<(usize, Micros)>, now: Micros) {
        let planned = roster.people_of(&shifts);
        let before: Vec<String> = self.present().cloned().collect();
        let arrives = planned.iter().any(|name| !before.contains(name));
        let leaves: Vec<String> = before.into_iter().filter(|name| !planned.contains(name)).collect();
        (self.outgoing, self.due_at) = match roster.hand_over_s {
            Some(within_s) if arrives && !leaves.is_empty() => (leaves, Some(now.saturating_add(s(within_s)))),
            Some(_) | None => (Vec::new(), None),
        };
        // Offered to who comes now, it goes on.
        self.offer = self.offer.take().filter(|offer| !self.outgoing.is_empty() && planned.contains(&offer.to));
        (self.shifts, self.on) = (shifts, planned);
    }
}

impl Brain {
    /// What the plant's clock shows.
    pub(crate) fn local(&self) -> Micros {
        self.clock.wall(self.now).saturating_add(LOCAL_US)
    }

    /// Brain time of a moment of the plant's clock that is to come; later than now, so that whoever waits for it is never asked twice in an instant.
    pub(crate) fn when_local(&self, local: Micros) -> Micros {
        self.now.saturating_add(local.saturating_sub(self.local()).max(1))
    }

    /// Who is on duty by each roster, in the order of the site.
    pub fn duties(&self) -> impl Iterator<Item = (&Roster, Duty)> {
        self.site.rosters.iter().map(|roster| (roster, self.duties.get(&roster.name).cloned().unwrap_or_default()))
    }

    /// When the next shift of this roster begins by the plan, or the present one ends, by the wall clock, and who is on duty then. None where nobody knows the
    /// time, or it never changes.
    pub fn next_shift(&self, roster: &Roster) -> Option<(Micros, Vec<String>)> {
        if self.clock.is_wrong() {
            return None;
        }
        roster.next(self.local()).map(|(local, people)| (local.saturating_sub(LOCAL_US), people))
    }

    /// Who of an audience is on duty: everybody of its roster where nobody knows the time. None = it has no roster, and is always there.
    pub(crate) fn on_duty(&self, audience: usize) -> Option<Vec<String>> {
        let roster = &self.site.rosters[self.site.audiences[audience].roster?];
        if self.clock.is_wrong() {
            return Some(roster.everybody());
        }
        Some(self.duties.get(&roster.name).map(|duty| duty.present().cloned().collect()).unwrap_or_default())
    }

    /// It has a roster, and by that nobody is there.
    pub(crate) fn is_unstaffed(&self, audience: usize) -> bool {
        self.on_duty(audience).is_some_and(|names| names.is_empty())
    }

    /// A shift may have begun or ended, a hand-over may be overdue, the clock may have been set. A clock that cannot be believed ends no shift.
    pub(crate) fn duty_due(&mut self, out: &mut Vec<Effect>) {
        self.timers.drop_all(|timer| timer == Timer::Duty);
        let (now, local, believed) = (self.now, self.local(), !self.clock.is_wrong());
        let (mut overdue, mut settled, mut turned) = (Vec::new(), Vec::new(), false);
        for index in 0..self.site.rosters.len() {
            let roster = &self.site.rosters[index];
            let duty = self.duties.entry(roster.name.clone()).or_default();
            let shifts = roster.running(local);
            if believed && shifts != duty.shifts {
                duty.turn(roster, shifts, now);
                turned = true;
            }
            let (due_at, next) = (duty.due_at, roster.next_look(local));
            match due_at {
                Some(due_at) if due_at <= now => overdue.push((roster.name.clone(), duty.present().cloned().collect::<Vec<_>>())),
                Some(due_at) => self.timers.at(due_at, Timer::Duty),
                None => settled.push(roster.name.clone()),
            }
            self.timers.at(self.when_local(next), Timer::Duty);
        }
        for roster in settled {
            let key = self.duty_key(Builtin::HandOver, &roster);
            self.clear(&key, out);
        }
        for (roster, present) in overdue {
            let key = self.duty_key(Builtin::HandOver, &roster);
            let text = Text::Phrase { key: "guard.hand-over".to_owned(), args: vec![roster, present.join(", ")] };
            self.claim(builtin(Builtin::HandOver, key, Severity::Yellow, text, Vec::new()), out);
        }
        self.staffed(out);
        if turned {
            // Where nobody is on duty any more, the next rung is due.
            self.look_at_rungs(self.now);
        }
    }

    fn duty_key(&self, hazard: Builtin, object: &str) -> AlarmKey {
        let zone = self.site.zones[0].name.clone();
        AlarmKey { source: Source::Guard, hazard: hazard.id().to_owned(), zone, object: object.to_owned() }
    }

    /// A rung is due, and nobody is on duty where it speaks.
    pub(crate) fn unstaffed(&mut self, audience: usize, out: &mut Vec<Effect>) {
        let name = self.site.audiences[audience].name.clone();
        let key = self.duty_key(Builtin::Unstaffed, &name);
        let text = Text::Phrase { key: "guard.unstaffed".to_owned(), args: vec![name] };
        self.claim(builtin(Builtin::Unstaffed, key, Severity::Orange, text, Vec::new()), out);
    }

    /// Where somebody is on duty again, that nobody was is over.
    fn staffed(&mut self, out: &mut Vec<Effect>) {
        for index in 0..self.site.audiences.len() {
            if !self.is_unstaffed(index) {
                let key = self.duty_key(Builtin::Unstaffed, &self.site.audiences[index].name);
                self.clear(&key, out);
            }
        }
    }

    /// A person hands over or takes over.
    pub(crate) fn duty_act(
        &mut self,
        by: &Person,
        roster: &str,
        change: &DutyChange,
        note: &str,
        out: &mut Vec<Effect>,
    ) -> Result<(), Refusal> {
        let about = self.site.rosters.iter().find(|about| about.name == roster).ok_or(Refusal::Unknown)?;
        let need = |held: bool, missing: &str| if held { Ok(()) } else { Err(Refusal::NotYet { missing: missing.to_owned() }) };
        let owed: BTreeSet<AlarmId> = self.alarms.values().filter(|alarm| Alarm::is_owed(alarm)).map(|alarm| alarm.id).collect();
        let (now, within_s) = (self.now, about.hand_over_s.unwrap_or(OFFER_S));
        let duty = self.duties.entry(about.name.clone()).or_default();
        match change {
            DutyChange::HandOver { to } => {
                need(duty.present().any(|name| *name == by.name), "on_duty")?;
                need(*to != by.name && about.everybody().contains(to), "on_roster")?;
                duty.offer = Some(Offer { by: by.clone(), to: to.clone(), at: now, note: note.to_owned() });
                // What is overdue already does not begin anew.
                let due_at = *duty.due_at.get_or_insert(now.saturating_add(s(within_s)));
                self.timers.at(due_at.max(now), Timer::Duty);
            }
            DutyChange::TakeOver { alarms } => {
                let offered = duty.offer.as_ref().is_some_and(|offer| offer.to == by.name);
                let begins = !duty.outgoing.is_empty() && duty.on.contains(&by.name);
                need(offered || begins, "hand_over")?;
                need(owed.iter().all(|alarm| alarms.contains(alarm)), "alarms")?;
                let offer = duty.offer.take();
                let mut from = std::mem::take(&mut duty.outgoing);
                if from.is_empty() {
                    from = offer.iter().map(|offer| offer.by.name.clone()).collect();
                    duty.on.retain(|name| !from.contains(name));
                }
                if !duty.on.contains(&by.name) {
                    duty.on.push(by.name.clone());
                }
                duty.due_at = None;
                let notes = [offer.map(|offer| offer.note).unwrap_or_default(), note.to_owned()];
                duty.log.push_back(HandedOver { from, to: by.clone(), at: now, alarms: owed.into_iter().collect(), notes });
                if duty.log.len() > LOG_MAX {
                    duty.log.pop_front();
                }
                let key = self.duty_key(Builtin::HandOver, roster);
                self.clear(&key, out);
                self.staffed(out);
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
