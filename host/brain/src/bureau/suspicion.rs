//! What comes over a plant's line and is not what it says, or was taken before: counted, shown to an officer, and on record without letting anybody on the
//! line make the record grow. Owns: the entry about it, and how often one cause is put on record. Must not know: how a message is proved, what it says.

use super::{About, Again, Bureau, Event, Line, Mode, SUSPECT_LEVEL};
use crate::reading::Micros;
use std::collections::BTreeMap;

/// Of one plant and cause the first is put on record at once, and more of them together, so long after (own default).
pub const TOGETHER_US: Micros = 60_000_000;

/// Why something was not taken as new.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Cause {
    /// A heartbeat that nobody proved, or that cannot be read.
    Heartbeat,
    /// A heartbeat that was heard before.
    OldHeartbeat,
    /// A message that is not its sender's.
    Forged,
    /// A message that cannot be read, or must not be acted on.
    Unfit,
    /// A message whose identifier is known.
    Again(Again),
}

/// More of one cause than were put on record.
#[derive(Clone, Debug, PartialEq, Eq)]
struct More {
    /// The last record.
    at: Micros,
    /// Since then.
    count: u64,
    /// The newest of them.
    newest: Option<Event>,
}

/// By plant and cause; on no record, so a crash loses the count of a minute at most.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Unsaid(BTreeMap<(String, Cause), More>);

impl Unsaid {
    /// A line with what is on no record yet.
    pub(super) fn on(&self, plant: &str, line: &mut Line) {
        for ((_, cause), more) in self.0.iter().filter(|((of, _), _)| of == plant) {
            match cause {
                Cause::Again(how) => *line.times_of(*how) += more.count,
                Cause::Heartbeat | Cause::OldHeartbeat | Cause::Forged | Cause::Unfit => line.refused += more.count,
            }
        }
    }
}

impl Line {
    fn times_of(&mut self, how: Again) -> &mut u64 {
        match how {
            Again::Duplicate => &mut self.duplicates,
            Again::Replay | Again::Past => &mut self.replays,
            Again::Changed => &mut self.changed,
        }
    }
}

/// The same, so many times; whose it is. None: it is not counted.
fn times_of(event: &mut Event) -> Option<(&str, &mut u64)> {
    match event {
        Event::Again { plant, times, .. } | Event::Refused { plant, times, .. } => Some((plant, times)),
        _ => None,
    }
}

fn counted(mut event: Event, count: u64) -> Event {
    if let Some((_, times)) = times_of(&mut event) {
        *times = count;
    }
    event
}

impl Bureau {
    /// Something came that is not taken as new: this [`Event::Again`] or [`Event::Refused`]. Gives what is to be put on record now, with how many it
    /// stands for; none where it is only counted.
    pub fn suspects(&mut self, at: Micros, cause: Cause, mut event: Event) -> Option<Event> {
        let Some((plant, _)) = times_of(&mut event) else { return Some(event) };
        let key = (plant.to_owned(), cause);
        if let Some(more) = self.unsaid.0.get_mut(&key).filter(|more| at.saturating_sub(more.at) < TOGETHER_US) {
            (more.count, more.newest) = (more.count.saturating_add(1), Some(event));
            return None;
        }
        let before = self.unsaid.0.insert(key, More { at, count: 0, newest: None });
        Some(counted(event, before.map_or(0, |more| more.count).saturating_add(1)))
    }

    /// What was only counted and is due on record: to be asked again and again. `all`: also what is not due yet, because somebody answers to it, or the
    /// program stops.
    pub fn suspected(&mut self, at: Micros, all: bool) -> Vec<Event> {
        let mut due = Vec::new();
        self.unsaid.0.retain(|_, more| {
            if at.saturating_sub(more.at) < TOGETHER_US && !(all && more.count > 0) {
                return true;
            }
            let count = std::mem::take(&mut more.count);
            due.extend(more.newest.take().map(|event| counted(event, count)));
            more.at = at;
            // Where none came for so long the next one is the first.
            count > 0
        });
        due
    }

    pub(super) fn again(&mut self, plant: &str, identifier: &str, how: Again, times: u64) {
        *self.line(plant).times_of(how) += times;
        let word = match how {
            // Somebody else may say it as well: no sign of life.
            Again::Duplicate => return,
            Again::Replay | Again::Past => "an old message again",
            Again::Changed => "other bytes under a known identifier",
        };
        self.suspect(plant, &format!("{identifier}: {word}"), times);
    }

    pub(super) fn refused(&mut self, plant: &str, detail: &str, times: u64) {
        self.line(plant).refused += times;
        self.suspect(plant, detail, times);
    }

    /// One open entry per plant for all that is suspicious.
    fn suspect(&mut self, plant: &str, detail: &str, times: u64) {
        let open = self.memories.get(plant).and_then(|memory| memory.suspect);
        let open = open.filter(|number| self.entries.get(number).is_some_and(|entry| !entry.is_closed()));
        let number = open.unwrap_or_else(|| self.open(plant, About::Suspicion, SUSPECT_LEVEL, Mode::Actual));
        self.memories.entry(plant.to_owned()).or_default().suspect = Some(number);
        let (at, terms) = (self.at, self.terms);
        self.change(number, |entry| entry.suspect(at, detail, times, &terms));
    }
}
