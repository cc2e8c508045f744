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
    columns: Vec<Column>,
    row: u64,
    last_us: Micros,
    broken: bool,
    /// Line of the first time that names no zone, where the site file names none either.
    zoneless: Option<u64>,
}

/// Longest cell that is repeated to people, characters.
const SHOWN_CHARS: usize = 64;

/// A column that is read, and its cells so far that gave no number.
struct Column {
    place: usize,
    tag: TagId,
    values: Values,
    bad: BadCells,
}

/// Cells of a column that are no number, nor a word that the site file knows: each was a bad reading.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct BadCells {
    /// The recording.
    pub file: PathBuf,
    /// Its column.
    pub column: String,
    /// How many.
    pub cells: u64,
    /// How many of them are empty.
    pub empty: u64,
    /// Line of the first.
    pub line: u64,
    /// The first, cut to 64 characters.
    pub first: String,
}

impl std::fmt::Display for BadCells {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let BadCells { file, column, cells, empty, line, first } = self;
        let plural = if *cells == 1 { " is" } else { "s are" };
        let known = "no number, or no word of the site file's `values` where that has some for the column";
        let point = first.trim().replace(',', ".");
        let comma = match point != first.trim() && point.parse::<f64>().is_ok() {
            true => format!("; if that is a decimal comma, write {point}"),
            false => String::new(),
        };
        write!(
            f,
            "{}:{line}: column {column:?}: {cells} cell{plural} {known} ({empty} empty; the first is {first:?}): judged as bad readings{comma}",
            file.display()
        )
    }
}

/// Where a row's time is, with columns found.
enum Time {
    Columns { places: Vec<usize>, pattern: String, zone: Option<Offset> },
    Every { step_us: Micros, start_us: Micros },
}

/// Opens a file with a header line and finds the configured columns in it.
pub fn open(path: &Path, config: &Recording) -> anyhow::Result<Rows> {
    let file = File::open(path).with_context(|| format!("cannot open the recording {}", path.display()))?;
    read(path, Box::new(file), config)
}

/// What is wrong with a file of comma-separated values, and what to do.
fn told(error: csv::Error) -> anyhow::Error {
    match error.kind() {
        csv::ErrorKind::Utf8 { .. } => anyhow::anyhow!("the text is not UTF-8: save the file as \"CSV UTF-8\""),
        csv::ErrorKind::UnequalLengths { expected_len, len, .. } if len > expected_len => anyhow::anyhow!(
            "{len} cells, and the header has {expected_len}; where a number has a decimal comma, write a point: 20.5, not 20,5; where a cell \
             contains the separator, put it in quotes"
        ),
        csv::ErrorKind::UnequalLengths { expected_len, len, .. } => anyhow::anyhow!(
            "{len} cells, and the header has {expected_len}: every row needs a cell for each column, an empty one too; a quote that is opened must be closed"
        ),
        _ => error.into(),
    }
}

/// The same for what is being read already; `path` is its name in faults.
pub(super) fn read(path: &Path, from: Box<dyn Read>, config: &Recording) -> anyhow::Result<Rows> {
    let name = path.display();
    let mut csv = csv::ReaderBuilder::new().delimiter(config.separator).from_reader(from);
    let header = csv.headers().map_err(told).with_context(|| format!("{name}: cannot read the header line"))?.clone();
    let other = [';', ',', '|', '\t'].into_iter().find(|other| header.len() == 1 && header[0].contains(*other));
    let hint = other.map(|other| {
        format!("; it is separated by {other:?}: write `separator = {:?}` in the recording's link", other.to_string())
    });
    let find = |column: &str| {
        header.iter().position(|h| h.trim_start_matches('\u{feff}').trim() == column).with_context(|| {
            let (all, hint) = (header.iter().collect::<Vec<_>>().join(", "), hint.as_deref().unwrap_or_default());
            format!("{name}: no column {column:?}; the header has: {all}{hint}")
        })
    };
    let time = match &config.time {
        RecordingTime::Columns { names, pattern, zone } => {
            let places = names.iter().map(|c| find(c)).collect::<anyhow::Result<_>>()?;
            Time::Columns { places, pattern: pattern.clone(), zone: *zone }
        }
        RecordingTime::Every { ms, start_us } => {
            let step_us = Micros::try_from(*ms).ok().and_then(|ms| ms.checked_mul(1000));
            Time::Every { step_us: step_us.context("the time between rows is too long")?, start_us: *start_us }
        }
    };
    let values = |tag: &TagId| config.values.get(tag).cloned().unwrap_or_default();
    let path = path.to_owned();
    let column = |(name, tag): &(String, TagId)| {
        let bad = BadCells { file: path.clone(), column: name.clone(), cells: 0, empty: 0, line: 0, first: String::new() };
        Ok(Column { place: find(name)?, tag: *tag, values: values(tag), bad })
    };
    let columns = config.columns.iter().map(column).collect::<anyhow::Result<_>>()?;
    let record = csv::StringRecord::new();
    Ok(Rows { path, csv, record, time, columns, row: 0, last_us: Micros::MIN, broken: false, zoneless: None })
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
    /// The columns with cells so far that gave no number.
    pub fn bad_cells(&self) -> impl Iterator<Item = &BadCells> {
        self.columns.iter().map(|column| &column.bad).filter(|bad| bad.cells > 0)
    }

    /// What a person must know of the rows so far: what was taken in a way that the file does not say. A line each.
    pub fn notes(&self) -> Vec<String> {
        let zoneless = self.zoneless.map(|line| {
            format!(
                "{}:{line}: times without a zone are taken as UTC; write `zone = \"+08:00\"` in `time` of the recording's link, or +08:00 behind each time and %:z behind its pattern",
                self.path.display()
            )
        });
        zoneless.into_iter().chain(self.bad_cells().map(ToString::to_string)).collect()
    }

    fn read(&mut self) -> anyhow::Result<Option<(Micros, Vec<Reading>)>> {
        self.row += 1;
        if !self.csv.read_record(&mut self.record).map_err(told)? {
            return Ok(None);
        }
        let at = self.time()?;
        ensure!(at >= self.last_us, "time goes back from {} to {}; sort the file by time", text(self.last_us), text(at));
        self.last_us = at;
        let line = self.record.position().map_or(0, csv::Position::line);
        let readings = self.columns.iter_mut().map(|Column { place, tag, values, bad }| {
            // A cell that is no number, or no word that is known, is a fact about the sensor, not a fault of the file.
            let cell = self.record.get(*place).unwrap_or_default();
            let coded = !values.is_empty() && !cell.trim().is_empty();
            let (value, quality) = match coded {
                true => Some(words::code(cell, values)).map(|(value, quality, _)| (value, quality)),
                false => scalar(cell.as_bytes()),
            }
            .unwrap_or((f64::NAN, Quality::SENSOR_FAILURE));
            if quality.is_bad() {
                if bad.cells == 0 {
                    (bad.line, bad.first) = (line, cell.chars().take(SHOWN_CHARS).collect());
                }
                bad.cells += 1;
                bad.empty += u64::from(cell.trim().is_empty());
            }
            Reading { tag: *tag, value, quality, source_us: at }
        });
        Ok(Some((at, readings.collect())))
    }

    fn time(&mut self) -> anyhow::Result<Micros> {
        match &self.time {
            Time::Columns { places, pattern, zone } => {
                let cells: Vec<&str> = places.iter().map(|&c| self.record.get(c).unwrap_or_default().trim()).collect();
                let (time, has_zone) = parse(pattern, &cells.join(" "), zone.unwrap_or(Offset::UTC))?;
                if !has_zone && zone.is_none() {
                    self.zoneless = self.zoneless.or(self.record.position().map(csv::Position::line));
                }
                Ok(time)
            }
            Time::Every { step_us, start_us } => {
                let rows = Micros::try_from(self.row - 1).unwrap_or(Micros::MAX);
                let at = rows.checked_mul(*step_us).and_then(|since| since.checked_add(*start_us));
                at.context("the time of this row is out of range")
            }
        }
    }
}

/// A time, and whether it names its zone; one that does not is of the zone given.
fn parse(pattern: &str, written: &str, zone: Offset) -> anyhow::Result<(Micros, bool)> {
    let (time, has_zone) = if pattern == RFC3339 {
        match written.parse::<Timestamp>() {
            Ok(time) => (time, true),
            Err(_) => match written.parse::<jiff::civil::DateTime>() {
                // As good as its name: what stands in brackets would be passed over.
                _ if written.contains('[') => {
                    bail!("time {written:?} names its zone by a word: write its offset, for example +08:00, instead")
                }
                Ok(civil) => (zone.to_timestamp(civil)?, false),
                Err(error) => bail!("time {written:?} is not RFC 3339: {error}"),
            },
        }
    } else {
        let what = || format!("time {written:?} does not fit the pattern {pattern:?}");
        let parts = BrokenDownTime::parse(pattern, written).with_context(what)?;
        match parts.to_timestamp() {
            Ok(time) => (time, true),
            Err(_) => (zone.to_timestamp(parts.to_datetime().with_context(what)?)?, false),
        }
    };
    Ok((time.as_microsecond(), has_zone))
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
        let names = names.iter().map(|n| (*n).to_owned()).collect();
        RecordingTime::Columns { names, pattern: pattern.to_owned(), zone: None }
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
        let mut file = open(&path, &config).unwrap();
        let rows = file.by_ref().collect::<anyhow::Result<Vec<_>>>().unwrap();
        let bad: Vec<_> = file.bad_cells().map(|b| (b.column.as_str(), b.cells, b.empty, b.line, b.first.as_str())).collect();
        assert_eq!(bad, [("pump", 3, 1, 4, "STUCK")], "a column without any is not named");
        for (first, hint) in [("STUCK", false), ("", false), ("1,2,3", false), (" -20,5", true)] {
            let told = BadCells { first: first.to_owned(), ..file.bad_cells().next().unwrap().clone() }.to_string();
            assert_eq!(told.contains("if that is a decimal comma, write -20.5"), hint, "{told}");
        }
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
    fn a_time_without_a_zone_is_of_the_one_declared_or_told_once() {
        let both = "time,a\n2024-01-01T00:00:00Z,1\n2024-01-01T08:00:01,2\n2024-01-01T08:00:02,3\n";
        let all = "time,a\n2024-01-01T00:00:00Z,1\n2024-01-01T08:00:01+08:00,2\n";
        let plus_8 = Some(jiff::tz::offset(8));
        for (text, pattern, zone, seconds, noted) in [
            (both, RFC3339, None, 8 * 3600 + 1, Some("r.csv:3: ")),
            (both, RFC3339, plus_8, 1, None),
            (all, RFC3339, None, 1, None),
            ("time,a\n2024-01-01 00:00:00,1\n2024-01-01 00:00:05,1\n", "%Y-%m-%d %H:%M:%S", None, 5, Some("r.csv:2: ")),
            ("time,a\n2024-01-01 08:00:00,1\n2024-01-01 08:00:05,1\n", "%Y-%m-%d %H:%M:%S", plus_8, 5, None),
            ("time,a\n2024-01-01 08:00:00 +0800,1\n2024-01-01 00:00:05 +0000,1\n", "%Y-%m-%d %H:%M:%S %z", None, 5, None),
        ] {
            let time = RecordingTime::Columns { names: vec!["time".to_owned()], pattern: pattern.to_owned(), zone };
            let config = Recording { separator: b',', time, columns: vec![("a".to_owned(), TagId(0))], values: BTreeMap::new() };
            let mut rows = read(Path::new("r.csv"), Box::new(text.as_bytes()), &config).unwrap();
            let times: Vec<Micros> = rows.by_ref().map(|row| row.unwrap().0).collect();
            let midnight: Timestamp = "2024-01-01T00:00:00Z".parse().unwrap();
            assert_eq!(
                (times[0], times[1]),
                (midnight.as_microsecond(), midnight.as_microsecond() + seconds * 1_000_000),
                "{text}"
            );
            let notes = rows.notes();
            assert_eq!(notes.len(), usize::from(noted.is_some()), "{text}: {notes:?}");
            assert!(notes.iter().all(|note| note.starts_with(noted.unwrap()) && note.contains("taken as UTC")), "{notes:?}");
        }
    }

    #[test]
    fn faults_name_file_row_and_column() {
        let by_time = || columns(&["time"], RFC3339);
        for (text, time, want) in [
            ("t,a\n1,2\n", by_time(), "no column \"time\"; the header has: t, a"),
            ("time,b\n", by_time(), "no column \"a\"; the header has: time, b"),
            (
                "time;a\n2024-01-01T00:00:00Z;20,5\n",
                by_time(),
                "the header has: time;a; it is separated by ';': write `separator = \";\"` in the recording's link",
            ),
            (
                "time,a\n2024-01-01T00:00:00Z,20,5\n",
                by_time(),
                "3 cells, and the header has 2; where a number has a decimal comma, write a point",
            ),
            ("time,a\n2024-01-01T00:00:00Z,1\nnoon,1\n", by_time(), "row 2"),
            ("time,a\n2024-01-01T00:00:01Z,1\n2024-01-01T00:00:00Z,1\n", by_time(), "time goes back"),
            ("time,a\n2024-01-01T00:00:01Z\n", by_time(), "row 1"),
            ("time,a\n2024-01-01T08:00:00[Asia/Shanghai],1\n", by_time(), "names its zone by a word"),
            ("time,a\n12,1\n", columns(&["time"], "%H:%M"), "does not fit the pattern"),
        ] {
            let fault = format!("{:#}", rows(text, time, &["a"]).unwrap_err());
            assert!(fault.contains(want) && fault.contains("r.csv"), "{fault}");
        }
    }
}
