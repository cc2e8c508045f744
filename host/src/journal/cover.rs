//! What an anchor states: how many records a segment holds so far, and a digest of those outside the chain.
//! One place, so that writing, reopening and verifying count alike. Must not know: files, threads.

use super::codec::{Anchor, is_chained};

/// Running count and digest of one segment.
#[derive(Default)]
pub struct Cover {
    records: u64,
    unchained: u64,
    hasher: blake3::Hasher,
}

impl Cover {
    /// Takes in one record; `covered` is its bytes from the number to the end of the payload.
    pub fn take(&mut self, kind: u16, covered: &[u8]) {
        self.records += 1;
        if !is_chained(kind) {
            self.unchained += 1;
            self.hasher.update(covered);
        }
    }

    /// States it, and begins the next stretch.
    pub fn anchor(&mut self) -> Anchor {
        let anchor =
            Anchor { records: self.records, unchained: self.unchained, digest: self.hasher.finalize().to_hex().to_string() };
        self.unchained = 0;
        self.hasher.reset();
        anchor
    }
}
