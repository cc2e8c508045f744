//! The data directory that a restore makes: found, made inside it out of sight, put in place at the end, and taken away again where that fails.
//! Must not know: what is restored.
//!
//! What is made lies in [`HALF`] inside the directory, as that may be a mount point, which nothing can take the place of. While [`HALF`] is there no
//! restore and no daemon uses the directory.

use super::files::{parent, sync_folder};
use crate::restored::HALF;
use anyhow::{Context, bail, ensure};
use std::ffi::OsString;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

/// What a file system makes of itself in its topmost folder.
pub const OF_THE_SYSTEM: &str = "lost+found";

/// The folder that is meant: where a link leads, and by its whole name.
///
/// # Errors
/// It is a link that leads nowhere, or no folder.
pub fn meant(data: &Path) -> anyhow::Result<PathBuf> {
    match data.canonicalize() {
        Ok(whole) => {
            ensure!(whole.is_dir(), "{} is not a folder: give one that does not exist, or is empty", data.display());
            Ok(whole)
        }
        Err(error) if error.kind() == ErrorKind::NotFound => {
            ensure!(
                data.symlink_metadata().is_err(),
                "{} is a link to a folder that does not exist: make that folder first, or give another",
                data.display()
            );
            Ok(std::path::absolute(data)?)
        }
        Err(error) => Err(error).with_context(|| format!("cannot use {}", data.display())),
    }
}

/// A data directory being made.
pub struct Place {
    data: PathBuf,
    /// Where it is made.
    pub half: PathBuf,
    /// The directory was not there before.
    is_new: bool,
    /// What is in its place already.
    placed: Vec<OsString>,
}

impl Place {
    /// Begins. The directory is empty, or not there.
    ///
    /// # Errors
    /// Another restore is under way there, something is in it, or it cannot be made: nothing of this one is left.
    pub fn begin(data: &Path) -> anyhow::Result<Place> {
        let (half, is_new) = (data.join(HALF), !data.exists());
        let place = Place { data: data.to_owned(), half, is_new, placed: vec![] };
        match std::fs::create_dir_all(data).and_then(|()| std::fs::create_dir(&place.half)) {
            Ok(()) => {}
            Err(error) if error.kind() == ErrorKind::AlreadyExists => bail!("{}", crate::restored::half_made(data)),
            Err(error) => {
                if is_new {
                    drop(std::fs::remove_dir(data));
                }
                return Err(error).with_context(|| format!("cannot make {}", place.half.display()));
            }
        }
        // Another one may have ended meanwhile.
        match others(data) {
            Ok(others) if others.is_empty() => Ok(place),
            found => {
                drop(std::fs::remove_dir(&place.half));
                bail!("{} holds something already: {:?}", data.display(), found?)
            }
        }
    }

    /// Puts what was made in place.
    ///
    /// # Errors
    /// The file system does not.
    pub fn put(&mut self) -> anyhow::Result<()> {
        let context = || format!("cannot put {} in place in {}", self.half.display(), self.data.display());
        let mut names = vec![];
        for entry in std::fs::read_dir(&self.half).with_context(context)? {
            names.push(entry.with_context(context)?.file_name());
        }
        for name in names {
            std::fs::rename(self.half.join(&name), self.data.join(&name)).with_context(context)?;
            self.placed.push(name);
        }
        sync_folder(&self.data)?;
        std::fs::remove_dir(&self.half).with_context(context)?;
        sync_folder(&self.data)?;
        sync_folder(&parent(&self.data))
    }

    /// Takes away all that was made, and says what is left.
    pub fn undo(self) -> String {
        let mut left = vec![];
        // While the folder of what is half made is there, nobody uses the rest.
        for path in self.placed.iter().map(|name| self.data.join(name)).chain([self.half.clone()]) {
            let removed = if path.is_dir() { std::fs::remove_dir_all(&path) } else { std::fs::remove_file(&path) };
            match removed {
                Err(error) if error.kind() != ErrorKind::NotFound => left.push(format!("{} ({error})", path.display())),
                Ok(()) | Err(_) => {}
            }
        }
        if self.is_new && left.is_empty() {
            drop(std::fs::remove_dir(&self.data));
        }
        match left.is_empty() {
            true => "not restored, and nothing is left of it".to_owned(),
            false => format!("not restored; what is left of it could not be removed, remove it: {}", left.join(", ")),
        }
    }
}

/// What is in the directory beside that of the file system and ours.
fn others(data: &Path) -> anyhow::Result<Vec<OsString>> {
    let context = || format!("cannot list {}", data.display());
    let mut names = vec![];
    for entry in std::fs::read_dir(data).with_context(context)? {
        names.push(entry.with_context(context)?.file_name());
    }
    names.retain(|name| name != HALF && name != OF_THE_SYSTEM);
    Ok(names)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn what_is_meant_is_found_behind_links_and_points() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().canonicalize().unwrap();
        let (data, link, nowhere) = (root.join("data"), root.join("link"), root.join("nowhere"));
        std::fs::create_dir(&data).unwrap();
        std::os::unix::fs::symlink(&data, &link).unwrap();
        std::os::unix::fs::symlink(root.join("gone"), &nowhere).unwrap();
        assert_eq!((meant(&link).unwrap(), meant(&data.join(".")).unwrap()), (data.clone(), data));
        assert_eq!(meant(&root.join("new")).unwrap(), root.join("new"));
        assert!(meant(&nowhere).unwrap_err().to_string().contains("a link to a folder that does not exist"));
    }

    #[test]
    fn what_is_put_in_place_halfway_is_refused_and_taken_away() {
        let folder = tempfile::tempdir().unwrap();
        let data = folder.path().join("data");
        std::fs::create_dir_all(data.join(OF_THE_SYSTEM)).unwrap();
        let mut place = Place::begin(&data).unwrap();
        for name in ["a", "b"] {
            std::fs::create_dir(place.half.join(name)).unwrap();
        }
        // As a crash leaves it between two names.
        std::fs::rename(place.half.join("a"), data.join("a")).unwrap();
        place.placed.push("a".into());
        assert!(Place::begin(&data).err().unwrap().to_string().contains("cut short"));
        assert!(crate::restored::whole(&data).unwrap_err().to_string().contains("cut short"));
        assert!(place.undo().contains("nothing is left"));
        assert_eq!(std::fs::read_dir(&data).unwrap().count(), 1, "what is the file system's stays");
        let mut place = Place::begin(&data).unwrap();
        std::fs::create_dir(place.half.join("a")).unwrap();
        place.put().unwrap();
        crate::restored::whole(&data).unwrap();
        assert!(data.join("a").exists() && !data.join(HALF).exists());
        assert!(Place::begin(&data).err().unwrap().to_string().contains("holds something already"));
        assert!(!data.join(HALF).exists());
    }
}
