//! Hostile rules beside a hundred good ones, in this process: how soon each is cut, and what the neighbours notice. Must not know: the brain, the journal.
//!
//! A good rule gets a row every 100 ms, at its own moment; latency is from handing it over to its answer. Each hostile rule runs twice, in turn: never
//! provoked, and provoked twice a minute, which is the most that happens before a plant quarantines it (3 strikes in 60 s; a poison batch is two).

use anyhow::{Context, bail};
use brain::Quality;
use brain::event::Row;
use clap::Parser;
use safety_brain::config;
use safety_brain::rules::{Admitted, Compiler, Engine, FromRule, Instance, Package, Runner, Said, Versions, admit, build};
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
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
/// What a cut may take beyond its budget.
const GRACE: Duration = Duration::from_millis(10);

/// Measure how hostile rules are cut, and what a hundred others notice.
#[derive(Parser)]
struct Args {
    /// Seconds of each run; two runs for each hostile rule
    #[arg(long, default_value_t = 30)]
    seconds: u64,
    /// Only this hostile rule
    #[arg(long)]
    only: Option<String>,
    /// Tries of the cut
    #[arg(long, default_value_t = 20)]
    tries: usize,
    /// The crate of the guests
    #[arg(long, default_value = "tests/hostile")]
    guests: PathBuf,
}

fn main() -> anyhow::Result<()> {
    let args = Args::parse();
    let folder = tempfile::tempdir()?;
    for module in build::core_modules(&args.guests, &["--examples"])? {
        let id = module.file_stem().context("a module has a name")?.to_string_lossy().replace('_', "-");
        std::fs::write(folder.path().join(Package::file_name(&id, "1.0.0")), build::encode(&module)?)?;
    }
    let engine = Engine::start(Compiler::Here)?;
    println!(
        "| hostile rule | cut, median ms | worst ms | limit ms | neighbours p50, us: alone / beside | p99, us: alone / beside | ratio |"
    );
    println!("|---|---|---|---|---|---|---|");
    let mut failed = Vec::new();
    for (plugin, budget_ms) in HOSTILE.into_iter().filter(|(plugin, _)| args.only.as_ref().is_none_or(|only| only == plugin)) {
        let rules = admitted(&engine, folder.path(), plugin)?;
        let cuts = cuts(&rules[0], args.tries)?;
        let limit = Duration::from_millis(budget_ms) + GRACE;
        let quiet = latencies(rules.clone(), args.seconds, false)?;
        let beside = latencies(rules, args.seconds, true)?;
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
    if !failed.is_empty() {
        bail!("{}", failed.join("; "));
    }
    Ok(())
}

/// Rule 0 is the hostile one.
fn admitted(engine: &Engine, plugins: &Path, hostile: &str) -> anyhow::Result<Vec<Admitted>> {
    let title = "{ zh = \"b\", en = \"b\" }";
    let mut site = format!(
        "[site]\nid = \"bench\"\ntitle = {title}\nsender = \"bench@plant.example\"\nmode = \"test\"\n[plugins]\ndir = \"{}\"\nallow_unsigned = true\n\
         [[zone]]\nname = \"hall\"\ntitle = {title}\nladder = \"all\"\n\
         [[link]]\nname = \"field\"\nkind = \"mqtt\"\nhost = \"127.0.0.1\"\n[[link.topic]]\nfilter = \"b/+\"\npayload = \"scalar\"\ntag_level = 1\n\
         [[tag]]\nname = \"N\"\ntitle = {title}\nzone = \"hall\"\nlink = \"field\"\nunit = \"1\"\nquantity = \"number\"\nrange = [0, 1000]\nperiod = \"1s\"\n\
         [[audience]]\nname = \"crew\"\ntitle = {title}\nchannel = \"console\"\n[[ladder]]\nname = \"all\"\n[[ladder.rung]]\nname = \"crew\"\naudience = \"crew\"\n\
         kind = \"at_once\"\nafter = {{ blue = \"0s\", yellow = \"0s\", orange = \"0s\", red = \"0s\" }}\n",
        plugins.display()
    );
    for (number, plugin) in std::iter::once(hostile).chain([("well-behaved"); NEIGHBOURS]).enumerate() {
        let _ = write!(
            site,
            "[[rule]]\nname = \"rule-{number}\"\nplugin = \"{plugin}@1.0.0\"\nzone = \"hall\"\ninputs = {{ values = [\"N\"] }}\n"
        );
    }
    let file = plugins.join("site.toml");
    std::fs::write(&file, site)?;
    let told = |faults: Vec<config::Fault>| anyhow::anyhow!("{faults:?}");
    let config = config::load(&file).map_err(told)?;
    admit(engine, &config, None, &Versions::default()).map_err(told)
}

fn row(n: i64, value: f64) -> Row {
    Row { handle: 0, value, quality: Quality::GOOD, source_us: n }
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

/// Latencies of the good rules, microseconds, sorted.
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
    let mut provocations = (1..=2).map(|n| warm + Duration::from_secs(seconds) * n / 3).collect::<Vec<_>>();
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
            let provoke = provoked && provocations.first().is_some_and(|when| due >= *when);
            if provoke {
                provocations.remove(0);
            }
            runner.consult(0, at, vec![row(at, if provoke { TRIGGER } else { 1.0 })]);
        }
    }
    runner.stop(Duration::from_secs(10));
    drop(runner);
    listener.join().map_err(|_| anyhow::anyhow!("the listener panicked"))?;
    let mut times = std::mem::take(&mut *taken.lock().expect("no panic holds it"));
    times.sort_by(f64::total_cmp);
    Ok(times)
}

fn percentile(sorted: &[f64], share: f64) -> f64 {
    let last = sorted.len().saturating_sub(1);
    sorted.get(((last as f64) * share).round() as usize).copied().unwrap_or(f64::NAN)
}
