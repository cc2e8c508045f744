//! The present, as pages see it: made by the brain's thread a few times a second, read by everybody, never waited for.
//! Must not know: HTTP, JSON shapes, history.

use brain::event::LinkState;
use brain::notice::OutboxRow;
use brain::words::Words;
use brain::{Alarm, Brain, Micros, Quality, TagId};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Instant;

/// Everything a page can show without asking the store.
#[derive(Clone, Debug, Default)]
pub struct View {
    /// Rises with every publish.
    pub seq: u64,
    /// When it was made. A view that grows old means that the brain stands still.
    pub made: Option<Instant>,
    /// Brain time of this view.
    pub at: Micros,
    /// What people call the plant.
    pub site: Words,
    /// Zone name -> title.
    pub zones: BTreeMap<String, Words>,
    /// Alarms that are not closed, by number.
    pub alarms: BTreeMap<u64, Arc<Alarm>>,
    /// In site order.
    pub tags: Vec<TagRow>,
    /// In site order.
    pub links: Vec<LinkRow>,
    /// In site order.
    pub rules: Vec<RuleRow>,
    /// Notices on their way, and the settled ones still remembered.
    pub notices: BTreeMap<u64, Arc<OutboxRow>>,
    /// Parts and whether they work.
    pub health: Vec<Part>,
    /// Highest record on disk.
    pub durable: u64,
    /// Readings so far.
    pub readings: u64,
}

/// One measured point.
#[derive(Clone, Debug, PartialEq)]
pub struct TagRow {
    /// Stable name.
    pub name: String,
    /// What people call it.
    pub title: Words,
    /// Zone name.
    pub zone: String,
    /// Link name.
    pub link: String,
    /// Unit.
    pub unit: String,
    /// Last value; NaN if never seen.
    pub value: f64,
    /// May it be believed.
    pub quality: Quality,
    /// Source time; 0 if never seen.
    pub source_us: Micros,
    /// Arrival; 0 if never seen.
    pub arrived_us: Micros,
    /// Silent after this.
    pub silent_ms: u64,
}

/// One connection to the field.
#[derive(Clone, Debug, PartialEq)]
pub struct LinkRow {
    /// Name.
    pub name: String,
    /// None until it first reported.
    pub state: Option<LinkState>,
    /// Why.
    pub reason: String,
    /// Since when; 0 = never.
    pub since: Micros,
    /// Payloads that could not be read.
    pub malformed: u64,
    /// What was wrong with the last one.
    pub malformed_sample: String,
}

/// One rule.
#[derive(Clone, Debug, PartialEq)]
pub struct RuleRow {
    /// Name.
    pub name: String,
    /// `id@version`.
    pub plugin: String,
    /// Digest of the component.
    pub digest: String,
    /// Zone name.
    pub zone: String,
    /// Out of use.
    pub quarantined: bool,
    /// Failures so far.
    pub strikes: u64,
    /// The last one.
    pub last_strike: String,
    /// Last answer with findings; 0 = never.
    pub assessed_us: Micros,
    /// Last asked; 0 = never.
    pub consulted_us: Micros,
}

/// One part of the program.
#[derive(Clone, Debug, PartialEq)]
pub struct Part {
    /// `brain`, `journal`, `store`, `links`, `rules`, `notices`.
    pub name: &'static str,
    /// Works.
    pub ok: bool,
    /// For people.
    pub detail: String,
}

/// What the daemon knows and the brain does not.
pub struct Facts {
    /// Highest record on disk.
    pub durable: u64,
    /// Parts outside the brain.
    pub health: Vec<Part>,
}

impl View {
    /// The present of a brain. Alarms and notices that have not changed are shared with the view before.
    pub fn of(brain: &Brain, before: &View, facts: Facts) -> View {
        let site = brain.site();
        let alarms = brain.alarms().filter(|alarm| !alarm.closed).map(|alarm| {
            let known = before.alarms.get(&alarm.id.0).filter(|known| known.as_ref() == alarm);
            (alarm.id.0, known.cloned().unwrap_or_else(|| Arc::new(alarm.clone())))
        });
        let notices = brain.outbox().map(|row| {
            let known = before.notices.get(&row.notice.id.0).filter(|known| same(known, row));
            (row.notice.id.0, known.cloned().unwrap_or_else(|| Arc::new(row.clone())))
        });
        let tags: Vec<TagRow> = site
            .tags
            .iter()
            .enumerate()
            .map(|(index, tag)| {
                let now = brain.tag(TagId(index as u32));
                TagRow {
                    name: tag.name.clone(),
                    title: tag.title.clone(),
                    zone: site.zones[tag.zone].name.clone(),
                    link: site.links[tag.link].clone(),
                    unit: tag.unit.clone(),
                    value: now.value,
                    quality: now.quality,
                    source_us: now.source_us,
                    arrived_us: now.arrived_us,
                    silent_ms: tag.silent_ms,
                }
            })
            .collect();
        let links: Vec<LinkRow> = site
            .links
            .iter()
            .enumerate()
            .map(|(index, name)| match brain.link(index) {
                Some(now) => LinkRow {
                    name: name.clone(),
                    state: Some(now.state),
                    reason: now.reason.clone(),
                    since: now.since,
                    malformed: now.malformed,
                    malformed_sample: now.malformed_sample.clone(),
                },
                None => LinkRow {
                    name: name.clone(),
                    state: None,
                    reason: String::new(),
                    since: 0,
                    malformed: 0,
                    malformed_sample: String::new(),
                },
            })
            .collect();
        let rules: Vec<RuleRow> = site
            .rules
            .iter()
            .enumerate()
            .filter_map(|(index, rule)| {
                let now = brain.rule(index)?;
                Some(RuleRow {
                    name: rule.name.clone(),
                    plugin: rule.plugin.clone(),
                    digest: rule.digest.clone(),
                    zone: site.zones[rule.zone].name.clone(),
                    quarantined: now.quarantined,
                    strikes: now.strikes,
                    last_strike: now.last_strike.clone(),
                    assessed_us: now.assessed_at,
                    consulted_us: now.consulted_at,
                })
            })
            .collect();
        let mut health = facts.health;
        let down: Vec<&str> = links.iter().filter(|l| l.state != Some(LinkState::Up)).map(|l| l.name.as_str()).collect();
        health.push(Part { name: "links", ok: down.is_empty(), detail: down.join(", ") });
        let out: Vec<&str> = rules.iter().filter(|r| r.quarantined).map(|r| r.name.as_str()).collect();
        health.push(Part { name: "rules", ok: out.is_empty(), detail: out.join(", ") });
        View {
            seq: before.seq + 1,
            made: Some(Instant::now()),
            at: brain.now(),
            site: site.title.clone(),
            zones: site.zones.iter().map(|zone| (zone.name.clone(), zone.title.clone())).collect(),
            alarms: alarms.collect(),
            readings: (0..site.tags.len()).map(|index| brain.tag(TagId(index as u32)).count).sum(),
            tags,
            links,
            rules,
            notices: notices.collect(),
            health,
            durable: facts.durable,
        }
    }

    /// Since when the brain has not moved, milliseconds; 0 before its first view.
    pub fn age_ms(&self) -> u64 {
        self.made.map_or(0, |made| u64::try_from(made.elapsed().as_millis()).unwrap_or(u64::MAX))
    }

    /// Notices that nobody's machine has received yet.
    pub fn waiting(&self) -> impl Iterator<Item = &Arc<OutboxRow>> {
        self.notices.values().filter(|row| row.delivery == brain::notice::Delivery::Queued)
    }
}

/// A notice itself never changes; only how far it has come.
fn same(a: &OutboxRow, b: &OutboxRow) -> bool {
    (a.delivery, a.attempts, a.due_at, &a.last_error) == (b.delivery, b.attempts, b.due_at, &b.last_error)
}
