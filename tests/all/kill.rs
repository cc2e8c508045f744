//! SIGKILL under real MQTT QoS 1 load, judged by a stranger: the publisher's log, the receiver's log and `journal export`, nothing else.
//! Must not know: any type of the host.

use crate::process::{Process, eventually, free_port, mosquitto, peer_or_skip};
use crate::receiver::Receiver;
use crate::site::{Site, get};
use rumqttc::{Client, Event, MqttOptions, Outgoing, Packet, QoS};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::io::BufRead;
use std::net::TcpStream;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

const ROUNDS: u32 = 30;
/// Readings between two changes of the probe.
const PROBE_EVERY: u64 = 60;

#[test]
fn kill_loses_nothing_acknowledged_and_doubles_no_alarm() {
    let test = "kill_loses_nothing_acknowledged_and_doubles_no_alarm";
    let Some(broker) = mosquitto() else {
        peer_or_skip(test, "mosquitto", false);
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    let seed = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_nanos() as u64;
    eprintln!("{test}: seed {seed}");
    let mut random = seed;

    let mqtt = free_port();
    let conf = folder.path().join("mosquitto.conf");
    std::fs::write(&conf, format!("listener {mqtt} 127.0.0.1\nallow_anonymous true\nmax_queued_messages 1000000\n")).unwrap();
    let _broker = Process::start(broker, &["-c", conf.to_str().unwrap()]);
    eventually("mosquitto listens", Duration::from_secs(10), || {
        TcpStream::connect(("127.0.0.1", mqtt)).map_err(|e| e.to_string())
    });

    let receiver = Receiver::start(5);
    let console = free_port();
    let (site, data) = (folder.path().join("site.toml"), folder.path().join("data"));
    let text = Site { mqtt, modbus: None, bureau: receiver.port, console }.toml();
    std::fs::write(&site, text).unwrap();
    let arguments = ["run", "--config", site.to_str().unwrap(), "--data", data.to_str().unwrap()];

    // The session must exist before the first message, or the broker owes us nothing.
    let first = Process::safety_brain(&arguments);
    wait_for_link(console);
    let publisher = Publisher::start(mqtt, Duration::from_millis(2));
    std::thread::sleep(Duration::from_millis(500));
    first.kill();
    for _ in 1..ROUNDS {
        let process = Process::safety_brain(&arguments);
        process.line_with("console:", Duration::from_secs(20));
        random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        std::thread::sleep(Duration::from_millis(20 + (random >> 33) % 900));
        process.kill();
    }
    let published = publisher.stop();

    let last = Process::safety_brain(&arguments);
    wait_for_link(console);
    eventually("the backlog is worked through", Duration::from_secs(60), || {
        let records = export(&data);
        let seen = counts(&records);
        if seen.contains(&(published.readings - 1)) { Ok(()) } else { Err(format!("{} of {}", seen.len(), published.readings)) }
    });
    eventually("every notice is received", Duration::from_secs(90), || {
        let (told, heard) = (told(&export(&data)), receiver.heard());
        let open: Vec<_> = told.keys().filter(|id| !heard.contains_key(*id)).collect();
        if open.is_empty() { Ok(()) } else { Err(format!("not received: {open:?}")) }
    });
    assert!(last.terminate() < Duration::from_secs(4), "SIGTERM took too long");

    let verify =
        Command::new(env!("CARGO_BIN_EXE_safety-brain")).args(["journal", "verify", "--data"]).arg(&data).output().unwrap();
    assert!(
        verify.status.success(),
        "journal verify: {}{}",
        String::from_utf8_lossy(&verify.stdout),
        String::from_utf8_lossy(&verify.stderr)
    );
    let records = export(&data);
    for (index, record) in records.iter().enumerate() {
        assert_eq!(record["seq"].as_u64(), Some(index as u64 + 1), "sequence numbers are dense");
    }
    let seen = counts(&records);
    let lost: Vec<u64> = (0..published.readings).filter(|n| !seen.contains(n)).collect();
    assert!(lost.is_empty(), "acknowledged by the broker and not in the journal: {lost:?}");
    let rises = records
        .iter()
        .flat_map(outcomes)
        .filter(|o| o["outcome"] == "alarm" && matches!(o["change"].as_str(), Some("opened" | "reopened")))
        .filter(|o| o["alarm"]["key"]["object"] == "PROBE" && o["alarm"]["key"]["hazard"] == "test.high")
        .count() as u64;
    assert_eq!(rises, published.rises, "each rise of the probe is one occurrence, no more and no fewer");
    let (told, heard) = (told(&records), receiver.heard());
    for identifier in heard.keys() {
        assert!(told.contains_key(identifier), "{identifier} left the machine and is not in the journal");
    }
    for (identifier, bodies) in &heard {
        assert_eq!(bodies.len(), 1, "{identifier} was sent with different bytes on different tries");
    }
    let alerts = told.values().filter(|kind| *kind == "alert").count();
    let alarms: BTreeSet<_> = records
        .iter()
        .flat_map(outcomes)
        .filter(|o| o["outcome"] == "told")
        .map(|o| o["notice"]["alarm"]["id"].clone().to_string())
        .collect();
    assert_eq!(alerts, alarms.len(), "one Alert per alarm");
    println!(
        "{ROUNDS} kills, {} readings published, {} in the journal, 0 lost; {rises} rises, {} notices, all received",
        published.readings,
        seen.len(),
        told.len()
    );
}

pub fn outcomes(record: &Value) -> Vec<Value> {
    record["entry"]["outcome"]["outcome"].as_array().cloned().unwrap_or_default()
}

/// Numbers that the counter tag brought.
pub fn counts(records: &[Value]) -> BTreeSet<u64> {
    let mut tag = None;
    let mut seen = BTreeSet::new();
    for record in records {
        let event = &record["entry"]["event"];
        if event["event"] == "started" {
            tag = event["tags"].as_array().and_then(|tags| tags.iter().position(|t| t == "COUNT"));
        }
        for reading in event["readings"].as_array().into_iter().flatten() {
            if reading["tag"].as_u64() == tag.map(|t| t as u64) {
                seen.insert(reading["value"].as_f64().unwrap() as u64);
            }
        }
    }
    seen
}

/// Identifier -> kind of every notice to the bureau.
fn told(records: &[Value]) -> BTreeMap<String, String> {
    let all = records.iter().flat_map(outcomes);
    let bureau = all.filter(|o| o["outcome"] == "told" && o["notice"]["bureau"] == true);
    bureau
        .map(|o| (o["notice"]["identifier"].as_str().unwrap().to_owned(), o["notice"]["kind"].as_str().unwrap().to_owned()))
        .collect()
}

pub fn export(data: &Path) -> Vec<Value> {
    let out = Command::new(env!("CARGO_BIN_EXE_safety-brain")).args(["journal", "export", "--data"]).arg(data).output().unwrap();
    assert!(out.status.success(), "journal export: {}", String::from_utf8_lossy(&out.stderr));
    out.stdout.lines().map(|line| serde_json::from_str(&line.unwrap()).unwrap()).collect()
}

pub fn wait_for_link(console: u16) {
    eventually("the MQTT link is up", Duration::from_secs(30), || {
        let links = get(console, "/api/v1/links")?.to_string();
        if links.contains("\"up\"") { Ok(()) } else { Err(links) }
    });
}

/// What the publisher knows it got rid of.
pub struct Published {
    pub readings: u64,
    pub rises: u64,
}

/// Publishes until it is stopped.
pub struct Publisher {
    stop: Arc<AtomicBool>,
    thread: JoinHandle<Published>,
}

impl Publisher {
    /// One reading after another, so long apart.
    pub fn start(port: u16, pace: Duration) -> Publisher {
        let stop = Arc::new(AtomicBool::new(false));
        let until = Arc::clone(&stop);
        Publisher { stop, thread: std::thread::spawn(move || publish(port, pace, &until)) }
    }

    /// Returns when the broker has everything.
    pub fn stop(self) -> Published {
        self.stop.store(true, Ordering::SeqCst);
        self.thread.join().unwrap()
    }
}

/// Readings at QoS 1, each with its own source time; returns when the broker has acknowledged all of them.
fn publish(port: u16, pace: Duration, stop: &AtomicBool) -> Published {
    let mut options = MqttOptions::new("publisher", "127.0.0.1", port);
    options.set_inflight(500);
    let (client, mut connection) = Client::new(options, 1000);
    let acked = Arc::new(AtomicU64::new(0));
    let count = Arc::clone(&acked);
    let pump = std::thread::spawn(move || {
        for event in connection.iter() {
            match event.expect("the broker lives through the test") {
                Event::Incoming(Packet::PubAck(_)) => _ = count.fetch_add(1, Ordering::SeqCst),
                Event::Outgoing(Outgoing::Disconnect) => return,
                _ => {}
            }
        }
    });
    let (mut sent, mut readings, mut rises) = (0_u64, 0_u64, 0_u64);
    let start = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_micros() as u64;
    while !stop.load(Ordering::SeqCst) || !readings.is_multiple_of(2 * PROBE_EVERY) {
        let mut send = |tag: &str, value: u64| {
            let payload = format!("{{\"v\":{value},\"t\":{}}}", start + readings * pace.as_micros() as u64);
            client.publish(format!("plant/{tag}"), QoS::AtLeastOnce, false, payload).unwrap();
            sent += 1;
        };
        send("COUNT", readings);
        if readings.is_multiple_of(PROBE_EVERY) {
            let high = (readings / PROBE_EVERY).is_multiple_of(2);
            rises += u64::from(high);
            send("PROBE", if high { 150 } else { 20 });
        }
        readings += 1;
        std::thread::sleep(pace);
    }
    while acked.load(Ordering::SeqCst) < sent {
        std::thread::sleep(Duration::from_millis(10));
    }
    client.disconnect().unwrap();
    pump.join().unwrap();
    Published { readings, rises }
}
