//! Counts, looks back and logs a little: the neighbour that must never notice the others.
use hostile::{Columns, log, looking_back, rule};

rule!("well-behaved", |readings: &Columns, count: u64| {
    log(1, "judged");
    looking_back(readings, count)
});
