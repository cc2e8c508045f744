//! A stranger's component compiled in a process of its own, with bounds on memory and time: what breaks the compiler must not stop the plant.
//! Bytes go in and code comes out by pipes; the process opens no file. Must not know: what is kept of the code, what it is for.

use super::engine::{engine, precompile};
use super::package::COMPONENT_BYTES_MAX;
use crate::pace;
use anyhow::{Context, Result, bail, ensure};
use std::io::{Read, Write};
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

/// The command of this program that [`child`] answers.
pub const COMMAND: &str = "compile-rule";
/// Longest code that is taken back, bytes. Measured: 2 to 4 times the component.
const CODE_BYTES_MAX: u64 = 4 * COMPONENT_BYTES_MAX;
/// Most that is taken of what the process says before it dies.
const SAID_BYTES_MAX: u64 = 16 << 10;
/// What the clock on the wall may show beyond four times the processor time, on a machine that is busy elsewhere.
const STARVED_MAX: Duration = Duration::from_secs(300);
/// How often the process is looked after.
const LOOK: Duration = Duration::from_millis(5);

/// What one compilation may use.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Address space.
    pub memory_mib: u64,
    /// Processor time.
    pub seconds: u64,
}

impl Limits {
    /// For a component of this size (own defaults): a Rust rule of 60 KiB needs a fifth of a second and 220 MiB, an interpreter of 12 MiB 14 s and 600 MiB.
    pub fn of(bytes: usize) -> Limits {
        let mib = (bytes >> 20) as u64 + 1;
        // A compiler that was itself built without optimising is that much slower.
        let slower = if cfg!(debug_assertions) { 8 } else { 1 };
        Limits { memory_mib: 512 + 64 * mib, seconds: (30 + 5 * mib) * slower }
    }
}

/// Compiles in a process of `program`.
///
/// # Errors
/// The component is refused by the compiler, or is too much for it; the process cannot be started.
pub fn apart(program: &Path, limits: Limits, component: &[u8]) -> Result<Vec<u8>> {
    let Limits { memory_mib, seconds } = limits;
    let mut child = Command::new(program)
        .args([COMMAND, "--memory-mib", &memory_mib.to_string(), "--seconds", &seconds.to_string()])
        .env_clear()
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .with_context(|| format!("{} cannot be started to compile a rule", program.display()))?;
    let wall = STARVED_MAX + Duration::from_secs(seconds * 4);
    let (stdin, stdout, stderr) = (child.stdin.take(), child.stdout.take(), child.stderr.take());
    let (status, code, said) = std::thread::scope(|scope| {
        // A process that ends early closes its end; its status says why.
        scope.spawn(move || stdin.map(|mut stdin| stdin.write_all(component)));
        let code = scope.spawn(move || all(stdout, CODE_BYTES_MAX));
        let said = scope.spawn(move || all(stderr, SAID_BYTES_MAX));
        let status = ended(&mut child, wall);
        (status, code.join().unwrap_or_default(), said.join().unwrap_or_default())
    });
    let said = String::from_utf8_lossy(&said);
    let said = said.trim().trim_start_matches("error: ");
    let Some(status) = status? else { bail!("compiling it did not end within {} s", wall.as_secs()) };
    ensure!(status.success(), "{}", why(status, said, limits));
    Ok(code)
}

/// What ended the process, for the vendor.
fn why(status: ExitStatus, said: &str, Limits { memory_mib, seconds }: Limits) -> String {
    let remedy = "make the component smaller: fewer and shorter functions, no large tables";
    if [Some(libc::SIGXCPU), Some(libc::SIGKILL)].contains(&status.signal()) {
        return format!("compiling it takes more than {seconds} s of processor time; {remedy}");
    }
    // The allocator, the system and the compiler each have words for it, and no status.
    if ["memory allocation", "Cannot allocate memory", "out of memory"].iter().any(|words| said.contains(words)) {
        return format!("compiling it takes more than {memory_mib} MiB; {remedy}");
    }
    match status.code() {
        Some(1) => said.to_owned(),
        _ => format!("the compiler died on it ({status}): {}", said.lines().next().unwrap_or_default()),
    }
}

fn all(pipe: Option<impl Read>, most: u64) -> Vec<u8> {
    let mut bytes = Vec::new();
    // What a dying process still says is taken as far as it goes.
    let _ = pipe.map(|pipe| pipe.take(most).read_to_end(&mut bytes));
    bytes
}

/// How it ended; None where it had to be killed.
fn ended(child: &mut Child, most: Duration) -> Result<Option<ExitStatus>> {
    let began = Instant::now();
    while began.elapsed() < most {
        if let Some(status) = child.try_wait()? {
            return Ok(Some(status));
        }
        std::thread::sleep(LOOK);
    }
    child.kill()?;
    child.wait()?;
    Ok(None)
}

/// The other side: binds itself, takes a component from standard input and gives its code to standard output.
///
/// # Errors
/// The component is not one, or the bounds cannot be set.
pub fn child(limits: Limits) -> Result<()> {
    // The plant goes on meanwhile.
    pace::step_back();
    let bounds = [
        (libc::RLIMIT_AS, limits.memory_mib << 20),
        (libc::RLIMIT_CPU, limits.seconds),
        (libc::RLIMIT_CORE, 0),
        (libc::RLIMIT_FSIZE, 0),
    ];
    for (what, most) in bounds {
        let limit = libc::rlimit { rlim_cur: most, rlim_max: most };
        // SAFETY: `limit` is a valid `rlimit` for the duration of the call.
        let status = unsafe { libc::setrlimit(what, &limit) };
        ensure!(status == 0, "a limit of this process could not be set: {}", std::io::Error::last_os_error());
    }
    let mut component = Vec::new();
    std::io::stdin().lock().take(COMPONENT_BYTES_MAX).read_to_end(&mut component)?;
    let code = precompile(&engine()?, &component)?;
    std::io::stdout().lock().write_all(&code).context("the code could not be handed over")
}
