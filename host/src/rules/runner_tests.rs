//! When a worker is given up.
#![allow(clippy::unwrap_used)]

use super::super::admission::Plan;
use super::super::bindings::{BoundTag, export};
use super::super::codes::Codes;
use super::super::{Compiler, Engine, Package, build, limits};
use super::*;
use crate::config::types::Limits;
use brain::reading::{Quality, TagId};
use brain::words::Text;
use std::path::Path;
use tokio::sync::mpsc::{Receiver, channel};

#[test]
fn only_one_and_the_same_running_call_is_seen_to_last() {
    let start = Instant::now();
    let (second, fifth) = (Duration::from_secs(1), Duration::from_secs(5));
    let mut look = Look::default();
    assert_eq!(look.at_one_call(2, start), None);
    assert_eq!(look.at_one_call(2, start + fifth), None, "idle");
    assert_eq!(look.at_one_call(3, start + fifth), None, "seen for the first time");
    assert_eq!(look.at_one_call(3, start + fifth + second), Some(second));
    assert_eq!(look.at_one_call(3, start + fifth * 2), Some(fifth));
    assert_eq!(look.at_one_call(5, start + fifth * 2), None, "another call");
}

/// The counting guest of the hostile tests, bound by hand to one tag.
fn counting() -> Admitted {
    version("counting", 1)
}

/// The same under another digest, and with this kind of state.
fn version(digest: &str, state_version: u32) -> Admitted {
    guest("well-behaved", digest, state_version)
}

fn guest(example: &str, digest: &str, state_version: u32) -> Admitted {
    let crate_dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/hostile");
    let modules = build::core_modules(&crate_dir, &["--example", example]).unwrap();
    let component = build::encode(&modules[0]).unwrap();
    let mut package = Package::from_bytes(&Engine::start(Compiler::Here).unwrap(), &component, None).unwrap();
    package.description.state_version = state_version;
    let tag = BoundTag { name: "N-1".into(), unit: "1".into(), codes: vec![] };
    let lexicon = package.lexicon(vec![tag], 8);
    let rule = brain::site::Rule {
        name: "counting".into(),
        plugin: "well-behaved@1.0.0".into(),
        digest: digest.to_owned(),
        zone: 0,
        inputs: vec![TagId(0)],
        tick_ms: 0,
        hazards: lexicon.hazards.clone(),
        untested: false,
        bundle: String::new(),
    };
    let start = export::Start { zone: "room".into(), at: 0, bindings: vec![], settings: vec![], extra: vec![] };
    let caps = limits::caps(&Limits::USUAL);
    let plan = Plan { package: Arc::new(package), lexicon, start, keep: vec![8], codes: Codes::new(vec![]), caps };
    Admitted { rule, plan: Arc::new(plan) }
}

/// The rule and the count of the next findings, or the rule and a strike's kind.
fn next(said: &mut Receiver<FromRule>) -> (usize, Result<String, StrikeKind>) {
    loop {
        let FromRule { rule, what, .. } = said.blocking_recv().unwrap();
        match what {
            Said::Findings(findings) => {
                let Text::Words(words) = &findings[0].text else {
                    panic!("a rule's words arrive finished");
                };
                return (rule, Ok(words.en.clone()));
            }
            Said::Strike { kind, .. } => return (rule, Err(kind)),
            Said::Log { .. } => {}
            Said::Overrun(count) => panic!("{count} rows lost"),
            Said::Skipped(rows) => panic!("{} rows skipped", rows.len()),
        }
    }
}

/// The rule whose call was given up, the time of its batch, and how many rows are judged by nobody.
fn skipped(said: &mut Receiver<FromRule>) -> (usize, Micros, usize) {
    match said.blocking_recv().unwrap() {
        FromRule { rule, at, what: Said::Skipped(rows), .. } => (rule, at, rows.len()),
        other => panic!("{other:?}"),
    }
}

fn consult(runner: &Runner, rule: usize, at: Micros) {
    let row = Row { handle: 0, value: 1.0, quality: Quality::GOOD, source_us: at };
    assert!(runner.consult(rule, at, vec![row]));
}

/// Rule 0 and the returned one share a desk: there are as many desks as its number.
fn two_at_one_desk() -> (Runner, usize, Receiver<FromRule>) {
    beside(counting())
}

/// The same with another one as rule 0.
fn beside(first: Admitted) -> (Runner, usize, Receiver<FromRule>) {
    let neighbour = std::thread::available_parallelism().map_or(1, |n| n.get()).max(2) - 1;
    let (out, said) = channel(64);
    let rules = std::iter::once(first).chain(vec![counting(); neighbour]);
    (Runner::start(rules.collect(), out).unwrap(), neighbour, said)
}

/// Until this batch was given to the rule.
fn until_given(seat: &Seat, at: Micros) {
    while seat.at.load(Ordering::Relaxed) != at {
        std::thread::yield_now();
    }
}

/// A call that never ends cannot be made with a guest, so the test holds the rule's instance and says that a call is running.
#[test]
fn a_worker_that_does_not_come_back_is_replaced_and_its_other_rules_keep_their_state() {
    let (runner, neighbour, mut said) = two_at_one_desk();
    for rule in [0, neighbour] {
        consult(&runner, rule, 1);
        assert_eq!(next(&mut said), (rule, Ok("1 rows so far".into())));
    }
    let stuck = runner.desks[0].seat(0);
    let held = stuck.instance.lock().unwrap();
    stuck.pulse.beat();
    consult(&runner, 0, 2);
    until_given(&stuck, 2);
    consult(&runner, neighbour, 3);
    assert_eq!(next(&mut said), (neighbour, Ok("2 rows so far".into())), "long before anybody is given up");
    assert_eq!(next(&mut said), (0, Err(StrikeKind::Deadline)));
    assert_eq!(runner.abandoned(), 1);
    assert_eq!(skipped(&mut said), (0, 2, 1));
    consult(&runner, 0, 4);
    assert_eq!(next(&mut said), (0, Ok("1 rows so far".into())));
    drop(held);
    // The old thread ends without a word, though its call came back.
    let stop = std::thread::spawn(move || runner.stop(Duration::from_secs(60)));
    while let Some(one) = said.blocking_recv() {
        assert!(matches!(one.what, Said::Log { .. }), "{one:?}");
    }
    assert_eq!(stop.join().unwrap(), 0);
}

#[test]
fn neighbours_of_a_rule_that_takes_long_are_served_by_another_thread() {
    let (runner, neighbour, mut said) = two_at_one_desk();
    consult(&runner, 0, 1);
    assert_eq!(next(&mut said), (0, Ok("1 rows so far".into())));
    let slow = runner.desks[0].seat(0);
    let held = slow.instance.lock().unwrap();
    consult(&runner, 0, 2);
    until_given(&slow, 2);
    slow.pulse.is_long();
    slow.pulse.is_long();
    consult(&runner, 0, 3);
    consult(&runner, neighbour, 3);
    assert_eq!(next(&mut said), (neighbour, Ok("1 rows so far".into())));
    drop(held);
    assert_eq!(next(&mut said), (0, Ok("2 rows so far".into())), "in order, and by nobody else meanwhile");
    // What follows is expected to take long as well: nobody waits for it from its beginning on.
    assert_eq!(next(&mut said), (0, Ok("3 rows so far".into())));
    let held = slow.instance.lock().unwrap();
    consult(&runner, 0, 4);
    until_given(&slow, 4);
    consult(&runner, neighbour, 4);
    assert_eq!(next(&mut said), (neighbour, Ok("2 rows so far".into())));
    drop(held);
    assert_eq!(next(&mut said), (0, Ok("4 rows so far".into())));
    assert_eq!((runner.abandoned(), runner.stop(Duration::from_secs(60))), (0, 0));
}

#[test]
fn nobody_waits_for_the_next_call_of_a_rule_that_struck() {
    let (runner, neighbour, mut said) = beside(guest("poison-value", "poison", 1));
    let poison = Row { handle: 0, value: 666.0, quality: Quality::GOOD, source_us: 1 };
    runner.consult(0, 1, vec![poison]);
    while !matches!(said.blocking_recv().unwrap().what, Said::Skipped(_)) {}
    let struck = runner.desks[0].seat(0);
    let held = struck.instance.lock().unwrap();
    consult(&runner, 0, 2);
    until_given(&struck, 2);
    consult(&runner, neighbour, 2);
    assert_eq!(next(&mut said), (neighbour, Ok("1 rows so far".into())));
    drop(held);
    assert_eq!(next(&mut said), (0, Ok("1 rows so far".into())));
    assert_eq!((runner.abandoned(), runner.stop(Duration::from_secs(60))), (0, 0));
}

/// As the test of a stuck worker, where another thread has taken its place before; and batches wait for the rule.
#[test]
fn a_rule_that_does_not_come_back_keeps_nobody_who_took_its_threads_place() {
    let (runner, neighbour, mut said) = two_at_one_desk();
    let stuck = runner.desks[0].seat(0);
    let held = stuck.instance.lock().unwrap();
    consult(&runner, 0, 1);
    until_given(&stuck, 1);
    stuck.pulse.takes_long();
    consult(&runner, neighbour, 1);
    assert_eq!(next(&mut said), (neighbour, Ok("1 rows so far".into())));
    consult(&runner, 0, 2);
    stuck.pulse.beat();
    assert_eq!(next(&mut said), (0, Err(StrikeKind::Deadline)));
    assert_eq!(skipped(&mut said), (0, 1, 1));
    assert_eq!(next(&mut said), (0, Ok("1 rows so far".into())), "what waited, on a fresh instance");
    consult(&runner, neighbour, 3);
    assert_eq!(next(&mut said), (neighbour, Ok("2 rows so far".into())));
    assert_eq!(runner.abandoned(), 1);
    drop(held);
    assert_eq!(runner.stop(Duration::from_secs(60)), 0);
}

#[test]
fn a_call_beyond_two_ticks_and_a_recovery_are_told_to_take_long() {
    let told = |example: &str, values: &[f64]| {
        let mut instance = Instance::new(&guest(example, example, 1));
        let count = Arc::new(AtomicU64::new(0));
        let told = count.clone();
        instance.pulse().when_long(|| {
            Box::new(move || {
                told.fetch_add(1, Ordering::Relaxed);
            })
        });
        for (at, value) in (1..).zip(values) {
            instance.evaluate(at, &[Row { handle: 0, value: *value, quality: Quality::GOOD, source_us: at }]);
        }
        count.load(Ordering::Relaxed)
    };
    assert!(told("loop-evaluate", &[1.0, 666.0]) > 2, "each call of 10 ms, and the recoveries");
    assert!(told("poison-value", &[1.0, 666.0]) >= 2, "two recoveries");
}

/// What each component said last, once all that was given has been judged: how many rows it has counted.
fn counted(runner: Runner, mut said: Receiver<FromRule>) -> std::collections::BTreeMap<String, String> {
    let stop = std::thread::spawn(move || runner.stop(Duration::from_secs(60)));
    let mut last = std::collections::BTreeMap::new();
    while let Some(FromRule { digest, what, .. }) = said.blocking_recv() {
        if let Said::Findings(findings) = what {
            let Text::Words(words) = &findings[0].text else { panic!("a rule's words arrive finished") };
            last.insert(digest.to_string(), words.en.clone());
        }
    }
    assert_eq!(stop.join().unwrap(), 0);
    last
}

/// Rows stream in batches of one to three while others begin and end beside; returns how many rows that were.
fn stream(runner: &Runner, from: Micros, batches: Micros) -> u64 {
    // A tenth of a second apart, so that snapshots are taken on the way.
    let row = |at| Row { handle: 0, value: 1.0, quality: Quality::GOOD, source_us: at };
    let mut rows = 0;
    for at in from..from + batches {
        let batch = vec![row(at * 100_000); 1 + at as usize % 3];
        rows += batch.len() as u64;
        assert!(runner.consult(0, at * 100_000, batch));
    }
    rows
}

#[test]
fn one_that_begins_beside_another_under_a_stream_has_seen_every_row_once() {
    let (out, mut said) = channel(100_000);
    let runner = Runner::start(vec![version("v1", 1)], out).unwrap();
    let mut rows = stream(&runner, 1, 900);
    while next(&mut said) != (0, Ok(format!("{rows} rows so far"))) {}
    rows += stream(&runner, 901, 9);
    // Its heirs: one that takes its state, one that knows no such state and begins with the rows kept, one from nothing.
    runner.run_beside(0, Some("v1"), version("v2", 1));
    runner.run_beside(0, Some("v1"), version("v2", 1));
    let since = rows;
    runner.run_beside(0, Some("v1"), version("other", 2));
    runner.run_beside(0, None, version("nothing", 1));
    rows += stream(&runner, 910, 900);
    let counted = counted(runner, said);
    let says = |rows: u64| format!("{rows} rows so far");
    assert_eq!((&counted["v1"], &counted["v2"]), (&says(rows), &says(rows)), "none skipped, none twice");
    // The control: without its state it has not seen all of them.
    assert_eq!(counted["nothing"], says(rows - since));
    let other: u64 = counted["other"].split(' ').next().unwrap().parse().unwrap();
    assert!(rows - since < other && other < rows, "{other} of {rows}: warmed by the rows that were kept");
}

#[test]
fn what_has_ended_is_asked_no_more_and_its_place_is_used_again() {
    let (out, said) = channel(100_000);
    let runner = Runner::start(vec![version("v1", 1)], out).unwrap();
    let first = stream(&runner, 1, 10);
    runner.run_beside(0, Some("v1"), version("v2", 1));
    runner.end_beside(0, "v1");
    runner.end_beside(0, "unknown");
    let more = stream(&runner, 11, 10);
    runner.run_beside(0, Some("v2"), version("v3", 1));
    let last = stream(&runner, 21, 10);
    assert_eq!(lock(&runner.desks[0].seats).len(), 2);
    let counted = counted(runner, said);
    let says = |rows: u64| format!("{rows} rows so far");
    // The one it was to inherit from had ended: it began from nothing, with what waited.
    assert!(counted["v2"] != says(last), "{counted:?}");
    assert_eq!(counted["v3"], counted["v2"]);
    assert!(!counted.contains_key("v1") || counted["v1"] != says(first + more + last));
}
