//! Never starts.
use hostile::{Columns, Start, finding, rule};

rule!("loop-init", |_: &Columns, count: u64| vec![finding(count)], |start: &Start| {
    let mut at = start.at;
    while at != 0 {
        at = std::hint::black_box(at | 1);
    }
});
