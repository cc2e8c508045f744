//! Walking the records in order, and telling a torn tail from damage. Shared by reading, verifying and reopening.
//! Must not know: what payloads mean, who asks. Opens nothing for writing.
//!
//! A walk begins in the archive and goes on in the segments as in one journal; where readings and ticks were left out, numbers are missing
//! and nothing is lost.
//!
//! The rule. A record that cannot be read was either never on disk (a torn tail: nobody was told of it) or it was, and is lost
//! (damage). Every record says which number was known to be on disk when it was framed: if any later record says so of the
//! missing one, it is damage. The caller may know more (`through`: a number that was published as durable).

use super::codec::SEAL;
use super::files::{self, Form, Held, Source};
use super::record::{HEAD_BYTES, PAYLOAD_BYTES_MAX, Raw, STEP, Unread, claimed_bytes};
use super::segment::{Begun, HEADER_BYTES, Header};
use super::window::Window;
use anyhow::Context;
use std::fmt;
use std::path::{Path, PathBuf};

/// Nothing is written here; a multiple of [`STEP`].
const ZEROS: [u8; 4096] = [0; 4096];

/// Where a record begins.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// The file.
    pub file: PathBuf,
    /// Byte in it; in a compressed one, byte of what it holds.
    pub offset: u64,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} at byte {}", self.file.display(), self.offset)
    }
}

/// Records that were on disk and cannot be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hole {
    /// Where reading stopped.
    pub place: Place,
    /// In which segment.
    pub segment: u64,
    /// First number expected.
    pub first: u64,
    /// The next number that can be read: nothing is missing where it equals `first`.
    pub next: u64,
    /// What stands there instead.
    pub why: &'static str,
}

impl Hole {
    /// What it costs.
    pub fn lost(&self) -> String {
        match self.next - self.first {
            0 => "no record is missing".to_owned(),
            1 => format!("record {} is lost", self.first),
            n => format!("records {} to {} ({n}) are lost", self.first, self.next - 1),
        }
    }
}

impl fmt::Display for Hole {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the journal is damaged in {}: {}; {}", self.place, self.why, self.lost())
    }
}

/// One step of a walk.
pub enum Step {
    /// The next record or mark.
    Raw(Raw, Place),
    /// Some are lost; the walk goes on behind them.
    Hole(Hole),
    /// Nothing more for now.
    End,
}

/// A position in the journal.
pub struct Walk {
    dir: PathBuf,
    here: Option<Here>,
    /// Number of the next record.
    pub next: u64,
}

/// A place in one segment.
pub struct Here {
    number: u64,
    window: Window,
    offset: u64,
    end: u64,
    begun: Begun,
    form: Form,
}

impl Walk {
    /// Begins at the newest segment that can hold record `seq`; the walk's first records may be earlier ones.
    pub fn open(dir: &Path, seq: u64) -> anyhow::Result<Walk> {
        let mut walk = Walk { dir: dir.to_owned(), here: None, next: 1 };
        let numbers = numbers(dir)?;
        // The first one needs no search: there may be many.
        let among = if seq <= 1 { &numbers[..numbers.len().min(1)] } else { &numbers };
        for number in among.iter().rev() {
            let here = Here::open(dir, *number)?;
            if let Begun::Yes(header) = &here.begun
                && (header.first_seq <= seq || *number == numbers[0])
            {
                walk.next = header.first_seq;
                walk.here = Some(here);
                return Ok(walk);
            }
        }
        // No segment says where it begins: all there is must be looked through.
        if let Some(number) = numbers.first() {
            walk.here = Some(Here::open(dir, *number)?);
        }
        Ok(walk)
    }

    /// Header of the segment the walk stands in.
    pub fn header(&self) -> Option<&Header> {
        match &self.here.as_ref()?.begun {
            Begun::Yes(header) => Some(header),
            Begun::No | Begun::Bad(_) => None,
        }
    }

    /// How the segment is kept that the walk stands in.
    pub fn form(&self) -> Option<Form> {
        self.here.as_ref().map(|h| h.form)
    }

    /// Number of the segment, and the place in it.
    pub fn position(&self) -> Option<(u64, u64)> {
        self.here.as_ref().map(|h| (h.number, h.offset))
    }

    /// The next record. `through`: all up to this number are known to be durable, and nothing behind it is read. Without it,
    /// everything that can be read is.
    pub fn step(&mut self, through: Option<u64>) -> anyhow::Result<Step> {
        if through.is_some_and(|t| self.next > t) {
            return Ok(Step::End);
        }
        loop {
            let Some(here) = &mut self.here else {
                match numbers(&self.dir)?.first() {
                    Some(_) => *self = Walk::open(&self.dir, self.next)?,
                    None => return Ok(Step::End),
                }
                if self.here.is_none() {
                    return Ok(Step::End);
                }
                continue;
            };
            let why = match here.read()? {
                Ok(raw) => {
                    let head = raw.head();
                    let expected = if raw.is_mark() { self.next - 1 } else { self.next };
                    let left_out = here.form == Form::Thin && head.seq > expected;
                    if head.seq == expected || left_out {
                        let place = here.pass(&raw);
                        self.next = head.seq + 1;
                        return Ok(Step::Raw(raw, place));
                    }
                    "a record with another number"
                }
                Err(Unread::Nothing) if self.turn()? => continue,
                Err(Unread::Nothing) => "nothing",
                Err(Unread::Bad(why)) => why,
            };
            return self.lost(through, why);
        }
    }

    /// Goes to the next segment if it begins with the next record. One made ahead and never begun is passed over: after damage
    /// writing goes on behind it.
    fn turn(&mut self) -> anyhow::Result<bool> {
        let Some(here) = &self.here else {
            return Ok(false);
        };
        let after = here.number;
        for number in numbers(&self.dir)?.into_iter().filter(|n| *n > after) {
            let there = Here::open(&self.dir, number)?;
            match &there.begun {
                Begun::No => {}
                Begun::Yes(header) if header.first_seq == self.next => {
                    self.here = Some(there);
                    return Ok(true);
                }
                Begun::Yes(_) | Begun::Bad(_) => return Ok(false),
            }
        }
        Ok(false)
    }

    /// The next record is not here: a torn tail, or a hole.
    fn lost(&mut self, through: Option<u64>, why: &'static str) -> anyhow::Result<Step> {
        let Some((place, segment)) = self.here.as_ref().map(|here| (here.place(), here.number)) else {
            return Ok(Step::End);
        };
        let ahead = self.look_ahead(through.is_some())?;
        let first = self.next;
        match (ahead, through) {
            (Some(ahead), _) => {
                self.next = ahead.next;
                self.here = Some(ahead.here);
            }
            (None, Some(through)) => self.next = through + 1,
            (None, None) => return Ok(Step::End),
        }
        Ok(Step::Hole(Hole { place, segment, first, next: self.next, why }))
    }

    /// The first readable record behind this place, if one proves that the expected record was on disk (or if that is `known`).
    fn look_ahead(&self, known: bool) -> anyhow::Result<Option<Ahead>> {
        let Some(from) = &self.here else {
            return Ok(None);
        };
        let mut found: Option<Ahead> = None;
        for number in numbers(&self.dir)?.into_iter().filter(|n| *n >= from.number) {
            let mut here = Here::open(&self.dir, number)?;
            here.offset = if number == from.number { from.offset } else { 0 };
            while let Some(raw) = here.search(self.next)? {
                let head = raw.head();
                if found.is_none() {
                    let at = Here::open(&self.dir, number)?;
                    let next = if raw.is_mark() { head.seq + 1 } else { head.seq };
                    found = Some(Ahead { here: Here { offset: here.offset, ..at }, next });
                }
                if known || head.synced >= self.next {
                    return Ok(found);
                }
                here.offset += STEP;
            }
        }
        Ok(None)
    }
}

struct Ahead {
    here: Here,
    next: u64,
}

fn numbers(dir: &Path) -> anyhow::Result<Vec<u64>> {
    Ok(files::list(dir)?.iter().map(|held| held.number).collect())
}

impl Here {
    fn open(dir: &Path, number: u64) -> anyhow::Result<Here> {
        let (source, held) = files::open(dir, number)?;
        Here::over(source, held, held.path(dir))
    }

    /// At the first record of this very file.
    pub fn over(mut source: Source, held: Held, path: PathBuf) -> anyhow::Result<Here> {
        let context = || format!("cannot read the journal segment {}", path.display());
        let (begun, end) = (source.begun().with_context(context)?, source.end().with_context(context)?);
        let window = Window::new(source, path);
        Ok(Here { number: held.number, window, offset: HEADER_BYTES, end, begun, form: held.form })
    }

    /// What its header block says.
    pub fn begun(&self) -> &Begun {
        &self.begun
    }

    /// Where its bytes come from.
    pub fn source(&self) -> &Source {
        self.window.source()
    }

    /// Where the next record begins; behind a seal, the end.
    pub fn offset(&self) -> u64 {
        self.offset
    }

    fn place(&self) -> Place {
        Place { file: self.window.path().to_owned(), offset: self.offset }
    }

    /// What stands here. A window filled before the writer came by is filled again before anything is called bad.
    pub fn read(&mut self) -> anyhow::Result<Result<Raw, Unread>> {
        let first = self.parse()?;
        if first.is_ok() || self.window.is_empty() {
            return Ok(first);
        }
        self.window.forget();
        Ok(match self.parse()? {
            Err(Unread::Bad(_)) if self.window.is_lost_at(self.offset) => Err(Unread::Bad("a compressed block is damaged")),
            second => second,
        })
    }

    fn parse(&mut self) -> anyhow::Result<Result<Raw, Unread>> {
        if self.offset + HEAD_BYTES as u64 > self.end {
            return Ok(Err(Unread::Nothing));
        }
        let head = self.window.get(self.offset, HEAD_BYTES)?;
        let claimed = match head.first_chunk::<HEAD_BYTES>().map(claimed_bytes) {
            Some(Ok(claimed)) => claimed,
            Some(Err(unread)) => return Ok(Err(unread)),
            None => return Ok(Err(Unread::Bad("the file was cut short"))),
        };
        if self.offset + claimed as u64 > self.end {
            return Ok(Err(Unread::Bad("the length reaches past the segment")));
        }
        Ok(Raw::parse(self.window.get(self.offset, claimed)?))
    }

    /// Moves behind a record just read. A seal ends the segment.
    pub fn pass(&mut self, raw: &Raw) -> Place {
        let place = self.place();
        self.offset = if raw.head().kind == SEAL { self.end } else { self.offset + raw.framed_bytes() };
        place
    }

    /// Moves to the next readable record numbered `least` or higher.
    fn search(&mut self, least: u64) -> anyhow::Result<Option<Raw>> {
        while self.offset + (HEAD_BYTES as u64) < self.end {
            // Mostly there is nothing at all.
            let chunk = ZEROS.len() as u64;
            if self.offset + chunk <= self.end && self.window.get(self.offset, ZEROS.len())? == ZEROS {
                self.offset += chunk;
                continue;
            }
            let head = self.window.get(self.offset, HEAD_BYTES)?;
            let Some(head) = head.first_chunk::<HEAD_BYTES>() else {
                return Ok(None);
            };
            if is_plausible(head, least)
                && let Ok(raw) = self.parse()?
            {
                return Ok(Some(raw));
            }
            self.offset += STEP;
        }
        Ok(None)
    }
}

/// Cheap test before a CRC is taken at every eighth byte.
fn is_plausible(head: &[u8; HEAD_BYTES], least: u64) -> bool {
    let len = u32::from_le_bytes(head[..4].try_into().expect("four bytes"));
    let seq = u64::from_le_bytes(head[8..16].try_into().expect("eight bytes"));
    let synced = u64::from_le_bytes(head[16..24].try_into().expect("eight bytes"));
    (1..=PAYLOAD_BYTES_MAX as u32).contains(&len) && seq >= least && synced <= seq
}
