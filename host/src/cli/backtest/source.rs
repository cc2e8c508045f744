//! Where recorded history comes from: the packed store, the journal beside a running daemon, or recorded files; handed on in portions, in order of time.
//! Must not know: rules, what is made of it.

use crate::cli::intervals::Standing;
use crate::cli::progress::Progress;
use crate::cli::replay;
use crate::config::Config;
use crate::links::recording::{self, BadCells, Rows};
use crate::store::{Batches, Past, PastDay};
use crate::{journal, store};
use anyhow::{Context, ensure};
use brain::alarm::Source as Finder;
use brain::event::{Change, Entry, Event, LinkState, Outcome, Record};
use brain::{Alarm, Micros, Reading, TagId};
use std::collections::BTreeMap;
use std::ops::Range;
use std::path::Path;

/// Readings of one portion that is not a day of the store.
const PORTION_READINGS: usize = 1_000_000;
const DAY_US: Micros = 86_400_000_000;

/// A stretch of the past.
pub struct Portion<'p> {
    /// Its readings.
    pub kept: Kept<'p>,
    /// What happened to the plant meanwhile, in order.
    pub marks: Vec<(Micros, Mark)>,
}

/// Where the readings of a portion are.
pub enum Kept<'p> {
    /// In a day of the store: what arrived within this time.
    Day(Box<PastDay<'p>>, Range<Micros>),
    /// Here, by tags of the site.
    Batches(Batches),
}

/// What a rule notices beside readings.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Mark {
    /// The program started: rules began anew.
    Started,
    /// A link of the site went down, or came up.
    Link {
        /// Its position.
        link: usize,
        /// Whether it is up.
        is_up: bool,
    },
}

/// What was gone through.
#[derive(Debug, Default)]
pub struct Walked {
    /// First and last moment.
    pub from: Micros,
    /// First moment behind it.
    pub to: Micros,
    /// Where it was read.
    pub from_where: &'static str,
    /// What may be missing, and why.
    pub missing: Vec<String>,
    /// What a person must know of a recorded file.
    pub notes: Vec<String>,
    /// Cells of a recorded file that gave no number.
    pub bad_cells: Vec<BadCells>,
}

/// What the alarms of the rules really did, by name of the rule.
pub struct Actual<'n> {
    rules: Vec<(&'n str, Standing)>,
    from: Micros,
}

impl<'n> Actual<'n> {
    /// Of these rules, from a moment on.
    pub fn new(rules: impl Iterator<Item = &'n str>, from: Micros) -> Actual<'n> {
        Actual { rules: rules.map(|name| (name, Standing::default())).collect(), from }
    }

    fn changed(&mut self, at: Micros, change: Change, alarm: &Alarm) {
        let (hazard, object) = (alarm.key.hazard.as_str(), alarm.key.object.as_str());
        let is_of = |name: &str| match &alarm.key.source {
            Finder::Rule(rule) => rule == name,
            Finder::Guard => hazard == "device.blind" && object.strip_prefix(name).is_some_and(|rest| rest.starts_with('/')),
        };
        for (_, standing) in self.rules.iter_mut().filter(|(name, _)| is_of(name)) {
            if matches!(change, Change::Raised | Change::Lowered | Change::Cleared) {
                standing.stood(alarm, alarm.raised_at.max(self.from), ACTUAL);
            }
            standing.changed(at, change, alarm, ACTUAL);
        }
    }

    /// Intervals by rule, in the order given.
    pub fn finish(self) -> Vec<Vec<crate::cli::intervals::Interval>> {
        self.rules.into_iter().map(|(_, standing)| standing.finish()).collect()
    }
}

/// Name of the recording that what really happened is from.
pub const ACTUAL: &str = "actual";

/// What was marked, of a record.
struct Marks<'c> {
    links: BTreeMap<&'c str, usize>,
    found: Vec<(Micros, Mark)>,
}

impl<'c> Marks<'c> {
    fn new(config: &'c Config) -> Marks<'c> {
        let links = config.site.links.iter().enumerate().map(|(place, name)| (name.as_str(), place)).collect();
        Marks { links, found: vec![] }
    }

    fn take(&mut self, at: Micros, event: &Event) {
        if let Event::Started { .. } = event {
            self.found.push((at, Mark::Started));
        } else if let Event::Link { link, state, .. } = event
            && let Some(link) = self.links.get(link.as_str()).copied()
        {
            self.found.push((at, Mark::Link { link, is_up: *state != LinkState::Down }));
        }
    }
}

/// Goes through the store of a data directory or, where a daemon holds it, through the journal.
///
/// # Errors
/// Neither can be read, nothing of the time is there, or what `each` says.
pub fn data(
    data: &Path,
    config: &Config,
    within: Range<Micros>,
    actual: &mut Actual,
    each: impl FnMut(&Portion, &Progress) -> anyhow::Result<()>,
) -> anyhow::Result<Walked> {
    let dir = crate::cli::journal::folder(data)?;
    let folder = data.join(store::FOLDER);
    // Held while the databases are open, and nothing else: a daemon that starts meanwhile watches, and waits for it with its store alone.
    match folder.exists().then(|| store::hold(&folder)).transpose()? {
        Some(None) => recorded(&dir, config, within, actual, each),
        _held => stored(data, &dir, config, within, actual, each),
    }
}

fn stored(
    data: &Path,
    dir: &Path,
    config: &Config,
    within: Range<Micros>,
    actual: &mut Actual,
    mut each: impl FnMut(&Portion, &Progress) -> anyhow::Result<()>,
) -> anyhow::Result<Walked> {
    let context = || format!("`safety-brain store rebuild --data {}` makes it from the journal", data.display());
    let past = Past::open(&data.join(store::FOLDER)).with_context(context)?;
    let days: Vec<i64> =
        past.days().into_iter().filter(|day| day * DAY_US < within.end && (day + 1) * DAY_US > within.start).collect();
    let (Some(first), Some(last)) = (days.first().copied(), days.last().copied()) else {
        anyhow::bail!("the store in {} has nothing of that time", data.display());
    };
    let (from, to) = (within.start.max(first * DAY_US), within.end.min((last + 1) * DAY_US));
    let mut walked = Walked { from, to, from_where: "the packed store", ..Walked::default() };
    let lag = journal::last(dir)?.saturating_sub(past.reaches()?);
    if lag > 0 && last == past.days().last().copied().unwrap_or(last) {
        let why = format!(
            "the last {lag} records of the journal may not be in the store: the next start of the daemon, or `store rebuild`, brings them in"
        );
        walked.missing.push(why);
    }
    let progress = Progress::over((last - first + 1) as u64, "going through days");
    let mut end = from;
    for number in first..=last {
        let lived = past.day(number).and_then(|day| {
            walked.missing.extend(day.incomplete.clone());
            let mut marks = Marks::new(config);
            day.records(|record| {
                end = end.max(record.at + 1);
                took(&record, &within, &mut marks, actual);
            })?;
            Ok((day, marks))
        });
        progress.pass(1);
        match lived {
            Ok((day, marks)) => {
                let portion = Portion { kept: Kept::Day(Box::new(day), from..to), marks: marks.found };
                each(&portion, &progress)?;
            }
            Err(why) => walked.missing.push(format!("{why:#}")),
        }
    }
    // Where nothing follows, it is over with the last thing that is known.
    if past.days().last() == Some(&last) {
        walked.to = walked.to.min(end);
    }
    Ok(walked)
}

/// What is neither reading nor tick.
fn took(record: &Record, within: &Range<Micros>, marks: &mut Marks, actual: &mut Actual) {
    if !within.contains(&record.at) {
        return;
    }
    match &record.entry {
        Entry::Event(event) => marks.take(record.at, event),
        Entry::Bureau(_) => {}
        Entry::Outcome { outcome, .. } => {
            for outcome in outcome {
                if let Outcome::Alarm { change, alarm } = outcome {
                    actual.changed(record.at, *change, alarm);
                }
            }
        }
    }
}

fn recorded(
    dir: &Path,
    config: &Config,
    within: Range<Micros>,
    actual: &mut Actual,
    mut each: impl FnMut(&Portion, &Progress) -> anyhow::Result<()>,
) -> anyhow::Result<Walked> {
    let known: BTreeMap<&str, u32> = (0..).zip(&config.site.tags).map(|(place, tag)| (tag.name.as_str(), place)).collect();
    let mut walked = Walked { from_where: "the journal: a daemon holds the store", ..Walked::default() };
    let live = journal::first_live(dir)?.unwrap_or(0);
    let progress = Progress::over(journal::last(dir)?, "going through the journal");
    let (mut names, mut first, mut pruned) = (Vec::<Option<u32>>::new(), None, false);
    let (mut batches, mut marks) = (Batches::default(), Marks::new(config));
    for record in journal::read(dir, 1)? {
        progress.pass(1);
        let record = match record {
            Ok(record) => record,
            Err(error) if journal::goes_on(&error) => {
                walked.missing.push(format!("{error:#}"));
                continue;
            }
            Err(error) => return Err(error),
        };
        if let Entry::Event(Event::Started { tags, .. }) = &record.entry {
            names = tags.iter().map(|name| known.get(name.as_str()).copied()).collect();
        }
        if record.at >= within.end {
            break;
        }
        pruned |= record.seq < live && record.at >= within.start;
        if record.seq < live || record.at < within.start {
            continue;
        }
        first.get_or_insert(record.at);
        walked.to = record.at + 1;
        match &record.entry {
            Entry::Event(Event::Readings { readings }) => {
                let place = |reading: &Reading| names.get(reading.tag.0 as usize).copied().flatten();
                let placed = readings.iter().filter_map(|reading| Some(Reading { tag: TagId(place(reading)?), ..*reading }));
                batches.readings.extend(placed);
                batches.end(record.at);
            }
            Entry::Event(_) | Entry::Bureau(_) | Entry::Outcome { .. } => took(&record, &within, &mut marks, actual),
        }
        if batches.readings.len() >= PORTION_READINGS {
            let kept = Kept::Batches(std::mem::take(&mut batches));
            each(&Portion { kept, marks: std::mem::take(&mut marks.found) }, &progress)?;
        }
    }
    walked.from = first.context("the journal has nothing of that time")?;
    if pruned {
        let why = "older readings are no longer in the journal; the store may have them: stop the daemon, or use a copy of its data directory";
        walked.missing.push(why.to_owned());
    }
    each(&Portion { kept: Kept::Batches(batches), marks: marks.found }, &progress)?;
    Ok(walked)
}

/// Goes through a recorded file, and says what a person must know of it, also where a later row of it is at fault.
///
/// # Errors
/// The site file maps no columns, a row cannot be read, or what `each` says.
pub fn file(path: &Path, config: &Config, each: impl FnMut(&Portion) -> anyhow::Result<()>) -> anyhow::Result<Walked> {
    let (_, recording) = replay::recorded(config)?;
    let mut rows = recording::open(path, recording)?;
    let walked = through(path, &mut rows, each);
    let notes = rows.notes();
    notes.iter().for_each(crate::cli::say);
    Ok(Walked { notes, bad_cells: rows.bad_cells().cloned().collect(), ..walked? })
}

fn through(path: &Path, rows: &mut Rows, mut each: impl FnMut(&Portion) -> anyhow::Result<()>) -> anyhow::Result<Walked> {
    let mut walked = Walked { from_where: "recorded files", from: Micros::MAX, ..Walked::default() };
    let mut batches = Batches::default();
    for row in rows {
        let (at, readings) = row?;
        if walked.from == Micros::MAX {
            (walked.from, walked.to) = (at, at);
        }
        replay::gap(path, walked.to, at)?;
        walked.to = at;
        batches.readings.extend(readings);
        batches.end(at);
        if batches.readings.len() >= PORTION_READINGS {
            each(&Portion { kept: Kept::Batches(std::mem::take(&mut batches)), marks: vec![] })?;
        }
    }
    ensure!(walked.from != Micros::MAX, "{} has no rows", path.display());
    each(&Portion { kept: Kept::Batches(batches), marks: vec![] })?;
    walked.to += 1;
    Ok(walked)
}
