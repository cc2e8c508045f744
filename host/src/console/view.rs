//! The present, as pages see it: made by the brain's thread a few times a second, read by everybody, never waited for.
//! Must not know: HTTP, JSON shapes, history.

use super::rules::Life;
use super::titles::Titles;
use brain::Flooded;
use brain::duty::Duty;
use brain::event::LinkState;
use brain::notice::{Delivery, OutboxRow};
use brain::shelf::OutOfService;
use brain::words::Words;
use brain::{Alarm, Brain, Clock, Micros, Quality, TagId};
use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Instant;

/// Everything a page can show without asking the store.
#[derive(Clone, Debug, Default)]
pub struct View {
    /// Rises with every publish.
    pub seq: u64,
    /// When it was made. A view that grows old means that the brain stands still.
    pub made: Option<Instant>,
    /// The time of this view.
    pub at: Micros,
    /// What people call the plant.
    pub site: Words,
    /// Zone name -> title.
    pub zones: Arc<BTreeMap<String, Words>>,
    /// What else the site file has titles for.
    pub titles: Arc<Titles>,
    /// Alarms that are not closed, by number. The same map as in the view before, where nothing was touched; else the same alarms where those
    /// were not.
    pub alarms: Arc<BTreeMap<u64, Arc<Alarm>>>,
    /// In site order.
    pub tags: Vec<Arc<TagRow>>,
    /// In site order.
    pub links: Vec<LinkRow>,
    /// In site order.
    pub rules: Vec<RuleRow>,
    /// Notices on their way, and the settled ones still remembered; shared like the alarms.
    pub notices: Arc<BTreeMap<u64, Arc<OutboxRow>>>,
    /// Tags out of service, with the times that people read.
    pub out_of_service: Vec<(String, OutOfService)>,
    /// Tags that one of two persons asked to take out of service.
    pub asked: Vec<(String, OutOfService)>,
    /// Logics of the site that suppress at present.
    pub suppressing: Vec<Suppressing>,
    /// Who is on duty, by roster.
    pub duties: Vec<DutyRow>,
    /// The ways to all audiences, in site order.
    pub ways: Vec<WayRow>,
    /// Crews in a flood.
    pub floods: Vec<Flooded>,
    /// Parts and whether they work.
    pub health: Vec<Part>,
    /// Highest record on disk.
    pub durable: u64,
    /// Readings so far.
    pub readings: u64,
    /// How brain time reads on the wall clock: all times here are already those that people read.
    pub clock: Clock,
    /// Marks of the brain's alarms and outbox when this was made; none before the first view of a brain.
    pub marks: Option<(u64, u64)>,
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
    /// Signed without running its cases.
    pub untested: bool,
    /// Zone name.
    pub zone: String,
    /// Out of use for its failures.
    pub quarantined: bool,
    /// Its component could not be loaded.
    pub lost: bool,
    /// When that ends by itself.
    pub returns_us: Option<Micros>,
    /// Failures so far.
    pub strikes: u64,
    /// The last one.
    pub last_strike: String,
    /// Last answer with findings; 0 = never.
    pub assessed_us: Micros,
    /// Last asked; 0 = never.
    pub consulted_us: Micros,
    /// Which component runs, and what may run instead.
    pub life: Life,
}

/// A logic of the site that suppresses.
#[derive(Clone, Debug, PartialEq)]
pub struct Suppressing {
    /// Name.
    pub name: String,
    /// What people call it.
    pub title: Words,
    /// Zone name.
    pub zone: String,
    /// Hazards it suppresses there.
    pub hazards: Vec<String>,
}

/// Who is on duty by one roster.
#[derive(Clone, Debug, PartialEq)]
pub struct DutyRow {
    /// Name.
    pub name: String,
    /// What people call it.
    pub title: Words,
    /// In brain time.
    pub duty: Duty,
    /// Everybody whom it names.
    pub people: Vec<String>,
    /// See [`brain::calendar::Roster::begins`].
    pub begins: Vec<u16>,
    /// See [`Brain::next_shift`].
    pub next: Option<(Micros, Vec<String>)>,
}

/// The way to one audience.
#[derive(Clone, Debug, PartialEq)]
pub struct WayRow {
    /// Audience name.
    pub audience: String,
    /// Messages a minute that its channel takes, or each of so many `numbers`.
    pub per_minute: Option<u32>,
    /// The same in an hour.
    pub per_hour: Option<u32>,
    /// The same in 24 hours.
    pub per_day: Option<u32>,
    /// Numbers for each of which these count by itself; 1 = they count for the channel.
    pub numbers: u32,
    /// Notices that wait for their turn because of that.
    pub held: usize,
    /// The last time that it took anything; 0 = never.
    pub heard_at: Micros,
    /// Every try has failed since then; 0 = it hears us.
    pub failing_since: Micros,
    /// It is a siren or beacon: it can be tested.
    pub annunciator: bool,
    /// Its last test, at a time that people read.
    pub tested: Option<brain::Tested>,
}

/// One part of the program.
#[derive(Clone, Debug, PartialEq)]
pub struct Part {
    /// `brain`, `journal`, `clock`, `store`, `links`, `rules`, `notices`.
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
    /// The present of a brain; `before` is its view before, or the empty one. What has not changed is shared with it, and not even looked at
    /// where the brain says that it was not touched: an alarm that stands costs nothing.
    pub fn of(brain: &Brain, before: &View, facts: Facts) -> View {
        let site = brain.site();
        let (marks, clock) = ((brain.alarms_mark(), brain.outbox_mark()), brain.clock());
        let seen = before.marks.filter(|_| before.clock == *clock);
        let alarms = match seen {
            Some((seen, _)) if seen == marks.0 => Arc::clone(&before.alarms),
            _ => {
                let open = brain.alarms_shared().filter(|alarm| !alarm.closed).map(|alarm| (alarm.id.0, alarm));
                shared(&before.alarms, open, |alarm| clock.alarm(alarm), Alarm::eq)
            }
        };
        let notices = match seen {
            Some((_, seen)) if seen == marks.1 => Arc::clone(&before.notices),
            _ => {
                let rows = brain.outbox_shared().map(|row| (row.notice.id.0, row));
                shared(&before.notices, rows, |row| clock.row(row), same)
            }
        };
        let zones = match before.marks {
            Some(_) => Arc::clone(&before.zones),
            None => Arc::new(site.zones.iter().map(|zone| (zone.name.clone(), zone.title.clone())).collect()),
        };
        // People may have put another component in a rule's place, which calls its hazards something else.
        let same_rules = before.rules.iter().map(|row| &row.digest).eq(site.rules.iter().map(|rule| &rule.digest));
        let titles = match before.marks {
            Some(_) if same_rules => Arc::clone(&before.titles),
            _ => Arc::new(Titles::of(site)),
        };
        let tag = |(index, tag): (usize, &brain::site::Tag)| {
            let now = brain.tag(TagId(index as u32));
            let (source_us, arrived_us) = (clock.wall(now.source_us), clock.wall(now.arrived_us));
            let is_now = |row: &&Arc<TagRow>| {
                (row.value.to_bits(), row.quality, row.source_us, row.arrived_us)
                    == (now.value.to_bits(), now.quality, source_us, arrived_us)
            };
            before.tags.get(index).filter(is_now).cloned().unwrap_or_else(|| {
                Arc::new(TagRow {
                    name: tag.name.clone(),
                    title: tag.title.clone(),
                    zone: site.zones[tag.zone].name.clone(),
                    link: site.links[tag.link].clone(),
                    unit: tag.unit.clone(),
                    value: now.value,
                    quality: now.quality,
                    source_us,
                    arrived_us,
                    silent_ms: tag.silent_ms,
                })
            })
        };
        let tags: Vec<Arc<TagRow>> = site.tags.iter().enumerate().map(tag).collect();
        let links: Vec<LinkRow> = site
            .links
            .iter()
            .enumerate()
            .map(|(index, name)| match brain.link(index) {
                Some(now) => LinkRow {
                    name: name.clone(),
                    state: Some(now.state),
                    reason: now.reason.clone(),
                    since: clock.wall(now.since),
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
                    untested: rule.untested,
                    zone: site.zones[rule.zone].name.clone(),
                    quarantined: now.quarantined,
                    lost: now.lost,
                    returns_us: now.returns_at.filter(|_| now.quarantined).map(|at| clock.wall(at)),
                    strikes: now.strikes,
                    last_strike: now.last_strike.clone(),
                    assessed_us: clock.wall(now.assessed_at),
                    consulted_us: clock.wall(now.consulted_at),
                    life: brain.stages(index).map(|stages| Life::of(stages, brain.now(), clock)).unwrap_or_default(),
                })
            })
            .collect();
        let mut health = facts.health;
        let down: Vec<&str> = links.iter().filter(|l| l.state != Some(LinkState::Up)).map(|l| l.name.as_str()).collect();
        health.push(Part { name: "links", ok: down.is_empty(), detail: down.join(", ") });
        let out: Vec<&str> =
            rules.iter().filter(|r| r.quarantined || r.lost || r.life.disabled.is_some()).map(|r| r.name.as_str()).collect();
        health.push(Part { name: "rules", ok: out.is_empty(), detail: out.join(", ") });
        health.push(bureau_line(&notices, brain.now()));
        View {
            seq: before.seq + 1,
            made: Some(Instant::now()),
            at: clock.wall(brain.now()),
            site: site.title.clone(),
            zones,
            titles,
            alarms,
            readings: (0..site.tags.len()).map(|index| brain.tag(TagId(index as u32)).count).sum(),
            tags,
            links,
            rules,
            notices,
            out_of_service: of_tags(brain.out_of_services(), clock),
            asked: of_tags(brain.asked_out_of_service(), clock),
            suppressing: suppressing(brain),
            duties: duties(brain),
            ways: ways(brain),
            floods: brain.floods().map(|flood| Flooded { since: clock.wall(flood.since), ..flood }).collect(),
            health,
            durable: facts.durable,
            clock: clock.clone(),
            marks: Some(marks),
        }
    }

    /// Since when the brain has not moved, milliseconds; 0 before its first view.
    pub fn age_ms(&self) -> u64 {
        self.made.map_or(0, |made| u64::try_from(made.elapsed().as_millis()).unwrap_or(u64::MAX))
    }

    /// Notices that nobody's machine has received yet.
    pub fn waiting(&self) -> impl Iterator<Item = &Arc<OutboxRow>> {
        self.notices.values().filter(|row| row.delivery == Delivery::Queued)
    }
}

fn of_tags<'b>(tags: impl Iterator<Item = (&'b str, &'b OutOfService)>, clock: &Clock) -> Vec<(String, OutOfService)> {
    let wall = |of: &OutOfService| OutOfService { from: clock.wall(of.from), until: clock.wall(of.until), ..of.clone() };
    tags.map(|(tag, of)| (tag.to_owned(), wall(of))).collect()
}

fn duties(brain: &Brain) -> Vec<DutyRow> {
    let row = |(roster, duty): (&brain::calendar::Roster, Duty)| DutyRow {
        name: roster.name.clone(),
        title: roster.title.clone(),
        duty,
        people: roster.everybody(),
        begins: roster.begins(),
        next: brain.next_shift(roster),
    };
    brain.duties().map(row).collect()
}

fn ways(brain: &Brain) -> Vec<WayRow> {
    let reached: BTreeMap<String, brain::Reached> = brain.reached().map(|way| (way.audience.clone(), way)).collect();
    let wall = |at: Option<Micros>| brain.clock().wall(at.unwrap_or(0));
    let row = |about: &brain::site::Audience| {
        let way = reached.get(&about.name);
        WayRow {
            audience: about.name.clone(),
            per_minute: about.per_minute,
            per_hour: about.per_hour,
            per_day: about.per_day,
            numbers: about.numbers,
            held: way.map_or(0, |way| way.held),
            heard_at: wall(way.and_then(|way| way.heard_at)),
            failing_since: wall(way.and_then(|way| way.failing_since)),
            annunciator: about.annunciator,
            tested: way
                .and_then(|way| way.tested.clone())
                .map(|tested| brain::Tested { at: brain.clock().wall(tested.at), ..tested }),
        }
    };
    brain.site().audiences.iter().map(row).collect()
}

fn suppressing(brain: &Brain) -> Vec<Suppressing> {
    let row = |about: &brain::site::Suppression| Suppressing {
        name: about.name.clone(),
        title: about.title.clone(),
        zone: brain.site().zones[about.zone].name.clone(),
        hazards: about.hazards.clone(),
    };
    brain.suppressing().map(row).collect()
}

/// A message to the bureau without a receipt for this long is late: as long as the brain gives it before it tells the plant.
const LATE_US: Micros = 60_000_000;

/// Whether the bureau hears us: not where a message is late, or was refused and none made after it was taken.
fn bureau_line(notices: &BTreeMap<u64, Arc<OutboxRow>>, now: Micros) -> Part {
    let mut heard = BTreeSet::new();
    let mut faults = BTreeMap::new();
    for row in notices.values().rev().filter(|row| row.notice.bureau) {
        let (audience, error) = (row.notice.audience.as_str(), row.last_error.as_str());
        let waited = now.saturating_sub(row.made_at());
        match row.delivery {
            Delivery::Received | Delivery::Acknowledged => drop(heard.insert(audience)),
            Delivery::Queued if waited > LATE_US => {
                faults.insert(audience, format!("{audience}: no receipt for {} s: {error}", waited / 1_000_000));
            }
            Delivery::Rejected if !heard.contains(audience) => {
                faults.entry(audience).or_insert_with(|| format!("{audience}: refused {}: {error}", row.notice.identifier));
            }
            Delivery::Queued | Delivery::Rejected | Delivery::Superseded | Delivery::Expired => {}
        }
    }
    let detail = faults.into_values().collect::<Vec<_>>().join("; ");
    Part { name: "notices", ok: detail.is_empty(), detail }
}

/// Rows as they are now, read by the clock: shared with the brain where it reads them as they are, else with `before` where they are the same; and so
/// is the whole map where all of them are.
fn shared<'r, T: Clone + 'r>(
    before: &Arc<BTreeMap<u64, Arc<T>>>,
    rows: impl Iterator<Item = (u64, &'r Arc<T>)>,
    read: impl Fn(&'r T) -> Cow<'r, T>,
    is_same: impl Fn(&T, &T) -> bool,
) -> Arc<BTreeMap<u64, Arc<T>>> {
    let mut kept = 0;
    let now: BTreeMap<u64, Arc<T>> = rows
        .map(|(number, row)| {
            let known = before.get(&number);
            let now = match (read(row), known) {
                (Cow::Borrowed(_), _) => Arc::clone(row),
                (Cow::Owned(now), Some(known)) if is_same(known, &now) => Arc::clone(known),
                (Cow::Owned(now), _) => Arc::new(now),
            };
            kept += usize::from(known.is_some_and(|known| Arc::ptr_eq(known, &now)));
            (number, now)
        })
        .collect();
    if kept == before.len() && kept == now.len() { Arc::clone(before) } else { Arc::new(now) }
}

/// A notice itself never changes; only how far it has come.
fn same(a: &OutboxRow, b: &OutboxRow) -> bool {
    (a.delivery, a.attempts, a.due_at, a.received_at, a.accepted_at, a.again, &a.last_error)
        == (b.delivery, b.attempts, b.due_at, b.received_at, b.accepted_at, b.again, &b.last_error)
}
