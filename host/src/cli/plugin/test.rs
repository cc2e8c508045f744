//! `plugin test` and `plugin bench`: timeline cases through the real sandbox, with the limits of every plant.
//! Must not know: how a case is written (that is the SDK's), how a rule is run.

use super::subject::Subject;
use crate::config::types::Param;
use crate::rules::trial::{Bound, Cost, Trial};
use crate::rules::{Engine, Package};
use anyhow::{Context, Result, anyhow, bail, ensure};
use brain::event::Row;
use brain::finding::{Finding, Verdict};
use brain::reading::Quality;
use brain::site::Severity;
use safety_brain_sdk::cases::{self, Case, Value};
use safety_brain_sdk::testing::micros;
use safety_brain_sdk::{Level, Severity as Said};
use serde_json::json;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

/// Folder of a rule's cases.
const FOLDER: &str = "cases";
/// Rows of one call, each measured for so long.
const SIZES: [usize; 5] = [1, 16, 64, 256, 1024];
const MEASURED: Duration = Duration::from_millis(300);

/// By name.
type Cases = Vec<(String, Case)>;

/// Runs every case, and prints what differs.
pub(super) fn run(engine: &Engine, path: &Path) -> Result<()> {
    let (package, cases) = opened(engine, path)?;
    let mut failed = 0;
    for (name, case) in &cases {
        let faults = faults(&package, case);
        println!("{name}: {}; {}", if faults.is_empty() { "good" } else { "FAILED" }, case.about);
        faults.iter().for_each(|fault| println!("  {fault}"));
        failed += usize::from(!faults.is_empty());
    }
    ensure!(failed == 0, "{}: {failed} of {} cases failed", path.join(FOLDER).display(), cases.len());
    println!("{}: {} cases, all good", path.join(FOLDER).display(), cases.len());
    Ok(())
}

/// Measures the rule on the rows of its first case.
pub(super) fn bench(engine: &Engine, path: &Path, json: bool) -> Result<()> {
    let (package, cases) = opened(engine, path)?;
    let (name, case) = cases.first().context("a folder of cases is never empty")?;
    let trial = trial(&package, case).map_err(|faults| anyhow!("{name}: {}", faults.join("; ")))?;
    let rows: Vec<Row> =
        batches(&package, case, &trial).map_err(|e| anyhow!("{name}: {e}"))?.into_iter().flat_map(|(_, rows)| rows).collect();
    ensure!(!rows.is_empty(), "{name}: a case without rows measures nothing");
    let (limits, mut calls, mut memory) = (package.limits(), Vec::new(), 0);
    for size in SIZES {
        let (cost, kib) = trial.cost(&rows, size, MEASURED).map_err(|strike| anyhow!("{name}: {size} rows: {strike}"))?;
        memory = memory.max(kib);
        calls.push(cost);
    }
    if json {
        let call = |cost: &Cost| {
            let (rows, ns) = (cost.rows, cost.ns / cost.rows as f64);
            json!({"rows": rows, "ns_per_row": ns, "ns_per_call": cost.ns, "fuel": cost.fuel, "fuel_max": cost.fuel_max})
        };
        let calls: Vec<_> = calls.iter().map(call).collect();
        let memory = json!({"kib": memory, "kib_max": limits.memory_kib});
        println!("{:#}", json!({"case": name, "calls": calls, "memory": memory, "deadline_ms": limits.deadline_ms}));
        return Ok(());
    }
    println!("{:>6} {:>12} {:>12} {:>12} {:>12}", "rows", "ns per row", "us per call", "fuel", "of at most");
    for Cost { rows, ns, fuel, fuel_max } in calls {
        println!("{rows:>6} {:>12.1} {:>12.1} {fuel:>12} {fuel_max:>12}", ns / rows as f64, ns / 1000.0);
    }
    println!("memory {memory} of {} KiB; a call may take {} ms", limits.memory_kib, limits.deadline_ms);
    Ok(())
}

fn opened(engine: &Engine, path: &Path) -> Result<(Arc<Package>, Cases)> {
    let subject = Subject::open(engine, path)?;
    let cases = cases::folder(&folder(path));
    let cases = cases.map_err(|why| anyhow!("{why}; `safety-brain plugin new` makes a rule with one to begin from"))?;
    Ok((subject.package, cases))
}

/// Where the cases of a rule lie.
fn folder(path: &Path) -> PathBuf {
    let beside = if path.is_dir() { path } else { path.parent().unwrap_or(Path::new("")) };
    beside.join(FOLDER)
}

/// Starts the rule as its first case binds it, and from its own snapshot, as admission does. False where no case says what to bind.
pub(super) fn start(package: &Arc<Package>, path: &Path) -> Result<bool> {
    if !folder(path).is_dir() {
        return Ok(false);
    }
    let cases: Cases = cases::folder(&folder(path)).map_err(|why| anyhow!(why))?;
    let (name, case) = cases.first().context("a folder of cases is never empty")?;
    trial(package, case).map_err(|faults| anyhow!("as {name} binds it: {}", faults.join("; ")))?;
    Ok(true)
}

/// What differs between a case and what the rule says of it in its sandbox.
fn faults(package: &Arc<Package>, case: &Case) -> Vec<String> {
    judged(package, case).unwrap_or_else(|faults| faults)
}

fn judged(package: &Arc<Package>, case: &Case) -> Result<Vec<String>, Vec<String>> {
    let trial = trial(package, case)?;
    let (mut instance, mut twin) = (trial.instance(), trial.instance());
    let (mut faults, mut said) = (Vec::new(), Vec::new());
    for (second, rows) in batches(package, case, &trial).map_err(|why| vec![why.to_string()])? {
        let answer = instance.evaluate(micros(second), &rows);
        // As text, so that NaN is NaN.
        if format!("{:?}", twin.evaluate(micros(second), &rows)) != format!("{answer:?}") {
            return Err(vec![format!(
                "at {second} s: a second run says something else: what it says rests on more than its inputs"
            )]);
        }
        faults.extend(answer.strikes.iter().map(|strike| format!("at {second} s: {strike}")));
        if answer.skipped {
            faults.push(format!("at {second} s: its rows were never judged"));
        }
        said.extend(answer.findings.into_iter().map(|finding| (second, level(&finding), finding.hazard)));
    }
    let said = said.iter().map(|(second, level, hazard)| (*second, hazard.as_str(), *level));
    faults.extend(case.faults(&cases::spans(said, case.until)));
    Ok(faults)
}

fn trial(package: &Arc<Package>, case: &Case) -> Result<Trial, Vec<String>> {
    let tags: Vec<Bound> = case.tags().into_iter().map(|(tag, input, range)| Bound { tag, input, range }).collect();
    let param = |value: &Value| match value {
        Value::Flag(on) => Param::Flag(*on),
        Value::Number(number) => Param::Number(*number),
        Value::Text(text) => Param::Text(text.clone()),
        Value::Numbers(numbers) => Param::Numbers(numbers.clone()),
    };
    Trial::new(package, &tags, case.params.iter().map(|(name, value)| (name.clone(), param(value))).collect())
}

fn batches(package: &Package, case: &Case, trial: &Trial) -> Result<Vec<(f64, Vec<Row>)>> {
    let batches = case.batches(package.description.wants.tick_ms).map_err(|why| anyhow!(why))?;
    let row = |row: &cases::Row| {
        let Some(handle) = trial.handle(&row.tag) else { bail!("`{}` is bound to nothing", row.tag) };
        Ok(Row { handle, value: row.value, quality: Quality(row.quality.0), source_us: micros(row.second) })
    };
    let batch = |(second, rows): (f64, Vec<cases::Row>)| Ok((second, rows.iter().map(row).collect::<Result<_>>()?));
    batches.into_iter().map(batch).collect()
}

fn level(finding: &Finding) -> Level {
    match (finding.verdict, finding.severity) {
        (Verdict::Clear, _) => Level::Clear,
        (Verdict::CannotTell, _) => Level::CannotTell,
        (Verdict::Active, Severity::Blue) => Level::Danger(Said::Blue),
        (Verdict::Active, Severity::Yellow) => Level::Danger(Said::Yellow),
        (Verdict::Active, Severity::Orange) => Level::Danger(Said::Orange),
        (Verdict::Active, Severity::Red) => Level::Danger(Said::Red),
    }
}
