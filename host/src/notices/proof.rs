//! Who a message is from: its signature held against the certificates that are trusted for its sender.
//! Must not know: where certificates are named, what becomes of a message, whether it makes sense (that is `cap::check`).

use super::cap::{CapError, Message, Signed, json};
use crate::config::types::Trusted;
use crate::key::{Meaning, is_signed};

/// A message whose sender is proved. It is made of the signed bytes alone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Proved {
    /// What was signed. Still to be judged by [`super::cap::check`].
    pub message: Message,
    /// What proves it: fingerprint of a certificate, `sha256:<hex>`, or a key, `ed25519:<hex>`.
    pub by: String,
}

/// Why a sender is not proved.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unproved {
    /// No message, or a signature that is not over it or not of the form that is taken.
    #[error(transparent)]
    Unreadable(#[from] CapError),
    /// There is no signature. What it says is as it came, and nobody answers for it.
    #[error("not signed, and messages of {:?} must be", .0.sender)]
    Unsigned(Box<Message>),
    /// Signed, by a sender for whom nothing of the kind is trusted here.
    #[error("nothing is trusted here for its sender {0:?}")]
    Stranger(String),
    /// Signed by somebody else than its sender.
    #[error("forged: not signed with what is trusted for its sender {0:?}")]
    Forged(String),
}

/// Reads a message and proves its sender: it bears one signature, over all of it, by a certificate that `trusted` names for that very sender.
///
/// # Errors
/// The sender is not proved; the message must not be acted on.
pub fn proved<'t>(bytes: &[u8], trusted: impl IntoIterator<Item = &'t Trusted>) -> Result<Proved, Unproved> {
    let Some(signed) = Signed::read(bytes)? else { return Err(Unproved::Unsigned(Box::new(super::cap::parse(bytes)?))) };
    let sender = signed.message().sender.clone();
    let mut known = trusted.into_iter().filter(|one| one.sender == sender).flat_map(|one| &one.certificates).peekable();
    if known.peek().is_none() {
        return Err(Unproved::Stranger(sender));
    }
    match known.find(|certificate| signed.is_by(certificate)) {
        Some(by) => Ok(Proved { by: by.fingerprint(), message: signed.into_message() }),
        None => Err(Unproved::Forged(sender)),
    }
}

/// The same of a message in JSON, with the signature over its very bytes that came beside it (header [`super::watcher::SIGNATURE_HEADER`]).
///
/// # Errors
/// As [`proved`].
pub fn proved_json<'t>(
    bytes: &[u8],
    signature: Option<&str>,
    trusted: impl IntoIterator<Item = &'t Trusted>,
) -> Result<Proved, Unproved> {
    let message = json::read(bytes)?;
    let Some(signature) = signature else { return Err(Unproved::Unsigned(Box::new(message))) };
    let mut known = trusted.into_iter().filter(|one| one.sender == message.sender).filter_map(|one| one.key.as_ref()).peekable();
    if known.peek().is_none() {
        return Err(Unproved::Stranger(message.sender));
    }
    match known.find(|key| is_signed(key, Meaning::Message, bytes, signature)) {
        Some(key) => Ok(Proved { by: key.clone(), message }),
        None => Err(Unproved::Forged(message.sender)),
    }
}

#[cfg(test)]
mod tests;
