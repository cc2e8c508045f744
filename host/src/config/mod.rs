//! The site file: raw (a mirror of the TOML, unknown keys refused) -> check (all faults at once) -> [`Config`].
//! Must not know: how any of it is used.

pub mod fault;
pub mod types;

pub use fault::Fault;
pub use types::Config;
