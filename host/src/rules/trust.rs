//! Which file of a stranger is opened for a rule: the bundle that its publisher signed or, in development, a bare component. Nothing of it runs here.
//! Must not know: what a component says of itself once it runs, the rest of the site.

use super::bundle::{self, BUNDLE_BYTES_MAX, Bundle, Manifest};
use super::fit::fault;
use super::package::{INTERPRETER_BYTES, Package};
use crate::config::types::{Config, Publisher, Rule};
use crate::config::{Fault, nearest};
use crate::hang::within;
use anyhow::{Context, Result, ensure};
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

/// What was found, what is allowed: a fault without its place, because several rules may share it.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Refused {
    /// Key of the rule's table.
    pub(super) key: &'static str,
    pub(super) found: String,
    pub(super) allowed: String,
    pub(super) nearest: Option<String>,
}

impl Refused {
    pub(super) fn new(key: &'static str, found: impl Into<String>, allowed: impl Into<String>) -> Refused {
        Refused { key, found: found.into(), allowed: allowed.into(), nearest: None }
    }

    /// At its place.
    pub(super) fn of(self, rule: &Rule) -> Fault {
        Fault { nearest: self.nearest, ..fault(rule, self.key, self.found, self.allowed) }
    }
}

/// A component that may be compiled.
#[derive(Debug)]
pub(super) struct Trusted {
    pub(super) path: PathBuf,
    pub(super) component: Vec<u8>,
    /// What its publisher signed; none = nobody vouches for it.
    pub(super) manifest: Option<Manifest>,
}

/// Why what a rule names is not opened.
#[derive(Clone, Debug)]
pub(super) enum Unopened {
    Refused(Vec<Refused>),
    /// The disk that it lies on does not answer; for people.
    Hangs(String),
}

impl From<Vec<Refused>> for Unopened {
    fn from(refused: Vec<Refused>) -> Unopened {
        Unopened::Refused(refused)
    }
}

/// Opens what a rule names, or says everything that speaks against it.
pub(super) fn open(config: &Config, rule: &Rule) -> Result<Trusted, Unopened> {
    let publisher = publisher(config, rule)?;
    let name = match publisher {
        Some(_) => bundle::file_name(&rule.plugin, &rule.version),
        None => Package::file_name(&rule.plugin, &rule.version),
    };
    let path = config.plugins_dir.join(name);
    let of = path.clone();
    let found = within(&format!("reading {}", path.display()), move || of.is_file().then(|| read(&of)));
    let bytes = match found {
        Err(hangs) => return Err(Unopened::Hangs(format!("{hangs:#}"))),
        Ok(None) => return Err(vec![missing(config, rule, &path)].into()),
        Ok(Some(bytes)) => bytes.map_err(|e| vec![Refused::new("plugin", format!("{e:#}"), "a rule component")])?,
    };
    Ok(judge(config, rule, path, bytes)?)
}

/// The same for a file that was read already.
pub(super) fn judge(config: &Config, rule: &Rule, path: PathBuf, bytes: Vec<u8>) -> Result<Trusted, Vec<Refused>> {
    let Some(publisher) = publisher(config, rule)? else {
        if let Some(refused) = unwanted(rule, &path, bytes.len()) {
            return Err(vec![refused]);
        }
        return Ok(Trusted { path, component: bytes, manifest: None });
    };
    let bundle = Bundle::read(&bytes)
        .map_err(|e| vec![Refused::new("plugin", format!("{}: {e:#}", path.display()), "a bundle that its publisher signed")])?;
    let mut refusals = refusals(&bundle, publisher, rule, &path);
    refusals.extend(unwanted(rule, &path, bundle.component.len()));
    if !refusals.is_empty() {
        return Err(refusals);
    }
    let (component, manifest) = (bundle.component.to_vec(), Some(bundle.manifest));
    Ok(Trusted { path, component, manifest })
}

/// A component with an interpreter, where the site did not say that it takes one: that is known before any of it is compiled.
fn unwanted(rule: &Rule, path: &Path, bytes: usize) -> Option<Refused> {
    let found = || {
        let (path, mib) = (path.display(), INTERPRETER_BYTES >> 20);
        format!("nothing, and the component of {path} has {bytes} bytes: one of more than {mib} MiB carries an interpreter")
    };
    let allowed = "`interpreted = true` in this rule, where the site takes an interpreter: slower, larger, and for advice alone";
    (bytes > INTERPRETER_BYTES && !rule.interpreted).then(|| Refused::new("interpreted", found(), allowed))
}

/// Who must have signed, where somebody must.
fn publisher<'c>(config: &'c Config, rule: &Rule) -> Result<Option<&'c Publisher>, Vec<Refused>> {
    let publisher = config.publisher_of(rule);
    if publisher.is_none() && !config.allow_unsigned {
        let allowed = format!(
            "publisher = the name of the [[publisher]] who signed {}; or, for development alone, `allow_unsigned = true` in [plugins] or --allow-unsigned",
            bundle::file_name(&rule.plugin, &rule.version)
        );
        return Err(vec![Refused::new("publisher", "nothing: nobody vouches for this rule", allowed)]);
    }
    Ok(publisher)
}

/// All that its publisher and the site have against a bundle.
fn refusals(bundle: &Bundle, publisher: &Publisher, rule: &Rule, path: &Path) -> Vec<Refused> {
    let (m, whose, path) = (&bundle.manifest, &publisher.name, path.display());
    if let Err(why) = bundle.verify(&publisher.key) {
        let allowed = format!("a bundle with the signature of [[publisher]] {whose:?}");
        // Nothing else that it says can be believed.
        return vec![Refused::new("publisher", format!("{path}: {why:#}"), allowed)];
    }
    let mut refusals = Vec::new();
    if (&m.id, &m.version) != (&rule.plugin, &rule.version) {
        let found = format!("{path} holds `{}@{}`", m.id, m.version);
        refusals.push(Refused::new("plugin", found, format!("`{}@{}`", rule.plugin, rule.version)));
    }
    let called = format!("{}@{}", m.id, m.version);
    if let Some(entry) = publisher.revoked.iter().find(|entry| **entry == called || **entry == m.digest) {
        let found = format!("{path}: `{entry}` is revoked at [[publisher]] {whose:?}");
        refusals.push(Refused::new("plugin", found, "a version that is not revoked"));
    }
    let beyond: Vec<&str> = m.imports.iter().filter(|import| !publisher.imports.contains(import)).map(String::as_str).collect();
    if !beyond.is_empty() {
        let found = format!("{path} asks for {}, which [[publisher]] {whose:?} is not granted", beyond.join(", "));
        refusals.push(Refused::new(
            "plugin",
            found,
            "a rule that does without, or one more word under the publisher's `imports`",
        ));
    }
    refusals
}

/// A bundle or a component, whole.
///
/// # Errors
/// It cannot be read, or has more bytes than any rule.
pub fn read(path: &Path) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    File::open(path)
        .and_then(|file| file.take(BUNDLE_BYTES_MAX + 1).read_to_end(&mut bytes))
        .with_context(|| format!("{} cannot be read", path.display()))?;
    ensure!(bytes.len() as u64 <= BUNDLE_BYTES_MAX, "{}: more than {BUNDLE_BYTES_MAX} bytes: this is no rule", path.display());
    Ok(bytes)
}

fn missing(config: &Config, rule: &Rule, path: &Path) -> Refused {
    let wanted = format!("{}@{}", rule.plugin, rule.version);
    let found = format!("`{wanted}`, but {} does not exist", path.display());
    let ending = path.extension().unwrap_or_default().to_string_lossy().into_owned();
    let there = named_in(&config.plugins_dir, &ending);
    let dir = config.plugins_dir.display();
    let make = match rule.publisher {
        Some(_) => format!("the publisher's bundle, copied into {dir}"),
        None => {
            format!(
                "a plug-in in that folder: `safety-brain plugin build CRATE --out {dir}`, CRATE being the folder of {}'s crate",
                rule.plugin
            )
        }
    };
    let allowed = match there.as_slice() {
        [] => make,
        there => format!("{make}; or one that is there: {}", there.join(", ")),
    };
    Refused { nearest: nearest(&wanted, there.iter().map(String::as_str)), ..Refused::new("plugin", found, allowed) }
}

/// `id@version` of every file in the folder that ends so.
fn named_in(dir: &Path, ending: &str) -> Vec<String> {
    let entries = std::fs::read_dir(dir).into_iter().flatten().flatten();
    let mut names: Vec<String> = entries
        .filter_map(|entry| {
            let name = entry.file_name().into_string().ok()?;
            let stem = name.strip_suffix(ending)?.strip_suffix('.')?;
            // the version is what follows the first `-` before a digit
            let cut = stem.match_indices('-').find(|(i, _)| stem[i + 1..].starts_with(|c: char| c.is_ascii_digit()))?;
            Some(format!("{}@{}", &stem[..cut.0], &stem[cut.0 + 1..]))
        })
        .collect();
    names.sort();
    names
}
