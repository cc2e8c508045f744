//! What waits at one desk: batches per rule, bounded, merged where they queue. Never blocks who brings it.
//! Must not know: components, answers.
//!
//! One thread takes from here, and holds the slots that its work is for until it is done. While it is at something long another thread takes its place
//! for good, and what is held stays with whoever holds it, so nothing of a rule is judged twice or out of order. From then on the slow one is apart: it
//! takes what is distrusted, and as long as one of those is free nobody who is trusted waits for that.

use brain::event::Row;
use brain::reading::Micros;
use std::collections::{BTreeSet, VecDeque};
use std::io;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

/// Rows of one call; waiting batches are merged up to this.
pub(super) const CALL_ROWS_MAX: usize = 256;
/// Rows of one rule that may wait.
const PENDING_ROWS_MAX: usize = 16_384;
/// Batches of one rule that may wait.
const PENDING_BATCHES_MAX: usize = 4096;

/// Threads at something long beside which one more is let go from its place (own default): a plant full of slow rules must leave processors to others.
/// Where they are so many, what is distrusted waits.
const AWAY_MAX: usize = 4;

/// Calls for which a rule that struck, took long or begins anew is distrusted (own default): a second of them at a thousand per second, a minute and a
/// half at ten.
const DISTRUSTED_CALLS: u32 = 1024;

/// Who holds the slot of a rule whose thread was given up, until the rule begins again.
pub(super) const WATCH: u64 = u64::MAX;

/// What a thread does next, for one of the slots.
#[derive(Debug, PartialEq)]
pub(super) enum Work {
    /// Ask the rule, which may be expected to take long.
    Ask { slot: usize, at: Micros, rows: Vec<Row>, distrusted: bool },
    /// So many rows (an empty batch counts as one) did not find room since the last time.
    Overrun { slot: usize, at: Micros, count: u64 },
    /// Begin again from nothing.
    Renew { slot: usize },
    /// Begin where that other slot stands now: what waited for it waits for this one too.
    Inherit { slot: usize, from: usize },
}

/// The mailbox of one desk.
pub(super) struct Mailbox {
    state: Mutex<State>,
    /// Of the thread that takes.
    wake: Condvar,
    /// Of those that are apart.
    apart: Condvar,
}

#[derive(Default)]
struct State {
    slots: Vec<Slot>,
    /// Slots that begin where another one stands: before anything else is taken for either, so that it stands there still.
    heirs: VecDeque<(usize, usize)>,
    /// Slot that is looked at first next time, by those apart and by the one that takes: no rule starves another.
    turns: [usize; 2],
    /// Which thread takes what is trusted.
    taker: u64,
    /// Threads that neither ended nor were given up; all but that one are apart.
    threads: BTreeSet<u64>,
    /// Those of them that wait.
    idle: usize,
    /// The highest number that a thread was given.
    last: u64,
    stopping: bool,
}

#[derive(Default)]
struct Slot {
    /// Which thread is at work for it.
    held: Option<u64>,
    pending: VecDeque<(Micros, Vec<Row>)>,
    rows: usize,
    overrun: u64,
    /// Time of the last batch that found no room.
    overrun_at: Micros,
    renew: bool,
    quarantined: bool,
    /// Calls that are expected to take long, since others did.
    distrusted: u32,
    /// Nobody's.
    free: bool,
}

impl Mailbox {
    pub(super) fn new(slots: usize) -> Mailbox {
        let slots = std::iter::repeat_with(Slot::default).take(slots).collect();
        let state = State { slots, threads: [0].into(), ..State::default() };
        Mailbox { state: Mutex::new(state), wake: Condvar::new(), apart: Condvar::new() }
    }

    /// False when there is no room: the batch is counted, not kept. A quarantined rule takes everything and does nothing.
    pub(super) fn put(&self, slot: usize, at: Micros, rows: Vec<Row>) -> bool {
        let mut state = self.state();
        let apart = state.is_for_one_apart(slot);
        let slot = &mut state.slots[slot];
        if slot.quarantined {
            return true;
        }
        let room = slot.pending.len() < PENDING_BATCHES_MAX && slot.rows + rows.len() <= PENDING_ROWS_MAX;
        if room {
            slot.rows += rows.len();
            slot.pending.push_back((at, rows));
        } else {
            slot.overrun += rows.len().max(1) as u64;
            slot.overrun_at = at;
        }
        drop(state);
        self.wake(apart);
        room
    }

    /// Out of use: what waits is dropped. Either way the rule begins again from nothing.
    pub(super) fn quarantine(&self, slot: usize, on: bool) {
        let mut state = self.state();
        let held = state.slots[slot].held;
        state.slots[slot] = Slot { held, quarantined: on, renew: true, distrusted: DISTRUSTED_CALLS, ..Slot::default() };
        let apart = state.is_for_one_apart(slot);
        drop(state);
        self.wake(apart);
    }

    /// It struck, or took long, in the hands of this thread: for some calls it is expected to do so again. Nothing where the thread was given up.
    pub(super) fn distrust(&self, slot: usize, number: u64) {
        let slot = &mut self.state().slots[slot];
        if slot.held == Some(number) {
            slot.distrusted = DISTRUSTED_CALLS;
        }
    }

    /// A slot for one more rule, which gets all that is put from now on. `from`: it begins where that slot stands, and gets what waits there.
    pub(super) fn open(&self, from: Option<usize>) -> usize {
        let mut state = self.state();
        let slot = state.slots.iter().position(|slot| slot.free && slot.held.is_none()).unwrap_or(state.slots.len());
        let waiting = from.map(|from| state.slots[from].waiting()).unwrap_or_default();
        match state.slots.get_mut(slot) {
            Some(free) => *free = waiting,
            None => state.slots.push(waiting),
        }
        state.heirs.extend(from.map(|from| (slot, from)));
        drop(state);
        self.wake(false);
        slot
    }

    /// Gives a slot back; what waits there is dropped.
    pub(super) fn close(&self, slot: usize) {
        let mut state = self.state();
        let held = state.slots[slot].held;
        state.slots[slot] = Slot { held, quarantined: true, renew: true, free: true, ..Slot::default() };
        // Whoever was to begin there begins from nothing.
        state.heirs.retain(|(heir, from)| *heir != slot && *from != slot);
        drop(state);
        self.nudge();
    }

    /// Waits for work, whose slots are held from here on. None: the mailbox is empty and stopping, or this thread is not needed; it ends.
    pub(super) fn take(&self, number: u64) -> Option<Work> {
        let mut state = self.state();
        loop {
            if !state.threads.contains(&number) {
                return None; // given up
            }
            let takes = state.taker == number;
            if let Some(work) = state.next(number) {
                // What one apart does not get to is left to the other.
                let more = !takes && state.waiting(true).is_some();
                drop(state);
                if more {
                    self.wake(false);
                }
                return Some(work);
            }
            if !state.stays(number) {
                state.leave(number);
                return None;
            }
            if takes {
                state = self.wake.wait(state).unwrap_or_else(PoisonError::into_inner);
            } else {
                state.idle += 1;
                state = self.apart.wait(state).unwrap_or_else(PoisonError::into_inner);
                state.idle -= 1;
            }
        }
    }

    /// This thread takes nothing more, and holds nothing.
    pub(super) fn leave(&self, number: u64) {
        self.state().leave(number);
        self.nudge();
    }

    /// No thread is left that could work.
    pub(super) fn is_left(&self) -> bool {
        self.state().threads.is_empty()
    }

    /// Who is at work for the slot.
    pub(super) fn holder(&self, slot: usize) -> Option<u64> {
        self.state().slots[slot].held
    }

    /// Another thread has the place of this one.
    pub(super) fn is_apart(&self, number: u64) -> bool {
        self.state().taker != number
    }

    /// This thread still holds the slot: nobody gave it up.
    pub(super) fn is_held(&self, slot: usize, number: u64) -> bool {
        self.state().slots[slot].held == Some(number)
    }

    /// This thread is done with what it held.
    pub(super) fn done(&self, slots: &[usize], number: u64) {
        let mut state = self.state();
        for slot in slots {
            state.slots[*slot].held.take_if(|held| *held == number);
        }
        let apart = slots.iter().any(|slot| state.is_for_one_apart(*slot) && state.slots[*slot].has_work());
        let takes = state.taker == number;
        drop(state);
        if !takes {
            self.wake(false); // else it looks itself
        }
        if apart {
            self.wake(true);
        }
    }

    /// Another thread takes the place of this one, which goes on at its work for the slot and is apart from here on; `start` is given the number to take
    /// with. False, or where none starts: nothing has changed.
    pub(super) fn relieve(&self, slot: usize, number: u64, start: impl FnOnce(u64) -> io::Result<()>) -> io::Result<bool> {
        let mut state = self.state();
        if state.slots[slot].held != Some(number) || state.taker != number || state.away() >= AWAY_MAX {
            return Ok(false);
        }
        // Under the lock, for which the new one waits: nobody takes a place that stays empty.
        start(state.last + 1)?;
        state.succeed();
        Ok(true)
    }

    /// Takes from this thread all that it holds, where it still holds the slot, which nobody else gets before [`Mailbox::done`] of [`WATCH`]. None: it does
    /// not, and nothing changes. Else the number to take with, where it was the one that takes.
    pub(super) fn give_up(&self, slot: usize, number: u64) -> Option<Option<u64>> {
        let mut state = self.state();
        if state.slots[slot].held != Some(number) {
            return None;
        }
        state.leave(number);
        state.slots[slot].held = Some(WATCH);
        state.slots[slot].distrusted = DISTRUSTED_CALLS;
        let next = (number == state.taker).then(|| state.succeed());
        drop(state);
        self.nudge();
        Some(next)
    }

    /// The number to take with, where nobody is left to take though more may come: a thread could not be started.
    pub(super) fn vacant(&self) -> Option<u64> {
        let mut state = self.state();
        let taker = state.taker;
        (!state.stopping && state.threads.insert(taker)).then_some(taker)
    }

    /// The slots that are held, and by whom.
    pub(super) fn held(&self) -> Vec<(usize, u64)> {
        let state = self.state();
        state.slots.iter().enumerate().filter_map(|(slot, state)| Some((slot, state.held?))).collect()
    }

    /// What waits is still done, then `take` ends.
    pub(super) fn stop(&self) {
        self.state().stopping = true;
        self.nudge();
    }

    /// Whoever waits looks once more.
    pub(super) fn nudge(&self) {
        self.wake.notify_one();
        self.apart.notify_all();
    }

    fn wake(&self, apart: bool) {
        if apart { self.apart.notify_one() } else { self.wake.notify_one() }
    }

    /// No code of ours panics while it holds this lock; if it did, going on is what people need.
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn next(&mut self, number: u64) -> Option<Work> {
        let takes = self.taker == number;
        let free = |slot: usize| self.slots[slot].held.is_none();
        let begun = |slot: usize| self.heirs.iter().all(|(heir, _)| *heir != slot);
        let due = |(slot, from): &(usize, usize)| free(*slot) && free(*from) && begun(*from);
        if takes && let Some(at) = self.heirs.iter().position(due) {
            let (slot, from) = self.heirs.remove(at)?;
            (self.slots[slot].held, self.slots[from].held) = (Some(number), Some(number));
            return Some(Work::Inherit { slot, from });
        }
        let index = self.waiting(takes)?;
        let work = self.slots[index].next(index)?;
        self.turns[usize::from(takes)] = (index + 1) % self.slots.len();
        self.slots[index].held = Some(number);
        Some(work)
    }

    /// The next slot in turn that waits for the thread that takes, or else for one apart.
    fn waiting(&self, takes: bool) -> Option<usize> {
        let (count, turn) = (self.slots.len(), self.turns[usize::from(takes)]);
        let lends = self.idle == 0 && self.away() < AWAY_MAX;
        let waits = |index: &usize| {
            let slot = &self.slots[*index];
            let mine = if takes { slot.distrusted == 0 || lends } else { slot.distrusted > 0 };
            let inherits = || self.heirs.iter().any(|(heir, from)| index == heir || index == from);
            mine && slot.held.is_none() && slot.has_work() && !inherits()
        };
        (0..count).map(|step| (turn + step) % count).find(waits)
    }

    /// One that is apart and waits is to be woken for this slot.
    fn is_for_one_apart(&self, slot: usize) -> bool {
        self.idle > 0 && self.slots[slot].distrusted > 0
    }

    /// This thread waits for more: the one that takes, until all is done, and one of those apart.
    fn stays(&self, number: u64) -> bool {
        if self.taker == number {
            return !self.stopping || self.slots.iter().any(|slot| slot.held.is_some() || slot.has_work());
        }
        !self.stopping && self.threads.len() <= AWAY_MAX + 1
    }

    fn leave(&mut self, number: u64) {
        self.threads.remove(&number);
        for slot in &mut self.slots {
            slot.held.take_if(|held| *held == number);
        }
    }

    /// Threads at something long.
    fn away(&self) -> usize {
        self.threads.len().saturating_sub(1 + self.idle)
    }

    fn succeed(&mut self) -> u64 {
        self.last += 1;
        self.taker = self.last;
        self.threads.insert(self.last);
        self.last
    }
}

impl Slot {
    /// The same batches once more.
    fn waiting(&self) -> Slot {
        Slot { pending: self.pending.clone(), rows: self.rows, ..Slot::default() }
    }

    fn has_work(&self) -> bool {
        self.renew || self.overrun > 0 || !self.pending.is_empty()
    }

    fn next(&mut self, slot: usize) -> Option<Work> {
        if std::mem::take(&mut self.renew) {
            return Some(Work::Renew { slot });
        }
        if self.overrun > 0 {
            let count = std::mem::take(&mut self.overrun);
            let at = self.overrun_at;
            return Some(Work::Overrun { slot, at, count });
        }
        let (mut at, mut rows) = self.pending.pop_front()?;
        if rows.len() > CALL_ROWS_MAX {
            let rest = rows.split_off(CALL_ROWS_MAX);
            self.pending.push_front((at, rest));
        }
        while let Some((next_at, next)) = self.pending.front_mut()
            && rows.len() + next.len() <= CALL_ROWS_MAX
        {
            at = *next_at;
            rows.append(next);
            self.pending.pop_front();
        }
        self.rows -= rows.len();
        let distrusted = self.distrusted > 0;
        self.distrusted = self.distrusted.saturating_sub(1);
        Some(Work::Ask { slot, at, rows, distrusted })
    }
}

#[cfg(test)]
#[path = "mailbox_tests.rs"]
mod tests;
