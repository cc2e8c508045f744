//! `plugin new`: a folder with a rule that builds anywhere. Owns: what is in it; the SDK and the contract lie in this program.
//! Must not know: what the rule in it does.

use anyhow::{Context, Result, bail, ensure};
use std::path::Path;

/// All of `plugins/sdk`.
#[derive(rust_embed::RustEmbed)]
#[folder = "../plugins/sdk/"]
struct Sdk;

/// The SDK finds the contract two folders above its own.
const SDK: &str = "safety-brain/sdk";
/// What names of the workspace stand for in the SDK's manifest.
const WORKSPACE: &str = include_str!("../../../../Cargo.toml");
const WIT: &str = include_str!("../../../../wit/rule/rule.wit");
/// What the template's files say in the places of the rule's own name.
const NAMES: [(&str, &str); 3] =
    [("\"hot-room\", \"1.0.0\"", "\"NAME\", env!(\"CARGO_PKG_VERSION\")"), ("my-rule", "NAME"), ("my_rule", "CRATE")];

/// The packages that a rule was built of when this program was tested, as cargo wrote them for the template.
const LOCK: &str = include_str!("template/Cargo.lock");

/// Names that cargo or the compiler takes for no crate: the words of Rust, and its own crates.
#[rustfmt::skip]
const NO_CRATES: &[&str] = &[
    "abstract", "as", "async", "await", "become", "box", "break", "const", "continue", "crate", "do", "dyn", "else", "enum", "extern", "false",
    "final", "fn", "for", "gen", "if", "impl", "in", "let", "loop", "macro", "match", "mod", "move", "mut", "override", "priv", "pub", "ref", "return",
    "self", "static", "struct", "super", "trait", "true", "try", "type", "typeof", "unsafe", "unsized", "use", "virtual", "where", "while", "yield",
    "alloc", "core", "std", "proc-macro", "test", "build", "deps", "examples", "incremental",
];
/// Lies in the folder already.
const SDK_CRATE: &str = "safety-brain-sdk";

/// The rule is the SDK's own smallest one, with its cases.
const TEMPLATE: &[(&str, &str)] = &[
    ("Cargo.toml", include_str!("template/Cargo.toml")),
    ("README.md", include_str!("template/README.md")),
    (".gitignore", "target/\n*.key\n"),
    ("src/lib.rs", include_str!("../../../../plugins/sdk/tests/smallest/rule.rs")),
    ("cases/votes.toml", include_str!("../../../../plugins/sdk/tests/smallest/cases/votes.toml")),
    ("backtest/site.toml", include_str!("template/backtest/site.toml")),
    ("backtest/day.csv", include_str!("template/backtest/day.csv")),
    ("tests/cases.rs", include_str!("template/tests/cases.rs")),
];

pub(super) fn run(dir: &Path) -> Result<()> {
    let name = &name_of(dir)?;
    if let Some(file) = dir.ancestors().find(|folder| folder.exists() && !folder.is_dir()) {
        bail!("{} is a file, and no folder can be made in it or in its place: give another name", file.display());
    }
    let is_empty = std::fs::read_dir(dir).map_or(!dir.exists(), |mut entries| entries.next().is_none());
    ensure!(is_empty, "{} exists and is not an empty folder; nothing is written over: give another name", dir.display());
    if let Err(error) = fill(dir, name) {
        // It was empty: the next try finds it so.
        let _ = std::fs::remove_dir_all(dir);
        return Err(error);
    }
    let same = dir.file_name().is_some_and(|folder| folder.to_str() == Some(name));
    let so = if same { "" } else { ", as a rule's name has only a to z, 0 to 9 and `-`" };
    println!("{}: made, with the rule {name}{so}; next: safety-brain plugin test {}", dir.display(), quoted(dir));
    Ok(())
}

/// All files of the rule and of what it is built from.
fn fill(dir: &Path, name: &str) -> Result<()> {
    for (path, text) in TEMPLATE {
        let named = NAMES.iter().fold((*text).to_owned(), |text, (from, to)| text.replace(from, to));
        write(&dir.join(path), named.replace("NAME", name).replace("CRATE", &name.replace('-', "_")).as_bytes())?;
    }
    if let Some(lock) = lock(name) {
        write(&dir.join("Cargo.lock"), lock.as_bytes())?;
    }
    for path in Sdk::iter() {
        let file = Sdk::get(&path).with_context(|| format!("the SDK's {path} is not in this program"))?;
        let text = std::str::from_utf8(&file.data)?;
        let text = if path == "Cargo.toml" { on_its_own(text, WORKSPACE)? } else { text.to_owned() };
        write(&dir.join(SDK).join(&*path), text.as_bytes())?;
    }
    write(&dir.join("wit/rule/rule.wit"), WIT.as_bytes())
}

/// [`LOCK`] for a rule of this name, its packages in the order in which cargo writes them. None where one of them has that name: cargo would have to tell
/// the two apart, and makes its own.
fn lock(name: &str) -> Option<String> {
    let mut parts = LOCK.split("[[package]]\n").map(str::trim_end);
    let head = parts.next()?;
    let (own, mut packages): (Vec<&str>, Vec<&str>) = parts.partition(|package| package.starts_with("name = \"my-rule\"\n"));
    let own = own.first()?.replace("my-rule", name);
    let called = own.lines().next()?;
    if packages.iter().any(|package| package.lines().next() == Some(called)) {
        return None;
    }
    packages.push(&own);
    packages.sort_unstable();
    Some(packages.into_iter().fold(format!("{head}\n"), |text, package| text + "\n[[package]]\n" + package + "\n"))
}

/// The folder's name as a rule may bear it: `Hot_Room` becomes `hot-room`.
fn name_of(dir: &Path) -> Result<String> {
    let whole = std::path::absolute(dir)?;
    let shown = whole.file_name().unwrap_or_default();
    ensure!(
        !shown.to_string_lossy().starts_with('-') && shown.to_str().is_some(),
        "{}: a folder whose name begins with `-` or is no text is taken for something else by other commands; give another name, for example hot-room",
        dir.display()
    );
    let folder = shown.to_string_lossy().to_ascii_lowercase();
    let words: Vec<&str> = folder.split(|c: char| !c.is_ascii_alphanumeric()).filter(|word| !word.is_empty()).collect();
    let name = words.join("-");
    ensure!(
        name.starts_with(|c: char| c.is_ascii_lowercase()) && name.len() <= 40,
        "{}: the folder's name becomes that of the rule: a letter of a to z first, 40 letters and digits at most, for example hot-room",
        dir.display()
    );
    ensure!(name != SDK_CRATE, "{}: {SDK_CRATE} is the SDK's own crate; give another name, for example hot-room", dir.display());
    ensure!(
        !NO_CRATES.contains(&name.as_str()),
        "{}: the folder's name becomes that of a crate, and Rust keeps `{name}` for itself; give another name, for example {name}-room",
        dir.display()
    );
    Ok(name)
}

/// As a shell takes it for one word.
fn quoted(path: &Path) -> String {
    let text = path.display().to_string();
    let is_plain = text.chars().all(|c| c.is_alphanumeric() || "/._-~".contains(c));
    if is_plain { text } else { format!("'{}'", text.replace('\'', "'\\''")) }
}

fn write(path: &Path, bytes: &[u8]) -> Result<()> {
    let folder = path.parent().unwrap_or(Path::new("."));
    std::fs::create_dir_all(folder)
        .and_then(|()| std::fs::write(path, bytes))
        .with_context(|| format!("{} cannot be written", path.display()))
}

/// A manifest of the workspace without what it inherits: each `name.workspace = true` becomes what the workspace says under that name.
fn on_its_own(manifest: &str, workspace: &str) -> Result<String> {
    let mut out = String::new();
    let mut section = String::new();
    for line in manifest.lines() {
        if line.starts_with('[') {
            section = line.trim_matches(['[', ']']).to_owned();
        }
        // Lints are for those who change the SDK.
        if section == "lints" {
            continue;
        }
        let of = if section == "package" { "[workspace.package]" } else { "[workspace.dependencies]" };
        let inherited = line.strip_suffix(".workspace = true").map(|name| (name, ""));
        let extended = line.split_once(" = { workspace = true, ").map(|(name, rest)| (name, rest.trim_end_matches(" }")));
        let Some((name, more)) = inherited.or(extended) else {
            out += &format!("{line}\n");
            continue;
        };
        let value = named(workspace, of, name).with_context(|| format!("{of} has no {name}"))?;
        out += &match (more, value.strip_prefix("{ ").and_then(|inner| inner.strip_suffix(" }"))) {
            ("", _) => format!("{name} = {value}\n"),
            (more, Some(inner)) => format!("{name} = {{ {inner}, {more} }}\n"),
            (more, None) => format!("{name} = {{ version = {value}, {more} }}\n"),
        };
    }
    if out.contains("workspace") {
        bail!("the SDK's manifest inherits something in a way that is not known here");
    }
    Ok(out)
}

fn named<'t>(text: &'t str, section: &str, name: &str) -> Option<&'t str> {
    let lines = text.lines().skip_while(|line| *line != section).skip(1).take_while(|line| !line.starts_with('['));
    lines.filter_map(|line| line.split_once(" = ")).find(|(key, _)| *key == name).map(|(_, value)| value)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn what_the_sdk_inherits_is_written_out() {
        let workspace = "[workspace.package]\nedition = \"2024\"\n[workspace.dependencies]\na = \"1\"\nb = { version = \"2\", features = [\"x\"] }\n[lints]\na = 7\n";
        let manifest = "[package]\nname = \"s\"\nedition.workspace = true\n\n[dependencies]\na.workspace = true\nb = { workspace = true, optional = true }\n\n[lints]\nworkspace = true\n";
        let alone = on_its_own(manifest, workspace).unwrap();
        let expected = "[package]\nname = \"s\"\nedition = \"2024\"\n\n[dependencies]\na = \"1\"\nb = { version = \"2\", features = [\"x\"], optional = true }\n\n";
        assert_eq!(alone, expected);
        assert!(on_its_own("[dependencies]\nc.workspace = true\n", workspace).is_err());
        assert!(on_its_own("[dependencies]\na = {workspace = true}\n", workspace).is_err());
        on_its_own(std::str::from_utf8(&Sdk::get("Cargo.toml").unwrap().data).unwrap(), WORKSPACE).unwrap();
    }

    #[test]
    fn a_rule_is_locked_to_the_packages_that_were_tested() {
        assert_eq!(lock("my-rule").unwrap(), LOCK, "as cargo wrote it");
        let packages =
            |text: &str| text.split("[[package]]\n").skip(1).map(|p| p.lines().take(2).collect::<String>()).collect::<Vec<_>>();
        let (tested, ours) = (packages(include_str!("../../../../Cargo.lock")), packages(&lock("aa-hall").unwrap()));
        assert!(ours.len() > 40 && ours[0] == "name = \"aa-hall\"version = \"0.1.0\"", "{ours:?}");
        for one in &ours[1..] {
            assert!(
                tested.contains(one),
                "{one} is not in the Cargo.lock of the workspace: `plugin new X/my-rule`, copy that Cargo.lock into it, there \
                 `cargo update --workspace`, and copy the Cargo.lock that is left to host/src/cli/plugin/template"
            );
        }
        assert_eq!(lock("anyhow"), None, "a package has that name");
    }

    #[test]
    fn a_name_is_one_that_a_crate_may_have() {
        assert_eq!(name_of(Path::new("/x/Hot_Room")).unwrap(), "hot-room");
        for bad in ["test", "Loop", "std", "1st", "火"] {
            let why = name_of(&Path::new("/x").join(bad)).unwrap_err().to_string();
            assert!(why.contains("the folder's name becomes") && why.contains("for example"), "{why}");
        }
    }

    #[test]
    fn a_name_that_other_commands_misread_is_refused() {
        use std::os::unix::ffi::OsStrExt;
        let no_text = std::ffi::OsStr::from_bytes(b"bad\xffname");
        for bad in [Path::new("-x"), Path::new(no_text), Path::new("a/-hall")] {
            let why = name_of(bad).unwrap_err().to_string();
            assert!(why.contains("begins with `-` or is no text") && why.contains("give another name"), "{why}");
        }
        let why = name_of(Path::new("safety-brain-sdk")).unwrap_err().to_string();
        assert!(why.contains("is the SDK's own crate"), "{why}");
    }

    #[test]
    fn a_path_with_blanks_is_quoted() {
        assert_eq!(quoted(Path::new("a/hot-room")), "a/hot-room");
        assert_eq!(quoted(Path::new("my rule's")), r"'my rule'\''s'");
    }
}
