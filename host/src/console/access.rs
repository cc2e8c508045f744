//! Who asks, and what they may do: tokens, the session cookie, roles, and the headers that keep other sites out.
//! Must not know: what a route does.

use super::Console;
use super::problem::Problem;
use crate::config::types::{Person, Role};
use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, Uri, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use sha2::{Digest, Sha256};
use std::sync::Arc;
use subtle::ConstantTimeEq;

/// Name of the session cookie on loopback; the token itself, out of reach of scripts.
pub const COOKIE: &str = "safety-brain";

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
}

impl Right {
    /// The matrix of roles and rights.
    pub fn of(self, role: Role) -> bool {
        match self {
            Right::Open => true,
            Right::See => role != Role::Bureau,
            Right::Act => matches!(role, Role::Operator | Role::Lead),
            Right::Lead => role == Role::Lead,
            Right::Answer => role == Role::Bureau,
        }
    }
}

/// The person a token belongs to. Every hash is compared, in constant time.
pub fn person<'p>(people: &'p [Person], token: &str) -> Option<&'p Person> {
    let hash: [u8; 32] = Sha256::digest(token.as_bytes()).into();
    people.iter().fold(None, |found, person| if bool::from(person.token_sha256.ct_eq(&hash)) { Some(person) } else { found })
}

/// The token a request carries.
fn token(headers: &HeaderMap) -> Option<String> {
    if let Some(bearer) = headers.get(header::AUTHORIZATION).and_then(|v| v.to_str().ok()).and_then(|v| v.strip_prefix("Bearer "))
    {
        return Some(bearer.trim().to_owned());
    }
    let cookies = headers.get(header::COOKIE)?.to_str().ok()?;
    cookies.split(';').find_map(|cookie| cookie.trim().strip_prefix(COOKIE)?.strip_prefix('=').map(str::to_owned))
}

/// The signed-in person with this right.
///
/// # Errors
/// Nobody known, or not allowed.
pub fn allowed(console: &Console, headers: &HeaderMap, right: Right) -> Result<Person, Problem> {
    let who =
        token(headers).and_then(|token| person(&console.backend.people, &token).cloned()).ok_or_else(Problem::unknown_person)?;
    if right.of(who.role) {
        return Ok(who);
    }
    let roles: Vec<&str> = [Role::Viewer, Role::Operator, Role::Lead, Role::Admin, Role::Bureau]
        .into_iter()
        .filter(|role| right.of(*role))
        .map(Role::word)
        .collect();
    let detail = format!("{} has role {}; this needs {}", who.name, who.role.word(), roles.join(" or "));
    Err(Problem::new(StatusCode::FORBIDDEN, "forbidden", detail))
}

/// Keeps foreign sites out: on loopback only our own names are served, and a command must come from our own page or from no page at all.
pub async fn guard(State(console): State<Arc<Console>>, request: Request, next: Next) -> Response {
    let host = request
        .headers()
        .get(header::HOST)
        .and_then(|h| h.to_str().ok())
        .or(request.uri().authority().map(|a| a.as_str()))
        .unwrap_or("");
    let name =
        host.rsplit_once(':').map_or(host, |(name, port)| if port.bytes().all(|b| b.is_ascii_digit()) { name } else { host });
    if console.loopback && !["127.0.0.1", "localhost", "[::1]"].contains(&name) {
        return Problem::new(
            StatusCode::MISDIRECTED_REQUEST,
            "host",
            format!("{host:?} is not this console's name; use 127.0.0.1 or localhost"),
        )
        .into_response();
    }
    if request.method() != Method::GET && request.method() != Method::HEAD {
        let origin = request.headers().get(header::ORIGIN).and_then(|o| o.to_str().ok());
        let foreign = origin.is_some_and(|origin| {
            origin.parse::<Uri>().ok().and_then(|uri| uri.authority().map(|a| a.to_string())).as_deref() != Some(host)
        });
        if foreign {
            return Problem::new(StatusCode::FORBIDDEN, "origin", "a command must come from this console's own page")
                .into_response();
        }
    }
    let api = request.uri().path().starts_with("/api/");
    let mut response = next.run(request).await;
    let headers = response.headers_mut();
    for (name, value) in [
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::REFERRER_POLICY, "no-referrer"),
        (header::HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
        (
            header::CONTENT_SECURITY_POLICY,
            "default-src 'self'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; worker-src 'self'; \
             object-src 'none'; base-uri 'none'; frame-ancestors 'none'; form-action 'self'",
        ),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
    if api {
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    }
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_role_and_right() {
        let table = [
            // See, Act, Lead, Answer
            (Role::Viewer, [true, false, false, false]),
            (Role::Operator, [true, true, false, false]),
            (Role::Lead, [true, true, true, false]),
            (Role::Admin, [true, false, false, false]),
            (Role::Bureau, [false, false, false, true]),
        ];
        for (role, expected) in table {
            let got = [Right::See, Right::Act, Right::Lead, Right::Answer].map(|right| right.of(role));
            assert_eq!(got, expected, "{role:?}");
            assert!(Right::Open.of(role));
        }
    }

    #[test]
    fn a_token_finds_its_person_and_nothing_else_does() {
        let hash = |token: &str| Sha256::digest(token.as_bytes()).into();
        let people = [
            Person { name: "a".into(), role: Role::Lead, token_sha256: hash("one") },
            Person { name: "b".into(), role: Role::Viewer, token_sha256: hash("two") },
        ];
        assert_eq!(person(&people, "two").map(|p| p.name.as_str()), Some("b"));
        for token in ["", "tw", "two ", "three"] {
            assert!(person(&people, token).is_none(), "{token:?}");
        }
        let mut headers = HeaderMap::new();
        headers.insert(header::COOKIE, HeaderValue::from_static("x=1; safety-brain=two; y=2"));
        assert_eq!(super::token(&headers).as_deref(), Some("two"));
    }
}
