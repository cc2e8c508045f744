//! Answers with more numbers than anybody reads: the host must not copy them.
use hostile::{Columns, Finding, finding, rule, triggered};

rule!("huge-result", |readings: &Columns, count: u64| {
    let numbers = if triggered(readings) { 1 << 18 } else { 1 };
    vec![Finding { numbers: vec![count as f64; numbers], ..finding(count) }]
});
