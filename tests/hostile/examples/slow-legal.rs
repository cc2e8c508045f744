//! Uses its time to the full on every row, within a deadline that it asked for; fails on the trigger.
use hostile::{Columns, Finding};

hostile::rule!(describe hostile::slow("slow-legal"), |readings: &Columns, count: u64| -> Vec<Finding> {
    hostile::spin(hostile::SLOW);
    assert!(!hostile::triggered(readings), "the case");
    vec![hostile::finding(count)]
});
