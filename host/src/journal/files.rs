//! Which file holds which segment: as it was written, compressed, or thinned to its events in the archive. The only place that knows names.
//! Opens nothing for writing. Must not know: records, when a segment changes its form.
//!
//! While a segment changes its form both files are there; whichever is found first in [`Form`]'s order is used.

use super::disk::{self, Unreadable};
use super::packed::Packed;
use super::record::Link;
use super::segment::{self, Begun, HEADER_BYTES};
use anyhow::{Context, bail};
use brain::Micros;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

/// Folder inside the journal's for what is left of segments that were pruned.
pub const ARCHIVE: &str = "archive";
/// File in the archive that says where the journal begins, once older events were dropped.
pub const BEGINS: &str = "begins.json";

/// How a segment is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Form {
    /// As it was written.
    Raw,
    /// Compressed.
    Packed,
    /// Its events only, compressed: readings and ticks are left out.
    Thin,
}

/// One file of the journal. Ordered by preference.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Held {
    /// In the archive.
    pub archived: bool,
    /// How.
    pub form: Form,
    /// Which segment.
    pub number: u64,
}

impl Held {
    /// Its name inside the journal's directory.
    pub fn name(&self) -> PathBuf {
        let end = match self.form {
            Form::Raw => "seg",
            Form::Packed => "seg.zst",
            Form::Thin => "evt.zst",
        };
        let name = format!("{:010}.{end}", self.number);
        if self.archived { Path::new(ARCHIVE).join(name) } else { PathBuf::from(name) }
    }

    /// Where it is.
    pub fn path(&self, dir: &Path) -> PathBuf {
        dir.join(self.name())
    }

    fn of(name: &str, archived: bool) -> Option<Held> {
        let (stem, end) = name.split_once('.')?;
        let form = match end {
            "seg" => Form::Raw,
            "seg.zst" => Form::Packed,
            "evt.zst" => Form::Thin,
            _ => return None,
        };
        Some(Held { archived, form, number: stem.parse().ok()? })
    }
}

#[cfg(test)]
thread_local! {
    /// How often this thread listed a journal.
    pub static LISTED: std::cell::Cell<usize> = const { std::cell::Cell::new(0) };
}

/// All files that are used, by number.
pub fn list(dir: &Path) -> anyhow::Result<Vec<Held>> {
    #[cfg(test)]
    LISTED.set(LISTED.get() + 1);
    let mut found = BTreeMap::<u64, Held>::new();
    for archived in [false, true] {
        let folder = if archived { dir.join(ARCHIVE) } else { dir.to_owned() };
        let entries = match std::fs::read_dir(&folder) {
            Err(e) if archived && e.kind() == io::ErrorKind::NotFound => continue,
            entries => entries.with_context(|| format!("cannot list the journal {}", folder.display()))?,
        };
        for entry in entries {
            if let Some(held) = entry?.file_name().to_str().and_then(|name| Held::of(name, archived)) {
                found.entry(held.number).and_modify(|known| *known = held.min(*known)).or_insert(held);
            }
        }
    }
    Ok(found.into_values().collect())
}

/// The file that holds a segment now; where there is none, the one it would be written to.
pub fn path(dir: &Path, number: u64) -> PathBuf {
    find(dir, number).map_or_else(|| segment::path(dir, number), |held| held.path(dir))
}

fn find(dir: &Path, number: u64) -> Option<Held> {
    let forms = [Form::Raw, Form::Packed, Form::Thin];
    let mut all = [false, true].into_iter().flat_map(|archived| forms.map(|form| Held { archived, form, number }));
    all.find(|held| held.path(dir).exists())
}

/// The bytes of a segment, in whatever form.
pub enum Source {
    /// The file is the segment.
    Raw(File),
    /// Frames of it.
    Packed(Packed),
    /// Nothing of it can be read, and why: the index of a compressed one is lost, or the disk does not even open it.
    Lost(String),
}

impl Source {
    /// Reads from `offset` of the segment as much as `into` takes, or there is. 0xff stands for what cannot be read, which is added to `lost`.
    pub fn read_past(&mut self, into: &mut [u8], offset: u64, lost: &mut Vec<Unreadable>) -> usize {
        match self {
            Source::Raw(file) => disk::read_past(file, into, offset, lost),
            Source::Packed(packed) => packed.read_past(into, offset, lost),
            Source::Lost(_) => 0,
        }
    }

    /// Where records end at the latest.
    pub fn end(&self) -> io::Result<u64> {
        Ok(match self {
            Source::Raw(file) => file.metadata()?.len(),
            Source::Packed(packed) => packed.about.used,
            Source::Lost(_) => 0,
        })
    }

    /// What is wrong with the file although all of it can be read.
    pub fn flaw(&self) -> Option<&str> {
        match self {
            Source::Packed(packed) => packed.flaw.as_deref(),
            Source::Raw(_) | Source::Lost(_) => None,
        }
    }

    /// The first block.
    ///
    /// # Errors
    /// A newer program wrote it. What cannot be read is not an error.
    pub fn begun(&mut self) -> anyhow::Result<Begun> {
        let (mut block, mut lost) = ([0; HEADER_BYTES as usize], vec![]);
        let size = self.read_past(&mut block, 0, &mut lost);
        match (&*self, lost.first()) {
            (Source::Lost(why), _) => Ok(Begun::Unread(why.clone())),
            (Source::Raw(_), Some(lost)) => Ok(Begun::Unread(format!("the header: {lost}"))),
            (Source::Packed(_), Some(lost)) => Ok(Begun::Bad(format!("the header: {}", lost.why))),
            (Source::Raw(_) | Source::Packed(_), None) if size < block.len() => Ok(Begun::Bad("shorter than its header".into())),
            (Source::Raw(_) | Source::Packed(_), None) => segment::parse(&block),
        }
    }
}

/// Opens a segment. A form that goes away meanwhile leaves another.
pub fn open(dir: &Path, number: u64) -> anyhow::Result<(Source, Held)> {
    for _ in 0..3 {
        let Some(held) = find(dir, number) else { continue };
        match source(dir, held) {
            Err(e) if e.downcast_ref::<io::Error>().is_some_and(|e| e.kind() == io::ErrorKind::NotFound) => {}
            opened => return Ok((opened?, held)),
        }
    }
    bail!("the journal segment {number} is not in {}", dir.display())
}

/// Opens this file.
pub fn source(dir: &Path, held: Held) -> anyhow::Result<Source> {
    source_at(&held.path(dir), held.form)
}

/// Opens a file that has this form.
pub fn source_at(path: &Path, form: Form) -> anyhow::Result<Source> {
    let context = || format!("cannot read the journal segment {}", path.display());
    let file = match File::open(path) {
        Err(e) if is_of_the_disk(&e) => return Ok(Source::Lost(format!("the file cannot be opened: {e}"))),
        file => file.with_context(context)?,
    };
    Ok(match form {
        Form::Raw => Source::Raw(file),
        Form::Packed | Form::Thin => match Packed::open(file).with_context(context)? {
            Ok(packed) => Source::Packed(packed),
            Err(lost) => Source::Lost(lost),
        },
    })
}

/// What a disk or a file system says of damage, and of nothing else: EIO, EBADMSG, EUCLEAN.
fn is_of_the_disk(error: &io::Error) -> bool {
    matches!(error.raw_os_error(), Some(5 | 74 | 117))
}

/// Where the journal begins, because everything before was dropped on purpose.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Begins {
    /// First segment.
    pub segment: u64,
    /// Number of its first record.
    pub first_seq: u64,
    /// Link before it, hex.
    pub link: String,
    /// When older ones were dropped, microseconds UTC.
    pub dropped_at: Micros,
}

impl Begins {
    /// What was noted; none where nothing was ever dropped.
    ///
    /// # Errors
    /// The note cannot be read.
    pub fn read(dir: &Path) -> anyhow::Result<Option<Begins>> {
        let path = Begins::path(dir);
        match std::fs::read(&path) {
            Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(None),
            bytes => Ok(Some(serde_json::from_slice(&bytes?).with_context(|| format!("{} is damaged", path.display()))?)),
        }
    }

    /// Where the note is.
    pub fn path(dir: &Path) -> PathBuf {
        dir.join(ARCHIVE).join(BEGINS)
    }

    /// Whether a segment with this first number and this link before it is the one.
    pub fn fits(&self, first_seq: u64, link: &Link) -> bool {
        self.first_seq == first_seq && self.link == super::outside::hex(link)
    }
}
