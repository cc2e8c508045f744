//! The enveloped XML signature (XMLDSig) of a message: how it is made, and what one must be to be believed. One form and no other: a single signature,
//! the last child of `<alert>`, over all of the document but itself, exclusive canonical XML, SHA-256, ECDSA on P-256 or RSA. Keys inside the signature
//! are never used, and what is read afterwards are the very bytes whose digest was signed: nothing can be wrapped around them.
//! Must not know: whose certificates are believed.

use super::canon::canonical;
use super::xml::{self, Element, Space, XMLDSIG};
use super::{CapError, Message, parse};
use crate::key::{Certificate, Certified, Scheme};
use anyhow::Context;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use sha2::{Digest, Sha256};

const C14N: &str = "http://www.w3.org/2001/10/xml-exc-c14n#";
const ENVELOPED: &str = "http://www.w3.org/2000/09/xmldsig#enveloped-signature";
const SHA256: &str = "http://www.w3.org/2001/04/xmlenc#sha256";
const ECDSA: &str = "http://www.w3.org/2001/04/xmldsig-more#ecdsa-sha256";
const RSA: &str = "http://www.w3.org/2001/04/xmldsig-more#rsa-sha256";
/// How the last line of a message begins, as `write` writes it.
const END: &str = "</alert>";

/// The message `text`, as `write` wrote it, with a signature in it.
///
/// # Errors
/// The system gives no random numbers.
pub fn sign(text: &str, by: &Certified) -> anyhow::Result<String> {
    sign_again(text, by, "").map(|(signed, _)| signed)
}

/// The same, with the value that its signature had `before`, where that is this key's for this message: some schemes give another one each time. Also gives
/// the value.
///
/// # Errors
/// As [`sign`].
pub fn sign_again(text: &str, by: &Certified, before: &str) -> anyhow::Result<(String, String)> {
    let document = xml::read(text.as_bytes())?;
    let body = canonical(&document.root, &[], None).map_err(anyhow::Error::msg)?;
    let method = match by.scheme() {
        Scheme::Ecdsa => ECDSA,
        Scheme::Rsa => RSA,
    };
    // Canonical as it stands.
    let claim = format!(
        "<SignedInfo xmlns=\"{XMLDSIG}\"><CanonicalizationMethod Algorithm=\"{C14N}\"></CanonicalizationMethod>\
         <SignatureMethod Algorithm=\"{method}\"></SignatureMethod><Reference URI=\"\"><Transforms>\
         <Transform Algorithm=\"{ENVELOPED}\"></Transform><Transform Algorithm=\"{C14N}\"></Transform></Transforms>\
         <DigestMethod Algorithm=\"{SHA256}\"></DigestMethod><DigestValue>{}</DigestValue></Reference></SignedInfo>",
        STANDARD.encode(Sha256::digest(body.as_bytes()))
    );
    let fits = |value: &[u8]| by.certificate().is_signed(by.scheme(), claim.as_bytes(), value);
    let signature = match STANDARD.decode(before).ok().filter(|value| fits(value)) {
        Some(_) => before.to_owned(),
        None => STANDARD.encode(by.sign(claim.as_bytes())?),
    };
    let certificate = STANDARD.encode(by.certificate().der());
    let at = text.rfind(END).context("no message")?;
    let signed = format!(
        "{}<Signature xmlns=\"{XMLDSIG}\">{claim}<SignatureValue>{signature}</SignatureValue><KeyInfo><X509Data>\
         <X509Certificate>{certificate}</X509Certificate></X509Data></KeyInfo></Signature>{}",
        &text[..at],
        &text[at..]
    );
    Ok((signed, signature))
}

/// A message whose signature covers all of it; by whom is still to be seen.
pub struct Signed {
    message: Message,
    claim: String,
    scheme: Scheme,
    signature: Vec<u8>,
}

impl Signed {
    /// Reads a signed message. None: it bears no signature.
    ///
    /// # Errors
    /// No message, or with a signature that is not of the one form, or not over this message.
    pub fn read(bytes: &[u8]) -> Result<Option<Signed>, CapError> {
        // In its place, and nowhere else.
        if parse(bytes)?.signatures > 1 {
            return refuse("more than one; exactly one is taken");
        }
        let document = xml::read(bytes)?;
        let root = &document.root;
        let Some(signature) = root.elements().find(|element| element.space == Space::Signature) else { return Ok(None) };
        if document.instructions {
            return refuse("processing instructions stand in the message; a signed one must have none");
        }
        let claimed = claimed(signature)?;
        let canonical = |element, around: &[_], without| match canonical(element, around, without) {
            Ok(text) => Ok(text),
            Err(what) => refuse(what),
        };
        let body = canonical(root, &[], Some(signature))?;
        if Sha256::digest(body.as_bytes()).as_slice() != claimed.digest {
            return refuse("the message is not what was signed: it was changed on its way");
        }
        let claim = canonical(claimed.info, &[root, signature], None)?;
        // From here on there is nothing but what was signed.
        Ok(Some(Signed { message: parse(body.as_bytes())?, claim, scheme: claimed.scheme, signature: claimed.signature }))
    }

    /// The message that was signed.
    pub fn message(&self) -> &Message {
        &self.message
    }

    /// Whether the owner of this certificate signed it.
    pub fn is_by(&self, certificate: &Certificate) -> bool {
        certificate.is_signed(self.scheme, self.claim.as_bytes(), &self.signature)
    }

    /// The message alone.
    pub fn into_message(self) -> Message {
        self.message
    }
}

fn refuse<T>(what: impl Into<String>) -> Result<T, CapError> {
    Err(CapError::Signature(what.into()))
}

/// What a signature says of itself.
struct Claimed<'a> {
    info: &'a Element,
    scheme: Scheme,
    digest: Vec<u8>,
    signature: Vec<u8>,
}

fn claimed(signature: &Element) -> Result<Claimed<'_>, CapError> {
    let (info, value) = match parts(signature, "Signature", "SignedInfo, SignatureValue, KeyInfo")?[..] {
        [info, value] => (info, value),
        [info, value, key] if is(key, "KeyInfo") => (info, value),
        _ => return refuse("<Signature> must hold SignedInfo, SignatureValue and at most KeyInfo"),
    };
    let [canonicalization, method, reference] = parts(info, "SignedInfo", "one Reference behind its two methods")?[..] else {
        return refuse("<SignedInfo> must hold CanonicalizationMethod, SignatureMethod and exactly one Reference");
    };
    algorithm(canonicalization, "CanonicalizationMethod", C14N)?;
    let scheme = match method.attribute("Algorithm") {
        Some(ECDSA) => Scheme::Ecdsa,
        Some(RSA) => Scheme::Rsa,
        found => return refuse(format!("<SignatureMethod> {found:?} is not taken; use {ECDSA} or {RSA}")),
    };
    algorithm(method, "SignatureMethod", if scheme == Scheme::Ecdsa { ECDSA } else { RSA })?;
    let [transforms, digest_method, digest] = parts(reference, "Reference", "Transforms, DigestMethod, DigestValue")?[..] else {
        return refuse("<Reference> must hold Transforms, DigestMethod and DigestValue");
    };
    if reference.attribute("URI") != Some("") {
        return refuse("<Reference> must have URI=\"\": the whole document, nothing else");
    }
    let [enveloped, exclusive] = parts(transforms, "Transforms", "two Transforms")?[..] else {
        return refuse("<Transforms> must hold enveloped-signature and exclusive canonicalization, nothing else");
    };
    algorithm(enveloped, "Transform", ENVELOPED)?;
    algorithm(exclusive, "Transform", C14N)?;
    algorithm(digest_method, "DigestMethod", SHA256)?;
    Ok(Claimed { info, scheme, digest: binary(digest, "DigestValue")?, signature: binary(value, "SignatureValue")? })
}

fn is(element: &Element, name: &str) -> bool {
    element.space == Space::Signature && element.local() == name
}

/// What stands in an element of this name.
fn parts<'a>(element: &'a Element, name: &str, holds: &str) -> Result<Vec<&'a Element>, CapError> {
    if is(element, name) { Ok(element.elements().collect()) } else { misplaced(element, name, holds) }
}

fn misplaced<T>(element: &Element, name: &str, holds: &str) -> Result<T, CapError> {
    refuse(format!("<{}> stands where <{name}> ({holds}) must stand", element.local()))
}

/// The one algorithm that is taken, without parameters.
fn algorithm(element: &Element, name: &str, wanted: &str) -> Result<(), CapError> {
    if !parts(element, name, wanted)?.is_empty() {
        return refuse(format!("<{name}> must have no parameters"));
    }
    match element.attribute("Algorithm") {
        Some(found) if found == wanted => Ok(()),
        found => refuse(format!("<{name}> {:?} is not taken; use {wanted}", found.unwrap_or("without an algorithm"))),
    }
}

fn binary(element: &Element, name: &str) -> Result<Vec<u8>, CapError> {
    if !parts(element, name, "base64")?.is_empty() {
        return refuse(format!("<{name}> must hold base64 alone"));
    }
    let digits: String = element.text().chars().filter(|c| !c.is_ascii_whitespace()).collect();
    STANDARD.decode(digits).or_else(|_| refuse(format!("<{name}> is no base64")))
}
