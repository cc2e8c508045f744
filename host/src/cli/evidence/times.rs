//! What the wall clock of the plant showed beside the brain time that records carry, and the times of which nothing is on record.
//! Must not know: where records come from, how lines are written.

use super::file::Clocks;
use crate::journal::Carried;
use brain::event::{Entry, Event};
use brain::{Clock, Micros};

/// How brain time is read, as far as the file says.
pub struct Times {
    clock: Clock,
    /// Nothing is known of times before this one.
    from: Micros,
    /// It showed what cannot be.
    wrong: bool,
    /// Why what was known before the range may not be all.
    missing: Option<String>,
}

impl Times {
    /// From the records of the range, and those carried beside it. What is carried there and may not be is added to `faults`.
    pub fn of(beside: Option<&Clocks>, records: &[(Carried, Entry)], faults: &mut Vec<String>) -> Times {
        let within = |seq: u64| {
            let ends = records.first().zip(records.last());
            ends.is_some_and(|((first, _), (last, _))| (first.seq..=last.seq).contains(&seq))
        };
        let mut all: Vec<(u64, Micros, Option<Set>)> =
            records.iter().map(|(record, entry)| (record.seq, record.at, set(entry))).collect();
        for record in beside.iter().flat_map(|clocks| &clocks.records) {
            match record.entry().ok().flatten().and_then(|entry| set(&entry)) {
                Some(found) if !within(record.seq) => all.push((record.seq, record.at, Some(found))),
                Some(_) | None => {
                    faults.push(format!("record {} stands beside the range and is none of a clock there", record.seq))
                }
            }
        }
        all.sort_by_key(|(seq, ..)| *seq);
        let missing = beside.map_or_else(
            || Some("files of this form do not carry the record of the clock that stands before the range".to_owned()),
            |clocks| Some(clocks.missing.clone()).filter(|missing| !missing.is_empty()),
        );
        let from = if missing.is_none() { Micros::MIN } else { Micros::MAX };
        let mut times = Times { clock: Clock::default(), from, wrong: false, missing };
        for (_, at, found) in all {
            let Some(Set { since, ahead, wrong }) = found else {
                times.clock.runs(at);
                continue;
            };
            times.clock.follow(at, since, ahead, wrong);
            (times.from, times.wrong) = (times.from.min(since), times.wrong | wrong);
        }
        times
    }

    /// What the wall clock showed at a brain time; none where nothing here says.
    pub fn wall(&self, at: Micros) -> Option<Micros> {
        (at >= self.from).then(|| self.clock.wall(at))
    }

    /// A time for people: the wall clock's, or brain time where that is all that is known.
    pub fn told(&self, at: Micros) -> String {
        match self.wall(at) {
            Some(wall) => super::time(wall),
            None => format!("{} (brain time)", super::time(at)),
        }
    }

    /// What a reader must know of the clock at these brain times.
    pub fn notes(&self, at: impl Iterator<Item = Micros> + Clone) -> Vec<String> {
        let mut notes = vec![];
        let most = at
            .clone()
            .filter_map(|at| Some(self.wall(at)?.saturating_sub(at)))
            .max_by_key(|ahead| ahead.saturating_abs())
            .unwrap_or(0);
        if most != 0 {
            notes.push(format!(
                "the wall clock of the plant, which people read, was {} {} brain time, by which records and readings are dated",
                span(most),
                if most > 0 { "ahead of" } else { "behind" }
            ));
        }
        let is_unknown = at.clone().any(|at| self.wall(at).is_none());
        if let Some(why) = self.missing.as_ref() {
            let what = if is_unknown {
                "is not known for all of it, and may be days ahead of brain time"
            } else {
                "may have been another"
            };
            notes.push(format!("what the wall clock of the plant showed {what}: {why}"));
        }
        if self.wrong {
            notes.push("the wall clock of the plant showed what cannot be for a while: its times may be wrong".to_owned());
        }
        notes
    }

    /// Each time of which nothing is on record, or not all: recording had failed, or the program was not running.
    pub fn gaps(&self, records: &[(Carried, Entry)]) -> Vec<String> {
        let (mut gaps, mut before, mut is_stopped) = (vec![], None::<Micros>, false);
        for (record, entry) in records {
            match entry {
                Entry::Event(Event::Recorded { since, steps, detail, .. }) => gaps.push(format!(
                    "from {} to {} nothing could be recorded ({detail}): {steps} steps are on no record, nor what the tags said meanwhile; what became of \
                     alarms and notices is said behind record {}",
                    self.told(*since),
                    self.told(record.at),
                    record.seq
                )),
                // Where the record begins nothing was before.
                Entry::Event(Event::Started { .. }) if before.is_none() && records[0].0.seq == 1 => {}
                Entry::Event(Event::Started { version, .. }) => gaps.push(self.start(record, version, before, is_stopped)),
                Entry::Event(_) | Entry::Bureau(_) | Entry::Outcome { .. } => {}
            }
            // The clock goes on record before the start does.
            match entry {
                Entry::Event(Event::Clock { .. }) | Entry::Outcome { .. } => continue,
                Entry::Event(event) => is_stopped = matches!(event, Event::Stopped),
                Entry::Bureau(_) => is_stopped = false,
            }
            before = Some(record.at);
        }
        gaps
    }

    fn start(&self, record: &Carried, version: &str, before: Option<Micros>, is_stopped: bool) -> String {
        let gap = before.map(|before| match (self.wall(before), self.wall(record.at)) {
            (Some(from), Some(to)) => to.saturating_sub(from),
            _ => record.at.saturating_sub(before),
        });
        let how = match (gap, is_stopped) {
            (None, _) => "what was before stands in no record here".to_owned(),
            (Some(gap), true) => {
                format!("it had been stopped on purpose {} before, and nothing was watched meanwhile", span(gap))
            }
            (Some(gap), false) => format!(
                "it had not been stopped on purpose, the record before is {} older, and from then on nothing was recorded, or watched",
                span(gap)
            ),
        };
        format!("safety-brain {version} started at {} (record {}): {how}", self.told(record.at), record.seq)
    }
}

/// What a record of the clock says.
struct Set {
    since: Micros,
    ahead: Micros,
    wrong: bool,
}

fn set(entry: &Entry) -> Option<Set> {
    match *entry {
        Entry::Event(Event::Clock { since, ahead, wrong }) => Some(Set { since, ahead, wrong }),
        Entry::Event(_) | Entry::Bureau(_) | Entry::Outcome { .. } => None,
    }
}

/// A length of time for people, without its sign.
fn span(us: Micros) -> String {
    let (ms, s) = (us.unsigned_abs() / 1_000, us.unsigned_abs() / 1_000_000);
    match s {
        0..60 => format!("{s}.{:03} s", ms % 1_000),
        60..86_400 => format!("{} h {:02} min {:02} s", s / 3_600, s / 60 % 60, s % 60),
        _ => format!("{} d {:02} h {:02} min", s / 86_400, s / 3_600 % 24, s / 60 % 60),
    }
}
