//! Records carried out of the journal, with all that is needed to check them elsewhere: what was hashed, and the links.
//! Opens nothing for writing. Must not know: what entries mean, in what file they are carried.
//!
//! Whoever holds the carried records can take the chain up again from the link before the first of them to the link behind the last, and
//! compare any state of it with an anchor kept elsewhere. Readings and ticks are outside the chain; an anchor mark covers those before
//! it, all together: either all of a stretch are carried, or none.

use super::codec::{self, ANCHOR, Anchor, GAP, SEAL, is_chained};
use super::cover::Cover;
use super::files::Form;
use super::outside::{self, OutsideAnchor, hex};
use super::reader::Damage;
use super::record::{CHAINED, Head, Link, MARK_FIRST, PAYLOAD_BYTES_MAX, Raw, SEQ_MAX, covered_bytes, next_link};
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

/// Reads records to be carried.
pub struct Carrier {
    walk: Walk,
    /// Site the journal belongs to.
    pub site: String,
    link: Link,
    last: Option<Place>,
}

impl Carrier {
    /// Begins with the segment that holds record `seq`.
    ///
    /// # Errors
    /// No segment can be read.
    pub fn open(dir: &Path, seq: u64) -> anyhow::Result<Carrier> {
        let walk = Walk::open(dir, seq)?;
        let (site, link) = outside::link_before(&walk).with_context(|| format!("no segment in {} can be read", dir.display()))?;
        Ok(Carrier { walk, site, link, last: None })
    }

    /// Head of the chain behind what was read so far, hex.
    pub fn link(&self) -> String {
        hex(&self.link)
    }

    /// Readings and ticks were pruned from the segment of the last record.
    pub fn is_pruned(&self) -> bool {
        self.walk.form() == Some(Form::Thin)
    }

    /// The next record or mark; none at the end, and then all that was read is on disk.
    ///
    /// # Errors
    /// The journal is damaged here. Where the error [`super::goes_on`], so does the next call, behind it; the chain is known again behind the next record
    /// of it.
    pub fn step(&mut self) -> anyhow::Result<Option<Carried>> {
        match self.walk.step(None)? {
            Step::Raw(raw, place) => {
                self.link = raw.link().unwrap_or(self.link);
                let carried = Carried::new(&raw).with_context(|| format!("record {} in {place}", raw.head().seq))?;
                self.last = Some(place);
                Ok(Some(carried))
            }
            Step::Hole(hole) => Err(Damage::from(&hole).into()),
            Step::End => {
                if let Some(place) = &self.last {
                    outside::settle(&place.file)?;
                }
                Ok(None)
            }
        }
    }
}

/// Takes the chain up again over carried records. Needs nothing but them.
pub struct Chain {
    link: Link,
    /// Number of the last record passed, carried or not.
    seq: u64,
    cover: Cover,
    /// Records outside the chain since the last anchor: carried, and left out.
    carried: u64,
    left_out: u64,
    /// Records outside the chain that an anchor proved.
    pub covered: u64,
    sought: Vec<OutsideAnchor>,
    /// Everything up to this record is what an anchor kept elsewhere was made over; 0 = nothing.
    pub anchored: u64,
    first: u64,
}

impl Chain {
    /// Begins before record `first`, with the link in force there. `anchors` are kept elsewhere.
    ///
    /// # Errors
    /// The link is not one.
    pub fn begin(link: &str, first: u64, anchors: Vec<OutsideAnchor>) -> anyhow::Result<Chain> {
        let link = *blake3::Hash::from_hex(link).context("the link before the first record is not 64 hex digits")?.as_bytes();
        let cover = Cover::default();
        ensure!((1..=SEQ_MAX).contains(&first), "records are numbered from 1 to {SEQ_MAX}, not {first}");
        let seq = first - 1;
        Ok(Chain { link, seq, cover, carried: 0, left_out: 0, covered: 0, sought: anchors, anchored: 0, first })
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
        let link = next_link(&self.link, &covered);
        let stated = record.link.as_deref().and_then(|link| blake3::Hash::from_hex(link).ok());
        // Go on from what is stated: one changed record does not hide the others.
        let stated = *stated.with_context(|| format!("record {} has no link", record.seq))?.as_bytes();
        self.link = stated;
        let whole = stated == link;
        let anchor = self.anchor(record);
        ensure!(whole, "record {} does not continue the chain: it, or one before it, was changed or taken out", record.seq);
        anchor
    }

    fn anchor(&mut self, record: &Carried) -> anyhow::Result<()> {
        if record.kind == GAP {
            (self.carried, self.left_out, self.cover) = (0, 0, Cover::default());
        }
        if !record.ends_stretch() {
            return Ok(());
        }
        let (carried, left_out) = (std::mem::take(&mut self.carried), std::mem::take(&mut self.left_out));
        let found = self.cover.anchor();
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
        let (seq, first, link) = (self.seq, self.first, &self.link);
        let mut best = self.anchored;
        self.sought.retain(|anchor| {
            let found = anchor.seq >= first && (seq..=until).contains(&anchor.seq) && anchor.link == hex(link);
            best = best.max(if found { anchor.seq } else { 0 });
            !found
        });
        self.anchored = best;
    }

    /// The last link, hex.
    pub fn link(&self) -> String {
        hex(&self.link)
    }

    /// Ends it: the anchors within these records that are not in this chain, and how many readings no anchor covers.
    pub fn end(&mut self) -> (Vec<OutsideAnchor>, u64) {
        self.seek(self.seq);
        let within = self.first..=self.seq;
        let missed = self.sought.drain(..).filter(|anchor| within.contains(&anchor.seq)).collect();
        (missed, self.carried)
    }
}
