//! The one entry: events in, effects out. Owns the order in which the parts decide.
//! Must not know: anything outside this crate.

use crate::alarm::{Alarm, AlarmId};
use crate::event::{Effect, Event, LinkState};
use crate::notice::{NoticeId, OutboxRow};
use crate::reading::{Micros, Quality, TagId};
use crate::site::Site;

/// The whole state of the plant as far as decisions go. Fields are private: who judges it sees events and effects only.
pub struct Brain {
    site: Site,
}

/// A tag as last known, for screens.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct TagNow {
    /// Last value, tag unit; NaN if never seen.
    pub value: f64,
    /// As judged by link and brain together.
    pub quality: Quality,
    /// Source time of the last reading; 0 if never seen.
    pub source_us: Micros,
    /// Arrival of the last reading; 0 if never seen.
    pub arrived_us: Micros,
    /// Readings so far.
    pub count: u64,
}

/// A link as last known, for screens.
#[derive(Clone, Debug, PartialEq)]
pub struct LinkNow {
    /// Present state.
    pub state: LinkState,
    /// Why.
    pub reason: String,
    /// Since when.
    pub since: Micros,
    /// Payloads that could not be read, so far.
    pub malformed: u64,
    /// What was wrong with the last one.
    pub malformed_sample: String,
}

/// A rule as last known, for screens.
#[derive(Clone, Debug, PartialEq)]
pub struct RuleNow {
    /// Out of use.
    pub quarantined: bool,
    /// Failures so far.
    pub strikes: u64,
    /// The last one.
    pub last_strike: String,
    /// When it last answered with findings; 0 = never.
    pub assessed_at: Micros,
    /// When it was last asked; 0 = never.
    pub consulted_at: Micros,
}

impl Brain {
    /// A brain that has seen nothing. `site` comes from the checked configuration: its indexes are valid.
    pub fn new(site: Site) -> Self {
        Brain { site }
    }

    /// What happened, and what to do about it. `at` never goes back (an earlier one counts as the last one seen).
    pub fn step(&mut self, _at: Micros, _event: &Event) -> Vec<Effect> {
        Vec::new()
    }

    /// The configuration it decides with.
    pub fn site(&self) -> &Site {
        &self.site
    }

    /// Time of the last step.
    pub fn now(&self) -> Micros {
        0
    }

    /// All alarms that are not closed, and the closed ones still remembered, by number.
    pub fn alarms(&self) -> impl Iterator<Item = &Alarm> {
        std::iter::empty()
    }

    /// One alarm.
    pub fn alarm(&self, _id: AlarmId) -> Option<&Alarm> {
        None
    }

    /// One tag. Panics on an id of another configuration.
    pub fn tag(&self, _tag: TagId) -> TagNow {
        TagNow {
            value: f64::NAN,
            quality: Quality::NEVER_SEEN,
            source_us: 0,
            arrived_us: 0,
            count: 0,
        }
    }

    /// One link, by index in the site. None until it first reported.
    pub fn link(&self, _link: usize) -> Option<&LinkNow> {
        None
    }

    /// One rule, by index in the site.
    pub fn rule(&self, _rule: usize) -> Option<&RuleNow> {
        None
    }

    /// Notices still in the outbox, and the settled ones still remembered, by number.
    pub fn outbox(&self) -> impl Iterator<Item = &OutboxRow> {
        std::iter::empty()
    }

    /// One notice.
    pub fn notice(&self, _id: NoticeId) -> Option<&OutboxRow> {
        None
    }
}
