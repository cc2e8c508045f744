//! The tools of storage as an auditor and an engineer use them: the real program on the data of a real run, beside it and after it.
//! Must not know: any type of the host.

use crate::disk::Disk;
use crate::process::{Process, eventually, loud, root};
use serde_json::Value;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::Duration;

pub fn tool(words: &[&str], paths: &[(&str, &Path)]) -> Output {
    tool_in(words, paths, &[])
}

/// As [`tool`], with more in its environment. One that works for ever is ended.
pub fn tool_in(words: &[&str], paths: &[(&str, &Path)], environment: &[(&str, String)]) -> Output {
    let mut command = Command::new("timeout");
    command.arg("120").arg(env!("CARGO_BIN_EXE_safety-brain"));
    command.args(words).envs(environment.iter().map(|(name, value)| (name, value))).env("SAFETY_BRAIN_LOG", "error");
    for (flag, path) in paths {
        if !flag.is_empty() {
            command.arg(flag);
        }
        command.arg(path);
    }
    command.output().unwrap()
}

/// Standard output of a tool that must succeed.
pub fn good(words: &[&str], paths: &[(&str, &Path)]) -> String {
    let out = tool(words, paths);
    assert!(out.status.success(), "{words:?} {paths:?}: {}", String::from_utf8_lossy(&out.stderr));
    String::from_utf8(out.stdout).unwrap()
}

fn json(words: &[&str], paths: &[(&str, &Path)]) -> Value {
    serde_json::from_str(&good(&[words, &["--json"]].concat(), paths)).unwrap()
}

/// Standard error of a tool that must refuse with status 1.
pub fn refused(words: &[&str], paths: &[(&str, &Path)]) -> String {
    let out = tool(words, paths);
    assert_eq!(out.status.code(), Some(1), "{words:?} {paths:?}: {}", String::from_utf8_lossy(&out.stdout));
    String::from_utf8(out.stderr).unwrap()
}

/// Data of a replayed recording: one red alarm that rose and cleared, and 2000 s of readings.
pub fn recorded(folder: &Path) -> PathBuf {
    let title = r#"{ zh = "测", en = "t" }"#;
    let site = format!(
        "[site]\nid = \"test\"\ntitle = {title}\nsender = \"test@plant.example\"\n[storage]\nsegment_mib = 1\n[[zone]]\nname = \"hall\"\ntitle = {title}\nladder = \"all\"\n\
         [[link]]\nname = \"file\"\nkind = \"recording\"\ntime = {{ every = \"1s\", start = \"2026-01-01T23:50:00Z\" }}\ncolumns = {{ P = \"P\" }}\n\
         [[tag]]\nname = \"P\"\ntitle = {title}\nzone = \"hall\"\nlink = \"file\"\nunit = \"kPa\"\nquantity = \"pressure\"\nrange = [0, 1000]\nperiod = \"1s\"\n\
         [[tag.limit]]\nhazard = \"test.high\"\ntitle = {title}\nkind = \"high\"\nvalue = 100\nseverity = \"red\"\ndeadband = 5\n\
         citation = {{ confidence = \"own\" }}\ncause = {title}\nconsequence = {title}\naction = {title}\n\
         [[audience]]\nname = \"crew\"\ntitle = {title}\nchannel = \"console\"\n[[ladder]]\nname = \"all\"\n\
         [[ladder.rung]]\nname = \"crew\"\naudience = \"crew\"\nkind = \"at_once\"\nafter = {{ blue = \"0s\", yellow = \"0s\", orange = \"0s\", red = \"0s\" }}\n"
    );
    let row = |n: u32| format!("{}\n", if (700..720).contains(&n) { 150 } else { 20 + n % 7 });
    std::fs::write(folder.join("site.toml"), site).unwrap();
    std::fs::write(folder.join("day.csv"), format!("P\n{}", (0..2000).map(row).collect::<String>())).unwrap();
    let (config, csv, data) = (folder.join("site.toml"), folder.join("day.csv"), folder.join("data"));
    good(&["replay"], &[("--config", &config), ("--file", &csv), ("--data", &data)]);
    data.join("000-day")
}

/// Files and folders below this one that anybody but its user may read or write.
fn open_to_others(folder: &Path) -> Vec<PathBuf> {
    let mut found = vec![];
    for entry in std::fs::read_dir(folder).unwrap().flatten() {
        let about = entry.metadata().unwrap();
        if about.is_dir() {
            found.extend(open_to_others(&entry.path()));
        }
        if about.permissions().mode() & 0o077 != 0 {
            found.push(entry.path());
        }
    }
    found
}

fn flip(file: &Path, at: u64) {
    let mut bytes = std::fs::read(file).unwrap();
    bytes[at as usize] ^= 1;
    std::fs::write(file, bytes).unwrap();
}

#[test]
fn tools_backup_restores_to_the_same_record_and_refuses_what_was_changed() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    let data = recorded(folder.path());
    let (backup, restored) = (at("backup"), at("restored"));
    let (unsigned, anchor) = (at("unsigned.jsonl"), at("anchor.jsonl"));
    std::fs::write(data.join("rule-versions.json"), "{}").unwrap();
    std::fs::set_permissions(data.join("rule-versions.json"), std::fs::Permissions::from_mode(0o600)).unwrap();
    std::fs::write(&unsigned, good(&["journal", "anchor"], &[("--data", &data)])).unwrap();
    let key = good(&["evidence", "key"], &[("--data", &data)]).trim().to_owned();
    std::fs::write(&anchor, good(&["journal", "anchor"], &[("--data", &data)])).unwrap();
    let manifest = json(&["backup"], &[("--data", &data), ("--out", &backup)]);
    assert!(manifest["files"].as_array().unwrap().len() >= 4, "a segment, a snapshot, a site, the versions that ran: {manifest}");
    // Only anchors that the site's own key signed.
    for (anchor, key, why) in
        [(&unsigned, key.clone(), "asks for signed anchors"), (&anchor, format!("{key}0"), "not with the key given")]
    {
        let said = refused(&["restore", "--key", &key], &[("--from", &backup), ("--data", &restored), ("--anchor", anchor)]);
        assert!(said.contains(why), "{said}");
    }
    good(&["restore", "--key", &key], &[("--from", &backup), ("--data", &restored), ("--anchor", &anchor)]);

    let foreign: Vec<_> = [&data, &backup, &restored].iter().flat_map(|folder| open_to_others(folder)).collect();
    assert!(foreign.is_empty(), "others may look into {foreign:?}");

    let export = |data: &Path| good(&["journal", "export"], &[("--data", data)]);
    assert!(export(&data).lines().count() > 2000);
    assert_eq!(export(&data), export(&restored), "byte for byte");
    let versions = |data: &Path| std::fs::read_to_string(data.join("rule-versions.json")).unwrap();
    assert_eq!(versions(&data), versions(&restored), "which versions have run is known as before");
    let report = json(&["journal", "verify"], &[("--data", &restored), ("--anchor", &anchor)]);
    assert_eq!((&report["faults_total"], &report["anchors_found"]), (&0.into(), &1.into()), "{report}");

    // Nothing is overwritten.
    assert!(refused(&["backup"], &[("--data", &data), ("--out", &backup)]).contains("holds something already"));
    assert!(refused(&["restore"], &[("--from", &backup), ("--data", &restored)]).contains("holds something already"));
    // Each file that was copied, changed in one bit.
    for file in manifest["files"].as_array().unwrap() {
        let file = backup.join(file["path"].as_str().unwrap());
        let middle = std::fs::metadata(&file).unwrap().len() / 2;
        flip(&file, middle);
        let said = refused(&["restore"], &[("--from", &backup), ("--data", &at("never"))]);
        assert!(said.contains("is not the file that was backed up") && said.contains(file.to_str().unwrap()), "{said}");
        flip(&file, middle);
    }
    // A backup of another time, given out as the last: the anchor says no.
    let later = std::fs::read_to_string(&unsigned).unwrap().replace("\"seq\":", "\"seq\":9");
    std::fs::write(&unsigned, later).unwrap();
    let said = refused(&["restore"], &[("--from", &backup), ("--data", &at("never")), ("--anchor", &unsigned)]);
    assert!(said.contains("the tail is missing"), "{said}");
    std::fs::remove_file(backup.join("manifest.json")).unwrap();
    assert!(refused(&["restore"], &[("--from", &backup), ("--data", &at("never"))]).contains("was not finished"));
    assert!(!at("never").exists(), "a refused restore leaves nothing");
}

#[test]
fn tools_a_damaged_journal_is_backed_up_and_said_to_be_so() {
    let folder = tempfile::tempdir().unwrap();
    let data = recorded(folder.path());
    flip(&data.join("journal/0000000001.seg"), 4096 + 60);
    let (backup, restored) = (folder.path().join("backup"), folder.path().join("restored"));
    assert!(refused(&["backup"], &[("--data", &data), ("--out", &backup)]).contains("is damaged"));
    assert!(refused(&["restore"], &[("--from", &backup), ("--data", &restored)]).contains("--damaged"));
    good(&["restore", "--damaged"], &[("--from", &backup), ("--data", &restored)]);
    let print = |data: &Path| tool(&["journal", "export"], &[("--data", data)]).stdout;
    assert_eq!(print(&data), print(&restored), "all that could be read, and no more");
}

#[test]
fn tools_an_anchor_finds_a_journal_that_was_cut_or_belongs_elsewhere() {
    let folder = tempfile::tempdir().unwrap();
    let data = recorded(folder.path());
    let anchor: Value = serde_json::from_str(&good(&["journal", "anchor"], &[("--data", &data)])).unwrap();
    let file = folder.path().join("anchors");
    let with = |key: &str, value: Value| {
        let mut anchor = anchor.clone();
        anchor[key] = value;
        anchor
    };
    let last = anchor["seq"].as_u64().unwrap();
    for (what, line, complaint) in [
        ("cut", with("seq", (last + 1).into()), "the tail is missing"),
        ("rewritten", with("link", "0".repeat(64).into()), "was rewritten"),
        ("another time", with("at", 1.into()), "was rewritten"),
        ("another plant", with("site", "other".into()), "belongs to the site"),
        ("no anchor", serde_json::json!({"seq": 1}), "line 2: not a line of `journal anchor`"),
    ] {
        std::fs::write(&file, format!("{anchor}\n{line}\n")).unwrap();
        let said = refused(&["journal", "verify"], &[("--data", &data), ("--anchor", &file)]);
        assert!(said.contains(complaint), "{what}: {said}");
    }
    let stat = json(&["journal", "stat"], &[("--data", &data)]);
    assert_eq!((&stat["last_seq"], &stat["kinds"]["readings"]["records"]), (&last.into(), &2000.into()), "{stat}");
    let sum: u64 = stat["kinds"].as_object().unwrap().values().map(|kind| kind["bytes"].as_u64().unwrap()).sum();
    assert_eq!(stat["used_bytes"].as_u64().unwrap(), sum + 4096 * stat["segments"].as_u64().unwrap());
    assert!(good(&["journal", "stat", "--limit-gib", "1"], &[("--data", &data)]).contains("growth"));
}

#[test]
fn tools_a_store_is_made_again_and_the_one_before_is_kept() {
    let folder = tempfile::tempdir().unwrap();
    let data = recorded(folder.path());
    let stat = || json(&["store", "stat"], &[("--data", &data)]);
    let last = json(&["journal", "stat"], &[("--data", &data)])["last_seq"].clone();
    assert_eq!((&stat()["watermark"], &stat()["journal"]), (&Value::Null, &last), "a replay keeps no store");
    let rebuilt = json(&["store", "rebuild"], &[("--data", &data)]);
    assert_eq!((&rebuilt["watermark"], &rebuilt["records"], &rebuilt["aside"]), (&last, &last, &Value::Null), "{rebuilt}");
    let first = stat();
    let days: Vec<_> = first["days"].as_array().unwrap().iter().map(|day| day["day"].as_str().unwrap().to_owned()).collect();
    assert_eq!((days.as_slice(), &first["lag"]), (&["2026-01-01".to_owned(), "2026-01-02".to_owned()][..], &0.into()), "{first}");
    assert_eq!(
        first["days"][0]["rows"], 7,
        "a start, a link, 512 readings and 88 in blocks and what their slot holds, the names before and behind the start: {first}"
    );

    let again = json(&["store", "rebuild"], &[("--data", &data)]);
    assert!(Path::new(again["aside"].as_str().unwrap()).join("state").exists(), "{again}");
    let second = stat();
    let rows = |stat: &Value| stat["days"].as_array().unwrap().iter().map(|day| day["rows"].clone()).collect::<Vec<_>>();
    assert_eq!(rows(&first), rows(&second), "the same rows from the same journal");
    assert!(second["quarantine_bytes"].as_u64().unwrap() > 0);
}

/// The end of the journal is gone, and nothing in the journal says so: its snapshot and the store do.
#[test]
fn tools_a_journal_that_lost_its_end_is_not_called_whole() {
    let folder = tempfile::tempdir().unwrap();
    let data = recorded(folder.path());
    let (backup, restored) = (folder.path().join("backup"), folder.path().join("restored"));
    good(&["store", "rebuild"], &[("--data", &data)]);
    good(&["store", "stat"], &[("--data", &data)]);
    let segment = data.join("journal/0000000001.seg");
    let mut bytes = std::fs::read(&segment).unwrap();
    let end = bytes.iter().rposition(|byte| *byte != 0).unwrap();
    bytes[end - 4096..].fill(0);
    std::fs::write(&segment, bytes).unwrap();
    for words in [&["journal", "verify"][..], &["journal", "verify", "--json"]] {
        let said = refused(words, &[("--data", &data)]);
        assert!(said.contains("ends before what was on disk") && said.contains("lost"), "{said}");
    }
    let said = refused(&["store", "stat"], &[("--data", &data)]);
    assert!(said.contains("the journal has lost") && said.contains("journal verify"), "{said}");
    assert!(refused(&["backup"], &[("--data", &data), ("--out", &backup)]).contains("ends before what was on disk"));
    assert!(refused(&["restore"], &[("--from", &backup), ("--data", &restored)]).contains("--damaged"));
    // As version 0.1.0 made such a backup: it counted no fault.
    let manifest = std::fs::read_to_string(backup.join("manifest.json")).unwrap();
    let calm = manifest.replace("\"faults\": 1", "\"faults\": 0");
    assert_ne!(calm, manifest);
    std::fs::write(backup.join("manifest.json"), calm).unwrap();
    let said = refused(&["restore"], &[("--from", &backup), ("--data", &restored)]);
    assert!(said.contains("its snapshot was made behind record") && said.contains("--damaged"), "{said}");
    good(&["restore", "--damaged"], &[("--from", &backup), ("--data", &restored)]);
}

/// A full disk leaves nothing half made in the way of the next try, and what only reads works on a medium that cannot be written.
#[test]
fn tools_on_full_and_read_only_disks_leave_nothing_and_say_what_to_do() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    let data = recorded(folder.path());
    good(&["store", "rebuild"], &[("--data", &data)]);
    let backup = at("backup");
    good(&["backup"], &[("--data", &data), ("--out", &backup)]);
    good(&["evidence", "key"], &[("--data", &data)]);
    let Some(full) = Disk::memory(&at("full"), "1m") else {
        loud("tools_on_full_and_read_only_disks_leave_nothing_and_say_what_to_do: this user may not mount a file system");
        return;
    };
    let ballast = full.fill();
    let file = at("full/alarm.jsonl");
    let export = [("--data", data.as_path()), ("--out", file.as_path())];
    let said = refused(&["evidence", "export", "--alarm", "1"], &export);
    assert!(said.contains("os error 28") && !said.contains("exist"), "{said}");
    assert!(!file.exists(), "the name is free");
    std::fs::remove_file(ballast).unwrap();
    good(&["evidence", "export", "--alarm", "1"], &export);
    let said = refused(&["restore"], &[("--from", &backup), ("--data", &at("full/restored"))]);
    assert!(said.contains("os error 28"), "{said}");
    assert!(!at("full/restored").exists(), "nothing is left of it");

    let copy = Disk::memory(&at("copy"), "64m").unwrap();
    std::fs::rename(data.join("keys"), at("keys")).unwrap();
    let copied = Command::new("cp").arg("-r").arg(&data).arg(at("copy/data")).status().unwrap();
    assert!(copied.success());
    copy.writable(false);
    let data = at("copy/data");
    let stat = json(&["store", "stat"], &[("--data", &data)]);
    assert_eq!(
        (&stat["read_only"], &stat["watermark"], &stat["days"][0]["day"]),
        (&true.into(), &Value::Null, &"2026-01-01".into()),
        "{stat}"
    );
    assert!(good(&["store", "stat"], &[("--data", &data)]).contains("copy the data directory"));
    good(&["journal", "verify"], &[("--data", &data)]);
    let file = at("alarm.jsonl");
    let said = refused(&["evidence", "export", "--alarm", "1"], &[("--data", &data), ("--out", &file)]);
    assert!(said.contains("--key-file"), "{said}");
    let key = at("keys/evidence.key");
    good(&["evidence", "export", "--alarm", "1"], &[("--data", &data), ("--out", &file), ("--key-file", &key)]);
}

#[test]
fn tools_work_beside_a_running_demo_and_its_alarm_becomes_evidence() {
    let folder = tempfile::tempdir().unwrap();
    let (data, file) = (folder.path().join("demo"), folder.path().join("evidence.jsonl"));
    std::env::set_current_dir(root()).unwrap();
    let demo = Process::safety_brain(&["demo", "--port", "0", "--seed", "7", "--data", data.to_str().unwrap()]);
    demo.line_with("#token=", Duration::from_secs(600));
    // An alarm of a vendor's rule with a receipt: it has inputs, findings, a notice and an answer to it.
    let alarm = eventually("an alarm of a rule, and its receipt", Duration::from_secs(120), || {
        let text = String::from_utf8_lossy(&tool(&["journal", "export"], &[("--data", &data)]).stdout).into_owned();
        let records: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        let outcomes = records.iter().flat_map(|record| record["entry"]["outcome"]["outcome"].as_array().into_iter().flatten());
        let told: Vec<_> =
            outcomes.filter(|o| o["outcome"] == "told" && o["notice"]["alarm"]["key"]["source"]["rule"].is_string()).collect();
        let received = |o: &&&Value| {
            records
                .iter()
                .any(|r| r["entry"]["event"]["notice"] == o["notice"]["id"] && r["entry"]["event"]["event"] == "receipt")
        };
        told.iter().find(received).map(|o| o["notice"]["alarm"]["id"].to_string()).ok_or_else(|| format!("{} told", told.len()))
    });

    // All of them beside the daemon.
    let key = good(&["evidence", "key"], &[("--data", &data)]);
    let words = ["evidence", "export", "--alarm", alarm.as_str(), "--json"];
    let report: Value = serde_json::from_str(&good(&words, &[("--data", &data), ("--out", &file)])).unwrap();
    assert!(!report["tags"].as_array().unwrap().is_empty(), "the rule's inputs: {report}");
    let kinds: Vec<&str> = report["story"].as_array().unwrap().iter().map(|step| step["kind"].as_str().unwrap()).collect();
    for kind in ["assessed", "outcome", "receipt"] {
        assert!(kinds.contains(&kind), "{kind} is not in {kinds:?}");
    }
    let (backup, anchor) = (folder.path().join("backup"), folder.path().join("anchor"));
    good(&["backup"], &[("--data", &data), ("--out", &backup)]);
    std::fs::write(&anchor, good(&["journal", "anchor"], &[("--data", &data)])).unwrap();
    // Nothing marks a running plant's last readings yet: the anchor stands behind what the file carries of them.
    let running = folder.path().join("running.jsonl");
    let anchored = [("--data", data.as_path()), ("--out", running.as_path()), ("--anchor", anchor.as_path())];
    good(&["evidence", "export", "--alarm", &alarm, "--after", "1"], &anchored);
    good(&["evidence", "verify", "--key", key.trim()], &[("", &running), ("--anchor", &anchor)]);
    let stat = json(&["store", "stat"], &[("--data", &data)]);
    assert_eq!((&stat["daemon"], &stat["watermark"]), (&true.into(), &Value::Null), "{stat}");
    assert!(stat["bytes"].as_u64().unwrap() > 0, "{stat}");
    assert!(refused(&["store", "rebuild"], &[("--data", &data)]).contains("a daemon is using"));
    json(&["journal", "stat"], &[("--data", &data)]);
    demo.terminate();

    good(&["journal", "verify"], &[("--data", &data), ("--anchor", &anchor)]);
    let restored = folder.path().join("restored");
    good(&["restore"], &[("--from", &backup), ("--data", &restored)]);
    let export = |data: &Path| good(&["journal", "export"], &[("--data", data)]);
    let (whole, then) = (export(&data), export(&restored));
    assert!(then.lines().count() > 10 && whole.starts_with(&then), "what a running plant had when it was copied");

    // The file, taken elsewhere: with the key and an anchor behind the alarm.
    let with_anchor = folder.path().join("anchored.jsonl");
    good(&["evidence", "export", "--alarm", &alarm], &[("--data", &data), ("--out", &with_anchor), ("--anchor", &anchor)]);
    std::fs::rename(&data, folder.path().join("gone")).unwrap();
    let words = ["evidence", "verify", "--key", key.trim()];
    good(&words, &[("", &file)]);
    let report = good(&words, &[("", &with_anchor), ("--anchor", &anchor)]);
    assert!(report.contains("is what an anchor kept elsewhere was made over"), "{report}");
    let (bytes, changed) = (std::fs::read(&file).unwrap(), folder.path().join("changed"));
    for at in (0..16).map(|n| n * (bytes.len() - 1) / 15) {
        std::fs::write(&changed, &bytes).unwrap();
        flip(&changed, at as u64);
        assert!(refused(&["evidence", "verify"], &[("", &changed)]).contains("is not what was made"), "byte {at}");
    }
    assert!(
        refused(&["evidence", "export", "--alarm", &alarm], &[("--data", &folder.path().join("gone")), ("--out", &file)])
            .contains("exists already and is not written over")
    );
}
