//! Never answers, with the usual fuel: it runs dry before the deadline.
use hostile::{Columns, finding, rule, triggered};

rule!("burn-fuel", |readings: &Columns, count: u64| {
    let mut n = count;
    while triggered(readings) {
        n = std::hint::black_box(n.wrapping_mul(31));
    }
    vec![finding(count)]
});
