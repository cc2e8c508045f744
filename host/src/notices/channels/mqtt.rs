//! CAP to a topic of an MQTT broker. The broker's acknowledgement is the receipt: that anybody reads the topic, or keeps it, nobody says. Messages that are
//! told at the same time share a visit at the broker, and each is answered by the acknowledgement of its own packet: a broker far away delays
//! none by another. A visit is over when all of it is answered, so nothing waits in a client that the outbox does not know of.
//! Must not know: when to try again, which message goes first.

use super::super::deliver::Delivered;
use super::broker;
use crate::config::types::MqttChannel;
use rumqttc::{AsyncClient, Event, EventLoop, Outgoing, Packet, QoS};
use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::mpsc::error::TrySendError;
use tokio::sync::{Notify, mpsc, oneshot};
use tokio::time::{Instant, sleep_until};

/// Messages of one visit that have no answer yet: as many as are tried at once.
const AT_ONCE: usize = 128;

/// A message that is being told.
#[derive(Debug)]
struct Job {
    words: Vec<u8>,
    until: Instant,
    answer: oneshot::Sender<Result<(), String>>,
}

/// Publishes at one broker.
#[derive(Debug)]
pub struct Publisher {
    channel: Arc<MqttChannel>,
    /// To the visit that was begun last; closed where that is over.
    visit: Mutex<mpsc::Sender<Job>>,
    /// One visit at a time: a second one under the same name would end the first.
    turn: Arc<tokio::sync::Mutex<()>>,
}

impl Publisher {
    /// Connects to nobody yet.
    pub fn new(channel: MqttChannel) -> Publisher {
        Publisher { channel: Arc::new(channel), visit: Mutex::new(mpsc::channel(1).0), turn: Arc::default() }
    }

    /// One try.
    pub async fn deliver(&self, words: String) -> Delivered {
        let until = Instant::now() + Duration::from_millis(self.channel.broker.timeout_ms);
        let (answer, answered) = oneshot::channel();
        self.hand(Job { words: words.into_bytes(), until, answer });
        match answered.await.unwrap_or_else(|_| Err("the visit at the broker broke off".to_owned())) {
            Ok(()) => Delivered::Receipt { code: format!("PUBACK {}", self.channel.topic), accepted: false },
            Err(detail) => Delivered::Failed { detail, rejected: false },
        }
    }

    /// To the visit that runs, or a new one.
    fn hand(&self, job: Job) {
        let mut visit = self.visit.lock().unwrap_or_else(PoisonError::into_inner);
        let Err(TrySendError::Full(job) | TrySendError::Closed(job)) = visit.try_send(job) else { return };
        let (next, jobs) = mpsc::channel(AT_ONCE);
        // It is empty.
        let _ = next.try_send(job);
        *visit = next;
        tokio::spawn(run(Arc::clone(&self.channel), Arc::clone(&self.turn), jobs));
    }
}

/// Whoever waits for an answer, none once it has one, and until when.
type Waits = (Option<oneshot::Sender<Result<(), String>>>, Instant);

/// What of a visit has no answer yet.
#[derive(Default)]
struct Open {
    /// Handed to the client, in order: the number of the packet comes when it leaves.
    said: VecDeque<Waits>,
    /// On its way, by packet.
    sent: BTreeMap<u16, Waits>,
}

impl Open {
    fn all(&mut self) -> impl Iterator<Item = (bool, &mut Waits)> {
        let sent = self.sent.values_mut().map(|waits| (true, waits));
        sent.chain(self.said.iter_mut().map(|waits| (false, waits))).filter(|(_, (answer, _))| answer.is_some())
    }

    /// Gives up what waits that long, all where there is no `until`; the error says whether it left.
    fn give_up(&mut self, until: Option<Instant>, why: impl Fn(bool) -> String) {
        for (has_left, waits) in self.all().filter(|(_, waits)| until.is_none_or(|until| waits.1 <= until)) {
            waits.0.take().map(|answer| answer.send(Err(why(has_left))));
        }
    }
}

/// One visit.
#[derive(Default)]
struct Visit {
    open: Mutex<Open>,
    answered: Notify,
}

async fn run(channel: Arc<MqttChannel>, turn: Arc<tokio::sync::Mutex<()>>, mut jobs: mpsc::Receiver<Job>) {
    let _turn = turn.lock_owned().await;
    let visit = Visit::default();
    let ended = match broker::open(&channel.broker, AT_ONCE) {
        Ok((client, mut events)) => {
            let ended = tokio::select! {
                error = visit.hear(&mut events) => Err(error),
                () = visit.say(&channel, &client, &mut jobs) => Ok(()),
            };
            if ended.is_ok() {
                broker::leave(&client, &mut events).await;
            }
            ended
        }
        Err(error) => Err(format!("{error:#}")),
    };
    if let Err(why) = ended {
        jobs.close();
        visit.open().give_up(None, |_| why.clone());
        while let Some(job) = jobs.recv().await {
            let _ = job.answer.send(Err(why.clone()));
        }
    }
}

impl Visit {
    fn open(&self) -> MutexGuard<'_, Open> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What the broker says, until the connection breaks: why it does.
    async fn hear(&self, events: &mut EventLoop) -> String {
        loop {
            match events.poll().await {
                Ok(Event::Outgoing(Outgoing::Publish(packet))) => {
                    let mut open = self.open();
                    let left = open.said.pop_front();
                    open.sent.extend(left.map(|waits| (packet, waits)));
                }
                Ok(Event::Incoming(Packet::PubAck(ack))) => {
                    let waits = self.open().sent.remove(&ack.pkid);
                    waits.and_then(|(answer, _)| answer).map(|answer| answer.send(Ok(())));
                    self.answered.notify_one();
                }
                Ok(Event::Incoming(_) | Event::Outgoing(_)) => {}
                Err(error) => return error.to_string(),
            }
        }
    }

    /// Says what is handed over, until nothing is and all of it has its answer.
    async fn say(&self, channel: &MqttChannel, client: &AsyncClient, jobs: &mut mpsc::Receiver<Job>) {
        let limit = channel.broker.timeout_ms;
        let expired =
            |has_left| format!("no {} within {limit} ms", if has_left { "acknowledgement of the broker" } else { "connection" });
        let mut is_over = false;
        loop {
            let (count, until) = {
                let mut open = self.open();
                (open.all().count(), open.all().map(|(_, waits)| waits.1).min())
            };
            if count == 0 && is_over {
                return;
            }
            if count == 0 && jobs.is_empty() {
                // Who comes from here on begins another visit; who came before is heard.
                jobs.close();
            }
            tokio::select! {
                job = jobs.recv(), if !is_over && count < AT_ONCE => match job {
                    Some(Job { words, until, answer }) => match client.try_publish(&channel.topic, QoS::AtLeastOnce, false, words) {
                        Ok(()) => self.open().said.push_back((Some(answer), until)),
                        Err(error) => drop(answer.send(Err(error.to_string()))),
                    },
                    None => is_over = true,
                },
                () = self.answered.notified() => {}
                () = sleep_until(until.unwrap_or_else(Instant::now)), if until.is_some() => {
                    self.open().give_up(Some(Instant::now()), expired);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests;
