//! A scripted Modbus device that tells the truth or lies, on a port the system chose.
#![allow(clippy::unwrap_used)]

use crate::config::types::{Modbus, ModbusPoint, ModbusTable, ModbusType, WordOrder};
use crate::links::{FromLink, LinkCounters, Outlet};
use brain::event::LinkState;
use brain::{Quality, TagId};
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

/// A 16-bit holding register of unit 1; the tag has the number of its address.
pub(super) fn point(address: u16) -> ModbusPoint {
    ModbusPoint {
        tag: TagId(address.into()),
        unit: 1,
        table: ModbusTable::Holding,
        address,
        kind: ModbusType::U16,
        order: WordOrder::Abcd,
        scale: 1.0,
        offset: 0.0,
        no_value: None,
        period_ms: 20,
    }
}

/// Timeout where silence is played.
const SHORT_MS: u64 = 100;
/// Timeout where a slow machine must not look like silence.
const LONG_MS: u64 = 10_000;

/// What the device does with one request.
enum Act {
    /// A proper answer: the register at address `a` holds `a + 1000`.
    True,
    /// These bytes as they are, after the request's transaction id.
    Raw(Vec<u8>),
    /// A proper answer to another transaction.
    OtherTransaction,
    /// A proper answer from another unit.
    OtherUnit,
    /// An exception.
    Exception(u8),
    /// Nothing, until the client has gone.
    Never,
    /// Ends the connection.
    Close,
}

/// A request as it came.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Asked {
    unit: u8,
    function: u8,
    address: u16,
    count: u16,
}

fn adu(transaction: u16, unit: u8, pdu: &[u8]) -> Vec<u8> {
    let mut bytes = transaction.to_be_bytes().to_vec();
    bytes.extend([0, 0]);
    bytes.extend((pdu.len() as u16 + 1).to_be_bytes());
    bytes.push(unit);
    bytes.extend(pdu);
    bytes
}

fn truth(asked: Asked, count: u16) -> Vec<u8> {
    let mut pdu = vec![asked.function, (count * 2) as u8];
    for register in 0..count {
        pdu.extend((asked.address + register + 1000).to_be_bytes());
    }
    pdu
}

/// Serves connections one after the other; `script` says what to do with each request, by its number from 0.
async fn device(listener: TcpListener, mut script: impl FnMut(usize, Asked) -> Act) {
    let mut number = 0;
    loop {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut request = [0u8; 12];
        while stream.read_exact(&mut request).await.is_ok() {
            let word = |at: usize| u16::from_be_bytes([request[at], request[at + 1]]);
            let asked = Asked { unit: request[6], function: request[7], address: word(8), count: word(10) };
            let act = script(number, asked);
            number += 1;
            let answer = match act {
                Act::True => adu(word(0), asked.unit, &truth(asked, asked.count)),
                Act::Raw(bytes) => [&request[..2], &bytes].concat(),
                Act::OtherTransaction => adu(word(0).wrapping_add(1), asked.unit, &truth(asked, asked.count)),
                Act::OtherUnit => adu(word(0), asked.unit + 1, &truth(asked, asked.count)),
                Act::Exception(code) => adu(word(0), asked.unit, &[asked.function | 0x80, code]),
                Act::Never => Vec::new(),
                Act::Close => break,
            };
            if stream.write_all(&answer).await.is_err() {
                break;
            }
        }
    }
}

/// Runs a link against a scripted device until `enough` has seen what it wants.
async fn play<T>(
    points: Vec<ModbusPoint>,
    timeout_ms: u64,
    script: impl FnMut(usize, Asked) -> Act,
    mut enough: impl FnMut(FromLink) -> Option<T>,
) -> (T, Arc<LinkCounters>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let modbus = Modbus { host: "127.0.0.1".into(), port, timeout_ms, gap_max: 8, points };
    let (out, mut from) = mpsc::channel(64);
    let stop = CancellationToken::new();
    let outlet = Outlet {
        link: 0,
        out,
        clock: Arc::new(|| crate::links::Now { at: 0, ahead: 0, wrong: false }),
        counters: Arc::default(),
        recorded: tokio::sync::watch::channel(true).1,
        stop: stop.clone(),
    };
    let link = super::run("m", modbus, &outlet);
    let watch = async {
        let seen = loop {
            if let Some(seen) = enough(from.recv().await.unwrap()) {
                break seen;
            }
        };
        stop.cancel();
        seen
    };
    let counters = outlet.counters.clone();
    let both = async { tokio::join!(link, watch).1 };
    let seen = tokio::select! {
        seen = tokio::time::timeout(Duration::from_secs(20), both) => seen.expect("the link says nothing more"),
        () = device(listener, script) => unreachable!("the device serves for ever"),
    };
    (seen, counters)
}

/// Waits for a good reading of every point and checks all good readings on the way.
fn until_all_good(points: u32) -> impl FnMut(FromLink) -> Option<()> {
    let mut good = std::collections::BTreeSet::new();
    move |message| {
        if let FromLink::Readings { readings, .. } = message {
            for r in readings {
                if r.quality.is_good() {
                    assert_eq!(r.value, f64::from(r.tag.0 + 1000), "a value under the wrong tag");
                    good.insert(r.tag);
                } else {
                    assert!(r.quality.is_bad() && r.value.is_nan(), "{r:?}");
                }
            }
        }
        (good.len() == points as usize).then_some(())
    }
}

#[tokio::test]
async fn a_lie_is_never_a_value_and_costs_the_connection() {
    // Two requests per scan, so that a stale answer to one would fit the other in length.
    let points = || vec![point(0), point(100)];
    let short = |asked: Asked| adu(0, asked.unit, &truth(asked, 0)).split_off(2);
    let long = |asked: Asked| adu(0, asked.unit, &truth(asked, 4)).split_off(2);
    type Lie = Box<dyn Fn(Asked) -> Act>;
    let lies: Vec<(&str, Lie)> = vec![
        ("other transaction", Box::new(|_| Act::OtherTransaction)),
        ("other unit", Box::new(|_| Act::OtherUnit)),
        ("short", Box::new(move |asked| Act::Raw(short(asked)))),
        ("long", Box::new(move |asked| Act::Raw(long(asked)))),
        ("other function", Box::new(|asked| Act::Raw(adu(0, asked.unit, &[4, 2, 0, 7]).split_off(2)))),
        ("bytes missing", Box::new(|asked| Act::Raw(adu(0, asked.unit, &[3, 2, 0]).split_off(2)))),
        ("empty", Box::new(|asked| Act::Raw(adu(0, asked.unit, &[]).split_off(2)))),
        ("not Modbus", Box::new(|_| Act::Raw(b"HTTP/1.1 400".to_vec()))),
        ("never", Box::new(|_| Act::Never)),
        ("close", Box::new(|_| Act::Close)),
    ];
    for (name, lie) in lies {
        let script = |number, asked| {
            if number == 1 || number == 2 { lie(asked) } else { Act::True }
        };
        let ((), counters) = play(points(), SHORT_MS, script, until_all_good(2)).await;
        assert!(counters.poisonings.load(Relaxed) >= 1, "{name}");
        assert!(counters.connects.load(Relaxed) >= 2, "{name}: the connection lived on");
    }
}

#[tokio::test]
async fn a_late_answer_gets_time_to_run_into_the_closed_connection() {
    let mut asked_at = Vec::new();
    let script = |number, _| {
        asked_at.push(tokio::time::Instant::now());
        if number == 0 { Act::Never } else { Act::True }
    };
    play(vec![point(0), point(100)], SHORT_MS, script, until_all_good(2)).await;
    // One timeout for the answer, one more before the next question on a new connection.
    assert!(asked_at[1] - asked_at[0] >= Duration::from_millis(200), "{asked_at:?}");
}

#[tokio::test]
async fn one_bad_address_costs_only_its_own_point() {
    let points: Vec<_> = (0..6).map(point).collect();
    let has_3 = |asked: Asked| (asked.address..asked.address + asked.count).contains(&3);
    let script = move |_, asked| {
        if has_3(asked) { Act::Exception(2) } else { Act::True }
    };
    let mut requests_at_end = Vec::new();
    let enough = |message| {
        let FromLink::Readings { readings, .. } = message else {
            return None;
        };
        requests_at_end.push(readings.len());
        let good = readings.iter().filter(|r| r.quality.is_good()).count();
        let bad: Vec<_> = readings.iter().filter(|r| r.quality == Quality::BAD).map(|r| r.tag.0).collect();
        (good == 5 && bad == [3]).then_some(())
    };
    let ((), counters) = play(points, LONG_MS, script, enough).await;
    assert_eq!(counters.connects.load(Relaxed), 1, "an exception is a proper answer");
    assert!(requests_at_end.iter().all(|&n| n == 6), "every point is told of in every scan: {requests_at_end:?}");
}

#[tokio::test]
async fn a_busy_device_is_asked_once_more() {
    let script = |number, _| {
        if number == 0 { Act::Exception(6) } else { Act::True }
    };
    let ((), counters) = play(vec![point(0)], LONG_MS, script, until_all_good(1)).await;
    assert_eq!(counters.exceptions.load(Relaxed), 1);
    assert_eq!(counters.poisonings.load(Relaxed), 0);
}

#[tokio::test]
async fn a_dead_unit_does_not_silence_the_other() {
    let points = vec![point(0), ModbusPoint { unit: 2, ..point(1) }];
    let script = |_, asked: Asked| {
        if asked.unit == 2 { Act::Exception(11) } else { Act::True }
    };
    let mut lost = 0;
    let enough = |message| {
        match message {
            FromLink::State { state, reason, .. } => assert_eq!(state, LinkState::Up, "{reason}"),
            FromLink::Readings { readings, .. } => {
                let of = |tag| readings.iter().find(|r| r.tag == TagId(tag)).unwrap().quality;
                assert_eq!((of(0), of(1)), (Quality::GOOD, Quality::LINK_LOST));
                lost += 1;
            }
            FromLink::Malformed { .. } => panic!(),
        }
        (lost == 6).then_some(())
    };
    let ((), counters) = play(points, LONG_MS, script, enough).await;
    assert_eq!(counters.exceptions.load(Relaxed), 3, "after three failures the unit is left alone");
}

#[tokio::test]
async fn a_device_that_answers_nothing_is_down_and_comes_back() {
    let script = |number, _| if number < 3 { Act::Never } else { Act::True };
    let mut states = Vec::new();
    let enough = |message| match message {
        FromLink::State { state, reason, .. } => {
            states.push((state, reason));
            None
        }
        FromLink::Readings { readings, .. } => {
            assert!(readings.iter().all(|r| r.quality.is_good()), "{readings:?}");
            Some(())
        }
        FromLink::Malformed { .. } => panic!("{message:?}"),
    };
    play(vec![point(0)], SHORT_MS, script, enough).await;
    let [(LinkState::Down, why), (LinkState::Up, _)] = &states[..] else { panic!("{states:?}") };
    let want = "no unit answers; last: no answer from unit 1 within 100 ms";
    assert!(why.contains(want), "{why}");
}

#[tokio::test]
async fn nobody_there_is_down_at_once() {
    let (out, mut from) = mpsc::channel(8);
    let outlet = Outlet {
        link: 3,
        out,
        clock: Arc::new(|| crate::links::Now { at: 0, ahead: 0, wrong: false }),
        counters: Arc::default(),
        recorded: tokio::sync::watch::channel(true).1,
        stop: CancellationToken::new(),
    };
    // Port 0 can never be connected to.
    let modbus = Modbus { host: "127.0.0.1".into(), port: 0, timeout_ms: 100, gap_max: 8, points: vec![point(0)] };
    let watch = async {
        let first = from.recv().await.unwrap();
        outlet.stop.cancel();
        first
    };
    let (first, ()) = tokio::join!(watch, super::run("m", modbus, &outlet));
    let FromLink::State { link: 3, state: LinkState::Down, reason } = first else { panic!("{first:?}") };
    assert!(reason.starts_with("127.0.0.1:0: "), "{reason}");
}
