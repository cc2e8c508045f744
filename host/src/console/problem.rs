//! What went wrong, as `application/problem+json` (RFC 9457): what, why, and what to do. Must not know: routes.

use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use brain::event::Refusal;
use serde_json::json;

/// An answer that is no success.
#[derive(Debug)]
pub struct Problem {
    status: StatusCode,
    code: &'static str,
    detail: String,
}

impl Problem {
    /// `code` is stable; `detail` says what was found and what would be right.
    pub fn new(status: StatusCode, code: &'static str, detail: impl Into<String>) -> Self {
        Problem { status, code, detail: detail.into() }
    }

    /// Nobody, or nobody known, asks.
    pub fn unknown_person() -> Self {
        Problem::new(
            StatusCode::UNAUTHORIZED,
            "sign-in",
            "sign in first: a bearer token or the session cookie of a person in the site file",
        )
    }

    /// The journal or the store does not answer.
    pub fn unavailable(detail: impl Into<String>) -> Self {
        Problem::new(StatusCode::SERVICE_UNAVAILABLE, "unavailable", detail)
    }
}

impl From<Refusal> for Problem {
    fn from(refusal: Refusal) -> Self {
        let (status, code) = match refusal {
            Refusal::Unknown => (StatusCode::NOT_FOUND, "unknown"),
            Refusal::Already => (StatusCode::CONFLICT, "already"),
            Refusal::Moved { .. } => (StatusCode::CONFLICT, "moved"),
            Refusal::NotYet { .. } => (StatusCode::CONFLICT, "not-yet"),
        };
        Problem::new(status, code, refusal.to_string())
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let title = self.status.canonical_reason().unwrap_or("problem");
        let body = json!({
            "type": format!("urn:safety-brain:problem:{}", self.code), "title": title, "status": self.status.as_u16(),
            "code": self.code, "detail": self.detail,
        });
        let mut response = (self.status, body.to_string()).into_response();
        response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        response
    }
}
