//! Gives a phrase with one place sixty thousand numbers, each as long as a number gets.
use hostile::{Columns, Finding, finding, rule, triggered};

rule!("text-bomb", |readings: &Columns, count: u64| -> Vec<Finding> {
    match triggered(readings) {
        true => vec![Finding { numbers: vec![-1e308; 60_000], ..finding(count) }],
        false => vec![finding(count)],
    }
});
