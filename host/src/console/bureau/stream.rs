//! What the page of a duty desk follows: the whole queue once, then what changed of it, a `beat` each second, the plants every few. Owns: what changed since the
//! last frame. Must not know: how readers follow, how the queue comes about.

use super::shape::{self, QueueRow};
use super::{PlantRow, View, health, title};
use crate::console::shape::time;
use crate::console::stream::{BEAT, Frame, Frames, GATHER};
use brain::bureau::Entry;
use brain::site::Mode;
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;
use std::sync::Arc;
use tokio::sync::{broadcast, watch};
use tokio_util::sync::CancellationToken;

/// Beats between two frames of all plants: an entry of the queue says at once what matters of them.
const PLANTS_EVERY: u32 = 5;

/// Entries that are not closed, by number.
type Open = BTreeMap<u64, Arc<Entry>>;

/// Starts the task that makes the frames.
pub(super) fn start(view: watch::Receiver<Arc<View>>, plants: Vec<PlantRow>, stop: CancellationToken) -> Arc<Frames> {
    let (seen, rows) = (view.clone(), plants.clone());
    let (frames, sender) = Frames::new((Mode::Actual, false), move || {
        let view = seen.borrow().clone();
        let open = open(&view);
        let entries: Map<String, Value> = open.values().map(|entry| one(entry, &rows, &view)).collect();
        json!({"at": time(view.picture.at + view.ahead), "entries": entries, "plants": lines(&rows, &view), "duty": shape::desk(&view)})
    });
    tokio::spawn(fold(view, plants, sender, stop));
    frames
}

async fn fold(mut view: watch::Receiver<Arc<View>>, rows: Vec<PlantRow>, out: broadcast::Sender<Frame>, stop: CancellationToken) {
    let first = view.borrow_and_update().clone();
    let (mut before, mut shift) = (open(&first), first.picture.shift.clone());
    let (mut gather, mut beat, mut beats) = (tokio::time::interval(GATHER), tokio::time::interval(BEAT), 0_u32);
    // Nobody listening is no error.
    let send = |name, data: Value| drop(out.send(Arc::new((name, data.to_string()))));
    loop {
        tokio::select! {
            () = stop.cancelled() => {
                send("bye", json!({}));
                return;
            }
            _ = beat.tick() => {
                let (now, age) = { let view = view.borrow(); (view.clone(), view.made.elapsed()) };
                let at = now.picture.at + now.ahead;
                send("beat", json!({"at": time(at), "durable": now.durable.to_string(), "health": health::of_desk(age, at, &now.picture.full()),
                    "brain_age_ms": u64::try_from(age.as_millis()).unwrap_or(u64::MAX)}));
                beats = beats.wrapping_add(1);
                if beats.is_multiple_of(PLANTS_EVERY) {
                    send("plants", json!(lines(&rows, &now)));
                }
            }
            _ = gather.tick(), if view.has_changed().unwrap_or(false) => {
                let now = view.borrow_and_update().clone();
                let open = open(&now);
                if let Some((entries, gone)) = delta(&before, &open, |entry| one(entry, &rows, &now)) {
                    send("delta", json!({"entries": entries, "gone": gone, "duty": shape::desk(&now)}));
                } else if shift != now.picture.shift {
                    send("delta", json!({"entries": {}, "gone": [], "duty": shape::desk(&now)}));
                }
                shift.clone_from(&now.picture.shift);
                before = open;
            }
        }
    }
}

fn open(view: &View) -> Open {
    let open = view.picture.entries.iter().filter(|entry| !entry.is_closed());
    open.map(|entry| (entry.number, Arc::clone(entry))).collect()
}

/// What changed and what is over; none where nothing did, which pictures say by sharing an entry.
fn delta(before: &Open, now: &Open, one: impl Fn(&Entry) -> (String, Value)) -> Option<(Map<String, Value>, Vec<String>)> {
    let is_known = |entry: &&Arc<Entry>| before.get(&entry.number).is_some_and(|known| Arc::ptr_eq(known, entry));
    let changed: Map<String, Value> = now.values().filter(|entry| !is_known(entry)).map(|entry| one(entry)).collect();
    let gone: Vec<String> = before.keys().filter(|number| !now.contains_key(number)).map(u64::to_string).collect();
    (!changed.is_empty() || !gone.is_empty()).then_some((changed, gone))
}

fn one(entry: &Entry, rows: &[PlantRow], view: &View) -> (String, Value) {
    let row: QueueRow = shape::row(entry, &title(rows, &entry.plant), view);
    (entry.number.to_string(), json!(row))
}

fn lines(rows: &[PlantRow], view: &View) -> Vec<Value> {
    let line = |(name, line): &(String, brain::bureau::Line)| json!(shape::plant(name, &title(rows, name), line, view));
    view.picture.plants.iter().map(line).collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use brain::bureau::{Bureau, Event, Plant, Terms};

    /// What did not change is not said again; what is over is gone; an act is a change.
    #[test]
    fn a_frame_says_what_changed_and_nothing_else() {
        let mut bureau = Bureau::default();
        let plant = |name: &str| Plant { name: name.to_owned(), silent_s: 90 };
        let plants = vec![plant("a"), plant("b")];
        let started = Event::Started {
            version: String::new(),
            plants,
            terms: Terms::default(),
            officers: vec![],
            series: String::new(),
            number_from: 0,
        };
        bureau.step(1, &started).unwrap();
        let picture = |bureau: &Bureau| -> Open {
            let entries = bureau.picture(1_000_000_000).entries;
            entries.into_iter().filter(|entry| !entry.is_closed()).map(|entry| (entry.number, entry)).collect()
        };
        let told = |before: &Open, now: &Open| {
            let (changed, gone) = delta(before, now, |entry| (entry.number.to_string(), Value::Null))?;
            Some((changed.keys().cloned().collect::<Vec<_>>().join(" "), gone.join(" ")))
        };
        let none = picture(&bureau);
        for event in bureau.silent(100_000_000) {
            bureau.step(100_000_000, &event).unwrap();
        }
        let both = picture(&bureau);
        assert_eq!((told(&none, &both), told(&both, &picture(&bureau))), (Some(("1 2".into(), String::new())), None));
        let by = brain::alarm::Person { name: "王".into(), role: "operator".into(), station: String::new() };
        let act = brain::bureau::Act::Accept { note: String::new() };
        let act = Event::Act { command: "1".into(), by, entry: 2, seen: None, act, answer: None };
        bureau.step(200_000_000, &act).unwrap();
        let taken = picture(&bureau);
        assert_eq!(told(&both, &taken), Some(("2".into(), String::new())));
        // It speaks again, and somebody had seen that it did not.
        let heartbeat = brain::bureau::Heartbeat {
            run: 1,
            number: 1,
            sent: 0,
            mode: brain::site::Mode::Actual,
            version: String::new(),
            alarms: Default::default(),
            unacknowledged: Default::default(),
            aside: Default::default(),
            waiting: 0,
            failing: vec![],
            every_s: 30,
        };
        bureau.step(300_000_000, &Event::Alive { plant: "b".into(), heartbeat }).unwrap();
        assert_eq!(told(&taken, &picture(&bureau)), Some((String::new(), "2".into())));
    }
}
