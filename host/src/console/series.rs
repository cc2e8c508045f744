//! Holes in what a tag said: a line through one would be a lie. Must not know: where points come from, how they are drawn.

use super::Point;
use brain::{Micros, Quality};

/// The points, and behind each that has no next one for longer than `most` one without a value: from there on nobody knows.
pub(super) fn with_holes(points: Vec<Point>, most: Micros) -> Vec<Point> {
    let mut all: Vec<Point> = Vec::with_capacity(points.len());
    for point in points {
        let ends = all.last().map(|last| last.at.saturating_add(most)).filter(|ends| *ends < point.at);
        all.extend(ends.map(|at| Point { at, value: f64::NAN, quality: Quality::SILENT }));
        all.push(point);
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hole_is_a_point_without_a_value_and_a_slow_tag_has_none() {
        let points = |times: &[Micros]| -> Vec<Point> {
            times.iter().map(|at| Point { at: *at, value: 1.0, quality: Quality::GOOD }).collect()
        };
        let shown = |times: &[Micros], most| -> Vec<(Micros, bool)> {
            with_holes(points(times), most).iter().map(|point| (point.at, point.value.is_nan())).collect()
        };
        assert_eq!(
            shown(&[0, 10, 20, 90, 100], 30),
            [(0, false), (10, false), (20, false), (50, true), (90, false), (100, false)]
        );
        assert!(shown(&[0, 30, 60], 30).iter().all(|(_, is_hole)| !is_hole));
        assert!(with_holes(vec![], 30).is_empty());
    }
}
