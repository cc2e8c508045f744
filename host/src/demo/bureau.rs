//! A simulated emergency bureau: takes CAP over HTTP, judges it, and a while later a duty officer answers to the plant.
//! Must not know: the plant, beyond the address it was given for answers.
//!
//! - `POST /cap`: a CAP message. 200 with a technical CAP Ack; 400 with what is wrong. The same identifier again gets the same Ack.
//! - `GET /received`: what came, oldest first, JSON.
//! - `POST /anchor`: a head of a plant's record, one JSON line; `GET /anchors`: those that came, oldest first, as `journal verify --anchor` reads them.

use crate::notices::answer::PERSON_MARKS;
use crate::notices::cap::{self, Message, MsgType, Reply};
use anyhow::{Context, Result};
use axum::body::Bytes;
use axum::extract::{DefaultBodyLimit, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use brain::Micros;
use serde::{Deserialize, Serialize};
use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

/// The CAP sender of the simulated bureau.
pub const SENDER: &str = "duty@bureau.example";
/// The simulated officer: a name to read, plainly not a real person.
pub const OFFICER: &str = "王值班（模拟）";
/// Messages remembered; the oldest go first.
const RECEIVED_MAX: usize = 1000;
/// Heads of records remembered; the oldest go first.
const ANCHORS_MAX: usize = 10_000;
/// Messages the officer has yet to answer.
const DESK_MAX: usize = 256;
/// Times an answer is tried, one second apart: the plant may just be starting.
const TRIES: u32 = 30;

/// How the duty officer answers.
#[derive(Clone, Debug)]
pub struct Officer {
    /// The plant's address for answers: `http://.../api/v1/cap`.
    pub url: String,
    /// Bearer token the plant gave the bureau.
    pub token: String,
    /// How long a person takes to answer.
    pub after: Duration,
}

/// One line of `GET /received`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Received {
    /// CAP identifier.
    pub identifier: String,
    /// CAP sender.
    pub sender: String,
    /// CAP time.
    pub sent: String,
    /// CAP message type.
    pub msg_type: String,
    /// First headline.
    pub headline: String,
    /// Times it came.
    pub times: u32,
    /// The plant took the officer's answer.
    pub answered: bool,
}

struct Bureau {
    received: Mutex<VecDeque<Received>>,
    anchors: Mutex<VecDeque<String>>,
    desk: mpsc::Sender<(Instant, Message)>,
    after: Duration,
}

/// Serves until `stop`. `listener` must be on loopback.
pub async fn run(listener: TcpListener, officer: Officer, stop: CancellationToken) -> Result<()> {
    let (desk, pending) = mpsc::channel(DESK_MAX);
    let bureau = Arc::new(Bureau { received: Mutex::default(), anchors: Mutex::default(), desk, after: officer.after });
    let router = Router::new()
        .route("/cap", post(take))
        .route("/received", get(received))
        .route("/anchor", post(keep))
        .route("/anchors", get(anchors))
        .layer(DefaultBodyLimit::max(cap::BYTES_MAX))
        .with_state(Arc::clone(&bureau));
    tokio::select! {
        served = async { axum::serve(listener, router).await } => served.context("the simulated bureau"),
        answered = answer(&bureau, officer, pending) => answered,
        () = stop.cancelled() => Ok(()),
    }
}

async fn take(State(bureau): State<Arc<Bureau>>, body: Bytes) -> Response {
    let message = match cap::parse(&body) {
        Ok(message) => message,
        Err(error) => return (StatusCode::BAD_REQUEST, error.to_string()).into_response(),
    };
    let faults = cap::check(&message);
    if !faults.is_empty() {
        return (StatusCode::BAD_REQUEST, faults.join("\n")).into_response();
    }
    if let Some(remark) = cap::skew(&message, now()) {
        tracing::warn!(identifier = message.identifier, remark, "bureau");
    }
    // A place on the desk first: what nobody will answer is not taken.
    let Ok(place) = bureau.desk.try_reserve() else {
        let full = "the duty officer's desk is full";
        return (StatusCode::SERVICE_UNAVAILABLE, full).into_response();
    };
    let identifier = format!("{}.technical", message.identifier);
    let ack = cap::build_reply(&reply(&identifier, ""), &message);
    if bureau.note(&message) {
        place.send((Instant::now() + bureau.after, message));
    }
    ([(header::CONTENT_TYPE, cap::MEDIA_TYPE)], ack).into_response()
}

async fn received(State(bureau): State<Arc<Bureau>>) -> Json<Vec<Received>> {
    Json(bureau.lock().iter().cloned().collect())
}

async fn keep(State(bureau): State<Arc<Bureau>>, body: String) -> StatusCode {
    let line: Result<serde_json::Map<String, serde_json::Value>, _> = serde_json::from_str(&body);
    let whole =
        |line: serde_json::Map<_, _>| ["site", "segment", "seq", "link", "at"].iter().all(|field| line.contains_key(*field));
    if !line.is_ok_and(whole) {
        return StatusCode::BAD_REQUEST;
    }
    let mut anchors = bureau.anchors.lock().expect("nobody panics while holding it");
    if anchors.len() == ANCHORS_MAX {
        anchors.pop_front();
    }
    anchors.push_back(body.trim().replace(['\r', '\n'], " "));
    StatusCode::NO_CONTENT
}

async fn anchors(State(bureau): State<Arc<Bureau>>) -> String {
    let anchors = bureau.anchors.lock().expect("nobody panics while holding it");
    anchors.iter().map(|line| format!("{line}\n")).collect()
}

impl Bureau {
    fn lock(&self) -> std::sync::MutexGuard<'_, VecDeque<Received>> {
        self.received.lock().expect("nobody panics while holding it")
    }

    /// True where the message is new: only then somebody has to answer it.
    fn note(&self, message: &Message) -> bool {
        let mut received = self.lock();
        let same = |r: &&mut Received| r.identifier == message.identifier && r.sender == message.sender;
        if let Some(row) = received.iter_mut().find(same) {
            row.times += 1;
            return false;
        }
        if received.len() == RECEIVED_MAX {
            received.pop_front();
        }
        let headline = message.infos.first().and_then(|info| info.headline.clone());
        received.push_back(Received {
            identifier: message.identifier.clone(),
            sender: message.sender.clone(),
            sent: message.sent.clone(),
            msg_type: message.msg_type.word().to_owned(),
            headline: headline.unwrap_or_default(),
            times: 1,
            answered: false,
        });
        true
    }

    fn answered(&self, message: &Message) {
        let mut received = self.lock();
        let row = received.iter_mut().find(|r| r.identifier == message.identifier);
        if let Some(row) = row {
            row.answered = true;
        }
    }
}

/// The duty officer: one message after the other, each when its time has come.
async fn answer(bureau: &Bureau, officer: Officer, mut pending: mpsc::Receiver<(Instant, Message)>) -> Result<()> {
    // Loopback only: no proxy of the environment may come between.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let client = reqwest::Client::builder().no_proxy().tls_certs_only([]).timeout(Duration::from_secs(5)).build()?;
    while let Some((due, message)) = pending.recv().await {
        if matches!(message.msg_type, MsgType::Ack | MsgType::Error) {
            continue;
        }
        tokio::time::sleep_until(due).await;
        let identifier = format!("{}.person", message.identifier);
        let note = format!("{}{OFFICER}; 已接收，正在核实", PERSON_MARKS[0]);
        let ack = cap::build_reply(&reply(&identifier, &note), &message);
        if post_answer(&client, &officer, &ack).await {
            bureau.answered(&message);
        }
    }
    Ok(())
}

async fn post_answer(client: &reqwest::Client, officer: &Officer, ack: &str) -> bool {
    for _ in 0..TRIES {
        let sent = client
            .post(&officer.url)
            .bearer_auth(&officer.token)
            .header("content-type", cap::MEDIA_TYPE)
            .body(ack.to_owned())
            .send()
            .await;
        match sent {
            Ok(response) if response.status().is_success() => return true,
            Ok(response) => {
                tracing::warn!(status = %response.status(), "the plant refused the bureau's answer")
            }
            Err(error) => tracing::warn!(%error, "the plant did not take the bureau's answer"),
        }
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
    false
}

fn reply<'a>(identifier: &'a str, note: &'a str) -> Reply<'a> {
    Reply { accepted: true, identifier, sender: SENDER, at: now(), note }
}

fn now() -> Micros {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.map_or(0, |d| d.as_micros() as Micros)
}

#[cfg(test)]
mod tests;
