//! One version of a rule gone through recorded history: asked as a plant asks it, in the sandbox of every plant. Must not know: where readings are kept,
//! what the other version says.

use super::source::{Kept, Mark, Portion};
use super::told::Told;
use crate::cli::intervals::Interval;
use crate::rules::{Admitted, Instance, Used, thread_time};
use crate::store::{Batches, Merge};
use brain::event::StrikeKind;
use brain::feed::{Feed, Turn};
use brain::{Micros, Reading, Site, TagId};
use std::collections::BTreeMap;
use std::time::Duration;

/// Readings that are merged at once: few enough to stay in the processor's cache.
const AT_ONCE: usize = 4096;
/// No place in a feed.
const NOWHERE: u32 = u32::MAX;

/// What it cost.
#[derive(Clone, Debug, Default)]
pub struct Cost {
    /// Readings of its tags.
    pub readings: u64,
    /// Times it was asked.
    pub calls: u64,
    /// Batches that failed twice.
    pub skipped: u64,
    /// Failures by kind.
    pub strikes: BTreeMap<&'static str, u64>,
    /// The first of them.
    pub first_strike: Option<(Micros, String)>,
    /// Processor time of its thread, taking readings out of blocks.
    pub reading: Duration,
    /// Processor time of its thread, judging them.
    pub judging: Duration,
    /// Fuel and memory.
    pub used: Used,
}

/// What came of one version.
#[derive(Debug, Default)]
pub struct By {
    /// What it found.
    pub found: Vec<Interval>,
    /// From when until when a plant would have had it out of use.
    pub quarantined: Vec<(Micros, Option<Micros>)>,
    /// What it cost.
    pub cost: Cost,
}

/// A rule at work on the past.
pub struct Job {
    /// Position of the rule in the site file.
    pub place: usize,
    /// What it cost so far.
    pub cost: Cost,
    admitted: Admitted,
    instance: Instance,
    feed: Feed,
    /// Tag of the site -> place in the feed.
    places: Vec<u32>,
    told: Told,
    /// Nothing is asked before the first reading.
    started: bool,
    /// Last moment that was lived through.
    now: Micros,
}

impl Job {
    /// Knows nothing yet.
    pub fn new(site: &Site, place: usize, admitted: &Admitted) -> Job {
        let feed = Feed::new(site, &admitted.rule);
        let mut places = vec![NOWHERE; site.tags.len()];
        for (place, (id, _)) in feed.tags().enumerate() {
            places[id.0 as usize] = place as u32;
        }
        Job {
            place,
            cost: Cost::default(),
            instance: Instance::of_history(admitted),
            feed,
            places,
            told: Told::new(&admitted.rule.hazards),
            admitted: admitted.clone(),
            started: false,
            now: 0,
        }
    }

    /// Lives through a portion of the past.
    ///
    /// # Errors
    /// What is kept of it cannot be read.
    pub fn live(&mut self, portion: &Portion) -> anyhow::Result<()> {
        let mut marks = portion.marks.iter().peekable();
        match &portion.kept {
            Kept::Day(day, within) => {
                let mut clock = thread_time();
                let tags: Vec<String> = self.feed.tags().map(|(_, name)| name.to_owned()).collect();
                let blocks = tags.iter().map(|tag| day.blocks(tag, within)).collect::<anyhow::Result<_>>()?;
                let (mut merge, mut batches) = (Merge::new(blocks, within.clone())?, Batches::default());
                while merge.next(AT_ONCE, &mut batches)? {
                    self.cost.reading += lap(&mut clock);
                    for (at, readings) in batches.iter() {
                        self.marks(&mut marks, at);
                        self.take(at, readings.iter().copied());
                    }
                    self.cost.judging += lap(&mut clock);
                }
            }
            Kept::Batches(batches) => {
                let mut clock = thread_time();
                for (at, readings) in batches.iter() {
                    self.marks(&mut marks, at);
                    let places = std::mem::take(&mut self.places);
                    let placed = readings.iter().filter(|reading| places[reading.tag.0 as usize] != NOWHERE);
                    let placed = placed.map(|reading| Reading { tag: TagId(places[reading.tag.0 as usize]), ..*reading });
                    self.take(at, placed);
                    self.places = places;
                }
                self.cost.judging += lap(&mut clock);
            }
        }
        self.marks(&mut marks, Micros::MAX);
        self.cost.used = self.cost.used.most(self.instance.used());
        Ok(())
    }

    /// First moment behind the last that it lived through.
    pub fn until(&self) -> Micros {
        self.now + 1
    }

    /// What came of it, once it has lived on to the end.
    pub fn finish(mut self, end: Micros, file: &str) -> By {
        if self.started {
            let Job { admitted, feed, instance, told, cost, .. } = &mut self;
            feed.pass(end, &mut |at, turn| met((admitted, instance), told, cost, at, turn));
        }
        let found = self.told.finish(end).into_iter().map(|interval| Interval { file: file.to_owned(), ..interval });
        By { found: found.collect(), quarantined: self.feed.quarantined().to_vec(), cost: self.cost }
    }

    fn take(&mut self, at: Micros, readings: impl Iterator<Item = Reading>) {
        let Job { admitted, feed, instance, told, cost, .. } = self;
        let mut count = 0;
        let counted = readings.inspect(|_| count += 1);
        let ask = &mut |at: Micros, turn: Turn<'_>| met((admitted, instance), told, cost, at, turn);
        if !std::mem::replace(&mut self.started, true) {
            feed.start(at, ask);
        }
        feed.pass(at, ask);
        feed.take(at, counted, ask);
        cost.readings += count;
        self.now = at;
    }

    /// What happened to the plant up to `until`.
    fn marks<'m>(&mut self, marks: &mut std::iter::Peekable<impl Iterator<Item = &'m (Micros, Mark)>>, until: Micros) {
        while let Some((at, mark)) = marks.next_if(|(at, _)| *at <= until) {
            let fresh = *mark == Mark::Started;
            if fresh {
                // As a plant does: what a rule knew ends with the program.
                self.cost.used = self.cost.used.most(self.instance.used());
                self.instance = Instance::of_history(&self.admitted);
            }
            let Job { admitted, feed, instance, told, cost, .. } = self;
            let ask = &mut |at: Micros, turn: Turn<'_>| met((admitted, instance), told, cost, at, turn);
            match mark {
                Mark::Started => {
                    self.started = true;
                    feed.start(*at, ask);
                }
                Mark::Link { link, is_up } if self.started => {
                    feed.pass(*at, ask);
                    feed.link(*at, *link, *is_up, ask);
                }
                Mark::Link { .. } => {}
            }
        }
    }
}

/// What a rule meets, and the strikes that it cost.
fn met((admitted, instance): (&Admitted, &mut Instance), told: &mut Told, cost: &mut Cost, at: Micros, turn: Turn<'_>) -> usize {
    let rows = match turn {
        Turn::Asked(rows) => rows,
        Turn::Out => {
            told.blind_all(at);
            return 0;
        }
        Turn::Back => {
            cost.used = cost.used.most(instance.used());
            *instance = Instance::of_history(admitted);
            return 0;
        }
    };
    let answer = instance.evaluate(at, rows);
    cost.calls += 1;
    for strike in &answer.strikes {
        *cost.strikes.entry(word(strike.kind)).or_default() += 1;
        cost.first_strike.get_or_insert_with(|| (at, strike.to_string()));
    }
    cost.skipped += u64::from(answer.skipped);
    told.take(at, &answer);
    answer.strikes.len()
}

fn word(kind: StrikeKind) -> &'static str {
    match kind {
        StrikeKind::Trap => "trap",
        StrikeKind::Fuel => "fuel",
        StrikeKind::Deadline => "deadline",
        StrikeKind::Memory => "memory",
        StrikeKind::Result => "result",
        StrikeKind::Log => "log",
        StrikeKind::Nonsense => "nonsense",
        StrikeKind::Overrun => "overrun",
        StrikeKind::Skipped => "skipped",
    }
}

/// Processor time since the last lap.
fn lap(clock: &mut Duration) -> Duration {
    let now = thread_time();
    now.saturating_sub(std::mem::replace(clock, now))
}
