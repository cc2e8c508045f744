//! Where effects go once the disk has them: brokers are acknowledged, notices handed to their channels, commands answered.
//! Owns: the rule "write, sync, then act", and that a notice is in hand once. Must not know: why an effect was made, which notice goes first.

use super::Input;
use super::way::{Letter, Place, Way};
use crate::journal::Durable;
use crate::links::Ack;
use crate::notices::{Courier, Delivered, letter};
use brain::NoticeId;
use brain::event::Effect;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;

/// What answers whoever waits, with the sequence number that covers it. Dropped unused where nothing was recorded: no answer is promised then.
pub type After = Box<dyn FnOnce(u64) + Send>;

/// Effects that wait for the disk.
pub struct Due {
    /// Highest record they rest on; 0 = recorded nowhere: act, but acknowledge nothing.
    pub through: u64,
    /// Of the journal that gave it this number.
    pub era: u32,
    /// What to do.
    pub effects: Vec<Effect>,
    /// Field messages to acknowledge.
    pub acks: Vec<Ack>,
    /// Who waits.
    pub after: Option<After>,
    /// The brain took a receipt of this notice in this step: what it tells of it from the next one on, it tells in the knowledge of that.
    pub heard: Option<NoticeId>,
}

/// Carries effects out.
pub struct Router {
    /// Highest record on disk.
    pub durable: watch::Receiver<Durable>,
    /// False while nothing can be put on record: nothing waits for the disk then, and nothing is acknowledged.
    pub recorded: watch::Receiver<bool>,
    /// Audience name -> the way to it.
    pub ways: BTreeMap<String, Way>,
    /// Back to the brain: receipts.
    pub inputs: mpsc::Sender<Input>,
    /// Notices that wait for a place, or are being tried, or came and the brain does not know it yet.
    pub in_hand: BTreeSet<NoticeId>,
}

/// Tries on their way; each ends with its notice, and whether it came.
type Tries = JoinSet<(NoticeId, bool)>;

impl Router {
    /// Runs until the sender of `due` is gone and all that came has been routed.
    pub async fn run(mut self, mut due: mpsc::Receiver<Due>) {
        let mut tries = Tries::new();
        let mut next = None;
        loop {
            let rests_on = next.as_ref().map_or((0, 0), |next: &Due| (next.through, next.era));
            tokio::select! {
                biased;
                // Before all that tells of it again; and what waits for a place does not wait for the disk.
                Some(ended) = tries.join_next() => self.ended(ended.ok(), &mut tries),
                known = on_disk(&mut self.durable, &mut self.recorded, rests_on), if next.is_some() => match next.take() {
                    Some(next) if known => self.route(next, &mut tries),
                    Some(_) | None => return,
                },
                came = due.recv(), if next.is_none() => match came {
                    Some(came) => next = Some(came),
                    None => return,
                },
            }
        }
    }

    fn route(&mut self, next: Due, tries: &mut Tries) {
        let recorded = next.through > 0 && self.durable.borrow().holds(next.era, next.through);
        if recorded {
            next.acks.into_iter().for_each(Ack::done);
        }
        if recorded && let Some(after) = next.after {
            after(next.through);
        }
        for effect in next.effects {
            match effect {
                Effect::Tell { notice, message, number, .. } => self.tell(Letter { notice, message, number }, tries),
                Effect::Test { audience } => self.test(audience),
                // Given up before its turn: what is told in its place must not be overtaken by it.
                Effect::Delivery { notice } if next.heard != Some(notice) => {
                    if self.ways.values_mut().any(|way| way.leave(notice)) {
                        self.in_hand.remove(&notice);
                    }
                }
                // Screens read alarms and deliveries from the view, an answer was taken into `after`, what is for rules went to them at once.
                Effect::Alarm { .. }
                | Effect::Delivery { .. }
                | Effect::Answer { .. }
                | Effect::Rule { .. }
                | Effect::Consult { .. }
                | Effect::Quarantine { .. }
                | Effect::RunBeside { .. }
                | Effect::EndBeside { .. } => {}
            }
        }
        // Behind the effects: one that tells it again was made before the receipt was taken.
        if let Some(notice) = next.heard {
            self.in_hand.remove(&notice);
        }
        self.begin(tries);
    }

    /// Sounds an annunciator for a moment; what it says goes on record.
    fn test(&self, audience: String) {
        let courier = self.ways.get(&audience).and_then(|way| way.courier.clone());
        let inputs = self.inputs.clone();
        tokio::spawn(async move {
            let tested = match courier.as_deref() {
                Some(Courier::Annunciator(switch)) => switch.test().await,
                _ => Err("no annunciator".to_owned()),
            };
            let (well, detail) = (tested.is_ok(), tested.unwrap_or_else(|error| error));
            let _ = inputs.send(Input::Tested { audience, well, detail }).await;
        });
    }

    /// Each notice is in hand once: told again before the brain knows what became of its try, it is not tried twice.
    fn tell(&mut self, letter: Letter, tries: &mut Tries) {
        let notice = &letter.notice;
        let Some(way) = self.ways.get_mut(&notice.audience) else {
            tracing::error!(
                audience = notice.audience,
                notice = notice.identifier,
                "nobody of this name is in the site file: not told"
            );
            return;
        };
        if !self.in_hand.insert(notice.id) {
            return;
        }
        match way.courier {
            Some(_) => way.wait(letter),
            None => {
                let (inputs, id) = (self.inputs.clone(), notice.id);
                let delivered = Delivered::Receipt { code: "console".to_owned(), accepted: true };
                tries.spawn(async move { answered(&inputs, id, delivered).await });
            }
        }
    }

    /// Begins as many tries as there are places for.
    fn begin(&mut self, tries: &mut Tries) {
        for way in self.ways.values_mut() {
            let Some(courier) = &way.courier else { continue };
            let courier = Arc::clone(courier);
            while let Some((letter, place)) = way.next() {
                tries.spawn(attempt(Arc::clone(&courier), letter, place, self.inputs.clone()));
            }
        }
    }

    /// A try that failed may be made again; of one that came, the brain must know first. One that panicked stays in hand until the next start: it
    /// would panic again.
    fn ended(&mut self, ended: Option<(NoticeId, bool)>, tries: &mut Tries) {
        if let Some((notice, false)) = ended {
            self.in_hand.remove(&notice);
        }
        self.begin(tries);
    }
}

/// Waits until the record of this number and era is on disk, or nothing is recorded. False: nobody will ever say so.
async fn on_disk(
    durable: &mut watch::Receiver<Durable>,
    recorded: &mut watch::Receiver<bool>,
    (through, era): (u64, u32),
) -> bool {
    if through == 0 {
        return true;
    }
    tokio::select! {
        // A journal that was opened again gives numbers that came to no disk to other records.
        known = durable.wait_for(|d| d.seq >= through || d.era != era) => known.is_ok(),
        _ = recorded.wait_for(|recorded| !recorded) => true,
    }
}

/// One try, and its answer to the brain. It keeps its place until the answer is handed over.
async fn attempt(courier: Arc<Courier>, letter: Letter, place: Place, inputs: mpsc::Sender<Input>) -> (NoticeId, bool) {
    let Letter { notice, message, number } = letter;
    let words = message.ok_or_else(|| anyhow::anyhow!("it has no words")).and_then(|packed| letter::unpack(&packed));
    let delivered = match words {
        Ok(words) => courier.deliver(&notice, words, number).await,
        Err(error) => Delivered::Failed { detail: format!("{error:#}"), rejected: false },
    };
    let ended = answered(&inputs, notice.id, delivered).await;
    drop(place);
    ended
}

async fn answered(inputs: &mpsc::Sender<Input>, notice: NoticeId, delivered: Delivered) -> (NoticeId, bool) {
    let came = matches!(delivered, Delivered::Receipt { .. });
    let _ = inputs.send(Input::Delivered { notice, delivered }).await;
    (notice, came)
}

#[cfg(test)]
mod tests;
