//! What the worker owns: the databases and what is not yet in them. Applies records, and takes up again what was put aside.
//! Must not know: threads, where records come from. Any error is final: the caller stops using it and never drops it.

use super::again::{Again, Salvage};
use super::bases::{Bases, Mark, Touched};
use super::ingest::{Ingest, Part, Rows};
use super::places::{self, date};
use super::seal::Walk;
use super::{Batch, Run, keys, mend};
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// What a store is opened with.
#[derive(Clone)]
pub struct Setup {
    /// The store's folder.
    pub dir: PathBuf,
    /// UTC days kept.
    pub days: u32,
    /// The present run.
    pub run: Run,
}

/// Where a day begins in the journal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Begin {
    /// A record at or before its first event.
    pub seq: u64,
    /// It is the first record of that day. Version 0.1.0 did not count readings.
    pub exact: bool,
}

impl Begin {
    /// As the state keeps it.
    pub fn bytes(self) -> Vec<u8> {
        let exact: &[u8] = if self.exact { &[1] } else { &[] };
        [exact, &self.seq.to_be_bytes()].concat()
    }
}

/// What became of records that were to be applied.
#[derive(Debug, PartialEq, Eq)]
pub enum Took {
    /// They are.
    All,
    /// Not all of them are. It may have gone back: go on behind [`Glance::applied`].
    Back,
    /// They are not: what is left of their day is to be taken over first.
    After(Salvage),
    /// They are not: another day is being made again. Later.
    Later,
}

/// How a shelf is, for people.
#[derive(Clone, Debug, Default)]
pub struct Glance {
    /// Last record applied.
    pub applied: u64,
    /// The record behind which the journal is still needed.
    pub needed: u64,
    /// Readings that could not be kept because no start had named their tags.
    pub nameless: u64,
    /// Days that are not whole: date, and why.
    pub incomplete: Vec<(String, String)>,
}

/// The open store.
pub struct Shelf {
    pub(super) bases: Bases,
    pub(super) live: Ingest,
    pub(super) setup: Setup,
    /// Record up to which the events of `live` had been written.
    pub(super) written: u64,
    /// Days known, and where they begin.
    pub(super) days: BTreeMap<i64, Begin>,
    /// Days that are not whole.
    pub(super) marks: BTreeMap<i64, Mark>,
    /// Records up to here had been applied before the last day was begun again; 0 = nothing is being caught up.
    until: u64,
    /// What will be missing of the last day once it is applied again; empty = nothing.
    pub(super) missing: String,
    /// A day that is made again beside the others.
    pub(super) again: Option<Again>,
    /// The day whose remains were taken over before the journal went on into it.
    pub(super) taken: Option<i64>,
    /// Days taken back whole that the state still says are to be made again, and where they were put aside.
    pub(super) back: BTreeMap<i64, PathBuf>,
    /// Days that have what the journal left out.
    pub(super) held: BTreeSet<i64>,
    /// A day that is being sealed or verified.
    pub(super) walk: Option<Walk>,
    /// The last day verified.
    pub(super) verified: Option<i64>,
    /// The day when the state was last swept; the day and place of a sweep that goes on.
    pub(super) swept: i64,
    pub(super) sweeping: Option<(i64, Vec<u8>)>,
}

impl Shelf {
    /// Opens or makes it in `root`. `first`: number of the record from which on the journal has everything. Reading must begin behind
    /// [`Glance::applied`].
    pub fn open(root: &Path, setup: Setup, touched: Touched, first: u64) -> anyhow::Result<Shelf> {
        let mut bases = Bases::open(&setup.dir, root, touched)?;
        if bases.state.get(keys::WATERMARK)?.is_none() {
            mend::mend(&mut bases, first)?;
        }
        let (written, resume) = match bases.state.get(keys::WATERMARK)? {
            Some(value) => (keys::word_from_end(&value, 1), keys::word_from_end(&value, 0)),
            None => (0, 0),
        };
        let (mut days, mut marks) = (BTreeMap::new(), BTreeMap::new());
        for row in bases.state.ascending(keys::DAY, keys::DAY) {
            let (key, value) = row?;
            days.insert(
                keys::word_from_end(&key, 0) as i64,
                Begin { seq: keys::word_from_end(&value, 0), exact: value.len() > 8 },
            );
        }
        marks.extend(Mark::all(&bases.state)?);
        let mut held = BTreeSet::new();
        for row in bases.state.ascending(keys::HELD, keys::HELD) {
            held.insert(keys::word_from_end(&row?.0, 0) as i64);
        }
        // What was held of a day went with it.
        held.retain(|day| !marks.contains_key(day));
        bases.lost.clear();
        let live = Ingest::new(resume, Part { written, again: None }, vec![]);
        let (again, walk, verified, swept, sweeping) = (None, None, None, i64::MIN, None);
        let (until, missing) = (0, String::new());
        let taken = None;
        let mut shelf = Shelf {
            bases,
            live,
            setup,
            written,
            days,
            marks,
            until,
            missing,
            again,
            taken,
            back: BTreeMap::new(),
            held,
            walk,
            verified,
            swept,
            sweeping,
        };
        shelf.begin_at(resume, None)?;
        shelf.forget_old_days()?;
        for (day, _) in shelf.days.clone() {
            if !shelf.bases.has(day)? && !shelf.marks.contains_key(&day) {
                shelf.mark(day, Mark::again(format!("the database of {} is missing", date(day)?)))?;
            }
        }
        if let Some((day, _)) = shelf.days.last_key_value().map(|(d, b)| (*d, *b))
            && shelf.marks.get(&day).is_some_and(|mark| mark.again)
        {
            shelf.rewind(day)?;
        }
        Ok(shelf)
    }

    /// How it is now.
    pub fn glance(&self) -> Glance {
        let date = |day: &i64| date(*day).unwrap_or_default();
        let incomplete = self.marks.iter().map(|(day, mark)| (date(day), mark.why.clone())).collect();
        Glance { applied: self.live.applied, needed: self.needed(), nameless: self.live.nameless, incomplete }
    }

    /// Last record whose rows are on disk.
    pub fn written(&self) -> u64 {
        self.written
    }

    /// Parts of the place that hold something behind a record: the state, and days that do not end before it.
    pub fn behind(&self, seq: u64) -> anyhow::Result<Vec<String>> {
        let ends = self.days.values().skip(1).map(|begin| begin.seq.saturating_sub(1)).chain([u64::MAX]);
        let behind =
            self.days.keys().zip(ends).filter(|(_, end)| *end > seq).map(|(day, _)| anyhow::Ok(format!("day/{}", date(*day)?)));
        std::iter::once(Ok("state".to_owned())).chain(behind).collect()
    }

    /// True while what had been applied before is being applied again.
    pub fn is_catching_up(&self) -> bool {
        self.until > self.live.applied
    }

    /// True while days that were put aside with the state are not back.
    pub fn is_coming_back(&self) -> bool {
        self.marks.values().any(|mark| mark.again && mark.states)
    }

    /// Applies records in order and makes their rows durable. Repeating it changes nothing.
    pub fn apply(&mut self, batch: &Batch) -> anyhow::Result<Took> {
        let records = &batch.records;
        if self.tend()? {
            return Ok(Took::Back);
        }
        if self.again.as_ref().is_some_and(Again::holds_up) {
            return Ok(Took::Later);
        }
        let left = records.iter().position(|record| self.is_left(record));
        if left == Some(0) {
            return match self.again {
                Some(_) => Ok(Took::Later),
                None => {
                    // The day before is over: what of it is in memory alone would be forgotten.
                    self.write_open()?;
                    Ok(Took::After(self.take_over(batch)?))
                }
            };
        }
        let mut rows = Rows::default();
        for record in &records[..left.unwrap_or(records.len())] {
            self.bases.beat();
            self.live.take(record, batch, &self.setup.run, &mut rows, &mut self.bases)?;
        }
        self.write(rows)?;
        if self.tend()? || left.is_some() {
            return Ok(Took::Back);
        }
        if self.until > 0 && !self.is_catching_up() {
            self.caught_up()?;
        }
        Ok(Took::All)
    }

    /// What had been applied before is applied again.
    pub(super) fn caught_up(&mut self) -> anyhow::Result<()> {
        self.until = 0;
        let missing = std::mem::take(&mut self.missing);
        match self.live.part().again {
            // A mark that says what cannot be had again stays.
            Some(day) if self.marks.get(&day).is_some_and(|mark| mark.again) => self.settle(day, missing),
            Some(_) | None => Ok(()),
        }
    }

    /// Packs what is open, so that the next start reads nothing again.
    pub fn close(mut self) -> anyhow::Result<()> {
        self.write_open()?;
        self.bases.close_days()
    }

    fn write_open(&mut self) -> anyhow::Result<()> {
        let mut rows = Rows::default();
        self.live.close_all(&mut rows)?;
        self.write(rows)
    }

    /// Days first, then the state with the watermark last: a cut anywhere is made good by reading again.
    fn write(&mut self, mut rows: Rows) -> anyhow::Result<()> {
        let known = self.days.last_key_value().map(|(day, _)| *day);
        for (day, seq) in std::mem::take(&mut rows.begun) {
            if self.days.contains_key(&day) {
                continue;
            }
            let begin = Begin { seq, exact: true };
            self.days.insert(day, begin);
            rows.state.insert(keys::numbered(keys::DAY, day as u64), begin.bytes());
            // From its first record on: whatever was lost of it comes again.
            if self.marks.get(&day).is_some_and(|mark| mark.again) {
                self.unmark(day)?;
            }
        }
        let nothing = rows.days.is_empty() && rows.state.is_empty();
        for (day, put) in std::mem::take(&mut rows.days) {
            self.bases.put(day, put)?;
            rows.state.extend(self.bases.written(day));
        }
        for (first, last, why) in std::mem::take(&mut rows.gaps) {
            let first = if first == i64::MIN { known.unwrap_or(last) } else { first };
            for day in first..=last {
                self.miss(day, &why)?;
            }
        }
        for day in std::mem::take(&mut rows.left_out) {
            if !self.held.contains(&day) {
                self.miss(day, "the journal no longer has all of its readings, and nothing of them was put aside")?;
            }
        }
        if nothing {
            return Ok(());
        }
        let written = self.live.applied.max(self.written);
        let mark = [written.to_be_bytes(), self.live.resume().to_be_bytes()].concat();
        let mut state: Vec<_> = rows.state.into_iter().collect();
        state.push((keys::WATERMARK.to_vec(), mark));
        self.bases.state.put(state)?;
        self.written = written;
        self.forget_old_days()?;
        self.bases.let_go_of_memory()
    }

    /// The last day known; `i64::MIN` where nothing is.
    pub(super) fn today(&self) -> i64 {
        self.days.last_key_value().map_or(i64::MIN, |(day, _)| *day)
    }

    /// First day kept.
    pub(super) fn oldest_kept(&self) -> i64 {
        self.today().saturating_sub(i64::from(self.setup.days.max(1)) - 1)
    }

    /// Whole days only: nothing is ever removed from one.
    fn forget_old_days(&mut self) -> anyhow::Result<()> {
        let oldest_kept = self.oldest_kept();
        let old: Vec<i64> = self.days.keys().chain(self.marks.keys()).copied().filter(|day| *day < oldest_kept).collect();
        if !old.is_empty() {
            places::forget_aside(&self.setup.dir, oldest_kept)?;
        }
        for day in old {
            self.bases.drop_day(day)?;
            let keys = [keys::DAY, keys::MARK, keys::HELD].map(|prefix| keys::numbered(prefix, day as u64));
            self.bases.state.remove(keys.to_vec())?;
            self.days.remove(&day);
            self.marks.remove(&day);
        }
        Ok(())
    }

    /// Takes note of days that were put aside. The last one is begun again: true where that happened.
    pub(super) fn tend(&mut self) -> anyhow::Result<bool> {
        let lost = std::mem::take(&mut self.bases.lost);
        let last = self.days.last_key_value().map(|(day, _)| *day);
        let rewound = last.filter(|last| lost.contains_key(last));
        let gone: Vec<i64> = self.held.iter().copied().filter(|day| lost.contains_key(day)).collect();
        self.bases.state.remove(gone.iter().map(|day| keys::numbered(keys::HELD, *day as u64)).collect())?;
        self.held.retain(|day| !lost.contains_key(day));
        self.taken = self.taken.filter(|day| !lost.contains_key(day));
        self.back.retain(|day, _| !lost.contains_key(day));
        self.marks.extend(lost);
        if let Some(last) = rewound {
            self.rewind(last)?;
        }
        Ok(rewound.is_some())
    }

    /// Applies the last day again from its beginning.
    fn rewind(&mut self, day: i64) -> anyhow::Result<()> {
        self.bases.drop_day(day)?;
        self.missing.clear();
        self.taken = None;
        let before = self.live.applied;
        self.begin_at(self.begin_of(day).seq.saturating_sub(1), Some(day))?;
        self.until = self.until.max(self.written).max(before);
        Ok(())
    }

    pub(super) fn begin_at(&mut self, resume: u64, again: Option<i64>) -> anyhow::Result<()> {
        let (nameless, part) = (self.live.nameless, Part { written: self.written, again });
        self.live = Ingest::new(resume, part, self.given_at(resume)?);
        self.live.nameless = nameless;
        Ok(())
    }

    /// Where reading must begin to have all of a day.
    pub(super) fn begin_of(&self, day: i64) -> Begin {
        match self.days.get(&day) {
            Some(begin) if begin.exact => *begin,
            // The day before began before it.
            Some(_) | None => {
                let before = self.days.range(..day).next_back();
                Begin { seq: before.map_or(1, |(_, begin)| begin.seq), exact: false }
            }
        }
    }

    /// Tag names in force behind a record.
    pub(super) fn given_at(&self, seq: u64) -> anyhow::Result<Vec<String>> {
        let end = keys::numbered(keys::GIVEN, seq + 1);
        match self.bases.state.descending(keys::GIVEN, &end).next().transpose()? {
            Some((_, names)) => Ok(serde_json::from_slice(&names)?),
            None => Ok(vec![]),
        }
    }

    /// Notes that a day is not whole.
    pub(super) fn mark(&mut self, day: i64, mark: Mark) -> anyhow::Result<()> {
        let row = (keys::numbered(keys::MARK, day as u64), serde_json::to_vec(&mark)?);
        let mut rows = vec![row.clone()];
        if !mark.again && self.bases.has(day)? {
            // The day says it too: the state may be lost, or the day be copied.
            self.bases.put(day, vec![row])?;
            rows.extend(self.bases.written(day));
        }
        self.bases.state.put(rows)?;
        self.marks.insert(day, mark);
        Ok(())
    }

    /// Something of a day cannot be had again. One that is to be made again shows by itself what is missing, or, where it is the one that is applied
    /// again now, once that is done; what was said once stands.
    fn miss(&mut self, day: i64, why: &str) -> anyhow::Result<()> {
        self.bases.beat();
        match self.marks.get(&day) {
            None => return self.mark(day, Mark::stays(why.to_owned())),
            Some(mark) if mark.again && self.live.part().again == Some(day) && self.missing.is_empty() => {
                why.clone_into(&mut self.missing);
            }
            Some(_) => {}
        }
        Ok(())
    }

    /// A day has what the journal left out, and that is known after a start, too.
    pub(super) fn hold(&mut self, day: i64) -> anyhow::Result<()> {
        self.held.insert(day);
        Ok(self.bases.state.put(vec![(keys::numbered(keys::HELD, day as u64), vec![])])?)
    }

    pub(super) fn unmark(&mut self, day: i64) -> anyhow::Result<()> {
        self.bases.state.remove(vec![keys::numbered(keys::MARK, day as u64)])?;
        self.marks.remove(&day);
        Ok(())
    }
}
