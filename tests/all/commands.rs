//! The command line as a person meets it: every command explains itself, and ends quietly when nobody reads on.
//! Must not know: what a command does.

use crate::process::{eventually, root};
use crate::tools::recorded;
use clap::{Command, CommandFactory, Parser};
use safety_brain::cli::Cli;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

/// All commands with their words, those that only hold others too.
fn every(command: &Command, before: &[String], found: &mut Vec<(Vec<String>, Command)>) {
    for of in command.get_subcommands().filter(|of| of.get_name() != "help") {
        let words = [before, &[of.get_name().to_owned()]].concat();
        found.push((words.clone(), of.clone()));
        every(of, &words, found);
    }
}

fn commands() -> Vec<(Vec<String>, Command)> {
    let mut all = Cli::command();
    all.build();
    let mut found = vec![(vec![], all.clone())];
    every(&all, &[], &mut found);
    assert!(found.len() > 20, "only {} commands", found.len());
    found
}

/// A full disk behind `>`: one line says so, and the status too.
#[test]
fn commands_that_cannot_print_say_so_and_fail() {
    let folder = tempfile::tempdir().unwrap();
    let data = recorded(folder.path());
    let data = ["--data", data.to_str().unwrap()];
    // It reads a recording; the demonstration's plug-ins are not built here.
    let site = folder.path().join("site.toml");
    let cases: [(&[&str], &[&str]); 9] = [
        (&["docs"], &[]),
        (&["docs", "readme"], &[]),
        (&["check", "--config", site.to_str().unwrap()], &[]),
        (&["journal", "export"], &data),
        (&["journal", "verify"], &data),
        (&["journal", "stat", "--json"], &data),
        (&["journal", "anchor"], &data),
        (&["store", "stat"], &data),
        (&["evidence", "key"], &data),
    ];
    for (words, more) in cases {
        let run = |out: Stdio| {
            let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_safety-brain"));
            command.args(words).args(more).env("SAFETY_BRAIN_LOG", "error").current_dir(root()).stdout(out).output().unwrap()
        };
        let full = std::fs::File::options().write(true).open("/dev/full").unwrap();
        let out = run(full.into());
        let said = String::from_utf8_lossy(&out.stderr).into_owned();
        assert_eq!(out.status.code(), Some(1), "{words:?}: {said}");
        let errors: Vec<&str> = said.lines().filter(|line| line.starts_with("error: ")).collect();
        assert!(errors.len() == 1 && errors[0].contains("os error 28") && !said.contains("panicked"), "{words:?}: {said}");
        // The control: where there is room, it is printed.
        let out = run(Stdio::piped());
        assert!(out.status.success() && !out.stdout.is_empty(), "{words:?}: {}", String::from_utf8_lossy(&out.stderr));
    }
}

#[test]
fn commands_explain_themselves_with_statuses_and_examples_that_parse() {
    for (words, mut command) in commands() {
        let help = command.render_long_help().to_string();
        assert!(help.contains("Exit status:\n  0  "), "{words:?} does not say what its exit status means:\n{help}");
        let examples: Vec<&str> = help.lines().filter_map(|line| line.strip_prefix("  safety-brain ")).collect();
        assert!(!examples.is_empty(), "{words:?} has no example:\n{help}");
        for example in examples {
            let line: Vec<&str> = std::iter::once("safety-brain").chain(example.split_whitespace()).collect();
            assert!(line[1..].starts_with(&words.iter().map(String::as_str).collect::<Vec<_>>()), "{words:?} shows {example:?}");
            if let Err(error) = Cli::try_parse_from(&line) {
                panic!("an example of {words:?} does not parse: {example:?}: {error}");
            }
        }
    }
    for words in [&["help", "--help"][..], &["help", "-h"], &["plugin", "help", "--help"]] {
        let (asked, meant) = (safety_brain(words).output().unwrap(), safety_brain(&words[..words.len() - 1]).output().unwrap());
        assert!(
            asked.status.code() == Some(0) && !asked.stdout.is_empty() && asked.stdout == meant.stdout,
            "{words:?}: {asked:?}"
        );
    }
    let nothing = safety_brain(&["help", "--hlep"]).output().unwrap();
    assert_eq!(nothing.status.code(), Some(2), "{nothing:?}");
    let wrong = Cli::try_parse_from(["safety-brain", "journal", "verify", "--dta", "x"]);
    assert!(wrong.is_err(), "a parser that takes anything proves nothing");
}

fn safety_brain(words: &[&str]) -> std::process::Command {
    let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_safety-brain"));
    command.args(words).env("SAFETY_BRAIN_LOG", "error").current_dir(root());
    command
}

pub fn closed() -> std::io::PipeWriter {
    std::io::pipe().unwrap().1
}

/// `COMMAND | head`: a reader that has seen enough.
#[test]
fn commands_end_quietly_when_nobody_reads_on() {
    let folder = tempfile::tempdir().unwrap();
    let data = recorded(folder.path());
    let at = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    let data = data.to_str().unwrap();
    let (acme, public, built) = (at("acme"), at("acme.pub"), at("gas-detector-0.1.0.sbrule"));
    let made = safety_brain(&["plugin", "keygen", "--out", &acme]).output().unwrap();
    let signed = ["plugin", "sign", "plugins/gas-detector", "--key", &at("acme.key"), "--out", folder.path().to_str().unwrap()];
    let signed = safety_brain(&signed).output().unwrap();
    assert!(made.status.success() && signed.status.success(), "{}", String::from_utf8_lossy(&signed.stderr));
    let (site, day) = (at("site.toml"), at("day.csv"));
    let key = safety_brain(&["evidence", "key", "--data", data]).output().unwrap();
    assert!(key.status.success(), "{}", String::from_utf8_lossy(&key.stderr));
    let output = safety_brain(&["evidence", "export", "--data", data, "--alarm", "1", "--out", &at("a.jsonl")]).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let lines: &[&[&str]] = &[
        &["check", "--config", &site],
        &["check", "--schema"],
        &["check", "--json", "--config", "gone.toml"],
        &["replay", "--config", &site, "--file", &day],
        &["journal", "verify", "--data", data],
        &["journal", "export", "--data", data],
        &["journal", "stat", "--data", data],
        &["journal", "anchor", "--data", data],
        &["store", "rebuild", "--data", data],
        &["store", "stat", "--data", data],
        &["alarms", "report", "--data", data],
        &["evidence", "export", "--data", data, "--alarm", "1", "--out", &at("b.jsonl")],
        &["evidence", "verify", &at("a.jsonl")],
        &["evidence", "key", "--data", data],
        &["backup", "--data", data, "--out", &at("backup")],
        &["restore", "--from", &at("backup"), "--data", &at("restored")],
        &["cap", "keygen", "--out", &at("plant"), "--sender", "plant@example.cn"],
        &["cap", "verify", "--json", concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/fuzz/corpus/cap-message/alert")],
        &["cap", "schema"],
        &["plugin", "new", &at("new-rule")],
        &["plugin", "keygen", "--out", &at("other")],
        &["plugin", "check", &built],
        &["plugin", "inspect", &built],
        &["plugin", "verify", &built, "--key", &public],
        &["docs"],
        &["docs", "site"],
        &["docs", "commands"],
    ];
    for words in lines {
        let output = safety_brain(words).stdout(closed()).output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        let quiet = said.lines().all(|line| line.starts_with("warning: "));
        assert!(output.status.signal() == Some(13) && quiet, "{words:?}: {}: {said}", output.status);
    }
    // What a command says of its own failure may find nobody either.
    let status = safety_brain(&["check", "--config", "gone.toml"]).stderr(closed()).status().unwrap();
    assert_eq!(status.signal(), Some(13), "{status}");
    for (words, command) in commands().iter().filter(|(_, command)| !command.has_subcommands()) {
        let name: Vec<&str> = words.iter().map(String::as_str).collect();
        // These go on without a reader, or print nothing before a compiler has run for minutes.
        let apart = [
            &["run"][..],
            &["demo"],
            &["plugin", "build"],
            &["plugin", "sign"],
            &["plugin", "test"],
            &["plugin", "bench"],
            &["compile-rule"],
            &["backtest"],
            &["drill", "run"],
            // Tried where there is a drill: see `drill`.
            &["drill", "report"],
        ]
        .contains(&name.as_slice());
        // These speak to a running plant.
        let far = name[0] == "plugin"
            && ["list", "install", "shadow", "withdraw", "promote", "rollback", "disable", "enable", "release", "approve"]
                .contains(name.last().unwrap());
        let apart = apart || far;
        assert!(apart || lines.iter().any(|line| line.starts_with(&name)), "{} is not tried", command.get_name());
    }
}

/// What goes wrong names the thing, the place and the remedy.
#[test]
fn commands_refuse_with_thing_place_and_remedy() {
    let folder = tempfile::tempdir().unwrap();
    let data = recorded(folder.path());
    let at = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    let (data, site, day) = (data.to_str().unwrap(), at("site.toml"), at("day.csv"));
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    std::fs::write(at("run.toml"), plant()).unwrap();
    std::fs::write(at("taken.toml"), plant().replace("127.0.0.1:0", &taken.local_addr().unwrap().to_string())).unwrap();
    std::fs::write(at("other.toml"), plant().replace("id = \"test\"", "id = \"other\"")).unwrap();
    let (gone, inside) = (at("gone"), format!("{data}/inside"));
    let key = at("elsewhere/keys/evidence.key");
    std::fs::create_dir(at("elsewhere")).unwrap();
    assert!(safety_brain(&["evidence", "key", "--data", &at("elsewhere")]).output().unwrap().status.success());
    let findings = format!("{gone}/found.csv");
    let cases: &[(&[&str], i32, &[&str])] = &[
        (&["run", "--config", &gone], 2, &["gone: (file)", "No such file", "docs site"]),
        (
            &["run", "--config", &at("taken.toml"), "--data", &at("new")],
            1,
            &["cannot listen on", "choose another in [console] bind"],
        ),
        (
            &["run", "--config", &at("run.toml"), "--data", &site],
            1,
            &["cannot make the data directory", "site.toml", "--data or"],
        ),
        (&["run", "--config", &at("other.toml"), "--data", data], 1, &["belongs to the site \"test\"", "another data directory"]),
        (&["journal", "verify", "--data", &gone], 1, &["no journal in", "gone", "--data"]),
        (&["journal", "stat", "--data", data, "--limit-gib", "nan"], 2, &["--limit-gib", "nan", "above 0"]),
        (&["backup", "--data", data, "--out", &inside], 1, &["inside", "elsewhere"]),
        (&["backup", "--data", data, "--out", data], 1, &["holds something already", "does not exist, or is empty"]),
        (&["restore", "--from", data, "--data", &at("new")], 1, &["manifest.json", "no backup"]),
        (&["evidence", "verify", &site], 1, &["site.toml", "no evidence file", "line 1"]),
        (
            &["evidence", "export", "--data", data, "--alarm", "1", "--out", &at("new")],
            1,
            &["no key in", "evidence key --data", "--key-file"],
        ),
        (
            &["evidence", "export", "--data", data, "--alarm", "99", "--out", &at("new"), "--key-file", &key],
            1,
            &["alarm 99", "journal export"],
        ),
        (&["replay", "--config", &site, "--file", &gone], 1, &["cannot open the recording", "gone"]),
        (
            &["replay", "--config", &site, "--file", &day, "--findings", &findings],
            1,
            &["there is no folder", "found.csv", "make it first"],
        ),
        (
            &["replay", "--config", &site, "--file", &day, "--findings", "/proc/found.csv"],
            1,
            &["cannot write /proc/found.csv", "nothing can be made in /proc"],
        ),
        (&["replay", "--config", &site, "--file", &day, "--speed", "1e-300"], 1, &["--speed", "from 0.001"]),
        (&["plugin", "new", &at("data")], 1, &["is not an empty folder", "give another name"]),
        (&["plugin", "new", &at("7")], 1, &["for example hot-room"]),
        (&["plugin", "check", &gone], 1, &["gone does not exist", "plugin new"]),
        (
            &["plugin", "check", folder.path().to_str().unwrap()],
            1,
            &["no Cargo.toml and 0 components", "name the folder of a crate"],
        ),
        (&["plugin", "test", &gone], 1, &["gone does not exist", "plugin new"]),
        (&["plugin", "inspect", data], 1, &["is no file", "plugin check"]),
        (&["plugin", "sign", &gone, "--key", &site], 1, &["site.toml", "open to others", "chmod 600"]),
        (&["plugin", "verify", &site, "--key", &site], 1, &["site.toml holds no public key", "plugin keygen"]),
        (&["plugin", "keygen", "--out", &format!("{gone}/../day.csv/x")], 1, &["is no folder: make it first"]),
        (&["plugin", "inspect", &site], 1, &["site.toml", "no WebAssembly component", "plugin build"]),
        (&["plugin", "build", &gone], 1, &["gone does not exist", "name the folder"]),
        (&["docs", "nothing"], 2, &["'nothing'", "there are: readme, ", "commands"]),
    ];
    for (words, status, said) in cases {
        let output = safety_brain(words).output().unwrap();
        let text = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(*status), "{words:?}: {text}");
        for part in *said {
            assert!(text.contains(part), "{words:?}: {part:?} is not in: {text}");
        }
    }
    let ran = safety_brain(&["run", "--config", &at("run.toml"), "--data", &at("run")]).stderr(Stdio::piped()).spawn().unwrap();
    let mut first = Ended(ran);
    let mut lines = BufReader::new(first.0.stderr.take().unwrap()).lines();
    assert!(lines.any(|line| line.unwrap().starts_with("console: ")));
    eventually("the first daemon holds its journal", Duration::from_secs(60), || {
        let output = safety_brain(&["store", "rebuild", "--data", &at("run")]).output().unwrap();
        let text = String::from_utf8_lossy(&output.stderr).into_owned();
        if text.contains("a daemon is using") { Ok(()) } else { Err(text) }
    });
    let output = safety_brain(&["run", "--config", &at("run.toml"), "--data", &at("run")]).output().unwrap();
    let text = String::from_utf8_lossy(&output.stderr);
    assert!(text.contains("another safety-brain is using") && text.contains("another data directory"), "{text}");
}

/// A daemon whose log nobody reads any more goes on.
#[test]
fn commands_a_daemon_goes_on_when_nobody_reads_its_log() {
    let folder = tempfile::tempdir().unwrap();
    let (config, data) = (folder.path().join("site.toml"), folder.path().join("data"));
    std::fs::write(&config, plant()).unwrap();
    let daemon = safety_brain(&["run", "--config", config.to_str().unwrap(), "--data", data.to_str().unwrap()])
        .env("SAFETY_BRAIN_LOG", "trace")
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut daemon = Ended(daemon);
    let mut said = BufReader::new(daemon.0.stderr.take().unwrap()).lines();
    let line = said.find_map(|line| line.unwrap().strip_prefix("console: http://").map(str::to_owned)).unwrap();
    drop(said);
    let address = line.trim_end_matches('/');
    // Each request is logged, at this level, by every layer that it passes.
    for _ in 0..20 {
        let health = eventually("health", Duration::from_secs(20), || get(address).map_err(|error| error.to_string()));
        assert!(health.starts_with("HTTP/1.1 200"), "{health}");
    }
    let running = daemon.0.try_wait().unwrap();
    std::process::Command::new("kill").arg(daemon.0.id().to_string()).status().unwrap();
    let status = daemon.0.wait().unwrap();
    assert!(running.is_none() && status.success(), "{running:?}, then {status}");
}

/// Killed when the test ends, however it ends.
struct Ended(std::process::Child);

impl Drop for Ended {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn get(address: &str) -> std::io::Result<String> {
    let mut stream = TcpStream::connect(address)?;
    write!(stream, "GET /api/v1/health HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n")?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    Ok(answer)
}

/// The recorded plant with a device that is not there in place of its recording.
fn plant() -> String {
    let folder = tempfile::tempdir().unwrap();
    recorded(folder.path());
    let site = std::fs::read_to_string(Path::new(folder.path()).join("site.toml")).unwrap();
    let (before, rest) = site.split_once("kind = \"recording\"").unwrap();
    let (_, behind) = rest.split_once("[[tag]]").unwrap();
    let link = "kind = \"modbus\"\nhost = \"127.0.0.1\"\nport = 9\n[[link.point]]\ntag = \"P\"\ntable = \"holding\"\naddress = 0\ntype = \"u16\"\n";
    format!("{before}{link}[console]\nbind = \"127.0.0.1:0\"\n[[tag]]{behind}")
}
