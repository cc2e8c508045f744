//! The integration tests.

mod storage;
