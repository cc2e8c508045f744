//! Keys with a certificate: what signs messages that others check with their own tools, and what is believed of others. Each certificate stands for its
//! public key and for nothing else: it is believed because the site file names it, whoever issued it and until whenever.
//! Must not know: what is signed, who may sign it.

use super::{closed, hex, small, write_new};
use anyhow::{Context, Result, anyhow, bail, ensure};
use ring::rand::SystemRandom;
use ring::signature::{
    ECDSA_P256_SHA256_FIXED, ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair, RSA_PKCS1_2048_8192_SHA256,
    RSA_PKCS1_SHA256, RsaKeyPair, UnparsedPublicKey,
};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use sha2::{Digest, Sha256};
use std::path::Path;
use x509_parser::oid_registry::{OID_EC_P256, OID_KEY_TYPE_EC_PUBLIC_KEY, OID_PKCS1_RSAENCRYPTION};
use x509_parser::prelude::{FromDer, X509Certificate};

/// Years that a certificate made here lasts: receivers that look at its dates refuse it afterwards.
const YEARS: i32 = 10;

/// How something is signed; both with SHA-256.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scheme {
    /// On the curve P-256; the signature is the two numbers, 32 bytes each.
    Ecdsa,
    /// PKCS #1 1.5, 2048 to 8192 bits.
    Rsa,
}

/// Somebody's public key in its certificate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Certificate {
    scheme: Scheme,
    key: Vec<u8>,
    der: Vec<u8>,
    until_s: i64,
}

impl Certificate {
    /// All certificates of a PEM text, in its order; at least one.
    ///
    /// # Errors
    /// There is none, or one with a key of another kind.
    pub fn all(pem: &[u8]) -> Result<Vec<Certificate>> {
        let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem).collect();
        let found = found.map_err(|error| anyhow!("no PEM: {error}"))?;
        ensure!(!found.is_empty(), "no certificate; it must begin with -----BEGIN CERTIFICATE-----");
        found.iter().map(|der| Certificate::read(der)).collect()
    }

    fn read(der: &[u8]) -> Result<Certificate> {
        let (_, certificate) = X509Certificate::from_der(der).map_err(|error| anyhow!("no X.509 certificate: {error}"))?;
        let about = certificate.public_key();
        let curve = about.algorithm.parameters.as_ref().and_then(|parameters| parameters.as_oid().ok());
        let scheme = match &about.algorithm.algorithm {
            kind if *kind == OID_PKCS1_RSAENCRYPTION => Scheme::Rsa,
            kind if *kind == OID_KEY_TYPE_EC_PUBLIC_KEY && curve == Some(OID_EC_P256) => Scheme::Ecdsa,
            _ => bail!("a key of another kind than EC on P-256 or RSA"),
        };
        let key = about.subject_public_key.data.to_vec();
        Ok(Certificate { scheme, key, der: der.to_vec(), until_s: certificate.validity().not_after.timestamp() })
    }

    /// The certificate itself, DER.
    pub fn der(&self) -> &[u8] {
        &self.der
    }

    /// SHA-256 of the certificate, `sha256:` and hex: what people compare over another channel.
    pub fn fingerprint(&self) -> String {
        format!("sha256:{}", hex(&Sha256::digest(&self.der)))
    }

    /// Last moment of its dates, seconds since 1970. They bind others; here a certificate holds as long as it is named.
    pub fn until_s(&self) -> i64 {
        self.until_s
    }

    /// Whether its owner made this signature over `body`.
    pub fn is_signed(&self, scheme: Scheme, body: &[u8], signature: &[u8]) -> bool {
        let checks: &dyn ring::signature::VerificationAlgorithm = match self.scheme {
            Scheme::Ecdsa => &ECDSA_P256_SHA256_FIXED,
            Scheme::Rsa => &RSA_PKCS1_2048_8192_SHA256,
        };
        scheme == self.scheme && UnparsedPublicKey::new(checks, &self.key).verify(body, signature).is_ok()
    }
}

/// A key that signs, and its certificate.
pub struct Certified {
    pair: Pair,
    certificate: Certificate,
    random: SystemRandom,
}

enum Pair {
    Ecdsa(EcdsaKeyPair),
    Rsa(Box<RsaKeyPair>),
}

impl std::fmt::Debug for Certified {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Certified({})", self.certificate.fingerprint())
    }
}

impl Certified {
    /// Makes a new P-256 key, mode 0600, and a certificate for it that says `owner` and is signed by itself.
    ///
    /// # Errors
    /// One of the files exists already, or cannot be made.
    pub fn create(key: &Path, certificate: &Path, owner: &str) -> Result<Certified> {
        for path in [key, certificate] {
            ensure!(!path.exists(), "{} exists already and is not written over; give another name", path.display());
        }
        let pair = rcgen::KeyPair::generate_for(&rcgen::PKCS_ECDSA_P256_SHA256)?;
        let mut about = rcgen::CertificateParams::new(Vec::<String>::new())?;
        about.distinguished_name = rcgen::DistinguishedName::new();
        about.distinguished_name.push(rcgen::DnType::CommonName, owner);
        about.key_usages = vec![rcgen::KeyUsagePurpose::DigitalSignature];
        let year = i32::from(jiff::tz::Offset::UTC.to_datetime(jiff::Timestamp::now()).year());
        // From the beginning of the year: the receiver's clock may be behind.
        about.not_before = rcgen::date_time_ymd(year, 1, 1);
        about.not_after = rcgen::date_time_ymd(year + YEARS, 1, 1);
        let made = about.self_signed(&pair)?;
        for (path, mode, text) in [(key, 0o600, pair.serialize_pem()), (certificate, 0o644, made.pem())] {
            let written = write_new(path, mode, text.as_bytes()).with_context(|| format!("cannot make {}", path.display()))?;
            ensure!(written, "{} exists already and is not written over; give another name", path.display());
        }
        Certified::read(key, certificate)
    }

    /// The key in a PEM file that only its owner can read, with the first certificate of another, which must be its own.
    ///
    /// # Errors
    /// A file cannot be read, is open to others, or holds no such thing; the two do not belong together.
    pub fn read(key: &Path, certificate: &Path) -> Result<Certified> {
        let pem = small(certificate).with_context(|| format!("cannot read {}", certificate.display()))?;
        let context = || format!("{} holds no certificate of a P-256 or RSA key", certificate.display());
        let certificate = Certificate::all(&pem).with_context(context)?.swap_remove(0);
        let pem = closed(key)?;
        let wanted = "PKCS #8 PEM of a P-256 or RSA key: openssl pkcs8 -topk8 -nocrypt";
        let secret = PrivateKeyDer::from_pem_slice(&pem).map_err(|_| anyhow!("{} holds no key; {wanted}", key.display()))?;
        let random = SystemRandom::new();
        let pair = match certificate.scheme {
            Scheme::Ecdsa => {
                EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, secret.secret_der(), &random).map(Pair::Ecdsa)
            }
            Scheme::Rsa => RsaKeyPair::from_pkcs8(secret.secret_der()).map(|pair| Pair::Rsa(Box::new(pair))),
        };
        let pair = pair.map_err(|error| anyhow!("{} is no key for its certificate ({error}); {wanted}", key.display()))?;
        let public = match &pair {
            Pair::Ecdsa(pair) => pair.public_key().as_ref(),
            Pair::Rsa(pair) => pair.public_key().as_ref(),
        };
        ensure!(public == certificate.key, "{} is another key than that of its certificate", key.display());
        Ok(Certified { pair, certificate, random })
    }

    /// The half that everybody may know.
    pub fn certificate(&self) -> &Certificate {
        &self.certificate
    }

    /// How it signs.
    pub fn scheme(&self) -> Scheme {
        self.certificate.scheme
    }

    /// Signature over `body`. ECDSA gives another one each time.
    ///
    /// # Errors
    /// The system gives no random numbers.
    pub fn sign(&self, body: &[u8]) -> Result<Vec<u8>> {
        let failed = |_| anyhow!("the system gives no random numbers");
        match &self.pair {
            Pair::Ecdsa(pair) => Ok(pair.sign(&self.random, body).map_err(failed)?.as_ref().to_vec()),
            Pair::Rsa(pair) => {
                let mut signature = vec![0; pair.public().modulus_len()];
                pair.sign(&RSA_PKCS1_SHA256, &self.random, body, &mut signature).map_err(failed)?;
                Ok(signature)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn a_key_is_made_closed_fits_its_certificate_and_signs() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        let made = Certified::create(&at("a.key"), &at("a.crt"), "plant@demo.example").unwrap();
        assert_eq!(at("a.key").metadata().unwrap().permissions().mode() & 0o777, 0o600);
        let again = Certified::create(&at("a.key"), &at("b.crt"), "x").unwrap_err().to_string();
        assert!(again.contains("a.key exists already"), "{again}");
        let signature = made.sign(b"body").unwrap();
        let certificate = Certificate::all(&std::fs::read(at("a.crt")).unwrap()).unwrap().swap_remove(0);
        assert_eq!(&certificate, made.certificate());
        assert!(certificate.is_signed(Scheme::Ecdsa, b"body", &signature));
        assert!(!certificate.is_signed(Scheme::Ecdsa, b"bodY", &signature));
        assert!(!certificate.is_signed(Scheme::Rsa, b"body", &signature));
        let other = Certified::create(&at("c.key"), &at("c.crt"), "x").unwrap();
        assert!(!other.certificate().is_signed(Scheme::Ecdsa, b"body", &signature));
        let crossed = Certified::read(&at("a.key"), &at("c.crt")).unwrap_err().to_string();
        assert!(crossed.contains("another key than that of its certificate"), "{crossed}");
        std::fs::set_permissions(at("a.key"), std::fs::Permissions::from_mode(0o644)).unwrap();
        let open = Certified::read(&at("a.key"), &at("a.crt")).unwrap_err().to_string();
        assert!(open.contains("open to others"), "{open}");
        assert!(Certificate::all(b"").is_err());
    }
}
