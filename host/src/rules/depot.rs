//! Bundles that people installed while the program runs: admitted for the rule they are meant for, kept in the data directory, at hand for whoever
//! runs them. Owns: `rules/` of a data directory. Must not know: which one runs, who decides that.

use super::admission::{Admitted, compiled, other_inputs};
use super::bundle::{Bundle, EXTENSION};
use super::cache::Cache;
use super::engine::Engine;
use super::package::{Package, digest_of};
use super::trust::{self, Refused, read};
use super::versions::Versions;
use crate::config::Fault;
use crate::config::types::{Config, Rule};
use crate::hang::within;
use anyhow::{Context, Result};
use brain::reading::TagId;
use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Folder inside the data directory.
pub const FOLDER: &str = "rules";
/// How the files in it end: signed, or a bare component in development.
pub const ENDINGS: [&str; 2] = [EXTENSION, "wasm"];
/// Bundles kept at once; what no rule names goes at the next start.
const KEPT_MAX: usize = 64;

/// What may run in the places of a site.
pub struct Depot {
    dir: PathBuf,
    engine: Engine,
    config: Config,
    cache: Option<Cache>,
    versions: Mutex<Versions>,
    /// By name of the rule and digest of the component.
    ready: Mutex<BTreeMap<(String, String), Admitted>>,
}

impl Depot {
    /// Of a data directory. `named`: what the site file names, admitted, in its order.
    pub fn of<'a>(
        data: &Path,
        engine: Engine,
        config: Config,
        (cache, versions): (Option<Cache>, Versions),
        named: impl IntoIterator<Item = &'a Admitted>,
    ) -> Depot {
        let ready = named.into_iter().map(|one| ((one.rule.name.clone(), one.rule.digest.clone()), one.clone())).collect();
        let (versions, ready) = (Mutex::new(versions), Mutex::new(ready));
        Depot { dir: data.join(FOLDER), engine, config, cache, versions, ready }
    }

    /// What runs this component in the place of this rule, if it is at hand.
    pub fn get(&self, rule: &str, digest: &str) -> Option<Admitted> {
        lock(&self.ready).get(&(rule.to_owned(), digest.to_owned())).cloned()
    }

    /// Takes a bundle for a rule through all of admission, and keeps it: on disk when this returns. Returns who signed it (empty: nobody), and what it
    /// would be. Blocks, up to minutes for an interpreter.
    ///
    /// # Errors
    /// Everything that speaks against it, each with its place and its remedy; none where there is no such rule.
    pub fn install(&self, name: &str, bytes: &[u8]) -> Result<(String, brain::site::Rule), Vec<String>> {
        let told = |faults: Vec<Fault>| faults.iter().map(Fault::to_string).collect::<Vec<_>>();
        let rule = self.rule(name)?;
        let (rule, admitted) = self.admit(rule, Path::new("the bundle sent"), bytes).map_err(told)?;
        let versions = lock(&self.versions);
        let taken = versions.goes_back(&rule).or_else(|| versions.reissued(&rule, &admitted.rule.digest));
        drop(versions);
        if let Some(taken) = taken {
            return Err(told(vec![taken]));
        }
        if let Some(other) = self.differs(&rule, &admitted) {
            return Err(told(vec![other]));
        }
        let about = brain::site::Rule { bundle: digest_of(bytes), ..admitted.rule.clone() };
        self.keep(&rule, &about, bytes).map_err(|error| vec![format!("{error:#}")])?;
        lock(&self.ready).insert((name.to_owned(), about.digest.clone()), admitted);
        let publisher = self.config.publisher_of(&rule);
        Ok((publisher.map(|publisher| publisher.name.clone()).unwrap_or_default(), about))
    }

    /// Makes a kept bundle, `about`, ready to run again for a rule, after a start. What is ready already stays so. `inputs`: the tags by which rows reach it.
    ///
    /// # Errors
    /// It is gone, damaged, no longer trusted, or does not fit the site file any more, or these tags.
    pub fn load(&self, name: &str, about: &brain::site::Rule, inputs: &[TagId]) -> Result<(), String> {
        let digest = &about.digest;
        if self.get(name, digest).is_some() {
            return Ok(());
        }
        let rule = self.rule(name).map_err(|why| why.join("; "))?;
        let path = self.file(rule, about);
        let from = path.clone();
        let bytes = within(&format!("reading {}", path.display()), move || read(&from)).flatten();
        let bytes = bytes.map_err(|error| format!("{error:#}"))?;
        let told = |faults: Vec<Fault>| faults.iter().map(Fault::to_string).collect::<Vec<_>>().join("; ");
        let (rule, admitted) = self.admit(rule, &path, &bytes).map_err(told)?;
        if admitted.rule.digest != *digest {
            return Err(format!("{}: it holds the component {}", path.display(), admitted.rule.digest));
        }
        if !about.bundle.is_empty() && digest_of(&bytes) != about.bundle {
            return Err(format!("{}: it is not the file that was installed; install it again", path.display()));
        }
        if let Some(other) = other_inputs(&rule, inputs, &admitted) {
            return Err(other.to_string());
        }
        lock(&self.ready).insert((name.to_owned(), digest.clone()), admitted);
        Ok(())
    }

    /// Remembers that a rule runs at this version: nothing older is installed any more, and no other component under it.
    pub fn ran(&self, name: &str, plugin: &str, digest: &str) {
        let Some(of) = plugin.split_once('@') else { return };
        let is_signed = self.rule(name).is_ok_and(|rule| rule.publisher.is_some());
        if let Err(error) = lock(&self.versions).promoted(name, of, is_signed.then_some(digest)) {
            tracing::warn!("{error:#}");
        }
    }

    /// Removes the files of all that are not among these.
    pub fn sweep<'a>(&self, keep: impl IntoIterator<Item = &'a brain::site::Rule>) {
        let (dir, keep) = (self.dir.clone(), keep.into_iter().map(|about| kept_as(about).to_owned()).collect::<BTreeSet<_>>());
        let sweep = move || {
            for path in files(&dir) {
                let stem = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
                if !keep.contains(&stem)
                    && let Err(error) = fs::remove_file(&path)
                {
                    tracing::warn!("{} cannot be removed: {error}", path.display());
                }
            }
        };
        if let Err(error) = within(&format!("clearing up {}", self.dir.display()), sweep) {
            tracing::warn!("{error:#}");
        }
    }

    fn rule(&self, name: &str) -> Result<&Rule, Vec<String>> {
        self.config.rules.iter().find(|rule| rule.name == name).ok_or_else(|| {
            let known: Vec<&str> = self.config.rules.iter().map(|rule| rule.name.as_str()).collect();
            vec![format!("the site file has no [[rule]] {name:?}; it has: {}", known.join(", "))]
        })
    }

    /// The rule of the site file with this component in its place.
    fn admit(&self, rule: &Rule, path: &Path, bytes: &[u8]) -> Result<(Rule, Admitted), Vec<Fault>> {
        let mut rule = Rule { digest: None, back_from: None, ..rule.clone() };
        // The version is its own; whether it may be believed is judged next.
        let own = match rule.publisher {
            None => Package::from_bytes(&self.engine, bytes, self.cache.as_ref())
                .map(|package| (package.description.id.clone(), package.description.version.clone())),
            Some(_) => Bundle::read(bytes).map(|bundle| (bundle.manifest.id, bundle.manifest.version)),
        };
        let is_foreign = own.as_ref().is_ok_and(|(id, _)| *id != rule.plugin);
        if let Ok((_, version)) = own {
            rule.version = version;
        }
        // Of another rule no version would do: the id is what is wrong.
        let named = format!("`{}@{}`", rule.plugin, rule.version);
        let told = |mut one: Refused| {
            if is_foreign && one.allowed == named {
                one.allowed = format!("a version of `{}`: that is the plug-in of this rule", rule.plugin);
            }
            one.of(&rule)
        };
        let opened = trust::judge(&self.config, &rule, path.to_owned(), bytes.to_vec())
            .and_then(|trusted| compiled(&self.engine, &rule, trusted, self.cache.as_ref()))
            .map_err(|why| why.into_iter().map(told).collect::<Vec<_>>())?;
        let admitted = opened.admit(&self.config, &rule)?;
        Ok((rule, admitted))
    }

    fn differs(&self, rule: &Rule, admitted: &Admitted) -> Option<Fault> {
        let ready = lock(&self.ready);
        let runs = ready.iter().find(|((name, _), _)| *name == rule.name).map(|(_, one)| one)?;
        other_inputs(rule, &runs.rule.inputs, admitted)
    }

    /// Named by what is in it: nothing that is installed later, for this rule or another one, touches it.
    fn file(&self, rule: &Rule, about: &brain::site::Rule) -> PathBuf {
        let [signed, bare] = ENDINGS;
        let ending = if rule.publisher.is_some() { signed } else { bare };
        self.dir.join(kept_as(about)).with_extension(ending)
    }

    /// Whole or not at all.
    fn keep(&self, rule: &Rule, about: &brain::site::Rule, bytes: &[u8]) -> Result<()> {
        let path = self.file(rule, about);
        let (part, place) = (path.with_extension("part"), || format!("{} cannot be written", path.display()));
        fs::create_dir_all(&self.dir).with_context(place)?;
        anyhow::ensure!(
            path.exists() || files(&self.dir).len() < KEPT_MAX,
            "{} holds {KEPT_MAX} bundles: what no rule names goes at the next start of the program; or remove what is not needed",
            self.dir.display()
        );
        File::create(&part)
            .and_then(|mut file| file.write_all(bytes).and_then(|()| file.sync_all()))
            .and_then(|()| fs::rename(&part, &path))
            .and_then(|()| File::open(&self.dir)?.sync_all())
            .with_context(place)
    }
}

/// Name of its file, without the ending.
fn kept_as(about: &brain::site::Rule) -> &str {
    let whole = if about.bundle.is_empty() { &about.digest } else { &about.bundle };
    whole.trim_start_matches("sha256:")
}

fn files(dir: &Path) -> Vec<PathBuf> {
    fs::read_dir(dir).into_iter().flatten().flatten().map(|entry| entry.path()).collect()
}

/// What it guards is whole at every moment.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
