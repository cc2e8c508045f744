//! The latest row of every tag bound to one input, and votes over them. Must not know: limits, hazards.

use crate::{Certainty, Evidence, Quality, Reader, Reading, Writer};

/// What is known of one input now.
#[derive(Clone, Debug)]
pub struct Latest {
    rows: Vec<Reading>,
}

/// How many of the bound tags say yes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Vote {
    /// Believed and yes.
    pub yes: usize,
    /// Believed.
    pub believed: usize,
    /// Bound.
    pub bound: usize,
}

impl Vote {
    /// At least `m` say yes.
    pub fn reached(&self, m: usize) -> bool {
        self.yes >= m
    }
    /// As many are believed as a verdict needs: `m`, or all where fewer are bound. Otherwise a "no" means nothing.
    pub fn can_tell(&self, m: usize) -> bool {
        self.believed >= m.min(self.bound).max(1)
    }
}

impl Latest {
    /// Nothing seen yet of these tags.
    pub(crate) fn new(handles: impl Iterator<Item = u32>) -> Latest {
        let unseen = |handle| Reading { handle, value: f64::NAN, quality: Quality::NEVER_SEEN, at: i64::MIN };
        Latest { rows: handles.map(unseen).collect() }
    }
    /// Keeps the newest row of each tag in order of arrival. A row marked late does not replace a newer one; a clock that was set back
    /// does not make the rule deaf.
    pub fn take(&mut self, readings: &[Reading]) {
        for reading in readings {
            let held = self.rows.iter_mut().find(|r| r.handle == reading.handle);
            if let Some(held) = held {
                let overtaken = reading.quality == Quality::LATE && reading.at < held.at;
                if !overtaken {
                    *held = *reading;
                }
            }
        }
    }
    /// Some tag is bound.
    pub fn bound(&self) -> bool {
        !self.rows.is_empty()
    }
    /// All tags, seen or not, in order of binding.
    pub fn rows(&self) -> &[Reading] {
        &self.rows
    }
    /// The rows that can be believed.
    pub fn believed(&self) -> impl Iterator<Item = &Reading> {
        self.rows.iter().filter(|r| r.believed())
    }
    /// How many cannot be believed.
    pub fn doubted(&self) -> usize {
        self.rows.len() - self.believed().count()
    }
    /// The first row of some tag has not come yet, and the host has not given it up (it says so with [`Quality::NEVER_SEEN`]).
    pub fn awaited(&self) -> bool {
        self.rows.iter().any(|r| r.at == i64::MIN)
    }
    /// The believed row with the highest value.
    pub fn highest(&self) -> Option<&Reading> {
        self.believed().max_by(|a, b| a.value.total_cmp(&b.value))
    }
    /// The believed row with the lowest value.
    pub fn lowest(&self) -> Option<&Reading> {
        self.believed().min_by(|a, b| a.value.total_cmp(&b.value))
    }
    /// For switches: some believed value is 0.5 or more. `None`: none is, and one that cannot be believed might be.
    pub fn any_on(&self) -> Option<bool> {
        match self.believed().any(|r| r.value >= 0.5) {
            true => Some(true),
            false if self.doubted() > 0 => None,
            false => Some(false),
        }
    }
    /// Counts the tags of which `yes` is true.
    pub fn vote(&self, mut yes: impl FnMut(f64) -> bool) -> Vote {
        Vote { yes: self.believed().filter(|r| yes(r.value)).count(), believed: self.believed().count(), bound: self.rows.len() }
    }
    /// The believed rows as evidence against one limit.
    pub fn against(&self, limit: f64, param: &'static str) -> Vec<Evidence> {
        self.believed().map(|r| r.against(limit, param)).collect()
    }
    /// Observed where every believed row is good, else likely.
    pub fn certainty(&self) -> Certainty {
        match self.believed().all(|r| r.quality.is_good()) {
            true => Certainty::Observed,
            false => Certainty::Likely,
        }
    }
    /// Writes the rows.
    pub fn save(&self, out: &mut Writer) {
        out.list(&self.rows, |out, row| {
            out.u32(row.handle);
            out.f64(row.value);
            out.u8(row.quality.0);
            out.i64(row.at);
        });
    }
    /// Reads what [`Latest::save`] wrote, for the same tags.
    pub fn load(&mut self, from: &mut Reader) -> Result<(), String> {
        let rows = from.list(self.rows.len(), |from| {
            Ok(Reading { handle: from.u32()?, value: from.f64()?, quality: Quality(from.u8()?), at: from.i64()? })
        })?;
        let handles = |rows: &[Reading]| rows.iter().map(|r| r.handle).collect::<Vec<_>>();
        if handles(&rows) != handles(&self.rows) {
            return Err("the saved state belongs to other tags".into());
        }
        self.rows = rows;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn row(handle: u32, value: f64, quality: Quality, at: i64) -> Reading {
        Reading { handle, value, quality, at }
    }

    #[test]
    fn late_rows_do_not_replace_newer_ones() {
        let mut latest = Latest::new([3].into_iter());
        latest.take(&[row(3, 1.0, Quality::GOOD, 10)]);
        latest.take(&[row(3, 2.0, Quality::LATE, 5), row(9, 7.0, Quality::GOOD, 11)]);
        assert_eq!(latest.highest().unwrap().value, 1.0);
        latest.take(&[row(3, 4.0, Quality::GOOD, 2)]); // the clock was set back
        assert_eq!(latest.highest().unwrap().value, 4.0);
    }

    #[test]
    fn votes_count_believed_tags_only() {
        let mut latest = Latest::new(0..3);
        assert!(!latest.vote(|_| true).can_tell(2));
        latest.take(&[
            row(0, 30.0, Quality::GOOD, 1),
            row(1, 30.0, Quality::OUT_OF_SPECIFICATION, 1),
            row(2, 99.0, Quality::SENSOR_FAILURE, 1),
        ]);
        let vote = latest.vote(|v| v >= 25.0);
        assert_eq!((vote.yes, vote.believed, vote.bound), (2, 2, 3));
        assert!(vote.reached(2) && !vote.reached(3) && vote.can_tell(2));
        assert_eq!(latest.certainty(), Certainty::Likely);
    }

    #[test]
    fn a_switch_that_cannot_be_believed_may_be_on() {
        let mut latest = Latest::new(0..2);
        assert_eq!(latest.any_on(), None);
        latest.take(&[row(0, 1.0, Quality::GOOD, 1)]);
        assert_eq!(latest.any_on(), Some(true));
        latest.take(&[row(0, 0.0, Quality::GOOD, 2)]);
        assert_eq!(latest.any_on(), None);
        latest.take(&[row(1, 0.0, Quality::GOOD, 2)]);
        assert_eq!(latest.any_on(), Some(false));
    }
}
