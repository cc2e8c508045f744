//! `safety-brain alarms report`: figures of the alarm system from the journal alone. Reads only; safe beside a running daemon.
//! Must not know: how records are kept, how figures are made.

use super::journal::folder;
use crate::daemon::snapshot;
use crate::journal;
use crate::performance::{By, PERIODS_MAX, Periods, csv, html};
use anyhow::Context;
use brain::event::{Entry, Event, Outcome, Record};
use brain::{Clock, Micros};
use clap::{Args, Subcommand, ValueEnum};
use std::path::{Path, PathBuf};

/// `safety-brain alarms ...`
#[derive(Debug, Args)]
#[command(after_help = after!("done", "no journal there, or it cannot be read", "alarms report --data data --by day"))]
pub struct AlarmsArgs {
    #[command(subcommand)]
    command: Command,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Format {
    /// A line per period, for spreadsheets
    Csv,
    /// A page to print
    Html,
    /// One JSON document
    Json,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Print rates, peaks, floods, worst offenders, times to acknowledge and shelves, per shift, day or month
    #[command(after_help = after!("printed", "no journal there, or it cannot be read", "alarms report --data data", "alarms report --data data --by shift --from 2026-11-01T00:00:00+08:00 --format html"))]
    Report {
        /// Data directory: the one that holds `journal/`
        #[arg(long)]
        data: PathBuf,
        /// What a row stands for, by Beijing time
        #[arg(long, value_enum, default_value = "day")]
        by: By,
        /// First moment, RFC 3339; the first record where nothing is said
        #[arg(long)]
        from: Option<jiff::Timestamp>,
        /// First moment behind it, RFC 3339; the last record where nothing is said
        #[arg(long)]
        to: Option<jiff::Timestamp>,
        /// How it is written
        #[arg(long, value_enum, default_value = "csv")]
        format: Format,
        /// As `--format json`
        #[arg(long, conflicts_with = "format")]
        json: bool,
    },
}

/// Runs it.
///
/// # Errors
/// There is no journal, it cannot be read, or more periods are asked for than a report holds.
pub fn run(args: AlarmsArgs) -> anyhow::Result<()> {
    let Command::Report { data, by, from, to, format, json } = args.command;
    let format = if json { Format::Json } else { format };
    let dir = folder(&data)?;
    let Begun { clock, first, last, site } = begun(&dir)?;
    let site = site.and_then(|digest| {
        let unread = |error: &anyhow::Error| {
            if by == By::Shift {
                eprintln!("warning: eight hours from midnight are counted as a shift: the site that names the shifts is not there: {error:#}");
            }
        };
        snapshot::site(&data, &digest).inspect_err(unread).ok()
    });
    let shifts = site.and_then(|site| site.rosters.first().map(brain::calendar::Roster::begins)).unwrap_or_default();
    let begins = first;
    let from = from.map_or(first, |from| from.as_microsecond());
    let to = to.map_or(last + 1, |to| to.as_microsecond());
    let mut periods = Periods::new(by, from, to, &shifts).with_context(|| {
        format!("from must come before to, and a report holds {PERIODS_MAX} periods at most: ask for less, or for longer ones")
    })?;
    for record in records(&dir)? {
        let record = record?;
        if let Entry::Outcome { outcome, .. } = &record.entry {
            for outcome in outcome {
                if let Outcome::Alarm { change, alarm } = outcome {
                    periods.take(clock.wall(record.at), *change, &clock.alarm(alarm));
                }
            }
        }
    }
    let report = periods.finish(&[], begins);
    match format {
        Format::Csv => print!("{}", csv(&report)),
        Format::Html => print!("{}", html("safety-brain", &report)),
        Format::Json => println!("{}", serde_json::to_string_pretty(&report)?),
    }
    Ok(())
}

fn records(dir: &Path) -> anyhow::Result<impl Iterator<Item = anyhow::Result<Record>>> {
    Ok(journal::read(dir, 1)?
        .map(|record| record.context("the journal cannot be read: `safety-brain journal verify` says where")))
}

/// What must be known of a record before it is counted.
struct Begun {
    /// How brain time reads on the wall clock.
    clock: Clock,
    /// Its first moment, wall clock.
    first: Micros,
    /// Its last.
    last: Micros,
    /// Digest of the last site.
    site: Option<String>,
}

fn begun(dir: &Path) -> anyhow::Result<Begun> {
    let (mut clock, mut first, mut last, mut site) = (Clock::default(), None, 0, None);
    for record in records(dir)? {
        let Record { at, entry, .. } = record?;
        (first, last) = (first.or(Some(at)), at);
        if let Entry::Event(Event::Clock { since, ahead, wrong }) = entry {
            clock.follow(at, since, ahead, wrong);
            continue;
        }
        clock.runs(at);
        if let Entry::Event(Event::Started { config, .. }) = entry {
            site = Some(config);
        }
    }
    let first = first.context("the journal is empty")?;
    let (from, to) = (clock.wall(first), clock.wall(last));
    Ok(Begun { clock, first: from, last: to, site })
}
