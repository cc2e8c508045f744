//! What a rule says of itself, judged without any site: what is missing or asks too much, and what a vendor should look at again.
//! Must not know: components, sites, any rule at work.

use super::bindings::{describing, places, words};
use super::history::HISTORY_ROWS_MAX;
use super::package::{DEADLINE_MS, FINDINGS, FUEL_PER_CALL, FUEL_PER_ROW, MEMORY_KIB, SNAPSHOT_KIB};
use crate::config::units;
use std::collections::BTreeSet;

/// Longest id or version, bytes: both become the name of a file.
const NAME_BYTES_MAX: usize = 64;
/// How both languages are written in Rust.
const BOTH: &str = "(\"简体中文\", \"English\")";

/// Everything a description lacks or asks too much of, at once.
pub(super) fn errors(d: &describing::Description) -> Vec<String> {
    let mut errors = identity(d);
    texts(d, &mut errors);
    for h in d.hazards.iter().filter(|h| !(1..=4).contains(&h.worst)) {
        errors.push(format!("hazard `{}`: worst: {} is no severity (1 blue to 4 red)", h.id, h.worst));
    }
    unique("input", d.inputs.iter().map(|i| &i.id), &mut errors);
    unique("param", d.params.iter().map(|p| &p.id), &mut errors);
    unique("hazard", d.hazards.iter().map(|h| &h.id), &mut errors);
    for input in &d.inputs {
        let values: BTreeSet<u32> = input.codes.iter().map(|c| c.value).collect();
        if values.len() < input.codes.len() {
            errors.push(format!("input `{}`: two codes have one value", input.id));
        }
        if input.least > input.most {
            errors.push(format!("input `{}`: {} to {} tags: the smaller number comes first", input.id, input.least, input.most));
        }
        if input.history > HISTORY_ROWS_MAX {
            errors.push(format!("input `{}`: history {}, at most {HISTORY_ROWS_MAX}", input.id, input.history));
        }
    }
    errors.extend(d.params.iter().filter_map(default));
    errors.extend(d.phrases.iter().filter_map(unfit_places));
    wants(&d.wants, &mut errors);
    errors
}

/// What no plant refuses, and a vendor should look at again before a file leaves their hands.
pub fn remarks(d: &describing::Description) -> Vec<String> {
    let unit = |what: &str, id: &str, unit: &str| {
        let known = unit.is_empty() || units::UNITS.contains(&unit);
        let meant = units::meant(unit, std::iter::empty()).map_or(String::new(), |meant| format!("; did you mean `{meant}`?"));
        (!known).then(|| {
            let known = units::UNITS.join(" ");
            format!("{what} `{id}`: unit `{unit}` is none that every plant knows{meant} Known: {known}. A site declares others under `units`")
        })
    };
    let inputs = d.inputs.iter().filter_map(|i| unit("input", &i.id, &i.unit));
    let params = d.params.iter().filter_map(|p| unit("param", &p.id, &p.unit));
    let hurried = d.hazards.iter().filter(|h| h.respond_s == 0);
    let hurried = hurried.map(|h| {
        format!("hazard `{}`: respond-s is 0: nobody is told within which time to act; in Rust `.respond_s(300)`", h.id)
    });
    let unsourced = d.params.iter().filter(|p| p.cites.is_empty());
    let unsourced = unsourced.map(|p| {
        let own = "`.cite(Citation::own(\"why\"))` where it is your own choice";
        format!("param `{}`: nobody can see where its default comes from: no citation; in Rust {own}", p.id)
    });
    inputs.chain(params).chain(hurried).chain(unsourced).collect()
}

fn identity(d: &describing::Description) -> Vec<String> {
    let mut errors = Vec::new();
    let legal = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    if d.id.is_empty() || d.id.len() > NAME_BYTES_MAX || !d.id.chars().all(legal) {
        errors.push(format!("id `{}`: at most {NAME_BYTES_MAX} lower-case letters, digits and `-`", d.id));
    }
    if d.vendor.len() > NAME_BYTES_MAX * 4 {
        errors.push(format!("vendor: {} bytes, at most {}", d.vendor.len(), NAME_BYTES_MAX * 4));
    }
    if d.version.len() > NAME_BYTES_MAX || semver::Version::parse(&d.version).is_err() {
        errors.push(format!("version `{}`: a semantic version, for example 1.0.0", d.version));
    }
    if d.hazards.is_empty() {
        errors.push("no hazard: a rule that can report nothing is a mistake".into());
    }
    errors
}

/// Every text is there in both languages, or which one is not and how it is written.
fn texts(d: &describing::Description, errors: &mut Vec<String>) {
    let mut text = |what: String, text: &describing::Words, rust: &dyn Fn() -> String| {
        if let Err(missing) = words(text) {
            errors.push(format!("{what}: {missing}; in Rust {}", rust()));
        }
    };
    let of_rule = || format!("`Description::new(..., {BOTH}, {BOTH})`");
    text("name".into(), &d.name, &of_rule);
    text("about".into(), &d.about, &of_rule);
    for i in &d.inputs {
        text(format!("input `{}`: name", i.id), &i.name, &|| format!("`Input::new({:?}, {BOTH}, ...)`", i.id));
        for code in &i.codes {
            let rust = || format!("`Code {{ value: {}, name: {BOTH} }}`", code.value);
            text(format!("input `{}`, code {}: name", i.id, code.value), &code.name, &rust);
        }
    }
    for p in &d.params {
        text(format!("param `{}`: name", p.id), &p.name, &|| format!("`Param::number({:?}, {BOTH}, ...)`", p.id));
    }
    for p in &d.phrases {
        text(format!("phrase `{}`", p.id), &p.text, &|| format!("`.phrase({:?}, {BOTH})`", p.id));
    }
    for h in &d.hazards {
        text(format!("hazard `{}`: name", h.id), &h.name, &|| format!("`Hazard::new({:?}, ..., {BOTH})`", h.id));
        for (part, given) in [("cause", &h.cause), ("consequence", &h.consequence), ("action", &h.action)] {
            text(format!("hazard `{}`: {part}", h.id), given, &|| format!("`.{part}({BOTH})`"));
        }
    }
}

fn unique<'a>(what: &str, ids: impl Iterator<Item = &'a String>, errors: &mut Vec<String>) {
    let mut seen = BTreeSet::new();
    for id in ids {
        if id.is_empty() || !seen.insert(id) {
            errors.push(format!("{what} `{id}`: ids are unique and not empty"));
        }
    }
}

/// A default that a site could not have written. One that is left out (`NaN`) is none.
fn default(p: &describing::Param) -> Option<String> {
    let outside = |n: &f64| *n < p.low || *n > p.high;
    let refused = |found: String, allowed: String| Some(format!("param `{}`: default {found}: {allowed}", p.id));
    let bounds = || format!("its own bounds are {} to {}", p.low, p.high);
    if p.low > p.high {
        return Some(format!("param `{}`: bounds {} to {}: the lower one comes first", p.id, p.low, p.high));
    }
    match p.kind {
        _ if p.required => None,
        1 | 2 | 7 if outside(&p.number) => refused(p.number.to_string(), bounds()),
        2 | 7 if p.number.is_finite() && p.number.fract() != 0.0 => refused(p.number.to_string(), "a whole number".into()),
        5 if !p.choices.contains(&p.text) => refused(format!("{:?}", p.text), format!("one of {}", p.choices.join(", "))),
        6 => p.numbers.iter().find(|n| outside(n)).and_then(|n| refused(n.to_string(), bounds())),
        1..=7 => None,
        kind => Some(format!("param `{}`: kind {kind} is unknown (1 to 7)", p.id)),
    }
}

/// A phrase counts its places from `{0}` on, the same ones in each language.
fn unfit_places(phrase: &describing::Phrase) -> Option<String> {
    let all: Vec<(&str, BTreeSet<usize>)> =
        phrase.text.iter().map(|(language, text)| (language.as_str(), places(text))).collect();
    let gap = all.iter().find_map(|(language, places)| {
        let missing = (0..places.len()).find(|n| !places.contains(n))?;
        let most = places.last()?;
        Some(format!(
            "phrase `{}` in {language}: it has a place {{{most}}} and none for {{{missing}}}; they count from {{0}}",
            phrase.id
        ))
    });
    gap.or_else(|| {
        let [(first, places), rest @ ..] = all.as_slice() else { return None };
        let (other, _) = rest.iter().find(|(_, others)| others != places)?;
        Some(format!("phrase `{}`: {first} and {other} have not the same places for numbers", phrase.id))
    })
}

fn wants(w: &describing::Wants, errors: &mut Vec<String>) {
    let mut cap = |what: &str, wanted: u64, most: u64| {
        if wanted > most {
            errors.push(format!("wants {what} {wanted}, at most {most}"));
        }
    };
    cap("deadline-ms", w.deadline_ms.into(), DEADLINE_MS.1.into());
    cap("fuel-per-call", w.fuel_per_call, FUEL_PER_CALL.1);
    cap("fuel-per-row", w.fuel_per_row, FUEL_PER_ROW.1);
    cap("memory-kib", w.memory_kib.into(), MEMORY_KIB.1.into());
    cap("snapshot-kib", w.snapshot_kib.into(), SNAPSHOT_KIB.1.into());
    cap("findings", w.findings.into(), FINDINGS.1.into());
}

#[cfg(test)]
#[path = "description_tests.rs"]
mod tests;
