//! The clock people read, beside brain time. Brain time runs like a good clock that nobody ever sets: deadlines, order and everything inside rest
//! on it alone. How far the wall clock is ahead of it is a fact on record, told by [`crate::Event::Clock`]; what people see is reckoned with it.
//! Must not know: where either time comes from, how a time is written.

use crate::accident::Accident;
use crate::alarm::{Alarm, AlarmKey, Answers, Instruction, Source};
use crate::brain::Brain;
use crate::builtin::Builtin;
use crate::event::Effect;
use crate::guard::builtin;
use crate::notice::OutboxRow;
use crate::reading::Micros;
use crate::site::Severity;
use crate::timer::Timer;
use crate::words::Text;
use serde::{Deserialize, Serialize};
use std::borrow::Cow;
use std::ops::Range;

/// A clock set by more than this is an alarm: two seconds are more than a leap second and than what a time server corrects now and then.
const STEP_US: Micros = 2_000_000;
/// A clock that was set is doubted until it has run this long without being set again (own default).
const DOUBT_US: Micros = 600_000_000;
/// Stretches remembered; one begins with each start that found another difference. The oldest go first.
const STRETCHES_MAX: usize = 128;

/// How brain time reads on the wall clock, and whether that can be believed.
///
/// Within one run brain time is one even scale, so the newest known difference holds for all of the run: a wrong clock that is set right makes
/// the times right that were read from it before.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Clock {
    /// From this brain time on, wall clock minus brain time; in order. Before the first there is no difference.
    stretches: Vec<(Micros, Micros)>,
    /// It shows what cannot be.
    wrong: bool,
    /// It was set, by so much, and is doubted until then.
    set: Option<(Micros, Micros)>,
}

impl Clock {
    /// Wall clock minus brain time at present.
    pub fn ahead(&self) -> Micros {
        self.stretches.last().map_or(0, |(_, ahead)| *ahead)
    }

    /// What the wall clock showed at a brain time, as far as is known now. 0 stays 0: "never".
    pub fn wall(&self, at: Micros) -> Micros {
        let stretch = self.stretches.iter().rev().find(|(since, _)| *since <= at);
        if at == 0 { 0 } else { at.saturating_add(stretch.map_or(0, |(_, ahead)| *ahead)) }
    }

    /// Brain times between which all lies that reads `from..to` on the wall clock, as far as is known now. Where the clock was set between two
    /// runs, something that reads otherwise may lie there too: a clock set back reads the same times twice, with others in between. Empty where
    /// nothing reads so.
    pub fn brain(&self, wall: Range<Micros>) -> Range<Micros> {
        let begins = || std::iter::once((Micros::MIN, 0)).chain(self.stretches.iter().copied());
        let ends = begins().skip(1).map(|(since, _)| since).chain([Micros::MAX]);
        let within = |((since, ahead), until): ((Micros, Micros), Micros)| {
            let at = wall.start.saturating_sub(ahead).max(since)..wall.end.saturating_sub(ahead).min(until);
            Some(at).filter(|at| !at.is_empty())
        };
        let all = begins().zip(ends).filter_map(within);
        all.reduce(|first, last| first.start..last.end).unwrap_or_default()
    }

    /// Whether the wall clock cannot be believed at present.
    pub fn is_doubtful(&self) -> bool {
        self.wrong || self.set.is_some()
    }

    /// Whether it shows what cannot be.
    pub fn is_wrong(&self) -> bool {
        self.wrong
    }

    /// Why, for the health of the program; empty where it can be believed.
    pub fn doubt(&self) -> String {
        match (self.wrong, self.set) {
            (true, _) => "the clock shows what cannot be".to_owned(),
            (false, Some((by, _))) => format!("the clock was set by {} s", by / 1_000_000),
            (false, None) => String::new(),
        }
    }

    /// The alarm with the times that people read.
    pub fn alarm<'a>(&self, alarm: &'a Alarm) -> Cow<'a, Alarm> {
        if self.stretches.is_empty() {
            return Cow::Borrowed(alarm);
        }
        let mut alarm = alarm.clone();
        for at in [&mut alarm.opened_at, &mut alarm.raised_at, &mut alarm.changed_at] {
            *at = self.wall(*at);
        }
        let single = alarm.cleared_at.iter_mut().chain(alarm.acknowledged.iter_mut().map(|ack| &mut ack.at));
        let handling = alarm.handling.iter_mut().map(|note| &mut note.at);
        let instructions = alarm.escalation.instructions.iter_mut().flat_map(|told| {
            let Instruction { at, taken, .. } = told;
            taken.iter_mut().map(|taken| &mut taken.at).chain([at])
        });
        let told = alarm.escalation.told.iter_mut().flat_map(|told| {
            let Answers { received_at, accepted_at, person } = &mut told.answers;
            let answers = received_at.iter_mut().chain(accepted_at).chain(person.iter_mut().map(|(_, at)| at));
            answers.chain([&mut told.at])
        });
        let evidence = alarm.evidence.iter_mut().map(|evidence| &mut evidence.at);
        let shelved = alarm.shelf.shelved.iter_mut().flat_map(|of| [&mut of.from, &mut of.until]);
        let design = alarm.shelf.by_design.iter_mut().flat_map(|of| [&mut of.from, &mut of.until]);
        let service = alarm.shelf.out_of_service.iter_mut().flat_map(|of| [&mut of.from, &mut of.until]);
        let closure = alarm.closure.iter_mut().map(|closure| &mut closure.at);
        let accident = alarm.accident.iter_mut().flat_map(|accident| {
            let Accident { declared_at, updated_at, reported, retracted, .. } = &mut **accident;
            let told = reported.iter_mut().map(|told| &mut told.at);
            told.chain(retracted.iter_mut().map(|retracted| &mut retracted.at)).chain([declared_at, updated_at])
        });
        let aside = shelved.chain(design).chain(service).chain(closure).chain(accident);
        single.chain(handling).chain(instructions).chain(told).chain(evidence).chain(aside).for_each(|at| *at = self.wall(*at));
        Cow::Owned(alarm)
    }

    /// The row of the outbox with the times that people read. A notice that was told has them already.
    pub fn row<'a>(&self, row: &'a OutboxRow) -> Cow<'a, OutboxRow> {
        if self.stretches.is_empty() {
            return Cow::Borrowed(row);
        }
        let mut row = row.clone();
        if row.attempts == 0 {
            row.notice.at = self.wall(row.notice.at);
        }
        row.due_at = self.wall(row.due_at);
        row.received_at = row.received_at.map(|at| self.wall(at));
        row.accepted_at = row.accepted_at.map(|at| self.wall(at));
        row.acknowledged = row.acknowledged.map(|(by, at)| (by, self.wall(at)));
        Cow::Owned(row)
    }

    /// What [`crate::Event::Clock`] says. True where it was set by more than people would want to know.
    pub fn follow(&mut self, now: Micros, since: Micros, ahead: Micros, wrong: bool) -> bool {
        let by = ahead.saturating_sub(self.ahead());
        // The run before was set while it ran, nobody saw that last, and a new run begins with it undone: it was right before it was set.
        if let (Some((before, _)), Some((from, of_run))) = (self.set, self.stretches.last_mut())
            && *from < since
            && undoes(by, before)
        {
            *of_run = of_run.saturating_sub(before);
        }
        self.stretches.retain(|(from, _)| *from < since);
        if ahead != self.ahead() {
            self.stretches.push((since, ahead));
        }
        if self.stretches.len() > STRETCHES_MAX {
            self.stretches.remove(0);
        }
        let told = by.saturating_abs() > STEP_US || (wrong && !self.wrong);
        self.wrong = wrong;
        if told {
            self.set = Some((by, now.saturating_add(DOUBT_US)));
        }
        told
    }

    /// Within a run time went on until then: a step that nobody took back for so long is believed. For whoever follows records alone; a brain has a
    /// deadline for it.
    pub fn runs(&mut self, until: Micros) {
        if !self.wrong && self.set.is_some_and(|(_, doubted)| doubted <= until) {
            self.set = None;
        }
    }
}

/// Whether a step takes another back. How long the stop between them was is not known: it stands in the second one.
fn undoes(by: Micros, before: Micros) -> bool {
    by.signum() == -before.signum() && by.saturating_add(before).saturating_abs() < before.saturating_abs() / 2
}

impl Brain {
    /// The clock people read, for whoever shows times of the brain.
    pub fn clock(&self) -> &Clock {
        &self.clock
    }

    /// The wall clock differs from what was known. Told when deadlines are next looked at: a start has its own order of telling.
    pub(crate) fn clock_set(&mut self, since: Micros, ahead: Micros, wrong: bool) {
        if self.clock.follow(self.now, since, ahead, wrong) {
            self.timers.drop_all(|timer| timer == Timer::Clock);
            self.timers.at(self.now, Timer::Clock);
        }
        // What goes by the plant's clock is looked at anew; all else has deadlines that no clock moves.
        if !self.site.rosters.is_empty() {
            self.timers.at(self.now, Timer::Duty);
        }
        if !self.site.calendars.is_empty() {
            self.look_at_rungs(self.now);
        }
    }

    /// The clock was set just now, or may have run well for long enough.
    pub(crate) fn clock_due(&mut self, out: &mut Vec<Effect>) {
        let Some((by, until)) = self.clock.set else { return };
        let zone = self.site.zones[0].name.clone();
        let key = AlarmKey { source: Source::Guard, hazard: Builtin::Clock.id().to_owned(), zone, object: String::new() };
        if until > self.now || self.clock.wrong {
            let (phrase, args) = match self.clock.wrong {
                true => ("guard.clock.wrong", vec![]),
                false => ("guard.clock.set", vec![(by / 1_000_000).to_string()]),
            };
            let text = Text::Phrase { key: phrase.to_owned(), args };
            self.claim(builtin(Builtin::Clock, key, Severity::Yellow, text, Vec::new()), out);
            let next = if self.clock.wrong { self.now.saturating_add(DOUBT_US) } else { until };
            self.timers.at(next, Timer::Clock);
        } else {
            self.clock.set = None;
            self.clear(&key, out);
        }
    }
}

#[cfg(test)]
mod tests;
