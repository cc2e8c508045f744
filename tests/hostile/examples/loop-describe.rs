//! Never says what it is.
hostile::rule!(
    describe {
        let mut n = 1u64;
        loop {
            n = std::hint::black_box(n.wrapping_mul(31));
        }
    },
    hostile::counting
);
