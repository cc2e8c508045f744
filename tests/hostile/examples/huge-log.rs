//! Logs one line of 4 MiB.
use hostile::{Columns, Finding, finding, log, rule, triggered};

rule!("huge-log", |readings: &Columns, count: u64| -> Vec<Finding> {
    if triggered(readings) {
        log(1, &"x".repeat(4 << 20));
    }
    vec![finding(count)]
});
