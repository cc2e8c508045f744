//! Fewer points with the same shape: first, last, least, greatest and worst-judged of every stretch of time.
//! Must not know: where points come from. What is dangerous in a curve is its extremes and its holes; neither may be averaged away.

use super::Point;
use brain::Micros;

/// Points kept per stretch, at most.
const KEPT: usize = 5;

/// Takes points in order of arrival and keeps what a curve needs.
pub struct Sampler {
    from: Micros,
    stretch: i64,
    limit: usize,
    /// All of them, while they are few enough.
    all: Vec<Point>,
    overflowed: bool,
    stretches: Vec<Stretch>,
}

struct Stretch {
    index: i64,
    first: Point,
    last: Point,
    least: Option<Point>,
    greatest: Option<Point>,
    worst: Point,
}

impl Sampler {
    /// At most `limit` points (5 at least) out of `from..to`.
    pub fn new(from: Micros, to: Micros, limit: usize) -> Sampler {
        let limit = limit.max(KEPT);
        let count = (limit / KEPT) as i64;
        let stretch = to.saturating_sub(from).max(1) / count + 1;
        Sampler { from, stretch, limit, all: vec![], overflowed: false, stretches: vec![] }
    }

    /// Takes the next point.
    pub fn push(&mut self, point: Point) {
        if self.all.len() < self.limit {
            self.all.push(point);
        } else {
            self.overflowed = true;
        }
        let index = point.at.saturating_sub(self.from) / self.stretch;
        match self.stretches.last_mut().filter(|s| s.index == index) {
            Some(stretch) => stretch.push(point),
            None => self.stretches.push(Stretch::new(index, point)),
        }
    }

    /// What is left, in order.
    pub fn finish(self) -> Vec<Point> {
        if !self.overflowed {
            return self.all;
        }
        self.stretches.iter().flat_map(Stretch::kept).collect()
    }
}

impl Stretch {
    fn new(index: i64, point: Point) -> Stretch {
        let mut stretch = Stretch { index, first: point, last: point, least: None, greatest: None, worst: point };
        stretch.push(point);
        stretch
    }

    fn push(&mut self, point: Point) {
        self.last = point;
        // A hole is worse than any number, whatever came first.
        if (point.value.is_nan(), point.quality) > (self.worst.value.is_nan(), self.worst.quality) {
            self.worst = point;
        }
        if point.value.is_nan() {
            return;
        }
        // A value nobody believes never hides one that somebody does.
        let goes_first = |kept: Point, is_beyond: bool| match (point.quality.is_bad(), kept.quality.is_bad()) {
            (true, false) => false,
            (false, true) => true,
            (true, true) | (false, false) => is_beyond,
        };
        if self.least.is_none_or(|p| goes_first(p, point.value < p.value)) {
            self.least = Some(point);
        }
        if self.greatest.is_none_or(|p| goes_first(p, point.value > p.value)) {
            self.greatest = Some(point);
        }
    }

    fn kept(&self) -> Vec<Point> {
        let mut kept = vec![self.first, self.last, self.worst];
        kept.extend(self.least);
        kept.extend(self.greatest);
        // Stable: points of one moment keep the order first, last; the same point is kept once.
        kept.sort_by_key(|p| p.at);
        kept.dedup_by(|a, b| {
            a.at == b.at && a.source_us == b.source_us && a.value.to_bits() == b.value.to_bits() && a.quality == b.quality
        });
        kept
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use brain::Quality;

    fn point(at: i64, value: f64) -> Point {
        Point { at, source_us: at, value, quality: if value.is_nan() { Quality::BAD } else { Quality::GOOD } }
    }

    #[test]
    fn few_points_stay_as_they_are() {
        let mut sampler = Sampler::new(0, 100, 10);
        (0..10).for_each(|i| sampler.push(point(i * 10, i as f64)));
        assert_eq!(sampler.finish().len(), 10);
    }

    #[test]
    fn extremes_holes_and_ends_stay() {
        for limit in [5, 50, 2000] {
            let mut sampler = Sampler::new(0, 86_400_000, limit);
            for i in 0..86_400 {
                let value = match i {
                    40_000 => 999.0,
                    50_001 => -999.0,
                    60_002 => f64::NAN,
                    _ => f64::from(i % 100),
                };
                sampler.push(point(i64::from(i) * 1000, value));
            }
            let kept = sampler.finish();
            assert!(kept.len() <= limit, "{} of {limit}", kept.len());
            assert!(kept.is_sorted_by_key(|p| p.at));
            assert_eq!((kept[0].at, kept.last().unwrap().at), (0, 86_399_000));
            assert!(kept.iter().any(|p| p.value == 999.0) && kept.iter().any(|p| p.value == -999.0));
            assert!(kept.iter().any(|p| p.value.is_nan()));
        }
    }

    #[test]
    fn a_bad_value_hides_no_good_one_and_is_shown_itself() {
        let judged = |at, value, quality| Point { quality, ..point(at, value) };
        let mut sampler = Sampler::new(0, 1000, 5);
        for i in 0..100 {
            sampler.push(match i {
                20 => judged(i, 50.0, Quality::DOUBTFUL),
                30 => judged(i, 9999.0, Quality::BAD),
                40 => judged(i, -9999.0, Quality::IMPOSSIBLE),
                _ => point(i, 1.0),
            });
        }
        let kept = sampler.finish();
        assert!(kept.iter().any(|p| p.value == 50.0), "{kept:?}");
        assert!(kept.iter().any(|p| p.quality == Quality::IMPOSSIBLE), "{kept:?}");
        let mut all_bad = Sampler::new(0, 1000, 5);
        (0..100i64).for_each(|i| all_bad.push(judged(i, i as f64, Quality::BAD)));
        assert!(all_bad.finish().iter().any(|p| p.value == 99.0));
    }

    #[test]
    fn a_hole_stays_before_and_behind_a_number_judged_worse() {
        for (hole, worse) in [(20, 40), (40, 20)] {
            let mut sampler = Sampler::new(0, 1000, 5);
            for i in 0..100 {
                sampler.push(match i {
                    i if i == hole => point(i, f64::NAN),
                    i if i == worse => Point { quality: Quality::IMPOSSIBLE, ..point(i, 1.0) },
                    _ => point(i, 1.0),
                });
            }
            assert!(sampler.finish().iter().any(|p| p.value.is_nan()), "hole at {hole}");
        }
    }

    #[test]
    fn the_same_value_judged_worse_is_kept() {
        let mut sampler = Sampler::new(0, 1000, 5);
        (0..6).for_each(|_| sampler.push(point(7, 1.0)));
        sampler.push(Point { quality: Quality::BAD, ..point(7, 1.0) });
        assert!(sampler.finish().iter().any(|p| p.quality == Quality::BAD));
    }
}
