//! What was put aside of a day, taken back: as it is where it is whole, else row by row from a copy. Must not know: where the rest comes from.
//!
//! One page that cannot be read poisons its whole database for this opening. So every stretch of keys is read forwards until it fails, the
//! database is opened again, and the stretch is read backwards: of one damaged page nothing else is lost. Rows are believed by their own CRC.

use super::again::Salvage;
use super::bases::{Day, open_own};
use super::slots::{self, Slot};
use super::{block, copy, keys, places, query};
use anyhow::Context;
use brain::Micros;
use std::collections::HashMap;
use std::io::{Error, ErrorKind};
use std::path::Path;

const CACHE_BYTES: usize = 16 << 20;
/// Rows between two writes.
const ROWS_AT_ONCE: usize = 1000;
const DAY_US: i64 = 86_400_000_000;
/// Stretches that the blocks are read in, by the first byte of their tag; and the events, by hour.
const PARTS: i64 = 24;

/// What the blocks taken over show of their slots.
type Slots = HashMap<Micros, Slot>;

/// Bytes of rows after which the new database is closed and opened again: sled keeps in memory what it wrote.
const PINNED_BYTES_MAX: usize = 32 << 20;

/// What became of what was left of a day.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Salvaged {
    /// It is as it was: what was put aside is not needed any more.
    Whole,
    /// All its rows that were wanted are there.
    All,
    /// Some were passed over.
    Part,
}

/// Takes what is left of a day into its new database.
///
/// # Errors
/// It cannot be copied or opened at all, or the new database cannot be written; there is no room ([`copy::is_full`]). Then nothing new is left behind.
pub fn salvage(left: &Salvage) -> anyhow::Result<Salvaged> {
    let (free, spare) = places::room(&left.from)?;
    let needed = places::bytes(&left.from)?.saturating_mul(2) + spare;
    if free < needed {
        return Err(anyhow::Error::from(Error::from(ErrorKind::StorageFull))
            .context(format!("{needed} bytes are needed, {free} are free")));
    }
    take_over(left).inspect_err(|_| {
        for half in [&left.into, &left.into.with_extension("copy")] {
            let _ = std::fs::remove_dir_all(half);
        }
    })
}

fn take_over(left: &Salvage) -> anyhow::Result<Salvaged> {
    let Salvage { from, into, below, batches } = left;
    let date = from.file_name().unwrap_or_default().to_string_lossy();
    let start = places::day_of(&date).with_context(|| format!("{} is not named by a day", from.display()))? * DAY_US;
    let copy = into.with_extension("copy");
    let lost = copy::all(from, &copy).with_context(|| format!("cannot copy {}", from.display()))?;
    if lost > 0 {
        tracing::error!("{lost} bytes of {} cannot be read", from.display());
    }
    if batches.is_none() && is_whole(&copy) {
        let context = || format!("cannot move {} to {}", copy.display(), into.display());
        std::fs::rename(&copy, into).with_context(context)?;
        places::sync(into.parent().unwrap_or(into))?;
        return Ok(Salvaged::Whole);
    }
    if *below == 0 {
        discard(&copy)?;
        return Ok(Salvaged::Part);
    }
    let mut new = New { into, base: None, bytes: 0 };
    let mut old = Some(open(&copy)?);
    // One that was put aside for damage may be whole, and an older one.
    let there = old.as_ref().and_then(Day::sum).map_or(0, |sum| sum.batches);
    let mut whole = batches.is_none_or(|batches| there >= batches);
    if let Some(base) = &old {
        // Their tags were numbered elsewhere: they are not taken over, and that is no whole day.
        let is_lost = |row: Result<(Vec<u8>, Vec<u8>), _>| row.map_or(true, |(key, _)| keys::word_from_end(&key, 0) < *below);
        whole &= !base.ascending(keys::OLD_BLOCK, keys::OLD_BLOCK).any(is_lost);
    }
    let mut slots = Slots::new();
    for (prefix, begin, end) in stretches(start) {
        let mut reached = begin.clone();
        let mut rows = vec![];
        let mut failed = false;
        let base = match &mut old {
            Some(base) => base,
            None => old.insert(open(&copy)?),
        };
        for row in base.ascending(&prefix, &begin) {
            match row {
                Ok((key, _)) if key >= end => break,
                Ok(row) => {
                    reached.clone_from(&row.0);
                    whole &= take(row, *below, &mut rows);
                }
                Err(_) => {
                    failed = true;
                    break;
                }
            }
            new.write(&mut rows, &mut slots, ROWS_AT_ONCE)?;
        }
        if failed {
            whole = false;
            drop(old.take());
            let base = old.insert(open(&copy)?);
            for row in base.descending(&prefix, &end) {
                match row {
                    Ok((key, _)) if key <= reached => break,
                    Ok(row) => {
                        take(row, *below, &mut rows);
                    }
                    Err(_) => break,
                }
                new.write(&mut rows, &mut slots, ROWS_AT_ONCE)?;
            }
            drop(old.take());
        }
        new.write(&mut rows, &mut slots, 0)?;
    }
    drop(old);
    drop(new);
    discard(&copy)?;
    Ok(if whole { Salvaged::All } else { Salvaged::Part })
}

/// What it says itself, where it says anything: version 0.1.0 wrote no sum.
fn is_whole(copy: &Path) -> bool {
    open(copy).is_ok_and(|base| base.sum().is_some() && base.is_whole(&|| {}).unwrap_or(false))
}

fn discard(copy: &Path) -> anyhow::Result<()> {
    std::fs::remove_dir_all(copy).with_context(|| format!("cannot remove {}", copy.display()))
}

/// Prefix, first key, and the key behind the last, of every stretch.
fn stretches(start: i64) -> Vec<(Vec<u8>, Vec<u8>, Vec<u8>)> {
    let mut all = vec![];
    let hour = |n: i64| keys::event(start + n * DAY_US / PARTS, 0);
    all.extend((0..PARTS).map(|n| (keys::EVENT.to_vec(), hour(n), hour(n + 1))));
    let hour = |n: i64| keys::of_slot(start + n * DAY_US / PARTS);
    all.extend((0..PARTS).map(|n| (keys::SLOTTED.to_vec(), hour(n), hour(n + 1))));
    for first in 0..=u8::MAX {
        let prefix = [keys::BLOCK, &[first]].concat();
        all.push((prefix.clone(), prefix.clone(), keys::end(&prefix)));
    }
    for prefix in [keys::ALARM, keys::OF_ZONE, keys::GIVEN] {
        all.push((prefix.to_vec(), prefix.to_vec(), keys::end(prefix)));
    }
    all
}

/// Takes over a row that is what it was. False for one that is not.
fn take(row: (Vec<u8>, Vec<u8>), below: u64, rows: &mut Vec<(Vec<u8>, Vec<u8>)>) -> bool {
    let (key, value) = &row;
    let is_whole = if key.starts_with(keys::EVENT) {
        query::record_of(key, value).is_ok()
    } else if [keys::BLOCK, keys::SLOTTED].iter().any(|blocks| key.starts_with(blocks)) {
        block::unpack(value).is_ok()
    } else {
        true
    };
    // The number of a block is that of its first record: one that goes on into what the journal has says so itself.
    if is_whole && keys::word_from_end(key, 0) < below {
        rows.push(row);
    }
    is_whole
}

/// The new database.
struct New<'a> {
    into: &'a Path,
    base: Option<Day>,
    /// Written since it was opened.
    bytes: usize,
}

impl New<'_> {
    fn write(&mut self, rows: &mut Vec<(Vec<u8>, Vec<u8>)>, slots: &mut Slots, most: usize) -> anyhow::Result<()> {
        let context = || format!("cannot write what was salvaged to {}", self.into.display());
        if rows.len() > most {
            let blocks = rows.iter().filter(|(key, _)| key.starts_with(keys::SLOTTED));
            let begun = slots::of(blocks.map(|(key, value)| (&key[..], &value[..])), slots)?;
            rows.extend(begun.iter().filter_map(|begin| slots.get(begin)).map(Slot::row));
            let base = match &self.base {
                Some(base) => base,
                None => self.base.insert(open_own(self.into, CACHE_BYTES).with_context(context)?),
            };
            self.bytes += rows.iter().map(|(key, value)| key.len() + value.len()).sum::<usize>();
            base.put(std::mem::take(rows)).with_context(context)?;
            if self.bytes > PINNED_BYTES_MAX {
                (self.base, self.bytes) = (None, 0);
            }
        }
        Ok(())
    }
}

fn open(copy: &Path) -> anyhow::Result<Day> {
    open_own(copy, CACHE_BYTES).with_context(|| format!("the copy {} does not open", copy.display()))
}
