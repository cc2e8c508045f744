//! Reads a TOML table key by key: what was asked for is what is known. A wrong type, a value out of range, a missing or unknown key is a fault with file
//! and line; nothing stops at the first one. Read without a file, the same calls describe the file's shape: the JSON Schema cannot drift.
//! Must not know: what any key means.

mod secret;

use super::fault::Fault;
use super::scalar::{FILLED, filled, is_plain, milliseconds, nearest, number, show, shown, span, whole};
use super::types::Origin;
use brain::words::Words;
use serde_json::{Map, Value, json};
use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

/// Furthest end of a range: beyond it every number is a mistake.
const RANGE_MAX: f64 = 1e12;

/// A file's text, for line numbers.
pub(super) struct Text {
    pub(super) file: PathBuf,
    pub(super) text: String,
    /// Where each line but the first begins.
    lines: Vec<usize>,
}

impl Text {
    pub(super) fn new(file: PathBuf, text: String) -> Text {
        let lines = text.bytes().enumerate().filter(|(_, byte)| *byte == b'\n').map(|(at, _)| at + 1).collect();
        Text { file, text, lines }
    }

    fn line(&self, at: usize) -> usize {
        1 + self.lines.partition_point(|begin| *begin <= at)
    }

    /// A place in this file, by byte.
    pub(super) fn origin(&self, at: usize) -> Origin {
        Origin { file: self.file.clone(), line: self.line(at) }
    }

    /// What is wrong, and the key before it; what stands behind `=` may be a secret.
    fn told(&self, error: &toml::de::Error) -> String {
        let what = error.message().lines().next().unwrap_or_default();
        let at = error.span().map_or(0, |span| span.start).min(self.text.len());
        let begin = self.text.as_bytes()[..at].iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
        let line = self.text[begin..].lines().next().unwrap_or_default();
        match line.split('=').next().unwrap_or_default().trim() {
            "" => what.to_owned(),
            key => format!("{what}, at {}", shown(key)),
        }
    }

    /// The whole document, or every fault that keeps it from being one.
    pub(super) fn parse(&self) -> Result<Spanned<DeTable<'_>>, Vec<Fault>> {
        let (document, errors) = DeTable::parse_recoverable(&self.text);
        let fault = |error: &toml::de::Error| Fault {
            origin: self.origin(error.span().map_or(0, |span| span.start)),
            key: "(syntax)".to_owned(),
            found: self.told(error),
            allowed: "TOML: key = value, texts in quotes, each key once".to_owned(),
            nearest: None,
        };
        // The first of a line is its cause, the others follow from it.
        let mut faults: Vec<Fault> = errors.iter().map(fault).collect();
        let mut lines = BTreeSet::new();
        faults.retain(|fault| lines.insert(fault.origin.line));
        if faults.is_empty() { Ok(document) } else { Err(faults) }
    }
}

/// Where faults are gathered.
pub(super) type Faults = RefCell<Vec<Fault>>;

/// One table being read.
pub(super) struct Reader<'a> {
    text: &'a Text,
    faults: &'a Faults,
    path: String,
    line: usize,
    /// None = only the shape is described.
    table: Option<&'a DeTable<'a>>,
    /// What was asked for, and its description where it is described; few, so nothing is hashed.
    shape: RefCell<Vec<(&'static str, Value)>>,
    required: RefCell<Vec<&'static str>>,
    cases: RefCell<Vec<Case>>,
    /// The rest of this table cannot be judged: one fault already says why.
    pardoned: Cell<bool>,
}

/// What one word of a choice brings with it, for the description.
struct Case {
    key: &'static str,
    word: &'static str,
    keys: BTreeSet<&'static str>,
    required: Vec<&'static str>,
}

impl<'a> Reader<'a> {
    /// The root of a document, or of its description.
    pub(super) fn root(text: &'a Text, table: Option<&'a DeTable<'a>>, faults: &'a Faults) -> Self {
        Reader::new(text, faults, String::new(), 1, table)
    }

    fn new(text: &'a Text, faults: &'a Faults, path: String, line: usize, table: Option<&'a DeTable<'a>>) -> Self {
        let (shape, required, cases, pardoned) = Default::default();
        Reader { text, faults, path, line, table, shape, required, cases, pardoned }
    }

    /// True while only the shape is described: every branch is to be read.
    pub(super) fn describes(&self) -> bool {
        self.table.is_none()
    }

    /// Where this table begins.
    pub(super) fn origin(&self) -> Origin {
        Origin { file: self.text.file.clone(), line: self.line }
    }

    /// `shape` is asked for only where it is to be described: a site file may have a hundred thousand keys.
    fn know(&self, key: &'static str, required: bool, shape: impl FnOnce() -> Value) {
        let shape = if self.describes() { shape() } else { Value::Null };
        self.shape(key, shape);
        let mut all = self.required.borrow_mut();
        if required && !all.contains(&key) {
            all.push(key);
        }
    }

    fn shape(&self, key: &'static str, shape: Value) {
        let mut all = self.shape.borrow_mut();
        match all.iter_mut().find(|(known, _)| *known == key) {
            Some((_, known)) => *known = shape,
            None => all.push((key, shape)),
        }
    }

    fn value(&self, key: &str) -> Option<&'a Spanned<DeValue<'a>>> {
        self.table?.iter().find(|(name, _)| name.get_ref() == key).map(|(_, value)| value)
    }

    fn dotted(&self, key: &str) -> String {
        if self.path.is_empty() { key.to_owned() } else { format!("{}.{key}", self.path) }
    }

    /// Something stands under this key, legal or not.
    pub(super) fn has(&self, key: &str) -> bool {
        self.value(key).is_some()
    }

    /// Where a key's value stands, or the table where it is missing.
    pub(super) fn at(&self, key: &str) -> Origin {
        self.value(key).map_or_else(|| self.origin(), |value| self.text.origin(value.span().start))
    }

    /// Reports a fault of this key.
    pub(super) fn fault(&self, key: &str, found: impl Into<String>, allowed: impl Into<String>, nearest: Option<String>) {
        let fault = Fault { origin: self.at(key), key: self.dotted(key), found: found.into(), allowed: allowed.into(), nearest };
        self.faults.borrow_mut().push(fault);
    }

    fn read<T>(
        &self,
        key: &'static str,
        shape: impl FnOnce() -> Value,
        required: bool,
        allowed: impl FnOnce() -> String,
        take: impl Fn(&DeValue<'a>) -> Option<T>,
    ) -> Option<T> {
        self.know(key, required, shape);
        let Some(value) = self.value(key) else {
            if required && !self.describes() {
                self.fault(key, "nothing", allowed(), None);
            }
            return None;
        };
        let taken = take(value.get_ref());
        if taken.is_none() {
            self.fault(key, show(value.get_ref()), allowed(), None);
        }
        taken
    }

    /// Adds a fault that was put together elsewhere.
    pub(super) fn add(&self, fault: Fault) {
        self.faults.borrow_mut().push(fault);
    }

    /// Name and place of every `[[kind]]`, without judging anything; empty where there is no name.
    pub(super) fn peek_names(&self, kind: &str) -> Vec<(String, Origin)> {
        let entries = self.value(kind).and_then(|value| value.get_ref().as_array());
        let name = |entry: &Spanned<DeValue>| {
            let name = entry.get_ref().get("name");
            let text = name.and_then(|name| name.get_ref().as_str()).unwrap_or_default();
            (text.to_owned(), self.text.origin(name.map_or(entry.span().start, |name| name.span().start)))
        };
        entries.into_iter().flat_map(|all| all.iter()).map(name).collect()
    }

    /// Reads what belongs to one word of the choice `key`; another word's keys are then unknown here.
    pub(super) fn case<T>(
        &self,
        key: &'static str,
        word: &'static str,
        chosen: bool,
        read: impl FnOnce() -> Option<T>,
    ) -> Option<T> {
        if !self.describes() {
            return if chosen { read() } else { None };
        }
        let (shape, required) = (self.shape.take(), self.required.take());
        let read = read();
        let (of_case, required) = (self.shape.replace(shape), self.required.replace(required));
        self.cases.borrow_mut().push(Case { key, word, keys: of_case.iter().map(|(key, _)| *key).collect(), required });
        for (key, shape) in of_case {
            self.shape(key, shape);
        }
        read
    }

    /// Where the choice `key` is written and at fault, the rest of this table is left unjudged: which keys belong here is not known.
    /// Where it is missing, one of the unknown keys may be it.
    pub(super) fn pardon(&self, key: &str) {
        self.pardoned.set(self.has(key));
    }

    /// A text that must be there.
    pub(super) fn text(&self, key: &'static str) -> Option<String> {
        self.read(key, || json!({"type": "string"}), true, || FILLED.to_owned(), filled)
    }

    /// A text that may be missing.
    pub(super) fn text_or(&self, key: &'static str, default: &str) -> String {
        let shape = || json!({"type": "string", "default": default});
        let take = |v: &DeValue| v.as_str().filter(|text| is_plain(text)).map(|text| text.trim().to_owned());
        self.read(key, shape, false, || FILLED.to_owned(), take).unwrap_or_else(|| default.to_owned())
    }

    /// A text that may be missing and has no default.
    pub(super) fn text_if(&self, key: &'static str) -> Option<String> {
        self.read(key, || json!({"type": "string"}), false, || FILLED.to_owned(), filled)
    }

    /// A name made of letters, digits, `-`, `_` and `.`: it goes into topics, files and message identifiers.
    pub(super) fn name(&self, key: &'static str) -> Option<String> {
        let legal = |v: &DeValue| {
            let text = v.as_str()?;
            let first = text.starts_with(|c: char| c.is_ascii_alphanumeric());
            let fits = first && text.len() <= 64 && text.chars().all(|c| c.is_ascii_alphanumeric() || "-_.".contains(c));
            fits.then(|| text.to_owned())
        };
        let shape = || json!({"type": "string", "pattern": "^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$"});
        let allowed =
            || "a name of 1 to 64 letters of a-z or A-Z, digits, `-`, `_` or `.`, the first a letter or digit".to_owned();
        self.read(key, shape, true, allowed, legal)
    }

    /// A number in a range, both ends allowed. Missing = `default`, or a fault where there is none.
    pub(super) fn number(&self, key: &'static str, (low, high): (f64, f64), default: Option<f64>) -> Option<f64> {
        let any = low == f64::MIN && high == f64::MAX;
        let allowed = || if any { "a number".to_owned() } else { format!("a number from {low} to {high}") };
        let shape = || {
            let mut shape = json!({"type": "number"});
            for (name, end, open) in [("minimum", low, f64::MIN), ("maximum", high, f64::MAX)] {
                if end != open {
                    shape[name] = json!(end);
                }
            }
            if let Some(default) = default.filter(|n| !n.is_nan()) {
                shape["default"] = json!(default);
            }
            shape
        };
        let take = |v: &DeValue| number(v).filter(|n| *n >= low && *n <= high);
        self.read(key, shape, default.is_none(), allowed, take).or(default)
    }

    /// A number that may be missing.
    pub(super) fn number_if(&self, key: &'static str, range: (f64, f64)) -> Option<f64> {
        self.number(key, range, Some(f64::NAN)).filter(|n| !n.is_nan())
    }

    /// A whole number in a range. Missing = `default`, or a fault where there is none.
    pub(super) fn whole(&self, key: &'static str, (low, high): (i64, i64), default: Option<i64>) -> Option<i64> {
        let shape = || {
            let mut shape = json!({"type": "integer", "minimum": low, "maximum": high});
            if let Some(default) = default.filter(|n| *n != i64::MIN) {
                shape["default"] = json!(default);
            }
            shape
        };
        let take = |v: &DeValue| whole(v).filter(|n| (low..=high).contains(n));
        self.read(key, shape, default.is_none(), || format!("a whole number from {low} to {high}"), take).or(default)
    }

    /// A whole number that may be missing.
    pub(super) fn whole_if(&self, key: &'static str, range: (i64, i64)) -> Option<i64> {
        self.whole(key, range, Some(i64::MIN)).filter(|n| *n != i64::MIN)
    }

    /// true or false.
    pub(super) fn flag(&self, key: &'static str, default: bool) -> bool {
        let shape = || json!({"type": "boolean", "default": default});
        self.read(key, shape, false, || "true or false".to_owned(), |v| v.as_bool()).unwrap_or(default)
    }

    /// A span of time written as `500ms`, `30s`, `15min`, `8h` or `2d`, in milliseconds.
    pub(super) fn duration(&self, key: &'static str, (low, high): (u64, u64), default: Option<u64>) -> Option<u64> {
        let shape = || {
            let mut shape = json!({"type": "string", "pattern": "^[0-9]+(\\.[0-9]+)?(ms|s|min|h|d)$"});
            if let Some(default) = default.filter(|ms| *ms != u64::MAX) {
                shape["default"] = json!(span(default));
            }
            shape
        };
        let allowed = || {
            format!("a time from {} to {}, written like \"500ms\", \"30s\", \"15min\", \"8h\" or \"2d\"", span(low), span(high))
        };
        let take = |v: &DeValue| v.as_str().and_then(milliseconds).filter(|ms| (low..=high).contains(ms));
        self.read(key, shape, default.is_none(), allowed, take).or(default)
    }

    /// A span of time that may be missing.
    pub(super) fn duration_if(&self, key: &'static str, range: (u64, u64)) -> Option<u64> {
        self.duration(key, range, Some(u64::MAX)).filter(|ms| *ms != u64::MAX)
    }

    /// One of a few words. Missing = `default`, or a fault where there is none.
    pub(super) fn choice<T: Copy>(&self, key: &'static str, words: &[(&'static str, T)], default: Option<T>) -> Option<T> {
        let shape = || json!({"type": "string", "enum": words.iter().map(|(word, _)| *word).collect::<Vec<_>>()});
        self.know(key, default.is_none(), shape);
        // An empty word is a default that nobody has to write.
        let names = || words.iter().map(|(word, _)| *word).filter(|word| !word.is_empty());
        let allowed = || format!("one of {}", names().collect::<Vec<_>>().join(", "));
        let Some(value) = self.value(key) else {
            if default.is_none() && !self.describes() {
                self.fault(key, "nothing", allowed(), None);
            }
            return default;
        };
        let text = value.get_ref().as_str();
        let found = words.iter().find(|(word, _)| Some(*word) == text).map(|(_, meaning)| *meaning);
        if found.is_none() {
            self.fault(key, show(value.get_ref()), allowed(), nearest(text.unwrap_or_default(), names()));
        }
        found.or(default)
    }

    /// A reference to something named elsewhere; returns its position among `known`.
    pub(super) fn refers(&self, key: &'static str, what: &str, known: &[String]) -> Option<usize> {
        let name = self.read(key, || json!({"type": "string"}), true, || format!("the name of a {what}"), filled)?;
        self.resolve(key, what, &name, known)
    }

    /// The same where it may be missing. None = at fault.
    pub(super) fn refers_if(&self, key: &'static str, what: &str, known: &[String]) -> Option<Option<usize>> {
        match self.text_if(key) {
            Some(name) => self.resolve(key, what, &name, known).map(Some),
            // A text that is none has been told.
            None => (!self.has(key)).then_some(None),
        }
    }

    /// References to one thing or several, each once: a name, or a list of names.
    pub(super) fn refers_all(&self, key: &'static str, what: &str, known: &[String]) -> Option<Vec<usize>> {
        let shape = || json!({"anyOf": [{"type": "string"}, {"type": "array", "items": {"type": "string"}, "minItems": 1}]});
        let take = |value: &DeValue| match value.as_array() {
            Some(all) => all.iter().map(|item| filled(item.get_ref())).collect::<Option<Vec<_>>>().filter(|all| !all.is_empty()),
            None => filled(value).map(|one| vec![one]),
        };
        let named = self.read(key, shape, true, || format!("the name of a {what}, or a list of them"), take)?;
        if let Some((_, again)) = named.iter().enumerate().find(|(at, name)| named[..*at].contains(name)) {
            self.fault(key, format!("{again:?} twice"), format!("each {what} once"), None);
        }
        let found: Vec<Option<usize>> = named.iter().map(|name| self.resolve(key, what, name, known)).collect();
        found.into_iter().collect()
    }

    /// A reference for each level: one name for all of them, or a table with one for each.
    pub(super) fn refers_by_level(&self, key: &'static str, what: &str, known: &[String]) -> Option<[usize; 4]> {
        if !self.describes() && self.value(key).is_none_or(|value| value.get_ref().as_table().is_none()) {
            return self.refers(key, what, known).map(|one| [one; 4]);
        }
        let of = self.table_of(key, true)?;
        let each = ["blue", "yellow", "orange", "red"].map(|level| of.refers(level, what, known));
        self.done(key, of);
        if let Some((_, shape)) = self.shape.borrow_mut().iter_mut().find(|(known, _)| self.describes() && *known == key) {
            *shape = json!({"anyOf": [{"type": "string"}, shape.take()]});
        }
        Some([each[0]?, each[1]?, each[2]?, each[3]?])
    }

    /// Position of a name among those known, or a fault with the nearest one.
    pub(super) fn resolve(&self, key: &str, what: &str, name: &str, known: &[String]) -> Option<usize> {
        let found = known.iter().position(|k| k == name);
        if found.is_none() {
            let allowed = match known {
                [] => format!("the name of a {what}, and there is none in this file"),
                few if few.len() <= 8 => format!("a {what} of this file: {}", few.join(", ")),
                many => format!("a {what} of this file ({} of them)", many.len()),
            };
            self.fault(key, format!("{name:?}"), allowed, nearest(name, known.iter().map(String::as_str)));
        }
        found
    }

    /// A list of texts.
    pub(super) fn texts(&self, key: &'static str, required: bool) -> Vec<String> {
        let shape = || json!({"type": "array", "items": {"type": "string"}});
        let take = |v: &DeValue| v.as_array()?.iter().map(|item| filled(item.get_ref())).collect::<Option<Vec<_>>>();
        self.read(key, shape, required, || "a list of texts".to_owned(), take).unwrap_or_default()
    }

    /// Both ends of a range, the first below the second.
    pub(super) fn range(&self, key: &'static str) -> Option<(f64, f64)> {
        let shape = || json!({"type": "array", "items": {"type": "number"}, "minItems": 2, "maxItems": 2});
        let take = |v: &DeValue| {
            let ends: Vec<f64> = v.as_array()?.iter().map(|item| number(item.get_ref())).collect::<Option<_>>()?;
            let within = |end: f64| end.abs() <= RANGE_MAX;
            (ends.len() == 2 && ends[0] < ends[1] && within(ends[0]) && within(ends[1])).then(|| (ends[0], ends[1]))
        };
        self.read(key, shape, true, || "two numbers [low, high], low below high, neither beyond 1e12".to_owned(), take)
    }

    /// A text in both languages.
    pub(super) fn words(&self, key: &'static str, required: bool) -> Option<Words> {
        let table = self.table_of(key, required)?;
        let (zh, en) = (table.text("zh"), table.text("en"));
        self.done(key, table);
        Some(Words { zh: zh?, en: en? })
    }

    /// A path, relative to the site file.
    pub(super) fn beside(&self, path: &str) -> PathBuf {
        self.text.file.parent().map_or_else(|| PathBuf::from(path), |folder| folder.join(path))
    }

    /// A table below this one. Give it back to [`Reader::done`].
    pub(super) fn table_of(&self, key: &'static str, required: bool) -> Option<Reader<'a>> {
        self.know(key, required, || json!({"type": "object"}));
        if self.describes() {
            return Some(self.below(key, None, self.line));
        }
        let Some(value) = self.value(key) else {
            if required {
                self.fault(key, "nothing", format!("a table [{}]", self.dotted(key)), None);
            }
            return None;
        };
        let Some(table) = value.get_ref().as_table() else {
            self.fault(key, show(value.get_ref()), "a table", None);
            return None;
        };
        Some(self.below(&self.dotted(key), Some(table), self.text.line(value.span().start)))
    }

    /// Faults for what was not asked for, and the shape of what was.
    pub(super) fn done(&self, key: &'static str, table: Reader<'_>) {
        let shape = table.finish();
        if self.describes() {
            self.shape(key, shape);
        }
    }

    /// A list of tables `[[key]]`, each read by `read`: one result per entry, None where it is at fault.
    pub(super) fn tables<T>(
        &self,
        key: &'static str,
        required: bool,
        mut read: impl FnMut(&Reader<'a>) -> Option<T>,
    ) -> Vec<Option<T>> {
        self.know(key, required, || json!({"type": "array"}));
        if self.describes() {
            let entry = self.below(key, None, self.line);
            let _ = read(&entry);
            self.shape(key, json!({"type": "array", "items": entry.finish()}));
            return Vec::new();
        }
        let Some(value) = self.value(key) else {
            if required {
                self.fault(key, "nothing", format!("at least one [[{}]]", self.dotted(key)), None);
            }
            return Vec::new();
        };
        let Some(entries) = value.get_ref().as_array() else {
            self.fault(key, show(value.get_ref()), format!("a list of tables [[{}]]", self.dotted(key)), None);
            return Vec::new();
        };
        let mut all = Vec::new();
        for (index, entry) in entries.iter().enumerate() {
            let Some(table) = entry.get_ref().as_table() else {
                self.fault(key, show(entry.get_ref()), "a table", None);
                all.push(None);
                continue;
            };
            let named =
                ["name", "tag", "hazard", "filter"].iter().find_map(|name| table.iter().find(|(k, _)| k.get_ref() == name));
            let label =
                named.and_then(|(_, value)| value.get_ref().as_str()).filter(|label| label.len() <= 64 && is_plain(label));
            let label = label.map_or_else(|| format!("#{}", index + 1), str::to_owned);
            let reader = self.below(&format!("{}.{label}", self.dotted(key)), Some(table), self.text.line(entry.span().start));
            all.push(read(&reader));
            reader.finish();
        }
        all
    }

    /// A table whose keys are names: every value is read by `read`, which is given the key.
    pub(super) fn named<T>(
        &self,
        key: &'static str,
        required: bool,
        mut read: impl FnMut(&Reader<'a>, &str, &DeValue<'a>) -> Option<T>,
    ) -> BTreeMap<String, T> {
        self.know(key, required, || json!({"type": "object", "additionalProperties": true}));
        let Some(reader) = self.table_of(key, required).filter(|reader| !reader.describes()) else { return BTreeMap::new() };
        self.know(key, required, || json!({"type": "object", "additionalProperties": true}));
        let mut all = BTreeMap::new();
        for (name, value) in reader.table.into_iter().flatten() {
            if let Some(read) = read(&reader, name.get_ref(), value.get_ref()) {
                all.insert(name.get_ref().to_string(), read);
            }
        }
        all
    }

    fn below(&self, path: &str, table: Option<&'a DeTable<'a>>, line: usize) -> Reader<'a> {
        Reader::new(self.text, self.faults, path.to_owned(), line, table)
    }

    /// Ends the reading of this table: faults for what was not asked for, and where it is described the shape of what was.
    pub(super) fn finish(&self) -> Value {
        let shape = self.shape.borrow();
        let known = || shape.iter().map(|(key, _)| *key);
        let judged = self.table.filter(|_| !self.pardoned.get());
        for (key, _) in judged.into_iter().flatten().filter(|(key, _)| known().all(|known| known != key.get_ref().as_ref())) {
            let (origin, found) = (self.text.origin(key.span().start), "an unknown key".to_owned());
            let allowed = format!("one of {}", known().collect::<Vec<_>>().join(", "));
            let fault =
                Fault { origin, key: self.dotted(key.get_ref()), found, allowed, nearest: nearest(key.get_ref(), known()) };
            self.faults.borrow_mut().push(fault);
        }
        if !self.describes() {
            return Value::Null;
        }
        let required = self.required.borrow();
        let properties: Map<String, Value> = shape.iter().map(|(key, shape)| ((*key).to_owned(), shape.clone())).collect();
        let mut shape = json!({"type": "object", "properties": properties, "required": *required, "additionalProperties": false});
        let cases = self.cases.borrow();
        if !cases.is_empty() {
            shape["allOf"] = cases.iter().map(|case| self.case_shape(case, &cases)).collect();
        }
        shape
    }

    fn case_shape(&self, case: &Case, all: &[Case]) -> Value {
        let known = self.shape.borrow();
        let foreign = |key: &&str| all.iter().any(|other| other.keys.contains(key)) && !case.keys.contains(key);
        let names: Vec<&str> = known.iter().map(|(key, _)| *key).filter(|key| !foreign(key)).collect();
        json!({
            "if": {"properties": {case.key: {"const": case.word}}, "required": [case.key]},
            "then": {"required": case.required, "propertyNames": {"enum": names}},
        })
    }
}
