//! `safety-brain store rebuild | stat`: the query side behind the journal. Safe beside a running daemon: what needs the databases is refused
//! or left out there. Must not know: how rows are kept.

use super::progress::Progress;
use crate::daemon::snapshot;
use crate::daemon::storage::Places;
use crate::journal;
use crate::store::{self, FOLDER, Rebuilt, StoreStat};
use anyhow::{Context, ensure};
use clap::Subcommand;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

#[cfg(test)]
mod tests;

/// `safety-brain store ...`
#[derive(clap::Args)]
#[command(after_help = after!("done", "refused, or failed", "store stat --data data", "store rebuild --data data"))]
pub struct StoreArgs {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Put aside what the journal has and make it again; days older than its readings are kept. Refused while a daemon runs
    #[command(after_help = after!("made again, and every day is whole", "a daemon runs; or a day is not whole, as the journal is damaged or no longer has its readings: then all that can be read is in it", "store rebuild --data data", "store rebuild --data data --days 365"))]
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
    /// Print days, rows, bytes, and how far the store is behind the journal; rows and distance only while no daemon runs, and where this user may write
    #[command(after_help = after!("counted", "no journal there, it has lost records, or the store cannot be read", "store stat --data data", "store stat --data data --json"))]
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
    let dir = super::journal::ours(data)?;
    let held = journal::hold(&dir)?;
    ensure!(
        held.is_some(),
        "a daemon is using {}: stop it first, or let its next start do this (it makes a damaged store again by itself)",
        data.display()
    );
    std::fs::create_dir_all(data.join(FOLDER)).with_context(|| format!("cannot make {}", data.join(FOLDER).display()))?;
    let alone = store::hold(&data.join(FOLDER))?;
    ensure!(alone.is_some(), "another process is using the store in {}: wait until it has ended", data.join(FOLDER).display());
    let last = journal::last(&dir)?;
    ensure!(
        last > 0,
        "no record of the journal in {} can be read, so nothing can be made from it: the store is left as it is; see `safety-brain journal verify`",
        dir.display()
    );
    let progress = Progress::over(last, "making the store again");
    let (mut places, mut holes) = (Places::new(&dir), 0u64);
    let read = |from: u64, through: u64, most: usize| {
        let batch = places.read(from, through, most, |hole| {
            holes += 1;
            eprintln!("{hole:#}");
        });
        batch.inspect(|batch| progress.pass(batch.records.len() as u64))
    };
    let rebuilt = store::rebuild(&data.join(FOLDER), days, snapshot::tags(data), last, read)?;
    drop(progress);
    if json {
        println!("{}", serde_json::to_string_pretty(&rebuilt)?);
    } else {
        told(&rebuilt);
    }
    ensure!(holes == 0, "{holes} places in the journal cannot be read; the store holds every other record");
    ensure!(
        rebuilt.incomplete.is_empty(),
        "{} days are not whole: what the journal no longer has was in no database either",
        rebuilt.incomplete.len()
    );
    Ok(())
}

fn told(rebuilt: &Rebuilt) {
    if let Some(aside) = &rebuilt.aside {
        println!("aside     what was replaced is in {}; remove it when nothing is missed", aside.display());
    }
    if let (Some(first), Some(last)) = (rebuilt.kept.first(), rebuilt.kept.last()) {
        println!("kept      {} days, {first} to {last}: the journal no longer has all of their readings", rebuilt.kept.len());
    }
    println!("rebuilt   {} records, the last is {}", rebuilt.records, rebuilt.watermark);
    if rebuilt.nameless > 0 {
        println!("left out  {} readings of tags that no start names", rebuilt.nameless);
    }
    rebuilt.incomplete.iter().for_each(|(date, why)| println!("NOT WHOLE {date}: {why}"));
}

fn stat(data: &Path, json: bool) -> anyhow::Result<()> {
    let dir = super::journal::ours(data)?;
    // The store alone is held while its databases are open: a daemon that starts meanwhile watches the plant, and waits for it.
    let folder = data.join(FOLDER);
    let (held, fixed) = match folder.exists().then(|| store::hold(&folder)) {
        // An investigator's copy: sled opens nothing where it may not write.
        Some(Err(error)) if is_fixed(&error) => (None, true),
        Some(held) => (Some(held?), false),
        None => (None, false),
    };
    let daemon = matches!(held, Some(None));
    let all = store::stat(&folder, false, &mut drop)?.days.iter().map(|day| day.bytes).sum();
    let progress = Progress::over(all, "counting");
    let stat = store::stat(&folder, !daemon && !fixed, &mut |bytes| progress.pass(bytes))?;
    drop(progress);
    let head = journal::last(&dir)?;
    let lag = stat.watermark.map(|watermark| head.saturating_sub(watermark));
    // The store was given only what was on disk: whatever it is ahead by, the journal has lost.
    let ahead = stat.watermark.map_or(0, |watermark| watermark.saturating_sub(head));
    if json {
        let mut document = serde_json::to_value(&stat)?;
        document["daemon"] = daemon.into();
        document["read_only"] = fixed.into();
        document["journal"] = head.into();
        document["lag"] = lag.into();
        document["ahead"] = ahead.into();
        println!("{document:#}");
    } else {
        print(&stat, head, lag, daemon, fixed);
    }
    let unread = stat.days.iter().filter(|day| day.unread.is_some()).count() + usize::from(stat.unread.is_some());
    ensure!(
        unread == 0,
        "{unread} databases of the store cannot be read: where the disk has room and this user may write there, a running daemon puts them aside and makes \
         them again by itself"
    );
    ensure!(ahead == 0, "the journal has lost {ahead} records that the store has: run `safety-brain journal verify`");
    Ok(())
}

/// This user may not write there, or nobody may.
fn is_fixed(error: &anyhow::Error) -> bool {
    let kinds = error.chain().filter_map(|cause| cause.downcast_ref::<std::io::Error>()).map(std::io::Error::kind);
    kinds.into_iter().any(|kind| matches!(kind, ErrorKind::ReadOnlyFilesystem | ErrorKind::PermissionDenied))
}

fn print(stat: &StoreStat, head: u64, lag: Option<u64>, daemon: bool, fixed: bool) {
    const MIB: f64 = (1 << 20) as f64;
    for day in &stat.days {
        let rows = match (&day.rows, &day.unread) {
            (Some(rows), _) => format!("{rows} rows"),
            (None, Some(_)) => "UNREADABLE".to_owned(),
            (None, None) if day.aside => "PUT ASIDE".to_owned(),
            (None, None) => "not counted".to_owned(),
        };
        let sealed = if day.sealed == Some(true) { "  sealed" } else { "" };
        println!("{} {:>10.1} MiB {rows:>16}{sealed}", day.day, day.bytes as f64 / MIB);
        if let Some(why) = &day.incomplete {
            println!("           NOT WHOLE: {why}");
        }
        if let Some(why) = &day.unread {
            println!("           {why}");
        }
    }
    println!(
        "store     {} days, {:.1} MiB; put aside {:.1} MiB",
        stat.days.len(),
        stat.bytes as f64 / MIB,
        stat.quarantine_bytes as f64 / MIB
    );
    if stat.quarantine_bytes > 0 {
        println!(
            "aside     in {FOLDER}/quarantine: what is whole is taken back by itself; remove the rest once no day lacks anything"
        );
    }
    match (stat.watermark, lag) {
        (Some(watermark), Some(_)) if watermark > head => println!(
            "AHEAD     applied up to record {watermark}, {} ahead of the journal's {head}: the journal has lost them",
            watermark - head
        ),
        (Some(watermark), Some(lag)) => println!("applied   up to record {watermark}, {lag} behind the journal's {head}"),
        _ if daemon => {
            println!("applied   a daemon holds the databases: ask it (/api/v1/health); the journal is at record {head}")
        }
        _ if fixed => println!(
            "applied   not known: the databases open only where this user may write; copy the data directory to such a place, and count there. The \
             journal is at record {head}"
        ),
        _ => println!("applied   nothing yet; the journal is at record {head}"),
    }
    if let Some(why) = &stat.unread {
        println!("UNREADABLE the state: {why}");
    }
    if !stat.failed.is_empty() {
        println!("FAILED    {}; the next start makes it again", stat.failed);
    }
}
