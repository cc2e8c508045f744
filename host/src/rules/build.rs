//! From a crate to a component: cargo for `wasm32-unknown-unknown`, then the component encoder. Used by `plugin build`, `demo` and tests.
//! Must not know: any site, any rule at work.

use super::{CONTRACT, Engine, Package};
use anyhow::{Context, Result, bail, ensure};
use std::ffi::OsString;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use wit_component::ComponentEncoder;

/// The only target: no operating system behind it.
const TARGET: &str = "wasm32-unknown-unknown";

/// Builds the plug-in in `crate_dir`, asks it what it is, and writes `<out_dir>/<id>-<version>.wasm` in the place of what was there. Returns that path.
///
/// # Errors
/// It does not build, or would be refused.
pub fn build_plugin(engine: &Engine, crate_dir: &Path, out_dir: &Path) -> Result<PathBuf> {
    let component = component(crate_dir)?;
    let package = Package::from_bytes(engine, &component, None).with_context(|| crate_dir.display().to_string())?;
    let d = &package.description;
    let path = out_dir.join(Package::file_name(&d.id, &d.version));
    write(&path, &component)?;
    Ok(path)
}

/// Builds the crate in `crate_dir` and makes its module a component.
///
/// # Errors
/// It does not build, or is no rule.
pub fn component(crate_dir: &Path) -> Result<Vec<u8>> {
    // What cargo takes where none is written.
    if called(crate_dir).is_some_and(|(_, version)| version == "0.0.0") {
        bail!(
            "{}: its version is missing, or 0.0.0: write `version = \"0.1.0\"` below [package]; a plant takes each version once, and none backwards",
            crate_dir.join("Cargo.toml").display()
        );
    }
    let modules = core_modules(crate_dir, &["--lib"])?;
    let [module] = modules.as_slice() else {
        bail!(
            "{}: {} WebAssembly modules came out, expected one; the crate needs `[lib] crate-type = [\"cdylib\", \"rlib\"]`",
            crate_dir.display(),
            modules.len()
        );
    };
    encode(module)
}

/// Where a crate's components go that are asked for nowhere else: beside all that cargo makes of it.
///
/// # Errors
/// There is no crate, or no cargo.
pub fn default_out(crate_dir: &Path) -> Result<PathBuf> {
    directory(&metadata(&crate_dir.join("Cargo.toml"))?, "target_directory").map(|target| target.join("rules"))
}

/// Name and version of the crate in a folder; none: there is no crate, or cargo does not say.
pub fn called(crate_dir: &Path) -> Option<(String, String)> {
    let manifest = crate_dir.join("Cargo.toml");
    let place = manifest.canonicalize().ok()?;
    let metadata = metadata(&manifest).ok()?;
    let own = |package: &&serde_json::Value| package["manifest_path"].as_str().is_some_and(|path| Path::new(path) == place);
    let package = metadata["packages"].as_array()?.iter().find(own)?;
    Some((package["name"].as_str()?.to_owned(), package["version"].as_str()?.to_owned()))
}

/// Runs cargo for what `select` names (`--lib`, `--examples`) and returns the modules it made, each with the target's file name.
pub fn core_modules(crate_dir: &Path, select: &[&str]) -> Result<Vec<PathBuf>> {
    let manifest = crate_dir.join("Cargo.toml");
    ensure!(manifest.is_file(), "{} does not exist; name the folder of a plug-in's crate", manifest.display());
    ensure_target()?;
    let metadata = metadata(&manifest)?;
    let build = || -> Result<Output> {
        let mut cargo = tool("cargo", "CARGO");
        cargo
            .args(["build", "--release", "--target", TARGET, "--message-format=json-render-diagnostics"])
            .args(select)
            .arg("--manifest-path")
            .arg(&manifest)
            // Its own folder: the cargo that runs us may hold the lock of the usual one.
            .arg("--target-dir")
            .arg(directory(&metadata, "target_directory")?.join("plugins"))
            .env("CARGO_PROFILE_RELEASE_STRIP", "debuginfo");
        if directory(&metadata, "workspace_root")?.join("Cargo.lock").is_file() {
            cargo.arg("--locked");
        }
        cargo.output().with_context(no_tool("cargo"))
    };
    let mut output = build()?;
    let stale = |output: &Output| !output.status.success() && errors_of(output).contains("--locked");
    // A version was raised: what else is locked stays as it is.
    if stale(&output) && refreshed(&manifest)? {
        output = build()?;
    }
    if !output.status.success() {
        let (place, errors) = (manifest.display(), errors_of(&output));
        // cargo's own advice is a flag that we give it.
        let remedy = match stale(&output) {
            true => format!("\nCargo.lock does not fit: run `cargo update --workspace --manifest-path {place}`, then again"),
            false => String::new(),
        };
        bail!("{place} does not build:\n{errors}{remedy}");
    }
    Ok(modules_in(&output.stdout, &manifest))
}

/// Whether the crate's own lines of its Cargo.lock could be brought up to date without the network.
fn refreshed(manifest: &Path) -> Result<bool> {
    let mut cargo = tool("cargo", "CARGO");
    cargo.args(["update", "--workspace", "--offline", "--quiet", "--manifest-path"]).arg(manifest);
    let refreshed = cargo.output().with_context(no_tool("cargo"))?.status.success();
    if refreshed {
        tracing::info!("{}: its Cargo.lock follows the version that was raised", manifest.display());
    }
    Ok(refreshed)
}

/// A core module with its embedded WIT becomes a component.
///
/// # Errors
/// It cannot be read, or is no rule.
pub fn encode(module: &Path) -> Result<Vec<u8>> {
    let bytes = std::fs::read(module).with_context(|| format!("{} cannot be read", module.display()))?;
    encode_bytes(&bytes).with_context(|| module.display().to_string())
}

/// The same of its bytes, as another language's compiler leaves them.
///
/// # Errors
/// It is no rule: the WIT is not in it, or not ours.
pub fn encode_bytes(module: &[u8]) -> Result<Vec<u8>> {
    let no_rule =
        || format!("no rule of {CONTRACT}: a module must hold its WIT as `wit-bindgen` embeds it, and export what that asks for");
    ComponentEncoder::default().validate(true).module(module).and_then(|encoder| encoder.encode()).with_context(no_rule)
}

/// Writes a file whole or not at all, in the place of what was there: who loads a rule must not see half of it.
///
/// # Errors
/// It cannot be written.
pub fn write(path: &Path, bytes: &[u8]) -> Result<()> {
    let dir = path.parent().unwrap_or(Path::new("."));
    let part = path.with_extension(format!("{}.part", std::process::id()));
    std::fs::create_dir_all(dir)
        .and_then(|()| std::fs::File::create(&part))
        .and_then(|mut file| file.write_all(bytes))
        .and_then(|()| std::fs::rename(&part, path))
        .with_context(|| format!("{} cannot be written", path.display()))
}

/// Adds the target where it is missing.
fn ensure_target() -> Result<()> {
    let output =
        tool("rustc", "RUSTC").args(["--print", "target-libdir", "--target", TARGET]).output().with_context(no_tool("rustc"))?;
    let libdir = String::from_utf8_lossy(&output.stdout);
    if output.status.success() && Path::new(libdir.trim()).is_dir() {
        return Ok(());
    }
    tracing::warn!("adding the Rust target {TARGET} (once) ...");
    let remedy = format!(
        "the Rust target {TARGET} is missing and could not be added; with network access run `rustup target add {TARGET}`, \
         or install your system's package of the Rust standard library for {TARGET}"
    );
    let added = tool("rustup", "RUSTUP").args(["target", "add", TARGET]).output().with_context(|| remedy.clone())?;
    ensure!(added.status.success(), "{remedy}:\n{}", errors_of(&added));
    Ok(())
}

fn metadata(manifest: &Path) -> Result<serde_json::Value> {
    let output = tool("cargo", "CARGO")
        .args(["metadata", "--no-deps", "--format-version", "1", "--manifest-path"])
        .arg(manifest)
        .output()
        .with_context(no_tool("cargo"))?;
    ensure!(output.status.success(), "{}", errors_of(&output));
    serde_json::from_slice(&output.stdout).context("`cargo metadata` did not answer in JSON")
}

fn directory(metadata: &serde_json::Value, key: &str) -> Result<PathBuf> {
    metadata[key].as_str().map(PathBuf::from).with_context(|| format!("`cargo metadata` did not name its {key}"))
}

/// The `.wasm` files among cargo's messages that belong to this crate.
fn modules_in(messages: &[u8], manifest: &Path) -> Vec<PathBuf> {
    let manifest = manifest.canonicalize().ok();
    let lines = String::from_utf8_lossy(messages);
    let artefacts = lines
        .lines()
        .filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok())
        .filter(|message| message["reason"] == "compiler-artifact")
        .filter(|message| message["manifest_path"].as_str().map(PathBuf::from) == manifest);
    artefacts
        .flat_map(|message| message["filenames"].as_array().cloned().unwrap_or_default())
        .filter_map(|file| file.as_str().map(PathBuf::from))
        .filter(|file| file.extension().is_some_and(|e| e == "wasm"))
        .collect()
}

/// A tool of the Rust installation: as cargo names it to its children, from PATH, or where rustup puts it.
/// Flags meant for the host's own build must not reach the guest's.
fn tool(name: &str, variable: &str) -> Command {
    let on_path = || {
        let paths = std::env::var_os("PATH").unwrap_or_default();
        std::env::split_paths(&paths).any(|dir| dir.join(name).is_file())
    };
    let program = match std::env::var_os(variable) {
        Some(program) => program,
        None if on_path() => OsString::from(name),
        None => {
            let home = std::env::home_dir().unwrap_or_default();
            home.join(".cargo/bin").join(name).into()
        }
    };
    let mut command = Command::new(program);
    for flag in ["RUSTFLAGS", "CARGO_ENCODED_RUSTFLAGS", "CARGO_BUILD_TARGET", "RUSTC_WORKSPACE_WRAPPER"] {
        command.env_remove(flag);
    }
    command
}

fn no_tool(name: &str) -> impl Fn() -> String {
    move || format!("`{name}` was not found; install Rust from https://rustup.rs and try again")
}

fn errors_of(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).trim().to_owned()
}
