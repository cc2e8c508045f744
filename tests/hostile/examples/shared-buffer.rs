//! A thousand findings that all point at one buffer of 1 MiB: small in the guest, a gigabyte for a host that copies.
use hostile::{Columns, Finding, finding, rule, triggered};

rule!("shared-buffer", |readings: &Columns, count: u64| -> Vec<Finding> {
    if !triggered(readings) {
        return vec![finding(count)];
    }
    let buffer: &'static mut [f64] = vec![1.0; 1 << 17].leak();
    (0..1000)
        .map(|_| Finding {
            // SAFETY: none; many owners of one buffer is the case. The host reads before anything is freed.
            numbers: unsafe { Vec::from_raw_parts(buffer.as_mut_ptr(), buffer.len(), buffer.len()) },
            ..finding(count)
        })
        .collect()
});
