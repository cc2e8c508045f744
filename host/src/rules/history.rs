//! The rows a rule was already given, for its `history` import: bounded, and able to go back to the last snapshot.
//! Must not know: WebAssembly, or why a rule goes back.

use brain::event::Row;
use brain::reading::{Micros, Quality};
use std::collections::VecDeque;

/// Most rows per handle that a description may ask for.
pub(super) const HISTORY_ROWS_MAX: u32 = 4096;

/// One ring per handle.
#[derive(Clone, Debug)]
pub(super) struct History {
    rings: Vec<Ring>,
    /// Some ring keeps something.
    keeps: bool,
}

/// Rows are counted from the rule's first; `first` is the count of the oldest one held. A rule sees `[seen - keep, seen)`.
/// Rows since the mark stay held even beyond `keep`, so that a replay sees what the first run saw.
#[derive(Clone, Debug)]
struct Ring {
    keep: usize,
    rows: VecDeque<Row>,
    first: usize,
    seen: usize,
    mark: usize,
}

impl History {
    /// `keep`: rows a rule may look back, by handle.
    pub(super) fn new(keep: impl IntoIterator<Item = u32>) -> History {
        let ring = |keep: u32| Ring { keep: keep as usize, rows: VecDeque::new(), first: 0, seen: 0, mark: 0 };
        History::of(keep.into_iter().map(ring).collect())
    }

    fn of(rings: Vec<Ring>) -> History {
        History { keeps: rings.iter().any(|ring| ring.keep > 0), rings }
    }

    /// The next rows of the rule: new ones, or after [`History::rewind`] the same ones again.
    pub(super) fn give(&mut self, rows: &[Row]) {
        let rows = if self.keeps { rows } else { &[] };
        for row in rows {
            let Some(ring) = self.rings.get_mut(row.handle as usize) else {
                continue; // the brain binds handles; an unknown one has no history
            };
            if ring.keep == 0 {
                continue;
            }
            if ring.seen == ring.first + ring.rows.len() {
                ring.rows.push_back(*row);
            }
            ring.seen += 1;
        }
    }

    /// The rule was snapshotted here.
    pub(super) fn mark(&mut self) {
        for ring in &mut self.rings {
            ring.mark = ring.seen;
            while ring.first + ring.keep < ring.mark && ring.rows.pop_front().is_some() {
                ring.first += 1;
            }
        }
    }

    /// The rule goes back to its snapshot.
    pub(super) fn rewind(&mut self) {
        for ring in &mut self.rings {
            ring.seen = ring.mark;
        }
    }

    /// The same rows, as it may see them, for another rule on the same handles, which may look back this far.
    pub(super) fn heir(&self, keep: &[u32], seen: impl Fn(Row) -> Row) -> History {
        let ring = |(ring, keep): (&Ring, &u32)| match (ring.keep, *keep as usize) {
            (0, keep) | (_, keep @ 0) => Ring { keep, rows: VecDeque::new(), first: 0, seen: 0, mark: 0 },
            (_, keep) => Ring {
                keep,
                rows: ring.rows.iter().map(|row| seen(*row)).collect(),
                first: ring.first,
                seen: ring.seen,
                mark: ring.mark,
            },
        };
        History::of(self.rings.iter().zip(keep).map(ring).collect())
    }

    /// All rows held from before the last snapshot, in order of their source times.
    pub(super) fn before_mark(&self) -> Vec<Row> {
        let before = |ring: &Ring| ring.rows.iter().take(ring.mark.saturating_sub(ring.first)).copied().collect::<Vec<_>>();
        let mut rows: Vec<Row> = self.rings.iter().flat_map(before).collect();
        rows.sort_by_key(|row| row.source_us);
        rows
    }

    /// The rule begins a new life.
    pub(super) fn clear(&mut self) {
        for ring in &mut self.rings {
            ring.rows.clear();
            (ring.first, ring.seen, ring.mark) = (0, 0, 0);
        }
    }

    /// The newest `most` rows of a handle not before `since`, newest last.
    pub(super) fn rows(&self, handle: u32, since: Micros, most: u32) -> Vec<Row> {
        let Some(ring) = self.rings.get(handle as usize) else {
            return Vec::new();
        };
        let end = ring.seen - ring.first;
        let start = end.saturating_sub(ring.keep);
        let mut rows: Vec<Row> =
            ring.rows.range(start..end).rev().filter(|row| row.source_us >= since).take(most as usize).copied().collect();
        rows.reverse();
        rows
    }
}

/// Quality of the last value each handle was given, for evidence.
#[derive(Clone, Debug)]
pub(super) struct LastQuality(Vec<Quality>);

impl LastQuality {
    pub(super) fn new(handles: usize) -> Self {
        LastQuality(vec![Quality::NEVER_SEEN; handles])
    }

    pub(super) fn give(&mut self, rows: &[Row]) {
        for row in rows {
            if let Some(slot) = self.0.get_mut(row.handle as usize) {
                *slot = row.quality;
            }
        }
    }

    /// None for an unknown handle.
    pub(super) fn of(&self, handle: u32) -> Option<Quality> {
        self.0.get(handle as usize).copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(handle: u32, n: i64) -> Row {
        Row { handle, value: n as f64, quality: Quality::GOOD, source_us: n }
    }

    fn times(history: &History, since: i64, most: u32) -> Vec<i64> {
        let rows = history.rows(0, since, most);
        rows.iter().map(|r| r.source_us).collect()
    }

    #[test]
    fn newest_last_and_bounded() {
        let mut h = History::new([3, 0]);
        h.give(&[row(0, 1), row(1, 2), row(0, 3), row(0, 5), row(0, 7), row(9, 9)]);
        assert_eq!(times(&h, 0, 10), [3, 5, 7]);
        assert_eq!(times(&h, 4, 10), [5, 7]);
        assert_eq!(times(&h, 0, 1), [7]);
        assert!(h.rows(1, 0, 10).is_empty());
        assert!(h.rows(9, 0, 10).is_empty());
    }

    #[test]
    fn a_replay_sees_what_the_first_run_saw() {
        let mut h = History::new([2]);
        h.give(&[row(0, 1), row(0, 2), row(0, 3)]);
        h.mark();
        let mut first = Vec::new();
        for n in 4..10 {
            h.give(&[row(0, n)]);
            first.push(times(&h, 0, 10));
        }
        h.rewind();
        assert_eq!(times(&h, 0, 10), [2, 3]);
        for (n, seen) in (4..10).zip(&first) {
            h.give(&[row(0, n)]);
            assert_eq!(&times(&h, 0, 10), seen);
        }
        h.mark();
        assert_eq!(h.rings[0].rows.len(), 2);
    }
}
