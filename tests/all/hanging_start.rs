//! A disk that hangs where nothing can be done without it: a bureau's data, and the files that say what is to be watched. The program says what it waits
//! for, gives up after ten seconds with an error that names it, and whoever starts it again finds it as it was. Must not know: any type of the host.

use crate::failing_disk::{Fault, shim};
use crate::process::{Process, alone, eventually, free_port, peer_or_skip, tell};
use crate::site::{Site, sha256};
use std::os::unix::net::UnixDatagram;
use std::path::Path;
use std::time::{Duration, Instant};

/// One trial: whose program it is, and what hangs, below the folder of the test; empty = nothing, which is the control.
type Case = (&'static str, &'static str);

const CASES: &[Case] = &[
    ("bureau", ""),
    ("bureau", "data"),
    ("bureau", "data/journal"),
    ("bureau", "data/snapshot"),
    ("bureau", "files"),
    ("plant", ""),
    ("plant", "files"),
];
/// It gives up after ten seconds; a machine may be busy.
const GIVEN_UP: std::ops::Range<u64> = 9..40;

#[test]
fn hanging_start_is_said_and_given_up_where_nothing_can_be_done_without() {
    let test = "hanging_start_is_said_and_given_up_where_nothing_can_be_done_without";
    let folder = tempfile::tempdir().unwrap();
    let shim = shim(folder.path());
    if !peer_or_skip(test, "cc, the C compiler", shim.is_some()) {
        return;
    }
    let (_alone, shim) = (alone(), shim.unwrap());
    let took: Vec<String> = std::thread::scope(|scope| {
        let trial = |case: &'static Case| {
            let shim = &shim;
            scope.spawn(move || format!("{} {:?}: {:?}", case.0, case.1, trial(case, shim)))
        };
        CASES.iter().map(trial).collect::<Vec<_>>().into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    tell(&format!("{test}: ready or given up after, by what hung: {}", took.join(", ")));
}

fn bureau() -> String {
    format!(
        "[bureau]\nid = \"district\"\ntitle = {{ zh = \"局\", en = \"bureau\" }}\nsender = \"duty@bureau.example\"\n\
         [storage]\nsegment_mib = 1\n[console]\nbind = \"127.0.0.1:{}\"\n\
         [[plant]]\nname = \"a\"\ntitle = {{ zh = \"甲\", en = \"a\" }}\nsender = \"a@plant.example\"\ntoken_sha256 = \"{}\"\nsilent = \"24h\"\n\
         [plant.answers]\nurl = \"http://127.0.0.1:1/api/v1/cap\"\n\
         [[person]]\nname = \"王\"\nrole = \"operator\"\ntoken_sha256 = \"{}\"\n",
        free_port(),
        sha256("the-plant-of-the-tests"),
        sha256("the-officer-of-the-tests")
    )
}

/// How long it took until it was ready, or gave up.
fn trial(&(role, hung): &Case, shim: &Path) -> Duration {
    let what = format!("{role}, {hung:?} hangs");
    let folder = tempfile::tempdir().unwrap();
    let (file, data, hang) = (folder.path().join("files/this.toml"), folder.path().join("data"), folder.path().join("hang"));
    std::fs::create_dir(file.parent().unwrap()).unwrap();
    let text = match role {
        "bureau" => bureau(),
        _ => Site { mqtt: free_port(), modbus: None, bureau: free_port(), console: free_port() }.toml(),
    };
    std::fs::write(&file, text).unwrap();
    let arguments = ["run", "--role", role, "--config", file.to_str().unwrap(), "--data", data.to_str().unwrap()];
    let socket = folder.path().join("notify");
    let manager = UnixDatagram::bind(&socket).unwrap();
    manager.set_nonblocking(true).unwrap();
    let told = || {
        let mut text = [0; 4096];
        std::iter::from_fn(|| manager.recv(&mut text).ok().map(|n| String::from_utf8_lossy(&text[..n]).into_owned()))
            .collect::<Vec<_>>()
    };
    let ready = |environment: &[(&str, String)]| {
        let environment = [environment, &[("NOTIFY_SOCKET", socket.to_str().unwrap().to_owned())]].concat();
        let mut daemon = Process::start_in(env!("CARGO_BIN_EXE_safety-brain"), &arguments, &environment);
        let (began, mut heard) = (Instant::now(), vec![]);
        let ended = eventually(&what, Duration::from_secs(GIVEN_UP.end), || {
            heard.extend(told());
            let is_ready = heard.iter().any(|line| line.starts_with("READY=1"));
            if is_ready { Ok(None) } else { daemon.ended().map(Some).ok_or_else(|| heard.join("; ")) }
        });
        let took = began.elapsed();
        heard.extend(told());
        if ended.is_none() {
            daemon.stop();
        }
        (took, ended, heard, daemon.said().join("\n"))
    };
    // There is a record already.
    let (_, ended, _, said) = ready(&[]);
    assert!(ended.is_none(), "{what}: without the library: {said}");
    std::fs::write(&hang, "").unwrap();
    let fault = Fault { at: 1, many: 1, kind: "dead" };
    let place = folder.path().join(if hung.is_empty() { "nothing" } else { hung });
    let mut environment = fault.environment(shim, &place, &folder.path().join("log"));
    environment.push(("FAULT_WHILE", hang.to_str().unwrap().to_owned()));
    let (took, ended, heard, said) = ready(&environment);
    let Some(status) = ended else {
        assert!(hung.is_empty(), "{what}, and it started: {said}");
        return took;
    };
    assert!(!hung.is_empty() && status.code() == Some(1), "{what}: {status}: {said}");
    assert!(GIVEN_UP.contains(&took.as_secs()), "{what}: given up after {took:?}");
    let place = place.to_str().unwrap();
    let last = said.lines().rfind(|line| !line.trim().is_empty()).unwrap_or_default();
    assert!(last.contains(place) && last.contains("hangs"), "{what}: {said}");
    assert!(said.lines().filter(|line| line.contains(place)).count() >= 4, "{what}: it was silent meanwhile: {said}");
    if hung.starts_with("data") {
        let is_told = |line: &String| line.starts_with("STATUS=starting") && line.contains(place);
        assert!(heard.iter().any(is_told), "{what}: the service manager was told {heard:?}");
    }
    std::fs::remove_file(&hang).unwrap();
    let (_, ended, _, said) = ready(&[]);
    assert!(ended.is_none(), "{what}, and afterwards it does not start: {said}");
    took
}
