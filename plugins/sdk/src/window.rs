//! A moving window: rise, fall, mean, rate. Runs on batch time. Must not know: what is measured.

use crate::{Reader, SECOND, State, Writer};
use std::cell::Cell;
use std::collections::VecDeque;

/// A window is kept as this many slots of equal length: bounded state, and the edge is off by one slot at most.
const SLOTS: i64 = 30;

#[derive(Clone, Debug)]
struct Slot {
    number: i64,
    low: f64,
    high: f64,
    /// At least 1.
    count: u32,
    sum: f64,
    /// Sum of the values' times from the beginning of the slot, microseconds.
    offset: i64,
}

/// What is known of the values of the last `length`.
///
/// `rise = newest - lowest`, `fall = highest - newest`, both over the window and never negative.
#[derive(Clone, Debug)]
pub struct Window {
    slot_us: i64,
    /// Oldest first; the last one takes what comes.
    slots: VecDeque<Slot>,
    newest: f64,
    /// When the oldest slot leaves, and when the newest one ends: most calls have nothing to do but to look here.
    leaves: i64,
    ends: i64,
    /// Lowest and highest of all slots, where somebody asked since one of those left.
    range: Cell<Option<(f64, f64)>>,
}

impl Window {
    /// Length in seconds, at least 1.
    pub fn seconds(length: f64) -> Window {
        let length = if length >= 1.0 { length } else { 1.0 };
        Window {
            slot_us: ((length * 1e6) as i64 / SLOTS).max(1),
            slots: VecDeque::new(),
            newest: f64::NAN,
            leaves: i64::MAX,
            ends: i64::MIN,
            range: Cell::new(None),
        }
    }
    /// Batch time is `at`: what is older than the window leaves it.
    #[inline]
    pub fn age(&mut self, at: i64) {
        if at >= self.leaves {
            self.drop_until(at);
        }
    }
    fn drop_until(&mut self, at: i64) {
        while let Some(slot) = self.slots.front() {
            self.leaves = self.begin(slot.number.wrapping_add(SLOTS));
            if at < self.leaves {
                return;
            }
            if self.range.get().is_some_and(|(low, high)| slot.low <= low || slot.high >= high) {
                self.range.set(None);
            }
            self.slots.pop_front();
        }
        (self.leaves, self.ends) = (i64::MAX, i64::MIN);
    }
    /// When the slot with this number begins. It comes from a division by the same length, so it wraps in no real time; whatever saturates is a call of
    /// a function in WebAssembly.
    fn begin(&self, number: i64) -> i64 {
        number.wrapping_mul(self.slot_us)
    }
    /// Adds a value at batch time `at`. Anything but a number is left out: it is no measurement.
    #[inline]
    pub fn push(&mut self, at: i64, value: f64) {
        self.age(at);
        if !value.is_finite() {
            return;
        }
        self.newest = value;
        if let Some((low, high)) = self.range.get()
            && (value < low || value > high)
        {
            self.range.set(Some((if value < low { value } else { low }, if value > high { value } else { high })));
        }
        match self.slots.back_mut() {
            Some(slot) if at < self.ends => {
                if value < slot.low {
                    slot.low = value;
                }
                if value > slot.high {
                    slot.high = value;
                }
                slot.count = slot.count.saturating_add(1);
                slot.sum += value;
                let begin = self.ends.wrapping_sub(self.slot_us);
                slot.offset = slot.offset.wrapping_add(if at > begin { at - begin } else { 0 });
            }
            _ => {
                let (number, offset) = (at.div_euclid(self.slot_us), at.rem_euclid(self.slot_us));
                self.keep(Slot { number, low: value, high: value, count: 1, sum: value, offset });
            }
        }
    }
    fn keep(&mut self, slot: Slot) {
        if self.slots.is_empty() {
            self.leaves = self.begin(slot.number.wrapping_add(SLOTS));
        }
        self.ends = self.begin(slot.number.wrapping_add(1));
        self.slots.push_back(slot);
    }
    /// The newest value; NaN where there was none yet.
    pub fn newest(&self) -> f64 {
        self.newest
    }
    /// How far the newest value is above the lowest in the window; 0 where nothing is known.
    pub fn rise(&self) -> f64 {
        self.lowest().map_or(0.0, |low| if self.newest > low { self.newest - low } else { 0.0 })
    }
    /// How far the newest value is below [`Window::highest`]; 0 where nothing is known.
    pub fn fall(&self) -> f64 {
        self.highest().map_or(0.0, |high| if high > self.newest { high - self.newest } else { 0.0 })
    }
    /// The highest value in the window.
    pub fn highest(&self) -> Option<f64> {
        self.range().map(|(_, high)| high)
    }
    /// The lowest value in the window.
    pub fn lowest(&self) -> Option<f64> {
        self.range().map(|(low, _)| low)
    }
    /// Lowest and highest.
    fn range(&self) -> Option<(f64, f64)> {
        if self.range.get().is_none() {
            let mut slots = self.slots.iter().map(|slot| (slot.low, slot.high));
            let first = slots.next()?;
            let wider = |(low, high): (f64, f64), slot: (f64, f64)| {
                (if slot.0 < low { slot.0 } else { low }, if slot.1 > high { slot.1 } else { high })
            };
            self.range.set(Some(slots.fold(first, wider)));
        }
        self.range.get()
    }
    /// The mean of all values in the window.
    pub fn mean(&self) -> Option<f64> {
        let count: u32 = self.slots.iter().map(|s| s.count).sum();
        (count > 0).then(|| self.slots.iter().map(|s| s.sum).sum::<f64>() / f64::from(count))
    }
    /// Rate of change per second: the least-squares line through the means of the slots, `sum((t - t')(x - x')) / sum((t - t')^2)`.
    /// 0 where fewer than two slots have values. Source: NIST/SEMATECH e-Handbook 4.1.4.1 (recalled).
    pub fn rate(&self) -> f64 {
        let Some(first) = self.slots.front().map(|s| s.number).filter(|_| self.slots.len() > 1) else {
            return 0.0;
        };
        let point = |s: &Slot| {
            let count = f64::from(s.count);
            let second = ((s.number - first) * self.slot_us) as f64 + s.offset as f64 / count;
            (second / SECOND as f64, s.sum / count)
        };
        let n = self.slots.len() as f64;
        let (t, x) = self.slots.iter().map(point).fold((0.0, 0.0), |(t, x), (a, b)| (t + a / n, x + b / n));
        let (over, under) = self
            .slots
            .iter()
            .map(point)
            .fold((0.0, 0.0), |(over, under), (a, b)| (over + (a - t) * (b - x), under + (a - t) * (a - t)));
        if under > 0.0 { over / under } else { 0.0 }
    }
}

/// The values, not the length.
impl State for Window {
    fn save(&self, out: &mut Writer) {
        out.f64(self.newest);
        out.u32(self.slots.len() as u32);
        for slot in &self.slots {
            out.i64(slot.number);
            out.f64(slot.low);
            out.f64(slot.high);
            out.u32(slot.count);
            out.f64(slot.sum);
            out.i64(slot.offset);
        }
    }
    fn load(&mut self, from: &mut Reader) -> Result<(), String> {
        self.newest = from.f64()?;
        let slot = |from: &mut Reader| {
            let (number, low, high) = (from.i64()?, from.f64()?, from.f64()?);
            Ok(Slot { number, low, high, count: from.u32()?.max(1), sum: from.f64()?, offset: from.i64()? })
        };
        self.slots.clear();
        self.range.set(None);
        from.list(SLOTS as usize, slot)?.into_iter().for_each(|slot| self.keep(slot));
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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

    /// Beside the same found anew from all that was pushed: values that rise, fall, stand and jump; time that stands, gaps within and beyond the window;
    /// restarts, into a used window too; asked now and then only.
    #[test]
    fn the_ends_are_those_of_the_values_in_the_window() {
        let mut window = Window::seconds(60.0);
        let mut pushed: Vec<(i64, f64)> = Vec::new();
        let (mut noise, mut second, mut asked) = (1u64, 0, 0);
        for step in 0..4_000 {
            noise = noise.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            let value = match step / 200 % 4 {
                0 => step as f64,
                1 => -step as f64,
                2 => 7.0,
                _ => (noise >> 40) as f64,
            };
            second += match (noise >> 33) % 50 {
                0 => 45,
                1 => 300,
                2..10 => 0,
                _ => 1,
            };
            let at = second * SECOND;
            window.push(at, value);
            pushed.push((at, value));
            if (noise >> 50) % 3 == 0 {
                asked += 1;
                // By slots of two seconds, as the window is.
                let now = |(then, _): &&(i64, f64)| at / (2 * SECOND) - then / (2 * SECOND) < SLOTS;
                let within = || pushed.iter().filter(now).map(|(_, value)| *value);
                let ends = (within().reduce(f64::min), within().reduce(f64::max));
                assert_eq!((window.lowest(), window.highest()), ends, "step {step}");
            }
            if step % 97 == 0 {
                let mut out = Writer::default();
                window.save(&mut out);
                window = Window::seconds(60.0);
                if step % 2 == 0 {
                    window.push(0, 1e9);
                }
                assert_eq!(window.load(&mut Reader::new(&out.into_bytes())), Ok(()));
            }
        }
        assert!(asked > 1_000);
        window.age(i64::MAX / 2);
        assert_eq!((window.lowest(), window.highest(), window.rise()), (None, None, 0.0));
        window.push(i64::MAX / 2, 3.0);
        assert_eq!((window.lowest(), window.highest()), (Some(3.0), Some(3.0)));
    }

    #[test]
    fn a_straight_line_has_its_slope_and_mean() {
        for pace in [1, 3, 7] {
            let mut window = Window::seconds(60.0);
            assert_eq!((window.rate(), window.mean()), (0.0, None));
            for second in (0..=300).step_by(pace) {
                window.push(second * SECOND, 5.0 - 0.25 * second as f64);
            }
            assert!((window.rate() + 0.25).abs() < 1e-9, "pace {pace}: {}", window.rate());
            let mean = window.mean().unwrap_or(f64::NAN);
            assert!((mean - (5.0 - 0.25 * 271.0)).abs() < 1.5, "pace {pace}: {mean}");
        }
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
