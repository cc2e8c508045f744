//! Figures of the alarm system itself, after EEMUA 191 and ISA-18.2: made from the history of alarms alone, so that they can be made again.
//! Must not know: where the history is kept, calendars, how figures are shown.

use crate::alarm::{Alarm, AlarmId, Cause, Condition};
use crate::builtin::Builtin;
use crate::event::Change;
use crate::habit::{FLEETING_US, FLOOD_BEGINS, FLOOD_ENDS, FLOOD_US};
use crate::reading::Micros;
use crate::site::Severity;
use crate::words::{Text, Words};
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};

/// The window of the rate: ten minutes.
const WINDOW_US: Micros = 600_000_000;
const MINUTE_US: Micros = 60_000_000;
const HOUR_US: Micros = 3_600_000_000;
/// Rows of the list of the worst.
const TOP: usize = 10;

/// How long people took, seconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Answered {
    /// Acknowledgements.
    pub count: u64,
    /// Half were faster.
    pub p50_s: f64,
    /// Nine of ten were faster.
    pub p90_s: f64,
    /// The slowest.
    pub max_s: f64,
}

/// One that was put before people most often.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Offender {
    /// Zone name; empty where it is of none.
    pub zone: String,
    /// Hazard identifier.
    pub hazard: String,
    /// What people called that hazard when it was put before them last.
    pub title: Words,
    /// Tag, link or rule; may be empty.
    pub object: String,
    /// Times.
    pub count: u64,
}

/// Figures of one stretch of time.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Figures {
    /// Alarms put before people: rises, and returns from the shelf, of what was not put aside.
    pub annunciated: u64,
    /// Hours that the plant was watched: no stop is one of them, nor the time before the record begins.
    pub watched_h: f64,
    /// On average in ten minutes that were watched; target at most 1. None where nothing was.
    pub per_10min: Option<f64>,
    /// Most in any ten minutes.
    pub peak_10min: u64,
    /// Most in any minute; target at most 2.
    pub peak_minute: u64,
    /// Most in any hour; target at most 15.
    pub peak_hour: u64,
    /// Share of the time watched in a flood; target below 0.01.
    pub flood_share: Option<f64>,
    /// Floods.
    pub floods: u64,
    /// By the worst level that each came to in this time: blue, yellow, orange, red. One that rose before and got worse here counts here too.
    pub by_level: [u64; 4],
    /// Share of orange and red; target 0.05.
    pub high_share: f64,
    /// Alarms that chattered; target 0.
    pub chattering: u64,
    /// Times one was gone within ten seconds before anybody did anything; target 0.
    pub fleeting: u64,
    /// Alarms that came to stand for a day; target below 5 a day.
    pub stale: u64,
    /// Rises of alarms that were open already.
    pub reopened: u64,
    /// Times one cleared before anybody had taken it, as a share of those put before people.
    pub no_action_share: f64,
    /// Those most often put before people, most first; ten at most.
    pub top: Vec<Offender>,
    /// Their share; target at most 0.05.
    pub top_share: f64,
    /// Time to acknowledge by level: blue, yellow, orange, red.
    pub acknowledged: [Answered; 4],
    /// Shelves, extensions included, by person.
    pub shelves_by: BTreeMap<String, u64>,
    /// Times alarms were suppressed by design or with their device.
    pub suppressed: u64,
    /// Red alarms among what was suppressed.
    pub suppressed_red: u64,
    /// Closed, by cause; `none` = without one.
    pub closed_by_cause: BTreeMap<String, u64>,
}

/// Takes the history in, oldest first, and says what it comes to.
#[derive(Clone, Debug, Default)]
pub struct Tally {
    /// When each occurrence was put before people: counted once, whatever else happened in the same step.
    shown: BTreeMap<(AlarmId, u32), Micros>,
    times: Vec<Micros>,
    /// The worst that each occurrence came to.
    worst: BTreeMap<(AlarmId, u32), Severity>,
    by_key: BTreeMap<(String, String, String), (u64, Words)>,
    waits: [Vec<f64>; 4],
    chattering: BTreeSet<AlarmId>,
    stale: BTreeSet<AlarmId>,
    red: BTreeSet<AlarmId>,
    untaken: u64,
    figures: Figures,
}

fn word(cause: Option<Cause>) -> String {
    match cause {
        None => "none",
        Some(Cause::Process) => "process",
        Some(Cause::Equipment) => "equipment",
        Some(Cause::Instrument) => "instrument",
        Some(Cause::Operation) => "operation",
        Some(Cause::Maintenance) => "maintenance",
        Some(Cause::External) => "external",
        Some(Cause::Setting) => "setting",
        Some(Cause::Unknown) => "unknown",
    }
    .to_owned()
}

/// How long nothing was watched before this, where it is the alarm that a start raises after a stop.
pub fn unwatched(change: Change, alarm: &Alarm) -> Option<Micros> {
    let is_gap = alarm.key.hazard == Builtin::Gap.id() && matches!(change, Change::Opened | Change::Reopened);
    match &alarm.text {
        Text::Phrase { args, .. } if is_gap => args.first()?.parse::<Micros>().ok()?.checked_mul(1_000_000),
        Text::Phrase { .. } | Text::Words(_) => None,
    }
}

impl Tally {
    /// What happened to an alarm at a time, and how it stood then.
    pub fn take(&mut self, at: Micros, change: Change, alarm: &Alarm) {
        let figures = &mut self.figures;
        let shown = alarm.is_listed() && alarm.condition == Condition::Active;
        if shown && matches!(change, Change::Opened | Change::Reopened | Change::Unshelved | Change::Restored | Change::Raised) {
            let worst = self.worst.entry((alarm.id, alarm.occurrences)).or_insert(alarm.severity_now);
            *worst = alarm.severity_now.max(*worst);
        }
        match change {
            Change::Opened | Change::Reopened | Change::Unshelved | Change::Restored => {
                figures.reopened += u64::from(change == Change::Reopened);
                let key = (alarm.id, alarm.occurrences);
                if shown && !self.shown.contains_key(&key) {
                    self.shown.insert(key, at);
                    self.times.push(at);
                    let zone = if alarm.is_of_the_system() { String::new() } else { alarm.key.zone.clone() };
                    let key = (zone, alarm.key.hazard.clone(), alarm.key.object.clone());
                    let (count, title) = self.by_key.entry(key).or_default();
                    *count += 1;
                    title.clone_from(&alarm.title);
                }
            }
            Change::Acknowledged => {
                if let Some(ack) = &alarm.acknowledged {
                    let since = self.shown.get(&(alarm.id, alarm.occurrences)).copied().unwrap_or(alarm.raised_at);
                    self.waits[ack.severity as usize].push((at - since).max(0) as f64 / 1e6);
                }
            }
            Change::Cleared if alarm.acknowledged.is_none() && alarm.shelf.is_empty() => {
                self.untaken += 1;
                figures.fleeting += u64::from(at - alarm.raised_at < FLEETING_US);
            }
            Change::Shelved => {
                if let Some(shelved) = &alarm.shelf.shelved {
                    *figures.shelves_by.entry(shelved.by.name.clone()).or_default() += 1;
                }
            }
            Change::Suppressed => figures.suppressed += 1,
            Change::Nuisance if alarm.stale => drop(self.stale.insert(alarm.id)),
            Change::Nuisance if alarm.chattering => drop(self.chattering.insert(alarm.id)),
            Change::Closed => {
                let cause = alarm.closure.as_ref().and_then(|closure| closure.said.cause);
                *figures.closed_by_cause.entry(word(cause)).or_default() += 1;
            }
            Change::Cleared
            | Change::Raised
            | Change::Lowered
            | Change::Held
            | Change::Reset
            | Change::Handled
            | Change::Accident
            | Change::Nuisance
            | Change::Escalated
            | Change::Recorded => {}
        }
        if alarm.shelf.suppresses() && alarm.condition == Condition::Active && alarm.level() == Severity::Red {
            self.red.insert(alarm.id);
        }
    }

    /// The figures of a stretch that ends at `to` and was `watched` for so long, of which all was taken in.
    pub fn finish(mut self, watched: Micros, to: Micros) -> Figures {
        let of_watched = |part: f64| (watched > 0).then(|| part / watched as f64);
        // A wall clock that was set may have them out of order.
        self.times.sort_unstable();
        let annunciated = self.times.len() as u64;
        let share = |part: u64| if annunciated == 0 { 0.0 } else { part as f64 / annunciated as f64 };
        let (floods, in_flood) = floods(&self.times, to);
        let offender = |((zone, hazard, object), (count, title))| Offender { zone, hazard, title, object, count };
        let mut top: Vec<Offender> = self.by_key.into_iter().map(offender).collect();
        top.sort_by_key(|offender| std::cmp::Reverse(offender.count));
        top.truncate(TOP);
        let mut by_level = [0; 4];
        for level in self.worst.values() {
            by_level[*level as usize] += 1;
        }
        let high_share = (by_level[2] + by_level[3]) as f64 / (self.worst.len().max(1) as f64);
        Figures {
            annunciated,
            watched_h: watched as f64 / HOUR_US as f64,
            // Of less than ten minutes nobody makes ten: what came, came.
            per_10min: of_watched(annunciated as f64 * watched.min(WINDOW_US) as f64),
            peak_10min: peak(&self.times, WINDOW_US),
            peak_minute: peak(&self.times, MINUTE_US),
            peak_hour: peak(&self.times, HOUR_US),
            flood_share: of_watched(in_flood as f64),
            floods,
            by_level,
            high_share,
            chattering: self.chattering.len() as u64,
            stale: self.stale.len() as u64,
            no_action_share: share(self.untaken),
            top_share: share(top.iter().map(|offender| offender.count).sum()),
            top,
            acknowledged: [0, 1, 2, 3].map(|level| answered(&mut self.waits[level])),
            suppressed_red: self.red.len() as u64,
            ..self.figures
        }
    }
}

/// Most in any stretch of this length. Times in order.
fn peak(times: &[Micros], window: Micros) -> u64 {
    let mut first = 0;
    let most = times.iter().enumerate().map(|(last, at)| {
        while at - times[first] >= window {
            first += 1;
        }
        last + 1 - first
    });
    most.max().unwrap_or(0) as u64
}

/// How many floods, and how long they lasted together.
fn floods(times: &[Micros], to: Micros) -> (u64, Micros) {
    let (mut count, mut lasted, mut since) = (0, 0, None);
    for (index, at) in times.iter().enumerate() {
        // Below five in ten minutes since the fifth last one left the window.
        if let (Some(began), Some(fifth)) = (since, index.checked_sub(FLOOD_ENDS).map(|fifth| times[fifth] + FLOOD_US))
            && fifth < *at
        {
            lasted += fifth - began;
            since = None;
        }
        let is_full = (index + 1).checked_sub(FLOOD_BEGINS).is_some_and(|first| at - times[first] <= FLOOD_US);
        if since.is_none() && is_full {
            (count, since) = (count + 1, Some(*at));
        }
    }
    if let (Some(began), Some(fifth)) = (since, times.len().checked_sub(FLOOD_ENDS).map(|fifth| times[fifth] + FLOOD_US)) {
        lasted += fifth.min(to).max(began) - began;
    }
    (count, lasted)
}

fn answered(waits: &mut [f64]) -> Answered {
    waits.sort_by(f64::total_cmp);
    let at = |share: f64| waits.get(((waits.len() as f64 * share).ceil() as usize).max(1) - 1).copied().unwrap_or(0.0);
    Answered { count: waits.len() as u64, p50_s: at(0.5), p90_s: at(0.9), max_s: waits.last().copied().unwrap_or(0.0) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Effect;
    use crate::harness::{Timeline, at, hazard, plant, rule};
    use crate::site::{Severity::Red, Site};

    const SECOND: Micros = 1_000_000;

    #[test]
    fn peaks_and_floods_are_counted_from_times_alone() {
        let seconds = |all: &[i64]| all.iter().map(|s| s * SECOND).collect::<Vec<_>>();
        let times = seconds(&[0, 30, 59, 60, 700, 3_599, 3_600]);
        assert_eq!((peak(&times, MINUTE_US), peak(&times, WINDOW_US), peak(&times, HOUR_US)), (3, 4, 6));
        assert_eq!((peak(&[], MINUTE_US), floods(&[], 10)), (0, (0, 0)));
        // Ten in nine minutes: it lasts from the tenth until the fifth last is ten minutes old.
        let ten = seconds(&[0, 60, 120, 180, 240, 300, 360, 420, 480, 540]);
        assert_eq!(floods(&ten, 10_000 * SECOND), (1, (900 - 540) * SECOND));
        assert_eq!(floods(&ten, 600 * SECOND), (1, 60 * SECOND), "no longer than is looked at");
        let slow: Vec<i64> = (0..20).map(|n| n * 67).collect();
        assert_eq!(floods(&seconds(&slow), 10_000 * SECOND).0, 0, "nine in ten minutes");
        let again: Vec<i64> = (0..10).chain(5_000..5_010).collect();
        assert_eq!(floods(&seconds(&again), 10_000 * SECOND).0, 2);
    }

    #[test]
    fn times_of_people_are_ranked() {
        assert_eq!(answered(&mut []), Answered::default());
        let mut waits: Vec<f64> = (1..=10).rev().map(f64::from).collect();
        assert_eq!(answered(&mut waits), Answered { count: 10, p50_s: 5.0, p90_s: 9.0, max_s: 10.0 });
    }

    #[test]
    fn an_alarm_counts_as_the_worst_it_came_to() {
        let site = Site { rules: vec![rule(vec![hazard("leak", Red)], 0)], ..plant(vec![]) };
        let (mut now, mut day, mut next) = (Timeline::new(&site), Tally::default(), Tally::default());
        for (second, what) in
            [(0.0, "rule leak=blue"), (5.0, "rule leak=orange"), (6.0, "rule leak=yellow"), (100.0, "rule leak=red")]
        {
            let event = now.at_second(second, what);
            for effect in now.feed(&event) {
                if let Effect::Alarm { alarm, change } = effect {
                    let tally = if second < 50.0 { &mut day } else { &mut next };
                    tally.take(at(second), change, now.brain.alarm(alarm).expect("it changed"));
                }
            }
        }
        let (day, next) = (day.finish(50 * SECOND, at(50.0)), next.finish(550 * SECOND, at(600.0)));
        assert_eq!((day.annunciated, day.by_level, day.high_share), (1, [0, 0, 1, 0], 1.0));
        assert_eq!(
            (next.annunciated, next.by_level, next.high_share),
            (0, [0, 0, 0, 1], 1.0),
            "no red is lost between two stretches"
        );
    }

    #[test]
    fn a_fault_of_the_system_is_of_no_zone() {
        let (mut now, mut tally) = (Timeline::new(&plant(vec![])), Tally::default());
        let zone = now.brain.site().zones[0].name.clone();
        let (part, detail) = (crate::event::StoragePart::Store, "x".to_owned());
        for effect in now.feed(&crate::Event::Storage { part, well: false, detail }) {
            if let Effect::Alarm { alarm, change } = effect {
                let alarm = now.brain.alarm(alarm).expect("it changed");
                assert_eq!(alarm.key.zone, zone, "its ladder is that zone's");
                tally.take(at(0.0), change, alarm);
            }
        }
        let figures = tally.finish(60 * SECOND, at(60.0));
        assert_eq!((figures.top.len(), figures.top[0].zone.as_str()), (1, ""));
    }

    #[test]
    fn a_history_comes_to_its_figures() {
        let mut site = Site { rules: vec![rule(vec![hazard("leak", Red), hazard("door", Red)], 0)], ..plant(vec![]) };
        site.rules[0].hazards[0].title = Words { zh: "泄漏".into(), en: "Leak".into() };
        let (mut now, mut tally) = (Timeline::new(&site), Tally::default());
        for (second, what) in [
            (0.0, "rule leak=yellow"),
            (5.0, "rule leak=clear"),
            (10.0, "rule leak=orange"),
            (30.0, "ack 1"),
            (40.0, "shelve 1 300"),
            (50.0, "rule leak=clear"),
            (60.0, "rule leak=orange"),
            // Above its cap: the shelf breaks, which is one alarm and not two.
            (70.0, "rule leak=red"),
            (80.0, "ack 1"),
            (90.0, "rule leak=clear door=blue"),
            (95.0, "reset 1"),
            (100.0, "close 1"),
        ] {
            let event = now.at_second(second, what);
            for effect in now.feed(&event) {
                if let Effect::Alarm { alarm, change } = effect {
                    let mut alarm = now.brain.alarm(alarm).expect("it changed").clone();
                    // Called otherwise until the site file was changed.
                    if second < 60.0 {
                        alarm.title = Words::same("old");
                    }
                    tally.take(at(second), change, &alarm);
                }
            }
        }
        let figures = tally.clone().finish(600 * SECOND, at(600.0));
        assert_eq!(tally.clone().finish(60 * SECOND, at(60.0)).per_10min, Some(4.0), "a minute is not made ten");
        let none = tally.finish(0, at(600.0));
        assert_eq!(
            (none.per_10min, none.flood_share, none.annunciated),
            (None, None, 4),
            "nothing is said of time that nobody watched"
        );
        assert_eq!((figures.annunciated, figures.per_10min, figures.by_level), (4, Some(4.0), [1, 1, 1, 1]));
        assert_eq!((figures.fleeting, figures.no_action_share, figures.reopened), (1, 0.25, 2));
        assert_eq!((figures.acknowledged[2].max_s, figures.acknowledged[3].max_s), (20.0, 10.0));
        assert_eq!(figures.shelves_by, BTreeMap::from([("ann".to_owned(), 1)]));
        assert_eq!((figures.top[0].hazard.as_str(), figures.top[0].count, figures.top_share), ("leak", 3, 1.0));
        assert_eq!(figures.top[0].title.zh, "泄漏", "as it was called last, though nothing of it stands");
        assert_eq!(figures.closed_by_cause, BTreeMap::from([("equipment".to_owned(), 1)]));
        assert_eq!((figures.high_share, figures.peak_minute, figures.floods), (0.5, 2, 0));
    }
}
