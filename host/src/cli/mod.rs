//! The command line: one file per subcommand. Must not know: how a command does its work.

/// What stands below every `--help`: what the exit status says, and examples, each of which parses (a test sees to it).
macro_rules! after {
    ($good:literal, $bad:literal, $($example:literal),+) => {
        concat!(
            "Exit status:\n  0  ", $good, "\n  1  ", $bad, "\n  2  wrong usage, or the site file itself is at fault\n\nExamples:",
            $("\n  safety-brain ", $example),+
        )
    };
}

/// As those of the standard library, which panic where standard output takes no more: a full disk behind `>` is an error like any other.
macro_rules! print {
    ($($what:tt)*) => { $crate::cli::put(format_args!($($what)*)) };
}
macro_rules! println {
    ($($what:tt)*) => { $crate::cli::put(format_args!("{}\n", format_args!($($what)*))) };
}

pub mod alarms;
pub mod backtest;
pub mod backup;
pub mod cap;
pub mod check;
pub mod compile;
#[cfg(feature = "demo")]
pub mod demo;
pub mod docs;
pub mod drill;
pub mod evidence;
#[doc(hidden)]
pub mod fuzzing;
mod intervals;
pub mod journal;
mod new_file;
pub mod plugin;
mod progress;
pub mod replay;
pub mod run;
pub mod store;

use crate::config::{Config, fault::Fault};
use crate::rules::{Compiler, Engine};
use clap::Parser;
use clap::error::{ContextKind, ContextValue};
use std::ffi::OsString;
use std::io::{ErrorKind, Write};
use std::path::Path;
use tokio_util::sync::CancellationToken;

/// Watches over hazardous work: sensor readings in, sandboxed risk rules, alarms, escalation until a named person answers.
///
/// A monitoring and management system, not a safety instrumented system: no SIL, not an independent protection layer. It replaces neither
/// gas detection, fire alarm, SIS nor the site's stop-work rules.
#[derive(clap::Parser)]
#[command(version, max_term_width = 110, after_help = concat!(
    after!("done, and nothing found wrong", "refused, failed, or found damaged", "demo", "check --config site.toml", "run --config site.toml"),
    "\n\nLonger texts: safety-brain docs. Log level: SAFETY_BRAIN_LOG=debug."
))]
pub struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(clap::Subcommand)]
enum Command {
    /// Set everything up and run the main job on a simulated plant
    #[cfg(feature = "demo")]
    Demo(demo::DemoArgs),
    /// Run a plant from its site file
    Run(run::RunArgs),
    /// Exercise people and plant with a scenario beside the real daemon, and report who answered when
    Drill(drill::DrillArgs),
    /// Check a site file: every fault at once, with file and line
    Check(check::CheckArgs),
    /// Feed recorded CSV files through the same path, and print findings as intervals
    Replay(replay::ReplayArgs),
    /// Run a rule over recorded history, beside another version or what really happened, and print findings, differences and cost
    ///
    /// `blind` in the time of a level of the same hazard: the level stands as the rule said it last, for only its own word ends it; meanwhile the
    /// rule could not tell, did not say it again in time (restate-ms), or was out of use. In what is compared that time counts as found. `blind`
    /// alone: nobody saw, and no danger was known. Blind is never a finding.
    Backtest(backtest::BacktestArgs),
    /// Report on the alarm system itself: rates, floods, worst offenders, times to acknowledge
    Alarms(alarms::AlarmsArgs),
    /// Verify, export, count or anchor the journal
    Journal(journal::JournalArgs),
    /// Count the store, or make it again from the journal
    Store(store::StoreArgs),
    /// Write all about an alarm into one signed file, or verify such a file
    Evidence(evidence::EvidenceArgs),
    /// Make the key that signs messages to the bureau, or judge a message and its signature
    Cap(cap::CapArgs),
    /// Copy journal, snapshots and sites into a new folder, also while the daemon runs
    Backup(backup::BackupArgs),
    /// Make a data directory from a backup, verified before and after
    Restore(backup::RestoreArgs),
    /// Make, build, check, test and sign a rule, look at somebody else's, or change what runs in a plant
    Plugin(plugin::PluginArgs),
    /// Compile a component from standard input to standard output, within bounds: how this program compiles rules apart from itself
    #[command(hide = true)]
    CompileRule(compile::CompileArgs),
    /// Read the manual: site file, alarms, API, rules
    Docs(docs::DocsArgs),
}

/// Faults have been printed. With every command a fault of the site file itself is exit status 2, and a rule that is refused under it exit status 1.
#[derive(Debug, thiserror::Error)]
pub enum Faulty {
    /// By itself, whatever its rules are.
    #[error("the site file is at fault")]
    Site,
    /// A rule and what the site file says of it do not go together.
    #[error("a rule is refused")]
    Rule,
}

/// Faults that are printed at once; `check --json` prints them all.
const FAULTS_SHOWN: usize = 20;

impl Cli {
    /// What was asked for, or the end of the program where that is help, or wrong.
    ///
    /// `help --help` asks for help, too: clap takes the flag for the name of a command.
    pub fn asked(mut words: Vec<OsString>) -> Cli {
        let is_help = |word: &str| ["--help", "-h"].contains(&word);
        Cli::try_parse_from(&words).unwrap_or_else(|error| match error.get(ContextKind::InvalidSubcommand) {
            Some(ContextValue::String(word)) if is_help(word) => {
                words.retain(|word| word.to_str().is_none_or(|word| !is_help(word)));
                Cli::parse_from(words)
            }
            _ => error.exit(),
        })
    }

    /// What is logged when the environment does not say. sled tells of one damaged database once for each of its threads; what is wrong with it our own
    /// lines say.
    pub fn default_log(&self) -> &'static str {
        match self.command {
            Command::Run(_) => "info,rumqttc=warn,sled::metadata_store=off,sled::heap=error",
            #[cfg(feature = "demo")]
            Command::Demo(_) => "warn,safety_brain=warn,rumqttd=off,rumqttc=off,sled::metadata_store=off,sled::heap=error",
            _ => "warn,sled::metadata_store=off,sled::heap=error",
        }
    }

    /// Goes on whether or not anybody reads what it says.
    pub fn is_daemon(&self) -> bool {
        match self.command {
            Command::Run(_) => true,
            Command::Drill(ref args) => args.is_daemon(),
            #[cfg(feature = "demo")]
            Command::Demo(_) => true,
            _ => false,
        }
    }

    /// Makes or changes a record of a plant, which names people: what it makes is for its own user alone.
    pub fn keeps_a_record(&self) -> bool {
        match self.command {
            Command::Run(_)
            | Command::Drill(_)
            | Command::Replay(_)
            | Command::Store(_)
            | Command::Backup(_)
            | Command::Restore(_) => true,
            #[cfg(feature = "demo")]
            Command::Demo(_) => true,
            _ => false,
        }
    }

    /// Opens a store, and starts no program by its name. What builds rules does: cargo, a compiler, a linker.
    pub fn syncs_by_name(&self) -> bool {
        match self.command {
            #[cfg(feature = "demo")]
            Command::Demo(_) => false,
            Command::Evidence(_) => true,
            _ => self.keeps_a_record(),
        }
    }

    /// Carries the command out.
    ///
    /// # Errors
    /// [`Faulty`] where faults of a site file have been printed, else what went wrong.
    pub fn run(self) -> anyhow::Result<()> {
        match self.command {
            #[cfg(feature = "demo")]
            Command::Demo(args) => demo::run(args),
            Command::Run(args) => run::run(args),
            Command::Drill(args) => drill::run(args),
            Command::Check(args) => check::run(args),
            Command::Replay(args) => replay::run(args),
            Command::Backtest(args) => backtest::run(args),
            Command::Alarms(args) => alarms::run(args),
            Command::Journal(args) => journal::run(args),
            Command::Store(args) => store::run(args),
            Command::Evidence(args) => evidence::run(args),
            Command::Cap(args) => cap::run(args),
            Command::Backup(args) => backup::backup(args),
            Command::Restore(args) => backup::restore(args),
            Command::Plugin(args) => plugin::run(args),
            Command::CompileRule(args) => compile::run(args),
            Command::Docs(args) => {
                docs::run(args);
                Ok(())
            }
        }
    }
}

/// What compiles and runs rules: compiled apart, by this program itself.
fn engine() -> anyhow::Result<Engine> {
    Engine::start(Compiler::own()?)
}

/// Prints on standard output. Where that takes no more, says so and ends with status 1.
pub fn put(what: std::fmt::Arguments<'_>) {
    let mut out = std::io::stdout().lock();
    if let Err(error) = out.write_fmt(what).and_then(|()| out.flush()) {
        say(format_args!("error: cannot print: {error}"));
        std::process::exit(1);
    }
}

/// What to do about an error of the system that says nothing of it itself; empty where it is no such error.
pub fn remedy(error: &anyhow::Error) -> &'static str {
    let kind = error.chain().find_map(|cause| Some(cause.downcast_ref::<std::io::Error>()?.kind()));
    match kind {
        Some(ErrorKind::StorageFull | ErrorKind::QuotaExceeded) => ": make room on that disk, or give a folder on another one",
        Some(ErrorKind::ReadOnlyFilesystem) => {
            ": that disk is mounted read-only; give a folder on another one, or mount it for writing"
        }
        Some(ErrorKind::PermissionDenied) => ": run this as the user of the daemon, or as root",
        _ => "",
    }
}

/// Lines on standard error, with a mark where a stranger's words would hide something. A daemon goes on where nobody reads it any more.
pub fn say(lines: impl std::fmt::Display) {
    let lines = lines.to_string().replace(|c| c != '\n' && c != '\t' && crate::rules::is_hidden(c), "\u{fffd}");
    let _ = writeln!(std::io::stderr(), "{lines}");
}

/// Loads a site file, printing every fault.
///
/// # Errors
/// [`Faulty`] after printing.
pub fn load(path: &Path) -> anyhow::Result<Config> {
    crate::config::load(path).map_err(told)
}

/// Lets rules without a publisher run where a flag or the site file says so, and says what that means.
fn allow_unsigned(config: &mut Config, flag: bool) {
    config.allow_unsigned |= flag;
    if config.allow_unsigned {
        say("warning: allow_unsigned: rules run that nobody has signed; for development alone");
    }
}

/// Prints faults of a site file by itself.
pub fn told(faults: Vec<Fault>) -> anyhow::Error {
    listed(faults, Faulty::Site)
}

/// Prints what a rule is refused for.
fn refused(faults: Vec<Fault>) -> anyhow::Error {
    listed(faults, Faulty::Rule)
}

fn listed(faults: Vec<Fault>, faulty: Faulty) -> anyhow::Error {
    list(&faults);
    say(counted(faults.len(), "fault"));
    faulty.into()
}

/// Prints faults in order of file and line, the first of many.
fn list(faults: &[Fault]) {
    let mut faults: Vec<&Fault> = faults.iter().collect();
    faults.sort_by(|a, b| (&a.origin.file, a.origin.line, &a.key).cmp(&(&b.origin.file, b.origin.line, &b.key)));
    faults.iter().take(FAULTS_SHOWN).for_each(say);
    if let Some(more) = faults.len().checked_sub(FAULTS_SHOWN).filter(|more| *more > 0) {
        say(format_args!("and {more} more: mend these first"));
    }
}

/// `1 zone`, `2 zones`.
fn counted(count: usize, what: &str) -> String {
    let plural = if count == 1 { "" } else { "s" };
    format!("{count} {what}{plural}")
}

/// Prints what the daemon found wrong with the rules; any other error passes through.
fn explained(error: anyhow::Error) -> anyhow::Error {
    match error.downcast::<crate::daemon::Faults>() {
        Ok(crate::daemon::Faults(faults)) => refused(faults),
        Err(other) => other,
    }
}

/// A token that is cancelled by Ctrl-C or SIGTERM; the second signal ends the process at once.
fn stop_on_signal() -> anyhow::Result<CancellationToken> {
    use tokio::signal::unix::{SignalKind, signal};
    let stop = CancellationToken::new();
    let (mut interrupt, mut terminate) = (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
    let cancelled = stop.clone();
    tokio::spawn(async move {
        for again in [false, true] {
            tokio::select! {
                _ = interrupt.recv() => {}
                _ = terminate.recv() => {}
            }
            if again {
                std::process::exit(130);
            }
            cancelled.cancel();
        }
    });
    Ok(stop)
}

/// Works on a runtime for what is urgent: links, and effects on their way out. One worker: it waits for wires and disks, and a hop between workers
/// costs more than it gains. Screens have one of their own.
fn work(on: impl Future<Output = anyhow::Result<()>>) -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).thread_name("shell").enable_all().build()?;
    let result = runtime.block_on(on);
    // A call that hangs in a dead disk holds up no end: it was waited for as long as it may.
    runtime.shutdown_background();
    result
}
