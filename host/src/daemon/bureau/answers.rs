//! Answers on their way to a plant: in order, each until the plant takes or refuses it. Must not know: what an answer says.

use crate::notices::{Delivered, Deliverer, letter};
use brain::bureau::{Answer, Event};
use std::collections::BTreeMap;
use std::time::Duration;
use tokio::sync::{mpsc, watch};

/// What is owed to each plant, in order, and is on record.
pub type Owed = BTreeMap<String, Vec<Answer>>;

/// Waits between two tries.
const WAIT_LEAST: Duration = Duration::from_secs(1);
const WAIT_MOST: Duration = Duration::from_secs(30);

/// Sends to one plant until the desk is gone.
pub async fn send(plant: String, deliverer: Deliverer, mut owed: watch::Receiver<Owed>, sent: mpsc::Sender<Event>) {
    let mut wait = WAIT_LEAST;
    loop {
        let first = |owed: &Owed| owed.get(&plant).and_then(|answers| answers.first()).cloned();
        let Ok(answer) = owed.wait_for(|owed| first(owed).is_some()).await.map(|owed| first(&owed)) else { return };
        let Some(Answer { number, message, .. }) = answer else { continue };
        let delivered = match letter::unpack(&message) {
            Ok(text) => deliverer.deliver(None, text).await,
            Err(error) => Delivered::Failed { detail: format!("{error:#}"), rejected: true },
        };
        let event = match delivered {
            Delivered::Receipt { .. } => Event::Delivered { answer: number },
            Delivered::Failed { detail, rejected: true } => {
                tracing::error!(plant, answer = number, "the plant refuses an answer: {detail}");
                Event::Returned { answer: number, detail }
            }
            Delivered::Failed { detail, rejected: false } => {
                tracing::warn!(plant, answer = number, "the plant has not taken an answer, tried again: {detail}");
                tokio::time::sleep(wait).await;
                wait = (wait * 2).min(WAIT_MOST);
                continue;
            }
        };
        wait = WAIT_LEAST;
        if sent.send(event).await.is_err()
            || owed.wait_for(|owed| first(owed).is_none_or(|next| next.number != number)).await.is_err()
        {
            return;
        }
    }
}
