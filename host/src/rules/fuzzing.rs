//! What a vendor hands over, as functions of bytes: the file before anything of it is compiled, and what a component says of itself.
//! See [`crate::fuzzing`].

use super::bindings::describing::{Citation, Code, Description, Hazard, Input, Param, Phrase, Wants, Words};
use super::bindings::{hazard, words};
use super::bundle::Bundle;
use super::description;
use super::fit::fit;
use super::package::survey;
use crate::config::{self, Config};
use std::sync::LazyLock;

/// A component file, as far as it is looked through before the compiler sees it.
pub fn component(bytes: &[u8]) -> bool {
    survey(bytes).is_ok_and(|seen| seen.imports.iter().all(|name| name.starts_with("safety-brain:rule/")))
}

/// A bundle. Its component is the one that its manifest names, and a stranger's key never fits.
pub fn bundle(bytes: &[u8]) -> bool {
    let Ok(bundle) = Bundle::read(bytes) else { return false };
    assert!(bytes.len() > bundle.component.len() && !bundle.component.is_empty(), "a component that is not inside");
    assert!(bundle.verify("ed25519:").is_err(), "taken without a key");
    bundle.verify(&bundle.manifest.publisher).is_ok()
}

static SITE: LazyLock<Config> =
    LazyLock::new(|| config::fuzzing::load(include_bytes!("../../../configs/demo.toml")).expect("the demonstration's site file"));

/// A description spelled by the bytes, held against the rules of the demonstration. One without errors has words in both languages for all that an
/// alarm needs; a rule that fits has every setting and as many inputs as it asked for.
pub fn description(bytes: &[u8]) -> bool {
    let description = Spelled(bytes).description();
    let errors = description::errors(&description);
    let mut fits = false;
    for rule in &SITE.rules {
        match fit(rule, (&SITE.site, &SITE.links), &description) {
            Err(faults) => assert!(!faults.is_empty(), "does not fit, without a reason"),
            Ok(fit) => {
                let bound: usize = rule.inputs.values().map(Vec::len).sum();
                assert_eq!((fit.inputs.len(), fit.keep.len()), (bound, bound), "an input was lost");
                fits = true;
            }
        }
    }
    if errors.is_empty() {
        assert!(description.hazards.iter().all(|of| hazard(of).is_ok()), "a hazard without words");
        assert!(description.phrases.iter().all(|phrase| words(&phrase.text).is_ok()), "a phrase without words");
    }
    errors.is_empty() && fits
}

/// Bytes spelled out as what a description is made of; behind their end everything is zero, empty or the first choice.
struct Spelled<'b>(&'b [u8]);

impl Spelled<'_> {
    fn byte(&mut self) -> u8 {
        let Some((first, rest)) = self.0.split_first() else { return 0 };
        self.0 = rest;
        *first
    }

    fn number(&mut self) -> u64 {
        match self.byte() {
            small @ 0..=99 => small.into(),
            255 => u64::MAX,
            shift => 1 << (shift % 64),
        }
    }

    fn float(&mut self) -> f64 {
        match self.byte() {
            0 => f64::NAN,
            1 => f64::INFINITY,
            2 => f64::NEG_INFINITY,
            3 => -1e308,
            4 => 1e308,
            other => f64::from(other) - 128.0,
        }
    }

    fn pick(&mut self, from: &[&str]) -> String {
        let at = usize::from(self.byte());
        from.get(at % from.len()).copied().unwrap_or_default().to_owned()
    }

    fn many<T>(&mut self, mut one: impl FnMut(&mut Self) -> T) -> Vec<T> {
        let count = self.byte() % 6;
        (0..count).map(|_| one(self)).collect()
    }

    fn words(&mut self) -> Words {
        let language = |of: &mut Self| (of.pick(&["zh-CN", "en", "", "EN"]), of.pick(&["字 {0}", "text {0} {", " ", ""]));
        match self.byte() {
            0 => vec![("zh-CN".to_owned(), "字".to_owned()), ("en".to_owned(), "text".to_owned())],
            _ => self.many(language),
        }
    }

    fn name(&mut self) -> String {
        self.pick(&[
            "temperature",
            "people",
            "gas",
            "building_class",
            "quota_people",
            "temp_stop",
            "pressure",
            "humidity",
            "storm",
            "",
        ])
    }

    fn input(&mut self) -> Input {
        Input {
            id: self.name(),
            name: self.words(),
            quantity: self.pick(&["", "temperature", "people", "gas", "pressure"]),
            unit: self.pick(&["", "Cel", "1", "%LEL", "K"]),
            low: self.float(),
            high: self.float(),
            least: self.number() as u32,
            most: self.number() as u32,
            silent_ms: self.number(),
            history: self.number() as u32,
            codes: self.many(|of| Code { value: of.number() as u32, name: of.words() }),
            extra: vec![],
        }
    }

    fn param(&mut self) -> Param {
        Param {
            id: self.name(),
            name: self.words(),
            kind: self.byte() % 9,
            unit: self.pick(&["", "Cel", "1"]),
            low: self.float(),
            high: self.float(),
            choices: self.many(|of| of.pick(&["1.1", "1.3", ""])),
            required: self.byte() % 2 == 1,
            number: self.float(),
            text: self.pick(&["1.1", "1.3", ""]),
            numbers: self.many(Self::float),
            cites: self.many(|_| {
                let [standard, edition, effective, clause, jurisdiction, confidence, note] = Default::default();
                Citation { standard, edition, effective, clause, jurisdiction, confidence, note }
            }),
            extra: vec![],
        }
    }

    fn hazard(&mut self) -> Hazard {
        Hazard {
            id: self.name(),
            name: self.words(),
            cause: self.words(),
            consequence: self.words(),
            action: self.words(),
            respond_s: self.number() as u32,
            worst: self.byte() % 6,
            traits: self.number() as u32,
            restate_ms: self.number(),
            extra: vec![],
        }
    }

    fn description(&mut self) -> Description {
        Description {
            id: self.pick(&["room", "gas-detector", "Room", "../room", ""]),
            version: self.pick(&["1.0.0", "0.1.0-rc.1", "../..", ""]),
            vendor: String::new(),
            name: self.words(),
            about: self.words(),
            inputs: self.many(Self::input),
            params: self.many(Self::param),
            hazards: self.many(Self::hazard),
            phrases: self.many(|of| Phrase { id: of.name(), text: of.words() }),
            wants: Wants {
                tick_ms: self.number(),
                deadline_ms: self.number() as u32,
                fuel_per_call: self.number(),
                fuel_per_row: self.number(),
                memory_kib: self.number() as u32,
                snapshot_kib: self.number() as u32,
                findings: self.number() as u32,
            },
            state_version: 1,
            extra: vec![],
        }
    }
}
