//! The main job, seen from outside: the demonstration shows what it promises within a minute, takes an acknowledgement from a person, has the
//! bureau's answer, stops in time, and continues after a restart. Must not know: any type of the host.

use crate::contract::Contract;
use crate::process::{Process, eventually, root};
use serde_json::Value;
use std::time::Duration;

struct Console {
    address: String,
    token: String,
    http: reqwest::Client,
    runtime: tokio::runtime::Runtime,
}

impl Console {
    fn of(line: &str) -> Console {
        let url = line.split_whitespace().find(|word| word.starts_with("http")).unwrap();
        let (address, token) = url.split_once("#token=").unwrap();
        // The program under test brings its own; here any will do.
        let _ = rustls::crypto::ring::default_provider().install_default();
        Console {
            address: address.trim_end_matches('/').to_owned(),
            token: token.to_owned(),
            http: reqwest::Client::new(),
            runtime: tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap(),
        }
    }

    fn get(&self, path: &str) -> Result<Value, String> {
        let request = self.http.get(format!("{}{path}", self.address)).bearer_auth(&self.token);
        self.runtime
            .block_on(async { request.send().await?.error_for_status()?.json().await })
            .map_err(|e: reqwest::Error| e.to_string())
    }

    fn post(&self, path: &str, body: &Value) -> Result<u16, String> {
        let request = self.http.post(format!("{}{path}", self.address)).bearer_auth(&self.token).json(body);
        self.runtime
            .block_on(async { Ok::<_, reqwest::Error>(request.send().await?.status().as_u16()) })
            .map_err(|e| e.to_string())
    }

    fn alarms(&self) -> Result<Vec<Value>, String> {
        Ok(self.get("/api/v1/alarms?state=all")?["items"].as_array().cloned().unwrap_or_default())
    }
}

/// What the story must show: a word for people, the hazard, the zone's part of the story.
const PROMISED: &[(&str, &str)] = &[
    ("a fireworks room over its headcount quota", "fw.headcount"),
    ("a room temperature past its stop limit", "fw.temp.stop"),
    ("a combustible-gas rise with a pressure drop", "gas.leak"),
    ("a frozen sensor", "device.frozen"),
    ("a silent sensor", "device.silent"),
];

#[test]
fn demo_shows_what_it_promises_and_continues_after_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("demo");
    let arguments = ["demo", "--port", "0", "--seed", "7", "--data", data.to_str().unwrap()];
    std::env::set_current_dir(root()).unwrap();
    let demo = Process::safety_brain(&arguments);
    // The first build of the rules, from nothing, is part of it.
    let console = Console::of(&demo.line_with("#token=", Duration::from_secs(600)));

    eventually("all that the demonstration promises", Duration::from_secs(60), || {
        let alarms = console.alarms()?;
        let missing: Vec<_> = PROMISED
            .iter()
            .filter(|(_, hazard)| !alarms.iter().any(|alarm| alarm["hazard"] == *hazard))
            .map(|(what, _)| *what)
            .collect();
        if missing.is_empty() { Ok(()) } else { Err(format!("missing: {missing:?}; there are {alarms:#?}")) }
    });
    eventually("the bureau's answer", Duration::from_secs(60), || {
        let alarms = console.alarms()?;
        if alarms.iter().any(|alarm| alarm["escalation"]["bureau"] == "acknowledged") {
            Ok(())
        } else {
            Err(format!("{alarms:#?}"))
        }
    });

    let versions = std::fs::read_to_string(data.join("rule-versions.json")).unwrap();
    assert!(versions.contains("gas-detector") && data.join("plugins/gas-detector-0.1.0.sbrule").exists(), "{versions}");

    let alarms = console.alarms().unwrap();
    let open =
        alarms.iter().find(|alarm| alarm["acknowledged"] == false && alarm["condition"] == "active").expect("an open alarm");
    let id = open["id"].as_str().map_or_else(|| open["id"].to_string(), str::to_owned);
    let status = console.post(&format!("/api/v1/alarms/{id}/acknowledge"), &serde_json::json!({"note": "在现场"})).unwrap();
    assert_eq!(status, 200);
    eventually("the acknowledgement with a name", Duration::from_secs(5), || {
        let alarms = console.alarms()?;
        let alarm = alarms.iter().find(|alarm| alarm["id"] == open["id"]).ok_or("gone")?;
        if alarm["acknowledged"] == true && alarm["acknowledged_by"].is_string() { Ok(()) } else { Err(alarm.to_string()) }
    });
    let contract = Contract::of(console.get("/api/v1/openapi.json").unwrap());
    for (route, path) in [
        ("/api/v1/alarms", "/api/v1/alarms"),
        ("/api/v1/alarms", "/api/v1/alarms?state=all"),
        ("/api/v1/alarms/{id}", &format!("/api/v1/alarms/{id}")),
        ("/api/v1/tags", "/api/v1/tags"),
        ("/api/v1/tags/{tag}/series", "/api/v1/tags/TT-401/series"),
        ("/api/v1/links", "/api/v1/links"),
        ("/api/v1/rules", "/api/v1/rules"),
        ("/api/v1/notices", "/api/v1/notices"),
        ("/api/v1/events", "/api/v1/events?after=0&limit=50"),
        ("/api/v1/health", "/api/v1/health"),
    ] {
        let body = console.get(path).unwrap();
        assert!(body.to_string().len() > 20, "{path} answers {body}");
        assert_eq!(contract.faults("get", route, 200, &body), [""; 0], "{path}: {body}");
    }
    let before: Vec<Value> = console.alarms().unwrap().iter().map(|alarm| alarm["id"].clone()).collect();
    let took = demo.terminate();
    assert!(took < Duration::from_secs(3), "stopping took {took:?}");

    let again = Process::safety_brain(&arguments);
    let console = Console::of(&again.line_with("#token=", Duration::from_secs(120)));
    eventually("the alarms of before", Duration::from_secs(20), || {
        let after: Vec<Value> = console.alarms()?.iter().map(|alarm| alarm["id"].clone()).collect();
        if before.iter().all(|id| after.contains(id)) { Ok(()) } else { Err(format!("{before:?} became {after:?}")) }
    });
    again.terminate();
}
