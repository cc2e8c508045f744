//! Calls itself until the stack ends.
use hostile::{Columns, finding, rule, triggered};

fn deeper(n: u64) -> u64 {
    if std::hint::black_box(n) == 0 {
        return 0;
    }
    std::hint::black_box(deeper(n - 1)) + 1
}

rule!("deep-recursion", |readings: &Columns, count: u64| {
    let depth = if triggered(readings) { 1 << 40 } else { 1 };
    vec![finding(count + deeper(depth) - 1)]
});
