//! A bundle: one file `<id>-<version>.sbrule` with a manifest, a component, and the publisher's signature over both. Nothing of the component is looked at.
//! Must not know: whose keys a site trusts, what a component says once it runs.
//!
//! | Bytes | |
//! |---|---|
//! | 7 | `sbrule` and a line feed |
//! | 1 | version of this form, 1 |
//! | 4 + 4 | length of the manifest, of the component; little-endian |
//! | | the manifest, JSON |
//! | | the component |
//! | 128 | Ed25519 over all bytes before it ([`crate::key::Meaning::Bundle`]), hex |
//!
//! Nothing may stand behind it. What changes gets a new version number.

use super::foreign::is_hidden;
use super::package::{CALLABLE, COMPONENT_BYTES_MAX, Package, digest_of};
use crate::key::{self, Key, Meaning};
use anyhow::{Result, anyhow, bail, ensure};
use serde::{Deserialize, Serialize};
use std::path::Path;

/// How the file's name ends, without the dot.
pub const EXTENSION: &str = "sbrule";

const MAGIC: &[u8; 7] = b"sbrule\n";
const VERSION: u8 = 1;
const HEAD_BYTES: usize = 16;
const SIGNATURE_BYTES: usize = 128;
const MANIFEST_BYTES_MAX: usize = 64 << 10;
/// Longest text in a manifest, bytes; what a component may say of itself is shorter.
const TEXT_BYTES_MAX: usize = 512;
/// Longest bundle, bytes.
pub(super) const BUNDLE_BYTES_MAX: u64 = (HEAD_BYTES + MANIFEST_BYTES_MAX + SIGNATURE_BYTES) as u64 + COMPONENT_BYTES_MAX;

/// `<id>-<version>.sbrule`.
pub fn file_name(id: &str, version: &str) -> String {
    format!("{id}-{version}.{EXTENSION}")
}

/// This file is meant to be a bundle: it is called so, or begins as one.
pub fn is_one(path: &Path, bytes: &[u8]) -> bool {
    path.extension().is_some_and(|ending| ending == EXTENSION) || bytes.starts_with(MAGIC)
}

/// What a publisher says of a component and signs with it. Written by `plugin sign`, never by hand.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    /// As the component describes itself.
    pub id: String,
    /// As the component describes itself.
    pub version: String,
    /// As the component describes itself.
    pub vendor: String,
    /// The contract it was built for: `safety-brain:rule@1.0.0`.
    pub contract: String,
    /// `sha256:<hex>` of the component.
    pub digest: String,
    /// Interfaces of the contract that it asks for.
    pub imports: Vec<String>,
    /// Public key of whoever signed.
    pub publisher: String,
    /// What wrote the bundle.
    pub tool: String,
    /// Its cases were not run before it was signed.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub untested: bool,
}

/// What is said of a bundle whose cases were not run.
pub const UNTESTED: &str = "UNTESTED: its publisher signed it without running its cases";

impl Manifest {
    /// Nothing of what it says is repeated where it is refused: that may be long, and somebody else's.
    fn read(bytes: &[u8]) -> Result<Manifest, String> {
        let at = |error: serde_json::Error| format!("at its line {} column {}", error.line(), error.column());
        let manifest: Manifest = serde_json::from_slice(bytes).map_err(at)?;
        let Manifest { id, version, vendor, contract, digest, imports, publisher, tool, untested: _ } = &manifest;
        let mut texts = [id, version, vendor, contract, digest, publisher, tool].into_iter().chain(imports);
        let plain = |text: &String| text.len() <= TEXT_BYTES_MAX && !text.chars().any(is_hidden);
        if !texts.all(plain) || imports.len() > CALLABLE.len() {
            return Err(format!("with texts of more than {TEXT_BYTES_MAX} bytes or with hidden characters, or too many imports"));
        }
        drop(texts);
        Ok(manifest)
    }

    /// What it asks for that no rule may have.
    fn foreign(&self) -> Option<String> {
        let foreign = self.imports.iter().find(|import| !CALLABLE.contains(&import.as_str()))?;
        Some(format!("its manifest asks for {foreign}, and a rule may import only {}", CALLABLE.join(" and ")))
    }

    /// What a component is or asks for that this manifest does not say of it.
    pub fn differs(&self, package: &Package) -> Option<String> {
        let d = &package.description;
        let pairs = [
            ("id", &self.id, &d.id),
            ("version", &self.version, &d.version),
            ("vendor", &self.vendor, &d.vendor),
            ("contract", &self.contract, &package.contract),
            ("digest", &self.digest, &package.digest),
        ];
        let differs = pairs.into_iter().find(|(_, said, is)| said != is);
        if let Some(foreign) = self.foreign() {
            return Some(foreign);
        }
        let beyond = package.interfaces().into_iter().find(|import| !self.imports.contains(import));
        differs
            .map(|(what, said, is)| format!("its manifest says {what} {said:?}, and its component {is:?}"))
            .or_else(|| beyond.map(|import| format!("its component imports {import}, which its manifest does not ask for")))
    }
}

/// A bundle whose form is right and whose component is the one of its manifest. Whether to believe the manifest is [`Bundle::verify`]'s to say.
#[derive(Debug)]
pub struct Bundle<'b> {
    /// What stands in front of the component.
    pub manifest: Manifest,
    /// The component, as it was signed.
    pub component: &'b [u8],
    signed: &'b [u8],
    signature: &'b [u8],
}

impl<'b> Bundle<'b> {
    /// Takes a bundle apart.
    ///
    /// # Errors
    /// What of its form is wrong, for people; the file's name is for the caller to add.
    pub fn read(bytes: &'b [u8]) -> Result<Bundle<'b>> {
        let length = bytes.len();
        let Some((head, _)) = bytes.split_first_chunk::<HEAD_BYTES>().filter(|(head, _)| head.starts_with(MAGIC)) else {
            ensure!(
                !MAGIC.starts_with(&bytes[..length.min(MAGIC.len())]) && !bytes.starts_with(MAGIC),
                "it ends after {length} bytes, inside its head: the file is incomplete; copy it again"
            );
            bail!("this is no bundle of a rule: it does not begin as one; make one with `safety-brain plugin sign`");
        };
        ensure!(
            head[7] == VERSION,
            "it has form {} of a bundle, and this program reads form {VERSION}: take the safety-brain that belongs to it, or sign it again with this one",
            head[7]
        );
        let number = |at: usize| u32::from_le_bytes([head[at], head[at + 1], head[at + 2], head[at + 3]]) as usize;
        let (manifest, component) = (number(8), number(12));
        ensure!(
            (1..=MANIFEST_BYTES_MAX).contains(&manifest),
            "its manifest is said to have {manifest} bytes, 1 to {MANIFEST_BYTES_MAX} are allowed: the file is damaged"
        );
        ensure!(
            (1..=COMPONENT_BYTES_MAX).contains(&(component as u64)),
            "its component is said to have {component} bytes, 1 to {COMPONENT_BYTES_MAX} are allowed: strip debug information"
        );
        let whole = HEAD_BYTES + manifest + component + SIGNATURE_BYTES;
        ensure!(length >= whole, "it ends after {length} of {whole} bytes: the file is incomplete; copy it again");
        ensure!(
            length == whole,
            "{} behind its signature: the file was changed; copy it again",
            match length - whole {
                1 => "1 byte stands".to_owned(),
                more => format!("{more} bytes stand"),
            }
        );
        let (signed, signature) = bytes.split_at(whole - SIGNATURE_BYTES);
        let (manifest, component) = signed[HEAD_BYTES..].split_at(manifest);
        let manifest = Manifest::read(manifest).map_err(|why| {
            anyhow!(
                "its manifest is not one that `safety-brain plugin sign` writes, {why}: the file was changed; copy it again from its publisher"
            )
        })?;
        let digest = digest_of(component);
        ensure!(
            digest == manifest.digest,
            "its component is {digest}, and its manifest names {}: the file was changed; copy it again from its publisher",
            manifest.digest
        );
        Ok(Bundle { manifest, component, signed, signature })
    }

    /// Whether the owner of `public` signed exactly this.
    ///
    /// # Errors
    /// Somebody else did, or it was changed since.
    pub fn verify(&self, public: &str) -> Result<()> {
        let signed_by = &self.manifest.publisher;
        ensure!(
            signed_by == public,
            "it is signed by {signed_by}, and the key to hold it against is {public}: take the publisher's own bundle, or the right key"
        );
        let signature = std::str::from_utf8(self.signature).unwrap_or_default();
        ensure!(
            key::is_signed(public, Meaning::Bundle, self.signed, signature),
            "its signature is not that of {public}: the file was changed after it was signed; copy it again from its publisher"
        );
        Ok(())
    }
}

/// The bytes of a bundle of this component, signed. `package` is what was read from `component`; `untested`: its cases were not run.
pub fn sign(key: &Key, package: &Package, component: &[u8], untested: bool) -> Vec<u8> {
    let d = &package.description;
    let manifest = Manifest {
        id: d.id.clone(),
        version: d.version.clone(),
        vendor: d.vendor.clone(),
        contract: package.contract.clone(),
        digest: package.digest.clone(),
        imports: package.interfaces(),
        publisher: key.public(),
        tool: concat!("safety-brain ", env!("CARGO_PKG_VERSION")).to_owned(),
        untested,
    };
    let manifest = serde_json::to_vec_pretty(&manifest).expect("texts and lists of texts");
    write(key, &manifest, component)
}

/// Both lengths are within bounds: a component passed `Package`, and a description has a bounded size.
fn write(key: &Key, manifest: &[u8], component: &[u8]) -> Vec<u8> {
    let mut bytes = [MAGIC.as_slice(), &[VERSION]].concat();
    bytes.extend_from_slice(&(manifest.len() as u32).to_le_bytes());
    bytes.extend_from_slice(&(component.len() as u32).to_le_bytes());
    bytes.extend_from_slice(manifest);
    bytes.extend_from_slice(component);
    let signature = key.sign(Meaning::Bundle, &bytes);
    bytes.extend_from_slice(signature.as_bytes());
    bytes
}

#[cfg(test)]
#[path = "bundle_tests.rs"]
mod tests;
