//! Segment files: names, the header block, making them ahead of need, and the one way bytes reach them.
//! Must not know: records, threads.

use super::disk::{self, Disk, Medium, Unreadable};
use super::record::{Link, SEQ_MAX};
use anyhow::{Context, ensure};
use std::fs::{File, OpenOptions};
use std::io::Write;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

/// Bytes before the first record.
pub const HEADER_BYTES: u64 = 4096;
/// Smallest segment.
pub const SEGMENT_BYTES_MIN: u64 = 64 << 10;
/// Largest segment: what must be scanned at a start stays small.
pub const SEGMENT_BYTES_MAX: u64 = 4 << 30;

/// More than a group takes.
const AGAIN_BYTES: u64 = 4 << 20;

const MAGIC: &[u8; 8] = b"SBJOURN\x01";
const FORMAT: u64 = 1;
const SITE_BYTES_MAX: usize = 1024;

/// The header block of a segment that has been begun.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Header {
    /// Which plant.
    pub site: String,
    /// Position in the journal, from 1; also the file's name.
    pub number: u64,
    /// Number of its first record.
    pub first_seq: u64,
    /// Link before its first record.
    pub link: Link,
    /// Size of the file.
    pub bytes: u64,
}

/// What a file's header block says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Begun {
    /// In use, or was.
    Yes(Header),
    /// All zeros: made ahead, not begun.
    No,
    /// Neither; why.
    Bad(String),
    /// The disk does not say; why.
    Unread(String),
}

/// Path of a segment as it is written.
pub fn path(dir: &Path, number: u64) -> PathBuf {
    dir.join(name(number))
}

fn name(number: u64) -> PathBuf {
    PathBuf::from(format!("{number:010}.seg"))
}

/// What a header block says.
///
/// # Errors
/// A newer program wrote it. Damage is not an error.
pub fn parse(block: &[u8; HEADER_BYTES as usize]) -> anyhow::Result<Begun> {
    if block.iter().all(|b| *b == 0) {
        return Ok(Begun::No);
    }
    let (body, crc) = block.split_at(HEADER_BYTES as usize - 4);
    let word = |at: usize| u64::from_le_bytes(body[at..at + 8].try_into().expect("eight bytes"));
    if &body[..8] != MAGIC {
        return Ok(Begun::Bad("the header does not begin as a journal segment does".into()));
    }
    if crc != crc32c::crc32c(body).to_le_bytes() {
        return Ok(Begun::Bad("the CRC of the header does not fit".into()));
    }
    if word(8) != FORMAT {
        anyhow::bail!(super::Newer::segment(word(8), FORMAT));
    }
    if !(1..=SEQ_MAX).contains(&word(24)) {
        return Ok(Begun::Bad("the number of the first record is impossible".into()));
    }
    let site_bytes = word(72) as usize;
    let site = body.get(80..80 + site_bytes.min(SITE_BYTES_MAX)).unwrap_or_default();
    Ok(Begun::Yes(Header {
        number: word(16),
        first_seq: word(24),
        bytes: word(32),
        link: body[40..72].try_into().expect("32 bytes"),
        site: String::from_utf8_lossy(site).into_owned(),
    }))
}

/// The header block of a segment.
pub(super) fn header_block(header: &Header) -> Vec<u8> {
    let mut block = Vec::with_capacity(HEADER_BYTES as usize);
    block.extend_from_slice(MAGIC);
    for word in [FORMAT, header.number, header.first_seq, header.bytes] {
        block.extend_from_slice(&word.to_le_bytes());
    }
    block.extend_from_slice(&header.link);
    block.extend_from_slice(&(header.site.len() as u64).to_le_bytes());
    block.extend_from_slice(header.site.as_bytes());
    block.resize(HEADER_BYTES as usize - 4, 0);
    let crc = crc32c::crc32c(&block);
    block.extend_from_slice(&crc.to_le_bytes());
    block
}

/// Refuses what no segment can hold, before anything is written.
pub fn check(site: &str, bytes: u64) -> anyhow::Result<()> {
    ensure!(
        (SEGMENT_BYTES_MIN..=SEGMENT_BYTES_MAX).contains(&bytes) && bytes.is_multiple_of(HEADER_BYTES),
        "a journal segment of {bytes} bytes is not possible: {SEGMENT_BYTES_MIN} to {SEGMENT_BYTES_MAX}, in steps of {HEADER_BYTES}"
    );
    ensure!(
        (1..=SITE_BYTES_MAX).contains(&site.len()),
        "the site id has {} bytes: 1 to {SITE_BYTES_MAX} are possible",
        site.len()
    );
    Ok(())
}

/// A segment of zeros, on disk with its name. Zeros and not `fallocate`: writing over written blocks keeps file metadata out
/// of every later sync. An empty one already there is used.
pub fn make(dir: &Path, number: u64, bytes: u64) -> anyhow::Result<File> {
    let path = path(dir, number);
    let context = || format!("cannot make the journal segment {}", path.display());
    if let Ok(file) = OpenOptions::new().read(true).write(true).open(&path) {
        let mut block = [0; HEADER_BYTES as usize];
        let empty = file.metadata()?.len() == bytes && disk::read_exact_at(&file, &mut block, 0).is_ok();
        if empty && parse(&block)? == Begun::No {
            return Ok(file);
        }
        anyhow::bail!("{} is in the way: it is not an empty segment of {bytes} bytes", path.display());
    }
    let making = path.with_extension("new");
    let made = zeros(&making, bytes).and_then(|file| std::fs::rename(&making, &path).map(|()| file));
    if made.is_err() {
        // It would take the room that is missing.
        drop(std::fs::remove_file(&making));
    }
    let file = made.with_context(context)?;
    sync_dir(dir)?;
    Ok(file)
}

fn zeros(path: &Path, bytes: u64) -> std::io::Result<File> {
    let mut file = OpenOptions::new().read(true).write(true).create(true).truncate(true).open(path)?;
    let zeros = vec![0; 64 << 10];
    let mut left = bytes as usize;
    while left > 0 {
        let chunk = &zeros[..left.min(zeros.len())];
        file.write_all(chunk)?;
        left -= chunk.len();
    }
    file.sync_all()?;
    Ok(file)
}

/// Makes names in `dir` durable.
pub fn sync_dir(dir: &Path) -> anyhow::Result<()> {
    File::open(dir).and_then(|d| d.sync_all()).with_context(|| format!("cannot sync the directory {}", dir.display()))
}

/// The segment being written.
pub struct Segment {
    disk: Disk,
    /// Position in the journal.
    pub number: u64,
    /// Where the next record goes.
    pub offset: u64,
    /// Size of the file.
    pub bytes: u64,
    /// Ends with a seal: nothing may follow.
    pub sealed: bool,
}

impl Segment {
    /// Goes on in a segment that was begun before.
    pub fn resume(medium: &Medium, file: File, header: &Header, offset: u64, sealed: bool) -> Segment {
        Segment { disk: medium.wrap(file, &name(header.number)), number: header.number, offset, bytes: header.bytes, sealed }
    }

    /// Writes the header of a new segment. Not synced: the first group's sync covers it.
    pub fn begin(medium: &Medium, file: File, header: &Header) -> std::io::Result<Segment> {
        let disk = medium.wrap(file, &name(header.number));
        disk.write_all_at(&header_block(header), 0)?;
        Ok(Segment { disk, number: header.number, offset: HEADER_BYTES, bytes: header.bytes, sealed: false })
    }

    /// Bytes left for records.
    pub fn room(&self) -> u64 {
        if self.sealed { 0 } else { self.bytes.saturating_sub(self.offset) }
    }

    /// Writes and syncs. After an error the segment must never be written again: the kernel may have dropped the pages.
    pub fn commit(&mut self, bytes: &[u8]) -> std::io::Result<()> {
        self.disk.write_all_at(bytes, self.offset)?;
        self.disk.sync_data()?;
        self.offset += bytes.len() as u64;
        Ok(())
    }
}

/// Gives a segment the size again that its header states, behind what it holds: zeros that are on disk, as in one just made. On disk with the next sync.
pub fn fill_up(file: &File, bytes: u64) -> std::io::Result<()> {
    let (mut at, zeros) = (file.metadata()?.len(), vec![0; 64 << 10]);
    while at < bytes {
        let size = zeros.len().min((bytes - at) as usize);
        file.write_all_at(&zeros[..size], at)?;
        at += size as u64;
    }
    if at > bytes { file.set_len(bytes) } else { Ok(()) }
}

/// What a file holds around its end, before anything is written again.
pub struct Tail {
    offset: u64,
    /// The last groups before `offset`.
    last: Vec<u8>,
    /// Pieces behind it that are not all zeros: where, how many bytes, how many of them are not.
    dirty: Vec<(u64, usize, u64)>,
}

/// Reads all that matters of a file whose records end at `offset`. Says what cannot be read instead, where there is something.
///
/// # Errors
/// Its size is not known.
pub fn tail(file: &File, offset: u64) -> std::io::Result<Result<Tail, Unreadable>> {
    let (end, mut lost) = (file.metadata()?.len(), vec![]);
    let from = offset.saturating_sub(AGAIN_BYTES);
    let mut tail = Tail { offset, last: vec![0; (offset - from) as usize], dirty: vec![] };
    let size = disk::read_past(file, &mut tail.last, from, &mut lost);
    tail.last.truncate(size);
    let (mut at, mut chunk) = (offset, vec![0; 64 << 10]);
    let zeros = chunk.clone();
    while at < end {
        let size = chunk.len().min((end - at) as usize);
        disk::read_past(file, &mut chunk[..size], at, &mut lost);
        let part = &chunk[..size];
        // Nearly all of them are as they were made, and that is seen faster than counted.
        if *part != zeros[..size] {
            tail.dirty.push((at, size, part.iter().filter(|b| **b != 0).count() as u64));
        }
        at += size as u64;
    }
    Ok(lost.into_iter().next().map_or(Ok(tail), Err))
}

impl Tail {
    /// Nothing stands behind.
    pub fn is_empty(&self) -> bool {
        self.dirty.is_empty()
    }

    /// Puts the last groups on disk once more: after a failed sync the kernel may hold pages as clean that never got there.
    pub fn write_again(&self, file: &File) -> std::io::Result<()> {
        file.write_all_at(&self.last, self.offset - self.last.len() as u64)?;
        file.sync_data()
    }

    /// Zeros everything behind and says how many bytes were not zero. Written only where needed, then synced.
    pub fn wipe(&self, file: &File) -> std::io::Result<u64> {
        for (at, size, _) in &self.dirty {
            file.write_all_at(&vec![0; *size], *at)?;
        }
        if !self.dirty.is_empty() {
            file.sync_data()?;
        }
        Ok(self.dirty.iter().map(|(.., bytes)| bytes).sum())
    }
}
