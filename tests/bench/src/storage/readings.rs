//! Readings in packed blocks: rate, bytes, and what a query costs as tags and days grow. Must not know: recordings.

use super::shelf::{self, Kept, START, keep};
use super::{disk_bytes, percentile};
use brain::event::{Entry, Event, Record};
use brain::{Micros, Quality, Reading, TagId};
use std::path::Path;
use std::time::Instant;

const SECOND: Micros = 1_000_000;
const DAY_S: u64 = 86_400;

/// How a made-up value moves.
#[derive(Clone, Copy)]
enum Shape {
    /// A step of 0.1 every fourth second or so: a room's temperature.
    Slow,
    /// Three decimals, another value each second: a noisy pressure.
    Noisy,
}

/// A number that looks random, the same on every run.
fn scatter(n: u64) -> u64 {
    let n = (n ^ (n >> 31)).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    (n ^ (n >> 29)).wrapping_mul(0xbf58_476d_1ce4_e5b9) >> 32
}

impl Shape {
    fn value(self, tag: u64, second: u64) -> f64 {
        match self {
            Shape::Slow => (200 + scatter((tag << 32) | (second / 4)) % 13) as f64 / 10.0,
            Shape::Noisy => (100_000 + scatter((tag << 32) | second) % 1000) as f64 / 1000.0,
        }
    }
}

/// `tags` tags once a second for `seconds`, a record each second. It arrives up to 20 ms after it was measured.
fn plant(shape: Shape, tags: u64, seconds: u64) -> impl Iterator<Item = Record> + Send {
    let names = (0..tags).map(|t| format!("t{t}")).collect();
    let started = Event::Started { config: String::new(), version: String::new(), tags: names };
    let record = move |second: u64| {
        let source_us = START + second as i64 * SECOND;
        let readings = (0..tags).map(|tag| Reading {
            tag: TagId(tag as u32),
            value: shape.value(tag, second),
            quality: Quality::GOOD,
            source_us,
        });
        let at = source_us + (scatter(second) % 20_000) as i64;
        Record { seq: second + 2, at, entry: Entry::Event(Event::Readings { readings: readings.collect() }) }
    };
    std::iter::once(Record { seq: 1, at: START, entry: Entry::Event(started) }).chain((0..seconds).map(record))
}

/// Rate into blocks, bytes of a reading in its block and on the disk.
pub fn packed(place: &Path, quick: bool) -> anyhow::Result<()> {
    let (tags, seconds) = if quick { (10, 3_600) } else { (1_000, 3 * 3_600) };
    println!("{tags} tags at 1 Hz for {seconds} s, arriving up to 20 ms late.\n");
    println!("| values | readings/s into the store | bytes a reading, packed | on the disk |");
    println!("|---|---|---|---|");
    for (name, shape) in [("slowly changing", Shape::Slow), ("noisy, three decimals", Shape::Noisy)] {
        let folder = place.join("store");
        let began = Instant::now();
        let Kept { store, .. } = &keep(&folder, seconds + 1, plant(shape, tags, seconds))?;
        let rate = (tags * seconds) as f64 / began.elapsed().as_secs_f64();
        let held = shelf::packed(store, 1)?;
        let disk = disk_bytes(&folder)? as f64 / held.readings as f64;
        println!("| {name} | {rate:.0} | {:.2} | {disk:.2} |", held.bytes as f64 / held.readings as f64);
        std::fs::remove_dir_all(&folder)?;
    }
    println!();
    Ok(())
}

/// An hour and a thinned day of one tag, in stores of several sizes.
pub fn queries(place: &Path, quick: bool) -> anyhow::Result<()> {
    let plants: &[(u64, u64)] = if quick { &[(2, 1)] } else { &[(10, 1), (10, 30), (100, 3), (1_000, 1)] };
    println!("One tag at 1 Hz, random tags and times; p50 / worst in ms; \"first\": the store has just been started again.\n");
    println!("| tags x days | readings | MB | an hour, first | an hour | a day to 2000 points, first | a day to 2000 points |");
    println!("|---|---|---|---|---|---|---|");
    for (tags, days) in plants {
        let folder = place.join("store");
        let (last, seconds) = (days * DAY_S + 1, days * DAY_S);
        keep(&folder, last, plant(Shape::Slow, *tags, seconds))?.store.close()?;
        let (mut first_hour, mut first_day, mut hours, mut whole_days) = (vec![], vec![], vec![], vec![]);
        for round in 0..5 {
            let kept = keep(&folder, last, std::iter::empty())?;
            first_hour.push(ask(&kept, *tags, *days, round, 3_600, 20_000)?);
            kept.store.close()?;
            let kept = keep(&folder, last, std::iter::empty())?;
            first_day.push(ask(&kept, *tags, *days, round, DAY_S, 2_000)?);
            for n in 0..20 {
                hours.push(ask(&kept, *tags, *days, 100 * round + n, 3_600, 20_000)?);
                whole_days.push(ask(&kept, *tags, *days, 100 * round + n, DAY_S, 2_000)?);
            }
            kept.store.close()?;
        }
        let cells = [first_hour, hours, first_day, whole_days]
            .map(|mut ms| format!("{:.1} / {:.1}", percentile(&mut ms, 0.5), percentile(&mut ms, 1.0)));
        let (readings, mb) = (tags * seconds, disk_bytes(&folder)? as f64 / 1e6);
        println!("| {tags} x {days} | {readings} | {mb:.0} | {} |", cells.join(" | "));
        std::fs::remove_dir_all(&folder)?;
    }
    println!();
    Ok(())
}

/// Asks for a stretch of a tag and says how long it took, ms. A day is a whole UTC day.
fn ask(kept: &Kept, tags: u64, days: u64, n: u64, seconds: u64, points: usize) -> anyhow::Result<f64> {
    let tag = format!("t{}", scatter(n) % tags);
    let start = scatter(n + 1_000_000) % (days * DAY_S / seconds) * seconds;
    let (from, to) = (START + start as i64 * SECOND, START + (start + seconds) as i64 * SECOND);
    let began = Instant::now();
    let found = kept.store.series(&tag, from, to, points)?.rows;
    let ms = began.elapsed().as_secs_f64() * 1e3;
    let least = points.min(seconds as usize) / 2;
    anyhow::ensure!(found.len() > least && found.len() <= points, "{} points of {tag} at {start}", found.len());
    Ok(ms)
}
