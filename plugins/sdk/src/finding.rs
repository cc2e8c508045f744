//! What a rule says. Must not know: how it came to say it.

/// Suggested level. Order is danger.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// 蓝 Ⅳ.
    Blue = 1,
    /// 黄 Ⅲ.
    Yellow,
    /// 橙 Ⅱ.
    Orange,
    /// 红 Ⅰ.
    Red,
}

impl Severity {
    /// All four, least first.
    pub const ALL: [Severity; 4] = [Severity::Blue, Severity::Yellow, Severity::Orange, Severity::Red];
}

/// State of a hazard.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Condition {
    /// No danger seen, on inputs that can be believed.
    Clear,
    /// Danger.
    Active,
    /// The inputs a verdict needs are bad.
    CannotTell,
}

/// How sure, as in CAP.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Certainty {
    /// Seen by inputs without doubt.
    Observed = 1,
    /// More than 50 %.
    Likely,
    /// Less than 50 %.
    Possible,
    /// Hardly.
    Unlikely,
}

/// A value a claim rests on.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Evidence {
    /// Whose value.
    pub handle: u32,
    /// In the input's unit.
    pub value: f64,
    /// When it was measured, microseconds.
    pub at: i64,
    /// The limit it was held against, and the parameter that limit came from.
    pub limit: Option<(f64, &'static str)>,
}

/// One claim about one hazard; it stands until the next one of the same hazard.
#[derive(Clone, Debug, PartialEq)]
pub struct Finding {
    /// Identifier of the hazard, as described.
    pub hazard: &'static str,
    /// Its state.
    pub condition: Condition,
    /// Suggested level; means something only while active.
    pub severity: Severity,
    /// How sure.
    pub certainty: Certainty,
    /// Identifier of the phrase, as described.
    pub phrase: &'static str,
    /// Fills `{0}`, `{1}` ... of the phrase.
    pub numbers: Vec<f64>,
    /// At most eight are kept.
    pub evidence: Vec<Evidence>,
}

impl Finding {
    /// The same resting on this: for evidence that is worth gathering only once there is something to say.
    #[must_use]
    pub fn resting_on(mut self, evidence: impl IntoIterator<Item = Evidence>) -> Finding {
        self.evidence.extend(evidence);
        self
    }
}
