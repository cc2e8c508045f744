//! Gas detectors of one zone: combustible, toxic, uncalibrated, together with line pressure and people.
//! Must not know: which gas, which plant, who is told.

mod baseline;
mod description;
mod rule;
#[cfg(test)]
mod tests;

pub use rule::GasDetector;

safety_brain_sdk::export!(GasDetector);
