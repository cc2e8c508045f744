//! What comes from the field, as functions of bytes. See [`crate::fuzzing`].

pub use super::modbus::fuzzing::{frames, registers};

use super::payload::{Decoder, Delivery};
use super::recording;
use crate::config::types::{JsonPoint, Payload, Recording, RecordingTime, TagFrom, TimeFormat, Topic, Values};
use brain::{Micros, Quality, TagId};
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::LazyLock;

/// 2026-01-02 in microseconds.
const ARRIVAL: Micros = 1_767_323_045_000_000;

static DECODER: LazyLock<Decoder> = LazyLock::new(|| {
    let names = || [("a", 1), ("b", 2)].map(|(name, tag)| (name.to_owned(), TagId(tag))).into();
    let words = || [("on", 1), ("off", 0), ("7", 7)].map(|(word, code)| (word.to_owned(), code)).into();
    let json = |format: TimeFormat, level: usize| Payload::Json {
        points: vec![
            JsonPoint {
                tag: TagFrom::Fixed(TagId(3)),
                value: "/v".to_owned(),
                quality: Some("/q".to_owned()),
                values: Values::new(),
            },
            JsonPoint { tag: TagFrom::Level(level, names()), value: "/deep/0/~1x".to_owned(), quality: None, values: words() },
        ],
        time: Some(("/t".to_owned(), format)),
    };
    let topics = [
        ("scalar/fixed", Payload::Scalar { tag: TagFrom::Fixed(TagId(0)), values: Values::new() }),
        ("scalar/+", Payload::Scalar { tag: TagFrom::Level(1, names()), values: Values::new() }),
        ("word/+", Payload::Scalar { tag: TagFrom::Level(1, names()), values: words() }),
        ("$share/group/s/#", json(TimeFormat::Seconds, 1)),
        ("ms/+", json(TimeFormat::Milliseconds, 1)),
        ("us/+", json(TimeFormat::Microseconds, 9)),
        ("rfc3339/+", json(TimeFormat::Rfc3339, 1)),
    ];
    Decoder::new(&topics.map(|(filter, payload)| Topic { filter: filter.to_owned(), payload }))
});

/// A topic on the first line, behind it the payload. What is no number is never good, no reading comes from the future, and what a broker
/// had kept is never fresh without a time of its own.
pub fn message(bytes: &[u8]) -> bool {
    let (topic, payload) = line(bytes);
    let topic = String::from_utf8_lossy(topic);
    let mut taken = false;
    for delivery in [Delivery::Live, Delivery::Kept] {
        let mut readings = Vec::new();
        taken = DECODER.decode(&topic, payload, ARRIVAL, delivery, &mut readings).is_ok();
        for reading in &readings {
            assert!(reading.value.is_finite() || reading.quality.is_bad(), "no number, and not bad: {reading:?}");
            assert!(reading.source_us <= ARRIVAL + 2_000_000, "from the future: {reading:?}");
            let timeless = reading.source_us == ARRIVAL;
            assert!(delivery == Delivery::Live || !timeless || reading.quality != Quality::GOOD, "kept, and fresh: {reading:?}");
        }
    }
    taken
}

/// A CSV file; the first byte says which kind of time column it has. Time never goes back.
pub fn recording(bytes: &[u8]) -> bool {
    let Some((kind, csv)) = bytes.split_first() else { return false };
    let pattern = ["%+", "%Y-%m-%d %H:%M:%S", "%d/%m/%Y %H:%M:%S%.f"];
    let time = match pattern.get(usize::from(kind % 4)) {
        Some(pattern) => RecordingTime::Columns { names: vec!["t".to_owned()], pattern: (*pattern).to_owned(), zone: None },
        None => RecordingTime::Every { ms: u64::from(*kind) << 40, start_us: ARRIVAL },
    };
    let config = Recording { separator: b',', time, columns: vec![("v".to_owned(), TagId(0))], values: BTreeMap::new() };
    let Ok(rows) = recording::read(Path::new("fuzz.csv"), Box::new(std::io::Cursor::new(csv.to_vec())), &config) else {
        return false;
    };
    let (mut last, mut taken) = (Micros::MIN, false);
    for (at, readings) in rows.map_while(Result::ok) {
        assert!(at >= last, "time goes back");
        assert!(readings.iter().all(|reading| reading.value.is_finite() || reading.quality.is_bad()), "{readings:?}");
        (last, taken) = (at, true);
    }
    taken
}

fn line(bytes: &[u8]) -> (&[u8], &[u8]) {
    let end = bytes.iter().position(|byte| *byte == b'\n').unwrap_or(bytes.len());
    (&bytes[..end], bytes.get(end + 1..).unwrap_or_default())
}
