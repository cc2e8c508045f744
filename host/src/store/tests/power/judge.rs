//! What a store must say, from the records alone. Must not know: how the store keeps anything.

use super::*;
use std::collections::BTreeMap;

/// Records, and what each of them looks like to whoever asks.
pub struct Judge {
    pub records: Arc<Vec<Record>>,
    rows: Vec<EventRow>,
    /// How long a store may take to be whole again.
    whole_max: Duration,
}

impl Judge {
    pub fn new(records: &Arc<Vec<Record>>, whole_max: Duration) -> Judge {
        let row = |record: &Record| {
            let json = serde_json::to_string(&record.entry).unwrap();
            EventRow { seq: record.seq, at: record.at, kind: facts::kind(&record.entry), json }
        };
        let is_row = |record: &&Record| !matches!(record.entry, Entry::Event(Event::Tick | Event::Readings { .. }));
        Judge { records: records.clone(), rows: records.iter().filter(is_row).map(row).collect(), whole_max }
    }

    /// Opens the store beside a journal that has readings from one record to another and events from the first on, waits until it is whole, asks
    /// everything, and closes it.
    pub fn open(&self, dir: &Path, whole_from: u64, last: u64, what: &str) {
        let (durable, seen) = watch::channel(last);
        let source = Source { run: Run::default(), read: Box::new(pruned::pruned(&self.records, whole_from)), durable: seen };
        let store = Store::start(dir, KEPT_DAYS, source).unwrap();
        let since = Instant::now();
        // While it is found and made good, an answer may be missing or refused, but is never wrong.
        let (expected, may_be_gone) = self.expected(last);
        if let Ok(page) = store.series("a", 0, i64::MAX, POINTS_MAX) {
            let of_records = self.points("a", i64::MIN, last);
            assert!(
                page.rows.iter().all(|p| of_records.binary_search_by_key(&p.at, |e| e.at).is_ok_and(|i| of_records[i] == *p)),
                "{what}: a wrong value"
            );
        }
        loop {
            let status = store.status();
            if status.healthy && status.incomplete.is_empty() && status.watermark == last {
                break;
            }
            assert!(since.elapsed() < self.whole_max, "{what}: never whole: {status:?}");
            std::thread::sleep(Duration::from_millis(1));
        }
        let mut is = all(&store);
        // Swept, or not yet.
        is.1.retain(|alarm| !may_be_gone.contains(&alarm.id.0) || !expected.1.contains(alarm));
        is.2.retain(|row| !may_be_gone.contains(&row.notice.id.0) || !expected.2.contains(row));
        let mut expected = expected;
        expected.1.retain(|alarm| !may_be_gone.contains(&alarm.id.0));
        expected.2.retain(|row| !may_be_gone.contains(&row.notice.id.0));
        assert_same(&is, &expected, what);
        store.close().unwrap();
        drop(durable);
    }

    /// What everybody must be told where the journal ends with a record; and alarms, and the notices of the same number, that are closed and done so long
    /// that they may be swept.
    fn expected(&self, last: u64) -> (Seen, Vec<u64>) {
        let records = &self.records[..last as usize];
        let today = records.last().map_or(i64::MIN, |record| record.at.div_euclid(DAY));
        let oldest = (today.saturating_sub(i64::from(KEPT_DAYS) - 1)).saturating_mul(DAY);
        let events = self.rows.iter().filter(|row| row.seq <= last && row.at >= oldest).cloned().collect();
        let (mut alarms, mut notices) = (BTreeMap::new(), BTreeMap::new());
        for record in records {
            match &record.entry {
                Entry::Outcome { outcome, .. } => outcome.iter().for_each(|outcome| match outcome {
                    Outcome::Alarm { alarm, .. } => drop(alarms.insert(alarm.id.0, (**alarm).clone())),
                    Outcome::Told { notice } => drop(notices.insert(notice.id.0, NoticeRow::new(notice, record.at))),
                    Outcome::Delivery { notice, delivery } => {
                        let row = notices.get_mut(&notice.0).unwrap();
                        (row.delivery, row.changed_at) = (*delivery, record.at);
                    }
                    other => panic!("not in the script: {other:?}"),
                }),
                Entry::Event(Event::Receipt { notice, .. }) => notices.get_mut(&notice.0).unwrap().received_at = Some(record.at),
                Entry::Event(_) | Entry::Bureau(_) => {}
            }
        }
        let is_over = |alarm: &&Alarm| alarm.closed && alarm.changed_at < oldest;
        let over = alarms.values().filter(is_over).map(|alarm| alarm.id.0).collect();
        let series = ["a", "b"].map(|tag| self.points(tag, oldest, last)).to_vec();
        ((events, alarms.into_values().rev().collect(), notices.into_values().rev().collect(), series), over)
    }

    fn points(&self, tag: &str, from: Micros, last: u64) -> Vec<Point> {
        let mut names: &[String] = &[];
        let mut points = vec![];
        for record in &self.records[..last as usize] {
            match &record.entry {
                Entry::Event(Event::Started { tags, .. }) => names = tags,
                Entry::Event(Event::Readings { readings }) if record.at >= from => {
                    let of_tag = readings.iter().filter(|reading| names[reading.tag.0 as usize] == tag);
                    points.extend(of_tag.map(|r| Point {
                        at: record.at,
                        source_us: r.source_us,
                        value: r.value,
                        quality: r.quality,
                    }));
                }
                _ => {}
            }
        }
        points
    }
}
