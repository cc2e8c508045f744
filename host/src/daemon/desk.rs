//! The brain's own thread: takes one thing after another, in order of urgency, and passes on what was decided.
//! Owns: the order of what comes in. Must not know: what happens to an effect after it was queued.

use super::Input;
use super::clock::Clock;
use super::core::{Core, Stepped};
use super::manager::Manager;
use super::router::{After, Due};
use super::saver::Saver;
use super::stages;
use crate::console::{Facts, Part, View};
use crate::journal::Durable;
use crate::links::{Ack, FromLink};
use crate::notices::cap::{self, Triple};
use crate::notices::{Answer, Delivered};
use crate::rules::{Depot, FromRule, Runner, Said};
use crate::store::Store;
use anyhow::Context;
use brain::event::{Effect, Event, Refusal, Row, StrikeKind};
use brain::notice::{Delivery, OutboxRow};
use brain::stages::Aside;
use brain::{Micros, NoticeId, Site};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::{MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;

/// Every deadline is driven by this; also bounds how long a cut journal tail can go unnoticed.
const TICK: Duration = Duration::from_secs(1);
/// Readings in one step, at most about this many.
const READINGS_MAX: usize = 512;
/// Rows of a skipped batch that are named.
const ROWS_NAMED_MAX: usize = 8;
/// The disk is looked at this often, and screens see changes at most so.
const LOOK: Duration = Duration::from_millis(100);
/// Where much changes, screens see it later, so that showing it takes this thread a tenth of its time ...
const SHOWN_SHARE: u32 = 10;
/// ... but no later than this.
const SHOWN_AFTER: Duration = Duration::from_secs(1);

/// What the thread owns.
pub struct Desk {
    /// Journal and brain.
    pub core: Core,
    /// Brain time.
    pub clock: Arc<Clock>,
    /// Rules to consult.
    pub runner: Arc<Runner>,
    /// What else may run in their places.
    pub depot: Arc<Depot>,
    /// Effects on their way to the router.
    pub due: mpsc::Sender<Due>,
    /// What screens see.
    pub view: watch::Sender<Arc<View>>,
    /// Whether what happens is put on record.
    pub recorded: watch::Sender<bool>,
    /// Highest record on disk, for the screens.
    pub durable: watch::Receiver<Durable>,
    /// The query side, for its health.
    pub store: Arc<Store>,
    /// How much room is left, in a line.
    pub room: watch::Receiver<String>,
    /// Steps that replay differently from what was recorded.
    pub different: u64,
    /// Writes snapshots.
    pub saver: Saver,
    /// Who waits for the end of a drill to reach everybody.
    pub ended: Option<oneshot::Sender<()>>,
    /// Who restarts us.
    pub manager: Manager,
}

/// Where things come from.
pub struct Sources {
    /// Links.
    pub field: mpsc::Receiver<FromLink>,
    /// Rules.
    pub said: mpsc::Receiver<FromRule>,
    /// People, receivers, the disk.
    pub inputs: mpsc::Receiver<Input>,
}

/// What goes with the effects of a step: see [`Due`].
#[derive(Default)]
struct Along {
    acks: Vec<Ack>,
    after: Option<After>,
    heard: Option<NoticeId>,
}

impl Desk {
    /// Works until `ending`, then takes what is still queued, records the stop and closes the journal.
    ///
    /// # Errors
    /// The last records could not be written.
    pub async fn run(mut self, first: Vec<Stepped>, mut from: Sources, ending: CancellationToken) -> anyhow::Result<()> {
        for stepped in first {
            self.pass_on(stepped, Along::default()).await;
        }
        if self.core.unrecorded().is_some() {
            self.tell_manager();
        }
        self.manager.ready();
        let mut cold = true;
        let mut tick = interval(TICK);
        tick.set_missed_tick_behavior(MissedTickBehavior::Skip);
        let mut look = interval(LOOK);
        look.set_missed_tick_behavior(MissedTickBehavior::Skip);
        let mut show_at = Instant::now();
        loop {
            tokio::select! {
                biased;
                () = ending.cancelled() => break,
                _ = look.tick() => {
                    self.watch_disk().await;
                    if show_at <= Instant::now() {
                        let began = Instant::now();
                        self.publish();
                        show_at = began + (began.elapsed() * SHOWN_SHARE).min(SHOWN_AFTER);
                    }
                }
                _ = tick.tick() => {
                    if let Some(set) = self.clock.check() {
                        tracing::warn!(ahead_us = self.clock.ahead(), "the wall clock was set; every deadline goes on undisturbed");
                        self.happened(set, vec![], None).await;
                    }
                    self.happened(Event::Tick, vec![], None).await;
                    // What people see comes first: to open a day makes the whole machine wait for its disk.
                    if std::mem::take(&mut cold) {
                        self.store.warm();
                    }
                    self.saver.save(&mut self.core);
                    self.manager.alive();
                }
                Some(input) = from.inputs.recv() => self.input(input).await,
                Some(said) = from.said.recv() => self.rule(said).await,
                Some(field) = from.field.recv() => self.field(field, &mut from.field).await,
            }
        }
        self.manager.stopping();
        while let Ok(input) = from.inputs.try_recv() {
            self.input(input).await;
        }
        while let Ok(said) = from.said.try_recv() {
            self.rule(said).await;
        }
        while let Ok(field) = from.field.try_recv() {
            self.field(field, &mut from.field).await;
        }
        self.happened(Event::Stopped, vec![], None).await;
        self.publish();
        let Desk { core, due, .. } = self;
        drop(due);
        core.close().context("the last records could not be written")
    }

    async fn watch_disk(&mut self) {
        let stepped = self.core.watch_disk(self.clock.now());
        // Before the first effects behind a gap are passed on: they wait for their record again.
        let recorded = self.core.unrecorded().is_none();
        if self.recorded.send_if_modified(|known| std::mem::replace(known, recorded) != recorded) {
            self.tell_manager();
        }
        if let Some(stepped) = stepped {
            self.pass_on(stepped, Along::default()).await;
        }
    }

    fn tell_manager(&self) {
        self.manager.status(match self.core.unrecorded() {
            Some(why) => format!("the plant is watched, and nothing is put on record: {why}"),
            None => "the plant is watched, and put on record again".to_owned(),
        });
    }

    async fn happened(&mut self, event: Event, acks: Vec<Ack>, after: Option<After>) {
        let stepped = self.core.step(self.clock.now(), event);
        self.pass_on(stepped, Along { acks, after, heard: None }).await;
    }

    /// What is for rules goes at once: it does not leave the machine. Everything else waits for the disk.
    async fn pass_on(&mut self, stepped: Stepped, along: Along) {
        let Along { acks, after, heard } = along;
        let Stepped { through, effects } = stepped;
        let (mut rest, mut lost) = (Vec::new(), Vec::new());
        for effect in effects {
            match effect {
                // A refused batch is counted by the runner and comes back as `Said::Overrun`.
                Effect::Consult { rule, at, rows } => drop(self.runner.consult(rule, at, rows)),
                Effect::Quarantine { rule, on } => {
                    self.runner.quarantine(rule, &self.core.brain().site().rules[rule].digest, on);
                }
                Effect::RunBeside { rule, digest, heir_of } => {
                    let name = &self.core.brain().site().rules[rule].name;
                    match self.depot.get(name, &digest) {
                        Some(admitted) => self.runner.run_beside(rule, Some(&heir_of), admitted),
                        None => lost.push(stages::lost(name, &digest, "it is not at hand")),
                    }
                }
                Effect::EndBeside { rule, digest } => self.runner.end_beside(rule, &digest),
                Effect::Rule { rule, change, plugin, digest } => {
                    let name = self.core.brain().site().rules[rule].name.clone();
                    tracing::info!(rule = name, ?change, plugin, digest, "rule");
                    stages::remember(&self.depot, name, change, (plugin, digest));
                }
                other => rest.push(other),
            }
        }
        for event in lost {
            Box::pin(self.happened(event, vec![], None)).await;
        }
        if !rest.is_empty() || !acks.is_empty() || after.is_some() || heard.is_some() {
            // The router lives as long as this thread; if it died, the process is stopping.
            let _ = self.due.send(Due { through, era: self.core.era(), effects: rest, acks, after, heard }).await;
        }
    }

    /// What a link brought. Readings that queue behind readings are one step with them: the more there is to do, the less each one costs.
    async fn field(&mut self, from: FromLink, queue: &mut mpsc::Receiver<FromLink>) {
        let name = |core: &Core, link: usize| core.brain().site().links.get(link).cloned().unwrap_or_default();
        let mut next = Some(from);
        while let Some(from) = next.take() {
            match from {
                FromLink::Readings { mut readings, ack, .. } => {
                    let mut acks: Vec<Ack> = ack.into_iter().collect();
                    while readings.len() < READINGS_MAX
                        && let Ok(behind) = queue.try_recv()
                    {
                        match behind {
                            FromLink::Readings { readings: more, ack, .. } => {
                                readings.extend(more);
                                acks.extend(ack);
                            }
                            other => {
                                next = Some(other);
                                break;
                            }
                        }
                    }
                    self.happened(Event::Readings { readings }, acks, None).await;
                }
                FromLink::State { link, state, reason } => {
                    let link = name(&self.core, link);
                    tracing::info!(link, ?state, reason, "link");
                    self.happened(Event::Link { link, state, reason }, vec![], None).await;
                }
                FromLink::Malformed { link, count, sample, ack } => {
                    let link = name(&self.core, link);
                    self.happened(Event::Malformed { link, count, sample }, ack.into_iter().collect(), None).await;
                }
            }
        }
    }

    /// What a component said counts where it is the active one of its rule, is compared where it runs beside it, and is nothing else.
    async fn rule(&mut self, from: FromRule) {
        let brain = self.core.brain();
        let Some((rule, active)) = brain.site().rules.get(from.rule).map(|r| (r.name.clone(), r.digest.as_str())) else { return };
        let digest = from.digest.to_string();
        let counts = *from.digest == *active;
        if !counts && !brain.is_shadow(from.rule, &digest) {
            return;
        }
        let (kind, detail) = match from.what {
            Said::Findings(findings) => {
                let event = match counts {
                    true => Event::Assessed { rule, findings },
                    false => Event::Aside { rule, digest, said: Aside::Findings { findings, judged: from.judged } },
                };
                return self.happened(event, vec![], None).await;
            }
            Said::Log { level, text } => return tracing::info!(rule, digest, %level, text, "rule says"),
            Said::Strike { kind, detail } => (kind, detail),
            Said::Overrun(rows) => (StrikeKind::Overrun, format!("{rows} rows found no room and were not judged")),
            Said::Skipped(rows) => {
                let at = brain.clock().wall(from.at);
                (StrikeKind::Skipped, batch(brain.site(), from.rule, at, &rows))
            }
        };
        match counts {
            true => tracing::warn!(rule, ?kind, detail, "strike"),
            false => tracing::info!(rule, digest, ?kind, detail, "strike of a shadow"),
        }
        let event = match counts {
            true => Event::Strike { rule, kind, detail },
            false => Event::Aside { rule, digest, said: Aside::Strike { kind, detail } },
        };
        self.happened(event, vec![], None).await;
    }

    async fn input(&mut self, input: Input) {
        match input {
            // The asker may have gone away.
            Input::Act { reply, .. } if self.core.unrecorded().is_some() => drop(reply.send(Err(Refusal::Unrecorded))),
            Input::Answered { reply, .. } if self.core.unrecorded().is_some() => {
                drop(reply.send(Err("nothing can be put on record at present: send it again later".to_owned())));
            }
            Input::Act { command, by, act, reply } => {
                let stepped = self.core.step(self.clock.now(), Event::Operator { command, by, act });
                let answer = stepped.effects.iter().find_map(|effect| match effect {
                    Effect::Answer { result, .. } => Some(result.clone()),
                    _ => None,
                });
                let after: Option<After> = answer.map(|result| -> After {
                    // The asker may have gone away: the act stands all the same.
                    Box::new(move |seq| drop(reply.send(result.map(|()| seq))))
                });
                self.pass_on(stepped, Along { after, ..Along::default() }).await;
            }
            Input::Delivered { notice, delivered } => {
                let (event, heard) = match delivered {
                    Delivered::Receipt { code, accepted } => (Event::Receipt { notice, code, accepted }, Some(notice)),
                    Delivered::Failed { detail, rejected } => (Event::Undelivered { notice, detail, rejected }, None),
                };
                let stepped = self.core.step(self.clock.now(), event);
                self.pass_on(stepped, Along { heard, ..Along::default() }).await;
            }
            Input::Answered { said, reply } => self.answered(*said, reply).await,
            Input::Anchored { audience, well, detail } => {
                self.happened(Event::Anchored { audience, well, detail }, vec![], None).await;
            }
            Input::Refused { over, detail, reply } => {
                tracing::warn!(over, detail, "a call-back is nobody's answer");
                let after: After = Box::new(move |_| {
                    let _ = reply.send(());
                });
                self.happened(Event::AnswerRefused { over, detail }, vec![], Some(after)).await;
            }
            Input::DrillEnded { whole, reply } => {
                self.happened(Event::ExerciseEnded { whole }, vec![], None).await;
                self.ended = Some(reply);
            }
            Input::Heartbeat { watcher, well, detail } => {
                self.happened(Event::Heartbeat { watcher, well, detail }, vec![], None).await;
            }
            Input::Tested { audience, well, detail } => {
                tracing::info!(audience, well, detail, "annunciator tested");
                self.happened(Event::Tested { audience, well, detail }, vec![], None).await;
            }
            Input::Growth { free, disk_days, journal_days, room } => {
                self.happened(Event::Growth { free, disk_days, journal_days, room: Some(room) }, vec![], None).await;
            }
            Input::Storage { part, well, detail } => {
                self.happened(Event::Storage { part, well, detail }, vec![], None).await;
            }
        }
    }

    /// A named person's answer goes on record for each message of ours that it names.
    async fn answered(&mut self, said: Answer, reply: oneshot::Sender<Result<(), String>>) {
        let Answer { identifier: message, references, mode, accepted, by, note, instruction } = said;
        let is_it = |row: &&OutboxRow| row.notice.mode == mode && references.contains(&Triple::to(&row.notice));
        let known: Vec<NoticeId> = self.core.brain().outbox().filter(is_it).map(|row| row.notice.id).collect();
        let Some((last, earlier)) = known.split_last() else {
            let named: Vec<String> = references.iter().map(Triple::to_string).collect();
            let _ = reply.send(Err(format!("no {mode:?} message of ours is {}", named.join(" or "))));
            return;
        };
        let event = |notice: NoticeId| {
            let (by, note, message) = (by.clone(), note.clone(), message.clone());
            Event::Answered { notice, accepted, by, note, instruction, message }
        };
        for notice in earlier {
            self.happened(event(*notice), vec![], None).await;
        }
        let after: After = Box::new(move |_| drop(reply.send(Ok(()))));
        self.happened(event(*last), vec![], Some(after)).await;
    }

    fn publish(&mut self) {
        if self.ended.is_some() && self.core.brain().outbox().all(|row| row.delivery != Delivery::Queued) {
            // Whoever waited may have given up.
            let _ = self.ended.take().map(|waits| waits.send(()));
        }
        let (durable, status) = (self.durable.borrow().clone(), self.store.status());
        let unrecorded = self.core.unrecorded().map(str::to_owned);
        let clock = self.core.brain().clock();
        let unanchored = self.core.brain().unanchored().join(", ");
        let unwatched = self.core.brain().unwatched().join(", ");
        let replayed = if self.different == 0 { String::new() } else { format!("{} steps replayed differently", self.different) };
        let health = vec![
            Part { name: "brain", ok: self.different == 0, detail: replayed },
            Part { name: "journal", ok: unrecorded.is_none(), detail: unrecorded.unwrap_or_default() },
            Part { name: "anchors", ok: unanchored.is_empty(), detail: unanchored },
            Part { name: "heartbeat", ok: unwatched.is_empty(), detail: unwatched },
            Part { name: "clock", ok: !clock.is_doubtful(), detail: clock.doubt() },
            Part { name: "store", ok: status.healthy, detail: status.detail },
            Part { name: "room", ok: !self.core.brain().room_is_short(), detail: self.room.borrow().clone() },
        ];
        let facts = Facts { durable: durable.seq, health };
        self.view.send_modify(|view| *view = Arc::new(View::of(self.core.brain(), view, facts)));
    }
}

/// When a batch was, and what was in it, in words of no language.
fn batch(site: &Site, rule: usize, at: Micros, rows: &[Row]) -> String {
    let Some(inputs) = site.rules.get(rule).map(|rule| &rule.inputs) else { return String::new() };
    let row = |row: &Row| {
        let tag = inputs.get(row.handle as usize).and_then(|tag| site.tags.get(tag.0 as usize))?;
        Some(format!("{} = {} {}", tag.name, row.value, tag.unit))
    };
    let mut parts: Vec<String> = rows.iter().take(ROWS_NAMED_MAX).filter_map(row).collect();
    if rows.len() > ROWS_NAMED_MAX {
        parts.push(format!("+ {}", rows.len() - ROWS_NAMED_MAX));
    }
    format!("{} {}", cap::time::text(at), parts.join(", ")).trim_end().to_owned()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::daemon::{clock, core, storage};
    use crate::rules;
    use tokio::time::timeout;

    /// Whoever takes the effects behind a gap must know by then that things are on record again: else they leave before their sync.
    #[tokio::test]
    async fn that_things_are_on_record_again_is_known_before_the_first_effects() {
        let folder = tempfile::tempdir().unwrap();
        let data = folder.path();
        let (core, _) = core::tests::plant_without_a_folder(data);
        let engine = rules::Engine::start(rules::Compiler::Here).unwrap();
        let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../configs/gas-district.toml");
        let config = crate::config::load(&path).unwrap();
        let durable = core.durable();
        let ((due, _effects), (recorded, known)) = (mpsc::channel(1), watch::channel(false));
        due.try_send(Due { through: 0, era: 0, effects: vec![], acks: vec![], after: None, heard: None }).unwrap();
        let mut desk = Desk {
            clock: Arc::new(Clock::start(clock::machine(), 3_000, core.brain().clock())),
            runner: Arc::new(Runner::start(vec![], mpsc::channel(1).0).unwrap()),
            due,
            view: watch::channel(Arc::new(View::default())).0,
            recorded,
            durable: durable.clone(),
            store: Arc::new(storage::start(data, 1, durable.clone(), crate::store::Run::default()).unwrap()),
            room: watch::channel(String::new()).1,
            different: 0,
            saver: Saver::new(data, durable),
            ended: None,
            depot: Arc::new(Depot::of(data, engine, config, (None, rules::Versions::of(data, false)), &[])),
            manager: Manager::start().unwrap(),
            core,
        };
        // There is no room for them: it stands still exactly there.
        while timeout(Duration::from_millis(100), desk.watch_disk()).await.is_ok() {}
        assert!(*known.borrow());
    }
}
