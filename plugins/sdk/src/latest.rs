//! The latest row of every tag bound to one input, votes over them, and what they may hide. Must not know: limits, hazards.

use crate::{Certainty, Code, Evidence, Place, Quality, Reader, Reading, Side, State, Writer};

/// What is known of one input now.
///
/// A row *counts* on a side where it is believed, or where its value lies beyond the tag's range there: a gas detector past its upper end
/// measures nothing, and is danger all the same. Beyond the other end it is only not believed.
#[derive(Clone, Debug)]
pub struct Latest {
    rows: Vec<Reading>,
    /// By row that is not believed: the last number that was, or lay beyond the range above, else the first one; NaN: none yet.
    shown_high: Vec<f64>,
    /// The same, below.
    shown_low: Vec<f64>,
    /// By row: lower and upper end of the tag's range.
    ranges: Vec<(f64, f64)>,
    /// Handles follow each other without a gap, from this one on.
    first: u32,
    follow: bool,
    /// Of all rows, kept because every verdict asks for it again and again.
    sum: Sum,
}

#[derive(Clone, Copy, Debug, Default)]
struct Sum {
    /// Rows that cannot be believed.
    doubted: usize,
    /// A first row has not come.
    awaited: bool,
    /// Nothing is thought of any row but good.
    good: bool,
}

impl Latest {
    /// Nothing seen yet of these tags.
    pub(crate) fn new(places: &[Place]) -> Latest {
        let unseen = |p: &Place| Reading { handle: p.handle, value: f64::NAN, quality: Quality::NEVER_SEEN, at: i64::MIN };
        let mut latest = Latest {
            first: places.first().map_or(0, |p| p.handle),
            sum: Sum::default(),
            rows: places.iter().map(unseen).collect(),
            shown_high: vec![f64::NAN; places.len()],
            shown_low: vec![f64::NAN; places.len()],
            ranges: places.iter().map(|p| (p.low, p.high)).collect(),
            follow: places.windows(2).all(|pair| pair[0].handle.checked_add(1) == Some(pair[1].handle)),
        };
        latest.sum_up();
        latest
    }
    fn sum_up(&mut self) {
        self.sum = self.rows.iter().fold(Sum { doubted: 0, awaited: false, good: true }, |sum, row| Sum {
            doubted: sum.doubted + usize::from(!row.believed()),
            awaited: sum.awaited | (row.at == i64::MIN),
            good: sum.good & row.believed() & row.quality.is_good(),
        });
    }
    /// Keeps the newest row of each tag in order of arrival: the host passes on nothing that was overtaken, and a source whose clock was set back
    /// must not make the rule deaf.
    pub fn take(&mut self, readings: &[Reading]) {
        let readings = if self.bound() { readings } else { &[] };
        for reading in readings {
            let Some(index) = self.place(reading.handle) else { continue };
            let before = std::mem::replace(&mut self.rows[index], *reading);
            if reading.believed() {
                continue;
            }
            if before.believed() {
                (self.shown_high[index], self.shown_low[index]) = (before.value, before.value);
            }
            for (side, shown) in [(Side::High, &mut self.shown_high[index]), (Side::Low, &mut self.shown_low[index])] {
                let (low, high) = self.ranges[index];
                // The first number counts whatever is thought of it: after a start the host repeats the last one of a tag that is lost.
                if beyond(reading.value, side, low, high) || shown.is_nan() {
                    *shown = reading.value;
                }
            }
        }
        self.sum_up();
    }
    /// Where the tag with this handle stands in [`Latest::rows`]; none: it is bound to another input.
    #[inline]
    pub fn place(&self, handle: u32) -> Option<usize> {
        // The handles of one input follow each other, unless a host of another kind has it otherwise.
        match self.follow {
            true => Some(handle.wrapping_sub(self.first) as usize).filter(|place| *place < self.rows.len()),
            false => self.rows.iter().position(|row| row.handle == handle),
        }
    }
    /// Some tag is bound.
    #[inline]
    pub fn bound(&self) -> bool {
        !self.rows.is_empty()
    }
    /// All tags, seen or not, in order of binding.
    #[inline]
    pub fn rows(&self) -> &[Reading] {
        &self.rows
    }
    /// The rows that can be believed.
    pub fn believed(&self) -> impl Iterator<Item = &Reading> {
        self.rows.iter().filter(|r| r.believed())
    }
    /// How many cannot be believed.
    #[inline]
    pub fn doubted(&self) -> usize {
        self.sum.doubted
    }
    /// As many are believed as a verdict of no danger needs: `m`, or all where fewer are bound.
    #[inline]
    pub fn can_tell(&self, m: usize) -> bool {
        self.rows.len() - self.sum.doubted >= m.min(self.rows.len()).max(1)
    }
    /// The first row of some tag has not come yet, and the host has not given it up (it says so with [`Quality::NEVER_SEEN`]).
    #[inline]
    pub fn awaited(&self) -> bool {
        self.sum.awaited
    }
    /// This row of the input counts on this side: it is believed, or its value lies beyond the tag's range there.
    #[inline]
    pub fn counts(&self, row: &Reading, side: Side) -> bool {
        row.believed() || self.beyond(row, side)
    }
    #[inline]
    fn beyond(&self, row: &Reading, side: Side) -> bool {
        let range = self.place(row.handle).map(|place| self.ranges[place]);
        range.is_some_and(|(low, high)| beyond(row.value, side, low, high))
    }
    /// The rows that count on this side.
    #[inline]
    pub fn counted(&self, side: Side) -> impl Iterator<Item = &Reading> {
        self.rows.iter().filter(move |row| self.counts(row, side))
    }
    /// The row with the highest value among those that count on the high side.
    #[inline]
    pub fn highest(&self) -> Option<&Reading> {
        self.counted(Side::High).max_by(|a, b| a.value.total_cmp(&b.value))
    }
    /// The row with the lowest value among those that count on the low side.
    #[inline]
    pub fn lowest(&self) -> Option<&Reading> {
        self.counted(Side::Low).min_by(|a, b| a.value.total_cmp(&b.value))
    }
    /// For switches: some value that counts is 0.5 or more. `None`: none is, and one that cannot be believed might be.
    pub fn any_on(&self) -> Option<bool> {
        match self.counted(Side::High).any(|r| r.value >= 0.5) {
            true => Some(true),
            false if self.doubted() > 0 => None,
            false => Some(false),
        }
    }
    /// For coded inputs: some tag that is believed has this code. `None`: none has, and one that cannot be believed, or whose value is no
    /// whole number, might have.
    pub fn any_code(&self, code: Code) -> Option<bool> {
        let known = |r: &&Reading| r.believed() && r.value.fract() == 0.0;
        match self.rows.iter().filter(known).any(|r| r.value == f64::from(code.value)) {
            true => Some(true),
            false if self.rows.iter().filter(known).count() < self.rows.len() => None,
            false => Some(false),
        }
    }
    /// How many tags reach the limit.
    #[inline]
    pub fn votes(&self, side: Side, limit: f64) -> usize {
        self.counted(side).filter(|r| side.reaches(r.value, limit)).count()
    }
    /// A tag that cannot be believed may hide danger: its value lies beyond its range on this side, or the last number it showed reached
    /// the limit. Whatever the others say, nothing is clear then. Asked with the lowest limit of a hazard, less its deadband.
    pub fn hides(&self, side: Side, limit: f64) -> bool {
        if self.sum.doubted == 0 {
            return false;
        }
        let shown = match side {
            Side::High => &self.shown_high,
            Side::Low => &self.shown_low,
        };
        let lost = self.rows.iter().zip(shown).filter(|(row, _)| !row.believed());
        lost.into_iter().any(|(row, shown)| self.beyond(row, side) || (!shown.is_nan() && side.reaches(*shown, limit)))
    }
    /// The rows that count on this side as evidence against one limit.
    pub fn against(&self, side: Side, limit: f64, param: &'static str) -> Vec<Evidence> {
        self.counted(side).map(|r| r.against(limit, param)).collect()
    }
    /// Possible where only values beyond their range reach the limit; else observed where every row that counts is good, else likely.
    pub fn certainty(&self, side: Side, limit: f64) -> Certainty {
        if self.sum.good {
            return Certainty::Observed;
        }
        let mut reaching = self.counted(side).filter(|r| side.reaches(r.value, limit)).peekable();
        let some = reaching.peek().is_some();
        match self.counted(side).all(|r| r.quality.is_good()) {
            _ if some && !reaching.any(|r| r.believed()) => Certainty::Possible,
            true => Certainty::Observed,
            false => Certainty::Likely,
        }
    }
}

/// The rows and what they showed, for the same tags.
impl State for Latest {
    fn save(&self, out: &mut Writer) {
        out.list(&self.rows, |out, row| {
            out.u32(row.handle);
            out.f64(row.value);
            out.u8(row.quality.0);
            out.i64(row.at);
        });
        for shown in [&self.shown_high, &self.shown_low] {
            let shown = self.rows.iter().zip(shown).map(|(row, shown)| if row.believed() { row.value } else { *shown });
            out.list(&shown.collect::<Vec<_>>(), |out, shown| out.f64(*shown));
        }
    }
    fn load(&mut self, from: &mut Reader) -> Result<(), String> {
        let rows = from.list(self.rows.len(), |from| {
            Ok(Reading { handle: from.u32()?, value: from.f64()?, quality: Quality(from.u8()?), at: from.i64()? })
        })?;
        let handles = |rows: &[Reading]| rows.iter().map(|r| r.handle).collect::<Vec<_>>();
        if handles(&rows) != handles(&self.rows) {
            return Err("the saved state belongs to other tags".into());
        }
        for shown in [&mut self.shown_high, &mut self.shown_low] {
            *shown = from.list(rows.len(), Reader::f64)?;
        }
        if [&self.shown_high, &self.shown_low].iter().any(|shown| shown.len() != rows.len()) {
            return Err("the saved state belongs to other tags".into());
        }
        self.rows = rows;
        self.sum_up();
        Ok(())
    }
}

fn beyond(value: f64, side: Side, low: f64, high: f64) -> bool {
    match side {
        Side::High => value > high,
        Side::Low => value < low,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn row(handle: u32, value: f64, quality: Quality, at: i64) -> Reading {
        Reading { handle, value, quality, at }
    }

    /// Tags with these handles and a range from 0 to 100.
    fn latest(handles: impl IntoIterator<Item = u32>) -> Latest {
        let place = |handle| Place { handle, tag: String::new(), low: 0.0, high: 100.0, period_ms: 1000 };
        Latest::new(&handles.into_iter().map(place).collect::<Vec<_>>())
    }

    #[test]
    fn the_row_that_came_last_stands() {
        let mut latest = latest([3]);
        latest.take(&[row(3, 1.0, Quality::GOOD, 10)]);
        latest.take(&[row(3, 2.0, Quality::LATE, 5), row(9, 7.0, Quality::GOOD, 11)]);
        assert_eq!(latest.highest().unwrap().value, 2.0);
        latest.take(&[row(3, 4.0, Quality::GOOD, 2)]); // the clock was set back
        assert_eq!(latest.highest().unwrap().value, 4.0);
    }

    #[test]
    fn votes_count_believed_tags_only() {
        let mut latest = latest(0..3);
        assert!(!latest.can_tell(2));
        latest.take(&[
            row(0, 30.0, Quality::GOOD, 1),
            row(1, 30.0, Quality::OUT_OF_SPECIFICATION, 1),
            row(2, 99.0, Quality::SENSOR_FAILURE, 1),
        ]);
        assert_eq!((latest.votes(Side::High, 25.0), latest.doubted()), (2, 1));
        assert!(latest.can_tell(2) && !latest.can_tell(3));
        assert_eq!(latest.certainty(Side::High, 25.0), Certainty::Likely);
    }

    /// A loop that breaks after it has shown danger reads below its range: nothing of what it saw is over. A source whose clock was set back is heard.
    #[test]
    fn a_broken_loop_hides_what_it_showed_and_a_late_source_is_heard() {
        let mut latest = latest([0]);
        latest.take(&[row(0, 60.0, Quality::GOOD, 10)]);
        latest.take(&[row(0, -25.0, Quality::IMPOSSIBLE, 11)]);
        assert!(latest.hides(Side::High, 50.0));
        latest.take(&[row(0, 2.0, Quality::LATE, 5)]);
        assert!(!latest.hides(Side::High, 50.0) && latest.rows()[0].value == 2.0);
    }

    #[test]
    fn beyond_its_range_a_value_is_danger_on_that_side_only() {
        let mut latest = latest(0..3);
        latest.take(&[row(0, 105.0, Quality::IMPOSSIBLE, 1), row(1, 2.0, Quality::GOOD, 1), row(2, 3.0, Quality::GOOD, 1)]);
        assert_eq!((latest.highest().unwrap().value, latest.lowest().unwrap().value), (105.0, 2.0));
        assert_eq!((latest.votes(Side::High, 50.0), latest.votes(Side::Low, 50.0)), (1, 2));
        assert_eq!(latest.certainty(Side::High, 50.0), Certainty::Possible);
        assert!(latest.hides(Side::High, 200.0) && !latest.hides(Side::Low, 50.0));
        latest.take(&[row(1, 60.0, Quality::GOOD, 2)]);
        assert_eq!(latest.certainty(Side::High, 50.0), Certainty::Likely, "one that is believed says so too");
        latest.take(&[row(0, -5.0, Quality::IMPOSSIBLE, 3)]);
        assert_eq!((latest.highest().unwrap().value, latest.lowest().unwrap().value), (60.0, -5.0));
        assert!(latest.hides(Side::High, 50.0) && latest.hides(Side::Low, -9.0), "it showed 105, and nothing that takes it back");
    }

    #[test]
    fn a_lost_tag_hides_what_it_last_showed() {
        let mut latest = latest(0..2);
        latest.take(&[row(0, 60.0, Quality::GOOD, 1), row(1, 2.0, Quality::GOOD, 1)]);
        assert!(!latest.hides(Side::High, 50.0));
        for lost in [row(0, f64::NAN, Quality::SENSOR_FAILURE, 2), row(0, 60.0, Quality::SILENT, 3)] {
            latest.take(&[lost, row(1, f64::NAN, Quality::BAD, 2)]);
            assert!(latest.hides(Side::High, 50.0) && !latest.hides(Side::High, 61.0) && latest.hides(Side::Low, 2.0));
            assert_eq!(latest.highest(), None);
        }
        latest.take(&[row(0, 3.0, Quality::GOOD, 4)]);
        assert!(!latest.hides(Side::High, 50.0));
    }

    /// Rolled back, a rule's earlier version reads what this one saved: what a row showed is written down also while it is believed.
    #[test]
    fn what_is_saved_says_of_each_row_what_it_showed() {
        let mut seen = latest(0..2);
        seen.take(&[row(0, 60.0, Quality::GOOD, 1), row(1, 70.0, Quality::GOOD, 1)]);
        seen.take(&[row(1, f64::NAN, Quality::SENSOR_FAILURE, 2), row(0, 20.0, Quality::GOOD, 2)]);
        let mut out = Writer::default();
        seen.save(&mut out);
        let saved = out.into_bytes();
        let mut from = Reader::new(&saved);
        let rows = from.list(2, |from| Ok((from.u32()?, from.f64()?, from.u8()?, from.i64()?)));
        assert_eq!(rows.unwrap()[0], (0, 20.0, 0, 2));
        let shown = [from.list(2, Reader::f64).unwrap(), from.list(2, Reader::f64).unwrap()];
        assert_eq!((shown, from.done()), ([vec![20.0, 70.0], vec![20.0, 70.0]], Ok(())));
        let mut restored = latest(0..2);
        restored.load(&mut Reader::new(&saved)).unwrap();
        assert!(restored.hides(Side::High, 65.0), "the lost one showed 70");
        restored.take(&[row(0, f64::NAN, Quality::BAD, 3), row(1, 5.0, Quality::GOOD, 3)]);
        assert!(restored.hides(Side::High, 20.0) && !restored.hides(Side::High, 21.0), "lost after the restart, it showed 20");
    }

    #[test]
    fn a_state_that_is_not_known_may_be_any() {
        const OPEN: Code = Code { value: 2, name: ("开", "Open") };
        let mut latest = latest(0..2);
        assert_eq!(latest.any_code(OPEN), None);
        latest.take(&[row(0, 1.0, Quality::GOOD, 1), row(1, 0.0, Quality::GOOD, 1)]);
        assert_eq!(latest.any_code(OPEN), Some(false));
        for (value, quality) in [(1.5, Quality::GOOD), (2.0, Quality::SILENT), (f64::NAN, Quality::BAD)] {
            latest.take(&[row(0, value, quality, 2)]);
            assert_eq!(latest.any_code(OPEN), None, "{value} {quality:?}");
        }
        latest.take(&[row(1, 2.0, Quality::GOOD, 3)]);
        assert_eq!(latest.any_code(OPEN), Some(true));
    }

    #[test]
    fn a_switch_that_cannot_be_believed_may_be_on() {
        let mut latest = latest(0..2);
        assert_eq!(latest.any_on(), None);
        latest.take(&[row(0, 1.0, Quality::GOOD, 1)]);
        assert_eq!(latest.any_on(), Some(true));
        latest.take(&[row(0, 0.0, Quality::GOOD, 2)]);
        assert_eq!(latest.any_on(), None);
        latest.take(&[row(1, 0.0, Quality::GOOD, 2)]);
        assert_eq!(latest.any_on(), Some(false));
    }
}
