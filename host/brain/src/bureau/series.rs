//! Which numbers of a plant's messages may still come. A plant whose messages are proved says with each its number, which only rises in one series, and below
//! which number it owes none any more. So an old message is known as such however long ago it was forgotten, and one that waited for days is not. A
//! plant that says none of it is known by identifiers alone. Must not know: what a message says.

use super::{Memory, Report};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

/// Series of one plant that are known; that of which something came longest ago goes first. A record that begins, and each drill, has one of its own.
const SERIES_MAX: usize = 100;
/// Numbers of one series that came although a lower one is still owed; the lowest go first.
const SEEN_MAX: usize = 200_000;

/// One series.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Series {
    name: String,
    /// None below it is sent any more.
    floor: u64,
    /// Those from there on that came.
    seen: BTreeSet<u64>,
}

/// What a series is called: the name of an incident without that of the alarm.
fn name(report: &Report) -> Option<&str> {
    let incident = report.incident.strip_suffix(".accident").unwrap_or(&report.incident);
    (report.number > 0).then(|| incident.rsplit_once('.').map_or(incident, |(series, _)| series))
}

impl Memory {
    /// It came before, or its sender no longer tells it: nothing that is new.
    pub(super) fn is_past(&self, report: &Report) -> bool {
        let series = name(report).and_then(|name| self.series.iter().find(|series| series.name == name));
        series.is_some_and(|series| report.number < series.floor || series.seen.contains(&report.number))
    }

    /// It came.
    pub(super) fn number(&mut self, report: &Report) {
        let Some(name) = name(report) else { return };
        let known = self.series.iter().position(|series| series.name == name).and_then(|place| self.series.remove(place));
        let mut series = known.unwrap_or_else(|| Series { name: name.to_owned(), ..Series::default() });
        series.seen.insert(report.number);
        // Nobody is done with what comes later.
        series.floor = series.floor.max(report.floor.min(report.number));
        series.seen = series.seen.split_off(&series.floor);
        while series.seen.len() > SEEN_MAX {
            series.seen.pop_first();
        }
        self.series.push_back(series);
        if self.series.len() > SERIES_MAX {
            self.series.pop_front();
        }
    }
}
