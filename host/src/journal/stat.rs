//! How much is in a journal, by kind and by day. Opens nothing for writing. Must not know: why somebody asks.

use super::codec;
use super::files::{self, Form};
use super::segment::HEADER_BYTES;
use super::walk::{Step, Walk};
use brain::event::{Entry, Event};
use brain::{Clock, Micros};
use serde::Serialize;
use std::collections::BTreeMap;
use std::path::Path;

const DAY_US: Micros = 86_400_000_000;

/// Records and the bytes they take, framing included.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Share {
    /// Records or marks.
    pub records: u64,
    /// Bytes in the segments.
    pub bytes: u64,
}

impl Share {
    fn add(&mut self, bytes: u64) {
        self.records += 1;
        self.bytes += bytes;
    }
}

/// What a journal holds.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Stat {
    /// Site the journal belongs to.
    pub site: String,
    /// Segments begun; those in the archive are not counted.
    pub segments: u64,
    /// Those of them that are compressed.
    pub compressed: u64,
    /// Bytes of all segment files, the one made ahead included.
    pub file_bytes: u64,
    /// Pruned segments whose events are in the archive.
    pub archived: u64,
    /// Bytes of their files.
    pub archive_bytes: u64,
    /// Bytes that headers, records and marks take, before any compression.
    pub used_bytes: u64,
    /// All numbered records.
    pub records: u64,
    /// First number.
    pub first_seq: u64,
    /// Last number.
    pub last_seq: u64,
    /// Brain time of the first record, microseconds UTC.
    pub first_at: Micros,
    /// Brain time of the last record, microseconds UTC.
    pub last_at: Micros,
    /// What the wall clock of the plant showed at the first record, as far as the records here say, microseconds UTC.
    pub first_wall: Micros,
    /// The same of the last record.
    pub last_wall: Micros,
    /// By kind word; the journal's own marks too.
    pub kinds: BTreeMap<&'static str, Share>,
    /// By UTC day, as days since 1970-01-01.
    pub days: BTreeMap<i64, Share>,
    /// Numbers that cannot be read.
    pub lost: u64,
}

impl Stat {
    /// Bytes a day over the last 24 hours there are; none before there is an hour of records.
    pub fn bytes_per_day(&self) -> Option<f64> {
        let (newest, span) = (self.days.last_key_value()?, self.last_at - self.first_at);
        if span < 3_600_000_000 {
            return None;
        }
        // Whole days tell better than a part of one.
        let whole: Vec<u64> = self.days.iter().filter(|(day, _)| **day != *newest.0).map(|(_, share)| share.bytes).collect();
        match whole.as_slice() {
            // The first day began somewhere in the middle.
            [_, later @ ..] if !later.is_empty() => {
                let last = &later[later.len().saturating_sub(7)..];
                Some(last.iter().sum::<u64>() as f64 / last.len() as f64)
            }
            _ => Some(self.used_bytes as f64 * DAY_US as f64 / span as f64),
        }
    }
}

/// Counts the journal in `dir`; `tell` is given the bytes passed.
///
/// # Errors
/// A segment cannot be read at all. Damaged places are counted as lost, not an error.
pub fn stat(dir: &Path, tell: &mut dyn FnMut(u64)) -> anyhow::Result<Stat> {
    let mut walk = Walk::open(dir, 0)?;
    let mut stat = Stat { first_seq: walk.next, ..Stat::default() };
    for held in files::list(dir)? {
        // One that is compressed or pruned at this moment is counted the next time.
        let bytes = held.path(dir).metadata().map_or(0, |file| file.len());
        if held.archived {
            stat.archived += 1;
            stat.archive_bytes += bytes;
        } else {
            stat.compressed += u64::from(held.form == Form::Packed);
            stat.file_bytes += bytes;
        }
    }
    stat.site = walk.header().map(|header| header.site.clone()).unwrap_or_default();
    let (mut segment, mut clock) = (None, Clock::default());
    loop {
        match walk.step(None)? {
            Step::End => break,
            Step::Hole(hole) => stat.lost += hole.next - hole.first,
            Step::Raw(raw, _) => {
                let (head, bytes) = (raw.head(), raw.framed_bytes());
                let here = walk.position().map(|(number, _)| number);
                if segment != here {
                    segment = here;
                    stat.segments += u64::from(walk.form() != Some(Form::Thin));
                    stat.used_bytes += HEADER_BYTES;
                }
                tell(bytes);
                stat.used_bytes += bytes;
                stat.kinds.entry(codec::word(head.kind)).or_default().add(bytes);
                stat.days.entry(head.at.div_euclid(DAY_US)).or_default().add(bytes);
                if stat.last_at == 0 {
                    stat.first_at = head.at;
                }
                stat.last_at = head.at;
                stat.records += u64::from(!raw.is_mark());
                if head.kind == codec::CLOCK
                    && let Ok(Entry::Event(Event::Clock { since, ahead, wrong })) =
                        codec::decode(head.kind, head.version, raw.payload())
                {
                    clock.follow(head.at, since, ahead, wrong);
                } else {
                    clock.runs(head.at);
                }
            }
        }
    }
    stat.last_seq = walk.next - 1;
    (stat.first_wall, stat.last_wall) = (clock.wall(stat.first_at), clock.wall(stat.last_at));
    Ok(stat)
}
