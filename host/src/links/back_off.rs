//! How long to wait before the next try to connect. Must not know: what is connected.

use std::hash::{BuildHasher, Hasher};
use std::time::Duration;

/// First wait. Our own default, as are the two below.
const FIRST: Duration = Duration::from_millis(200);
/// Longest wait.
const LONGEST: Duration = Duration::from_secs(30);
/// A connection that lasted this long starts the waits from the beginning.
const STEADY: Duration = Duration::from_secs(60);

/// Waits that double from 0.2 s to 30 s, each shortened by up to a quarter at random so that many links do not return at once.
#[derive(Debug)]
pub(super) struct BackOff {
    next: Duration,
}

impl BackOff {
    pub(super) fn new() -> Self {
        BackOff { next: FIRST }
    }

    /// The wait after a connection that lasted so long; zero where it never came up.
    pub(super) fn after(&mut self, lasted: Duration) -> Duration {
        if lasted >= STEADY {
            self.next = FIRST;
        }
        let wait = self.next;
        self.next = (wait * 2).min(LONGEST);
        wait - wait.mul_f64(chance() / 4.0)
    }
}

/// A number in 0..1, different each time: the standard library seeds each `RandomState` anew.
fn chance() -> f64 {
    let bits = std::hash::RandomState::new().build_hasher().finish();
    (bits >> 11) as f64 / (1u64 << 53) as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_to_half_a_minute_and_start_again_after_a_steady_minute() {
        let mut back_off = BackOff::new();
        let mut full = 0.2;
        for _ in 0..12 {
            let wait = back_off.after(Duration::from_secs(59)).as_secs_f64();
            assert!(wait <= full + 1e-9 && wait >= full * 0.75 - 1e-9, "{wait} for {full}");
            full = f64::min(full * 2.0, 30.0);
        }
        assert!(back_off.after(STEADY) <= FIRST);
    }
}
