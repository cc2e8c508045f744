//! The TLS of a client that speaks no HTTP, from the files that the site file names. Must not know: protocols, who connects to what.

use crate::config::types::Tls;
use anyhow::Context;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use std::sync::Arc;

/// Who is believed and who we are. Read at each connection, so that renewed files are used without a restart.
///
/// # Errors
/// A file that cannot be read or holds something else, named.
pub fn client_config(tls: &Tls) -> anyhow::Result<Arc<rustls::ClientConfig>> {
    let mut roots = rustls::RootCertStore::empty();
    for certificate in certificates(&tls.ca)? {
        roots.add(certificate).with_context(|| format!("{}: not usable as a certificate authority", tls.ca.display()))?;
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = rustls::ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS13, &rustls::version::TLS12])
        .expect("ring supports TLS 1.2 and 1.3")
        .with_root_certificates(roots);
    let config = match &tls.identity {
        None => builder.with_no_client_auth(),
        Some((chain, key)) => {
            let secret = PrivateKeyDer::from_pem_file(key).map_err(|e| anyhow::anyhow!("{}: {e}", key.display()))?;
            builder
                .with_client_auth_cert(certificates(chain)?, secret)
                .with_context(|| format!("{} and {}", chain.display(), key.display()))?
        }
    };
    Ok(Arc::new(config))
}

fn certificates(path: &std::path::Path) -> anyhow::Result<Vec<CertificateDer<'static>>> {
    let found = CertificateDer::pem_file_iter(path)
        .and_then(Iterator::collect::<Result<Vec<_>, _>>)
        .map_err(|e| anyhow::anyhow!("{}: {e}", path.display()))?;
    anyhow::ensure!(!found.is_empty(), "{}: no certificate in this file", path.display());
    Ok(found)
}
