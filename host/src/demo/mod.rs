//! Everything `safety-brain demo` needs around the real program: a broker, a plant, a bureau. Real protocols on loopback, nothing else.
//! Must not know: the parts of the program; it is met over MQTT, Modbus TCP and HTTP like any other peer. Only the CAP texts are shared.

pub mod broker;
pub mod bureau;
pub mod plant;
pub mod script;
