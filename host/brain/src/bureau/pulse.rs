//! Whether a plant is alive: what counts as a sign of life, and when there has been none for too long. Must not know: how a heartbeat is proved, what a
//! message says.

use super::{About, Bureau, Entry, Event, Heartbeat, Line, Mode, SILENT_LEVEL, SUSPECT_LEVEL};
use crate::reading::Micros;
use crate::site::Severity;
use std::sync::Arc;

/// Why a heartbeat is no sign of life.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Unheard {
    /// Nothing says that it was made after the bureau asked: it may be one of before the bureau's start, or of before a silence.
    Unproved,
    /// An old one again: why.
    Old(String),
}

impl Bureau {
    /// A heartbeat came: heard, whether or not it goes on record. Gives the event where it says something new. `fresh`: it names what this plant was
    /// asked to say, which is something else after each start of the bureau, each heartbeat heard and each silence of the plant.
    ///
    /// Where there are runs, run and number only rise. Between two starts of the bureau not all is on record, and a plant that lost its record may
    /// begin with a lower run: so the first one after a start or a silence is taken whatever its run, but none that is not fresh.
    ///
    /// # Errors
    /// It is an old one, or may be.
    pub fn hears(&mut self, at: Micros, plant: &str, heartbeat: &Heartbeat, fresh: bool) -> Result<Option<Event>, Unheard> {
        let heard = self.memories.get(plant).is_some_and(|memory| memory.heard);
        let line = self.line(plant);
        let has_run = heartbeat.run > 0;
        if let Some(last) = line.alive.as_ref().filter(|last| !heartbeat.follows(last))
            && (heard || !has_run || !fresh)
        {
            let of = |one: &Heartbeat| format!("{} of run {}", one.number, one.run);
            return Err(Unheard::Old(format!("heartbeat {} again, or an earlier one: the last was {}", of(heartbeat), of(last))));
        }
        if has_run && !fresh {
            return Err(Unheard::Unproved);
        }
        let same = |last: &Heartbeat| {
            last.run == heartbeat.run
                && last.number < heartbeat.number
                && last.failing == heartbeat.failing
                && last.mode == heartbeat.mode
                && last.version == heartbeat.version
                && last.every_s == heartbeat.every_s
        };
        let news = !heard || line.silent.is_some() || !line.alive.as_ref().is_some_and(same);
        line.heard_at = line.heard_at.max(at);
        line.alive = Some(heartbeat.clone());
        line.rate.live.came += 1;
        Ok(news.then(|| Event::Alive { plant: plant.to_owned(), heartbeat: heartbeat.clone() }))
    }

    /// What is another one after each heartbeat that is heard, and after each silence: what a plant is asked to say is made of it, so that of those
    /// that somebody held back one at most is heard.
    pub fn pulse(&self, plant: &str) -> (u64, Micros, u64) {
        let of = |line: &Line| (line.silences, line.alive.as_ref().map_or((0, 0), |last| (last.run, last.number)));
        let (silences, (run, number)) = self.lines.get(plant).map_or((0, (0, 0)), of);
        (silences, run, number)
    }

    /// Plants from which nothing has come for their time, and nobody has been told.
    pub fn silent(&self, at: Micros) -> Vec<Event> {
        let silent = |line: &Line| {
            let most = i64::from(line.silent_s?) * 1_000_000;
            (line.silent.is_none() && !(at.saturating_sub(line.heard_at) < most)).then_some(line.heard_at)
        };
        let event = |(plant, line): (&String, &Line)| silent(line).map(|since| Event::Silent { plant: plant.clone(), since });
        self.lines.iter().filter_map(event).collect()
    }

    /// Something of this plant came: it is not silent.
    pub(super) fn heard(&mut self, plant: &str) {
        let at = self.at;
        let line = self.line(plant);
        line.heard_at = line.heard_at.max(at);
        if let Some(number) = line.silent.take() {
            self.change(number, |entry| {
                entry.cleared = true;
                entry.ended = true;
            });
        }
    }

    /// The first heartbeat to a record that begins anew: a person asks the plant for what stands there and is not known here. The plant tells nothing of
    /// itself again that it has a receipt for.
    pub(super) fn missed(&mut self, plant: &str, heartbeat: &Heartbeat) {
        if !std::mem::take(&mut self.line(plant).unknown) {
            return;
        }
        let is_known =
            |entry: &&Arc<Entry>| entry.plant == plant && entry.mode == heartbeat.mode && !entry.ended && !entry.is_closed();
        let known = self.entries.values().filter(is_known).filter(|entry| matches!(entry.about, About::Report { .. })).count();
        let alarms = heartbeat.alarms.values().sum::<u64>();
        // What waits there is on its way here.
        if alarms.saturating_sub(heartbeat.waiting) > known as u64 {
            let stands = |level: &Severity| heartbeat.alarms.get(level.word()).is_some_and(|count| *count > 0);
            let level = Severity::ALL.into_iter().filter(stands).max().unwrap_or(SUSPECT_LEVEL);
            self.open(plant, About::Unknown { alarms }, level, heartbeat.mode);
        }
    }

    pub(super) fn fell_silent(&mut self, plant: &str, since: Micros) {
        let number = self.open(plant, About::Silence { since }, SILENT_LEVEL, Mode::Actual);
        let line = self.line(plant);
        line.silences += 1;
        line.silent = Some(number);
        self.memories.entry(plant.to_owned()).or_default().heard = false;
    }
}
