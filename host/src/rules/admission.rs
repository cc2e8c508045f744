//! Admission: which rules of a site file may run. Everything is checked before the first reading; all faults are reported at once.
//! Must not know: threads, what becomes of findings.

use super::bindings::{BoundTag, Lexicon, export, words};
use super::cache::Cache;
use super::codes::Codes;
use super::engine::Engine;
use super::fit::{Fit, fault, fit};
use super::foreign::{beginning, visible};
use super::history::History;
use super::limits;
use super::package::{Package, digest_of};
use super::sandbox::{Caps, Pulse, Sandbox};
use super::strike::Strike;
use super::trust::{self, Refused, Trusted, Unopened};
use super::versions::Versions;
use crate::config::Fault;
use crate::config::types::{Config, Rule};
use brain::reading::{Micros, TagId};
use brain::site::Site;
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, Mutex};

/// Batch time of the dry run: any moment will do.
const DRY_RUN_AT: Micros = 1_767_225_600_000_000;

/// A rule that may run.
#[derive(Clone)]
pub struct Admitted {
    /// As the brain knows it, hazards and words included.
    pub rule: brain::site::Rule,
    pub(super) plan: Arc<Plan>,
}

impl Admitted {
    /// Linear memory that it may have here, KiB.
    pub fn memory_kib(&self) -> usize {
        self.plan.caps.memory_bytes >> 10
    }
}

/// Everything an instance of a rule is made from, again and again.
pub(super) struct Plan {
    pub(super) package: Arc<Package>,
    pub(super) lexicon: Lexicon,
    pub(super) start: export::Start,
    /// Rows kept for `history`, by handle.
    pub(super) keep: Vec<u32>,
    pub(super) codes: Codes,
    /// What it is held to.
    pub(super) caps: Caps,
}

/// Admits all rules of a configuration, in its order. `cache`: where compiled code is kept. `versions`: at which ones they have run.
///
/// # Errors
/// Everything that speaks against any of them.
pub fn admit(engine: &Engine, config: &Config, cache: Option<&Cache>, versions: &Versions) -> Result<Vec<Admitted>, Vec<Fault>> {
    let all = admit_what_can_run(engine, config, cache, versions, false)?;
    let unread = |(rule, why): (&Rule, &String)| fault(rule, "plugin", why.clone(), "a file that can be read");
    let faults: Vec<Fault> =
        config.rules.iter().zip(&all).filter_map(|(rule, one)| Some(unread((rule, one.as_ref().err()?)))).collect();
    if faults.is_empty() { Ok(all.into_iter().flatten().collect()) } else { Err(faults) }
}

/// As [`admit`], for a plant that must be watched: in the place of a rule whose file lies on a disk that does not answer stands why it cannot run.
/// `again`: it was watched before, and whatever speaks against a rule costs that rule alone.
///
/// # Errors
/// Everything that speaks against any of the others; never where it is watched again.
pub fn admit_what_can_run(
    engine: &Engine,
    config: &Config,
    cache: Option<&Cache>,
    versions: &Versions,
    again: bool,
) -> Result<Vec<Result<Admitted, String>>, Vec<Fault>> {
    let mut packages = BTreeMap::new();
    let (mut all, mut faults) = (Vec::new(), Vec::new());
    for rule in &config.rules {
        let key = (&rule.plugin, &rule.version, rule.publisher);
        let opened = packages.entry(key).or_insert_with(|| open(engine, config, rule, cache)).clone();
        let mut against: Vec<Fault> = versions.fault(rule).into_iter().collect();
        let one = match opened {
            Ok(opened) => {
                against.extend(versions.reissued(rule, &opened.package.digest));
                opened.admit(config, rule).map_err(|more| against.extend(more)).ok().map(Ok)
            }
            Err(Unopened::Refused(refused)) => {
                against.extend(refused.into_iter().map(|refused| refused.of(rule)));
                None
            }
            Err(Unopened::Hangs(why)) => Some(Err(why)),
        };
        match one {
            Some(one) if against.is_empty() => all.push(one),
            _ if again => {
                let told = against.iter().map(Fault::to_string).inspect(|fault| tracing::error!("{}", visible(fault)));
                all.push(Err(beginning(&told.collect::<Vec<_>>().join("; "))));
            }
            _ => faults.extend(against),
        }
    }
    if faults.is_empty() { Ok(all) } else { Err(faults) }
}

fn open(engine: &Engine, config: &Config, rule: &Rule, cache: Option<&Cache>) -> Result<Opened, Unopened> {
    Ok(compiled(engine, rule, trust::open(config, rule)?, cache)?)
}

/// Which rules of a site a file is held against.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Held {
    /// Those that name exactly this version, as a start does.
    AsNamed,
    /// Those that name its plug-in at any version, as `plugin install` beside what runs does.
    AsNext,
}

/// Everything that admission would say of this file to each such rule of the site, but that it is a bare component where a publisher is named. `package`:
/// what was read from it. Returns how many take it.
///
/// # Errors
/// Everything that speaks against it.
pub fn would_admit(
    engine: &Engine,
    (config, versions): (&Config, &Versions),
    held: Held,
    (package, path, bytes): (&Arc<Package>, &Path, &[u8]),
) -> Result<usize, Vec<Fault>> {
    let d = &package.description;
    let is_meant = |rule: &&Rule| rule.plugin == d.id && (held == Held::AsNext || rule.version == d.version);
    let rules: Vec<&Rule> = config.rules.iter().filter(is_meant).collect();
    let mut faults = Vec::new();
    for named in &rules {
        let next = || Rule { version: d.version.clone(), digest: None, back_from: None, ..(*named).clone() };
        let rule = if held == Held::AsNext { next() } else { (*named).clone() };
        let went = if held == Held::AsNext { versions.goes_back(&rule) } else { versions.fault(&rule) };
        faults.extend(went.into_iter().chain(versions.reissued(&rule, &package.digest)));
        let trusted = trust::judge(config, &rule, path.to_owned(), bytes.to_vec()).and_then(|trusted| {
            let is_component = digest_of(&trusted.component) == package.digest;
            let found = || format!("{} is a bundle, and this rule takes a bare component", path.display());
            let allowed = "publisher = the name of the [[publisher]] who signed it; or the component, for development";
            if is_component { Ok(()) } else { Err(vec![Refused::new("publisher", found(), allowed)]) }
        });
        // Whoever signed it, what does not fit is told with that. That nobody did is for the caller to say.
        let unsigned = rule.publisher.is_some() && digest_of(bytes) == package.digest;
        faults.extend(trusted.err().filter(|_| !unsigned).into_iter().flatten().map(|refused| refused.of(&rule)));
        match admit_one(config, &rule, package.clone()) {
            Err(more) => faults.extend(more),
            Ok(next) if held == Held::AsNext => {
                // Where the one that is named cannot be opened here, the plant says it at the install.
                let active = open(engine, config, named, None).ok().and_then(|active| active.admit(config, named).ok());
                faults.extend(active.and_then(|active| other_inputs(&rule, &active.rule.inputs, &next)));
            }
            Ok(_) => {}
        }
    }
    if faults.is_empty() { Ok(rules.len()) } else { Err(faults) }
}

/// Rows on their way are numbered by the tags of the one that runs.
pub(super) fn other_inputs(rule: &Rule, rows_of: &[TagId], next: &Admitted) -> Option<Fault> {
    let found = || format!("`{}@{}` takes the tags in another order than the one that runs", rule.plugin, rule.version);
    let allowed = "one with the same inputs in the same order; else name it in the site file and start again";
    (*rows_of != next.rule.inputs).then(|| fault(rule, "inputs", found(), allowed))
}

/// Another file in the place of a rule, whatever version and digest the site file names: for a back-test. All else of its admission is as ever.
///
/// # Errors
/// Everything that speaks against it.
pub fn try_out(
    config: &Config,
    rule: &Rule,
    package: &Arc<Package>,
    (path, bytes): (&Path, &[u8]),
) -> Result<Admitted, Vec<Fault>> {
    let is_bundle = super::bundle::is_one(path, bytes);
    let rule = Rule {
        version: package.description.version.clone(),
        digest: None,
        // What nobody signed is for development alone, whoever signs what runs there.
        publisher: rule.publisher.filter(|_| is_bundle),
        ..rule.clone()
    };
    let refused = |refused: Vec<Refused>| refused.into_iter().map(|refused| refused.of(&rule)).collect::<Vec<_>>();
    trust::judge(config, &rule, path.to_owned(), bytes.to_vec()).map_err(refused)?;
    admit_one(config, &rule, package.clone())
}

/// A file that may be trusted, compiled.
#[derive(Clone)]
pub(super) struct Opened {
    package: Arc<Package>,
    untested: bool,
}

impl Opened {
    /// It in the place of a rule.
    pub(super) fn admit(self, config: &Config, rule: &Rule) -> Result<Admitted, Vec<Fault>> {
        let mut admitted = admit_one(config, rule, self.package)?;
        admitted.rule.untested = self.untested;
        Ok(admitted)
    }
}

pub(super) fn compiled(engine: &Engine, rule: &Rule, trusted: Trusted, cache: Option<&Cache>) -> Result<Opened, Vec<Refused>> {
    let Trusted { path, component, manifest } = trusted;
    let path = path.display();
    let package = Package::from_bytes(engine, &component, cache)
        .map_err(|e| vec![Refused::new("plugin", format!("{path}: {e:#}"), "a rule component")])?;
    let d = &package.description;
    if (&d.id, &d.version) != (&rule.plugin, &rule.version) {
        let found = format!("{path} describes itself as `{}@{}`", d.id, d.version);
        return Err(vec![Refused::new("plugin", found, format!("`{}@{}`", rule.plugin, rule.version))]);
    }
    let untested = manifest.as_ref().is_some_and(|manifest| manifest.untested);
    if untested {
        tracing::warn!(rule = rule.name, "{path}: {}", super::bundle::UNTESTED);
    }
    if let Some(differs) = manifest.and_then(|manifest| manifest.differs(&package)) {
        let allowed = "a bundle that `safety-brain plugin sign` wrote: it signs what the component says";
        return Err(vec![Refused::new("plugin", format!("{path}: {differs}"), allowed)]);
    }
    Ok(Opened { package: Arc::new(package), untested })
}

fn admit_one(config: &Config, rule: &Rule, package: Arc<Package>) -> Result<Admitted, Vec<Fault>> {
    let mut faults = Vec::new();
    if let Some(pinned) = &rule.digest
        && *pinned != package.digest
    {
        let found = format!("{pinned}, but the component is {}", package.digest);
        let allowed = "the component that was reviewed: put it back, or review this one and write its digest";
        faults.push(fault(rule, "digest", found, allowed));
    }
    faults.extend(limits::beyond_site(rule, &package.description));
    match fit(rule, (&config.site, &config.links), &package.description) {
        Err(more) => faults.extend(more),
        Ok(fit) if faults.is_empty() => {
            let admitted = bind(&config.site, rule, package, fit);
            return match dry_run(rule, &admitted.plan) {
                Ok(()) => Ok(admitted),
                Err(faults) => Err(faults),
            };
        }
        Ok(_) => {}
    }
    Err(faults)
}

/// A rule that fits, with its words.
pub(super) fn bind(site: &Site, rule: &Rule, package: Arc<Package>, fit: Fit) -> Admitted {
    let tags = fit.inputs.iter().zip(&fit.start.bindings).map(|(id, binding)| {
        let (tag, input) = (&site.tags[id.0 as usize], &package.description.inputs[binding.input as usize]);
        // Whose words are missing is refused before.
        let codes = input.codes.iter().filter_map(|code| Some((code.value, words(&code.name).ok()?)));
        BoundTag { name: tag.name.clone(), unit: tag.unit.clone(), codes: codes.collect() }
    });
    let held = limits::held(&package.description, &rule.limits);
    let lexicon = package.lexicon(tags.collect(), held.findings as usize);
    let codes = lexicon.tags.iter().map(|tag| tag.codes.iter().map(|(code, _)| *code).collect());
    let codes = Codes::new(codes.collect());
    Admitted {
        rule: brain::site::Rule {
            name: rule.name.clone(),
            plugin: format!("{}@{}", rule.plugin, rule.version),
            digest: package.digest.clone(),
            zone: rule.zone,
            inputs: fit.inputs,
            tick_ms: package.description.wants.tick_ms,
            hazards: lexicon.hazards.clone(),
            // The component does not know; whoever opened its bundle does.
            untested: false,
            bundle: String::new(),
        },
        plan: Arc::new(Plan { package, lexicon, start: fit.start, keep: fit.keep, codes, caps: limits::caps(&held) }),
    }
}

impl Plan {
    /// A fresh instance that has not been told anything yet.
    pub(super) fn sandbox(&self, history: Arc<Mutex<History>>, pulse: Pulse) -> Result<Sandbox, Strike> {
        Sandbox::start(&self.package.pre, self.caps, history, pulse)
    }
}

/// Runs the rule once without readings, and a second time from its own snapshot: what cannot start here cannot start after a strike.
pub(super) fn dry_run(rule: &Rule, plan: &Plan) -> Result<(), Vec<Fault>> {
    let refused = |step: &str, why: String| {
        let found = format!("{step}: {why}");
        vec![fault(rule, "plugin", found, "a plug-in that passes its dry run")]
    };
    let start = export::Start { at: DRY_RUN_AT, ..plan.start.clone() };
    let born = || {
        let history = Arc::new(Mutex::new(History::new(plan.keep.iter().copied())));
        let mut sandbox = plan.sandbox(history, Pulse::default()).map_err(|s| refused("instantiate", s.to_string()))?;
        match sandbox.init(&start).map_err(|s| refused("init", s.to_string()))? {
            Ok(()) => Ok(sandbox),
            Err(own) => Err(own_faults(rule, plan, own)),
        }
    };
    let mut first = born()?;
    let empty = super::bindings::columns(&[]);
    let answer = first.evaluate(DRY_RUN_AT, &empty).map_err(|s| refused("evaluate without rows", s.to_string()))?;
    let last = super::history::LastQuality::new(plan.keep.len());
    plan.lexicon.findings(&answer, &last).map_err(|e| refused("evaluate without rows", e))?;
    let state = first.snapshot().map_err(|s| refused("snapshot", s.to_string()))?;
    let mut second = born()?;
    second.restore(plan.package.description.state_version, &state).map_err(|s| refused("restore", s.to_string()))?;
    let again = second.snapshot().map_err(|s| refused("snapshot", s.to_string()))?;
    if again != state {
        let why = "a restored rule gives another snapshot: it does not keep its whole state";
        return Err(refused("restore", why.into()));
    }
    Ok(())
}

/// How every fault begins that the plug-in itself tells of what it is given.
pub(super) const ITS_OWN: &str = "refused by the plug-in";

/// The plug-in's own faults, at the keys it means.
fn own_faults(rule: &Rule, plan: &Plan, own: Vec<export::Fault>) -> Vec<Fault> {
    let d = &plan.package.description;
    let one = |f: export::Fault| {
        let index = f.index as usize;
        let input = d.inputs.get(index).map(|i| format!("inputs.{}", i.id));
        let param = d.params.get(index).map(|p| format!("params.{}", p.id));
        let key = match f.kind {
            1 => input,
            2 => param,
            _ => None,
        };
        let key = key.unwrap_or_else(|| "plugin".into());
        fault(rule, &key, format!("{ITS_OWN}: {}", beginning(&f.text)), "what it accepts")
    };
    if own.is_empty() {
        let silent = format!("{ITS_OWN}, without saying why");
        return vec![fault(rule, "plugin", silent, "what it accepts")];
    }
    own.into_iter().map(one).collect()
}
