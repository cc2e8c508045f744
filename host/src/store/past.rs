//! A store gone through day by day by who reads all of it. Reads only. Must not know: what is made of it.
//! The caller holds the store ([`super::hold`]) against a daemon: two processes on one database are not possible.

use super::bases::{Bases, Day, Mark, Old, Touched};
use super::{keys, places, query, slots};
use anyhow::{Context, ensure};
use brain::Micros;
use brain::event::Record;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

const CACHE_BYTES: usize = 16 << 20;

/// A store that nobody writes to.
pub struct Past {
    root: PathBuf,
    bases: Bases,
}

/// One UTC day of it, checked against its own sum. Shared by threads, which read one after the other.
pub struct PastDay<'p> {
    base: Mutex<Day>,
    old: &'p Old,
    /// Its date.
    pub date: String,
    /// Why something of it may be missing.
    pub incomplete: Option<String>,
}

impl Past {
    /// Opens the store in `dir`.
    ///
    /// # Errors
    /// There is none, or its state cannot be read.
    pub fn open(dir: &Path) -> anyhow::Result<Past> {
        let root = places::root(dir);
        ensure!(root.join("state").exists(), "there is no store in {}", dir.display());
        let bases = Bases::open(dir, &root, Touched::default())?;
        Ok(Past { root, bases })
    }

    /// Days that it has, oldest first.
    pub fn days(&self) -> Vec<i64> {
        places::days_in(&self.root)
    }

    /// The record behind which nothing is in it for certain; 0 = nothing is.
    ///
    /// # Errors
    /// The state cannot be read.
    pub fn reaches(&self) -> anyhow::Result<u64> {
        Ok(self.bases.state.get(keys::WATERMARK)?.map_or(0, |mark| keys::word_from_end(&mark, 0)))
    }

    /// One of its days; the error says why nothing of it is to be had.
    ///
    /// # Errors
    /// It is not there, cannot be read, or is not what it says itself.
    pub fn day(&self, number: i64) -> anyhow::Result<PastDay<'_>> {
        let date = places::date(number)?;
        let folder = self.root.join("day").join(&date);
        ensure!(folder.exists(), "the store has no {date}");
        let mark = self.bases.state.get(&keys::numbered(keys::MARK, number as u64))?;
        let incomplete = match mark {
            Some(mark) => Some(format!("the store's {date} is not whole: {}", serde_json::from_slice::<Mark>(&mark)?.why)),
            None => None,
        };
        let context = || format!("the store's {date} cannot be read");
        let base = Day::open(&folder, CACHE_BYTES).with_context(context)?;
        ensure!(base.is_whole(&|| {}).with_context(context)?, "the store's {date}: its rows are not what it says itself");
        Ok(PastDay { base: Mutex::new(base), old: &self.bases.old, date, incomplete })
    }
}

impl PastDay<'_> {
    /// Packed blocks of a tag that may hold something that arrived in `within`, oldest first.
    ///
    /// # Errors
    /// They cannot be read.
    pub fn blocks(&self, tag: &str, within: &Range<Micros>) -> anyhow::Result<Vec<Vec<u8>>> {
        let number = keys::number(tag);
        let old = self.old.tags.get(&number).copied();
        let base = self.base.lock().unwrap_or_else(PoisonError::into_inner);
        let mut blocks = vec![];
        let read = slots::blocks(&base, (number, old), within, |block| {
            blocks.push(block.to_vec());
            Ok(())
        });
        read.with_context(|| format!("the store's {} cannot be read", self.date))?;
        Ok(blocks)
    }

    /// Its records that are not readings or ticks, in order.
    ///
    /// # Errors
    /// One cannot be read.
    pub fn records(&self, mut each: impl FnMut(Record)) -> anyhow::Result<()> {
        let base = self.base.lock().unwrap_or_else(PoisonError::into_inner);
        for row in base.ascending(keys::EVENT, keys::EVENT) {
            let (key, value) = row.with_context(|| format!("the store's {} cannot be read", self.date))?;
            each(query::record_of(&key, &value)?);
        }
        Ok(())
    }
}
