//! A whole drill as the program ships it: the scenario of the gas district with its rule in WebAssembly, people who answer and hand over, a gateway that
//! fails for a while, and a report that says so line by line. Must not know: any type of the host.

use crate::gateway::{Gateway, Time};
use crate::process::{Process, eventually, free_port, root};
use crate::receiver::Receiver;
use crate::site::{TOKEN, request, sha256};
use serde_json::Value;
use std::path::Path;
use std::process::{Command, Output};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// How much faster it is played; ladders and delays keep their own time.
const SPEED: &str = "6";
const OFFICER: &str = "sb_officer_token_of_the_drill";

fn program(words: &[&str], folder: &Path) -> Output {
    let program = env!("CARGO_BIN_EXE_safety-brain");
    Command::new(program).args(words).current_dir(folder).env("SAFETY_BRAIN_LOG", "warn").output().unwrap()
}

/// The shipped site with a bureau, a gateway and people of the test: officers by SMS with a roster, rungs some seconds apart.
fn site(bureau: u16, gateway: u16) -> String {
    let shipped = std::fs::read_to_string(root().join("configs/gas-district.toml")).unwrap();
    let officer = "name = \"officer\"\ntitle = { zh = \"安全员\", en = \"Safety officer\" }\nchannel = \"console\"";
    let by_sms = format!(
        "name = \"officer\"\ntitle = {{ zh = \"安全员\", en = \"Safety officer\" }}\nchannel = \"sms\"\nroster = \"officers\"\n\
         url = \"http://127.0.0.1:{gateway}/send\"\nbody = '{{\"to\": \"{{{{to}}}}\", \"text\": \"{{{{short.zh}}}}\"}}'\nto = [\"13800000000\"]\n\
         per_minute = 60\nper_day = 1000"
    );
    let hash = |n: u32| format!("token_sha256 = \"{n:064}\"");
    let token = |token: &str| format!("token_sha256 = \"{}\"", sha256(token));
    let mut text = shipped;
    for (from, to) in [
        (officer.to_owned(), by_sms),
        ("https://bureau.example.cn/cap".to_owned(), format!("http://127.0.0.1:{bureau}/cap")),
        ("orange = \"300s\", red = \"120s\"".to_owned(), "orange = \"3s\", red = \"3s\"".to_owned()),
        ("orange = \"600s\", red = \"240s\"".to_owned(), "orange = \"60s\", red = \"6s\"".to_owned()),
        (hash(1), token(TOKEN)),
        (hash(2), token(OFFICER)),
    ] {
        assert!(text.contains(&from), "{from}");
        text = text.replacen(&from, &to, 1);
    }
    text + "[[roster]]\nname = \"officers\"\ntitle = { zh = \"安全员班\", en = \"Officers on duty\" }\nhand_over = \"15min\"\nstand_ins = [\"操作岗\"]\n\
            [[roster.shift]]\nname = \"all\"\nhours = \"00:00-24:00\"\npeople = [\"值长岗\"]\n"
}

/// The shipped scenario with the bureau in it, and more that is expected.
fn scenario() -> String {
    let shipped = std::fs::read_to_string(root().join("configs/drill-station-gas.toml")).unwrap();
    let (from, to) =
        ("audiences = [\"crew\", \"officer\", \"manager\"]", "audiences = [\"crew\", \"officer\", \"manager\", \"bureau\"]");
    assert!(shipped.contains(from));
    let told = shipped.rfind("told = [\"crew\"]").unwrap();
    shipped[..told].replacen(from, to, 1) + "told = [\"crew\", \"officer\", \"manager\", \"bureau\"]\n"
}

struct Console(u16);

impl Console {
    fn get(&self, path: &str) -> Result<Value, String> {
        let (_, body) = request(self.0, "GET", path, TOKEN, "", "").map_err(|error| error.to_string())?;
        serde_json::from_str(&body).map_err(|error| format!("{error}: {body}"))
    }

    fn post(&self, token: &str, path: &str, body: &str) {
        let (status, said) = request(self.0, "POST", path, token, "application/json", body).unwrap();
        assert!(status < 300, "{path}: {status} {said}");
    }

    fn open(&self) -> Result<Vec<Value>, String> {
        Ok(self.get("/api/v1/alarms?state=active")?["items"].as_array().cloned().unwrap_or_default())
    }

    /// The number of the alarm of this hazard, once it stands.
    fn alarm(&self, hazard: &str) -> String {
        eventually(hazard, Duration::from_secs(60), || {
            let open = self.open()?;
            let found = open.iter().find(|alarm| alarm["hazard"] == hazard);
            found.and_then(|alarm| alarm["id"].as_str().map(str::to_owned)).ok_or_else(|| format!("{open:?}"))
        })
    }
}

#[test]
fn drill_whole_with_a_rule_people_a_hand_over_and_a_gateway_that_fails() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    let built = program(&["plugin", "build", "plugins/gas-detector", "--out", &at("plugins")], &root());
    assert!(built.status.success(), "{}", String::from_utf8_lossy(&built.stderr));
    let (bureau, down) = (Receiver::start(0), Arc::new(AtomicBool::new(true)));
    let is_down = Arc::clone(&down);
    let gateway = Gateway::start(
        Time::Real,
        Box::new(move |_, _| if is_down.load(Ordering::Relaxed) { (503, "{}".to_owned()) } else { (200, "{}".to_owned()) }),
    );
    std::fs::write(at("site.toml"), site(bureau.port, gateway.port)).unwrap();
    std::fs::write(at("scenario.toml"), scenario()).unwrap();
    let (port, data) = (free_port(), at("drill"));
    let mut playing = Process::safety_brain(&[
        "drill",
        "run",
        "--config",
        &at("site.toml"),
        "--scenario",
        &at("scenario.toml"),
        "--data",
        &data,
        "--port",
        &port.to_string(),
        "--speed",
        SPEED,
        "--allow-unsigned",
    ]);
    playing.line_with("console: ", Duration::from_secs(120));
    let console = Console(port);

    // The first one is taken at once, and the duty handed over with it.
    let gas = console.alarm("gas.lel");
    console.post(TOKEN, &format!("/api/v1/alarms/{gas}/acknowledge"), "{\"note\":\"已通知巡检\"}");
    console.post(TOKEN, "/api/v1/rosters/officers/hand-over", "{\"to\":\"操作岗\",\"note\":\"泄漏处置中\"}");
    let open: Vec<String> = console.open().unwrap().iter().filter_map(|alarm| alarm["id"].as_str().map(str::to_owned)).collect();
    console.post(OFFICER, "/api/v1/rosters/officers/take-over", &serde_json::json!({"alarms": open, "note": "清楚"}).to_string());
    // Nobody answers the second one; the officer's gateway is down until the manager has been told.
    let leak = console.alarm("gas.leak");
    eventually("the manager is told", Duration::from_secs(30), || {
        let notices = console.get("/api/v1/notices")?;
        let told = notices["items"]
            .as_array()
            .is_some_and(|all| all.iter().any(|notice| notice["audience"] == "manager" && notice["alarm"] == leak.as_str()));
        if told { Ok(()) } else { Err(notices.to_string()) }
    });
    down.store(false, Ordering::Relaxed);
    let ended = eventually("its end", Duration::from_secs(180), || playing.ended().ok_or_else(|| "still running".to_owned()));
    assert_eq!(ended.code(), Some(1), "one thing was missed: {:?}", playing.said());

    let text = program(&["drill", "report", "--data", &data, "--html", &at("report.html")], folder.path()).stdout;
    let text = String::from_utf8(text).unwrap();
    println!("{text}");
    if let Some(kept) = std::env::var_os("SAFETY_BRAIN_DRILL_REPORT") {
        std::fs::copy(at("report.html"), kept).unwrap();
    }
}
