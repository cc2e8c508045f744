//! The store from outside a daemon: made again from nothing, and counted. Must not know: where records come from, who asks.
//! The caller holds the data directory against a daemon: two processes on one database are not possible.

use super::bases::{Bases, Day};
use super::keys;
use super::shelf::Shelf;
use super::thread::put_aside;
use anyhow::Context;
use brain::event::Record;
use serde::Serialize;
use std::io::ErrorKind;
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

/// Puts the store in `dir` aside and makes it anew from `records`, keeping the last `days` UTC days.
///
/// # Errors
/// A record or the disk fails. What was made so far is whole as far as it goes: the next start of a daemon goes on from there.
pub fn rebuild(dir: &Path, days: u32, records: impl Iterator<Item = anyhow::Result<Record>>) -> anyhow::Result<Rebuilt> {
    std::fs::create_dir_all(dir).with_context(|| format!("cannot make the store's directory {}", dir.display()))?;
    let aside = if is_there(dir) { Some(put_aside(dir)?) } else { None };
    let mut shelf = Shelf::open(dir, days)?;
    let (mut batch, mut count) = (Vec::with_capacity(BATCH_RECORDS), 0);
    for record in records {
        batch.push(record?);
        count += 1;
        if batch.len() == BATCH_RECORDS {
            shelf.apply(&batch)?;
            batch.clear();
        }
    }
    shelf.apply(&batch)?;
    let (watermark, nameless) = (shelf.applied(), shelf.nameless());
    shelf.close()?;
    Ok(Rebuilt { aside, records: count, watermark, nameless })
}

/// True where there is a store.
pub fn is_there(dir: &Path) -> bool {
    dir.join("state").exists() || dir.join("day").exists()
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
    let mut days: Vec<String> = match std::fs::read_dir(dir.join("day")) {
        Err(error) if error.kind() == ErrorKind::NotFound => vec![],
        entries => entries
            .with_context(|| format!("cannot list {}", dir.join("day").display()))?
            .flatten()
            .map(|e| e.file_name().to_string_lossy().into_owned())
            .collect(),
    };
    days.sort();
    stat.bytes = bytes(&dir.join("state"))?;
    if open && dir.join("state").exists() {
        let state = Bases::open(dir)?.state;
        stat.watermark = state.get(keys::WATERMARK)?.map(|mark| keys::word_from_end(&mark, 1));
    }
    for day in days {
        let folder = dir.join("day").join(&day);
        let mut rows = None;
        if open {
            let base = Day::open(&folder, 16 << 20);
            let base = base.with_context(|| format!("cannot open the database {}", folder.display()))?;
            let mut count = 0;
            for row in base.ascending(b"", b"") {
                row.with_context(|| format!("cannot read the database {}", folder.display()))?;
                count += 1;
            }
            rows = Some(count);
        }
        let bytes = bytes(&folder)?;
        stat.bytes += bytes;
        stat.days.push(DayStat { day, bytes, rows });
    }
    Ok(stat)
}

/// Bytes of everything below a folder. What goes away meanwhile counts nothing: a daemon may be at work.
fn bytes(folder: &Path) -> anyhow::Result<u64> {
    let entries = match std::fs::read_dir(folder) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(0),
        entries => entries.with_context(|| format!("cannot list {}", folder.display()))?,
    };
    let mut sum = 0;
    for entry in entries.flatten() {
        sum += match entry.metadata() {
            Ok(about) if about.is_dir() => bytes(&entry.path())?,
            Ok(about) => about.len(),
            Err(_) => 0,
        };
    }
    Ok(sum)
}
