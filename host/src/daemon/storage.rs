//! The store behind the journal: how it reads what is durable, and who is told when either of them fails.
//! Must not know: what a record means.

use super::{Input, snapshot};
use crate::journal::{self, Durable, Reader, goes_on};
use crate::store::{self, Batch, Run, Source, Store, StoreStatus};
use brain::event::StoragePart;
use std::fs::File;
use std::ops::RangeInclusive;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{mpsc, watch};

#[cfg(test)]
mod tests;

/// How often the health of the store is looked at.
const LOOK: Duration = Duration::from_secs(1);

/// Looks between two words about what the store waits for.
const WAITS_SAID_EVERY: u32 = 5;

/// Places in the journal that are kept open: where the store follows, and where it makes a day again.
const READERS_MAX: usize = 2;

/// Starts the store; it tails the journal by itself. `run`: what it is told of the present run.
///
/// # Errors
/// Its thread cannot be started.
pub fn start(data: &Path, days: u32, durable: watch::Receiver<Durable>, run: Run) -> anyhow::Result<Store> {
    let (told, numbers) = watch::channel(durable.borrow().seq);
    let mut follow = durable;
    tokio::spawn(async move {
        while follow.changed().await.is_ok() {
            told.send_replace(follow.borrow_and_update().seq);
        }
    });
    let mut places = Places::new(&data.join(journal::FOLDER));
    let hole = |error: anyhow::Error| tracing::error!("the journal has a hole: {error:#}");
    let dir = data.join(store::FOLDER);
    // Read where a disk may hang, and not here.
    let (noting, of, mut known) = (dir.clone(), data.to_owned(), None);
    let read = move |from: u64, through: u64, most: usize| {
        let batch = places.read(from, through, most, hole)?;
        // Days that are made again are read from earlier places.
        let noted = known.get_or_insert_with(|| given(&of));
        if let Some(last) = batch.records.last().filter(|last| last.seq > *noted) {
            *noted = last.seq;
            note_given(&noting, *noted);
        }
        Ok(batch)
    };
    Store::start(&dir, days, Source { run, read: Box::new(read), durable: numbers })
}

/// Places in the journal that a store reads from.
pub struct Places {
    folder: PathBuf,
    /// Number of the next record; a hole before it that has been met; the reader.
    readers: Vec<(u64, bool, Reader)>,
    first_kept: u64,
    whole_from: u64,
}

impl Places {
    /// In the journal in `folder`.
    pub fn new(folder: &Path) -> Places {
        Places { folder: folder.to_owned(), readers: vec![], first_kept: 1, whole_from: 1 }
    }

    /// See [`Source::read`]. `hole` is told of what cannot be read.
    ///
    /// # Errors
    /// The journal cannot be read; a hole in it is none.
    pub fn read(&mut self, from: u64, through: u64, most: usize, mut hole: impl FnMut(anyhow::Error)) -> anyhow::Result<Batch> {
        // A reader keeps its place; one that is somewhere else, or failed, is opened anew.
        let (mut broken, mut open) = match self.readers.iter().position(|(next, ..)| *next == from) {
            Some(kept) => {
                let (_, broken, reader) = self.readers.remove(kept);
                (broken, reader)
            }
            None => {
                self.look()?;
                (false, Reader::open(&self.folder, from)?)
            }
        };
        let (mut records, mut next) = (Vec::new(), from);
        let mut lost: Vec<RangeInclusive<u64>> = vec![];
        let mut passed_over = false;
        while records.len() < most {
            match open.next_durable(through) {
                Ok(Some(record)) => {
                    passed_over |= record.seq > next;
                    if broken && record.seq > next {
                        lost.push(next..=record.seq - 1);
                    }
                    (broken, next) = (false, record.seq + 1);
                    records.push(record);
                }
                Ok(None) => break,
                // The reader stands behind the hole now: say it, and go on from there.
                Err(error) if goes_on(&error) => {
                    hole(error);
                    broken = true;
                }
                Err(error) if records.is_empty() => return Err(error),
                Err(_) => break,
            }
        }
        if !records.is_empty() {
            self.readers.truncate(READERS_MAX - 1);
            self.readers.insert(0, (next, broken, open));
        }
        if passed_over {
            // It may have been pruned since this was looked at.
            self.look()?;
        }
        if from < self.first_kept {
            lost.push(from..=self.first_kept - 1);
        }
        Ok(Batch { records, whole_from: self.whole_from, lost })
    }

    /// Each journal is listed for this: not at every read.
    fn look(&mut self) -> anyhow::Result<()> {
        self.first_kept = journal::first_kept(&self.folder)?;
        self.whole_from = journal::first_live(&self.folder)?.unwrap_or(1);
        Ok(())
    }
}

/// Name of the file in the store's folder that says how far the store was given records.
const GIVEN: &str = "given";

/// Notes that the store is given durable records up to this one, before it has them: a journal that ends before it has lost some. Eight bytes of the
/// number and four of their CRC, in one sector.
fn note_given(dir: &Path, seq: u64) {
    let number = seq.to_le_bytes();
    let bytes = [&number[..], &crc32c::crc32c(&number).to_le_bytes()].concat();
    let open = || File::options().create(true).truncate(false).write(true).open(dir.join(GIVEN));
    // Without the note the store itself finds that it is ahead.
    if let Err(error) = open().and_then(|file| file.write_all_at(&bytes, 0).and_then(|()| file.sync_data())) {
        tracing::debug!("cannot note how far the store is: {error}");
    }
}

/// The last record that the store was given; 0 where nobody knows.
pub fn given(data: &Path) -> u64 {
    let bytes = std::fs::read(data.join(store::FOLDER).join(GIVEN)).unwrap_or_default();
    let is_whole = |(number, crc): &(&[u8; 8], &[u8])| crc32c::crc32c(*number).to_le_bytes() == **crc;
    bytes.split_first_chunk::<8>().filter(is_whole).map_or(0, |(number, _)| u64::from_le_bytes(*number))
}

/// All up to this record was once on disk, as snapshots and the store say that were made of it; 0 where nothing says so.
pub fn known(data: &Path) -> u64 {
    snapshot::reach(data).max(given(data))
}

/// Whether the store is other than it was `known` to be, or fails for another reason. What a reason says in numbers (how many bytes are free) makes it no
/// other one.
fn is_news(known: &mut Option<(bool, String)>, status: &StoreStatus) -> bool {
    let why = if status.healthy { "" } else { &status.detail };
    let now = Some((status.healthy, why.replace(|c: char| c.is_ascii_digit(), "")));
    let begun = status.starts > 0 || !status.healthy;
    let is_news = begun && *known != now;
    if is_news {
        *known = now;
    }
    is_news
}

/// Tells the brain when the store fails, for another reason than before, or works again. Runs until the brain is gone. The journal is the brain's own thread's to watch.
pub async fn watch_health(store: Arc<Store>, inputs: mpsc::Sender<Input>) {
    let mut look = tokio::time::interval(LOOK);
    // An alarm of the last run ends with the first look that finds the store in use.
    let (mut known, mut quiet) = (None, 0);
    loop {
        look.tick().await;
        let status = store.status();
        quiet = if status.waits.is_empty() { 0 } else { quiet + 1 };
        if quiet % WAITS_SAID_EVERY == 1 {
            tracing::warn!("{}; the plant is watched meanwhile", status.waits);
        }
        if is_news(&mut known, &status) {
            let told = Input::Storage { part: StoragePart::Store, well: status.healthy, detail: status.detail };
            if inputs.send(told).await.is_err() {
                return;
            }
        }
    }
}
