//! The pure decision core of safety-brain: [`Brain::step`] takes what happened and says what to do.
//!
//! Owns: every decision that matters for safety (quality, guards, alarms, escalation, the outbox's resending).
//! Must not know: clocks, files, sockets, tasks, logs, WebAssembly, TOML. The same events give the same effects, byte for byte:
//! restart, back-test, audit and simulation are one feature. Nothing here returns `Result` for bad data or panics on it.
//!
//! Reading order: `words`, `reading`, `site`, `finding`, `alarm`, `notice`, `event`, then what decides.

pub mod accident;
mod acts;
pub mod alarm;
mod backlog;
pub mod brain;
mod builtin;
pub mod bureau;
pub mod calendar;
pub mod clock;
mod delay;
mod design;
pub mod duty;
mod escalation;
pub mod event;
mod exercise;
pub mod feed;
pub mod figures;
pub mod finding;
mod gate;
mod growth;
mod guard;
mod habit;
#[cfg(test)]
mod harness;
mod instruction;
pub mod ladder;
mod life;
mod name;
pub mod notice;
mod outbox;
mod plain;
pub mod reading;
mod record;
mod refusal;
mod refused;
mod renewal;
mod rule;
mod saved;
mod settled;
mod shared;
pub mod shelf;
mod shown;
pub mod site;
pub mod stages;
mod storage;
mod table;
mod timer;
pub mod words;

pub use alarm::{Alarm, AlarmId};
pub use brain::Brain;
pub use clock::Clock;
pub use design::SECOND_WITHIN_US;
pub use event::{Act, Effect, Event};
pub use gate::{Reached, Tested};
pub use habit::Flooded;
pub use notice::{Notice, NoticeId};
pub use reading::{Micros, Quality, Reading, TagId};
pub use saved::Saved;
pub use site::{Severity, Site};
