//! The same contract from other languages: the rules of `plugins/examples`, built by the very commands of its README with the public toolchains and run by
//! `safety-brain plugin test`, without one WASI import. Where a toolchain is missing the test says so; with `CI=true` that is a failure. And what an
//! interpreter collects goes.

use crate::bundles::section;
use crate::hostile::{CACHE, ENGINE, GUESTS, VERSION, config, rule};
use crate::process::{peer_or_skip, root};
use brain::Quality;
use brain::event::Row;
use brain::words::Text;
use safety_brain::config::types::Rule;
use safety_brain::rules::{Instance, Package, Versions, admit};
use std::path::Path;
use std::process::Command;

/// The commands of the README, without their comments.
fn readme() -> Vec<String> {
    let text = std::fs::read_to_string(root().join("plugins/examples/README.md")).unwrap();
    let block = text.split("```sh\n").nth(1).and_then(|rest| rest.split("```").next()).unwrap();
    block.lines().map(|line| line.split(" #").next().unwrap().trim().to_owned()).collect()
}

/// Those that touch files of this language; what installs its tools does not.
fn building(language: &str) -> Vec<String> {
    let is_of = |line: &String| line.split([' ', '=']).any(|word| word.starts_with(&format!("{language}/")));
    readme().into_iter().filter(is_of).collect()
}

/// All that lies below, but what other languages installed.
fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap().map(Result::unwrap) {
        let (here, there) = (entry.path(), to.join(entry.file_name()));
        match entry.file_name().to_str() {
            Some("node_modules") => std::os::unix::fs::symlink(here, there).unwrap(),
            Some("bindings" | "rule.wasm" | "__pycache__") => {}
            _ if here.is_dir() => copy(&here, &there),
            _ => drop(std::fs::copy(here, there).unwrap()),
        }
    }
}

/// Builds the rule as the README says, in a copy of all it names, and runs it. One call, because compiling an interpreter takes an unoptimised program
/// minutes: its case, and as the control the same with one level wrong.
fn is_a_rule(test: &str, language: &str, tools: &[&str]) {
    let (commands, examples) = (building(language), root().join("plugins/examples"));
    assert!(
        commands.len() == tools.len() && commands.iter().zip(tools).all(|(line, tool)| line.starts_with(tool)),
        "{commands:?}"
    );
    let program = |tool: &str| if tool.contains('/') { examples.join(tool) } else { tool.into() };
    let works = |tool: &&&str| Command::new(program(tool)).arg("--version").output().is_ok_and(|out| out.status.success());
    let missing = tools.iter().find(|tool| !works(tool));
    if !peer_or_skip(test, missing.unwrap_or(&""), missing.is_none()) {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let here = folder.path().join("plugins/examples");
    copy(&examples, &here);
    copy(&root().join("wit"), &folder.path().join("wit"));
    let built = Command::new("bash").args(["-euxc", &commands.join("\n")]).current_dir(&here).output().unwrap();
    assert!(built.status.success(), "{}", String::from_utf8_lossy(&built.stderr));

    let case = here.join(language).join("cases/hot.toml");
    let text = std::fs::read_to_string(&case).unwrap();
    assert!(text.contains("60,90,hot,yellow"));
    std::fs::write(case.with_file_name("slip.toml"), text.replace("60,90,hot,yellow", "60,90,hot,blue")).unwrap();
    let output =
        Command::new(env!("CARGO_BIN_EXE_safety-brain")).args(["plugin", "test", language]).current_dir(&here).output().unwrap();
    let said = [output.stdout, output.stderr].map(|text| String::from_utf8_lossy(&text).into_owned()).concat();
    assert!(said.contains("hot: good; ") && said.contains("1 of 2 cases failed"), "{said}");
    let slip = "slip: FAILED; ";
    assert!(said.contains(slip) && said.contains("said and not expected: hot yellow from 60 to 90 s"), "{said}");
}

#[test]
fn languages_javascript_rule_runs_in_the_sandbox() {
    is_a_rule("languages_javascript_rule_runs_in_the_sandbox", "js", &["js/node_modules/.bin/componentize-js"]);
}

#[test]
fn languages_c_rule_runs_in_the_sandbox() {
    is_a_rule("languages_c_rule_runs_in_the_sandbox", "c", &["wit-bindgen", "clang"]);
}

#[test]
fn languages_python_rule_runs_in_the_sandbox() {
    is_a_rule("languages_python_rule_runs_in_the_sandbox", "python", &["componentize-py"]);
}

/// The README installs what CI runs: the same tools of the same versions, and every other command of it is one that a test above runs.
#[test]
fn languages_readme_installs_what_ci_installs() {
    let (ci, run) = (std::fs::read_to_string(root().join(".ci/run")).unwrap(), ["js", "c", "python"].map(building).concat());
    for line in readme().iter().filter(|line| !run.contains(line)) {
        let pinned = match line.split(' ').collect::<Vec<_>>()[..] {
            ["npm", "ci", "--prefix", "js"] => "npm ci --prefix plugins/examples/js".to_owned(),
            ["pip", "install", what] => what.to_owned(),
            ["cargo", "install", name, "--version", version, ..] => format!("{name} --version {version} "),
            _ => panic!("nothing runs `{line}`"),
        };
        assert!(ci.contains(&pinned), ".ci/run has no {pinned}");
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
