//! Files copied for a backup and out of one: by name, in pieces, and on disk when that is said. Must not know: which ones, and why.

use crate::cli::progress::Progress;
use crate::daemon::snapshot;
use crate::{journal, rules, store};
use anyhow::{Context, bail};
use serde::{Deserialize, Serialize};
use std::fs::File;
use std::io::{ErrorKind, Write};
use std::path::{Component, Path, PathBuf};

const CHUNK_BYTES: usize = 1 << 20;

/// A file of a backup.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Copied {
    /// Inside the folder: a folder and a name; the journal's archive is a folder in the journal's.
    pub path: PathBuf,
    /// Of the file.
    pub bytes: u64,
    /// Of the file, hex.
    pub blake3: String,
}

/// File names of a folder that end so; none where there is no folder.
pub fn names(folder: &Path, end: &str) -> anyhow::Result<Vec<String>> {
    let mut names = Vec::new();
    match std::fs::read_dir(folder) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(names),
        entries => {
            for entry in entries.with_context(|| format!("cannot list {}", folder.display()))? {
                let name = entry?.file_name().to_string_lossy().into_owned();
                names.extend(Path::new(&name).extension().is_some_and(|e| e == end).then_some(name));
            }
        }
    }
    names.sort();
    Ok(names)
}

/// Folder and name of a path in a manifest: a foreign manifest must not reach out of the target.
pub fn parts(path: &Path) -> anyhow::Result<(String, String)> {
    let parts: Vec<_> = path.components().collect();
    match parts.as_slice() {
        [Component::Normal(name)] if *name == rules::VERSIONS => Ok((String::new(), rules::VERSIONS.to_owned())),
        [Component::Normal(folder), Component::Normal(name)]
            if [journal::FOLDER, snapshot::FOLDER, snapshot::SITES, rules::KEPT].iter().any(|known| folder == known) =>
        {
            Ok((folder.to_string_lossy().into_owned(), name.to_string_lossy().into_owned()))
        }
        [Component::Normal(folder), Component::Normal(archive), Component::Normal(name)]
            if *folder == journal::FOLDER && *archive == journal::ARCHIVE =>
        {
            Ok((format!("{}/{}", journal::FOLDER, journal::ARCHIVE), name.to_string_lossy().into_owned()))
        }
        [Component::Normal(folder), Component::Normal(day), inside @ .., Component::Normal(name)]
            if *folder == store::FOLDER && *day == "day" && inside.iter().all(|part| matches!(part, Component::Normal(_))) =>
        {
            Ok((path.parent().unwrap_or(path).to_string_lossy().into_owned(), name.to_string_lossy().into_owned()))
        }
        _ => bail!("the manifest names {}, which no backup holds", path.display()),
    }
}

/// Copies one file, on disk with its name when this returns. `written`: bytes behind it are not copied, zeros stand for them. None where the
/// file went away: a snapshot replaced by a newer one.
pub fn copy(
    from: &Path,
    to: &Path,
    folder: &str,
    name: &str,
    written: Option<u64>,
    progress: &Progress,
) -> anyhow::Result<Option<Copied>> {
    let (source, folder) = (from.join(folder).join(name), PathBuf::from(folder));
    // Held open: it may be replaced meanwhile.
    let held = match File::open(&source) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        held => held.with_context(|| format!("cannot read {}", source.display()))?,
    };
    let target = to.join(&folder).join(name);
    let context = || format!("cannot copy {} to {}", source.display(), target.display());
    std::fs::create_dir_all(to.join(&folder)).with_context(context)?;
    let bytes = held.metadata().with_context(context)?.len();
    let mut file = File::create_new(&target).with_context(context)?;
    let mut hasher = blake3::Hasher::new();
    let mut put = |piece: &[u8]| -> anyhow::Result<()> {
        hasher.update(piece);
        progress.pass(piece.len() as u64);
        file.write_all(piece).with_context(context)
    };
    let copied = pieces(held, &source, written.unwrap_or(u64::MAX), &mut put)?;
    // Real zeros, as the journal makes its segments: a sparse one would make later syncs slower.
    let (zeros, mut left) = (vec![0; CHUNK_BYTES], bytes.saturating_sub(copied));
    while left > 0 {
        let size = left.min(CHUNK_BYTES as u64) as usize;
        put(&zeros[..size])?;
        left -= size as u64;
    }
    file.sync_all().with_context(context)?;
    for folder in folder.ancestors() {
        sync_folder(&to.join(folder))?;
    }
    sync_folder(&parent(to))?;
    Ok(Some(Copied { path: folder.join(name), bytes: bytes.max(copied), blake3: hasher.finalize().to_hex().to_string() }))
}

/// Reads up to `most` bytes of a file in pieces, and says how many there were. What the disk cannot read is told, and 0xff stands for it: whoever
/// checks what was read finds that it is damaged, and nothing else is lost.
pub fn pieces(file: File, path: &Path, most: u64, mut each: impl FnMut(&[u8]) -> anyhow::Result<()>) -> anyhow::Result<u64> {
    let end = file.metadata().with_context(|| format!("cannot read {}", path.display()))?.len().min(most);
    let (mut piece, mut passed, mut lost) = (vec![0; CHUNK_BYTES], 0, vec![]);
    while passed < end {
        let wanted = piece.len().min((end - passed) as usize);
        let size = journal::read_past(&file, &mut piece[..wanted], passed, &mut lost);
        if size == 0 {
            break;
        }
        each(&piece[..size])?;
        passed += size as u64;
    }
    lost.iter().for_each(|lost| eprintln!("warning: {}: {lost}", path.display()));
    Ok(passed)
}

pub fn parent(path: &Path) -> PathBuf {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent.to_owned(),
        Some(_) | None => PathBuf::from("."),
    }
}

pub fn sync_folder(folder: &Path) -> anyhow::Result<()> {
    File::open(folder).and_then(|folder| folder.sync_all()).with_context(|| format!("cannot sync {}", folder.display()))
}
