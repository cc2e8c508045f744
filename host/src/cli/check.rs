//! `safety-brain check`: a site file, every fault at once. Must not know: how a fault is found.

use super::run::Role;
use super::{Faulty, counted};
use crate::config;
use crate::rules;
use std::path::{Path, PathBuf};

/// Check a site file: every fault at once, with file and line.
#[derive(clap::Args)]
#[command(after_help = after!("no fault; warnings may have been printed", "a rule is refused as the site file has it, or the plug-ins could not be looked at", "check --config site.toml", "check --config site.toml --without-plugins --json", "check --schema", "check --role bureau --config bureau.toml"))]
pub struct CheckArgs {
    /// Site file (TOML)
    #[arg(long, value_name = "FILE", required_unless_present = "schema")]
    config: Option<PathBuf>,
    /// What the file describes
    #[arg(long, value_enum, default_value_t)]
    role: Role,
    /// Print the JSON Schema of site files, for editors
    #[arg(long)]
    schema: bool,
    /// Print faults and warnings as JSON
    #[arg(long)]
    json: bool,
    /// Development: take rules without a publisher
    #[arg(long)]
    allow_unsigned: bool,
    /// Do not hold rules against their plug-ins: the components are not at hand
    #[arg(long)]
    without_plugins: bool,
}

/// Prints the faults, or what the file describes.
///
/// # Errors
/// [`Faulty`] after printing.
pub fn run(args: CheckArgs) -> anyhow::Result<()> {
    if args.schema {
        println!("{}", serde_json::to_string_pretty(&config::schema())?);
        return Ok(());
    }
    let path = args.config.clone().unwrap_or_default();
    let (faults, warnings, described) = match args.role {
        Role::Plant => plant(&args, &path)?,
        Role::Bureau => match config::bureau::load(&path) {
            Ok(bureau) => {
                (None, bureau.warnings, format!("{}, {}", counted(bureau.plants.len(), "plant"), people(bureau.people.len())))
            }
            Err(faults) => (Some((Faulty::Site, faults)), vec![], String::new()),
        },
    };
    if args.json {
        let listed = faults.iter().flat_map(|(_, faults)| faults).map(json_of).collect::<Vec<_>>();
        println!("{:#}", serde_json::json!({"faults": listed, "warnings": warnings}));
        return faults.map_or(Ok(()), |(faulty, _)| Err(faulty.into()));
    }
    for warning in warnings {
        eprintln!("warning: {warning}");
    }
    if let Some((faulty, faults)) = faults {
        return Err(super::listed(faults, faulty));
    }
    println!("{}: no fault; {described}", path.display());
    Ok(())
}

/// A fault for programs.
pub(super) fn json_of(f: &config::Fault) -> serde_json::Value {
    serde_json::json!({"file": f.origin.file, "line": f.origin.line, "key": f.key, "found": f.found, "allowed": f.allowed, "nearest": f.nearest})
}

/// Faults with whose they are, warnings, and what the site file describes.
type Found = (Option<(Faulty, Vec<config::Fault>)>, Vec<String>, String);

/// Faults and warnings of a site file, and what it describes where it has none.
fn plant(args: &CheckArgs, path: &Path) -> anyhow::Result<Found> {
    let mut config = match config::load(path) {
        Ok(config) => config,
        Err(faults) => return Ok((Some((Faulty::Site, faults)), vec![], String::new())),
    };
    super::allow_unsigned(&mut config, args.allow_unsigned);
    let mut faults = None;
    if !args.without_plugins && !config.rules.is_empty() {
        let versions = rules::Versions::of(&config.storage.data_dir, false);
        faults = rules::admit(&super::engine()?, &config, None, &versions).err().map(|faults| (Faulty::Rule, faults));
    }
    let site = &config.site;
    let counts = [
        (site.zones.len(), "zone"),
        (site.tags.len(), "tag"),
        (site.links.len(), "link"),
        (config.rules.len(), "rule"),
        (site.ladders.len(), "ladder"),
    ];
    let described: Vec<String> = counts.iter().map(|(n, what)| counted(*n, what)).collect();
    Ok((faults, config.warnings, format!("{}, {}", described.join(", "), people(config.people.len()))))
}

fn people(count: usize) -> String {
    if count == 1 { "1 person".to_owned() } else { format!("{count} people") }
}
