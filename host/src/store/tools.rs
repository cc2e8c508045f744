//! The store from outside a daemon: made again from nothing, and counted. Must not know: where records come from, who asks.
//! Who rebuilds or counts holds the store ([`places::hold`]): two processes on one database are not possible.

use super::bases::{Bases, Day, Mark, Old, State, Touched};
use super::ingest::day;
use super::places::bytes;
use super::salvage::salvage;
use super::shelf::{Glance, Setup, Shelf, Took};
use super::{Batch, Point, Run, block, copy, keys, places, slots};
use anyhow::{Context, ensure};
use brain::Micros;
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};

/// Records applied at once.
const BATCH_RECORDS: usize = 1024;

/// What a rebuild did.
#[derive(Debug, Serialize)]
pub struct Rebuilt {
    /// Where what was replaced lies now; none where there was nothing. Never deleted by us.
    pub aside: Option<PathBuf>,
    /// UTC dates of days that were kept: the journal no longer has all of their readings.
    pub kept: Vec<String>,
    /// Records applied.
    pub records: u64,
    /// Last record applied.
    pub watermark: u64,
    /// Readings of tags that no start named: they cannot be kept.
    pub nameless: u64,
    /// Days that are not whole: date, and why.
    pub incomplete: Vec<(String, String)>,
}

/// Makes the store in `dir` anew from the records up to `last`, keeping the last `days` UTC days. What the journal has is put aside and made again;
/// days of which it no longer has all readings stay as they are, and what was put aside of them before is taken back. `tags`: their names, where they
/// are known to be the same in all records; else readings behind a hole wait for the next start, as one may be in the hole. `read`: see
/// [`Source::read`](super::Source::read).
///
/// # Errors
/// The journal cannot be read, or the disk fails. What was made so far is whole as far as it goes: the next start of a daemon goes on from there.
pub fn rebuild(
    dir: &Path,
    days: u32,
    tags: Option<Vec<String>>,
    last: u64,
    mut read: impl FnMut(u64, u64, usize) -> anyhow::Result<Batch>,
) -> anyhow::Result<Rebuilt> {
    std::fs::create_dir_all(dir).with_context(|| format!("cannot make the store's directory {}", dir.display()))?;
    let root = places::settle(dir)?;
    let begin = read(1, last, 1)?;
    let first = begin.records.first().map_or(1, |record| record.seq).max(begin.whole_from);
    let reached =
        if first > 1 { read(first, last, 1)?.records.first().map_or(i64::MAX, |record| day(record.at)) } else { i64::MIN };
    let (kept, gone): (Vec<i64>, Vec<i64>) = places::days_in(&root).into_iter().partition(|day| *day <= reached);
    let dates = |days: &[i64]| days.iter().map(|day| places::date(*day)).collect::<anyhow::Result<Vec<String>>>();
    let parts: Vec<String> = dates(&gone)?.iter().map(|date| format!("day/{date}")).collect();
    let parts: Vec<&str> = parts.iter().map(String::as_str).chain(["state"]).collect();
    let aside = if is_there(&root) { Some(places::replace(dir, &root, &parts)?) } else { None };
    let run = tags.map_or_else(Run::default, |tags| Run { seq: 1, tags });
    let setup = Setup { dir: dir.to_owned(), days, run };
    let mut shelf = Shelf::open(&root, setup, Touched::default(), first)?;
    let mut records = 0;
    loop {
        let before = shelf.glance().applied;
        let batch = read(before + 1, last, BATCH_RECORDS)?;
        if batch.records.is_empty() {
            break;
        }
        if let Took::After(left) = shelf.apply(&batch)? {
            shelf.salvaged(salvage(&left))?;
        }
        let applied = before + 1..=shelf.glance().applied;
        records += batch.records.iter().filter(|record| applied.contains(&record.seq)).count() as u64;
    }
    // Days that had been put aside, and those that turned out to be damaged.
    while let Some(from) = shelf.wanted()? {
        if let Some(left) = shelf.make(&read(from, last, BATCH_RECORDS)?)? {
            shelf.salvaged(salvage(&left))?;
        }
    }
    let Glance { applied: watermark, nameless, incomplete, .. } = shelf.glance();
    shelf.close()?;
    Ok(Rebuilt { aside, kept: dates(&kept)?, records, watermark, nameless, incomplete })
}

fn is_there(root: &Path) -> bool {
    root.join("state").exists() || root.join("day").exists()
}

/// One day of the store.
#[derive(Debug, Serialize)]
pub struct DayStat {
    /// UTC date.
    pub day: String,
    /// Bytes of its files.
    pub bytes: u64,
    /// Rows: events, indexes, blocks of readings. None where the databases were not opened, or this one cannot be read.
    pub rows: Option<u64>,
    /// Why it cannot be read.
    pub unread: Option<String>,
    /// What it held when it was over is written down. None where the databases were not opened.
    pub sealed: Option<bool>,
    /// Why it is not whole.
    pub incomplete: Option<String>,
    /// Its database is not in its place: put aside, or lost, and still to be made again.
    pub aside: bool,
}

/// What a store holds.
#[derive(Debug, Default, Serialize)]
pub struct StoreStat {
    /// Days, oldest first.
    pub days: Vec<DayStat>,
    /// Bytes of all files in use.
    pub bytes: u64,
    /// Bytes put aside.
    pub quarantine_bytes: u64,
    /// Last record applied; none where the databases were not opened.
    pub watermark: Option<u64>,
    /// Why the last process stopped using it; empty where it did not.
    pub failed: String,
    /// Why its state cannot be read: alarms, notices, how far it is.
    pub unread: Option<String>,
}

/// Counts the store in `dir`. `open`: also look into the databases, which only one process can do, and hold every row against what the database says of
/// itself. `pass` is told the bytes of each day that was looked at.
///
/// # Errors
/// A folder cannot be listed. A database that does not open or read, or is not what it says itself, is said in its row.
pub fn stat(dir: &Path, open: bool, pass: &mut dyn FnMut(u64)) -> anyhow::Result<StoreStat> {
    let mut stat =
        StoreStat { failed: places::failed(dir), quarantine_bytes: bytes(&dir.join("quarantine"))?, ..StoreStat::default() };
    let root = places::root(dir);
    stat.bytes = bytes(&root.join("state"))?;
    let (mut marks, mut seals): (BTreeMap<i64, Mark>, BTreeSet<i64>) = Default::default();
    if open && root.join("state").exists() {
        match read_state(dir, &root) {
            Ok(found) => (stat.watermark, marks, seals) = found,
            Err(error) => stat.unread = Some(format!("{error:#}")),
        }
    }
    for number in places::days_in(&root) {
        let day = places::date(number)?;
        let folder = root.join("day").join(&day);
        let (rows, unread) = match open.then(|| count(&folder)).transpose() {
            Ok(rows) => (rows, None),
            Err(error) => (None, Some(format!("{error:#}"))),
        };
        let bytes = bytes(&folder)?;
        stat.bytes += bytes;
        pass(bytes);
        let sealed = (open && stat.unread.is_none()).then(|| seals.contains(&number));
        let incomplete = marks.remove(&number).map(|mark| mark.why);
        stat.days.push(DayStat { day, bytes, rows, unread, sealed, incomplete, aside: false });
    }
    // Marks are not known where the databases were not opened; what is put aside is.
    let there: Vec<i64> = places::days_in(&root);
    for day in places::days_aside(dir).into_iter().filter(|day| !there.contains(day)) {
        marks.entry(day).or_insert(Mark::again("its database is put aside".to_owned()));
    }
    for (number, mark) in marks {
        let (day, incomplete) = (places::date(number)?, Some(mark.why));
        stat.days.push(DayStat { day, bytes: 0, rows: None, unread: None, sealed: None, incomplete, aside: true });
    }
    stat.days.sort_by(|a, b| a.day.cmp(&b.day));
    Ok(stat)
}

/// How far a store is, why days are not whole, which are sealed.
type About = (Option<u64>, BTreeMap<i64, Mark>, BTreeSet<i64>);

fn read_state(dir: &Path, root: &Path) -> anyhow::Result<About> {
    let state = Bases::open(dir, root, Touched::default())?.state;
    let (marks, mut seals) = (Mark::all(&state)?, BTreeSet::new());
    for row in state.ascending(keys::SEAL, keys::SEAL) {
        seals.insert(keys::word_from_end(&row?.0, 0) as i64);
    }
    Ok((state.get(keys::WATERMARK)?.map(|mark| keys::word_from_end(&mark, 1)), marks, seals))
}

/// Rows of a day that is whole.
fn count(folder: &Path) -> anyhow::Result<u64> {
    let context = || format!("cannot read the database {}", folder.display());
    let base = Day::open(folder, 16 << 20).with_context(context)?;
    ensure!(base.is_whole(&|| {}).with_context(context)?, "{}: its rows are not what it says itself", folder.display());
    if let Some(sum) = base.sum() {
        return Ok(sum.rows);
    }
    let mut count = 0;
    for row in base.ascending(b"", b"") {
        row.with_context(context)?;
        count += 1;
    }
    Ok(count)
}

/// Readings of tags over a stretch of time, as kept.
#[derive(Debug, Default)]
pub struct Kept {
    /// Tags that have some, in the order asked for, and their readings in the order of arrival.
    pub tags: Vec<(String, Vec<Point>)>,
    /// What may be missing, and why.
    pub missing: Vec<String>,
}

/// All readings of these tags that the store in `dir` has and that arrived in `from..=to`. Safe beside a daemon: copies are read, made in `scratch` and
/// removed again. A day that cannot be believed is left out and said.
///
/// # Errors
/// There is no store, or its state cannot be read.
pub fn readings(dir: &Path, scratch: &Path, tags: &[String], from: Micros, to: Micros) -> anyhow::Result<Kept> {
    let root = places::root(dir);
    ensure!(root.join("state").exists(), "there is no store in {}", dir.display());
    let found = read_copies(&root, scratch, tags, from..=to);
    if scratch.exists() {
        std::fs::remove_dir_all(scratch).with_context(|| format!("cannot remove {}", scratch.display()))?;
    }
    found
}

fn read_copies(root: &Path, scratch: &Path, tags: &[String], within: RangeInclusive<Micros>) -> anyhow::Result<Kept> {
    let copy = scratch.join("copy");
    let state: State = copy::whole(&root.join("state"), &copy)?;
    let old = Old::read(&state)?;
    let days = day(*within.start())..=day(*within.end());
    let mut marks = BTreeMap::new();
    for number in days.clone() {
        if let Some(mark) = state.get(&keys::numbered(keys::MARK, number as u64))? {
            marks.insert(number, serde_json::from_slice::<Mark>(&mark)?.why);
        }
    }
    drop(state);
    let mut kept = Kept { tags: tags.iter().map(|tag| (tag.clone(), vec![])).collect(), missing: vec![] };
    for number in days {
        let date = places::date(number)?;
        let folder = root.join("day").join(&date);
        if !folder.exists() {
            kept.missing.push(format!("the store has no {date}"));
            continue;
        }
        kept.missing.extend(marks.get(&number).map(|why| format!("the store's {date} is not whole: {why}")));
        let read = copy::whole(&folder, &copy).and_then(|base| readings_of_day(&base, &old, &within, &mut kept.tags));
        if let Err(error) = read {
            kept.missing.push(format!("the store's {date} cannot be read: {error:#}"));
        }
    }
    kept.tags.retain(|(_, rows)| !rows.is_empty());
    Ok(kept)
}

fn readings_of_day(
    base: &Day,
    old: &Old,
    within: &RangeInclusive<Micros>,
    tags: &mut [(String, Vec<Point>)],
) -> anyhow::Result<()> {
    for (tag, rows) in tags {
        let number = keys::number(tag);
        let old = old.tags.get(&number).copied();
        slots::blocks(base, (number, old), &(*within.start()..within.end().saturating_add(1)), |block| {
            rows.extend(block::unpack(block)?.into_iter().filter(|point| within.contains(&point.at)));
            Ok(())
        })?;
    }
    Ok(())
}
