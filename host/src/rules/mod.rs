//! Rules: third-party WebAssembly components that judge readings, each in a sandbox with a bound on everything.
//! The only home of wasmtime. Must not know: the journal, the store, links, notices, the console.
//!
//! Reading order: `engine`, `compile` and `cache` (from component to code, in a process of its own, kept under a seal), `bindings` (the contract as Rust
//! types), `package` and `description` (one component and what it says of itself), `bundle` (a component with its publisher's signature), `trust` and `versions` (whose files may be
//! opened, and that none goes back), `fit`, `limits` and `admission` (a site's rules held against their descriptions), `depot` (what is installed later), `sandbox`, `history`, `foreign`, `logging` and `strike` (one store
//! with its limits, and what it did wrong), `instance` (one rule at work: strikes, snapshots, recovery), `mailbox` and `runner` (worker threads), `build` (from crate to component),
//! `trial` (a component at work without a plant).

pub mod admission;
pub mod bindings;
pub mod build;
pub mod bundle;
mod cache;
mod codes;
pub mod compile;
mod depot;
mod description;
mod engine;
mod fit;
mod foreign;
#[doc(hidden)]
pub mod fuzzing;
mod history;
mod instance;
mod limits;
mod logging;
mod mailbox;
mod package;
mod runner;
mod sandbox;
mod strike;
pub mod trial;
mod trust;
mod versions;

pub use admission::{Admitted, Held, admit, admit_what_can_run, try_out, would_admit};
pub use cache::Cache;
pub use depot::{Depot, ENDINGS as KEPT_ENDINGS, FOLDER as KEPT};
pub use description::remarks;
pub use engine::{Compiler, Engine};
pub(crate) use foreign::{is_hidden, visible};
pub use instance::{Answer, Instance, Used};
pub use limits::AskedLimit;
pub use logging::Line;
pub use package::{CONTRACT, Package};
pub use runner::{FromRule, Runner, Said};
pub use sandbox::thread_time;
pub use strike::Strike;
pub use trust::read;
pub use versions::{FILE as VERSIONS, Versions};
