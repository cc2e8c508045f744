//! Wants more of its past kept than anybody may.
use hostile::{Description, Input};

hostile::rule!(
    describe {
        let description = hostile::description("deep-history");
        let inputs = description.inputs.into_iter().map(|input| Input { history: 4097, ..input }).collect();
        Description { inputs, ..description }
    },
    hostile::counting
);
