//! `safety-brain evidence export | verify | key`: all that led to an alarm and followed from it, as one signed file.
//! Must not know: how records are kept.

mod about;
pub(super) mod check;
mod file;
mod gather;
mod pruned;
#[cfg(test)]
mod tests;
mod times;

use super::new_file;
use crate::key::{Key, Meaning};
use anyhow::{Context, bail, ensure};
use brain::Micros;
use check::Report;
use gather::Wanted;
use std::path::{Path, PathBuf};

/// `safety-brain evidence ...`
#[derive(clap::Args)]
#[command(after_help = after!("done, and the file is whole", "refused, or the file is not what was made", "evidence export --data data --alarm 7 --out alarm-7.jsonl", "evidence verify alarm-7.jsonl"))]
pub struct EvidenceArgs {
    #[command(subcommand)]
    command: Command,
}

#[derive(clap::Subcommand)]
enum Command {
    /// Write all that led to an alarm and followed from it into one signed file; reads only, safe beside a running daemon
    #[command(after_help = after!("written, read back and whole", "no such alarm, the file exists, the site has no key, or what is written does not verify", "evidence export --data data --alarm 7 --out alarm-7.jsonl", "evidence export --data data --alarm 7 --out alarm-7.jsonl --anchor anchors.jsonl"))]
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
        /// The site's key, where the data directory is a copy or a backup without `keys/evidence.key`: that file, brought here by who may have it
        #[arg(long, value_name = "FILE")]
        key_file: Option<PathBuf>,
        /// Print the report as one JSON document
        #[arg(long)]
        json: bool,
    },
    /// Check an evidence file; needs nothing but the file, and what was kept elsewhere
    #[command(after_help = after!("the file is what was made, and by the key that was given", "it was changed, cut, or made by another key", "evidence verify alarm-7.jsonl", "evidence verify alarm-7.jsonl --key ed25519:00ff --anchor anchors.jsonl"))]
    Verify {
        /// Evidence file
        file: PathBuf,
        /// Public key of the site, as `evidence key` prints it: the file must be signed with it, and each anchor too
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
    #[command(after_help = after!("printed", "there is no data directory, or the key cannot be used", "evidence key --data data"))]
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
        Command::Export { data, alarm, out, before, after, anchor, key_file, json } => {
            new_file::free(&out, "--out")?;
            super::journal::ours(&data)?;
            let key = key(&data, key_file.as_deref())?;
            let anchors = super::journal::anchors(anchor.as_deref(), None)?;
            let us = |seconds: u32| i64::from(seconds) * 1_000_000;
            let wanted = Wanted { alarm, before: us(before), after: us(after), scratch: new_file::beside(&out), anchors };
            let bytes = export(&data, &wanted, &key)?;
            // What is handed out has been read back as its receiver will read it.
            let report = check::check(&bytes, Some(&key.public()), &wanted.anchors);
            new_file::write(&out, &bytes)?;
            say(&report, json)?;
            ensure!(
                report.faults.is_empty(),
                "{} was written, but does not verify: the journal itself is at fault; run `safety-brain journal verify`",
                out.display()
            );
            Ok(())
        }
        Command::Verify { file, key, anchor, json } => {
            let anchors = super::journal::anchors(anchor.as_deref(), key.as_deref())?;
            let bytes = std::fs::read(&file).with_context(|| format!("cannot read {}", file.display()))?;
            let report = check::check(&bytes, key.as_deref(), &anchors);
            if report.key.is_empty() {
                bail!(
                    "{} is not what was made, or no evidence file: {}",
                    file.display(),
                    report.faults.last().map_or("nothing in it", String::as_str)
                );
            }
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

/// The site's key. None is made here: a copy of the record is not the site, and what another key signs proves nothing of it.
fn key(data: &Path, file: Option<&Path>) -> anyhow::Result<Key> {
    if let Some(file) = file {
        return Key::read(file);
    }
    Key::existing(data)?.with_context(|| {
        format!(
            "there is no key in {0} to sign with: at the site, `safety-brain evidence key --data {0}` makes one; on a copy or a backup give the site's with \
             --key-file, or export at the site",
            data.display()
        )
    })
}

fn export(data: &Path, wanted: &Wanted, key: &Key) -> anyhow::Result<Vec<u8>> {
    let mut bytes = gather::gather(data, wanted, key.public())?.body()?;
    let signature = key.sign(Meaning::Evidence, &bytes);
    bytes.extend(check::signature_line(&signature));
    Ok(bytes)
}

fn say(report: &Report, json: bool) -> anyhow::Result<()> {
    if json {
        println!("{}", serde_json::to_string_pretty(report)?);
        return Ok(());
    }
    // A name in a foreign file must not look like a line of ours.
    lines(report).iter().for_each(|line| println!("{}", line.replace(char::is_control, "\u{fffd}")));
    Ok(())
}

fn time(at: Micros) -> String {
    jiff::Timestamp::from_microsecond(at).map_or_else(|_| at.to_string(), |time| time.to_string())
}

fn lines(report: &Report) -> Vec<String> {
    let Report { site, alarm, hazard, zone, program, key, records, range, covered, uncovered, link, anchored, .. } = report;
    let mut lines = vec![
        format!("site      {site}"),
        format!("alarm     {alarm} {hazard} in {zone}"),
        format!("made      {} by safety-brain {program}", time(report.made_at)),
        format!("key       {key}"),
        format!("records   {records} of {} to {}, {} about the alarm", range.0, range.1, report.story.len()),
        format!(
            "readings  {covered} records covered by anchors of the journal, {uncovered} not; tags: {}",
            report.tags.join(", ")
        ),
        format!("chain     to {link}"),
    ];
    if *anchored > 0 {
        lines.push(format!("anchored  all up to record {anchored} is what an anchor kept elsewhere was made over"));
    }
    // Both times, where anywhere they are not the same.
    let apart = report.story.iter().any(|step| step.wall != Some(step.at));
    if apart {
        lines.push(
            "times     by the wall clock of the plant, then brain time, by which records and readings are dated".to_owned(),
        );
    }
    lines.extend(report.story.iter().map(|step| {
        let wall = step.wall.map_or_else(|| "not known".to_owned(), time);
        let brain = if apart { format!(" {:<27}", time(step.at)) } else { String::new() };
        format!("  {wall:<27}{brain} {:>10} {:<11} {}", step.seq, step.kind, step.changes.join(", "))
    }));
    lines.extend(report.notes.iter().map(|note| format!("note      {note}")));
    lines.extend(report.faults.iter().map(|fault| format!("FAULT     {fault}")));
    match (report.faults.is_empty(), report.lost.is_empty()) {
        (true, true) => lines.push("whole     every line is as it was signed, and every record as it was chained".to_owned()),
        (true, false) => lines.push("as made   every line is as it was signed; the journal lacked what the notes say".to_owned()),
        (false, _) => {}
    }
    lines
}
