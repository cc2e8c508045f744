//! An accident that a person declared of an alarm: what is known of it, and what the law wants to be told to whom by when. Owns: grades and clocks.
//! An alarm is no accident: nothing here happens by itself. Must not know: forms, screens, who is told by machines.
//!
//! Clocks: regulation 493 of the State Council (2007), articles 9 to 13, and order 21 of the work safety administration (2009), as understood in the design;
//! a plant checks them against the rules of its province before it relies on them.

use crate::alarm::{Alarm, AlarmId, Person};
use crate::event::{Change, Effect, Refusal};
use crate::notice::Reason;
use crate::reading::Micros;
use serde::{Deserialize, Serialize};

const HOUR_US: Micros = 3_600_000_000;
const DAY_US: Micros = 24 * HOUR_US;
/// Tellings kept; the first of each kind and the newest stay. An alarm is written whole at each change.
const REPORTED_MAX: usize = 60;

/// What kind of accident: how long its casualties are updated depends on it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// Fire.
    Fire,
    /// On a road.
    Road,
    /// Explosion.
    Explosion,
    /// Poisoning or suffocation.
    Poisoning,
    /// Something leaked.
    Leak,
    /// Another one.
    #[default]
    Other,
}

/// What a person knows of it. Numbers are of persons; none = nobody has said how many, which is another thing than nobody. More may come later.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Facts {
    /// What happened.
    pub kind: Kind,
    /// Where, beyond the alarm's zone.
    pub place: String,
    /// The course in brief, not empty.
    pub course: String,
    /// Dead.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dead: Option<u32>,
    /// Seriously injured, acute poisoning included.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub injured: Option<u32>,
    /// Missing.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub missing: Option<u32>,
    /// At risk still.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub at_risk: Option<u32>,
    /// Direct loss, yuan.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub loss_yuan: Option<u64>,
    /// 较大涉险: ten or more persons at risk, or another case the regulation names.
    pub wide: bool,
    /// What was done, beyond the alarm's handling notes.
    pub measures: String,
    /// Everything else.
    pub other: String,
}

/// What a person says of it: what is left out stays as it was said before. Version 0.1.0 always recorded all of it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Said {
    /// See [`Facts::kind`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kind: Option<Kind>,
    /// See [`Facts::place`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub place: Option<String>,
    /// See [`Facts::course`]; needed the first time.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub course: Option<String>,
    /// See [`Facts::dead`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dead: Option<u32>,
    /// See [`Facts::injured`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub injured: Option<u32>,
    /// See [`Facts::missing`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub missing: Option<u32>,
    /// See [`Facts::at_risk`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub at_risk: Option<u32>,
    /// See [`Facts::loss_yuan`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub loss_yuan: Option<u64>,
    /// See [`Facts::wide`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub wide: Option<bool>,
    /// See [`Facts::measures`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub measures: Option<String>,
    /// See [`Facts::other`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub other: Option<String>,
}

/// 493, article 3. Order is gravity.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Grade {
    /// 一般.
    General,
    /// 较大: 3 dead, 10 injured or 10 million yuan.
    Larger,
    /// 重大: 10 dead, 50 injured or 50 million yuan.
    Major,
    /// 特别重大: 30 dead, 100 injured or 100 million yuan.
    Extraordinary,
}

impl Grade {
    /// All, the least grave first.
    pub const ALL: [Grade; 4] = [Grade::General, Grade::Larger, Grade::Major, Grade::Extraordinary];

    /// As one word.
    pub fn word(self) -> &'static str {
        match self {
            Grade::General => "general",
            Grade::Larger => "larger",
            Grade::Major => "major",
            Grade::Extraordinary => "extraordinary",
        }
    }
}

impl Kind {
    /// All.
    pub const ALL: [Kind; 6] = [Kind::Fire, Kind::Road, Kind::Explosion, Kind::Poisoning, Kind::Leak, Kind::Other];

    /// As one word.
    pub fn word(self) -> &'static str {
        match self {
            Kind::Fire => "fire",
            Kind::Road => "road",
            Kind::Explosion => "explosion",
            Kind::Poisoning => "poisoning",
            Kind::Leak => "leak",
            Kind::Other => "other",
        }
    }
}

impl Facts {
    /// The grade that stands to be feared: who is missing counts as dead until found (own choice).
    pub fn grade(&self) -> Grade {
        let of = |count: Option<u32>| count.unwrap_or(0);
        let (dead, injured) = (of(self.dead).saturating_add(of(self.missing)), of(self.injured));
        let loss = self.loss_yuan.unwrap_or(0);
        match () {
            () if dead >= 30 || injured >= 100 || loss >= 100_000_000 => Grade::Extraordinary,
            () if dead >= 10 || injured >= 50 || loss >= 50_000_000 => Grade::Major,
            () if dead >= 3 || injured >= 10 || loss >= 10_000_000 => Grade::Larger,
            () => Grade::General,
        }
    }

    fn is_wide(&self) -> bool {
        self.wide || self.at_risk.is_some_and(|persons| persons >= 10)
    }

    /// These, and what is said now.
    fn and(self, said: &Said) -> Facts {
        let Said { kind, place, course, dead, injured, missing, at_risk, loss_yuan, wide, measures, other } = said.clone();
        Facts {
            kind: kind.unwrap_or(self.kind),
            place: place.unwrap_or(self.place),
            course: course.unwrap_or(self.course),
            dead: dead.or(self.dead),
            injured: injured.or(self.injured),
            missing: missing.or(self.missing),
            at_risk: at_risk.or(self.at_risk),
            loss_yuan: loss_yuan.or(self.loss_yuan),
            wide: wide.unwrap_or(self.wide),
            measures: measures.unwrap_or(self.measures),
            other: other.unwrap_or(self.other),
        }
    }
}

/// Whom the law wants told, or of what.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Telling {
    /// The scene tells the head of the company, at once.
    Head,
    /// The head tells the county's bureau within an hour.
    County,
    /// From 较大 or 较大涉险 on, the province as well within that hour (Hunan).
    Province,
    /// Each authority tells the one above within two hours.
    Upward,
    /// A follow-up once a day, from 重大 on twice.
    FollowUp,
    /// Casualties as they change, for 30 days; fire and road 7.
    Casualties,
}

impl Telling {
    /// All, in the order of the law.
    pub const ALL: [Telling; 6] =
        [Telling::Head, Telling::County, Telling::Province, Telling::Upward, Telling::FollowUp, Telling::Casualties];

    /// As one word.
    pub fn word(self) -> &'static str {
        match self {
            Telling::Head => "head",
            Telling::County => "county",
            Telling::Province => "province",
            Telling::Upward => "upward",
            Telling::FollowUp => "follow_up",
            Telling::Casualties => "casualties",
        }
    }
}

/// It was told, as a person says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reported {
    /// What.
    pub what: Telling,
    /// When it was put on record, brain time.
    pub at: Micros,
    /// Who says so.
    pub by: Person,
    /// To whom, by which way.
    pub to: String,
}

/// Not an accident after all.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Retraction {
    /// Who says so.
    pub by: Person,
    /// When, brain time.
    pub at: Micros,
    /// Why.
    pub note: String,
}

/// A declared accident.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Accident {
    /// When it was declared, brain time: the clocks run from here.
    pub declared_at: Micros,
    /// Who declared it.
    pub declared_by: Person,
    /// What is known now.
    pub facts: Facts,
    /// When that was last said, brain time.
    pub updated_at: Micros,
    /// What was told, oldest first.
    pub reported: Vec<Reported>,
    /// It is none after all: no clock runs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retracted: Option<Retraction>,
}

/// One line of the checklist.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Owed {
    /// What.
    pub what: Telling,
    /// By when.
    pub due_at: Micros,
    /// When it was last told; for what is told once: first.
    pub done_at: Option<Micros>,
    /// It is owed again and again until then; none: once.
    pub until: Option<Micros>,
}

impl Owed {
    /// Its time is over, and it was not told. What changes is told as it changes: that alone is never overdue.
    pub fn is_overdue(&self, now: Micros) -> bool {
        let again = self.until.is_some_and(|until| now <= until);
        self.due_at < now && self.what != Telling::Casualties && (self.done_at.is_none() || again)
    }
}

impl Accident {
    /// When the last clock ends.
    fn end(&self) -> Micros {
        let days = if matches!(self.facts.kind, Kind::Fire | Kind::Road) { 7 } else { 30 };
        self.declared_at.saturating_add(days * DAY_US)
    }

    /// The checklist, in the order of the law; nothing where it was retracted.
    pub fn owed(&self) -> Vec<Owed> {
        if self.retracted.is_some() {
            return vec![];
        }
        let first = |what| self.reported.iter().find(|told| told.what == what).map(|told| told.at);
        let last = |what| self.reported.iter().rev().find(|told| told.what == what).map(|told| told.at);
        let once = |what, due_at| Owed { what, due_at, done_at: first(what), until: None };
        let (grade, wide) = (self.facts.grade(), self.facts.is_wide());
        let within_the_hour = first(Telling::Head).unwrap_or(self.declared_at).saturating_add(HOUR_US);
        let mut owed = vec![once(Telling::Head, self.declared_at), once(Telling::County, within_the_hour)];
        if grade >= Grade::Larger || wide {
            owed.push(once(Telling::Province, within_the_hour));
        }
        let county = first(Telling::County).unwrap_or(within_the_hour);
        owed.push(once(Telling::Upward, county.saturating_add(2 * HOUR_US)));
        let end = self.end();
        let every = if grade >= Grade::Major { DAY_US / 2 } else { DAY_US };
        let told = last(Telling::FollowUp);
        let next = told.unwrap_or(county).saturating_add(every);
        owed.push(Owed { what: Telling::FollowUp, due_at: next.min(end), done_at: told, until: Some(end) });
        owed.push(Owed { what: Telling::Casualties, due_at: end, done_at: last(Telling::Casualties), until: Some(end) });
        owed
    }
}

impl Alarm {
    /// A person declares an accident, or says what more is known of it. A retracted one is declared anew.
    pub(crate) fn declare(&mut self, now: Micros, by: &Person, said: &Said) -> Result<Change, Refusal> {
        let known = self.accident.as_deref().filter(|accident| accident.retracted.is_none());
        let facts = known.map(|accident| accident.facts.clone()).unwrap_or_default().and(said);
        self.need(!facts.course.trim().is_empty(), "course")?;
        match self.accident.as_deref_mut().filter(|accident| accident.retracted.is_none()) {
            Some(accident) => (accident.facts, accident.updated_at) = (facts, now),
            None => {
                let declared_by = by.clone();
                let accident =
                    Accident { declared_at: now, declared_by, facts, updated_at: now, reported: vec![], retracted: None };
                self.accident = Some(Box::new(accident));
            }
        }
        self.changed_at = now;
        Ok(Change::Accident)
    }

    /// A person says that it was told.
    pub(crate) fn report(&mut self, now: Micros, by: &Person, what: Telling, to: &str) -> Result<Change, Refusal> {
        self.need(!to.trim().is_empty(), "to")?;
        self.need(self.has_accident(), "accident")?;
        if let Some(accident) = &mut self.accident {
            let reported = &mut accident.reported;
            reported.push(Reported { what, at: now, by: by.clone(), to: to.to_owned() });
            if reported.len() > REPORTED_MAX {
                let first = |index: usize| reported[..index].iter().all(|told| told.what != reported[index].what);
                if let Some(spare) = (0..reported.len() - 1).find(|index| !first(*index)) {
                    reported.remove(spare);
                }
            }
        }
        self.changed_at = now;
        Ok(Change::Accident)
    }

    /// A person says that it is none.
    pub(crate) fn retract(&mut self, now: Micros, by: &Person, note: &str) -> Result<Change, Refusal> {
        self.need(!note.trim().is_empty(), "note")?;
        self.need(self.has_accident(), "accident")?;
        if let Some(accident) = &mut self.accident {
            accident.retracted = Some(Retraction { by: by.clone(), at: now, note: note.to_owned() });
        }
        self.changed_at = now;
        Ok(Change::Accident)
    }

    fn has_accident(&self) -> bool {
        self.accident.as_ref().is_some_and(|accident| accident.retracted.is_none())
    }

    /// Some clock of an accident runs: it must stay at hand, however long ago it was closed.
    pub(crate) fn has_clocks(&self, now: Micros) -> bool {
        self.accident.as_ref().is_some_and(|accident| accident.retracted.is_none() && now <= accident.end())
    }
}

/// What a person does about an accident.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "step", rename_all = "snake_case")]
pub enum Step {
    /// Declare it, or say what more is known.
    Declare {
        /// What is said now.
        facts: Box<Said>,
    },
    /// Say that it was told.
    Report {
        /// What.
        what: Telling,
        /// To whom, by which way; not empty.
        to: String,
    },
    /// It is none after all.
    Retract {
        /// Why; not empty.
        note: String,
    },
}

impl crate::Brain {
    /// Every authority outside the company hears of it, as of an alarm: until its machine has it.
    pub(crate) fn tell_of_accident(&mut self, id: AlarmId, out: &mut Vec<Effect>) {
        for audience in 0..self.site.audiences.len() {
            if self.site.audiences[audience].bureau {
                self.notify(id, audience, "", Reason::Accident, out);
            }
        }
    }

    pub(crate) fn accident(&mut self, id: AlarmId, by: &Person, step: &Step) -> Result<Change, Refusal> {
        let now = self.now;
        let alarm = self.known(id)?;
        match step {
            Step::Declare { facts } => alarm.declare(now, by, facts),
            Step::Report { what, to } => alarm.report(now, by, *what, to),
            Step::Retract { note } => alarm.retract(now, by, note),
        }
    }
}

#[cfg(test)]
mod tests;
