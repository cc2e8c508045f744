//! Why an act was refused, in words for programs; people read the console's own. Must not know: how an act is carried out.

use crate::site::Severity;
use serde::{Deserialize, Serialize};

/// Why an act was refused.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[serde(rename_all = "snake_case", tag = "refusal")]
pub enum Refusal {
    /// No such alarm or rule.
    #[error("no such alarm or rule")]
    Unknown,
    /// Already so.
    #[error("already done")]
    Already,
    /// The alarm changed since it was seen.
    #[error("the alarm has changed since it was seen: severity {severity:?}, occurrence {occurrence}")]
    Moved {
        /// As it stands.
        severity: Severity,
        /// As it stands.
        occurrence: u32,
    },
    /// Nothing can be put on record at present: nothing was done.
    #[error("nothing can be put on record at present, so nothing was done: try again when the disk is back")]
    Unrecorded,
    /// Something must come first.
    #[error("not yet: {missing}")]
    NotYet {
        /// Word for what is missing: `cleared`, `acknowledged`, `reset`, `note`, `cause`, `evidence`, `second_person`, `unshelve`, `design_off`,
        /// `in_service`, `permit`, `measure`, `good_reading`, `on_duty`, `on_roster`, `hand_over`, `alarms`, `entries`, `transfer`, `to`, `course`,
        /// `accident`, `enable`, `release`, `proposal`, `same_inputs`, `judged`, `despite`, `instruct`.
        missing: String,
    },
    /// Nobody may put it aside.
    #[error("it is not shelved: severity {severity:?}, highly managed: {managed}")]
    NotShelved {
        /// As it stands.
        severity: Severity,
        /// Whether its level does not matter.
        managed: bool,
    },
    /// Not for so long, or not one of the terms.
    #[error("no such term: at most {most_s} s, for a shelf one of 300, 900, 1800, 3600, 28800")]
    Term {
        /// Seconds.
        most_s: u32,
    },
    /// Asked, not done: it takes a second person.
    #[error("asked: it is done once a second person asks for the same within ten minutes")]
    SecondPerson,
    /// Proposed, not done: it takes a second person.
    #[error("proposed: it is done once a second person approves it within an hour")]
    Proposed,
    /// Another component stands there than the person meant.
    #[error("nothing was done: another component stands there now, {}", if digest.is_empty() { "none" } else { digest })]
    Superseded {
        /// The one that stands there; empty = none.
        digest: String,
    },
    /// The component to promote does not run as a shadow, and nobody said why it shall be promoted all the same.
    #[error(
        "nothing was done: {}; let it run as a shadow first, or say why it shall be promoted despite that",
        if ended.is_empty() { "it does not run as a shadow, so nobody knows how it does here".to_owned() } else { format!("its shadow ended: {ended}") }
    )]
    Untried {
        /// Why its shadow ended by itself; empty = it never ran, or was not kept running.
        ended: String,
    },
    /// So often, and not once more: notes of an alarm (write the rest into the closing note), extensions of a shelf.
    #[error(
        "{most} is the most: put further notes into the closing note, and look at what is shelved before it is shelved again"
    )]
    Full {
        /// How many it can hold.
        most: u32,
    },
    /// The key of this command was used for another one: nothing was done.
    #[error("this key was used for another command, so nothing was done: every command needs a key of its own")]
    OtherCommand,
}
