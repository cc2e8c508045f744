//! Where effects go once the disk has them: brokers are acknowledged, notices handed to their channels, commands answered.
//! Owns: the rule "write, sync, then act". Must not know: why an effect was made.

use super::Input;
use crate::journal::Durable;
use crate::links::Ack;
use crate::notices::{Courier, Delivered, letter};
use brain::event::Effect;
use brain::{Notice, NoticeId};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use tokio::sync::{Semaphore, mpsc, watch};
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
}

/// Tries to deliver to one audience running at once: one that hangs holds up nobody but itself.
const TRIES_MAX: usize = 8;

/// The way to one audience.
pub struct Way {
    /// What tries. None: the plant's own screens; standing in the view is the receipt.
    pub courier: Option<Arc<Courier>>,
    places: Arc<Semaphore>,
}

impl Way {
    /// A way with all its places free.
    pub fn new(courier: Option<Arc<Courier>>) -> Way {
        Way { courier, places: Arc::new(Semaphore::new(TRIES_MAX)) }
    }
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
    /// Notices being tried, or waiting for a place.
    pub in_hand: BTreeSet<NoticeId>,
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
                // A try that panicked stays in hand until the next start: it would panic again.
                Some(ended) = tries.join_next() => drop(ended.map(|notice| self.in_hand.remove(&notice))),
            }
        }
    }

    async fn route(&mut self, next: Due, tries: &mut JoinSet<NoticeId>) {
        if next.through > 0 {
            tokio::select! {
                // A journal that was opened again gives numbers that came to no disk to other records.
                known = self.durable.wait_for(|d| d.seq >= next.through || d.era != next.era) => if known.is_err() { return },
                _ = self.recorded.wait_for(|recorded| !recorded) => {}
            }
        }
        let recorded = next.through > 0 && self.durable.borrow().holds(next.era, next.through);
        if recorded {
            next.acks.into_iter().for_each(Ack::done);
        }
        if recorded && let Some(after) = next.after {
            after(next.through);
        }
        for effect in next.effects {
            match effect {
                Effect::Tell { notice, message, attempt } => self.tell(notice, message, attempt, tries),
                Effect::Test { audience } => self.test(audience),
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

    /// Each notice is in hand once: told again while its try still waits for a place, it is not tried twice.
    fn tell(&mut self, notice: Box<Notice>, message: Option<String>, attempt: u32, tries: &mut JoinSet<NoticeId>) {
        let Some(way) = self.ways.get(&notice.audience) else {
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
        let (inputs, courier, places) = (self.inputs.clone(), way.courier.clone(), Arc::clone(&way.places));
        tries.spawn(async move {
            let delivered = match courier {
                Some(courier) => {
                    let _place = places.acquire().await;
                    match message.ok_or_else(|| anyhow::anyhow!("it has no words")).and_then(|packed| letter::unpack(&packed)) {
                        Ok(words) => courier.deliver(&notice, words, attempt).await,
                        Err(error) => Delivered::Failed { detail: format!("{error:#}"), rejected: false },
                    }
                }
                None => Delivered::Receipt { code: "console".to_owned(), accepted: true },
            };
            let _ = inputs.send(Input::Delivered { notice: notice.id, delivered }).await;
            notice.id
        });
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::config::types::Channel;
    use crate::notices::sample;
    use std::time::Instant;

    /// What waited while the journal died and came back rests on a record that is nowhere: its number is another one's now.
    #[tokio::test]
    async fn a_number_given_again_promises_nothing_to_who_had_it_first() {
        let (_durable, durable) = watch::channel(Durable { era: 2, seq: 9, synced_at: Instant::now(), failed: None });
        let (_recorded, recorded) = watch::channel(true);
        let ways = BTreeMap::from([("screens".to_owned(), Way::new(None))]);
        let (inputs, mut told) = mpsc::channel(100);
        let mut router = Router { durable, recorded, ways, inputs, in_hand: BTreeSet::new() };
        let mut tries = JoinSet::new();
        for (era, answered) in [(1, false), (2, true)] {
            let (answer, mut answers) = mpsc::channel(1);
            let after: After = Box::new(move |seq| answer.try_send(seq).unwrap());
            let id = NoticeId(u64::from(era));
            let notice = Box::new(Notice { id, audience: "screens".to_owned(), ..sample::notice() });
            let effects = vec![Effect::Tell { notice, message: None, attempt: 1 }];
            router.route(Due { through: 9, era, effects, acks: vec![], after: Some(after) }, &mut tries).await;
            assert_eq!(answers.recv().await, answered.then_some(9), "era {era}");
            assert!(matches!(told.recv().await, Some(Input::Delivered { notice, .. }) if notice == id), "told all the same");
        }
    }

    /// More notices than places for an audience that never answers, then one for an audience that does: it is told. One that is told again while
    /// its try waits is not tried twice.
    #[tokio::test]
    async fn an_audience_that_hangs_holds_up_nobody_else() {
        let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}/cap", silent.local_addr().unwrap());
        let courier = Courier::of(&Channel::Cap(sample::channel(&url)), None, &[]).unwrap().map(Arc::new);
        let ways = BTreeMap::from([("hangs".to_owned(), Way::new(courier)), ("screens".to_owned(), Way::new(None))]);
        let (_durable, durable) = watch::channel(Durable { era: 1, seq: 9, synced_at: Instant::now(), failed: None });
        let (_recorded, recorded) = watch::channel(true);
        let (inputs, mut told) = mpsc::channel(100);
        let mut router = Router { durable, recorded, ways, inputs, in_hand: BTreeSet::new() };
        let notice =
            |id: u64, audience: &str| Box::new(Notice { id: NoticeId(id), audience: audience.to_owned(), ..sample::notice() });
        let tell = |notice, attempt| Effect::Tell { notice, message: Some(letter::pack("<alert/>").unwrap()), attempt };
        let mut effects: Vec<Effect> = (0..TRIES_MAX as u64 * 3).map(|id| tell(notice(id, "hangs"), 1)).collect();
        effects.push(tell(notice(0, "hangs"), 2));
        effects.push(tell(notice(99, "screens"), 1));
        effects.push(tell(notice(100, "nobody"), 1));
        let mut tries = JoinSet::new();
        router.route(Due { through: 9, era: 1, effects, acks: vec![], after: None }, &mut tries).await;
        assert_eq!(tries.len(), TRIES_MAX * 3 + 1, "once each, and nobody is no receipt");
        let Some(Input::Delivered { notice, delivered }) = told.recv().await else { panic!("somebody was told") };
        assert_eq!((notice, delivered), (NoticeId(99), Delivered::Receipt { code: "console".to_owned(), accepted: true }));
    }
}
