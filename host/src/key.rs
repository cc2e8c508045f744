//! Keys: the site's own, that signs what leaves the machine; a publisher's, that signs bundles of rules; the seal of what only this machine may have
//! written; and those with a certificate (`certified`). Each in a file that its owner alone can read. The only place that knows `ring`. Must not know: what
//! is signed or sealed.

mod certified;

pub use certified::{Certificate, Certified, Scheme};

use anyhow::{Context, Result, anyhow, ensure};
use ring::rand::{SecureRandom, SystemRandom};
use ring::signature::{ED25519, Ed25519KeyPair, KeyPair, UnparsedPublicKey};
use std::fs::{File, OpenOptions};
use std::io::{ErrorKind, Read, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

/// HMAC-SHA256, as bots of group chats want what they are sent signed.
pub fn hmac_sha256(key: &[u8], message: &[u8]) -> Vec<u8> {
    let key = ring::hmac::Key::new(ring::hmac::HMAC_SHA256, key);
    ring::hmac::sign(&key, message).as_ref().to_vec()
}

/// Folder of keys inside the data directory. Not part of a backup.
const FOLDER: &str = "keys";
const FILE: &str = "evidence.key";
const SEAL_FILE: &str = "seal.key";
/// What a signature means; a text that stands before the digest that is signed, so that it means this and nothing else.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Meaning {
    /// An evidence file.
    Evidence,
    /// A head of the journal's chain.
    Anchor,
    /// A bundle of a rule.
    Bundle,
    /// A heartbeat.
    Heartbeat,
    /// A message in JSON.
    Message,
}

impl Meaning {
    fn text(self) -> &'static [u8] {
        match self {
            Meaning::Evidence => b"safety-brain evidence 1\n",
            Meaning::Anchor => b"safety-brain anchor 1\n",
            Meaning::Bundle => b"safety-brain bundle 1\n",
            Meaning::Heartbeat => b"safety-brain heartbeat 1\n",
            Meaning::Message => b"safety-brain message 1\n",
        }
    }
}

const SEED_BYTES: usize = 32;
/// Largest file of a key or certificate.
const BYTES_MAX: u64 = 1 << 20;
const PREFIX: &str = "ed25519:";

/// A key that signs.
pub struct Key(Ed25519KeyPair);

impl std::fmt::Debug for Key {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Key({})", self.public())
    }
}

impl Key {
    /// The key of a data directory, made if there is none.
    ///
    /// # Errors
    /// The file cannot be made or read, is open to others, or holds no key.
    pub fn of(data: &Path) -> Result<Key> {
        let path = data.join(FOLDER).join(FILE);
        if !path.exists() {
            make(&path).with_context(|| format!("cannot make the key {}", path.display()))?;
        }
        Key::read(&path)
    }

    /// The key of a data directory, if there is one.
    ///
    /// # Errors
    /// The file cannot be read, is open to others, or holds no key.
    pub fn existing(data: &Path) -> Result<Option<Key>> {
        let path = data.join(FOLDER).join(FILE);
        if path.exists() { Key::read(&path).map(Some) } else { Ok(None) }
    }

    /// A new key in a file of its own, mode 0600.
    ///
    /// # Errors
    /// There is such a file already, or it cannot be made.
    pub fn create(path: &Path) -> Result<Key> {
        let made = make(path).with_context(|| format!("cannot make the key {}", path.display()))?;
        ensure!(
            made,
            "{} exists already and is not written over: what it signed could never be signed again; give another name",
            path.display()
        );
        Key::read(path)
    }

    /// The key in a file.
    ///
    /// # Errors
    /// The file cannot be read, is open to others, or holds no key.
    pub fn read(path: &Path) -> Result<Key> {
        let pair = Ed25519KeyPair::from_seed_unchecked(&seed(path)?).map_err(|e| anyhow!("{}: {e}", path.display()))?;
        Ok(Key(pair))
    }

    /// The half that everybody may know.
    pub fn public(&self) -> String {
        format!("{PREFIX}{}", hex(self.0.public_key().as_ref()))
    }

    /// Signature over `body`, hex.
    pub fn sign(&self, meaning: Meaning, body: &[u8]) -> String {
        hex(self.0.sign(&message(meaning, body)).as_ref())
    }
}

/// Whether `signature` is that of the owner of `public` over `body`.
pub fn is_signed(public: &str, meaning: Meaning, body: &[u8], signature: &str) -> bool {
    let key = public.strip_prefix(PREFIX).and_then(bytes::<32>);
    let signature = bytes::<64>(signature);
    let (Some(key), Some(signature)) = (key, signature) else {
        return false;
    };
    UnparsedPublicKey::new(&ED25519, key).verify(&message(meaning, body), &signature).is_ok()
}

/// Whether a text is the public half of a key, as [`Key::public`] writes it.
pub fn is_public(text: &str) -> bool {
    text.strip_prefix(PREFIX).and_then(bytes::<SEED_BYTES>).is_some()
}

/// The public half that a file holds, as [`is_public`] knows it, whatever an editor put in front; none where it holds something else.
///
/// # Errors
/// It cannot be read, or is larger than any key.
pub fn public_in(path: &Path) -> std::io::Result<Option<String>> {
    let held = small(path)?;
    let text = String::from_utf8_lossy(&held);
    let text = text.trim_start_matches('\u{feff}').trim();
    Ok(is_public(text).then(|| text.to_owned()))
}

/// A secret of one data directory. What it seals was written by this machine's own user, or by somebody who could read that user's keys.
pub struct Seal([u8; SEED_BYTES]);

impl Seal {
    /// The seal of a data directory, made if there is none.
    ///
    /// # Errors
    /// The file cannot be made or read, is open to others, or holds no key.
    pub fn of(data: &Path) -> Result<Seal> {
        let path = data.join(FOLDER).join(SEAL_FILE);
        if !path.exists() {
            make(&path).with_context(|| format!("cannot make the key {}", path.display()))?;
        }
        Ok(Seal(seed(&path)?))
    }

    /// One that nothing keeps: no other run of the program makes its marks.
    ///
    /// # Errors
    /// The system gives no random numbers.
    pub fn fresh() -> Result<Seal> {
        Ok(Seal(random()?))
    }

    /// The mark of these bytes under this name: no other bytes have it, nor these under another name. Compares in constant time.
    pub fn mark(&self, name: &str, body: &[u8]) -> blake3::Hash {
        let mut hasher = blake3::Hasher::new_keyed(&self.0);
        hasher.update(&(name.len() as u64).to_le_bytes()).update(name.as_bytes()).update(body);
        hasher.finalize()
    }
}

fn message(meaning: Meaning, body: &[u8]) -> Vec<u8> {
    [meaning.text(), blake3::hash(body).as_bytes()].concat()
}

/// What is in a file that is closed to others.
fn closed(path: &Path) -> Result<Vec<u8>> {
    let context = || format!("cannot read the key {}", path.display());
    let open = path.metadata().with_context(context)?.permissions().mode() & 0o077;
    ensure!(
        open == 0,
        "the key {} is open to others than its owner: chmod 600 it, and consider whether it was copied",
        path.display()
    );
    small(path).with_context(context)
}

/// A file of a key or certificate. Reading ends, whatever the name leads to.
fn small(path: &Path) -> std::io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    File::open(path)?.take(BYTES_MAX + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > BYTES_MAX { Err(ErrorKind::FileTooLarge.into()) } else { Ok(bytes) }
}

/// The secret in a file that is closed to others.
fn seed(path: &Path) -> Result<[u8; SEED_BYTES]> {
    let text = String::from_utf8(closed(path)?).unwrap_or_default();
    bytes(text.trim()).with_context(|| format!("{} holds no key: 64 hex digits", path.display()))
}

/// A new secret in a file of its own; false where there is one already, and it stays.
fn make(path: &Path) -> Result<bool> {
    let seed: [u8; SEED_BYTES] = random()?;
    write_new(path, 0o600, format!("{}\n", hex(&seed)).as_bytes())
}

fn random<const N: usize>() -> Result<[u8; N]> {
    let mut bytes = [0; N];
    SystemRandom::new().fill(&mut bytes).map_err(|_| anyhow!("the system gives no random numbers"))?;
    Ok(bytes)
}

/// Whole or not at all, also if two do it at once: false where there is one already, and it stays.
fn write_new(path: &Path, mode: u32, bytes: &[u8]) -> Result<bool> {
    let folder = path.parent().map_or_else(PathBuf::new, Path::to_owned);
    // A folder for a secret is as private as the secret.
    let open = if mode & 0o077 == 0 { 0o700 } else { 0o777 };
    std::fs::DirBuilder::new().recursive(true).mode(open).create(&folder)?;
    let turn: [u8; 8] = random()?;
    let making = path.with_extension(format!("{}.part", hex(&turn)));
    let mut file = OpenOptions::new().write(true).create_new(true).mode(mode).open(&making)?;
    file.write_all(bytes).and_then(|()| file.sync_all())?;
    let linked = std::fs::hard_link(&making, path);
    std::fs::remove_file(&making)?;
    match linked {
        Err(error) if error.kind() == ErrorKind::AlreadyExists => return Ok(false),
        linked => linked?,
    }
    let folder = if folder.as_os_str().is_empty() { Path::new(".") } else { &folder };
    File::open(folder)?.sync_all()?;
    Ok(true)
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Exactly the digits that [`hex`] writes: one text for one value.
fn bytes<const N: usize>(text: &str) -> Option<[u8; N]> {
    let mut bytes = [0; N];
    for (byte, digits) in bytes.iter_mut().zip(text.as_bytes().chunks(2)) {
        *byte = u8::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()?;
    }
    (hex(&bytes) == text).then_some(bytes)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_key_is_made_once_kept_closed_and_signs() {
        let data = tempfile::tempdir().unwrap();
        assert!(Key::existing(data.path()).unwrap().is_none());
        let key = Key::of(data.path()).unwrap();
        assert_eq!(Key::existing(data.path()).unwrap().unwrap().public(), key.public());
        let path = data.path().join("keys/evidence.key");
        assert_eq!(path.metadata().unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(Key::of(data.path()).unwrap().public(), key.public(), "the second use finds the first one's key");
        let signature = key.sign(Meaning::Evidence, b"body");
        assert!(is_signed(&key.public(), Meaning::Evidence, b"body", &signature));
        assert!(!is_signed(&key.public(), Meaning::Anchor, b"body", &signature), "it means one thing");
        let other = tempfile::tempdir().unwrap();
        let stranger = Key::of(other.path()).unwrap().public();
        for (public, body, signature) in [
            (key.public(), &b"bodY"[..], signature.clone()),
            (stranger, b"body", signature.clone()),
            (key.public(), b"body", signature.to_uppercase()),
            (key.public(), b"body", signature[..126].to_owned()),
            (key.public().to_uppercase(), b"body", signature.clone()),
            (key.public(), b"body", String::new()),
        ] {
            assert!(!is_signed(&public, Meaning::Evidence, body, &signature), "{public} {signature}");
        }
        assert!(is_public(&key.public()) && !is_public(&key.public()[1..]) && !is_public(&key.public().to_uppercase()));
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o640)).unwrap();
        assert!(Key::of(data.path()).err().unwrap().to_string().contains("open to others"));
    }

    #[test]
    fn a_publisher_s_key_is_never_written_over() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("acme.key");
        let key = Key::create(&path).unwrap();
        assert_eq!(path.metadata().unwrap().permissions().mode() & 0o777, 0o600);
        let again = Key::create(&path).err().unwrap().to_string();
        assert!(again.contains("acme.key exists already") && again.contains("another name"), "{again}");
        assert_eq!(Key::read(&path).unwrap().public(), key.public());
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1, "nothing half made is left");
    }

    #[test]
    fn a_seal_is_of_one_data_directory_one_name_and_these_bytes() {
        let (data, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let mark = Seal::of(data.path()).unwrap().mark("a", b"body");
        assert_eq!(Seal::of(data.path()).unwrap().mark("a", b"body"), mark);
        for other in [
            Seal::of(data.path()).unwrap().mark("b", b"body"),
            Seal::of(data.path()).unwrap().mark("a", b"bodY"),
            Seal::of(data.path()).unwrap().mark("ab", b"ody"),
            Seal::of(other.path()).unwrap().mark("a", b"body"),
        ] {
            assert_ne!(other, mark);
        }
        assert_eq!(data.path().join("keys/seal.key").metadata().unwrap().permissions().mode() & 0o777, 0o600);
    }
}
