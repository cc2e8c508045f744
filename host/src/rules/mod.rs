//! Rules: third-party WebAssembly components that judge readings, each in a sandbox with a bound on everything.
//! The only home of wasmtime. Must not know: the journal, the store, links, notices, the console.
//!
//! Reading order: `engine` (how components are compiled), `bindings` (the contract as Rust types), `package` (one component file and
//! its description), `fit` and `admission` (a site's rules held against their descriptions), `sandbox`, `history` and `logging` (one store with its limits),
//! `instance` (one rule at work: strikes, snapshots, recovery), `mailbox` and `runner` (worker threads), `build` (from crate to component).

pub mod admission;
pub mod bindings;
pub mod build;
mod engine;
mod fit;
#[doc(hidden)]
pub mod fuzzing;
mod history;
mod instance;
mod logging;
mod mailbox;
mod package;
mod runner;
mod sandbox;

pub use admission::{Admitted, admit};
pub use engine::Engine;
pub use instance::{Answer, Instance};
pub use logging::Line;
pub use package::Package;
pub use runner::{FromRule, Runner, Said};
pub use sandbox::Strike;
