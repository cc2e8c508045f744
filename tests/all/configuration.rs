//! Shipped site files are good; bad ones are told with file, line, key, what is allowed and the nearest name, all faults at once.

mod ladders;

use safety_brain::config::types::LinkKind;
use safety_brain::config::{Fault, load, schema};
use serde_json::Value;
use std::path::PathBuf;

const SHIPPED: [&str; 5] = ["demo", "fireworks-plant", "gas-district", "recordings/gas-array", "recordings/occupancy"];

fn configs() -> PathBuf {
    crate::process::root().join("configs")
}

#[test]
fn configuration_shipped_files_have_no_fault() {
    for name in SHIPPED {
        let path = configs().join(format!("{name}.toml"));
        let config = load(&path).unwrap_or_else(|faults| panic!("{}", lines(&faults)));
        assert!(!config.site.tags.is_empty() && !config.site.ladders.is_empty(), "{name} describes nothing");
    }
}

fn lines(faults: &[Fault]) -> String {
    faults.iter().map(|fault| format!("{fault}\n")).collect()
}

/// A change of the demonstration's file, and what must be said: line of the changed text, key, and a word of the remedy.
const CASES: &[(&str, &str, &str, &str)] = &[
    ("sender = \"demo@safety-brain.example\"", "sendr = \"demo@safety-brain.example\"", "site.sendr", "did you mean `sender`"),
    ("mode = \"test\"", "mode = \"tset\"", "site.mode", "did you mean `test`"),
    ("building_class = \"1.1\"", "building_class = \"1.2\"", "zone.mix-3.building_class", "1.3"),
    ("quota = { people = 2, kg = 5, machines = 1 }", "quota = { kg = 5, machines = 1 }", "zone", "board"),
    ("port = 1883", "port = 70000", "link.field.port", "65535"),
    ("host = \"127.0.0.1\"\nport = 1883", "host = \"10.0.0.1\"\nport = 1883", "link.field.host", "insecure = true"),
    ("filter = \"plant/+\"", "filter = \"plant/a+\"", "link.field.topic.plant/a+.filter", "alone"),
    ("table = \"discrete\"", "table = \"holding\"", "link.gate-rtu.point.XV-101.type", "u16"),
    ("tag = \"GT-102\"", "tag = \"GT-109\"", "link.gate-rtu.point.GT-109.tag", "did you mean `GT-10"),
    ("frozen = \"15s\"", "frozen = \"15\"", "tag.TT-401.frozen", "15min"),
    ("unit = \"kPa\"", "unit = \"kpa\"", "tag.PT-101.unit", "did you mean `kPa`"),
    ("range = [0, 600]", "range = [600, 0]", "tag.PT-101.range", "low below high"),
    (
        "severity = \"yellow\"\ndeadband = 12",
        "severity = \"violet\"\ndeadband = 12",
        "tag.PT-101.limit.pipe.pressure.severity",
        "orange",
    ),
    ("confidence = \"recalled\"", "confidence = \"sure\"", "citation.confidence", "secondary"),
    ("plugin = \"gas-detector@0.1.0\"", "plugin = \"gas-detector\"", "rule.gate-gas.plugin", "id@version"),
    ("kind = \"at_once\"", "kind = \"at_onec\"", "ladder.standard.rung.crew.kind", "did you mean `at_once`"),
    ("orange = \"180s\", red = \"0s\"", "orange = \"180s\", red = \"1d\"", "rung.bureau.after.red", "never told later"),
    ("url = \"http://127.0.0.1:9/cap\"", "url = \"http://10.1.1.1/cap\"", "audience.bureau.url", "https"),
    ("role = \"bureau\"", "role = \"boss\"", "role", "lead"),
    ("segment_mib = 16", "segment_mib = 0", "storage.segment_mib", "4095"),
    ("[site]", "[site", "(syntax)", "TOML"),
];

const GATE_GAS: &str = "[[rule]]\nname = \"gate-gas\"";

/// Changes after which each entry is legal by itself and the whole is not, or a key belongs to something else.
const BETWEEN: &[(&str, &str, &str, &str)] = &[
    ("segment_mib = 16", "segment_mib = 16\njournal_gib = 0", "storage.journal_gib", "65536"),
    ("segment_mib = 16", "segment_mib = 1024\njournal_gib = 3", "storage.journal_gib", "four segments"),
    ("segment_mib = 16", "segment_mib = 16\nevents_days = 7", "storage.events_days", "from 30"),
    ("name = \"gate-gas\"", "name = \"press-room\"", "rule.press-room.name", "each rule once"),
    ("name = \"演示局方接口\"", "name = \"演示安全员\"", "person.演示安全员.name", "each person once"),
    ("0001\"", "0000\"", "person.演示局方接口.token_sha256", "one's own"),
    ("role = \"lead\"", "role = \"lead\"\nforms = [\"voice\"]", "person.演示安全员.forms", "for role gateway alone"),
    (
        "role = \"bureau\"",
        "role = \"gateway\"\naudiences = [\"crew\"]\nforms = [\"voice\"]",
        "演示局方接口.audiences",
        "webhook, sms or voice",
    ),
    (
        "role = \"bureau\"",
        "role = \"gateway\"\naudiences = [\"crews\"]\nforms = [\"voice\"]",
        "演示局方接口.audiences",
        "webhook, sms or voice",
    ),
    ("role = \"bureau\"", "role = \"gateway\"\nforms = [\"voice\"]", "演示局方接口.audiences", "carries messages to"),
    ("name = \"manager\"\naudience", "name = \"officer\"\naudience", "ladder.standard.rung.officer.name", "once"),
    ("after = { blue = \"0s\"", "after = { blue = \"5s\"", "rung.crew.after", "at_once"),
    ("orange = \"120s\", red = \"60s\"", "orange = \"9s\", red = \"9s\"", "rung.manager.after", "in the order"),
    (
        "params = { building_class = \"1.1\", quota_people = 2 }",
        "params = { quota_people = 3 }",
        "params.quota_people",
        "at most 2",
    ),
    (
        "params = { building_class = \"1.1\"",
        "params = { building_class = \"1.3\"",
        "params.building_class",
        "the class of zone mix-3",
    ),
    ("segment_mib = 16", "segment_mib = 16\ndata_dir = \"/\"", "storage.data_dir", "a folder of its own"),
    ("payload = \"json\"", "payload = \"scalar\"", "topic.plant/+.time", "tag_level"),
    ("tag_level = 1", "tag_level = 0", "topic.plant/+.tag_level", "counted from 0"),
    ("tag_level = 1", "tag_level = 1\ntags = { a = \"GT-101\" }", "topic.plant/+.tags.a", "a tag of this link"),
    ("tag = \"GT-102\"", "tag = \"GT-101\"", "point.GT-101.tag", "each tag once"),
    ("tag = \"GT-102\"", "tag = \"TT-301\"", "point.TT-301.tag", "a tag of this link"),
    ("tag = \"GT-102\"", "tag = \"GT-101\"", "tag.GT-102.link", "a link that names this tag"),
    ("type = \"u16\"", "type = \"u16\"\norder = \"cdab\"", "point.FT-101.order", "f32"),
    ("type = \"u16\"", "type = \"u16\"\nno_value = 65536", "point.FT-101.no_value", "65535"),
    ("kind = \"low\"\nvalue = 240", "kind = \"low\"\nvalue = 700", "limit.pipe.pressure.value", "to 600"),
    ("kind = \"low\"\nvalue = 240", "kind = \"fall\"\nvalue = -5", "limit.pipe.pressure.value", "from 0.0"),
    ("deadband = 12", "deadband = 601", "limit.pipe.pressure.deadband", "to 600"),
    ("deadband = 12", "deadband = 360", "limit.pipe.pressure.deadband", "less than 360"),
    ("kind = \"high\"\nvalue = 35.0", "kind = \"high\"\nvalue = -20", ".value", "some value of the range clears"),
    ("plugin = \"gas-detector@0.1.0\"", "plugin = \"../../etc@1.0.0\"", "rule.gate-gas.plugin", "a-z, 0-9"),
    ("plugin = \"gas-detector@0.1.0\"", "plugin = \"gas-detector@1/../../x\"", "rule.gate-gas.plugin", "three numbers"),
    ("frozen = \"15s\"", "frozen = \"2s\"", "tag.TT-401.frozen", "three periods"),
    ("period = \"1s\"", "period = \"1s\"\nsilent = \"1s\"", "tag.TT-301.silent", "two periods"),
    ("timeout = \"5s\"", "token = \"hunter2\"", "audience.bureau.token", "{ env = \"NAME\" }"),
    ("timeout = \"5s\"", "token = { env = \"SAFETY_BRAIN_TESTS_SET_NO_SUCH\" }", "audience.bureau.token.env", "that is set"),
    ("version = \"3.1.1\"", "tls = { ca = \"empty\" }", "link.field.tls.ca", "a PEM file with a certificate"),
    ("version = \"3.1.1\"", "tls = { ca = \"gone\", key = \"gone\" }", "link.field.tls.certificate", "for mutual TLS"),
    ("url = \"http://127.0.0.1:9/cap\"", "url = \"https://bad host/cap\"", "audience.bureau.url", "https://HOST[:PORT]"),
    ("url = \"http://127.0.0.1:9/cap\"", "url = \"https://b:99999/cap\"", "audience.bureau.url", "up to 65535"),
    (
        "url = \"http://127.0.0.1:9/cap\"",
        "url = \"http://127.0.0.1:80@evil.example/cap\"",
        "audience.bureau.url",
        "no name or password",
    ),
    ("url = \"http://127.0.0.1:9/cap\"", "url = \"https://hunter2@bad host/cap\"", "audience.bureau.url", "https://HOST"),
    ("url = \"http://127.0.0.1:9/cap\"", "url = \"ftp://127.0.0.1/cap\"", "audience.bureau.url", "https://HOST"),
    ("[storage]", "[console]\nbind = \"0.0.0.0:8080\"\n[storage]", "console.bind", "loopback"),
    ("[storage]", "[console]\ntls = { certificate = \"empty\" }\n[storage]", "console.tls.key", "text"),
    ("timeout = \"5s\"", "token = { file = \"empty\" }", "audience.bureau.token.file", "the secret itself"),
];

/// What once passed, or was told so that nobody understood it.
const ONCE_PASSED: &[(&str, &str, &str, &str)] = &[
    ("sender = \"demo@safety-brain.example\"", "sender = \"d\u{435}mo@safety-brain.example\"", "site.sender", "ASCII"),
    ("sender = \"demo@safety-brain.example\"", "sender = \"demo\\n@x\"", "site.sender", "nothing hidden"),
    ("zh = \"3号混药工房\"", "zh = \"\\u200b\"", "zone.mix-3.title.zh", "that can be seen"),
    ("zh = \"3号混药工房\"", "zh = \"3\\u001b[31m\"", "zone.mix-3.title.zh", "that can be seen"),
    ("zh = \"3号混药工房\"", "zh = \"\\u202e3号\"", "zone.mix-3.title.zh", "turns the direction"),
    ("note = \"lower working limit", "note = \"\\u2066lower working limit", "citation.note", "turns the direction"),
    ("name = \"store-5\"", "name = \"..\"", "name", "the first a letter or digit"),
    ("id = \"demo\" ", "id = \"..\" ", "site.id", "the first a letter or digit"),
    ("name = \"TT-401\"", "name = \"\u{422}\u{422}-401\"", ".name", "letters of a-z or A-Z"),
    ("quantity = \"people\"", "quantity = \"peop1e\"", "tag.PC-301.quantity", "did you mean `people`"),
    ("unit = \"Cel\"", "unit = \"°C\"", "tag.TT-301.unit", "did you mean `Cel`"),
    ("unit = \"m3/h\"", "unit = \"m³/h\"", "tag.FT-101.unit", "did you mean `m3/h`"),
    ("range = [0, 600]", "range = [-1e308, 1e308]", "tag.PT-101.range", "1e12"),
    (
        "latitude = 28.1600, longitude = 113.6400",
        "latitude = 0, longitude = 0.0",
        "zone.gate-1.area.latitude",
        "where the zone is",
    ),
    ("gas = [\"GT-101\", \"GT-102\", \"GT-103\"]", "gas = []", "rule.gate-gas.inputs.gas", "at least one tag"),
    ("gas = [\"GT-101\", \"GT-102\", \"GT-103\"]", "gas = [\"GT-101\", \"GT-101\"]", "rule.gate-gas.inputs.gas", "one vote"),
    (GATE_GAS, "[[rule]]\nname = \"gate-gas\"\npublisher = \"acme\"", "rule.gate-gas.publisher", "there is none in this file"),
    (GATE_GAS, "[[rule]]\nname = \"gate-gas\"\nback_from = \"1\"", "rule.gate-gas.back_from", "ran at before"),
    (
        GATE_GAS,
        "[[publisher]]\nname = \"acme\"\nkey = \"ed25519:00\"\n[[rule]]\nname = \"gate-gas\"",
        "publisher.acme.key",
        "plugin keygen",
    ),
    (
        GATE_GAS,
        "[[publisher]]\nname = \"acme\"\nkey = \"\"\nrevoked = [\"room\"]\n[[rule]]\nname = \"gate-gas\"",
        "publisher.acme.revoked",
        "id@version, or sha256:",
    ),
    (
        GATE_GAS,
        "[[publisher]]\nname = \"acme\"\nkey = \"\"\nimports = [\"histry\"]\n[[rule]]\nname = \"gate-gas\"",
        "publisher.acme.imports",
        "did you mean `history`",
    ),
    (
        "plugin = \"gas-detector@0.1.0\"",
        "plugin = \"gas-detector@0.1.0\"\ndigest = \"sha256:zzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzz\"",
        "rule.gate-gas.digest",
        "0-9 and a-f",
    ),
    ("host = \"127.0.0.1\"\nport = 1883", "host = \"127.0.0.1:1883\"\nport = 1883", "link.field.host", "the port in port"),
    ("host = \"127.0.0.1\"\nport = 1883", "host = \"mqtt://broker\"\ninsecure = true", "link.field.host", "host name or an IP"),
    ("host = \"127.0.0.1\"\nport = 1883", "host = \"local host\"\ninsecure = true", "link.field.host", "host name or an IP"),
    ("filter = \"plant/+\"", "filter = \"$share/+\"", "topic.$share/+.filter", "$share/GROUP/FILTER"),
    ("value = \"/v\"", "value = \"/v~2\"", "topic.plant/+.value", "~0"),
    ("scale = 0.1", "scale = 0", "point.FT-101.scale", "every value is the same"),
    ("scale = 0.1", "scale = 1e300", "point.FT-101.scale", "1000000000000"),
    ("address = 2\ntype", "address = 1\ntype", "point.GT-102.address", "which GT-101 reads already"),
    ("url = \"http://127.0.0.1:9/cap\"", "url = \"https:///cap\"", "audience.bureau.url", "https://HOST"),
    ("url = \"http://127.0.0.1:9/cap\"", "url = \"https://b/cap#x\"", "audience.bureau.url", "https://HOST"),
    ("name = \"演示安全员\"", "name = \"演示\\n安全员\"", "name", "no line break"),
    ("name = \"演示安全员\"", "name = \"演示安全员 \"", "name", "without a blank"),
    (
        "\"0000000000000000000000000000000000000000000000000000000000000000\"",
        "\"e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855\"",
        "token_sha256",
        "TOKEN was empty",
    ),
    (
        "\"0000000000000000000000000000000000000000000000000000000000000000\"",
        "\"+0+0+0+0+0+0+0+0+0+0+0+0+0+0+0+0+0+0+0+0+0+0+0+0+0+0+0+0+0+0+0+0\"",
        "token_sha256",
        "64 hex digits",
    ),
    ("segment_mib = 16", "segment_mib = 16\ndata_dir = \"\"", "storage.data_dir", "1 to 4096 characters"),
    ("hazard = \"fw.store.climate\"", "hazard = \"device.blind\"", "hazard", "the program's own"),
    ("port = 1883", "port = 0x", "link.field.port", "a number without digits"),
    ("port = 1883", "port = 1883\nport = 1884", "(syntax)", "duplicate key, at \"port\""),
    ("# 演示用站点文件", "include = [\"bad.toml\"]\n#", "include", "not the site file itself"),
    ("# 演示用站点文件", "include = [\"empty\", \"./empty\"]\n#", "include", "each file once"),
    ("# 演示用站点文件", "include = [\"/dev/zero\"]\n#", "include", "more than 16 MiB"),
    ("timeout = \"5s\"", "token = { file = \"/dev/zero\" }", "audience.bureau.token.file", "more than 1 MiB"),
    ("[site]", "[plugins]\nquarantine = { strikes = 1 }\n[site]", "quarantine.strikes", "2 to 100"),
    ("[site]", "[plugins]\nquarantine = { return_after = \"500ms\" }\n[site]", "quarantine.return_after", "never by itself"),
    ("[site]", "[plugins]\nlimits = { memory = 4 }\n[site]", "plugins.limits.memory", "memory_kib"),
    (GATE_GAS, "[[rule]]\nlimits = { deadline = \"1s\" }\nname = \"gate-gas\"", "limits.deadline", "100ms"),
    (GATE_GAS, "[[rule]]\nlimits = { log_lines = 2000 }\nname = \"gate-gas\"", "limits.log_lines", "1000"),
];

#[test]
fn configuration_faults_name_place_and_remedy() {
    let good = std::fs::read_to_string(configs().join("demo.toml")).unwrap();
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("empty"), "\n").unwrap();
    for (from, to, key, remedy) in CASES.iter().chain(BETWEEN).chain(ONCE_PASSED) {
        assert!(good.contains(from), "the demonstration's file no longer holds {from:?}");
        let path = folder.path().join("bad.toml");
        std::fs::write(&path, good.replacen(from, to, 1)).unwrap();
        let faults = load(&path).expect_err(to);
        let said = lines(&faults);
        let found =
            faults.iter().find(|fault| fault.key.contains(key)).unwrap_or_else(|| panic!("{to:?}: no fault of {key}:\n{said}"));
        assert!(found.to_string().contains(remedy), "{to:?}: {remedy:?} is not in {found}");
        assert!(found.origin.line > 0, "{to:?}: no line in {found}");
        assert!(!said.contains("hunter2"), "a secret was printed: {said}");
    }
}

/// What may be put aside by design, and which alarms belong to one cause.
#[test]
fn configuration_suppressions_and_groups_say_all_they_must() {
    let with = |text: &str| changed(|good| format!("{good}\n{text}"));
    let good = std::fs::read_to_string(configs().join("demo.toml")).unwrap();
    let named = |kind: &str| {
        let head = format!("[[{kind}]]\nname = \"");
        good.split(&head).skip(1).map(|rest| rest.split('"').next().unwrap().to_owned()).collect::<Vec<_>>()
    };
    let (zone, tag, people) = (&named("zone")[0], &named("tag")[0], named("person"));
    let title = r#"title = { zh = "试", en = "t" }"#;
    let suppression = format!(
        "[[suppression]]\nname = \"s\"\n{title}\nzone = \"{zone}\"\nhazards = [\"h\"]\nwhile_tag = \"{tag}\"\nat_least = 1\nmost = \"2h\"\n\
         approved_by = [\"{}\", \"{}\"]\n",
        people[0], people[1]
    );
    let group = format!("[[group]]\nname = \"g\"\n{title}\nzone = \"{zone}\"\nhazards = [\"h\", \"i\"]\nparent = \"i\"\n");
    with(&format!("{suppression}{group}")).unwrap_or_else(|faults| panic!("{}", lines(&faults)));
    for (text, from, to, key) in [
        (&suppression, "at_least = 1", "", "at_least"),
        (&suppression, "at_least = 1", "at_least = 1\nat_most = 0", "at_least"),
        (&suppression, "\"2h\"", "\"48h\"", "most"),
        (&suppression, "while_tag = \"", "while_tag = \"no-", "while_tag"),
        (&suppression, "[\"h\"]", "[]", "hazards"),
        (&suppression, people[1].as_str(), people[0].as_str(), "approved_by"),
        (&suppression, people[1].as_str(), "nobody-of-here", "approved_by"),
        (&group, "parent = \"i\"", "parent = \"j\"", "parent"),
        (&group, "zone = \"", "zone = \"no-", "zone"),
    ] {
        let faults = with(&text.replace(from, to)).expect_err(to);
        assert!(faults.iter().any(|fault| fault.key.contains(key)), "{to:?}: no fault of {key}:\n{}", lines(&faults));
    }
}

#[test]
fn configuration_tells_all_faults_at_once() {
    let good = std::fs::read_to_string(configs().join("demo.toml")).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("bad.toml");
    let apart = |case: &&(&str, &str, &str, &str)| !["(syntax)", "zone", "role", "link.field.host"].contains(&case.2);
    let bad = CASES.iter().filter(apart).fold(good, |text, (from, to, ..)| text.replacen(from, to, 1));
    std::fs::write(&path, bad).unwrap();
    let faults = load(&path).expect_err("many faults");
    for (_, to, key, _) in CASES.iter().filter(apart) {
        // A field that another change of the same table hides is the one exception.
        if key.contains("XV-101") || key.contains("GT-109") || key.contains("filter") {
            continue;
        }
        assert!(faults.iter().any(|fault| fault.key.contains(key)), "{to:?} is not told:\n{}", lines(&faults));
    }
}

/// Loads the demonstration's file after `change`.
pub fn changed(change: impl Fn(&str) -> String) -> Result<(), Vec<Fault>> {
    let good = std::fs::read_to_string(configs().join("demo.toml")).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("bad.toml");
    std::fs::write(&path, change(&good)).unwrap();
    load(&path).map(drop)
}

#[test]
fn configuration_tells_one_mistake_once() {
    let one = |from: &str, to: &str| {
        let faults = changed(|good| good.replacen(from, to, 1)).expect_err(to);
        assert_eq!(faults.len(), 1, "{to:?}: {}", lines(&faults));
    };
    one("kind = \"modbus\"", "kind = \"modbuss\"");
    one("payload = \"json\"", "payload = \"jsn\"");
    one("channel = \"cap\"", "channel = \"cpa\"");
    one("risk_class = \"major\"", "risk_class = \"huge\"");
    one("range = [-20, 80]", "range = [80, -20]");
    // Where the nesting is too deep, and where the file ends without closing it.
    let deep = changed(|good| good.replacen("[site]", &format!("a = {}\n[site]", "[".repeat(100)), 1)).unwrap_err();
    assert_eq!(deep.len(), 2, "{}", lines(&deep));
    let faults = changed(|good| good.replacen("range = [0, 600]", "range = [600, 0, 1, 2, 3]", 1)).unwrap_err();
    assert!(lines(&faults).contains("found [600, 0, 1, 2, ...]"), "{}", lines(&faults));
}

#[test]
fn configuration_tells_the_cause_and_not_what_follows() {
    for (from, to) in [("period = \"1s\"", "period = \"one\""), ("zone = \"", "zone = \"no-")] {
        let faults = changed(|good| {
            let (tags, rest) = good.split_at(good.find("[[audience]]").unwrap());
            tags.replace(from, to) + rest
        });
        let faults = faults.expect_err(to);
        let follow: Vec<Fault> = faults.into_iter().filter(|fault| fault.key.starts_with("link.")).collect();
        assert!(follow.is_empty(), "{to:?}: {}", lines(&follow));
    }
}

#[test]
fn configuration_names_the_byte_that_is_not_utf8() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("bad.toml");
    std::fs::write(&path, b"[site]\nid = \"\xff\"\n").unwrap();
    let faults = load(&path).unwrap_err();
    assert!(lines(&faults).contains("bad.toml:2: (file): found 0xff as byte 14, which is not UTF-8"), "{}", lines(&faults));
}

/// A bureau is told of each alarm by itself: where its limit makes that slow, the site's people hear so before a storm.
#[test]
fn configuration_advises_where_a_bureau_takes_few_messages() {
    let good = std::fs::read_to_string(configs().join("demo.toml")).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("site.toml");
    let warned = |per_minute: u32| {
        std::fs::write(&path, good.replacen("bureau = true\n", &format!("bureau = true\nper_minute = {per_minute}\n"), 1))
            .unwrap();
        let config = load(&path).unwrap_or_else(|faults| panic!("{}", lines(&faults)));
        config.warnings.into_iter().find(|said| said.contains("per_minute"))
    };
    assert_eq!(warned(60), None);
    let said = warned(50).unwrap();
    assert!(said.contains("each alarm by itself") && said.contains("20 min"), "{said}");
}

#[test]
fn configuration_advises_where_no_bureau_is_told() {
    let good = std::fs::read_to_string(configs().join("demo.toml")).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("site.toml");
    let warned = |text: String| {
        std::fs::write(&path, text).unwrap();
        let config = load(&path).unwrap_or_else(|faults| panic!("{}", lines(&faults)));
        config.warnings.iter().any(|said| said.contains("no audience has bureau = true"))
    };
    let actual = good.replacen("mode = \"test\"", "mode = \"actual\"", 1);
    assert!(!warned(actual.clone()), "the bureau of this file was not seen");
    assert!(warned(actual.replacen("bureau = true", "bureau = false", 1)), "nothing was said");
}

#[test]
fn configuration_client_id_tells_sites_apart() {
    let good = std::fs::read_to_string(configs().join("demo.toml")).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("site.toml");
    for (id, own, said) in [
        ("north", "", "safety-brain-north-field"),
        ("south", "", "safety-brain-south-field"),
        ("south", "client_id = \"mine\"\n", "mine"),
    ] {
        let id = format!("[site]\nid = {id:?}");
        let text = good.replacen("[site]\nid = \"demo\"", &id, 1).replacen("port = 1883", &format!("{own}port = 1883"), 1);
        std::fs::write(&path, text).unwrap();
        let config = load(&path).unwrap_or_else(|faults| panic!("{}", lines(&faults)));
        let LinkKind::Mqtt(mqtt) = &config.links[0].kind else { panic!("the first link is MQTT") };
        assert_eq!(mqtt.client_id, said);
    }
}

#[test]
fn configuration_names_the_command_that_builds_a_missing_rule() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("site.toml");
    std::fs::copy(configs().join("demo.toml"), &path).unwrap();
    let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_safety-brain"));
    let ended = command.args(["check", "--allow-unsigned", "--config"]).arg(&path).output().unwrap();
    let said = String::from_utf8_lossy(&ended.stderr);
    let remedy = format!("`safety-brain plugin build CRATE --out {}`", folder.path().join("plugins").display());
    assert!(said.contains(&remedy), "{said}");
}

#[test]
fn configuration_leaves_no_level_untold() {
    let faults = changed(|good| good.replace(" blue = \"0s\",", "").replace(" blue = \"900s\",", "")).unwrap_err();
    assert!(lines(&faults).contains("nobody who is told of blue"), "{}", lines(&faults));
}

#[test]
fn configuration_limits_of_one_hazard_rise_into_danger() {
    let again = |severity: &str, value: u32| {
        changed(|good| {
            let start = good.find("[[tag.limit]]\nhazard = \"pipe.pressure\"").unwrap();
            let limit = &good[start..start + good[start..].find("\n\n").unwrap()];
            let second = limit.replace("\"yellow\"", &format!("{severity:?}")).replace("240", &value.to_string());
            good.replacen(limit, &format!("{limit}\n\n{second}"), 1)
        })
    };
    assert!(again("orange", 200).is_ok());
    assert!(lines(&again("orange", 300).unwrap_err()).contains("further into danger"));
    assert!(lines(&again("yellow", 200).unwrap_err()).contains("each severity once"));
}

#[test]
fn configuration_spreads_over_included_files() {
    let good = std::fs::read_to_string(configs().join("demo.toml")).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    let tail = good.find("[[audience]]").unwrap();
    std::fs::write(at("people.toml"), &good[tail..]).unwrap();
    let check = |include: &str| {
        std::fs::write(at("site.toml"), format!("include = [{include}]\n{}", &good[..tail])).unwrap();
        load(&at("site.toml"))
    };
    assert_eq!(check("\"people.toml\"").unwrap().channels.len(), 4);

    std::fs::write(
        at("again.toml"),
        "\n[[zone]]\nname = \"mix-3\"\ntitle = { zh = \"甲\", en = \"A\" }\nladder = \"standard\"\n",
    )
    .unwrap();
    let faults = check("\"people.toml\", \"again.toml\"").unwrap_err();
    assert!(faults.iter().any(|f| f.origin.file.ends_with("again.toml") && f.origin.line == 3), "{}", lines(&faults));

    assert!(lines(&check("\"people.toml\", \"gone.toml\"").unwrap_err()).contains("gone.toml: No such file"));
    let many = "\"people.toml\", ".repeat(33);
    assert!(lines(&check(&many).unwrap_err()).contains("too many files"), "a file too many was left out in silence");
}

/// Every key of the demonstration's file: renamed, of another type, and gone.
#[test]
fn configuration_never_panics_on_a_broken_file_and_always_finds_the_break() {
    let good = std::fs::read_to_string(configs().join("demo.toml")).unwrap();
    let all: Vec<&str> = good.lines().collect();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("bad.toml");
    let mut tried = 0;
    for (index, line) in all.iter().enumerate() {
        let Some((key, _)) = line.split_once(" = ").filter(|(key, _)| key.chars().all(|c| c.is_ascii_alphanumeric() || c == '_'))
        else {
            continue;
        };
        let check = |changed: &str| {
            let mut bad = all.clone();
            bad[index] = changed;
            std::fs::write(&path, bad.join("\n")).unwrap();
            load(&path)
        };
        let named = |changed: &str, key: &str| {
            let faults = check(changed).expect_err(changed);
            let found = faults.iter().any(|fault| fault.key.ends_with(key));
            assert!(found, "line {}: {changed}: {}", index + 1, lines(&faults));
        };
        named(&line.replacen(key, &format!("{key}_x"), 1), &format!("{key}_x"));
        named(&format!("{key} = [{{}}]"), key);
        // A key that may be missing leaves a good file behind.
        if let Err(faults) = check("") {
            let said = lines(&faults);
            assert!(said.contains(key), "line {}: without {key}: {said}", index + 1);
        }
        tried += 1;
    }
    assert!(tried > 150, "only {tried} keys tried");
}

/// What of `value` does not fit a schema; knows the words that our schemas use, and no others.
fn misfits(schema: &Value, value: &Value, at: &str) -> Vec<String> {
    let mut said = Vec::new();
    for (word, rule) in schema.as_object().unwrap() {
        match word.as_str() {
            "type" => {
                let fits = match rule.as_str().unwrap() {
                    "object" => value.is_object(),
                    "array" => value.is_array(),
                    "string" => value.is_string(),
                    "boolean" => value.is_boolean(),
                    "integer" => value.is_i64(),
                    "number" => value.is_number(),
                    other => panic!("unknown type {other}"),
                };
                said.extend((!fits).then(|| format!("{at} is not of type {rule}")));
            }
            "enum" => said.extend((!rule.as_array().unwrap().contains(value)).then(|| format!("{at} is none of {rule}"))),
            "const" => said.extend((rule != value).then(|| format!("{at} is not {rule}"))),
            "minimum" => said.extend((value.as_f64() < rule.as_f64()).then(|| format!("{at} is below {rule}"))),
            "maximum" => said.extend((value.as_f64() > rule.as_f64()).then(|| format!("{at} is above {rule}"))),
            "minItems" | "maxItems" | "pattern" | "default" | "title" | "$schema" | "if" => {}
            "required" => {
                let missing = rule.as_array().unwrap().iter().filter(|key| value.get(key.as_str().unwrap()).is_none());
                said.extend(missing.map(|key| format!("{at} lacks {key}")));
            }
            "propertyNames" => {
                let wrong =
                    value.as_object().unwrap().keys().filter(|key| !rule["enum"].as_array().unwrap().iter().any(|k| k == *key));
                said.extend(wrong.map(|key| format!("{at}.{key} does not belong here")));
            }
            "properties" => {
                let known = rule.as_object().unwrap().iter().filter_map(|(key, of)| Some((key, of, value.get(key)?)));
                said.extend(known.flat_map(|(key, of, value)| misfits(of, value, &format!("{at}.{key}"))));
            }
            "additionalProperties" => {
                let keys = value.as_object().into_iter().flatten().map(|(key, _)| key);
                let unknown = keys.filter(|key| schema["properties"].get(key.as_str()).is_none() && rule == false);
                said.extend(unknown.map(|key| format!("{at}.{key} is unknown")));
            }
            "items" => said.extend(value.as_array().unwrap().iter().flat_map(|item| misfits(rule, item, at))),
            "anyOf" => {
                // One that is of its type; what it says of it then counts.
                let of_type = |of: &&Value| misfits(&serde_json::json!({"type": of["type"]}), value, at).is_empty();
                match rule.as_array().unwrap().iter().find(of_type) {
                    Some(of) => said.extend(misfits(of, value, at)),
                    None => said.push(format!("{at} is of no type that may stand there")),
                }
            }
            "allOf" => {
                for case in rule.as_array().unwrap() {
                    if misfits(&case["if"], value, at).is_empty() {
                        said.extend(misfits(&case["then"], value, at));
                    }
                }
            }
            other => panic!("{at}: {other} is a word this test does not know"),
        }
    }
    said
}

#[test]
fn configuration_schema_fits_the_shipped_files_and_tells_protocols_apart() {
    let schema = schema();
    let read = |text: &str| toml::from_str::<Value>(text).unwrap();
    for name in SHIPPED {
        let text = std::fs::read_to_string(configs().join(format!("{name}.toml"))).unwrap();
        assert_eq!(misfits(&schema, &read(&text), name), Vec::<String>::new());
    }
    let good = std::fs::read_to_string(configs().join("demo.toml")).unwrap();
    for (from, to, said) in [
        ("timeout = \"1s\"", "keep_alive = \"9s\"", "keep_alive does not belong here"),
        ("bureau = true", "bureau = 1", "bureau is not of type"),
        ("url = \"http://127.0.0.1:9/cap\"\n", "", "lacks \"url\""),
        ("kind = \"low\"", "kind = \"lower\"", "kind is none of"),
        ("segment_mib = 16", "segment_mb = 16", "segment_mb is unknown"),
    ] {
        let found = misfits(&schema, &read(&good.replacen(from, to, 1)), "site").join("\n");
        assert!(found.contains(said), "{to:?}: {found:?}");
    }
}

#[test]
fn configuration_schema_knows_every_key_of_the_shipped_files() {
    let schema = schema();
    assert!(schema["properties"]["tag"]["items"]["properties"]["limit"]["items"]["properties"]["citation"]["properties"]["confidence"].is_object());
    for kind in ["topic", "point", "time", "host", "columns"] {
        assert!(schema["properties"]["link"]["items"]["properties"][kind].is_object(), "link.{kind} is not described");
    }
    let rung = &schema["properties"]["ladder"]["items"]["properties"]["rung"]["items"]["properties"];
    for key in ["within", "outside", "hazards", "zones", "no_receipt", "no_answer", "unreachable"] {
        assert!(rung["only"]["properties"][key].is_object(), "rung.only.{key} is not described: {rung}");
    }
    assert!(rung["repeat"]["properties"]["every"].is_object(), "{rung}");
    assert!(schema.to_string().contains("\"sign\":{\"type\":\"object\""), "whose signature CAP bears is not described");
}
