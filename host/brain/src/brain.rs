//! The one entry: events in, effects out. Owns the whole state and the order in which the parts decide.
//! Must not know: anything outside this crate.

use crate::alarm::{Alarm, AlarmId, AlarmKey, Source};
use crate::builtin::Builtin;
use crate::clock::Clock;
use crate::design::{Holds, Service};
use crate::duty::Duty;
use crate::event::{Act, Change, Effect, Event, LinkState, Refusal, Row, StoragePart};
use crate::gate::Gate;
use crate::guard::{Watch, builtin};
use crate::habit::{Flood, Habit};
use crate::life::Claim;
use crate::name::Names;
use crate::notice::{NoticeId, OutboxRow};
use crate::outbox::Chain;
use crate::reading::{Micros, Quality, Reading, TagId};
use crate::rule::RuleState;
use crate::shared::Shared;
use crate::site::{Ladder, Severity, Site, Tag, Zone};
use crate::stages::Stages;
use crate::table::{TagState, Taken};
use crate::timer::{Timer, Timers, ms};
use crate::words::Text;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet, VecDeque};

/// A stop shorter than this is a restart, not a gap.
const GAP_US: Micros = 10_000_000;

/// The whole state of the plant as far as decisions go. Fields are private: who judges it sees events and effects only.
///
/// Serialized, it is a snapshot, read back as [`crate::Saved`]. What follows from other fields is not part of it.
#[derive(Clone, Serialize)]
pub struct Brain {
    pub(crate) site: Site,
    /// The site's tags by name.
    #[serde(skip)]
    pub(crate) tags: BTreeMap<String, TagId>,
    pub(crate) now: Micros,
    pub(crate) clock: Clock,
    pub(crate) timers: Timers,
    pub(crate) table: Vec<TagState>,
    pub(crate) watches: Vec<Watch>,
    /// Tags that cannot be believed at present.
    pub(crate) doubted: Vec<bool>,
    /// Journal's tag number -> this site's tag. Journals outlive configurations.
    pub(crate) names: Vec<Option<TagId>>,
    pub(crate) links: Vec<Option<LinkNow>>,
    pub(crate) rules: Vec<RuleState>,
    /// Which component runs in the place of each rule.
    pub(crate) stages: Vec<Stages>,
    /// Tag -> (rule, handle).
    #[serde(skip)]
    pub(crate) bound: Vec<Vec<(usize, u32)>>,
    /// Rows on their way to each rule; empty between steps.
    #[serde(skip)]
    pub(crate) rows: Vec<Vec<Row>>,
    pub(crate) alarms: Shared<AlarmId, Alarm>,
    #[serde(skip)]
    pub(crate) open: BTreeMap<AlarmKey, AlarmId>,
    pub(crate) closed: VecDeque<AlarmId>,
    pub(crate) next_alarm: u64,
    /// When the present stretch without an answer began.
    pub(crate) climbs: BTreeMap<AlarmId, Micros>,
    /// What is remembered of open alarms that rise and clear.
    pub(crate) habits: BTreeMap<AlarmId, Habit>,
    /// Open alarms by group.
    #[serde(skip)]
    pub(crate) groups: BTreeMap<String, BTreeSet<AlarmId>>,
    /// New alarms by crew.
    pub(crate) floods: BTreeMap<String, Flood>,
    /// Logics of the site that hold, by name.
    pub(crate) logics: BTreeMap<String, Holds>,
    /// Tags out of service, by name.
    pub(crate) services: BTreeMap<String, Service>,
    /// Who is on duty, by roster.
    pub(crate) duties: BTreeMap<String, Duty>,
    /// What was told to each audience lately, and what waits for its turn, by name.
    pub(crate) gates: BTreeMap<String, Gate>,
    pub(crate) outbox: Shared<NoticeId, OutboxRow>,
    #[serde(serialize_with = "crate::saved::pairs")]
    pub(crate) chains: BTreeMap<(AlarmId, usize), Chain>,
    /// The same of what is said of accidents.
    #[serde(serialize_with = "crate::saved::pairs")]
    pub(crate) accidents: BTreeMap<(AlarmId, usize), Chain>,
    /// Notices of these chains that wait, by audience.
    #[serde(skip)]
    pub(crate) waiting: Vec<usize>,
    pub(crate) settled: VecDeque<NoticeId>,
    /// By audience: nothing with a lower number is owed there.
    #[serde(skip)]
    pub(crate) floors: Vec<u64>,
    /// Rows of the outbox that a machine refused and that are owed: audience, alarm, number.
    #[serde(skip)]
    pub(crate) refused: BTreeSet<(String, AlarmId, NoticeId)>,
    pub(crate) next_notice: u64,
    /// See [`Event::Started`].
    pub(crate) series: String,
    /// After GB/T 35965.1.
    pub(crate) names_given: Names,
    pub(crate) answered: BTreeMap<String, Result<(), Refusal>>,
    pub(crate) answered_order: VecDeque<String>,
    /// What each of them asked, so that a key used twice by mistake is not taken for a repetition.
    pub(crate) acts: BTreeMap<String, Act>,
    /// Last moment that anything was watched; none before the first start.
    pub(crate) watched_until: Option<Micros>,
    /// Nothing that happens is put on record.
    #[serde(skip)]
    pub(crate) unrecorded: bool,
    /// The drill is over, and its end was told.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub(crate) exercise_over: bool,
    pub(crate) unknown_tags: u64,
}

/// A tag as last known, for screens.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct TagNow {
    /// Last value, tag unit; NaN if never seen.
    #[serde(with = "crate::words::number")]
    pub value: f64,
    /// As judged by link and brain together.
    pub quality: Quality,
    /// Source time of the last reading; 0 if never seen.
    pub source_us: Micros,
    /// Arrival of the last reading; 0 if never seen.
    pub arrived_us: Micros,
    /// Readings so far.
    pub count: u64,
}

/// A link as last known, for screens.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct LinkNow {
    /// Present state.
    pub state: LinkState,
    /// Why.
    pub reason: String,
    /// Since when.
    pub since: Micros,
    /// Payloads that could not be read, so far.
    pub malformed: u64,
    /// What was wrong with the last one.
    pub malformed_sample: String,
}

/// A rule as last known, for screens.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RuleNow {
    /// Out of use for its failures.
    pub quarantined: bool,
    /// Out of use because a person said so.
    #[serde(default)]
    pub disabled: bool,
    /// Out of use because nothing that can run was there at the start.
    #[serde(default)]
    pub lost: bool,
    /// Has not answered since the start or its release: its silence does not yet mean that it works.
    pub restate: bool,
    /// Failures so far.
    pub strikes: u64,
    /// The last one.
    pub last_strike: String,
    /// When it last answered with findings; 0 = never.
    pub assessed_at: Micros,
    /// When it was last asked; 0 = never.
    pub consulted_at: Micros,
    /// When its quarantine ends by itself; none: it does not.
    #[serde(default)]
    pub returns_at: Option<Micros>,
    /// It came back by itself since a person last let it: the next quarantine does not end so.
    #[serde(default)]
    pub returned: bool,
}

impl RuleNow {
    /// Out of use, for whatever reason.
    pub fn is_out(&self) -> bool {
        self.quarantined || self.disabled || self.lost
    }
}

impl Brain {
    /// A brain that has seen nothing. `site` comes from the checked configuration: its indexes are valid.
    pub fn new(site: Site) -> Self {
        let mut bound = vec![Vec::new(); site.tags.len()];
        for (rule, about) in site.rules.iter().enumerate() {
            for (handle, tag) in about.inputs.iter().enumerate() {
                bound[tag.0 as usize].push((rule, handle as u32));
            }
        }
        let ids = (0..).map(TagId);
        Brain {
            tags: site.tags.iter().map(|tag| tag.name.clone()).zip(ids).collect(),
            now: 0,
            clock: Clock::default(),
            timers: Timers::default(),
            table: site.tags.iter().map(|_| TagState::new()).collect(),
            watches: site.tags.iter().map(Watch::new).collect(),
            doubted: vec![false; site.tags.len()],
            names: (0..site.tags.len() as u32).map(|id| Some(TagId(id))).collect(),
            links: vec![None; site.links.len()],
            rules: site.rules.iter().map(|rule| RuleState::new(rule.hazards.len())).collect(),
            stages: site.rules.iter().cloned().map(Stages::new).collect(),
            rows: vec![Vec::new(); site.rules.len()],
            bound,
            alarms: Shared::default(),
            open: BTreeMap::new(),
            closed: VecDeque::new(),
            next_alarm: 1,
            climbs: BTreeMap::new(),
            habits: BTreeMap::new(),
            groups: BTreeMap::new(),
            floods: BTreeMap::new(),
            logics: BTreeMap::new(),
            services: BTreeMap::new(),
            duties: BTreeMap::new(),
            gates: BTreeMap::new(),
            outbox: Shared::default(),
            chains: BTreeMap::new(),
            accidents: BTreeMap::new(),
            waiting: vec![0; site.audiences.len()],
            settled: VecDeque::new(),
            floors: vec![0; site.audiences.len()],
            refused: BTreeSet::new(),
            next_notice: 1,
            series: String::new(),
            names_given: Names::default(),
            answered: BTreeMap::new(),
            answered_order: VecDeque::new(),
            acts: BTreeMap::new(),
            watched_until: None,
            unrecorded: false,
            exercise_over: false,
            unknown_tags: 0,
            site,
        }
    }

    /// What happened, and what to do about it. `at` never goes back (an earlier one counts as the last one seen).
    pub fn step(&mut self, at: Micros, event: &Event) -> Vec<Effect> {
        let mut out = Vec::new();
        self.now = self.now.max(at);
        // The start has its own order; the other two decide nothing.
        if !matches!(event, Event::Started { .. } | Event::Clock { .. } | Event::Worded { .. }) {
            self.run_due(&mut out);
        }
        match event {
            Event::Started { tags, series, number_from, .. } => {
                if !series.is_empty() {
                    self.series.clone_from(series);
                }
                self.number_from(*number_from);
                self.started(tags, &mut out);
            }
            Event::Stopped => self.watched_until = Some(self.now),
            Event::Tick | Event::AnswerRefused { .. } => {}
            Event::Readings { readings } => self.readings(readings, &mut out),
            Event::Link { link, state, reason } => self.link_changed(link, *state, reason, &mut out),
            Event::Malformed { link, count, sample } => self.malformed(link, *count, sample),
            Event::Assessed { rule, findings } => self.assessed(rule, findings, &mut out),
            Event::Strike { rule, kind, detail } => self.strike(rule, *kind, detail, &mut out),
            Event::Aside { rule, digest, said } => self.aside(rule, digest, said, &mut out),
            Event::RuleLost { rule, digest, detail } => self.rule_lost(rule, digest, detail, &mut out),
            Event::Receipt { notice, accepted, .. } => self.receipt(*notice, *accepted, &mut out),
            Event::Worded { notice, message } => self.worded(*notice, message),
            Event::Undelivered { notice, detail, rejected } => self.undelivered(*notice, detail, *rejected, &mut out),
            Event::Answered { notice, accepted, by, note, instruction, message } => {
                if *accepted && *instruction {
                    self.instructed(*notice, by, note, message, &mut out);
                }
                self.answered(*notice, *accepted, by, note, &mut out);
            }
            Event::Operator { command, by, act } => self.operator(command, by, act, &mut out),
            Event::Storage { part, well, detail } => self.storage(*part, *well, detail, &mut out),
            Event::Anchored { audience, well, detail } => self.anchored(audience, *well, detail, &mut out),
            Event::Heartbeat { watcher, well, detail } => self.heartbeat(watcher, *well, detail, &mut out),
            Event::Tested { audience, well, detail } => self.tested(audience, *well, detail),
            Event::ExerciseEnded { .. } => self.exercise_ended(&mut out),
            Event::Clock { since, ahead, wrong } => self.clock_set(*since, *ahead, *wrong),
            Event::Growth { free, disk_days, journal_days, room } => {
                self.growth(*free, *disk_days, *journal_days, room.as_ref(), &mut out);
            }
            Event::Unrecorded { detail } => {
                self.unrecorded = true;
                self.storage(StoragePart::Journal, false, detail, &mut out);
            }
            Event::Recorded { detail, next_alarm, next_notice, .. } => {
                self.unrecorded = false;
                self.next_alarm = self.next_alarm.max(*next_alarm);
                self.next_notice = self.next_notice.max(*next_notice);
                self.alarms.values_mut().for_each(|alarm| alarm.unrecorded = false);
                // Whoever reads only the record must see it too.
                self.storage(StoragePart::Journal, false, detail, &mut out);
                self.storage(StoragePart::Journal, true, detail, &mut out);
            }
        }
        self.mark(&out);
        // A clock is compared before the start is: that is no watching.
        if self.watched_until.is_some() && !matches!(event, Event::Clock { .. }) {
            self.watched_until = Some(self.now);
        }
        out
    }

    /// Alarms that changed while there is no record, or no clock to believe, say so.
    fn mark(&mut self, out: &[Effect]) {
        let (unrecorded, doubtful) = (self.unrecorded, self.clock.is_doubtful());
        if !unrecorded && !doubtful {
            return;
        }
        for effect in out {
            if let Effect::Alarm { alarm, .. } = effect
                && let Some(alarm) = self.alarms.get_mut(alarm)
            {
                alarm.unrecorded |= unrecorded;
                alarm.times_doubtful |= doubtful;
            }
        }
    }

    /// Every deadline that has come, in order of time.
    fn run_due(&mut self, out: &mut Vec<Effect>) {
        while let Some(timer) = self.timers.due(self.now) {
            match timer {
                Timer::Silent(tag) => self.silent_due(tag, out),
                Timer::Frozen(tag) => self.frozen_due(tag, out),
                Timer::Limit(tag, limit) => self.limit_due(tag, limit, out),
                Timer::Fault(tag) => self.fault_due(tag, out),
                Timer::Link(link) => self.link_due(link, out),
                Timer::Lease(rule, hazard) => self.lease_due(rule, hazard, out),
                Timer::Ask(rule) => self.ask_due(rule, out),
                Timer::Rung(alarm) => self.climb(alarm, out),
                Timer::Renew(alarm, audience) => self.renew_due(alarm, audience, out),
                Timer::Resend(notice) => self.resend_due(notice, out),
                Timer::Undelivered(notice) => self.undelivered_due(notice, out),
                Timer::Clock => self.clock_due(out),
                Timer::Life(alarm) => self.life_due(alarm, out),
                Timer::Logic => self.logic_due(out),
                Timer::Duty => self.duty_due(out),
                Timer::Gate(audience) => self.gate_due(audience as usize, out),
                Timer::Stage(rule) => self.stage_due(rule, out),
                Timer::Return(rule) => self.return_due(rule as usize, out),
            }
        }
    }

    /// A start: nothing is believed until it is seen afresh, what was on its way is told again, and the time nobody watched is said.
    fn started(&mut self, tags: &[String], out: &mut Vec<Effect>) {
        self.names = tags.iter().map(|name| self.tags.get(name).copied()).collect();
        let gap = self.watched_until.map(|until| self.now - until).filter(|gap| *gap >= GAP_US);
        self.watched_until = Some(self.now);
        for id in 0..self.site.tags.len() as u32 {
            let (tag, state) = (&self.site.tags[id as usize], &mut self.table[id as usize]);
            (state.waiting_since, state.same_since) = (self.now, self.now);
            self.watches[id as usize].doubt();
            self.timers.at(self.now.saturating_add(ms(tag.silent_ms)), Timer::Silent(id));
            if let Some(frozen_ms) = tag.frozen_ms {
                self.timers.at(self.now.saturating_add(ms(frozen_ms)), Timer::Frozen(id));
            }
        }
        self.links = vec![None; self.site.links.len()];
        self.timers.drop_all(|timer| matches!(timer, Timer::Link(_)));
        // Before all that makes notices: those are told once, not made and told again.
        self.reject_orphans(out);
        self.resend_all(out);
        self.clear_orphans(out);
        self.duty_due(out);
        self.run_due(out);
        for id in self.open.values().copied().collect::<Vec<_>>() {
            self.regroup(id);
            self.watch_standing(id);
        }
        self.resuppress(out);
        self.climb_all(out);
        self.rules_started(out);
        if let (Some(gap), Some(zone)) = (gap, self.site.zones.first()) {
            let zone = zone.name.clone();
            let key = AlarmKey { source: Source::Guard, hazard: Builtin::Gap.id().into(), zone, object: String::new() };
            let text = Text::Phrase { key: "guard.gap".into(), args: vec![(gap / 1_000_000).to_string()] };
            self.claim(builtin(Builtin::Gap, key.clone(), Severity::Blue, text, Vec::new()), out);
            self.clear(&key, out);
        }
    }

    fn readings(&mut self, readings: &[Reading], out: &mut Vec<Effect>) {
        for reading in readings {
            let Some(id) = self.names.get(reading.tag.0 as usize).copied().flatten().map(|tag| tag.0) else {
                self.unknown_tags += 1;
                continue;
            };
            let (tag, state) = (&self.site.tags[id as usize], &mut self.table[id as usize]);
            let (was_silent, was_frozen) = (state.silent, state.frozen);
            match state.take(tag, self.now, reading) {
                Taken::Duplicate => {}
                Taken::Older => {
                    // Not judged, but somebody is there.
                    state.waiting_since = self.now;
                }
                Taken::New => {
                    self.guard_arrival(id, was_silent, was_frozen, out);
                    self.guard_value(id, out);
                    self.collect(id, self.table[id as usize].now.value);
                }
            }
        }
        self.consult(out);
    }

    fn link_changed(&mut self, name: &str, state: LinkState, reason: &str, out: &mut Vec<Effect>) {
        let Some(link) = self.site.links.iter().position(|link| link == name) else { return };
        let was_up = self.links[link].as_ref().is_some_and(|known| known.state != LinkState::Down);
        let (malformed, malformed_sample) =
            self.links[link].take().map_or((0, String::new()), |known| (known.malformed, known.malformed_sample));
        let since = self.now;
        self.links[link] = Some(LinkNow { state, reason: reason.to_owned(), since, malformed, malformed_sample });
        self.guard_link(link, was_up, state, reason, out);
    }

    fn malformed(&mut self, name: &str, count: u64, sample: &str) {
        let known = self.site.links.iter().position(|link| link == name).and_then(|link| self.links[link].as_mut());
        if let Some(link) = known {
            link.malformed += count;
            link.malformed_sample = sample.to_owned();
        }
    }

    /// Danger is claimed: a new alarm, or a change of the one that stands.
    pub(crate) fn claim(&mut self, claim: Claim, out: &mut Vec<Effect>) {
        let (mut was_answered, mut was_listed, mut was_hidden) = (false, false, false);
        let (id, change) = match self.open.get(&claim.key).copied() {
            Some(id) => {
                self.unsettle(id);
                let Some(alarm) = self.alarms.get_mut(&id) else { return };
                (was_answered, was_listed) = (alarm.acknowledged.is_some(), alarm.is_listed());
                was_hidden = !alarm.shelf.is_empty();
                let Some(change) = alarm.claim(self.now, claim) else {
                    // Back at a level it had: nothing to tell of, unless it is put aside and not at that level.
                    self.suppress(id, false, out);
                    self.break_shelf(id, false, out);
                    return;
                };
                (id, change)
            }
            None => {
                let id = AlarmId(self.next_alarm);
                self.next_alarm += 1;
                self.open.insert(claim.key.clone(), id);
                self.alarms.insert(id, Alarm { opened_unrecorded: self.unrecorded, ..Alarm::open(id, self.now, claim) });
                (id, Change::Opened)
            }
        };
        let rose = matches!(change, Change::Opened | Change::Reopened);
        if was_answered
            && change == Change::Raised
            && let Some(alarm) = self.alarms.get_mut(&id).filter(|alarm| alarm.acknowledged.is_none())
        {
            alarm.escalation.worse_at = Some(self.now);
        }
        out.push(Effect::Alarm { alarm: id, change });
        if rose {
            self.rose(id, was_listed);
        }
        if change == Change::Lowered {
            self.lowered(id);
        }
        self.suppress(id, rose, out);
        self.break_shelf(id, rose, out);
        if rose && !was_hidden && self.alarms.get(&id).is_some_and(Alarm::is_listed) {
            self.annunciated(id);
        }
        if change != Change::Lowered {
            self.begin_climb(id, was_answered);
            self.climb(id, out);
        }
        if change == Change::Raised {
            self.tell_earlier(id, out);
        }
    }

    /// What stands became worse in a way that no level shows: the next claim is a new occurrence, which nobody has seen.
    pub(crate) fn begin_anew(&mut self, key: &AlarmKey) {
        if let Some(alarm) = self.open.get(key).and_then(|id| self.alarms.get_mut(id)) {
            alarm.condition = crate::alarm::Condition::Cleared;
        }
    }

    /// Danger is gone, seen on inputs that can be believed.
    pub(crate) fn clear(&mut self, key: &AlarmKey, out: &mut Vec<Effect>) {
        let Some(id) = self.open.get(key).copied() else { return };
        if !self.settles(id) {
            self.cleared(id, out);
        }
    }

    /// The inputs of an alarm stopped, or began again, to be believable. True = the condition stands.
    pub(crate) fn hold(&mut self, key: &AlarmKey, held: bool, out: &mut Vec<Effect>) -> bool {
        let Some(alarm) = self.open.get(key).and_then(|id| self.alarms.get_mut(id)) else { return false };
        let id = alarm.id;
        if let Some(change) = alarm.hold(self.now, held) {
            out.push(Effect::Alarm { alarm: id, change });
        }
        alarm.condition == crate::alarm::Condition::Active
    }

    pub(crate) fn tag_named(&self, name: &str) -> Option<&Tag> {
        self.tags.get(name).map(|id| &self.site.tags[id.0 as usize])
    }

    pub(crate) fn zone_of(&self, alarm: &Alarm) -> &Zone {
        let found = self.site.zones.iter().find(|zone| zone.name == alarm.key.zone);
        // A zone of an earlier configuration: the first one's ladder is better than none.
        found.unwrap_or(&self.site.zones[0])
    }

    pub(crate) fn ladder_of(&self, alarm: &Alarm) -> &Ladder {
        &self.site.ladders[self.zone_of(alarm).ladder[alarm.severity as usize]]
    }
}
