//! The vendor's guide, followed word for word from an empty folder: every command of `plugins/README.md` runs, those of the next version against a plant
//! at work, and the Chinese one has the same commands, headings and tables. Must not know: what any command does.

use crate::process::{Process, broker, eventually, free_port, mosquitto_or_skip, root};
use crate::publisher::{Line, wall_us};
use crate::site::{TOKEN, get, sha256};
use std::path::Path;
use std::process::{Command, Output};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// The commands of the guide by section that has some, without their comments.
fn commands(file: &str) -> Vec<Vec<String>> {
    let text = std::fs::read_to_string(root().join("plugins").join(file)).unwrap();
    let blocks = text.split("```sh\n").skip(1).map(|rest| rest.split("```").next().unwrap());
    blocks.map(|block| block.lines().map(|line| line.split(" #").next().unwrap().trim().to_owned()).collect()).collect()
}

/// Headings by level and rows of tables, in their order: `#`, `##`, `|`.
fn outline(file: &str) -> Vec<String> {
    let text = std::fs::read_to_string(root().join("plugins").join(file)).unwrap();
    let mark = |line: &str| line.chars().take_while(|c| *c == '#' || *c == '|').collect::<String>();
    // What lies between fences is no prose.
    let prose = text.split("```").step_by(2).flat_map(str::lines);
    prose.map(mark).filter(|found| !found.is_empty()).collect()
}

/// Runs them all in one shell. `console`: of the plant that the last ones are about.
fn followed(folder: &Path, commands: &[String], console: u16) -> Output {
    let program = Path::new(env!("CARGO_BIN_EXE_safety-brain")).parent().unwrap();
    let path = format!("{}:{}", program.display(), std::env::var("PATH").unwrap_or_default());
    let target = Path::new(env!("CARGO_TARGET_TMPDIR")).join("vendor");
    let mut shell = Command::new("bash");
    shell.args(["-euxc", &commands.join("\n")]).current_dir(folder).env("PATH", path).env("CARGO_TARGET_DIR", target);
    shell
        .env("SAFETY_BRAIN_URL", format!("http://127.0.0.1:{console}"))
        .env("SAFETY_BRAIN_TOKEN_FILE", folder.join("lead.token"));
    shell.output().unwrap()
}

/// A plant that runs the bundle which the guide made, as the guide says it is written.
fn site(key: &str, mqtt: u16, console: u16) -> String {
    let title = "title = { zh = \"t\", en = \"t\" }";
    let tag = |name: &str| {
        format!(
            "[[tag]]\nname = \"{name}\"\n{title}\nzone = \"hall\"\nlink = \"field\"\nunit = \"Cel\"\nquantity = \"temperature\"\nrange = [-20, 80]\nperiod = \"1s\"\n"
        )
    };
    let guide = std::fs::read_to_string(root().join("plugins/README.md")).unwrap();
    let rule = guide.split("```toml\n").nth(1).unwrap().split("```").next().unwrap();
    assert!(rule.contains("key = \"ed25519:...\"") && rule.contains("plugin = \"hot-hall@0.1.0\""), "{rule}");
    format!(
        "[site]\nid = \"t\"\n{title}\nsender = \"t@plant.example\"\n[plugins]\ndir = \"hot-hall\"\n[console]\nbind = \"127.0.0.1:{console}\"\n\
         [[zone]]\nname = \"hall\"\n{title}\nladder = \"all\"\n\
         [[link]]\nname = \"field\"\nkind = \"mqtt\"\nhost = \"127.0.0.1\"\nport = {mqtt}\n[[link.topic]]\nfilter = \"plant/+\"\npayload = \"json\"\ntag_level = 1\nvalue = \"/v\"\ntime = {{ pointer = \"/t\", format = \"us\" }}\n{}{}\
         [[audience]]\nname = \"crew\"\n{title}\nchannel = \"console\"\n\
         [[ladder]]\nname = \"all\"\n[[ladder.rung]]\nname = \"crew\"\naudience = \"crew\"\nkind = \"at_once\"\nafter = {{ blue = \"0s\", yellow = \"0s\", orange = \"0s\", red = \"0s\" }}\n\
         [[person]]\nname = \"lead\"\nrole = \"lead\"\ntoken_sha256 = \"{}\"\n{}",
        tag("TT-1"),
        tag("TT-2"),
        sha256(TOKEN),
        rule.replace("ed25519:...", key)
    )
}

#[test]
fn guide_is_followed_word_for_word() {
    let Some(mosquitto) = mosquitto_or_skip("guide_is_followed_word_for_word") else { return };
    let guide = commands("README.md");
    assert_eq!(guide, commands("README.zh-CN.md"));
    let [first, next] = &guide[..] else { panic!("{guide:?}") };
    assert!(first.len() >= 10 && first.iter().any(|line| line.starts_with("safety-brain plugin sign")), "{guide:?}");
    assert!(next.iter().any(|line| line.starts_with("safety-brain plugin promote")), "{guide:?}");
    let (folder, console) = (tempfile::tempdir().unwrap(), free_port());
    let here = folder.path();
    let output = followed(here, first, console);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(said.contains("1 case, all good") && said.contains("hot-hall@0.1.0"), "{said}");
    assert!(here.join("hot-hall/hot-hall-0.1.0.sbrule").is_file());
    // All of it was built of the very packages that the program brings: what cargo had to change would be another set.
    let locked = |at: &Path| std::fs::read_to_string(at.join("hot-hall/Cargo.lock")).unwrap();
    let fresh = tempfile::tempdir().unwrap();
    assert!(followed(fresh.path(), &first[..1], console).status.success());
    assert_eq!(locked(here), locked(fresh.path()));

    let key = std::fs::read_to_string(here.join("acme.pub")).unwrap();
    let (_broker, mqtt) = broker(mosquitto, here);
    let at = |name: &str| here.join(name).to_str().unwrap().to_owned();
    std::fs::write(at("site.toml"), site(key.trim(), mqtt, console)).unwrap();
    std::fs::write(at("hot-hall/lead.token"), TOKEN).unwrap();
    let _plant = Process::safety_brain(&["run", "--config", &at("site.toml"), "--data", &at("data")]);
    eventually("the console answers", Duration::from_secs(60), || get(console, "/api/v1/health").map(drop));
    let stop = Arc::new(AtomicBool::new(false));
    let ends = Arc::clone(&stop);
    let field = std::thread::spawn(move || {
        let mut line = Line::open(mqtt);
        while !ends.load(Ordering::SeqCst) {
            ["TT-1", "TT-2"].iter().for_each(|tag| line.send(tag, 20, wall_us()));
            std::thread::sleep(Duration::from_millis(100));
        }
        line.close();
    });
    // Whoever reads the list before promoting sees whether the shadow has judged readings.
    let promotes = next.iter().position(|line| line.starts_with("safety-brain plugin promote")).unwrap();
    let (first, then) = next.split_at(promotes);
    let hall = here.join("hot-hall");
    let mut said = String::new();
    for (commands, judged) in [(first, true), (then, false)] {
        let output = followed(&hall, commands, console);
        said += &[&output.stdout, &output.stderr].map(|text| String::from_utf8_lossy(text).into_owned()).concat();
        assert!(output.status.success(), "{said}");
        eventually("its shadow has judged readings", Duration::from_secs(60), || {
            let rules = get(console, "/api/v1/rules")?;
            if !judged || rules["items"][0]["next"]["shadow"]["judged"] == true { Ok(()) } else { Err(rules.to_string()) }
        });
    }
    stop.store(true, Ordering::SeqCst);
    field.join().unwrap();
    for part in
        ["hot-hall-0.2.0.sbrule: good", "installed: hot-hall@0.2.0", "shadow since", "signed by acme, active", "rolled back at"]
    {
        assert!(said.contains(part), "{part:?} is not in: {said}");
    }
    assert!(!said.contains("UNTESTED"), "its cases were run: {said}");
}

#[test]
fn guide_has_the_same_parts_in_both_languages() {
    let parts = outline("README.md");
    assert!(parts.len() > 40, "{parts:?}");
    assert_eq!(parts, outline("README.zh-CN.md"));
}

/// The control: a guide with a slip in it is told.
#[test]
fn guide_control_a_wrong_command_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let output = followed(folder.path(), &["safety-brain plugin nwe hot-hall".to_owned(), "true".to_owned()], 9);
    assert_eq!(output.status.code(), Some(2));
}
