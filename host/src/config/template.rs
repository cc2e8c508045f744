//! Templates of the site file: text with `{{field}}`, `{{to}}` and `{{secret.NAME}}`, read once so that nothing unknown is found when it burns.
//! Must not know: how a request is made.

use super::reader::Reader;
use super::scalar::nearest;
use super::types::{FIELDS, Part, Secret, Template};
use std::collections::BTreeMap;

/// Secrets that templates of one audience may name.
pub(super) type Secrets = BTreeMap<String, Secret>;

/// Reads `text`, which stands under `key`.
pub(super) fn template(table: &Reader<'_>, key: &str, text: &str, secrets: &Secrets) -> Template {
    let mut parts = Vec::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("{{") {
        let Some((name, after)) = after.split_once("}}").filter(|(name, _)| !name.contains("{{")) else {
            table.fault(key, "{{ without }} behind it", "each place as {{name}}", None);
            break;
        };
        parts.push(Part::Text(before.to_owned()));
        parts.extend(part(table, key, name.trim(), secrets));
        rest = after;
    }
    parts.push(Part::Text(rest.to_owned()));
    parts.retain(|part| !matches!(part, Part::Text(text) if text.is_empty()));
    Template(parts)
}

fn part(table: &Reader<'_>, key: &str, name: &str, secrets: &Secrets) -> Option<Part> {
    if name == "to" {
        return Some(Part::To);
    }
    if let Some(secret) = name.strip_prefix("secret.") {
        let known = secrets.get(secret).cloned().map(Part::Secret);
        if known.is_none() {
            let allowed = "{{secret.NAME}} with secrets = { NAME = { file = \"path\" } } or { env = \"NAME\" } beside it";
            table.fault(key, format!("{{{{secret.{secret}}}}}"), allowed, nearest(secret, secrets.keys().map(String::as_str)));
        }
        return known;
    }
    let found = FIELDS.into_iter().find(|field| *field == name).map(Part::Field);
    if found.is_none() {
        let allowed = format!("{{{{to}}}}, {{{{secret.NAME}}}} or one of {}", FIELDS.join(", "));
        table.fault(key, format!("{{{{{name}}}}}"), allowed, nearest(name, FIELDS.into_iter()));
    }
    found
}
