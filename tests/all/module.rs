//! Core modules with sections that Rust does not write: a start function, a table that grows. Must not know: what a guest is for.

use std::path::{Path, PathBuf};

/// The module with another section of this kind, which `make` gives: what Rust does not write.
pub fn changed(module: &Path, out: &Path, kind: u8, make: impl Fn(&[u8]) -> Vec<u8>) -> PathBuf {
    let bytes = std::fs::read(module).unwrap();
    let (mut to, mut rest) = (bytes[..8].to_vec(), &bytes[8..]);
    let content = make(&bytes);
    // All lengths here are below 2^28, written in four bytes.
    let length =
        |n: usize| [(n & 127) as u8 | 128, (n >> 7 & 127) as u8 | 128, (n >> 14 & 127) as u8 | 128, (n >> 21 & 127) as u8];
    let section = [&[kind][..], &length(content.len()), &content].concat();
    let mut is_there = false;
    while let Some((id, behind)) = rest.split_first() {
        let (size, skip) = number(behind);
        let whole = 1 + skip + size;
        // A section of code, data or elements comes behind it; one that describes (0) may stand anywhere.
        if !is_there && *id != 0 && *id >= kind {
            to.extend_from_slice(&section);
            is_there = true;
        }
        if *id != kind {
            to.extend_from_slice(&rest[..whole]);
        }
        rest = &rest[whole..];
    }
    let path = out.join(format!("changed-{kind}.core"));
    std::fs::write(&path, to).unwrap();
    path
}

/// LEB128, and how many bytes it has.
fn number(bytes: &[u8]) -> (usize, usize) {
    let last = bytes.iter().position(|byte| byte & 128 == 0).unwrap();
    (bytes[..=last].iter().enumerate().map(|(i, byte)| usize::from(byte & 127) << (7 * i)).sum(), last + 1)
}

/// The index of the exported `spin`, as a start section holds it.
pub fn starting(module: &[u8]) -> Vec<u8> {
    let name = b"\x04spin\x00"; // its length, itself, a function
    let at = module.windows(name.len()).position(|part| part == name).unwrap() + name.len();
    module[at..at + number(&module[at..]).1].to_vec()
}
