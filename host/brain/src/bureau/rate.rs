//! How much of what a plant should say of itself comes: heartbeats heard of those expected, per day. Counted while the bureau listens; what happens while
//! it does not is nobody's fault. Must not know: clocks, calendars (whoever counts says which day it is).

use super::{Bureau, Event, Line};
use crate::reading::Micros;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, VecDeque};

/// Days of which the rate is told, the present one included.
pub const DAYS: i64 = 30;
/// A plant that has never said how often it speaks is expected to so many times before it counts as silent.
const PER_SILENCE: u32 = 3;

/// Heartbeats of one plant in a stretch of time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Count {
    /// Came.
    pub came: u64,
    /// Were expected, thousandths: a stretch may be shorter than the time between two.
    pub expected_milli: u64,
}

impl Count {
    /// Both together.
    #[must_use]
    pub fn plus(self, other: Count) -> Count {
        Count { came: self.came + other.came, expected_milli: self.expected_milli + other.expected_milli }
    }

    /// The share that came, 0 to 1; none where nothing was expected.
    pub fn share(self) -> Option<f64> {
        (self.expected_milli > 0).then(|| (self.came as f64 * 1000.0 / self.expected_milli as f64).min(1.0))
    }
}

/// How a plant was heard, day by day.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rate {
    /// Days (since 1970, by the clock of the desk) and their counts, oldest first; those without any are left out.
    pub days: VecDeque<(i64, Count)>,
    /// Seconds between two heartbeats, as the plant said last; 0 = never.
    pub every_s: u32,
    /// Since it was counted last; on no record yet. What was expected is known in a picture alone.
    #[serde(skip)]
    pub live: Count,
}

impl Rate {
    /// The count of one day.
    pub fn of(&self, day: i64) -> Count {
        self.days.iter().find(|(known, _)| *known == day).map(|(_, count)| *count).unwrap_or_default()
    }

    /// The count of all days kept.
    pub fn all(&self) -> Count {
        self.days.iter().fold(Count::default(), |sum, (_, count)| sum.plus(*count))
    }

    fn add(&mut self, day: i64, count: Count) {
        match self.days.back_mut().filter(|(last, _)| *last >= day) {
            // A clock that was set back: what was heard belongs to the day that was counted last.
            Some((_, last)) => *last = last.plus(count),
            None => self.days.push_back((day, count)),
        }
        let newest = self.days.back().map_or(day, |(last, _)| *last);
        self.days.retain(|(known, _)| *known > newest.saturating_sub(DAYS));
    }
}

impl Bureau {
    /// What was heard since it was counted last, as one event of this day; none where nobody reports here. To be recorded every few minutes, at the end of a
    /// day, and before the program stops: what is not is not known any more after the next start.
    pub fn count(&self, at: Micros, day: i64) -> Option<Event> {
        let counts: BTreeMap<String, Count> =
            self.lines.iter().filter_map(|(name, line)| Some((name.clone(), self.live(at, line)?))).collect();
        (!counts.is_empty()).then_some(Event::Counted { day, counts })
    }

    /// What was heard of a plant that reports here, of what was expected, since it was counted last.
    pub(super) fn live(&self, at: Micros, line: &Line) -> Option<Count> {
        let watched_ms = at.saturating_sub(self.counted_at).max(0) / 1000;
        let silent_s = line.silent_s?;
        let every_s = if line.rate.every_s > 0 { line.rate.every_s } else { (silent_s / PER_SILENCE).max(1) };
        Some(Count { came: line.rate.live.came, expected_milli: u64::try_from(watched_ms).unwrap_or(0) / u64::from(every_s) })
    }

    pub(super) fn counted(&mut self, day: i64, counts: &BTreeMap<String, Count>) {
        self.counted_at = self.at;
        for (plant, count) in counts {
            let rate = &mut self.line(plant).rate;
            rate.live = Count::default();
            rate.add(day, *count);
        }
    }
}
