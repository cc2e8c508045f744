//! The other end of a report: what an emergency bureau knows of its plants, and its duty queue. [`Bureau::step`] takes what happened; everything else
//! only looks. The bureau's journal is a list of [`Event`], and fed with it from its beginning a new [`Bureau`] comes to the same queue.
//! Owns: what is new, repeated or replayed; when a plant is silent; who has answered what; what is owed to which plant.
//! Must not know: CAP, HTTP, signatures, files, clocks. What passes with time alone (a countdown) is no event: it is read off the queue.

mod entry;
mod event;
mod pulse;
mod rate;
mod saved;
mod series;
mod shift;
mod suspicion;
mod tally;
#[cfg(test)]
mod tests;

pub use crate::duty::Offer;
pub use entry::{About, Done, Entry, Message, State, Transfer};
pub use event::{Accident, Acked, Act, Again, Answer, Event, Heartbeat, Plant, Report, Taken, Terms};
pub use pulse::Unheard;
pub use rate::{Count, DAYS, Rate};
pub use shift::{HandedOver, Shift, ShiftChange};
pub use suspicion::{Cause, TOGETHER_US};

use crate::alarm::Person;
use crate::notice::NoticeKind;
use crate::reading::Micros;
use crate::refusal::Refusal;
use crate::site::{Mode, Severity};
use serde::{Deserialize, Serialize};
use series::Series;
use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use suspicion::Unsaid;
use tally::Tally;

/// Identifiers remembered of one plant; the oldest go first. Far more than any plant sends between two tries of one message. What is older is known by its
/// number, where its plant says such (see [`Report::number`]).
pub const KNOWN_MAX: usize = 20_000;
/// Entries of one plant and mode that are not closed. Where there are so many nothing blue or yellow is opened, and the plant keeps it.
pub const OPEN_MAX: usize = 2_000;
/// As [`OPEN_MAX`], for orange and red: a plant's small matters never keep its great ones out.
pub const WORST_MAX: usize = 10_000;
/// Closed entries that are still shown; the journal has all.
pub const CLOSED_MAX: usize = 1_000;
const CLOSED_MORE: usize = CLOSED_MAX + 1;
/// Commands whose answers are remembered.
const COMMANDS_MAX: usize = 1_000;
/// Level of a silent plant: nobody knows how it stands there (own default).
pub const SILENT_LEVEL: Severity = Severity::Orange;
/// Level of forged, replayed and changed messages of one plant (own default).
pub const SUSPECT_LEVEL: Severity = Severity::Yellow;

/// What is known of one plant.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Line {
    /// Silent after so long; none = it reports here no longer.
    pub silent_s: Option<u32>,
    /// The record began after it may have reported, and it has not said yet what stands there.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub unknown: bool,
    /// Something came last; a start counts.
    pub heard_at: Micros,
    /// The newest heartbeat.
    pub alive: Option<Heartbeat>,
    /// The entry that says it is silent, while it is.
    pub silent: Option<u64>,
    /// Messages taken.
    pub reports: u64,
    /// Messages that came again as they should not need to.
    pub duplicates: u64,
    /// Old messages that came again.
    pub replays: u64,
    /// Other bytes under a known identifier.
    pub changed: u64,
    /// What was not what it said.
    pub refused: u64,
    /// Times of silence.
    pub silences: u64,
    /// How much of what it should say of itself came.
    pub rate: Rate,
}

/// A message that is remembered.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Known {
    digest: String,
    entry: u64,
    number: u64,
    at: Micros,
    #[serde(default)]
    acked: Acked,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
struct Memory {
    of: BTreeMap<String, Known>,
    order: VecDeque<String>,
    /// A heartbeat was recorded since the start, and since the plant was silent last.
    heard: bool,
    /// The open entry about what is suspicious.
    suspect: Option<u64>,
    /// What is known of its numbers, that of which something came last at the end.
    #[serde(skip_serializing_if = "VecDeque::is_empty")]
    series: VecDeque<Series>,
}

/// How a message stands to what is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Judged {
    /// Not known.
    New,
    /// Known: its number and when it came first.
    Known(Again, u64, Micros),
    /// An old one that is not remembered any more: its number came before, or its plant has said that it tells it no longer.
    Past,
    /// It would open an entry, and too many of its plant are open: the plant keeps it.
    Full,
}

/// What screens see.
#[derive(Clone, Debug, Default)]
pub struct Picture {
    /// The time of this picture.
    pub at: Micros,
    /// All entries still known, by number.
    pub entries: Vec<Arc<Entry>>,
    /// By name.
    pub plants: Vec<(String, Line)>,
    /// Answers that no plant has taken yet.
    pub owed: usize,
    /// Who has the duty desk.
    pub shift: Shift,
}

impl Picture {
    /// Plants of which nothing blue or yellow is opened, by name (see [`OPEN_MAX`]).
    pub fn full(&self) -> Vec<&str> {
        let mut open: BTreeMap<(&str, Mode), usize> = BTreeMap::new();
        for entry in self.entries.iter().filter(|entry| !entry.is_closed()) {
            *open.entry((&entry.plant, entry.mode)).or_default() += 1;
        }
        let mut full: Vec<_> = open.into_iter().filter(|(_, count)| *count >= OPEN_MAX).map(|((plant, _), _)| plant).collect();
        full.dedup();
        full
    }
}

/// What a command asked, so that a key used twice by mistake is not taken for a repetition.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Asked {
    Act(u64, Act),
    Shift(ShiftChange),
}

/// What a plant calls a matter, real or in a drill: neither is ever taken for the other.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
struct Incident(String, String, #[serde(default = "actual")] Mode);

/// What version 0.1.0 wrote does not say it.
fn actual() -> Mode {
    Mode::Actual
}

/// The bureau. Serialized, it is a snapshot: fed with what stands in the journal behind it, it comes to where the whole journal would have led.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, remote = "Self")]
pub struct Bureau {
    at: Micros,
    terms: Terms,
    lines: BTreeMap<String, Line>,
    memories: BTreeMap<String, Memory>,
    #[serde(with = "saved::entries")]
    entries: BTreeMap<u64, Arc<Entry>>,
    #[serde(skip)]
    tally: Tally,
    /// The newest entry about each.
    #[serde(with = "saved::pairs")]
    incidents: BTreeMap<Incident, u64>,
    entries_so_far: u64,
    messages_so_far: u64,
    answers_so_far: u64,
    /// Owed to plants, in order.
    owed: BTreeMap<u64, (String, u64, Answer)>,
    commands: VecDeque<(String, Asked, Result<(), Refusal>)>,
    shift: Shift,
    /// See [`Event::Started`].
    series: String,
    /// Heartbeats were counted last, or the program started.
    counted_at: Micros,
    #[serde(skip)]
    unsaid: Unsaid,
}

impl Bureau {
    /// Something happened.
    ///
    /// # Errors
    /// An act that is refused; nothing else is.
    pub fn step(&mut self, at: Micros, event: &Event) -> Result<(), Refusal> {
        self.at = self.at.max(at);
        match event {
            Event::Started { plants, terms, officers, series, number_from, .. } => {
                if !series.is_empty() {
                    self.series.clone_from(series);
                }
                let least = number_from.saturating_sub(1);
                (self.messages_so_far, self.answers_so_far) = (self.messages_so_far.max(least), self.answers_so_far.max(least));
                self.started(plants, *terms, !series.is_empty() || *number_from > 0);
                self.shift.staffed(officers);
            }
            Event::Stopped | Event::Anchored { .. } => {}
            Event::Reported { plant, report, message, acked } => self.reported(plant, report, message, acked),
            Event::Again { plant, identifier, how, times, .. } => self.again(plant, identifier, *how, *times),
            Event::Refused { plant, detail, times, .. } => self.refused(plant, detail, *times),
            Event::Alive { plant, heartbeat } => {
                self.heard(plant);
                let line = self.line(plant);
                line.rate.every_s = heartbeat.every_s;
                line.alive = Some(heartbeat.clone());
                self.memories.entry(plant.clone()).or_default().heard = true;
                self.missed(plant, heartbeat);
            }
            Event::Silent { plant, since } => self.fell_silent(plant, *since),
            Event::Counted { day, counts } => self.counted(*day, counts),
            Event::Act { command, by, entry, seen, act, answer } => {
                let asked = Asked::Act(*entry, act.clone());
                return self.once(command, asked, |bureau| bureau.act(by, *entry, *seen, act, answer.as_ref()));
            }
            Event::Shift { command, by, change } => {
                return self.once(command, Asked::Shift(change.clone()), |bureau| {
                    let open = bureau.entries.values().filter(|entry| !entry.is_closed()).map(|entry| entry.number).collect();
                    bureau.shift.change(bureau.at, by, change, open)
                });
            }
            Event::Delivered { answer } => self.settled(*answer, None),
            Event::Returned { answer, detail } => self.settled(*answer, Some(detail.as_str())),
        }
        Ok(())
    }

    /// Carries a command out; the same again gets the same answer and has no second effect.
    fn once(&mut self, command: &str, asked: Asked, how: impl FnOnce(&mut Bureau) -> Result<(), Refusal>) -> Result<(), Refusal> {
        if let Some((_, was, done)) = self.commands.iter().find(|(known, ..)| known == command) {
            return if *was == asked { done.clone() } else { Err(Refusal::OtherCommand) };
        }
        let result = how(self);
        if self.commands.len() >= COMMANDS_MAX {
            self.commands.pop_front();
        }
        self.commands.push_back((command.to_owned(), asked, result.clone()));
        result
    }

    /// How a message stands to what is known of its plant. What goes on with an entry is always taken.
    pub fn judge(&self, plant: &str, report: &Report) -> Judged {
        let Report { identifier, digest, .. } = report;
        let memory = self.memories.get(plant);
        let Some(known) = memory.and_then(|memory| memory.of.get(identifier)) else {
            if memory.is_some_and(|memory| memory.is_past(report)) {
                return Judged::Past;
            }
            let most = if report.level >= Severity::Orange { WORST_MAX } else { OPEN_MAX };
            let is_full = self.goes_on(plant, report).is_none() && self.tally.open(plant, report.mode) >= most;
            return if is_full { Judged::Full } else { Judged::New };
        };
        let newest = self.entries.get(&known.entry).is_some_and(|entry| entry.newest() == Some(identifier.as_str()));
        let how = if known.digest != *digest {
            Again::Changed
        } else if newest {
            Again::Duplicate
        } else {
            Again::Replay
        };
        Judged::Known(how, known.number, known.at)
    }

    /// Number and time of a message that is known, and what was answered to it.
    pub fn known(&self, plant: &str, identifier: &str) -> Option<(u64, Micros, &Acked)> {
        self.memories.get(plant)?.of.get(identifier).map(|known| (known.number, known.at, &known.acked))
    }

    /// Messages taken so far.
    pub fn messages(&self) -> u64 {
        self.messages_so_far
    }

    /// Why an act would be refused.
    ///
    /// # Errors
    /// It would be.
    pub fn allows(&self, entry: u64, seen: Option<Severity>, act: &Act) -> Result<&Entry, Refusal> {
        let entry = self.entry(entry).ok_or(Refusal::Unknown)?;
        if seen.is_some_and(|seen| seen < entry.level) {
            return Err(Refusal::Moved { severity: entry.level, occurrence: entry.messages_so_far });
        }
        entry.allows(act).map(|()| entry)
    }

    /// What the names of its messages begin with: no other record of a bureau of this name uses it.
    pub fn prefix(&self, id: &str) -> String {
        if self.series.is_empty() { id.to_owned() } else { format!("{id}.{}", self.series) }
    }

    /// Number of the next answer.
    pub fn next_answer(&self) -> u64 {
        self.answers_so_far + 1
    }

    /// What is owed to a plant, in order.
    pub fn owed(&self, plant: &str) -> Vec<Answer> {
        self.owed.values().filter(|(to, ..)| to == plant).map(|(.., answer)| answer.clone()).collect()
    }

    /// One entry.
    pub fn entry(&self, number: u64) -> Option<&Entry> {
        self.entries.get(&number).map(Arc::as_ref)
    }

    /// What screens see at this time.
    pub fn picture(&self, at: Micros) -> Picture {
        let told = |name: &str, line: &Line| {
            let live = self.live(at, line).unwrap_or_default();
            let mut told = Line { rate: Rate { live, ..line.rate.clone() }, ..line.clone() };
            self.unsaid.on(name, &mut told);
            told
        };
        let plants = self.lines.iter().map(|(name, line)| (name.clone(), told(name, line))).collect();
        Picture {
            at,
            entries: self.entries.values().cloned().collect(),
            plants,
            owed: self.owed.len(),
            shift: self.shift.clone(),
        }
    }

    fn line(&mut self, plant: &str) -> &mut Line {
        self.lines.entry(plant.to_owned()).or_default()
    }

    fn started(&mut self, plants: &[Plant], terms: Terms, begins: bool) {
        self.terms = terms;
        self.counted_at = self.at;
        for line in self.lines.values_mut() {
            (line.silent_s, line.rate.live) = (None, Count::default());
        }
        for memory in self.memories.values_mut() {
            memory.heard = false;
        }
        for line in
            self.lines.iter_mut().filter_map(|(name, line)| plants.iter().all(|plant| plant.name != *name).then_some(line))
        {
            // Whoever reports here again begins anew.
            line.alive = None;
        }
        for plant in plants {
            let at = self.at;
            let line = self.line(&plant.name);
            (line.silent_s, line.heard_at) = (Some(plant.silent_s), at);
            line.unknown |= begins;
        }
    }

    fn reported(&mut self, plant: &str, report: &Report, message: &str, acked: &Acked) {
        // A drill is another program on the same machine: it may live where the plant's own is dead.
        if self.lines.get(plant).and_then(|line| line.alive.as_ref()).is_none_or(|alive| alive.mode == report.mode) {
            self.heard(plant);
        }
        self.line(plant).reports += 1;
        self.messages_so_far += 1;
        let number = self.about(plant, report);
        let memory = self.memories.entry(plant.to_owned()).or_default();
        let known = Known {
            digest: report.digest.clone(),
            entry: number,
            number: self.messages_so_far,
            at: self.at,
            acked: acked.clone(),
        };
        memory.number(report);
        if memory.of.insert(report.identifier.clone(), known).is_none() {
            memory.order.push_back(report.identifier.clone());
        }
        if memory.order.len() > KNOWN_MAX
            && let Some(oldest) = memory.order.pop_front()
        {
            memory.of.remove(&oldest);
        }
        let (at, terms) = (self.at, self.terms);
        self.change(number, |entry| entry.hear(at, report, message, &terms));
        for taken in &report.taken {
            let number = self.tally.instructed(&taken.message);
            if let Some(number) = number.filter(|number| self.entry(*number).is_some_and(|entry| entry.plant == plant)) {
                self.change(number, |entry| entry.take(taken));
            }
        }
    }

    /// What a report is about.
    fn incident(plant: &str, report: &Report) -> Incident {
        let incident = if report.incident.is_empty() { &report.identifier } else { &report.incident };
        Incident(plant.to_owned(), incident.clone(), report.mode)
    }

    /// The entry a report goes on with, if any. One of another mode never is: a drill says nothing of what is real.
    fn goes_on(&self, plant: &str, report: &Report) -> Option<u64> {
        let entry = |number: u64| self.entries.get(&number).filter(|entry| entry.mode == report.mode);
        let memory = self.memories.get(plant);
        let referred =
            report.references.iter().filter_map(|id| entry(memory?.of.get(id)?.entry)).max_by_key(|entry| entry.number);
        let found = referred.or_else(|| entry(*self.incidents.get(&Bureau::incident(plant, report))?));
        found.filter(|entry| !entry.is_closed() || report.kind != NoticeKind::Alert).map(|entry| entry.number)
    }

    /// The entry a report belongs to, opened where there is none.
    fn about(&mut self, plant: &str, report: &Report) -> u64 {
        if let Some(number) = self.goes_on(plant, report) {
            return number;
        }
        let key = Bureau::incident(plant, report);
        let number = self.open(plant, About::Report { incident: key.1.clone() }, report.level, report.mode);
        self.incidents.insert(key, number);
        number
    }

    fn open(&mut self, plant: &str, about: About, level: Severity, mode: Mode) -> u64 {
        self.entries_so_far += 1;
        let number = self.entries_so_far;
        let entry = Entry::new(number, plant, about, level, mode, self.at, &self.terms);
        self.tally.add(&entry);
        self.entries.insert(number, Arc::new(entry));
        number
    }

    fn act(
        &mut self,
        by: &Person,
        number: u64,
        seen: Option<Severity>,
        act: &Act,
        answer: Option<&Answer>,
    ) -> Result<(), Refusal> {
        let plant = self.allows(number, seen, act)?.plant.clone();
        if let Some(answer) = answer {
            self.answers_so_far = self.answers_so_far.max(answer.number);
            self.owed.insert(answer.number, (plant, number, answer.clone()));
        }
        let at = self.at;
        let terms = self.terms;
        self.change(number, |entry| entry.act(at, by, act, answer, &terms));
        Ok(())
    }

    fn settled(&mut self, answer: u64, returned: Option<&str>) {
        let Some((_, number, _)) = self.owed.remove(&answer) else { return };
        let at = self.at;
        self.change(number, |entry| entry.answered(at, answer, returned));
    }

    /// Changes an entry, and forgets the oldest closed one where there are too many.
    fn change(&mut self, number: u64, how: impl FnOnce(&mut Entry)) {
        let Some(entry) = self.entries.get_mut(&number) else { return };
        let entry = Arc::make_mut(entry);
        self.tally.remove(entry);
        how(entry);
        entry.changed_at = self.at;
        entry.settle();
        self.tally.add(entry);
        if let (CLOSED_MORE.., Some(oldest)) = self.tally.closed() {
            self.forget(oldest);
        }
    }

    fn forget(&mut self, number: u64) {
        let Some(entry) = self.entries.remove(&number) else { return };
        self.tally.remove(&entry);
        if let About::Report { incident } = &entry.about {
            let key = Incident(entry.plant.clone(), incident.clone(), entry.mode);
            if self.incidents.get(&key) == Some(&entry.number) {
                self.incidents.remove(&key);
            }
        }
    }
}
