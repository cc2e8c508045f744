//! Where effects go once the disk has them: brokers are acknowledged, notices handed to their channels, commands answered, rules stopped.
//! Owns: the rule "write, sync, then act". Must not know: why an effect was made.

use super::Input;
use crate::journal::Durable;
use crate::links::Ack;
use crate::notices::{Delivered, Deliverer};
use crate::rules::Runner;
use brain::Notice;
use brain::event::Effect;
use std::collections::BTreeMap;
use std::sync::Arc;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;

/// What answers whoever waits, with the sequence number that covers it. Dropped unused where nothing was recorded: no answer is promised then.
pub type After = Box<dyn FnOnce(u64) + Send>;

/// Effects that wait for the disk.
pub struct Due {
    /// Highest record they rest on; 0 = recorded nowhere: act, but acknowledge nothing.
    pub through: u64,
    /// What to do.
    pub effects: Vec<Effect>,
    /// Field messages to acknowledge.
    pub acks: Vec<Ack>,
    /// Who waits.
    pub after: Option<After>,
}

/// Tries to deliver notices running at once. A notice that finds no place is told again by the brain.
const TRIES_MAX: usize = 16;

/// Carries effects out.
pub struct Router {
    /// Highest record on disk.
    pub durable: watch::Receiver<Durable>,
    /// False while nothing can be put on record: nothing waits for the disk then, and nothing is acknowledged.
    pub recorded: watch::Receiver<bool>,
    /// Audience name -> its client; an audience without one looks at the plant's own screens.
    pub deliverers: BTreeMap<String, Arc<Deliverer>>,
    /// Rules, to stop one.
    pub runner: Arc<Runner>,
    /// Back to the brain: receipts.
    pub inputs: mpsc::Sender<Input>,
}

impl Router {
    /// Runs until the sender of `due` is gone and all that came has been routed.
    pub async fn run(mut self, mut due: mpsc::Receiver<Due>) {
        let mut tries = JoinSet::new();
        loop {
            tokio::select! {
                next = due.recv() => match next {
                    Some(next) => self.route(next, &mut tries).await,
                    None => return,
                },
                Some(_) = tries.join_next() => {}
            }
        }
    }

    async fn route(&mut self, next: Due, tries: &mut JoinSet<()>) {
        if next.through > 0 {
            tokio::select! {
                known = self.durable.wait_for(|d| d.seq >= next.through) => if known.is_err() { return },
                _ = self.recorded.wait_for(|recorded| !recorded) => {}
            }
        }
        let recorded = next.through > 0 && self.durable.borrow().seq >= next.through;
        if recorded {
            next.acks.into_iter().for_each(Ack::done);
        }
        if recorded && let Some(after) = next.after {
            after(next.through);
        }
        for effect in next.effects {
            match effect {
                Effect::Tell { notice, .. } => self.tell(notice, tries),
                Effect::Quarantine { rule, on } => self.runner.quarantine(rule, on),
                // Screens read alarms and deliveries from the view, an answer was taken into `after`, consults went out at once.
                Effect::Alarm { .. } | Effect::Delivery { .. } | Effect::Answer { .. } | Effect::Consult { .. } => {}
            }
        }
    }

    fn tell(&self, notice: Box<Notice>, tries: &mut JoinSet<()>) {
        let inputs = self.inputs.clone();
        match self.deliverers.get(&notice.audience) {
            Some(_) if tries.len() >= TRIES_MAX => {}
            Some(deliverer) => {
                let deliverer = Arc::clone(deliverer);
                tries.spawn(async move {
                    let delivered = deliverer.deliver(&notice).await;
                    let _ = inputs.send(Input::Delivered { notice: notice.id, delivered }).await;
                });
            }
            // Standing in the view is the receipt.
            None => {
                tries.spawn(async move {
                    let delivered = Delivered::Receipt { code: "console".to_owned() };
                    let _ = inputs.send(Input::Delivered { notice: notice.id, delivered }).await;
                });
            }
        }
    }
}
