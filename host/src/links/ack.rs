//! The way back from the journal to the broker. Owns: packet ids that wait for the sync, and those that may be acknowledged.
//! Must not know: the protocol, the journal.
//!
//! Each connection has a [`Returned`] of its own. An acknowledgement of an earlier connection lands in a box nobody opens any more:
//! it can never acknowledge another message that was given the same packet id, and the broker delivers the old one again.

use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::Notify;

/// What we owe the broker for one batch. Dropped without [`Ack::done`], the messages stay un-acknowledged and come again.
#[derive(Debug)]
pub struct Ack {
    ids: Vec<u16>,
    to: Arc<Returned>,
}

impl Ack {
    /// None where nothing is owed (QoS 0).
    pub(super) fn new(ids: Vec<u16>, to: &Arc<Returned>) -> Option<Self> {
        (!ids.is_empty()).then(|| Ack { ids, to: to.clone() })
    }

    /// To be called after the journal's sync covers the event this came with. Never blocks on anything but a short lock.
    pub fn done(self) {
        self.to.lock().extend_from_slice(&self.ids);
        self.to.woken.notify_one();
    }
}

/// Packet ids of one connection that may be acknowledged. Bounded by the protocol: an id is in use at most once (65 535).
#[derive(Debug, Default)]
pub(super) struct Returned {
    ids: Mutex<Vec<u16>>,
    woken: Notify,
}

impl Returned {
    fn lock(&self) -> std::sync::MutexGuard<'_, Vec<u16>> {
        // A list of numbers is whole after every statement: a panic elsewhere cannot have broken it.
        self.ids.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Moves what has come back to the end of `into`.
    pub(super) fn take(&self, into: &mut std::collections::VecDeque<u16>) {
        into.extend(self.lock().drain(..));
    }

    /// Resolves when something has come back since the last call.
    pub(super) async fn woken(&self) {
        self.woken.notified().await;
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use std::collections::VecDeque;

    #[test]
    fn ids_come_back_in_order_and_only_to_their_own_connection() {
        let (old, new) = (Arc::new(Returned::default()), Arc::new(Returned::default()));
        let stale = Ack::new(vec![7], &old).unwrap();
        for ids in [vec![1, 2], vec![3]] {
            Ack::new(ids, &new).unwrap().done();
        }
        stale.done();
        let mut got = VecDeque::new();
        new.take(&mut got);
        assert_eq!(got, [1, 2, 3]);
        assert!(Ack::new(Vec::new(), &new).is_none());
    }
}
