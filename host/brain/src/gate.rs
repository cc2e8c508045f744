//! How much an audience is told at once. Where its channel takes so many messages a minute and no more, the worst go first, half is kept for red, and
//! of yellow and blue those that wait are told in one message. Also whether an audience can be reached at all.
//! Must not know: channels, formats.

use crate::brain::Brain;
use crate::event::Effect;
use crate::notice::{Delivery, Digested, Notice, NoticeId, OutboxRow};
use crate::outbox::Chain;
use crate::reading::Micros;
use crate::refusal::Refusal;
use crate::site::Severity;
use crate::timer::Timer;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeSet, VecDeque};

/// The stretch in which a channel's limit counts.
const MINUTE_US: Micros = 60_000_000;
const SECOND_US: Micros = 1_000_000;
/// At most one digest per audience in this time.
const DIGEST_US: Micros = 60_000_000;
/// Alarms that one message tells of, beside its own: what a receiver takes.
const DIGEST_MAX: usize = 200;
/// Who does not take anything for so long cannot be reached (design: no receipt in 30 s, next channel).
const UNREACHABLE_US: Micros = 30_000_000;

/// The way to one audience.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Gate {
    /// When messages went in the last minute, and whether each was red.
    sent: VecDeque<(Micros, bool)>,
    /// Waiting for their turn, by urgency (0 = red) and number.
    held: BTreeSet<(u8, NoticeId)>,
    /// The next digest not before.
    digest_at: Micros,
    /// Every try has failed since then.
    failing_since: Option<Micros>,
    /// The last time that anything was taken.
    heard_at: Option<Micros>,
    /// The last test of an annunciator.
    tested: Option<Tested>,
}

/// What a test of an annunciator came to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tested {
    /// When.
    pub at: Micros,
    /// It says itself that it did what it was told.
    pub well: bool,
    /// What was read back, or what is wrong.
    pub detail: String,
}

impl Gate {
    /// How long until one more may go: half of the limit is kept for red.
    fn wait(&mut self, (per_minute, per_second): (u32, Option<u32>), red: bool, now: Micros) -> Micros {
        while self.sent.front().is_some_and(|(at, _)| now.saturating_sub(*at) >= MINUTE_US) {
            self.sent.pop_front();
        }
        let most = per_minute.max(1) as usize;
        // Whose leaving makes room: the one that stands `most` before the end.
        let until = |at: Option<Micros>, stretch| at.map_or(0, |at| (at.saturating_add(stretch)).saturating_sub(now).max(0));
        let from_end = |most: usize| self.sent.len().checked_sub(most).and_then(|place| self.sent.get(place)).map(|(at, _)| *at);
        let second = per_second.map_or(0, |most| until(from_end(most.max(1) as usize), SECOND_US));
        let all = until(from_end(most), MINUTE_US).max(second);
        if red {
            return all;
        }
        let share = most.div_ceil(2);
        let others = self.sent.iter().rev().filter(|(_, red)| !red).nth(share - 1).map(|(at, _)| *at);
        all.max(until(others, MINUTE_US))
    }
}

/// The way to one audience, for screens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reached {
    /// Audience name.
    pub audience: String,
    /// Notices that wait for their turn because of its limit.
    pub held: usize,
    /// Every try has failed since then.
    pub failing_since: Option<Micros>,
    /// The last time that anything was taken.
    pub heard_at: Option<Micros>,
    /// The last test of an annunciator.
    pub tested: Option<Tested>,
}

fn urgency(severity: Severity) -> u8 {
    3 - severity as u8
}

/// An accident is as urgent as red, whatever the level of its alarm.
fn place(notice: &Notice) -> u8 {
    if notice.is_of_accident() { urgency(Severity::Red) } else { urgency(notice.alarm.severity) }
}

impl Brain {
    /// The ways to all audiences that were told anything, by name.
    pub fn reached(&self) -> impl Iterator<Item = Reached> {
        self.gates.iter().map(|(audience, gate)| Reached {
            audience: audience.clone(),
            held: gate.held.len(),
            failing_since: gate.failing_since,
            heard_at: gate.heard_at,
            tested: gate.tested.clone(),
        })
    }

    fn gate(&mut self, audience: usize) -> &mut Gate {
        self.gates.entry(self.site.audiences[audience].name.clone()).or_default()
    }

    /// Tells a notice, or keeps it until it is its turn.
    pub(crate) fn tell(&mut self, id: NoticeId, out: &mut Vec<Effect>) {
        let Some(row) = self.outbox.get(&id) else { return };
        let audience = self.site.audiences.iter().position(|audience| audience.name == row.notice.audience);
        let Some(audience) = audience.filter(|audience| self.site.audiences[*audience].per_minute.is_some()) else {
            return self.send(id, out);
        };
        let place = (place(&row.notice), id);
        self.gate(audience).held.insert(place);
        self.gate_due(audience, out);
    }

    /// Whose turn it is goes, as many as the limit has room for.
    pub(crate) fn gate_due(&mut self, audience: usize, out: &mut Vec<Effect>) {
        let now = self.now;
        loop {
            let Some(place) = self.gate(audience).held.first().copied() else { return };
            let id = place.1;
            let Some(row) = self.outbox.get(&id).filter(|row| self.is_next(row)) else {
                self.gate(audience).held.remove(&place);
                continue;
            };
            let digests = self.may_be_digested(row);
            // A site without the limit lets all go that waited under another one.
            let Some(per_minute) = self.site.audiences[audience].per_minute else {
                self.gate(audience).held.remove(&place);
                self.send(id, out);
                continue;
            };
            let per_second = self.site.audiences[audience].per_second;
            let gate = self.gate(audience);
            let mut wait = gate.wait((per_minute, per_second), place.0 == 0, now);
            if digests {
                wait = wait.max(gate.digest_at.saturating_sub(now));
            }
            if wait > 0 {
                self.timers.at(now.saturating_add(wait), Timer::Gate(audience as u32));
                return;
            }
            gate.held.remove(&place);
            gate.sent.push_back((now, place.0 == 0));
            if digests {
                self.digest(audience, id, out);
            }
            self.send(id, out);
        }
    }

    /// Owed, and nothing before it in its chain.
    fn is_next(&self, row: &OutboxRow) -> bool {
        row.is_owed() && (row.again || self.chain_of(row).is_none_or(|chain| chain.next() == Some(row.notice.id)))
    }

    /// Yellow and blue that nobody there knows of yet may be told together; what refers to an earlier message goes by itself.
    fn may_be_digested(&self, row: &OutboxRow) -> bool {
        let news = self.chain_of(row).is_none_or(Chain::is_new);
        row.attempts == 0 && row.notice.alarm.severity < Severity::Orange && news && !row.notice.is_of_accident()
    }

    /// All other yellow and blue ones that wait are told in this one's message, as they stand by now.
    fn digest(&mut self, audience: usize, carrier: NoticeId, out: &mut Vec<Effect>) {
        let mut rows: Vec<Digested> = Vec::new();
        let own = self.outbox.get(&carrier).map(|row| row.notice.alarm.id);
        let mut from = (urgency(Severity::Yellow), NoticeId(0));
        while rows.len() < DIGEST_MAX {
            let Some(place) = self.gate(audience).held.range(from..).next().copied() else { break };
            from = (place.0, NoticeId(place.1.0 + 1));
            let row = self.outbox.get(&place.1).filter(|row| self.is_next(row) && self.may_be_digested(row));
            let Some(row) = row.filter(|row| Some(row.notice.alarm.id) != own) else { continue };
            let alarm = &row.notice.alarm;
            let told = Digested {
                notice: place.1,
                alarm: alarm.id,
                title: alarm.title.clone(),
                zone: row.notice.zone.clone(),
                severity: alarm.severity,
                reason: row.notice.reason,
                at: self.clock.wall(row.notice.at),
            };
            self.gate(audience).held.remove(&place);
            rows.retain(|earlier| earlier.alarm != told.alarm);
            rows.push(told);
            if let Some(next) = self.supersede_first(place.1, out) {
                self.gate(audience).held.insert(next);
                from = from.min(next);
            }
        }
        if !rows.is_empty() {
            self.gate(audience).digest_at = self.now.saturating_add(DIGEST_US);
            if let Some(row) = self.outbox.get_mut(&carrier) {
                row.notice.digest = rows;
            }
        }
    }

    /// Takes an unsent notice off the front of its chain; the next of the chain, as a place in the gate.
    fn supersede_first(&mut self, id: NoticeId, out: &mut Vec<Effect>) -> Option<(u8, NoticeId)> {
        let next = self.leave_chain(id);
        self.superseded(id, out);
        let row = self.outbox.get(&next?)?;
        Some((place(&row.notice), next?))
    }

    /// It is never sent.
    pub(crate) fn superseded(&mut self, id: NoticeId, out: &mut Vec<Effect>) {
        let Some(row) = self.outbox.get_mut(&id) else { return };
        row.delivery = Delivery::Superseded;
        out.push(Effect::Delivery { notice: id });
        self.remember(id);
    }

    /// A try failed without an answer from the other side.
    pub(crate) fn unheard(&mut self, audience: &str) {
        let Some(index) = self.site.audiences.iter().position(|about| about.name == audience) else { return };
        let now = self.now;
        let gate = self.gate(index);
        if gate.failing_since.is_none() {
            gate.failing_since = Some(now);
            self.look_at_rungs(now.saturating_add(UNREACHABLE_US));
        }
    }

    /// The other side answered, whatever it said.
    pub(crate) fn heard_of(&mut self, audience: &str) {
        let gate = self.gates.entry(audience.to_owned()).or_default();
        (gate.failing_since, gate.heard_at) = (None, Some(self.now));
    }

    /// A person asks an annunciator to sound for a moment.
    pub(crate) fn test_annunciator(&mut self, audience: &str, out: &mut Vec<Effect>) -> Result<(), Refusal> {
        let known = self.site.audiences.iter().any(|about| about.name == audience && about.annunciator);
        if !known {
            return Err(Refusal::Unknown);
        }
        out.push(Effect::Test { audience: audience.to_owned() });
        Ok(())
    }

    /// What it answered.
    pub(crate) fn tested(&mut self, audience: &str, well: bool, detail: &str) {
        let (at, detail) = (self.now, detail.to_owned());
        self.gates.entry(audience.to_owned()).or_default().tested = Some(Tested { at, well, detail });
    }

    /// Nobody there would hear it: every try fails, or nobody is on duty.
    pub(crate) fn is_unreachable(&self, audience: usize) -> bool {
        let failing = self.gates.get(&self.site.audiences[audience].name).and_then(|gate| gate.failing_since);
        failing.is_some_and(|since| self.now.saturating_sub(since) >= UNREACHABLE_US) || self.is_unstaffed(audience)
    }
}

#[cfg(test)]
mod tests;
