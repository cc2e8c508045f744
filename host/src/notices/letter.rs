//! The text of a message as it is kept: packed, because a message to the bureau is long and all of them are alike, and whole or not at all when it is
//! taken out again. Must not know: what the text says, where it is kept.

use super::cap::BYTES_MAX;
use anyhow::{Context, ensure};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use std::io::Read;

/// How hard it is tried to make it small: a message is packed once and kept for years.
const LEVEL: i32 = 9;

/// Packs a text.
///
/// # Errors
/// No memory.
pub fn pack(text: &str) -> anyhow::Result<String> {
    // All at once: tables for a text of this length, not for one of any length.
    let mut compressor = zstd::bulk::Compressor::new(LEVEL)?;
    compressor.include_checksum(true)?;
    Ok(STANDARD.encode(compressor.compress(text.as_bytes())?))
}

/// The text that was packed.
///
/// # Errors
/// It is not what was packed.
pub fn unpack(packed: &str) -> anyhow::Result<String> {
    let bytes = STANDARD.decode(packed).context("the words kept of a notice are damaged")?;
    let mut text = String::new();
    let most = BYTES_MAX as u64 + 1;
    let read = zstd::Decoder::new(bytes.as_slice()).and_then(|decoder| decoder.take(most).read_to_string(&mut text));
    read.context("the words kept of a notice are damaged")?;
    ensure!(text.len() <= BYTES_MAX, "the words kept of a notice are longer than any message");
    Ok(text)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::notices::{cap, sample};

    #[test]
    fn what_is_packed_comes_out_the_same_and_is_small() {
        let text = cap::build(&sample::notice(), &sample::channel("http://x"));
        let packed = pack(&text).unwrap();
        assert!(packed.len() * 2 < text.len(), "{} bytes of {}", packed.len(), text.len());
        assert_eq!(unpack(&packed).unwrap(), text);
        let bytes = STANDARD.decode(&packed).unwrap();
        for at in 0..bytes.len() {
            let mut bent = bytes.clone();
            bent[at] ^= 1;
            assert!(
                unpack(&STANDARD.encode(bent)).is_ok_and(|got| got == text) || unpack(&STANDARD.encode(&bytes[..at])).is_err()
            );
        }
        assert!(unpack(&pack(&"x".repeat(BYTES_MAX + 1)).unwrap()).is_err());
    }
}
