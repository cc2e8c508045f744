//! The bureau as a table of what happens and how the queue stands then.

#![allow(clippy::unwrap_used)]

mod heartbeats;
mod rises;
mod series;
mod suspicion;
mod torn;

use super::*;
use crate::words::Words;

const SECOND: Micros = 1_000_000;
const START: Micros = 1_000_000 * SECOND;

/// A bureau, and its journal.
struct Rig {
    bureau: Bureau,
    at: Micros,
    journal: Vec<(Micros, Event)>,
    commands: u64,
}

impl Rig {
    fn new(plants: &[&str]) -> Rig {
        let mut rig = Rig { bureau: Bureau::default(), at: START, journal: vec![], commands: 0 };
        rig.start(plants);
        rig
    }

    fn start(&mut self, plants: &[&str]) {
        let plants = plants.iter().map(|name| Plant { name: (*name).to_owned(), silent_s: 90 }).collect();
        let officers = ["王", "李", "赵"].map(str::to_owned).into();
        self.step(Event::Started {
            version: String::new(),
            plants,
            terms: Terms::default(),
            officers,
            series: String::new(),
            number_from: 0,
        })
        .unwrap();
    }

    fn step(&mut self, event: Event) -> Result<(), Refusal> {
        self.journal.push((self.at, event.clone()));
        self.bureau.step(self.at, &event)
    }

    fn wait(&mut self, seconds: i64) {
        self.at += seconds * SECOND;
    }

    /// As the desk does it: judged, then stepped.
    fn send(&mut self, plant: &str, report: Report) -> Judged {
        let judged = self.bureau.judge(plant, &report);
        let plant = plant.to_owned();
        match judged {
            Judged::New => self
                .step(Event::Reported { plant, report: Box::new(report), message: "xml".into(), acked: Acked::default() })
                .unwrap(),
            Judged::Known(how, ..) => {
                self.step(Event::Again { plant, identifier: report.identifier, how, digest: report.digest, times: 1 }).unwrap();
            }
            Judged::Past => {
                let (identifier, digest) = (report.identifier, report.digest);
                self.step(Event::Again { plant, identifier, how: Again::Past, digest, times: 1 }).unwrap();
            }
            Judged::Full => {}
        }
        judged
    }

    fn act(&mut self, entry: u64, act: Act) -> Result<(), Refusal> {
        self.commands += 1;
        let by = officer("王", "operator");
        let told = !matches!(act, Act::Close { .. } | Act::Heard { .. })
            && self.bureau.entry(entry).is_some_and(|entry| !entry.message.is_empty());
        let answer = told.then(|| Answer {
            number: self.bureau.next_answer(),
            message: "ack".into(),
            identifier: format!("x.a{}", self.bureau.next_answer()),
        });
        self.step(Event::Act { command: self.commands.to_string(), by, entry, seen: None, act, answer })
    }

    fn shift(&mut self, name: &str, role: &str, change: ShiftChange) -> Result<(), Refusal> {
        self.commands += 1;
        self.step(Event::Shift { command: self.commands.to_string(), by: officer(name, role), change })
    }

    fn entry(&self, number: u64) -> &Entry {
        self.bureau.entry(number).unwrap()
    }

    fn queue(&self) -> Vec<u64> {
        let mut open: Vec<_> = self.bureau.picture(self.at).entries.into_iter().filter(|entry| !entry.is_closed()).collect();
        open.sort_by_key(|entry| entry.rank());
        open.iter().map(|entry| entry.number).collect()
    }

    /// The journal tells the same story again, and what is counted beside the entries is as if it were counted anew.
    fn replay(&self) {
        assert_eq!(self.bureau.tally, Tally::of(self.bureau.entries.values().map(AsRef::as_ref)));
        let mut again = Bureau::default();
        for (nth, (at, event)) in self.journal.iter().enumerate() {
            let text = serde_json::to_string(event).unwrap();
            let _ = again.step(*at, &serde_json::from_str(&text).unwrap());
            // A snapshot anywhere in between changes nothing.
            if nth % 7 == 3 {
                again = serde_json::from_str(&serde_json::to_string(&again).unwrap()).unwrap();
            }
        }
        // What is heard and not recorded is the newest heartbeat and its time.
        let strip = |bureau: &Bureau| {
            let mut bureau = bureau.clone();
            bureau.lines.values_mut().for_each(|line| (line.heard_at, line.alive, line.rate.live) = (0, None, Count::default()));
            bureau.unsaid = Unsaid::default();
            bureau
        };
        assert_eq!(strip(&again), strip(&self.bureau));
    }
}

fn officer(name: &str, role: &str) -> Person {
    Person { name: name.to_owned(), role: role.to_owned(), station: "127.0.0.1".to_owned() }
}

fn report(identifier: &str, kind: NoticeKind, level: Severity, second: i64) -> Report {
    Report {
        identifier: identifier.to_owned(),
        number: 0,
        floor: 0,
        sent: START + second * SECOND,
        mode: Mode::Actual,
        kind,
        references: vec![],
        incident: identifier.rsplit_once('.').map(|(chain, _)| chain.to_owned()).unwrap_or_default(),
        level,
        cleared: false,
        notes: 0,
        headline: Words::same(identifier),
        description: Words::default(),
        reason: None,
        digest: format!("blake3 {identifier}"),
        taken: vec![],
        accident: None,
    }
}

fn accept() -> Act {
    Act::Accept { note: String::new() }
}

fn note(text: &str) -> String {
    text.to_owned()
}

/// A drill's message, whatever it refers to, leaves the real entry as it is; and the other way round.
#[test]
fn a_drill_never_touches_what_is_real() {
    use NoticeKind::{Alert, Cancel, Update};
    let mut rig = Rig::new(&["a"]);
    rig.send("a", report("a.1.1", Alert, Severity::Red, 0));
    rig.act(1, accept()).unwrap();
    let drill =
        |id: &str, kind| Report { mode: Mode::Exercise, references: vec!["a.1.1".into()], ..report(id, kind, Severity::Red, 5) };
    rig.send("a", drill("a.1.2", Cancel));
    let entry = rig.entry(1);
    assert_eq!((entry.mode, entry.state, entry.ended, entry.messages_so_far), (Mode::Actual, State::Accepted, false, 1));
    assert_eq!((rig.entry(2).mode, rig.entry(2).ended), (Mode::Exercise, true));
    rig.send("a", drill("a.1.3", Update));
    assert_eq!(rig.entry(2).messages_so_far, 2, "the drill goes on with its own");
    rig.send("a", Report { references: vec!["a.1.2".into()], ..report("a.1.4", Update, Severity::Red, 9) });
    assert_eq!((rig.entry(1).messages_so_far, rig.entry(1).mode, rig.queue().len()), (2, Mode::Actual, 2));
    rig.send("a", report("a.1.5", Cancel, Severity::Red, 10));
    assert!(rig.entry(1).is_closed() && !rig.entry(2).is_closed());
    rig.replay();
    // A snapshot of version 0.1.0 names plant and incident alone.
    let mut old = serde_json::to_value(&rig.bureau).unwrap();
    old["incidents"] = serde_json::json!([[["a", "a.1"], 1]]);
    let old: Bureau = serde_json::from_value(old).unwrap();
    assert_eq!(old.incidents.iter().next(), Some((&Incident("a".into(), "a.1".into(), Mode::Actual), &1)));
}

/// One plant's flood keeps neither another plant out, nor what is worse, nor what goes on with an entry.
#[test]
fn a_full_queue_is_one_plant_s_and_of_small_matters() {
    use NoticeKind::{Alert, Cancel, Update};
    let mut rig = Rig::new(&["a", "b"]);
    let open = |rig: &mut Rig, from: usize, to: usize, level| {
        for nth in from..to {
            let (plant, report) = ("a".to_owned(), Box::new(report(&format!("a.{nth}.1"), Alert, level, 0)));
            rig.step(Event::Reported { plant, report, message: String::new(), acked: Acked::default() }).unwrap();
        }
    };
    open(&mut rig, 1, OPEN_MAX, Severity::Blue);
    assert!(rig.bureau.picture(rig.at).full().is_empty());
    assert_eq!(rig.send("a", report("a.last.1", Alert, Severity::Blue, 0)), Judged::New);
    assert_eq!(rig.bureau.picture(rig.at).full(), ["a"]);
    assert_eq!(rig.send("a", report("a.more.1", Alert, Severity::Yellow, 0)), Judged::Full);
    assert_eq!(rig.send("b", report("b.1.1", Alert, Severity::Blue, 0)), Judged::New);
    assert_eq!(rig.send("a", Report { mode: Mode::Exercise, ..report("a.drill.1", Alert, Severity::Blue, 0) }), Judged::New);
    assert_eq!(rig.send("a", report("a.worse.1", Alert, Severity::Orange, 0)), Judged::New);
    assert_eq!(rig.send("a", report("a.1.2", Update, Severity::Red, 1)), Judged::New);
    assert_eq!((rig.entry(1).level, rig.send("a", report("a.1.3", Cancel, Severity::Blue, 2))), (Severity::Red, Judged::New));
    open(&mut rig, OPEN_MAX, WORST_MAX, Severity::Red);
    assert_eq!(rig.send("a", report("a.worst.1", Alert, Severity::Red, 0)), Judged::Full);
    assert_eq!(rig.send("b", report("b.2.1", Alert, Severity::Red, 0)), Judged::New);
    assert_eq!(rig.send("a", report("a.1.4", Update, Severity::Red, 3)), Judged::New);
    assert_eq!(rig.bureau.tally, Tally::of(rig.bureau.entries.values().map(AsRef::as_ref)));
}

/// What version 0.1.0 kept does not say which message is the newest: there its time does.
#[test]
fn the_newest_message_of_an_older_snapshot_is_that_of_the_greatest_time() {
    let mut rig = Rig::new(&["a"]);
    rig.send("a", report("a.1.1", NoticeKind::Alert, Severity::Orange, 10));
    rig.send("a", report("a.1.2", NoticeKind::Update, Severity::Orange, 20));
    let mut old = serde_json::to_value(&rig.bureau).unwrap();
    assert!(old["entries"][0].as_object_mut().unwrap().remove("last").is_some());
    let old: Bureau = serde_json::from_value(old).unwrap();
    assert_eq!(old.entry(1).unwrap().newest(), Some("a.1.2"));
}

/// Who at the plant took an instruction stands beside it, whichever of its messages says so, and however often.
#[test]
fn an_instruction_is_taken_by_a_named_person_once() {
    let mut rig = Rig::new(&["a", "b"]);
    let taken = |message: &str, by: &str| Taken { message: message.into(), by: by.into(), at: START, note: "go".into() };
    let with = |of: Report, all: &[Taken]| Report { taken: all.to_vec(), ..of };
    rig.send("a", report("a.1.1", NoticeKind::Alert, Severity::Red, 0));
    rig.act(1, accept()).unwrap();
    rig.act(1, Act::Instruct { note: note("撤离") }).unwrap();
    rig.act(1, Act::Instruct { note: note("断电") }).unwrap();
    let who =
        |rig: &Rig| rig.entry(1).acts.iter().map(|done| done.taken.as_ref().map(|taken| taken.by.clone())).collect::<Vec<_>>();
    // Not another plant's, not an acceptance, not one that nobody gave.
    rig.send("b", with(report("b.1.1", NoticeKind::Alert, Severity::Blue, 0), &[taken("x.a2", "strange")]));
    rig.send("a", with(report("a.1.2", NoticeKind::Update, Severity::Red, 1), &[taken("x.a1", "李"), taken("x.a9", "李")]));
    assert_eq!(who(&rig), [None, None, None]);
    let first = taken("x.a3", "李 (operator)");
    rig.send("a", with(report("a.1.3", NoticeKind::Update, Severity::Red, 2), std::slice::from_ref(&first)));
    // Later messages say it again; what the first said stays, also where an entry of its own is open by now.
    let all = [taken("x.a3", "another"), taken("x.a2", "张 (lead)")];
    rig.send("a", with(report("a.1.4", NoticeKind::Cancel, Severity::Red, 3), &all));
    assert!(rig.entry(1).is_closed());
    assert_eq!(who(&rig), [None, Some("张 (lead)".into()), Some("李 (operator)".into())]);
    rig.replay();
}

/// What is transferred waits for that body, beside what the plant still owes; it ends when the answer is on record.
#[test]
fn a_matter_handed_to_another_body_waits_for_its_answer() {
    use NoticeKind::{Alert, Cancel, Update};
    let mut rig = Rig::new(&["a"]);
    rig.send("a", report("a.1.1", Alert, Severity::Orange, 0));
    let to = |to: &str, why: &str| Act::Transfer { to: note(to), note: note(why) };
    let heard = |transfer, said: &str| Act::Heard { transfer, note: note(said) };
    let missing = |what: &str| Err(Refusal::NotYet { missing: what.into() });
    assert_eq!((rig.act(1, to("消防", " ")), rig.act(1, to(" ", "火"))), (missing("note"), missing("to")));
    assert_eq!(rig.act(1, heard(1, "x")), Err(Refusal::Unknown));
    rig.act(1, to("消防", "火")).unwrap();
    assert_eq!(
        (rig.entry(1).state, rig.bureau.owed("a").len()),
        (State::Accepted, 1),
        "somebody has it, and the plant hears who"
    );
    assert_eq!(rig.entry(1).due(), Some(START + 1_800 * SECOND), "that body's and the plant's");
    assert_eq!(rig.act(1, to("消防", "again")), Err(Refusal::Already));
    rig.wait(60);
    rig.act(1, to("环保", "烟")).unwrap();
    rig.send("a", Report { cleared: true, notes: 1, ..report("a.1.2", Update, Severity::Orange, 60) });
    assert_eq!(rig.entry(1).due(), Some(START + 1_800 * SECOND), "the plant has done its part, nobody else");
    assert_eq!(rig.act(1, Act::Close { note: note("x") }), missing("transfer"));
    assert_eq!((rig.act(1, heard(1, "")), rig.act(1, heard(3, "x"))), (missing("note"), Err(Refusal::Unknown)));
    rig.act(1, heard(1, "已派两车, 赵队")).unwrap();
    assert_eq!(rig.act(1, heard(1, "again")), Err(Refusal::Already));
    assert_eq!(rig.entry(1).due(), Some(START + 1_860 * SECOND));
    // It rises: somebody is wanted here, and what another body says meanwhile is no answer of this desk.
    rig.send("a", report("a.1.3", Update, Severity::Red, 70));
    rig.act(1, heard(2, "已监测")).unwrap();
    let entry = rig.entry(1);
    assert_eq!((entry.state, entry.answered_at, entry.due()), (State::Received, None, Some(rig.at + 120 * SECOND)));
    rig.act(1, accept()).unwrap();
    rig.act(1, to("消防", "又起火")).unwrap();
    rig.send("a", report("a.1.4", Cancel, Severity::Red, 80));
    assert_eq!(rig.queue(), [1], "ended, and one answer is missing");
    rig.act(1, heard(3, "已撤回")).unwrap();
    assert!(rig.entry(1).is_closed() && rig.queue().is_empty());
    // Nobody at the plant asked anything: nobody there is told.
    rig.wait(90);
    let event = rig.bureau.silent(rig.at).remove(0);
    rig.step(event).unwrap();
    rig.act(2, to("派出所", "请上门查看")).unwrap();
    assert_eq!(rig.bureau.owed("a").iter().filter(|answer| answer.number > 4).count(), 0);
    rig.replay();
}

/// Who has the desk, and what must be before the eyes of who comes.
#[test]
fn the_desk_is_handed_over_with_all_that_is_open() {
    let mut rig = Rig::new(&["a"]);
    let give = |to: &str, words: &str| ShiftChange::HandOver { to: note(to), note: note(words) };
    let take = |entries: &[u64], words: &str| ShiftChange::TakeOver { entries: entries.to_vec(), note: note(words) };
    let missing = |what: &str| Err(Refusal::NotYet { missing: what.into() });
    let on = |rig: &Rig| rig.bureau.picture(rig.at).shift.on.clone();
    rig.send("a", report("a.1.1", NoticeKind::Alert, Severity::Red, 0));
    assert_eq!(rig.shift("王", "operator", take(&[], "")), missing("entries"));
    rig.shift("王", "operator", take(&[1], "早班")).unwrap();
    assert_eq!(rig.shift("王", "operator", take(&[1], "")), Err(Refusal::Already));
    for (who, change, why) in [
        ("李", give("赵", "x"), "on_duty"),
        ("王", give("王", "x"), "on_roster"),
        ("王", give("无名", "x"), "on_roster"),
        ("王", give("李", " "), "note"),
        ("李", take(&[1], "x"), "hand_over"),
    ] {
        assert_eq!(rig.shift(who, "operator", change), missing(why));
    }
    rig.shift("王", "operator", give("李", "一厂未归")).unwrap();
    rig.send("a", report("a.2.1", NoticeKind::Alert, Severity::Blue, 1));
    assert_eq!((on(&rig).as_deref(), rig.shift("赵", "operator", take(&[1, 2], ""))), (Some("王"), missing("hand_over")));
    assert_eq!(rig.shift("李", "operator", take(&[1], "")), missing("entries"), "one came meanwhile");
    rig.wait(60);
    rig.shift("李", "operator", take(&[1, 2, 9], "收到")).unwrap();
    let shift = rig.bureau.picture(rig.at).shift;
    let last = shift.log.back().unwrap();
    assert_eq!((last.from.as_deref(), last.to.name.as_str(), last.at), (Some("王"), "李", rig.at));
    assert_eq!((last.open.as_slice(), &last.notes), (&[1, 2][..], &[note("一厂未归"), note("收到")]));
    assert!(shift.offer.is_none() && shift.on.as_deref() == Some("李") && shift.since == rig.at);
    // A lead may step in, and says why.
    assert_eq!(rig.shift("赵", "lead", take(&[1, 2], " ")), missing("note"));
    rig.shift("赵", "lead", take(&[1, 2], "李突发疾病")).unwrap();
    let event = Event::Shift { command: "same".into(), by: officer("赵", "lead"), change: give("王", "夜班") };
    assert_eq!((rig.step(event.clone()), rig.step(event)), (Ok(()), Ok(())), "the same answer");
    let other = Event::Shift { command: "same".into(), by: officer("赵", "lead"), change: give("李", "夜班") };
    assert_eq!(rig.step(other), Err(Refusal::OtherCommand));
    // Whoever is no officer any more has nothing to hand over.
    let officers = vec![note("王")];
    rig.step(Event::Started {
        version: String::new(),
        plants: vec![],
        terms: Terms::default(),
        officers,
        series: String::new(),
        number_from: 0,
    })
    .unwrap();
    assert_eq!(on(&rig), None);
    rig.shift("王", "operator", take(&[1, 2], "")).unwrap();
    let log = rig.bureau.picture(rig.at).shift.log;
    assert_eq!((log.back().unwrap().from.as_deref(), log.back().unwrap().notes[0].as_str()), (None, "夜班"));
    rig.replay();
}

/// An accident stands before everything else of its mode, and stays until it is taken back or an officer ends it.
#[test]
fn an_accident_is_at_the_head_of_the_queue() {
    use NoticeKind::{Alert, Cancel, Update};
    let mut rig = Rig::new(&["a"]);
    let of = |retracted: bool, report: Report| {
        let (kind, grade, declared_by) = (crate::accident::Kind::Fire, crate::accident::Grade::Larger, "厂长".to_owned());
        let (dead, injured, missing, at_risk) = (3, 0, 0, 0);
        let clocks = vec![];
        let accident =
            Accident { retracted, kind, grade, declared_at: START, declared_by, dead, injured, missing, at_risk, clocks };
        Report { accident: Some(Box::new(accident)), ..report }
    };
    rig.send("a", report("a.1.1", Alert, Severity::Red, 0));
    rig.send("a", of(false, report("a.1.accident.2", Alert, Severity::Red, 1)));
    let drill = Report { mode: Mode::Exercise, ..of(false, report("a.2.accident.3", Alert, Severity::Red, 2)) };
    rig.send("a", drill);
    assert_eq!(rig.queue(), [2, 1, 3]);
    rig.act(2, accept()).unwrap();
    assert_eq!(rig.queue(), [2, 1, 3], "also where somebody has it");
    rig.send("a", of(false, report("a.1.accident.4", Update, Severity::Red, 3)));
    assert_eq!((rig.entry(2).state, rig.entry(2).messages_so_far), (State::Accepted, 2));
    rig.send("a", of(true, Report { cleared: true, ..report("a.1.accident.5", Cancel, Severity::Red, 4) }));
    assert!(rig.entry(2).is_closed() && rig.queue() == [1, 3], "taken back, and answered before");
    // Declared anew: somebody is wanted again. An officer may end it; the plant's clocks go on there.
    rig.send("a", of(false, report("a.1.accident.6", Update, Severity::Red, 5)));
    assert_eq!((rig.entry(2).state, rig.queue()), (State::Received, vec![2, 1, 3]));
    rig.act(2, accept()).unwrap();
    rig.act(2, Act::Close { note: note("移交调查组") }).unwrap();
    assert_eq!(rig.queue(), [1, 3]);
    rig.replay();
}

#[test]
fn what_ends_unseen_waits_for_a_person() {
    let mut rig = Rig::new(&["a"]);
    rig.send("a", report("a.1.1", NoticeKind::Alert, Severity::Red, 0));
    rig.send("a", report("a.1.2", NoticeKind::Cancel, Severity::Red, 1));
    assert_eq!(rig.queue(), [1], "nobody has seen it");
    rig.act(1, accept()).unwrap();
    assert!(rig.entry(1).is_closed());
    // It comes again under the same name: a new entry.
    rig.send("a", report("a.1.3", NoticeKind::Alert, Severity::Red, 2));
    assert_eq!(rig.queue(), [2]);
    rig.replay();
}

#[test]
fn the_order_is_level_then_time_left_and_answered_ones_come_last() {
    let mut rig = Rig::new(&["a", "b"]);
    for (second, (identifier, level)) in
        [("a.1.1", Severity::Blue), ("a.2.1", Severity::Red), ("b.1.1", Severity::Orange), ("b.2.1", Severity::Red)]
            .into_iter()
            .enumerate()
    {
        rig.wait(1);
        rig.send(&identifier[..1], report(identifier, NoticeKind::Alert, level, second as i64));
    }
    let drill = Report { mode: Mode::Exercise, ..report("b.3.1", NoticeKind::Alert, Severity::Red, 9) };
    rig.send("b", drill);
    assert_eq!(rig.queue(), [2, 4, 3, 1, 5]);
    rig.act(2, accept()).unwrap();
    assert_eq!(rig.queue(), [4, 3, 1, 2, 5]);
    assert!(rig.act(4, Act::Reject { note: note("非本辖区") }).is_ok());
    assert_eq!(rig.queue(), [3, 1, 2, 4, 5]);
    rig.replay();
}

#[test]
fn what_comes_again_is_a_duplicate_a_replay_or_another_message() {
    use NoticeKind::{Alert, Update};
    let mut rig = Rig::new(&["a", "b"]);
    let alert = report("a.1.1", Alert, Severity::Red, 0);
    rig.send("a", alert.clone());
    rig.wait(89);
    assert!(matches!(rig.send("a", alert.clone()), Judged::Known(Again::Duplicate, 1, _)));
    rig.wait(1);
    assert_eq!(rig.bureau.silent(rig.at).len(), 2, "what comes again is no sign of life");
    rig.send("a", report("a.1.2", Update, Severity::Red, 10));
    assert!(matches!(rig.send("a", alert.clone()), Judged::Known(Again::Replay, 1, _)));
    let changed = Report { digest: "blake3 other".into(), ..alert.clone() };
    assert!(matches!(rig.send("a", changed), Judged::Known(Again::Changed, 1, _)));
    rig.step(Event::Refused { plant: "a".into(), detail: "sender".into(), digest: String::new(), times: 1 }).unwrap();
    let line = &rig.bureau.lines["a"];
    assert_eq!((line.reports, line.duplicates, line.replays, line.changed, line.refused), (2, 1, 1, 1, 1));
    assert_eq!((rig.entry(2).about.clone(), rig.entry(2).messages_so_far), (About::Suspicion, 3), "one entry for all of it");
    assert_eq!(rig.entry(1).messages_so_far, 2, "the queue is as if nothing had come");
    assert_eq!(rig.act(2, Act::Instruct { note: note("x") }), Err(Refusal::NotYet { missing: "report".into() }));
    rig.act(2, accept()).unwrap();
    // The same identifier of another plant is another message.
    assert_eq!(rig.send("b", alert), Judged::New);
    rig.send("a", report("a.1.1", Alert, Severity::Red, 0));
    assert_eq!(rig.entry(2).state, State::Received, "more of it: somebody looks again");
    rig.act(2, accept()).unwrap();
    rig.act(2, Act::Close { note: note("查明") }).unwrap();
    rig.replay();
}

#[test]
fn silence_is_an_entry_by_itself_and_ends_by_itself() {
    let mut rig = Rig::new(&["a", "b"]);
    let beat = |number: u64| Heartbeat {
        run: 0,
        number,
        sent: START + number as i64 * 30 * SECOND,
        mode: Mode::Actual,
        version: "1".into(),
        alarms: BTreeMap::new(),
        unacknowledged: BTreeMap::new(),
        aside: BTreeMap::new(),
        waiting: 0,
        failing: vec![],
        every_s: 30,
    };
    let mut recorded = 0;
    for number in 1..=4 {
        rig.wait(30);
        if let Some(event) = rig.bureau.hears(rig.at, "a", &beat(number), false).unwrap() {
            recorded += 1;
            rig.step(event).unwrap();
        }
        for event in rig.bureau.silent(rig.at) {
            rig.step(event).unwrap();
        }
    }
    assert_eq!(recorded, 1, "what says nothing new is not recorded");
    assert!(rig.bureau.hears(rig.at, "a", &beat(3), false).is_err(), "an old one again");
    let open: Vec<_> = rig.queue().into_iter().map(|number| (rig.entry(number).plant.clone(), rig.entry(number).level)).collect();
    assert_eq!(open, [("b".to_owned(), SILENT_LEVEL)], "one said nothing for 90 s");
    assert!(rig.bureau.silent(rig.at).is_empty(), "told once");
    rig.act(1, accept()).unwrap();
    assert_eq!(rig.queue(), [1], "until it speaks again");
    rig.wait(3600);
    let event = rig.bureau.hears(rig.at, "b", &beat(9), false).unwrap().expect("the first after a silence");
    rig.step(event).unwrap();
    assert!(rig.queue().is_empty() && rig.bureau.lines["b"].silences == 1);
    // A start counts anew, and what reports no longer is not missed.
    rig.start(&["a"]);
    rig.wait(89);
    assert!(rig.bureau.silent(rig.at).is_empty());
    rig.wait(1);
    assert_eq!(rig.bureau.silent(rig.at).len(), 1);
    rig.replay();
}

#[test]
fn a_command_is_done_once_and_a_level_that_rose_meanwhile_stops_it() {
    let mut rig = Rig::new(&["a"]);
    rig.send("a", report("a.1.1", NoticeKind::Alert, Severity::Orange, 0));
    rig.send("a", report("a.1.2", NoticeKind::Update, Severity::Red, 1));
    let by = officer("王", "operator");
    let act =
        |command: &str, seen, act| Event::Act { command: command.into(), by: by.clone(), entry: 1, seen, act, answer: None };
    let moved = Refusal::Moved { severity: Severity::Red, occurrence: 2 };
    assert_eq!(rig.step(act("1", Some(Severity::Orange), accept())), Err(moved));
    assert_eq!(rig.step(act("2", Some(Severity::Red), accept())), Ok(()));
    assert_eq!(rig.step(act("2", Some(Severity::Red), accept())), Ok(()), "the same answer");
    assert_eq!(rig.step(act("2", None, Act::Reject { note: note("x") })), Err(Refusal::OtherCommand));
    assert_eq!(rig.entry(1).acts.len(), 1);
    rig.replay();
}

/// Memory is bounded; what is forgotten of closed entries is in the journal.
#[test]
fn what_is_closed_is_forgotten_at_last() {
    let mut rig = Rig::new(&["a"]);
    for n in 1..=(CLOSED_MAX as u64 + 50) {
        rig.send("a", report(&format!("a.{n}.1"), NoticeKind::Alert, Severity::Blue, n as i64));
        rig.act(n, accept()).unwrap();
        rig.send("a", report(&format!("a.{n}.2"), NoticeKind::Cancel, Severity::Blue, n as i64));
    }
    assert_eq!((rig.bureau.entries.len(), rig.bureau.incidents.len()), (CLOSED_MAX, CLOSED_MAX));
    assert_eq!(rig.bureau.tally, Tally::of(rig.bureau.entries.values().map(AsRef::as_ref)));
    assert!(rig.bureau.entry(50).is_none() && rig.bureau.entry(51).is_some());
    assert!(matches!(rig.send("a", report("a.1.1", NoticeKind::Alert, Severity::Blue, 1)), Judged::Known(Again::Replay, 1, _)));
}

/// The share of the heartbeats expected that came, by day and over thirty of them; a stop of the bureau counts for nothing.
#[test]
fn the_on_line_rate_is_what_came_of_what_was_expected() {
    let mut rig = Rig::new(&["a", "b"]);
    let beat = |number: u64, every_s: u32| Heartbeat {
        run: 0,
        number,
        sent: START + number as i64 * SECOND,
        mode: Mode::Actual,
        version: String::new(),
        alarms: BTreeMap::new(),
        unacknowledged: BTreeMap::new(),
        aside: BTreeMap::new(),
        waiting: 0,
        failing: vec![],
        every_s,
    };
    let mut number = 0;
    // Ten minutes a day. `a` beats each 60 s and is heard so many times; `b` was never heard, 30 s are expected of it.
    let mut day = |rig: &mut Rig, day: i64, came: u64| {
        for nth in 0..10 {
            rig.wait(60);
            if nth < came {
                number += 1;
                if let Some(event) = rig.bureau.hears(rig.at, "a", &beat(number, 60), false).unwrap() {
                    rig.step(event).unwrap();
                }
            }
        }
        let live = &rig.bureau.picture(rig.at).plants[0].1.rate.live;
        assert_eq!(*live, Count { came, expected_milli: 10_000 }, "shown before it is on record");
        let event = rig.bureau.count(rig.at, day).unwrap();
        rig.step(event).unwrap();
    };
    day(&mut rig, 100, 10);
    day(&mut rig, 101, 5);
    let rate = |rig: &Rig, plant: &str| rig.bureau.lines[plant].rate.clone();
    let a = rate(&rig, "a");
    assert_eq!(
        (a.of(100).share(), a.of(101).share(), a.all().share(), a.of(99).share()),
        (Some(1.0), Some(0.5), Some(0.75), None)
    );
    assert_eq!((rate(&rig, "b").all(), rate(&rig, "b").all().share()), (Count { came: 0, expected_milli: 40_000 }, Some(0.0)));
    // Nobody listens for an hour; a heartbeat more than expected makes no more than all of them.
    rig.wait(3_600);
    rig.start(&["a"]);
    day(&mut rig, 101, 10);
    assert_eq!(rate(&rig, "a").of(101), Count { came: 15, expected_milli: 20_000 });
    assert_eq!(rate(&rig, "b").all().came, 0, "it reports here no longer, and nothing is expected");
    assert_eq!((rate(&rig, "b").all().expected_milli, Count { came: 21, expected_milli: 20_000 }.share()), (40_000, Some(1.0)));
    // A clock that was set back begins no day again; after thirty days the first is forgotten.
    day(&mut rig, 90, 0);
    assert_eq!(rate(&rig, "a").days.iter().map(|(day, _)| *day).collect::<Vec<_>>(), [100, 101]);
    day(&mut rig, 130, 10);
    assert_eq!(rate(&rig, "a").days.iter().map(|(day, _)| *day).collect::<Vec<_>>(), [101, 130]);
    rig.replay();
}
