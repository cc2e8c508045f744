//! CAP to a subject of a NATS JetStream. The stream's acknowledgement is the receipt: it has the message, once, under the notice's identifier; that anybody
//! reads it, nobody says. Must not know: when to try again.

use super::super::deliver::Delivered;
use crate::config::types::Nats;
use crate::tls::client_config;
use anyhow::{Context, ensure};
use async_nats::jetstream;
use async_nats::jetstream::publish::PublishAck;
use async_nats::{ConnectOptions, HeaderMap};
use brain::Notice;
use std::time::Duration;

/// Publishes to one stream.
#[derive(Debug)]
pub struct Publisher {
    channel: Nats,
}

impl Publisher {
    /// Connects to nobody yet.
    pub fn new(channel: Nats) -> Publisher {
        Publisher { channel }
    }

    /// One try, on a connection of its own: nothing waits in a client that the outbox does not know of.
    pub async fn deliver(&self, notice: &Notice, words: String) -> Delivered {
        let limit = Duration::from_millis(self.channel.cap.timeout_ms);
        match tokio::time::timeout(limit, self.publish(notice, words)).await {
            Ok(Ok(ack)) => {
                let again = if ack.duplicate { ", which it had" } else { "" };
                Delivered::Receipt { code: format!("JetStream {} {}{again}", ack.stream, ack.sequence), accepted: false }
            }
            Ok(Err(error)) => Delivered::Failed { detail: format!("{error:#}"), rejected: false },
            Err(_) => {
                Delivered::Failed { detail: format!("no acknowledgement within {} ms", limit.as_millis()), rejected: false }
            }
        }
    }

    async fn publish(&self, notice: &Notice, words: String) -> anyhow::Result<PublishAck> {
        let channel = &self.channel;
        let mut options = ConnectOptions::new().max_reconnects(1);
        if let Some(tls) = &channel.cap.tls {
            options = options.require_tls(true).tls_client_config(client_config(tls)?.as_ref().clone());
        }
        if let Some(token) = &channel.cap.token {
            options = options.token(token.reveal().to_owned());
        }
        if let Some((user, password)) = &channel.login {
            options = options.user_and_password(user.clone(), password.reveal().to_owned());
        }
        let client = options.connect(channel.cap.url.as_str()).await.context("no connection")?;
        let mut headers = HeaderMap::new();
        headers.insert("Nats-Msg-Id", notice.identifier.as_str());
        let most = client.server_info().max_payload;
        ensure!(words.len() <= most, "a message of {} bytes, and the server takes {most} at most", words.len());
        let stream = jetstream::new(client.clone());
        let published = stream.publish_with_headers(channel.subject.clone(), headers, words.into()).await;
        let ack = published.context("not published")?.await.context("no stream keeps this subject, or does not say so")?;
        let _ = client.drain().await;
        Ok(ack)
    }
}
