//! A visit at an MQTT broker: one message at QoS 1, its acknowledgement, and where a device answers on another topic, that answer. Each visit has a
//! connection of its own, which is left behind: nothing waits in a client that the outbox does not know of.
//! Must not know: what is published, links (theirs is another client, another session).

use crate::config::types::Broker;
use crate::tls::client_config;
use rumqttc::{AsyncClient, Event, EventLoop, MqttOptions, NetworkOptions, Packet, QoS, TlsConfiguration, Transport};
use std::time::Duration;

/// Requests of a visit: subscribe, publish, disconnect.
const REQUESTS_MAX: usize = 4;
/// Largest packet either way: a CAP message and room to spare.
const PACKET_BYTES_MAX: usize = 1 << 20;
/// Longer than any visit.
const KEEP_ALIVE: Duration = Duration::from_secs(120);

/// Publishes `payload`, not retained. Where `answer` names a topic and a payload, that must come there after the publication. The error is for
/// people, and holds no secret.
pub(super) async fn publish(broker: &Broker, topic: &str, payload: Vec<u8>, answer: Option<(&str, &str)>) -> Result<(), String> {
    let limit = Duration::from_millis(broker.timeout_ms);
    let (client, mut events) = open(broker, REQUESTS_MAX).map_err(|error| format!("{error:#}"))?;
    let mut visit = Visit { topic, payload: Some(payload), answer, acknowledged: false, answered: answer.is_none() };
    let missing = match tokio::time::timeout(limit, visit.run(&client, &mut events)).await {
        Ok(Ok(())) => {
            leave(&client, &mut events).await;
            return Ok(());
        }
        Ok(Err(error)) => return Err(error),
        Err(_) if visit.payload.is_some() => "no connection",
        Err(_) if !visit.acknowledged => "no acknowledgement of the broker",
        Err(_) => "no answer of the device",
    };
    Err(format!("{missing} within {} ms", limit.as_millis()))
}

struct Visit<'v> {
    topic: &'v str,
    /// None once it is on its way.
    payload: Option<Vec<u8>>,
    answer: Option<(&'v str, &'v str)>,
    acknowledged: bool,
    answered: bool,
}

impl Visit<'_> {
    async fn run(&mut self, client: &AsyncClient, events: &mut EventLoop) -> Result<(), String> {
        while !(self.acknowledged && self.answered) {
            match events.poll().await.map_err(|error| error.to_string())? {
                Event::Incoming(Packet::ConnAck(_)) => match self.answer {
                    Some((topic, _)) => client.try_subscribe(topic, QoS::AtLeastOnce).map_err(|error| error.to_string())?,
                    None => self.say(client)?,
                },
                Event::Incoming(Packet::SubAck(ack)) => {
                    if ack.return_codes.iter().any(|code| matches!(code, rumqttc::SubscribeReasonCode::Failure)) {
                        return Err("the broker does not let us hear the device's answer".to_owned());
                    }
                    self.say(client)?;
                }
                Event::Incoming(Packet::PubAck(_)) => self.acknowledged = true,
                // What stood there before, or came before we said anything, is no answer.
                Event::Incoming(Packet::Publish(heard)) if !heard.retain && self.payload.is_none() => {
                    self.answered |= self
                        .answer
                        .is_some_and(|(topic, wanted)| heard.topic == topic && heard.payload.trim_ascii() == wanted.as_bytes());
                }
                Event::Incoming(_) | Event::Outgoing(_) => {}
            }
        }
        Ok(())
    }

    fn say(&mut self, client: &AsyncClient) -> Result<(), String> {
        let Some(payload) = self.payload.take() else { return Ok(()) };
        client.try_publish(self.topic, QoS::AtLeastOnce, false, payload).map_err(|error| error.to_string())
    }
}

/// A clean end of a visit; one that does not come costs nothing.
pub(super) async fn leave(client: &AsyncClient, events: &mut EventLoop) {
    let _ = client.try_disconnect();
    let leave = async { while events.poll().await.is_ok() {} };
    let _ = tokio::time::timeout(Duration::from_millis(200), leave).await;
}

/// A connection of its own, which is made when it is polled. So many requests may wait, and publications be on their way.
pub(super) fn open(broker: &Broker, at_once: usize) -> anyhow::Result<(AsyncClient, EventLoop)> {
    let transport = match &broker.tls {
        Some(tls) => Transport::Tls(TlsConfiguration::Rustls(client_config(tls)?)),
        None => Transport::Tcp,
    };
    // An IPv6 address needs brackets before a port; with TLS the host is also the verified name and must stay bare.
    let host = match broker.host.contains(':') && broker.tls.is_none() {
        true => format!("[{}]", broker.host),
        false => broker.host.clone(),
    };
    let mut options = MqttOptions::new(&broker.client_id, host, broker.port);
    options
        .set_transport(transport)
        .set_keep_alive(KEEP_ALIVE)
        .set_clean_session(true)
        .set_inflight(u16::try_from(at_once).unwrap_or(u16::MAX))
        .set_max_packet_size(PACKET_BYTES_MAX, PACKET_BYTES_MAX);
    if let Some(name) = &broker.username {
        options.set_credentials(name, broker.password.as_ref().map_or("", |password| password.reveal()));
    }
    let mut network = NetworkOptions::new();
    network.set_tcp_nodelay(true);
    network.set_connection_timeout(broker.timeout_ms.div_ceil(1000));
    let (client, mut events) = AsyncClient::new(options, at_once);
    events.set_network_options(network);
    Ok((client, events))
}
