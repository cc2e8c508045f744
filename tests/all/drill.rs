//! A drill beside the real plant, both as processes: what leaves the drill is an Exercise, what leaves the plant stays real, nobody hears of a drill who
//! does not take part, and the report says who answered. Must not know: any type of the host but the reader of scenarios.

use crate::process::{Process, broker, eventually, free_port, mosquitto, peer_or_skip, root};
use crate::receiver::Receiver;
use crate::siren::{Relay, Siren};
use crate::site::{Site, get, post};
use serde_json::Value;
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{Command, Output};
use std::time::Duration;

const SCENARIO: &str = "id = \"leak\"\ntitle = { zh = \"泄漏\", en = \"Leak\" }\nduration = \"DURATION\"\naudiences = AUDIENCES\n\
    [normal]\npressure = 10\ncount = 0\n\
    [[step]]\nat = \"1s\"\ntag = \"PROBE\"\nvalue = 150\n\
    [[expect]]\nhazard = \"test.high\"\nzone = \"hall\"\nlevel = \"red\"\nraised_within = \"20s\"\nacknowledged_within = \"1min\"\ntold = AUDIENCES\n";

fn scenario(folder: &Path, name: &str, duration: &str, audiences: &str) -> String {
    let file = folder.join(name);
    std::fs::write(&file, SCENARIO.replace("DURATION", duration).replace("AUDIENCES", audiences)).unwrap();
    file.to_str().unwrap().to_owned()
}

fn drill(words: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_safety-brain")).arg("drill").args(words).env("SAFETY_BRAIN_LOG", "warn").output().unwrap()
}

/// The report, and how the command ended.
fn report(data: &str) -> (Value, Option<i32>) {
    let out = drill(&["report", "--data", data, "--json"]);
    let said = || String::from_utf8_lossy(&out.stderr).into_owned();
    (serde_json::from_slice(&out.stdout).unwrap_or_else(|error| panic!("{error}: {}", said())), out.status.code())
}

/// Names, lengths and times of all files below a folder.
fn files(folder: &Path) -> Vec<(std::path::PathBuf, u64)> {
    let mut all = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let entry = entry.unwrap();
        match entry.file_type().unwrap().is_dir() {
            true => all.extend(files(&entry.path())),
            false => all.push((entry.path(), entry.metadata().unwrap().len())),
        }
    }
    all.sort();
    all
}

/// Takes the first alarm that stands, as the lead.
fn acknowledge(console: u16) -> Value {
    let alarm = eventually("the alarm", Duration::from_secs(60), || {
        let alarms = get(console, "/api/v1/alarms?state=active")?;
        let items = alarms["items"].as_array().cloned().unwrap_or_default();
        items.into_iter().find(|alarm| alarm["hazard"] == "test.high").ok_or(alarms.to_string())
    });
    let path = format!("/api/v1/alarms/{}/acknowledge", alarm["id"].as_str().unwrap());
    assert_eq!(post(console, &path, "application/json", "{\"note\":\"已到现场\"}"), 200);
    alarm
}

#[test]
fn drill_beside_the_real_plant_is_an_exercise_and_its_report_says_who_answered() {
    let test = "drill_beside_the_real_plant_is_an_exercise_and_its_report_says_who_answered";
    let program = mosquitto();
    if !peer_or_skip(test, "mosquitto", program.is_some()) {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    let (_broker, mqtt) = broker(program.unwrap(), folder.path());
    let (receiver, real, console) = (Receiver::start(0), free_port(), free_port());
    let site = at("site.toml");
    std::fs::write(&site, Site { mqtt, modbus: None, bureau: receiver.port, console: real }.toml()).unwrap();
    let plant = Process::safety_brain(&["run", "--config", &site, "--data", &at("data")]);
    plant.line_with("console: http", Duration::from_secs(60));

    // Into the plant's own data goes no drill, whatever it is called.
    let file = scenario(folder.path(), "drill.toml", "25s", "[\"crew\", \"bureau\"]");
    let refused = drill(&["run", "--config", &site, "--scenario", &file, "--data", &at("data"), "--port", "0"]);
    assert_eq!(refused.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&refused.stderr).contains("a new folder of its own"));

    let port = console.to_string();
    let mut playing =
        Process::safety_brain(&["drill", "run", "--config", &site, "--scenario", &file, "--data", &at("drill"), "--port", &port]);
    let heading = playing.line_with("leak", Duration::from_secs(60));
    assert!(heading.contains("【演练】leak") && heading.contains("DRILL leak"), "{heading}");
    acknowledge(console);

    // Meanwhile the plant has a real alarm of its own, over its own broker.
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_micros();
    let (to, payload) = (mqtt.to_string(), format!("{{\"v\":150,\"t\":{now}}}"));
    let sent = Command::new("mosquitto_pub")
        .args(["-h", "127.0.0.1", "-p", &to, "-q", "1", "-t", "plant/PROBE", "-m", &payload])
        .status();
    assert!(sent.unwrap().success());
    eventually("the real message", Duration::from_secs(30), || {
        let heard = receiver.heard();
        heard.values().flatten().any(|body| body.contains("<status>Actual</status>")).then_some(()).ok_or(format!("{heard:?}"))
    });
    let ended =
        eventually("the end of the drill", Duration::from_secs(60), || playing.ended().ok_or_else(|| "still running".to_owned()));
    assert!(ended.success(), "{ended}: {:?}", playing.said());

    // What left the drill is an Exercise with its name in the note; what left the plant is real. No identifier is ever that of the other.
    let (mut exercises, mut actual) = (0, 0);
    for (identifier, bodies) in receiver.heard() {
        for body in bodies.iter().filter(|body| body.contains("<alert")) {
            let is_drill = identifier.starts_with("test-drill-leak-");
            assert_eq!(is_drill, body.contains("<status>Exercise</status>"), "{body}");
            assert_eq!(!is_drill, body.contains("<status>Actual</status>"), "{body}");
            let note = body.split("<note>").nth(1).and_then(|rest| rest.split("</note>").next()).unwrap_or_default();
            assert_eq!(is_drill, note.contains("-drill-leak-") && note.contains("演练"), "{body}");
            let texts = body.matches("<headline>").count();
            let marked = body.matches("<headline>【演练】").count() + body.matches("<headline>[EXERCISE] ").count();
            assert_eq!(if is_drill { texts } else { 0 }, marked, "{body}");
            assert!(texts == 2, "{body}");
            (exercises, actual) = (exercises + usize::from(is_drill), actual + usize::from(!is_drill));
        }
    }
    assert!(exercises >= 1 && actual >= 1, "{exercises} and {actual}");
    let alarms = get(real, "/api/v1/alarms?state=active").unwrap();
    let of: Vec<_> = alarms["items"].as_array().unwrap().iter().filter(|alarm| alarm["hazard"] == "test.high").collect();
    assert!(of.len() == 1 && of[0]["acknowledged"] == false, "the drill's answer is none for the plant: {alarms}");

    let (said, status) = report(&at("drill"));
    assert_eq!(status, Some(0), "{said}");
    let (row, verdict) = (&said["alarms"][0], &said["expected"][0]);
    assert_eq!((&said["drill"], &said["whole"], &verdict["met"]), (&"leak".into(), &true.into(), &true.into()), "{said}");
    assert_eq!(
        (&row["acknowledged"][0]["by"]["name"], &row["acknowledged"][0]["note"]),
        (&"测试".into(), &"已到现场".into()),
        "{row}"
    );
    assert!(
        verdict["acknowledged"]["took_s"].as_f64().unwrap() < 60.0 && verdict["acknowledged"]["by"]["name"] == "测试",
        "{verdict}"
    );
    assert!(
        row["told"].as_array().unwrap().iter().any(|told| told["audience"]["zh"] == "test" && !told["received"].is_null()),
        "{row}"
    );
    let page = at("report.html");
    let text = drill(&["report", "--data", &at("drill"), "--html", &page]).stdout;
    for said in [String::from_utf8(text).unwrap(), std::fs::read_to_string(&page).unwrap()] {
        assert!(said.contains("【演练】leak") && said.contains("DRILL leak") && said.contains("测试"), "{said}");
    }
    let mut unread = Command::new(env!("CARGO_BIN_EXE_safety-brain"));
    unread.args(["drill", "report", "--data", &at("drill")]);
    assert_eq!(unread.stdout(crate::commands::closed()).status().unwrap().signal(), Some(13), "nobody reads on");
    // The yardstick is on record too: one that was moved afterwards is refused.
    let plan = folder.path().join("drill/drill.json");
    std::fs::write(&plan, std::fs::read_to_string(&plan).unwrap().replace("20000", "99000")).unwrap();
    let moved = drill(&["report", "--data", &at("drill")]);
    assert!(!moved.status.success() && String::from_utf8_lossy(&moved.stderr).contains("is not what this drill was run with"));
    plant.terminate();
}

/// The bureau does not take part and hears nothing; nobody answers, and the report says that too. What lies beside stays as it is.
#[test]
fn drill_tells_nobody_who_does_not_take_part_and_says_that_nobody_answered() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    let receiver = Receiver::start(0);
    let site = at("site.toml");
    std::fs::write(&site, Site { mqtt: free_port(), modbus: None, bureau: receiver.port, console: free_port() }.toml()).unwrap();
    std::fs::create_dir_all(folder.path().join("data/journal")).unwrap();
    std::fs::write(folder.path().join("data/journal/0000000001.seg"), "the plant's own").unwrap();
    let before = files(&folder.path().join("data"));
    let file = scenario(folder.path(), "drill.toml", "8s", "[\"crew\"]");
    let out = drill(&["run", "--config", &site, "--scenario", &file, "--data", &at("drill"), "--port", "0"]);
    let text = String::from_utf8_lossy(&out.stdout).into_owned();
    assert_eq!(out.status.code(), Some(1), "something was expected of people: {text}{}", String::from_utf8_lossy(&out.stderr));
    assert!(text.contains("无人确认"), "{text}");
    assert_eq!(receiver.offered().len(), 0, "the bureau does not take part");
    assert_eq!(files(&folder.path().join("data")), before);
    let (said, status) = report(&at("drill"));
    assert_eq!((status, said["expected"][0]["raised"]["met"].as_bool()), (Some(1), Some(true)), "{said}");
    assert_eq!(said["expected"][0]["acknowledged"]["met"], false);
    assert_eq!(
        (&said["nobody_answered"], &said["told_nothing"][0]["name"]),
        (&serde_json::json!([1]), &"bureau".into()),
        "{said}"
    );
}

/// The site with a siren that sounds in drills too, and is told of red alarms at once.
fn with_siren(site: &Site, siren: u16) -> String {
    let title = "{ zh = \"声光\", en = \"Siren\" }";
    site.toml()
        + &format!(
            "[outputs]\nallow = [\"127.0.0.1:{siren}/1/7\"]\n\
             [[audience]]\nname = \"siren\"\ntitle = {title}\nchannel = \"annunciator\"\nsound = \"10min\"\ndrills = true\n\
             modbus = {{ host = \"127.0.0.1\", port = {siren}, unit = 1, coil = 7 }}\n\
             [[ladder.rung]]\nname = \"siren\"\naudience = \"siren\"\nkind = \"at_once\"\nafter = {{ red = \"0s\" }}\n"
        )
}

/// At its end, when it is stopped and after it was killed: whoever holds a message of the drill hears that it is over, of an alarm and of an accident
/// that somebody declared of it, and what sounds is put off.
#[test]
fn drill_end_is_told_to_whoever_holds_a_message_of_it() {
    for how in ["its end", "INT", "kill"] {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
        let (bureau, siren) = (Receiver::start(0), Siren::start(Relay::Works, 1, 7));
        let site = Site { mqtt: free_port(), modbus: None, bureau: bureau.port, console: free_port() };
        std::fs::write(folder.path().join("site.toml"), with_siren(&site, siren.port)).unwrap();
        let lasts = if how == "its end" { "15s" } else { "1h" };
        let file = scenario(folder.path(), "drill.toml", lasts, "[\"crew\", \"bureau\", \"siren\"]");
        let (config, data) = (at("site.toml"), at("drill"));
        let console = free_port();
        let port = console.to_string();
        let words = ["drill", "run", "--config", &config, "--scenario", &file, "--data", &data, "--port", &port];
        let heard = |kind: &str| {
            // Each once: one whose receipt the kill took away comes again.
            let first = bureau.heard().into_values().filter_map(|bodies| bodies.into_iter().next());
            let of = first.filter(|body| body.contains(&format!("<msgType>{kind}</msgType>")));
            of.collect::<Vec<_>>()
        };
        let mut playing = Process::safety_brain(&words);
        eventually("the alarm, and the siren", Duration::from_secs(60), || match (heard("Alert").len(), siren.is_on()) {
            (1.., true) => Ok(()),
            other => Err(format!("{how}: {other:?}")),
        });
        // The list is a moment behind what left.
        let alarm = eventually("the alarm in the list", Duration::from_secs(20), || {
            let open = get(console, "/api/v1/alarms?state=active")?;
            let found = open["items"].as_array().into_iter().flatten().find(|alarm| alarm["hazard"] == "test.high");
            found.map(|alarm| alarm["id"].clone()).ok_or_else(|| format!("{how}: {open}"))
        });
        let path = format!("/api/v1/alarms/{}/accident", alarm.as_str().unwrap());
        assert_eq!(post(console, &path, "application/json", "{\"course\":\"演练：起火\",\"dead\":1,\"kind\":\"fire\"}"), 200);
        eventually("the accident", Duration::from_secs(20), || match heard("Alert").len() {
            2 => Ok(()),
            other => Err(format!("{how}: {other} alerts")),
        });
        assert!(heard("Cancel").is_empty(), "{how}: it is not over");
        match how {
            "its end" => {}
            "kill" => {
                assert!(playing.kill());
                let (said, status) = report(&data);
                assert_eq!((&said["over"], status), (&false.into(), Some(1)), "{said}");
                assert!(siren.is_on() && heard("Cancel").is_empty());
                playing = Process::safety_brain(&words);
            }
            signal => playing.signal(signal),
        }
        let ended = eventually("its end", Duration::from_secs(60), || playing.ended().ok_or_else(|| "still running".to_owned()));
        assert_eq!(ended.code(), Some(1), "{how}: nobody answered; {:?}", playing.said());
        let (alerts, cancels) = (heard("Alert"), heard("Cancel"));
        assert_eq!((alerts.len(), cancels.len()), (2, 2), "{how}: {alerts:?}\n{cancels:?}");
        for alert in &alerts {
            let named = alert.split("<identifier>").nth(1).and_then(|rest| rest.split('<').next()).unwrap();
            let is_accident = |body: &str| body.contains("<valueName>accident</valueName>");
            let of_it = cancels.iter().filter(|cancel| cancel.contains(&format!(",{named},")));
            let [cancel] = of_it.collect::<Vec<_>>()[..] else { panic!("{how}: {named} is ended once: {cancels:?}") };
            assert!(cancel.contains("<status>Exercise</status>") && is_accident(cancel) == is_accident(alert), "{how}: {cancel}");
            assert!(cancel.contains("<headline>【演练】【演练结束】") && cancel.contains("END OF EXERCISE"), "{how}: {cancel}");
            assert!(cancel.contains("<responseType>AllClear</responseType>"), "{how}: {cancel}");
        }
        assert!(cancels.iter().any(|body| body.contains("<value>retracted</value>")), "{how}: {cancels:?}");
        assert!(!siren.is_on() && siren.strayed() == 0, "{how}: {:?}", siren.switched());
        let (said, _) = report(&data);
        assert_eq!((&said["over"], &said["whole"]), (&true.into(), &(how == "its end").into()), "{how}: {said}");
        let told: Vec<_> = said["end"].as_array().unwrap().iter().map(|of| (of["told"].as_u64(), of["owed"].as_u64())).collect();
        assert_eq!(told, [(Some(1), Some(0)); 3], "{how}: {said}");
        let again = drill(&words[1..]);
        assert!(String::from_utf8_lossy(&again.stderr).contains("a new folder of its own"), "{how}: it is over");
    }
}

/// Who cannot be reached at the end is named: somebody must telephone.
#[test]
fn drill_report_names_whom_its_end_has_not_reached() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    let site = Site { mqtt: free_port(), modbus: None, bureau: free_port(), console: free_port() };
    std::fs::write(folder.path().join("site.toml"), site.toml()).unwrap();
    let file = scenario(folder.path(), "drill.toml", "1h", "[\"bureau\"]");
    let (config, data) = (at("site.toml"), at("drill"));
    let words = ["drill", "run", "--config", &config, "--scenario", &file, "--data", &data, "--port", "0"];
    let mut playing = Process::safety_brain(&words);
    eventually("a try", Duration::from_secs(60), || {
        let text = String::from_utf8_lossy(&drill(&["report", "--data", &data, "--json"]).stdout).into_owned();
        if text.contains("refused") { Ok(()) } else { Err(text) }
    });
    playing.signal("INT");
    playing.line_with("the drill is over", Duration::from_secs(20));
    eventually("the end is on record", Duration::from_secs(20), || {
        let said = report(&data).0;
        if said["over"] == true { Ok(()) } else { Err(said.to_string()) }
    });
    playing.signal("INT");
    let ended = eventually("its end", Duration::from_secs(20), || playing.ended().ok_or_else(|| "still running".to_owned()));
    assert_eq!(ended.code(), Some(130));
    let out = drill(&["report", "--data", &data]);
    let (text, errors) = (String::from_utf8_lossy(&out.stdout), String::from_utf8_lossy(&out.stderr));
    assert!(text.contains("请电话告知演练已结束"), "{text}");
    assert!(errors.contains("expected things did not happen"), "{errors}");
    let end = report(&data).0["end"][0].clone();
    assert_eq!((&end["told"], &end["owed"]), (&0.into(), &1.into()), "{end}");
}

/// Every scenario beside a site file fits it.
#[test]
fn drill_examples_fit_their_sites() {
    use safety_brain::config;
    let at = |name: &str| root().join("configs").join(name);
    let (gas, demo) = (config::load(&at("gas-district.toml")).unwrap(), config::load(&at("demo.toml")).unwrap());
    if let Err(faults) = config::drill::load(&at("drill-gas-leak.toml"), &gas) {
        panic!("{}", faults.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"));
    }
    assert!(config::drill::load(&at("drill-station-gas.toml"), &gas).is_ok());
    assert!(config::drill::load(&at("drill-gas-leak.toml"), &demo).is_err(), "the control: it is for one site");
}
