//! What a vendor's rule depends on: a description built from words and limits, typed readings and findings, the few helpers every rule
//! needs, and a harness that tests a rule without WebAssembly. Must not know: the host, any particular hazard.
//!
//! A rule is a plain Rust type that implements [`Rule`]. `export!` makes it a component; nothing else in the crate knows that it is one.
//!
//! ```
//! use safety_brain_sdk::*;
//!
//! struct Hot {
//!     air: Latest,
//!     limit: f64,
//!     watch: Watch,
//! }
//!
//! impl Rule for Hot {
//!     fn describe() -> Description {
//!         Description::new("hot-room", "1.0.0", "Example", ("高温", "Hot room"), ("室温过高时报警", "Alarms when a room is hot"))
//!             .input(Input::new("air", ("气温", "Air"), "temperature", "Cel").tags(1, 8))
//!             .param(Param::number("limit", ("上限", "Limit"), 34.0).unit("Cel").cite(Citation::own("a round number")))
//!             .hazard(
//!                 Hazard::new("hot", Severity::Orange, ("高温", "Too hot"))
//!                     .cause(("通风不足", "Poor ventilation"))
//!                     .consequence(("药剂不稳定", "Powder becomes unstable"))
//!                     .action(("停止作业", "Stop work"))
//!                     .respond_s(300),
//!             )
//!             .phrase("air", ("气温{0}℃，上限{1}℃", "Air {0} °C, limit {1} °C"))
//!     }
//!     fn new(start: Start) -> Result<Self, Vec<Fault>> {
//!         let watch = Watch::new("hot").on_s(5).off_s(60);
//!         Ok(Hot { air: start.latest("air"), limit: start.number("limit"), watch })
//!     }
//!     fn evaluate(&mut self, at: i64, readings: &[Reading]) -> Vec<Finding> {
//!         self.air.take(readings);
//!         let hottest = self.air.highest();
//!         let level = match hottest {
//!             None => Level::CannotTell,
//!             Some(row) if !(row.value < self.limit) => Level::Danger(Severity::Orange),
//!             Some(_) => Level::Clear,
//!         };
//!         let view = View::new(level, "air").numbers([hottest.map_or(f64::NAN, |row| row.value), self.limit]);
//!         let view = view.evidence(hottest.map(|row| row.against(self.limit, "limit")));
//!         let view = view.certainty(self.air.certainty(Side::High, self.limit)).unless_hidden(&self.air, Side::High, self.limit);
//!         view.and_then(|view| self.watch.tell(at, view)).into_iter().collect()
//!     }
//!     fn snapshot(&self) -> Vec<u8> {
//!         let mut out = Writer::default();
//!         self.air.save(&mut out);
//!         self.watch.save(&mut out);
//!         out.into_bytes()
//!     }
//!     fn restore(&mut self, _version: u32, state: &[u8]) -> Result<(), String> {
//!         let mut from = Reader::new(state);
//!         self.air.load(&mut from)?;
//!         self.watch.load(&mut from)?;
//!         from.done()
//!     }
//! }
//!
//! export!(Hot);
//! ```

mod bytes;
mod describe;
mod export;
mod finding;
mod latest;
mod reading;
mod start;
pub mod testing;
mod timing;
mod watch;
mod window;

pub use bytes::{Reader, Writer};
pub use describe::{Citation, Description, Hazard, Input, Param, Words};
pub use export::Lexicon;
#[doc(hidden)]
pub use export::rows;
pub use finding::{Certainty, Condition, Evidence, Finding, Severity};
pub use latest::Latest;
pub use reading::{Quality, Reading, Side};
pub use start::{Fault, Place, Start};
pub use timing::{Delay, SECOND};
pub use watch::{Level, View, Watch};
pub use window::Window;

/// The contract's own types, as generated from `wit/rule/rule.wit`. Rules do not need them; [`export!`] does.
#[allow(missing_docs, clippy::all)]
#[doc(hidden)]
pub mod contract {
    wit_bindgen::generate!({
        path: "../../wit/rule",
        world: "risk-rule",
        pub_export_macro: true,
        export_macro_name: "export_component",
        default_bindings_module: "safety_brain_sdk::contract",
    });
    pub use exports::safety_brain::rule::rule::*;
    pub use safety_brain::rule::{describing, types};
}

/// One rule bound to one zone. It has no clock, no files and no network: what it is given is all it knows, so a replay says the same.
pub trait Rule: Sized {
    /// What the rule needs and what it may say. Always the same answer.
    fn describe() -> Description;
    /// Starts with the bound inputs and the settings of one site. Refuses with everything that is wrong, at once.
    fn new(start: Start) -> Result<Self, Vec<Fault>>;
    /// Called with every batch, and with no readings when only time passed. `at`: the batch's time, microseconds since 1970; it never goes
    /// back. At most one finding per hazard; a finding stands until the next one of its hazard.
    fn evaluate(&mut self, at: i64, readings: &[Reading]) -> Vec<Finding>;
    /// The whole state, without what [`Rule::new`] is given again.
    fn snapshot(&self) -> Vec<u8>;
    /// Takes up a snapshot of the given [`Description::state_version`], right after [`Rule::new`].
    fn restore(&mut self, version: u32, state: &[u8]) -> Result<(), String>;
}

/// Tells the host's log something, at most a line. On a developer's machine it goes to standard error.
pub fn log(text: &str) {
    #[cfg(target_arch = "wasm32")]
    contract::safety_brain::rule::log::log(1, text);
    #[cfg(not(target_arch = "wasm32"))]
    eprintln!("{text}");
}
