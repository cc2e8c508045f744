//! Site rules against a description: every kind of fault, all at once.
#![allow(clippy::unwrap_used)]

use super::super::bindings::describing::{Code, Description, Hazard, Input, Param as Wanted, Wants};
use super::*;
use crate::config::types::{LinkKind, Origin, Recording, RecordingTime};
use brain::site::{Ladder, Rung, RungKind};

fn input() -> Input {
    Input {
        id: "temperature".into(),
        name: vec![],
        quantity: "temperature".into(),
        unit: "Cel".into(),
        low: -50.0,
        high: 150.0,
        least: 1,
        most: 2,
        silent_ms: 5000,
        history: 16,
        codes: vec![],
        extra: vec![],
    }
}

fn param(id: &str, kind: u8) -> Wanted {
    Wanted {
        id: id.into(),
        name: vec![],
        kind,
        unit: String::new(),
        low: 0.0,
        high: 10.0,
        choices: vec!["wet".into(), "dry".into()],
        required: kind == NUMBER,
        number: 4.0,
        text: "dry".into(),
        numbers: vec![1.0],
        cites: vec![],
        extra: vec![],
    }
}

fn description() -> Description {
    let hazard = Hazard {
        id: "heat".into(),
        name: vec![],
        cause: vec![],
        consequence: vec![],
        action: vec![],
        respond_s: 0,
        worst: 3,
        traits: 0,
        restate_ms: 0,
        extra: vec![],
    };
    Description {
        id: "room".into(),
        version: "1.0.0".into(),
        vendor: String::new(),
        name: vec![],
        about: vec![],
        inputs: vec![input()],
        params: vec![
            param("stop", NUMBER),
            param("votes", INTEGER),
            param("strict", FLAG),
            param("process", CHOICE),
            param("steps", NUMBERS),
        ],
        hazards: vec![hazard],
        phrases: vec![],
        wants: Wants {
            tick_ms: 0,
            deadline_ms: 0,
            fuel_per_call: 0,
            fuel_per_row: 0,
            memory_kib: 0,
            snapshot_kib: 0,
            findings: 0,
        },
        state_version: 1,
        extra: vec![],
    }
}

fn site() -> Site {
    let tag = |name| Tag { low: -20.0, high: 80.0, unit: "Cel".into(), quantity: "temperature".into(), ..Tag::plain(name) };
    let rung = Rung::new("officer", 0, RungKind::AtOnce, [None, None, Some(0), Some(0)]);
    let ladders = vec![Ladder { name: "plant".into(), rungs: vec![rung] }];
    Site { tags: vec![tag("TT-1"), tag("TT-2")], links: vec!["field".into()], ladders, ..Site::plain("plant", "mix-3") }
}

fn rule() -> Rule {
    Rule {
        name: "heat".into(),
        plugin: "room".into(),
        version: "1.0.0".into(),
        publisher: None,
        digest: None,
        back_from: None,
        interpreted: false,
        zone: 0,
        inputs: [("temperature".to_owned(), vec![TagId(1), TagId(0)])].into(),
        params: [("stop".to_owned(), Param::Number(3.5))].into(),
        limits: crate::config::types::Limits::USUAL,
        origin: Origin { file: "site.toml".into(), line: 7 },
        lines: [("inputs".to_owned(), 9), ("params.stop".to_owned(), 12)].into(),
    }
}

fn faults(rule: &Rule, site: &Site) -> Vec<String> {
    let faults = fit(rule, (site, &[]), &description()).unwrap_err();
    faults.iter().map(Fault::to_string).collect()
}

#[test]
fn a_good_rule_is_bound_in_order_with_every_setting() {
    let fit = fit(&rule(), (&site(), &[]), &description()).unwrap();
    assert_eq!(fit.inputs, [TagId(1), TagId(0)]);
    assert_eq!(fit.keep, [16, 16]);
    let bindings: Vec<_> = fit.start.bindings.iter().map(|b| (b.handle, b.tag.as_str())).collect();
    assert_eq!(bindings, [(0, "TT-2"), (1, "TT-1")]);
    let numbers: Vec<_> = fit.start.settings.iter().map(|s| s.number).collect();
    assert_eq!(numbers, [3.5, 4.0, 4.0, 4.0, 4.0]);
    assert_eq!(fit.start.settings[3].text, "dry");
}

#[test]
fn every_fault_of_the_parameters_is_named_at_once() {
    let mut rule = rule();
    rule.params = [
        ("votes".to_owned(), Param::Number(2.5)),
        ("strict".to_owned(), Param::Text("yes".into())),
        ("process".to_owned(), Param::Text("damp".into())),
        ("steps".to_owned(), Param::Numbers(vec![1.0, 11.0])),
        ("stopp".to_owned(), Param::Number(1.0)),
    ]
    .into();
    assert_eq!(
        faults(&rule, &site()),
        [
            "site.toml:7: rule.heat.params.stopp: found an unknown name; allowed: stop, votes, strict, process, steps; did you mean `stop`?",
            "site.toml:12: rule.heat.params.stop: found nothing; allowed: a number from 0 to 10",
            "site.toml:7: rule.heat.params.votes: found 2.5; allowed: a whole number from 0 to 10",
            "site.toml:7: rule.heat.params.strict: found \"yes\"; allowed: true or false",
            "site.toml:7: rule.heat.params.process: found \"damp\"; allowed: one of wet, dry",
            "site.toml:7: rule.heat.params.steps: found [1.0, 11.0]; allowed: a list of numbers from 0 to 10",
        ]
    );
    for outside in [-0.1, 10.1, f64::NAN, f64::INFINITY] {
        rule.params = [("stop".to_owned(), Param::Number(outside))].into();
        assert_eq!(faults(&rule, &site()).len(), 1, "{outside}");
    }
}

#[test]
fn every_fault_of_the_inputs_is_named_at_once() {
    let mut site = site();
    site.tags[0].quantity = "humidity".into();
    site.tags[0].unit = "%".into();
    site.tags[0].high = 200.0;
    site.tags[0].period_ms = 6000;
    let mut rule = rule();
    rule.inputs.insert("temprature".into(), vec![]);
    assert_eq!(
        faults(&rule, &site),
        [
            "site.toml:9: rule.heat.inputs.temprature: found an unknown name; allowed: temperature; did you mean `temperature`?",
            "site.toml:9: rule.heat.inputs.temperature: found tag `TT-1` measures `humidity`; allowed: quantity `temperature`",
            "site.toml:9: rule.heat.inputs.temperature: found tag `TT-1` in unit `%`; allowed: unit `Cel`; scale the value on its link",
            "site.toml:9: rule.heat.inputs.temperature: found tag `TT-1` ranges over -20 to 200; allowed: a range inside -50 to 150",
            "site.toml:9: rule.heat.inputs.temperature: found tag `TT-1` comes every 6000 ms; allowed: at least every 5000 ms",
        ]
    );
    rule.inputs.clear();
    assert_eq!(faults(&rule, &site), ["site.toml:9: rule.heat.inputs.temperature: found 0 tags; allowed: 1 to 2"]);
}

/// A tag that is sent in words can say what its link lists, and nothing else.
#[test]
fn words_of_a_link_are_codes_of_the_input() {
    let code = |value, name: &str| Code { value, name: vec![("zh-CN".into(), name.into()), ("en".into(), name.into())] };
    let mut description = description();
    description.inputs[0].codes = vec![code(0, "shut"), code(1, "open")];
    let link = |words: &[(&str, u32)]| {
        let values = words.iter().map(|(word, code)| ((*word).to_owned(), *code)).collect();
        let time = RecordingTime::Every { ms: 1, start_us: 0 };
        let columns = vec![("v".to_owned(), TagId(1))];
        let recording = Recording { separator: b',', time, columns, values: [(TagId(1), values)].into() };
        vec![Link { name: "field".into(), kind: LinkKind::Recording(recording) }]
    };
    let faults = |links: Vec<Link>, description: &Description| match fit(&rule(), (&site(), &links), description) {
        Ok(_) => vec![],
        Err(faults) => faults.iter().map(Fault::to_string).collect(),
    };
    assert_eq!(faults(vec![], &description), Vec::<String>::new(), "numbers are judged as they come");
    assert_eq!(faults(link(&[("OPEN", 1), ("SHUT", 0)]), &description), Vec::<String>::new());
    assert_eq!(
        faults(link(&[("OPEN", 1), ("STUCK", 2)]), &description),
        [
            "site.toml:9: rule.heat.inputs.temperature: found tag `TT-2`, whose word \"STUCK\" is 2; allowed: `values` of its link with its codes: 0 shut, 1 open"
        ]
    );
    description.inputs[0].codes.clear();
    assert_eq!(faults(link(&[("STUCK", 2)]), &description), Vec::<String>::new(), "a quantity may be any number");
}

#[test]
fn somebody_must_be_told_of_the_worst() {
    let mut site = site();
    site.ladders[0].rungs[0].after_s = [Some(0), Some(0), None, Some(0)];
    assert_eq!(
        faults(&rule(), &site),
        [
            "site.toml:7: rule.heat.zone: found zone `mix-3` with ladder `plant`, on which nobody is told of orange; allowed: a ladder with a rung for hazard `heat`"
        ]
    );
}
