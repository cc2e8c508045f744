//! `plugin test` and `plugin bench`: timeline cases through the real sandbox, with the limits of every plant.
//! Must not know: how a case is written (that is the SDK's), how a rule is run.

use super::counted;
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
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

/// Folder of a rule's cases.
const FOLDER: &str = "cases";
/// Rows of one call, each measured for so long.
const SIZES: [usize; 5] = [1, 16, 64, 256, 1024];
const MEASURED: Duration = Duration::from_millis(300);

/// Lines of a rule's log that are shown of one case.
const LINES_SHOWN: usize = 20;

/// Lines of different words that are kept of one case.
const LINES_KEPT: usize = 1000;

/// By name.
type Cases = Vec<(String, Case)>;

/// Runs every case, and prints what differs.
pub(super) fn run(engine: &Engine, path: &Path, json: bool) -> Result<()> {
    let subject = Subject::open(engine, path)?;
    let mut told = Vec::new();
    let count = cases_of(&subject.package, path, |name, case, seen| match json {
        true => told.push(seen.json(name, case)),
        false => seen.print(name, case),
    });
    if json {
        println!("{:#}", json!({"good": count.is_ok(), "digest": subject.package.digest, "cases": told}));
        return count.map(drop);
    }
    println!("{}: {}, all good", folder(path).display(), counted(count?, "case"));
    Ok(())
}

/// Runs every case of the rule, and prints those that differ; how many there are.
pub(super) fn every_case(package: &Arc<Package>, path: &Path) -> Result<usize> {
    cases_of(package, path, |name, case, seen| {
        if !seen.faults.is_empty() {
            seen.print(name, case);
        }
    })
}

/// Runs every case of the rule, each told as soon as it was run; how many there are.
fn cases_of(package: &Arc<Package>, path: &Path, mut tell: impl FnMut(&str, &Case, &Seen)) -> Result<usize> {
    let (cases, mut failed) = (read(path)?, 0);
    for (name, case) in &cases {
        let seen = seen(package, case);
        tell(name, case, &seen);
        failed += usize::from(!seen.faults.is_empty());
    }
    ensure!(failed == 0, "{}: {failed} of {} failed", folder(path).display(), counted(cases.len(), "case"));
    Ok(cases.len())
}
/// Measures the rule on the rows of its first case.
pub(super) fn bench(engine: &Engine, path: &Path, json: bool) -> Result<()> {
    let (package, cases) = (Subject::open(engine, path)?.package, read(path)?);
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

fn read(path: &Path) -> Result<Cases> {
    let folder = folder(path);
    let remedy = if folder.is_dir() { "" } else { "; `safety-brain plugin new` makes a rule with one to begin from" };
    cases::folder(&folder).map_err(|why| anyhow!("{why}{remedy}"))
}

/// Where the cases of a rule lie.
fn folder(path: &Path) -> PathBuf {
    let beside = if path.is_dir() { path } else { path.parent().unwrap_or(Path::new("")) };
    beside.join(FOLDER)
}

/// Starts the rule as its first case binds it, and from its own snapshot, as admission does; then gives it the first row of every tag.
/// False where no case says what to bind.
pub(super) fn start(package: &Arc<Package>, path: &Path) -> Result<bool> {
    if !folder(path).is_dir() {
        return Ok(false);
    }
    let cases = read(path)?;
    let (name, case) = cases.first().context("a folder of cases is never empty")?;
    let trial = trial(package, case).map_err(|faults| anyhow!("as {name} binds it: {}", faults.join("; ")))?;
    let mut rows = BTreeMap::new();
    for row in batches(package, case, &trial)?.into_iter().flat_map(|(_, rows)| rows) {
        rows.entry(row.handle).or_insert(Row { source_us: micros(0.0), ..row });
    }
    let rows: Vec<Row> = rows.into_values().collect();
    match trial.instance().evaluate(micros(0.0), &rows).strikes.first() {
        Some(strike) => bail!("given the first row of every tag of {name}: {strike}"),
        None => Ok(true),
    }
}

/// What came of a case in the sandbox.
#[derive(Default)]
struct Seen {
    /// What differs from what the case says, or breaks the contract.
    faults: Vec<String>,
    /// What the rule logged: when first, the words, and how often again.
    lines: Vec<(f64, String, usize)>,
    /// Lines beyond what a plant shows, at its end.
    muted: u64,
}

impl Seen {
    fn print(&self, name: &str, case: &Case) {
        let Seen { faults, lines, muted } = self;
        println!("{name}: {}; {}", if faults.is_empty() { "good" } else { "FAILED" }, case.about);
        faults.iter().for_each(|fault| println!("  {fault}"));
        for (second, text, more) in lines.iter().take(LINES_SHOWN) {
            let more = if *more > 0 { format!(" (and {more} times more)") } else { String::new() };
            println!("  log at {second} s: {text}{more}");
        }
        if lines.len() > LINES_SHOWN {
            println!("  log: and {} of other words", counted(lines.len() - LINES_SHOWN, "line"));
        }
        if *muted > 0 {
            println!(
                "  log: at its end, {} more were not shown: a plant shows three a second after a burst of 20",
                counted(*muted as usize, "line")
            );
        }
    }

    fn json(&self, name: &str, case: &Case) -> serde_json::Value {
        let log: Vec<_> =
            self.lines.iter().map(|(second, text, more)| json!({"second": second, "text": text, "times": more + 1})).collect();
        json!({"name": name, "about": case.about, "good": self.faults.is_empty(), "faults": self.faults, "log": log, "muted": self.muted})
    }
}

fn seen(package: &Arc<Package>, case: &Case) -> Seen {
    let mut seen = Seen::default();
    let hazards: Vec<&str> = package.description.hazards.iter().map(|hazard| hazard.id.as_str()).collect();
    let begun = match case.unknown_hazards(&hazards) {
        unknown if unknown.is_empty() => trial(package, case),
        unknown => Err(unknown),
    };
    let batches = begun.and_then(|trial| {
        let batches = batches(package, case, &trial).map_err(|why| vec![why.to_string()])?;
        Ok((trial, batches))
    });
    match batches {
        Ok((trial, batches)) => judge(&mut seen, case, &trial, &batches),
        Err(faults) => seen.faults = faults,
    }
    seen
}

/// Three instances are given the same: the second must say the same as the first, and the third, which is taken down and put up again from its own
/// snapshot before every batch, must as well.
fn judge(seen: &mut Seen, case: &Case, trial: &Trial, batches: &[(f64, Vec<Row>)]) {
    let (mut instance, mut twin, mut restored) = (trial.instance(), trial.instance(), trial.instance());
    let (mut said, mut strikes, mut misfits) = (Vec::new(), Vec::new(), BTreeSet::new());
    for (second, rows) in batches {
        let at = micros(*second);
        let answer = instance.evaluate(at, rows);
        // As text, so that NaN is NaN.
        if format!("{:?}", twin.evaluate(at, rows)) != format!("{answer:?}") {
            seen.faults
                .push(format!("at {second} s: a second run says something else: what it says rests on more than its inputs"));
            return;
        }
        let again = restored.reborn(at).map(|()| restored.evaluate(at, rows));
        let forgot = match &again {
            Ok(again) if answer.strikes.is_empty() && again.strikes.is_empty() => {
                let (before, after) = (as_text(&answer.findings), as_text(&again.findings));
                (before != after).then(|| format!("{}: {}", cases::differing(&before, &after), cases::FORGETFUL))
            }
            Ok(again) if answer.strikes.is_empty() => Some(format!("restored from its own snapshot: {}", again.strikes[0])),
            Ok(_) => None,
            Err(strike) => Some(format!("its own snapshot is not taken up again: {strike}")),
        };
        if let Some(forgot) = forgot {
            seen.faults.push(format!("at {second} s, {forgot}"));
            return;
        }
        seen.muted = answer.muted;
        for line in &answer.lines {
            let text = line.text.escape_debug().to_string();
            match seen.lines.iter().position(|(_, known, _)| *known == text) {
                Some(known) => seen.lines[known].2 += 1,
                None if seen.lines.len() < LINES_KEPT => seen.lines.push((*second, text, 0)),
                None => {}
            }
        }
        strikes.extend(answer.strikes.iter().map(|strike| format!("at {second} s: {strike}")));
        if answer.skipped {
            strikes.push(format!("at {second} s: its rows were never judged"));
        }
        misfits.extend(answer.misfits);
        said.extend(answer.findings.into_iter().map(|finding| (*second, level(&finding), finding.hazard)));
    }
    let more = strikes.len().saturating_sub(1);
    seen.faults.extend(strikes.into_iter().next());
    if more > 0 {
        seen.faults.push(format!("and {more} more"));
    }
    seen.faults.extend(misfits);
    let said = said.iter().map(|(second, level, hazard)| (*second, hazard.as_str(), *level));
    seen.faults.extend(case.faults(&cases::spans(said, case.until)));
}

fn as_text(findings: &[Finding]) -> Vec<(String, String)> {
    findings.iter().map(|finding| (finding.hazard.clone(), format!("{finding:?}"))).collect()
}

fn trial(package: &Arc<Package>, case: &Case) -> Result<Trial, Vec<String>> {
    let tags: Vec<Bound> = case.tags().into_iter().map(|(tag, input, range)| Bound { tag, input, range }).collect();
    let param = |value: &Value| match value {
        Value::Flag(on) => Param::Flag(*on),
        Value::Number(number) => Param::Number(*number),
        Value::Text(text) => Param::Text(text.clone()),
        Value::Numbers(numbers) => Param::Numbers(numbers.clone()),
    };
    let trial = Trial::new(package, &tags, case.params.iter().map(|(name, value)| (name.clone(), param(value))).collect());
    trial.map_err(|faults| faults.iter().map(|fault| format!("{}: {fault}", case.place(&fault.key))).collect())
}

fn batches(package: &Package, case: &Case, trial: &Trial) -> Result<Vec<(f64, Vec<Row>)>> {
    let batches = case.batches(package.description.wants.tick_ms).map_err(|why| anyhow!(why))?;
    // As a plant has it, where no tag ranges beyond its input and what lies beyond its tag's range is impossible.
    let beyond = |row: &cases::Row| {
        let of = row.tag.split('/').next();
        package.description.inputs.iter().any(|i| Some(i.id.as_str()) == of && (row.value < i.low || row.value > i.high))
    };
    let row = |row: &cases::Row| {
        let Some(handle) = trial.handle(&row.tag) else { bail!("`{}` is bound to nothing", row.tag) };
        let quality = if beyond(row) && !row.quality.is_bad() { Quality::IMPOSSIBLE } else { Quality(row.quality.0) };
        Ok(Row { handle, value: row.value, quality, source_us: micros(row.second) })
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
