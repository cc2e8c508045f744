//! The console of a bureau: what plants send, the duty queue, and what a duty officer does. Owns: its routes and what they answer.
//! Must not know: CAP, signatures, the journal, how a plant is reached. What it cannot read from the [`View`] it asks for by [`Ask`].

mod machine;
mod shape;
mod stream;

pub use machine::{NotTaken, Pulse, Reply, Why};

use super::access::{Caller, Right};
use super::asked::{Command, Sent, body, id};
use super::door::{self, Door, Inside};
use super::problem::{Code, Problem};
use super::routes::{Gives, Route, json, route};
use super::shape::{Done, List, Session};
use super::stream::Frames;
use super::{health, pages};
use crate::config::types::{Form, Person};
use axum::extract::{FromRef, Path, Query, Request, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Extension, Json, Router};
use brain::Micros;
use brain::alarm::Person as Name;
use brain::bureau::{Act, Picture, ShiftChange};
use brain::event::Refusal;
use brain::site::{Mode, Severity};
use brain::words::Words;
use machine::{form, refused, refused_with, spoken};
use shape::{Acted, Desk, Detail, HandOver, PlantLine, QueueAsked, QueueRow, TakeOver, Transferred, Which};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;
use tokio::sync::{mpsc, oneshot, watch};
use tokio_util::sync::CancellationToken;

/// The present, as the desk published it last.
#[derive(Clone, Debug)]
pub struct View {
    /// When it was made. A view that grows old means that the desk stands still.
    pub made: Instant,
    /// The queue and the plants.
    pub picture: Picture,
    /// Wall clock minus the time of the picture.
    pub ahead: Micros,
    /// Highest record on disk.
    pub durable: u64,
}

impl View {
    /// The time: countdowns go on where the desk stands still.
    fn now(&self) -> Micros {
        self.picture.at.saturating_add(Micros::try_from(self.made.elapsed().as_micros()).unwrap_or(Micros::MAX))
    }
}

/// A plant as the bureau's file names it.
#[derive(Clone, Debug)]
pub struct PlantRow {
    /// Name.
    pub name: String,
    /// What people call it.
    pub title: Words,
}

/// What the desk is asked for.
pub enum Ask {
    /// A CAP message over a plant's line; answered once it is on disk, with the CAP Ack. A dropped reply means that nothing was recorded.
    Report {
        /// Over whose line.
        plant: String,
        /// The message.
        body: Vec<u8>,
        /// What came beside a message in JSON.
        signature: Option<String>,
        /// The form of answer that is asked for.
        form: Form,
        /// The Ack, or why not.
        reply: oneshot::Sender<Result<Reply, NotTaken>>,
    },
    /// A heartbeat over a plant's line.
    Heartbeat {
        /// Over whose line.
        plant: String,
        /// JSON.
        body: Vec<u8>,
        /// Key and signature, where the plant sends them.
        signed: Option<(String, String)>,
        /// Heard, or why not.
        reply: oneshot::Sender<Pulse>,
    },
    /// A head of the chain of a plant's record, over its line; answered once it is on disk.
    Anchor {
        /// Over whose line.
        plant: String,
        /// JSON.
        body: Vec<u8>,
        /// Kept, or why not.
        reply: oneshot::Sender<Result<(), NotTaken>>,
    },
    /// An officer's act; answered once it is on disk.
    Act {
        /// Idempotency key.
        command: String,
        /// Who.
        by: Name,
        /// About which entry.
        entry: u64,
        /// The level that was seen.
        seen: Option<Severity>,
        /// What.
        act: Act,
        /// Sequence number that covers it, or why not.
        reply: oneshot::Sender<Result<u64, Refusal>>,
    },
    /// An officer hands the desk over, or takes it over; answered once it is on disk.
    Shift {
        /// Idempotency key.
        command: String,
        /// Who.
        by: Name,
        /// What.
        change: ShiftChange,
        /// As for an act.
        reply: oneshot::Sender<Result<u64, Refusal>>,
    },
    /// The newest message of an entry as it came.
    CapOf {
        /// Which entry.
        entry: u64,
        /// XML; none where the entry has none.
        reply: oneshot::Sender<Option<String>>,
    },
}

/// What the console needs from the rest of the program.
#[derive(Clone)]
pub struct Backend {
    /// The present.
    pub view: watch::Receiver<Arc<View>>,
    /// Everything else.
    pub ask: mpsc::Sender<Ask>,
    /// Who may sign in, and the plants.
    pub people: Vec<Person>,
    /// In file order.
    pub plants: Vec<PlantRow>,
    /// What people call the bureau.
    pub title: Words,
    /// Headers of a heartbeat: key and signature.
    pub signed_by: [&'static str; 2],
    /// Header of what is answered to one: what the next is to say.
    pub echo_in: &'static str,
    /// Where open sessions are kept over a restart; none = nowhere.
    pub sessions: Option<PathBuf>,
}

struct Console {
    backend: Backend,
    door: Door,
    frames: Arc<Frames>,
}

impl FromRef<Arc<Console>> for Door {
    fn from_ref(console: &Arc<Console>) -> Door {
        console.door.clone()
    }
}

type Shared = State<Arc<Console>>;
type By = Extension<Caller>;

use Right::{Act as MayAct, Open, Report, See};

/// Every route of a bureau.
const ROUTES: &[Route] = &[
    route(
        "post",
        "/api/v1/cap",
        Report,
        Gives::Text("application/cap+xml"),
        "A plant's message; answered with a CAP Ack or Error, in XML or JSON",
    ),
    route("post", "/api/v1/heartbeat", Report, Gives::Nothing, "A plant's sign of life"),
    route("post", "/api/v1/anchor", Report, Gives::Nothing, "A head of the chain of a plant's record, to be kept here"),
    route("get", "/api/v1/reports", See, json::<List<QueueRow>>(), "The duty queue in its order, or what is closed")
        .query::<QueueAsked>(),
    route("get", "/api/v1/reports/{id}", See, json::<Detail>(), "One entry: all messages, all that was done"),
    route("get", "/api/v1/reports/{id}/cap", See, Gives::Text("application/cap+xml"), "Its newest message as it came"),
    route("post", "/api/v1/reports/{id}/accept", MayAct, json::<Done>(), "Take it: the plant hears who has it").body::<Acted>(),
    route("post", "/api/v1/reports/{id}/reject", MayAct, json::<Done>(), "Refuse it: the plant's ladder goes on").body::<Acted>(),
    route("post", "/api/v1/reports/{id}/instruct", MayAct, json::<Done>(), "Tell the plant what to do").body::<Acted>(),
    route("post", "/api/v1/reports/{id}/close", MayAct, json::<Done>(), "End the entry; never the plant's alarm").body::<Acted>(),
    route("post", "/api/v1/reports/{id}/transfer", MayAct, json::<Done>(), "Hand it to another body, which is to answer in time")
        .body::<Transferred>(),
    route("post", "/api/v1/reports/{id}/transfers/{number}/answer", MayAct, json::<Done>(), "Note what that body answered")
        .body::<Acted>(),
    route("get", "/api/v1/duty", See, json::<Desk>(), "Who has the desk, what is open, and the last hand-overs"),
    route("post", "/api/v1/duty/hand-over", MayAct, json::<Done>(), "Offer the desk to another officer").body::<HandOver>(),
    route("post", "/api/v1/duty/take-over", MayAct, json::<Done>(), "Take the desk over, with all that is open")
        .body::<TakeOver>(),
    route("get", "/api/v1/plants", See, json::<List<PlantLine>>(), "Who reports here, and when it was heard last"),
    route(
        "get",
        "/api/v1/stream",
        See,
        Gives::Text("text/event-stream"),
        "Server-sent events: hello, snapshot, delta, plants, beat, bye",
    ),
    route("get", "/api/v1/session", Open, json::<Session>(), "Who am I"),
    route("post", "/api/v1/session", Open, json::<Session>(), "Sign in with a token: a cookie with a session of its own")
        .body::<super::asked::SignIn>(),
    route("delete", "/api/v1/session", Open, Gives::Nothing, "Sign out: the session ends on the server"),
    route("get", "/api/v1/health", Open, json::<health::Health>(), "Per part whether it works"),
    route("get", "/api/v1/openapi.json", Open, Gives::Text("application/json"), "This description"),
];

fn router() -> Router<Arc<Console>> {
    Router::new()
        .route("/api/v1/cap", post(report))
        .route("/api/v1/heartbeat", post(heartbeat))
        .route("/api/v1/anchor", post(anchor))
        .route("/api/v1/reports", get(queue))
        .route("/api/v1/reports/{id}", get(entry))
        .route("/api/v1/reports/{id}/cap", get(cap_of))
        .route("/api/v1/reports/{id}/accept", post(accept))
        .route("/api/v1/reports/{id}/reject", post(reject))
        .route("/api/v1/reports/{id}/instruct", post(instruct))
        .route("/api/v1/reports/{id}/close", post(close))
        .route("/api/v1/reports/{id}/transfer", post(transfer))
        .route("/api/v1/reports/{id}/transfers/{number}/answer", post(heard))
        .route("/api/v1/duty", get(duty))
        .route("/api/v1/duty/hand-over", post(hand_over))
        .route("/api/v1/duty/take-over", post(take_over))
        .route("/api/v1/plants", get(plants))
        .route("/api/v1/stream", get(follow))
        .route("/api/v1/session", get(door::who).post(door::sign_in).delete(door::sign_out))
        .route("/api/v1/health", get(well))
        .route("/api/v1/openapi.json", get(door::description))
}

/// Serves until `stop`.
///
/// # Errors
/// A listener beyond loopback without TLS, certificates that cannot be read.
pub async fn serve(
    listener: std::net::TcpListener,
    tls: Option<(PathBuf, PathBuf)>,
    backend: Backend,
    stop: CancellationToken,
) -> anyhow::Result<()> {
    let inside =
        Inside { people: backend.people.clone(), mode: Mode::Actual, sessions: backend.sessions.clone(), routes: ROUTES };
    let door = Door::new(&listener, tls.is_some(), inside, stop)?;
    let frames = stream::start(backend.view.clone(), backend.plants.clone(), door.stop.clone());
    let console = Arc::new(Console { backend, door: door.clone(), frames });
    door.serve(listener, tls, |door| door::guarded(router(), pages::router("bureau.html"), door).with_state(console)).await
}

impl Console {
    fn view(&self) -> Arc<View> {
        self.backend.view.borrow().clone()
    }

    /// Key and signature that came beside a body.
    fn signed(&self, headers: &HeaderMap) -> [Option<String>; 2] {
        self.backend.signed_by.map(|name| headers.get(name).and_then(|value| value.to_str().ok()).map(str::to_owned))
    }

    /// Asks the desk and waits.
    async fn ask<T>(&self, make: impl FnOnce(oneshot::Sender<T>) -> Ask) -> Result<T, Problem> {
        let (reply, answer) = oneshot::channel();
        let stopping = |_| Problem::new(Code::Stopping, "the program is stopping");
        self.backend.ask.send(make(reply)).await.map_err(stopping)?;
        let unrecorded = |_| Problem::new(Code::NotRecorded, "nothing was recorded: the journal does not take it; send it again");
        answer.await.map_err(unrecorded)
    }

    fn title(&self, plant: &str) -> Words {
        title(&self.backend.plants, plant)
    }

    async fn act(
        &self,
        Command { key, by, .. }: Command,
        entry: &str,
        seen: Option<Severity>,
        act: Act,
    ) -> Result<Json<Done>, Problem> {
        let entry = id(entry)?;
        let seq = self.ask(|reply| Ask::Act { command: key, by, entry, seen, act, reply }).await??;
        Ok(Json(Done { seq: seq.to_string() }))
    }

    async fn shift(&self, Command { key, by, .. }: Command, change: ShiftChange) -> Result<Json<Done>, Problem> {
        let seq = self.ask(|reply| Ask::Shift { command: key, by, change, reply }).await??;
        Ok(Json(Done { seq: seq.to_string() }))
    }
}

/// What people call a plant; its name where it reports here no longer.
fn title(rows: &[PlantRow], plant: &str) -> Words {
    rows.iter().find(|row| row.name == plant).map_or_else(|| Words::same(plant), |row| row.title.clone())
}

async fn follow(State(console): Shared, Extension(by): By) -> Response {
    Arc::clone(&console.frames).follow(console.door.clone(), by)
}

async fn report(State(console): Shared, Extension(by): By, headers: HeaderMap, request: Request) -> Result<Response, Problem> {
    let [_, signature] = console.signed(&headers);
    let body = body(request).await?.to_vec();
    let form = form(&headers, &body);
    match console.ask(|reply| Ask::Report { plant: by.who.name, body, signature, form, reply }).await? {
        Ok(ack) => Ok(spoken(StatusCode::OK, ack)),
        Err(NotTaken { error: Some(error), why, .. }) => Ok(spoken(refused_with(why), error)),
        Err(not_taken) => Err(refused(not_taken)),
    }
}

async fn anchor(State(console): Shared, Extension(by): By, request: Request) -> Result<StatusCode, Problem> {
    let body = body(request).await?.to_vec();
    let kept = console.ask(|reply| Ask::Anchor { plant: by.who.name, body, reply }).await?;
    kept.map(|()| StatusCode::NO_CONTENT).map_err(refused)
}

async fn heartbeat(State(console): Shared, Extension(by): By, headers: HeaderMap, request: Request) -> Result<Response, Problem> {
    let [key, signature] = console.signed(&headers);
    let body = body(request).await?.to_vec();
    let pulse = console.ask(|reply| Ask::Heartbeat { plant: by.who.name, body, signed: key.zip(signature), reply }).await?;
    let answered = pulse.heard.map(|()| StatusCode::NO_CONTENT).map_err(refused);
    Ok(([(console.backend.echo_in, pulse.echo)], answered).into_response())
}

async fn queue(State(console): Shared, Query(QueueAsked { state }): Query<QueueAsked>) -> Json<List<QueueRow>> {
    let view = console.view();
    let mut rows: Vec<_> = view.picture.entries.iter().filter(|entry| entry.is_closed() == (state == Which::Closed)).collect();
    match state {
        Which::Open => rows.sort_by_key(|entry| entry.rank()),
        Which::Closed => rows.sort_by_key(|entry| std::cmp::Reverse((entry.changed_at, entry.number))),
    }
    let items: Vec<_> = rows.into_iter().map(|entry| shape::row(entry, &console.title(&entry.plant), &view)).collect();
    Json(List { total: Some(items.len()), items, next: None, incomplete: vec![] })
}

async fn entry(State(console): Shared, Path(number): Path<String>) -> Result<Json<Detail>, Problem> {
    let (number, view) = (id(&number)?, console.view());
    let found = view.picture.entries.iter().find(|entry| entry.number == number);
    let found =
        found.ok_or_else(|| Problem::new(Code::Unknown, format!("there is no entry {number}, or it was closed long ago")))?;
    Ok(Json(shape::detail(found, &console.title(&found.plant), &view)))
}

async fn cap_of(State(console): Shared, Path(number): Path<String>) -> Result<Response, Problem> {
    let entry = id(&number)?;
    let xml = console.ask(|reply| Ask::CapOf { entry, reply }).await?;
    let xml = xml.ok_or_else(|| Problem::new(Code::Unknown, format!("entry {entry} is unknown or has no message")))?;
    Ok(([(header::CONTENT_TYPE, "application/cap+xml; charset=utf-8")], xml).into_response())
}

async fn accept(
    State(console): Shared,
    by: Command,
    Path(entry): Path<String>,
    Sent(said): Sent<Acted>,
) -> Result<Json<Done>, Problem> {
    console.act(by, &entry, said.severity, Act::Accept { note: said.note }).await
}

async fn reject(
    State(console): Shared,
    by: Command,
    Path(entry): Path<String>,
    Sent(said): Sent<Acted>,
) -> Result<Json<Done>, Problem> {
    console.act(by, &entry, said.severity, Act::Reject { note: said.note }).await
}

async fn instruct(
    State(console): Shared,
    by: Command,
    Path(entry): Path<String>,
    Sent(said): Sent<Acted>,
) -> Result<Json<Done>, Problem> {
    console.act(by, &entry, said.severity, Act::Instruct { note: said.note }).await
}

async fn close(
    State(console): Shared,
    by: Command,
    Path(entry): Path<String>,
    Sent(said): Sent<Acted>,
) -> Result<Json<Done>, Problem> {
    console.act(by, &entry, said.severity, Act::Close { note: said.note }).await
}

async fn transfer(
    State(console): Shared,
    by: Command,
    Path(entry): Path<String>,
    Sent(Transferred { to, note, severity }): Sent<Transferred>,
) -> Result<Json<Done>, Problem> {
    console.act(by, &entry, severity, Act::Transfer { to, note }).await
}

async fn heard(
    State(console): Shared,
    by: Command,
    Path((entry, number)): Path<(String, String)>,
    Sent(said): Sent<Acted>,
) -> Result<Json<Done>, Problem> {
    // A number that no transfer can have is one that there is not.
    let transfer = u32::try_from(id(&number)?).unwrap_or(u32::MAX);
    console.act(by, &entry, said.severity, Act::Heard { transfer, note: said.note }).await
}

async fn duty(State(console): Shared) -> Json<Desk> {
    Json(shape::desk(&console.view()))
}

async fn hand_over(
    State(console): Shared,
    by: Command,
    Sent(HandOver { to, note }): Sent<HandOver>,
) -> Result<Json<Done>, Problem> {
    console.shift(by, ShiftChange::HandOver { to, note }).await
}

async fn take_over(
    State(console): Shared,
    by: Command,
    Sent(TakeOver { entries, note }): Sent<TakeOver>,
) -> Result<Json<Done>, Problem> {
    let entries = entries.iter().map(|entry| id(entry)).collect::<Result<_, _>>()?;
    console.shift(by, ShiftChange::TakeOver { entries, note }).await
}

async fn plants(State(console): Shared) -> Json<List<PlantLine>> {
    let view = console.view();
    let items: Vec<_> =
        view.picture.plants.iter().map(|(name, line)| shape::plant(name, &console.title(name), line, &view)).collect();
    Json(List { total: Some(items.len()), items, next: None, incomplete: vec![] })
}

async fn well(State(console): Shared) -> Json<health::Health> {
    let view = console.view();
    Json(health::of_desk(view.made.elapsed(), view.picture.at + view.ahead, &view.picture.full()))
}
