//! A packed block: the readings of one tag over a while, 2-6 bytes each. Must not know: databases, tags.
//!
//! CRC32C u32, version u8, count u32, first and last record u64 each, then zstd over four columns: arrival and source times as
//! zigzag varints of second differences, qualities, and values XORed with the one before and transposed by byte. Little-endian.

use super::Point;
use anyhow::{Context, bail, ensure};
use brain::Quality;

const VERSION: u8 = 1;
const HEAD_BYTES: usize = 25;
/// A row before compression is at most two varints of 10 bytes, a quality and a value.
const ROW_BYTES_MAX: usize = 10 + 10 + 1 + 8;
/// Rows a block may claim: what one record can hold, and a full block before it.
const ROWS_MAX: usize = 100_000;

/// Packs rows that came with records `first_seq` to `last_seq`.
pub fn pack(rows: &[Point], first_seq: u64, last_seq: u64) -> anyhow::Result<Vec<u8>> {
    let mut body = Vec::with_capacity(rows.len() * 12);
    put_times(&mut body, rows.iter().map(|r| r.at));
    put_times(&mut body, rows.iter().map(|r| r.source_us));
    body.extend(rows.iter().map(|r| r.quality.0));
    for plane in (0..8).rev() {
        let mut before = 0;
        for row in rows {
            let bits = row.value.to_bits();
            body.push(((bits ^ before) >> (8 * plane)) as u8);
            before = bits;
        }
    }
    let mut out = vec![0; 4];
    out.push(VERSION);
    out.extend_from_slice(&(rows.len() as u32).to_le_bytes());
    out.extend_from_slice(&first_seq.to_le_bytes());
    out.extend_from_slice(&last_seq.to_le_bytes());
    out.extend(zstd::bulk::compress(&body, 3).context("cannot pack a block of readings")?);
    let crc = crc32c::crc32c(&out[4..]);
    out[..4].copy_from_slice(&crc.to_le_bytes());
    Ok(out)
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
    let count = rows(block)?;
    ensure!(count <= ROWS_MAX, "a block claims {count} readings");
    let body = zstd::bulk::decompress(&block[HEAD_BYTES..], count * ROW_BYTES_MAX + 1)
        .context("a block of readings cannot be unpacked")?;
    let mut rest = &body[..];
    let arrivals = take_times(&mut rest, count)?;
    let sources = take_times(&mut rest, count)?;
    ensure!(rest.len() == count * 9, "a block of {count} readings has {} bytes of values", rest.len());
    let (qualities, planes) = rest.split_at(count);
    let mut before = 0;
    let rows = (0..count).map(|i| {
        before ^= (0..8).fold(0, |bits, plane| bits << 8 | u64::from(planes[plane * count + i]));
        Point { at: arrivals[i], source_us: sources[i], value: f64::from_bits(before), quality: Quality(qualities[i]) }
    });
    Ok(rows.collect())
}

fn check(block: &[u8]) -> anyhow::Result<()> {
    ensure!(block.len() > HEAD_BYTES, "a block of readings is cut short");
    ensure!(crc32c::crc32c(&block[4..]).to_le_bytes() == block[..4], "the CRC of a block of readings does not fit");
    ensure!(block[4] == VERSION, "a block of readings has the unknown version {}: a newer program wrote it", block[4]);
    Ok(())
}

fn put_times(out: &mut Vec<u8>, times: impl Iterator<Item = i64>) {
    let (mut before, mut step) = (0i64, 0i64);
    for time in times {
        let now = time.wrapping_sub(before);
        let change = now.wrapping_sub(step);
        let mut zigzag = ((change << 1) ^ (change >> 63)) as u64;
        while zigzag >= 0x80 {
            out.push(zigzag as u8 | 0x80);
            zigzag >>= 7;
        }
        out.push(zigzag as u8);
        (before, step) = (time, now);
    }
}

fn take_times(bytes: &mut &[u8], count: usize) -> anyhow::Result<Vec<i64>> {
    let (mut time, mut step) = (0i64, 0i64);
    let mut times = Vec::with_capacity(count);
    for _ in 0..count {
        let zigzag = take_varint(bytes)?;
        step = step.wrapping_add((zigzag >> 1) as i64 ^ -((zigzag & 1) as i64));
        time = time.wrapping_add(step);
        times.push(time);
    }
    Ok(times)
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
    bail!("a time in a block of readings cannot be read");
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
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
