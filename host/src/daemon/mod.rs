//! The loop: what comes in is recorded, decided, and routed once the disk has it. Owns the order of starting and stopping.
//! Must not know: protocols, formats, pages, or what makes an alarm.

pub mod asks;
pub mod core;
pub mod router;

use crate::config::Config;
use crate::config::types::Channel;
use crate::console::{self, Backend, View};
use crate::links::{self, Ack, FromLink};
use crate::notices::{Delivered, Deliverer};
use crate::rules::{self, FromRule, Runner, Said};
use crate::store::{self, Store};
use crate::supervisor::Supervisor;
use anyhow::Context;
use brain::alarm::Person;
use brain::event::{Act, Effect, Event, StoragePart};
use brain::{Micros, NoticeId};
use core::{Core, Stepped};
use router::{Due, Reply, Router};
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;

/// Messages from links waiting for the brain: the hand-over queue.
const FIELD_QUEUE: usize = 8192;
/// Everything else waiting for the brain.
const INPUT_QUEUE: usize = 4096;
/// Steps waiting for the disk. Full = the disk is slower than the field: the brain waits, and the field with it.
const DUE_QUEUE: usize = 8192;
/// Longest wait for anything at stop. All of them together stay under three seconds.
const STOP_DEADLINE: Duration = Duration::from_millis(800);

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
        reply: Reply,
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
        /// Identifiers of the messages answered.
        identifiers: Vec<String>,
        /// Accepted or refused.
        accepted: bool,
        /// Who.
        by: Person,
        /// Their words.
        note: String,
        /// Told whether the messages were known.
        reply: tokio::sync::oneshot::Sender<Result<(), String>>,
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
}

/// How the daemon is run.
pub struct Options {
    /// Where everything is kept.
    pub data_dir: PathBuf,
    /// Already listening, so that the caller knows the address before anything starts.
    pub listener: std::net::TcpListener,
}

/// Runs the plant until `stop`, then stops everything within three seconds.
///
/// # Errors
/// Anything that keeps the daemon from starting: rules not admitted, the journal unreadable, the console's address taken.
pub async fn run(config: Config, options: Options, stop: CancellationToken) -> anyhow::Result<()> {
    std::fs::create_dir_all(&options.data_dir).with_context(|| format!("cannot make {}", options.data_dir.display()))?;
    let engine = rules::Engine::new()?;
    let admitted = rules::admit(&engine, &config, &options.data_dir).map_err(faults)?;
    let mut site = config.site.clone();
    site.rules = admitted.iter().map(|a| a.rule.clone()).collect();

    let (mut core, opened, replayed) = Core::open(site, &config, &options.data_dir)?;
    tracing::info!(events = replayed.events, different = replayed.different, last_seq = opened.last_seq, "journal replayed");
    let clock = Clock::starting_after(replayed.last_at);
    let started = Event::Started {
        config: config.digest.clone(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        tags: config.site.tags.iter().map(|tag| tag.name.clone()).collect(),
    };
    let first = core.step(clock.now(), started);

    let ending = CancellationToken::new();
    let mut tasks = Supervisor::new(ending.clone());
    let durable = core.journal().durable();
    let store = start_store(&options.data_dir, durable.clone())?;

    let (said_tx, said) = mpsc::channel(INPUT_QUEUE);
    let runner = Arc::new(Runner::start(engine, admitted, said_tx)?);
    for rule in 0..core.brain().site().rules.len() {
        if core.brain().rule(rule).is_some_and(|r| r.quarantined) {
            runner.quarantine(rule, true);
        }
    }

    let (inputs_tx, inputs) = mpsc::channel(INPUT_QUEUE);
    let (due_tx, due) = mpsc::channel(DUE_QUEUE);
    let channels: BTreeMap<String, Channel> =
        config.site.audiences.iter().map(|a| a.name.clone()).zip(config.channels.iter().cloned()).collect();
    let deliverer = Arc::new(Deliverer::new(&config.channels)?);
    let router = Router { durable: durable.clone(), channels: channels.clone(), runner: Arc::clone(&runner), deliverer, inputs: inputs_tx.clone() };
    let routing = tokio::spawn(router.run(due));

    let (view_tx, view) = watch::channel(Arc::new(View::default()));
    let (ask_tx, ask) = mpsc::channel(256);
    let asks = asks::Asks { store: Arc::clone(&store), channels, inputs: inputs_tx.clone() };
    let asking = tokio::spawn(asks.run(ask));
    watch_storage(&mut tasks, durable.clone(), Arc::clone(&store), inputs_tx, ending.clone());

    let (field_tx, field) = mpsc::channel(FIELD_QUEUE);
    let fieldwork = CancellationToken::new();
    for (index, link) in config.links.iter().enumerate() {
        let (link, out, stop) = (link.clone(), field_tx.clone(), fieldwork.clone());
        tasks.spawn("link", move || links::run(index, link.clone(), out.clone(), stop.clone()));
    }
    drop(field_tx);

    let backend = Backend { view, ask: ask_tx, people: config.people.clone(), mode: config.site.mode };
    let (listener, tls, leaving) = (options.listener, config.console.tls.clone(), stop.clone());
    let serving = tokio::spawn(console::serve(listener, tls, backend, leaving));

    let desk = Desk { core, clock, runner: Arc::clone(&runner), due: due_tx, view: view_tx, dirty: true, replayed_different: replayed.different, store: Arc::clone(&store), durable };
    let (fieldwork_ends, ends) = (fieldwork.clone(), ending.clone());
    let thread = std::thread::Builder::new().name("brain".to_owned()).spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a thread can have a runtime");
        runtime.block_on(desk.run(first, field, said, inputs, fieldwork_ends, ends))
    })?;

    stop.cancelled().await;
    tracing::info!("stopping");
    fieldwork.cancel();
    tokio::time::sleep(Duration::from_millis(50)).await;
    let alive = tasks.finish(STOP_DEADLINE).await;
    if !alive.is_empty() {
        tracing::warn!(?alive, "still running at the deadline");
    }
    let closed = tokio::task::spawn_blocking(move || thread.join());
    let closed = tokio::time::timeout(STOP_DEADLINE, closed).await;
    runner.stop(Duration::from_millis(200));
    let _ = tokio::time::timeout(STOP_DEADLINE, routing).await;
    asking.abort();
    let _ = tokio::time::timeout(STOP_DEADLINE, serving).await;
    store.stop();
    match closed {
        Ok(Ok(Ok(result))) => result.context("the last records could not be written"),
        Ok(_) => anyhow::bail!("the brain's thread panicked"),
        Err(_) => anyhow::bail!("the brain's thread did not stop in time"),
    }
}
