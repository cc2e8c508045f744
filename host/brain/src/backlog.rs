//! How much may wait for an audience, and for how long; the bureau is waited for a minute before people are told. Too many yellow and blue ones are told in one message; after a day such a one is given up, and how
//! its alarm stands by then is told in its place. Orange and red wait as long as it takes, however many there are. A bureau is never told several in
//! one message: of too many that wait for it those are given up, and listed as not delivered, whose alarm was closed before the bureau heard of it.
//! Must not know: channels, formats, why nobody takes anything.

use crate::alarm::{Alarm, AlarmId, AlarmKey, Source};
use crate::brain::Brain;
use crate::builtin::Builtin;
use crate::event::Effect;
use crate::gate::DIGEST_MAX;
use crate::guard::builtin;
use crate::notice::{Delivery, Digested, NoticeId, OutboxRow, Reason};
use crate::outbox::Chain;
use crate::reading::Micros;
use crate::site::Severity;
use crate::timer::Timer;
use crate::words::Text;
use std::collections::BTreeMap;

/// Notices that may wait for one audience before the lesser ones are told together (own default; the design has 50 000 for all of them). Its tests do
/// not need so many.
const WAITING_MAX: usize = if cfg!(test) { 500 } else { 20_000 };
/// It is full until so few wait.
const WAITING_AGAIN: usize = WAITING_MAX / 2;
/// A message to the bureau without a receipt for this long is told to the plant, and looked at again as often (own default: six tries).
pub(crate) const UNDELIVERED_US: Micros = 60_000_000;
/// A yellow or blue notice that did not come is given up after this (design: 24 h).
const EXPIRES_US: Micros = 86_400_000_000;

/// How many notices wait for each audience: those of its chains.
pub(crate) fn waiting(chains: [&BTreeMap<(AlarmId, usize), Chain>; 2], audiences: usize) -> Vec<usize> {
    let mut all = vec![0; audiences];
    for ((_, audience), chain) in chains.into_iter().flatten() {
        if let Some(count) = all.get_mut(*audience) {
            *count += chain.waiting().count();
        }
    }
    all
}

impl Brain {
    /// One more waits: `newest`. Where they are too many it carries lesser ones, and people are told.
    pub(crate) fn crowd(&mut self, audience: usize, newest: NoticeId, out: &mut Vec<Effect>) {
        if self.waiting[audience] < WAITING_MAX {
            return;
        }
        match self.site.audiences[audience].bureau {
            true => self.give_up(audience, out),
            false => self.condense(audience, newest, out),
        }
        if !std::mem::replace(&mut self.gate(audience).full, true) {
            let args = vec![self.site.audiences[audience].name.clone(), WAITING_MAX.to_string()];
            let text = Text::Phrase { key: "guard.full".to_owned(), args };
            self.claim(builtin(Builtin::Full, self.full_key(audience), Severity::Orange, text, Vec::new()), out);
        }
    }

    /// Some came, or need not come any more.
    pub(crate) fn ebb(&mut self, audience: &str, out: &mut Vec<Effect>) {
        let Some(audience) = self.site.audiences.iter().position(|about| about.name == audience) else { return };
        if self.waiting[audience] < WAITING_AGAIN && std::mem::take(&mut self.gate(audience).full) {
            self.clear(&self.full_key(audience), out);
        }
    }

    fn full_key(&self, audience: usize) -> AlarmKey {
        let (zone, object) = (self.site.zones[0].name.clone(), self.site.audiences[audience].name.clone());
        AlarmKey { source: Source::Guard, hazard: Builtin::Full.id().to_owned(), zone, object }
    }

    /// First of a chain of which nothing has come, yellow or blue, and no accident.
    fn is_lesser(&self, row: &OutboxRow, audience: &str) -> bool {
        let news = self.chain_of(row).is_some_and(|chain| chain.is_new() && chain.next() == Some(row.notice.id));
        let plain = row.notice.digest.is_empty() && row.notice.reason != Reason::Ended && !row.again;
        news && plain && row.notice.audience == audience && self.worst(row) < Severity::Orange
    }

    /// Those of the lesser that `may` go, blue before yellow, the oldest first; so many that it is not asked again for each.
    fn lesser(&self, audience: usize, may: impl Fn(AlarmId) -> bool) -> Vec<NoticeId> {
        let name = &self.site.audiences[audience].name;
        let all = self.outbox.values().filter(|row| may(row.notice.alarm.id) && self.is_lesser(row, name));
        let mut all: Vec<(Severity, NoticeId)> = all.map(|row| (self.worst(row), row.notice.id)).collect();
        all.sort_unstable();
        all.into_iter().take(DIGEST_MAX).map(|(_, id)| id).collect()
    }

    /// What began and ended while the bureau could not be told, and is none of its matter any more, makes room for what stands.
    fn give_up(&mut self, audience: usize, out: &mut Vec<Effect>) {
        for id in self.lesser(audience, |alarm| self.alarms.get(&alarm).is_none_or(|alarm| alarm.closed)) {
            let mut next = Some(id);
            while let Some(id) = next.filter(|id| self.outbox.contains_key(id)) {
                next = self.leave_chain(id);
                if let Some(row) = self.outbox.get_mut(&id) {
                    row.delivery = Delivery::Expired;
                }
                out.push(Effect::Delivery { notice: id });
                self.remember(id);
            }
        }
    }

    /// The newest, where it is a lesser one itself, tells of others that wait. One of them that was tried may have come: then it is told twice.
    fn condense(&mut self, audience: usize, carrier: NoticeId, out: &mut Vec<Effect>) {
        let name = &self.site.audiences[audience].name;
        let own = self.outbox.get(&carrier).filter(|row| self.is_lesser(row, name)).map(|row| row.notice.alarm.id);
        let Some(own) = own else { return };
        let mut rows: Vec<Digested> = Vec::new();
        for id in self.lesser(audience, |alarm| alarm != own) {
            // What stands behind it says more of the same alarm.
            let (mut next, mut told) = (Some(id), None);
            while let Some(row) = next.and_then(|id| self.outbox.get(&id)) {
                told = Some(self.digested(row));
                let id = row.notice.id;
                next = self.leave_chain(id);
                self.superseded(id, out);
            }
            rows.extend(told);
        }
        if let Some(row) = self.outbox.get_mut(&carrier) {
            row.notice.digest = rows;
        }
    }

    /// The worst that its alarm was, as far as is remembered. An accident is no lesser thing, whatever its alarm was.
    fn worst(&self, row: &OutboxRow) -> Severity {
        if row.notice.is_of_accident() {
            return Severity::Red;
        }
        let known = self.alarms.get(&row.notice.alarm.id).map(Alarm::worst);
        known.map_or(row.notice.alarm.severity, |worst| worst.max(row.notice.alarm.severity))
    }

    /// It has waited for a day, and may be given up.
    pub(crate) fn is_expired(&self, row: &OutboxRow) -> bool {
        self.now.saturating_sub(row.made_at()) >= EXPIRES_US && self.worst(row) < Severity::Orange
    }

    /// It is not told any more, and stays listed as not delivered. How alarms that it told of stand is told anew, if they still do.
    pub(crate) fn expire(&mut self, id: NoticeId, out: &mut Vec<Effect>) {
        let Some(row) = self.outbox.get(&id) else { return };
        if row.again {
            return self.let_go(id, out);
        }
        let name = row.notice.audience.clone();
        let about: Vec<AlarmId> = row.notice.digest.iter().map(|told| told.alarm).chain([row.notice.alarm.id]).collect();
        if let Some(audience) = self.site.audiences.iter().position(|about| about.name == name) {
            for alarm in about {
                let later = self.chains.get(&(alarm, audience)).is_some_and(|chain| chain.waiting().any(|waits| waits != id));
                if !later && self.alarms.get(&alarm).is_some_and(|alarm| !alarm.closed) {
                    self.notify(alarm, audience, "", Reason::Renewed, out);
                }
            }
        }
        let next = self.leave_chain(id);
        if let Some(row) = self.outbox.get_mut(&id) {
            row.delivery = Delivery::Expired;
            out.push(Effect::Delivery { notice: id });
        }
        self.remember(id);
        self.ebb(&name, out);
        if let Some(next) = next {
            self.tell(next, out);
        }
    }

    /// No receipt for so long: the plant is told that the bureau does not hear it. One alarm per audience, on the plant's own ladder.
    pub(crate) fn undelivered_due(&mut self, id: NoticeId, out: &mut Vec<Effect>) {
        let Some(row) = self.outbox.get(&id).filter(|row| row.delivery == Delivery::Queued) else { return };
        self.timers.at(self.now.saturating_add(UNDELIVERED_US), Timer::Undelivered(id));
        // Its turn has not come: that says nothing of the receiver.
        if row.attempts == 0 {
            return;
        }
        let error = if row.last_error.is_empty() { "-" } else { &row.last_error };
        let (audience, error) = (row.notice.audience.clone(), error.to_owned());
        let (hazard, zone) = (Builtin::Undelivered, self.site.zones[0].name.clone());
        let key = AlarmKey { source: Source::Guard, hazard: hazard.id().to_owned(), zone, object: audience.clone() };
        let text = Text::Phrase { key: "guard.undelivered".to_owned(), args: vec![audience, error] };
        self.claim(builtin(hazard, key, Severity::Orange, text, Vec::new()), out);
    }
}

#[cfg(test)]
mod tests;
