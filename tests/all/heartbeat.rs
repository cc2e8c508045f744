//! Somebody outside hears that the plant is watched, and hears nothing more when the program is dead or its brain stands still; that nobody listens
//! is an alarm. Must not know: any type of the host.

use crate::process::{Process, eventually, free_port};
use crate::receiver::Receiver;
use crate::site::{Site, get};
use serde_json::Value;
use std::time::Duration;

const LONG: Duration = Duration::from_secs(30);

#[test]
fn heartbeat_stops_with_the_program_and_is_missed_where_nobody_listens() {
    let folder = tempfile::tempdir().unwrap();
    let (file, data) = (folder.path().join("site.toml"), folder.path().join("data"));
    let (bureau, outside, console, nobody) = (Receiver::start(0), Receiver::start(0), free_port(), free_port());
    let site = Site { mqtt: free_port(), modbus: None, bureau: bureau.port, console }.toml();
    let watcher = |name: &str, port: u16| {
        format!("[[watcher]]\nname = \"{name}\"\nurl = \"http://127.0.0.1:{port}/alive\"\nevery = \"1s\"\ntimeout = \"1s\"\n")
    };
    std::fs::write(&file, format!("{site}{}{}", watcher("outside", outside.port), watcher("nobody", nobody))).unwrap();
    let arguments = ["run", "--config", file.to_str().unwrap(), "--data", data.to_str().unwrap()];
    let process = Process::safety_brain(&arguments);
    let heard = || -> Vec<Value> {
        let bodies = outside.heard().remove("none").unwrap_or_default();
        let mut all: Vec<Value> = bodies.iter().map(|body| serde_json::from_str(body).unwrap()).collect();
        all.sort_by_key(|body| body["number"].as_u64());
        all
    };
    let told = eventually("five heartbeats", LONG, || {
        let all = heard();
        if all.len() >= 5 { Ok(all) } else { Err(format!("{} so far", all.len())) }
    });
    let numbers: Vec<_> = told.iter().map(|body| body["number"].as_u64().unwrap()).collect();
    assert_eq!(numbers, (1..=numbers.len() as u64).collect::<Vec<_>>(), "one after the other");
    let last = &told[told.len() - 1];
    assert_eq!(
        (&last["form"], &last["plant"], &last["every_s"]),
        (&"safety-brain-heartbeat/1".into(), &"test".into(), &1.into())
    );
    // The link of this plant is down: a receiver can see that, and how many alarms need somebody.
    assert!(last["failing"].as_array().unwrap().contains(&"links".into()), "{last}");

    let standing = |hazard: &str| {
        let alarms = get(console, "/api/v1/alarms").unwrap();
        alarms["items"].as_array().unwrap().iter().any(|alarm| alarm["hazard"] == hazard && alarm["object"] == "nobody")
    };
    eventually(
        "an alarm that nobody listens",
        LONG,
        || if standing("system.heartbeat") { Ok(()) } else { Err("none yet".into()) },
    );
    let health = get(console, "/api/v1/health").unwrap();
    let part = health["parts"].as_array().unwrap().iter().find(|part| part["name"] == "heartbeat").unwrap();
    assert_eq!((&part["ok"], &part["detail"]), (&false.into(), &"nobody".into()));

    process.terminate();
    let after = heard().len();
    std::thread::sleep(Duration::from_secs(4));
    assert_eq!(heard().len(), after, "a dead program is silent: that is what a watcher hears");
}
