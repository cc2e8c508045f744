//! A plant whose disk is full: a real small file system filled to the brim under a real broker's load. It is watched and told all the same, says
//! that nothing is recorded, promises nothing, and puts itself back on record when there is room.
#![allow(clippy::unwrap_used)]

use crate::disk::Disk;
use crate::failing_disk::{Fault, shim};
use crate::judge::{Account, export, health, outcomes, verify, wait_for_link};
use crate::process::{Process, alone, broker, eventually, free_port, loud, mosquitto, mosquitto_or_skip, peer_or_skip, tell};
use crate::publisher::{Load, Publisher};
use crate::receiver::Receiver;
use crate::site::{Site, get, post};
use serde_json::Value;
use std::time::{Duration, Instant};

#[test]
fn unrecorded_a_full_disk_silences_nobody() {
    let test = "unrecorded_a_full_disk_silences_nobody";
    let Some(program) = mosquitto_or_skip(test) else { return };
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
    let mut text =
        Site { mqtt, modbus: None, bureau: receiver.port, console }.toml().replace("segment_mib = 4", "segment_mib = 1");
    text += "[[ladder.rung]]\nname = \"again\"\naudience = \"crew\"\nkind = \"unacknowledged\"\nafter = { red = \"5s\" }\n";
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
    eventually("the bureau is told of the disk, and of what rises without a record", Duration::from_secs(30), || {
        let heard = receiver.heard();
        let marked = heard.values().flatten().filter(|body| body.contains("【未记录】") && body.contains("[UNRECORDED]")).count();
        let probe = heard.values().flatten().filter(|body| body.contains("【未记录】") && body.contains("test.high")).count();
        if probe > 4 && marked > probe { Ok(()) } else { Err(format!("{marked} marked, {probe} of the probe")) }
    });
    let alarm = |hazard: &str| {
        let alarms = get(console, "/api/v1/alarms?state=active").unwrap();
        let mut all = alarms["items"].as_array().unwrap().iter();
        all.find(|alarm| alarm["hazard"] == hazard).unwrap_or_else(|| panic!("no alarm {hazard}: {alarms}")).clone()
    };
    let (disk_alarm, probe) = (alarm("storage.journal"), alarm("test.high"));
    assert_eq!((disk_alarm["severity"].as_str(), disk_alarm["condition"].as_str()), (Some("red"), Some("active")));
    assert_eq!(probe["unrecorded"], true, "{probe}");
    let places = (&disk_alarm["of_the_system"], &probe["of_the_system"]);
    assert_eq!(places, (&true.into(), &false.into()), "a disk is in no zone, whatever zone's ladder tells of it");
    let path = format!("/api/v1/alarms/{}/acknowledge", probe["id"].as_str().unwrap());
    assert_eq!(post(console, &path, "application/json", "{\"note\":\"x\"}"), 503, "nothing is promised that is not on record");

    eventually("the ladder is climbed without a record", Duration::from_secs(30), || {
        let rung = alarm("storage.journal")["escalation"]["rung"].clone();
        if rung == "again" { Ok(()) } else { Err(rung.to_string()) }
    });
    let is_first = |body: &&String| body.contains("storage.journal") && body.contains("<msgType>Alert</msgType>");
    let heard = receiver.heard();
    let first = heard.values().filter(|bodies| bodies.iter().any(|body| is_first(&body))).count();
    assert_eq!(first, 1, "one notice says that the disk is gone");

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

/// Nobody can be told less because the disk is read-only, or dead, when the program begins.
#[test]
fn unrecorded_a_disk_that_is_read_only_at_the_start_silences_nobody() {
    let test = "unrecorded_a_disk_that_is_read_only_at_the_start_silences_nobody";
    let Some(program) = mosquitto_or_skip(test) else { return };
    let (_alone, folder) = (alone(), tempfile::tempdir().unwrap());
    let data = folder.path().join("data");
    let Some(disk) = Disk::memory(&data, "128m") else {
        loud(&format!("{test}: this user may not mount a file system"));
        return;
    };
    let (_broker, mqtt) = broker(program, folder.path());
    let (receiver, console) = (Receiver::start(0), free_port());
    let site = folder.path().join("site.toml");
    let text = Site { mqtt, modbus: None, bureau: receiver.port, console }.toml().replace("segment_mib = 4", "segment_mib = 1");
    std::fs::write(&site, text).unwrap();
    let arguments = ["run", "--config", site.to_str().unwrap(), "--data", data.to_str().unwrap()];
    // From nothing, then from what a run before left.
    for round in 0..2 {
        disk.writable(false);
        let daemon = Process::safety_brain(&arguments);
        wait_for_link(console);
        assert!(!health(console).unwrap()["journal"], "nothing is recorded");
        let publisher = Publisher::start(mqtt, Load { pace: Duration::from_millis(2), noise_every: 2 });
        eventually("the bureau is told, and that nothing is on record", Duration::from_secs(30), || {
            let heard = receiver.heard();
            let told = |body: &&String| body.contains("【未记录】") && body.contains("test.high");
            if heard.values().flatten().filter(told).count() > 0 { Ok(()) } else { Err(format!("{} notices", heard.len())) }
        });
        disk.writable(true);
        eventually("it puts itself on record", Duration::from_secs(90), || {
            let parts = health(console)?;
            if parts["journal"] { Ok(()) } else { Err(format!("{parts:?}")) }
        });
        publisher.stop();
        assert!(daemon.terminate() < Duration::from_secs(4), "SIGTERM took too long");
        verify(&data).unwrap();
        let account = Account::of(&data);
        assert!(account.gaps > round, "each gap is on record: {}", account.gaps);
        assert!(account.hazards.contains("storage.journal"));
    }
}

/// Two seconds are two seconds, with a queue before the disk that is full after one of them.
#[test]
fn unrecorded_a_sync_that_hangs_is_waited_for_two_seconds_in_all() {
    let test = "unrecorded_a_sync_that_hangs_is_waited_for_two_seconds_in_all";
    let folder = tempfile::tempdir().unwrap();
    let (program, shim) = (mosquitto(), shim(folder.path()));
    if !peer_or_skip(test, "mosquitto", program.is_some()) || !peer_or_skip(test, "cc, the C compiler", shim.is_some()) {
        return;
    }
    let (_alone, data, hang) = (alone(), folder.path().join("data"), folder.path().join("hang"));
    let (_broker, mqtt) = broker(program.unwrap(), folder.path());
    let (receiver, console) = (Receiver::start(0), free_port());
    let site = folder.path().join("site.toml");
    std::fs::write(&site, Site { mqtt, modbus: None, bureau: receiver.port, console }.toml()).unwrap();
    let arguments = ["run", "--config", site.to_str().unwrap(), "--data", data.to_str().unwrap()];
    let fault = Fault { at: 0, many: 0, kind: "hang" };
    let mut environment = fault.environment(&shim.unwrap(), &data, &folder.path().join("log"));
    environment.push(("FAULT_WHILE", hang.to_str().unwrap().to_owned()));
    let daemon = Process::start_in(env!("CARGO_BIN_EXE_safety-brain"), &arguments, &environment);
    wait_for_link(console);
    let publisher = Publisher::start(mqtt, Load { pace: Duration::from_millis(1), noise_every: 2 });
    eventually("readings come", Duration::from_secs(30), || {
        let tags = get(console, "/api/v1/tags")?;
        let count = tags["items"].as_array().into_iter().flatten().find(|tag| tag["name"] == "COUNT").ok_or(tags.to_string())?;
        if count["value"].as_f64() > Some(500.0) { Ok(()) } else { Err(count["value"].to_string()) }
    });
    std::fs::write(&hang, "").unwrap();
    let began = Instant::now();
    eventually("it goes on without a record", Duration::from_secs(20), || {
        let parts = health(console)?;
        if parts["journal"] { Err(format!("{parts:?}")) } else { Ok(()) }
    });
    let took = began.elapsed();
    std::fs::remove_file(&hang).unwrap();
    eventually("it is on record again", Duration::from_secs(90), || {
        let parts = health(console)?;
        if parts["journal"] { Ok(()) } else { Err(format!("{parts:?}")) }
    });
    publisher.stop();
    assert!(daemon.terminate() < Duration::from_secs(4), "SIGTERM took too long");
    verify(&data).unwrap();
    assert!(took < Duration::from_millis(2_900), "{took:?}");
    tell(&format!("{test}: unrecorded {took:?} after the disk hung"));
}

fn ids(alarms: &Value) -> Vec<String> {
    let mut ids: Vec<_> =
        alarms["items"].as_array().unwrap().iter().map(|alarm| format!("{} {}", alarm["id"], alarm["hazard"])).collect();
    ids.sort();
    ids
}
