//! `safety-brain evidence export | verify | key`: all that led to an alarm and followed from it, as one signed file.
//! Must not know: how records are kept.

mod about;
mod check;
mod file;
mod gather;
#[cfg(test)]
mod tests;

use crate::key::{Key, Meaning};
use anyhow::{Context, bail, ensure};
use check::Report;
use gather::Wanted;
use std::io::Write;
use std::path::{Path, PathBuf};

/// `safety-brain evidence ...`
#[derive(clap::Args)]
pub struct EvidenceArgs {
    #[command(subcommand)]
    command: Command,
}

#[derive(clap::Subcommand)]
enum Command {
    /// Write all that led to an alarm and followed from it into one signed file; reads only, safe beside a running daemon
    Export {
        /// Data directory: the one that holds `journal/`
        #[arg(long)]
        data: PathBuf,
        /// Number of the alarm
        #[arg(long)]
        alarm: u64,
        /// File to write; must not exist
        #[arg(long, value_name = "FILE")]
        out: PathBuf,
        /// Readings from so many seconds before each change of the alarm's condition
        #[arg(long, default_value_t = 600, value_name = "SECONDS")]
        before: u32,
        /// Readings to so many seconds after it
        #[arg(long, default_value_t = 60, value_name = "SECONDS")]
        after: u32,
        /// Anchors kept elsewhere: the records go on until they reach one behind the alarm's last record
        #[arg(long, value_name = "FILE")]
        anchor: Option<PathBuf>,
        /// Print the report as one JSON document
        #[arg(long)]
        json: bool,
    },
    /// Check an evidence file; needs nothing but the file, and what was kept elsewhere
    Verify {
        /// Evidence file
        file: PathBuf,
        /// Public key of the site, as `evidence key` prints it
        #[arg(long, value_name = "KEY")]
        key: Option<String>,
        /// Anchors kept elsewhere, one line of `journal anchor` each
        #[arg(long, value_name = "FILE")]
        anchor: Option<PathBuf>,
        /// Print the report as one JSON document
        #[arg(long)]
        json: bool,
    },
    /// Print the public key that evidence of this data directory is signed with; made at first use
    Key {
        /// Data directory
        #[arg(long)]
        data: PathBuf,
        /// Print it as one JSON document
        #[arg(long)]
        json: bool,
    },
}

/// Runs it. An error where a file does not verify, so that scripts see it in the exit status.
///
/// # Errors
/// See there; or what is wrong with the file.
pub fn run(args: EvidenceArgs) -> anyhow::Result<()> {
    match args.command {
        Command::Export { data, alarm, out, before, after, anchor, json } => {
            let anchors = super::journal::anchors(anchor.as_deref(), None)?;
            let us = |seconds: u32| i64::from(seconds) * 1_000_000;
            let bytes = export(&data, &Wanted { alarm, before: us(before), after: us(after), anchors })?;
            // What is handed out has been read back as its receiver will read it.
            let report = check::check(&bytes, None, &[]);
            write(&out, &bytes)?;
            say(&report, json)?;
            ensure!(
                report.faults.is_empty(),
                "{} was written, but does not verify: the journal itself is at fault; run `safety-brain journal verify`",
                out.display()
            );
            Ok(())
        }
        Command::Verify { file, key, anchor, json } => {
            let anchors = super::journal::anchors(anchor.as_deref(), None)?;
            let bytes = std::fs::read(&file).with_context(|| format!("cannot read {}", file.display()))?;
            let report = check::check(&bytes, key.as_deref(), &anchors);
            say(&report, json)?;
            match report.faults.first() {
                None => Ok(()),
                Some(first) => {
                    bail!("{} is not what was made: {} faults, the first: {first}", file.display(), report.faults.len())
                }
            }
        }
        Command::Key { data, json } => {
            ensure!(data.is_dir(), "there is no data directory {}", data.display());
            let public = Key::of(&data)?.public();
            if json {
                println!("{}", serde_json::json!({ "key": public }));
            } else {
                println!("{public}");
            }
            Ok(())
        }
    }
}

fn export(data: &Path, wanted: &Wanted) -> anyhow::Result<Vec<u8>> {
    super::journal::folder(data)?;
    let key = Key::of(data)?;
    let mut bytes = gather::gather(data, wanted, key.public())?.body()?;
    let signature = key.sign(Meaning::Evidence, &bytes);
    bytes.extend(check::signature_line(&signature));
    Ok(bytes)
}

fn write(out: &Path, bytes: &[u8]) -> anyhow::Result<()> {
    let context = || format!("cannot write {}: it must not exist yet, and its folder must", out.display());
    let mut file = std::fs::File::create_new(out).with_context(context)?;
    file.write_all(bytes).and_then(|()| file.sync_all()).with_context(context)
}

fn say(report: &Report, json: bool) -> anyhow::Result<()> {
    if json {
        println!("{}", serde_json::to_string_pretty(report)?);
        return Ok(());
    }
    let time = |at| jiff::Timestamp::from_microsecond(at).map_or_else(|_| at.to_string(), |time| time.to_string());
    println!("site      {}\nalarm     {} {} in {}", report.site, report.alarm, report.hazard, report.zone);
    println!("made      {} by safety-brain {}\nkey       {}", time(report.made_at), report.program, report.key);
    println!("records   {} of {} to {}, {} about the alarm", report.records, report.range.0, report.range.1, report.story.len());
    println!(
        "readings  {} records covered by anchors of the journal, {} not; tags: {}",
        report.covered,
        report.uncovered,
        report.tags.join(", ")
    );
    println!("chain     to {}", report.link);
    if report.anchored > 0 {
        println!("anchored  all up to record {} is what an anchor kept elsewhere was made over", report.anchored);
    }
    for step in &report.story {
        println!("  {:<27} {:>10} {:<11} {}", time(step.at), step.seq, step.kind, step.changes.join(", "));
    }
    for note in &report.notes {
        println!("note      {note}");
    }
    for fault in &report.faults {
        println!("FAULT     {fault}");
    }
    if report.faults.is_empty() {
        println!("whole     every line is as it was signed, and every record as it was chained");
    }
    Ok(())
}
