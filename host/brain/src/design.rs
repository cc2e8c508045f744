//! What suppresses alarms without a person's word for each: a logic of the site, and a device out of service under a permit.
//! Owns: when it begins and ends. Must not know: what else an alarm goes through.

use crate::alarm::{Alarm, AlarmId, Person, Source};
use crate::brain::Brain;
use crate::builtin::Builtin;
use crate::event::{Change, Effect, Refusal};
use crate::notice::Reason;
use crate::reading::Micros;
use crate::shelf::{ByDesign, OutOfService};
use crate::site::{Severity, Suppression, Tag};
use crate::timer::{Timer, s};
use serde::{Deserialize, Serialize};

/// A device is out of service for a day at most; then it is asked for again.
pub const SERVICE_MOST_S: u32 = 86_400;
/// How long a second person has to ask for the same.
pub const SECOND_WITHIN_US: Micros = 600_000_000;
/// Characters of a permit's number.
const PERMIT_CHARS_MAX: usize = 64;

/// A logic of the site that holds.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Holds {
    since: Micros,
    /// It held too long: it suppresses nothing before it was false once.
    spent: bool,
}

/// A device out of service, or asked to be.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Service {
    pub(crate) out: Option<OutOfService>,
    /// The first of two persons.
    asked: Option<OutOfService>,
}

/// Whether the logic holds on this value: only a number that is surely there.
fn holds(about: &Suppression, value: f64, good: bool) -> bool {
    good && if about.above { value >= about.value } else { value <= about.value }
}

impl Brain {
    /// A tag has another value, or is lost: what it says of the logics that ask it.
    pub(crate) fn logic(&mut self, tag: u32, out: &mut Vec<Effect>) {
        let now = self.now;
        for index in 0..self.site.suppressions.len() {
            let about = &self.site.suppressions[index];
            if about.tag.0 != tag {
                continue;
            }
            let seen = &self.table[tag as usize].now;
            let (on, known) = (holds(about, seen.value, seen.quality.is_good()), self.logics.contains_key(&about.name));
            match (on, known) {
                // Nothing is put aside while nothing can be put on record.
                (true, false) if !self.unrecorded => {
                    self.logics.insert(about.name.clone(), Holds { since: now, spent: false });
                    self.timers.at(now.saturating_add(s(about.most_s)), Timer::Logic);
                }
                (false, true) => drop(self.logics.remove(&about.name)),
                (true, true) | (false, false) | (true, false) => continue,
            }
            self.resuppress(out);
        }
    }

    /// A logic may have held too long, or a permit may be over.
    pub(crate) fn logic_due(&mut self, out: &mut Vec<Effect>) {
        let now = self.now;
        for about in &self.site.suppressions {
            if let Some(holds) = self.logics.get_mut(&about.name) {
                holds.spent |= now >= holds.since.saturating_add(s(about.most_s));
            }
        }
        for service in self.services.values_mut() {
            service.out.take_if(|out| out.until <= now);
            service.asked.take_if(|asked| asked.from.saturating_add(SECOND_WITHIN_US) <= now);
        }
        self.services.retain(|_, service| service.out.is_some() || service.asked.is_some());
        self.resuppress(out);
    }

    /// Every alarm that is not closed, as logics and permits have it now.
    pub(crate) fn resuppress(&mut self, out: &mut Vec<Effect>) {
        for id in self.open.values().copied().collect::<Vec<_>>() {
            self.suppress(id, false, out);
        }
    }

    /// One alarm, as logics and permits have it now. `rose`: it rose in this step.
    pub(crate) fn suppress(&mut self, id: AlarmId, rose: bool, out: &mut Vec<Effect>) {
        let now = self.now;
        let Some(alarm) = self.alarms.get(&id).filter(|alarm| !alarm.closed) else { return };
        let (design, service) = (self.by_design(alarm), self.out_of_service(alarm));
        if alarm.shelf.by_design == design && alarm.shelf.out_of_service == service {
            return;
        }
        let Some(alarm) = self.alarms.get_mut(&id) else { return };
        let (before, was_hidden) = (alarm.shelf.clone(), alarm.shelf.suppresses());
        (alarm.shelf.by_design, alarm.shelf.out_of_service, alarm.changed_at) = (design, service, now);
        let hides = alarm.shelf.suppresses();
        if alarm.shelf.is_empty() {
            let (by, reason) = taker(&before);
            alarm.resume(now, &by, &reason, rose);
        }
        out.push(Effect::Alarm { alarm: id, change: if hides { Change::Suppressed } else { Change::Restored } });
        if hides && !was_hidden {
            self.tell_back(id, Reason::Suppressed, out);
            self.climb(id, out);
        }
        self.announce(id, out);
    }

    fn by_design(&self, alarm: &Alarm) -> Option<ByDesign> {
        // Red and highly managed only where the hazard itself says that it may be.
        if !alarm.may_suppress && (alarm.managed || alarm.level() == Severity::Red) {
            return None;
        }
        let about = self.site.suppressions.iter().find(|about| {
            self.site.zones[about.zone].name == alarm.key.zone
                && about.hazards.contains(&alarm.key.hazard)
                && self.logics.get(&about.name).is_some_and(|holds| !holds.spent)
        })?;
        let from = self.logics.get(&about.name)?.since;
        let until = from.saturating_add(s(about.most_s));
        let (name, title, approved_by) = (about.name.clone(), about.title.clone(), about.approved_by.clone());
        Some(ByDesign { name, title, from, until, approved_by })
    }

    fn out_of_service(&self, alarm: &Alarm) -> Option<OutOfService> {
        let key = &alarm.key;
        let service = self.services.get(&key.object).filter(|_| key.source == Source::Guard)?;
        let own = [Builtin::Silent, Builtin::Frozen, Builtin::Impossible].iter().any(|own| own.id() == key.hazard);
        let is_of = |tag: &Tag| {
            let here = self.site.zones[tag.zone].name == key.zone;
            here && (own || tag.limits.iter().any(|limit| limit.hazard == key.hazard))
        };
        service.out.clone().filter(|_| self.tag_named(&key.object).is_some_and(is_of))
    }

    /// A person takes a tag out of service under a permit, or asks for another term. Where an alarm of the tag can be red, or is highly managed,
    /// it takes two persons who ask for the same.
    pub(crate) fn take_out(&mut self, tag: &str, mut wish: OutOfService, out: &mut Vec<Effect>) -> Result<(), Refusal> {
        let about = self.tag_named(tag).ok_or(Refusal::Unknown)?;
        let missing = |word: &str| Err(Refusal::NotYet { missing: word.to_owned() });
        if wish.permit.trim().is_empty() || wish.permit.chars().count() > PERMIT_CHARS_MAX {
            return missing("permit");
        }
        if wish.measure.trim().is_empty() {
            return missing("measure");
        }
        if wish.until <= wish.from || wish.until - wish.from > s(SERVICE_MOST_S) {
            return Err(Refusal::Term { most_s: SERVICE_MOST_S });
        }
        let two = about.limits.iter().any(|limit| limit.severity == Severity::Red || limit.managed);
        let service = self.services.entry(tag.to_owned()).or_default();
        if two {
            let same = |asked: &&OutOfService| {
                asked.permit == wish.permit
                    && asked.by.name != wish.by.name
                    && wish.from < asked.from.saturating_add(SECOND_WITHIN_US)
            };
            let Some(first) = service.asked.as_ref().filter(same).cloned() else {
                self.timers.at(wish.from.saturating_add(SECOND_WITHIN_US), Timer::Logic);
                service.asked = Some(wish);
                return Err(Refusal::SecondPerson);
            };
            // What the first one said holds, from now on and for the shorter of the two terms: the second agrees to it.
            let until = wish.from.saturating_add((first.until - first.from).min(wish.until - wish.from));
            wish = OutOfService { second: Some(wish.by), from: wish.from, until, ..first };
        }
        self.timers.at(wish.until, Timer::Logic);
        *service = Service { out: Some(wish), asked: None };
        self.resuppress(out);
        Ok(())
    }

    /// A person puts a tag back into service: it must have been seen to work.
    pub(crate) fn put_back(&mut self, tag: &str, out: &mut Vec<Effect>) -> Result<(), Refusal> {
        let id = self.tags.get(tag).ok_or(Refusal::Unknown)?.0 as usize;
        if !self.services.get(tag).is_some_and(|service| service.out.is_some()) {
            return Err(Refusal::Already);
        }
        if !self.table[id].now.quality.is_good() {
            return Err(Refusal::NotYet { missing: "good_reading".to_owned() });
        }
        self.services.remove(tag);
        self.resuppress(out);
        Ok(())
    }

    /// Tags out of service, for screens.
    pub fn out_of_services(&self) -> impl Iterator<Item = (&str, &OutOfService)> {
        self.services.iter().filter_map(|(tag, service)| Some((tag.as_str(), service.out.as_ref()?)))
    }

    /// Tags that one of two persons asked to take out of service, for screens: the other one may within [`SECOND_WITHIN_US`].
    pub fn asked_out_of_service(&self) -> impl Iterator<Item = (&str, &OutOfService)> {
        let open = |asked: &&OutOfService| self.now < asked.from.saturating_add(SECOND_WITHIN_US);
        self.services.iter().filter_map(move |(tag, service)| Some((tag.as_str(), service.asked.as_ref().filter(open)?)))
    }

    /// Logics that suppress at present, for screens.
    pub fn suppressing(&self) -> impl Iterator<Item = &Suppression> {
        let holds = |about: &&Suppression| self.logics.get(&about.name).is_some_and(|holds| !holds.spent);
        self.site.suppressions.iter().filter(holds)
    }
}

/// Who put it aside, for what is gone when it comes back.
fn taker(shelf: &crate::shelf::Shelf) -> (Person, String) {
    match (&shelf.out_of_service, &shelf.by_design, &shelf.shelved) {
        (Some(service), ..) => (service.by.clone(), format!("{}: {}", service.permit, service.measure)),
        (None, Some(design), _) => {
            let person = Person { name: design.approved_by.join(", "), role: "design".to_owned(), station: design.name.clone() };
            (person, design.title.zh.clone())
        }
        (None, None, Some(shelved)) => (shelved.by.clone(), shelved.reason.clone()),
        (None, None, None) => (Person { name: String::new(), role: String::new(), station: String::new() }, String::new()),
    }
}
