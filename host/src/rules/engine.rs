//! How components are compiled, and the clock that ends their calls.
//! Must not know: what a component is for.

use anyhow::{Context, Result, anyhow};
use std::fs;
use std::hash::{Hash, Hasher};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use wasmtime::component::Component;

/// One epoch, the grain of deadlines.
pub(super) const TICK: Duration = Duration::from_millis(1);

/// Stack a guest may use, bytes.
const STACK_BYTES: usize = 256 << 10;

/// The compiler with our limits switched on, and its 1 ms ticker. Cheap to clone; the ticker ends with the last clone.
#[derive(Clone)]
pub struct Engine {
    pub(super) wasm: wasmtime::Engine,
}

impl Engine {
    /// Sets up the compiler and starts the ticker: a plain thread, because a busy executor must not be able to delay it.
    pub fn start() -> Result<Engine> {
        let mut config = wasmtime::Config::new();
        config
            .epoch_interruption(true)
            .consume_fuel(true)
            .max_wasm_stack(STACK_BYTES)
            .cranelift_nan_canonicalization(true)
            .relaxed_simd_deterministic(true)
            .wasm_memory64(false)
            .wasm_multi_memory(false);
        let wasm = wasmtime::Engine::new(&config).map_err(|e| anyhow!("WebAssembly cannot run on this machine: {e:#}"))?;
        let weak = wasm.weak();
        std::thread::Builder::new()
            .name("rules-ticker".into())
            .spawn(move || {
                while let Some(engine) = weak.upgrade() {
                    engine.increment_epoch();
                    drop(engine);
                    std::thread::sleep(TICK);
                }
            })
            .context("the ticker thread of the rules did not start")?;
        Ok(Engine { wasm })
    }

    /// Compiles, or takes what was compiled before from `cache`. A damaged or foreign cache entry is compiled again.
    pub(super) fn compile(&self, bytes: &[u8], sha256: &str, cache: Option<&Path>) -> Result<Component> {
        let Some(dir) = cache else {
            return Component::new(&self.wasm, bytes).map_err(|e| anyhow!("{e:#}"));
        };
        let path = dir.join(format!("{sha256}-{}.cwasm", self.fingerprint()));
        if let Some(artefact) = read_sealed(&path)
            // SAFETY: the artefact was made by this engine's `precompile_component` (the name carries the wasmtime version and
            // settings), lies in a directory only our user can write, and its BLAKE3 was compared on reading.
            && let Ok(component) = unsafe { Component::deserialize(&self.wasm, artefact) }
        {
            return Ok(component);
        }
        let artefact = self.wasm.precompile_component(bytes).map_err(|e| anyhow!("{e:#}"))?;
        if let Err(error) = write_sealed(&path, &artefact) {
            // A full disk costs the next start some seconds, not this one its rules.
            tracing::warn!("{error:#}; it is compiled again at the next start");
        }
        // SAFETY: made by this engine two lines above and never out of our hands.
        unsafe { Component::deserialize(&self.wasm, &artefact) }.map_err(|e| anyhow!("{e:#}"))
    }

    /// Changes with the wasmtime version and every setting that changes the code.
    fn fingerprint(&self) -> String {
        let mut hasher = std::hash::DefaultHasher::new();
        self.wasm.precompile_compatibility_hash().hash(&mut hasher);
        format!("{:016x}", hasher.finish())
    }
}

/// `<data>/cache`, made if missing, closed to everyone but our user: what lies in it is native code.
pub(super) fn cache_dir(data_dir: &Path) -> Result<PathBuf> {
    use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
    let dir = data_dir.join("cache");
    let made = fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(&dir)
        .and_then(|()| fs::set_permissions(&dir, fs::Permissions::from_mode(0o700)));
    made.with_context(|| {
        format!(
            "{}: cannot be made private (0700) to hold compiled rules; give the data directory to the user that runs safety-brain",
            dir.display()
        )
    })?;
    Ok(dir)
}

/// Reads an artefact and compares the BLAKE3 in front of it: a torn write must not become machine code.
fn read_sealed(path: &Path) -> Option<Vec<u8>> {
    let mut file = fs::read(path).ok()?;
    let seal: [u8; 32] = file.get(..32)?.try_into().ok()?;
    let artefact = file.split_off(32);
    (blake3::hash(&artefact) == blake3::Hash::from_bytes(seal)).then_some(artefact)
}

fn write_sealed(path: &Path, artefact: &[u8]) -> Result<()> {
    static TURN: AtomicU64 = AtomicU64::new(0); // two threads may write the same artefact
    let turn = TURN.fetch_add(1, Ordering::Relaxed);
    let unfinished = path.with_extension(format!("{}-{turn}.part", std::process::id()));
    let mut file = blake3::hash(artefact).as_bytes().to_vec();
    file.extend_from_slice(artefact);
    fs::write(&unfinished, file)
        .and_then(|()| fs::rename(&unfinished, path))
        .with_context(|| format!("{}: a compiled rule cannot be written", path.display()))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_damaged_cache_entry_is_not_read() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("x.cwasm");
        write_sealed(&path, b"code").unwrap();
        assert_eq!(read_sealed(&path).unwrap(), b"code");
        let mut bytes = fs::read(&path).unwrap();
        *bytes.last_mut().unwrap() ^= 1;
        fs::write(&path, &bytes).unwrap();
        assert_eq!(read_sealed(&path), None);
        fs::write(&path, b"short").unwrap();
        assert_eq!(read_sealed(&path), None);
    }

    #[test]
    fn the_cache_is_private() {
        use std::os::unix::fs::PermissionsExt;
        let data = tempfile::tempdir().unwrap();
        let dir = cache_dir(data.path()).unwrap();
        assert_eq!(fs::metadata(dir).unwrap().permissions().mode() & 0o777, 0o700);
    }
}
