//! The outbox: every notice is told until a machine says it arrived, in order per alarm and audience, with the same identifier each time.
//! One that a machine refuses no longer holds up those behind it: see `refused`.
//! What a notice is (first, update, end) and which ones it refers to is decided at its first try, by what the receiver has taken until then.
//! Must not know: formats, transports.

use crate::alarm::{Alarm, AlarmId, AlarmKey, Answers, BureauState, Escalation, Person, Source, Told};
use crate::backlog::UNDELIVERED_US;
use crate::brain::Brain;
use crate::builtin::Builtin;
use crate::event::{Change, Effect};
use crate::guard::builtin;
use crate::notice::{Delivery, Notice, NoticeId, NoticeKind, OutboxRow, REFERENCES_MAX, Reason, Reference};
use crate::reading::Micros;
use crate::refused::REFUSED_US;
use crate::renewal::renew_after;
use crate::site::Severity;
use crate::timer::Timer;
use crate::words::Text;
use serde::{Deserialize, Serialize};
use std::borrow::Cow;
use std::collections::VecDeque;

/// First wait for a receipt; doubles up to [`RESEND_MAX_US`] (own default).
pub(crate) const RESEND_US: Micros = 1_000_000;
pub(crate) const RESEND_MAX_US: Micros = 60_000_000;
/// What is said of a message that arrived where its acceptance is asked for.
const NOT_ACCEPTED: &str = "arrived, and not accepted by the receiver's system";

/// The messages of one alarm to one audience.
#[derive(Clone, Default, Serialize, Deserialize)]
pub(crate) struct Chain {
    /// Messages that came, oldest first, with the times that stand in them. Those refused did not.
    sent: Vec<Reference>,
    /// Not yet received, oldest first; only the first is being told. A refused one stands in front while it is told once more.
    pub(crate) waiting: VecDeque<NoticeId>,
    /// The newest that came, or that a person there saw: none before it is told behind it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) newest: Option<NoticeId>,
    pub(crate) last_at: Micros,
    /// When it is looked at for a renewal; the past where nobody will.
    #[serde(default)]
    pub(crate) renew_at: Micros,
}

impl Chain {
    /// The only one that may be told.
    pub(crate) fn next(&self) -> Option<NoticeId> {
        self.waiting.front().copied()
    }

    /// Not yet received, oldest first.
    pub(crate) fn waiting(&self) -> impl Iterator<Item = NoticeId> {
        self.waiting.iter().copied()
    }

    /// Messages that came, oldest first.
    pub(crate) fn sent(&self) -> &[Reference] {
        &self.sent
    }

    /// Nothing of it has come.
    pub(crate) fn is_new(&self) -> bool {
        self.sent.is_empty()
    }
}

/// What the messages of a chain are about: of one alarm to one audience there may be two.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum About {
    /// The alarm.
    Alarm,
    /// The accident that was declared of it.
    Accident,
}

/// What makes a number given on no record a name of its own: the second it was given.
fn mark(unrecorded: bool, at: Micros) -> String {
    if unrecorded { format!("u{}", at.div_euclid(1_000_000)) } else { String::new() }
}

impl Brain {
    /// Makes a notice and tells it, or queues it behind the one before it.
    pub(crate) fn notify(&mut self, id: AlarmId, audience: usize, rung: &str, reason: Reason, out: &mut Vec<Effect>) {
        let about = if reason == Reason::Accident { About::Accident } else { About::Alarm };
        self.notify_about(about, (id, audience), rung, reason, out);
    }

    /// The same, where the reason alone does not say which of the two chains.
    pub(crate) fn notify_about(
        &mut self,
        chain: About,
        (id, audience): (AlarmId, usize),
        rung: &str,
        reason: Reason,
        out: &mut Vec<Effect>,
    ) {
        if self.exercise_over && reason != Reason::Ended {
            return;
        }
        let duty = self.on_duty(audience);
        let Some(alarm) = self.alarms.get_mut(&id) else { return };
        let duty = duty.unwrap_or_default();
        let about = &self.site.audiences[audience];
        let accident = alarm.accident.clone().filter(|_| chain == About::Accident);
        let is_alarm = accident.is_none();
        let chains = if is_alarm { &mut self.chains } else { &mut self.accidents };
        let chain = chains.entry((id, audience)).or_default();
        let number = NoticeId(self.next_notice);
        self.next_notice += 1;
        if about.bureau && is_alarm && (alarm.escalation.bureau == BureauState::None || reason == Reason::Raised) {
            (alarm.escalation.bureau, alarm.escalation.bureau_by) = (BureauState::Queued, None);
        }
        let in_the_system = alarm.is_of_the_system();
        let zone = self.site.zones.iter().find(|zone| zone.name == alarm.key.zone && !in_the_system);
        let whole = if in_the_system { self.site.title.clone() } else { crate::words::Words::default() };
        // Who was told stands in the alarm; here it would be a list in each row of the list.
        let escalation = Escalation { told: vec![], ..alarm.escalation.clone() };
        let notice = Notice {
            id: number,
            // A crash forgets what is on no record, and its numbers are given again: their names say when.
            identifier: format!(
                "{}{}{}.{}{}{}.{}{}",
                self.site.id,
                if self.series.is_empty() { "" } else { "." },
                self.series,
                id.0,
                mark(alarm.opened_unrecorded, alarm.opened_at),
                if is_alarm { "" } else { ".accident" },
                number.0,
                mark(self.unrecorded, self.now)
            ),
            sender: self.site.sender.clone(),
            mode: self.site.mode,
            audience: about.name.clone(),
            bureau: about.bureau,
            rung: rung.to_owned(),
            kind: NoticeKind::Alert,
            reason,
            at: self.now,
            references: vec![],
            incident: String::new(),
            site: self.site.title.clone(),
            zone: zone.map(|zone| zone.title.clone()).unwrap_or(whole),
            area: zone.and_then(|zone| zone.area),
            unrecorded: self.unrecorded,
            times_doubtful: false,
            duty,
            digest: vec![],
            floor: 0,
            alarm: Box::new(Alarm { escalation, accident, ..alarm.clone() }),
        };
        chain.waiting.push_back(number);
        chain.last_at = self.now;
        let renew_at = self.now.saturating_add(renew_after(about));
        // One set while messages were valid for longer comes too late.
        let is_watched = chain.renew_at > self.now && chain.renew_at <= renew_at;
        // An accident is none less for not being talked about.
        let renews = about.bureau && is_alarm && !is_watched;
        if renews {
            chain.renew_at = renew_at;
        }
        let first = chain.waiting.len() == 1;
        // The first and the newest go, in this order; what waits between them is out of date before it was sent.
        let between: Vec<NoticeId> =
            if chain.waiting.len() > 2 { chain.waiting.drain(1..chain.waiting.len() - 1).collect() } else { vec![] };
        self.waiting[audience] = (self.waiting[audience] + 1).saturating_sub(between.len());
        let row = OutboxRow {
            notice,
            made_at: Some(self.now),
            delivery: Delivery::Queued,
            attempts: 0,
            due_at: self.now,
            received_at: None,
            accepted_at: None,
            acknowledged: None,
            last_error: String::new(),
            message: None,
            again: false,
        };
        self.outbox.insert(number, row);
        if renews {
            self.timers.at(renew_at, Timer::Renew(id, audience as u32));
        }
        if about.bureau {
            self.timers.at(self.now.saturating_add(UNDELIVERED_US), Timer::Undelivered(number));
        }
        for id in between {
            self.superseded(id, out);
        }
        let first = first || self.outgrows(number, out);
        self.crowd(audience, number, out);
        match first {
            true => self.tell(number, out),
            false => self.hasten(number, out),
        }
    }

    /// Takes a notice out of its chain; the one that is next, if that was the one before.
    pub(crate) fn leave_chain(&mut self, id: NoticeId) -> Option<NoticeId> {
        let (_, audience) = self.place_of(&self.outbox.get(&id)?.notice)?;
        let chain = self.chain_mut(id)?;
        let place = chain.waiting.iter().position(|waiting| *waiting == id)?;
        chain.waiting.remove(place);
        let next = chain.next().filter(|_| place == 0);
        self.waiting[audience] = self.waiting[audience].saturating_sub(1);
        next
    }

    /// Before its first try a notice is given the times that people read: by the clock as known then, not as it was when the notice had to wait.
    /// All before it in its chain have come by now, or were refused: it refers to those that came. The end of what never came is news.
    fn stamp(&mut self, id: NoticeId) {
        let Some(row) = self.outbox.get(&id).filter(|row| row.attempts == 0) else { return };
        let audience = self.site.audiences.iter().position(|audience| audience.name == row.notice.audience);
        // Older programs remembered a message when it was made.
        let waiting = self.chain_of(row).into_iter().flat_map(|chain| &chain.waiting);
        let owed: Vec<String> =
            waiting.filter_map(|waiting| self.outbox.get(waiting)).map(|row| row.notice.identifier.clone()).collect();
        let Some(chain) = self.chain_mut(id) else { return };
        chain.sent.retain(|sent| !owed.contains(&sent.identifier));
        let mut references = chain.sent.clone();
        // The end of a drill ends all that it tells of.
        if let Some(row) = self.outbox.get(&id).filter(|row| row.notice.reason == Reason::Ended) {
            let told = row.notice.digest.iter().filter_map(|told| self.chains.get(&(told.alarm, audience?)));
            references.extend(told.flat_map(|chain| chain.sent().iter().cloned()));
        }
        // What happens on no record may be forgotten: then its numbers are given again, and what is said to be over is not.
        let says_floor = self.outbox.get(&id).is_some_and(|row| row.notice.bureau && !row.notice.unrecorded) && !self.unrecorded;
        let floor = if says_floor { audience.map_or(0, |audience| self.floor(audience)) } else { 0 };
        let Some(row) = self.outbox.get_mut(&id) else { return };
        let notice = &mut row.notice;
        notice.floor = floor;
        notice.kind = match notice.reason {
            _ if references.is_empty() => NoticeKind::Alert,
            Reason::Closed | Reason::Ended => NoticeKind::Cancel,
            Reason::Accident if notice.alarm.accident.as_ref().is_some_and(|of| of.retracted.is_some()) => NoticeKind::Cancel,
            Reason::Accident => NoticeKind::Update,
            // What has ended does not begin again by being talked about.
            _ if notice.alarm.closed => NoticeKind::Cancel,
            _ => NoticeKind::Update,
        };
        notice.references = references;
        notice.at = self.clock.wall(notice.at);
        if let Some(code) = audience.and_then(|index| self.site.audiences[index].code.as_ref()) {
            notice.incident = notice.identifier.rsplit_once('.').map(|(incident, _)| incident.to_owned()).unwrap_or_default();
            notice.identifier = self.names_given.give(code, notice.at);
        }
        notice.times_doubtful = self.clock.is_doubtful();
        if let Cow::Owned(alarm) = self.clock.alarm(&notice.alarm) {
            *notice.alarm = alarm;
        }
    }

    /// The receiver has it: those behind it refer to it.
    fn came(&mut self, id: NoticeId) {
        let Some(notice) = self.outbox.get(&id).map(|row| &row.notice) else { return };
        let came = Reference { identifier: notice.identifier.clone(), sent: notice.at };
        let Some(chain) = self.chain_mut(id) else { return };
        chain.newest = chain.newest.max(Some(id));
        chain.sent.retain(|sent| sent.identifier != came.identifier);
        chain.sent.push(came);
        if chain.sent.len() > REFERENCES_MAX {
            chain.sent.remove(0);
        }
    }

    /// Hands it to the sender, whose turn it is; `number` is which of several is called.
    pub(crate) fn send(&mut self, id: NoticeId, number: u32, out: &mut Vec<Effect>) {
        self.stamp(id);
        self.step_in(id);
        let Some(row) = self.outbox.get_mut(&id) else { return };
        row.attempts += 1;
        let base = if row.again { REFUSED_US } else { doubling(row.attempts) };
        row.due_at = self.now.saturating_add(spread(base, &row.notice.identifier, row.attempts));
        self.timers.at(row.due_at, Timer::Resend(id));
        let (notice, message) = (Box::new(row.notice.clone()), row.message.clone());
        out.push(Effect::Tell { notice, message, attempt: row.attempts, number });
    }

    /// How a notice is worded. The first words stay.
    pub(crate) fn worded(&mut self, id: NoticeId, message: &str) {
        if let Some(row) = self.outbox.get_mut(&id).filter(|row| row.is_owed()) {
            row.message.get_or_insert_with(|| message.to_owned());
        }
    }

    /// No receipt yet?
    pub(crate) fn resend_due(&mut self, id: NoticeId, out: &mut Vec<Effect>) {
        let Some(row) = self.outbox.get(&id).filter(|row| row.is_owed() && row.attempts > 0 && row.due_at <= self.now) else {
            return;
        };
        if self.is_expired(row) {
            return self.expire(id, out);
        }
        if row.again { self.tell_refused(id, out) } else { self.tell(id, out) }
    }

    pub(crate) fn chain_of(&self, row: &OutboxRow) -> Option<&Chain> {
        let chains = if row.notice.is_of_accident() { &self.accidents } else { &self.chains };
        chains.get(&self.place_of(&row.notice)?)
    }

    pub(crate) fn chain_mut(&mut self, id: NoticeId) -> Option<&mut Chain> {
        let notice = &self.outbox.get(&id)?.notice;
        let (place, is_of_accident) = (self.place_of(notice)?, notice.is_of_accident());
        let chains = if is_of_accident { &mut self.accidents } else { &mut self.chains };
        chains.get_mut(&place)
    }

    pub(crate) fn place_of(&self, notice: &Notice) -> Option<(AlarmId, usize)> {
        let audience = self.site.audiences.iter().position(|audience| audience.name == notice.audience)?;
        Some((notice.alarm.id, audience))
    }

    /// After a start: everything on its way is told again at once, and so is what was refused where nothing later is on its way.
    pub(crate) fn resend_all(&mut self, out: &mut Vec<Effect>) {
        let first = self.chains.values().chain(self.accidents.values()).filter_map(|chain| chain.waiting.front().copied());
        let alone = |row: &&OutboxRow| row.again && self.chain_of(row).is_none_or(|chain| chain.waiting.is_empty());
        let refused = self.outbox.values().filter(alone).map(|row| row.notice.id);
        let owed: Vec<NoticeId> = first.chain(refused).collect();
        for id in owed {
            // Of one chain two may have been refused: the second follows when the first has come, or in its own time.
            match self.outbox.get(&id) {
                Some(row) if row.again && self.is_overtaken(row) => self.let_go(id, out),
                Some(row) if self.is_next(row) => self.tell(id, out),
                Some(_) | None => {}
            }
        }
    }

    /// A machine says it arrived, or (`accepted`) that it is accepted. A second receipt changes nothing, and no receipt ever changes a rung.
    pub(crate) fn receipt(&mut self, id: NoticeId, accepted: bool, out: &mut Vec<Effect>) {
        let now = self.now;
        let Some(row) = self.outbox.get_mut(&id) else { return };
        let news = accepted && row.accepted_at.is_none() && row.received_at.is_some();
        if !row.is_owed() && !news {
            // One that was refused before, and given up for a later one, came all the same.
            if let Some(chain) = self.chain_mut(id) {
                chain.newest = chain.newest.max(Some(id));
            }
            return;
        }
        let (owed, first) = (row.is_owed(), row.received_at.is_none());
        row.received_at.get_or_insert(now);
        if accepted {
            row.accepted_at = Some(now);
        }
        let audience = row.notice.audience.clone();
        let must_accept = self.site.audiences.iter().any(|about| about.name == audience && about.must_accept);
        self.answer(id, |answers| {
            answers.received_at.get_or_insert(now);
            if accepted {
                answers.accepted_at.get_or_insert(now);
            }
        });
        self.heard_of(&audience);
        let Some(row) = self.outbox.get_mut(&id) else { return };
        if !owed || (must_accept && !accepted) {
            // On its way still, or settled before; what it says is shown.
            if owed {
                NOT_ACCEPTED.clone_into(&mut row.last_error);
            }
            if first || !owed {
                out.push(Effect::Delivery { notice: id });
            }
            return self.tried(id, out);
        }
        row.delivery = Delivery::Received;
        row.last_error.clear();
        out.push(Effect::Delivery { notice: id });
        self.came(id);
        self.bureau_came(id, BureauState::Received, None, out);
        self.heard(id, true, out);
        self.settle(id, out);
    }

    /// Keeps an answer beside what was told: at the last word of a rung to this audience up to this notice, in its alarm and in those it digests.
    fn answer(&mut self, id: NoticeId, keep: impl Fn(&mut Answers)) {
        // What is said of an accident is no rung.
        let Some(notice) = self.outbox.get(&id).map(|row| &row.notice).filter(|notice| !notice.is_of_accident()) else { return };
        let own = (notice.alarm.id, notice.alarm.occurrences, id.0);
        let others: Vec<_> = notice.digest.iter().map(|told| (told.alarm, told.notice)).collect();
        let others = others
            .into_iter()
            .filter_map(|(alarm, notice)| Some((alarm, self.outbox.get(&notice)?.notice.alarm.occurrences, notice.0)));
        let (about, audience) = (std::iter::once(own).chain(others).collect::<Vec<_>>(), notice.audience.clone());
        for (alarm, occurrence, notice) in about {
            let Some(alarm) = self.alarms.get_mut(&alarm) else { continue };
            let is_it = |told: &&mut Told| told.audience == audience && told.notice <= notice && told.occurrence == occurrence;
            if let Some(told) = alarm.escalation.told.iter_mut().rev().find(is_it) {
                keep(&mut told.answers);
            }
        }
    }

    /// One try failed. That the message itself was refused is told to the plant, and it is told again now and then; anything else is tried
    /// again soon, and what was refused before in its own time.
    pub(crate) fn undelivered(&mut self, id: NoticeId, detail: &str, rejected: bool, out: &mut Vec<Effect>) {
        let Some(row) = self.outbox.get_mut(&id).filter(|row| row.is_owed()) else { return };
        row.last_error = detail.to_owned();
        let audience = row.notice.audience.clone();
        if !rejected {
            self.unheard(&audience);
            return self.tried(id, out);
        }
        self.heard_of(&audience);
        let Some(row) = self.outbox.get_mut(&id) else { return };
        if !row.again && !self.exercise_over {
            row.again = true;
            row.due_at = self.now.saturating_add(spread(REFUSED_US, &row.notice.identifier, row.attempts));
            self.timers.at(row.due_at, Timer::Resend(id));
            self.refused.insert(row.place());
            self.supersede(id, true, out);
        }
        self.reject(id, detail, out);
    }

    /// A named person at the receiver answered.
    pub(crate) fn answered(&mut self, id: NoticeId, accepted: bool, by: &Person, note: &str, out: &mut Vec<Effect>) {
        let now = self.now;
        let Some(row) = self.outbox.get_mut(&id) else { return };
        let audience = row.notice.audience.clone();
        if !accepted {
            row.last_error = note.to_owned();
            self.heard_of(&audience);
            self.heard(id, false, out);
            // Whoever refused this one has seen it: what was told before it comes behind it no more.
            if let Some(chain) = self.chain_mut(id) {
                chain.newest = chain.newest.max(Some(id));
            }
            self.supersede(id, false, out);
            self.let_go(id, out);
            self.reject(id, &format!("{}: {note}", by.name), out);
            return;
        }
        if row.acknowledged.is_some() {
            return;
        }
        row.delivery = Delivery::Acknowledged;
        row.acknowledged = Some((by.clone(), self.now));
        row.received_at.get_or_insert(now);
        self.answer(id, |answers| {
            answers.received_at.get_or_insert(now);
            answers.person = Some((by.clone(), now));
        });
        self.heard_of(&audience);
        out.push(Effect::Delivery { notice: id });
        self.came(id);
        self.bureau_came(id, BureauState::Acknowledged, Some(by), out);
        self.heard(id, true, out);
        self.settle(id, out);
    }

    fn reject(&mut self, id: NoticeId, detail: &str, out: &mut Vec<Effect>) {
        let Some(row) = self.outbox.get_mut(&id) else { return };
        if row.delivery == Delivery::Rejected {
            return self.tried(id, out);
        }
        row.delivery = Delivery::Rejected;
        let taken_back = row.acknowledged.take();
        if taken_back.is_some() {
            // The call goes on.
            self.answer(id, |answers| answers.person = None);
        }
        let Some(row) = self.outbox.get(&id) else { return };
        let notice = &row.notice;
        let (about, bureau) = (notice.alarm.id, notice.bureau && !notice.is_of_accident());
        let key = AlarmKey {
            source: Source::Guard,
            hazard: Builtin::Rejected.id().to_owned(),
            zone: notice.alarm.key.zone.clone(),
            object: notice.audience.clone(),
        };
        let about_itself = notice.alarm.key.hazard == key.hazard;
        let args = vec![notice.audience.clone(), notice.identifier.clone(), detail.to_owned()];
        let text = Text::Phrase { key: "guard.rejected".to_owned(), args };
        out.push(Effect::Delivery { notice: id });
        let owed = self.outbox.get(&id).is_some_and(|row| row.again);
        if let Some(alarm) = self.alarms.get_mut(&about)
            && bureau
            && !owed
            && alarm.escalation.bureau == BureauState::Queued
        {
            // Refused for good: nothing is on its way any more.
            alarm.escalation.bureau = BureauState::None;
            alarm.changed_at = self.now;
            out.push(Effect::Alarm { alarm: about, change: Change::Escalated });
        } else if let Some(alarm) = self.alarms.get_mut(&about)
            && taken_back.is_some_and(|(by, _)| alarm.escalation.bureau_by == Some(by))
        {
            (alarm.escalation.bureau, alarm.escalation.bureau_by) = (BureauState::Received, None);
            alarm.changed_at = self.now;
            out.push(Effect::Alarm { alarm: about, change: Change::Escalated });
        }
        self.settle(id, out);
        // A refused message about refused messages must not breed.
        if !about_itself {
            self.claim(builtin(Builtin::Rejected, key, Severity::Orange, text, Vec::new()), out);
        }
    }

    /// Its audience heard this notice: it can be reached, and unless it refuses this one too, or still refuses another that is owed, a refusal
    /// before it was made is over.
    fn heard(&mut self, id: NoticeId, accepted: bool, out: &mut Vec<Effect>) {
        let was_refused = self.outbox.get(&id).is_some_and(|row| row.again);
        if accepted {
            self.supersede(id, false, out);
            self.forgive(id);
        }
        let Some(row) = self.outbox.get(&id) else { return };
        let (notice, made_at) = (&row.notice, row.made_at());
        let first = (notice.audience.clone(), AlarmId(0), NoticeId(0));
        let refuses = self.refused.range(first..).next().is_some_and(|(audience, ..)| *audience == notice.audience);
        let later = |alarm: &AlarmId| was_refused || self.alarms.get(alarm).is_some_and(|alarm| alarm.raised_at <= made_at);
        let taken = |(_, alarm): &(&AlarmKey, &AlarmId)| accepted && !refuses && later(alarm);
        let rejected = self.open_of(Builtin::Rejected, &notice.audience).filter(taken);
        let over = rejected.chain(self.open_of(Builtin::Undelivered, &notice.audience));
        let over: Vec<AlarmKey> = over.map(|(key, _)| key.clone()).collect();
        for key in over {
            self.clear(&key, out);
        }
    }

    /// Open alarms of this hazard of the brain's own about this object, wherever they are, by zone.
    fn open_of<'a>(&'a self, hazard: Builtin, object: &'a str) -> impl Iterator<Item = (&'a AlarmKey, &'a AlarmId)> {
        let first =
            AlarmKey { source: Source::Guard, hazard: hazard.id().to_owned(), zone: String::new(), object: String::new() };
        let of_it = move |key: &AlarmKey| key.source == Source::Guard && key.hazard == hazard.id();
        self.open.range(first..).take_while(move |(key, _)| of_it(key)).filter(move |(key, _)| key.object == object)
    }

    /// How far the bureau has come with the alarm of this notice, and with those it digests.
    fn bureau_came(&mut self, id: NoticeId, state: BureauState, by: Option<&Person>, out: &mut Vec<Effect>) {
        let of_alarm = |row: &&OutboxRow| row.notice.bureau && !row.notice.is_of_accident();
        let Some(row) = self.outbox.get(&id).filter(of_alarm) else { return };
        let (audience, digest) = (row.notice.audience.clone(), row.notice.digest.iter().map(|told| told.notice));
        let about: Vec<NoticeId> = std::iter::once(id).chain(digest).collect();
        for id in about {
            let Some(row) = self.outbox.get(&id) else { continue };
            let Some(alarm) = self.alarms.get_mut(&row.notice.alarm.id) else { continue };
            // A late answer to an earlier occurrence or level says nothing of the present one.
            let is_newer = |told: &Told| told.audience == audience && told.notice > id.0 && told.repeat == 0;
            let newer = alarm.escalation.told.iter().any(is_newer);
            let current = !newer && row.notice.alarm.occurrences == alarm.occurrences;
            if !current || state <= alarm.escalation.bureau {
                continue;
            }
            alarm.escalation.bureau = state;
            alarm.escalation.bureau_by = by.cloned();
            alarm.changed_at = self.now;
            let about = alarm.id;
            out.push(Effect::Alarm { alarm: about, change: Change::Escalated });
            if by.is_some() {
                self.tell_others(about, &audience, Reason::Accepted, out);
            }
        }
    }

    /// Off the queue; the next of its chain goes. Where there is none, and this one came, one behind it that was refused need not wait for its own time.
    pub(crate) fn settle(&mut self, id: NoticeId, out: &mut Vec<Effect>) {
        if !self.is_waiting(id) {
            return;
        }
        let audience = self.outbox.get(&id).map(|row| row.notice.audience.clone()).unwrap_or_default();
        match self.leave_chain(id) {
            Some(next) if self.outbox.get(&next).is_some_and(|row| self.ends_nothing(row)) => {
                self.leave_chain(next);
                self.superseded(next, out);
            }
            Some(next) => self.tell(next, out),
            None => {
                if let Some(refused) = self.refused_behind(id) {
                    self.tell(refused, out);
                }
            }
        }
        self.ebb(&audience, out);
        if self.outbox.get(&id).is_some_and(|row| !row.again) {
            self.remember(id);
        }
    }
}

/// Wait before the next try.
fn doubling(attempt: u32) -> Micros {
    RESEND_US.saturating_mul(1 << attempt.saturating_sub(1).min(6)).min(RESEND_MAX_US)
}

/// A wait with up to a quarter more, which depends on nothing but the message's own name, the site's in it, and the try: neither all of one plant nor
/// those of many plants come at the same moment.
fn spread(base: Micros, identifier: &str, attempt: u32) -> Micros {
    let mix =
        identifier.bytes().fold(u64::from(attempt), |mix, byte| (mix ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3));
    let mix = mix.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 40;
    base + base / 4 * (mix as Micros % 1000) / 1000
}

#[cfg(test)]
mod tests;
