//! A scripted broker, byte by byte: what a real one does too seldom to wait for.
#![allow(clippy::unwrap_used)]

use crate::config::types::{JsonPoint, Mqtt, MqttVersion, Payload, TagFrom, TimeFormat, Topic, Values};
use crate::links::{FromLink, Outlet};
use brain::event::LinkState;
use brain::{Quality, Reading, TagId};
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

const CONNECT: u8 = 0x10;
const PUBLISH_QOS1: u8 = 0x32;
const PUBACK: u8 = 0x40;
const SUBSCRIBE: u8 = 0x82;
const DISCONNECT: u8 = 0xE0;

/// The broker's end of one connection.
struct Peer(TcpStream);

impl Peer {
    /// First byte and body of the next packet.
    async fn next(&mut self) -> std::io::Result<(u8, Vec<u8>)> {
        let first = self.0.read_u8().await?;
        let mut body = vec![0; self.0.read_u8().await?.into()]; // our packets are shorter than 128 bytes
        self.0.read_exact(&mut body).await?;
        Ok((first, body))
    }

    /// Skips pings.
    async fn expect(&mut self, first: u8) -> Vec<u8> {
        loop {
            let (got, body) = self.next().await.unwrap();
            if got == first {
                return body;
            }
            assert_eq!(got, 0xC0, "wanted {first:#x}");
        }
    }

    async fn send(&mut self, first: u8, body: &[u8]) {
        self.0.write_all(&[&[first, body.len() as u8], body].concat()).await.unwrap();
    }

    async fn publish(&mut self, topic: &str, id: u16, payload: &[u8], first: u8) {
        let head = (topic.len() as u16).to_be_bytes();
        self.send(first, &[&head, topic.as_bytes(), &id.to_be_bytes(), payload].concat()).await;
    }

    /// Connects a client and answers its subscription with `codes`.
    async fn welcome(listener: &TcpListener, resumed: u8, codes: [u8; 2]) -> Peer {
        let mut peer = Peer(listener.accept().await.unwrap().0);
        peer.expect(CONNECT).await;
        peer.send(0x20, &[resumed, 0]).await;
        let id = peer.expect(SUBSCRIBE).await[..2].to_vec();
        peer.send(0x90, &[&id[..], &codes].concat()).await;
        peer
    }
}

struct Bench {
    listener: TcpListener,
    config: Mqtt,
    outlet: Outlet,
    from: mpsc::Receiver<FromLink>,
}

async fn bench(queue_max: usize) -> Bench {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let scalar = Payload::Scalar { tag: TagFrom::Fixed(TagId(1)), values: Values::new() };
    let config = Mqtt {
        host: "127.0.0.1".into(),
        port: listener.local_addr().unwrap().port(),
        version: MqttVersion::V311,
        client_id: "c".into(),
        username: None,
        password: None,
        keep_alive_s: 1,
        packet_bytes_max: 1000,
        tls: None,
        topics: vec![Topic { filter: "a".into(), payload: scalar }],
    };
    let (out, from) = mpsc::channel(queue_max);
    let outlet = Outlet {
        link: 0,
        out,
        clock: Arc::new(|| crate::links::Now { at: 9, ahead: 0, wrong: false }),
        counters: Arc::default(),
        recorded: tokio::sync::watch::channel(true).1,
        stop: CancellationToken::new(),
    };
    Bench { listener, config, outlet, from }
}

/// Runs the link beside a script, then stops it.
async fn play(config: Mqtt, outlet: Outlet, script: impl Future<Output = ()>) {
    let stop = outlet.stop.clone();
    let script = async {
        script.await;
        stop.cancel();
    };
    let both = async { tokio::join!(super::run(&config, &outlet), script) };
    tokio::time::timeout(Duration::from_secs(30), both).await.expect("the script does not end");
}

async fn state(from: &mut mpsc::Receiver<FromLink>) -> (LinkState, String) {
    match from.recv().await.unwrap() {
        FromLink::State { state, reason, .. } => (state, reason),
        other => panic!("{other:?}"),
    }
}

async fn one(from: &mut mpsc::Receiver<FromLink>) -> (Reading, crate::links::Ack) {
    match from.recv().await.unwrap() {
        FromLink::Readings { readings, ack, .. } => (readings[0], ack.unwrap()),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_refused_subscription_is_not_up() {
    let Bench { listener, config, outlet, mut from } = bench(8).await;
    play(config, outlet, async {
        let _peer = Peer::welcome(&listener, 0, [0x80, 1]).await;
        let (down, why) = state(&mut from).await;
        assert_eq!(down, LinkState::Down);
        assert!(why.contains("refused the subscription \"a\""), "{why}");
        // A refused marker is no harm: two quiet seconds take its place.
        let _peer = Peer::welcome(&listener, 0, [1, 0x80]).await;
        assert_eq!(state(&mut from).await.0, LinkState::Up);
    })
    .await;
}

#[tokio::test]
async fn puback_only_after_done_and_in_the_order_of_messages() {
    let Bench { listener, config, outlet, mut from } = bench(8).await;
    play(config, outlet, async {
        let mut peer = Peer::welcome(&listener, 0, [1, 1]).await;
        assert_eq!(state(&mut from).await.0, LinkState::Up);
        peer.publish("a", 5, b"1.5", PUBLISH_QOS1).await;
        let (reading, first) = one(&mut from).await;
        assert_eq!((reading.value, reading.quality, reading.source_us), (1.5, Quality::GOOD, 9));
        peer.publish("a", 6, b"x", PUBLISH_QOS1).await;
        let Some(FromLink::Malformed { count: 1, sample, ack: Some(second), .. }) = from.recv().await else { panic!() };
        assert_eq!(sample, "topic a: not one number or true/false/on/off: x");
        peer.publish("a", 7, b"2", PUBLISH_QOS1 | 0x01).await;
        let (retained, third) = one(&mut from).await;
        assert_eq!(retained.quality, Quality::LATE);
        second.done();
        third.done();
        first.done();
        for id in [5, 6, 7] {
            assert_eq!(peer.expect(PUBACK).await, [0, id]);
        }
    })
    .await;
}

#[tokio::test]
async fn a_backlog_is_late_until_our_marker_is_back() {
    let Bench { listener, config, outlet, mut from } = bench(8).await;
    play(config, outlet, async {
        let mut peer = Peer::welcome(&listener, 1, [1, 1]).await;
        peer.publish("a", 5, b"1", PUBLISH_QOS1).await;
        assert_eq!(state(&mut from).await.0, LinkState::Up);
        let (late, first) = one(&mut from).await;
        assert_eq!(late.quality, Quality::LATE);
        let marker = peer.expect(PUBLISH_QOS1).await;
        let (topic, rest) = marker[2..].split_at(marker[1].into());
        assert_eq!(topic, b"safety-brain/c/marker");
        // An old marker in the backlog proves nothing; it is acknowledged behind what came before it.
        peer.publish("safety-brain/c/marker", 6, b"8", PUBLISH_QOS1).await;
        peer.publish("a", 7, b"2", PUBLISH_QOS1).await;
        let (late, second) = one(&mut from).await;
        assert_eq!(late.quality, Quality::LATE);
        second.done();
        first.done();
        for id in [5, 6, 7] {
            assert_eq!(peer.expect(PUBACK).await, [0, id]);
        }
        peer.publish("safety-brain/c/marker", 8, &rest[2..], PUBLISH_QOS1).await;
        peer.publish("a", 9, b"3", PUBLISH_QOS1).await;
        let (good, _third) = one(&mut from).await;
        assert_eq!(good.quality, Quality::GOOD);
    })
    .await;
}

#[tokio::test]
async fn a_full_queue_stops_the_reading_then_the_connection() {
    let Bench { listener, config, outlet, mut from } = bench(1).await;
    play(config, outlet, async {
        let mut peer = Peer::welcome(&listener, 0, [1, 1]).await;
        peer.publish("a", 5, b"1", PUBLISH_QOS1).await;
        // Nobody takes the first message out: after one keep-alive the link gives up.
        while peer.next().await.is_ok() {}
        assert_eq!(state(&mut from).await.0, LinkState::Up);
        let (reading, old) = one(&mut from).await;
        assert_eq!(reading.value, 1.0);
        assert_eq!(state(&mut from).await.0, LinkState::Saturated);
        let mut peer = Peer::welcome(&listener, 0, [1, 1]).await;
        assert_eq!(state(&mut from).await.0, LinkState::Up);
        // The id now belongs to another message: the old acknowledgement must not reach it.
        peer.publish("a", 5, b"2", PUBLISH_QOS1).await;
        let (_, new) = one(&mut from).await;
        old.done();
        peer.publish("a", 6, b"3", PUBLISH_QOS1).await;
        let (_, unanswered) = one(&mut from).await;
        new.done();
        assert_eq!(peer.expect(PUBACK).await, [0, 5]);
        // What will never be answered is asked for again.
        drop(unanswered);
        peer.expect(DISCONNECT).await;
        let _peer = Peer::welcome(&listener, 1, [1, 1]).await;
        assert_eq!(state(&mut from).await.0, LinkState::Up);
    })
    .await;
}

#[tokio::test]
async fn a_silent_broker_is_down() {
    let Bench { listener, config, outlet, mut from } = bench(8).await;
    play(config, outlet, async {
        let _peer = Peer::welcome(&listener, 0, [1, 1]).await;
        assert_eq!(state(&mut from).await.0, LinkState::Up);
        let (down, why) = state(&mut from).await;
        assert_eq!((down, &why[..]), (LinkState::Down, "the broker does not answer pings"));
    })
    .await;
}

#[tokio::test]
async fn a_stop_sends_what_is_owed_and_says_goodbye() {
    let Bench { listener, config, outlet, mut from } = bench(8).await;
    let stop = outlet.stop.clone();
    play(config, outlet, async {
        let mut peer = Peer::welcome(&listener, 0, [1, 1]).await;
        assert_eq!(state(&mut from).await.0, LinkState::Up);
        peer.publish("a", 5, b"1", PUBLISH_QOS1).await;
        one(&mut from).await.1.done();
        stop.cancel();
        assert_eq!(peer.expect(PUBACK).await, [0, 5]);
        peer.expect(DISCONNECT).await;
    })
    .await;
}

/// A source gives its time by the wall clock, which may be far from the time that readings are handed over in.
#[tokio::test]
async fn a_source_time_is_reckoned_by_the_wall_clock_as_known() {
    let Bench { listener, mut config, mut outlet, mut from } = bench(8).await;
    let point = JsonPoint { tag: TagFrom::Fixed(TagId(1)), value: "/v".into(), quality: None, values: Values::new() };
    config.topics[0].payload = Payload::Json { points: vec![point], time: Some(("/t".into(), TimeFormat::Microseconds)) };
    outlet.clock = Arc::new(|| crate::links::Now { at: 5_000_000, ahead: 100_000_000, wrong: false });
    play(config, outlet, async {
        let mut peer = Peer::welcome(&listener, 0, [1, 1]).await;
        assert_eq!(state(&mut from).await.0, LinkState::Up);
        for (wall, source_us, quality) in [
            (104_000_000, 4_000_000, Quality::GOOD),
            (105_000_000, 5_000_000, Quality::GOOD),
            // Ahead of the wall clock: not believed.
            (108_000_000, 5_000_000, Quality::DOUBTFUL),
            // By the other clock it is very old; the brain says so.
            (5_000_000, -95_000_000, Quality::GOOD),
        ] {
            peer.publish("a", 5, format!("{{\"v\":1,\"t\":{wall}}}").as_bytes(), PUBLISH_QOS1).await;
            let (reading, ack) = one(&mut from).await;
            assert_eq!((reading.source_us, reading.quality), (source_us, quality), "{wall}");
            ack.done();
            peer.expect(PUBACK).await;
        }
    })
    .await;
}
