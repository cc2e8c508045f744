//! The store from outside a daemon: made again from nothing, and counted. Must not know: where records come from, who asks.
//! The caller holds the data directory against a daemon: two processes on one database are not possible.

use super::base::SUM;
use super::bases::{Bases, Day, Mark, Touched};
use super::ingest::day;
use super::past::Past;
use super::places::bytes;
use super::salvage::salvage;
use super::shelf::{Setup, Shelf, Took};
use super::{Point, Run, block, keys, places};
use anyhow::Context;
use brain::Micros;
use brain::event::Record;
use serde::Serialize;
use std::path::{Path, PathBuf};

/// Records applied at once.
const BATCH_RECORDS: usize = 1024;

/// What a rebuild did.
#[derive(Debug, Serialize)]
pub struct Rebuilt {
    /// Where the store before lies now; none where there was none. Never deleted by us.
    pub aside: Option<PathBuf>,
    /// Records applied.
    pub records: u64,
    /// Last record applied.
    pub watermark: u64,
    /// Readings of tags that no start named: they cannot be kept.
    pub nameless: u64,
}

/// Puts the store in `dir` aside and makes it anew from `records`, keeping the last `days` UTC days. `tags`: their names, where they are known to
/// be the same in all records; else readings behind a hole wait for the next start, as one may be in the hole.
///
/// # Errors
/// A record or the disk fails. What was made so far is whole as far as it goes: the next start of a daemon goes on from there.
pub fn rebuild(
    dir: &Path,
    days: u32,
    tags: Option<Vec<String>>,
    records: impl Iterator<Item = anyhow::Result<Record>>,
) -> anyhow::Result<Rebuilt> {
    std::fs::create_dir_all(dir).with_context(|| format!("cannot make the store's directory {}", dir.display()))?;
    let root = places::settle(dir)?;
    let aside = if is_there(&root) { Some(places::renew(dir, &["day".to_owned()])?) } else { None };
    let run = tags.map_or_else(Run::default, |tags| Run { seq: 1, tags });
    let setup = Setup { dir: dir.to_owned(), days, run };
    let mut shelf = Shelf::open(&places::root(dir), setup, Touched::default(), 1)?;
    let (mut batch, mut count) = (Vec::with_capacity(BATCH_RECORDS), 0);
    for record in records {
        batch.push(record?);
        count += 1;
        if batch.len() == BATCH_RECORDS {
            apply(&mut shelf, &batch)?;
            batch.clear();
        }
    }
    apply(&mut shelf, &batch)?;
    let (watermark, nameless) = (shelf.glance().applied, shelf.glance().nameless);
    shelf.close()?;
    Ok(Rebuilt { aside, records: count, watermark, nameless })
}

/// Where the journal no longer has the beginning of a day, what is left of it goes first.
fn apply(shelf: &mut Shelf, records: &[Record]) -> anyhow::Result<()> {
    while let Took::After(left) = shelf.apply(records)? {
        shelf.salvaged(salvage(&left))?;
    }
    Ok(())
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
    /// Rows: events, indexes, blocks of readings. None where the database could not be opened.
    pub rows: Option<u64>,
    /// What it held when it was over is written down. None where the databases were not opened.
    pub sealed: Option<bool>,
    /// Why it is not whole.
    pub incomplete: Option<String>,
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
}

/// Counts the store in `dir`. `open`: also look into the databases, which only one process can do.
///
/// # Errors
/// A folder cannot be listed, or a database does not open or read.
pub fn stat(dir: &Path, open: bool) -> anyhow::Result<StoreStat> {
    let failed = std::fs::read_to_string(dir.join("failed")).unwrap_or_default().trim().to_owned();
    let mut stat = StoreStat { failed, quarantine_bytes: bytes(&dir.join("quarantine"))?, ..StoreStat::default() };
    let root = places::root(dir);
    stat.bytes = bytes(&root.join("state"))?;
    let mut marks = std::collections::BTreeMap::new();
    let mut seals = std::collections::BTreeSet::new();
    if open && root.join("state").exists() {
        let state = Bases::open(dir, &root, Touched::default())?.state;
        stat.watermark = state.get(keys::WATERMARK)?.map(|mark| keys::word_from_end(&mark, 1));
        for row in state.ascending(keys::MARK, keys::MARK) {
            let (key, value) = row?;
            marks.insert(keys::word_from_end(&key, 0) as i64, serde_json::from_slice::<Mark>(&value)?.why);
        }
        for row in state.ascending(keys::SEAL, keys::SEAL) {
            seals.insert(keys::word_from_end(&row?.0, 0) as i64);
        }
    }
    for number in places::days_in(&root) {
        let day = places::date(number)?;
        let folder = root.join("day").join(&day);
        let mut rows = None;
        if open {
            let base = Day::open(&folder, 16 << 20);
            let base = base.with_context(|| format!("cannot open the database {}", folder.display()))?;
            let mut count = 0;
            for row in base.ascending(b"", b"") {
                let (key, _) = row.with_context(|| format!("cannot read the database {}", folder.display()))?;
                count += u64::from(key != SUM);
            }
            rows = Some(count);
        }
        let bytes = bytes(&folder)?;
        stat.bytes += bytes;
        let (incomplete, sealed) = (marks.remove(&number), open.then(|| seals.contains(&number)));
        stat.days.push(DayStat { day, bytes, rows, sealed, incomplete });
    }
    Ok(stat)
}

/// Readings of tags over a stretch of time, as kept.
#[derive(Debug, Default)]
pub struct Kept {
    /// Tags that have some, in the order asked for, and their readings in the order of arrival.
    pub tags: Vec<(String, Vec<Point>)>,
    /// What may be missing, and why.
    pub missing: Vec<String>,
}

/// All readings of these tags that the store in `dir` has and that arrived in `from..=to`. A day that cannot be believed is left out and said.
///
/// # Errors
/// There is no store, or its state cannot be read.
pub fn readings(dir: &Path, tags: &[String], from: Micros, to: Micros) -> anyhow::Result<Kept> {
    let past = Past::open(dir)?;
    let mut kept = Kept { tags: tags.iter().map(|tag| (tag.clone(), vec![])).collect(), missing: vec![] };
    for number in day(from)..=day(to) {
        let read = past.day(number).and_then(|day| {
            kept.missing.extend(day.incomplete.clone());
            for (tag, rows) in &mut kept.tags {
                for block in day.blocks(tag, &(from..to.saturating_add(1)))? {
                    rows.extend(block::unpack(&block)?.into_iter().filter(|point| (from..=to).contains(&point.at)));
                }
            }
            Ok(())
        });
        kept.missing.extend(read.err().map(|why| format!("{why:#}")));
    }
    kept.tags.retain(|(_, rows)| !rows.is_empty());
    Ok(kept)
}
