//! The one stream a page follows: `hello`, `snapshot`, `delta`, a `beat` each second, `bye`; a plant's here, a bureau's in `bureau/stream.rs`. Owns: how readers
//! follow, what changed since the last frame. Must not know: history.

use super::access::Caller;
use super::door::Door;
use super::health::health;
use super::present::{counts, present};
use super::shape;
use super::view::View;
use axum::response::sse::{Event as Sse, KeepAlive};
use axum::response::{IntoResponse, Response};
use brain::Alarm;
use brain::site::Mode;
use futures::stream::{self, Stream, StreamExt};
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;
use std::convert::Infallible;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::broadcast::error::RecvError;
use tokio::sync::{broadcast, watch};
use tokio_util::sync::CancellationToken;

/// Changes are gathered this long.
pub(super) const GATHER: Duration = Duration::from_millis(100);
/// Beats, by which a page knows that the server lives.
pub(super) const BEAT: Duration = Duration::from_secs(1);
/// Frames a slow reader may be behind before it gets a fresh snapshot.
const BEHIND_MAX: usize = 64;

/// One frame: event name and data, made once for all readers.
pub(super) type Frame = Arc<(&'static str, String)>;

/// The frames of all readers.
pub(super) struct Frames {
    sender: broadcast::Sender<Frame>,
    hello: String,
    /// Everything, for a reader that begins or fell behind.
    snapshot: Box<dyn Fn() -> Value + Send + Sync>,
}

impl Frames {
    /// Those of a plant. `kind`: what kind it is, and whether rules may run for which nobody vouches.
    pub(super) fn of_plant(view: watch::Receiver<Arc<View>>, kind: (Mode, bool), stop: CancellationToken) -> Arc<Frames> {
        let seen = view.clone();
        let (frames, sender) = Frames::new(kind, move || whole(&seen.borrow().clone()));
        tokio::spawn(fold(view, sender, stop));
        frames
    }

    /// Frames, and what sends them to all readers.
    pub(super) fn new(
        (mode, unsigned): (Mode, bool),
        snapshot: impl Fn() -> Value + Send + Sync + 'static,
    ) -> (Arc<Frames>, broadcast::Sender<Frame>) {
        let (sender, _) = broadcast::channel(BEHIND_MAX);
        let hello = json!({"mode": mode, "unsigned": unsigned, "version": env!("CARGO_PKG_VERSION")});
        (Arc::new(Frames { sender: sender.clone(), hello: hello.to_string(), snapshot: Box::new(snapshot) }), sender)
    }

    /// What a reader gets first, and where it goes on.
    fn join(&self) -> (Vec<Frame>, broadcast::Receiver<Frame>) {
        let receiver = self.sender.subscribe();
        (vec![Arc::new(("hello", self.hello.clone())), self.whole()], receiver)
    }

    fn whole(&self) -> Frame {
        Arc::new(("snapshot", (self.snapshot)().to_string()))
    }

    /// The answer to a reader.
    pub(super) fn follow(self: Arc<Frames>, door: Door, caller: Caller) -> Response {
        let sse = axum::response::Sse::new(self.frames(door, caller)).keep_alive(KeepAlive::default());
        ([("x-accel-buffering", "no")], sse).into_response()
    }

    /// The frames of one reader. One that falls behind gets a fresh snapshot, never a silent gap. A session that has ended ends its streams; one that
    /// only watches is in use all the same.
    fn frames(self: Arc<Frames>, door: Door, caller: Caller) -> impl Stream<Item = Result<Sse, Infallible>> {
        let (first, receiver) = self.join();
        let stop = door.stop.clone();
        let rest = stream::unfold((receiver, self, door, false), move |(mut receiver, frames, door, ended)| async move {
            if ended {
                return None;
            }
            let frame = match receiver.recv().await {
                Ok(frame) => frame,
                Err(RecvError::Lagged(_)) => frames.whole(),
                Err(RecvError::Closed) => return None,
            };
            if caller.session.is_some_and(|session| door.sessions.used(&session, Instant::now()).is_none()) {
                return None;
            }
            let ended = frame.0 == "bye";
            Some((frame, (receiver, frames, door, ended)))
        });
        let stopped = async move {
            stop.cancelled().await;
            // One more turn, so that the good-bye is seen.
            tokio::time::sleep(Duration::from_millis(100)).await;
        };
        stream::iter(first).chain(rest).take_until(stopped).map(|frame| Ok(Sse::default().event(frame.0).data(&frame.1)))
    }
}

/// Everything of a plant.
fn whole(view: &View) -> Value {
    let zones: Map<String, Value> =
        view.zones.iter().map(|(name, title)| (name.clone(), json!(shape::Text::from(title)))).collect();
    let alarms: Map<String, Value> = view.alarms.values().map(|alarm| one(alarm, view)).collect();
    json!({"seq": view.seq, "at": shape::time(view.at), "site": shape::Text::from(&view.site), "counts": counts(view), "now": present(view),
            "zones": zones, "alarms": alarms})
}

async fn fold(mut view: watch::Receiver<Arc<View>>, out: broadcast::Sender<Frame>, stop: CancellationToken) {
    let mut before = Arc::clone(&view.borrow_and_update().alarms);
    let (mut gather, mut beat) = (tokio::time::interval(GATHER), tokio::time::interval(BEAT));
    // Nobody listening is no error.
    let send = |name, data: Value| drop(out.send(Arc::new((name, data.to_string()))));
    loop {
        tokio::select! {
            () = stop.cancelled() => {
                send("bye", json!({}));
                return;
            }
            _ = beat.tick() => {
                if out.receiver_count() == 0 {
                    continue;
                }
                let now = view.borrow().clone();
                send("beat", json!({"seq": now.seq, "at": shape::time(now.at), "durable": now.durable.to_string(), "counts": counts(&now), "health": health(&now),
                    "brain_age_ms": now.age_ms(), "now": present(&now)}));
            }
            _ = gather.tick(), if view.has_changed().unwrap_or(false) => {
                let now = view.borrow_and_update().clone();
                // Whoever begins later begins with a snapshot.
                if out.receiver_count() > 0
                    && let Some((changed, gone)) = delta(&before, &now)
                {
                    send("delta", json!({"seq": now.seq, "at": shape::time(now.at), "counts": counts(&now), "alarms": changed, "gone": gone}));
                }
                before = Arc::clone(&now.alarms);
            }
        }
    }
}

/// Alarms by number, as a [`View`] shares them.
type Alarms = Arc<BTreeMap<u64, Arc<Alarm>>>;

/// What changed and what went; none where nothing did, which the views say mostly by sharing the map.
pub(super) fn delta(before: &Alarms, view: &View) -> Option<(Map<String, Value>, Vec<String>)> {
    let now = &view.alarms;
    if Arc::ptr_eq(before, now) {
        return None;
    }
    let is_known = |alarm: &Arc<Alarm>| before.get(&alarm.id.0).is_some_and(|known| Arc::ptr_eq(known, alarm) || known == alarm);
    let changed: Map<String, Value> = now.values().filter(|alarm| !is_known(alarm)).map(|alarm| one(alarm, view)).collect();
    let gone: Vec<String> = before.keys().filter(|number| !now.contains_key(number)).map(u64::to_string).collect();
    (!changed.is_empty() || !gone.is_empty()).then_some((changed, gone))
}

fn one(alarm: &Alarm, view: &View) -> (String, Value) {
    (alarm.id.0.to_string(), json!(shape::alarm(alarm, &view.titles)))
}
