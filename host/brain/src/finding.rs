//! One claim about one hazard: by a rule, or by a guard of the brain.
//! Must not know: what becomes of it (that is `alarm`).

use crate::reading::{Micros, Quality};
use crate::site::{Citation, Severity};
use crate::words::{Text, Words, number};
use serde::{Deserialize, Serialize};

/// What a finding says of its hazard. Level, not edge: it holds until the next finding of the same key. Absence never clears.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// No danger seen, on inputs that can be believed.
    Clear,
    /// Danger.
    Active,
    /// The inputs a verdict needs are bad. Never a return to normal.
    CannotTell,
}

/// How sure, as in CAP.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[allow(missing_docs)] // CAP's own words
pub enum Certainty {
    Observed,
    Likely,
    Possible,
    Unlikely,
}

/// The value that made the claim, and the limit it was held against. At most [`EVIDENCE_MAX`] rows are kept.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Evidence {
    /// Tag name: names outlive configurations.
    pub tag: String,
    /// In `unit`.
    #[serde(with = "number")]
    pub value: f64,
    /// What the value stands for where it is a state: "open", "helmet missing".
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub meaning: Option<Words>,
    /// The tag's unit.
    pub unit: String,
    /// When it was measured.
    pub at: Micros,
    /// Whether it could be believed.
    pub quality: Quality,
    /// The limit crossed, same unit.
    pub limit: Option<f64>,
    /// Where the limit comes from.
    pub citation: Option<Citation>,
}

/// Rows of evidence kept per finding.
pub const EVIDENCE_MAX: usize = 8;

/// One claim.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Finding {
    /// Hazard identifier; for a rule, one of its [`crate::site::Rule::hazards`].
    pub hazard: String,
    /// What it says.
    pub verdict: Verdict,
    /// Suggested level; meaningless unless active.
    pub severity: Severity,
    /// How sure.
    pub certainty: Certainty,
    /// What a person reads.
    pub text: Text,
    /// What it rests on.
    pub evidence: Vec<Evidence>,
}
