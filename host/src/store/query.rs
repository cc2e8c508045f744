//! What the store is asked: events, alarms, notices, readings. Reads only. A day that cannot be read is put aside on the way, and the answer
//! names it. Must not know: how rows come into the databases.

use super::bases::Day;
use super::ingest::day;
use super::places::date;
use super::sample::Sampler;
use super::shelf::Shelf;
use super::{EventFilter, EventRow, NoticeRow, Packed, Page, Point, block, facts, keys, slots};
use anyhow::{Context, ensure};
use brain::event::Record;
use brain::{Alarm, Micros};
use std::collections::BTreeSet;
use std::ops::RangeInclusive;

/// Rows looked at for one page, so that a filter that fits nothing cannot hold up everybody else.
const LOOKED_AT_MAX: usize = 10_000;
/// Days that are opened before anybody asks: the last 24 hours lie in two.
const WARM_DAYS: usize = 2;

impl Shelf {
    /// Event rows after a number, oldest first.
    pub fn events(&mut self, after: u64, limit: usize, filter: &EventFilter) -> anyhow::Result<Page<EventRow>> {
        // Under each prefix numbers grow; what version 0.1.0 wrote of a day is older than the rest of it.
        let prefixes = match (filter.alarm, &filter.zone) {
            (Some(alarm), _) => vec![keys::of_alarm(alarm.0)],
            (None, Some(zone)) => {
                let zone = keys::number(zone);
                let old = self.bases.old.zones.get(&zone).map(|old| keys::old_of_zone(*old));
                old.into_iter().chain([keys::of_zone(zone)]).collect()
            }
            (None, None) => vec![],
        };
        let (from, to) = (filter.from.unwrap_or(0).max(0), filter.to.unwrap_or(i64::MAX));
        let mut page = EventPage { rows: vec![], limit, filter, after, from, to, looked_at: 0, full: None };
        // Numbers grow with time: a day outside is passed over.
        let days: Vec<i64> = self.days_after(after).into_iter().filter(|d| days_of(from, to).contains(d)).collect();
        for day in days.iter().filter(|day| !self.again.as_ref().is_some_and(|again| again.day == **day)) {
            self.bases.look(*day, |base| {
                // Zones that version 0.1.0 numbered in a state that is lost: the events themselves say theirs.
                let by_zone = filter.zone.is_some() && filter.alarm.is_none();
                let unnumbered = by_zone && prefixes.len() == 1 && slots::has_old_zones(base)?;
                if prefixes.is_empty() || unnumbered {
                    return page.walk(base);
                }
                prefixes.iter().try_for_each(|prefix| page.walk_index(base, prefix))
            })?;
            if page.full.is_some() {
                break;
            }
        }
        let incomplete = self.incomplete(&days);
        Ok(Page { rows: page.rows, next: page.full, incomplete })
    }

    /// Dates of those days that are not whole now.
    fn incomplete(&mut self, days: &[i64]) -> Vec<String> {
        let (lost, marks) = (&self.bases.lost, &self.marks);
        let last = self.days.last_key_value().map(|(day, _)| *day).filter(|_| self.is_catching_up());
        let is_not_whole = |day: &&i64| lost.contains_key(day) || marks.contains_key(day) || last == Some(**day);
        days.iter().filter(is_not_whole).filter_map(|day| date(*day).ok()).collect()
    }

    /// Days that can hold rows after a number, oldest first: also those of which nothing is there now.
    fn days_after(&self, after: u64) -> Vec<i64> {
        let days: Vec<i64> = self.days.keys().chain(self.marks.keys()).copied().collect::<BTreeSet<_>>().into_iter().collect();
        let is_before = |day: &i64| self.days.get(day).is_some_and(|begin| begin.seq <= after);
        let begun = days.iter().rposition(is_before).unwrap_or(0);
        days.into_iter().skip(begun).collect()
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
                return Ok(Page { rows, next: Some(keys::word_from_end(&key, 0)), incomplete: vec![] });
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
    pub fn series(&mut self, tag: &str, from: Micros, to: Micros, limit: usize) -> anyhow::Result<Page<Point>> {
        let tag = keys::number(tag);
        let old = self.bases.old.tags.get(&tag).copied();
        let mut sampler = Sampler::new(from, to, limit);
        let mut push = |rows: &[Point]| rows.iter().filter(|r| r.at >= from && r.at < to).for_each(|r| sampler.push(*r));
        let days: Vec<i64> = self.days_after(0).into_iter().filter(|d| days_of(from, to).contains(d)).collect();
        for day in days.iter().filter(|day| !self.again.as_ref().is_some_and(|again| again.day == **day)) {
            self.bases.look(*day, |base| {
                slots::blocks(base, (tag, old), &(from..to), |block| {
                    push(&block::unpack(block)?);
                    Ok(())
                })
            })?;
        }
        push(self.live.open(tag));
        let incomplete = self.incomplete(&days);
        Ok(Page { rows: sampler.finish(), next: None, incomplete })
    }

    /// Opens the newest days: see [`super::Store::warm`].
    pub fn warm(&mut self) -> anyhow::Result<()> {
        let newest: Vec<i64> = self.days.keys().rev().take(WARM_DAYS).copied().collect();
        newest.into_iter().try_for_each(|day| self.bases.look(day, |_| Ok(())).map(drop))
    }

    /// What the packed readings of a day take.
    pub fn packed(&mut self, at: Micros) -> anyhow::Result<Packed> {
        let packed = self.bases.look(day(at), |base| {
            let mut packed = Packed::default();
            for prefix in [keys::OLD_BLOCK, keys::BLOCK, keys::SLOTTED] {
                for row in base.ascending(prefix, prefix) {
                    let (_, value) = row?;
                    packed.blocks += 1;
                    packed.readings += block::rows(&value)? as u64;
                    packed.bytes += value.len() as u64;
                }
            }
            Ok(packed)
        })?;
        Ok(packed.unwrap_or_default())
    }
}

/// Days that hold something of `from..to`: one that begins with `to` is not opened for nothing.
fn days_of(from: Micros, to: Micros) -> RangeInclusive<i64> {
    day(from)..=day(to.saturating_sub(1))
}

/// A page being filled.
struct EventPage<'a> {
    rows: Vec<EventRow>,
    limit: usize,
    filter: &'a EventFilter,
    after: u64,
    from: Micros,
    to: Micros,
    looked_at: usize,
    /// Where the next page begins, once this one is full.
    full: Option<u64>,
}

impl EventPage<'_> {
    /// Goes through the events of a day.
    fn walk(&mut self, base: &Day) -> anyhow::Result<()> {
        let start = first_after(base, self.after)?.max(keys::event(self.from, 0));
        for row in base.ascending(keys::EVENT, &start) {
            let (key, value) = row?;
            if keys::word_from_end(&key, 1) as Micros >= self.to {
                break;
            }
            if keys::word_from_end(&key, 0) > self.after && self.take(&key, &value)? {
                break;
            }
        }
        Ok(())
    }

    /// Goes through those that an index names.
    fn walk_index(&mut self, base: &Day, prefix: &[u8]) -> anyhow::Result<()> {
        if self.full.is_some() {
            return Ok(());
        }
        for row in base.ascending(prefix, &keys::numbered(prefix, self.after.saturating_add(1))) {
            let (key, at) = row?;
            let at = keys::word_from_end(&at, 0) as Micros;
            if at >= self.to {
                break;
            }
            if at < self.from {
                continue;
            }
            let key = keys::event(at, keys::word_from_end(&key, 0));
            // Of a day that was salvaged the record itself may be lost.
            let Some(value) = base.get(&key)? else { continue };
            if self.take(&key, &value)? {
                break;
            }
        }
        Ok(())
    }

    /// Takes a row if it is wanted. True once the page is full.
    fn take(&mut self, key: &[u8], value: &[u8]) -> anyhow::Result<bool> {
        let record = record_of(key, value)?;
        let by_kind = self.filter.kind.as_ref().is_none_or(|kind| facts::is_kind(&record.entry, kind));
        let by_zone = self.filter.zone.as_ref().is_none_or(|zone| facts::zones(&record.entry).contains(&zone.as_str()));
        if by_kind && by_zone {
            let (kind, json) = (facts::kind(&record.entry), String::from_utf8_lossy(&value[4..]).into_owned());
            self.rows.push(EventRow { seq: record.seq, at: record.at, kind, json });
        }
        self.looked_at += 1;
        if self.rows.len() >= self.limit || self.looked_at >= LOOKED_AT_MAX {
            self.full = Some(record.seq);
        }
        Ok(self.full.is_some())
    }
}

/// The record of an event row. An error is damage: its CRC has been checked first.
pub fn record_of(key: &[u8], value: &[u8]) -> anyhow::Result<Record> {
    let (at, seq) = (keys::word_from_end(key, 1) as Micros, keys::word_from_end(key, 0));
    let (crc, json) = value.split_at_checked(4).context("a record in the store is cut short")?;
    ensure!(crc == crc32c::crc32c(json).to_be_bytes(), "the CRC of record {seq} in the store does not fit");
    let entry = serde_json::from_slice(json).with_context(|| format!("record {seq} in the store"))?;
    Ok(Record { seq, at, entry })
}

/// Key of the first record after a number, or shortly before it. Keys are ordered by time, and numbers with them: bisect on time.
fn first_after(base: &Day, after: u64) -> anyhow::Result<Vec<u8>> {
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
