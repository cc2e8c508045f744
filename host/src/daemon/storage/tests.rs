//! How far the store was given records is on disk before it has them. Must not know: what it does with them.
#![allow(clippy::unwrap_used)]

use super::*;
use crate::daemon::core::Core;
use crate::journal::FOLDER;

/// 2026-11-23 00:00 UTC.
const START: brain::Micros = 1_795_392_000_000_000;

#[test]
fn how_far_the_store_is_is_known_before_it_is_there() {
    let data = tempfile::tempdir().unwrap();
    let data = data.path();
    assert_eq!(given(data), 0);
    std::fs::create_dir_all(data.join(store::FOLDER)).unwrap();
    note_given(&data.join(store::FOLDER), 7_000);
    note_given(&data.join(store::FOLDER), 7_123);
    assert_eq!(given(data), 7_123);
    let path = data.join(store::FOLDER).join(GIVEN);
    let mut bytes = std::fs::read(&path).unwrap();
    bytes[0] ^= 1;
    std::fs::write(&path, bytes).unwrap();
    assert_eq!(given(data), 0, "a torn note says nothing");
}

/// The last group was lost, and looks like a torn tail: only the store knows better.
#[test]
fn a_journal_that_ends_before_the_store_is_damaged() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../configs/gas-district.toml");
    let site = crate::config::load(&path).unwrap().site;
    let data = tempfile::tempdir().unwrap();
    let open = || Core::open(site.clone(), 1 << 20, data.path()).unwrap();
    let (mut core, _) = open();
    core.start(START, "");
    core.close().unwrap();
    let last = journal::last(&data.path().join(FOLDER)).unwrap();
    std::fs::create_dir_all(data.path().join(store::FOLDER)).unwrap();
    note_given(&data.path().join(store::FOLDER), last);
    let (core, replayed) = open();
    assert!(replayed.damage.is_empty(), "{:?}", replayed.damage);
    core.close().unwrap();
    note_given(&data.path().join(store::FOLDER), last + 5);
    let (core, replayed) = open();
    assert!(replayed.damage.iter().any(|damage| damage.contains("ends before what was on disk")), "{:?}", replayed.damage);
    assert_eq!(core.durable().borrow().seq, last + 5, "no number is used again");
}

/// The alarm says why the store is out of use now, and is not told again of what wavers.
#[test]
fn another_reason_is_news_and_another_number_is_none() {
    let status = |healthy: bool, detail: &str, starts: u64| StoreStatus {
        healthy,
        detail: detail.into(),
        starts,
        ..StoreStatus::default()
    };
    let mut known = None;
    for (status, news) in [
        (status(true, "", 0), false),
        (status(true, "", 1), true),
        (status(true, "a day is not whole", 1), false),
        (status(false, "No space left on device (os error 28)", 1), true),
        (status(false, "the disk is full: 0 bytes are free", 1), true),
        (status(false, "the disk is full: 4096 bytes are free", 1), false),
        (status(true, "", 2), true),
    ] {
        assert_eq!(is_news(&mut known, &status), news, "{status:?}");
    }
}
