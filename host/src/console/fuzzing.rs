//! What callers send, as a function of bytes. See [`crate::fuzzing`].

use super::access::{Right, STATION, station};
use super::asked::{Acknowledge, AlarmsAsked, EventsAsked, InOrder, Note, NoticesAsked, SeriesAsked, SignIn, Urgency, id, sent};
use super::callback::{self, CallBack};
use crate::config::types::{AnswerForm, Brings, Person, Role};
use axum::extract::Query;
use axum::http::{HeaderMap, HeaderValue, Uri};
use brain::notice::{Delivery, OutboxRow};
use brain::{Micros, Notice};
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::LazyLock;

/// 2026-01-02 in microseconds.
const NOW: Micros = 1_767_323_045_000_000;

/// Parameters of an address, the name of a station, a cursor, each on a line, then a body; tried as all that the API reads.
pub fn request(bytes: &[u8]) -> bool {
    let mut parts = bytes.splitn(4, |byte| *byte == b'\n');
    let mut part = || parts.next().unwrap_or_default();
    let (query, name, cursor, body) = (part(), part(), part(), part());
    let asked = query_of(query);
    let mut headers = HeaderMap::new();
    if let Ok(name) = HeaderValue::from_bytes(name) {
        headers.insert(STATION, name);
    }
    let station = station(&headers, SocketAddr::from((Ipv4Addr::LOCALHOST, 80)));
    assert!(station.ends_with("127.0.0.1") || station.ends_with("(127.0.0.1)"), "the address is gone: {station:?}");
    assert!(!station.contains(char::is_control), "a station that breaks a line: {station:?}");
    let cursor = String::from_utf8_lossy(cursor);
    if let Ok(urgency) = cursor.parse::<Urgency>() {
        assert_eq!(urgency.to_string().parse(), Ok(urgency), "a cursor that leads elsewhere");
    }
    let _ = id(&cursor);
    let bodies = [sent::<SignIn>(body).is_ok(), sent::<Note>(body).is_ok(), sent::<Acknowledge>(body).is_ok()];
    asked || (!body.is_empty() && bodies.contains(&true))
}

/// A gateway's call-back. Nobody but a person who may take alarms takes one of which somebody was told.
pub fn call_back(bytes: &[u8]) -> bool {
    static TOLD: LazyLock<OutboxRow> = LazyLock::new(|| {
        let notice = serde_json::from_str(include_str!("../../../tests/fuzz/corpus/cap-notice/alert")).expect("a notice");
        told(notice, 1)
    });
    let Ok(call) = sent::<CallBack>(bytes) else { return false };
    let person = |name: &str, role| Person {
        name: name.to_owned(),
        role,
        token_sha256: [0; 32],
        known_as: vec![name.to_owned()],
        brings: Brings::default(),
    };
    let people = [person("13800000001", Role::Operator), person("viewer", Role::Viewer)];
    let told = people.iter().map(|person| person.name.clone()).collect();
    let brings = Brings {
        forms: vec![AnswerForm::Voice, AnswerForm::Sms, AnswerForm::Card],
        audiences: [(TOLD.notice.audience.clone(), told)].into(),
    };
    let gateway = Person { brings, ..person("gateway", Role::Gateway) };
    let meant = callback::meant(&call, &gateway, &people, std::iter::once(&*TOLD), NOW);
    if let Ok(meant) = &meant {
        let by = people.iter().find(|person| person.name == meant.name());
        assert!(by.is_some_and(|by| Right::Act.of(by.role)) && meant.alarm == TOLD.notice.alarm.id, "{meant:?}");
    }
    meant.is_ok()
}

/// A notice that was tried so often.
pub(super) fn told(notice: Notice, attempts: u32) -> OutboxRow {
    OutboxRow {
        notice,
        made_at: None,
        delivery: Delivery::Received,
        attempts,
        due_at: 0,
        received_at: None,
        accepted_at: None,
        acknowledged: None,
        last_error: String::new(),
        message: None,
        again: false,
    }
}

fn query_of(query: &[u8]) -> bool {
    let Ok(uri) = Uri::try_from([b"/?", query].concat()) else { return false };
    let mut taken = false;
    if let Ok(Query(asked)) = Query::<InOrder>::try_from_uri(&uri) {
        taken |= asked.of(0..300u32, |row| row).is_ok_and(|page| page.items.len() <= 300);
    }
    if let Ok(Query(asked)) = Query::<AlarmsAsked>::try_from_uri(&uri) {
        taken |= asked.active(std::iter::empty()).is_ok() | asked.all().is_ok();
    }
    if let Ok(Query(asked)) = Query::<NoticesAsked>::try_from_uri(&uri) {
        let (_, limit) = asked.read();
        assert!((1..=1000).contains(&limit), "{limit} rows");
        taken = true;
    }
    if let Ok(Query(asked)) = Query::<EventsAsked>::try_from_uri(&uri) {
        let (_, limit, _) = asked.read();
        assert!((1..=1000).contains(&limit), "{limit} rows");
        taken = true;
    }
    if let Ok(Query(asked)) = Query::<SeriesAsked>::try_from_uri(&uri)
        && let Ok((from, to, points)) = asked.read(NOW)
    {
        assert!(from < to && (2..=4000).contains(&points), "{points} points from {from} to {to}");
        taken = true;
    }
    taken
}
