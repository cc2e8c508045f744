//! How the rule decides: one view per hazard from the latest rows and their recent past. Must not know: words, citations, WebAssembly.

use crate::baseline::Baseline;
use crate::description::description;
use safety_brain_sdk::{
    Certainty, Description, Evidence, Fault, Finding, Latest, Level, Reading, Rule, Severity, Side, Start, View, Watch, Window,
    state,
};

/// Falls this far below a limit before the level is given up, %LEL. Own default.
const GAS_DEADBAND: f64 = 2.0;
/// The same for toxic gas, as a share of the limit. Own default.
const TOXIC_DEADBAND: f64 = 0.05;
/// Least rise that goes together with a pressure fall, %LEL: above a detector's noise. Own default.
const LEAK_RISE: f64 = 2.0;

/// The detectors of one zone.
pub struct GasDetector {
    limits: Limits,
    gas: Latest,
    toxic: Latest,
    raw: Latest,
    pressure: Latest,
    people: Latest,
    /// One per tag of `gas`.
    gas_windows: Vec<Window>,
    /// One per tag of `pressure`.
    pressure_windows: Vec<Window>,
    /// One per tag of `raw`.
    baselines: Vec<Baseline>,
    gas_watch: Watch,
    toxic_watch: Watch,
    leak_watch: Watch,
    detector_watch: Watch,
    deviation_watch: Watch,
}

struct Limits {
    l1: f64,
    l2: f64,
    al: f64,
    ah: f64,
    votes: usize,
    rise: f64,
    rise_above: f64,
    drop_percent: f64,
    sigma: f64,
    support: f64,
    votes_raw: usize,
    follow: f64,
}

impl Limits {
    fn new(start: &Start) -> Result<Limits, Vec<Fault>> {
        let mut faults = Vec::new();
        let bound = |input| !start.places(input).is_empty();
        if !["gas", "toxic", "raw"].into_iter().any(bound) {
            faults.push(Fault::rule("no detector: bind `gas`, `toxic` or `raw`"));
        }
        for param in ["al", "ah"] {
            if bound("toxic") && start.given(param).is_none() {
                let why = "`toxic` is bound: set the limit of this gas from GBZ 2.1";
                faults.push(Fault::param(param, why));
            }
        }
        for (low, high) in [("l1", "l2"), ("al", "ah"), ("sigma_support", "sigma")] {
            if start.number(low) > start.number(high) {
                let why = format!("{} is below `{low}`, {}", start.number(high), start.number(low));
                faults.push(Fault::param(high, why));
            }
        }
        for (input, param) in [("gas", "l2"), ("toxic", "ah")] {
            faults.extend(start.out_of_reach(input, Side::High, param));
        }
        match faults.is_empty() {
            true => Ok(Limits {
                l1: start.number("l1"),
                l2: start.number("l2"),
                al: start.number("al"),
                ah: start.number("ah"),
                votes: start.number("votes") as usize,
                rise: start.number("rise"),
                rise_above: start.number("rise_above"),
                drop_percent: start.number("pressure_drop_percent"),
                sigma: start.number("sigma"),
                support: start.number("sigma_support"),
                votes_raw: start.number("votes_raw") as usize,
                follow: start.number("follow_rows"),
            }),
            false => Err(faults),
        }
    }
}

impl Rule for GasDetector {
    fn describe() -> Description {
        description()
    }

    fn new(start: Start) -> Result<Self, Vec<Fault>> {
        let (gas, raw, pressure) = (start.latest("gas"), start.latest("raw"), start.latest("pressure"));
        let windows = |latest: &Latest, param| vec![Window::seconds(start.number(param)); latest.rows().len()];
        Ok(GasDetector {
            limits: Limits::new(&start)?,
            gas_windows: windows(&gas, "rise_window_s"),
            pressure_windows: windows(&pressure, "pressure_window_s"),
            baselines: vec![Baseline::new(start.number("learn_rows") as usize); raw.rows().len()],
            gas,
            toxic: start.latest("toxic"),
            raw,
            pressure,
            people: start.latest("people"),
            // Delays: own defaults; an alarm of a detector must stand within 10 s.
            gas_watch: Watch::new("gas.lel").on_s(5).level_on_s(Severity::Red, 3).off_s(60),
            toxic_watch: Watch::new("gas.toxic").on_s(5).level_on_s(Severity::Orange, 3).level_on_s(Severity::Red, 3).off_s(60),
            leak_watch: Watch::new("gas.leak").on_s(3).off_s(60),
            detector_watch: Watch::new("gas.detector").on_s(10).off_s(60),
            deviation_watch: Watch::new("gas.deviation").on_s(5).off_s(60),
        })
    }

    fn evaluate(&mut self, at: i64, readings: &[Reading]) -> Vec<Finding> {
        for latest in self.latests_mut() {
            latest.take(readings);
        }
        remember(&mut self.gas_windows, &self.gas, Side::High, at, readings);
        remember(&mut self.pressure_windows, &self.pressure, Side::Low, at, readings);
        let deviation = self.deviation();
        if !deviation.as_ref().is_some_and(View::is_danger) {
            self.learn(readings);
        }
        let findings = [
            self.combustible()
                .and_then(|view| self.gas_watch.tell(at, view))
                .map(|finding| finding.resting_on(self.combustible_evidence())),
            self.poison()
                .and_then(|view| self.toxic_watch.tell(at, view))
                .map(|finding| finding.resting_on(self.poison_evidence())),
            self.leak().and_then(|view| self.leak_watch.tell(at, view)),
            self.detectors().and_then(|view| self.detector_watch.tell(at, view)),
            deviation.and_then(|view| self.deviation_watch.tell(at, view)),
        ];
        findings.into_iter().flatten().collect()
    }

    state!(
        gas,
        toxic,
        raw,
        pressure,
        people,
        gas_windows,
        pressure_windows,
        baselines,
        gas_watch,
        toxic_watch,
        leak_watch,
        detector_watch,
        deviation_watch
    );
}

/// What is seen of each hazard now; `None` where the site did not bind what it needs.
impl GasDetector {
    fn combustible(&self) -> Option<View> {
        if !self.gas.bound() {
            return None;
        }
        let limits = &self.limits;
        let band = |limit: f64, severity| self.gas_band(limit, severity);
        let red = band(limits.l2, Severity::Red);
        let (orange, yellow) = (band(limits.l1, Severity::Orange), band(limits.l1, Severity::Yellow));
        let highest = self.gas.highest();
        let over = |limit: f64| highest.is_some_and(|r| !(r.value < limit));
        let fast = self.fastest(limits.rise_above).filter(|(_, rise)| *rise >= limits.rise);
        let level = match () {
            _ if over(red) => Level::Danger(Severity::Red),
            _ if self.gas.votes(Side::High, orange) >= limits.votes => Level::Danger(Severity::Orange),
            _ if fast.is_some() => Level::Danger(Severity::Orange),
            _ if over(yellow) => Level::Danger(Severity::Yellow),
            _ if !self.gas.can_tell(limits.votes) => return View::blind("blind", &[&self.gas]),
            _ => Level::Clear,
        };
        let view = match fast {
            Some((row, rise)) if level == Level::Danger(Severity::Orange) => View::new(level, "rise").numbers([row.value, rise]),
            _ => {
                let over_l1 = self.gas.votes(Side::High, limits.l1);
                let highest = highest.map_or(f64::NAN, |r| r.value);
                View::new(level, "gas").numbers([highest, over_l1 as f64, limits.l1])
            }
        };
        // A fast rise may have raised it below the first alarm.
        let least = if self.gas_watch.stands(Severity::Yellow) { yellow.min(limits.rise_above) } else { yellow };
        let view = view.certainty(self.gas.certainty(Side::High, least));
        view.unless_hidden(&self.gas, Side::High, least)
    }

    fn combustible_evidence(&self) -> Vec<Evidence> {
        let red = self.gas_band(self.limits.l2, Severity::Red);
        let is_red = self.gas.highest().is_some_and(|row| Side::High.reaches(row.value, red));
        strongest(&self.gas, if is_red { (self.limits.l2, "l2") } else { (self.limits.l1, "l1") })
    }

    /// A limit of combustible gas, less its deadband while the level stands.
    fn gas_band(&self, limit: f64, severity: Severity) -> f64 {
        if self.gas_watch.stands(severity) { limit - GAS_DEADBAND } else { limit }
    }

    /// The combustible detector that rises fastest among those at or above `from`, and by how much.
    fn fastest(&self, from: f64) -> Option<(&Reading, f64)> {
        let rows = self.gas.rows().iter().zip(&self.gas_windows);
        rows.filter(|(row, _)| self.gas.counts(row, Side::High) && row.value >= from)
            .map(|(row, window)| (row, window.rise()))
            .max_by(|a, b| a.1.total_cmp(&b.1))
    }

    fn poison(&self) -> Option<View> {
        if !self.toxic.bound() {
            return None;
        }
        let limits = &self.limits;
        let highest = self.toxic.highest();
        let (high, low) = (self.toxic_band(limits.ah, Severity::Orange), self.toxic_band(limits.al, Severity::Yellow));
        let over = |limit: f64| highest.is_some_and(|r| !(r.value < limit));
        // a headcount that cannot be believed counts as somebody; nobody counting does not
        let inside = self.people.bound() && self.people.any_on() != Some(false);
        let level = match () {
            _ if over(high) && inside => Level::Danger(Severity::Red),
            _ if over(high) => Level::Danger(Severity::Orange),
            _ if over(low) => Level::Danger(Severity::Yellow),
            _ if !self.toxic.can_tell(limits.votes) => return View::blind("blind", &[&self.toxic]),
            _ => Level::Clear,
        };
        let view = View::new(level, "toxic").numbers([highest.map_or(f64::NAN, |r| r.value), limits.al, limits.ah]);
        let view = view.certainty(self.toxic.certainty(Side::High, low));
        view.unless_hidden(&self.toxic, Side::High, low)
    }

    fn poison_evidence(&self) -> impl Iterator<Item = Evidence> {
        let high = self.toxic_band(self.limits.ah, Severity::Orange);
        let is_high = self.toxic.highest().is_some_and(|row| Side::High.reaches(row.value, high));
        let held = if is_high { (self.limits.ah, "ah") } else { (self.limits.al, "al") };
        strongest(&self.toxic, held).into_iter().chain(self.people.highest().map(Reading::evidence))
    }

    /// A limit of toxic gas, less its deadband while the level stands.
    fn toxic_band(&self, limit: f64, severity: Severity) -> f64 {
        if self.toxic_watch.stands(severity) { limit * (1.0 - TOXIC_DEADBAND) } else { limit }
    }

    /// Gas that rises while a line loses pressure. Once seen it stands until the gas is gone: an empty line falls no further.
    fn leak(&self) -> Option<View> {
        if !self.gas.bound() || !self.pressure.bound() {
            return None;
        }
        let limits = &self.limits;
        let (Some(highest), Some((fallen, percent))) = (self.gas.highest(), self.deepest_fall()) else {
            return View::blind("blind", &[&self.gas, &self.pressure]);
        };
        let rising = self.fastest(limits.rise_above).is_some_and(|(_, rise)| rise >= LEAK_RISE);
        let standing = self.leak_watch.stands(Severity::Orange) && !(highest.value < limits.rise_above);
        let level = match () {
            _ if !(standing || rising && percent >= limits.drop_percent) => Level::Clear,
            _ if !(highest.value < limits.l1) => Level::Danger(Severity::Red),
            _ => Level::Danger(Severity::Orange),
        };
        let view = View::new(level, "leak").numbers([highest.value, percent]);
        let view = view.evidence([highest.against(limits.l1, "l1"), fallen.evidence()]);
        let view = view.certainty(self.gas.certainty(Side::High, limits.rise_above));
        view.unless_hidden(&self.gas, Side::High, limits.rise_above)
    }

    /// The line that lost most of its pressure within the window, and the loss in percent.
    fn deepest_fall(&self) -> Option<(&Reading, f64)> {
        let percent = |window: &Window| match window.highest() {
            Some(highest) if highest > 0.0 => 100.0 * (highest - window.newest()).max(0.0) / highest,
            _ => 0.0,
        };
        let rows = self.pressure.rows().iter().zip(&self.pressure_windows);
        let counted = rows.filter(|(row, _)| self.pressure.counts(row, Side::Low));
        counted.map(|(row, window)| (row, percent(window))).max_by(|a, b| a.1.total_cmp(&b.1))
    }

    fn detectors(&self) -> Option<View> {
        let kinds = [(&self.gas, self.limits.votes), (&self.toxic, self.limits.votes), (&self.raw, self.limits.votes_raw)];
        let mut worst: Option<(usize, usize)> = None;
        for (latest, votes) in kinds.into_iter().filter(|(latest, _)| latest.bound()) {
            if latest.awaited() {
                return None;
            }
            let needed = votes.min(latest.rows().len());
            let margin = |(believed, needed): (usize, usize)| believed as i64 - needed as i64;
            let now = (latest.rows().len() - latest.doubted(), needed);
            worst = worst.filter(|w| margin(*w) <= margin(now)).or(Some(now));
        }
        let (believed, needed) = worst?;
        let level = match believed < needed {
            true => Level::Danger(Severity::Yellow),
            false => Level::Clear,
        };
        Some(View::new(level, "detector").numbers([believed as f64, needed as f64]))
    }

    /// One detector far from its baseline, and enough others at least some way in the same direction: no single one decides.
    fn deviation(&self) -> Option<View> {
        if !self.raw.bound() {
            return None;
        }
        let limits = &self.limits;
        // Beyond its range a raw detector deviates too, whichever way.
        let counts = |row: &Reading| self.raw.counts(row, Side::High) || self.raw.counts(row, Side::Low);
        if self.raw.rows().iter().filter(|row| counts(row)).count() < limits.votes_raw.min(self.raw.rows().len()) {
            return View::blind("blind", &[&self.raw]);
        }
        let deviations: Vec<(&Reading, f64)> = (self.raw.rows().iter().zip(&self.baselines))
            .filter(|(row, _)| counts(row))
            .filter_map(|(row, baseline)| Some((row, baseline.deviation(row.value)?)))
            .collect();
        if deviations.len() < limits.votes_raw.min(self.raw.rows().len()) {
            let least = self.baselines.iter().map(Baseline::progress).min()?;
            let view = View::new(Level::CannotTell, "learning");
            return Some(view.numbers([least.0 as f64, least.1 as f64]));
        }
        let together = |sign: f64| {
            let supporting = deviations.iter().filter(|(_, z)| z * sign >= limits.support).count();
            let farthest = deviations.iter().map(|(_, z)| z * sign).fold(0.0, f64::max);
            (farthest >= limits.sigma && supporting >= limits.votes_raw, supporting, farthest)
        };
        let (up, down) = (together(1.0), together(-1.0));
        let (far, supporting, farthest) = if (down.0, down.2) > (up.0, up.2) { down } else { up };
        // Without enough that are believed there is no "quiet"; what stands is not over while some detector is out of sight.
        let quiet =
            self.raw.can_tell(limits.votes_raw) && !(self.deviation_watch.stands(Severity::Orange) && self.raw.doubted() > 0);
        let level = match far {
            true => Level::Danger(Severity::Orange),
            false if quiet => Level::Clear,
            false => return View::blind("blind", &[&self.raw]),
        };
        let view = View::new(level, "deviation").numbers([supporting as f64, farthest]);
        let evidence = deviations.iter().filter(|(_, z)| z.abs() >= limits.support);
        let evidence = evidence.map(|(row, _)| row.evidence());
        let certainty = match self.raw.can_tell(limits.votes_raw) {
            true => self.raw.certainty(Side::High, f64::NEG_INFINITY),
            false => Certainty::Possible,
        };
        Some(view.evidence(evidence.take(8)).certainty(certainty))
    }

    /// Baselines take this batch's rows; only while the zone is quiet.
    fn learn(&mut self, readings: &[Reading]) {
        let readings = if self.raw.bound() { readings } else { &[] };
        for row in readings.iter().filter(|r| r.believed()) {
            if let Some(index) = self.raw.place(row.handle) {
                self.baselines[index].take(row.value, self.limits.sigma, self.limits.follow);
            }
        }
    }

    fn latests_mut(&mut self) -> [&mut Latest; 5] {
        [&mut self.gas, &mut self.toxic, &mut self.raw, &mut self.pressure, &mut self.people]
    }
}

/// What came in this batch enters its tag's window, where it counts on the side of danger; the windows of the others only grow older.
fn remember(windows: &mut [Window], latest: &Latest, side: Side, at: i64, readings: &[Reading]) {
    windows.iter_mut().for_each(|window| window.age(at));
    let readings = if windows.is_empty() { &[] } else { readings };
    for row in readings {
        if let Some(place) = latest.place(row.handle).filter(|_| latest.counts(row, side)) {
            windows[place].push(at, row.value);
        }
    }
}

/// The highest rows against one limit, highest first.
fn strongest(latest: &Latest, (limit, param): (f64, &'static str)) -> Vec<Evidence> {
    let mut evidence = latest.against(Side::High, limit, param);
    evidence.sort_by(|a, b| b.value.total_cmp(&a.value));
    evidence.truncate(8);
    evidence
}
