//! All integration tests in one binary: one link, one place to look.
#![allow(clippy::unwrap_used)]

mod cap;
mod hostile;
mod interop;
mod process;
//mod receiver;
//mod site;
mod storage;
mod tidy;
