//! Who is told, and when: the ladder. Nothing climbs twice; an acknowledgement stops what waits for one, never what waits for the end.
//! Must not know: how a notice travels.

use crate::alarm::{Alarm, AlarmId, Condition, Source, Told};
use crate::brain::Brain;
use crate::builtin::Builtin;
use crate::event::{Change, Effect};
use crate::notice::Reason;
use crate::reading::Micros;
use crate::shelf::Hidden;
use crate::site::{Ladder, Rung, RungKind, Severity};
use crate::timer::{Timer, s};

/// Rows of `told` kept per alarm; the oldest go first, see [`forget_one`].
const TOLD_MAX: usize = 200;

impl Brain {
    /// Something changed for this alarm, or a deadline came: tell whoever is due, and set the next deadline.
    pub(crate) fn climb(&mut self, id: AlarmId, out: &mut Vec<Effect>) {
        let Some(alarm) = self.alarms.get(&id).filter(|alarm| !alarm.closed) else { return };
        let base = self.climbs.get(&id).copied().unwrap_or(alarm.opened_at);
        let ladder = self.zone_of(alarm).ladder;
        let mut due_now = Vec::new();
        let mut next: Option<Micros> = None;
        for (index, rung) in self.site.ladders[ladder].rungs.iter().enumerate() {
            let Some(mut after) = rung.after_s[alarm.severity as usize] else { continue };
            let audience = self.site.audiences[rung.audience].name.as_str();
            // Who cannot be reached is not told so: it would be one more message for the queue that does not move.
            if alarm.key.source == Source::Guard && alarm.key.hazard == Builtin::Undelivered.id() && alarm.key.object == audience
            {
                continue;
            }
            if told(alarm, rung, audience, Some(alarm.severity)) || !wants(alarm, rung) {
                continue;
            }
            if alarm.shelf.suppresses() {
                if alarm.severity_now != Severity::Red || !is_officer(&self.site.ladders[ladder], index) {
                    continue;
                }
                after = 0;
            }
            let raised = told(alarm, rung, audience, None);
            let due = base.saturating_add(s(after));
            if raised || due <= self.now {
                due_now.push((index, reason(alarm, raised, after)));
            } else {
                next = Some(next.map_or(due, |n| n.min(due)));
            }
        }
        if let Some(next) = next {
            self.timers.at(next, Timer::Rung(id));
        }
        for (rung, reason) in due_now {
            self.tell_rung(id, ladder, rung, reason, out);
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

    /// Everybody told so far hears how it went on.
    pub(crate) fn tell_back(&mut self, id: AlarmId, reason: Reason, out: &mut Vec<Effect>) {
        let Some(alarm) = self.alarms.get(&id) else { return };
        let mut audiences: Vec<String> = alarm.escalation.told.iter().map(|told| told.audience.clone()).collect();
        audiences.sort_unstable();
        audiences.dedup();
        for name in audiences {
            if let Some(audience) = self.site.audiences.iter().position(|audience| audience.name == name) {
                self.notify(id, audience, "", reason, out);
            }
        }
    }

    fn tell_rung(&mut self, id: AlarmId, ladder: usize, index: usize, reason: Reason, out: &mut Vec<Effect>) {
        let rung = self.site.ladders[ladder].rungs[index].clone();
        let ladder_name = self.site.ladders[ladder].name.clone();
        let Some(alarm) = self.alarms.get_mut(&id) else { return };
        let highest = self.site.ladders[ladder].rungs.iter().position(|r| r.name == alarm.escalation.rung);
        if highest.is_none_or(|highest| index > highest) {
            alarm.escalation.rung = rung.name.clone();
        }
        alarm.escalation.ladder = ladder_name;
        alarm.changed_at = self.now;
        alarm.escalation.told.push(Told {
            rung: rung.name.clone(),
            audience: self.site.audiences[rung.audience].name.clone(),
            occurrence: alarm.occurrences,
            severity: alarm.severity,
            at: self.now,
            notice: self.next_notice,
        });
        if alarm.escalation.told.len() > TOLD_MAX {
            forget_one(&mut alarm.escalation.told);
        }
        self.notify(id, rung.audience, &rung.name, reason, out);
        if !out.iter().any(|effect| matches!(effect, Effect::Alarm { alarm, .. } if *alarm == id)) {
            out.push(Effect::Alarm { alarm: id, change: Change::Escalated });
        }
    }
}

/// Has this rung spoken to its audience for the present occurrence, at this severity (or at any)? What was told to somebody else, under
/// another site, was not told to them.
fn told(alarm: &Alarm, rung: &Rung, audience: &str, severity: Option<Severity>) -> bool {
    alarm.escalation.told.iter().any(|t| {
        (t.rung.as_str(), t.audience.as_str()) == (rung.name.as_str(), audience)
            && t.occurrence == alarm.occurrences
            && severity.is_none_or(|severity| t.severity >= severity)
    })
}

/// Drops the oldest row that says nothing a later one does not: the last word to each audience on each rung, and the worst level, stay.
fn forget_one(told: &mut Vec<Told>) {
    let worst = told.iter().map(|row| row.severity).max();
    let spare = (0..told.len()).find(|index| {
        let (row, later) = (&told[*index], &told[index + 1..]);
        later.iter().any(|other| (&other.audience, &other.rung) == (&row.audience, &row.rung))
            && (Some(row.severity) != worst || later.iter().any(|other| Some(other.severity) == worst))
    });
    if let Some(spare) = spare {
        told.remove(spare);
    }
}

/// The first whom the ladder calls beside the crew. A red alarm that is suppressed or out of service is told to them alone, and at once:
/// somebody decided not to look.
fn is_officer(ladder: &Ladder, index: usize) -> bool {
    let crew = |audience| ladder.rungs.iter().any(|rung| rung.kind == RungKind::AtOnce && rung.audience == audience);
    let beside = |rung: &Rung| rung.kind == RungKind::Unacknowledged && !crew(rung.audience);
    ladder.rungs.iter().position(beside) == Some(index)
}

/// Does this rung still have something to say?
fn wants(alarm: &Alarm, rung: &Rung) -> bool {
    let active = alarm.condition == Condition::Active;
    match rung.kind {
        // A shelf pauses what waits for an answer, never what waits for the end.
        RungKind::AtOnce | RungKind::Unacknowledged if alarm.shelf.hidden() == Some(Hidden::Shelf) => false,
        RungKind::AtOnce => active,
        // Back to normal and nobody answered: orange and red go on climbing, blue and yellow wait.
        RungKind::Unacknowledged => alarm.acknowledged.is_none() && (active || alarm.severity >= Severity::Orange),
        // A device that works again is nobody's call outside; a danger that went away unanswered is.
        RungKind::Open => {
            let device = alarm.key.source == Source::Guard && Builtin::is_of_a_device(&alarm.key.hazard);
            active || (alarm.acknowledged.is_none() && alarm.severity >= Severity::Orange && !device)
        }
    }
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
