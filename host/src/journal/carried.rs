//! Records carried out of the journal, with all that is needed to check them elsewhere: what was hashed, and the links.
//! Opens nothing for writing. Must not know: what entries mean, in what file they are carried.
//!
//! Whoever holds the carried records can take the chain up again from the link before the first of them to the link behind the last, and
//! compare any state of it with an anchor kept elsewhere. Readings and ticks are outside the chain; an anchor mark covers those before
//! it, all together: either all of a stretch are carried, or none.
//!
//! Where records are lost, [`Lost`] stands in their place. The chain goes on over it where the next record of it follows from the link before: then only
//! records outside the chain are lost. Else it begins anew, and nothing proves the record that it begins with, nor that nothing else stood before.

use super::codec::{self, ANCHOR, Anchor, GAP, Gap, SEAL, is_chained};
use super::cover::Cover;
use super::files::Form;
use super::outside::{self, OutsideAnchor, hex};
use super::record::{CHAINED, Head, Link, MARK_FIRST, PAYLOAD_BYTES_MAX, Raw, SEQ_MAX, covered_bytes, next_link};
use super::segment::HEADER_BYTES;
use super::walk::{Place, Step, Walk};
use anyhow::{Context, bail, ensure};
use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use brain::Micros;
use brain::event::Entry;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use std::path::Path;

/// A record or mark, verbatim.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Carried {
    /// Number of the record; of a mark, the number before it.
    pub seq: u64,
    /// Highest number on disk when it was framed.
    pub synced: u64,
    /// Brain time, microseconds UTC.
    pub at: Micros,
    /// What the payload is.
    pub kind: u16,
    /// Schema of the payload.
    pub version: u16,
    /// As framed.
    pub flags: u32,
    /// The payload, where it is JSON: the very characters that were hashed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub entry: Option<Box<RawValue>>,
    /// The payload in base64, where it is packed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub packed: Option<String>,
    /// BLAKE3 of the link before and the record, hex; none outside the chain.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub link: Option<String>,
}

impl Carried {
    fn new(raw: &Raw) -> anyhow::Result<Carried> {
        let Head { seq, synced, at, kind, version, flags } = raw.head();
        let link = raw.link().as_ref().map(hex);
        let (entry, packed) = if is_chained(kind) {
            let text = String::from_utf8(raw.payload().to_vec()).context("the payload is not text")?;
            (Some(RawValue::from_string(text).context("the payload is not JSON")?), None)
        } else {
            (None, Some(BASE64.encode(raw.payload())))
        };
        Ok(Carried { seq, synced, at, kind, version, flags, entry, packed, link })
    }

    fn payload(&self) -> anyhow::Result<Vec<u8>> {
        let payload = match (&self.entry, &self.packed) {
            (Some(json), None) => json.get().as_bytes().to_vec(),
            (None, Some(packed)) => BASE64.decode(packed).context("the payload is not base64")?,
            (Some(_), Some(_)) | (None, None) => bail!("a record has one payload"),
        };
        ensure!((1..=PAYLOAD_BYTES_MAX).contains(&payload.len()), "a payload of {} bytes is not possible", payload.len());
        Ok(payload)
    }

    /// Takes no number of its own: an anchor, a seal, a gap.
    pub fn is_mark(&self) -> bool {
        self.kind >= MARK_FIRST
    }

    /// An anchor or a seal: what stands before it is covered.
    pub fn ends_stretch(&self) -> bool {
        matches!(self.kind, ANCHOR | SEAL)
    }

    /// Part of the chain.
    pub fn is_chained(&self) -> bool {
        self.flags & CHAINED != 0
    }

    /// Kind word.
    pub fn word(&self) -> &'static str {
        codec::word(self.kind)
    }

    /// What it holds; none for a mark.
    ///
    /// # Errors
    /// The payload cannot be read, or a newer program wrote it.
    pub fn entry(&self) -> anyhow::Result<Option<Entry>> {
        if self.is_mark() {
            return Ok(None);
        }
        codec::decode(self.kind, self.version, &self.payload()?).map(Some)
    }
}

/// Records that were on disk and cannot be read: a hole in the journal.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Lost {
    /// First number that is lost.
    pub first: u64,
    /// The next one that is not; the same where only bytes are damaged.
    pub next: u64,
    /// Where, and what was found instead.
    pub why: String,
    /// Where a segment begins behind it: the link that its header states, hex. Its next anchor covers all from there on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub segment: Option<String>,
}

/// What comes next in a journal.
pub enum Next {
    /// A record or mark.
    Record(Carried),
    /// A hole; it goes on behind it.
    Lost(Lost),
    /// Nothing more: all that was read is on disk, or [`Carrier::unsettled`] says why it may not be.
    End,
}

/// Reads records to be carried.
pub struct Carrier {
    walk: Walk,
    /// Site the journal belongs to.
    pub site: String,
    link: Link,
    last: Option<Place>,
    /// Why what was read to its end may not be on disk; none where it is.
    pub unsettled: Option<String>,
}

impl Carrier {
    /// Begins with the segment that holds record `seq`.
    ///
    /// # Errors
    /// No segment can be read.
    pub fn open(dir: &Path, seq: u64) -> anyhow::Result<Carrier> {
        let walk = Walk::open(dir, seq)?;
        let (site, link) = outside::link_before(&walk).with_context(|| format!("no segment in {} can be read", dir.display()))?;
        Ok(Carrier { walk, site, link, last: None, unsettled: None })
    }

    /// Head of the chain behind what was read so far, hex.
    pub fn link(&self) -> String {
        hex(&self.link)
    }

    /// Readings and ticks were pruned from the segment of the last record.
    pub fn is_pruned(&self) -> bool {
        self.walk.form() == Some(Form::Thin)
    }

    /// The next record or mark, or where some are lost. Behind a hole the chain is known again behind the next record of it.
    ///
    /// # Errors
    /// The journal cannot be read.
    pub fn step(&mut self) -> anyhow::Result<Next> {
        match self.walk.step(None)? {
            Step::Raw(raw, place) => {
                self.link = raw.link().unwrap_or(self.link);
                let carried = Carried::new(&raw).with_context(|| format!("record {} in {place}", raw.head().seq))?;
                self.last = Some(place);
                Ok(Next::Record(carried))
            }
            Step::Hole(hole) => {
                let begins = self.walk.position().is_some_and(|(number, at)| number != hole.segment && at == HEADER_BYTES);
                let segment = self.walk.header().filter(|_| begins).map(|header| hex(&header.link));
                Ok(Next::Lost(Lost { first: hole.first, next: hole.next, why: hole.to_string(), segment }))
            }
            Step::End => {
                if let Some(place) = &self.last {
                    self.unsettled = outside::settle(&place.file)?;
                }
                Ok(Next::End)
            }
        }
    }
}

/// Takes the chain up again over carried records. Needs nothing but them.
pub struct Chain {
    link: Link,
    /// Number of the last record passed, carried, left out or lost.
    seq: u64,
    cover: Cover,
    /// Records outside the chain since the last anchor: carried, and left out.
    carried: u64,
    left_out: u64,
    /// Some before the next anchor are lost: it cannot be held against the others.
    torn: bool,
    /// Records outside the chain that an anchor proved.
    pub covered: u64,
    /// Those of which the anchor behind cannot be checked.
    uncovered: u64,
    sought: Vec<OutsideAnchor>,
    /// First and last of records that are what an anchor kept elsewhere was made over.
    anchored: Vec<(u64, u64)>,
    /// Number of the first record that the present link was made over, as far as it is known here.
    begins: u64,
    first: u64,
    /// The next record of the chain stands behind this hole.
    hole: Option<Lost>,
    /// First numbers of all holes, and those behind them.
    lost: Vec<(u64, u64)>,
    /// Numbers of the records behind holes over which the chain does not go on.
    pub breaks: Vec<u64>,
    /// Anchors kept elsewhere of which nothing can be said: what they were made behind is lost.
    pub unproved: Vec<OutsideAnchor>,
}

impl Chain {
    /// Begins before record `first`, with the link in force there. `anchors` are kept elsewhere.
    ///
    /// # Errors
    /// The link is not one.
    pub fn begin(link: &str, first: u64, anchors: Vec<OutsideAnchor>) -> anyhow::Result<Chain> {
        let link = *blake3::Hash::from_hex(link).context("the link before the first record is not 64 hex digits")?.as_bytes();
        ensure!((1..=SEQ_MAX).contains(&first), "records are numbered from 1 to {SEQ_MAX}, not {first}");
        Ok(Chain {
            link,
            seq: first - 1,
            cover: Cover::default(),
            carried: 0,
            left_out: 0,
            torn: false,
            covered: 0,
            uncovered: 0,
            sought: anchors,
            anchored: vec![],
            begins: first,
            first,
            hole: None,
            lost: vec![],
            breaks: vec![],
            unproved: vec![],
        })
    }

    /// Takes one record. An error says what does not fit; the chain goes on behind it.
    pub fn take(&mut self, record: &Carried) -> anyhow::Result<()> {
        let next = self.seq + u64::from(!record.is_mark());
        ensure!(record.seq <= SEQ_MAX, "records are numbered up to {SEQ_MAX}, not {}", record.seq);
        ensure!(record.seq >= next, "record {} stands behind record {}", record.seq, self.seq);
        // The link in force stands until just before this one.
        self.seek(record.seq - u64::from(!record.is_mark()));
        self.left_out += record.seq - next;
        self.seq = record.seq;
        let covered = covered_bytes(
            &Head {
                seq: record.seq,
                synced: record.synced,
                at: record.at,
                kind: record.kind,
                version: record.version,
                flags: record.flags,
            },
            &record.payload()?,
        );
        ensure!(
            record.is_chained() == is_chained(record.kind),
            "record {} is of kind {} and cannot be so",
            record.seq,
            record.kind
        );
        if !record.is_chained() {
            self.cover.take(record.kind, &covered);
            self.carried += 1;
            return Ok(());
        }
        let stated = record.link.as_deref().and_then(|link| blake3::Hash::from_hex(link).ok());
        let stated = *stated.with_context(|| format!("record {} has no link", record.seq))?.as_bytes();
        let whole = self.follows(record.seq, &covered, &stated);
        // Go on from what is stated: one changed record does not hide the others.
        self.link = stated;
        let anchor = self.anchor(record);
        ensure!(whole, "record {} does not continue the chain: it, or one before it, was changed or taken out", record.seq);
        anchor
    }

    /// Whether a record of the chain stands where it may. The first one behind a hole may begin the chain anew.
    fn follows(&mut self, seq: u64, covered: &[u8], stated: &Link) -> bool {
        let behind = |link: &Link| next_link(link, covered) == *stated;
        let Some(hole) = self.hole.take() else { return behind(&self.link) };
        if behind(&self.link) {
            return true;
        }
        let begun = hole.segment.as_deref().and_then(|link| blake3::Hash::from_hex(link).ok());
        // Where nothing says what stood before it, nothing proves it either: what comes behind it is proved.
        self.begins = if begun.is_some() { hole.next } else { seq + 1 };
        self.breaks.push(hole.next);
        let (lost, sought) =
            std::mem::take(&mut self.sought).into_iter().partition(|a| (hole.first..self.begins).contains(&a.seq));
        self.sought = sought;
        self.unproved.extend::<Vec<_>>(lost);
        begun.is_none_or(|link| behind(link.as_bytes()))
    }

    /// Records are lost here.
    ///
    /// # Errors
    /// They cannot be lost here.
    pub fn lose(&mut self, lost: &Lost) -> anyhow::Result<()> {
        let Lost { first, next, .. } = *lost;
        ensure!(
            first > self.seq && next >= first && next <= SEQ_MAX,
            "records {first} to {next} cannot be lost behind record {}",
            self.seq
        );
        self.seek(first - 1);
        let (lost_anchors, sought) = std::mem::take(&mut self.sought).into_iter().partition(|a| (first..next).contains(&a.seq));
        (self.sought, self.seq) = (sought, next - 1);
        self.unproved.extend::<Vec<_>>(lost_anchors);
        self.uncovered += self.carried;
        self.lost.push((first, next));
        (self.carried, self.left_out, self.cover, self.torn) = (0, 0, Cover::default(), lost.segment.is_none());
        // Of two holes with nothing of the chain between them, all between is unknown.
        let first = self.hole.take().map_or(first, |before| before.first);
        self.hole = Some(Lost { first, ..lost.clone() });
        Ok(())
    }

    fn anchor(&mut self, record: &Carried) -> anyhow::Result<()> {
        if record.kind == GAP {
            (self.carried, self.left_out, self.cover) = (0, 0, Cover::default());
            let gap: Gap = serde_json::from_slice(&record.payload()?).context("the mark of a gap cannot be read")?;
            let is_told = |seq: u64| seq < self.first || self.lost.iter().any(|(first, next)| (*first..*next).contains(&seq));
            ensure!(
                is_told(gap.first) && is_told(gap.last),
                "the journal says behind record {} that records {} to {} are lost, and that is not told here: {}",
                record.seq,
                gap.first,
                gap.last,
                gap.detail
            );
        }
        if !record.ends_stretch() {
            return Ok(());
        }
        let (carried, left_out) = (std::mem::take(&mut self.carried), std::mem::take(&mut self.left_out));
        let found = self.cover.anchor();
        if std::mem::take(&mut self.torn) {
            self.uncovered += carried;
            return Ok(());
        }
        let stated: Anchor = serde_json::from_slice(&record.payload()?).context("the anchor cannot be read")?;
        ensure!(
            carried + left_out == stated.unchained && (carried == 0 || left_out == 0),
            "of {} readings and ticks before the anchor behind record {}, {carried} are here and {left_out} are not: all or none must be",
            stated.unchained,
            record.seq
        );
        ensure!(
            left_out > 0 || found.digest == stated.digest,
            "the readings before the anchor behind record {} are not those it was made over",
            record.seq
        );
        self.covered += carried;
        Ok(())
    }

    /// Strikes off the anchors that were made while the present link was in force, up to record `until`.
    fn seek(&mut self, until: u64) {
        let (seq, first, link) = (self.seq, self.first, hex(&self.link));
        let found = |anchor: &OutsideAnchor| anchor.seq >= first && (seq..=until).contains(&anchor.seq) && anchor.link == link;
        let last = self.sought.iter().filter(|anchor| found(anchor)).map(|anchor| anchor.seq).max();
        self.sought.retain(|anchor| !found(anchor));
        self.anchored.extend(last.map(|last| (self.begins, last)));
    }

    /// Whether this record is what an anchor kept elsewhere was made over.
    pub fn is_anchored(&self, seq: u64) -> bool {
        self.anchored.iter().any(|(first, last)| (first..=last).contains(&&seq))
    }

    /// The last record that is; 0 = none.
    pub fn anchored(&self) -> u64 {
        self.anchored.iter().map(|(_, last)| *last).max().unwrap_or(0)
    }

    /// The last link, hex.
    pub fn link(&self) -> String {
        hex(&self.link)
    }

    /// Ends it: the anchors within these records that are not in this chain, and how many readings no anchor covers.
    pub fn end(&mut self) -> (Vec<OutsideAnchor>, u64) {
        // An anchor behind the last record here was made over the same link only where nothing of the chain lies between.
        self.seek(SEQ_MAX);
        let end = self.seq;
        self.anchored.iter_mut().for_each(|(_, last)| *last = (*last).min(end));
        let within = self.first..=self.seq;
        let missed = self.sought.drain(..).filter(|anchor| within.contains(&anchor.seq)).collect();
        (missed, self.carried + self.uncovered)
    }
}
