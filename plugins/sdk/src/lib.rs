//! What a vendor's rule depends on: a description built from words and limits, typed readings and findings, the few helpers every rule
//! needs, and a harness that tests a rule without WebAssembly. Must not know: the host, any particular hazard.
//!
//! A rule is a plain Rust type that implements [`Rule`]. `export!` makes it a component; nothing else in the crate knows that it is one.
//!
//! The whole of a small one stands in `tests/smallest/rule.rs`.

mod bytes;
#[cfg(feature = "harness")]
pub mod cases;
mod describe;
mod export;
mod finding;
mod history;
mod latest;
mod reading;
mod smooth;
mod start;
mod state;
pub mod testing;
mod timing;
mod vote;
mod watch;
mod window;

pub use bytes::{Reader, Writer};
pub use describe::{Citation, Code, Description, Hazard, Input, Param, Words};
pub use export::Lexicon;
#[doc(hidden)]
pub use export::rows;
pub use finding::{Certainty, Condition, Evidence, Finding, Severity};
pub use history::{history, history_s};
pub use latest::Latest;
pub use reading::{Quality, Reading, Side};
pub use smooth::{Cusum, Ewma};
pub use start::{Fault, Place, Start};
pub use state::State;
pub use timing::{Delay, SECOND};
pub use vote::{Deadband, Limit, Vote};
pub use watch::{Level, View, Watch};
pub use window::Window;

/// The contract's own types, as generated from `wit/rule/rule.wit`. Rules do not need them; [`export!`] does.
#[allow(missing_docs, clippy::all)]
#[doc(hidden)]
pub mod contract {
    wit_bindgen::generate!({
        path: "../../wit/rule",
        world: "risk-rule",
        pub_export_macro: true,
        export_macro_name: "export_component",
        default_bindings_module: "safety_brain_sdk::contract",
    });
    pub use exports::safety_brain::rule::rule::*;
    pub use safety_brain::rule::{describing, types};
}

/// One rule bound to one zone. It has no clock, no files and no network: what it is given is all it knows, so a replay says the same.
pub trait Rule: Sized {
    /// What the rule needs and what it may say. Always the same answer.
    fn describe() -> Description;
    /// Starts with the bound inputs and the settings of one site. Refuses with everything that is wrong, at once.
    fn new(start: Start) -> Result<Self, Vec<Fault>>;
    /// Called with every batch, and with no readings when only time passed. `at`: the batch's time, microseconds since 1970; it never goes
    /// back. At most one finding per hazard; a finding stands until the next one of its hazard.
    fn evaluate(&mut self, at: i64, readings: &[Reading]) -> Vec<Finding>;
    /// The whole state, without what [`Rule::new`] is given again.
    fn snapshot(&self) -> Vec<u8>;
    /// Takes up a snapshot of the given [`Description::state_version`], right after [`Rule::new`].
    fn restore(&mut self, version: u32, state: &[u8]) -> Result<(), String>;
}

/// Message and place of a panic go to the host's log, where its vendor finds them: nothing else of it leaves a component.
#[cfg(target_arch = "wasm32")]
#[doc(hidden)]
pub fn panics_are_logged() {
    std::panic::set_hook(Box::new(|panic| contract::safety_brain::rule::log::log(3, &panic.to_string())));
}

/// How much a line of the log matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)] // the usual words
pub enum LogLevel {
    Debug,
    Info,
    Warn,
    Error,
}

/// Tells the host's log something, at most a line. On a developer's machine it goes to standard error. Three lines a second after a burst of 20 are
/// shown; a flood is a strike.
pub fn log(text: &str) {
    log_at(LogLevel::Info, text);
}

/// The same at another level than info.
pub fn log_at(level: LogLevel, text: &str) {
    #[cfg(target_arch = "wasm32")]
    contract::safety_brain::rule::log::log(level as u8, text);
    #[cfg(not(target_arch = "wasm32"))]
    eprintln!("{level:?}: {text}");
}
