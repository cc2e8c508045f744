//! The brain's state between two lives: read back from a snapshot, and carried over to a changed site by names.
//! Must not know: where snapshots are kept, when they are made.

use crate::alarm::{Alarm, AlarmId, AlarmKey, Condition, Source};
use crate::backlog::waiting;
use crate::brain::{Brain, LinkNow};
use crate::builtin::Builtin;
use crate::clock::Clock;
use crate::design::{Holds, Service};
use crate::duty::Duty;
use crate::event::{Act, Effect, Refusal};
use crate::gate::Gate;
use crate::guard::{Watch, limit_key};
use crate::habit::{Flood, Habit};
use crate::name::Names;
use crate::notice::{Delivery, NoticeId, OutboxRow};
use crate::outbox::Chain;
use crate::reading::{Micros, TagId};
use crate::rule::RuleState;
use crate::shared::Shared;
use crate::site::{Site, Suppression, Tag};
use crate::stages::{Stages, carried};
use crate::table::TagState;
use crate::timer::{Timer, Timers};
use serde::{Deserialize, Serializer};
use std::collections::{BTreeMap, BTreeSet, VecDeque};

/// A snapshot read back: what [`Brain`] serialized.
#[derive(Deserialize)]
pub struct Saved {
    site: Site,
    now: Micros,
    #[serde(default)]
    clock: Clock,
    timers: Timers,
    table: Vec<TagState>,
    watches: Vec<Watch>,
    doubted: Vec<bool>,
    names: Vec<Option<TagId>>,
    links: Vec<Option<LinkNow>>,
    rules: Vec<RuleState>,
    /// None in what version 0.1.0 wrote: the site file's component runs everywhere.
    #[serde(default)]
    stages: Vec<Stages>,
    alarms: BTreeMap<AlarmId, Alarm>,
    closed: VecDeque<AlarmId>,
    next_alarm: u64,
    climbs: BTreeMap<AlarmId, Micros>,
    #[serde(default)]
    habits: BTreeMap<AlarmId, Habit>,
    #[serde(default)]
    floods: BTreeMap<String, Flood>,
    #[serde(default)]
    logics: BTreeMap<String, Holds>,
    #[serde(default)]
    services: BTreeMap<String, Service>,
    #[serde(default)]
    duties: BTreeMap<String, Duty>,
    #[serde(default)]
    gates: BTreeMap<String, Gate>,
    outbox: BTreeMap<NoticeId, OutboxRow>,
    chains: Vec<((AlarmId, usize), Chain)>,
    #[serde(default)]
    accidents: Vec<((AlarmId, usize), Chain)>,
    settled: VecDeque<NoticeId>,
    next_notice: u64,
    #[serde(default)]
    series: String,
    #[serde(default)]
    names_given: Names,
    answered: BTreeMap<String, Result<(), Refusal>>,
    answered_order: VecDeque<String>,
    #[serde(default)]
    acts: BTreeMap<String, Act>,
    watched_until: Option<Micros>,
    #[serde(default)]
    exercise_over: bool,
    unknown_tags: u64,
}

/// A map whose keys JSON cannot have, as a list.
pub(crate) fn pairs<S: Serializer>(map: &BTreeMap<(AlarmId, usize), Chain>, to: S) -> Result<S::Ok, S::Error> {
    to.collect_seq(map)
}

impl Saved {
    /// The brain as it was. None where the parts do not fit each other: another program wrote it, or it is damaged.
    pub fn wake(self) -> Option<Brain> {
        let tags = self.site.tags.len();
        let fits = [self.table.len(), self.watches.len(), self.doubted.len()] == [tags; 3]
            && self.watches.iter().zip(&self.site.tags).all(|(watch, tag)| watch.fits(tag))
            && self.links.len() == self.site.links.len()
            && self.rules.len() == self.site.rules.len()
            && self.rules.iter().zip(&self.site.rules).all(|(state, rule)| state.fits(rule.hazards.len()))
            && (self.stages.is_empty() || self.stages.len() == self.site.rules.len())
            && self.stages.iter().zip(&self.site.rules).all(|(stages, rule)| stages.fits(rule));
        if !fits || !self.site.holds_together() || !self.names.iter().flatten().all(|tag| (tag.0 as usize) < tags) {
            return None;
        }
        if !self.timers.iter().all(|(_, timer)| is_about(timer, &self.site)) {
            return None;
        }
        let mut brain = Brain::new(self.site);
        (brain.now, brain.timers, brain.watched_until, brain.unknown_tags) =
            (self.now, self.timers, self.watched_until, self.unknown_tags);
        (brain.clock, brain.exercise_over) = (self.clock, self.exercise_over);
        (brain.table, brain.watches, brain.doubted, brain.names) = (self.table, self.watches, self.doubted, self.names);
        (brain.links, brain.rules) = (self.links, self.rules);
        if !self.stages.is_empty() {
            brain.stages = self.stages;
        }
        (brain.alarms, brain.closed, brain.next_alarm, brain.climbs) =
            (self.alarms.into(), self.closed, self.next_alarm, self.climbs);
        (brain.outbox, brain.settled, brain.next_notice) = (self.outbox.into(), self.settled, self.next_notice);
        (brain.names_given, brain.series) = (self.names_given, self.series);
        brain.chains = self.chains.into_iter().collect();
        brain.accidents = self.accidents.into_iter().collect();
        brain.waiting = waiting([&brain.chains, &brain.accidents], brain.site.audiences.len());
        (brain.answered, brain.answered_order, brain.acts) = (self.answered, self.answered_order, self.acts);
        (brain.habits, brain.floods, brain.logics, brain.services) = (self.habits, self.floods, self.logics, self.services);
        (brain.duties, brain.gates) = (self.duties, self.gates);
        brain.open = standing(&brain.alarms);
        brain.groups = grouped(&brain.alarms);
        brain.refused = brain.outbox.values().filter(|row| row.again).map(OutboxRow::place).collect();
        Some(brain)
    }
}

/// A point of another zone or unit is another point, whatever its name.
fn is_same(old: &Site, known: &Tag, new: &Site, tag: &Tag) -> bool {
    (&known.name, &known.unit, &known.quantity) == (&tag.name, &tag.unit, &tag.quantity)
        && old.zones[known.zone].name == new.zones[tag.zone].name
}

/// Whether what falls due is about something of this site.
fn is_about(timer: Timer, site: &Site) -> bool {
    let (tag, rule) = (|id: u32| site.tags.get(id as usize), |index: u32| site.rules.get(index as usize));
    match timer {
        Timer::Silent(id) | Timer::Frozen(id) | Timer::Fault(id) => tag(id).is_some(),
        Timer::Limit(id, limit) => tag(id).is_some_and(|tag| (limit as usize) < tag.limits.len()),
        Timer::Link(link) => (link as usize) < site.links.len(),
        Timer::Lease(index, hazard) => rule(index).is_some_and(|rule| (hazard as usize) < rule.hazards.len()),
        Timer::Ask(index) | Timer::Stage(index) | Timer::Return(index) => rule(index).is_some(),
        Timer::Gate(audience) | Timer::Renew(_, audience) => (audience as usize) < site.audiences.len(),
        Timer::Rung(_)
        | Timer::Resend(_)
        | Timer::Undelivered(_)
        | Timer::Clock
        | Timer::Life(_)
        | Timer::Logic
        | Timer::Duty => true,
    }
}

fn standing(alarms: &Shared<AlarmId, Alarm>) -> BTreeMap<AlarmKey, AlarmId> {
    alarms.values().filter(|alarm| !alarm.closed).map(|alarm| (alarm.key.clone(), alarm.id)).collect()
}

/// A logic with the names instead of the places.
fn tags_of(site: &Site, about: &Option<Suppression>) -> Option<(String, String, Suppression)> {
    let about = about.as_ref()?;
    let (tag, zone) = (site.tags[about.tag.0 as usize].name.clone(), site.zones[about.zone].name.clone());
    Some((tag, zone, Suppression { tag: TagId(0), zone: 0, ..about.clone() }))
}

fn grouped(alarms: &Shared<AlarmId, Alarm>) -> BTreeMap<String, BTreeSet<AlarmId>> {
    let mut groups: BTreeMap<String, BTreeSet<AlarmId>> = BTreeMap::new();
    for alarm in alarms.values().filter(|alarm| !alarm.closed) {
        groups.entry(alarm.group.clone()).or_default().insert(alarm.id);
    }
    groups
}

impl Brain {
    /// The same plant under a changed site, to be called before the [`crate::Event::Started`] that names it. What has the same name and
    /// the same meaning keeps its state; alarms, notices and what is owed stay whatever changed.
    #[must_use]
    pub fn reconfigured(&self, site: Site) -> Brain {
        let old = self;
        let mut new = Brain::new(site);
        let tag = |tag: &Tag| {
            let was = old.tags.get(&tag.name)?.0 as usize;
            is_same(&old.site, &old.site.tags[was], &new.site, tag).then_some(was)
        };
        let tags: Vec<Option<usize>> = new.site.tags.iter().map(tag).collect();
        let tag_now: BTreeMap<usize, usize> = tags.iter().enumerate().filter_map(|(id, was)| Some(((*was)?, id))).collect();
        for (id, was) in tags.iter().enumerate() {
            let Some(was) = *was else { continue };
            let (now, before) = (&new.site.tags[id], &old.site.tags[was]);
            new.table[id] = old.table[was].clone();
            new.doubted[id] = old.doubted[was];
            new.watches[id] = if before.limits == now.limits {
                old.watches[was].clone()
            } else {
                let alarm = |hazard: &str| old.open.get(&limit_key(&new.site, now, hazard)).and_then(|id| old.alarms.get(id));
                Watch::standing(now, |hazard| alarm(hazard).filter(|alarm| alarm.condition == Condition::Active))
            };
        }
        // Another component is another rule: it gets its own chance.
        let rules = carried(old, &mut new);
        let audience = |index: usize| {
            let name = &old.site.audiences.get(index)?.name;
            new.site.audiences.iter().position(|audience| audience.name == *name)
        };
        for (from, to) in [(&old.chains, &mut new.chains), (&old.accidents, &mut new.accidents)] {
            to.extend(from.iter().filter_map(|((alarm, index), chain)| Some(((*alarm, audience(*index)?), chain.clone()))));
        }
        new.waiting = waiting([&new.chains, &new.accidents], new.site.audiences.len());
        let rule_now = |was: u32| rules.iter().position(|place| *place == Some(was as usize));
        for (due, timer) in old.timers.iter() {
            let moved = match timer {
                // Set anew by the start.
                Timer::Silent(_) | Timer::Frozen(_) | Timer::Link(_) | Timer::Ask(_) => None,
                Timer::Limit(tag, limit) => tag_now
                    .get(&(tag as usize))
                    .filter(|id| (limit as usize) < new.site.tags[**id].limits.len())
                    .map(|id| Timer::Limit(*id as u32, limit)),
                Timer::Fault(tag) => tag_now.get(&(tag as usize)).map(|id| Timer::Fault(*id as u32)),
                Timer::Lease(rule, hazard) => rule_now(rule)
                    .filter(|index| (hazard as usize) < new.site.rules[*index].hazards.len())
                    .map(|index| Timer::Lease(index as u32, hazard)),
                Timer::Stage(rule) => rule_now(rule).map(|index| Timer::Stage(index as u32)),
                Timer::Return(rule) => rule_now(rule).map(|index| Timer::Return(index as u32)),
                Timer::Renew(alarm, index) => audience(index as usize).map(|index| Timer::Renew(alarm, index as u32)),
                Timer::Gate(index) => audience(index as usize).map(|index| Timer::Gate(index as u32)),
                // Set anew by the start too.
                Timer::Duty => None,
                Timer::Rung(_) | Timer::Resend(_) | Timer::Undelivered(_) | Timer::Clock | Timer::Life(_) | Timer::Logic => {
                    Some(timer)
                }
            };
            if let Some(timer) = moved {
                new.timers.at(due, timer);
            }
        }
        // A logic or a permit goes on where it means the same.
        let same = |name: &str, of: &Site| of.suppressions.iter().find(|about| about.name == name).cloned();
        let goes_on = |name: &String| tags_of(&old.site, &same(name, &old.site)) == tags_of(&new.site, &same(name, &new.site));
        new.logics = old.logics.clone().into_iter().filter(|(name, _)| goes_on(name)).collect();
        let stays = |name: &String| new.tags.get(name).is_some_and(|id| tags[id.0 as usize].is_some());
        new.services = old.services.clone().into_iter().filter(|(name, _)| stays(name)).collect();
        let known = |name: &String| new.site.rosters.iter().any(|roster| roster.name == *name);
        new.duties = old.duties.clone().into_iter().filter(|(name, _)| known(name)).collect();
        let known = |name: &String| new.site.audiences.iter().any(|audience| audience.name == *name);
        new.gates = old.gates.clone().into_iter().filter(|(name, _)| known(name)).collect();
        (new.habits, new.groups, new.floods) = (old.habits.clone(), old.groups.clone(), old.floods.clone());
        (new.clock, new.exercise_over) = (old.clock.clone(), old.exercise_over);
        (new.now, new.watched_until, new.unknown_tags) = (old.now, old.watched_until, old.unknown_tags);
        (new.open, new.alarms, new.closed) = (old.open.clone(), old.alarms.clone(), old.closed.clone());
        (new.climbs, new.outbox, new.settled) = (old.climbs.clone(), old.outbox.clone(), old.settled.clone());
        new.refused = old.refused.clone();
        (new.next_alarm, new.next_notice) = (old.next_alarm, old.next_notice);
        (new.names_given, new.series) = (old.names_given, old.series.clone());
        (new.answered, new.answered_order, new.acts) = (old.answered.clone(), old.answered_order.clone(), old.acts.clone());
        new
    }

    /// Alarms that nothing under this site can ever clear, because a person took their tag, limit or rule out of it, are clear. They stay
    /// until a person has acknowledged and closed them.
    pub(crate) fn clear_orphans(&mut self, out: &mut Vec<Effect>) {
        let orphans: Vec<AlarmKey> = self.open.keys().filter(|key| !self.is_watched(key)).cloned().collect();
        for key in orphans {
            self.clear(&key, out);
        }
    }

    /// Notices owed to an audience that a person took out of the site go to nobody: they are off the queue, with the reason.
    pub(crate) fn reject_orphans(&mut self, out: &mut Vec<Effect>) {
        let known = |name: &str| self.site.audiences.iter().any(|audience| audience.name == name);
        let owed = self.outbox.values().filter(|row| row.is_owed() && !known(&row.notice.audience));
        let orphans: Vec<NoticeId> = owed.map(|row| row.notice.id).collect();
        for id in orphans {
            let Some(row) = self.outbox.get_mut(&id) else { continue };
            row.delivery = Delivery::Rejected;
            row.last_error = format!("audience {} is no longer in the site", row.notice.audience);
            if row.again {
                self.let_go(id, out);
            } else {
                out.push(Effect::Delivery { notice: id });
                self.remember(id);
            }
        }
    }

    fn is_watched(&self, key: &AlarmKey) -> bool {
        let rule_has = |rule: &str, hazard: &str| {
            let mut all = self.site.rules.iter().zip(&self.stages).filter(|(about, _)| about.name == rule);
            all.any(|(about, stages)| about.hazards.iter().chain(&stages.gone).any(|known| known.id == hazard))
        };
        let hazard = key.hazard.as_str();
        match &key.source {
            Source::Rule(rule) => rule_has(rule, hazard),
            Source::Guard if key.object.is_empty() => true,
            Source::Guard
                if [Builtin::Rejected, Builtin::Undelivered, Builtin::Full, Builtin::Anchor, Builtin::Unstaffed]
                    .iter()
                    .any(|own| own.id() == hazard) =>
            {
                self.site.audiences.iter().any(|audience| audience.name == key.object)
            }
            Source::Guard if hazard == Builtin::HandOver.id() => self.site.rosters.iter().any(|roster| roster.name == key.object),
            // The daemon says when it is over.
            Source::Guard if hazard == Builtin::Heartbeat.id() => true,
            Source::Guard if hazard == Builtin::Link.id() => self.site.links.contains(&key.object),
            Source::Guard if hazard == Builtin::Blind.id() => {
                key.object.split_once('/').is_some_and(|(rule, hazard)| rule_has(rule, hazard))
            }
            Source::Guard
                if [Builtin::Disabled, Builtin::FellBack, Builtin::Lost, Builtin::BaseLost]
                    .iter()
                    .any(|own| own.id() == hazard) =>
            {
                self.site.rules.iter().any(|rule| rule.name == key.object)
            }
            Source::Guard => {
                let own = [Builtin::Silent, Builtin::Frozen, Builtin::Impossible].iter().any(|own| own.id() == hazard);
                self.tag_named(&key.object).is_some_and(|tag| {
                    let in_zone = self.site.zones[tag.zone].name == key.zone;
                    in_zone && (own || tag.limits.iter().any(|limit| limit.hazard == hazard))
                })
            }
        }
    }
}
