//! What is counted of a bureau's entries beside them, so that no message goes through all of them: kept with each change, made again from the entries
//! where a snapshot is read. Must not know: what an entry is about.

use super::{Act, Entry, Mode};
use std::collections::{BTreeMap, BTreeSet};

/// The counts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Tally {
    /// Entries that are not closed, by plant and mode; none where there is none.
    open: BTreeMap<(String, Mode), usize>,
    closed: BTreeSet<u64>,
    /// Instructions that nobody at a plant is known to have taken: message and entry.
    untaken: BTreeSet<(String, u64)>,
}

impl Tally {
    /// Of all these.
    pub(super) fn of<'e>(entries: impl Iterator<Item = &'e Entry>) -> Tally {
        let mut tally = Tally::default();
        entries.for_each(|entry| tally.add(entry));
        tally
    }

    /// This one, too.
    pub(super) fn add(&mut self, entry: &Entry) {
        match entry.is_closed() {
            true => _ = self.closed.insert(entry.number),
            false => *self.open.entry((entry.plant.clone(), entry.mode)).or_default() += 1,
        }
        self.untaken.extend(untaken(entry));
    }

    /// This one no more, as it was when it was added.
    pub(super) fn remove(&mut self, entry: &Entry) {
        let key = (entry.plant.clone(), entry.mode);
        match (entry.is_closed(), self.open.get_mut(&key)) {
            (true, _) => _ = self.closed.remove(&entry.number),
            (false, Some(count)) if *count > 1 => *count -= 1,
            (false, _) => _ = self.open.remove(&key),
        }
        untaken(entry).for_each(|one| _ = self.untaken.remove(&one));
    }

    /// How many of this plant and mode are not closed.
    pub(super) fn open(&self, plant: &str, mode: Mode) -> usize {
        self.open.get(&(plant.to_owned(), mode)).copied().unwrap_or(0)
    }

    /// How many are closed, and the oldest of them.
    pub(super) fn closed(&self) -> (usize, Option<u64>) {
        (self.closed.len(), self.closed.first().copied())
    }

    /// The first entry with this instruction, while nobody is known to have taken it.
    pub(super) fn instructed(&self, message: &str) -> Option<u64> {
        let (known, entry) = self.untaken.range((message.to_owned(), 0)..).next()?;
        (known == message).then_some(*entry)
    }
}

fn untaken(entry: &Entry) -> impl Iterator<Item = (String, u64)> + '_ {
    let waits = entry.acts.iter().filter(|done| matches!(done.act, Act::Instruct { .. }) && done.taken.is_none());
    waits.map(|done| (done.message.clone(), entry.number))
}
