//! Cannot bear one value, however often it is tried.
use hostile::{Columns, finding, rule, triggered};

rule!("poison-value", |readings: &Columns, count: u64| {
    assert!(!triggered(readings), "the poison value");
    vec![finding(count)]
});
