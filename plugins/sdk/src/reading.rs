//! One row of a bound input and how far it can be believed. Must not know: hazards.

use crate::Evidence;

/// Whether a value can be believed: 0 good, 1-127 doubtful, 128-255 bad. New codes keep their band.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Quality(pub u8);

impl Quality {
    /// Nothing is wrong with it.
    pub const GOOD: Quality = Quality(0);
    /// Out of its specification.
    pub const OUT_OF_SPECIFICATION: Quality = Quality(2);
    /// Arrived after newer rows.
    pub const LATE: Quality = Quality(3);
    /// Bad for no stated reason.
    pub const BAD: Quality = Quality(128);
    /// The sensor says it failed.
    pub const SENSOR_FAILURE: Quality = Quality(129);
    /// Nothing came for too long; the row repeats the last one.
    pub const SILENT: Quality = Quality(130);
    /// Outside the tag's range, or no number.
    pub const IMPOSSIBLE: Quality = Quality(132);
    /// Nothing ever came.
    pub const NEVER_SEEN: Quality = Quality(134);

    /// Good, without any doubt.
    pub fn is_good(self) -> bool {
        self.0 == 0
    }
    /// Not to be used for any verdict.
    pub fn is_bad(self) -> bool {
        self.0 >= 128
    }
}

/// On which side of a limit danger lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// At the limit and above.
    High,
    /// At the limit and below.
    Low,
}

impl Side {
    /// The value is at the limit or further into danger; so is one that is no number.
    pub fn reaches(self, value: f64, limit: f64) -> bool {
        match self {
            Side::High => !(value < limit),
            Side::Low => !(value > limit),
        }
    }
}

/// One row.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Reading {
    /// Handle of the bound tag, as in [`crate::Place::handle`].
    pub handle: u32,
    /// In the unit the input declared. `NaN` only when bad.
    pub value: f64,
    /// Whether to believe it.
    pub quality: Quality,
    /// When it was measured, microseconds since 1970. Unlike the batch's time it may go back.
    pub at: i64,
}

impl Reading {
    /// Not bad, and a number. Doubtful rows are believed: a doubtful danger is a danger. See [`crate::Latest::counts`] for values beyond
    /// their range.
    #[inline]
    pub fn believed(&self) -> bool {
        !self.quality.is_bad() && self.value.is_finite()
    }
    /// This row as evidence, held against no limit.
    pub fn evidence(&self) -> Evidence {
        Evidence { handle: self.handle, value: self.value, at: self.at, limit: None }
    }
    /// This row as evidence, held against `limit`, which comes from the parameter `param`.
    pub fn against(&self, limit: f64, param: &'static str) -> Evidence {
        Evidence { limit: Some((limit, param)), ..self.evidence() }
    }
}
