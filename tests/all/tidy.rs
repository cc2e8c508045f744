//! The layer rules of ARCHITECTURE.md as a test: who may name whom, one home per outside crate, module docs, file length.
//! Reads source text only; must not know what any of it does.

use crate::process::root;
use std::fs;
use std::path::PathBuf;

/// A module of the host, and the siblings or upper layers it must never name.
const LAYERS: &[(&str, &[&str])] = &[
    ("links", &["rules", "journal", "store", "notices", "console", "supervisor", "daemon", "cli", "demo"]),
    ("rules", &["links", "journal", "store", "notices", "console", "supervisor", "daemon", "cli", "demo"]),
    ("journal", &["links", "rules", "store", "notices", "console", "supervisor", "daemon", "cli", "demo"]),
    ("store", &["links", "rules", "journal", "notices", "console", "supervisor", "daemon", "cli", "demo"]),
    ("notices", &["links", "rules", "journal", "store", "console", "supervisor", "daemon", "cli", "demo"]),
    ("console", &["links", "rules", "journal", "store", "notices", "supervisor", "daemon", "cli", "demo"]),
    ("supervisor", &["links", "rules", "journal", "store", "notices", "console", "daemon", "cli", "demo"]),
    ("config", &["links", "rules", "journal", "store", "notices", "console", "supervisor", "daemon", "cli", "demo"]),
    ("words", &["links", "rules", "journal", "store", "notices", "console", "supervisor", "daemon", "cli", "demo", "config"]),
    (
        "performance",
        &["links", "rules", "journal", "store", "notices", "console", "supervisor", "daemon", "cli", "demo", "config"],
    ),
    ("daemon", &["cli", "demo"]),
    (
        "key",
        &["links", "rules", "journal", "store", "notices", "console", "supervisor", "daemon", "cli", "demo", "config", "words"],
    ),
    ("demo", &["cli", "daemon", "links", "rules", "journal", "store", "console", "supervisor"]),
];

/// An outside crate and the only places whose source may name it.
const HOMES: &[(&str, &[&str])] = &[
    ("rumqttc", &["host/src/links", "host/src/notices/channels", "host/src/demo", "tests"]),
    ("lettre", &["host/src/notices/channels"]),
    ("async_nats", &["host/src/notices/channels"]),
    ("rumqttd", &["host/src/demo"]),
    ("tokio_modbus", &["host/src/links", "host/src/notices/channels", "host/src/demo", "tests"]),
    ("wasmtime", &["host/src/rules", "tests/all/hostile"]),
    ("sled", &["host/src/store"]),
    ("axum", &["host/src/console", "host/src/demo", "tests"]),
    ("toml", &["host/src/config", "plugins/sdk/src/cases", "tests"]),
    ("url", &["host/src/config"]),
    ("quick_xml", &["host/src/notices"]),
    ("reqwest", &["host/src/notices", "host/src/cli/plugin/running.rs", "host/src/demo", "tests"]),
    ("indicatif", &["host/src/cli/progress.rs"]),
    ("ring", &["host/src/key"]),
    ("rcgen", &["host/src/key", "tests", "host/src/notices/deliver/tests"]),
    ("x509_parser", &["host/src/key"]),
];

/// Words that must not stand in any source file, and why.
const BANNED: &[(&str, &str, &[&str])] = &[
    ("Config::tmp(", "sled's temporary databases pull in an unsafe directory removal", &[]),
    ("unbounded_channel", "every queue has a bound", &[]),
    ("Request::Write", "field buses are read only", &["host/src/demo"]),
    (
        "write_single_",
        "field buses are read only; an annunciator writes one listed coil",
        &["host/src/demo", "host/src/notices/channels/annunciator.rs"],
    ),
    ("write_multiple_", "field buses are read only", &["host/src/demo"]),
    ("todo!(", "finish it or name the gap", &[]),
    ("#[ignore", "a skipped test is worse than none", &[]),
];

const LINES_MAX: usize = 600;

fn sources() -> Vec<(String, String)> {
    let mut found = Vec::new();
    let mut folders: Vec<PathBuf> = ["host", "plugins", "tests"].iter().map(|d| root().join(d)).collect();
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            if path.is_dir() && name != "target" && name != "node_modules" {
                folders.push(path);
            } else if name.ends_with(".rs") {
                let relative = path.strip_prefix(root()).unwrap().to_string_lossy().replace('\\', "/");
                found.push((relative, fs::read_to_string(&path).unwrap()));
            }
        }
    }
    found.sort();
    assert!(found.len() > 20, "the walk found only {} files: it looks in the wrong place", found.len());
    found
}

/// Code without comments: a doc text may name anything.
fn code(text: &str) -> String {
    text.lines().filter(|line| !line.trim_start().starts_with("//")).collect::<Vec<_>>().join("\n")
}

fn names(code: &str, module: &str) -> bool {
    code.contains(&format!("crate::{module}::"))
        || code.contains(&format!("use crate::{module};"))
        || code.contains(&format!("crate::{{{module}::"))
}

#[test]
fn tidy_layers() {
    let mut faults = Vec::new();
    for (file, text) in sources() {
        let Some(inside) = file.strip_prefix("host/src/") else { continue };
        let module = inside.split(['/', '.']).next().unwrap();
        let code = code(&text);
        for (layer, forbidden) in LAYERS {
            for other in forbidden.iter().filter(|_| *layer == module) {
                if names(&code, other) {
                    faults.push(format!("{file} names crate::{other}; {layer} must not know it"));
                }
            }
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

#[test]
fn tidy_one_home_per_crate() {
    let mut faults = Vec::new();
    for (file, text) in sources() {
        let code = code(&text);
        for (name, homes) in HOMES {
            let used = code.contains(&format!("use {name}::"))
                || code.contains(&format!(" {name}::"))
                || code.contains(&format!("({name}::"));
            if used && !homes.iter().any(|home| file.starts_with(home)) {
                faults.push(format!("{file} uses {name}; its home is {}", homes.join(" or ")));
            }
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

#[test]
fn tidy_files() {
    let mut faults = Vec::new();
    for (file, text) in sources() {
        if !text.starts_with("//!") {
            faults.push(format!("{file} does not open with //!: say what it owns and what it must not know"));
        }
        if text.lines().count() > LINES_MAX {
            faults.push(format!("{file} has {} lines; cut it below {LINES_MAX}", text.lines().count()));
        }
        if file == "tests/all/tidy.rs" {
            continue;
        }
        for (word, why, except) in BANNED {
            if code(&text).contains(word) && !except.iter().any(|home| file.starts_with(home)) {
                faults.push(format!("{file} holds `{word}`: {why}"));
            }
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

#[test]
fn tidy_brain_is_pure() {
    let manifest = fs::read_to_string(root().join("host/brain/Cargo.toml")).unwrap();
    let dependencies = manifest.split("[dependencies]").nth(1).unwrap().split('[').next().unwrap();
    let mut found: Vec<&str> =
        dependencies.lines().filter_map(|line| line.split(['.', ' ', '=']).next()).filter(|name| !name.is_empty()).collect();
    found.sort_unstable();
    assert_eq!(found, ["serde", "thiserror"], "the brain depends on nothing else");
    for (file, text) in sources() {
        if file.starts_with("host/brain/src") {
            let code = code(&text);
            for word in [
                "std::fs",
                "std::net",
                "std::thread",
                "std::time::Instant",
                "SystemTime",
                "println!",
                "HashMap",
                "tokio",
                "tracing",
            ] {
                assert!(!code.contains(word), "{file} holds {word}: the brain is pure and its order is fixed");
            }
        }
    }
}

#[test]
fn tidy_translations_have_one_key_set() {
    let read = |name: &str| -> std::collections::BTreeMap<String, String> {
        serde_json::from_str(&fs::read_to_string(root().join("host/web/i18n").join(name)).unwrap()).unwrap()
    };
    let (zh, en) = (read("zh-CN.json"), read("en.json"));
    let only: Vec<_> = zh.keys().filter(|k| !en.contains_key(*k)).chain(en.keys().filter(|k| !zh.contains_key(*k))).collect();
    assert!(only.is_empty(), "keys in one language only: {only:?}");
    let everything: String = sources().into_iter().map(|(_, text)| text).collect::<String>() + &web();
    let unused: Vec<_> = zh.keys().filter(|key| !used(&everything, key)).collect();
    assert!(unused.is_empty(), "keys that nothing uses: {unused:?}");
    let empty: Vec<_> = zh.iter().chain(&en).filter(|(_, text)| text.trim().is_empty()).map(|(key, _)| key).collect();
    assert!(empty.is_empty(), "keys without text: {empty:?}");
}

/// A key is used where it stands whole, or where its family (`quality.`) is put together with words. The pages' own family `ui.` is everywhere:
/// there the words must stand somewhere too.
fn used(everything: &str, key: &str) -> bool {
    let put_together = |at: usize| {
        let (family, rest) = key.split_at(at + 1);
        let stands = everything.contains(&format!("\"{family}")) || everything.contains(&format!("`{family}"));
        stands && (family != "ui." || everything.contains(&format!("\"{rest}\"")))
    };
    everything.contains(&format!("\"{key}\"")) || key.match_indices('.').any(|(at, _)| put_together(at))
}

fn web() -> String {
    let mut text = String::new();
    let mut folders = vec![root().join("host/web")];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() && !path.ends_with("vendor") {
                folders.push(path);
            } else if path.extension().is_some_and(|e| e == "js") {
                text += &fs::read_to_string(&path).unwrap();
            }
        }
    }
    text
}
