//! A data directory that came out of a backup, until something new is on record in it: what its plant or bureau said after the backup was made is not
//! known there, so no number above the backup's may be given again. Must not know: how a backup is made, what the numbers are for.

use anyhow::{Context, bail};
use brain::Micros;
use std::fs::File;
use std::io::Write;
use std::path::Path;

/// Holds the number of the last record that came out of the backup.
const FILE: &str = "restored";
/// Folder in the data directory in which a restore makes what it puts in place at the end.
pub const HALF: &str = ".restoring";
/// More than a start puts on record before it says from where it numbers: one that a crash ends there has numbered nothing yet.
const BEFORE_START_MAX: u64 = 16;

/// Says so of this directory.
///
/// # Errors
/// It cannot be written.
pub fn mark(data: &Path, through: u64) -> anyhow::Result<()> {
    let path = data.join(FILE);
    let write = || {
        let mut file = File::create(&path)?;
        writeln!(file, "{through}")?;
        file.sync_all()
    };
    write().with_context(|| format!("cannot write {}", path.display()))
}

/// Refuses a directory that a restore has not finished.
///
/// # Errors
/// It is one.
pub fn whole(data: &Path) -> anyhow::Result<()> {
    if data.join(HALF).symlink_metadata().is_ok() {
        bail!("{}", half_made(data));
    }
    Ok(())
}

/// Says that a restore has not finished this directory, and what to do.
pub fn half_made(data: &Path) -> String {
    format!(
        "{} is there: a restore into {} is under way, or was cut short; in that case remove all that is in that directory, and restore again",
        data.join(HALF).display(),
        data.display()
    )
}

/// Whether what was recorded last in this directory came out of a backup. Where enough that is new is on record by now, the file has done its duty.
pub fn is_fresh(data: &Path, last: u64) -> bool {
    let path = data.join(FILE);
    match std::fs::read_to_string(&path) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => false,
        // A number skipped needlessly harms nobody.
        Ok(text) if text.trim().parse().is_ok_and(|through: u64| through.saturating_add(BEFORE_START_MAX) < last) => {
            if let Err(error) = std::fs::remove_file(&path) {
                tracing::warn!("cannot remove {}: {error}", path.display());
            }
            false
        }
        Ok(_) | Err(_) => true,
    }
}

/// A number above all that were given on records which nobody can read: seconds are more than there ever were alarms or messages.
pub fn never_given(at: Micros) -> u64 {
    at.div_euclid(1_000_000).unsigned_abs()
}

/// A series: eight characters by chance.
pub fn series() -> String {
    const LETTERS: &[u8; 32] = b"abcdefghijkmnpqrstuvwxyz23456789";
    let mut random = [0; 8];
    // Without chance two series may be alike, as all were before there were any.
    if getrandom::fill(&mut random).is_err() {
        tracing::error!("the system gives no random numbers");
    }
    random.iter().map(|byte| char::from(LETTERS[usize::from(byte % 32)])).collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_restored_directory_is_fresh_until_something_is_on_record() {
        let data = tempfile::tempdir().unwrap();
        assert!(!is_fresh(data.path(), 7));
        mark(data.path(), 7).unwrap();
        assert!(is_fresh(data.path(), 7) && is_fresh(data.path(), 7), "a start that put nothing on record asks again");
        assert!(is_fresh(data.path(), 8), "the clock goes on record before the start does, and a crash may come between them");
        assert!(!is_fresh(data.path(), 8 + BEFORE_START_MAX) && !data.path().join(FILE).exists());
        std::fs::write(data.path().join(FILE), "x").unwrap();
        assert!(is_fresh(data.path(), 8), "rather skip numbers than give them twice");
    }

    #[test]
    fn no_two_series_are_alike() {
        let made: std::collections::BTreeSet<String> = (0..1_000).map(|_| series()).collect();
        assert!(
            made.len() == 1_000 && made.iter().all(|one| one.len() == 8 && one.bytes().all(|byte| byte.is_ascii_alphanumeric()))
        );
    }
}
