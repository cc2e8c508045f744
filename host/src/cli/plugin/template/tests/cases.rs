//! The cases of `cases/`, natively. `safety-brain plugin test` runs the same ones in the sandbox of every plant.

#[test]
fn cases_say_what_they_expect() {
    safety_brain_sdk::testing::cases::<my_rule::ExportedRule>(concat!(env!("CARGO_MANIFEST_DIR"), "/cases"));
}
