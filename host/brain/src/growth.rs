//! Whether there is room for what is kept: judged from what the host measures, early enough that somebody can do something.
//! Must not know: disks, files, how room is measured.

use crate::alarm::{AlarmKey, Condition, Source};
use crate::brain::Brain;
use crate::builtin::Builtin;
use crate::event::Effect;
use crate::guard::{builtin, number};
use crate::site::Severity;
use crate::words::Text;
use serde::{Deserialize, Serialize};

/// Room for what is kept, in bytes and days.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Room {
    /// Free in the file system, bytes.
    pub free_bytes: u64,
    /// All of the file system, bytes.
    pub total_bytes: u64,
    /// A segment of the journal, bytes.
    pub segment_bytes: u64,
    /// Days of records that the journal's bound has room for at the present growth; none = not known yet.
    pub kept_days: Option<f64>,
    /// Days for which records are meant to be kept.
    pub wanted_days: f64,
}

/// From where on room is short.
struct Step {
    severity: Severity,
    /// It lasts for fewer days than these at the present growth.
    days: f64,
    /// Less of the file system is free than this, percent: the share that leaves time to act on disks of usual size ...
    percent: f64,
    /// ... but no less than so many segments of the journal, however small the disk: some are made ahead, one is being compressed beside, and
    /// the store writes a day ...
    segments: u64,
    /// ... and no more than these bytes, however large: a share of a large disk is a year's growth, and if it is not, `days` says so.
    most: u64,
}

const GIB: u64 = 1 << 30;
/// Own choice. From orange on the host keeps as little as it can.
const STEPS: [Step; 3] = [
    Step { severity: Severity::Red, days: 1.0, percent: 5.0, segments: 4, most: 5 * GIB },
    Step { severity: Severity::Orange, days: 3.0, percent: 10.0, segments: 8, most: 10 * GIB },
    Step { severity: Severity::Yellow, days: 7.0, percent: 15.0, segments: 12, most: 20 * GIB },
];
/// To be better again takes this much more than the step: room wavers while files come and go.
const MARGIN: f64 = 1.2;
/// Readings that are kept for less than this many days may be gone before anybody has looked at what happened.
const LOOKED_AT_DAYS: f64 = 1.0;

impl Step {
    /// Whether less is free than at this step, times `margin`.
    fn is_below(&self, free: f64, room: Option<&Room>, margin: f64) -> bool {
        let Some(room) = room else { return !(free >= self.percent * margin) };
        let share = room.total_bytes as f64 * self.percent / 100.0;
        let least = room.segment_bytes.saturating_mul(self.segments) as f64;
        !(room.free_bytes as f64 >= share.min(self.most as f64).max(least) * margin)
    }
}

impl Room {
    /// So little is free that only what must be kept should be.
    pub fn is_nearly_full(&self) -> bool {
        STEPS.iter().any(|step| step.severity == Severity::Orange && step.is_below(f64::NAN, Some(self), 1.0))
    }
}

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

    pub(crate) fn growth(
        &mut self,
        free: f64,
        disk_days: Option<f64>,
        journal_days: Option<f64>,
        room: Option<&Room>,
        out: &mut Vec<Effect>,
    ) {
        let key = self.growth_key();
        let standing = self.standing_growth(&key);
        // Until hosts measured it, the journal's bound was told as room that runs out.
        let bound = journal_days.filter(|_| room.is_none());
        let worst = |margin: f64| level(free, disk_days, bound, room, margin);
        // It rises at the step, and falls only well above it, never higher than it stood.
        let severity = worst(1.0).max(worst(MARGIN).min(standing));
        match severity {
            None => self.clear(&key, out),
            Some(severity) => {
                let days = |days: Option<f64>| days.map_or_else(|| "-".to_owned(), number);
                let args = vec![number(free), days(disk_days), days(journal_days)];
                let text = Text::Phrase { key: "guard.storage.growth".to_owned(), args };
                self.claim(builtin(Builtin::Growth, key, severity, text, Vec::new()), out);
            }
        }
        self.kept(room, out);
    }

    /// The journal's bound lets records go before their time: nothing fails, but somebody meant it otherwise.
    fn kept(&mut self, room: Option<&Room>, out: &mut Vec<Effect>) {
        let Some((kept, wanted)) = room.and_then(|room| Some((room.kept_days?, room.wanted_days))) else { return };
        let key = AlarmKey { hazard: Builtin::Kept.id().to_owned(), ..self.growth_key() };
        let stands = self.standing_growth(&key).is_some();
        let Some(severity) = kept_level(kept, wanted, stands) else { return self.clear(&key, out) };
        let text = Text::Phrase { key: "guard.storage.kept".to_owned(), args: vec![number(kept), number(wanted)] };
        self.claim(builtin(Builtin::Kept, key, severity, text, Vec::new()), out);
    }
}

/// How bad it is; none = not bad. The journal's bound costs old records, not the record: never red.
fn level(free: f64, disk_days: Option<f64>, journal_days: Option<f64>, room: Option<&Room>, margin: f64) -> Option<Severity> {
    // Danger is what is not surely enough: NaN is danger.
    let below = |days: Option<f64>, step: &Step| days.is_some_and(|days| !(days >= step.days * margin));
    let disk = STEPS.iter().find(|step| below(disk_days, step) || step.is_below(free, room, margin));
    let journal = STEPS.iter().find(|step| below(journal_days, step)).map(|step| Severity::Orange.min(step.severity));
    disk.map(|step| step.severity).max(journal)
}

/// What it is worth that readings are kept for fewer days than wanted: advice, unless they may be gone before anybody has looked.
fn kept_level(kept: f64, wanted: f64, stands: bool) -> Option<Severity> {
    let enough = if stands { 1.0 } else { 0.95 };
    match (kept >= wanted * enough, kept >= LOOKED_AT_DAYS) {
        (true, _) => None,
        (false, true) => Some(Severity::Blue),
        (false, false) => Some(Severity::Yellow),
    }
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
            assert_eq!(level(free, disk, journal, None, 1.0), expected, "{free} {disk:?} {journal:?}");
        }
    }

    #[test]
    fn a_share_counts_between_what_is_always_and_what_is_never_too_little() {
        const MIB: u64 = 1 << 20;
        let (yellow, orange, red) = (Some(Severity::Yellow), Some(Severity::Orange), Some(Severity::Red));
        for (total, free, segment, days, expected) in [
            // A usual disk: shares.
            (100 * GIB, 16 * GIB, 64 * MIB, None, None),
            (100 * GIB, 14 * GIB, 64 * MIB, None, yellow),
            (100 * GIB, 9 * GIB, 64 * MIB, None, orange),
            (100 * GIB, 4 * GIB, 64 * MIB, None, red),
            // 4 TB: 400 GB free are plenty, unless they go at once.
            (4096 * GIB, 400 * GIB, 64 * MIB, None, None),
            (4096 * GIB, 21 * GIB, 64 * MIB, Some(30.0), None),
            (4096 * GIB, 400 * GIB, 64 * MIB, Some(2.0), orange),
            (4096 * GIB, 19 * GIB, 64 * MIB, None, yellow),
            (4096 * GIB, 9 * GIB, 64 * MIB, None, orange),
            (4096 * GIB, 4 * GIB, 64 * MIB, None, red),
            // 2 GB: a tenth of it is three segments.
            (2 * GIB, GIB, 64 * MIB, None, None),
            (2 * GIB, 700 * MIB, 64 * MIB, None, yellow),
            (2 * GIB, 400 * MIB, 64 * MIB, None, orange),
            (2 * GIB, 200 * MIB, 64 * MIB, None, red),
            (2 * GIB, 400 * MIB, 16 * MIB, None, None),
            (0, 0, 64 * MIB, None, red),
        ] {
            let room = Room { free_bytes: free, total_bytes: total, segment_bytes: segment, kept_days: None, wanted_days: 2.0 };
            let percent = free as f64 * 100.0 / total as f64;
            assert_eq!(level(percent, days, None, Some(&room), 1.0), expected, "{room:?} {days:?}");
            let by_bytes = level(percent, None, None, Some(&room), 1.0);
            assert_eq!(room.is_nearly_full(), by_bytes >= orange, "{room:?}");
        }
    }

    #[test]
    fn readings_kept_for_less_than_wanted_are_told_as_that() {
        for (kept, wanted, stands, expected) in [
            (2.0, 2.0, false, None),
            (1.95, 2.0, false, None),
            (1.95, 2.0, true, Some(Severity::Blue)),
            (1.5, 2.0, false, Some(Severity::Blue)),
            (0.9, 2.0, false, Some(Severity::Yellow)),
            (0.9, 0.5, false, None),
            (100.0, 365.0, false, Some(Severity::Blue)),
            (f64::NAN, 2.0, false, Some(Severity::Yellow)),
        ] {
            assert_eq!(kept_level(kept, wanted, stands), expected, "{kept} {wanted} {stands}");
        }
    }
}
