//! What a `plugin` command works on: a crate, a component or a bundle, opened as a plant would open it.
//! Must not know: what is done with it.

use crate::rules::{self, Engine, Package, build, bundle};
use anyhow::{Context, Result, bail, ensure};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// A component at hand, checked.
pub(in crate::cli) struct Subject {
    /// What was opened.
    pub(in crate::cli) path: PathBuf,
    /// Its bytes: a component, or a bundle.
    pub(in crate::cli) bytes: Vec<u8>,
    pub(in crate::cli) component: Vec<u8>,
    /// Of a bundle, whose signature fits the key it names. Whether to believe that key is for a site to say.
    pub(in crate::cli) signed: Option<bundle::Manifest>,
    pub(in crate::cli) package: Arc<Package>,
}

impl Subject {
    /// A folder of a crate is built first, so that nothing stale is looked at; another folder holds one component.
    pub(in crate::cli) fn open(engine: &Engine, path: &Path) -> Result<Subject> {
        ensure!(
            path.exists(),
            "{} does not exist: name the folder of a rule's crate, a component (.wasm) or a bundle (.{}); `safety-brain plugin new` makes a rule",
            path.display(),
            bundle::EXTENSION
        );
        let (path, bytes) = match path.is_dir() {
            true if path.join("Cargo.toml").is_file() => {
                crate::cli::say(format_args!("building rule {} ...", path.display()));
                (path.to_owned(), build::component(path)?)
            }
            true => {
                let file = only_component(path)?;
                (file.clone(), rules::read(&file)?)
            }
            false => (path.to_owned(), rules::read(path)?),
        };
        Self::of(engine, &path, bytes).with_context(|| path.display().to_string())
    }

    fn of(engine: &Engine, path: &Path, bytes: Vec<u8>) -> Result<Subject> {
        // As the linker of another language leaves it.
        let bytes = if wasmparser::Parser::is_core_wasm(&bytes) { build::encode_bytes(&bytes)? } else { bytes };
        let (component, signed) = match bundle::is_one(path, &bytes) {
            true => {
                let read = bundle::Bundle::read(&bytes)?;
                read.verify(&read.manifest.publisher)?;
                (read.component.to_vec(), Some(read.manifest))
            }
            false => (bytes.clone(), None),
        };
        let package = Package::from_bytes(engine, &component, None)?;
        if let Some(differs) = signed.as_ref().and_then(|manifest| manifest.differs(&package)) {
            bail!("{differs}: sign it again with `safety-brain plugin sign`");
        }
        Ok(Subject { path: path.to_owned(), bytes, component, signed, package: Arc::new(package) })
    }
}

fn only_component(folder: &Path) -> Result<PathBuf> {
    let entries = std::fs::read_dir(folder).with_context(|| format!("{} cannot be read", folder.display()))?;
    let paths = entries.map(|entry| entry.map(|entry| entry.path())).collect::<std::io::Result<Vec<_>>>()?;
    let components: Vec<PathBuf> =
        paths.into_iter().filter(|path| path.extension().is_some_and(|ending| ending == "wasm")).collect();
    let count = components.len();
    ensure!(
        count == 1,
        "{}: this is no rule's folder: it holds no Cargo.toml and {count} components (.wasm); name the folder of a crate, or one file; \
         `safety-brain plugin new` makes a rule",
        folder.display()
    );
    Ok(components.into_iter().next().unwrap_or_default())
}
