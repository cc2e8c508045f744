//! A file that a command makes: whole or not at all, and never in the place of another. Must not know: what is in it.

use anyhow::{Context, ensure};
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};

/// Beside the file to be written there is room for large ones.
pub(super) fn beside(out: &Path) -> PathBuf {
    let name = out.file_name().unwrap_or_default().to_string_lossy();
    out.with_file_name(format!(".{name}.{}", std::process::id()))
}

/// Nothing is written over. To be asked before the work; `option`: by which `out` was named.
///
/// # Errors
/// Something has that name, or nothing can be written beside it.
pub(super) fn free(out: &Path, option: &str) -> anyhow::Result<()> {
    let is_free = out.symlink_metadata().is_err_and(|error| error.kind() == ErrorKind::NotFound);
    ensure!(is_free, "{} exists already and is not written over: give another name with {option}", out.display());
    let folder = out.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    ensure!(folder.is_dir(), "there is no folder {} to write {} into: make it first", folder.display(), out.display());
    let trial = beside(out);
    std::fs::File::create_new(&trial)
        .and_then(|_| std::fs::remove_file(&trial))
        .with_context(|| format!("cannot write {}: nothing can be made in {}", out.display(), folder.display()))
}

/// Whole or not at all, also if two do it at once: written beside, synced, and given its name, which nobody else may have taken meanwhile.
///
/// # Errors
/// The system's, with the name.
pub(super) fn write(out: &Path, bytes: &[u8]) -> anyhow::Result<()> {
    let making = beside(out);
    let write = || {
        let mut file = std::fs::File::create_new(&making)?;
        file.write_all(bytes).and_then(|()| file.sync_all())?;
        match std::fs::hard_link(&making, out) {
            Err(error) if error.kind() != ErrorKind::AlreadyExists => {
                // A stick knows one name for each file: the name is taken first, and the file put in its place.
                std::fs::File::create_new(out)?;
                std::fs::copy(&making, out)?;
                std::fs::File::open(out)?.sync_all()
            }
            linked => linked,
        }
    };
    let written = write();
    let removed = std::fs::remove_file(&making);
    written.and(removed).with_context(|| format!("cannot write {}", out.display()))
}
