//! The compressed form of a segment: zstd frames between two copies of an index. Owns: its bytes, on the way out and back.
//! Must not know: records, names of files, when a segment is compressed.
//!
//! | Part | Holds |
//! |---|---|
//! | index | a skippable zstd frame: what the segment is, and length and CRC32C of each frame below |
//! | frame 0 | the header block of the segment |
//! | frames 1- | 256 KiB of the segment each, up to its seal |
//! | index | the same bytes again: one damaged copy costs nothing |
//!
//! `zstd -d` gives the segment back as it was, without the zeros behind its seal. A damaged frame costs what it holds and nothing else.

use super::disk::Disk;
use super::segment::HEADER_BYTES;
use anyhow::{Context, bail};
use brain::Micros;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

/// Bytes of the segment in one frame.
pub const FRAME_BYTES: u64 = 256 << 10;
/// A frame that zstd passes over, as its format says.
const SKIPPABLE_FRAME: [u8; 4] = 0x184D_2A50_u32.to_le_bytes();
const MAGIC: &[u8; 8] = b"SBPACKED";
const FORMAT: u32 = 1;
const LEVEL: i32 = 3;
/// Bytes of an index before its frames: magic, format, slots, frames, spare, and seven words.
const FIXED_BYTES: usize = 8 + 4 * 4 + 6 * 8;
/// CRC and length behind the frames.
const TAIL_BYTES: usize = 8;
/// Bytes of a skippable frame before its content.
const SKIP_BYTES: usize = 8;
/// No index is longer: frames of the largest segment.
const INDEX_BYTES_MAX: usize = 1 << 20;

/// What the index says of the segment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct About {
    /// Size of the segment's file, zeros included.
    pub bytes: u64,
    /// Bytes up to the end of its seal: what is in the frames.
    pub used: u64,
    /// First number.
    pub first_seq: u64,
    /// Last number.
    pub last_seq: u64,
    /// Time of the first record, microseconds UTC.
    pub first_at: Micros,
    /// Time of the last record, microseconds UTC.
    pub last_at: Micros,
}

#[derive(Clone, Copy)]
struct Frame {
    at: u64,
    bytes: u32,
    crc: u32,
}

/// A compressed segment being read.
pub struct Packed {
    file: File,
    /// What it holds.
    pub about: About,
    /// One copy of the index is damaged, or something stands behind the file's end.
    pub flaw: Option<&'static str>,
    frames: Vec<Frame>,
    /// The frame read last; none where it is damaged.
    held: Option<(usize, Option<Vec<u8>>)>,
}

impl Packed {
    /// Reads the index. None where neither copy can be read.
    ///
    /// # Errors
    /// The file cannot be read, or a newer program wrote it.
    pub fn open(file: File) -> anyhow::Result<Option<Packed>> {
        let end = file.metadata()?.len();
        let (first, last) = (first_index(&file)?, last_index(&file, end)?);
        let flaw = match (&first, &last) {
            (None, None) => return Ok(None),
            (None, Some(_)) => Some("the first copy of the index is damaged"),
            (Some(_), None) => Some("the second copy of the index is damaged, or the file was cut or lengthened"),
            (Some(first), Some(last)) if first != last => Some("the two copies of the index differ"),
            (Some(_), Some(_)) => None,
        };
        let index = first.or(last).unwrap_or_default();
        let (about, frames) = parse(&index)?;
        Ok(Some(Packed { file, about, flaw, frames, held: None }))
    }

    /// Which frame holds this byte of the segment.
    fn frame_of(offset: u64) -> usize {
        match offset.checked_sub(HEADER_BYTES) {
            None => 0,
            Some(behind) => 1 + (behind / FRAME_BYTES) as usize,
        }
    }

    /// Where a frame begins in the segment, and how many bytes of it it holds.
    fn extent(&self, frame: usize) -> (u64, u64) {
        let begins = if frame == 0 { 0 } else { HEADER_BYTES + (frame as u64 - 1) * FRAME_BYTES };
        let most = if frame == 0 { HEADER_BYTES } else { FRAME_BYTES };
        (begins, most.min(self.about.used.saturating_sub(begins)))
    }

    fn load(&mut self, frame: usize) -> io::Result<Option<&[u8]>> {
        if self.held.as_ref().is_none_or(|(held, _)| *held != frame) {
            let bytes = match self.frames.get(frame) {
                Some(Frame { at, bytes, crc }) => {
                    let mut packed = vec![0; *bytes as usize];
                    let whole = match self.file.read_exact_at(&mut packed, *at) {
                        Ok(()) => crc32c::crc32c(&packed) == *crc,
                        Err(e) if e.kind() == io::ErrorKind::UnexpectedEof => false,
                        Err(e) => return Err(e),
                    };
                    let size = self.extent(frame).1 as usize;
                    let open = || zstd::bulk::decompress(&packed, size).ok().filter(|bytes| bytes.len() == size);
                    if whole { open() } else { None }
                }
                None => None,
            };
            self.held = Some((frame, bytes));
        }
        Ok(self.held.as_ref().and_then(|(_, bytes)| bytes.as_deref()))
    }

    /// Whether the frame that holds this byte can be read.
    pub fn is_whole_at(&mut self, offset: u64) -> io::Result<bool> {
        Ok(self.load(Packed::frame_of(offset))?.is_some())
    }

    /// Reads from `offset` of the segment to the end of its frame at most; 0 = the end. A damaged frame reads as bytes that are no record.
    pub fn read_at(&mut self, into: &mut [u8], offset: u64) -> io::Result<usize> {
        let frame = Packed::frame_of(offset);
        let (begins, bytes) = self.extent(frame);
        let size = into.len().min((begins + bytes).saturating_sub(offset) as usize);
        let from = (offset - begins) as usize;
        match self.load(frame)? {
            Some(held) => into[..size].copy_from_slice(&held[from..from + size]),
            None => into[..size].fill(0xff),
        }
        Ok(size)
    }
}

fn first_index(file: &File) -> anyhow::Result<Option<Vec<u8>>> {
    let mut skip = [0; SKIP_BYTES];
    if file.read_exact_at(&mut skip, 0).is_err() {
        return Ok(None);
    }
    let bytes = u32::from_le_bytes([skip[4], skip[5], skip[6], skip[7]]) as usize;
    index_at(file, 0, bytes)
}

fn last_index(file: &File, end: u64) -> anyhow::Result<Option<Vec<u8>>> {
    let mut last = [0; 4];
    if end < 4 || file.read_exact_at(&mut last, end - 4).is_err() {
        return Ok(None);
    }
    let bytes = u32::from_le_bytes(last) as usize;
    match end.checked_sub((SKIP_BYTES + bytes) as u64) {
        Some(at) => index_at(file, at, bytes),
        None => Ok(None),
    }
}

/// The content of the index that begins at `at`, if it is one and whole.
fn index_at(file: &File, at: u64, bytes: usize) -> anyhow::Result<Option<Vec<u8>>> {
    if !(FIXED_BYTES + TAIL_BYTES..=INDEX_BYTES_MAX).contains(&bytes) {
        return Ok(None);
    }
    let mut whole = vec![0; SKIP_BYTES + bytes];
    match file.read_exact_at(&mut whole, at) {
        Ok(()) => {}
        Err(e) if e.kind() == io::ErrorKind::UnexpectedEof => return Ok(None),
        Err(e) => return Err(e).context("cannot read the index"),
    }
    let (skip, index) = whole.split_at(SKIP_BYTES);
    let (body, tail) = index.split_at(bytes - TAIL_BYTES);
    let good = skip[..4] == SKIPPABLE_FRAME
        && u32_at(skip, 4) as usize == bytes
        && body.starts_with(MAGIC)
        && tail == [crc32c::crc32c(body).to_le_bytes(), (bytes as u32).to_le_bytes()].concat();
    Ok(good.then(|| body.to_vec()))
}

fn parse(body: &[u8]) -> anyhow::Result<(About, Vec<Frame>)> {
    let format = u32_at(body, 8);
    if format != FORMAT {
        bail!(super::Newer::compressed(format, FORMAT));
    }
    let (slots, count) = (u32_at(body, 12) as usize, u32_at(body, 16) as usize);
    let mut at = (SKIP_BYTES + FIXED_BYTES + slots * 8 + TAIL_BYTES) as u64;
    let mut frames = Vec::with_capacity(count.min(slots));
    for slot in body[FIXED_BYTES..].chunks_exact(8).take(count) {
        let (bytes, crc) = (u32_at(slot, 0), u32_at(slot, 4));
        frames.push(Frame { at, bytes, crc });
        at += u64::from(bytes);
    }
    let word = |n: usize| u64::from_le_bytes(body[24 + n * 8..32 + n * 8].try_into().expect("eight bytes"));
    let about = About {
        bytes: word(0),
        used: word(1),
        first_seq: word(2),
        last_seq: word(3),
        first_at: word(4) as i64,
        last_at: word(5) as i64,
    };
    Ok((about, frames))
}

fn u32_at(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes(bytes[at..at + 4].try_into().expect("four bytes"))
}

/// Writes a compressed segment: the segment's bytes from its header block to its seal, in order.
pub struct Packer<'a> {
    out: &'a Disk,
    at: u64,
    slots: usize,
    frames: Vec<(u32, u32)>,
    waiting: Vec<u8>,
    used: u64,
}

impl<'a> Packer<'a> {
    /// `used_max`: no more bytes will come.
    pub fn new(out: &'a Disk, used_max: u64) -> Packer<'a> {
        let slots = 1 + used_max.saturating_sub(HEADER_BYTES).div_ceil(FRAME_BYTES) as usize;
        let at = (SKIP_BYTES + FIXED_BYTES + slots * 8 + TAIL_BYTES) as u64;
        Packer { out, at, slots, frames: vec![], waiting: vec![], used: 0 }
    }

    /// Takes the next bytes.
    pub fn push(&mut self, bytes: &[u8]) -> anyhow::Result<()> {
        self.used += bytes.len() as u64;
        self.waiting.extend_from_slice(bytes);
        loop {
            let size = if self.frames.is_empty() { HEADER_BYTES } else { FRAME_BYTES } as usize;
            if self.waiting.len() < size {
                return Ok(());
            }
            let frame: Vec<u8> = self.waiting.drain(..size).collect();
            self.frame(&frame)?;
        }
    }

    fn frame(&mut self, bytes: &[u8]) -> anyhow::Result<()> {
        let packed = zstd::bulk::compress(bytes, LEVEL).context("cannot compress")?;
        self.out.write_all_at(&packed, self.at).context("cannot write a compressed frame")?;
        self.frames.push((packed.len() as u32, crc32c::crc32c(&packed)));
        self.at += packed.len() as u64;
        Ok(())
    }

    /// Writes what is left and both copies of the index, and waits for the disk. `about.used` is what was pushed.
    pub fn finish(mut self, about: About) -> anyhow::Result<About> {
        let rest = std::mem::take(&mut self.waiting);
        if !rest.is_empty() {
            self.frame(&rest)?;
        }
        let about = About { used: self.used, ..about };
        let index = self.index(&about);
        for at in [self.at, 0] {
            self.out.write_all_at(&index, at).context("cannot write the index")?;
        }
        self.out.sync_data().context("cannot sync the compressed segment")?;
        Ok(about)
    }

    fn index(&self, about: &About) -> Vec<u8> {
        let mut body = MAGIC.to_vec();
        for word in [FORMAT, self.slots as u32, self.frames.len() as u32, 0] {
            body.extend_from_slice(&word.to_le_bytes());
        }
        let About { bytes, used, first_seq, last_seq, first_at, last_at } = *about;
        for word in [bytes, used, first_seq, last_seq, first_at as u64, last_at as u64] {
            body.extend_from_slice(&word.to_le_bytes());
        }
        for (bytes, crc) in &self.frames {
            body.extend_from_slice(&bytes.to_le_bytes());
            body.extend_from_slice(&crc.to_le_bytes());
        }
        body.resize(FIXED_BYTES + self.slots * 8, 0);
        let bytes = (body.len() + TAIL_BYTES) as u32;
        body.extend_from_slice(&crc32c::crc32c(&body).to_le_bytes());
        body.extend_from_slice(&bytes.to_le_bytes());
        [&SKIPPABLE_FRAME[..], &bytes.to_le_bytes(), &body].concat()
    }
}
