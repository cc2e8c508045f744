//! Who is told, and when: the ladder. Nothing climbs twice; an acknowledgement stops what waits for one, never what waits for the end.
//! Must not know: how a notice travels.

use crate::alarm::{Alarm, AlarmId, Answers, Condition, Source, Told};
use crate::brain::Brain;
use crate::builtin::Builtin;
use crate::event::{Change, Effect};
use crate::notice::Reason;
use crate::reading::Micros;
use crate::shelf::Hidden;
use crate::site::{Audience, Ladder, Only, Repeat, Rung, RungKind, Severity};
use crate::timer::{Timer, s};

/// What a rung has to say to an audience.
enum Word {
    /// Nothing.
    None,
    /// It has said all.
    Said,
    /// Nothing before then; to be looked at again.
    At(Micros),
    /// At once, why, and how often it was said before.
    Now(Reason, u32),
}

/// Whether what a rung waits for holds.
enum Holds {
    /// Its time counts from then.
    Since(Micros),
    /// Not before then; to be looked at again.
    LookAt(Micros),
    /// No, until something happens.
    Not,
}

/// A word whose time has come.
struct Due {
    rung: usize,
    audience: usize,
    reason: Reason,
    repeat: u32,
}

/// Rows of `told` kept per alarm; the oldest go first, see [`forget_one`].
const TOLD_MAX: usize = 50;

impl Brain {
    /// Something changed for this alarm, or a deadline came: tell whoever is due, and set the next deadline.
    pub(crate) fn climb(&mut self, id: AlarmId, out: &mut Vec<Effect>) {
        let Some(alarm) = self.alarms.get(&id).filter(|alarm| !alarm.closed && !self.exercise_over) else { return };
        let (mut due_now, mut next) = (Vec::new(), None::<Micros>);
        // The rung before has nobody on duty: the next one that waits for an answer does not wait.
        let mut hurry = false;
        let ladder = self.zone_of(alarm).ladder[alarm.severity as usize];
        for (index, rung) in self.site.ladders[ladder].rungs.iter().enumerate() {
            let waits = rung.kind == RungKind::Unacknowledged;
            let mut speaks = false;
            for audience in rung.audiences.iter().copied() {
                match self.word_of(alarm, ladder, index, audience, hurry && waits) {
                    Word::None => {}
                    Word::Said => speaks = true,
                    Word::At(at) => next = Some(next.map_or(at, |next| next.min(at))),
                    Word::Now(reason, repeat) => {
                        due_now.push(Due { rung: index, audience, reason, repeat });
                        speaks = true;
                    }
                }
            }
            if matches!(rung.kind, RungKind::AtOnce | RungKind::Unacknowledged) && speaks {
                hurry = rung.audiences.iter().all(|audience| self.is_unstaffed(*audience));
            }
        }
        if let Some(next) = next {
            self.timers.at(next, Timer::Rung(id));
        }
        let mut spoken = false;
        for due in due_now {
            if due.repeat == 0 && self.is_unstaffed(due.audience) {
                self.unstaffed(due.audience, out);
            }
            self.tell_rung(id, ladder, &due, out);
            spoken = true;
        }
        if spoken {
            // What waits for an answer to this, or repeats it, counts from now.
            self.climb(id, out);
        }
    }

    /// What a rung has to say to one of its audiences at present. `hurried`: at once, whatever its time.
    fn word_of(&self, alarm: &Alarm, ladder: usize, index: usize, audience: usize, hurried: bool) -> Word {
        let rung = &self.site.ladders[ladder].rungs[index];
        let about = &self.site.audiences[audience];
        let name = about.name.as_str();
        let Some(mut after) = rung.after_s[alarm.severity as usize] else { return Word::None };
        if is_of_itself(alarm, about) || !self.is_about(&rung.only, alarm) || !wants(alarm, rung) {
            return Word::None;
        }
        if alarm.shelf.suppresses() {
            if alarm.level() != Severity::Red || !is_officer(&self.site.ladders[ladder], index) {
                return Word::None;
            }
            after = 0;
        }
        let base = self.climbs.get(&alarm.id).copied().unwrap_or(alarm.opened_at);
        let last = told(alarm, rung, name);
        // What was said before somebody answered says nothing of how bad it got since.
        let is_of_this_call = |at: Micros| alarm.escalation.worse_at.is_none_or(|worse| at >= worse);
        if let Some(last) = last.filter(|last| last.severity >= alarm.severity && is_of_this_call(last.at)) {
            return self.again(alarm, rung, audience, last);
        }
        // What was not handled then is another matter than what is worse now: that has a time of its own.
        let raised = last.is_some() && rung.kind != RungKind::Unhandled;
        let base = match self.holds(alarm, &rung.only, base) {
            Holds::Since(base) => base,
            Holds::LookAt(at) => return Word::At(at),
            Holds::Not => return Word::None,
        };
        let due = if hurried { self.now } else { base.saturating_add(s(after)) };
        if raised || due <= self.now { Word::Now(reason(alarm, raised, after), 0) } else { Word::At(due) }
    }

    /// A rung that has spoken: again, until somebody answers.
    fn again(&self, alarm: &Alarm, rung: &Rung, audience: usize, last: &Told) -> Word {
        let bureau = self.site.audiences[audience].bureau;
        // The plant's answer does not silence the call to a bureau, nor the bureau's that to the plant, nor one bureau's that to another.
        let answered = match (rung.kind, bureau) {
            (RungKind::Unhandled, _) => is_handled(alarm),
            (_, true) => has_answered(alarm, &last.audience),
            (_, false) => alarm.acknowledged.is_some(),
        };
        // Without an end only what is bad enough for it.
        let goes_on = |repeat: &Repeat| repeat.most.map_or(alarm.severity >= Severity::Orange, |most| last.repeat < most);
        let Some(repeat) = rung.repeat.filter(|repeat| !answered && goes_on(repeat)) else { return Word::Said };
        if alarm.condition != Condition::Active && alarm.severity < Severity::Orange {
            return Word::Said;
        }
        let due = last.at.saturating_add(s(repeat.every_s));
        if due <= self.now { Word::Now(Reason::Repeated, last.repeat + 1) } else { Word::At(due) }
    }

    /// Whether a rung is about this hazard and place.
    fn is_about(&self, only: &Only, alarm: &Alarm) -> bool {
        let hazard = alarm.key.hazard.as_str();
        let of =
            |family: &String| hazard.strip_prefix(family.as_str()).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'));
        let here = |zone: &usize| self.site.zones[*zone].name == alarm.key.zone;
        (only.hazards.is_empty() || only.hazards.iter().any(of)) && (only.zones.is_empty() || only.zones.iter().any(here))
    }

    /// Whether what a rung waits for holds, and from when on its time counts.
    fn holds(&self, alarm: &Alarm, only: &Only, base: Micros) -> Holds {
        let mut since = base;
        for (calendar, wanted) in [(only.within, true), (only.outside, false)] {
            let Some(calendar) = calendar.filter(|_| !self.clock.is_wrong()) else { continue };
            let calendar = &self.site.calendars[calendar];
            if calendar.holds(self.local()) != wanted {
                return Holds::LookAt(self.when_local(calendar.next_look(self.local())));
            }
        }
        for (of, person) in [(only.no_receipt, false), (only.no_answer, true)] {
            let Some(of) = of else { continue };
            let name = self.site.audiences[of].name.as_str();
            let to_it =
                alarm.escalation.told.iter().rev().filter(|row| row.audience == name && row.occurrence == alarm.occurrences);
            // However often it is said again, the time counts from what was new; an answer to any of it is one.
            let Some(last) = to_it.clone().find(|row| row.repeat == 0) else { return Holds::Not };
            let is_answer = |row: &Told| if person { row.answers.person.is_some() } else { row.answers.received_at.is_some() };
            if to_it.take_while(|row| row.notice >= last.notice).any(is_answer) {
                return Holds::Not;
            }
            since = since.max(last.at);
        }
        match only.unreachable {
            Some(of) if !self.is_unreachable(of) => Holds::Not,
            Some(_) | None => Holds::Since(since),
        }
    }

    /// All rungs are looked at again at that time.
    pub(crate) fn look_at_rungs(&mut self, at: Micros) {
        for id in self.open.values() {
            self.timers.at(at, Timer::Rung(*id));
        }
    }

    /// A start, perhaps under a changed ladder: whoever is new on it, and due, is told of every alarm that stands.
    pub(crate) fn climb_all(&mut self, out: &mut Vec<Effect>) {
        let standing: Vec<AlarmId> = self.open.values().copied().collect();
        for id in standing {
            self.climb(id, out);
        }
    }

    /// A stretch without an answer begins. One that is running goes on, answered ones start anew: chatter cannot postpone a call.
    pub(crate) fn begin_climb(&mut self, id: AlarmId, was_answered: bool) {
        let now = self.now;
        if was_answered {
            self.climbs.insert(id, now);
        } else {
            self.climbs.entry(id).or_insert(now);
        }
    }

    /// It got worse: who was told of the lesser level, and whom the ladder of this one does not name, hears that too.
    pub(crate) fn tell_earlier(&mut self, id: AlarmId, out: &mut Vec<Effect>) {
        let Some(alarm) = self.alarms.get(&id).filter(|alarm| alarm.is_listed()) else { return };
        let told = alarm.escalation.told.iter().filter(|told| told.occurrence == alarm.occurrences);
        let knows = |name: &str| told.clone().any(|told| told.audience == name && told.severity >= alarm.severity);
        // Whom it names it tells in its own time.
        let rungs = &self.ladder_of(alarm).rungs;
        let is_named = |audience: &usize| {
            rungs.iter().any(|rung| rung.after_s[alarm.severity as usize].is_some() && rung.audiences.contains(audience))
        };
        let is_it = |audience: &usize| {
            let name = &self.site.audiences[*audience].name;
            told.clone().any(|told| told.audience == *name) && !knows(name) && !is_named(audience)
        };
        let of: Vec<usize> = (0..self.site.audiences.len()).filter(is_it).collect();
        for audience in of {
            self.notify(id, audience, "", Reason::Raised, out);
        }
    }

    /// Everybody told so far hears how it went on.
    pub(crate) fn tell_back(&mut self, id: AlarmId, reason: Reason, out: &mut Vec<Effect>) {
        self.tell_others(id, "", reason, out);
    }

    /// Everybody told so far, except the one from whom it is known.
    pub(crate) fn tell_others(&mut self, id: AlarmId, except: &str, reason: Reason, out: &mut Vec<Effect>) {
        let Some(alarm) = self.alarms.get(&id) else { return };
        let mut audiences: Vec<String> =
            alarm.escalation.told.iter().map(|told| told.audience.clone()).filter(|name| name != except).collect();
        audiences.sort_unstable();
        audiences.dedup();
        for name in audiences {
            if let Some(audience) = self.site.audiences.iter().position(|audience| audience.name == name) {
                self.notify(id, audience, "", reason, out);
            }
        }
    }

    /// Every bureau that was told so far hears how it went on.
    pub(crate) fn tell_bureaus(&mut self, id: AlarmId, reason: Reason, out: &mut Vec<Effect>) {
        for audience in self.bureaus_told(id) {
            self.notify(id, audience, "", reason, out);
        }
    }

    /// Every bureau that was told so far.
    pub(crate) fn bureaus_told(&self, id: AlarmId) -> Vec<usize> {
        let Some(alarm) = self.alarms.get(&id) else { return Vec::new() };
        let was_told = |name: &str| alarm.escalation.told.iter().any(|told| told.audience == name);
        let is_it = |about: &Audience| about.bureau && was_told(&about.name);
        (0..self.site.audiences.len()).filter(|index| is_it(&self.site.audiences[*index])).collect()
    }

    fn tell_rung(&mut self, id: AlarmId, ladder: usize, due: &Due, out: &mut Vec<Effect>) {
        let (index, audience) = (due.rung, due.audience);
        let rung = self.site.ladders[ladder].rungs[index].name.clone();
        let ladder_name = self.site.ladders[ladder].name.clone();
        let Some(alarm) = self.alarms.get_mut(&id) else { return };
        let highest = self.site.ladders[ladder].rungs.iter().position(|r| r.name == alarm.escalation.rung);
        if highest.is_none_or(|highest| index > highest) {
            alarm.escalation.rung.clone_from(&rung);
        }
        alarm.escalation.ladder = ladder_name;
        alarm.changed_at = self.now;
        if due.repeat > 0 {
            // What is said again and again takes one row; what was new, and what a person answered, keeps its own.
            let (audience, occurrence) = (&self.site.audiences[audience].name, alarm.occurrences);
            alarm.escalation.told.retain(|row| {
                let same = (&row.rung, &row.audience, row.occurrence) == (&rung, audience, occurrence);
                !same || row.repeat == 0 || row.answers.person.is_some()
            });
        }
        alarm.escalation.told.push(Told {
            rung: rung.clone(),
            audience: self.site.audiences[audience].name.clone(),
            occurrence: alarm.occurrences,
            severity: alarm.severity,
            at: self.now,
            notice: self.next_notice,
            repeat: due.repeat,
            answers: Answers::default(),
        });
        if alarm.escalation.told.len() > TOLD_MAX {
            forget_one(&mut alarm.escalation.told);
        }
        self.notify(id, audience, &rung, due.reason, out);
        // The last ones are about this alarm, where any is.
        if !out.iter().rev().any(|effect| matches!(effect, Effect::Alarm { alarm, .. } if *alarm == id)) {
            out.push(Effect::Alarm { alarm: id, change: Change::Escalated });
        }
    }
}

/// The last word of this rung to its audience for the present occurrence: the worst so far, since a rung speaks again only where it got worse. What was
/// told to somebody else, under another site, was not told to them.
fn told<'a>(alarm: &'a Alarm, rung: &Rung, audience: &str) -> Option<&'a Told> {
    alarm
        .escalation
        .told
        .iter()
        .rev()
        .find(|t| (t.rung.as_str(), t.audience.as_str()) == (rung.name.as_str(), audience) && t.occurrence == alarm.occurrences)
}

/// Whether a person of this audience took what was told to it of the present occurrence, at the level shown and since it got worse.
fn has_answered(alarm: &Alarm, audience: &str) -> bool {
    let is_of_this_call = |told: &Told| {
        let since = alarm.escalation.worse_at.is_none_or(|worse| told.at >= worse);
        since && told.occurrence == alarm.occurrences && told.severity >= alarm.severity
    };
    let took = |told: &Told| told.audience == audience && told.answers.person.is_some() && is_of_this_call(told);
    alarm.escalation.told.iter().any(took)
}

/// Drops the oldest row that says nothing a later one does not: the last word to each audience on each rung, and the worst level, stay. Earlier occurrences
/// go before the present one, and of that what a person answered goes last: whoever answered is not called again.
fn forget_one(told: &mut Vec<Told>) {
    let worst = told.iter().map(|row| row.severity).max();
    let spare = (0..told.len()).filter(|index| {
        let (row, later) = (&told[*index], &told[index + 1..]);
        later.iter().any(|other| (&other.audience, &other.rung) == (&row.audience, &row.rung))
            && (Some(row.severity) != worst || later.iter().any(|other| Some(other.severity) == worst))
    });
    let present = told.iter().map(|row| row.occurrence).max();
    if let Some(spare) = spare.min_by_key(|index| {
        let row = &told[*index];
        (Some(row.occurrence) == present, row.answers.person.is_some())
    }) {
        told.remove(spare);
    }
}

/// The first whom the ladder calls beside the crew. A red alarm that is suppressed or out of service is told to them alone, and at once:
/// somebody decided not to look.
fn is_officer(ladder: &Ladder, index: usize) -> bool {
    let at_once = ladder.rungs.iter().filter(|rung| rung.kind == RungKind::AtOnce);
    let crew: Vec<usize> = at_once.flat_map(|rung| rung.audiences.iter().copied()).collect();
    let beside =
        |rung: &Rung| rung.kind == RungKind::Unacknowledged && rung.audiences.iter().any(|audience| !crew.contains(audience));
    ladder.rungs.iter().position(beside) == Some(index)
}

/// Who cannot be reached is not told so: it would be one more message for the queue that does not move. Nor does a bureau that refused a message hear
/// of its own refusal as of something new: that is for the plant's people.
fn is_of_itself(alarm: &Alarm, audience: &Audience) -> bool {
    let is = |own: Builtin| alarm.key.hazard == own.id();
    let unheard = is(Builtin::Undelivered) || is(Builtin::Full) || (is(Builtin::Rejected) && audience.bureau);
    unheard && alarm.key.source == Source::Guard && alarm.key.object == audience.name
}

/// Does this rung still have something to say?
fn wants(alarm: &Alarm, rung: &Rung) -> bool {
    let active = alarm.condition == Condition::Active;
    match rung.kind {
        // A shelf pauses what waits for an answer, never what waits for the end.
        RungKind::AtOnce | RungKind::Unacknowledged | RungKind::Unhandled if alarm.shelf.hidden() == Some(Hidden::Shelf) => false,
        RungKind::AtOnce => active,
        // Back to normal and nobody answered: orange and red go on climbing, blue and yellow wait.
        RungKind::Unacknowledged => alarm.acknowledged.is_none() && (active || alarm.severity >= Severity::Orange),
        // A device that works again is nobody's call outside; a danger that went away unanswered is.
        RungKind::Open => {
            let device = alarm.key.source == Source::Guard && Builtin::is_of_a_device(&alarm.key.hazard);
            active || (alarm.acknowledged.is_none() && alarm.severity >= Severity::Orange && !device)
        }
        RungKind::Unhandled => alarm.is_owed() && !is_handled(alarm),
    }
}

/// Somebody has noted what was done, since it rose and since it got worse than what was taken.
fn is_handled(alarm: &Alarm) -> bool {
    let since = alarm.escalation.worse_at.map_or(alarm.raised_at, |worse| worse.max(alarm.raised_at));
    alarm.handling.iter().any(|done| done.at >= since)
}

fn reason(alarm: &Alarm, raised: bool, after_s: u32) -> Reason {
    match (raised, after_s, alarm.occurrences) {
        (true, ..) => Reason::Raised,
        (false, 0, 1) => Reason::Opened,
        (false, 0, _) => Reason::Reopened,
        (false, ..) => Reason::Overdue,
    }
}

#[cfg(test)]
mod tests;
