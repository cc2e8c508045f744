//! The files under the journal: an enum, so that tests can fail a call or record what was done between syncs.
//! Must not know: records, segments' meaning.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;
#[cfg(test)]
use std::path::PathBuf;

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
    }

    pub fn record(tape: &Mutex<Tape>, call: Call) -> io::Result<()> {
        let mut tape = tape.lock().expect("tests do not panic under it");
        tape.calls.push(call);
        match tape.fail_at {
            Some(n) if n + 1 == tape.calls.len() => Err(io::Error::other("injected")),
            _ => Ok(()),
        }
    }
}
