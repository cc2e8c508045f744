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
    let wrong = Cli::try_parse_from(["safety-brain", "journal", "verify", "--dta", "x"]);
    assert!(wrong.is_err(), "a parser that takes anything proves nothing");
}

fn safety_brain(words: &[&str]) -> std::process::Command {
    let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_safety-brain"));
    command.args(words).env("SAFETY_BRAIN_LOG", "error").current_dir(root());
    command
}

fn closed() -> std::io::PipeWriter {
    std::io::pipe().unwrap().1
}

/// `COMMAND | head`: a reader that has seen enough.
#[test]
fn commands_end_quietly_when_nobody_reads_on() {
    let folder = tempfile::tempdir().unwrap();
    let data = recorded(folder.path());
    let built = safety_brain::rules::build::build_plugin(&root().join("plugins/gas-detector"), &folder.path().join("built"));
    let at = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    let (data, built) = (data.to_str().unwrap(), built.unwrap());
    let (site, day) = (at("site.toml"), at("day.csv"));
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
        &["evidence", "export", "--data", data, "--alarm", "1", "--out", &at("b.jsonl")],
        &["evidence", "verify", &at("a.jsonl")],
        &["evidence", "key", "--data", data],
        &["backup", "--data", data, "--out", &at("backup")],
        &["restore", "--from", &at("backup"), "--data", &at("restored")],
        &["plugin", "inspect", built.to_str().unwrap()],
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
        let apart = [&["run"][..], &["demo"], &["plugin", "build"]].contains(&name.as_slice());
        assert!(apart || lines.iter().any(|line| line.starts_with(&name)), "{} is not tried", command.get_name());
    }
}

/// A daemon whose log nobody reads any more goes on.
#[test]
fn commands_a_daemon_goes_on_when_nobody_reads_its_log() {
    let folder = tempfile::tempdir().unwrap();
    let (config, data) = (folder.path().join("site.toml"), folder.path().join("data"));
    std::fs::write(&config, plant()).unwrap();
    let mut daemon = safety_brain(&["run", "--config", config.to_str().unwrap(), "--data", data.to_str().unwrap()])
        .env("SAFETY_BRAIN_LOG", "trace")
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut said = BufReader::new(daemon.stderr.take().unwrap()).lines();
    let line = said.find_map(|line| line.unwrap().strip_prefix("console: http://").map(str::to_owned)).unwrap();
    drop(said);
    let address = line.trim_end_matches('/');
    // Each request is logged, at this level, by every layer that it passes.
    for _ in 0..20 {
        let health = eventually("health", Duration::from_secs(20), || get(address).map_err(|error| error.to_string()));
        assert!(health.starts_with("HTTP/1.1 200"), "{health}");
    }
    let running = daemon.try_wait().unwrap();
    std::process::Command::new("kill").arg(daemon.id().to_string()).status().unwrap();
    let status = daemon.wait().unwrap();
    assert!(running.is_none() && status.success(), "{running:?}, then {status}");
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
