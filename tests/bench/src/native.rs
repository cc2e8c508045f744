//! The reference rule compiled natively: what its sandbox is compared with. Must not know: who calls it.

use anyhow::Context;
use gas_detector::GasDetector;
use safety_brain_sdk::contract::{Binding, Setting, Start};
use safety_brain_sdk::{Lexicon, Rule};

/// Bound to so many tags of these inputs, with these parameters.
pub fn started(inputs: &[(&str, usize)], given: &[(&str, f64)]) -> anyhow::Result<GasDetector> {
    let lexicon = Lexicon::new(GasDetector::describe());
    let d = lexicon.description();
    let settings = d.params.iter().enumerate().map(|(index, param)| Setting {
        param: index as u32,
        number: given.iter().find(|(id, _)| *id == param.id).map_or(param.number, |(_, number)| *number),
        text: param.text.clone(),
        numbers: param.numbers.clone(),
    });
    let mut bindings = vec![];
    for (input, count) in inputs {
        let place = d.inputs.iter().position(|one| one.id == *input).context("the rule has this input")?;
        for _ in 0..*count {
            let handle = bindings.len() as u32;
            let tag = format!("t{handle}");
            bindings.push(Binding { handle, input: place as u32, tag, low: 0.0, high: 1000.0, period_ms: 1000, attrs: vec![] });
        }
    }
    let start = Start { zone: "hall".into(), at: 0, bindings, settings: settings.collect(), extra: vec![] };
    GasDetector::new(lexicon.start(start)).map_err(|faults| anyhow::anyhow!("{} faults", faults.len()))
}
