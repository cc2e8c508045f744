//! Compiled rules on disk, so that a start takes milliseconds. What lies here becomes machine code that nothing checks: each file bears a mark that only
//! this data directory's secret can make, over its name and its bytes. Must not know: what compiled code is.

use crate::hang::within;
use crate::key::Seal;
use anyhow::{Context, Result};
use std::fs;
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

const MARK_BYTES: usize = 32;

/// The compiled rules of one data directory.
pub struct Cache {
    dir: PathBuf,
    seal: Seal,
}

impl Cache {
    /// `<data>/cache`, made if missing, closed to everyone but our user.
    ///
    /// # Errors
    /// It cannot be made private, or its secret cannot be read.
    pub fn of(data: &Path) -> Result<Cache> {
        let dir = data.join("cache");
        let made = fs::DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(&dir)
            .and_then(|()| fs::set_permissions(&dir, fs::Permissions::from_mode(0o700)));
        made.with_context(|| {
            format!(
                "{}: cannot be made private (0700) to hold compiled rules; give the data directory to the user that runs safety-brain",
                dir.display()
            )
        })?;
        Ok(Cache { dir, seal: Seal::of(data)? })
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.join(format!("{name}.sealed"))
    }

    /// What was kept under this name. Nothing that anybody else wrote, or that was torn, moved or changed.
    pub(super) fn take(&self, name: &str) -> Option<Vec<u8>> {
        let path = self.path(name);
        let from = path.clone();
        let read = within(&format!("reading {}", path.display()), move || fs::read(from));
        // The rule is compiled where it cannot be had: that takes longer, and the plant is watched.
        let mut file = read.inspect_err(|error| tracing::warn!("{error:#}")).ok()?.ok()?;
        let mark = file.split_first_chunk::<MARK_BYTES>().map(|(mark, _)| blake3::Hash::from_bytes(*mark));
        let body = file.split_off(MARK_BYTES.min(file.len()));
        let is_ours = mark.is_some_and(|mark| self.seal.mark(name, &body) == mark);
        if !is_ours {
            tracing::warn!("{}: not what this machine wrote; the rule is compiled again", path.display());
        }
        is_ours.then_some(body)
    }

    /// Keeps it, whole or not at all.
    pub(super) fn keep(&self, name: &str, body: &[u8]) -> Result<()> {
        static TURN: AtomicU64 = AtomicU64::new(0); // two threads may write the same one
        let turn = TURN.fetch_add(1, Ordering::Relaxed);
        let path = self.path(name);
        let unfinished = path.with_extension(format!("{}-{turn}.part", std::process::id()));
        let file = [self.seal.mark(name, body).as_bytes(), body].concat();
        let to = path.clone();
        let write = move || Ok(fs::write(&unfinished, file).and_then(|()| fs::rename(&unfinished, &to))?);
        within(&format!("writing {}", path.display()), write)
            .flatten()
            .with_context(|| format!("{}: a compiled rule cannot be written", path.display()))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn only_what_this_data_directory_wrote_under_this_name_is_taken() {
        let (data, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let cache = Cache::of(data.path()).unwrap();
        cache.keep("x", b"code").unwrap();
        assert_eq!(cache.take("x").unwrap(), b"code");
        let good = fs::read(cache.path("x")).unwrap();
        let refused = |bytes: &[u8], what: &str| {
            fs::write(cache.path("x"), bytes).unwrap();
            assert_eq!(cache.take("x"), None, "{what}");
        };
        for at in 0..good.len() {
            let mut changed = good.clone();
            changed[at] ^= 1;
            refused(&changed, "one bit changed");
            refused(&good[..at], "cut");
        }
        refused(&[blake3::hash(b"code").as_bytes(), &b"code"[..]].concat(), "a checksum that anybody can make");
        let foreign = Cache::of(other.path()).unwrap();
        foreign.keep("x", b"code").unwrap();
        refused(&fs::read(foreign.path("x")).unwrap(), "written elsewhere");
        fs::write(cache.path("x"), &good).unwrap();
        assert_eq!(cache.take("x").unwrap(), b"code", "the control: the good bytes are still good");
        fs::copy(cache.path("x"), cache.path("y")).unwrap();
        assert_eq!(cache.take("y"), None, "under another name");
    }

    #[test]
    fn the_cache_is_private() {
        let data = tempfile::tempdir().unwrap();
        let cache = Cache::of(data.path()).unwrap();
        assert_eq!(fs::metadata(cache.dir).unwrap().permissions().mode() & 0o777, 0o700);
    }
}
