//! Recordings of real plants through the store: bytes of a reading. Every numeric column is a tag, every file a link of its own.
//! Must not know: what the columns mean.

use super::disk_bytes;
use super::shelf::{self, START, keep};
use anyhow::Context;
use brain::event::{Entry, Event, Record};
use brain::{Micros, Quality, Reading, TagId};
use std::path::{Path, PathBuf};

/// Folder, and seconds between rows where a file does not say.
const SETS: &[(&str, i64)] = &[
    ("skab", 1),
    ("gas_mq", 2),
    ("occupancy", 30),
    ("tep", 180),
    ("nab", 300),
    ("ltown", 300),
    ("batadal", 3600),
    ("water_flow", 3600),
];

/// One file: rows in order, with microseconds since the first.
struct Recording {
    columns: usize,
    rows: Vec<(Micros, Vec<f64>)>,
}

/// Prints a row for each set.
pub fn packed(place: &Path, data: &Path) -> anyhow::Result<()> {
    println!("Recordings, each row arriving up to 20 ms after it was measured.\n");
    println!("| set | files | tags | every, s | readings | bytes a reading, packed | on the disk |");
    println!("|---|---|---|---|---|---|---|");
    let (mut all_readings, mut all_bytes, mut all_disk) = (0, 0, 0);
    for (set, every_s) in SETS {
        let mut files = vec![];
        find(&data.join(set), &mut files)?;
        files.sort();
        let recordings = files.iter().map(|f| read(f, *every_s)).collect::<anyhow::Result<Vec<_>>>()?;
        let tags: usize = recordings.iter().map(|r| r.columns).sum();
        let records = records(&recordings);
        let folder = place.join(set);
        let last = records.len() as u64;
        let days = records.last().map_or(0, |r| (r.at - START) / 86_400_000_000 + 1);
        let kept = keep(&folder, last, records.into_iter())?;
        // A clean stop packs what is open.
        kept.store.close()?;
        let kept = keep(&folder, last, std::iter::empty())?;
        let held = shelf::packed(&kept.store, days)?;
        kept.store.close()?;
        let disk = disk_bytes(&folder)?;
        let each = |bytes: u64| bytes as f64 / held.readings as f64;
        println!(
            "| {set} | {} | {tags} | {every_s} | {} | {:.2} | {:.2} |",
            files.len(),
            held.readings,
            each(held.bytes),
            each(disk)
        );
        all_readings += held.readings;
        all_bytes += held.bytes;
        all_disk += disk;
    }
    let each = |bytes: u64| bytes as f64 / all_readings as f64;
    println!("| all | | | | {all_readings} | {:.2} | {:.2} |\n", each(all_bytes), each(all_disk));
    Ok(())
}

fn find(folder: &Path, files: &mut Vec<PathBuf>) -> anyhow::Result<()> {
    for entry in std::fs::read_dir(folder).with_context(|| format!("cannot read {}", folder.display()))? {
        let path = entry?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        if path.is_dir() {
            find(&path, files)?;
        } else if (name.ends_with(".csv") && !name.contains("truth")) || name.ends_with("_te.dat") {
            files.push(path);
        }
    }
    Ok(())
}

fn read(path: &Path, every_s: i64) -> anyhow::Result<Recording> {
    let text = std::fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
    let split = |line: &str| -> Vec<String> {
        let by = |c: char| line.split(c).map(|cell| cell.trim().to_owned()).collect();
        match (line.contains(';'), line.contains(',')) {
            (true, _) => by(';'),
            (false, true) => by(','),
            (false, false) => line.split_whitespace().map(str::to_owned).collect(),
        }
    };
    let rows: Vec<Vec<String>> = text.lines().map(split).filter(|row| row.len() > 1).collect();
    let sample = rows.get(1).with_context(|| format!("{} has no rows", path.display()))?;
    let columns: Vec<usize> = (0..sample.len()).filter(|i| sample[*i].parse::<f64>().is_ok()).collect();
    let time = |row: &[String]| {
        let time: Option<jiff::civil::DateTime> = row.first()?.parse().ok();
        Some(jiff::tz::TimeZone::UTC.to_timestamp(time?).ok()?.as_microsecond())
    };
    let first = time(sample).unwrap_or(0);
    let mut kept: Vec<(Micros, Vec<f64>)> = vec![];
    for row in &rows {
        let values: Vec<f64> = columns.iter().filter_map(|i| row.get(*i)?.parse().ok()).collect();
        // Anything else is a heading, or a row with holes.
        if values.len() == columns.len() {
            kept.push((time(row).map_or(kept.len() as i64 * every_s * 1_000_000, |t| t - first), values));
        }
    }
    kept.sort_by_key(|(at, _)| *at);
    Ok(Recording { columns: columns.len(), rows: kept })
}

/// All files side by side, from one start.
fn records(recordings: &[Recording]) -> Vec<Record> {
    let tags: usize = recordings.iter().map(|r| r.columns).sum();
    let names = (0..tags).map(|t| format!("t{t}")).collect();
    let started = Event::started(names);
    let (mut arrived, mut first) = (vec![], 0);
    let mut late = 1u64;
    for recording in recordings {
        for (offset, values) in &recording.rows {
            let source_us = START + offset;
            let readings = (first..).zip(values).map(|(tag, value)| Reading {
                tag: TagId(tag),
                value: *value,
                quality: Quality::GOOD,
                source_us,
            });
            late = late.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            arrived.push((source_us + (late >> 33) as i64 % 20_000, Event::Readings { readings: readings.collect() }));
        }
        first += recording.columns as u32;
    }
    arrived.sort_by_key(|(at, _)| *at);
    arrived.insert(0, (START, started));
    (1..).zip(arrived).map(|(seq, (at, event))| Record { seq, at, entry: Entry::Event(event) }).collect()
}
