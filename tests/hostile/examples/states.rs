//! No misbehaviour: of a coded input it says what the last row was, in its evidence, whatever is thought of it.

use hostile::bindings::safety_brain::rule::describing::Code;
use hostile::{Columns, Description, Evidence, Finding, Input};

hostile::rule!(
    describe {
        let base = hostile::description("states");
        let name = |zh: &str, en: &str| vec![("zh-CN".into(), zh.into()), ("en".into(), en.into())];
        let codes = vec![Code { value: 0, name: name("停", "stopped") }, Code { value: 1, name: name("运行", "running") }];
        let input = Input { id: "pump".into(), quantity: "state".into(), codes, ..base.inputs[0].clone() };
        Description { inputs: vec![input], ..base }
    },
    |readings: &Columns, _count: u64| -> Vec<Finding> {
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
);
