//! The threads of the rules with real guests: what neighbours of a hostile rule miss, quarantine and release, what is told of what was not judged.
//! Must not know: what becomes of it.

use crate::hostile::{SECOND, TRIGGER, admitted, count, row};
use brain::event::{Row, StrikeKind};
use brain::reading::Quality;
use safety_brain::rules::{FromRule, Runner, Said};
use std::time::Duration;
use tokio::sync::mpsc;

/// Everything the workers say until they end.
fn drain(runner: Runner, mut said: mpsc::Receiver<FromRule>) -> Vec<FromRule> {
    let stop = std::thread::spawn(move || runner.stop(Duration::from_secs(60)));
    let mut all = Vec::new();
    while let Some(one) = said.blocking_recv() {
        all.push(one);
    }
    assert_eq!(stop.join().unwrap(), 0, "a worker did not end");
    all
}

/// Rule 0 misbehaves; so many good ones follow that at least one sits at the same worker.
#[test]
fn neighbours_of_a_hostile_rule_miss_nothing() {
    let cores = std::thread::available_parallelism().map_or(1, |n| n.get());
    let hostile = [
        ("loop-evaluate", StrikeKind::Deadline),
        ("burn-fuel", StrikeKind::Fuel),
        ("memory-bomb", StrikeKind::Memory),
        ("log-flood", StrikeKind::Log),
        ("huge-result", StrikeKind::Result),
        ("deep-recursion", StrikeKind::Trap),
        ("poison-value", StrikeKind::Trap),
        ("wild-store", StrikeKind::Trap),
        ("shared-buffer", StrikeKind::Result),
        ("huge-log", StrikeKind::Result),
        ("history-flood", StrikeKind::Deadline),
        ("text-bomb", StrikeKind::Nonsense),
        ("finding-flood", StrikeKind::Nonsense),
        ("said-twice", StrikeKind::Nonsense),
        ("index-out-of-range", StrikeKind::Nonsense),
    ];
    for (plugin, kind) in hostile {
        let plugins: Vec<&str> = std::iter::once(plugin).chain(std::iter::repeat_n("well-behaved", cores.max(2))).collect();
        let mut admitted = admitted(&plugins);
        for (i, one) in admitted.iter_mut().enumerate() {
            one.rule.name = format!("rule-{i}");
        }
        let rules = admitted.len();
        let (out, said) = mpsc::channel(16);
        let runner = Runner::start(admitted, out).unwrap();
        for n in 1..=40 {
            let value = if n % 10 == 0 { TRIGGER } else { 1.0 };
            for rule in 0..rules {
                assert!(runner.consult(rule, n * SECOND, vec![row(n, value)]));
            }
        }
        assert_eq!(runner.abandoned(), 0);
        let all = drain(runner, said);
        for rule in 1..rules {
            let findings = all.iter().filter(|one| one.rule == rule).filter_map(|one| match &one.what {
                Said::Findings(findings) => Some(count(findings)),
                Said::Strike { .. } | Said::Overrun(_) | Said::Skipped(_) => panic!("{one:?}"),
                Said::Log { .. } => None,
            });
            let counts: Vec<u64> = findings.collect();
            assert!(counts.is_sorted(), "{plugin}: {counts:?}");
            assert_eq!(counts.last(), Some(&40), "{plugin}");
        }
        let strikes: Vec<_> = all
            .iter()
            .filter(|one| one.rule == 0)
            .filter_map(|one| match &one.what {
                Said::Strike { kind, .. } => Some(*kind),
                Said::Findings(_) | Said::Log { .. } | Said::Overrun(_) | Said::Skipped(_) => None,
            })
            .collect();
        assert!(strikes.len() >= 2, "{plugin}: {strikes:?}");
        assert!(strikes.iter().all(|k| *k == kind), "{plugin}: {strikes:?}");
    }
}

fn next_count(said: &mut mpsc::Receiver<FromRule>) -> u64 {
    loop {
        match said.blocking_recv().unwrap().what {
            Said::Findings(findings) => return count(&findings),
            Said::Log { .. } => {}
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn quarantine_silences_a_rule_and_release_begins_again() {
    let (out, mut said) = mpsc::channel(16);
    let admitted = admitted(&["well-behaved"]);
    let digest = admitted[0].rule.digest.clone();
    let runner = Runner::start(admitted, out).unwrap();
    for n in 1..=2 {
        runner.consult(0, n, vec![row(n, 1.0)]);
        assert_eq!(next_count(&mut said), n as u64);
    }
    runner.quarantine(0, &digest, true);
    assert!(runner.consult(0, 3, vec![row(3, 1.0)]), "ignored, not lost");
    runner.quarantine(0, &digest, false);
    runner.consult(0, 4, vec![row(4, 1.0)]);
    assert_eq!(next_count(&mut said), 1, "from nothing, and without what came meanwhile");
    assert!(drain(runner, said).is_empty());
}

/// That it looks is said once, and that it has judged readings: of a lost tag alone there is nothing to judge.
#[test]
fn a_rule_that_finds_nothing_says_when_it_has_judged_readings() {
    let (out, mut said) = mpsc::channel(16);
    let runner = Runner::start(admitted(&["idle"]), out).unwrap();
    let told = |one: FromRule| (one.what, one.judged);
    runner.consult(0, 1, vec![Row { quality: Quality::SILENT, ..row(1, 1.0) }]);
    assert_eq!(told(said.blocking_recv().unwrap()), (Said::Findings(vec![]), false));
    for n in 2..=3 {
        runner.consult(0, n, vec![row(n, 1.0)]);
    }
    assert_eq!(drain(runner, said).into_iter().map(told).collect::<Vec<_>>(), [(Said::Findings(vec![]), true)]);
}

#[test]
fn rows_without_room_are_told() {
    let (out, said) = mpsc::channel(16);
    let runner = Runner::start(admitted(&["well-behaved"]), out).unwrap();
    assert!(!runner.consult(0, 1, vec![row(1, 1.0); 20_000]));
    let all = drain(runner, said);
    assert_eq!(all.len(), 1);
    assert_eq!((all[0].rule, &all[0].what), (0, &Said::Overrun(20_000)));
}
