//! `safety-brain store rebuild | stat`: the query side behind the journal. Safe beside a running daemon: what needs the databases is refused
//! or left out there. Must not know: how rows are kept.

use super::progress::Progress;
use crate::journal;
use crate::store::{self, FOLDER, Rebuilt, StoreStat};
use anyhow::ensure;
use clap::Subcommand;
use std::path::{Path, PathBuf};

/// `safety-brain store ...`
#[derive(clap::Args)]
#[command(after_help = after!("done", "refused, or failed", "store stat --data data", "store rebuild --data data"))]
pub struct StoreArgs {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Put the store aside and make it again from the journal; refused while a daemon runs
    #[command(after_help = after!("made again from the whole journal", "a daemon runs, or the journal is damaged: then all that can be read is in it", "store rebuild --data data", "store rebuild --data data --days 365"))]
    Rebuild {
        /// Data directory: the one that holds `journal/`
        #[arg(long)]
        data: PathBuf,
        /// UTC days to keep; without it all that the journal has, and the daemon drops what the site file does not keep
        #[arg(long, value_parser = clap::value_parser!(u32).range(1..))]
        days: Option<u32>,
        /// Print what was done as one JSON document
        #[arg(long)]
        json: bool,
    },
    /// Print days, rows, bytes, and how far the store is behind the journal; rows and distance only while no daemon runs
    #[command(after_help = after!("counted", "no journal there, or the store cannot be read", "store stat --data data", "store stat --data data --json"))]
    Stat {
        /// Data directory: the one that holds `journal/`
        #[arg(long)]
        data: PathBuf,
        /// Print it as one JSON document
        #[arg(long)]
        json: bool,
    },
}

/// Runs it.
///
/// # Errors
/// No journal there, a daemon runs (rebuild), or what went wrong.
pub fn run(args: StoreArgs) -> anyhow::Result<()> {
    match args.command {
        Command::Rebuild { data, days, json } => rebuild(&data, days.unwrap_or(u32::MAX), json),
        Command::Stat { data, json } => stat(&data, json),
    }
}

fn rebuild(data: &Path, days: u32, json: bool) -> anyhow::Result<()> {
    let dir = super::journal::folder(data)?;
    let held = journal::hold(&dir)?;
    ensure!(
        held.is_some(),
        "a daemon is using {}: stop it first, or let its next start do this (it makes a damaged store again by itself)",
        data.display()
    );
    let progress = Progress::over(journal::last(&dir)?, "making the store again");
    let mut lost = 0u64;
    let readable = journal::read(&dir, 1)?.filter_map(|record| {
        progress.pass(1);
        match record {
            // As the daemon does: one bad place does not keep the others from being asked for.
            Err(error) if journal::goes_on(&error) => {
                lost += 1;
                eprintln!("{error:#}");
                None
            }
            record => Some(record),
        }
    });
    let rebuilt = store::rebuild(&data.join(FOLDER), days, readable)?;
    drop(progress);
    if json {
        println!("{}", serde_json::to_string_pretty(&rebuilt)?);
    } else {
        told(&rebuilt);
    }
    ensure!(lost == 0, "{lost} places in the journal cannot be read; the store holds every other record");
    Ok(())
}

fn told(rebuilt: &Rebuilt) {
    if let Some(aside) = &rebuilt.aside {
        println!("aside     the store before is in {}; remove it when nothing is missed", aside.display());
    }
    println!("rebuilt   {} records, the last is {}", rebuilt.records, rebuilt.watermark);
    if rebuilt.nameless > 0 {
        println!("left out  {} readings of tags that no start names", rebuilt.nameless);
    }
}

fn stat(data: &Path, json: bool) -> anyhow::Result<()> {
    let dir = super::journal::folder(data)?;
    // Held while the databases are open: a daemon that starts meanwhile is told so, instead of running without its store.
    let held = journal::hold(&dir)?;
    let stat = store::stat(&data.join(FOLDER), held.is_some())?;
    let head = journal::last(&dir)?;
    let lag = stat.watermark.map(|watermark| head.saturating_sub(watermark));
    if json {
        let mut document = serde_json::to_value(&stat)?;
        document["daemon"] = held.is_none().into();
        document["journal"] = head.into();
        document["lag"] = lag.into();
        println!("{document:#}");
    } else {
        print(&stat, head, lag, held.is_none());
    }
    Ok(())
}

fn print(stat: &StoreStat, head: u64, lag: Option<u64>, daemon: bool) {
    const MIB: f64 = (1 << 20) as f64;
    for day in &stat.days {
        let rows = day.rows.map_or_else(|| "not counted".to_owned(), |rows| format!("{rows} rows"));
        let sealed = if day.sealed == Some(true) { "  sealed" } else { "" };
        println!("{} {:>10.1} MiB {rows:>16}{sealed}", day.day, day.bytes as f64 / MIB);
        if let Some(why) = &day.incomplete {
            println!("           NOT WHOLE: {why}");
        }
    }
    println!(
        "store     {} days, {:.1} MiB; put aside {:.1} MiB",
        stat.days.len(),
        stat.bytes as f64 / MIB,
        stat.quarantine_bytes as f64 / MIB
    );
    match (stat.watermark, lag) {
        (Some(watermark), Some(lag)) => println!("applied   up to record {watermark}, {lag} behind the journal's {head}"),
        _ if daemon => {
            println!("applied   a daemon holds the databases: ask it (/api/v1/health); the journal is at record {head}")
        }
        _ => println!("applied   nothing yet; the journal is at record {head}"),
    }
    if !stat.failed.is_empty() {
        println!("FAILED    {}; the next start makes it again", stat.failed);
    }
}
