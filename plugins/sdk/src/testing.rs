//! Tests a rule on a timeline, natively: rows at seconds in, findings out. Must not know: WebAssembly, the host.
//!
//! Every step is held against the contract: names described, one finding per hazard, no level above the worst, every place of a phrase
//! filled, and a restored copy that gives the same snapshot. A breach panics, which fails the test.

use crate::contract::{Binding, Setting, Start as WireStart};
use crate::history::Kept;
use crate::{Condition, Description, Fault, Finding, Lexicon, Quality, Reading, Rule, SECOND, Severity};
use std::collections::BTreeSet;
use std::marker::PhantomData;

/// Places of a phrase that are looked for.
const PLACES_MAX: usize = 100;

/// A site for one rule: what is bound and set. Parameters not set have their defaults.
pub struct Bench<R> {
    description: Description,
    start: WireStart,
    rule: PhantomData<fn() -> R>,
}

// Written out: a rule need not be `Clone`.
impl<R> Clone for Bench<R> {
    fn clone(&self) -> Bench<R> {
        Bench { description: self.description.clone(), start: self.start.clone(), rule: PhantomData }
    }
}

impl<R: Rule> Bench<R> {
    /// Nothing bound, nothing set.
    #[allow(clippy::new_without_default)]
    pub fn new() -> Bench<R> {
        let description = R::describe();
        let params = description.0.params.iter().enumerate();
        let settings = params.map(|(index, param)| Setting {
            param: index as u32,
            number: param.number,
            text: param.text.clone(),
            numbers: param.numbers.clone(),
        });
        let start =
            WireStart { zone: "bench".into(), at: 0, bindings: Vec::new(), settings: settings.collect(), extra: Vec::new() };
        Bench { description, start, rule: PhantomData }
    }
    /// Binds `count` tags to an input; they are called `input`, `input/1`, `input/2` ... below.
    #[must_use]
    pub fn bind(mut self, input: &str, count: u32) -> Bench<R> {
        let inputs = &self.description.0.inputs;
        let index = inputs.iter().position(|i| i.id == input);
        let index = index.unwrap_or_else(|| panic!("no input `{input}`"));
        assert!(count <= inputs[index].most, "at most {} tags fit `{input}`", inputs[index].most);
        for n in 0..count {
            let tag = match n {
                0 => input.to_owned(),
                n => format!("{input}/{n}"),
            };
            self.start.bindings.push(Binding {
                handle: self.start.bindings.len() as u32,
                input: index as u32,
                tag,
                low: if inputs[index].low.is_nan() { f64::NEG_INFINITY } else { inputs[index].low },
                high: if inputs[index].high.is_nan() { f64::INFINITY } else { inputs[index].high },
                period_ms: 1000,
                attrs: Vec::new(),
            });
        }
        self
    }
    /// Range of a bound tag; without one, and where an end is infinite, it is that of its input.
    #[must_use]
    pub fn range(mut self, tag: &str, low: f64, high: f64) -> Bench<R> {
        let bound = self.start.bindings.iter_mut().find(|b| b.tag == tag);
        let bound = bound.unwrap_or_else(|| panic!("`{tag}` is not bound"));
        let open = |end: f64, own: f64| if end.is_infinite() { own } else { end };
        (bound.low, bound.high) = (open(low, bound.low), open(high, bound.high));
        self
    }
    /// Sets a number.
    #[must_use]
    pub fn number(mut self, param: &str, value: f64) -> Bench<R> {
        self.setting(param).number = value;
        self
    }
    /// Sets a text or a choice.
    #[must_use]
    pub fn text(mut self, param: &str, value: &str) -> Bench<R> {
        self.setting(param).text = value.into();
        self
    }
    fn setting(&mut self, param: &str) -> &mut Setting {
        let params = &self.description.0.params;
        let index = params.iter().position(|p| p.id == param);
        let index = index.unwrap_or_else(|| panic!("no param `{param}`"));
        &mut self.start.settings[index]
    }
    /// Starts the rule, or gives its refusals.
    pub fn start(self) -> Result<Timeline<R>, Vec<Fault>> {
        let rule = Bench::<R>::born(&self.start)?;
        Ok(Timeline { kept: self.kept(), bench: self, rule, second: 0.0 })
    }
    fn kept(&self) -> Kept {
        let inputs = &self.description.0.inputs;
        Kept::of(self.start.bindings.iter().map(|bound| (bound.handle, inputs[bound.input as usize].history)))
    }
    fn born(start: &WireStart) -> Result<R, Vec<Fault>> {
        R::new(Lexicon::new(R::describe()).start(start.clone()))
    }
}

/// A rule at work; seconds count from an arbitrary moment.
pub struct Timeline<R> {
    bench: Bench<R>,
    rule: R,
    second: f64,
    kept: Kept,
}

impl<R: Rule> Timeline<R> {
    /// One batch of good rows; as the host has it, a value outside the range of its tag is impossible.
    pub fn at(&mut self, second: f64, rows: &[(&str, f64)]) -> Vec<Finding> {
        let judged = |(tag, value): &(&'_ str, f64)| {
            let bound = self.bench.start.bindings.iter().find(|b| b.tag == *tag);
            let inside = bound.is_none_or(|b| *value >= b.low && *value <= b.high);
            if inside { Quality::GOOD } else { Quality::IMPOSSIBLE }
        };
        let rows: Vec<_> = rows.iter().map(|row| (row.0, row.1, judged(row))).collect();
        self.rows(second, &rows)
    }
    /// One batch; `second` never goes back.
    pub fn rows(&mut self, second: f64, rows: &[(&str, f64, Quality)]) -> Vec<Finding> {
        let at = micros(second);
        let rows = rows.iter().map(|(tag, value, quality)| {
            let bindings = &self.bench.start.bindings;
            let bound = bindings.iter().find(|b| b.tag == *tag).unwrap_or_else(|| panic!("`{tag}` is not bound"));
            // As the host has it, a state that was not declared is not believed, nor what lies outside the range of the input.
            let input = &self.bench.description.0.inputs[bound.input as usize];
            let known = input.codes.is_empty() || input.codes.iter().any(|code| f64::from(code.value) == *value);
            let fits = known && !(*value < input.low || *value > input.high);
            let quality = if fits || quality.is_bad() { *quality } else { Quality::IMPOSSIBLE };
            Reading { handle: bound.handle, value: *value, quality, at }
        });
        let rows: Vec<Reading> = rows.collect();
        self.readings(second, &rows)
    }
    /// One batch as it would arrive: any handle, any source time.
    pub fn readings(&mut self, second: f64, rows: &[Reading]) -> Vec<Finding> {
        assert!(second >= self.second, "batch time never goes back");
        self.second = second;
        let Timeline { rule, kept, .. } = self;
        kept.give(rows);
        let findings = kept.lend(|| rule.evaluate(micros(second), rows));
        self.check(&findings);
        self.check_state();
        findings
    }
    /// The same good rows every second from the next one up to `until`; everything said, with its second.
    pub fn hold(&mut self, until: f64, rows: &[(&str, f64)]) -> Vec<(f64, Finding)> {
        let mut said = Vec::new();
        while self.second < until {
            let second = (self.second + 1.0).min(until);
            let found = self.at(second, rows);
            said.extend(found.into_iter().map(|f| (second, f)));
        }
        said
    }
    /// Goes on with a fresh rule in the state of the old one, as after a restart.
    pub fn restart(&mut self) {
        self.rule = self.restored(&self.rule.snapshot());
    }
    fn restored(&self, state: &[u8]) -> R {
        let mut fresh = Bench::<R>::born(&self.bench.start).unwrap_or_else(|f| panic!("refused on restart: {f:?}"));
        let version = self.bench.description.0.state_version;
        let taken = fresh.restore(version, state);
        taken.unwrap_or_else(|why| panic!("its own snapshot is refused: {why}"));
        fresh
    }
    fn check_state(&self) {
        let state = self.rule.snapshot();
        let most = (self.bench.description.0.wants.snapshot_kib as usize) << 10;
        assert!(state.len() <= most, "a snapshot of {} bytes", state.len());
        let again = self.restored(&state).snapshot();
        assert_eq!(again, state, "a restored rule gives another snapshot");
    }
    fn check(&self, findings: &[Finding]) {
        let d = &self.bench.description.0;
        let mut seen = BTreeSet::new();
        for f in findings {
            let hazard = d.hazards.iter().find(|h| h.id == f.hazard);
            let hazard = hazard.unwrap_or_else(|| panic!("hazard `{}` is not described", f.hazard));
            assert!(seen.insert(f.hazard), "two findings for `{}`", f.hazard);
            assert!(f.condition != Condition::Active || f.severity as u8 <= hazard.worst, "{f:?} is above the hazard's worst");
            let phrase = d.phrases.iter().find(|p| p.id == f.phrase);
            let phrase = phrase.unwrap_or_else(|| panic!("phrase `{}` is not described", f.phrase));
            for (language, text) in &phrase.text {
                let hole = (0..PLACES_MAX).find(|n| text.contains(&format!("{{{n}}}")) != (*n < f.numbers.len()));
                let given = f.numbers.len();
                let told = |hole| {
                    format!("phrase `{}` in {language}: {given} numbers are given, and place {{{hole}}} does not fit", f.phrase)
                };
                assert!(hole.is_none(), "{}", hole.map(told).unwrap_or_default());
            }
            for (_, param) in f.evidence.iter().filter_map(|e| e.limit) {
                assert!(d.params.iter().any(|p| p.id == param), "param `{param}` is not described");
            }
        }
    }
}

/// Runs every case of a folder against the rule; see [`crate::cases`]. Panics with all that differs, by case.
#[cfg(feature = "harness")]
pub fn cases<R: Rule>(dir: impl AsRef<std::path::Path>) {
    let cases = crate::cases::folder(dir.as_ref()).unwrap_or_else(|e| panic!("{e}"));
    let faults: Vec<String> = cases
        .iter()
        .flat_map(|(name, case)| case_faults::<R>(case).into_iter().map(move |fault| format!("{name}: {fault}")))
        .collect();
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

/// What differs between one case and what the rule says; nothing where all is well.
#[cfg(feature = "harness")]
pub fn case_faults<R: Rule>(case: &crate::cases::Case) -> Vec<String> {
    use crate::cases::{Value, spans};
    let mut bench = Bench::<R>::new();
    let unfit = unfit(&bench.description, case);
    if !unfit.is_empty() {
        return unfit;
    }
    for (param, value) in &case.params {
        let setting = bench.setting(param);
        match value {
            Value::Flag(on) => setting.number = f64::from(u8::from(*on)),
            Value::Number(number) => setting.number = *number,
            Value::Text(text) => setting.text.clone_from(text),
            Value::Numbers(numbers) => setting.numbers.clone_from(numbers),
        }
    }
    let tags = case.tags();
    // In the description's order, as the host binds them.
    let inputs: Vec<String> = bench.description.0.inputs.iter().map(|input| input.id.clone()).collect();
    for input in &inputs {
        bench = bench.bind(input, tags.iter().filter(|(_, of, _)| of == input).count() as u32);
    }
    for (tag, _, (low, high)) in &tags {
        bench = bench.range(tag, *low, *high);
    }
    let hazards: Vec<&str> = bench.description.0.hazards.iter().map(|h| h.id.as_str()).collect();
    match case.unknown_hazards(&hazards) {
        unknown if unknown.is_empty() => {}
        unknown => return unknown,
    }
    let batches = match case.batches(bench.description.0.wants.tick_ms) {
        Ok(batches) => batches,
        Err(why) => return vec![why],
    };
    // The same rule twice; the second is taken down and put up again from its snapshot before every batch.
    let (mut line, mut restarted) = match (bench.clone().start(), bench.start()) {
        (Ok(line), Ok(restarted)) => (line, restarted),
        (Err(faults), _) | (_, Err(faults)) => {
            return faults.into_iter().map(|fault| format!("refused to start: {}", fault.text)).collect();
        }
    };
    let (mut said, watched) = (Vec::new(), Watched::begin());
    for (second, rows) in batches {
        watched.moment(second);
        let rows: Vec<_> = rows.iter().map(|row| (row.tag.as_str(), row.value, row.quality)).collect();
        let findings = line.rows(second, &rows);
        restarted.restart();
        let again = restarted.rows(second, &rows);
        // As text, so that NaN is NaN.
        if format!("{again:?}") != format!("{findings:?}") {
            let hazards = case_hazards(&findings, &again);
            return vec![format!("at {second} s, {hazards}: {}", crate::cases::FORGETFUL)];
        }
        said.extend(findings.into_iter().map(|finding| (second, finding.hazard, level(&finding))));
    }
    case.faults(&spans(said, case.until))
}

/// What no host would bind or set as the case does.
#[cfg(feature = "harness")]
fn unfit(description: &Description, case: &crate::cases::Case) -> Vec<String> {
    use crate::cases::Value;
    let (d, mut faults) = (&description.0, Vec::new());
    let names = |of: Vec<&str>| of.join(", ");
    let at = |part: &str, id: &str| case.place(&format!("{part}.{id}"));
    for (id, value) in &case.params {
        let Some(param) = d.params.iter().find(|param| param.id == *id) else {
            let known = names(d.params.iter().map(|param| param.id.as_str()).collect());
            faults.push(format!("{}: `{id}` is no param of the rule: {known}", at("params", id)));
            continue;
        };
        let (low, high) = (param.low, param.high);
        let inside = |number: &f64| !(*number < low || *number > high);
        let (fits, allowed) = match (param.kind, value) {
            (1, Value::Number(number)) => (inside(number), format!("a number from {low} to {high}")),
            (2 | 7, Value::Number(number)) => {
                (inside(number) && number.fract() == 0.0, format!("a whole number from {low} to {high}"))
            }
            (5, Value::Text(text)) => (param.choices.contains(text), format!("one of {}", param.choices.join(", "))),
            (6, Value::Numbers(numbers)) => (numbers.iter().all(inside), format!("numbers from {low} to {high}")),
            (3, Value::Flag(_)) | (4, Value::Text(_)) => (true, String::new()),
            (kind, _) => {
                let kinds = ["a number", "a whole number", "true or false", "a text", "a text", "numbers", "milliseconds"];
                (false, kinds.get(usize::from(kind).wrapping_sub(1)).copied().unwrap_or("another kind").to_owned())
            }
        };
        if !fits {
            faults.push(format!("{}: param `{id}` = {value:?}: {allowed}", at("params", id)));
        }
    }
    let (tags, inputs) = (case.tags(), || names(d.inputs.iter().map(|input| input.id.as_str()).collect()));
    let strange = tags.iter().find(|(_, of, _)| d.inputs.iter().all(|input| input.id != *of));
    faults.extend(strange.map(|(tag, of, _)| format!("{}: `{tag}` is no input of the rule: {}", at("inputs", of), inputs())));
    for input in &d.inputs {
        let count = tags.iter().filter(|(_, of, _)| *of == input.id).count();
        if count < input.least as usize || count > input.most as usize {
            let place = at("inputs", &input.id);
            faults.push(format!("{place}: input `{}`: {count} tags; {} to {} fit", input.id, input.least, input.most));
        }
        let beyond = |low: f64, high: f64| (low.is_finite() && low < input.low) || (high.is_finite() && high > input.high);
        for (tag, _, (low, high)) in tags.iter().filter(|(_, of, (low, high))| *of == input.id && beyond(*low, *high)) {
            let own = format!("{} to {}", input.low, input.high);
            let place = at("inputs", &input.id);
            faults.push(format!("{place}: `{tag}` ranges over {low} to {high}; its input takes a range inside {own}"));
        }
    }
    faults
}

/// Longest `evaluate` of a case natively.
#[cfg(feature = "harness")]
const ENDLESS: std::time::Duration = std::time::Duration::from_secs(10);

/// Ends the test program where a rule does not return: nothing else could.
#[cfg(feature = "harness")]
struct Watched(std::sync::mpsc::SyncSender<f64>);

#[cfg(feature = "harness")]
impl Watched {
    fn begin() -> Watched {
        use std::io::Write;
        use std::sync::mpsc::{RecvTimeoutError, sync_channel};
        let (moments, watched) = sync_channel(1);
        std::thread::spawn(move || {
            let mut second = 0.0;
            loop {
                match watched.recv_timeout(ENDLESS) {
                    Ok(next) => second = next,
                    Err(RecvTimeoutError::Disconnected) => return,
                    Err(RecvTimeoutError::Timeout) => break,
                }
            }
            let limit = ENDLESS.as_secs();
            // Past the capture of the test's own output, which nobody would show any more.
            let told = writeln!(std::io::stderr(), "evaluate at {second} s has not returned for {limit} s: an endless loop");
            std::process::exit(if told.is_ok() { 101 } else { 102 });
        });
        Watched(moments)
    }
    /// The batch of this second begins. The watcher hears until this is dropped.
    fn moment(&self, second: f64) {
        if self.0.send(second).is_err() {
            eprintln!("nobody watches for an endless loop any more");
        }
    }
}

/// The hazards of which the two do not say the same.
#[cfg(feature = "harness")]
fn case_hazards(one: &[Finding], other: &[Finding]) -> String {
    let all = |findings: &[Finding]| findings.iter().map(|f| (f.hazard.to_owned(), format!("{f:?}"))).collect::<Vec<_>>();
    crate::cases::differing(&all(one), &all(other))
}

#[cfg(feature = "harness")]
fn level(finding: &Finding) -> crate::Level {
    match finding.condition {
        Condition::Clear => crate::Level::Clear,
        Condition::CannotTell => crate::Level::CannotTell,
        Condition::Active => crate::Level::Danger(finding.severity),
    }
}

/// What was last said of a hazard, where anything was: its condition and level.
pub fn last(said: &[(f64, Finding)], hazard: &str) -> Option<(f64, Condition, Severity)> {
    let found = said.iter().rev().find(|(_, f)| f.hazard == hazard);
    found.map(|(second, f)| (*second, f.condition, f.severity))
}

/// When a hazard was first said to be active at this level.
pub fn first(said: &[(f64, Finding)], hazard: &str, severity: Severity) -> Option<f64> {
    let found = said.iter().find(|(_, f)| (f.hazard, f.condition, f.severity) == (hazard, Condition::Active, severity));
    found.map(|(second, _)| *second)
}

/// Seconds of a timeline as microseconds since 1970; it begins on 2026-01-01.
pub fn micros(second: f64) -> i64 {
    1_767_225_600 * SECOND + (second * 1e6).round() as i64
}
