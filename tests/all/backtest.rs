//! `safety-brain backtest` as an engineer uses it: the real program over recorded files, over a packed store, and beside a daemon; its findings are those
//! that `replay` put on record with the same rule. Must not know: any type of the host.

use crate::hostile::{GUESTS, VERSION};
use crate::process::{Process, eventually, free_port};
use crate::site::get;
use crate::tools::tool;
use serde_json::Value;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::OnceLock;
use std::time::Duration;

const TITLE: &str = "{ zh = \"t\", en = \"t\" }";

/// Both versions of the rule in `rules`, made once for all tests.
fn two_versions(folder: &Path) {
    static MADE: OnceLock<tempfile::TempDir> = OnceLock::new();
    let made = MADE.get_or_init(|| {
        let made = tempfile::tempdir().unwrap();
        make_two_versions(made.path());
        made
    });
    std::fs::create_dir(folder.join("rules")).unwrap();
    for name in ["hot-hall-0.1.0.wasm", "hot-hall-0.2.0.wasm"] {
        std::fs::copy(made.path().join("rules").join(name), folder.join("rules").join(name)).unwrap();
    }
}

/// A rule as `plugin new` makes it: two of the thermometers past the limit for five seconds. Version 0.2.0 waits two.
fn make_two_versions(folder: &Path) {
    let run = |words: &[&str]| {
        let target = Path::new(env!("CARGO_TARGET_TMPDIR")).join("vendor");
        let mut command = Command::new(env!("CARGO_BIN_EXE_safety-brain"));
        let out = command.arg("plugin").args(words).current_dir(folder).env("CARGO_TARGET_DIR", target).output().unwrap();
        assert!(out.status.success(), "{words:?}: {}", String::from_utf8_lossy(&out.stderr));
    };
    let change = |file: &str, from: &str, to: &str| {
        let text = std::fs::read_to_string(folder.join(file)).unwrap();
        assert!(text.contains(from), "{file} has no {from}");
        std::fs::write(folder.join(file), text.replacen(from, to, 1)).unwrap();
    };
    run(&["new", "hot-hall"]);
    run(&["build", "hot-hall", "--out", "rules"]);
    change("hot-hall/src/lib.rs", ".on_s(5)", ".on_s(2)");
    change("hot-hall/Cargo.toml", "version = \"0.1.0\"", "version = \"0.2.0\"");
    change("hot-hall/Cargo.lock", "name = \"hot-hall\"\nversion = \"0.1.0\"", "name = \"hot-hall\"\nversion = \"0.2.0\"");
    run(&["build", "hot-hall", "--out", "rules"]);
}

/// The same hall with another link: `limit` of its rule.
fn site(link: &str, limit: u32, console: u16) -> String {
    let tag = |name: &str| {
        format!(
            "[[tag]]\nname = \"{name}\"\ntitle = {TITLE}\nzone = \"hall\"\nlink = \"field\"\nunit = \"Cel\"\nquantity = \"temperature\"\nrange = [-20, 80]\nperiod = \"1s\"\nsilent = \"20s\"\n"
        )
    };
    format!(
        "[site]\nid = \"t\"\ntitle = {TITLE}\nsender = \"t@plant.example\"\nmode = \"test\"\n[plugins]\ndir = \"rules\"\nallow_unsigned = true\n[storage]\nsegment_mib = 1\n\
         [console]\nbind = \"127.0.0.1:{console}\"\n[[zone]]\nname = \"hall\"\ntitle = {TITLE}\nladder = \"all\"\n{link}{}{}\
         [[audience]]\nname = \"crew\"\ntitle = {TITLE}\nchannel = \"console\"\n[[ladder]]\nname = \"all\"\n\
         [[ladder.rung]]\nname = \"crew\"\naudience = \"crew\"\nkind = \"at_once\"\nafter = {{ blue = \"0s\", yellow = \"0s\", orange = \"0s\", red = \"0s\" }}\n\
         [[rule]]\nname = \"heat\"\nplugin = \"hot-hall@0.1.0\"\nzone = \"hall\"\ninputs = {{ air = [\"A\", \"B\"] }}\nparams = {{ limit = {limit} }}\n",
        tag("A"),
        tag("B")
    )
}

fn recording() -> String {
    "[[link]]\nname = \"field\"\nkind = \"recording\"\ntime = { columns = [\"time\"], pattern = \"%+\" }\ncolumns = { A = \"A\", B = \"B\" }\n".into()
}

/// Over the limit again and again, for longer and longer; cells without a number, values that cannot be, a stop of the recorder; over midnight.
fn day() -> String {
    let mut text = String::from("time,A,B\n");
    let start: jiff::Timestamp = "2026-01-01T23:30:00Z".parse().unwrap();
    for second in (0..4_000i64).filter(|second| !(2_500..2_600).contains(second)) {
        let hot = second % 200 < second / 200 * 2;
        let value = |other: i64| if hot { 35 + other } else { 20 + (second + other) % 7 };
        let cell = |n: i64| match second {
            1_000..1_030 if n == 0 => String::new(),
            1_500..1_510 => "150".to_owned(),
            _ => value(n).to_string(),
        };
        text += &format!("{},{},{}\n", start + Duration::from_secs(second as u64), cell(0), cell(1));
    }
    text
}

fn backtest(folder: &Path, words: &[&str], paths: &[(&str, &Path)]) -> Output {
    let (config, bundle) = (folder.join("site.toml"), folder.join("rules/hot-hall-0.1.0.wasm"));
    let usual: [(&str, &Path); 2] = [("--config", &config), ("--bundle", &bundle)];
    let mut all: Vec<(&str, &Path)> =
        usual.into_iter().filter(|(flag, _)| !paths.iter().any(|(given, _)| given == flag)).collect();
    all.extend(paths);
    tool(&[&["backtest"], words].concat(), &all)
}

fn good(output: Output) -> String {
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

fn json(output: Output) -> Value {
    serde_json::from_str(&good(output)).unwrap()
}

/// Lines of `replay` or of a back-test about the hazard: start, end, level.
fn lines(csv: &str) -> Vec<[String; 3]> {
    let mut reader = csv::ReaderBuilder::new().flexible(true).from_reader(csv.as_bytes());
    let rows = reader.records().map_while(Result::ok).filter(|row| row.len() >= 5 && &row[4] == "hot" && &row[3] != "blind");
    rows.map(|row| [1, 2, 3].map(|cell| row[cell].to_owned())).collect()
}

/// A folder with both versions, a recorded day, and what `replay` makes of it: its data directory and its findings.
fn recorded() -> (tempfile::TempDir, PathBuf, Vec<[String; 3]>) {
    let folder = tempfile::tempdir().unwrap();
    let here = folder.path();
    two_versions(here);
    std::fs::write(here.join("site.toml"), site(&recording(), 34, 9)).unwrap();
    std::fs::write(here.join("day.csv"), day()).unwrap();
    let (config, csv, data) = (here.join("site.toml"), here.join("day.csv"), here.join("data"));
    let replayed = good(tool(&["replay"], &[("--config", &config), ("--file", &csv), ("--data", &data)]));
    let found = lines(&replayed);
    assert!(found.len() > 10, "a day without findings compares nothing: {replayed}");
    (folder, data.join("000-day"), found)
}

#[test]
fn backtest_finds_what_replay_finds_in_files_in_the_store_and_beside_a_daemon() {
    let (folder, data, replayed) = recorded();
    let (here, csv) = (folder.path(), folder.path().join("day.csv"));

    // Recorded files.
    let files = good(backtest(here, &[], &[("--file", &csv)]));
    assert_eq!(lines(&files), replayed);
    assert!(files.starts_with("file,start,end,level,hazard,rule,by\nday,") && files.contains(",orange,hot,heat,A\n"), "{files}");
    assert!(files.contains("million readings/s per core") && files.contains("fuel at most"), "{files}");
    // What is not as a person may think is said beside it: cells without a number. The times name their zone.
    let quiet = backtest(here, &["--json"], &[("--file", &csv)]);
    let said = String::from_utf8_lossy(&quiet.stderr).into_owned();
    assert!(said.contains("day.csv:1002: column \"A\": 30 cells are no number") && !said.contains("column \"B\""), "{said}");
    assert!(!said.contains("taken as UTC"), "{said}");
    let quiet = json(quiet);
    let bad = &quiet["bad_cells"][0];
    assert_eq!((&bad["column"], &bad["cells"], &bad["empty"], &bad["line"]), (&"A".into(), &30.into(), &30.into(), &1002.into()));
    assert_eq!(quiet["notes"].as_array().map(Vec::len), Some(1), "{quiet}");
    let local = here.join("local.csv");
    std::fs::write(&local, day().replace("Z,", ",")).unwrap();
    let said = String::from_utf8_lossy(&backtest(here, &[], &[("--file", &local)]).stderr).into_owned();
    assert!(said.contains("local.csv:2: times without a zone are taken as UTC") && said.matches("as UTC").count() == 1, "{said}");
    let again = tool(&["replay"], &[("--config", &here.join("site.toml")), ("--learn", &local), ("--file", &local)]);
    let said = String::from_utf8_lossy(&again.stderr).into_owned();
    assert!(said.matches("as UTC").count() == 1 && said.matches("are no number").count() == 1, "{said}");
    // Where a later row is at fault, what is to be known of the rows before it is said as well.
    let broken = here.join("broken.csv");
    std::fs::write(&broken, format!("{}noon,1,1\n", day().replace("Z,", ","))).unwrap();
    let replayed_it = tool(&["replay"], &[("--config", &here.join("site.toml")), ("--file", &broken)]);
    for refused in [backtest(here, &[], &[("--file", &broken)]), replayed_it] {
        let said = String::from_utf8_lossy(&refused.stderr).into_owned();
        assert!(refused.status.code() == Some(1) && said.contains("\"noon\""), "{said}");
        assert!(said.contains("broken.csv:2: times without a zone are taken as UTC"), "{said}");
        assert!(said.contains("broken.csv:1002: column \"A\": 30 cells are no number"), "{said}");
    }
    let findings = here.join("found.csv");
    good(backtest(here, &["--json"], &[("--file", &csv), ("--findings", &findings)]));
    assert_eq!(lines(&std::fs::read_to_string(&findings).unwrap()), replayed);
    // What is there is not written over, least of all the recording.
    let recorded = std::fs::read(&csv).unwrap();
    let replayed_onto = tool(&["replay"], &[("--config", &here.join("site.toml")), ("--file", &csv), ("--findings", &csv)]);
    for refused in [backtest(here, &[], &[("--file", &csv), ("--findings", &csv)]), replayed_onto] {
        let said = String::from_utf8_lossy(&refused.stderr).into_owned();
        assert!(
            refused.status.code() == Some(1)
                && said.contains("exists already and is not written over: give another name with --findings"),
            "{said}"
        );
    }
    assert!(std::fs::read(&csv).unwrap() == recorded);
    // As a spreadsheet of another encoding leaves it, and cut off in a row.
    for (bytes, why) in [
        (&b"time,A,B\n\xc3\xf1,1,1\n"[..], "save the file as \"CSV UTF-8\""),
        (b"time,A,B\n2026-01-01T00:00:00Z,1\n", "every row needs a cell for each column"),
    ] {
        std::fs::write(&broken, bytes).unwrap();
        let refused = tool(&["replay"], &[("--config", &here.join("site.toml")), ("--file", &broken)]);
        let said = String::from_utf8_lossy(&refused.stderr).into_owned();
        assert!(refused.status.code() == Some(1) && said.contains("broken.csv") && said.contains(why), "{said}");
    }

    // The store; what really happened says the same.
    let refused = backtest(here, &[], &[("--data", &data)]);
    let said = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(refused.status.code() == Some(1) && said.contains("store rebuild --data"), "{said}");
    good(tool(&["store", "rebuild"], &[("--data", &data)]));
    let stored = backtest(here, &["--actual"], &[("--data", &data)]);
    let told = good(stored);
    assert!(told.contains("from the packed store") && !told.contains("MISSING"), "{told}");
    let stored = json(backtest(here, &["--actual", "--json"], &[("--data", &data)]));
    let rule = &stored["rules"][0];
    assert_eq!((&rule["rule"], &rule["by"][0]["findings"][0]["hazard"]), (&"heat".into(), &"hot".into()));
    let hot = &rule["compared"]["hot"];
    let agree = hot["agree"].as_u64().unwrap();
    assert!(agree > 10 && hot["lead_us"].as_array().unwrap().iter().all(|lead| lead == 0), "{hot}");
    for nothing in ["only_a", "only_b", "only_a_us", "only_b_us", "level_differs_us"] {
        assert_eq!(hot[nothing], 0, "{nothing}: {hot}");
    }
    assert_eq!(rule["by"][0]["cost"]["readings"], 2 * 3_900);
    assert_eq!(rule["by"][0]["cost"]["strikes"], serde_json::json!({}));

    // The control: another limit finds something else, and the comparison says so.
    std::fs::write(here.join("other.toml"), site(&recording(), 21, 9)).unwrap();
    let other = json(backtest(here, &["--actual", "--json"], &[("--config", &here.join("other.toml")), ("--data", &data)]));
    let other = &other["rules"][0]["compared"]["hot"];
    assert!(other["only_a_us"].as_u64().unwrap() > 0, "{other}");
    // What only one found is listed; where both found the same, nothing is.
    std::fs::write(here.join("rare.toml"), site(&recording(), 39, 9)).unwrap();
    let rare = good(backtest(here, &["--actual"], &[("--config", &here.join("rare.toml")), ("--data", &data)]));
    assert!(rare.contains("\nonly B    heat "), "{rare}");
    assert!(!told.contains("\nonly "), "{told}");

    // Two versions: the second waits three seconds less.
    let second = here.join("rules/hot-hall-0.2.0.wasm");
    let two = json(backtest(here, &["--json"], &[("--data", &data), ("--against", &second)]));
    let hot = &two["rules"][0]["compared"]["hot"];
    assert_eq!((hot["only_a"].as_u64(), hot["only_a_us"].as_u64()), (Some(0), Some(0)), "{hot}");
    assert!(hot["lead_us"].as_array().unwrap().iter().all(|lead| lead == -3_000_000), "{hot}");
    assert_eq!(two["versions"][1]["plugin"], "hot-hall@0.2.0");

    // Part of the time.
    let part = ["--json", "--from", "2026-01-01T23:50:00Z", "--to", "2026-01-02T00:10:00Z"];
    let part = json(backtest(here, &part, &[("--data", &data)]));
    assert_eq!(part["rules"][0]["by"][0]["cost"]["readings"], 2 * 1_200);

    beside_a_daemon(here, &data, &stored["rules"][0]["by"][0]["findings"]);
}

/// A plant goes on in the same data directory: it holds the store, so the journal is read.
fn beside_a_daemon(here: &Path, data: &Path, stored: &Value) {
    let console = free_port();
    let link = "[[link]]\nname = \"field\"\nkind = \"mqtt\"\nhost = \"127.0.0.1\"\nport = 9\n[[link.topic]]\nfilter = \"t/+\"\npayload = \"scalar\"\ntag_level = 1\n";
    let config = here.join("live.toml");
    std::fs::write(&config, site(link, 34, console)).unwrap();
    let daemon = Process::safety_brain(&["run", "--config", config.to_str().unwrap(), "--data", data.to_str().unwrap()]);
    eventually("the plant is watched", Duration::from_secs(60), || get(console, "/api/v1/health"));
    let to = ["--json", "--to", "2026-01-02T00:36:39Z"];
    let beside = json(backtest(here, &to, &[("--data", data)]));
    assert_eq!(beside["source"], "the journal: a daemon holds the store");
    let of = |found: &Value| -> Vec<(Value, Value)> {
        let rows = found.as_array().unwrap().iter().filter(|row| row["level"] != "blind");
        rows.map(|row| (row["start"].clone(), row["end"].clone())).collect()
    };
    let (beside, stored) = (of(&beside["rules"][0]["by"][0]["findings"]), of(stored));
    assert!(!stored.is_empty());
    assert_eq!(beside, stored);
    daemon.terminate();
}

#[test]
fn backtest_refuses_what_a_plant_would_refuse_and_says_why() {
    let (folder, data, _) = recorded();
    let here = folder.path();
    let csv = here.join("day.csv");
    let signed = site(&recording(), 34, 9).replace("allow_unsigned = true\n", "");
    std::fs::write(here.join("strict.toml"), signed).unwrap();
    let (strict, bundle) = (here.join("strict.toml"), here.join("rules/hot-hall-0.1.0.wasm"));
    let refused = |words: &[&str], paths: &[(&str, &Path)], status: i32, part: &str| {
        let output = tool(&[&["backtest"], words].concat(), paths);
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.code() == Some(status) && said.contains(part), "{words:?} {paths:?}: {said}");
    };
    let given: &[(&str, &Path)] = &[("--config", &strict), ("--bundle", &bundle), ("--file", &csv)];
    refused(&[], given, 1, "nobody vouches for this rule");
    good(tool(&["backtest", "--allow-unsigned"], given));
    let config = here.join("site.toml");
    let given: &[(&str, &Path)] = &[("--config", &config), ("--bundle", &bundle), ("--file", &csv)];
    refused(&["--rule", "cold"], given, 1, "there are: heat (hot-hall)");
    refused(&["--actual"], given, 2, "--actual");
    refused(&[], &given[..2], 2, "--data");
    std::fs::write(&bundle, "no component").unwrap();
    refused(&[], given, 1, "hot-hall-0.1.0.wasm");
    let nowhere: &[(&str, &Path)] =
        &[("--config", &config), ("--bundle", &here.join("rules/hot-hall-0.2.0.wasm")), ("--data", here)];
    refused(&[], nowhere, 1, "journal");
    let then: &[(&str, &Path)] =
        &[("--config", &config), ("--bundle", &here.join("rules/hot-hall-0.2.0.wasm")), ("--data", &data)];
    good(tool(&["store", "rebuild"], &[("--data", &data)]));
    refused(&["--from", "2020-01-01T00:00:00Z", "--to", "2020-01-02T00:00:00Z"], then, 1, "has nothing of that time");
}

/// A value that the rule cannot bear, three times: out of use, back by itself after ten seconds, out again and for good, as in the plant of the site file.
#[test]
fn backtest_quarantines_as_the_plant_would_and_lets_it_return_once() {
    let folder = tempfile::tempdir().unwrap();
    let here = folder.path();
    let name = format!("poison-value-{VERSION}.wasm");
    std::fs::create_dir(here.join("rules")).unwrap();
    std::fs::copy(GUESTS.join(&name), here.join("rules").join(&name)).unwrap();
    let quarantine = "allow_unsigned = true\nquarantine = { strikes = 2, within = \"60s\", return_after = \"10s\" }\n";
    let text = site(&recording(), 34, 9)
        .replace("allow_unsigned = true\n", quarantine)
        .replace(
            "unit = \"Cel\"\nquantity = \"temperature\"\nrange = [-20, 80]",
            "unit = \"1\"\nquantity = \"number\"\nrange = [0, 1000]",
        )
        .replace("hot-hall@0.1.0", &format!("poison-value@{VERSION}"))
        .replace("air = [\"A\", \"B\"]", "values = [\"A\", \"B\"]")
        .replace("params = { limit = 34 }\n", "");
    let start: jiff::Timestamp = "2026-01-01T08:00:00Z".parse().unwrap();
    let at = |second: u64| start + Duration::from_secs(second);
    let value = |second: u64| if [30, 35, 60, 90].contains(&second) { 666 } else { second };
    let rows: String = (0..120).map(|second| format!("{},{},1\n", at(second), value(second))).collect();
    let (config, csv, bundle) = (here.join("site.toml"), here.join("day.csv"), here.join("rules").join(&name));
    std::fs::write(&config, text).unwrap();
    std::fs::write(&csv, format!("time,A,B\n{rows}")).unwrap();
    let given: &[(&str, &Path)] = &[("--config", &config), ("--bundle", &bundle), ("--file", &csv)];
    let told = good(tool(&["backtest"], given));
    let lines = [
        format!("QUARANTINED from {} to {}: a plant would have let it return by itself then", at(30), at(40)),
        format!("QUARANTINED from {} on: a plant would not have asked it again before a person released it", at(60)),
    ];
    assert!(lines.iter().all(|line| told.contains(line)), "{told}");
    let by = &json(tool(&["backtest", "--json"], given))["rules"][0]["by"][0];
    let us = |second: u64| at(second).as_microsecond();
    let out = serde_json::json!([{"from": us(30), "to": us(40)}, {"from": us(60), "to": null}]);
    assert_eq!(by["quarantined"], out);
    let found = by["findings"].as_array().unwrap().iter().filter(|row| row["hazard"] == "first" && row["level"] == "blind");
    let blind: Vec<Value> = found.map(|row| serde_json::json!([row["start"], row["end"]])).collect();
    assert_eq!(blind, [serde_json::json!([us(30), us(40)]), serde_json::json!([us(60), null])], "blind until it answers");
    assert_eq!(
        (&by["cost"]["strikes"]["trap"], &by["cost"]["skipped"]),
        (&4.into(), &2.into()),
        "what came meanwhile it was not asked"
    );

    // The plant itself, on the same rows.
    let data = here.join("data");
    let replayed = good(tool(&["replay"], &[("--config", &config), ("--file", &csv), ("--data", &data)]));
    let spans = |csv: &str| -> Vec<[String; 3]> {
        let rows = csv.lines().map(|line| line.split(',').collect::<Vec<_>>());
        // Of a blind alarm, `replay` says the hazard of that.
        let of_first = rows.filter(|row| row.len() >= 5 && ["first", "device.blind"].contains(&row[4]));
        let mut spans: Vec<_> = of_first.map(|row| [row[1], row[2], row[3]].map(str::to_owned)).collect();
        spans.dedup();
        spans
    };
    assert_eq!(spans(&told), spans(&replayed), "{replayed}");
    std::fs::write(&config, std::fs::read_to_string(&config).unwrap().replace("return_after = \"10s\"", "return_after = \"0s\""))
        .unwrap();
    let by_hand = &json(tool(&["backtest", "--json"], given))["rules"][0]["by"][0]["quarantined"];
    assert_eq!(*by_hand, serde_json::json!([{"from": us(30), "to": null}]), "the control: where it never returns by itself");
}
