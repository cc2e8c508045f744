//! Heartbeats: somebody outside is told regularly that the plant is watched, and notices when that stops, for a dead machine tells nobody. One goes out
//! only where the brain has decided something just now: a program that lives while its brain stands still is silent.
//! Must not know: how one is sent, what a watcher does.

use super::Input;
use crate::config::Config;
use crate::console::{Levels, Standing, View, standing};
use crate::key::{Key, Meaning};
use crate::notices::watcher::Pinged;
use crate::notices::{Pinger, cap};
use brain::site::Mode;
use brain::{Micros, Severity};
use serde::Serialize;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, sleep_until};

/// Heartbeats in a row that were not taken before it is told; a watcher counts the same way.
const MISSED_MAX: u32 = 3;
/// A brain that has not moved for this long is not watching.
const STILL_MS: u64 = 5_000;

/// What a heartbeat says. Fields may be added; none goes.
#[derive(Debug, Serialize)]
struct Heartbeat<'a> {
    form: &'static str,
    plant: &'a str,
    sender: &'a str,
    /// `actual`, `exercise` or `test`.
    mode: Mode,
    /// By the plant's clock.
    at: String,
    /// Rises with each start of the program, whatever the wall clock does: the brain's time of the start.
    run: Micros,
    /// Rises by one with each in one run of the program, from 1.
    number: u64,
    /// What the watcher asked for last; none until it asks.
    #[serde(skip_serializing_if = "Option::is_none")]
    echo: Option<&'a str>,
    /// Seconds to the next one; after three times that without one the plant is silent.
    every_s: u32,
    version: &'static str,
    /// Highest record on disk.
    durable: u64,
    /// Alarms that need somebody, by level.
    alarms: Levels,
    /// Of those, the ones that nobody has taken.
    unacknowledged: Levels,
    /// Put aside at the plant while the condition goes on, by level: not among `alarms`.
    aside: Levels,
    /// Notices that no machine has received yet.
    waiting: usize,
    /// Parts of the program that do not work.
    failing: Vec<&'static str>,
}

/// What a watcher was told so far.
#[derive(Default)]
struct Said {
    number: u64,
    echo: Option<String>,
}

/// Sends heartbeats to one watcher.
pub struct Heart {
    /// Who they are from.
    pub plant: String,
    /// CAP sender of the plant.
    pub sender: String,
    /// Real, drill or test.
    pub mode: Mode,
    /// Brain time of the record that this run began with.
    pub run: Micros,
    /// What sends.
    pub pinger: Pinger,
    /// Signs them, if the site has it.
    pub key: Option<Arc<Key>>,
    /// What the brain has come to.
    pub view: watch::Receiver<Arc<View>>,
    /// To the brain: whether they come.
    pub inputs: mpsc::Sender<Input>,
}

impl Heart {
    /// One for each watcher of the site.
    ///
    /// # Errors
    /// A certificate that cannot be read.
    pub fn of(
        config: &Config,
        run: Micros,
        key: Option<&Arc<Key>>,
        view: &watch::Receiver<Arc<View>>,
        inputs: &mpsc::Sender<Input>,
    ) -> anyhow::Result<Vec<Heart>> {
        let heart = |watcher| {
            Ok(Heart {
                plant: config.site.id.clone(),
                sender: config.site.sender.clone(),
                mode: config.site.mode,
                run,
                pinger: Pinger::new(watcher)?,
                key: key.cloned(),
                view: view.clone(),
                inputs: inputs.clone(),
            })
        };
        config.watchers.iter().cloned().map(heart).collect()
    }

    /// Runs until it is dropped, or the brain is gone.
    pub async fn run(self) {
        let (mut missed, mut known, mut said) = (0, None, Said::default());
        let watcher = self.pinger.watcher();
        let mut due = Instant::now();
        // A start has decided nothing yet.
        if self.view.clone().wait_for(|view| view.made.is_some()).await.is_err() {
            return;
        }
        loop {
            sleep_until(due).await;
            due = Instant::now() + Duration::from_secs(watcher.every_s.into());
            let view = Arc::clone(&self.view.borrow());
            if view.made.is_none() || view.age_ms() > STILL_MS {
                tracing::error!(watcher = watcher.name, "no heartbeat: the brain stands still");
                continue;
            }
            let sent = self.beat(&view, &mut said).await;
            missed = if sent.is_ok() { 0 } else { missed + 1 };
            if let Err(error) = &sent {
                tracing::warn!(watcher = watcher.name, missed, "a heartbeat was not taken: {error}");
            }
            let well = if missed >= MISSED_MAX { Some(false) } else { sent.is_ok().then_some(true) };
            let (Some(well), detail) = (well, sent.err().unwrap_or_default()) else { continue };
            if known.replace(well) != Some(well) {
                let told = Input::Heartbeat { watcher: watcher.name.clone(), well, detail };
                if self.inputs.send(told).await.is_err() {
                    return;
                }
            }
        }
    }

    /// One heartbeat; once more where the watcher wants it said otherwise.
    async fn beat(&self, view: &View, said: &mut Said) -> Result<(), String> {
        let first = self.ping(view, said).await;
        let asked = first.echo.filter(|echo| said.echo.as_ref() != Some(echo));
        let is_again = asked.is_some() && first.taken.is_err();
        said.echo = asked.or(said.echo.take());
        if is_again { self.ping(view, said).await.taken } else { first.taken }
    }

    async fn ping(&self, view: &View, said: &mut Said) -> Pinged {
        said.number += 1;
        let body = self.body(view, said);
        let signed = self.key.as_ref().map(|key| (key.public(), key.sign(Meaning::Heartbeat, body.as_bytes())));
        self.pinger.ping(body, signed).await
    }

    fn body(&self, view: &View, said: &Said) -> String {
        let of = |level: Severity| view.alarms.values().filter(|alarm| alarm.is_listed() && alarm.severity == level).count();
        let Standing { unacknowledged, aside, .. } = standing(view);
        let said = Heartbeat {
            form: "safety-brain-heartbeat/1",
            plant: &self.plant,
            sender: &self.sender,
            mode: self.mode,
            at: cap::time::text(view.at),
            run: self.run,
            number: said.number,
            echo: said.echo.as_deref(),
            every_s: self.pinger.watcher().every_s,
            version: env!("CARGO_PKG_VERSION"),
            durable: view.durable,
            alarms: Severity::ALL.into_iter().map(|level| (level.word(), of(level))).collect(),
            unacknowledged,
            aside,
            waiting: view.waiting().count(),
            failing: view.health.iter().filter(|part| !part.ok).map(|part| part.name).collect(),
        };
        // Plain data is always JSON.
        serde_json::to_string(&said).unwrap_or_default()
    }
}
