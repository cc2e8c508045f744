//! What storage costs on this machine, one table per subject: durable events beside a bare file and what others would use, readings
//! in packed blocks, queries as the data grows, recordings of real plants. Must not know: how any of it is done.

mod backtest;
mod engine;
mod events;
#[path = "../native.rs"]
mod native;
mod queries;
mod readings;
mod recordings;
mod shelf;

use clap::{Parser, ValueEnum};
use std::path::{Path, PathBuf};

/// As the daemon has it.
#[cfg(target_os = "linux")]
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

/// Measure the journal and the store on this machine.
#[derive(Parser)]
struct Args {
    /// A hundredth of the work: to see that it runs, not to read figures from
    #[arg(long)]
    quick: bool,
    /// What to measure
    #[arg(long, value_enum, value_delimiter = ',', default_value = "commits,opening,readings,queries,recordings")]
    only: Vec<Subject>,
    /// Folder on the disk to be measured
    #[arg(long, default_value = ".")]
    disk: PathBuf,
    /// Of `queries`: tags at 1 Hz
    #[arg(long, value_delimiter = ',', default_value = "50,200")]
    tags: Vec<u64>,
    /// Of `queries`: days on the disk, growing
    #[arg(long, value_delimiter = ',', default_value = "1,10,30")]
    days: Vec<u64>,
    /// Of `backtest`: the program
    #[arg(long, default_value = "target/release/safety-brain")]
    safety_brain: PathBuf,
    /// Of `backtest`: the rule, made by `safety-brain plugin build plugins/gas-detector --out target/bench-plugins`
    #[arg(long, default_value = "target/bench-plugins/gas-detector-0.1.0.wasm")]
    rule: PathBuf,
    /// Folder with recordings
    #[arg(long, env = "SAFETY_BRAIN_DATA", default_value = "../shared/data")]
    data: PathBuf,
}

#[derive(Clone, Copy, PartialEq, ValueEnum)]
enum Subject {
    Commits,
    Opening,
    Readings,
    Queries,
    Recordings,
    /// A rule over packed readings, in its sandbox and natively
    Backtest,
}

fn main() -> anyhow::Result<()> {
    let args = Args::parse();
    // SAFETY: no other thread runs yet. The program itself does so too.
    unsafe { safety_brain::store::sync_by_name() };
    let mut missed = Vec::new();
    for subject in &args.only {
        let place = tempfile::tempdir_in(&args.disk)?;
        match subject {
            Subject::Commits => events::commits(place.path(), args.quick)?,
            Subject::Opening => events::opening(place.path(), args.quick)?,
            Subject::Readings => readings::packed(place.path(), args.quick)?,
            Subject::Queries if args.quick => queries::asked(place.path(), &[2], &[1, 2])?,
            Subject::Queries => queries::asked(place.path(), &args.tags, &args.days)?,
            Subject::Backtest => missed = backtest::through_a_rule(place.path(), args.quick, &args.safety_brain, &args.rule)?,
            Subject::Recordings if args.data.exists() => recordings::packed(place.path(), &args.data)?,
            Subject::Recordings => println!("SKIPPED: recordings: nothing in {} (set SAFETY_BRAIN_DATA)\n", args.data.display()),
        }
    }
    anyhow::ensure!(missed.is_empty(), "missed: {}", missed.join("; "));
    Ok(())
}

/// Bytes the files below a folder take on the disk.
fn disk_bytes(folder: &Path) -> anyhow::Result<u64> {
    use std::os::unix::fs::MetadataExt;
    let mut bytes = 0;
    for entry in std::fs::read_dir(folder)? {
        let entry = entry?;
        let about = entry.metadata()?;
        bytes += if about.is_dir() { disk_bytes(&entry.path())? } else { about.blocks() * 512 };
    }
    Ok(bytes)
}

/// The value below which a share of all lies. Sorts them.
fn percentile(values: &mut [f64], share: f64) -> f64 {
    values.sort_by(f64::total_cmp);
    let last = values.len().saturating_sub(1);
    values.get((last as f64 * share).round() as usize).copied().unwrap_or(f64::NAN)
}
