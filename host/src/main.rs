//! `safety-brain`: parses arguments, sets up tracing, turns an error into the only exit code.

use clap::Parser;
use safety_brain::cli::{Cli, Faulty};
use std::process::ExitCode;

fn main() -> ExitCode {
    let cli = Cli::parse();
    tracing_subscriber::fmt()
        .with_env_filter(
            tracing_subscriber::EnvFilter::try_from_env("SAFETY_BRAIN_LOG").unwrap_or_else(|_| cli.default_log().into()),
        )
        .with_writer(std::io::stderr)
        .init();
    match cli.run() {
        Ok(()) => ExitCode::SUCCESS,
        // Faults of a site file have been printed, one line each.
        Err(error) if error.is::<Faulty>() => ExitCode::from(2),
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}
