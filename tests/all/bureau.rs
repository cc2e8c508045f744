//! Three plants and one bureau, each a process of its own: what is reported, answered, repeated, forged, lost and killed. Judged from outside, by what
//! their APIs say. Must not know: any type of the host.

mod heads;

use crate::judge::verify;
use crate::process::{Process, alone, broker, eventually, free_port, mosquitto, peer_or_skip, tell};
use crate::publisher::{Line, wall_us};
use crate::relay::Relay;
use crate::site::{Site, TOKEN, probe_name, request, sha256};
use serde_json::Value;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

const LONG: Duration = Duration::from_secs(60);
/// Of the duty officer, and of the screen on the wall.
const OFFICER: &str = "the-officer-of-the-tests";
const WALL: &str = "the-wall-of-the-tests";
/// The plants' bureau token is that of the test site.
const ANSWERS: &str = "sb_bureau_token_of_the_tests";
/// Tags of the second plant that all rise at once.
const FLOOD: u64 = 200;
const SILENT_S: u64 = 4;

pub struct Plant {
    pub name: &'static str,
    console: u16,
    file: PathBuf,
    pub data: PathBuf,
    token: String,
    relay: Relay,
    line: Line,
    _broker: Process,
    pub process: Option<Process>,
}

impl Plant {
    fn new(name: &'static str, folder: &Path, bureau: u16) -> Plant {
        let folder = folder.join(name);
        std::fs::create_dir(&folder).unwrap();
        let (broker, mqtt) = broker(mosquitto().unwrap(), &folder);
        let (console, relay, token) = (free_port(), Relay::to(bureau), format!("{name}-reports-with-this-token"));
        std::fs::write(folder.join("report.token"), &token).unwrap();
        let (to, secret) = (format!("http://127.0.0.1:{}/api/v1", relay.port), "token = { file = \"report.token\" }\n");
        let mut site = Site { mqtt, modbus: None, bureau: relay.port, console }.toml();
        for (from, into) in [
            ("[site]\nid = \"test\"", format!("[site]\nid = \"{name}\"")),
            ("sender = \"test@plant.example\"", format!("sender = \"{name}@plant.example\"")),
            (
                &format!("url = \"http://127.0.0.1:{}/cap\"\n", relay.port),
                format!("url = \"{to}/cap\"\nanchor_url = \"{to}/anchor\"\nanchor_every = \"1min\"\n{secret}"),
            ),
        ] {
            assert!(site.contains(from), "{from} is not in the site file");
            site = site.replace(from, &into);
        }
        // The third plant signs nothing: its token alone says who it is.
        if name != "c" {
            keygen(&folder.join(name), &format!("{name}@plant.example"));
            let audience = format!("bureau = true\nsign = {{ key = \"{name}.key\", certificate = \"{name}.crt\" }}\n");
            site = site.replace("bureau = true\n", &audience);
        }
        site += "[[trusted]]\nname = \"bureau\"\nsender = \"duty@bureau.example\"\ncertificate = \"../bureau.crt\"\n";
        for n in 0..if name == "b" { FLOOD } else { 0 } {
            let words = "{ zh = \"洪\", en = \"flood\" }";
            site += &format!(
                "[[tag]]\nname = \"F{n}\"\ntitle = {words}\nzone = \"hall\"\nlink = \"field\"\nunit = \"kPa\"\nquantity = \"pressure\"\nrange = [0, 1e9]\n\
                 period = \"1s\"\nsilent = \"10min\"\n[[tag.limit]]\nhazard = \"test.flood\"\ntitle = {words}\nkind = \"high\"\nvalue = 100\n\
                 severity = \"red\"\ndeadband = 5\ncitation = {{ confidence = \"own\" }}\ncause = {words}\nconsequence = {words}\naction = {words}\n"
            );
        }
        site += &format!("[[watcher]]\nname = \"bureau\"\nurl = \"{to}/heartbeat\"\nevery = \"1s\"\ntimeout = \"1s\"\n{secret}");
        let (file, data) = (folder.join("site.toml"), folder.join("data"));
        std::fs::write(&file, site).unwrap();
        std::fs::create_dir(&data).unwrap();
        Plant { name, console, file, data, token, relay, line: Line::open(mqtt), _broker: broker, process: None }
    }

    /// What the bureau's file says of it; it makes the plant's key, too.
    fn section(&self) -> String {
        let name = self.name;
        let made = std::process::Command::new(env!("CARGO_BIN_EXE_safety-brain"))
            .args(["evidence", "key", "--data", self.data.to_str().unwrap()])
            .output()
            .unwrap();
        let key = String::from_utf8(made.stdout).unwrap();
        let pinned = match name {
            "c" => String::new(),
            _ => format!("key = \"{}\"\ncertificate = \"{name}/{name}.crt\"\n", key.trim()),
        };
        format!(
            "[[plant]]\nname = \"{name}\"\ntitle = {{ zh = \"厂{name}\", en = \"plant {name}\" }}\nsender = \"{name}@plant.example\"\n\
             token_sha256 = \"{}\"\n{pinned}silent = \"{SILENT_S}s\"\n[plant.answers]\nurl = \"http://127.0.0.1:{}/api/v1/cap\"\n\
             token = {{ file = \"answers.token\" }}\ntimeout = \"2s\"\n",
            sha256(&self.token),
            self.console
        )
    }

    pub fn start(&mut self) {
        let arguments = ["run", "--config", self.file.to_str().unwrap(), "--data", self.data.to_str().unwrap()];
        self.process = Some(Process::safety_brain(&arguments));
        crate::judge::wait_for_link(self.console);
    }

    pub fn set(&mut self, tag: &str, value: u64) {
        self.line.send(tag, value, wall_us());
    }

    fn alarms(&self) -> Vec<Value> {
        list(self.console, "/api/v1/alarms", TOKEN).unwrap()
    }
}

/// A key that signs messages, and its certificate.
fn keygen(out: &Path, sender: &str) {
    let arguments = ["cap", "keygen", "--out", out.to_str().unwrap(), "--sender", sender];
    assert!(std::process::Command::new(env!("CARGO_BIN_EXE_safety-brain")).args(arguments).output().unwrap().status.success());
}

fn list(port: u16, path: &str, token: &str) -> Result<Vec<Value>, String> {
    let (status, body) = request(port, "GET", path, token, "", "").map_err(|error| error.to_string())?;
    let value: Value = serde_json::from_str(&body).map_err(|error| format!("{status} {error}: {body}"))?;
    value["items"].as_array().cloned().ok_or(body)
}

pub struct Bureau {
    port: u16,
    file: PathBuf,
    data: PathBuf,
    process: Option<Process>,
}

impl Bureau {
    pub fn start(&mut self) {
        let (file, data) = (self.file.to_str().unwrap(), self.data.to_str().unwrap());
        let process = Process::safety_brain(&["run", "--role", "bureau", "--config", file, "--data", data]);
        process.line_with("console: http://", LONG);
        self.process = Some(process);
    }

    pub fn queue(&self) -> Vec<Value> {
        eventually("the duty queue", LONG, || list(self.port, "/api/v1/reports", WALL))
    }

    fn plant(&self, name: &str) -> Value {
        let plants = eventually("the plants", LONG, || list(self.port, "/api/v1/plants", WALL));
        plants.into_iter().find(|plant| plant["name"] == name).unwrap_or_else(|| panic!("no plant {name}"))
    }

    pub fn count(&self, plant: &str, what: &str) -> u64 {
        self.plant(plant)[what].as_u64().unwrap_or_else(|| panic!("no count {what}"))
    }

    /// Waits until as many were counted: screens are a moment behind.
    fn counts(&self, plant: &str, expected: &[(&str, u64)]) {
        eventually("the counts of a plant", LONG, || {
            let row = self.plant(plant);
            if expected.iter().all(|(what, count)| row[*what] == *count) { Ok(()) } else { Err(format!("{expected:?}: {row}")) }
        });
    }

    /// Waits for an entry of the queue like this.
    pub fn entry(&self, what: &str, like: impl Fn(&Value) -> bool) -> Value {
        eventually(what, LONG, || {
            let queue = self.queue();
            queue.iter().find(|entry| like(entry)).cloned().ok_or_else(|| format!("{queue:#?}"))
        })
    }

    fn detail(&self, id: &Value) -> Value {
        let path = format!("/api/v1/reports/{}", id.as_str().unwrap());
        let (_, body) = request(self.port, "GET", &path, WALL, "", "").unwrap();
        serde_json::from_str(&body).unwrap()
    }

    fn cap(&self, id: &Value) -> String {
        request(self.port, "GET", &format!("/api/v1/reports/{}/cap", id.as_str().unwrap()), WALL, "", "").unwrap().1
    }

    pub fn act(&self, id: &Value, act: &str, note: &str) -> (u16, String) {
        let path = format!("/api/v1/reports/{}/{act}", id.as_str().unwrap());
        request(self.port, "POST", &path, OFFICER, "application/json", &format!("{{\"note\":\"{note}\"}}")).unwrap()
    }

    /// Status of a message that somebody posts with this token.
    fn post(&self, token: &str, message: &str) -> (u16, String) {
        request(self.port, "POST", "/api/v1/cap", token, "application/cap+xml", message).unwrap()
    }
}

pub fn of(plant: &str, about: &str) -> impl Fn(&Value) -> bool {
    let (plant, about) = (plant.to_owned(), about.to_owned());
    move |entry| entry["plant"] == plant && entry["about"] == about
}

/// A report of a plant that nobody has answered.
pub fn fresh(plant: &str) -> impl Fn(&Value) -> bool {
    let report = of(plant, "report");
    move |entry| report(entry) && entry["state"] == "received"
}

pub fn world(folder: &Path) -> (Bureau, Vec<Plant>) {
    let port = free_port();
    keygen(&folder.join("bureau"), "duty@bureau.example");
    let plants: Vec<Plant> = ["a", "b", "c"].into_iter().map(|name| Plant::new(name, folder, port)).collect();
    std::fs::write(folder.join("answers.token"), ANSWERS).unwrap();
    let mut file = format!(
        "[bureau]\nid = \"district\"\ntitle = {{ zh = \"局\", en = \"bureau\" }}\nsender = \"duty@bureau.example\"\n\
         sign = {{ key = \"bureau.key\", certificate = \"bureau.crt\" }}\n[storage]\nsegment_mib = 4\n\
         [console]\nbind = \"127.0.0.1:{port}\"\n[duty]\nacknowledge = {{ red = \"2min\" }}\n"
    );
    for (name, role, token) in [("王值班", "operator", OFFICER), ("大屏", "viewer", WALL)] {
        file += &format!("[[person]]\nname = \"{name}\"\nrole = \"{role}\"\ntoken_sha256 = \"{}\"\n", sha256(token));
    }
    file.extend(plants.iter().map(Plant::section));
    std::fs::write(folder.join("bureau.toml"), file).unwrap();
    let (file, data) = (folder.join("bureau.toml"), folder.join("desk"));
    (Bureau { port, file, data, process: None }, plants)
}

#[test]
fn bureau_of_three_plants_through_all_that_can_happen() {
    let test = "bureau_of_three_plants_through_all_that_can_happen";
    if !peer_or_skip(test, "mosquitto", mosquitto().is_some()) {
        return;
    }
    let _alone = alone();
    let (began, folder) = (Instant::now(), tempfile::tempdir().unwrap());
    let (mut bureau, mut plants) = world(folder.path());
    bureau.start();
    plants.iter_mut().for_each(Plant::start);
    for plant in &plants {
        eventually("a heartbeat", LONG, || {
            let row = bureau.plant(plant.name);
            let counted = row["on_line"]["today"].as_f64().is_some_and(|share| share > 0.0 && share <= 1.0);
            if row["version"].is_string() && row["silent"] == false && counted { Ok(()) } else { Err(row.to_string()) }
        });
    }

    let alert = normal(&bureau, &mut plants[0]);
    let refused = strangers(&bureau, &plants, &alert);
    again(&bureau, &mut plants[0], &alert);
    refusal(&bureau, &mut plants[2]);
    let lost = link_loss(&bureau, &mut plants[0]);
    accident(&bureau, &plants[0]);
    let killed = kill(&bureau, &mut plants[2]);
    // A plant that is dead since, whatever is said in its name.
    assert!(plants[0].process.take().unwrap().kill());
    let mut played = replayed(&bureau, &plants[0]);
    bureau.entry("an old heartbeat is suspicious", of("a", "suspicion"));
    bureau.counts("a", &[("refused", 6 + played as u64)]);
    restart(&mut bureau, &plants[0]);
    while !bureau.plant("a")["silent"].as_bool().unwrap() {
        played += replayed(&bureau, &plants[0]);
    }
    bureau.entry("a dead plant is silent", of("a", "silence"));
    plants[0].start();
    eventually("the plant itself is heard", LONG, || {
        let row = bureau.plant("a");
        if row["silent"] == false { Ok(()) } else { Err(row.to_string()) }
    });
    let flooded = flood(&bureau, &mut plants[1]);
    heads::are_refused(&bureau, &plants);

    for plant in &mut plants {
        let (took, status) = plant.process.as_mut().unwrap().stop();
        assert!(status.success(), "{}: {status} after {took:?}", plant.name);
        verify(&plant.data).unwrap();
    }
    let silent: Vec<Value> = ["a", "b", "c"].map(|name| bureau.entry("a stopped plant is silent", of(name, "silence"))).into();
    assert!(silent.iter().all(|entry| entry["level"] == "orange" && entry["acknowledge_left_s"].as_i64() > Some(0)));
    let sum = |what: &str| ["a", "b", "c"].iter().map(|name| bureau.count(name, what)).sum::<u64>();
    let counts =
        ["reports", "duplicates", "replays", "changed", "refused", "silences"].map(|what| format!("{} {what}", sum(what)));
    let mut process = bureau.process.take().unwrap();
    let (took, status) = process.stop();
    assert!(status.success() && took < Duration::from_secs(3), "{status} after {took:?}; it said {:?}", process.said());
    verify(&bureau.data).unwrap();
    let heads = heads::are_kept(&bureau, &plants);
    tell(&format!(
        "{test}: {}; {heads} heads of the plants' chains kept; {refused} strangers refused; link cut {lost:?}; plant killed, heard again after {killed:?}; {played} old heartbeats refused; {FLOOD} red alarms at once in the \
         queue after {flooded:?}; stopped in {took:?}; {:?} in all",
        counts.join(", "),
        began.elapsed()
    ));
}

/// A red alarm is in the queue with its countdown; an officer takes it and tells the plant what to do; the plant shows both. Gives the message.
fn normal(bureau: &Bureau, plant: &mut Plant) -> String {
    plant.set(&probe_name(0), 150);
    let entry = bureau.entry("the alarm in the queue", fresh(plant.name));
    let left = entry["acknowledge_left_s"].as_i64().unwrap();
    assert!((60..=120).contains(&left) && entry["handle_left_s"].as_i64().unwrap() > left, "{entry:#}");
    assert_eq!((&entry["level"], &entry["mode"]), (&"red".into(), &"actual".into()));
    let alert = bureau.cap(&entry["id"]);
    assert!(alert.contains("<msgType>Alert</msgType>"), "{alert}");
    let wall =
        request(bureau.port, "POST", &format!("/api/v1/reports/{}/accept", entry["id"].as_str().unwrap()), WALL, "", "").unwrap();
    assert_eq!(wall.0, 403, "the wall looks on: {}", wall.1);
    assert_eq!(bureau.act(&entry["id"], "accept", "").0, 200);
    assert_eq!(bureau.act(&entry["id"], "accept", "").0, 409, "once");
    eventually("the plant knows who has it", LONG, || {
        let alarms = plant.alarms();
        let taken = alarms.iter().any(|alarm| alarm["hazard"] == "test.high" && alarm["escalation"]["bureau"] == "acknowledged");
        if taken { Ok(()) } else { Err(format!("{alarms:#?}")) }
    });
    assert_eq!(bureau.act(&entry["id"], "instruct", "撤离三号工房").0, 200);
    eventually("the plant shows the instruction", LONG, || {
        let alarms = plant.alarms();
        let told = alarms.iter().any(|alarm| {
            let told = &alarm["escalation"]["instructions"][0];
            told["note"] == "撤离三号工房" && told["by"] == "王值班"
        });
        if told { Ok(()) } else { Err(format!("{alarms:#?}")) }
    });
    eventually("the bureau knows that both arrived", LONG, || {
        let detail = bureau.detail(&entry["id"]);
        let acts = detail["acts"].as_array().unwrap();
        let arrived = acts.len() == 2 && acts.iter().all(|act| act["delivered_at"].is_string());
        let open = detail["untaken"] == 1 && acts[1]["taken_by"].is_null();
        if arrived && open && detail["state"] == "instructed" && detail["owed"] == 0 { Ok(()) } else { Err(detail.to_string()) }
    });
    instruction_taken(bureau, plant, &entry["id"]);
    alert
}

/// A named person of the plant takes the instruction, once; the bureau shows who has it.
fn instruction_taken(bureau: &Bureau, plant: &Plant, entry: &Value) {
    let told = plant.alarms().into_iter().find(|alarm| !alarm["escalation"]["instructions"][0].is_null()).unwrap();
    let message = told["escalation"]["instructions"][0]["message"].as_str().unwrap().to_owned();
    let path = format!("/api/v1/alarms/{}/instructions/take", told["id"].as_str().unwrap());
    let take = |message: &str| {
        let body = serde_json::json!({"message": message, "note": "正在撤离"}).to_string();
        request(plant.console, "POST", &path, TOKEN, "application/json", &body).unwrap().0
    };
    assert_eq!((take("nobody.said.this"), take(&message), take(&message)), (404, 200, 409));
    let detail = eventually("the bureau shows who has it", LONG, || {
        let detail = bureau.detail(entry);
        if detail["acts"][1]["taken_by"].is_string() { Ok(detail) } else { Err(detail.to_string()) }
    });
    let act = &detail["acts"][1];
    assert!(act["taken_by"].as_str().unwrap().contains('(') && act["taken_note"] == "正在撤离", "{act}");
    assert!(act["taken_at"].is_string() && detail["untaken"] == 0, "{detail}");
    let cap = bureau.cap(entry);
    assert!(cap.contains("<valueName>instruction</valueName>") && cap.contains(&message), "{cap}");
    valid(&[("an instruction taken".to_owned(), cap)]);
}

/// Nobody but the plant itself speaks over its line. Gives how many tries were refused.
fn strangers(bureau: &Bureau, plants: &[Plant], alert: &str) -> usize {
    let before = bureau.queue().iter().filter(|entry| entry["about"] == "report").count();
    let field = |name: &str| alert.split(&format!("<{name}>")).nth(1).and_then(|rest| rest.split('<').next()).unwrap();
    let forged = alert.replacen(field("identifier"), "forged.1", 1);
    let (unsigned, rest) = forged.split_once("<Signature").unwrap();
    let unsigned = format!("{unsigned}{}", rest.split_once("</Signature>").unwrap().1);
    let tries = [
        ("no token", "", forged.as_str(), 401),
        ("an unknown token", "some-token-that-nobody-has", &forged, 401),
        ("an officer's token", OFFICER, &forged, 403),
        ("another plant's token", &plants[1].token, &forged, 403),
        ("another identifier under the signature", &plants[0].token, &forged, 403),
        ("other words under the signature", &plants[0].token, &alert.replacen("<headline>", "<headline>x", 1), 403),
        ("no signature", &plants[0].token, &unsigned, 403),
        ("no CAP", &plants[0].token, "<alert/>", 422),
        ("a document type", &plants[0].token, &alert.replacen("<alert", "<!DOCTYPE a><alert", 1), 422),
    ];
    // Whoever has a plant's line, and sends something that can be answered, is told why by a signed CAP Error.
    let mut errors: Vec<(String, String)> = Vec::new();
    for (what, token, message, expected) in tries {
        let (status, said) = bureau.post(token, message);
        assert_eq!(status, expected, "{what}: {said}");
        if said.contains("<msgType>Error</msgType>") {
            assert!(said.contains("<note>") && said.contains("<Signature") && said.contains("<references>"), "{said}");
            errors.push((what.to_owned(), said));
        }
    }
    assert_eq!(errors.len(), 4, "{errors:?}");
    valid(&errors);
    let beat =
        |token: &str| request(bureau.port, "POST", "/api/v1/heartbeat", token, "application/json", "{\"form\":\"x\"}").unwrap().0;
    assert_eq!((beat(""), beat(&plants[0].token)), (401, 403), "a heartbeat that the plant's key did not sign");
    bureau.counts("a", &[("changed", 0), ("refused", 6)]);
    bureau.counts("b", &[("changed", 0), ("refused", 1)]);
    let suspicion = ["a", "b"].map(|name| bureau.entry("a suspicion", of(name, "suspicion")));
    for entry in suspicion {
        assert_eq!(bureau.act(&entry["id"], "instruct", "x").0, 409, "there is no message to answer");
        assert_eq!(bureau.act(&entry["id"], "accept", "").0, 200);
        assert_eq!(bureau.act(&entry["id"], "close", "查明").0, 200);
    }
    let after = bureau.queue().iter().filter(|entry| entry["about"] == "report").count();
    assert_eq!(after, before, "the queue is as if nothing had come");
    tries.len() + 2
}

/// By the schema that OASIS publishes, where it is at hand.
fn valid(documents: &[(String, String)]) {
    if let Some(schema) = crate::cap::schema() {
        assert_eq!(crate::cap::refused(&schema, documents), []);
    }
}

/// The same bytes: a duplicate while they are the newest, a replay behind a later message. Both get the Ack of the first time, to the byte.
fn again(bureau: &Bureau, plant: &mut Plant, alert: &str) {
    let newest = bureau.cap(&bureau.entry("the entry", of(plant.name, "report"))["id"]);
    let (first, second) = (bureau.post(&plant.token, &newest), bureau.post(&plant.token, &newest));
    valid(&[("the Ack".to_owned(), first.1.clone())]);
    assert!(
        first.0 == 200 && first.1.contains("<SignatureValue>") && first == second && first.1.contains("<msgType>Ack</msgType>"),
        "{first:?} {second:?}"
    );
    eventually("both were counted", LONG, || match bureau.count("a", "duplicates") {
        2.. => Ok(()),
        count => Err(count.to_string()),
    });
    plant.set(&probe_name(0), 20);
    let cleared = bureau.entry("it cleared", |entry| of("a", "report")(entry) && entry["cleared"] == true);
    assert_eq!(cleared["state"], "instructed");
    assert_eq!(bureau.post(&plant.token, alert).0, 200);
    bureau.counts("a", &[("replays", 1)]);
    bureau.entry("a suspicion", of("a", "suspicion"));
    assert_eq!(bureau.entry("the entry", of("a", "report"))["cleared"], true, "an old message raises nothing");
}

/// What the bureau refuses stays with the plant: its ladder goes on.
fn refusal(bureau: &Bureau, plant: &mut Plant) {
    plant.set(&probe_name(1), 150);
    let entry = bureau.entry("the alarm in the queue", fresh(plant.name));
    let message = bureau.cap(&entry["id"]);
    let (status, said) = bureau.post(&plant.token, &message.replacen("<headline>", "<headline>x", 1));
    assert_eq!(status, 422, "other words under a known identifier of a plant that signs nothing: {said}");
    assert!(said.contains("<msgType>Error</msgType>") && said.contains("was used before for another message"), "{said}");
    bureau.counts(plant.name, &[("changed", 1)]);
    assert_eq!(bureau.act(&entry["id"], "reject", "").0, 409, "a reason is missing");
    assert_eq!(bureau.act(&entry["id"], "reject", "非本辖区").0, 200);
    eventually("the plant knows that it was refused", LONG, || {
        let notices = list(plant.console, "/api/v1/notices", TOKEN)?;
        let refused = notices
            .iter()
            .any(|notice| notice["delivery"] == "rejected" && notice["last_error"].to_string().contains("非本辖区"));
        if refused { Ok(()) } else { Err(format!("{notices:#?}")) }
    });
    assert_eq!(bureau.detail(&entry["id"])["state"], "rejected");
}

/// The wire is cut: the bureau notices by itself; what happened meanwhile comes when it is mended, and the answer given meanwhile arrives.
fn link_loss(bureau: &Bureau, plant: &mut Plant) -> Duration {
    let cut = Instant::now();
    plant.relay.cut();
    plant.set(&probe_name(2), 150);
    let silence = bureau.entry("a plant that cannot speak is silent", of(plant.name, "silence"));
    let noticed = cut.elapsed();
    assert!(noticed >= Duration::from_secs(SILENT_S - 2) && noticed < Duration::from_secs(SILENT_S + 10), "{noticed:?}");
    assert_eq!(bureau.plant(plant.name)["silent"], true);
    assert_eq!(bureau.act(&silence["id"], "accept", "").0, 200);
    assert!(!bureau.queue().iter().any(fresh(plant.name)), "nothing came");
    plant.relay.mend();
    let entry = bureau.entry("what happened meanwhile", fresh(plant.name));
    eventually("the silence is over", LONG, || {
        let detail = bureau.detail(&silence["id"]);
        if detail["state"] == "closed" { Ok(()) } else { Err(detail.to_string()) }
    });
    assert_eq!(bureau.act(&entry["id"], "accept", "").0, 200);
    cut.elapsed()
}

/// An accident that somebody at the plant declares stands at the head of the queue with the law's clocks, until it is taken back.
fn accident(bureau: &Bureau, plant: &Plant) {
    let alarm = plant.alarms().into_iter().find(|alarm| alarm["zone"] == "hall").unwrap();
    let path = |verb: &str| format!("/api/v1/alarms/{}/accident{verb}", alarm["id"].as_str().unwrap());
    let send = |verb: &str, body: &str| request(plant.console, "POST", &path(verb), TOKEN, "application/json", body).unwrap();
    let (status, said) = send("", "{\"course\": \"三号工房起火\", \"kind\": \"fire\", \"dead\": 3}");
    assert_eq!(status, 200, "{said}");
    let is_it = |entry: &Value| of(plant.name, "report")(entry) && entry["accident"]["retracted"] == false;
    let entry = bureau.entry("the accident in the queue", is_it);
    assert_eq!(bureau.queue()[0]["id"], entry["id"], "before everything else");
    let clocks = entry["accident"]["clocks"].as_array().unwrap();
    assert_eq!((&entry["accident"]["grade"], &entry["level"], clocks.len()), (&"larger".into(), &"red".into(), 6));
    let left = clocks[1]["left_s"].as_i64().unwrap();
    assert!(clocks[1]["what"] == "county" && (3_000..=3_600).contains(&left), "{entry:#}");
    let alert = bureau.cap(&entry["id"]);
    assert!(alert.contains("<msgType>Alert</msgType>") && alert.contains("<Signature"), "{alert}");
    assert_eq!(bureau.act(&entry["id"], "accept", "").0, 200);
    assert_eq!(send("/told", "{\"what\": \"county\", \"to\": \"区局，电话\"}").0, 200);
    let told = bureau.entry("what was told", |entry| is_it(entry) && entry["accident"]["clocks"][1]["done_at"].is_string());
    let update = bureau.cap(&told["id"]);
    assert!(told["id"] == entry["id"] && update.contains("<msgType>Update</msgType>"), "{update}");
    assert_eq!(send("/retract", "{\"note\": \"水汽\"}").0, 200);
    eventually("taken back, and over", LONG, || {
        let detail = bureau.detail(&entry["id"]);
        if detail["state"] == "closed" && detail["accident"]["retracted"] == true { Ok(()) } else { Err(detail.to_string()) }
    });
    let documents = [("declared", alert), ("told", update), ("taken back", bureau.cap(&entry["id"]))];
    valid(&documents.map(|(name, text)| (name.to_owned(), text)));
}

/// SIGKILL with an alarm standing: silent, then heard again; what it says again is a duplicate and never another message.
fn kill(bureau: &Bureau, plant: &mut Plant) -> Duration {
    plant.set(&probe_name(3), 150);
    bureau.entry("the alarm in the queue", fresh(plant.name));
    let changed = bureau.count(plant.name, "changed");
    assert!(plant.process.take().unwrap().kill());
    let killed = Instant::now();
    let silence = bureau.entry("a dead plant is silent", of(plant.name, "silence"));
    assert_eq!(bureau.act(&silence["id"], "accept", "").0, 200);
    plant.start();
    eventually("it is heard again", LONG, || {
        let row = bureau.plant(plant.name);
        if row["silent"] == false { Ok(()) } else { Err(row.to_string()) }
    });
    let heard = killed.elapsed();
    let same: Vec<Value> = bureau.queue().into_iter().filter(fresh(plant.name)).collect();
    assert_eq!(same.len(), 1, "one alarm, one entry: {same:#?}");
    assert_eq!(bureau.count(plant.name, "changed"), changed, "the same bytes on every try");
    // An answer to what it said before it was killed reaches it after.
    assert_eq!(bureau.act(&same[0]["id"], "accept", "").0, 200);
    eventually("the answer reaches the plant of after", LONG, || {
        let detail = bureau.detail(&same[0]["id"]);
        if detail["owed"] == 0 && detail["returned"].is_null() { Ok(()) } else { Err(detail.to_string()) }
    });
    heard
}

/// The heartbeats that went over a plant's wire, as HTTP has them.
fn heartbeats(plant: &Plant) -> Vec<String> {
    let start = "POST /api/v1/heartbeat ";
    let said: Vec<String> = plant.relay.said().iter().map(|bytes| String::from_utf8_lossy(bytes).into_owned()).collect();
    said.iter().flat_map(|said| said.match_indices(start).map(|(at, _)| said[at..].to_owned())).filter_map(whole).collect()
}

/// One request with its body, of what begins with it.
fn whole(text: String) -> Option<String> {
    let (head, body) = text.split_once("\r\n\r\n")?;
    let length = head.lines().find_map(|line| line.to_ascii_lowercase().strip_prefix("content-length:")?.trim().parse().ok());
    Some(format!("{head}\r\n\r\n{}", body.get(..length?)?))
}

/// What somebody on the wire has heard of a plant says nothing when it is said again: not of this run, not of an earlier one, not to a bureau that has
/// just started. Gives how many were tried.
fn replayed(bureau: &Bureau, plant: &Plant) -> usize {
    let all = heartbeats(plant);
    assert!(all.len() > 5, "{} heartbeats were heard on the wire", all.len());
    for (nth, request) in all.iter().enumerate() {
        let mut wire = TcpStream::connect(("127.0.0.1", bureau.port)).unwrap();
        wire.write_all(request.as_bytes()).unwrap();
        let mut said = [0; 12];
        wire.read_exact(&mut said).unwrap();
        assert_eq!(&said, b"HTTP/1.1 403", "{nth} of {}: {request}", all.len());
    }
    all.len()
}

/// SIGKILL of the bureau: its journal tells the same queue again.
fn restart(bureau: &mut Bureau, plant: &Plant) {
    let told = |bureau: &Bureau| -> Vec<(Value, Value, Value, Value)> {
        let mut queue = bureau.queue();
        queue.retain(|entry| entry["about"] != "silence");
        queue.into_iter().map(|e| (e["id"].clone(), e["state"].clone(), e["level"].clone(), e["messages"].clone())).collect()
    };
    let newest =
        bureau.cap(&bureau.entry("an entry", |entry| of(plant.name, "report")(entry) && entry["state"] != "closed")["id"]);
    let acked = bureau.post(&plant.token, &newest);
    let before = told(bureau);
    assert!(before.len() >= 3 && acked.0 == 200, "{before:?} {acked:?}");
    assert!(bureau.process.take().unwrap().kill());
    bureau.start();
    assert_eq!(told(bureau), before);
    assert_eq!(bureau.post(&plant.token, &newest), acked, "the same Ack to the byte");
}

/// All of one plant's tags at once: every red alarm is an entry of its own.
fn flood(bureau: &Bureau, plant: &mut Plant) -> Duration {
    let began = Instant::now();
    for n in 0..FLOOD {
        plant.set(&format!("F{n}"), 150);
    }
    eventually("all of the flood", Duration::from_secs(120), || {
        let count = bureau.queue().iter().filter(|entry| fresh("b")(entry)).count() as u64;
        if count == FLOOD { Ok(()) } else { Err(format!("{count} of {FLOOD}")) }
    });
    let took = began.elapsed();
    let queue = bureau.queue();
    let flood: Vec<&Value> = queue.iter().filter(|entry| fresh("b")(entry)).collect();
    assert!(flood.iter().all(|entry| entry["level"] == "red"));
    let left: Vec<i64> = flood.iter().map(|entry| entry["acknowledge_left_s"].as_i64().unwrap()).collect();
    assert!(left.is_sorted(), "what is due first stands first: {left:?}");
    let (status, said) = bureau.act(&flood[0]["id"], "accept", "");
    assert_eq!(status, 200, "{said}");
    took
}
