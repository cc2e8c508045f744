//! `safety-brain journal verify | export`: for auditors. Reads only; safe beside a running daemon and on a copied directory.
//! Must not know: how records are kept.

use crate::journal::{self, FOLDER, Report};
use anyhow::{Context, bail, ensure};
use clap::{Args, Subcommand};
use std::io::{BufWriter, ErrorKind, Write};
use std::path::{Path, PathBuf};

/// `safety-brain journal ...`
#[derive(Debug, Args)]
pub struct JournalArgs {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Check every record: CRC, numbers, times, hash chain, anchors, seals
    Verify {
        /// Data directory: the one that holds `journal/`
        #[arg(long)]
        data: PathBuf,
        /// Print the report as one JSON document
        #[arg(long)]
        json: bool,
    },
    /// Print all records, one JSON document per line
    Export {
        /// Data directory: the one that holds `journal/`
        #[arg(long)]
        data: PathBuf,
        /// First record to print
        #[arg(long, default_value_t = 1)]
        from: u64,
        /// JSON lines; the only format, and the default
        #[arg(long)]
        json: bool,
    },
}

/// Runs it. An error where the journal is damaged, so that scripts see it in the exit status.
pub fn run(args: JournalArgs) -> anyhow::Result<()> {
    match args.command {
        Command::Verify { data, json } => verify(&folder(&data)?, json),
        Command::Export { data, from, json: _ } => export(&folder(&data)?, from),
    }
}

fn folder(data: &Path) -> anyhow::Result<PathBuf> {
    let dir = data.join(FOLDER);
    ensure!(dir.is_dir(), "there is no journal in {}: give the data directory of a site with --data", data.display());
    Ok(dir)
}

fn verify(dir: &Path, json: bool) -> anyhow::Result<()> {
    let report = journal::verify(dir)?;
    if json {
        println!("{}", serde_json::to_string_pretty(&report)?);
    } else {
        print!("{}", describe(&report));
    }
    match report.faults.first() {
        None => Ok(()),
        Some(first) => bail!(
            "the journal is damaged: {} faults, the first in {} at byte {}: {}",
            report.faults_total,
            first.file,
            first.offset,
            first.what
        ),
    }
}

fn describe(report: &Report) -> String {
    let mut text = format!(
        "site      {}\nsegments  {}\nrecords   {} ({} to {})\nhead      {}\n",
        report.site, report.segments, report.records, report.first_seq, report.last_seq, report.link
    );
    for fault in &report.faults {
        text += &format!("FAULT     {} at byte {}: {}\n", fault.file, fault.offset, fault.what);
    }
    if report.is_whole() {
        text += "whole     every record is as it was written; compare the head with a copy kept elsewhere\n";
    }
    text
}

/// One bad record does not hide the others: they are printed, and the error comes at the end.
fn export(dir: &Path, from: u64) -> anyhow::Result<()> {
    let mut out = BufWriter::new(std::io::stdout().lock());
    let mut bad = 0u64;
    for record in journal::read(dir, from)? {
        match record {
            Ok(record) => {
                let mut line = serde_json::to_vec(&record)?;
                line.push(b'\n');
                match out.write_all(&line) {
                    Err(e) if e.kind() == ErrorKind::BrokenPipe => return Ok(()),
                    written => written.context("cannot print the records")?,
                }
            }
            Err(e) => {
                bad += 1;
                eprintln!("{e:#}");
            }
        }
    }
    out.flush().context("cannot print the records")?;
    ensure!(bad == 0, "{bad} places in the journal cannot be read; every other record was printed");
    Ok(())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use brain::event::{Entry, Event};
    use clap::Parser;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        args: JournalArgs,
    }

    fn line(words: &[&str], data: &Path) -> anyhow::Result<()> {
        let words = [&["journal"], words, &["--data", data.to_str().unwrap()]].concat();
        run(Line::try_parse_from(words)?.args)
    }

    #[test]
    fn a_damaged_journal_is_an_error_and_a_missing_one_too() {
        let data = tempfile::tempdir().unwrap();
        let error = line(&["verify"], data.path()).unwrap_err().to_string();
        assert!(error.contains("there is no journal"), "{error}");
        let dir = data.path().join(FOLDER);
        let (journal, _) = journal::Journal::open(&dir, "site", journal::SEGMENT_BYTES_MIN).unwrap();
        for at in 0..3 {
            journal.append(at, &Entry::Event(Event::Stopped)).unwrap();
        }
        journal.close().unwrap();
        line(&["verify", "--json"], data.path()).unwrap();
        line(&["export", "--from", "2", "--json"], data.path()).unwrap();
        let file = dir.join("0000000001.seg");
        let mut bytes = std::fs::read(&file).unwrap();
        bytes[4096 + 45] ^= 1;
        std::fs::write(&file, bytes).unwrap();
        let error = line(&["verify"], data.path()).unwrap_err().to_string();
        assert!(error.contains("0000000001.seg at byte 4096"), "{error}");
        let error = line(&["export"], data.path()).unwrap_err().to_string();
        assert!(error.contains("1 places"), "{error}");
    }
}
