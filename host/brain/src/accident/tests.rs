//! Grades, clocks, and what is refused.

use super::*;
use crate::event::{Act, Effect, Event};
use crate::harness::{Timeline, hazard, plant, rule};
use crate::site::{Severity::Red, Site};

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

fn declare(facts: Facts) -> Step {
    Step::Declare { facts: Box::new(Facts { course: "fire in the press room".into(), ..facts }) }
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
    let facts = |dead, injured, loss_yuan| Facts { dead, injured, loss_yuan, ..Facts::default() };
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
        (Facts { dead: 2, missing: 1, ..Facts::default() }, Grade::Larger),
        (Facts { dead: u32::MAX, missing: u32::MAX, ..Facts::default() }, Grade::Extraordinary),
    ] {
        assert_eq!(facts.grade(), grade, "{facts:?}");
    }
}

#[test]
fn the_clocks_run_from_the_declaration_and_from_what_was_told() {
    use Telling::*;
    let (_, alarm, begin) = told(&[(2, declare(Facts::default()))]);
    let expected = [(Head, 2, None), (County, 3, None), (Upward, 5, None), (FollowUp, 27, None), (Casualties, 722, None)];
    assert_eq!(list(&alarm, begin), expected, "nobody was told yet");

    let grave = Facts { dead: 10, kind: Kind::Fire, ..Facts::default() };
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

    let risk = Facts { at_risk: 10, ..Facts::default() };
    let (_, alarm, begin) = told(&[(0, declare(Facts::default())), (1, declare(risk))]);
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
        (1, declare(Facts::default())),
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
        told(&[(0, declare(Facts::default())), (1, retract("steam")), (2, declare(Facts { dead: 1, ..Facts::default() }))]);
    assert_eq!(list(&alarm, begin)[0], (Telling::Head, 2, None), "declared anew: the clocks begin anew");
}

#[test]
fn a_list_of_what_was_told_is_bounded_and_keeps_the_first_of_each() {
    let mut steps = vec![(0, declare(Facts::default())), (1, report(Telling::Head)), (1, report(Telling::County))];
    steps.extend((0..300).map(|n| (2 + n, report(Telling::FollowUp))));
    let (_, alarm, begin) = told(&steps);
    let reported = &alarm.accident.as_ref().unwrap().reported;
    assert_eq!(reported.len(), REPORTED_MAX);
    assert_eq!(list(&alarm, begin)[..2], [(Telling::Head, 0, Some(1)), (Telling::County, 2, Some(1))]);
    assert_eq!(reported.last().map(|told| told.at), Some(begin + 301 * HOUR));
}

#[test]
fn what_is_owed_again_is_overdue_until_its_last_day_and_what_is_owed_once_until_it_is_told() {
    let (_, alarm, begin) = told(&[(0, declare(Facts::default())), (0, report(Telling::Head)), (1, report(Telling::FollowUp))]);
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
