//! Hostile rules beside a hundred good ones, in this process: how soon each is cut, and what the neighbours notice. Must not know: the brain, the journal.
//!
//! A good rule gets a row every 100 ms, at its own moment; latency is from handing it over to its answer. The same rules are at work twice: on one side the
//! hostile one is never provoked, on the other at the beginning of each of its seconds. The sides have rows by turns, a second each: what else the machine does
//! falls on either, the harm that a rule does on one. Each pair of seconds has its ratio, and their geometric mean is judged. There are pairs until it is known
//! well enough, or for as long as is given: then it is not known, which is no better than missed. After three strikes the hostile rule is quarantined, as a
//! plant does it, and released before it is provoked again, as no plant does it. All rows count; those of the 100 ms behind a provocation are shown as well.

use super::{Args, GOOD, NUMBER, admitted, guests, percentile, row};
use anyhow::{anyhow, ensure};
use safety_brain::rules::{Admitted, Compiler, Engine, FromRule, Instance, Runner, Said};
use std::collections::VecDeque;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
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
/// How much slower the neighbours may be.
const SLOWER: f64 = 1.2;
/// Pairs of seconds before a mean is believed.
const PAIRS_MIN: usize = 16;
/// Standard errors on either side of a mean, between which it is with 95 % at least, though there are few of them and it is looked at after each.
const SURE: f64 = 3.0;
/// What a cut may take beyond its time.
const GRACE: Duration = Duration::from_millis(10);
/// From a row of a good rule to the next.
const ROWS_EVERY: Duration = Duration::from_millis(100);
/// Rows of all good rules in a turn, which is a second.
const ROWS: u32 = 1000;
/// How long behind a provocation the neighbours' rows are shown by themselves.
const WINDOW: Duration = Duration::from_millis(100);
/// The hostile rule's batch time goes so much faster that it takes a snapshot with each batch.
const FASTER: i64 = 120;
/// Strikes that quarantine it, as where a site says nothing.
const STRIKES: usize = 3;

/// Latencies, microseconds: of all rows, and of those close behind where a provocation is or would be.
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

/// What is known of the ratio from those of pairs of turns.
struct Ratio {
    pairs: usize,
    /// Geometric.
    mean: f64,
    /// It is hardly below, by those that there are.
    low: f64,
    /// It is hardly above.
    high: f64,
}

impl Ratio {
    fn of(pairs: &[f64]) -> Ratio {
        let count = pairs.len() as f64;
        let mean = pairs.iter().map(|ratio| ratio.ln()).sum::<f64>() / count;
        let variance = pairs.iter().map(|ratio| (ratio.ln() - mean).powi(2)).sum::<f64>() / (count - 1.0);
        let error = SURE * (variance / count).sqrt();
        Ratio { pairs: pairs.len(), mean: mean.exp(), low: (mean - error).exp(), high: (mean + error).exp() }
    }

    /// More pairs would hardly say otherwise.
    fn tells(&self) -> bool {
        self.pairs >= PAIRS_MIN && (self.high <= SLOWER || self.low > SLOWER)
    }
}

/// A row for each hostile rule.
pub fn beside_good_ones(args: &Args) -> anyhow::Result<Vec<String>> {
    let folder = tempfile::tempdir()?;
    guests(&args.guests, folder.path())?;
    let engine = Engine::start(Compiler::Here)?;
    println!(
        "| hostile rule | cut, median ms | worst ms | limit ms | neighbours p50, us: alone / beside | p99, us: alone / beside | ratio | between, with 95 % | \
         p99 within 100 ms | worst |"
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
        let (mut calm, mut stirred) = (Side::start(rules.clone(), false)?, Side::start(rules, true)?);
        // The first answers of all rules include their start.
        _ = (calm.turn()?, stirred.turn()?);
        while (ratios.len() as u64) < args.seconds && !Ratio::of(&ratios).tells() {
            // Whoever comes first in one pair comes second in the next.
            let (one, other) = if ratios.len() % 2 == 0 {
                (calm.turn()?, stirred.turn()?)
            } else {
                let other = stirred.turn()?;
                (calm.turn()?, other)
            };
            ratios.push(percentile(&other.all, 0.99) / percentile(&one.all, 0.99));
            quiet.extend(one);
            beside.extend(other);
        }
        calm.stop()?;
        stirred.stop()?;
        let ratio = Ratio::of(&ratios);
        quiet.sort();
        beside.sort();
        print!(
            "| {plugin} | {:.1} | {:.1} | {} |",
            percentile(&cuts, 0.5) / 1e3,
            percentile(&cuts, 1.0) / 1e3,
            limit.as_millis()
        );
        let both = |share: f64| format!("{:.0} / {:.0}", percentile(&quiet.all, share), percentile(&beside.all, share));
        print!(" {} | {} | {:.2} | ", both(0.5), both(0.99), ratio.mean);
        print!("{:.2} to {:.2}, {} pairs |", ratio.low, ratio.high, ratio.pairs);
        println!(" {:.0} / {:.0} | {} |", percentile(&quiet.close, 0.99), percentile(&beside.close, 0.99), both(1.0));
        if percentile(&cuts, 1.0) > limit.as_micros() as f64 {
            failed.push(format!("{plugin} was cut too late"));
        }
        if ratio.tells() && ratio.low > SLOWER {
            failed.push(format!("the neighbours of {plugin} were slower by more than a fifth"));
        } else if !ratio.tells() {
            failed.push(format!(
                "whether the neighbours of {plugin} were slower by more than a fifth is not known after {} pairs",
                ratio.pairs
            ));
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
        ensure!(!cuts.is_empty(), "it was not cut");
        times.extend(cuts.iter().map(|cut| cut.as_secs_f64() * 1e6));
    }
    times.sort_by(f64::total_cmp);
    Ok(times)
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The hostile rule and the good ones at work.
struct Side {
    runner: Runner,
    digest: String,
    provoked: bool,
    began: Instant,
    heard: Arc<Heard>,
    /// At the end of its last turn.
    strikes: usize,
    quarantined: bool,
    listener: JoinHandle<()>,
}

/// What a side's rules said.
struct Heard {
    /// By rule, the moments of handing over of rows without an answer, microseconds since the side began.
    waiting: Vec<Mutex<VecDeque<i64>>>,
    /// Moment of handing over and latency of each answered row, microseconds.
    answered: Mutex<Vec<(i64, f64)>>,
    strikes: AtomicUsize,
}

impl Side {
    fn start(rules: Vec<Admitted>, provoked: bool) -> anyhow::Result<Side> {
        let digest = rules[0].rule.digest.clone();
        let waiting = rules.iter().map(|_| Mutex::default()).collect();
        let heard = Arc::new(Heard { waiting, answered: Mutex::default(), strikes: AtomicUsize::new(0) });
        let (out, mut said) = mpsc::channel::<FromRule>(4096);
        let (runner, began) = (Runner::start(rules, out)?, Instant::now());
        let hears = Arc::clone(&heard);
        let listener = std::thread::spawn(move || {
            while let Some(one) = said.blocking_recv() {
                match (&one.what, one.rule) {
                    (Said::Strike { .. }, 0) => _ = hears.strikes.fetch_add(1, Ordering::Relaxed),
                    // An answer is to all that waited.
                    (Said::Findings(_), 1..) => {
                        let (now, mut waits) = (began.elapsed().as_micros() as f64, lock(&hears.waiting[one.rule]));
                        while let Some(at) = waits.pop_front_if(|at| *at <= one.at) {
                            lock(&hears.answered).push((at, now - at as f64));
                        }
                    }
                    _ => {}
                }
            }
        });
        Ok(Side { runner, digest, provoked, began, heard, strikes: 0, quarantined: false, listener })
    }

    /// A second of rows, until each has its answer; sorted.
    fn turn(&mut self) -> anyhow::Result<Latencies> {
        let (begins, step) = (self.began.elapsed(), ROWS_EVERY / NEIGHBOURS as u32);
        let strikes = self.heard.strikes.load(Ordering::Relaxed);
        ensure!(strikes == self.strikes, "the hostile rule was at it when the other side had its turn");
        for n in 0..ROWS {
            let due = begins + step * n;
            std::thread::sleep(due.saturating_sub(self.began.elapsed()));
            let (at, rule) = (self.now(), 1 + n as usize % NEIGHBOURS);
            lock(&self.heard.waiting[rule]).push_back(at);
            ensure!(self.runner.consult(rule, at, vec![row(at, 1.0)]), "rows of a good rule found no room");
            if !self.quarantined && self.heard.strikes.load(Ordering::Relaxed) >= strikes + STRIKES {
                self.quarantined = true;
                self.runner.quarantine(0, &self.digest, true);
            }
            if n % NEIGHBOURS as u32 == 0 {
                // Between two of the neighbours' moments: it has its own as well.
                std::thread::sleep((due + step / 2).saturating_sub(self.began.elapsed()));
                if self.quarantined && n == 0 {
                    self.quarantined = false;
                    self.runner.quarantine(0, &self.digest, false);
                }
                let (at, provoke) = (self.now(), self.provoked && n == 0);
                self.runner.consult(0, at * FASTER, vec![row(at, if provoke { TRIGGER } else { 1.0 })]);
            }
        }
        let patience = self.began.elapsed() + Duration::from_secs(5);
        while self.heard.waiting.iter().any(|waits| !lock(waits).is_empty()) {
            ensure!(self.began.elapsed() < patience, "a row was not answered");
            std::thread::sleep(Duration::from_millis(1));
        }
        self.strikes = self.heard.strikes.load(Ordering::Relaxed);
        let mut taken = Latencies::default();
        for (at, latency) in lock(&self.heard.answered).drain(..) {
            taken.all.push(latency);
            if at - (begins.as_micros() as i64) < WINDOW.as_micros() as i64 {
                taken.close.push(latency);
            }
        }
        taken.sort();
        Ok(taken)
    }

    fn now(&self) -> i64 {
        self.began.elapsed().as_micros() as i64
    }

    fn stop(self) -> anyhow::Result<()> {
        ensure!(self.runner.stop(Duration::from_secs(10)) == 0, "a thread of the rules goes on, and would take from the next");
        drop(self.runner);
        self.listener.join().map_err(|_| anyhow!("the listener panicked"))
    }
}
