//! Reading a file through a window of bounded size. Must not know: records.

use anyhow::Context;
use std::fs::File;
use std::io::ErrorKind;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

/// Bytes read at once.
const WINDOW_BYTES: usize = 64 << 10;

/// A file, and a piece of it in memory.
pub struct Window {
    file: File,
    path: PathBuf,
    bytes: Vec<u8>,
    start: u64,
}

impl Window {
    /// Nothing is read yet.
    pub fn new(file: File, path: PathBuf) -> Window {
        Window { file, path, bytes: vec![], start: 0 }
    }

    /// The file itself.
    pub fn file(&self) -> &File {
        &self.file
    }

    /// Its name.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Nothing is in memory.
    pub fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    /// Reads again next time: somebody may have written.
    pub fn forget(&mut self) {
        self.bytes.clear();
    }

    /// `size` bytes from `offset`, fewer only at the end of the file.
    pub fn get(&mut self, offset: u64, size: usize) -> anyhow::Result<&[u8]> {
        let inside = offset >= self.start && offset + size as u64 <= self.start + self.bytes.len() as u64;
        if !inside {
            self.fill(offset, size.max(WINDOW_BYTES))
                .with_context(|| format!("cannot read {} at byte {offset}", self.path.display()))?;
        }
        let from = (offset - self.start) as usize;
        Ok(&self.bytes[from..self.bytes.len().min(from + size)])
    }

    fn fill(&mut self, offset: u64, size: usize) -> std::io::Result<()> {
        self.bytes.resize(size, 0);
        self.start = offset;
        let mut filled = 0;
        while filled < size {
            match self.file.read_at(&mut self.bytes[filled..], offset + filled as u64) {
                Ok(0) => break,
                Ok(n) => filled += n,
                Err(e) if e.kind() == ErrorKind::Interrupted => {}
                Err(e) => {
                    self.bytes.clear();
                    return Err(e);
                }
            }
        }
        self.bytes.truncate(filled);
        Ok(())
    }
}
