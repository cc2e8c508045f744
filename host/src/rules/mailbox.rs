//! What waits for one worker: batches per rule, bounded, merged where they queue. Never blocks who brings it.
//! Must not know: components, answers.

use brain::event::Row;
use brain::reading::Micros;
use std::collections::VecDeque;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

/// Rows of one call; waiting batches are merged up to this.
pub(super) const CALL_ROWS_MAX: usize = 256;
/// Rows of one rule that may wait.
const PENDING_ROWS_MAX: usize = 16_384;
/// Batches of one rule that may wait.
const PENDING_BATCHES_MAX: usize = 4096;

/// What a worker does next, for one of its slots.
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

/// The mailbox of one worker.
pub(super) struct Mailbox {
    state: Mutex<State>,
    wake: Condvar,
}

struct State {
    slots: Vec<Slot>,
    /// Slots that begin where another one stands: before anything else is taken, so that it stands there still.
    heirs: VecDeque<(usize, usize)>,
    /// Slot that is looked at first next time: no rule starves another.
    turn: usize,
    /// Which thread may take work; an abandoned one has an older number.
    generation: u64,
    stopping: bool,
}

#[derive(Default)]
struct Slot {
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
        let state = State { slots, heirs: VecDeque::new(), turn: 0, generation: 0, stopping: false };
        Mailbox { state: Mutex::new(state), wake: Condvar::new() }
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
        state.slots[slot] = Slot { quarantined: on, renew: true, ..Slot::default() };
        drop(state);
        self.wake.notify_one();
    }

    /// A slot for one more rule, which gets all that is put from now on. `from`: it begins where that slot stands, and gets what waits there.
    pub(super) fn open(&self, from: Option<usize>) -> usize {
        let mut state = self.state();
        let slot = state.slots.iter().position(|slot| slot.free).unwrap_or(state.slots.len());
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
        state.slots[slot] = Slot { quarantined: true, renew: true, free: true, ..Slot::default() };
        // Whoever was to begin there begins from nothing.
        state.heirs.retain(|(heir, from)| *heir != slot && *from != slot);
        drop(state);
        self.wake.notify_one();
    }

    /// Waits for work. None: the mailbox is empty and stopping, or this thread was given up.
    pub(super) fn take(&self, generation: u64) -> Option<Work> {
        let mut state = self.state();
        loop {
            if state.generation != generation {
                return None;
            }
            if let Some(work) = state.next() {
                return Some(work);
            }
            if state.stopping {
                return None;
            }
            state = self.wake.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// Gives up the thread that takes from here; its successor takes with the number returned.
    pub(super) fn succeed(&self) -> u64 {
        let mut state = self.state();
        state.generation += 1;
        let generation = state.generation;
        drop(state);
        self.wake.notify_all();
        generation
    }

    pub(super) fn is_current(&self, generation: u64) -> bool {
        self.state().generation == generation
    }

    /// What waits is still done, then `take` ends.
    pub(super) fn stop(&self) {
        self.state().stopping = true;
        self.wake.notify_all();
    }

    /// No code of ours panics while it holds this lock; if it did, going on is what people need.
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn next(&mut self) -> Option<Work> {
        if let Some((slot, from)) = self.heirs.pop_front() {
            return Some(Work::Inherit { slot, from });
        }
        let count = self.slots.len();
        for step in 0..count {
            let index = (self.turn + step) % count;
            if let Some(work) = self.slots[index].next(index) {
                self.turn = (index + 1) % count;
                return Some(work);
            }
        }
        None
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

    fn taken(mailbox: &Mailbox) -> Option<(usize, i64, usize)> {
        match mailbox.take(0)? {
            Work::Ask { slot, at, rows } => Some((slot, at, rows.len())),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn waiting_batches_are_merged_and_large_ones_cut() {
        let m = Mailbox::new(1);
        for (at, n) in [(1, 100), (2, 0), (3, 156), (4, 1), (5, 600)] {
            assert!(m.put(0, at, rows(n)));
        }
        m.stop();
        let calls: Vec<_> = std::iter::from_fn(|| taken(&m)).collect();
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
        let calls: Vec<_> = std::iter::from_fn(|| taken(&m)).map(|c| c.0).collect();
        assert_eq!(calls, [0, 1, 0, 1]);
    }

    #[test]
    fn what_finds_no_room_is_counted() {
        let m = Mailbox::new(1);
        assert!(m.put(0, 1, rows(PENDING_ROWS_MAX)));
        assert!(!m.put(0, 2, rows(3)));
        assert!(!m.put(0, 3, rows(4)));
        assert_eq!(m.take(0), Some(Work::Overrun { slot: 0, at: 3, count: 7 }));
        assert!(m.put(0, 4, rows(0)), "an empty batch needs no room for rows");
        assert_eq!(taken(&m), Some((0, 1, 256)));
        assert!(m.put(0, 5, rows(256)), "room again");
    }

    #[test]
    fn quarantine_drops_what_waits_and_begins_again() {
        let m = Mailbox::new(1);
        m.put(0, 1, rows(5));
        m.quarantine(0, true);
        assert!(m.put(0, 2, rows(5)));
        assert_eq!(m.take(0), Some(Work::Renew { slot: 0 }));
        m.quarantine(0, false);
        m.put(0, 3, rows(5));
        assert_eq!(m.take(0), Some(Work::Renew { slot: 0 }));
        assert_eq!(taken(&m), Some((0, 3, 5)));
    }

    #[test]
    fn an_heir_gets_what_waits_and_begins_before_anything_else_is_taken() {
        let m = Mailbox::new(1);
        m.put(0, 1, rows(3));
        assert_eq!(taken(&m), Some((0, 1, 3)));
        m.put(0, 2, rows(5));
        assert_eq!(m.open(Some(0)), 1);
        m.put(0, 3, rows(1));
        m.put(1, 3, rows(1));
        assert_eq!(m.take(0), Some(Work::Inherit { slot: 1, from: 0 }));
        m.stop();
        let mut calls: Vec<_> = std::iter::from_fn(|| taken(&m)).collect();
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
        assert_eq!(taken(&m), None);
    }

    #[test]
    fn an_abandoned_thread_takes_nothing_more() {
        let m = Mailbox::new(1);
        m.put(0, 1, rows(5));
        let successor = m.succeed();
        assert_eq!(m.take(0), None);
        assert!(m.is_current(successor));
        assert!(m.take(successor).is_some());
    }
}
