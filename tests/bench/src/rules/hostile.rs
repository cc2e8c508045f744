//! Hostile rules beside a hundred good ones, in this process: how soon each is cut, and what the neighbours notice. Must not know: the brain, the journal.
//!
//! A good rule gets a row every 100 ms, at its own moment; latency is from handing it over to its answer. Each hostile rule runs in pairs of turns, never
//! provoked and provoked every second. Each pair has its ratio, and the median of those is judged: what else the machine does spoils one pair, the harm that
//! a rule does is in all of them. After three strikes it is quarantined, as a plant does it, and released before the next provocation, as no plant does it.
//! All rows count; those of the 100 ms behind a provocation, where all the harm is, are shown as well.

use super::{Args, GOOD, NUMBER, admitted, guests, percentile, row};
use anyhow::bail;
use safety_brain::rules::{Admitted, Compiler, Engine, FromRule, Instance, Runner, Said};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};
use tokio::sync::mpsc;

/// The guests and the time of the call that fails, milliseconds, whatever else cuts it first: of `evaluate` 10 unless it asks for more, of the others 100.
const HOSTILE: [(&str, u64); 17] = [
    ("loop-evaluate", 10),
    ("burn-fuel", 10),
    ("memory-bomb", 10),
    ("log-flood", 10),
    ("huge-log", 10),
    ("history-flood", 10),
    ("huge-result", 10),
    ("shared-buffer", 10),
    ("text-bomb", 10),
    ("finding-flood", 10),
    ("deep-recursion", 10),
    ("wild-store", 10),
    ("poison-value", 10),
    ("loop-snapshot", 100),
    ("huge-snapshot", 100),
    ("loop-restore", 100),
    ("slow-replay", 100),
];
const NEIGHBOURS: usize = 100;
const TRIGGER: f64 = 666.0;
/// Seconds of a turn, behind its first, in which the rules start.
const TURN: u64 = 2;
/// How much slower the neighbours may be.
const SLOWER: f64 = 1.2;
/// What a cut may take beyond its time.
const GRACE: Duration = Duration::from_millis(10);
/// From one provocation to the next.
const PROVOKED_EVERY: Duration = Duration::from_secs(1);
/// How long behind a provocation the neighbours' rows are shown by themselves.
const WINDOW: Duration = Duration::from_millis(100);
/// The hostile rule's batch time goes so much faster that it takes a snapshot with each batch.
const FASTER: i64 = 120;
/// Strikes that quarantine it, as where a site says nothing.
const STRIKES: usize = 3;

/// Latencies, microseconds: of all rows, and of those close behind a provocation.
#[derive(Default)]
struct Latencies {
    all: Vec<f64>,
    close: Vec<f64>,
}

impl Latencies {
    fn extend(&mut self, more: Latencies) {
        self.all.extend(more.all);
        self.close.extend(more.close);
    }

    fn sort(&mut self) {
        self.all.sort_by(f64::total_cmp);
        self.close.sort_by(f64::total_cmp);
    }
}

/// A row for each hostile rule.
pub fn beside_good_ones(args: &Args) -> anyhow::Result<Vec<String>> {
    let folder = tempfile::tempdir()?;
    guests(&args.guests, folder.path())?;
    let engine = Engine::start(Compiler::Here)?;
    println!(
        "| hostile rule | cut, median ms | worst ms | limit ms | neighbours p50, us: alone / beside | p99, us: alone / beside | ratio, median of pairs | \
         half of them | p99 within 100 ms | worst |"
    );
    println!("|---|---|---|---|---|---|---|---|---|---|");
    let mut failed = Vec::new();
    for (plugin, time_ms) in HOSTILE.into_iter().filter(|(plugin, _)| args.guest.as_ref().is_none_or(|only| only == plugin)) {
        // Rule 0 is the hostile one.
        let asks = if plugin == "slow-replay" { "\nlimits = { deadline = \"100ms\", fuel = 1_000_000_000 }" } else { "" };
        let hostile = std::iter::once((format!("{plugin}@1.0.0"), format!("{NUMBER}{asks}")));
        let good = std::iter::repeat_n((format!("{GOOD}@1.0.0"), NUMBER.to_owned()), NEIGHBOURS);
        let rules = admitted(&engine, folder.path(), hostile.chain(good), None)?;
        let cuts = cuts(&rules[0], args.tries)?;
        let limit = Duration::from_millis(time_ms) + GRACE;
        let (mut quiet, mut beside, mut ratios) = (Latencies::default(), Latencies::default(), Vec::new());
        for pair in 0..args.seconds.div_ceil(TURN) {
            // Whoever comes first in one pair comes second in the next.
            let first = pair % 2 == 1;
            let (one, two) = (latencies(rules.clone(), first)?, latencies(rules.clone(), !first)?);
            let (calm, stirred) = if first { (two, one) } else { (one, two) };
            ratios.push(percentile(&stirred.all, 0.99) / percentile(&calm.all, 0.99));
            quiet.extend(calm);
            beside.extend(stirred);
        }
        quiet.sort();
        beside.sort();
        ratios.sort_by(f64::total_cmp);
        let ratio = percentile(&ratios, 0.5);
        print!(
            "| {plugin} | {:.1} | {:.1} | {} |",
            percentile(&cuts, 0.5) / 1e3,
            percentile(&cuts, 1.0) / 1e3,
            limit.as_millis()
        );
        let both = |share: f64| format!("{:.0} / {:.0}", percentile(&quiet.all, share), percentile(&beside.all, share));
        let range = format!("{:.2} to {:.2}", percentile(&ratios, 0.25), percentile(&ratios, 0.75));
        print!(" {} | {} | {ratio:.2} | {range} |", both(0.5), both(0.99));
        println!(" {:.0} / {:.0} | {} |", percentile(&quiet.close, 0.99), percentile(&beside.close, 0.99), both(1.0));
        if percentile(&cuts, 1.0) > limit.as_micros() as f64 {
            failed.push(format!("{plugin} was cut too late"));
        }
        if !(ratio <= SLOWER) {
            failed.push(format!("the neighbours of {plugin} were slower by more than a fifth"));
        }
    }
    println!();
    Ok(failed)
}

/// Processor time of each call that failed, microseconds.
fn cuts(hostile: &Admitted, tries: usize) -> anyhow::Result<Vec<f64>> {
    let mut instance = Instance::new(hostile).measured();
    let mut times = Vec::new();
    for n in 0..tries as i64 {
        for (at, value) in [(2 * n, 1.0), (2 * n + 1, TRIGGER)] {
            instance.evaluate(at * FASTER * 100_000, &[row(at, value)]);
        }
        let cuts = instance.take_cuts();
        anyhow::ensure!(!cuts.is_empty(), "it was not cut");
        times.extend(cuts.iter().map(|cut| cut.as_secs_f64() * 1e6));
    }
    times.sort_by(f64::total_cmp);
    Ok(times)
}

/// Of the good rules, in one turn; sorted.
fn latencies(rules: Vec<Admitted>, provoked: bool) -> anyhow::Result<Latencies> {
    let digest = rules[0].rule.digest.clone();
    let (out, mut said) = mpsc::channel::<FromRule>(4096);
    let runner = Runner::start(rules, out)?;
    let began = Instant::now();
    let strikes = Arc::new(AtomicUsize::new(0));
    let struck = Arc::clone(&strikes);
    // The first answers of all rules include their start.
    let (step, warm) = (Duration::from_millis(100) / NEIGHBOURS as u32, Duration::from_secs(1));
    let behind = move |at: Duration| Some(at.checked_sub(warm)?.as_micros() % PROVOKED_EVERY.as_micros());
    // `at` is the moment of handing over, in microseconds since the start.
    let listener = std::thread::spawn(move || {
        let mut taken = Latencies::default();
        while let Some(one) = said.blocking_recv() {
            match (&one.what, one.rule) {
                (Said::Strike { .. }, 0) => _ = struck.fetch_add(1, Ordering::Relaxed),
                (Said::Findings(_), 1..) => {
                    let took = began.elapsed().as_micros() as f64 - one.at as f64;
                    let Some(behind) = behind(Duration::from_micros(one.at as u64)) else { continue };
                    taken.all.push(took);
                    if behind < WINDOW.as_micros() {
                        taken.close.push(took);
                    }
                }
                _ => {}
            }
        }
        taken
    });
    let mut quarantined = false;
    for n in 0.. {
        let due = step * n;
        if due > warm + Duration::from_secs(TURN) {
            break;
        }
        std::thread::sleep(due.saturating_sub(began.elapsed()));
        let at = began.elapsed().as_micros() as i64;
        let rule = 1 + n as usize % NEIGHBOURS;
        if !runner.consult(rule, at, vec![row(at, 1.0)]) {
            bail!("rows of a good rule found no room");
        }
        if !quarantined && strikes.load(Ordering::Relaxed) >= STRIKES {
            quarantined = true;
            runner.quarantine(0, &digest, true);
        }
        if n % NEIGHBOURS as u32 == 0 {
            // Between two of the neighbours' moments: it has its own as well.
            std::thread::sleep((due + step / 2).saturating_sub(began.elapsed()));
            if quarantined && behind(due) == Some(PROVOKED_EVERY.as_micros() / 2) {
                quarantined = false;
                strikes.store(0, Ordering::Relaxed);
                runner.quarantine(0, &digest, false);
            }
            let provoke = provoked && behind(due) == Some(0);
            let at = due.as_micros() as i64;
            runner.consult(0, at * FASTER, vec![row(at, if provoke { TRIGGER } else { 1.0 })]);
        }
    }
    runner.stop(Duration::from_secs(10));
    drop(runner);
    let mut taken = listener.join().map_err(|_| anyhow::anyhow!("the listener panicked"))?;
    taken.sort();
    Ok(taken)
}
