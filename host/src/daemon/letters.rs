//! What a notice says on its way out of the machine. It is put into words once, before its first try, and the words are on record: every try, also
//! after an upgrade or under another site file, sends the same bytes. Must not know: when a notice is tried, what became of it.

use crate::config::types::Channel;
use crate::journal::OutsideAnchor;
use crate::notices::{channels, letter};
use brain::Notice;
use std::collections::BTreeMap;
use std::sync::Arc;
use tokio::sync::watch;

/// Puts notices into words.
pub struct Letters {
    /// Audience name -> how it is reached.
    pub channels: Arc<BTreeMap<String, Channel>>,
    /// The head of the chain as known last: each message carries it off the machine.
    pub anchor: watch::Receiver<Option<OutsideAnchor>>,
}

impl Letters {
    /// The words of a notice, packed. None: it stays on the plant's own screens.
    pub fn word(&self, notice: &Notice) -> Option<String> {
        let anchor = self.anchor.borrow().as_ref().and_then(|anchor| serde_json::to_string(anchor).ok());
        let words = channels::words(notice, self.channels.get(&notice.audience)?, anchor.as_deref())?;
        match letter::pack(&words) {
            Ok(packed) => Some(packed),
            Err(error) => {
                tracing::error!(notice = notice.identifier, "cannot be put into words: {error:#}");
                None
            }
        }
    }
}
