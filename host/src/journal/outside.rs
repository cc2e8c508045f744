//! The head of the chain for keeping elsewhere, and finding it again: only that tells a cut tail or a rewritten chain.
//! Opens nothing for writing. Must not know: where such anchors are kept.

use super::files::{self, Held, Source};
use super::record::Link;
use super::reopen::first_link;
use super::segment::Begun;
use super::walk::{Step, Walk};
use anyhow::{Context, ensure};
use brain::Micros;
use serde::{Deserialize, Serialize};
use std::fs::File;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

/// A state of the chain, to be kept on another machine.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OutsideAnchor {
    /// Site the journal belongs to.
    pub site: String,
    /// Segment of the last record.
    pub segment: u64,
    /// Last record.
    pub seq: u64,
    /// Head of the chain behind it, hex.
    pub link: String,
    /// Time of the last record, microseconds UTC.
    pub at: Micros,
    /// Public half of the key it is signed with, where it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
    /// The signature over the line without these two fields, hex.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub signature: Option<String>,
}

impl OutsideAnchor {
    /// What a signature is over: the line as it is without one.
    pub fn signed(&self) -> String {
        let bare = OutsideAnchor { key: None, signature: None, ..self.clone() };
        serde_json::to_string(&bare).unwrap_or_default()
    }
}

/// As people and files have it.
pub fn hex(link: &Link) -> String {
    blake3::Hash::from(*link).to_hex().to_string()
}

/// Link before the first record of the segment the walk stands in.
pub fn link_before(walk: &Walk) -> Option<(String, Link)> {
    walk.header().map(|header| {
        let link = if header.first_seq == 1 { first_link(&header.site) } else { header.link };
        (header.site.clone(), link)
    })
}

/// The present head. What it covers is on disk when this returns, also beside a running writer: an anchor of records that a power cut
/// took away would accuse an honest journal.
///
/// # Errors
/// There is no record, the newest segments are damaged, or the file system takes nothing any more.
pub fn head(dir: &Path) -> anyhow::Result<OutsideAnchor> {
    let mut from = u64::MAX;
    loop {
        let mut walk = Walk::open(dir, from)?;
        let begins = walk.next;
        let (site, mut link) = link_before(&walk).with_context(|| format!("no segment in {} can be read", dir.display()))?;
        let mut last = None;
        loop {
            match walk.step(None)? {
                Step::Raw(raw, place) => {
                    link = raw.link().unwrap_or(link);
                    last = Some((raw.head(), place, walk.position()));
                }
                Step::Hole(hole) => anyhow::bail!("{hole}"),
                Step::End => break,
            }
        }
        if let Some((head, place, Some((segment, _)))) = last {
            if let Some(why) = settle(&place.file)? {
                anyhow::bail!("no head is given out: {why}");
            }
            return Ok(OutsideAnchor { site, segment, seq: head.seq, link: hex(&link), at: head.at, key: None, signature: None });
        }
        // A segment was begun and nothing is in it yet: the head is that of the one before.
        ensure!(begins > 1 && from > begins - 1, "the journal in {} holds no record yet", dir.display());
        from = begins - 1;
    }
}

/// Waits until what was read of a segment is on disk. Allowed for a file opened for reading. Where the file system became read-only after an error, nobody
/// can wait for that, and what can be read is all there is: says so.
///
/// # Errors
/// The disk does not say that it has it, for any other reason.
pub fn settle(file: &Path) -> anyhow::Result<Option<String>> {
    settled(File::open(file).and_then(|file| file.sync_data()), file)
}

fn settled(synced: std::io::Result<()>, file: &Path) -> anyhow::Result<Option<String>> {
    match synced {
        Err(error) if error.kind() == ErrorKind::ReadOnlyFilesystem => Ok(Some(format!(
            "the file system of {} became read-only after an error ({error}): the last records may not be on the disk",
            file.display()
        ))),
        synced => synced.map(|()| None).with_context(|| format!("cannot sync {}", file.display())),
    }
}

/// Bytes of all segments as they were written: what a walk over everything passes at most.
pub fn bytes(dir: &Path) -> anyhow::Result<u64> {
    let mut sum = 0;
    for held in files::list(dir)? {
        sum += files::open(dir, held.number)?.0.end()?;
    }
    Ok(sum)
}

/// A segment: its number, its file, and how many bytes of it hold records.
pub type Extent = (u64, PathBuf, Option<u64>);

/// Number and file of each segment begun, oldest first, the file's name inside the journal's directory; and how many bytes of it hold records:
/// all of them, except of the last one, which may still be written. Those bytes are on disk when this returns, or it says why they may not be
/// ([`settle`]).
///
/// # Errors
/// A segment cannot be read at all. Damage is not looked for: what is there is there.
pub fn extents(dir: &Path) -> anyhow::Result<(Vec<Extent>, Option<String>)> {
    let mut begun = vec![];
    for held in files::list(dir)? {
        let (mut source, held) = files::open(dir, held.number)?;
        let header = source.begun();
        if header.with_context(|| format!("cannot read {}", held.path(dir).display()))? != Begun::No {
            begun.push((held, matches!(source, Source::Raw(_))));
        }
    }
    let Some((newest, _)) = begun.last().copied() else {
        return Ok((vec![], None));
    };
    let mut walk = Walk::open(dir, u64::MAX)?;
    while !matches!(walk.step(None)?, Step::End) {}
    let unsettled = settle(&newest.path(dir))?;
    // A walk that ended before the newest segment met damage there: then all of it is taken as it is.
    let written = walk.position().filter(|(number, _)| *number == newest.number).map(|(_, offset)| offset);
    let extent = |(held, raw): &(Held, bool)| (held.number, held.name(), written.filter(|_| *raw && *held == newest));
    Ok((begun.iter().map(extent).collect(), unsettled))
}

/// Number of the first record whose segment is not pruned: from here on there are readings and ticks too. None in an empty journal.
///
/// # Errors
/// A segment cannot be read at all.
pub fn first_live(dir: &Path) -> anyhow::Result<Option<u64>> {
    let all = files::list(dir)?;
    for held in all.iter().filter(|held| !held.archived) {
        match files::open(dir, held.number)?.0.begun()? {
            Begun::Yes(header) => return Ok(Some(header.first_seq)),
            // What is in it is all there is: nobody pruned anything.
            Begun::Bad(_) | Begun::Unread(_) if *held == all[0] => return Ok(None),
            Begun::No | Begun::Bad(_) | Begun::Unread(_) => {}
        }
    }
    Ok(None)
}

/// Number of the first record whose segment is kept at all: events before it were dropped for their age. 1 in an empty journal, and where the first
/// segment does not say.
///
/// # Errors
/// A segment cannot be read at all.
pub fn first_kept(dir: &Path) -> anyhow::Result<u64> {
    let Some(held) = files::list(dir)?.first().copied() else { return Ok(1) };
    Ok(match files::open(dir, held.number)?.0.begun()? {
        Begun::Yes(header) => header.first_seq,
        Begun::No | Begun::Bad(_) | Begun::Unread(_) => 1,
    })
}

/// The site that a journal belongs to, as the first segment says that can be read; none where there is none of ours.
///
/// # Errors
/// The directory, or a segment, cannot be read at all.
pub fn site(dir: &Path) -> anyhow::Result<Option<String>> {
    for held in files::list(dir)? {
        if let Begun::Yes(header) = files::open(dir, held.number)?.0.begun()? {
            return Ok(Some(header.site));
        }
    }
    Ok(None)
}

/// Number of the last record that can be read; 0 = none.
///
/// # Errors
/// The directory cannot be read. Damage is passed over.
pub fn last(dir: &Path) -> anyhow::Result<u64> {
    let mut walk = Walk::open(dir, u64::MAX)?;
    while !matches!(walk.step(None)?, Step::End) {}
    Ok(walk.next - 1)
}

/// The file that holds a segment now, its name inside the journal's directory.
pub fn file(dir: &Path, number: u64) -> PathBuf {
    files::path(dir, number).strip_prefix(dir).map_or_else(|_| PathBuf::new(), Path::to_owned)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_file_system_that_became_read_only_is_told_from_a_disk_that_fails() {
        let of = |number: i32| Err(std::io::Error::from_raw_os_error(number));
        let file = Path::new("/d/1.seg");
        assert_eq!(settled(Ok(()), file).unwrap(), None);
        assert!(settled(of(libc::EROFS), file).unwrap().unwrap().contains("/d/1.seg became read-only"));
        assert!(settled(of(libc::EIO), file).unwrap_err().to_string().contains("cannot sync /d/1.seg"));
    }
}
