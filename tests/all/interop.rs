//! Links against foreign peers: a real mosquitto and a real pymodbus server. Skipped, loudly, where a peer is not installed; with
//! `CI=true` a missing peer is a failure.
#![allow(clippy::unwrap_used)]

mod peers;

use peers::{Broker, device};

use brain::event::LinkState;
use brain::{Quality, Reading, TagId};
use safety_brain::config::types::{
    Link, LinkKind, Modbus, ModbusPoint, ModbusTable, ModbusType, Mqtt, MqttVersion, Payload, TagFrom, Tls, Topic, Values,
    WordOrder,
};
use safety_brain::links::{self, FromLink, LinkCounters, Outlet};
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::{Duration, SystemTime};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

/// How long anything may take before the test gives up.
const PATIENCE: Duration = Duration::from_secs(20);

/// A running link and what it says.
struct Running {
    from: mpsc::Receiver<FromLink>,
    stop: CancellationToken,
    task: JoinHandle<()>,
    counters: Arc<LinkCounters>,
}

impl Running {
    fn start(kind: LinkKind) -> Running {
        let (out, from) = mpsc::channel(1024);
        let now = || SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_micros() as i64;
        let stop = CancellationToken::new();
        let outlet = Outlet {
            link: 0,
            out,
            clock: Arc::new(move || links::Now { at: now(), ahead: 0, wrong: false }),
            counters: Arc::default(),
            recorded: tokio::sync::watch::channel(true).1,
            stop: stop.clone(),
        };
        let counters = outlet.counters.clone();
        let task = tokio::spawn(links::run(Link { name: "link".into(), kind }, outlet));
        Running { from, stop, task, counters }
    }

    async fn next(&mut self) -> FromLink {
        tokio::time::timeout(PATIENCE, self.from.recv()).await.expect("the link says nothing").unwrap()
    }

    /// The next state, skipping all else.
    async fn state(&mut self) -> (LinkState, String) {
        loop {
            if let FromLink::State { state, reason, .. } = self.next().await {
                return (state, reason);
            }
        }
    }

    async fn until(&mut self, wanted: LinkState) -> String {
        loop {
            let (state, reason) = self.state().await;
            if state == wanted {
                return reason;
            }
        }
    }

    /// The next readings, acknowledged.
    async fn taken(&mut self) -> Vec<Reading> {
        let (readings, ack) = self.readings().await;
        if let Some(ack) = ack {
            ack.done();
        }
        readings
    }

    async fn readings(&mut self) -> (Vec<Reading>, Option<links::Ack>) {
        loop {
            match self.next().await {
                FromLink::Readings { readings, ack, .. } => return (readings, ack),
                FromLink::State { .. } => {}
                FromLink::Malformed { sample, .. } => panic!("{sample}"),
            }
        }
    }

    async fn end(self) {
        self.stop.cancel();
        tokio::time::timeout(PATIENCE, self.task).await.expect("the link does not stop").unwrap();
    }
}

fn mqtt(broker: &Broker, version: MqttVersion) -> Mqtt {
    let topic = |filter: &str, tag| Topic {
        filter: filter.into(),
        payload: Payload::Scalar { tag: TagFrom::Fixed(TagId(tag)), values: Values::new() },
    };
    Mqtt {
        host: "127.0.0.1".into(),
        port: broker.port,
        version,
        client_id: "safety-brain-interop".into(),
        username: None,
        password: None,
        keep_alive_s: 5,
        packet_bytes_max: 2000,
        tls: None,
        topics: vec![topic("plant/a", 1), topic("plant/+/kept", 2)],
    }
}

fn values(readings: &[Reading]) -> Vec<f64> {
    readings.iter().map(|r| r.value).collect()
}

#[tokio::test]
async fn mosquitto_hears_taken_only_after_done() {
    if !peers::mosquitto() {
        return;
    }
    for version in [MqttVersion::V311, MqttVersion::V5] {
        let broker = Broker::start(|_| String::new()).await;
        broker.publish("plant/x/kept", "7", &["-r"]);
        let config = mqtt(&broker, version);
        let mut link = Running::start(LinkKind::Mqtt(config.clone()));
        assert_eq!(link.state().await.0, LinkState::Up);
        let kept = link.taken().await;
        assert_eq!((kept[0].tag, kept[0].value, kept[0].quality), (TagId(2), 7.0, Quality::LATE), "{version:?}");
        broker.publish("plant/a", "1.5", &[]);
        let (first, not_done) = link.readings().await;
        assert_eq!((values(&first), first[0].quality), (vec![1.5], Quality::GOOD));
        broker.publish("plant/a", "2.5", &[]);
        assert_eq!(values(&link.taken().await), [2.5]);
        link.end().await;
        drop(not_done);

        // A new start with the same client id: what was not done comes again, and so does what came behind it, as acknowledgements go in order.
        let mut link = Running::start(LinkKind::Mqtt(config));
        broker.publish("plant/a", "3.5", &[]);
        let mut seen = Vec::new();
        while !seen.contains(&3.5) {
            seen.extend(link.taken().await.iter().filter(|r| r.tag == TagId(1)).map(|r| r.value));
        }
        assert_eq!(seen, [1.5, 2.5, 3.5], "{version:?}");
        link.end().await;
    }
}

#[tokio::test]
async fn mosquitto_restarts_and_the_link_comes_back() {
    if !peers::mosquitto() {
        return;
    }
    for version in [MqttVersion::V311, MqttVersion::V5] {
        let mut broker = Broker::start(|_| String::new()).await;
        let mut link = Running::start(LinkKind::Mqtt(mqtt(&broker, version)));
        link.until(LinkState::Up).await;
        broker.publish("plant/a", "1", &[]);
        let (_, not_done) = link.readings().await;
        broker.down();
        assert_eq!(link.state().await.0, LinkState::Down);
        // An acknowledgement of the lost connection is void.
        not_done.unwrap().done();
        assert!(broker.up().await);
        link.until(LinkState::Up).await;
        broker.publish("plant/a", "2", &[]);
        let mut seen = Vec::new();
        while !seen.contains(&2.0) {
            seen.extend(values(&link.taken().await));
        }
        assert_eq!(seen, [1.0, 2.0], "{version:?}");
        assert!(link.counters.connects.load(Relaxed) >= 2);
        link.end().await;
    }
}

#[tokio::test]
async fn a_message_too_large_for_us_is_named() {
    if !peers::mosquitto() {
        return;
    }
    let broker = Broker::start(|_| String::new()).await;
    let mut link = Running::start(LinkKind::Mqtt(mqtt(&broker, MqttVersion::V311)));
    link.until(LinkState::Up).await;
    let large = "1".repeat(20_000);
    broker.publish("plant/a", &large, &[]);
    let why = link.until(LinkState::Down).await;
    assert!(why.contains("payload size limit exceeded") && why.contains("packet_bytes_max"), "{why}");
    link.end().await;

    // Version 5 tells the broker our limit, and the broker drops such a message.
    let mut config = mqtt(&broker, MqttVersion::V5);
    config.client_id = "five".into();
    let mut link = Running::start(LinkKind::Mqtt(config));
    link.until(LinkState::Up).await;
    broker.publish("plant/a", &large, &[]);
    broker.publish("plant/a", "4", &[]);
    assert_eq!(values(&link.taken().await), [4.0]);
    link.end().await;
}

#[tokio::test]
async fn a_burst_is_taken_once_and_in_order() {
    if !peers::mosquitto() {
        return;
    }
    for version in [MqttVersion::V311, MqttVersion::V5] {
        let broker = Broker::start(|_| "max_inflight_messages 1000\n".to_owned()).await;
        let config = mqtt(&broker, version);
        let mut link = Running::start(LinkKind::Mqtt(config.clone()));
        link.until(LinkState::Up).await;
        let lines: String = (0..5000).map(|n| format!("{n}\n")).collect();
        let publish = tokio::task::spawn_blocking(move || {
            broker.publish_lines("plant/a", &lines);
            broker
        });
        // Acknowledged as a group commit would: many batches at once, later.
        let (mut seen, mut owed, mut unsynced) = (Vec::new(), Vec::new(), 0);
        while seen.len() < 5000 {
            let (readings, ack) = link.readings().await;
            seen.extend(values(&readings));
            owed.extend(ack);
            unsynced += readings.len();
            if unsynced > 500 || seen.len() > 4000 {
                owed.drain(..).for_each(links::Ack::done);
                unsynced = 0;
            }
        }
        assert!(seen.iter().zip(0..).all(|(got, n)| *got == f64::from(n)));
        link.end().await;

        let broker = publish.await.unwrap();
        let mut link = Running::start(LinkKind::Mqtt(config));
        broker.publish("plant/a", "-1", &[]);
        assert_eq!(values(&link.taken().await), [-1.0], "{version:?}: all the rest was acknowledged");
        link.end().await;
    }
}

/// An authority and certificates of it for `127.0.0.1`: files `ca.pem`, and `<name>.pem`, `<name>.key` for each name.
fn certificates(dir: &std::path::Path, names: &[&str]) {
    let key = rcgen::KeyPair::generate().unwrap();
    let mut params = rcgen::CertificateParams::default();
    params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    // Names must differ, or an issued certificate looks like one that signed itself.
    params.distinguished_name.push(rcgen::DnType::CommonName, "authority");
    let pem = params.self_signed(&key).unwrap().pem();
    std::fs::write(dir.join("ca.pem"), pem).unwrap();
    let issuer = rcgen::Issuer::new(params, key);
    for name in names {
        let key = rcgen::KeyPair::generate().unwrap();
        let mut params = rcgen::CertificateParams::new(vec!["127.0.0.1".to_owned()]).unwrap();
        params.distinguished_name.push(rcgen::DnType::CommonName, *name);
        let pem = params.signed_by(&key, &issuer).unwrap().pem();
        std::fs::write(dir.join(format!("{name}.pem")), pem).unwrap();
        std::fs::write(dir.join(format!("{name}.key")), key.serialize_pem()).unwrap();
    }
}

#[tokio::test]
async fn mosquitto_over_mutual_tls() {
    if !peers::mosquitto() {
        return;
    }
    let broker = Broker::start(|dir| {
        certificates(dir, &["broker", "client"]);
        let d = dir.display();
        format!("cafile {d}/ca.pem\ncertfile {d}/broker.pem\nkeyfile {d}/broker.key\nrequire_certificate true\n")
    })
    .await;
    let file = |name: &str| broker.dir.path().join(name);
    for version in [MqttVersion::V311, MqttVersion::V5] {
        let with = |identity| {
            let tls = Some(Tls { ca: file("ca.pem"), identity });
            Running::start(LinkKind::Mqtt(Mqtt { tls, ..mqtt(&broker, version) }))
        };
        let mut link = with(Some((file("client.pem"), file("client.key"))));
        let (state, reason) = link.state().await;
        assert_eq!(state, LinkState::Up, "{reason}");
        link.end().await;

        let mut link = with(None);
        let (state, why) = link.state().await;
        assert_eq!(state, LinkState::Down);
        assert!(why.contains("the broker wants a client certificate"), "{why}");
        link.end().await;

        let mut link = with(Some((file("none.pem"), file("client.key"))));
        let (state, why) = link.state().await;
        assert!(state == LinkState::Down && why.contains("none.pem"), "{why}");
        link.end().await;
    }
}

fn point(tag: u32, table: ModbusTable, address: u16, kind: ModbusType, order: WordOrder) -> ModbusPoint {
    let (scale, offset, no_value) = (1.0, 0.0, None);
    ModbusPoint { tag: TagId(tag), unit: 1, table, address, kind, order, scale, offset, no_value, period_ms: 50 }
}

/// Reads until a scan has told of all points in full, and returns it by tag.
async fn whole_scan(link: &mut Running, points: usize) -> Vec<Reading> {
    loop {
        let mut readings = link.taken().await;
        let missing = readings.iter().filter(|r| r.quality == Quality::BAD).count();
        if readings.len() == points && missing <= 1 {
            readings.sort_by_key(|r| r.tag);
            return readings;
        }
    }
}

#[tokio::test]
async fn pymodbus_serves_every_type_and_a_restart() {
    use ModbusTable::{Coil, Discrete, Holding, Input};
    use ModbusType::{Bool, F32, I16, I32, U16, U32};
    use WordOrder::{Abcd, Badc, Cdab, Dcba};
    if !peers::pymodbus() {
        return;
    }
    let device_1 = device(0).expect("the pymodbus server did not start");
    let port = device_1.port;
    let mut points = Vec::new();
    for (base, table) in [(0u32, Holding), (20, Input)] {
        let at = |tag, address, kind, order| point(base + tag, table, address, kind, order);
        points.extend([
            at(0, 0, U16, Abcd),
            at(1, 1, I16, Abcd),
            at(2, 2, U32, Abcd),
            at(3, 4, U32, Cdab),
            at(4, 6, I32, Abcd),
            at(5, 8, F32, Badc),
            at(6, 10, F32, Dcba),
            at(7, 12, F32, Abcd),
            ModbusPoint { no_value: Some(0x8000), ..at(8, 14, U16, Abcd) },
            ModbusPoint { scale: 0.5, offset: -1.0, ..at(9, 0, U16, Abcd) },
        ]);
    }
    points.extend([point(40, Coil, 3, Bool, Abcd), point(41, Coil, 4, Bool, Abcd)]);
    points.extend([point(42, Discrete, 3, Bool, Abcd), point(43, Discrete, 4, Bool, Abcd)]);
    // Merged with its neighbours at first, and not there.
    points.push(point(50, Holding, 34, U16, Abcd));
    let all = points.len();
    let config = Modbus { host: "127.0.0.1".into(), port, timeout_ms: 2000, gap_max: 30, points };
    let mut link = Running::start(LinkKind::Modbus(config));
    link.until(LinkState::Up).await;
    let got = whole_scan(&mut link, all).await;
    let registers = [65_534.0, -2.0, 16_909_060.0, 16_909_060.0, -2.0, 3.140_625, 3.140_625];
    for table in [&got[..10], &got[10..20]] {
        assert_eq!(values(&table[..7]), registers);
        assert!(table[..7].iter().all(|r| r.quality.is_good()), "{table:?}");
        assert!(table[7].value.is_nan() && table[7].quality == Quality::IMPOSSIBLE);
        assert!(table[8].value.is_nan() && table[8].quality == Quality::SENSOR_FAILURE);
        assert_eq!(table[9].value, 32_766.0);
    }
    assert_eq!(values(&got[20..24]), [1.0, 0.0, 0.0, 1.0]);
    assert_eq!((got[24].tag, got[24].quality), (TagId(50), Quality::BAD));
    assert!(link.counters.exceptions.load(Relaxed) > 0);
    assert_eq!(link.counters.poisonings.load(Relaxed), 0, "exceptions cost no connection");

    drop(device_1);
    let why = link.until(LinkState::Down).await;
    assert!(why.starts_with(&format!("127.0.0.1:{port}: ")), "{why}");
    let _device_2 = device(port).expect("the pymodbus server did not start again");
    link.until(LinkState::Up).await;
    assert_eq!(values(&whole_scan(&mut link, all).await[..7]), registers);
    link.end().await;
}
