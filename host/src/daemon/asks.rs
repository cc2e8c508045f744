//! What the console asks beyond the present view: history, trends, messages as sent, commands. Owns: the way from a page to store and brain.
//! Must not know: pages, HTTP.

use super::Input;
use crate::config::types::{Channel, Trusted};
use crate::console::{Ask, EventRow, Found, Point, View, Which};
use crate::notices::{answer, cap, letter};
use crate::rules::Depot;
use crate::store::{EventFilter, NoticeRow, Page, Store};
use brain::alarm::Person;
use brain::event::Refusal;
use brain::notice::OutboxRow;
use brain::stages::Step;
use brain::{Act, AlarmId, Clock, Micros};
use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;
use tokio::sync::{Semaphore, mpsc, oneshot, watch};

/// Questions to the store being answered at once; more wait.
const QUERIES_MAX: usize = 16;
/// Everything under way: beyond it nothing more is taken from the console. It lets each person have a few questions at a time, so this is not
/// reached by people.
const UNDER_WAY_MAX: usize = 1_024;

/// Answers pages.
pub struct Asks {
    /// The query side.
    pub store: Arc<Store>,
    /// Audience name -> how it is reached.
    pub channels: Arc<BTreeMap<String, Channel>>,
    /// Where bundles are admitted and kept.
    pub depot: Arc<Depot>,
    /// Whose signed answers are believed.
    pub trusted: Vec<Trusted>,
    /// To the brain.
    pub inputs: mpsc::Sender<Input>,
    /// What screens see: the clock is theirs.
    pub view: watch::Receiver<Arc<View>>,
}

impl Asks {
    /// Runs until the console is gone. A slow answer does not hold the others, and questions to the store never hold an act or an answer of the
    /// bureau.
    pub async fn run(self, mut asks: mpsc::Receiver<Ask>) {
        let (this, places) = (Arc::new(self), Arc::new(Semaphore::new(QUERIES_MAX)));
        let mut answering = tokio::task::JoinSet::new();
        loop {
            tokio::select! {
                ask = asks.recv(), if answering.len() < UNDER_WAY_MAX => {
                    let Some(ask) = ask else { return };
                    let (this, places) = (Arc::clone(&this), Arc::clone(&places));
                    answering.spawn(async move {
                        let asks_the_store = !matches!(ask, Ask::Act { .. } | Ask::Install { .. } | Ask::Refused { .. } | Ask::CapReceived { .. });
                        let _place = if asks_the_store { places.acquire().await.ok() } else { None };
                        this.answer(ask).await;
                    });
                }
                Some(_) = answering.join_next() => {}
            }
        }
    }

    /// Whoever asked may have gone away: an answer nobody takes is dropped.
    async fn answer(&self, ask: Ask) {
        // The store keeps brain time; people read their clock.
        let clock = self.view.borrow().clock.clone();
        match ask {
            Ask::Act { command, by, act, reply } => {
                // A full or closed queue drops the reply: the asker is told that nothing was recorded.
                let _ = self.inputs.send(Input::Act { command, by, act, reply }).await;
            }
            Ask::Install { rule, bundle, command, by, reply } => {
                drop(reply.send(self.install(rule, bundle, command, by).await));
            }
            Ask::Events { after, limit, which, reply } => {
                let Which { kind, alarm, zone, from, to } = which;
                let wall = from.unwrap_or(Micros::MIN)..to.unwrap_or(Micros::MAX);
                let Range { start, end } = clock.brain(wall.clone());
                let filter =
                    EventFilter { kind, alarm: alarm.map(AlarmId), zone, from: from.map(|_| start), to: to.map(|_| end) };
                let found = self.query(move |store| store.events(after, limit, filter)).await;
                let row = |row: crate::store::EventRow| EventRow {
                    seq: row.seq,
                    at: clock.wall(row.at),
                    kind: row.kind.to_owned(),
                    body: row.json,
                };
                drop(reply.send(found.map(|page| page_of(page, row, |row| wall.contains(&row.at)))));
            }
            Ask::Alarms { before, limit, reply } => {
                let found = self.query(move |store| store.alarms(before.map(AlarmId), limit, true)).await;
                drop(reply.send(
                    found.map(|page| (page.rows.iter().map(|alarm| clock.alarm(alarm).into_owned()).collect(), page.next)),
                ));
            }
            Ask::Notices { before, limit, reply } => {
                let found = self.query(move |store| store.notices(before, limit)).await;
                drop(reply.send(found.map(|page| (page.rows.into_iter().map(|row| told(row, &clock)).collect(), page.next))));
            }
            Ask::Series { tag, from, to, points, reply } => {
                let (wall, Range { start, end }) = (from..to, clock.brain(from..to));
                let found = self.query(move |store| store.series(&tag, start, end, points)).await;
                let point = |p: crate::store::Point| Point { at: clock.wall(p.at), value: p.value, quality: p.quality };
                drop(reply.send(found.map(|page| page_of(page, point, |point| wall.contains(&point.at)))));
            }
            Ask::CapOf { notice, reply } => {
                let found = self.query(move |store| store.notice(notice)).await;
                drop(reply.send(found.map(|row| row.and_then(|row| self.message(&row)))));
            }
            // A full or closed queue drops the reply, as above.
            Ask::Refused { over, detail, reply } => drop(self.inputs.send(Input::Refused { over, detail, reply }).await),
            Ask::CapReceived { body, over, reply } => drop(reply.send(self.received(&body, &over).await)),
        }
    }

    /// The CAP message of a notice: the very bytes that were sent. What an earlier version told has none on record: made again from the same notice.
    fn message(&self, row: &NoticeRow) -> Option<String> {
        if let Some(packed) = &row.message {
            let words = letter::unpack(packed).map_err(|error| tracing::error!("{error:#}")).ok()?;
            // Whatever its audience is reached by today, this is what was said; fields of a template are no message.
            let fields = matches!(self.channels.get(&row.notice.audience), Some(Channel::Webhook(_)));
            return (words.starts_with("<?xml") || (words.starts_with('{') && !fields)).then_some(words);
        }
        match self.channels.get(&row.notice.audience)? {
            Channel::Cap(channel) => Some(cap::build(&row.notice, channel)),
            Channel::Mqtt(mqtt) => Some(cap::build(&row.notice, &mqtt.cap)),
            Channel::Nats(nats) => Some(cap::build(&row.notice, &nats.cap)),
            Channel::Console | Channel::Webhook(_) | Channel::Bot(_) | Channel::Mail(_) | Channel::Annunciator(_) => None,
        }
    }

    /// A bundle passes admission and is on disk before anybody hears of it. One at a time: a compiler takes memory.
    async fn install(
        &self,
        rule: String,
        bundle: Vec<u8>,
        command: String,
        by: Person,
    ) -> Result<Result<u64, Refusal>, Vec<String>> {
        static ONE: Semaphore = Semaphore::const_new(1);
        let _turn = ONE.acquire().await;
        let (depot, name) = (Arc::clone(&self.depot), rule.clone());
        let kept = tokio::task::spawn_blocking(move || depot.install(&name, &bundle)).await;
        let (publisher, about) = kept.map_err(|error| vec![error.to_string()])??;
        let act = Act::Rule { rule, step: Step::Install { publisher, about: Box::new(about) } };
        let (reply, answered) = oneshot::channel();
        let stopping = |_| vec!["the program is stopping: nothing was installed".to_owned()];
        self.inputs.send(Input::Act { command, by, act, reply }).await.map_err(|_| stopping(()))?;
        Ok(answered.await.unwrap_or(Err(Refusal::Unrecorded)))
    }

    async fn received(&self, body: &[u8], over: &str) -> Result<(), String> {
        let mut said = answer(body, &self.trusted).map_err(|error| error.to_string())?;
        // The message says who speaks; the token says over whose line.
        said.by.station = format!("{} via {over}", said.by.station);
        let (reply, known) = oneshot::channel();
        let input = Input::Answered { said: Box::new(said), reply };
        self.inputs.send(input).await.map_err(|_| "the program is stopping".to_owned())?;
        known.await.map_err(|_| "nothing was recorded; send it again".to_owned())?
    }

    async fn query<T: Send + 'static>(
        &self,
        ask: impl FnOnce(&Store) -> anyhow::Result<T> + Send + 'static,
    ) -> Result<T, String> {
        let store = Arc::clone(&self.store);
        let found = tokio::task::spawn_blocking(move || ask(&store)).await;
        found.map_err(|error| error.to_string())?.map_err(|error| format!("{error:#}"))
    }
}

/// What was found, as people read it; without what lies between in brain time and reads otherwise.
fn page_of<T, U>(page: Page<T>, shape: impl Fn(T) -> U, is_asked: impl Fn(&U) -> bool) -> Found<U> {
    Found { rows: page.rows.into_iter().map(shape).filter(is_asked).collect(), next: page.next, incomplete: page.incomplete }
}

/// A notice of the store as the outbox had it.
fn told(row: NoticeRow, clock: &Clock) -> OutboxRow {
    let row = OutboxRow {
        made_at: None,
        attempts: row.failures + u32::from(row.received_at.is_some()),
        due_at: 0,
        received_at: row.received_at,
        accepted_at: row.accepted_at,
        acknowledged: row.answer.filter(|answer| answer.accepted).map(|answer| (answer.by, answer.at)),
        notice: row.notice,
        delivery: row.delivery,
        last_error: row.last_error,
        message: row.message,
        again: false,
    };
    clock.row(&row).into_owned()
}
