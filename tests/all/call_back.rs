//! A gateway that calls back, at the running program: a named person takes an alarm by telephone; nobody, nobody's gateway, a second time and a late answer
//! take nothing, and what was refused is on record. Must not know: any type of the host.

use crate::process::{Process, eventually, free_port};
use crate::site::{Site, TOKEN, get, request, sha256};
use serde_json::{Value, json};
use std::time::Duration;

const GATEWAY: &str = "sb_gateway_token_of_the_tests";
const SCENARIO: &str = "id = \"call\"\ntitle = { zh = \"应答\", en = \"Call\" }\nduration = \"1h\"\naudiences = [\"crew\", \"officer\"]\n[normal]\npressure = 10\ncount = 0\n\
    [[step]]\nat = \"1s\"\ntag = \"PROBE\"\nvalue = 150\n[[expect]]\nhazard = \"test.high\"\nzone = \"hall\"\nraised_within = \"20s\"\n";

/// What a call-back of this gateway gets: status, and the code of a problem.
fn posted(console: u16, token: &str, body: &Value) -> (u16, String) {
    let (status, said) = request(console, "POST", "/api/v1/call-backs", token, "application/json", &body.to_string()).unwrap();
    let said: Value = serde_json::from_str(&said).unwrap_or_default();
    (status, said["code"].as_str().unwrap_or_default().to_owned())
}

#[test]
fn call_back_of_a_gateway_counts_for_the_person_who_answered_and_for_nobody_else() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    let console = free_port();
    let site = Site { mqtt: free_port(), modbus: None, bureau: free_port(), console }.toml();
    let (lead, known) =
        ("name = \"测试\"\nrole = \"lead\"\n", "name = \"测试\"\nrole = \"lead\"\nknown_as = [\"13800000001\"]\n");
    assert!(site.contains(lead));
    let gateway = format!(
        "[[person]]\nname = \"语音网关\"\nrole = \"gateway\"\naudiences = [\"officer\"]\nforms = [\"voice\"]\ntoken_sha256 = \"{}\"\n\
         [[person]]\nname = \"未通知\"\nrole = \"lead\"\nknown_as = [\"13800000002\"]\ntoken_sha256 = \"{}\"\n\
         [[audience]]\nname = \"officer\"\ntitle = {{ zh = \"安全员\", en = \"Officer\" }}\nchannel = \"voice\"\n\
         url = \"http://127.0.0.1:{}/call?to={{{{to}}}}\"\nto = [\"13800000001\"]\n\
         [[ladder.rung]]\nname = \"officer\"\naudience = \"officer\"\nkind = \"at_once\"\nafter = {{ red = \"0s\" }}\n",
        sha256(GATEWAY),
        sha256("sb_of_somebody_who_is_not_told"),
        crate::gateway::voice(crate::gateway::Time::Real, "k").port
    );
    std::fs::write(at("site.toml"), site.replacen(lead, known, 1) + &gateway).unwrap();
    std::fs::write(at("scenario.toml"), SCENARIO).unwrap();
    let port = console.to_string();
    let (config, scenario, data) = (at("site.toml"), at("scenario.toml"), at("drill"));
    let words = ["drill", "run", "--config", &config, "--scenario", &scenario, "--data", &data, "--port", &port];
    let _running = Process::safety_brain(&words);
    let told = |audience: &str| {
        eventually("somebody was told", Duration::from_secs(60), || {
            let notices = get(console, "/api/v1/notices")?;
            let told = |notice: &&Value| {
                notice["hazard"] == "test.high" && notice["audience"] == audience && notice["attempts"].as_u64() > Some(0)
            };
            let found = notices["items"].as_array().into_iter().flatten().find(told).cloned();
            found.ok_or_else(|| notices.to_string())
        })
    };
    let (notice, on_screen) = (told("officer"), told("crew"));
    let now = || jiff::Timestamp::now().to_string();
    let call =
        |number: &str, at: &str| json!({"form": "voice", "notice": notice["identifier"], "number": number, "key": "1", "at": at});
    let sms = json!({"form": "sms", "number": "13800000001", "text": format!("确认 {}", notice["alarm"].as_str().unwrap()), "at": now()});
    for (token, body, refused) in [
        ("sb_nobody_token_of_the_tests", call("13800000001", &now()), (401, "sign_in")),
        (TOKEN, call("13800000001", &now()), (403, "forbidden")),
        (GATEWAY, call("13900000000", &now()), (422, "call_back")),
        (GATEWAY, call("13800000001", "2026-01-02T03:04:05Z"), (422, "call_back")),
        (GATEWAY, sms, (422, "call_back")),
        (GATEWAY, call("13800000002", &now()), (422, "call_back")),
        (
            GATEWAY,
            json!({"form": "voice", "notice": on_screen["identifier"], "number": "13800000001", "key": "1", "at": now()}),
            (422, "call_back"),
        ),
        (GATEWAY, json!({"form": "voice"}), (422, "body")),
    ] {
        assert_eq!(posted(console, token, &body), (refused.0, refused.1.to_owned()), "{body}");
    }
    let alarm = || get(console, &format!("/api/v1/alarms/{}", notice["alarm"].as_str().unwrap())).unwrap();
    assert_eq!(alarm()["acknowledged"], false, "{}", alarm());
    let answer = call("13800000001", &now());
    assert_eq!(posted(console, GATEWAY, &answer), (200, String::new()));
    // Screens are a moment behind.
    let taken = eventually("it is taken", Duration::from_secs(20), || {
        let taken = alarm();
        if taken["acknowledged_by"] == "测试" { Ok(taken) } else { Err(taken.to_string()) }
    });
    assert!(taken["acknowledgement"]["station"].as_str().unwrap_or_default().contains("语音网关"), "{taken}");
    assert_eq!(posted(console, GATEWAY, &answer), (200, String::new()), "the same again is the same command");
    assert_eq!(posted(console, GATEWAY, &call("13800000001", &now())), (409, "already".to_owned()), "a second time");
    // Without end: ten of a minute go on record, and the rest are counted. What another gateway, or nobody, says is not counted with them.
    let again: Vec<u16> = (0..40).map(|_| posted(console, GATEWAY, &answer).0).collect();
    let (heard, counted) = again.split_at(again.iter().position(|status| *status == 429).unwrap_or(40));
    assert!(heard.len() <= 10 && heard.iter().all(|status| *status == 200), "{again:?}");
    assert!(counted.iter().all(|status| *status == 429), "{again:?}");
    let acts = || get(console, "/api/v1/events?kind=operator").map(|events| events["items"].as_array().map_or(0, Vec::len));
    eventually("the acts on record", Duration::from_secs(20), || match acts()? {
        recorded @ 10..=12 => Ok(recorded),
        other => Err(format!("{other} acts")),
    });
    // What was nobody's answer is on record, with the number and over whose line it came.
    let refused = eventually("the record", Duration::from_secs(20), || {
        let events = get(console, "/api/v1/events?kind=answer_refused")?;
        let rows = events["items"].as_array().cloned().unwrap_or_default();
        // Five, and that the repeated ones are counted.
        if rows.len() == 6 { Ok(events.to_string()) } else { Err(events.to_string()) }
    });
    assert!(
        refused.contains("13900000000") && refused.contains("语音网关") && refused.contains("no answers of form sms"),
        "{refused}"
    );
    let heard =
        |body: &Value| request(console, "POST", "/api/v1/call-backs", GATEWAY, "application/json", &body.to_string()).unwrap();
    let unknown = json!({"form": "voice", "notice": "test.9.9", "number": "13800000001", "key": "1", "at": now()});
    let nobody = call("13900000000", &now());
    assert_eq!(heard(&unknown), heard(&nobody), "what is known here is nobody's business");
    let answers: Vec<u16> = (0..8).map(|_| heard(&nobody).0).collect();
    assert!(answers.contains(&429), "more than ten in a minute: {answers:?}");
}
