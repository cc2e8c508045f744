//! Logs without end.
use hostile::{Columns, finding, log, rule, triggered};

rule!("log-flood", |readings: &Columns, count: u64| {
    while triggered(readings) {
        log(3, "still here");
    }
    vec![finding(count)]
});
