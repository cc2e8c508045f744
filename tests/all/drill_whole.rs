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

/// The report line by line, in this order; T stands for a time and N for a number of seconds.
const LINES: [&str; 21] = [
    "演练报告 Drill report",
    "【演练】station-gas（不是真实事件） DRILL station-gas, not a real event · 1号调压站泄漏 Leak at regulator station 1",
    "  结论 Result: ✗ 2 项预期中达到 1 项 1 of 2 expectations met",
    "  参演 Taking part: 当班人员 Crew, 安全员 Safety officer, 企业负责人 Manager, 应急管理局 Emergency bureau",
    "  未参演（没有收到任何通知） Not taking part, told nothing: 无 none",
    "  演练结束告知 Told that it is over 应急管理局 Emergency bureau: ✓ 已告知 2 条报警作废 alarms ended there: 2",
    "✓ 达到 met 1号调压站 Regulator station 1 · 可燃气体 Combustible gas, 至少 at least 橙色 Ⅱ级 orange, level II",
    "  确认 Acknowledged: ✓ 值长岗, N s 后 after N s (要求 2 min 内 wanted within 2 min)",
    "✗ 未达到 NOT met 1号调压站 Regulator station 1 · 管线泄漏 Line leak, 至少 at least 红色 Ⅰ级 red, level I",
    "  确认 Acknowledged: ✗ 没有发生 never (要求 2 min 内 wanted within 2 min)",
    "  通知 Told 安全员 Safety officer: ✓ N s 后 after N s",
    "  通知 Told 企业负责人 Manager: ✓ N s 后 after N s",
    "  通知 Told 应急管理局 Emergency bureau: ✓ N s 后 after N s",
    "T 1号调压站 Regulator station 1 · 可燃气体 Combustible gas · 红色 Ⅰ级 red, level I",
    "  确认 Acknowledged: T 值长岗 (值长 Shift lead), N s 后 after N s: 已通知巡检",
    "  确认 Acknowledged: ✗ 此后为红色 Ⅰ级，无人再确认 nobody took it again at red, level I",
    "T 1号调压站 Regulator station 1 · 管线泄漏 Line leak · 红色 Ⅰ级 red, level I",
    "  确认 Acknowledged: ✗ 无人确认 nobody acknowledged",
    "交接班 Hand-overs of duty",
    "  安全员班 Officers on duty: T 值长岗 (值长 Shift lead) 向 操作岗 交班 hands over to 操作岗: 泄漏处置中",
    "  安全员班 Officers on duty: T 操作岗 (操作员 Operator) 接班，接下 1 条报警 takes over; alarms taken over: 1: 清楚",
];

/// A line without what differs from one run to the next.
fn still(line: &str) -> String {
    let is_time = |word: &str| {
        word.len() == 8 && word.bytes().enumerate().all(|(at, b)| if at % 3 == 2 { b == b':' } else { b.is_ascii_digit() })
    };
    let words: Vec<&str> = line.split(' ').collect();
    let word = |at: usize| match words[at] {
        word if is_time(word.trim_end_matches([';', ','])) => word.replace(word.trim_end_matches([';', ',']), "T"),
        word if word.parse::<f64>().is_ok()
            && words.get(at + 1).is_some_and(|next| next.trim_end_matches([',', ':', ')']) == "s") =>
        {
            "N".to_owned()
        }
        word => word.to_owned(),
    };
    (0..words.len()).map(word).collect::<Vec<_>>().join(" ")
}

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
    let lines: Vec<String> = text.lines().map(still).collect();
    let mut rest = lines.iter();
    for wanted in LINES {
        assert!(rest.any(|line| line == wanted), "no line, or not in this order: {wanted:?}\n{}", lines.join("\n"));
    }
    // The gateway failed for a while, and took what waited.
    assert!(
        lines
            .iter()
            .any(|line| line.starts_with("    T 安全员 Safety officer") && line.contains("失败") && line.contains("送达"))
    );
    if let Some(kept) = std::env::var_os("SAFETY_BRAIN_DRILL_REPORT") {
        std::fs::copy(at("report.html"), kept).unwrap();
    }
}
