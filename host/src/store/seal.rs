//! Seals: what a day held when it was over, and whether it still does. Walks one day at a time, a few rows at each call.
//! Must not know: when it is called.

use super::bases::Day;
use super::places::date;
use super::shelf::Shelf;
use super::{block, keys};
use serde::{Deserialize, Serialize};

/// Rows at one call.
const ROWS_AT_ONCE: usize = 64;

/// What a day held when it was over.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Seal {
    /// Records that have a row.
    pub events: u64,
    /// Packed blocks of readings.
    pub blocks: u64,
    /// First and last record of the events; 0 where there are none.
    pub first: u64,
    /// See `first`.
    pub last: u64,
    /// BLAKE3 over keys and values of events and blocks, in the order of their keys.
    pub root: String,
}

/// A day on its way to be sealed, or verified.
pub struct Walk {
    day: i64,
    /// Where it goes on; none = at the beginning of the next kind of rows.
    from: Vec<u8>,
    hasher: blake3::Hasher,
    seal: Seal,
}

impl Walk {
    fn new(day: i64) -> Walk {
        let seal = Seal { events: 0, blocks: 0, first: 0, last: 0, root: String::new() };
        Walk { day, from: keys::BLOCK.to_vec(), hasher: blake3::Hasher::new(), seal }
    }

    /// Goes on; true at the end of the day.
    fn step(&mut self, base: &Day) -> anyhow::Result<bool> {
        let (prefix, in_events) = (self.from[..1].to_vec(), self.from.starts_with(keys::EVENT));
        let mut count = 0;
        for row in base.ascending(&prefix, &self.from.clone()).take(ROWS_AT_ONCE) {
            let (key, value) = row?;
            self.hasher.update(&(key.len() as u64).to_le_bytes()).update(&key);
            self.hasher.update(&(value.len() as u64).to_le_bytes()).update(&value);
            if in_events {
                let seq = super::query::record_of(&key, &value)?.seq;
                self.seal.events += 1;
                self.seal.first = if self.seal.first == 0 { seq } else { self.seal.first };
                self.seal.last = seq;
            } else {
                block::rows(&value)?;
                self.seal.blocks += 1;
            }
            self.from = [&key[..], &[0]].concat();
            count += 1;
        }
        if count == ROWS_AT_ONCE {
            return Ok(false);
        }
        let next = if self.from.starts_with(keys::BLOCK) { keys::SLOTTED } else { keys::EVENT };
        self.from = next.to_vec();
        Ok(in_events)
    }
}

impl Shelf {
    /// Goes on sealing days that are over, and with `verify` also verifying one that is sealed. False where there is nothing to do.
    pub fn walk(&mut self, verify: bool) -> anyhow::Result<bool> {
        let next = if self.walk.is_some() { None } else { self.next_walk(verify)? };
        let Some(mut walk) = self.walk.take().or(next.map(Walk::new)) else {
            return Ok(false);
        };
        if self.marks.get(&walk.day).is_some_and(|mark| mark.again) || !self.days.contains_key(&walk.day) {
            return Ok(true);
        }
        // None: it could not be read, and is put aside.
        match self.bases.look(walk.day, |base| walk.step(base))? {
            Some(false) => self.walk = Some(walk),
            Some(true) => self.end_walk(walk)?,
            None => {}
        }
        Ok(true)
    }

    /// The oldest day over and not sealed; else, to verify, the one after that verified last.
    fn next_walk(&mut self, verify: bool) -> anyhow::Result<Option<i64>> {
        let today = self.today();
        // What is still open of the days before is written with the first record of this one.
        if self.days.get(&today).is_none_or(|begin| self.live.applied < begin.seq) {
            return Ok(None);
        }
        let is_over = |day: &i64| *day < today && !self.marks.get(day).is_some_and(|mark| mark.again);
        let over: Vec<i64> = self.days.keys().copied().filter(is_over).collect();
        for day in &over {
            if self.seal_of(*day)?.is_none() && self.bases.has(*day)? {
                return Ok(Some(*day));
            }
        }
        let next = over.iter().find(|day| self.verified.is_none_or(|last| **day > last)).or(over.first());
        Ok(next.copied().filter(|_| verify))
    }

    fn end_walk(&mut self, mut walk: Walk) -> anyhow::Result<()> {
        walk.seal.root = walk.hasher.finalize().to_hex().to_string();
        match self.seal_of(walk.day)? {
            Some(seal) if seal == walk.seal => {
                tracing::info!("{} is as it was sealed", date(walk.day)?);
                self.verified = Some(walk.day);
            }
            Some(seal) => {
                let (was, is) = (serde_json::to_string(&seal)?, serde_json::to_string(&walk.seal)?);
                self.bases.put_aside(walk.day, &format!("it was sealed with {was} and has {is}"))?;
            }
            None => self.bases.state.put(vec![(keys::numbered(keys::SEAL, walk.day as u64), serde_json::to_vec(&walk.seal)?)])?,
        }
        Ok(())
    }

    /// The seal of a day.
    pub fn seal_of(&self, day: i64) -> anyhow::Result<Option<Seal>> {
        let seal = self.bases.state.get(&keys::numbered(keys::SEAL, day as u64))?;
        Ok(seal.map(|seal| serde_json::from_slice(&seal)).transpose()?)
    }
}
