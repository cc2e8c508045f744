//! What the store's thread owns: the databases and what is not yet in them. Applies records, answers queries.
//! Must not know: threads, where records come from. Any error is final: the caller stops using it and never drops it.

use super::bases::Bases;
use super::ingest::{Ingest, Names, Rows, day};
use super::sample::Sampler;
use super::{EventFilter, EventRow, NoticeRow, Packed, Page, Point, block, facts, keys};
use anyhow::{Context, ensure};
use brain::event::{Entry, Record};
use brain::{Alarm, Micros};
use std::collections::{BTreeMap, HashMap};
use std::path::Path;

/// Rows looked at for one page, so that a filter that fits nothing cannot hold up everybody else.
const LOOKED_AT_MAX: usize = 10_000;

/// The open store.
pub struct Shelf {
    bases: Bases,
    ingest: Ingest,
    /// UTC days kept.
    days: u32,
}

impl Shelf {
    /// Opens or makes it. Reading must begin behind [`Shelf::applied`].
    pub fn open(root: &Path, days: u32) -> anyhow::Result<Shelf> {
        let bases = Bases::open(root)?;
        let (written, resume) = match bases.state.get(keys::WATERMARK)? {
            Some(value) => (keys::word_from_end(&value, 1), keys::word_from_end(&value, 0)),
            None => (0, 0),
        };
        let mut begun = BTreeMap::new();
        for row in bases.state.ascending(keys::DAY, keys::DAY) {
            let (key, value) = row?;
            let day = keys::word_from_end(&key, 0) as i64;
            if bases.has(day)? {
                begun.insert(day, keys::word_from_end(&value, 0));
            }
        }
        let given = bases.state.descending(keys::GIVEN, &keys::numbered(keys::GIVEN, resume + 1)).next().transpose()?;
        let given: Vec<String> = given.map(|(_, names)| serde_json::from_slice(&names)).transpose()?.unwrap_or_default();
        let tags = Names::new(keys::TAG, names(&bases, keys::TAG)?);
        let zones = Names::new(keys::ZONE_NAME, names(&bases, keys::ZONE_NAME)?);
        let ingest = Ingest::new(resume, written, tags, zones, begun, &given);
        Ok(Shelf { bases, ingest, days })
    }

    /// Last record applied.
    pub fn applied(&self) -> u64 {
        self.ingest.applied
    }

    /// Last record whose rows are on disk.
    pub fn written(&self) -> u64 {
        self.ingest.written
    }

    /// Readings that could not be kept because no start had named their tags.
    pub fn nameless(&self) -> u64 {
        self.ingest.nameless
    }

    /// Applies records in order and makes their rows durable. Repeating it changes nothing.
    pub fn apply(&mut self, records: &[Record]) -> anyhow::Result<()> {
        let mut rows = Rows::default();
        for record in records {
            self.ingest.take(record, &mut rows, &mut self.bases)?;
        }
        self.write(rows)
    }

    /// Packs what is open, so that the next start reads nothing again.
    pub fn close(mut self) -> anyhow::Result<()> {
        let mut rows = Rows::default();
        self.ingest.close_all(&mut rows)?;
        self.write(rows)
    }

    /// Names first, then days, then the state with the watermark last: a cut anywhere is made good by reading again.
    fn write(&mut self, rows: Rows) -> anyhow::Result<()> {
        if rows.names.is_empty() && rows.days.is_empty() && rows.state.is_empty() {
            return Ok(());
        }
        if !rows.names.is_empty() {
            self.bases.state.put(rows.names)?;
        }
        for (day, rows) in rows.days {
            self.bases.day(day)?.put(rows)?;
        }
        let written = self.ingest.applied.max(self.ingest.written);
        let mark = [written.to_be_bytes(), self.ingest.resume().to_be_bytes()].concat();
        let mut state: Vec<_> = rows.state.into_iter().collect();
        state.push((keys::WATERMARK.to_vec(), mark));
        self.bases.state.put(state)?;
        self.ingest.written = written;
        self.drop_old_days()
    }

    /// Whole days only: nothing is ever removed from one.
    fn drop_old_days(&mut self) -> anyhow::Result<()> {
        let oldest_kept = self.ingest.today.saturating_sub(i64::from(self.days.max(1)) - 1);
        while let Some(entry) = self.ingest.days.first_entry()
            && *entry.key() < oldest_kept
        {
            self.bases.drop_day(*entry.key())?;
            entry.remove();
        }
        Ok(())
    }

    /// Event rows after a number, oldest first.
    pub fn events(&mut self, after: u64, limit: usize, filter: &EventFilter) -> anyhow::Result<Page<EventRow>> {
        let zone = match &filter.zone {
            Some(name) => match self.ingest.zones.get(name) {
                Some(id) => Some(id),
                None => return Ok(Page::end(vec![])),
            },
            None => None,
        };
        let index = match (filter.alarm, zone) {
            (Some(alarm), _) => Some(keys::of_alarm(alarm.0)),
            (None, Some(zone)) => Some(keys::of_zone(zone)),
            (None, None) => None,
        };
        let mut page = EventPage { rows: vec![], limit, filter, looked_at: 0, full: None };
        // Numbers grow with time: a day outside is passed over, and within one the keys begin at `from`.
        let (from, to) = (filter.from.unwrap_or(0).max(0), filter.to.unwrap_or(i64::MAX));
        for day in self.days_after(after).into_iter().filter(|d| (day(from)..=day(to)).contains(d)) {
            let Some(base) = self.bases.day_if_any(day)? else {
                continue;
            };
            match &index {
                Some(prefix) => {
                    for row in base.ascending(prefix, &keys::numbered(prefix, after.saturating_add(1))) {
                        let (key, at) = row?;
                        let at = keys::word_from_end(&at, 0) as Micros;
                        if at >= to {
                            break;
                        }
                        if at < from {
                            continue;
                        }
                        let key = keys::event(at, keys::word_from_end(&key, 0));
                        let value = base.get(&key)?.context("an index of the store points to a record that is not there")?;
                        if page.take(&key, &value)? {
                            break;
                        }
                    }
                }
                None => {
                    let start = first_after(base, after)?.max(keys::event(from, 0));
                    for row in base.ascending(keys::EVENT, &start) {
                        let (key, value) = row?;
                        if keys::word_from_end(&key, 1) as Micros >= to {
                            break;
                        }
                        if keys::word_from_end(&key, 0) > after && page.take(&key, &value)? {
                            break;
                        }
                    }
                }
            }
            if page.full.is_some() {
                break;
            }
        }
        Ok(Page { rows: page.rows, next: page.full })
    }

    /// Days that can hold rows after a number.
    fn days_after(&self, after: u64) -> Vec<i64> {
        let days: Vec<(i64, u64)> = self.ingest.days.iter().map(|(d, s)| (*d, *s)).collect();
        let begun = days.iter().rposition(|(_, first)| *first <= after).unwrap_or(0);
        days.into_iter().skip(begun).map(|(day, _)| day).collect()
    }

    /// Alarms below a number, newest first.
    pub fn alarms(&self, before: Option<u64>, limit: usize, closed_too: bool) -> anyhow::Result<Page<Alarm>> {
        self.newest(keys::ALARM, before, limit, |alarm: &Alarm| closed_too || !alarm.closed)
    }

    /// Notices below a number, newest first.
    pub fn notices(&self, before: Option<u64>, limit: usize) -> anyhow::Result<Page<NoticeRow>> {
        self.newest(keys::NOTICE, before, limit, |_| true)
    }

    fn newest<T: serde::de::DeserializeOwned>(
        &self,
        prefix: &[u8],
        before: Option<u64>,
        limit: usize,
        wanted: impl Fn(&T) -> bool,
    ) -> anyhow::Result<Page<T>> {
        let end = keys::numbered(prefix, before.unwrap_or(u64::MAX));
        let mut rows = vec![];
        for (looked_at, row) in self.bases.state.descending(prefix, &end).enumerate() {
            let (key, value) = row?;
            let row: T = serde_json::from_slice(&value)?;
            if wanted(&row) {
                rows.push(row);
            }
            if rows.len() >= limit || looked_at + 1 >= LOOKED_AT_MAX {
                return Ok(Page { rows, next: Some(keys::word_from_end(&key, 0)) });
            }
        }
        Ok(Page::end(rows))
    }

    /// One alarm or notice as it stands.
    pub fn one<T: serde::de::DeserializeOwned>(&self, prefix: &[u8], number: u64) -> anyhow::Result<Option<T>> {
        let value = self.bases.state.get(&keys::numbered(prefix, number))?;
        Ok(value.map(|v| serde_json::from_slice(&v)).transpose()?)
    }

    /// Readings of a tag that arrived in `from..to`, at most `limit` of them.
    pub fn series(&mut self, tag: &str, from: Micros, to: Micros, limit: usize) -> anyhow::Result<Vec<Point>> {
        let Some(tag) = self.ingest.tags.get(tag) else {
            return Ok(vec![]);
        };
        let mut sampler = Sampler::new(from, to, limit);
        let mut push = |rows: &[Point]| rows.iter().filter(|r| r.at >= from && r.at < to).for_each(|r| sampler.push(*r));
        let prefix = keys::of_tag(tag);
        let known = self.ingest.days.keys();
        let (first, last) = (known.clone().next(), known.clone().next_back());
        let first = first.copied().unwrap_or(i64::MAX).max(day(from));
        let last = last.copied().unwrap_or(i64::MIN).max(self.ingest.today).min(day(to));
        for day in first..=last {
            let Some(base) = self.bases.day_if_any(day)? else {
                continue;
            };
            // The block that begins last before the stretch may reach into it.
            let before = base.descending(&prefix, &keys::block(tag, from.max(0), 0)).next().transpose()?;
            let start = before.map_or(prefix.clone(), |(key, _)| key);
            for row in base.ascending(&prefix, &start) {
                let (key, value) = row?;
                if keys::word_from_end(&key, 1) as Micros >= to {
                    break;
                }
                push(&block::unpack(&value)?);
            }
        }
        push(self.ingest.open(tag));
        Ok(sampler.finish())
    }

    /// What the packed readings of a day take.
    pub fn packed(&mut self, at: Micros) -> anyhow::Result<Packed> {
        let mut packed = Packed::default();
        let Some(base) = self.bases.day_if_any(day(at))? else {
            return Ok(packed);
        };
        for row in base.ascending(keys::BLOCK, keys::BLOCK) {
            let (_, value) = row?;
            packed.blocks += 1;
            packed.readings += block::rows(&value)? as u64;
            packed.bytes += value.len() as u64;
        }
        Ok(packed)
    }
}

/// A page being filled.
struct EventPage<'a> {
    rows: Vec<EventRow>,
    limit: usize,
    filter: &'a EventFilter,
    looked_at: usize,
    /// Where the next page begins, once this one is full.
    full: Option<u64>,
}

impl EventPage<'_> {
    /// Takes a row if it is wanted. True once the page is full.
    fn take(&mut self, key: &[u8], value: &[u8]) -> anyhow::Result<bool> {
        let (at, seq) = (keys::word_from_end(key, 1) as Micros, keys::word_from_end(key, 0));
        let (crc, json) = value.split_at_checked(4).context("a record in the store is cut short")?;
        ensure!(crc == crc32c::crc32c(json).to_be_bytes(), "the CRC of record {seq} in the store does not fit");
        let entry: Entry = serde_json::from_slice(json).with_context(|| format!("record {seq} in the store"))?;
        let by_kind = self.filter.kind.as_ref().is_none_or(|kind| facts::is_kind(&entry, kind));
        let by_zone = self.filter.zone.as_ref().is_none_or(|zone| facts::zones(&entry).contains(&zone.as_str()));
        if by_kind && by_zone {
            let (kind, json) = (facts::kind(&entry), String::from_utf8_lossy(json).into_owned());
            self.rows.push(EventRow { seq, at, kind, json });
        }
        self.looked_at += 1;
        if self.rows.len() >= self.limit || self.looked_at >= LOOKED_AT_MAX {
            self.full = Some(seq);
        }
        Ok(self.full.is_some())
    }
}

/// Key of the first record after a number, or shortly before it. Keys are ordered by time, and numbers with them: bisect on time.
fn first_after(base: &super::bases::Day, after: u64) -> anyhow::Result<Vec<u8>> {
    let from = |at: Micros| base.ascending(keys::EVENT, &keys::event(at, 0)).next().transpose();
    let Some((first, _)) = from(0)? else {
        return Ok(keys::EVENT.to_vec());
    };
    let at = |key: &[u8]| keys::word_from_end(key, 1) as Micros;
    // Records from `low` on begin at or before `after`; those from `high` on begin behind it.
    let (mut low, mut high) = (at(&first), (day(at(&first)) + 1) * 86_400_000_000);
    while high - low > 1 {
        let middle = low + (high - low) / 2;
        match from(middle)? {
            Some((key, _)) if keys::word_from_end(&key, 0) <= after => low = at(&key),
            Some(_) | None => high = middle,
        }
    }
    Ok(keys::event(low, 0))
}

fn names(bases: &Bases, prefix: &[u8]) -> anyhow::Result<HashMap<String, u32>> {
    let mut names = HashMap::new();
    for row in bases.state.ascending(prefix, prefix) {
        let (key, value) = row?;
        let name = String::from_utf8_lossy(&key[prefix.len()..]).into_owned();
        let id = value.first_chunk::<4>().context("the number of a name in the store is cut short")?;
        names.insert(name, u32::from_be_bytes(*id));
    }
    Ok(names)
}
