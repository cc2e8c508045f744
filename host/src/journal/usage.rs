//! How much the journal takes, and how fast it grows. Opens nothing for writing. Must not know: what is kept how long, who asks.

use super::files::{self, Held, Source};
use brain::Micros;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

const DAY_US: Micros = 86_400_000_000;
const HOUR_US: Micros = 3_600_000_000;

/// What is in the files.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Usage {
    /// Bytes of the segments' files.
    pub live: u64,
    /// Bytes of the archive's.
    pub archive: u64,
    /// Time of the oldest record that is compressed and not pruned.
    pub oldest_at: Option<Micros>,
    /// Bytes a day that segments take once they are compressed, over the last seven days; none before an hour of them is.
    pub live_a_day: Option<f64>,
    /// Bytes a day that go into the archive and stay there, over the last thirty days there.
    pub archive_a_day: Option<f64>,
}

/// Measures again and again. A compressed file never changes: it is opened once.
pub struct Gauge {
    dir: PathBuf,
    known: BTreeMap<Held, Row>,
}

#[derive(Clone, Copy)]
struct Row {
    first_at: Micros,
    last_at: Micros,
    bytes: u64,
}

impl Gauge {
    /// For the journal in `dir`.
    pub fn new(dir: &Path) -> Gauge {
        Gauge { dir: dir.to_owned(), known: BTreeMap::new() }
    }

    /// At `now`, microseconds UTC.
    ///
    /// # Errors
    /// The directory cannot be listed.
    pub fn measure(&mut self, now: Micros) -> anyhow::Result<Usage> {
        let all = files::list(&self.dir)?;
        self.known.retain(|held, _| all.binary_search_by_key(&held.number, |h| h.number).is_ok_and(|at| all[at] == *held));
        let mut usage = Usage::default();
        let (mut live, mut archive) = (vec![], vec![]);
        for held in all {
            let bytes = match self.row(held) {
                Some(row) => {
                    if held.archived { &mut archive } else { &mut live }.push(row);
                    row.bytes
                }
                // One that goes away meanwhile is counted in its next form, the next time.
                None => held.path(&self.dir).metadata().map_or(0, |file| file.len()),
            };
            *if held.archived { &mut usage.archive } else { &mut usage.live } += bytes;
        }
        usage.oldest_at = live.first().map(|row| row.first_at);
        usage.live_a_day = a_day(&live, now.saturating_sub(7 * DAY_US));
        let newest = archive.last().map_or(now, |row| row.last_at);
        usage.archive_a_day = a_day(&archive, newest.saturating_sub(30 * DAY_US));
        Ok(usage)
    }

    /// Of a compressed file.
    fn row(&mut self, held: Held) -> Option<Row> {
        if !self.known.contains_key(&held)
            && let Ok(Source::Packed(packed)) = files::source(&self.dir, held)
        {
            let bytes = held.path(&self.dir).metadata().ok()?.len();
            self.known.insert(held, Row { first_at: packed.about.first_at, last_at: packed.about.last_at, bytes });
        }
        self.known.get(&held).copied()
    }
}

/// Bytes a day of files that hold records since `since`; none where they span less than an hour.
fn a_day(rows: &[Row], since: Micros) -> Option<f64> {
    let within = rows.iter().filter(|row| row.last_at >= since);
    let first = within.clone().next()?.first_at;
    let (bytes, last) = within.fold((0, first), |(bytes, _), row| (bytes + row.bytes, row.last_at));
    let span = last.saturating_sub(first);
    (span >= HOUR_US).then(|| bytes as f64 * DAY_US as f64 / span as f64)
}
