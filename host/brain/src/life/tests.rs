//! The life of one alarm, case by case.

use super::*;
use crate::alarm::{AlarmKey, Source};

fn claim(severity: Severity) -> Claim {
    let key = AlarmKey { source: Source::Guard, hazard: "h".into(), zone: "z".into(), object: String::new() };
    let (title, text) = (Words::same("t"), Text::Words(Words::same("x")));
    let (plugin, digest, guide) = (String::new(), String::new(), Guide::default());
    Claim {
        key,
        title,
        plugin,
        digest,
        severity,
        latches: false,
        managed: false,
        may_suppress: false,
        certainty: Certainty::Likely,
        text,
        evidence: vec![],
        guide,
    }
}

fn person(name: &str) -> Person {
    Person { name: name.into(), role: "lead".into(), station: "t".into() }
}

fn open(severity: Severity) -> Alarm {
    Alarm::open(AlarmId(1), 0, claim(severity))
}

#[test]
fn severity_latches_until_somebody_has_seen_it() {
    let mut alarm = open(Severity::Yellow);
    assert_eq!(alarm.claim(1, claim(Severity::Orange)), Some(Change::Raised));
    assert_eq!(alarm.claim(2, claim(Severity::Blue)), Some(Change::Lowered));
    assert_eq!((alarm.severity, alarm.severity_now), (Severity::Orange, Severity::Blue));
    assert_eq!(alarm.claim(3, claim(Severity::Blue)), None, "claimed again at the same level");
    let says = |alarm: &Alarm, what: &str| alarm.text == Text::Words(Words::same(what));
    let with = |severity, what: &str| Claim { text: Text::Words(Words::same(what)), ..claim(severity) };
    assert_eq!(alarm.claim(3, with(Severity::Blue, "5 people")), None);
    assert!(says(&alarm, "x"), "shown as orange, it keeps the words of the orange");
    alarm.acknowledge(4, &person("a"), "", (None, None)).unwrap();
    assert_eq!(alarm.claim(5, with(Severity::Blue, "12 people")), None);
    assert!(says(&alarm, "12 people") && alarm.changed_at == 4, "what stands now, and nothing to tell of");
    assert_eq!(alarm.severity, Severity::Blue, "after it was seen, the level restarts from the present");
}

#[test]
fn an_alarm_bears_the_name_of_the_component_whose_words_it_shows() {
    let by = |digest: &str, severity| Claim { plugin: format!("room@{digest}"), digest: digest.into(), ..claim(severity) };
    let mut alarm = Alarm::open(AlarmId(1), 0, by("1", Severity::Orange));
    let mut said = |at, digest, severity| {
        alarm.claim(at, by(digest, severity));
        (alarm.plugin.clone(), alarm.digest.clone())
    };
    let whose = |digest: &str| (format!("room@{digest}"), digest.to_owned());
    assert_eq!(said(1, "2", Severity::Orange), whose("2"), "restated at the level shown");
    assert_eq!(said(2, "3", Severity::Blue), whose("2"), "the words of the worst stay, and are still theirs");
    alarm.clear(3);
    alarm.claim(4, by("4", Severity::Blue));
    assert_eq!((alarm.plugin.as_str(), alarm.digest.as_str()), ("room@4", "4"), "a new occurrence");
}

#[test]
fn an_acknowledgement_covers_what_was_seen_and_nothing_more() {
    let mut alarm = open(Severity::Yellow);
    alarm.claim(1, claim(Severity::Orange));
    let moved = Refusal::Moved { severity: Severity::Orange, occurrence: 1 };
    assert_eq!(alarm.acknowledge(2, &person("a"), "", (Some(Severity::Yellow), None)), Err(moved.clone()));
    assert_eq!(alarm.acknowledge(2, &person("a"), "", (None, Some(2))), Err(moved));
    assert_eq!(alarm.acknowledge(2, &person("a"), "", (Some(Severity::Orange), Some(1))), Ok(Change::Acknowledged));
    assert_eq!(alarm.acknowledge(3, &person("b"), "", (None, None)), Err(Refusal::Already));
    alarm.claim(4, claim(Severity::Red));
    assert!(alarm.acknowledged.is_none() && alarm.latched, "red is nobody's yet, and latches");
    alarm.clear(5);
    alarm.acknowledge(6, &person("a"), "", (None, None)).unwrap();
    assert_eq!(alarm.claim(7, claim(Severity::Red)), Some(Change::Reopened));
    assert!(alarm.acknowledged.is_none() && alarm.occurrences == 2);
}

#[test]
fn what_must_come_first_is_named() {
    let missing = |result: Result<Change, Refusal>| match result {
        Err(Refusal::NotYet { missing }) => missing,
        other => format!("{other:?}"),
    };
    let (a, b) = (person("a"), person("b"));
    let mut alarm = open(Severity::Red);
    assert_eq!(missing(alarm.close(1, &a, "", None)), "cleared");
    assert_eq!(missing(alarm.reset(1, &a, "")), "cleared");
    alarm.clear(2);
    assert_eq!(missing(alarm.reset(3, &a, "")), "acknowledged");
    alarm.acknowledge(4, &a, "", (None, None)).unwrap();
    assert_eq!(missing(alarm.close(5, &a, "done", None)), "reset");
    alarm.reset(6, &a, "").unwrap();
    assert!(!alarm.is_listed(), "cleared, acknowledged, no latch");
    assert_eq!(missing(alarm.close(7, &b, "", None)), "note");
    assert_eq!(missing(alarm.close(8, &a, "done", None)), "second_person");
    assert_eq!(alarm.close(9, &b, "done", None), Ok(Change::Closed));
    assert_eq!(alarm.close(10, &b, "done", None), Err(Refusal::Already));
}

#[test]
fn doubt_holds_and_never_clears() {
    let mut alarm = open(Severity::Blue);
    assert_eq!(alarm.hold(1, true), Some(Change::Held));
    assert_eq!((alarm.condition, alarm.hold(2, true)), (Condition::Active, None));
    assert_eq!(alarm.clear(3), Some(Change::Cleared));
    assert!(!alarm.held);
    assert_eq!(alarm.hold(4, true), None, "what is over cannot be held");
}
