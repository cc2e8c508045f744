//! Findings as intervals: what `replay` and `backtest` print and what scoring reads. Must not know: what makes a finding.

use brain::Micros;
use brain::alarm::{Alarm, AlarmId, Condition};
use brain::event::Change;
use std::collections::BTreeMap;

/// First line of the CSV form, as what scores findings wants it: there `rule` is the hazard.
pub const COLUMNS: [&str; 5] = ["file", "start", "end", "level", "rule"];

/// What losing sight is called: it is reported apart and is never a detection.
pub const BLIND: &str = "blind";

/// The time a condition stood at one level.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Interval {
    /// Name of the recording.
    pub file: String,
    /// First moment.
    pub start: Micros,
    /// First moment behind it; none: it still stood at the end.
    pub end: Option<Micros>,
    /// Word of a severity, or [`BLIND`].
    pub level: &'static str,
    /// Id of the hazard.
    pub hazard: String,
}

impl Interval {
    /// A line of the CSV form.
    ///
    /// # Errors
    /// A time that no calendar has.
    pub fn cells(&self) -> anyhow::Result<[String; 5]> {
        let time = |at: Micros| jiff::Timestamp::from_microsecond(at).map(|t| t.to_string());
        let end = self.end.map(time).transpose()?.unwrap_or_default();
        Ok([self.file.clone(), time(self.start)?, end, self.level.to_owned(), self.hazard.clone()])
    }
}

/// Alarms that stand, and the intervals of those that stood.
#[derive(Default)]
pub struct Standing {
    now: BTreeMap<AlarmId, Interval>,
    found: Vec<Interval>,
}

impl Standing {
    /// From here on what stands counts for `file`; what stood for none before begins here.
    pub fn begin(&mut self, at: Micros, file: &str) {
        for interval in self.now.values_mut().filter(|interval| interval.file.is_empty()) {
            interval.start = at;
            file.clone_into(&mut interval.file);
        }
    }

    /// An alarm that stood before anybody looked.
    pub fn stood(&mut self, alarm: &Alarm, since: Micros, file: &str) {
        self.now.entry(alarm.id).or_insert_with(|| interval(alarm, since, file));
    }

    /// A condition that changes level ends at one and begins at the other.
    pub fn changed(&mut self, at: Micros, change: Change, alarm: &Alarm, file: &str) {
        if !matches!(change, Change::Opened | Change::Reopened | Change::Raised | Change::Lowered | Change::Cleared) {
            return;
        }
        if let Some(mut ended) = self.now.remove(&alarm.id) {
            ended.end = Some(at);
            self.found.push(ended);
        }
        if alarm.condition == Condition::Active {
            self.now.insert(alarm.id, interval(alarm, at, file));
        }
    }

    /// All intervals that count for a file, by their start.
    pub fn finish(self) -> Vec<Interval> {
        let mut found: Vec<Interval> = self.found.into_iter().chain(self.now.into_values()).collect();
        found.retain(|interval| !interval.file.is_empty());
        found.sort_by(|a, b| (a.start, &a.hazard).cmp(&(b.start, &b.hazard)));
        found
    }
}

fn interval(alarm: &Alarm, start: Micros, file: &str) -> Interval {
    let level = if alarm.key.hazard.starts_with("device.") { BLIND } else { alarm.severity_now.word() };
    Interval { file: file.to_owned(), start, end: None, level, hazard: alarm.key.hazard.clone() }
}
