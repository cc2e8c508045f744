//! The shelf: an alarm put aside by a person for a while. Owns: who may put what aside, for how long, and what takes it back.
//! Must not know: which logic or permit suppresses (that is `design`), how it is shown.

use crate::alarm::{Alarm, AlarmId, Condition, Person};
use crate::brain::Brain;
use crate::event::{Change, Effect, Refusal};
use crate::notice::Reason;
use crate::reading::Micros;
use crate::site::Severity;
use crate::timer::{Timer, s};
use crate::words::Words;
use serde::{Deserialize, Serialize};

/// What a person may choose, seconds: 5, 15, 30, 60 minutes, 8 hours.
pub const TERMS_S: [u32; 5] = [300, 900, 1_800, 3_600, 28_800];
/// Times a shelf may be made longer.
pub const EXTENSIONS_MAX: u8 = 3;

/// The longest term at a level, seconds (own default); none = never shelved.
pub fn longest_s(severity: Severity) -> Option<u32> {
    match severity {
        Severity::Blue | Severity::Yellow => Some(28_800),
        Severity::Orange => Some(3_600),
        Severity::Red => None,
    }
}

/// All that puts an alarm aside. Several may hold at once.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Shelf {
    /// By a person, for a while.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shelved: Option<Shelved>,
    /// By a logic of the site.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by_design: Option<ByDesign>,
    /// With its device.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub out_of_service: Option<OutOfService>,
}

/// Put aside by a person.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Shelved {
    /// Who.
    pub by: Person,
    /// Why, in their words.
    pub reason: String,
    /// Since when.
    pub from: Micros,
    /// It ends then, whatever happens.
    pub until: Micros,
    /// A severity above this breaks it: what it was when it was shelved.
    pub cap: Severity,
    /// It ends as soon as the condition clears.
    pub one_shot: bool,
    /// Times it was made longer.
    pub extensions: u8,
}

/// Put aside by a logic of the site.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ByDesign {
    /// Name from the site file.
    pub name: String,
    /// What people call it.
    pub title: Words,
    /// Since when it holds.
    pub from: Micros,
    /// It ends then, whatever the logic says.
    pub until: Micros,
    /// Who approved it.
    pub approved_by: [String; 2],
}

/// A device that is worked on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OutOfService {
    /// Who asked.
    pub by: Person,
    /// Who asked for the same, where it takes two.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub second: Option<Person>,
    /// Number of the permit.
    pub permit: String,
    /// What watches instead.
    pub measure: String,
    /// Since when.
    pub from: Micros,
    /// It ends then, whatever happens.
    pub until: Micros,
}

/// Which of them is shown: out of service before by design before shelved.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hidden {
    /// Shelved.
    Shelf,
    /// Suppressed by design.
    Design,
    /// Out of service.
    Service,
}

impl Hidden {
    /// The word for what must come first.
    pub(crate) fn first(self) -> &'static str {
        match self {
            Hidden::Shelf => "unshelve",
            Hidden::Design => "design_off",
            Hidden::Service => "in_service",
        }
    }
}

impl Shelf {
    /// Nothing puts it aside.
    pub fn is_empty(&self) -> bool {
        self.hidden().is_none()
    }

    /// What is shown of it.
    pub fn hidden(&self) -> Option<Hidden> {
        match self {
            Shelf { out_of_service: Some(_), .. } => Some(Hidden::Service),
            Shelf { by_design: Some(_), .. } => Some(Hidden::Design),
            Shelf { shelved: Some(_), .. } => Some(Hidden::Shelf),
            Shelf { .. } => None,
        }
    }

    /// Suppressed by design or out of service: the ladder does not begin.
    pub(crate) fn suppresses(&self) -> bool {
        self.by_design.is_some() || self.out_of_service.is_some()
    }
}

/// What a person asks who puts an alarm aside.
pub(crate) struct Wish<'a> {
    pub(crate) for_s: u32,
    pub(crate) one_shot: bool,
    pub(crate) reason: &'a str,
    pub(crate) seen: (Option<Severity>, Option<u32>),
}

impl Alarm {
    /// A person puts it aside, or asks for more time.
    pub(crate) fn shelve(&mut self, now: Micros, by: &Person, wish: &Wish<'_>) -> Result<Change, Refusal> {
        if self.closed {
            return Err(Refusal::Already);
        }
        let worst = self.level();
        let most =
            longest_s(worst).filter(|_| !self.managed).ok_or(Refusal::NotShelved { severity: worst, managed: self.managed })?;
        match self.shelf.hidden() {
            Some(hidden @ (Hidden::Design | Hidden::Service)) => self.need(false, hidden.first())?,
            Some(Hidden::Shelf) | None => {}
        }
        self.need(!self.latched || self.condition == Condition::Active, "reset")?;
        self.need(!wish.reason.trim().is_empty(), "note")?;
        self.unmoved(wish.seen)?;
        if !TERMS_S.contains(&wish.for_s) || wish.for_s > most {
            return Err(Refusal::Term { most_s: most });
        }
        let until = now.saturating_add(s(wish.for_s));
        let extensions = self.shelf.shelved.as_ref().map_or(0, |shelved| shelved.extensions + 1);
        if extensions > EXTENSIONS_MAX {
            return Err(Refusal::Full { most: u32::from(EXTENSIONS_MAX) });
        }
        let (from, cap) = self.shelf.shelved.as_ref().map_or((now, worst), |shelved| (shelved.from, shelved.cap));
        let (by, reason, one_shot) = (by.clone(), wish.reason.to_owned(), wish.one_shot);
        self.shelf.shelved = Some(Shelved { by, reason, from, until, cap, one_shot, extensions });
        self.changed_at = now;
        Ok(Change::Shelved)
    }

    /// Above what the person saw who put it aside.
    fn breaks_shelf(&self) -> bool {
        let above = |shelved: &Shelved| self.severity_now == Severity::Red || self.severity_now > shelved.cap;
        self.condition == Condition::Active && self.shelf.shelved.as_ref().is_some_and(above)
    }
}

impl Brain {
    /// A person takes it back.
    pub(crate) fn unshelve(&mut self, id: AlarmId, out: &mut Vec<Effect>) -> Result<(), Refusal> {
        let shelf = &self.known(id)?.shelf;
        if shelf.shelved.is_none() {
            return Err(Refusal::Already);
        }
        self.end_shelf(id, false, out);
        Ok(())
    }

    /// The shelf ends: by a person, by time, by the condition, or because it does not cover what came. What stands is told afresh.
    pub(crate) fn end_shelf(&mut self, id: AlarmId, rose: bool, out: &mut Vec<Effect>) {
        let now = self.now;
        let Some(alarm) = self.alarms.get_mut(&id) else { return };
        let Some(shelved) = alarm.shelf.shelved.take() else { return };
        alarm.changed_at = now;
        if alarm.shelf.is_empty() {
            alarm.resume(now, &shelved.by, &shelved.reason, rose);
        }
        out.push(Effect::Alarm { alarm: id, change: Change::Unshelved });
        self.announce(id, out);
    }

    /// Breaks the shelf where the condition is above it. True = it broke.
    pub(crate) fn break_shelf(&mut self, id: AlarmId, rose: bool, out: &mut Vec<Effect>) {
        if self.alarms.get(&id).is_some_and(Alarm::breaks_shelf) {
            self.end_shelf(id, rose, out);
        }
    }

    /// The shelf's time may be over.
    pub(crate) fn shelf_due(&mut self, id: AlarmId, out: &mut Vec<Effect>) {
        let over = |alarm: &Alarm| alarm.shelf.shelved.as_ref().is_some_and(|shelved| shelved.until <= self.now);
        if self.alarms.get(&id).is_some_and(over) {
            self.end_shelf(id, false, out);
        }
    }

    /// It was put aside: who was told of it hears so, and it is looked at again when its time is over.
    pub(crate) fn shelved(&mut self, id: AlarmId, out: &mut Vec<Effect>) {
        let Some(shelved) = self.alarms.get(&id).and_then(|alarm| alarm.shelf.shelved.as_ref()) else { return };
        let (until, first) = (shelved.until, shelved.extensions == 0);
        self.timers.at(until, Timer::Life(id));
        if first {
            self.tell_back(id, Reason::Suppressed, out);
        }
    }

    /// Nothing puts it aside any more: where it stands or is latched it is nobody's yet, and the ladder begins anew.
    pub(crate) fn announce(&mut self, id: AlarmId, out: &mut Vec<Effect>) {
        let Some(alarm) = self.alarms.get(&id).filter(|alarm| alarm.shelf.is_empty() && alarm.acknowledged.is_none()) else {
            return;
        };
        if alarm.condition == Condition::Active {
            self.annunciated(id);
        }
        self.begin_climb(id, true);
        self.climb(id, out);
    }
}
