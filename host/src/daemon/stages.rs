//! The life of rules between brain, depot and runner: what runs at a start, what is kept, what is lost.
//! Must not know: who may decide a step, what an alarm is.

use super::clock::Clock;
use super::core::{Core, Stepped};
use crate::config::types::{Config, Rule};
use crate::rules::{Admitted, Depot, FromRule, Runner};
use brain::event::Event;
use brain::site::Site;
use brain::stages::RuleChange;
use brain::{Brain, TagId};
use std::collections::BTreeMap;
use std::sync::Arc;
use tokio::sync::mpsc;

/// A component that cannot run.
pub(super) fn lost(rule: &str, digest: &str, why: &str) -> Event {
    Event::RuleLost { rule: rule.to_owned(), digest: digest.to_owned(), detail: why.to_owned() }
}

/// After a start: loads what people installed. What cannot be loaded is told, so that something else runs and somebody knows.
/// `unread`: rules whose file of the site file cannot be run, and why.
pub(super) fn load(
    core: &mut Core,
    clock: &Clock,
    depot: &Depot,
    config: &Config,
    unread: &BTreeMap<String, String>,
) -> Vec<Stepped> {
    let mut gone = Vec::new();
    for (index, rule) in config.rules.iter().enumerate() {
        let (Some(why), Some(stages)) = (unread.get(&rule.name), core.brain().stages(index)) else { continue };
        tracing::error!(rule = rule.name, "what the site file names cannot run: {why}");
        let (base, active) = (&stages.base, &core.brain().site().rules[index].digest);
        gone.push(lost(&rule.name, &base.digest, why));
        // Another one than when people promoted theirs: the site file wins, and theirs does not run in its place unseen.
        let named = format!("{}@{}", rule.plugin, rule.version);
        let same = named == base.plugin && rule.digest.as_ref().is_none_or(|digest| *digest == base.digest);
        if !same && *active != base.digest {
            gone.push(lost(&rule.name, active, &format!("the site file names `{named}` in its place: {why}")));
        }
    }
    let named = components(core.brain());
    for (rule, about, inputs) in &named {
        let digest = &about.digest;
        let is_gone =
            |event: &Event| matches!(event, Event::RuleLost { rule: name, digest: of, .. } if name == rule && of == digest);
        if gone.iter().any(is_gone) {
            continue;
        }
        if let Err(why) = depot.load(rule, about, inputs) {
            tracing::error!(rule, digest, "what was installed cannot run any more: {why}");
            // Why there is nothing to fall back to is known no other way.
            let both = unread.get(rule).map(|base| format!("{why}; {base}"));
            gone.push(lost(rule, digest, both.as_ref().unwrap_or(&why)));
        }
    }
    let told = gone.into_iter().map(|event| core.step(clock.now(), event)).collect();
    // A file that cannot be loaded stays for people to look at, until the start after.
    depot.sweep(named.iter().map(|(_, about, _)| about));
    told
}

/// Every component that some rule may run, with the rule's name and the tags by which rows reach it.
fn components(brain: &Brain) -> Vec<(String, brain::site::Rule, Vec<TagId>)> {
    let mut all = Vec::new();
    for (index, about) in brain.site().rules.iter().enumerate() {
        let Some(stages) = brain.stages(index) else { continue };
        let here = stages.candidates().map(|one| &one.about).chain([about]);
        all.extend(here.map(|one| (about.name.clone(), one.clone(), about.inputs.clone())));
    }
    all
}

/// What the site file names, in its order, or why it cannot be run.
type Named = [Result<Admitted, String>];

/// Rules whose file cannot be run, and why.
pub(super) fn unread(config: &Config, named: &Named) -> BTreeMap<String, String> {
    config.rules.iter().zip(named).filter_map(|(rule, one)| Some((rule.name.clone(), one.as_ref().err()?.clone()))).collect()
}

/// The rules of a site. One whose file cannot be run is as `before` knows it: what stands of it is held, and not taken for the alarm of a rule that is
/// gone.
pub(super) fn places(config: &Config, named: &Named, before: Option<&Brain>) -> Vec<brain::site::Rule> {
    let place = |(rule, one): (&Rule, &Result<Admitted, String>)| match one {
        Ok(admitted) => admitted.rule.clone(),
        Err(_) => before.and_then(|before| known(rule, &config.site, before)).unwrap_or_else(|| brain::site::Rule {
            name: rule.name.clone(),
            plugin: format!("{}@{}", rule.plugin, rule.version),
            digest: rule.digest.clone().unwrap_or_default(),
            zone: rule.zone,
            inputs: vec![],
            tick_ms: 0,
            hazards: vec![],
            untested: false,
            bundle: String::new(),
        }),
    };
    config.rules.iter().zip(named).map(place).collect()
}

/// What the site file named in this place before.
fn known(rule: &Rule, site: &Site, before: &Brain) -> Option<brain::site::Rule> {
    let is_here =
        |known: &brain::site::Rule| known.name == rule.name && before.site().zones[known.zone].name == site.zones[rule.zone].name;
    let known = &before.stages(before.site().rules.iter().position(is_here)?)?.base;
    let tag = |id: &TagId| site.tags.iter().position(|tag| tag.name == before.site().tags[id.0 as usize].name);
    let inputs = known.inputs.iter().filter_map(tag).map(|id| TagId(id as u32)).collect();
    Some(brain::site::Rule { zone: rule.zone, inputs, ..known.clone() })
}

/// The workers, with what the brain says runs. `named`: what the site file names, in its order; none where that cannot be read.
pub(super) fn run(
    brain: &Brain,
    depot: &Depot,
    named: Vec<Option<Admitted>>,
    out: mpsc::Sender<FromRule>,
) -> anyhow::Result<Runner> {
    let active = |(index, named): (usize, Option<Admitted>)| {
        let about = &brain.site().rules[index];
        depot.get(&about.name, &about.digest).or(named)
    };
    let runner = Runner::start_with(named.into_iter().enumerate().map(active).collect(), out)?;
    for (index, about) in brain.site().rules.iter().enumerate() {
        let stages = brain.stages(index).into_iter().flat_map(|stages| stages.candidates());
        for one in stages.filter(|one| one.shadow.is_some()) {
            if let Some(admitted) = depot.get(&about.name, &one.about.digest) {
                runner.run_beside(index, None, admitted);
            }
        }
        if brain.rule(index).is_some_and(brain::brain::RuleNow::is_out) {
            runner.quarantine(index, &about.digest, true);
        }
    }
    Ok(runner)
}

/// What ran must not come back older. Not on the thread that watches the plant: a disk may hang.
pub(super) fn remember(depot: &Arc<Depot>, rule: String, change: RuleChange, (plugin, digest): (String, String)) {
    if matches!(change, RuleChange::Promoted | RuleChange::RolledBack) {
        let depot = Arc::clone(depot);
        drop(tokio::task::spawn_blocking(move || depot.ran(&rule, &plugin, &digest)));
    }
}
