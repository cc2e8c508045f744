//! The loop: what comes in is recorded, decided, and routed once the disk has it. Owns the order of starting and stopping.
//! Must not know: protocols, formats, pages, or what makes an alarm.

pub mod anchors;
mod asks;
pub mod bureau;
mod clock;
pub mod core;
mod descriptors;
mod desk;
#[doc(hidden)]
pub mod fuzzing;
mod heartbeat;
mod keeping;
mod letters;
mod manager;
pub mod room;
mod router;
mod saver;
pub mod snapshot;
mod stages;
pub mod storage;
mod way;

use crate::config::types::Channel;
use crate::config::{Config, Fault};
use crate::console::{self, Backend, View};
use crate::hang::within;
use crate::journal::is_of_the_disk;
use crate::key::Key;
use crate::links::{self, LinkCounters, Outlet};
use crate::notices::{Answer, Courier, Delivered};
use crate::restored;
use crate::rules;
use crate::store::Run;
use crate::supervisor::Supervisor;
use anchors::{Anchors, Keeper};
use anyhow::Context;
use brain::NoticeId;
use brain::alarm::Person;
use brain::event::{Act, Event, Refusal, StoragePart};
use brain::site::Mode;
use clock::Clock;
pub use core::Ahead;
use core::Opening;
use desk::{Desk, Sources};
use heartbeat::Heart;
use keeping::Keeping;
use letters::Letters;
use manager::Manager;
use router::Router;
use saver::Saver;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use way::Way;

/// Messages from links waiting for the brain: the hand-over queue.
const FIELD_QUEUE: usize = 8192;
/// Everything else waiting for the brain.
const INPUT_QUEUE: usize = 4096;
/// Steps waiting for the disk. Full = the disk is slower than the field: the brain waits, and the field with it.
const DUE_QUEUE: usize = 8192;
/// Pages waiting for an answer.
const ASK_QUEUE: usize = 256;
/// Longest wait for one part at stop; three parts are waited for one after another.
const STOP_DEADLINE: Duration = Duration::from_millis(800);
/// Longest wait for the end of a drill to reach everybody: a channel may take one message a minute.
const DRILL_DEADLINE: Duration = Duration::from_secs(90);

/// What reaches the brain beside readings and answers of rules.
pub enum Input {
    /// A person at the plant asked for something.
    Act {
        /// Idempotency key.
        command: String,
        /// Who.
        by: Person,
        /// What.
        act: Act,
        /// Answered once the disk has it.
        reply: oneshot::Sender<Result<u64, Refusal>>,
    },
    /// One try to deliver a notice ended.
    Delivered {
        /// Which.
        notice: NoticeId,
        /// How.
        delivered: Delivered,
    },
    /// A named person at a receiver answered.
    Answered {
        /// What was said. Its mode must be that of the message answered: a drill's answer never stops a real call.
        said: Box<Answer>,
        /// Told whether the messages were known.
        reply: oneshot::Sender<Result<(), String>>,
    },
    /// Heads of the chain reach an audience, or have not for a while.
    Anchored {
        /// Audience name.
        audience: String,
        /// The last one came.
        well: bool,
        /// What was seen.
        detail: String,
    },
    /// An annunciator was tested.
    Tested {
        /// Audience name.
        audience: String,
        /// It did what it was told.
        well: bool,
        /// What was read back, or what is wrong.
        detail: String,
    },
    /// A gateway called back with what is nobody's answer.
    Refused {
        /// Its name.
        over: String,
        /// Why.
        detail: String,
        /// Told once it is on record.
        reply: oneshot::Sender<()>,
    },
    /// The drill is over.
    DrillEnded {
        /// It went to its end.
        whole: bool,
        /// Told once nobody waits for a message of it any more.
        reply: oneshot::Sender<()>,
    },
    /// Heartbeats reach a watcher, or have not for a while.
    Heartbeat {
        /// Watcher name.
        watcher: String,
        /// The last one came.
        well: bool,
        /// What was seen.
        detail: String,
    },
    /// The disk failed or came back.
    Storage {
        /// Which part.
        part: StoragePart,
        /// Works.
        well: bool,
        /// What was seen.
        detail: String,
    },
    /// The room for what is kept was measured.
    Growth {
        /// Free part of the file system, percent.
        free: f64,
        /// Days until it is full.
        disk_days: Option<f64>,
        /// Days until the journal has its size.
        journal_days: Option<f64>,
        /// The same in bytes, and how long records are kept.
        room: brain::event::Room,
    },
}

/// How the daemon is run.
pub struct Options {
    /// Where everything is kept.
    pub data_dir: PathBuf,
    /// The snapshot in it, where somebody has begun to read it.
    pub ahead: Option<Ahead>,
    /// What compiles and runs rules.
    pub engine: rules::Engine,
    /// Already listening, so that the caller knows the address before anything starts.
    pub listener: std::net::TcpListener,
    /// Called once the journal is ours and replayed: from here on the console answers.
    pub begun: Box<dyn FnOnce() + Send>,
    /// It is a drill: at its end whoever holds a message of it is told so, and that is waited for.
    pub drill: Option<Drill>,
}

/// How a drill ends.
pub struct Drill {
    /// It was over before this start: an earlier run of it was cut.
    pub over: bool,
    /// Cancelled where it went to its end, before the daemon is stopped.
    pub whole: CancellationToken,
}

/// Rules that do not fit the site file.
#[derive(Debug, thiserror::Error)]
#[error("{} of the site file's rules", if .0.len() == 1 { "1 fault".to_owned() } else { format!("{} faults", .0.len()) })]
pub struct Faults(pub Vec<Fault>);

/// Runs `work` on a thread and a runtime of its own, so that what is urgent never queues behind it.
async fn on_a_thread(name: &str, work: impl Future<Output = anyhow::Result<()>> + Send + 'static) -> anyhow::Result<()> {
    let (end, ended) = oneshot::channel();
    std::thread::Builder::new().name(name.to_owned()).spawn(move || {
        let result = tokio::runtime::Builder::new_current_thread().enable_all().build();
        drop(end.send(result.map_err(Into::into).and_then(|runtime| runtime.block_on(work))));
    })?;
    ended.await.with_context(|| format!("the thread of the {name} panicked"))?
}

/// The data directory, and what of it the rules need.
/// Last: it was watched before.
fn prepare(data: &Path) -> anyhow::Result<(Option<rules::Cache>, rules::Versions, bool)> {
    let (made, of) = (data.to_owned(), data.to_owned());
    let making = format!("making the data directory {}", data.display());
    if let Err(error) = within(&making, move || Ok(std::fs::create_dir_all(&made)?)).flatten() {
        let error = error.context(format!(
            "cannot make the data directory {}: give a folder that this user may write with --data or [storage] data_dir",
            data.display()
        ));
        // A disk that is gone is no reason not to watch a plant.
        anyhow::ensure!(is_of_the_disk(&error), error);
        tracing::error!("{error:#}");
    }
    // Without a cache a start takes longer, and the plant is watched.
    let cache = within(&format!("opening the cache of rules in {}", data.display()), move || rules::Cache::of(&of)).flatten();
    let cache = cache.inspect_err(|error| tracing::warn!("{error:#}; rules are compiled at every start")).ok();
    // Before the first record there is nothing to remember.
    let journal = data.join(crate::journal::FOLDER);
    let again = within(&format!("looking for {}", journal.display()), move || journal.exists()).unwrap_or(true);
    Ok((cache, rules::Versions::of(data, again), again))
}

/// The site's key. One that a dead disk does not give back signs nothing.
fn key(data: &Path) -> anyhow::Result<Option<Key>> {
    let of = data.to_owned();
    match within(&format!("reading the key in {}", data.display()), move || Key::existing(&of)).flatten() {
        Err(error) if is_of_the_disk(&error) => {
            tracing::warn!("heads of the chain are not signed: {error:#}");
            Ok(None)
        }
        key => key,
    }
}

/// Whoever holds a message of the drill is told that it is over.
async fn end(inputs: &mpsc::Sender<Input>, whole: bool) {
    let (reply, told) = oneshot::channel();
    let end = async {
        let _ = inputs.send(Input::DrillEnded { whole, reply }).await;
        // The desk may have gone away: then nobody can be told.
        let _ = told.await;
    };
    if tokio::time::timeout(DRILL_DEADLINE, end).await.is_err() {
        tracing::warn!("the end of the drill has not reached everybody; its report names them");
    }
}

/// Runs the plant until `stop`, then stops everything within three seconds.
///
/// # Errors
/// Anything that keeps the daemon from starting: rules not admitted at the first start, the journal unreadable, the console's address taken. At the end: records that
/// could not be written.
pub async fn run(config: Config, options: Options, stop: CancellationToken) -> anyhow::Result<()> {
    descriptors::raise();
    let data = &options.data_dir;
    let (cache, mut versions, again) = prepare(data)?;
    let named = rules::admit_what_can_run(&options.engine, &config, cache.as_ref(), &versions, again).map_err(Faults)?;
    // Not one that was refused: it has not run.
    let run =
        config.rules.iter().zip(&named).filter_map(|(rule, one)| Some((rule, Some(one.as_ref().ok()?.rule.digest.as_str()))));
    if let Err(error) = versions.remember(run) {
        // The plant is watched all the same; a version that comes back is noticed from the next start on.
        tracing::warn!("{error:#}");
    }
    let mut site = config.site.clone();
    site.rules = stages::places(&config, &named, None);

    let manager = Manager::start()?;
    let waits = |what: String| {
        tracing::warn!("the plant is not watched yet: {what}");
        manager.status(format!("starting: {what}"));
    };
    let (mut core, replayed) = Opening::begin(site, config.storage.segment_bytes, data, options.ahead)?.done(waits).await?;
    let unread = stages::unread(&config, &named);
    if !unread.is_empty() {
        core.place(stages::places(&config, &named, Some(core.brain())));
    }
    tracing::info!(snapshot = replayed.snapshot, events = replayed.events, different = replayed.different, "journal replayed");
    let clock = Arc::new(Clock::start(clock::machine(), replayed.last_at, core.brain().clock()));
    // Before the start: what that tells has the right times.
    let mut first: Vec<_> = clock.check().map(|event| core.step(clock.now(), event)).into_iter().collect();
    // Before the start tells again what was on its way.
    if options.drill.as_ref().is_some_and(|drill| drill.over) {
        first.push(core.step(clock.now(), Event::ExerciseEnded { whole: false }));
    }
    let run = clock.now();
    first.push(core.start(run, &restored::series()));
    // Whom heads of the chain no longer go to is not waited for.
    let audiences = || config.site.audiences.iter().zip(&config.channels);
    let keeps = |name: &str| {
        audiences()
            .any(|(audience, channel)| audience.name == name && matches!(channel, Channel::Cap(cap) if cap.anchors.is_some()))
    };
    let gone: Vec<String> = core.brain().unanchored().into_iter().filter(|name| !keeps(name)).map(str::to_owned).collect();
    for audience in gone {
        let detail = "no heads go there any more".to_owned();
        first.push(core.step(clock.now(), Event::Anchored { audience, well: true, detail }));
    }
    let watched = |name: &str| config.watchers.iter().any(|watcher| watcher.name == name);
    let gone: Vec<String> = core.brain().unwatched().into_iter().filter(|name| !watched(name)).map(str::to_owned).collect();
    for watcher in gone {
        let detail = "no heartbeats go there any more".to_owned();
        first.push(core.step(clock.now(), Event::Heartbeat { watcher, well: true, detail }));
    }
    let damage = (!replayed.damage.is_empty()).then(|| (StoragePart::Journal, replayed.damage.join("; ")));
    let lost = versions.lost().map(|lost| (StoragePart::Versions, lost.to_owned()));
    for (part, detail) in damage.into_iter().chain(lost) {
        // It is over, and a person must see it.
        let told = |well| Event::Storage { part, well, detail: detail.clone() };
        first.extend([false, true].map(|well| core.step(clock.now(), told(well))));
    }

    let named: Vec<_> = named.into_iter().map(Result::ok).collect();
    let depot = Arc::new(rules::Depot::of(data, options.engine, config.clone(), (cache, versions), named.iter().flatten()));
    first.extend(stages::load(&mut core, &clock, &depot, &config, &unread));

    let durable = core.durable();
    let (recorded_tx, recorded) = watch::channel(core.unrecorded().is_none());
    // Everything recorded from here on belongs to this run; what a start that was not recorded would have said is not known.
    let tags = config.site.tags.iter().map(|tag| tag.name.clone()).collect();
    let since = first.first().filter(|started| started.through > 0).map(|started| Run { seq: started.through, tags });
    let store = Arc::new(storage::start(data, config.storage.days, durable.clone(), since.unwrap_or_default())?);
    let (said_tx, said) = mpsc::channel(INPUT_QUEUE);
    let runner = Arc::new(stages::run(core.brain(), &depot, named, said_tx)?);

    let (inputs_tx, inputs) = mpsc::channel(INPUT_QUEUE);
    let (due_tx, due) = mpsc::channel(DUE_QUEUE);
    let (field_tx, field) = mpsc::channel(FIELD_QUEUE);
    let (view_tx, view) = watch::channel(Arc::new(View::default()));
    let hearing = view.clone();
    let (ask_tx, ask) = mpsc::channel(ASK_QUEUE);
    let names = config.site.audiences.iter().map(|audience| audience.name.clone());
    let channels: Arc<BTreeMap<String, Channel>> = Arc::new(names.zip(config.channels.iter().cloned()).collect());
    let (mut ways, mut keepers) = (BTreeMap::new(), Vec::new());
    let own = key(data)?.map(Arc::new);
    for (name, channel) in channels.iter() {
        let courier = Courier::of(channel, own.as_ref(), &config.trusted);
        let courier = courier.with_context(|| format!("audience {name}"))?.map(Arc::new);
        if let (Channel::Cap(cap), Some(Courier::Cap(deliverer))) = (channel, courier.as_deref())
            && let Some(anchors) = &cap.anchors
        {
            let every = Duration::from_secs(anchors.every_s.into());
            keepers.push(Keeper { audience: name.clone(), deliverer: Arc::clone(deliverer), every });
        }
        // A drill or a test beside the plant must not silence what really sounds.
        if let (Some(Courier::Annunciator(switch)), Mode::Actual) = (courier.as_deref(), config.site.mode) {
            switch.begin().await;
        }
        ways.insert(name.clone(), Way::new(courier));
    }
    let router = Router {
        durable: durable.clone(),
        recorded: recorded.clone(),
        ways,
        inputs: inputs_tx.clone(),
        in_hand: BTreeSet::new(),
    };
    let asks = asks::Asks {
        store: Arc::clone(&store),
        channels: Arc::clone(&channels),
        depot: Arc::clone(&depot),
        trusted: config.trusted.clone(),
        inputs: inputs_tx.clone(),
        view: view.clone(),
    };
    let heads = Anchors {
        journal: data.join(crate::journal::FOLDER),
        key: own,
        newest: watch::channel(None).0,
        inputs: inputs_tx.clone(),
    };
    heads.first(durable.clone(), first.last().map_or(0, |stepped| stepped.through)).await;
    let letters = Letters { channels, anchor: heads.newest.subscribe() };
    core.speak(Box::new(move |notice| letters.word(notice)), &mut first);
    let mut anchoring = JoinSet::new();
    for keeper in keepers {
        anchoring.spawn(heads.clone().send(keeper));
    }
    for heart in Heart::of(&config, run, heads.key.as_ref(), &hearing, &inputs_tx)? {
        anchoring.spawn(heart.run());
    }
    anchoring.spawn(heads.refresh());
    let (routing, asking) = (tokio::spawn(router.run(due)), tokio::spawn(asks.run(ask)));

    let fieldwork = CancellationToken::new();
    let mut tasks = Supervisor::new(fieldwork.clone());
    let counters: Vec<Arc<LinkCounters>> = config.links.iter().map(|_| Arc::default()).collect();
    for (index, link) in config.links.iter().cloned().enumerate() {
        let outlet = Outlet {
            link: index,
            out: field_tx.clone(),
            clock: {
                let clock = Arc::clone(&clock);
                Arc::new(move || clock.read())
            },
            counters: Arc::clone(&counters[index]),
            recorded: recorded.clone(),
            stop: fieldwork.clone(),
        };
        tasks.spawn("link", move || {
            let (link, outlet) = (link.clone(), outlet.clone());
            async move {
                links::run(link, outlet).await;
                Ok(())
            }
        });
    }
    drop(field_tx);
    let sessions = Some(data.join(console::SESSIONS));
    let backend = Backend {
        view,
        ask: ask_tx,
        people: config.people.clone(),
        company: config.company.clone(),
        mode: config.site.mode,
        unsigned: config.allow_unsigned,
        publishers: config
            .rules
            .iter()
            .filter_map(|rule| Some((rule.name.clone(), config.publisher_of(rule)?.name.clone())))
            .collect(),
        sessions,
    };
    (options.begun)();
    let (listener, tls, leaving) = (options.listener, config.console.tls.clone(), fieldwork.clone());
    tasks.spawn("console", move || {
        let (listener, tls, backend, leaving) = (listener.try_clone(), tls.clone(), backend.clone(), leaving.clone());
        on_a_thread("console", async move { console::serve(listener?, tls, backend, leaving).await })
    });
    let health = tokio::spawn(storage::watch_health(Arc::clone(&store), inputs_tx.clone()));
    let (room_tx, room) = watch::channel(String::new());
    let telling = inputs_tx.clone();
    let keeping = Keeping::new(data, &config.storage, (&store, &clock), recorded_tx.subscribe());
    let keeping = tokio::spawn(keeping.run(inputs_tx, room_tx, stop.clone()));

    let desk = Desk {
        core,
        clock,
        runner: Arc::clone(&runner),
        depot,
        due: due_tx,
        view: view_tx,
        recorded: recorded_tx,
        saver: Saver::new(data, durable.clone()),
        durable,
        store: Arc::clone(&store),
        room,
        different: replayed.different,
        ended: None,
        manager,
    };
    let (sources, ending, died) = (Sources { field, said, inputs }, CancellationToken::new(), stop.clone());
    let ends = ending.clone();
    let thread = std::thread::Builder::new().name("brain".to_owned()).spawn(move || {
        // However this thread ends, the process must not look alive without it.
        let _stop = died.drop_guard();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        runtime.block_on(desk.run(first, sources, ends))
    })?;

    stop.cancelled().await;
    if let Some(drill) = &options.drill {
        end(&telling, drill.whole.is_cancelled()).await;
    }
    drop(telling);
    tracing::info!("stopping");
    let alive = tasks.finish(STOP_DEADLINE).await;
    if !alive.is_empty() {
        tracing::warn!(?alive, "still running at the deadline");
    }
    health.abort();
    anchoring.abort_all();
    if tokio::time::timeout(STOP_DEADLINE, keeping).await.is_err() {
        tracing::warn!("a segment was still being compressed at the deadline; it is begun again at the next start");
    }
    let (resting, rest) = (Arc::clone(&runner), STOP_DEADLINE / 4);
    // The brain's thread goes on taking answers meanwhile.
    let _ = tokio::task::spawn_blocking(move || resting.stop(rest)).await;
    ending.cancel();
    let closed = tokio::time::timeout(STOP_DEADLINE, tokio::task::spawn_blocking(move || thread.join())).await;
    if tokio::time::timeout(STOP_DEADLINE / 2, routing).await.is_err() {
        tracing::warn!("notices were still being sent at the deadline; they are sent again at the next start");
    }
    asking.abort();
    // The last answers may still hold it; dropped or closed, the store loses nothing: the journal has it all.
    if let Some(store) = Arc::into_inner(store) {
        let closed = tokio::time::timeout(STOP_DEADLINE, tokio::task::spawn_blocking(move || store.close())).await;
        if !matches!(closed, Ok(Ok(Ok(())))) {
            tracing::warn!("the store did not close cleanly; it catches up at the next start");
        }
    }
    match closed {
        Ok(Ok(Ok(result))) => result,
        Ok(_) => anyhow::bail!("the brain's thread panicked"),
        Err(_) => anyhow::bail!("the brain's thread did not stop in time; the journal is repaired at the next start"),
    }
}
