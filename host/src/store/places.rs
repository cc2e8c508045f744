//! Where the databases of a store lie. Owns: folders, putting aside, a fresh place after a failure. Must not know: what is in a database.
//!
//! `state/` and `day/<date>/` in the store's folder itself or, once it was started anew in place, in its highest-numbered folder: a database
//! given up keeps its lock and may still write under the name it was opened by, so that name is never used again by the same process.
//! `quarantine/<n>/` holds what was put aside, never deleted by us; `making/<date>/` and `trash/<date>/` are on their way in and out.

use anyhow::Context;
use std::fs::{File, create_dir_all, remove_dir, remove_dir_all, rename};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

/// Name of the file that says: do not trust what lies here. Holds why.
pub const FAILED: &str = "failed";
const QUARANTINE: &str = "quarantine";
/// Room a database is opened with, at least.
const ROOM_BYTES: usize = 4 << 20;

/// UTC date of a day, for people and as the name of its folder.
pub fn date(day: i64) -> anyhow::Result<String> {
    let first = jiff::civil::date(1970, 1, 1);
    let date = jiff::Span::new().try_days(day).and_then(|days| first.checked_add(days));
    Ok(date.with_context(|| format!("day {day} is not in the calendar: the clock is wrong"))?.to_string())
}

/// The day of a date; none for any other name.
pub fn day_of(name: &str) -> Option<i64> {
    let date: jiff::civil::Date = name.parse().ok()?;
    let span = date.since((jiff::Unit::Day, jiff::civil::date(1970, 1, 1))).ok()?;
    Some(i64::from(span.get_days()))
}

/// Where the databases lie now.
pub fn root(dir: &Path) -> PathBuf {
    numbers(dir).last().map_or(dir.to_owned(), |newest| dir.join(newest.to_string()))
}

/// Whether the disk takes what a new database needs. On a full one sled leaves a half-made one behind, which looks like damage afterwards.
pub fn has_room(root: &Path) -> anyhow::Result<()> {
    let path = root.join("room");
    let context = || format!("no room for a database: cannot write {ROOM_BYTES} bytes to {}", path.display());
    let written = std::fs::write(&path, vec![1; ROOM_BYTES]).and_then(|()| File::open(&path)?.sync_all());
    let removed = std::fs::remove_file(&path);
    written.and(removed).with_context(context)
}

/// Brings what an interruption left behind into order; to be called before anything is opened.
pub fn settle(dir: &Path) -> anyhow::Result<PathBuf> {
    create_dir_all(dir).with_context(|| format!("cannot make the store's directory {}", dir.display()))?;
    let root = root(dir);
    let context = || format!("cannot bring {} into order", dir.display());
    if dir.join(FAILED).exists() {
        let aside = put_aside(dir, &root, &["state", "day"])?;
        rename(dir.join(FAILED), aside.join(FAILED)).with_context(context)?;
    }
    let older = std::iter::once(dir.to_owned()).chain(numbers(dir).into_iter().map(|n| dir.join(n.to_string())));
    for older in older.filter(|older| *older != root) {
        if older.join("day").exists() && !root.join("day").exists() {
            rename(older.join("day"), root.join("day")).with_context(context)?;
        }
        put_aside(dir, &older, &["state", "day"])?;
        if older != dir {
            let _ = remove_dir(&older);
        }
    }
    for scratch in ["making", "trash"].map(|name| root.join(name)) {
        if scratch.exists() {
            remove_dir_all(scratch).with_context(context)?;
        }
    }
    Ok(root)
}

/// A fresh place for a store that was given up: the databases in `open` (`state`, `day/<date>`) are put aside, the closed days go along.
/// Returns where the others lie now.
pub fn renew(dir: &Path, open: &[String]) -> anyhow::Result<PathBuf> {
    let before = root(dir);
    let names: Vec<&str> = open.iter().map(String::as_str).chain(["state", "making"]).collect();
    let aside = put_aside(dir, &before, &names)?;
    let next = dir.join((numbers(dir).last().unwrap_or(&0) + 1).to_string());
    let context = || format!("cannot make {}", next.display());
    create_dir_all(&next).with_context(context)?;
    if before.join("day").exists() {
        rename(before.join("day"), next.join("day")).with_context(context)?;
    }
    if dir.join(FAILED).exists() {
        rename(dir.join(FAILED), aside.join(FAILED)).with_context(context)?;
    }
    sync(dir)?;
    if before != dir {
        // Whatever is still in it is found by the next start.
        let _ = remove_dir(&before);
    }
    Ok(aside)
}

/// Moves these parts of a place into a new folder of `quarantine/`; parts that are not there are passed over.
pub fn put_aside(dir: &Path, root: &Path, parts: &[&str]) -> anyhow::Result<PathBuf> {
    let quarantine = dir.join(QUARANTINE);
    let number = numbers(&quarantine).last().unwrap_or(&0) + 1;
    let aside = quarantine.join(number.to_string());
    for part in parts.iter().filter(|part| root.join(part).exists()) {
        let (from, to) = (root.join(part), aside.join(part));
        let context = || format!("cannot put {} aside in {}", from.display(), aside.display());
        create_dir_all(to.parent().unwrap_or(&aside)).with_context(context)?;
        rename(&from, &to).with_context(context)?;
        for changed in [&from, &to].into_iter().filter_map(|path| path.parent()) {
            sync(changed)?;
        }
    }
    Ok(aside)
}

/// What was put aside of a day: the largest, as one that was being made again may have been put aside too, before it was full.
pub fn remains(dir: &Path, date: &str) -> Option<PathBuf> {
    let quarantine = dir.join(QUARANTINE);
    let folder = |n: &u32| quarantine.join(n.to_string()).join("day").join(date);
    let all = numbers(&quarantine).iter().map(folder).filter(|folder| folder.exists()).collect::<Vec<_>>();
    all.into_iter().max_by_key(|folder| bytes(folder).unwrap_or(0))
}

/// Bytes of everything below a folder. What goes away meanwhile counts nothing: a daemon may be at work.
pub fn bytes(folder: &Path) -> anyhow::Result<u64> {
    let entries = match std::fs::read_dir(folder) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(0),
        entries => entries.with_context(|| format!("cannot list {}", folder.display()))?,
    };
    let mut sum = 0;
    for entry in entries.flatten() {
        sum += match entry.metadata() {
            Ok(about) if about.is_dir() => bytes(&entry.path())?,
            Ok(about) => about.len(),
            Err(_) => 0,
        };
    }
    Ok(sum)
}

/// Days of which something was put aside.
pub fn days_aside(dir: &Path) -> Vec<i64> {
    let quarantine = dir.join(QUARANTINE);
    numbers(&quarantine).iter().flat_map(|n| days_in(&quarantine.join(n.to_string()))).collect()
}

/// Days that have a folder in a place, oldest first.
pub fn days_in(root: &Path) -> Vec<i64> {
    let mut days: Vec<i64> = names(&root.join("day")).iter().filter_map(|name| day_of(name)).collect();
    days.sort_unstable();
    days
}

/// Waits until what was changed in a folder is on disk.
pub fn sync(folder: &Path) -> anyhow::Result<()> {
    File::open(folder).and_then(|folder| folder.sync_all()).with_context(|| format!("cannot sync {}", folder.display()))
}

/// Moves a folder out of the way, so that a removal cut short never leaves half of it behind, and removes it.
pub fn discard(root: &Path, folder: &Path) -> anyhow::Result<()> {
    if !folder.exists() {
        return Ok(());
    }
    let trash = root.join("trash");
    let context = || format!("cannot remove {}", folder.display());
    create_dir_all(&trash).with_context(context)?;
    let out = trash.join(folder.file_name().unwrap_or_default());
    if out.exists() {
        remove_dir_all(&out).with_context(context)?;
    }
    rename(folder, &out).with_context(context)?;
    sync(folder.parent().unwrap_or(root))?;
    remove_dir_all(&trash).with_context(context)
}

fn numbers(folder: &Path) -> Vec<u32> {
    let mut numbers: Vec<u32> = names(folder).iter().filter_map(|name| name.parse().ok()).collect();
    numbers.sort_unstable();
    numbers
}

/// Names in a folder; none where it cannot be listed: what needs it fails on its own and says why.
fn names(folder: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    entries.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect()
}
