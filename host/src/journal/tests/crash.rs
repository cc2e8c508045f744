//! Ends that nobody chose: a torn last group, a power cut with sectors surviving at random, a disk that fails at the n-th call.

use super::*;
use crate::journal::disk::tape::{Call, Tape};
use crate::journal::record::Raw;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

const SECTOR: usize = 512;

pub(super) fn taped(fail_at: Option<usize>) -> (Medium, Arc<Mutex<Tape>>) {
    let tape = Arc::new(Mutex::new(Tape { fail_at, ..Tape::default() }));
    (Medium::Taped(tape.clone()), tape)
}

#[test]
fn a_tail_torn_at_any_byte_is_wiped_and_nothing_else() {
    let dir = tempfile::tempdir().unwrap();
    let (medium, tape) = taped(None);
    let (journal, _) = Journal::open_on(medium, unopened(), dir.path(), SITE, SMALL, 0).unwrap();
    for i in 0..3 {
        wait(&journal, journal.append(i, &text(100)).unwrap());
    }
    wait(&journal, journal.append(9, &text(60)).unwrap());
    let Some((offset, last)) = tape.lock().unwrap().calls.iter().rev().find_map(|c| match c {
        Call::Write { offset, bytes, .. } => Some((*offset as usize, bytes.clone())),
        Call::Sync { .. } | Call::Durable { .. } | Call::Rename { .. } | Call::Remove { .. } | Call::Names { .. } => None,
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

/// Events are kept so long in the script.
const EVENTS: Micros = 90_000_000;
/// Nobody has passed the last records of the script.
const UNPASSED: u64 = 60;

/// What was done to the files, and what was written: number -> time, and whether it is an event.
struct Script {
    calls: Vec<Call>,
    records: Vec<(Micros, bool)>,
}

/// Groups, small and large, over several segments; meanwhile old ones are compressed, pruned and dropped.
fn script() -> Script {
    let dir = fast_folder();
    let (medium, tape) = taped(None);
    let (journal, _) = Journal::open_on(medium.clone(), unopened(), dir.path(), SITE, SMALL, 0).unwrap();
    let mut keeper = Keeper::on(medium, dir.path());
    let (mut records, mut done) = (vec![], Kept::default());
    for i in 0..100i64 {
        let at = i * 2_000_000;
        for k in 0..=(i % 4) {
            journal.append(at, &text(((i * 37 + k * 911) % 3000) as usize)).unwrap();
            records.push((at, true));
        }
        let seq = journal.append(at, &tick()).unwrap();
        records.push((at, false));
        wait(&journal, seq);
        if i % 10 == 9 {
            let policy = Policy { bytes_max: u64::MAX, records: 0, records_min: 0, events: EVENTS };
            let moment = Moment { now: at, passed: seq.saturating_sub(UNPASSED), well: true, full: false };
            let kept = keeper.round(&policy, &moment, &|| false).unwrap();
            done = Kept {
                packed: done.packed + kept.packed,
                archived: done.archived + kept.archived,
                dropped: done.dropped + kept.dropped,
                aside: done.aside + kept.aside,
            };
        }
    }
    journal.close().unwrap();
    let calls = std::mem::take(&mut tape.lock().unwrap().calls);
    assert!(calls.len() > 300 && done.packed > 3 && done.archived > 2 && done.dropped > 0 && done.aside == 0, "{done:?}");
    Script { calls, records }
}

type Files = BTreeMap<PathBuf, Vec<u8>>;

fn apply(disk: &mut Files, name: &Path, offset: usize, bytes: &[u8]) {
    let zeros = if name.extension().is_some_and(|end| end == "seg") { SMALL as usize } else { 0 };
    let file = disk.entry(name.to_owned()).or_insert_with(|| vec![0; zeros]);
    let end = offset + bytes.len();
    file.resize(file.len().max(end), 0);
    file[offset..end].copy_from_slice(bytes);
}

fn name(disk: &mut Files, call: &Call) {
    match call {
        Call::Rename { from, to } => {
            if let Some(bytes) = disk.remove(from) {
                disk.insert(to.clone(), bytes);
            }
        }
        Call::Remove { name } => drop(disk.remove(name)),
        Call::Write { .. } | Call::Sync { .. } | Call::Names { .. } | Call::Durable { .. } => {}
    }
}

/// The disk after power was lost behind call `cut`: what was synced whole; of other writes any choice of sectors, also halves; of names that were
/// given or taken and not synced, any choice.
fn image(calls: &[Call], seed: &mut u64) -> (Files, u64) {
    let mut disk = Files::new();
    let mut pending: Vec<(&Path, u64, &[u8])> = vec![];
    let mut names: Vec<&Call> = vec![];
    let mut durable = 0;
    let inside = |name: &Path, folder: &Path| name.parent() == Some(folder);
    for call in calls {
        match call {
            Call::Write { name, offset, bytes } => pending.push((name, *offset, bytes)),
            Call::Sync { name } => pending.retain(|(n, offset, bytes)| {
                if n == name {
                    apply(&mut disk, n, *offset as usize, bytes);
                }
                n != name
            }),
            Call::Rename { .. } | Call::Remove { .. } => names.push(call),
            Call::Names { folder } => names.retain(|call| {
                let synced = match call {
                    Call::Rename { to, .. } => inside(to, folder),
                    Call::Remove { name } => inside(name, folder),
                    Call::Write { .. } | Call::Sync { .. } | Call::Names { .. } | Call::Durable { .. } => true,
                };
                if synced {
                    name(&mut disk, call);
                }
                !synced
            }),
            Call::Durable { seq } => durable = *seq,
        }
    }
    for (name, offset, bytes) in pending {
        let mut at = 0;
        while at < bytes.len() {
            let size = (SECTOR - (offset as usize + at) % SECTOR).min(bytes.len() - at);
            let kept = match random(seed) % 5 {
                0 | 1 => size,
                2 => size / 2,
                _ => 0,
            };
            apply(&mut disk, name, offset as usize + at, &bytes[at..at + kept]);
            at += size;
        }
    }
    for call in names {
        if random(seed).is_multiple_of(2) {
            name(&mut disk, call);
        }
    }
    (disk, durable)
}

/// Returns what was lost of what the world had been told, and whether a torn tail was called damage.
fn cut_and_reopen(script: &Script, seed: u64) -> (bool, bool) {
    let mut random_state = seed;
    // The first calls are one case in ten: a journal is never more fragile than while it is new.
    let among = if seed.is_multiple_of(10) { 3 } else { script.calls.len() };
    let cut = random(&mut random_state) as usize % among;
    let (disk, durable) = image(&script.calls[..=cut], &mut random_state);
    let dir = fast_folder();
    std::fs::create_dir(dir.path().join(ARCHIVE)).unwrap();
    for (name, bytes) in &disk {
        std::fs::write(dir.path().join(name), bytes).unwrap();
    }
    let (journal, opened) = open(dir.path());
    let next = journal.append(i64::MAX, &tick()).unwrap();
    journal.close().unwrap();
    let readable: BTreeSet<u64> = read(dir.path(), 1).unwrap().filter_map(|r| Some(r.ok()?.seq)).collect();
    let now = script.records.get(durable.saturating_sub(1) as usize).map_or(0, |record| record.0);
    let promised = |seq: u64, at: Micros, event: bool| {
        seq <= durable && (seq > durable.saturating_sub(UNPASSED) || (event && at > now - EVENTS))
    };
    let mut records = (1..).zip(&script.records);
    let missing = records.any(|(seq, (at, event))| promised(seq, *at, *event) && !readable.contains(&seq));
    let lost = opened.last_seq < durable || missing || !readable.contains(&next);
    let called = opened.damage.is_some() || !verify(dir.path()).unwrap().is_whole();
    (lost, called)
}

/// Runs the cuts on as many threads as there are, and says which seeds went how.
fn cuts(script: &Script, seeds: u64) -> Vec<(u64, (bool, bool))> {
    let threads = std::thread::available_parallelism().map_or(2, |n| n.get() as u64);
    std::thread::scope(|scope| {
        let run = |first: u64| move || (first..seeds).step_by(threads as usize).map(|s| (s, cut_and_reopen(script, s))).collect();
        let running: Vec<std::thread::ScopedJoinHandle<'_, Vec<_>>> = (0..threads).map(|first| scope.spawn(run(first))).collect();
        running.into_iter().flat_map(|thread| thread.join().unwrap()).collect()
    })
}

#[test]
fn a_power_cut_loses_nothing_that_was_promised() {
    let script = script();
    let seeds = effort(2000);
    let bad: Vec<_> = cuts(&script, seeds).into_iter().filter(|(_, seen)| *seen != (false, false)).collect();
    assert!(bad.is_empty(), "{} of {seeds} seeds (seed, (lost, called damage)): {:?}", bad.len(), &bad[..bad.len().min(20)]);
    tell(&format!(
        "journal: {seeds} power cuts among {} calls, also while compressing, archiving and dropping: 0 lost, 0 called damage",
        script.calls.len()
    ));
}

/// The control: a rig that cannot fail proves nothing. Without its syncs, the journal must lose; and without those of compressed files alone, too.
#[test]
fn without_sync_the_power_cut_is_seen() {
    let whole = script();
    let without = |drop: &dyn Fn(&Call) -> bool| {
        let calls = whole.calls.iter().filter(|call| !drop(call)).cloned().collect();
        let script = Script { calls, records: whole.records.clone() };
        cuts(&script, 100).into_iter().filter(|(_, (lost, called))| *lost || *called).count()
    };
    let data = without(&|call| matches!(call, Call::Sync { .. }));
    let packed = without(&|call| matches!(call, Call::Sync { name } if name.extension().is_some_and(|end| end == "new")));
    tell(&format!("journal: without any sync {data} of 100 cuts were seen, without those of compressed files {packed}"));
    assert!(data > 50 && packed > 10);
}

#[test]
fn after_the_nth_call_fails_nothing_more_is_promised() {
    for n in 0..40 {
        let dir = tempfile::tempdir().unwrap();
        let (medium, tape) = taped(Some(n));
        let Ok((journal, _)) = Journal::open_on(medium, unopened(), dir.path(), SITE, SMALL, 0) else {
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
