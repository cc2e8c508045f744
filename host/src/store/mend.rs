//! The state made again where it is lost: from what the days hold, and from the journal for the last of them.
//! Must not know: why it was lost.

use super::bases::{Bases, Mark};
use super::ingest::{self, Rows};
use super::query::record_of;
use super::shelf::Begin;
use super::slots::{self, Slot};
use super::{block, keys, places};
use brain::Micros;
use std::collections::BTreeMap;
use std::ops::RangeInclusive;

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
/// or, where the journal (`first`: the first record from which on it has everything) does not reach back so far, from its own events too. Returns
/// that day.
pub fn mend(bases: &mut Bases, first: u64) -> anyhow::Result<Option<i64>> {
    let days = bases.on_disk();
    for day in places::days_aside(&bases.dir).into_iter().filter(|day| !days.contains(day)) {
        let mark = Mark { states: true, ..Mark::again(format!("{} was put aside", places::date(day)?)) };
        bases.state.put(vec![(keys::numbered(keys::MARK, day as u64), serde_json::to_vec(&mark)?)])?;
    }
    let mut known = BTreeMap::new();
    for day in days {
        bases.beat();
        if let Some(own) = own(bases, day)? {
            known.insert(day, own);
        }
    }
    let Some((newest, last)) = known.last_key_value().map(|(day, own)| (*day, own)) else {
        return Ok(None);
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
    bases.state.put(vec![(keys::WATERMARK.to_vec(), [mark.to_be_bytes(), mark.to_be_bytes()].concat())])?;
    Ok(Some(newest))
}

/// Reads where a day begins and ends, and copies the names it was given and what is missing of it. None where it had to be put aside.
pub fn own(bases: &mut Bases, day: i64) -> anyhow::Result<Option<Own>> {
    let found = bases.look(day, |base| {
        let mut given = vec![];
        for row in base.ascending(keys::GIVEN, keys::GIVEN) {
            given.push(row?);
        }
        let seq = |key: &[u8]| keys::word_from_end(key, 0);
        let mut old = base.ascending(keys::OLD_BLOCK, keys::OLD_BLOCK);
        anyhow::ensure!(old.next().transpose()?.is_none(), "its tags were numbered in the state that is lost");
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
        for row in base.ascending(keys::BLOCK, keys::BLOCK) {
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
