//! The highest version at which each rule of the site has run: an old fault must not come back unseen with an old file.
//! Owns: `rule-versions.json` of a data directory. Must not know: what a version changes.

use crate::config::Fault;
use crate::config::types::Rule;
use anyhow::{Context, Result};
use semver::Version;
use serde::{Deserialize, Serialize};
use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::fs::File;
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};

const FILE: &str = "rule-versions.json";

/// By name of the rule.
#[derive(Debug, Default)]
pub struct Versions {
    path: PathBuf,
    seen: BTreeMap<String, Seen>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Seen {
    plugin: String,
    version: String,
}

impl Versions {
    /// What a data directory remembers; nothing where it does not exist yet.
    ///
    /// # Errors
    /// The file cannot be read or is damaged.
    pub fn of(data: &Path) -> Result<Versions> {
        let path = data.join(FILE);
        let remedy = || {
            format!(
                "{}: the versions at which rules have run cannot be read; restore it from the backup, or remove it to begin anew with the versions of the site file",
                path.display()
            )
        };
        let seen = match std::fs::read(&path) {
            Ok(bytes) => serde_json::from_slice(&bytes).with_context(remedy)?,
            Err(error) if error.kind() == ErrorKind::NotFound => BTreeMap::new(),
            Err(error) => return Err(error).with_context(remedy),
        };
        Ok(Versions { path, seen })
    }

    /// A rule that goes back, unless the site file says that it shall.
    pub(super) fn fault(&self, rule: &Rule) -> Option<Fault> {
        let seen = self.seen.get(&rule.name).filter(|seen| seen.plugin == rule.plugin)?;
        let goes_back = later(&seen.version, &rule.version) && rule.back_from.as_ref() != Some(&seen.version);
        let found = || {
            format!(
                "`{}@{}`, and this rule has run at {} before ({})",
                rule.plugin,
                rule.version,
                seen.version,
                self.path.display()
            )
        };
        let allowed =
            || format!("{} or later; to go back on purpose, `back_from = {:?}` in this rule", seen.version, seen.version);
        goes_back.then(|| super::fit::fault(rule, "plugin", found(), allowed()))
    }

    /// Remembers at which versions these rules run now; one that went back keeps its highest.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn remember(&mut self, rules: &[Rule]) -> Result<()> {
        let before = self.seen.clone();
        for rule in rules {
            let now = Seen { plugin: rule.plugin.clone(), version: rule.version.clone() };
            let kept =
                self.seen.get(&rule.name).is_some_and(|seen| seen.plugin == now.plugin && later(&seen.version, &now.version));
            if !kept {
                self.seen.insert(rule.name.clone(), now);
            }
        }
        if self.seen == before {
            return Ok(());
        }
        let part = self.path.with_extension("json.part");
        let text = serde_json::to_vec_pretty(&self.seen)?;
        File::create(&part)
            .and_then(|mut file| file.write_all(&text).and_then(|()| file.sync_all()))
            .and_then(|()| std::fs::rename(&part, &self.path))
            .with_context(|| format!("{} cannot be written", self.path.display()))
    }
}

/// A version that is none never runs: it is refused with the component that bears it.
fn later(one: &str, other: &str) -> bool {
    let parsed = Version::parse(one).ok().zip(Version::parse(other).ok());
    parsed.is_some_and(|(one, other)| one.cmp_precedence(&other) == Ordering::Greater)
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
            zone: 0,
            inputs: BTreeMap::new(),
            params: BTreeMap::new(),
            origin: Origin { file: "site.toml".into(), line: 7 },
        }
    }

    #[test]
    fn a_rule_goes_forward_and_back_only_where_the_site_file_says_from_what() {
        let data = tempfile::tempdir().unwrap();
        let runs = |version: &str, back_from: Option<&str>| {
            let mut versions = Versions::of(data.path()).unwrap();
            match versions.fault(&rule(version, back_from)) {
                Some(fault) => Err(fault.to_string()),
                None => versions.remember(&[rule(version, back_from)]).map_err(|e| e.to_string()),
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
    fn another_plug_in_begins_anew_and_a_damaged_file_is_told() {
        let data = tempfile::tempdir().unwrap();
        Versions::of(data.path()).unwrap().remember(&[rule("2.0.0", None)]).unwrap();
        let other = Rule { plugin: "hall".into(), ..rule("1.0.0", None) };
        assert_eq!(Versions::of(data.path()).unwrap().fault(&other), None);
        std::fs::write(data.path().join(FILE), "{").unwrap();
        let why = format!("{:#}", Versions::of(data.path()).unwrap_err());
        assert!(why.contains(FILE) && why.contains("restore it from the backup"), "{why}");
    }
}
