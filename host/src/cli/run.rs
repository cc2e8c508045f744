//! `safety-brain run`: a plant from its site file, or a bureau from its own. Must not know: how the daemon works.

use crate::config::bureau;
use crate::daemon::{self, Options};
use crate::hang::within;
use anyhow::Context;
use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};

/// Whose file it is.
#[derive(Clone, Copy, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum Role {
    /// A plant: sensors, rules, alarms, its own screens
    #[default]
    Plant,
    /// An emergency bureau: what plants report, and its duty desk
    Bureau,
}

/// Run a plant from its site file, or an emergency bureau from its own.
#[derive(clap::Args)]
#[command(after_help = after!("stopped by Ctrl-C or SIGTERM", "could not start, or failed", "run --config site.toml", "run --config site.toml --data /var/lib/safety-brain", "run --role bureau --config bureau.toml"))]
pub struct RunArgs {
    /// Site file, or the bureau's file (TOML)
    #[arg(long, value_name = "FILE")]
    config: PathBuf,
    /// What the file describes
    #[arg(long, value_enum, default_value_t)]
    role: Role,
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
    if args.role == Role::Bureau {
        return bureau(args);
    }
    // A plant's snapshot may be as large as its site file: where it is known to be, it is read meanwhile.
    let ahead = args.data.as_deref().map(daemon::Ahead::begin).transpose()?;
    let mut config = read(&args.config, super::load)?;
    super::allow_unsigned(&mut config, args.allow_unsigned);
    for warning in &config.warnings {
        super::say(format_args!("warning: {warning}"));
    }
    let data_dir = args.data.unwrap_or_else(|| config.storage.data_dir.clone());
    let (listener, begun) = listen(config.console.bind, config.console.tls.is_some())?;
    super::work(async {
        let stop = super::stop_on_signal()?;
        daemon::run(config, Options { data_dir, ahead, engine: super::engine()?, listener, begun, drill: None }, stop)
            .await
            .map_err(super::explained)
    })
}

/// What the file says. It may lie on a disk that hangs: then it is said so, and not waited for.
fn read<T: Send + 'static>(path: &Path, load: fn(&Path) -> anyhow::Result<T>) -> anyhow::Result<T> {
    let of = path.to_owned();
    within(&format!("reading {} and the files that it names", path.display()), move || load(&of)).flatten()
}

/// The listener of the console, and what says so once it answers.
fn listen(bind: SocketAddr, secure: bool) -> anyhow::Result<(TcpListener, Box<dyn FnOnce() + Send>)> {
    let listener = TcpListener::bind(bind).with_context(|| {
        format!("cannot listen on {bind}: another program may hold the port, or it is below 1024 and not for everybody; choose another in [console] bind")
    })?;
    let (scheme, address) = (if secure { "https" } else { "http" }, listener.local_addr()?);
    Ok((listener, Box::new(move || super::say(format_args!("console: {scheme}://{address}/")))))
}

fn bureau(args: RunArgs) -> anyhow::Result<()> {
    let config = read(&args.config, |path| bureau::load(path).map_err(super::told))?;
    for warning in &config.warnings {
        super::say(format_args!("warning: {warning}"));
    }
    let data_dir = args.data.unwrap_or_else(|| config.data_dir.clone());
    let (listener, begun) = listen(config.console.bind, config.console.tls.is_some())?;
    super::work(async {
        let stop = super::stop_on_signal()?;
        daemon::bureau::run(config, daemon::bureau::Options { data_dir, listener, begun }, stop).await
    })
}
