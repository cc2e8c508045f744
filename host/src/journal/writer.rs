//! The journal's thread: takes what is queued, frames it, writes it, syncs it, tells. Exactly one group is in flight.
//! Must not know: who waits for `durable`, what entries mean.
//!
//! A failed write or sync is final: the kernel may have dropped the pages, so a later sync that succeeds proves nothing.
//! Nothing is ever published as durable again; the next start reads what the disk really has.

use super::codec::{self, ANCHOR, SEAL, VERSION, is_chained};
use super::cover::Cover;
use super::disk::Medium;
use super::record::{CHAINED, GROUP_END, HEAD_BYTES, Head, Link, SKIPPABLE, frame, framed_bytes};
use super::segment::{self, Header, Segment};
use anyhow::Context;
use brain::Micros;
use std::collections::VecDeque;
use std::fs::File;
use std::path::PathBuf;
use std::sync::mpsc::Receiver;
use std::thread::JoinHandle;
use std::time::Instant;
use tokio::sync::watch;

/// Records in one group.
const GROUP_RECORDS_MAX: usize = 256;
/// Payload bytes in one group.
const GROUP_BYTES_MAX: usize = 1 << 20;
/// Room kept for an anchor and a seal, each below 256 bytes.
pub const MARKS_BYTES: u64 = 512;
/// An anchor at least this often while records come.
const ANCHOR_EVERY_US: i64 = 60_000_000;

/// How far the journal is on disk.
#[derive(Clone, Debug)]
pub struct Durable {
    /// Which writing end, counted from 1. Numbers that never came to the disk are given again by the next one: a number alone does not say which
    /// record it is.
    pub era: u32,
    /// Highest number on disk. Never grows once `failed` is set.
    pub seq: u64,
    /// When the last sync ended.
    pub synced_at: Instant,
    /// Why nothing can be made durable any more.
    pub failed: Option<String>,
}

impl Durable {
    /// Whether what the writing end of this era gave this number is on disk.
    pub fn holds(&self, era: u32, seq: u64) -> bool {
        self.era == era && self.seq >= seq
    }
}

/// One numbered record on its way to the disk.
pub struct Queued {
    /// Its number.
    pub seq: u64,
    /// Brain time.
    pub at: Micros,
    /// What the payload is.
    pub kind: u16,
    /// At most [`super::record::PAYLOAD_BYTES_MAX`].
    pub payload: Vec<u8>,
}

impl Queued {
    fn flags(&self) -> u32 {
        if is_chained(self.kind) { CHAINED } else { 0 }
    }
    fn framed_bytes(&self) -> usize {
        framed_bytes(self.payload.len(), self.flags())
    }
}

/// State of the journal's thread.
pub struct Writer {
    /// Where segments are.
    pub dir: PathBuf,
    /// Which plant.
    pub site: String,
    /// Size of new segments.
    pub segment_bytes: u64,
    /// What segments are written on.
    pub medium: Medium,
    /// The one being written.
    pub segment: Segment,
    /// Head of the chain.
    pub link: Link,
    /// What the next anchor states.
    pub cover: Cover,
    /// Last number framed.
    pub seq: u64,
    /// Time of the last record framed.
    pub at: Micros,
    /// Time of the last anchor.
    pub anchored_at: Micros,
    /// The next segment, being made.
    pub ahead: Option<JoinHandle<anyhow::Result<File>>>,
    /// Tells how far it is.
    pub durable: watch::Sender<Durable>,
}

impl Writer {
    /// Works until the queue is closed or the disk fails.
    pub fn run(mut self, queue: Receiver<Vec<Queued>>) {
        let mut waiting = VecDeque::new();
        let result = loop {
            if waiting.is_empty() {
                match queue.recv() {
                    Ok(together) => waiting.extend(together),
                    Err(_) => break self.finish(),
                }
            }
            let group = self.collect(&mut waiting, &queue);
            if let Err(e) = self.commit(&group) {
                break Err(e);
            }
        };
        if let Err(e) = result {
            tracing::error!("the journal has failed: {e:#}");
            self.durable.send_modify(|d| d.failed = Some(format!("{e:#}")));
        }
        if let Some(ahead) = self.ahead.take() {
            // Only so that nothing of ours is at work in the directory after the end.
            drop(ahead.join());
        }
    }

    /// What is queued now, without waiting for more: the sync before was the wait. `waiting` is not empty.
    fn collect(&self, waiting: &mut VecDeque<Queued>, queue: &Receiver<Vec<Queued>>) -> Vec<Queued> {
        let most = GROUP_BYTES_MAX.min((self.segment_bytes - segment::HEADER_BYTES - MARKS_BYTES) as usize);
        let (mut bytes, mut group) = (0, vec![]);
        while group.len() < GROUP_RECORDS_MAX {
            if waiting.is_empty() {
                waiting.extend(queue.try_recv().unwrap_or_default());
            }
            bytes += match waiting.front() {
                Some(next) => next.framed_bytes(),
                None => break,
            };
            if bytes > most && !group.is_empty() {
                break;
            }
            group.extend(waiting.pop_front());
        }
        group
    }

    fn commit(&mut self, group: &[Queued]) -> anyhow::Result<()> {
        let bytes: usize = group.iter().map(Queued::framed_bytes).sum();
        if bytes as u64 + MARKS_BYTES > self.segment.room() {
            self.switch()?;
        }
        let mut out = Vec::with_capacity(bytes + MARKS_BYTES as usize);
        let anchor_due = group.last().is_some_and(|q| q.at.saturating_sub(self.anchored_at) >= ANCHOR_EVERY_US);
        for (i, queued) in group.iter().enumerate() {
            let ends = i + 1 == group.len() && !anchor_due;
            self.frame(&mut out, queued, if ends { GROUP_END } else { 0 });
        }
        if anchor_due {
            let anchor = self.cover.anchor();
            self.mark(&mut out, ANCHOR, &anchor)?;
            self.anchored_at = self.at;
        }
        self.write(&out)
    }

    fn frame(&mut self, out: &mut Vec<u8>, queued: &Queued, flag: u32) {
        let flags = queued.flags() | flag;
        let head = Head {
            seq: queued.seq,
            synced: self.durable.borrow().seq,
            at: queued.at,
            kind: queued.kind,
            version: VERSION,
            flags,
        };
        let start = out.len();
        frame(out, &head, &queued.payload, &mut self.link);
        let covered = start + 8..start + HEAD_BYTES + queued.payload.len();
        self.cover.take(queued.kind, &out[covered]);
        self.seq = queued.seq;
        self.at = queued.at;
    }

    /// Frames one of the journal's own marks.
    fn mark(&mut self, out: &mut Vec<u8>, kind: u16, what: &impl serde::Serialize) -> anyhow::Result<()> {
        let head = Head {
            seq: self.seq,
            synced: self.durable.borrow().seq,
            at: self.at,
            kind,
            version: VERSION,
            flags: CHAINED | SKIPPABLE | GROUP_END,
        };
        let payload = serde_json::to_vec(what).context("a mark cannot be written as JSON")?;
        frame(out, &head, &payload, &mut self.link);
        Ok(())
    }

    fn write(&mut self, bytes: &[u8]) -> anyhow::Result<()> {
        self.segment
            .commit(bytes)
            .with_context(|| format!("cannot write {}", segment::path(&self.dir, self.segment.number).display()))?;
        let seq = self.seq;
        #[cfg(test)]
        if let Medium::Taped(tape) = &self.medium {
            super::disk::tape::record(tape, super::disk::tape::Call::Durable { seq })?;
        }
        self.durable.send_modify(|d| {
            d.seq = seq;
            d.synced_at = Instant::now();
        });
        Ok(())
    }

    /// Writes a gap mark: what a reopening found missing.
    pub fn note_gap(&mut self, gap: &codec::Gap) -> anyhow::Result<()> {
        let mut out = vec![];
        self.mark(&mut out, codec::GAP, gap)?;
        self.write(&out)
    }

    /// Seals this segment and begins the next.
    fn switch(&mut self) -> anyhow::Result<()> {
        if !self.segment.sealed {
            let mut out = vec![];
            let seal = self.cover.anchor();
            self.mark(&mut out, SEAL, &seal)?;
            self.write(&out)?;
        }
        let number = self.segment.number + 1;
        // What failed ahead of need (a full disk) may work now.
        let file = match self.ahead.take().map(JoinHandle::join) {
            Some(Ok(Ok(file))) => file,
            _ => segment::make(&self.dir, number, self.segment_bytes)?,
        };
        let header =
            Header { site: self.site.clone(), number, first_seq: self.seq + 1, link: self.link, bytes: self.segment_bytes };
        self.segment = Segment::begin(&self.medium, file, &header)
            .with_context(|| format!("cannot begin {}", segment::path(&self.dir, number).display()))?;
        self.cover = Cover::default();
        self.anchored_at = self.at;
        self.make_ahead()
    }

    /// Makes the segment after this one on a thread of its own: it takes tens of milliseconds, and a group must not wait for it.
    pub fn make_ahead(&mut self) -> anyhow::Result<()> {
        let (dir, number, bytes) = (self.dir.clone(), self.segment.number + 1, self.segment_bytes);
        let thread = std::thread::Builder::new()
            .name("journal-ahead".into())
            .spawn(move || {
                segment::make(&dir, number, bytes).inspect_err(|e| tracing::error!("{e:#}; tried again when it is needed"))
            })
            .context("cannot start the thread that makes journal segments")?;
        self.ahead = Some(thread);
        Ok(())
    }

    /// Ends a clean run with an anchor, so that its readings are covered.
    fn finish(&mut self) -> anyhow::Result<()> {
        if self.segment.room() < MARKS_BYTES {
            return Ok(());
        }
        let mut out = vec![];
        let anchor = self.cover.anchor();
        self.mark(&mut out, ANCHOR, &anchor)?;
        self.write(&out)
    }
}
