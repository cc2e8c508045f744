//! How hard the fault tests try, and the chance they go by. `SAFETY_BRAIN_EFFORT` is push (without it), night or release;
//! `SAFETY_BRAIN_SEED` runs a test again with the chance of another time. Must not know: any test.

use crate::process::tell;
use std::time::{SystemTime, UNIX_EPOCH};

/// The one switch of all fault tests: the same code, other counts.
pub fn effort<T>(push: T, night: T) -> T {
    match std::env::var("SAFETY_BRAIN_EFFORT").as_deref() {
        Err(_) | Ok("push") => push,
        Ok("night" | "release") => night,
        Ok(other) => panic!("SAFETY_BRAIN_EFFORT={other}: push, night or release"),
    }
}

/// Chance that can be had again.
pub struct Random(u64);

impl Random {
    /// A new seed, or the one that was asked for; said at once.
    pub fn seeded(test: &str) -> Random {
        let given = std::env::var("SAFETY_BRAIN_SEED").ok().map(|seed| seed.parse().expect("SAFETY_BRAIN_SEED is a number"));
        let seed = given.unwrap_or_else(|| SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_nanos() as u64);
        tell(&format!("{test}: seed {seed}; again: SAFETY_BRAIN_SEED={seed} cargo test -p safety-brain --test all {test}"));
        Random(seed)
    }

    /// From 0 to `end`, without `end`.
    pub fn below(&mut self, end: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % end
    }
}
