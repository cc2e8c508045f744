//! Somebody on the wire keeps a plant's heartbeats back, and says them to the bureau when the plant is long dead: after a start of the bureau, after its
//! kill, after a silence. None makes the plant look alive, but one at most while nothing else has happened. Must not know: how a bureau proves a heartbeat.

use crate::process::{Process, alone, eventually, free_port, tell};
use crate::site::{request, sha256};
use safety_brain::key::{Key, Meaning};
use safety_brain::notices::watcher::{ECHO_HEADER, KEY_HEADER, SIGNATURE_HEADER};
use serde_json::Value;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::time::{Duration, Instant};

const LONG: Duration = Duration::from_secs(60);
const TOKEN: &str = "the-plant-reports-with-this-token";
const WALL: &str = "the-wall-of-the-tests";
const SILENT_S: u64 = 4;

/// A plant that sends nothing but heartbeats.
struct Plant {
    key: Key,
    number: u64,
    echo: String,
}

/// A heartbeat as it goes over the wire.
struct Said {
    body: String,
    signature: String,
}

struct Bureau<'f> {
    folder: &'f Path,
    port: u16,
    process: Option<Process>,
}

impl Plant {
    /// What it says next.
    fn says(&mut self) -> Said {
        self.number += 1;
        let body = format!(
            "{{\"form\":\"safety-brain-heartbeat/1\",\"plant\":\"p\",\"sender\":\"p@plant.example\",\"mode\":\"actual\",\
             \"at\":\"2026-01-02T11:04:05+08:00\",\"run\":7,\"number\":{},\"echo\":\"{}\",\"every_s\":1,\"version\":\"1\",\
             \"alarms\":{{}},\"waiting\":0,\"failing\":[]}}",
            self.number, self.echo
        );
        let signature = self.key.sign(Meaning::Heartbeat, body.as_bytes());
        Said { body, signature }
    }

    /// Says it itself, once more where it is asked to say it otherwise, and hears the answer.
    fn beats(&mut self, bureau: &Bureau) {
        let mut refused = Vec::new();
        for _ in 0..2 {
            let said = self.says();
            let (status, echo) = bureau.hears(self, &said);
            self.echo = echo;
            if status == 204 {
                return;
            }
            refused.push((status, said.body));
        }
        panic!("the plant says what it is asked, and is not heard: {refused:?}");
    }
}

impl Bureau<'_> {
    fn start(&mut self) {
        let [file, data] = ["bureau.toml", "desk"].map(|name| self.folder.join(name).to_str().unwrap().to_owned());
        let process = Process::safety_brain(&["run", "--role", "bureau", "--config", &file, "--data", &data]);
        process.line_with("console: http://", LONG);
        self.process = Some(process);
    }

    /// Status, and what is asked for next.
    fn hears(&self, plant: &Plant, said: &Said) -> (u16, String) {
        let mut wire = TcpStream::connect(("127.0.0.1", self.port)).unwrap();
        wire.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
        write!(
            wire,
            "POST /api/v1/heartbeat HTTP/1.0\r\nHost: 127.0.0.1:{}\r\nAuthorization: Bearer {TOKEN}\r\nContent-Type: application/json\r\n\
             {KEY_HEADER}: {}\r\n{SIGNATURE_HEADER}: {}\r\nContent-Length: {}\r\n\r\n{}",
            self.port,
            plant.key.public(),
            said.signature,
            said.body.len(),
            said.body
        )
        .unwrap();
        let mut all = String::new();
        wire.read_to_string(&mut all).unwrap();
        let echo =
            all.lines().find_map(|line| line.to_ascii_lowercase().strip_prefix(&format!("{ECHO_HEADER}: ")).map(str::to_owned));
        (all.split_whitespace().nth(1).unwrap().parse().unwrap(), echo.unwrap_or_default())
    }

    fn list(&self, path: &str) -> Vec<Value> {
        eventually("a list", LONG, || {
            let body = request(self.port, "GET", path, WALL, "", "").map_err(|error| error.to_string())?.1;
            let value: Value = serde_json::from_str(&body).map_err(|error| format!("{error}: {body}"))?;
            value["items"].as_array().cloned().ok_or(body)
        })
    }

    fn is_silent(&self) -> bool {
        self.list("/api/v1/plants")[0]["silent"] == true
    }

    /// The plant spoke for itself; pages are told a moment later.
    fn shows_alive(&self) {
        eventually("the plant is heard", Duration::from_secs(SILENT_S - 1), || {
            if self.is_silent() { Err("it counts as silent".to_owned()) } else { Ok(()) }
        });
    }

    /// What was kept back is said again and again until the plant counts as silent, and after that. None is heard.
    fn is_not_deceived(&self, plant: &Plant, kept: &[Said]) -> usize {
        let (begun, mut tries, mut silent_since) = (Instant::now(), 0, None);
        while silent_since.is_none_or(|since: Instant| since.elapsed() < Duration::from_secs(1)) {
            assert!(begun.elapsed() < LONG, "the plant is dead, and does not count as silent");
            for said in kept {
                tries += 1;
                assert_eq!(self.hears(plant, said).0, 403, "{}", said.body);
            }
            if self.is_silent() {
                silent_since.get_or_insert_with(Instant::now);
            }
            assert!(silent_since.is_none() || self.is_silent(), "it came back to life");
        }
        tries
    }
}

#[test]
fn a_heartbeat_that_was_held_back_is_no_sign_of_life_after_a_start_of_the_bureau() {
    let _alone = alone();
    let folder = tempfile::tempdir().unwrap();
    let (port, key) = (free_port(), Key::of(folder.path()).unwrap());
    std::fs::write(folder.path().join("answers.token"), "sb_bureau_token_of_the_tests").unwrap();
    let file = format!(
        "[bureau]\nid = \"district\"\ntitle = {{ zh = \"局\", en = \"bureau\" }}\nsender = \"duty@bureau.example\"\n[console]\nbind = \"127.0.0.1:{port}\"\n\
         [[person]]\nname = \"大屏\"\nrole = \"viewer\"\ntoken_sha256 = \"{}\"\n\
         [[plant]]\nname = \"p\"\ntitle = {{ zh = \"厂\", en = \"plant\" }}\nsender = \"p@plant.example\"\ntoken_sha256 = \"{}\"\nkey = \"{}\"\nsilent = \"{SILENT_S}s\"\n\
         [plant.answers]\nurl = \"http://127.0.0.1:{}/api/v1/cap\"\ntoken = {{ file = \"answers.token\" }}\n",
        sha256(WALL),
        sha256(TOKEN),
        key.public(),
        free_port()
    );
    std::fs::write(folder.path().join("bureau.toml"), file).unwrap();
    let (mut plant, mut bureau) =
        (Plant { key, number: 0, echo: String::new() }, Bureau { folder: folder.path(), port, process: None });
    bureau.start();
    let mut tries = 0;
    for start in ["none", "after a kill", "after a stop"] {
        plant.beats(&bureau);
        bureau.shows_alive();
        // From here on nothing of the plant comes through: somebody has it, and the plant is dead.
        let kept: Vec<Said> = (0..5).map(|_| plant.says()).collect();
        match start {
            "none" => {
                // The control: while nothing has happened since, one of them is heard, and one alone.
                assert_eq!(bureau.hears(&plant, &kept[0]).0, 204);
            }
            "after a kill" => {
                assert!(bureau.process.take().unwrap().kill());
                bureau.start();
            }
            _ => {
                assert!(bureau.process.as_mut().unwrap().stop().1.success());
                bureau.start();
            }
        }
        tries += bureau.is_not_deceived(&plant, &kept);
    }
    plant.beats(&bureau);
    bureau.shows_alive();
    assert!(bureau.process.as_mut().unwrap().stop().1.success());
    tell(&format!("held back: {tries} heartbeats of a dead plant said again, none heard but one before a start"));
}
