//! What stays remembered of settled notices: what people may still answer, however much else is told.

use super::*;
use crate::settled::{FORGOTTEN_AT_ONCE, SETTLED_MAX};

#[test]
fn a_flood_takes_away_nothing_that_was_told_last_of_an_alarm_that_is_open() {
    let mut site = Site { rules: vec![rule(vec![hazard("leak", Red)], 0)], ..plant(vec![]) };
    ladder(&mut site, &[("crew", AtOnce, [Some(0); 4]), ("officer", AtOnce, [Some(0); 4])]);
    let mut now = Timeline::answering(&site);
    now.only(0.0, "rule leak=red");
    let told = now.brain.notice(NoticeId(1)).unwrap().clone();
    // Of an alarm that is forgotten, and again of the open one to one of its audiences.
    let settle = |now: &mut Timeline, number: u64, alarm: u64| {
        let mut row = told.clone();
        (row.notice.id, row.notice.alarm.id) = (NoticeId(number), AlarmId(alarm));
        now.brain.outbox.insert(NoticeId(number), row);
        now.brain.remember(NoticeId(number));
    };
    for number in 100..10_000 {
        settle(&mut now, number, 999);
    }
    assert!(now.brain.outbox().count() < SETTLED_MAX + FORGOTTEN_AT_ONCE, "{} rows", now.brain.outbox().count());
    assert!(now.brain.notice(NoticeId(1)).is_some() && now.brain.notice(NoticeId(2)).is_some(), "the open one is forgotten");
    assert!(now.brain.notice(NoticeId(100)).is_none() && now.brain.notice(NoticeId(9_999)).is_some(), "not the oldest first");
    for number in 10_000..20_000 {
        settle(&mut now, number, 1);
    }
    let kept = |number: u64| now.brain.notice(NoticeId(number)).is_some();
    assert!(!kept(1) && kept(2) && kept(19_999) && !kept(9_999), "what was told last, to each audience");
    assert!(now.brain.outbox().count() < SETTLED_MAX + FORGOTTEN_AT_ONCE, "{} rows", now.brain.outbox().count());
}
