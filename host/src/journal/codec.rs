//! What a payload means: entries and marks to bytes and back. Readings are packed (about 17 bytes a row), everything else is
//! JSON, so that an auditor needs no tool of ours. Must not know: framing, files.
//!
//! A kind number and a version are for ever: a released pair is never given another meaning, and old ones are read for ever.

use anyhow::{Context, bail, ensure};
use brain::event::{Entry, Event};
use brain::{Quality, Reading, TagId};
use serde::{Deserialize, Serialize};

/// Kind of packed readings.
pub const READINGS: u16 = 1;
/// Kind of a tick: one zero byte, because a length of zero means "nothing here".
pub const TICK: u16 = 2;
const STARTED: u16 = 3;
const STOPPED: u16 = 4;
const LINK: u16 = 5;
const MALFORMED: u16 = 6;
const ASSESSED: u16 = 7;
const STRIKE: u16 = 8;
const RECEIPT: u16 = 9;
const UNDELIVERED: u16 = 10;
const ANSWERED: u16 = 11;
const OPERATOR: u16 = 12;
const STORAGE: u16 = 13;
const RECORDED: u16 = 14;
const UNRECORDED: u16 = 15;
/// Kind of a record of the wall clock.
pub const CLOCK: u16 = 16;
const WORDED: u16 = 17;
const ANCHORED: u16 = 18;
const GROWTH: u16 = 19;
const ASIDE: u16 = 20;
const RULE_LOST: u16 = 21;
const HEARTBEAT: u16 = 22;
const TESTED: u16 = 23;
const EXERCISE_ENDED: u16 = 24;
const ANSWER_REFUSED: u16 = 25;
const OUTCOME: u16 = 32;
const BUREAU: u16 = 48;

/// Mark: what the records so far hash to; covers the readings, which are not chained one by one.
pub const ANCHOR: u16 = 0x8001;
/// Mark: last of a segment, which is read-only from here.
pub const SEAL: u16 = 0x8002;
/// Mark: records that were on disk and cannot be read any more.
pub const GAP: u16 = 0x8003;

/// The version of every payload this program writes.
pub const VERSION: u16 = 1;

/// Payload of [`ANCHOR`] and [`SEAL`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Anchor {
    /// Records of this segment so far, marks not counted.
    pub records: u64,
    /// Readings and ticks since the anchor before, or since the segment began.
    pub unchained: u64,
    /// BLAKE3 over those, hex.
    pub digest: String,
}

/// Payload of [`GAP`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Gap {
    /// First number that is missing.
    pub first: u64,
    /// Last number that is missing.
    pub last: u64,
    /// What was seen, for people.
    pub detail: String,
}

/// The kind an entry is kept as.
pub fn kind(entry: &Entry) -> u16 {
    match entry {
        Entry::Outcome { .. } => OUTCOME,
        Entry::Bureau(_) => BUREAU,
        Entry::Event(event) => match event {
            Event::Readings { .. } => READINGS,
            Event::Tick => TICK,
            Event::Started { .. } => STARTED,
            Event::Stopped => STOPPED,
            Event::Link { .. } => LINK,
            Event::Malformed { .. } => MALFORMED,
            Event::Assessed { .. } => ASSESSED,
            Event::Strike { .. } => STRIKE,
            Event::Receipt { .. } => RECEIPT,
            Event::Undelivered { .. } => UNDELIVERED,
            Event::Answered { .. } => ANSWERED,
            Event::Operator { .. } => OPERATOR,
            Event::Storage { .. } => STORAGE,
            Event::Recorded { .. } => RECORDED,
            Event::Unrecorded { .. } => UNRECORDED,
            Event::Clock { .. } => CLOCK,
            Event::Worded { .. } => WORDED,
            Event::Anchored { .. } => ANCHORED,
            Event::Growth { .. } => GROWTH,
            Event::Aside { .. } => ASIDE,
            Event::RuleLost { .. } => RULE_LOST,
            Event::Heartbeat { .. } => HEARTBEAT,
            Event::Tested { .. } => TESTED,
            Event::ExerciseEnded { .. } => EXERCISE_ENDED,
            Event::AnswerRefused { .. } => ANSWER_REFUSED,
        },
    }
}

/// Word of a kind, for people; marks too.
pub fn word(kind: u16) -> &'static str {
    match kind {
        READINGS => "readings",
        TICK => "tick",
        STARTED => "started",
        STOPPED => "stopped",
        LINK => "link",
        MALFORMED => "malformed",
        ASSESSED => "assessed",
        STRIKE => "strike",
        RECEIPT => "receipt",
        UNDELIVERED => "undelivered",
        ANSWERED => "answered",
        OPERATOR => "operator",
        STORAGE => "storage",
        RECORDED => "recorded",
        UNRECORDED => "unrecorded",
        CLOCK => "clock",
        WORDED => "worded",
        ANCHORED => "anchored",
        GROWTH => "growth",
        ASIDE => "aside",
        RULE_LOST => "rule_lost",
        HEARTBEAT => "heartbeat",
        TESTED => "tested",
        EXERCISE_ENDED => "exercise_ended",
        ANSWER_REFUSED => "answer_refused",
        OUTCOME => "outcome",
        BUREAU => "bureau",
        ANCHOR => "anchor",
        SEAL => "seal",
        GAP => "gap",
        _ => "unknown",
    }
}

/// Readings and ticks are many and stand outside the chain; anchors cover them.
pub fn is_chained(kind: u16) -> bool {
    !matches!(kind, READINGS | TICK)
}

/// Payload of an entry.
pub fn encode(entry: &Entry) -> anyhow::Result<Vec<u8>> {
    match entry {
        Entry::Event(Event::Tick) => Ok(vec![0]),
        Entry::Event(Event::Readings { readings }) => {
            ensure!(!readings.is_empty(), "a batch of readings is empty: journal nothing instead");
            Ok(pack(readings))
        }
        other => serde_json::to_vec(other).context("entry cannot be written as JSON"),
    }
}

/// Refuses what a newer program wrote: a kind or a version that this one does not know.
///
/// # Errors
/// [`super::Newer`], naming both.
pub fn check(kind: u16, version: u16) -> Result<(), super::Newer> {
    let known = matches!(kind, READINGS..=ANSWER_REFUSED | OUTCOME | BUREAU);
    if known && version == VERSION {
        return Ok(());
    }
    Err(super::Newer(format!(
        "a record of kind {kind} version {version}, and this program reads version {VERSION} of kinds {READINGS}-{ANSWER_REFUSED}, {OUTCOME} and {BUREAU}"
    )))
}

/// The entry a payload holds. An unknown kind or version is an error naming both: a newer program wrote it.
pub fn decode(kind: u16, version: u16, payload: &[u8]) -> anyhow::Result<Entry> {
    check(kind, version)?;
    match kind {
        TICK => Ok(Entry::Event(Event::Tick)),
        READINGS => Ok(Entry::Event(Event::Readings { readings: unpack(payload)? })),
        other => {
            let entry: Entry =
                serde_json::from_slice(payload).with_context(|| format!("payload of kind {kind} version {version}"))?;
            ensure!(self::kind(&entry) == other, "the payload is not of kind {kind}");
            Ok(entry)
        }
    }
}

/// Base time i64, count u32; per row: tag u32, zigzag varint of the time since the row before, value f64, quality u8.
fn pack(readings: &[Reading]) -> Vec<u8> {
    let mut out = Vec::with_capacity(12 + readings.len() * 17);
    let mut before = readings.first().map_or(0, |r| r.source_us);
    out.extend_from_slice(&before.to_le_bytes());
    out.extend_from_slice(&(readings.len() as u32).to_le_bytes());
    for reading in readings {
        out.extend_from_slice(&reading.tag.0.to_le_bytes());
        put_varint(&mut out, reading.source_us.wrapping_sub(before));
        before = reading.source_us;
        out.extend_from_slice(&reading.value.to_bits().to_le_bytes());
        out.push(reading.quality.0);
    }
    out
}

fn unpack(mut bytes: &[u8]) -> anyhow::Result<Vec<Reading>> {
    let mut time = i64::from_le_bytes(take(&mut bytes)?);
    let count = u32::from_le_bytes(take(&mut bytes)?) as usize;
    // A row is at least 14 bytes: a damaged count cannot ask for memory.
    ensure!(count <= bytes.len() / 14, "{count} readings do not fit in {} bytes", bytes.len());
    let mut readings = Vec::with_capacity(count);
    for _ in 0..count {
        let tag = TagId(u32::from_le_bytes(take(&mut bytes)?));
        time = time.wrapping_add(take_varint(&mut bytes)?);
        let value = f64::from_bits(u64::from_le_bytes(take(&mut bytes)?));
        let [quality] = take(&mut bytes)?;
        readings.push(Reading { tag, value, quality: Quality(quality), source_us: time });
    }
    ensure!(bytes.is_empty(), "{} bytes are left over behind the readings", bytes.len());
    Ok(readings)
}

fn take<const N: usize>(bytes: &mut &[u8]) -> anyhow::Result<[u8; N]> {
    let Some((head, rest)) = bytes.split_first_chunk() else {
        bail!("the readings are cut short");
    };
    *bytes = rest;
    Ok(*head)
}

fn put_varint(out: &mut Vec<u8>, value: i64) {
    let mut zigzag = ((value << 1) ^ (value >> 63)) as u64;
    while zigzag >= 0x80 {
        out.push(zigzag as u8 | 0x80);
        zigzag >>= 7;
    }
    out.push(zigzag as u8);
}

fn take_varint(bytes: &mut &[u8]) -> anyhow::Result<i64> {
    let mut zigzag = 0u64;
    for shift in (0..64).step_by(7) {
        let [byte] = take(bytes)?;
        zigzag |= u64::from(byte & 0x7f) << shift;
        if byte < 0x80 {
            return Ok((zigzag >> 1) as i64 ^ -((zigzag & 1) as i64));
        }
    }
    bail!("a time in the readings is too long")
}
