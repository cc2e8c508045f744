//! The integration tests.

mod interop;
