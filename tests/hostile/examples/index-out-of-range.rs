//! Reports a hazard it never described.
use hostile::{Columns, Finding, finding, rule, triggered};

rule!("index-out-of-range", |readings: &Columns, count: u64| {
    vec![Finding { hazard: if triggered(readings) { 7 } else { 0 }, ..finding(count) }]
});
