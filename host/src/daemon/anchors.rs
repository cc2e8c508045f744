//! Heads of the journal's chain on their way off the machine: only a copy elsewhere can show later that the record was cut or made again. One goes to
//! each audience that keeps them, at its interval, signed where the site has a key; the newest one rides in every message besides.
//! A bureau reads and proves them here. Must not know: how the journal is read, what becomes of a head elsewhere.

use super::Input;
use crate::journal::{self, Durable, OutsideAnchor, PATIENCE};
use crate::key::{Key, Meaning, is_signed};
use crate::notices::Deliverer;
use anyhow::{bail, ensure};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, MissedTickBehavior, interval_at, sleep_until, timeout};

/// Heads in a row that were not taken before it is told.
const MISSED_MAX: u32 = 3;
/// How often a head is made for the messages alone (own default).
const EVERY: Duration = Duration::from_secs(600);

/// Longest head that is taken, bytes: with the longest names, twice what one takes.
const LINE_BYTES_MAX: usize = 2048;

/// A link is a BLAKE3.
const LINK_DIGITS: usize = 64;

/// An audience that keeps heads.
pub struct Keeper {
    /// Audience name.
    pub audience: String,
    /// What tries.
    pub deliverer: Arc<Deliverer>,
    /// Time between two heads.
    pub every: Duration,
}

/// Makes heads and sends them.
#[derive(Clone)]
pub struct Anchors {
    /// Folder of the journal.
    pub journal: PathBuf,
    /// Signs them, if the site has it.
    pub key: Option<Arc<Key>>,
    /// The newest head made, for the messages.
    pub newest: watch::Sender<Option<OutsideAnchor>>,
    /// To the brain: whether they come.
    pub inputs: mpsc::Sender<Input>,
}

impl Anchors {
    /// A head before the first message, once this record is on disk. A disk that does not take it is not waited for.
    pub async fn first(&self, mut durable: watch::Receiver<Durable>, through: u64) {
        let on_disk = durable.wait_for(|durable| durable.seq >= through || durable.failed.is_some());
        if timeout(PATIENCE, on_disk).await.is_err() {
            return;
        }
        match timeout(PATIENCE, self.head()).await {
            Ok(Ok(_)) => {}
            Ok(Err(error)) => tracing::warn!("no head of the chain for messages: {error}"),
            Err(_) => tracing::warn!("no head of the chain for messages: {} does not answer", self.journal.display()),
        }
    }

    /// Another one now and then. Runs until it is dropped.
    pub async fn refresh(self) {
        let mut next = interval_at(Instant::now() + EVERY, EVERY);
        next.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            next.tick().await;
            if let Err(error) = self.head().await {
                tracing::warn!("no head of the chain for messages: {error}");
            }
        }
    }

    /// Sends heads to one audience. Runs until it is dropped, or the brain is gone.
    pub async fn send(self, keeper: Keeper) {
        let (mut missed, mut known) = (0, None);
        let mut due = Instant::now();
        loop {
            sleep_until(due).await;
            due += keeper.every;
            let sent = match self.head().await {
                Ok(line) => keeper.deliverer.keep(line).await,
                Err(error) => Err(error),
            };
            missed = if sent.is_ok() { 0 } else { missed + 1 };
            if let Err(error) = &sent {
                tracing::warn!(audience = keeper.audience, missed, "a head of the chain was not taken: {error}");
            }
            let well = if missed >= MISSED_MAX { Some(false) } else { sent.is_ok().then_some(true) };
            let (Some(well), detail) = (well, sent.err().unwrap_or_default()) else { continue };
            if known.replace(well) != Some(well) {
                let told = Input::Anchored { audience: keeper.audience.clone(), well, detail };
                if self.inputs.send(told).await.is_err() {
                    return;
                }
            }
        }
    }

    /// The present head as one JSON line, as `journal verify --anchor` reads it. All it covers is on disk.
    async fn head(&self) -> Result<String, String> {
        let (dir, key) = (self.journal.clone(), self.key.clone());
        let made = tokio::task::spawn_blocking(move || {
            let anchor = signed(journal::head(&dir)?, key.as_deref());
            Ok::<_, anyhow::Error>((serde_json::to_string(&anchor)?, anchor))
        });
        let (line, anchor) = made.await.map_err(|error| error.to_string())?.map_err(|error| format!("{error:#}"))?;
        self.newest.send_replace(Some(anchor));
        Ok(line)
    }
}

/// The same head, signed where there is a key.
pub fn signed(mut anchor: OutsideAnchor, key: Option<&Key>) -> OutsideAnchor {
    if let Some(key) = key {
        let signature = key.sign(Meaning::Anchor, anchor.signed().as_bytes());
        (anchor.key, anchor.signature) = (Some(key.public()), Some(signature));
    }
    anchor
}

/// Whether a head is signed as it says. `key`: who must have signed it.
///
/// # Errors
/// What is wrong with it.
pub fn proved(anchor: &OutsideAnchor, key: Option<&str>) -> anyhow::Result<()> {
    let key = key.map(str::trim);
    match (&anchor.key, &anchor.signature) {
        (None, None) => ensure!(key.is_none(), "not signed, and --key asks for signed anchors"),
        (Some(own), Some(signature)) => {
            let sound = is_signed(own, Meaning::Anchor, anchor.signed().as_bytes(), signature);
            ensure!(sound, "the signature does not fit: the line was changed since it was made");
            ensure!(key.is_none_or(|key| key == own), "signed with {own}, not with the key given");
        }
        (Some(_), None) | (None, Some(_)) => bail!("half a signature: both `key` and `signature`, or neither"),
    }
    Ok(())
}

/// Why a head is not kept.
pub enum Unkept {
    /// It is not what it says, or another's.
    Forged(String),
    /// It is none.
    Unfit(String),
}

/// Reads a head as a plant sends it, one JSON line; `key` must have signed it, where there is one. Gives it back as it is kept.
///
/// # Errors
/// What is wrong with it.
pub fn read(body: &[u8], key: Option<&str>) -> Result<String, Unkept> {
    let parsed = || {
        let anchor: OutsideAnchor = serde_json::from_slice(body)?;
        let is_hash = anchor.link.len() == LINK_DIGITS && anchor.link.bytes().all(|byte| byte.is_ascii_hexdigit());
        ensure!(is_hash, "link {:?} is no head of a chain: {LINK_DIGITS} hexadecimal digits", anchor.link);
        let line = serde_json::to_string(&anchor)?;
        ensure!(line.len() <= LINE_BYTES_MAX, "{} bytes, and a head has {LINE_BYTES_MAX} at most", line.len());
        Ok((anchor, line))
    };
    let (anchor, line) = parsed().map_err(|error| Unkept::Unfit(format!("anchor: {error:#}")))?;
    match (key, &anchor.key) {
        (Some(key), None) => Err(Unkept::Forged(format!("anchor: not signed, and the key of this plant is {key}"))),
        (_, _) => match proved(&anchor, key) {
            Ok(()) => Ok(line),
            Err(error) => Err(Unkept::Forged(format!("anchor: {error:#}"))),
        },
    }
}
