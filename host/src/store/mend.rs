//! The state made again where it is lost: from what the days hold, and from the journal for the last of them.
//! Must not know: why it was lost.

use super::bases::{Bases, Day, Mark, Old};
use super::ingest::{self, Rows};
use super::query::record_of;
use super::shelf::Begin;
use super::slots::{self, Slot};
use super::{block, keys, places};
use brain::Micros;
use brain::event::{Entry, Event};
use std::collections::BTreeMap;
use std::ops::RangeInclusive;

/// What the JSON of a start holds.
const STARTED: &[u8] = b"\"started\"";
/// Rows between two writes.
const ROWS_AT_ONCE: usize = 1000;

/// What a day says of itself.
pub struct Own {
    /// Where it begins; none where the day is empty.
    pub begin: Option<Begin>,
    /// Last record that has a row.
    last: u64,
    /// What cannot be had again of it.
    pub missing: Option<String>,
}

/// Fills an empty state. Alarms and notices come from the events of all days before the last; that one is applied again, from the journal
/// or, where the journal (`first`: the first record from which on it has everything) does not reach back so far, from its own events too. It is known
/// from then on to have what the journal left out.
pub fn mend(bases: &mut Bases, first: u64) -> anyhow::Result<()> {
    let days = bases.on_disk();
    for day in places::days_aside(&bases.dir).into_iter().filter(|day| !days.contains(day)) {
        let mark = Mark { states: true, ..Mark::again(format!("{} was put aside", places::date(day)?)) };
        bases.state.put(vec![(keys::numbered(keys::MARK, day as u64), serde_json::to_vec(&mark)?)])?;
    }
    old_names(bases, &days)?;
    let mut known = BTreeMap::new();
    for day in days {
        bases.beat();
        if let Some(own) = own(bases, day)? {
            known.insert(day, own);
        }
    }
    let Some((newest, last)) = known.last_key_value().map(|(day, own)| (*day, own)) else {
        return Ok(());
    };
    tracing::warn!("the state of the store is made again from {} days", known.len());
    let mark = match last.begin {
        Some(begin) if begin.seq >= first => begin.seq.saturating_sub(1),
        // What the journal has of it is read again: readings that came last may be in no block yet.
        Some(_) | None => last.last.max(last_packed(bases, newest)?).min(first.saturating_sub(1)),
    };
    for (day, own) in &known {
        if let Some(begin) = own.begin {
            bases.state.put(vec![(keys::numbered(keys::DAY, *day as u64), begin.bytes())])?;
        }
        replay(bases, *day, 0..=mark)?;
    }
    let held = (keys::numbered(keys::HELD, newest as u64), vec![]);
    bases.state.put(vec![held, (keys::WATERMARK.to_vec(), [mark.to_be_bytes(), mark.to_be_bytes()].concat())])?;
    Ok(())
}

/// True for a day that holds blocks of version 0.1.0.
fn is_old(base: &Day) -> anyhow::Result<bool> {
    Ok(base.ascending(keys::OLD_BLOCK, keys::OLD_BLOCK).next().transpose()?.is_some())
}

/// The numbers that version 0.1.0 gave to tags, and the names that starts gave them: it numbered each name when a start named it first, and kept that
/// in the state alone. Starts are events, and stand in the days. Nothing is guessed: where the first record of all is not there, or a day is missing
/// that may have named more, those days are made again as far as the journal reaches.
fn old_names(bases: &mut Bases, days: &[i64]) -> anyhow::Result<()> {
    let mut newest = None;
    for day in days {
        newest = bases.look(*day, is_old)?.unwrap_or(false).then_some(*day).or(newest);
    }
    let Some(newest) = newest.filter(|newest| places::days_aside(&bases.dir).iter().all(|aside| aside > newest)) else {
        return Ok(());
    };
    let (mut starts, mut from_the_first) = (BTreeMap::new(), false);
    for day in days.iter().filter(|day| **day <= newest) {
        let found = bases.look(*day, |base| {
            let (mut found, mut first) = (vec![], None);
            for row in base.ascending(keys::EVENT, keys::EVENT) {
                let (key, value) = row?;
                let seq = keys::word_from_end(&key, 0);
                first.get_or_insert(seq);
                // Few are: only what may be one is parsed.
                if value.windows(STARTED.len()).any(|text| text == STARTED)
                    && let Entry::Event(Event::Started { tags, .. }) = record_of(&key, &value)?.entry
                {
                    found.push((seq, tags));
                }
            }
            Ok((first, found))
        })?;
        bases.beat();
        let Some((first, found)) = found else { return Ok(()) };
        from_the_first |= first == Some(1);
        starts.extend(found);
    }
    if !from_the_first {
        return Ok(());
    }
    let mut numbers: BTreeMap<&String, u32> = BTreeMap::new();
    for name in starts.values().flatten() {
        let next = numbers.len() as u32;
        numbers.entry(name).or_insert(next);
    }
    let numbered = |(name, number): (&&String, &u32)| ([keys::OLD_TAG, name.as_bytes()].concat(), number.to_be_bytes().to_vec());
    let mut rows: Vec<_> = numbers.iter().map(numbered).collect();
    for (seq, names) in &starts {
        rows.push((keys::numbered(keys::GIVEN, *seq), serde_json::to_vec(names)?));
    }
    bases.state.put(rows)?;
    bases.old = Old::read(&bases.state)?;
    Ok(())
}

/// Reads where a day begins and ends, and copies the names it was given and what is missing of it. None where it had to be put aside.
pub fn own(bases: &mut Bases, day: i64) -> anyhow::Result<Option<Own>> {
    let known = !bases.old.tags.is_empty();
    let found = bases.look(day, |base| {
        let mut given = vec![];
        for row in base.ascending(keys::GIVEN, keys::GIVEN) {
            given.push(row?);
        }
        let seq = |key: &[u8]| keys::word_from_end(key, 0);
        anyhow::ensure!(known || !is_old(base)?, "its tags were numbered in the state that is lost");
        let event = base.ascending(keys::EVENT, keys::EVENT).next().transpose()?;
        let exact = !given.is_empty();
        let begin = given.first().map(|(key, _)| seq(key) + 1).or(event.map(|(key, _)| seq(&key)));
        let begin = begin.map(|seq| Begin { seq, exact });
        let mut last = base.descending(keys::EVENT, &keys::end(keys::EVENT)).next().transpose()?.map_or(0, |(key, _)| seq(&key));
        last = last.max(begin.map_or(0, |begin| begin.seq - 1));
        let key = keys::numbered(keys::MARK, day as u64);
        let mark = base.get(&key)?;
        let missing = mark.as_ref().map(|mark| anyhow::Ok(serde_json::from_slice::<Mark>(mark)?.why)).transpose()?;
        given.extend(mark.map(|mark| (key, mark)));
        Ok((Own { begin, last, missing }, given))
    })?;
    let Some((own, given)) = found else {
        return Ok(None);
    };
    bases.state.put(given)?;
    Ok(Some(own))
}

/// Last record that a block of a day holds readings of.
fn last_packed(bases: &mut Bases, day: i64) -> anyhow::Result<u64> {
    let last = bases.look(day, |base| {
        let mut last = slots::all(base)?.iter().map(Slot::last_seq).max().unwrap_or(0);
        for row in base.ascending(keys::OLD_BLOCK, keys::OLD_BLOCK).chain(base.ascending(keys::BLOCK, keys::BLOCK)) {
            last = last.max(block::last_seq(&row?.1)?);
        }
        Ok(last)
    })?;
    Ok(last.unwrap_or(0))
}

/// Alarms and notices as these events of a day leave them.
pub fn replay(bases: &mut Bases, day: i64, events: RangeInclusive<u64>) -> anyhow::Result<()> {
    let mut start = keys::EVENT.to_vec();
    loop {
        bases.beat();
        let records = bases.look(day, |base| {
            let mut records = vec![];
            for row in base.ascending(keys::EVENT, &start).take(ROWS_AT_ONCE) {
                let (key, value) = row?;
                records.push(record_of(&key, &value)?);
            }
            Ok(records)
        })?;
        let Some(last) = records.as_ref().and_then(|records| records.last()) else {
            return Ok(());
        };
        start = keys::event(last.at as Micros, last.seq + 1);
        let mut rows = Rows::default();
        for record in records.iter().flatten().filter(|record| events.contains(&record.seq)) {
            ingest::states(record, &mut rows, bases)?;
        }
        bases.state.put(rows.state.into_iter().collect())?;
    }
}
