//! The same contract from other languages: the rules of `plugins/examples`, built with the public toolchains and run by `safety-brain plugin test`,
//! without one WASI import. Where a toolchain is missing the test says so; with `CI=true` that is a failure. And what an interpreter collects goes.

use crate::bundles::section;
use crate::hostile::{CACHE, ENGINE, GUESTS, VERSION, config, rule};
use crate::process::root;
use brain::Quality;
use brain::event::Row;
use brain::words::Text;
use safety_brain::config::types::Rule;
use safety_brain::rules::{Instance, Package, Versions, admit};
use std::path::{Path, PathBuf};
use std::process::Command;

/// A folder with the component and the cases of one example, or nothing where `tool` is missing.
fn built(language: &str, tool: &Path, build: impl Fn(&mut Command, &Path)) -> Option<tempfile::TempDir> {
    if Command::new(tool).arg("--version").output().is_err() {
        assert!(std::env::var_os("CI").is_none(), "{} is missing; .ci/run installs it", tool.display());
        eprintln!("SKIPPED: the rule in {language}: no {}; see plugins/examples/README.md", tool.display());
        return None;
    }
    let source = root().join("plugins/examples").join(language);
    let folder = tempfile::tempdir().unwrap();
    let mut command = Command::new(tool);
    build(command.current_dir(&source), &folder.path().join("rule.wasm"));
    let output = command.output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    std::fs::create_dir(folder.path().join("cases")).unwrap();
    std::fs::copy(source.join("cases/hot.toml"), folder.path().join("cases/hot.toml")).unwrap();
    Some(folder)
}

/// One call, because compiling an interpreter takes an unoptimised program minutes: its case, and as the control the same with one level wrong.
fn is_a_rule(folder: &Path) {
    let text = std::fs::read_to_string(folder.join("cases/hot.toml")).unwrap();
    assert!(text.contains("60,90,hot,yellow"));
    std::fs::write(folder.join("cases/slip.toml"), text.replace("60,90,hot,yellow", "60,90,hot,blue")).unwrap();
    let output = Command::new(env!("CARGO_BIN_EXE_safety-brain")).args(["plugin", "test"]).arg(folder).output().unwrap();
    let said = [output.stdout, output.stderr].map(|text| String::from_utf8_lossy(&text).into_owned()).concat();
    assert!(said.contains("hot: good; ") && said.contains("1 of 2 cases failed"), "{said}");
    let slip = "slip: FAILED; ";
    assert!(said.contains(slip) && said.contains("said and not expected: hot yellow from 60 to 90 s"), "{said}");
}

#[test]
fn languages_javascript_rule_runs_in_the_sandbox() {
    let tool = root().join("plugins/examples/js/node_modules/.bin/componentize-js");
    let folder = built("js", &tool, |command, to| {
        let off = ["stdio", "random", "clocks", "http", "fetch-event"].iter().flat_map(|feature| ["--disable", feature]);
        command.args(["rule.js", "--wit", "../../../wit/rule", "--world-name", "risk-rule"]).args(off).arg("-o").arg(to);
    });
    if let Some(folder) = folder {
        is_a_rule(folder.path());
    }
}

#[test]
fn languages_c_rule_runs_in_the_sandbox() {
    let bindings = tempfile::tempdir().unwrap();
    let generate = ["c", "../../../wit/rule", "--world", "risk-rule", "--out-dir"];
    let generator = PathBuf::from("wit-bindgen");
    let made = built("c", &generator, |command, _| {
        command.args(generate).arg(bindings.path());
    });
    let made = made.and_then(|_| {
        built("c", &PathBuf::from("clang"), |command, to| {
            let at = |name: &str| bindings.path().join(name);
            command.args(["--target=wasm32-unknown-unknown", "-O2", "-nostdlib", "-fno-builtin", "-Wall", "-Wextra", "-Werror"]);
            command.args(["-Ilibc", "-Wl,--no-entry", "-I"]).arg(bindings.path()).args(["rule.c", "heap.c", "-o"]).arg(to);
            command.args([at("risk_rule.c"), at("risk_rule_component_type.o")]);
        })
    });
    if let Some(folder) = made {
        is_a_rule(folder.path());
    }
}

#[test]
fn languages_python_rule_runs_in_the_sandbox() {
    let folder = built("python", &PathBuf::from("componentize-py"), |command, to| {
        command.args(["-q", "-d", "../../../wit/rule", "-w", "risk-rule", "componentize", "--stub-wasi", "rule", "-o"]).arg(to);
    });
    if let Some(folder) = folder {
        is_a_rule(folder.path());
    }
}

/// The rows that it has counted, which are its state, and the calls that its store has had, which are not: batch by batch.
fn counted(padding: usize) -> Vec<(u64, u64)> {
    let folder = tempfile::tempdir().unwrap();
    let name = Package::file_name("collects", VERSION);
    let component = std::fs::read(GUESTS.join(&name)).unwrap();
    let padded = [component, section(0, &[&[1, b'x'][..], &vec![0; padding]].concat())].concat();
    std::fs::write(folder.path().join(name), padded).unwrap();
    let mut config = config(vec![Rule { interpreted: true, ..rule("collects") }]);
    config.plugins_dir = folder.path().to_owned();
    let mut instance = Instance::new(&admit(&ENGINE, &config, Some(&CACHE), &Versions::default()).unwrap()[0]);
    let one = |n: i64| {
        let answer = instance.evaluate(n * 1000, &[Row { handle: 0, value: 1.0, quality: Quality::GOOD, source_us: n * 1000 }]);
        assert!(answer.strikes.is_empty() && !answer.skipped, "{n}: {answer:?}");
        let number = |hazard: usize| match &answer.findings[hazard].text {
            Text::Words(words) => words.en.split_once(' ').unwrap().0.parse().unwrap(),
            Text::Phrase { .. } => panic!("a rule's words arrive finished"),
        };
        (number(0), number(1))
    };
    (1..=1_100).map(one).collect()
}

/// A component with an interpreter is one of more than 4 MiB: here the same one, once as it is and once with a section that nobody reads.
#[test]
fn languages_what_an_interpreter_collects_goes_with_its_store_and_its_state_stays() {
    let (small, large) = (counted(0), counted(4 << 20));
    let rows: Vec<u64> = (1..=1_100).collect();
    for all in [&small, &large] {
        assert_eq!(all.iter().map(|(rows, _)| *rows).collect::<Vec<_>>(), rows, "its state is kept");
    }
    assert_eq!(small.last(), Some(&(1_100, 1_100)), "the control: without an interpreter it has one store");
    let fresh: Vec<u64> = large.iter().filter(|(rows, calls)| *rows > 1 && *calls == 1).map(|(rows, _)| *rows).collect();
    assert!(
        matches!(fresh[..], [at] if (1_001..1_100).contains(&at)),
        "a fresh store behind a thousand batches, once: {fresh:?}"
    );
}
