//! Checking a journal without trusting it: headers, CRCs, dense numbers, order of time, the chain, anchors and seals.
//! Opens nothing for writing; works on a copied directory and beside a running writer. Must not know: what entries mean.

use super::codec::{self, ANCHOR, Anchor, SEAL};
use super::cover::Cover;
use super::files::{self, Begins, Form, Source};
use super::outside::{self, OutsideAnchor};
use super::record::{Link, Raw, SKIPPABLE};
use super::reopen::first_link;
use super::segment::{Begun, SEGMENT_BYTES_MIN};
use super::walk::{Hole, Place, Step, Walk};
use brain::Micros;
use serde::Serialize;
use std::path::Path;

/// Faults listed; further ones are only counted.
const FAULTS_MAX: usize = 100;
/// Times a journal is looked through whose front is dropped meanwhile: damage is told however fast that goes.
const PASSES_MAX: u32 = 3;

/// Something that is not as it was written.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Fault {
    /// The file.
    pub file: String,
    /// Byte in it; in a compressed one, byte of what it holds.
    pub offset: u64,
    /// The first record concerned, where it is one.
    pub seq: Option<u64>,
    /// What was found.
    pub what: String,
}

/// What a check found.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Report {
    /// Site the journal belongs to.
    pub site: String,
    /// Segments that hold records, the archive's included.
    pub segments: u64,
    /// Those of them that are in the archive: their readings and ticks were left out, their events are all there.
    pub archived: u64,
    /// Records, marks not counted.
    pub records: u64,
    /// First number.
    pub first_seq: u64,
    /// Last number.
    pub last_seq: u64,
    /// Time of the last record, microseconds UTC.
    pub last_at: Micros,
    /// Head of the chain, hex: compare it with a copy kept elsewhere. Only that finds a cut tail.
    pub link: String,
    /// Anchors kept elsewhere that the journal still holds exactly so.
    pub anchors_found: u64,
    /// Anchors kept elsewhere that are older than the first record here: they cannot be checked.
    pub anchors_older: u64,
    /// Bytes behind the last record that are no record: a torn tail, never on disk as a whole, or a record damaged since. Only an anchor kept elsewhere can
    /// tell which.
    pub tail_bytes: u64,
    /// First faults in order.
    pub faults: Vec<Fault>,
    /// All faults.
    pub faults_total: u64,
}

impl Report {
    /// Nothing is wrong.
    pub fn is_whole(&self) -> bool {
        self.faults_total == 0
    }
}

/// Checks the journal in `dir` from its oldest segment on.
pub fn verify(dir: &Path) -> anyhow::Result<Report> {
    verify_against(dir, &[], 0, &mut |_| {})
}

/// As [`verify`], and that each of the `anchors` kept elsewhere is still in the chain, to the last bit: one that is not means a cut tail or a
/// rewritten chain. All up to record `known` was once on disk: a journal that ends before it has lost some. `tell` is given the bytes of each record
/// passed.
///
/// # Errors
/// A file cannot be read.
pub fn verify_against(dir: &Path, anchors: &[OutsideAnchor], known: u64, tell: &mut dyn FnMut(u64)) -> anyhow::Result<Report> {
    let mut passes = 1;
    loop {
        let begins = Begins::read(dir).ok().flatten();
        // Noted as dropped, and not gone yet.
        let is_going = |first: &files::Held| begins.as_ref().is_some_and(|begins| first.number < begins.segment);
        let is_dropping = files::list(dir)?.first().is_some_and(is_going);
        let report = once(dir, anchors, known, tell);
        let is_whole = report.as_ref().is_ok_and(Report::is_whole);
        // The daemon dropped what was too old meanwhile: what it cost is no damage.
        if is_whole || passes == PASSES_MAX || (!is_dropping && Begins::read(dir).ok().flatten() == begins) {
            return report;
        }
        passes += 1;
    }
}

fn once(dir: &Path, anchors: &[OutsideAnchor], known: u64, tell: &mut dyn FnMut(u64)) -> anyhow::Result<Report> {
    let mut walk = Walk::open(dir, 0)?;
    let mut check = Check { sought: anchors.to_vec(), ..Check::default() };
    let first = files::list(dir)?.first().map(|held| held.number);
    if let Some(number) = first {
        check.report.first_seq = walk.next;
        check.link = match walk.header() {
            Some(header) if header.first_seq == 1 => Some(first_link(&header.site)),
            Some(header) => Some(header.link),
            None => None,
        };
        check.begins(dir, number, &walk);
        check.segment(dir, number)?;
    } else {
        let what = "there is no segment: nothing was ever recorded here, or all of it was taken away".to_owned();
        check.fault(&Place { file: dir.to_owned(), offset: 0 }, None, what);
    }
    let mut number = walk.position().map(|p| p.0);
    loop {
        let step = walk.step(None)?;
        let lost = match &step {
            Step::Hole(hole) => Some(hole.segment),
            Step::Raw(..) | Step::End => None,
        };
        let (now, told) = (walk.position().map(|p| p.0), check.report.faults.len());
        for passed in number.or(now).unwrap_or_default() + 1..=now.unwrap_or_default() {
            if lost.is_some_and(|segment| segment < passed) {
                check.lose_track();
            }
            check.turn(dir, passed)?;
        }
        if lost.is_some() && lost == now {
            check.lose_track();
        }
        number = now;
        match step {
            Step::Raw(raw, place) => {
                check.raw(&raw, &place);
                check.seek(raw.head().seq, now);
                tell(raw.framed_bytes());
            }
            Step::Hole(hole) => check.hole(&hole, told),
            Step::End => break,
        }
    }
    check.report.last_seq = walk.next - 1;
    check.cut_short(dir, number)?;
    if let Some(hole) = walk.ends_before(known) {
        check.fault(&hole.place, Some(hole.first), format!("{}; {}", hole.why, hole.lost()));
    }
    let remains = walk.remains();
    // A record that is just being written is none of it.
    if remains > 0 && matches!(walk.step(None)?, Step::End) {
        check.report.tail_bytes = remains;
    }
    check.report.link = check.link.as_ref().map(outside::hex).unwrap_or_default();
    check.not_found(dir);
    Ok(check.report)
}

/// What is known while walking. Behind a hole `link` is unknown until the next chained record, `cover` until the next segment.
struct Check {
    report: Report,
    link: Option<Link>,
    cover: Option<Cover>,
    sealed: bool,
    /// This segment's readings and ticks were left out.
    thin: bool,
    /// Last number passed.
    passed: u64,
    /// Numbers left out since the last anchor.
    left_out: Option<u64>,
    /// Anchors kept elsewhere and not met yet.
    sought: Vec<OutsideAnchor>,
}

impl Default for Check {
    fn default() -> Self {
        Check {
            report: Report::default(),
            link: None,
            cover: Some(Cover::default()),
            sealed: true,
            thin: false,
            passed: 0,
            left_out: Some(0),
            sought: vec![],
        }
    }
}

impl Check {
    fn fault(&mut self, place: &Place, seq: Option<u64>, what: String) {
        self.report.faults_total += 1;
        if self.report.faults.len() < FAULTS_MAX {
            let file = place.file.display().to_string();
            self.report.faults.push(Fault { file, offset: place.offset, seq, what });
        }
    }

    /// Nothing that follows from what is lost is told as a fault of its own.
    fn lose_track(&mut self) {
        (self.link, self.cover, self.left_out, self.sealed) = (None, None, None, true);
    }

    /// Told once: where passing over it showed why (`told` faults were known before), or its file was at fault already, that is the fault, and
    /// this is what it cost.
    fn hole(&mut self, hole: &Hole, told: usize) {
        let file = hole.place.file.display().to_string();
        let same = self.report.faults.last().is_some_and(|last| last.file == file && last.seq.is_none());
        let which = if same { self.report.faults.len() - 1 } else { told };
        let Some(why) = self.report.faults.get_mut(which) else {
            return self.fault(&hole.place, Some(hole.first), hole.to_string());
        };
        if hole.next > hole.first {
            why.seq = Some(hole.first);
            why.what += &format!("; {}", hole.lost());
        }
        if same {
            why.offset = hole.place.offset;
        }
    }

    /// Whether the front of the journal is where it was left.
    fn begins(&mut self, dir: &Path, number: u64, walk: &Walk) {
        let place = Place { file: Begins::path(dir), offset: 0 };
        let noted = match Begins::read(dir) {
            Ok(noted) => noted,
            Err(error) => return self.fault(&place, None, format!("{error:#}")),
        };
        let first = noted.as_ref().map_or(1, |noted| noted.segment);
        if number > first {
            let file = files::path(dir, first);
            let what = format!("this segment is missing, and so are all up to {}", number - 1);
            return self.fault(&Place { file, offset: 0 }, None, what);
        }
        let header = walk.header().filter(|header| header.number == first);
        if let Some((noted, header)) = noted.zip(header)
            && !noted.fits(header.first_seq, &header.link)
        {
            self.fault(&place, None, "what is noted of the journal's beginning is not how it begins".into());
        }
    }

    /// Strikes off what is sought and stands here: behind record `seq`, or a mark behind it.
    fn seek(&mut self, seq: u64, segment: Option<u64>) {
        let Some(link) = self.link.as_ref().filter(|_| self.sought.iter().any(|a| a.seq == seq)).map(outside::hex) else {
            return;
        };
        let (site, at) = (&self.report.site, self.report.last_at);
        let before = self.sought.len();
        self.sought.retain(|a| (&a.site, Some(a.segment), a.seq, &a.link, a.at) != (site, segment, seq, &link, at));
        self.report.anchors_found += (before - self.sought.len()) as u64;
    }

    /// As [`Check::seek`], for the numbers left out before `until`: their times are not here any more.
    fn seek_left_out(&mut self, until: u64) {
        let Some(link) = self.link.as_ref().filter(|_| !self.sought.is_empty()).map(outside::hex) else {
            return;
        };
        let (site, passed) = (&self.report.site, self.passed);
        let before = self.sought.len();
        self.sought.retain(|a| !(a.seq > passed && a.seq < until && a.site == *site && a.link == link));
        self.report.anchors_found += (before - self.sought.len()) as u64;
    }

    fn not_found(&mut self, dir: &Path) {
        let (first, last) = (self.report.first_seq, self.report.last_seq);
        for anchor in std::mem::take(&mut self.sought) {
            let same_site = anchor.site == self.report.site;
            if same_site && anchor.seq < first {
                self.report.anchors_older += 1;
                continue;
            }
            let what = if !same_site {
                format!("an anchor belongs to the site {:?}, this journal to {:?}", anchor.site, self.report.site)
            } else if anchor.seq > last {
                format!(
                    "the journal ends at record {last}, but an anchor kept elsewhere says it had record {}: the tail is missing",
                    anchor.seq
                )
            } else {
                format!("record {} is not the one an anchor kept elsewhere was made over: the chain was rewritten", anchor.seq)
            };
            self.fault(&Place { file: files::path(dir, anchor.segment), offset: 0 }, Some(anchor.seq), what);
        }
    }

    /// No segment was ever this small: what stood in one behind the last (`number`), if anything did, is not known.
    fn cut_short(&mut self, dir: &Path, number: Option<u64>) -> anyhow::Result<()> {
        for held in files::list(dir)?.iter().filter(|held| held.form == Form::Raw && Some(held.number) > number) {
            let file = held.path(dir);
            let bytes = file.metadata().map_or(SEGMENT_BYTES_MIN, |file| file.len());
            if bytes < SEGMENT_BYTES_MIN {
                self.fault(&Place { file, offset: bytes }, None, format!("the file was cut short to {bytes} bytes"));
            }
        }
        Ok(())
    }

    fn turn(&mut self, dir: &Path, number: u64) -> anyhow::Result<()> {
        if !self.sealed {
            let place = Place { file: files::path(dir, number - 1), offset: 0 };
            self.fault(&place, None, "this segment was left without a seal".into());
        }
        let file = files::path(dir, number);
        if !file.exists() {
            self.sealed = true;
            self.fault(&Place { file, offset: 0 }, None, "this segment is missing".into());
            return Ok(());
        }
        self.segment(dir, number)
    }

    fn segment(&mut self, dir: &Path, number: u64) -> anyhow::Result<()> {
        let (mut source, held) = files::open(dir, number)?;
        let place = Place { file: held.path(dir), offset: 0 };
        let begun = source.begun()?;
        (self.sealed, self.thin) = (false, held.form == Form::Thin);
        let (bytes, flaw) = match &source {
            Source::Raw(file) => (Some(file.metadata()?.len()), None),
            Source::Packed(packed) => (Some(packed.about.bytes), packed.flaw.clone()),
            Source::Lost(_) => (None, None),
        };
        let flaw = match (flaw, &begun) {
            // One cause.
            (Some(flaw), Begun::Bad(why) | Begun::Unread(why)) => Some(format!("{flaw}; {why}")),
            (None, Begun::Bad(why) | Begun::Unread(why)) => Some(why.clone()),
            (flaw, Begun::Yes(_) | Begun::No) => flaw,
        };
        if let Some(flaw) = flaw {
            self.fault(&place, None, flaw);
        }
        match begun {
            Begun::No => {
                self.sealed = true;
                return Ok(());
            }
            // Which record comes first is not known: what was left out before the first anchor cannot be counted.
            Begun::Bad(_) | Begun::Unread(_) => self.left_out = None,
            Begun::Yes(header) => {
                self.left_out = Some(0);
                if header.number != number {
                    self.fault(&place, None, format!("this is segment {}", header.number));
                }
                if let Some(bytes) = bytes.filter(|bytes| *bytes != header.bytes) {
                    self.fault(&place, None, format!("the file has {bytes} bytes, not {}", header.bytes));
                }
                if self.report.site.is_empty() {
                    self.report.site = header.site.clone();
                } else if self.report.site != header.site {
                    self.fault(&place, None, format!("this segment belongs to the site {:?}", header.site));
                }
                if self.link.is_some_and(|link| link != header.link) {
                    self.fault(&place, None, "the chain does not reach this segment".into());
                }
                self.link = Some(header.link);
                self.passed = header.first_seq.saturating_sub(1);
            }
        }
        self.cover = (!self.thin).then(Cover::default);
        self.report.segments += 1;
        self.report.archived += u64::from(held.archived);
        Ok(())
    }

    fn raw(&mut self, raw: &Raw, place: &Place) {
        let head = raw.head();
        let seq = Some(head.seq);
        if self.thin {
            self.seek_left_out(head.seq + u64::from(raw.is_mark()));
            let left_out = (head.seq + u64::from(raw.is_mark())).saturating_sub(self.passed + 1);
            self.left_out = self.left_out.map(|before| before + left_out);
        }
        self.passed = head.seq;
        if head.at < self.report.last_at {
            self.fault(place, seq, format!("record {} is earlier than the one before it", head.seq));
        }
        self.report.last_at = head.at;
        if let Some(link) = raw.link() {
            if self.link.is_some_and(|before| raw.link_behind(&before) != link) {
                self.fault(place, seq, format!("record {} does not continue the chain", head.seq));
            }
            self.link = Some(link);
        }
        if !raw.is_mark() {
            self.report.records += 1;
            if let Some(cover) = &mut self.cover {
                cover.take(head.kind, raw.covered());
            }
            if let Err(e) = codec::decode(head.kind, head.version, raw.payload())
                && head.flags & SKIPPABLE == 0
            {
                self.fault(place, seq, format!("record {}: {e:#}", head.seq));
            }
            return;
        }
        self.sealed = head.kind == SEAL;
        if matches!(head.kind, ANCHOR | SEAL) {
            self.anchor(raw, place);
        }
    }

    fn anchor(&mut self, raw: &Raw, place: &Place) {
        let seq = Some(raw.head().seq);
        let left_out = self.left_out.replace(0);
        let Ok(stated) = serde_json::from_slice::<Anchor>(raw.payload()) else {
            return self.fault(place, seq, "the anchor cannot be read".into());
        };
        if self.cover.as_mut().is_some_and(|cover| cover.anchor() != stated) {
            self.fault(place, seq, "the records before this anchor are not those it was made over".into());
        }
        if self.thin && left_out.is_some_and(|left_out| left_out != stated.unchained) {
            let what =
                format!("{} readings and ticks were left out before this anchor, and as many are not missing", stated.unchained);
            self.fault(place, seq, what);
        }
    }
}
