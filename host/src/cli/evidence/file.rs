//! The form of an evidence file: lines of JSON, the last of them the signature over all before it. Must not know: where they come from.
//!
//! | Line | Holds |
//! |---|---|
//! | `evidence` | what it is, of which alarm, made when by what, the key, the link before the first record |
//! | `site` | the site in force, under the digest that a start names: zones, limits, ladders, rules and their digests |
//! | `started` | the start before the first record: names site and tags. It stands before the chain carried here: only the signature vouches for it |
//! | `clock` | records of the wall clock from outside the range by which its times are read: only the signature vouches for it (form 4) |
//! | `readings` | what one tag said, for people; the same as in the packed records |
//! | `pruned` | a stretch whose readings are no longer in the journal, and what the store still has of them: only the signature vouches for that (form 2) |
//! | `own`, `other` | a record of the journal, verbatim: about the alarm, or needed for the chain |
//! | `lost` | stands among the records, where the journal is damaged: which ones cannot be read, and why (form 3) |
//! | `signature` | Ed25519 over the BLAKE3 of all lines before |

use crate::cli::progress::Progress;
use crate::journal::{Carried, Chain, Lost, OutsideAnchor};
use anyhow::{Context, bail};
use brain::Micros;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

/// What the first line says the file is.
pub const FORMAT: &str = "safety-brain evidence 4";
/// Forms in the order in which they came; each is read, and the last one is written. From the second on there are `pruned` lines, from the third on
/// `lost` ones, from the fourth on a `clock` line. Others are refused, never guessed at.
const FORMATS: [&str; 4] = ["safety-brain evidence 1", "safety-brain evidence 2", "safety-brain evidence 3", FORMAT];

/// The first line.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Header {
    /// One of the forms.
    pub format: String,
    /// Version of the program that made it.
    pub program: String,
    /// Site.
    pub site: String,
    /// Alarm.
    pub alarm: u64,
    /// When it was made, microseconds UTC by the wall clock.
    pub made_at: Micros,
    /// Public key, `ed25519:` and hex.
    pub key: String,
    /// Number of the first record that may follow.
    pub first: u64,
    /// Link before it, hex.
    pub link: String,
    /// What was seen when it was made that a reader must know.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<String>,
}

/// A site under its digest.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Kept {
    /// BLAKE3 of the very characters of `is`.
    pub digest: String,
    /// The site.
    pub is: Box<RawValue>,
}

/// How the wall clock read beside brain time, as far as the records of the range do not say it.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Clocks {
    /// The newest record of the clock before the range, and those behind it that are of a run in the range; in order.
    pub records: Vec<Carried>,
    /// Why there may have been others before the range; empty = there were none.
    pub missing: String,
}

/// What one tag said.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Series {
    /// Tag name.
    pub tag: String,
    /// Its unit.
    pub unit: String,
    /// In order of arrival.
    pub rows: Vec<Row>,
}

/// One reading.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Row {
    /// When it arrived, brain time.
    pub at: Micros,
    /// When it was measured, as the source says, turned into brain time.
    pub source_us: Micros,
    /// In the unit.
    #[serde(with = "brain::words::number")]
    pub value: f64,
    /// Quality code.
    pub quality: u8,
}

/// A stretch of time whose readings were pruned from the journal.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Pruned {
    /// First brain time, microseconds UTC.
    pub from: Micros,
    /// Last time.
    pub to: Micros,
    /// What the store has: arrival times to the millisecond below. No link and no anchor covers it.
    pub series: Vec<Series>,
    /// Why some or all of it may be missing; empty = the store is whole there.
    pub missing: Vec<String>,
}

/// One line.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Line {
    /// First.
    Evidence(Header),
    /// Any number.
    Site(Kept),
    /// At most one.
    Started(Carried),
    /// One, from form 4 on.
    Clock(Clocks),
    /// Any number.
    Readings(Series),
    /// Any number, in order.
    Pruned(Pruned),
    /// In order, mixed with `Other`.
    Own(Carried),
    /// In order, mixed with `Own`.
    Other(Carried),
    /// In its place among `Own` and `Other`.
    Lost(Lost),
    /// Last.
    Signature(String),
}

/// All lines but the signature, sorted into what they are.
pub struct Evidence {
    /// The first line.
    pub header: Header,
    /// Sites in force.
    pub sites: Vec<Kept>,
    /// The start before the first record.
    pub started: Option<Carried>,
    /// How the wall clock read; none in a file of an older form.
    pub clocks: Option<Clocks>,
    /// What tags said.
    pub series: Vec<Series>,
    /// Of which stretches the journal no longer has what tags said.
    pub pruned: Vec<Pruned>,
    /// Records in order, and whether they are about the alarm.
    pub records: Vec<(bool, Carried)>,
    /// Holes, in order, and how many of the records stand before each.
    pub lost: Vec<(usize, Lost)>,
}

impl Evidence {
    /// The lines, without the signature.
    ///
    /// # Errors
    /// None that is known; whatever the writer of JSON says.
    pub fn body(&self) -> anyhow::Result<Vec<u8>> {
        let mut out = Vec::new();
        let mut put = |line: &Line| -> anyhow::Result<()> {
            serde_json::to_writer(&mut out, line)?;
            out.push(b'\n');
            Ok(())
        };
        put(&Line::Evidence(self.header.clone()))?;
        for site in &self.sites {
            put(&Line::Site(site.clone()))?;
        }
        if let Some(started) = &self.started {
            put(&Line::Started(started.clone()))?;
        }
        if let Some(clocks) = &self.clocks {
            put(&Line::Clock(clocks.clone()))?;
        }
        for series in &self.series {
            put(&Line::Readings(series.clone()))?;
        }
        for pruned in &self.pruned {
            put(&Line::Pruned(pruned.clone()))?;
        }
        let holes = |before: usize| self.lost.iter().filter(move |(at, _)| *at == before);
        for (at, (own, record)) in self.records.iter().enumerate() {
            for (_, lost) in holes(at) {
                put(&Line::Lost(lost.clone()))?;
            }
            put(&if *own { Line::Own(record.clone()) } else { Line::Other(record.clone()) })?;
        }
        for (_, lost) in holes(self.records.len()) {
            put(&Line::Lost(lost.clone()))?;
        }
        Ok(out)
    }

    /// Reads lines. Those that cannot be read are named in `faults`, by number; the others still count.
    ///
    /// # Errors
    /// The first line does not say that this is an evidence file of a form this program knows.
    pub fn read(body: &[u8], faults: &mut Vec<String>) -> anyhow::Result<Evidence> {
        let mut lines = body.strip_suffix(b"\n").unwrap_or(body).split(|byte| *byte == b'\n');
        let header = match lines.next().map(serde_json::from_slice) {
            Some(Ok(Line::Evidence(header))) => header,
            Some(Ok(_)) | None => bail!("line 1 does not say that this is an evidence file"),
            Some(Err(error)) => return Err(error).context("line 1 does not say that this is an evidence file"),
        };
        let form = FORMATS
            .iter()
            .position(|form| *form == header.format)
            .with_context(|| format!("line 1: {:?} is not a form this program reads ({})", header.format, FORMATS.join(", ")))?;
        let (sites, series, pruned, records, lost) = Default::default();
        let mut evidence = Evidence { header, sites, started: None, clocks: None, series, pruned, records, lost };
        let progress = Progress::over(body.len() as u64, "reading the file");
        for (number, line) in (2..).zip(lines) {
            progress.pass(line.len() as u64 + 1);
            match serde_json::from_slice(line) {
                Ok(Line::Site(site)) => evidence.sites.push(site),
                Ok(Line::Started(record)) if evidence.started.is_none() => evidence.started = Some(record),
                Ok(Line::Clock(clocks)) if form >= 3 && evidence.clocks.is_none() => evidence.clocks = Some(clocks),
                Ok(Line::Readings(series)) => evidence.series.push(series),
                Ok(Line::Pruned(pruned)) if form >= 1 => evidence.pruned.push(pruned),
                Ok(Line::Own(record)) => evidence.records.push((true, record)),
                Ok(Line::Other(record)) => evidence.records.push((false, record)),
                Ok(Line::Lost(lost)) if form >= 2 => evidence.lost.push((evidence.records.len(), lost)),
                Ok(
                    Line::Evidence(_) | Line::Started(_) | Line::Clock(_) | Line::Pruned(_) | Line::Lost(_) | Line::Signature(_),
                ) => faults.push(format!("line {number}: out of place")),
                Err(error) => faults.push(format!("line {number}: {error}")),
            }
        }
        Ok(evidence)
    }

    /// Takes the chain up again over all records. What does not fit is added to `faults`.
    ///
    /// # Errors
    /// It does not say where the chain begins.
    pub fn chain(&self, anchors: Vec<OutsideAnchor>, faults: &mut Vec<String>) -> anyhow::Result<Chain> {
        let mut chain = Chain::begin(&self.header.link, self.header.first, anchors)?;
        let mut holes = self.lost.iter().peekable();
        for (at, (_, record)) in self.records.iter().enumerate() {
            while let Some((_, lost)) = holes.next_if(|(before, _)| *before == at) {
                faults.extend(chain.lose(lost).err().map(|error| format!("{error:#}")));
            }
            faults.extend(chain.take(record).err().map(|error| format!("{error:#}")));
        }
        for (_, lost) in holes {
            faults.extend(chain.lose(lost).err().map(|error| format!("{error:#}")));
        }
        Ok(chain)
    }
}
