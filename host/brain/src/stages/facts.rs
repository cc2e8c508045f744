//! The facts of a rule's life, as the record, snapshots and screens have them. Must not know: what follows from a step.

use super::compare::Compared;
use crate::alarm::Person;
use crate::event::StrikeKind;
use crate::finding::{Finding, Verdict};
use crate::reading::Micros;
use crate::site::{Hazard, Rule, Severity};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, VecDeque};

/// A step that takes effect at once, or where the site wants two persons, once another one approves.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Grave {
    /// The installed one becomes the active one.
    Promote,
    /// The one that ran before becomes the active one.
    RollBack,
    /// Nothing runs in the rule's place.
    Disable,
}

/// What a person wants of a rule. `digest` is the component that the person means: where another one stands there now, nothing is done.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "step")]
pub enum Step {
    /// A bundle passed admission and is kept: it may run in this place.
    Install {
        /// Who signed it; empty = nobody.
        publisher: String,
        /// The rule as it would be with this component.
        about: Box<Rule>,
    },
    /// Run it beside the active one, on the same rows; what it finds alarms nobody.
    Shadow {
        /// The installed one, or the one that ran before.
        digest: String,
        /// Why, in the person's words.
        #[serde(default, skip_serializing_if = "String::is_empty")]
        note: String,
    },
    /// The installed one is given up.
    Withdraw {
        /// The installed one.
        digest: String,
        /// Why, in the person's words.
        #[serde(default, skip_serializing_if = "String::is_empty")]
        note: String,
    },
    /// Promote, roll back or disable.
    Grave {
        /// Which of them.
        what: Grave,
        /// The component that is to run; to disable, the one that runs.
        digest: String,
        /// Why, in the person's words; needed to disable.
        note: String,
        /// To promote: why although it does not run as a shadow, or has judged nothing as one; to roll back: why to one from which people rolled back; empty = that is not said. None = as it was recorded before anybody was asked for it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        despite: Option<String>,
    },
    /// A disabled rule goes back to work.
    Enable,
    /// What another person proposed shall be done.
    Approve {
        /// As proposed.
        what: Grave,
        /// As proposed.
        digest: String,
    },
}

/// What became of a rule, for the record.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RuleChange {
    /// A component may run in its place.
    Installed,
    /// The installed one was given up.
    Withdrawn,
    /// It runs beside the active one.
    Shadowed,
    /// It no longer does.
    ShadowEnded,
    /// Somebody proposed a step; it waits for a second person.
    Proposed,
    /// Nobody approved in time.
    Lapsed,
    /// It is the active one, and was installed.
    Promoted,
    /// It is the active one, and had been before.
    RolledBack,
    /// Nothing runs.
    Disabled,
    /// It runs again.
    Enabled,
    /// Its file was gone or is not admitted any more: what the site file names runs instead.
    FellBack,
    /// The site file names another component than when it was promoted: that of the site file runs.
    Overruled,
}

/// What a component that runs beside the active one said, or what happened to it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "says")]
pub enum Aside {
    /// What it would have claimed.
    Findings {
        /// At most one per hazard.
        findings: Vec<Finding>,
        /// It judged readings for this. Absent: it did, or was recorded before anybody asked.
        #[serde(default = "yes", skip_serializing_if = "Clone::clone")]
        judged: bool,
    },
    /// It failed.
    Strike {
        /// How.
        kind: StrikeKind,
        /// For the vendor.
        detail: String,
    },
}

/// A component that may run in a rule's place and is not the active one.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Candidate {
    /// The rule as it would be with it.
    pub about: Rule,
    /// Who signed it; empty = nobody, or not known.
    pub publisher: String,
    /// Who installed it; for one that ran before, who ended that.
    pub by: Person,
    /// Since when it stands here.
    pub since: Micros,
    /// It runs beside the active one.
    pub shadow: Option<Shadow>,
    /// Why its last shadow ended by itself; empty if none did.
    pub ended: String,
    /// It ran, and people went back from it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub rolled_back: bool,
}

/// A component at work beside the active one.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Shadow {
    /// Since when.
    pub since: Micros,
    /// Ends by itself then.
    pub until: Option<Micros>,
    /// Failures so far.
    pub strikes: u64,
    /// The last one.
    pub last_strike: String,
    /// It has judged readings since it was loaded. Absent: it was saved before anybody asked.
    #[serde(default = "yes")]
    pub judged: bool,
    pub(super) recent: VecDeque<Micros>,
    /// Per hazard of its own: what it said last.
    pub(crate) says: Vec<Option<Finding>>,
    /// By hazard, also those that only one of the two has.
    pub compared: BTreeMap<String, Compared>,
}

/// A step that waits for a second person.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Proposal {
    /// What.
    pub what: Grave,
    /// The component it is about.
    pub digest: String,
    /// Who proposed it.
    pub by: Person,
    /// In their words.
    pub note: String,
    /// As in [`Step::Grave`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub despite: Option<String>,
    /// Lapses then.
    pub until: Micros,
}

/// Who put the present component there, or took it out of use.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Decided {
    /// Who decided, or proposed.
    pub by: Person,
    /// Who approved, where two were needed.
    pub second: Option<Person>,
    /// When.
    pub at: Micros,
    /// In the first person's words.
    pub note: String,
    /// Why it was promoted although it did not run as a shadow, or had judged nothing as one, or gone back to although people had gone back from it; empty =
    /// that was not said.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub despite: String,
    /// It was gone back to.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub back: bool,
}

/// Where one rule is in its life.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Stages {
    /// What the site file names: runs unless people promoted another one.
    pub base: Rule,
    /// Who signed the active one; empty = the site file says.
    pub publisher: String,
    /// Installed.
    pub next: Option<Candidate>,
    /// Ran before.
    pub before: Option<Candidate>,
    /// Who put the active one there, also where they went back to that of the site file; none = the site file alone.
    pub promoted: Option<Decided>,
    /// Who took it out of use.
    pub disabled: Option<Decided>,
    /// Waits for a second person.
    pub proposal: Option<Proposal>,
    /// Hazards that the active one no longer has, and that are still shown: nothing is cleared by a change of components.
    pub(crate) gone: Vec<Hazard>,
    /// Digest of what people had promoted, where the site file overruled it; told at the start.
    pub(crate) overruled: Option<String>,
}

impl Stages {
    pub(crate) fn new(base: Rule) -> Stages {
        Stages {
            base,
            publisher: String::new(),
            next: None,
            before: None,
            promoted: None,
            disabled: None,
            proposal: None,
            gone: Vec::new(),
            overruled: None,
        }
    }

    /// Both, installed first.
    pub fn candidates(&self) -> impl Iterator<Item = &Candidate> {
        self.next.iter().chain(&self.before)
    }

    pub(crate) fn candidates_mut(&mut self) -> impl Iterator<Item = &mut Candidate> {
        self.next.iter_mut().chain(&mut self.before)
    }

    /// Made for a rule of this name?
    pub(crate) fn fits(&self, rule: &Rule) -> bool {
        let whole = |one: &Candidate| one.shadow.as_ref().is_none_or(|shadow| shadow.says.len() == one.about.hazards.len());
        self.base.name == rule.name && self.candidates().all(whole)
    }
}

fn yes() -> bool {
    true
}

impl Shadow {
    pub(super) fn new(now: Micros, about: &Rule) -> Shadow {
        Shadow {
            since: now,
            until: None,
            strikes: 0,
            last_strike: String::new(),
            judged: false,
            recent: VecDeque::new(),
            says: vec![None; about.hazards.len()],
            compared: BTreeMap::new(),
        }
    }

    /// A start: nobody knows what it says before it has said it, so nothing of before counts when it is promoted. In comparing, what stood stands
    /// until something else is said: a start ends no danger.
    pub(crate) fn restarted(&mut self) {
        self.says.iter_mut().for_each(|says| *says = None);
        self.judged = false;
    }
}

/// Danger, and how much.
pub(crate) fn danger(finding: &Finding, worst: Severity) -> Option<Severity> {
    (finding.verdict == Verdict::Active).then(|| finding.severity.min(worst))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_recorded_before_anybody_asked_counts_as_judged() {
        let judged = |text: &str| match serde_json::from_str(text) {
            Ok(Aside::Findings { judged, .. }) => judged,
            other => panic!("{other:?}"),
        };
        let idle = Aside::Findings { findings: vec![], judged: false };
        let told = serde_json::to_string(&idle).expect("it is plain data");
        assert!(!judged(&told) && judged(&told.replace(",\"judged\":false", "")), "{told}");
    }
}
