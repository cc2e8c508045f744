//! Who a message is from: its signature held against the certificates that are trusted for its sender.
//! Must not know: where certificates are named, what becomes of a message, whether it makes sense (that is `cap::check`).

use super::cap::{CapError, Message, Signed};
use crate::config::types::Trusted;

/// A message whose sender is proved. It is made of the signed bytes alone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Proved {
    /// What was signed. Still to be judged by [`super::cap::check`].
    pub message: Message,
    /// Fingerprint of the certificate that proves it, `sha256:<hex>`.
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
    /// Signed, by a sender for whom no certificate is trusted here.
    #[error("no certificate is trusted here for its sender {0:?}")]
    Stranger(String),
    /// Signed by somebody else than its sender.
    #[error("forged: not signed with a certificate that is trusted for its sender {0:?}")]
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

#[cfg(test)]
mod tests;
