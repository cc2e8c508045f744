//! How much an audience is told at once. Where its channel, or each number that is called, takes so many messages a minute, an hour or a day and no more, the worst go first,
//! half is kept for red, and of yellow and blue those that wait are told in one message; to a bureau each goes by itself,
//! for what it is told of has an entry in its queue by the message's own name. Also whether an audience can be reached at all.
//! Must not know: channels, formats.

use crate::brain::Brain;
use crate::event::Effect;
use crate::ladder::SECOND_US;
use crate::notice::{Delivery, Digested, Notice, NoticeId, OutboxRow, Reason};
use crate::outbox::{Chain, RESEND_US};
use crate::reading::Micros;
use crate::refusal::Refusal;
use crate::site::Severity;
use crate::timer::Timer;
use serde::{Deserialize, Deserializer, Serialize};
use std::collections::{BTreeSet, VecDeque};

/// From this place on what waits is told together: that of yellow.
const TOLD_TOGETHER: u8 = 2;
/// At most one digest per audience in this time.
const DIGEST_US: Micros = 60_000_000;
/// Alarms that one message tells of, beside its own: what a receiver takes.
pub(crate) const DIGEST_MAX: usize = 200;
/// Who does not take anything for so long cannot be reached (design: no receipt in 30 s, next channel).
const UNREACHABLE_US: Micros = 30_000_000;

const MINUTE_US: Micros = 60_000_000;
/// Places in the queue.
const RED: u8 = 0;
const ORANGE: u8 = 1;
const LAST: u8 = 3;

/// The way to one audience.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Gate {
    /// When messages went in the longest stretch that is counted, how urgent each was, as in `held`, and to which number.
    #[serde(deserialize_with = "sent")]
    sent: VecDeque<(Micros, u8, u32)>,
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
    /// A red or orange one waits for its turn until then.
    shut_until: Option<Micros>,
    /// Too many wait.
    pub(crate) full: bool,
}

/// A snapshot of an older program says only whether each was red, or how urgent: all were counted as if they went to the first number.
fn sent<'de, D: Deserializer<'de>>(from: D) -> Result<VecDeque<(Micros, u8, u32)>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Form {
        Whole(Micros, u8, u32),
        Urgency(Micros, u8),
        Red(Micros, bool),
    }
    let of = |form| match form {
        Form::Whole(at, urgency, number) => (at, urgency, number),
        Form::Urgency(at, urgency) => (at, urgency, 0),
        Form::Red(at, red) => (at, if red { RED } else { TOLD_TOGETHER }, 0),
    };
    Ok(VecDeque::<Form>::deserialize(from)?.into_iter().map(of).collect())
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
    /// Waits for its turn.
    fn holds(&self, id: NoticeId) -> bool {
        (RED..=LAST).any(|urgency| self.held.contains(&(urgency, id)))
    }

    /// Waits for its turn no more, how urgent it ever was.
    fn let_out(&mut self, id: NoticeId) {
        for urgency in RED..=LAST {
            self.held.remove(&(urgency, id));
        }
    }

    /// Which of so many numbers is called next, and how long until it may be: the one whose turn it is, or the next that need not wait so long.
    fn turn(&mut self, limits: &[(u32, Micros)], urgency: u8, (turn, numbers): (u32, u32), now: Micros) -> (Micros, u32) {
        let longest = limits.iter().map(|(_, stretch)| *stretch).max().unwrap_or(0);
        while self.sent.front().is_some_and(|(at, ..)| now.saturating_sub(*at) >= longest) {
            self.sent.pop_front();
        }
        let all = (0..numbers).map(|step| (turn + step) % numbers);
        let waits = all.map(|number| (self.wait(limits, urgency, number, now), number));
        waits.min_by_key(|(wait, _)| *wait).unwrap_or_default()
    }

    /// How long until one more may go to this number. Half of each limit is kept for red, and half of what is left of an hour's or a day's for orange.
    fn wait(&self, limits: &[(u32, Micros)], urgency: u8, number: u32, now: Micros) -> Micros {
        let of_limit = |(most, stretch): &(u32, Micros)| {
            // Of those no more urgent than this one's share allows: whose leaving makes room is the one that stands `most` before the end.
            let room = |most: usize, from: u8| {
                // Far below the limit nothing is counted: in a flood a count costs as much as what was sent.
                if self.sent.len() < most {
                    return 0;
                }
                let counted = self.sent.iter().rev().filter(|(_, urgency, to)| *urgency >= from && *to == number).nth(most - 1);
                counted.map_or(0, |(at, ..)| at.saturating_add(*stretch).saturating_sub(now))
            };
            let most = (*most).max(1) as usize;
            let (half, quarter) = (most.div_ceil(2), most.div_ceil(4));
            match urgency {
                RED => room(most, RED),
                _ if *stretch <= SECOND_US => room(most, RED),
                // Within a minute orange goes first as it is.
                ORANGE => room(most, RED).max(room(half, ORANGE)),
                _ if *stretch <= MINUTE_US => room(most, RED).max(room(half, ORANGE)),
                _ => room(most, RED).max(room(half, ORANGE)).max(room(quarter, ORANGE + 1)),
            }
        };
        limits.iter().map(of_limit).max().unwrap_or(0).max(0)
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

/// Place in the queue, 0 = red. An accident is as urgent as that, whatever the level of its alarm; the end of a drill hurries nobody; and red that is
/// said again lets pass red that is new: however many call on without end, they hold up none.
fn urgency(notice: &Notice) -> u8 {
    match notice.reason {
        Reason::Ended => TOLD_TOGETHER,
        _ if notice.is_of_accident() => RED,
        Reason::Repeated if notice.alarm.severity == Severity::Red => ORANGE,
        _ => 3 - notice.alarm.severity as u8,
    }
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

    pub(crate) fn gate(&mut self, audience: usize) -> &mut Gate {
        self.gates.entry(self.site.audiences[audience].name.clone()).or_default()
    }

    /// Tells a notice, or keeps it until it is its turn.
    pub(crate) fn tell(&mut self, id: NoticeId, out: &mut Vec<Effect>) {
        let Some(row) = self.outbox.get(&id) else { return };
        let audience = self.site.audiences.iter().position(|audience| audience.name == row.notice.audience);
        let Some(audience) = audience.filter(|audience| self.site.audiences[*audience].limits().next().is_some()) else {
            return self.send(id, self.turn_of(id).0, out);
        };
        let (place, waits) = ((self.urgency(row), id), row.notice.reason == Reason::Ended);
        let gate = self.gate(audience);
        gate.let_out(id);
        gate.held.insert(place);
        // All of a step together.
        match waits {
            true => self.timers.at(self.now, Timer::Gate(audience as u32)),
            false => self.gate_due(audience, out),
        }
    }

    /// The first message of its chain waits for its turn and was never tried: this later and worse one does not wait behind it, but goes in its place, by
    /// its own share, and says what that would have said. Whether it is so.
    pub(crate) fn outgrows(&mut self, id: NoticeId, out: &mut Vec<Effect>) -> bool {
        let Some(row) = self.outbox.get(&id) else { return false };
        let first = self.chain_of(row).and_then(Chain::next).and_then(|first| self.outbox.get(&first));
        let Some(first) = first.filter(|first| first.attempts == 0 && urgency(&row.notice) < urgency(&first.notice)) else {
            return false;
        };
        let (first, digest) = (first.notice.id, first.notice.digest.clone());
        let Some((_, audience)) = self.place_of(&row.notice) else { return false };
        self.gate(audience).let_out(first);
        self.leave_chain(first);
        self.superseded(first, out);
        if let Some(row) = self.outbox.get_mut(&id) {
            row.notice.digest = digest;
        }
        true
    }

    /// Something worse waits behind the first message of its chain, which was tried and may be there, so that nothing overtakes it: that one goes by the
    /// share of what it holds up, and where its last try failed, soon.
    pub(crate) fn hasten(&mut self, worse: NoticeId, out: &mut Vec<Effect>) {
        let Some(row) = self.outbox.get(&worse).filter(|row| row.notice.reason != Reason::Ended) else { return };
        let Some((_, audience)) = self.place_of(&row.notice) else { return };
        let first = self.chain_of(row).and_then(Chain::next).and_then(|first| self.outbox.get(&first));
        let Some(first) = first.filter(|first| urgency(&row.notice) < urgency(&first.notice)) else { return };
        let (id, failed) = (first.notice.id, !first.last_error.is_empty() && first.received_at.is_none() && !first.again);
        if self.gate(audience).holds(id) {
            return self.tell(id, out);
        }
        let soon = self.now.saturating_add(RESEND_US);
        if let Some(first) = self.outbox.get_mut(&id).filter(|first| failed && first.due_at > soon) {
            first.due_at = soon;
            self.timers.at(soon, Timer::Resend(id));
        }
    }

    /// Place in the queue of a message that may go: that of the worst that waits behind it.
    fn urgency(&self, row: &OutboxRow) -> u8 {
        let behind = self.chain_of(row).into_iter().flat_map(Chain::waiting).filter_map(|id| self.outbox.get(&id));
        behind.fold(urgency(&row.notice), |worst, row| worst.min(urgency(&row.notice)))
    }

    /// Whose turn it is goes, as many as the limit has room for.
    pub(crate) fn gate_due(&mut self, audience: usize, out: &mut Vec<Effect>) {
        let now = self.now;
        loop {
            let Some(place) = self.gate(audience).held.first().copied() else { return };
            let id = place.1;
            let Some(row) = self.outbox.get(&id).filter(|row| self.is_next(row)) else {
                self.gate(audience).held.remove(&place);
                self.wait_behind(id);
                continue;
            };
            if self.is_expired(row) {
                self.gate(audience).held.remove(&place);
                self.expire(id, out);
                continue;
            }
            let (digests, waits) = (self.may_be_digested(row), row.notice.reason != Reason::Ended);
            // A site without the limit lets all go that waited under another one.
            let limits: Vec<(u32, Micros)> = self.site.audiences[audience].limits().collect();
            if limits.is_empty() {
                self.gate(audience).held.remove(&place);
                self.send(id, self.turn_of(id).0, out);
                continue;
            }
            let turn = self.turn_of(id);
            let gate = self.gate(audience);
            let (mut wait, number) = gate.turn(&limits, place.0, turn, now);
            if digests && waits {
                wait = wait.max(gate.digest_at.saturating_sub(now));
            }
            self.shut(audience, place.0 <= ORANGE && wait > UNREACHABLE_US, wait);
            if wait > 0 {
                self.timers.at(now.saturating_add(wait), Timer::Gate(audience as u32));
                return;
            }
            let gate = self.gate(audience);
            gate.held.remove(&place);
            gate.sent.push_back((now, place.0, number));
            if digests {
                self.digest(audience, id, out);
            }
            self.send(id, number, out);
        }
    }

    /// Which number is called at its next try where none must be spared, the next one at each try; and of how many.
    fn turn_of(&self, id: NoticeId) -> (u32, u32) {
        let Some(row) = self.outbox.get(&id) else { return (0, 1) };
        let about = self.site.audiences.iter().find(|about| about.name == row.notice.audience);
        let numbers = about.map_or(1, |about| about.numbers.max(1));
        (row.attempts % numbers, numbers)
    }

    /// A red or orange one that has to wait for long does not reach anybody there: who is told where it cannot be reached is told at once.
    fn shut(&mut self, audience: usize, is_shut: bool, wait: Micros) {
        let until = is_shut.then(|| self.now.saturating_add(wait));
        if std::mem::replace(&mut self.gate(audience).shut_until, until).is_none() && is_shut {
            self.look_at_rungs(self.now);
        }
    }

    /// Yellow and blue that nobody there knows of yet may be told together; what refers to an earlier message goes by itself.
    fn may_be_digested(&self, row: &OutboxRow) -> bool {
        let news = self.chain_of(row).is_none_or(Chain::is_new) && row.notice.alarm.severity < Severity::Orange;
        // One that carries others already carries no more.
        row.attempts == 0
            && row.notice.digest.is_empty()
            && !row.notice.bureau
            && !row.notice.is_of_accident()
            && (row.notice.reason == Reason::Ended || news)
    }

    /// All other yellow and blue ones that wait are told in this one's message, as they stand by now.
    fn digest(&mut self, audience: usize, carrier: NoticeId, out: &mut Vec<Effect>) {
        let mut rows: Vec<Digested> = Vec::new();
        let own = self.outbox.get(&carrier).map(|row| row.notice.alarm.id);
        let mut from = (TOLD_TOGETHER, NoticeId(0));
        while rows.len() < DIGEST_MAX {
            let Some(place) = self.gate(audience).held.range(from..).next().copied() else { break };
            from = (place.0, NoticeId(place.1.0 + 1));
            let row = self.outbox.get(&place.1).filter(|row| self.is_next(row) && self.may_be_digested(row));
            let Some(row) = row.filter(|row| Some(row.notice.alarm.id) != own) else { continue };
            let told = self.digested(row);
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

    /// What another message says of this one.
    pub(crate) fn digested(&self, row: &OutboxRow) -> Digested {
        let (notice, alarm) = (&row.notice, &row.notice.alarm);
        Digested {
            notice: notice.id,
            alarm: alarm.id,
            title: alarm.title.clone(),
            zone: notice.zone.clone(),
            severity: alarm.severity,
            reason: notice.reason,
            // One that was tried has the times that people read.
            at: if row.attempts == 0 { self.clock.wall(notice.at) } else { notice.at },
        }
    }

    /// Takes an unsent notice off the front of its chain; the next of the chain, as a place in the gate.
    fn supersede_first(&mut self, id: NoticeId, out: &mut Vec<Effect>) -> Option<(u8, NoticeId)> {
        let next = self.leave_chain(id);
        self.superseded(id, out);
        let row = self.outbox.get(&next?)?;
        Some((self.urgency(row), next?))
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

    /// Nobody there would hear it: every try fails, its limit is used up for a red or orange one, or nobody is on duty.
    pub(crate) fn is_unreachable(&self, audience: usize) -> bool {
        let gate = self.gates.get(&self.site.audiences[audience].name);
        let failing =
            gate.and_then(|gate| gate.failing_since).is_some_and(|since| self.now.saturating_sub(since) >= UNREACHABLE_US);
        let shut = gate.and_then(|gate| gate.shut_until).is_some_and(|until| until > self.now);
        failing || shut || self.is_unstaffed(audience)
    }
}

#[cfg(test)]
mod tests;
