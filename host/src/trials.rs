//! What the fault tests of this crate share: how hard they try, and that their figures are seen. Must not know: any test.

use std::io::Write;

/// The one switch of all fault tests, `SAFETY_BRAIN_EFFORT`: by night and for a release ten times as many.
pub fn effort(push: u64) -> u64 {
    match std::env::var("SAFETY_BRAIN_EFFORT").as_deref() {
        Err(_) | Ok("push") => push,
        Ok("night" | "release") => push * 10,
        Ok(other) => panic!("SAFETY_BRAIN_EFFORT={other}: push, night or release"),
    }
}

/// Says a test's figures on the real standard error, which the test harness does not swallow.
pub fn tell(figures: &str) {
    let _ = writeln!(std::io::stderr(), "{figures}");
}
