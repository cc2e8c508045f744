//! The only file that names sled. One database: open, read, scan, write in batches.
//! Must not know: what keys and values mean.
//!
//! What sled asks of its user. Every write is a batch from one thread: single-key removal next to a batch can deadlock, concurrent
//! batches can panic. A bounded range reads on to the end of the database once its bound is passed: scans here are open-ended and
//! stop themselves. After any error the handle must not be used, nor dropped: it would flush, and may hang for ever.

use std::io;
use std::path::Path;

/// Rows of one batch: memory follows the size of a batch.
const BATCH_ROWS_MAX: usize = 1024;
/// Bytes of one batch.
const BATCH_BYTES_MAX: usize = 4 << 20;

/// One row.
pub type Row = (Vec<u8>, Vec<u8>);

/// One database. `FANOUT` is fixed when it is made: another value refuses to open it.
pub struct Base<const FANOUT: usize> {
    db: sled::Db<FANOUT>,
}

impl<const FANOUT: usize> Base<FANOUT> {
    /// Opens or makes it. [`io::ErrorKind::WouldBlock`] where another process has it.
    pub fn open(dir: &Path, cache_bytes: usize) -> io::Result<Self> {
        let config = sled::Config::new().path(dir).cache_capacity_bytes(cache_bytes);
        // No background flusher: it would abort the process on an error.
        let db = config.flush_every_ms(None).zstd_compression_level(3).open()?;
        Ok(Base { db })
    }

    /// One value.
    pub fn get(&self, key: &[u8]) -> io::Result<Option<Vec<u8>>> {
        Ok(self.db.get(key)?.map(|v| v.to_vec()))
    }

    /// Rows whose keys begin with `prefix`, from `start` on, ascending.
    pub fn ascending<'a>(&self, prefix: &'a [u8], start: &[u8]) -> impl Iterator<Item = io::Result<Row>> + use<'a, FANOUT> {
        let rows = self.db.range(start.to_vec()..);
        take_prefix(rows, prefix)
    }

    /// Rows whose keys begin with `prefix`, below `end`, descending.
    pub fn descending<'a>(&self, prefix: &'a [u8], end: &[u8]) -> impl Iterator<Item = io::Result<Row>> + use<'a, FANOUT> {
        let rows = self.db.range(prefix.to_vec()..end.to_vec()).rev();
        take_prefix(rows, prefix)
    }

    /// Writes all rows and makes them durable. A batch is all or nothing; more rows than fit one go in order, so that a
    /// watermark put last never runs ahead.
    pub fn put(&self, rows: Vec<Row>) -> io::Result<()> {
        let (mut batch, mut count, mut bytes) = (sled::Batch::default(), 0, 0);
        for (key, value) in rows {
            bytes += key.len() + value.len();
            count += 1;
            batch.insert(key, value);
            if count == BATCH_ROWS_MAX || bytes >= BATCH_BYTES_MAX {
                self.db.apply_batch(std::mem::take(&mut batch))?;
                (count, bytes) = (0, 0);
            }
        }
        if count > 0 {
            self.db.apply_batch(batch)?;
        }
        self.db.flush()?;
        Ok(())
    }
}

fn take_prefix<'a, I, B>(rows: I, prefix: &'a [u8]) -> impl Iterator<Item = io::Result<Row>> + use<'a, I, B>
where
    I: Iterator<Item = io::Result<(B, B)>>,
    B: AsRef<[u8]>,
{
    rows.map(|row| row.map(|(k, v)| (k.as_ref().to_vec(), v.as_ref().to_vec())))
        .take_while(move |row| row.as_ref().map_or(true, |(key, _)| key.starts_with(prefix)))
}
