//! The key that signs what leaves the machine: evidence, and heads of the journal's chain. Made at first use, readable by its owner alone. The only
//! place that knows `ring`. Must not know: what is signed.

use anyhow::{Context, anyhow, ensure};
use ring::rand::{SecureRandom, SystemRandom};
use ring::signature::{ED25519, Ed25519KeyPair, KeyPair, UnparsedPublicKey};
use std::fs::{File, OpenOptions};
use std::io::{ErrorKind, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

/// Folder of keys inside the data directory. Not part of a backup.
const FOLDER: &str = "keys";
const FILE: &str = "evidence.key";
/// What a signature means; a text that stands before the digest that is signed, so that it means this and nothing else.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Meaning {
    /// An evidence file.
    Evidence,
    /// A head of the journal's chain.
    Anchor,
}

impl Meaning {
    fn text(self) -> &'static [u8] {
        match self {
            Meaning::Evidence => b"safety-brain evidence 1\n",
            Meaning::Anchor => b"safety-brain anchor 1\n",
        }
    }
}

const SEED_BYTES: usize = 32;
const PREFIX: &str = "ed25519:";

/// A key that signs.
pub struct Key(Ed25519KeyPair);

impl Key {
    /// The key of a data directory, made if there is none.
    ///
    /// # Errors
    /// The file cannot be made or read, is open to others, or holds no key.
    pub fn of(data: &Path) -> anyhow::Result<Key> {
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
    pub fn existing(data: &Path) -> anyhow::Result<Option<Key>> {
        let path = data.join(FOLDER).join(FILE);
        if path.exists() { Key::read(&path).map(Some) } else { Ok(None) }
    }

    fn read(path: &Path) -> anyhow::Result<Key> {
        let context = || format!("cannot read the key {}", path.display());
        let open = path.metadata().with_context(context)?.permissions().mode() & 0o077;
        ensure!(
            open == 0,
            "the key {} is open to others than its owner: chmod 600 it, and consider whether it was copied",
            path.display()
        );
        let text = std::fs::read_to_string(path).with_context(context)?;
        let seed =
            blake3::Hash::from_hex(text.trim()).with_context(|| format!("{} holds no key: 64 hex digits", path.display()))?;
        let pair = Ed25519KeyPair::from_seed_unchecked(seed.as_bytes()).map_err(|e| anyhow!("{}: {e}", path.display()))?;
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

fn message(meaning: Meaning, body: &[u8]) -> Vec<u8> {
    [meaning.text(), blake3::hash(body).as_bytes()].concat()
}

/// Whole or not at all, also if two do it at once: the first one's key stays.
fn make(path: &Path) -> anyhow::Result<()> {
    let folder = path.parent().map_or_else(PathBuf::new, Path::to_owned);
    std::fs::create_dir_all(&folder)?;
    let mut seed = [0; SEED_BYTES];
    SystemRandom::new().fill(&mut seed).map_err(|_| anyhow!("the system gives no random numbers"))?;
    let making = folder.join(format!("{FILE}.{}", std::process::id()));
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&making)?;
    file.write_all(format!("{}\n", hex(&seed)).as_bytes()).and_then(|()| file.sync_all())?;
    let linked = std::fs::hard_link(&making, path);
    std::fs::remove_file(&making)?;
    match linked {
        Err(error) if error.kind() != ErrorKind::AlreadyExists => return Err(error.into()),
        Ok(()) | Err(_) => {}
    }
    Ok(File::open(&folder)?.sync_all()?)
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
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o640)).unwrap();
        assert!(Key::of(data.path()).err().unwrap().to_string().contains("open to others"));
    }
}
