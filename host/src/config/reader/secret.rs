//! Secrets of the site file: named by a file or a variable, never written in it. Must not know: what a secret opens.

use super::super::files;
use super::super::types::Secret;
use super::Reader;
use serde_json::json;
use std::collections::BTreeMap;

const REMEDY: &str = "{ file = \"path\" } or { env = \"NAME\" }: a secret does not stand in the site file";

impl<'a> Reader<'a> {
    /// A secret that may be missing.
    pub(in crate::config) fn secret(&self, key: &'static str) -> Option<Secret> {
        self.secret_at(key, false)
    }

    /// A secret that must be there.
    pub(in crate::config) fn secret_needed(&self, key: &'static str) -> Option<Secret> {
        self.secret_at(key, true)
    }

    fn secret_at(&self, key: &'static str, required: bool) -> Option<Secret> {
        if self.value(key).is_some_and(|value| value.get_ref().as_table().is_none()) {
            self.know(key, required, || json!({"type": "object"}));
            self.fault(key, "a secret in the open", REMEDY, None);
            return None;
        }
        if required && !self.describes() && !self.has(key) {
            self.know(key, required, || json!({"type": "object"}));
            self.fault(key, "nothing", REMEDY, None);
            return None;
        }
        let table = self.table_of(key, required)?;
        let secret = table.revealed();
        self.done(key, table);
        secret
    }

    /// Secrets by the names that templates give them.
    pub(in crate::config) fn secrets(&self, key: &'static str) -> BTreeMap<String, Secret> {
        self.named(key, false, |of, name, _| {
            let Some(table) = of.value(name).and_then(|value| value.get_ref().as_table()) else {
                of.fault(name, "a secret in the open", REMEDY, None);
                return None;
            };
            let table = of.below(&of.dotted(name), Some(table), of.at(name).line);
            let secret = table.revealed();
            table.finish();
            secret
        })
    }

    /// What this table names.
    fn revealed(&self) -> Option<Secret> {
        let (file, env) = (self.text_if("file"), self.text_if("env"));
        let secret = match (&file, &env) {
            (Some(path), None) => {
                let path = self.beside(path);
                let text = files::read(&path, files::SMALL_BYTES_MAX)
                    .and_then(|bytes| String::from_utf8(bytes).map_err(|error| error.to_string()));
                text.map_err(|error| self.fault("file", format!("{}: {error}", path.display()), "a readable file", None)).ok()
            }
            (None, Some(name)) => std::env::var(name)
                .map_err(|error| {
                    // What is no UTF-8 would be shown with its value.
                    let found = if error == std::env::VarError::NotPresent { "is not set" } else { "is not UTF-8" };
                    self.fault("env", format!("{name}, which {found}"), "a variable that is set", None);
                })
                .ok(),
            _ if self.describes() => None,
            _ => {
                self.fault("file", "neither or both of file and env", "exactly one of them", None);
                None
            }
        };
        if secret.as_ref().is_some_and(|text| text.trim().is_empty()) {
            let key = if file.is_some() { "file" } else { "env" };
            self.fault(key, "an empty secret", "the secret itself", None);
        }
        secret.map(|text| Secret::new(text.trim()))
    }
}
