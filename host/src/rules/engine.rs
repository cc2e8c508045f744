//! How components become code that runs, and the clock that ends their calls.
//! Must not know: what a component is for, where compiled code is kept.

use super::cache::Cache;
use super::compile;
use anyhow::{Context, Result, anyhow};
use std::hash::{Hash, Hasher};
use std::path::PathBuf;
use std::time::Duration;
use wasmtime::component::Component;

/// One epoch, the grain of deadlines.
pub(super) const TICK: Duration = Duration::from_millis(1);

/// Stack a guest may use, bytes.
const STACK_BYTES: usize = 256 << 10;

/// Where components are compiled.
#[derive(Clone, Debug)]
pub enum Compiler {
    /// In this process: for tests and measurements on components of our own.
    Here,
    /// By this program, which is safety-brain itself, in a process with bounds on its memory and time: a compiler must not take the plant with it.
    Apart(PathBuf),
}

impl Compiler {
    /// This program, once more.
    ///
    /// # Errors
    /// The system does not say where it lies.
    pub fn own() -> Result<Compiler> {
        Ok(Compiler::Apart(
            std::env::current_exe().context("where this program lies is not known: it cannot compile rules apart")?,
        ))
    }
}

/// The compiler with our limits switched on, and its 1 ms ticker. Cheap to clone; the ticker ends with the last clone.
#[derive(Clone)]
pub struct Engine {
    pub(super) wasm: wasmtime::Engine,
    compiler: Compiler,
}

impl Engine {
    /// Sets up the compiler and starts the ticker: a plain thread, because a busy executor must not be able to delay it.
    ///
    /// # Errors
    /// WebAssembly cannot run on this machine.
    pub fn start(compiler: Compiler) -> Result<Engine> {
        let wasm = engine()?;
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
        Ok(Engine { wasm, compiler })
    }

    /// Compiles, or takes what was compiled before from `cache`.
    pub(super) fn compile(&self, bytes: &[u8], digest: &str, cache: Option<&Cache>) -> Result<Component> {
        let name = format!("{}-{}", digest.trim_start_matches("sha256:"), self.fingerprint());
        if let Some(artefact) = cache.and_then(|cache| cache.take(&name))
            // SAFETY: the artefact was made by this engine's `precompile_component` (the name carries the digest, the wasmtime version and the
            // settings), and bears the mark of a secret that only our user can read (see `cache`): whoever could forge it could change this
            // program as well. wasmtime checks nothing further: what is read here becomes machine code.
            && let Ok(component) = unsafe { Component::deserialize(&self.wasm, artefact) }
        {
            return Ok(component);
        }
        let artefact = match &self.compiler {
            Compiler::Here => precompile(&self.wasm, bytes)?,
            Compiler::Apart(program) => compile::apart(program, compile::Limits::of(bytes.len()), bytes)?,
        };
        if let Some(Err(error)) = cache.map(|cache| cache.keep(&name, &artefact)) {
            // A full disk costs the next start some seconds, not this one its rules.
            tracing::warn!("{error:#}; it is compiled again at the next start");
        }
        // SAFETY: made above by the same program with the same settings, and never out of the hands of our user's processes. The process that compiled
        // was bounded in memory and time; it does not defend against a fault of the compiler that writes hostile code.
        unsafe { Component::deserialize(&self.wasm, &artefact) }.map_err(|e| anyhow!("{e:#}"))
    }

    /// Changes with the wasmtime version and every setting that changes the code.
    fn fingerprint(&self) -> String {
        let mut hasher = std::hash::DefaultHasher::new();
        self.wasm.precompile_compatibility_hash().hash(&mut hasher);
        format!("{:016x}", hasher.finish())
    }
}

/// wasmtime with our settings.
pub(super) fn engine() -> Result<wasmtime::Engine> {
    let mut config = wasmtime::Config::new();
    config
        .epoch_interruption(true)
        .consume_fuel(true)
        .max_wasm_stack(STACK_BYTES)
        .cranelift_nan_canonicalization(true)
        .relaxed_simd_deterministic(true)
        .wasm_memory64(false)
        .wasm_multi_memory(false);
    wasmtime::Engine::new(&config).map_err(|e| anyhow!("WebAssembly cannot run on this machine: {e:#}"))
}

/// From a component to code.
pub(super) fn precompile(engine: &wasmtime::Engine, bytes: &[u8]) -> Result<Vec<u8>> {
    engine.precompile_component(bytes).map_err(|e| anyhow!("{e:#}"))
}
