//! The outbox as timelines: told until a machine says it arrived, in order, with the same identifier each time.

use crate::alarm::BureauState::{self, Acknowledged, Queued, Received};
use crate::event::{Effect, Event};
use crate::harness::{Timeline, at, gas, hazard, ladder, limit, plant, rule, timeline};
use crate::notice::Delivery;
use crate::site::LimitKind::High;
use crate::site::RungKind::{AtOnce, Unacknowledged};
use crate::site::Severity::Red;
use crate::site::Site;
use crate::words::Text;
use crate::{AlarmId, Brain, NoticeId, Quality, Reading, TagId};

mod kept;
mod lowered;
mod references;
mod refused;

/// One audience that hears of everything at once.
fn telling(audience: &str) -> Site {
    let mut site = Site { rules: vec![rule(vec![hazard("leak", Red)], 0)], ..plant(vec![]) };
    ladder(&mut site, &[(audience, AtOnce, [Some(0); 4])]);
    site
}

const SECOND: i64 = 1_000_000;

/// Doubling, up to a minute, with up to a quarter more that differs from notice to notice.
#[test]
fn a_notice_without_a_receipt_is_told_again_and_again() {
    let names: Vec<String> = (0..20).map(|n| format!("crew {n}")).collect();
    let mut site = Site { rules: vec![rule(vec![hazard("leak", Red)], 0)], ..plant(vec![]) };
    ladder(&mut site, &names.iter().map(|name| (name.as_str(), AtOnce, [Some(0); 4])).collect::<Vec<_>>());
    let mut longest = Vec::new();
    for id in (1..=20).map(NoticeId) {
        let mut now = Timeline::new(&site);
        now.only(0.0, "rule leak=red");
        let made = now.brain.notice(id).unwrap().notice.clone();
        for (attempts, wait) in [(1, 1), (2, 2), (3, 4), (4, 8), (5, 16), (6, 32), (7, 60), (8, 60), (9, 60)] {
            let row = now.brain.notice(id).unwrap().clone();
            let waits = row.due_at - now.brain.now();
            assert_eq!((row.attempts, row.delivery), (attempts, Delivery::Queued), "{id:?}");
            assert!((wait * SECOND..=wait * SECOND * 5 / 4).contains(&waits), "{id:?}, try {attempts} waits {waits} us");
            longest.push(waits);
            for (at, expected) in [(row.due_at - 1, None), (row.due_at, Some(attempts + 1))] {
                let effects = now.brain.step(at, &Event::Tick);
                let told = effects.iter().find_map(|effect| match effect {
                    Effect::Tell { notice, attempt, .. } if **notice == made => Some(*attempt),
                    _ => None,
                });
                assert_eq!(told, expected, "{id:?}, try {attempts}");
            }
        }
    }
    longest.retain(|wait| *wait >= 60 * SECOND);
    longest.sort_unstable();
    let (least, most) = (longest[0], longest[longest.len() - 1]);
    assert!(least < 62 * SECOND && most > 70 * SECOND, "a minute and what is added, {least} to {most} us");
}

#[test]
fn a_receipt_stops_it_and_a_failed_try_does_not() {
    timeline(
        &telling("crew"),
        &[
            ("0 rule leak=red", "leak opened red; alert 1 to crew: opened"),
            ("1 failed 1", ""),
            ("2 tick", "alert 1 to crew: opened try 2"),
            ("3 receipt 1", "notice 1 received"),
            ("4 receipt 1", ""),
            ("5 failed 1", ""),
            ("6 rejected 1", ""),
            ("7 receipt 99", ""),
            ("8 failed 99", ""),
            ("9 rejected 99", ""),
            ("5000 tick", ""),
        ],
    );
}

#[test]
fn messages_of_one_alarm_to_one_audience_go_one_after_the_other() {
    timeline(
        &telling("crew"),
        &[
            ("0 rule leak=red", "leak opened red; alert 1 to crew: opened"),
            ("0 rule leak=clear", "leak cleared"),
            ("0.5 receipt 1", "notice 1 received; update 2 to crew: cleared"),
            ("0.5 ack 1", "leak acknowledged; done"),
            (
                "0.6 rejected 2",
                "notice 2 rejected; update 3 to crew: acknowledged; notice.rejected opened orange; \
             alert 4 to crew: opened",
            ),
            // The refused one is owed no more, and what shows it learns that.
            ("0.7 receipt 3", "notice 3 received; notice 2 rejected"),
            // What was on its way before the refusal says nothing of it.
            ("0.8 receipt 4", "notice 4 received; notice.rejected cleared; update 5 to crew: cleared"),
            ("0.9 receipt 5", "notice 5 received"),
            ("5000 tick", ""),
        ],
    );
    // Another alarm, and another audience, do not wait.
    let mut site = Site { rules: vec![rule(vec![hazard("leak", Red), hazard("fire", Red)], 0)], ..plant(vec![]) };
    ladder(&mut site, &[("crew", AtOnce, [Some(0); 4]), ("gate", AtOnce, [Some(0); 4])]);
    timeline(
        &site,
        &[
            ("0 rule leak=red", "leak opened red; alert 1 to crew: opened; alert 2 to gate: opened"),
            ("0 rule fire=red", "fire opened red; alert 3 to crew: opened; alert 4 to gate: opened"),
            ("0.5 receipt 2", "notice 2 received"),
            ("0.6 rule leak=clear", "leak cleared; update 6 to gate: cleared"),
        ],
    );
}

/// Told to the plant once, tried again slowly with the same message, and over when the receiver has mended its side.
/// An instruction is heard once, taken once, and who has it goes to whoever gave it, with the end of the alarm behind it as well.
#[test]
fn an_instruction_is_taken_by_a_named_person_and_told_back() {
    let now = timeline(
        &telling("bureau"),
        &[
            ("0 rule leak=red", "leak opened red; alert 1 to bureau: opened"),
            ("1 told 1 b.a7", "leak escalated; notice 1 acknowledged; leak escalated"),
            ("2 told 1 b.a7", ""),
            ("3 heed 1 b.a8", "no such alarm or rule"),
            ("4 heed 1 b.a7", "leak escalated; update 2 to bureau: instructed; done"),
            ("5 heed 1 b.a7", "already done"),
        ],
    );
    let alarm = now.brain.alarm(AlarmId(1)).unwrap();
    let [told] = alarm.escalation.instructions.as_slice() else { panic!("{:?}", alarm.escalation) };
    assert_eq!((told.message.as_str(), told.audience.as_str()), ("b.a7", "bureau"));
    assert!(told.taken.as_ref().is_some_and(|taken| taken.by.name == "ann" && taken.note == "looked"));
    let said = &now.brain.notice(NoticeId(2)).unwrap().notice;
    assert_eq!(said.alarm.escalation.instructions, alarm.escalation.instructions, "it goes with the message");
}

#[test]
fn a_refusal_is_told_to_the_plant_does_not_breed_and_is_tried_again_now_and_then() {
    let now = timeline(
        &telling("crew"),
        &[
            ("0 rule leak=red", "leak opened red; alert 1 to crew: opened"),
            ("0.5 rejected 1", "notice 1 rejected; notice.rejected opened orange; alert 2 to crew: opened"),
            // The message about the refusal is refused too.
            ("0.6 rejected 2", "notice 2 rejected"),
            ("0.8 rejected 1", ""),
            ("654 tick", "alert 1 to crew: opened try 2"),
            ("654.1 failed 1", ""),
            ("699 tick", "alert 2 to crew: opened try 2"),
            ("699.1 rejected 2", ""),
            ("1301 tick", "alert 1 to crew: opened try 3"),
            // One is taken, the other is still owed: the alarm stands.
            ("1301.1 receipt 1", "notice 1 received"),
            ("1422 tick", "alert 2 to crew: opened try 3"),
            ("1422.1 receipt 2", "notice 2 received; notice.rejected cleared; update 3 to crew: cleared"),
            ("1422.2 receipt 3", "notice 3 received"),
            ("2800 tick", ""),
        ],
    );
    assert!(now.brain.outbox().all(|row| !row.again && row.last_error.is_empty()));
}

/// A later message of the same alarm says all that the refused one did; where that is refused too, the first and the newest are owed.
#[test]
fn a_refused_message_is_owed_until_a_later_one_of_its_chain_has_come() {
    let mut now = Timeline::new(&telling("crew"));
    let owed = |now: &Timeline| now.brain.outbox().filter(|row| row.again).map(|row| row.notice.id.0).collect::<Vec<_>>();
    now.only(0.0, "rule leak=yellow");
    now.only(0.1, "rejected 1");
    now.only(0.2, "receipt 2");
    for (second, level, notice, left) in
        [(1.0, "orange", 3, vec![1, 3]), (2.0, "red", 4, vec![1, 4]), (3.0, "clear", 5, vec![1, 5])]
    {
        now.only(second, &format!("rule leak={level}"));
        now.only(second + 0.1, &format!("rejected {notice}"));
        assert_eq!(owed(&now), left, "{level}");
    }
    // One that is on its way goes first: nothing refused is told across it.
    now.only(4.0, "ack 1");
    let told: String = (5..800).map(|second| now.only(f64::from(second), "tick")).collect();
    assert!(told.contains("alert 6 to crew") && !told.contains("alert 1") && !told.contains("update 5"), "{told}");
    let effects = now.only(800.0, "receipt 6");
    assert!(owed(&now).is_empty() && effects.contains("notice.rejected cleared"), "{effects}");
    now.only(800.1, "receipt 7");
    let later: String = (801..3_000).map(|second| now.only(f64::from(second), "tick")).collect();
    assert!(!later.contains("alert 1") && !later.contains("update 5"), "{later}");
    assert_eq!(now.brain.notice(NoticeId(1)).unwrap().delivery, Delivery::Rejected, "it never came");
}

/// A start tries what was refused at once: perhaps somebody mended it. A person's refusal is the last word.
#[test]
fn a_start_tries_a_refused_message_again_and_a_persons_refusal_ends_it() {
    let mut now = Timeline::new(&telling("crew"));
    now.only(0.0, "start");
    now.only(0.1, "rule leak=red");
    now.only(0.2, "rejected 1");
    now.only(0.3, "receipt 2");
    let effects = now.only(1.0, "start");
    assert!(effects.starts_with("alert 1 to crew: opened try 2"), "{effects}");
    now.only(2.0, "refused 1");
    now.crash();
    let later: String = (3..2_000).map(|second| now.only(f64::from(second), "tick")).collect();
    assert!(!later.contains("alert 1"), "{later}");
}

#[test]
fn a_chain_is_alert_updates_cancel_and_names_what_came_before() {
    let mut now = Timeline::answering(&telling("bureau"));
    now.check(&[
        ("0 rule leak=yellow", "leak opened yellow; alert 1 to bureau: opened"),
        ("1 rule leak=orange", "leak raised orange; update 2 to bureau: raised"),
        ("2 ack 1", "leak acknowledged; update 3 to bureau: acknowledged; done"),
        ("3 rule leak=clear", "leak cleared; update 4 to bureau: cleared"),
        ("4 close 1", "leak closed; cancel 5 to bureau: closed; done"),
        ("5 rule leak=orange", "leak opened orange; alert 6 to bureau: opened"),
    ]);
    for (notice, alarm, before) in [(1, 1, 0..0), (2, 1, 1..2), (5, 1, 1..5), (6, 2, 0..0)] {
        let made = &now.brain.notice(NoticeId(notice)).unwrap().notice;
        let references: Vec<&str> = made.references.iter().map(|reference| reference.identifier.as_str()).collect();
        assert_eq!(made.identifier, format!("plant.{alarm}.{notice}"));
        assert_eq!(references, before.map(|n| format!("plant.1.{n}")).collect::<Vec<_>>(), "of notice {notice}");
    }
}

#[test]
fn the_bureau_is_told_again_before_its_message_expires_while_the_alarm_is_listed() {
    let mut now = Timeline::answering(&telling("bureau"));
    now.check(&[
        ("0 rule leak=orange", "leak opened orange; alert 1 to bureau: opened"),
        ("1000 rule leak=red", "leak raised red; update 2 to bureau: raised"),
        ("3880 tick", "update 3 to bureau: renewed"), // 48 minutes after the last
        ("6760 tick", "update 4 to bureau: renewed"),
        ("7000 rule leak=clear", "leak cleared; update 5 to bureau: cleared"),
        ("7001 ack 1", "leak acknowledged; update 6 to bureau: acknowledged; done"),
        ("9881 tick", "update 7 to bureau: renewed"), // the latch is set
        ("9900 reset 1", "leak reset; done"),
        ("20000 tick", ""),
        ("20001 rule leak=orange", "leak reopened orange; update 8 to bureau: reopened"),
        ("22881 tick", "update 9 to bureau: renewed"),
    ]);
    // A shorter validity is renewed sooner.
    let mut site = telling("bureau");
    site.audiences.iter_mut().for_each(|audience| audience.valid_s = 300);
    Timeline::answering(&site).check(&[
        ("0 rule leak=red", "leak opened red; alert 1 to bureau: opened"),
        ("239 tick", ""),
        ("240 tick", "update 2 to bureau: renewed"),
        ("480 tick", "update 3 to bureau: renewed"),
    ]);
    // Also behind another message, and where it is valid for the shortest time.
    site.audiences.iter_mut().for_each(|audience| audience.valid_s = 60);
    Timeline::answering(&site).check(&[
        ("0 rule leak=orange", "leak opened orange; alert 1 to bureau: opened"),
        ("10 rule leak=red", "leak raised red; update 2 to bureau: raised"),
        ("48 tick", ""),
        ("58 tick", "update 3 to bureau: renewed"),
    ]);
    // Others than the bureau keep no valid time.
    Timeline::answering(&telling("crew"))
        .check(&[("0 rule leak=red", "leak opened red; alert 1 to crew: opened"), ("9000 tick", "")]);
}

/// Names after GB/T 35965.1 are given at the first try, stay on every other one, and are what later messages refer to.
#[test]
fn a_receiver_that_wants_names_of_the_standard_gets_them() {
    let mut site = telling("bureau");
    site.audiences.iter_mut().for_each(|audience| audience.code = Some("43018100000000".to_owned()));
    let mut now = Timeline::new(&site);
    now.only(0.0, "rule leak=orange");
    let name = |now: &Timeline, notice: u64| now.brain.notice(NoticeId(notice)).unwrap().notice.identifier.clone();
    let first = name(&now, 1);
    assert!(first.starts_with("43018100000000_") && first.ends_with("_0"), "{first}");
    now.only(0.5, "rule leak=red");
    assert_eq!(name(&now, 2), "plant.1.2", "its turn has not come");
    now.only(2.0, "tick");
    assert_eq!(name(&now, 1), first, "told again under the same name");
    now.only(3.0, "receipt 1");
    let second = now.brain.notice(NoticeId(2)).unwrap().notice.clone();
    assert!(second.identifier > first && second.identifier.len() == 31, "{}", second.identifier);
    assert_eq!((second.incident.as_str(), second.references[0].identifier.as_str()), ("plant.1", first.as_str()));
}

#[test]
fn a_renewal_waits_until_the_message_before_it_has_come() {
    let mut now = Timeline::new(&telling("bureau"));
    now.only(0.0, "rule leak=red");
    for minute in 1..=60 {
        let effects = now.only(f64::from(minute) * 60.0, "tick");
        assert!(!effects.contains("renewed"), "minute {minute}: {effects}");
    }
    now.only(3601.0, "receipt 1");
    let told: Vec<String> =
        (3602..3700).map(|second| now.only(f64::from(second), "tick")).filter(|effects| !effects.is_empty()).collect();
    assert_eq!(told.first().map(String::as_str), Some("update 2 to bureau: renewed"));
}

#[test]
fn what_a_person_at_the_bureau_answers_is_known() {
    let site = telling("bureau");
    let told = ("0 rule leak=red", "leak opened red; alert 1 to bureau: opened");
    let accepted = "notice 1 acknowledged; leak escalated";
    let refused = "notice 1 rejected; notice.rejected opened orange";
    timeline(
        &site,
        &[
            told,
            ("0.5 receipt 1", "notice 1 received; leak escalated"),
            ("9 accepted 1", accepted),
            ("10 accepted 1", ""),
            ("11 receipt 1", ""),
            ("100 tick", ""),
        ],
    );
    // An acceptance is a receipt too.
    timeline(&site, &[told, ("0.5 accepted 1", accepted), ("0.6 receipt 1", ""), ("100 tick", "")]);
    // The last word counts.
    let taken_back = "notice 1 rejected; leak escalated; notice.rejected opened orange";
    let now = timeline(&site, &[told, ("0.5 accepted 1", accepted), ("0.6 refused 1", taken_back), ("0.7 refused 1", "")]);
    let escalation = &now.brain.alarm(AlarmId(1)).unwrap().escalation;
    assert_eq!((escalation.bureau, &escalation.bureau_by), (BureauState::Received, &None));
    // Refused before anything else was heard: nothing is on its way to the bureau any more.
    let refused_at_once = refused.replace("notice 1 rejected; ", "notice 1 rejected; leak escalated; ");
    timeline(&site, &[told, ("0.5 refused 1", &refused_at_once), ("0.6 refused 1", ""), ("0.7 receipt 1", ""), ("100 tick", "")]);
    timeline(&site, &[told, ("0.5 receipt 1", "notice 1 received; leak escalated"), ("0.6 refused 1", refused)]);
    timeline(&site, &[told, ("0.5 accepted 99", ""), ("0.6 refused 99", "")]);
}

/// Who refuses a message knows that: the plant's people hear of it, and the bureau of no new matter. Its next message shows that it is over.
#[test]
fn a_refusal_of_the_bureau_is_told_to_the_plants_people_alone() {
    for (refusal, left) in [("refused 1", "notice 1 rejected; leak escalated"), ("rejected 1", "notice 1 rejected")] {
        let mut site = Site { rules: vec![rule(vec![hazard("leak", Red)], 0)], ..plant(vec![]) };
        ladder(&mut site, &[("bureau", AtOnce, [Some(0); 4]), ("crew", AtOnce, [Some(0); 4])]);
        let mut now = timeline(
            &site,
            &[
                ("0 rule leak=red", "leak opened red; alert 1 to bureau: opened; alert 2 to crew: opened"),
                ("0.1 receipt 2", "notice 2 received"),
                (&format!("0.5 {refusal}"), &format!("{left}; notice.rejected opened orange; alert 3 to crew: opened")),
                ("0.6 receipt 3", "notice 3 received"),
                ("1 note 1", "leak handled; alert 4 to bureau: handled; done"),
            ],
        );
        let over = now.only(1.5, "receipt 4");
        assert!(over.contains("notice.rejected cleared; update 5 to crew: cleared"), "{refusal}: {over}");
        let told = now.brain.outbox().filter(|row| row.notice.alarm.key.hazard == "notice.rejected");
        assert_eq!(told.map(|row| row.notice.audience.as_str()).collect::<Vec<_>>(), ["crew", "crew"], "{refusal}");
    }
}

/// Who took it at the bureau did not take it at the plant.
#[test]
fn no_receipt_and_no_answer_from_outside_stops_the_plants_ladder() {
    let mut site = Site { rules: vec![rule(vec![hazard("leak", Red)], 0)], ..plant(vec![]) };
    ladder(&mut site, &[("bureau", AtOnce, [Some(0); 4]), ("officer", Unacknowledged, [Some(60); 4])]);
    let now = timeline(
        &site,
        &[
            ("0 rule leak=red", "leak opened red; alert 1 to bureau: opened"),
            ("0.5 accepted 1", "notice 1 acknowledged; leak escalated"),
            ("60 tick", "alert 2 to officer: overdue; leak escalated"),
        ],
    );
    let alarm = now.brain.alarm(AlarmId(1)).unwrap();
    assert!(alarm.acknowledged.is_none());
    assert_eq!(alarm.escalation.bureau_by.as_ref().map(|by| by.name.as_str()), Some("duty"));
}

#[test]
fn after_a_start_what_has_no_receipt_is_told_at_once() {
    let mut site = Site { rules: vec![rule(vec![hazard("leak", Red)], 0)], ..plant(vec![]) };
    ladder(&mut site, &[("crew", AtOnce, [Some(0); 4]), ("gate", AtOnce, [Some(0); 4])]);
    let mut now = timeline(
        &site,
        &[
            ("0 start", ""),
            ("0.1 rule leak=red", "leak opened red; alert 1 to crew: opened; alert 2 to gate: opened"),
            ("0.2 receipt 2", "notice 2 received"),
            ("0.3 rule leak=clear", "leak cleared; update 4 to gate: cleared"),
            ("0.4 stop", ""),
        ],
    );
    now.crash();
    now.check(&[
        ("0.5 start", "alert 1 to crew: opened try 2; update 4 to gate: cleared try 2"),
        ("0.6 receipt 1", "notice 1 received; update 3 to crew: cleared"),
        ("0.7 receipt 3", "notice 3 received"),
        ("0.8 receipt 4", "notice 4 received"),
        ("1000 tick", ""),
    ]);
}

#[test]
fn what_is_owed_to_an_audience_that_is_gone_is_off_the_queue_with_the_reason() {
    let mut now = timeline(
        &telling("crew"),
        &[
            ("0 start", ""),
            ("1 rule leak=red", "leak opened red; alert 1 to crew: opened"),
            ("1 rule leak=clear", "leak cleared"),
            ("1 rule leak=red", "leak reopened red; notice 2 superseded"),
        ],
    );
    now.reconfigure(&telling("gate"));
    now.check(&[
        ("1.5 start", "notice 1 rejected; notice 3 rejected; alert 4 to gate: reopened; leak escalated; leak held"),
        ("1.6 receipt 4", "notice 4 received"),
        ("50 tick", ""),
    ]);
    assert_eq!(now.brain.notice(NoticeId(1)).unwrap().last_error, "audience crew is no longer in the site");
}

/// Who took the first fire did not take the second, nor what it grew to.
#[test]
fn what_the_bureau_took_is_one_occurrence_at_one_level() {
    let mut now = Timeline::new(&telling("bureau"));
    for (second, what, state, by) in [
        (0.0, "rule leak=orange", Queued, false),
        (0.1, "receipt 1", Received, false),
        (0.2, "accepted 1", Acknowledged, true),
        (1.0, "rule leak=red", Queued, false),
        (1.1, "receipt 2", Received, false),
        (1.2, "accepted 2", Acknowledged, true),
        (2.0, "rule leak=clear", Acknowledged, true),
        (3.0, "rule leak=red", Queued, false),
        // Late answers to what came before, the message of the clearing among them.
        (3.1, "accepted 1", Queued, false),
        (3.2, "receipt 3", Queued, false),
        (3.3, "accepted 3", Queued, false),
        (3.4, "receipt 4", Received, false),
        (3.5, "accepted 4", Acknowledged, true),
    ] {
        now.only(second, what);
        let escalation = &now.brain.alarm(AlarmId(1)).unwrap().escalation;
        assert_eq!((escalation.bureau, escalation.bureau_by.is_some()), (state, by), "after {second} {what}");
    }
}

#[test]
fn a_bureau_that_cannot_be_reached_is_told_to_the_plant_and_not_to_the_bureau() {
    let mut site = Site { rules: vec![rule(vec![hazard("leak", Red)], 0)], ..plant(vec![]) };
    ladder(&mut site, &[("bureau", AtOnce, [Some(0); 4]), ("crew", Unacknowledged, [Some(0); 4])]);
    let mut now = timeline(
        &site,
        &[
            ("0 rule leak=red", "leak opened red; alert 1 to bureau: opened; alert 2 to crew: opened"),
            ("0.1 receipt 2", "notice 2 received"),
            ("0.2 failed 1", ""),
        ],
    );
    let effects: Vec<String> = (1..=59).map(|second| now.only(f64::from(second), "tick")).collect();
    assert!(!effects.iter().any(|effects| effects.contains("undelivered")), "{effects:?}");
    now.check(&[
        ("60 tick", "notice.undelivered opened orange; alert 3 to crew: opened"),
        ("60.1 receipt 3", "notice 3 received"),
    ]);
    let args = vec!["bureau".to_owned(), "503".to_owned()];
    assert_eq!(now.brain.alarm(AlarmId(2)).unwrap().text, Text::Phrase { key: "guard.undelivered".into(), args });
    // Hours without the bureau are one alarm, one message to the plant, and none to the bureau.
    let later: String = (61..20_000).map(|second| now.only(f64::from(second), "tick")).collect();
    assert!(!later.contains("undelivered") && !later.contains("crew") && !later.contains("alert 4"), "{later}");
    now.check(&[
        ("20000 rule leak=clear", "leak cleared; update 5 to crew: cleared"),
        ("20000.1 receipt 5", "notice 5 received"),
    ]);
    // Anything that it receives shows that it hears again.
    assert_eq!(
        now.only(20_000.2, "receipt 1"),
        "notice 1 received; leak escalated; notice.undelivered cleared; update 6 to crew: cleared; update 4 to bureau: cleared"
    );
    now.only(20_000.3, "receipt 4");
    now.only(20_000.4, "receipt 6");
    now.check(&[("20500 tick", "")]);
}

/// Only the bureau is waited for like this: others have no deadline of their own, and a ladder that climbs.
#[test]
fn a_refusal_and_a_crew_without_receipt_are_not_undelivered() {
    for (audience, answer) in [("bureau", "rejected 1"), ("bureau", "refused 1"), ("crew", "failed 1")] {
        let mut now = Timeline::new(&telling(audience));
        now.only(0.0, "rule leak=red");
        now.only(1.0, answer);
        now.only(2.0, "receipt 2");
        now.only(2.1, "receipt 3"); // the refusal is over
        let later: String = (3..300).map(|second| now.only(f64::from(second), "tick")).collect();
        assert!(!later.contains("undelivered"), "{audience} {answer}: {later}");
    }
}

/// What was said of an audience that is gone can no longer be seen to be over: it is over.
#[test]
fn alarms_about_an_audience_that_is_gone_are_clear() {
    for (what, hazard) in [("rejected 1", "notice.rejected"), ("failed 1", "notice.undelivered")] {
        let mut now = Timeline::new(&telling("bureau"));
        now.only(0.0, "start");
        now.only(1.0, "rule leak=red");
        now.only(2.0, what);
        now.only(61.0, "tick");
        assert!(now.brain.alarms().any(|alarm| alarm.key.hazard == hazard && alarm.cleared_at.is_none()), "{hazard}");
        let effects = now.only(61.5, "start");
        assert!(!effects.contains("cleared"), "a start alone ends nothing: {effects}");
        now.reconfigure(&telling("gate"));
        let effects = now.only(62.0, "start");
        assert!(effects.contains(&format!("{hazard} cleared")), "{effects}");
    }
}

/// Put into words once: every try, also after a crash or a start, has these; later words change nothing. Settled, they are kept elsewhere.
#[test]
fn a_notice_is_told_in_the_words_of_its_first_try() {
    let site = telling("bureau");
    let words = |now: &Timeline| now.brain.notice(NoticeId(1)).unwrap().message.clone();
    let worded = |message: &str| Event::Worded { notice: NoticeId(1), message: message.to_owned() };
    let mut now = timeline(&site, &[("0 start", ""), ("0 rule leak=red", "leak opened red; alert 1 to bureau: opened")]);
    assert_eq!(words(&now), None);
    assert!(now.feed(&worded("first")).is_empty() && now.feed(&worded("second")).is_empty());
    let told = |effects: &[Effect]| {
        effects.iter().find_map(|effect| match effect {
            Effect::Tell { notice, message, .. } if notice.id == NoticeId(1) => Some(message.clone()),
            _ => None,
        })
    };
    let again: Vec<_> = (1..4)
        .filter_map(|second| {
            now.only(f64::from(second) - 0.5, "tick");
            told(&now.brain.step(now.brain.now() + SECOND, &Event::Tick))
        })
        .collect();
    assert!(!again.is_empty() && again.iter().all(|words| words.as_deref() == Some("first")), "{again:?}");
    now.crash();
    now.check(&[("5 start", "alert 1 to bureau: opened try 3; leak held")]);
    assert_eq!(words(&now).as_deref(), Some("first"));
    now.only(5.1, "rejected 1");
    assert_eq!(words(&now).as_deref(), Some("first"), "it is still owed");
    now.only(5.2, "receipt 1");
    assert_eq!(words(&now), None);
    now.feed(&worded("late"));
    assert_eq!(words(&now), None);
}

/// That no head of the record is kept outside is told, and over when one is.
#[test]
fn heads_of_the_record_that_nobody_keeps_are_an_alarm() {
    let mut now = Timeline::new(&telling("crew"));
    let anchored = |well| Event::Anchored { audience: "bureau".into(), well, detail: "HTTP 503".into() };
    assert!(now.feed(&anchored(true)).is_empty());
    now.feed(&anchored(false));
    now.feed(&anchored(false));
    let alarm = now.brain.alarm(AlarmId(1)).unwrap().clone();
    assert_eq!((alarm.key.hazard.as_str(), alarm.occurrences, now.brain.unanchored()), ("journal.anchor", 1, vec!["bureau"]));
    let text = Text::Phrase { key: "guard.anchor".into(), args: vec!["bureau".into(), "HTTP 503".into()] };
    assert_eq!(alarm.text, text);
    now.feed(&anchored(true));
    assert!(now.brain.unanchored().is_empty() && now.brain.alarm(AlarmId(1)).unwrap().cleared_at.is_some());
    // An audience that is gone keeps nothing, and nobody waits for it.
    now.feed(&anchored(false));
    now.only(1.0, "start");
    assert!(now.brain.unanchored().is_empty());
}

/// What a crash forgets gets its numbers again: a name given on no record is never given twice.
#[test]
fn what_is_made_on_no_record_has_a_name_of_its_own() {
    let mut site = plant(vec![gas(&[limit(High, 40.0, Red)])]);
    ladder(&mut site, &[("bureau", AtOnce, [Some(0); 4])]);
    let names = |mut brain: Brain, unrecorded: bool| {
        if unrecorded {
            brain.step(at(5.0), &Event::Unrecorded { detail: "full".into() });
        }
        let reading = Reading { tag: TagId(0), value: 50.0, quality: Quality::GOOD, source_us: at(7.0) };
        let told = |effect: Effect| if let Effect::Tell { notice, .. } = effect { Some(notice.identifier) } else { None };
        brain.step(at(7.0), &Event::Readings { readings: vec![reading] }).into_iter().filter_map(told).next_back().unwrap()
    };
    let mut brain = Brain::new(site);
    brain.step(at(0.0), &Event::started(vec!["gas".into()]));
    assert_eq!(names(brain.clone(), false), "plant.1.1");
    assert_eq!(names(brain, true), "plant.2u1000007.2u1000007");
}
