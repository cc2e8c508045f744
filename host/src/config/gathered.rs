//! Everything that stands in lists, from all files, and what can only be said once all of it has been read.
//! Must not know: what a single entry must say (that is `plant`, `field`, `duty`).

use super::fault::Fault;
use super::field::{self, Known};
use super::reader::Reader;
use super::types::{
    Annunciator, Channel, Drive, Link, LinkKind, ModbusTable, Origin, Param, Person, Publisher, Rule, Trusted, Watcher,
};
use super::{Listed, Names, aside, duty, ladder, outputs, plant, tls};
use brain::TagId;
use brain::calendar::{Calendar, Roster};
use brain::site::{Audience, Group, Ladder, Severity, Suppression, Tag, Zone};
use std::collections::{BTreeMap, BTreeSet};

/// One entry per name in [`Names`], in the same order; None where it is at fault.
#[derive(Default)]
pub(super) struct Gathered {
    pub(super) zones: Vec<Option<Zone>>,
    pub(super) tags: Vec<Option<Tag>>,
    pub(super) links: Vec<Option<Link>>,
    pub(super) publishers: Vec<Option<Publisher>>,
    pub(super) rules: Vec<Option<Rule>>,
    pub(super) ladders: Vec<Option<Ladder>>,
    pub(super) audiences: Vec<Option<(Audience, Channel)>>,
    pub(super) calendars: Vec<Option<Calendar>>,
    pub(super) rosters: Vec<Option<Roster>>,
    pub(super) watchers: Vec<Option<Watcher>>,
    pub(super) trusted: Vec<Option<Trusted>>,
    pub(super) people: Vec<Option<Person>>,
    pub(super) suppressions: Vec<Option<Suppression>>,
    pub(super) groups: Vec<Option<Group>>,
    /// Tags that some link brings.
    brought: BTreeSet<TagId>,
}

impl Gathered {
    /// Reads one file's zones and tags: links need all of them.
    pub(super) fn read_places(&mut self, root: &Reader<'_>, names: &Names) {
        self.zones.extend(root.tables("zone", false, |table| plant::zone(table, names)));
        self.tags.extend(root.tables("tag", false, |table| plant::tag(table, names)));
    }

    /// Reads one file's other lists.
    pub(super) fn read(&mut self, root: &Reader<'_>, names: &Names, warnings: &mut Vec<String>) {
        let known = |tag: &Option<Tag>| {
            tag.as_ref().map(|tag| Known { link: tag.link, period_ms: tag.period_ms, range: (tag.low, tag.high) })
        };
        let tags: Vec<Option<Known>> = self.tags.iter().map(known).collect();
        for link in root.tables("link", false, |table| field::link(table, names, &tags, warnings)) {
            self.links.push(link.map(|(link, tags)| {
                self.brought.extend(tags);
                link
            }));
        }
        self.audiences.extend(root.tables("audience", false, |table| duty::audience(table, names, warnings)));
        self.watchers.extend(root.tables("watcher", false, |table| duty::watcher(table, warnings)));
        self.trusted.extend(root.tables("trusted", false, tls::trusted));
        self.ladders.extend(root.tables("ladder", false, |table| ladder::ladder(table, names)));
        self.calendars.extend(root.tables("calendar", false, ladder::calendar));
        self.rosters.extend(root.tables("roster", false, |table| ladder::roster(table, names)));
        self.people.extend(root.tables("person", false, |table| duty::person(table, &duty::OF_A_PLANT)));
        self.publishers.extend(root.tables("publisher", false, duty::publisher));
        self.suppressions.extend(root.tables("suppression", false, |table| aside::suppression(table, names)));
        self.groups.extend(root.tables("group", false, |table| aside::group(table, names)));
        self.rules.extend(root.tables("rule", false, |table| duty::rule(table, names, names.granted)));
    }

    /// Faults between entries.
    pub(super) fn check(&self, main: &Reader<'_>, names: &Names) {
        let needed = [&names.zones, &names.links, &names.tags, &names.ladders, &names.audiences];
        for listed in needed.into_iter().filter(|listed| listed.names.is_empty()) {
            main.fault(listed.kind, "nothing", format!("at least one [[{}]]", listed.kind), None);
        }
        let others = [&names.publishers, &names.rules, &names.people, &names.suppressions, &names.groups];
        let others = others.into_iter().chain([&names.calendars, &names.rosters, &names.watchers, &names.trusted]);
        for listed in needed.into_iter().chain(others) {
            repeated(main, listed);
        }
        self.untold(main, names);
        self.unbrought(main, names);
        self.unlimited(main, names);
        self.loose_quotas(main);
        self.other_classes(main);
        self.shared_tokens(main, names);
        self.shared_numbers(main, names);
        self.unheard_gateways(main, names);
        self.shared_bots(main, names);
        self.shared_sirens(main, names);
        self.shared_coils(main, names);
    }

    /// A level of which nobody on its ladder is told. A ladder for some levels alone needs no others.
    fn untold(&self, main: &Reader<'_>, names: &Names) {
        for (index, of) in self.ladders.iter().enumerate() {
            let Some(of) = of else { continue };
            let of_zone = |level: Severity| self.zones.iter().flatten().any(|zone| zone.ladder[level as usize] == index);
            let unused = Severity::ALL.into_iter().all(|level| !of_zone(level));
            for level in ladder::untold(of).filter(|level| unused || of_zone(*level)) {
                let (key, word) = (format!("ladder.{}.rung", of.name), level.word());
                let found = format!("nobody who is told of {word}");
                add(main, &names.ladders.places[index], key, found, "at least one rung without `only` for every level");
            }
        }
    }

    /// A tag that nothing brings would be silent for ever.
    fn unbrought(&self, main: &Reader<'_>, names: &Names) {
        for (index, tag) in self.tags.iter().enumerate() {
            let Some(tag) = tag.as_ref().filter(|_| !self.brought.contains(&TagId(index as u32))) else { continue };
            // A half-read link would make all its tags look forgotten.
            if let Some(Some(link)) = self.links.get(tag.link) {
                let found = format!("{:?}, of which no topic, point or column brings {}", link.name, tag.name);
                let key = format!("tag.{}.link", tag.name);
                add(main, &names.tags.places[index], key, found, "a link that names this tag");
            }
        }
    }

    /// People are counted, and nobody says how many may be there.
    fn unlimited(&self, main: &Reader<'_>, names: &Names) {
        let counts = self.tags.iter().flatten().filter(|tag| tag.quantity == "people");
        let counted: BTreeMap<usize, &Tag> = counts.map(|tag| (tag.zone, tag)).collect();
        for (index, tag) in counted {
            let Some(Some(zone)) = self.zones.get(index) else { continue };
            if zone.quota_people.is_none() {
                let found = format!("nothing, while {} counts people here", tag.name);
                let allowed = "the number on the board of the building: no quota is never \"unlimited\"";
                add(main, &names.zones.places[index], format!("zone.{}.quota.people", zone.name), found, allowed);
            }
        }
    }

    /// A rule may be stricter than the board on the building, never looser.
    fn loose_quotas(&self, main: &Reader<'_>) {
        for rule in self.rules.iter().flatten() {
            let Some(Some(zone)) = self.zones.get(rule.zone) else { continue };
            let people = ("quota_people", zone.quota_people.map(f64::from));
            for (param, quota) in [people, ("quota_kg", zone.quota_kg)] {
                if let (Some(Param::Number(number)), Some(quota)) = (rule.params.get(param), quota)
                    && *number > quota
                {
                    let allowed = format!("at most {quota}, the quota of zone {}", zone.name);
                    add(main, &rule.origin, format!("rule.{}.params.{param}", rule.name), number.to_string(), &allowed);
                }
            }
        }
    }

    /// A building is of one class: judged as another, what is red in it would not be.
    fn other_classes(&self, main: &Reader<'_>) {
        for rule in self.rules.iter().flatten() {
            let Some(Some(zone)) = self.zones.get(rule.zone) else { continue };
            if let Some(Param::Text(class)) = rule.params.get("building_class")
                && !zone.building_class.is_empty()
                && *class != zone.building_class
            {
                let allowed = format!("{:?}, the class of zone {}", zone.building_class, zone.name);
                add(main, &rule.origin, format!("rule.{}.params.building_class", rule.name), format!("{class:?}"), &allowed);
            }
        }
    }

    /// An acknowledgement names one person: two with the same token are nobody.
    fn shared_tokens(&self, main: &Reader<'_>, names: &Names) {
        for (index, person) in self.people.iter().enumerate() {
            let Some(person) = person else { continue };
            let same = |other: &&Person| other.token_sha256 == person.token_sha256;
            if let Some(other) = self.people[..index].iter().flatten().find(same) {
                let key = format!("person.{}.token_sha256", person.name);
                let found = format!("the token of {:?} again", other.name);
                add(main, &names.people.places[index], key, found, "a token of one's own for each person");
            }
        }
    }

    /// Who answers from a telephone is one person.
    fn shared_numbers(&self, main: &Reader<'_>, names: &Names) {
        let mut known: BTreeMap<&str, &str> = BTreeMap::new();
        for (index, person) in self.people.iter().enumerate() {
            let Some(person) = person else { continue };
            for name in &person.known_as {
                if let Some(other) = known.insert(name, &person.name) {
                    let key = format!("person.{}.known_as", person.name);
                    add(
                        main,
                        &names.people.places[index],
                        key,
                        format!("{name:?}, by which {other:?} is known too"),
                        "each once",
                    );
                }
            }
        }
    }

    /// A gateway brings answers to what it carries: of an audience that is reached by requests.
    fn unheard_gateways(&self, main: &Reader<'_>, names: &Names) {
        for (index, person) in self.people.iter().enumerate() {
            for name in person.iter().flat_map(|person| person.brings.audiences.keys()) {
                let known = names.audiences.names.iter().position(|audience| audience == name);
                // One that is at fault itself is told already.
                let fits = |index: usize| !matches!(self.audiences.get(index), Some(Some((_, channel))) if !matches!(channel, Channel::Webhook(_)));
                if !known.is_some_and(fits) {
                    let key = format!("person.{}.audiences", names.people.names[index]);
                    let found = if known.is_some() { "which no gateway reaches" } else { "which is no audience" };
                    let allowed = "audiences with channel webhook, sms or voice";
                    add(main, &names.people.places[index], key, format!("{name:?}, {found}"), allowed);
                }
            }
        }
    }

    /// A vendor's limit counts for the bot, whoever speaks by it.
    fn shared_bots(&self, main: &Reader<'_>, names: &Names) {
        let bots: Vec<_> = self
            .audiences
            .iter()
            .map(|audience| match audience {
                Some((_, Channel::Bot(bot))) => Some(bot.url.reveal()),
                _ => None,
            })
            .collect();
        for (index, other) in twice(&bots) {
            let key = format!("audience.{}.hook", names.audiences.names[index]);
            let found = format!("the bot of {:?} again", names.audiences.names[other]);
            add(main, &names.audiences.places[index], key, found, "a bot of its own for each audience: its limit is one");
        }
    }

    /// Of two audiences that switch one siren each would silence the other's alarm.
    fn shared_sirens(&self, main: &Reader<'_>, names: &Names) {
        let sirens: Vec<_> = self
            .audiences
            .iter()
            .map(|audience| match audience {
                Some((_, Channel::Annunciator(siren))) => Some(outputs::place(&siren.drive)),
                _ => None,
            })
            .collect();
        for (index, other) in twice(&sirens) {
            let (of, place) = (&names.audiences.names, &names.audiences.places[other]);
            let key = format!("audience.{}.channel", of[index]);
            let switched = sirens[index].as_deref().unwrap_or_default();
            let found = format!("{switched}, which {:?} at {}:{} switches too", of[other], place.file.display(), place.line);
            let allowed = "a coil or topic of its own for each; one audience may stand on as many rungs as you like";
            add(main, &names.audiences.places[index], key, found, allowed);
        }
    }

    /// What a link reads belongs to the process: nobody writes it.
    fn shared_coils(&self, main: &Reader<'_>, names: &Names) {
        for (index, audience) in self.audiences.iter().enumerate() {
            let Some((_, Channel::Annunciator(Annunciator { drive: Drive::Coil { host, port, unit, coil, .. }, .. }))) = audience
            else {
                continue;
            };
            let reads = |link: &&Link| match &link.kind {
                LinkKind::Modbus(of) => {
                    (&of.host, of.port) == (host, *port)
                        && of
                            .points
                            .iter()
                            .any(|point| (point.table, point.unit, point.address) == (ModbusTable::Coil, *unit, *coil))
                }
                LinkKind::Mqtt(_) | LinkKind::Calendar(_) | LinkKind::Recording(_) | LinkKind::Scenario(_) => false,
            };
            if let Some(link) = self.links.iter().flatten().find(reads) {
                let key = format!("audience.{}.modbus.coil", names.audiences.names[index]);
                let found = format!("{coil}, which link {:?} reads", link.name);
                add(
                    main,
                    &names.audiences.places[index],
                    key,
                    found,
                    "a coil of the annunciator's own: nothing of the process is written",
                );
            }
        }
    }
}

/// What stands there a second time: its place, and that of the first.
fn twice<T: PartialEq>(all: &[Option<T>]) -> Vec<(usize, usize)> {
    let first = |(index, of): (usize, &Option<T>)| {
        let of = of.as_ref()?;
        Some((index, all[..index].iter().position(|other| other.as_ref() == Some(of))?))
    };
    all.iter().enumerate().filter_map(first).collect()
}

fn repeated(main: &Reader<'_>, listed: &Listed) {
    let mut seen: BTreeMap<&str, &Origin> = BTreeMap::new();
    for (name, place) in listed.names.iter().zip(&listed.places).filter(|(name, _)| !name.is_empty()) {
        if let Some(first) = seen.get(name.as_str()) {
            let found = format!("{name:?}, which stands at {}:{} already", first.file.display(), first.line);
            add(main, place, format!("{}.{name}.name", listed.kind), found, &format!("each {} once", listed.kind));
        } else {
            seen.insert(name, place);
        }
    }
}

fn add(main: &Reader<'_>, origin: &Origin, key: String, found: String, allowed: &str) {
    main.add(Fault { origin: origin.clone(), key, found, allowed: allowed.to_owned(), nearest: None });
}
