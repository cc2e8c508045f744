//! What it costs to ask the reference rule, in its sandbox and compiled natively. Must not know: threads, the brain.
//!
//! A thousand readings a second of sixteen detectors in clean air, in batches: the more of them, the longer between two calls. Both are asked in turn, with
//! the same rows, and the best of some rounds counts: a busy machine makes either slower, never faster.

use super::{Args, GAS, NUMBER, admitted, guests, native, row};
use brain::event::Row;
use safety_brain::rules::{Compiler, Engine, Instance};
use safety_brain_sdk::{Quality, Reading, Rule};
use std::time::{Duration, Instant};

const BATCHES: [usize; 5] = [1, 16, 64, 256, 1024];
const ROUNDS: usize = 20;
const ROUND: Duration = Duration::from_millis(100);
/// Time of a reading, microseconds.
const EVERY_US: i64 = 1000;

/// Nanoseconds of a reading by batch, and what a call costs that brings none.
pub fn beside_native(args: &Args) -> anyhow::Result<Vec<String>> {
    let mut missed = Vec::new();
    let folder = tempfile::tempdir()?;
    std::fs::copy(&args.rule, folder.path().join("gas-detector-0.1.0.wasm"))?;
    guests(&args.guests, folder.path())?;
    let engine = Engine::start(Compiler::Here)?;
    let tags: Vec<String> = (0..GAS).map(|n| format!("gas-{n}")).collect();
    let rule = ("gas-detector@0.1.0".to_owned(), format!("inputs = {{ gas = {tags:?} }}"));
    let idle = ("idle@1.0.0".to_owned(), NUMBER.to_owned());
    let rules = admitted(&engine, folder.path(), [rule, idle].into_iter(), None)?;
    let (mut idle, mut clock, mut fixed) = (Instance::new(&rules[1]), Clock::default(), f64::INFINITY);
    for _ in 0..ROUNDS {
        fixed = fixed.min(clock.round(0, |at, rows| drop(idle.evaluate(at, rows))));
    }
    if !(fixed <= 1000.0) {
        missed.push(format!("a call that does nothing took {fixed:.0} ns, target 1000"));
    }
    println!("A call of a rule that does nothing, with no rows, as a plant makes it: {fixed:.0} ns; target 1000.\n");
    println!("`gas-detector` with {GAS} tags; nanoseconds, best of {ROUNDS} rounds.\n");
    println!(
        "| rows of a call | sandbox, a call | native, a call | sandbox, a reading | native, a reading | ratio |\n|---|---|---|---|---|---|"
    );
    for batch in BATCHES {
        let mut instance = Instance::new(&rules[0]);
        let mut detector = native::started(&[("gas", GAS)], &[])?;
        let (mut inside, mut outside) = (f64::INFINITY, f64::INFINITY);
        let mut said = 0;
        let (mut here, mut there) = (Clock::default(), Clock::default());
        for _ in 0..ROUNDS {
            inside = inside.min(here.round(batch, |at, rows| {
                let answer = instance.evaluate(at, rows);
                assert!(answer.strikes.is_empty(), "{:?}", answer.strikes);
                said += answer.findings.len();
            }));
            let mut readings = Vec::new();
            outside = outside.min(there.round(batch, |at, rows| {
                readings.clear();
                let reading = |row: &Row| Reading {
                    handle: row.handle,
                    value: row.value,
                    quality: Quality(row.quality.0),
                    at: row.source_us,
                };
                readings.extend(rows.iter().map(reading));
                said += detector.evaluate(at, &readings).len();
            }));
        }
        anyhow::ensure!(said > 0, "a rule that says nothing did nothing");
        if batch == 256 && !(inside <= 3.0 * outside) {
            missed.push(format!("256 rows took {:.2} of native, target 3", inside / outside));
        }
        let each = batch as f64;
        println!(
            "| {batch} | {inside:.0} | {outside:.0} | {:.0} | {:.0} | {:.2} |",
            inside / each,
            outside / each,
            inside / outside
        );
    }
    println!();
    Ok(missed)
}

/// Goes on from round to round: time never goes back for a rule.
#[derive(Default)]
struct Clock {
    reading: i64,
}

impl Clock {
    /// Nanoseconds of a call, on average over a round.
    fn round(&mut self, batch: usize, mut call: impl FnMut(i64, &[Row])) -> f64 {
        let (mut calls, mut took) = (0_u32, Duration::ZERO);
        let mut rows = Vec::new();
        while took < ROUND {
            rows.clear();
            for _ in 0..batch {
                self.reading += 1;
                // Clean air: it moves, near nothing.
                let value = f64::from((self.reading * 7 % 10) as u32) / 10.0;
                rows.push(Row { handle: (self.reading % GAS as i64) as u32, ..row(self.reading * EVERY_US, value) });
            }
            self.reading += i64::from(batch == 0);
            let began = Instant::now();
            call(self.reading * EVERY_US, &rows);
            took += began.elapsed();
            calls += 1;
        }
        took.as_nanos() as f64 / f64::from(calls)
    }
}
