//! Reading a segment through a window of bounded size, in whatever form it is kept. Must not know: records.

use super::files::Source;
use anyhow::Context;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

/// Bytes read at once.
const WINDOW_BYTES: usize = 64 << 10;

/// A segment, and a piece of it in memory.
pub struct Window {
    source: Source,
    path: PathBuf,
    bytes: Vec<u8>,
    start: u64,
}

impl Window {
    /// Nothing is read yet.
    pub fn new(source: Source, path: PathBuf) -> Window {
        Window { source, path, bytes: vec![], start: 0 }
    }

    /// Whether a damaged frame stands here: what is read of it is nothing.
    pub fn is_lost_at(&mut self, offset: u64) -> bool {
        match &mut self.source {
            Source::Raw(_) => false,
            Source::Packed(packed) => !packed.is_whole_at(offset).unwrap_or(false),
            Source::Lost => true,
        }
    }

    /// Where the bytes come from.
    pub fn source(&self) -> &Source {
        &self.source
    }

    /// Name of the file.
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
        self.bytes = vec![0; size];
        self.start = offset;
        let mut filled = 0;
        while filled < size {
            match self.source.read_at(&mut self.bytes[filled..], offset + filled as u64) {
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
