//! The HTTP API under `/api/v1`, health and metrics. Owns: routes, what they need, what they answer.
//! Must not know: how a command is carried out.

use super::access::{self, COOKIE, Right};
use super::problem::Problem;
use super::shape;
use super::view::View;
use super::{Ask, Console};
use crate::config::types::Person;
use axum::body::Bytes;
use axum::extract::{MatchedPath, Path, Query, Request, State};
use axum::http::{HeaderMap, Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::sse::{Event as Sse, KeepAlive};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Extension, Router};
use brain::alarm::Person as Name;
use brain::site::Severity;
use brain::{Act, AlarmId, NoticeId};
use futures::stream::{self, Stream, StreamExt};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use tokio::sync::broadcast::error::RecvError;
use tokio::sync::oneshot;

type Shared = State<Arc<Console>>;
type Answer = Result<Response, Problem>;

/// Rows of a page where nothing is asked, and the most that can be.
const LIMIT: usize = 200;
const LIMIT_MAX: usize = 1_000;
/// Points of a trend.
const POINTS_MAX: usize = 4_000;

/// Every route: method, path, what it needs, what it is. [`permit`] and the description are made of it.
pub(super) const ROUTES: &[(&str, &str, Right, &str)] = &[
    (
        "get",
        "/api/v1/alarms",
        Right::See,
        "Alarms; ?state=active (default: listed) or all (everything not closed, then history by ?before=)",
    ),
    ("get", "/api/v1/alarms/{id}", Right::See, "One alarm: cause, consequence, response, evidence, who was told"),
    ("post", "/api/v1/alarms/{id}/acknowledge", Right::Act, "Take it: {\"note\", \"severity\"?, \"occurrence\"?}"),
    ("post", "/api/v1/alarms/{id}/handle", Right::Act, "Note what was done: {\"note\"}"),
    ("post", "/api/v1/alarms/{id}/reset", Right::Lead, "Release a latch after somebody went and looked: {\"note\"}"),
    ("post", "/api/v1/alarms/{id}/close", Right::Lead, "End it: {\"note\"}; red needs a second person"),
    ("get", "/api/v1/tags", Right::See, "Measured points with value, quality and age"),
    ("get", "/api/v1/tags/{tag}/series", Right::See, "One tag over time: ?from=&to= (RFC 3339) &points="),
    ("get", "/api/v1/links", Right::See, "Connections to the field"),
    ("get", "/api/v1/rules", Right::See, "Rules, their strikes and quarantine"),
    ("post", "/api/v1/rules/{rule}/release", Right::Lead, "Put a quarantined rule back to work"),
    ("get", "/api/v1/notices", Right::See, "What was told to whom, with receipts"),
    ("get", "/api/v1/notices/{id}/cap", Right::See, "The CAP message that was sent"),
    ("post", "/api/v1/cap", Right::Answer, "The bureau's answer: a CAP Ack or Error that names a person"),
    ("get", "/api/v1/events", Right::See, "The record: ?after=<sequence>&limit="),
    ("get", "/api/v1/zones", Right::See, "Places"),
    ("get", "/api/v1/stream", Right::See, "Server-sent events: hello, snapshot, delta, beat, bye"),
    ("get", "/api/v1/session", Right::Open, "Who am I"),
    ("post", "/api/v1/session", Right::Open, "Sign in: {\"token\"}"),
    ("delete", "/api/v1/session", Right::Open, "Sign out"),
    ("get", "/api/v1/health", Right::Open, "Per part whether it works"),
    ("get", "/api/v1/openapi.json", Right::Open, "This list"),
    ("get", "/metrics", Right::Open, "Prometheus metrics; loopback, or any token"),
];

/// Serves [`ROUTES`].
pub(super) fn router() -> Router<Arc<Console>> {
    Router::new()
        .route("/api/v1/alarms", get(alarms))
        .route("/api/v1/alarms/{id}", get(alarm))
        .route("/api/v1/alarms/{id}/acknowledge", post(acknowledge))
        .route("/api/v1/alarms/{id}/handle", post(handle))
        .route("/api/v1/alarms/{id}/reset", post(reset))
        .route("/api/v1/alarms/{id}/close", post(close))
        .route("/api/v1/tags", get(tags))
        .route("/api/v1/tags/{tag}/series", get(series))
        .route("/api/v1/links", get(links))
        .route("/api/v1/rules", get(rules))
        .route("/api/v1/rules/{rule}/release", post(release))
        .route("/api/v1/notices", get(notices))
        .route("/api/v1/notices/{id}/cap", get(cap_of))
        .route("/api/v1/cap", post(cap_received))
        .route("/api/v1/events", get(events))
        .route("/api/v1/zones", get(zones))
        .route("/api/v1/stream", get(stream))
        .route("/api/v1/session", get(who).post(sign_in).delete(sign_out))
        .route("/api/v1/health", get(health))
        .route("/api/v1/openapi.json", get(openapi))
        .route("/metrics", get(metrics))
}

/// Looks a route up in [`ROUTES`] and lets only those pass who have its right. A route that is not in the table lets nobody pass.
pub(super) async fn permit(State(console): Shared, path: MatchedPath, mut request: Request, next: Next) -> Response {
    let method = if request.method() == Method::HEAD { "get".to_owned() } else { request.method().as_str().to_ascii_lowercase() };
    let Some((_, _, right, _)) = ROUTES.iter().find(|(m, p, ..)| *m == method && *p == path.as_str()) else {
        let detail = format!("{} {} is not in the table of routes", request.method(), path.as_str());
        return Problem::new(StatusCode::METHOD_NOT_ALLOWED, "route", detail).into_response();
    };
    if *right != Right::Open {
        match access::allowed(&console, request.headers(), *right) {
            Ok(who) => request.extensions_mut().insert(who),
            Err(problem) => return problem.into_response(),
        };
    }
    next.run(request).await
}

fn json(value: &Value) -> Response {
    ([(header::CONTENT_TYPE, "application/json")], value.to_string()).into_response()
}

fn list(items: Vec<Value>, next: Option<u64>) -> Response {
    json(&json!({"items": items, "next": next.map(|n| n.to_string())}))
}

impl Console {
    fn view(&self) -> Arc<View> {
        self.backend.view.borrow().clone()
    }

    /// Asks the daemon and waits.
    async fn ask<T>(&self, make: impl FnOnce(oneshot::Sender<T>) -> Ask) -> Result<T, Problem> {
        let (reply, answer) = oneshot::channel();
        let sent = self.backend.ask.send(make(reply)).await;
        sent.map_err(|_| Problem::unavailable("the program is stopping"))?;
        answer.await.map_err(|_| {
            Problem::unavailable("nothing was recorded: the journal does not take it; try again when /api/v1/health is well")
        })
    }
}

/// Parses a body; unknown fields are refused by the types.
fn body<T: DeserializeOwned>(bytes: &Bytes) -> Result<T, Problem> {
    let text = if bytes.is_empty() { b"{}".as_slice() } else { bytes };
    serde_json::from_slice(text).map_err(|error| {
        let (status, code) =
            if error.is_data() { (StatusCode::UNPROCESSABLE_ENTITY, "body") } else { (StatusCode::BAD_REQUEST, "json") };
        Problem::new(status, code, error.to_string())
    })
}

fn id(text: &str) -> Result<u64, Problem> {
    text.parse()
        .map_err(|_| Problem::new(StatusCode::NOT_FOUND, "unknown", format!("{text:?} is no number of an alarm or notice")))
}

fn limit(asked: Option<usize>) -> usize {
    asked.unwrap_or(LIMIT).clamp(1, LIMIT_MAX)
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct AlarmsAsked {
    #[serde(default)]
    state: Shown,
    before: Option<u64>,
    limit: Option<usize>,
}

#[derive(Deserialize, Default, PartialEq)]
#[serde(rename_all = "lowercase")]
enum Shown {
    #[default]
    Active,
    All,
}

async fn alarms(State(console): Shared, Query(asked): Query<AlarmsAsked>) -> Answer {
    let view = console.view();
    let most = limit(asked.limit);
    if asked.state == Shown::Active {
        let mut listed: Vec<_> = view.alarms.values().filter(|alarm| alarm.is_listed()).collect();
        listed.sort_by_key(|alarm| {
            (alarm.acknowledged.is_some(), std::cmp::Reverse(alarm.severity), std::cmp::Reverse(alarm.raised_at))
        });
        return Ok(list(listed.into_iter().take(LIMIT_MAX).map(|alarm| shape::alarm(alarm)).collect(), None));
    }
    let before = asked.before;
    let (rows, next) = console.ask(|reply| Ask::Alarms { before, limit: most, reply }).await?.map_err(Problem::unavailable)?;
    // The store is a moment behind: what stands now goes first, as it is now.
    let mut all: BTreeMap<u64, Value> = rows.iter().map(|alarm| (alarm.id.0, shape::alarm(alarm))).collect();
    let newest = before.unwrap_or(u64::MAX);
    let oldest = next.unwrap_or(0);
    for alarm in view.alarms.values().filter(|alarm| alarm.id.0 < newest && alarm.id.0 >= oldest) {
        all.insert(alarm.id.0, shape::alarm(alarm));
    }
    Ok(list(all.into_values().rev().collect(), next))
}

async fn alarm(State(console): Shared, Path(number): Path<String>) -> Answer {
    let number = id(&number)?;
    if let Some(alarm) = console.view().alarms.get(&number) {
        return Ok(json(&shape::detail(alarm)));
    }
    let ask = |reply| Ask::Alarms { before: number.checked_add(1), limit: 1, reply };
    let (rows, _) = console.ask(ask).await?.map_err(Problem::unavailable)?;
    let found = rows.iter().find(|alarm| alarm.id.0 == number);
    found
        .map(|alarm| json(&shape::detail(alarm)))
        .ok_or_else(|| Problem::new(StatusCode::NOT_FOUND, "unknown", format!("there is no alarm {number}")))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Note {
    #[serde(default)]
    note: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Acknowledge {
    #[serde(default)]
    note: String,
    severity: Option<Severity>,
    occurrence: Option<u32>,
}

/// Carries out a person's act. The same `Idempotency-Key` gets the same answer and no second effect.
async fn act(console: &Console, headers: &HeaderMap, who: Person, act: Act) -> Answer {
    static COMMANDS: AtomicU64 = AtomicU64::new(0);
    let given = headers.get("idempotency-key").map(|key| key.to_str().unwrap_or_default());
    if given.is_some_and(|key| key.is_empty() || key.len() > 128) {
        return Err(Problem::new(
            StatusCode::BAD_REQUEST,
            "idempotency-key",
            "1 to 128 ASCII characters, different for every command",
        ));
    }
    // Without a key every request is a command of its own.
    let command = match given {
        Some(key) => format!("{}/{key}", who.name),
        None => format!("{}.{}", console.run, COMMANDS.fetch_add(1, Ordering::Relaxed)),
    };
    let by = Name { name: who.name, role: who.role.word().to_owned(), station: "console".to_owned() };
    let seq = console.ask(|reply| Ask::Act { command, by, act, reply }).await??;
    Ok(json(&json!({"seq": seq.to_string()})))
}

async fn acknowledge(
    State(console): Shared,
    Extension(who): Extension<Person>,
    headers: HeaderMap,
    Path(number): Path<String>,
    bytes: Bytes,
) -> Answer {
    let Acknowledge { note, severity, occurrence } = body(&bytes)?;
    act(&console, &headers, who, Act::Acknowledge { alarm: AlarmId(id(&number)?), severity, occurrence, note }).await
}

async fn handle(
    State(console): Shared,
    Extension(who): Extension<Person>,
    headers: HeaderMap,
    Path(number): Path<String>,
    bytes: Bytes,
) -> Answer {
    let Note { note } = body(&bytes)?;
    act(&console, &headers, who, Act::Handle { alarm: AlarmId(id(&number)?), note }).await
}

async fn reset(
    State(console): Shared,
    Extension(who): Extension<Person>,
    headers: HeaderMap,
    Path(number): Path<String>,
    bytes: Bytes,
) -> Answer {
    let Note { note } = body(&bytes)?;
    act(&console, &headers, who, Act::Reset { alarm: AlarmId(id(&number)?), note }).await
}

async fn close(
    State(console): Shared,
    Extension(who): Extension<Person>,
    headers: HeaderMap,
    Path(number): Path<String>,
    bytes: Bytes,
) -> Answer {
    let Note { note } = body(&bytes)?;
    act(&console, &headers, who, Act::Close { alarm: AlarmId(id(&number)?), note }).await
}

async fn release(
    State(console): Shared,
    Extension(who): Extension<Person>,
    headers: HeaderMap,
    Path(rule): Path<String>,
) -> Answer {
    act(&console, &headers, who, Act::ReleaseRule { rule }).await
}

async fn tags(State(console): Shared) -> Answer {
    let view = console.view();
    Ok(list(view.tags.iter().map(|tag| shape::tag(tag, view.at)).collect(), None))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct SeriesAsked {
    from: Option<jiff::Timestamp>,
    to: Option<jiff::Timestamp>,
    points: Option<usize>,
}

async fn series(State(console): Shared, Path(tag): Path<String>, Query(asked): Query<SeriesAsked>) -> Answer {
    let now = console.view().at;
    let to = asked.to.map_or(now, |to| to.as_microsecond());
    let from = asked.from.map_or(to - 15 * 60_000_000, |from| from.as_microsecond());
    let points = asked.points.unwrap_or(600).clamp(2, POINTS_MAX);
    let found = console.ask(|reply| Ask::Series { tag, from, to, points, reply }).await?.map_err(Problem::unavailable)?;
    let point = |p: &super::Point| json!({"at": shape::time(p.at), "t": p.at as f64 / 1e6, "value": p.value.is_finite().then_some(p.value), "quality": p.quality.word()});
    Ok(list(found.iter().map(point).collect(), None))
}

async fn links(State(console): Shared) -> Answer {
    Ok(list(console.view().links.iter().map(shape::link).collect(), None))
}

async fn rules(State(console): Shared) -> Answer {
    Ok(list(console.view().rules.iter().map(shape::rule).collect(), None))
}

async fn notices(State(console): Shared) -> Answer {
    Ok(list(console.view().notices.values().rev().take(LIMIT_MAX).map(|row| shape::notice(row)).collect(), None))
}

async fn cap_of(State(console): Shared, Path(number): Path<String>) -> Answer {
    let notice = NoticeId(id(&number)?);
    let xml = console.ask(|reply| Ask::CapOf { notice, reply }).await?;
    let xml = xml.ok_or_else(|| {
        Problem::new(StatusCode::NOT_FOUND, "unknown", format!("notice {} is unknown or no CAP message", notice.0))
    })?;
    Ok(([(header::CONTENT_TYPE, "application/cap+xml; charset=utf-8")], xml).into_response())
}

async fn cap_received(State(console): Shared, Extension(who): Extension<Person>, bytes: Bytes) -> Answer {
    let taken = console.ask(|reply| Ask::CapReceived { body: bytes.to_vec(), over: who.name, reply }).await?;
    taken.map_err(|why| Problem::new(StatusCode::UNPROCESSABLE_ENTITY, "cap", why))?;
    Ok(json(&json!({"taken": true})))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct EventsAsked {
    #[serde(default)]
    after: u64,
    limit: Option<usize>,
}

async fn events(State(console): Shared, Query(asked): Query<EventsAsked>) -> Answer {
    let most = limit(asked.limit);
    let (rows, next) =
        console.ask(|reply| Ask::Events { after: asked.after, limit: most, reply }).await?.map_err(Problem::unavailable)?;
    let row = |row: super::EventRow| {
        let body: Value = serde_json::from_str(&row.body).unwrap_or(Value::String(row.body));
        json!({"seq": row.seq.to_string(), "at": shape::time(row.at), "kind": row.kind, "body": body})
    };
    Ok(list(rows.into_iter().map(row).collect(), next))
}

async fn zones(State(console): Shared) -> Answer {
    let view = console.view();
    Ok(list(
        view.zones.iter().map(|(name, title)| json!({"name": name, "title": {"zh": title.zh, "en": title.en}})).collect(),
        None,
    ))
}

async fn stream(State(console): Shared) -> Answer {
    let events = frames(Arc::clone(&console));
    let sse = axum::response::Sse::new(events).keep_alive(KeepAlive::default());
    Ok(([("x-accel-buffering", "no")], sse).into_response())
}

/// The frames of one reader. One that falls behind gets a fresh snapshot, never a silent gap.
fn frames(console: Arc<Console>) -> impl Stream<Item = Result<Sse, Infallible>> {
    let (first, receiver) = console.frames.join();
    let stop = console.stop.clone();
    let rest = stream::unfold((receiver, console, false), |(mut receiver, console, ended)| async move {
        if ended {
            return None;
        }
        let frame = match receiver.recv().await {
            Ok(frame) => frame,
            Err(RecvError::Lagged(_)) => console.frames.snapshot(),
            Err(RecvError::Closed) => return None,
        };
        let ended = frame.0 == "bye";
        Some((frame, (receiver, console, ended)))
    });
    let stopped = async move {
        stop.cancelled().await;
        // One more turn, so that the good-bye is seen.
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
    };
    stream::iter(first).chain(rest).take_until(stopped).map(|frame| Ok(Sse::default().event(frame.0).data(&frame.1)))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct SignIn {
    token: String,
}

async fn who(State(console): Shared, headers: HeaderMap) -> Answer {
    let rights = [Right::See, Right::Answer];
    let who = rights
        .into_iter()
        .find_map(|right| access::allowed(&console, &headers, right).ok())
        .ok_or_else(Problem::unknown_person)?;
    let can = |right: Right| right.of(who.role);
    Ok(json(
        &json!({"name": who.name, "role": who.role.word(), "can": {"act": can(Right::Act), "lead": can(Right::Lead)}, "mode": console.backend.mode}),
    ))
}

async fn sign_in(State(console): Shared, bytes: Bytes) -> Answer {
    let SignIn { token } = body(&bytes)?;
    let who = access::person(&console.backend.people, &token).ok_or_else(Problem::unknown_person)?;
    // What is put into a header must be a token and nothing else.
    if !token.bytes().all(|b| b.is_ascii_alphanumeric() || b"_-.".contains(&b)) {
        return Err(Problem::new(
            StatusCode::UNPROCESSABLE_ENTITY,
            "token",
            "a token for the browser has letters, digits, `_`, `-` and `.` only",
        ));
    }
    let secure = if console.secure { "; Secure" } else { "" };
    let cookie = format!("{COOKIE}={token}; HttpOnly; SameSite=Strict; Path=/; Max-Age=43200{secure}");
    Ok(([(header::SET_COOKIE, cookie)], json(&json!({"name": who.name, "role": who.role.word()}))).into_response())
}

async fn sign_out() -> Response {
    ([(header::SET_COOKIE, format!("{COOKIE}=; HttpOnly; SameSite=Strict; Path=/; Max-Age=0"))], StatusCode::NO_CONTENT)
        .into_response()
}

async fn health(State(console): Shared) -> Response {
    json(&shape::health(&console.view()))
}

async fn openapi() -> Response {
    let mut paths: BTreeMap<&str, Value> = BTreeMap::new();
    for (method, path, right, summary) in ROUTES {
        let of = paths.entry(path).or_insert_with(|| json!({}));
        let parameters: Vec<Value> = path
            .split('/')
            .filter_map(|part| part.strip_prefix('{')?.strip_suffix('}'))
            .map(|name| json!({"name": name, "in": "path", "required": true, "schema": {"type": "string"}}))
            .collect();
        let security = if *right == Right::Open { json!([]) } else { json!([{"token": []}]) };
        of[*method] = json!({"summary": summary, "parameters": parameters, "security": security,
            "responses": {"200": {"description": "done"}, "default": {"description": "application/problem+json"}}});
    }
    json(&json!({"openapi": "3.1.0", "info": {"title": "safety-brain", "version": env!("CARGO_PKG_VERSION")}, "paths": paths,
        "components": {"securitySchemes": {"token": {"type": "http", "scheme": "bearer"}}}}))
}

async fn metrics(State(console): Shared, headers: HeaderMap) -> Answer {
    if !console.loopback {
        access::allowed(&console, &headers, Right::See)?;
    }
    let text = super::metrics::text(&console.view());
    Ok(([(header::CONTENT_TYPE, "application/openmetrics-text; version=1.0.0; charset=utf-8")], text).into_response())
}
