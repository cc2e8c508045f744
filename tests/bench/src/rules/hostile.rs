//! Hostile rules beside a hundred good ones, in this process: how soon each is cut, and what the neighbours notice. Must not know: the brain, the journal.
//!
//! A good rule gets a row every 100 ms, at its own moment; latency is from handing it over to its answer. Each hostile rule runs in turns, never provoked
//! and provoked once, so that what else the machine does falls on both: more often than a plant lets it before it is quarantined (3 strikes in 60 s; a
//! poison batch is two).

use super::{Args, GOOD, admitted, guests, percentile, row};
use anyhow::bail;
use safety_brain::rules::{Admitted, Compiler, Engine, FromRule, Instance, Runner, Said};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use tokio::sync::mpsc;

/// The guests and the budget of each, milliseconds: its deadline, whatever else cuts it first.
const HOSTILE: [(&str, u64); 9] = [
    ("loop-evaluate", 10),
    ("burn-fuel", 10),
    ("memory-bomb", 10),
    ("log-flood", 10),
    ("history-flood", 10),
    ("huge-result", 10),
    ("shared-buffer", 10),
    ("deep-recursion", 10),
    ("poison-value", 10),
];
const NEIGHBOURS: usize = 100;
const TRIGGER: f64 = 666.0;
/// Turns of each kind.
const TURNS: u64 = 5;
/// What a cut may take beyond its budget.
const GRACE: Duration = Duration::from_millis(10);

/// A row for each hostile rule.
pub fn beside_good_ones(args: &Args) -> anyhow::Result<Vec<String>> {
    let folder = tempfile::tempdir()?;
    guests(&args.guests, folder.path())?;
    let engine = Engine::start(Compiler::Here)?;
    println!(
        "| hostile rule | cut, median ms | worst ms | limit ms | neighbours p50, us: alone / beside | p99, us: alone / beside | ratio |"
    );
    println!("|---|---|---|---|---|---|---|");
    let mut failed = Vec::new();
    for (plugin, budget_ms) in HOSTILE.into_iter().filter(|(plugin, _)| args.guest.as_ref().is_none_or(|only| only == plugin)) {
        // Rule 0 is the hostile one.
        let rules = std::iter::once(plugin).chain([GOOD; NEIGHBOURS]);
        let rules = admitted(
            &engine,
            folder.path(),
            rules.map(|plugin| (format!("{plugin}@1.0.0"), "values = [\"N\"]".to_owned())),
            None,
        )?;
        let cuts = cuts(&rules[0], args.tries)?;
        let limit = Duration::from_millis(budget_ms) + GRACE;
        let (mut quiet, mut beside) = (Vec::new(), Vec::new());
        for _ in 0..TURNS {
            let seconds = args.seconds.div_ceil(TURNS);
            quiet.extend(latencies(rules.clone(), seconds, false)?);
            beside.extend(latencies(rules.clone(), seconds, true)?);
        }
        quiet.sort_by(f64::total_cmp);
        beside.sort_by(f64::total_cmp);
        let ratio = percentile(&beside, 0.99) / percentile(&quiet, 0.99);
        println!(
            "| {plugin} | {:.1} | {:.1} | {} | {:.0} / {:.0} | {:.0} / {:.0} | {ratio:.2} |",
            percentile(&cuts, 0.5) / 1e3,
            percentile(&cuts, 1.0) / 1e3,
            limit.as_millis(),
            percentile(&quiet, 0.5),
            percentile(&beside, 0.5),
            percentile(&quiet, 0.99),
            percentile(&beside, 0.99),
        );
        if percentile(&cuts, 1.0) > limit.as_micros() as f64 {
            failed.push(format!("{plugin} was cut too late"));
        }
        if !(ratio <= 1.2) {
            failed.push(format!("the neighbours of {plugin} were slower by more than a fifth"));
        }
    }
    println!();
    Ok(failed)
}

/// From the provoking call to its end, microseconds, for one try: a poison batch is tried twice, so half of it, with what putting it up again costs.
fn cuts(hostile: &Admitted, tries: usize) -> anyhow::Result<Vec<f64>> {
    let mut instance = Instance::new(hostile);
    let mut times = Vec::new();
    for n in 0..tries as i64 {
        instance.evaluate(2 * n * 1000, &[row(n, 1.0)]);
        let began = Instant::now();
        let answer = instance.evaluate((2 * n + 1) * 1000, &[row(n, TRIGGER)]);
        times.push(began.elapsed().as_micros() as f64 / answer.strikes.len().max(1) as f64);
        anyhow::ensure!(!answer.strikes.is_empty(), "it was not cut");
    }
    times.sort_by(f64::total_cmp);
    Ok(times)
}

/// Latencies of the good rules, microseconds.
fn latencies(rules: Vec<Admitted>, seconds: u64, provoked: bool) -> anyhow::Result<Vec<f64>> {
    let count = rules.len();
    let (out, mut said) = mpsc::channel::<FromRule>(4096);
    let runner = Runner::start(rules, out)?;
    let began = Instant::now();
    let taken: Arc<Mutex<Vec<f64>>> = Arc::default();
    let into = Arc::clone(&taken);
    // `at` is the moment of handing over, in microseconds since the start.
    let listener = std::thread::spawn(move || {
        while let Some(one) = said.blocking_recv() {
            if one.rule > 0 && matches!(one.what, Said::Findings(_)) {
                let took = began.elapsed().as_micros() as f64 - one.at as f64;
                into.lock().expect("no panic holds it").push(took);
            }
        }
    });
    // The first answers of all rules include their start.
    let (step, warm) = (Duration::from_millis(100) / NEIGHBOURS as u32, Duration::from_secs(1));
    let mut provocation = provoked.then(|| warm + Duration::from_secs(seconds) / 2);
    for n in 0.. {
        let due = step * n;
        if due > warm + Duration::from_secs(seconds) {
            break;
        }
        std::thread::sleep(due.saturating_sub(began.elapsed()));
        if due >= warm && due < warm + step {
            taken.lock().expect("no panic holds it").clear();
        }
        let at = began.elapsed().as_micros() as i64;
        let rule = 1 + n as usize % (count - 1);
        if !runner.consult(rule, at, vec![row(at, 1.0)]) {
            bail!("rows of a good rule found no room");
        }
        if n % NEIGHBOURS as u32 == 0 {
            let provoke = provocation.take_if(|when| due >= *when).is_some();
            runner.consult(0, at, vec![row(at, if provoke { TRIGGER } else { 1.0 })]);
        }
    }
    runner.stop(Duration::from_secs(10));
    drop(runner);
    listener.join().map_err(|_| anyhow::anyhow!("the listener panicked"))?;
    Ok(std::mem::take(&mut *taken.lock().expect("no panic holds it")))
}
