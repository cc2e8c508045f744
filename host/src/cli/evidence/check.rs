//! Checks an evidence file with nothing but the file, and the key and anchors that somebody kept elsewhere.
//! Must not know: data directories.

use super::about::{About, about, series};
use super::file::{Evidence, Line};
use super::gather::{decode, digests};
use super::pruned;
use super::times::Times;
use crate::journal::{Carried, OutsideAnchor};
use crate::key::{Meaning, is_signed};
use brain::Micros;
use serde::Serialize;
use std::collections::BTreeSet;

/// One thing of the alarm's story.
#[derive(Debug, Serialize)]
pub struct Step {
    /// Record.
    pub seq: u64,
    /// Its brain time, microseconds UTC.
    pub at: Micros,
    /// What the wall clock of the plant showed then, microseconds UTC; none where nothing in the file says.
    pub wall: Option<Micros>,
    /// Kind word.
    pub kind: &'static str,
    /// What happened to the alarm; empty where only its notices or answers are concerned.
    pub changes: Vec<String>,
}

/// What a check found.
#[derive(Debug, Default, Serialize)]
pub struct Report {
    /// Site.
    pub site: String,
    /// Alarm.
    pub alarm: u64,
    /// Its hazard.
    pub hazard: String,
    /// Its zone.
    pub zone: String,
    /// Program that made the file.
    pub program: String,
    /// When the file was made, microseconds UTC.
    pub made_at: Micros,
    /// Key that signed it.
    pub key: String,
    /// Records carried.
    pub records: usize,
    /// First and last record number of the range.
    pub range: (u64, u64),
    /// Head of the chain behind the last one, hex.
    pub link: String,
    /// Readings and ticks outside the chain that an anchor of the journal covers.
    pub covered: u64,
    /// Those that none covers: they rest on the signature.
    pub uncovered: u64,
    /// All up to this record is what an anchor kept elsewhere was made over; 0 = nothing.
    pub anchored: u64,
    /// Holes of the journal within the range, and what they cost.
    pub lost: Vec<String>,
    /// Tags whose readings are here.
    pub tags: Vec<String>,
    /// The alarm's story.
    pub story: Vec<Step>,
    /// What a reader must know that is no fault.
    pub notes: Vec<String>,
    /// What is wrong.
    pub faults: Vec<String>,
}

/// Checks everything. `key`: the public key the signer must have; `anchors`: kept elsewhere.
pub fn check(bytes: &[u8], key: Option<&str>, anchors: &[OutsideAnchor]) -> Report {
    let mut report = Report::default();
    let (body, signature) = split(bytes, &mut report.faults);
    let evidence = match Evidence::read(body, &mut report.faults) {
        Ok(evidence) => evidence,
        Err(error) => {
            report.faults.push(format!("{error:#}"));
            return report;
        }
    };
    let header = &evidence.header;
    report.site.clone_from(&header.site);
    report.program.clone_from(&header.program);
    report.key.clone_from(&header.key);
    (report.alarm, report.made_at, report.records) = (header.alarm, header.made_at, evidence.records.len());
    if !signature.is_some_and(|signature| is_signed(&header.key, Meaning::Evidence, body, &signature)) {
        report.faults.push("the signature does not fit: the file was changed after it was made".into());
    }
    let signed_by =
        |anchor: &&OutsideAnchor| anchor.site == header.site && anchor.key.as_ref().is_some_and(|key| *key != header.key);
    match key {
        Some(key) if key.trim() != header.key => {
            report.faults.push(format!("the file is signed with {}, not with {}", header.key, key.trim()));
        }
        Some(_) => {}
        None if anchors.iter().any(|anchor| signed_by(&anchor)) => {
            let other = anchors.iter().find(signed_by).and_then(|anchor| anchor.key.clone()).unwrap_or_default();
            report
                .faults
                .push(format!("the file is signed with {}, the anchors with {other}: somebody else made it", header.key));
        }
        None => report
            .notes
            .push("no --key given: compare the key above with what `safety-brain evidence key` prints at the site".into()),
    }
    report.notes.extend(header.notes.iter().cloned());
    if let Some(breaks) = chain(&evidence, anchors, &mut report) {
        content(&evidence, &breaks, &mut report);
    }
    report
}

/// The lines that are signed, and the signature; the last line must be it, to the last byte.
fn split<'a>(bytes: &'a [u8], faults: &mut Vec<String>) -> (&'a [u8], Option<String>) {
    let ended = bytes.strip_suffix(b"\n").unwrap_or(bytes);
    let begin = ended.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
    if let Ok(Line::Signature(signature)) = serde_json::from_slice(&ended[begin..])
        && signature_line(&signature) == bytes[begin..]
    {
        return (&bytes[..begin], Some(signature));
    }
    faults.push("the last line is not a signature: the file was cut short or changed".into());
    (bytes, None)
}

/// The last line.
pub fn signature_line(signature: &str) -> Vec<u8> {
    format!("{{\"signature\":\"{signature}\"}}\n").into_bytes()
}

/// Numbers of the records before which the chain begins anew; none where it does not begin at all.
fn chain(evidence: &Evidence, anchors: &[OutsideAnchor], report: &mut Report) -> Option<Vec<u64>> {
    let header = &evidence.header;
    let mine: Vec<_> = anchors.iter().filter(|anchor| anchor.site == header.site).cloned().collect();
    let mut chain = match evidence.chain(mine, &mut report.faults) {
        Ok(chain) => chain,
        Err(error) => {
            report.faults.push(format!("{error:#}"));
            return None;
        }
    };
    let (missed, uncovered) = chain.end();
    report.faults.extend(missed.iter().map(|anchor| {
        format!("an anchor kept elsewhere was made behind record {} over another chain: the journal was rewritten before this file was made", anchor.seq)
    }));
    let last = evidence.records.last().map_or(header.first, |(_, record)| record.seq);
    (report.range, report.link, report.anchored) = ((header.first, last), chain.link(), chain.anchored());
    (report.covered, report.uncovered) = (chain.covered, uncovered);
    report.lost = evidence.lost.iter().map(|(_, lost)| lost.why.clone()).collect();
    report.notes.extend(evidence.lost.iter().map(|(_, lost)| {
        let goes_on = if chain.breaks.contains(&lost.next) {
            "the chain begins anew behind it, and what it begins with is vouched for by the signature alone"
        } else {
            "the chain goes on over it"
        };
        format!("a hole: {}; {goes_on}", lost.why)
    }));
    if let Some(anchor) = chain.unproved.first() {
        report.notes.push(format!(
            "{} of the anchors kept elsewhere were made behind records that are lost or stand at a hole, the first behind record {}: they prove nothing here",
            chain.unproved.len(),
            anchor.seq
        ));
    }
    if uncovered > 0 {
        let at = if evidence.lost.is_empty() { "at the end" } else { "at the end or beside what is lost" };
        report.notes.push(format!("{uncovered} records of readings and ticks {at} are covered by no anchor of the journal: the signature alone vouches for them"));
    }
    let own = evidence.records.iter().filter(|(own, _)| *own).map(|(_, record)| record.seq);
    let open = own.filter(|seq| !chain.is_anchored(*seq)).count();
    match (anchors.is_empty(), open) {
        (true, _) => report.notes.push("no --anchor given: the signature says who made the file, but only an anchor kept elsewhere shows that the journal was not rewritten before".into()),
        (false, 0) => {}
        (false, open) if chain.breaks.is_empty() => report.faults.push(format!(
            "{open} records about the alarm are covered by none of the anchors given: give one made behind record {last}, or make the file again with `evidence export --anchor`"
        )),
        (false, open) => report.faults.push(format!(
            "{open} records about the alarm are covered by none of the anchors given: give all there are, also those from before what is lost; what none of them covers only the signature vouches for (check without --anchor)"
        )),
    }
    Some(chain.breaks)
}

/// What the file says for people must be what its records say.
fn content(evidence: &Evidence, breaks: &[u64], report: &mut Report) {
    for site in &evidence.sites {
        if site.digest != format!("blake3:{}", blake3::hash(site.is.get().as_bytes()).to_hex()) {
            report.faults.push(format!("the site {} does not have this digest", site.digest));
        }
    }
    let records: Vec<Carried> = evidence.records.iter().map(|(_, record)| record.clone()).collect();
    let start = match evidence.started.as_ref().map(Carried::entry).transpose() {
        Ok(start) => start.flatten(),
        Err(error) => return report.faults.push(format!("{error:#}")),
    };
    let decoded = match decode(&records) {
        Ok(decoded) => decoded,
        Err(error) => return report.faults.push(format!("{error:#}")),
    };
    let named = digests(start.iter().chain(decoded.iter().map(|(_, entry)| entry)));
    for digest in named.iter().filter(|digest| evidence.sites.iter().all(|site| site.digest != **digest)) {
        report.notes.push(format!("the site {digest} was in force and is not in the file"));
    }
    for site in evidence.sites.iter().filter(|site| !named.contains(&site.digest)) {
        report.faults.push(format!("no start in the file names the site {}", site.digest));
    }
    let entries: Vec<_> = decoded.iter().map(|(record, entry)| (record.seq, entry.clone())).collect();
    let About { own, tags, changes } = about(evidence.header.alarm, &entries, &evidence.sites);
    let Some((_, _, alarm)) = changes.first() else {
        return report.faults.push(format!("no record here tells of a change of alarm {}", evidence.header.alarm));
    };
    let times = Times::of(evidence.clocks.as_ref(), &decoded, &mut report.faults);
    (report.hazard, report.zone) = (alarm.key.hazard.clone(), alarm.key.zone.clone());
    for (labelled, record) in &evidence.records {
        let is_own = !record.is_mark() && own.contains(&record.seq);
        if is_own != *labelled {
            report.faults.push(format!(
                "record {} is said to be {}the alarm's own, and is not so",
                record.seq,
                if *labelled { "" } else { "not " }
            ));
        }
        if is_own {
            let happened = changes.iter().filter(|(seq, _, _)| *seq == record.seq).map(|(_, change, _)| word(change)).collect();
            let (seq, at, wall) = (record.seq, record.at, times.wall(record.at));
            report.story.push(Step { seq, at, wall, kind: record.word(), changes: happened });
        }
    }
    report.notes.extend(times.notes(report.story.iter().map(|step| step.at)));
    report.notes.extend(times.gaps(&decoded));
    // As text: NaN equals NaN.
    let shown = series(&tags, start.as_ref(), &decoded, breaks, &evidence.sites);
    if serde_json::to_string(&shown).ok() != serde_json::to_string(&evidence.series).ok() {
        report.faults.push("the readings shown are not those of the records".into());
    }
    report.faults.extend(evidence.pruned.iter().filter_map(|pruned| pruned::fault(pruned, &tags)));
    report.notes.extend(evidence.pruned.iter().map(|pruned| pruned::told(pruned, |at| times.told(at))));
    let stored = evidence.pruned.iter().flat_map(|pruned| &pruned.series);
    let with_readings: BTreeSet<String> = shown.iter().chain(stored).map(|series| series.tag.clone()).collect();
    report.tags = with_readings.into_iter().collect();
}

fn word(change: &brain::event::Change) -> String {
    serde_json::to_value(change).ok().and_then(|word| word.as_str().map(str::to_owned)).unwrap_or_default()
}
