//! `safety-brain replay` on real recordings, where they are at hand: alarms come out as intervals in the format that scoring reads; and what a site file
//! may say of a recording's clock.

use crate::process::{loud, root};
use safety_brain::config::load;
use std::path::PathBuf;
use std::process::Command;

fn recordings(test: &str) -> Option<PathBuf> {
    let folder = std::env::var_os("SAFETY_BRAIN_DATA").map_or_else(|| root().join("../shared/data"), PathBuf::from);
    if folder.exists() {
        return Some(folder);
    }
    loud(&format!("{test}: no recordings in {} (set SAFETY_BRAIN_DATA)", folder.display()));
    None
}

fn replay(config: &str, file: PathBuf) -> Vec<Vec<String>> {
    let config = root().join("configs/recordings").join(config);
    let out = Command::new(env!("CARGO_BIN_EXE_safety-brain"))
        .args(["replay", "--config"])
        .arg(config)
        .arg("--file")
        .arg(file)
        .output()
        .unwrap();
    assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
    let mut csv = csv::Reader::from_reader(out.stdout.as_slice());
    assert_eq!(csv.headers().unwrap(), vec!["file", "start", "end", "level", "rule"]);
    csv.records().map(|row| row.unwrap().iter().map(str::to_owned).collect()).collect()
}

#[test]
fn recordings_of_a_room_give_presence_and_limit() {
    let Some(folder) = recordings("recordings_of_a_room_give_presence_and_limit") else { return };
    let found = replay("occupancy.toml", folder.join("occupancy/occupancy.csv"));
    for rule in ["occupancy.presence", "occupancy.limit"] {
        assert!(found.iter().any(|row| row[4] == rule && row[3] != "blind"), "no finding of {rule}");
    }
}

#[test]
fn recordings_of_gas_detectors_give_deviations() {
    let Some(folder) = recordings("recordings_of_gas_detectors_give_deviations") else { return };
    let plugins = root().join("target/plugins-out");
    // What was built before is not written over.
    let _ = std::fs::remove_dir_all(&plugins);
    let built = Command::new(env!("CARGO_BIN_EXE_safety-brain"))
        .args(["plugin", "build", "plugins/gas-detector", "--out"])
        .arg(&plugins)
        .current_dir(root())
        .output()
        .unwrap();
    assert!(built.status.success(), "{}", String::from_utf8_lossy(&built.stderr));
    let found = replay("gas-array.toml", folder.join("gas_mq/gas_mq.csv"));
    assert!(found.iter().any(|row| row[4] == "gas.deviation" && row[3] != "blind"), "no deviation found: {found:?}");
}

#[test]
fn recordings_zone_of_a_clock_is_an_offset() {
    let good = std::fs::read_to_string(root().join("configs/recordings/occupancy.toml")).unwrap();
    let line = good.lines().find(|line| line.starts_with("time = ")).unwrap();
    let columns = "columns = [\"Date\", \"Time\"], pattern = \"%Y-%m-%d %H:%M:%S\"";
    for (clock, zone, told) in [
        (columns, "+08:00", ""),
        (
            columns,
            "Asia/Shanghai",
            ".time.zone: found \"Asia/Shanghai\"; allowed: the zone of times that name none, for example \"+08:00\"",
        ),
        ("every = \"1s\"", "+08:00", "neither or both of columns and every"),
    ] {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("site.toml");
        std::fs::write(&path, good.replace(line, &format!("time = {{ {clock}, zone = \"{zone}\" }}"))).unwrap();
        let said = load(&path).err().unwrap_or_default().iter().map(|fault| format!("{fault}\n")).collect::<String>();
        assert!(said.contains(told) && said.lines().count() == usize::from(!told.is_empty()), "{zone}: {said}");
    }
}
