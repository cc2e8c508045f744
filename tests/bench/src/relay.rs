//! The reference: MQTT in, one threshold with hysteresis per tag in native Rust, MQTT out, nothing kept.
//! One thread, QoS 1, automatic acknowledgement. What any durable system is compared with.

use rumqttc::{AsyncClient, Event, MqttOptions, Packet, QoS};
use std::collections::HashMap;

const LIMIT: f64 = 100.0;
const CLEARS_BELOW: f64 = 95.0;

#[tokio::main(flavor = "current_thread")]
async fn main() -> anyhow::Result<()> {
    let port = std::env::args().nth(1).ok_or_else(|| anyhow::anyhow!("usage: relay PORT"))?.parse()?;
    let mut options = MqttOptions::new("relay", "127.0.0.1", port);
    options.set_clean_session(false);
    let (client, mut events) = AsyncClient::new(options, 65_536);
    events.network_options.set_tcp_nodelay(true);
    let mut high: HashMap<String, bool> = HashMap::new();
    loop {
        match events.poll().await? {
            Event::Incoming(Packet::ConnAck(_)) => client.try_subscribe("bench/+", QoS::AtLeastOnce)?,
            Event::Incoming(Packet::Publish(message)) => {
                let document: serde_json::Value = serde_json::from_slice(&message.payload)?;
                let value = document["v"].as_f64().unwrap_or(f64::NAN);
                let was = high.entry(message.topic.clone()).or_default();
                let now = if *was { !(value < CLEARS_BELOW) } else { !(value < LIMIT) };
                if now && !*was {
                    client.try_publish("alarm", QoS::AtLeastOnce, false, value.to_string())?;
                }
                *was = now;
            }
            _ => {}
        }
    }
}
