//! The field as a stranger: publishes at QoS 1 and knows what it got rid of. Must not know: any type of the host, who listens.

use crate::site::{PROBES, probe_name};
use rumqttc::{Client, Event, MqttOptions, Outgoing, Packet, QoS};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Readings between two changes of a probe.
const PROBE_EVERY: u64 = 240;

/// What the publisher knows it got rid of.
#[derive(Clone, Copy, Debug)]
pub struct Published {
    /// The counter tag brought 0 to this, without this.
    pub readings: u64,
    /// How often a probe rose over its limit.
    pub rises: u64,
}

/// What is published.
#[derive(Clone, Copy)]
pub struct Load {
    /// Between one reading and the next.
    pub pace: Duration,
    /// One payload nobody can read after so many readings, so that the journal grows fast. 0 = none.
    pub noise_every: u64,
}

/// Publishes until it is stopped.
pub struct Publisher {
    stop: Arc<AtomicBool>,
    thread: JoinHandle<Published>,
}

impl Publisher {
    /// Begins.
    pub fn start(port: u16, load: Load) -> Publisher {
        let stop = Arc::new(AtomicBool::new(false));
        let until = Arc::clone(&stop);
        Publisher { stop, thread: std::thread::spawn(move || publish(port, load, &until)) }
    }

    /// Returns when the broker has everything.
    pub fn stop(self) -> Published {
        self.stop.store(true, Ordering::SeqCst);
        self.thread.join().unwrap()
    }
}

/// Readings at QoS 1, each with its own source time; returns when the broker has acknowledged all of them.
fn publish(port: u16, load: Load, stop: &AtomicBool) -> Published {
    let mut line = Line::open(port);
    let (mut readings, mut rises) = (0_u64, 0_u64);
    while !stop.load(Ordering::SeqCst) || !readings.is_multiple_of(2 * PROBE_EVERY) {
        let at = wall_us();
        line.send("COUNT", readings, at);
        if readings.is_multiple_of(PROBE_EVERY) {
            let high = (readings / PROBE_EVERY).is_multiple_of(2);
            rises += u64::from(high);
            let probe = readings / (2 * PROBE_EVERY) % PROBES;
            line.send(&probe_name(probe), if high { 150 } else { 20 }, at);
        }
        if load.noise_every > 0 && readings.is_multiple_of(load.noise_every) {
            line.publish("COUNT", "noise ".repeat(40));
        }
        readings += 1;
        std::thread::sleep(load.pace);
    }
    line.close();
    Published { readings, rises }
}

/// A connection that publishes.
pub struct Line {
    client: Client,
    pump: JoinHandle<()>,
    acked: Arc<AtomicU64>,
    sent: u64,
}

impl Line {
    /// Connects.
    pub fn open(port: u16) -> Line {
        let mut options = MqttOptions::new("publisher", "127.0.0.1", port);
        options.set_inflight(500);
        let (client, mut connection) = Client::new(options, 1000);
        let acked = Arc::new(AtomicU64::new(0));
        let count = Arc::clone(&acked);
        let pump = std::thread::spawn(move || {
            for event in connection.iter() {
                match event.expect("the broker lives through the test") {
                    Event::Incoming(Packet::PubAck(_)) => _ = count.fetch_add(1, Ordering::SeqCst),
                    Event::Outgoing(Outgoing::Disconnect) => return,
                    _ => {}
                }
            }
        });
        Line { client, pump, acked, sent: 0 }
    }

    /// Publishes one value, measured at `at` (microseconds UTC).
    pub fn send(&mut self, tag: &str, value: u64, at: u64) {
        self.publish(tag, format!("{{\"v\":{value},\"t\":{at}}}"));
    }

    fn publish(&mut self, tag: &str, payload: String) {
        self.client.publish(format!("plant/{tag}"), QoS::AtLeastOnce, false, payload).unwrap();
        self.sent += 1;
    }

    /// Returns when the broker has everything.
    pub fn close(self) {
        while self.acked.load(Ordering::SeqCst) < self.sent {
            std::thread::sleep(Duration::from_millis(5));
        }
        self.client.disconnect().unwrap();
        self.pump.join().unwrap();
    }
}

/// Now, microseconds UTC.
pub fn wall_us() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_micros() as u64
}
