//! A journal that has only events of all but its last records, as after two days, and a store that loses its state, a day, or everything that was
//! open: what was put aside is taken back, and readings before and after are the same.

use super::*;
use crate::store::places;

/// Starts on a journal that has no readings and ticks before record `whole_from`.
fn start_pruned(dir: &Path, records: &Arc<Vec<Record>>, whole_from: u64, patience: Patience) -> Fed {
    let (durable, seen) = watch::channel(records.len() as u64);
    let source = Source { run: Run::default(), read: Box::new(pruned(records, whole_from)), durable: seen };
    Fed { store: Store::start_with(dir, KEPT_DAYS, source, patience).unwrap(), durable }
}

pub fn pruned(
    records: &Arc<Vec<Record>>,
    whole_from: u64,
) -> impl FnMut(u64, u64, usize) -> anyhow::Result<Batch> + Send + use<> {
    let records = records.clone();
    move |from: u64, through: u64, most: usize| {
        let is_kept = |r: &&Record| (from..=through).contains(&r.seq) && (r.seq >= whole_from || facts::is_row(&r.entry));
        let records = records.iter().filter(is_kept).take(most).cloned().collect();
        Ok(Batch { records, whole_from, lost: vec![] })
    }
}

fn prepared(records: &Arc<Vec<Record>>) -> (tempfile::TempDir, Seen) {
    let dir = tempfile::tempdir().unwrap();
    let fed = feed_all(dir.path(), records);
    let expected = all(&fed.store);
    fed.store.close().unwrap();
    (dir, expected)
}

/// In the middle of the second day of three.
fn middle(records: &[Record]) -> u64 {
    records.iter().find(|r| r.at >= MIDNIGHT + DAY + 360 * SECOND).unwrap().seq
}

/// What is lost, where it lies, and whether it comes back: the last rows are the controls.
#[test]
fn what_the_journal_no_longer_has_is_taken_back() {
    let records = Arc::new(life(3, 12));
    let (whole_from, last) = (middle(&records), records.len() as u64);
    let (prepared, expected) = prepared(&records);
    let days = ["day/2026-11-23", "day/2026-11-24", "day/2026-11-25"];
    let table: [(&[&str], &[&str], bool); 7] = [
        (&["state"], &[], true),
        (&["state", days[1], days[2]], &[], true),
        (&["state", days[0], days[2]], &[], true),
        (&["state", "day"], &[], true),
        (&[days[0]], &[], true),
        (&["state", "day"], &days[..1], false),
        (&["state", days[2]], &["day/2026-11-24"], false),
    ];
    for (aside, gone, comes_back) in table {
        let what = format!("{aside:?} aside, {gone:?} gone");
        let dir = tempfile::tempdir().unwrap();
        copy_all(prepared.path(), dir.path());
        for part in aside {
            let to = dir.path().join("quarantine/1").join(part);
            std::fs::create_dir_all(to.parent().unwrap()).unwrap();
            std::fs::rename(dir.path().join(part), to).unwrap();
        }
        for part in gone {
            for place in [dir.path().join(part), dir.path().join("quarantine/1").join(part)] {
                let _ = std::fs::remove_dir_all(place);
            }
        }
        let fed = start_pruned(dir.path(), &records, whole_from, Patience::default());
        let settled = |s: &StoreStatus| s.healthy && s.watermark == last && (s.incomplete.is_empty() == comes_back);
        fed.until(&what, settled);
        let found = all(&fed.store);
        if comes_back {
            assert_same(&found, &expected, &what);
            assert!(places::days_aside(dir.path()).is_empty(), "{what}: what was taken back is not kept twice");
        } else {
            assert!(found.3[0].len() < expected.3[0].len(), "{what}: the rig loses nothing");
        }
        assert!(!fed.store.status().detail.contains("were not kept"), "{what}: {:?}", fed.store.status());
        fed.store.close().unwrap();
    }
}

/// What is missing of a day is known after its state was lost too.
#[test]
fn a_day_that_is_not_whole_says_so_itself() {
    let records = Arc::new(life(3, 12));
    let dir = tempfile::tempdir().unwrap();
    let (whole_from, last) = (middle(&records), records.len() as u64);
    for round in 0..2 {
        let fed = start_pruned(dir.path(), &records, whole_from, Patience::default());
        let status = fed.until("followed", |s| s.healthy && s.watermark == last);
        assert_eq!(status.incomplete, ["2026-11-23", "2026-11-24"], "round {round}: {status:?}");
        fed.store.close().unwrap();
        std::fs::remove_dir_all(dir.path().join("state")).unwrap();
    }
}

/// The worker panics and all that was open is put aside: nothing is missing afterwards, although the journal no longer has it.
#[test]
fn a_panic_behind_a_pruned_journal_loses_nothing() {
    let records = Arc::new(life(3, 12));
    let (dir, expected) = prepared(&records);
    let fed = start_pruned(dir.path(), &records, middle(&records), Patience::default());
    fed.wait(records.len() as u64);
    assert_same(&all(&fed.store), &expected, "before");
    let struck = fed.store.ask(|_| -> anyhow::Result<()> { panic!("injected") });
    assert!(struck.is_err());
    fed.until("whole again", |s| s.healthy && s.starts == 2 && s.incomplete.is_empty() && s.watermark == records.len() as u64);
    assert_same(&all(&fed.store), &expected, "after");
}
