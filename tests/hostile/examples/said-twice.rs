//! Two findings for one hazard in one answer.
use hostile::{Columns, finding, rule, triggered};

rule!("said-twice", |readings: &Columns, count: u64| { vec![finding(count); if triggered(readings) { 2 } else { 1 }] });
