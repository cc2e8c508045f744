//! The n-th operation of the disk fails, under the real program: for one n after another a plant is started, warned, told of an act and stopped,
//! while a preloaded library (`tests/peers/failing_disk.c`) lets that write, sync, open or rename fail. Must not know: any type of the host.

use crate::effort::Random;
use crate::judge::{Account, health, verify, wait_for_last, wait_for_link, wait_for_notices};
use crate::process::{Process, alone, broker, eventually, mosquitto, peer_or_skip, root, tell};
use crate::publisher::{Line, Published, wall_us};
use crate::receiver::Receiver;
use crate::site::{Site, get, post};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus};
use std::sync::Mutex;
use std::time::{Duration, Instant};

/// Trials at once: most of a trial is waiting for a disk that fails.
const WORKERS: usize = 6;
/// Readings of the script.
const READINGS: u64 = 40;

/// The preloaded library, made from its source; none where there is no compiler.
pub fn shim(folder: &Path) -> Option<PathBuf> {
    let (source, made) = (root().join("tests/peers/failing_disk.c"), folder.join("failing_disk.so"));
    let done =
        Command::new("cc").args(["-shared", "-fPIC", "-O1", "-Wall", "-Wextra", "-Werror", "-o"]).arg(&made).arg(source).status();
    done.is_ok_and(|status| status.success()).then_some(made)
}

/// What the library is told to do.
#[derive(Clone, Debug)]
pub struct Fault {
    /// Number of the first operation that fails; 0 = none, and all are listed.
    pub at: u64,
    /// How many fail.
    pub many: u64,
    /// eio, enospc, short, nosync, hang, dead.
    pub kind: &'static str,
}

impl Fault {
    /// The environment of a program whose files are below `data`.
    pub fn environment(&self, shim: &Path, data: &Path, log: &Path) -> Vec<(&'static str, String)> {
        let text = |path: &Path| path.to_str().unwrap().to_owned();
        vec![
            ("LD_PRELOAD", text(shim)),
            ("FAULT_ROOT", text(data)),
            ("FAULT_LOG", text(log)),
            ("FAULT_AT", self.at.to_string()),
            ("FAULT_FOR", self.many.to_string()),
            ("FAULT_KIND", self.kind.to_owned()),
        ]
    }
}

/// One operation on a file.
#[derive(Clone, Debug)]
struct Operation {
    number: u64,
    what: String,
    /// Below the data directory; empty = the directory itself.
    path: String,
}

impl Operation {
    /// What the library wrote down.
    fn listed(log: &Path, data: &Path) -> Vec<Operation> {
        let text = std::fs::read_to_string(log).unwrap_or_default();
        let line = |line: &str| {
            let mut words = line.splitn(3, ' ');
            let (number, what, path) = (words.next()?.parse().ok()?, words.next()?.to_owned(), words.next()?);
            let path = path.strip_prefix(data.to_str()?)?.trim_start_matches('/').to_owned();
            Some(Operation { number, what, path })
        };
        text.lines().filter_map(line).collect()
    }
}

/// How a trial went, beside what it must not do.
#[derive(Default)]
struct Went {
    fired: Vec<Operation>,
    /// It did not start, and named the file.
    refused: bool,
    /// The journal failed while the plant was watched.
    unrecorded: bool,
    /// The store failed.
    store: bool,
    /// It was out of use for less than a look at it takes: a line says so, no alarm must.
    store_said: bool,
    /// The act was answered: it is promised.
    acted: bool,
    /// It was stopped while nothing could be recorded, and said that the last steps are on no record.
    stopped_unrecorded: bool,
}

struct Plant<'a> {
    program: &'a Path,
    shim: &'a Path,
}

#[test]
fn failing_disk_the_nth_operation_fails_and_nothing_is_lost_silent_or_stuck() {
    let test = "failing_disk_the_nth_operation_fails_and_nothing_is_lost_silent_or_stuck";
    let folder = tempfile::tempdir().unwrap();
    let (program, shim) = (mosquitto(), shim(folder.path()));
    if !peer_or_skip(test, "mosquitto", program.is_some()) || !peer_or_skip(test, "cc, the C compiler", shim.is_some()) {
        return;
    }
    let (_alone, mut random, began) = (alone(), Random::seeded(test), Instant::now());
    let plant = Plant { program: &program.unwrap(), shim: &shim.unwrap() };
    // Counted without a fault. This is the control too: with no fault nothing may be objected to, and nothing may be called a fault.
    let counted = plant.trial(&Fault { at: 0, many: 0, kind: "eio" }).unwrap();
    assert!(!counted.refused && !counted.unrecorded && !counted.store);
    let (all, mut faults) = (counted.fired.len() as u64, faults(&counted.fired, &mut random));
    assert!(all > 100, "only {all} operations: the library does not see the disk");
    let (trials, results) = (faults.len(), Mutex::new(Vec::new()));
    faults.reverse();
    let left = Mutex::new(faults);
    std::thread::scope(|scope| {
        for _ in 0..WORKERS {
            scope.spawn(|| {
                while let Some(fault) = { left.lock().unwrap().pop() } {
                    let went = catch_unwind(AssertUnwindSafe(|| plant.trial(&fault)));
                    let went = went.unwrap_or_else(|panic| Err(panic.downcast_ref::<String>().cloned().unwrap_or_default()));
                    results.lock().unwrap().push((fault, went));
                }
            });
        }
    });
    let (mut bad, mut unfired, mut refused, mut unrecorded, mut store) = (Vec::new(), 0, 0, 0, 0);
    for (fault, went) in results.into_inner().unwrap() {
        match went {
            Ok(went) => {
                unfired += usize::from(went.fired.is_empty());
                refused += usize::from(went.refused);
                unrecorded += usize::from(went.unrecorded);
                store += usize::from(went.store);
            }
            Err(why) => bad.push(format!("{fault:?}: {why}")),
        }
    }
    assert!(bad.is_empty(), "{} of {trials} trials:\n{}", bad.len(), bad.join("\n"));
    // Some operations of the counted run come at another number, or not at all, in another run: those of the last second.
    assert!(unfired * 10 <= trials, "{unfired} of {trials} trials met no fault");
    // A plant is hardly ever kept from being watched, and each part is met by many.
    assert!(
        refused * 20 <= trials && unrecorded * 5 >= trials && store * 5 >= trials,
        "{refused} {unrecorded} {store} of {trials}"
    );
    tell(&format!(
        "{test}: {all} operations in a run, {trials} trials of them, {unfired} met no fault; {refused} did not start and named the file, {unrecorded} went on unrecorded and came back, {store} lost the store and said so; every alarm told, 0 panics, 0 hangs, 0 lost; {:?} in all",
        began.elapsed()
    ));
}

/// One for each operation.
fn faults(all: &[Operation], random: &mut Random) -> Vec<Fault> {
    let mut fault = |operation: &Operation| {
        let kind = ["eio", "enospc", "short"][random.below(3) as usize];
        // One failure is a hiccup; many are a disk that is gone for a while.
        Fault { at: operation.number, many: [1, 1, 1, 8][random.below(4) as usize], kind }
    };
    all.iter().map(&mut fault).collect()
}

impl Plant<'_> {
    /// One plant, one fault: an error says what it must not have done.
    fn trial(&self, fault: &Fault) -> Result<Went, String> {
        let folder = tempfile::tempdir().unwrap();
        let (_broker, mqtt) = broker(self.program, folder.path());
        let (data, log, site) = (folder.path().join("data"), folder.path().join("log"), folder.path().join("site.toml"));
        let receiver = Receiver::start(0);
        let text = Site { mqtt, modbus: None, bureau: receiver.port, console: 0 }.toml();
        let text = text
            .replace("segment_mib = 4", "segment_mib = 1")
            .replace("kind = \"mqtt\"\n", "kind = \"mqtt\"\nclient_id = \"plant\"\n");
        std::fs::write(&site, text).unwrap();
        let arguments = ["run", "--config", site.to_str().unwrap(), "--data", data.to_str().unwrap()];
        // The broker owes the plant what comes from here on, whatever becomes of the plant.
        let session = ["-h", "127.0.0.1", "-p", &mqtt.to_string(), "-i", "plant", "-c", "-q", "1", "-t", "plant/+", "-E"];
        assert!(Command::new("mosquitto_sub").args(session).status().unwrap().success());

        let environment = fault.environment(self.shim, &data, &log);
        let mut daemon = Process::start_in(env!("CARGO_BIN_EXE_safety-brain"), &arguments, &environment);
        let (mut went, mut said) = (Went::default(), Vec::new());
        let status = match Start::of(&mut daemon, &mut said)? {
            Start::Ended(status) => {
                went.refused = true;
                status
            }
            Start::Watched(console) => {
                script(&receiver, mqtt, console, &mut went)?;
                let (took, status) = daemon.stop();
                if took > Duration::from_secs(4) {
                    return Err(format!("it took {took:?} to stop"));
                }
                status
            }
        };
        said.extend(daemon.said());
        // Where it listens is no news.
        said.retain(|line| !line.starts_with("console:") && !line.starts_with("warning: console.bind:"));
        let said = said.join("\n");
        went.fired = Operation::listed(&log, &data);
        let context = |what: &str| format!("{what}; {:?}; it said:\n{said}", went.fired.iter().take(3).collect::<Vec<_>>());
        went.stopped_unrecorded = said.contains("are on no record");
        went.store_said = said.contains("the store");
        told(fault, &went, status, &said, &data).map_err(|what| context(&what))?;
        let published = if went.refused { publish(mqtt) } else { Published { readings: READINGS, rises: 1 } };
        self.again(&arguments, &data, published, &receiver, &went).map_err(|what| context(&what))?;
        Ok(went)
    }

    /// The next start, on a disk that works: all is there.
    fn again(
        &self,
        arguments: &[&str],
        data: &Path,
        published: Published,
        receiver: &Receiver,
        went: &Went,
    ) -> Result<(), String> {
        let mut daemon = Process::safety_brain(arguments);
        let mut said = Vec::new();
        let console = match Start::of(&mut daemon, &mut said)? {
            Start::Watched(console) => console,
            Start::Ended(status) => return Err(format!("it does not start again, {status}: {}", said.join("\n"))),
        };
        wait_for_link(console);
        wait_for_last(console, published.readings, Duration::from_secs(20));
        wait_for_notices(data, receiver);
        let (_, status) = daemon.stop();
        if !status.success() {
            return Err(format!("the second run ended with {status}: {}", daemon.said().join("\n")));
        }
        verify(data)?;
        let account = Account::of(data);
        let mut faults = account.faults(published, receiver);
        if went.stopped_unrecorded {
            // What was told in that time is on no record, and that was said.
            faults.retain(|fault| !fault.contains("left the machine") && !fault.contains("the probes rose"));
        }
        if went.acted && account.acts == 0 {
            faults.push("the act that was answered is not in the journal".to_owned());
        }
        if went.unrecorded && !account.hazards.contains("storage.journal") && account.gaps == 0 {
            faults.push("the journal failed, and nothing in it says so".to_owned());
        }
        if went.store && !went.store_said && !went.stopped_unrecorded && !account.hazards.contains("storage.store") {
            faults.push("the store failed, and no alarm says so".to_owned());
        }
        if faults.is_empty() { Ok(()) } else { Err(faults.join("; ")) }
    }
}

/// How a start went.
enum Start {
    /// The plant is watched, and the console is on this port: chosen by itself, so that trials at the same time do not meet.
    Watched(u16),
    /// It ended before that.
    Ended(ExitStatus),
}

impl Start {
    fn of(daemon: &mut Process, said: &mut Vec<String>) -> Result<Start, String> {
        let until = Instant::now() + Duration::from_secs(60);
        while Instant::now() < until {
            said.extend(daemon.said());
            let port =
                said.iter().find_map(|line| line.strip_prefix("console: http://127.0.0.1:")?.trim_end_matches('/').parse().ok());
            if let Some(port) = port.filter(|port| health(*port).is_ok()) {
                return Ok(Start::Watched(port));
            }
            if let Some(status) = daemon.ended() {
                said.extend(daemon.said());
                return Ok(Start::Ended(status));
            }
        }
        Err(format!("neither ready nor ended in 60 s: {}", said.join("\n")))
    }
}

/// A few readings, one of them over its limit.
fn publish(mqtt: u16) -> Published {
    let mut line = Line::open(mqtt);
    let start = wall_us();
    for n in 0..READINGS {
        line.send("COUNT", n, start + n);
        if n == READINGS / 2 {
            line.send("PROBE", 150, start + n);
        }
    }
    line.close();
    Published { readings: READINGS, rises: 1 }
}

/// What happens in every run: a limit is passed, the bureau is told, a person acts, the store is asked.
fn script(receiver: &Receiver, mqtt: u16, console: u16, went: &mut Went) -> Result<(), String> {
    publish(mqtt);
    eventually("the bureau is told", Duration::from_secs(20), || {
        let told = receiver.heard().values().flatten().any(|body| body.contains("test.high"));
        if told { Ok(()) } else { Err("nothing yet".to_owned()) }
    });
    let seen = |went: &mut Went| {
        let parts = health(console)?;
        went.unrecorded |= !parts["journal"];
        went.store |= !parts["store"];
        Ok::<_, String>(parts)
    };
    eventually("a person takes the alarm", Duration::from_secs(30), || {
        seen(went)?;
        let alarms = get(console, "/api/v1/alarms?state=active")?;
        let probe = alarms["items"].as_array().into_iter().flatten().find(|alarm| alarm["hazard"] == "test.high");
        let id = probe.and_then(|alarm| alarm["id"].as_str()).ok_or(alarms.to_string())?;
        let status = post(console, &format!("/api/v1/alarms/{id}/acknowledge"), "application/json", "{\"note\":\"x\"}");
        went.acted |= status == 200;
        // Taken while the disk failed: it stands, and the second try says so.
        if matches!(status, 200 | 409) { Ok(()) } else { Err(status.to_string()) }
    });
    wait_for_last(console, READINGS, Duration::from_secs(20));
    eventually("the journal works, and the store answers or an alarm says that it does not", Duration::from_secs(60), || {
        let parts = seen(went)?;
        let series = get(console, "/api/v1/tags/COUNT/series").unwrap_or_default();
        let last = series["items"].as_array().and_then(|points| points.last()).and_then(|point| point["value"].as_f64());
        let answers = last == Some((READINGS - 1) as f64);
        let alarmed = went.store && get(console, "/api/v1/alarms?state=active")?.to_string().contains("storage.store");
        if parts["journal"] && (answers || alarmed) { Ok(()) } else { Err(format!("{parts:?} {last:?}")) }
    });
    Ok(())
}

/// What a fault must lead to: it is said, by name, and nothing panics.
fn told(fault: &Fault, went: &Went, status: ExitStatus, said: &str, data: &Path) -> Result<(), String> {
    if said.contains("panicked") {
        return Err("it panicked".to_owned());
    }
    if !status.success() && (status.code() != Some(1) || !said.contains("rror")) {
        return Err(format!("it ended with {status} and does not say why"));
    }
    let Some(first) = went.fired.first().filter(|_| fault.at > 0) else {
        return if went.refused { Err("it did not start, and there was no fault".to_owned()) } else { Ok(()) };
    };
    // Of several failures in a row the one that ended it is named: the file, or its folder.
    let names = |operation: &Operation| {
        let path = data.join(&operation.path);
        [Some(path.as_path()), path.parent()].into_iter().flatten().any(|place| said.contains(place.to_str().unwrap()))
    };
    if went.refused && !went.fired.iter().any(names) {
        return Err(format!("it did not start and does not name {}", data.join(&first.path).display()));
    }
    // What the store only looks for may be missing: it was asked, and answered.
    let harmless = first.what == "open" && first.path.starts_with("store/");
    if said.trim().is_empty() && !went.unrecorded && !went.store && !harmless {
        return Err("the fault is said nowhere".to_owned());
    }
    Ok(())
}
