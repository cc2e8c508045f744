//! Keys of both databases, big-endian, so that their order is the order asked for. Must not know: values.
//!
//! | Database | Key | Value |
//! |---|---|---|
//! | day | `e` at seq | one record that is not a reading or a tick |
//! | day | `a` alarm seq; `z` zone seq | `at`: where the record stands |
//! | day | `r` tag first_at first_seq | packed block of readings |
//! | state | `a` alarm; `x` notice | as it stands |
//! | state | `t` name; `y` name | stable number of a tag; of a zone |
//! | state | `d` day | first record with a row in that day |
//! | state | `g` seq | tag names as the start with this record gave them |
//! | state | `w` | last record applied, and the one after which reading must begin again |

use brain::Micros;

/// Records of a day.
pub const EVENT: &[u8] = b"e";
/// Standing and past alarms (state); records of an alarm (day).
pub const ALARM: &[u8] = b"a";
/// Packed readings (day).
pub const BLOCK: &[u8] = b"r";
/// Notices.
pub const NOTICE: &[u8] = b"x";
/// Stable numbers of tags.
pub const TAG: &[u8] = b"t";
/// Stable numbers of zones.
pub const ZONE_NAME: &[u8] = b"y";
/// First record of each day.
pub const DAY: &[u8] = b"d";
/// Tag names by start.
pub const GIVEN: &[u8] = b"g";
/// How far records are applied.
pub const WATERMARK: &[u8] = b"w";

/// `prefix` and one number.
pub fn numbered(prefix: &[u8], number: u64) -> Vec<u8> {
    [prefix, &number.to_be_bytes()].concat()
}

/// `prefix` and a name.
pub fn named(prefix: &[u8], name: &str) -> Vec<u8> {
    [prefix, name.as_bytes()].concat()
}

/// A record by time. Times before 1970 do not occur in a journal of ours.
pub fn event(at: Micros, seq: u64) -> Vec<u8> {
    [EVENT, &at.to_be_bytes(), &seq.to_be_bytes()].concat()
}

/// All records of an alarm in a day.
pub fn of_alarm(alarm: u64) -> Vec<u8> {
    numbered(ALARM, alarm)
}

/// All records of a zone in a day.
pub fn of_zone(zone: u32) -> Vec<u8> {
    [&b"z"[..], &zone.to_be_bytes()].concat()
}

/// All blocks of a tag in a day.
pub fn of_tag(tag: u32) -> Vec<u8> {
    [BLOCK, &tag.to_be_bytes()].concat()
}

/// One block of readings.
pub fn block(tag: u32, first_at: Micros, first_seq: u64) -> Vec<u8> {
    [&of_tag(tag)[..], &first_at.to_be_bytes(), &first_seq.to_be_bytes()].concat()
}

/// The number `back` words from the end of a key.
pub fn word_from_end(key: &[u8], back: usize) -> u64 {
    let end = key.len().saturating_sub(8 * back);
    let word = key[..end].last_chunk::<8>().copied().unwrap_or_default();
    u64::from_be_bytes(word)
}
