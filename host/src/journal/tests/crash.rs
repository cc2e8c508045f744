//! Ends that nobody chose: a torn last group, a power cut with sectors surviving at random, a disk that fails at the n-th call.

use super::*;
use crate::journal::disk::tape::{Call, Tape};
use crate::journal::record::Raw;
use std::collections::BTreeMap;
use std::sync::Arc;

const SECTOR: usize = 512;

fn taped(fail_at: Option<usize>) -> (Medium, Arc<Mutex<Tape>>) {
    let tape = Arc::new(Mutex::new(Tape { calls: vec![], fail_at }));
    (Medium::Taped(tape.clone()), tape)
}

#[test]
fn a_tail_torn_at_any_byte_is_wiped_and_nothing_else() {
    let dir = tempfile::tempdir().unwrap();
    let (medium, tape) = taped(None);
    let (journal, _) = Journal::open_on(medium, dir.path(), SITE, SMALL, 0).unwrap();
    for i in 0..3 {
        wait(&journal, journal.append(i, &text(100)).unwrap());
    }
    wait(&journal, journal.append(9, &text(60)).unwrap());
    let Some((offset, last)) = tape.lock().unwrap().calls.iter().rev().find_map(|c| match c {
        Call::Write { offset, bytes, .. } => Some((*offset as usize, bytes.clone())),
        Call::Sync { .. } | Call::Durable { .. } => None,
    }) else {
        panic!("nothing was written")
    };
    let whole = std::fs::read(&segments(dir.path())[0]).unwrap();
    drop(journal);
    for cut in 0..=last.len() {
        let torn = tempfile::tempdir().unwrap();
        let mut bytes = whole.clone();
        bytes[offset + cut..].fill(0);
        let file = segment::path(torn.path(), 1);
        std::fs::write(&file, &bytes).unwrap();
        let (reopened, opened) = open(torn.path());
        // The padding is part of the record's place, not of the record.
        let survives = Raw::parse(&bytes[offset..]).is_ok();
        assert_eq!((opened.last_seq, opened.damage), (if survives { 4 } else { 3 }, None), "cut {cut}");
        let next = reopened.append(10, &tick()).unwrap();
        reopened.close().unwrap();
        let records = read_all(torn.path());
        assert_eq!(records.len() as u64, next, "cut {cut}");
        assert!(verify(torn.path()).unwrap().is_whole(), "cut {cut}");
    }
}

/// A script of groups, small and large, over several segments.
fn script() -> Vec<Call> {
    let dir = tempfile::tempdir().unwrap();
    let (medium, tape) = taped(None);
    let (journal, _) = Journal::open_on(medium, dir.path(), SITE, SMALL, 0).unwrap();
    for i in 0..120i64 {
        for k in 0..=(i % 4) {
            journal.append(i * 2_000_000, &text(((i * 37 + k * 911) % 3000) as usize)).unwrap();
        }
        let seq = journal.append(i * 2_000_000, &tick()).unwrap();
        wait(&journal, seq);
    }
    journal.close().unwrap();
    let calls = std::mem::take(&mut tape.lock().unwrap().calls);
    assert!(calls.len() > 300);
    calls
}

/// The disk after power was lost behind call `cut`: synced writes whole, of the others any choice of sectors, also halves.
fn image(calls: &[Call], seed: &mut u64) -> (BTreeMap<u64, Vec<u8>>, u64) {
    let mut disk: BTreeMap<u64, Vec<u8>> = BTreeMap::new();
    let mut pending: Vec<(u64, u64, &[u8])> = vec![];
    let mut durable = 0;
    let apply = |disk: &mut BTreeMap<u64, Vec<u8>>, number: u64, offset: u64, bytes: &[u8]| {
        let file = disk.entry(number).or_insert_with(|| vec![0; SMALL as usize]);
        file[offset as usize..offset as usize + bytes.len()].copy_from_slice(bytes);
    };
    for call in calls {
        match call {
            Call::Write { number, offset, bytes } => pending.push((*number, *offset, bytes)),
            Call::Sync { number } => pending.retain(|(n, offset, bytes)| {
                if n == number {
                    apply(&mut disk, *n, *offset, bytes);
                }
                n != number
            }),
            Call::Durable { seq } => durable = *seq,
        }
    }
    for (number, offset, bytes) in pending {
        let mut at = 0;
        while at < bytes.len() {
            let size = (SECTOR - (offset as usize + at) % SECTOR).min(bytes.len() - at);
            let kept = match random(seed) % 5 {
                0 | 1 => size,
                2 => size / 2,
                _ => 0,
            };
            apply(&mut disk, number, offset + at as u64, &bytes[at..at + kept]);
            at += size;
        }
    }
    (disk, durable)
}

fn random(seed: &mut u64) -> u64 {
    *seed = seed.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
    *seed >> 33
}

/// Returns what was lost of what the world had been told, and whether a torn tail was called damage.
fn cut_and_reopen(calls: &[Call], seed: u64) -> (bool, bool) {
    let mut random_state = seed;
    // The first calls are one case in ten: a journal is never more fragile than while it is new.
    let among = if seed.is_multiple_of(10) { 3 } else { calls.len() };
    let cut = random(&mut random_state) as usize % among;
    let (disk, durable) = image(&calls[..=cut], &mut random_state);
    let dir = tempfile::tempdir().unwrap();
    for (number, bytes) in &disk {
        std::fs::write(segment::path(dir.path(), *number), bytes).unwrap();
    }
    let (journal, opened) = open(dir.path());
    let next = journal.append(i64::MAX, &tick()).unwrap();
    journal.close().unwrap();
    let readable = read(dir.path(), 1).unwrap().filter(Result::is_ok).count() as u64;
    let lost = opened.last_seq < durable || readable < next;
    let called = opened.damage.is_some() || !verify(dir.path()).unwrap().is_whole();
    (lost, called)
}

#[test]
fn a_power_cut_loses_nothing_that_was_promised() {
    let calls = script();
    for seed in 0..400 {
        assert_eq!(cut_and_reopen(&calls, seed), (false, false), "seed {seed}");
    }
}

/// The control: a rig that cannot fail proves nothing. Without its syncs, the journal must lose.
#[test]
fn without_sync_the_power_cut_is_seen() {
    let calls: Vec<Call> = script().into_iter().filter(|c| !matches!(c, Call::Sync { .. })).collect();
    let lost = (0..50).filter(|seed| cut_and_reopen(&calls, *seed).0).count();
    assert!(lost > 25, "only {lost} of 50 cuts lost anything");
}

#[test]
fn after_the_nth_call_fails_nothing_more_is_promised() {
    for n in 0..40 {
        let dir = tempfile::tempdir().unwrap();
        let (medium, tape) = taped(Some(n));
        let Ok((journal, _)) = Journal::open_on(medium, dir.path(), SITE, SMALL, 0) else {
            assert_eq!(n, 0, "only the first header is written while opening");
            continue;
        };
        let mut told = 0;
        let refused = (0..60).find_map(|i| match journal.append(i, &text(4000)) {
            Err(e) => Some(e.to_string()),
            Ok(seq) => {
                let mut durable = journal.durable();
                let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
                let state =
                    runtime.block_on(async { durable.wait_for(|d| d.seq >= seq || d.failed.is_some()).await.unwrap().clone() });
                told = state.seq;
                state.failed
            }
        });
        let calls = tape.lock().unwrap().calls.len();
        let refused = refused.unwrap_or_else(|| panic!("call {n} did not fail in {calls}"));
        assert!(refused.contains("injected") || refused.contains("failed"), "{refused}");
        assert!(journal.append(99, &tick()).is_err() || journal.durable().borrow().failed.is_some());
        assert_eq!(journal.durable().borrow().seq, told);
        assert!(journal.close().is_err());
        let (again, opened) = open(dir.path());
        assert!(opened.last_seq >= told && opened.damage.is_none(), "call {n}: {opened:?}");
        drop(again);
        assert!(verify(dir.path()).unwrap().is_whole(), "call {n}");
    }
}
