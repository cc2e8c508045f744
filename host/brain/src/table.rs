//! The last-known table: what each tag said last, and whether to believe it. Owns the judgement of quality.
//! Must not know: limits, alarms.

use crate::brain::TagNow;
use crate::reading::{Micros, Quality, Reading};
use crate::site::Tag;
use crate::timer::ms;
use serde::{Deserialize, Serialize};

/// A jump faster than physics is doubted this many readings long, then accepted: a real explosion also jumps.
const JUMPS_DOUBTED: u8 = 3;

/// One tag.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct TagState {
    pub(crate) now: TagNow,
    /// Silence counts from here: the last arrival, or the moment the link came up.
    pub(crate) waiting_since: Micros,
    /// Since when the value has not changed.
    pub(crate) same_since: Micros,
    /// Said to be silent.
    pub(crate) silent: bool,
    /// Said to be frozen.
    pub(crate) frozen: bool,
    /// Last value that was not bad: what a frozen tag stands at.
    #[serde(with = "crate::words::number", default = "never")]
    believed: f64,
    /// Since when only readings older than what is known have come.
    only_older_since: Option<Micros>,
    /// Last value that was no jump.
    #[serde(with = "crate::words::number")]
    steady: f64,
    /// Its source time.
    steady_us: Micros,
    /// Jumps doubted since then.
    jumps: u8,
}

/// What became of a reading.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Taken {
    /// The same reading again (a redelivery).
    Duplicate,
    /// Older than what is known: kept in the journal, not judged against newer ones.
    Older,
    /// The present value.
    New,
}

impl TagState {
    pub(crate) fn new() -> Self {
        let now = TagNow { value: f64::NAN, quality: Quality::NEVER_SEEN, source_us: 0, arrived_us: 0, count: 0 };
        TagState {
            now,
            waiting_since: 0,
            same_since: 0,
            silent: false,
            frozen: false,
            believed: never(),
            only_older_since: None,
            steady: f64::NAN,
            steady_us: 0,
            jumps: 0,
        }
    }

    /// Takes one reading that arrived `at`.
    pub(crate) fn take(&mut self, tag: &Tag, at: Micros, reading: &Reading) -> Taken {
        let known = self.now;
        let same_value = reading.value == known.value || (reading.value.is_nan() && known.value.is_nan());
        if known.count > 0 && reading.source_us <= known.source_us {
            if reading.source_us == known.source_us && same_value && reading.quality <= known.quality {
                return Taken::Duplicate;
            }
            // A late batch ends. Nothing but older readings for as long as a silence lasts: the source's clock went back, its values count.
            let since = *self.only_older_since.get_or_insert(at);
            if reading.source_us < known.source_us && at.saturating_sub(since) <= ms(tag.silent_ms) {
                self.now.count += 1;
                return Taken::Older;
            }
        }
        let quality = self.judge(tag, at, reading);
        if !same_value || known.count == 0 {
            self.same_since = at;
        }
        // A bad value shows nothing of the sensor moving again.
        if !quality.is_bad() {
            self.frozen &= reading.value == self.believed;
            self.believed = reading.value;
        }
        self.now =
            TagNow { value: reading.value, quality, source_us: reading.source_us, arrived_us: at, count: self.now.count + 1 };
        // A value that is bad for a reason of its own keeps that reason: standing still would hide it.
        if self.frozen && !quality.is_bad() {
            self.now.quality = Quality::FROZEN;
        }
        self.waiting_since = at;
        self.only_older_since = None;
        self.silent = false;
        Taken::New
    }

    /// The present value, or where that is no number the last one that was not bad; NaN: never a number.
    pub(crate) fn shown(&self) -> f64 {
        if self.now.value.is_nan() { self.believed } else { self.now.value }
    }

    /// Quality only gets worse than the link said.
    fn judge(&mut self, tag: &Tag, at: Micros, reading: &Reading) -> Quality {
        let mut quality = reading.quality;
        if !quality.is_bad() && !(reading.value >= tag.low && reading.value <= tag.high) {
            quality = Quality::IMPOSSIBLE;
        }
        let back = self.now.count > 0 && reading.source_us < self.now.source_us;
        if back || at.saturating_sub(reading.source_us) > ms(tag.silent_ms) {
            quality = quality.worst(Quality::LATE);
        }
        if self.jumped(tag, reading) && self.jumps < JUMPS_DOUBTED {
            self.jumps += 1;
            quality = quality.worst(Quality::DOUBTFUL);
        } else {
            self.jumps = 0;
            (self.steady, self.steady_us) = (reading.value, reading.source_us);
        }
        quality
    }

    fn jumped(&self, tag: &Tag, reading: &Reading) -> bool {
        let Some(most) = tag.max_per_s else { return false };
        if self.now.count == 0 || self.now.quality.is_bad() {
            return false;
        }
        let seconds = (reading.source_us - self.steady_us) as f64 / 1e6;
        (reading.value - self.steady).abs() > most * seconds
    }

    /// Whether the value has stood still too long by `now`. The bottom of the range may stand still: a healthy detector reads zero for months.
    /// A bad value is told as bad, not as standing still.
    pub(crate) fn stands_still(&self, tag: &Tag, now: Micros) -> bool {
        tag.frozen_ms.is_some_and(|limit| {
            self.now.count > 0
                && !self.now.quality.is_bad()
                && !(self.now.value <= tag.low)
                && now.saturating_sub(self.same_since) >= ms(limit)
        })
    }
}

/// No value yet; also what a snapshot of an earlier version knows.
fn never() -> f64 {
    f64::NAN
}

#[cfg(test)]
mod tests;
