//! What callers send, as a function of bytes. See [`crate::fuzzing`].

use super::access::{STATION, station};
use super::asked::{Acknowledge, AlarmsAsked, EventsAsked, InOrder, Note, NoticesAsked, SeriesAsked, SignIn, Urgency, id, sent};
use axum::extract::Query;
use axum::http::{HeaderMap, HeaderValue, Uri};
use brain::Micros;
use std::net::{Ipv4Addr, SocketAddr};

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
