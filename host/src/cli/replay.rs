//! `safety-brain replay`: recorded CSV files through the same journal, brain and rules as a live plant, in recorded time.
//! Owns: the pace, and the findings as intervals. Must not know: what makes a finding.

use super::intervals::{COLUMNS, Interval, Standing};
use super::new_file;
use crate::config::Config;
use crate::config::types::{LinkKind, Recording};
use crate::daemon::core::{Core, Stepped};
use crate::links::recording::{self, Rows};
use crate::rules::{self, Admitted, Instance};
use anyhow::{Context, bail, ensure};
use brain::Micros;
use brain::event::{Effect, Event, LinkState};
use brain::feed::TICK_US;
use std::collections::{BTreeSet, VecDeque};
use std::io::Write;
use std::path::{Path, PathBuf};

/// Longest time without a row: every second of it is lived through, so a mistyped year would never end.
const GAP_MAX_US: Micros = 400 * 86_400_000_000;

/// Feed recorded CSV files through the same path, and print findings as intervals.
#[derive(clap::Args)]
#[command(after_help = after!("replayed to the end, whatever was found", "a recording or a rule could not be used", "replay --config site.toml --file day.csv", "replay --config site.toml --learn healthy.csv --file day.csv --findings found.csv"))]
pub struct ReplayArgs {
    /// Site file with a `recording` link
    #[arg(long, value_name = "FILE")]
    config: PathBuf,
    /// Recorded file to judge; may be given several times, each starts from the state that the --learn files left
    #[arg(long = "file", value_name = "CSV", required = true)]
    files: Vec<PathBuf>,
    /// Recorded file of healthy operation, replayed first; its findings are not printed
    #[arg(long = "learn", value_name = "CSV")]
    learn: Vec<PathBuf>,
    /// Development: let rules without a publisher run
    #[arg(long)]
    allow_unsigned: bool,
    /// Recorded seconds per second; 0 = as fast as it goes
    #[arg(long, default_value_t = 0.0)]
    speed: f64,
    /// Write the findings into this new file instead of to standard output
    #[arg(long, value_name = "CSV")]
    findings: Option<PathBuf>,
    /// Keep the journals here, one folder per file, instead of in a temporary folder that is removed
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
}

/// Replays every file and writes `file,start,end,level,rule`.
///
/// # Errors
/// Faults of the site file, rules not admitted, or a row that cannot be read (named by file and line).
pub fn run(args: ReplayArgs) -> anyhow::Result<()> {
    if args.speed != 0.0 && !(0.001..=1e9).contains(&args.speed) {
        bail!(
            "--speed {}: give recorded seconds per second from 0.001 to 1e9, for example 60; 0 = as fast as it goes",
            args.speed
        );
    }
    let mut config = super::load(&args.config)?;
    super::allow_unsigned(&mut config, args.allow_unsigned);
    if let Some(path) = &args.findings {
        new_file::free(path, "--findings")?;
    }
    let scratch = args.data.is_none().then(|| std::env::temp_dir().join(format!("safety-brain-replay-{}", std::process::id())));
    let root = args.data.clone().or(scratch.clone()).expect("one of the two");
    let result = replay_all(&args, &config, &root);
    if let Some(scratch) = scratch {
        let _ = std::fs::remove_dir_all(scratch);
    }
    let Some(path) = &args.findings else { return write_csv(std::io::stdout(), &result?) };
    let mut csv = Vec::new();
    write_csv(&mut csv, &result?)?;
    new_file::write(path, &csv)
}

fn replay_all(args: &ReplayArgs, config: &Config, root: &Path) -> anyhow::Result<Vec<Interval>> {
    let (engine, cache) = (super::engine()?, rules::Cache::of(root)?);
    let (mut intervals, mut told) = (Vec::new(), BTreeSet::new());
    for (index, file) in args.files.iter().enumerate() {
        let admitted = rules::admit(&engine, config, Some(&cache), &rules::Versions::default()).map_err(super::refused)?;
        let name = file.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        let dir = root.join(format!("{index:03}-{name}"));
        if dir.join("journal").exists() {
            bail!("{} already holds a journal: a replay starts from nothing; name another --data folder", dir.display());
        }
        let mut player = Player::open(config, admitted, &dir)?;
        for learn in &args.learn {
            player.play(config, learn, args.speed, &mut told)?;
        }
        player.judge(&name);
        player.play(config, file, args.speed, &mut told)?;
        intervals.extend(player.finish()?);
    }
    Ok(intervals)
}

/// The link that maps columns of a recorded file to tags, and its position.
///
/// # Errors
/// There is none.
pub(super) fn recorded(config: &Config) -> anyhow::Result<(usize, &Recording)> {
    let recorded = config.links.iter().enumerate().find_map(|(place, link)| match &link.kind {
        LinkKind::Recording(recording) => Some((place, recording)),
        LinkKind::Mqtt(_) | LinkKind::Modbus(_) | LinkKind::Calendar(_) | LinkKind::Scenario(_) => None,
    });
    recorded.context("the site file has no link of kind \"recording\": add one that maps columns to tags")
}

/// A row so long behind the one before is a mistake: every second between them is lived through.
///
/// # Errors
/// It is.
pub(super) fn gap(file: &Path, since: Micros, at: Micros) -> anyhow::Result<()> {
    let (file, days) = (file.display(), (at - since) / 86_400_000_000);
    ensure!(at - since <= GAP_MAX_US, "{file}: {days} days without a row: mend the time of the row, or split the file there");
    Ok(())
}

/// One run: core, rules, and the conditions that stand.
struct Player {
    core: Core,
    rules: Vec<Instance>,
    started: bool,
    now: Micros,
    /// Name of the recording that is judged; empty while the rules learn.
    file: String,
    standing: Standing,
}

impl Player {
    fn open(config: &Config, admitted: Vec<Admitted>, dir: &Path) -> anyhow::Result<Player> {
        let mut site = config.site.clone();
        site.rules = admitted.iter().map(|a| a.rule.clone()).collect();
        let (core, _) = Core::open(site, config.storage.segment_bytes, dir)?;
        let rules = admitted.iter().map(Instance::new).collect();
        Ok(Player { core, rules, started: false, now: 0, file: String::new(), standing: Standing::default() })
    }

    /// From here on findings count for `file`; what stands already begins with its first row.
    fn judge(&mut self, file: &str) {
        file.clone_into(&mut self.file);
    }

    /// Says what a person must know of the file, unless it was told already; also where a later row of it is at fault.
    fn play(&mut self, config: &Config, path: &Path, speed: f64, told: &mut BTreeSet<String>) -> anyhow::Result<()> {
        let (link, recording) = recorded(config)?;
        let mut rows = recording::open(path, recording)?;
        let played = self.rows(config, link, (path, &mut rows), speed);
        rows.notes().into_iter().filter(|note| told.insert(note.clone())).for_each(super::say);
        played
    }

    fn rows(&mut self, config: &Config, link: usize, (path, rows): (&Path, &mut Rows), speed: f64) -> anyhow::Result<()> {
        let mut first = true;
        for row in rows {
            let (at, readings) = row?;
            if first {
                self.begin(config, link, at);
                first = false;
            }
            gap(path, self.now, at)?;
            self.pass_time(at, speed);
            self.happened(at, Event::Readings { readings });
        }
        if first {
            bail!("{} has no rows", path.display());
        }
        Ok(())
    }

    fn begin(&mut self, config: &Config, link: usize, at: Micros) {
        if !self.started {
            self.started = true;
            let started = self.core.start(at, "");
            self.follow(at, started);
        }
        // Between two recordings nobody watched: time does not pass for what was learned.
        self.now = at;
        let link = config.links[link].name.clone();
        self.happened(at, Event::Link { link, state: LinkState::Up, reason: "recording".to_owned() });
        self.standing.begin(at, &self.file);
    }

    fn pass_time(&mut self, until: Micros, speed: f64) {
        if speed > 0.0 {
            let recorded = (until - self.now).max(0) as f64 / 1e6;
            std::thread::sleep(std::time::Duration::from_secs_f64(recorded / speed));
        }
        while self.now + TICK_US < until {
            self.now += TICK_US;
            self.happened(self.now, Event::Tick);
        }
        self.now = self.now.max(until);
    }

    fn happened(&mut self, at: Micros, event: Event) {
        let stepped = self.core.step(at, event);
        self.follow(at, stepped);
    }

    /// All that follows from a step, in lock-step: every rule answers before time goes on.
    fn follow(&mut self, at: Micros, Stepped { mut effects, .. }: Stepped) {
        let mut waiting = VecDeque::new();
        loop {
            for effect in effects {
                match effect {
                    Effect::Consult { rule, at, rows } => {
                        let name = self.core.brain().site().rules[rule].name.clone();
                        let answer = self.rules[rule].evaluate(at, &rows);
                        let waited = self.core.brain().rule(rule).is_some_and(|now| now.restate);
                        for strike in &answer.strikes {
                            let (rule, detail) = (name.clone(), strike.detail.clone());
                            waiting.push_back(Event::Strike { rule, kind: strike.kind, detail });
                        }
                        if !answer.findings.is_empty() || (waited && answer.strikes.is_empty()) {
                            waiting.push_back(Event::Assessed { rule: name, findings: answer.findings });
                        }
                    }
                    // Nothing leaves the machine in a replay: being written to the journal is the receipt.
                    Effect::Tell { notice, .. } => {
                        waiting.push_back(Event::Receipt { notice: notice.id, code: "replay".to_owned(), accepted: false });
                    }
                    Effect::Alarm { alarm, change } => {
                        if let Some(alarm) = self.core.brain().alarm(alarm) {
                            self.standing.changed(at, change, alarm, &self.file);
                        }
                    }
                    Effect::Delivery { .. }
                    | Effect::Quarantine { .. }
                    | Effect::RunBeside { .. }
                    | Effect::EndBeside { .. }
                    | Effect::Test { .. }
                    | Effect::Rule { .. }
                    | Effect::Answer { .. } => {}
                }
            }
            let Some(event) = waiting.pop_front() else { return };
            effects = self.core.step(at, event).effects;
        }
    }

    fn finish(self) -> anyhow::Result<Vec<Interval>> {
        self.core.close()?;
        Ok(self.standing.finish())
    }
}

fn write_csv(out: impl Write, intervals: &[Interval]) -> anyhow::Result<()> {
    let mut csv = csv::Writer::from_writer(out);
    csv.write_record(COLUMNS)?;
    for found in intervals {
        csv.write_record(found.cells()?)?;
    }
    csv.flush()?;
    Ok(())
}
