//! The highest version at which each rule of the site has run, and which component that was: an old fault must not come back unseen with an old file,
//! nor another component under a version that has run.
//! Owns: `rule-versions.json` of a data directory. Must not know: what a version changes.

use crate::config::Fault;
use crate::config::types::Rule;
use crate::hang;
use anyhow::{Context, Result};
use semver::Version;
use serde::{Deserialize, Serialize};
use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::fs::File;
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};

/// Its name in a data directory.
pub const FILE: &str = "rule-versions.json";

/// By name of the rule and plug-in: whoever comes back to a plug-in finds what ran of it.
#[derive(Debug, Default)]
pub struct Versions {
    path: PathBuf,
    /// See [`key`].
    seen: BTreeMap<String, Seen>,
    lost: Option<String>,
    /// The file is there and holds what is in `seen`.
    kept: bool,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Seen {
    plugin: String,
    version: String,
    /// `sha256:<hex>` of the component; none = nobody signed it, or a program wrote this that did not keep it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    digest: Option<String>,
    /// A later one that people promoted while the site file named `version`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    promoted: Option<String>,
    /// As `digest`, of `promoted`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    promoted_digest: Option<String>,
}

impl Seen {
    fn highest(&self) -> &String {
        self.promoted.as_ref().unwrap_or(&self.version)
    }

    /// The component that ran under this version, if it is known.
    fn under(&self, version: &str) -> Option<&String> {
        let known = [(Some(&self.version), &self.digest), (self.promoted.as_ref(), &self.promoted_digest)];
        known.into_iter().find(|(ran, _)| ran.is_some_and(|ran| same(ran, version))).and_then(|(_, digest)| digest.as_ref())
    }
}

impl Versions {
    /// What a data directory remembers. A file that cannot be read, or is gone though the plant has been watched before (`missed`), is begun anew, and [`Versions::lost`] says so: a plant that is
    /// not watched is worse than a version that comes back.
    pub fn of(data: &Path, missed: bool) -> Versions {
        let path = data.join(FILE);
        let from = path.clone();
        let read = move || match std::fs::read(from) {
            Err(error) if error.kind() == ErrorKind::NotFound && !missed => Ok(None),
            read => read.map(Some),
        };
        let read = hang::within(&format!("reading {}", path.display()), read);
        let kept = matches!(read, Ok(Ok(Some(_))));
        let (seen, why) = match read.map(|read| read.map(|bytes| bytes.map_or(Ok(BTreeMap::new()), |bytes| remembered(&bytes)))) {
            Ok(Ok(Ok(seen))) => (seen, None),
            Ok(Ok(Err(error))) => (BTreeMap::new(), Some(error.to_string())),
            Ok(Err(error)) => (BTreeMap::new(), Some(error.to_string())),
            Err(error) => (BTreeMap::new(), Some(format!("{error:#}"))),
        };
        let lost = why.map(|why| format!("{}: {why}", path.display()));
        if let Some(lost) = &lost {
            tracing::warn!("{lost}; the versions at which rules have run are remembered anew from now on");
        }
        Versions { path, seen, kept: kept && lost.is_none(), lost }
    }

    /// The file, and why what it remembered is lost.
    pub fn lost(&self) -> Option<&str> {
        self.lost.as_deref()
    }

    /// A rule that goes back, unless the site file says that it shall.
    pub(super) fn fault(&self, rule: &Rule) -> Option<Fault> {
        let seen = self.seen.get(&key(&rule.name, &rule.plugin))?;
        // The site file may stay as it is while people promote later ones.
        let highest = if rule.version == seen.version { &seen.version } else { seen.highest() };
        let goes_back = later(highest, &rule.version) && rule.back_from.as_ref() != Some(highest);
        let found = || {
            format!("`{}@{}`, and this rule has run at {} before ({})", rule.plugin, rule.version, highest, self.path.display())
        };
        let allowed = || format!("{highest} or later; to go back on purpose, `back_from = {highest:?}` in this rule");
        goes_back.then(|| super::fit::fault(rule, "plugin", found(), allowed()))
    }

    /// Another component under a version that has run. What nobody signs is for development, where a version is built again and again.
    pub(super) fn reissued(&self, rule: &Rule, digest: &str) -> Option<Fault> {
        let seen = self.seen.get(&key(&rule.name, &rule.plugin)).filter(|_| rule.publisher.is_some())?;
        let ran = seen.under(&rule.version).filter(|ran| *ran != digest && rule.back_from.as_ref() != Some(&rule.version))?;
        let Rule { plugin, version, .. } = rule;
        let found =
            format!("`{plugin}@{version}` with the component {digest}, and this rule has run at {version} as {ran} before");
        let allowed = format!(
            "that component, or a later version: its publisher raises it for every file; to take this one on purpose, `back_from = {version:?}` in this rule"
        );
        Some(super::fit::fault(rule, "plugin", found, allowed))
    }

    /// A bundle that is older than what has run in this place: what ran before is gone back to, never installed.
    pub(super) fn goes_back(&self, rule: &Rule) -> Option<Fault> {
        let seen = self.seen.get(&key(&rule.name, &rule.plugin))?;
        let highest = seen.highest();
        let found = format!("`{}@{}`, and this rule has run at {highest} before", rule.plugin, rule.version);
        let allowed = format!("{highest} or later; to go back to the one that ran before, roll back");
        later(highest, &rule.version).then(|| super::fit::fault(rule, "plugin", found, allowed))
    }

    /// Remembers that people promoted this version. `digest`: of a signed one.
    ///
    /// # Errors
    /// The file cannot be written.
    pub(super) fn promoted(&mut self, rule: &str, (plugin, version): (&str, &str), digest: Option<&str>) -> Result<()> {
        let seen = self.seen.get_mut(&key(rule, plugin));
        let Some(seen) = seen.filter(|seen| later(version, seen.highest())) else { return Ok(()) };
        seen.promoted = Some(version.to_owned());
        seen.promoted_digest = digest.map(str::to_owned);
        self.write()
    }

    /// Remembers at which versions these rules run now, each with the digest of its component where that is known; one that went back keeps its
    /// highest.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn remember<'a>(&mut self, rules: impl IntoIterator<Item = (&'a Rule, Option<&'a str>)>) -> Result<()> {
        let before = self.seen.clone();
        for (rule, digest) in rules {
            let (plugin, version) = (rule.plugin.clone(), rule.version.clone());
            let digest = digest.filter(|_| rule.publisher.is_some()).map(str::to_owned);
            let mut now = Seen { plugin, version, digest, promoted: None, promoted_digest: None };
            let key = key(&rule.name, &rule.plugin);
            let known = self.seen.get(&key);
            if let Some(seen) = known {
                now.digest = now.digest.or_else(|| seen.under(&now.version).cloned());
                now.promoted = seen.promoted.clone().filter(|promoted| later(promoted, &now.version));
                now.promoted_digest = seen.promoted_digest.clone().filter(|_| now.promoted.is_some());
            }
            if !known.is_some_and(|seen| later(&seen.version, &now.version)) {
                self.seen.insert(key, now);
            }
        }
        if self.seen == before && self.kept {
            return Ok(());
        }
        self.write()
    }

    fn write(&self) -> Result<()> {
        let part = self.path.with_extension("json.part");
        let text = serde_json::to_vec_pretty(&self.seen)?;
        let to = self.path.clone();
        let write = move || {
            let mut file = File::create(&part)?;
            file.write_all(&text).and_then(|()| file.sync_all())?;
            std::fs::rename(&part, &to)?;
            // Else a cut of power takes the name away, and it would be missed.
            Ok(File::open(to.parent().unwrap_or(Path::new(".")))?.sync_all()?)
        };
        hang::within(&format!("writing {}", self.path.display()), write)
            .flatten()
            .with_context(|| format!("{} cannot be written", self.path.display()))
    }
}

/// Neither name has a `/`.
fn key(rule: &str, plugin: &str) -> String {
    format!("{rule}/{plugin}")
}

/// What a file says. An earlier program kept one plug-in for each rule, by the rule's name alone.
fn remembered(bytes: &[u8]) -> serde_json::Result<BTreeMap<String, Seen>> {
    let all: BTreeMap<String, Seen> = serde_json::from_slice(bytes)?;
    let mut keyed: BTreeMap<String, Seen> = BTreeMap::new();
    for (name, seen) in all {
        let key = if name.contains('/') { name } else { key(&name, &seen.plugin) };
        // Where both have written, the later one counts.
        if keyed.get(&key).is_none_or(|known| later(seen.highest(), known.highest())) {
            keyed.insert(key, seen);
        }
    }
    Ok(keyed)
}

fn later(one: &str, other: &str) -> bool {
    compared(one, other) == Some(Ordering::Greater)
}

/// What stands behind `+` makes no other version.
fn same(one: &str, other: &str) -> bool {
    compared(one, other) == Some(Ordering::Equal)
}

/// A version that is none never runs: it is refused with the component that bears it.
fn compared(one: &str, other: &str) -> Option<Ordering> {
    let parsed = Version::parse(one).ok().zip(Version::parse(other).ok());
    parsed.map(|(one, other)| one.cmp_precedence(&other))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::config::types::Origin;

    fn rule(version: &str, back_from: Option<&str>) -> Rule {
        Rule {
            name: "mixing".into(),
            plugin: "room".into(),
            version: version.into(),
            publisher: None,
            digest: None,
            back_from: back_from.map(str::to_owned),
            interpreted: false,
            zone: 0,
            inputs: BTreeMap::new(),
            params: BTreeMap::new(),
            limits: crate::config::types::Limits::USUAL,
            origin: Origin { file: "site.toml".into(), line: 7 },
            lines: BTreeMap::new(),
        }
    }

    #[test]
    fn a_rule_goes_forward_and_back_only_where_the_site_file_says_from_what() {
        let data = tempfile::tempdir().unwrap();
        let runs = |version: &str, back_from: Option<&str>| {
            let mut versions = Versions::of(data.path(), false);
            match versions.fault(&rule(version, back_from)) {
                Some(fault) => Err(fault.to_string()),
                None => versions.remember([(&rule(version, back_from), None)]).map_err(|e| e.to_string()),
            }
        };
        runs("1.9.0", None).unwrap();
        runs("1.10.0-rc.1", None).unwrap();
        runs("1.10.0", None).unwrap();
        runs("1.10.0+again", None).unwrap();
        let why = runs("1.9.0", None).unwrap_err();
        assert!(why.starts_with("site.toml:7: rule.mixing.plugin: found `room@1.9.0`"), "{why}");
        assert!(why.contains("has run at 1.10.0+again before") && why.contains("`back_from = \"1.10.0+again\"`"), "{why}");
        assert!(runs("1.9.0", Some("1.9.5")).is_err(), "another version was given up");
        runs("1.9.0", Some("1.10.0+again")).unwrap();
        assert!(runs("1.9.0", None).is_err(), "it is still remembered");
        runs("2.0.0", None).unwrap();
        assert!(runs("1.9.0", Some("1.10.0+again")).is_err(), "a line of then does not count for now");
    }

    #[test]
    fn what_people_promoted_is_remembered_beside_what_the_site_file_says() {
        let data = tempfile::tempdir().unwrap();
        let mut versions = Versions::of(data.path(), false);
        versions.remember([(&rule("1.0.0", None), None)]).unwrap();
        versions.promoted("mixing", ("room", "1.2.0"), None).unwrap();
        versions.promoted("mixing", ("room", "1.1.0"), None).unwrap();
        let mut versions = Versions::of(data.path(), false);
        assert_eq!(versions.fault(&rule("1.0.0", None)), None, "the site file is as it was");
        versions.remember([(&rule("1.0.0", None), None)]).unwrap();
        assert!(versions.goes_back(&rule("1.1.0", None)).is_some_and(|why| why.to_string().contains("1.2.0")));
        assert_eq!(versions.goes_back(&rule("1.2.0", None)), None);
        assert!(versions.fault(&rule("1.1.0", None)).is_some(), "a changed site file is held against it");
        assert_eq!(versions.fault(&rule("1.1.0", Some("1.2.0"))), None);
        versions.remember([(&rule("1.3.0", None), None)]).unwrap();
        assert!(versions.goes_back(&rule("1.2.5", None)).is_some_and(|why| why.to_string().contains("1.3.0")));
    }

    #[test]
    fn a_version_that_has_run_is_one_component() {
        let data = tempfile::tempdir().unwrap();
        let signed = |version: &str| Rule { publisher: Some(0), ..rule(version, None) };
        let remember = |rule: &Rule, digest| Versions::of(data.path(), false).remember([(rule, Some(digest))]).unwrap();
        let refused =
            |rule: &Rule, digest: &str| Versions::of(data.path(), false).reissued(rule, digest).map(|why| why.to_string());
        remember(&signed("1.0.0"), "sha256:a");
        assert_eq!(refused(&signed("1.0.0"), "sha256:a"), None);
        let why = refused(&signed("1.0.0"), "sha256:b").unwrap();
        let parts = ["site.toml:7: rule.mixing.plugin", "component sha256:b", "run at 1.0.0 as sha256:a", "a later version"];
        assert!(parts.iter().all(|part| why.contains(part)), "{why}");
        assert!(refused(&signed("1.0.0+again"), "sha256:b").is_some(), "what stands behind `+` makes no other version");
        assert_eq!(refused(&signed("1.0.1"), "sha256:b"), None);
        assert_eq!(refused(&Rule { back_from: Some("1.0.0".into()), ..signed("1.0.0") }, "sha256:b"), None, "on purpose");
        assert_eq!(refused(&rule("1.0.0", None), "sha256:b"), None, "nobody signs in development");
        // That nobody signed it for a while makes nobody forget; nor that the site file follows what people promoted.
        remember(&rule("1.0.0", None), "sha256:c");
        assert!(refused(&signed("1.0.0"), "sha256:b").is_some());
        Versions::of(data.path(), false).promoted("mixing", ("room", "1.1.0"), Some("sha256:d")).unwrap();
        assert!(refused(&signed("1.1.0"), "sha256:e").is_some() && refused(&signed("1.0.0"), "sha256:b").is_some());
        Versions::of(data.path(), false).remember([(&signed("1.1.0"), None)]).unwrap();
        assert!(refused(&signed("1.1.0"), "sha256:e").is_some() && refused(&signed("1.1.0"), "sha256:d").is_none());
    }

    #[test]
    fn a_file_of_an_earlier_program_is_read() {
        let data = tempfile::tempdir().unwrap();
        let text = r#"{"mixing": {"plugin": "room", "version": "1.0.0", "promoted": "1.2.0"}}"#;
        std::fs::write(data.path().join(FILE), text).unwrap();
        let signed = Rule { publisher: Some(0), ..rule("1.2.0", None) };
        assert_eq!(Versions::of(data.path(), false).reissued(&signed, "sha256:a"), None, "it did not keep which component ran");
        assert!(Versions::of(data.path(), false).goes_back(&rule("1.1.0", None)).is_some());
        // It ran again, beside what this one wrote.
        for (own, its) in [("1.3.0", "1.0.0"), ("1.0.0", "1.3.0")] {
            let seen = |version: &str| format!(r#"{{"plugin": "room", "version": "{version}"}}"#);
            let text = format!(r#"{{"mixing": {}, "mixing/room": {}}}"#, seen(its), seen(own));
            std::fs::write(data.path().join(FILE), text).unwrap();
            assert!(Versions::of(data.path(), false).goes_back(&rule("1.2.0", None)).is_some());
        }
    }

    #[test]
    fn another_plug_in_begins_anew_and_the_first_is_not_forgotten_and_a_damaged_file_is_begun_anew() {
        let data = tempfile::tempdir().unwrap();
        Versions::of(data.path(), false).remember([(&rule("2.0.0", None), None)]).unwrap();
        let other = Rule { plugin: "hall".into(), ..rule("1.0.0", None) };
        assert_eq!(Versions::of(data.path(), false).fault(&other), None);
        Versions::of(data.path(), false).remember([(&other, None)]).unwrap();
        assert!(Versions::of(data.path(), false).fault(&rule("1.0.0", None)).is_some(), "it has run at 2.0.0");
        assert_eq!(Versions::of(data.path(), false).lost(), None);
        std::fs::write(data.path().join(FILE), "{").unwrap();
        let mut versions = Versions::of(data.path(), false);
        assert!(
            versions.lost().is_some_and(|lost| lost.contains(FILE) && lost.contains("line 1 column 1")),
            "{:?}",
            versions.lost()
        );
        assert_eq!(versions.fault(&rule("1.0.0", None)), None, "a plant is not kept from starting");
        versions.remember([(&rule("1.0.0", None), None)]).unwrap();
        let versions = Versions::of(data.path(), false);
        assert!(versions.fault(&rule("0.9.0", None)).is_some() && versions.lost().is_none(), "and remembers again");
    }
}
