//! `safety-brain backtest`: a rule over recorded history, in the sandbox of every plant; two versions, or a version and what really happened, held
//! against each other. Must not know: how history is kept, how a rule is run.

mod compare;
mod job;
mod report;
mod source;
mod told;

use super::intervals::Interval;
use super::new_file;
use super::plugin::subject::Subject;
use super::progress::Progress;
use crate::config::Config;
use crate::config::types::Rule;
use crate::rules::{Admitted, Engine, try_out};
use anyhow::{bail, ensure};
use brain::Micros;
use compare::compare;
use job::Job;
use report::{Ran, Report, Version};
use source::{Actual, Portion, Walked};
use std::io::Write;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

/// Run a rule over recorded history.
#[derive(clap::Args)]
#[command(after_help = after!("gone through to the end, whatever was found", "the rule is refused, or the record cannot be read", "backtest --config site.toml --bundle gas-2.0.0.sbrule --data data", "backtest --config site.toml --bundle gas-2.sbrule --data data --actual", "backtest --config site.toml --bundle my-rule --against gas-1.sbrule --file day.csv"))]
#[command(group(clap::ArgGroup::new("past").required(true).args(["data", "files"])))]
pub struct BacktestArgs {
    /// Site file: what its rules with this plug-in are bound to, and their parameters
    #[arg(long, value_name = "FILE")]
    config: PathBuf,
    /// The version to try (A): a bundle, a component, or the folder of a rule
    #[arg(long, value_name = "FILE")]
    bundle: PathBuf,
    /// Another version (B) to hold it against
    #[arg(long, value_name = "FILE", conflicts_with = "actual")]
    against: Option<PathBuf>,
    /// Hold it against the alarms that really were (B)
    #[arg(long, conflicts_with = "files")]
    actual: bool,
    /// Only this rule of the site file; without it every rule with this plug-in
    #[arg(long, value_name = "NAME")]
    rule: Option<String>,
    /// Data directory: its packed store or, while a daemon runs, its journal
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
    /// Recorded file, read by the site file's `recording` link; may be given several times, each begins from nothing
    #[arg(long = "file", value_name = "CSV")]
    files: Vec<PathBuf>,
    /// First moment, RFC 3339: the rule begins here and knows nothing; without it all there is
    #[arg(long, value_name = "TIME", conflicts_with = "files")]
    from: Option<jiff::Timestamp>,
    /// First moment behind it, RFC 3339
    #[arg(long, value_name = "TIME", conflicts_with = "files")]
    to: Option<jiff::Timestamp>,
    /// Print everything as one JSON document
    #[arg(long)]
    json: bool,
    /// Write the findings into this new file instead of printing them: file, start, end, level, hazard, rule of the site file, and by which version (A, B)
    #[arg(long, value_name = "CSV")]
    findings: Option<PathBuf>,
    /// Development: let what nobody signed run
    #[arg(long)]
    allow_unsigned: bool,
}

/// Runs it.
///
/// # Errors
/// The site file or the rule is refused, or the record cannot be read.
pub fn run(args: BacktestArgs) -> anyhow::Result<()> {
    let mut config = super::load(&args.config)?;
    super::allow_unsigned(&mut config, args.allow_unsigned);
    let within =
        args.from.map_or(0, jiff::Timestamp::as_microsecond)..args.to.map_or(Micros::MAX, jiff::Timestamp::as_microsecond);
    ensure!(within.start < within.end, "--from must come before --to");
    if let Some(path) = &args.findings {
        new_file::free(path, "--findings")?;
    }
    let engine = super::engine()?;
    let mut versions = vec![Tried::open(&engine, &config, &args.bundle, &args)?];
    if let Some(against) = &args.against {
        versions.push(Tried::open(&engine, &config, against, &args)?);
        let [a, b] = [&versions[0], &versions[1]].map(|tried| tried.rules.iter().map(|(rule, _)| *rule).collect::<Vec<_>>());
        ensure!(a == b, "{} and {} are not for the same rules of the site file", args.bundle.display(), against.display());
    }
    let report = match &args.data {
        Some(data) => over_data(&args, &config, &versions, data, within)?,
        None => over_files(&args, &config, &versions)?,
    };
    match &args.findings {
        Some(path) => {
            let mut csv = Vec::new();
            write_csv(&mut csv, &report.ran)?;
            new_file::write(path, &csv)?;
        }
        None if !args.json => write_csv(Printed, &report.ran)?,
        None => {}
    }
    match args.json {
        true => println!("{:#}", report.json()),
        false => report.lines().iter().for_each(|line| println!("{line}")),
    }
    Ok(())
}

/// A version, and the rules of the site file whose place it takes.
struct Tried {
    version: Version,
    rules: Vec<(usize, Admitted)>,
}

impl Tried {
    fn open(engine: &Engine, config: &Config, path: &Path, args: &BacktestArgs) -> anyhow::Result<Tried> {
        let subject = Subject::open(engine, path)?;
        let d = &subject.package.description;
        let wanted = |rule: &Rule| rule.plugin == d.id && args.rule.as_ref().is_none_or(|name| *name == rule.name);
        let rules: Vec<(usize, &Rule)> = config.rules.iter().enumerate().filter(|(_, rule)| wanted(rule)).collect();
        if rules.is_empty() {
            let all: Vec<String> = config.rules.iter().map(|rule| format!("{} ({})", rule.name, rule.plugin)).collect();
            let named = args.rule.as_ref().map_or_else(String::new, |name| format!(" and is named {name:?}"));
            bail!(
                "{}: no rule of the site file has the plug-in `{}`{named}; there are: {}",
                path.display(),
                d.id,
                all.join(", ")
            );
        }
        let mut faults = vec![];
        let mut admitted = vec![];
        for (place, rule) in rules {
            match try_out(config, rule, &subject.package, (&subject.path, &subject.bytes)) {
                Ok(one) => admitted.push((place, one)),
                Err(more) => faults.extend(more),
            }
        }
        if !faults.is_empty() {
            super::list(&faults);
            let plural = if faults.len() == 1 { "" } else { "s" };
            bail!("{}: {} does not take it: {} fault{plural}", path.display(), args.config.display(), faults.len());
        }
        // Where it may have more in one place than in another, the least.
        let memory_kib = admitted.iter().map(|(_, one)| one.memory_kib()).min().unwrap_or_default();
        let called = format!("{}@{}", d.id, d.version);
        let version = Version { called, digest: subject.package.digest.clone(), memory_kib };
        Ok(Tried { version, rules: admitted })
    }
}

fn jobs(config: &Config, versions: &[Tried]) -> Vec<Job> {
    let of = |tried: &Tried| tried.rules.iter().map(|(place, one)| Job::new(&config.site, *place, one)).collect::<Vec<_>>();
    versions.iter().flat_map(of).collect()
}

fn over_data(
    args: &BacktestArgs,
    config: &Config,
    versions: &[Tried],
    data: &Path,
    within: Range<Micros>,
) -> anyhow::Result<Report> {
    let mut jobs = jobs(config, versions);
    let names = versions[0].rules.iter().map(|(place, _)| config.rules[*place].name.as_str());
    let mut actual = Actual::new(names, within.start);
    let walked = source::data(data, config, within, &mut actual, |portion, _: &Progress| live(&mut jobs, portion))?;
    let mut report = report(versions, args.actual);
    report.walked(&walked);
    let actual = args.actual.then(|| actual.finish());
    let name = data.file_name().map_or_else(|| "data".into(), |name| name.to_string_lossy().into_owned());
    report.ran = ran(config, versions.len(), jobs, actual, &name, &walked);
    Ok(report)
}

fn over_files(args: &BacktestArgs, config: &Config, versions: &[Tried]) -> anyhow::Result<Report> {
    let mut report = report(versions, false);
    for file in &args.files {
        let mut jobs = jobs(config, versions);
        let walked = source::file(file, config, |portion| live(&mut jobs, portion))?;
        report.walked(&walked);
        let name = file.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        report.ran.extend(ran(config, versions.len(), jobs, None, &name, &walked));
    }
    Ok(report)
}

fn report(versions: &[Tried], actual: bool) -> Report {
    Report::of(versions.iter().map(|tried| tried.version.clone()).collect(), actual)
}

/// All jobs live through a portion, as many at a time as there are cores.
fn live(jobs: &mut [Job], portion: &Portion) -> anyhow::Result<()> {
    let cores = std::thread::available_parallelism().map_or(1, |n| n.get());
    let (workers, failed) = (cores.min(jobs.len()), Mutex::new(None));
    let waiting = Mutex::new(jobs.iter_mut());
    let work = || {
        loop {
            let next = waiting.lock().unwrap_or_else(PoisonError::into_inner).next();
            let Some(job) = next else { return };
            if let Err(error) = job.live(portion) {
                *failed.lock().unwrap_or_else(PoisonError::into_inner) = Some(error);
                return;
            }
        }
    };
    std::thread::scope(|scope| (0..workers).for_each(|_| drop(scope.spawn(work))));
    failed.into_inner().unwrap_or_else(PoisonError::into_inner).map_or(Ok(()), Err)
}

/// What came of it, by rule: jobs are in order of version, then of rule.
fn ran(
    config: &Config,
    versions: usize,
    jobs: Vec<Job>,
    actual: Option<Vec<Vec<Interval>>>,
    file: &str,
    walked: &Walked,
) -> Vec<Ran> {
    let end = jobs.iter().map(Job::until).max().unwrap_or(0).max(walked.to);
    let each = jobs.len() / versions;
    let mut jobs = jobs.into_iter();
    let mut ran: Vec<Ran> = vec![];
    for (number, job) in jobs.by_ref().take(each).enumerate() {
        let place = config.rules[job.place].name.clone();
        let mut one = Ran { place, file: file.to_owned(), by: vec![job.finish(end, file)], ..Ran::default() };
        one.actual = actual.as_ref().map(|actual| actual[number].clone());
        ran.push(one);
    }
    for (one, job) in ran.iter_mut().zip(jobs) {
        one.by.push(job.finish(end, file));
    }
    for one in &mut ran {
        let other = one.by.get(1).map(|by| &by.found).or(one.actual.as_ref());
        one.compared = other.map(|other| compare(&one.by[0].found, other, end));
    }
    ran
}

/// An interval a line, and behind it whose it is.
fn write_csv(out: impl Write, ran: &[Ran]) -> anyhow::Result<()> {
    let mut csv = csv::Writer::from_writer(out);
    csv.write_record(["file", "start", "end", "level", "hazard", "rule", "by"])?;
    for one in ran {
        let by = one.by.iter().map(|by| &by.found).chain(&one.actual);
        for (found, by) in by.zip(["A", "B"]) {
            for interval in found {
                csv.write_record(interval.cells()?.iter().map(String::as_str).chain([one.place.as_str(), by]))?;
            }
        }
    }
    csv.flush()?;
    Ok(())
}

/// Standard output, as all of this program prints on it.
struct Printed;

impl Write for Printed {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        print!("{}", String::from_utf8_lossy(bytes));
        Ok(bytes.len())
    }
    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}
