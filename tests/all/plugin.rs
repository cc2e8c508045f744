//! A vendor's way from an empty folder to a rule that a plant takes, with the real program and cargo, and nothing else.
//! Must not know: any type of the host.

use crate::process::root;
use serde_json::Value;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Output};

fn safety_brain(folder: &Path, words: &[&str]) -> Output {
    // What cargo makes of the crates around the rule is kept between runs; the rule's own folder is new each time.
    let target = Path::new(env!("CARGO_TARGET_TMPDIR")).join("vendor");
    let mut command = Command::new(env!("CARGO_BIN_EXE_safety-brain"));
    command.args(["plugin"]).args(words).current_dir(folder).env("CARGO_TARGET_DIR", target).env("SAFETY_BRAIN_LOG", "error");
    command.output().unwrap()
}

/// Standard output of a command that must succeed.
fn good(folder: &Path, words: &[&str]) -> String {
    let output = safety_brain(folder, words);
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(0), "{words:?}: {said}");
    String::from_utf8(output.stdout).unwrap()
}

/// Standard error of a command that must refuse, and say all of this.
fn refused(folder: &Path, words: &[&str], parts: &[&str]) {
    let output = safety_brain(folder, words);
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{words:?}: {said}");
    for part in parts {
        assert!(said.contains(part), "{words:?}: {part:?} is not in: {said}");
    }
}

fn site(key: &str, plugin: &str) -> String {
    let title = "{ zh = \"t\", en = \"t\" }";
    format!(
        "[site]\nid = \"t\"\ntitle = {title}\nsender = \"t@plant.example\"\n\
         [[publisher]]\nname = \"acme\"\nkey = {key:?}\n\
         [[zone]]\nname = \"room\"\ntitle = {title}\nladder = \"all\"\n\
         [[link]]\nname = \"rtu\"\nkind = \"modbus\"\nhost = \"127.0.0.1\"\nport = 9\n[[link.point]]\ntag = \"T\"\ntable = \"holding\"\naddress = 0\ntype = \"i16\"\n\
         [[tag]]\nname = \"T\"\ntitle = {title}\nzone = \"room\"\nlink = \"rtu\"\nunit = \"Cel\"\nquantity = \"temperature\"\nrange = [-20, 80]\nperiod = \"1s\"\n\
         [[audience]]\nname = \"crew\"\ntitle = {title}\nchannel = \"console\"\n\
         [[ladder]]\nname = \"all\"\n[[ladder.rung]]\nname = \"crew\"\naudience = \"crew\"\nkind = \"at_once\"\nafter = {{ blue = \"0s\", yellow = \"0s\", orange = \"0s\", red = \"0s\" }}\n\
         [[rule]]\nname = \"hot\"\nplugin = {plugin:?}\npublisher = \"acme\"\nzone = \"room\"\ninputs = {{ air = [\"T\"] }}\n"
    )
}

#[test]
fn plugin_from_an_empty_folder_to_a_bundle_that_a_plant_takes() {
    let folder = tempfile::tempdir().unwrap();
    let (here, at) = (folder.path(), |name: &str| folder.path().join(name));
    good(here, &["keygen", "--out", "acme"]);
    let mode = |name: &str| at(name).metadata().unwrap().permissions().mode() & 0o777;
    assert_eq!(mode("acme.key"), 0o600);
    refused(here, &["keygen", "--out", "acme"], &["acme.pub exists already", "another name"]);
    good(here, &["keygen", "--out", "mallory"]);

    good(here, &["new", "Warm_Hall"]);
    refused(here, &["new", "Warm_Hall"], &["Warm_Hall exists and is not an empty folder", "another name"]);
    let text = std::fs::read_to_string(at("Warm_Hall/src/lib.rs")).unwrap();
    assert!(text.contains("\"warm-hall\", env!") && !text.contains("my-rule") && !text.contains("hot-room"), "{text}");
    for path in ["safety-brain/sdk/Cargo.toml", "wit/rule/rule.wit", "README.md", ".gitignore"] {
        assert!(at("Warm_Hall").join(path).is_file(), "{path}");
    }
    std::fs::rename(at("Warm_Hall"), at("hall")).unwrap();

    let built = good(here, &["build", "hall"]);
    let component = built.lines().next().unwrap();
    assert!(
        component.ends_with("rules/warm-hall-0.1.0.wasm") && built.contains("sha256:") && built.contains("bytes; imports"),
        "{built}"
    );
    let checked = good(here, &["check", "hall"]);
    assert!(checked.contains("good; warm-hall@0.1.0") && !checked.contains("not started"), "{checked}");
    assert!(good(here, &["check", component]).contains("started with tags and settings made up here"));
    let tested = good(here, &["test", "hall"]);
    assert!(tested.contains("votes: good; ") && tested.contains("1 case, all good"), "{tested}");
    let measured = good(here, &["bench", "hall"]);
    assert!(measured.contains("ns per row") && measured.contains("memory ") && measured.lines().count() == 7, "{measured}");
    let measured: serde_json::Value = serde_json::from_str(&good(here, &["bench", "hall", "--json"])).unwrap();
    assert!(
        measured["calls"].as_array().is_some_and(|calls| calls.iter().all(|call| call["fuel"].as_u64() > Some(0))),
        "{measured}"
    );
    let (case, text) = (at("hall/cases/votes.toml"), std::fs::read_to_string(at("hall/cases/votes.toml")).unwrap());
    std::fs::write(&case, text.replace("15,40,hot,orange", "15,40,hot,red")).unwrap();
    refused(here, &["test", "hall"], &["hall/cases: 1 of 1 case failed"]);
    let told: Value = serde_json::from_slice(&safety_brain(here, &["test", "hall", "--json"]).stdout).unwrap();
    assert_eq!((&told["good"], &told["cases"][0]["name"]), (&false.into(), &"votes".into()), "{told}");
    assert!(told["cases"][0]["faults"][0].as_str().is_some_and(|fault| fault.contains("not said: hot red from 15")), "{told}");
    // What the case binds and sets has a place, and a name that is near.
    let slips = text.replacen("0,air,20,", "0,ari,20,", 1).replacen("until = ", "params = { limti = 30 }\nuntil = ", 1);
    assert_ne!(slips.len(), text.len());
    std::fs::write(&case, slips).unwrap();
    let output = safety_brain(here, &["test", "hall"]);
    let (said, building) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    for part in [
        "hall/cases/votes.toml:7: inputs.ari: found an unknown name; allowed: air; did you mean `air`?",
        "hall/cases/votes.toml:3: params.limti: found an unknown name; allowed: limit; did you mean `limit`?",
    ] {
        assert!(output.status.code() == Some(1) && said.contains(part), "{part:?} is not in: {said}");
    }
    assert!(building.starts_with("building rule hall ...\n") && building.contains("1 of 1 case failed"), "{building}");
    std::fs::write(&case, "about = 1").unwrap();
    std::fs::write(at("hall/cases/also.toml"), "until = 1").unwrap();
    refused(here, &["test", "hall"], &["hall/cases/also.toml: ", "hall/cases/votes.toml: "]);
    std::fs::remove_file(at("hall/cases/also.toml")).unwrap();
    std::fs::write(&case, &text).unwrap();
    let native = ["test", "--release", "--manifest-path", "hall/Cargo.toml"];
    let target = Path::new(env!("CARGO_TARGET_TMPDIR")).join("vendor");
    let native = Command::new(env!("CARGO")).args(native).current_dir(here).env("CARGO_TARGET_DIR", target).output().unwrap();
    assert!(native.status.success(), "{}", String::from_utf8_lossy(&native.stderr));
    good(here, &["build", "hall", "--out", "built"]);
    std::fs::write(at("built/warm-hall-0.1.0.wasm"), "another").unwrap();
    refused(
        here,
        &["build", "hall", "--out", "built"],
        &["built/warm-hall-0.1.0.wasm exists and is another component", "raise the version"],
    );

    good(here, &["sign", "hall", "--key", "acme.key"]);
    let bundle = "hall/warm-hall-0.1.0.sbrule";
    refused(here, &["sign", "hall", "--key", "acme.key"], &["warm-hall-0.1.0.sbrule exists already", "raise the version"]);
    refused(here, &["sign", "hall", "--key", "gone.key"], &["gone.key does not exist"]);
    assert!(good(here, &["verify", bundle, "--key", "acme.pub"]).contains("good; warm-hall@0.1.0 by Example"));
    refused(here, &["verify", bundle, "--key", "mallory.pub"], &[bundle, "it is signed by ed25519:", "the right key"]);
    refused(here, &["verify", component, "--key", "acme.pub"], &["warm-hall-0.1.0.wasm", "no bundle of a rule", "plugin sign"]);

    let public = std::fs::read_to_string(at("acme.pub")).unwrap();
    let told: Value = serde_json::from_str(&good(here, &["inspect", bundle, "--json"])).unwrap();
    assert_eq!(
        (&told["id"], &told["version"], &told["publisher"]),
        (&"warm-hall".into(), &"0.1.0".into(), &public.trim().into())
    );
    assert_eq!(told["inputs"][0]["unit"], "Cel");
    assert!(built.contains(told["digest"].as_str().unwrap()), "{told}");
    assert_eq!((&told["untested"], &told["signature"]), (&false.into(), &"valid".into()));
    let limit = |name: &str| ["wanted", "effective", "most"].map(|part| told["limits"][name][part].as_u64().unwrap());
    assert_eq!((limit("deadline_ms"), limit("findings")), ([10, 10, 100], [16, 16, 1024]), "{told}");
    assert!(limit("fuel_per_call")[1] > 0 && limit("memory_kib")[1] > 0, "{told}");
    let text = good(here, &["inspect", bundle]);
    // Whatever its name is.
    std::fs::copy(here.join(bundle), at("bundle.download")).unwrap();
    assert!(good(here, &["inspect", "bundle.download"]).contains(public.trim()));
    assert!(
        text.contains("deadline 10 ms (asked for; at most 100)")
            && text.contains(public.trim())
            && text.contains("contract safety-brain:rule@1.0.0")
            && text.contains("停止作业"),
        "{text}"
    );

    std::fs::write(at("site.toml"), site(public.trim(), "warm-hall@0.1.0")).unwrap();
    assert!(good(here, &["check", bundle, "--config", "site.toml"]).contains("1 rule may run it"));
    std::fs::write(at("other.toml"), site(public.trim(), "cold-hall@0.1.0")).unwrap();
    refused(here, &["check", bundle, "--config", "other.toml"], &["no rule says plugin = \"warm-hall@0.1.0\""]);
    std::fs::write(at("older.toml"), site(public.trim(), "warm-hall@0.0.9")).unwrap();
    refused(
        here,
        &["check", bundle, "--config", "older.toml"],
        &["[[rule]] \"hot\" names warm-hall@0.0.9: write plugin = \"warm-hall@0.1.0\" there", "plugin install", "--as-next"],
    );
    // Held against the place of the one that runs, as an install would: with its publisher, its inputs, and never backwards.
    let next = |site: &str| ["check", bundle, "--config", site, "--as-next"].map(str::to_owned);
    let next = |site: &str| safety_brain(here, &next(site).each_ref().map(String::as_str));
    assert!(String::from_utf8_lossy(&next("older.toml").stdout).contains("1 rule may run it"));
    std::fs::create_dir(at("data")).unwrap();
    let ran = |version: &str| format!("{{\"hot\": {{\"plugin\": \"warm-hall\", \"version\": \"{version}\"}}}}");
    let site_file = std::fs::read_to_string(at("older.toml")).unwrap();
    std::fs::write(at("ran.toml"), format!("{site_file}[storage]\ndata_dir = \"data\"\n")).unwrap();
    for (version, status) in [("0.2.0", 1), ("0.0.9", 0)] {
        std::fs::write(at("data/rule-versions.json"), ran(version)).unwrap();
        let output = next("ran.toml");
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(status), "{said}");
        assert_eq!(said.contains("this rule has run at 0.2.0 before"), status == 1, "{said}");
    }
    // All at once, and each at its line: who signed it, inputs and params.
    let mallory = std::fs::read_to_string(at("mallory.pub")).unwrap();
    let slips = "inputs.aire = [\"T\"]\n[rule.params]\nlimti = 30\nlimit = \"high\"\n";
    let unbound = site_file.replace("inputs = { air = [\"T\"] }\n", slips).replace(public.trim(), mallory.trim());
    std::fs::write(at("unbound.toml"), &unbound).unwrap();
    let output = next("unbound.toml");
    let said = String::from_utf8_lossy(&output.stderr);
    let line = |text: &str| 1 + unbound.lines().position(|line| line.starts_with(text)).unwrap();
    for (text, key, part) in [
        ("publisher = ", "publisher", "it is signed by"),
        ("inputs.aire", "inputs.aire", "did you mean `air`?"),
        ("limti", "params.limti", "did you mean `limit`?"),
        ("limit", "params.limit", "found \"high\"; allowed: a number"),
    ] {
        let place = format!("unbound.toml:{}: rule.hot.{key}: ", line(text));
        let told = said.lines().any(|line| line.starts_with(&place) && line.contains(part));
        assert!(output.status.code() == Some(1) && told, "{place}: {part:?} is not in: {said}");
    }
    let unsigned =
        ["did you mean `air`?", "did you mean `limit`?", "hall is unsigned, and unbound.toml takes warm-hall@0.1.0 from"];
    refused(here, &["check", "hall", "--config", "unbound.toml", "--as-next"], &unsigned);
    std::fs::write(at("mallory.toml"), site(mallory.trim(), "warm-hall@0.1.0")).unwrap();
    refused(here, &["check", bundle, "--config", "mallory.toml"], &["mallory.toml:", "rule.hot.publisher", "it is signed by"]);
    std::fs::create_dir(at("plugins")).unwrap();
    std::fs::copy(at(bundle), at("plugins/warm-hall-0.1.0.sbrule")).unwrap();
    let output = Command::new(env!("CARGO_BIN_EXE_safety-brain"))
        .args(["check", "--config", "site.toml"])
        .current_dir(here)
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    one_status_for_one_fault(here, bundle, &site(public.trim(), "warm-hall@0.1.0"));

    let mut bytes = std::fs::read(at(bundle)).unwrap();
    let half = bytes.len() / 2;
    bytes[half] ^= 1;
    std::fs::write(at("bent.sbrule"), bytes).unwrap();
    for words in [&["verify", "bent.sbrule", "--key", "acme.pub"][..], &["inspect", "bent.sbrule"], &["check", "bent.sbrule"]] {
        refused(here, words, &["bent.sbrule", "the file was changed", "copy it again"]);
    }
    let wrong = safety_brain(here, &["sign", "hall"]);
    assert_eq!(wrong.status.code(), Some(2), "a missing argument is wrong usage");
    assert!(!root().join("hall").exists());
}

/// What a mistyped name is told, by every command that takes one: the thing, and the way on.
#[test]
fn plugin_what_is_not_there_is_told_with_the_way_on() {
    let folder = tempfile::tempdir().unwrap();
    let here = folder.path();
    std::fs::write(here.join("afile"), "x").unwrap();
    let makes = "`safety-brain plugin new` makes";
    for command in ["check", "build", "test", "bench"] {
        refused(here, &[command, "gone"], &["gone does not exist: name the folder", makes]);
        refused(here, &[command, "."], &[".: this is no rule's folder", makes]);
    }
    refused(here, &["build", "afile"], &["afile is no folder: name the folder of the rule's crate", makes]);
    for file in ["gone", "."] {
        refused(here, &["verify", file, "--key", "nope.pub"], &[file, "is no file: name the bundle", "plugin sign` wrote"]);
    }
    refused(here, &["verify", "afile", "--key", "nope.pub"], &["nope.pub is no file: name the NAME.pub", "plugin keygen"]);
    refused(here, &["new", "afile/sub"], &["afile is a file, and no folder can be made in it", "another name"]);
    refused(here, &["new", "--", "-x"], &["-x: a folder whose name begins with `-`", "another name"]);
    refused(here, &["keygen", "--out", "nowhere/acme"], &["nowhere is no folder: make it first"]);
    refused(here, &["keygen", "--out", "."], &["--out .: give the name of the keys, for example ./acme"]);
    refused(here, &["keygen", "--out", "new/"], &["--out new/: give the name of the keys, for example new/acme"]);
    refused(here, &["keygen", "--out", "bolt.key"], &["give the name without its ending: bolt"]);
    assert!(!here.join("nowhere").exists());
    let output = safety_brain(here, &["check", "gone", "--json"]);
    let told: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert!(output.status.code() == Some(1) && told["error"].as_str().unwrap().contains("gone does not exist"), "{told}");
}

/// The reference rules' own cases, in the sandbox of every plant.
#[test]
fn plugin_cases_of_the_reference_rules_are_good_in_the_sandbox() {
    for plugin in ["plugins/gas-detector", "plugins/fireworks-room"] {
        let output = Command::new(env!("CARGO_BIN_EXE_safety-brain"))
            .args(["plugin", "test", plugin])
            .current_dir(root())
            .output()
            .unwrap();
        let (out, said) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        assert!(output.status.success() && out.contains("all good"), "{plugin}: {out}{said}");
    }
}

/// What is changed in the rule of the template, the commands that must refuse it, and all that must be said.
type Mistake = (&'static str, &'static str, &'static [&'static str], &'static [&'static str]);

const MISTAKES: &[Mistake] = &[
    (
        "state!(0, 2)",
        "state!(0)",
        &["test", "sign"],
        &["votes: FAILED", "s, hazard `hot`: restored from its own snapshot", "state that `snapshot` does not keep"],
    ),
    ("limit {1} °C", "limit {9} °C", &["check"], &["phrase `air` in en: it has a place {9} and none for {1}"]),
    (
        "(\"气温{0}℃，上限{1}℃\", \"Air {0} °C, limit {1} °C\")",
        "(\"气温{0}℃\", \"Air {0} °C\")",
        &["test"],
        &["phrase \"Air {0} °C\" has the places {0} and was given 2 numbers"],
    ),
    (
        "air.take(readings);",
        "air.take(readings); assert!(air.highest().is_none_or(|row| row.value < 30.0), \"too hot to think\"); log(\"still here\");",
        &["test", "sign"],
        &[
            "at 5 s: Trap: evaluate, called with 3 rows: panicked at src/lib.rs:",
            "too hot to think; in ",
            "and ",
            " more",
            "log at 0 s: still here",
        ],
    ),
    ("Watch::new(\"hot\")", "Watch::new(\"hott\")", &["check", "test"], &["hazard `hott` is not described; described are: hot"]),
    (
        "start.limit(\"limit\"",
        "start.limit(\"raise\"",
        &["check"],
        &["init: Trap: init: panicked at src/lib.rs:", "param `raise` is not described; described are: limit"],
    ),
    (
        "air.take(readings);",
        "while std::hint::black_box(true) {}\n        air.take(readings);",
        &["check"],
        &["evaluate, called without rows, used up its 2000000 fuel and did not return: an endless loop, or raise `.fuel(...)`"],
    ),
];

/// What a vendor does wrong is found by the sandbox as it is by `cargo test`, and told with its name and place; nothing of it is signed.
#[test]
fn plugin_mistakes_of_a_vendor_are_told() {
    let folder = tempfile::tempdir().unwrap();
    let (here, code) = (folder.path(), folder.path().join("hall/src/lib.rs"));
    good(here, &["new", "hall"]);
    good(here, &["keygen", "--out", "acme"]);
    refused(here, &["sign", "hall", "--key", "acme.pub"], &["acme.pub is the public half", "sign with acme.key"]);
    let whole = std::fs::read_to_string(&code).unwrap();
    for (right, wrong, commands, parts) in MISTAKES {
        assert!(whole.contains(right), "{right}");
        std::fs::write(&code, whole.replacen(right, wrong, 1)).unwrap();
        for command in *commands {
            let words = [&[*command, "hall"][..], if *command == "sign" { &["--key", "acme.key"] } else { &[] }].concat();
            let output = safety_brain(here, &words);
            let said = [output.stdout, output.stderr].concat();
            let said = String::from_utf8_lossy(&said);
            assert_eq!(output.status.code(), Some(1), "{wrong}: {said}");
            for part in *parts {
                assert!(said.contains(part), "{words:?} of {wrong}: {part:?} is not in: {said}");
            }
        }
    }
    // The host is asked for seconds as the timeline is: 4 rows are kept, of a tag that comes each second.
    let past = "air.take(readings);\n        if at % (5 * SECOND) == 0 && readings.len() > 0 {\n            log(&format!(\"{} rows of 2 s, {} of 60 s\", history_s(0, at, 2).len(), history_s(0, at, 60).len()));\n        }";
    let kept = whole.replacen(".tags(1, 8)", ".tags(1, 8).history(4)", 1);
    assert!(kept != whole);
    std::fs::write(&code, kept.replacen("air.take(readings);", past, 1)).unwrap();
    let shown = good(here, &["test", "hall"]);
    assert!(shown.contains("1 rows of 2 s, 1 of 60 s") && shown.contains("3 rows of 2 s, 4 of 60 s"), "{shown}");
    // What is no mistake yet, and told all the same: more lines than a plant shows, rows asked for that no input keeps.
    let loud = "air.take(readings);\n        (0..6).for_each(|n| log_at(LogLevel::Warn, &format!(\"{n}, {} rows\", history(0, 0, 9).len())));";
    std::fs::write(&code, whole.replacen("air.take(readings);", loud, 1)).unwrap();
    assert!(good(here, &["test", "hall"]).contains("more were not shown: a plant shows three a second"));
    for command in ["check", "build"] {
        let told = safety_brain(here, &[command, "hall"]);
        let warned = String::from_utf8_lossy(&told.stderr);
        assert!(
            told.status.success() && warned.contains("no input keeps any rows: say how many by `.history(rows)`"),
            "{command}: {warned}"
        );
    }
    // What lies outside the range of an input is not believed, as where a tag's own range is: nobody gives one here.
    let below = "about = 'x'\nuntil = 30\nrows = \"time,input,value,quality\\n0,air,20,\\n5,air,-30,\"\nexpect = \"from,to,hazard,level\\n15,,hot,cannot-tell\"\n";
    std::fs::write(here.join("hall/cases/below.toml"), below).unwrap();
    std::fs::write(&code, whole.replacen(".tags(1, 8)", ".tags(1, 8).range(-20.0, 80.0)", 1)).unwrap();
    assert!(good(here, &["test", "hall"]).contains("2 cases, all good"));
    std::fs::remove_file(here.join("hall/cases/below.toml")).unwrap();
    // A version that was raised needs nothing else; what is signed unseen says so; the control is signed.
    let (manifest, bundle) = (here.join("hall/Cargo.toml"), here.join("hall/hall-0.2.0.sbrule"));
    let raised = std::fs::read_to_string(&manifest).unwrap().replace("0.1.0", "0.2.0");
    std::fs::write(&manifest, raised).unwrap();
    assert!(!bundle.exists());
    assert!(good(here, &["sign", "hall", "--key", "acme.key", "--untested"]).contains("untested: its cases were not run"));
    let of = bundle.to_str().unwrap();
    for words in [&["verify", of, "--key", "acme.pub"][..], &["inspect", of]] {
        assert!(good(here, words).contains("UNTESTED"), "{words:?}");
    }
    // That it is there is known before anything is built: this code does not build.
    std::fs::write(&code, "nonsense").unwrap();
    refused(here, &["sign", "hall", "--key", "acme.key"], &["hall-0.2.0.sbrule exists already", "raise the version"]);
    std::fs::remove_file(&bundle).unwrap();
    let numbered = std::fs::read_to_string(&manifest).unwrap();
    for unnumbered in ["", "version = \"0.0.0\""] {
        std::fs::write(&manifest, numbered.replace("version = \"0.2.0\"", unnumbered)).unwrap();
        refused(
            here,
            &["build", "hall"],
            &["hall/Cargo.toml: its version is missing, or 0.0.0: write `version = \"0.1.0\"` below"],
        );
    }
    std::fs::write(&manifest, numbered).unwrap();
    std::fs::write(&code, whole).unwrap();
    assert!(good(here, &["sign", "hall", "--key", "acme.key"]).contains("tested: 1 case, all good"));
}

/// Whatever command finds it: a rule that does not go with what the site file says of it is refused, a site file at fault by itself is status 2; and of
/// many faults the first are told.
fn one_status_for_one_fault(here: &Path, bundle: &str, good: &str) {
    let bound = good.replace("inputs = { air = [\"T\"] }", "inputs = { aire = [\"T\"] }");
    assert_ne!(good, bound);
    let prose = "this is no site file, and nobody = would = take it for one\n".repeat(60);
    for (text, status, part) in [(bound.as_str(), 1, "did you mean `air`?"), (&prose, 2, " more: mend these first")] {
        std::fs::write(here.join("fault.toml"), text).unwrap();
        for words in [
            &["check", "--config", "fault.toml"][..],
            &["run", "--config", "fault.toml", "--data", "never"],
            &["plugin", "check", bundle, "--config", "fault.toml"],
            &["backtest", "--bundle", bundle, "--config", "fault.toml", "--file", "day.csv"],
        ] {
            let output = Command::new(env!("CARGO_BIN_EXE_safety-brain")).args(words).current_dir(here).output().unwrap();
            let said = String::from_utf8_lossy(&output.stderr);
            assert!(output.status.code() == Some(status) && said.contains(part), "{words:?}: {}: {said}", output.status);
            assert!(said.lines().count() <= 22, "{words:?}: {said}");
        }
        let output = Command::new(env!("CARGO_BIN_EXE_safety-brain"))
            .args(["check", "--json", "--config", "fault.toml"])
            .current_dir(here)
            .output()
            .unwrap();
        let told: Value = serde_json::from_slice(&output.stdout).unwrap();
        assert_eq!(output.status.code(), Some(status));
        assert_eq!(told["faults"].as_array().unwrap().len() > 20, status == 2, "{told}");
    }
}
