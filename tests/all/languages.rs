//! The same contract from other languages: the rules of `plugins/examples`, built by the very commands of its README with the public toolchains and run by
//! `safety-brain plugin test`, without one WASI import. Where a toolchain is missing the test says so; with `CI=true` that is a failure.

use crate::process::{peer_or_skip, root};
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
