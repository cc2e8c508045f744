//! What alarms do that tells of bad limits and bad days: chattering, fleeting, standing for days, floods, and which came first of its cause.
//! All of it is found and shown; nothing is ever hidden or dropped for it. Must not know: who is told.

use crate::alarm::{Alarm, AlarmId, Condition};
use crate::brain::Brain;
use crate::event::{Change, Effect};
use crate::notice::Reason;
use crate::reading::Micros;
use crate::site::{RungKind, Severity};
use crate::timer::Timer;
use serde::{Deserialize, Serialize};
use std::collections::VecDeque;

/// So many raise-clear cycles within so long are chattering.
const CYCLES: usize = 3;
const CYCLES_WITHIN_US: Micros = 60_000_000;
/// While it chatters it clears only after this long without danger ...
const SETTLE_US: Micros = 60_000_000;
/// ... until it has been quiet for this long.
const QUIET_US: Micros = 600_000_000;
/// Gone within this, and nobody did anything: fleeting.
pub(crate) const FLEETING_US: Micros = 10_000_000;
/// A lower level is told to the bureau once it has stood for so long: what swings around a limit is not told at each turn (own default).
pub(crate) const LOWERED_US: Micros = 60_000_000;
/// Standing for this long is stale.
const STALE_US: Micros = 86_400_000_000;
/// A flood begins with so many new alarms for one crew within the window, and ends below so many.
pub(crate) const FLOOD_BEGINS: usize = 10;
pub(crate) const FLOOD_ENDS: usize = 5;
pub(crate) const FLOOD_US: Micros = 600_000_000;

/// What is remembered of one open alarm.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Habit {
    /// Rises of the last cycles, oldest first.
    cycles: VecDeque<Micros>,
    /// It chatters, and is clear from then on if no danger comes.
    settle: Option<Micros>,
    /// It no longer chatters from then on.
    quiet: Option<Micros>,
    /// A look at how long it stands is due.
    watched: bool,
    /// The level fell then, to this one, and the bureau may not know it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    lowered: Option<(Micros, Severity)>,
}

/// New alarms of one crew.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Flood {
    /// The last ones, oldest first; no more than it takes to tell a flood.
    recent: VecDeque<Micros>,
    since: Option<Micros>,
    count: u32,
}

impl Flood {
    fn is_on(&self, now: Micros) -> bool {
        let last = self.recent.len().checked_sub(FLOOD_ENDS).and_then(|index| self.recent.get(index));
        self.since.is_some() && last.is_some_and(|at| now.saturating_sub(*at) <= FLOOD_US)
    }

    /// A new alarm.
    fn take(&mut self, now: Micros) {
        if !self.is_on(now) {
            (self.since, self.count) = (None, 0);
        }
        self.recent.push_back(now);
        if self.recent.len() > FLOOD_BEGINS {
            self.recent.pop_front();
        }
        let is_full = self.recent.len() == FLOOD_BEGINS;
        if self.since.is_none() && is_full && self.recent.front().is_some_and(|first| now.saturating_sub(*first) <= FLOOD_US) {
            (self.since, self.count) = (Some(now), FLOOD_BEGINS as u32 - 1);
        }
        self.count = self.count.saturating_add(u32::from(self.since.is_some()));
    }
}

/// A crew in a flood, for screens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Flooded {
    /// Audience name; empty where nobody is told at once.
    pub audience: String,
    /// Since when.
    pub since: Micros,
    /// New alarms since ten minutes before that.
    pub count: u32,
}

impl Brain {
    /// It rose. `was_listed`: it was in the list before.
    pub(crate) fn rose(&mut self, id: AlarmId, was_listed: bool) {
        self.regroup(id);
        let Some(alarm) = self.alarms.get(&id) else { return };
        if !was_listed {
            let others = self.groups.get(&alarm.group).into_iter().flatten().filter(|other| **other != id);
            let first = !others.filter_map(|other| self.alarms.get(other)).any(Alarm::is_listed);
            if let Some(alarm) = self.alarms.get_mut(&id) {
                alarm.first_out = first;
            }
        }
        self.watch_standing(id);
        if let Some(habit) = self.habits.get_mut(&id) {
            habit.quiet = habit.quiet.map(|_| self.now.saturating_add(QUIET_US));
        }
    }

    /// Puts an alarm into its group, as the site has it.
    pub(crate) fn regroup(&mut self, id: AlarmId) {
        let Some(alarm) = self.alarms.get(&id) else { return };
        let (zone, hazard) = (&alarm.key.zone, &alarm.key.hazard);
        let is_in = |zones: Option<usize>| zones.is_none_or(|index| self.site.zones[index].name == *zone);
        let found = self.site.groups.iter().find(|group| is_in(group.zone) && group.hazards.contains(hazard));
        let family = hazard.split('.').next().unwrap_or_default();
        let group = found.map_or_else(|| format!("{zone}/{family}"), |group| group.name.clone());
        let parent = found.is_some_and(|group| group.parent == *hazard);
        if alarm.group != group || alarm.parent != parent {
            if let Some(members) = self.groups.get_mut(&alarm.group) {
                members.remove(&id);
            }
            if let Some(alarm) = self.alarms.get_mut(&id) {
                (alarm.group, alarm.parent) = (group.clone(), parent);
            }
        }
        self.groups.entry(group).or_default().insert(id);
    }

    /// Sees to it that somebody looks how long it has stood.
    pub(crate) fn watch_standing(&mut self, id: AlarmId) {
        let Some(raised_at) = self.alarms.get(&id).map(|alarm| alarm.raised_at) else { return };
        let habit = self.habits.entry(id).or_default();
        if !std::mem::replace(&mut habit.watched, true) {
            self.timers.at(raised_at.saturating_add(STALE_US).max(self.now), Timer::Life(id));
        }
    }

    /// Danger is gone. True = it is not clear yet: it chatters, and must be quiet for a while first.
    pub(crate) fn settles(&mut self, id: AlarmId) -> bool {
        let stands = |alarm: &&Alarm| alarm.chattering && alarm.condition == Condition::Active;
        if self.alarms.get(&id).filter(stands).is_none() {
            return false;
        }
        let due = self.now.saturating_add(SETTLE_US);
        let habit = self.habits.entry(id).or_default();
        if habit.settle.is_none() {
            habit.settle = Some(due);
            self.timers.at(due, Timer::Life(id));
        }
        true
    }

    /// Danger is back before it counted as gone.
    pub(crate) fn unsettle(&mut self, id: AlarmId) {
        if let Some(habit) = self.habits.get_mut(&id).filter(|habit| habit.settle.is_some()) {
            (habit.settle, habit.quiet) = (None, Some(self.now.saturating_add(QUIET_US)));
        }
    }

    /// The condition has cleared: told, and counted.
    pub(crate) fn cleared(&mut self, id: AlarmId, out: &mut Vec<Effect>) {
        let now = self.now;
        let Some(alarm) = self.alarms.get_mut(&id) else { return };
        let Some(change) = alarm.clear(now) else { return };
        let habit = self.habits.entry(id).or_default();
        habit.settle = None;
        if now.saturating_sub(alarm.raised_at) < FLEETING_US && alarm.acknowledged.is_none() && alarm.shelf.is_empty() {
            alarm.fleeting = alarm.fleeting.saturating_add(1);
        }
        habit.cycles.push_back(alarm.raised_at);
        if habit.cycles.len() > CYCLES {
            habit.cycles.pop_front();
        }
        let first = habit.cycles.front().filter(|_| habit.cycles.len() == CYCLES);
        let chatters = first.is_some_and(|first| now.saturating_sub(*first) <= CYCLES_WITHIN_US);
        let began = chatters && !alarm.chattering;
        alarm.chattering |= chatters;
        if alarm.chattering {
            habit.quiet = Some(now.saturating_add(QUIET_US));
            self.timers.at(now.saturating_add(QUIET_US), Timer::Life(id));
        }
        let one_shot = alarm.shelf.shelved.as_ref().is_some_and(|shelved| shelved.one_shot);
        out.push(Effect::Alarm { alarm: id, change });
        if began {
            out.push(Effect::Alarm { alarm: id, change: Change::Nuisance });
        }
        self.tell_back(id, Reason::Cleared, out);
        if one_shot {
            self.end_shelf(id, false, out);
        }
    }

    /// Something of an alarm's life may be due: the end of a shelf, of chattering, of a day.
    pub(crate) fn life_due(&mut self, id: AlarmId, out: &mut Vec<Effect>) {
        let now = self.now;
        if self.alarms.get(&id).is_none_or(|alarm| alarm.closed) {
            return;
        }
        self.shelf_due(id, out);
        let held = self.alarms.get(&id).is_some_and(|alarm| alarm.held);
        let habit = self.habits.entry(id).or_default();
        if habit.settle.is_some_and(|due| due <= now) {
            if held {
                // Nobody can tell whether it is quiet.
                habit.settle = Some(now.saturating_add(SETTLE_US));
                self.timers.at(now.saturating_add(SETTLE_US), Timer::Life(id));
            } else {
                self.cleared(id, out);
            }
        }
        let habit = self.habits.entry(id).or_default();
        let Some(alarm) = self.alarms.get_mut(&id) else { return };
        match habit.quiet {
            Some(due) if due <= now => {
                *habit = Habit { watched: habit.watched, settle: habit.settle, lowered: habit.lowered, ..Habit::default() };
                (alarm.chattering, alarm.changed_at) = (false, now);
                out.push(Effect::Alarm { alarm: id, change: Change::Nuisance });
            }
            Some(due) => self.timers.at(due, Timer::Life(id)),
            None => {}
        }
        let stale_at = alarm.raised_at.saturating_add(STALE_US);
        if alarm.condition == Condition::Cleared {
            habit.watched &= now < stale_at;
        } else if now < stale_at {
            self.timers.at(stale_at, Timer::Life(id));
        } else if !alarm.stale {
            (habit.watched, alarm.stale, alarm.changed_at) = (false, true, now);
            out.push(Effect::Alarm { alarm: id, change: Change::Nuisance });
        }
        self.lowered_due(id, out);
    }

    /// The level fell while the condition stands.
    pub(crate) fn lowered(&mut self, id: AlarmId) {
        let Some(level) = self.alarms.get(&id).map(|alarm| alarm.severity_now) else { return };
        self.habits.entry(id).or_default().lowered = Some((self.now, level));
        self.timers.at(self.now.saturating_add(LOWERED_US), Timer::Life(id));
    }

    /// A level that fell and has stood long enough is told to each bureau that has heard nothing of the alarm since. Before somebody at the plant took it
    /// the worst still counts, and who takes it is told with the level of then. In a flood it waits: it is the least of what is to be told.
    fn lowered_due(&mut self, id: AlarmId, out: &mut Vec<Effect>) {
        let lowered = self.habits.get(&id).and_then(|habit| habit.lowered);
        let Some((since, level)) = lowered.filter(|(since, _)| self.now.saturating_sub(*since) >= LOWERED_US) else { return };
        let is_level = |alarm: &Alarm| [alarm.severity_now, alarm.severity] == [level; 2];
        let stands = |alarm: &&Alarm| alarm.condition == Condition::Active && is_level(alarm) && alarm.shelf.is_empty();
        let alarm = self.alarms.get(&id).filter(stands);
        if alarm.is_some_and(|alarm| alarm.held || self.floods().next().is_some()) {
            return self.timers.at(self.now.saturating_add(LOWERED_US), Timer::Life(id));
        }
        let is_told = alarm.is_some();
        if let Some(habit) = self.habits.get_mut(&id) {
            habit.lowered = None;
        }
        for audience in if is_told { self.bureaus_told(id) } else { Vec::new() } {
            if self.chains.get(&(id, audience)).is_none_or(|chain| chain.last_at <= since) {
                self.notify(id, audience, "", Reason::Lowered, out);
            }
        }
    }

    /// A new alarm is put before people.
    pub(crate) fn annunciated(&mut self, id: AlarmId) {
        let Some(alarm) = self.alarms.get(&id) else { return };
        let rungs = &self.ladder_of(alarm).rungs;
        let crew = rungs.iter().filter(|rung| rung.kind == RungKind::AtOnce).flat_map(|rung| &rung.audiences);
        let crew = crew.map(|audience| &self.site.audiences[*audience]);
        let mut names: Vec<String> = crew.filter(|audience| !audience.bureau).map(|audience| audience.name.clone()).collect();
        names.sort_unstable();
        names.dedup();
        if names.is_empty() {
            names.push(String::new());
        }
        for name in names {
            self.floods.entry(name).or_default().take(self.now);
        }
    }

    /// Crews in a flood. It hides nothing; red and orange are told one by one all the same.
    pub fn floods(&self) -> impl Iterator<Item = Flooded> {
        let on = self.floods.iter().filter(|(_, flood)| flood.is_on(self.now));
        on.filter_map(|(audience, flood)| Some(Flooded { audience: audience.clone(), since: flood.since?, count: flood.count }))
    }
}

#[cfg(test)]
mod tests;
