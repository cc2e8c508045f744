//! What the service manager is told: when the plant is watched, that it still is, and nothing any more once the brain stands still.
//! Must not know: any type of the host.

use crate::process::{Process, free_port};
use crate::site::Site;
use std::os::unix::net::UnixDatagram;
use std::time::Duration;

#[test]
fn the_service_manager_is_told_while_the_brain_lives_and_no_longer() {
    let folder = tempfile::tempdir().unwrap();
    let socket = folder.path().join("notify");
    let manager = UnixDatagram::bind(&socket).unwrap();
    let (site, data) = (folder.path().join("site.toml"), folder.path().join("data"));
    std::fs::write(&site, Site { mqtt: free_port(), modbus: None, bureau: free_port(), console: free_port() }.toml()).unwrap();
    let told = format!("NOTIFY_SOCKET={}", socket.display());
    let program = env!("CARGO_BIN_EXE_safety-brain");
    let process =
        Process::start("env", &[&told, program, "run", "--config", site.to_str().unwrap(), "--data", data.to_str().unwrap()]);
    let heard = |within: u64| {
        let mut text = [0; 256];
        manager.set_read_timeout(Some(Duration::from_secs(within))).unwrap();
        let bytes = manager.recv(&mut text).ok()?;
        Some(String::from_utf8_lossy(&text[..bytes]).into_owned())
    };
    assert_eq!(heard(30).as_deref(), Some("READY=1\n"));
    for _ in 0..2 {
        assert_eq!(heard(10).as_deref(), Some("WATCHDOG=1\n"));
    }
    process.signal("STOP");
    while heard(3).is_some() {}
    process.signal("CONT");
    assert_eq!(heard(10).as_deref(), Some("WATCHDOG=1\n"));
    process.terminate();
    let last = std::iter::from_fn(|| heard(1)).last();
    assert_eq!(last.as_deref(), Some("STOPPING=1\n"));
}
