//! Packed blocks of several tags as one stream in order of arrival. Must not know: where blocks come from.

use super::unpack::{Columns, Unpacker};
use brain::{Micros, Reading, TagId};
use std::ops::Range;

/// No more readings.
const ENDED: Micros = Micros::MAX;

/// Readings in order of arrival, those that arrived at one time together.
#[derive(Debug, Default)]
pub struct Batches {
    /// All of them.
    pub readings: Vec<Reading>,
    /// When each batch arrived, and where it ends in the list.
    pub ends: Vec<(Micros, usize)>,
}

impl Batches {
    /// Takes everything out.
    pub fn clear(&mut self) {
        self.readings.clear();
        self.ends.clear();
    }

    /// Ends the batch that arrived `at`, unless nothing did.
    pub fn end(&mut self, at: Micros) {
        if self.ends.last().map_or(0, |(_, end)| *end) < self.readings.len() {
            self.ends.push((at, self.readings.len()));
        }
    }

    /// Each batch with its time.
    pub fn iter(&self) -> impl Iterator<Item = (Micros, &[Reading])> {
        let mut from = 0;
        self.ends.iter().map(move |(at, end)| (*at, &self.readings[std::mem::replace(&mut from, *end)..*end]))
    }
}

/// The readings of some tags; their place in the list stands for them.
pub struct Merge {
    streams: Vec<Stream>,
    /// When the next reading of each arrived.
    heads: Vec<Micros>,
    unpacker: Unpacker,
    within: Range<Micros>,
}

struct Stream {
    blocks: std::vec::IntoIter<Vec<u8>>,
    columns: Columns,
    next: usize,
}

impl Merge {
    /// Of blocks by tag, each list in order; what arrived outside `within` is left out.
    ///
    /// # Errors
    /// A block is damaged.
    pub fn new(tags: Vec<Vec<Vec<u8>>>, within: Range<Micros>) -> anyhow::Result<Merge> {
        let stream = |blocks: Vec<Vec<u8>>| Stream { blocks: blocks.into_iter(), columns: Columns::default(), next: 0 };
        let streams: Vec<Stream> = tags.into_iter().map(stream).collect();
        let mut merge = Merge { heads: vec![ENDED; streams.len()], streams, unpacker: Unpacker::new()?, within };
        for place in 0..merge.streams.len() {
            merge.heads[place] = merge.streams[place].head(&mut merge.unpacker, &merge.within)?;
        }
        Ok(merge)
    }

    /// The next batches in place of what `into` held, about so many readings. False: there are no more.
    ///
    /// # Errors
    /// A block is damaged.
    pub fn next(&mut self, most: usize, into: &mut Batches) -> anyhow::Result<bool> {
        into.clear();
        while into.readings.len() < most {
            let at = self.heads.iter().copied().min().unwrap_or(ENDED);
            if at == ENDED {
                break;
            }
            for (place, stream) in self.streams.iter_mut().enumerate() {
                while self.heads[place] == at {
                    into.readings.push(stream.reading(place as u32));
                    self.heads[place] = match stream.columns.at.get(stream.next) {
                        Some(next) if *next < self.within.end => *next,
                        Some(_) | None => stream.head(&mut self.unpacker, &self.within)?,
                    };
                }
            }
            into.end(at);
        }
        Ok(!into.ends.is_empty())
    }
}

impl Stream {
    fn reading(&mut self, place: u32) -> Reading {
        let (Columns { source_us, value, quality, .. }, row) = (&self.columns, self.next);
        self.next += 1;
        Reading { tag: TagId(place), value: value[row], quality: quality[row], source_us: source_us[row] }
    }

    /// When the next reading that counts arrived; it is unpacked then.
    fn head(&mut self, unpacker: &mut Unpacker, within: &Range<Micros>) -> anyhow::Result<Micros> {
        loop {
            while let Some(at) = self.columns.at.get(self.next) {
                if within.contains(at) {
                    return Ok(*at);
                }
                self.next += 1;
            }
            let Some(block) = self.blocks.next() else { return Ok(ENDED) };
            unpacker.unpack(&block, &mut self.columns)?;
            self.next = 0;
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::super::{Point, block};
    use super::*;
    use brain::Quality;

    fn blocks(times: &[Micros], each: usize) -> Vec<Vec<u8>> {
        let point = |at: &Micros| Point { at: *at, source_us: *at - 1, value: *at as f64, quality: Quality::GOOD };
        times.chunks(each).map(|some| block::pack(&some.iter().map(point).collect::<Vec<_>>(), 1, 2).unwrap()).collect()
    }

    #[test]
    fn what_arrived_together_comes_together_and_in_order() {
        let tags = vec![blocks(&[1000, 2000, 3000, 3000, 9000], 2), blocks(&[2000, 3000, 5000], 9), vec![]];
        for most in [1, 3, 100] {
            let mut merge = Merge::new(tags.clone(), 2000..9000).unwrap();
            let (mut batches, mut all) = (Batches::default(), vec![]);
            while merge.next(most, &mut batches).unwrap() {
                for (at, readings) in batches.iter() {
                    assert!(readings.iter().all(|reading| (reading.value, reading.source_us) == (at as f64, at - 1)));
                    all.push((at, readings.iter().map(|reading| reading.tag.0).collect::<Vec<_>>()));
                }
            }
            assert_eq!(all, [(2000, vec![0, 1]), (3000, vec![0, 0, 1]), (5000, vec![1])], "{most}");
        }
    }

    #[test]
    fn a_damaged_block_is_an_error() {
        let mut tags = vec![blocks(&[1000, 2000], 1)];
        tags[0][1][30] ^= 1;
        let mut merge = Merge::new(tags, 0..9000).unwrap();
        assert!(merge.next(100, &mut Batches::default()).is_err());
    }
}
