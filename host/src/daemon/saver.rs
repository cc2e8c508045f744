//! Snapshots on their way to the disk, one at a time on a thread of its own: packing one must not hold up a reading. Owns: when one that could
//! not be written is tried again. Must not know: what is in it, when one is due.

use super::core::Core;
use super::snapshot;
use crate::journal::Durable;
use std::path::{Path, PathBuf};
use std::thread::JoinHandle;
use tokio::sync::watch;

/// What could not be written so many times in a row is tried at most every 64 s.
const DOUBLED_MAX: u32 = 6;

/// Writes them.
pub struct Saver {
    data: PathBuf,
    durable: watch::Receiver<Durable>,
    /// True = written.
    writing: Option<JoinHandle<bool>>,
    /// Tries in a row that failed.
    failed: u32,
    /// Seconds until the next one.
    wait: u32,
}

impl Saver {
    /// For a data directory; `durable` says how far its journal is.
    pub fn new(data: &Path, durable: watch::Receiver<Durable>) -> Saver {
        Saver { data: data.to_owned(), durable, writing: None, failed: 0, wait: 0 }
    }

    /// To be called each second: begins to write a snapshot where one is due, and sees how the last one went.
    pub fn save(&mut self, core: &mut Core) {
        if let Some(written) = self.writing.take_if(|writing| writing.is_finished()) {
            self.ended(written.join().unwrap_or(false), core);
        }
        self.wait = self.wait.saturating_sub(1);
        if self.writing.is_some() || self.wait > 0 || !core.snapshot_due() {
            return;
        }
        let (data, durable, snapshot) = (self.data.clone(), self.durable.clone(), core.snapshot());
        let write = move || match snapshot::write(&data, &snapshot, &durable) {
            Ok(()) => true,
            Err(error) => {
                tracing::warn!("no snapshot, the next start takes longer: {error:#}");
                false
            }
        };
        self.writing = std::thread::Builder::new().name("snapshot".to_owned()).spawn(write).ok();
        if self.writing.is_none() {
            self.ended(false, core);
        }
    }

    fn ended(&mut self, well: bool, core: &mut Core) {
        if well {
            self.failed = 0;
            return;
        }
        core.not_saved();
        self.failed = (self.failed + 1).min(DOUBLED_MAX);
        self.wait = 1 << self.failed;
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::journal::SEGMENT_BYTES_MIN;
    use brain::Event;

    /// Seconds until the next try has ended.
    fn tried(saver: &mut Saver, core: &mut Core) -> u32 {
        for seconds in 0..200 {
            saver.save(core);
            if let Some(writing) = &saver.writing {
                while !writing.is_finished() {
                    std::thread::yield_now();
                }
                return seconds;
            }
        }
        panic!("never tried again");
    }

    #[test]
    fn a_snapshot_that_could_not_be_written_is_tried_again_soon() {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../configs/gas-district.toml");
        let site = crate::config::load(&path).unwrap().site;
        let data = tempfile::tempdir().unwrap();
        let (mut core, _) = Core::open(site.clone(), SEGMENT_BYTES_MIN, data.path()).unwrap();
        let mut saver = Saver::new(data.path(), core.durable());
        core.start(0, "");
        // An hour of the plant later.
        core.step(4_000_000_000, Event::Tick);
        let folder = data.path().join(snapshot::FOLDER);
        std::fs::write(&folder, "in the way").unwrap();
        let waited: Vec<u32> = (0..9).map(|_| tried(&mut saver, &mut core)).collect();
        assert_eq!(waited, [0, 1, 3, 7, 15, 31, 63, 63, 63]);
        std::fs::remove_file(&folder).unwrap();
        core.step(4_001_000_000, Event::Tick);
        tried(&mut saver, &mut core);
        saver.save(&mut core);
        assert!(!core.snapshot_due() && snapshot::newest(data.path()).is_some());
        assert_eq!((saver.failed, saver.wait), (0, 0));

        // Its number is another record's by now.
        let ours = core.durable().borrow().clone();
        let (_later, later) = watch::channel(Durable { era: ours.era + 1, ..ours });
        let error = snapshot::write(data.path(), &core.snapshot(), &later).unwrap_err();
        assert!(error.to_string().contains("the journal died before"), "{error:#}");
    }
}
