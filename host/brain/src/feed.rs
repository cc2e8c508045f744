//! What one rule is asked, from readings alone: the same rows at the same times as [`crate::Brain`] asks it, without the alarms and the people. For
//! back-tests over long histories. Must not know: where readings come from, what a rule answers.

use crate::event::Row;
use crate::reading::{Micros, Quality, Reading, TagId};
use crate::rule::{returns_at, struck};
use crate::site::{Quarantine, Rule, Site, Tag};
use crate::table::{TagState, Taken};
use crate::timer::{Timer, Timers, ms};
use std::collections::VecDeque;

/// Time between readings passes in steps of this, as it does in a live plant.
pub const TICK_US: Micros = 1_000_000;

/// No deadline.
const NEVER: Micros = Micros::MAX;

/// What a rule meets.
#[derive(Clone, Copy, Debug)]
pub enum Turn<'r> {
    /// It is asked, with these rows; none: only time passed. Answered by the number of strikes that it cost.
    Asked(&'r [Row]),
    /// It is out of use.
    Out,
    /// Its quarantine is over: a fresh instance begins.
    Back,
}

/// The calls of one rule. What it meets is handed to `ask`, with its time.
pub struct Feed {
    now: Micros,
    tags: Vec<Fed>,
    /// Called without rows when this long has passed; 0 = never.
    tick: Micros,
    consulted_at: Micros,
    /// Apart from the timers: it falls due all the time.
    ask_due: Micros,
    /// Of tags, and of a return.
    timers: Timers,
    rows: Vec<Row>,
    strikes: VecDeque<Micros>,
    quarantined: Vec<(Micros, Option<Micros>)>,
    quarantine: Quarantine,
}

/// One tag of the rule.
struct Fed {
    id: TagId,
    tag: Tag,
    handles: Vec<u32>,
    state: TagState,
    doubted: bool,
    /// Its link is up, or not; none: nothing was heard of it since the start.
    link: Option<bool>,
}

impl Feed {
    /// For a rule of this site that has seen nothing.
    pub fn new(site: &Site, rule: &Rule) -> Feed {
        let mut tags: Vec<Fed> = vec![];
        for (handle, id) in rule.inputs.iter().enumerate() {
            match tags.iter_mut().find(|fed| fed.id == *id) {
                Some(fed) => fed.handles.push(handle as u32),
                None => tags.push(Fed {
                    id: *id,
                    tag: site.tags[id.0 as usize].clone(),
                    handles: vec![handle as u32],
                    state: TagState::new(),
                    doubted: false,
                    link: None,
                }),
            }
        }
        let tick = ms(rule.tick_ms);
        Feed {
            now: 0,
            tags,
            tick,
            consulted_at: 0,
            ask_due: NEVER,
            timers: Timers::default(),
            rows: vec![],
            strikes: VecDeque::new(),
            quarantined: vec![],
            quarantine: site.quarantine,
        }
    }

    /// The tags it is bound to, each once: [`Reading::tag`] of what is given to [`Feed::take`] is a position in this list.
    pub fn tags(&self) -> impl Iterator<Item = (TagId, &str)> {
        self.tags.iter().map(|fed| (fed.id, fed.tag.name.as_str()))
    }

    /// From when until when it was out of use, as it would have been in this plant: it comes back by itself once, and then waits for a person, who is
    /// not here.
    pub fn quarantined(&self) -> &[(Micros, Option<Micros>)] {
        &self.quarantined
    }

    fn is_out(&self) -> bool {
        self.quarantined.last().is_some_and(|(_, until)| until.is_none())
    }

    /// The plant is watched from here on: also after a stop, whose time does not count.
    pub fn start(&mut self, at: Micros, ask: &mut impl FnMut(Micros, Turn<'_>) -> usize) {
        self.now = self.now.max(at);
        for fed in &mut self.tags {
            (fed.state.waiting_since, fed.state.same_since, fed.link) = (self.now, self.now, None);
            self.timers.at(self.now.saturating_add(ms(fed.tag.silent_ms)), Timer::Silent(fed.id.0));
            if let Some(frozen_ms) = fed.tag.frozen_ms {
                self.timers.at(self.now.saturating_add(ms(frozen_ms)), Timer::Frozen(fed.id.0));
            }
        }
        self.step(at, ask);
        self.begin(ask);
    }

    /// It knows nothing: it is told what is lost, and asked soon.
    fn begin(&mut self, ask: &mut impl FnMut(Micros, Turn<'_>) -> usize) {
        if self.tick > 0 {
            self.ask_due = self.ask_due.min(self.now);
        }
        let mut lost: Vec<usize> = (0..self.tags.len()).filter(|place| self.tags[*place].doubted).collect();
        lost.sort_by_key(|place| self.tags[*place].id);
        for place in lost {
            let value = self.tags[place].state.shown();
            self.collect(place, value);
        }
        self.consult(ask);
    }

    /// Time passes, second by second, up to before `until`.
    pub fn pass(&mut self, until: Micros, ask: &mut impl FnMut(Micros, Turn<'_>) -> usize) {
        while self.now.saturating_add(TICK_US) < until {
            self.step(self.now + TICK_US, ask);
        }
    }

    /// These readings arrived together.
    pub fn take(
        &mut self,
        at: Micros,
        readings: impl IntoIterator<Item = Reading>,
        ask: &mut impl FnMut(Micros, Turn<'_>) -> usize,
    ) {
        self.step(at, ask);
        for reading in readings {
            let place = reading.tag.0 as usize;
            let Some(fed) = self.tags.get_mut(place) else { continue };
            let was_silent = fed.state.silent;
            match fed.state.take(&fed.tag, self.now, &reading) {
                Taken::Duplicate => {}
                Taken::Older => fed.state.waiting_since = self.now,
                Taken::New => {
                    if was_silent || fed.state.now.count == 1 {
                        self.timers.at(self.now.saturating_add(ms(fed.tag.silent_ms)), Timer::Silent(fed.id.0));
                    }
                    fed.doubted = fed.state.now.quality.is_bad();
                    let value = fed.state.now.value;
                    self.collect(place, value);
                }
            }
        }
        self.consult(ask);
    }

    /// A link, by its position in the site, went down or came up.
    pub fn link(&mut self, at: Micros, link: usize, is_up: bool, ask: &mut impl FnMut(Micros, Turn<'_>) -> usize) {
        self.step(at, ask);
        let mut places: Vec<usize> = (0..self.tags.len()).filter(|place| self.tags[*place].tag.link == link).collect();
        places.sort_by_key(|place| self.tags[*place].id);
        for place in places {
            let fed = &mut self.tags[place];
            let was_up = fed.link.replace(is_up) == Some(true);
            if !is_up {
                fed.state.now.quality = fed.state.now.quality.worst(Quality::LINK_LOST);
                self.lose(place, ask);
            } else if !was_up {
                (fed.state.waiting_since, fed.state.same_since) = (self.now, self.now);
                self.timers.at(self.now.saturating_add(ms(fed.tag.silent_ms)), Timer::Silent(fed.id.0));
            }
        }
    }

    /// Everything that has fallen due by `at`, in order.
    fn step(&mut self, at: Micros, ask: &mut impl FnMut(Micros, Turn<'_>) -> usize) {
        self.now = self.now.max(at);
        loop {
            // At the same instant a tag comes before the rule.
            let timer = self.timers.iter().next().map_or(NEVER, |(due, _)| due);
            if timer.min(self.ask_due) > self.now {
                return;
            }
            if self.ask_due < timer {
                self.ask_due(ask);
                continue;
            }
            // Nothing else was set.
            match self.timers.due(self.now) {
                Some(Timer::Silent(id)) => self.silent(id, ask),
                Some(Timer::Frozen(id)) => self.frozen(id, ask),
                Some(Timer::Return(_)) => self.back(ask),
                Some(_) | None => return,
            }
        }
    }

    fn silent(&mut self, id: u32, ask: &mut impl FnMut(Micros, Turn<'_>) -> usize) {
        let Some(place) = self.tags.iter().position(|fed| fed.id.0 == id) else { return };
        let fed = &mut self.tags[place];
        let due = fed.state.waiting_since.saturating_add(ms(fed.tag.silent_ms));
        if fed.state.silent || fed.link == Some(false) {
            return;
        }
        if due > self.now {
            self.timers.at(due, Timer::Silent(id));
            return;
        }
        fed.state.silent = true;
        if fed.state.now.count > 0 {
            fed.state.now.quality = fed.state.now.quality.worst(Quality::SILENT);
        }
        self.lose(place, ask);
    }

    fn frozen(&mut self, id: u32, ask: &mut impl FnMut(Micros, Turn<'_>) -> usize) {
        let Some(place) = self.tags.iter().position(|fed| fed.id.0 == id) else { return };
        let (now, fed) = (self.now, &mut self.tags[place]);
        let stands = !fed.state.frozen && fed.state.stands_still(&fed.tag, now) && !fed.state.silent;
        let next = fed.state.same_since.saturating_add(ms(fed.tag.frozen_ms.unwrap_or_default())).max(now + TICK_US);
        self.timers.at(next, Timer::Frozen(id));
        if stands {
            fed.state.frozen = true;
            fed.state.now.quality = fed.state.now.quality.worst(Quality::FROZEN);
            self.lose(place, ask);
        }
    }

    fn ask_due(&mut self, ask: &mut impl FnMut(Micros, Turn<'_>) -> usize) {
        if self.now >= self.consulted_at.saturating_add(self.tick) {
            self.call(ask);
        }
        self.ask_due = self.consulted_at.saturating_add(self.tick).max(self.now + 1);
    }

    /// A tag is lost without a reading that says so.
    fn lose(&mut self, place: usize, ask: &mut impl FnMut(Micros, Turn<'_>) -> usize) {
        if !std::mem::replace(&mut self.tags[place].doubted, true) {
            let value = self.tags[place].state.shown();
            self.collect(place, value);
            self.consult(ask);
        }
    }

    fn collect(&mut self, place: usize, value: f64) {
        let Fed { handles, state, .. } = &self.tags[place];
        let row = |handle: &u32| Row { handle: *handle, value, quality: state.now.quality, source_us: state.now.source_us };
        self.rows.extend(handles.iter().map(row));
    }

    fn consult(&mut self, ask: &mut impl FnMut(Micros, Turn<'_>) -> usize) {
        if !self.rows.is_empty() {
            self.call(ask);
            self.rows.clear();
        }
    }

    fn call(&mut self, ask: &mut impl FnMut(Micros, Turn<'_>) -> usize) {
        if self.is_out() {
            return;
        }
        self.consulted_at = self.now;
        for _ in 0..ask(self.now, Turn::Asked(&self.rows)) {
            if struck(&mut self.strikes, self.now, &self.quarantine) && !self.is_out() {
                let returned = !self.quarantined.is_empty();
                self.strikes.clear();
                self.quarantined.push((self.now, None));
                if let Some(at) = returns_at(self.now, &self.quarantine, returned) {
                    self.timers.at(at, Timer::Return(0));
                }
                ask(self.now, Turn::Out);
            }
        }
    }

    fn back(&mut self, ask: &mut impl FnMut(Micros, Turn<'_>) -> usize) {
        if let Some((_, until)) = self.quarantined.last_mut() {
            *until = Some(self.now);
        }
        ask(self.now, Turn::Back);
        self.begin(ask);
    }
}

#[cfg(test)]
mod tests;
