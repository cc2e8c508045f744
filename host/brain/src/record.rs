//! One record of the journal. Must not know: how it is written, what its event does.

use crate::event::{Event, Outcome};
use crate::reading::Micros;
use serde::{Deserialize, Serialize};

/// What one record holds.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Entry {
    /// Something happened. Replay feeds these to [`crate::Brain::step`].
    Event(Event),
    /// Something happened at a bureau: a journal of its own, in which nothing else stands.
    Bureau(crate::bureau::Event),
    /// What the step of record `cause` decided.
    Outcome {
        /// Sequence number of the event.
        cause: u64,
        /// In order of the effects. Never empty.
        outcome: Vec<Outcome>,
    },
}

/// One record of the journal.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Record {
    /// Dense, from 1.
    pub seq: u64,
    /// Brain time, never decreasing.
    pub at: Micros,
    /// What it holds.
    pub entry: Entry,
}
