//! `safety-brain plugin`: what a vendor needs beside cargo.
//! Must not know: how components are built or checked, only whom to ask.

use crate::rules::bindings::describing::{Description, Hazard, Param, Words};
use crate::rules::{Engine, Package, build};
use anyhow::Result;
use brain::site::Severity;
use clap::{Args, Subcommand};
use std::path::PathBuf;

/// Arguments of `plugin`.
#[derive(Debug, Args)]
#[command(after_help = after!("done, and the component is good", "it does not build, or is refused", "plugin build plugins/gas-detector", "plugin inspect plugins-built/gas-detector-0.1.0.wasm"))]
pub struct PluginArgs {
    #[command(subcommand)]
    command: PluginCommand,
}

#[derive(Debug, Subcommand)]
enum PluginCommand {
    /// Build a plug-in's crate into <OUT>/<id>-<version>.wasm
    #[command(after_help = after!("built, checked and written", "it does not build, or is refused", "plugin build plugins/gas-detector", "plugin build plugins/gas-detector --out configs/plugins"))]
    Build {
        /// Folder of the crate
        dir: PathBuf,
        /// Where to write the component
        #[arg(long, default_value = "plugins-built")]
        out: PathBuf,
    },
    /// Check a component and print what it says about itself
    #[command(after_help = after!("a daemon would take it", "it is refused, and why", "plugin inspect plugins-built/gas-detector-0.1.0.wasm"))]
    Inspect {
        /// The component
        file: PathBuf,
    },
}

/// Runs one subcommand.
pub fn run(args: PluginArgs) -> Result<()> {
    match args.command {
        PluginCommand::Build { dir, out } => {
            let path = build::build_plugin(&dir, &out)?;
            let package = Package::open(&Engine::start()?, &path, None)?;
            println!("{}\n{}", path.display(), package.digest);
        }
        PluginCommand::Inspect { file } => {
            let package = Package::open(&Engine::start()?, &file, None)?;
            print!("{}", report(&package));
        }
    }
    Ok(())
}

/// Everything a reviewer reads before pinning a digest.
fn report(package: &Package) -> String {
    let d = &package.description;
    let mut lines = vec![
        format!("{}@{}  by {}", d.id, d.version, d.vendor),
        format!("  {}", both(&d.name)),
        format!("  {}", both(&d.about)),
        format!("digest   {}", package.digest),
        format!("size     {} bytes", package.bytes),
        format!("imports  {}", package.imports.join(", ")),
        wants(d),
        "inputs".into(),
    ];
    for i in &d.inputs {
        lines.push(format!("  {}  {}", i.id, both(&i.name)));
        lines.push(format!(
            "    {} to {} tags; {} in {}, {} to {}; at least every {} ms; history {} rows",
            i.least, i.most, i.quantity, i.unit, i.low, i.high, i.silent_ms, i.history
        ));
    }
    lines.push("params".into());
    d.params.iter().for_each(|p| param(p, &mut lines));
    lines.push("hazards".into());
    d.hazards.iter().for_each(|h| hazard(h, &mut lines));
    lines.push("phrases".into());
    for p in &d.phrases {
        lines.push(format!("  {}  {}", p.id, both(&p.text)));
    }
    lines.join("\n") + "\n"
}

fn wants(d: &Description) -> String {
    let w = &d.wants;
    format!(
        "wants    tick {} ms, deadline {} ms, fuel {} + {} per row, memory {} KiB, snapshot {} KiB, findings {} (0 = default)",
        w.tick_ms, w.deadline_ms, w.fuel_per_call, w.fuel_per_row, w.memory_kib, w.snapshot_kib, w.findings
    )
}

fn param(p: &Param, lines: &mut Vec<String>) {
    let default = match (p.required, p.kind) {
        (true, _) => "required".into(),
        (false, 4 | 5) => format!("default {:?}", p.text),
        (false, 6) => format!("default {:?}", p.numbers),
        (false, _) => format!("default {}", p.number),
    };
    lines.push(format!("  {}  {}", p.id, both(&p.name)));
    lines.push(format!("    {default} {}; from {} to {} {}", p.unit, p.low, p.high, p.choices.join(", ")));
    for c in &p.cites {
        lines.push(format!("    {} {} {} [{}] ({}) {}", c.standard, c.edition, c.clause, c.jurisdiction, c.confidence, c.note));
    }
}

fn hazard(h: &Hazard, lines: &mut Vec<String>) {
    lines.push(format!("  {}  {}", h.id, both(&h.name)));
    lines.push(format!(
        "    worst {}; traits {}; restate within {} ms; respond within {} s",
        Severity::ALL[usize::from(h.worst) - 1].word(), // 1 to 4, checked when the package was opened
        h.traits,
        h.restate_ms,
        h.respond_s
    ));
    for (part, text) in [("cause", &h.cause), ("consequence", &h.consequence), ("action", &h.action)] {
        lines.push(format!("    {part}: {}", both(text)));
    }
}

/// All languages, as given.
fn both(words: &Words) -> String {
    let texts: Vec<&str> = words.iter().map(|(_, text)| text.as_str()).collect();
    texts.join(" / ")
}
