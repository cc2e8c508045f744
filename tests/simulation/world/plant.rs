//! The plant of the simulation: a hall with three tags, a rule, and people who are told. Must not know: what happens there.

use super::{DEADBAND, LIMIT, OFFICER_AFTER_S, REPEAT_S, REPEATS, SILENT_S};
use brain::TagId;
use brain::calendar::{Roster, Shift, Window};
use brain::site::*;
use brain::words::Words;

pub fn site() -> Site {
    let words = || Words::same("x");
    let guide = Guide { cause: words(), consequence: words(), action: words(), respond_s: 60 };
    let plain = Limit::plain("test.high", LimitKind::High, LIMIT, Severity::Red);
    let limit = Limit { title: words(), deadband: DEADBAND, guide: guide.clone(), ..plain };
    let tag = |name: &str, link: usize, limits: Vec<Limit>| Tag {
        title: words(),
        link,
        unit: "kPa".into(),
        quantity: "pressure".into(),
        high: 1000.0,
        silent_ms: SILENT_S as u64 * 1000,
        limits,
        ..Tag::plain(name)
    };
    let audience = |name: &str, bureau: bool| Audience::new(name, words(), bureau);
    Site {
        title: words(),
        sender: "sim@plant.example".into(),
        zones: vec![Zone { title: words(), ..Zone::plain("hall") }],
        tags: vec![tag("A", 0, vec![limit.clone()]), tag("B", 0, vec![limit]), tag("C", 1, vec![])],
        links: vec!["one".into(), "two".into()],
        rules: vec![Rule {
            name: "rule".into(),
            plugin: "p@1".into(),
            digest: String::new(),
            zone: 0,
            inputs: vec![TagId(0), TagId(2)],
            tick_ms: 1000,
            untested: false,
            bundle: String::new(),
            hazards: vec![Hazard {
                id: "r.hazard".into(),
                title: words(),
                guide,
                worst: Severity::Orange,
                latches: false,
                managed: false,
                may_suppress: false,
                restate_ms: 20_000,
            }],
        }],
        ladders: vec![Ladder {
            name: "all".into(),
            rungs: vec![
                Rung::new("crew", 0, RungKind::AtOnce, [Some(0); 4]),
                Rung {
                    repeat: Some(Repeat { every_s: REPEAT_S as u32, most: Some(REPEATS) }),
                    ..Rung::new("officer", 1, RungKind::Unacknowledged, [None, None, Some(60), Some(OFFICER_AFTER_S as u32)])
                },
                Rung::new("bureau", 2, RungKind::Open, [None, None, Some(300), Some(0)]),
            ],
        }],
        audiences: vec![
            audience("crew", false),
            Audience { roster: Some(0), ..audience("officer", false) },
            audience("bureau", true),
        ],
        rosters: vec![roster()],
        suppressions: vec![Suppression {
            name: "works".into(),
            title: words(),
            zone: 0,
            hazards: vec!["test.high".into(), "r.hazard".into()],
            tag: TagId(2),
            above: true,
            value: 120.0,
            most_s: 60,
            approved_by: ["person 1".into(), "person 2".into()],
        }],
        ..Site::plain("sim", "hall")
    }
}

/// Officers: three shifts within the virtual hour, which begins on a Sunday at 09:46:40 by the plant's clock, and nobody for two minutes.
pub fn roster() -> Roster {
    let shift = |name: &str, from: u16, to: u16, person: &str| Shift {
        name: name.into(),
        window: Window { days: [true; 7], from, to },
        cycle: None,
        people: vec![person.into()],
    };
    let shifts =
        vec![shift("first", 0, 595, "person 0"), shift("second", 595, 605, "person 1"), shift("third", 607, 1_440, "person 2")];
    Roster { name: "officers".into(), title: Words::same("x"), shifts, stand_ins: vec!["person 9".into()], hand_over_s: Some(60) }
}
