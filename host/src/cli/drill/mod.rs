//! `safety-brain drill run | report` (演练): a daemon of its own beside the real one, on the same site file. Its readings come from a scenario; its data,
//! its console's port and all its identifiers are its own, and everything that leaves it is an Exercise.
//! Must not know: how the daemon works, how a report is made.

mod page;
mod report;

use super::new_file;
use crate::config::Config;
use crate::config::drill::{Drill, Expected};
use crate::config::types::{Annunciator, Broker, Channel, Drive, Link, LinkKind, Scenario};
use crate::daemon::{self, Drill as Drilled, Options};
use anyhow::{Context, bail, ensure};
use brain::site::{Ladder, Mode};
use brain::words::Words;
use clap::{Args, Subcommand};
use report::Report;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::time::Duration;
use tokio::sync::oneshot;
use tokio_util::sync::CancellationToken;

/// The only link of a drill.
const LINK: &str = "scenario";
/// What the drill was to be, in its data directory.
const PLAN: &str = "drill.json";

/// `safety-brain drill ...`
#[derive(Debug, Args)]
#[command(after_help = after!("done, and all that was expected happened", "could not start, or something expected did not happen", "drill run --config site.toml --scenario drill.toml --data data/drill-1", "drill report --data data/drill-1 --html report.html"))]
pub struct DrillArgs {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run a drill to its end beside the real plant, tell whoever holds a message of it that it is over, and print its report. Where an earlier run in
    /// the same folder was cut, that one is ended
    #[command(after_help = after!("the drill went to its end, and all that was expected happened", "could not start, was stopped early, or something expected did not happen", "drill run --config site.toml --scenario drill.toml --data data/drill-1", "drill run --config site.toml --scenario drill.toml --data data/drill-2 --port 9000"))]
    Run(RunArgs),
    /// Print who was told and who answered when, from the drill's own journal
    #[command(after_help = after!("printed, and all that was expected happened", "something expected did not happen, or there is no drill there", "drill report --data data/drill-1", "drill report --data data/drill-1 --json", "drill report --data data/drill-1 --html report.html"))]
    Report {
        /// Data directory of the drill
        #[arg(long, value_name = "DIR")]
        data: PathBuf,
        /// Print the report as one JSON document
        #[arg(long)]
        json: bool,
        /// Write a page to print, too
        #[arg(long, value_name = "FILE")]
        html: Option<PathBuf>,
    },
}

#[derive(Debug, Args)]
struct RunArgs {
    /// Site file (TOML) of the plant, as `run` takes it
    #[arg(long, value_name = "FILE")]
    config: PathBuf,
    /// Scenario file (TOML); `safety-brain docs drill` prints one to begin with
    #[arg(long, value_name = "FILE")]
    scenario: PathBuf,
    /// Where the drill keeps its journal: a new folder for each drill, or that of one that was cut
    #[arg(long, value_name = "DIR")]
    data: PathBuf,
    /// Port of the drill's console, on the address of the plant's; 0 = any free one
    #[arg(long, default_value_t = 8090)]
    port: u16,
    /// How much faster than written the scenario is played; delays of alarms and ladders keep their own time
    #[arg(long, default_value_t = 1.0)]
    speed: f64,
    /// Development: let rules without a publisher run; every page says so
    #[arg(long)]
    allow_unsigned: bool,
}

/// An audience as people know it.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Named {
    name: String,
    title: Words,
}

/// What the drill was to be. Its digest is in the first record of the scenario's link: a plan that was changed afterwards is refused.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Plan {
    /// Name of the drill.
    id: String,
    title: Words,
    /// Title of the plant.
    site: Words,
    /// Identifier in all messages of this drill.
    site_id: String,
    duration_ms: u64,
    speed: f64,
    takes_part: Vec<Named>,
    told_nothing: Vec<Named>,
    /// Titles by name.
    zones: BTreeMap<String, Words>,
    #[serde(default)]
    rosters: BTreeMap<String, Words>,
    expected: Vec<Expected>,
}

impl DrillArgs {
    /// Goes on whether or not anybody reads what it says.
    pub fn is_daemon(&self) -> bool {
        matches!(self.command, Command::Run(_))
    }
}

/// Carries it out.
///
/// # Errors
/// Faults of a file; a drill that cannot start, or is not there; something that was expected and did not happen.
pub fn run(args: DrillArgs) -> anyhow::Result<()> {
    match args.command {
        Command::Run(args) => play(&args),
        Command::Report { data, json, html } => {
            if let Some(file) = &html {
                new_file::free(file, "--html")?;
            }
            let report = Report::of(&data)?;
            if let Some(file) = &html {
                new_file::write(file, page::html(&report).as_bytes())?;
            }
            if json {
                println!("{}", serde_json::to_string_pretty(&report)?);
            } else {
                print!("{}", page::text(&report));
            }
            judged(&report)
        }
    }
}

fn judged(report: &Report) -> anyhow::Result<()> {
    let missed = report.expected.iter().filter(|of| !of.met).count();
    ensure!(missed == 0, "{missed} of {} expected things did not happen as they ought to", report.expected.len());
    ensure!(report.whole, "the drill did not come to its end");
    let owed: Vec<&str> = report.end.iter().filter(|of| of.owed > 0).map(|of| of.audience.zh.as_str()).collect();
    ensure!(owed.is_empty(), "the end of the drill has not reached {}: tell them by telephone", owed.join(", "));
    Ok(())
}

fn play(args: &RunArgs) -> anyhow::Result<()> {
    if !(args.speed > 0.0 && args.speed <= 100.0) {
        bail!("--speed {}: choose more than 0, at most 100", args.speed);
    }
    let mut config = super::load(&args.config)?;
    let mut drill = crate::config::drill::load(&args.scenario, &config).map_err(super::told)?;
    super::allow_unsigned(&mut config, args.allow_unsigned);
    let cut = cut(&args.data)?;
    let over = cut.is_some();
    if let Some(cut) = &cut {
        super::say(format_args!(
            "the drill {} was cut: nothing of it is played, and whoever holds a message of it is told that it is over",
            cut.site_id
        ));
        drill.tracks.clear();
        drill.audiences = cut.takes_part.iter().map(|of| of.name.clone()).collect();
    }
    let plan = cut.unwrap_or_else(|| plan(&config, &drill, args.speed));
    for warning in stuck(&config, &drill.audiences).into_iter().chain(shared(&config, &drill.audiences)) {
        super::say(format_args!("warning: {warning}"));
    }
    let text = serde_json::to_vec_pretty(&plan)?;
    let lasts = Duration::from_secs_f64(drill.duration_ms as f64 / 1e3 / args.speed);
    fit(&mut config, drill, &plan, about(&plan.id, &text));
    config.console.bind.set_port(args.port);
    let bind = config.console.bind;
    let listener = TcpListener::bind(bind)
        .with_context(|| format!("cannot listen on {bind}: another program may hold the port; choose another with --port"))?;
    if !over {
        fresh(&args.data)?;
        let file = args.data.join(PLAN);
        std::fs::write(&file, &text).with_context(|| format!("cannot write {}", file.display()))?;
    }

    let scheme = if config.console.tls.is_some() { "https" } else { "http" };
    let address = listener.local_addr()?;
    let (began, begins) = oneshot::channel();
    let heading = page::heading(&plan.id, &plan.title);
    let begun = Box::new(move || {
        super::say(heading);
        super::say(format_args!("console: {scheme}://{address}/"));
        let _ = began.send(());
    });
    super::work(async {
        let stop = super::stop_on_signal()?;
        let (ends, whole) = (stop.clone(), CancellationToken::new());
        let drill = Some(Drilled { over, whole: whole.clone() });
        tokio::spawn(async move {
            if begins.await.is_err() {
                return;
            }
            if !over {
                tokio::select! {
                    () = tokio::time::sleep(lasts) => whole.cancel(),
                    () = ends.cancelled() => {}
                }
            }
            ends.cancel();
            super::say(
                "the drill is over: telling whoever holds a message of it; Ctrl-C now leaves that to the next run with the same --data",
            );
        });
        let options = Options { data_dir: args.data.clone(), ahead: None, engine: super::engine()?, listener, begun, drill };
        daemon::run(config, options, stop).await.map_err(super::explained)
    })?;
    let report = Report::of(&args.data)?;
    print!("{}", page::text(&report));
    judged(&report)
}

/// What the scenario's link says at its beginning: which plan it plays.
fn about(id: &str, plan: &[u8]) -> String {
    format!("drill {id}, plan blake3:{}", blake3::hash(plan).to_hex())
}

/// The plan of a drill that was cut before its end was told; none where there is no drill, or it is over.
fn cut(data: &Path) -> anyhow::Result<Option<Plan>> {
    let file = data.join(PLAN);
    if !file.exists() {
        return Ok(None);
    }
    let held =
        || format!("{} holds a drill that cannot be ended: give each drill a new folder of its own with --data", data.display());
    match Report::of(data).with_context(held)?.over {
        true => Ok(None),
        false => Ok(Some(serde_json::from_slice(&std::fs::read(file)?)?)),
    }
}

/// A folder in which nothing is yet: a drill never goes into the data of a plant, or of another drill.
fn fresh(data: &Path) -> anyhow::Result<()> {
    std::fs::create_dir_all(data).with_context(|| format!("cannot make {}", data.display()))?;
    let empty = data.read_dir().with_context(|| format!("cannot look into {}", data.display()))?.next().is_none();
    ensure!(empty, "{} is not empty: give each drill a new folder of its own with --data", data.display());
    Ok(())
}

fn plan(config: &Config, drill: &Drill, speed: f64) -> Plan {
    let site = &config.site;
    let stamp = jiff::Timestamp::now().strftime("%Y%m%dT%H%M%SZ");
    let named = site.audiences.iter().map(|of| Named { name: of.name.clone(), title: of.title.clone() });
    let (takes_part, told_nothing) = named.partition(|of| drill.audiences.contains(&of.name));
    Plan {
        id: drill.id.clone(),
        title: drill.title.clone(),
        site: site.title.clone(),
        site_id: format!("{}-drill-{}-{stamp}", site.id, drill.id),
        duration_ms: drill.duration_ms,
        speed,
        takes_part,
        told_nothing,
        zones: site.zones.iter().map(|zone| (zone.name.clone(), zone.title.clone())).collect(),
        rosters: site.rosters.iter().map(|of| (of.name.clone(), of.title.clone())).collect(),
        expected: drill.expected.clone(),
    }
}

/// Rungs that take part and wait for a word to somebody who does not: they may never speak.
fn stuck(config: &Config, part: &[String]) -> Vec<String> {
    let site = &config.site;
    let plays = |at: usize| part.contains(&site.audiences[at].name);
    let of = |ladder: &Ladder| -> Vec<String> {
        let waits = ladder.rungs.iter().filter(|rung| rung.audiences.iter().any(|at| plays(*at))).filter_map(|rung| {
            let on = [rung.only.no_receipt, rung.only.no_answer, rung.only.unreachable].into_iter().flatten();
            let absent = on.into_iter().find(|at| !plays(*at))?;
            let name = &site.audiences[absent].name;
            Some(format!(
                "ladder {}: the rung {} waits for {name}, which does not take part: it stays silent",
                ladder.name, rung.name
            ))
        });
        waits.collect()
    };
    site.ladders.iter().flat_map(of).collect()
}

/// Sirens that sound in this drill: they are also those of the plant.
fn shared(config: &Config, part: &[String]) -> Vec<String> {
    let all = config.site.audiences.iter().zip(&config.channels).filter(|(audience, _)| part.contains(&audience.name));
    let told = |audience: &str, drills: bool| match drills {
        true => format!(
            "{audience}: the plant's own siren sounds; where the drill silences it, a real alarm that sounds it meanwhile is silenced too"
        ),
        false => format!("{audience}: does not sound, for the site file does not say drills = true"),
    };
    let siren = all.filter_map(|(audience, channel)| match channel {
        Channel::Annunciator(switch) => Some(told(&audience.name, switch.drills)),
        _ => None,
    });
    siren.collect()
}

/// Makes the plant of the site file into that of the drill: whatever is not the drill's own is taken away.
fn fit(config: &mut Config, drill: Drill, plan: &Plan, about: String) {
    let site = &mut config.site;
    (site.mode, site.id) = (Mode::Exercise, plan.site_id.clone());
    site.links = vec![LINK.to_owned()];
    site.tags.iter_mut().for_each(|tag| tag.link = 0);
    let scenario = Scenario { about, speed: plan.speed, tracks: drill.tracks };
    config.links = vec![Link { name: LINK.to_owned(), kind: LinkKind::Scenario(scenario) }];
    // A heartbeat of the drill would hide that the plant's has stopped.
    config.watchers.clear();
    for (audience, channel) in site.audiences.iter_mut().zip(&mut config.channels) {
        // Names after GB/T 35965.1 have no room for a drill: they might be those of a real message.
        audience.code = None;
        match channel {
            // Nobody hears of what stands on a screen that nobody was told to look at, should a rung ever speak all the same.
            other if !drill.audiences.contains(&audience.name) => *other = Channel::Console,
            Channel::Cap(cap) => cap.anchors = None,
            // One client of a broker puts out another of its name: the plant's own would go.
            Channel::Mqtt(mqtt) => own(&mut mqtt.broker),
            Channel::Annunciator(Annunciator { drive: Drive::Topic { broker, .. }, .. }) => own(broker),
            // What sounds, and whether in drills too, the site file says; the scenario that it takes part.
            Channel::Annunciator(_)
            | Channel::Console
            | Channel::Webhook(_)
            | Channel::Bot(_)
            | Channel::Nats(_)
            | Channel::Mail(_) => {}
        }
    }
    let plays: Vec<bool> = site.audiences.iter().map(|of| drill.audiences.contains(&of.name)).collect();
    for ladder in &mut site.ladders {
        ladder.rungs.iter_mut().for_each(|rung| rung.audiences.retain(|at| plays[*at]));
        ladder.rungs.retain(|rung| !rung.audiences.is_empty());
    }
}

fn own(broker: &mut Broker) {
    broker.client_id += "-drill";
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn nothing_of_the_plant_is_left_and_who_does_not_take_part_cannot_be_told() {
        let configs = Path::new(env!("CARGO_MANIFEST_DIR")).join("../configs");
        let mut config = crate::config::load(&configs.join("gas-district.toml")).unwrap();
        let mut drill = crate::config::drill::load(&configs.join("drill-gas-leak.toml"), &config).unwrap();
        drill.audiences = vec!["crew".to_owned(), "officer".to_owned()];
        assert!(!config.watchers.is_empty() && config.channels.iter().any(|channel| matches!(channel, Channel::Cap(_))));
        let (real, plan) = (config.site.id.clone(), plan(&config, &drill, 1.0));
        fit(&mut config, drill, &plan, String::new());
        assert_eq!((config.site.mode, config.links.len(), config.watchers.len()), (Mode::Exercise, 1, 0));
        assert!(
            config.site.id.starts_with(&format!("{real}-drill-gas-leak-"))
                && matches!(config.links[0].kind, LinkKind::Scenario(_))
        );
        assert!(config.channels.iter().all(|channel| matches!(channel, Channel::Console)));
        let told: Vec<usize> =
            config.site.ladders.iter().flat_map(|of| &of.rungs).flat_map(|rung| rung.audiences.clone()).collect();
        assert_eq!(told, [0, 1], "crew and officer");
        assert_eq!(plan.told_nothing.iter().map(|of| of.name.as_str()).collect::<Vec<_>>(), ["manager", "bureau"]);
    }

    #[test]
    fn a_drill_goes_into_an_empty_folder_alone() {
        let folder = tempfile::tempdir().unwrap();
        fresh(&folder.path().join("new")).unwrap();
        fresh(&folder.path().join("new")).unwrap();
        assert!(format!("{:#}", fresh(folder.path()).unwrap_err()).contains("a new folder of its own"));
    }
}
