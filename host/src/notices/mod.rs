//! What leaves for people, and what they answer: CAP 1.2 messages over HTTP(S), and the other channels.
//! Owns: the text of a message and how it is kept, one try to deliver it, the reading of an answer; one heartbeat.
//! Must not know: when to try again, who is told next, where a notice is kept (the brain decides, the daemon carries).

pub mod answer;
pub mod cap;
pub mod channels;
pub mod deliver;
mod fields;
#[doc(hidden)]
pub mod fuzzing;
mod http;
pub mod letter;
pub mod proof;
pub mod received;
#[cfg(test)]
pub(crate) mod sample;
pub mod watcher;

pub use answer::{Answer, answer};
pub use channels::Courier;
pub use deliver::{Delivered, Deliverer, Sent};
pub use proof::{Proved, Unproved, proved, proved_json};
pub use watcher::Pinger;
