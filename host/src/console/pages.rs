//! The pages of `host/web`, embedded. Must not know: what they show.

use axum::Router;
use axum::extract::Path;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;

#[derive(rust_embed::RustEmbed)]
#[folder = "web/"]
struct Web;

/// The pages: `first` at `/`, and everything below `/web/`.
pub(super) fn router<S: Clone + Send + Sync + 'static>(first: &'static str) -> Router<S> {
    Router::new()
        .route("/", get(move |headers: HeaderMap| async move { file(first, &headers) }))
        .route("/web/{*path}", get(|Path(path): Path<String>, headers: HeaderMap| async move { file(&path, &headers) }))
}

fn file(path: &str, headers: &HeaderMap) -> Response {
    let Some(found) = Web::get(path) else { return StatusCode::NOT_FOUND.into_response() };
    let tag = format!("\"{}\"", blake3::Hash::from(found.metadata.sha256_hash()).to_hex());
    if headers.get(header::IF_NONE_MATCH).is_some_and(|known| known.as_bytes() == tag.as_bytes()) {
        return StatusCode::NOT_MODIFIED.into_response();
    }
    let kind = mime_guess::from_path(path).first_or_octet_stream().to_string();
    ([(header::CONTENT_TYPE, kind), (header::CACHE_CONTROL, "no-cache".to_owned()), (header::ETAG, tag)], found.data)
        .into_response()
}
