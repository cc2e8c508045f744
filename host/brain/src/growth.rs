//! Whether there is room for what is kept: judged from what the host measures, early enough that somebody can do something.
//! Must not know: disks, files, how room is measured.

use crate::alarm::{AlarmKey, Condition, Source};
use crate::brain::Brain;
use crate::builtin::Builtin;
use crate::event::Effect;
use crate::guard::{builtin, number};
use crate::site::Severity;
use crate::words::Text;

/// Below these it is at least so bad: days left, free percent of the file system. Own choice; the percents are where the host begins to
/// keep less, and to refuse.
const STEPS: [(Severity, f64, f64); 3] =
    [(Severity::Red, 1.0, 5.0), (Severity::Orange, 3.0, 10.0), (Severity::Yellow, 7.0, 15.0)];
/// To be better again takes this much more than the step: room wavers while files come and go.
const MARGIN: f64 = 1.2;

impl Brain {
    /// Whether there is too little room for what is kept, as it was last measured.
    pub fn room_is_short(&self) -> bool {
        self.standing_growth(&self.growth_key()).is_some()
    }

    fn growth_key(&self) -> AlarmKey {
        let zone = self.site.zones.first().map(|zone| zone.name.clone()).unwrap_or_default();
        AlarmKey { source: Source::Guard, hazard: Builtin::Growth.id().to_owned(), zone, object: String::new() }
    }

    fn standing_growth(&self, key: &AlarmKey) -> Option<Severity> {
        let alarm = self.open.get(key).and_then(|id| self.alarms.get(id))?;
        (alarm.condition == Condition::Active).then_some(alarm.severity_now)
    }

    pub(crate) fn growth(&mut self, free: f64, disk_days: Option<f64>, journal_days: Option<f64>, out: &mut Vec<Effect>) {
        let key = self.growth_key();
        let standing = self.standing_growth(&key);
        let worst = |margin: f64| level(free, disk_days, journal_days, margin);
        // It rises at the step, and falls only well above it, never higher than it stood.
        let severity = worst(1.0).max(worst(MARGIN).min(standing));
        let Some(severity) = severity else { return self.clear(&key, out) };
        let days = |days: Option<f64>| days.map_or_else(|| "-".to_owned(), number);
        let args = vec![number(free), days(disk_days), days(journal_days)];
        let text = Text::Phrase { key: "guard.storage.growth".to_owned(), args };
        self.claim(builtin(Builtin::Growth, key, severity, text, Vec::new()), out);
    }
}

/// How bad it is; none = not bad. The journal's bound costs old records, not the record: never red.
fn level(free: f64, disk_days: Option<f64>, journal_days: Option<f64>, margin: f64) -> Option<Severity> {
    // Danger is what is not surely enough: NaN is danger.
    let below = |days: Option<f64>, step: f64| days.is_some_and(|days| !(days >= step * margin));
    let disk = |(_, days, percent): &&(Severity, f64, f64)| below(disk_days, *days) || !(free >= percent * margin);
    let disk = STEPS.iter().find(disk).map(|(severity, ..)| *severity);
    let journal =
        STEPS.iter().find(|(_, days, _)| below(journal_days, *days)).map(|(severity, ..)| Severity::Orange.min(*severity));
    disk.max(journal)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_and_percents_are_judged_and_nan_is_danger() {
        let nan = f64::NAN;
        for (free, disk, journal, expected) in [
            (50.0, None, None, None),
            (50.0, Some(7.0), Some(7.0), None),
            (50.0, Some(6.9), None, Some(Severity::Yellow)),
            (50.0, Some(2.9), None, Some(Severity::Orange)),
            (50.0, Some(0.9), None, Some(Severity::Red)),
            (14.9, None, None, Some(Severity::Yellow)),
            (9.9, Some(100.0), None, Some(Severity::Orange)),
            (4.9, None, Some(100.0), Some(Severity::Red)),
            (50.0, None, Some(6.9), Some(Severity::Yellow)),
            (50.0, None, Some(0.0), Some(Severity::Orange)),
            (nan, None, None, Some(Severity::Red)),
            (50.0, Some(nan), None, Some(Severity::Red)),
            (50.0, None, Some(nan), Some(Severity::Orange)),
        ] {
            assert_eq!(level(free, disk, journal, 1.0), expected, "{free} {disk:?} {journal:?}");
        }
    }
}
