//! Reading a segment through a window of bounded size, in whatever form it is kept. What cannot be read is passed over, and known.
//! Must not know: records.

use super::disk::Unreadable;
use super::files::Source;
use std::ops::Range;
use std::path::{Path, PathBuf};

/// Bytes read at once.
const WINDOW_BYTES: usize = 64 << 10;

/// A segment, and a piece of it in memory.
pub struct Window {
    source: Source,
    path: PathBuf,
    bytes: Vec<u8>,
    start: u64,
    /// What could not be read so far; 0xff stands for it.
    lost: Vec<Unreadable>,
}

impl Window {
    /// Nothing is read yet.
    pub fn new(source: Source, path: PathBuf) -> Window {
        Window { source, path, bytes: vec![], start: 0, lost: vec![] }
    }

    /// The first of these bytes that could not be read, up to where reading goes on.
    pub fn lost(&self, bytes: &Range<u64>) -> Option<&Unreadable> {
        let within = self.lost.iter().filter(|lost| lost.bytes.start < bytes.end && lost.bytes.end > bytes.start);
        within.min_by_key(|lost| lost.bytes.start)
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
    pub fn get(&mut self, offset: u64, size: usize) -> &[u8] {
        let inside = offset >= self.start && offset + size as u64 <= self.start + self.bytes.len() as u64;
        if !inside {
            self.fill(offset, size.max(WINDOW_BYTES));
        }
        let from = (offset - self.start) as usize;
        &self.bytes[from..self.bytes.len().min(from + size)]
    }

    fn fill(&mut self, offset: u64, size: usize) {
        self.bytes = vec![0; size];
        self.start = offset;
        let filled = self.source.read_past(&mut self.bytes, offset, &mut self.lost);
        self.bytes.truncate(filled);
    }
}
