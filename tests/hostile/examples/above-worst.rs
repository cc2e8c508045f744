//! Claims red where it declared orange at worst.
use hostile::{Columns, Finding, finding, rule, triggered};

rule!("above-worst", |readings: &Columns, count: u64| {
    vec![Finding { severity: if triggered(readings) { 4 } else { 2 }, ..finding(count) }]
});
