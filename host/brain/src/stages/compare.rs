//! Two components on the same rows: how long they agreed, and what only one of them saw. Counts and times, nothing that grows.
//! Must not know: which of the two will run.

use crate::brain::Brain;
use crate::reading::Micros;
use crate::site::Severity;
use serde::{Deserialize, Serialize};

/// A difference shorter than this is the way from one answer to the other (own default).
const SETTLED_US: Micros = 1_000_000;

/// Stretches of one kind.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Span {
    /// How many.
    pub times: u64,
    /// How long together, microseconds.
    pub us: Micros,
    /// Begin of the first; 0 = there was none.
    pub first: Micros,
    /// End of the last; 0 = there was none.
    pub last: Micros,
}

/// One hazard, as two components saw it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Compared {
    /// Both claimed danger at the same level.
    pub agree: Span,
    /// Only the active one claimed danger.
    pub only_active: Span,
    /// Only the shadow claimed danger.
    pub only_shadow: Span,
    /// Both claimed danger, at different levels.
    pub severity: Span,
    active: Option<Severity>,
    shadow: Option<Severity>,
    since: Micros,
}

impl Compared {
    /// One of them said something else than before; none = it said nothing.
    pub(crate) fn hear(&mut self, now: Micros, active: Option<Option<Severity>>, shadow: Option<Option<Severity>>) {
        let (active, shadow) = (active.unwrap_or(self.active), shadow.unwrap_or(self.shadow));
        if (active, shadow) == (self.active, self.shadow) {
            return;
        }
        self.count(now);
        (self.active, self.shadow, self.since) = (active, shadow, now);
    }

    fn count(&mut self, now: Micros) {
        let (us, since) = (now - self.since, self.since);
        let (span, is_difference) = match (self.active, self.shadow) {
            (None, None) => return,
            (Some(active), Some(shadow)) if active == shadow => (&mut self.agree, false),
            (Some(_), Some(_)) => (&mut self.severity, true),
            (Some(_), None) => (&mut self.only_active, true),
            (None, Some(_)) => (&mut self.only_shadow, true),
        };
        if is_difference && us < SETTLED_US {
            return;
        }
        span.times += 1;
        span.us += us;
        span.first = if span.times == 1 { since } else { span.first };
        span.last = now;
    }

    /// With the stretch that has not ended yet.
    #[must_use]
    pub fn until(mut self, now: Micros) -> Compared {
        self.count(now);
        self
    }

    pub(super) fn active(&self) -> Option<Severity> {
        self.active
    }
}

impl Brain {
    /// The active one said this of a hazard; none = no danger, or nobody knows.
    pub(crate) fn compare(&mut self, rule: usize, hazard: &str, says: Option<Severity>) {
        let now = self.now;
        for shadow in self.stages[rule].candidates_mut().filter_map(|one| one.shadow.as_mut()) {
            shadow.compared.entry(hazard.to_owned()).or_default().hear(now, Some(says), None);
        }
    }

    /// What the active one is known to say, for a shadow that has just begun, or after it was put out of use: what stands as an alarm.
    pub(crate) fn compare_anew(&mut self, rule: usize) {
        let out = self.rules[rule].now.is_out();
        for hazard in 0..self.site.rules[rule].hazards.len() {
            let alarm = self.open.get(&self.rule_key(rule, hazard)).and_then(|id| self.alarms.get(id));
            let stands = alarm.filter(|alarm| !out && alarm.condition == crate::alarm::Condition::Active);
            let says = stands.map(|alarm| alarm.severity_now);
            let id = self.site.rules[rule].hazards[hazard].id.clone();
            self.compare(rule, &id, says);
        }
    }
}
