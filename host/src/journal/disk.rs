//! The file under a segment: an enum, so that tests can fail a call or record what was written between syncs.
//! Must not know: records, segments' meaning.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

/// What the journal is written on.
#[derive(Clone)]
pub enum Medium {
    /// The file system.
    Real,
    /// The file system, with every call written down and one of them failing.
    #[cfg(test)]
    Taped(std::sync::Arc<std::sync::Mutex<tape::Tape>>),
}

/// One segment's file.
pub struct Disk {
    file: File,
    #[cfg(test)]
    tape: Option<(std::sync::Arc<std::sync::Mutex<tape::Tape>>, u64)>,
}

impl Medium {
    /// Takes over a segment's file.
    #[cfg_attr(not(test), allow(unused_variables))]
    pub fn wrap(&self, file: File, number: u64) -> Disk {
        match self {
            Medium::Real => Disk {
                file,
                #[cfg(test)]
                tape: None,
            },
            #[cfg(test)]
            Medium::Taped(tape) => Disk { file, tape: Some((tape.clone(), number)) },
        }
    }
}

impl Disk {
    /// Writes all of `bytes`.
    pub fn write_all_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        #[cfg(test)]
        if let Some((tape, number)) = &self.tape {
            let bytes = bytes.to_vec();
            tape::record(tape, tape::Call::Write { number: *number, offset, bytes })?;
        }
        self.file.write_all_at(bytes, offset)
    }

    /// Waits until what was written is on disk.
    pub fn sync_data(&self) -> io::Result<()> {
        #[cfg(test)]
        if let Some((tape, number)) = &self.tape {
            tape::record(tape, tape::Call::Sync { number: *number })?;
        }
        self.file.sync_data()
    }
}

/// What tests see of the calls.
#[cfg(test)]
pub mod tape {
    use std::io;
    use std::sync::Mutex;

    /// One call.
    #[derive(Clone, Debug)]
    pub enum Call {
        /// Not on disk until the next sync of the same segment.
        Write { number: u64, offset: u64, bytes: Vec<u8> },
        /// Everything written to the segment is on disk.
        Sync { number: u64 },
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
