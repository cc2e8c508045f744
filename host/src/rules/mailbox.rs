//! What waits at one desk: batches per rule, bounded, merged where they queue. Never blocks who brings it.
//! Must not know: components, answers.
//!
//! One thread at a time takes from here, and holds the slots that its work is for until it is done. While it is at a long one another thread may take
//! its place; what is held stays with whoever holds it, so nothing of a rule is judged twice or out of order. Once it is done it waits to take a place
//! itself, so that a rule that takes long now and then costs no thread each time.

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

/// Threads that may be at something long while one more goes on with the rest (own default): a plant full of slow rules must leave processors to others.
const AWAY_MAX: usize = 4;

/// Who holds the slot of a rule whose thread was given up, until the rule begins again.
pub(super) const WATCH: u64 = u64::MAX;

/// What a thread does next, for one of the slots.
#[derive(Debug, PartialEq)]
pub(super) enum Work {
    /// Ask the rule.
    Ask { slot: usize, at: Micros, rows: Vec<Row> },
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
    /// Of the one that waits for a place.
    relief: Condvar,
}

#[derive(Default)]
struct State {
    slots: Vec<Slot>,
    /// Slots that begin where another one stands: before anything else is taken for either, so that it stands there still.
    heirs: VecDeque<(usize, usize)>,
    /// Slot that is looked at first next time: no rule starves another.
    turn: usize,
    /// Which thread may take work.
    taker: u64,
    /// Which one waits for its place.
    spare: Option<u64>,
    /// Threads that neither ended nor were given up.
    threads: BTreeSet<u64>,
    /// Those of them that let others go first, for good.
    stepped_back: BTreeSet<u64>,
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
    /// Nobody's.
    free: bool,
}

impl Mailbox {
    pub(super) fn new(slots: usize) -> Mailbox {
        let slots = std::iter::repeat_with(Slot::default).take(slots).collect();
        let state = State { slots, threads: [0].into(), ..State::default() };
        Mailbox { state: Mutex::new(state), wake: Condvar::new(), relief: Condvar::new() }
    }

    /// False when there is no room: the batch is counted, not kept. A quarantined rule takes everything and does nothing.
    pub(super) fn put(&self, slot: usize, at: Micros, rows: Vec<Row>) -> bool {
        let mut state = self.state();
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
        self.wake.notify_one();
        room
    }

    /// Out of use: what waits is dropped. Either way the rule begins again from nothing.
    pub(super) fn quarantine(&self, slot: usize, on: bool) {
        let mut state = self.state();
        let held = state.slots[slot].held;
        state.slots[slot] = Slot { held, quarantined: on, renew: true, ..Slot::default() };
        drop(state);
        self.wake.notify_one();
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
        self.wake.notify_one();
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
        self.wake.notify_one();
    }

    /// Waits for work, whose slots are held from here on. None: the mailbox is empty and stopping, or this thread is not needed; it ends.
    pub(super) fn take(&self, number: u64) -> Option<Work> {
        let mut state = self.state();
        loop {
            let wake = if state.taker == number {
                if let Some(work) = state.next() {
                    return Some(work);
                }
                (!state.stopping || state.slots.iter().any(|slot| slot.held.is_some())).then_some(&self.wake)
            } else {
                state.waits(number).then_some(&self.relief)
            };
            match wake {
                Some(wake) => state = wake.wait(state).unwrap_or_else(PoisonError::into_inner),
                None => {
                    state.leave(number);
                    return None;
                }
            }
        }
    }

    /// This thread takes nothing more, and holds nothing.
    pub(super) fn leave(&self, number: u64) {
        self.state().leave(number);
        self.wake.notify_one();
    }

    /// No thread is left that could work.
    pub(super) fn is_left(&self) -> bool {
        self.state().threads.is_empty()
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
        drop(state);
        self.wake.notify_one();
    }

    /// Another thread takes the place of the one that is at work for this slot, which goes on with that. Where none waits, `start` is given the number to
    /// take with. False, or where none starts: nothing has changed.
    pub(super) fn relieve(&self, slot: usize, start: impl FnOnce(u64) -> io::Result<()>) -> io::Result<bool> {
        let mut state = self.state();
        if state.slots[slot].held != Some(state.taker) || state.away() >= AWAY_MAX {
            return Ok(false);
        }
        if state.succeed_from_spare() {
            drop(state);
            self.relief.notify_all();
        } else {
            // Under the lock, for which the new one waits: nobody takes a place that stays empty.
            start(state.last + 1)?;
            state.succeed();
        }
        Ok(true)
    }

    /// The thread at work for this slot, whose place another one has, is to let others go first. True where it does not yet.
    pub(super) fn steps_back(&self, slot: usize) -> bool {
        let mut state = self.state();
        let Some(number) = state.slots[slot].held.filter(|number| *number != state.taker) else { return false };
        state.stepped_back.insert(number)
    }

    /// Takes from this thread all that it holds, where it still holds the slot, which nobody else gets before [`Mailbox::done`] of [`WATCH`]. None: it does
    /// not, and nothing changes. Else the number to take with, where a thread is to be started.
    pub(super) fn give_up(&self, slot: usize, number: u64) -> Option<Option<u64>> {
        let mut state = self.state();
        if state.slots[slot].held != Some(number) {
            return None;
        }
        state.leave(number);
        state.slots[slot].held = Some(WATCH);
        let next = (number == state.taker && !state.succeed_from_spare()).then(|| state.succeed());
        drop(state);
        self.relief.notify_all();
        self.wake.notify_one();
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
        self.wake.notify_all();
        self.relief.notify_all();
    }

    /// No code of ours panics while it holds this lock; if it did, going on is what people need.
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn next(&mut self) -> Option<Work> {
        let taker = self.taker;
        let free = |slot: usize| self.slots[slot].held.is_none();
        if let Some(at) = self.heirs.iter().position(|(slot, from)| free(*slot) && free(*from)) {
            let (slot, from) = self.heirs.remove(at)?;
            (self.slots[slot].held, self.slots[from].held) = (Some(taker), Some(taker));
            return Some(Work::Inherit { slot, from });
        }
        let count = self.slots.len();
        for step in 0..count {
            let index = (self.turn + step) % count;
            if self.slots[index].held.is_some() || self.heirs.iter().any(|(slot, from)| index == *slot || index == *from) {
                continue;
            }
            if let Some(work) = self.slots[index].next(index) {
                self.turn = (index + 1) % count;
                self.slots[index].held = Some(taker);
                return Some(work);
            }
        }
        None
    }

    fn leave(&mut self, number: u64) {
        self.threads.remove(&number);
        self.stepped_back.remove(&number);
        self.spare.take_if(|spare| *spare == number);
        for slot in &mut self.slots {
            slot.held.take_if(|held| *held == number);
        }
    }

    /// Threads at something long, whose place another one has.
    fn away(&self) -> usize {
        self.threads.len().saturating_sub(1 + self.spare.iter().count())
    }

    /// This thread, which does not take, waits for a place.
    fn waits(&mut self, number: u64) -> bool {
        let may = !self.stopping && self.threads.contains(&number) && !self.stepped_back.contains(&number);
        may && *self.spare.get_or_insert(number) == number
    }

    fn succeed_from_spare(&mut self) -> bool {
        let spare = self.spare.take();
        self.taker = spare.unwrap_or(self.taker);
        spare.is_some()
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
        Some(Work::Ask { slot, at, rows })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use brain::reading::Quality;

    fn rows(n: usize) -> Vec<Row> {
        let row = |i: usize| Row { handle: 0, value: i as f64, quality: Quality::GOOD, source_us: i as i64 };
        (0..n).map(row).collect()
    }

    fn batch(work: Work) -> (usize, i64, usize) {
        match work {
            Work::Ask { slot, at, rows } => (slot, at, rows.len()),
            other => panic!("{other:?}"),
        }
    }

    fn taken(mailbox: &Mailbox) -> Option<(usize, i64, usize)> {
        mailbox.take(0).map(batch)
    }

    /// What is next, done at once.
    fn any(mailbox: &Mailbox) -> Option<Work> {
        let work = mailbox.take(0);
        mailbox.done(&mailbox.held().into_iter().map(|(slot, _)| slot).collect::<Vec<_>>(), 0);
        work
    }

    /// The same of a batch.
    fn done(mailbox: &Mailbox) -> Option<(usize, i64, usize)> {
        any(mailbox).map(batch)
    }

    /// The number of the thread that took the place of the one at work for this slot.
    fn relieved(mailbox: &Mailbox, slot: usize) -> Option<u64> {
        let mut number = None;
        let relieved = mailbox.relieve(slot, |generation| {
            number = Some(generation);
            Ok(())
        });
        assert_eq!(relieved.unwrap(), number.is_some());
        number
    }

    #[test]
    fn waiting_batches_are_merged_and_large_ones_cut() {
        let m = Mailbox::new(1);
        for (at, n) in [(1, 100), (2, 0), (3, 156), (4, 1), (5, 600)] {
            assert!(m.put(0, at, rows(n)));
        }
        m.stop();
        let calls: Vec<_> = std::iter::from_fn(|| done(&m)).collect();
        assert_eq!(calls, [(0, 3, 256), (0, 4, 1), (0, 5, 256), (0, 5, 256), (0, 5, 88)]);
    }

    #[test]
    fn rules_take_turns() {
        let m = Mailbox::new(2);
        for at in 0..2 {
            m.put(0, at, rows(200));
            m.put(1, at, rows(200));
        }
        m.stop();
        let calls: Vec<_> = std::iter::from_fn(|| done(&m)).map(|c| c.0).collect();
        assert_eq!(calls, [0, 1, 0, 1]);
    }

    #[test]
    fn what_finds_no_room_is_counted() {
        let m = Mailbox::new(1);
        assert!(m.put(0, 1, rows(PENDING_ROWS_MAX)));
        assert!(!m.put(0, 2, rows(3)));
        assert!(!m.put(0, 3, rows(4)));
        assert_eq!(any(&m), Some(Work::Overrun { slot: 0, at: 3, count: 7 }));
        assert!(m.put(0, 4, rows(0)), "an empty batch needs no room for rows");
        assert_eq!(done(&m), Some((0, 1, 256)));
        assert!(m.put(0, 5, rows(256)), "room again");
    }

    #[test]
    fn quarantine_drops_what_waits_and_begins_again() {
        let m = Mailbox::new(1);
        m.put(0, 1, rows(5));
        m.quarantine(0, true);
        assert!(m.put(0, 2, rows(5)));
        assert_eq!(any(&m), Some(Work::Renew { slot: 0 }));
        m.quarantine(0, false);
        m.put(0, 3, rows(5));
        assert_eq!(any(&m), Some(Work::Renew { slot: 0 }));
        assert_eq!(done(&m), Some((0, 3, 5)));
    }

    #[test]
    fn an_heir_gets_what_waits_and_begins_before_anything_else_is_taken() {
        let m = Mailbox::new(1);
        m.put(0, 1, rows(3));
        assert_eq!(done(&m), Some((0, 1, 3)));
        m.put(0, 2, rows(5));
        assert_eq!(m.open(Some(0)), 1);
        m.put(0, 3, rows(1));
        m.put(1, 3, rows(1));
        assert_eq!(any(&m), Some(Work::Inherit { slot: 1, from: 0 }));
        m.stop();
        let mut calls: Vec<_> = std::iter::from_fn(|| done(&m)).collect();
        calls.sort_unstable();
        assert_eq!(calls, [(0, 3, 6), (1, 3, 6)]);
    }

    #[test]
    fn a_slot_that_was_given_back_is_used_again() {
        let m = Mailbox::new(1);
        let slot = m.open(None);
        m.put(slot, 1, rows(5));
        m.close(slot);
        assert!(m.put(slot, 2, rows(5)));
        assert_eq!((m.open(None), m.open(None)), (slot, slot + 1));
        m.stop();
        assert_eq!(done(&m), None);
    }

    #[test]
    fn a_thread_that_was_given_up_takes_nothing_more() {
        let m = Mailbox::new(2);
        m.put(0, 1, rows(5));
        assert_eq!(taken(&m), Some((0, 1, 5)));
        assert_eq!((m.give_up(0, 1), m.give_up(1, 0)), (None, None), "nobody else holds it, nor it anything else");
        let successor = m.give_up(0, 0).unwrap().unwrap();
        assert_eq!((m.take(0), m.is_held(0, 0)), (None, false));
        m.put(0, 2, rows(1));
        m.put(1, 2, rows(2));
        assert_eq!(m.take(successor), Some(Work::Ask { slot: 1, at: 2, rows: rows(2) }), "not before the rule begins again");
        m.done(&[1], successor);
        m.done(&[0], WATCH);
        assert_eq!(m.take(successor), Some(Work::Ask { slot: 0, at: 2, rows: rows(1) }));
        // What it brings too late changes nothing.
        m.done(&[0], 0);
        m.leave(0);
        assert!(m.is_held(0, successor));
        m.stop();
        m.done(&[0], successor);
        assert!(!m.is_left());
        assert_eq!(m.take(successor), None);
        assert!(m.is_left());
    }

    #[test]
    fn while_a_thread_is_at_something_long_another_goes_on_with_the_rest() {
        let m = Mailbox::new(2);
        m.put(0, 1, rows(5));
        assert_eq!(taken(&m), Some((0, 1, 5)));
        m.put(0, 2, rows(2));
        m.put(1, 2, rows(3));
        assert_eq!((relieved(&m, 1), m.relieve(0, |_| Err(io::ErrorKind::WouldBlock.into())).is_err()), (None, true));
        let next = relieved(&m, 0).unwrap();
        assert_eq!(relieved(&m, 0), None, "once");
        assert_eq!(m.take(next), Some(Work::Ask { slot: 1, at: 2, rows: rows(3) }));
        assert_eq!(m.held(), [(0, 0), (1, next)]);
        m.done(&[1], next);
        m.quarantine(1, true);
        assert_eq!(m.take(next), Some(Work::Renew { slot: 1 }), "not what waits for the slot that the first one holds");
        assert!(!m.steps_back(1), "the one that takes does not");
        m.done(&[1], next);
        assert_eq!((m.steps_back(0), m.steps_back(0)), (true, false), "once");
        m.done(&[0], 0);
        assert_eq!(m.take(0), None, "it takes nothing more");
        assert_eq!(m.take(next), Some(Work::Ask { slot: 0, at: 2, rows: rows(2) }));
    }

    #[test]
    fn who_is_done_with_something_long_takes_the_next_place() {
        let m = Mailbox::new(2);
        m.put(0, 1, rows(5));
        assert_eq!(taken(&m), Some((0, 1, 5)));
        let next = relieved(&m, 0).unwrap();
        m.put(1, 1, rows(2));
        assert_eq!(m.take(next), Some(Work::Ask { slot: 1, at: 1, rows: rows(2) }));
        m.done(&[0], 0);
        m.put(0, 2, rows(3));
        std::thread::scope(|scope| {
            let spare = scope.spawn(|| m.take(0));
            while m.state().spare.is_none() {
                std::thread::yield_now();
            }
            assert!(!m.state().waits(next + 1), "one is enough");
            assert!(m.relieve(1, |_| panic!("one waits")).unwrap());
            assert_eq!(spare.join().unwrap(), Some(Work::Ask { slot: 0, at: 2, rows: rows(3) }));
        });
        m.stop();
        m.done(&[1], next);
        assert_eq!(m.take(next), None);
        m.done(&[0], 0);
        assert_eq!((m.is_left(), m.take(0), m.is_left()), (false, None, true));
    }

    #[test]
    fn a_mailbox_from_which_nobody_takes_is_known() {
        let m = Mailbox::new(1);
        assert_eq!(m.vacant(), None);
        m.leave(0);
        assert!(m.is_left());
        assert_eq!((m.vacant(), m.vacant(), m.is_left()), (Some(0), None, false));
        m.leave(0);
        m.stop();
        assert_eq!(m.vacant(), None);
    }

    #[test]
    fn an_heir_waits_for_who_is_still_at_work() {
        let m = Mailbox::new(2);
        m.put(0, 1, rows(5));
        assert_eq!(taken(&m), Some((0, 1, 5)));
        let heir = m.open(Some(0));
        m.put(0, 2, rows(1));
        m.put(heir, 2, rows(1));
        m.put(1, 2, rows(3));
        let next = relieved(&m, 0).unwrap();
        assert_eq!(m.take(next), Some(Work::Ask { slot: 1, at: 2, rows: rows(3) }));
        m.done(&[1], next);
        m.done(&[0], 0);
        assert_eq!(m.take(next), Some(Work::Inherit { slot: heir, from: 0 }));
        assert_eq!(m.held(), [(0, next), (heir, next)]);
    }

    #[test]
    fn so_many_may_be_at_something_long() {
        let m = Mailbox::new(AWAY_MAX + 1);
        let mut generation = 0;
        for slot in 0..=AWAY_MAX {
            m.put(slot, 1, rows(1));
            assert!(matches!(m.take(generation), Some(Work::Ask { slot: taken, .. }) if taken == slot));
            match relieved(&m, slot) {
                Some(next) => generation = next,
                None => assert_eq!(slot, AWAY_MAX),
            }
        }
        assert_eq!(generation, AWAY_MAX as u64);
        m.leave(0);
        assert!(relieved(&m, AWAY_MAX).is_some(), "one came back");
    }
}
