//! One sector of the disk that cannot be read, under the real program: the tools name it, give everything else and end; the plant starts and says so.
//! The sector is made by `tests/peers/failing_disk.c`. Must not know: any type of the host.

use crate::failing_disk::shim;
use crate::process::{Process, eventually, free_port, peer_or_skip};
use crate::site::{Site, get};
use crate::tools::{recorded, tool, tool_in};
use serde_json::Value;
use std::path::{Path, PathBuf};
use std::process::Output;
use std::time::Duration;
use tempfile::TempDir;

/// The environment in which bytes `from` to `to` of a file cannot be read.
fn bad(shim: &Path, file: &Path, from: u64, to: u64) -> Vec<(&'static str, String)> {
    let text = |path: &Path| path.canonicalize().unwrap().to_str().unwrap().to_owned();
    vec![("LD_PRELOAD", text(shim)), ("FAULT_READ", text(file)), ("FAULT_FROM", from.to_string()), ("FAULT_TO", to.to_string())]
}

/// A recorded plant, and the library that spoils its disk.
struct Rig {
    folder: TempDir,
    shim: PathBuf,
    data: PathBuf,
    segment: PathBuf,
}

/// None where there is no C compiler.
fn rig(test: &str) -> Option<Rig> {
    let folder = tempfile::tempdir().unwrap();
    let shim = shim(folder.path());
    if !peer_or_skip(test, "cc, the C compiler", shim.is_some()) {
        return None;
    }
    let data = recorded(folder.path());
    let segment = data.join("journal/0000000001.seg");
    Some(Rig { folder, shim: shim?, data, segment })
}

fn said(out: &Output) -> String {
    String::from_utf8_lossy(&out.stderr).into_owned()
}

/// Numbers of the records printed.
fn numbers(out: &Output) -> Vec<u64> {
    let number = |line: &str| serde_json::from_str::<Value>(line).unwrap()["seq"].as_u64().unwrap();
    String::from_utf8_lossy(&out.stdout).lines().map(number).collect()
}

#[test]
fn unreadable_a_sector_is_named_by_every_tool_and_the_plant_starts() {
    let Some(Rig { folder, shim, data, segment }) = rig("unreadable_a_sector_is_named_by_every_tool_and_the_plant_starts") else {
        return;
    };
    // The control: under the same library, with a sector that nobody reads.
    let none = bad(&shim, &folder.path().join("site.toml"), 1 << 30, 1 << 31);
    let whole = tool_in(&["journal", "export"], &[("--data", &data)], &none);
    assert!(whole.status.success() && numbers(&whole).len() > 2000, "{}", said(&whole));
    assert!(tool_in(&["journal", "verify"], &[("--data", &data)], &none).status.success());

    let bad = bad(&shim, &segment, 25 << 12, 26 << 12);
    let named = |out: &Output| said(out).contains(segment.to_str().unwrap()) && said(out).contains("os error 5");
    let run = |words: &[&str], paths: &[(&str, &Path)]| {
        let out = tool_in(words, &[&[("--data", data.as_path())], paths].concat(), &bad);
        assert!(named(&out), "{words:?}: {}", said(&out));
        out
    };
    let export = run(&["journal", "export"], &[]);
    assert_eq!(export.status.code(), Some(1));
    let (all, read) = (numbers(&whole), numbers(&export));
    let lost: Vec<u64> = all.iter().copied().filter(|seq| !read.contains(seq)).collect();
    assert!((10..100).contains(&lost.len()) && lost[lost.len() - 1] - lost[0] + 1 == lost.len() as u64, "{lost:?}");
    assert_eq!(run(&["journal", "verify"], &[]).status.code(), Some(1));
    assert_eq!(run(&["store", "rebuild"], &[]).status.code(), Some(1));
    let stat = tool(&["store", "stat", "--json"], &[("--data", &data)]);
    let stat: Value = serde_json::from_slice(&stat.stdout).unwrap();
    assert_eq!(stat["watermark"].as_u64(), all.last().copied(), "the store goes on behind it: {stat}");
    let stat = tool_in(&["journal", "stat", "--json"], &[("--data", &data)], &bad);
    let stat: Value = serde_json::from_slice(&stat.stdout).unwrap();
    assert_eq!(stat["lost"], lost.len(), "{stat}");
    let backup = folder.path().join("backup");
    assert_eq!(run(&["backup"], &[("--out", &backup)]).status.code(), Some(1));
    assert_eq!(numbers(&tool(&["journal", "export"], &[("--data", &backup)])), read, "all that can be read is in the backup");

    let told = starts(&data, &bad, folder.path());
    let after = tool_in(&["journal", "export"], &[("--data", &data)], &bad);
    let after = String::from_utf8_lossy(&after.stdout).into_owned();
    let alarm = after.lines().find(|line| line.contains("storage.journal")).unwrap();
    assert!(alarm.contains("os error 5") && alarm.contains("0000000001.seg"), "{alarm}");
    for file in ["journal/quarantine/0000000001.seg", "journal/0000000002.seg"] {
        assert!(data.join(file).exists(), "{file} is missing; {:?}; it said: {}", listed(&data.join("journal")), told.join("\n"));
    }
}

/// What lies in a folder and in those in it.
fn listed(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path());
    entries.flat_map(|path| if path.is_dir() { listed(&path) } else { vec![path] }).collect()
}

/// The plant starts on it, is watched, and shows the alarm. Returns what it said.
fn starts(data: &Path, bad: &[(&'static str, String)], folder: &Path) -> Vec<String> {
    let (site, console) = (folder.join("run.toml"), free_port());
    std::fs::write(&site, Site { mqtt: free_port(), modbus: None, bureau: free_port(), console }.toml()).unwrap();
    let arguments = ["run", "--config", site.to_str().unwrap(), "--data", data.to_str().unwrap()];
    let daemon = Process::start_in(env!("CARGO_BIN_EXE_safety-brain"), &arguments, bad);
    eventually("the plant is watched, and its journal is said to be damaged", Duration::from_secs(60), || {
        let alarms = get(console, "/api/v1/alarms")?.to_string();
        if alarms.contains("storage.journal") { Ok(()) } else { Err(alarms) }
    });
    let said = daemon.said();
    daemon.terminate();
    said
}

/// The alarm of the recording rises at second 700: a sector long before it costs its evidence nothing, one in its midst is named in its place.
#[test]
fn unreadable_evidence_goes_on_behind_a_sector_that_is_not_of_the_alarm() {
    let Some(Rig { folder, shim, data, segment }) = rig("unreadable_evidence_goes_on_behind_a_sector_that_is_not_of_the_alarm")
    else {
        return;
    };
    assert!(tool(&["evidence", "key"], &[("--data", &data)]).status.success());
    let words = ["evidence", "export", "--alarm", "1", "--before", "10", "--after", "10"];
    let export = |block: u64, out: &str| {
        let bad = bad(&shim, &segment, block << 12, (block + 1) << 12);
        tool_in(&words, &[("--data", &data), ("--out", &folder.path().join(out))], &bad)
    };
    let far = export(4, "far");
    assert!(far.status.success(), "{}", said(&far));
    // Where the alarm stands in the segment.
    let bytes = std::fs::read(&segment).unwrap();
    let at = bytes.windows(9).position(|word| word == b"test.high").unwrap() as u64;
    let near = export(at >> 12, "near");
    let report = String::from_utf8_lossy(&near.stdout).into_owned();
    // What opened it is in the sector; what came of it is not.
    assert!(near.status.success(), "{}{report}", said(&near));
    assert!(report.contains("os error 5") && report.contains("are lost") && !report.contains("whole "), "{report}");
    assert!(!String::from_utf8_lossy(&far.stdout).contains("os error 5"), "a sector that is not of the alarm is not in its file");
}

/// What keeps an old version from coming back is forgotten: people see it, and it is on record, once.
#[test]
fn unreadable_list_of_versions_is_an_alarm_and_on_record() {
    let folder = tempfile::tempdir().unwrap();
    let (site, data, console) = (folder.path().join("site.toml"), folder.path().join("data"), free_port());
    std::fs::write(&site, Site { mqtt: free_port(), modbus: None, bureau: free_port(), console }.toml()).unwrap();
    let told = |times: usize| {
        let daemon = Process::safety_brain(&["run", "--config", site.to_str().unwrap(), "--data", data.to_str().unwrap()]);
        eventually("the plant is watched", Duration::from_secs(60), || {
            let health = get(console, "/api/v1/health")?;
            let alarms = get(console, "/api/v1/alarms")?;
            let items = alarms["items"].as_array().ok_or_else(|| health.to_string())?;
            let of: Vec<_> = items.iter().filter(|alarm| alarm["hazard"] == "storage.versions").collect();
            let stands = |alarm: &&serde_json::Value| alarm["condition"] == "cleared" && alarm["severity"] == "orange";
            if of.len() == times.min(1) && of.iter().all(stands) { Ok(()) } else { Err(alarms.to_string()) }
        });
        daemon.terminate();
        let export = tool(&["journal", "export"], &[("--data", &data)]);
        let events = String::from_utf8_lossy(&export.stdout).into_owned();
        let lost = |line: &&str| line.contains("\"part\":\"versions\"") && line.contains("\"well\":false");
        let lost: Vec<&str> = events.lines().filter(lost).collect();
        assert!(lost.len() == times && lost.iter().all(|line| line.contains("rule-versions.json: ")), "{lost:?}");
    };
    told(0);
    std::fs::write(data.join("rule-versions.json"), "{\"mixing\": {\"plugin\": \"roo").unwrap();
    told(1);
    // It was begun anew.
    told(1);
    // Nor is it taken away unseen.
    std::fs::remove_file(data.join("rule-versions.json")).unwrap();
    told(2);
    told(2);
}
