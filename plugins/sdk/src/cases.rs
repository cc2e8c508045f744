//! Timeline cases: a table of rows in, a table of what a rule must say, as intervals. The same file is run natively ([`all`]) and through the real
//! sandbox (`safety-brain plugin test`). Must not know: WebAssembly, the host, any rule.
//!
//! A case is a TOML file; its two tables are CSV, inside it (`rows`, `expect`) or beside it (`rows_file`, `expect_file`):
//!
//! ```toml
//! about = "two of three thermometers past the limit"
//! params = { limit = 30 }        # what the site would set; the rest has its default
//! range = { air = [0, 60] }      # of an input's tags, or of one tag ("air/1"); without one every number is inside
//! every = 1                      # seconds between the rows of each tag: the last one is repeated, as a sensor does (1 unless said);
//!                                # 0: rows come only as written, and time passes between them in steps of the rule's tick
//! until = 90                     # seconds; the last time of the tables unless said
//! within = 0                     # an interval may begin and end so many seconds off
//! rows = """
//! time,input,value,quality
//! 0,air,20,
//! 0,air/1,20,good
//! 10,air,31,
//! 10,air/1,31,
//! 60,air,,failed
//! """
//! expect = """
//! from,to,hazard,level
//! 15,,hot,orange
//! """
//! ```
//!
//! | Column | |
//! |---|---|
//! | `time` | seconds since the beginning, never going back; rows of one time are one batch |
//! | `input` | an input of the rule for its first tag, `input/1` for its second, and so on |
//! | `value` | in the input's unit; empty: no number |
//! | `quality` | empty: good, or impossible where the value is outside the range or none; `good`, `doubtful`, `out-of-specification`, `late`, `by-hand`, `simulated`, `bad`, `failed`, `silent`, `lost`, `impossible`, `frozen`, `never-seen`, or a number from 0 to 255 |
//! | `from`, `to` | seconds; an empty `to` is the end of the case |
//! | `hazard` | as described |
//! | `level` | `blue`, `yellow`, `orange`, `red`, `cannot-tell`, or `clear` |
//!
//! An interval begins with the finding that says so and ends with the next one that says something else. Each interval of the table must be
//! there; every one that is there must be in the table, except `clear`, which may be left out.

use crate::{Level, Quality, Severity};
use serde::Deserialize;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// Repeats of a case together: more batches than this are a slip of the pen.
const BATCHES_MAX: usize = 1_000_000;

/// A value of the site for one parameter.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(untagged, expecting = "a param takes true or false, a number, a text, or a list of numbers")]
pub enum Value {
    /// A flag.
    Flag(bool),
    /// A number, an integer or milliseconds.
    Number(f64),
    /// A text or choice.
    Text(String),
    /// Numbers.
    Numbers(Vec<f64>),
}

/// One row of the table.
#[derive(Clone, Debug, PartialEq)]
pub struct Row {
    /// Seconds since the beginning.
    pub second: f64,
    /// `input`, `input/1` ...
    pub tag: String,
    /// `NaN`: none.
    pub value: f64,
    /// As written, or as the host would judge it.
    pub quality: Quality,
}

/// A hazard at one level for a while.
#[derive(Clone, Debug, PartialEq)]
pub struct Span {
    /// Seconds.
    pub from: f64,
    /// Seconds.
    pub to: f64,
    /// As described.
    pub hazard: String,
    /// What is said.
    pub level: Level,
}

/// One case, whole and checked.
#[derive(Clone, Debug, PartialEq)]
pub struct Case {
    /// What it shows.
    pub about: String,
    /// What the site sets.
    pub params: BTreeMap<String, Value>,
    /// Ranges of tags, by tag or input.
    range: BTreeMap<String, (f64, f64)>,
    /// Seconds between repeats; 0: none.
    every: f64,
    /// Its last moment, seconds.
    pub until: f64,
    within: f64,
    rows: Vec<Row>,
    /// With their places: file and line.
    expect: Vec<(String, Span)>,
    /// How its file is named.
    file: String,
    /// File and line of `params.limit`, of `inputs.air` (its first row), and of the first of each.
    places: BTreeMap<String, String>,
}

/// By names that know where they stand.
type Named<T> = BTreeMap<toml::Spanned<String>, T>;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    about: String,
    #[serde(default)]
    params: Named<Value>,
    #[serde(default)]
    range: Named<(f64, f64)>,
    every: Option<f64>,
    until: Option<f64>,
    #[serde(default)]
    within: f64,
    rows: Option<toml::Spanned<String>>,
    rows_file: Option<String>,
    expect: Option<toml::Spanned<String>>,
    expect_file: Option<String>,
}

/// A table in CSV, and where it stands.
struct Table {
    file: String,
    /// Lines of the file in front of the table's first.
    before: usize,
    text: String,
}

impl Table {
    /// Of a line of the table, from 1.
    fn place(&self, line: u64) -> String {
        format!("{}:{}", self.file, self.before + line as usize)
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WrittenRow {
    time: f64,
    input: String,
    value: Option<f64>,
    #[serde(default)]
    quality: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WrittenSpan {
    from: f64,
    to: Option<f64>,
    hazard: String,
    level: String,
}

impl Case {
    /// Reads a case and the tables beside it. An error names the file, the line and what may stand there.
    pub fn read(path: &Path) -> Result<Case, String> {
        let read = |path: &Path| std::fs::read_to_string(path).map_err(|e| format!("{} cannot be read: {e}", path.display()));
        let beside = |name: &str| {
            let path = path.with_file_name(name);
            Ok((path.display().to_string(), read(&path)?))
        };
        Case::written(&path.display().to_string(), &read(path)?, beside)
    }
    /// The same from text without a file.
    pub fn parse(text: &str) -> Result<Case, String> {
        Case::written("case", text, |name| Err(format!("{name} is beside no file")))
    }
    /// `file`: how places are named; `beside` gives path and text of a table's file.
    fn written(file: &str, text: &str, beside: impl Fn(&str) -> Result<(String, String), String>) -> Result<Case, String> {
        let wrong = |e: &dyn std::fmt::Display| format!("{file}: {e}");
        let written: Written = toml::from_str(text).map_err(|e| wrong(&e))?;
        let table = |what: &str, inside: Option<toml::Spanned<String>>, beside_it: Option<String>| match (inside, beside_it) {
            (Some(inside), None) => Ok(inside_table(file, text, inside)),
            (None, Some(name)) => beside(&name).map(|(file, text)| Table { file, before: 0, text }).map_err(|e| wrong(&e)),
            _ => Err(format!("{file}: give either `{what}` or `{what}_file`")),
        };
        let mut places = BTreeMap::new();
        let params = placed("params", (file, text), written.params, &mut places);
        let range = placed("range", (file, text), written.range, &mut places);
        let rows_table = table("rows", written.rows, written.rows_file)?;
        let rows = records(&rows_table, |row| judged(row, &range));
        let expect = records(&table("expect", written.expect, written.expect_file)?, span);
        let (rows, mut expect) = match (rows, expect) {
            (Ok(rows), Ok(expect)) => (rows, expect),
            (rows, expect) => return Err([rows.err(), expect.err()].into_iter().flatten().collect::<Vec<_>>().join("\n")),
        };
        if let Some([(_, before), (place, row)]) = rows.array_windows().find(|[(_, a), (_, b)]| !(b.second >= a.second)) {
            return Err(format!("{place}: time goes back from {} to {}", before.second, row.second));
        }
        if let Some(until) = written.until {
            let rows = rows.iter().map(|(place, row)| (place, row.second > until, row.second));
            let mut all = rows.chain(expect.iter().map(|(place, span)| (place, span.from >= until, span.from)));
            if let Some((place, _, second)) = all.find(|(_, late, _)| *late) {
                return Err(format!("{place}: {second} s lies behind the end of the case, `until` = {until}"));
            }
        }
        places.insert("inputs".to_owned(), rows_table.place(1));
        for (place, row) in &rows {
            let input = row.tag.split('/').next().unwrap_or(&row.tag);
            places.entry(format!("inputs.{input}")).or_insert_with(|| place.clone());
        }
        let rows: Vec<Row> = rows.into_iter().map(|(_, row)| row).collect();
        ranges(&range, &rows, &places)?;
        let times = rows.iter().map(|row| row.second).chain(expect.iter().flat_map(|(_, s)| [s.from, s.to]));
        let until = written.until.unwrap_or_else(|| times.filter(|t| t.is_finite()).fold(0.0, f64::max));
        for (_, span) in &mut expect {
            span.to = span.to.min(until); // what is open ends with the case
        }
        let every = written.every.unwrap_or(1.0);
        if !(every >= 0.0 && until >= 0.0 && written.within >= 0.0) {
            return Err(wrong(&"`every`, `until` and `within` are seconds, 0 or more"));
        }
        Ok(Case {
            about: written.about,
            params,
            range,
            every,
            until,
            within: written.within,
            rows,
            expect,
            file: file.to_owned(),
            places,
        })
    }
    /// Where a key stands that a fault is about, `params.limit` or `inputs.air`: file and line, or the file alone.
    pub fn place(&self, key: &str) -> &str {
        let of = key.split('.').next().unwrap_or(key);
        self.places.get(key).or_else(|| self.places.get(of)).unwrap_or(&self.file)
    }
    /// Every tag of the table with its input and range, each input's in order.
    pub fn tags(&self) -> Vec<(String, String, (f64, f64))> {
        let mut most: BTreeMap<&str, u32> = BTreeMap::new();
        for row in &self.rows {
            let (input, number) = row.tag.split_once('/').unwrap_or((&row.tag, "0"));
            let most = most.entry(input).or_default();
            *most = number.parse().unwrap_or(0).max(*most);
        }
        let named = |input: &str, n: u32| match n {
            0 => input.to_owned(),
            n => format!("{input}/{n}"),
        };
        let all = most.into_iter().flat_map(|(input, most)| (0..=most).map(move |n| (named(input, n), input.to_owned())));
        all.map(|(tag, input)| {
            let range = range_of(&self.range, &tag);
            (tag, input, range)
        })
        .collect()
    }
    /// The batches that the rule is given: the rows as written, and between them what `every` repeats, or nothing each `tick_ms`.
    pub fn batches(&self, tick_ms: u64) -> Result<Vec<(f64, Vec<Row>)>, String> {
        let step = if self.every > 0.0 { self.every } else { tick_ms as f64 / 1000.0 };
        let steps = if step > 0.0 { (self.until / step).floor() } else { 0.0 };
        if steps > BATCHES_MAX as f64 {
            return Err(format!("{steps} batches, at most {BATCHES_MAX}: see `every` and `until`"));
        }
        let repeats = (0..=steps as u64).map(|n| n as f64 * step);
        let mut times: Vec<f64> = self.rows.iter().map(|row| row.second).chain(repeats).collect();
        times.sort_by(f64::total_cmp);
        times.dedup();
        let mut standing: BTreeMap<&str, Row> = BTreeMap::new();
        let mut rest = self.rows.as_slice();
        let mut batches = Vec::with_capacity(times.len());
        for second in times.into_iter().filter(|second| *second <= self.until) {
            let count = rest.iter().take_while(|row| row.second <= second).count();
            let (now, later) = rest.split_at(count);
            rest = later;
            let due = self.every > 0.0 && (second / self.every).fract() == 0.0;
            let repeated = standing.values().filter(|row| due && now.iter().all(|new| new.tag != row.tag));
            let repeated: Vec<Row> = repeated.map(|row| Row { second, ..row.clone() }).collect();
            standing.extend(now.iter().map(|row| (row.tag.as_str(), row.clone())));
            batches.push((second, now.iter().cloned().chain(repeated).collect()));
        }
        Ok(batches)
    }
    /// Expectations of hazards that the rule does not describe.
    pub fn unknown_hazards(&self, described: &[&str]) -> Vec<String> {
        let unknown = self.expect.iter().filter(|(_, span)| !described.contains(&span.hazard.as_str()));
        let told = |(place, span): &(String, Span)| {
            format!("{place}: `{}` is no hazard of the rule: {}", span.hazard, described.join(", "))
        };
        unknown.map(told).collect()
    }
    /// What differs between the table and what was said; nothing where all is well.
    pub fn faults(&self, said: &[Span]) -> Vec<String> {
        let alike = |a: &Span, b: &Span| {
            let near = |a: f64, b: f64| (a - b).abs() <= self.within + 1e-6;
            a.hazard == b.hazard && a.level == b.level && near(a.from, b.from) && near(a.to, b.to)
        };
        let mut left: Vec<&Span> = said.iter().collect();
        let mut faults = Vec::new();
        for (place, wanted) in &self.expect {
            match left.iter().position(|span| alike(span, wanted)) {
                Some(at) => drop(left.remove(at)),
                None => faults.push(format!("{place}: expected and not said: {}", shown(wanted))),
            }
        }
        let unwanted = left.into_iter().filter(|span| span.level != Level::Clear);
        faults.extend(unwanted.map(|span| format!("said and not expected: {}", shown(span))));
        faults
    }
}

/// Findings in order of time, as second, hazard and what was said, become intervals; those still open end at `until`.
pub fn spans<'a>(said: impl IntoIterator<Item = (f64, &'a str, Level)>, until: f64) -> Vec<Span> {
    let mut all: Vec<Span> = Vec::new();
    for (second, hazard, level) in said {
        match all.iter_mut().rev().find(|span| span.hazard == hazard) {
            Some(span) if span.level == level => continue,
            Some(span) => span.to = second,
            None => {}
        }
        all.push(Span { from: second, to: until, hazard: hazard.to_owned(), level });
    }
    all
}

/// Every case of a folder (`*.toml`), in order of their names. None is an error: a test that tests nothing. What is wrong with them stands in lines.
pub fn folder(dir: &Path) -> Result<Vec<(String, Case)>, String> {
    let entries = std::fs::read_dir(dir).map_err(|e| format!("{} cannot be read: {e}", dir.display()))?;
    let paths: BTreeSet<_> = entries.flatten().map(|e| e.path()).filter(|p| p.extension().is_some_and(|e| e == "toml")).collect();
    if paths.is_empty() {
        return Err(format!("{} holds no case (*.toml)", dir.display()));
    }
    let name = |path: &Path| path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
    let read = |path: &PathBuf| Case::read(path).map(|case| (name(path), case));
    let (cases, faults): (Vec<_>, Vec<_>) = paths.iter().map(read).partition(Result::is_ok);
    // All of them at once: whoever mends one sees the others.
    let faults: Vec<String> = faults.into_iter().filter_map(Result::err).collect();
    if faults.is_empty() { Ok(cases.into_iter().flatten().collect()) } else { Err(faults.join("\n")) }
}

/// What is wrong with a rule that says something else once it was restored.
pub const FORGETFUL: &str = "restored from its own snapshot it says something else: state that `snapshot` does not keep; name every field that changes in `state!(...)`";

/// Names the hazards whose findings differ between two answers, each given as (hazard, finding as text).
pub fn differing(one: &[(String, String)], other: &[(String, String)]) -> String {
    let lone = |of: &[(String, String)], not_in: &[(String, String)]| {
        of.iter().filter(|said| !not_in.contains(said)).map(|(hazard, _)| format!("hazard `{hazard}`")).collect::<BTreeSet<_>>()
    };
    let all: Vec<String> = lone(one, other).union(&lone(other, one)).cloned().collect();
    if all.is_empty() { "in another order".to_owned() } else { all.join(", ") }
}

fn shown(span: &Span) -> String {
    format!("{} {} from {} to {} s", span.hazard, word(span.level), span.from, span.to)
}

/// The word of the `level` column.
pub fn word(level: Level) -> &'static str {
    LEVELS.iter().find(|(_, known)| *known == level).map_or("?", |(word, _)| word)
}

const LEVELS: [(&str, Level); 6] = [
    ("clear", Level::Clear),
    ("cannot-tell", Level::CannotTell),
    ("blue", Level::Danger(Severity::Blue)),
    ("yellow", Level::Danger(Severity::Yellow)),
    ("orange", Level::Danger(Severity::Orange)),
    ("red", Level::Danger(Severity::Red)),
];

const QUALITIES: [(&str, u8); 13] = [
    ("good", 0),
    ("doubtful", 1),
    ("out-of-specification", 2),
    ("late", 3),
    ("by-hand", 4),
    ("simulated", 5),
    ("bad", 128),
    ("failed", 129),
    ("silent", 130),
    ("lost", 131),
    ("impossible", 132),
    ("frozen", 133),
    ("never-seen", 134),
];

fn one_of<T: Copy>(what: &str, word: &str, known: &[(&str, T)]) -> Result<T, String> {
    known.iter().find(|(name, _)| *name == word).map(|(_, value)| *value).ok_or_else(|| {
        let names: Vec<&str> = known.iter().map(|(name, _)| *name).collect();
        format!("{what} `{word}`: {}", names.join(", "))
    })
}

fn range_of(ranges: &BTreeMap<String, (f64, f64)>, tag: &str) -> (f64, f64) {
    let input = tag.split('/').next().unwrap_or(tag);
    let range = ranges.get(tag).or_else(|| ranges.get(input));
    range.copied().unwrap_or((f64::NEG_INFINITY, f64::INFINITY))
}

/// The names without their spans, which become places: of each, and under `of` of the first.
fn placed<T>(
    of: &str,
    (file, text): (&str, &str),
    named: Named<T>,
    places: &mut BTreeMap<String, String>,
) -> BTreeMap<String, T> {
    let place = |at: usize| format!("{file}:{}", 1 + text[..at].matches('\n').count());
    if let Some(first) = named.keys().map(|name| name.span().start).min() {
        places.insert(of.to_owned(), place(first));
    }
    places.extend(named.keys().map(|name| (format!("{of}.{}", name.get_ref()), place(name.span().start))));
    named.into_iter().map(|(name, value)| (name.into_inner(), value)).collect()
}

/// Each range belongs to a tag of the table, and its lower end comes first.
fn ranges(ranges: &BTreeMap<String, (f64, f64)>, rows: &[Row], places: &BTreeMap<String, String>) -> Result<(), String> {
    for (of, (low, high)) in ranges {
        let place = places.get(&format!("range.{of}")).map_or("", String::as_str);
        let tags: BTreeSet<&str> = rows.iter().map(|row| row.tag.as_str()).collect();
        if !tags.iter().any(|tag| tag == of || tag.split('/').next() == Some(of)) {
            let tags: Vec<&str> = tags.into_iter().collect();
            return Err(format!("{place}: range of `{of}`: no row of the table is of such an input or tag: {}", tags.join(", ")));
        }
        if !(low < high) {
            return Err(format!("{place}: range of `{of}`: {low} to {high}: the lower one comes first"));
        }
    }
    Ok(())
}

fn judged(row: WrittenRow, ranges: &BTreeMap<String, (f64, f64)>) -> Result<Row, String> {
    let value = row.value.unwrap_or(f64::NAN);
    if !(row.time >= 0.0) {
        return Err(format!("time {}: seconds, 0 or more", row.time));
    }
    if row.tag_number().is_none() {
        return Err(format!("input `{}`: `input`, `input/1`, `input/2` ...", row.input));
    }
    let (low, high) = range_of(ranges, &row.input);
    let quality = match row.quality.as_str() {
        "" if value >= low && value <= high => Quality::GOOD,
        "" => Quality::IMPOSSIBLE,
        word => match word.parse() {
            Ok(code) => Quality(code),
            Err(_) => Quality(one_of("quality", word, &QUALITIES)?),
        },
    };
    if value.is_nan() && !quality.is_bad() {
        return Err(format!("`{}` has no value, so its quality is a bad one, not `{}`", row.input, row.quality));
    }
    Ok(Row { second: row.time, tag: row.input, value, quality })
}

impl WrittenRow {
    fn tag_number(&self) -> Option<u32> {
        match self.input.split_once('/') {
            None => Some(0),
            Some((_, number)) => number.parse().ok().filter(|n| (1..=4096).contains(n)),
        }
    }
}

fn span(row: WrittenSpan) -> Result<Span, String> {
    let (from, to) = (row.from, row.to.unwrap_or(f64::INFINITY));
    if !(from < to) {
        return Err(format!("from {from} to {to}: an interval ends after it begins"));
    }
    Ok(Span { from, to, hazard: row.hazard, level: one_of("level", &row.level, &LEVELS)? })
}

/// A table that stands inside the case: its first line is that of the head.
fn inside_table(file: &str, whole: &str, table: toml::Spanned<String>) -> Table {
    let written = &whole[table.span()];
    let head = written.find(|c: char| !c.is_whitespace() && c != '\'' && c != '"').unwrap_or(0);
    let before = whole[..table.span().start + head].matches('\n').count();
    Table { file: file.to_owned(), before, text: table.into_inner().trim_start().to_owned() }
}

/// Faults of a table that are told at once.
const FAULTS_MAX: usize = 20;

/// The records of a CSV table with their places; an error names file, line and column of everything that is wrong, a line each.
fn records<W: for<'de> Deserialize<'de>, T>(
    table: &Table,
    one: impl Fn(W) -> Result<T, String>,
) -> Result<Vec<(String, T)>, String> {
    let mut reader = csv::ReaderBuilder::new().trim(csv::Trim::All).comment(Some(b'#')).from_reader(table.text.as_bytes());
    let headers = reader.headers().map_err(|e| format!("{}: {e}", table.place(1)))?.clone();
    if let Some(other) = [';', '\t', '|'].into_iter().find(|other| headers.len() == 1 && headers[0].contains(*other)) {
        return Err(format!(
            "{}: the columns are separated by {other:?}: write commas between them, and a point in numbers: {}",
            table.place(1),
            headers[0].replace(other, ",")
        ));
    }
    let (mut all, mut faults) = (Vec::new(), Vec::new());
    for record in reader.records() {
        let read = record.map_err(|e| csv_fault(table, (&headers, None), &e)).and_then(|record| {
            let place = table.place(record.position().map_or(1, csv::Position::line));
            let written: W = record.deserialize(Some(&headers)).map_err(|e| csv_fault(table, (&headers, Some(&record)), &e))?;
            one(written).map_err(|e| format!("{place}: {e}")).map(|one| (place, one))
        });
        match read {
            Ok(read) => all.push(read),
            Err(fault) => faults.push(fault),
        }
        if faults.len() == FAULTS_MAX {
            faults.push("and perhaps more".to_owned());
            break;
        }
    }
    if faults.is_empty() { Ok(all) } else { Err(faults.join("\n")) }
}

fn csv_fault(table: &Table, (headers, record): (&csv::StringRecord, Option<&csv::StringRecord>), error: &csv::Error) -> String {
    let place = table.place(error.position().map_or(1, csv::Position::line));
    match error.kind() {
        csv::ErrorKind::UnequalLengths { expected_len, len, .. } => {
            let head = headers.iter().collect::<Vec<_>>().join(",");
            let comma =
                if len > expected_len { "; where a number has a decimal comma, write a point: 20.5, not 20,5" } else { "" };
            format!("{place}: {len} columns, and the head has {expected_len}: {head}{comma}")
        }
        csv::ErrorKind::Deserialize { err, .. } => {
            let at = |of: &csv::StringRecord| err.field().and_then(|at| of.get(at as usize).map(str::to_owned));
            let column = at(headers).map_or(String::new(), |column| format!("column `{column}`: "));
            let found = record.and_then(at).unwrap_or_default();
            let point = found.replace(',', ".");
            let comma = match point != found && point.parse::<f64>().is_ok() {
                true => format!("; if that is a decimal comma, write {point}"),
                false => String::new(),
            };
            let found = if found.is_empty() { found } else { format!("`{found}`: ") };
            format!("{place}: {column}{found}{}{comma}", err.kind())
        }
        _ => format!("{place}: {error}"),
    }
}

#[cfg(test)]
#[path = "cases_tests.rs"]
mod tests;
