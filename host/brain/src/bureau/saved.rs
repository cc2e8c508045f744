//! How a bureau is kept between two lives: what of it JSON has no form of its own for, and whether the parts of what is read fit each other.
//! Must not know: where it is kept, when.

use super::entry::{MESSAGES_MAX, TRANSFERS_MAX};
use super::rate::Count;
use super::tally::Tally;
use super::{About, Bureau, Entry, Incident};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// More of anything than there ever is, and than a number begins with after a loss (seconds since 1970): what counts further does not overflow.
const MANY: u64 = 1 << 53;

impl Serialize for Bureau {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        Bureau::serialize(self, to)
    }
}

/// What does not hold together is refused: another program wrote it, or it is damaged.
impl<'de> Deserialize<'de> for Bureau {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Bureau, D::Error> {
        let mut bureau = Bureau::deserialize(from)?;
        bureau.tally = Tally::of(bureau.entries.values().map(AsRef::as_ref));
        match bureau.holds_together() {
            true => Ok(bureau),
            false => Err(serde::de::Error::custom("its parts do not fit each other")),
        }
    }
}

impl Bureau {
    /// Every number names what it should: an entry of that plant, or one that was closed and forgotten, but none that is still to come.
    fn holds_together(&self) -> bool {
        let was = |number: &u64| (1..=self.entries_so_far).contains(number);
        let names = |number: &u64, plant: &str, is: fn(&About) -> bool| {
            was(number) && self.entries.get(number).is_none_or(|entry| entry.plant == plant && is(&entry.about))
        };
        let lines = self.lines.iter().all(|(plant, line)| {
            let counts = [line.reports, line.duplicates, line.replays, line.changed, line.refused, line.silences];
            let is = |about: &About| matches!(about, About::Silence { .. });
            let silent = line.silent.is_none_or(|number| names(&number, plant, is));
            few(&counts) && silent && line.rate.days.iter().all(|(_, count)| counted(*count))
        });
        let report = |about: &About| matches!(about, About::Report { .. });
        let memories = self.memories.iter().all(|(plant, memory)| {
            let is = |about: &About| matches!(about, About::Suspicion);
            memory.suspect.is_none_or(|number| names(&number, plant, is))
                && memory.order.len() == memory.of.len()
                && memory.order.iter().all(|identifier| memory.of.contains_key(identifier))
                && memory.of.values().all(|known| names(&known.entry, plant, report) && known.number <= self.messages_so_far)
        });
        let answer = |number: &u64| (1..=self.answers_so_far).contains(number);
        few(&[self.entries_so_far, self.messages_so_far, self.answers_so_far])
            && lines
            && memories
            && self.entries.iter().all(|(number, entry)| was(number) && entry.holds_together())
            && self.incidents.iter().all(|(Incident(plant, ..), number)| names(number, plant, report))
            && self
                .owed
                .iter()
                .all(|(number, (plant, entry, owed))| answer(number) && owed.number == *number && names(entry, plant, |_| true))
    }
}

impl Entry {
    fn holds_together(&self) -> bool {
        let transfers = self.transfers.iter().zip(1..).all(|(transfer, nth)| transfer.number == nth);
        self.messages_so_far <= MESSAGES_MAX && transfers && self.transfers.len() <= TRANSFERS_MAX
    }
}

fn few(counts: &[u64]) -> bool {
    counts.iter().all(|count| *count < MANY)
}

fn counted(count: Count) -> bool {
    count.came.max(count.expected_milli) < u64::MAX / 64
}

/// Entries as a list: each says its number.
pub(super) mod entries {
    use crate::bureau::Entry;
    use serde::{Deserialize, Deserializer, Serializer};
    use std::collections::BTreeMap;
    use std::sync::Arc;

    pub fn serialize<S: Serializer>(of: &BTreeMap<u64, Arc<Entry>>, to: S) -> Result<S::Ok, S::Error> {
        to.collect_seq(of.values().map(Arc::as_ref))
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<BTreeMap<u64, Arc<Entry>>, D::Error> {
        let all = Vec::<Entry>::deserialize(from)?;
        Ok(all.into_iter().map(|entry| (entry.number, Arc::new(entry))).collect())
    }
}

/// A map whose keys JSON cannot have, as a list.
pub(super) mod pairs {
    use crate::bureau::Incident;
    use serde::{Deserialize, Deserializer, Serializer};
    use std::collections::BTreeMap;

    type Map = BTreeMap<Incident, u64>;

    pub fn serialize<S: Serializer>(of: &Map, to: S) -> Result<S::Ok, S::Error> {
        to.collect_seq(of)
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Map, D::Error> {
        Ok(Vec::<(Incident, u64)>::deserialize(from)?.into_iter().collect())
    }
}
