//! The life of rules between brain, depot and runner: what runs at a start, what is kept, what is lost.
//! Must not know: who may decide a step, what an alarm is.

use super::clock::Clock;
use super::core::{Core, Stepped};
use crate::rules::{Admitted, Depot, FromRule, Runner};
use brain::Brain;
use brain::event::Event;
use brain::stages::RuleChange;
use std::collections::BTreeSet;
use std::sync::Arc;
use tokio::sync::mpsc;

/// A component that cannot run.
pub(super) fn lost(rule: &str, digest: &str, why: &str) -> Event {
    Event::RuleLost { rule: rule.to_owned(), digest: digest.to_owned(), detail: why.to_owned() }
}

/// After a start: loads what people installed. What cannot be loaded is told, so that something else runs and somebody knows.
pub(super) fn load(core: &mut Core, clock: &Clock, depot: &Depot) -> Vec<Stepped> {
    let mut gone = Vec::new();
    let mut keep = BTreeSet::new();
    for (rule, digest) in components(core.brain()) {
        if let Err(why) = depot.load(&rule, &digest) {
            tracing::error!(rule, digest, "what was installed cannot run any more: {why}");
            gone.push(lost(&rule, &digest, &why));
        }
        keep.insert(digest);
    }
    let told = gone.into_iter().map(|event| core.step(clock.now(), event)).collect();
    // A file that cannot be loaded stays for people to look at, until the start after.
    depot.sweep(&keep);
    told
}

/// Every component that some rule may run, with the rule's name.
fn components(brain: &Brain) -> Vec<(String, String)> {
    let mut all = Vec::new();
    for (index, about) in brain.site().rules.iter().enumerate() {
        let Some(stages) = brain.stages(index) else { continue };
        let digests = stages.candidates().map(|one| &one.about.digest).chain([&about.digest]);
        all.extend(digests.map(|digest| (about.name.clone(), digest.clone())));
    }
    all
}

/// The workers, with what the brain says runs. `named`: what the site file names, in its order.
pub(super) fn run(brain: &Brain, depot: &Depot, named: Vec<Admitted>, out: mpsc::Sender<FromRule>) -> anyhow::Result<Runner> {
    let active = |(index, named): (usize, Admitted)| {
        let digest = &brain.site().rules[index].digest;
        depot.get(&named.rule.name, digest).unwrap_or(named)
    };
    let runner = Runner::start(named.into_iter().enumerate().map(active).collect(), out)?;
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
pub(super) fn remember(depot: &Arc<Depot>, rule: String, change: RuleChange, plugin: String) {
    if matches!(change, RuleChange::Promoted | RuleChange::RolledBack) {
        let depot = Arc::clone(depot);
        drop(tokio::task::spawn_blocking(move || depot.ran(&rule, &plugin)));
    }
}
