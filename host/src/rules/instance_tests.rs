//! The reference rules, taken down in the middle of their cases and put up again from the last snapshot and the batches since: they say the same as
//! if nothing had happened.
#![allow(clippy::unwrap_used)]

use super::*;
use crate::config::types::Param;
use crate::rules::trial::{Bound, Trial};
use crate::rules::{Compiler, Engine, Package, build};
use brain::reading::Quality;
use safety_brain_sdk::cases::{self, Value};
use safety_brain_sdk::testing::micros;
use std::path::Path;

/// A rule bound as one case says, and the batches of that case.
fn prepared(plugin: &str) -> (Trial, Vec<(Micros, Vec<Row>)>) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../plugins").join(plugin);
    let component = build::component(&folder).unwrap();
    let package = Arc::new(Package::from_bytes(&Engine::start(Compiler::Here).unwrap(), &component, None).unwrap());
    let (_, case) = cases::folder(&folder.join("cases")).unwrap().remove(0);
    let tags: Vec<Bound> = case.tags().into_iter().map(|(tag, input, range)| Bound { tag, input, range }).collect();
    let param = |value: &Value| match value {
        Value::Flag(on) => Param::Flag(*on),
        Value::Number(number) => Param::Number(*number),
        Value::Text(text) => Param::Text(text.clone()),
        Value::Numbers(numbers) => Param::Numbers(numbers.clone()),
    };
    let params = case.params.iter().map(|(name, value)| (name.clone(), param(value))).collect();
    let trial = Trial::new(&package, &tags, params).unwrap();
    let row = |row: cases::Row| Row {
        handle: trial.handle(&row.tag).unwrap(),
        value: row.value,
        quality: Quality(row.quality.0),
        source_us: micros(row.second),
    };
    let batches = case.batches(0).unwrap().into_iter();
    let batches = batches.map(|(second, rows)| (micros(second), rows.into_iter().map(row).collect())).collect();
    (trial, batches)
}

/// All that is said, as text, so that NaN is NaN. `hurt` is done to the instance before every `every`-th batch.
fn said(trial: &Trial, batches: &[(Micros, Vec<Row>)], every: usize, hurt: impl Fn(&mut Instance)) -> Vec<String> {
    let mut instance = trial.instance();
    let mut all = Vec::new();
    for (n, (at, rows)) in batches.iter().enumerate() {
        if n % every == every - 1 {
            hurt(&mut instance);
        }
        let answer = instance.evaluate(*at, rows);
        assert!(answer.strikes.is_empty() && !answer.skipped, "batch {n}: {answer:?}");
        all.extend(answer.findings.iter().map(|finding| format!("{at} {finding:?}")));
    }
    all
}

fn says_the_same(plugin: &str) {
    let (trial, mut batches) = prepared(plugin);
    batches.truncate(900); // a quarter of an hour
    let whole = said(&trial, &batches, usize::MAX, |_| {});
    assert!(whole.len() > 10, "{whole:?}");
    for every in [5, 11, 64] {
        let hurt = said(&trial, &batches, every, |instance| instance.sandbox = None);
        assert_eq!(hurt, whole, "{plugin}, taken down before every {every}th batch");
    }
    // With the few snapshots of a back-test too.
    let hurt = said(&trial, &batches, 50, |instance| {
        instance.snapshots = (SNAPSHOT_BATCHES_OF_HISTORY, Micros::MAX);
        instance.sandbox = None;
    });
    assert_eq!(hurt, whole, "{plugin}, with fewer snapshots");
    // The control: without its snapshot, or without the batches since, it does not say the same.
    let forgetful = said(&trial, &batches, 7, Instance::forget);
    assert_ne!(forgetful, whole, "{plugin}");
    let stale = said(&trial, &batches, 7, |instance| {
        instance.sandbox = None;
        instance.since.clear();
    });
    assert_ne!(stale, whole, "{plugin}");
}

#[test]
fn a_gas_detector_that_is_hurt_says_the_same() {
    says_the_same("gas-detector");
}

#[test]
fn a_fireworks_room_that_is_hurt_says_the_same() {
    says_the_same("fireworks-room");
}
