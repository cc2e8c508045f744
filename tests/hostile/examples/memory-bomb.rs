//! Takes memory without end.
use hostile::{Columns, finding, rule, triggered};

rule!("memory-bomb", |readings: &Columns, count: u64| {
    let mut hoard = Vec::new();
    while triggered(readings) {
        hoard.push(std::hint::black_box(Vec::<u8>::with_capacity(1 << 20)));
    }
    vec![finding(count)]
});
