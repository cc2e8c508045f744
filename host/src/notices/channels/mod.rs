//! The ways out other than CAP over HTTP: one module for each kind, one enum for all of them. Each makes of a notice what its channel takes, tries once to
//! hand it over, and says what the other side said. Nothing but CAP brings more than a receipt: who reads a chat, a mail or an SMS acknowledges
//! on the console. Must not know: when to try again, how much at once (the brain's gates), who else is told.

mod annunciator;
mod bot;
mod broker;
mod mail;
mod mqtt;
mod nats;
mod webhook;

use super::deliver::{Delivered, Deliverer, Sent};
use super::{cap, fields};
use crate::config::types::{CapChannel, Channel, Trusted};
use crate::key::Key;
use anyhow::Result;
use brain::Notice;
use std::sync::Arc;

/// Carries notices to one audience.
#[derive(Debug)]
pub enum Courier {
    /// CAP over HTTP(S).
    Cap(Arc<Deliverer>),
    /// A request made from templates.
    Webhook(webhook::Caller),
    /// A bot of a group chat.
    Bot(bot::Speaker),
    /// CAP at an MQTT broker.
    Mqtt(mqtt::Publisher),
    /// CAP at a JetStream.
    Nats(nats::Publisher),
    /// E-mail.
    Mail(mail::Post),
    /// A siren or beacon.
    Annunciator(annunciator::Switch),
}

impl Courier {
    /// What carries to this channel; `own` is the site's key, which signs CAP in JSON; `trusted` says whose signed answers are believed. None: the plant's
    /// own screens.
    ///
    /// # Errors
    /// A certificate that cannot be read, named.
    pub fn of(channel: &Channel, own: Option<&Arc<Key>>, trusted: &[Trusted]) -> Result<Option<Courier>> {
        Ok(match channel {
            Channel::Console => None,
            Channel::Cap(cap) => {
                let deliverer = Deliverer::new(cap.clone())?.signing(own.cloned()).trusting(trusted);
                Some(Courier::Cap(Arc::new(deliverer)))
            }
            Channel::Webhook(webhook) => Some(Courier::Webhook(webhook::Caller::new(webhook.clone())?)),
            Channel::Bot(bot) => Some(Courier::Bot(bot::Speaker::new(bot.clone())?)),
            Channel::Mqtt(mqtt) => Some(Courier::Mqtt(mqtt::Publisher::new(mqtt.clone()))),
            Channel::Nats(nats) => Some(Courier::Nats(nats::Publisher::new(nats.clone()))),
            Channel::Mail(mail) => Some(Courier::Mail(mail::Post::new(mail)?)),
            Channel::Annunciator(spec) => Some(Courier::Annunciator(annunciator::Switch::new(spec.clone()))),
        })
    }

    /// One try to hand over a notice in the words that were made of it once; `number` says which of several is called.
    pub async fn deliver(&self, notice: &Notice, words: String, number: u32) -> Delivered {
        match self {
            Courier::Cap(deliverer) => deliverer.deliver(Some(Sent::of(notice)), words).await,
            Courier::Webhook(caller) => caller.deliver(notice, &words, number).await,
            Courier::Bot(speaker) => speaker.deliver(&words).await,
            Courier::Mqtt(publisher) => publisher.deliver(words).await,
            Courier::Nats(publisher) => publisher.deliver(notice, words).await,
            Courier::Mail(post) => post.deliver(&words).await,
            Courier::Annunciator(switch) => switch.deliver(notice).await,
        }
    }
}

/// The words of a notice for a channel: kept on record before its first try, the same in every try. `anchor` is a head of the plant's record that a
/// message to the bureau carries. None: it needs no words.
pub fn words(notice: &Notice, channel: &Channel, anchor: Option<&str>) -> Option<String> {
    match channel {
        Channel::Console => None,
        Channel::Cap(cap) => Some(signed(notice, cap, anchor)),
        // Plain data is always JSON.
        Channel::Webhook(_) => serde_json::to_string(&fields::of(notice)).ok(),
        Channel::Bot(bot) => Some(bot::words(notice, bot.vendor)),
        Channel::Mqtt(mqtt) => Some(signed(notice, &mqtt.cap, anchor)),
        Channel::Nats(nats) => Some(signed(notice, &nats.cap, anchor)),
        Channel::Mail(mail) => {
            let made = mail::words(notice, mail);
            made.inspect_err(|error| tracing::error!(notice = notice.identifier, "no mail can be made: {error:#}")).ok()
        }
        // It has none to say; its first try is on record all the same.
        Channel::Annunciator(_) => Some(String::new()),
    }
}

/// A CAP message with the signature that its channel asks for.
fn signed(notice: &Notice, channel: &CapChannel, anchor: Option<&str>) -> String {
    // Every message of every test is judged here; a plant tells what it has.
    debug_assert_eq!(cap::check(&cap::compose(notice, channel)), Vec::<String>::new(), "{}", notice.identifier);
    let text = cap::build_anchored(notice, channel, anchor);
    let Some(signer) = &channel.signer else { return text };
    // Told without its signature rather than not at all: a receiver that wants one says so, and that is an alarm.
    cap::sign(&text, signer).unwrap_or_else(|error| {
        tracing::error!(notice = notice.identifier, "goes unsigned: {error:#}");
        text
    })
}
