//! A thousand rules: how soon they are at work from code that was compiled before, and what memory they take. Must not know: what they judge.

use super::{Args, GAS, admitted, row};
use safety_brain::rules::{Cache, Compiler, Engine, Instance};
use std::time::Instant;

const RULES: usize = 1_000;

/// Start and memory of as many instances of the reference rule, each with four detectors.
pub fn of_a_thousand(args: &Args) -> anyhow::Result<Vec<String>> {
    let folder = tempfile::tempdir()?;
    std::fs::copy(&args.rule, folder.path().join("gas-detector-0.1.0.wasm"))?;
    let cache = Cache::of(folder.path())?;
    let rule = |n: usize| {
        let tags: Vec<String> = (0..4).map(|tag| format!("gas-{}", (n + tag) % GAS)).collect();
        ("gas-detector@0.1.0".to_owned(), format!("inputs = {{ gas = {tags:?} }}"))
    };
    let start = |engine: &Engine| admitted(engine, folder.path(), (0..RULES).map(rule), Some(&cache));
    // Compiled once, and kept.
    drop(start(&Engine::start(Compiler::Here)?)?);

    let (before, began) = (resident_mb()?, Instant::now());
    let engine = Engine::start(Compiler::Here)?;
    let rules = start(&engine)?;
    let admitted_s = began.elapsed().as_secs_f64();
    let mut instances: Vec<Instance> = rules.iter().map(Instance::new).collect();
    for instance in &mut instances {
        let answer = instance.evaluate(1_000_000, &[row(1_000_000, 1.0)]);
        anyhow::ensure!(answer.strikes.is_empty() && !answer.skipped, "{:?}", answer.strikes);
    }
    let started_s = began.elapsed().as_secs_f64();
    let after = resident_mb()?;
    // A minute of work: what they hold by then.
    for second in 2..62 {
        for instance in &mut instances {
            instance.evaluate(second * 1_000_000, &[row(second * 1_000_000, 1.0)]);
        }
    }
    let held = resident_mb()? - before;
    println!(
        "{RULES} instances of `gas-detector` from compiled code: admitted in {admitted_s:.2} s, each has answered after {started_s:.2} s; target 1. \
         {:.0} MB more than before, {:.0} after a minute of work; target 200.\n",
        after - before,
        held
    );
    let mut missed = Vec::new();
    if !(started_s <= 1.0) {
        missed.push(format!("{RULES} instances answered after {started_s:.2} s, target 1"));
    }
    if !(held.max(after - before) <= 200.0) {
        missed.push(format!("{RULES} instances took {:.0} MB, target 200", held.max(after - before)));
    }
    Ok(missed)
}

/// What this process holds in memory, MB.
fn resident_mb() -> anyhow::Result<f64> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kb: f64 = line.unwrap_or_default().trim().trim_end_matches(" kB").parse()?;
    Ok(kb / 1000.0)
}
