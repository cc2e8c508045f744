//! Reading records back, also while they are being written. Must not know: who writes.

use super::record::SKIPPABLE;
use super::walk::{Hole, Step, Walk};
use super::{Newer, codec};
use anyhow::Context;
use brain::event::Record;
use std::path::Path;

/// Something in the journal that cannot be read, with its place. Reading goes on behind it.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct Damage(String);

impl From<&Hole> for Damage {
    fn from(hole: &Hole) -> Damage {
        Damage(hole.to_string())
    }
}

/// Whether reading goes on behind what this error tells of: damage, or what a newer program wrote. Otherwise nothing more comes.
pub fn goes_on(error: &anyhow::Error) -> bool {
    error.downcast_ref::<Damage>().is_some() || error.downcast_ref::<Newer>().is_some()
}

/// A place in the journal from which records come in order. Keeps its file and offset between calls.
///
/// An error names file and offset of what cannot be read. Where it [`goes_on`], the next call goes on behind it: one bad record does not hide the others.
pub struct Reader {
    walk: Walk,
    from: u64,
}

impl Reader {
    /// `dir` is the journal's directory. Records below `from_seq` are passed over.
    pub fn open(dir: &Path, from_seq: u64) -> anyhow::Result<Reader> {
        Ok(Reader { walk: Walk::open(dir, from_seq)?, from: from_seq })
    }

    /// The next record up to number `limit`, all of which are known to be durable: one that cannot be read is an error.
    pub fn next_durable(&mut self, limit: u64) -> anyhow::Result<Option<Record>> {
        self.next(Some(limit))
    }

    /// The next record that can be read. None at the end, or where a torn tail begins.
    pub fn next_readable(&mut self) -> anyhow::Result<Option<Record>> {
        self.next(None)
    }

    fn next(&mut self, limit: Option<u64>) -> anyhow::Result<Option<Record>> {
        loop {
            let (raw, place) = match self.walk.step(limit)? {
                Step::End => return Ok(None),
                Step::Hole(hole) if hole.next <= self.from => continue,
                Step::Hole(hole) => return Err(Damage::from(&hole).into()),
                Step::Raw(raw, place) => (raw, place),
            };
            let head = raw.head();
            if raw.is_mark() || head.seq < self.from {
                continue;
            }
            match codec::decode(head.kind, head.version, raw.payload()) {
                Ok(entry) => {
                    return Ok(Some(Record { seq: head.seq, at: head.at, entry }));
                }
                Err(_) if head.flags & SKIPPABLE != 0 => {}
                Err(e) if e.downcast_ref::<Newer>().is_some() => {
                    return Err(e).with_context(|| format!("record {} in {place}", head.seq));
                }
                Err(e) => return Err(Damage(format!("record {} in {place}: {e:#}", head.seq)).into()),
            }
        }
    }
}

/// All records from `from_seq` on that can be read. Ends with an error that does not [`goes_on`].
pub fn read(dir: &Path, from_seq: u64) -> anyhow::Result<impl Iterator<Item = anyhow::Result<Record>>> {
    let mut reader = Some(Reader::open(dir, from_seq)?);
    Ok(std::iter::from_fn(move || {
        let next = reader.as_mut()?.next_readable();
        if next.as_ref().is_err_and(|error| !goes_on(error)) {
            reader = None;
        }
        next.transpose()
    }))
}
