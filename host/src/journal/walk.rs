//! Walking the records in order, and telling a torn tail from damage. Shared by reading, verifying and reopening.
//! Must not know: what payloads mean, who asks. Opens nothing for writing.
//!
//! A walk begins in the archive and goes on in the segments as in one journal; where readings and ticks were left out, numbers are missing
//! and nothing is lost.
//!
//! The rule. A record that cannot be read was either never on disk (a torn tail: nobody was told of it) or it was, and is lost
//! (damage). Every record says which number was known to be on disk when it was framed: if any later record says so of the
//! missing one, it is damage. The caller may know more (`through`: a number that was published as durable). And what the disk does not give back
//! is damage without proof: nobody can say what stood there, so its numbers, as many as may have stood there, are not used again.

use super::codec::SEAL;
use super::files::{self, Begins, Form, Held, Source};
use super::record::{HEAD_BYTES, PAYLOAD_BYTES_MAX, Raw, STEP, Unread, claimed_bytes, framed_bytes};
use super::segment::{Begun, HEADER_BYTES, Header};
use super::window::Window;
use anyhow::Context;
use std::fmt;
use std::path::{Path, PathBuf};

/// Nothing is written here; a multiple of [`STEP`].
const ZEROS: [u8; 4096] = [0; 4096];

/// Segments that are looked at one by one rather than halved.
const SCANNED: usize = 8;

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
    pub why: String,
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
    /// Segments as listed last, ascending: there may be very many, and new ones come at the end alone.
    listed: Vec<u64>,
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
        let mut walk = Walk { dir: dir.to_owned(), here: None, listed: numbers(dir)?, next: 1 };
        // Many are in the archive: halved as long as they say where they begin.
        let (mut low, mut high) = (0, walk.listed.len());
        while high - low > SCANNED {
            let middle = low + (high - low) / 2;
            match Here::open(dir, walk.listed[middle])?.begun {
                Begun::Yes(header) if header.first_seq <= seq => low = middle,
                Begun::Yes(_) => high = middle,
                Begun::No | Begun::Bad(_) | Begun::Unread(_) => break,
            }
        }
        for at in (0..high).rev() {
            let here = Here::open(dir, walk.listed[at])?;
            if let Begun::Yes(header) = &here.begun
                && (header.first_seq <= seq || at == 0)
            {
                walk.next = header.first_seq;
                walk.here = Some(here);
                return Ok(walk);
            }
        }
        // No segment says where it begins: all there is must be looked through.
        if let Some(number) = walk.listed.first() {
            walk.here = Some(Here::open(dir, *number)?);
        }
        Ok(walk)
    }

    /// Header of the segment the walk stands in.
    pub fn header(&self) -> Option<&Header> {
        match &self.here.as_ref()?.begun {
            Begun::Yes(header) => Some(header),
            Begun::No | Begun::Bad(_) | Begun::Unread(_) => None,
        }
    }

    /// The disk does not say how the segment begins that the walk stands in.
    pub fn is_unread(&self) -> bool {
        self.here.as_ref().is_some_and(|here| matches!(here.begun, Begun::Unread(_)))
    }

    /// How the segment is kept that the walk stands in.
    pub fn form(&self) -> Option<Form> {
        self.here.as_ref().map(|h| h.form)
    }

    /// Number of the segment, and the place in it.
    pub fn position(&self) -> Option<(u64, u64)> {
        self.here.as_ref().map(|h| (h.number, h.offset))
    }

    /// What is lost where the journal ends here, and record `known` was once on disk.
    pub fn ends_before(&self, known: u64) -> Option<Hole> {
        let (segment, offset) = self.position().unwrap_or_default();
        let place = Place { file: files::path(&self.dir, segment), offset };
        let why = format!("the journal ends before what was on disk, at record {} instead of {known}", self.next - 1);
        (self.next <= known).then(|| Hole { place, segment, first: self.next, next: known + 1, why })
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
            let stop = match here.read() {
                Ok(raw) => {
                    let head = raw.head();
                    let expected = if raw.is_mark() { self.next - 1 } else { self.next };
                    let left_out = here.form == Form::Thin && head.seq > expected;
                    if head.seq == expected || left_out {
                        let place = here.pass(&raw);
                        self.next = head.seq + 1;
                        return Ok(Step::Raw(raw, place));
                    }
                    here.stop("a record with another number")
                }
                Err(Unread::Nothing) => match self.turn()? {
                    Turn::Done => continue,
                    Turn::Not(stop) => stop,
                },
                Err(Unread::Bad(why)) => here.stop(why),
            };
            if self.was_dropped()? {
                continue;
            }
            return self.lost(through, stop);
        }
    }

    /// The daemon dropped what this walk stands in, because it is older than it is kept: goes on where the journal begins by now.
    fn was_dropped(&mut self) -> anyhow::Result<bool> {
        let here = self.here.as_ref().map(|here| here.number);
        let begins = Begins::read(&self.dir).ok().flatten().filter(|begins| here.is_some_and(|here| here < begins.segment));
        let Some(begins) = begins.filter(|begins| self.next < begins.first_seq) else { return Ok(false) };
        (self.here, self.next) = (Some(Here::open(&self.dir, begins.segment)?), begins.first_seq);
        Ok(true)
    }

    /// Bytes from here to the last one of this segment that is no zero: what stands behind the last record that can be read.
    pub fn remains(&mut self) -> u64 {
        let Some(here) = &mut self.here else { return 0 };
        let (from, mut offset, mut last) = (here.offset, here.offset, here.offset);
        while offset < here.end {
            let bytes = here.window.get(offset, ZEROS.len().min((here.end - offset) as usize));
            if bytes.is_empty() {
                break;
            }
            if bytes != &ZEROS[..bytes.len()] {
                let used = bytes.iter().rposition(|byte| *byte != 0).map_or(0, |at| at as u64 + 1);
                last = offset + used;
            }
            offset += bytes.len() as u64;
        }
        last - from
    }

    /// Goes to the next segment if it begins with the next record. One made ahead and never begun is passed over: after damage
    /// writing goes on behind it.
    fn turn(&mut self) -> anyhow::Result<Turn> {
        let Some(here) = &mut self.here else {
            return Ok(Turn::Done);
        };
        let nothing = here.stop("the records end there");
        // Mostly it is the next one that was listed before.
        let known = self.listed.get(self.listed.partition_point(|n| *n <= here.number)).copied();
        if let Some(there) = known.and_then(|number| Here::open(&self.dir, number).ok())
            && matches!(&there.begun, Begun::Yes(header) if header.first_seq == self.next)
        {
            self.here = Some(there);
            return Ok(Turn::Done);
        }
        self.listed = numbers(&self.dir)?;
        for number in self.listed.iter().copied().filter(|n| *n > here.number) {
            let mut there = Here::open(&self.dir, number)?;
            match there.begun.clone() {
                Begun::No => {}
                Begun::Yes(header) if header.first_seq == self.next => {
                    self.here = Some(there);
                    return Ok(Turn::Done);
                }
                // Behind a seal: the next record is there, or nowhere.
                Begun::Bad(why) | Begun::Unread(why) if here.offset == here.end => {
                    let stop = there.stop("");
                    return Ok(Turn::Not(Stop { place: Place { offset: 0, ..stop.place }, why, ..stop }));
                }
                Begun::Yes(_) | Begun::Bad(_) | Begun::Unread(_) => break,
            }
        }
        Ok(Turn::Not(nothing))
    }

    /// The next record is not here: a torn tail, or a hole.
    fn lost(&mut self, through: Option<u64>, stop: Stop) -> anyhow::Result<Step> {
        let ahead = self.look_ahead(through.is_some() || stop.behind.is_some())?;
        let first = self.next;
        let Stop { place, segment, why, behind } = stop;
        match (ahead, through, behind) {
            (Some(ahead), _, _) => {
                self.next = ahead.next;
                self.here = Some(ahead.here);
            }
            (None, Some(through), _) => self.next = through + 1,
            (None, None, Some(Behind { offset, records })) => {
                self.next += records;
                let here = Here::open(&self.dir, segment)?;
                self.here = Some(Here { offset, ..here });
            }
            (None, None, None) => return Ok(Step::End),
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
            while let Some(raw) = here.search(self.next) {
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

/// Whether the next segment was reached.
enum Turn {
    Done,
    Not(Stop),
}

/// Where the next record should be, and is not.
struct Stop {
    place: Place,
    segment: u64,
    why: String,
    /// The disk does not give it back.
    behind: Option<Behind>,
}

/// What is behind bytes that cannot be read.
struct Behind {
    /// Where they end in the segment.
    offset: u64,
    /// Records that may have stood there, at most.
    records: u64,
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
    pub fn read(&mut self) -> Result<Raw, Unread> {
        let first = self.parse();
        if first.is_ok() || self.window.is_empty() {
            return first;
        }
        self.window.forget();
        self.parse()
    }

    fn parse(&mut self) -> Result<Raw, Unread> {
        let Some(head) = self.head() else {
            return Err(Unread::Nothing);
        };
        let claimed = head.map_or(Err(Unread::Bad("the file was cut short")), |head| claimed_bytes(&head))?;
        if self.offset + claimed as u64 > self.end {
            return Err(Unread::Bad("the length reaches past the segment"));
        }
        Raw::parse(self.window.get(self.offset, claimed))
    }

    /// The first bytes here; none at the end of the segment, and inside none where the file was cut short.
    fn head(&mut self) -> Option<Option<[u8; HEAD_BYTES]>> {
        let inside = self.offset + HEAD_BYTES as u64 <= self.end;
        inside.then(|| self.window.get(self.offset, HEAD_BYTES).first_chunk().copied())
    }

    /// Nothing can be read here: `why`, unless the disk is to blame.
    fn stop(&mut self, why: &str) -> Stop {
        let claimed = self.head().flatten().and_then(|head| claimed_bytes(&head).ok()).unwrap_or(HEAD_BYTES);
        let (place, segment) = (self.place(), self.number);
        let Some(lost) = self.window.lost(&(self.offset..self.offset + claimed as u64)) else {
            return Stop { place, segment, why: why.to_owned(), behind: None };
        };
        let (offset, why) = (lost.bytes.end.min(self.end), lost.to_string());
        let records = (offset - self.offset).div_ceil(framed_bytes(1, 0) as u64);
        Stop { place, segment, why, behind: Some(Behind { offset, records }) }
    }

    /// Moves behind a record just read. A seal ends the segment.
    pub fn pass(&mut self, raw: &Raw) -> Place {
        let place = self.place();
        self.offset = if raw.head().kind == SEAL { self.end } else { self.offset + raw.framed_bytes() };
        place
    }

    /// Moves to the next readable record numbered `least` or higher.
    fn search(&mut self, least: u64) -> Option<Raw> {
        while self.offset + (HEAD_BYTES as u64) < self.end {
            // Mostly there is nothing at all.
            let chunk = ZEROS.len() as u64;
            if self.offset + chunk <= self.end && self.window.get(self.offset, ZEROS.len()) == ZEROS {
                self.offset += chunk;
                continue;
            }
            if is_plausible(&self.head().flatten()?, least)
                && let Ok(raw) = self.parse()
            {
                return Some(raw);
            }
            self.offset += STEP;
        }
        None
    }
}

/// Cheap test before a CRC is taken at every eighth byte.
fn is_plausible(head: &[u8; HEAD_BYTES], least: u64) -> bool {
    let len = u32::from_le_bytes(head[..4].try_into().expect("four bytes"));
    let seq = u64::from_le_bytes(head[8..16].try_into().expect("eight bytes"));
    let synced = u64::from_le_bytes(head[16..24].try_into().expect("eight bytes"));
    (1..=PAYLOAD_BYTES_MAX as u32).contains(&len) && seq >= least && synced <= seq
}
