//! From what a rule sees of a hazard now to what it says: delays per level, and saying it only when it changes or is due again.
//! Must not know: inputs, limits.

use crate::{Certainty, Condition, Delay, Evidence, Finding, Latest, Limit, Reader, SECOND, Severity, Side, State, Writer};

/// What is not clear is said again this often; well inside the lease of [`crate::Hazard`].
const RESTATE_US: i64 = 20 * SECOND;
/// What is clear is said again this often, for a host that was restarted.
const RESTATE_CLEAR_US: i64 = 60 * SECOND;
/// Inputs may be bad this long before the rule says that it cannot tell. Own default.
const BLIND_S: u32 = 10;
/// In a saved state: no level. Its four bits hold any level's code.
const NO_LEVEL: u8 = 0b1111;
/// Numbers of a phrase.
const NUMBERS_MAX: usize = 8;

/// State of a hazard at one moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Level {
    /// No danger.
    Clear,
    /// The inputs needed are bad.
    CannotTell,
    /// Danger of this level.
    Danger(Severity),
}

impl Level {
    fn code(self) -> u8 {
        match self {
            Level::Clear => 0,
            Level::Danger(severity) => severity as u8,
            Level::CannotTell => 5,
        }
    }
    fn from_code(code: u8) -> Level {
        match code {
            0 => Level::Clear,
            1..=4 => Level::Danger(Severity::ALL[usize::from(code) - 1]),
            _ => Level::CannotTell,
        }
    }
}

/// What a rule sees of a hazard now, before any delay.
#[derive(Clone, Debug)]
pub struct View {
    level: Level,
    phrase: &'static str,
    /// So many of them: a rule makes views all the time, and says little.
    numbers: ([f64; NUMBERS_MAX], usize),
    evidence: Vec<Evidence>,
    certainty: Certainty,
    /// More danger than is seen may be out of sight.
    hidden: bool,
}

impl View {
    /// A level and the phrase that tells the situation. The phrase must be true at every level: delays may hold an older one.
    pub fn new(level: Level, phrase: &'static str) -> View {
        let numbers = ([f64::NAN; NUMBERS_MAX], 0);
        View { level, phrase, numbers, evidence: Vec::new(), certainty: Certainty::Observed, hidden: false }
    }
    /// Cannot tell, because tags of these inputs cannot be believed; the phrase has one place, for how many. `None` while a first row is
    /// still awaited: a rule that has just started has nothing to say yet.
    pub fn blind(phrase: &'static str, inputs: &[&Latest]) -> Option<View> {
        if inputs.iter().any(|i| i.awaited()) {
            return None;
        }
        let doubted: usize = inputs.iter().map(|i| i.doubted()).sum();
        Some(View::new(Level::CannotTell, phrase).numbers([doubted as f64]))
    }
    /// Danger of any level.
    pub fn is_danger(&self) -> bool {
        matches!(self.level, Level::Danger(_))
    }
    /// Fills the phrase: eight numbers at most.
    #[must_use]
    pub fn numbers<const N: usize>(mut self, numbers: [f64; N]) -> View {
        const { assert!(N <= NUMBERS_MAX, "a phrase takes eight numbers at most") };
        self.numbers.0[..N].copy_from_slice(&numbers);
        self.numbers.1 = N;
        self
    }
    /// More danger than is seen may be out of sight: no danger becomes cannot tell, and a level above the one seen does not fall.
    #[must_use]
    pub fn hidden(mut self, hidden: bool) -> View {
        self.hidden |= hidden;
        if self.hidden && self.level == Level::Clear {
            self.level = Level::CannotTell;
        }
        self
    }
    /// [`View::hidden`] where a tag of this input [hides](Latest::hides) danger. `None` where no danger is seen and a first row is still
    /// awaited: a rule that has just started takes nothing back before it has heard all.
    #[must_use]
    pub fn unless_hidden(self, latest: &Latest, side: Side, limit: f64) -> Option<View> {
        let view = self.hidden(latest.hides(side, limit));
        Some(view).filter(|view| view.is_danger() || !latest.awaited())
    }
    /// What the claim rests on. Where much has to be gone through for it, see [`Finding::resting_on`].
    #[must_use]
    pub fn evidence(mut self, evidence: impl IntoIterator<Item = Evidence>) -> View {
        self.evidence.extend(evidence);
        self
    }
    /// How sure; observed unless said.
    #[must_use]
    pub fn certainty(mut self, certainty: Certainty) -> View {
        self.certainty = certainty;
        self
    }
}

/// One hazard: its levels with their delays, and what was said last.
#[derive(Clone, Debug)]
pub struct Watch {
    hazard: &'static str,
    levels: [Delay; 4],
    blind: Delay,
    /// By level: the rule has seen just this one since it began.
    viewed: [bool; 4],
    /// By level: [`Watch::level_on_s`] or a limit of [`Watch::votes`] names it, so the rule has it.
    named: [bool; 4],
    now: Option<Level>,
    said: Option<(Level, i64)>,
}

impl Watch {
    /// A hazard without delays.
    pub fn new(hazard: &'static str) -> Watch {
        Watch {
            hazard,
            levels: std::array::from_fn(|_| Delay::seconds(0, 0)),
            blind: Delay::seconds(BLIND_S, 0),
            viewed: [false; 4],
            named: [false; 4],
            now: None,
            said: None,
        }
    }
    /// Same on-delay for all levels, seconds.
    #[must_use]
    pub fn on_s(mut self, seconds: u32) -> Watch {
        for level in &mut self.levels {
            level.set_on_s(seconds);
        }
        self
    }
    /// On-delay of one level, seconds. The other levels keep theirs: none unless [`Watch::on_s`] says so. While a level waits, a lower one that the rule has
    /// is said: one that is named here, or was seen. `.level_on_s(Severity::Orange, 30)` alone says nothing for 30 s; with
    /// `.level_on_s(Severity::Yellow, 0)` before it, yellow at once. Name every level that your rule has.
    #[must_use]
    pub fn level_on_s(mut self, severity: Severity, seconds: u32) -> Watch {
        self.named[severity as usize - 1] = true;
        self.levels[severity as usize - 1].set_on_s(seconds);
        self
    }
    /// How long inputs may be bad before it says that it cannot tell, seconds; 10 unless said. What stood before stands that long.
    #[must_use]
    pub fn blind_s(mut self, seconds: u32) -> Watch {
        self.blind.set_on_s(seconds);
        self
    }
    /// Same off-delay for all levels, seconds.
    #[must_use]
    pub fn off_s(mut self, seconds: u32) -> Watch {
        for level in &mut self.levels {
            level.set_off_s(seconds);
        }
        self
    }
    /// This level or a higher one stands. What a deadband asks: `limit - if stands { deadband } else { 0 }`.
    pub fn stands(&self, severity: Severity) -> bool {
        self.levels[severity as usize - 1..].iter().any(Delay::out)
    }
    /// What `m` of an input's tags say of one limit, with its deadband and this watch's delays. See [`View::voted`] for the phrase.
    pub fn vote(&mut self, at: i64, m: usize, latest: &Latest, limit: &Limit, phrase: &'static str) -> Option<Finding> {
        self.votes(at, latest, &[(m, limit)], phrase)
    }
    /// The same of several levels, each with a limit and a number of tags of its own: `&[(1, &warn), (2, &alarm)]` warns where one tag reaches its limit,
    /// and alarms where two do. See [`View::voted`] for how they go together; a level that has a limit here counts as named ([`Watch::level_on_s`]).
    pub fn votes(&mut self, at: i64, latest: &Latest, levels: &[(usize, &Limit)], phrase: &'static str) -> Option<Finding> {
        for (_, limit) in levels {
            self.named[limit.severity as usize - 1] = true;
        }
        let levels: Vec<_> = levels.iter().map(|(m, limit)| (*m, *limit, self.stands(limit.severity))).collect();
        let view = View::voted(latest, &levels, phrase)?;
        self.tell(at, view)
    }
    /// Takes what is seen at `at`; a finding comes back when it is news, or due again.
    ///
    /// A level counts as seen while it or a higher one is. While nothing can be told all levels keep what they had; while danger may be
    /// hidden those above the one seen do.
    pub fn tell(&mut self, at: i64, view: View) -> Option<Finding> {
        let level = self.delayed(at, view.level, view.hidden)?;
        let due = match self.said {
            Some((said, since)) if said == level => {
                let wait = match level {
                    Level::Clear => RESTATE_CLEAR_US,
                    _ => RESTATE_US,
                };
                at.saturating_sub(since) >= wait
            }
            _ => true,
        };
        if !due {
            return None;
        }
        self.said = Some((level, at));
        let (condition, severity) = match level {
            Level::Clear => (Condition::Clear, Severity::Blue),
            Level::CannotTell => (Condition::CannotTell, Severity::Blue),
            Level::Danger(severity) => (Condition::Active, severity),
        };
        Some(Finding {
            hazard: self.hazard,
            condition,
            severity,
            certainty: view.certainty,
            phrase: view.phrase,
            numbers: view.numbers.0[..view.numbers.1].to_vec(),
            evidence: view.evidence,
        })
    }
    fn delayed(&mut self, at: i64, seen: Level, hidden: bool) -> Option<Level> {
        let blind = self.blind.update(at, seen == Level::CannotTell);
        if let Level::Danger(severity) = seen {
            self.viewed[severity as usize - 1] = true;
        }
        if seen != Level::CannotTell {
            for (level, severity) in self.levels.iter_mut().zip(Severity::ALL) {
                let raised = matches!(seen, Level::Danger(now) if now >= severity);
                // What is out of sight does not fall: its wait begins again once it is in sight.
                level.update(at, raised || hidden && level.out());
            }
        }
        // A level that the rule knows nothing of is not said, though a higher one that waits implies it.
        let standing = Severity::ALL.iter().rev().find(|s| {
            let level = **s as usize - 1;
            self.levels[level].out() && (self.viewed[level] || self.named[level])
        });
        self.now = match standing {
            _ if blind => Some(Level::CannotTell),
            Some(severity) => Some(Level::Danger(*severity)),
            None if seen == Level::Clear => Some(Level::Clear),
            // a danger in its on-delay, or inputs bad for a moment: what was true before stays, except that sight came back
            None if self.now == Some(Level::CannotTell) => None,
            None => self.now.filter(|now| *now == Level::Clear),
        };
        self.now
    }
}

/// What stands and what was said, not the delays. A restored rule goes on in the middle of what it was saying.
impl State for Watch {
    fn save(&self, out: &mut Writer) {
        self.levels.iter().chain([&self.blind]).for_each(|delay| delay.save(out));
        // One byte: the level below, which ones were seen above.
        let viewed = self.viewed.iter().rev().fold(0, |bits, viewed| (bits << 1) | u8::from(*viewed));
        out.u8(self.now.map_or(NO_LEVEL, Level::code) | (viewed << 4));
        out.u8(self.said.map_or(u8::MAX, |(level, _)| level.code()));
        self.said.map(|(_, at)| at).save(out);
    }
    fn load(&mut self, from: &mut Reader) -> Result<(), String> {
        self.levels.iter_mut().chain([&mut self.blind]).try_for_each(|delay| delay.load(from))?;
        let level = |code| ((code & NO_LEVEL) != NO_LEVEL).then(|| Level::from_code(code & NO_LEVEL));
        let now = from.u8()?;
        self.now = level(now);
        self.viewed = std::array::from_fn(|level| (now >> 4) & (1 << level) != 0);
        if let Some(Level::Danger(severity)) = self.now {
            self.viewed[severity as usize - 1] = true; // a state of before levels were remembered
        }
        self.said = level(from.u8()?).zip(from.moment()?);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn tell(watch: &mut Watch, second: i64, level: Level) -> Option<(Condition, Severity)> {
        let finding = watch.tell(second * SECOND, View::new(level, "p"));
        finding.map(|f| (f.condition, f.severity))
    }

    #[test]
    fn says_what_changed_and_repeats_what_stands() {
        let mut watch = Watch::new("h").on_s(5).off_s(60).level_on_s(Severity::Red, 2);
        let red = Level::Danger(Severity::Red);
        assert_eq!(tell(&mut watch, 0, Level::Clear), Some((Condition::Clear, Severity::Blue)));
        assert_eq!(tell(&mut watch, 1, red), None);
        assert_eq!(tell(&mut watch, 3, red), Some((Condition::Active, Severity::Red)));
        assert_eq!(tell(&mut watch, 22, red), None);
        assert_eq!(tell(&mut watch, 23, red), Some((Condition::Active, Severity::Red)));
        assert_eq!(tell(&mut watch, 24, Level::Clear), None);
        assert_eq!(tell(&mut watch, 84, Level::Clear), Some((Condition::Clear, Severity::Blue)));
        assert_eq!(tell(&mut watch, 143, Level::Clear), None);
        assert_eq!(tell(&mut watch, 144, Level::Clear), Some((Condition::Clear, Severity::Blue)));
    }

    #[test]
    fn never_clears_on_inputs_that_cannot_be_believed() {
        let mut watch = Watch::new("h");
        assert_eq!(tell(&mut watch, 0, Level::CannotTell), None);
        let blind = Some((Condition::CannotTell, Severity::Blue));
        assert_eq!(tell(&mut watch, 10, Level::CannotTell), blind);
        let orange = Level::Danger(Severity::Orange);
        assert_eq!(tell(&mut watch, 11, orange), Some((Condition::Active, Severity::Orange)));
        assert_eq!(tell(&mut watch, 12, Level::CannotTell), None);
        assert_eq!(tell(&mut watch, 22, Level::CannotTell), blind);
    }

    #[test]
    fn a_level_that_was_never_seen_is_never_said() {
        let orange = Level::Danger(Severity::Orange);
        let mut watch = Watch::new("h").level_on_s(Severity::Orange, 30);
        assert_eq!(tell(&mut watch, 0, Level::Clear), Some((Condition::Clear, Severity::Blue)));
        assert_eq!(tell(&mut watch, 20, orange), None, "yellow has no delay, and the rule never said it");
        assert_eq!(tell(&mut watch, 49, orange), None);
        let mut out = Writer::default();
        watch.save(&mut out);
        let mut watch = Watch::new("h").level_on_s(Severity::Orange, 30);
        watch.load(&mut Reader::new(&out.into_bytes())).unwrap();
        assert_eq!(tell(&mut watch, 50, orange), Some((Condition::Active, Severity::Orange)));
        assert_eq!(tell(&mut watch, 60, Level::Clear), Some((Condition::Clear, Severity::Blue)));
        // A rule that names yellow says it at once, also where nothing but orange was ever seen.
        let mut named = Watch::new("h").level_on_s(Severity::Yellow, 0).level_on_s(Severity::Orange, 30);
        assert_eq!(tell(&mut named, 0, orange), Some((Condition::Active, Severity::Yellow)));
        assert_eq!(tell(&mut named, 30, orange), Some((Condition::Active, Severity::Orange)));
        // The control: a rule that knows yellow says it while orange waits.
        assert_eq!(tell(&mut watch, 61, Level::Danger(Severity::Yellow)), Some((Condition::Active, Severity::Yellow)));
        assert_eq!(tell(&mut watch, 70, Level::Clear), Some((Condition::Clear, Severity::Blue)));
        assert_eq!(tell(&mut watch, 80, orange), Some((Condition::Active, Severity::Yellow)));
        assert_eq!(tell(&mut watch, 110, orange), Some((Condition::Active, Severity::Orange)));
    }

    #[test]
    fn how_long_inputs_may_be_bad_is_the_rules_to_say() {
        let mut watch = Watch::new("h").blind_s(60);
        assert_eq!(tell(&mut watch, 0, Level::CannotTell), None);
        assert_eq!(tell(&mut watch, 59, Level::CannotTell), None);
        assert_eq!(tell(&mut watch, 60, Level::CannotTell), Some((Condition::CannotTell, Severity::Blue)));
    }

    #[test]
    fn no_level_falls_while_danger_may_be_hidden() {
        let mut watch = Watch::new("h").off_s(60);
        let mut tell = |second: i64, level, hidden| {
            let finding = watch.tell(second * SECOND, View::new(level, "p").hidden(hidden));
            finding.map(|f| (f.condition, f.severity))
        };
        let (red, yellow) = (Level::Danger(Severity::Red), Level::Danger(Severity::Yellow));
        assert_eq!(tell(0, red, false), Some((Condition::Active, Severity::Red)));
        assert_eq!(tell(50, yellow, true), Some((Condition::Active, Severity::Red)));
        assert_eq!(tell(500, yellow, true), Some((Condition::Active, Severity::Red)));
        assert_eq!(tell(501, Level::Clear, true), None);
        assert_eq!(tell(511, Level::Clear, true), Some((Condition::CannotTell, Severity::Blue)));
        assert_eq!(tell(512, yellow, false), Some((Condition::Active, Severity::Red)), "in sight again: the wait begins");
        assert_eq!(tell(572, yellow, false), Some((Condition::Active, Severity::Yellow)));
    }
}
