//! What leaves the machine, seen by strangers: a message has the same bytes on every try, also after a restart under a changed site file; heads of the
//! journal that were kept elsewhere find a cut tail. Must not know: any type of the host.

use crate::process::{Process, eventually, free_port};
use crate::receiver::Receiver;
use crate::site::{Site, get, text};
use std::path::Path;
use std::process::{Command, Output};
use std::time::Duration;

fn safety_brain(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_safety-brain")).args(arguments).output().unwrap()
}

fn said(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap().map(Result::unwrap) {
        if entry.path().is_file() {
            std::fs::copy(entry.path(), to.join(entry.file_name())).unwrap();
        }
    }
}

#[test]
fn outbound_messages_keep_their_bytes_and_heads_kept_elsewhere_find_a_cut_tail() {
    let folder = tempfile::tempdir().unwrap();
    let (file, data) = (folder.path().join("site.toml"), folder.path().join("data"));
    let (deaf, keeper) = (Receiver::start(1), Receiver::start(0));
    let console = free_port();
    // Nothing listens for the link: that is an alarm, and here the bureau hears of all alarms.
    let site = Site { mqtt: free_port(), modbus: None, bureau: deaf.port, console }.toml();
    let all = "after = { blue = \"0s\", yellow = \"0s\", orange = \"0s\", red = \"0s\" }";
    let anchors = format!("timeout = \"2s\"\nanchor_url = \"http://127.0.0.1:{}/anchor\"\n", keeper.port);
    let site = site.replace("after = { red = \"0s\" }", all).replace("timeout = \"2s\"\n", &anchors);
    std::fs::write(&file, &site).unwrap();
    std::fs::create_dir(&data).unwrap();
    let data_text = data.to_str().unwrap();
    let key = said(&safety_brain(&["evidence", "key", "--data", data_text])).trim().to_owned();
    assert!(key.starts_with("ed25519:"), "{key}");
    let arguments = ["run", "--config", file.to_str().unwrap(), "--data", data_text];

    let first = Process::safety_brain(&arguments);
    let (identifier, bytes) = eventually("a message to the bureau", Duration::from_secs(30), || {
        let offered = deaf.offered();
        let of = offered.iter().find(|(id, _)| *id != "none").ok_or("nothing yet")?;
        Ok((of.0.clone(), of.1.first().cloned().unwrap()))
    });
    eventually("a head of the record", Duration::from_secs(30), || keeper.heard().get("none").cloned().ok_or("none yet".into()));
    first.terminate();
    copy(&data.join("journal"), &folder.path().join("cut/journal"));

    // Another division, another lifetime, another name of the plant: a message made now would be another one.
    let changed = site.replace("timeout = \"2s\"", "timeout = \"2s\"\ndivision = \"430181\"\nexpires = \"10min\"").replace(
        "id = \"test\"\ntitle = { zh = \"test\", en = \"test\" }",
        "id = \"test\"\ntitle = { zh = \"changed\", en = \"changed\" }",
    );
    assert_ne!(changed, site);
    std::fs::write(&file, &changed).unwrap();
    let before = keeper.heard()["none"].len();
    let second = Process::safety_brain(&arguments);
    let number = identifier.rsplit('.').next().unwrap();
    let shown = eventually("the message as sent", Duration::from_secs(30), || {
        text(console, &format!("/api/v1/notices/{number}/cap")).map_err(|error| format!("{identifier}: {error}"))
    });
    assert_eq!(shown, bytes, "the very bytes that were sent");
    eventually("a head of the second run", Duration::from_secs(30), || {
        let now = keeper.heard()["none"].len();
        if now > before { Ok(()) } else { Err(format!("{now}")) }
    });
    // The start tells it again at once; that it is offered again cannot be seen from outside, that it is no other message can.
    std::thread::sleep(Duration::from_secs(3));
    assert_eq!(deaf.offered()[&identifier].len(), 1, "{identifier} was sent with different bytes on different tries");
    second.terminate();
    assert!(bytes.contains("<valueName>safety-brain:anchor</valueName>"), "{bytes}");

    let lines: Vec<String> = keeper.heard()["none"].iter().cloned().collect();
    let kept = folder.path().join("anchors.jsonl");
    std::fs::write(&kept, lines.join("\n")).unwrap();
    let verify = |data: &Path, anchors: &Path, key: &str| {
        let arguments = ["journal", "verify", "--data", data.to_str().unwrap(), "--anchor", anchors.to_str().unwrap()];
        safety_brain(&[&arguments[..], &["--key", key]].concat())
    };
    let sound = verify(&data, &kept, &key);
    assert!(sound.status.success(), "{}", said(&sound));
    assert!(said(&sound).contains(&format!("{} found", lines.len())), "{}", said(&sound));
    let cut = verify(&folder.path().join("cut"), &kept, &key);
    assert!(!cut.status.success() && said(&cut).contains("the tail is missing"), "{}", said(&cut));
    // Who changes a line, or signs with another key, is found too.
    let bent = folder.path().join("bent.jsonl");
    std::fs::write(&bent, lines[0].replace("\"segment\":1", "\"segment\":2")).unwrap();
    let bent = verify(&data, &bent, &key);
    assert!(!bent.status.success() && said(&bent).contains("line 1"), "{}", said(&bent));
    let stranger = verify(&data, &kept, &key.replace("ed25519:", "ed25519:0"));
    assert!(!stranger.status.success() && said(&stranger).contains("not with the key given"), "{}", said(&stranger));
    // The head that rode in the message is one of the same form.
    let rode = bytes.split("safety-brain:anchor</valueName>").nth(1).and_then(|rest| rest.split("<value>").nth(1)).unwrap();
    let rode = rode.split("</value>").next().unwrap().replace("&quot;", "\"");
    let alone = folder.path().join("rode.jsonl");
    std::fs::write(&alone, rode).unwrap();
    let alone = verify(&data, &alone, &key);
    assert!(alone.status.success(), "{}", said(&alone));
}

/// Whether an alarm stands that an audience keeps no heads of the record.
fn is_unanchored(console: u16) -> Result<bool, String> {
    let health = get(console, "/api/v1/health")?;
    let parts = health["parts"].as_array().ok_or(format!("{health}"))?;
    let part = parts.iter().find(|part| part["name"] == "anchors").ok_or(format!("{health}"))?;
    part["ok"].as_bool().map(|ok| !ok).ok_or(format!("{health}"))
}

/// An audience that took no heads, and is not to keep any from now on: nobody waits for it any more.
#[test]
fn outbound_heads_that_nobody_is_to_keep_any_more_are_not_missed() {
    let folder = tempfile::tempdir().unwrap();
    let (file, data) = (folder.path().join("site.toml"), folder.path().join("data"));
    let (bureau, console) = (Receiver::start(0), free_port());
    let site = Site { mqtt: free_port(), modbus: None, bureau: bureau.port, console }.toml();
    let nobody = format!("timeout = \"2s\"\nanchor_url = \"http://127.0.0.1:{}/anchor\"\nanchor_every = \"10s\"\n", free_port());
    std::fs::write(&file, site.replace("timeout = \"2s\"\n", &nobody)).unwrap();
    let arguments = ["run", "--config", file.to_str().unwrap(), "--data", data.to_str().unwrap()];
    let first = Process::safety_brain(&arguments);
    let until = |what: &str, stands: bool| {
        eventually(what, Duration::from_secs(60), || match is_unanchored(console)? {
            now if now == stands => Ok(()),
            now => Err(format!("missed: {now}")),
        });
    };
    until("heads are missed", true);
    first.terminate();
    // The control: the same site file still waits for them.
    let second = Process::safety_brain(&arguments);
    until("they are missed still", true);
    second.terminate();
    std::fs::write(&file, &site).unwrap();
    let third = Process::safety_brain(&arguments);
    until("nobody waits for them", false);
    third.terminate();
}
