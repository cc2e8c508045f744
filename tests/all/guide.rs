//! The vendor's guide, followed word for word from an empty folder: every command of `plugins/README.md` runs, and the Chinese one has the same commands.
//! Must not know: what any command does.

use crate::process::root;
use std::path::Path;
use std::process::{Command, Output};

/// The commands of the guide, without their comments.
fn commands(file: &str) -> Vec<String> {
    let text = std::fs::read_to_string(root().join("plugins").join(file)).unwrap();
    let blocks = text.split("```sh\n").skip(1).map(|rest| rest.split("```").next().unwrap());
    blocks.flat_map(str::lines).map(|line| line.split(" #").next().unwrap().trim().to_owned()).collect()
}

fn followed(folder: &Path, commands: &[String]) -> Output {
    let program = Path::new(env!("CARGO_BIN_EXE_safety-brain")).parent().unwrap();
    let path = format!("{}:{}", program.display(), std::env::var("PATH").unwrap_or_default());
    let target = Path::new(env!("CARGO_TARGET_TMPDIR")).join("vendor");
    let mut shell = Command::new("bash");
    shell.args(["-euxc", &commands.join("\n")]).current_dir(folder).env("PATH", path).env("CARGO_TARGET_DIR", target);
    shell.output().unwrap()
}

#[test]
fn guide_is_followed_word_for_word() {
    let guide = commands("README.md");
    assert!(guide.len() >= 10 && guide.iter().any(|line| line.starts_with("safety-brain plugin sign")), "{guide:?}");
    assert_eq!(guide, commands("README.zh-CN.md"));
    let folder = tempfile::tempdir().unwrap();
    let output = followed(folder.path(), &guide);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(said.contains("1 case, all good") && said.contains("hot-hall@0.1.0"), "{said}");
    assert!(folder.path().join("hot-hall/hot-hall-0.1.0.sbrule").is_file());
}

/// The control: a guide with a slip in it is told.
#[test]
fn guide_control_a_wrong_command_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let output = followed(folder.path(), &["safety-brain plugin nwe hot-hall".to_owned(), "true".to_owned()]);
    assert_eq!(output.status.code(), Some(2));
}
