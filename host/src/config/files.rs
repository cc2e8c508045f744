//! Reading whole files that a site file is made of, or names. Owns: that reading ends, whatever the name leads to.
//! Must not know: what is in them.

use std::fs::File;
use std::io::Read;
use std::path::Path;

/// Largest site file or include: a hundred times that of a large plant.
pub(super) const TEXT_BYTES_MAX: u64 = 16 << 20;
/// Largest secret, certificate or key.
pub(super) const SMALL_BYTES_MAX: u64 = 1 << 20;

/// The bytes of a file of at most `most`.
///
/// # Errors
/// It cannot be read, or has more; for people.
pub(super) fn read(path: &Path, most: u64) -> Result<Vec<u8>, String> {
    let mut bytes = Vec::new();
    let opened = File::open(path).and_then(|file| file.take(most + 1).read_to_end(&mut bytes));
    match opened {
        Err(error) => Err(error.to_string()),
        Ok(_) if bytes.len() as u64 > most => Err(format!("more than {} MiB", most >> 20)),
        Ok(_) => Ok(bytes),
    }
}
