//! Keys of both databases, big-endian, so that their order is the order asked for. Must not know: values.
//!
//! A tag or zone is known by the first eight bytes of the BLAKE3 of its name: nothing must be remembered, and a day can be read alone.
//!
//! | Database | Key | Value |
//! |---|---|---|
//! | day | `e` at seq | one record that is not a reading or a tick |
//! | day | `a` alarm seq; `o` zone seq | `at`: where the record stands |
//! | day | `p` slot tag first_at first_seq | packed block of readings |
//! | day | `q` slot | what its blocks hold: first and last arrival, last record, bytes |
//! | day, state | `g` seq | tag names in force behind this record |
//! | state | `a` alarm; `x` notice | as it stands |
//! | state | `d` day | 1, and the first record of that day; without the 1 (version 0.1.0): of its first event |
//! | day, state | `i` day | why that day is not whole; in the day only what cannot be had again |
//! | state | `h` day | nothing: that day has what the journal left out |
//! | state | `s` day | seal: what that day held when it was over |
//! | state | `n` day | sum of that day's database as last written |
//! | state | `f` day | fingerprint of its places as last closed |
//! | day, state | `~` | sum over all other rows |
//! | state | `w` | last record applied, and the one after which reading must begin again |
//!
//! Blocks stood by tag before there were slots, under `b` tag first_at first_seq: still read. Version 0.1.0 gave numbers of four bytes to tags and zones, in the state under `t` and `y`, and used `r` for blocks and `z` for zones: still read.

use brain::Micros;

/// Records of a day.
pub const EVENT: &[u8] = b"e";
/// Standing and past alarms (state); records of an alarm (day).
pub const ALARM: &[u8] = b"a";
/// Records of a zone (day).
pub const OF_ZONE: &[u8] = b"o";
/// Packed readings (day).
pub const SLOTTED: &[u8] = b"p";
/// Slots of packed readings (day).
pub const SLOT: &[u8] = b"q";
/// Packed readings of before there were slots (day).
pub const BLOCK: &[u8] = b"b";
/// Notices.
pub const NOTICE: &[u8] = b"x";
/// First record of each day.
pub const DAY: &[u8] = b"d";
/// Why a day is not whole.
pub const MARK: &[u8] = b"i";
/// Days that have what the journal left out.
pub const HELD: &[u8] = b"h";
/// Seals of days that are over.
pub const SEAL: &[u8] = b"s";
/// Tag names by start.
pub const GIVEN: &[u8] = b"g";
/// Sums of days.
pub const WRITTEN: &[u8] = b"n";
/// Fingerprints of days.
pub const CLOSED: &[u8] = b"f";
/// How far records are applied.
pub const WATERMARK: &[u8] = b"w";
/// Version 0.1.0: numbers of tags.
pub const OLD_TAG: &[u8] = b"t";
/// Version 0.1.0: numbers of zones.
pub const OLD_ZONE: &[u8] = b"y";
/// Version 0.1.0: packed readings.
pub const OLD_BLOCK: &[u8] = b"r";
/// Version 0.1.0: records of a zone.
pub const OLD_OF_ZONE: &[u8] = b"z";

/// The number of a tag or zone.
pub fn number(name: &str) -> u64 {
    let hash = blake3::hash(name.as_bytes());
    hash.as_bytes().first_chunk::<8>().copied().map_or(0, u64::from_be_bytes)
}

/// `prefix` and one number.
pub fn numbered(prefix: &[u8], number: u64) -> Vec<u8> {
    [prefix, &number.to_be_bytes()].concat()
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
pub fn of_zone(zone: u64) -> Vec<u8> {
    numbered(OF_ZONE, zone)
}

/// The same as version 0.1.0 wrote it.
pub fn old_of_zone(zone: u32) -> Vec<u8> {
    [OLD_OF_ZONE, &zone.to_be_bytes()].concat()
}

/// All blocks of a slot.
pub fn of_slot(slot: Micros) -> Vec<u8> {
    numbered(SLOTTED, slot as u64)
}

/// All blocks of a tag in a slot.
pub fn in_slot(slot: Micros, tag: u64) -> Vec<u8> {
    numbered(&of_slot(slot), tag)
}

/// All blocks of a tag in a day of before there were slots.
pub fn of_tag(tag: u64) -> Vec<u8> {
    numbered(BLOCK, tag)
}

/// The same as version 0.1.0 wrote it.
pub fn old_of_tag(tag: u32) -> Vec<u8> {
    [OLD_BLOCK, &tag.to_be_bytes()].concat()
}

/// One block of readings, among those of the tag that `prefix` names.
pub fn in_block(prefix: &[u8], first_at: Micros, first_seq: u64) -> Vec<u8> {
    [prefix, &first_at.to_be_bytes(), &first_seq.to_be_bytes()].concat()
}

/// Above every key that begins with `prefix`.
pub fn end(prefix: &[u8]) -> Vec<u8> {
    [prefix, &[0xff; 32]].concat()
}

/// The number `back` words from the end of a key.
pub fn word_from_end(key: &[u8], back: usize) -> u64 {
    let end = key.len().saturating_sub(8 * back);
    let word = key[..end].last_chunk::<8>().copied().unwrap_or_default();
    u64::from_be_bytes(word)
}
