//! Who takes what, when, and in whose place.
#![allow(clippy::unwrap_used)]

use super::*;
use brain::reading::Quality;

fn rows(n: usize) -> Vec<Row> {
    let row = |i: usize| Row { handle: 0, value: i as f64, quality: Quality::GOOD, source_us: i as i64 };
    (0..n).map(row).collect()
}

fn ask(slot: usize, at: Micros, n: usize) -> Work {
    Work::Ask { slot, at, rows: rows(n), distrusted: false }
}

fn distrust(mailbox: &Mailbox, slot: usize) {
    mailbox.state().slots[slot].distrusted = DISTRUSTED_CALLS;
}

fn batch(work: Work) -> (usize, i64, usize) {
    match work {
        Work::Ask { slot, at, rows, .. } => (slot, at, rows.len()),
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
    let relieved = mailbox.relieve(slot, mailbox.holder(slot).unwrap_or(WATCH), |next| {
        number = Some(next);
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
fn a_rule_that_begins_anew_is_distrusted_for_some_calls() {
    let m = Mailbox::new(1);
    m.quarantine(0, false);
    assert_eq!(any(&m), Some(Work::Renew { slot: 0 }));
    let distrusted = std::iter::repeat_with(|| {
        m.put(0, 1, rows(1));
        matches!(any(&m), Some(Work::Ask { distrusted: true, .. }))
    });
    assert_eq!(distrusted.take_while(|distrusted| *distrusted).count(), DISTRUSTED_CALLS as usize);
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
    assert_eq!(m.take(successor), Some(ask(1, 2, 2)), "not before the rule begins again");
    m.done(&[1], successor);
    m.done(&[0], WATCH);
    assert_eq!(who(m.take(successor)), (0, true), "and it is distrusted");
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
    assert_eq!((relieved(&m, 1), m.relieve(0, 0, |_| Err(io::ErrorKind::WouldBlock.into())).is_err()), (None, true));
    let next = relieved(&m, 0).unwrap();
    assert_eq!(relieved(&m, 0), None, "once");
    assert_eq!((m.is_apart(0), m.is_apart(next)), (true, false));
    assert_eq!(m.take(next), Some(ask(1, 2, 3)));
    assert!(!m.relieve(1, 0, |_| Ok(())).unwrap(), "another thread is at work for it");
    assert_eq!(m.held(), [(0, 0), (1, next)]);
    m.done(&[1], next);
    m.quarantine(1, true);
    assert_eq!(m.take(next), Some(Work::Renew { slot: 1 }), "not what waits for the slot that the first one holds");
    m.done(&[1], next);
    m.done(&[0], 0);
    m.stop();
    assert_eq!(m.take(0), None, "what is trusted is none of its business");
    assert_eq!(m.take(next), Some(ask(0, 2, 2)));
    assert!(!m.is_left());
    m.done(&[0], next);
    assert_eq!((m.take(next), m.is_left()), (None, true));
}

/// Which slot that is, and what is expected of it.
fn who(work: Option<Work>) -> (usize, bool) {
    match work {
        Some(Work::Ask { slot, distrusted, .. }) => (slot, distrusted),
        other => panic!("{other:?}"),
    }
}

fn until_idle(mailbox: &Mailbox) {
    while mailbox.state().idle == 0 {
        std::thread::yield_now();
    }
}

#[test]
fn who_was_at_something_long_takes_what_is_distrusted_and_nobody_else_waits_for_that() {
    let m = Mailbox::new(3);
    distrust(&m, 0);
    m.put(0, 1, rows(5));
    assert_eq!(who(m.take(0)), (0, true), "nobody is apart yet");
    let next = relieved(&m, 0).unwrap();
    m.done(&[0], 0);
    std::thread::scope(|scope| {
        let apart = scope.spawn(|| m.take(0));
        until_idle(&m);
        m.put(1, 2, rows(1));
        m.put(0, 2, rows(1));
        m.put(2, 2, rows(1));
        assert_eq!(who(apart.join().unwrap()), (0, true));
        for slot in [1, 2] {
            assert_eq!(who(m.take(next)), (slot, false));
            m.done(&[slot], next);
        }
    });
    // Nobody is left for another one that is distrusted but who takes.
    distrust(&m, 1);
    m.put(1, 3, rows(1));
    assert_eq!(who(m.take(next)), (1, true));
    let last = relieved(&m, 1).unwrap();
    // One that struck in the hands of the thread that takes, with more behind it, is left to the one that waits.
    m.done(&[1], next);
    std::thread::scope(|scope| {
        let apart = scope.spawn(|| m.take(next));
        until_idle(&m);
        m.put(2, 4, rows(200));
        assert_eq!(who(m.take(last)), (2, false));
        m.put(2, 5, rows(200));
        m.distrust(2, last);
        m.done(&[2], last);
        assert_eq!(who(apart.join().unwrap()), (2, true));
    });
    m.stop();
    m.done(&[0], 0);
    m.done(&[2], next);
    assert_eq!([0, next, last].map(|number| m.take(number)), [const { None }; 3]);
    assert!(m.is_left());
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
    assert_eq!(m.take(next), Some(ask(1, 2, 3)));
    m.done(&[1], next);
    m.done(&[0], 0);
    assert_eq!(m.take(next), Some(Work::Inherit { slot: heir, from: 0 }));
    assert_eq!(m.held(), [(0, next), (heir, next)]);
}

#[test]
fn an_heir_of_an_heir_waits_until_that_one_has_begun() {
    let m = Mailbox::new(1);
    m.put(0, 1, rows(5));
    assert_eq!(taken(&m), Some((0, 1, 5)));
    let next = relieved(&m, 0).unwrap();
    let first = m.open(Some(0));
    let second = m.open(Some(first));
    assert_eq!(m.state().next(next), None, "the one in the middle stands nowhere yet");
    m.done(&[0], 0);
    for (slot, from) in [(first, 0), (second, first)] {
        assert_eq!(m.take(next), Some(Work::Inherit { slot, from }));
        m.done(&[slot, from], next);
    }
}

#[test]
fn a_distrusted_rule_whose_heir_ends_before_it_began_is_asked_again() {
    let m = Mailbox::new(1);
    distrust(&m, 0);
    m.put(0, 1, rows(1));
    assert_eq!(who(m.take(0)), (0, true));
    relieved(&m, 0).unwrap();
    let heir = m.open(Some(0));
    m.done(&[0], 0);
    m.put(0, 2, rows(2));
    std::thread::scope(|scope| {
        let apart = scope.spawn(|| m.take(0));
        until_idle(&m);
        m.close(heir);
        assert_eq!(who(apart.join().unwrap()), (0, true));
    });
}

#[test]
fn who_was_given_up_makes_nobody_distrusted() {
    let m = Mailbox::new(1);
    m.put(0, 1, rows(1));
    assert_eq!(taken(&m), Some((0, 1, 1)));
    m.distrust(0, 1);
    assert_eq!(m.state().slots[0].distrusted, 0, "somebody else holds it");
    m.distrust(0, 0);
    assert_eq!(m.state().slots[0].distrusted, DISTRUSTED_CALLS);
}

#[test]
fn so_many_may_be_at_something_long() {
    let m = Mailbox::new(AWAY_MAX + 1);
    let mut number = 0;
    for slot in 0..=AWAY_MAX {
        m.put(slot, 1, rows(1));
        assert!(matches!(m.take(number), Some(Work::Ask { slot: taken, .. }) if taken == slot));
        match relieved(&m, slot) {
            Some(next) => number = next,
            None => assert_eq!(slot, AWAY_MAX),
        }
    }
    assert_eq!(number, AWAY_MAX as u64);
    m.done(&[AWAY_MAX], number);
    distrust(&m, 2);
    m.done(&[2], 2);
    m.put(2, 2, rows(2));
    m.put(AWAY_MAX, 2, rows(3));
    assert_eq!(m.take(number), Some(ask(AWAY_MAX, 2, 3)), "not the one that is distrusted, while all of them are at something");
    m.leave(0);
    assert!(relieved(&m, AWAY_MAX).is_some(), "one came back");
}
