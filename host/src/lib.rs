//! safety-brain: the shell around the pure [`brain`].
//!
//! The layer rule: `main -> cli -> daemon -> { links, rules, journal, store, notices, console, supervisor } -> config, words, hang -> brain`.
//! The seven siblings never name each other; the daemon carries what passes between them.

pub mod cli;
pub mod config;
pub mod console;
pub mod daemon;
#[cfg(feature = "demo")]
pub mod demo;
#[doc(hidden)]
pub mod fuzzing;
pub mod hang;
pub mod journal;
pub mod key;
pub mod links;
pub mod notices;
pub mod pace;
pub mod performance;
pub mod restored;
pub mod rules;
pub mod store;
pub mod supervisor;
pub mod tls;
#[cfg(test)]
mod trials;
pub mod words;
