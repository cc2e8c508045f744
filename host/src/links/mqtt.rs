//! The owner of one MQTT subscription connection: reads, hands over, acknowledges after the sync, reconnects.
//!
//! Owns: the order of things on one connection. Must not know: packet layouts (`wire`), payloads (`payload`), the journal.
//!
//! Two rules carry the safety of it. One: nothing here ever awaits a request to the client while it also owes it a poll; acknowledgements
//! that find no room wait in our own queue. Two: a full hand-over queue stops the reading, so that the broker keeps what we cannot take.

mod wire;

use super::ack::Owed;
use super::back_off::BackOff;
use super::payload::{Decoder, Delivery};
use super::{BATCH_MAX, FromLink, Outlet, count};
use crate::config::types::Mqtt;
use brain::event::LinkState;
use brain::{Micros, Reading};
use std::collections::VecDeque;
use std::future::ready;
use std::pin::pin;
use std::time::Duration;
use tokio::time::{Instant, sleep_until, timeout};
use wire::{Client, Events, Message, Packet, Session};

/// A resumed session counts as drained after this long without a message, if our marker does not come back. Our own default.
const QUIET: Duration = Duration::from_secs(2);
/// A broker that sends nothing for this many keep-alives is gone; pings make it answer once in each.
const KEEP_ALIVES_MAX: u32 = 3;
/// How long a clean end may take.
const FAREWELL: Duration = Duration::from_millis(500);
/// How often a closed link looks whether there is room again.
const ROOM_EVERY: Duration = Duration::from_millis(50);
/// How much of an unreadable payload is kept for people.
const SAMPLE_BYTES: usize = 256;

/// Why a connection ended.
enum End {
    Stopped,
    Down(String),
    /// We could not keep up for a whole keep-alive. What was in hand goes out first.
    Saturated(VecDeque<FromLink>),
    /// What comes can no longer be put on record, or can again: another kind of session is needed. Or something was not put on record, and is to come again.
    Switched,
}

pub(super) async fn run(config: &Mqtt, outlet: &Outlet) {
    let decoder = Decoder::new(&config.topics);
    let mut back_off = BackOff::new();
    loop {
        let session = if *outlet.recorded.borrow() { Session::Kept } else { Session::Live };
        let (end, up) = match wire::open(config, session) {
            Ok((client, events)) => {
                let mut connection = Connection::new(config, outlet, &decoder, client, session);
                let end = connection.run(events).await;
                (end, connection.up)
            }
            Err(error) => (End::Down(format!("{error:#}")), None),
        };
        let going_on = match end {
            End::Stopped => return,
            End::Down(why) => {
                outlet.report(LinkState::Down, why).await
                    && outlet.pause(back_off.after(up.map_or(Duration::ZERO, |up| up.elapsed()))).await
            }
            End::Saturated(in_hand) => wait_for_room(outlet, in_hand).await,
            End::Switched => true,
        };
        if !going_on {
            return;
        }
    }
}

/// The connection is closed and the broker keeps our session. Hands over what was in hand (its acknowledgements have become void: the
/// broker sends those messages again), then waits until the queue is half empty.
async fn wait_for_room(outlet: &Outlet, in_hand: VecDeque<FromLink>) -> bool {
    for message in in_hand {
        if !outlet.send(message).await {
            return false;
        }
    }
    let reason = "we could not keep up; the broker holds the messages until we can";
    if !outlet.report(LinkState::Saturated, reason).await {
        return false;
    }
    // Asked now and then: waiting for many places at once would keep the other links from the single ones.
    while outlet.out.capacity() < outlet.out.max_capacity().div_ceil(2) {
        if outlet.out.is_closed() || !outlet.pause(ROOM_EVERY).await {
            return false;
        }
    }
    true
}

/// One connection, from connect to its end.
struct Connection<'a> {
    config: &'a Mqtt,
    outlet: &'a Outlet,
    decoder: &'a Decoder,
    client: Client,
    session: Session,
    owed: Owed,
    batch: Batch,
    up: Option<Instant>,
    heard: Instant,
    /// None = what comes is fresh. Else the payload of the marker that ends the backlog.
    backlog: Option<String>,
    message_at: Instant,
    marker_topic: String,
}

impl<'a> Connection<'a> {
    fn new(config: &'a Mqtt, outlet: &'a Outlet, decoder: &'a Decoder, client: Client, session: Session) -> Self {
        Connection {
            config,
            outlet,
            decoder,
            client,
            session,
            owed: Owed::default(),
            batch: Batch::default(),
            up: None,
            heard: Instant::now(),
            backlog: None,
            message_at: Instant::now(),
            marker_topic: format!("safety-brain/{}/marker", config.client_id),
        }
    }

    async fn run(&mut self, mut events: Events) -> End {
        let end = self.serve(&mut events).await;
        match end {
            End::Stopped | End::Switched if self.up.is_some() => self.farewell(events).await,
            // What was read before the end counts; at QoS 0 it comes only once.
            End::Down(_) => {
                if let Err(end) = self.hand_over().await {
                    return end;
                }
            }
            End::Stopped | End::Switched | End::Saturated(_) => {}
        }
        end
    }

    async fn serve(&mut self, events: &mut Events) -> End {
        loop {
            let packet = match self.next(events).await {
                Ok(packet) => packet,
                Err(end) => return end,
            };
            if let Err(why) = self.on_packet(packet) {
                return End::Down(why);
            }
            if self.batch.is_full()
                && let Err(end) = self.hand_over().await
            {
                return end;
            }
        }
    }

    /// One event of the connection. The poll is pinned and never dropped half-way, except at the end of the connection; what was
    /// gathered goes out as soon as nothing more can be read at once.
    async fn next(&mut self, events: &mut Events) -> Result<Packet, End> {
        let mut poll = pin!(events.poll());
        loop {
            let goes_on = self.send_acks();
            if self.outlet.stop.is_cancelled() {
                return Err(End::Stopped);
            }
            if !goes_on {
                return Err(End::Switched);
            }
            let silent = self.heard + self.keep_alive() * KEEP_ALIVES_MAX;
            let (returned, kept) = (self.owed.returned(), self.session == Session::Kept);
            tokio::select! { biased;
                event = &mut poll => return event.map_err(End::Down),
                () = ready(()), if !self.batch.is_empty() => self.hand_over().await?,
                () = returned.woken() => {}
                () = self.outlet.stop.cancelled() => {}
                () = self.outlet.recording(!kept) => return Err(End::Switched),
                () = sleep_until(silent) => {
                    let s = (self.keep_alive() * KEEP_ALIVES_MAX).as_secs();
                    return Err(End::Down(format!("the broker has sent nothing for {s} s")));
                }
            }
        }
    }

    fn keep_alive(&self) -> Duration {
        Duration::from_secs(self.config.keep_alive_s.into())
    }

    /// False: something that came will never be acknowledged here.
    fn send_acks(&mut self) -> bool {
        self.owed.pay(|id| self.client.acknowledge(id))
    }

    fn on_packet(&mut self, packet: Packet) -> Result<(), String> {
        if !matches!(packet, Packet::Sent) {
            self.heard = Instant::now();
        }
        match packet {
            Packet::Connected { resumed } => {
                count(&self.outlet.counters.connects, 1);
                self.message_at = Instant::now();
                self.backlog = (resumed && self.session == Session::Kept).then(|| (self.outlet.clock)().at.to_string());
                // At each connection: the broker may have lost the session.
                let filters = self.config.topics.iter().map(|t| t.filter.as_str());
                if !self.client.subscribe(filters.chain([self.marker_topic.as_str()]), self.session) {
                    return Err("a filter in `topics` is not a legal MQTT filter".into());
                }
            }
            Packet::Subscribed(granted) => self.on_subscribed(&granted)?,
            Packet::Message(message) => self.on_message(&message),
            Packet::Alive | Packet::Sent => {}
        }
        Ok(())
    }

    fn on_subscribed(&mut self, granted: &[bool]) -> Result<(), String> {
        for (nth, topic) in self.config.topics.iter().enumerate() {
            if granted.get(nth) != Some(&true) {
                return Err(format!(
                    "the broker refused the subscription {:?}; allow it for client {:?}",
                    topic.filter, self.config.client_id
                ));
            }
        }
        // Messages of one publisher on one topic keep their order, and brokers queue per client: the marker comes after the backlog.
        if let Some(marker) = &self.backlog {
            self.client.publish(&self.marker_topic, marker.clone());
        }
        self.report_up();
        Ok(())
    }

    /// Once per connection, before its first reading: what a resumed session had kept comes before the subscription is granted.
    fn report_up(&mut self) {
        if self.up.is_none() {
            self.up = Some(Instant::now());
            let reason = format!("connected to {}:{}", self.config.host, self.config.port);
            self.batch.state = Some((LinkState::Up, reason));
        }
    }

    fn on_message(&mut self, message: &Message) {
        let now = Instant::now();
        if now.duration_since(self.message_at) >= QUIET {
            self.backlog = None;
        }
        self.message_at = now;
        let number = message.id().map(|id| self.owed.push(id));
        let topic = message.topic().unwrap_or_default();
        if topic == self.marker_topic {
            if self.backlog.as_ref().is_some_and(|marker| marker.as_bytes() == message.payload()) {
                self.backlog = None;
            }
            number.into_iter().for_each(|number| self.owed.settle(number));
            return;
        }
        self.report_up();
        let kept = message.retained() || self.backlog.is_some();
        let delivery = if kept { Delivery::Kept } else { Delivery::Live };
        let now = (self.outlet.clock)();
        let before = self.batch.readings.len();
        let fault = self.decode(topic, message.payload(), now.at + now.ahead, delivery);
        // Sources speak of the wall clock.
        self.batch.readings[before..].iter_mut().for_each(|reading| reading.source_us -= now.ahead);
        self.batch.end_message(number, message.payload(), fault);
    }

    fn decode(&mut self, topic: &str, payload: &[u8], arrival: Micros, delivery: Delivery) -> Option<String> {
        if topic.is_empty() {
            return Some("no readable topic".into());
        }
        self.decoder.decode(topic, payload, arrival, delivery, &mut self.batch.readings).err()
    }

    /// Sends the batch to the daemon. While there is no room, reads nothing, but still takes back acknowledgements.
    async fn hand_over(&mut self) -> Result<(), End> {
        let mut messages = self.batch.take(self.outlet, &self.owed);
        let returned = self.owed.returned();
        let limit = Instant::now() + self.keep_alive();
        while !messages.is_empty() {
            self.send_acks();
            tokio::select! { biased;
                room = self.outlet.out.reserve() => match (room, messages.pop_front()) {
                    (Ok(room), Some(message)) => room.send(message),
                    (Err(_), _) | (_, None) => return Err(End::Stopped),
                },
                () = returned.woken() => {}
                () = self.outlet.stop.cancelled() => return Err(End::Stopped),
                () = sleep_until(limit) => return Err(End::Saturated(messages)),
            }
        }
        Ok(())
    }

    /// Tells the broker what has been synced meanwhile, and that we leave. Whatever is not told is delivered again.
    async fn farewell(&mut self, mut events: Events) {
        self.send_acks();
        if self.client.disconnect() {
            // Ends with the error that the closed connection makes, or with the time.
            let _ = timeout(FAREWELL, async { while events.poll().await.is_ok() {} }).await;
        }
    }
}

/// What has come since the last hand-over.
#[derive(Default)]
struct Batch {
    state: Option<(LinkState, String)>,
    readings: Vec<Reading>,
    /// Numbers of the messages that they came in.
    owed: Vec<u64>,
    malformed: u64,
    sample: String,
    owed_malformed: Vec<u64>,
}

impl Batch {
    fn is_empty(&self) -> bool {
        self.readings.is_empty() && self.malformed == 0 && self.state.is_none()
    }

    fn is_full(&self) -> bool {
        self.readings.len() + self.owed_malformed.len() >= BATCH_MAX
    }

    /// A message with a fault is acknowledged with the report of the fault, which follows its readings.
    fn end_message(&mut self, number: Option<u64>, payload: &[u8], fault: Option<String>) {
        match fault {
            None => self.owed.extend(number),
            Some(what) => {
                let shown = String::from_utf8_lossy(&payload[..payload.len().min(SAMPLE_BYTES)]);
                self.sample = format!("{what}: {shown}");
                self.malformed += 1;
                self.owed_malformed.extend(number);
            }
        }
    }

    fn take(&mut self, outlet: &Outlet, owed: &Owed) -> VecDeque<FromLink> {
        let batch = std::mem::take(self);
        let link = outlet.link;
        count(&outlet.counters.readings, batch.readings.len() as u64);
        count(&outlet.counters.malformed, batch.malformed);
        let mut messages = VecDeque::with_capacity(3);
        if let Some((state, reason)) = batch.state {
            messages.push_back(FromLink::State { link, state, reason });
        }
        if !batch.readings.is_empty() {
            let ack = owed.ack(batch.owed);
            messages.push_back(FromLink::Readings { link, readings: batch.readings, ack });
        }
        if batch.malformed > 0 {
            let ack = owed.ack(batch.owed_malformed);
            messages.push_back(FromLink::Malformed { link, count: batch.malformed, sample: batch.sample, ack });
        }
        messages
    }
}

#[cfg(test)]
mod tests;
