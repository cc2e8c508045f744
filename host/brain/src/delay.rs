//! A condition that must hold for a while before it counts, on the way up and on the way down.
//! Must not know: what the condition is.

use crate::reading::Micros;
use serde::{Deserialize, Serialize};

/// One delayed condition.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Delay {
    /// What counts.
    pub(crate) on: bool,
    /// Since when what is seen differs from what counts.
    differs_since: Option<Micros>,
}

/// What is seen now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Seen {
    /// Danger.
    Danger,
    /// No danger, on a value that can be believed.
    Well,
    /// Cannot be told: counts as danger while waiting to rise, and starts the wait to fall again.
    Doubt,
}

impl Delay {
    /// Takes what is seen. True = what counts has changed.
    pub(crate) fn see(&mut self, now: Micros, seen: Seen, on_us: Micros, off_us: Micros) -> bool {
        let differs = match seen {
            Seen::Danger => !self.on,
            Seen::Well => self.on,
            Seen::Doubt if self.on => {
                self.differs_since = None;
                return false;
            }
            Seen::Doubt => self.differs_since.is_some(),
        };
        if !differs {
            self.differs_since = None;
            return false;
        }
        self.differs_since.get_or_insert(now);
        self.ripen(now, on_us, off_us)
    }

    /// Time passed. True = what counts has changed.
    pub(crate) fn ripen(&mut self, now: Micros, on_us: Micros, off_us: Micros) -> bool {
        match self.due(on_us, off_us) {
            Some(due) if now >= due => {
                self.on = !self.on;
                self.differs_since = None;
                true
            }
            _ => false,
        }
    }

    /// When what counts would change if nothing else is seen.
    pub(crate) fn due(&self, on_us: Micros, off_us: Micros) -> Option<Micros> {
        self.differs_since.map(|since| since.saturating_add(if self.on { off_us } else { on_us }))
    }
}

#[cfg(test)]
mod tests {
    use super::Seen::{Danger, Doubt, Well};
    use super::*;

    fn check(timeline: &[(Micros, Seen)], expected: &[bool]) {
        let mut delay = Delay::default();
        let got: Vec<bool> = timeline
            .iter()
            .map(|(now, seen)| {
                delay.see(*now, *seen, 5, 10);
                delay.on
            })
            .collect();
        assert_eq!(got, expected, "{timeline:?}");
    }

    #[test]
    fn rises_after_on_delay_and_falls_after_off_delay() {
        check(
            &[(0, Danger), (4, Danger), (5, Danger), (6, Well), (15, Well), (16, Well)],
            &[false, false, true, true, true, false],
        );
    }

    #[test]
    fn a_gap_in_the_danger_starts_the_wait_again() {
        check(&[(0, Danger), (3, Well), (4, Danger), (8, Danger), (9, Danger)], &[false, false, false, false, true]);
    }

    #[test]
    fn doubt_counts_as_danger_on_the_way_up_and_starts_the_way_down_again() {
        check(&[(0, Danger), (3, Doubt), (5, Doubt)], &[false, false, true]);
        check(&[(0, Doubt), (9, Doubt)], &[false, false]);
        check(
            &[(0, Danger), (5, Danger), (6, Well), (12, Doubt), (16, Well), (25, Well), (26, Well)],
            &[false, true, true, true, true, true, false],
        );
    }
}
