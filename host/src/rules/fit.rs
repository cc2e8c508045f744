//! A rule of the site file held against its plug-in's description: inputs, units, ranges, periods, parameters, ladder.
//! Must not know: components, stores, files of plug-ins.

use super::bindings::{describing, export, severity, words};
use crate::config::types::{Link, Param, Rule, values_of};
use crate::config::{Fault, nearest};
use brain::reading::TagId;
use brain::site::{Site, Tag};

/// A bound rule, ready for `init` except for its time.
#[derive(Debug)]
pub(super) struct Fit {
    pub(super) start: export::Start,
    /// By handle.
    pub(super) inputs: Vec<TagId>,
    /// Rows kept for `history`, by handle.
    pub(super) keep: Vec<u32>,
}

/// Binds a rule, or says everything that is wrong with it.
pub(super) fn fit(
    rule: &Rule,
    (site, links): (&Site, &[Link]),
    description: &describing::Description,
) -> Result<Fit, Vec<Fault>> {
    let mut check = Check { rule, site, links, description, faults: Vec::new() };
    let mut fit = check.inputs();
    fit.start.settings = check.settings();
    check.ladder();
    if check.faults.is_empty() { Ok(fit) } else { Err(check.faults) }
}

/// A fault of one key of a rule.
pub(super) fn fault(rule: &Rule, key: &str, found: impl Into<String>, allowed: impl Into<String>) -> Fault {
    Fault {
        origin: rule.at(key),
        key: format!("rule.{}.{key}", rule.name),
        found: found.into(),
        allowed: allowed.into(),
        nearest: None,
    }
}

struct Check<'a> {
    rule: &'a Rule,
    site: &'a Site,
    links: &'a [Link],
    description: &'a describing::Description,
    faults: Vec<Fault>,
}

impl Check<'_> {
    fn fault(&mut self, key: &str, found: impl Into<String>, allowed: impl Into<String>) {
        self.faults.push(fault(self.rule, key, found, allowed));
    }

    /// A name in the site file that the description does not have.
    fn unknown(&mut self, part: &str, name: &str, known: &[&str]) {
        let allowed = match known {
            [] => format!("no {part} at all"),
            known => known.join(", "),
        };
        let mut fault = fault(self.rule, &format!("{part}.{name}"), "an unknown name", allowed);
        fault.nearest = nearest(name, known.iter().copied());
        self.faults.push(fault);
    }

    fn inputs(&mut self) -> Fit {
        let (rule, description) = (self.rule, self.description);
        let known: Vec<&str> = description.inputs.iter().map(|i| i.id.as_str()).collect();
        for name in rule.inputs.keys().filter(|n| !known.contains(&n.as_str())) {
            self.unknown("inputs", name, &known);
        }
        let mut fit = Fit {
            start: export::Start {
                zone: self.site.zones[rule.zone].name.clone(),
                at: 0,
                bindings: Vec::new(),
                settings: Vec::new(),
                extra: Vec::new(),
            },
            inputs: Vec::new(),
            keep: Vec::new(),
        };
        for (index, input) in description.inputs.iter().enumerate() {
            let tags = rule.inputs.get(&input.id).map_or(&[][..], Vec::as_slice);
            if !(input.least as usize..=input.most as usize).contains(&tags.len()) {
                let allowed = match (input.least, input.most) {
                    (least, most) if least == most => format!("exactly {least}"),
                    (least, most) => format!("{least} to {most}"),
                };
                let plural = if tags.len() == 1 { "" } else { "s" };
                self.fault(&format!("inputs.{}", input.id), format!("{} tag{plural}", tags.len()), allowed);
            }
            for &id in tags {
                let tag = &self.site.tags[id.0 as usize];
                self.tag(input, tag);
                self.codes(input, tag, id);
                fit.start.bindings.push(export::Binding {
                    handle: fit.inputs.len() as u32,
                    input: index as u32,
                    tag: tag.name.clone(),
                    low: tag.low,
                    high: tag.high,
                    period_ms: tag.period_ms,
                    attrs: Vec::new(),
                });
                fit.inputs.push(id);
                fit.keep.push(input.history);
            }
        }
        fit
    }

    fn tag(&mut self, input: &describing::Input, tag: &Tag) {
        let key = format!("inputs.{}", input.id);
        let name = &tag.name;
        if !input.quantity.is_empty() && tag.quantity != input.quantity {
            self.fault(&key, format!("tag `{name}` measures `{}`", tag.quantity), format!("quantity `{}`", input.quantity));
        }
        if !input.unit.is_empty() && tag.unit != input.unit {
            self.fault(
                &key,
                format!("tag `{name}` in unit `{}`", tag.unit),
                format!("unit `{}`; scale the value on its link", input.unit),
            );
        }
        let below = input.low.is_finite() && tag.low < input.low;
        let above = input.high.is_finite() && tag.high > input.high;
        if below || above {
            self.fault(
                &key,
                format!("tag `{name}` ranges over {} to {}", tag.low, tag.high),
                format!("a range inside {} to {}", input.low, input.high),
            );
        }
        if input.silent_ms > 0 && tag.period_ms > input.silent_ms {
            self.fault(
                &key,
                format!("tag `{name}` comes every {} ms", tag.period_ms),
                format!("at least every {} ms", input.silent_ms),
            );
        }
    }

    /// All that the words of the tag's link stand for is a state that the rule knows.
    fn codes(&mut self, input: &describing::Input, tag: &Tag, id: TagId) {
        let values = values_of(self.links, id).filter(|_| !input.codes.is_empty());
        let strange = |code: &u32| input.codes.iter().all(|known| known.value != *code);
        for (word, code) in values.into_iter().flatten().filter(|(_, code)| strange(code)) {
            let known = input.codes.iter().map(|known| match words(&known.name) {
                Ok(name) => format!("{} {}", known.value, name.en),
                Err(_) => known.value.to_string(),
            });
            let allowed = format!("`values` of its link with its codes: {}", known.collect::<Vec<_>>().join(", "));
            self.fault(&format!("inputs.{}", input.id), format!("tag `{}`, whose word {word:?} is {code}", tag.name), allowed);
        }
    }

    /// One setting per parameter: the site's value or the default.
    fn settings(&mut self) -> Vec<export::Setting> {
        let (rule, description) = (self.rule, self.description);
        let known: Vec<&str> = description.params.iter().map(|p| p.id.as_str()).collect();
        for name in rule.params.keys().filter(|n| !known.contains(&n.as_str())) {
            self.unknown("params", name, &known);
        }
        let mut settings = Vec::new();
        for (index, param) in description.params.iter().enumerate() {
            let key = format!("params.{}", param.id);
            let mut setting = export::Setting {
                param: index as u32,
                number: param.number,
                text: param.text.clone(),
                numbers: param.numbers.clone(),
            };
            match rule.params.get(&param.id) {
                None if param.required => self.fault(&key, "nothing", allowed(param)),
                None => {}
                Some(value) => {
                    if let Err(found) = set(&mut setting, param, value) {
                        self.fault(&key, found, allowed(param));
                    }
                }
            }
            settings.push(setting);
        }
        settings
    }

    fn ladder(&mut self) {
        let zone = &self.site.zones[self.rule.zone];
        for hazard in &self.description.hazards {
            let worst = severity(hazard.worst);
            let ladder = &self.site.ladders[zone.ladder[worst as usize]];
            if !ladder.rungs.iter().any(|r| r.after_s[worst as usize].is_some()) {
                self.fault(
                    "zone",
                    format!("zone `{}` with ladder `{}`, on which nobody is told of {}", zone.name, ladder.name, worst.word()),
                    format!("a ladder with a rung for hazard `{}`", hazard.id),
                );
            }
        }
    }
}

const NUMBER: u8 = 1;
const INTEGER: u8 = 2;
const FLAG: u8 = 3;
const TEXT: u8 = 4;
const CHOICE: u8 = 5;
const NUMBERS: u8 = 6;
const MILLISECONDS: u8 = 7;

/// Takes a written value where kind and range fit; otherwise says what was found.
fn set(setting: &mut export::Setting, param: &describing::Param, value: &Param) -> Result<(), String> {
    let inside =
        |n: f64| n.is_finite() && !(param.low.is_finite() && n < param.low) && !(param.high.is_finite() && n > param.high);
    match (param.kind, value) {
        (NUMBER, Param::Number(n)) if inside(*n) => setting.number = *n,
        (INTEGER | MILLISECONDS, Param::Number(n)) if inside(*n) && n.fract() == 0.0 => {
            setting.number = *n;
        }
        (FLAG, Param::Flag(on)) => setting.number = f64::from(u8::from(*on)),
        (TEXT, Param::Text(text)) => setting.text.clone_from(text),
        (CHOICE, Param::Text(text)) if param.choices.contains(text) => setting.text.clone_from(text),
        (NUMBERS, Param::Numbers(all)) if all.iter().all(|n| inside(*n)) => {
            setting.numbers.clone_from(all);
        }
        (_, value) => return Err(written(value)),
    }
    Ok(())
}

fn written(value: &Param) -> String {
    match value {
        Param::Number(n) => n.to_string(),
        Param::Flag(on) => on.to_string(),
        Param::Text(text) => format!("{text:?}"),
        Param::Numbers(all) => format!("{all:?}"),
    }
}

/// What may stand there, for people.
fn allowed(param: &describing::Param) -> String {
    let kind = match param.kind {
        NUMBER => "a number",
        INTEGER => "a whole number",
        FLAG => return "true or false".into(),
        TEXT => return "a text".into(),
        CHOICE => return format!("one of {}", param.choices.join(", ")),
        NUMBERS => "a list of numbers",
        MILLISECONDS => "whole milliseconds",
        _ => "nothing: the kind is unknown",
    };
    let mut text = kind.to_owned();
    match (param.low.is_finite(), param.high.is_finite()) {
        (true, true) => text += &format!(" from {} to {}", param.low, param.high),
        (true, false) => text += &format!(", at least {}", param.low),
        (false, true) => text += &format!(", at most {}", param.high),
        (false, false) => {}
    }
    if !param.unit.is_empty() {
        text += &format!(", in {}", param.unit);
    }
    text
}

#[cfg(test)]
#[path = "fit_tests.rs"]
mod tests;
