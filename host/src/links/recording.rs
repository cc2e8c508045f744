//! A recorded CSV file as rows of readings, in time order. Reads one line at a time; a fault names file, line and column.
//! Must not know: the speed of a replay, rules.

use super::payload::scalar;
use super::words;
use crate::config::types::{Recording, RecordingTime, Values};
use anyhow::{Context, bail, ensure};
use brain::{Micros, Quality, Reading, TagId};
use jiff::Timestamp;
use jiff::fmt::strtime::BrokenDownTime;
use jiff::tz::Offset;
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

/// The pattern that stands for RFC 3339, which `strptime` cannot say: `T` or a space between, any fraction, any offset.
pub const RFC3339: &str = "%+";

/// Rows of an open recording. Yields the time of a row and one reading per configured column; ends after the first fault.
pub struct Rows {
    path: PathBuf,
    csv: csv::Reader<Box<dyn Read>>,
    record: csv::StringRecord,
    time: Time,
    columns: Vec<(usize, TagId, Values)>,
    row: u64,
    last_us: Micros,
    broken: bool,
}

/// Where a row's time is, with columns found.
enum Time {
    Columns(Vec<usize>, String),
    Every { step_us: Micros, start_us: Micros },
}

/// Opens a file with a header line and finds the configured columns in it.
pub fn open(path: &Path, config: &Recording) -> anyhow::Result<Rows> {
    let file = File::open(path).with_context(|| format!("cannot open the recording {}", path.display()))?;
    read(path, Box::new(file), config)
}

/// The same for what is being read already; `path` is its name in faults.
pub(super) fn read(path: &Path, from: Box<dyn Read>, config: &Recording) -> anyhow::Result<Rows> {
    let name = path.display();
    let mut csv = csv::ReaderBuilder::new().delimiter(config.separator).from_reader(from);
    let header = csv.headers().with_context(|| format!("{name}: cannot read the header line"))?.clone();
    let find = |column: &str| {
        header.iter().position(|h| h.trim_start_matches('\u{feff}').trim() == column).with_context(|| {
            format!("{name}: no column {column:?}; the header has: {}", header.iter().collect::<Vec<_>>().join(", "))
        })
    };
    let time = match &config.time {
        RecordingTime::Columns(columns, pattern) => {
            let found = columns.iter().map(|c| find(c)).collect::<anyhow::Result<_>>()?;
            Time::Columns(found, pattern.clone())
        }
        RecordingTime::Every { ms, start_us } => {
            let step_us = Micros::try_from(*ms).ok().and_then(|ms| ms.checked_mul(1000));
            Time::Every { step_us: step_us.context("the time between rows is too long")?, start_us: *start_us }
        }
    };
    let values = |tag: &TagId| config.values.get(tag).cloned().unwrap_or_default();
    let columns = config.columns.iter().map(|(c, tag)| Ok((find(c)?, *tag, values(tag)))).collect::<anyhow::Result<_>>()?;
    let path = path.to_owned();
    Ok(Rows { path, csv, record: csv::StringRecord::new(), time, columns, row: 0, last_us: Micros::MIN, broken: false })
}

impl Iterator for Rows {
    type Item = anyhow::Result<(Micros, Vec<Reading>)>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.broken {
            return None;
        }
        let row = self.read().with_context(|| {
            let line = self.csv.position().line();
            format!("recording {}, row {} (ends before line {line})", self.path.display(), self.row)
        });
        self.broken = row.is_err();
        row.transpose()
    }
}

impl Rows {
    fn read(&mut self) -> anyhow::Result<Option<(Micros, Vec<Reading>)>> {
        self.row += 1;
        if !self.csv.read_record(&mut self.record)? {
            return Ok(None);
        }
        let at = self.time()?;
        ensure!(at >= self.last_us, "time goes back from {} to {}; sort the file by time", text(self.last_us), text(at));
        self.last_us = at;
        let readings = self.columns.iter().map(|(column, tag, values)| {
            // A cell that is no number, or no word that is known, is a fact about the sensor, not a fault of the file.
            let cell = self.record.get(*column).unwrap_or_default();
            let coded = !values.is_empty() && !cell.trim().is_empty();
            let (value, quality) = match coded {
                true => Some(words::code(cell, values)).map(|(value, quality, _)| (value, quality)),
                false => scalar(cell.as_bytes()),
            }
            .unwrap_or((f64::NAN, Quality::SENSOR_FAILURE));
            Reading { tag: *tag, value, quality, source_us: at }
        });
        Ok(Some((at, readings.collect())))
    }

    fn time(&self) -> anyhow::Result<Micros> {
        match &self.time {
            Time::Columns(columns, pattern) => {
                let cells: Vec<&str> = columns.iter().map(|&c| self.record.get(c).unwrap_or_default().trim()).collect();
                parse(pattern, &cells.join(" "))
            }
            Time::Every { step_us, start_us } => {
                let rows = Micros::try_from(self.row - 1).unwrap_or(Micros::MAX);
                let at = rows.checked_mul(*step_us).and_then(|since| since.checked_add(*start_us));
                at.context("the time of this row is out of range")
            }
        }
    }
}

/// A time without an offset is taken as UTC.
fn parse(pattern: &str, written: &str) -> anyhow::Result<Micros> {
    let time = if pattern == RFC3339 {
        match written.parse::<Timestamp>() {
            Ok(time) => time,
            Err(_) => match written.parse::<jiff::civil::DateTime>() {
                Ok(civil) => Offset::UTC.to_timestamp(civil)?,
                Err(error) => bail!("time {written:?} is not RFC 3339: {error}"),
            },
        }
    } else {
        let what = || format!("time {written:?} does not fit the pattern {pattern:?}");
        let parts = BrokenDownTime::parse(pattern, written).with_context(what)?;
        match parts.to_timestamp() {
            Ok(time) => time,
            Err(_) => Offset::UTC.to_timestamp(parts.to_datetime().with_context(what)?)?,
        }
    };
    Ok(time.as_microsecond())
}

fn text(at: Micros) -> String {
    Timestamp::from_microsecond(at).map_or_else(|_| at.to_string(), |t| t.to_string())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use std::collections::BTreeMap;

    fn rows(text: &str, time: RecordingTime, columns: &[&str]) -> anyhow::Result<Vec<(Micros, Vec<Reading>)>> {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("r.csv");
        std::fs::write(&path, text).unwrap();
        let columns = columns.iter().zip(0..).map(|(c, i)| ((*c).to_owned(), TagId(i))).collect();
        open(&path, &Recording { separator: b',', time, columns, values: BTreeMap::new() })?.collect()
    }

    fn columns(names: &[&str], pattern: &str) -> RecordingTime {
        RecordingTime::Columns(names.iter().map(|n| (*n).to_owned()).collect(), pattern.to_owned())
    }

    #[test]
    fn two_time_columns_and_one_digit_hours() {
        let text = "\u{feff}Date,Time,a,b\n2017-12-22,9:49:41,24.94,x\n2017-12-22,10:50:12,,-1e3\n";
        let got = rows(text, columns(&["Date", "Time"], "%Y-%m-%d %H:%M:%S"), &["a", "b"]).unwrap();
        let first: Timestamp = "2017-12-22T09:49:41Z".parse().unwrap();
        assert_eq!(got[0].0, first.as_microsecond());
        let of = |r: &Reading| (r.value.to_bits(), r.quality);
        let none = (f64::NAN.to_bits(), Quality::SENSOR_FAILURE);
        assert_eq!(got[0].1.iter().map(of).collect::<Vec<_>>(), [(24.94f64.to_bits(), Quality::GOOD), none]);
        assert_eq!(got[1].1.iter().map(of).collect::<Vec<_>>(), [none, ((-1e3f64).to_bits(), Quality::GOOD)]);
    }

    #[test]
    fn words_are_codes() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("r.csv");
        std::fs::write(&path, "pump,v\nRUNNING,1\n STOPPED ,2\nSTUCK,3\n,4\n1,5\n").unwrap();
        let columns = vec![("pump".to_owned(), TagId(0)), ("v".to_owned(), TagId(1))];
        let words = [("RUNNING".to_owned(), 1), ("STOPPED".to_owned(), 0)].into();
        let time = RecordingTime::Every { ms: 1, start_us: 0 };
        let config = Recording { separator: b',', time, columns, values: [(TagId(0), words)].into() };
        let rows = open(&path, &config).unwrap().collect::<anyhow::Result<Vec<_>>>().unwrap();
        let (unknown, empty) = ((None, Quality::BAD), (None, Quality::SENSOR_FAILURE));
        let expected = [(Some(1.0), Quality::GOOD), (Some(0.0), Quality::GOOD), unknown, empty, unknown];
        for (nth, ((_, readings), expected)) in rows.iter().zip(expected).enumerate() {
            let seen = (Some(readings[0].value).filter(|value| !value.is_nan()), readings[0].quality);
            assert_eq!((seen, readings[1].value), (expected, nth as f64 + 1.0), "row {nth}");
        }
        assert_eq!(rows.len(), 5);
    }

    #[test]
    fn rfc_3339_with_and_without_offset_and_no_clock_at_all() {
        let text = "time,a\n2024-01-01T00:00:00Z,1\n2024-01-01 08:00:01.5+08:00,2\n2024-01-01T00:00:02,3\n";
        let got = rows(text, columns(&["time"], RFC3339), &["a"]).unwrap();
        let start = got[0].0;
        assert_eq!(got.iter().map(|r| r.0 - start).collect::<Vec<_>>(), [0, 1_500_000, 2_000_000]);
        let every = RecordingTime::Every { ms: 2000, start_us: 5 };
        let got = rows("a\n1\n2\n", every, &["a"]).unwrap();
        assert_eq!(got.iter().map(|r| r.0).collect::<Vec<_>>(), [5, 2_000_005]);
    }

    #[test]
    fn faults_name_file_row_and_column() {
        let by_time = || columns(&["time"], RFC3339);
        for (text, time, want) in [
            ("t,a\n1,2\n", by_time(), "no column \"time\"; the header has: t, a"),
            ("time,b\n", by_time(), "no column \"a\""),
            ("time,a\n2024-01-01T00:00:00Z,1\nnoon,1\n", by_time(), "row 2"),
            ("time,a\n2024-01-01T00:00:01Z,1\n2024-01-01T00:00:00Z,1\n", by_time(), "time goes back"),
            ("time,a\n2024-01-01T00:00:01Z\n", by_time(), "row 1"),
            ("time,a\n12,1\n", columns(&["time"], "%H:%M"), "does not fit the pattern"),
        ] {
            let fault = format!("{:#}", rows(text, time, &["a"]).unwrap_err());
            assert!(fault.contains(want) && fault.contains("r.csv"), "{fault}");
        }
    }
}
