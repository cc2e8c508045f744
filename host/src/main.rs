//! `safety-brain`: parses arguments, sets up tracing, turns an error into the only exit code.

use safety_brain::cli::{Cli, Faulty};
use std::process::ExitCode;

#[cfg(target_os = "linux")]
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

/// What is free goes back after a second, by a thread of the allocator's own; few arenas, as threads are many and mostly wait.
// SAFETY: the name is the one under which jemalloc looks for its settings, a C string.
#[cfg(target_os = "linux")]
#[unsafe(export_name = "_rjem_malloc_conf")]
static MALLOC_CONF: &[u8; 70] = b"background_thread:true,dirty_decay_ms:1000,muzzy_decay_ms:0,narenas:2\0";

fn main() -> ExitCode {
    let cli = Cli::asked(std::env::args_os().collect());
    if cli.is_daemon() {
        safety_brain::pace::short_turns();
    } else {
        end_on_closed_pipe();
    }
    if cli.keeps_a_record() {
        // SAFETY: no thread of ours runs yet, and the call touches no memory.
        unsafe { libc::umask(0o077) };
    }
    if cli.syncs_by_name() {
        // SAFETY: as above: nobody else reads the environment.
        unsafe { safety_brain::store::sync_by_name() };
    }
    tracing_subscriber::fmt()
        .with_env_filter(
            tracing_subscriber::EnvFilter::try_from_env("SAFETY_BRAIN_LOG").unwrap_or_else(|_| cli.default_log().into()),
        )
        .with_writer(std::io::stderr)
        .with_ansi(std::io::IsTerminal::is_terminal(&std::io::stderr()))
        // A log that nobody reads is no reason to stop; the default would panic in the thread that logs.
        .log_internal_errors(false)
        .init();
    match cli.run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => match error.downcast_ref() {
            // Faults have been printed, one line each.
            Some(Faulty::Site) => ExitCode::from(2),
            Some(Faulty::Rule) => ExitCode::FAILURE,
            None => {
                safety_brain::cli::say(format_args!("error: {error:#}{}", safety_brain::cli::remedy(&error)));
                ExitCode::FAILURE
            }
        },
    }
}

/// A tool whose reader has seen enough (`| head`) ends as every tool of the system does: by SIGPIPE, without a word. Rust switches that off.
fn end_on_closed_pipe() {
    // SAFETY: no other thread runs yet, and the default action calls nothing of ours.
    unsafe { libc::signal(libc::SIGPIPE, libc::SIG_DFL) };
}
