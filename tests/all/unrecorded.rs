//! A plant whose disk is full: a real small file system filled to the brim under a real broker's load. It is watched and told all the same, says
//! that nothing is recorded, promises nothing, and puts itself back on record when there is room.
#![allow(clippy::unwrap_used)]

use crate::kill::{Publisher, counts, export, outcomes, wait_for_link};
use crate::process::{Process, eventually, free_port, loud, mosquitto, peer_or_skip};
use crate::receiver::Receiver;
use crate::site::{Site, get, post};
use serde_json::Value;
use std::fs::File;
use std::io::Write;
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

/// A file system in memory; unmounted when dropped.
struct Disk(PathBuf);

impl Disk {
    /// None where this user may not mount.
    fn mount(at: &Path, size: &str) -> Option<Disk> {
        std::fs::create_dir_all(at).unwrap();
        let mounted = Command::new("mount").args(["-t", "tmpfs", "-o", &format!("size={size}"), "tmpfs"]).arg(at).output();
        mounted.is_ok_and(|out| out.status.success()).then(|| Disk(at.to_owned()))
    }

    /// Takes all the room there is.
    fn fill(&self) -> PathBuf {
        let path = self.0.join("ballast");
        let mut file = File::create(&path).unwrap();
        while file.write_all(&[1; 4096]).is_ok() {}
        path
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(&self.0).status();
    }
}

#[test]
fn unrecorded_a_full_disk_silences_nobody() {
    let test = "unrecorded_a_full_disk_silences_nobody";
    let Some(broker) = mosquitto() else {
        peer_or_skip(test, "mosquitto", false);
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let Some(disk) = Disk::mount(&data, "64m") else {
        loud(&format!("{test}: this user may not mount a file system"));
        return;
    };
    let mqtt = free_port();
    let conf = folder.path().join("mosquitto.conf");
    std::fs::write(&conf, format!("listener {mqtt} 127.0.0.1\nallow_anonymous true\nmax_queued_messages 1000000\n")).unwrap();
    let _broker = Process::start(broker, &["-c", conf.to_str().unwrap()]);
    eventually("mosquitto listens", Duration::from_secs(10), || {
        TcpStream::connect(("127.0.0.1", mqtt)).map_err(|e| e.to_string())
    });
    let (receiver, console) = (Receiver::start(0), free_port());
    let site = folder.path().join("site.toml");
    let text = Site { mqtt, modbus: None, bureau: receiver.port, console }.toml().replace("segment_mib = 4", "segment_mib = 1");
    std::fs::write(&site, text).unwrap();
    let arguments = ["run", "--config", site.to_str().unwrap(), "--data", data.to_str().unwrap()];
    let daemon = Process::safety_brain(&arguments);
    wait_for_link(console);
    let publisher = Publisher::start(mqtt, Duration::from_micros(400));

    let ballast = disk.fill();
    eventually("the journal is said to be dead", Duration::from_secs(90), || {
        let health = get(console, "/api/v1/health")?;
        if part(&health, "journal") == Some(false) { Ok(()) } else { Err(health.to_string()) }
    });
    let told = receiver.heard().len();
    eventually("the bureau is told of the disk, and of what rises without a record", Duration::from_secs(30), || {
        let heard = receiver.heard();
        let marked = heard.values().flatten().filter(|body| body.contains("【未记录】") && body.contains("[UNRECORDED]")).count();
        let probe = heard.values().flatten().filter(|body| body.contains("【未记录】") && body.contains("test.high")).count();
        if marked > 1 && probe > 0 && heard.len() > told + 4 {
            Ok(())
        } else {
            Err(format!("{marked} marked, {probe} of the probe"))
        }
    });
    let alarms = get(console, "/api/v1/alarms?state=active").unwrap();
    let probe = alarms["items"].as_array().unwrap().iter().find(|alarm| alarm["hazard"] == "test.high").unwrap().clone();
    assert_eq!(probe["unrecorded"], true, "{probe}");
    let path = format!("/api/v1/alarms/{}/acknowledge", probe["id"].as_str().unwrap());
    assert_eq!(post(console, &path, "application/json", "{\"note\":\"x\"}"), 503, "nothing is promised that is not on record");

    std::fs::remove_file(ballast).unwrap();
    eventually("the journal works again", Duration::from_secs(30), || {
        let health = get(console, "/api/v1/health")?;
        if part(&health, "journal") == Some(true) { Ok(()) } else { Err(health.to_string()) }
    });
    let published = publisher.stop();
    eventually("what the broker kept is on record", Duration::from_secs(60), || {
        let seen = counts(&export(&data));
        let missing = (0..published.readings).filter(|n| !seen.contains(n)).count();
        if missing == 0 { Ok(()) } else { Err(format!("{missing} of {} missing", published.readings)) }
    });
    assert!(post(console, &path, "application/json", "{\"note\":\"x\"}") < 300, "what was refused can be done now");
    let before = ids(&get(console, "/api/v1/alarms?state=active").unwrap());
    assert!(daemon.terminate() < Duration::from_secs(4), "SIGTERM took too long");

    let records = export(&data);
    let gap = records.iter().find(|record| record["entry"]["event"]["event"] == "recorded").expect("the gap is on record");
    let steps = gap["entry"]["event"]["steps"].as_u64().unwrap();
    assert!(steps > 100, "{gap}");
    let kept: Vec<Value> = records.iter().flat_map(outcomes).filter(|o| o["change"] == "recorded").collect();
    assert!(kept.iter().any(|o| o["alarm"]["key"]["hazard"] == "test.high"), "how the alarms stood is beside it");
    let verify =
        Command::new(env!("CARGO_BIN_EXE_safety-brain")).args(["journal", "verify", "--data"]).arg(&data).output().unwrap();
    assert!(verify.status.success(), "{}{}", String::from_utf8_lossy(&verify.stdout), String::from_utf8_lossy(&verify.stderr));

    let again = Process::safety_brain(&arguments);
    wait_for_link(console);
    assert_eq!(ids(&get(console, "/api/v1/alarms?state=active").unwrap()), before, "the next start knows the same alarms");
    drop(again);
    println!("{} readings published, none lost; {steps} steps without a record, all told", published.readings);
}

fn part(health: &Value, name: &str) -> Option<bool> {
    let parts = health["parts"].as_array()?;
    parts.iter().find(|part| part["name"] == name)?["ok"].as_bool()
}

fn ids(alarms: &Value) -> Vec<String> {
    let mut ids: Vec<_> =
        alarms["items"].as_array().unwrap().iter().map(|alarm| format!("{} {}", alarm["id"], alarm["hazard"])).collect();
    ids.sort();
    ids
}
