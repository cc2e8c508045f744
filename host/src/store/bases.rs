//! The databases on disk: one for state, one per UTC day, opened when needed, the least recently used closed.
//! Must not know: records, what rows mean.

use super::base::Base;
use super::{block, keys};
use anyhow::Context;
use std::collections::BTreeMap;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

/// State rows are few and scattered.
pub type State = Base<64>;
/// A day's rows come in order.
pub type Day = Base<256>;

const STATE_CACHE_BYTES: usize = 16 << 20;
const DAY_CACHE_BYTES: usize = 16 << 20;
/// Day databases open at once: each holds about 80 descriptors.
const DAYS_OPEN_MAX: usize = 5;

/// Another process has the store.
#[derive(Debug, thiserror::Error)]
#[error("another process is using the store in {0}: stop it, or use another data directory")]
pub struct InUse(PathBuf);

/// All databases of a store.
pub struct Bases {
    root: PathBuf,
    /// Alarms, notices, names, watermark.
    pub state: State,
    days: BTreeMap<i64, (Day, u64)>,
    uses: u64,
}

impl Bases {
    /// Opens the state database; days follow on demand.
    pub fn open(root: &Path) -> anyhow::Result<Bases> {
        let state = open(&root.join("state"), STATE_CACHE_BYTES)?;
        Ok(Bases { root: root.to_owned(), state, days: BTreeMap::new(), uses: 0 })
    }

    /// One day's database, made if missing.
    pub fn day(&mut self, day: i64) -> anyhow::Result<&Day> {
        self.uses += 1;
        if !self.days.contains_key(&day) {
            if self.days.len() >= DAYS_OPEN_MAX
                && let Some(oldest) = self.days.iter().min_by_key(|(_, (_, used))| *used).map(|(d, _)| *d)
            {
                // Whole and flushed: every batch was. Dropping it closes it.
                self.days.remove(&oldest);
            }
            let base = open(&self.folder(day)?, DAY_CACHE_BYTES)?;
            self.days.insert(day, (base, self.uses));
        }
        let (base, used) = self.days.get_mut(&day).context("a day just opened is open")?;
        *used = self.uses;
        Ok(base)
    }

    /// One day's database, if there is one.
    pub fn day_if_any(&mut self, day: i64) -> anyhow::Result<Option<&Day>> {
        if !self.days.contains_key(&day) && !self.has(day)? {
            return Ok(None);
        }
        self.day(day).map(Some)
    }

    /// True where there is something of that day.
    pub fn has(&self, day: i64) -> anyhow::Result<bool> {
        Ok(self.folder(day)?.exists())
    }

    /// Closes a day and removes it. Out of the way first, so that a removal cut short never leaves half a day behind.
    pub fn drop_day(&mut self, day: i64) -> anyhow::Result<()> {
        self.days.remove(&day);
        let (folder, trash) = (self.folder(day)?, self.root.join("trash"));
        let context = || format!("cannot remove {}", folder.display());
        if trash.exists() {
            std::fs::remove_dir_all(&trash).with_context(context)?;
        }
        if folder.exists() {
            std::fs::rename(&folder, &trash).with_context(context)?;
            std::fs::remove_dir_all(&trash).with_context(context)?;
        }
        Ok(())
    }

    /// Number of the last record in a tag's blocks of a day; 0 = none.
    pub fn packed(&mut self, day: i64, tag: u32) -> anyhow::Result<u64> {
        let Some(base) = self.day_if_any(day)? else {
            return Ok(0);
        };
        let (prefix, end) = (keys::of_tag(tag), keys::of_tag(tag + 1));
        let last = base.descending(&prefix, &end).next().transpose()?;
        last.map_or(Ok(0), |(_, block)| block::last_seq(&block))
    }

    fn folder(&self, day: i64) -> anyhow::Result<PathBuf> {
        let date = jiff::civil::date(1970, 1, 1)
            .checked_add(jiff::Span::new().try_days(day)?)
            .with_context(|| format!("day {day} is not in the calendar: the clock is wrong"))?;
        Ok(self.root.join("day").join(date.to_string()))
    }
}

fn open<const FANOUT: usize>(dir: &Path, cache_bytes: usize) -> anyhow::Result<Base<FANOUT>> {
    match Base::open(dir, cache_bytes) {
        Err(e) if e.kind() == ErrorKind::WouldBlock => Err(InUse(dir.to_owned()).into()),
        opened => opened.with_context(|| format!("cannot open the database {}", dir.display())),
    }
}
