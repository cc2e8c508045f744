//! Old segments of a bureau's journal: compressed, and dropped after their time once a snapshot stands behind them, in the background. Must not know: how a
//! segment changes its form, what a record says.

use super::super::snapshot;
use super::Clock;
use crate::journal::{FOLDER, Keeper, Moment, Policy};
use brain::Micros;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use tokio_util::sync::CancellationToken;

const LOOK: Duration = Duration::from_secs(20);
const DAY_US: Micros = 86_400_000_000;
/// After so long a segment goes to the archive, whole: nothing in it is a reading.
const RECORDS_US: Micros = 2 * DAY_US;

/// Works until `stop`.
pub async fn keep(data: PathBuf, events_days: u32, clock: Arc<Clock>, stop: CancellationToken) {
    let mut keeper = Keeper::new(&data.join(FOLDER));
    let events = Micros::from(events_days) * DAY_US;
    let policy = Policy { bytes_max: u64::MAX, records: RECORDS_US, records_min: RECORDS_US, events };
    let mut look = tokio::time::interval(LOOK);
    look.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            biased;
            () = stop.cancelled() => return,
            _ = look.tick() => {}
        }
        let (ended, data, now) = (stop.clone(), data.clone(), clock.now());
        let round = move || {
            let passed = snapshot::oldest(&data).unwrap_or(0);
            let moment = Moment { now, passed, well: true, full: false };
            let kept = keeper.round(&policy, &moment, &|| ended.is_cancelled());
            (keeper, kept)
        };
        let Ok((back, kept)) = tokio::task::spawn_blocking(round).await else {
            tracing::error!("the thread that keeps the journal small panicked; it grows until the next start");
            return;
        };
        keeper = back;
        match kept {
            Ok(kept) if kept == Default::default() => {}
            Ok(kept) => tracing::info!(?kept, "old segments of the journal"),
            Err(error) => tracing::error!("the journal cannot be made smaller, tried again in {} s: {error:#}", LOOK.as_secs()),
        }
    }
}
