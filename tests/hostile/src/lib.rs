//! What the cases share: the contract's bindings, a description, a counter that is the rule's whole state.
//! Must not know: the host, the SDK.
//!
//! Every case counts good rows, reports the count as phrase number 0, and misbehaves in its own way on [`TRIGGER`].

#[allow(missing_docs)]
pub mod bindings {
    wit_bindgen::generate!({
        path: "../../wit/rule",
        world: "risk-rule",
        pub_export_macro: true,
        default_bindings_module: "hostile::bindings",
    });
}

pub use bindings::exports::safety_brain::rule::rule::{Attr, Columns, Description, Fault, Finding, Guest, Start, TimeUs};
pub use bindings::safety_brain::rule::describing::{Hazard, Input, Param, Phrase, Wants};
pub use bindings::safety_brain::rule::history::history;
pub use bindings::safety_brain::rule::log::log;
pub use bindings::safety_brain::rule::types::Evidence;

use std::sync::atomic::{AtomicU64, Ordering};

/// The value on which a case misbehaves.
pub const TRIGGER: f64 = 666.0;

/// Turns of [`spin`] that take tens of milliseconds.
pub const SLOW: u64 = 20_000_000;

/// Keeps the processor busy for so many turns.
pub fn spin(turns: u64) {
    let mut n = 1u64;
    for _ in 0..turns {
        n = std::hint::black_box(n.wrapping_mul(31));
    }
}

static COUNT: AtomicU64 = AtomicU64::new(0);

/// Adds the rows of a batch to the count and returns it.
pub fn count(readings: &Columns) -> u64 {
    let rows = readings.values.len() as u64;
    COUNT.fetch_add(rows, Ordering::Relaxed) + rows
}

/// True where the batch holds the trigger.
pub fn triggered(readings: &Columns) -> bool {
    readings.values.contains(&TRIGGER)
}

/// The count as bytes: the whole state.
pub fn state() -> Vec<u8> {
    COUNT.load(Ordering::Relaxed).to_le_bytes().to_vec()
}

/// Takes the state up again.
pub fn take(state: &[u8]) -> Result<(), String> {
    let bytes = state.try_into().map_err(|_| "eight bytes expected".to_owned())?;
    COUNT.store(u64::from_le_bytes(bytes), Ordering::Relaxed);
    Ok(())
}

/// "Active, yellow, {0} rows so far."
pub fn finding(count: u64) -> Finding {
    Finding {
        hazard: 0,
        condition: 1,
        severity: 2,
        certainty: 1,
        phrase: 0,
        numbers: vec![count as f64],
        evidence: vec![],
        attrs: vec![],
    }
}

/// [`finding`] with the sum of the last rows as evidence, taken from the host's memory. Nothing where only time passed.
pub fn looking_back(readings: &Columns, count: u64) -> Vec<Finding> {
    let Some(last) = readings.values.len().checked_sub(1) else {
        return vec![];
    };
    let input = readings.inputs[last];
    let seen = history(input, i64::MIN, 100);
    let evidence = Evidence { input, value: seen.values.iter().sum(), at: readings.times[last], param: 0, limit: f64::NAN };
    vec![Finding { evidence: vec![evidence], ..finding(count) }]
}

fn words(zh: &str, en: &str) -> Vec<(String, String)> {
    vec![("zh-CN".into(), zh.into()), ("en".into(), en.into())]
}

/// A description with one input, one parameter, two hazards and one phrase; worst is orange.
pub fn description(id: &str) -> Description {
    let hazard = |id: &str| Hazard {
        id: id.into(),
        name: words("测试险情", "Test hazard"),
        cause: words("测试", "A test"),
        consequence: words("无", "None"),
        action: words("无需处置", "Nothing"),
        respond_s: 60,
        worst: 3,
        traits: 0,
        restate_ms: 0,
        extra: vec![],
    };
    Description {
        id: id.into(),
        version: env!("CARGO_PKG_VERSION").into(),
        vendor: "safety-brain tests".into(),
        name: words("测试规则", "Test rule"),
        about: words("用于测试", "For tests"),
        inputs: vec![Input {
            id: "values".into(),
            name: words("数值", "Values"),
            quantity: "number".into(),
            unit: "1".into(),
            low: f64::NAN,
            high: 1000.0,
            least: 1,
            most: 4,
            silent_ms: 10_000,
            history: 8,
            codes: vec![],
            extra: vec![],
        }],
        params: vec![Param {
            id: "level".into(),
            name: words("级别", "Level"),
            kind: 2,
            unit: "1".into(),
            low: 0.0,
            high: 10.0,
            choices: vec![],
            required: false,
            number: 1.0,
            text: String::new(),
            numbers: vec![],
            cites: vec![],
            extra: vec![],
        }],
        hazards: vec![hazard("first"), hazard("second")],
        phrases: vec![Phrase { id: "count".into(), text: words("已读{0}行", "{0} rows so far") }],
        wants: Wants {
            tick_ms: 0,
            deadline_ms: 0,
            fuel_per_call: 0,
            fuel_per_row: 0,
            memory_kib: 0,
            snapshot_kib: 0,
            findings: 8,
        },
        state_version: 1,
        extra: vec![],
    }
}

/// The same with as much time as any rule may have.
pub fn slow(id: &str) -> Description {
    let description = description(id);
    let wants = Wants { deadline_ms: 100, fuel_per_call: 1_000_000_000, ..description.wants };
    Description { wants, ..description }
}

/// Makes a type the rule of this component. Natively the names of its exports would be refused by the linker, so there it is only used.
#[macro_export]
macro_rules! component {
    ($rule:ident) => {
        #[cfg(target_arch = "wasm32")]
        $crate::bindings::export!($rule);
        #[cfg(not(target_arch = "wasm32"))]
        const _: () = $crate::native::<$rule>();
    };
}

/// Checks natively that a type is a rule.
pub const fn native<T: Guest>() {}

/// A rule that only counts: for what misbehaves before it is asked anything.
pub fn counting(_readings: &Columns, count: u64) -> Vec<Finding> {
    vec![finding(count)]
}

/// A whole rule from its id, or from what it `describe`s itself as, and what it does: `evaluate` gets the columns and the new count; `init` may be given
/// too.
#[macro_export]
macro_rules! rule {
    ($id:literal, $evaluate:expr) => {
        $crate::rule!($id, $evaluate, |_start: &$crate::Start| {});
    };
    ($id:literal, $evaluate:expr, $init:expr) => {
        $crate::rule!(describe $crate::description($id), $evaluate, $init);
    };
    (describe $describe:expr, $evaluate:expr) => {
        $crate::rule!(describe $describe, $evaluate, |_start: &$crate::Start| {});
    };
    (describe $describe:expr, $evaluate:expr, $init:expr) => {
        struct Rule;

        impl $crate::Guest for Rule {
            fn describe() -> $crate::Description {
                $describe
            }
            fn init(start: $crate::Start) -> Result<(), Vec<$crate::Fault>> {
                $init(&start);
                Ok(())
            }
            fn evaluate(_at: $crate::TimeUs, readings: $crate::Columns) -> Vec<$crate::Finding> {
                let count = $crate::count(&readings);
                $evaluate(&readings, count)
            }
            fn snapshot() -> Vec<u8> {
                $crate::state()
            }
            fn restore(_version: u32, state: Vec<u8>) -> Result<(), String> {
                $crate::take(&state)
            }
        }

        $crate::component!(Rule);
    };
}
