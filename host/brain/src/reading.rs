//! What the field told us: a tag, its value, whether to believe it, and when it was measured.
//! Must not know: protocols, payloads, or what a value means for safety.

use serde::{Deserialize, Serialize};

/// Microseconds since 1970-01-01 UTC, in brain time unless it says otherwise: what a clock shows that nobody sets. Wherever the wall clock was set,
/// [`crate::Clock`] tells how far it is ahead.
pub type Micros = i64;

/// Index of a tag in [`crate::site::Site::tags`]. Valid for one configuration only; names are what lasts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct TagId(pub u32);

/// May we believe a value: 0 good, 1-127 doubtful, 128-255 bad. Codes as in `wit/rule/rule.wit`; an unknown code keeps its band.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Quality(pub u8);

#[allow(missing_docs)] // the names are the table of wit/rule/rule.wit
impl Quality {
    pub const GOOD: Quality = Quality(0);
    pub const DOUBTFUL: Quality = Quality(1);
    pub const OUT_OF_SPECIFICATION: Quality = Quality(2);
    pub const LATE: Quality = Quality(3);
    pub const BY_HAND: Quality = Quality(4);
    pub const SIMULATED: Quality = Quality(5);
    pub const BAD: Quality = Quality(128);
    pub const SENSOR_FAILURE: Quality = Quality(129);
    pub const SILENT: Quality = Quality(130);
    pub const LINK_LOST: Quality = Quality(131);
    pub const IMPOSSIBLE: Quality = Quality(132);
    pub const FROZEN: Quality = Quality(133);
    pub const NEVER_SEEN: Quality = Quality(134);

    /// Fully believed.
    pub fn is_good(self) -> bool {
        self.0 == 0
    }
    /// Not believed at all.
    pub fn is_bad(self) -> bool {
        self.0 >= 128
    }
    /// The worse of two. Quality only gets worse along the path.
    #[must_use]
    pub fn worst(self, other: Quality) -> Quality {
        Quality(self.0.max(other.0))
    }
    /// Stable word for the API and the translation files (`quality.<word>`).
    pub fn word(self) -> &'static str {
        match self.0 {
            0 => "good",
            2 => "out_of_specification",
            3 => "late",
            4 => "by_hand",
            5 => "simulated",
            1..=127 => "doubtful",
            129 => "sensor_failure",
            130 => "silent",
            131 => "link_lost",
            132 => "impossible",
            133 => "frozen",
            134 => "never_seen",
            128..=255 => "bad",
        }
    }
}

/// One measured point in time. `value` is in the tag's unit and may be NaN only when `quality` is bad.
/// Arrival time is the `at` of the event that carries it.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Reading {
    /// Whose value.
    pub tag: TagId,
    /// In the tag's unit.
    #[serde(with = "crate::words::number")]
    pub value: f64,
    /// As judged by the link: the brain may make it worse, never better.
    pub quality: Quality,
    /// When the source says it was measured, reckoned to brain time by the wall clock as known then; the arrival time where the source does not say.
    pub source_us: Micros,
}
