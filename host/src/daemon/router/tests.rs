//! The router against the disk, audiences that hang, and receivers that are slow: who is told, how often, and in which order.
#![allow(clippy::unwrap_used)]

use super::*;
use crate::config::types::Channel;
use crate::notices::sample;
use brain::{Alarm, Notice, Severity};
use std::io::{Read, Write};
use std::net::TcpListener;
use std::sync::Mutex;
use std::time::Instant;

/// Places of a way here.
const TRIES_MAX: usize = 8;

/// The disk, which has all up to record 9, and takes records.
type Disk = (watch::Sender<Durable>, watch::Sender<bool>);

/// A router to these audiences, what it tells the brain, and its disk.
fn router(era: u32, ways: BTreeMap<String, Way>) -> (Router, mpsc::Receiver<Input>, Disk) {
    let (durable_tx, durable) = watch::channel(Durable { era, seq: 9, synced_at: Instant::now(), failed: None });
    let ((recorded_tx, recorded), (inputs, told)) = (watch::channel(true), mpsc::channel(100));
    (Router { durable, recorded, ways, inputs, in_hand: BTreeSet::new() }, told, (durable_tx, recorded_tx))
}

fn due(effects: Vec<Effect>) -> Due {
    Due { through: 9, era: 1, effects, acks: vec![], after: None, heard: None }
}

fn tell(id: u64, audience: &str, severity: Severity, attempt: u32) -> Effect {
    let alarm = Box::new(Alarm { severity, ..*sample::notice().alarm });
    let notice = Notice { id: NoticeId(id), audience: audience.to_owned(), alarm, ..sample::notice() };
    let message = Some(letter::pack(&format!("<alert>{id}</alert>")).unwrap());
    Effect::Tell { notice: Box::new(notice), message, attempt, number: 0 }
}

fn way_to(port: u16) -> Way {
    let channel = Channel::Cap(sample::channel(&format!("http://127.0.0.1:{port}/cap")));
    Way::of(Courier::of(&channel, None, &[]).unwrap().map(Arc::new), TRIES_MAX)
}

/// Takes every message, and keeps their numbers in the order in which they came.
fn receiver() -> (u16, Arc<Mutex<Vec<u64>>>) {
    let (listener, heard) = (TcpListener::bind("127.0.0.1:0").unwrap(), Arc::new(Mutex::new(Vec::new())));
    let (port, keep) = (listener.local_addr().unwrap().port(), Arc::clone(&heard));
    std::thread::spawn(move || {
        for mut stream in listener.incoming().map_while(Result::ok) {
            let (mut request, mut part) = (Vec::new(), [0; 4096]);
            while !String::from_utf8_lossy(&request).contains("</alert>") {
                match stream.read(&mut part).unwrap_or(0) {
                    0 => break,
                    read => request.extend_from_slice(&part[..read]),
                }
            }
            let text = String::from_utf8_lossy(&request).into_owned();
            let number: Option<u64> = text.split_once("<alert>").and_then(|(_, rest)| rest.split_once('<')?.0.parse().ok());
            keep.lock().unwrap().extend(number);
            let _ = stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\nconnection: close\r\n\r\n");
        }
    });
    (port, heard)
}

/// What waited while the journal died and came back rests on a record that is nowhere: its number is another one's now.
#[tokio::test]
async fn a_number_given_again_promises_nothing_to_who_had_it_first() {
    let (router, mut told, _disk) = router(2, BTreeMap::from([("screens".to_owned(), Way::new(None))]));
    let (dues, queue) = mpsc::channel(2);
    let routing = tokio::spawn(router.run(queue));
    for (era, answered) in [(1, false), (2, true)] {
        let (answer, mut answers) = mpsc::channel(1);
        let after: After = Box::new(move |seq| answer.try_send(seq).unwrap());
        let effects = vec![tell(u64::from(era), "screens", Severity::Red, 1)];
        assert!(dues.send(Due { era, after: Some(after), ..due(effects) }).await.is_ok());
        assert_eq!(answers.recv().await, answered.then_some(9), "era {era}");
        let id = NoticeId(u64::from(era));
        assert!(matches!(told.recv().await, Some(Input::Delivered { notice, .. }) if notice == id), "told all the same");
    }
    drop(dues);
    routing.await.unwrap();
}

/// More notices than places for an audience that never answers, then one for an audience that does: it is told. One that is told again while
/// its try waits is not tried twice.
#[tokio::test]
async fn an_audience_that_hangs_holds_up_nobody_else() {
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let hangs = way_to(silent.local_addr().unwrap().port());
    let (mut router, mut told, _disk) =
        router(1, BTreeMap::from([("hangs".to_owned(), hangs), ("screens".to_owned(), Way::new(None))]));
    let many = TRIES_MAX as u64 * 3;
    let mut effects: Vec<Effect> = (0..many).map(|id| tell(id, "hangs", Severity::Red, 1)).collect();
    effects.push(tell(0, "hangs", Severity::Red, 2));
    effects.push(tell(99, "screens", Severity::Red, 1));
    effects.push(tell(100, "nobody", Severity::Red, 1));
    let mut tries = Tries::new();
    router.route(due(effects), &mut tries);
    assert_eq!(tries.len(), TRIES_MAX + 1, "as many as have places, and the screens");
    assert_eq!(router.in_hand.len() as u64, many + 1, "once each, and nobody is no receipt");
    let Some(Input::Delivered { notice, delivered }) = told.recv().await else { panic!("somebody was told") };
    assert_eq!((notice, delivered), (NoticeId(99), Delivered::Receipt { code: "console".to_owned(), accepted: true }));
}

/// It came, and its receipt is still on its way to the brain, which tells it again meanwhile. Where the brain knew, it is tried again: the same rig
/// sees a second copy.
#[tokio::test]
async fn what_came_is_not_sent_again_before_the_brain_knows() {
    let (port, heard) = receiver();
    let (router, mut told, _disk) = router(1, BTreeMap::from([("bureau".to_owned(), way_to(port))]));
    let (dues, queue) = mpsc::channel(10);
    let routing = tokio::spawn(router.run(queue));
    let again = |attempt| due(vec![tell(1, "bureau", Severity::Red, attempt)]);
    let mark = |id| due(vec![tell(id, "bureau", Severity::Red, 1)]);
    let mut came = async |id: u64| {
        let input = told.recv().await;
        assert!(matches!(input, Some(Input::Delivered { notice, delivered: Delivered::Receipt { .. } }) if notice.0 == id));
    };
    assert!(dues.send(again(1)).await.is_ok());
    came(1).await;
    // Decided in ignorance of the receipt: before the step that takes it, and in it.
    assert!(dues.send(again(2)).await.is_ok());
    assert!(dues.send(Due { heard: Some(NoticeId(1)), ..again(3) }).await.is_ok());
    assert!(dues.send(mark(2)).await.is_ok());
    came(2).await;
    assert_eq!(*heard.lock().unwrap(), [1, 2], "once");
    assert!(dues.send(again(4)).await.is_ok());
    came(1).await;
    assert_eq!(*heard.lock().unwrap(), [1, 2, 1], "the brain knew, and wants it once more");
    drop(dues);
    routing.await.unwrap();
}

/// One that failed is tried again as soon as the brain says so, whether it knows of the failure or not.
#[tokio::test]
async fn what_failed_is_tried_again() {
    let nobody = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let (router, mut told, _disk) = router(1, BTreeMap::from([("bureau".to_owned(), way_to(nobody))]));
    let (dues, queue) = mpsc::channel(10);
    let routing = tokio::spawn(router.run(queue));
    for attempt in 1..4 {
        assert!(dues.send(due(vec![tell(1, "bureau", Severity::Red, attempt)])).await.is_ok());
        let input = told.recv().await;
        assert!(matches!(input, Some(Input::Delivered { delivered: Delivered::Failed { rejected: false, .. }, .. })));
    }
    drop(dues);
    routing.await.unwrap();
}

/// While the disk owes a record, what is on disk already goes on its way; and what rests on the record goes once it is there.
#[tokio::test]
async fn what_waits_for_a_place_does_not_wait_for_the_disk() {
    let (port, heard) = receiver();
    let (router, mut told, disk) = router(1, BTreeMap::from([("bureau".to_owned(), way_to(port))]));
    let (dues, queue) = mpsc::channel(10);
    let routing = tokio::spawn(router.run(queue));
    let many = TRIES_MAX as u64 * 3;
    assert!(dues.send(due((1..=many).map(|id| tell(id, "bureau", Severity::Blue, 1)).collect())).await.is_ok());
    assert!(dues.send(Due { through: 10, ..due(vec![tell(99, "bureau", Severity::Red, 1)]) }).await.is_ok());
    for _ in 0..many {
        assert!(told.recv().await.is_some());
    }
    let so_far = heard.lock().unwrap().clone();
    assert!(so_far.len() as u64 == many && !so_far.contains(&99), "{so_far:?}");
    disk.0.send_modify(|durable| durable.seq = 10);
    assert!(matches!(told.recv().await, Some(Input::Delivered { notice: NoticeId(99), .. })));
    drop(dues);
    routing.await.unwrap();
}

/// A flood of all levels at once: the receiver hears the red ones first.
#[tokio::test]
async fn the_receiver_hears_the_worst_first() {
    let (port, heard) = receiver();
    let (router, mut told, _disk) = router(1, BTreeMap::from([("bureau".to_owned(), way_to(port))]));
    let (dues, queue) = mpsc::channel(10);
    let routing = tokio::spawn(router.run(queue));
    let flood = (0..400).map(|id| tell(id, "bureau", Severity::ALL[id as usize % 4], 1));
    assert!(dues.send(due(flood.collect())).await.is_ok());
    for _ in 0..400 {
        assert!(told.recv().await.is_some());
    }
    let heard = heard.lock().unwrap().clone();
    let last = |level: u64| heard.iter().rposition(|id| id % 4 == level).unwrap();
    let (red, orange, blue) = (last(3), last(2), last(0));
    // Seven of eight tries are for the worst, and a few run at the same time.
    assert!(red < 100 * 8 / 7 + 2 * TRIES_MAX && orange < 200 * 8 / 7 + 2 * TRIES_MAX && blue > 380, "{red} {orange} {blue}");
    drop(dues);
    routing.await.unwrap();
}
