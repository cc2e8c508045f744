//! `safety-brain compile-rule`: the process in which a stranger's component is compiled. Nobody types it. Must not know: how components are compiled.

use crate::rules::compile::{Limits, child};

/// Compile a component from standard input to standard output, within bounds.
#[derive(clap::Args)]
#[command(after_help = after!("compiled", "refused by the compiler", "compile-rule --memory-mib 512 --seconds 30"))]
pub struct CompileArgs {
    /// Address space, MiB
    #[arg(long)]
    memory_mib: u64,
    /// Processor time, seconds
    #[arg(long)]
    seconds: u64,
}

/// Compiles.
///
/// # Errors
/// The component is refused.
pub fn run(args: CompileArgs) -> anyhow::Result<()> {
    child(Limits { memory_mib: args.memory_mib, seconds: args.seconds })
}
