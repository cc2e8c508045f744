//! What a machine refused: told again now and then, until it, or a later one of its chain, has come. It holds up nothing for long: what comes later goes
//! at once, except while one more try of the refused one is on its way. So nothing of a chain overtakes: what was refused is told neither across a
//! later one that is on its way nor after one that came. Must not know: formats, transports, why a machine refuses.

use crate::brain::Brain;
use crate::event::Effect;
use crate::notice::{Delivery, NoticeId, OutboxRow};
use crate::outbox::{Chain, RESEND_MAX_US};
use crate::reading::Micros;
use crate::timer::Timer;

/// A message that a machine refused is told again this often, should the receiver have mended its side (own default).
pub(crate) const REFUSED_US: Micros = 600_000_000;

impl Brain {
    /// A refused one that is told again is in the way of what comes later until that try is over: until [`Brain::settle`].
    pub(crate) fn step_in(&mut self, id: NoticeId) {
        let Some(row) = self.outbox.get(&id).filter(|row| row.again) else { return };
        let Some((_, audience)) = self.place_of(&row.notice) else { return };
        if let Some(chain) = self.chain_mut(id).filter(|chain| !chain.waiting.contains(&id)) {
            chain.waiting.push_front(id);
            self.waiting[audience] += 1;
        }
    }

    /// Owed, and nothing of its chain goes before it, or, where it was refused, is on its way.
    pub(crate) fn is_next(&self, row: &OutboxRow) -> bool {
        let next = self.chain_of(row).map(Chain::next);
        row.is_owed()
            && match next {
                Some(Some(next)) => next == row.notice.id,
                Some(None) => row.again,
                None => true,
            }
    }

    /// A refused one is told once more, never across a later one that is on its way.
    pub(crate) fn tell_refused(&mut self, id: NoticeId, out: &mut Vec<Effect>) {
        let Some(row) = self.outbox.get(&id) else { return };
        if self.is_overtaken(row) {
            return self.let_go(id, out);
        }
        let is_next = self.is_next(row);
        let holds_up = is_next && self.chain_of(row).is_some_and(|chain| chain.waiting.len() > 1);
        match (is_next, holds_up) {
            (true, false) => self.tell(id, out),
            (false, _) => self.wait_behind(id),
            // Nobody knows what became of its last try, so long ago: later ones wait for that no more, and what of it still waits is not sent.
            (true, true) => {
                out.push(Effect::Delivery { notice: id });
                self.settle(id, out);
                self.wait_behind(id);
            }
        }
    }

    /// A refused one whose turn it is not is looked at again soon.
    pub(crate) fn wait_behind(&mut self, id: NoticeId) {
        if self.outbox.get(&id).is_some_and(|row| row.again) {
            self.timers.at(self.now.saturating_add(RESEND_MAX_US), Timer::Resend(id));
        }
    }

    /// The try of a refused one is over, and it is still owed, unless a later one came meanwhile: later ones go.
    pub(crate) fn tried(&mut self, id: NoticeId, out: &mut Vec<Effect>) {
        let Some(row) = self.outbox.get(&id).filter(|row| row.again) else { return };
        if self.is_overtaken(row) { self.let_go(id, out) } else { self.settle(id, out) }
    }

    /// A later one of its chain came.
    pub(crate) fn is_overtaken(&self, row: &OutboxRow) -> bool {
        self.chain_of(row).is_some_and(|chain| chain.newest > Some(row.notice.id))
    }

    /// Earlier refused messages of the chain are owed no more: this one says more than they do. Where it is refused itself (`refused`) and nothing of
    /// the chain came, the first stays owed: it may come where this one does not. One that is being told is left to the end of its try.
    pub(crate) fn supersede(&mut self, id: NoticeId, refused: bool, out: &mut Vec<Effect>) {
        let Some(row) = self.outbox.get(&id) else { return };
        let nothing_came = self.chain_of(row).is_none_or(|chain| chain.sent().is_empty());
        let of_accident = row.notice.is_of_accident();
        let (audience, alarm, _) = row.place();
        let refused_ones = self.refused.range((audience.clone(), alarm, NoticeId(0))..(audience, alarm, id)).map(|(.., id)| *id);
        let over = refused_ones.filter(|id| self.outbox.get(id).is_some_and(|row| row.notice.is_of_accident() == of_accident));
        let over = over.skip(usize::from(refused && nothing_came)).filter(|id| !self.is_waiting(*id));
        let over: Vec<NoticeId> = over.collect();
        for id in over {
            self.let_go(id, out);
        }
    }

    /// A refused message is owed no more: what of it waits to be sent must not be.
    pub(crate) fn let_go(&mut self, id: NoticeId, out: &mut Vec<Effect>) {
        if self.forgive(id) {
            out.push(Effect::Delivery { notice: id });
            self.settle(id, out);
        }
    }

    /// A refused message is owed no more. Whether it was; one that is being told is settled by whoever asks.
    pub(crate) fn forgive(&mut self, id: NoticeId) -> bool {
        let Some(row) = self.outbox.get_mut(&id).filter(|row| row.again) else { return false };
        row.again = false;
        self.refused.remove(&row.place());
        if !self.is_waiting(id) {
            self.remember(id);
        }
        true
    }

    /// It stands in its chain: it is being told, or is to be.
    pub(crate) fn is_waiting(&self, id: NoticeId) -> bool {
        self.outbox.get(&id).and_then(|row| self.chain_of(row)).is_some_and(|chain| chain.waiting.contains(&id))
    }

    /// The refused one that is owed behind this one, which came.
    pub(crate) fn refused_behind(&self, id: NoticeId) -> Option<NoticeId> {
        let row = self.outbox.get(&id).filter(|row| matches!(row.delivery, Delivery::Received | Delivery::Acknowledged))?;
        let (audience, alarm, _) = row.place();
        let behind = self.refused.range((audience.clone(), alarm, NoticeId(id.0 + 1))..=(audience, alarm, NoticeId(u64::MAX)));
        let of_accident = row.notice.is_of_accident();
        let same = |id: &NoticeId| {
            self.outbox.get(id).is_some_and(|row| row.notice.is_of_accident() == of_accident && self.is_next(row))
        };
        behind.map(|(.., id)| *id).find(same)
    }
}
