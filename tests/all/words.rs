//! Words of the field: from a payload of text to the words beside an alarm's evidence, and what becomes of one that nobody knows.
//! Must not know: any type of a link.

use crate::hostile::{GUESTS, VERSION};
use crate::process::{Process, broker, eventually, free_port, mosquitto_or_skip, root};
use crate::site::{TOKEN, get, sha256};
use safety_brain::config::load;
use serde_json::Value;
use std::process::Command;
use std::time::Duration;

const SOON: Duration = Duration::from_secs(20);
/// What the guest `states` knows, as the field calls it.
const WORDS: &str = "{ RUNNING = 1, STOPPED = 0 }";

/// One pump in words, one in numbers, and a rule over both.
fn site(words: &str, mqtt: u16, console: u16) -> String {
    let title = "{ zh = \"t\", en = \"t\" }";
    let tag = |name: &str| {
        format!(
            "[[tag]]\nname = {name:?}\ntitle = {title}\nzone = \"room\"\nlink = \"field\"\nunit = \"1\"\nquantity = \"state\"\nrange = [0, 9]\n\
             period = \"1s\"\nsilent = \"10min\"\n"
        )
    };
    format!(
        "[site]\nid = \"t\"\ntitle = {title}\nsender = \"t@plant.example\"\n[plugins]\ndir = {:?}\nallow_unsigned = true\n[console]\nbind = \"127.0.0.1:{console}\"\n\
         [[zone]]\nname = \"room\"\ntitle = {title}\nladder = \"all\"\n[[link]]\nname = \"field\"\nkind = \"mqtt\"\nhost = \"127.0.0.1\"\nport = {mqtt}\n\
         [[link.topic]]\nfilter = \"words/P-1\"\npayload = \"scalar\"\ntag = \"P-1\"\nvalues = {words}\n\
         [[link.topic]]\nfilter = \"numbers/P-2\"\npayload = \"json\"\ntag = \"P-2\"\nvalue = \"/v\"\n\
         {}{}[[audience]]\nname = \"crew\"\ntitle = {title}\nchannel = \"console\"\n\
         [[ladder]]\nname = \"all\"\n[[ladder.rung]]\nname = \"crew\"\naudience = \"crew\"\nkind = \"at_once\"\nafter = {{ blue = \"0s\", yellow = \"0s\", orange = \"0s\", red = \"0s\" }}\n\
         [[rule]]\nname = \"pumps\"\nplugin = \"states@{VERSION}\"\nzone = \"room\"\ninputs = {{ pump = [\"P-1\", \"P-2\"] }}\n\
         [[person]]\nname = \"ann\"\nrole = \"lead\"\ntoken_sha256 = \"{}\"\n",
        GUESTS.to_str().unwrap(),
        tag("P-1"),
        tag("P-2"),
        sha256(TOKEN),
    )
}

/// The newest evidence of the rule's alarm, with its condition.
fn newest(console: u16) -> Result<(String, Value), String> {
    let alarms = get(console, "/api/v1/alarms?state=active")?;
    let alarm = alarms["items"].as_array().and_then(|all| all.iter().find(|alarm| alarm["hazard"] == "first"));
    let alarm = alarm.ok_or_else(|| alarms.to_string())?;
    let alarm = get(console, &format!("/api/v1/alarms/{}", alarm["id"].as_str().unwrap_or_default()))?;
    let evidence = alarm["evidence"].as_array().and_then(|all| all.last()).ok_or_else(|| alarm.to_string())?;
    Ok((alarm["condition"].as_str().unwrap_or_default().to_owned(), evidence.clone()))
}

#[test]
fn words_of_the_field_are_codes_with_a_meaning_and_unknown_ones_are_never_good() {
    let test = "words_of_the_field_are_codes_with_a_meaning_and_unknown_ones_are_never_good";
    let Some(program) = mosquitto_or_skip(test) else { return };
    let folder = tempfile::tempdir().unwrap();
    let (_broker, mqtt) = broker(program, folder.path());
    let console = free_port();
    let (file, data) = (folder.path().join("site.toml"), folder.path().join("data"));
    std::fs::write(&file, site(WORDS, mqtt, console)).unwrap();
    let process = Process::safety_brain(&["run", "--config", file.to_str().unwrap(), "--data", data.to_str().unwrap()]);
    let link = || get(console, "/api/v1/links").map(|links| links["items"][0].clone());
    eventually("the link is up", SOON, || {
        let link = link()?;
        if link["state"] == "up" { Ok(()) } else { Err(link.to_string()) }
    });
    let publish = |topic: &str, payload: &str| {
        let port = mqtt.to_string();
        let mut command = Command::new("mosquitto_pub");
        command.args(["-h", "127.0.0.1", "-p", &port, "-q", "1", "-t", topic, "-m", payload]);
        assert!(command.status().unwrap().success());
    };
    let stands = |what: &str, condition: &str, fits: &dyn Fn(&Value) -> bool| {
        eventually(what, SOON, || {
            let (now, evidence) = newest(console)?;
            if now == condition && fits(&evidence) { Ok(()) } else { Err(format!("{now}: {evidence}")) }
        });
    };

    publish("words/P-1", "RUNNING");
    stands("a word has a meaning", "active", &|of| {
        of["meaning"]["en"] == "running" && of["meaning"]["zh"] == "运行" && of["quality"] == "good" && of["tag"] == "P-1"
    });
    publish("words/P-1", "JAMMED");
    stands("an unknown word is bad", "active", &|of| of["tag"] == "P-1" && of["quality"] == "bad" && of["meaning"].is_null());
    eventually("the link says so", SOON, || {
        let link = link()?;
        let sample = link["malformed_sample"].as_str().unwrap_or_default();
        let told = sample.contains("topic words/P-1") && sample.contains("JAMMED") && sample.contains("RUNNING");
        if told && link["malformed"] == "1" { Ok(()) } else { Err(link.to_string()) }
    });
    publish("words/P-1", "STOPPED");
    stands("the next word counts again", "active", &|of| of["meaning"]["en"] == "stopped");

    // Numbers of a tag without words: one that the rule does not declare is inside the tag's range, and bad all the same.
    publish("numbers/P-2", "{\"v\":1}");
    stands("a declared number", "active", &|of| of["tag"] == "P-2" && of["meaning"]["en"] == "running");
    publish("numbers/P-2", "{\"v\":7}");
    stands("a number that is no code", "active", &|of| of["tag"] == "P-2" && of["quality"] == "impossible");
    assert!(process.terminate() < SOON);
}

#[test]
fn words_that_a_rule_does_not_know_are_refused_before_anything_runs() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("site.toml");
    let check = |words: &str| {
        std::fs::write(&file, site(words, 9, 0)).unwrap();
        let mut command = Command::new(env!("CARGO_BIN_EXE_safety-brain"));
        let output = command.args(["check", "--config", file.to_str().unwrap()]).output().unwrap();
        (output.status.code(), String::from_utf8_lossy(&output.stderr).into_owned() + &String::from_utf8_lossy(&output.stdout))
    };
    let (status, said) = check(WORDS);
    assert_eq!(status, Some(0), "{said}");
    let (status, said) = check("{ RUNNING = 1, STOPPED = 0, FAULT = 3 }");
    assert_eq!(status, Some(1), "{said}");
    for part in ["site.toml:", "rule.pumps.inputs.pump", "P-1", "\"FAULT\" is 3", "0 stopped, 1 running"] {
        assert!(said.contains(part), "{part:?} is not in: {said}");
    }
}

#[test]
fn words_of_a_site_file_are_judged() {
    let folder = tempfile::tempdir().unwrap();
    let faults = |text: String| {
        let file = folder.path().join("site.toml");
        std::fs::write(&file, text).unwrap();
        load(&file).err().unwrap_or_default().iter().map(ToString::to_string).collect::<Vec<_>>()
    };
    let of_topic = |words: &str| faults(site(words, 9, 8080));
    assert_eq!(of_topic(WORDS), Vec::<String>::new());
    let recording = std::fs::read_to_string(root().join("configs/recordings/occupancy.toml")).unwrap();
    assert!(recording.contains("\ncolumns = { S6_PIR = "));
    let of_column = |words: &str| faults(recording.replacen("\ncolumns", &format!("\nvalues = {{ {words} }}\ncolumns"), 1));
    assert_eq!(of_column("S6_PIR = { no = 0, yes = 1 }"), Vec::<String>::new());
    for (found, key, remedy) in [
        (of_topic("{}"), "topic.P-1.values:", "RUNNING = 1"),
        (of_topic("{ RUNNING = 1.5 }"), "topic.P-1.values.RUNNING", "a whole number"),
        (of_topic("{ RUNNING = -1 }"), "topic.P-1.values.RUNNING", "a whole number"),
        (of_topic("{ RUNNING = 10 }"), "topic.P-1.values.RUNNING", "inside the range of its tag, 0 to 9"),
        (of_topic("{ \" RUNNING\" = 1 }"), "topic.P-1.values. RUNNING", "without spaces around it"),
        (of_column("S7_PIRR = { no = 0 }"), "values.S7_PIRR", "a column of `columns`"),
        (of_column("S6_PIR = 1"), "values.S6_PIR", "a column of `columns` and its words"),
        (of_column("S6_PIR = { no = 7 }"), "values.no", "inside the range of its tag, 0 to 1"),
        (of_column("S6_PIR = {}"), "values.S6_PIR", "its words"),
    ] {
        assert!(found.len() == 1 && found[0].contains(key) && found[0].contains(remedy), "{key} {remedy}: {found:?}");
    }
}
