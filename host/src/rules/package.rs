//! One component file: its bytes checked before anything of it runs, then compiled, linked and asked what it is.
//! Must not know: any site, any rule bound to it.

use super::bindings::{BoundTag, Lexicon, RiskRulePre, citation, describing, hazard, history, log, words};
use super::engine::Engine;
use super::history::{HISTORY_ROWS_MAX, History};
use super::sandbox::{Caps, FUEL_MAX, Guest, Sandbox};
use anyhow::{Context, Result, anyhow, ensure};
use sha2::{Digest, Sha256};
use std::collections::BTreeSet;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use wasmparser::{Encoding, Parser, Payload};
use wasmtime::component::{HasSelf, Linker};

/// Largest component accepted, bytes.
const COMPONENT_BYTES_MAX: u64 = 4 << 20;
/// Most functions in one component.
const FUNCTIONS_MAX: u32 = 20_000;
/// Interfaces of `safety-brain:rule@1.x` that a component may import.
const IMPORTS: [&str; 4] = ["log", "history", "types", "describing"];

/// What a rule gets where its description says 0, and the most it may ask for.
const DEADLINE_MS: (u32, u32) = (10, 100);
const FUEL_PER_CALL: (u64, u64) = (10_000_000, FUEL_MAX);
const FUEL_PER_ROW: (u64, u64) = (100_000, 10_000_000);
const MEMORY_KIB: (u32, u32) = (16 << 10, 64 << 10);
const SNAPSHOT_KIB: (u32, u32) = (256, 1 << 10);
const FINDINGS: (u32, u32) = (64, 1024);

/// A component that passed every check that needs no site.
pub struct Package {
    /// What it says about itself.
    pub description: describing::Description,
    /// `sha256:<hex>` of the component.
    pub digest: String,
    /// Size of the component, bytes.
    pub bytes: usize,
    /// Interfaces it imports.
    pub imports: Vec<String>,
    pub(super) pre: RiskRulePre<Guest>,
    pub(super) caps: Caps,
    pub(super) findings_max: usize,
}

impl Package {
    /// Reads a component file and checks it whole. `cache`: where compiled code is kept.
    pub fn open(engine: &Engine, path: &Path, cache: Option<&Path>) -> Result<Package> {
        let size = std::fs::metadata(path).with_context(|| format!("{} cannot be read", path.display()))?.len();
        ensure!(
            size <= COMPONENT_BYTES_MAX,
            "{}: {size} bytes, at most {COMPONENT_BYTES_MAX}; strip debug information",
            path.display()
        );
        let bytes = std::fs::read(path).with_context(|| format!("{} cannot be read", path.display()))?;
        Self::from_bytes(engine, &bytes, cache).with_context(|| path.display().to_string())
    }

    /// The same for bytes already read.
    pub fn from_bytes(engine: &Engine, bytes: &[u8], cache: Option<&Path>) -> Result<Package> {
        let imports = survey(bytes)?;
        let sha256 = hex(&Sha256::digest(bytes));
        let component = engine.compile(bytes, &sha256, cache)?;
        let pre = link(engine, &component)?;
        let history = Arc::new(Mutex::new(History::new([])));
        let description = Sandbox::start(&pre, Caps::DESCRIBE, history, Arc::default())
            .and_then(|mut sandbox| sandbox.describe())
            .map_err(|strike| anyhow!("`describe` failed: {strike}"))?;
        let errors = description_errors(&description);
        ensure!(errors.is_empty(), "its description is not complete: {}", errors.join("; "));
        Ok(Package {
            caps: caps(&description.wants),
            findings_max: or_default(description.wants.findings, FINDINGS) as usize,
            digest: format!("sha256:{sha256}"),
            bytes: bytes.len(),
            description,
            imports,
            pre,
        })
    }

    /// `<id>-<version>.wasm`.
    pub fn file_name(id: &str, version: &str) -> String {
        format!("{id}-{version}.wasm")
    }

    /// What turns its answers into words, for these tags.
    pub(super) fn lexicon(&self, tags: Vec<BoundTag>) -> Lexicon {
        let checked = "checked when the package was opened";
        let d = &self.description;
        Lexicon {
            hazards: d.hazards.iter().map(|h| hazard(h).expect(checked)).collect(),
            phrases: d.phrases.iter().map(|p| words(&p.text).expect(checked)).collect(),
            cites: d.params.iter().map(|p| p.cites.first().map(citation)).collect(),
            tags,
            findings_max: self.findings_max,
        }
    }
}

/// Looks through the bytes without running or compiling any of them. Returns the imports.
pub(super) fn survey(bytes: &[u8]) -> Result<Vec<String>> {
    ensure!(
        bytes.starts_with(b"\0asm"),
        "this is no WebAssembly component: it does not begin as one; make one with `safety-brain plugin build`"
    );
    let (mut depth, mut functions, mut imports) = (0usize, 0u32, Vec::new());
    for payload in Parser::new(0).parse_all(bytes) {
        match payload.context("this is no WebAssembly component")? {
            Payload::Version { encoding, .. } if depth == 0 => ensure!(
                encoding == Encoding::Component,
                "this is a core module, not a component; make one with `safety-brain plugin build`"
            ),
            Payload::ModuleSection { .. } | Payload::ComponentSection { .. } => depth += 1,
            Payload::End(_) => depth = depth.saturating_sub(1),
            Payload::CodeSectionStart { count, .. } => functions = functions.saturating_add(count),
            Payload::ComponentImportSection(section) if depth == 0 => {
                for import in section {
                    imports.push(import?.name.name.to_owned());
                }
            }
            _ => {}
        }
    }
    ensure!(functions <= FUNCTIONS_MAX, "{functions} functions, at most {FUNCTIONS_MAX}");
    let foreign: Vec<String> = imports.iter().filter(|name| !may_import(name)).map(|name| format!("`{name}`")).collect();
    ensure!(
        foreign.is_empty(),
        "it imports {}; a rule may import only {} of safety-brain:rule@1.x. Build for wasm32-unknown-unknown \
         and remove what asks the system for clocks, files, sockets or random numbers",
        foreign.join(", "),
        IMPORTS.join(", ")
    );
    Ok(imports)
}

fn may_import(name: &str) -> bool {
    name.strip_prefix("safety-brain:rule/")
        .and_then(|rest| rest.split_once('@'))
        .is_some_and(|(interface, version)| IMPORTS.contains(&interface) && version.starts_with("1."))
}

/// Links against exactly what a rule may call: a changed type or a missing export is found here, not in the middle of a call.
fn link(engine: &Engine, component: &wasmtime::component::Component) -> Result<RiskRulePre<Guest>> {
    let mut linker = Linker::<Guest>::new(&engine.wasm);
    let linked = log::add_to_linker::<Guest, HasSelf<Guest>>(&mut linker, |guest| guest)
        .and_then(|()| history::add_to_linker::<Guest, HasSelf<Guest>>(&mut linker, |guest| guest));
    linked.map_err(|e| anyhow!("the host's own functions do not link: {e:#}"))?;
    linker
        .instantiate_pre(component)
        .and_then(RiskRulePre::new)
        .map_err(|e| anyhow!("it does not fit safety-brain:rule@1.0.0; build it against this version's wit/rule/rule.wit: {e:#}"))
}

fn or_default<T: Copy + PartialEq + Default>(wanted: T, (default, _): (T, T)) -> T {
    if wanted == T::default() { default } else { wanted }
}

fn caps(wants: &describing::Wants) -> Caps {
    let kib = |kib: u32| (kib as usize) << 10;
    Caps {
        deadline: Duration::from_millis(or_default(wants.deadline_ms, DEADLINE_MS).into()),
        fuel_per_call: or_default(wants.fuel_per_call, FUEL_PER_CALL),
        fuel_per_row: or_default(wants.fuel_per_row, FUEL_PER_ROW),
        memory_bytes: kib(or_default(wants.memory_kib, MEMORY_KIB)),
        snapshot_bytes: kib(or_default(wants.snapshot_kib, SNAPSHOT_KIB)),
    }
}

/// Everything a description lacks or asks too much of, at once.
pub(super) fn description_errors(d: &describing::Description) -> Vec<String> {
    let mut errors = Vec::new();
    let legal = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    if d.id.is_empty() || !d.id.chars().all(legal) {
        errors.push(format!("id `{}`: lower-case letters, digits and `-`", d.id));
    }
    let version_legal = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '+');
    if d.version.is_empty() || !d.version.chars().all(version_legal) {
        errors.push(format!("version `{}`: for example 1.0.0", d.version));
    }
    if d.hazards.is_empty() {
        errors.push("no hazard: a rule that can report nothing is a mistake".into());
    }
    let mut text = |what: String, text: &describing::Words| {
        if let Err(e) = words(text) {
            errors.push(format!("{what}: {e}"));
        }
    };
    text("name".into(), &d.name);
    text("about".into(), &d.about);
    d.inputs.iter().for_each(|i| text(format!("input `{}`", i.id), &i.name));
    for input in &d.inputs {
        input.codes.iter().for_each(|c| text(format!("input `{}`, code {}", input.id, c.value), &c.name));
    }
    d.params.iter().for_each(|p| text(format!("param `{}`", p.id), &p.name));
    d.phrases.iter().for_each(|p| text(format!("phrase `{}`", p.id), &p.text));
    errors.extend(d.hazards.iter().filter_map(|h| hazard(h).err()));
    unique("input", d.inputs.iter().map(|i| &i.id), &mut errors);
    for input in &d.inputs {
        let values: BTreeSet<u32> = input.codes.iter().map(|c| c.value).collect();
        if values.len() < input.codes.len() {
            errors.push(format!("input `{}`: two codes have one value", input.id));
        }
    }
    unique("param", d.params.iter().map(|p| &p.id), &mut errors);
    unique("hazard", d.hazards.iter().map(|h| &h.id), &mut errors);
    for p in d.params.iter().filter(|p| !(1..=7).contains(&p.kind)) {
        errors.push(format!("param `{}`: kind {} is unknown (1 to 7)", p.id, p.kind));
    }
    for i in d.inputs.iter().filter(|i| i.history > HISTORY_ROWS_MAX) {
        errors.push(format!("input `{}`: history {}, at most {HISTORY_ROWS_MAX}", i.id, i.history));
    }
    let w = &d.wants;
    let mut cap = |what: &str, wanted: u64, most: u64| {
        if wanted > most {
            errors.push(format!("wants {what} {wanted}, at most {most}"));
        }
    };
    cap("deadline-ms", w.deadline_ms.into(), DEADLINE_MS.1.into());
    cap("fuel-per-call", w.fuel_per_call, FUEL_PER_CALL.1);
    cap("fuel-per-row", w.fuel_per_row, FUEL_PER_ROW.1);
    cap("memory-kib", w.memory_kib.into(), MEMORY_KIB.1.into());
    cap("snapshot-kib", w.snapshot_kib.into(), SNAPSHOT_KIB.1.into());
    cap("findings", w.findings.into(), FINDINGS.1.into());
    errors
}

fn unique<'a>(what: &str, ids: impl Iterator<Item = &'a String>, errors: &mut Vec<String>) {
    let mut seen = BTreeSet::new();
    for id in ids {
        if id.is_empty() || !seen.insert(id) {
            errors.push(format!("{what} `{id}`: ids are unique and not empty"));
        }
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|b| format!("{b:02x}")).collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn only_the_contract_may_be_imported() {
        for good in ["safety-brain:rule/log@1.0.0", "safety-brain:rule/types@1.3.0"] {
            assert!(may_import(good), "{good}");
        }
        for bad in [
            "wasi:clocks/monotonic-clock@0.2.0",
            "safety-brain:rule/log@2.0.0",
            "safety-brain:rule/log",
            "safety-brain:rule/files@1.0.0",
            "safety-brain:ruler/log@1.0.0",
        ] {
            assert!(!may_import(bad), "{bad}");
        }
    }

    #[test]
    fn a_core_module_and_rubbish_are_refused_with_a_reason() {
        let error = survey(b"\0asm\x01\0\0\0").unwrap_err();
        assert!(error.to_string().contains("core module"), "{error}");
        let error = survey(b"hello, world").unwrap_err();
        assert!(format!("{error:#}").contains("no WebAssembly component"));
    }
}
