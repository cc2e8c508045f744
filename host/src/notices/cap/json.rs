//! The JSON form of a message: the elements of CAP under their own names, those that may stand more than once as lists. It says the same as the XML form
//! and nothing else: one that XML could not say is refused. It bears no signature within; one over its very bytes goes beside it.
//! Must not know: who signs, how it travels.

use super::{BYTES_MAX, CapError, Message, parse};

/// The bytes: the same message always gives the same ones.
pub fn write(message: &Message) -> String {
    // Texts and lists of texts are always JSON.
    serde_json::to_string(message).unwrap_or_default()
}

/// Reads one message.
pub fn read(bytes: &[u8]) -> Result<Message, CapError> {
    if bytes.len() > BYTES_MAX {
        return Err(CapError::TooLarge(bytes.len()));
    }
    let message: Message = serde_json::from_slice(bytes).map_err(|error| CapError::Json(error.to_string()))?;
    // What it means is what its XML form says.
    parse(super::write(&message).as_bytes())
}

/// JSON Schema (2020-12) of this form; made of the types that read it.
pub fn schema() -> serde_json::Value {
    let mut schema = schemars::schema_for!(Message).to_value();
    schema["title"] = "CAP 1.2 message, JSON form of safety-brain".into();
    schema
}
