//! The load: readings at a fixed rate with alarm probes among them, or as many as the broker takes. Owns the one clock of a run.
//! Must not know: which subject is measured.

use anyhow::Context;
use rumqttc::{AsyncClient, Event, EventLoop, MqttOptions, Outgoing, Packet, QoS};
use std::time::{Duration, Instant};
use tokio::task::JoinHandle;

/// Tags under load; the last [`PROBES`] of them are the probes.
pub const TAGS: usize = 980 + PROBES;
/// Tags that cross the limit: so many that each rises every 40 s, because what rises three times a minute chatters, and tells nobody anew.
pub const PROBES: usize = 800;
/// The limit of every subject.
pub const LIMIT: f64 = 100.0;

/// Steps of 10 ms between two probes: 20 a second, one probe after another.
const PROBE_EVERY: u64 = 5;

/// Tag of the probe with a number.
pub fn probe_tag(number: u64) -> usize {
    TAGS - PROBES + (number % PROBES as u64) as usize
}

/// Name of a tag.
pub fn tag(index: usize) -> String {
    format!("T{index:04}")
}

/// One publishing connection.
pub struct Publisher {
    client: AsyncClient,
    pump: JoinHandle<()>,
    acked: tokio::sync::watch::Receiver<u64>,
    sent: u64,
}

impl Publisher {
    /// Connects as `name`.
    pub fn connect(name: &str, port: u16) -> Publisher {
        let mut options = MqttOptions::new(name, "127.0.0.1", port);
        options.set_inflight(1000);
        let (client, mut events) = AsyncClient::new(options, 1000);
        events.network_options.set_tcp_nodelay(true);
        let (told, acked) = tokio::sync::watch::channel(0);
        Publisher { client, pump: tokio::spawn(pump(events, told)), acked, sent: 0 }
    }

    /// Publishes one value at QoS 1.
    ///
    /// # Errors
    /// The connection is gone.
    pub async fn send(&mut self, tag_index: usize, value: f64, time_us: u128) -> anyhow::Result<()> {
        let payload = format!(
            r#"{{"v":{value},"t":{time_us},"unit":"ppm","source":"bench","seq":{},"pad":"0123456789abcdef0123456789"}}"#,
            self.sent
        );
        self.client.publish(format!("bench/{}", tag(tag_index)), QoS::AtLeastOnce, false, payload).await.context("publish")?;
        self.sent += 1;
        Ok(())
    }

    /// Waits until the broker has everything.
    ///
    /// # Errors
    /// The connection is gone.
    pub async fn settled(&mut self) -> anyhow::Result<()> {
        let sent = self.sent;
        self.acked.wait_for(|acked| *acked >= sent).await?;
        Ok(())
    }

    /// Disconnects.
    pub async fn close(self) {
        let _ = self.client.disconnect().await;
        let _ = tokio::time::timeout(Duration::from_secs(1), self.pump).await;
    }
}

async fn pump(mut events: EventLoop, told: tokio::sync::watch::Sender<u64>) {
    loop {
        match events.poll().await {
            Ok(Event::Incoming(Packet::PubAck(_))) => told.send_modify(|n| *n += 1),
            Ok(Event::Outgoing(Outgoing::Disconnect)) | Err(_) => return,
            Ok(_) => {}
        }
    }
}

/// Microseconds since the epoch, for source times.
pub fn wall_us() -> u128 {
    std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).map_or(0, |d| d.as_micros())
}

/// When each probe left, by its value.
pub type Sent = Vec<(u64, Instant)>;

/// `rate` readings a second for `seconds`, with 20 probes a second: each a value over the limit that names itself; half a second later one below.
///
/// # Errors
/// The broker is gone.
pub async fn at_rate(port: u16, rate: u64, seconds: u64, first: u64) -> anyhow::Result<Sent> {
    let mut publisher = Publisher::connect("load", port);
    let mut sent = Vec::new();
    let began = Instant::now();
    let step = Duration::from_millis(10);
    for tick in 0..seconds * 100 {
        tokio::time::sleep_until((began + step * u32::try_from(tick)?).into()).await;
        for n in 0..rate / 100 {
            let index = usize::try_from((tick * (rate / 100) + n) % (TAGS - PROBES) as u64)?;
            publisher.send(index, 2.0 + (n % 7) as f64, wall_us()).await?;
        }
        let turn = tick % PROBE_EVERY;
        let number = first + tick / PROBE_EVERY;
        // A probe falls half a round after it rose: its all-clear to the receiver is not part of the next rise.
        if turn == PROBE_EVERY / 2 {
            publisher.send(probe_tag(number + PROBES as u64 / 2), 1.0, wall_us()).await?;
        }
        if turn == 0 {
            let value = 1000 + number;
            sent.push((value, Instant::now()));
            publisher.send(probe_tag(number), value as f64, wall_us()).await?;
        }
    }
    publisher.settled().await?;
    publisher.close().await;
    Ok(sent)
}

/// `count` readings as fast as two connections go, then one probe; returns when the first left.
///
/// # Errors
/// The broker is gone.
pub async fn flood(port: u16, count: u64, probe: u64) -> anyhow::Result<Instant> {
    let began = Instant::now();
    let mut senders = Vec::new();
    for half in 0..2_u64 {
        senders.push(tokio::spawn(async move {
            let mut publisher = Publisher::connect(&format!("flood{half}"), port);
            for n in 0..count / 2 {
                let index = usize::try_from((n * 2 + half) % (TAGS - PROBES) as u64)?;
                publisher.send(index, 2.0 + (n % 7) as f64, wall_us()).await?;
            }
            publisher.settled().await?;
            publisher.close().await;
            anyhow::Ok(())
        }));
    }
    for sender in senders {
        sender.await??;
    }
    let mut publisher = Publisher::connect("flood-end", port);
    let tag_index = probe_tag(probe);
    publisher.send(tag_index, 1.0, wall_us()).await?;
    publisher.send(tag_index, (1000 + probe) as f64, wall_us() + 1).await?;
    publisher.settled().await?;
    publisher.close().await;
    Ok(began)
}
