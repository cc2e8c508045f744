//! Certificates and keys that the site file names: the files exist, can be read and hold what they should.
//! Must not know: who uses them, how a connection is made.

use super::files;
use super::reader::Reader;
use super::types::Tls;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use std::path::PathBuf;

/// `tls = { ca, certificate, key }` of something we connect to; certificate and key only for mutual TLS.
pub(super) fn client(table: &Reader<'_>) -> Option<Tls> {
    let of = table.table_of("tls", false)?;
    let (ca, certificate, key) = (of.text("ca"), of.text_if("certificate"), of.text_if("key"));
    if of.has("certificate") != of.has("key") {
        of.fault("certificate", "only one of certificate and key", "both, for mutual TLS, or neither", None);
    }
    let ca = certificates(&of, "ca", ca);
    let identity = certificates(&of, "certificate", certificate).zip(private_key(&of, key));
    table.done("tls", of);
    Some(Tls { ca: ca?, identity })
}

/// `tls = { certificate, key }` of something that connects to us.
pub(super) fn server(table: &Reader<'_>) -> Option<(PathBuf, PathBuf)> {
    let of = table.table_of("tls", false)?;
    let (certificate, key) = (of.text("certificate"), of.text("key"));
    let files = certificates(&of, "certificate", certificate).zip(private_key(&of, key));
    table.done("tls", of);
    files
}

fn certificates(of: &Reader<'_>, key: &'static str, name: Option<String>) -> Option<PathBuf> {
    file(of, key, name, "certificate", |pem| {
        let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem).collect();
        found.is_ok_and(|found| !found.is_empty())
    })
}

fn private_key(of: &Reader<'_>, name: Option<String>) -> Option<PathBuf> {
    file(of, "key", name, "private key", |pem| PrivateKeyDer::from_pem_slice(pem).is_ok())
}

fn file(of: &Reader<'_>, key: &'static str, name: Option<String>, what: &str, holds: impl Fn(&[u8]) -> bool) -> Option<PathBuf> {
    let path = of.beside(&name?);
    match files::read(&path, files::SMALL_BYTES_MAX) {
        Ok(pem) if holds(&pem) => {}
        Ok(_) => of.fault(key, format!("{}, which holds no {what}", path.display()), format!("a PEM file with a {what}"), None),
        Err(error) => of.fault(key, format!("{}: {error}", path.display()), format!("a PEM file with a {what}"), None),
    }
    Some(path)
}
