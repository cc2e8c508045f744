//! The life of a rule on a running plant, with the real program and a vendor's two versions: install, shadow, promote by two persons, SIGKILL, roll back,
//! disable, enable, a file that is gone; and of one that fails: quarantined, back once by itself, and then waiting for a person. Must not know: any type
//! of the host.

use crate::hostile::{GUESTS, VERSION};
use crate::judge::{export, outcomes, verify};
use crate::process::{Process, broker, eventually, free_port, mosquitto_or_skip};
use crate::publisher::{Line, wall_us};
use crate::site::{TOKEN, get};
use serde_json::{Value, json};
use sha2::Digest;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

const BOB: &str = "sb_another_lead_of_the_tests";
/// Dangerous for version 0.2.0 alone: its limit is 30, that of 0.1.0 is 34.
const BETWEEN: u64 = 32;
/// The field is quiet once it has sent [`LAST`].
const QUIET: u64 = u64::MAX;
const LAST: u64 = 21;
/// What the hostile rule cannot bear.
const POISON: u64 = 666;
/// A rule says again that all is clear once a minute.
const SOON: Duration = Duration::from_secs(120);

/// The template of `plugin new` in two versions, each signed by acme; the second once more by somebody else; and by acme two more of the second's
/// code, one under the number of the first and one under a number before it.
fn bundles(folder: &Path) -> [PathBuf; 5] {
    let vendor = |words: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_safety-brain"));
        let target = Path::new(env!("CARGO_TARGET_TMPDIR")).join("vendor");
        let output = command.arg("plugin").args(words).current_dir(folder).env("CARGO_TARGET_DIR", target).output().unwrap();
        assert!(output.status.success(), "{words:?}: {}", String::from_utf8_lossy(&output.stderr));
    };
    vendor(&["keygen", "--out", "acme"]);
    vendor(&["keygen", "--out", "mallory"]);
    vendor(&["new", "hall"]);
    let (code, manifest) = (folder.join("hall/src/lib.rs"), folder.join("hall/Cargo.toml"));
    let text = std::fs::read_to_string(&code).unwrap();
    let quick = text.replace("on_s(5).off_s(60)", "on_s(1).off_s(1)").replace("vote(at, 2,", "vote(at, 1,");
    assert_ne!(text, quick);
    std::fs::write(&code, &quick).unwrap();
    std::fs::remove_dir_all(folder.join("hall/cases")).unwrap();
    vendor(&["sign", "hall", "--key", "acme.key", "--untested"]);
    std::fs::write(&code, quick.replace("34.0", "30.0")).unwrap();
    let later = std::fs::read_to_string(&manifest).unwrap().replace("0.1.0", "0.2.0");
    std::fs::write(&manifest, later).unwrap();
    vendor(&["sign", "hall", "--key", "acme.key", "--untested"]);
    vendor(&["sign", "hall", "--key", "mallory.key", "--untested", "--out", "forged"]);
    let second = std::fs::read_to_string(&manifest).unwrap();
    for (version, out) in [("0.1.0", "again"), ("0.0.9", "hall")] {
        std::fs::write(&manifest, second.replace("0.2.0", version)).unwrap();
        vendor(&["sign", "hall", "--key", "acme.key", "--untested", "--out", out]);
    }
    let files = ["hall/hall-0.1.0", "hall/hall-0.2.0", "forged/hall-0.2.0", "again/hall-0.1.0", "hall/hall-0.0.9"];
    files.map(|file| folder.join(format!("{file}.sbrule")))
}

/// One rule over one tag: the lines of `[plugins]`, of the tag's measure, and of the rule.
fn site([plugins, measure, rule]: [&str; 3], mqtt: u16, console: u16) -> String {
    let title = "{ zh = \"t\", en = \"t\" }";
    let hash = |token: &str| sha2::Sha256::digest(token.as_bytes()).iter().map(|b| format!("{b:02x}")).collect::<String>();
    let person =
        |name: &str, token: &str| format!("[[person]]\nname = {name:?}\nrole = \"lead\"\ntoken_sha256 = \"{}\"\n", hash(token));
    format!(
        "[site]\nid = \"t\"\ntitle = {title}\nsender = \"t@plant.example\"\n[plugins]\n{plugins}\n[console]\nbind = \"127.0.0.1:{console}\"\n\
         [[zone]]\nname = \"room\"\ntitle = {title}\nladder = \"all\"\n\
         [[link]]\nname = \"field\"\nkind = \"mqtt\"\nhost = \"127.0.0.1\"\nport = {mqtt}\n\
         [[link.topic]]\nfilter = \"plant/+\"\npayload = \"json\"\ntag_level = 1\nvalue = \"/v\"\ntime = {{ pointer = \"/t\", format = \"us\" }}\n\
         [[tag]]\nname = \"T\"\ntitle = {title}\nzone = \"room\"\nlink = \"field\"\n{measure}\nperiod = \"1s\"\nsilent = \"10min\"\n\
         [[audience]]\nname = \"crew\"\ntitle = {title}\nchannel = \"console\"\n\
         [[ladder]]\nname = \"all\"\n[[ladder.rung]]\nname = \"crew\"\naudience = \"crew\"\nkind = \"at_once\"\nafter = {{ blue = \"0s\", yellow = \"0s\", orange = \"0s\", red = \"0s\" }}\n\
         [[rule]]\nname = \"hot\"\nzone = \"room\"\n{rule}\n"
    ) + &person("ann", TOKEN)
        + &person("bob", BOB)
}

/// The plant, and the two who may change it.
struct Plant {
    folder: tempfile::TempDir,
    console: u16,
}

impl Plant {
    fn start(&self) -> Process {
        let at = |name: &str| self.folder.path().join(name).to_str().unwrap().to_owned();
        let process = Process::safety_brain(&["run", "--config", &at("site.toml"), "--data", &at("data")]);
        eventually("the console answers", SOON, || self.rule().map(drop));
        process
    }

    fn step(&self, who: &str, words: &[&str]) -> Output {
        let (url, token) = (format!("http://127.0.0.1:{}", self.console), format!("{who}.token"));
        let mut command = Command::new(env!("CARGO_BIN_EXE_safety-brain"));
        command.arg("plugin").args(words).args(["--url", &url, "--token-file", &token]).current_dir(self.folder.path());
        command.output().unwrap()
    }

    fn good(&self, who: &str, words: &[&str], part: &str) {
        let output = self.step(who, words);
        let (said, error) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        assert!(output.status.code() == Some(0) && said.contains(part), "{who} {words:?}: {said}{error}");
    }

    fn refused(&self, who: &str, words: &[&str], parts: &[&str]) {
        let output = self.step(who, words);
        let error = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{who} {words:?}: {error}");
        parts.iter().for_each(|part| assert!(error.contains(part), "{who} {words:?}: {part:?} is not in: {error}"));
    }

    /// Two persons take a step.
    fn both(&self, step: &[&str], what: &str) {
        self.good("ann", step, "proposed: it is done once a second person approves");
        self.refused("ann", &["approve", "hot", what], &["another person than the one who proposed it"]);
        self.good("bob", &["approve", "hot", what], "hot: ");
    }

    fn rule(&self) -> Result<Value, String> {
        Ok(get(self.console, "/api/v1/rules")?["items"][0].clone())
    }

    fn runs(&self, plugin: &str, stage: &str) {
        eventually(&format!("{plugin} is {stage}"), SOON, || {
            let rule = self.rule()?;
            if rule["plugin"] == plugin && rule["stage"] == stage { Ok(()) } else { Err(rule.to_string()) }
        });
    }

    /// Conditions of the alarms of this hazard that are not closed.
    fn alarms(&self, hazard: &str) -> Vec<String> {
        let all = get(self.console, "/api/v1/alarms?state=active").unwrap();
        let of = all["items"].as_array().unwrap().iter().filter(|alarm| alarm["hazard"] == hazard);
        of.map(|alarm| format!("{}{}", alarm["condition"].as_str().unwrap(), if alarm["held"] == true { ", held" } else { "" }))
            .collect()
    }

    fn stands(&self, hazard: &str, as_this: &[&str]) {
        eventually(&format!("{hazard} {as_this:?}"), SOON, || {
            let now = self.alarms(hazard);
            if now == as_this { Ok(()) } else { Err(format!("{now:?}")) }
        });
    }

    /// The field is quiet, and the rule has had all that was sent.
    fn quiet(&self, value: &AtomicU64) {
        value.store(QUIET, Ordering::SeqCst);
        eventually("the field is quiet", SOON, || {
            let tags = get(self.console, "/api/v1/tags")?;
            if tags["items"][0]["value"] == LAST as f64 { Ok(()) } else { Err(tags.to_string()) }
        });
    }

    /// What became of the rule, in order, as the record has it.
    fn changes(&self) -> Vec<String> {
        fn find(value: &Value, found: &mut Vec<String>) {
            let word = |key: &str| value[key].as_str().unwrap_or_default().to_owned();
            match value {
                Value::Object(fields) if word("outcome") == "rule" => {
                    assert!(fields["digest"].as_str().unwrap().starts_with("sha256:"), "{value}");
                    found.push(format!("{} {}", word("plugin"), word("change")));
                }
                Value::Object(fields) => fields.values().for_each(|one| find(one, found)),
                Value::Array(all) => all.iter().for_each(|one| find(one, found)),
                _ => {}
            }
        }
        let mut found = Vec::new();
        find(&get(self.console, "/api/v1/events?kind=rule&limit=1000").unwrap(), &mut found);
        found
    }
}

#[test]
fn lifecycle_of_a_rule_without_a_restart_by_two_persons_and_over_a_kill() {
    let test = "lifecycle_of_a_rule_without_a_restart_by_two_persons_and_over_a_kill";
    let Some(program) = mosquitto_or_skip(test) else { return };
    let folder = tempfile::tempdir().unwrap();
    let here = folder.path();
    let all = bundles(here);
    let [first, second, forged, again, older] = all.each_ref().map(|path| path.to_str().unwrap());
    let (_broker, mqtt) = broker(program, here);
    let console = free_port();
    let key = std::fs::read_to_string(here.join("acme.pub")).unwrap();
    let rule = format!(
        "plugin = \"hall@0.1.0\"\npublisher = \"acme\"\ninputs = {{ air = [\"T\"] }}\n[[publisher]]\nname = \"acme\"\nkey = {:?}",
        key.trim()
    );
    let measure = "unit = \"Cel\"\nquantity = \"temperature\"\nrange = [-20, 80]";
    std::fs::write(here.join("site.toml"), site(["two_persons = true", measure, &rule], mqtt, console)).unwrap();
    std::fs::create_dir(here.join("plugins")).unwrap();
    std::fs::copy(first, here.join("plugins/hall-0.1.0.sbrule")).unwrap();
    for (who, token) in [("ann", TOKEN), ("bob", BOB)] {
        std::fs::write(here.join(format!("{who}.token")), token).unwrap();
    }
    let plant = Plant { folder, console };

    let (value, stop) = (Arc::new(AtomicU64::new(20)), Arc::new(AtomicBool::new(false)));
    let (reads, ends) = (Arc::clone(&value), Arc::clone(&stop));
    let field = std::thread::spawn(move || {
        let (mut line, mut before) = (Line::open(mqtt), QUIET);
        while !ends.load(Ordering::SeqCst) {
            let now = reads.load(Ordering::SeqCst);
            if (now, before) != (QUIET, QUIET) {
                line.send("T", if now == QUIET { LAST } else { now }, wall_us());
            }
            before = now;
            std::thread::sleep(Duration::from_millis(100));
        }
        line.close();
    });
    let process = plant.start();
    plant.runs("hall@0.1.0", "active");

    // Only what passes admission is installed, and what runs stays.
    plant.refused("ann", &["install", "cold", second], &["no rule \"cold\"", "hot"]);
    plant.refused("ann", &["install", "hot", forged], &["rule.hot.publisher", "signed by"]);
    plant.refused("ann", &["install", "hot", "acme.pub"], &["no bundle of a rule"]);
    // No version twice with another component, and none backwards.
    let twice = ["rule.hot.plugin: found `hall@0.1.0` with the component sha256:", "run at 0.1.0 as sha256:", "a later version"];
    plant.refused("ann", &["install", "hot", again], &twice);
    let back = ["rule.hot.plugin: found `hall@0.0.9`, and this rule has run at 0.1.0 before", "0.1.0 or later", "roll back"];
    plant.refused("ann", &["install", "hot", older], &back);
    // Larger than any other body may be, and heard to the end.
    std::fs::write(plant.folder.path().join("large"), vec![7; 4 << 20]).unwrap();
    plant.refused("ann", &["install", "hot", "large"], &["no bundle of a rule"]);
    plant.refused("ann", &["install", "hot", first], &["already: hall@0.1.0 (signed by acme, UNTESTED) is what runs in hot"]);
    plant.refused("ann", &["promote", "hot"], &["hot: nothing is installed", "plugin install"]);
    plant.good("ann", &["install", "hot", second], "installed: hall@0.2.0 sha256:");
    plant.refused(
        "ann",
        &["install", "hot", second],
        &["already: hall@0.2.0 (signed by acme, UNTESTED) is installed", "plugin shadow hot"],
    );
    plant.refused("ann", &["promote", "hot"], &["does not run as a shadow", "plugin shadow", "--despite"]);
    plant.good("ann", &["list"], "hot: hall@0.1.0 sha256:");
    plant.good("ann", &["list"], "signed by acme, UNTESTED, active");
    plant.refused("ann", &["release", "hot"], &["hot: it is not in quarantine", "plugin list"]);
    plant.refused("ann", &["promote", "cold"], &["no rule \"cold\" runs there; there are: hot"]);
    plant.refused("ann", &["rollback", "hot", "--digest", "sha256:00"], &["hot: nothing ran before what runs now"]);
    std::fs::write(plant.folder.path().join("nobody.token"), "sb_nobody_of_this_plant").unwrap();
    plant.refused("nobody", &["list"], &["does not know the token in nobody.token", "[[person]]", "token_sha256"]);
    let output = Command::new(env!("CARGO_BIN_EXE_safety-brain"))
        .args(["plugin", "list", "--url", "nonsense", "--token-file", "ann.token"])
        .current_dir(plant.folder.path())
        .output()
        .unwrap();
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(error.contains("--url \"nonsense\" is no address of a console; for example http://"), "{error}");
    // What was changed is told as that, whatever stands there.
    let mut bent = std::fs::read(second).unwrap();
    let middle = bent.len() - 10;
    bent[middle] = if bent[middle] == b'0' { b'1' } else { b'0' };
    std::fs::write(plant.folder.path().join("bent"), bent).unwrap();
    plant.refused("ann", &["install", "hot", "bent"], &["bent: its signature is not that of ed25519:", "copy it again"]);

    // A shadow sees danger that the active one does not: compared, on record, and nobody is alarmed.
    plant.quiet(&value);
    plant.good("ann", &["shadow", "hot", "--note", "new limit"], "has judged no reading since it was loaded");
    // Of one that has judged nothing, nobody knows how it does here.
    plant.refused(
        "ann",
        &["promote", "hot"],
        &["hot: its shadow has judged no reading since it was loaded", "wait", "--despite"],
    );
    value.store(BETWEEN, Ordering::SeqCst);
    eventually("the shadow differs", SOON, || {
        let rule = plant.rule()?;
        let row = &rule["next"]["shadow"]["compared"][0];
        let seen = row["only_shadow"]["seconds"].as_f64().is_some_and(|seconds| seconds > 3.0);
        if seen && row["hazard"] == "hot" { Ok(()) } else { Err(rule.to_string()) }
    });
    assert_eq!(plant.alarms("hot"), Vec::<String>::new(), "a shadow alarms nobody");
    plant.good("ann", &["list"], "has judged readings, 0 strikes");

    // Promoted, the same reading is an alarm at once; killed in the middle, it still runs.
    let unknown = [
        "hot: no version with the digest \"sha256:00\" is installed here; hall@0.1.0 sha256:",
        " runs, hall@0.2.0 sha256:",
        "`plugin list`",
    ];
    for words in [&["promote", "hot"][..], &["shadow", "hot"], &["approve", "hot", "promote"]] {
        plant.refused("bob", &[words, &["--digest", "sha256:00"]].concat(), &unknown);
    }
    let runs = plant.rule().unwrap()["digest"].as_str().unwrap().to_owned();
    plant.refused("bob", &["promote", "hot", "--digest", &runs], &["superseded", "another component"]);
    plant.both(&["promote", "hot"], "promote");
    plant.runs("hall@0.2.0", "active");
    plant.stands("hot", &["active"]);
    assert!(process.kill());
    let mut process = plant.start();
    plant.runs("hall@0.2.0", "active");
    let rule = plant.rule().unwrap();
    assert_eq!(
        (&rule["promoted"]["by"], &rule["promoted"]["second"], &rule["site_plugin"], &rule["untested"]),
        (&"ann".into(), &"bob".into(), &"hall@0.1.0".into(), &true.into()),
        "{rule}"
    );
    plant.stands("hot", &["active"]);

    // Back: the old one says that it is no danger.
    plant.both(&["rollback", "hot"], "rollback");
    plant.runs("hall@0.1.0", "active");
    plant.stands("hot", &["cleared"]);

    // A rollback is shown as one, and the way on is said.
    plant.good("ann", &["list"], "rolled back at");
    plant.refused("ann", &["promote", "hot"], &["hall@0.2.0 stands as the one that ran before", "plugin rollback hot"]);
    plant.refused(
        "ann",
        &["install", "hot", second],
        &["hall@0.2.0 (signed by acme, UNTESTED) stands as the one that ran before", "plugin rollback hot"],
    );

    // Nothing is put out of use in silence.
    for words in [&["disable", "hot"][..], &["disable", "hot", "--note", ""]] {
        let output = plant.step("ann", words);
        let error = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.code() == Some(2) && error.contains("--note"), "{words:?}: {error}");
    }
    plant.both(&["disable", "hot", "--note", "new cable"], "disable");
    plant.runs("hall@0.1.0", "disabled");
    plant.stands("rule.disabled", &["active"]);
    plant.refused("ann", &["rollback", "hot"], &["the rule is disabled: `plugin enable` first"]);
    plant.good("ann", &["enable", "hot"], "active");
    plant.stands("rule.disabled", &["cleared"]);

    // A step that is sent twice does not bring back what was rolled back from.
    plant.refused("ann", &["rollback", "hot"], &["people rolled back from it", "plugin rollback --despite"]);
    // What was promoted and is gone gives way to the site file's, and says so.
    plant.both(&["rollback", "hot", "--despite", "it was the cable"], "roll-back");
    plant.runs("hall@0.2.0", "active");
    process.stop();
    // The site file's own is damaged: what was promoted runs, and it is said that there is nothing behind it.
    let file = plant.folder.path().join("plugins/hall-0.1.0.sbrule");
    let whole = std::fs::read(&file).unwrap();
    let mut damaged = whole.clone();
    damaged[whole.len() / 2] ^= 1;
    std::fs::write(&file, &damaged).unwrap();
    let mut process = plant.start();
    plant.runs("hall@0.2.0", "active");
    plant.stands("rule.base-lost", &["active"]);
    assert_eq!(plant.alarms("rule.lost"), Vec::<String>::new());
    process.stop();
    std::fs::write(&file, &whole).unwrap();
    std::fs::remove_dir_all(plant.folder.path().join("data/rules")).unwrap();
    let mut process = plant.start();
    plant.runs("hall@0.1.0", "active");
    plant.stands("rule.fallback", &["cleared"]);

    let (old, new) = ("hall@0.1.0", "hall@0.2.0");
    let expected = [
        (new, "installed"),
        (new, "shadowed"),
        (new, "proposed"),
        (new, "promoted"),
        (old, "proposed"),
        (old, "rolled_back"),
        (old, "proposed"),
        (old, "disabled"),
        (old, "enabled"),
        (new, "proposed"),
        (new, "rolled_back"),
        (old, "withdrawn"),
        (old, "fell_back"),
    ];
    let expected = expected.map(|(plugin, change)| format!("{plugin} {change}"));
    // The store follows the record, and on a busy machine some way behind a start.
    eventually("the store has it all", SOON, || {
        let changes = plant.changes();
        if changes == expected { Ok(()) } else { Err(format!("{changes:?}")) }
    });
    process.stop();

    // A file that is damaged costs its own rule: the plant is watched all the same, and says so until the file is whole again.
    std::fs::write(&file, damaged).unwrap();
    let mut process = plant.start();
    plant.stands("rule.lost", &["active"]);
    plant.runs(old, "lost");
    plant.quiet(&value);
    process.stop();
    std::fs::write(&file, whole).unwrap();
    let mut process = plant.start();
    plant.stands("rule.lost", &["cleared"]);
    plant.runs(old, "active");
    process.stop();
    stop.store(true, Ordering::SeqCst);
    field.join().unwrap();
    verify(&plant.folder.path().join("data")).unwrap();
}

/// The digest of a component, as the record names it.
fn digest(file: &Path) -> String {
    format!("sha256:{:x}", sha2::Sha256::digest(std::fs::read(file).unwrap()))
}

#[test]
fn lifecycle_of_a_rule_that_fails_is_back_once_by_itself_and_then_waits_for_a_person() {
    let test = "lifecycle_of_a_rule_that_fails_is_back_once_by_itself_and_then_waits_for_a_person";
    let Some(program) = mosquitto_or_skip(test) else { return };
    let folder = tempfile::tempdir().unwrap();
    let (_broker, mqtt) = broker(program, folder.path());
    let console = free_port();
    let (name, after) = (format!("poison-value@{VERSION}"), Duration::from_secs(3));
    let plugins = format!(
        "dir = {:?}\nallow_unsigned = true\nquarantine = {{ strikes = 2, within = \"60s\", return_after = \"{}s\" }}",
        *GUESTS,
        after.as_secs()
    );
    let rule = format!("plugin = {name:?}\ninputs = {{ values = [\"T\"] }}");
    let measure = "unit = \"1\"\nquantity = \"number\"\nrange = [0, 1000]";
    std::fs::write(folder.path().join("site.toml"), site([&plugins, measure, &rule], mqtt, console)).unwrap();
    std::fs::write(folder.path().join("ann.token"), TOKEN).unwrap();
    let plant = Plant { folder, console };

    // Poison comes once, whenever it is asked for.
    let (poison, stop) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicBool::new(false)));
    let (asked, ends) = (Arc::clone(&poison), Arc::clone(&stop));
    let field = std::thread::spawn(move || {
        let mut line = Line::open(mqtt);
        while !ends.load(Ordering::SeqCst) {
            line.send("T", if asked.swap(false, Ordering::SeqCst) { POISON } else { LAST }, wall_us());
            std::thread::sleep(Duration::from_millis(100));
        }
        line.close();
    });
    let mut process = plant.start();
    plant.runs(&name, "active");
    plant.stands("first", &["active"]);
    assert_eq!(plant.alarms("device.blind"), Vec::<String>::new());

    poison.store(true, Ordering::SeqCst);
    eventually("it is out of use, and returns by itself", SOON, || {
        let rule = plant.rule()?;
        if rule["stage"] == "quarantined" && rule["returns_at"].is_string() { Ok(()) } else { Err(rule.to_string()) }
    });
    // One for each hazard that nobody judges; what stands is held.
    plant.stands("device.blind", &["active"; 2]);
    plant.stands("first", &["active, held"]);
    plant.runs(&name, "active");
    plant.stands("device.blind", &["cleared"; 2]);
    plant.stands("first", &["active"]);

    poison.store(true, Ordering::SeqCst);
    plant.runs(&name, "quarantined");
    plant.stands("device.blind", &["active"; 2]);
    let out = Instant::now();
    eventually("more than its time has passed", SOON, || if out.elapsed() > 2 * after { Ok(()) } else { Err(String::new()) });
    let rule = plant.rule().unwrap();
    assert!(rule["stage"] == "quarantined" && rule["returns_at"].is_null(), "{rule}");
    plant.stands("device.blind", &["active"; 2]);
    plant.good("ann", &["release", "hot"], "hot: ");
    plant.runs(&name, "active");
    plant.stands("device.blind", &["cleared"; 2]);
    process.stop();
    stop.store(true, Ordering::SeqCst);
    field.join().unwrap();

    let data = plant.folder.path().join("data");
    verify(&data).unwrap();
    let mut turns = Vec::new();
    let of = digest(&GUESTS.join(format!("poison-value-{VERSION}.wasm")));
    export(&data, |record| {
        for outcome in outcomes(&record).filter(|outcome| outcome["outcome"] == "quarantine") {
            assert_eq!((&outcome["rule"], &outcome["plugin"], &outcome["digest"]), (&"hot".into(), &json!(name), &json!(of)));
            turns.push((outcome["on"] == true, outcome["by_itself"] == true));
        }
    });
    assert_eq!(turns, [(true, false), (false, true), (true, false), (false, false)], "out, back by itself, out, released");
}
