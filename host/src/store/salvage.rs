//! What can be read of a damaged day, taken over row by row from a copy. Must not know: where the rest comes from.
//!
//! One page that cannot be read poisons its whole database for this opening. So every stretch of keys is read forwards until it fails, the
//! database is opened again, and the stretch is read backwards: of one damaged page nothing else is lost. Rows are believed by their own CRC.

use super::again::Salvage;
use super::bases::Day;
use super::slots::{self, Slot};
use super::{block, keys, places, query};
use anyhow::Context;
use brain::Micros;
use std::collections::HashMap;
use std::path::Path;

const CACHE_BYTES: usize = 16 << 20;
/// Rows between two writes.
const ROWS_AT_ONCE: usize = 1000;
const DAY_US: i64 = 86_400_000_000;
/// Stretches that the blocks are read in, by the first byte of their tag; and the events, by hour.
const PARTS: i64 = 24;

/// What the blocks taken over show of their slots.
type Slots = HashMap<Micros, Slot>;

/// Copies all that can be read of what is left of a day into its new database. True where nothing was passed over.
///
/// # Errors
/// It cannot be copied or opened at all, or the new database cannot be written.
pub fn salvage(left: &Salvage) -> anyhow::Result<bool> {
    let Salvage { from, into, below } = left;
    let date = from.file_name().unwrap_or_default().to_string_lossy();
    let start = places::day_of(&date).with_context(|| format!("{} is not named by a day", from.display()))? * DAY_US;
    let copy = into.with_extension("copy");
    copy_all(from, &copy).with_context(|| format!("cannot copy {}", from.display()))?;
    let new = Day::open(into, CACHE_BYTES).with_context(|| format!("cannot make {}", into.display()))?;
    let mut old = Some(open(&copy)?);
    let (mut whole, mut slots) = (true, Slots::new());
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
            write(&new, &mut rows, &mut slots, ROWS_AT_ONCE)?;
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
                write(&new, &mut rows, &mut slots, ROWS_AT_ONCE)?;
            }
            drop(old.take());
        }
        write(&new, &mut rows, &mut slots, 0)?;
    }
    drop(old);
    drop(new);
    std::fs::remove_dir_all(&copy).with_context(|| format!("cannot remove {}", copy.display()))?;
    Ok(whole)
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

fn write(new: &Day, rows: &mut Vec<(Vec<u8>, Vec<u8>)>, slots: &mut Slots, most: usize) -> anyhow::Result<()> {
    if rows.len() > most {
        let blocks = rows.iter().filter(|(key, _)| key.starts_with(keys::SLOTTED));
        let begun = slots::of(blocks.map(|(key, value)| (&key[..], &value[..])), slots)?;
        rows.extend(begun.iter().filter_map(|begin| slots.get(begin)).map(Slot::row));
        new.put(std::mem::take(rows)).context("cannot write what was salvaged")?;
    }
    Ok(())
}

fn open(copy: &Path) -> anyhow::Result<Day> {
    Day::open(copy, CACHE_BYTES).with_context(|| format!("the copy {} does not open", copy.display()))
}

fn copy_all(from: &Path, to: &Path) -> std::io::Result<()> {
    std::fs::create_dir_all(to)?;
    for entry in std::fs::read_dir(from)? {
        let entry = entry?;
        let to = to.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            copy_all(&entry.path(), &to)?;
        } else {
            std::fs::copy(entry.path(), to)?;
        }
    }
    Ok(())
}
