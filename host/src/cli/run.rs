//! `safety-brain run`: a plant from its site file. Must not know: how the daemon works.

use crate::daemon::{self, Options};
use anyhow::Context;
use std::net::TcpListener;
use std::path::PathBuf;

/// Run a plant from its site file.
#[derive(clap::Args)]
#[command(after_help = after!("stopped by Ctrl-C or SIGTERM", "could not start, or failed", "run --config site.toml", "run --config site.toml --data /var/lib/safety-brain"))]
pub struct RunArgs {
    /// Site file (TOML)
    #[arg(long, value_name = "FILE")]
    config: PathBuf,
    /// Development: let rules without a publisher run; every page says so
    #[arg(long)]
    allow_unsigned: bool,
    /// Keep data here instead of where the site file says
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
}

/// Runs until Ctrl-C or SIGTERM.
///
/// # Errors
/// Faults of the site file, or whatever keeps the daemon from starting.
pub fn run(args: RunArgs) -> anyhow::Result<()> {
    let mut config = super::load(&args.config)?;
    config.allow_unsigned |= args.allow_unsigned;
    if config.allow_unsigned {
        super::say("warning: rules may run that nobody has signed (allow_unsigned): for development alone");
    }
    for warning in &config.warnings {
        super::say(format_args!("warning: {warning}"));
    }
    let bind = config.console.bind;
    let listener = TcpListener::bind(bind).with_context(|| {
        format!("cannot listen on {bind}: another program may hold the port, or it is below 1024 and not for everybody; choose another in [console] bind")
    })?;
    let data_dir = args.data.unwrap_or_else(|| config.storage.data_dir.clone());
    let scheme = if config.console.tls.is_some() { "https" } else { "http" };
    let address = listener.local_addr()?;
    let begun = Box::new(move || super::say(format_args!("console: {scheme}://{address}/")));
    super::work(async {
        let stop = super::stop_on_signal()?;
        daemon::run(config, Options { data_dir, engine: super::engine()?, listener, begun }, stop).await.map_err(super::explained)
    })
}
