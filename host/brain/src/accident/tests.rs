//! Grades, clocks, and what is refused.

use super::*;
use crate::alarm::BureauState;
use crate::event::{Act, Effect, Event};
use crate::harness::{Timeline, hazard, ladder, plant, rule};
use crate::notice::{Delivery, NoticeId, NoticeKind};
use crate::site::{RungKind, Severity::Red, Site};

const HOUR: Micros = HOUR_US;

fn by(name: &str) -> Person {
    Person { name: name.into(), role: "lead".into(), station: "gate".into() }
}

/// A plant with one red alarm, and what people then do about it: hour and step, or what was refused.
fn told(steps: &[(Micros, Step)]) -> (Vec<Result<(), Refusal>>, Alarm, Micros) {
    let site = Site { rules: vec![rule(vec![hazard("leak", Red)], 0)], ..plant(vec![]) };
    let mut now = Timeline::new(&site);
    now.only(0.0, "rule leak=red");
    let begin = now.brain.now();
    let mut answers = vec![];
    for (n, (hours, step)) in steps.iter().enumerate() {
        let act = Act::Accident { alarm: AlarmId(1), step: step.clone() };
        let effects = now.brain.step(begin + hours * HOUR, &Event::Operator { command: format!("a{n}"), by: by("ann"), act });
        answers.extend(effects.into_iter().find_map(|effect| match effect {
            Effect::Answer { result, .. } => Some(result),
            _ => None,
        }));
    }
    (answers, now.brain.alarm(AlarmId(1)).unwrap().clone(), begin)
}

fn declare(said: Said) -> Step {
    Step::Declare { facts: Box::new(Said { course: Some("fire in the press room".into()), ..said }) }
}

fn report(what: Telling) -> Step {
    Step::Report { what, to: "the duty officer, by telephone".into() }
}

/// The checklist: what, hours from the beginning by when, hours when it was told.
fn list(alarm: &Alarm, begin: Micros) -> Vec<(Telling, Micros, Option<Micros>)> {
    let hours = |at: Micros| (at - begin) / HOUR;
    alarm.accident.as_ref().unwrap().owed().iter().map(|o| (o.what, hours(o.due_at), o.done_at.map(hours))).collect()
}

#[test]
fn the_law_counts_who_died_who_is_hurt_and_what_is_lost() {
    let facts =
        |dead, injured, loss| Facts { dead: Some(dead), injured: Some(injured), loss_yuan: Some(loss), ..Facts::default() };
    for (facts, grade) in [
        (facts(0, 0, 0), Grade::General),
        (facts(2, 9, 9_999_999), Grade::General),
        (facts(3, 0, 0), Grade::Larger),
        (facts(0, 10, 0), Grade::Larger),
        (facts(0, 0, 10_000_000), Grade::Larger),
        (facts(9, 49, 49_999_999), Grade::Larger),
        (facts(10, 0, 0), Grade::Major),
        (facts(0, 50, 0), Grade::Major),
        (facts(0, 0, 50_000_000), Grade::Major),
        (facts(30, 0, 0), Grade::Extraordinary),
        (facts(0, 100, 0), Grade::Extraordinary),
        (facts(0, 0, 100_000_000), Grade::Extraordinary),
        (Facts { dead: Some(2), missing: Some(1), ..Facts::default() }, Grade::Larger),
        (Facts { dead: Some(u32::MAX), missing: Some(u32::MAX), ..Facts::default() }, Grade::Extraordinary),
    ] {
        assert_eq!(facts.grade(), grade, "{facts:?}");
    }
}

#[test]
fn what_is_left_out_stays_and_what_nobody_said_is_not_nobody() {
    let more = Step::Declare { facts: Box::new(Said { injured: Some(2), place: Some(String::new()), ..Said::default() }) };
    let first = Said { kind: Some(Kind::Fire), dead: Some(1), place: Some("gate".into()), ..Said::default() };
    let (answers, alarm, _) = told(&[(0, declare(first)), (1, more)]);
    assert_eq!(answers, [Ok(()), Ok(())]);
    let facts = alarm.accident.unwrap().facts;
    assert_eq!((facts.kind, facts.course.as_str(), facts.place.as_str()), (Kind::Fire, "fire in the press room", ""));
    assert_eq!((facts.dead, facts.injured, facts.missing), (Some(1), Some(2), None));
    // As version 0.1.0 recorded it: all of it, and so it replaces all of it.
    let old: Step = serde_json::from_str(
        r#"{"step":"declare","facts":{"kind":"other","place":"","course":"x","dead":0,"injured":0,"missing":0,"at_risk":0,"loss_yuan":0,"wide":false,"measures":"","other":""}}"#,
    )
    .unwrap();
    let first = Said { kind: Some(Kind::Fire), dead: Some(1), place: Some("gate".into()), ..Said::default() };
    let (_, alarm, _) = told(&[(0, declare(first)), (1, old)]);
    let facts = alarm.accident.unwrap().facts;
    assert_eq!((facts.kind, facts.dead, facts.place.as_str(), facts.missing), (Kind::Other, Some(0), "", Some(0)));
}

#[test]
fn the_clocks_run_from_the_declaration_and_from_what_was_told() {
    use Telling::*;
    let (_, alarm, begin) = told(&[(2, declare(Said::default()))]);
    let expected = [(Head, 2, None), (County, 3, None), (Upward, 5, None), (FollowUp, 27, None), (Casualties, 722, None)];
    assert_eq!(list(&alarm, begin), expected, "nobody was told yet");

    let grave = Said { dead: Some(10), kind: Some(Kind::Fire), ..Said::default() };
    let steps = [
        (2, declare(grave)),
        (3, report(Head)),
        (4, report(County)),
        (5, report(FollowUp)),
        (9, report(FollowUp)),
        (9, report(Head)),
    ];
    let (_, alarm, begin) = told(&steps);
    let expected = [
        (Head, 2, Some(3)),
        (County, 4, Some(4)),
        (Province, 4, None),
        (Upward, 6, None),
        (FollowUp, 21, Some(9)),
        (Casualties, 170, None),
    ];
    assert_eq!(list(&alarm, begin), expected, "a fire with ten dead: twice a day, for seven days");

    let risk = Said { at_risk: Some(10), ..Said::default() };
    let (_, alarm, begin) = told(&[(0, declare(Said::default())), (1, declare(risk))]);
    assert!(list(&alarm, begin).contains(&(Province, 1, None)), "more is known: the first declaration counts");
}

#[test]
fn what_says_nothing_is_refused_and_a_mistake_can_be_taken_back() {
    let missing = |what: &str| Err(Refusal::NotYet { missing: what.into() });
    let silent = Step::Declare { facts: Box::default() };
    let nobody = Step::Report { what: Telling::Head, to: " ".into() };
    let retract = |note: &str| Step::Retract { note: note.into() };
    let (answers, alarm, begin) = told(&[
        (0, silent),
        (0, report(Telling::Head)),
        (0, retract("no")),
        (1, declare(Said::default())),
        (1, nobody),
        (1, retract("")),
        (2, retract("steam, no smoke")),
        (2, report(Telling::County)),
    ]);
    let expected = [
        missing("course"),
        missing("accident"),
        missing("accident"),
        Ok(()),
        missing("to"),
        missing("note"),
        Ok(()),
        missing("accident"),
    ];
    assert_eq!(answers, expected);
    assert!(list(&alarm, begin).is_empty() && alarm.accident.is_some(), "what was declared stays on record");
    let (_, alarm, begin) =
        told(&[(0, declare(Said::default())), (1, retract("steam")), (2, declare(Said { dead: Some(1), ..Said::default() }))]);
    assert_eq!(list(&alarm, begin)[0], (Telling::Head, 2, None), "declared anew: the clocks begin anew");
}

#[test]
fn a_list_of_what_was_told_is_bounded_and_keeps_the_first_of_each() {
    let mut steps = vec![(0, declare(Said::default())), (1, report(Telling::Head)), (1, report(Telling::County))];
    steps.extend((0..300).map(|n| (2 + n, report(Telling::FollowUp))));
    let (_, alarm, begin) = told(&steps);
    let reported = &alarm.accident.as_ref().unwrap().reported;
    assert_eq!(reported.len(), REPORTED_MAX);
    assert_eq!(list(&alarm, begin)[..2], [(Telling::Head, 0, Some(1)), (Telling::County, 2, Some(1))]);
    assert_eq!(reported.last().map(|told| told.at), Some(begin + 301 * HOUR));
}

#[test]
fn what_is_owed_again_is_overdue_until_its_last_day_and_what_is_owed_once_until_it_is_told() {
    let (_, alarm, begin) = told(&[(0, declare(Said::default())), (0, report(Telling::Head)), (1, report(Telling::FollowUp))]);
    let overdue = |hours: Micros| -> Vec<Telling> {
        let owed = alarm.accident.as_ref().unwrap().owed();
        owed.iter().filter(|owed| owed.is_overdue(begin + hours * HOUR)).map(|owed| owed.what).collect()
    };
    assert_eq!(overdue(1), []);
    assert_eq!(overdue(2), [Telling::County]);
    assert_eq!(overdue(26), [Telling::County, Telling::Upward, Telling::FollowUp]);
    assert_eq!(overdue(721), [Telling::County, Telling::Upward], "30 days later nothing more is owed again");
    assert!(alarm.has_clocks(begin + 720 * HOUR) && !alarm.has_clocks(begin + 721 * HOUR));
}

/// Each word of it goes to every authority and to nobody else, as a chain of its own beside that of the alarm, until a machine has it.
#[test]
fn the_bureau_is_told_of_an_accident_by_a_chain_of_its_own() {
    let mut site = Site { rules: vec![rule(vec![hazard("leak", Red)], 0)], ..plant(vec![]) };
    let late = [Some(3_600); 4];
    ladder(&mut site, &[("crew", RungKind::AtOnce, [Some(0); 4]), ("bureau", RungKind::Open, late)]);
    let mut now = Timeline::new(&site);
    now.only(0.0, "rule leak=red");
    now.only(0.1, "receipt 1");
    let begin = now.brain.now();
    let mut steps = 0;
    let mut act = |now: &mut Timeline, seconds: i64, step: Step| {
        steps += 1;
        let act = Act::Accident { alarm: AlarmId(1), step };
        let event = Event::Operator { command: format!("a{steps}"), by: by("ann"), act };
        let effects = now.brain.step(begin + seconds * 1_000_000, &event);
        effects
            .into_iter()
            .filter_map(|e| if let Effect::Tell { notice, attempt, .. } = e { Some((notice, attempt)) } else { None })
            .collect::<Vec<_>>()
    };
    let event = |now: &mut Timeline, seconds: i64, event: Event| now.brain.step(begin + seconds * 1_000_000, &event);
    let receipt = |id: u64| Event::Receipt { notice: NoticeId(id), code: "200".into(), accepted: true };
    let told = act(&mut now, 1, declare(Said { dead: Some(3), ..Said::default() }));
    let [(first, 1)] = told.as_slice() else { panic!("{told:?}") };
    assert_eq!((first.audience.as_str(), first.kind, first.reason), ("bureau", NoticeKind::Alert, Reason::Accident));
    assert_eq!(first.identifier, "plant.1.accident.2");
    assert_eq!(first.alarm.accident.as_ref().map(|of| of.facts.dead), Some(Some(3)));
    // No answer: told again, by the same name. The one behind it waits, and is superseded by the next.
    let again = event(&mut now, 4, Event::Tick);
    assert!(again.iter().any(|e| matches!(e, Effect::Tell { notice, attempt: 2, .. } if notice.identifier == first.identifier)));
    assert!(act(&mut now, 5, report(Telling::Head)).is_empty() && act(&mut now, 6, report(Telling::County)).is_empty());
    event(&mut now, 7, receipt(2));
    assert_eq!(now.brain.notice(NoticeId(3)).unwrap().delivery, Delivery::Superseded);
    let last = now.brain.notice(NoticeId(4)).unwrap().notice.clone();
    assert_eq!((last.kind, last.references.len()), (NoticeKind::Update, 1));
    assert!(last.alarm.accident.as_ref().unwrap().owed()[1].done_at.is_some(), "what was told stands in it");
    event(&mut now, 8, receipt(4));
    // It says nothing of how far the bureau has come with the alarm, and the alarm's own message is an Alert all the same.
    assert_eq!(now.brain.alarm(AlarmId(1)).unwrap().escalation.bureau, BureauState::None);
    let told = event(&mut now, 3_700, Event::Tick);
    let alarm = told.iter().find_map(|e| if let Effect::Tell { notice, .. } = e { Some(notice) } else { None }).unwrap();
    assert_eq!((alarm.audience.as_str(), alarm.kind, alarm.is_of_accident()), ("bureau", NoticeKind::Alert, false));
    let told = act(&mut now, 3_701, Step::Retract { note: "steam".into() });
    assert_eq!((told[0].0.kind, told[0].0.references.len()), (NoticeKind::Cancel, 2));
    // Over a snapshot nothing of the chain is lost.
    let saved: crate::Saved = serde_json::from_str(&serde_json::to_string(&now.brain).unwrap()).unwrap();
    let mut woken = saved.wake().unwrap();
    let at = begin + 3_710 * 1_000_000;
    let started = Event::started(vec![]);
    for brain in [&mut woken, &mut now.brain] {
        let again = brain.step(at, &started);
        let cancel =
            |e: &Effect| matches!(e, Effect::Tell { notice, .. } if notice.kind == NoticeKind::Cancel && notice.is_of_accident());
        assert!(again.iter().any(cancel), "told again after a start");
    }
}

/// A second accident is declared of an alarm while a machine refuses what was said of the first, and that it was none: what comes later is what is
/// said, and nothing of the first one comes behind it.
#[test]
fn a_second_accident_is_told_though_the_first_was_refused_and_the_first_is_not_told_behind_it() {
    let mut site = Site { rules: vec![rule(vec![hazard("leak", Red)], 0)], ..plant(vec![]) };
    ladder(&mut site, &[("bureau", RungKind::AtOnce, [Some(0); 4])]);
    let mut now = Timeline::new(&site);
    now.only(0.0, "rule leak=red");
    now.only(0.1, "receipt 1");
    let begin = now.brain.now();
    let told = |effects: Vec<Effect>| {
        let told = effects
            .into_iter()
            .filter_map(|e| if let Effect::Tell { notice, attempt, .. } = e { Some((notice, attempt)) } else { None });
        told.filter(|(notice, _)| notice.is_of_accident()).map(|(notice, attempt)| (notice.id.0, attempt)).collect::<Vec<_>>()
    };
    let mut steps = 0;
    let mut act = |now: &mut Timeline, seconds: i64, step: Step| {
        steps += 1;
        let act = Act::Accident { alarm: AlarmId(1), step };
        let event = Event::Operator { command: format!("a{steps}"), by: by("ann"), act };
        told(now.brain.step(begin + seconds * 1_000_000, &event))
    };
    let step = |now: &mut Timeline, seconds: i64, event: Event| told(now.brain.step(begin + seconds * 1_000_000, &event));
    let refused = |id: u64| Event::Undelivered { notice: NoticeId(id), detail: "422".into(), rejected: true };
    let came = |id: u64| Event::Receipt { notice: NoticeId(id), code: "200".into(), accepted: true };
    assert_eq!(act(&mut now, 1, declare(Said { dead: Some(1), ..Said::default() })), [(2, 1)]);
    assert!(step(&mut now, 2, refused(2)).is_empty());
    assert_eq!(act(&mut now, 3, Step::Retract { note: "steam".into() }), [(3, 1)]);
    assert!(step(&mut now, 4, refused(3)).is_empty());
    // The first is told again, and the second accident waits for what comes of that.
    let again = (5..1_600).find(|second| {
        let told = step(&mut now, *second, Event::Tick);
        // Where that it was none is told again first, it is refused again.
        told.contains(&(3, 2)).then(|| step(&mut now, *second, refused(3)));
        told == [(2, 2)]
    });
    let again = again.unwrap();
    assert!(act(&mut now, again + 1, declare(Said { dead: Some(2), ..Said::default() })).is_empty());
    assert_eq!(step(&mut now, again + 2, refused(2)), [(4, 1)]);
    assert!(step(&mut now, again + 3, came(4)).is_empty());
    let newest = &now.brain.notice(NoticeId(4)).unwrap().notice;
    assert_eq!((newest.kind, newest.alarm.accident.as_ref().map(|of| of.facts.dead)), (NoticeKind::Alert, Some(Some(2))));
    let later: Vec<_> = (again + 4..again + 3_000).flat_map(|second| step(&mut now, second, Event::Tick)).collect();
    assert!(later.is_empty() && now.brain.outbox().all(|row| !row.again), "nothing of the first comes behind it: {later:?}");
}
