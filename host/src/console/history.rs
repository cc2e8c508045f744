//! What happened to one alarm, and who did what about it, in order: from how it stood after each change on record, down to how it stands now. Who looked
//! away stands there as well as who looked. Must not know: how the record is kept, how it is printed.

use super::access::Caller;
use super::api::{Answer, Shared, alarm_of};
use super::asked::id;
use super::shape::{Text, Time, time};
use super::view::View;
use super::{Ask, Console, Which};
use crate::words::phrase;
use axum::extract::{Path, State};
use axum::{Extension, Json};
use brain::alarm::{Alarm, Condition, Person};
use brain::event::{Entry, Event, Outcome};
use brain::words::Words;
use brain::{Act, Micros};
use schemars::JsonSchema;
use serde::Serialize;

/// Records asked for at once.
const ROWS: usize = 500;
/// Records of an alarm that a page reads again and again, and those that a report reads once (own defaults).
const PAGE_MAX: usize = 2_000;
pub(super) const REPORT_MAX: usize = 20_000;
/// What is shown of them: the newest.
const DEEDS_MAX: usize = 2_000;
/// Acts of which the alarm itself does not say who did them: looked up one by one.
const LOOKED_UP_MAX: usize = 100;

/// Something that happened, or that a person did.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct Deed {
    pub(super) at: Time,
    /// Who; empty where nobody did it.
    pub(super) by: String,
    /// Where from; empty as well.
    pub(super) station: String,
    /// In their words, or in ours.
    pub(super) what: Text,
}

/// Of one alarm.
#[derive(Debug, Serialize, JsonSchema)]
pub struct History {
    /// Oldest first.
    pub(super) items: Vec<Deed>,
    /// False: the store did not answer, has lost some, or there is more than is read. How the alarm stands now is told all the same.
    pub(super) whole: bool,
}

/// One step of it before it is shown.
struct Happened {
    at: Micros,
    by: Option<Person>,
    what: Words,
    /// A person did it, and the record of this number says who.
    cause: Option<u64>,
}

type By = Extension<Caller>;

pub(super) async fn of_alarm(State(console): Shared, Extension(by): By, Path(number): Path<String>) -> Answer<History> {
    let view = console.view();
    let alarm = alarm_of(&console, &by, &view, id(&number)?).await?;
    Ok(Json(history(&console, &by, &view, &alarm, PAGE_MAX).await))
}

/// All that is known of `alarm`, from at most so many records.
pub(super) async fn history(console: &Console, by: &Caller, view: &View, alarm: &Alarm, most: usize) -> History {
    let (mut steps, mut before) = (Vec::new(), None::<Box<Alarm>>);
    let (mut after, mut read, mut whole) = (0, 0, true);
    loop {
        let which = Which { kind: Some("alarm".to_owned()), alarm: Some(alarm.id.0), ..Which::default() };
        let Ok(found) = console.query(by, |reply| Ask::Events { after, limit: ROWS, which, reply }).await else {
            whole = false;
            break;
        };
        read += ROWS;
        whole &= found.incomplete.is_empty();
        for row in &found.rows {
            let Ok(Entry::Outcome { outcome, cause }) = serde_json::from_str(&row.body) else { continue };
            for outcome in outcome {
                if let Outcome::Alarm { alarm: stood, .. } = outcome
                    && stood.id == alarm.id
                {
                    let stood = Box::new(view.clock.alarm(&stood).into_owned());
                    steps.extend(between(before.as_deref(), &stood, view, Some(cause)));
                    before = Some(stood);
                }
            }
        }
        match found.next {
            Some(next) if read < most => after = next,
            Some(_) => whole = false,
            None => {}
        }
        if found.next.is_none() || read >= most {
            break;
        }
    }
    // The store is a moment behind, or silent: how it stands now is known without it.
    steps.extend(between(before.as_deref(), alarm, view, None));
    steps.sort_by_key(|step| step.at);
    whole &= steps.len() <= DEEDS_MAX;
    let mut steps = steps.split_off(steps.len().saturating_sub(DEEDS_MAX));
    for step in steps.iter_mut().filter(|step| step.cause.is_some() && step.by.is_none()).take(LOOKED_UP_MAX) {
        step.by = doer(console, by, step.cause.unwrap_or(0)).await;
    }
    History { items: steps.into_iter().map(shown).collect(), whole }
}

/// Who asked for what is on record under this number.
async fn doer(console: &Console, by: &Caller, cause: u64) -> Option<Person> {
    let (after, which) = (cause.checked_sub(1)?, Which::default());
    let found = console.query(by, |reply| Ask::Events { after, limit: 1, which, reply }).await.ok()?;
    let row = found.rows.into_iter().find(|row| row.seq == cause)?;
    match serde_json::from_str(&row.body).ok()? {
        // A second person's wish is not who ended anything; who did is in the act itself.
        Entry::Event(Event::Operator { act: Act::TakeOut { .. }, .. }) => None,
        Entry::Event(Event::Operator { by, .. }) => Some(by),
        Entry::Event(_) | Entry::Outcome { .. } | Entry::Bureau(_) => None,
    }
}

fn shown(step: Happened) -> Deed {
    let (by, station) = step.by.map(|by| (by.name, by.station)).unwrap_or_default();
    Deed { at: time(step.at), by, station, what: (&step.what).into() }
}

/// Our words for it, with what people said.
fn ours(key: &str, args: &[String]) -> Words {
    phrase(&format!("history.{key}"), args)
}

/// A time in a sentence.
fn until(at: Micros) -> String {
    time(at).0.map_or_else(|| "-".to_owned(), |at| at.get(..16).unwrap_or(&at).replace('T', " "))
}

/// What lies between two states of an alarm; none before = all that the later one says.
fn between(before: Option<&Alarm>, now: &Alarm, view: &View, cause: Option<u64>) -> Vec<Happened> {
    let mut all = Vec::new();
    let mut add = |at: Micros, by: Option<&Person>, what: Words| {
        all.push(Happened { at, by: by.cloned(), what, cause: None });
    };
    match before {
        None => add(now.opened_at, None, ours("opened", &[])),
        Some(before) if before.occurrences < now.occurrences => add(now.raised_at, None, ours("reopened", &[])),
        Some(_) => {}
    }
    if before.is_some_and(|before| before.severity_now < now.severity_now) {
        let level = phrase(&format!("severity.{}", now.severity_now.word()), &[]);
        add(now.changed_at, None, ours("raised", &[level.zh, level.en]));
    }
    if let Some(at) =
        now.cleared_at.filter(|at| now.condition == Condition::Cleared && before.and_then(|b| b.cleared_at) != Some(*at))
    {
        add(at, None, phrase("accident.course.cleared", &[]));
    }
    if let Some(ack) = now.acknowledged.as_ref().filter(|ack| before.and_then(|b| b.acknowledged.as_ref()) != Some(*ack)) {
        add(ack.at, Some(&ack.by), noted("acknowledged", &ack.note));
    }
    for told in &now.escalation.told {
        let known =
            before.and_then(|b| b.escalation.told.iter().find(|known| (known.notice, known.at) == (told.notice, told.at)));
        if known.is_none() {
            let (audience, level) =
                (view.titles.audience(&told.audience), phrase(&format!("severity.{}", told.severity.word()), &[]));
            add(told.at, None, ours("told", &[audience.zh, audience.en, level.zh, level.en]));
        }
        if let Some((by, at)) = told.answers.person.as_ref().filter(|_| known.is_none_or(|known| known.answers.person.is_none()))
        {
            add(*at, Some(by), phrase("accident.course.answered", &[]));
        }
    }
    for told in &now.escalation.instructions {
        let is_same =
            |known: &&brain::alarm::Instruction| (&known.message, known.at, &known.by) == (&told.message, told.at, &told.by);
        let known = before.and_then(|b| b.escalation.instructions.iter().find(is_same));
        if known.is_none() {
            add(told.at, Some(&told.by), noted("instructed", &told.note));
        }
        if let Some(taken) = told.taken.as_ref().filter(|_| known.is_none_or(|known| known.taken.is_none())) {
            add(taken.at, Some(&taken.by), noted("instruction.taken", &taken.note));
        }
    }
    for note in now.handling.iter().filter(|note| before.is_none_or(|b| !b.handling.contains(note))) {
        add(note.at, Some(&note.by), Words::same(&note.note));
    }
    if let Some(end) = now.closure.as_ref().filter(|_| before.is_none_or(|b| b.closure.is_none())) {
        let cause = end.said.cause.map(|cause| phrase(&format!("cause.{}", cause.word()), &[])).unwrap_or_default();
        add(end.at, Some(&end.by), ours("closed", &[cause.zh, cause.en, end.said.evidence.clone()]));
    }
    all.extend(aside(before, now, cause));
    all.extend(accident(before, now, cause));
    let released = before.is_some_and(|before| before.latched && !now.latched);
    all.extend(released.then(|| Happened { at: now.changed_at, by: None, what: ours("reset", &[]), cause }));
    all
}

/// Ours, and the person's words where there are any.
fn noted(key: &str, note: &str) -> Words {
    let words = ours(key, &[]);
    match note.trim() {
        "" => words,
        note => Words { zh: format!("{}：{note}", words.zh), en: format!("{}: {note}", words.en) },
    }
}

/// What was put aside, by whom, why and until when; and what came back.
fn aside(before: Option<&Alarm>, now: &Alarm, cause: Option<u64>) -> Vec<Happened> {
    let none = brain::shelf::Shelf::default();
    let (was, is) = (before.map_or(&none, |before| &before.shelf), &now.shelf);
    let mut all = Vec::new();
    if let Some(shelved) = is.shelved.as_ref().filter(|shelved| was.shelved.as_ref() != Some(*shelved)) {
        let at = if shelved.extensions == 0 || was.shelved.is_none() { shelved.from } else { now.changed_at };
        let what = ours("shelved", &[until(shelved.until), shelved.reason.clone()]);
        all.push(Happened { at, by: Some(shelved.by.clone()), what, cause: None });
    }
    if let Some(design) = is.by_design.as_ref().filter(|design| was.by_design.as_ref() != Some(*design)) {
        let args = [design.title.zh.clone(), design.title.en.clone(), design.approved_by.join(", "), until(design.until)];
        all.push(Happened { at: design.from, by: None, what: ours("suppressed", &args), cause: None });
    }
    if let Some(out) = is.out_of_service.as_ref().filter(|out| was.out_of_service.as_ref() != Some(*out)) {
        let names: Vec<&str> = [&out.by].into_iter().chain(&out.second).map(|person| person.name.as_str()).collect();
        let by = Person { name: names.join(", "), ..out.by.clone() };
        let what = ours("out_of_service", &[out.permit.clone(), out.measure.clone(), until(out.until)]);
        all.push(Happened { at: out.from, by: Some(by), what, cause: None });
    }
    for (key, gone) in [
        ("unshelved", was.shelved.is_some() && is.shelved.is_none()),
        ("unsuppressed", was.by_design.is_some() && is.by_design.is_none()),
        ("in_service", was.out_of_service.is_some() && is.out_of_service.is_none()),
    ] {
        all.extend(gone.then(|| Happened { at: now.changed_at, by: None, what: ours(key, &[]), cause }));
    }
    all
}

/// What persons said of an accident.
fn accident(before: Option<&Alarm>, now: &Alarm, cause: Option<u64>) -> Vec<Happened> {
    let Some(of) = &now.accident else { return Vec::new() };
    let known = before.and_then(|before| before.accident.as_ref()).filter(|known| known.declared_at == of.declared_at);
    let mut all = Vec::new();
    let mut add = |at: Micros, by: &Person, what: Words| all.push(Happened { at, by: Some(by.clone()), what, cause: None });
    if known.is_none() {
        add(of.declared_at, &of.declared_by, phrase("accident.course.declared", &[]));
    }
    for told in of.reported.iter().filter(|told| known.is_none_or(|known| !known.reported.contains(told))) {
        let words = phrase(&format!("accident.telling.{}", told.what.word()), &[]);
        let words = Words { zh: format!("{}：{}", words.zh, told.to), en: format!("{}: {}", words.en, told.to) };
        add(told.at, &told.by, words);
    }
    if let Some(gone) = of.retracted.as_ref().filter(|_| known.is_none_or(|known| known.retracted.is_none())) {
        let words = phrase("accident.retracted", &[]);
        add(gone.at, &gone.by, Words { zh: format!("{}：{}", words.zh, gone.note), en: format!("{}: {}", words.en, gone.note) });
    }
    if known.is_some_and(|known| known.updated_at != of.updated_at) {
        all.push(Happened { at: of.updated_at, by: None, what: ours("accident.updated", &[]), cause });
    }
    all
}
