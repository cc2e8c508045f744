//! A plant whose disk is full: a real small file system filled to the brim under a real broker's load. It is watched and told all the same, says
//! that nothing is recorded, promises nothing, and puts itself back on record when there is room.
#![allow(clippy::unwrap_used)]

use crate::disk::Disk;
use crate::judge::{Account, export, health, outcomes, verify, wait_for_link};
use crate::process::{Process, alone, broker, eventually, free_port, loud, mosquitto, peer_or_skip, tell};
use crate::publisher::{Load, Publisher};
use crate::receiver::Receiver;
use crate::site::{Site, get, post};
use serde_json::Value;
use std::time::{Duration, Instant};

#[test]
fn unrecorded_a_full_disk_silences_nobody() {
    let test = "unrecorded_a_full_disk_silences_nobody";
    let Some(program) = mosquitto() else {
        peer_or_skip(test, "mosquitto", false);
        return;
    };
    let (_alone, began) = (alone(), Instant::now());
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let Some(disk) = Disk::memory(&data, "64m") else {
        loud(&format!("{test}: this user may not mount a file system"));
        return;
    };
    let (_broker, mqtt) = broker(program, folder.path());
    let (receiver, console) = (Receiver::start(0), free_port());
    let site = folder.path().join("site.toml");
    let text = Site { mqtt, modbus: None, bureau: receiver.port, console }.toml().replace("segment_mib = 4", "segment_mib = 1");
    std::fs::write(&site, text).unwrap();
    let arguments = ["run", "--config", site.to_str().unwrap(), "--data", data.to_str().unwrap()];
    let daemon = Process::safety_brain(&arguments);
    wait_for_link(console);
    let publisher = Publisher::start(mqtt, Load { pace: Duration::from_micros(400), noise_every: 2 });

    let ballast = disk.fill();
    eventually("the journal is said to be dead", Duration::from_secs(90), || {
        let parts = health(console)?;
        if parts["journal"] { Err(format!("{parts:?}")) } else { Ok(()) }
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
    let alarm = |hazard: &str| {
        let mut all = alarms["items"].as_array().unwrap().iter();
        all.find(|alarm| alarm["hazard"] == hazard).unwrap_or_else(|| panic!("no alarm {hazard}: {alarms}")).clone()
    };
    let (disk_alarm, probe) = (alarm("storage.journal"), alarm("test.high"));
    assert_eq!((disk_alarm["severity"].as_str(), disk_alarm["condition"].as_str()), (Some("red"), Some("active")));
    assert_eq!(probe["unrecorded"], true, "{probe}");
    let path = format!("/api/v1/alarms/{}/acknowledge", probe["id"].as_str().unwrap());
    assert_eq!(post(console, &path, "application/json", "{\"note\":\"x\"}"), 503, "nothing is promised that is not on record");

    std::fs::remove_file(ballast).unwrap();
    eventually("the journal works again", Duration::from_secs(30), || {
        let parts = health(console)?;
        if parts["journal"] { Ok(()) } else { Err(format!("{parts:?}")) }
    });
    let published = publisher.stop();
    eventually("the store is back without a restart, and answers", Duration::from_secs(120), || {
        let (parts, series) = (health(console)?, get(console, "/api/v1/tags/COUNT/series")?);
        let points = series["items"].as_array().map_or(0, Vec::len);
        if parts["store"] && points > 0 { Ok(()) } else { Err(format!("{}, {points} points", get(console, "/api/v1/health")?)) }
    });
    eventually("what the broker kept is on record", Duration::from_secs(60), || {
        let seen = Account::of(&data).counts;
        let missing = (0..published.readings).filter(|n| !seen.contains(n)).count();
        if missing == 0 { Ok(()) } else { Err(format!("{missing} of {} missing", published.readings)) }
    });
    assert!(post(console, &path, "application/json", "{\"note\":\"x\"}") < 300, "what was refused can be done now");
    let before = ids(&get(console, "/api/v1/alarms?state=active").unwrap());
    assert!(daemon.terminate() < Duration::from_secs(4), "SIGTERM took too long");

    let (mut steps, mut stood) = (None, false);
    export(&data, |record| {
        let event = &record["entry"]["event"];
        if event["event"] == "recorded" {
            steps = steps.or(event["steps"].as_u64());
        }
        stood |= outcomes(&record).any(|o| o["change"] == "recorded" && o["alarm"]["key"]["hazard"] == "test.high");
    });
    let steps = steps.expect("the gap is on record");
    assert!(steps > 100, "{steps}");
    assert!(stood, "how the alarms stood is beside it");
    verify(&data).unwrap();

    let again = Process::safety_brain(&arguments);
    wait_for_link(console);
    assert_eq!(ids(&get(console, "/api/v1/alarms?state=active").unwrap()), before, "the next start knows the same alarms");
    drop(again);
    tell(&format!(
        "{test}: {} readings published, none lost; {steps} steps without a record, all told; {:?} in all",
        published.readings,
        began.elapsed()
    ));
}

fn ids(alarms: &Value) -> Vec<String> {
    let mut ids: Vec<_> =
        alarms["items"].as_array().unwrap().iter().map(|alarm| format!("{} {}", alarm["id"], alarm["hazard"])).collect();
    ids.sort();
    ids
}
