//! A day that was put aside, made again beside the others: from the journal, and from what is left of it where the journal does not reach back.
//! Must not know: who hands over the records.

use super::bases::Mark;
use super::ingest::{Ingest, Part, Rows, day};
use super::places::{date, remains};
use super::shelf::Shelf;
use brain::event::Record;
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
            self.again = Some(Again { day, ingest, reaches: None, folder, missing: String::new() });
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
                let newest = remains(&self.bases.dir, &date).into_iter().next();
                if let Some(from) = newest {
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

    /// What was left of the day in work has been taken over, whole or not, or could not be.
    pub fn salvaged(&mut self, found: anyhow::Result<bool>) {
        let Some(again) = &mut self.again else { return };
        match found {
            Ok(true) => again.missing.clear(),
            Ok(false) => again.missing += "; what could be read of it is here",
            Err(error) => again.missing += &format!("; nothing of it can be read: {error:#}"),
        }
    }

    fn made(&mut self) -> anyhow::Result<()> {
        let Some(again) = self.again.take() else { return Ok(()) };
        self.bases.made()?;
        if again.missing.is_empty() {
            tracing::info!("{} is whole again", date(again.day)?);
            self.unmark(again.day)
        } else {
            tracing::error!("{} is not whole: {}", date(again.day)?, again.missing);
            self.mark(again.day, Mark { again: false, why: again.missing })
        }
    }
}
