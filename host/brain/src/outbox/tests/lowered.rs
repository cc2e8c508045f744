//! A level that falls while the condition stands: who is told, and when.

use super::*;

/// The level that only falls is told to the bureau by itself, once it has stood for a minute and where nothing else told it; people at the plant see it on
/// their screens. It does not fall before somebody has taken it, and goes on over a start.
#[test]
fn a_level_that_fell_is_told_to_the_bureau_once_it_stands() {
    let mut site = telling("bureau");
    site.rules[0].hazards.push(hazard("fire", Red));
    site.ladders[0].rungs.push(crate::site::Rung::new("crew", 1, AtOnce, [Some(0); 4]));
    site.audiences.push(crate::site::Audience::new("crew", crate::words::Words::same("crew"), false));
    let taken = [
        ("0 start", ""),
        ("0 rule leak=red", "leak opened red; alert 1 to bureau: opened; alert 2 to crew: opened"),
        ("1 ack 1", "leak acknowledged; update 3 to bureau: acknowledged; update 4 to crew: acknowledged; done"),
    ];
    let begun = |rows: &[(&str, &str)]| {
        let mut now = Timeline::answering(&site);
        now.check(&taken);
        now.check(rows);
        now
    };
    let mut now = begun(&[
        ("10 rule leak=orange", "leak lowered orange"),
        // Down again: the minute begins anew.
        ("50 rule leak=yellow", "leak lowered yellow"),
        ("109 tick", ""),
    ]);
    assert_eq!(now.only(110.0, "tick"), "update 5 to bureau: lowered");
    assert_eq!(now.brain.notice(NoticeId(5)).unwrap().notice.alarm.severity, crate::site::Severity::Yellow);
    now.check(&[
        ("1000 tick", ""),
        ("1001 rule leak=red", "leak raised red; update 6 to bureau: raised; update 7 to crew: raised"),
    ]);
    // It was told with something else, is back, or has cleared.
    begun(&[
        ("10 rule leak=orange", "leak lowered orange"),
        ("20 note 1", "leak handled; update 5 to bureau: handled; done"),
        ("200 tick", ""),
    ]);
    begun(&[
        ("10 rule leak=orange", "leak lowered orange"),
        ("20 rule leak=red", "leak raised red; update 5 to bureau: raised; update 6 to crew: raised"),
        ("200 tick", ""),
    ]);
    // Nobody took it: the worst counts until then.
    Timeline::answering(&site).check(&[
        taken[1],
        ("10 rule leak=orange", "leak lowered orange"),
        ("200 ack 1", "leak acknowledged; update 3 to bureau: acknowledged; update 4 to crew: acknowledged; done"),
        ("400 tick", ""),
    ]);
    // A start within the minute: what the rule says of it is waited for.
    let mut now = begun(&[("10 rule leak=orange", "leak lowered orange")]);
    let saved: crate::Saved = serde_json::from_str(&serde_json::to_string(&now.brain).unwrap()).unwrap();
    now.brain = saved.wake().unwrap();
    now.check(&[
        ("15 start", "leak held"),
        ("72 rule leak=orange", "leak believed"),
        ("130 tick", "update 5 to bureau: lowered"),
        ("400 tick", ""),
    ]);
}

/// Where many alarms come at once, that one of them is less than it was waits.
#[test]
fn a_level_that_fell_is_not_told_in_a_flood() {
    let mut site = telling("bureau");
    site.rules[0].hazards.extend((0..12).map(|n| hazard(&format!("h{n}"), Red)));
    let mut now = Timeline::answering(&site);
    now.only(0.0, "rule leak=red");
    now.only(1.0, "ack 1");
    let all: Vec<String> = (0..12).map(|n| format!("h{n}=yellow")).collect();
    now.only(2.0, &format!("rule {}", all.join(" ")));
    assert!(now.brain.floods().next().is_some());
    now.only(10.0, "rule leak=orange");
    let mut told = (11..900).filter(|second| now.only(f64::from(*second), "tick").contains("lowered"));
    let told = (told.next(), told.next());
    assert!(told.0.is_some_and(|second| (602..=670).contains(&second)) && told.1.is_none(), "once, behind the flood: {told:?}");
}
