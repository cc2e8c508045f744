//! `safety-brain check`: a site file, every fault at once. Must not know: how a fault is found.

use crate::config;
use crate::rules;
use std::path::PathBuf;

/// Check a site file: every fault at once, with file and line.
#[derive(clap::Args)]
#[command(after_help = after!("no fault; warnings may have been printed", "the plug-ins could not be looked at", "check --config site.toml", "check --config site.toml --without-plugins --json", "check --schema"))]
pub struct CheckArgs {
    /// Site file (TOML)
    #[arg(long, value_name = "FILE", required_unless_present = "schema")]
    config: Option<PathBuf>,
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
/// [`super::Faulty`] after printing.
pub fn run(args: CheckArgs) -> anyhow::Result<()> {
    if args.schema {
        println!("{}", serde_json::to_string_pretty(&config::schema())?);
        return Ok(());
    }
    let path = args.config.unwrap_or_default();
    let mut faults = Vec::new();
    let mut good = None;
    match config::load(&path) {
        Ok(mut config) => {
            config.allow_unsigned |= args.allow_unsigned;
            if !args.without_plugins && !config.rules.is_empty() {
                let versions = rules::Versions::of(&config.storage.data_dir)?;
                faults.extend(rules::admit(&super::engine()?, &config, None, &versions).err().unwrap_or_default());
            }
            good = Some(config);
        }
        Err(found) => faults.extend(found),
    }
    let warnings = good.as_ref().map(|config| config.warnings.clone()).unwrap_or_default();
    if args.json {
        let fault = |f: &config::Fault| serde_json::json!({"file": f.origin.file, "line": f.origin.line, "key": f.key, "found": f.found, "allowed": f.allowed, "nearest": f.nearest});
        let all = serde_json::json!({"faults": faults.iter().map(fault).collect::<Vec<_>>(), "warnings": warnings});
        println!("{all:#}");
        return if faults.is_empty() { Ok(()) } else { Err(super::Faulty.into()) };
    }
    for warning in warnings {
        eprintln!("warning: {warning}");
    }
    if !faults.is_empty() {
        return Err(super::told(faults));
    }
    if let Some(config) = good {
        let site = &config.site;
        let counts = [
            (site.zones.len(), "zones"),
            (site.tags.len(), "tags"),
            (site.links.len(), "links"),
            (config.rules.len(), "rules"),
            (site.ladders.len(), "ladders"),
            (config.people.len(), "people"),
        ];
        let text: Vec<String> = counts.iter().map(|(n, what)| format!("{n} {what}")).collect();
        println!("{}: no fault; {}", path.display(), text.join(", "));
    }
    Ok(())
}
