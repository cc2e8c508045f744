//! The real program as a process, and the strangers it talks to: started on free ports, ended by id when dropped.
//! Must not know: any type of the host. What a test says of the product it says from outside.

use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError, mpsc};
use std::time::{Duration, Instant};

/// A process that is killed when the test ends, however it ends.
pub struct Process {
    child: Child,
    lines: mpsc::Receiver<String>,
}

impl Process {
    /// Starts a program and collects what it says on standard error.
    pub fn start(program: impl AsRef<Path>, arguments: &[&str]) -> Process {
        Process::start_in(program, arguments, &[])
    }

    /// As [`Process::start`], with more in its environment.
    pub fn start_in(program: impl AsRef<Path>, arguments: &[&str], environment: &[(&str, String)]) -> Process {
        let mut child = Command::new(program.as_ref())
            .args(arguments)
            .env("SAFETY_BRAIN_LOG", "warn")
            .envs(environment.iter().map(|(name, value)| (name, value)))
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
                Err(mpsc::RecvTimeoutError::Disconnected) => {
                    panic!("it ended without a line with {text:?}; it said:\n{}", said.join("\n"))
                }
                Err(mpsc::RecvTimeoutError::Timeout) => break,
            }
        }
        panic!("no line with {text:?} in {most:?}; the program said:\n{}", said.join("\n"));
    }

    /// How it ended, if it did.
    pub fn ended(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().unwrap()
    }

    /// What it said since it was last asked.
    pub fn said(&self) -> Vec<String> {
        // The reader may be a moment behind a process that has just ended.
        std::iter::from_fn(|| self.lines.recv_timeout(Duration::from_millis(20)).ok()).collect()
    }

    /// SIGKILL: no chance to tidy up. False where it had ended by itself: then nothing was killed.
    pub fn kill(mut self) -> bool {
        self.child.kill().unwrap();
        self.child.wait().unwrap().signal() == Some(9)
    }

    /// Sends a signal by its name.
    pub fn signal(&self, name: &str) {
        Command::new("kill").args([&format!("-{name}"), &self.child.id().to_string()]).status().unwrap();
    }

    /// SIGTERM: how long it took to end, and how it ended.
    pub fn stop(&mut self) -> (Duration, ExitStatus) {
        let began = Instant::now();
        self.signal("TERM");
        while began.elapsed() < Duration::from_secs(20) {
            if let Some(status) = self.ended() {
                return (began.elapsed(), status);
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        panic!("still running 20 s after SIGTERM; it said:\n{}", self.said().join("\n"));
    }

    /// SIGTERM, and how long it took to end well.
    pub fn terminate(mut self) -> Duration {
        let (took, status) = self.stop();
        assert!(status.success(), "ended with {status} after SIGTERM; it said:\n{}", self.said().join("\n"));
        took
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A port that is free, that no other call was given, and that stays free until it is listened on: below those that Linux gives to whoever
/// asks for any (32768 and up), so that no connection of another test takes it in between.
pub fn free_port() -> u16 {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    const PORTS: u32 = 16_000;
    // Another run beside this one begins elsewhere.
    let first = std::process::id().wrapping_mul(977);
    let port = || (16_000 + first.wrapping_add(NEXT.fetch_add(1, Ordering::Relaxed)) % PORTS) as u16;
    (0..PORTS).map(|_| port()).find(|port| TcpListener::bind(("127.0.0.1", *port)).is_ok()).expect("one port of many is free")
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

/// The same, or said that this test is skipped without it.
pub fn mosquitto_or_skip(test: &str) -> Option<PathBuf> {
    let program = mosquitto();
    peer_or_skip(test, "mosquitto", program.is_some());
    program
}

/// A broker of its own, listening, that forgets nothing while it runs; its port.
pub fn broker(program: impl AsRef<Path>, folder: &Path) -> (Process, u16) {
    let (port, conf) = (free_port(), folder.join("mosquitto.conf"));
    let text =
        format!("listener {port} 127.0.0.1\nallow_anonymous true\nmax_queued_messages 1000000\nmax_inflight_messages 200\n");
    std::fs::write(&conf, text).unwrap();
    let process = Process::start(program, &["-c", conf.to_str().unwrap()]);
    eventually("mosquitto listens", Duration::from_secs(10), || {
        TcpStream::connect(("127.0.0.1", port)).map_err(|e| e.to_string())
    });
    (process, port)
}

/// For tests that keep both cores busy: one at a time, or their times tell nothing.
pub fn alone() -> MutexGuard<'static, ()> {
    static ONE: Mutex<()> = Mutex::new(());
    ONE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Says a test's figures on the real standard error, which the test harness does not swallow.
pub fn tell(figures: &str) {
    let _ = writeln!(std::io::stderr(), "{figures}");
}
