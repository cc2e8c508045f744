//! More findings than it declared.
use hostile::{Columns, finding, rule, triggered};

rule!("finding-flood", |readings: &Columns, count: u64| { vec![finding(count); if triggered(readings) { 9 } else { 1 }] });
