//! What a rule says of itself, judged without any site: what is missing or asks too much, and what a vendor should look at again.
//! Must not know: components, sites, any rule at work.

use super::bindings::{describing, places, words};
use super::foreign::{is_hidden, visible};
use super::history::HISTORY_ROWS_MAX;
use super::limits;
use crate::config::units;
use std::collections::BTreeSet;

/// Longest id or version, bytes: both become the name of a file.
const NAME_BYTES_MAX: usize = 64;
/// Longest phrase in one language, bytes, and its most places for numbers, repeated ones too: it is filled for each finding, outside every limit
/// of the component (own default).
const PHRASE_BYTES_MAX: usize = 2 << 10;
const PLACES_MAX: usize = 16;
/// Longest of all other texts in one language, bytes (own default).
const TEXT_BYTES_MAX: usize = 4 << 10;
/// Longest part of a citation, bytes: evidence bears it (own default).
const CITATION_BYTES_MAX: usize = 1 << 10;
/// Longest id of a part, quantity, unit or choice, bytes (own default).
const PART_BYTES_MAX: usize = 128;
/// Most codes of one input: a value is looked up among them (own default).
const CODES_MAX: usize = 256;
/// How both languages are written in Rust.
const BOTH: &str = "(\"简体中文\", \"English\")";

/// Everything a description lacks or asks too much of, at once.
pub(super) fn errors(d: &describing::Description) -> Vec<String> {
    let mut errors = identity(d);
    texts(d, &mut errors);
    legible(d, &mut errors);
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
        if input.low > input.high {
            errors.push(format!("input `{}`: range {} to {}: the lower one comes first", input.id, input.low, input.high));
        }
        if input.codes.len() > CODES_MAX {
            errors.push(format!("input `{}`: {} codes, at most {CODES_MAX}", input.id, input.codes.len()));
        }
        if input.history > HISTORY_ROWS_MAX {
            errors.push(format!("input `{}`: history {}, at most {HISTORY_ROWS_MAX}", input.id, input.history));
        }
    }
    errors.extend(d.params.iter().filter_map(default));
    errors.extend(d.phrases.iter().filter_map(unfit_places));
    errors.extend(limits::beyond_all(d));
    errors
}

/// What a unit of its own means for an input.
const INPUT_UNIT: &str =
    "A plant binds no tag to it unless its site file declares that very unit (`units = [...]`) and the tag bears it.";
/// The same for a parameter.
const PARAM_UNIT: &str = "It is only shown beside the value.";

/// What no plant refuses, or not every one, and a vendor should look at again before a file leaves their hands.
pub fn remarks(d: &describing::Description) -> Vec<String> {
    // Not refused: a site may declare a unit of its own.
    let unit = |(what, so): (&str, &str), id: &str, unit: &str| {
        let known = unit.is_empty() || units::UNITS.contains(&unit);
        let meant = units::meant(unit, std::iter::empty()).map_or(".".to_owned(), |meant| format!("; did you mean `{meant}`?"));
        (!known).then(|| {
            let known = units::UNITS.join(" ");
            format!("{what} `{id}`: unit `{unit}` is none that every plant knows{meant} {so} Known: {known}")
        })
    };
    let inputs = d.inputs.iter().filter_map(|i| unit(("input", INPUT_UNIT), &i.id, &i.unit));
    let params = d.params.iter().filter_map(|p| unit(("param", PARAM_UNIT), &p.id, &p.unit));
    let hurried = d.hazards.iter().filter(|h| h.respond_s == 0);
    let hurried = hurried.map(|h| {
        format!("hazard `{}`: respond-s is 0: nobody is told within which time to act; in Rust `.respond_s(300)`", h.id)
    });
    let unsourced = d.params.iter().filter(|p| p.cites.is_empty() && !p.required);
    let unsourced = unsourced.map(|p| {
        let own = "`.cite(Citation::own(\"why\"))` where it is your own choice";
        format!("param `{}`: nobody can see where its default comes from: no citation; in Rust {own}", p.id)
    });
    let granted = limits::to_be_granted(d);
    let granted = (!granted.is_empty())
        .then(|| format!("it runs only where the site grants it by name: `limits = {{ {granted} }}` in its [[rule]]"));
    inputs.chain(params).chain(hurried).chain(unsourced).chain(granted).collect()
}

fn identity(d: &describing::Description) -> Vec<String> {
    let mut errors = Vec::new();
    let legal = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    if d.id.is_empty() || d.id.len() > NAME_BYTES_MAX || !d.id.chars().all(legal) {
        errors.push(format!("id `{}`: at most {NAME_BYTES_MAX} lower-case letters, digits and `-`", short(&d.id)));
    }
    if d.version.len() > NAME_BYTES_MAX || semver::Version::parse(&d.version).is_err() {
        errors.push(format!("version `{}`: a semantic version, for example 1.0.0", short(&d.version)));
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

/// No text is longer than anybody reads, and all of it is seen.
fn legible(d: &describing::Description, errors: &mut Vec<String>) {
    let mut text = |what: &dyn Fn() -> String, text: &str, most: usize, lines: bool| {
        if text.len() > most {
            errors.push(format!("{}: {} bytes, at most {most}; say it in fewer words", what(), text.len()));
        }
        if let Some(hidden) = text.chars().find(|c| is_hidden(*c) && !(lines && *c == '\n')) {
            errors.push(format!("{}: holds the hidden character U+{:04X}; leave it out", what(), u32::from(hidden)));
        }
    };
    text(&|| "vendor".into(), &d.vendor, NAME_BYTES_MAX * 4, false);
    // What a person is told may have several lines; a name has one, or it could look like a line of this program.
    let mut words = |what: &dyn Fn() -> String, words: &describing::Words, most: usize, lines: bool| {
        for (language, said) in words {
            text(&|| format!("{} in {}", what(), short(language)), said, most, lines);
        }
    };
    words(&|| "name".into(), &d.name, TEXT_BYTES_MAX, false);
    words(&|| "about".into(), &d.about, TEXT_BYTES_MAX, true);
    for i in &d.inputs {
        words(&|| format!("input `{}`: name", short(&i.id)), &i.name, TEXT_BYTES_MAX, false);
        for code in &i.codes {
            words(&|| format!("input `{}`, code {}: name", short(&i.id), code.value), &code.name, TEXT_BYTES_MAX, false);
        }
    }
    for p in &d.params {
        words(&|| format!("param `{}`: name", short(&p.id)), &p.name, TEXT_BYTES_MAX, false);
    }
    for p in &d.phrases {
        words(&|| format!("phrase `{}`", short(&p.id)), &p.text, PHRASE_BYTES_MAX, true);
    }
    for h in &d.hazards {
        for (part, said) in [("name", &h.name), ("cause", &h.cause), ("consequence", &h.consequence), ("action", &h.action)] {
            words(&|| format!("hazard `{}`: {part}", short(&h.id)), said, TEXT_BYTES_MAX, part != "name");
        }
    }
    for p in &d.params {
        for cite in &p.cites {
            let parts = [
                ("standard", &cite.standard),
                ("edition", &cite.edition),
                ("clause", &cite.clause),
                ("jurisdiction", &cite.jurisdiction),
                ("effective", &cite.effective),
                ("confidence", &cite.confidence),
                ("note", &cite.note),
            ];
            for (part, said) in parts {
                text(&|| format!("param `{}`: {part} of a citation", short(&p.id)), said, CITATION_BYTES_MAX, true);
            }
        }
    }
    let ids = d
        .inputs
        .iter()
        .flat_map(|i| [("id of an input", &i.id), ("quantity of an input", &i.quantity), ("unit of an input", &i.unit)]);
    let ids = ids.chain(d.params.iter().flat_map(|p| [("id of a param", &p.id), ("unit of a param", &p.unit)]));
    let ids = ids.chain(d.params.iter().flat_map(|p| p.choices.iter().map(|choice| ("choice of a param", choice))));
    let ids =
        ids.chain(d.hazards.iter().map(|h| ("id of a hazard", &h.id))).chain(d.phrases.iter().map(|p| ("id of a phrase", &p.id)));
    for (what, id) in ids {
        text(&|| format!("{what}, `{}`", short(id)), id, PART_BYTES_MAX, false);
    }
}

/// Its beginning, to say which one is meant.
fn short(id: &str) -> String {
    visible(&id[..id.floor_char_boundary(PART_BYTES_MAX)])
}

fn unique<'a>(what: &str, ids: impl Iterator<Item = &'a String>, errors: &mut Vec<String>) {
    let mut seen = BTreeSet::new();
    for id in ids {
        if id.is_empty() || !seen.insert(id) {
            errors.push(format!("{what} `{}`: ids are unique and not empty", short(id)));
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

/// A phrase counts its places from `{0}` on, the same ones in each language, and has not more than anybody reads. One that is too long is not looked at.
fn unfit_places(phrase: &describing::Phrase) -> Option<String> {
    if phrase.text.iter().any(|(_, text)| text.len() > PHRASE_BYTES_MAX) {
        return None;
    }
    let places = |text: &str| places(text).filter_map(|(_, place)| place).collect::<Vec<_>>();
    let all: Vec<(&str, Vec<usize>)> = phrase.text.iter().map(|(language, text)| (language.as_str(), places(text))).collect();
    if let Some((language, places)) = all.iter().find(|(_, places)| places.len() > PLACES_MAX) {
        return Some(format!("phrase `{}` in {language}: {} places for numbers, at most {PLACES_MAX}", phrase.id, places.len()));
    }
    let all: Vec<(&str, BTreeSet<usize>)> =
        all.into_iter().map(|(language, places)| (language, places.into_iter().collect())).collect();
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

#[cfg(test)]
#[path = "description_tests.rs"]
mod tests;
