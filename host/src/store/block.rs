//! A packed block: the readings of one tag over a while, 1-5 bytes each. Must not know: databases, tags.
//!
//! CRC32C u32, version u8, count u32, first and last record u64 each, then by version, little-endian:
//!
//! 1. zstd over four columns: arrival and source times as zigzag varints of second differences, qualities, and values XORed with
//!    the one before and transposed by byte. Takes any value; written only where the other cannot be.
//! 2. For values that are decimals, as a device's are: flags u8, decimals u8, then four lists of numbers in few bits (`bits`) or, where
//!    that is shorter, as varints under zstd: second differences of source times; lateness above the least; quality; 0 for NaN, or 1
//!    and the value in units of its last decimal, as difference from the one before or from the least.

use super::unpack::{Columns, Unpacker};
use super::{Point, bits};
use anyhow::{Context, ensure};

/// A whole block that this version cannot read.
#[derive(Debug, thiserror::Error)]
#[error("a block of readings has the unknown version {0}: a newer program wrote it")]
pub struct Newer(pub(super) u8);

/// Any values.
pub(super) const PLAIN: u8 = 1;
/// Values that are decimals.
pub(super) const DECIMAL: u8 = 2;
pub(super) const HEAD_BYTES: usize = 25;
/// A row before compression is at most four varints of 10 bytes.
pub(super) const ROW_BYTES_MAX: usize = 40;
/// Rows a block may claim: what one record can hold, and a full block before it.
pub(super) const ROWS_MAX: usize = 100_000;
/// Decimals looked for.
pub(super) const DECIMALS_MAX: u8 = 12;
/// Largest value in units of its last decimal: whole numbers up to here are exact.
const UNITS_MAX: f64 = 9e15;

/// The lists are varints under zstd.
pub(super) const ZSTD: u8 = 1;
/// All times are whole milliseconds, and kept so.
pub(super) const MILLIS: u8 = 2;
/// Values are f32 in the device: decimals of an f32.
pub(super) const NARROW: u8 = 4;
/// Values are differences from the least, not from the one before.
pub(super) const FROM_LEAST: u8 = 8;

/// Packs rows that came with records `first_seq` to `last_seq`.
pub fn pack(rows: &[Point], first_seq: u64, last_seq: u64) -> anyhow::Result<Vec<u8>> {
    let (version, body) = match decimal(rows)? {
        Some(body) => (DECIMAL, body),
        None => (PLAIN, plain(rows)?),
    };
    let mut out = vec![0; 4];
    out.push(version);
    out.extend_from_slice(&(rows.len() as u32).to_le_bytes());
    out.extend_from_slice(&first_seq.to_le_bytes());
    out.extend_from_slice(&last_seq.to_le_bytes());
    out.extend(body);
    let crc = crc32c::crc32c(&out[4..]);
    out[..4].copy_from_slice(&crc.to_le_bytes());
    Ok(out)
}

fn plain(rows: &[Point]) -> anyhow::Result<Vec<u8>> {
    let mut body = Vec::with_capacity(rows.len() * 12);
    for times in [rows.iter().map(|r| r.at).collect::<Vec<_>>(), rows.iter().map(|r| r.source_us).collect()] {
        put_varints(&mut body, &second_differences(&times));
    }
    body.extend(rows.iter().map(|r| r.quality.0));
    for plane in (0..8).rev() {
        let mut before = 0;
        for row in rows {
            let bits = row.value.to_bits();
            body.push(((bits ^ before) >> (8 * plane)) as u8);
            before = bits;
        }
    }
    zstd::bulk::compress(&body, 3).context("cannot pack a block of readings")
}

/// The shortest of the ways to write decimals; none where a value is not one.
fn decimal(rows: &[Point]) -> anyhow::Result<Option<Vec<u8>>> {
    let Some((narrow, decimals, units)) = in_units(rows) else {
        return Ok(None);
    };
    let whole_ms = rows.iter().all(|r| r.at % 1000 == 0 && r.source_us % 1000 == 0);
    let unit = if whole_ms { 1000 } else { 1 };
    let sources: Vec<i64> = rows.iter().map(|r| r.source_us / unit).collect();
    let late: Vec<i64> = rows.iter().map(|r| (r.at / unit).wrapping_sub(r.source_us / unit)).collect();
    let least_late = late.iter().copied().min().unwrap_or(0);
    let least_value = units.iter().flatten().copied().min().unwrap_or(0);
    let times = second_differences(&sources);
    let late: Vec<u64> = late.iter().map(|l| l.wrapping_sub(least_late) as u64).collect();
    let quality: Vec<u64> = rows.iter().map(|r| u64::from(r.quality.0)).collect();
    let mut best: Option<Vec<u8>> = None;
    for from_least in [false, true] {
        let mut before = 0;
        let value = |unit: &Option<i64>| {
            unit.map_or(0, |unit| {
                let change = if from_least { (unit - least_value) as u64 } else { zigzag(unit - before) };
                before = unit;
                change + 1
            })
        };
        let values: Vec<u64> = units.iter().map(value).collect();
        let columns = [&times, &late, &quality, &values];
        for under_zstd in [false, true] {
            let flag = |set: bool, flag: u8| if set { flag } else { 0 };
            let flags = flag(under_zstd, ZSTD) | flag(whole_ms, MILLIS) | flag(narrow, NARROW) | flag(from_least, FROM_LEAST);
            let mut body = vec![flags, decimals];
            put_varints(&mut body, &[zigzag(least_late), zigzag(least_value)]);
            if under_zstd {
                let mut lists = vec![];
                columns.iter().for_each(|column| put_varints(&mut lists, column));
                body.extend(zstd::bulk::compress(&lists, 3).context("cannot pack a block of readings")?);
            } else {
                columns.iter().for_each(|column| bits::put(&mut body, column));
            }
            if best.as_ref().is_none_or(|b| body.len() < b.len()) {
                best = Some(body);
            }
        }
    }
    Ok(best)
}

/// Values in units of their last decimal, none for NaN; whether they are f32, and how many decimals they have.
fn in_units(rows: &[Point]) -> Option<(bool, u8, Vec<Option<i64>>)> {
    let ways = [false, true].into_iter().flat_map(|narrow| (0..=DECIMALS_MAX).map(move |decimals| (narrow, decimals)));
    for (narrow, decimals) in ways {
        let unit = |row: &Point| {
            if row.value.to_bits() == f64::NAN.to_bits() {
                return Some(None);
            }
            let units = (row.value * 10f64.powi(i32::from(decimals))).round();
            let exact = units.abs() < UNITS_MAX && from_units(units as i64, narrow, decimals).to_bits() == row.value.to_bits();
            exact.then_some(Some(units as i64))
        };
        if let Some(units) = rows.iter().map(unit).collect() {
            return Some((narrow, decimals, units));
        }
    }
    None
}

fn from_units(units: i64, narrow: bool, decimals: u8) -> f64 {
    let value = units as f64 / 10f64.powi(i32::from(decimals));
    if narrow { f64::from(value as f32) } else { value }
}

/// Number of the last record in a block, without unpacking it.
pub fn last_seq(block: &[u8]) -> anyhow::Result<u64> {
    check(block)?;
    Ok(u64::from_le_bytes(block[17..25].try_into().expect("eight bytes")))
}

/// How many rows a block has, without unpacking it.
pub fn rows(block: &[u8]) -> anyhow::Result<usize> {
    check(block)?;
    Ok(u32::from_le_bytes(block[5..9].try_into().expect("four bytes")) as usize)
}

/// Unpacks all rows. An error is damage: the CRC has been checked first.
pub fn unpack(block: &[u8]) -> anyhow::Result<Vec<Point>> {
    let mut columns = Columns::default();
    Unpacker::new()?.unpack(block, &mut columns)?;
    let Columns { at, source_us, value, quality } = columns;
    let rows = at.into_iter().zip(source_us).zip(value).zip(quality);
    Ok(rows.map(|(((at, source_us), value), quality)| Point { at, source_us, value, quality }).collect())
}

fn check(block: &[u8]) -> anyhow::Result<()> {
    ensure!(block.len() > HEAD_BYTES, "a block of readings is cut short");
    ensure!(crc32c::crc32c(&block[4..]).to_le_bytes() == block[..4], "the CRC of a block of readings does not fit");
    let version = block[4];
    ensure!(matches!(version, PLAIN | DECIMAL), Newer(version));
    Ok(())
}

fn zigzag(number: i64) -> u64 {
    ((number << 1) ^ (number >> 63)) as u64
}

fn second_differences(times: &[i64]) -> Vec<u64> {
    let (mut before, mut step) = (0i64, 0i64);
    let change = |time: &i64| {
        let now = time.wrapping_sub(before);
        let change = now.wrapping_sub(step);
        (before, step) = (*time, now);
        zigzag(change)
    };
    times.iter().map(change).collect()
}

fn put_varints(out: &mut Vec<u8>, numbers: &[u64]) {
    for number in numbers {
        let mut rest = *number;
        while rest >= 0x80 {
            out.push(rest as u8 | 0x80);
            rest >>= 7;
        }
        out.push(rest as u8);
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use brain::Quality;
    use proptest::prelude::*;

    fn point() -> impl Strategy<Value = Point> {
        (any::<i64>(), any::<i64>(), any::<u64>(), any::<u8>()).prop_map(|(at, source_us, bits, quality)| Point {
            at,
            source_us,
            value: f64::from_bits(bits),
            quality: Quality(quality),
        })
    }

    fn bits(rows: &[Point]) -> Vec<(i64, i64, u64, u8)> {
        rows.iter().map(|r| (r.at, r.source_us, r.value.to_bits(), r.quality.0)).collect()
    }

    proptest! {
        #[test]
        fn what_is_packed_is_unpacked(rows in prop::collection::vec(point(), 1..700)) {
            let block = pack(&rows, 5, 9).unwrap();
            prop_assert_eq!(bits(&unpack(&block).unwrap()), bits(&rows));
            prop_assert_eq!(last_seq(&block).unwrap(), 9);
        }

        #[test]
        fn any_bytes_are_refused_or_read(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            prop_assert!(unpack(&bytes).is_err());
        }
    }

    proptest! {
        #[test]
        fn decimals_are_unpacked_to_the_last_bit(
            steps in prop::collection::vec((0i64..50, any::<bool>(), -3000i64..3000, any::<u8>()), 1..700),
            decimals in 0u8..6, narrow in any::<bool>(), ms in any::<bool>(),
        ) {
            let (mut units, mut at) = (20_000i64, 1_790_000_000_000_000i64);
            let rows: Vec<Point> = steps.iter().map(|(late, nan, step, quality)| {
                units += step;
                at += 1_000_000;
                let late = if ms { late * 1000 } else { *late };
                let value = if *nan { f64::NAN } else { from_units(units, narrow, decimals) };
                Point { at: at + late, source_us: at, value, quality: Quality(*quality) }
            }).collect();
            let block = pack(&rows, 1, 2).unwrap();
            prop_assert_eq!(block[4], DECIMAL);
            prop_assert_eq!(bits(&unpack(&block).unwrap()), bits(&rows));
        }
    }

    #[test]
    fn a_block_of_the_first_version_is_read() {
        let hex = include_str!("tests/block-1.hex");
        let block: Vec<u8> = (0..hex.trim().len()).step_by(2).map(|i| u8::from_str_radix(&hex[i..i + 2], 16).unwrap()).collect();
        assert_eq!(block[4], PLAIN);
        let rows = unpack(&block).unwrap();
        assert_eq!((rows.len(), last_seq(&block).unwrap()), (8, 8));
        let third = Point { at: 1_790_000_002_000_007, source_us: 1_790_000_002_000_000, value: 20.2, quality: Quality(3) };
        assert_eq!(bits(&rows[2..3]), bits(&[third]));
    }

    #[test]
    fn a_changed_bit_is_refused() {
        let rows: Vec<Point> = (0..50)
            .map(|i| Point { at: i * 1_000_003, source_us: i * 1_000_000, value: i as f64, quality: Quality::GOOD })
            .collect();
        let block = pack(&rows, 1, 50).unwrap();
        for bit in 0..block.len() * 8 {
            let mut bad = block.clone();
            bad[bit / 8] ^= 1 << (bit % 8);
            assert!(unpack(&bad).is_err(), "bit {bit}");
        }
    }

    #[test]
    fn a_slow_steady_tag_takes_little() {
        let rows: Vec<Point> = (0..512)
            .map(|i| Point {
                at: 1_790_000_000_000_000 + i * 1_000_000,
                source_us: 1_790_000_000_000_000 + i * 1_000_000,
                value: 20.0 + ((i / 4 * 7919) % 13) as f64 * 0.1,
                quality: Quality::GOOD,
            })
            .collect();
        let each = pack(&rows, 1, 512).unwrap().len() as f64 / 512.0;
        println!("{each:.2} bytes a reading");
        assert!(each < 2.5, "{each}");
    }
}
