//! Readings made up, and what they take in packed blocks: rate and bytes. Must not know: recordings, queries.

use super::disk_bytes;
use super::shelf::{self, Kept, START, keep};
use brain::event::{Entry, Event, Record};
use brain::{Micros, Quality, Reading, TagId};
use std::ops::Range;
use std::path::Path;
use std::time::Instant;

const SECOND: Micros = 1_000_000;

/// How a made-up value moves.
#[derive(Clone, Copy)]
pub enum Shape {
    /// A step of 0.1 every fourth second or so: a room's temperature.
    Slow,
    /// Three decimals, another value each second: a noisy pressure.
    Noisy,
}

/// A number that looks random, the same on every run.
pub fn scatter(n: u64) -> u64 {
    let n = (n ^ (n >> 31)).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    (n ^ (n >> 29)).wrapping_mul(0xbf58_476d_1ce4_e5b9) >> 32
}

impl Shape {
    /// Of a tag in a second.
    pub fn value(self, tag: u64, second: u64) -> f64 {
        match self {
            Shape::Slow => (200 + scatter((tag << 32) | (second / 4)) % 13) as f64 / 10.0,
            Shape::Noisy => (100_000 + scatter((tag << 32) | second) % 1000) as f64 / 1000.0,
        }
    }
}

/// `tags` tags once a second in these seconds, a record each second, behind a start where they begin with the first. It arrives up to
/// 20 ms after it was measured. The record of second `n` has the number `n + 2`.
pub fn plant(shape: Shape, tags: u64, seconds: Range<u64>) -> impl Iterator<Item = Record> + Send {
    let names = (0..tags).map(|t| format!("t{t}")).collect();
    let started = Event::started(names);
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
    let start = (seconds.start == 0).then_some(Record { seq: 1, at: START, entry: Entry::Event(started) });
    start.into_iter().chain(seconds.map(record))
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
        let Kept { store, .. } = &keep(&folder, seconds + 1, plant(shape, tags, 0..seconds))?;
        let rate = (tags * seconds) as f64 / began.elapsed().as_secs_f64();
        let held = shelf::packed(store, 1)?;
        let disk = disk_bytes(&folder)? as f64 / held.readings as f64;
        println!("| {name} | {rate:.0} | {:.2} | {disk:.2} |", held.bytes as f64 / held.readings as f64);
        std::fs::remove_dir_all(&folder)?;
    }
    println!();
    Ok(())
}
