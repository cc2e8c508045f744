//! Smoothing and slow shifts: EWMA and CUSUM. Plain arithmetic only (no `exp`), so that a rule says the same natively and as a component.
//! Must not know: what is measured.

use crate::{Reader, SECOND, Side, State, Writer};

/// Exponentially weighted moving average over time, for rows that come at any pace.
///
/// `z += a (x - z)` with `a = dt / (tau + dt)`: the step response reaches 63 % after about `tau`. The first value is taken as it is.
/// Source: S. W. Roberts, *Control Chart Tests Based on Geometric Moving Averages*, Technometrics 1 (1959); NIST/SEMATECH e-Handbook
/// 6.3.2.4. The weight is the implicit Euler step of `tau dz/dt = x - z` (recalled), at most `dt²/2tau²` away from `1 - exp(-dt/tau)`.
#[derive(Clone, Debug)]
pub struct Ewma {
    tau_us: f64,
    at: Option<i64>,
    value: f64,
}

impl Ewma {
    /// Time constant in seconds; 0 or less: no smoothing.
    pub fn seconds(tau: f64) -> Ewma {
        Ewma { tau_us: (tau * SECOND as f64).max(0.0), at: None, value: f64::NAN }
    }
    /// Adds a value at batch time `at` and returns the average; `NaN` before the first. What is no number is left out.
    pub fn push(&mut self, at: i64, value: f64) -> f64 {
        if value.is_finite() {
            let passed = self.at.map(|before| at.saturating_sub(before).max(0) as f64);
            self.value = match passed {
                None => value,
                Some(passed) if self.tau_us + passed > 0.0 => self.value + passed / (self.tau_us + passed) * (value - self.value),
                Some(_) => value, // no smoothing, and no time passed
            };
            self.at = Some(at);
        }
        self.value
    }
    /// The average; `NaN` before the first value.
    pub fn value(&self) -> f64 {
        self.value
    }
}

impl State for Ewma {
    fn save(&self, out: &mut Writer) {
        self.at.save(out);
        self.value.save(out);
    }
    fn load(&mut self, from: &mut Reader) -> Result<(), String> {
        self.at.load(from)?;
        self.value.load(from)
    }
}

/// Two-sided tabular CUSUM: sees a small lasting shift that no single row shows.
///
/// `up = max(0, up + (x - target - slack))`, `down = max(0, down + (target - slack - x))`; a shift is seen where a sum reaches `limit`.
/// With `slack` = half the shift to find and `limit` = 4 to 5 standard deviations, the usual choice.
/// Source: E. S. Page, *Continuous Inspection Schemes*, Biometrika 41 (1954); NIST/SEMATECH e-Handbook 6.3.2.3. Counts rows, not time.
#[derive(Clone, Debug)]
pub struct Cusum {
    target: f64,
    slack: f64,
    limit: f64,
    up: f64,
    down: f64,
}

impl Cusum {
    /// All three in the unit of the values; `slack` and `limit` are not negative.
    pub fn new(target: f64, slack: f64, limit: f64) -> Cusum {
        Cusum { target, slack, limit, up: 0.0, down: 0.0 }
    }
    /// Adds a row. What is no number is left out.
    pub fn push(&mut self, value: f64) {
        if value.is_finite() {
            self.up = (self.up + (value - self.target - self.slack)).max(0.0);
            self.down = (self.down + (self.target - self.slack - value)).max(0.0);
        }
    }
    /// The sum on one side.
    pub fn sum(&self, side: Side) -> f64 {
        match side {
            Side::High => self.up,
            Side::Low => self.down,
        }
    }
    /// A shift to this side is seen.
    pub fn shifted(&self, side: Side) -> bool {
        Side::High.reaches(self.sum(side), self.limit)
    }
    /// Begins again, as after a shift that was dealt with.
    pub fn reset(&mut self) {
        (self.up, self.down) = (0.0, 0.0);
    }
}

impl State for Cusum {
    fn save(&self, out: &mut Writer) {
        self.up.save(out);
        self.down.save(out);
    }
    fn load(&mut self, from: &mut Reader) -> Result<(), String> {
        self.up.load(from)?;
        self.down.load(from)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_average_follows_with_its_time_constant_whatever_the_pace() {
        for pace in [1, 5, 10] {
            let mut average = Ewma::seconds(100.0);
            assert!(average.value().is_nan());
            assert_eq!(average.push(0, 0.0), 0.0);
            for second in (pace..=100).step_by(pace as usize) {
                average.push(second * SECOND, 1.0);
            }
            assert!((average.value() - 0.632).abs() < 0.03, "pace {pace}: {}", average.value());
        }
    }

    #[test]
    fn an_average_by_hand_and_without_smoothing() {
        let mut average = Ewma::seconds(3.0);
        average.push(0, 10.0);
        assert_eq!(average.push(SECOND, 14.0), 11.0); // 1 / (3 + 1) of the way
        assert_eq!(average.push(2 * SECOND, f64::NAN), 11.0);
        let mut plain = Ewma::seconds(0.0);
        plain.push(0, 1.0);
        assert_eq!(plain.push(0, 7.0), 7.0);
        assert_eq!(plain.push(SECOND, 2.0), 2.0);
    }

    #[test]
    fn sums_by_hand() {
        let mut sums = Cusum::new(10.0, 0.5, 4.0);
        let rows = [9.5, 10.0, 10.5, 11.0, 12.0, 12.0, 12.0];
        let up = [0.0, 0.0, 0.0, 0.5, 2.0, 3.5, 5.0];
        let down = [0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0];
        for ((row, up), down) in rows.into_iter().zip(up).zip(down) {
            sums.push(row);
            assert_eq!((sums.sum(Side::High), sums.sum(Side::Low)), (up, down), "{row}");
            assert_eq!(sums.shifted(Side::High), up >= 4.0);
        }
        assert!(!sums.shifted(Side::Low));
        sums.push(f64::INFINITY);
        assert_eq!(sums.sum(Side::High), 5.0);
        sums.reset();
        sums.push(5.0);
        assert!(sums.shifted(Side::Low) && !sums.shifted(Side::High));
    }
}
