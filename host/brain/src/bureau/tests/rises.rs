//! What rises behind an answer, and what was done before it did.

use super::*;
use NoticeKind::{Alert, Cancel, Update};

/// An earlier occurrence's notes, and its level, say nothing of the next.
#[test]
fn a_rise_behind_an_answer_is_a_matter_of_its_own() {
    let mut rig = Rig::new(&["a"]);
    rig.send("a", report("a.1.1", Alert, Severity::Red, 0));
    rig.send("a", Report { notes: 1, ..report("a.1.2", Update, Severity::Red, 5) });
    rig.act(1, accept()).unwrap();
    assert_eq!(rig.entry(1).due(), None, "the plant has done something");
    rig.send("a", Report { cleared: true, notes: 1, ..report("a.1.3", Update, Severity::Red, 10) });
    rig.send("a", Report { notes: 1, ..report("a.1.4", Update, Severity::Red, 20) });
    assert_eq!(rig.entry(1).state, State::Received, "it rose again");
    rig.act(1, accept()).unwrap();
    rig.send("a", Report { notes: 1, ..report("a.1.5", Update, Severity::Red, 30) });
    assert!(rig.entry(1).due().is_some(), "what was done then was done about then");
    rig.send("a", Report { notes: 2, ..report("a.1.6", Update, Severity::Yellow, 40) });
    assert_eq!((rig.entry(1).due(), rig.entry(1).level), (None, Severity::Yellow));
    rig.send("a", Report { notes: 2, ..report("a.1.7", Update, Severity::Red, 50) });
    let entry = rig.entry(1);
    assert_eq!((entry.state, entry.level), (State::Received, Severity::Red), "whoever took it knew it to be yellow since");
    rig.replay();
}

/// What version 0.1.0 wrote of notes is read.
#[test]
fn notes_were_a_yes_or_no_once() {
    let mut old = serde_json::to_value(report("a.1.1", Alert, Severity::Red, 0)).unwrap();
    let fields = old.as_object_mut().unwrap();
    fields.remove("notes");
    fields.insert("handled".into(), true.into());
    assert_eq!(serde_json::from_value::<Report>(old).unwrap().notes, 1);
}

#[test]
fn an_incident_from_alert_to_end() {
    let mut rig = Rig::new(&["a"]);
    assert_eq!(rig.send("a", report("a.1.1", Alert, Severity::Orange, 0)), Judged::New);
    let entry = rig.entry(1);
    assert_eq!((entry.state, entry.level, entry.due()), (State::Received, Severity::Orange, Some(START + 600 * SECOND)));
    assert_eq!(rig.act(1, Act::Close { note: note("x") }), Err(Refusal::NotYet { missing: "acknowledged".into() }));
    assert_eq!(rig.act(1, Act::Reject { note: note(" ") }), Err(Refusal::NotYet { missing: "note".into() }));
    rig.act(1, accept()).unwrap();
    assert_eq!(rig.act(1, accept()), Err(Refusal::Already));
    assert_eq!((rig.entry(1).state, rig.entry(1).due()), (State::Accepted, Some(START + 1800 * SECOND)));
    assert_eq!(rig.bureau.owed("a").len(), 1);
    rig.step(Event::Delivered { answer: 1 }).unwrap();
    assert!(rig.bureau.owed("a").is_empty() && rig.entry(1).acts[0].delivered_at.is_some());
    // Worse than what was taken: somebody is wanted again, in the time of the new level.
    rig.wait(30);
    rig.send("a", report("a.1.2", Update, Severity::Red, 30));
    let entry = rig.entry(1);
    assert_eq!((entry.state, entry.level, entry.due()), (State::Received, Severity::Red, Some(rig.at + 120 * SECOND)));
    // It does not fall before somebody answers.
    rig.send("a", report("a.1.3", Update, Severity::Yellow, 31));
    assert_eq!(rig.entry(1).level, Severity::Red);
    rig.act(1, Act::Instruct { note: note("撤离") }).unwrap();
    assert_eq!(rig.act(1, Act::Close { note: note("x") }), Err(Refusal::NotYet { missing: "cleared".into() }));
    rig.send("a", Report { cleared: true, notes: 1, ..report("a.1.4", Update, Severity::Red, 40) });
    assert_eq!((rig.entry(1).due(), rig.entry(1).is_closed()), (None, false));
    rig.send("a", report("a.1.5", Cancel, Severity::Red, 50));
    assert!(rig.entry(1).is_closed() && rig.queue().is_empty(), "ended and answered");
    assert_eq!(rig.act(1, accept()), Err(Refusal::Already));
    rig.replay();
}
