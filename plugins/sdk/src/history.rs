//! The rows that the host keeps for a rule: asked of the host in a component, and of the timeline that is tested on a developer's machine.
//! Must not know: what a rule looks for in them.

use crate::{Reading, SECOND};
use std::cell::RefCell;
use std::collections::{BTreeMap, VecDeque};

thread_local! {
    /// What the timeline that runs on this thread keeps.
    static LENT: RefCell<Kept> = RefCell::default();
}

/// The newest `most` rows of the tag with this handle that are not older than `since` (source time, microseconds since 1970), newest last; those of the
/// present call are among them. As many are kept as [`crate::Input::history`] of its input says. A rule that asks imports `history`, which a site must grant.
pub fn history(handle: u32, since: i64, most: u32) -> Vec<Reading> {
    asked(handle, since, most)
}

/// The rows of the tag with this handle that were measured in the last `seconds` before batch time `at`, newest last: [`history`] by time.
///
/// What is kept is rows and not seconds: of a tag that comes every `p` seconds, [`crate::Input::history`] of `n` rows reaches back `(n - 1) * p` seconds and no
/// further. A row whose own clock is ahead of `at` is among them. An answer of `n` rows may be cut, and begin later than `at - seconds`; ask for more than `seconds / p` rows of the fastest tag.
pub fn history_s(handle: u32, at: i64, seconds: u32) -> Vec<Reading> {
    history(handle, at.saturating_sub(i64::from(seconds) * SECOND), u32::MAX)
}

#[cfg(target_arch = "wasm32")]
fn asked(handle: u32, since: i64, most: u32) -> Vec<Reading> {
    let series = crate::contract::safety_brain::rule::history::history(handle, since, most);
    let rows = series.values.iter().zip(&series.quality).zip(&series.times);
    rows.map(|((value, quality), at)| Reading { handle, value: *value, quality: crate::Quality(*quality), at: *at }).collect()
}

#[cfg(not(target_arch = "wasm32"))]
fn asked(handle: u32, since: i64, most: u32) -> Vec<Reading> {
    LENT.with_borrow(|kept| kept.rows(handle, since, most))
}

/// Rows by handle, and how many of each are kept: what a host does for a component.
#[derive(Clone, Debug, Default)]
pub(crate) struct Kept(BTreeMap<u32, (usize, VecDeque<Reading>)>);

impl Kept {
    /// Nothing yet of these handles, each with the rows to keep.
    pub(crate) fn of(keep: impl IntoIterator<Item = (u32, u32)>) -> Kept {
        Kept(keep.into_iter().map(|(handle, keep)| (handle, (keep as usize, VecDeque::new()))).collect())
    }
    pub(crate) fn give(&mut self, rows: &[Reading]) {
        for row in rows {
            let Some((keep, kept)) = self.0.get_mut(&row.handle) else { continue };
            kept.push_back(*row);
            if kept.len() > *keep {
                kept.pop_front();
            }
        }
    }
    /// While this runs, [`history`] answers from these rows.
    pub(crate) fn lend<T>(&mut self, run: impl FnOnce() -> T) -> T {
        let before = LENT.replace(std::mem::take(self));
        let answer = run();
        *self = LENT.replace(before);
        answer
    }
    #[cfg(not(target_arch = "wasm32"))]
    fn rows(&self, handle: u32, since: i64, most: u32) -> Vec<Reading> {
        let Some((_, kept)) = self.0.get(&handle) else { return Vec::new() };
        let mut rows: Vec<Reading> = kept.iter().rev().filter(|row| row.at >= since).take(most as usize).copied().collect();
        rows.reverse();
        rows
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::Bench;
    use crate::*;

    /// Says how many rows it is shown, and whether they rose.
    struct Rising(Vec<Place>, Watch);

    impl Rule for Rising {
        fn describe() -> Description {
            let words = ("x", "x");
            Description::new("rising", "1.0.0", "Example", words, words)
                .input(Input::new("air", words, "", "Cel").history(3))
                .param(Param::flag("on", words, true))
                .param(Param::text("label", words, "none"))
                .hazard(Hazard::new("rise", Severity::Yellow, words).cause(words).consequence(words).action(words))
                .phrase("rows", ("{0}", "{0}"))
                .snapshot_kib(1)
        }
        fn new(start: Start) -> Result<Rising, Vec<Fault>> {
            assert!(start.flag("on") && start.text("label") == "none");
            Ok(Rising(start.places("air"), Watch::new("rise")))
        }
        fn evaluate(&mut self, at: i64, _: &[Reading]) -> Vec<Finding> {
            let rows = history(self.0[0].handle, i64::MIN, 10);
            let rises = rows.len() == 3 && rows.is_sorted_by(|a, b| a.value < b.value);
            let level = if rises { Level::Danger(Severity::Yellow) } else { Level::Clear };
            self.1.tell(at, View::new(level, "rows").numbers([rows.len() as f64])).into_iter().collect()
        }
        state!(1);
    }

    #[test]
    fn a_timeline_shows_the_rows_that_its_input_keeps() {
        let mut line = Bench::<Rising>::new().bind("air", 1).start().unwrap_or_else(|faults| panic!("{faults:?}"));
        let mut told = |second: f64, value| {
            line.at(second, &[("air", value)]).iter().map(|f| (f.condition, f.numbers[0])).collect::<Vec<_>>()
        };
        assert_eq!(told(0.0, 1.0), [(Condition::Clear, 1.0)]);
        assert_eq!(told(1.0, 2.0), []);
        assert_eq!(told(2.0, 3.0), [(Condition::Active, 3.0)]);
        assert_eq!(told(3.0, 1.0), [(Condition::Clear, 3.0)], "no more than are kept");
        assert_eq!(history(0, i64::MIN, 10), [], "nothing outside a call");
    }

    #[test]
    fn the_last_seconds_are_asked_for_as_far_as_rows_are_kept() {
        use crate::testing::micros;
        let row = |n: u32| Reading { handle: 7, value: n.into(), quality: Quality::GOOD, at: micros(f64::from(n)) };
        let mut kept = Kept::of([(7, 4)]);
        kept.give(&[1, 2, 3, 4, 7, 8].map(row)); // 3 to 8 are kept
        let mut seen =
            |at: f64, seconds| kept.lend(|| history_s(7, micros(at), seconds)).iter().map(|row| row.value).collect::<Vec<_>>();
        assert_eq!(seen(8.0, 0), [8.0]);
        assert_eq!(seen(8.0, 1), [7.0, 8.0], "both ends");
        assert_eq!(seen(8.0, 4), [4.0, 7.0, 8.0]);
        assert_eq!(seen(9.0, 4), [7.0, 8.0], "up to batch time, not to the newest row");
        assert_eq!(seen(8.0, u32::MAX), [3.0, 4.0, 7.0, 8.0], "no more than are kept");
        assert_eq!(seen(60.0, 10), [0.0; 0]);
        assert_eq!(kept.lend(|| history_s(9, micros(8.0), 60)), [], "no such handle");
    }
}
