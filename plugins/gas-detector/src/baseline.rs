//! What one uncalibrated detector reads in clean air. Must not know: votes, hazards.
//!
//! Learnt: `centre = median(x)`, `spread = max(1.4826 * median(|x - centre|), 1)` over the first rows; 1.4826 makes the spread that of a
//! normal distribution, and one count is the least a converter can show. Followed while the zone is quiet:
//! `centre += (x - centre) / follow`, so that slow drift is not taken for gas. A leak slower than that is followed too: it needs a
//! calibrated detector.

use safety_brain_sdk::{Reader, State, Writer};

/// Turns a median absolute deviation into a standard deviation.
const MAD_TO_SIGMA: f64 = 1.4826;
/// Least spread, counts.
const SPREAD_MIN: f64 = 1.0;

#[derive(Clone, Debug)]
pub(crate) struct Baseline {
    learning: Vec<f64>,
    rows: usize,
    /// Centre and spread, once learnt.
    learnt: Option<(f64, f64)>,
}

impl Baseline {
    pub(crate) fn new(rows: usize) -> Baseline {
        Baseline { learning: Vec::new(), rows: rows.max(1), learnt: None }
    }
    /// Rows learnt so far and rows needed.
    pub(crate) fn progress(&self) -> (usize, usize) {
        match self.learnt {
            Some(_) => (self.rows, self.rows),
            None => (self.learning.len(), self.rows),
        }
    }
    /// Distance from the centre in spreads, signed; `None` while learning.
    pub(crate) fn deviation(&self, value: f64) -> Option<f64> {
        self.learnt.map(|(centre, spread)| (value - centre) / spread)
    }
    /// Takes a row of clean air: learns from it, then follows those within `sigma`.
    pub(crate) fn take(&mut self, value: f64, sigma: f64, follow: f64) {
        match &mut self.learnt {
            Some((centre, spread)) if ((value - *centre) / *spread).abs() < sigma => {
                *centre += (value - *centre) / follow;
            }
            Some(_) => {}
            None => {
                self.learning.push(value);
                if self.learning.len() >= self.rows {
                    let centre = median(&mut self.learning);
                    let mut away: Vec<f64> = self.learning.iter().map(|x| (x - centre).abs()).collect();
                    let spread = (MAD_TO_SIGMA * median(&mut away)).max(SPREAD_MIN);
                    self.learnt = Some((centre, spread));
                    self.learning = Vec::new();
                }
            }
        }
    }
}

impl State for Baseline {
    fn save(&self, out: &mut Writer) {
        out.list(&self.learning, |out, value| out.f64(*value));
        out.bool(self.learnt.is_some());
        if let Some((centre, spread)) = self.learnt {
            out.f64(centre);
            out.f64(spread);
        }
    }
    fn load(&mut self, from: &mut Reader) -> Result<(), String> {
        self.learning = from.list(self.rows, Reader::f64)?;
        self.learnt = match from.bool()? {
            true => Some((from.f64()?, from.f64()?)),
            false => None,
        };
        Ok(())
    }
}

/// The upper median; 0 of nothing.
fn median(values: &mut [f64]) -> f64 {
    let middle = values.len() / 2;
    match values.is_empty() {
        true => 0.0,
        false => *values.select_nth_unstable_by(middle, f64::total_cmp).1,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn learns_robustly_and_follows_slow_drift_only() {
        let mut baseline = Baseline::new(5);
        for value in [500.0, 502.0, 498.0, 9000.0, 501.0] {
            assert_eq!(baseline.deviation(500.0), None);
            baseline.take(value, 6.0, 10.0);
        }
        let near = baseline.deviation(501.0);
        assert_eq!(near, Some(0.0), "one wild row does not move the centre");
        baseline.take(502.0, 6.0, 10.0);
        assert!(baseline.deviation(501.1).is_some_and(|z| z.abs() < 1e-9));
        baseline.take(700.0, 6.0, 10.0);
        assert!(baseline.deviation(501.1).is_some_and(|z| z.abs() < 1e-9));
    }
}
