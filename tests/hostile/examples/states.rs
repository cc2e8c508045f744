//! No misbehaviour: of a coded input it says what the last row was, in its evidence, whatever is thought of it.

use hostile::bindings::safety_brain::rule::describing::Code;
use hostile::{Columns, Description, Evidence, Fault, Finding, Guest, Input, Start, TimeUs};

struct Rule;

impl Guest for Rule {
    fn describe() -> Description {
        let base = hostile::description("states");
        let name = |zh: &str, en: &str| vec![("zh-CN".into(), zh.into()), ("en".into(), en.into())];
        let codes = vec![Code { value: 0, name: name("停", "stopped") }, Code { value: 1, name: name("运行", "running") }];
        let input = Input { id: "pump".into(), quantity: "state".into(), codes, ..base.inputs[0].clone() };
        Description { inputs: vec![input], ..base }
    }
    fn init(_start: Start) -> Result<(), Vec<Fault>> {
        Ok(())
    }
    fn evaluate(_at: TimeUs, readings: Columns) -> Vec<Finding> {
        let Some(last) = readings.values.len().checked_sub(1) else { return vec![] };
        let evidence = Evidence {
            input: readings.inputs[last],
            value: readings.values[last],
            at: readings.times[last],
            param: u32::MAX,
            limit: f64::NAN,
        };
        vec![Finding { evidence: vec![evidence], ..hostile::finding(0) }]
    }
    fn snapshot() -> Vec<u8> {
        hostile::state()
    }
    fn restore(_version: u32, state: Vec<u8>) -> Result<(), String> {
        hostile::take(&state)
    }
}

hostile::component!(Rule);
