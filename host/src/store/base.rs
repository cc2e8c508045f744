//! The only file that names sled. One database: open, read, scan, write in batches.
//! Must not know: what keys and values mean.
//!
//! What sled asks of its user. Every write is a batch from one thread: single-key removal next to a batch can deadlock, concurrent
//! batches can panic. A bounded range reads on to the end of the database once its bound is passed: scans here are open-ended and
//! stop themselves. Every page written stays in memory, whatever the cache may hold, until the database is closed ([`Base::pinned`]). Where its log of
//! places is damaged, it opens without a word as it was earlier, or as a mixture: so every database carries a sum over its rows, changed in the batch that changes them ([`Sum`]). After a failed write the handle must not be used, nor dropped: it would flush, and may hang for ever. After a failed
//! read every later call fails, also for healthy keys; dropping is safe then, as everything written has been flushed.

use std::cell::Cell;
use std::collections::HashMap;
use std::fs::File;
use std::io;
use std::path::Path;

/// Rows of one batch: memory follows the size of a batch.
const BATCH_ROWS_MAX: usize = 1024;
/// Bytes of one batch.
const BATCH_BYTES_MAX: usize = 4 << 20;
/// Bytes of one value: twice what a record of the journal may hold, as what is kept of a record may be written in a longer form.
pub const VALUE_BYTES_MAX: usize = 2 << 20;

/// One row.
pub type Row = (Vec<u8>, Vec<u8>);

/// Key of the sum; no other begins like it.
pub const SUM: &[u8] = b"~";

/// What a database must hold: it is checked against a walk over all rows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sum {
    /// Batches ever written: tells an older state from a newer one.
    pub batches: u64,
    /// Rows, without this one.
    pub rows: u64,
    /// Their hashes, added up.
    hash: u128,
}

impl Sum {
    fn of(key: &[u8], value: &[u8]) -> u128 {
        let mut hasher = blake3::Hasher::new();
        hasher.update(&(key.len() as u64).to_le_bytes()).update(key).update(value);
        hasher.finalize().as_bytes().first_chunk::<16>().copied().map_or(0, u128::from_le_bytes)
    }

    fn add(&mut self, hash: Option<u128>) {
        self.rows = self.rows.wrapping_add(u64::from(hash.is_some()));
        self.hash = self.hash.wrapping_add(hash.unwrap_or(0));
    }

    fn subtract(&mut self, hash: Option<u128>) {
        self.rows = self.rows.wrapping_sub(u64::from(hash.is_some()));
        self.hash = self.hash.wrapping_sub(hash.unwrap_or(0));
    }

    /// As bytes.
    pub fn bytes(self) -> Vec<u8> {
        [&self.batches.to_be_bytes()[..], &self.rows.to_be_bytes(), &self.hash.to_be_bytes()].concat()
    }

    /// From bytes; none where they are none.
    pub fn read(bytes: &[u8]) -> Option<Sum> {
        let word = |at: usize| Some(u64::from_be_bytes(*bytes.get(at..)?.first_chunk()?));
        let hash = u128::from_be_bytes(*bytes.get(16..)?.first_chunk()?);
        Some(Sum { batches: word(0)?, rows: word(8)?, hash })
    }
}

/// One database. `FANOUT` is fixed when it is made: another value refuses to open it.
pub struct Base<const FANOUT: usize> {
    /// None once it is closed.
    db: Option<sled::Db<FANOUT>>,
    /// None for one that version 0.1.0 made: it has no sum.
    sum: Cell<Option<Sum>>,
    /// Bytes written since it was opened.
    pinned: Cell<usize>,
}

impl<const FANOUT: usize> Base<FANOUT> {
    /// Opens or makes it. [`io::ErrorKind::WouldBlock`] where another handle has it.
    pub fn open(dir: &Path, cache_bytes: usize) -> io::Result<Self> {
        keep_places(&dir.join("metadata"))?;
        // What a process left that was killed is taken for what is on the disk, and must be.
        for part in ["metadata", "slabs"] {
            sync_all(&dir.join(part))?;
        }
        let config = sled::Config::new().path(dir).cache_capacity_bytes(cache_bytes);
        // No background flusher: it would abort the process on an error.
        let db = config.flush_every_ms(None).zstd_compression_level(3).open().map_err(plain)?;
        // What a database cannot be opened without, and what sled leaves to a `sync` of the whole machine: see `sync_by_name`.
        for made in [&dir.join("durability_cookie"), dir] {
            File::open(made)?.sync_all()?;
        }
        let sum = match db.get(SUM).map_err(plain)? {
            Some(bytes) => Sum::read(&bytes),
            None if db.range(b"".to_vec()..).next().is_none() => Some(Sum::default()),
            None => None,
        };
        Ok(Base { db: Some(db), sum: Cell::new(sum), pinned: Cell::new(0) })
    }

    /// Closes it: everything was flushed. All but [`Base::sum`] fails from here on.
    pub fn close(&mut self) {
        self.db = None;
    }

    fn db(&self) -> io::Result<&sled::Db<FANOUT>> {
        self.db.as_ref().ok_or_else(closed)
    }

    /// Bytes written since it was opened: so much, and what else their pages hold, stays in memory until it is closed.
    pub fn pinned(&self) -> usize {
        self.pinned.get()
    }

    /// The sum as it stands.
    pub fn sum(&self) -> Option<Sum> {
        self.sum.get()
    }

    /// Walks over all rows. False where they are not what the sum says, or out of order. True where there is no sum.
    pub fn is_whole(&self, beat: &dyn Fn()) -> io::Result<bool> {
        let Some(expected) = self.sum.get() else {
            return Ok(true);
        };
        let mut sum = Sum { batches: expected.batches, ..Sum::default() };
        let mut before: Option<Vec<u8>> = None;
        for (count, row) in self.ascending(b"", b"").enumerate() {
            let (key, value) = row?;
            if before.is_some_and(|before| before >= key) {
                return Ok(false);
            }
            if key != SUM {
                sum.add(Some(Sum::of(&key, &value)));
            }
            before = Some(key);
            if count % 4096 == 0 {
                beat();
            }
        }
        Ok(sum == expected)
    }

    /// One value.
    pub fn get(&self, key: &[u8]) -> io::Result<Option<Vec<u8>>> {
        Ok(self.db()?.get(key).map_err(plain)?.map(|v| v.to_vec()))
    }

    /// Rows whose keys begin with `prefix`, from `start` on, ascending.
    pub fn ascending<'a>(&self, prefix: &'a [u8], start: &[u8]) -> impl Iterator<Item = io::Result<Row>> + use<'a, FANOUT> {
        let rows = self.db().map(|db| db.range(start.to_vec()..));
        take_prefix(rows, prefix)
    }

    /// Rows whose keys begin with `prefix`, below `end`, descending.
    pub fn descending<'a>(&self, prefix: &'a [u8], end: &[u8]) -> impl Iterator<Item = io::Result<Row>> + use<'a, FANOUT> {
        let rows = self.db().map(|db| db.range(prefix.to_vec()..end.to_vec()).rev());
        take_prefix(rows, prefix)
    }

    /// Writes all rows and makes them durable. A batch is all or nothing; more rows than fit one go in order, so that a
    /// watermark put last never runs ahead.
    ///
    /// # Errors
    /// The disk; a value above [`VALUE_BYTES_MAX`].
    pub fn put(&self, rows: Vec<Row>) -> io::Result<()> {
        self.change(rows.into_iter().map(|(key, value)| (key, Some(value))))
    }

    /// Removes rows, in batches as everything is written.
    pub fn remove(&self, keys: Vec<Vec<u8>>) -> io::Result<()> {
        self.change(keys.into_iter().map(|key| (key, None)))
    }

    /// Makes it one of version 0.1.0, which had no sums.
    #[cfg(test)]
    pub fn forget_sum(&self) {
        let _ = self.db().and_then(|db| db.remove(SUM));
        let _ = self.db().and_then(|db| db.flush());
        self.sum.set(None);
    }

    fn change(&self, changes: impl Iterator<Item = (Vec<u8>, Option<Vec<u8>>)>) -> io::Result<()> {
        let db = self.db()?;
        let mut writing = Writing::default();
        for (key, value) in changes {
            let size = value.as_ref().map_or(0, Vec::len);
            if size > VALUE_BYTES_MAX {
                let key = key.escape_ascii();
                return Err(io::Error::other(format!("{size} bytes for {key}: a value has {VALUE_BYTES_MAX} at most")));
            }
            if let Some(sum) = &mut writing.sum.or(self.sum.get()) {
                let before = match writing.hashes.get(&key) {
                    Some(hash) => *hash,
                    None => db.get(&key).map_err(plain)?.map(|value| Sum::of(&key, &value)),
                };
                let now = value.as_ref().map(|value| Sum::of(&key, value));
                sum.subtract(before);
                sum.add(now);
                writing.hashes.insert(key.clone(), now);
                writing.sum = Some(*sum);
            }
            writing.bytes += key.len() + size;
            writing.count += 1;
            match value {
                Some(value) => writing.batch.insert(key, value),
                None => writing.batch.remove(key),
            }
            if writing.count == BATCH_ROWS_MAX || writing.bytes >= BATCH_BYTES_MAX {
                self.apply(std::mem::take(&mut writing))?;
            }
        }
        if writing.count > 0 {
            self.apply(writing)?;
        }
        db.flush().map_err(plain)?;
        Ok(())
    }

    fn apply(&self, mut writing: Writing) -> io::Result<()> {
        if let Some(sum) = &mut writing.sum {
            sum.batches += 1;
            writing.batch.insert(SUM.to_vec(), sum.bytes());
        }
        self.pinned.set(self.pinned.get() + writing.bytes);
        self.db()?.apply_batch(writing.batch).map_err(plain)?;
        self.sum.set(writing.sum);
        Ok(())
    }
}

/// Keeps sled from having the whole machine synced: it runs the program `sync` twice at each opening, which waits for every disk there is. What must be on
/// the disk is synced by name here, so that it is only slower where this was not called. No program is found by its name from then on.
///
/// # Safety
/// No other thread may read or write the environment meanwhile: to be called before there are any.
pub unsafe fn sync_by_name() {
    // SAFETY: the caller's promise.
    unsafe { std::env::set_var("PATH", "/dev/null") };
}

/// Syncs what stands in the files of a folder, and the folder. Nothing where there is none. Most files are empty: sled makes one for each size there is.
/// One that is gone meanwhile is another handle's doing, of which sled's own lock tells: it is no damage.
fn sync_all(folder: &Path) -> io::Result<()> {
    let entries = match std::fs::read_dir(folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        entries => entries?,
    };
    for entry in entries {
        let entry = entry?;
        let synced =
            entry.metadata().and_then(|about| if about.len() > 0 { File::open(entry.path())?.sync_all() } else { Ok(()) });
        synced.or_else(|error| if error.kind() == io::ErrorKind::NotFound { Ok(()) } else { Err(error) })?;
    }
    File::open(folder)?.sync_all()
}

/// Makes good what a power cut can leave of an opening: a snapshot of places whose next log has no name on disk. sled would write that snapshot anew
/// under its own name, remove it as the old one, and be empty at the opening after.
fn keep_places(metadata: &Path) -> io::Result<()> {
    let entries = match std::fs::read_dir(metadata) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        entries => entries?,
    };
    let names: Vec<String> = entries.flatten().map(|entry| entry.file_name().to_string_lossy().into_owned()).collect();
    let newest = |kind: &str| names.iter().filter_map(|name| u64::from_str_radix(name.strip_prefix(kind)?, 16).ok()).max();
    match newest("snapshot_") {
        Some(snapshot) if newest("log_").is_none_or(|log| log <= snapshot) => {
            // What another handle has put there meanwhile stays: sled's lock tells of that one.
            let place = metadata.join(format!("log_{:016x}", snapshot.saturating_add(1)));
            File::options().write(true).create(true).truncate(false).open(place).map(drop)
        }
        Some(_) | None => Ok(()),
    }
}

/// A batch being made.
#[derive(Default)]
struct Writing {
    batch: sled::Batch,
    count: usize,
    bytes: usize,
    /// The sum behind it.
    sum: Option<Sum>,
    /// Of the rows that it changes.
    hashes: HashMap<Vec<u8>, Option<u128>>,
}

/// What the disk said, without the places in sled's own source that it puts before it: an alarm shows this to people.
fn plain(error: io::Error) -> io::Error {
    let text = error.to_string();
    let mut said = text.as_str();
    while let Some((place, rest)) = said.split_once(" -> ")
        && place.rsplit_once(".rs:").is_some_and(|(_, line)| line.parse::<u32>().is_ok())
    {
        said = rest;
    }
    if said.len() == text.len() { error } else { io::Error::new(error.kind(), said.to_owned()) }
}

fn closed() -> io::Error {
    io::Error::other("the database is closed")
}

fn take_prefix<'a, I, B>(rows: io::Result<I>, prefix: &'a [u8]) -> impl Iterator<Item = io::Result<Row>> + use<'a, I, B>
where
    I: Iterator<Item = io::Result<(B, B)>>,
    B: AsRef<[u8]>,
{
    let (rows, error) = match rows {
        Ok(rows) => (Some(rows), None),
        Err(error) => (None, Some(Err(error))),
    };
    let owned = |(key, value): (B, B)| (key.as_ref().to_vec(), value.as_ref().to_vec());
    let rows = rows.into_iter().flatten().map(move |row| row.map(owned).map_err(plain));
    error.into_iter().chain(rows).take_while(move |row| row.as_ref().map_or(true, |(key, _)| key.starts_with(prefix)))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use io::ErrorKind;

    #[test]
    fn what_the_disk_said_names_no_place_in_anybody_s_source() {
        for (said, plainly) in [
            ("sled:/x/src/heap.rs:907 -> No space left on device (os error 28)", "No space left on device (os error 28)"),
            ("sled:/a b/c.rs:1 -> sled:/d.rs:20 -> x -> y", "x -> y"),
            ("heap.rs: 9 -> x", "heap.rs: 9 -> x"),
            ("the database is closed", "the database is closed"),
        ] {
            let error = plain(io::Error::new(ErrorKind::StorageFull, said));
            assert_eq!((error.to_string().as_str(), error.kind()), (plainly, ErrorKind::StorageFull));
        }
        assert_eq!(plain(io::Error::from_raw_os_error(5)).raw_os_error(), Some(5));
    }

    /// As sled itself puts it: a file in the place of its folder.
    #[test]
    fn no_place_in_sled_s_source_comes_out_of_a_database() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("db"), "no folder").unwrap();
        let error = Base::<64>::open(&folder.path().join("db"), 1 << 20).err().unwrap().to_string();
        assert!(error.contains("os error") && !error.contains(".rs:"), "{error}");
    }
}
