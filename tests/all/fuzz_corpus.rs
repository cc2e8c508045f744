//! Every file of the fuzz corpus, and files like it, through the reader it belongs to: what a fuzzer once found stays mended, also where none is
//! installed. Must not know: what a reader reads.

use crate::process::root;
use safety_brain::fuzzing::{TARGETS, Target};
use std::panic::catch_unwind;
use std::path::PathBuf;

/// How many files like those of the corpus are tried for each reader.
fn mutants() -> usize {
    match std::env::var("SAFETY_BRAIN_EFFORT").as_deref() {
        Ok("night") => 30_000,
        Ok("release") => 300_000,
        _ => 300,
    }
}

fn corpus(target: &Target) -> Vec<(PathBuf, Vec<u8>)> {
    let folder = root().join("tests/fuzz/corpus").join(target.name);
    let entries = std::fs::read_dir(&folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    let mut paths: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    paths.into_iter().map(|path| (path.clone(), std::fs::read(path).unwrap())).collect()
}

/// Whether the reader took it; None where it panicked.
fn tried(target: &Target, bytes: &[u8]) -> Option<bool> {
    catch_unwind(|| (target.read)(bytes)).ok()
}

#[test]
fn fuzz_corpus_is_read_without_a_panic_and_each_reader_takes_some_of_it() {
    let mut faults = Vec::new();
    for target in TARGETS {
        let mut taken = 0;
        for (path, bytes) in corpus(target) {
            assert!(bytes.len() <= target.bytes_max, "{} is longer than its reader is given", path.display());
            match tried(target, &bytes) {
                Some(is_taken) => taken += usize::from(is_taken),
                None => faults.push(format!("{} makes its reader panic", path.display())),
            }
        }
        // A reader that refuses everything is not reached where it matters; one that takes everything reads nothing.
        if taken == 0 {
            faults.push(format!("{}: no file of the corpus is taken", target.name));
        }
        if tried(target, b"\xff\xfe") != Some(false) {
            faults.push(format!("{}: rubbish is taken", target.name));
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

#[test]
fn fuzz_corpus_with_bytes_changed_makes_no_reader_panic() {
    let given = std::env::var("SAFETY_BRAIN_SEED").ok().and_then(|seed| seed.parse().ok());
    let seed = given.unwrap_or(0x9e37_79b9_7f4a_7c15_u64).max(1);
    for target in TARGETS {
        let mut random = Random(seed);
        let files = corpus(target);
        for _ in 0..mutants() {
            let mut bytes = files[random.below(files.len())].1.clone();
            for _ in 0..=random.below(4) {
                random.change(&mut bytes);
            }
            bytes.truncate(target.bytes_max);
            let kept = std::env::temp_dir().join(format!("safety-brain-{}-{}", target.name, std::process::id()));
            if tried(target, &bytes).is_none() {
                std::fs::write(&kept, &bytes).unwrap();
                panic!(
                    "{}: SAFETY_BRAIN_SEED={seed}; the bytes are in {}: mend it, and put them into the corpus",
                    target.name,
                    kept.display()
                );
            }
        }
    }
}

#[test]
fn fuzz_corpus_control_a_panic_is_seen() {
    let broken = Target { name: "control", bytes_max: 4, read: |bytes| panic!("{} bytes", bytes.len()) };
    assert_eq!(tried(&broken, b"x"), None);
}

/// xorshift64.
struct Random(u64);

impl Random {
    fn below(&mut self, end: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % end.max(1) as u64) as usize
    }

    fn change(&mut self, bytes: &mut Vec<u8>) {
        let at = self.below(bytes.len());
        match self.below(5) {
            _ if bytes.is_empty() => bytes.push(self.below(256) as u8),
            0 => bytes[at] ^= 1 << self.below(8),
            1 => bytes[at] = [0, 1, 0x7f, 0x80, 0xff, b'"', b'\n', b'-', b'9'][self.below(9)],
            2 => drop(bytes.remove(at)),
            3 => bytes.insert(at, self.below(256) as u8),
            _ => bytes.truncate(at),
        }
    }
}
