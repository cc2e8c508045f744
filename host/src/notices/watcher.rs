//! One heartbeat to somebody outside who notices when none comes. Must not know: when the next one is due, what it says.

use super::http::{chain, client, succeeded};
use crate::config::types::Watcher;
use anyhow::{Context, Result};
use reqwest::{Client, Response};

/// Header with the public half of the site's key.
pub const KEY_HEADER: &str = "safety-brain-key";
/// Header with the signature over the exact bytes of the body.
pub const SIGNATURE_HEADER: &str = "safety-brain-signature";

/// Header with what the watcher wants to read in the next heartbeat: one that says it was made after the watcher asked, and is no old one again.
pub const ECHO_HEADER: &str = "safety-brain-echo";
/// Longest echo, bytes.
const ECHO_MAX: usize = 64;

/// What a watcher answered to a heartbeat.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pinged {
    /// It was taken, or what was seen instead.
    pub taken: Result<(), String>,
    /// What the next one is to say, where the watcher asks for it.
    pub echo: Option<String>,
}

/// Sends to one watcher.
#[derive(Debug)]
pub struct Pinger {
    watcher: Watcher,
    client: Client,
}

impl Pinger {
    /// Reads the certificates of the watcher. An error names the file.
    pub fn new(watcher: Watcher) -> Result<Pinger> {
        let made = client(&[&watcher.url], watcher.tls.as_ref(), watcher.timeout_ms);
        let client = made.with_context(|| format!("watcher {}", watcher.name))?;
        Ok(Pinger { watcher, client })
    }

    /// Whom it tells.
    pub fn watcher(&self) -> &Watcher {
        &self.watcher
    }

    /// One heartbeat, with key and signature where the site has them.
    pub async fn ping(&self, body: String, signed: Option<(String, String)>) -> Pinged {
        let url = &self.watcher.url;
        let mut request = match self.watcher.bare {
            true => self.client.get(url),
            false => self.client.post(url).header("content-type", "application/json").body(body),
        };
        if let Some((key, signature)) = signed.filter(|_| !self.watcher.bare) {
            request = request.header(KEY_HEADER, key).header(SIGNATURE_HEADER, signature);
        }
        if let Some(token) = &self.watcher.token {
            request = request.bearer_auth(token.reveal());
        }
        match request.send().await.map_err(chain) {
            Ok(response) => Pinged { taken: succeeded(&response), echo: echo(&response) },
            Err(error) => Pinged { taken: Err(error), echo: None },
        }
    }
}

fn echo(response: &Response) -> Option<String> {
    let text = response.headers().get(ECHO_HEADER)?.to_str().ok()?;
    let is_word = (1..=ECHO_MAX).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_alphanumeric());
    is_word.then(|| text.to_owned())
}
