//! One thing wrong in the site file: where, what was found, what is allowed.
//! Must not know: who found it.

use crate::config::types::Origin;
use std::fmt;

/// One fault. A check reports all of them at once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// Where it stands.
    pub origin: Origin,
    /// The offending key, dotted, with the entry's name: `rule.mixing-heat.params.stop`.
    pub key: String,
    /// What stands there.
    pub found: String,
    /// What may stand there, and the remedy.
    pub allowed: String,
    /// Known name that is most like the one found.
    pub nearest: Option<String>,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Origin { file, line } = &self.origin;
        // A file that cannot be read has no lines; what stands in no site file has another place, which who tells of it knows.
        match (file.as_os_str().is_empty(), line) {
            (true, _) => {}
            (false, 0) => write!(f, "{}: ", file.display())?,
            (false, line) => write!(f, "{}:{line}: ", file.display())?,
        }
        write!(f, "{}: found {}; allowed: {}", self.key, self.found, self.allowed)?;
        match &self.nearest {
            Some(name) => write!(f, "; did you mean `{name}`?"),
            None => Ok(()),
        }
    }
}
