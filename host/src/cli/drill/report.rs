//! What a drill showed, from its own journal alone: each expected thing, each alarm, who was told, who answered when.
//! Must not know: how it is written for people.

use super::{LINK, Named, PLAN, Plan, about};
use crate::cli::journal::folder;
use crate::journal;
use anyhow::{Context, ensure};
use brain::alarm::Person;
use brain::duty::DutyChange;
use brain::event::{Act as Asked, Change, Entry, Event, Outcome, Record};
use brain::notice::{Delivery, Reason};
use brain::site::Severity;
use brain::words::Words;
use brain::{Alarm, AlarmId, Clock, Micros, Notice, NoticeId};
use serde::Serialize;
use std::collections::BTreeMap;
use std::path::Path;

/// A moment of the drill.
#[derive(Clone, Debug, Serialize)]
pub struct Moment {
    /// By the plant's clock, Beijing time, RFC 3339.
    pub time: String,
    /// Seconds since the drill began.
    pub after_s: f64,
}

/// Whether one thing that was expected happened.
#[derive(Debug, Serialize)]
pub struct Check {
    pub met: bool,
    /// In how many seconds it was to happen; none = at all.
    pub within_s: Option<f64>,
    /// How many it took; none = it did not happen.
    pub took_s: Option<f64>,
    /// Who did it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub by: Option<Person>,
}

/// An expected alarm and what became of it.
#[derive(Debug, Serialize)]
pub struct Verdict {
    pub met: bool,
    pub hazard: String,
    pub zone: Words,
    pub level: Option<Severity>,
    /// The alarm that it was; none = none came.
    pub alarm: Option<u64>,
    pub raised: Check,
    /// None = nobody had to take it.
    pub acknowledged: Option<Check>,
    /// Audience title, and whether a machine there had the message.
    pub told: Vec<(Words, Check)>,
}

/// One message to one audience.
#[derive(Clone, Debug, Serialize)]
pub struct Told {
    pub at: Moment,
    pub audience: Words,
    /// Who was on duty there, as far as was known.
    pub duty: Vec<String>,
    pub identifier: String,
    pub level: Severity,
    pub reason: Reason,
    /// Never sent by itself: another message said it.
    pub superseded: bool,
    /// A machine at the receiver's address has it.
    pub received: Option<Moment>,
    /// The receiver's system accepts it.
    pub accepted: Option<Moment>,
    /// A named person at the receiver took it, or refused it.
    pub answered: Option<Act>,
    /// What the last try said that failed.
    pub failed: Option<String>,
    /// How many tries failed.
    pub failures: usize,
}

/// Something a named person did.
#[derive(Clone, Debug, Serialize)]
pub struct Act {
    pub at: Moment,
    pub by: Person,
    /// Seconds after the alarm opened.
    pub took_s: f64,
    /// In the person's words.
    pub note: String,
    /// False where a receiver's person refused it.
    pub agreed: bool,
}

/// One alarm of the drill.
#[derive(Debug, Serialize)]
pub struct Row {
    pub id: u64,
    pub hazard: String,
    pub object: String,
    pub title: Words,
    pub zone: Words,
    /// The worst it was.
    pub level: Severity,
    pub raised: Moment,
    pub cleared: Option<Moment>,
    pub told: Vec<Told>,
    pub acknowledged: Vec<Act>,
    /// The level that nobody took: it rose, or came again, after it was taken last, or nobody took it at all.
    pub untaken: Option<Severity>,
    pub handled: Vec<Act>,
    pub closed: Option<Act>,
}

/// A step of a hand-over of duty.
#[derive(Debug, Serialize)]
pub struct Relief {
    pub at: Moment,
    pub roster: Words,
    pub by: Person,
    /// To whom it was offered; none = `by` took over.
    pub to: Option<String>,
    /// Alarms that were taken over.
    pub alarms: usize,
    /// In the person's words.
    pub note: String,
}

/// Whether an audience knows that the drill is over.
#[derive(Debug, Serialize)]
pub struct End {
    pub audience: Words,
    /// Alarms of which it has the end.
    pub told: usize,
    /// Alarms of which it may still hold a message as open.
    pub owed: usize,
    /// What the last try said that failed, where any are owed.
    pub failed: Option<String>,
}

/// A drill.
#[derive(Debug, Serialize)]
pub struct Report {
    /// Its name.
    pub drill: String,
    pub title: Words,
    pub site: Words,
    /// What every message of it was named with.
    pub site_id: String,
    pub begun: Moment,
    pub ended: Moment,
    /// It is not going on any more, and whoever had to was told so.
    pub over: bool,
    /// It went to its end.
    pub whole: bool,
    /// Everybody who was told anything, once it is over.
    pub end: Vec<End>,
    pub speed: f64,
    pub takes_part: Vec<Named>,
    pub told_nothing: Vec<Named>,
    pub expected: Vec<Verdict>,
    pub alarms: Vec<Row>,
    /// Hand-overs of duty, in order.
    pub duty: Vec<Relief>,
    /// Alarms that nobody of the plant took, or not as they stood last.
    pub nobody_answered: Vec<u64>,
}

/// An alarm while the journal is read, in brain time.
struct Story {
    opened: Micros,
    /// Each level it was shown at, and from when.
    levels: Vec<(Micros, Severity)>,
    acknowledged: Vec<(Micros, Person, String)>,
    cleared: Option<Micros>,
    last: Alarm,
}

/// A notice while the journal is read, in brain time.
struct Word {
    at: Micros,
    notice: Notice,
    superseded: bool,
    received: Option<Micros>,
    accepted: Option<Micros>,
    answered: Option<(Micros, Person, String, bool)>,
    failed: Option<String>,
    failures: usize,
    /// A machine there refused it: it is not there.
    refused: bool,
}

/// What the journal says.
#[derive(Default)]
struct Heard {
    clock: Clock,
    begun: Option<Micros>,
    plan: String,
    ended: Micros,
    /// It was ended, and whether at its end.
    over: Option<bool>,
    stories: BTreeMap<AlarmId, Story>,
    words: BTreeMap<NoticeId, Word>,
    /// By command: what was asked of a roster.
    asked: BTreeMap<String, (Micros, Person, String, DutyChange, String)>,
    /// What of it was done, in order.
    relieved: Vec<(Micros, Person, String, DutyChange, String)>,
}

impl Report {
    /// Reads a drill's data directory, also while it runs.
    ///
    /// # Errors
    /// There is no drill, its journal cannot be read, or its plan is not the one that was played.
    pub fn of(data: &Path) -> anyhow::Result<Report> {
        let file = data.join(PLAN);
        let text = std::fs::read(&file)
            .with_context(|| format!("cannot read {}: give the data directory of a drill with --data", file.display()))?;
        let plan: Plan = serde_json::from_slice(&text).with_context(|| format!("{} is no plan of a drill", file.display()))?;
        let mut told = Heard::default();
        for record in journal::read(&folder(data)?, 1)? {
            told.take(record.context("the journal cannot be read: `safety-brain journal verify` says where")?);
        }
        let begun = told.begun.context("the journal does not say that the drill began")?;
        ensure!(
            told.plan == about(&plan.id, &text),
            "{} is not what this drill was run with: the journal has {:?}",
            file.display(),
            told.plan
        );
        Ok(told.report(plan, begun))
    }
}

/// Whether the end of these messages of one chain came; none where nothing of them can be there, or people ended them.
fn ended(words: &[&Word]) -> Option<bool> {
    let has = |reason| words.iter().any(|word| word.notice.reason == reason && word.received.is_some());
    let taken_back = |word: &&Word| word.notice.alarm.accident.as_ref().is_some_and(|accident| accident.retracted.is_some());
    let last = words.iter().rev().find(|word| word.received.is_some());
    let may_hold = words.iter().any(|word| word.received.is_some() || !word.refused);
    match has(Reason::Ended) {
        true => Some(true),
        false if has(Reason::Closed) || last.is_some_and(taken_back) || !may_hold => None,
        false => Some(false),
    }
}

impl Heard {
    fn take(&mut self, record: Record) {
        let at = record.at;
        if self.over.is_none() {
            self.ended = at;
        }
        match record.entry {
            Entry::Event(Event::Clock { since, ahead, wrong }) => {
                self.clock.follow(at, since, ahead, wrong);
            }
            Entry::Event(Event::Link { link, reason, .. }) if link == LINK && self.plan.is_empty() => self.plan = reason,
            // By the scenario's own clock: the record of its link is a moment later.
            Entry::Event(Event::Readings { readings }) if self.begun.is_none() => {
                self.begun = readings.first().map(|reading| reading.source_us);
            }
            Entry::Event(Event::Receipt { notice, accepted, .. }) => {
                if let Some(word) = self.words.get_mut(&notice) {
                    word.received.get_or_insert(at);
                    word.accepted = word.accepted.or(accepted.then_some(at));
                }
            }
            Entry::Event(Event::ExerciseEnded { whole }) => self.over = self.over.or(Some(whole)),
            Entry::Event(Event::Undelivered { notice, detail, rejected }) => {
                if let Some(word) = self.words.get_mut(&notice) {
                    (word.failed, word.refused) = (Some(detail), rejected);
                    word.failures += 1;
                }
            }
            Entry::Event(Event::Answered { notice, accepted, by, note, .. }) => {
                if let Some(word) = self.words.get_mut(&notice) {
                    word.answered = Some((at, by, note, accepted));
                }
            }
            Entry::Event(Event::Operator { command, by, act: Asked::Duty { roster, change, note } }) => {
                self.asked.insert(command, (at, by, roster, change, note));
            }
            Entry::Event(_) | Entry::Bureau(_) => {}
            Entry::Outcome { outcome, .. } => outcome.into_iter().for_each(|outcome| self.decided(at, outcome)),
        }
    }

    fn decided(&mut self, at: Micros, outcome: Outcome) {
        match outcome {
            // What happens behind the end is no part of it.
            Outcome::Alarm { change, alarm } if self.over.is_none() => {
                let story = self.stories.entry(alarm.id).or_insert_with(|| Story {
                    opened: alarm.opened_at,
                    levels: vec![],
                    acknowledged: vec![],
                    cleared: None,
                    last: (*alarm).clone(),
                });
                if story.levels.last().is_none_or(|(_, level)| *level != alarm.severity) || change == Change::Reopened {
                    story.levels.push((at, alarm.severity));
                }
                if let (Change::Acknowledged, Some(ack)) = (change, &alarm.acknowledged) {
                    story.acknowledged.push((ack.at, ack.by.clone(), ack.note.clone()));
                }
                story.cleared = alarm.cleared_at;
                story.last = *alarm;
            }
            Outcome::Answer { command, refused: None } if self.over.is_none() => {
                self.relieved.extend(self.asked.remove(&command))
            }
            Outcome::Told { notice } => {
                let (received, accepted, answered, failed) = Default::default();
                let word = Word {
                    at,
                    notice: *notice,
                    superseded: false,
                    received,
                    accepted,
                    answered,
                    failed,
                    failures: 0,
                    refused: false,
                };
                self.words.entry(word.notice.id).or_insert(word);
            }
            Outcome::Delivery { notice, delivery: Delivery::Superseded } => {
                if let Some(word) = self.words.get_mut(&notice) {
                    word.superseded = true;
                }
            }
            _ => {}
        }
    }

    fn report(&self, plan: Plan, begun: Micros) -> Report {
        let moment = |at: Micros| self.moment(begun, at);
        let titles: BTreeMap<&str, &Words> =
            plan.takes_part.iter().chain(&plan.told_nothing).map(|of| (of.name.as_str(), &of.title)).collect();
        let zone =
            |name: &str| plan.zones.get(name).cloned().unwrap_or_else(|| Words { zh: name.to_owned(), en: name.to_owned() });
        let audience = |name: &str| {
            titles.get(name).map_or_else(|| Words { zh: name.to_owned(), en: name.to_owned() }, |title| (*title).clone())
        };
        let alarms: Vec<Row> = self.stories.values().map(|story| self.row(story, &moment, &zone, &audience)).collect();
        let nobody_answered = alarms.iter().filter(|row| row.untaken.is_some()).map(|row| row.id).collect();
        let verdict = |of| self.verdict(of, begun, plan.speed, &zone, &audience);
        let expected = plan.expected.iter().map(verdict).collect();
        Report {
            begun: moment(begun),
            ended: moment(self.ended),
            over: self.over.is_some(),
            whole: self.over == Some(true),
            end: if self.over.is_some() { self.end(&audience) } else { vec![] },
            speed: plan.speed,
            expected,
            alarms,
            nobody_answered,
            duty: self.relieved.iter().map(|of| relief(of, &plan.rosters, &moment)).collect(),
            drill: plan.id,
            title: plan.title,
            site: plan.site,
            site_id: plan.site_id,
            takes_part: plan.takes_part,
            told_nothing: plan.told_nothing,
        }
    }

    /// Who knows that the drill is over, and who may not.
    fn end(&self, audience: &impl Fn(&str) -> Words) -> Vec<End> {
        // Of an alarm and of an accident that was declared of it; an alarm has ended where both have.
        let mut chains: BTreeMap<(&str, AlarmId), [Vec<&Word>; 2]> = BTreeMap::new();
        for word in self.words.values() {
            let notice = &word.notice;
            for alarm in notice.digest.iter().map(|told| told.alarm).chain([notice.alarm.id]) {
                chains.entry((&notice.audience, alarm)).or_default()[usize::from(notice.is_of_accident())].push(word);
            }
        }
        let mut all: BTreeMap<&str, End> = BTreeMap::new();
        for ((name, _), both) in chains {
            let said: Vec<(bool, &Vec<&Word>)> = both.iter().filter_map(|words| Some((ended(words)?, words))).collect();
            if said.is_empty() {
                continue;
            }
            let end = all.entry(name).or_insert_with(|| End { audience: audience(name), told: 0, owed: 0, failed: None });
            match said.iter().find(|(ended, _)| !ended) {
                None => end.told += 1,
                Some((_, words)) => {
                    end.owed += 1;
                    end.failed = words.iter().rev().find_map(|word| word.failed.clone()).or(end.failed.take());
                }
            }
        }
        all.into_values().collect()
    }

    /// What was told of an alarm, also in the message of another one.
    fn told_of(&self, story: &Story) -> impl Iterator<Item = &Word> {
        let id = story.last.id;
        self.words.values().filter(move |word| word.notice.alarm.id == id || word.notice.digest.iter().any(|of| of.alarm == id))
    }

    fn moment(&self, begun: Micros, at: Micros) -> Moment {
        let wall = jiff::Timestamp::from_microsecond(self.clock.wall(at)).unwrap_or_default();
        let time = jiff::tz::offset(8).to_datetime(wall).strftime("%Y-%m-%dT%H:%M:%S+08:00").to_string();
        Moment { time, after_s: seconds(at - begun) }
    }

    fn row(
        &self,
        story: &Story,
        moment: &impl Fn(Micros) -> Moment,
        zone: &impl Fn(&str) -> Words,
        audience: &impl Fn(&str) -> Words,
    ) -> Row {
        let act = |at: Micros, by: &Person, note: &str, agreed| Act {
            at: moment(at),
            by: by.clone(),
            took_s: seconds(at - story.opened),
            note: note.to_owned(),
            agreed,
        };
        let told = |word: &Word| Told {
            at: moment(word.at),
            audience: audience(&word.notice.audience),
            duty: word.notice.duty.clone(),
            identifier: word.notice.identifier.clone(),
            level: word.notice.alarm.severity,
            reason: word.notice.reason,
            superseded: word.superseded,
            received: word.received.map(moment),
            accepted: word.accepted.map(moment),
            answered: word.answered.as_ref().map(|(at, by, note, agreed)| act(*at, by, note, *agreed)),
            failed: word.failed.clone(),
            failures: word.failures,
        };
        let Alarm { id, key, title, handling, closure, .. } = &story.last;
        Row {
            id: id.0,
            hazard: key.hazard.clone(),
            object: key.object.clone(),
            title: title.clone(),
            zone: zone(&key.zone),
            level: story.levels.iter().map(|(_, level)| *level).max().unwrap_or(story.last.severity),
            raised: moment(story.opened),
            cleared: story.cleared.map(moment),
            told: self.told_of(story).map(told).collect(),
            untaken: story.last.acknowledged.is_none().then_some(story.last.severity),
            acknowledged: story.acknowledged.iter().map(|(at, by, note)| act(*at, by, note, true)).collect(),
            handled: handling.iter().map(|of| act(of.at, &of.by, &of.note, true)).collect(),
            closed: closure.as_ref().map(|of| act(of.at, &of.by, &of.said.evidence, true)),
        }
    }

    fn verdict(
        &self,
        expected: &crate::config::drill::Expected,
        begun: Micros,
        speed: f64,
        zone: &impl Fn(&str) -> Words,
        audience: &impl Fn(&str) -> Words,
    ) -> Verdict {
        let from = begun + (expected.from_ms as f64 * 1e3 / speed) as Micros;
        let high = |story: &Story| {
            let reached = |(at, level): &&(Micros, Severity)| *at >= from && expected.level.is_none_or(|least| *level >= least);
            story.levels.iter().find(reached).map(|(at, _)| *at)
        };
        let of = self
            .stories
            .values()
            .filter(|story| story.last.key.hazard == expected.hazard && story.last.key.zone == expected.zone);
        let found = of.filter_map(|story| Some((high(story)?, story))).min_by_key(|(at, _)| *at);
        let check = |within_ms: Option<u64>, took: Option<Micros>, by: Option<Person>| {
            let (within_s, took_s) = (within_ms.map(|ms| ms as f64 / 1e3), took.map(seconds));
            let met = took_s.is_some_and(|took| within_s.is_none_or(|within| took <= within));
            Check { met, within_s, took_s, by }
        };
        let raised = check(Some(expected.raised_within_ms), found.as_ref().map(|(at, _)| at - from), None);
        let acknowledged = expected.acknowledged_within_ms.map(|within| {
            let ack = found.as_ref().and_then(|(raised, story)| {
                story.acknowledged.iter().find(|(at, ..)| at >= raised).map(|(at, by, _)| (at - raised, by.clone()))
            });
            let (took, by) = ack.unzip();
            check(Some(within), took, by)
        });
        let reached = |name: &String| {
            let words = found.iter().flat_map(|(_, story)| self.told_of(story));
            let received =
                words.filter(|word| word.notice.audience == *name && !word.superseded).filter_map(|word| word.received);
            let raised = found.as_ref().map_or(from, |(at, _)| *at);
            (audience(name), check(None, received.filter(|at| *at >= raised).min().map(|at| at - raised), None))
        };
        let told: Vec<(Words, Check)> = expected.told.iter().map(reached).collect();
        Verdict {
            met: raised.met && acknowledged.as_ref().is_none_or(|check| check.met) && told.iter().all(|(_, check)| check.met),
            hazard: expected.hazard.clone(),
            zone: zone(&expected.zone),
            level: expected.level,
            alarm: found.map(|(_, story)| story.last.id.0),
            raised,
            acknowledged,
            told,
        }
    }
}

fn relief(
    (at, by, roster, change, note): &(Micros, Person, String, DutyChange, String),
    rosters: &BTreeMap<String, Words>,
    moment: &impl Fn(Micros) -> Moment,
) -> Relief {
    let (to, alarms) = match change {
        DutyChange::HandOver { to } => (Some(to.clone()), 0),
        DutyChange::TakeOver { alarms } => (None, alarms.len()),
    };
    let roster = rosters.get(roster).cloned().unwrap_or_else(|| Words { zh: roster.clone(), en: roster.clone() });
    Relief { at: moment(*at), roster, by: by.clone(), to, alarms, note: note.clone() }
}

fn seconds(span: Micros) -> f64 {
    (span as f64 / 1e5).round() / 10.0
}
