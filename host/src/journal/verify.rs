//! Checking a journal without trusting it: headers, CRCs, dense numbers, order of time, the chain, anchors and seals.
//! Opens nothing for writing; works on a copied directory and beside a running writer. Must not know: what entries mean.

use super::codec::{self, ANCHOR, Anchor, SEAL};
use super::cover::Cover;
use super::outside::{self, OutsideAnchor};
use super::record::{Link, Raw, SKIPPABLE};
use super::reopen::first_link;
use super::segment::{self, Begun};
use super::walk::{Place, Step, Walk};
use brain::Micros;
use serde::Serialize;
use std::path::Path;

/// Faults listed; further ones are only counted.
const FAULTS_MAX: usize = 100;

/// Something that is not as it was written.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Fault {
    /// Segment file.
    pub file: String,
    /// Byte in it.
    pub offset: u64,
    /// What was found.
    pub what: String,
}

/// What a check found.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Report {
    /// Site the journal belongs to.
    pub site: String,
    /// Segments that hold records.
    pub segments: u64,
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
    verify_against(dir, &[], &mut |_| {})
}

/// As [`verify`], and that each of the `anchors` kept elsewhere is still in the chain, to the last bit: one that is not means a cut tail or a
/// rewritten chain. `tell` is given the bytes of each record passed.
pub fn verify_against(dir: &Path, anchors: &[OutsideAnchor], tell: &mut dyn FnMut(u64)) -> anyhow::Result<Report> {
    let mut walk = Walk::open(dir, 0)?;
    let mut check = Check { sought: anchors.to_vec(), ..Check::default() };
    let numbers = segment::numbers(dir)?;
    for pair in numbers.windows(2).filter(|pair| pair[1] != pair[0] + 1) {
        let file = segment::path(dir, pair[0] + 1);
        check.fault(&Place { file, offset: 0 }, "this segment is missing".into());
    }
    if let Some(number) = numbers.first() {
        check.report.first_seq = walk.next;
        check.link = match walk.header()? {
            Some(header) if header.first_seq == 1 => Some(first_link(&header.site)),
            Some(header) => Some(header.link),
            None => None,
        };
        check.segment(dir, *number)?;
    }
    let mut number = walk.position().map(|p| p.0);
    loop {
        let step = walk.step(None)?;
        let now = walk.position().map(|p| p.0);
        if now != number {
            for passed in segment::numbers(dir)?.into_iter().filter(|n| Some(*n) > number && Some(*n) <= now) {
                check.turn(dir, passed)?;
            }
            number = now;
        }
        match step {
            Step::Raw(raw, place) => {
                check.raw(&raw, &place);
                check.seek(raw.head().seq, now);
                tell(raw.framed_bytes());
            }
            Step::Hole(hole) => {
                check.link = None;
                check.cover = None;
                check.sealed = true;
                check.fault(&hole.place, hole.to_string());
            }
            Step::End => break,
        }
    }
    check.report.last_seq = walk.next - 1;
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
    /// Anchors kept elsewhere and not met yet.
    sought: Vec<OutsideAnchor>,
}

impl Default for Check {
    fn default() -> Self {
        Check { report: Report::default(), link: None, cover: Some(Cover::default()), sealed: true, sought: vec![] }
    }
}

impl Check {
    fn fault(&mut self, place: &Place, what: String) {
        self.report.faults_total += 1;
        if self.report.faults.len() < FAULTS_MAX {
            let file = place.file.display().to_string();
            self.report.faults.push(Fault { file, offset: place.offset, what });
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
            self.fault(&Place { file: segment::path(dir, anchor.segment), offset: 0 }, what);
        }
    }

    fn turn(&mut self, dir: &Path, number: u64) -> anyhow::Result<()> {
        if !self.sealed {
            let place = Place { file: segment::path(dir, number - 1), offset: 0 };
            self.fault(&place, "this segment was left without a seal".into());
        }
        self.segment(dir, number)
    }

    fn segment(&mut self, dir: &Path, number: u64) -> anyhow::Result<()> {
        let file = segment::path(dir, number);
        let begun = segment::read_header(&std::fs::File::open(&file)?)?;
        let bytes = std::fs::metadata(&file)?.len();
        let place = Place { file, offset: 0 };
        self.sealed = false;
        match begun {
            Begun::No => return Ok(()),
            Begun::Bad(why) => self.fault(&place, why),
            Begun::Yes(header) => {
                if header.number != number {
                    self.fault(&place, format!("this is segment {}", header.number));
                }
                if header.bytes != bytes {
                    self.fault(&place, format!("the file has {bytes} bytes, not {}", header.bytes));
                }
                if self.report.site.is_empty() {
                    self.report.site = header.site.clone();
                } else if self.report.site != header.site {
                    self.fault(&place, format!("this segment belongs to the site {:?}", header.site));
                }
                if self.link.is_some_and(|link| link != header.link) {
                    self.fault(&place, "the chain does not reach this segment".into());
                }
                self.link = Some(header.link);
            }
        }
        self.cover = Some(Cover::default());
        self.report.segments += 1;
        Ok(())
    }

    fn raw(&mut self, raw: &Raw, place: &Place) {
        let head = raw.head();
        if head.at < self.report.last_at {
            self.fault(place, format!("record {} is earlier than the one before it", head.seq));
        }
        self.report.last_at = head.at;
        if let Some(link) = raw.link() {
            if self.link.is_some_and(|before| raw.link_behind(&before) != link) {
                self.fault(place, format!("record {} does not continue the chain", head.seq));
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
                self.fault(place, format!("record {}: {e:#}", head.seq));
            }
            return;
        }
        self.sealed = head.kind == SEAL;
        if matches!(head.kind, ANCHOR | SEAL) {
            self.anchor(raw, place);
        }
    }

    fn anchor(&mut self, raw: &Raw, place: &Place) {
        let Ok(stated) = serde_json::from_slice::<Anchor>(raw.payload()) else {
            return self.fault(place, "the anchor cannot be read".into());
        };
        if self.cover.as_mut().is_some_and(|cover| cover.anchor() != stated) {
            self.fault(place, "the records before this anchor are not those it was made over".into());
        }
    }
}
