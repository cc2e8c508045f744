//! From a published message to readings. Pure: bytes in, readings out, no clock, no connection. Total: any bytes give readings or a fault.
//! Must not know: MQTT sessions, packet ids, what a value means for safety.

use super::json::{Cell, Pointers};
use super::words;
use crate::config::types::{Payload, TagFrom, TimeFormat, Topic, Values};
use brain::{Micros, Quality, Reading, TagId};
use std::collections::HashMap;

/// A source time further ahead of our clock than this is not believed (2 s, our own default).
const AHEAD_MAX_US: Micros = 2_000_000;
/// A kept message whose own time is older than this is late (10 s, our own default).
const KEPT_AGE_MAX_US: Micros = 10_000_000;
/// Longest text that can be one value.
const SCALAR_BYTES_MAX: usize = 64;

/// How a message came to us.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Delivery {
    /// As it was published.
    Live,
    /// The broker had kept it: retained, or queued while we were away. It tells the last value, not a fresh one.
    Kept,
}

/// The payload table of one link, ready for use.
pub(super) struct Decoder {
    exact: HashMap<String, Vec<usize>>,
    patterns: Vec<(String, usize)>,
    routes: Vec<Route>,
}

enum Route {
    Scalar(TagFrom, Values),
    Json { points: Vec<Point>, time: Option<(usize, TimeFormat)>, pointers: Pointers },
}

struct Point {
    tag: TagFrom,
    pointer: String,
    value: usize,
    quality: Option<usize>,
    values: Values,
}

impl Decoder {
    pub(super) fn new(topics: &[Topic]) -> Self {
        let mut decoder = Decoder { exact: HashMap::new(), patterns: Vec::new(), routes: Vec::new() };
        for (index, topic) in topics.iter().enumerate() {
            let filter = unshared(&topic.filter);
            if filter.contains(['+', '#']) {
                decoder.patterns.push((filter.to_owned(), index));
            } else {
                decoder.exact.entry(filter.to_owned()).or_default().push(index);
            }
            decoder.routes.push(Route::new(&topic.payload));
        }
        decoder
    }

    /// Appends the readings of one message to `into`. A fault names the topic and what is wrong; readings appended beside a fault are
    /// good to use (in a document with ten values, one missing value does not cost the other nine).
    pub(super) fn decode(
        &self,
        topic: &str,
        bytes: &[u8],
        arrival: Micros,
        delivery: Delivery,
        into: &mut Vec<Reading>,
    ) -> Result<(), String> {
        let exact = self.exact.get(topic).into_iter().flatten().copied();
        let matching = self.patterns.iter().filter(|(filter, _)| matches(filter, topic)).map(|(_, index)| *index);
        let from = into.len();
        let mut fault =
            Some("no configured filter matches (a subscription left over in the broker's session of this client_id?)".to_owned());
        for (nth, index) in exact.chain(matching).enumerate() {
            let result = self.routes[index].decode(topic, bytes, arrival, into);
            if nth == 0 || result.is_err() {
                fault = result.err();
            }
        }
        for reading in &mut into[from..] {
            if reading.source_us > arrival + AHEAD_MAX_US {
                reading.source_us = arrival;
                reading.quality = reading.quality.worst(Quality::DOUBTFUL);
            }
            let timeless = reading.source_us == arrival;
            if delivery == Delivery::Kept && (timeless || arrival - reading.source_us > KEPT_AGE_MAX_US) {
                reading.quality = reading.quality.worst(Quality::LATE);
            }
        }
        fault.map_or(Ok(()), |what| Err(format!("topic {topic}: {what}")))
    }
}

impl Route {
    fn new(payload: &Payload) -> Self {
        match payload {
            Payload::Scalar { tag, values } => Route::Scalar(tag.clone(), values.clone()),
            Payload::Json { points, time } => {
                let mut pointers = Pointers::default();
                let points = points
                    .iter()
                    .map(|p| Point {
                        tag: p.tag.clone(),
                        pointer: p.value.clone(),
                        value: pointers.add(&p.value),
                        quality: p.quality.as_deref().map(|q| pointers.add(q)),
                        values: p.values.clone(),
                    })
                    .collect();
                let time = time.as_ref().map(|(at, format)| (pointers.add(at), *format));
                Route::Json { points, time, pointers }
            }
        }
    }

    fn decode(&self, topic: &str, bytes: &[u8], arrival: Micros, into: &mut Vec<Reading>) -> Result<(), String> {
        match self {
            Route::Scalar(tag, values) => {
                let tag = tag_of(tag, topic)?;
                let (value, quality, fault) = match values.is_empty() {
                    false => words::code(&String::from_utf8_lossy(bytes), values),
                    true => plain(scalar(bytes).ok_or("not one number or true/false/on/off")?),
                };
                into.push(Reading { tag, value, quality, source_us: arrival });
                fault.map_or(Ok(()), Err)
            }
            Route::Json { points, time, pointers } => {
                let cells = pointers.find(bytes).map_err(|e| format!("not JSON: {e}"))?;
                let (source_us, told) = match time {
                    None => (arrival, Quality::GOOD),
                    // Told to expect a time and finding none, we cannot say how old the value is.
                    Some((at, format)) => {
                        source_time(&cells[*at], *format).map_or((arrival, Quality::DOUBTFUL), |t| (t, Quality::GOOD))
                    }
                };
                let mut fault = None;
                for point in points {
                    match point.read(topic, &cells) {
                        Ok((tag, (value, quality, unknown))) => {
                            into.push(Reading { tag, value, quality: quality.worst(told), source_us });
                            fault = unknown.map(|what| format!("{}: {what}", point.pointer)).or(fault);
                        }
                        Err(what) => fault = Some(what),
                    }
                }
                fault.map_or(Ok(()), Err)
            }
        }
    }
}

impl Point {
    fn read(&self, topic: &str, cells: &[Cell<'_>]) -> Result<(TagId, Value), String> {
        let tag = tag_of(&self.tag, topic)?;
        let (pointer, coded) = (&self.pointer, !self.values.is_empty());
        let (value, quality, unknown) = match &cells[self.value] {
            Cell::Null => plain((f64::NAN, Quality::SENSOR_FAILURE)),
            Cell::Text(text) if coded => words::code(text, &self.values),
            Cell::Number(n) if coded => words::code(&n.to_string(), &self.values),
            Cell::Bool(b) if coded => words::code(&b.to_string(), &self.values),
            Cell::Number(n) => plain(number(*n)),
            Cell::Bool(b) => plain((f64::from(u8::from(*b)), Quality::GOOD)),
            Cell::Text(text) => plain(scalar(text.as_bytes()).ok_or_else(|| format!("{pointer} is text, not a value"))?),
            Cell::Missing => return Err(format!("nothing at {pointer}")),
            Cell::Compound => {
                return Err(format!("{pointer} is an object or an array, not a value"));
            }
            Cell::Twice => return Err(format!("{pointer} stands twice")),
        };
        let told = self.quality.map_or(Quality::GOOD, |q| quality_of(&cells[q]));
        Ok((tag, (value, quality.worst(told), unknown)))
    }
}

/// Value, quality, and what is to be said of a word that nobody knows.
type Value = (f64, Quality, Option<String>);

/// A value of which nothing is to be said.
fn plain((value, quality): (f64, Quality)) -> Value {
    (value, quality, None)
}

fn tag_of(from: &TagFrom, topic: &str) -> Result<TagId, String> {
    match from {
        TagFrom::Fixed(tag) => Ok(*tag),
        TagFrom::Level(level, names) => {
            let name = topic.split('/').nth(*level).ok_or_else(|| format!("no level {level} to name the tag"))?;
            names.get(name).copied().ok_or_else(|| format!("level {level} is {name:?}, which is no tag of this link"))
        }
    }
}

/// One value written as text: a number, true/false/on/off, or a way to say "no value" (`NaN`, `null`, dashes), which is a failed
/// sensor and never zero. None = neither.
pub(super) fn scalar(bytes: &[u8]) -> Option<(f64, Quality)> {
    if bytes.len() > SCALAR_BYTES_MAX {
        return None;
    }
    let text = std::str::from_utf8(bytes).ok()?.trim();
    if let Ok(value) = text.parse::<f64>() {
        return Some(number(value));
    }
    let is = |word: &str| text.eq_ignore_ascii_case(word);
    if is("true") || is("on") {
        Some((1.0, Quality::GOOD))
    } else if is("false") || is("off") {
        Some((0.0, Quality::GOOD))
    } else if is("null") || (!text.is_empty() && text.bytes().all(|b| b == b'-')) {
        Some((f64::NAN, Quality::SENSOR_FAILURE))
    } else {
        None
    }
}

fn number(value: f64) -> (f64, Quality) {
    if value.is_nan() {
        (value, Quality::SENSOR_FAILURE)
    } else if value.is_infinite() {
        (value, Quality::IMPOSSIBLE)
    } else {
        (value, Quality::GOOD)
    }
}

/// What the device says of its own value. What we do not understand is doubtful.
fn quality_of(cell: &Cell<'_>) -> Quality {
    match cell {
        Cell::Bool(true) => Quality::GOOD,
        Cell::Bool(false) | Cell::Null => Quality::BAD,
        // OPC: the two top bits of the low byte; 11 good, 00 bad, the rest uncertain or unused.
        Cell::Number(code) if code.fract() == 0.0 && (0.0..65536.0).contains(code) => match (*code as u16 >> 6) & 0b11 {
            0b11 => Quality::GOOD,
            0b00 => Quality::BAD,
            _ => Quality::DOUBTFUL,
        },
        Cell::Text(text) if text.eq_ignore_ascii_case("good") => Quality::GOOD,
        Cell::Text(text) if text.eq_ignore_ascii_case("bad") => Quality::BAD,
        Cell::Number(_) | Cell::Text(_) | Cell::Missing | Cell::Compound | Cell::Twice => Quality::DOUBTFUL,
    }
}

/// None = not a time in the declared format.
fn source_time(cell: &Cell<'_>, format: TimeFormat) -> Option<Micros> {
    let per_unit = match format {
        TimeFormat::Seconds => 1e6,
        TimeFormat::Milliseconds => 1e3,
        TimeFormat::Microseconds => 1.0,
        TimeFormat::Rfc3339 => {
            let Cell::Text(text) = cell else { return None };
            return Some(text.parse::<jiff::Timestamp>().ok()?.as_microsecond());
        }
    };
    let units = match cell {
        Cell::Number(n) => *n,
        Cell::Text(text) => text.trim().parse::<f64>().ok()?,
        Cell::Bool(_) | Cell::Null | Cell::Missing | Cell::Compound | Cell::Twice => return None,
    };
    let micros = units * per_unit;
    // Up to the year 9999: far inside i64, so that arithmetic with it cannot overflow.
    (0.0..253_402_300_800e6).contains(&micros).then_some(micros as Micros)
}

/// A filter without `$share/<group>/`.
fn unshared(filter: &str) -> &str {
    let group_and_filter = filter.strip_prefix("$share/").and_then(|rest| rest.split_once('/'));
    group_and_filter.map_or(filter, |(_, filter)| filter)
}

/// MQTT 3.1.1 section 4.7: `+` is one level, `#` all that follow and the level above; neither matches a first level that begins with `$`.
fn matches(filter: &str, topic: &str) -> bool {
    if topic.starts_with('$') && filter.starts_with(['+', '#']) {
        return false;
    }
    let mut levels = topic.split('/');
    for want in filter.split('/') {
        match (want, levels.next()) {
            ("#", _) => return true,
            ("+", Some(_)) => {}
            (want, Some(level)) if want == level => {}
            _ => return false,
        }
    }
    levels.next().is_none()
}

#[cfg(test)]
mod tests;
