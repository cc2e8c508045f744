//! What the console asks beyond the present view: history, trends, messages as sent, commands. Owns: the way from a page to store and brain.
//! Must not know: pages, HTTP.

use super::Input;
use crate::config::types::Channel;
use crate::console::Ask;
use crate::notices::cap;
use crate::store::Store;
use std::collections::BTreeMap;
use std::sync::Arc;
use tokio::sync::mpsc;

/// Answers pages.
pub struct Asks {
    /// The query side.
    pub store: Arc<Store>,
    /// Audience name -> how it is reached.
    pub channels: BTreeMap<String, Channel>,
    /// To the brain.
    pub inputs: mpsc::Sender<Input>,
}

impl Asks {
    /// Runs until the console is gone.
    pub async fn run(self, mut asks: mpsc::Receiver<Ask>) {
        while let Some(_ask) = asks.recv().await {}
    }
}
