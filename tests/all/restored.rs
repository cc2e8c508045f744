//! A plant that goes on from a backup, or from nothing: what it tells must not bear names that it used before, or the bureau takes a red alarm for a
//! forgery. Must not know: any type of the host.

use crate::bureau::{Bureau, Plant, fresh, world};
use crate::process::{alone, mosquitto, peer_or_skip};
use crate::site::probe_name;
use std::path::Path;
use std::process::Command;

/// A red alarm is a new entry of the queue, and nothing of this plant is suspicious.
fn red_is_heard(bureau: &Bureau, plant: &mut Plant, what: &str) -> String {
    plant.start();
    plant.set(&probe_name(0), 150);
    let entry = bureau.entry(what, fresh("c"));
    assert_eq!(entry["level"], "red", "{what}: {entry:#}");
    assert_eq!((bureau.count("c", "changed"), bureau.count("c", "replays")), (0, 0), "{what}: {:#?}", bureau.queue());
    assert_eq!(bureau.act(&entry["id"], "accept", "").0, 200);
    entry["id"].as_str().unwrap().to_owned()
}

fn tool(arguments: &[&str]) {
    let output = Command::new(env!("CARGO_BIN_EXE_safety-brain")).args(arguments).output().unwrap();
    assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

#[test]
fn restored_or_from_nothing_a_plant_uses_no_name_twice() {
    if !peer_or_skip("restored_or_from_nothing_a_plant_uses_no_name_twice", "mosquitto", mosquitto().is_some()) {
        return;
    }
    let _alone = alone();
    let folder = tempfile::tempdir().unwrap();
    let (mut bureau, plants) = world(folder.path());
    bureau.start();
    let mut plant = plants.into_iter().find(|plant| plant.name == "c").unwrap();
    plant.start();
    let (backup, restored, nothing) =
        (folder.path().join("backup"), folder.path().join("restored"), folder.path().join("nothing"));
    tool(&["backup", "--data", text(&plant.data), "--out", text(&backup)]);
    plant.process.take().unwrap().stop();

    let mut entries = vec![red_is_heard(&bureau, &mut plant, "an alarm behind the backup")];
    drop(plant.process.take());
    tool(&["restore", "--from", text(&backup), "--data", text(&restored)]);
    plant.data = restored;
    entries.push(red_is_heard(&bureau, &mut plant, "an alarm of the restored plant"));
    drop(plant.process.take());
    plant.data = nothing;
    entries.push(red_is_heard(&bureau, &mut plant, "an alarm of a plant that lost its data"));
    entries.dedup();
    assert_eq!(entries.len(), 3, "each is a matter of its own: {entries:?}");
}
