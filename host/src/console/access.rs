//! Who asks, from where, and what they may do: tokens, the session cookie, roles, and the headers that keep other sites out.
//! Must not know: what a route does.

use super::door::Door;
use super::problem::{Code, Problem};
use super::sessions::{self, Key};
use crate::config::types::{Person, Role};
use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderValue, Method, Uri, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use brain::site::Mode;
use sha2::{Digest, Sha256};
use std::net::SocketAddr;
use std::time::Instant;
use subtle::ConstantTimeEq;

/// Header with the name of the place a browser stands at, percent-encoded UTF-8.
pub const STATION: &str = "safety-brain-station";

/// What a route asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Right {
    /// Nothing: probes and the sign-in page.
    Open,
    /// See.
    See,
    /// Acknowledge, handle.
    Act,
    /// Reset, close, release.
    Lead,
    /// Answer as the bureau.
    Answer,
    /// Report to a bureau as a plant.
    Report,
    /// Bring what people answered elsewhere.
    CallBack,
}

impl Right {
    /// The matrix of roles and rights.
    pub fn of(self, role: Role) -> bool {
        match self {
            Right::Open => true,
            Right::See => !matches!(role, Role::Bureau | Role::Plant | Role::Gateway),
            Right::Act => matches!(role, Role::Operator | Role::Lead),
            Right::Lead => role == Role::Lead,
            Right::Answer => role == Role::Bureau,
            Right::Report => role == Role::Plant,
            Right::CallBack => role == Role::Gateway,
        }
    }
}

/// Shortest token that signs anybody in, characters: a shorter one can be guessed, whoever made its hash.
const TOKEN_LEAST: usize = 16;

/// The person a token belongs to. Every hash is compared, in constant time.
pub fn person<'p>(people: &'p [Person], token: &str) -> Option<&'p Person> {
    if token.chars().count() < TOKEN_LEAST {
        return None;
    }
    let hash: [u8; 32] = Sha256::digest(token.as_bytes()).into();
    people.iter().fold(None, |found, person| if bool::from(person.token_sha256.ct_eq(&hash)) { Some(person) } else { found })
}

/// Who asks, and how we know.
#[derive(Clone)]
pub struct Caller {
    /// Who.
    pub who: Person,
    /// The session that said so; none for a bearer token.
    pub session: Option<Key>,
}

/// Name of the session cookie. Under TLS the browser itself sees to it that no other host and no plain connection can set it. That of a drill is
/// another one: browsers know hosts and no ports, and signing in there must not sign out of the plant beside it.
fn cookie_name(door: &Door) -> &'static str {
    match (door.secure, door.mode) {
        (true, Mode::Exercise) => "__Host-safety-brain-drill",
        (false, Mode::Exercise) => "safety-brain-drill",
        (true, Mode::Actual | Mode::Test) => "__Host-safety-brain",
        (false, Mode::Actual | Mode::Test) => "safety-brain",
    }
}

/// The cookie with this session: out of reach of scripts and of other sites, gone with the browser; how long it counts, the server decides.
pub fn cookie(door: &Door, id: &str) -> String {
    let secure = if door.secure { "; Secure" } else { "" };
    format!("{}={id}; HttpOnly; SameSite=Strict; Path=/{secure}", cookie_name(door))
}

/// The session a request carries.
pub fn session(door: &Door, headers: &HeaderMap) -> Option<Key> {
    let cookies = headers.get(header::COOKIE)?.to_str().ok()?;
    let of = |cookie: &str| cookie.trim().strip_prefix(cookie_name(door))?.strip_prefix('=').map(sessions::key);
    cookies.split(';').find_map(of)
}

/// The person who asks, whatever they may do: the owner of the bearer token, or of the session where no token is given.
///
/// # Errors
/// Nobody known.
pub fn caller(door: &Door, headers: &HeaderMap) -> Result<Caller, Problem> {
    let given = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok()).and_then(|text| text.split_once(' '));
    let bearer = given.and_then(|(scheme, token)| scheme.eq_ignore_ascii_case("bearer").then_some(token));
    let found = match bearer {
        Some(token) => person(&door.people, token.trim()).map(|who| Caller { who: who.clone(), session: None }),
        None => session(door, headers)
            .and_then(|key| door.sessions.used(&key, Instant::now()).map(|who| Caller { who, session: Some(key) })),
    };
    found.ok_or_else(Problem::unknown_person)
}

/// The person who asks, with this right.
///
/// # Errors
/// Nobody known, or not allowed.
pub fn allowed(door: &Door, headers: &HeaderMap, right: Right) -> Result<Caller, Problem> {
    let caller = caller(door, headers)?;
    if right.of(caller.who.role) {
        return Ok(caller);
    }
    let roles = Role::ALL.into_iter().filter(|role| right.of(*role));
    let (has, needed) = (caller.who.role.word(), roles.map(Role::word).collect::<Vec<_>>());
    let detail = format!("{} has role {has}; this needs {}", caller.who.name, needed.join(" or "));
    Err(Problem::new(Code::Forbidden, detail).with("role", has).with("needed", needed))
}

/// Longest name of a station, characters.
const STATION_MAX: usize = 40;

/// Where a command came from, for the record: the name a person has given the browser, if any, and always the address, which nobody chooses.
pub fn station(headers: &HeaderMap, from: SocketAddr) -> String {
    let address = from.ip().to_canonical();
    let given = headers.get(STATION).map(|name| percent_encoding::percent_decode(name.as_bytes()).decode_utf8_lossy());
    let name = given.unwrap_or_default();
    // Nothing that hides, reorders or breaks a line of the record, and no brackets: those are ours.
    let plain = |c: &char| c.is_alphanumeric() || " -_.,:/#&+'\u{b7}\u{3001}\u{ff0c}".contains(*c);
    let words: Vec<String> = name.split_whitespace().map(|word| word.chars().filter(plain).collect()).collect();
    let name: String = words.join(" ").chars().take(STATION_MAX).collect();
    match name.trim() {
        "" => address.to_string(),
        name => format!("{name} ({address})"),
    }
}

/// Keeps foreign sites out: on loopback only our own names are served, and a command must come from our own page or from no page at all.
pub async fn guard(State(door): State<Door>, request: Request, next: Next) -> Response {
    let host = request
        .headers()
        .get(header::HOST)
        .and_then(|h| h.to_str().ok())
        .or(request.uri().authority().map(|a| a.as_str()))
        .unwrap_or("");
    let name =
        host.rsplit_once(':').map_or(host, |(name, port)| if port.bytes().all(|b| b.is_ascii_digit()) { name } else { host });
    if door.loopback && !["127.0.0.1", "localhost", "[::1]"].contains(&name) {
        let detail = format!("{host:?} is not this console's name; use 127.0.0.1 or localhost");
        return Problem::new(Code::Host, detail).into_response();
    }
    if request.method() != Method::GET && request.method() != Method::HEAD {
        let origin = request.headers().get(header::ORIGIN).and_then(|o| o.to_str().ok());
        let foreign = origin.is_some_and(|origin| {
            origin.parse::<Uri>().ok().and_then(|uri| uri.authority().map(|a| a.to_string())).as_deref() != Some(host)
        });
        if foreign {
            return Problem::new(Code::Origin, "a command must come from this console's own page").into_response();
        }
    }
    let api = request.uri().path().starts_with("/api/");
    let mut response = next.run(request).await;
    let headers = response.headers_mut();
    for (name, value) in [
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::REFERRER_POLICY, "no-referrer"),
        (header::HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
        (header::CONTENT_SECURITY_POLICY, if api { SHEET_POLICY } else { PAGE_POLICY }),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
    if api {
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    }
    response
}

/// What a page of the console may do.
const PAGE_POLICY: &str = "default-src 'self'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; worker-src 'self'; \
     object-src 'none'; base-uri 'none'; frame-ancestors 'none'; form-action 'self'; require-trusted-types-for 'script'; trusted-types 'none'";
/// What comes from the API may do nothing. Sheets to print bring their own style, so that they are whole as files too.
const SHEET_POLICY: &str =
    "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; frame-ancestors 'none'; form-action 'none'";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_role_and_right() {
        let table = [
            // See, Act, Lead, Answer, Report, CallBack
            (Role::Viewer, [true, false, false, false, false, false]),
            (Role::Operator, [true, true, false, false, false, false]),
            (Role::Lead, [true, true, true, false, false, false]),
            (Role::Admin, [true, false, false, false, false, false]),
            (Role::Bureau, [false, false, false, true, false, false]),
            (Role::Plant, [false, false, false, false, true, false]),
            (Role::Gateway, [false, false, false, false, false, true]),
        ];
        for (role, expected) in table {
            let rights = [Right::See, Right::Act, Right::Lead, Right::Answer, Right::Report, Right::CallBack];
            let got = rights.map(|right| right.of(role));
            assert_eq!(got, expected, "{role:?}");
            assert!(Right::Open.of(role));
        }
    }

    #[test]
    fn a_token_finds_its_person_and_nothing_else_does() {
        let hash = |token: &str| Sha256::digest(token.as_bytes()).into();
        let people = [
            Person {
                name: "a".into(),
                role: Role::Lead,
                token_sha256: hash("one, long and random"),
                known_as: vec![],
                brings: Default::default(),
            },
            Person {
                name: "b".into(),
                role: Role::Viewer,
                token_sha256: hash("two, 16 in count"),
                known_as: vec![],
                brings: Default::default(),
            },
            Person { name: "c".into(), role: Role::Lead, token_sha256: hash(""), known_as: vec![], brings: Default::default() },
            Person {
                name: "d".into(),
                role: Role::Lead,
                token_sha256: hash("four, too short"),
                known_as: vec![],
                brings: Default::default(),
            },
        ];
        assert_eq!(person(&people, "two, 16 in count").map(|p| p.name.as_str()), Some("b"));
        for token in ["", "two, 16 in coun", "two, 16 in count ", "four, too short", "somebody else's token"] {
            assert!(person(&people, token).is_none(), "{token:?}");
        }
    }

    #[test]
    fn a_station_is_named_by_people_and_proved_by_its_address() {
        let from = SocketAddr::from(([192, 0, 2, 7], 50_000));
        let long = "x".repeat(500);
        for (given, expected) in [
            (None, "192.0.2.7".to_owned()),
            (Some(""), "192.0.2.7".to_owned()),
            (Some("%E4%B8%9C%E9%97%A8%E5%B2%97"), "东门岗 (192.0.2.7)".to_owned()),
            (Some("Gate%202"), "Gate 2 (192.0.2.7)".to_owned()),
            (Some("a%0A%1Bb%E2%80%AE%3Cc%3E%20(10.0.0.1)"), "a bc 10.0.0.1 (192.0.2.7)".to_owned()),
            (Some("%FF%FE"), "192.0.2.7".to_owned()),
            (Some(long.as_str()), format!("{} (192.0.2.7)", "x".repeat(STATION_MAX))),
        ] {
            let mut headers = HeaderMap::new();
            if let Some(given) = given {
                headers.insert(STATION, HeaderValue::from_str(given).unwrap());
            }
            assert_eq!(station(&headers, from), expected, "{given:?}");
        }
        let mapped: SocketAddr = "[::ffff:192.0.2.7]:1".parse().unwrap();
        assert_eq!(station(&HeaderMap::new(), mapped), "192.0.2.7");
    }
}
