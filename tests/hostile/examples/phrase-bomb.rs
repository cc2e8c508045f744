//! A phrase of 120 KB, all places: whoever fills it once for each number never ends.
hostile::rule!(
    describe {
        let mut description = hostile::description("phrase-bomb");
        for (_, text) in &mut description.phrases[0].text {
            *text = "{0}".repeat(40_000);
        }
        description
    },
    hostile::counting
);
