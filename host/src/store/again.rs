//! A day that was put aside, made again beside the others: from what is left of it, as it is where it is whole, and from what the journal has.
//! Of the day that goes on, what is left is taken over first: the records wait for it. Must not know: who hands over the records.

use super::bases::Mark;
use super::ingest::{Ingest, Part, Rows, day};
use super::places::{self, date, remains};
use super::salvage::Salvaged;
use super::shelf::Shelf;
use super::{Batch, keys, mend};
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
    /// What is left of it, and where it was taken from.
    left: Option<PathBuf>,
    /// It was taken back whole: what was put aside is not needed any more.
    back: bool,
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
    /// Where it is not whole, only what is older than this record: the journal has the rest.
    pub below: u64,
    /// Batches that it must have, where it was put aside for damage; none where it may be whole.
    pub batches: Option<u64>,
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
            let left = remains(&self.bases.dir, &date(day)?);
            let (reaches, missing, goes_on) = (None, String::new(), None);
            self.again = Some(Again { day, ingest, reaches, folder, left, back: false, missing, goes_on });
        }
        Ok(self.again.as_ref().map(|again| again.ingest.applied + 1))
    }

    /// Takes in the next records of the journal, for the day in work only; none = there are no more. Where they begin too late, what is left
    /// of the day is needed first: then call again with the same records.
    pub fn make(&mut self, batch: &Batch) -> anyhow::Result<Option<Salvage>> {
        let records = &batch.records;
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
            let from = again.ingest.applied + 1;
            let at_once = first.is_some_and(|record| exact && record.seq == from);
            let reaches = at_once || first.is_some_and(|record| day(record.at) < again.day || record.seq == 1);
            let reaches = reaches && batch.whole_from <= from;
            again.reaches = Some(reaches);
            let mut below = 0;
            if !reaches {
                again.missing = format!("the journal does not reach back to all of {}", date(again.day)?);
                // What is left is older than the first record, or than those without readings; reading goes on with it, which is no gap.
                below = first.map_or(u64::MAX, |record| record.seq.max(batch.whole_from));
                if let Some(record) = first {
                    again.ingest = Ingest::new(record.seq - 1, again.ingest.part(), given);
                }
                if again.left.is_none() {
                    again.missing += ", and nothing of it was put aside";
                }
            }
            if let Some(from) = again.left.clone() {
                let batches = self.marks.get(&again.day).and_then(|mark| mark.batches);
                return Ok(Some(Salvage { from, into: again.folder.clone(), below, batches }));
            }
        }
        let mut rows = Rows::default();
        let mut is_over = records.is_empty();
        for record in records {
            if day(record.at) > again.day {
                is_over = true;
                break;
            }
            again.ingest.take(record, batch, &self.setup.run, &mut rows, &mut self.bases)?;
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

    /// The day that a record goes on with was put aside, and something of it is left.
    pub(super) fn is_left(&self, record: &Record) -> bool {
        let day = day(record.at);
        let is_new = record.seq > self.live.applied && self.live.today != day && self.taken != Some(day);
        let is_wanted = is_new && self.marks.get(&day).is_some_and(|mark| mark.again);
        is_wanted && date(day).is_ok_and(|date| remains(&self.bases.dir, &date).is_some())
    }

    /// What is left of the day that a batch goes on with, to be taken over before.
    pub(super) fn take_over(&mut self, batch: &Batch) -> anyhow::Result<Salvage> {
        let first = batch.records.first().context("no record goes on with the day")?;
        let day = day(first.at);
        let date = date(day)?;
        let from = remains(&self.bases.dir, &date).with_context(|| format!("nothing is left of {date}"))?;
        let into = self.bases.make(day)?;
        let ingest = Ingest::new(first.seq - 1, self.live.part(), vec![]);
        let reaches = first.seq == self.live.applied + 1 && batch.whole_from <= first.seq;
        let missing = if reaches { String::new() } else { format!("the journal does not reach back to all of {date}") };
        let below = if reaches { 0 } else { first.seq.max(batch.whole_from) };
        let batches = self.marks.get(&day).and_then(|mark| mark.batches);
        let (folder, left, goes_on) = (into.clone(), Some(from.clone()), Some(first.seq));
        self.again = Some(Again { day, ingest, reaches: Some(reaches), folder, left, back: false, missing, goes_on });
        Ok(Salvage { from, into, below, batches })
    }

    /// There is no room to take over what is left of the day in work: later.
    pub fn put_off(&mut self) -> anyhow::Result<()> {
        self.again = None;
        self.bases.unmake()
    }

    /// What was left of the day in work has been taken over, whole or not, or could not be.
    pub fn salvaged(&mut self, found: anyhow::Result<Salvaged>) -> anyhow::Result<()> {
        let Some(again) = &mut self.again else { return Ok(()) };
        again.back = matches!(found, Ok(Salvaged::Whole));
        match found {
            Ok(Salvaged::Whole | Salvaged::All) => {
                again.missing.clear();
                let day = again.day;
                self.hold(day)?;
            }
            // The journal has all of it.
            Ok(Salvaged::Part) | Err(_) if again.missing.is_empty() => {}
            Ok(Salvaged::Part) => again.missing += "; what could be read of it is here",
            Err(error) => again.missing += &format!("; nothing of it can be read: {error:#}"),
        }
        match self.again.as_ref().and_then(|again| again.goes_on) {
            Some(first) => self.go_on_before(first),
            None => Ok(()),
        }
    }

    /// What is left of the day that goes on takes its place; the next record to come is `first`.
    fn go_on_before(&mut self, first: u64) -> anyhow::Result<()> {
        let Some(mut again) = self.again.take() else { return Ok(()) };
        let (day, behind) = (again.day, first - 1);
        self.bases.made()?;
        self.keep_back(&again);
        self.taken = Some(day);
        let reaches = again.reaches == Some(true);
        if !self.know(day, &mut again.missing)? && again.missing.is_empty() && !reaches {
            again.missing = format!("nothing is left of {} before record {first}", date(day)?);
        }
        if self.written < behind {
            // The state was lost too: alarms and notices as this day leaves them.
            mend::replay(&mut self.bases, day, self.written + 1..=behind)?;
            self.bases.state.put(vec![(keys::WATERMARK.to_vec(), [behind.to_be_bytes(), behind.to_be_bytes()].concat())])?;
            self.written = behind;
        }
        self.begin_at(behind, Some(day))?;
        self.missing = again.missing;
        if self.is_catching_up() { Ok(()) } else { self.caught_up() }
    }

    fn made(&mut self) -> anyhow::Result<()> {
        let Some(mut again) = self.again.take() else { return Ok(()) };
        self.bases.made()?;
        self.keep_back(&again);
        self.know(again.day, &mut again.missing)?;
        if self.marks.get(&again.day).is_some_and(|mark| mark.states) {
            // In their order: what a later day says of an alarm stands.
            let days: BTreeSet<i64> = self.days.range(again.day..).map(|(day, _)| *day).chain([again.day]).collect();
            days.into_iter().try_for_each(|day| mend::replay(&mut self.bases, day, 0..=u64::MAX))?;
        }
        self.settle(again.day, again.missing)
    }

    /// What was taken back whole stands in its place now. It stays put aside too until the state no longer says that the day is to be made again: a start
    /// before that would begin with removing it.
    fn keep_back(&mut self, again: &Again) {
        self.back.extend(again.left.clone().filter(|_| again.back).map(|left| (again.day, left)));
    }

    /// Takes note of where a day begins that no record of this state has told of, and of what it says is missing. False where the day says nothing.
    fn know(&mut self, day: i64, missing: &mut String) -> anyhow::Result<bool> {
        let own = mend::own(&mut self.bases, day)?;
        let begin = own.as_ref().and_then(|own| own.begin);
        if let Some(why) = own.and_then(|own| own.missing).filter(|_| missing.is_empty()) {
            *missing = why;
        }
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
            self.unmark(day)?;
        } else {
            tracing::error!("{} is not whole: {missing}", date(day)?);
            self.mark(day, Mark::stays(missing))?;
        }
        self.back.remove(&day).map_or(Ok(()), |left| places::drop_aside(&left))
    }

    /// The record behind which the journal is still needed: for what is not written yet, and for days that are to be made again.
    pub(super) fn needed(&self) -> u64 {
        let waiting = self.marks.iter().filter(|(_, mark)| mark.again).map(|(day, _)| self.begin_of(*day).seq.saturating_sub(1));
        let again = self.again.iter().map(|again| again.ingest.applied);
        waiting.chain(again).fold(self.live.resume(), u64::min)
    }
}
