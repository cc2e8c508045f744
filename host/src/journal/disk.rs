//! The files under the journal: an enum, so that tests can fail a call or record what was done between syncs; and reading that goes on behind
//! what the disk cannot read. Must not know: records, segments' meaning.

use std::fmt;
use std::fs::File;
use std::io;
use std::ops::Range;
use std::os::unix::fs::FileExt;
use std::path::Path;
#[cfg(test)]
use std::path::PathBuf;

/// What is passed over where a read fails: a page of memory, and no sector is larger.
const BLOCK_BYTES: u64 = 4096;

/// Bytes of a file that the disk does not give back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unreadable {
    /// Where they are in the file.
    pub bytes: Range<u64>,
    /// What the system says.
    pub why: String,
}

impl fmt::Display for Unreadable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "bytes {} to {} cannot be read: {}", self.bytes.start, self.bytes.end, self.why)
    }
}

/// Fills `into` from byte `offset` of the file on, as far as the file goes; says how far. What cannot be read is passed over: 0xff stands for it, which
/// is no record, and it is added to `lost`, in order. What is in `lost` already is not tried again: a dying disk takes seconds to refuse.
pub fn read_past(file: &File, into: &mut [u8], offset: u64, lost: &mut Vec<Unreadable>) -> usize {
    let mut filled = 0;
    while filled < into.len() {
        let at = offset + filled as u64;
        let known = lost.iter().find(|lost| lost.bytes.contains(&at)).map(|lost| lost.bytes.end);
        let read = if known.is_some() { Ok(0) } else { read_at(file, &mut into[filled..], at) };
        let behind = match (known, read) {
            (Some(behind), _) => behind,
            (None, Ok(0)) => break,
            (None, Ok(size)) => {
                filled += size;
                continue;
            }
            (None, Err(e)) if e.kind() == io::ErrorKind::Interrupted => continue,
            (None, Err(e)) => {
                let behind = (at / BLOCK_BYTES + 1) * BLOCK_BYTES;
                note(lost, at..behind, e.to_string());
                behind
            }
        };
        let size = (into.len() - filled).min((behind - at) as usize);
        into[filled..filled + size].fill(0xff);
        filled += size;
    }
    filled
}

/// One stretch is one entry.
fn note(lost: &mut Vec<Unreadable>, bytes: Range<u64>, why: String) {
    match lost.iter_mut().find(|lost| lost.bytes.end == bytes.start && lost.why == why) {
        Some(before) => before.bytes.end = bytes.end,
        None => lost.push(Unreadable { bytes, why }),
    }
}

/// As many bytes as come at once; 0 = the end.
pub fn read_at(file: &File, into: &mut [u8], offset: u64) -> io::Result<usize> {
    #[cfg(test)]
    let most = bad::most(file, into.len(), offset)?;
    #[cfg(not(test))]
    let most = into.len();
    file.read_at(&mut into[..most], offset)
}

/// All of `into`, or an error.
pub fn read_exact_at(file: &File, into: &mut [u8], offset: u64) -> io::Result<()> {
    let mut lost = vec![];
    let size = read_past(file, into, offset, &mut lost);
    match lost.first() {
        Some(lost) => Err(io::Error::other(lost.to_string())),
        None if size < into.len() => Err(io::ErrorKind::UnexpectedEof.into()),
        None => Ok(()),
    }
}

/// Copies what can be read of a file, and waits for the disk. What cannot be read is 0xff in the copy.
///
/// # Errors
/// The file cannot be opened, or the copy not be written.
pub fn salvage(from: &Path, to: &Path) -> io::Result<()> {
    let (file, copy) = (File::open(from)?, File::create(to)?);
    let (end, mut at, mut lost) = (file.metadata()?.len(), 0, vec![]);
    let mut piece = vec![0; 256 << 10];
    while at < end {
        let most = piece.len().min((end - at) as usize);
        let size = read_past(&file, &mut piece[..most], at, &mut lost);
        if size == 0 {
            break;
        }
        copy.write_all_at(&piece[..size], at)?;
        at += size as u64;
    }
    copy.sync_all()
}

/// What the journal is written on.
#[derive(Clone)]
pub enum Medium {
    /// The file system.
    Real,
    /// The file system, with every call written down and one of them failing.
    #[cfg(test)]
    Taped(std::sync::Arc<std::sync::Mutex<tape::Tape>>),
}

/// One file being written.
pub struct Disk {
    file: File,
    #[cfg(test)]
    tape: Option<(std::sync::Arc<std::sync::Mutex<tape::Tape>>, PathBuf)>,
}

impl Medium {
    /// Takes over a file; `name` is its name inside the journal's directory.
    #[cfg_attr(not(test), allow(unused_variables))]
    pub fn wrap(&self, file: File, name: &Path) -> Disk {
        match self {
            Medium::Real => Disk {
                file,
                #[cfg(test)]
                tape: None,
            },
            #[cfg(test)]
            Medium::Taped(tape) => Disk { file, tape: Some((tape.clone(), name.to_owned())) },
        }
    }

    /// Gives a file another name; both are inside `dir`. On disk after [`Medium::sync_names`] of the folders.
    pub fn rename(&self, dir: &Path, from: &Path, to: &Path) -> io::Result<()> {
        #[cfg(test)]
        self.tell(tape::Call::Rename { from: from.to_owned(), to: to.to_owned() })?;
        std::fs::rename(dir.join(from), dir.join(to))
    }

    /// Removes a file.
    pub fn remove(&self, dir: &Path, name: &Path) -> io::Result<()> {
        #[cfg(test)]
        self.tell(tape::Call::Remove { name: name.to_owned() })?;
        #[cfg(test)]
        if let (Medium::Taped(tape), Ok(file)) = (self, dir.join(name).metadata()) {
            let mut tape = tape.lock().expect("tests do not panic under it");
            tape.room = tape.room.map(|room| room + file.len());
        }
        std::fs::remove_file(dir.join(name))
    }

    /// Waits until the names in these folders of `dir` are on disk.
    pub fn sync_names(&self, dir: &Path, folders: &[&str]) -> io::Result<()> {
        for folder in folders {
            #[cfg(test)]
            self.tell(tape::Call::Names { folder: PathBuf::from(folder) })?;
            File::open(dir.join(folder)).and_then(|folder| folder.sync_all())?;
        }
        Ok(())
    }

    #[cfg(test)]
    fn tell(&self, call: tape::Call) -> io::Result<()> {
        match self {
            Medium::Real => Ok(()),
            Medium::Taped(tape) => tape::record(tape, call),
        }
    }
}

impl Disk {
    /// Writes all of `bytes`.
    pub fn write_all_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        #[cfg(test)]
        if let Some((tape, name)) = &self.tape {
            tape::record(tape, tape::Call::Write { name: name.clone(), offset, bytes: bytes.to_vec() })?;
        }
        self.file.write_all_at(bytes, offset)
    }

    /// Waits until what was written is on disk.
    pub fn sync_data(&self) -> io::Result<()> {
        #[cfg(test)]
        if let Some((tape, name)) = &self.tape {
            tape::record(tape, tape::Call::Sync { name: name.clone() })?;
        }
        self.file.sync_data()
    }
}

/// What tests see of the calls.
#[cfg(test)]
pub mod tape {
    use std::io;
    use std::path::PathBuf;
    use std::sync::Mutex;

    /// One call. Names are inside the journal's directory.
    #[derive(Clone, Debug)]
    pub enum Call {
        /// Not on disk until the next sync of the same file.
        Write { name: PathBuf, offset: u64, bytes: Vec<u8> },
        /// Everything written to the file is on disk.
        Sync { name: PathBuf },
        /// Not on disk until the names of both folders are.
        Rename { from: PathBuf, to: PathBuf },
        /// Not on disk until the names of its folder are.
        Remove { name: PathBuf },
        /// The names in a folder are on disk.
        Names { folder: PathBuf },
        /// The writer told the world.
        Durable { seq: u64 },
    }

    /// All calls so far, and the index of the one that fails.
    #[derive(Default)]
    pub struct Tape {
        pub calls: Vec<Call>,
        pub fail_at: Option<usize>,
        /// Bytes that can still be written, where there is an end to them.
        pub room: Option<u64>,
    }

    pub fn record(tape: &Mutex<Tape>, call: Call) -> io::Result<()> {
        let mut tape = tape.lock().expect("tests do not panic under it");
        if let (Call::Write { bytes, .. }, Some(room)) = (&call, &mut tape.room) {
            // ENOSPC.
            *room = room.checked_sub(bytes.len() as u64).ok_or_else(|| io::Error::from_raw_os_error(28))?;
        }
        tape.calls.push(call);
        match tape.fail_at {
            Some(n) if n + 1 == tape.calls.len() => Err(io::Error::other("injected")),
            _ => Ok(()),
        }
    }
}

/// Sectors that tests make unreadable.
#[cfg(test)]
pub mod bad {
    use std::fs::File;
    use std::io;
    use std::ops::Range;
    use std::os::unix::fs::MetadataExt;
    use std::path::Path;
    use std::sync::Mutex;

    type Row = ((u64, u64), Range<u64>);
    static ALL: Mutex<Vec<Row>> = Mutex::new(vec![]);

    /// They are until it is dropped; drop it before the file is removed.
    pub struct Bad(Row);

    /// Bytes of a file, in whole blocks.
    pub fn make(path: &Path, bytes: Range<u64>) -> Bad {
        assert!([bytes.start, bytes.end].iter().all(|at| at.is_multiple_of(super::BLOCK_BYTES)));
        let row = (of(&File::open(path).expect("a file")).expect("a file"), bytes);
        ALL.lock().expect("nobody panics under it").push(row.clone());
        Bad(row)
    }

    impl Drop for Bad {
        fn drop(&mut self) {
            let mut all = ALL.lock().expect("nobody panics under it");
            all.retain(|row| *row != self.0);
        }
    }

    fn of(file: &File) -> io::Result<(u64, u64)> {
        file.metadata().map(|file| (file.dev(), file.ino()))
    }

    /// How many bytes come at once: those before the first bad one.
    pub fn most(file: &File, size: usize, offset: u64) -> io::Result<usize> {
        let all = ALL.lock().expect("nobody panics under it");
        if all.is_empty() {
            return Ok(size);
        }
        let id = of(file)?;
        let bad = all.iter().filter(|(file, _)| *file == id).map(|(_, bytes)| bytes);
        if bad.clone().any(|bytes| bytes.contains(&offset)) {
            return Err(io::Error::from_raw_os_error(5));
        }
        Ok(bad.filter(|bytes| bytes.start > offset).map(|bytes| (bytes.start - offset) as usize).min().unwrap_or(size).min(size))
    }
}
