//! What is old is compressed, pruned and dropped here, and the room for it measured: in the background, never in the way of a record.
//! Must not know: how a segment changes its form, what too little room means.

use super::clock::Clock;
use super::room::{Bound, Disk, History, Room};
use super::{Input, snapshot};
use crate::config::types::Storage;
use crate::journal::{FOLDER, Gauge, Keeper, Moment, Policy};
use crate::store::{Store, StoreStatus};
use brain::Micros;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Weak};
use std::time::Duration;
use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;

const LOOK: Duration = Duration::from_secs(20);
const DAY_US: Micros = 86_400_000_000;
/// The store reads again from so far back after a restart: blocks of readings that it has not written yet are not older.
const SETTLED_US: Micros = 30 * 60 * 1_000_000;
/// A measurement that says nothing new is told this seldom, and one that is a little worse not at every look.
const TELL_EVERY: Micros = 600_000_000;

/// The work, and what it needs to know.
pub struct Keeping {
    data: PathBuf,
    keeper: Keeper,
    gauge: Gauge,
    policy: Policy,
    segment_bytes: u64,
    history: History,
    store: Weak<Store>,
    clock: Arc<Clock>,
    recorded: watch::Receiver<bool>,
    told: Option<(Micros, Room)>,
    failed: bool,
}

impl Keeping {
    /// For a data directory.
    pub fn new(
        data: &Path,
        storage: &Storage,
        (store, clock): (&Arc<Store>, &Arc<Clock>),
        recorded: watch::Receiver<bool>,
    ) -> Keeping {
        let policy = Policy {
            bytes_max: storage.journal_bytes,
            records: Micros::from(storage.journal_days) * DAY_US,
            records_min: SETTLED_US,
            events: Micros::from(storage.events_days) * DAY_US,
        };
        // No segment is larger once it is pruned.
        let keeper = Keeper::new(&data.join(FOLDER)).with_ballast(storage.segment_bytes);
        let gauge = Gauge::new(&data.join(FOLDER));
        let (history, store) = (History::default(), Arc::downgrade(store));
        Keeping {
            data: data.to_owned(),
            keeper,
            gauge,
            policy,
            segment_bytes: storage.segment_bytes,
            history,
            store,
            clock: Arc::clone(clock),
            recorded,
            told: None,
            failed: false,
        }
    }

    /// Works until `stop`; `room` is what screens see.
    pub async fn run(mut self, inputs: mpsc::Sender<Input>, room: watch::Sender<String>, stop: CancellationToken) {
        let mut look = tokio::time::interval(LOOK);
        look.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                biased;
                () = stop.cancelled() => return,
                _ = look.tick() => {}
            }
            let ended = stop.clone();
            let round = move || {
                let measured = self.round(&|| ended.is_cancelled());
                (self, measured)
            };
            let Ok((back, measured)) = tokio::task::spawn_blocking(round).await else {
                tracing::error!("the thread that keeps the journal small panicked; it grows until the next start");
                return;
            };
            self = back;
            let Some((measured, news)) = measured else { continue };
            room.send_replace(measured.told(self.policy.bytes_max));
            let Room { disk, disk_days, journal_days, .. } = measured;
            let told = Input::Growth { free: disk.free_percent(), disk_days, journal_days, room: self.told_of(&measured) };
            if news && inputs.send(told).await.is_err() {
                return;
            }
        }
    }

    /// One round; what was measured behind it, and whether it is news.
    fn round(&mut self, stop: &dyn Fn() -> bool) -> Option<(Room, bool)> {
        match self.keep(stop).and_then(|()| self.measure()) {
            Ok(measured) => {
                let news = self.is_news(&measured);
                Some((measured, news))
            }
            Err(error) => {
                tracing::error!("the room for the journal cannot be measured: {error:#}");
                None
            }
        }
    }

    fn measure(&mut self) -> anyhow::Result<Room> {
        let now = self.clock.now();
        let Policy { bytes_max: bytes, records, events, .. } = self.policy;
        let (disk, usage) = (Disk::of(&self.data)?, self.gauge.measure(now)?);
        Ok(self.history.measured(now, disk, usage, &Bound { bytes, records, events }))
    }

    /// What the brain is told beside percent and days.
    fn told_of(&self, room: &Room) -> brain::event::Room {
        brain::event::Room {
            free_bytes: room.disk.free,
            total_bytes: room.disk.total,
            segment_bytes: self.segment_bytes,
            kept_days: room.kept_days,
            wanted_days: self.policy.records as f64 / DAY_US as f64,
        }
    }

    /// Does what is due. Where the disk fills, the brain calls it nearly full.
    fn keep(&mut self, stop: &dyn Fn() -> bool) -> anyhow::Result<()> {
        let Disk { free: free_bytes, total: total_bytes } = Disk::of(&self.data)?;
        let (segment_bytes, kept_days, wanted_days) = (self.segment_bytes, None, 0.0);
        let room = brain::event::Room { free_bytes, total_bytes, segment_bytes, kept_days, wanted_days };
        let store = self.store.upgrade().map(|store| store.status()).unwrap_or_default();
        let StoreStatus { needed, healthy, .. } = store;
        let moment = Moment {
            now: self.clock.now(),
            passed: needed.min(snapshot::oldest(&self.data).unwrap_or(0)),
            well: healthy && *self.recorded.borrow(),
            full: room.is_nearly_full(),
        };
        match self.keeper.round(&self.policy, &moment, stop) {
            Ok(kept) => {
                self.failed = false;
                if kept != Default::default() {
                    tracing::info!(?kept, "old segments of the journal");
                }
            }
            // The journal's own failure is an alarm already; this one waits for the next round.
            Err(error) if !self.failed => {
                self.failed = true;
                tracing::error!("the journal cannot be made smaller, tried again every {} s: {error:#}", LOOK.as_secs());
            }
            Err(_) => {}
        }
        Ok(())
    }

    fn is_news(&mut self, room: &Room) -> bool {
        let now = self.clock.now();
        let far = |a: Option<f64>, b: Option<f64>| match (a, b) {
            (Some(a), Some(b)) => (a - b).abs() > 0.05 * a.max(b).max(1.0),
            (None, None) => false,
            (Some(_), None) | (None, Some(_)) => true,
        };
        let news = self.told.as_ref().is_none_or(|(at, before)| {
            let (free, was) = (room.disk.free_percent(), before.disk.free_percent());
            let new = (free - was).abs() >= 1.0 || far(room.disk_days, before.disk_days) || far(room.kept_days, before.kept_days);
            // A percent of a large disk may be all that is left of it.
            free <= (was - 1.0).max(was * 0.9) || (new && now - at >= TELL_EVERY)
        });
        if news {
            self.told = Some((now, *room));
        }
        news
    }
}
