//! A disk that hangs while the program starts, under the real program: no operation below a folder comes back before a file is gone. The plant is
//! watched all the same, whoever asks is told what is waited for, and what was waited for is taken when it comes.
//! Must not know: any type of the host.
#![allow(clippy::unwrap_used)]

use crate::failing_disk::{Fault, shim};
use crate::judge::{Account, export, health, verify};
use crate::process::{Process, alone, broker, eventually, free_port, mosquitto, peer_or_skip, tell};
use crate::publisher::{Line, wall_us};
use crate::receiver::Receiver;
use crate::site::{Site, get};
use std::os::unix::net::UnixDatagram;
use std::path::Path;
use std::time::{Duration, Instant};

/// One trial.
struct Case {
    /// What hangs, below the data directory.
    part: &'static str,
    /// It hangs; else it is the control.
    hangs: bool,
    /// The plant is watched within so many seconds.
    watched_s: u64,
    /// Nothing is recorded while it hangs.
    unrecorded: bool,
}

const CASES: &[Case] = &[
    Case { part: "", hangs: false, watched_s: 8, unrecorded: false },
    Case { part: "", hangs: true, watched_s: 40, unrecorded: true },
    Case { part: "journal", hangs: true, watched_s: 25, unrecorded: true },
    Case { part: "snapshot", hangs: true, watched_s: 25, unrecorded: true },
    Case { part: "store/state", hangs: true, watched_s: 8, unrecorded: false },
    Case { part: "store/lock", hangs: true, watched_s: 8, unrecorded: false },
];

#[test]
fn hanging_disk_at_the_start_the_plant_is_watched_and_what_is_waited_for_is_said() {
    let test = "hanging_disk_at_the_start_the_plant_is_watched_and_what_is_waited_for_is_said";
    let folder = tempfile::tempdir().unwrap();
    let (program, shim) = (mosquitto(), shim(folder.path()));
    if !peer_or_skip(test, "mosquitto", program.is_some()) || !peer_or_skip(test, "cc, the C compiler", shim.is_some()) {
        return;
    }
    let (_alone, program, shim) = (alone(), program.unwrap(), shim.unwrap());
    let took: Vec<String> = std::thread::scope(|scope| {
        let trial = |case: &'static Case| {
            let (program, shim) = (&program, &shim);
            scope.spawn(move || {
                format!("{:?}{}: {:?}", case.part, if case.hangs { "" } else { " (control)" }, trial(case, program, shim))
            })
        };
        CASES.iter().map(trial).collect::<Vec<_>>().into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    tell(&format!("{test}: watched after, by what hung: {}", took.join(", ")));
}

fn trial(case: &Case, program: &Path, shim: &Path) -> Duration {
    let folder = tempfile::tempdir().unwrap();
    let (_broker, mqtt) = broker(program, folder.path());
    let (receiver, console, data) = (Receiver::start(0), free_port(), folder.path().join("data"));
    let (site, hang, socket) = (folder.path().join("site.toml"), folder.path().join("hang"), folder.path().join("notify"));
    std::fs::write(&site, Site { mqtt, modbus: None, bureau: receiver.port, console }.toml()).unwrap();
    let arguments = ["run", "--config", site.to_str().unwrap(), "--data", data.to_str().unwrap()];
    let rises = |probe: &str| {
        let mut line = Line::open(mqtt);
        line.send(probe, 150, wall_us());
        line.close();
        eventually(&format!("the bureau is told of {probe}"), Duration::from_secs(60), || {
            let heard = receiver.heard();
            let told = |body: &&String| body.contains("test.high") && body.contains(probe);
            match heard.values().flatten().find(told) {
                Some(body) => Ok(body.clone()),
                None => Err(heard.values().flatten().cloned().collect::<Vec<_>>().join("\n")),
            }
        })
    };
    // An alarm that only records tell of: no snapshot has it.
    let first = Process::safety_brain(&arguments);
    crate::judge::wait_for_link(console);
    rises("PROBE");
    assert!(first.kill());

    let manager = UnixDatagram::bind(&socket).unwrap();
    manager.set_nonblocking(true).unwrap();
    if case.hangs {
        std::fs::write(&hang, "").unwrap();
    }
    let hung = if case.part.is_empty() { data.clone() } else { data.join(case.part) };
    let fault = Fault { at: 1, many: 1, kind: "dead" };
    let mut environment = fault.environment(shim, &hung, &folder.path().join("log"));
    environment.push(("FAULT_WHILE", hang.to_str().unwrap().to_owned()));
    environment.push(("NOTIFY_SOCKET", socket.to_str().unwrap().to_owned()));
    let began = Instant::now();
    let mut daemon = Process::start_in(env!("CARGO_BIN_EXE_safety-brain"), &arguments, &environment);
    let what = format!("{:?} hangs, and the plant is watched", case.part);
    let parts = eventually(&what, Duration::from_secs(case.watched_s), || {
        if let Some(status) = daemon.ended() {
            panic!("{what}: it ended with {status}: {}", daemon.said().join("\n"));
        }
        health(console)
    });
    let took = began.elapsed();
    assert_eq!(parts["journal"], !case.unrecorded, "{what}: {parts:?}");
    crate::judge::wait_for_link(console);
    assert_eq!(rises("PROBE1").contains("[UNRECORDED]"), case.unrecorded, "{what}");
    let of_the_store = case.part.starts_with("store");
    let place = data.join(if of_the_store { "store" } else { case.part }).to_str().unwrap().trim_end_matches('/').to_owned();
    if case.hangs && of_the_store {
        // Whoever looks is told; what hangs for long is an alarm.
        eventually("the store is said to hang", Duration::from_secs(60), || {
            let health = get(console, "/api/v1/health")?.to_string();
            if health.contains(&place) && health.contains("is being opened") { Ok(()) } else { Err(health) }
        });
        eventually("that is an alarm", Duration::from_secs(90), || {
            let alarms = get(console, "/api/v1/alarms")?.to_string();
            if alarms.contains("storage.store") { Ok(()) } else { Err(alarms) }
        });
    } else if case.hangs {
        let health = get(console, "/api/v1/health").unwrap().to_string();
        assert!(health.contains(&place) && health.contains("hangs"), "{what}: {health}");
    }
    let mut said = daemon.said().join("\n");
    assert_eq!(said.contains(&place), case.hangs, "{what}: {said}");
    let told = || {
        let mut text = [0; 4096];
        std::iter::from_fn(|| manager.recv(&mut text).ok().map(|n| String::from_utf8_lossy(&text[..n]).into_owned()))
            .collect::<Vec<_>>()
    };
    let statuses: Vec<String> = told().into_iter().filter(|line| line.starts_with("STATUS=")).collect();
    assert_eq!(statuses.iter().any(|line| line.contains(&place)), case.unrecorded, "{what}: {statuses:?}");
    assert!(case.hangs || statuses.is_empty(), "{what}: {statuses:?}");

    drop(std::fs::remove_file(&hang));
    eventually("all is on record, and the store answers", Duration::from_secs(120), || {
        let parts = health(console)?;
        let series = get(console, "/api/v1/tags/PROBE/series")?;
        let points = series["items"].as_array().map_or(0, Vec::len);
        let well = parts["journal"] && parts["store"] && points > 0;
        if well { Ok(()) } else { Err(format!("{points} points, {}", get(console, "/api/v1/health")?)) }
    });
    let (stopped, status) = daemon.stop();
    said += &daemon.said().join("\n");
    assert!(status.success() && stopped < Duration::from_secs(4), "{what}: {status} after {stopped:?}: {said}");
    assert!(!said.contains("panicked"), "{what}: {said}");
    verify(&data).unwrap();
    let account = Account::of(&data);
    assert_eq!(account.gaps, u64::from(case.unrecorded), "{what}");
    if case.unrecorded {
        // Alarms that stood in what was not read are named to whoever looks at the gap.
        let mut why = String::new();
        export(&data, |record| {
            let event = &record["entry"]["event"];
            if event["event"] == "recorded" {
                event["detail"].as_str().unwrap().clone_into(&mut why);
            }
        });
        assert!(why.contains("are not known here") && why.contains("test.high in hall PROBE"), "{what}: {why}");
    }
    took
}
