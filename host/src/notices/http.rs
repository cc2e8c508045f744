//! One HTTP call to a place that the site file names: what calls it, what its answer may hold, how an error is told.
//! Must not know: what is said, what an answer means.

use super::cap::BYTES_MAX as ANSWER_BYTES_MAX;
use crate::config::types::Tls;
use anyhow::{Context, Result};
use reqwest::{Certificate, Client, Identity, Response, StatusCode};
use std::time::Duration;

/// That the status is one of success.
pub(super) fn succeeded(response: &Response) -> Result<(), String> {
    let status = response.status();
    if status.is_success() { Ok(()) } else { Err(format!("HTTP {}", status.as_u16())) }
}

/// What calls these addresses and no others.
pub(super) fn client(urls: &[&str], tls: Option<&Tls>, timeout_ms: u64) -> Result<Client> {
    // Fails only where a provider is already in place, which is all that is wanted.
    let _ = rustls::crypto::ring::default_provider().install_default();
    // No redirects: a token and a report go to the configured receiver or nowhere. No proxy from the environment: the same reason.
    let builder =
        Client::builder().timeout(Duration::from_millis(timeout_ms)).redirect(reqwest::redirect::Policy::none()).no_proxy();
    let begins = |scheme: &str| urls.iter().any(|url| url.starts_with(scheme));
    let (plain, secure) = (begins("http://"), begins("https://"));
    let builder = match tls {
        Some(tls) => {
            let builder = builder.https_only(true).tls_certs_only(authorities(tls)?);
            match identity(tls)? {
                Some(identity) => builder.identity(identity),
                None => builder,
            }
        }
        // Plain HTTP needs no system store, which a small container may not have.
        None if !secure => builder.tls_certs_only([]),
        None => builder.https_only(!plain),
    };
    Ok(builder.build()?)
}

fn authorities(tls: &Tls) -> Result<Vec<Certificate>> {
    let place = || format!("{}", tls.ca.display());
    let pem = std::fs::read(&tls.ca).with_context(place)?;
    let authorities = Certificate::from_pem_bundle(&pem).with_context(place)?;
    anyhow::ensure!(
        !authorities.is_empty(),
        "{} holds no certificate; it must hold the CA of the receiver as PEM",
        tls.ca.display()
    );
    Ok(authorities)
}

fn identity(tls: &Tls) -> Result<Option<Identity>> {
    let Some((chain, key)) = &tls.identity else {
        return Ok(None);
    };
    let place = || format!("{} and {}", chain.display(), key.display());
    let mut pem = std::fs::read(key).with_context(place)?;
    pem.push(b'\n');
    pem.extend(std::fs::read(chain).with_context(place)?);
    Identity::from_pem(&pem).map(Some).with_context(place)
}

/// The whole answer, at most what a CAP message may hold.
pub(super) async fn body(mut response: Response) -> Result<Vec<u8>, String> {
    let mut body = Vec::new();
    while let Some(part) = response.chunk().await.map_err(chain)? {
        body.extend_from_slice(&part);
        if body.len() > ANSWER_BYTES_MAX {
            return Err(format!("an answer of more than {} bytes", ANSWER_BYTES_MAX));
        }
    }
    Ok(body)
}

/// The error and its causes: the outermost alone says little of a network. Never the address: it may be a secret.
pub(super) fn chain(error: reqwest::Error) -> String {
    let error = error.without_url();
    let mut text = error.to_string();
    let mut cause = std::error::Error::source(&error);
    while let Some(inner) = cause {
        text.push_str(&format!(": {inner}"));
        cause = inner.source();
    }
    text
}

/// These blame the message itself; all others may heal: a token, an address, a load, a repair.
pub(super) fn refuses(status: StatusCode) -> bool {
    matches!(
        status,
        StatusCode::BAD_REQUEST
            | StatusCode::PAYLOAD_TOO_LARGE
            | StatusCode::UNSUPPORTED_MEDIA_TYPE
            | StatusCode::UNPROCESSABLE_ENTITY
    )
}
