//! The text of a message as it is kept: packed, because a message to the bureau is long and all of them are alike, and whole or not at all when it is
//! taken out again. Must not know: what the text says, where it is kept.

use super::cap::BYTES_MAX;
use anyhow::{Context, anyhow, ensure};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use std::cell::RefCell;
use zstd::bulk::{Compressor, Decompressor};

/// How hard it is tried to make it small: harder gains a few bytes in a hundred, and a message is packed while others wait for their words.
const LEVEL: i32 = 1;

thread_local! {
    /// Kept from one message to the next: to make them anew takes as long as to pack.
    static PACKER: RefCell<Option<Compressor<'static>>> = const { RefCell::new(None) };
    static UNPACKER: RefCell<Option<Decompressor<'static>>> = const { RefCell::new(None) };
}

/// Packs a text.
///
/// # Errors
/// No memory.
pub fn pack(text: &str) -> anyhow::Result<String> {
    // All at once: tables for a text of this length, not for one of any length.
    let pack = |compressor: &mut Compressor<'static>| {
        compressor.include_checksum(true)?;
        compressor.compress(text.as_bytes())
    };
    let packed = PACKER.with_borrow_mut(|kept| match kept {
        Some(compressor) => pack(compressor),
        None => pack(kept.insert(Compressor::new(LEVEL)?)),
    });
    Ok(STANDARD.encode(packed?))
}

/// The text that was packed.
///
/// # Errors
/// It is not what was packed.
pub fn unpack(packed: &str) -> anyhow::Result<String> {
    let bytes = STANDARD.decode(packed).context("the words kept of a notice are damaged")?;
    let said = zstd::zstd_safe::get_frame_content_size(&bytes).map_err(|_| anyhow!("the words kept of a notice are damaged"))?;
    let length = said.map_or(BYTES_MAX, |length| usize::try_from(length).unwrap_or(usize::MAX));
    ensure!(length <= BYTES_MAX, "the words kept of a notice are longer than any message");
    let text = UNPACKER.with_borrow_mut(|kept| match kept {
        Some(decompressor) => decompressor.decompress(&bytes, length),
        None => kept.insert(Decompressor::new()?).decompress(&bytes, length),
    });
    let text = text.context("the words kept of a notice are damaged")?;
    String::from_utf8(text).context("the words kept of a notice are damaged")
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
