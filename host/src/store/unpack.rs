//! From packed blocks back to readings, column by column, without a thing allocated per reading: whoever reads a month of a plant reads billions.
//! What the bytes mean is said in `block`. Must not know: databases, tags.

use super::bits;
use super::block::{self, DECIMAL, DECIMALS_MAX, FROM_LEAST, HEAD_BYTES, MILLIS, NARROW, PLAIN, ROW_BYTES_MAX, ROWS_MAX, ZSTD};
use anyhow::{Context, bail, ensure};
use brain::{Micros, Quality};

/// Readings of one tag, one list per field, all of one length, in order of arrival.
#[derive(Debug, Default)]
pub struct Columns {
    /// When they arrived.
    pub at: Vec<Micros>,
    /// When they were measured.
    pub source_us: Vec<Micros>,
    /// In the tag's unit.
    pub value: Vec<f64>,
    /// As judged by the link.
    pub quality: Vec<Quality>,
}

impl Columns {
    fn clear(&mut self) {
        self.at.clear();
        self.source_us.clear();
        self.value.clear();
        self.quality.clear();
    }
}

/// Unpacks one block after the other into the same memory.
pub struct Unpacker {
    zstd: zstd::bulk::Decompressor<'static>,
    body: Vec<u8>,
    /// The lists of a block, as they are written.
    lists: [Vec<u64>; 4],
}

impl Unpacker {
    /// # Errors
    /// There is no memory for it.
    pub fn new() -> anyhow::Result<Unpacker> {
        let zstd = zstd::bulk::Decompressor::new().context("cannot unpack readings")?;
        Ok(Unpacker { zstd, body: vec![], lists: Default::default() })
    }

    /// All rows of a block in place of what `into` held. An error is damage: the CRC has been checked first.
    pub fn unpack(&mut self, block: &[u8], into: &mut Columns) -> anyhow::Result<()> {
        into.clear();
        let count = block::rows(block)?;
        ensure!(count <= ROWS_MAX, "a block claims {count} readings");
        let body = &block[HEAD_BYTES..];
        match block[4] {
            PLAIN => self.plain(body, count, into),
            DECIMAL => self.decimal(body, count, into),
            version => bail!(block::Newer(version)),
        }
    }

    fn plain(&mut self, body: &[u8], count: usize, into: &mut Columns) -> anyhow::Result<()> {
        self.decompress(body, count)?;
        let mut rest = &self.body[..];
        for (list, times) in self.lists.iter_mut().zip([&mut into.at, &mut into.source_us]) {
            take_varints(&mut rest, count, list)?;
            times.extend(self::times(list));
        }
        ensure!(rest.len() == count * 9, "a block of {count} readings has {} bytes of values", rest.len());
        let (qualities, planes) = rest.split_at(count);
        into.quality.extend(qualities.iter().map(|code| Quality(*code)));
        let mut before = 0;
        into.value.extend((0..count).map(|i| {
            before ^= (0..8).fold(0, |bits, plane| bits << 8 | u64::from(planes[plane * count + i]));
            f64::from_bits(before)
        }));
        Ok(())
    }

    fn decimal(&mut self, body: &[u8], count: usize, into: &mut Columns) -> anyhow::Result<()> {
        let ([flags, decimals], mut rest) = body.split_first_chunk::<2>().context("a block of readings is cut short")?;
        ensure!(*decimals <= DECIMALS_MAX, "a block of readings has {decimals} decimals");
        let mut least = || take_varint(&mut rest).map(unzigzag);
        let (least_late, least_value) = (least()?, least()?);
        if flags & ZSTD != 0 {
            self.decompress(rest, count)?;
            let mut rest = &self.body[..];
            self.lists.iter_mut().try_for_each(|list| take_varints(&mut rest, count, list))?;
        } else {
            self.lists.iter_mut().try_for_each(|list| bits::take(&mut rest, count, list))?;
        }
        let [sources, late, qualities, values] = &self.lists;
        let unit = if flags & MILLIS != 0 { 1000 } else { 1 };
        let arrived = |(source, late): (Micros, &u64)| source.wrapping_add(least_late).wrapping_add(*late as i64);
        into.at.extend(times(sources).zip(late).map(|row| arrived(row).wrapping_mul(unit)));
        into.source_us.extend(times(sources).map(|source| source.wrapping_mul(unit)));
        into.quality.extend(qualities.iter().map(|code| Quality(*code as u8)));
        let (scale, narrow) = (10f64.powi(i32::from(*decimals)), flags & NARROW != 0);
        let value = |units: i64| {
            let value = units as f64 / scale;
            if narrow { f64::from(value as f32) } else { value }
        };
        let mut before = 0i64;
        let from_least = flags & FROM_LEAST != 0;
        into.value.extend(values.iter().map(|change| match change.checked_sub(1) {
            None => f64::NAN,
            Some(change) if from_least => value(least_value.wrapping_add(change as i64)),
            Some(change) => {
                before = before.wrapping_add(unzigzag(change));
                value(before)
            }
        }));
        Ok(())
    }

    fn decompress(&mut self, body: &[u8], count: usize) -> anyhow::Result<()> {
        self.body.clear();
        self.body.reserve(count * ROW_BYTES_MAX + 1);
        self.zstd.decompress_to_buffer(body, &mut self.body).context("a block of readings cannot be unpacked")?;
        Ok(())
    }
}

fn unzigzag(number: u64) -> i64 {
    (number >> 1) as i64 ^ -((number & 1) as i64)
}

fn times(second_differences: &[u64]) -> impl Iterator<Item = Micros> {
    let (mut time, mut step) = (0i64, 0i64);
    second_differences.iter().map(move |change| {
        step = step.wrapping_add(unzigzag(*change));
        time = time.wrapping_add(step);
        time
    })
}

fn take_varints(bytes: &mut &[u8], count: usize, into: &mut Vec<u64>) -> anyhow::Result<()> {
    into.clear();
    into.reserve(count);
    for _ in 0..count {
        into.push(take_varint(bytes)?);
    }
    Ok(())
}

fn take_varint(bytes: &mut &[u8]) -> anyhow::Result<u64> {
    let mut value = 0u64;
    for shift in (0..64).step_by(7) {
        let Some((byte, rest)) = bytes.split_first() else {
            break;
        };
        *bytes = rest;
        value |= u64::from(byte & 0x7f) << shift;
        if *byte < 0x80 {
            return Ok(value);
        }
    }
    bail!("a number in a block of readings cannot be read");
}
