//! The way back from the journal to the broker. Owns: what one connection owes for the messages that it brought, and in which order.
//! Must not know: the protocol, the journal.
//!
//! MQTT has a client acknowledge in the order in which messages came; some brokers end a connection that does not. Each connection has an [`Owed`] of
//! its own. An acknowledgement of an earlier connection lands in a box nobody opens any more: it can never acknowledge another message that was
//! given the same packet id, and the broker delivers the old one again.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::Notify;

/// What we owe the broker for one batch. Dropped without [`Ack::done`], the messages stay un-acknowledged: the connection ends, and they come again.
#[derive(Debug)]
pub struct Ack {
    numbers: Vec<u64>,
    to: Arc<Returned>,
}

impl Ack {
    /// To be called after the journal's sync covers the event this came with. Never blocks on anything but a short lock.
    pub fn done(mut self) {
        self.to.lock().settled.append(&mut self.numbers);
        self.to.woken.notify_one();
    }
}

impl Drop for Ack {
    fn drop(&mut self) {
        if !self.numbers.is_empty() {
            self.to.lock().is_void = true;
            self.to.woken.notify_one();
        }
    }
}

/// What has come back from the journal. Bounded by the protocol: a packet id is in use at most once (65 535).
#[derive(Debug, Default)]
pub(super) struct Returned {
    came: Mutex<Came>,
    woken: Notify,
}

#[derive(Debug, Default)]
struct Came {
    settled: Vec<u64>,
    is_void: bool,
}

impl Returned {
    fn lock(&self) -> MutexGuard<'_, Came> {
        // Numbers and a word are whole after every statement: a panic elsewhere cannot have broken them.
        self.came.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Resolves when something has come back since the last call.
    pub(super) async fn woken(&self) {
        self.woken.notified().await;
    }
}

/// The messages of one connection that are not acknowledged yet, in the order in which they came.
#[derive(Debug, Default)]
pub(super) struct Owed {
    returned: Arc<Returned>,
    /// Number of the first of `ids`.
    first: u64,
    /// Packet id, and whether it may be acknowledged.
    ids: VecDeque<(u16, bool)>,
}

impl Owed {
    /// A message came. Returns its number.
    pub(super) fn push(&mut self, id: u16) -> u64 {
        self.ids.push_back((id, false));
        self.first + self.ids.len() as u64 - 1
    }

    /// This message may be acknowledged.
    pub(super) fn settle(&mut self, number: u64) {
        if let Some(index) = number.checked_sub(self.first)
            && let Some((_, settled)) = self.ids.get_mut(index as usize)
        {
            *settled = true;
        }
    }

    /// What is to be done for messages with these numbers; none where nothing is owed (QoS 0).
    pub(super) fn ack(&self, numbers: Vec<u64>) -> Option<Ack> {
        (!numbers.is_empty()).then(|| Ack { numbers, to: self.returned.clone() })
    }

    /// Acknowledges what may be, in order, until `acknowledge` says that there is no room now. False = something will never be: another connection is
    /// needed.
    pub(super) fn pay(&mut self, mut acknowledge: impl FnMut(u16) -> bool) -> bool {
        let (settled, is_void) = {
            let mut came = self.returned.lock();
            (std::mem::take(&mut came.settled), came.is_void)
        };
        settled.into_iter().for_each(|number| self.settle(number));
        while let Some((id, true)) = self.ids.front()
            && acknowledge(*id)
        {
            self.ids.pop_front();
            self.first += 1;
        }
        !is_void
    }

    /// Where something comes back.
    pub(super) fn returned(&self) -> Arc<Returned> {
        self.returned.clone()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn paid(owed: &mut Owed) -> (Vec<u16>, bool) {
        let mut ids = vec![];
        let goes_on = owed.pay(|id| {
            ids.push(id);
            true
        });
        (ids, goes_on)
    }

    #[test]
    fn ids_go_out_in_the_order_in_which_they_came_and_only_on_their_own_connection() {
        let (mut old, mut new) = (Owed::default(), Owed::default());
        let number = old.push(7);
        let stale = old.ack(vec![number]).unwrap();
        let numbers: Vec<u64> = [1, 2, 3, 4].map(|id| new.push(id)).to_vec();
        let (odd, even) = (new.ack(vec![numbers[0], numbers[2]]).unwrap(), new.ack(vec![numbers[1]]).unwrap());
        assert!(new.ack(Vec::new()).is_none());
        stale.done();
        even.done();
        assert_eq!(paid(&mut new), (vec![], true), "1 is not settled");
        odd.done();
        assert!(new.pay(|_| false), "there is no room");
        assert_eq!(paid(&mut new), (vec![1, 2, 3], true));
        new.settle(numbers[3]);
        assert_eq!(paid(&mut new), (vec![4], true));
    }

    #[test]
    fn what_will_never_be_acknowledged_ends_the_connection() {
        let mut owed = Owed::default();
        let numbers = [1, 2].map(|id| owed.push(id));
        let (first, second) = (owed.ack(vec![numbers[0]]).unwrap(), owed.ack(vec![numbers[1]]).unwrap());
        first.done();
        drop(second);
        assert_eq!(paid(&mut owed), (vec![1], false), "what could be acknowledged was");
    }
}
