//! On- and off-delay. Runs on batch time, which never goes back. Must not know: what is delayed.

use crate::{Reader, State, Writer};

/// Microseconds in a second.
pub const SECOND: i64 = 1_000_000;

/// `out` becomes true once `in` was true for `on` without a break, and false once it was false for `off` without a break.
#[derive(Clone, Debug)]
pub struct Delay {
    on_us: i64,
    off_us: i64,
    out: bool,
    /// Since when `in` differs from `out`.
    since: Option<i64>,
}

impl Delay {
    /// Delays in seconds; 0 = at once.
    pub fn seconds(on: u32, off: u32) -> Delay {
        Delay { on_us: i64::from(on) * SECOND, off_us: i64::from(off) * SECOND, out: false, since: None }
    }
    /// Changes the on-delay, seconds.
    pub fn set_on_s(&mut self, seconds: u32) {
        self.on_us = i64::from(seconds) * SECOND;
    }
    /// Changes the off-delay, seconds.
    pub fn set_off_s(&mut self, seconds: u32) {
        self.off_us = i64::from(seconds) * SECOND;
    }
    /// Takes the state at `at` and returns the delayed one.
    #[inline]
    pub fn update(&mut self, at: i64, raised: bool) -> bool {
        if raised == self.out {
            self.since = None;
            return self.out;
        }
        let since = *self.since.get_or_insert(at);
        let wait = if raised { self.on_us } else { self.off_us };
        if at.saturating_sub(since) >= wait {
            self.out = raised;
            self.since = None;
        }
        self.out
    }
    /// The delayed state.
    #[inline]
    pub fn out(&self) -> bool {
        self.out
    }
}

/// The state, not the delays.
impl State for Delay {
    fn save(&self, out: &mut Writer) {
        self.out.save(out);
        self.since.save(out);
    }
    fn load(&mut self, from: &mut Reader) -> Result<(), String> {
        self.out.load(from)?;
        self.since.load(from)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_both_ways_and_starts_over_after_a_break() {
        let mut delay = Delay::seconds(5, 60);
        assert!(!delay.update(0, true));
        assert!(!delay.update(4 * SECOND, false));
        assert!(!delay.update(5 * SECOND, true));
        assert!(!delay.update(9 * SECOND, true));
        assert!(delay.update(10 * SECOND, true));
        assert!(delay.update(11 * SECOND, false));
        assert!(delay.update(70 * SECOND, false));
        assert!(!delay.update(71 * SECOND, false));
    }

    #[test]
    fn without_delay_it_follows_at_once() {
        let mut delay = Delay::seconds(0, 0);
        assert!(delay.update(0, true));
        assert!(!delay.update(0, false));
    }
}
