//! A rule as the site file has it, and where. Must not know: what the plug-in says of itself.

use super::{Limits, Origin};
use brain::TagId;
use std::collections::BTreeMap;

/// A rule as the site file binds it; names of inputs and parameters are checked at admission, against the plug-in's description.
#[derive(Clone, Debug)]
pub struct Rule {
    /// Unique name.
    pub name: String,
    /// Plug-in id.
    pub plugin: String,
    /// Plug-in version.
    pub version: String,
    /// Index into `publishers`: whose signature the bundle must bear; none = unsigned.
    pub publisher: Option<usize>,
    /// `sha256:<hex>` the component must have; none = any (a warning outside the demo).
    pub digest: Option<String>,
    /// The later version that this rule ran at before, and that was given up on purpose.
    pub back_from: Option<String>,
    /// The site takes a component here that carries an interpreter (JavaScript, Python).
    pub interpreted: bool,
    /// Index into `site.zones`.
    pub zone: usize,
    /// Input id -> tags.
    pub inputs: BTreeMap<String, Vec<TagId>>,
    /// Parameter id -> value.
    pub params: BTreeMap<String, Param>,
    /// The most that its plug-in may ask for.
    pub limits: Limits,
    /// Where it stands in the site file, for faults found later.
    pub origin: Origin,
    /// Lines of its keys and of what stands below them: `inputs`, `inputs.air`.
    pub lines: BTreeMap<String, usize>,
}

impl Rule {
    /// Where a key stands, `inputs.air`; else the key that it is below; else the rule.
    pub fn at(&self, key: &str) -> Origin {
        let of = key.split('.').next().unwrap_or(key);
        let line = self.lines.get(key).or_else(|| self.lines.get(of));
        Origin { line: line.copied().unwrap_or(self.origin.line), ..self.origin.clone() }
    }
}

/// A parameter's value as written.
#[derive(Clone, Debug, PartialEq)]
#[allow(missing_docs)]
pub enum Param {
    Number(f64),
    Flag(bool),
    Text(String),
    Numbers(Vec<f64>),
}
