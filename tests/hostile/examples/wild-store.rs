//! Writes where no memory is.
use hostile::{Columns, finding, rule, triggered};

rule!("wild-store", |readings: &Columns, count: u64| {
    if triggered(readings) {
        // SAFETY: none; that is the case.
        unsafe { std::ptr::write_volatile(0xffff_fff0_usize as *mut u8, 1) };
    }
    vec![finding(count)]
});
