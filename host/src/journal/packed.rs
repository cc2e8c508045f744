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

use super::disk::{self, Disk, Unreadable};
use super::segment::{HEADER_BYTES, SEGMENT_BYTES_MAX};
use anyhow::{Context, bail};
use brain::Micros;
use std::fs::File;
use std::io;

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
    pub flaw: Option<String>,
    frames: Vec<Frame>,
    /// The frame read last, or why it cannot be.
    held: Option<(usize, Result<Vec<u8>, String>)>,
}

impl Packed {
    /// Reads the index. Where neither copy can be read, says why.
    ///
    /// # Errors
    /// Its size is not known, or a newer program wrote it.
    pub fn open(file: File) -> anyhow::Result<Result<Packed, String>> {
        let end = file.metadata()?.len();
        let (first, last) = (first_index(&file), last_index(&file, end));
        let flaw = match (&first, &last) {
            (Err(first), Err(last)) => {
                return Ok(Err(format!("neither copy of its index can be read: the first {first}, the second {last}")));
            }
            (Err(why), Ok(_)) => Some(format!("the first copy of the index {why}")),
            (Ok(_), Err(why)) => Some(format!("the second copy of the index {why}, or the file was cut or lengthened")),
            (Ok(first), Ok(last)) if first != last => Some("the two copies of the index differ".to_owned()),
            (Ok(_), Ok(_)) => None,
        };
        let index = first.or(last).unwrap_or_default();
        Ok(match parse(&index)? {
            Some((about, frames)) => Ok(Packed { file, about, flaw, frames, held: None }),
            None => Err("its index says what no segment can hold".to_owned()),
        })
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

    fn load(&mut self, frame: usize) -> &Result<Vec<u8>, String> {
        let held = match self.held.take() {
            Some((held, bytes)) if held == frame => bytes,
            Some(_) | None => self.unpack(frame),
        };
        &self.held.insert((frame, held)).1
    }

    fn unpack(&self, frame: usize) -> Result<Vec<u8>, String> {
        const DAMAGED: &str = "a compressed block is damaged";
        let Some(Frame { at, bytes, crc }) = self.frames.get(frame) else { return Err(DAMAGED.to_owned()) };
        // zstd makes nothing larger by more than a little.
        if u64::from(*bytes) > 2 * FRAME_BYTES {
            return Err(DAMAGED.to_owned());
        }
        let mut packed = vec![0; *bytes as usize];
        match disk::read_exact_at(&self.file, &mut packed, *at) {
            Ok(()) => {}
            Err(e) if e.kind() == io::ErrorKind::UnexpectedEof => return Err(DAMAGED.to_owned()),
            Err(e) => return Err(format!("a compressed block is lost: of the file, {e}")),
        }
        let size = self.extent(frame).1 as usize;
        let whole = crc32c::crc32c(&packed) == *crc;
        let bytes = if whole { zstd::bulk::decompress(&packed, size).ok() } else { None };
        bytes.filter(|bytes| bytes.len() == size).ok_or_else(|| DAMAGED.to_owned())
    }

    /// Reads from `offset` of the segment. 0xff stands for a frame that cannot be read, and all of it is added to `lost`.
    pub fn read_past(&mut self, into: &mut [u8], offset: u64, lost: &mut Vec<Unreadable>) -> usize {
        let mut filled = 0;
        while filled < into.len() {
            let at = offset + filled as u64;
            let frame = Packed::frame_of(at);
            let (begins, bytes) = self.extent(frame);
            let size = (into.len() - filled).min((begins + bytes).saturating_sub(at) as usize);
            if size == 0 {
                break;
            }
            let (here, from) = (&mut into[filled..filled + size], (at - begins) as usize);
            match self.load(frame) {
                Ok(held) => here.copy_from_slice(&held[from..from + size]),
                Err(why) => {
                    here.fill(0xff);
                    let gone = Unreadable { bytes: begins..begins + bytes, why: why.clone() };
                    if !lost.contains(&gone) {
                        lost.push(gone);
                    }
                }
            }
            filled += size;
        }
        filled
    }
}

/// The content of an index, or what is wrong with it, as it follows behind "the index".
type Index = Result<Vec<u8>, String>;

fn read(file: &File, into: &mut [u8], at: u64) -> Result<(), String> {
    disk::read_exact_at(file, into, at).map_err(|e| match e.kind() {
        io::ErrorKind::UnexpectedEof => damaged(),
        _ => format!("is lost: {e}"),
    })
}

fn damaged() -> String {
    "is damaged".to_owned()
}

fn first_index(file: &File) -> Index {
    let mut skip = [0; SKIP_BYTES];
    read(file, &mut skip, 0)?;
    let bytes = u32::from_le_bytes([skip[4], skip[5], skip[6], skip[7]]) as usize;
    index_at(file, 0, bytes)
}

fn last_index(file: &File, end: u64) -> Index {
    let mut last = [0; 4];
    read(file, &mut last, end.checked_sub(4).ok_or_else(damaged)?)?;
    let bytes = u32::from_le_bytes(last) as usize;
    index_at(file, end.checked_sub((SKIP_BYTES + bytes) as u64).ok_or_else(damaged)?, bytes)
}

/// The content of the index that begins at `at`, if it is one and whole.
fn index_at(file: &File, at: u64, bytes: usize) -> Index {
    if !(FIXED_BYTES + TAIL_BYTES..=INDEX_BYTES_MAX).contains(&bytes) {
        return Err(damaged());
    }
    let mut whole = vec![0; SKIP_BYTES + bytes];
    read(file, &mut whole, at)?;
    let (skip, index) = whole.split_at(SKIP_BYTES);
    let (body, tail) = index.split_at(bytes - TAIL_BYTES);
    let good = skip[..4] == SKIPPABLE_FRAME
        && u32_at(skip, 4) as usize == bytes
        && body.starts_with(MAGIC)
        && tail == [crc32c::crc32c(body).to_le_bytes(), (bytes as u32).to_le_bytes()].concat();
    good.then(|| body.to_vec()).ok_or_else(damaged)
}

/// What an index says; none where it cannot be. Its CRC says who wrote it to nobody: no number of it is believed before it is bounded.
fn parse(body: &[u8]) -> anyhow::Result<Option<(About, Vec<Frame>)>> {
    let format = u32_at(body, 8);
    if format != FORMAT {
        bail!(super::Newer::compressed(format, FORMAT));
    }
    let (slots, count) = (u32_at(body, 12) as usize, u32_at(body, 16) as usize);
    let word = |n: usize| u64::from_le_bytes(body[24 + n * 8..32 + n * 8].try_into().expect("eight bytes"));
    let about = About {
        bytes: word(0),
        used: word(1),
        first_seq: word(2),
        last_seq: word(3),
        first_at: word(4) as i64,
        last_at: word(5) as i64,
    };
    let held_max = HEADER_BYTES + (slots as u64).saturating_sub(1) * FRAME_BYTES;
    if slots != (body.len() - FIXED_BYTES) / 8 || count > slots || about.used > held_max.min(SEGMENT_BYTES_MAX) {
        return Ok(None);
    }
    let mut at = (SKIP_BYTES + FIXED_BYTES + slots * 8 + TAIL_BYTES) as u64;
    let mut frames = Vec::with_capacity(count);
    for slot in body[FIXED_BYTES..].chunks_exact(8).take(count) {
        let (bytes, crc) = (u32_at(slot, 0), u32_at(slot, 4));
        frames.push(Frame { at, bytes, crc });
        at += u64::from(bytes);
    }
    Ok(Some((about, frames)))
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
