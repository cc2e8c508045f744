//! One reader of [`safety_brain::fuzzing::TARGETS`] under libFuzzer, named by `SAFETY_BRAIN_READER`: one program, linked once.
//! Must not know: what a reader reads.
//!
//! The reader called `control` is broken on purpose: a rig that does not find it finds nothing.
#![no_main]

use libfuzzer_sys::{Corpus, fuzz_target};
use safety_brain::fuzzing::{TARGETS, Target};
use std::sync::LazyLock;

static READER: LazyLock<&Target> = LazyLock::new(|| {
    let name = std::env::var("SAFETY_BRAIN_READER").unwrap_or_default();
    TARGETS.iter().chain([&CONTROL]).find(|target| target.name == name).unwrap_or_else(|| {
        let names: Vec<_> = TARGETS.iter().map(|target| target.name).collect();
        panic!("SAFETY_BRAIN_READER is {name:?}; it must be one of: {}", names.join(", "))
    })
});

const CONTROL: Target = Target { name: "control", bytes_max: 16, read: broken };

fn broken(bytes: &[u8]) -> bool {
    assert!(!bytes.starts_with(b"boom"), "the control was found, as it must be");
    false
}

fuzz_target!(|bytes: &[u8]| -> Corpus {
    if bytes.len() > READER.bytes_max {
        return Corpus::Reject;
    }
    (READER.read)(bytes);
    Corpus::Keep
});
