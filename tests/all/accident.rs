//! An accident from outside: declared of an alarm, its clocks, what was told, the report to print, all of it again after a restart. Must not know: any type
//! of the host.

use crate::process::{Process, eventually, free_port};
use crate::receiver::Receiver;
use crate::site::{Site, get, post, text};
use serde_json::{Value, json};
use std::time::Duration;

const SOON: Duration = Duration::from_secs(30);

#[test]
fn a_declared_accident_has_its_clocks_and_its_report() {
    let folder = tempfile::tempdir().unwrap();
    let (file, data) = (folder.path().join("site.toml"), folder.path().join("data"));
    let console = free_port();
    // Nothing listens for the link: that is an alarm.
    let bureau = Receiver::start(0);
    let site = Site { mqtt: free_port(), modbus: None, bureau: bureau.port, console }.toml();
    let company = "[company]\ncode = \"91430181MA4L000000\"\nname = \"示例烟花厂\"\naddress = \"浏阳市 <A>\"\ncontact = \"0731-00000000\"\n";
    std::fs::write(&file, site + company).unwrap();
    let arguments = ["run", "--config", file.to_str().unwrap(), "--data", data.to_str().unwrap()];
    let plant = Process::safety_brain(&arguments);
    let number = eventually("an alarm", SOON, || {
        let found = get(console, "/api/v1/alarms?state=active")?["items"][0]["id"].as_str().map(str::to_owned);
        found.ok_or_else(|| "none yet".to_owned())
    });
    let path = |what: &str| format!("/api/v1/alarms/{number}/accident{what}");
    let send = |what: &str, body: Value| post(console, &path(what), "application/json", &body.to_string());
    let lines = |report: &Value| -> Vec<(String, bool, bool)> {
        let list = report["accident"]["checklist"].as_array().cloned().unwrap_or_default();
        list.iter()
            .map(|line| (line["what"].as_str().unwrap().to_owned(), !line["done_at"].is_null(), line["overdue"] == true))
            .collect()
    };
    assert!(text(console, &path("")).is_err_and(|error| error.contains("404") && error.contains("nobody declared")));
    assert_eq!(send("/told", json!({"what": "head", "to": "by telephone"})), 409, "nothing was declared");
    assert_eq!(send("", json!({"course": " "})), 409, "says nothing");
    assert_eq!(send("", json!({"course": "fire in the press room", "dead": 3, "kind": "fire"})), 200);
    assert_eq!(send("/told", json!({"what": "head", "to": "王厂长，电话"})), 200);
    let report = eventually("the report", SOON, || {
        let report = get(console, &path(""))?;
        lines(&report).first().is_some_and(|line| line.1).then_some(report).ok_or_else(|| "not yet".to_owned())
    });
    let expected = ["head", "county", "province", "upward", "follow_up", "casualties"];
    let found = lines(&report);
    assert_eq!(found.iter().map(|line| line.0.as_str()).collect::<Vec<_>>(), expected, "three dead: the province too");
    assert!(found[1..].iter().all(|line| !line.1 && !line.2), "{found:?}");
    assert_eq!((&report["accident"]["grade"], &report["company"]["name"]), (&json!("larger"), &json!("示例烟花厂")));
    assert!(report["course"].to_string().contains("王厂长"), "{report}");

    let page = text(console, &path(".html")).unwrap();
    for words in [
        "较大事故",
        "浏阳市 &lt;A&gt;",
        "91430181MA4L000000",
        "（待填写）",
        "王厂长，电话",
        "fire in the press room",
        "未报",
        "令第493号",
    ] {
        assert!(page.contains(words), "{words}: {page}");
    }
    assert!(!page.contains("<A>"));

    plant.terminate();
    let plant = Process::safety_brain(&arguments);
    let again = eventually("the report after a restart", SOON, || get(console, &path("")));
    assert_eq!((&again["accident"], lines(&again)), (&report["accident"], found));
    assert_eq!(send("/retract", json!({"note": "steam, no smoke"})), 200);
    eventually("taken back", SOON, || {
        let report = get(console, &path(""))?;
        lines(&report).is_empty().then_some(()).ok_or_else(|| "not yet".to_owned())
    });
    assert!(text(console, &path(".html")).unwrap().contains("已撤销"));
    plant.terminate();
}
