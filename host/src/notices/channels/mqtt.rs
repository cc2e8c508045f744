//! CAP to a topic of an MQTT broker. The broker's acknowledgement is the receipt: that anybody reads the topic, or keeps it, nobody says.
//! Must not know: when to try again.

use super::super::deliver::Delivered;
use super::broker;
use crate::config::types::MqttChannel;
use tokio::sync::Mutex;

/// Publishes at one broker.
#[derive(Debug)]
pub struct Publisher {
    channel: MqttChannel,
    /// One visit at a time: a second one under the same name would end the first.
    turn: Mutex<()>,
}

impl Publisher {
    /// Connects to nobody yet.
    pub fn new(channel: MqttChannel) -> Publisher {
        Publisher { channel, turn: Mutex::new(()) }
    }

    /// One try.
    pub async fn deliver(&self, words: String) -> Delivered {
        let _turn = self.turn.lock().await;
        match broker::publish(&self.channel.broker, &self.channel.topic, words.into_bytes(), None).await {
            Ok(()) => Delivered::Receipt { code: format!("PUBACK {}", self.channel.topic), accepted: false },
            Err(detail) => Delivered::Failed { detail, rejected: false },
        }
    }
}
