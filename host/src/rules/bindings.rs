//! The contract `wit/rule/rule.wit` as Rust types, and every conversion between them and the brain's: the one place for both.
//! Must not know: stores, limits, threads.

use super::history::LastQuality;
use brain::event::Row;
use brain::finding::{Certainty, EVIDENCE_MAX, Evidence, Finding, Verdict};
use brain::reading::Quality;
use brain::site::{Citation, Guide, Hazard, Severity};
use brain::words::{Text, Words};

#[allow(missing_docs)]
mod wit {
    wasmtime::component::bindgen!({
        path: "../wit/rule",
        world: "risk-rule",
        imports: { default: trappable },
    });
}

pub use wit::exports::safety_brain::rule::rule as export;
pub use wit::safety_brain::rule::describing;
pub(super) use wit::safety_brain::rule::types;
pub(super) use wit::safety_brain::rule::{history, log};
pub(super) use wit::{RiskRule, RiskRulePre};

/// "None" in a handle or an index.
pub(super) const NONE: u32 = u32::MAX;

/// Both languages, or what is missing.
pub(super) fn words(words: &describing::Words) -> Result<Words, String> {
    let of = |language: &str| {
        let found = words.iter().find(|(l, _)| l == language);
        match found.map(|(_, text)| text.trim()) {
            None | Some("") => Err(format!("no text in {language}")),
            Some(text) => Ok(text.to_owned()),
        }
    };
    Ok(Words { zh: of("zh-CN")?, en: of("en")? })
}

/// 1 blue to 4 red; an unknown code is red.
pub(super) fn severity(code: u8) -> Severity {
    match code {
        1 => Severity::Blue,
        2 => Severity::Yellow,
        3 => Severity::Orange,
        _ => Severity::Red,
    }
}

/// An unknown code cannot be told.
pub(super) fn verdict(code: u8) -> Verdict {
    match code {
        0 => Verdict::Clear,
        1 => Verdict::Active,
        _ => Verdict::CannotTell,
    }
}

/// An unknown code counts as observed.
pub(super) fn certainty(code: u8) -> Certainty {
    match code {
        2 => Certainty::Likely,
        3 => Certainty::Possible,
        4 => Certainty::Unlikely,
        _ => Certainty::Observed,
    }
}

/// The clause a limit comes from. The date it came into force stays in the description.
pub(super) fn citation(cite: &describing::Citation) -> Citation {
    Citation {
        standard: cite.standard.clone(),
        edition: cite.edition.clone(),
        clause: cite.clause.clone(),
        jurisdiction: cite.jurisdiction.clone(),
        confidence: cite.confidence.clone(),
        note: cite.note.clone(),
    }
}

/// A hazard with all its words, or which of them is missing.
pub(super) fn hazard(hazard: &describing::Hazard) -> Result<Hazard, String> {
    let named = |part: &str, text| words(text).map_err(|e| format!("hazard `{}`: {part}: {e}", hazard.id));
    if !(1..=4).contains(&hazard.worst) {
        return Err(format!("hazard `{}`: worst: {} is no severity (1 blue to 4 red)", hazard.id, hazard.worst));
    }
    Ok(Hazard {
        id: hazard.id.clone(),
        title: named("name", &hazard.name)?,
        guide: Guide {
            cause: named("cause", &hazard.cause)?,
            consequence: named("consequence", &hazard.consequence)?,
            action: named("action", &hazard.action)?,
            respond_s: hazard.respond_s,
        },
        worst: severity(hazard.worst),
        latches: hazard.traits & 4 != 0,
        managed: hazard.traits & 1 != 0,
        may_suppress: hazard.traits & 2 != 0,
        restate_ms: hazard.restate_ms,
    })
}

/// Rows as parallel columns.
pub(super) fn columns(rows: &[Row]) -> types::Columns {
    types::Columns {
        inputs: rows.iter().map(|r| r.handle).collect(),
        values: rows.iter().map(|r| r.value).collect(),
        quality: rows.iter().map(|r| r.quality.0).collect(),
        times: rows.iter().map(|r| r.source_us).collect(),
    }
}

/// Rows as the answer of `history`.
pub(super) fn series(rows: &[Row]) -> history::Series {
    history::Series {
        values: rows.iter().map(|r| r.value).collect(),
        quality: rows.iter().map(|r| r.quality.0).collect(),
        times: rows.iter().map(|r| r.source_us).collect(),
    }
}

/// A bound tag, as evidence names it; its position is the handle.
#[derive(Clone, Debug)]
pub(super) struct BoundTag {
    pub(super) name: String,
    pub(super) unit: String,
    /// What its numbers stand for, where its input is one of states.
    pub(super) codes: Vec<(u32, Words)>,
}

impl BoundTag {
    fn meaning(&self, value: f64) -> Option<Words> {
        self.codes.iter().find(|(code, _)| f64::from(*code) == value).map(|(_, name)| name.clone())
    }
}

/// What a finding says, and how many numbers it has places for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Phrase {
    pub(super) words: Words,
    pub(super) places: usize,
}

/// A phrase in both languages, or which of them is missing.
pub(super) fn phrase(text: &describing::Words) -> Result<Phrase, String> {
    let words = words(text)?;
    let last = |text: &str| places(text).filter_map(|(_, place)| place).max().map_or(0, |last| last.saturating_add(1));
    Ok(Phrase { places: last(&words.zh).max(last(&words.en)), words })
}

/// What turns indices of an answer into words, tags and clauses: the description's parts in its order.
#[derive(Debug)]
pub(super) struct Lexicon {
    pub(super) hazards: Vec<Hazard>,
    pub(super) phrases: Vec<Phrase>,
    /// First citation of each parameter.
    pub(super) cites: Vec<Option<Citation>>,
    pub(super) tags: Vec<BoundTag>,
    /// Most findings of one answer.
    pub(super) findings_max: usize,
}

/// An answer that makes sense, and a remark where a severity is above its worst.
pub(super) type Sense = (Vec<Finding>, Option<String>);

/// A text in parts, each as it stands there; of a place `{0}`, `{1}` ... its number too.
pub(super) fn places(text: &str) -> impl Iterator<Item = (&str, Option<usize>)> {
    let mut rest = text;
    std::iter::from_fn(move || {
        let place = place(rest);
        // A brace that opens no place is text.
        let end = place
            .map_or_else(|| rest.match_indices('{').find(|(at, _)| *at > 0).map_or(rest.len(), |(at, _)| at), |(_, end)| end);
        let (part, behind) = rest.split_at_checked(end).filter(|(part, _)| !part.is_empty())?;
        rest = behind;
        Some((part, place.map(|(number, _)| number)))
    })
}

/// The number of the place that a text begins with, and where it ends.
fn place(text: &str) -> Option<(usize, usize)> {
    let behind = text.strip_prefix('{')?;
    let digits = behind.bytes().take_while(u8::is_ascii_digit).count();
    let number = behind[..digits].parse().ok()?;
    behind[digits..].starts_with('}').then_some((number, digits + 2))
}

impl Lexicon {
    /// Turns an answer into findings, or says why it is nonsense.
    pub(super) fn findings(&self, answer: &[types::Finding], last: &LastQuality) -> Result<Sense, String> {
        if answer.len() > self.findings_max {
            return Err(format!("{} findings, at most {} declared", answer.len(), self.findings_max));
        }
        let mut seen = vec![false; self.hazards.len()];
        let mut findings = Vec::with_capacity(answer.len());
        let mut above = None;
        for said in answer {
            let hazard = index(&self.hazards, said.hazard, "hazard")?;
            if std::mem::replace(&mut seen[said.hazard as usize], true) {
                return Err(format!("two findings for hazard `{}`", hazard.id));
            }
            let finding = self.finding(said, hazard, last)?;
            if finding.verdict == Verdict::Active && finding.severity > hazard.worst {
                above = Some(format!(
                    "hazard `{}`: severity {} is above its declared worst, {}",
                    hazard.id,
                    finding.severity.word(),
                    hazard.worst.word()
                ));
            }
            findings.push(finding);
        }
        Ok((findings, above))
    }

    /// Phrases of an answer that was made sense of, where fewer numbers were given than it has places: for who tries a rule.
    pub(super) fn misfits(&self, answer: &[types::Finding]) -> Vec<String> {
        let misfit = |said: &types::Finding| {
            let (phrase, given) = (self.phrases.get(said.phrase as usize)?, said.numbers.len());
            (given < phrase.places).then(|| misfit(phrase, given))
        };
        answer.iter().filter_map(misfit).collect()
    }

    /// `attrs` are for machines that read the component's own output; the brain decides without them.
    fn finding(&self, said: &types::Finding, hazard: &Hazard, last: &LastQuality) -> Result<Finding, String> {
        let phrase = index(&self.phrases, said.phrase, "phrase")?;
        if said.numbers.len() > phrase.places {
            return Err(misfit(phrase, said.numbers.len()));
        }
        // What is not kept is not put into words either.
        let evidence = said.evidence.iter().take(EVIDENCE_MAX).map(|e| self.evidence(e, last));
        let evidence = evidence.collect::<Result<Vec<_>, _>>()?;
        Ok(Finding {
            hazard: hazard.id.clone(),
            verdict: verdict(said.condition),
            severity: severity(said.severity),
            certainty: certainty(said.certainty),
            text: Text::Words(fill(&phrase.words, &said.numbers)),
            evidence,
        })
    }

    fn evidence(&self, said: &types::Evidence, last: &LastQuality) -> Result<Evidence, String> {
        let citation = match said.param {
            NONE => None,
            param => index(&self.cites, param, "param")?.clone(),
        };
        let (tag, unit, meaning, quality) = match said.input {
            NONE if said.value.is_nan() => (String::new(), String::new(), None, Quality::BAD),
            NONE => (String::new(), String::new(), None, Quality::GOOD),
            handle => {
                let tag = index(&self.tags, handle, "input")?;
                let quality = last.of(handle).unwrap_or(Quality::NEVER_SEEN);
                (tag.name.clone(), tag.unit.clone(), tag.meaning(said.value), quality)
            }
        };
        Ok(Evidence {
            tag,
            value: said.value,
            meaning,
            unit,
            at: said.at,
            quality,
            limit: (!said.limit.is_nan()).then_some(said.limit),
            citation,
        })
    }
}

fn index<'a, T>(list: &'a [T], index: u32, what: &str) -> Result<&'a T, String> {
    list.get(index as usize).ok_or_else(|| format!("{what} index {index} is out of range: {} declared", list.len()))
}

/// A phrase that was given another number of numbers than it has places for.
fn misfit(phrase: &Phrase, given: usize) -> String {
    let (text, shown): (_, Vec<String>) = (&phrase.words.en, (0..phrase.places).map(|n| format!("{{{n}}}")).collect());
    match shown.is_empty() {
        true => format!("phrase \"{text}\" has no place for a number and was given {given}"),
        false => format!("phrase \"{text}\" has the places {} and was given {given} numbers", shown.join(" ")),
    }
}

/// Fills `{0}`, `{1}` ... in one pass: what a number is written as is never looked through for places. One without a number stays visible: a
/// gap must be seen.
fn fill(phrase: &Words, numbers: &[f64]) -> Words {
    let filled = |text: &str| {
        let part = |(part, place): (&str, Option<usize>)| match place.and_then(|place| numbers.get(place)) {
            Some(number) => shown(*number),
            None => part.to_owned(),
        };
        places(text).map(part).collect()
    };
    Words { zh: filled(&phrase.zh), en: filled(&phrase.en) }
}

/// From here on a number is written with an exponent: more digits say nothing, and 1e308 would fill a page.
const EXPONENT_FROM: f64 = 1e15;

/// A number as people read it: at most two decimals, no trailing zeros, two significant digits where it is smaller than that, an exponent where
/// it is larger than anything that is measured.
pub(super) fn shown(number: f64) -> String {
    if number.is_nan() {
        return "?".into();
    }
    let magnitude = number.abs();
    if magnitude >= EXPONENT_FROM {
        return format!("{number:e}");
    }
    let decimals = if magnitude >= 0.01 || magnitude == 0.0 { 2 } else { 1 - magnitude.log10().floor().max(-12.0) as i32 };
    let text = format!("{number:.*}", decimals as usize);
    let text = match text.contains('.') {
        true => text.trim_end_matches('0').trim_end_matches('.'),
        false => &text,
    };
    if text == "-0" { "0".into() } else { text.into() }
}

#[cfg(test)]
#[path = "bindings_tests.rs"]
mod tests;
