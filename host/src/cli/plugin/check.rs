//! `plugin check`: everything that a plant would say of a rule, of a stranger's file as of one's own crate.
//! Must not know: how a fault is found.

use super::subject::Subject;
use super::{counted, remarks, report, test};
use crate::config::{self, Config};
use crate::rules::trial::Trial;
use crate::rules::{self, Engine, Held, bundle};
use anyhow::{Context, Result, anyhow, bail};
use serde_json::{Value, json};
use std::path::{Path, PathBuf};

/// What of whom is checked.
#[derive(Debug, clap::Args)]
pub(super) struct CheckArgs {
    /// Folder of a crate or with a component, a component, or a bundle
    #[arg(value_name = "DIR|FILE")]
    path: PathBuf,
    /// Hold it against the rules of this site file that name it, too
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Hold it against the rules that name its plug-in at another version, as `plugin install` beside what runs does
    #[arg(long, requires = "config")]
    as_next: bool,
    /// For programs
    #[arg(long)]
    json: bool,
}

/// How far it was started.
#[derive(Clone, Copy)]
enum Started {
    AsItsCases,
    AsTheSite,
    AsMadeUp,
    No,
}

impl Started {
    fn word(self) -> Option<&'static str> {
        match self {
            Started::AsItsCases => Some("cases"),
            Started::AsTheSite => Some("site"),
            Started::AsMadeUp => Some("made up"),
            Started::No => None,
        }
    }
}

/// What is said of a rule that was looked at.
#[derive(Default)]
struct Told {
    faults: Vec<config::Fault>,
    /// What is worth a second look, and refused by nobody.
    warnings: Vec<String>,
    rules: Option<usize>,
}

/// Checks it, and says all.
pub(super) fn run(engine: &Engine, args: &CheckArgs) -> Result<()> {
    let mut told = Told::default();
    let checked = look(engine, args, &mut told);
    if args.json {
        println!("{:#}", json_of(args, &told, checked.as_ref()));
        return checked.map(drop);
    }
    super::super::list(&told.faults);
    told.warnings.iter().for_each(|warning| eprintln!("warning: {warning}"));
    let (subject, started) = checked?;
    let d = &subject.package.description;
    if let (Some(site), Some(rules)) = (&args.config, told.rules) {
        println!("{}: {} may run it", site.display(), counted(rules, "rule"));
    }
    println!("{}: good; {}@{}\n{}", subject.path.display(), d.id, d.version, report::size(&subject.package));
    match started {
        Started::AsItsCases | Started::AsTheSite => {}
        Started::AsMadeUp => println!(
            "started with tags and settings made up here, and from its own snapshot: no cases/*.toml lie beside it and no --config says what to bind"
        ),
        Started::No => {
            println!("not started: no --config or cases/*.toml says what to bind, and what was made up here it refuses")
        }
    }
    Ok(())
}

fn look(engine: &Engine, args: &CheckArgs, told: &mut Told) -> Result<(Subject, Started)> {
    let path = args.path.as_path();
    let subject = Subject::open(engine, path)?;
    if let Some(site) = &args.config {
        let config = super::super::load(site)?;
        let held = if args.as_next { Held::AsNext } else { Held::AsNamed };
        told.rules = Some(held_against(engine, &subject, (site, &config), held, told)?);
    }
    let place = || path.display().to_string();
    let started = match test::start(&subject.package, path).with_context(place)? {
        true => Started::AsItsCases,
        false if args.config.is_some() => Started::AsTheSite,
        false => match Trial::made_up(&subject.package).map_err(|faults| anyhow!("{}", faults.join("; "))).with_context(place)? {
            Ok(_) => Started::AsMadeUp,
            Err(why) => {
                told.warnings.push(format!("with tags and settings made up here: {}", why.join("; ")));
                Started::No
            }
        },
    };
    if subject.signed.as_ref().is_some_and(|manifest| manifest.untested) {
        told.warnings.push(bundle::UNTESTED.to_owned());
    }
    told.warnings.extend(remarks(&subject.package));
    Ok((subject, started))
}

/// How many rules of the site may run it.
fn held_against(
    engine: &Engine,
    subject: &Subject,
    (site, config): (&Path, &Config),
    held: Held,
    told: &mut Told,
) -> Result<usize> {
    let (d, site) = (&subject.package.description, site.display());
    let called = format!("{}@{}", d.id, d.version);
    let is_meant = |rule: &&config::types::Rule| rule.plugin == d.id && (held == Held::AsNext || rule.version == d.version);
    let mut named = config.rules.iter().filter(is_meant);
    let versions = rules::Versions::of(&config.storage.data_dir, false);
    let rules = rules::would_admit(engine, (config, &versions), held, (&subject.package, &subject.path, &subject.bytes));
    let rules = rules.map_err(|faults| told.faults = faults);
    // What does not fit is told with it: it would be found as soon as that is signed.
    if subject.signed.is_none()
        && let Some(publisher) = named.find_map(|rule| config.publishers.get(rule.publisher?))
    {
        bail!(
            "{} is unsigned, and {site} takes {called} from [[publisher]] {:?} alone: `safety-brain plugin sign` it and check the .sbrule; \
             or, for development alone, leave `publisher` out of the rule and set allow_unsigned = true in [plugins]",
            subject.path.display(),
            publisher.name
        );
    }
    let other = config.rules.iter().find(|rule| rule.plugin == d.id);
    match (rules, other) {
        (Err(()), _) => {
            bail!("{}: {site} does not take it: {}", subject.path.display(), counted(told.faults.len(), "fault"))
        }
        (Ok(0), Some(rule)) => bail!(
            "{site}: [[rule]] {:?} names {}@{}: write plugin = {called:?} there, or `plugin install` it beside that one in a running plant; \
             --as-next says beforehand whether that would take it",
            rule.name,
            rule.plugin,
            rule.version
        ),
        (Ok(0), None) => bail!("{site}: no rule says plugin = {called:?}; write one, `safety-brain docs site` shows how"),
        (Ok(rules), _) => Ok(rules),
    }
}

fn json_of(args: &CheckArgs, told: &Told, checked: Result<&(Subject, Started), &anyhow::Error>) -> Value {
    let mut all = json!({
        "path": args.path.display().to_string(),
        "good": checked.is_ok(),
        "error": checked.err().map(|error| format!("{error:#}")),
        "faults": told.faults.iter().map(super::super::check::json_of).collect::<Vec<_>>(),
        "warnings": told.warnings,
        "rules": told.rules,
    });
    if let Ok((subject, started)) = checked {
        let (package, d) = (&subject.package, &subject.package.description);
        all["id"] = json!(d.id);
        all["version"] = json!(d.version);
        all["digest"] = json!(package.digest);
        all["bytes"] = json!(package.bytes);
        all["imports"] = json!(package.interfaces());
        all["started"] = json!(started.word());
    }
    all
}
