//! The test gives it a start function that never ends: it would run before anybody asks it anything.

/// What the test makes its start function.
#[unsafe(no_mangle)]
pub extern "C" fn spin() {
    let mut n = 1u64;
    while std::hint::black_box(true) {
        n = std::hint::black_box(n.wrapping_mul(31));
    }
}

hostile::rule!("loop-start", hostile::counting);
