//! A day that was put aside, made again beside the others: from the journal, and from what is left of it where the journal does not reach back.
//! Of the day that goes on, what is left is taken over first: the records wait for it. Must not know: who hands over the records.

use super::bases::Mark;
use super::ingest::{Ingest, Part, Rows, day};
use super::places::{date, remains};
use super::shelf::Shelf;
use super::{keys, mend};
use anyhow::Context;
use brain::event::Record;
use std::collections::BTreeSet;
use std::path::PathBuf;

/// The day in work.
pub struct Again {
    /// Nobody sees it before it is whole.
    pub day: i64,
    ingest: Ingest,
    /// The journal is known to reach back to its beginning, or not; none before the first records of it came.
    reaches: Option<bool>,
    folder: PathBuf,
    /// What is missing, for people; empty = nothing.
    missing: String,
    /// The day goes on: what is left of it is all that is made here, and the records that come behind it begin with this one.
    goes_on: Option<u64>,
}

impl Again {
    /// True where records wait for it.
    pub fn holds_up(&self) -> bool {
        self.goes_on.is_some()
    }
}

/// What is left of a day, to be taken over before the journal goes on.
#[derive(Debug, PartialEq, Eq)]
pub struct Salvage {
    /// Where it was put aside.
    pub from: PathBuf,
    /// The new database.
    pub into: PathBuf,
    /// Only what is older than this record: the journal has the rest.
    pub below: u64,
}

impl Shelf {
    /// The next record needed to make a day again; none where no day needs it.
    pub fn wanted(&mut self) -> anyhow::Result<Option<u64>> {
        if self.again.is_none() {
            let last = self.days.last_key_value().map_or(i64::MIN, |(day, _)| *day);
            let lost = self.marks.iter().rev().find(|(day, mark)| mark.again && **day < last).map(|(day, _)| *day);
            let Some(day) = lost.filter(|_| !self.is_catching_up()) else {
                return Ok(None);
            };
            let from = self.begin_of(day).seq.max(1);
            let folder = self.bases.make(day)?;
            let part = Part { written: u64::MAX, again: Some(day) };
            let ingest = Ingest::new(from - 1, part, self.given_at(from - 1)?);
            self.again = Some(Again { day, ingest, reaches: None, folder, missing: String::new(), goes_on: None });
        }
        Ok(self.again.as_ref().map(|again| again.ingest.applied + 1))
    }

    /// Takes in the next records of the journal, for the day in work only; none = there are no more. Where they begin too late, what is left
    /// of the day is needed first: then call again with the same records.
    pub fn make(&mut self, records: &[Record]) -> anyhow::Result<Option<Salvage>> {
        let exact = self.again.as_ref().is_some_and(|again| self.days.get(&again.day).is_some_and(|begin| begin.exact));
        let given = match records.first() {
            Some(record) => self.given_at(record.seq.saturating_sub(1))?,
            None => vec![],
        };
        let Some(again) = &mut self.again else {
            return Ok(None);
        };
        if again.reaches.is_none() {
            let first = records.first();
            let at_once = first.is_some_and(|record| exact && record.seq == again.ingest.applied + 1);
            let reaches = at_once || first.is_some_and(|record| day(record.at) < again.day || record.seq == 1);
            again.reaches = Some(reaches);
            if !reaches {
                let date = date(again.day)?;
                again.missing = format!("the journal does not reach back to all of {date}");
                // What is left is older than the first record; reading goes on with that, which is no gap.
                let below = first.map_or(u64::MAX, |record| record.seq);
                if let Some(record) = first {
                    again.ingest = Ingest::new(record.seq - 1, again.ingest.part(), given);
                }
                if let Some(from) = remains(&self.bases.dir, &date) {
                    return Ok(Some(Salvage { from, into: again.folder.clone(), below }));
                }
                again.missing += ", and nothing of it was put aside";
            }
        }
        let mut rows = Rows::default();
        let mut is_over = records.is_empty();
        for record in records {
            if day(record.at) > again.day {
                is_over = true;
                break;
            }
            again.ingest.take(record, &self.setup.run, &mut rows, &mut self.bases)?;
        }
        if is_over {
            again.ingest.close_all(&mut rows)?;
        }
        if let Some((.., why)) = rows.gaps.iter().find(|(first, last, _)| (*first..=*last).contains(&again.day)) {
            again.missing.clone_from(why);
        }
        let day = again.day;
        if let Some(rows) = rows.days.remove(&day) {
            self.bases.put(day, rows)?;
        }
        if is_over { self.made().map(|()| None) } else { Ok(None) }
    }

    /// The day that `first` goes on with was put aside, the journal no longer has its beginning, and something of it is left.
    pub(super) fn is_left(&self, first: &Record) -> anyhow::Result<bool> {
        let day = day(first.at);
        let is_lost = first.seq > self.live.applied + 1 && self.live.today != day;
        let is_wanted = is_lost && self.marks.get(&day).is_some_and(|mark| mark.again);
        Ok(is_wanted && remains(&self.bases.dir, &date(day)?).is_some())
    }

    /// What is left of that day, to be taken over before `first` is taken in.
    pub(super) fn take_over(&mut self, first: &Record) -> anyhow::Result<Salvage> {
        let day = day(first.at);
        let date = date(day)?;
        let from = remains(&self.bases.dir, &date).with_context(|| format!("nothing is left of {date}"))?;
        let into = self.bases.make(day)?;
        let ingest = Ingest::new(first.seq - 1, self.live.part(), vec![]);
        let missing = format!("the journal does not reach back to all of {date}");
        let (folder, goes_on) = (into.clone(), Some(first.seq));
        self.again = Some(Again { day, ingest, reaches: Some(false), folder, missing, goes_on });
        Ok(Salvage { from, into, below: first.seq })
    }

    /// What was left of the day in work has been taken over, whole or not, or could not be.
    pub fn salvaged(&mut self, found: anyhow::Result<bool>) -> anyhow::Result<()> {
        let Some(again) = &mut self.again else { return Ok(()) };
        match found {
            Ok(true) => again.missing.clear(),
            Ok(false) => again.missing += "; what could be read of it is here",
            Err(error) => again.missing += &format!("; nothing of it can be read: {error:#}"),
        }
        match again.goes_on {
            Some(first) => self.go_on_before(first),
            None => Ok(()),
        }
    }

    /// What is left of the day that goes on takes its place; the next record to come is `first`.
    fn go_on_before(&mut self, first: u64) -> anyhow::Result<()> {
        let Some(mut again) = self.again.take() else { return Ok(()) };
        let (day, behind) = (again.day, first - 1);
        self.bases.made()?;
        if !self.know(day)? && again.missing.is_empty() {
            again.missing = format!("nothing is left of {} before record {first}", date(day)?);
        }
        if self.written < behind {
            // The state was lost too: alarms and notices as this day leaves them.
            mend::replay(&mut self.bases, day, self.written)?;
            self.bases.state.put(vec![(keys::WATERMARK.to_vec(), [behind.to_be_bytes(), behind.to_be_bytes()].concat())])?;
            self.written = behind;
        }
        self.begin_at(behind, Some(day))?;
        self.missing = again.missing;
        if self.is_catching_up() { Ok(()) } else { self.caught_up() }
    }

    fn made(&mut self) -> anyhow::Result<()> {
        let Some(again) = self.again.take() else { return Ok(()) };
        self.bases.made()?;
        self.know(again.day)?;
        if self.marks.get(&again.day).is_some_and(|mark| mark.states) {
            // In their order: what a later day says of an alarm stands.
            let days: BTreeSet<i64> = self.days.range(again.day..).map(|(day, _)| *day).chain([again.day]).collect();
            days.into_iter().try_for_each(|day| mend::replay(&mut self.bases, day, 0))?;
        }
        self.settle(again.day, again.missing)
    }

    /// Takes note of where a day begins that no record of this state has told of. False where the day says nothing.
    fn know(&mut self, day: i64) -> anyhow::Result<bool> {
        let begin = mend::own(&mut self.bases, day)?.and_then(|own| own.begin);
        if let Some(begin) = begin.filter(|_| !self.days.contains_key(&day)) {
            self.bases.state.put(vec![(keys::numbered(keys::DAY, day as u64), begin.bytes())])?;
            self.days.insert(day, begin);
        }
        Ok(begin.is_some())
    }

    /// A day has been made again, but for what is missing of it.
    pub(super) fn settle(&mut self, day: i64, missing: String) -> anyhow::Result<()> {
        if missing.is_empty() {
            tracing::info!("{} is whole again", date(day)?);
            self.unmark(day)
        } else {
            tracing::error!("{} is not whole: {missing}", date(day)?);
            self.mark(day, Mark::stays(missing))
        }
    }

    /// The record behind which the journal is still needed: for what is not written yet, and for days that are to be made again.
    pub(super) fn needed(&self) -> u64 {
        let waiting = self.marks.iter().filter(|(_, mark)| mark.again).map(|(day, _)| self.begin_of(*day).seq.saturating_sub(1));
        let again = self.again.iter().map(|again| again.ingest.applied);
        waiting.chain(again).fold(self.live.resume(), u64::min)
    }
}
