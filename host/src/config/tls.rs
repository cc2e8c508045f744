//! Certificates and keys that the site file names: the files exist, can be read and hold what they should.
//! Must not know: who uses them, how a connection is made, what is signed.

use super::reader::Reader;
use super::types::{Tls, Trusted};
use super::{files, plant};
use crate::key::{Certificate, Certified};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use std::path::PathBuf;
use std::sync::Arc;

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

/// `sign = { key, certificate }`: what messages to an audience are signed with.
pub(super) fn signer(table: &Reader<'_>) -> Option<Arc<Certified>> {
    let of = table.table_of("sign", false)?;
    let (key, certificate) = (of.text("key"), of.text("certificate"));
    let read = |(key, certificate): (String, String)| Certified::read(&of.beside(&key), &of.beside(&certificate));
    let signer = key.zip(certificate).map(read).and_then(|read| match read {
        Ok(signer) => Some(Arc::new(signer)),
        Err(error) => {
            of.fault(
                "key",
                format!("{error:#}"),
                "the .key and .crt that `safety-brain cap keygen` makes, or such of your own",
                None,
            );
            None
        }
    });
    table.done("sign", of);
    signer
}

/// `[[trusted]]`: whose signed answers are believed: those in XML by the certificate; those in JSON by the key, where one is named.
pub(super) fn trusted(table: &Reader<'_>) -> Option<Trusted> {
    let (name, sender, file) = (table.name("name"), plant::sender(table), table.text("certificate"));
    let key = public_key(table);
    Some(Trusted { certificates: named(table, &file?)?, name: name?, sender: sender?, key })
}

/// `certificate` and `key`: what proves somebody's messages, as far as it is named.
pub(super) fn pinned(table: &Reader<'_>) -> Option<(Vec<Certificate>, Option<String>)> {
    let (file, key) = (table.text_if("certificate"), public_key(table));
    let certificates = match file {
        Some(file) => named(table, &file)?,
        None => Vec::new(),
    };
    Some((certificates, key))
}

fn public_key(table: &Reader<'_>) -> Option<String> {
    let key = table.text_if("key");
    if let Some(bad) = key.as_ref().filter(|key| !crate::key::is_public(key)) {
        table.fault("key", format!("{bad:?}"), "ed25519: and 64 hex digits, as the sender's `evidence key` prints it", None);
    }
    key
}

/// The certificates in the file that `certificate` names.
fn named(table: &Reader<'_>, file: &str) -> Option<Vec<Certificate>> {
    let path = table.beside(file);
    let certificates =
        files::read(&path, files::SMALL_BYTES_MAX).and_then(|pem| Certificate::all(&pem).map_err(|error| format!("{error:#}")));
    let allowed = "a PEM file with the sender's certificate, or two of them while one takes over from the other";
    certificates.map_err(|error| table.fault("certificate", format!("{}: {error}", path.display()), allowed, None)).ok()
}

pub(super) fn certificates(of: &Reader<'_>, key: &'static str, name: Option<String>) -> Option<PathBuf> {
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
