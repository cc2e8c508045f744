//! One try to hand a notice to a receiver of CAP over HTTP(S), and what became of it.
//! Must not know: when to try again (the brain asks again), what a person answers later (that comes back on its own, see `answer`).
//!
//! A receipt says that a machine has it; a CAP Ack or Error in the body, in XML or JSON, that the receiver's system takes or refuses it. No body of a
//! response, whoever wrote it, ever counts as a person's answer.

use super::cap::{self, CapError, MsgType, Status};
use super::http::{body, chain, client, refuses, succeeded};
use super::proof::{Unproved, proved, proved_json};
use super::watcher::{KEY_HEADER, SIGNATURE_HEADER};
use crate::config::types::{CapChannel, Form, Trusted};
use crate::key::{Key, Meaning};
use anyhow::{Context, Result};
use brain::Notice;
use brain::site::Mode;
use reqwest::{Client, Response, StatusCode};
use std::sync::Arc;

/// What one try came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Delivered {
    /// The receiver's machine has it.
    Receipt {
        /// `HTTP <status>`, and the identifier of its CAP Ack where it sent one.
        code: String,
        /// Its system says that it accepts the message: a CAP Ack, not only a status.
        accepted: bool,
    },
    /// It does not have it, as far as we know.
    Failed {
        /// What was seen.
        detail: String,
        /// True where the same message can never be taken: trying again cannot help.
        rejected: bool,
    },
}

/// What a CAP answer must be about to count.
#[derive(Clone, Copy, Debug)]
pub struct Sent<'a> {
    /// Name of the message.
    pub identifier: &'a str,
    /// What is real, and what is a drill or a test: an answer to the one says nothing of the other.
    pub mode: Mode,
}

impl Sent<'_> {
    /// What is sent of a notice.
    pub fn of(notice: &Notice) -> Sent<'_> {
        Sent { identifier: &notice.identifier, mode: notice.mode }
    }
}

/// Sends to one channel; keeps its connections open between notices.
#[derive(Debug)]
pub struct Deliverer {
    channel: CapChannel,
    client: Client,
    key: Option<Arc<Key>>,
    trusted: Vec<Trusted>,
}

impl Deliverer {
    /// Reads the certificates of the channel. An error names the file.
    pub fn new(channel: CapChannel) -> Result<Deliverer> {
        let anchors = channel.anchors.iter().map(|anchors| anchors.url.as_str());
        let urls: Vec<&str> = anchors.chain([channel.url.as_str()]).collect();
        let client =
            client(&urls, channel.tls.as_ref(), channel.timeout_ms).with_context(|| format!("channel {}", channel.url))?;
        Ok(Deliverer { channel, client, key: None, trusted: Vec::new() })
    }

    /// Signs messages in JSON with this key, if there is one; those in XML bear their signature within.
    #[must_use]
    pub fn signing(self, key: Option<Arc<Key>>) -> Deliverer {
        Deliverer { key, ..self }
    }

    /// Believes a signed answer of one of these senders only where that sender signed it.
    #[must_use]
    pub fn trusting(self, trusted: &[Trusted]) -> Deliverer {
        Deliverer { trusted: trusted.to_vec(), ..self }
    }

    /// One try to hand over the CAP message `text`, over after the channel's timeout at the latest. `sent`: what of it a CAP answer must be about; none =
    /// it is answered by no CAP.
    pub async fn deliver(&self, sent: Option<Sent<'_>>, text: String) -> Delivered {
        let (kind, other, key) = match self.channel.form {
            Form::Xml => (cap::MEDIA_TYPE, cap::JSON_MEDIA_TYPE, None),
            Form::Json => (cap::JSON_MEDIA_TYPE, cap::MEDIA_TYPE, self.key.as_ref()),
        };
        let accept = format!("{kind}, {other};q=0.5, */*;q=0.1");
        match self.post(&self.channel.url, (kind, &accept), text, key).await {
            Ok(response) => self.judge(response, sent).await,
            Err(error) => Delivered::Failed { detail: chain(error), rejected: false },
        }
    }

    /// One try to hand over a head of the plant's record, one JSON line, where the channel keeps such. An error says what was seen.
    pub async fn keep(&self, line: String) -> Result<(), String> {
        let Some(anchors) = &self.channel.anchors else { return Ok(()) };
        let response = self.post(&anchors.url, ("application/json", "*/*"), line, None).await.map_err(chain)?;
        let page = response.headers().get("content-type").is_some_and(|kind| kind.as_bytes().starts_with(b"text/html"));
        if response.status().is_success() && page {
            return Err(format!("HTTP {} with a web page: something else answers there", response.status().as_u16()));
        }
        succeeded(&response)
    }

    async fn post(
        &self,
        url: &str,
        (kind, accept): (&str, &str),
        body: String,
        key: Option<&Arc<Key>>,
    ) -> reqwest::Result<Response> {
        let mut request = self.client.post(url).header("content-type", kind).header("accept", accept);
        if let Some(key) = key {
            let signature = key.sign(Meaning::Message, body.as_bytes());
            request = request.header(KEY_HEADER, key.public()).header(SIGNATURE_HEADER, signature);
        }
        let mut request = request.body(body);
        if let Some(token) = &self.channel.token {
            request = request.bearer_auth(token.reveal());
        }
        request.send().await
    }

    async fn judge(&self, response: Response, sent: Option<Sent<'_>>) -> Delivered {
        let status = response.status();
        let header = |name: &str| response.headers().get(name).and_then(|value| value.to_str().ok()).map(str::to_owned);
        let (kind, signature) = (header("content-type").unwrap_or_default(), header(SIGNATURE_HEADER));
        let body = match body(response).await {
            Ok(body) => body,
            // The status alone is not a receipt: what the receiver had to say is lost.
            Err(detail) => {
                return Delivered::Failed { detail: format!("HTTP {}: {detail}", status.as_u16()), rejected: false };
            }
        };
        match self.forged(&body, signature.as_deref()) {
            Some(why) => Delivered::Failed { detail: format!("HTTP {}: the answer: {why}", status.as_u16()), rejected: false },
            None => answered(status, &kind, &body, sent, self.channel.sender.as_deref()),
        }
    }

    /// What is wrong with the signature of an answer. One of a sender for whom nothing is pinned counts for the line it came over; where something is,
    /// its answers bear it.
    fn forged(&self, body: &[u8], signature: Option<&str>) -> Option<Unproved> {
        if self.trusted.is_empty() {
            return None;
        }
        let is_json = body.trim_ascii_start().first() == Some(&b'{');
        let proof = if is_json { proved_json(body, signature, &self.trusted) } else { proved(body, &self.trusted) };
        let is_pinned = |sender: &str, is_json: bool| {
            let of = self.trusted.iter().filter(|one| one.sender == sender);
            of.into_iter().any(|one| if is_json { one.key.is_some() } else { !one.certificates.is_empty() })
        };
        match proof {
            Err(error @ (Unproved::Forged(_) | Unproved::Unreadable(CapError::Signature(_)))) => Some(error),
            Err(Unproved::Unsigned(message)) if is_pinned(&message.sender, is_json) => Some(Unproved::Unsigned(message)),
            Ok(_) | Err(Unproved::Unreadable(_) | Unproved::Unsigned(_) | Unproved::Stranger(_)) => None,
        }
    }
}

/// What an answer read whole says. `sender`: whose CAP it must be.
pub(super) fn answered(status: StatusCode, kind: &str, body: &[u8], sent: Option<Sent<'_>>, sender: Option<&str>) -> Delivered {
    if status.is_success() && kind.starts_with("text/html") {
        let detail =
            format!("HTTP {} with a web page: something else than the receiver answers at this address", status.as_u16());
        return Delivered::Failed { detail, rejected: false };
    }
    if status.is_success() {
        return receipt(status, body, sent, sender);
    }
    // Whether it is worth another try is said by the status; in words by the CAP Error, where there is one.
    let words = match reply(body) {
        Some(error) if error.msg_type == MsgType::Error => format!("CAP Error: {}", error.note.unwrap_or_default()),
        _ => String::from_utf8_lossy(body).chars().take(300).collect(),
    };
    Delivered::Failed { detail: format!("HTTP {}: {}", status.as_u16(), words.trim()), rejected: refuses(status) }
}

/// A CAP message in an answer, in either form.
fn reply(body: &[u8]) -> Option<cap::Message> {
    cap::parse(body).or_else(|_| cap::json::read(body)).ok()
}

/// Why a CAP reply says nothing of what was sent, if it does not.
fn strange(reply: &cap::Message, sent: Option<Sent<'_>>, sender: Option<&str>) -> Option<String> {
    let about = |sent: &Sent<'_>| reply.triples().is_ok_and(|all| all.iter().any(|triple| triple.identifier == sent.identifier));
    let Some(sent) = sent.filter(about) else { return Some("for another message".to_owned()) };
    if reply.status.mode() != Some(sent.mode) {
        return Some(format!("of status {}, and what was sent is {}", reply.status.word(), Status::of(sent.mode).word()));
    }
    let other = sender.filter(|sender| *sender != reply.sender)?;
    Some(format!("of {:?}, and only {other:?} answers for this audience (its `sender` in the site file)", reply.sender))
}

/// A success with a CAP reply in it is judged by the reply; any other body, or none, is the receiver's own way to say yes.
fn receipt(status: StatusCode, body: &[u8], sent: Option<Sent<'_>>, sender: Option<&str>) -> Delivered {
    let code = format!("HTTP {}", status.as_u16());
    let Some(reply) = reply(body) else {
        return Delivered::Receipt { code, accepted: false };
    };
    let failed = |detail: String, rejected: bool| Delivered::Failed { detail, rejected };
    if let Some(why) = strange(&reply, sent, sender) {
        return failed(format!("{code} with a CAP {} {why}", reply.msg_type.word()), false);
    }
    match reply.msg_type {
        MsgType::Ack => Delivered::Receipt { code: format!("{code} CAP Ack {}", reply.identifier), accepted: true },
        MsgType::Error => failed(format!("CAP Error: {}", reply.note.unwrap_or_default()), true),
        MsgType::Alert | MsgType::Update | MsgType::Cancel => {
            failed(format!("{code} with a CAP {}, which is no answer", reply.msg_type.word()), false)
        }
    }
}

#[cfg(test)]
mod tests;
