//! From records to rows: indexes, the state of alarms and notices, and the blocks of readings still open.
//! Owns: what is in memory and not yet in a database. Must not know: sled.
//!
//! A block closes only between records. A restart reads again from the oldest open block, so nothing of it is lost; what a closed
//! block holds already is passed over by the number of its last record.

use super::base::Row;
use super::bases::Bases;
use super::slots::Slot;
use super::{Answer, Batch, NoticeRow, Point, Run, block, facts, keys};
use brain::event::{Entry, Event, Outcome, Record};
use brain::notice::Delivery;
use brain::{Micros, NoticeId, Reading};
use std::collections::{BTreeMap, BTreeSet, HashMap};

/// Readings in a block.
const BLOCK_ROWS_MAX: usize = 512;
/// Readings that wait in memory, of all tags together: where there are many tags, a block closes with fewer.
const OPEN_ROWS_MAX: usize = 400_000;
/// Readings in a block that are enough to close it when it is written for its age; one with fewer goes on, and is written again
/// under the same key.
const BLOCK_ROWS_ENOUGH: usize = 128;
/// How long a reading may wait to be written: what a restart must read again at most.
const BLOCK_SPAN_US: Micros = 15 * 60 * 1_000_000;
const DAY_US: Micros = 86_400_000_000;
/// How often blocks are looked over for their age: there may be thousands, and as many records a second.
const LOOK_US: Micros = 1_000_000;

/// Day of a time: days since 1970-01-01 UTC. The day of arrival, so that late data never reopens a day that is over.
pub fn day(at: Micros) -> i64 {
    at.div_euclid(DAY_US)
}

/// Rows to be written, by database.
#[derive(Default)]
pub struct Rows {
    /// By day.
    pub days: BTreeMap<i64, Vec<Row>>,
    /// The state database. Later rows replace earlier ones.
    pub state: BTreeMap<Vec<u8>, Vec<u8>>,
    /// Days met, and the first record of each.
    pub begun: Vec<(i64, u64)>,
    /// Days between which records are missing, and why; the first is `i64::MIN` where nothing was taken in before.
    pub gaps: Vec<(i64, i64, String)>,
    /// Days between which readings and ticks were left out of the journal to save room.
    pub left_out: BTreeSet<i64>,
}

/// A block of one tag that still grows.
#[derive(Clone, Debug, Default)]
pub struct Open {
    /// In order of arrival, never empty.
    rows: Vec<Point>,
    first_seq: u64,
    last_seq: u64,
    /// How many of the rows are in the database: the block is there, and goes on here.
    written: usize,
    /// The slot that they are in.
    slot: Micros,
    /// Record of the first row that is not.
    unwritten_seq: u64,
}

impl Open {
    fn unwritten(&self) -> &[Point] {
        &self.rows[self.written..]
    }
}

/// Which records are taken in, and how.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Part {
    /// Records up to here have their events in the databases, and alarms and notices stand as they left them.
    pub written: u64,
    /// This day is made again: its events are put once more, whatever `written` says.
    pub again: Option<i64>,
}

/// What is in memory.
pub struct Ingest {
    /// Last record applied.
    pub applied: u64,
    part: Part,
    /// Names of the tags at present, by their position in a record of readings; none where no start says.
    given: Vec<String>,
    /// Their numbers.
    ids: Vec<u64>,
    open: BTreeMap<u64, Open>,
    /// Day of the last record taken in.
    pub today: i64,
    /// The slot of today that blocks are put into; none before the first.
    slot: Option<Slot>,
    /// What it holds is written.
    noted: bool,
    /// Tag -> last record in its closed blocks of today, as far as they were there before this start.
    packed: HashMap<u64, u64>,
    /// Some block has all the readings that it takes.
    is_full: bool,
    /// When all blocks were looked over.
    looked_at: Micros,
    /// Readings of tags that no start has named.
    pub nameless: u64,
}

impl Ingest {
    /// Begins behind record `resume`. `given`: tag names in force there.
    pub fn new(resume: u64, part: Part, given: Vec<String>) -> Ingest {
        let ids = given.iter().map(|name| keys::number(name)).collect();
        let (open, packed) = (BTreeMap::new(), HashMap::new());
        Ingest {
            applied: resume,
            part,
            given,
            ids,
            open,
            today: i64::MIN,
            slot: None,
            noted: true,
            packed,
            is_full: false,
            looked_at: i64::MIN,
            nameless: 0,
        }
    }

    /// Takes in one record of a batch. Those applied already are passed over.
    pub fn take(&mut self, record: &Record, of: &Batch, run: &Run, rows: &mut Rows, bases: &mut Bases) -> anyhow::Result<()> {
        if record.seq <= self.applied {
            return Ok(());
        }
        if record.seq > self.applied + 1 {
            self.pass(record, of, run, rows)?;
        }
        self.close_what_is_over(record, rows, bases)?;
        let fresh = record.seq > self.part.written;
        if fresh {
            states(record, rows, bases)?;
        }
        if (fresh || self.part.again == Some(self.today)) && facts::is_row(&record.entry) {
            self.index(record, rows, bases)?;
        }
        match &record.entry {
            Entry::Event(Event::Started { tags, .. }) => {
                self.name(record.seq, tags.clone(), rows)?;
            }
            Entry::Event(Event::Readings { readings }) => self.readings(record, readings),
            Entry::Event(_) | Entry::Bureau(_) | Entry::Outcome { .. } => {}
        }
        self.applied = record.seq;
        Ok(())
    }

    /// Records are missing before this one. A start may be among them, unless only readings and ticks were left out: then only the run that is known
    /// can say what the tags are.
    fn pass(&mut self, record: &Record, of: &Batch, run: &Run, rows: &mut Rows) -> anyhow::Result<()> {
        let (from, to) = (self.applied + 1, record.seq - 1);
        if of.is_left_out(from, to) {
            let first = if self.today == i64::MIN { day(record.at) } else { self.today };
            rows.left_out.extend(first..=day(record.at));
            return Ok(());
        }
        let why = format!("records {from} to {to} are not in the journal");
        tracing::error!("{why}: pruned, or not readable; the store goes on behind them");
        rows.gaps.push((self.today, day(record.at), why));
        if self.applied < run.seq {
            let names = if record.seq > run.seq { run.tags.clone() } else { vec![] };
            self.name(to, names, rows)?;
        }
        Ok(())
    }

    /// Which records are taken in.
    pub fn part(&self) -> Part {
        self.part
    }

    /// The record after which a restart must read again: everything up to it is in the databases.
    pub fn resume(&self) -> u64 {
        let oldest = self.open.values().filter(|o| !o.unwritten().is_empty()).map(|o| o.unwritten_seq - 1).min();
        oldest.unwrap_or(self.applied).min(self.applied)
    }

    /// Readings of a tag that no database has yet.
    pub fn open(&self, tag: u64) -> &[Point] {
        self.open.get(&tag).map_or(&[], Open::unwritten)
    }

    /// Closes every block: at a start, at the end of a day, at a clean stop.
    pub fn close_all(&mut self, rows: &mut Rows) -> anyhow::Result<()> {
        for (tag, mut open) in std::mem::take(&mut self.open) {
            self.write(tag, &mut open, rows)?;
        }
        self.note_slot(rows);
        Ok(())
    }

    fn write(&mut self, tag: u64, open: &mut Open, rows: &mut Rows) -> anyhow::Result<()> {
        let (Some(first), Some(last)) = (open.unwritten().first().copied(), open.rows.last().copied()) else {
            return Ok(());
        };
        if self.slot.is_none_or(|slot| slot.is_full()) {
            self.note_slot(rows);
            let behind = self.slot.map_or(Micros::MIN, |slot| slot.begin + 1);
            self.slot = Some(Slot::new(last.at.max(behind)));
        }
        let Some(slot) = &mut self.slot else { return Ok(()) };
        if open.slot != slot.begin && open.written > 0 {
            // What is over stays as it is.
            open.rows.drain(..open.written);
            (open.first_seq, open.written) = (open.unwritten_seq, 0);
        }
        open.slot = slot.begin;
        let first_at = open.rows.first().unwrap_or(&first).at;
        let block = block::pack(&open.rows, open.first_seq, open.last_seq)?;
        slot.take(first_at, last.at, open.last_seq, block.len());
        let key = keys::in_block(&keys::in_slot(slot.begin, tag), first_at, open.first_seq);
        rows.days.entry(day(first_at)).or_default().push((key, block));
        self.noted = false;
        Ok(())
    }

    /// What the slot holds is written with its blocks.
    fn note_slot(&mut self, rows: &mut Rows) {
        if let (Some(slot), false) = (self.slot, std::mem::replace(&mut self.noted, true)) {
            rows.days.entry(self.today).or_default().push(slot.row());
        }
    }

    /// Readings that a block takes at present.
    fn rows_max(&self) -> usize {
        (OPEN_ROWS_MAX / self.open.len().max(1)).clamp(BLOCK_ROWS_ENOUGH, BLOCK_ROWS_MAX)
    }

    fn close_what_is_over(&mut self, record: &Record, rows: &mut Rows, bases: &mut Bases) -> anyhow::Result<()> {
        let at = record.at;
        if day(at) != self.today {
            self.close_all(rows)?;
            self.today = day(at);
            (self.slot, self.packed) = bases.packed(self.today, record.seq)?;
            rows.begun.push((self.today, record.seq));
            let names = serde_json::to_vec(&self.given)?;
            rows.days.entry(self.today).or_default().push((keys::numbered(keys::GIVEN, record.seq - 1), names));
        }
        if !std::mem::take(&mut self.is_full) && at.saturating_sub(self.looked_at) < LOOK_US {
            return Ok(());
        }
        self.looked_at = at;
        let most = self.rows_max();
        let full = |o: &Open| o.rows.len() >= most;
        let old = |o: &Open| o.unwritten().first().is_some_and(|r| at.saturating_sub(r.at) >= BLOCK_SPAN_US);
        let due: Vec<u64> = self.open.iter().filter(|(_, o)| full(o) || old(o)).map(|(tag, _)| *tag).collect();
        for tag in due {
            let Some(mut open) = self.open.remove(&tag) else { continue };
            self.write(tag, &mut open, rows)?;
            if open.rows.len() < BLOCK_ROWS_ENOUGH {
                open.written = open.rows.len();
                self.open.insert(tag, open);
            }
        }
        self.note_slot(rows);
        Ok(())
    }

    /// A start gives the tags new positions: nothing open may cross it.
    fn name(&mut self, seq: u64, names: Vec<String>, rows: &mut Rows) -> anyhow::Result<()> {
        self.close_all(rows)?;
        self.ids = names.iter().map(|name| keys::number(name)).collect();
        let row = (keys::numbered(keys::GIVEN, seq), serde_json::to_vec(&names)?);
        if self.today != i64::MIN {
            rows.days.entry(self.today).or_default().push(row.clone());
        }
        rows.state.insert(row.0, row.1);
        self.given = names;
        Ok(())
    }

    fn readings(&mut self, record: &Record, readings: &[Reading]) {
        let most = self.rows_max();
        for reading in readings {
            let Some(tag) = self.ids.get(reading.tag.0 as usize).copied() else {
                self.nameless += 1;
                continue;
            };
            if self.packed.get(&tag).is_some_and(|packed| record.seq <= *packed) {
                continue;
            }
            let open = self.open.entry(tag).or_default();
            if open.rows.is_empty() {
                open.first_seq = record.seq;
            }
            if open.unwritten().is_empty() {
                open.unwritten_seq = record.seq;
            }
            open.last_seq = record.seq;
            let at = record.at - record.at.rem_euclid(1000);
            // A source that does not say when is given the time of arrival: still one time.
            let source_us = if reading.source_us == record.at { at } else { reading.source_us };
            open.rows.push(Point { at, source_us, value: reading.value, quality: reading.quality });
            self.is_full |= open.rows.len() >= most;
        }
    }

    fn index(&self, record: &Record, rows: &mut Rows, bases: &mut Bases) -> anyhow::Result<()> {
        let (seq, at) = (record.seq, record.at);
        let mut alarms = facts::alarms(&record.entry);
        for notice in facts::notices(&record.entry) {
            alarms.extend(notice_row(notice, rows, bases)?.map(|row| row.notice.alarm.id));
        }
        let mut zones: Vec<u64> = facts::zones(&record.entry).into_iter().map(keys::number).collect();
        alarms.sort_unstable();
        alarms.dedup();
        zones.sort_unstable();
        zones.dedup();
        let today = rows.days.entry(day(at)).or_default();
        let json = serde_json::to_vec(&record.entry)?;
        let value = [&crc32c::crc32c(&json).to_be_bytes()[..], &json].concat();
        let stands = at.to_be_bytes().to_vec();
        today.push((keys::event(at, seq), value));
        today.extend(alarms.into_iter().map(|a| (keys::numbered(&keys::of_alarm(a.0), seq), stands.clone())));
        today.extend(zones.into_iter().map(|z| (keys::numbered(&keys::of_zone(z), seq), stands.clone())));
        Ok(())
    }
}

/// Alarms and notices as a record leaves them.
pub fn states(record: &Record, rows: &mut Rows, bases: &Bases) -> anyhow::Result<()> {
    for outcome in facts::outcomes(&record.entry) {
        match outcome {
            Outcome::Alarm { alarm, .. } => {
                rows.state.insert(keys::numbered(keys::ALARM, alarm.id.0), serde_json::to_vec(alarm)?);
            }
            Outcome::Told { notice } => put_notice(&NoticeRow::new(notice, record.at), rows)?,
            Outcome::Delivery { notice, delivery } => {
                change_notice(*notice, rows, bases, |row| {
                    row.delivery = *delivery;
                    row.changed_at = record.at;
                    if matches!(delivery, Delivery::Received | Delivery::Acknowledged) {
                        row.received_at.get_or_insert(record.at);
                    }
                })?;
            }
            Outcome::Quarantine { .. } | Outcome::Rule { .. } | Outcome::Answer { .. } => {}
        }
    }
    match &record.entry {
        Entry::Event(Event::Worded { notice, message }) => change_notice(*notice, rows, bases, |row| {
            row.message.get_or_insert_with(|| message.clone());
        }),
        Entry::Event(Event::Receipt { notice, accepted, .. }) => change_notice(*notice, rows, bases, |row| {
            row.received_at.get_or_insert(record.at);
            if *accepted {
                row.accepted_at.get_or_insert(record.at);
            }
        }),
        Entry::Event(Event::Undelivered { notice, detail, .. }) => change_notice(*notice, rows, bases, |row| {
            row.last_error.clone_from(detail);
            row.failures += 1;
        }),
        Entry::Event(Event::Answered { notice, accepted, by, note, .. }) => change_notice(*notice, rows, bases, |row| {
            row.answer = Some(Answer { accepted: *accepted, by: by.clone(), note: note.clone(), at: record.at });
        }),
        Entry::Event(_) | Entry::Bureau(_) | Entry::Outcome { .. } => Ok(()),
    }
}

fn notice_row(id: NoticeId, rows: &Rows, bases: &Bases) -> anyhow::Result<Option<NoticeRow>> {
    let key = keys::numbered(keys::NOTICE, id.0);
    let value = match rows.state.get(&key) {
        Some(value) => Some(value.clone()),
        None => bases.state.get(&key)?,
    };
    Ok(value.map(|v| serde_json::from_slice(&v)).transpose()?)
}

fn put_notice(row: &NoticeRow, rows: &mut Rows) -> anyhow::Result<()> {
    rows.state.insert(keys::numbered(keys::NOTICE, row.notice.id.0), serde_json::to_vec(row)?);
    Ok(())
}

fn change_notice(id: NoticeId, rows: &mut Rows, bases: &Bases, change: impl FnOnce(&mut NoticeRow)) -> anyhow::Result<()> {
    // An unknown one was told before the oldest record of this journal.
    let Some(mut row) = notice_row(id, rows, bases)? else {
        return Ok(());
    };
    change(&mut row);
    put_notice(&row, rows)
}
