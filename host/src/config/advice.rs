//! What a person should know about a site file that is not a fault. Reads what has been checked.
//! Must not know: TOML, where an entry stands.

use super::scalar::span;
use super::types::{Person, Role, Rule, Watcher};
use brain::TagId;
use brain::calendar::Roster;
use brain::site::{Ladder, LimitKind, Mode, Rung, Severity, Site, Tag, Zone};
use std::collections::BTreeSet;

/// What may rest for days: counts, coded states and switches, and scales, levels, flows and distances. Everything else is measured, and a
/// measurement that never moves is none.
const RESTING: [&str; 9] = ["people", "machines", "count", "flag", "state", "mass", "level", "flow", "distance"];
/// A tag that may be silent for more than this many periods, and for more than an hour, is nearly unwatched (own default).
const SILENT_PERIODS: u64 = 10;
const SILENT_MS: u64 = 3_600_000;

/// One sentence each.
pub(super) fn advice(site: &Site, rules: &[Rule], people: &[Person], watchers: &[Watcher]) -> Vec<String> {
    if site.mode == Mode::Test {
        return Vec::new();
    }
    let mut said = Vec::new();
    let bureau = site.audiences.iter().any(|audience| audience.bureau);
    if !bureau {
        said.push("no audience has bureau = true: no alarm leaves the plant, whatever its level".to_owned());
    }
    let reds: BTreeSet<usize> = site.zones.iter().map(|zone| zone.ladder[Severity::Red as usize]).collect();
    for ladder in
        reds.iter().filter_map(|index| site.ladders.get(*index)).filter(|ladder| bureau && !reaches_bureau(site, ladder))
    {
        said.push(format!(
            "ladder {}: red reaches no audience with bureau = true, whatever the hour and the hazard",
            ladder.name
        ));
    }
    for ladder in reds.iter().filter_map(|index| site.ladders.get(*index)).filter(|ladder| !calls_on(site, ladder)) {
        said.push(format!(
            "ladder {}: a red alarm that nobody takes is called of so many times and then no more: give the rung of the bureau (or, without one, the last) repeat = {{ every = \"5min\" }} without most",
            ladder.name
        ));
    }
    if watchers.is_empty() {
        said.push("no [[watcher]]: if this machine dies, nobody outside notices".to_owned());
    }
    said.extend(site.rosters.iter().filter_map(hole));
    for rule in rules {
        if rule.digest.is_none() {
            let (name, id, version) = (&rule.name, &rule.plugin, &rule.version);
            said.push(match rule.publisher {
                Some(_) => format!("rule {name}: no digest: whatever its publisher signs as {id}@{version} is taken"),
                None => format!("rule {name}: no publisher and no digest: any component called {id}@{version} is taken"),
            });
        }
        let guarded = |tag: &TagId| site.tags.get(tag.0 as usize).is_some_and(|tag| !tag.limits.is_empty());
        if !rule.inputs.values().flatten().any(guarded) {
            said.push(format!(
                "rule {}: none of its tags has a limit of its own: nothing judges them without the rule",
                rule.name
            ));
        }
    }
    said.extend(site.zones.iter().enumerate().flat_map(|(index, zone)| unjudged(site, rules, index, zone)));
    said.extend(site.tags.iter().flat_map(unwatched));
    if !people.iter().any(|person| matches!(person.role, Role::Operator | Role::Lead)) {
        said.push("no person with role operator or lead: nobody can acknowledge an alarm".to_owned());
    }
    if !people.iter().any(|person| person.role == Role::Lead) {
        said.push("no person with role lead: nobody can reset or close a red alarm, or release a rule".to_owned());
    }
    said
}

/// Whether a ladder calls of a red alarm until somebody answers, whatever the hour and the hazard: at a bureau, where there is one.
fn calls_on(site: &Site, ladder: &Ladder) -> bool {
    let is_bureau = |audience: &usize| site.audiences[*audience].bureau;
    let bureau = (0..site.audiences.len()).any(|audience| is_bureau(&audience));
    let endless = |rung: &Rung| {
        rung.repeat.is_some_and(|repeat| repeat.most.is_none()) && (!bureau || rung.audiences.iter().any(is_bureau))
    };
    ladder.rungs.iter().any(|rung| rung.after_s[Severity::Red as usize].is_some() && rung.only.is_always() && endless(rung))
}

/// Quotas of a zone that nothing there judges: a number on the board, and nobody who looks.
fn unjudged(site: &Site, rules: &[Rule], index: usize, zone: &Zone) -> Vec<String> {
    let quotas = [
        ("people", zone.quota_people.map(f64::from), "people", "quota_people"),
        ("kg", zone.quota_kg, "mass", "quota_kg"),
        ("machines", zone.quota_machines.map(f64::from), "machines", "quota_machines"),
    ];
    let one = |(word, quota, quantity, param): (&str, Option<f64>, &str, &str)| {
        let quota = quota?;
        let counts = |tag: &TagId| site.tags.get(tag.0 as usize).is_some_and(|tag| tag.quantity == quantity);
        let judges =
            |rule: &Rule| rule.zone == index && rule.params.contains_key(param) && rule.inputs.values().flatten().any(counts);
        // People and machines are whole: more than the quota is the quota and one.
        let most = if word == "kg" { quota } else { quota + 1.0 };
        let limits = |tag: &Tag| {
            let low_enough = tag.limits.iter().any(|limit| limit.kind == LimitKind::High && limit.value <= most);
            tag.zone == index && tag.quantity == quantity && low_enough
        };
        let judged = rules.iter().any(judges) || site.tags.iter().any(limits);
        (!judged).then(|| {
            format!(
                "zone {}: quota {word} = {quota} is judged by nothing: bind a tag of quantity {quantity} and `{param}` in a rule of this \
                 zone, or give such a tag a high limit",
                zone.name
            )
        })
    };
    quotas.into_iter().filter_map(one).collect()
}

/// A tag that could stand still, or send nothing, and nobody would hear of it.
fn unwatched(tag: &Tag) -> Vec<String> {
    let mut said = Vec::new();
    if tag.frozen_ms.is_none() && !RESTING.contains(&tag.quantity.as_str()) {
        said.push(format!(
            "tag {}: no frozen: a sensor that stands still would be believed for ever (the bottom of the range may stand still)",
            tag.name
        ));
    }
    if tag.silent_ms > SILENT_MS && tag.silent_ms > tag.period_ms.saturating_mul(SILENT_PERIODS) {
        let (silent, period) = (span(tag.silent_ms), span(tag.period_ms));
        said.push(format!(
            "tag {}: silent = {silent}: it comes every {period}, and nobody is told for so long that it does not",
            tag.name
        ));
    }
    said
}

fn reaches_bureau(site: &Site, ladder: &Ladder) -> bool {
    let of_bureau = |audience: &usize| site.audiences.get(*audience).is_some_and(|audience| audience.bureau);
    let tells_red = |rung: &Rung| rung.after_s[Severity::Red as usize].is_some() && rung.only.is_always();
    ladder.rungs.iter().any(|rung| tells_red(rung) && rung.audiences.iter().any(of_bureau))
}

/// A time at which a roster names nobody.
fn hole(roster: &Roster) -> Option<String> {
    let (from, to) = roster.hole()?;
    // Of a roster by the week, any week is meant.
    let form = if roster.shifts.iter().any(|shift| shift.cycle.is_some()) { "%F %H:%M" } else { "%A %H:%M" };
    let text = |local: brain::Micros| jiff::Timestamp::from_microsecond(local).map(|at| at.strftime(form).to_string());
    let (from, to) = (text(from).ok()?, text(to).ok()?);
    Some(format!("roster {}: nobody is on duty from {from} to {to}: then the next rung is told at once", roster.name))
}
