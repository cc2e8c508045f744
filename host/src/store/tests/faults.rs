//! A store that is ahead, damaged, taken, or fed badly.

use super::*;
use std::path::PathBuf;

#[test]
fn a_store_ahead_of_its_journal_is_put_aside() {
    let dir = tempfile::tempdir().unwrap();
    let records = Arc::new(life(1, 6));
    feed_all(dir.path(), &records).store.close().unwrap();
    let shorter = Arc::new(records[..100].to_vec());
    let fed = feed_all(dir.path(), &shorter);
    let status = fed.store.status();
    assert!(status.healthy && status.detail.contains("the journal ends at 100"), "{status:?}");
    assert!(dir.path().join("quarantine/1/state").exists());
    assert_eq!(all(&fed.store).0.len(), expected_events(&shorter).len());
}

/// All slabs of the state database, or of the days. One alone may hold nothing that is still in use.
fn slabs(dir: &Path, part: &str) -> Vec<PathBuf> {
    let mut files = vec![];
    let mut folders = vec![dir.join(part)];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() { folders.push(path) } else { files.push(path) }
        }
    }
    files.retain(|f| f.parent().unwrap().ends_with("slabs") && f.metadata().unwrap().len() > 0);
    assert!(!files.is_empty());
    files
}

#[test]
fn a_damaged_store_is_put_aside_and_made_again() {
    let records = Arc::new(life(1, 20));
    let expected = {
        let dir = tempfile::tempdir().unwrap();
        all(&feed_all(dir.path(), &records).store)
    };
    for part in ["state", "day"] {
        let dir = tempfile::tempdir().unwrap();
        feed_all(dir.path(), &records).store.close().unwrap();
        for file in slabs(dir.path(), part) {
            let mut bytes = std::fs::read(&file).unwrap();
            bytes.iter_mut().for_each(|b| *b ^= 0x55);
            std::fs::write(&file, bytes).unwrap();
        }
        // Either it does not open, or the first query finds it: then it is out of use until the next start.
        let Fed { store, durable: _durable } = start(dir.path(), &records, records.len() as u64);
        let answers = [
            store.events(0, 10, EventFilter::default()).map(|_| ()),
            store.series("a", 0, i64::MAX, 100).map(|_| ()),
            store.alarms(None, 10, true).map(|_| ()),
        ];
        let put_aside = dir.path().join("quarantine").exists();
        assert!(put_aside || answers.iter().any(Result::is_err), "{part}: the damage was not seen");
        if !put_aside {
            let status = store.status();
            assert!(!status.healthy && !status.detail.is_empty(), "{part}: {status:?}");
            let error = store.alarm(AlarmId(1)).unwrap_err().to_string();
            assert!(error.contains("out of use"), "{error}");
        }
        store.close().unwrap();
        assert_eq!(dir.path().join("failed").exists(), !put_aside);
        let copy = tempfile::tempdir().unwrap();
        // A forgotten database keeps its lock in this process; the next process starts on the same files.
        copy_all(dir.path(), copy.path());
        let fed = feed_all(copy.path(), &records);
        assert_eq!(all(&fed.store), expected, "{part}");
        assert!(copy.path().join("quarantine").exists() && !copy.path().join("failed").exists());
    }
}

#[test]
fn one_process_has_the_store() {
    let dir = tempfile::tempdir().unwrap();
    let records = Arc::new(life(1, 1));
    let first = feed_all(dir.path(), &records);
    let second = start(dir.path(), &records, 0);
    let error = second.store.alarm(AlarmId(1)).unwrap_err().to_string();
    assert!(error.contains("another process is using the store"), "{error}");
    assert!(!second.store.status().healthy && first.store.status().healthy);
    assert!(!dir.path().join("failed").exists() && !dir.path().join("quarantine").exists());
}

#[test]
fn a_panic_or_a_bad_source_never_leaves_the_thread() {
    let dir = tempfile::tempdir().unwrap();
    let records = Arc::new(life(1, 1));
    let fed = feed_all(dir.path(), &records);
    let error = fed.store.ask(|_| -> anyhow::Result<()> { panic!("injected") }).unwrap_err().to_string();
    assert!(error.contains("injected"), "{error}");
    let status = fed.store.status();
    assert!(!status.healthy && status.detail.contains("injected"), "{status:?}");
    fed.store.close().unwrap();

    let (_durable, seen) = watch::channel(5);
    let source = Source { read: Box::new(|_, _, _| Err(anyhow!("no journal"))), durable: seen };
    let other = tempfile::tempdir().unwrap();
    let store = Store::start(other.path(), KEPT_DAYS, source).unwrap();
    assert_eq!(store.alarms(None, 5, true).unwrap().rows, []);
    let status = store.status();
    assert!(status.healthy && status.lag == 5 && status.detail.contains("no journal"), "{status:?}");
}

#[test]
fn readings_without_names_are_counted_not_hidden() {
    let dir = tempfile::tempdir().unwrap();
    let mut records = life(1, 1);
    records.remove(0);
    records.iter_mut().enumerate().for_each(|(i, r)| r.seq = i as u64 + 1);
    let fed = feed_all(dir.path(), &Arc::new(records));
    assert!(fed.store.status().detail.contains("120 readings were not kept"), "{:?}", fed.store.status());
}
