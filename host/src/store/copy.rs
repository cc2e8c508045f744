//! A database copied file by file: past what the disk does not give back, and also while another process has it. Whether the copy is what the database
//! says of itself is asked of the copy. Must not know: what becomes of it.

use super::base::Base;
use super::bases::{DAY_FANOUT, Mark, State};
use super::ingest::day;
use super::places;
use anyhow::{Context, bail};
use brain::Micros;
use std::collections::BTreeMap;
use std::fs::File;
use std::io::{Error, ErrorKind, Write};
use std::os::unix::fs::FileExt;
use std::path::Path;

const CACHE_BYTES: usize = 16 << 20;
/// What is passed over where a read fails.
const SECTOR_BYTES: u64 = 4096;
const PIECE_BYTES: usize = 256 << 10;
/// Times that a database which changes meanwhile is copied.
const TRIES: usize = 5;

/// Copies a folder with all in it, and waits for the disk. What cannot be read is zeros in the copy. Bytes that were.
///
/// # Errors
/// A file goes away meanwhile, or the copy cannot be written: no room.
pub fn all(from: &Path, to: &Path) -> std::io::Result<u64> {
    std::fs::create_dir_all(to)?;
    let mut lost = 0;
    for entry in std::fs::read_dir(from)? {
        let entry = entry?;
        let to = to.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            lost += all(&entry.path(), &to)?;
        } else {
            let (source, copy) = (File::open(entry.path())?, File::create(&to)?);
            lost += past(source.metadata()?.len(), |piece, at| source.read_at(piece, at), &copy)?;
            copy.sync_all()?;
        }
    }
    File::open(to)?.sync_all()?;
    Ok(lost)
}

/// Copies `end` bytes in pieces; says how many of them could not be read.
fn past(end: u64, read: impl Fn(&mut [u8], u64) -> std::io::Result<usize>, mut copy: impl Write) -> std::io::Result<u64> {
    let (mut piece, mut at, mut lost) = (vec![0; PIECE_BYTES], 0, 0);
    while at < end {
        let most = PIECE_BYTES.min((end - at) as usize);
        let size = match read(&mut piece[..most], at) {
            Ok(0) => break,
            Ok(size) => size,
            Err(error) if error.kind() == ErrorKind::Interrupted => continue,
            Err(_) => {
                // Up to the end of this sector; those before it came by themselves, or come one by one.
                let sector = ((SECTOR_BYTES - at % SECTOR_BYTES) as usize).min(most);
                match read(&mut piece[..sector], at) {
                    Ok(size) if size > 0 => size,
                    Ok(_) | Err(_) => {
                        piece[..sector].fill(0);
                        lost += sector as u64;
                        sector
                    }
                }
            }
        };
        copy.write_all(&piece[..size])?;
        at += size as u64;
    }
    Ok(lost)
}

/// Opens a copy of a database that another process may have: one that changed meanwhile is copied again.
///
/// # Errors
/// It never was whole: it is damaged, or written too often. Or there is no room.
pub fn whole<const FANOUT: usize>(from: &Path, to: &Path) -> anyhow::Result<Base<FANOUT>> {
    let mut why = String::new();
    for _ in 0..TRIES {
        if to.exists() {
            std::fs::remove_dir_all(to).with_context(|| format!("cannot remove {}", to.display()))?;
        }
        match all(from, to) {
            Err(error) if error.kind() == ErrorKind::NotFound => why = error.to_string(),
            Err(error) => return Err(error).with_context(|| format!("cannot copy {} to {}", from.display(), to.display())),
            Ok(_) => match Base::open(to, CACHE_BYTES).and_then(|base| Ok((base.is_whole(&|| {})?, base))) {
                Ok((true, base)) => return Ok(base),
                Ok((false, _)) => "its rows are not what it says itself".clone_into(&mut why),
                Err(error) => why = error.to_string(),
            },
        }
    }
    bail!("{} is damaged, or was written meanwhile: {why}", from.display())
}

/// A day wanted for a backup.
#[derive(Debug)]
pub struct Copied {
    /// Inside the store's folder.
    pub folder: String,
    /// What kept it from being copied; then nothing of it is there.
    pub failed: Option<String>,
}

/// Copies the days up to that of `last`, of the store in `dir`, into the folder `out` of a store: each is what it says itself. One that is put aside, or
/// that a mark says is still to be made again, is none that could be copied. Safe beside a daemon. `pass` is told how many are done, of how many.
///
/// # Errors
/// The copy cannot be written.
pub fn days(dir: &Path, out: &Path, last: Micros, pass: &mut dyn FnMut(u64, u64)) -> anyhow::Result<Vec<Copied>> {
    let root = places::root(dir);
    let (mut copied, wanted) = (vec![], |number: &i64| *number <= day(last));
    let there: Vec<i64> = places::days_in(&root).into_iter().filter(wanted).collect();
    for (done, number) in there.iter().enumerate() {
        let number = *number;
        pass(done as u64, there.len() as u64);
        let folder = format!("day/{}", places::date(number)?);
        let (from, to) = (root.join(&folder), out.join(&folder));
        let failed = whole::<DAY_FANOUT>(&from, &to).map(drop).err();
        match &failed {
            Some(error) if is_full(error) => bail!("cannot copy {} to {}: {error:#}", from.display(), to.display()),
            Some(_) if to.exists() => {
                std::fs::remove_dir_all(&to).with_context(|| format!("cannot remove {}", to.display()))?;
            }
            Some(_) | None => {}
        }
        copied.push(Copied { folder, failed: failed.map(|error| format!("{error:#}")) });
    }
    // Asked behind the copies: what was put aside meanwhile, or stood in its place again too late, is known.
    let mut marks = marks(&root.join("state"), &out.join("state"))?;
    let aside = places::days_aside(dir).into_iter().map(|day| (day, Mark::again("its database is put aside".into())));
    for (day, mark) in aside {
        marks.entry(day).or_insert(mark);
    }
    for (number, mark) in marks.into_iter().filter(|(number, _)| wanted(number) && !there.contains(number)) {
        let (folder, why) = (format!("day/{}", places::date(number)?), mark.why);
        let failed = Some(format!("{why}: what the store has of this day is in quarantine/ until it is made again"));
        copied.push(Copied { folder, failed });
    }
    Ok(copied)
}

/// Why days are not whole, as the state says; a copy of it is read and removed again. Without one that can be read nothing is known.
fn marks(state: &Path, copy: &Path) -> anyhow::Result<BTreeMap<i64, Mark>> {
    let read = || whole(state, copy).and_then(|state: State| Mark::all(&state));
    let found = if state.exists() { read() } else { Ok(BTreeMap::new()) };
    if copy.exists() {
        std::fs::remove_dir_all(copy).with_context(|| format!("cannot remove {}", copy.display()))?;
    }
    match found {
        Err(error) if is_full(&error) => Err(error),
        Err(error) => {
            tracing::warn!(
                "the state of the store cannot be read, so a day that is neither there nor put aside is not missed: {error:#}"
            );
            Ok(BTreeMap::new())
        }
        Ok(found) => Ok(found),
    }
}

/// True where the disk is full, or the share of it: it passes.
pub fn is_full(error: &anyhow::Error) -> bool {
    let mut kinds = error.chain().filter_map(|cause| cause.downcast_ref::<Error>()).map(Error::kind);
    kinds.any(|kind| matches!(kind, ErrorKind::StorageFull | ErrorKind::QuotaExceeded))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_bad_sector_costs_itself_and_nothing_else() {
        let bytes: Vec<u8> = (0..700_000u32).map(|n| (n % 251) as u8 + 1).collect();
        let cases: [&[(u64, u64)]; 4] = [&[], &[(0, 4096)], &[(40_960, 45_056), (262_144, 270_336)], &[(696_320, 700_000)]];
        for bad in cases {
            let is_bad = |from: u64, to: u64| bad.iter().any(|bad| from < bad.1 && bad.0 < to);
            let read = |piece: &mut [u8], at: u64| {
                let size = piece.len().min(bytes.len() - at as usize);
                if is_bad(at, at + size as u64) {
                    return Err(Error::from_raw_os_error(5));
                }
                piece[..size].copy_from_slice(&bytes[at as usize..at as usize + size]);
                Ok(size)
            };
            let mut copy = vec![];
            let lost = past(bytes.len() as u64, read, &mut copy).unwrap();
            assert_eq!(lost, bad.iter().map(|bad| bad.1 - bad.0).sum::<u64>());
            let expected = |(at, byte): (usize, &u8)| if is_bad(at as u64, at as u64 + 1) { 0 } else { *byte };
            assert_eq!(copy, bytes.iter().enumerate().map(expected).collect::<Vec<_>>());
        }
    }

    #[test]
    fn a_full_disk_is_told_from_a_bad_one() {
        let of = |number: i32| anyhow::Error::from(Error::from_raw_os_error(number)).context("cannot write");
        assert!(is_full(&of(28)) && is_full(&of(122)) && !is_full(&of(5)));
    }
}
