//! The way to one audience: which of the notices that wait for it is tried next, and how many at once. The worst first, those of one level in the order
//! in which they came; who waits longest has a turn now and then, so that nobody waits for ever. Two of one alarm do not wait here together: the brain
//! tells the second when the first has come. Must not know: how a notice travels, when it is tried again.

use crate::notices::Courier;
use brain::{Notice, NoticeId, Severity};
use std::collections::VecDeque;
use std::sync::Arc;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Tries to deliver to one audience running at once: one that hangs holds up nobody but itself.
const TRIES_MAX: usize = 8;
/// The same where a machine takes each message by itself, as a bureau does: one 50 ms away takes 2 500 a second, so that 3 000 red and orange ones of a
/// flood have left within two (own choice). Over HTTP/1.1 that is as many connections, over HTTP/2 and to a broker one.
const MACHINE_TRIES_MAX: usize = 128;
/// Yellow and blue may have all of these but one in so many: should theirs hang, red and orange still go at once.
const KEPT_OF: usize = 4;
/// So often it is the turn of who waits longest (own choice: seven of eight are for the worst).
const OLDEST_EVERY: u64 = 8;

/// A notice to be tried.
pub struct Letter {
    /// Which.
    pub notice: Box<Notice>,
    /// Its words, packed.
    pub message: Option<String>,
    /// Which of the numbers of its audience is called.
    pub number: u32,
}

/// A place among the tries that run; free again when it is dropped.
pub struct Place {
    _any: OwnedSemaphorePermit,
    _calm: Option<OwnedSemaphorePermit>,
}

/// The way to one audience.
pub struct Way {
    /// What tries. None: the plant's own screens; standing in the view is the receipt.
    pub courier: Option<Arc<Courier>>,
    /// By level, red first, and in each with the number of its arrival; each notice once.
    waiting: [VecDeque<(u64, Letter)>; 4],
    arrived: u64,
    begun: u64,
    places: Arc<Semaphore>,
    /// Those of them that yellow and blue may have.
    calm: Arc<Semaphore>,
}

impl Way {
    /// A way with all its places free, as many as its channel bears.
    pub fn new(courier: Option<Arc<Courier>>) -> Way {
        let places = match courier.as_deref() {
            Some(Courier::Cap(_) | Courier::Nats(_) | Courier::Mqtt(_)) => MACHINE_TRIES_MAX,
            // People's, and their vendors count.
            Some(Courier::Webhook(_) | Courier::Bot(_) | Courier::Mail(_) | Courier::Annunciator(_)) | None => TRIES_MAX,
        };
        Way::of(courier, places)
    }

    /// A way with so many places.
    pub(super) fn of(courier: Option<Arc<Courier>>, places: usize) -> Way {
        let calm = places - places / KEPT_OF;
        let (places, calm) = (Arc::new(Semaphore::new(places)), Arc::new(Semaphore::new(calm)));
        Way { courier, waiting: Default::default(), arrived: 0, begun: 0, places, calm }
    }

    /// It waits for its turn.
    pub fn wait(&mut self, letter: Letter) {
        // An accident is as urgent as red, whatever its alarm was.
        let severity = if letter.notice.is_of_accident() { Severity::Red } else { letter.notice.alarm.severity };
        let level = Severity::Red as usize - severity as usize;
        self.waiting[level].push_back((self.arrived, letter));
        self.arrived += 1;
    }

    /// It waits no more. Whether it did.
    pub fn leave(&mut self, notice: NoticeId) -> bool {
        let place = |line: &VecDeque<(u64, Letter)>| line.iter().position(|(_, letter)| letter.notice.id == notice);
        self.waiting.iter_mut().any(|line| place(line).and_then(|place| line.remove(place)).is_some())
    }

    /// Whose turn it is, and its place; none where nobody waits, or no place is free for who does.
    pub fn next(&mut self) -> Option<(Letter, Place)> {
        let any = Arc::clone(&self.places).try_acquire_owned().ok()?;
        let calm = Arc::clone(&self.calm).try_acquire_owned().ok();
        let is_calm = |level: usize| level > Severity::Red as usize - Severity::Orange as usize;
        let mut levels = (0..4).filter(|level| !self.waiting[*level].is_empty() && (calm.is_some() || !is_calm(*level)));
        let level = match self.begun % OLDEST_EVERY {
            0 => levels.min_by_key(|level| self.waiting[*level].front().map(|(arrived, _)| *arrived)),
            _ => levels.next(),
        }?;
        let (_, letter) = self.waiting[level].pop_front()?;
        self.begun += 1;
        Some((letter, Place { _any: any, _calm: calm.filter(|_| is_calm(level)) }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::types::{Bot, Channel, Secret, Vendor};
    use crate::notices::sample;
    use brain::Alarm;

    fn letter(id: u64, severity: Severity) -> Letter {
        let alarm = Box::new(Alarm { severity, ..*sample::notice().alarm });
        Letter { notice: Box::new(Notice { id: NoticeId(id), alarm, ..sample::notice() }), message: None, number: 0 }
    }

    fn way(letters: impl IntoIterator<Item = (u64, Severity)>) -> Way {
        let mut way = Way::new(None);
        letters.into_iter().for_each(|(id, severity)| way.wait(letter(id, severity)));
        way
    }

    /// Numbers in the order in which they are tried, each try over before the next begins.
    fn order(way: &mut Way) -> Vec<u64> {
        std::iter::from_fn(|| way.next().map(|(letter, _)| letter.notice.id.0)).collect()
    }

    #[test]
    fn who_leaves_is_not_tried() {
        let mut way = way([(1, Severity::Yellow), (2, Severity::Red), (3, Severity::Yellow)]);
        assert!(way.leave(NoticeId(1)) && way.leave(NoticeId(2)) && !way.leave(NoticeId(2)));
        assert_eq!(order(&mut way), [3]);
    }

    #[test]
    fn the_worst_go_first_and_those_of_a_level_in_order() {
        use Severity::{Blue, Orange, Red, Yellow};
        let mut way = way([(1, Blue), (2, Yellow), (3, Orange), (4, Red), (5, Blue), (6, Orange), (7, Red), (8, Yellow)]);
        way.begun = 1;
        assert_eq!(order(&mut way), [4, 7, 3, 6, 2, 8, 1, 5]);
    }

    /// However many red ones come, who waits longest gets one try in eight.
    #[test]
    fn nobody_waits_for_ever() {
        let calm = (1..=20).map(|id| (id, Severity::Blue));
        let mut way = way(calm.chain((100..1_000).map(|id| (id, Severity::Red))));
        let order = order(&mut way);
        let tried = |of: &[u64], most: u64| of.iter().filter(|id| **id <= most).count();
        assert_eq!(tried(&order[..160], 20), 20, "each eighth");
        assert!(order[..8].iter().filter(|id| **id >= 100).count() == 7, "seven of eight are red: {:?}", &order[..8]);
        assert_eq!(order.len(), 920);
    }

    /// A bureau that is far away is told many at once; a chat, a gateway and the like a few. A quarter is kept in each.
    #[test]
    fn a_bureau_has_more_places_and_keeps_the_same_share() {
        let to = |channel: Channel| Some(Arc::new(Courier::of(&channel, None, &[]).unwrap().unwrap()));
        let bot = Bot { vendor: Vendor::Wecom, url: Secret::new("http://127.0.0.1:9/"), sign: None, timeout_ms: 100 };
        for (courier, calm, all) in
            [(to(Channel::Cap(sample::channel("http://127.0.0.1:9/cap"))), 96, 128), (to(Channel::Bot(bot)), 6, 8), (None, 6, 8)]
        {
            let mut way = Way::new(courier);
            (0..500).for_each(|id| way.wait(letter(id, Severity::Yellow)));
            let mut hang: Vec<Place> = std::iter::from_fn(|| way.next()).map(|(_, place)| place).collect();
            assert_eq!(hang.len(), calm);
            (500..1_000).for_each(|id| way.wait(letter(id, Severity::Red)));
            // The turn of who waits longest: a yellow one, which has no place.
            hang.extend(std::iter::from_fn(|| way.next()).map(|(_, place)| place));
            assert_eq!(hang.len(), all);
        }
    }

    /// Yellow and blue tries that hang leave places for red and orange, and theirs take all.
    #[test]
    fn what_hangs_at_a_low_level_does_not_hold_up_the_worst() {
        use Severity::{Orange, Red, Yellow};
        let mut way = way((1..=20).map(|id| (id, Yellow)));
        // Not the turn of who waits longest when it is looked at below.
        way.begun = 3;
        let mut hang: Vec<Place> = std::iter::from_fn(|| way.next()).map(|(_, place)| place).collect();
        assert_eq!(hang.len(), 6, "of eight");
        for (id, severity) in [(30, Orange), (31, Red), (32, Red)] {
            way.wait(letter(id, severity));
        }
        let (first, second) = (way.next(), way.next());
        let ids = [&first, &second].map(|next| next.as_ref().map(|(letter, _)| letter.notice.id.0));
        assert_eq!(ids, [Some(31), Some(32)]);
        assert!(way.next().is_none(), "no place is free");
        // A yellow one ends: its place is anybody's, and the orange one waits.
        hang.pop();
        assert_eq!(way.next().map(|(letter, _)| letter.notice.id.0), Some(30));
    }
}
