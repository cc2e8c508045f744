//! Takes out of a data directory what an evidence file needs. Reads only; safe beside a running daemon.
//! Must not know: how lines are written, signatures.
//!
//! Two passes. The first finds where the alarm is named. The second takes all chained records from the anchor before that (so that the
//! readings there are covered) to the anchor behind it, and the readings of those stretches that lie in a window around a change. Where the journal is
//! damaged in there, what is lost is said in its place, and the rest is taken.

use super::about::{About, Follow, about, series};
use super::file::{Clocks, Evidence, FORMAT, Header, Kept};
use super::pruned;
use crate::cli::progress::Progress;
use crate::daemon::snapshot;
use crate::journal::{self, Carried, Carrier, Lost, Next, OutsideAnchor};
use anyhow::{Context, bail, ensure};
use brain::Micros;
use brain::event::{Change, Entry, Event, Record};
use serde_json::value::RawValue;
use std::collections::{BTreeSet, VecDeque};
use std::path::{Path, PathBuf};

/// How much is wanted.
pub struct Wanted {
    /// Which alarm.
    pub alarm: u64,
    /// Readings from so long before each change that matters.
    pub before: Micros,
    /// To so long after it.
    pub after: Micros,
    /// A folder that may be made, for copies of what the store has.
    pub scratch: PathBuf,
    /// Kept elsewhere: the records must reach one of them.
    pub anchors: Vec<OutsideAnchor>,
}

/// Where the alarm is named.
struct Found {
    /// Last start before the first record wanted.
    started: Option<u64>,
    /// First record wanted: the window before the first that names the alarm begins here.
    first: u64,
    /// Last record that names the alarm.
    last: u64,
    /// Windows around what happened, by time.
    windows: Vec<(Micros, Micros)>,
    /// What the journal says of the wall clock.
    clock: Clocked,
}

/// Where the journal tells of the wall clock, and where such a record may be lost.
#[derive(Default)]
struct Clocked {
    /// Number of each record of the clock, and the brain time from which on it holds.
    records: Vec<(u64, Micros)>,
    /// Numbers of the records behind holes.
    holes: Vec<u64>,
    /// First record of the journal that can be read.
    begins: u64,
}

impl Clocked {
    fn pass(&mut self, record: &Record) {
        if self.begins == 0 {
            self.begins = record.seq;
        }
        if let Entry::Event(Event::Clock { since, .. }) = record.entry {
            self.records.push((record.seq, since));
        }
    }

    /// What is carried beside the range of these records, which begins with record `first`.
    fn beside(&self, dir: &Path, first: u64, range: &[Carried]) -> Clocks {
        let (last, last_at) = range.last().map_or((first, Micros::MIN), |record| (record.seq, record.at));
        let before = self.records.iter().rev().find(|(seq, _)| *seq < first);
        let behind = self.records.iter().filter(|(seq, since)| *seq > last && *since <= last_at);
        let known = before.map_or(0, |(seq, _)| *seq);
        let mut clocks = Clocks::default();
        if known == 0 && self.begins > 1 {
            clocks.missing = format!("the journal begins with record {}", self.begins);
        } else if let Some(hole) = self.holes.iter().find(|hole| (known + 1..=first).contains(hole)) {
            clocks.missing = format!("records before record {hole} are lost");
        }
        for (seq, _) in before.into_iter().chain(behind) {
            match one(dir, *seq) {
                Ok(record) => clocks.records.push(record),
                Err(error) => clocks.missing = format!("{error:#}"),
            }
        }
        clocks
    }
}

/// Time between the places remembered while the first one is looked for.
const PLACES_APART: Micros = 1_000_000;

/// Reads all that the file will hold; `key` is the public key it will be signed with.
///
/// # Errors
/// No such alarm, a journal that cannot be read, or anchors that are not in it.
pub fn gather(data: &Path, wanted: &Wanted, key: String) -> anyhow::Result<Evidence> {
    let dir = crate::cli::journal::folder(data)?;
    let found = find(&dir, wanted)?;
    let started = found.started.and_then(|seq| {
        let unread = |error: &anyhow::Error| eprintln!("warning: the start that names the tags is not in the file: {error:#}");
        one(&dir, seq).inspect_err(unread).ok()
    });
    // From the record before: a hole right in front of the first one is met.
    let mut carrier = Carrier::open(&dir, found.first - 1)?;
    let Taken { first, link, records, lost, pruned } = take(&mut carrier, &found, wanted)?;
    let decoded = decode(&records)?;
    let clocks = Some(found.clock.beside(&dir, first, &records));
    // One behind the anchor that the records begin with is among them.
    let started = started.filter(|started| started.seq < first);
    let start = started.as_ref().map(Carried::entry).transpose()?.flatten();
    let entries = || start.iter().chain(decoded.iter().map(|(_, entry)| entry));
    let sites = sites(data, &digests(entries()));
    let events: Vec<(u64, Entry)> = decoded.iter().map(|(carried, entry)| (carried.seq, entry.clone())).collect();
    let About { own, tags, .. } = about(wanted.alarm, &events, &sites);
    let header = Header {
        format: FORMAT.to_owned(),
        program: env!("CARGO_PKG_VERSION").to_owned(),
        site: carrier.site,
        alarm: wanted.alarm,
        made_at: jiff::Timestamp::now().as_microsecond(),
        key,
        first,
        link,
        notes: carrier.unsettled.into_iter().collect(),
    };
    let records = records.into_iter().map(|record| (!record.is_mark() && own.contains(&record.seq), record)).collect();
    let mut evidence = Evidence { header, sites, started, clocks, series: vec![], pruned: vec![], records, lost };
    // What does not fit is said by the check of the whole file.
    let breaks = evidence.chain(vec![], &mut vec![])?.breaks;
    evidence.series = series(&tags, start.as_ref(), &decoded, &breaks, &evidence.sites);
    evidence.pruned = pruned::stored(data, &wanted.scratch, &pruned::gone(&found.windows, &pruned), &tags, &evidence.sites);
    Ok(evidence)
}

/// Records with what they hold, marks left out.
pub fn decode(records: &[Carried]) -> anyhow::Result<Vec<(Carried, Entry)>> {
    let mut decoded = Vec::new();
    for record in records {
        if let Some(entry) = record.entry().with_context(|| format!("record {}", record.seq))? {
            decoded.push((record.clone(), entry));
        }
    }
    Ok(decoded)
}

/// Digests of the sites that starts name.
pub fn digests<'a>(entries: impl Iterator<Item = &'a Entry>) -> BTreeSet<String> {
    let digest = |entry: &Entry| match entry {
        Entry::Event(Event::Started { config, .. }) => Some(config.clone()),
        Entry::Event(_) | Entry::Bureau(_) | Entry::Outcome { .. } => None,
    };
    entries.filter_map(digest).collect()
}

fn find(dir: &Path, wanted: &Wanted) -> anyhow::Result<Found> {
    let progress = Progress::over(journal::last(dir)?, "looking for the alarm");
    let mut follow = Follow::new(wanted.alarm);
    let (mut starts, mut places, mut found) = (Vec::new(), VecDeque::new(), None::<Found>);
    let mut clock = Clocked::default();
    // Of the last hole: time before it, its first number, number behind it; time and number of the last record.
    let (mut hole, mut broken, mut last) = (None::<(Micros, u64, u64)>, false, (Micros::MIN, 0));
    for record in journal::read(dir, 1)? {
        progress.pass(1);
        let record = match record {
            Ok(record) => record,
            // Said in its place, if it lies in the range.
            Err(error) if journal::goes_on(&error) => {
                broken = true;
                continue;
            }
            Err(error) => return Err(error),
        };
        if std::mem::take(&mut broken) {
            hole = Some((last.0, last.1 + 1, record.seq));
            places.push_back((record.at, record.seq));
            clock.holes.push(record.seq);
        }
        clock.pass(&record);
        last = (record.at, record.seq);
        if found.is_none() {
            if places.back().is_none_or(|(at, _)| record.at - at >= PLACES_APART) {
                places.push_back((record.at, record.seq));
            }
            while places.get(1).is_some_and(|(at, _)| record.at - at > wanted.before) {
                places.pop_front();
            }
            // Nothing before a hole is wanted where the window begins in it.
            let (before, _, behind) = hole.unwrap_or_default();
            while record.at - before > wanted.before && places.front().is_some_and(|(_, seq)| *seq < behind) {
                places.pop_front();
            }
        }
        if follow.names(record.seq, &record.entry) {
            let (_, first) = places.front().copied().unwrap_or_default();
            // What opened it is lost: the range begins at the hole, so that this is said.
            let opens = follow.changes(&record.entry).any(|(change, _)| change == Change::Opened);
            let first = hole.filter(|_| !opens).map_or(first, |(_, lost, _)| lost);
            let found = found.get_or_insert_with(|| Found {
                started: None,
                first: first.max(1),
                last: 0,
                windows: vec![],
                clock: Clocked::default(),
            });
            found.last = record.seq;
            let told = follow.changes(&record.entry).any(|(change, _)| tells(change));
            if told {
                found.windows.push((record.at - wanted.before, record.at + wanted.after));
            }
        }
        if found.is_none() && matches!(record.entry, Entry::Event(Event::Started { .. })) {
            starts.push(record.seq);
        }
    }
    let found = found.with_context(|| {
        format!("no record of the journal names alarm {}: `safety-brain journal export` shows all there are", wanted.alarm)
    })?;
    let started = starts.into_iter().filter(|seq| *seq < found.first).max();
    Ok(Found { started, clock, ..found })
}

/// What happened to the condition; who was told and what people did needs no readings.
fn tells(change: Change) -> bool {
    match change {
        Change::Opened
        | Change::Reopened
        | Change::Raised
        | Change::Lowered
        | Change::Cleared
        | Change::Held
        | Change::Recorded => true,
        Change::Acknowledged
        | Change::Reset
        | Change::Handled
        | Change::Accident
        | Change::Closed
        | Change::Shelved
        | Change::Unshelved
        | Change::Suppressed
        | Change::Restored
        | Change::Nuisance
        | Change::Escalated => false,
    }
}

fn one(dir: &Path, seq: u64) -> anyhow::Result<Carried> {
    let mut carrier = Carrier::open(dir, seq)?;
    loop {
        match carrier.step()? {
            Next::Record(record) if record.seq == seq && !record.is_mark() => return Ok(record),
            Next::Record(record) if record.seq <= seq => {}
            Next::Record(_) | Next::End => bail!("record {seq} cannot be read"),
            Next::Lost(_) => {}
        }
    }
}

/// What is carried.
struct Taken {
    /// Number of the first record.
    first: u64,
    /// Link before it.
    link: String,
    records: Vec<Carried>,
    /// Holes among them, and how many records stand before each.
    lost: Vec<(usize, Lost)>,
    /// Stretches of time whose readings and ticks were pruned.
    pruned: Vec<(Micros, Micros)>,
}

fn take(carrier: &mut Carrier, found: &Found, wanted: &Wanted) -> anyhow::Result<Taken> {
    let site = carrier.site.clone();
    let mut sought: Vec<&OutsideAnchor> = wanted.anchors.iter().filter(|a| a.site == site && a.seq >= found.last).collect();
    sought.sort_by_key(|anchor| anchor.seq);
    ensure!(
        wanted.anchors.is_empty() || !sought.is_empty(),
        "none of the anchors was made at or behind record {}, the last that names the alarm: give a later one",
        found.last
    );
    let until = sought.first().map_or(found.last, |anchor| anchor.seq);
    let over = found.windows.iter().map(|(_, to)| *to).max().unwrap_or(Micros::MIN);
    let progress = Progress::over(until.saturating_sub(found.first), "taking records");
    let (mut first, mut link) = (None, carrier.link());
    let (mut records, mut stretch): (Vec<Carried>, Vec<Carried>) = Default::default();
    let (mut pruned, mut before): (Vec<(Micros, Micros)>, _) = (vec![], Micros::MIN);
    let (mut done, mut begun, mut lost) = (false, false, vec![]);
    loop {
        let record = match carrier.step()? {
            Next::Record(record) => record,
            Next::End => break,
            Next::Lost(_) if done => break,
            Next::Lost(hole) if begun => {
                // What stands before it is covered by no anchor any more.
                keep(&mut stretch, &mut records, &found.windows);
                lost.push((records.len(), hole));
                continue;
            }
            Next::Lost(hole) => {
                // Before the range: it begins behind it, or behind the next anchor.
                stretch.clear();
                (first, link) = (Some(hole.first), carrier.link());
                lost = vec![(0, hole)];
                continue;
            }
        };
        begun |= record.seq >= found.first;
        // All marks behind the last record come along: an anchor kept elsewhere may have been made behind any of them.
        if done && !record.is_mark() {
            break;
        }
        progress.pass(u64::from(record.seq >= found.first));
        let (seq, at, ends) = (record.seq, record.at, record.ends_stretch());
        if carrier.is_pruned() {
            pruned.push((before, at));
        }
        before = at;
        if first.is_none() && !record.is_mark() {
            first = Some(seq);
        }
        stretch.push(record);
        if !ends {
            continue;
        }
        if seq < found.first {
            // All before this anchor is not wanted: begin behind it.
            stretch.clear();
            lost.clear();
            (first, link) = (Some(seq + 1), carrier.link());
            continue;
        }
        keep(&mut stretch, &mut records, &found.windows);
        done = seq >= until && at >= over;
    }
    keep(&mut stretch, &mut records, &found.windows);
    Ok(Taken { first: first.unwrap_or(found.first), link, records, lost, pruned })
}

/// Chained records always; those outside the chain all or none, because their anchor covers them together.
fn keep(stretch: &mut Vec<Carried>, records: &mut Vec<Carried>, windows: &[(Micros, Micros)]) {
    let inside = |record: &Carried| windows.iter().any(|(from, to)| (*from..=*to).contains(&record.at));
    let whole = stretch.iter().any(|record| !record.is_chained() && inside(record));
    records.extend(stretch.drain(..).filter(|record| whole || record.is_chained()));
}

/// Sites as they are kept. One that is gone is said; the file says it again when it is checked.
fn sites(data: &Path, digests: &BTreeSet<String>) -> Vec<Kept> {
    let mut sites = Vec::new();
    for digest in digests {
        let kept = snapshot::site(data, digest).and_then(|site| Ok(RawValue::from_string(serde_json::to_string(&site)?)?));
        match kept {
            Ok(is) => sites.push(Kept { digest: digest.clone(), is }),
            Err(error) => eprintln!("warning: the site {digest} is not in the file: {error:#}"),
        }
    }
    sites
}
