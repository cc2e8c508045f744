//! The plainest plant there can be, and the plainest tag, limit and start of it: what a trial, a simulation or a test begins with, so that each says only what
//! it is about. Must not know: site files, which say everything.

use crate::event::Event;
use crate::ladder::Ladder;
use crate::site::{Citation, Guide, Limit, LimitKind, Mode, Quarantine, Severity, Site, Tag, Zone};
use crate::words::Words;

impl Site {
    /// One zone, on test, with a ladder that tells nobody; sender and ladder are called as the plant.
    pub fn plain(id: &str, zone: &str) -> Site {
        Site {
            id: id.to_owned(),
            title: Words::same(id),
            sender: id.to_owned(),
            mode: Mode::Test,
            zones: vec![Zone::plain(zone)],
            tags: vec![],
            links: vec![],
            rules: vec![],
            ladders: vec![Ladder { name: id.to_owned(), rungs: vec![] }],
            audiences: vec![],
            calendars: vec![],
            rosters: vec![],
            suppressions: vec![],
            groups: vec![],
            two_persons: false,
            quarantine: Quarantine::BY_HAND,
        }
    }
}

impl Zone {
    /// Without quotas and class, under the first ladder.
    pub fn plain(name: &str) -> Zone {
        Zone {
            name: name.to_owned(),
            title: Words::same(name),
            building_class: String::new(),
            risk_class: String::new(),
            quota_people: None,
            quota_kg: None,
            quota_machines: None,
            ladder: [0; 4],
            area: None,
        }
    }
}

impl Tag {
    /// 0 to 100 %LEL of gas once a second, on the first link and in the first zone; it may be quiet for an hour, stand still for ever, and jump.
    pub fn plain(name: &str) -> Tag {
        Tag {
            name: name.to_owned(),
            title: Words::same(name),
            zone: 0,
            link: 0,
            unit: "%LEL".to_owned(),
            quantity: "gas".to_owned(),
            low: 0.0,
            high: 100.0,
            period_ms: 1_000,
            silent_ms: 3_600_000,
            frozen_ms: None,
            max_per_s: None,
            limits: vec![],
            blind_severity: Severity::Yellow,
        }
    }
}

impl Limit {
    /// Without deadband, delays and source.
    pub fn plain(hazard: &str, kind: LimitKind, value: f64, severity: Severity) -> Limit {
        Limit {
            hazard: hazard.to_owned(),
            title: Words::same(hazard),
            kind,
            value,
            severity,
            deadband: 0.0,
            on_delay_ms: 0,
            off_delay_ms: 0,
            latches: false,
            managed: false,
            may_suppress: false,
            count: 0,
            count_within_ms: 0,
            citation: Citation::default(),
            guide: Guide::default(),
        }
    }
}

impl Event {
    /// A start that gives tags their names and says nothing else.
    pub fn started(tags: Vec<String>) -> Event {
        Event::Started { config: String::new(), version: String::new(), tags, series: String::new(), number_from: 0 }
    }
}
