//! The one stream a page follows: `hello`, `snapshot`, `delta`, a `beat` each second, `bye`. Owns: what changed since the last frame.
//! Must not know: HTTP beyond the form of an event, history.

use super::shape;
use super::view::View;
use brain::site::Mode;
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{broadcast, watch};
use tokio_util::sync::CancellationToken;

/// Changes are gathered this long.
const GATHER: Duration = Duration::from_millis(100);
/// Beats, by which a page knows that the server lives.
const BEAT: Duration = Duration::from_secs(1);
/// Frames a slow reader may be behind before it gets a fresh snapshot.
const BEHIND_MAX: usize = 64;

/// One frame: event name and data, made once for all readers.
pub(super) type Frame = Arc<(&'static str, String)>;

/// The frames of all readers.
pub(super) struct Frames {
    sender: broadcast::Sender<Frame>,
    view: watch::Receiver<Arc<View>>,
    mode: Mode,
}

impl Frames {
    /// Starts the task that makes them.
    pub(super) fn start(view: watch::Receiver<Arc<View>>, mode: Mode, stop: CancellationToken) -> Frames {
        let (sender, _) = broadcast::channel(BEHIND_MAX);
        tokio::spawn(fold(view.clone(), sender.clone(), stop));
        Frames { sender, view, mode }
    }

    /// What a reader gets first, and where it goes on.
    pub(super) fn join(&self) -> (Vec<Frame>, broadcast::Receiver<Frame>) {
        let receiver = self.sender.subscribe();
        let hello = json!({"mode": self.mode, "version": env!("CARGO_PKG_VERSION")});
        (vec![Arc::new(("hello", hello.to_string())), self.snapshot()], receiver)
    }

    /// Everything, for a reader that begins or fell behind.
    pub(super) fn snapshot(&self) -> Frame {
        let view = self.view.borrow().clone();
        let mut all = json!({"seq": view.seq, "at": shape::time(view.at), "site": {"zh": view.site.zh, "en": view.site.en}, "counts": shape::counts(&view)});
        all["zones"] = view
            .zones
            .iter()
            .map(|(name, title)| (name.clone(), json!({"zh": title.zh, "en": title.en})))
            .collect::<Map<_, _>>()
            .into();
        all["alarms"] = alarms(&view).into_iter().collect::<Map<_, _>>().into();
        Arc::new(("snapshot", all.to_string()))
    }
}

async fn fold(mut view: watch::Receiver<Arc<View>>, out: broadcast::Sender<Frame>, stop: CancellationToken) {
    let mut before = alarms(&view.borrow_and_update());
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
                let now = view.borrow().clone();
                send("beat", json!({"seq": now.seq, "at": shape::time(now.at), "durable": now.durable.to_string(), "counts": shape::counts(&now), "health": shape::health(&now),
                    "brain_age_ms": now.age_ms()}));
            }
            _ = gather.tick(), if view.has_changed().unwrap_or(false) => {
                let now = view.borrow_and_update().clone();
                let after = alarms(&now);
                let changed: Map<String, Value> = after.iter().filter(|(id, alarm)| before.get(*id) != Some(alarm)).map(|(id, alarm)| (id.clone(), alarm.clone())).collect();
                let gone: Vec<&String> = before.keys().filter(|id| !after.contains_key(*id)).collect();
                if !changed.is_empty() || !gone.is_empty() {
                    send("delta", json!({"seq": now.seq, "at": shape::time(now.at), "counts": shape::counts(&now), "alarms": changed, "gone": gone}));
                }
                before = after;
            }
        }
    }
}

fn alarms(view: &View) -> BTreeMap<String, Value> {
    view.alarms.values().map(|alarm| (alarm.id.0.to_string(), shape::alarm(alarm))).collect()
}
