//! The foreign peers: where they are, how they start, and that they end with their test.

use std::io::{BufRead, BufReader, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::time::Duration;

/// True where mosquitto and its clients run here.
pub fn mosquitto() -> bool {
    // Both answer a call for help with a status of their own: that they start is enough.
    let runs = |program| quiet(program, &["--help"]).status().is_ok();
    required("mosquitto and mosquitto-clients", runs("mosquitto") && runs("mosquitto_pub"))
}

/// True where Python has pymodbus here.
pub fn pymodbus() -> bool {
    let imports = quiet("python3", &["-c", "import pymodbus.server"]).status();
    required("python3 with pymodbus", imports.is_ok_and(|status| status.success()))
}

fn required(peer: &str, found: bool) -> bool {
    let ci = std::env::var("CI").as_deref() == Ok("true");
    assert!(found || !ci, "{peer} is required with CI=true");
    if !found {
        crate::process::loud(&format!("{peer} does not run here"));
    }
    found
}

fn quiet(program: &str, args: &[&str]) -> Command {
    let mut command = Command::new(program);
    command.args(args).stdout(Stdio::null()).stderr(Stdio::null());
    command
}

/// A child that dies with its test.
struct Guard(Child);

impl Drop for Guard {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

pub struct Broker {
    pub dir: tempfile::TempDir,
    pub port: u16,
    child: Option<Guard>,
}

impl Broker {
    /// A private broker on a port of the system's choice, with `extra` lines of configuration.
    pub async fn start(extra: impl Fn(&Path) -> String) -> Broker {
        // Between choosing a port and binding it another process may take it: try again then.
        for _ in 0..5 {
            let dir = tempfile::tempdir().unwrap();
            let port = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap().port();
            let d = dir.path().display();
            let text = format!(
                "listener {port} 127.0.0.1\nallow_anonymous true\nset_tcp_nodelay true\nuser root\n\
                 persistence true\npersistence_location {d}/\nmax_queued_messages 100000\n{}",
                extra(dir.path())
            );
            std::fs::write(dir.path().join("mosquitto.conf"), text).unwrap();
            let mut broker = Broker { dir, port, child: None };
            if broker.up().await {
                return broker;
            }
        }
        panic!("mosquitto does not start");
    }

    pub async fn up(&mut self) -> bool {
        let config = self.dir.path().join("mosquitto.conf");
        let child = Command::new("mosquitto").arg("-c").arg(config).stdout(Stdio::null()).stderr(Stdio::null()).spawn();
        let mut child = Guard(child.unwrap());
        let mut tick = tokio::time::interval(Duration::from_millis(20));
        while child.0.try_wait().unwrap().is_none() {
            tick.tick().await;
            if TcpStream::connect((Ipv4Addr::LOCALHOST, self.port)).is_ok() {
                self.child = Some(child);
                return true;
            }
        }
        false
    }

    /// Ends it the way that saves its sessions.
    pub fn down(&mut self) {
        let mut child = self.child.take().unwrap();
        assert!(Command::new("kill").arg(child.0.id().to_string()).status().unwrap().success());
        child.0.wait().unwrap();
    }

    /// Publishes with the foreign client at QoS 1 and returns when the broker has it.
    pub fn publish(&self, topic: &str, payload: &str, more: &[&str]) {
        let port = self.port.to_string();
        let args = ["-h", "127.0.0.1", "-p", &port, "-q", "1", "-t", topic, "-m", payload];
        let status = Command::new("mosquitto_pub").args(args).args(more).status().unwrap();
        assert!(status.success(), "mosquitto_pub {topic} {payload}");
    }

    /// Publishes each line at QoS 1, as fast as the broker takes them.
    pub fn publish_lines(&self, topic: &str, lines: &str) {
        let port = self.port.to_string();
        let mut child = Command::new("mosquitto_pub")
            .args(["-h", "127.0.0.1", "-p", &port, "-q", "1", "-t", topic, "-l"])
            .stdin(Stdio::piped())
            .spawn()
            .unwrap();
        child.stdin.take().unwrap().write_all(lines.as_bytes()).unwrap();
        assert!(child.wait().unwrap().success());
    }
}

/// A pymodbus server; it ends when its standard input does.
pub struct Device {
    pub port: u16,
    _stdin: ChildStdin,
    _child: Guard,
}

pub fn device(port: u16) -> Option<Device> {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/peers/modbus_server.py");
    let child = Command::new("python3")
        .args([script, &port.to_string()])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn();
    let mut child = Guard(child.unwrap());
    let mut line = String::new();
    BufReader::new(child.0.stdout.take().unwrap()).read_line(&mut line).unwrap();
    Some(Device { port: line.trim().parse().ok()?, _stdin: child.0.stdin.take().unwrap(), _child: child })
}
