//! Asks for all of its past and more: it gets what it declared.
use hostile::{Columns, finding, history, rule};

rule!("greedy-history", |_: &Columns, _: u64| {
    let rows = history(0, i64::MIN, u32::MAX).values.len() + history(u32::MAX, i64::MIN, u32::MAX).values.len();
    vec![finding(rows as u64)]
});
