//! What went wrong, as `application/problem+json` (RFC 9457): a stable code with its fields for programs and for the pages' own words, and an
//! English text for whoever reads the answer as it is. Must not know: routes.

use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use brain::event::Refusal;
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::{Map, Value, json};

/// What kind of problem. The word is stable; the pages say `ui.problem.<word>` of the translation files.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Code {
    /// Nobody, or nobody known, asks; also after a session has ended.
    SignIn,
    /// The role does not suffice: `role`, `needed`.
    Forbidden,
    /// A command that does not come from the console's own page.
    Origin,
    /// Another name for a console on loopback.
    Host,
    /// No such route.
    Route,
    /// The route is not used with this method.
    Method,
    /// No JSON.
    Json,
    /// JSON of another shape.
    Body,
    /// More than may be sent.
    TooLarge,
    /// A body that took too long to arrive.
    TooSlow,
    /// A parameter of the address that cannot be read.
    Query,
    /// No cursor of this list.
    Cursor,
    /// No such alarm, notice or rule.
    Unknown,
    /// No such tag: `tag`, and `nearest`, the known name most like it.
    UnknownTag,
    /// A stretch of time that is reversed, longer than is kept, or yet to come: `from`, `to`, `most_days`.
    Range,
    /// It was so already.
    Already,
    /// The alarm is no longer what was seen: `severity` and `occurrence` as they stand.
    Moved,
    /// Something must come first: `missing` names it, as [`Refusal::NotYet`] lists them.
    NotYet,
    /// A red or highly managed alarm is never shelved: `severity`, `managed`.
    NotShelved,
    /// Not for so long, or not one of the terms: `most_s`.
    Term,
    /// Asked; it is done once a second person asks for the same within ten minutes.
    SecondPerson,
    /// Proposed; it is done once a second person approves it.
    Proposed,
    /// Another component stands there than was seen: `digest` as it stands, empty = none.
    Superseded,
    /// What is to be promoted does not run as a shadow, and `despite` does not say why it shall be all the same: `ended` is why its shadow ended.
    Untried,
    /// A bundle that is not admitted: `reasons`.
    Bundle,
    /// So many, and no more: notes of an alarm, extensions of a shelf: `most`.
    Full,
    /// The `Idempotency-Key` was used for another command.
    OtherCommand,
    /// No usable `Idempotency-Key`.
    IdempotencyKey,
    /// A CAP message that cannot be taken: `reason`.
    Cap,
    /// A gateway's call-back that is nobody's answer: `reason`.
    CallBack,
    /// Too many call-backs of this gateway were refused within a minute: `after_s`, as `Retry-After`.
    TooOften,
    /// The journal did not take it: nothing was recorded.
    NotRecorded,
    /// The store does not answer: `reason`.
    Store,
    /// The program is stopping.
    Stopping,
}

impl Code {
    /// All codes.
    #[cfg(test)]
    const ALL: [Code; 34] = [
        Code::SignIn,
        Code::Forbidden,
        Code::Origin,
        Code::Host,
        Code::Route,
        Code::Method,
        Code::Json,
        Code::Body,
        Code::TooLarge,
        Code::TooSlow,
        Code::Query,
        Code::Cursor,
        Code::Unknown,
        Code::UnknownTag,
        Code::Range,
        Code::Already,
        Code::Moved,
        Code::NotYet,
        Code::NotShelved,
        Code::Term,
        Code::SecondPerson,
        Code::Proposed,
        Code::Superseded,
        Code::Untried,
        Code::Bundle,
        Code::Full,
        Code::OtherCommand,
        Code::IdempotencyKey,
        Code::Cap,
        Code::CallBack,
        Code::TooOften,
        Code::NotRecorded,
        Code::Store,
        Code::Stopping,
    ];

    fn status(self) -> StatusCode {
        match self {
            Code::SignIn => StatusCode::UNAUTHORIZED,
            Code::Forbidden | Code::Origin => StatusCode::FORBIDDEN,
            Code::Host => StatusCode::MISDIRECTED_REQUEST,
            Code::Route | Code::Unknown | Code::UnknownTag => StatusCode::NOT_FOUND,
            Code::Json | Code::Query | Code::IdempotencyKey => StatusCode::BAD_REQUEST,
            Code::Method => StatusCode::METHOD_NOT_ALLOWED,
            Code::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            Code::TooSlow => StatusCode::REQUEST_TIMEOUT,
            Code::Body
            | Code::Cursor
            | Code::Range
            | Code::Cap
            | Code::CallBack
            | Code::Term
            | Code::OtherCommand
            | Code::Bundle => StatusCode::UNPROCESSABLE_ENTITY,
            Code::Already
            | Code::Moved
            | Code::NotYet
            | Code::NotShelved
            | Code::SecondPerson
            | Code::Full
            | Code::Proposed
            | Code::Superseded
            | Code::Untried => StatusCode::CONFLICT,
            Code::TooOften => StatusCode::TOO_MANY_REQUESTS,
            Code::NotRecorded | Code::Store | Code::Stopping => StatusCode::SERVICE_UNAVAILABLE,
        }
    }
}

/// An answer that is no success.
#[derive(Debug, Serialize, JsonSchema)]
pub struct Problem {
    /// `urn:safety-brain:problem:<code>`.
    r#type: String,
    /// The reason phrase of the status.
    title: String,
    /// HTTP status.
    status: u16,
    code: Code,
    /// What was found and what would be right, in English.
    detail: String,
    /// What belongs to the code.
    #[serde(flatten)]
    fields: Map<String, Value>,
}

impl Problem {
    /// `detail` says what was found and what would be right.
    pub fn new(code: Code, detail: impl Into<String>) -> Self {
        let (status, word) = (code.status(), json!(code));
        Problem {
            r#type: format!("urn:safety-brain:problem:{}", word.as_str().unwrap_or_default()),
            title: status.canonical_reason().unwrap_or("problem").to_owned(),
            status: status.as_u16(),
            code,
            detail: detail.into(),
            fields: Map::new(),
        }
    }

    /// With one of the fields that belong to the code.
    #[must_use]
    pub fn with(mut self, field: &str, value: impl Into<Value>) -> Self {
        self.fields.insert(field.to_owned(), value.into());
        self
    }

    /// Nobody, or nobody known, asks.
    pub fn unknown_person() -> Self {
        Problem::new(Code::SignIn, "sign in first: a bearer token of a person in the site file, or a session that has not ended")
    }

    /// The store does not answer.
    pub fn store(reason: String) -> Self {
        Problem::new(Code::Store, format!("the store does not answer: {reason}; /api/v1/health says more")).with("reason", reason)
    }
}

impl From<Refusal> for Problem {
    fn from(refusal: Refusal) -> Self {
        let detail = refusal.to_string();
        match refusal {
            Refusal::Unknown => Problem::new(Code::Unknown, detail),
            Refusal::Already => Problem::new(Code::Already, detail),
            Refusal::Moved { severity, occurrence } => {
                Problem::new(Code::Moved, detail).with("severity", severity.word()).with("occurrence", occurrence)
            }
            Refusal::Unrecorded => Problem::new(Code::NotRecorded, detail),
            Refusal::NotYet { missing } => Problem::new(Code::NotYet, detail).with("missing", missing),
            Refusal::NotShelved { severity, managed } => {
                Problem::new(Code::NotShelved, detail).with("severity", severity.word()).with("managed", managed)
            }
            Refusal::Term { most_s } => Problem::new(Code::Term, detail).with("most_s", most_s),
            Refusal::SecondPerson => Problem::new(Code::SecondPerson, detail),
            Refusal::Proposed => Problem::new(Code::Proposed, detail),
            Refusal::Superseded { digest } => Problem::new(Code::Superseded, detail).with("digest", digest),
            Refusal::Untried { ended } => Problem::new(Code::Untried, detail).with("ended", ended),
            Refusal::Full { most } => Problem::new(Code::Full, detail).with("most", most),
            Refusal::OtherCommand => Problem::new(Code::OtherCommand, detail),
        }
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let status = self.code.status();
        let mut response = (status, json!(self).to_string()).into_response();
        response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        if let Some(after) = self.fields.get("after_s").and_then(Value::as_u64) {
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(after));
        }
        response
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::words::phrase;
    use brain::site::Severity;

    #[test]
    fn every_code_has_words_in_both_languages() {
        for code in Code::ALL {
            let key = format!("ui.problem.{}", json!(code).as_str().unwrap());
            let words = phrase(&key, &[]);
            assert!(
                words.zh != key && words.en != key && words.zh != words.en,
                "{key} is not in the translation files: {words:?}"
            );
        }
        let missing =
            ["cleared", "acknowledged", "reset", "note", "cause", "evidence", "second_person", "unshelve", "design_off"];
        for missing in missing.into_iter().chain([
            "in_service",
            "permit",
            "measure",
            "good_reading",
            "enable",
            "release",
            "proposal",
            "same_inputs",
            "entries",
            "transfer",
            "to",
            "course",
            "accident",
            "instruct",
        ]) {
            let key = format!("ui.missing.{missing}");
            assert_ne!(phrase(&key, &[]).zh, key);
        }
    }

    #[test]
    fn a_refusal_brings_what_stands_now() {
        for (refusal, status, fields) in [
            (Refusal::Unknown, 404, json!({"code": "unknown"})),
            (Refusal::Already, 409, json!({"code": "already"})),
            (
                Refusal::Moved { severity: Severity::Red, occurrence: 3 },
                409,
                json!({"code": "moved", "severity": "red", "occurrence": 3}),
            ),
            (Refusal::NotYet { missing: "note".into() }, 409, json!({"code": "not_yet", "missing": "note"})),
            (
                Refusal::NotShelved { severity: Severity::Red, managed: false },
                409,
                json!({"code": "not_shelved", "severity": "red", "managed": false}),
            ),
            (Refusal::Term { most_s: 3_600 }, 422, json!({"code": "term", "most_s": 3_600})),
            (Refusal::SecondPerson, 409, json!({"code": "second_person"})),
            (Refusal::Proposed, 409, json!({"code": "proposed"})),
            (Refusal::Superseded { digest: "d".into() }, 409, json!({"code": "superseded", "digest": "d"})),
            (Refusal::Untried { ended: "Fuel: x".into() }, 409, json!({"code": "untried", "ended": "Fuel: x"})),
            (Refusal::Full { most: 50 }, 409, json!({"code": "full", "most": 50})),
            (Refusal::OtherCommand, 422, json!({"code": "other_command"})),
        ] {
            let problem = json!(Problem::from(refusal));
            assert_eq!(problem["status"], status, "{problem}");
            for (field, value) in fields.as_object().unwrap() {
                assert_eq!(&problem[field], value, "{problem}");
            }
        }
    }
}
