//! The store: what screens and reports ask. It follows behind the journal, and can be made again from it as far as that goes: where the journal has
//! only its events any more, the store is the only copy of readings, and nothing intact of it is replaced by something poorer.
//!
//! Owns: the databases (the only home of sled), packed readings, queries, its own rebuilding.
//! Must not know: where records come from (it is given a [`Source`]), who asks, decisions of any kind. Nothing that matters for
//! safety waits for it: when it fails, alarms, escalation and acknowledgement go on, and queries say that it is out of use.
//!
//! One plain thread (`worker`) makes every call to the databases, in batches for writing; another (`keeper`) follows the journal, carries
//! queries to it and waits for it. After a failed write, a panic or a call that hangs, nothing touches those databases again: they are put aside,
//! and the store starts anew in a fresh place, where copies of them are taken back. A day that cannot be read is put aside alone and made again while the others go on.

mod again;
mod base;
mod bases;
mod bits;
mod block;
mod copy;
pub mod facts;
#[doc(hidden)]
pub mod fuzzing;
mod ingest;
mod keeper;
mod keys;
mod mend;
mod merge;
mod past;
mod places;
mod query;
mod salvage;
mod sample;
mod seal;
mod shared;
mod shelf;
mod slots;
mod sweep;
#[cfg(test)]
mod tests;
mod tools;
mod unpack;
mod worker;

pub use base::sync_by_name;
pub use copy::{Copied, days as copy_days};
pub use merge::{Batches, Merge};
pub use past::{Past, PastDay};
pub use places::hold;
pub use tools::{DayStat, Kept, Rebuilt, StoreStat, readings, rebuild, stat};

use crate::pace;
use anyhow::{Context, anyhow};
use brain::alarm::Person;
use brain::event::Record;
use brain::notice::{Delivery, Notice};
use brain::{Alarm, AlarmId, Micros, NoticeId, Quality};
use keeper::{Ask, Keeper, Patience};
use serde::{Deserialize, Serialize};
use shared::Shared;
use shelf::{Setup, Shelf};
use std::any::Any;
use std::ops::RangeInclusive;
use std::path::Path;
use std::sync::mpsc::{RecvTimeoutError, sync_channel};
use std::time::Duration;
use tokio::sync::{mpsc, watch};

/// Folder of the store inside the data directory.
pub const FOLDER: &str = "store";
/// Queries waiting for the thread.
const ASKS_MAX: usize = 64;
/// How long a query waits for its answer.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(10);
/// How long a stop waits for the thread.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(5);
/// Rows in one page, at most.
pub const PAGE_ROWS_MAX: usize = 1000;
/// Points of one series, at most.
pub const POINTS_MAX: usize = 20_000;

/// The present run of the program. The default is one of which nothing is known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Run {
    /// Number of its start in the journal: no other start comes behind it.
    pub seq: u64,
    /// Names of its tags, in their order.
    pub tags: Vec<String>,
}

impl Default for Run {
    fn default() -> Run {
        Run { seq: u64::MAX, tags: vec![] }
    }
}

/// Where records come from.
pub struct Source {
    /// Says what tags are called where the record of the start is no longer in the journal.
    pub run: Run,
    /// Records numbered `from..=through`, in order, at most `most` of them; fewer is fine, an empty list means none. An error is shown in the
    /// status and the call made again a second later: it must not be one for ever where later records can be read.
    pub read: Box<dyn FnMut(u64, u64, usize) -> anyhow::Result<Batch> + Send>,
    /// Highest number that is durable. The sender's end stops the store.
    pub durable: watch::Receiver<u64>,
}

/// Records as a source has them. Their numbers are dense: one that is passed over is not to be had any more.
#[derive(Clone, Debug, Default)]
pub struct Batch {
    /// In order.
    pub records: Vec<Record>,
    /// From this record on none was left out to save room; before it readings and ticks may be, and what became of them is not a fault.
    pub whole_from: u64,
    /// Numbers passed over before `whole_from` that may have been events: damaged, or dropped for their age.
    pub lost: Vec<RangeInclusive<u64>>,
}

impl Batch {
    /// True where all that was passed over in `from..=to` were readings and ticks, left out to save room.
    fn is_left_out(&self, from: u64, to: u64) -> bool {
        to < self.whole_from && !self.lost.iter().any(|lost| *lost.start() <= to && *lost.end() >= from)
    }
}

impl From<Vec<Record>> for Batch {
    fn from(records: Vec<Record>) -> Batch {
        Batch { records, whole_from: 1, lost: vec![] }
    }
}

/// How the store is.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct StoreStatus {
    /// Last record applied.
    pub watermark: u64,
    /// The record behind which the journal is still needed: what is not written yet, and days that are to be made again, are read from there.
    pub needed: u64,
    /// Durable records not yet applied.
    pub lag: u64,
    /// False: out of use, or not yet caught up after it was.
    pub healthy: bool,
    /// What happened, for people; empty when there is nothing to say.
    pub detail: String,
    /// UTC dates of days that are not whole.
    pub incomplete: Vec<String>,
    /// Times it was opened: more than one = it was started anew in place.
    pub starts: u64,
    /// What its thread waits for longer than usual; empty = nothing.
    pub waits: String,
}

/// One reading as kept. Times are microseconds UTC.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Point {
    /// When it arrived, to the millisecond below: the rest is noise, and costs more than the value. The journal has all of it.
    pub at: Micros,
    /// When it was measured, as the source says.
    pub source_us: Micros,
    /// In the tag's unit.
    #[serde(with = "brain::words::number")]
    pub value: f64,
    /// As judged by the link.
    pub quality: Quality,
}

/// One record that is not a reading or a tick.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EventRow {
    /// Its number.
    pub seq: u64,
    /// Its time, microseconds UTC.
    pub at: Micros,
    /// Kind word: that of the event, or `outcome`.
    pub kind: &'static str,
    /// The entry as the journal has it, JSON.
    pub json: String,
}

/// What packed readings take.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Packed {
    /// Blocks on disk.
    pub blocks: u64,
    /// Readings in them.
    pub readings: u64,
    /// Their bytes, without what the database adds or saves.
    pub bytes: u64,
}

/// What events to show. An empty filter shows all.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct EventFilter {
    /// Kind word of an event, `outcome`, or a kind of outcome: `alarm`, `told`, `delivery`, `quarantine`, `answer`.
    pub kind: Option<String>,
    /// Only what names this alarm or one of its notices.
    pub alarm: Option<AlarmId>,
    /// Only alarms and notices of this zone.
    pub zone: Option<String>,
    /// Only from this time on, microseconds UTC.
    pub from: Option<Micros>,
    /// Only before this time.
    pub to: Option<Micros>,
}

/// Part of a list. It may hold fewer rows than asked for, even none, and still not be the last: only `next` tells.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Page<T> {
    /// In the order asked for.
    pub rows: Vec<T>,
    /// Where the next page begins; none = this was the last.
    pub next: Option<u64>,
    /// UTC dates of days asked for that are not whole: rows of theirs may be missing.
    pub incomplete: Vec<String>,
}

impl<T> Page<T> {
    fn end(rows: Vec<T>) -> Self {
        Page { rows, next: None, incomplete: vec![] }
    }
}

/// A person's answer to a notice.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Answer {
    /// Accepted, or refused.
    pub accepted: bool,
    /// Who.
    pub by: Person,
    /// Their words.
    pub note: String,
    /// When, microseconds UTC.
    pub at: Micros,
}

/// A notice and what became of it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct NoticeRow {
    /// What was told.
    pub notice: Notice,
    /// How far it has come.
    pub delivery: Delivery,
    /// Last change of `delivery`, microseconds UTC.
    pub changed_at: Micros,
    /// First receipt.
    pub received_at: Option<Micros>,
    /// When the receiver's system said that it accepts it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub accepted_at: Option<Micros>,
    /// What a person there said last.
    pub answer: Option<Answer>,
    /// Tries that failed.
    pub failures: u32,
    /// What the last failed try said.
    pub last_error: String,
    /// What was sent, packed; none where it needs no words, or before they were kept.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
}

impl NoticeRow {
    fn new(notice: &Notice, at: Micros) -> NoticeRow {
        NoticeRow {
            notice: notice.clone(),
            delivery: Delivery::Queued,
            changed_at: at,
            received_at: None,
            accepted_at: None,
            answer: None,
            failures: 0,
            last_error: String::new(),
            message: None,
        }
    }
}

/// The store's handle. Queries wait for their answer, up to 10 s: call them where waiting is allowed.
pub struct Store {
    asks: mpsc::Sender<Ask>,
    shared: Shared,
    stop: watch::Sender<bool>,
    /// In a mutex only so that the handle can be shared; it is waited on once, at the end.
    ended: std::sync::Mutex<std::sync::mpsc::Receiver<()>>,
}

impl Store {
    /// Starts the store in `dir` (made if missing); it keeps the last `days` UTC days of events and readings. Opening, catching up and starting
    /// anew happen on its own threads: what goes wrong there is in [`Store::status`].
    pub fn start(dir: &Path, days: u32, source: Source) -> anyhow::Result<Store> {
        Store::start_with(dir, days, source, Patience::default())
    }

    fn start_with(dir: &Path, days: u32, source: Source, patience: Patience) -> anyhow::Result<Store> {
        let (asks, asked) = mpsc::channel(ASKS_MAX);
        let (stop, stopped) = watch::channel(false);
        let (end, ended) = sync_channel(0);
        let shared = Shared::new(source.durable.clone());
        let setup = Setup { dir: dir.to_owned(), days, run: source.run.clone() };
        let seen = shared.clone();
        let keeper =
            Keeper { setup, source, patience, shared: shared.clone(), asks: asked, stop: stopped, lock: None, unread: None };
        std::thread::Builder::new()
            .name("store".into())
            .spawn(move || {
                // The store may lag, an alarm may not.
                pace::step_back();
                if let Err(error) = worker::caught(|| keeper.run()) {
                    Keeper::ended(&seen, &error);
                }
                drop(end);
            })
            .context("cannot start the store's thread")?;
        Ok(Store { asks, shared, stop, ended: std::sync::Mutex::new(ended) })
    }

    /// How it is now. Cheap: ask every second and tell the brain when `healthy` changes.
    pub fn status(&self) -> StoreStatus {
        self.shared.status()
    }

    /// Event rows with numbers above `after_seq`, oldest first.
    pub fn events(&self, after_seq: u64, limit: usize, filter: EventFilter) -> anyhow::Result<Page<EventRow>> {
        self.ask(move |shelf| shelf.events(after_seq, rows(limit), &filter))
    }

    /// Alarms numbered below `before`, newest first.
    pub fn alarms(&self, before: Option<AlarmId>, limit: usize, include_closed: bool) -> anyhow::Result<Page<Alarm>> {
        self.ask(move |shelf| shelf.alarms(before.map(|id| id.0), rows(limit), include_closed))
    }

    /// One alarm as it last stood.
    pub fn alarm(&self, id: AlarmId) -> anyhow::Result<Option<Alarm>> {
        self.ask(move |shelf| shelf.one(keys::ALARM, id.0))
    }

    /// Notices numbered below `before`, newest first.
    pub fn notices(&self, before: Option<NoticeId>, limit: usize) -> anyhow::Result<Page<NoticeRow>> {
        self.ask(move |shelf| shelf.notices(before.map(|id| id.0), rows(limit)))
    }

    /// One notice and what became of it.
    pub fn notice(&self, id: NoticeId) -> anyhow::Result<Option<NoticeRow>> {
        self.ask(move |shelf| shelf.one(keys::NOTICE, id.0))
    }

    /// Readings of a tag that arrived in `from_us..to_us`, oldest first. More than `points` are thinned: of every stretch of time
    /// the first, last, least, greatest and worst-judged stay. Empty for an unknown tag.
    pub fn series(&self, tag: &str, from_us: Micros, to_us: Micros, points: usize) -> anyhow::Result<Page<Point>> {
        let (tag, points) = (tag.to_owned(), points.min(POINTS_MAX));
        self.ask(move |shelf| shelf.series(&tag, from_us, to_us, points))
    }

    /// Opens the newest days, those that are asked for first, so that no question waits for that. It is not waited for; a store that is busy or out of
    /// use opens them when they are asked for, as it does all others.
    pub fn warm(&self) {
        let query = Box::new(|shelf: &mut Shelf| shelf.warm().map(|()| Box::new(()) as Box<dyn Any + Send>));
        let (answer, _) = sync_channel(1);
        let _ = self.asks.try_send(Ask { query, answer });
    }

    /// What the packed readings of the UTC day of `at` take. Reads every block of it.
    pub fn packed(&self, at: Micros) -> anyhow::Result<Packed> {
        self.ask(move |shelf| shelf.packed(at))
    }

    /// Ends the thread after what is applied has been packed. An error where it does not end in 5 s: it is left behind.
    pub fn close(self) -> anyhow::Result<()> {
        self.stop.send_replace(true);
        let ended = self.ended.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner);
        match ended.recv_timeout(CLOSE_TIMEOUT) {
            Err(RecvTimeoutError::Timeout) => Err(anyhow!("the store did not stop in {} s", CLOSE_TIMEOUT.as_secs())),
            Ok(()) | Err(RecvTimeoutError::Disconnected) => Ok(()),
        }
    }

    fn ask<T: Send + 'static>(&self, query: impl FnOnce(&mut Shelf) -> anyhow::Result<T> + Send + 'static) -> anyhow::Result<T> {
        let (answer, answered) = sync_channel(1);
        let query = Box::new(move |shelf: &mut Shelf| query(shelf).map(|found| Box::new(found) as Box<dyn Any + Send>));
        let out_of_use = || anyhow!("the store is out of use: {}", self.status().detail);
        match self.asks.try_send(Ask { query, answer }) {
            Err(mpsc::error::TrySendError::Full(_)) => {
                return Err(anyhow!("the store is busy: try again"));
            }
            Err(mpsc::error::TrySendError::Closed(_)) => return Err(out_of_use()),
            Ok(()) => {}
        }
        match answered.recv_timeout(ANSWER_TIMEOUT) {
            Ok(found) => Ok(*found?.downcast().expect("the answer is what the query made")),
            Err(RecvTimeoutError::Timeout) => Err(anyhow!("the store did not answer in {} s", ANSWER_TIMEOUT.as_secs())),
            Err(RecvTimeoutError::Disconnected) => Err(out_of_use()),
        }
    }
}

fn rows(limit: usize) -> usize {
    limit.clamp(1, PAGE_ROWS_MAX)
}
