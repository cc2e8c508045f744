//! Where the databases of a store lie. Owns: folders, putting aside, a fresh place after a failure. Must not know: what is in a database.
//!
//! `state/` and `day/<date>/` in the store's folder itself or, once it was started anew in place, in its highest-numbered folder: a database
//! given up keeps its lock and may still write under the name it was opened by, so that name is never used again by the same process.
//! `quarantine/<n>/` holds what was put aside until it is taken back whole, `quarantine/<n>/replaced/` what a person had made again, or what its
//! journal does not have; `making/<date>/` and `trash/<date>/` are on their way in and out.

use anyhow::Context;
use std::fs::{File, TryLockError, create_dir, create_dir_all, remove_dir, remove_dir_all, rename};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// Name of the file that says: do not trust what lies here. Holds why, and a line for each part that was open.
const FAILED: &str = "failed";
/// Begin of such a line.
const WAS_OPEN: &str = "open: ";
const QUARANTINE: &str = "quarantine";
const REPLACED: &str = "replaced";
/// End of a folder's name while its files are moved into it.
const OVER: &str = "over";
/// States that stay in the quarantine: for whoever looks into what happened (own choice).
const STATES_ASIDE: usize = 3;
/// Room that is left to the journal and everybody else, at most. A store whose disk was full waits for it: each failed write costs the process the
/// handles it had.
const SPARE_BYTES_MAX: u64 = 256 << 20;
/// The same as a part of the disk.
const SPARE_PART: u64 = 16;
/// How long a lock that was given back may still be held.
const HOLD_MAX: Duration = Duration::from_millis(300);
const HOLD_LOOK: Duration = Duration::from_millis(5);
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

/// Holds the store in `dir` against every other process: a daemon waits for it with its store alone. None where another has it.
///
/// # Errors
/// The lock file cannot be opened.
pub fn hold(dir: &Path) -> anyhow::Result<Option<File>> {
    let path = dir.join("lock");
    let context = || format!("cannot lock the store with {}, and its databases are not opened without", path.display());
    let file = File::options().create(true).truncate(false).write(true).open(&path).with_context(context)?;
    let since = Instant::now();
    loop {
        match file.try_lock() {
            Ok(()) => return Ok(Some(file)),
            // A process that is just being started may still have what this one gave back.
            Err(TryLockError::WouldBlock) if since.elapsed() < HOLD_MAX => std::thread::sleep(HOLD_LOOK),
            Err(TryLockError::WouldBlock) => return Ok(None),
            Err(TryLockError::Error(error)) => return Err(error).with_context(context),
        }
    }
}

/// Bytes that are free where `path` is, and how many of them are left to everybody else.
pub fn room(path: &Path) -> anyhow::Result<(u64, u64)> {
    let name = std::ffi::CString::new(path.as_os_str().as_encoded_bytes())?;
    let mut stat = std::mem::MaybeUninit::<libc::statvfs>::zeroed();
    // SAFETY: a C string that lives through the call, and room for what is written; zeroes are a valid value of it.
    let (status, stat) = unsafe { (libc::statvfs(name.as_ptr(), stat.as_mut_ptr()), stat.assume_init()) };
    anyhow::ensure!(status == 0, "cannot measure the room of {}: {}", path.display(), std::io::Error::last_os_error());
    let bytes = |blocks: u64| blocks.saturating_mul(stat.f_frsize);
    Ok((bytes(stat.f_bavail), SPARE_BYTES_MAX.min(bytes(stat.f_blocks) / SPARE_PART)))
}

/// Whether the disk takes what a new database needs. On a full one sled leaves a half-made one behind, which looks like damage afterwards.
pub fn has_room(root: &Path) -> anyhow::Result<()> {
    let path = root.join("room");
    let context = || format!("no room for a database: cannot write {ROOM_BYTES} bytes to {}", path.display());
    let written = std::fs::write(&path, vec![1; ROOM_BYTES]).and_then(|()| File::open(&path)?.sync_all());
    let removed = std::fs::remove_file(&path);
    written.and(removed).with_context(context)
}

/// Notes that the databases in the parts that were open are not to be used again.
pub fn note_failed(dir: &Path, why: &str, open: &[String]) -> std::io::Result<()> {
    let lines: String = open.iter().map(|part| format!("{WAS_OPEN}{part}\n")).collect();
    std::fs::write(dir.join(FAILED), format!("{why}\n{lines}"))
}

/// Why the last process stopped using the store; empty where it did not.
pub fn failed(dir: &Path) -> String {
    let why: Vec<String> = failed_lines(dir).into_iter().filter(|line| !line.starts_with(WAS_OPEN)).collect();
    why.join(" ").trim().to_owned()
}

fn failed_lines(dir: &Path) -> Vec<String> {
    std::fs::read_to_string(dir.join(FAILED)).unwrap_or_default().lines().map(str::to_owned).collect()
}

/// Brings what an interruption left behind into order; to be called before anything is opened.
pub fn settle(dir: &Path) -> anyhow::Result<PathBuf> {
    make(dir).with_context(|| format!("cannot make the store's directory {}", dir.display()))?;
    let root = root(dir);
    let context = || format!("cannot bring {} into order", dir.display());
    if dir.join(FAILED).exists() {
        let open: Vec<String> =
            failed_lines(dir).iter().filter_map(|line| line.strip_prefix(WAS_OPEN)).map(str::to_owned).collect();
        let mut parts: Vec<&str> = open.iter().map(String::as_str).chain(["state"]).collect();
        if open.is_empty() {
            // Version 0.1.0 did not say.
            parts.push("day");
        }
        let aside = put_aside(dir, &root, &parts)?;
        create_dir_all(&aside).with_context(context)?;
        rename(dir.join(FAILED), aside.join(FAILED)).with_context(context)?;
    }
    let older = std::iter::once(dir.to_owned()).chain(numbers(dir).into_iter().map(|n| dir.join(n.to_string())));
    for older in older.filter(|older| *older != root) {
        if older.join("day").exists() && !root.join("day").exists() {
            rename(older.join("day"), root.join("day")).with_context(context)?;
            sync(&root)?;
        }
        put_aside(dir, &older, &["state", "day"])?;
        if older != dir {
            let _ = remove_dir(&older);
        }
    }
    finish_moves(&root).with_context(context)?;
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
    make(&next).with_context(context)?;
    if before.join("day").exists() {
        rename(before.join("day"), next.join("day")).with_context(context)?;
    }
    if dir.join(FAILED).exists() {
        rename(dir.join(FAILED), aside.join(FAILED)).with_context(context)?;
    }
    sync(&next)?;
    sync(dir)?;
    if before != dir {
        // Whatever is still in it is found by the next start.
        let _ = remove_dir(&before);
    }
    Ok(aside)
}

/// A fresh place for a store whose disk was full: the same files under folders that no old handle has locked or knows the name of. The closed days go
/// along. Takes no room but that of a few folders; cut short, it goes on where it was: the state is moved last.
pub fn move_over(dir: &Path, open: &[String]) -> anyhow::Result<()> {
    let newest = root(dir);
    let mut all = std::iter::once(dir.to_owned()).chain(numbers(dir).into_iter().map(|number| dir.join(number.to_string())));
    let before = all.rfind(|place| place.join("state").exists()).unwrap_or_else(|| newest.clone());
    let (free, spare) = room(dir)?;
    anyhow::ensure!(free >= spare, "the disk is full: {free} bytes are free, and the store waits for {spare}");
    let fresh = || dir.join((numbers(dir).last().unwrap_or(&0) + 1).to_string());
    let next = if newest == before { fresh() } else { newest };
    let context = || format!("cannot move {} to {}", before.display(), next.display());
    make(&next).with_context(context)?;
    if before.join("day").exists() {
        rename(before.join("day"), next.join("day")).with_context(context)?;
    }
    for part in open.iter().filter(|part| part.starts_with("day/") && next.join(part).exists()) {
        let over = next.join(part).with_extension(OVER);
        renew_folders(&next.join(part), &over).with_context(context)?;
        rename(&over, next.join(part)).with_context(context)?;
    }
    if before.join("state").exists() {
        renew_folders(&before.join("state"), &next.join("state")).with_context(context)?;
    }
    sync(&next)?;
    sync(dir)?;
    if before != dir {
        // Whatever is still in it is found by the next start.
        let _ = remove_dir(&before);
    }
    Ok(())
}

/// Moves all files of a folder into another, below it too, and removes it: sled locks folders. What was moved before stays.
fn renew_folders(from: &Path, to: &Path) -> std::io::Result<()> {
    create_dir_all(to)?;
    for entry in std::fs::read_dir(from)? {
        let entry = entry?;
        let to = to.join(entry.file_name());
        if entry.file_type()?.is_dir() { renew_folders(&entry.path(), &to)? } else { rename(entry.path(), to)? }
    }
    File::open(to)?.sync_all()?;
    remove_dir(from)
}

/// Finishes what [`move_over`] was cut short in.
fn finish_moves(root: &Path) -> std::io::Result<()> {
    for name in names(&root.join("day")) {
        let over = root.join("day").join(&name);
        if over.extension().is_some_and(|end| end == OVER) {
            let to = over.with_extension("");
            if to.exists() {
                renew_folders(&to, &over)?;
            }
            rename(&over, &to)?;
        }
    }
    Ok(())
}

/// Removes of the quarantine what nobody needs any more: days older than the oldest kept, and states but the newest ones, as a state is made again
/// from days.
pub fn forget_aside(dir: &Path, oldest_kept: i64) -> anyhow::Result<()> {
    let quarantine = dir.join(QUARANTINE);
    let all: Vec<PathBuf> = numbers(&quarantine).into_iter().map(|number| quarantine.join(number.to_string())).collect();
    let days = all.iter().flat_map(|aside| days_in(aside).into_iter().map(move |day| (aside, day)));
    for (aside, day) in days.filter(|(_, day)| *day < oldest_kept) {
        drop_aside(&aside.join("day").join(date(day)?))?;
    }
    let states: Vec<&PathBuf> = all.iter().filter(|aside| aside.join("state").exists()).collect();
    for aside in states.iter().take(states.len().saturating_sub(STATES_ASIDE)) {
        let state = aside.join("state");
        remove_dir_all(&state).with_context(|| format!("cannot remove {}", state.display()))?;
        let _ = remove_dir(aside);
    }
    Ok(())
}

/// Moves these parts of a place into a new folder of `quarantine/`; parts that are not there are passed over.
pub fn put_aside(dir: &Path, root: &Path, parts: &[&str]) -> anyhow::Result<PathBuf> {
    put_into(next_aside(dir), root, parts)
}

/// As [`put_aside`], of what is replaced on purpose: it is never taken back.
pub fn replace(dir: &Path, root: &Path, parts: &[&str]) -> anyhow::Result<PathBuf> {
    put_into(next_aside(dir).join(REPLACED), root, parts)
}

fn next_aside(dir: &Path) -> PathBuf {
    let quarantine = dir.join(QUARANTINE);
    let number = numbers(&quarantine).last().unwrap_or(&0) + 1;
    quarantine.join(number.to_string())
}

fn put_into(aside: PathBuf, root: &Path, parts: &[&str]) -> anyhow::Result<PathBuf> {
    for part in parts.iter().filter(|part| root.join(part).exists()) {
        let (from, to) = (root.join(part), aside.join(part));
        let context = || format!("cannot put {} aside in {}", from.display(), aside.display());
        make(to.parent().unwrap_or(&aside)).with_context(context)?;
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

/// Removes what was put aside of a day, once it was taken back.
pub fn drop_aside(left: &Path) -> anyhow::Result<()> {
    remove_dir_all(left).with_context(|| format!("cannot remove {}", left.display()))?;
    // The folders around it too, where nothing else is in them.
    for folder in left.ancestors().skip(1).take(2) {
        let _ = remove_dir(folder);
    }
    Ok(())
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

/// Makes a folder and those that it lies in, on disk when this returns: files below a folder that has no name there are lost, however well they were
/// synced themselves.
pub fn make(folder: &Path) -> std::io::Result<()> {
    if folder.as_os_str().is_empty() || folder.is_dir() {
        return Ok(());
    }
    let parent = folder.parent().unwrap_or(folder);
    make(parent)?;
    match create_dir(folder) {
        Err(error) if error.kind() != ErrorKind::AlreadyExists => return Err(error),
        Ok(()) | Err(_) => {}
    }
    File::open(if parent.as_os_str().is_empty() { Path::new(".") } else { parent })?.sync_all()
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
