//! The time the shell hands in. Runs with the monotonic clock and follows the wall clock only in small corrections, so that a clock step
//! neither fires nor loses a deadline. Must not know: who uses the time.

use brain::Micros;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

/// Differences between wall and brain time up to this are drift and are corrected at once; larger ones are a clock step and are not followed.
const DRIFT_MAX_US: Micros = 500_000;

/// The wall clock, microseconds since 1970-01-01 UTC.
pub fn wall() -> Micros {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |d| Micros::try_from(d.as_micros()).unwrap_or(Micros::MAX))
}

/// Brain time: never goes back, never jumps.
pub struct Clock {
    base: Micros,
    since: Instant,
}

impl Clock {
    /// Starts at the wall clock, or just after `last`, the last time on record, where the wall clock is behind it.
    pub fn starting_after(last: Micros) -> Self {
        Clock { base: wall().max(last), since: Instant::now() }
    }

    /// The present.
    pub fn now(&self) -> Micros {
        self.base + Micros::try_from(self.since.elapsed().as_micros()).unwrap_or(Micros::MAX - self.base)
    }

    /// Follows a drift of the wall clock; returns the difference it did not follow (wall - brain), 0 when they agree.
    pub fn follow(&mut self) -> Micros {
        let ahead = wall() - self.now();
        match ahead {
            0..=DRIFT_MAX_US => {
                self.base += ahead;
                0
            }
            _ if (-DRIFT_MAX_US..0).contains(&ahead) => 0,
            step => step,
        }
    }
}
