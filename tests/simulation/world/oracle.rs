//! What must hold, whatever happened: judged by events and effects alone. Must not know: the brain's state, the world.

use super::plant::roster;
use super::{DEADBAND, LIMIT, OFFICER_AFTER_S, REPEATS, SECOND, SILENT_S};
use brain::alarm::Condition;
use brain::calendar::LOCAL_US;
use brain::event::{Change, LinkState};
use brain::notice::{Notice, Reason};
use brain::site::Severity;
use brain::{Act, Alarm, AlarmId, Brain, Effect, Event, Micros, NoticeId, Reading};
use std::collections::{BTreeMap, BTreeSet};

/// What the oracle sees of a step.
#[derive(Clone, Debug)]
pub enum Seen {
    Alarm(Change, Box<Alarm>),
    Told(Box<Notice>, u32),
    Other,
}

/// The effects of a step, with alarms as they stand.
pub fn seen(brain: &Brain, effects: &[Effect]) -> Vec<Seen> {
    let one = |effect: &Effect| match effect {
        Effect::Alarm { alarm, change } => {
            Seen::Alarm(*change, Box::new(brain.alarm(*alarm).expect("an alarm that changed is known").clone()))
        }
        Effect::Tell { notice, attempt, .. } => Seen::Told(notice.clone(), *attempt),
        Effect::Quarantine { .. }
        | Effect::RunBeside { .. }
        | Effect::EndBeside { .. }
        | Effect::Test { .. }
        | Effect::Rule { .. }
        | Effect::Consult { .. }
        | Effect::Delivery { .. }
        | Effect::Answer { .. } => Seen::Other,
    };
    effects.iter().map(one).collect()
}

/// A reading that can clear an alarm.
fn is_well(r: &Reading) -> bool {
    r.quality.is_good() && r.value < LIMIT - DEADBAND
}

/// A refused message that is told again, and of which nothing is heard for so long, holds up a later one no more.
const REFUSED_S: i64 = 600;
/// A minute and no word: a try is over.
const RESEND_S: i64 = 60;

/// The messages of one alarm, or of its accident, to one audience.
type Line = (AlarmId, String, bool);

fn line(notice: &Notice) -> Line {
    (notice.alarm.id, notice.audience.clone(), notice.is_of_accident())
}

/// Remembers only what came past.
#[derive(Default)]
pub struct Oracle {
    at: Micros,
    newest: BTreeMap<u32, (Micros, u64)>,
    only_older_since: BTreeMap<u32, Micros>,
    heard: BTreeMap<u32, Micros>,
    down: BTreeSet<u32>,
    standing: BTreeMap<(String, String), bool>,
    /// Alarm, occurrence -> since when nobody answered, and whether it is red and active.
    unanswered: BTreeMap<AlarmId, (Micros, u32)>,
    officer: BTreeSet<(AlarmId, u32)>,
    /// Who was told what for the first time: alarm, occurrence, level, rung.
    rungs: BTreeSet<(AlarmId, u32, Severity, String)>,
    /// Times that the officer was told again.
    repeats: BTreeMap<(AlarmId, u32, Severity), u32>,
    ahead: Micros,
    was_set: bool,
    /// Alarm and audience that must be sent something of it, since when.
    owed: BTreeMap<(AlarmId, String), (Micros, u32)>,
    waiting: BTreeMap<NoticeId, (Line, Micros)>,
    received: BTreeSet<NoticeId>,
    /// A machine refused them: told again now and then, never across one that waits.
    refused: BTreeSet<NoticeId>,
    /// The newest that came.
    came: BTreeMap<Line, NoticeId>,
    known: BTreeMap<NoticeId, Line>,
    red: BTreeSet<AlarmId>,
    /// They chattered in this occurrence, and do no longer.
    chattered: BTreeSet<AlarmId>,
    /// Put aside until then.
    aside: BTreeMap<AlarmId, Micros>,
    /// The last value of each tag that counted was good and below the limit.
    well: BTreeMap<u32, bool>,
    started: bool,
}

impl Oracle {
    /// A step, as it looks from outside.
    pub fn see(&mut self, at: Micros, event: &Event, effects: &[Seen]) -> Result<(), String> {
        if at < self.at {
            return Err("time went back".into());
        }
        self.at = at;
        let mut judged: Vec<Reading> = Vec::new();
        match event {
            Event::Readings { readings } => {
                for r in readings {
                    self.heard.insert(r.tag.0, at);
                    let newest = self.newest.get(&r.tag.0).copied();
                    // The same again; another value of the same moment is one more.
                    if newest == Some((r.source_us, r.value.to_bits())) {
                        continue;
                    }
                    // Older ones alone for longer than a silence: the source's clock went back.
                    let only_older = newest.is_some_and(|(newest, _)| r.source_us < newest);
                    if only_older && at - *self.only_older_since.entry(r.tag.0).or_insert(at) <= SILENT_S * SECOND {
                        continue;
                    }
                    self.only_older_since.remove(&r.tag.0);
                    self.newest.insert(r.tag.0, (r.source_us, r.value.to_bits()));
                    judged.push(*r);
                }
            }
            Event::Link { link, state, .. } => {
                let tags: &[u32] = if link == "one" { &[0, 1] } else { &[2] };
                for tag in tags {
                    self.heard.insert(*tag, at);
                    if *state == LinkState::Down {
                        self.down.insert(*tag)
                    } else {
                        self.down.remove(tag)
                    };
                }
            }
            Event::Started { .. } => {
                self.started = true;
                // So are the tries of a program that ended.
                let overtaken = |id: &NoticeId, line: &Line| self.came.get(line).is_some_and(|newest| newest > id);
                self.waiting.retain(|id, (line, _)| !(self.refused.contains(id) && overtaken(id, line)));
                self.down.clear();
                self.heard = (0..3).map(|tag| (tag, at)).collect();
            }
            Event::Receipt { notice, .. }
            | Event::Answered { notice, .. }
            | Event::Undelivered { notice, rejected: true, .. } => {
                self.waiting.remove(notice);
            }
            Event::Undelivered { notice, .. } if self.refused.contains(notice) => drop(self.waiting.remove(notice)),
            Event::Clock { ahead, .. } => (self.ahead, self.was_set) = (*ahead, true),
            _ => {}
        }
        for effect in effects {
            self.effect(at, event, effect, &judged)?;
        }
        self.settle(effects);
        for r in &judged {
            // Once it was below the deadband, the limit alone counts again.
            self.well.insert(r.tag.0, r.quality.is_good() && r.value < LIMIT);
        }
        if let Event::Receipt { notice, .. } | Event::Answered { notice, .. } = event {
            self.received.insert(*notice);
            if let Some(line) = self.known.get(notice) {
                let newest = self.came.entry(line.clone()).or_insert(*notice);
                *newest = (*newest).max(*notice);
            }
        }
        if let Event::Undelivered { notice, rejected: true, .. } = event {
            self.refused.insert(*notice);
        }
        // That a clock was set decides nothing: what has fallen due meanwhile comes with the next event.
        if matches!(event, Event::Clock { .. }) { Ok(()) } else { self.promises(at, &judged) }
    }

    fn effect(&mut self, at: Micros, event: &Event, effect: &Seen, judged: &[Reading]) -> Result<(), String> {
        match effect {
            Seen::Alarm(change, alarm) => {
                let key = (alarm.key.hazard.clone(), alarm.key.object.clone());
                let tag = ["A", "B", "C"].iter().position(|name| *name == alarm.key.object).map(|tag| tag as u32);
                match change {
                    Change::Opened | Change::Reopened => {
                        let crossed = judged.iter().any(|r| Some(r.tag.0) == tag && !(r.value < LIMIT));
                        if alarm.key.hazard == "test.high" && !crossed {
                            return Err(format!("{key:?} rose without a reading over the limit"));
                        }
                        self.standing.insert(key, true);
                        if alarm.severity == Severity::Red {
                            self.red.insert(alarm.id);
                        }
                        self.unanswered.entry(alarm.id).or_insert((at, alarm.occurrences)).1 = alarm.occurrences;
                    }
                    Change::Cleared => {
                        // One that chatters clears when it has been quiet for a while, also where the chattering is over before that.
                        let chattered = alarm.chattering || self.chattered.remove(&alarm.id);
                        let quiet = chattered && tag.is_some_and(|tag| self.well.get(&tag) == Some(&true));
                        let well = quiet || judged.iter().any(|r| Some(r.tag.0) == tag && is_well(r));
                        if alarm.key.hazard == "test.high" && !well {
                            return Err(format!("{key:?} cleared without a good reading below the limit"));
                        }
                        self.standing.insert(key, false);
                    }
                    // Whoever answered took less than it is now.
                    Change::Raised => {
                        if alarm.severity == Severity::Red {
                            self.red.insert(alarm.id);
                        }
                        if alarm.acknowledged.is_none() && !self.unanswered.contains_key(&alarm.id) {
                            self.unanswered.insert(alarm.id, (at, alarm.occurrences));
                            // Somebody had taken less than this: it is a new call, to all.
                            let of_this = |id: AlarmId, occurrence: u32| (id, occurrence) == (alarm.id, alarm.occurrences);
                            self.rungs.retain(|(id, occurrence, ..)| !of_this(*id, *occurrence));
                            self.repeats.retain(|(id, occurrence, _), _| !of_this(*id, *occurrence));
                            self.owe(at, alarm, &["crew"]);
                        }
                    }
                    Change::Nuisance if !alarm.chattering && alarm.condition == Condition::Active => {
                        self.chattered.insert(alarm.id);
                    }
                    Change::Acknowledged => drop(self.unanswered.remove(&alarm.id)),
                    Change::Closed => {
                        if !matches!(event, Event::Operator { act: Act::Close { .. }, .. }) {
                            return Err(format!("{key:?} closed by nobody"));
                        }
                        if alarm.condition == Condition::Active {
                            return Err(format!("{key:?} closed while it stands"));
                        }
                        self.standing.insert(key, false);
                        self.unanswered.remove(&alarm.id);
                    }
                    Change::Unshelved | Change::Restored if alarm.shelf.is_empty() => self.back(at, alarm)?,
                    _ => {}
                }
                self.put_aside(alarm)?;
            }
            Seen::Told(notice, attempt) => {
                if self.received.contains(&notice.id) {
                    return Err(format!("{} told again after its receipt", notice.identifier));
                }
                let line = line(notice);
                if self.came.get(&line).is_some_and(|newest| *newest > notice.id) {
                    return Err(format!("{} told after a later one of its alarm had come", notice.identifier));
                }
                let key = &notice.alarm.key;
                let of_itself = key.hazard == "notice.rejected" && key.object == notice.audience && !notice.is_of_accident();
                if of_itself && notice.audience == "bureau" {
                    return Err(format!("{}: the bureau is told that it refused something", notice.identifier));
                }
                if *attempt == 1 && self.known.insert(notice.id, line.clone()).is_some() {
                    return Err(format!("{} told twice for the first time", notice.identifier));
                }
                if *attempt == 1 {
                    self.first(at, notice)?;
                }
                if notice.audience == "officer" {
                    self.officer.insert((notice.alarm.id, notice.alarm.occurrences));
                }
                let blocked = self.waiting.iter().any(|(id, (waits, told))| {
                    // A later one came: nobody waits for the try of what is over by then.
                    let overtaken = self.came.get(waits).is_some_and(|newest| newest > id);
                    let most_s = if overtaken { RESEND_S } else { REFUSED_S };
                    let for_long = self.refused.contains(id) && at - told >= most_s * SECOND;
                    *id != notice.id && *waits == line && !for_long
                });
                if blocked {
                    return Err(format!("{} told before the one before it was received", notice.identifier));
                }
                // Deadlines come before the event of a step: this one's receipt comes in the same instant.
                let arrives = match event {
                    Event::Receipt { notice: id, .. } | Event::Answered { notice: id, .. } => *id == notice.id,
                    Event::Undelivered { notice: id, rejected, .. } => {
                        *id == notice.id && (*rejected || self.refused.contains(id))
                    }
                    _ => false,
                };
                if !arrives {
                    self.waiting.insert(notice.id, (line, at));
                }
            }
            Seen::Other => {}
        }
        if let Seen::Alarm(Change::Opened | Change::Reopened | Change::Raised, alarm) = effect
            && alarm.severity == Severity::Red
            && !alarm.chattering
        {
            self.owe(at, alarm, &["crew", "bureau"]);
        }
        Ok(())
    }

    /// These must be sent something of it now, or behind what is on its way to them.
    fn owe(&mut self, at: Micros, alarm: &Alarm, audiences: &[&str]) {
        let open = audiences.iter().filter(|_| alarm.shelf.is_empty());
        self.owed.extend(open.map(|audience| ((alarm.id, (*audience).to_owned()), (at, alarm.occurrences))));
    }

    /// What a step owes may come before or behind what it says of the alarm.
    fn settle(&mut self, effects: &[Seen]) {
        for effect in effects {
            match effect {
                // A try of what was told before it got so bad pays nothing.
                Seen::Told(notice, 1) => {
                    let key = (notice.alarm.id, notice.audience.clone());
                    if self.owed.get(&key).is_some_and(|(_, occurrence)| *occurrence == notice.alarm.occurrences) {
                        self.owed.remove(&key);
                    }
                }
                // It is over, or put aside, before it could go.
                Seen::Alarm(_, alarm) if alarm.condition == Condition::Cleared || !alarm.shelf.is_empty() => {
                    self.owed.retain(|(id, _), _| *id != alarm.id);
                }
                _ => {}
            }
        }
    }

    /// Nothing puts it aside any more: what stands is nobody's yet, whoever took it before.
    fn back(&mut self, at: Micros, alarm: &Alarm) -> Result<(), String> {
        match (alarm.condition, &alarm.acknowledged) {
            (Condition::Active, Some(by)) => return Err(format!("{:?} is back, and taken by {}", alarm.key, by.by.name)),
            (_, None) => drop(self.unanswered.insert(alarm.id, (at, alarm.occurrences))),
            (Condition::Cleared, Some(_)) => drop(self.unanswered.remove(&alarm.id)),
        }
        Ok(())
    }

    /// What is put aside may be, and ends.
    fn put_aside(&mut self, alarm: &Alarm) -> Result<(), String> {
        let (shelf, key) = (&alarm.shelf, &alarm.key);
        let red = alarm.level() == Severity::Red && alarm.condition == Condition::Active;
        if red && (shelf.shelved.is_some() || shelf.by_design.is_some()) {
            return Err(format!("{key:?} is red and put aside"));
        }
        if let Some(out) = &shelf.out_of_service
            && out.second.as_ref().is_none_or(|second| second.name == out.by.name)
        {
            return Err(format!("{key:?} can be red, and {} alone put it aside", out.by.name));
        }
        let design = shelf.by_design.as_ref().map(|design| design.until);
        let ends = [shelf.shelved.as_ref().map(|shelved| shelved.until), design];
        match ends.into_iter().flatten().chain(shelf.out_of_service.as_ref().map(|out| out.until)).min() {
            Some(until) if !alarm.closed => drop(self.aside.insert(alarm.id, until)),
            Some(_) | None => drop(self.aside.remove(&alarm.id)),
        }
        Ok(())
    }

    /// A deadline speaks once, not before it has come, and with the time that people read then.
    fn first(&mut self, at: Micros, notice: &Notice) -> Result<(), String> {
        let (name, alarm) = (&notice.identifier, &notice.alarm);
        if notice.reason == Reason::Repeated {
            let count = self.repeats.entry((alarm.id, alarm.occurrences, alarm.severity)).or_default();
            *count += 1;
            if *count > REPEATS {
                return Err(format!("{name}: the officer was told again {count} times"));
            }
        } else if !notice.rung.is_empty() {
            let rung = (alarm.id, alarm.occurrences, alarm.severity, notice.rung.clone());
            if !self.rungs.insert(rung) {
                return Err(format!("{name}: the rung {} spoke twice", notice.rung));
            }
        }
        // One that waited behind another is older than it looks: of an earlier stretch without an answer, this says nothing.
        let since = self.unanswered.get(&alarm.id).filter(|(_, occurrence)| *occurrence == alarm.occurrences);
        if let Some((since, _)) = since
            && notice.reason == Reason::Overdue
            && notice.audience == "officer"
            && at - since < OFFICER_AFTER_S * SECOND
        {
            return Err(format!("{name}: the officer was called after {} s", (at - since) / SECOND));
        }
        if notice.audience == "officer" {
            self.on_duty(notice)?;
        }
        if notice.at > at + self.ahead {
            return Err(format!("{name} is of a time to come: {} s", (notice.at - at - self.ahead) / SECOND));
        }
        Ok(())
    }

    /// Who is on duty by the plan is named, or the stand-in; nobody whom the roster does not know. A clock that was set moves the plan.
    fn on_duty(&self, notice: &Notice) -> Result<(), String> {
        let roster = roster();
        if let Some(stranger) = notice.duty.iter().find(|name| !roster.everybody().contains(name)) {
            return Err(format!("{}: {stranger} is on duty and on no roster", notice.identifier));
        }
        // At the edge of a shift the step decides before its event.
        let at = |seconds: Micros| roster.people_of(&roster.running(notice.at + LOCAL_US + seconds * SECOND));
        let planned = at(0);
        if !self.was_set && at(-2) == planned && !planned.is_empty() {
            let named = planned.iter().all(|name| notice.duty.contains(name));
            if !named && !notice.duty.iter().any(|name| *name == "person 9" || !planned.contains(name)) {
                return Err(format!("{}: {planned:?} on duty and {:?} told", notice.identifier, notice.duty));
            }
        }
        Ok(())
    }

    fn promises(&self, at: Micros, judged: &[Reading]) -> Result<(), String> {
        let stands =
            |hazard: &str, object: &str| self.standing.get(&(hazard.to_owned(), object.to_owned())).copied().unwrap_or(false);
        for r in judged {
            let name = ["A", "B", "C"][r.tag.0 as usize];
            if r.tag.0 < 2 && r.value >= LIMIT && !stands("test.high", name) {
                return Err(format!("{name} = {} is over its limit and no alarm stands", r.value));
            }
            if !(r.value >= 0.0 && r.value <= 1000.0) && !stands("device.impossible", name) {
                return Err(format!("{name} = {} cannot be and nobody is told", r.value));
            }
        }
        if !self.started {
            return Ok(());
        }
        for (tag, heard) in self.heard.iter().filter(|(tag, _)| !self.down.contains(tag)) {
            let name = ["A", "B", "C"][*tag as usize];
            if at - heard > SILENT_S * SECOND && !stands("device.silent", name) {
                return Err(format!("{name} has been silent for {} s and nobody is told", (at - heard) / SECOND));
            }
        }
        for (alarm, (since, occurrence)) in &self.unanswered {
            let red = self.red.contains(alarm);
            let blocked = self.waiting.values().any(|((id, audience, _), _)| id == alarm && audience == "officer");
            if red && at - since > (OFFICER_AFTER_S + 2) * SECOND && !blocked && !self.officer.contains(&(*alarm, *occurrence)) {
                return Err(format!("nobody answered alarm {alarm:?} and the officer was not told"));
            }
        }
        for ((alarm, audience), (since, _)) in &self.owed {
            let blocked = self.waiting.values().any(|((id, waits, _), _)| id == alarm && waits == audience);
            if at > *since && !blocked {
                return Err(format!("{alarm:?} rose or got worse, and the {audience} was sent nothing of it"));
            }
        }
        if let Some((alarm, until)) = self.aside.iter().find(|(_, until)| **until <= at) {
            return Err(format!("{alarm:?} is put aside {} s longer than was said", (at - until) / SECOND));
        }
        for (id, (_, told)) in &self.waiting {
            if at - told > 80 * SECOND && !self.refused.contains(id) {
                return Err(format!("{id:?} has no receipt and was not told again"));
            }
        }
        Ok(())
    }
}
