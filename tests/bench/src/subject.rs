//! A program under test as a process: started, asked for its CPU time and memory, ended by id.
//! Must not know: what is measured.

use anyhow::Context;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

/// A running process, killed when dropped.
pub struct Subject(Child);

impl Subject {
    /// Starts `program` with its output thrown away, or kept in `log`.
    ///
    /// # Errors
    /// It cannot be started.
    pub fn start(program: &Path, arguments: &[&str], log: &Path) -> anyhow::Result<Subject> {
        let out = std::fs::File::create(log)?;
        let child = Command::new(program).args(arguments).stdout(Stdio::null()).stderr(out).spawn();
        Ok(Subject(child.with_context(|| format!("cannot start {}", program.display()))?))
    }

    /// It has not ended.
    pub fn runs(&mut self) -> bool {
        matches!(self.0.try_wait(), Ok(None))
    }

    /// CPU seconds so far, user and system.
    pub fn cpu_s(&self) -> f64 {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.0.id())).unwrap_or_default();
        let fields: Vec<&str> = stat.rsplit(')').next().unwrap_or("").split_whitespace().collect();
        let ticks = |i: usize| fields.get(i).and_then(|f| f.parse::<f64>().ok()).unwrap_or(0.0);
        (ticks(11) + ticks(12)) / 100.0
    }

    /// Present and peak memory, MB.
    pub fn memory_mb(&self) -> (f64, f64) {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.0.id())).unwrap_or_default();
        let line = |name: &str| {
            let found = status.lines().find_map(|l| l.strip_prefix(name)).and_then(|l| l.split_whitespace().next());
            found.and_then(|kb| kb.parse::<f64>().ok()).unwrap_or(0.0) / 1024.0
        };
        (line("VmRSS:"), line("VmHWM:"))
    }

    /// Asks it to stop and waits.
    pub fn stop(mut self) {
        let _ = Command::new("kill").arg(self.0.id().to_string()).status();
        for _ in 0..50 {
            if matches!(self.0.try_wait(), Ok(Some(_))) {
                return;
            }
            std::thread::sleep(Duration::from_millis(100));
        }
    }
}

impl Drop for Subject {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
