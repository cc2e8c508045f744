//! Polled values that found the hand-over queue full. Owns: the newest, lowest, highest and last bad value per tag since the last emptying.
//! Must not know: how values are read.

use super::{FromLink, Outlet, count};
use brain::event::LinkState;
use brain::{Reading, TagId};
use std::collections::BTreeMap;
use std::time::Duration;
use tokio::sync::mpsc::error::TrySendError;

/// How often a full queue is looked at while we wait for room.
const ROOM_EVERY: Duration = Duration::from_millis(50);

/// What is kept of one tag: a value that crossed a limit on the way is not lost sight of.
struct Slot {
    low: Option<Reading>,
    high: Option<Reading>,
    bad: Option<Reading>,
    newest: Reading,
}

impl Slot {
    fn new(first: Reading) -> Self {
        let mut slot = Slot { low: None, high: None, bad: None, newest: first };
        slot.put(first);
        slot
    }

    fn put(&mut self, reading: Reading) {
        self.newest = reading;
        if reading.quality.is_bad() {
            self.bad = Some(reading);
            return;
        }
        if self.low.is_none_or(|low| reading.value < low.value) {
            self.low = Some(reading);
        }
        if self.high.is_none_or(|high| reading.value > high.value) {
            self.high = Some(reading);
        }
    }
}

/// Sends readings without ever waiting. Bounded by the number of tags.
#[derive(Default)]
pub(super) struct Hold {
    slots: BTreeMap<TagId, Slot>,
    replaced: u64,
}

impl Hold {
    /// Hands `readings` over, after those held back before. With a full queue, keeps them per tag and counts what was replaced.
    /// False = the daemon is gone.
    pub(super) fn send(&mut self, outlet: &Outlet, readings: Vec<Reading>) -> bool {
        if !self.slots.is_empty() && !self.empty(outlet) {
            self.keep(outlet, readings);
            return !outlet.out.is_closed();
        }
        if readings.is_empty() {
            return true;
        }
        let many = readings.len() as u64;
        match outlet.out.try_send(FromLink::Readings { link: outlet.link, readings, ack: None }) {
            Ok(()) => count(&outlet.counters.readings, many),
            Err(TrySendError::Full(FromLink::Readings { readings, .. })) => self.keep(outlet, readings),
            Err(_) => return false,
        }
        true
    }

    /// Waits for room and sends what is held. False = stopped, or the daemon is gone.
    pub(super) async fn flush(&mut self, outlet: &Outlet) -> bool {
        while !self.slots.is_empty() && !self.empty(outlet) {
            if outlet.out.is_closed() || !outlet.pause(ROOM_EVERY).await {
                return false;
            }
        }
        true
    }

    fn keep(&mut self, outlet: &Outlet, readings: Vec<Reading>) {
        for reading in readings {
            let Some(slot) = self.slots.get_mut(&reading.tag) else {
                self.slots.insert(reading.tag, Slot::new(reading));
                continue;
            };
            slot.put(reading);
            self.replaced += 1;
            count(&outlet.counters.replaced, 1);
        }
    }

    /// Sends what was held, between a `Saturated` and an `Up`. False = no room yet; nothing is lost then.
    fn empty(&mut self, outlet: &Outlet) -> bool {
        // The queue is thousands deep; one of less than three would hold for ever.
        let Ok(room) = outlet.out.try_reserve_many(3) else {
            return false;
        };
        let mut readings: Vec<Reading> = Vec::new();
        for slot in std::mem::take(&mut self.slots).into_values() {
            let mut kept: Vec<Reading> = [slot.low, slot.high, slot.bad].into_iter().flatten().collect();
            kept.push(slot.newest);
            kept.sort_by_key(|r| r.source_us);
            kept.dedup_by(|a, b| a.source_us == b.source_us && a.value.to_bits() == b.value.to_bits());
            readings.extend(kept);
        }
        count(&outlet.counters.readings, readings.len() as u64);
        let link = outlet.link;
        let reason = format!("we could not keep up: {} polled values were replaced by newer ones", self.replaced);
        self.replaced = 0;
        let messages = [
            FromLink::State { link, state: LinkState::Saturated, reason },
            FromLink::Readings { link, readings, ack: None },
            FromLink::State { link, state: LinkState::Up, reason: "keeping up again".into() },
        ];
        for (permit, message) in room.zip(messages) {
            permit.send(message);
        }
        true
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use brain::Quality;
    use std::sync::Arc;
    use tokio::sync::mpsc;

    #[test]
    fn a_full_queue_keeps_newest_lowest_and_highest() {
        let (out, mut from) = mpsc::channel(3);
        let outlet = Outlet {
            link: 4,
            out,
            clock: Arc::new(|| crate::links::Now { at: 0, ahead: 0, wrong: false }),
            counters: Arc::default(),
            recorded: tokio::sync::watch::channel(true).1,
            stop: Default::default(),
        };
        let mut hold = Hold::default();
        let reading = |at: i64, value: f64| Reading { tag: TagId(1), value, quality: Quality::GOOD, source_us: at };
        for at in 0..3 {
            assert!(hold.send(&outlet, vec![reading(at, 0.0)]));
        }
        for (at, value) in [(3, 5.0), (4, 99.0), (5, -7.0), (6, 5.5)] {
            assert!(hold.send(&outlet, vec![reading(at, value)]));
        }
        while from.try_recv().is_ok() {}
        assert!(hold.send(&outlet, Vec::new()));
        let FromLink::State { link: 4, state: LinkState::Saturated, reason } = from.try_recv().unwrap() else { panic!() };
        assert!(reason.contains("3 polled values"), "{reason}");
        let FromLink::Readings { readings, .. } = from.try_recv().unwrap() else { panic!() };
        assert_eq!(readings.iter().map(|r| r.value).collect::<Vec<_>>(), [99.0, -7.0, 5.5]);
        assert!(matches!(from.try_recv().unwrap(), FromLink::State { state: LinkState::Up, .. }));
        drop(from);
        assert!(!hold.send(&outlet, vec![reading(9, 1.0)]));
    }
}
