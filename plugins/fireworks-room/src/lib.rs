//! A building where pyrotechnic goods are made: people, heat, powder, dryness, thunderstorms, season stops.
//! Must not know: which building, who is told.

mod description;
mod rule;
#[cfg(test)]
mod tests;

pub use rule::FireworksRoom;

safety_brain_sdk::export!(FireworksRoom);
