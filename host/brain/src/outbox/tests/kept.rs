//! What stays remembered of settled notices: what people may still answer, however much else is told.

use super::*;
use crate::outbox::{FORGOTTEN_AT_ONCE, SETTLED_MAX};

/// An alarm that stays open, and another one that comes and goes until far more was told than is remembered.
#[test]
fn a_flood_takes_away_nothing_that_was_told_last_of_an_alarm_that_is_open() {
    let mut site = Site { rules: vec![rule(vec![hazard("leak", Red), hazard("spill", Red)], 0)], ..plant(vec![]) };
    ladder(&mut site, &[("crew", AtOnce, [Some(0); 4]), ("officer", AtOnce, [Some(0); 4])]);
    let mut now = Timeline::answering(&site);
    now.only(0.0, "rule leak=red");
    let mut second = 1.0;
    let mut next = |now: &mut Timeline, what: &str| {
        second += 61.0;
        now.only(second, what)
    };
    let mut closed = None;
    for _ in 0..1_000 {
        next(&mut now, "rule leak=red spill=red");
        next(&mut now, "rule leak=red");
        let spill = now.brain.alarms().map(|alarm| alarm.id.0).max().unwrap();
        closed.get_or_insert(spill);
        for act in ["ack", "reset", "close"] {
            next(&mut now, &format!("{act} {spill}"));
        }
    }
    let told = now.brain.outbox().map(|row| row.notice.id.0).max().unwrap();
    assert!(told as usize > 2 * SETTLED_MAX, "only {told} were told");
    let kept = |alarm: u64| now.brain.outbox().filter(|row| row.notice.alarm.id == AlarmId(alarm)).count();
    assert_eq!((kept(1), kept(closed.unwrap())), (2, 0), "of the open one, and of the first that was closed");
    assert!(now.brain.outbox().count() <= SETTLED_MAX + FORGOTTEN_AT_ONCE + 2, "{} rows", now.brain.outbox().count());
    for audience in [1, 2] {
        let by = crate::alarm::Person { name: "ann".into(), role: "officer".into(), station: "test".into() };
        let answered = Event::Answered {
            notice: NoticeId(audience),
            accepted: true,
            by,
            note: String::new(),
            instruction: false,
            message: String::new(),
        };
        now.feed(&answered);
        assert_eq!(now.brain.notice(NoticeId(audience)).unwrap().delivery, Delivery::Acknowledged);
    }
}
