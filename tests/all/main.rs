//! All integration tests in one binary: one link, one place to look.
#![allow(clippy::unwrap_used)]

mod accident;
mod advice;
mod backtest;
mod beyond;
mod bundles;
mod bureau;
mod bureau_hour;
mod bureau_kept;
mod call_back;
mod cap;
mod channels;
mod commands;
mod configuration;
mod console;
mod console_crowd;
mod console_staged;
mod contract;
mod demo;
mod disk;
mod drill;
mod drill_whole;
mod effort;
mod failing_disk;
mod formats;
mod fuzz_corpus;
mod gateway;
mod guide;
mod heartbeat;
mod hostile;
mod interop;
mod jetstream;
mod judge;
mod kill;
mod languages;
mod lifecycle;
mod museum;
mod outage;
mod outbound;
mod outputs;
mod plant;
mod plugin;
mod postbox;
mod power_cut;
mod process;
mod pruning;
mod publisher;
mod receiver;
mod recordings;
mod relay;
mod restored;
mod service;
mod signed;
// Whoever judges what is told needs no oracle.
#[allow(dead_code)]
#[path = "../simulation/world/mod.rs"]
mod simulation;
mod siren;
mod site;
mod stage;
mod storage;
mod tidy;
mod tools;
mod unreadable;
mod unrecorded;
mod vendor;
