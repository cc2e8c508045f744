//! The one stream a page follows: `hello`, `snapshot`, `delta`, a `beat` each second, `bye`. Owns: what changed since the last frame.
//! Must not know: HTTP beyond the form of an event, history.

use super::health::health;
use super::present::{counts, present};
use super::shape;
use super::view::View;
use brain::Alarm;
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
    hello: String,
}

impl Frames {
    /// Starts the task that makes them. `kind`: what kind of plant it is, and whether rules may run for which nobody vouches.
    pub(super) fn start(view: watch::Receiver<Arc<View>>, kind: (Mode, bool), stop: CancellationToken) -> Frames {
        let (sender, _) = broadcast::channel(BEHIND_MAX);
        tokio::spawn(fold(view.clone(), sender.clone(), stop));
        let hello = json!({"mode": kind.0, "unsigned": kind.1, "version": env!("CARGO_PKG_VERSION")});
        Frames { sender, view, hello: hello.to_string() }
    }

    /// What a reader gets first, and where it goes on.
    pub(super) fn join(&self) -> (Vec<Frame>, broadcast::Receiver<Frame>) {
        let receiver = self.sender.subscribe();
        (vec![Arc::new(("hello", self.hello.clone())), self.snapshot()], receiver)
    }

    /// Everything, for a reader that begins or fell behind.
    pub(super) fn snapshot(&self) -> Frame {
        let view = self.view.borrow().clone();
        let zones: Map<String, Value> =
            view.zones.iter().map(|(name, title)| (name.clone(), json!(shape::Text::from(title)))).collect();
        let alarms: Map<String, Value> = view.alarms.values().map(|alarm| one(alarm, &view)).collect();
        let all = json!({"seq": view.seq, "at": shape::time(view.at), "site": shape::Text::from(&view.site), "counts": counts(&view), "now": present(&view),
            "zones": zones, "alarms": alarms});
        Arc::new(("snapshot", all.to_string()))
    }
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

/// What changed and what went; none where nothing did, which the views say by sharing the map.
pub(super) fn delta(before: &Alarms, view: &View) -> Option<(Map<String, Value>, Vec<String>)> {
    let now = &view.alarms;
    if Arc::ptr_eq(before, now) {
        return None;
    }
    let is_known = |alarm: &Arc<Alarm>| before.get(&alarm.id.0).is_some_and(|known| Arc::ptr_eq(known, alarm));
    let changed = now.values().filter(|alarm| !is_known(alarm)).map(|alarm| one(alarm, view)).collect();
    let gone = before.keys().filter(|number| !now.contains_key(number)).map(u64::to_string).collect();
    Some((changed, gone))
}

fn one(alarm: &Alarm, view: &View) -> (String, Value) {
    (alarm.id.0.to_string(), json!(shape::alarm(alarm, &view.titles)))
}
