//! Uses every part of the contract once, and well: what the museum keeps beside the reference rules.
use hostile::bindings::safety_brain::rule::describing::{Citation, Code};
use hostile::{Attr, Columns, Description, Evidence, Fault, Finding, Guest, Input, Param, Start, TimeUs, Wants};
use std::cell::RefCell;

const NONE: u32 = u32::MAX;
/// The coded input's states.
const OPEN: f64 = 2.0;

/// What `init` gave, and the state: rows judged, and the open door as last seen.
#[derive(Default)]
struct Every {
    zone: String,
    limit: f64,
    past: usize,
    values: Vec<u32>,
    state: (u64, f64),
}

thread_local! {
    static EVERY: RefCell<Every> = RefCell::default();
}

struct Rule;

fn words(zh: &str, en: &str) -> Vec<(String, String)> {
    vec![("zh-CN".into(), zh.into()), ("en".into(), en.into()), ("de".into(), en.into())]
}

fn params(param: &Param) -> Vec<Param> {
    let cite = Citation {
        standard: "GB/T 50493".into(),
        edition: "2019".into(),
        clause: "5.5.2".into(),
        jurisdiction: "CN".into(),
        effective: "2020-03-01".into(),
        confidence: "recalled".into(),
        note: "for the museum".into(),
    };
    let of = |id: &str, kind| Param { id: id.into(), kind, low: f64::NAN, high: f64::NAN, ..param.clone() };
    vec![
        Param { number: 25.0, unit: "%LEL".into(), low: 5.0, high: 50.0, cites: vec![cite], ..of("number", 1) },
        Param { number: 3.0, ..of("integer", 2) },
        Param { number: 1.0, ..of("flag", 3) },
        Param { text: "any".into(), ..of("text", 4) },
        Param { choices: vec!["a".into(), "b".into()], required: true, ..of("choice", 5) },
        Param { numbers: vec![1.0, 2.0], ..of("numbers", 6) },
        Param { number: 1500.0, unit: "ms".into(), ..of("milliseconds", 7) },
    ]
}

impl Guest for Rule {
    fn describe() -> Description {
        let base = hostile::description("every-part");
        let input =
            Input { low: 0.0, high: 100.0, silent_ms: 0, extra: vec![("x-kept".into(), "1".into())], ..base.inputs[0].clone() };
        let codes = [(0, "故障", "Failed"), (1, "关", "Closed"), (2, "开", "Open")];
        let codes = codes.map(|(value, zh, en)| Code { value, name: words(zh, en) }).into();
        let door = Input { id: "door".into(), quantity: "state".into(), least: 0, most: 1, history: 0, codes, ..input.clone() };
        let mut hazards = base.hazards.clone();
        (hazards[0].worst, hazards[0].traits, hazards[0].restate_ms) = (4, 1 | 2 | 4, 60_000);
        let mut phrases = base.phrases.clone();
        phrases[0].text = words("数值{0}，门{1}", "Value {0}, door {1}");
        let wants = Wants {
            tick_ms: 1000,
            deadline_ms: 20,
            fuel_per_call: 5_000_000,
            fuel_per_row: 100_000,
            memory_kib: 8192,
            snapshot_kib: 4,
            findings: 2,
        };
        let params = params(&base.params[0]);
        Description { inputs: vec![input, door], params, hazards, phrases, wants, state_version: 7, ..base }
    }
    fn init(start: Start) -> Result<(), Vec<Fault>> {
        let setting = |index: u32| start.settings.iter().find(|s| s.param == index);
        let fault = |kind, index, text: &str| Fault { kind, index, text: text.into() };
        let number = |index| setting(index).map_or(f64::NAN, |s| s.number);
        let numbers = setting(5).map_or(0, |s| s.numbers.len());
        let mut faults = Vec::new();
        if start.settings.len() != 7 || !(number(6) > 0.0) || number(2) != 1.0 || numbers == 0 {
            faults.push(fault(0, 0, "a setting is missing"));
        }
        if setting(4).is_none_or(|s| s.text != "a") {
            faults.push(fault(2, 4, "only `a` is ever good"));
        }
        let ranged = start.bindings.iter().all(|b| b.low < b.high && b.period_ms > 0 && !b.tag.is_empty());
        if !ranged || start.at <= 0 {
            faults.push(fault(1, 0, "a tag without range, period or name"));
        }
        let values = start.bindings.iter().filter(|b| b.input == 0).map(|b| b.handle).collect();
        EVERY.set(Every { zone: start.zone, limit: number(0), past: number(1) as usize, values, ..Every::default() });
        if faults.is_empty() { Ok(()) } else { Err(faults) }
    }
    fn evaluate(at: TimeUs, readings: Columns) -> Vec<Finding> {
        EVERY.with_borrow_mut(|own| {
            own.state.0 += readings.values.len() as u64;
            for ((input, value), quality) in readings.inputs.iter().zip(&readings.values).zip(&readings.quality) {
                if !own.values.contains(input) {
                    own.state.1 = if *quality < 128 { *value } else { f64::NAN };
                }
            }
            if readings.values.is_empty() {
                hostile::log(0, &format!("{}: time passes: {}", own.zone, own.state.0));
            }
            let Some(first) = own.values.first().copied() else { return Vec::new() };
            let past = hostile::history(first, i64::MIN, own.past as u32);
            let Some(newest) = past.values.last().copied() else { return Vec::new() };
            let mean = past.values.iter().sum::<f64>() / past.values.len() as f64;
            let lost = past.quality.last().is_some_and(|q| *q >= 128);
            let (condition, severity) = match () {
                _ if lost => (2, 1),
                _ if !(mean < own.limit) && own.state.1 == OPEN => (1, 4),
                _ if !(mean < own.limit) => (1, 3),
                _ => (0, 1),
            };
            let measured =
                Evidence { input: first, value: newest, at: past.times[past.times.len() - 1], param: 0, limit: own.limit };
            let computed = Evidence { input: NONE, value: mean, at, param: NONE, limit: f64::NAN };
            let finding = Finding {
                hazard: 0,
                condition,
                severity,
                certainty: if own.state.1.is_nan() { 3 } else { 1 },
                phrase: 0,
                numbers: vec![newest, own.state.1],
                evidence: vec![measured, computed],
                attrs: vec![Attr { key: 7, value: mean }, Attr { key: 0x8000_0001, value: 1.0 }],
            };
            let second = Finding {
                hazard: 1,
                condition: u8::from(own.state.1 == 0.0),
                severity: 2,
                evidence: vec![],
                attrs: vec![],
                ..finding.clone()
            };
            vec![finding, second]
        })
    }
    fn snapshot() -> Vec<u8> {
        EVERY.with_borrow(|own| [own.state.0.to_le_bytes(), own.state.1.to_le_bytes()].concat())
    }
    fn restore(version: u32, state: Vec<u8>) -> Result<(), String> {
        let (rows, door) = state.split_first_chunk().ok_or("too short")?;
        let door = door.try_into().map_err(|_| "sixteen bytes expected")?;
        if version != 7 {
            return Err(format!("version {version} is not known"));
        }
        EVERY.with_borrow_mut(|own| own.state = (u64::from_le_bytes(*rows), f64::from_le_bytes(door)));
        Ok(())
    }
}

hostile::component!(Rule);
