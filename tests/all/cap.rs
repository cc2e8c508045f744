//! What we send as CAP, and as JSON, against the schema OASIS publishes, by a validator that is not ours (`xmllint` of libxml2).
//!
//! The schema is not part of this repository: `SAFETY_BRAIN_DATA` names the folder that holds `cap/CAP-v1.2.xsd`.
//! Without it, or without `xmllint`, the tests say SKIPPED; with `CI=true` a missing `xmllint` fails.
#![allow(clippy::unwrap_used)]

use crate::process::{loud, tell};
use crate::simulation::oracle::Seen;
use crate::simulation::{HALF, run};
use brain::Notice;
use safety_brain::config::types::{CapChannel, Form};
use safety_brain::notices::cap::{Reply, build, build_reply, check, compose, json, parse, write};
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use std::process::Command;

/// The schema, or none where this machine cannot validate.
pub fn schema() -> Option<PathBuf> {
    let data = std::env::var_os("SAFETY_BRAIN_DATA").map_or_else(|| crate::process::root().join("../shared/data"), PathBuf::from);
    let schema = data.join("cap/CAP-v1.2.xsd");
    let validator = Command::new("xmllint").arg("--version").output().is_ok();
    if !validator {
        assert!(std::env::var("CI").is_err(), "CI needs xmllint (Debian: libxml2-utils)");
        loud("the schema of OASIS: no xmllint (Debian: apt-get install libxml2-utils)");
        return None;
    }
    if !schema.is_file() {
        loud(&format!("the schema of OASIS: there is no {}; set SAFETY_BRAIN_DATA", schema.display()));
        return None;
    }
    Some(schema)
}

/// Names of the documents the schema refuses, with the validator's words.
pub fn refused(schema: &Path, documents: &[(String, String)]) -> Vec<(String, String)> {
    let folder = tempfile::tempdir().unwrap();
    let mut command = Command::new("xmllint");
    command.args(["--nonet", "--noout", "--schema"]).arg(schema);
    for (i, (_, text)) in documents.iter().enumerate() {
        let file = folder.path().join(format!("{i}.xml"));
        std::fs::write(&file, text).unwrap();
        command.arg(file);
    }
    let said = String::from_utf8_lossy(&command.output().unwrap().stderr).into_owned();
    let words = |i: usize| {
        let file = format!("{}/{i}.xml", folder.path().display());
        let about = |line: &&str| line.starts_with(&file) && !line.ends_with(" validates");
        said.lines().filter(about).collect::<Vec<_>>().join("\n")
    };
    let validates = |i: usize| said.contains(&format!("/{i}.xml validates"));
    let name = |i: usize| (documents[i].0.clone(), words(i));
    (0..documents.len()).filter(|i| !validates(*i)).map(name).collect()
}

fn channel(division: &str) -> CapChannel {
    CapChannel {
        url: "http://127.0.0.1:1/cap".to_owned(),
        token: None,
        tls: None,
        timeout_ms: 1000,
        expires_s: 3600,
        division: division.to_owned(),
        anchors: None,
        signer: None,
        form: Form::Xml,
        sender: None,
    }
}

fn words(text: &str) -> Value {
    json!({"zh": text, "en": text})
}

/// As the journal keeps it.
fn notice(kind: &str, mode: &str, severity: &str, condition: &str, value: Value) -> Notice {
    let at: i64 = 1_767_323_045_000_000;
    let person = json!({"name": "甲", "role": "officer", "station": "127.0.0.1"});
    let evidence = |limit: Value| {
        json!({
            "tag": "GT-101", "value": value, "unit": "%LEL", "at": at, "quality": 132, "limit": limit,
            "citation": {"standard": "GB/T 50493", "edition": "2019", "clause": "5.1", "jurisdiction": "CN",
                         "confidence": "clause", "note": ""}
        })
    };
    let first = json!({"identifier": "demo.7.1", "sent": at - 1});
    let alarm = json!({
        "id": 7, "key": {"source": {"rule": "r"}, "hazard": "gas.lel", "zone": "z", "object": ""},
        "title": words("可燃气体"), "plugin": "gas-detector@0.1.0", "digest": "", "condition": condition,
        "held": true, "severity_now": severity, "severity": severity,
        "acknowledged": {"by": person, "at": at, "severity": severity, "note": "看到 \u{1} ]]>"},
        "latched": true, "closed": false, "occurrences": 1, "opened_at": at, "raised_at": at,
        "cleared_at": null, "changed_at": at, "certainty": "likely",
        "text": {"phrase": {"key": "guard.unknown", "args": []}},
        "evidence": [evidence(json!(25.0)), evidence(Value::Null)],
        "guide": {"cause": words(""), "consequence": words(""), "action": words(""), "respond_s": 0},
        "handling": [{"by": person, "at": at, "note": "已撤人"}],
        "escalation": {"ladder": "l", "rung": "", "bureau": "none", "bureau_by": null, "told": []}
    });
    serde_json::from_value(json!({
        "id": 2, "identifier": "demo.7.2", "sender": "plant@demo.example", "mode": mode, "audience": "bureau",
        "bureau": true, "rung": "bureau", "kind": kind, "reason": "overdue", "at": at,
        "references": if kind == "alert" { json!([]) } else { json!([first]) },
        "site": words("示范厂 <A&B>"), "zone": words("混药间"),
        "area": {"latitude": 28.2, "longitude": 113.1, "radius_km": 0.2},
        "alarm": alarm
    }))
    .unwrap()
}

#[test]
fn all_that_is_built_validates() {
    let Some(schema) = schema() else { return };
    let mut documents = Vec::new();
    for kind in ["alert", "update", "cancel"] {
        for mode in ["actual", "exercise", "test"] {
            for severity in ["blue", "yellow", "orange", "red"] {
                for condition in ["active", "cleared"] {
                    for (value, division) in [(json!(31.5), "430181"), (json!("NaN"), "")] {
                        let name = format!("{kind} {mode} {severity} {condition} {value}");
                        let notice = notice(kind, mode, severity, condition, value);
                        let message = compose(&notice, &channel(division));
                        assert_eq!(check(&message), Vec::<String>::new(), "{name}");
                        documents.push((name.clone(), build(&notice, &channel(division))));
                        for accepted in [true, false] {
                            let reply = Reply {
                                accepted,
                                identifier: "b.1",
                                sender: "duty@bureau.example",
                                at: notice.at,
                                note: "值班员 甲; 不属本辖区",
                            };
                            let text = build_reply(&reply, &message);
                            assert_eq!(check(&parse(text.as_bytes()).unwrap()), Vec::<String>::new());
                            documents.push((format!("{name}: reply {accepted}"), text));
                        }
                    }
                }
            }
        }
    }
    assert_eq!(documents.len(), 432);
    assert_eq!(refused(&schema, &documents), Vec::new());
}

/// Every notice of one seed at its first try.
fn told(seed: u64) -> Vec<Notice> {
    let mut all = Vec::new();
    run(seed, HALF, |_, shown| {
        all.extend(
            shown.iter().filter_map(|seen| if let Seen::Told(notice, 1) = seen { Some((**notice).clone()) } else { None }),
        );
    })
    .unwrap_or_else(|error| panic!("seed {seed}: {error}"));
    all
}

/// Whatever a brain in a seeded world tells, in both forms: it passes our checks, the schema of OASIS and the one of the JSON form.
#[test]
fn all_that_is_ever_told_validates() {
    let json_schema = jsonschema::validator_for(&json::schema()).unwrap();
    let schema = schema();
    let (mut total, mut kinds) = (0, std::collections::BTreeSet::new());
    for seed in 1..=crate::effort::effort(12, 60) {
        let mut documents = Vec::new();
        for notice in told(seed) {
            let message = compose(&notice, &channel("430181"));
            let name = format!("seed {seed}, {}", notice.identifier);
            assert_eq!(check(&message), Vec::<String>::new(), "{name}");
            let text = json::write(&message);
            assert_eq!(json::read(text.as_bytes()).as_ref(), Ok(&message), "{name}");
            let value: Value = serde_json::from_str(&text).unwrap();
            assert!(json_schema.is_valid(&value), "{name}: {:?}", json_schema.iter_errors(&value).next().map(|e| e.to_string()));
            kinds.insert(format!("{:?} {:?}", message.msg_type, message.infos[0].severity));
            documents.push((name, write(&message)));
        }
        total += documents.len();
        if let Some(schema) = &schema {
            assert_eq!(refused(schema, &documents), Vec::new());
        }
    }
    tell(&format!("{total} messages of {} seeded worlds validate", crate::effort::effort(12, 60)));
    assert!(total > 500 && kinds.len() >= 10, "{total} messages of {kinds:?}");
}

/// What the JSON form must not say.
#[test]
fn json_that_is_no_message_is_refused() {
    let good = json::write(&compose(&notice("update", "exercise", "red", "active", json!(31.5)), &channel("430181")));
    let validator = jsonschema::validator_for(&json::schema()).unwrap();
    let changes = [
        ("unknown field", "\"sender\"", "\"Sender\"", true),
        ("unknown variant", "\"Update\"", "\"update\"", true),
        ("unknown field", "{\"identifier\"", "{\"signatures\":0,\"identifier\"", true),
        ("missing field", "\"status\":\"Exercise\",", "", true),
        ("duplicate field", "\"scope\":", "\"scope\":\"Private\",\"scope\":", false),
        ("not allowed in XML", "\"note\":\"", "\"note\":\"\\u0001", false),
        ("trailing", "\"status\"", "\"status\"", false),
    ];
    for (wanted, from, to, is_of_schema) in changes {
        assert!(good.contains(from), "{from}");
        let text = good.replacen(from, to, 1) + if wanted == "trailing" { "{}" } else { "" };
        let error = json::read(text.as_bytes()).unwrap_err().to_string();
        assert!(error.contains(wanted), "{wanted:?} not in {error:?}");
        if is_of_schema {
            assert!(!validator.is_valid(&serde_json::from_str(&text).unwrap()), "the schema takes {to}");
        }
    }
    assert!(json::read(good.as_bytes()).is_ok() && validator.is_valid(&serde_json::from_str(&good).unwrap()));
}

/// Whatever the schema refuses, we refuse; the example of the schema's publisher is read and written back.
#[test]
fn what_the_schema_refuses_is_refused() {
    let Some(schema) = schema() else { return };
    let good = build(&notice("update", "actual", "red", "active", json!(31.5)), &channel("430181"));
    let changes = [
        ("<sent>2026-01-02T11:04:05+08:00", "<sent>2026-01-02T11:04:05Z"),
        ("<sent>2026-01-02T11:04:05+08:00", "<sent>2026-01-02T11:04:05.5+08:00"),
        ("<sent>2026-01-02T11:04:05+08:00", "<sent>2026-01-02T11:04:05,08:00"),
        ("<sent>2026-01-02T11:04:05+08:00", "<sent>2026-01-02T11:04:05+14:01"),
        ("<sent>2026-01-02T11:04:05+08:00", "<sent>2026-02-30T11:04:05+08:00"),
        ("<sent>2026-01-02T11:04:05+08:00", "<sent>2026-01-02T11:04:60+08:00"),
        ("<status>Actual", "<status>Real"),
        ("<status>Actual", "<status> Actual"),
        ("<status>Actual</status>", ""),
        ("<scope>", "<note>x</note><scope>"),
        ("<scope>", "<scope xml:lang=\"zh\">"),
        ("<language>zh-CN", "<language>zh_CN"),
        ("<urgency>Immediate</urgency>", ""),
        ("<event>", "<event><b/>"),
        ("<info>", "<info>text"),
        ("<info>", "<info><x xmlns=\"urn:x\"/>"),
        ("<valueName>warningLevel</valueName>", ""),
        ("</area>", "<circle>28,113 1</circle></area>"),
        ("</area>", "<altitude>high</altitude></area>"),
        ("</alert>", "<info/></alert>"),
        ("cap:1.2", "cap:1.1"),
    ];
    let documents: Vec<_> = changes
        .iter()
        .map(|(from, to)| {
            assert!(good.contains(from), "{from}");
            (format!("{from} -> {to}"), good.replacen(from, to, 1))
        })
        .collect();
    let schema_refuses = refused(&schema, &documents);
    for (name, text) in &documents {
        assert!(schema_refuses.iter().any(|(n, _)| n == name), "the schema takes {name}");
        if let Ok(message) = parse(text.as_bytes()) {
            assert_ne!(check(&message), Vec::<String>::new(), "we take {name}");
        }
    }

    let example = std::fs::read(schema.with_file_name("cap_amber_alert_example.xml")).unwrap();
    let example = parse(&example).unwrap();
    assert_eq!(example.infos.len(), 2);
    let again = write(&example);
    assert_eq!(parse(again.as_bytes()).unwrap(), example);
    assert_eq!(refused(&schema, &[("example".to_owned(), again)]), Vec::new());
}
