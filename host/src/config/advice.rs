//! What a person should know about a site file that is not a fault. Reads what has been checked.
//! Must not know: TOML, where an entry stands.

use super::types::{Person, Role, Rule};
use brain::TagId;
use brain::site::{Ladder, Mode, Severity, Site};

/// One sentence each.
pub(super) fn advice(site: &Site, rules: &[Rule], people: &[Person]) -> Vec<String> {
    if site.mode == Mode::Test {
        return Vec::new();
    }
    let mut said = Vec::new();
    let bureau = site.audiences.iter().any(|audience| audience.bureau);
    if !bureau {
        said.push("no audience has bureau = true: no alarm leaves the plant, whatever its level".to_owned());
    }
    for ladder in site.ladders.iter().filter(|ladder| bureau && !reaches_bureau(site, ladder)) {
        said.push(format!("ladder {}: red reaches no audience with bureau = true", ladder.name));
    }
    for rule in rules {
        if rule.digest.is_none() {
            said.push(format!("rule {}: no digest: any component called {}@{} is taken", rule.name, rule.plugin, rule.version));
        }
        let guarded = |tag: &TagId| site.tags.get(tag.0 as usize).is_some_and(|tag| !tag.limits.is_empty());
        if !rule.inputs.values().flatten().any(guarded) {
            said.push(format!(
                "rule {}: none of its tags has a limit of its own: nothing judges them without the rule",
                rule.name
            ));
        }
    }
    if !people.iter().any(|person| matches!(person.role, Role::Operator | Role::Lead)) {
        said.push("no person with role operator or lead: nobody can acknowledge an alarm".to_owned());
    }
    said
}

fn reaches_bureau(site: &Site, ladder: &Ladder) -> bool {
    let of_bureau = |audience: usize| site.audiences.get(audience).is_some_and(|audience| audience.bureau);
    ladder.rungs.iter().any(|rung| rung.after_s[Severity::Red as usize].is_some() && of_bureau(rung.audience))
}
