//! The state of a brain, and the sites it decided with, or of a bureau, as files beside the journal. Owns: their names, format and order of writing.
//! Must not know: when a snapshot is due, what a state means.
//!
//! A snapshot only shortens the replay: without one, or with one that cannot be read, the journal before it is replayed as well.

use crate::journal::Durable;
use anyhow::{Context, ensure};
use brain::bureau::Bureau;
use brain::{Brain, Saved, Site};
use serde::Serialize;
use std::fs::File;
use std::io::{BufWriter, Read, Write};
use std::path::{Path, PathBuf};
use tokio::sync::watch;

/// Folder of the snapshots inside the data directory.
pub const FOLDER: &str = "snapshot";
/// Folder of the sites inside the data directory.
pub const SITES: &str = "site";
/// The newest ones kept; a damaged one costs only the way from the one before.
const KEPT: usize = 3;
/// First line of each file: what it is and which form it has. Other forms are passed over, never guessed at.
pub(super) const FORMAT: &str = "safety-brain snapshot 1";
pub(super) const FORMAT_BUREAU: &str = "safety-brain bureau 1";

/// Whose states are kept: the first line of such a file and the ending of its name.
#[derive(Clone, Copy)]
struct Kind {
    format: &'static str,
    ending: &'static str,
}

const BRAIN: Kind = Kind { format: FORMAT, ending: "brain" };
const BUREAU: Kind = Kind { format: FORMAT_BUREAU, ending: "bureau" };
/// Endings of the names of snapshots; a data directory is a plant's or a bureau's, and has one of them.
pub const ENDINGS: [&str; 2] = [BRAIN.ending, BUREAU.ending];

/// A brain as it was after record `seq`, under the site with this digest.
#[derive(Clone)]
pub struct Snapshot {
    /// Last record in it.
    pub seq: u64,
    /// Of the journal that gave it this number; 0 in one that was read from a file.
    pub era: u32,
    /// Digest of the site.
    pub site: String,
    /// The state.
    pub brain: Brain,
}

/// Digest of a site: what [`brain::Event::Started`] names. Another rule component is another site.
pub fn digest(site: &Site) -> String {
    // In pieces: all of a large site at once costs more for its memory than for its digest.
    let mut pieces = std::io::BufWriter::with_capacity(64 << 10, blake3::Hasher::new());
    let written = serde_json::to_writer(&mut pieces, site).map_err(anyhow::Error::from);
    let hasher = written.and_then(|()| pieces.into_inner().map_err(anyhow::Error::from));
    // A site is plain data, and a hasher takes all: neither can fail.
    format!("blake3:{}", hasher.unwrap_or_default().finalize().to_hex())
}

/// The newest snapshot that can be read. What cannot be is said and passed over.
pub fn newest(data: &Path) -> Option<Snapshot> {
    found(data, BRAIN, parse)
}

/// The newest one of a bureau, and the last record in it.
pub fn newest_bureau(data: &Path) -> Option<(u64, Bureau)> {
    found(data, BUREAU, |path, bytes, seq| Ok((seq, parse_bureau(path, bytes, seq)?)))
}

fn found<T>(data: &Path, kind: Kind, parse: impl Fn(&Path, &[u8], u64) -> anyhow::Result<T>) -> Option<T> {
    for (seq, path) in list(&data.join(FOLDER), kind.ending).into_iter().rev() {
        let read = std::fs::read(&path).with_context(|| format!("{}", path.display()));
        match read.and_then(|bytes| parse(&path, &bytes, seq)) {
            Ok(state) => return Some(state),
            Err(error) => tracing::error!("a snapshot is passed over: {error:#}"),
        }
    }
    None
}

/// The last record in any snapshot that is whole; 0 = there is none.
pub fn reach(data: &Path) -> u64 {
    let whole = |kind| found(data, kind, |path, bytes, seq| opened(path, bytes, kind, seq).map(|_| seq));
    [BRAIN, BUREAU].into_iter().filter_map(whole).max().unwrap_or(0)
}

/// Record of the oldest snapshot kept: a start may have to read from there on.
pub fn oldest(data: &Path) -> Option<u64> {
    ENDINGS.iter().filter_map(|ending| list(&data.join(FOLDER), ending).first().map(|(seq, _)| *seq)).min()
}

fn list(folder: &Path, ending: &str) -> Vec<(u64, PathBuf)> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let number = |path: &Path| path.file_name()?.to_str()?.strip_suffix(ending)?.strip_suffix('.')?.parse().ok();
    let mut found: Vec<_> = entries.filter_map(|entry| Some((number(&entry.path())?, entry.path()))).collect();
    found.sort_unstable();
    found
}

/// Reads the bytes of a snapshot; `path` is their name in errors.
pub(super) fn parse(path: &Path, bytes: &[u8], seq: u64) -> anyhow::Result<Snapshot> {
    let (site, json) = opened(path, bytes, BRAIN, seq)?;
    let saved: Saved = serde_json::from_slice(&json).with_context(|| format!("{}", path.display()))?;
    let brain = saved.wake().with_context(|| format!("{}: its parts do not fit each other", path.display()))?;
    Ok(Snapshot { seq, era: 0, site, brain })
}

/// The same of a bureau.
pub(super) fn parse_bureau(path: &Path, bytes: &[u8], seq: u64) -> anyhow::Result<Bureau> {
    let (_, json) = opened(path, bytes, BUREAU, seq)?;
    serde_json::from_slice(&json).with_context(|| format!("{}", path.display()))
}

/// What a file says its state was made under, and the state as JSON.
fn opened(path: &Path, bytes: &[u8], kind: Kind, seq: u64) -> anyhow::Result<(String, Vec<u8>)> {
    let context = || format!("{}", path.display());
    let mut lines = bytes.splitn(4, |byte| *byte == b'\n');
    let mut line = || lines.next().and_then(|line| std::str::from_utf8(line).ok()).unwrap_or_default().to_owned();
    let (format, site, hash) = (line(), line(), line());
    let packed = lines.next().unwrap_or_default();
    ensure!(format == kind.format, "{}: {format:?} is not a form this program reads", path.display());
    ensure!(hash == seal(seq, &site, packed), "{}: damaged, its digest does not fit", path.display());
    let mut json = Vec::new();
    zstd::Decoder::new(packed).and_then(|mut decoder| decoder.read_to_end(&mut json)).with_context(context)?;
    Ok((site, json))
}

pub(super) fn seal(seq: u64, site: &str, packed: &[u8]) -> String {
    let mut hasher = blake3::Hasher::new();
    hasher.update(&seq.to_le_bytes()).update(site.as_bytes()).update(packed);
    hasher.finalize().to_hex().to_string()
}

/// Writes a snapshot once record `snapshot.seq` is on disk, and removes all but the newest ones. Blocks; nothing is written where the journal
/// dies before.
///
/// # Errors
/// The file cannot be written. The older ones stand.
pub fn write(data: &Path, snapshot: &Snapshot, durable: &watch::Receiver<Durable>) -> anyhow::Result<()> {
    let Snapshot { seq, era, site, brain } = snapshot;
    put_state(data, BRAIN, (*seq, *era), (site, brain), durable)
}

/// The same of a bureau as it was after record `seq` of the journal of this era.
///
/// # Errors
/// As [`write`].
pub fn write_bureau(
    data: &Path,
    (seq, era): (u64, u32),
    bureau: &Bureau,
    durable: &watch::Receiver<Durable>,
) -> anyhow::Result<()> {
    put_state(data, BUREAU, (seq, era), ("", bureau), durable)
}

fn put_state(
    data: &Path,
    kind: Kind,
    (seq, era): (u64, u32),
    (site, state): (&str, &impl Serialize),
    durable: &watch::Receiver<Durable>,
) -> anyhow::Result<()> {
    // Straight into the packer: as text a brain may take more than all the rest.
    let mut packer = BufWriter::new(zstd::Encoder::new(Vec::new(), 1)?);
    serde_json::to_writer(&mut packer, state)?;
    let packed = packer.into_inner().map_err(|e| e.into_error())?.finish()?;
    loop {
        let durable = durable.borrow().clone();
        if durable.holds(era, seq) {
            break;
        }
        ensure!(
            durable.failed.is_none() && durable.era == era,
            "the journal died before the record of this snapshot was on disk"
        );
        std::thread::sleep(std::time::Duration::from_millis(5));
    }
    let (folder, Kind { format, ending }) = (data.join(FOLDER), kind);
    let bytes = [format!("{format}\n{site}\n{}\n", seal(seq, site, &packed)).as_bytes(), &packed].concat();
    put(&folder, &format!("{seq:012}.{ending}"), &bytes)?;
    let all = list(&folder, ending);
    // What a crash left half made goes with the old ones.
    let (old, half) = (&all[..all.len().saturating_sub(KEPT)], list(&folder, &format!("{ending}.new")));
    for (_, path) in old.iter().chain(&half) {
        std::fs::remove_file(path).with_context(|| format!("cannot remove {}", path.display()))?;
    }
    Ok(())
}

/// Keeps a site under its digest, so that what was decided under it can be decided again. On disk when this returns.
///
/// # Errors
/// The file cannot be written.
pub fn keep_site(data: &Path, digest: &str, site: &Site) -> anyhow::Result<()> {
    let folder = data.join(SITES);
    let name = site_file(digest);
    if folder.join(&name).exists() {
        return Ok(());
    }
    put(&folder, &name, &serde_json::to_vec_pretty(site)?)
}

/// The site with this digest.
///
/// # Errors
/// It is not there, or it is not what was kept.
pub fn site(data: &Path, digest: &str) -> anyhow::Result<Site> {
    let path = data.join(SITES).join(site_file(digest));
    let context = || format!("cannot read {}", path.display());
    let site: Site = serde_json::from_slice(&std::fs::read(&path).with_context(context)?).with_context(context)?;
    ensure!(self::digest(&site) == digest, "{} was changed: its digest does not fit", path.display());
    Ok(site)
}

/// Names of the tags, in their order, where all sites that were ever decided under have the same.
pub fn tags(data: &Path) -> Option<Vec<String>> {
    let mut all = None;
    for entry in std::fs::read_dir(data.join(SITES)).ok()? {
        let site: Site = serde_json::from_slice(&std::fs::read(entry.ok()?.path()).ok()?).ok()?;
        let tags: Vec<String> = site.tags.into_iter().map(|tag| tag.name).collect();
        if all.get_or_insert_with(|| tags.clone()) != &tags {
            return None;
        }
    }
    all
}

fn site_file(digest: &str) -> String {
    format!("{}.json", digest.replace(':', "-"))
}

/// Whole or not at all: written beside, synced, renamed, and the name synced.
fn put(folder: &Path, name: &str, bytes: &[u8]) -> anyhow::Result<()> {
    let (making, path) = (folder.join(format!("{name}.new")), folder.join(name));
    let context = || format!("cannot write {}", path.display());
    std::fs::create_dir_all(folder).with_context(context)?;
    let mut file = File::create(&making).with_context(context)?;
    file.write_all(bytes).and_then(|()| file.sync_all()).with_context(context)?;
    std::fs::rename(&making, &path).with_context(context)?;
    File::open(folder).and_then(|folder| folder.sync_all()).with_context(context)
}
