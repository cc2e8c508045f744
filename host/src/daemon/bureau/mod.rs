//! A bureau: plants report, officers answer, everything goes on record first. Owns the order of starting and stopping.
//! Must not know: protocols, pages, when an entry is due.

mod answers;
mod desk;
pub(super) mod heartbeat;
mod keeping;

use super::clock::{self, Clock};
use super::manager::Manager;
use super::{STOP_DEADLINE, descriptors, on_a_thread, snapshot};
use crate::config::bureau::Bureau as Config;
use crate::config::types::{Person, Role};
use crate::console::{self, BureauBackend, BureauView, PlantRow};
use crate::hang::{self, Far};
use crate::journal::{self, Durable, Journal};
use crate::key::{Key, Seal};
use crate::notices::Deliverer;
use crate::notices::watcher::{ECHO_HEADER, KEY_HEADER, SIGNATURE_HEADER};
use crate::restored;
use anyhow::{Context, bail};
use brain::bureau::{Bureau, Event, Plant};
use brain::event::Entry;
use desk::{Desk, Ways};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

/// Questions of the console waiting for the desk.
const ASK_QUEUE: usize = 1024;
/// What became of answers, waiting for the desk.
const SENT_QUEUE: usize = 256;

/// How the bureau is run.
pub struct Options {
    /// Where everything is kept.
    pub data_dir: PathBuf,
    /// Already listening, so that the caller knows the address before anything starts.
    pub listener: std::net::TcpListener,
    /// Called once the journal is ours and replayed: from here on plants are heard.
    pub begun: Box<dyn FnOnce() + Send>,
}

/// Runs the bureau until `stop`.
///
/// # Errors
/// Anything that keeps it from starting. Later: a journal that takes no records any more, for what is not on record cannot be accepted: the plants
/// keep what they have to say, and notice that nobody takes it.
pub async fn run(config: Config, options: Options, stop: CancellationToken) -> anyhow::Result<()> {
    descriptors::raise();
    let (data, manager) = (&options.data_dir, Manager::start()?);
    let waits = |what: String| {
        tracing::warn!("plants are not heard yet: {what}");
        manager.status(format!("starting: {what}"));
    };
    let Opened { journal, opened, saved, mut bureau, is_lost, key } = Opened::done(&config, data, waits).await?;
    if let Some(damage) = &opened.damage {
        tracing::error!("{damage}");
    }
    let clock = Arc::new(Clock::start(clock::machine(), opened.last_at, &brain::Clock::default()));

    let plants = config.plants.iter().map(|plant| Plant { name: plant.name.clone(), silent_s: plant.silent_s }).collect();
    let officer = |person: &&Person| matches!(person.role, Role::Operator | Role::Lead);
    let officers = config.people.iter().filter(officer).map(|person| person.name.clone()).collect();
    let at = clock.now();
    let (series, number_from) = match opened.last_seq {
        _ if is_lost => (String::new(), restored::never_given(at)),
        0 => (restored::series(), 0),
        _ => (String::new(), 0),
    };
    let version = env!("CARGO_PKG_VERSION").to_owned();
    let started = Event::Started { version, plants, terms: config.terms, officers, series, number_from };
    let seq = journal.append(at, &Entry::Bureau(started.clone()))?;
    // Nothing but an act is ever refused.
    let _ = bureau.step(at, &started);

    let (ask_tx, asks) = mpsc::channel(ASK_QUEUE);
    let (sent_tx, sent) = mpsc::channel(SENT_QUEUE);
    let (owed_tx, owed) = watch::channel(Default::default());
    let view = BureauView { made: Instant::now(), picture: bureau.picture(at), ahead: clock.ahead(), durable: seq };
    let (view_tx, view) = watch::channel(Arc::new(view));
    let mut sending = JoinSet::new();
    for plant in &config.plants {
        let deliverer = Deliverer::new(plant.answers.clone()).with_context(|| format!("plant {}", plant.name))?;
        sending.spawn(answers::send(plant.name.clone(), deliverer, owed.clone(), sent_tx.clone()));
    }
    let backend = backend(&config, data, view, ask_tx);
    (options.begun)();
    let (listener, tls, leaving) = (options.listener, config.console.tls.clone(), CancellationToken::new());
    let left = leaving.clone();
    let mut console =
        tokio::spawn(on_a_thread("console", async move { console::serve_bureau(listener, tls, backend, left).await }));

    let keeper = tokio::spawn(keeping::keep(data.clone(), config.events_days, Arc::clone(&clock), leaving.clone()));
    let ways = Ways { view: view_tx, owed: owed_tx, key, data: data.clone(), seal: Seal::fresh()? };
    let desk = Desk::new(config, (bureau, saved, seq), (journal, clock), ways, manager);
    let ended = tokio::select! {
        ended = desk.run(asks, sent, stop) => ended,
        // Without it no plant is heard.
        served = &mut console => bail!("the console ended: {served:?}"),
    };
    sending.abort_all();
    leaving.cancel();
    if tokio::time::timeout(STOP_DEADLINE, async { tokio::join!(console, keeper) }).await.is_err() {
        tracing::warn!("the console or the keeping of the journal was still running at the deadline");
    }
    ended
}

/// What a start finds in the data directory.
struct Opened {
    journal: Journal,
    opened: journal::Opened,
    /// Last record in the snapshot that it begins with.
    saved: u64,
    bureau: Bureau,
    /// What was said before may not all be known.
    is_lost: bool,
    key: Option<Arc<Key>>,
}

impl Opened {
    /// Opens it on a thread of its own, and tells `said` what is waited for where that takes long.
    ///
    /// # Errors
    /// The journal cannot be opened. It hangs: a bureau without a record takes nothing, so the service manager is to start it again.
    async fn done(config: &Config, data: &Path, said: impl FnMut(String)) -> anyhow::Result<Opened> {
        let (far, durable) = (Far::default(), journal::unopened());
        let (told, mut opened) = oneshot::channel();
        let (id, bytes, of, theirs, seen) =
            (config.id.clone(), config.segment_bytes, data.to_owned(), durable.clone(), far.clone());
        let open = move || drop(told.send(Opened::open((&id, bytes), &of, theirs, &seen)));
        std::thread::Builder::new().name("opening".to_owned()).spawn(open).context("no thread to open the journal on")?;
        match far.answer(&mut opened, || durable.borrow().synced_at, said).await {
            Ok(opened) => opened.context("the thread that opens the journal panicked")?,
            Err(waited) => {
                Err(hang::hangs(&far.now(), waited).context("the bureau cannot start: look after the disk, and start it again"))
            }
        }
    }

    fn open((id, segment_bytes): (&str, u64), data: &Path, durable: watch::Sender<Durable>, far: &Far) -> anyhow::Result<Opened> {
        far.at(format!("looking into {}", data.display()));
        restored::whole(data)?;
        far.at(format!("making the data directory {}", data.display()));
        std::fs::create_dir_all(data).with_context(|| {
            format!("cannot make the data directory {}: give a folder that this user may write", data.display())
        })?;
        let dir = data.join(journal::FOLDER);
        far.at(format!("reading the newest snapshot in {}", data.join(snapshot::FOLDER).display()));
        let known = snapshot::reach(data);
        far.at(format!("opening the journal in {}", dir.display()));
        let (journal, opened) = Journal::open_told(durable, &dir, id, segment_bytes, known)?;
        far.at(format!("replaying the journal in {}", dir.display()));
        let (saved, bureau, is_whole) = replayed(data, far)?;
        far.at(format!("reading the key in {}", data.display()));
        let key = Key::existing(data)?.map(Arc::new);
        let is_lost = opened.damage.is_some() || !is_whole || restored::is_fresh(data, opened.last_seq);
        Ok(Opened { journal, opened, saved, bureau, is_lost, key })
    }
}

/// The bureau as its newest snapshot and the journal behind it tell, and the last record in that snapshot.
fn replayed(data: &Path, far: &Far) -> anyhow::Result<(u64, Bureau, bool)> {
    let (saved, mut bureau) = snapshot::newest_bureau(data).unwrap_or_default();
    let mut is_whole = true;
    for record in journal::read(&data.join(journal::FOLDER), saved + 1)? {
        far.beat();
        match record {
            Ok(record) => match record.entry {
                // What was refused then is refused again.
                Entry::Bureau(event) => drop(bureau.step(record.at, &event)),
                Entry::Event(_) | Entry::Outcome { .. } => {
                    bail!("this is a plant's journal: give the bureau a data directory of its own")
                }
            },
            Err(error) if error.downcast_ref::<journal::Damage>().is_some() => {
                tracing::error!("the journal is damaged, going on behind the hole: {error:#}");
                is_whole = false;
            }
            Err(error) => return Err(error),
        }
    }
    Ok((saved, bureau, is_whole))
}

fn backend(
    config: &Config,
    data: &Path,
    view: watch::Receiver<Arc<BureauView>>,
    ask: mpsc::Sender<console::BureauAsk>,
) -> BureauBackend {
    let line = |plant: &crate::config::bureau::Plant| Person {
        name: plant.name.clone(),
        role: Role::Plant,
        token_sha256: plant.token_sha256,
        known_as: vec![],
        brings: Default::default(),
    };
    BureauBackend {
        view,
        ask,
        people: config.plants.iter().map(line).chain(config.people.iter().cloned()).collect(),
        plants: config.plants.iter().map(|plant| PlantRow { name: plant.name.clone(), title: plant.title.clone() }).collect(),
        title: config.title.clone(),
        signed_by: [KEY_HEADER, SIGNATURE_HEADER],
        echo_in: ECHO_HEADER,
        sessions: Some(data.join(console::SESSIONS)),
    }
}
