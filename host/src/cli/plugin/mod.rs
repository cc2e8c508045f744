//! `safety-brain plugin`: all that a vendor needs beside cargo, from an empty folder to a signed bundle; and what a plant does with it while it runs.
//! Must not know: how components are built, checked or signed, only whom to ask.

mod check;
mod new;
mod report;
mod running;
pub(super) mod subject;
mod test;

use super::{counted, new_file};
use crate::key::{self, Key};
use crate::rules::{self, CONTRACT, Engine, Package, build, bundle};
use anyhow::{Context, Result, bail, ensure};
use clap::{Args, Subcommand};
use running::Place;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use subject::Subject;

/// Make, build, check, test and sign a rule, look at somebody else's, or change what runs in a plant.
#[derive(Debug, Args)]
#[command(after_help = after!("done, and the rule is good", "refused, and why", "plugin new my-rule", "plugin build my-rule", "plugin inspect my-rule-0.1.0.sbrule"))]
pub struct PluginArgs {
    #[command(subcommand)]
    command: PluginCommand,
}

#[derive(Debug, Subcommand)]
enum PluginCommand {
    /// Make a folder with a rule that builds and passes its tests, and needs nothing but cargo
    #[command(after_help = after!("made", "there is something already, or the name is none", "plugin new my-rule"))]
    New {
        /// Folder to make; its name becomes that of the rule
        dir: PathBuf,
    },
    /// Build a rule's crate into a component, and check it
    #[command(after_help = after!("built, checked and written", "it does not build, or is refused", "plugin build my-rule", "plugin build plugins/gas-detector --out configs/plugins"))]
    Build {
        /// Folder of the crate
        dir: PathBuf,
        /// Folder to write <id>-<version>.wasm to, beside what cargo makes if not said; nothing there is written over
        #[arg(long, value_name = "DIR")]
        out: Option<PathBuf>,
    },
    /// Say everything that a plant would say when it is to run this
    #[command(after_help = after!("a plant would run it", "it is refused: every reason", "plugin check my-rule", "plugin check my-rule-0.1.0.sbrule --config site.toml", "plugin check my-rule-0.2.0.sbrule --config site.toml --as-next"))]
    Check(check::CheckArgs),
    /// Run a rule's timeline cases, cases/*.toml, in the sandbox of every plant, with its limits
    #[command(after_help = after!("every case says what it expects", "a case differs, or the rule is refused", "plugin test my-rule"))]
    Test {
        /// Folder of the rule; or its component or bundle, beside its cases
        #[arg(value_name = "DIR|FILE")]
        path: PathBuf,
        /// For programs
        #[arg(long)]
        json: bool,
    },
    /// Measure a rule on the rows of its first case: time per reading, fuel and memory against its limits
    #[command(after_help = after!("measured", "the rule is refused, or outgrows a limit", "plugin bench my-rule", "plugin bench my-rule --json"))]
    Bench {
        /// Folder of the rule; or its component or bundle, beside its cases
        #[arg(value_name = "DIR|FILE")]
        path: PathBuf,
        /// For programs
        #[arg(long)]
        json: bool,
    },
    /// Print what a rule says about itself, and who signed it
    #[command(after_help = after!("printed: a plant could run it", "it is refused, and why", "plugin inspect my-rule-0.1.0.sbrule", "plugin inspect my-rule-0.1.0.sbrule --json"))]
    Inspect {
        /// A bundle or a component
        file: PathBuf,
        /// For programs
        #[arg(long)]
        json: bool,
    },
    /// Make a publisher's key: NAME.key, for nobody else, and NAME.pub, for the plants
    #[command(after_help = after!("made", "there is such a key already, or it cannot be written", "plugin keygen --out acme"))]
    Keygen {
        /// Name of both files, without their endings
        #[arg(long, value_name = "NAME")]
        out: PathBuf,
    },
    /// Build and check a rule, run its cases, and write it into its folder as one signed bundle, <id>-<version>.sbrule
    #[command(after_help = after!("signed and written", "it is refused, a case differs, or there is such a bundle already", "plugin sign my-rule --key acme.key", "plugin sign my-rule-0.1.0.wasm --key acme.key --untested"))]
    Sign {
        /// Folder of a crate or with a component, or a component
        #[arg(value_name = "DIR|FILE")]
        path: PathBuf,
        /// The publisher's NAME.key
        #[arg(long, value_name = "FILE")]
        key: PathBuf,
        /// Write the bundle here instead of into the rule's folder
        #[arg(long, value_name = "DIR")]
        out: Option<PathBuf>,
        /// Sign without running its cases, and say so
        #[arg(long)]
        untested: bool,
    },
    /// Hold a bundle against its publisher's public key
    #[command(after_help = after!("signed by that publisher and unchanged since", "it is not", "plugin verify my-rule-0.1.0.sbrule --key acme.pub"))]
    Verify {
        /// The bundle
        file: PathBuf,
        /// The publisher's NAME.pub
        #[arg(long, value_name = "FILE")]
        key: PathBuf,
    },
    /// Show what runs in the place of each rule of a running plant, what runs beside it, and how the two compare
    #[command(after_help = after!("shown", "the daemon does not answer, or does not know you", "plugin list --token-file lead.token", "plugin list --json --token-file lead.token"))]
    List {
        #[command(flatten)]
        to: running::To,
        /// For programs
        #[arg(long)]
        json: bool,
    },
    /// Send a bundle to a running plant: admitted and kept, it may run in the place of this rule
    #[command(after_help = after!("admitted and kept; what runs is the same as before", "refused: every reason", "plugin install mixing my-rule-0.2.0.sbrule --token-file lead.token"))]
    Install {
        #[command(flatten)]
        of: running::Of,
        /// The bundle
        file: PathBuf,
    },
    /// Run the installed one beside the active one, on the same readings: compared, and nobody is alarmed
    #[command(after_help = after!("it runs", "refused, and why", "plugin shadow mixing --token-file lead.token"))]
    Shadow(running::About),
    /// Give the installed one up, and end its shadow
    #[command(after_help = after!("given up", "refused, and why", "plugin withdraw mixing --token-file lead.token"))]
    Withdraw(running::About),
    /// The installed one becomes the active one, between two batches; the old one goes on as its shadow for a day. It must run as a shadow
    #[command(after_help = after!("done, or proposed where the site wants two persons", "refused, and why", "plugin promote mixing --token-file lead.token"))]
    Promote(running::Change),
    /// The one that ran before becomes the active one
    #[command(after_help = after!("done, or proposed where the site wants two persons", "refused, and why", "plugin rollback mixing --token-file lead.token"))]
    Rollback(running::Change),
    /// Take a rule out of use: an alarm says so for as long as it lasts
    #[command(after_help = after!("done, or proposed where the site wants two persons", "refused, and why", "plugin disable mixing --note maintenance --token-file lead.token"))]
    Disable(running::Reasoned),
    /// Put a disabled rule back to work; one in quarantine is released
    #[command(after_help = after!("it runs", "refused, and why", "plugin enable mixing --token-file lead.token"))]
    Enable(running::Of),
    /// Put a rule in quarantine back to work: out of use for its failures, which `plugin list` names
    #[command(after_help = after!("it runs", "refused, and why", "plugin release mixing --token-file lead.token"))]
    Release(running::Of),
    /// Agree to what another person proposed
    #[command(after_help = after!("done", "refused, and why", "plugin approve mixing promote --token-file other.token"))]
    Approve {
        #[command(flatten)]
        of: running::Of,
        /// The step
        what: running::What,
        /// Only if it was proposed for this component; without it, the one that waits now
        #[arg(long, value_name = "sha256:HEX")]
        digest: Option<String>,
    },
}

/// Runs one subcommand.
///
/// # Errors
/// Why the rule, the key or the folder is refused, with what to do about it.
pub fn run(args: PluginArgs) -> Result<()> {
    let engine = super::engine;
    match args.command {
        PluginCommand::New { dir } => new::run(&dir),
        PluginCommand::Build { dir, out } => build(&engine()?, &dir, out),
        PluginCommand::Check(args) => check::run(&engine()?, &args),
        PluginCommand::Test { path, json } => test::run(&engine()?, &path, json),
        PluginCommand::Bench { path, json } => test::bench(&engine()?, &path, json),
        PluginCommand::Inspect { file, json } => {
            ensure!(file.is_file(), "{} is no file: name a bundle or a component, or `plugin check` a folder", file.display());
            let subject = Subject::open(&engine()?, &file)?;
            match json {
                true => println!("{:#}", report::json(&subject)),
                false => print!("{}", report::text(&subject)),
            }
            Ok(())
        }
        PluginCommand::Keygen { out } => keygen(&out),
        PluginCommand::Sign { path, key, out, untested } => sign(&engine()?, &path, &key, out, untested),
        PluginCommand::Verify { file, key } => verify(&file, &key),
        PluginCommand::List { to, json } => running::list(&to, json),
        PluginCommand::Install { of, file } => running::install(&of, &file),
        PluginCommand::Shadow(about) => running::step(&about, "shadow", Place::Next),
        PluginCommand::Withdraw(about) => running::step(&about, "withdraw", Place::Next),
        PluginCommand::Promote(change) => running::change(&change, "promote", Place::Next),
        PluginCommand::Rollback(change) => running::change(&change, "roll_back", Place::Before),
        PluginCommand::Disable(reasoned) => running::disable(&reasoned),
        PluginCommand::Release(of) => running::release(&of),
        PluginCommand::Enable(of) => running::enable(&of),
        PluginCommand::Approve { of, what, digest } => running::approve(&of, what, digest.as_deref()),
    }
}

fn build(engine: &Engine, dir: &Path, out: Option<PathBuf>) -> Result<()> {
    // A module of another language's compiler is made a component, too.
    ensure!(
        !dir.is_file() || dir.extension().is_some_and(|ending| ending == "wasm"),
        "{} is no folder: name the folder of the rule's crate, which holds its Cargo.toml; `safety-brain plugin new` makes one",
        dir.display()
    );
    let subject = Subject::open(engine, dir)?;
    let d = &subject.package.description;
    let name = Package::file_name(&d.id, &d.version);
    let path = match &out {
        Some(out) => out.join(name),
        None => build::default_out(dir)?.join(name),
    };
    if out.is_some() && path.exists() && std::fs::read(&path)? != subject.component {
        bail!(
            "{} exists and is another component: raise the version in Cargo.toml, give another --out, or remove it",
            path.display()
        );
    }
    build::write(&path, &subject.component)?;
    println!("{}\n{}\n{}", path.display(), subject.package.digest, report::size(&subject.package));
    remark(&subject.package);
    Ok(())
}

/// What no plant refuses, and a vendor should look at again.
fn remarks(package: &Package) -> Vec<String> {
    let mut remarks = rules::remarks(&package.description);
    let asks = package.interfaces().iter().any(|interface| interface == "history");
    if asks && package.description.inputs.iter().all(|input| input.history == 0) {
        remarks
            .push("it asks for `history`, and no input keeps any rows: say how many by `.history(rows)` of the input".to_owned());
    }
    remarks
}

fn remark(package: &Package) {
    remarks(package).iter().for_each(|remark| eprintln!("warning: {remark}"));
}

fn keygen(out: &Path) -> Result<()> {
    let (secret, public) = (ending(out, ".key"), ending(out, ".pub"));
    let name = out.file_name().unwrap_or_default().to_string_lossy();
    let is_folder = out.is_dir() || out.as_os_str().to_string_lossy().ends_with('/');
    ensure!(
        !name.is_empty() && !is_folder,
        "--out {}: give the name of the keys, for example {}",
        out.display(),
        out.join("acme").display()
    );
    if let Some(bare) = [".key", ".pub"].iter().find_map(|ending| name.strip_suffix(ending)) {
        bail!("--out {}: give the name without its ending: {}", out.display(), out.with_file_name(bare).display());
    }
    let folder = out.parent().filter(|folder| !folder.as_os_str().is_empty());
    if let Some(missing) = folder.filter(|folder| !folder.is_dir()) {
        bail!("{} is no folder: make it first, or give --out a name in one that is there", missing.display());
    }
    ensure!(!public.exists(), "{} exists already and is not written over; give another name", public.display());
    let key = Key::create(&secret)?;
    write_new(&public, format!("{}\n", key.public()).as_bytes())?;
    println!("{}: keep it to yourself; whoever has it signs in your name", secret.display());
    println!("{}: for the plants; [[publisher]] key = {:?}", public.display(), key.public());
    Ok(())
}

fn sign(engine: &Engine, path: &Path, key: &Path, out: Option<PathBuf>, untested: bool) -> Result<()> {
    ensure!(
        !key::public_in(key).is_ok_and(|public| public.is_some()),
        "{} is the public half, for the plants: sign with {}, which its publisher alone has",
        key.display(),
        key.with_extension("key").display()
    );
    ensure!(
        key.exists(),
        "{} does not exist: name the NAME.key of its publisher; `safety-brain plugin keygen --out NAME` makes one",
        key.display()
    );
    let key = Key::read(key)?;
    let beside = if path.is_dir() { path } else { path.parent().unwrap_or(Path::new("")) };
    let folder = out.unwrap_or_else(|| beside.to_owned());
    let free = |id: &str, version: &str| {
        let file = folder.join(bundle::file_name(id, version));
        ensure!(
            !file.exists(),
            "{} exists already and is not written over: raise the version in Cargo.toml, or move it away",
            file.display()
        );
        Ok(file)
    };
    // What is there already is said before minutes are spent on building; a crate need not be called as its rule is.
    if let Some((name, version)) = build::called(path) {
        free(&name, &version)?;
    }
    let subject = Subject::open(engine, path)?;
    ensure!(subject.signed.is_none(), "{} is a bundle: sign the folder or the component it was made from", path.display());
    let d = &subject.package.description;
    let file = free(&d.id, &d.version)?;
    let tested = match untested {
        true => "untested: its cases were not run, and the bundle says so".to_owned(),
        false => {
            let count = test::every_case(&subject.package, path).context("not signed; --untested signs without its cases")?;
            format!("tested: {}, all good", counted(count, "case"))
        }
    };
    let signed = bundle::sign(&key, &subject.package, &subject.component, untested);
    bundle::Bundle::read(&signed).context("not signed: no plant would take it")?;
    write_new(&file, &signed)?;
    println!("{}\n{}\nsigned by {}\n{tested}", file.display(), subject.package.digest, key.public());
    remark(&subject.package);
    Ok(())
}

fn verify(file: &Path, key: &Path) -> Result<()> {
    ensure!(
        file.is_file(),
        "{} is no file: name the bundle, ID-VERSION.{}, that `safety-brain plugin sign` wrote",
        file.display(),
        bundle::EXTENSION
    );
    let named = "name the NAME.pub that `safety-brain plugin keygen` made, `ed25519:` and 64 hex digits";
    ensure!(key.is_file(), "{} is no file: {named}", key.display());
    let public = key::public_in(key).with_context(|| format!("{} cannot be read", key.display()))?;
    let public = public.with_context(|| format!("{} holds no public key: {named}", key.display()))?;
    let bytes = rules::read(file)?;
    let bundle = bundle::Bundle::read(&bytes).with_context(|| file.display().to_string())?;
    bundle.verify(&public).with_context(|| file.display().to_string())?;
    let m = &bundle.manifest;
    println!("{}: good; {}@{} by {}\n{}\nsigned by {public}", file.display(), m.id, m.version, m.vendor, m.digest);
    println!("contract {}; this program speaks {CONTRACT}", m.contract);
    if m.untested {
        println!("{}", bundle::UNTESTED);
    }
    if contract_major(&m.contract) != contract_major(CONTRACT) {
        eprintln!("warning: {} was built for {}: no plant with this program runs it", file.display(), m.contract);
    }
    Ok(())
}

/// What must be the same for a rule to run: `safety-brain:rule@1`.
fn contract_major(contract: &str) -> &str {
    contract.split('.').next().unwrap_or(contract)
}

fn ending(path: &Path, ending: &str) -> PathBuf {
    let mut name = OsString::from(path);
    name.push(ending);
    name.into()
}

/// Writes a file that is not there yet.
fn write_new(path: &Path, bytes: &[u8]) -> Result<()> {
    let folder = path.parent().unwrap_or(Path::new(""));
    std::fs::create_dir_all(folder).with_context(|| format!("{} cannot be made", folder.display()))?;
    new_file::write(path, bytes)
}
