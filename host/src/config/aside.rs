//! What may be put aside by design, and which alarms belong to one cause. Owns: what `[[suppression]]` and `[[group]]` must say.
//! Must not know: when a logic holds (that is the brain's), tags beyond their names.

use super::Names;
use super::reader::Reader;
use brain::TagId;
use brain::site::{Group, Suppression};

/// Longest time a logic may suppress, milliseconds: a day.
const MOST_MS: u64 = 86_400_000;

/// Hazards by name, at least one. Those of plug-ins are known only once these are admitted.
fn hazards(table: &Reader<'_>) -> Option<Vec<String>> {
    let hazards = table.texts("hazards", true);
    if hazards.is_empty() && table.has("hazards") {
        table.fault("hazards", "nothing", "at least one hazard", None);
    }
    (!hazards.is_empty()).then_some(hazards)
}

pub(super) fn suppression(table: &Reader<'_>, names: &Names) -> Option<Suppression> {
    let (name, title) = (table.name("name"), table.words("title", true));
    let zone = table.refers("zone", "zone", &names.zones.names);
    let hazards = hazards(table);
    let tag = table.refers("while_tag", "tag", &names.tags.names).and_then(|tag| u32::try_from(tag).ok());
    let above = table.number_if("at_least", (-1e12, 1e12));
    let below = table.number_if("at_most", (-1e12, 1e12));
    if above.is_some() == below.is_some() && !table.describes() {
        table.fault(
            "at_least",
            "both or none of at_least and at_most",
            "one of them: the value from which on the logic holds",
            None,
        );
    }
    let most = table.duration("most", (60_000, MOST_MS), None);
    let approved = table.texts("approved_by", true);
    let two = <[String; 2]>::try_from(approved).ok().filter(|[a, b]| a != b);
    if two.is_none() && table.has("approved_by") {
        table.fault("approved_by", "not two different persons", "the names of the two persons who approved it", None);
    }
    for person in two.iter().flatten() {
        table.resolve("approved_by", "person", person, &names.people.names);
    }
    Some(Suppression {
        name: name?,
        title: title?,
        zone: zone?,
        hazards: hazards?,
        tag: TagId(tag?),
        above: above.is_some(),
        value: above.or(below)?,
        most_s: u32::try_from(most? / 1_000).ok()?,
        approved_by: two?,
    })
}

pub(super) fn group(table: &Reader<'_>, names: &Names) -> Option<Group> {
    let (name, title) = (table.name("name"), table.words("title", true));
    let zone = table.text_if("zone").map(|zone| table.resolve("zone", "zone", &zone, &names.zones.names));
    let hazards = hazards(table);
    let parent = table.text_or("parent", "");
    if let Some(hazards) = &hazards
        && !parent.is_empty()
        && !hazards.contains(&parent)
    {
        table.fault("parent", format!("{parent:?}"), "one of the hazards of the group", None);
    }
    // A zone at fault has been told.
    let zone = match zone {
        Some(None) => return None,
        Some(Some(zone)) => Some(zone),
        None => None,
    };
    Some(Group { name: name?, title: title?, zone, hazards: hazards?, parent })
}
