//! Collects what nobody sees from outside, as interpreters do: beside its state it tells how many calls its store has had.
use hostile::{Columns, Description, Finding, description, finding, rule};
use std::sync::atomic::{AtomicU64, Ordering};

static CALLS: AtomicU64 = AtomicU64::new(0);

/// What carries an interpreter may claim no more than yellow.
fn advisory() -> Description {
    let mut all = description("collects");
    all.hazards.iter_mut().for_each(|hazard| hazard.worst = 2);
    all
}

rule!(describe advisory(), |_readings: &Columns, count: u64| {
    let calls = CALLS.fetch_add(1, Ordering::Relaxed) + 1;
    vec![finding(count), Finding { hazard: 1, ..finding(calls) }]
});
