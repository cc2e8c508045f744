//! Where the blocks of readings stand in a day: by slot of time first, by tag second. A slot takes so many bytes, and the next one begins: what is
//! written at one time lies in few pages, and a page that is full is not touched again. Owns: the rows that say what each slot holds.
//! Must not know: when a block is written, what is in it.
//!
//! Days begun before there were slots have their blocks by tag, and version 0.1.0 by another number of the tag: all are read.

use super::base::Row;
use super::bases::Day;
use super::{block, keys};
use anyhow::Context;
use brain::Micros;
use std::collections::{BTreeSet, HashMap};
use std::ops::Range;

/// Bytes of the blocks of one slot. Each page of it may be written, and is kept in memory, again and again while it goes on.
const SLOT_BYTES_MAX: u64 = if cfg!(test) { 1 << 10 } else { 8 << 20 };

/// One slot: what its blocks hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Slot {
    /// Its name: the time at which it was begun.
    pub begin: Micros,
    /// The earliest and the latest arrival.
    first_at: Micros,
    last_at: Micros,
    /// The last record.
    last_seq: u64,
    bytes: u64,
}

impl Slot {
    /// One that is empty.
    pub fn new(begin: Micros) -> Slot {
        Slot { begin, first_at: Micros::MAX, last_at: Micros::MIN, last_seq: 0, bytes: 0 }
    }

    /// Takes note of a block that is put into it.
    pub fn take(&mut self, first_at: Micros, last_at: Micros, last_seq: u64, bytes: usize) {
        self.first_at = self.first_at.min(first_at);
        self.last_at = self.last_at.max(last_at);
        self.last_seq = self.last_seq.max(last_seq);
        self.bytes += bytes as u64;
    }

    /// True once the next one is to be begun.
    pub fn is_full(&self) -> bool {
        self.bytes >= SLOT_BYTES_MAX
    }

    /// The last record that it holds readings of.
    pub fn last_seq(&self) -> u64 {
        self.last_seq
    }

    /// As it is written.
    pub fn row(&self) -> Row {
        let words = [self.first_at as u64, self.last_at as u64, self.last_seq, self.bytes];
        (keys::numbered(keys::SLOT, self.begin as u64), words.iter().flat_map(|word| word.to_be_bytes()).collect())
    }

    fn read((key, value): Row) -> anyhow::Result<Slot> {
        let word = |n: usize| Some(u64::from_be_bytes(*value.get(8 * n..)?.first_chunk()?));
        let words = (word(0), word(1), word(2), word(3));
        let (Some(first), Some(last), Some(last_seq), Some(bytes)) = words else {
            anyhow::bail!("what a slot of readings holds is cut short");
        };
        let begin = keys::word_from_end(&key, 0) as Micros;
        Ok(Slot { begin, first_at: first as Micros, last_at: last as Micros, last_seq, bytes })
    }
}

/// All slots of a day, oldest first.
pub fn all(base: &Day) -> anyhow::Result<Vec<Slot>> {
    base.ascending(keys::SLOT, keys::SLOT).map(|row| Slot::read(row?)).collect()
}

/// True where version 0.1.0 wrote of zones in this day, by numbers of its own.
pub fn has_old_zones(base: &Day) -> anyhow::Result<bool> {
    Ok(base.ascending(keys::OLD_OF_ZONE, keys::OLD_OF_ZONE).next().transpose()?.is_some())
}

/// The slot that goes on.
pub fn newest(base: &Day) -> anyhow::Result<Option<Slot>> {
    base.descending(keys::SLOT, &keys::end(keys::SLOT)).next().transpose()?.map(Slot::read).transpose()
}

/// Hands over the blocks of a tag that may hold something that arrived in `within`. `old`: its number in version 0.1.0.
pub fn blocks(
    base: &Day,
    (tag, old): (u64, Option<u32>),
    within: &Range<Micros>,
    mut take: impl FnMut(&[u8]) -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    let mut walk = |prefix: &[u8]| {
        // The block that begins last before the stretch may reach into it.
        let before = base.descending(prefix, &keys::in_block(prefix, within.start.max(0), 0)).next().transpose()?;
        let start = before.map_or(prefix.to_vec(), |(key, _)| key);
        for row in base.ascending(prefix, &start) {
            let (key, value) = row?;
            if keys::word_from_end(&key, 1) as Micros >= within.end {
                break;
            }
            take(&value)?;
        }
        anyhow::Ok(())
    };
    for prefix in old.map(keys::old_of_tag).into_iter().chain([keys::of_tag(tag)]) {
        walk(&prefix)?;
    }
    for slot in all(base)? {
        if slot.first_at < within.end && slot.last_at >= within.start {
            walk(&keys::in_slot(slot.begin, tag))?;
        }
    }
    Ok(())
}

/// The last record in the blocks of each tag, of those that hold records from `from` on. `old`: tags by their number in version 0.1.0.
pub fn packed(base: &Day, old: &HashMap<u32, u64>, from: u64, beat: &dyn Fn()) -> anyhow::Result<HashMap<u64, u64>> {
    let mut packed = HashMap::new();
    let mut walk = |prefix: &[u8], tag: &dyn Fn(&[u8]) -> Option<u64>| {
        for (count, row) in base.ascending(prefix, prefix).enumerate() {
            let (key, value) = row?;
            let last = block::last_seq(&value)?;
            if let Some(tag) = tag(&key) {
                let packed: &mut u64 = packed.entry(tag).or_default();
                *packed = last.max(*packed);
            }
            if count % 1024 == 0 {
                beat();
            }
        }
        anyhow::Ok(())
    };
    walk(keys::OLD_BLOCK, &|key| old.get(&u32::from_be_bytes(*key.get(1..)?.first_chunk()?)).copied())?;
    walk(keys::BLOCK, &|key| Some(u64::from_be_bytes(*key.get(1..)?.first_chunk()?)))?;
    for slot in all(base)?.iter().filter(|slot| slot.last_seq >= from) {
        walk(&keys::of_slot(slot.begin), &|key| Some(keys::word_from_end(key, 2)))?;
    }
    Ok(packed)
}

/// Takes note of blocks in their slots; returns which.
pub fn of<'a>(
    blocks: impl Iterator<Item = (&'a [u8], &'a [u8])>,
    slots: &mut HashMap<Micros, Slot>,
) -> anyhow::Result<BTreeSet<Micros>> {
    let mut begun = BTreeSet::new();
    for (key, value) in blocks {
        let begin = keys::word_from_end(key, 3) as Micros;
        let rows = block::unpack(value)?;
        let (first, last) = (rows.iter().map(|row| row.at).min(), rows.iter().map(|row| row.at).max());
        let (first, last) = (first.context("a block holds nothing")?, last.context("a block holds nothing")?);
        slots.entry(begin).or_insert_with(|| Slot::new(begin)).take(first, last, block::last_seq(value)?, value.len());
        begun.insert(begin);
    }
    Ok(begun)
}
