//! A broker that acknowledges when and in which order it likes.
#![allow(clippy::unwrap_used)]

use super::*;
use crate::config::types::Broker;
use crate::notices::sample;
use std::collections::BTreeSet;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

const CONNECT: u8 = 1;
const PUBLISH: u8 = 3;
const DISCONNECT: u8 = 14;

/// One packet: its kind, and what stands behind the length.
async fn packet(stream: &mut TcpStream) -> Option<(u8, Vec<u8>)> {
    let kind = stream.read_u8().await.ok()? >> 4;
    let (mut length, mut shift) = (0_usize, 0);
    loop {
        let byte = stream.read_u8().await.ok()?;
        length |= usize::from(byte & 0x7f) << shift;
        shift += 7;
        if byte & 0x80 == 0 {
            break;
        }
    }
    let mut body = vec![0; length];
    stream.read_exact(&mut body).await.ok()?;
    Some((kind, body))
}

/// Number and words of a publication.
fn publication(body: &[u8]) -> (u16, String) {
    let topic = usize::from(u16::from_be_bytes([body[0], body[1]]));
    let number = u16::from_be_bytes([body[topic + 2], body[topic + 3]]);
    (number, String::from_utf8(body[topic + 4..].to_vec()).unwrap())
}

/// Takes one visit: waits until `together` messages are there, then acknowledges them, the last one first, but those in `never`. Gives what came.
async fn broker(listener: &TcpListener, together: usize, never: &[&str]) -> Vec<String> {
    let (mut stream, _) = listener.accept().await.unwrap();
    let (mut came, mut waiting) = (Vec::new(), Vec::new());
    while let Some((kind, body)) = packet(&mut stream).await {
        match kind {
            CONNECT => stream.write_all(&[0x20, 2, 0, 0]).await.unwrap(),
            PUBLISH => {
                let (number, words) = publication(&body);
                waiting.push((number, words.clone()));
                came.push(words);
            }
            DISCONNECT => break,
            _ => {}
        }
        if waiting.len() >= together {
            for (number, words) in waiting.drain(..).rev() {
                if !never.contains(&words.as_str()) {
                    let [high, low] = number.to_be_bytes();
                    stream.write_all(&[0x40, 2, high, low]).await.unwrap();
                }
            }
        }
    }
    came
}

async fn listen() -> (TcpListener, u16) {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let port = listener.local_addr().unwrap().port();
    (listener, port)
}

fn publisher(port: u16, timeout_ms: u64) -> Arc<Publisher> {
    let broker = Broker {
        host: "127.0.0.1".to_owned(),
        port,
        client_id: "plant".to_owned(),
        username: None,
        password: None,
        tls: None,
        timeout_ms,
    };
    Arc::new(Publisher::new(MqttChannel { broker, topic: "t/cap".to_owned(), cap: sample::channel("mqtt://x") }))
}

/// Tries them all at once.
async fn tell(publisher: &Arc<Publisher>, words: impl IntoIterator<Item = String>) -> BTreeMap<String, Delivered> {
    let mut tries = tokio::task::JoinSet::new();
    for words in words {
        let publisher = Arc::clone(publisher);
        tries.spawn(async move { (words.clone(), publisher.deliver(words).await) });
    }
    tries.join_all().await.into_iter().collect()
}

fn names(count: usize) -> impl Iterator<Item = String> {
    (0..count).map(|n| format!("m{n}"))
}

/// One after the other they would wait for ever: the broker says nothing before it has all of them.
#[tokio::test]
async fn as_many_as_are_tried_are_on_their_way_at_once() {
    let (listener, port) = listen().await;
    let heard = tokio::spawn(async move { broker(&listener, AT_ONCE, &[]).await });
    let told = tell(&publisher(port, 20_000), names(AT_ONCE)).await;
    assert!(told.values().all(|told| matches!(told, Delivered::Receipt { accepted: false, .. })), "{told:?}");
    let heard = heard.await.unwrap();
    assert_eq!((heard.len(), heard.into_iter().collect::<BTreeSet<_>>()), (AT_ONCE, names(AT_ONCE).collect()), "in one visit");
}

/// Each is answered for itself: one that the broker never acknowledges has no receipt, and the others have theirs.
#[tokio::test]
async fn an_acknowledgement_is_of_its_own_message_alone() {
    let (listener, port) = listen().await;
    let heard = tokio::spawn(async move { broker(&listener, 5, &["m1", "m3"]).await });
    let told = tell(&publisher(port, 1_000), names(5)).await;
    for (name, told) in told {
        let came = matches!(told, Delivered::Receipt { .. });
        assert_eq!(came, !["m1", "m3"].contains(&name.as_str()), "{name}: {told:?}");
        let why = "no acknowledgement of the broker within 1000 ms";
        assert!(came || told == Delivered::Failed { detail: why.to_owned(), rejected: false }, "{name}: {told:?}");
    }
    heard.await.unwrap();
}

/// What comes when a visit is over begins another; a connection that breaks fails all that is on its way, and nothing behind it.
#[tokio::test]
async fn visits_follow_one_another() {
    let (listener, port) = listen().await;
    let publisher = publisher(port, 5_000);
    let heard = tokio::spawn(async move {
        let first = broker(&listener, 1, &[]).await;
        // The second visit is cut before anything is acknowledged.
        drop(listener.accept().await.unwrap());
        [first, broker(&listener, 1, &[]).await]
    });
    assert!(matches!(publisher.deliver("a".to_owned()).await, Delivered::Receipt { .. }));
    assert!(matches!(publisher.deliver("b".to_owned()).await, Delivered::Failed { rejected: false, .. }));
    assert!(matches!(publisher.deliver("b".to_owned()).await, Delivered::Receipt { .. }));
    assert_eq!(heard.await.unwrap(), [["a"], ["b"]]);
}
