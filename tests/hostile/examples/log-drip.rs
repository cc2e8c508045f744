//! Logs less in each call than would end it, and never stops.
use hostile::{Columns, Finding, finding, log, rule, triggered};

rule!("log-drip", |readings: &Columns, count: u64| -> Vec<Finding> {
    if triggered(readings) {
        for n in 0..900 {
            log(1, &format!("line {n}"));
        }
    }
    vec![finding(count)]
});
