//! Limits with their deadband, and M-out-of-N votes over tags of which some cannot be believed. Must not know: hazards, words.

use crate::{Certainty, Latest, Level, Reader, Severity, Side, State, View, Writer};

/// Hysteresis: on where a value reaches the limit, off again only once it is `band` away from it on the safe side.
///
/// `on: x >= limit; off: x < limit - band` (high side; mirrored for low). What is no number is on. As in ISA-18.2 / IEC 62682
/// (alarm deadband; recalled), where 1 to 5 % of the range is the usual width.
#[derive(Clone, Debug)]
pub struct Deadband {
    side: Side,
    limit: f64,
    band: f64,
    on: bool,
}

impl Deadband {
    /// `band` in the unit of the limit, not negative.
    pub fn new(side: Side, limit: f64, band: f64) -> Deadband {
        Deadband { side, limit, band, on: false }
    }
    /// Takes a value and returns the state.
    pub fn update(&mut self, value: f64) -> bool {
        self.on = self.side.reaches(value, held(self.side, self.limit, self.band, self.on));
        self.on
    }
    /// The state.
    pub fn on(&self) -> bool {
        self.on
    }
}

impl State for Deadband {
    fn save(&self, out: &mut Writer) {
        self.on.save(out);
    }
    fn load(&mut self, from: &mut Reader) -> Result<(), String> {
        self.on.load(from)
    }
}

/// The limit as it counts now: while something stands it is `band` further on the safe side.
fn held(side: Side, limit: f64, band: f64, stands: bool) -> f64 {
    match side {
        _ if !stands => limit,
        Side::High => limit - band,
        Side::Low => limit + band,
    }
}

/// A limit of the site: its value, the parameter it came from, and the level that it means. Made by [`crate::Start::limit`].
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Limit {
    /// In the unit of its parameter.
    pub value: f64,
    /// The parameter, for evidence.
    pub param: &'static str,
    /// Where danger lies.
    pub side: Side,
    /// What reaching it means.
    pub severity: Severity,
    /// Width of the deadband, same unit.
    pub band: f64,
}

impl Limit {
    /// Falls this far on the safe side before the level is given up; 0 unless said.
    #[must_use]
    pub fn deadband(self, band: f64) -> Limit {
        Limit { band, ..self }
    }
    /// As it counts now: less its deadband while its level stands.
    pub fn held(&self, stands: bool) -> f64 {
        held(self.side, self.value, self.band, stands)
    }
}

/// What `n` channels say, of which `m` must agree.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Vote {
    /// Enough say so that none is needed more.
    Clear,
    /// Those that cannot be believed could be the ones that are needed.
    CannotTell,
    /// Danger.
    Danger,
}

impl Vote {
    /// M out of N with quality: `for_it` believed channels see danger, `lost` cannot be believed, `n` are there.
    ///
    /// A lost channel counts for danger, as a detected fault does in a shut-down system (MooN degrading to the safe side, IEC 61508-6
    /// Annex B and IEC 61511; recalled), but lost channels alone are no danger: nobody has seen any. With `m' = min(m, n)`, at least 1:
    /// `danger: for_it >= 1 and for_it + lost >= m'`; else `cannot tell: lost >= m'`; else clear.
    ///
    /// | | all good | one lost | two lost | all lost |
    /// |---|---|---|---|---|
    /// | 1oo2 | one is enough | as 1oo1; without it: cannot tell | cannot tell | cannot tell |
    /// | 2oo2 | both | the other one is enough | cannot tell | cannot tell |
    /// | 2oo3 | two | as 1oo2 | as 1oo1; without it: cannot tell | cannot tell |
    pub fn of(m: usize, n: usize, for_it: usize, lost: usize) -> Vote {
        let needed = m.min(n).max(1);
        match () {
            _ if for_it >= 1 && for_it + lost >= needed => Vote::Danger,
            _ if lost >= needed || n == 0 => Vote::CannotTell,
            _ => Vote::Clear,
        }
    }
}

impl Latest {
    /// M out of the bound tags against one limit. A value beyond its tag's range on the side of danger is a vote for danger
    /// ([`Latest::counts`]); what a lost tag showed last is the business of [`View::unless_hidden`].
    pub fn vote(&self, m: usize, side: Side, limit: f64) -> Vote {
        let lost = self.rows().len() - self.counted(side).count();
        Vote::of(m, self.rows().len(), self.votes(side, limit), lost)
    }
}

impl View {
    /// What an input's tags say of a hazard's levels: of each the limit, how many tags must reach it, and whether the level stands. The rows are
    /// evidence, worst first. The phrase has two places: the worst value, and the limit of the level seen, else the lowest one.
    ///
    /// Each level votes for itself, by [`Vote::of`]: `level = the highest whose vote is danger; else cannot tell where one of them cannot; else clear`.
    /// So a lost tag counts for danger at every level: with yellow at 1oo3 and orange at 2oo3, one tag at both limits beside a lost one is orange. While the
    /// vote of a level above the one seen cannot be told, nothing falls from it ([`View::hidden`]). One detector for a warning, two for the alarm: as in
    /// ISA-TR84.00.07 (voting of fire and gas detectors; recalled). `None` while a first row is awaited and no danger is seen, and of no levels.
    pub fn voted(latest: &Latest, levels: &[(usize, &Limit, bool)], phrase: &'static str) -> Option<View> {
        let voted = |(m, limit, stands): &(usize, &'_ Limit, bool)| {
            let now = limit.held(*stands);
            (latest.vote(*m, limit.side, now), *m, **limit, now)
        };
        let mut votes: Vec<(Vote, usize, Limit, f64)> = levels.iter().map(voted).collect();
        votes.sort_by_key(|(_, _, limit, _)| std::cmp::Reverse(limit.severity));
        let first = |wanted| votes.iter().find(|(vote, ..)| *vote == wanted);
        let danger = first(Vote::Danger);
        let (_, m, limit, now) = *danger.or(votes.last())?;
        let level = match (danger, first(Vote::CannotTell)) {
            (Some(_), _) => Level::Danger(limit.severity),
            (None, Some(_)) => Level::CannotTell,
            (None, None) => Level::Clear,
        };
        let mut evidence = latest.against(limit.side, limit.value, limit.param);
        evidence.sort_by(|a, b| match limit.side {
            Side::High => b.value.total_cmp(&a.value),
            Side::Low => a.value.total_cmp(&b.value),
        });
        let worst = evidence.first().map_or(f64::NAN, |row| row.value);
        let certainty = match latest.certainty(limit.side, now) {
            // Fewer than m saw it.
            Certainty::Observed if danger.is_some() && latest.votes(limit.side, now) < m.min(latest.rows().len()) => {
                Certainty::Likely
            }
            certainty => certainty,
        };
        let hides = |(vote, _, other, now): &(Vote, usize, Limit, f64)| {
            *vote == Vote::CannotTell && other.severity > limit.severity || latest.hides(other.side, *now)
        };
        let view = View::new(level, phrase).numbers([worst, limit.value]).evidence(evidence).certainty(certainty);
        view.hidden(votes.iter().any(hides)).unless_hidden(latest, limit.side, now)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::{Condition, Place, Quality, Reading, SECOND, Watch};

    #[test]
    fn a_deadband_holds_on_both_sides() {
        let mut high = Deadband::new(Side::High, 30.0, 2.0);
        let states = [(29.9, false), (30.0, true), (28.0, true), (27.9, false), (29.0, false), (f64::NAN, true)];
        for (value, on) in states {
            assert_eq!(high.update(value), on, "{value}");
        }
        let mut low = Deadband::new(Side::Low, 30.0, 2.0);
        for (value, on) in [(30.1, false), (30.0, true), (32.0, true), (32.1, false), (31.0, false)] {
            assert_eq!(low.update(value), on, "{value}");
        }
    }

    /// Votes for danger, lost, and what comes of it.
    type Row = (usize, usize, Vote);

    /// Every vote of up to three channels, by hand.
    #[test]
    fn votes_degrade_to_the_safe_side() {
        use Vote::{CannotTell, Clear, Danger};
        let tables: [(usize, usize, &[Row]); 4] = [
            (1, 1, &[(0, 0, Clear), (1, 0, Danger), (0, 1, CannotTell)]),
            (1, 2, &[(0, 0, Clear), (1, 0, Danger), (2, 0, Danger), (0, 1, CannotTell), (1, 1, Danger), (0, 2, CannotTell)]),
            (2, 2, &[(0, 0, Clear), (1, 0, Clear), (2, 0, Danger), (0, 1, Clear), (1, 1, Danger), (0, 2, CannotTell)]),
            (
                2,
                3,
                &[
                    (0, 0, Clear),
                    (1, 0, Clear),
                    (2, 0, Danger),
                    (3, 0, Danger),
                    (0, 1, Clear),
                    (1, 1, Danger),
                    (2, 1, Danger),
                    (0, 2, CannotTell),
                    (1, 2, Danger),
                    (0, 3, CannotTell),
                ],
            ),
        ];
        for (m, n, rows) in tables {
            for (for_it, lost, vote) in rows {
                assert_eq!(Vote::of(m, n, *for_it, *lost), *vote, "{m}oo{n}: {for_it} for it, {lost} lost");
            }
        }
        assert_eq!(Vote::of(2, 1, 1, 0), Danger, "fewer tags than votes: all of them");
        assert_eq!(Vote::of(1, 0, 0, 0), CannotTell, "nothing bound, nothing known");
    }

    /// More lost channels never make a vote safer, whatever they would have said.
    #[test]
    fn losing_a_channel_never_clears() {
        let rank = |vote| match vote {
            Vote::Clear => 0,
            Vote::CannotTell => 1,
            Vote::Danger => 2,
        };
        for n in 1..=6 {
            for m in 1..=n {
                for for_it in 0..=n {
                    for lost in 0..n - for_it {
                        let (before, after) = (Vote::of(m, n, for_it, lost), Vote::of(m, n, for_it, lost + 1));
                        assert!(rank(after) >= rank(before), "{m}oo{n}: {for_it} for it, {lost} lost");
                    }
                }
            }
        }
    }

    #[test]
    fn a_limit_voted_on_brings_its_evidence() {
        let place = |handle| Place { handle, tag: String::new(), low: 0.0, high: 100.0, period_ms: 1000 };
        let mut latest = Latest::new(&[place(0), place(1), place(2)]);
        let limit = Limit { value: 50.0, param: "limit", side: Side::High, severity: Severity::Orange, band: 5.0 };
        let row = |handle, value, quality| Reading { handle, value, quality, at: 1 };
        latest.take(&[row(0, 10.0, Quality::GOOD), row(1, 60.0, Quality::GOOD)]);
        let voted = |latest: &Latest, m, stands| View::voted(latest, &[(m, &limit, stands)], "p");
        assert!(voted(&latest, 3, false).is_none_or(|v| v.is_danger()), "the third is awaited");
        latest.take(&[row(2, 55.0, Quality::GOOD)]);
        assert!(voted(&latest, 2, false).unwrap().is_danger());
        latest.take(&[row(2, 46.0, Quality::GOOD)]);
        assert!(!voted(&latest, 2, false).unwrap().is_danger());
        assert!(voted(&latest, 2, true).unwrap().is_danger(), "within the deadband");
        latest.take(&[row(2, f64::NAN, Quality::SENSOR_FAILURE)]);
        assert!(voted(&latest, 2, false).unwrap().is_danger(), "2oo3 with one lost is 1oo2");
        assert!(View::voted(&latest, &[], "p").is_none(), "no levels, nothing to say");
    }

    const LOST: f64 = f64::NAN;

    fn limit(value: f64, severity: Severity) -> Limit {
        Limit { value, param: "limit", side: Side::High, severity, band: 0.0 }
    }

    /// Three tags second after second, one that is no number being lost: when the watch says what, and the second number of its phrase.
    fn told(mut watch: Watch, levels: &[(usize, &Limit)], seconds: &[[f64; 3]]) -> Vec<(i64, Condition, Severity, f64)> {
        let place = |handle| Place { handle, tag: String::new(), low: 0.0, high: 100.0, period_ms: 1000 };
        let mut latest = Latest::new(&[place(0), place(1), place(2)]);
        let mut said = Vec::new();
        for (second, values) in (0..).zip(seconds) {
            let at = second * SECOND;
            let quality = |value: f64| if value.is_nan() { Quality::SENSOR_FAILURE } else { Quality::GOOD };
            let row = |(handle, value): (u32, &f64)| Reading { handle, value: *value, quality: quality(*value), at };
            latest.take(&(0..).zip(values).map(row).collect::<Vec<_>>());
            let finding = watch.votes(at, &latest, levels, "p");
            said.extend(finding.map(|f| (second, f.condition, f.severity, f.numbers[1])));
        }
        said
    }

    #[test]
    fn each_level_has_a_vote_of_its_own() {
        use Condition::{Active, CannotTell, Clear};
        use Severity::{Blue, Orange, Yellow};
        let (yellow, orange, high) = (limit(50.0, Yellow), limit(50.0, Orange), limit(80.0, Orange));
        let same = [(1, &yellow), (2, &orange)];
        let apart = [(1, &yellow), (2, &high)];
        for (of, values, (condition, severity, number)) in [
            (&same, [10.0, 10.0, 10.0], (Clear, Blue, 50.0)),
            (&same, [60.0, 10.0, 10.0], (Active, Yellow, 50.0)),
            (&same, [60.0, 60.0, 10.0], (Active, Orange, 50.0)),
            (&same, [10.0, 10.0, LOST], (CannotTell, Blue, 50.0)), // 1oo3 cannot tell with one lost, though 2oo3 could
            (&same, [60.0, 10.0, LOST], (Active, Orange, 50.0)),   // 2oo3 has become 1oo2
            (&same, [10.0, LOST, LOST], (CannotTell, Blue, 50.0)),
            (&same, [LOST, LOST, LOST], (CannotTell, Blue, 50.0)),
            (&apart, [60.0, 60.0, 60.0], (Active, Yellow, 50.0)),
            (&apart, [90.0, 60.0, 60.0], (Active, Yellow, 50.0)),
            (&apart, [90.0, 90.0, 10.0], (Active, Orange, 80.0)),
            (&apart, [60.0, 10.0, LOST], (Active, Yellow, 50.0)), // nobody is at the higher limit
            (&apart, [90.0, 10.0, LOST], (Active, Orange, 80.0)),
            (&apart, [60.0, LOST, LOST], (Active, Yellow, 50.0)),
        ] {
            for order in [[0, 1], [1, 0]] {
                let of = order.map(|place| of[place]);
                let said = told(Watch::new("h").blind_s(0), &of, &[values]);
                assert_eq!(said, [(0, condition, severity, number)], "{values:?} {order:?}");
            }
        }
    }

    #[test]
    fn a_level_that_cannot_be_told_does_not_fall_and_one_that_waits_lets_the_lower_one_be_said() {
        use Severity::{Orange, Yellow};
        let (yellow, orange) = (limit(50.0, Yellow), limit(80.0, Orange));
        let of = [(1, &yellow), (2, &orange)];
        let active = |second, severity, limit| (second, Condition::Active, severity, limit);
        // Two lost tags that showed no danger last could be the two that 2oo3 needs.
        let lost = [[10.0, 90.0, 90.0], [60.0, 10.0, 10.0], [60.0, LOST, LOST], [60.0, LOST, LOST], [60.0, LOST, LOST]];
        let said = told(Watch::new("h").off_s(2), &of, &lost);
        assert_eq!(said, [active(0, Orange, 80.0)], "it waited to fall");
        let seen = [lost[0], lost[1], lost[1], lost[1], lost[1]];
        let said = told(Watch::new("h").off_s(2), &of, &seen);
        assert_eq!(said, [active(0, Orange, 80.0), active(3, Yellow, 50.0)], "the control: none is lost");
        // Orange waits for two seconds. It is the limit that names yellow.
        let said = told(Watch::new("h").level_on_s(Orange, 2), &of, &[[90.0; 3]; 3]);
        assert_eq!(said, [active(0, Yellow, 80.0), active(2, Orange, 80.0)]);
    }

    /// A tag that votes for nothing and is lost never makes a level fall.
    #[test]
    fn losing_a_tag_never_lowers_a_level() {
        let limits = [(50.0, Severity::Yellow), (50.0, Severity::Orange), (80.0, Severity::Red)].map(|(v, s)| limit(v, s));
        let rank = |values: [f64; 3], of: &[(usize, &Limit)]| match told(Watch::new("h").blind_s(0), of, &[values])[0] {
            (_, Condition::Clear, ..) => 0,
            (_, Condition::CannotTell, ..) => 1,
            (_, Condition::Active, severity, _) => 1 + severity as u8,
        };
        let values = [10.0, 60.0, 90.0, LOST];
        for votes in [[1, 2, 3], [1, 2, 2], [2, 3, 1], [3, 2, 1]] {
            let of = [(votes[0], &limits[0]), (votes[1], &limits[1]), (votes[2], &limits[2])];
            for (a, b) in values.iter().flat_map(|a| values.map(|b| (*a, b))) {
                assert!(rank([a, b, LOST], &of) >= rank([a, b, 10.0], &of), "{a} {b} {votes:?}");
            }
        }
    }
}
