//! What the bureau's machine answers over HTTP to what a plant sends: a CAP message in the form asked for, or a problem where there is nothing it could answer.
//! Must not know: CAP, why something is refused.

use crate::config::types::Form;
use crate::console::problem::{Code, Problem};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};

/// Why something of a plant was not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Why {
    /// It is not what it says: another sender, a wrong signature, an old heartbeat.
    Forged,
    /// It cannot be read, or must not be acted on.
    Unfit,
    /// Nothing more can be taken at present.
    Full,
}

/// Something of a plant that was not taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NotTaken {
    /// In one word.
    pub why: Why,
    /// In words.
    pub detail: String,
    /// The CAP Error that says so; none where there is no message that it could answer, or it is not refused for good.
    pub error: Option<Reply>,
}

/// What the bureau's machine answers to a heartbeat.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pulse {
    /// Heard, or why not.
    pub heard: Result<(), NotTaken>,
    /// What the next one is to say.
    pub echo: String,
}

/// What the bureau's machine answers to a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reply {
    /// A CAP message.
    pub text: String,
    /// Its form.
    pub form: Form,
    /// Headers that go beside it.
    pub headers: Vec<(&'static str, String)>,
}

/// As a problem, where there is no CAP Error.
pub(super) fn refused(NotTaken { why, detail, .. }: NotTaken) -> Problem {
    match why {
        Why::Forged => Problem::new(Code::Forbidden, detail),
        Why::Unfit => Problem::new(Code::Cap, detail.as_str()).with("reason", detail),
        Why::Full => Problem::new(Code::NotRecorded, detail),
    }
}

/// The status of a CAP Error: as that of a problem for the same reason.
pub(super) fn refused_with(why: Why) -> StatusCode {
    match why {
        Why::Forged => StatusCode::FORBIDDEN,
        Why::Unfit => StatusCode::UNPROCESSABLE_ENTITY,
        Why::Full => StatusCode::SERVICE_UNAVAILABLE,
    }
}

/// The form that `Accept` names, the one with the greater weight; the message's own where it names none of them or both alike.
pub(super) fn form(headers: &HeaderMap, body: &[u8]) -> Form {
    let accept = headers.get(header::ACCEPT).and_then(|value| value.to_str().ok()).unwrap_or_default().to_ascii_lowercase();
    let weight = |kinds: &[&str]| {
        let of = |part: &str| {
            let mut bits = part.split(';').map(str::trim);
            let named = kinds.contains(&bits.next()?);
            named.then(|| bits.find_map(|bit| bit.strip_prefix("q=")?.parse::<f32>().ok()).unwrap_or(1.0))
        };
        accept.split(',').filter_map(of).fold(0.0, f32::max)
    };
    let (xml, json) = (weight(&["application/cap+xml", "application/xml", "text/xml"]), weight(&["application/json"]));
    match (xml > json, json > xml) {
        (true, _) => Form::Xml,
        (_, true) => Form::Json,
        (false, false) if body.trim_ascii_start().first() == Some(&b'{') => Form::Json,
        (false, false) => Form::Xml,
    }
}

pub(super) fn spoken(status: StatusCode, Reply { text, form, headers }: Reply) -> Response {
    let kind = match form {
        Form::Xml => "application/cap+xml; charset=utf-8",
        Form::Json => "application/json",
    };
    let mut response = (status, [(header::CONTENT_TYPE, kind)], text).into_response();
    // Keys and signatures are hex.
    let beside = headers.into_iter().filter_map(|(name, value)| Some((name, HeaderValue::from_str(&value).ok()?)));
    response.headers_mut().extend(beside.map(|(name, value)| (HeaderName::from_static(name), value)));
    response
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn the_form_that_is_asked_for() {
        let (xml, json): (&[u8], &[u8]) = (b"<?xml", b" {\"identifier\"");
        for (accept, body, wanted) in [
            ("", xml, Form::Xml),
            ("", json, Form::Json),
            ("*/*", json, Form::Json),
            ("application/cap+xml", json, Form::Xml),
            ("text/xml, */*", json, Form::Xml),
            ("application/JSON", xml, Form::Json),
            ("application/json, application/cap+xml;q=0.5, */*;q=0.1", xml, Form::Json),
            ("application/cap+xml, application/json;q=0.5", json, Form::Xml),
            ("application/json;q=0, application/cap+xml;q=0", xml, Form::Xml),
            ("application/json;q=NaN, text/html", xml, Form::Xml),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(header::ACCEPT, HeaderValue::from_str(accept).unwrap());
            assert_eq!(form(&headers, body), wanted, "{accept:?}");
        }
    }
}
