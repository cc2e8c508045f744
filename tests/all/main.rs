//! All integration tests in one binary: one link, one place to look.
#![allow(clippy::unwrap_used)]

mod advice;
mod beyond;
mod cap;
mod commands;
mod configuration;
mod console;
mod console_crowd;
mod console_staged;
mod contract;
mod demo;
mod disk;
mod effort;
mod failing_disk;
mod formats;
mod fuzz_corpus;
mod hostile;
mod interop;
mod judge;
mod kill;
mod outbound;
mod plant;
mod power_cut;
mod process;
mod publisher;
mod receiver;
mod recordings;
mod service;
mod simulation;
mod site;
mod stage;
mod storage;
mod tidy;
mod tools;
mod unrecorded;
mod vendor;
