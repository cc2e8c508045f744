//! Links: one owner task per field connection. Bytes come in, batches of [`Reading`] go out.
//!
//! Owns: connections, decoding, reconnecting, and the promise that a broker hears "taken" only after [`Ack::done`].
//! Must not know: the journal, rules, what a value means for safety. Range, rate, silence and frozen values are judged in the brain.

mod ack;
mod back_off;
mod calendar;
#[doc(hidden)]
pub mod fuzzing;
mod hold;
mod json;
mod modbus;
mod mqtt;
mod payload;
pub mod recording;
mod scenario;
mod words;

pub use ack::Ack;

use crate::config::types::{Link, LinkKind};
use brain::event::LinkState;
use brain::{Micros, Reading};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;

/// Most readings in one [`FromLink::Readings`] made of more than one message. One message may carry more by itself.
pub const BATCH_MAX: usize = 256;

/// What a link tells the daemon, in order.
#[derive(Debug)]
pub enum FromLink {
    /// Values came.
    Readings {
        /// Index of the link in the configuration.
        link: usize,
        /// In order of arrival, never empty.
        readings: Vec<Reading>,
        /// Owed to the broker once the journal's sync covers this; none for polled values.
        ack: Option<Ack>,
    },
    /// The connection changed.
    State {
        /// Index of the link in the configuration.
        link: usize,
        /// What it is now.
        state: LinkState,
        /// Why, for people.
        reason: String,
    },
    /// Payloads that could not be read.
    Malformed {
        /// Index of the link in the configuration.
        link: usize,
        /// How many since the last such message; at least 1.
        count: u64,
        /// What was wrong with the last one, and its first 256 bytes.
        sample: String,
        /// Owed to the broker once the journal's sync covers this.
        ack: Option<Ack>,
    },
}

/// The present.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Now {
    /// In brain time, in which readings are handed over.
    pub at: Micros,
    /// How far the wall clock, by which sources give their times, is ahead of it.
    pub ahead: Micros,
    /// The wall clock shows what cannot be.
    pub wrong: bool,
}

/// The clock, handed in.
pub type Clock = Arc<dyn Fn() -> Now + Send + Sync>;

/// What an owner task is given besides its own configuration.
#[derive(Clone)]
pub struct Outlet {
    /// Index of the link in the configuration.
    pub link: usize,
    /// Bounded hand-over queue to the daemon. A full queue stops an MQTT link from reading and makes a polled link keep the newest.
    pub out: mpsc::Sender<FromLink>,
    /// Where arrival times come from.
    pub clock: Clock,
    /// Shared with the metrics.
    pub counters: Arc<LinkCounters>,
    /// False while nothing can be put on record: what comes is taken without a promise, and the broker keeps its own.
    pub recorded: watch::Receiver<bool>,
    /// Cancelled to stop the link.
    pub stop: CancellationToken,
}

impl Outlet {
    /// Waits for room and sends. False = the daemon is gone or we are to stop.
    async fn send(&self, message: FromLink) -> bool {
        tokio::select! { biased;
            () = self.stop.cancelled() => false,
            sent = self.out.send(message) => sent.is_ok(),
        }
    }

    /// Waits for room and says what the connection is now.
    async fn report(&self, state: LinkState, reason: impl Into<String>) -> bool {
        self.send(FromLink::State { link: self.link, state, reason: reason.into() }).await
    }

    /// Resolves when what comes can (or can no longer) be put on record.
    async fn recording(&self, on: bool) {
        let mut recorded = self.recorded.clone();
        if recorded.wait_for(|recorded| *recorded == on).await.is_err() {
            std::future::pending::<()>().await;
        }
    }

    /// Sleeps. False = stopped meanwhile.
    async fn pause(&self, time: std::time::Duration) -> bool {
        tokio::select! { biased;
            () = self.stop.cancelled() => false,
            () = tokio::time::sleep(time) => true,
        }
    }
}

/// Counts of one link since the start of the program, for the metrics.
#[derive(Debug, Default)]
pub struct LinkCounters {
    /// Connections made.
    pub connects: AtomicU64,
    /// Readings handed over.
    pub readings: AtomicU64,
    /// Payloads that could not be read.
    pub malformed: AtomicU64,
    /// Polled values overwritten by newer ones because the hand-over queue was full.
    pub replaced: AtomicU64,
    /// Modbus connections thrown away after an answer that did not fit or did not come.
    pub poisonings: AtomicU64,
    /// Modbus exceptions.
    pub exceptions: AtomicU64,
    /// Modbus scans that were due and did not run in their time.
    pub missed_scans: AtomicU64,
}

/// Adds to a counter; counters are independent of each other.
fn count(counter: &AtomicU64, by: u64) {
    counter.fetch_add(by, Ordering::Relaxed);
}

/// Owns one link until `outlet.stop`: connects, reads, reports, reconnects. Never returns before it is told to stop
/// or the daemon has dropped the other end of the queue.
pub async fn run(config: Link, outlet: Outlet) {
    match config.kind {
        LinkKind::Mqtt(mqtt) => mqtt::run(&mqtt, &outlet).await,
        LinkKind::Modbus(modbus) => modbus::run(&config.name, modbus, &outlet).await,
        LinkKind::Calendar(calendar) => calendar::run(&calendar, &outlet).await,
        LinkKind::Scenario(scenario) => scenario::run(&scenario, &outlet).await,
        LinkKind::Recording(_) => {
            let reason = "a recording has no live connection; feed it with `safety-brain replay`";
            outlet.report(LinkState::Down, reason).await;
            outlet.stop.cancelled().await;
        }
    }
}
