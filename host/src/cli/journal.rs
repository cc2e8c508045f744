//! `safety-brain journal verify | export | stat | anchor`: for auditors. Reads only; safe beside a running daemon and on a copied directory.
//! Must not know: how records are kept.

use super::progress::Progress;
use crate::daemon::anchors;
use crate::daemon::room::{Bound, Disk, History};
use crate::daemon::storage;
use crate::journal::{self, FOLDER, Report, Stat};
use crate::key::Key;
use crate::notices::{cap, letter, received};
use anyhow::{Context, bail, ensure};
use brain::bureau::Event;
use brain::event::Entry;
use clap::{Args, Subcommand};
use std::collections::BTreeSet;
use std::io::{BufWriter, ErrorKind, IsTerminal, Write};
use std::path::{Path, PathBuf};

/// `safety-brain journal ...`
#[derive(Debug, Args)]
#[command(after_help = after!("done, and the journal is whole", "no journal there, or it is damaged", "journal verify --data data", "journal export --data data --from 1000"))]
pub struct JournalArgs {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Check every record, the archive's too: CRC, numbers, times, hash chain, anchors, seals
    #[command(after_help = after!("every record is as it was written", "damaged, rewritten, cut, or no journal there", "journal verify --data data", "journal verify --data data --anchor anchors.jsonl --json"))]
    Verify {
        /// Data directory: the one that holds `journal/`
        #[arg(long)]
        data: PathBuf,
        /// Anchors kept elsewhere, one line each as `journal anchor` prints them or as they were sent: the journal must still hold exactly these
        #[arg(long, value_name = "FILE")]
        anchor: Option<PathBuf>,
        /// Public key of the site, as `evidence key` prints it: each anchor must be signed with it
        #[arg(long, requires = "anchor")]
        key: Option<String>,
        /// Print the report as one JSON document
        #[arg(long)]
        json: bool,
    },
    /// Print all records, one JSON document per line; of pruned segments, the events in the archive
    #[command(after_help = after!("every record was printed", "some records cannot be read; every other one was printed", "journal export --data data", "journal export --data data --from 1000"))]
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
    /// Print how much is kept, by kind, how fast it grows, and how long the room for it lasts
    #[command(after_help = after!("counted", "no journal there", "journal stat --data data", "journal stat --data data --limit-gib 100 --journal-days 7 --json"))]
    Stat {
        /// Data directory: the one that holds `journal/`
        #[arg(long)]
        data: PathBuf,
        /// Say how many days are left until the journal has this many GiB: `journal_gib` of the site file; 16 where nothing is said, as there
        #[arg(long, value_name = "GIB", value_parser = positive)]
        limit_gib: Option<f64>,
        /// Days that readings stay in the journal: `journal_days` of the site file
        #[arg(long, value_name = "DAYS", value_parser = positive, default_value_t = 2.0)]
        journal_days: f64,
        /// Days that events are kept: `events_days` of the site file
        #[arg(long, value_name = "DAYS", value_parser = positive, default_value_t = 1095.0)]
        events_days: f64,
        /// Print it as one JSON document
        #[arg(long)]
        json: bool,
    },
    /// Print the head of the chain as one JSON line, signed where the site has a key: keep it on another machine, and give it to `journal verify --anchor`;
    /// at a bureau with --plant, the heads that it keeps of a plant
    #[command(after_help = after!("printed; what it covers is on disk", "no record there, the newest are damaged, or no head of that plant", "journal anchor --data data", "journal anchor --data bureau-data --plant works-1"))]
    Anchor {
        /// Data directory: the one that holds `journal/`
        #[arg(long)]
        data: PathBuf,
        /// Of a bureau's data directory: print every head that came from this plant, by itself or in a message, in the order of arrival
        #[arg(long, value_name = "NAME")]
        plant: Option<String>,
        /// A JSON line; the only format, and the default
        #[arg(long)]
        json: bool,
    },
}

/// Runs it. An error where the journal is damaged, so that scripts see it in the exit status.
pub fn run(args: JournalArgs) -> anyhow::Result<()> {
    match args.command {
        Command::Verify { data, anchor, key, json } => {
            let dir = folder(&data)?;
            // Before the journal is read: a running daemon goes on.
            let known = storage::known(&data);
            verify(&dir, &anchors(anchor.as_deref(), key.as_deref())?, known, json)
        }
        Command::Export { data, from, json: _ } => export(&ours(&data)?, from),
        Command::Stat { data, limit_gib, journal_days, events_days, json } => {
            let hint = if limit_gib.is_none() {
                " (16 GiB is the default of journal_gib; say the site file's with --limit-gib)"
            } else {
                ""
            };
            stat(&ours(&data)?, &bound(limit_gib, journal_days, events_days), hint, json)
        }
        Command::Anchor { data, plant: Some(plant), json: _ } => heads(&ours(&data)?, &plant),
        Command::Anchor { data, plant: None, json: _ } => {
            let head = journal::head(&ours(&data)?)?;
            let key = Key::existing(&data).map_err(|error| format!("{error:#}"));
            let key = key
                .and_then(|key| key.ok_or_else(|| "the site has no key yet; `safety-brain evidence key` makes one".to_owned()));
            if let Err(why) = &key {
                super::say(format_args!("not signed: {why}"));
            }
            println!("{}", serde_json::to_string(&anchors::signed(head, key.as_ref().ok()))?);
            Ok(())
        }
    }
}

/// Prints the heads that a bureau keeps of a plant, in the order in which they came.
fn heads(dir: &Path, plant: &str) -> anyhow::Result<()> {
    let (mut before, mut others, mut bad) = (None, BTreeSet::new(), 0u64);
    for record in journal::read(dir, 1)? {
        let record = match record {
            Ok(record) => record,
            Err(error) if journal::goes_on(&error) => {
                bad += 1;
                eprintln!("{error:#}");
                continue;
            }
            Err(error) => return Err(error).context("heads in the records behind this are not printed"),
        };
        let (of, head) = match record.entry {
            Entry::Bureau(Event::Anchored { plant, head }) => (plant, Some(head)),
            Entry::Bureau(Event::Reported { plant, message, .. }) => (plant, rode(&message)),
            _ => continue,
        };
        if of != plant {
            others.insert(of);
        } else if head.is_some() && head != before {
            println!("{}", head.as_deref().unwrap_or_default());
            before = head;
        }
    }
    ensure!(
        before.is_some(),
        "no head of a plant {plant} came to this bureau; plants that sent something: {}",
        others.into_iter().collect::<Vec<_>>().join(", ")
    );
    ensure!(bad == 0, "{bad} places in the journal cannot be read; every head in the others was printed");
    Ok(())
}

/// The head in a plant's message; none where it is not what it says.
fn rode(message: &str) -> Option<String> {
    let message = received::kept(&letter::unpack(message).ok()?).ok()?;
    let parameters = message.infos.into_iter().flat_map(|info| info.parameters);
    let head = parameters.into_iter().find(|parameter| parameter.name == cap::ANCHOR)?.value;
    anchors::read(head.as_bytes(), None).ok()
}

/// A number above 0.
fn positive(text: &str) -> Result<f64, String> {
    let number = text.parse::<f64>().ok().filter(|number| *number > 0.0 && number.is_finite());
    number.ok_or_else(|| "give a number above 0, for example 100".to_owned())
}

/// The journal of a data directory.
///
/// # Errors
/// There is none.
pub fn folder(data: &Path) -> anyhow::Result<PathBuf> {
    let dir = data.join(FOLDER);
    match dir.metadata() {
        Err(error) if error.kind() == ErrorKind::PermissionDenied => {
            bail!("{} may not be looked into: run this as the user of the daemon, or as root", data.display())
        }
        Ok(_) | Err(_) => {}
    }
    ensure!(dir.is_dir(), "there is no journal in {}: give the data directory of a site with --data", data.display());
    Ok(dir)
}

/// As [`folder`], for who writes into the data directory or takes it for a plant's: another program may have a folder of that name.
///
/// # Errors
/// There is none, or nothing in it is ours.
pub fn ours(data: &Path) -> anyhow::Result<PathBuf> {
    let dir = folder(data)?;
    ensure!(
        journal::site(&dir)?.is_some(),
        "no segment in {} is one of a journal of safety-brain that can be read: give the data directory of a site with --data, and where this is one, \
         see `safety-brain journal verify`",
        dir.display()
    );
    Ok(dir)
}

/// Anchors kept elsewhere: one line of `journal anchor` each, empty lines allowed. `key`: the public key that all of them must be signed with.
///
/// # Errors
/// The file cannot be read, or a line is no anchor or not signed as it says or should be; named by its number.
pub fn anchors(file: Option<&Path>, key: Option<&str>) -> anyhow::Result<Vec<journal::OutsideAnchor>> {
    let Some(file) = file else {
        return Ok(vec![]);
    };
    let text = std::fs::read_to_string(file).with_context(|| format!("cannot read the anchors in {}", file.display()))?;
    parsed_anchors(&file.display().to_string(), &text, key)
}

/// Anchors in a text; `file` is its name in errors, `key` who must have signed them.
pub(super) fn parsed_anchors(file: &str, text: &str, key: Option<&str>) -> anyhow::Result<Vec<journal::OutsideAnchor>> {
    let lines = text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty());
    let parse = |(index, line)| {
        let context = || format!("{file} line {}", index + 1);
        let anchor: journal::OutsideAnchor =
            serde_json::from_str(line).context("not a line of `journal anchor`").with_context(context)?;
        anchors::proved(&anchor, key).with_context(context)?;
        Ok(anchor)
    };
    let anchors: Vec<_> = lines.map(parse).collect::<anyhow::Result<_>>()?;
    ensure!(!anchors.is_empty(), "{file} holds no anchor: put lines of `safety-brain journal anchor` into it");
    Ok(anchors)
}

/// Verifies with a bar. All up to record `known` was once on disk.
pub fn check(dir: &Path, anchors: &[journal::OutsideAnchor], known: u64, what: &'static str) -> anyhow::Result<Report> {
    let progress = Progress::over(journal::bytes(dir)?, what);
    journal::verify_against(dir, anchors, known, &mut |bytes| progress.pass(bytes))
}

fn verify(dir: &Path, anchors: &[journal::OutsideAnchor], known: u64, json: bool) -> anyhow::Result<()> {
    let report = check(dir, anchors, known, "verifying")?;
    if json {
        println!("{}", serde_json::to_string_pretty(&report)?);
    } else {
        print!("{}", describe(&report));
    }
    match report.faults.first() {
        None => Ok(()),
        Some(first) => bail!(
            "the journal is damaged: {}, the first in {} at byte {}{}: {}",
            if report.faults_total == 1 { "1 fault".to_owned() } else { format!("{} faults", report.faults_total) },
            first.file,
            first.offset,
            first.seq.map_or_else(String::new, |seq| format!(" (record {seq})")),
            first.what
        ),
    }
}

fn describe(report: &Report) -> String {
    let mut text = format!(
        "site      {}\nsegments  {} ({} of them pruned to their events)\nrecords   {} ({} to {})\nhead      {}\n",
        report.site, report.segments, report.archived, report.records, report.first_seq, report.last_seq, report.link
    );
    if report.anchors_found > 0 {
        text += &format!("anchors   {} found, each exactly as it was kept elsewhere\n", report.anchors_found);
    }
    if report.anchors_older > 0 {
        text += &format!("anchors   {} are older than the first record here and cannot be checked\n", report.anchors_older);
    }
    for fault in &report.faults {
        text += &format!("FAULT     {} at byte {}: {}\n", fault.file, fault.offset, fault.what);
    }
    if report.tail_bytes > 0 {
        text += &format!(
            "tail      {} bytes behind record {} are no record: one that was never whole on disk, as a kill or a power cut leaves it, or the last ones damaged \
             since; only an anchor kept elsewhere can tell: verify with --anchor\n",
            report.tail_bytes, report.last_seq
        );
    }
    if report.is_whole() {
        let which = if report.tail_bytes > 0 { "every record up to there" } else { "every record" };
        text += &format!("whole     {which} is as it was written; compare the head with a copy kept elsewhere\n");
    }
    text
}

fn bound(limit_gib: Option<f64>, journal_days: f64, events_days: f64) -> Bound {
    let micros = |days: f64| (days * DAY_US as f64) as i64;
    Bound { bytes: (limit_gib.unwrap_or(16.0) * GIB) as u64, records: micros(journal_days), events: micros(events_days) }
}

/// `hint`: what is said behind the room for people.
fn stat(dir: &Path, bound: &Bound, hint: &str, json: bool) -> anyhow::Result<()> {
    let progress = Progress::over(journal::bytes(dir)?, "counting");
    let stat = journal::stat(dir, &mut |bytes| progress.pass(bytes))?;
    drop(progress);
    let growth = stat.bytes_per_day();
    let mut usage = journal::Gauge::new(dir).measure(stat.last_at)?;
    // Before the first segment is compressed: as it is written.
    usage.live_a_day = usage.live_a_day.or(growth);
    let room = History::default().measured(stat.last_at, Disk::of(dir)?, usage, bound);
    if json {
        let mut document = serde_json::to_value(&stat)?;
        document["bytes_per_day"] = serde_json::to_value(growth)?;
        document["compressed_per_day"] = serde_json::to_value(room.usage.live_a_day)?;
        document["disk_free_percent"] = serde_json::to_value(room.disk.free_percent())?;
        document["disk_days_left"] = serde_json::to_value(room.disk_days)?;
        document["journal_days_left"] = serde_json::to_value(room.journal_days)?;
        println!("{document:#}");
        return Ok(());
    }
    print!("{}", told(&stat)?);
    match growth {
        Some(growth) => println!("growth    {:.1} MiB a day as it is written", growth / MIB),
        None => println!("growth    not known before there is an hour of records"),
    }
    println!("room      {}{hint}", room.told(bound.bytes));
    Ok(())
}

const DAY_US: i64 = 86_400_000_000;
const MIB: f64 = (1 << 20) as f64;
const GIB: f64 = (1 << 30) as f64;

fn told(stat: &Stat) -> anyhow::Result<String> {
    let time = |at| jiff::Timestamp::from_microsecond(at);
    let mut text = format!(
        "site      {}\nsegments  {} ({} compressed), {:.1} MiB in files, {:.1} MiB as they were written\n\
         archive   {} segments pruned to their events, {:.1} MiB\nrecords   {} ({} to {})\ntime      {} to {}\n",
        stat.site,
        stat.segments,
        stat.compressed,
        stat.file_bytes as f64 / MIB,
        stat.used_bytes as f64 / MIB,
        stat.archived,
        stat.archive_bytes as f64 / MIB,
        stat.records,
        stat.first_seq,
        stat.last_seq,
        time(stat.first_at)?,
        time(stat.last_at)?
    );
    if (stat.first_wall, stat.last_wall) != (stat.first_at, stat.last_at) {
        let (first, last) = (time(stat.first_wall)?, time(stat.last_wall)?);
        text += &format!("wall      {first} to {last} by the wall clock of the plant; the time above is brain time\n");
    }
    for (kind, share) in &stat.kinds {
        let each = share.bytes / share.records.max(1);
        text += &format!("  {kind:<12} {:>10} records {:>14} bytes {each:>8} each\n", share.records, share.bytes);
    }
    if stat.lost > 0 {
        text += &format!("LOST      {} records cannot be read: run `safety-brain journal verify`\n", stat.lost);
    }
    Ok(text)
}

/// One bad record does not hide the others: they are printed, and the error comes at the end.
fn export(dir: &Path, from: u64) -> anyhow::Result<()> {
    let mut out = BufWriter::new(std::io::stdout().lock());
    let mut bad = 0u64;
    // Not among the records on one screen.
    let shown = !std::io::stdout().is_terminal();
    let progress = if shown { Some(Progress::over((journal::last(dir)? + 1).saturating_sub(from), "printing")) } else { None };
    for record in journal::read(dir, from)? {
        progress.iter().for_each(|progress| progress.pass(1));
        match record {
            Ok(record) => {
                let mut line = serde_json::to_vec(&record)?;
                line.push(b'\n');
                out.write_all(&line).context("cannot print the records")?;
            }
            Err(e) if journal::goes_on(&e) => {
                bad += 1;
                eprintln!("{e:#}");
            }
            Err(e) => return Err(e).context("the records behind this are not printed"),
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

    /// What the days left are reckoned with is what the site keeps, not what it would by default.
    #[test]
    fn the_room_is_reckoned_with_what_the_site_keeps() {
        let days = |words: &[&str]| {
            let words = [&["journal", "stat", "--data", "x"], words].concat();
            match Line::try_parse_from(words).unwrap().args.command {
                Command::Stat { limit_gib, journal_days, events_days, .. } => {
                    let Bound { records, events, .. } = bound(limit_gib, journal_days, events_days);
                    (records / DAY_US, events / DAY_US)
                }
                other => panic!("{other:?}"),
            }
        };
        assert_eq!(days(&[]), (2, 1095));
        assert_eq!(days(&["--journal-days", "7", "--events-days", "365"]), (7, 365));
        let usage = journal::Usage { live: 1 << 30, live_a_day: Some(GIB), ..journal::Usage::default() };
        let left = |days| {
            let disk = Disk { free: 1 << 40, total: 1 << 41 };
            History::default().measured(0, disk, usage, &bound(Some(5.0), days, 1095.0)).journal_days
        };
        assert_eq!((left(2.0), left(7.0)), (None, Some(4.0)), "two days fit into five GiB, seven do not");
    }

    /// The last group is gone, and looks as if it had never been there: what the store was given says that it was.
    #[test]
    fn a_journal_that_ends_before_what_the_store_was_given_is_damaged() {
        let data = tempfile::tempdir().unwrap();
        let (journal, _) = journal::Journal::open(&data.path().join(FOLDER), "site", journal::SEGMENT_BYTES_MIN).unwrap();
        for at in 0..3 {
            journal.append(at, &Entry::Event(Event::Stopped)).unwrap();
        }
        journal.close().unwrap();
        let given = |seq: u64| {
            let number = seq.to_le_bytes();
            std::fs::create_dir_all(data.path().join("store")).unwrap();
            std::fs::write(data.path().join("store/given"), [&number[..], &crc32c::crc32c(&number).to_le_bytes()].concat())
                .unwrap();
            line(&["verify"], data.path())
        };
        given(3).unwrap();
        let error = given(5).unwrap_err().to_string();
        assert!(
            error.contains("at record 3 instead of 5; records 4 to 5 (2) are lost") && error.contains("(record 4)"),
            "{error}"
        );
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
