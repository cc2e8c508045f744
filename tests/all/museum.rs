//! Bundles of every released version of the contract, as they were built and signed then, must be taken and say for ever what their cases expect. They
//! are looked at as any plant looks at a stranger's: sum, signature, admission to a site, then `safety-brain plugin test`, through the real sandbox
//! with the real limits. See `wit/README.md`.

use crate::process::root;
use safety_brain::rules::build;
use sha2::{Digest, Sha256};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// Folders of the newest museum's pieces, and the crates and examples they are built from; the one in C is made as `plugins/examples/README.md` says.
const PIECES: [(&str, &str, &[&str]); 3] = [
    ("gas-detector", "plugins/gas-detector", &["--lib"]),
    ("fireworks-room", "plugins/fireworks-room", &["--lib"]),
    ("every-part", "tests/hostile", &["--example", "every-part"]),
];

/// The sums of a version's bundles, one line each as `sha256sum` writes them.
const SUMS: &str = "SHA256SUMS";

fn museum() -> PathBuf {
    root().join("tests/museum")
}

fn folders(of: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(of).unwrap_or_else(|e| panic!("{}: {e}", of.display()));
    let mut found: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).filter(|path| path.is_dir()).collect();
    found.sort();
    found
}

/// The one bundle of a piece.
fn bundle(piece: &Path) -> PathBuf {
    let files = std::fs::read_dir(piece).unwrap().map(|entry| entry.unwrap().path());
    let bundles: Vec<PathBuf> = files.filter(|path| path.extension().is_some_and(|ending| ending == "sbrule")).collect();
    assert_eq!(bundles.len(), 1, "{}", piece.display());
    bundles[0].clone()
}

fn plugin(words: &[&Path]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_safety-brain")).arg("plugin").args(words).output().unwrap()
}

/// What a plant of that version's site file, and the piece's own cases, have against it.
fn faults(version: &Path, piece: &Path) -> Vec<String> {
    let (bundle, key, site) = (bundle(piece), version.join("museum.pub"), version.join("site.toml"));
    let [verify, with, check, config, test] = ["verify", "--key", "check", "--config", "test"].map(Path::new);
    let asked: [&[&Path]; 3] = [&[verify, &bundle, with, &key], &[check, &bundle, config, &site], &[test, &bundle]];
    let outputs = asked.iter().map(|words| (words[0], plugin(words)));
    let failed = outputs.filter(|(_, output)| !output.status.success()).map(|(what, output)| {
        let texts = [output.stdout, output.stderr].map(|text| String::from_utf8_lossy(&text).into_owned());
        format!("{} {}:\n{}", what.display(), bundle.display(), texts.concat())
    });
    failed.collect()
}

#[test]
fn museum_pieces_are_taken_and_say_what_they_always_said() {
    for version in folders(&museum()) {
        let pieces = folders(&version);
        assert!(pieces.len() > PIECES.len(), "{pieces:?}");
        let faults: Vec<String> = pieces.iter().flat_map(|piece| faults(&version, piece)).collect();
        assert!(faults.is_empty(), "{}", faults.join("\n"));
    }
}

/// Nothing of it was built again.
#[test]
fn museum_pieces_are_those_of_then() {
    for version in folders(&museum()) {
        let sums = std::fs::read_to_string(version.join(SUMS)).unwrap();
        let pieces = folders(&version);
        assert_eq!(sums.lines().count(), pieces.len());
        for piece in pieces {
            let path = bundle(&piece);
            let sum: String = Sha256::digest(std::fs::read(&path).unwrap()).iter().map(|byte| format!("{byte:02x}")).collect();
            let line = format!("{sum}  {}", path.strip_prefix(&version).unwrap().display());
            assert!(sums.lines().any(|known| known == line), "{line} is not in {}", version.join(SUMS).display());
        }
    }
}

/// The controls: another level expected, another key, one bit, and a site that grants less are each told.
#[test]
fn museum_control_what_is_no_longer_so_is_told() {
    let newest = folders(&museum()).pop().unwrap();
    let copy = tempfile::tempdir().unwrap();
    let piece = copy.path().join("every-part");
    std::fs::create_dir_all(piece.join("cases")).unwrap();
    let bytes = std::fs::read(bundle(&newest.join("every-part"))).unwrap();
    let case = std::fs::read_to_string(newest.join("every-part/cases/doors.toml")).unwrap();
    let [key, site] = ["museum.pub", "site.toml"].map(|name| std::fs::read_to_string(newest.join(name)).unwrap());
    assert!(case.contains(",first,red") && site.contains("limits = { deadline = \"20ms\" }") && key.contains("334806d0"));
    let with = |case: &str, key: &str, site: &str, bytes: &[u8]| {
        let all =
            [("every-part/cases/doors.toml", case.as_bytes()), ("museum.pub", key.as_bytes()), ("site.toml", site.as_bytes())];
        for (name, text) in all.into_iter().chain([("every-part/every-part-1.0.0.sbrule", bytes)]) {
            std::fs::write(copy.path().join(name), text).unwrap();
        }
        faults(copy.path(), &piece).join("\n")
    };
    assert_eq!(with(&case, &key, &site, &bytes), "");
    let said = with(&case.replace(",first,red", ",first,orange"), &key, &site, &bytes);
    assert!(said.contains("expected and not said: first orange") && !said.contains("verify"), "{said}");
    assert!(with(&case, &key.replace("334806d0", "334806d1"), &site, &bytes).starts_with("verify "));
    let said = with(&case, &key, &site.replace("limits = { deadline = \"20ms\" }", ""), &bytes);
    assert!(said.starts_with("check ") && said.contains("deadline = \"20ms\""), "{said}");
    let mut bent = bytes;
    let middle = bent.len() / 2;
    bent[middle] ^= 1;
    let said = with(&case, &key, &site, &bent);
    assert!(said.contains("verify ") && said.contains("check "), "{said}");
}

/// Builds the components of a version that is about to be released, each into a folder with its cases; then `plugin sign` makes bundles of them, with a
/// key that is thrown away. What was released is never built again.
#[test]
fn museum_write() {
    let Some(folder) = std::env::var_os("SAFETY_BRAIN_MUSEUM").map(PathBuf::from) else { return };
    for (name, crate_dir, select) in PIECES {
        let modules = build::core_modules(&root().join(crate_dir), select).unwrap();
        let component = build::encode(&modules[0]).unwrap();
        let piece = folder.join(name);
        std::fs::create_dir_all(piece.join("cases")).unwrap();
        std::fs::write(piece.join(format!("{name}.wasm")), component).unwrap();
        let cases = root().join(crate_dir).join("cases");
        for case in std::fs::read_dir(cases).into_iter().flatten().map(Result::unwrap) {
            std::fs::copy(case.path(), piece.join("cases").join(case.file_name())).unwrap();
        }
    }
}
