//! How the rule decides: one view per hazard from the latest rows and their recent past. Must not know: words, citations, WebAssembly.

use crate::baseline::Baseline;
use crate::description::description;
use safety_brain_sdk::{
    Description, Evidence, Fault, Finding, Latest, Level, Reader, Reading, Rule, Severity, Start, View, Watch, Window, Writer,
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
            toxic_watch: Watch::new("gas.toxic").on_s(3).level_on_s(Severity::Yellow, 5).off_s(60),
            leak_watch: Watch::new("gas.leak").on_s(3).off_s(60),
            detector_watch: Watch::new("gas.detector").on_s(10).off_s(60),
            deviation_watch: Watch::new("gas.deviation").on_s(5).off_s(60),
        })
    }

    fn evaluate(&mut self, at: i64, readings: &[Reading]) -> Vec<Finding> {
        for latest in self.latests_mut() {
            latest.take(readings);
        }
        remember(&mut self.gas_windows, &self.gas, at, readings);
        remember(&mut self.pressure_windows, &self.pressure, at, readings);
        let deviation = self.deviation();
        if !deviation.as_ref().is_some_and(View::is_danger) {
            self.learn(readings);
        }
        let findings = [
            self.combustible().and_then(|view| self.gas_watch.tell(at, view)),
            self.poison().and_then(|view| self.toxic_watch.tell(at, view)),
            self.leak().and_then(|view| self.leak_watch.tell(at, view)),
            self.detectors().and_then(|view| self.detector_watch.tell(at, view)),
            deviation.and_then(|view| self.deviation_watch.tell(at, view)),
        ];
        findings.into_iter().flatten().collect()
    }

    fn snapshot(&self) -> Vec<u8> {
        let mut out = Writer::default();
        let latests = [&self.gas, &self.toxic, &self.raw, &self.pressure, &self.people];
        latests.iter().for_each(|latest| latest.save(&mut out));
        let windows = self.gas_windows.iter().chain(&self.pressure_windows);
        windows.for_each(|window| window.save(&mut out));
        self.baselines.iter().for_each(|baseline| baseline.save(&mut out));
        let watches = [&self.gas_watch, &self.toxic_watch, &self.leak_watch, &self.detector_watch, &self.deviation_watch];
        watches.iter().for_each(|watch| watch.save(&mut out));
        out.into_bytes()
    }

    fn restore(&mut self, _version: u32, state: &[u8]) -> Result<(), String> {
        let mut from = Reader::new(state);
        for latest in self.latests_mut() {
            latest.load(&mut from)?;
        }
        for window in self.gas_windows.iter_mut().chain(&mut self.pressure_windows) {
            window.load(&mut from)?;
        }
        for baseline in &mut self.baselines {
            baseline.load(&mut from)?;
        }
        for watch in [
            &mut self.gas_watch,
            &mut self.toxic_watch,
            &mut self.leak_watch,
            &mut self.detector_watch,
            &mut self.deviation_watch,
        ] {
            watch.load(&mut from)?;
        }
        from.done()
    }
}

/// What is seen of each hazard now; `None` where the site did not bind what it needs.
impl GasDetector {
    fn combustible(&self) -> Option<View> {
        if !self.gas.bound() {
            return None;
        }
        let limits = &self.limits;
        let band = |limit: f64, severity| match self.gas_watch.stands(severity) {
            true => limit - GAS_DEADBAND,
            false => limit,
        };
        let red = band(limits.l2, Severity::Red);
        let (orange, yellow) = (band(limits.l1, Severity::Orange), band(limits.l1, Severity::Yellow));
        let highest = self.gas.highest();
        let over = |limit: f64| highest.is_some_and(|r| !(r.value < limit));
        let fast = self.fastest(limits.rise_above).filter(|(_, rise)| *rise >= limits.rise);
        let level = match () {
            _ if over(red) => Level::Danger(Severity::Red),
            _ if self.gas.vote(|v| !(v < orange)).reached(limits.votes) => Level::Danger(Severity::Orange),
            _ if fast.is_some() => Level::Danger(Severity::Orange),
            _ if over(yellow) => Level::Danger(Severity::Yellow),
            _ if !self.gas.vote(|_| false).can_tell(limits.votes) => {
                return View::blind("blind", &[&self.gas]);
            }
            _ => Level::Clear,
        };
        let view = match fast {
            Some((row, rise)) if level == Level::Danger(Severity::Orange) => View::new(level, "rise").numbers([row.value, rise]),
            _ => {
                let over_l1 = self.gas.vote(|v| !(v < limits.l1)).yes;
                let highest = highest.map_or(f64::NAN, |r| r.value);
                View::new(level, "gas").numbers([highest, over_l1 as f64, limits.l1])
            }
        };
        let held = if over(red) { (limits.l2, "l2") } else { (limits.l1, "l1") };
        Some(view.evidence(strongest(&self.gas, held)).certainty(self.gas.certainty()))
    }

    /// The combustible detector that rises fastest among those at or above `from`, and by how much.
    fn fastest(&self, from: f64) -> Option<(&Reading, f64)> {
        let rows = self.gas.rows().iter().zip(&self.gas_windows);
        rows.filter(|(row, _)| row.believed() && row.value >= from)
            .map(|(row, window)| (row, window.rise()))
            .max_by(|a, b| a.1.total_cmp(&b.1))
    }

    fn poison(&self) -> Option<View> {
        if !self.toxic.bound() {
            return None;
        }
        let limits = &self.limits;
        let highest = self.toxic.highest();
        let over = |limit: f64, severity| {
            let share = if self.toxic_watch.stands(severity) { 1.0 - TOXIC_DEADBAND } else { 1.0 };
            highest.is_some_and(|r| !(r.value < limit * share))
        };
        // a headcount that cannot be believed counts as somebody; nobody counting does not
        let inside = self.people.bound() && self.people.any_on() != Some(false);
        let level = match () {
            _ if over(limits.ah, Severity::Orange) && inside => Level::Danger(Severity::Red),
            _ if over(limits.ah, Severity::Orange) => Level::Danger(Severity::Orange),
            _ if over(limits.al, Severity::Yellow) => Level::Danger(Severity::Yellow),
            _ if !self.toxic.vote(|_| false).can_tell(limits.votes) => {
                return View::blind("blind", &[&self.toxic]);
            }
            _ => Level::Clear,
        };
        let view = View::new(level, "toxic").numbers([highest.map_or(f64::NAN, |r| r.value), limits.al, limits.ah]);
        let held = if over(limits.ah, Severity::Orange) { (limits.ah, "ah") } else { (limits.al, "al") };
        let evidence = strongest(&self.toxic, held).into_iter().chain(self.people.highest().map(Reading::evidence));
        Some(view.evidence(evidence).certainty(self.toxic.certainty()))
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
        Some(view.evidence([highest.against(limits.l1, "l1"), fallen.evidence()]).certainty(self.gas.certainty()))
    }

    /// The believed line that lost most of its pressure within the window, and the loss in percent.
    fn deepest_fall(&self) -> Option<(&Reading, f64)> {
        let percent = |window: &Window| match window.highest() {
            Some(highest) if highest > 0.0 => 100.0 * window.fall() / highest,
            _ => 0.0,
        };
        let rows = self.pressure.rows().iter().zip(&self.pressure_windows);
        rows.filter(|(row, _)| row.believed()).map(|(row, window)| (row, percent(window))).max_by(|a, b| a.1.total_cmp(&b.1))
    }

    fn detectors(&self) -> Option<View> {
        let kinds = [(&self.gas, self.limits.votes), (&self.toxic, self.limits.votes), (&self.raw, self.limits.votes_raw)];
        let mut worst: Option<(usize, usize)> = None;
        for (latest, votes) in kinds.into_iter().filter(|(latest, _)| latest.bound()) {
            if latest.awaited() {
                return None;
            }
            let vote = latest.vote(|_| false);
            let needed = votes.min(vote.bound);
            let margin = |(believed, needed): (usize, usize)| believed as i64 - needed as i64;
            let now = (vote.believed, needed);
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
        if !self.raw.vote(|_| false).can_tell(limits.votes_raw) {
            return View::blind("blind", &[&self.raw]);
        }
        let deviations: Vec<(&Reading, f64)> = (self.raw.rows().iter().zip(&self.baselines))
            .filter(|(row, _)| row.believed())
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
        let level = if far { Level::Danger(Severity::Orange) } else { Level::Clear };
        let view = View::new(level, "deviation").numbers([supporting as f64, farthest]);
        let evidence = deviations.iter().filter(|(_, z)| z.abs() >= limits.support);
        let evidence = evidence.map(|(row, _)| row.evidence());
        Some(view.evidence(evidence.take(8)).certainty(self.raw.certainty()))
    }

    /// Baselines take this batch's rows; only while the zone is quiet.
    fn learn(&mut self, readings: &[Reading]) {
        for row in readings.iter().filter(|r| r.believed()) {
            let index = self.raw.rows().iter().position(|held| held.handle == row.handle);
            if let Some(index) = index {
                self.baselines[index].take(row.value, self.limits.sigma, self.limits.follow);
            }
        }
    }

    fn latests_mut(&mut self) -> [&mut Latest; 5] {
        [&mut self.gas, &mut self.toxic, &mut self.raw, &mut self.pressure, &mut self.people]
    }
}

/// Tags that came in this batch enter their window; the windows of the others only grow older.
fn remember(windows: &mut [Window], latest: &Latest, at: i64, readings: &[Reading]) {
    for (window, row) in windows.iter_mut().zip(latest.rows()) {
        let came = row.believed() && readings.iter().any(|r| r.handle == row.handle);
        window.push(at, if came { row.value } else { f64::NAN });
    }
}

/// The highest rows against one limit, highest first.
fn strongest(latest: &Latest, (limit, param): (f64, &'static str)) -> Vec<Evidence> {
    let mut evidence = latest.against(limit, param);
    evidence.sort_by(|a, b| b.value.total_cmp(&a.value));
    evidence.truncate(8);
    evidence
}
