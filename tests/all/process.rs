//! The real program as a process, and the strangers it talks to: started on free ports, ended by id when dropped.
//! Must not know: any type of the host. What a test says of the product it says from outside.

use std::io::{BufRead, BufReader, Write};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::time::{Duration, Instant};

/// A process that is killed when the test ends, however it ends.
pub struct Process {
    child: Child,
    lines: mpsc::Receiver<String>,
}

impl Process {
    /// Starts a program and collects what it says on standard error.
    pub fn start(program: impl AsRef<Path>, arguments: &[&str]) -> Process {
        let mut child = Command::new(program.as_ref())
            .args(arguments)
            .env("SAFETY_BRAIN_LOG", "warn")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap_or_else(|error| panic!("cannot start {}: {error}", program.as_ref().display()));
        let (told, lines) = mpsc::sync_channel(10_000);
        let stderr = child.stderr.take().unwrap();
        std::thread::spawn(move || {
            for line in BufReader::new(stderr).lines().map_while(Result::ok) {
                // A full queue must not stop the program under test.
                let _ = told.try_send(line);
            }
        });
        Process { child, lines }
    }

    /// The product.
    pub fn safety_brain(arguments: &[&str]) -> Process {
        Process::start(env!("CARGO_BIN_EXE_safety-brain"), arguments)
    }

    /// Waits for a line that holds `text`; panics with what was said instead.
    pub fn line_with(&self, text: &str, most: Duration) -> String {
        let until = Instant::now() + most;
        let mut said = Vec::new();
        while let Some(left) = until.checked_duration_since(Instant::now()) {
            match self.lines.recv_timeout(left) {
                Ok(line) if line.contains(text) => return line,
                Ok(line) => said.push(line),
                Err(_) => break,
            }
        }
        panic!("no line with {text:?} in {most:?}; the program said:\n{}", said.join("\n"));
    }

    /// SIGKILL: no chance to tidy up.
    pub fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// SIGTERM, and how long it took to end.
    pub fn terminate(mut self) -> Duration {
        let began = Instant::now();
        Command::new("kill").arg(self.child.id().to_string()).status().unwrap();
        while began.elapsed() < Duration::from_secs(20) {
            if let Some(status) = self.child.try_wait().unwrap() {
                let said: Vec<String> = self.lines.try_iter().collect();
                assert!(status.success(), "ended with {status} after SIGTERM; it said:\n{}", said.join("\n"));
                return began.elapsed();
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        panic!("still running 20 s after SIGTERM");
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A port that was free a moment ago.
pub fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

/// The workspace.
pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

/// Tries `check` until it gives something; panics with its last complaint.
pub fn eventually<T>(what: &str, most: Duration, mut check: impl FnMut() -> Result<T, String>) -> T {
    let until = Instant::now() + most;
    loop {
        match check() {
            Ok(value) => return value,
            Err(complaint) => assert!(Instant::now() < until, "{what}: not within {most:?}: {complaint}"),
        }
        std::thread::sleep(Duration::from_millis(100));
    }
}

/// Says on the real standard error, which the test harness does not swallow, that something was not tested.
pub fn loud(what: &str) {
    let _ = writeln!(std::io::stderr(), "SKIPPED: {what}");
}

/// A peer that CI requires and a newcomer's machine may lack.
pub fn peer_or_skip(test: &str, peer: &str, found: bool) -> bool {
    if !found {
        assert!(std::env::var_os("CI").is_none(), "{test}: {peer} is not installed, and CI requires it");
        loud(&format!("{test}: {peer} is not installed; install it to run this test"));
    }
    found
}

/// The broker program, where Debian puts it.
pub fn mosquitto() -> Option<PathBuf> {
    ["/usr/sbin/mosquitto", "/usr/bin/mosquitto", "/usr/local/sbin/mosquitto"].iter().map(PathBuf::from).find(|p| p.exists())
}
