//! Deadlines as state: a sorted set that every step empties up to the present. A clock step or a restart cannot lose one.
//! Must not know: what a deadline is for.

use crate::alarm::AlarmId;
use crate::notice::NoticeId;
use crate::reading::Micros;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

/// What falls due. The order of the variants is the order at the same instant.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Timer {
    /// Has this tag been silent too long?
    Silent(u32),
    /// Has this tag stood still too long?
    Frozen(u32),
    /// The delay of a limit (tag, position) may be over.
    Limit(u32, u32),
    /// The delay of a tag's own fault may be over.
    Fault(u32),
    /// Has this link been up for long enough?
    Link(u32),
    /// The lease of a rule's claim (rule, hazard) may be over.
    Lease(u32, u32),
    /// A rule is due to be asked without readings.
    Ask(u32),
    /// A rung of this alarm may be due.
    Rung(AlarmId),
    /// The bureau's last message of this alarm (audience index) is about to expire.
    Renew(AlarmId, u32),
    /// A notice has no receipt yet.
    Resend(NoticeId),
    /// A notice to the bureau has had no receipt for too long.
    Undelivered(NoticeId),
    /// The wall clock was set, or may have run well for long enough since.
    Clock,
    /// Something of this alarm's life may be due: the end of a shelf, of chattering, of a day.
    Life(AlarmId),
    /// A logic may have suppressed for too long, or a permit may be over.
    Logic,
    /// A shift may begin or end, or a hand-over be overdue.
    Duty,
    /// An audience (index) may be told more.
    Gate(u32),
    /// A step of a rule may have lapsed, or a shadow be over.
    Stage(u32),
    /// The quarantine of a rule may end by itself.
    Return(u32),
}

/// All deadlines.
#[derive(Clone, Default, Serialize, Deserialize)]
pub(crate) struct Timers(BTreeSet<(Micros, Timer)>);

impl Timers {
    pub(crate) fn at(&mut self, due: Micros, timer: Timer) {
        self.0.insert((due, timer));
    }

    /// Takes back every deadline of this kind.
    pub(crate) fn drop_all(&mut self, is: impl Fn(Timer) -> bool) {
        self.0.retain(|(_, timer)| !is(*timer));
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (Micros, Timer)> {
        self.0.iter().copied()
    }

    /// The earliest deadline that has come, taken out.
    pub(crate) fn due(&mut self, now: Micros) -> Option<Timer> {
        let first = *self.0.first()?;
        if first.0 > now {
            return None;
        }
        self.0.remove(&first);
        Some(first.1)
    }
}

/// Milliseconds as microseconds, saturating.
pub(crate) fn ms(value: u64) -> Micros {
    Micros::try_from(value).unwrap_or(Micros::MAX / 1000).saturating_mul(1000)
}

/// Seconds as microseconds.
pub(crate) fn s(value: u32) -> Micros {
    Micros::from(value) * 1_000_000
}

#[cfg(test)]
mod tests;
