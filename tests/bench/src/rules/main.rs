//! What rules cost on this machine, one table per subject: a call beside the same rule compiled natively, a thousand rules, a swap at work, hostile ones
//! beside good ones. Must not know: how any of it is done, the brain, the journal.

mod calls;
mod crowd;
mod hostile;
#[path = "../native.rs"]
mod native;
mod swap;

use anyhow::Context;
use brain::Quality;
use brain::event::Row;
use clap::{Parser, ValueEnum};
use safety_brain::config;
use safety_brain::rules::{Admitted, Cache, Engine, Package, Versions, admit, build};
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

/// The guest that does its work.
const GOOD: &str = "well-behaved";
/// What a rule of the guests is bound to.
const NUMBER: &str = "inputs = { values = [\"N\"] }";
/// Gas detectors of the plant.
const GAS: usize = 16;

/// Measure what rules cost on this machine.
#[derive(Parser)]
struct Args {
    /// What to measure
    #[arg(long, value_enum, value_delimiter = ',', default_value = "calls,crowd,swap,hostile")]
    only: Vec<Subject>,
    /// Of `swap`: seconds of the run. Of `hostile`: seconds of either kind for each rule, at most
    #[arg(long, default_value_t = 60)]
    seconds: u64,
    /// Of `hostile`: only this one
    #[arg(long)]
    guest: Option<String>,
    /// Of `hostile`: tries of the cut
    #[arg(long, default_value_t = 20)]
    tries: usize,
    /// The crate of the guests
    #[arg(long, default_value = "tests/hostile")]
    guests: PathBuf,
    /// The reference rule, made by `safety-brain plugin build plugins/gas-detector --out target/bench-plugins`
    #[arg(long, default_value = "target/bench-plugins/gas-detector-0.1.0.wasm")]
    rule: PathBuf,
}

#[derive(Clone, Copy, PartialEq, ValueEnum)]
enum Subject {
    /// A call in the sandbox beside the same rule compiled natively
    Calls,
    /// A thousand rules: start and memory
    Crowd,
    /// Another version put in the place of a rule at 20 000 readings/s
    Swap,
    /// Hostile rules beside a hundred good ones
    Hostile,
}

fn main() -> anyhow::Result<()> {
    let args = Args::parse();
    // As a plant has them.
    safety_brain::pace::short_turns();
    let mut missed = Vec::new();
    for subject in &args.only {
        missed.extend(match subject {
            Subject::Calls => calls::beside_native(&args)?,
            Subject::Crowd => crowd::of_a_thousand(&args)?,
            Subject::Swap => swap::at_work(&args)?,
            Subject::Hostile => hostile::beside_good_ones(&args)?,
        });
    }
    anyhow::ensure!(missed.is_empty(), "missed: {}", missed.join("; "));
    Ok(())
}

/// Builds the guests into a folder of plug-ins.
fn guests(from: &Path, into: &Path) -> anyhow::Result<()> {
    for module in build::core_modules(from, &["--examples"])? {
        let id = module.file_stem().context("a module has a name")?.to_string_lossy().replace('_', "-");
        std::fs::write(into.join(Package::file_name(&id, "1.0.0")), build::encode(&module)?)?;
    }
    Ok(())
}

/// Rules with the rest of their lines in the site file, admitted in a plant whose tags are `N`, a number, and `gas-0` to `gas-15`, %LEL.
fn admitted(
    engine: &Engine,
    plugins: &Path,
    rules: impl Iterator<Item = (String, String)>,
    cache: Option<&Cache>,
) -> anyhow::Result<Vec<Admitted>> {
    let title = "{ zh = \"b\", en = \"b\" }";
    let mut site = format!(
        "[site]\nid = \"bench\"\ntitle = {title}\nsender = \"bench@plant.example\"\nmode = \"test\"\n[plugins]\ndir = \"{}\"\nallow_unsigned = true\n\
         [[zone]]\nname = \"hall\"\ntitle = {title}\nladder = \"all\"\n\
         [[link]]\nname = \"field\"\nkind = \"mqtt\"\nhost = \"127.0.0.1\"\n[[link.topic]]\nfilter = \"b/+\"\npayload = \"scalar\"\ntag_level = 1\n\
         [[audience]]\nname = \"crew\"\ntitle = {title}\nchannel = \"console\"\n[[ladder]]\nname = \"all\"\n[[ladder.rung]]\nname = \"crew\"\naudience = \"crew\"\n\
         kind = \"at_once\"\nafter = {{ blue = \"0s\", yellow = \"0s\", orange = \"0s\", red = \"0s\" }}\n",
        plugins.display()
    );
    let gas = (0..GAS).map(|n| (format!("gas-{n}"), "%LEL", "gas"));
    for (tag, unit, quantity) in gas.chain([("N".to_owned(), "1", "number")]) {
        let _ = write!(
            site,
            "[[tag]]\nname = \"{tag}\"\ntitle = {title}\nzone = \"hall\"\nlink = \"field\"\nunit = \"{unit}\"\nquantity = \"{quantity}\"\nrange = [0, 1000]\n\
             period = \"1s\"\n"
        );
    }
    for (number, (plugin, lines)) in rules.enumerate() {
        let _ = write!(site, "[[rule]]\nname = \"rule-{number}\"\nplugin = \"{plugin}\"\nzone = \"hall\"\n{lines}\n");
    }
    let file = plugins.join("site.toml");
    std::fs::write(&file, site)?;
    let told = |faults: Vec<config::Fault>| anyhow::anyhow!("{faults:?}");
    let config = config::load(&file).map_err(told)?;
    admit(engine, &config, cache, &Versions::default()).map_err(told)
}

fn row(source_us: i64, value: f64) -> Row {
    Row { handle: 0, value, quality: Quality::GOOD, source_us }
}

fn percentile(sorted: &[f64], share: f64) -> f64 {
    let last = sorted.len().saturating_sub(1);
    sorted.get(((last as f64) * share).round() as usize).copied().unwrap_or(f64::NAN)
}
