//! One component file: its bytes checked before anything of it runs, then compiled, linked and asked what it is.
//! Must not know: any site, any rule bound to it.

use super::bindings::{BoundTag, Lexicon, RiskRulePre, citation, describing, hazard, history, log, phrase};
use super::cache::Cache;
use super::description;
use super::engine::Engine;
use super::history::History;
use super::limits::{self, AskedLimit};
use super::sandbox::{Caps, Guest, Pulse, Sandbox};
use crate::config::types::Limits;
use anyhow::{Context, Result, anyhow, bail, ensure};
use sha2::{Digest, Sha256};
use std::sync::{Arc, Mutex};
use wasmparser::{Encoding, Parser, Payload};
use wasmtime::component::{HasSelf, Linker};

/// Largest component accepted, bytes.
pub(super) const COMPONENT_BYTES_MAX: u64 = 32 << 20;
/// A larger one carries an interpreter (JavaScript, Python): it may advise, and does not stand between people and a red danger.
pub(super) const INTERPRETER_BYTES: usize = 4 << 20;
/// Most functions in one component.
const FUNCTIONS_MAX: u32 = 20_000;
/// The contract that this program speaks.
pub const CONTRACT: &str = "safety-brain:rule@1.0.0";
/// What a component of any version of the contract exports.
const EXPORT: &str = "safety-brain:rule/rule";
/// Interfaces of `safety-brain:rule@1.x` with functions that a component may call, where it is granted them.
pub const CALLABLE: [&str; 2] = ["log", "history"];
/// Interfaces that carry types alone, and are always there.
const TYPES: [&str; 2] = ["types", "describing"];

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
    /// The contract it was built for: `safety-brain:rule@1.0.0`.
    pub contract: String,
    pub(super) pre: RiskRulePre<Guest>,
}

impl Package {
    /// Checks a component whole. `cache`: where compiled code is kept.
    ///
    /// # Errors
    /// Why no daemon would run it; the file's name is for the caller to add.
    pub fn from_bytes(engine: &Engine, bytes: &[u8], cache: Option<&Cache>) -> Result<Package> {
        ensure!(
            bytes.len() as u64 <= COMPONENT_BYTES_MAX,
            "it has {} bytes, at most {COMPONENT_BYTES_MAX} are allowed; strip debug information",
            bytes.len()
        );
        let Survey { imports, contract } = survey(bytes)?;
        let digest = digest_of(bytes);
        let component = engine.compile(bytes, &digest, cache)?;
        let pre = link(engine, &component, &contract)?;
        let history = Arc::new(Mutex::new(History::new([])));
        let description = Sandbox::start(&pre, Caps::DESCRIBE, history, Pulse::default())
            .and_then(|mut sandbox| sandbox.describe())
            .map_err(|strike| anyhow!("`describe` failed: {strike}"))?;
        let mut errors = description::errors(&description);
        errors.extend(interpreter_errors(bytes.len(), &description));
        ensure!(errors.is_empty(), "its description is not complete: {}", errors.join("; "));
        Ok(Package { digest, bytes: bytes.len(), description, imports, contract, pre })
    }

    /// It carries an interpreter.
    pub(super) fn is_interpreted(&self) -> bool {
        self.bytes > INTERPRETER_BYTES
    }

    /// What it is held to where the site grants all that it asks for.
    pub fn limits(&self) -> Limits {
        limits::held(&self.description, &Limits::MOST)
    }

    /// Each limit as it asks for it.
    pub fn asked(&self) -> [AskedLimit; 7] {
        limits::asked(&self.description)
    }

    /// The interfaces it may call, without their version: `log`, `history`.
    pub fn interfaces(&self) -> Vec<String> {
        let called = CALLABLE.iter().filter(|name| self.imports.iter().any(|import| interface(import) == Some(**name)));
        called.map(|name| (*name).to_owned()).collect()
    }

    /// `<id>-<version>.wasm`.
    pub fn file_name(id: &str, version: &str) -> String {
        format!("{id}-{version}.wasm")
    }

    /// What turns its answers, of so many findings at most, into words, for these tags.
    pub(super) fn lexicon(&self, tags: Vec<BoundTag>, findings_max: usize) -> Lexicon {
        let checked = "checked when the package was opened";
        let d = &self.description;
        Lexicon {
            hazards: d.hazards.iter().map(|h| hazard(h).expect(checked)).collect(),
            phrases: d.phrases.iter().map(|p| phrase(&p.text).expect(checked)).collect(),
            cites: d.params.iter().map(|p| p.cites.first().map(citation)).collect(),
            tags,
            findings_max,
        }
    }
}

/// What is seen of a component before anything of it is compiled.
pub(super) struct Survey {
    pub(super) imports: Vec<String>,
    pub(super) contract: String,
}

/// Looks through the bytes without running or compiling any of them.
pub(super) fn survey(bytes: &[u8]) -> Result<Survey> {
    ensure!(
        bytes.starts_with(b"\0asm"),
        "this is no WebAssembly component: it does not begin as one; make one with `safety-brain plugin build`"
    );
    let (mut depth, mut functions) = (0usize, 0u32);
    let (mut imports, mut exports) = (Vec::new(), Vec::new());
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
            Payload::ComponentExportSection(section) if depth == 0 => {
                for export in section {
                    exports.push(export?.name.name.to_owned());
                }
            }
            _ => {}
        }
    }
    ensure!(functions <= FUNCTIONS_MAX, "{functions} functions, at most {FUNCTIONS_MAX}");
    let contract = contract(&exports)?;
    if let Some(newer) = imports.iter().find(|name| is_newer(name)) {
        bail!(
            "it was built for {contract} and imports `{newer}`, which this safety-brain {}, speaking {CONTRACT}, does not have: it is too new; \
             install a newer safety-brain, or build it without that against the WIT that `safety-brain docs wit` prints",
            env!("CARGO_PKG_VERSION")
        );
    }
    let foreign: Vec<String> = imports.iter().filter(|name| interface(name).is_none()).map(|name| format!("`{name}`")).collect();
    ensure!(
        foreign.is_empty(),
        "it imports {}; a rule may import only {} of safety-brain:rule@1.x. Build for wasm32-unknown-unknown \
         and remove what asks the system for clocks, files, sockets or random numbers",
        foreign.join(", "),
        CALLABLE.iter().chain(&TYPES).copied().collect::<Vec<_>>().join(", ")
    );
    Ok(Survey { imports, contract })
}

/// The contract that a component with these exports was built for, where this program speaks it.
fn contract(exports: &[String]) -> Result<String> {
    let versions = exports.iter().filter_map(|name| name.strip_prefix(EXPORT)?.strip_prefix('@'));
    let Some(version) = versions.max_by_key(|version| version.starts_with("1.")) else {
        bail!(
            "it exports no {EXPORT}, so it is no rule of {CONTRACT}; build it against the WIT that `safety-brain docs wit` prints; \
             in Rust with the SDK: `export!(YourRule);`"
        );
    };
    let (contract, major) = (format!("safety-brain:rule@{version}"), version.split('.').next().unwrap_or_default());
    ensure!(
        major == "1",
        "it was built for {contract}, and this safety-brain {} speaks {CONTRACT}: {}",
        env!("CARGO_PKG_VERSION"),
        match major.parse::<u64>() {
            Ok(0) => "it is too old; build it again against the WIT that `safety-brain docs wit` prints",
            _ => "it is too new; install a newer safety-brain, or build it against the WIT that `safety-brain docs wit` prints",
        }
    );
    Ok(contract)
}

/// Name of the interface that an import means, where a rule may have it.
fn interface(import: &str) -> Option<&str> {
    let (interface, version) = import.strip_prefix("safety-brain:rule/")?.split_once('@')?;
    (CALLABLE.iter().chain(&TYPES).any(|known| *known == interface) && version.starts_with("1.")).then_some(interface)
}

/// It belongs to a version of the contract behind the one that this program speaks.
fn is_newer(import: &str) -> bool {
    let version = |name: &str| semver::Version::parse(name.split_once('@')?.1).ok();
    let is_ours = import.starts_with("safety-brain:rule/") && interface(import).is_none();
    is_ours && version(import).zip(version(CONTRACT)).is_some_and(|(import, spoken)| import > spoken)
}

/// Links against exactly what a rule may call: a changed type or a missing export is found here, not in the middle of a call.
fn link(engine: &Engine, component: &wasmtime::component::Component, contract: &str) -> Result<RiskRulePre<Guest>> {
    let mut linker = Linker::<Guest>::new(&engine.wasm);
    let linked = log::add_to_linker::<Guest, HasSelf<Guest>>(&mut linker, |guest| guest)
        .and_then(|()| history::add_to_linker::<Guest, HasSelf<Guest>>(&mut linker, |guest| guest));
    linked.map_err(|e| anyhow!("the host's own functions do not link: {e:#}"))?;
    linker.instantiate_pre(component).and_then(RiskRulePre::new).map_err(|e| {
        anyhow!(
            "it says that it was built for {contract} and does not fit {CONTRACT}, which this safety-brain {} speaks; \
             build it against the WIT that `safety-brain docs wit` prints: {e:#}",
            env!("CARGO_PKG_VERSION")
        )
    })
}

/// Claims that an interpreter may not make.
fn interpreter_errors(bytes: usize, d: &describing::Description) -> Vec<String> {
    let above = d.hazards.iter().filter(|hazard| bytes > INTERPRETER_BYTES && hazard.worst > 2);
    let told = |hazard: &describing::Hazard| {
        let (id, mib) = (&hazard.id, INTERPRETER_BYTES >> 20);
        format!(
            "hazard `{id}`: worst is above yellow; a component of more than {mib} MiB carries an interpreter, which may only advise"
        )
    };
    above.map(told).collect()
}

/// `sha256:<hex>`.
pub(super) fn digest_of(bytes: &[u8]) -> String {
    let hex: String = Sha256::digest(bytes).iter().map(|b| format!("{b:02x}")).collect();
    format!("sha256:{hex}")
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn an_interpreter_may_only_advise() {
        let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../plugins/gas-detector");
        let component = crate::rules::build::component(&folder).unwrap();
        let engine = Engine::start(crate::rules::Compiler::Here).unwrap();
        let description = Package::from_bytes(&engine, &component, None).unwrap().description;
        assert_eq!(interpreter_errors(INTERPRETER_BYTES, &description), [""; 0]);
        let errors = interpreter_errors(INTERPRETER_BYTES + 1, &description);
        let above = description.hazards.iter().filter(|h| h.worst > 2).count();
        assert!(above > 0 && errors.len() == above && errors[0].contains("`gas.lel`"), "{errors:?}");
    }

    #[test]
    fn only_the_contract_may_be_imported() {
        for good in ["safety-brain:rule/log@1.0.0", "safety-brain:rule/types@1.3.0"] {
            assert!(interface(good).is_some(), "{good}");
        }
        for bad in [
            "wasi:clocks/monotonic-clock@0.2.0",
            "safety-brain:rule/log@2.0.0",
            "safety-brain:rule/log",
            "safety-brain:rule/files@1.0.0",
            "safety-brain:ruler/log@1.0.0",
        ] {
            assert!(interface(bad).is_none(), "{bad}");
        }
    }

    #[test]
    fn a_core_module_and_rubbish_are_refused_with_a_reason() {
        let refused = |bytes: &[u8]| survey(bytes).err().unwrap();
        let error = refused(b"\0asm\x01\0\0\0");
        assert!(error.to_string().contains("core module"), "{error}");
        let error = refused(b"hello, world");
        assert!(format!("{error:#}").contains("no WebAssembly component"));
    }

    #[test]
    fn a_rule_that_is_too_new_or_too_old_is_told_both_versions() {
        let exports = |names: &[&str]| contract(&names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>());
        assert_eq!(exports(&["safety-brain:rule/rule@1.4.0"]).unwrap(), "safety-brain:rule@1.4.0");
        assert_eq!(exports(&["safety-brain:rule/rule@2.0.0", "safety-brain:rule/rule@1.0.0"]).unwrap(), CONTRACT);
        for (export, parts) in [
            ("safety-brain:rule/rule@2.0.0", ["built for safety-brain:rule@2.0.0", "too new; install a newer"]),
            ("safety-brain:rule/rule@0.9.0", ["built for safety-brain:rule@0.9.0", "too old; build it again"]),
            ("safety-brain:rule/explain@1.0.0", ["exports no safety-brain:rule/rule", "safety-brain docs wit"]),
        ] {
            let why = exports(&[export]).unwrap_err().to_string();
            assert!(parts.iter().all(|part| why.contains(part)) && why.contains(CONTRACT), "{why}");
        }
    }

    /// The museum's piece with another version in all its names, and in `history`'s place another interface of the same shape.
    fn of_version(version: &str, history: &str) -> Vec<u8> {
        let piece = concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/museum/1.0.0/every-part/every-part-1.0.0.sbrule");
        let signed = std::fs::read(piece).unwrap();
        let mut bytes = crate::rules::bundle::Bundle::read(&signed).unwrap().component.to_vec();
        for (from, to) in [("@1.0.0", format!("@{version}")), ("rule/history@", format!("rule/{history}@"))] {
            assert_eq!(from.len(), to.len(), "lengths stand before the names");
            let at: Vec<usize> = (0..bytes.len() - from.len()).filter(|at| bytes[*at..].starts_with(from.as_bytes())).collect();
            assert!(!at.is_empty(), "{from}");
            at.into_iter().for_each(|at| bytes[at..at + to.len()].copy_from_slice(to.as_bytes()));
        }
        bytes
    }

    #[test]
    fn components_of_other_versions_are_taken_or_told_both_versions() {
        let engine = Engine::start(crate::rules::Compiler::Here).unwrap();
        let open = |version, history| Package::from_bytes(&engine, &of_version(version, history), None).map(|one| one.contract);
        assert_eq!(open("1.4.0", "history").unwrap(), "safety-brain:rule@1.4.0", "the control: it calls nothing new");
        for (version, history, parts) in [
            ("0.9.0", "history", ["built for safety-brain:rule@0.9.0", "too old; build it again"]),
            ("2.0.0", "history", ["built for safety-brain:rule@2.0.0", "too new; install a newer safety-brain"]),
            (
                "1.4.0",
                "explain",
                ["built for safety-brain:rule@1.4.0 and imports `safety-brain:rule/explain@1.4.0`", "too new; install a newer"],
            ),
        ] {
            let why = format!("{:#}", open(version, history).err().unwrap());
            assert!(parts.iter().all(|part| why.contains(part)) && why.contains(CONTRACT), "{version}: {why}");
            assert!(!why.contains("clocks"), "{version}: {why}");
        }
    }
}
