//! Two lists of intervals of one rule held against each other. Must not know: who found them.

use crate::cli::intervals::{BLIND, Interval};
use brain::site::Severity;
use brain::{Micros, stages};
use std::collections::{BTreeMap, BTreeSet};

/// How two versions, or a version and what really happened, go together about one hazard. Losing sight is no finding.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub struct Compared {
    /// Times that A found it, and B too in that time.
    pub agree: usize,
    /// Times that only A found it.
    pub only_a: usize,
    /// Times that only B found it.
    pub only_b: usize,
    /// Microseconds that both stood.
    pub both_us: Micros,
    /// Microseconds that only A stood.
    pub only_a_us: Micros,
    /// Microseconds that only B stood.
    pub only_b_us: Micros,
    /// Microseconds that both stood at different levels.
    pub level_differs_us: Micros,
    /// How much later B began than A, microseconds, for each time that they agree; sorted.
    pub lead_us: Vec<Micros>,
}

/// By hazard. `end`: when what still stands is cut off.
pub fn compare(a: &[Interval], b: &[Interval], end: Micros) -> BTreeMap<String, Compared> {
    let found = |interval: &&Interval| interval.level != BLIND;
    let hazards: BTreeSet<&str> = a.iter().chain(b).filter(found).map(|interval| interval.hazard.as_str()).collect();
    let of = |list: &[Interval], hazard: &str| {
        let of = list.iter().filter(found).filter(|interval| interval.hazard == hazard);
        let mut of: Vec<Span> = of.map(|i| Span { start: i.start, end: i.end.unwrap_or(end), level: i.level }).collect();
        of.sort_by_key(|span| span.start);
        of
    };
    hazards.into_iter().map(|hazard| (hazard.to_owned(), compared(&of(a, hazard), &of(b, hazard)))).collect()
}

/// Those of `a` that none of `b` about the same hazard meets. Losing sight is no finding.
pub fn alone<'a>(a: &'a [Interval], b: &[Interval], end: Micros) -> Vec<&'a Interval> {
    let until = |interval: &Interval| interval.end.unwrap_or(end);
    let meets = |one: &Interval, other: &Interval| {
        other.level != BLIND && other.hazard == one.hazard && other.start < until(one) && one.start < until(other)
    };
    a.iter().filter(|one| one.level != BLIND && !b.iter().any(|other| meets(one, other))).collect()
}

/// A stretch at one level.
#[derive(Clone, Copy)]
struct Span {
    start: Micros,
    end: Micros,
    level: &'static str,
}

/// As the brain compares a shadow with the active one, which is A here.
fn compared(a: &[Span], b: &[Span]) -> Compared {
    let mut moments: Vec<Micros> = a.iter().chain(b).flat_map(|span| [span.start, span.end]).collect();
    moments.sort_unstable();
    moments.dedup();
    let (mut seen, mut lead_us) = (stages::Compared::default(), vec![]);
    for at in &moments {
        seen.hear(*at, Some(level(a, *at)), Some(level(b, *at)));
        lead_us.append(&mut seen.lead_us);
    }
    lead_us.sort_unstable();
    let times = |span: stages::Span| span.times as usize;
    Compared {
        agree: times(seen.agree),
        only_a: times(seen.only_active),
        only_b: times(seen.only_shadow),
        both_us: seen.agree.us,
        only_a_us: seen.only_active.us,
        only_b_us: seen.only_shadow.us,
        level_differs_us: seen.severity.us,
        lead_us,
    }
}

/// What stands at this moment. The list is in order, and nothing in it overlaps.
fn level(spans: &[Span], at: Micros) -> Option<Severity> {
    let begun = spans.partition_point(|span| span.start <= at);
    let last = spans[..begun].last().filter(|span| at < span.end)?;
    Severity::ALL.into_iter().find(|severity| severity.word() == last.level)
}

impl Compared {
    /// Adds what was found about the same hazard in another recording.
    pub fn add(&mut self, other: Compared) {
        self.agree += other.agree;
        self.only_a += other.only_a;
        self.only_b += other.only_b;
        self.both_us += other.both_us;
        self.only_a_us += other.only_a_us;
        self.only_b_us += other.only_b_us;
        self.level_differs_us += other.level_differs_us;
        self.lead_us.extend(other.lead_us);
        self.lead_us.sort_unstable();
    }

    /// Least, middle and greatest lead of A; none where they never agree.
    pub fn lead(&self) -> Option<[Micros; 3]> {
        let (least, greatest) = (self.lead_us.first()?, self.lead_us.last()?);
        Some([*least, self.lead_us[self.lead_us.len() / 2], *greatest])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `red 3-5, yellow 7-`: level, start and end.
    fn list(text: &str) -> Vec<Interval> {
        let one = |word: &str| {
            let (level, time) = word.split_once(' ').unwrap_or_default();
            let (start, end) = time.split_once('-').unwrap_or_default();
            let level = ["blind", "yellow", "red"].into_iter().find(|known| *known == level).unwrap_or_default();
            Interval {
                file: String::new(),
                start: start.parse().unwrap_or(0),
                end: end.parse().ok(),
                level,
                hazard: "leak".into(),
            }
        };
        text.split(", ").filter(|word| !word.is_empty()).map(one).collect()
    }

    #[test]
    fn intervals_are_held_against_each_other() {
        // agree, only A, only B; both, only A, only B, level differs; leads
        for (a, b, counts, lengths, leads) in [
            ("", "", None, [0; 4], &[][..]),
            ("red 10-20", "red 10-20", Some([1, 0, 0]), [10, 0, 0, 0], &[0]),
            ("red 10-20", "red 13-25", Some([1, 0, 0]), [7, 3, 5, 0], &[3]),
            ("red 10-20", "red 7-12", Some([1, 0, 0]), [2, 8, 3, 0], &[-3]),
            ("red 10-20", "red 20-30", Some([0, 1, 1]), [0, 10, 10, 0], &[]),
            ("red 10-20", "", Some([0, 1, 0]), [0, 10, 0, 0], &[]),
            ("", "yellow 90-", Some([0, 0, 1]), [0, 0, 10, 0], &[]),
            // One time with two levels is one time.
            ("yellow 10-15, red 15-20", "yellow 12-20", Some([1, 0, 0]), [8, 2, 0, 5], &[2]),
            // Two times of A within one of B agree twice.
            ("red 10-20, red 30-40", "red 5-50", Some([2, 0, 0]), [20, 0, 25, 0], &[-25, -5]),
            ("red 10-20", "yellow 8-12, yellow 18-22", Some([1, 0, 0]), [4, 6, 4, 4], &[-2]),
            ("blind 0-50, red 60-70", "red 60-70, blind 80-90", Some([1, 0, 0]), [10, 0, 0, 0], &[0]),
        ] {
            let found = compare(&list(a), &list(b), 100);
            let found = found.get("leak");
            assert_eq!(found.map(|c| [c.agree, c.only_a, c.only_b]), counts, "{a} | {b}");
            let found = found.cloned().unwrap_or_default();
            assert_eq!([found.both_us, found.only_a_us, found.only_b_us, found.level_differs_us], lengths, "{a} | {b}");
            assert_eq!(found.lead_us, leads, "{a} | {b}");
        }
    }

    #[test]
    fn what_only_one_found_is_named() {
        let (a, b) =
            (list("red 10-20, blind 30-40, yellow 50-60, red 90-"), list("yellow 19-25, red 30-45, blind 50-60, red 95-"));
        let starts = |of: Vec<&Interval>| of.into_iter().map(|interval| interval.start).collect::<Vec<_>>();
        assert_eq!((starts(alone(&a, &b, 100)), starts(alone(&b, &a, 100))), (vec![50], vec![30]));
    }

    #[test]
    fn the_other_way_round_is_the_other_way_round() {
        let (a, b) = (list("red 10-20, yellow 20-22, red 40-"), list("red 12-18, red 30-35"));
        let (one, other) = (compared_of(&a, &b), compared_of(&b, &a));
        assert_eq!((one.only_a, one.only_b), (other.only_b, other.only_a));
        assert_eq!((one.only_a_us, one.only_b_us), (other.only_b_us, other.only_a_us));
        assert_eq!((one.both_us, one.level_differs_us), (other.both_us, other.level_differs_us));
        assert_eq!(one.lead(), other.lead().map(|[a, b, c]| [-c, -b, -a]));
    }

    fn compared_of(a: &[Interval], b: &[Interval]) -> Compared {
        compare(a, b, 100).remove("leak").unwrap_or_default()
    }
}
