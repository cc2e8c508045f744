//! What an audience is told at once, in a storm.

use crate::event::{Effect, Event};
use crate::harness::{Timeline, at, hazard, ladder, plant, rule};
use crate::notice::{Delivery, NoticeKind, Reason};
use crate::site::RungKind::AtOnce;
use crate::site::Severity::{self, Blue, Orange, Red, Yellow};
use crate::site::{Repeat, Site};
use std::collections::BTreeSet;

const ALARMS: usize = 200;

/// Many hazards, one audience that takes so many messages a minute.
fn site(per_minute: u32) -> Site {
    let hazards = (0..ALARMS).map(|n| hazard(&format!("h{n}.x"), Red)).collect();
    let mut site = Site { rules: vec![rule(hazards, 0)], ..plant(vec![]) };
    ladder(&mut site, &[("out", AtOnce, [Some(0); 4])]);
    site.audiences[0].per_minute = Some(per_minute);
    site
}

fn level(n: usize) -> Severity {
    match n % 20 {
        0 => Red,
        1 | 2 => Orange,
        3..=9 => Yellow,
        _ => Blue,
    }
}

#[test]
fn in_a_storm_the_worst_go_first_within_the_limit_and_the_rest_in_digests() {
    let limit = 20;
    let mut now = Timeline::new(&site(limit));
    let words: Vec<String> = (0..ALARMS).map(|n| format!("h{n}.x={}", level(n).word())).collect();
    let event = now.at_second(0.0, &format!("rule {}", words.join(" ")));
    let (mut sent, mut told, mut digests) = (Vec::new(), BTreeSet::new(), 0);
    let mut step = |now: &mut Timeline, second: u32, event: Event| {
        let mut effects = vec![event];
        while let Some(event) = effects.pop() {
            for effect in now.brain.step(at(f64::from(second)), &event) {
                let Effect::Tell { notice, attempt, .. } = effect else { continue };
                assert_eq!(attempt, 1);
                sent.push((second, notice.alarm.severity));
                digests += usize::from(!notice.digest.is_empty());
                assert!(notice.digest.iter().all(|told| told.severity < Orange), "red and orange go one by one");
                let all = notice.digest.iter().map(|told| told.alarm).chain([notice.alarm.id]);
                told.extend(all);
                effects.push(Event::Receipt { notice: notice.id, code: String::new(), accepted: false });
            }
        }
    };
    step(&mut now, 0, event);
    for second in 1..600 {
        step(&mut now, second, Event::Tick);
    }
    let red: Vec<_> = sent.iter().filter(|(_, severity)| *severity == Red).map(|(at, _)| *at).collect();
    assert_eq!(red, [0; 10], "all ten red ones at once, whatever came before them");
    let in_minute = |from: u32, is: &dyn Fn(Severity) -> bool| {
        sent.iter().filter(|(at, severity)| (from..from + 60).contains(at) && is(*severity)).count() as u32
    };
    for from in 0..540 {
        assert!(in_minute(from, &|_| true) <= limit && in_minute(from, &|severity| severity != Red) <= limit / 2, "{from}");
    }
    assert_eq!(told.len(), ALARMS, "nobody is forgotten");
    let orange = sent.iter().filter(|(_, severity)| *severity == Orange).count();
    assert_eq!((orange, digests > 0 && digests <= 3), (20, true), "{digests} digests");
    assert!(now.brain.outbox().all(|row| matches!(row.delivery, Delivery::Received | Delivery::Superseded)));
    assert!(now.brain.reached().all(|way| way.held == 0 && way.heard_at.is_some()));
}

/// What went into a digest counts as told: it is known there, and its next message is news of its own.
#[test]
fn what_a_digest_told_is_known_there() {
    let mut now = Timeline::new(&site(2));
    now.only(0.0, "rule h0.x=blue h1.x=blue h2.x=blue");
    assert_eq!(now.only(0.5, "receipt 1"), "notice 1 received");
    let effects: String = (1..=60).map(|second| now.only(f64::from(second), "tick")).collect();
    assert_eq!(effects, "notice 3 superseded; alert 2 to out: opened");
    assert_eq!(now.only(60.5, "accepted 2"), "notice 2 acknowledged");
    let of = |alarm| now.brain.alarm(crate::AlarmId(alarm)).unwrap();
    assert!((2..=3).all(|alarm| of(alarm).escalation.told[0].answers.person.is_some()));
    now.only(200.0, "rule h2.x=red");
    let row = now.brain.outbox().last().unwrap();
    assert_eq!((row.notice.kind, row.attempts), (NoticeKind::Alert, 1));
}

/// A bureau has an entry for each message: in a storm they wait for their turn, the worst first, and none is told within another.
#[test]
fn a_bureau_is_told_each_by_itself() {
    let mut site = site(20);
    (site.audiences[0].name, site.audiences[0].bureau) = ("bureau".into(), true);
    let mut now = Timeline::new(&site);
    let words: Vec<String> = (0..ALARMS).map(|n| format!("h{n}.x={}", level(n).word())).collect();
    let mut events = vec![now.at_second(0.0, &format!("rule {}", words.join(" ")))];
    let mut sent: Vec<(u32, Severity)> = Vec::new();
    for second in 0..1_500 {
        while let Some(event) = events.pop() {
            for effect in now.brain.step(at(f64::from(second)), &event) {
                let Effect::Tell { notice, .. } = effect else { continue };
                assert!(notice.digest.is_empty());
                sent.push((second, notice.alarm.severity));
                events.push(Event::Receipt { notice: notice.id, code: String::new(), accepted: true });
            }
        }
        let waiting = now.brain.outbox().filter(|row| row.delivery == Delivery::Queued).count();
        assert_eq!(waiting + sent.len(), ALARMS, "what waits is in the outbox");
        events.push(Event::Tick);
    }
    // What comes while there is room goes as it comes.
    let waited: Vec<Severity> = sent.iter().filter(|(at, _)| *at > 0).map(|(_, level)| *level).collect();
    assert!(
        sent.len() == ALARMS && waited.len() > ALARMS / 2 && waited.is_sorted_by(|earlier, later| earlier >= later),
        "{waited:?}"
    );
    assert!(sent.iter().all(|(at, level)| *level != Red || *at == 0), "no red one waited");
    for from in 0..1_500 {
        let minute = sent.iter().filter(|(at, _)| (from..from + 60).contains(at)).count();
        assert!(minute <= 20, "{minute} from {from} s on");
    }
    assert!(now.brain.outbox().all(|row| row.delivery == Delivery::Received));
}

/// However many red alarms call again and again, one that is new waits for none of them, and each of them has its turn.
#[test]
fn what_is_new_passes_what_is_said_again() {
    let mut site = site(10);
    site.ladders[0].rungs[0].repeat = Some(Repeat { every_s: 60, most: None });
    let mut now = Timeline::new(&site);
    let words: Vec<String> = (0..40).map(|n| format!("h{n}.x=red")).collect();
    let mut events = vec![now.at_second(0.0, &format!("rule {}", words.join(" ")))];
    let (mut again, mut new) = (BTreeSet::new(), None);
    for second in 0..1_800 {
        if second == 900 {
            events.push(now.at_second(900.0, &format!("rule {} h100.x=red", words.join(" "))));
        }
        while let Some(event) = events.pop() {
            for effect in now.brain.step(at(f64::from(second)), &event) {
                let Effect::Tell { notice, .. } = effect else { continue };
                match notice.reason {
                    Reason::Repeated => drop(again.insert(notice.alarm.id)),
                    _ if notice.alarm.key.hazard == "h100.x" => new = new.or(Some(second)),
                    _ => {}
                }
                events.push(Event::Receipt { notice: notice.id, code: String::new(), accepted: false });
            }
        }
        events.push(Event::Tick);
    }
    assert!(new.is_some_and(|second| second <= 930), "told {new:?}");
    assert!(again.len() >= 40, "{} were called of again", again.len());
}

#[test]
fn between_the_first_and_the_newest_of_a_chain_nothing_waits() {
    let mut site = site(60);
    site.audiences[0].per_minute = None;
    let mut now = Timeline::new(&site);
    now.check(&[
        ("0 rule h0.x=yellow", "h0.x opened yellow; alert 1 to out: opened"),
        ("0.1 rule h0.x=orange", "h0.x raised orange"),
        ("0.2 rule h0.x=clear", "h0.x cleared; notice 2 superseded"),
        ("0.3 ack 1", "h0.x acknowledged; notice 3 superseded; done"),
        ("0.4 close 1", "h0.x closed; notice 4 superseded; done"),
        ("0.5 receipt 1", "notice 1 received; cancel 5 to out: closed"),
        ("0.6 receipt 5", "notice 5 received"),
        ("600 tick", ""),
    ]);
}

/// That a machine has it is not that the receiver's system takes it: told again until that, and both are shown apart from a person's word.
#[test]
fn three_answers_are_kept_apart() {
    let mut site = site(60);
    (site.audiences[0].must_accept, site.audiences[0].per_minute) = (true, None);
    let mut now = Timeline::new(&site);
    now.check(&[
        ("0 rule h0.x=red", "h0.x opened red; alert 1 to out: opened"),
        ("0.5 receipt 1", "notice 1 queued"),
        ("0.6 receipt 1", ""),
        ("2 tick", "alert 1 to out: opened try 2"),
        ("2.5 accept 1", "notice 1 received"),
        ("2.6 accept 1", ""),
        ("9 accepted 1", "notice 1 acknowledged"),
        ("100 tick", ""),
    ]);
    let answers = now.brain.alarms().next().unwrap().escalation.told[0].answers.clone();
    let seconds = |at: crate::Micros| (at - crate::harness::at(0.0)) / 100_000;
    assert_eq!((answers.received_at.map(seconds), answers.accepted_at.map(seconds)), (Some(5), Some(25)));
    assert_eq!(answers.person.map(|(by, at)| (by.name, seconds(at))), Some(("duty".to_owned(), 90)));
    // Where nobody asks for acceptance, it may come later all the same.
    site.audiences[0].must_accept = false;
    let mut now = Timeline::new(&site);
    now.check(&[
        ("0 rule h0.x=red", "h0.x opened red; alert 1 to out: opened"),
        ("0.5 receipt 1", "notice 1 received"),
        ("7 accept 1", "notice 1 received"),
        ("8 accept 1", ""),
    ]);
}

/// A vendor counts by the second too: red as well waits for the next one. What nobody took is told again within the same limit.
#[test]
fn a_second_takes_so_many_and_no_more() {
    let mut site = site(80);
    site.audiences[0].per_second = Some(4);
    let mut now = Timeline::new(&site);
    let words: Vec<String> = (0..10).map(|n| format!("h{n}.x=red")).collect();
    let event = now.at_second(0.0, &format!("rule {}", words.join(" ")));
    let mut tell = |second: f64, event: &Event| {
        let effects = now.brain.step(at(second), event);
        effects.iter().filter(|effect| matches!(effect, Effect::Tell { .. })).count()
    };
    let sent = [(0.0, &event), (0.9, &Event::Tick), (1.0, &Event::Tick), (1.9, &Event::Tick), (2.0, &Event::Tick)];
    assert_eq!(sent.map(|(second, event)| tell(second, event)), [4, 0, 4, 0, 4]);
}

#[test]
fn a_test_of_an_annunciator_is_asked_for_and_remembered() {
    let mut site = site(60);
    (site.audiences[0].per_minute, site.audiences[0].annunciator) = (None, true);
    let mut brain = crate::Brain::new(site.clone());
    let by = crate::alarm::Person { name: "ann".into(), role: "lead".into(), station: String::new() };
    let test = |audience: &str, command: &str| Event::Operator {
        command: command.into(),
        by: by.clone(),
        act: crate::Act::TestAnnunciator { audience: audience.into() },
    };
    let answer = |command: &str, result| Effect::Answer { command: command.into(), result };
    assert_eq!(brain.step(at(1.0), &test("out", "1")), [Effect::Test { audience: "out".into() }, answer("1", Ok(()))]);
    assert_eq!(brain.step(at(1.1), &test("out", "1")), [answer("1", Ok(()))], "the same command sounds once");
    assert_eq!(brain.step(at(1.2), &test("nobody", "2")), [answer("2", Err(crate::refusal::Refusal::Unknown))]);
    assert!(brain.reached().all(|way| way.tested.is_none()));
    brain.step(at(2.0), &Event::Tested { audience: "out".into(), well: false, detail: "no answer".into() });
    let tested = brain.reached().next().and_then(|way| way.tested).unwrap();
    assert_eq!((tested.at, tested.well, tested.detail.as_str()), (at(2.0), false, "no answer"));
    site.audiences[0].annunciator = false;
    assert_eq!(crate::Brain::new(site).step(at(3.0), &test("out", "3")), [answer("3", Err(crate::refusal::Refusal::Unknown))]);
}

/// What a vendor takes for one number: 1 a minute, 4 an hour, 16 a day, half of each for red.
#[test]
fn an_hour_and_a_day_take_so_many_with_a_share_for_red() {
    let mut site = site(1);
    (site.audiences[0].per_hour, site.audiences[0].per_day) = (Some(4), Some(16));
    let mut now = Timeline::new(&site);
    let mut sent: Vec<(u32, Severity)> = Vec::new();
    let mut told = BTreeSet::new();
    for minute in 0..60 * 30_u32 {
        let second = f64::from(minute * 60);
        // One alarm every ten minutes for a day, every twelfth of them red.
        let n = minute / 10;
        let event = match minute {
            _ if minute % 10 != 0 || n >= 144 => Event::Tick,
            _ => now.at_second(second, &format!("rule h{n}.x={}", if n % 12 == 11 { "red" } else { "orange" })),
        };
        for effect in now.brain.step(at(second), &event) {
            let Effect::Tell { notice, .. } = effect else { continue };
            sent.push((minute, notice.alarm.severity));
            told.insert(notice.alarm.id);
            now.brain.step(at(second), &Event::Receipt { notice: notice.id, code: String::new(), accepted: false });
        }
    }
    let within = |from: u32, minutes: u32, is: &dyn Fn(Severity) -> bool| {
        sent.iter().filter(|(at, severity)| (from..from + minutes).contains(at) && is(*severity)).count()
    };
    for from in 0..60 * 30 {
        assert!(within(from, 60, &|_| true) <= 4 && within(from, 60, &|severity| severity != Red) <= 2, "hour from {from}");
        assert!(within(from, 1_440, &|_| true) <= 16 && within(from, 1_440, &|severity| severity != Red) <= 8, "day from {from}");
    }
    let red: Vec<u32> = sent.iter().filter(|(_, severity)| *severity == Red).map(|(minute, _)| *minute).collect();
    assert_eq!(red.iter().take(8).copied().collect::<Vec<_>>(), (0..8).map(|n| n * 120 + 110).collect::<Vec<_>>(), "none waited");
    assert!(now.brain.reached().any(|way| way.held > 0), "orange ones wait, and none is dropped");
}

/// A red one that has to wait for its turn reaches nobody there: who is told where nobody can be reached hears it at once.
#[test]
fn a_limit_that_is_used_up_is_no_way_to_reach_anybody() {
    let mut site = site(1);
    (site.ladders[0].rungs, site.audiences) = (vec![], vec![]);
    ladder(&mut site, &[("out", AtOnce, [Some(0); 4]), ("next", AtOnce, [Some(0); 4])]);
    (site.audiences[0].per_minute, site.audiences[0].per_hour) = (Some(1), Some(1));
    site.ladders[0].rungs[1].only.unreachable = Some(0);
    let mut now = Timeline::new(&site);
    assert_eq!(now.only(0.0, "rule h0.x=red"), "h0.x opened red; alert 1 to out: opened");
    assert_eq!(now.only(0.1, "receipt 1"), "notice 1 received");
    assert_eq!(now.only(100.0, "rule h1.x=red"), "h1.x opened red; alert 3 to next: opened");
    assert!((101..3_600).all(|second| !now.only(f64::from(second), "tick").contains("to out")));
    assert!(now.only(3_600.0, "tick").contains("to out: opened"), "its turn");
}

/// A day's limit that yellow has used its share of still takes an orange one; one that has to wait for hours is no way to reach anybody.
#[test]
fn orange_has_a_share_of_the_day_that_yellow_cannot_use() {
    let mut site = site(1);
    (site.ladders[0].rungs, site.audiences) = (vec![], vec![]);
    ladder(&mut site, &[("out", AtOnce, [Some(0); 4]), ("next", AtOnce, [Some(0); 4])]);
    (site.audiences[0].per_minute, site.audiences[0].per_day) = (Some(60), Some(4));
    site.ladders[0].rungs[1].only.unreachable = Some(0);
    let mut now = Timeline::new(&site);
    assert_eq!(now.only(0.0, "rule h0.x=yellow"), "h0.x opened yellow; alert 1 to out: opened");
    assert_eq!(now.only(0.1, "receipt 1"), "notice 1 received");
    assert_eq!(now.only(700.0, "rule h1.x=yellow"), "h1.x opened yellow", "its share is used up");
    assert_eq!(now.only(710.0, "rule h2.x=orange"), "h2.x opened orange; alert 3 to out: opened");
    assert_eq!(now.only(710.1, "receipt 3"), "notice 3 received");
    assert_eq!(now.only(720.0, "rule h3.x=orange"), "h3.x opened orange; alert 5 to next: opened", "so is orange's");
}

/// A first message that waits for its turn and was never tried holds up nothing worse: what the alarm has come to goes in its place at once.
#[test]
fn what_was_never_tried_is_outgrown_by_what_is_worse() {
    for name in ["bureau", "out"] {
        let mut site = site(4);
        (site.audiences[0].name, site.audiences[0].bureau) = (name.into(), name == "bureau");
        let mut now = Timeline::new(&site);
        now.only(0.0, "rule h0.x=orange h1.x=orange");
        assert_eq!(now.only(1.0, "rule h2.x=yellow"), "h2.x opened yellow", "the share of what is not red is used up");
        assert_eq!(now.only(1.5, "rule h2.x=orange"), "h2.x raised orange; notice 3 superseded");
        let red = format!("h2.x raised red; notice 4 superseded; alert 5 to {name}: raised");
        assert_eq!(now.only(2.0, "rule h2.x=red"), red);
        let row = now.brain.notice(crate::NoticeId(5)).unwrap();
        assert_eq!((row.notice.kind, row.notice.references.len(), row.notice.alarm.severity), (NoticeKind::Alert, 0, Red));
        let held: Vec<usize> = now.brain.reached().map(|way| way.held).collect();
        assert_eq!(held, [2], "the two that are tried again, and nothing that was never tried");
        // What was tried may be there: nothing overtakes it, and it is tried again by the share of what it holds up.
        assert_eq!(now.only(2.5, "rule h0.x=red"), format!("h0.x raised red; alert 1 to {name}: opened try 2"));
        assert_eq!(now.only(3.0, "receipt 1"), "notice 1 received", "both shares are used up");
        // Nor does what is no worse overtake anything.
        now.only(3.5, "rule h3.x=yellow");
        assert_eq!(now.only(4.0, "rule h3.x=clear"), "h3.x cleared");
        assert_eq!(now.brain.notice(crate::NoticeId(7)).unwrap().delivery, Delivery::Queued);
        for came in [2, 5] {
            now.only(4.5, &format!("receipt {came}"));
        }
        now.crash();
        let next = now.only(60.0, "tick");
        assert!(next.contains(&format!("update 6 to {name}: raised")), "{next}");
        now.only(60.1, "receipt 6");
        let later: String = (61..200).map(|second| now.only(f64::from(second), "tick")).collect();
        assert!(!later.contains(" 3 to") && !later.contains(" 4 to") && later.contains(&format!("alert 7 to {name}: opened")));
    }
}

/// A first message that was tried in vain holds up nothing worse for longer than it must: it goes by that one's share, and soon.
#[test]
fn what_was_tried_in_vain_goes_by_the_share_of_what_waits_behind_it() {
    let mut now = Timeline::new(&site(4));
    assert_eq!(now.only(0.0, "rule h0.x=yellow"), "h0.x opened yellow; alert 1 to out: opened");
    now.only(0.1, "failed 1");
    let storm: Vec<String> = (1..40).map(|n| format!("h{n}.x=orange")).collect();
    now.only(0.2, &format!("rule {}", storm.join(" ")));
    let quiet: String = (1..10).map(|second| now.only(f64::from(second), "tick")).collect();
    assert!(!quiet.contains("alert 1 "), "it waits behind what is worse: {quiet}");
    let red = now.only(10.0, "rule h0.x=red");
    assert!(red.contains("alert 1 to out"), "its try goes by the share of red: {red}");
    let next = now.only(10.1, "receipt 1");
    assert!(next.contains("to out: raised"), "{next}");

    // Nothing is held, but the next try would be a minute away.
    let mut site = site(4);
    (site.audiences[0].per_minute, site.audiences[0].per_hour) = (None, None);
    let mut now = Timeline::new(&site);
    now.only(0.0, "rule h0.x=yellow");
    for second in 0..100 {
        let told = now.only(f64::from(second), "tick");
        if told.contains("alert 1 ") {
            now.only(f64::from(second) + 0.1, "failed 1");
        }
    }
    let due = now.brain.notice(crate::NoticeId(1)).unwrap().due_at;
    assert!(due > at(110.0), "it is tried once a minute by now");
    assert_eq!(now.only(100.0, "rule h0.x=red"), "h0.x raised red");
    assert!(now.only(101.0, "tick").contains("alert 1 to out"), "what is red waits a second");
}

/// Calls go to one number each, and a vendor counts each number by itself: the next one is called where the first must be spared, and only when
/// none may be called does anybody wait. Each try of one message goes to the next number.
#[test]
fn limits_of_calls_count_for_each_number() {
    let mut site = site(1);
    (site.audiences[0].numbers, site.audiences[0].per_hour) = (3, Some(2));
    let mut now = Timeline::new(&site);
    let words: Vec<String> = (0..4).map(|n| format!("h{n}.x=red")).collect();
    let mut called: Vec<(u32, u64, u32)> = Vec::new();
    let begin = now.at_second(0.0, &format!("rule {}", words.join(" ")));
    for second in 0..3_599_u32 {
        let event = if second == 0 { begin.clone() } else { Event::Tick };
        for effect in now.brain.step(at(f64::from(second)), &event) {
            let Effect::Tell { notice, number, .. } = effect else { continue };
            called.push((second, notice.id.0, number));
            // The gateway cannot reach anybody for the first one.
            if notice.id.0 > 1 {
                now.brain
                    .step(at(f64::from(second)), &Event::Receipt { notice: notice.id, code: String::new(), accepted: false });
            }
        }
    }
    assert_eq!(called[..3], [(0, 1, 0), (0, 2, 1), (0, 3, 2)], "side by side");
    assert_eq!((called[3].0, called[4].0), (60, 60), "each number once a minute: {called:?}");
    for number in 0..3 {
        assert_eq!(called.iter().filter(|call| call.2 == number).count(), 2, "twice an hour each: {called:?}");
    }
    let of_first: Vec<u32> = called.iter().filter(|call| call.1 == 1).map(|call| call.2).collect();
    assert!(of_first.len() > 1 && of_first[..2] == [0, 1], "the next number: {called:?}");
    // What counts for the channel has no numbers.
    site.audiences[0].numbers = 1;
    let mut now = Timeline::new(&site);
    assert_eq!(now.only(0.0, &format!("rule {}", words.join(" "))).matches(" to out").count(), 1, "the control");
}

#[test]
fn what_went_is_read_from_older_snapshots() {
    let old = serde_json::from_str::<super::Gate>(r#"{"sent": [[1, true], [2, false], [3, 1], [4, 0, 2]]}"#).unwrap();
    assert_eq!(old.sent, [(1, super::RED, 0), (2, super::TOLD_TOGETHER, 0), (3, super::ORANGE, 0), (4, super::RED, 2)]);
}
