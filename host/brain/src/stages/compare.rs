//! Two components on the same rows: how often and how long they agreed, and what only one of them saw. Live and in a back-test the same.
//! Counts and times, nothing that grows. Must not know: which of the two will run.

use crate::brain::Brain;
use crate::reading::Micros;
use crate::site::Severity;
use serde::{Deserialize, Serialize};

/// Leads that are kept; the oldest go first.
const LEADS_MAX: usize = 256;

/// What was seen of one kind.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Span {
    /// How often; see [`Compared`].
    pub times: u64,
    /// How long together, microseconds.
    pub us: Micros,
    /// Begin of the first stretch; 0 = there was none.
    pub first: Micros,
    /// End of the last; 0 = there was none.
    pub last: Micros,
}

impl Span {
    fn add(&mut self, from: Micros, to: Micros) {
        if self.last == 0 {
            self.first = from;
        }
        (self.us, self.last) = (self.us + (to - from), to);
    }
}

/// One hazard, as two components saw it. A *time* is a stretch in which one of them claimed danger without a break, at whatever levels; how long is
/// reckoned apart from how often.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Compared {
    /// Times that the active one claimed danger, and the shadow too in that time; how long both did.
    pub agree: Span,
    /// Times that only the active one claimed danger; how long it did alone, also in times that they agree.
    pub only_active: Span,
    /// Times that only the shadow claimed danger; how long it did alone, also in times that they agree.
    pub only_shadow: Span,
    /// Stretches in which both claimed danger, at different levels.
    pub severity: Span,
    /// How much later the shadow began than the active one, microseconds, for each time that they agree; the newest 256.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub lead_us: Vec<Micros>,
    active: Option<Severity>,
    shadow: Option<Severity>,
    since: Micros,
    #[serde(default)]
    active_time: Time,
    #[serde(default)]
    shadow_time: Time,
}

/// The time that stands now.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Time {
    /// None: not known, from a snapshot of before it was kept.
    began: Option<Micros>,
    /// The other one claimed danger in it.
    met: bool,
}

impl Compared {
    /// One of them said something else than before; none = it said nothing.
    pub fn hear(&mut self, now: Micros, active: Option<Option<Severity>>, shadow: Option<Option<Severity>>) {
        let (active, shadow) = (active.unwrap_or(self.active), shadow.unwrap_or(self.shadow));
        if (active, shadow) == (self.active, self.shadow) {
            return;
        }
        self.count(now);
        self.end_times(active.is_none(), shadow.is_none());
        let begins = Time { began: Some(now), met: false };
        if self.active.is_none() && active.is_some() {
            self.active_time = begins;
        }
        if self.shadow.is_none() && shadow.is_some() {
            self.shadow_time = begins;
        }
        (self.active, self.shadow, self.since) = (active, shadow, now);
    }

    /// How long what stands has stood, until now.
    fn count(&mut self, now: Micros) {
        let since = self.since;
        if now <= since {
            return;
        }
        match (self.active, self.shadow) {
            (None, None) => {}
            (Some(_), None) => self.only_active.add(since, now),
            (None, Some(_)) => self.only_shadow.add(since, now),
            (Some(active), Some(shadow)) => {
                self.agree.add(since, now);
                if active != shadow {
                    self.severity.add(since, now);
                    self.severity.times += 1;
                }
                if !self.active_time.met {
                    self.agree.times += 1;
                    self.lead_us.extend(self.shadow_time.began.zip(self.active_time.began).map(|(later, began)| later - began));
                    if self.lead_us.len() > LEADS_MAX {
                        self.lead_us.remove(0);
                    }
                }
                (self.active_time.met, self.shadow_time.met) = (true, true);
            }
        }
    }

    /// What ends without the other one having seen it was seen by one alone.
    fn end_times(&mut self, active: bool, shadow: bool) {
        self.only_active.times += u64::from(active && self.active.is_some() && !self.active_time.met);
        self.only_shadow.times += u64::from(shadow && self.shadow.is_some() && !self.shadow_time.met);
    }

    /// With what has not ended yet.
    #[must_use]
    pub fn until(mut self, now: Micros) -> Compared {
        self.count(now);
        // Both of this moment: that nobody has seen the other yet says nothing.
        if self.active.is_none() || self.shadow.is_none() {
            self.end_times(true, true);
        }
        self
    }

    /// Least, middle and greatest lead of the active one; none where they never agreed.
    #[must_use]
    pub fn lead(&self) -> Option<[Micros; 3]> {
        let mut leads = self.lead_us.clone();
        leads.sort_unstable();
        Some([*leads.first()?, leads[leads.len() / 2], *leads.last()?])
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
