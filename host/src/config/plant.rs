//! Site, zones, tags and their limits. Owns: what a plant's description must say.
//! Must not know: links' protocols, people (that is `field`, `duty`).

use super::Names;
use super::duty;
use super::fault::Fault;
use super::field;
use super::reader::Reader;
use super::types::{Channel, Link, Person, Rule};
use brain::TagId;
use brain::site::{Area, Audience, Citation, Guide, Ladder, Limit, LimitKind, Mode, Severity, Site, Tag, Zone};
use brain::words::Words;
use std::collections::BTreeSet;

/// Silence is never judged sooner than this, nor sooner than three periods (own default).
const SILENT_LEAST_MS: u64 = 10_000;
/// Longest span a site file may name.
pub(super) const LONGEST_MS: u64 = 366 * 86_400_000;

/// The four levels as words.
pub(super) const SEVERITIES: &[(&str, Severity)] =
    &[("blue", Severity::Blue), ("yellow", Severity::Yellow), ("orange", Severity::Orange), ("red", Severity::Red)];

/// Names of all entries of a kind in all files.
pub(super) fn names(roots: &[Reader<'_>], kind: &'static str) -> Vec<String> {
    roots.iter().flat_map(|root| root.peek_names(kind)).collect()
}

/// What `[site]` says. Lists are filled in later.
pub(super) fn about(main: &Reader<'_>) -> Option<Site> {
    let table = main.table_of("site", true)?;
    let (id, title, sender) = (table.name("id"), table.words("title", true), table.text("sender"));
    let modes = [("actual", Mode::Actual), ("exercise", Mode::Exercise), ("test", Mode::Test)];
    let mode = table.choice("mode", &modes, Some(Mode::Actual));
    if let Some(sender) = sender.as_ref().filter(|s| s.chars().any(|c| " ,<&".contains(c))) {
        table.fault(
            "sender",
            format!("{sender:?}"),
            "a name you own without space, comma, `<` or `&`, for example plant-0001@example.cn",
            None,
        );
    }
    main.done("site", table);
    let (zones, tags, links, rules, ladders, audiences) = (vec![], vec![], vec![], vec![], vec![], vec![]);
    Some(Site { id: id?, title: title?, sender: sender?, mode: mode?, zones, tags, links, rules, ladders, audiences })
}

/// Everything that stands in lists, from all files.
#[derive(Default)]
pub(super) struct Gathered {
    pub(super) zones: Vec<Zone>,
    pub(super) tags: Vec<Tag>,
    pub(super) links: Vec<Link>,
    pub(super) rules: Vec<Rule>,
    pub(super) ladders: Vec<Ladder>,
    pub(super) audiences: Vec<(Audience, Channel)>,
    pub(super) people: Vec<Person>,
    /// Tag -> link that brings it, and a fault to report if another brings it too.
    brought: BTreeSet<TagId>,
}

impl Gathered {
    /// Reads one file's zones and tags: links need all of them.
    pub(super) fn read_places(&mut self, root: &Reader<'_>, names: &Names) {
        self.zones.extend(root.tables("zone", false, |table| zone(table, names)));
        self.tags.extend(root.tables("tag", false, |table| tag(table, names)));
    }

    /// Reads one file's other lists.
    pub(super) fn read(&mut self, root: &Reader<'_>, names: &Names, warnings: &mut Vec<String>) {
        let periods: Vec<(String, u64, usize)> =
            self.tags.iter().map(|tag| (tag.name.clone(), tag.period_ms, tag.link)).collect();
        let links = root.tables("link", false, |table| field::link(table, names, &periods, warnings));
        for (link, tags, origin) in links {
            for tag in tags {
                if !self.brought.insert(tag) {
                    let key = format!("link.{}", link.name);
                    let found =
                        format!("tag {:?}, which another link or another point brings already", names.tags[tag.0 as usize]);
                    root.add(Fault { origin: origin.clone(), key, found, allowed: "each tag once".into(), nearest: None });
                }
            }
            self.links.push(link);
        }
        self.audiences.extend(root.tables("audience", false, |table| duty::audience(table, warnings)));
        self.ladders.extend(root.tables("ladder", false, |table| duty::ladder(table, names)));
        self.people.extend(root.tables("person", false, duty::person));
        self.rules.extend(root.tables("rule", false, |table| duty::rule(table, names)));
    }

    /// What can only be said once everything has been read.
    pub(super) fn check(&self, main: &Reader<'_>, names: &Names) {
        if main.describes() {
            return;
        }
        for (kind, all) in [
            ("zone", &names.zones),
            ("link", &names.links),
            ("tag", &names.tags),
            ("ladder", &names.ladders),
            ("audience", &names.audiences),
        ] {
            let mut seen = BTreeSet::new();
            for name in all.iter().filter(|name| !seen.insert(*name)) {
                main.fault(kind, format!("{name:?} twice"), format!("each {kind} once"), None);
            }
            if all.is_empty() {
                main.fault(kind, "nothing", format!("at least one [[{kind}]]"), None);
            }
        }
        // A half-read file would make every tag look unbound.
        if self.tags.len() == names.tags.len() && self.links.len() == names.links.len() {
            for (_, tag) in self.tags.iter().enumerate().filter(|(index, _)| !self.brought.contains(&TagId(*index as u32))) {
                let found = format!("{}: no topic or point of link {} brings it", tag.name, names.links[tag.link]);
                main.fault("tag", found, "one topic, point or column that names it", None);
            }
        }
        for tag in self.tags.iter().filter(|tag| tag.quantity == "people") {
            if let Some(zone) = self.zones.get(tag.zone).filter(|zone| zone.quota_people.is_none()) {
                let found = format!("zone {} counts people ({}) and has no quota.people", zone.name, tag.name);
                main.fault("zone", found, "the number on the board of the building: no quota is never \"unlimited\"", None);
            }
        }
    }
}

fn zone(table: &Reader<'_>, names: &Names) -> Option<Zone> {
    let (name, title) = (table.name("name"), table.words("title", true));
    let classes = [("", ""), ("1.1", "1.1"), ("1.3", "1.3")];
    let building_class = table.choice("building_class", &classes, Some(""));
    let risks = [("", ""), ("major", "major"), ("larger", "larger"), ("general", "general"), ("low", "low")];
    let risk_class = table.choice("risk_class", &risks, Some(""));
    let ladder = table.refers("ladder", "ladder", &names.ladders);
    let mut quota = (None, None, None);
    if let Some(of) = table.table_of("quota", false) {
        let whole = |key| of.whole_if(key, (0, 10_000)).and_then(|n| u32::try_from(n).ok());
        quota = (whole("people"), of.number_if("kg", (0.0, 1e7)), whole("machines"));
        table.done("quota", of);
    }
    let area = table.table_of("area", false).and_then(|of| {
        let (latitude, longitude) = (of.number("latitude", (-90.0, 90.0), None), of.number("longitude", (-180.0, 180.0), None));
        let radius_km = of.number("radius_km", (0.001, 500.0), Some(0.5));
        table.done("area", of);
        Some(Area { latitude: latitude?, longitude: longitude?, radius_km: radius_km? })
    });
    Some(Zone {
        name: name?,
        title: title?,
        building_class: building_class?.to_owned(),
        risk_class: risk_class?.to_owned(),
        quota_people: quota.0,
        quota_kg: quota.1,
        quota_machines: quota.2,
        ladder: ladder?,
        area,
    })
}

fn tag(table: &Reader<'_>, names: &Names) -> Option<Tag> {
    let (name, title) = (table.name("name"), table.words("title", true));
    let (zone, link) = (table.refers("zone", "zone", &names.zones), table.refers("link", "link", &names.links));
    let (unit, quantity) = (table.text("unit"), table.text("quantity"));
    let range = table.range("range");
    let period = table.duration("period", (10, 86_400_000), None);
    let silent = table.duration_if("silent", (1_000, LONGEST_MS));
    if let (Some(period), Some(silent)) = (period, silent)
        && silent < period * 2
    {
        table.fault(
            "silent",
            format!("{silent}ms"),
            format!("at least two periods ({}ms), or a single late reading is an alarm", period * 2),
            None,
        );
    }
    let frozen_ms = table.duration_if("frozen", (1_000, LONGEST_MS));
    let max_per_s = table.number_if("max_per_s", (1e-9, 1e12));
    let blind_severity = table.choice("blind", SEVERITIES, Some(Severity::Yellow));
    let limits = table.tables("limit", false, |limit| self::limit(limit, range));
    let ((low, high), period) = (range?, period?);
    Some(Tag {
        name: name?,
        title: title?,
        zone: zone?,
        link: link?,
        unit: unit?,
        quantity: quantity?,
        low,
        high,
        period_ms: period,
        silent_ms: silent.unwrap_or_else(|| SILENT_LEAST_MS.max(period * 3)),
        frozen_ms,
        max_per_s,
        limits,
        blind_severity: blind_severity?,
    })
}

fn limit(table: &Reader<'_>, range: Option<(f64, f64)>) -> Option<Limit> {
    let (hazard, title) = (table.name("hazard"), table.words("title", true));
    let kinds = [("high", LimitKind::High), ("low", LimitKind::Low), ("rise", LimitKind::Rise), ("fall", LimitKind::Fall)];
    let kind = table.choice("kind", &kinds, None);
    let within = range.filter(|_| matches!(kind, Some(LimitKind::High | LimitKind::Low))).unwrap_or((f64::MIN, f64::MAX));
    let value = table.number("value", within, None);
    let severity = table.choice("severity", SEVERITIES, None);
    let deadband = table.number("deadband", (0.0, 1e12), Some(0.0));
    let on_delay = table.duration("on_delay", (0, 3_600_000), Some(0));
    let off_delay = table.duration("off_delay", (0, 86_400_000), Some(0));
    let latches = table.flag("latches", false);
    let citation = citation(table);
    let guide = guide(table);
    Some(Limit {
        hazard: hazard?,
        title: title?,
        kind: kind?,
        value: value?,
        severity: severity?,
        deadband: deadband?,
        on_delay_ms: on_delay?,
        off_delay_ms: off_delay?,
        latches,
        citation: citation?,
        guide: guide?,
    })
}

/// A limit without its source is an opinion: `confidence = "own"` says so.
fn citation(table: &Reader<'_>) -> Option<Citation> {
    let of = table.table_of("citation", true)?;
    let levels = [("clause", "clause"), ("secondary", "secondary"), ("recalled", "recalled"), ("own", "own")];
    let confidence = of.choice("confidence", &levels, None);
    let text = |key| of.text_or(key, "");
    let (standard, edition, clause, note) = (text("standard"), text("edition"), text("clause"), text("note"));
    let jurisdiction = of.text_or("jurisdiction", "CN");
    if confidence.is_some_and(|level| level != "own") && standard.is_empty() {
        of.fault("standard", "nothing", "the standard this comes from, or confidence = \"own\"", None);
    }
    table.done("citation", of);
    Some(Citation { standard, edition, clause, jurisdiction, confidence: confidence?.to_owned(), note })
}

fn guide(table: &Reader<'_>) -> Option<Guide> {
    let words = |key| -> Option<Words> { table.words(key, true) };
    let (cause, consequence, action) = (words("cause"), words("consequence"), words("action"));
    let respond = table.duration("respond", (0, 86_400_000), Some(0));
    Some(Guide { cause: cause?, consequence: consequence?, action: action?, respond_s: u32::try_from(respond? / 1000).ok()? })
}
