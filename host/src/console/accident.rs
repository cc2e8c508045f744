//! An accident over HTTP: declared, its tellings noted, and the report to the bureau, filled in from the record as far as that goes.
//! Must not know: what the law's clocks are (that is the brain's `accident`), who was really told.

mod page;

use super::access::Caller;
use super::api::{Answer, Shared, act, alarm_of, unknown};
use super::asked::{Command, Sent, id, words};
use super::history::{Deed, History, REPORT_MAX, history};
use super::problem::Problem;
use super::shape::{AccidentWord, GradeWord, SeverityWord, TellingWord, Text, Time, time};
use super::view::View;
use crate::config::types::Company;
use crate::words::phrase;
use axum::extract::{Path, State};
use axum::http::header;
use axum::response::{IntoResponse, Response};
use axum::{Extension, Json};
use brain::accident::{Accident, Facts, Kind, Owed, Retraction, Said, Step, Telling};
use brain::alarm::{Alarm, Person};
use brain::words::Words;
use brain::{Act, AlarmId, Micros};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What is said of an accident: what is left out stays as it was said before.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Declared {
    /// What happened.
    #[schemars(with = "Option<AccidentWord>")]
    kind: Option<Kind>,
    /// The course in brief; needed the first time.
    #[serde(default, deserialize_with = "some_words")]
    #[schemars(length(max = 2000))]
    course: Option<String>,
    /// Where, beyond the zone.
    #[serde(default, deserialize_with = "some_words")]
    #[schemars(length(max = 2000))]
    place: Option<String>,
    /// Persons.
    dead: Option<u32>,
    /// Persons, acute poisoning included.
    injured: Option<u32>,
    /// Persons.
    missing: Option<u32>,
    /// Persons.
    at_risk: Option<u32>,
    /// Direct loss, yuan.
    loss_yuan: Option<u64>,
    /// 较大涉险, beyond ten persons at risk.
    wide: Option<bool>,
    /// What was done, beyond the handling notes.
    #[serde(default, deserialize_with = "some_words")]
    #[schemars(length(max = 2000))]
    measures: Option<String>,
    /// Everything else.
    #[serde(default, deserialize_with = "some_words")]
    #[schemars(length(max = 2000))]
    other: Option<String>,
}

fn some_words<'de, D: serde::Deserializer<'de>>(from: D) -> Result<Option<String>, D::Error> {
    words(from).map(Some)
}

/// Somebody was told.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct ReportedTo {
    /// What the law wants told.
    #[schemars(with = "TellingWord")]
    what: Telling,
    /// To whom, by which way.
    #[serde(deserialize_with = "super::asked::name")]
    #[schemars(length(min = 1, max = 200))]
    to: String,
}

/// It is no accident.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Retracted {
    /// Why.
    #[serde(deserialize_with = "words")]
    #[schemars(length(min = 1, max = 2000))]
    note: String,
}

/// One line of the checklist.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct Line {
    what: TellingWord,
    title: Text,
    /// By when.
    due_at: Time,
    /// When it was told, the last time where it is owed again and again; null: never.
    done_at: Option<Time>,
    /// To whom, as noted; empty before.
    to: String,
    /// Who noted it; empty before.
    by: String,
    /// It is owed again and again until then; null: once.
    until: Option<Time>,
    /// Its time is over, and nobody noted that it was told.
    overdue: bool,
}

/// An accident as it stands.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct Shown {
    declared_at: Time,
    declared_by: String,
    updated_at: Time,
    kind: AccidentWord,
    /// After regulation 493, who is missing counted as dead.
    grade: GradeWord,
    place: String,
    course: String,
    /// Null: nobody has said how many.
    dead: Option<u32>,
    injured: Option<u32>,
    missing: Option<u32>,
    at_risk: Option<u32>,
    loss_yuan: Option<u64>,
    wide: bool,
    measures: String,
    other: String,
    /// Who took it back, when and why; null: it stands.
    retracted: Option<Deed>,
    /// What the law wants told to whom by when; empty where it was taken back.
    checklist: Vec<Line>,
}

/// A reading that the alarm rests on.
#[derive(Clone, Debug, Serialize, JsonSchema)]
struct Measured {
    tag: String,
    value: Option<f64>,
    unit: String,
    quality: String,
    at: Time,
    limit: Option<f64>,
    /// Where the limit is from.
    clause: String,
}

/// The report to the bureau.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub(super) struct AccidentReport {
    /// `actual`, `exercise` or `test`: an exercise is no accident.
    mode: super::shape::ModeWord,
    made_at: Time,
    company: CompanyShown,
    site: Text,
    alarm: String,
    hazard: Text,
    zone: Text,
    severity: SeverityWord,
    text: Text,
    opened_at: Time,
    /// `id@version` of the rule, or `guard`.
    plugin: String,
    /// Of the rule's component; empty for a guard.
    digest: String,
    accident: Shown,
    evidence: Vec<Measured>,
    /// Who was told, what people did, and who put it aside, in order.
    course: Vec<Deed>,
    /// False: earlier acts may be missing there, for the record could not be read.
    course_whole: bool,
    /// Some of this happened while nothing could be put on record.
    unrecorded: bool,
    /// Some times may be wrong.
    times_doubtful: bool,
    /// Last record on disk: the report is as of there.
    seq: String,
}

/// Who runs the plant, as `[company]` of the site file says.
#[derive(Clone, Debug, Serialize, JsonSchema)]
struct CompanyShown {
    code: String,
    name: String,
    address: String,
    nature: String,
    capacity: String,
    licences: String,
    contact: String,
}

fn told(what: Telling) -> Text {
    (&phrase(&format!("accident.telling.{}", what.word()), &[])).into()
}

/// As pages and reports show it at `now`.
pub(super) fn shown(of: &Accident, now: Micros) -> Shown {
    let last = |what: Telling| of.reported.iter().rev().find(|told| told.what == what);
    let line = |owed: Owed| Line {
        what: TellingWord(owed.what),
        title: told(owed.what),
        due_at: time(owed.due_at),
        done_at: owed.done_at.map(time),
        to: last(owed.what).map(|told| told.to.clone()).unwrap_or_default(),
        by: last(owed.what).map(|told| told.by.name.clone()).unwrap_or_default(),
        until: owed.until.map(time),
        overdue: owed.is_overdue(now),
    };
    let Facts { kind, place, course, dead, injured, missing, at_risk, loss_yuan, wide, measures, other } = of.facts.clone();
    Shown {
        declared_at: time(of.declared_at),
        declared_by: of.declared_by.name.clone(),
        updated_at: time(of.updated_at),
        kind: AccidentWord(kind),
        grade: GradeWord(of.facts.grade()),
        place,
        course,
        dead,
        injured,
        missing,
        at_risk,
        loss_yuan,
        wide,
        measures,
        other,
        retracted: of.retracted.as_ref().map(retraction),
        checklist: of.owed().into_iter().map(line).collect(),
    }
}

fn retraction(of: &Retraction) -> Deed {
    let Person { name, station, .. } = of.by.clone();
    Deed { at: time(of.at), by: name, station, what: (&Words::same(&of.note)).into() }
}

fn report(
    alarm: &Alarm,
    accident: &Accident,
    history: History,
    view: &View,
    company: &Company,
    mode: brain::site::Mode,
) -> AccidentReport {
    let evidence = alarm.evidence.iter().map(|e| Measured {
        tag: e.tag.clone(),
        value: super::shape::number(e.value),
        unit: e.unit.clone(),
        quality: e.quality.word().to_owned(),
        at: time(e.at),
        limit: e.limit,
        clause: e.citation.as_ref().map(|c| format!("{} {} {}", c.standard, c.edition, c.clause)).unwrap_or_default(),
    });
    let Company { code, name, address, nature, capacity, licences, contact } = company.clone();
    AccidentReport {
        mode: super::shape::ModeWord(mode),
        made_at: time(view.at),
        company: CompanyShown { code, name, address, nature, capacity, licences, contact },
        site: (&view.site).into(),
        alarm: alarm.id.0.to_string(),
        hazard: (&alarm.title).into(),
        zone: (&view.zones.get(&alarm.key.zone).cloned().unwrap_or_default()).into(),
        severity: SeverityWord(alarm.severity),
        text: (&view.titles.text(&alarm.text)).into(),
        opened_at: time(alarm.opened_at),
        plugin: alarm.plugin.clone(),
        digest: alarm.digest.clone(),
        accident: shown(accident, view.at),
        evidence: evidence.collect(),
        course: history.items,
        course_whole: history.whole,
        unrecorded: alarm.unrecorded || alarm.opened_unrecorded,
        times_doubtful: alarm.times_doubtful,
        seq: view.durable.to_string(),
    }
}

type By = Extension<Caller>;

async fn made(console: &super::Console, by: &Caller, number: &str) -> Result<AccidentReport, Problem> {
    let view = console.view();
    let alarm = alarm_of(console, by, &view, id(number)?).await?;
    let Some(accident) = &alarm.accident else {
        return Err(unknown(format!("nobody declared alarm {number} an accident")));
    };
    let history = history(console, by, &view, &alarm, REPORT_MAX).await;
    Ok(report(&alarm, accident, history, &view, &console.backend.company, console.backend.mode))
}

pub(super) async fn json(State(console): Shared, Extension(by): By, Path(number): Path<String>) -> Answer<AccidentReport> {
    Ok(Json(made(&console, &by, &number).await?))
}

pub(super) async fn html(State(console): Shared, Extension(by): By, Path(number): Path<String>) -> Result<Response, Problem> {
    let report = made(&console, &by, &number).await?;
    Ok(([(header::CONTENT_TYPE, "text/html; charset=utf-8")], page::html(&report)).into_response())
}

pub(super) async fn declare(
    State(console): Shared,
    command: Command,
    Path(number): Path<String>,
    Sent(said): Sent<Declared>,
) -> Answer<super::shape::Done> {
    let Declared { kind, course, place, dead, injured, missing, at_risk, loss_yuan, wide, measures, other } = said;
    let facts = Box::new(Said { kind, place, course, dead, injured, missing, at_risk, loss_yuan, wide, measures, other });
    act(&console, command, Act::Accident { alarm: AlarmId(id(&number)?), step: Step::Declare { facts } }).await
}

pub(super) async fn tell(
    State(console): Shared,
    command: Command,
    Path(number): Path<String>,
    Sent(ReportedTo { what, to }): Sent<ReportedTo>,
) -> Answer<super::shape::Done> {
    act(&console, command, Act::Accident { alarm: AlarmId(id(&number)?), step: Step::Report { what, to } }).await
}

pub(super) async fn retract(
    State(console): Shared,
    command: Command,
    Path(number): Path<String>,
    Sent(Retracted { note }): Sent<Retracted>,
) -> Answer<super::shape::Done> {
    act(&console, command, Act::Accident { alarm: AlarmId(id(&number)?), step: Step::Retract { note } }).await
}
