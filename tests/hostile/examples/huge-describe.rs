//! Says what it is in more words than any host copies.
hostile::rule!(
    describe {
        let mut description = hostile::description("huge-describe");
        description.about[0].1 = "x".repeat(2 << 20);
        description
    },
    hostile::counting
);
