//! Between the SDK's names and the contract's indices, and the macro that makes a rule a component. Must not know: any particular rule.

use crate::contract::{self, types};
use crate::start::Part;
use crate::{Condition, Description, Evidence, Fault, Finding, Quality, Reading, Start};

/// "None" in an index.
const NONE: u32 = u32::MAX;

/// A description as the key between names and indices.
pub struct Lexicon(Description);

impl Lexicon {
    /// Of one rule.
    pub fn new(description: Description) -> Lexicon {
        Lexicon(description)
    }
    /// The description in the contract's form.
    pub fn description(&self) -> contract::Description {
        self.0.0.clone()
    }
    /// What the rule's `new` is given.
    pub fn start(&self, start: contract::Start) -> Start {
        Start::new(start, self.0.clone())
    }
    /// Refusals with the indices of what they are about.
    pub fn faults(&self, faults: Vec<Fault>) -> Vec<contract::Fault> {
        let d = &self.0.0;
        let one = |fault: Fault| {
            let (kind, index) = match fault.part {
                Part::Rule => (0, 0),
                Part::Input(id) => (1, index(d.inputs.iter().map(|i| &i.id), id)),
                Part::Param(id) => (2, index(d.params.iter().map(|p| &p.id), id)),
            };
            contract::Fault { kind, index, text: fault.text }
        };
        faults.into_iter().map(one).collect()
    }
    /// Findings with indices. A name that is not described is a mistake in the rule and panics, so that its vendor reads which.
    pub fn findings(&self, findings: Vec<Finding>) -> Vec<types::Finding> {
        findings.into_iter().map(|f| self.finding(f)).collect()
    }
    fn finding(&self, finding: Finding) -> types::Finding {
        let d = &self.0.0;
        types::Finding {
            hazard: known("hazard", d.hazards.iter().map(|h| &h.id), finding.hazard),
            condition: match finding.condition {
                Condition::Clear => 0,
                Condition::Active => 1,
                Condition::CannotTell => 2,
            },
            severity: finding.severity as u8,
            certainty: finding.certainty as u8,
            phrase: known("phrase", d.phrases.iter().map(|p| &p.id), finding.phrase),
            numbers: finding.numbers,
            evidence: finding.evidence.iter().map(|e| self.evidence(e)).collect(),
            attrs: Vec::new(),
        }
    }
    fn evidence(&self, evidence: &Evidence) -> types::Evidence {
        let param = |id| known("param", self.0.0.params.iter().map(|p| &p.id), id);
        types::Evidence {
            input: evidence.handle,
            value: evidence.value,
            at: evidence.at,
            param: evidence.limit.map_or(NONE, |(_, id)| param(id)),
            limit: evidence.limit.map_or(f64::NAN, |(limit, _)| limit),
        }
    }
}

/// Index of a described name.
fn known<'a>(what: &str, ids: impl Iterator<Item = &'a String> + Clone, id: &str) -> u32 {
    let at = ids.clone().position(|known| known == id);
    let names = || ids.map(String::as_str).collect::<Vec<_>>().join(", ");
    at.unwrap_or_else(|| panic!("{what} `{id}` is not described; described are: {}", names())) as u32
}

fn index<'a>(mut ids: impl Iterator<Item = &'a String>, id: &str) -> u32 {
    ids.position(|known| known == id).map_or(NONE - 1, |at| at as u32)
}

/// Columns as rows, in order of arrival. Columns of different lengths are cut to the shortest.
#[doc(hidden)]
pub fn rows(columns: &types::Columns) -> Vec<Reading> {
    let values = columns.values.iter().zip(&columns.quality);
    let rows = columns.inputs.iter().zip(values).zip(&columns.times);
    rows.map(|((handle, (value, quality)), at)| Reading { handle: *handle, value: *value, quality: Quality(*quality), at: *at })
        .collect()
}

/// Makes a [`crate::Rule`] the one a component exports. On a developer's machine it does nothing, so that `cargo test` needs no host.
#[macro_export]
macro_rules! export {
    ($rule:ty) => {
        /// The rule of this component, whatever its type is called: for tests outside the crate.
        #[allow(dead_code)]
        pub type ExportedRule = $rule;

        #[cfg(target_arch = "wasm32")]
        const _: () = {
            use ::std::{cell::RefCell, option::Option, result::Result, string::String, vec::Vec};
            use $crate::contract;

            ::std::thread_local! {
                static RULE: RefCell<Option<($crate::Lexicon, $rule)>> = const { RefCell::new(None) };
            }

            fn with<T>(act: impl FnOnce(&$crate::Lexicon, &mut $rule) -> T) -> T {
                RULE.with_borrow_mut(|rule| {
                    let (lexicon, rule) = rule.as_mut().expect("the host calls `init` first");
                    act(lexicon, rule)
                })
            }

            struct Component;

            impl contract::Guest for Component {
                fn describe() -> contract::Description {
                    $crate::panics_are_logged();
                    $crate::Lexicon::new(<$rule as $crate::Rule>::describe()).description()
                }
                fn init(start: contract::Start) -> Result<(), Vec<contract::Fault>> {
                    $crate::panics_are_logged();
                    let lexicon = $crate::Lexicon::new(<$rule as $crate::Rule>::describe());
                    match <$rule as $crate::Rule>::new(lexicon.start(start)) {
                        Ok(rule) => {
                            RULE.set(Some((lexicon, rule)));
                            Ok(())
                        }
                        Err(faults) => Err(lexicon.faults(faults)),
                    }
                }
                fn evaluate(at: i64, readings: contract::Columns) -> Vec<contract::Finding> {
                    with(|lexicon, rule| lexicon.findings($crate::Rule::evaluate(rule, at, &$crate::rows(&readings))))
                }
                fn snapshot() -> Vec<u8> {
                    with(|_, rule| $crate::Rule::snapshot(rule))
                }
                fn restore(version: u32, state: Vec<u8>) -> Result<(), String> {
                    with(|_, rule| $crate::Rule::restore(rule, version, &state))
                }
            }

            contract::export_component!(Component);
        };
    };
}
