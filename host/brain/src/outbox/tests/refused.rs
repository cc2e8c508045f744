//! What is owed to one audience after a refusal says nothing of another, whatever the names; and a snapshot knows it.

use super::*;
use crate::Saved;
use crate::alarm::Condition;

#[test]
fn a_refusal_of_one_audience_is_over_by_itself() {
    let mut site = Site { rules: vec![rule(vec![hazard("leak", Red)], 0)], ..plant(vec![]) };
    ladder(&mut site, &[("bureau", AtOnce, [Some(0); 4]), ("bureau 2", AtOnce, [Some(0); 4])]);
    let mut now = Timeline::new(&site);
    let stands = |now: &Timeline| {
        let refused = |alarm: &&crate::Alarm| alarm.key.hazard == "notice.rejected" && alarm.condition == Condition::Active;
        now.brain.alarms().filter(refused).map(|alarm| alarm.key.object.clone()).collect::<Vec<_>>()
    };
    let newest = |now: &Timeline, audience: &str| {
        let about = |row: &&crate::notice::OutboxRow| row.notice.alarm.id == AlarmId(1) && row.notice.audience == audience;
        now.brain.outbox().filter(about).last().unwrap().notice.id.0
    };
    now.only(0.0, "rule leak=red");
    now.only(0.1, "rejected 1");
    now.only(0.2, "rejected 2");
    now.only(0.3, "rule leak=clear");
    assert_eq!(stands(&now), ["bureau", "bureau 2"]);
    let saved: Saved = serde_json::from_str(&serde_json::to_string(&now.brain).unwrap()).unwrap();
    now.brain = saved.wake().unwrap();
    // Another alarm's message comes, and the refused one is still owed.
    let other = now.brain.outbox().find(|row| row.notice.alarm.id != AlarmId(1) && row.notice.audience == "bureau 2");
    let other = other.unwrap().notice.id.0;
    now.only(0.4, &format!("receipt {other}"));
    assert_eq!(stands(&now), ["bureau", "bureau 2"]);
    for (second, audience, left) in [(0.5, "bureau 2", vec!["bureau"]), (0.6, "bureau", vec![])] {
        let came = newest(&now, audience);
        now.only(second, &format!("receipt {came}"));
        assert_eq!(stands(&now), left);
    }
    assert!(now.brain.outbox().all(|row| !row.again));
}

/// One alarm whose first message a machine refused, at the second at which that is told again, and what was told until then.
fn told_again(site: &Site) -> (Timeline, f64) {
    let mut now = Timeline::new(site);
    now.only(0.0, "start");
    now.only(0.1, "rule leak=yellow");
    now.only(0.2, "rejected 1");
    now.only(0.3, "receipt 2");
    let again = (1..800).map(f64::from).find(|second| now.only(*second, "tick").contains("alert 1 to crew: opened try 2"));
    (now, again.unwrap())
}

/// Told between the two seconds, each second ticking.
fn ticking(now: &mut Timeline, from: f64, to: f64) -> String {
    let seconds = (from as u32 + 1..=to as u32).map(f64::from);
    seconds.map(|second| now.only(second, "tick")).filter(|told| !told.is_empty()).collect::<Vec<_>>().join("; ")
}

#[test]
fn nothing_overtakes_a_refused_message_while_it_is_told_again() {
    for (answer, then) in [
        ("rejected 1", "alert 3 to crew: raised"),
        ("failed 1", "alert 3 to crew: raised"),
        ("receipt 1", "notice 1 received; notice.rejected cleared; update 4 to crew: cleared; update 3 to crew: raised"),
        ("refused 1", "notice 1 rejected; alert 3 to crew: raised"),
    ] {
        let (mut now, second) = told_again(&telling("crew"));
        assert_eq!(now.only(second + 0.1, "rule leak=red"), "leak raised red", "{answer}: the later one waits");
        assert_eq!(now.only(second + 0.2, answer), then, "{answer}");
        now.only(second + 0.3, "receipt 3");
        assert!(now.brain.outbox().all(|row| !row.again), "{answer}: the later one says more");
        let later = ticking(&mut now, second, second + 3_000.0);
        assert!(!later.contains("alert 1 "), "{answer}: never behind it: {later}");
    }
}

/// A later one does not wait for ever: not for a try of which nobody ever hears, and not across a start.
#[test]
fn a_later_message_waits_for_one_try_of_a_refused_one_and_no_longer() {
    let (mut now, second) = told_again(&telling("crew"));
    now.only(second + 0.1, "rule leak=red");
    now.crash();
    let started = now.only(second + 0.2, "start");
    assert!(started.contains("alert 1 to crew: opened try 3") && !started.contains("alert 3"), "{started}");
    let later = ticking(&mut now, second, second + 590.0);
    assert!(!later.contains("alert 1 ") && !later.contains("alert 3 "), "its try may still come: {later}");
    let later = ticking(&mut now, second + 590.0, second + 800.0);
    assert!(later.contains("notice 1 rejected; alert 3 to crew: raised") && !later.contains("alert 1 "), "{later}");
    now.only(second + 801.0, "receipt 3");
    assert!(!ticking(&mut now, second + 801.0, second + 4_000.0).contains("alert 1 "));
}

/// Where its turn under the limit of the channel comes late, a later one goes first, and it is not sent behind that.
#[test]
fn a_refused_message_that_waits_for_its_turn_is_overtaken_and_superseded() {
    let mut site = telling("crew");
    (site.rules[0].hazards, site.audiences[0].per_hour) = (vec![hazard("leak", Red), hazard("fire", Red)], Some(4));
    let mut now = Timeline::new(&site);
    now.only(0.1, "rule leak=yellow");
    assert!(now.only(0.2, "rejected 1").contains("alert 2 to crew"));
    now.only(0.3, "receipt 2");
    // The share of yellow is used up: its second try waits for most of the hour.
    assert_eq!(ticking(&mut now, 0.3, 1_500.0), "");
    assert_eq!(now.only(1_500.5, "rule leak=red"), "leak raised red; alert 3 to crew: raised");
    assert_eq!(ticking(&mut now, 1_500.5, 1_501.0), "");
    assert!(now.only(1_501.5, "receipt 3").contains("notice 1 rejected"), "owed no more");
    assert!(!ticking(&mut now, 1_501.5, 9_000.0).contains("alert 1 "));
    // The control: without a later one it goes.
    let mut now = Timeline::new(&site);
    now.only(0.1, "rule leak=yellow");
    now.only(0.2, "rejected 1");
    now.only(0.3, "receipt 2");
    let told = ticking(&mut now, 0.3, 4_000.0);
    assert!(told.contains("alert 1 to crew: opened try 2"), "{told}");
}

/// The first and the newest were refused: one after the other, also at a start, and the second as soon as the first has come.
#[test]
fn two_refused_messages_of_one_alarm_are_told_one_after_the_other() {
    let mut now = Timeline::new(&telling("crew"));
    now.only(0.0, "start");
    now.only(0.1, "rule leak=yellow");
    now.only(0.2, "rejected 1");
    now.only(0.3, "receipt 2");
    now.only(1.0, "rule leak=red");
    now.only(1.1, "rejected 3");
    let started = now.only(2.0, "start");
    assert!(started.contains("alert 1 to crew: opened try 2") && !started.contains("alert 3"), "{started}");
    assert!(now.only(2.1, "receipt 1").contains("alert 3 to crew: raised try 2"));
    now.only(2.2, "receipt 3");
    assert!(now.brain.outbox().all(|row| !row.again));
}

/// The receiver says late that it has a later one, or a person there answers it, while the first is being told again: what is new waits for the end of
/// that try all the same, and the first is told no more.
#[test]
fn a_late_word_of_another_message_does_not_end_a_try_that_runs() {
    for late in ["receipt 3", "accepted 3", "refused 3"] {
        let mut now = Timeline::new(&telling("crew"));
        now.only(0.1, "rule leak=yellow");
        now.only(0.2, "rejected 1");
        now.only(0.3, "receipt 2");
        now.only(1.0, "rule leak=orange");
        now.only(1.1, "rejected 3");
        let mut tries = (2..3_000).map(|second| (second, now.only(f64::from(second), "tick")));
        // Of the two the first is told again first, or the other way round, and then it has to wait.
        let (second, told) = tries.find(|(_, told)| told.contains("alert ")).unwrap();
        drop(tries);
        let (second, told) = if told.contains("alert 1 ") {
            (second, told)
        } else {
            now.only(f64::from(second) + 0.1, "failed 3");
            let mut tries = (second + 1..3_000).map(|second| (second, now.only(f64::from(second), "tick")));
            tries.find(|(_, told)| told.contains("alert ")).unwrap()
        };
        assert!(told.contains("alert 1 to crew: opened try 2"), "{late}: {told}");
        let second = f64::from(second);
        let word = now.only(second + 0.1, late);
        assert!(!word.contains("to crew: raised") && !word.contains("update"), "{late}: {word}");
        // Nor is it begun again by a start: what ran has ended with the program.
        let mut another = Timeline::new(&telling("crew"));
        another.brain = now.brain.clone();
        let started = another.only(second + 0.2, "start");
        assert!(!started.contains("alert 1 ") && another.brain.outbox().all(|row| !row.again), "{late}: {started}");
        assert_eq!(now.only(second + 0.2, "rule leak=red"), "leak raised red", "{late}");
        let over = now.only(second + 0.3, "failed 1");
        assert!(over.contains("to crew: raised"), "{late}: {over}");
        assert!(now.brain.outbox().all(|row| !row.again), "{late}");
        assert!(!ticking(&mut now, second + 1.0, second + 2_000.0).contains("alert 1 "), "{late}");
    }
}
