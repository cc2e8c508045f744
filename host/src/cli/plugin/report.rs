//! What a rule says about itself, for people and for programs. Must not know: where it came from, what becomes of it.

use super::subject::Subject;
use crate::rules::bindings::describing::{Citation, Hazard, Input, Param, Phrase, Words};
use crate::rules::{AskedLimit, CONTRACT, Package, bundle, visible};
use brain::site::Severity;
use serde_json::{Value, json};

/// How much it is, and what of the host it may call.
pub(super) fn size(package: &Package) -> String {
    let imports = package.interfaces();
    let imports = if imports.is_empty() { "nothing".to_owned() } else { imports.join(", ") };
    format!("{} bytes; imports {imports}", package.bytes)
}

/// Everything a reviewer reads before pinning a digest.
pub(super) fn text(subject: &Subject) -> String {
    let package = &subject.package;
    let d = &package.description;
    let mut lines = vec![
        format!("{}@{}  by {}", d.id, d.version, d.vendor),
        format!("  {}", both(&d.name)),
        format!("  {}", both(&d.about)),
        format!("digest   {}", package.digest),
        format!("signed   {}", subject.signed.as_ref().map_or("by nobody", |manifest| &manifest.publisher)),
        format!("tested   {}", tested(subject)),
        format!("contract {}; this program speaks {CONTRACT}", package.contract),
        format!("size     {}", size(package)),
        limits(package),
        "inputs".into(),
    ];
    for i in &d.inputs {
        lines.push(format!("  {}  {}", i.id, both(&i.name)));
        lines.push(format!(
            "    {}; {} in {}, {}; {}; history {} rows",
            match (i.least, i.most) {
                (1, 1) => "1 tag".to_owned(),
                (least, most) if least == most => format!("{most} tags"),
                (least, most) => format!("{least} to {most} tags"),
            },
            or_any(&i.quantity),
            or_any(&i.unit),
            bounds(i.low, i.high),
            if i.silent_ms > 0 { format!("at least every {} ms", i.silent_ms) } else { "may stay silent".into() },
            i.history
        ));
        lines.extend(i.codes.iter().map(|code| format!("    {} is {}", code.value, both(&code.name))));
    }
    lines.push("params".into());
    d.params.iter().for_each(|p| param(p, &mut lines));
    lines.push("hazards".into());
    d.hazards.iter().for_each(|h| hazard(h, &mut lines));
    lines.push("phrases".into());
    for p in &d.phrases {
        lines.push(format!("  {}  {}", p.id, both(&p.text)));
    }
    // A stranger's text must not look like a line of ours.
    lines.iter().map(|line| visible(line) + "\n").collect()
}

/// What its publisher says of its cases.
fn tested(subject: &Subject) -> &'static str {
    match &subject.signed {
        Some(manifest) if manifest.untested => bundle::UNTESTED,
        Some(_) => "its publisher ran its cases when it signed, by its own word",
        None => "nobody says so; `safety-brain plugin test` runs its cases",
    }
}

/// What it is held to where the site grants it.
fn limits(package: &Package) -> String {
    let one = |AskedLimit { name, wanted, effective, unasked, most, .. }: AskedLimit| {
        let (what, unit) = LIMITS.iter().find(|(key, ..)| *key == name).map_or((name, ""), |(_, what, unit)| (*what, *unit));
        let whose = if wanted == 0 { "default" } else { "asked for" };
        let by_name = if effective > unasked { ", by the site's own word" } else { "" };
        format!("{what} {effective}{unit} ({whose}{by_name}; at most {most})")
    };
    let tick = match package.description.wants.tick_ms {
        0 => "called with readings alone".to_owned(),
        ms => format!("called every {ms} ms at least"),
    };
    format!("limits   {tick}; {}", package.asked().map(one).join("; "))
}

/// Names of limits for people, and their units.
const LIMITS: [(&str, &str, &str); 7] = [
    ("deadline-ms", "deadline", " ms"),
    ("fuel-per-call", "fuel", ""),
    ("fuel-per-row", "fuel per row", ""),
    ("memory-kib", "memory", " KiB"),
    ("snapshot-kib", "snapshot", " KiB"),
    ("findings", "findings", ""),
    ("history", "history", " rows"),
];

fn param(p: &Param, lines: &mut Vec<String>) {
    let default = match (p.required, p.kind) {
        (true, _) => "required".into(),
        (false, 4 | 5) => format!("default {:?}", p.text),
        (false, 6) => format!("default {:?}", p.numbers),
        (false, _) if p.number.is_nan() => "may be left out".into(),
        (false, _) => format!("default {}", p.number),
    };
    let unit = if p.unit.is_empty() { String::new() } else { format!(" {}", p.unit) };
    let allowed = match p.choices.is_empty() {
        true => bounds(p.low, p.high),
        false => format!("one of {}", p.choices.join(", ")),
    };
    lines.push(format!("  {}  {}", p.id, both(&p.name)));
    lines.push(format!("    {default}{unit}; {allowed}"));
    for c in &p.cites {
        let place = if c.jurisdiction.is_empty() { String::new() } else { format!("[{}]", c.jurisdiction) };
        let parts = [&c.standard, &c.edition, &c.clause, &place, &format!("({})", c.confidence), &c.note];
        let parts: Vec<&str> = parts.into_iter().map(String::as_str).filter(|part| !part.is_empty()).collect();
        lines.push(format!("    {}", parts.join(" ").replacen("(own)", "own:", 1)));
    }
}

/// The contract's bits of a hazard.
const TRAITS: [(u32, &str); 3] = [(1, "highly managed"), (2, "may be suppressed by design"), (4, "latches")];

/// A bound that is none is said to be none.
fn bounds(low: f64, high: f64) -> String {
    match (low.is_finite(), high.is_finite()) {
        (true, true) => format!("from {low} to {high}"),
        (true, false) => format!("from {low}"),
        (false, true) => format!("to {high}"),
        (false, false) => "no bound".into(),
    }
}

fn or_any(word: &str) -> &str {
    if word.is_empty() { "any" } else { word }
}

fn hazard(h: &Hazard, lines: &mut Vec<String>) {
    lines.push(format!("  {}  {}", h.id, both(&h.name)));
    lines.push(format!(
        "    worst {}; {}{}; {}",
        Severity::ALL[usize::from(h.worst) - 1].word(), // 1 to 4, checked when the package was opened
        TRAITS.iter().filter(|(bit, _)| h.traits & bit != 0).map(|(_, word)| format!("{word}; ")).collect::<String>(),
        if h.restate_ms > 0 { format!("restate within {} ms", h.restate_ms) } else { "a claim holds for ever".into() },
        if h.respond_s > 0 { format!("respond within {} s", h.respond_s) } else { "no time to respond".into() }
    ));
    for (part, text) in [("cause", &h.cause), ("consequence", &h.consequence), ("action", &h.action)] {
        lines.push(format!("    {part}: {}", both(text)));
    }
}

/// All languages, as given.
fn both(words: &Words) -> String {
    let texts: Vec<&str> = words.iter().map(|(_, text)| text.as_str()).collect();
    texts.join(" / ")
}

/// The same for programs; every number that is no limit (NaN, infinite) is null.
pub(super) fn json(subject: &Subject) -> Value {
    let (package, d) = (&subject.package, &subject.package.description);
    let w = &d.wants;
    json!({
        "id": d.id, "version": d.version, "vendor": d.vendor, "name": words(&d.name), "about": words(&d.about),
        "digest": package.digest, "bytes": package.bytes, "contract": package.contract, "imports": package.interfaces(),
        // Held against the key that it names; whether that key is believed is for a site to say.
        "signature": if subject.signed.is_some() { "valid" } else { "none" },
        "publisher": subject.signed.as_ref().map(|manifest| &manifest.publisher),
        "untested": subject.signed.as_ref().map(|manifest| manifest.untested),
        "signed_with": subject.signed.as_ref().map(|manifest| &manifest.tool),
        "state_version": d.state_version, "extra": pairs(&d.extra),
        "inputs": d.inputs.iter().map(input).collect::<Vec<_>>(),
        "params": d.params.iter().map(param_json).collect::<Vec<_>>(),
        "hazards": d.hazards.iter().map(hazard_json).collect::<Vec<_>>(),
        "phrases": d.phrases.iter().map(|Phrase { id, text }| json!({"id": id, "text": words(text)})).collect::<Vec<_>>(),
        "limits": package.asked().into_iter().map(limit).collect::<serde_json::Map<_, _>>(),
        "wants": {
            "tick_ms": w.tick_ms, "deadline_ms": w.deadline_ms, "fuel_per_call": w.fuel_per_call, "fuel_per_row": w.fuel_per_row,
            "memory_kib": w.memory_kib, "snapshot_kib": w.snapshot_kib, "findings": w.findings,
        },
    })
}

fn limit(of: AskedLimit) -> (String, Value) {
    let AskedLimit { name, wanted, effective, unasked, most, .. } = of;
    (name.replace('-', "_"), json!({"wanted": wanted, "effective": effective, "unasked": unasked, "most": most}))
}

fn words(words: &Words) -> Value {
    pairs(words)
}

fn pairs(pairs: &[(String, String)]) -> Value {
    pairs.iter().map(|(key, text)| (key.clone(), Value::from(text.as_str()))).collect::<serde_json::Map<_, _>>().into()
}

fn input(i: &Input) -> Value {
    json!({"id": i.id, "name": words(&i.name), "quantity": i.quantity, "unit": i.unit, "low": i.low, "high": i.high, "least": i.least,
        "most": i.most, "silent_ms": i.silent_ms, "history": i.history,
        "codes": i.codes.iter().map(|code| json!({"value": code.value, "name": words(&code.name)})).collect::<Vec<_>>(), "extra": pairs(&i.extra)})
}

fn param_json(p: &Param) -> Value {
    let kinds = ["number", "integer", "flag", "text", "choice", "numbers", "milliseconds"];
    let cites: Vec<Value> = p.cites.iter().map(cite).collect();
    // 1 to 7, checked when the package was opened
    json!({"id": p.id, "name": words(&p.name), "kind": kinds[usize::from(p.kind) - 1], "unit": p.unit, "low": p.low, "high": p.high,
        "choices": p.choices, "required": p.required, "number": p.number, "text": p.text, "numbers": p.numbers, "cites": cites, "extra": pairs(&p.extra)})
}

fn cite(c: &Citation) -> Value {
    json!({"standard": c.standard, "edition": c.edition, "clause": c.clause, "jurisdiction": c.jurisdiction, "effective": c.effective,
        "confidence": c.confidence, "note": c.note})
}

fn hazard_json(h: &Hazard) -> Value {
    json!({"id": h.id, "name": words(&h.name), "cause": words(&h.cause), "consequence": words(&h.consequence), "action": words(&h.action),
        "respond_s": h.respond_s, "worst": Severity::ALL[usize::from(h.worst) - 1].word(), "traits": h.traits, "restate_ms": h.restate_ms,
        "extra": pairs(&h.extra)})
}
