//! Components of every released version of the contract, as they were built then, must say for ever what their cases expect. They run as
//! `safety-brain plugin test` runs them: through the real sandbox with the real limits. See `wit/README.md`.

use crate::process::root;
use safety_brain::rules::build;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// Folders of the newest museum's pieces, and the crates and examples they are built from.
const PIECES: [(&str, &str, &[&str]); 3] = [
    ("gas-detector", "plugins/gas-detector", &["--lib"]),
    ("fireworks-room", "plugins/fireworks-room", &["--lib"]),
    ("every-part", "tests/hostile", &["--example", "every-part"]),
];

fn museum() -> PathBuf {
    root().join("tests/museum")
}

fn folders(of: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(of).unwrap_or_else(|e| panic!("{}: {e}", of.display()));
    let mut found: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).filter(|path| path.is_dir()).collect();
    found.sort();
    found
}

fn tested(folder: &Path) -> Output {
    Command::new(env!("CARGO_BIN_EXE_safety-brain")).args(["plugin", "test"]).arg(folder).output().unwrap()
}

#[test]
fn museum_pieces_say_what_they_always_said() {
    let pieces: Vec<PathBuf> = folders(&museum()).iter().flat_map(|version| folders(version)).collect();
    assert!(pieces.len() >= PIECES.len(), "{pieces:?}");
    let faults: Vec<String> = pieces
        .iter()
        .map(|piece| (piece, tested(piece)))
        .filter(|(_, output)| !output.status.success())
        .map(|(piece, output)| {
            let texts = [output.stdout, output.stderr].map(|text| String::from_utf8_lossy(&text).into_owned());
            format!("{}:\n{}", piece.display(), texts.concat())
        })
        .collect();
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

/// The control: the same piece with one level expected otherwise is told.
#[test]
fn museum_control_a_piece_that_says_something_else_is_told() {
    let newest = folders(&museum()).pop().unwrap().join("every-part");
    let copy = tempfile::tempdir().unwrap();
    std::fs::create_dir(copy.path().join("cases")).unwrap();
    for entry in std::fs::read_dir(&newest).unwrap().map(Result::unwrap).filter(|entry| entry.path().is_file()) {
        std::fs::copy(entry.path(), copy.path().join(entry.file_name())).unwrap();
    }
    let case = std::fs::read_to_string(newest.join("cases/doors.toml")).unwrap();
    assert!(case.contains(",first,red"), "{case}");
    std::fs::write(copy.path().join("cases/doors.toml"), case.replace(",first,red", ",first,orange")).unwrap();
    let output = tested(copy.path());
    let said = String::from_utf8_lossy(&output.stdout);
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains("expected and not said: first orange"), "{said}");
}

/// Builds the pieces of a version that is about to be released. What was released is never built again.
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
