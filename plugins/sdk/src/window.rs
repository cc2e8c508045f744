//! Rise and fall over a moving window. Runs on batch time. Must not know: what is measured.

use crate::{Reader, Writer};
use std::collections::VecDeque;

/// A window is kept as this many slots of equal length: bounded state, and the edge is off by one slot at most.
const SLOTS: i64 = 30;

#[derive(Clone, Debug)]
struct Slot {
    number: i64,
    low: f64,
    high: f64,
}

/// Remembers the lowest and highest value of the last `length`.
///
/// `rise = newest - lowest`, `fall = highest - newest`, both over the window and never negative.
#[derive(Clone, Debug)]
pub struct Window {
    slot_us: i64,
    slots: VecDeque<Slot>,
    newest: f64,
}

impl Window {
    /// Length in seconds, at least 1.
    pub fn seconds(length: f64) -> Window {
        let length = if length >= 1.0 { length } else { 1.0 };
        Window { slot_us: ((length * 1e6) as i64 / SLOTS).max(1), slots: VecDeque::new(), newest: f64::NAN }
    }
    /// Adds a value at batch time `at`. Anything but a number is left out: it is no measurement.
    pub fn push(&mut self, at: i64, value: f64) {
        let number = at.div_euclid(self.slot_us);
        while self.slots.front().is_some_and(|slot| slot.number <= number.saturating_sub(SLOTS)) {
            self.slots.pop_front();
        }
        if !value.is_finite() {
            return;
        }
        self.newest = value;
        match self.slots.back_mut().filter(|slot| slot.number >= number) {
            Some(slot) => {
                slot.low = slot.low.min(value);
                slot.high = slot.high.max(value);
            }
            None => self.slots.push_back(Slot { number, low: value, high: value }),
        }
    }
    /// How far the newest value is above the lowest in the window; 0 where nothing is known.
    pub fn rise(&self) -> f64 {
        let low = self.slots.iter().map(|s| s.low).reduce(f64::min);
        low.map_or(0.0, |low| (self.newest - low).max(0.0))
    }
    /// How far the newest value is below [`Window::highest`]; 0 where nothing is known.
    pub fn fall(&self) -> f64 {
        self.highest().map_or(0.0, |high| (high - self.newest).max(0.0))
    }
    /// The highest value in the window.
    pub fn highest(&self) -> Option<f64> {
        self.slots.iter().map(|s| s.high).reduce(f64::max)
    }
    /// Writes the values, not the length.
    pub fn save(&self, out: &mut Writer) {
        out.f64(self.newest);
        out.u32(self.slots.len() as u32);
        for slot in &self.slots {
            out.i64(slot.number);
            out.f64(slot.low);
            out.f64(slot.high);
        }
    }
    /// Reads what [`Window::save`] wrote.
    pub fn load(&mut self, from: &mut Reader) -> Result<(), String> {
        self.newest = from.f64()?;
        let slots = from.list(SLOTS as usize, |from| Ok(Slot { number: from.i64()?, low: from.f64()?, high: from.f64()? }))?;
        self.slots = slots.into();
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::SECOND;

    #[test]
    fn rise_and_fall_are_over_the_window_only() {
        let mut window = Window::seconds(60.0);
        assert_eq!(window.rise(), 0.0);
        window.push(0, 5.0);
        window.push(20 * SECOND, 30.0);
        assert_eq!(window.rise(), 25.0);
        window.push(40 * SECOND, 20.0);
        assert_eq!((window.rise(), window.fall()), (15.0, 10.0));
        window.push(70 * SECOND, 20.0); // the 5 has left
        assert_eq!((window.rise(), window.fall()), (0.0, 10.0));
    }

    #[test]
    fn values_that_are_no_numbers_are_left_out() {
        let mut window = Window::seconds(60.0);
        window.push(0, 1.0);
        window.push(SECOND, f64::NAN);
        window.push(2 * SECOND, f64::INFINITY);
        assert_eq!((window.rise(), window.fall()), (0.0, 0.0));
    }
}
