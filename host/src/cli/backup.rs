//! `safety-brain backup` and `restore`: the record of a plant into another folder, also while it runs, and back into an empty one.
//! Owns: the manifest. Must not know: how records are kept.
//!
//! What is copied: journal, snapshots, sites, bundles that people installed, and of the store the days of which the journal no longer has all readings: the
//! rest of it is made again from the journal. Keys are not: a backup travels.
//! The order matters while the daemon writes: snapshots first, so that none is ahead of the journal copied after it; sites last, so that
//! each one named by a copied record is there. A backup is itself a data directory that `journal verify --data` reads.

mod files;
mod place;

use super::progress::Progress;
use crate::daemon::room::Disk;
use crate::daemon::{snapshot, storage};
use crate::journal::{self, OutsideAnchor, Report};
use crate::rules;
use crate::store;
use anyhow::{Context, bail, ensure};
use brain::Micros;
use files::{Copied, copy, names, parent, parts, pieces, sync_folder};
use place::Place;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use std::fs::File;
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};

/// Written last: without it a backup is not whole.
const MANIFEST: &str = "manifest.json";
const FORMAT: &str = "safety-brain backup 1";
/// With days of the store.
const FORMAT_DAYS: &str = "safety-brain backup 2";
/// With notes, and days of the store too.
const FORMAT_NOTES: &str = "safety-brain backup 3";

/// Copy journal, snapshots, sites and the readings that only the store still has into a new folder; safe beside a running daemon.
#[derive(clap::Args)]
#[command(after_help = after!("copied, and the copy is whole", "not copied; or copied, and the journal or a day of the store is damaged", "backup --data data --out /mnt/backup/monday", "backup --data data --out /mnt/backup/monday --without-store"))]
pub struct BackupArgs {
    /// Data directory: the one that holds `journal/`
    #[arg(long)]
    data: PathBuf,
    /// Folder to make; must not exist, or be empty
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// Leave out the days of the store: much smaller, and without the readings that the journal no longer has
    #[arg(long)]
    without_store: bool,
    /// Print the manifest
    #[arg(long)]
    json: bool,
}

/// Make a data directory from a backup, verified before and after.
#[derive(clap::Args)]
#[command(after_help = after!("restored, and verified before and after", "refused; nothing was put in place", "restore --from /mnt/backup/monday --data data", "restore --from /mnt/backup/monday --data data --anchor anchors.jsonl"))]
pub struct RestoreArgs {
    /// Backup folder
    #[arg(long, value_name = "DIR")]
    from: PathBuf,
    /// Data directory to make; must not exist, or be empty
    #[arg(long)]
    data: PathBuf,
    /// Anchors kept elsewhere, one line of `journal anchor` each: the backup must hold exactly these
    #[arg(long, value_name = "FILE")]
    anchor: Option<PathBuf>,
    /// Public key of the site, as `evidence key` prints it: each anchor must be signed with it
    #[arg(long, requires = "anchor")]
    key: Option<String>,
    /// Restore also what was already damaged when the backup was made; the damage stays as it is
    #[arg(long)]
    damaged: bool,
    /// Print the manifest
    #[arg(long)]
    json: bool,
}

/// What a backup holds.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Manifest {
    format: String,
    program: String,
    /// By the wall clock, microseconds UTC.
    made_at: i64,
    site: String,
    first_seq: u64,
    last_seq: u64,
    /// Head of the chain, hex.
    link: String,
    /// Faults of the journal when it was copied.
    faults: u64,
    /// What was seen when it was copied that is no fault.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    notes: Vec<String>,
    files: Vec<Copied>,
}

/// Copies, verifies the copy, and writes the manifest last.
///
/// # Errors
/// The target holds something; a file cannot be copied; or, after everything was copied, the journal turned out to be damaged.
pub fn backup(args: BackupArgs) -> anyhow::Result<()> {
    let dir = super::journal::folder(&args.data)?;
    // What is damaged is copied as it is; what was never ours is not.
    if !args.data.join(snapshot::SITES).exists() {
        super::journal::ours(&args.data)?;
    }
    empty(&args.out)?;
    apart(&args.data, &args.out)?;
    let (manifest, report, days) = copied(&args, &dir).map_err(|error| {
        let is_left = std::fs::read_dir(&args.out).is_ok_and(|mut left| left.next().is_some());
        error.context(if is_left {
            format!("not backed up; what is in {} is whole only where it has a {MANIFEST}, else remove it", args.out.display())
        } else {
            "not backed up".to_owned()
        })
    })?;
    say(&manifest, "backed up", &args.out, args.json)?;
    days.iter()
        .filter_map(|day| Some((&day.folder, day.failed.as_ref()?)))
        .for_each(|(folder, why)| eprintln!("{folder}: {why}"));
    let failed = days.iter().filter(|day| day.failed.is_some()).count();
    match report.faults.first() {
        None => {
            ensure!(
                failed == 0,
                "everything else was copied, but {failed} days of the store are not in it, and their readings are nowhere else: keep the backups before this \
                 one, and make another once `safety-brain store stat` shows these days whole"
            );
            Ok(())
        }
        Some(first) => bail!(
            "everything that is there was copied, but the journal of {} is damaged: {} at byte {}: {}",
            args.data.display(),
            first.file,
            first.offset,
            first.what
        ),
    }
}

/// Copies all, verifies the copy, and seals it.
fn copied(args: &BackupArgs, dir: &Path) -> anyhow::Result<(Manifest, Report, Vec<store::Copied>)> {
    // Before the journal is read: a running daemon goes on.
    let known = storage::known(&args.data);
    let progress = Progress::over(journal::bytes(dir)?, "copying");
    let mut files = Vec::new();
    for ending in snapshot::ENDINGS {
        for name in names(&args.data.join(snapshot::FOLDER), ending)? {
            files.extend(copy(&args.data, &args.out, snapshot::FOLDER, &name, None, &progress)?);
        }
    }
    let (extents, unsettled) = journal::extents(dir)?;
    for (number, name, written) in extents {
        // A segment that changes its form meanwhile is taken in the next one.
        let mut copied = copy_journal(args, &name, written, &progress)?;
        for _ in 0..3 {
            if copied.is_none() {
                let now = journal::file(dir, number);
                // Another form is whole as it is.
                let written = written.filter(|_| now == name);
                copied = copy_journal(args, &now, written, &progress)?;
            }
        }
        files.push(copied.with_context(|| format!("segment {number} of the journal went away while it was copied: try again"))?);
    }
    if dir.join(journal::ARCHIVE).join(journal::BEGINS).exists() {
        files.extend(copy_journal(args, &Path::new(journal::ARCHIVE).join(journal::BEGINS), None, &progress)?);
    }
    for name in names(&args.data.join(snapshot::SITES), "json")? {
        files.extend(copy(&args.data, &args.out, snapshot::SITES, &name, None, &progress)?);
    }
    // What people promoted runs from here after a start.
    for ending in rules::KEPT_ENDINGS {
        for name in names(&args.data.join(rules::KEPT), ending)? {
            files.extend(copy(&args.data, &args.out, rules::KEPT, &name, None, &progress)?);
        }
    }
    files.extend(copy(&args.data, &args.out, "", rules::VERSIONS, None, &progress)?);
    drop(progress);
    let report = super::journal::check(&args.out.join(journal::FOLDER), &[], known, "verifying the copy")?;
    let days = copy_days(args, &mut files)?;
    let form = match (unsettled.is_some(), is_of_store(&files)) {
        (true, _) => FORMAT_NOTES,
        (false, true) => FORMAT_DAYS,
        (false, false) => FORMAT,
    };
    let manifest = Manifest {
        format: form.to_owned(),
        program: env!("CARGO_PKG_VERSION").to_owned(),
        made_at: jiff::Timestamp::now().as_microsecond(),
        site: report.site.clone(),
        first_seq: report.first_seq,
        last_seq: report.last_seq,
        link: report.link.clone(),
        faults: report.faults_total,
        notes: unsettled.into_iter().collect(),
        files,
    };
    seal(&args.out, &manifest)?;
    Ok((manifest, report, days))
}

/// Days of the store of which the copied journal does not have all readings.
fn copy_days(args: &BackupArgs, files: &mut Vec<Copied>) -> anyhow::Result<Vec<store::Copied>> {
    let journal = args.out.join(journal::FOLDER);
    let Some(live) = journal::first_live(&journal)?.filter(|live| *live > 1 && !args.without_store) else {
        return Ok(vec![]);
    };
    // The day that this record is of may have begun before it. Where none can be read, all of them are wanted.
    let first = journal::read(&journal, live)?.find_map(Result::ok).map_or(Micros::MAX, |record| record.at);
    let out = args.out.join(store::FOLDER);
    let progress = Progress::over(0, "copying days");
    let days = store::copy_days(&args.data.join(store::FOLDER), &out, first, &mut |done, of| progress.at(done, of))?;
    drop(progress);
    for day in days.iter().filter(|day| day.failed.is_none()) {
        note(&args.out, &Path::new(store::FOLDER).join(&day.folder), files)?;
    }
    Ok(days)
}

/// Notes all files of a folder that is in place.
fn note(root: &Path, folder: &Path, files: &mut Vec<Copied>) -> anyhow::Result<()> {
    let context = || format!("cannot read {}", root.join(folder).display());
    let mut entries: Vec<_> = std::fs::read_dir(root.join(folder)).and_then(Iterator::collect).with_context(context)?;
    entries.sort_by_key(std::fs::DirEntry::file_name);
    for entry in entries {
        let path = folder.join(entry.file_name());
        if entry.file_type().with_context(context)?.is_dir() {
            note(root, &path, files)?;
            continue;
        }
        let (mut hasher, file) = (blake3::Hasher::new(), File::open(entry.path()).with_context(context)?);
        let bytes = std::io::copy(&mut &file, &mut hasher).with_context(context)?;
        file.sync_all().with_context(context)?;
        files.push(Copied { path, bytes, blake3: hasher.finalize().to_hex().to_string() });
    }
    sync_folder(&root.join(folder))
}

fn is_of_store(files: &[Copied]) -> bool {
    files.iter().any(|file| file.path.starts_with(store::FOLDER))
}

fn copy_journal(args: &BackupArgs, name: &Path, written: Option<u64>, progress: &Progress) -> anyhow::Result<Option<Copied>> {
    let (folder, name) = parts(&Path::new(journal::FOLDER).join(name))?;
    copy(&args.data, &args.out, &folder, &name, written, progress)
}

/// Verifies the backup, copies it into the target out of sight, verifies the copy, and puts it in place.
///
/// # Errors
/// The target holds something or has no room; the backup is not whole or not as it was made; then nothing is put in place.
pub fn restore(args: RestoreArgs) -> anyhow::Result<()> {
    let anchors = super::journal::anchors(args.anchor.as_deref(), args.key.as_deref())?;
    let manifest = read(&args.from)?;
    ensure!(
        manifest.faults == 0 || args.damaged,
        "the journal was already damaged when this backup was made ({} faults): restore it with --damaged, or an older backup",
        manifest.faults
    );
    // Version 0.1.0 did not count this as a fault.
    let (known, last) = (storage::known(&args.from), manifest.last_seq);
    ensure!(
        known <= last || args.damaged,
        "the journal of this backup ends at record {last}, and its snapshot was made behind record {known}: restore it with --damaged, or an older backup"
    );
    let data = place::meant(&args.data)?;
    crate::restored::whole(&data)?;
    empty(&data)?;
    apart(&args.from, &data)?;
    let mut place = Place::begin(&data)?;
    if let Err(error) = fill(&args.from, &manifest, &anchors, &place.half).and_then(|()| place.put()) {
        return Err(error.context(place.undo()));
    }
    say(&manifest, "restored", &args.data, args.json)
}

/// Makes in the folder `half` what the backup holds.
fn fill(from: &Path, manifest: &Manifest, anchors: &[OutsideAnchor], half: &Path) -> anyhow::Result<()> {
    let (bytes, free) = (manifest.files.iter().map(|file| file.bytes).sum(), Disk::of(half)?.free);
    if bytes > free {
        // What the disk would say somewhere in the middle.
        return Err(std::io::Error::from_raw_os_error(libc::ENOSPC))
            .with_context(|| format!("the backup has {bytes} bytes, and where {} is {free} are free", half.display()));
    }
    same(from, manifest, anchors, "verifying the backup")?;
    let progress = Progress::over(bytes, "copying");
    for file in &manifest.files {
        let (folder, name) = parts(&file.path)?;
        let copied = copy(from, half, &folder, &name, None, &progress)?;
        ensure!(copied.as_ref() == Some(file), "{} changed while it was copied", from.join(&file.path).display());
    }
    drop(progress);
    same(half, manifest, anchors, "verifying the copy")?;
    crate::restored::mark(half, manifest.last_seq)
}

/// Every file is as the manifest says, and the journal as it was found then.
fn same(root: &Path, manifest: &Manifest, anchors: &[OutsideAnchor], what: &'static str) -> anyhow::Result<()> {
    let progress = Progress::over(manifest.files.iter().map(|file| file.bytes).sum(), what);
    for file in &manifest.files {
        let path = root.join(&file.path);
        parts(&file.path)?;
        let mut hasher = blake3::Hasher::new();
        let opened = File::open(&path).with_context(|| format!("cannot read {}", path.display()))?;
        let bytes = pieces(opened, &path, u64::MAX, |piece| {
            hasher.update(piece);
            progress.pass(piece.len() as u64);
            Ok(())
        })?;
        let found = hasher.finalize().to_hex().to_string();
        ensure!(
            bytes == file.bytes && found == file.blake3,
            "{} is not the file that was backed up: it was changed or cut",
            path.display()
        );
    }
    drop(progress);
    let report: Report = super::journal::check(&root.join(journal::FOLDER), anchors, 0, what)?;
    let missed = report.faults_total - manifest.faults.min(report.faults_total);
    let found = (&report.site, report.first_seq, report.last_seq, &report.link);
    ensure!(
        missed == 0 && found == (&manifest.site, manifest.first_seq, manifest.last_seq, &manifest.link),
        "the journal in {} is not the one that was backed up: {}",
        root.display(),
        report.faults.first().map_or_else(|| "its head is another".to_owned(), |fault| format!("{}: {}", fault.file, fault.what))
    );
    Ok(())
}

fn read(from: &Path) -> anyhow::Result<Manifest> {
    let path = from.join(MANIFEST);
    let context = || format!("cannot read {}: this is no backup, or one that was not finished", path.display());
    let manifest: Manifest = serde_json::from_slice(&std::fs::read(&path).with_context(context)?).with_context(context)?;
    let is_known = [FORMAT, FORMAT_DAYS, FORMAT_NOTES].contains(&manifest.format.as_str());
    ensure!(
        is_known,
        "{}: {:?} is not a form this program reads ({FORMAT}, {FORMAT_DAYS}, {FORMAT_NOTES})",
        path.display(),
        manifest.format
    );
    Ok(manifest)
}

/// Folders and names that a manifest holds.
pub(super) fn named(manifest: &[u8]) -> anyhow::Result<Vec<(String, String)>> {
    let manifest: Manifest = serde_json::from_slice(manifest)?;
    manifest.files.iter().map(|file| parts(&file.path)).collect()
}

/// A copy inside what it copies is lost with it, or a part of it.
fn apart(from: &Path, to: &Path) -> anyhow::Result<()> {
    let whole = |path: &Path| std::path::absolute(path).map(|path| path.canonicalize().unwrap_or(path));
    let (inside, outside) = (whole(to)?, whole(from)?);
    ensure!(
        !inside.starts_with(&outside) && !parent(&inside).canonicalize().is_ok_and(|parent| parent.starts_with(&outside)),
        "{} is inside {}, which is copied: give a folder elsewhere, better on another disk",
        to.display(),
        from.display()
    );
    Ok(())
}

/// Refuses to overwrite anything.
fn empty(dir: &Path) -> anyhow::Result<()> {
    match std::fs::read_dir(dir) {
        Ok(entries) => {
            let mut names = entries.flatten().map(|entry| entry.file_name());
            let cut = dir.join(snapshot::FOLDER).exists() && !dir.join(MANIFEST).exists() && !dir.join("keys").exists();
            ensure!(
                names.all(|name| name == place::OF_THE_SYSTEM),
                "{} holds something already{}: give a folder that does not exist, or is empty",
                dir.display(),
                if cut { ", as a backup that was cut short does, or one that is still under way" } else { "" }
            );
            Ok(())
        }
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
        Err(error) => Err(error).with_context(|| format!("cannot use {}", dir.display())),
    }
}

fn seal(out: &Path, manifest: &Manifest) -> anyhow::Result<()> {
    let (making, path) = (out.join("manifest.new"), out.join(MANIFEST));
    let context = || format!("cannot write {}", path.display());
    let mut file = File::create(&making).with_context(context)?;
    file.write_all(&serde_json::to_vec_pretty(manifest)?).and_then(|()| file.sync_all()).with_context(context)?;
    std::fs::rename(&making, &path).with_context(context)?;
    sync_folder(out)
}

fn say(manifest: &Manifest, done: &str, place: &Path, json: bool) -> anyhow::Result<()> {
    if json {
        println!("{}", serde_json::to_string_pretty(manifest)?);
        return Ok(());
    }
    let bytes: u64 = manifest.files.iter().map(|file| file.bytes).sum();
    println!(
        "site      {}\nrecords   {} to {}\nhead      {}",
        manifest.site, manifest.first_seq, manifest.last_seq, manifest.link
    );
    let of_store = || manifest.files.iter().filter(|file| file.path.starts_with(store::FOLDER));
    if is_of_store(&manifest.files) {
        let days: BTreeSet<_> = of_store().filter_map(|file| file.path.iter().nth(2)).collect();
        let bytes: u64 = of_store().map(|file| file.bytes).sum();
        println!("store     {} days, {bytes} bytes: the journal no longer has all of their readings", days.len());
    } else {
        println!("store     no days: readings are in it as far as the journal has them");
    }
    manifest.notes.iter().for_each(|note| println!("note      {note}"));
    println!("{done:<9} {} files, {bytes} bytes, in {}", manifest.files.len(), place.display());
    println!("not in it keys (make a copy of keys/ where only you can read it) and the site file");
    Ok(())
}
