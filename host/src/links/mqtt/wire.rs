//! MQTT 3.1.1 and 5 behind one small face: what the owner task sends and sees. The only file that knows two versions.
//! Must not know: readings, hand-over, acknowledgement policy.

use crate::config::types::{Mqtt, MqttVersion};
use crate::tls::client_config;
use rumqttc::{NetworkOptions, QoS, TlsConfiguration, Transport, mqttbytes, v5};
use std::time::Duration;

/// Requests (acknowledgements, mostly) that may wait inside the client. What does not fit waits in our own queue.
const REQUESTS_MAX: usize = 4096;
/// Seconds to connect, and to write where the client library bounds it.
const CONNECT_S: u64 = 5;
/// Seconds a version 5 broker keeps our session while we are away: 24 h. Version 3.1.1 leaves it to the broker.
const SESSION_EXPIRY_S: u32 = 24 * 3600;
/// Messages a version 5 broker may have under way to us. Some brokers ignore it: our own queues are the bound.
const RECEIVE_MAX: u16 = 1000;
/// Our own outgoing publishes are one marker per connection.
const INFLIGHT_MAX: u16 = 100;

/// Our own largest packet, which is the list of filters.
const OUTGOING_BYTES_MAX: usize = 1 << 20;

/// The half that asks. Never waits.
pub(super) enum Client {
    V311(rumqttc::AsyncClient),
    V5(v5::AsyncClient),
}

/// The half that must be polled.
pub(super) enum Events {
    V311(Box<rumqttc::EventLoop>),
    V5(Box<v5::EventLoop>),
}

/// What the broker sent, as far as we care.
pub(super) enum Packet {
    /// Connected. `resumed` = the broker had kept our session, and perhaps messages.
    Connected { resumed: bool },
    /// One entry per filter in order; true = granted.
    Subscribed(Vec<bool>),
    /// A message.
    Message(Message),
    /// Any other sign of life from the broker.
    Alive,
    /// Something of ours went out: no sign of life.
    Sent,
}

/// A message as received.
pub(super) enum Message {
    V311(rumqttc::Publish),
    V5(v5::mqttbytes::v5::Publish),
}

impl Message {
    /// None where it is not text. Empty only where the broker broke the protocol.
    pub(super) fn topic(&self) -> Option<&str> {
        match self {
            Message::V311(m) => Some(&m.topic),
            Message::V5(m) => std::str::from_utf8(&m.topic).ok(),
        }
    }
    pub(super) fn payload(&self) -> &[u8] {
        match self {
            Message::V311(m) => &m.payload,
            Message::V5(m) => &m.payload,
        }
    }
    /// None for QoS 0: nothing is owed.
    pub(super) fn id(&self) -> Option<u16> {
        let id = match self {
            Message::V311(m) => m.pkid,
            Message::V5(m) => m.pkid,
        };
        (id != 0).then_some(id)
    }
    /// Sent because we subscribed, not because it was published now.
    pub(super) fn retained(&self) -> bool {
        match self {
            Message::V311(m) => m.retain,
            Message::V5(m) => m.retain,
        }
    }
}

/// What the broker keeps for us.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Session {
    /// All that is not acknowledged: QoS 1 under our client id.
    Kept,
    /// Nothing: QoS 0 under an id of its own, `<client id>-live`, beside the kept session, which goes on filling up.
    Live,
}

/// New halves for one connection. They are thrown away after any error: acknowledgements, re-sends and collisions of a lost connection
/// cannot reach the next one.
pub(super) fn open(config: &Mqtt, session: Session) -> anyhow::Result<(Client, Events)> {
    let (client_id, live) = match session {
        Session::Kept => (config.client_id.clone(), false),
        Session::Live => (format!("{}-live", config.client_id), true),
    };
    let transport = match &config.tls {
        Some(tls) => Transport::Tls(TlsConfiguration::Rustls(client_config(tls)?)),
        None => Transport::Tcp,
    };
    // An IPv6 address needs brackets before a port; with TLS the host is also the verified name and must stay bare.
    let host = match config.host.contains(':') && config.tls.is_none() {
        true => format!("[{}]", config.host),
        false => config.host.clone(),
    };
    let mut network = NetworkOptions::new();
    network.set_tcp_nodelay(true);
    network.set_connection_timeout(CONNECT_S);
    let keep_alive = Duration::from_secs(config.keep_alive_s.into());
    let login = config.username.as_ref().map(|name| {
        let password = config.password.as_ref().map_or("", |p| p.reveal());
        (name.clone(), password.to_owned())
    });
    Ok(match config.version {
        MqttVersion::V311 => {
            let mut options = rumqttc::MqttOptions::new(&client_id, host, config.port);
            options
                .set_transport(transport)
                .set_keep_alive(keep_alive)
                .set_clean_session(live)
                .set_manual_acks(true)
                .set_inflight(INFLIGHT_MAX)
                .set_max_packet_size(config.packet_bytes_max, OUTGOING_BYTES_MAX);
            if let Some((name, password)) = login {
                options.set_credentials(name, password);
            }
            let (client, mut events) = rumqttc::AsyncClient::new(options, REQUESTS_MAX);
            events.set_network_options(network);
            (Client::V311(client), Events::V311(Box::new(events)))
        }
        MqttVersion::V5 => {
            let mut options = v5::MqttOptions::new(&client_id, host, config.port);
            options
                .set_transport(transport)
                .set_keep_alive(keep_alive)
                .set_clean_start(live)
                .set_session_expiry_interval(Some(if live { 0 } else { SESSION_EXPIRY_S }))
                .set_receive_maximum(Some(RECEIVE_MAX))
                .set_max_packet_size(Some(u32::try_from(config.packet_bytes_max).unwrap_or(u32::MAX)))
                .set_manual_acks(true)
                .set_connection_timeout(CONNECT_S)
                .set_outgoing_inflight_upper_limit(INFLIGHT_MAX)
                .set_network_options(network);
            if let Some((name, password)) = login {
                options.set_credentials(name, password);
            }
            let (client, events) = v5::AsyncClient::new(options, REQUESTS_MAX);
            (Client::V5(client), Events::V5(Box::new(events)))
        }
    })
}

impl Client {
    /// Asks for all filters. False = refused by the client itself: an illegal filter.
    pub(super) fn subscribe<'a>(&self, filters: impl Iterator<Item = &'a str>, session: Session) -> bool {
        match self {
            Client::V311(c) => {
                let qos = if session == Session::Kept { QoS::AtLeastOnce } else { QoS::AtMostOnce };
                c.try_subscribe_many(filters.map(|f| rumqttc::SubscribeFilter::new(f.to_owned(), qos))).is_ok()
            }
            Client::V5(c) => {
                use v5::mqttbytes::{QoS, v5::Filter};
                let qos = if session == Session::Kept { QoS::AtLeastOnce } else { QoS::AtMostOnce };
                c.try_subscribe_many(filters.map(|f| Filter::new(f, qos))).is_ok()
            }
        }
    }

    /// Publishes at QoS 1, not retained, if there is room.
    pub(super) fn publish(&self, topic: &str, payload: String) {
        // A marker that does not go out is replaced by two quiet seconds: nothing hangs on it.
        let _ = match self {
            Client::V311(c) => c.try_publish(topic, QoS::AtLeastOnce, false, payload).is_ok(),
            Client::V5(c) => c.try_publish(topic, v5::mqttbytes::QoS::AtLeastOnce, false, payload).is_ok(),
        };
    }

    /// Acknowledges by packet id; nothing else of the message is read. False = no room now, try again.
    pub(super) fn acknowledge(&self, id: u16) -> bool {
        match self {
            Client::V311(c) => {
                let mut bare = rumqttc::Publish::new("", QoS::AtLeastOnce, Vec::new());
                bare.pkid = id;
                c.try_ack(&bare).is_ok()
            }
            Client::V5(c) => {
                let qos = v5::mqttbytes::QoS::AtLeastOnce;
                let bare = v5::mqttbytes::v5::Publish { pkid: id, qos, ..Default::default() };
                c.try_ack(&bare).is_ok()
            }
        }
    }

    /// Asks for a clean end.
    pub(super) fn disconnect(&self) -> bool {
        match self {
            Client::V311(c) => c.try_disconnect().is_ok(),
            Client::V5(c) => c.try_disconnect().is_ok(),
        }
    }
}

impl Events {
    /// The next event. Not to be dropped half-way: pin it and keep it. An error ends this connection for good; the text is for people.
    pub(super) async fn poll(&mut self) -> Result<Packet, String> {
        match self {
            Events::V311(events) => match events.poll().await {
                Ok(rumqttc::Event::Incoming(packet)) => Ok(packet_v311(packet)),
                Ok(rumqttc::Event::Outgoing(_)) => Ok(Packet::Sent),
                Err(error) => Err(why_v311(&error)),
            },
            Events::V5(events) => match events.poll().await {
                Ok(v5::Event::Incoming(packet)) => Ok(packet_v5(packet)),
                Ok(v5::Event::Outgoing(_)) => Ok(Packet::Sent),
                Err(error) => Err(why_v5(&error)),
            },
        }
    }
}

fn packet_v311(packet: rumqttc::Packet) -> Packet {
    use rumqttc::{Packet as P, SubscribeReasonCode::Success};
    match packet {
        P::ConnAck(ack) => Packet::Connected { resumed: ack.session_present },
        P::SubAck(ack) => Packet::Subscribed(ack.return_codes.iter().map(|c| matches!(c, Success(_))).collect()),
        P::Publish(message) => Packet::Message(Message::V311(message)),
        _ => Packet::Alive,
    }
}

fn packet_v5(packet: v5::mqttbytes::v5::Packet) -> Packet {
    use v5::mqttbytes::v5::{Packet as P, SubscribeReasonCode::Success};
    match packet {
        P::ConnAck(ack) => Packet::Connected { resumed: ack.session_present },
        P::SubAck(ack) => Packet::Subscribed(ack.return_codes.iter().map(|c| matches!(c, Success(_))).collect()),
        P::Publish(message) => Packet::Message(Message::V5(message)),
        _ => Packet::Alive,
    }
}

fn why_v311(error: &rumqttc::ConnectionError) -> String {
    use rumqttc::{ConnectionError as E, StateError};
    match error {
        E::MqttState(StateError::Deserialization(mqttbytes::Error::PayloadSizeLimitExceeded(bytes))) => oversize(*bytes),
        E::MqttState(StateError::AwaitPingResp) => "the broker does not answer pings".into(),
        other => translated(other.to_string()),
    }
}

fn why_v5(error: &v5::ConnectionError) -> String {
    use v5::mqttbytes::Error;
    use v5::{ConnectionError as E, StateError};
    match error {
        E::MqttState(StateError::Deserialization(Error::PayloadSizeLimitExceeded { pkt_size, .. })) => oversize(*pkt_size),
        E::MqttState(StateError::IncomingPacketTooLarge { pkt_size, .. }) => oversize(*pkt_size),
        E::MqttState(StateError::AwaitPingResp) => "the broker does not answer pings".into(),
        other => translated(other.to_string()),
    }
}

fn oversize(bytes: usize) -> String {
    format!(
        "payload size limit exceeded: a message of {bytes} bytes waits for us and will come again at each connection; \
         raise packet_bytes_max, or have the broker's operator remove it"
    )
}

fn translated(error: String) -> String {
    if error.contains("CertificateRequired") {
        format!("the broker wants a client certificate (tls.identity): {error}")
    } else {
        error
    }
}
