//! Another version put in the place of a rule while readings come: what the others notice, and whether a reading is lost. Must not know: how a version is
//! installed, who decides.
//!
//! Twenty rules, each given a row a thousand times a second; latency is from handing a row over to its answer. Every other second a component that was never
//! seen before, the same code by another digest, is compiled in a process of its own and admitted as a plant does it, and begins beside rule 0. From there, its
//! compiling included, to 300 ms after the old one's end is "while it is swapped"; all else is "between".

use super::{Args, NUMBER, admitted, guests, percentile, row};
use anyhow::Context;
use brain::words::Text;
use safety_brain::rules::{Admitted, Compiler, Engine, FromRule, Package, Runner, Said};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::mpsc;

/// It counts, says so and logs nothing, unless it is given its trigger: a thousand lines a second were a strike.
const QUIET: &str = "poison-value";
const RULES: usize = 20;
const RATE: u64 = 20_000;
/// Between two swaps, and how long both run.
const SWAP_EVERY: Duration = Duration::from_secs(2);
const BOTH: Duration = Duration::from_millis(50);
const SETTLED: Duration = Duration::from_millis(300);

/// Swaps every other second.
pub fn at_work(args: &Args) -> anyhow::Result<Vec<String>> {
    let folder = tempfile::tempdir()?;
    guests(&args.guests, folder.path())?;
    let engine = Engine::start(Compiler::Apart(std::env::current_exe()?.with_file_name("safety-brain")))?;
    let rules = std::iter::repeat_n((format!("{QUIET}@1.0.0"), NUMBER.to_owned()), RULES);
    let rules = admitted(&engine, folder.path(), rules, None)?;
    let mut digest = rules[0].rule.digest.clone();
    let (out, mut said) = mpsc::channel::<FromRule>(1 << 16);
    let runner = Runner::start(rules, out)?;
    let began = Instant::now();
    // Rule, moment of handing over and of the answer, microseconds since the beginning.
    let listener = std::thread::spawn(move || {
        let mut answers: Vec<(usize, i64, i64)> = Vec::new();
        // Each of these rules says how many rows it, and those whose state it took over, were given.
        let mut counts = [0_u64; RULES];
        while let Some(one) = said.blocking_recv() {
            match one.what {
                Said::Findings(findings) => {
                    answers.push((one.rule, one.at, began.elapsed().as_micros() as i64));
                    let count = findings.first().and_then(|finding| counted(&finding.text));
                    counts[one.rule] = counts[one.rule].max(count.unwrap_or_default());
                }
                Said::Log { .. } => {}
                other => println!("rule {}: {other:?}", one.rule),
            }
        }
        (answers, counts)
    });
    let (component, engine) = (std::fs::read(folder.path().join(Package::file_name(QUIET, "1.0.0")))?, Arc::new(engine));
    let (mut swaps, mut made, mut begun) = (Vec::new(), None, None);
    let (mut given, mut last, mut next_swap) = (0_u64, 0, SWAP_EVERY);
    while began.elapsed() < Duration::from_secs(args.seconds) {
        let now = began.elapsed();
        if now >= next_swap {
            next_swap += SWAP_EVERY;
            let (engine, component, number) = (Arc::clone(&engine), component.clone(), swaps.len());
            made = Some((now, std::thread::spawn(move || other(&engine, component, number))));
        }
        if let Some((from, maker)) = made.take_if(|(_, maker)| maker.is_finished()) {
            let other = maker.join().map_err(|_| anyhow::anyhow!("the admission panicked"))??;
            begun = Some((from, now, other.rule.digest.clone()));
            runner.run_beside(0, Some(&digest), other);
        }
        if let Some((from, _, new)) = begun.take_if(|(_, beside, _)| now >= *beside + BOTH) {
            runner.end_beside(0, &digest);
            digest = new;
            swaps.push((from.as_micros() as i64, (now + SETTLED).as_micros() as i64));
        }
        let due = (now.as_secs_f64() * RATE as f64) as u64;
        while given < due {
            // Each row of a rule has a time of its own.
            let at = (began.elapsed().as_micros() as i64).max(last + 1);
            last = at;
            anyhow::ensure!(runner.consult((given % RULES as u64) as usize, at, vec![row(at, 1.0)]), "a row found no room");
            given += 1;
        }
        std::thread::sleep(Duration::from_micros(200));
    }
    runner.stop(Duration::from_secs(10));
    drop(runner);
    let (answers, counts) = listener.join().map_err(|_| anyhow::anyhow!("the listener panicked"))?;
    Ok(report(&answers, &swaps, (given, counts.iter().sum())))
}

/// The component with a section that means nothing, compiled and admitted.
fn other(engine: &Engine, mut component: Vec<u8>, number: usize) -> anyhow::Result<Admitted> {
    let name = format!("{number:08}");
    // A custom section: its kind, the length of all that follows, the length of its name.
    component.extend([0, name.len() as u8 + 1, name.len() as u8]);
    component.extend(name.bytes());
    let folder = tempfile::tempdir()?;
    std::fs::write(folder.path().join(Package::file_name(QUIET, "1.0.0")), component)?;
    let rules = admitted(engine, folder.path(), std::iter::once((format!("{QUIET}@1.0.0"), NUMBER.to_owned())), None)?;
    rules.into_iter().next().context("one rule")
}

fn counted(text: &Text) -> Option<u64> {
    let Text::Words(words) = text else { return None };
    words.en.split(|c: char| !c.is_ascii_digit()).find_map(|digits| digits.parse().ok())
}

fn report(answers: &[(usize, i64, i64)], swaps: &[(i64, i64)], (given, judged): (u64, u64)) -> Vec<String> {
    let swapped = |at: i64| swaps.iter().any(|(from, to)| (*from..*to).contains(&at));
    let latencies = |of: &dyn Fn(usize, i64) -> bool| {
        let mut all: Vec<f64> =
            answers.iter().filter(|(rule, at, _)| of(*rule, *at)).map(|(_, at, to)| (to - at) as f64).collect();
        all.sort_by(f64::total_cmp);
        all
    };
    println!(
        "{RULES} rules, {RATE} rows/s, {} swaps of rule 0; latency in us.\n\n| | p50 | p99 | worst |\n|---|---|---|---|",
        swaps.len()
    );
    let rows: [(&str, Vec<f64>); 3] = [
        ("other rules, between", latencies(&|rule, at| rule > 0 && !swapped(at))),
        ("other rules, while it is swapped", latencies(&|rule, at| rule > 0 && swapped(at))),
        ("rule 0, while it is swapped", latencies(&|rule, at| rule == 0 && swapped(at))),
    ];
    for (what, times) in &rows {
        println!("| {what} | {:.0} | {:.0} | {:.0} |", percentile(times, 0.5), percentile(times, 0.99), percentile(times, 1.0));
    }
    let longer = (percentile(&rows[1].1, 1.0) - percentile(&rows[0].1, 1.0)).max(0.0) / 1e3;
    println!("\n{given} rows given, {judged} judged; the others wait longer by {longer:.1} ms at worst; target 50.\n");
    let mut missed = Vec::new();
    if judged != given {
        missed.push(format!("of {given} rows {judged} were judged"));
    }
    if !(longer <= 50.0) {
        missed.push(format!("a swap made the others wait {longer:.1} ms longer, target 50"));
    }
    missed
}
