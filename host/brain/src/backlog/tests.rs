//! Too many notices, and too old ones.

use crate::harness::{Timeline, hazard, ladder, plant, rule};
use crate::notice::{Delivery, NoticeKind, Reason};
use crate::site::RungKind::AtOnce;
use crate::site::Severity::{self, Blue, Orange, Red, Yellow};
use crate::site::Site;
use crate::{AlarmId, NoticeId};
use std::collections::BTreeSet;

use super::WAITING_MAX;

const DAY_S: u32 = 86_400;

fn site(hazards: usize, audiences: &[&str]) -> Site {
    let hazards = (0..hazards).map(|n| hazard(&format!("h{n}.x"), Red)).collect();
    let mut site = Site { rules: vec![rule(hazards, 0)], ..plant(vec![]) };
    ladder(&mut site, &audiences.iter().map(|name| (*name, AtOnce, [Some(0); 4])).collect::<Vec<_>>());
    site
}

fn level(n: usize) -> Severity {
    [Blue, Yellow, Orange, Yellow, Red, Blue][n % 6]
}

/// Ticks until then, and what they brought.
fn wait(now: &mut Timeline, from_s: u32, to_s: u32) -> String {
    (from_s..to_s).step_by(7).map(|second| now.only(f64::from(second), "tick")).collect::<Vec<_>>().join("; ")
}

#[test]
fn of_too_many_the_lesser_are_told_together_and_no_red_or_orange_is_dropped() {
    let many = WAITING_MAX * 3;
    let mut now = Timeline::new(&site(many, &["out", "other"]));
    for from in (0..many).step_by(100) {
        let words: Vec<String> = (from..from + 100).map(|n| format!("h{n}.x={}", level(n).word())).collect();
        now.only(from as f64 / 1000.0, &format!("rule {}", words.join(" ")));
    }
    let queued = |now: &Timeline| {
        let rows = now.brain.outbox().filter(|row| row.notice.audience == "out" && row.delivery == Delivery::Queued);
        rows.map(|row| row.notice.clone()).collect::<Vec<_>>()
    };
    let waiting = queued(&now);
    let known: BTreeSet<AlarmId> =
        waiting.iter().flat_map(|notice| notice.digest.iter().map(|told| told.alarm).chain([notice.alarm.id])).collect();
    let mut grave = 0;
    for alarm in now.brain.alarms().filter(|alarm| alarm.key.hazard.starts_with('h')) {
        assert!(known.contains(&alarm.id), "{:?} is forgotten", alarm.id);
        if alarm.severity >= Orange {
            grave += 1;
            assert!(waiting.iter().any(|notice| notice.alarm.id == alarm.id), "{:?} is told by itself", alarm.id);
        }
    }
    assert!(waiting.len() <= WAITING_MAX.max(grave + WAITING_MAX / 2), "{} wait, {grave} of them orange and red", waiting.len());
    assert!(waiting.iter().all(|notice| notice.digest.iter().all(|told| told.severity < Orange)));
    // People are told, and not by the queue that is full.
    let full: Vec<_> = now.brain.alarms().filter(|alarm| alarm.key.hazard == "outbox.full").cloned().collect();
    let objects: BTreeSet<&str> = full.iter().map(|alarm| alarm.key.object.as_str()).collect();
    assert_eq!((full.len(), objects), (2, BTreeSet::from(["out", "other"])));
    assert!(full.iter().all(|alarm| alarm.severity == Orange));
    for row in now.brain.outbox().filter(|row| row.notice.alarm.key.hazard == "outbox.full") {
        assert_ne!(row.notice.audience, row.notice.alarm.key.object);
    }
    // A crash forgets nothing of it.
    now.crash();
    assert_eq!(queued(&now).len(), waiting.len());
    // It is over once half of them have come.
    let mut second = 1_000.0;
    while !queued(&now).is_empty() {
        for notice in queued(&now) {
            second += 0.001;
            now.only(second, &format!("receipt {}", notice.id.0));
        }
    }
    let open = now.brain.alarms().filter(|alarm| alarm.key.hazard == "outbox.full" && alarm.key.object == "out");
    assert_eq!(open.map(|alarm| alarm.condition).collect::<Vec<_>>(), [crate::alarm::Condition::Cleared]);
}

/// A bureau is never told several in one message: what was closed before it heard of it makes room, and whatever stands is told by itself.
#[test]
fn of_too_many_for_a_bureau_what_is_over_is_given_up() {
    let many = WAITING_MAX * 2;
    let mut site = site(many, &["out", "crew"]);
    site.audiences[0].bureau = true;
    let mut now = Timeline::new(&site);
    for from in (0..many).step_by(100) {
        let words: Vec<String> = (from..from + 100).map(|n| format!("h{n}.x={}", level(n).word())).collect();
        now.only(from as f64 / 1000.0, &format!("rule {}", words.join(" ")));
    }
    let of = |now: &Timeline, delivery: Delivery| {
        let rows = now.brain.outbox().filter(|row| row.notice.audience == "out" && row.delivery == delivery);
        rows.map(|row| (row.notice.alarm.id, row.notice.digest.len())).collect::<Vec<_>>()
    };
    let waiting = of(&now, Delivery::Queued);
    assert!(waiting.len() > many && waiting.iter().all(|(_, digest)| *digest == 0), "all stand: {} wait", waiting.len());
    assert_eq!(of(&now, Delivery::Expired), []);
    assert!(now.brain.alarms().any(|alarm| alarm.key.hazard == "outbox.full" && alarm.key.object == "out"));
    // Every third is over before the bureau hears of it.
    let over: BTreeSet<AlarmId> = (0..many as u64).filter(|n| n % 3 == 0).map(|n| AlarmId(n + 1)).collect();
    for AlarmId(alarm) in &over {
        let second = 100.0 + *alarm as f64;
        now.only(second, &format!("rule h{}.x=clear", alarm - 1));
        now.only(second + 0.1, &format!("ack {alarm}"));
        now.only(second + 0.2, &format!("close {alarm}"));
    }
    now.only(5_000.0, "rule h0.x=blue");
    let (waiting, given_up) = (of(&now, Delivery::Queued), of(&now, Delivery::Expired));
    assert!(!given_up.is_empty() && given_up.iter().all(|(alarm, _)| over.contains(alarm)), "{given_up:?}");
    let known: BTreeSet<AlarmId> = waiting.iter().map(|(alarm, _)| *alarm).collect();
    for alarm in now.brain.alarms().filter(|alarm| alarm.key.hazard.starts_with('h')) {
        let is_told = known.contains(&alarm.id);
        assert!(is_told || alarm.closed && alarm.severity < Orange, "{:?} is forgotten", alarm.id);
    }
    assert!(waiting.iter().all(|(_, digest)| *digest == 0));
}

#[test]
fn what_nobody_took_for_a_day_is_given_up_and_how_it_stands_is_told_anew() {
    let mut now = Timeline::new(&site(1, &["out"]));
    now.only(0.0, "rule h0.x=yellow");
    let first = wait(&mut now, 1, DAY_S);
    assert!(first.contains("alert 1 to out: opened try 2") && !first.contains("notice"), "told again all day");
    let then = wait(&mut now, DAY_S, DAY_S + 200);
    assert!(then.contains("notice 1 expired; alert 2 to out: renewed"), "{then}");
    let row = now.brain.notice(NoticeId(1)).unwrap();
    assert_eq!((row.delivery, row.received_at), (Delivery::Expired, None), "listed, and not as delivered");
    // Nothing of the chain came: it is news, and the only one that is told.
    let row = now.brain.notice(NoticeId(2)).unwrap();
    assert_eq!((row.notice.kind, row.notice.reason, row.delivery), (NoticeKind::Alert, Reason::Renewed, Delivery::Queued));
    let later = wait(&mut now, DAY_S + 200, DAY_S + 2_000);
    assert!(later.contains("alert 2") && !later.contains("alert 1"), "{later}");
    assert_eq!(now.only(f64::from(DAY_S + 2_001), "receipt 1"), "", "too late: it means nothing");
    assert!(now.only(f64::from(DAY_S + 2_002), "receipt 2").contains("notice 2 received"));
}

/// Its end is all that is left to say of a closed one, for a day more; then both are listed.
#[test]
fn of_a_closed_one_the_end_is_told_for_a_day_and_then_given_up() {
    let mut now = Timeline::new(&site(1, &["out"]));
    now.only(0.0, "rule h0.x=blue");
    for (second, what) in [(10.0, "rule h0.x=clear"), (20.0, "ack 1"), (30.0, "close 1")] {
        now.only(second, what);
    }
    let told = wait(&mut now, 31, 3 * DAY_S);
    assert!(told.contains("notice 1 expired") && told.contains("alert 4 to out: closed"), "its end is news: nothing came");
    let fate: Vec<Delivery> = now.brain.outbox().map(|row| row.delivery).collect();
    assert_eq!(fate, [Delivery::Expired, Delivery::Superseded, Delivery::Superseded, Delivery::Expired]);
    assert!(wait(&mut now, 3 * DAY_S, 4 * DAY_S).is_empty() || !now.brain.outbox().any(|row| row.is_owed()));
}

#[test]
fn orange_and_red_are_told_as_long_as_it_takes() {
    let mut now = Timeline::new(&site(2, &["out"]));
    now.only(0.0, "rule h0.x=red h1.x=orange");
    // Also once it is less: it was red.
    now.only(1.0, "ack 1");
    now.only(2.0, "rule h0.x=blue");
    wait(&mut now, 3, 3 * DAY_S);
    for id in [1, 2] {
        let row = now.brain.notice(NoticeId(id)).unwrap();
        assert!(row.delivery == Delivery::Queued && row.attempts > 3_000, "{id}: {:?}, {} tries", row.delivery, row.attempts);
    }
}
