//! The HTTP API under `/api/v1`, health and metrics. Owns: what the routes answer.
//! Must not know: how a command is carried out.

use super::access::{self, Caller, Right};
use super::accident;
use super::aside::{self, Suppressed};
use super::asked::{
    Acknowledge, AlarmsAsked, Asked, Close, Command, EventsAsked, InOrder, Note, NoticesAsked, Sent, SeriesAsked, Shelve, Shown,
    TakeInstruction, TakeOut, body, id,
};
use super::duty::{self, HandOver, TakeOver};
use super::health::{Health, health};
use super::history;
use super::performance;
use super::problem::{Code, Problem};
use super::routes::Taken;
use super::shape::{self, List};
use super::view::View;
use super::{Ask, BUNDLE_MAX, Console, door, rules, slip, tag};
use crate::config::nearest;
use axum::extract::{DefaultBodyLimit, Path, Request, State};
use axum::http::{HeaderMap, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Extension, Json, Router};
use brain::alarm::{Alarm, Closing};
use brain::duty::DutyChange;
use brain::notice::OutboxRow;
use brain::{Act, AlarmId, NoticeId};
use std::collections::BTreeMap;
use std::sync::Arc;
use tokio::sync::oneshot;

pub(super) type Shared = State<Arc<Console>>;
pub(super) type Answer<T> = Result<Json<T>, Problem>;

/// Serves [`super::routes::ROUTES`].
pub(super) fn router() -> Router<Arc<Console>> {
    Router::new()
        .route("/api/v1/alarms", get(alarms))
        .route("/api/v1/alarms/{id}", get(alarm))
        .route("/api/v1/alarms/{id}/acknowledge", post(acknowledge))
        .route("/api/v1/alarms/{id}/handle", post(handle))
        .route("/api/v1/alarms/{id}/reset", post(reset))
        .route("/api/v1/alarms/{id}/close", post(close))
        .route("/api/v1/alarms/{id}/instructions/take", post(take_instruction))
        .route("/api/v1/alarms/{id}/accident", get(accident::json).post(accident::declare))
        .route("/api/v1/alarms/{id}/accident.html", get(accident::html))
        .route("/api/v1/alarms/{id}/accident/told", post(accident::tell))
        .route("/api/v1/alarms/{id}/accident/retract", post(accident::retract))
        .route("/api/v1/alarms/{id}/shelve", post(shelve))
        .route("/api/v1/alarms/{id}/unshelve", post(unshelve))
        .route("/api/v1/tags/{tag}/out-of-service", post(take_out))
        .route("/api/v1/tags/{tag}/in-service", post(put_back))
        .route("/api/v1/suppressed", get(suppressed))
        .route("/api/v1/duty", get(on_duty))
        .route("/api/v1/rosters/{roster}/hand-over", post(hand_over))
        .route("/api/v1/rosters/{roster}/take-over", post(take_over))
        .route("/api/v1/outbox", get(outbox))
        .route("/api/v1/annunciators/{audience}/test", post(test_annunciator))
        .route("/api/v1/tags", get(tags))
        .route("/api/v1/tags/{tag}/series", get(series))
        .route("/api/v1/alarms/{id}/history", get(history::of_alarm))
        .route("/api/v1/links", get(links))
        .route("/api/v1/rules", get(all_rules))
        .route("/api/v1/rules/{rule}/release", post(release))
        .route("/api/v1/rules/{rule}/step", post(rules::step))
        .route("/api/v1/rules/{rule}/install", post(rules::install).layer(DefaultBodyLimit::max(BUNDLE_MAX)))
        .route("/api/v1/notices", get(notices))
        .route("/api/v1/notices/{id}/cap", get(cap_of))
        .route("/api/v1/notices/{id}/slip.html", get(slip::slip))
        .route("/api/v1/call-backs", post(super::callback::called_back))
        .route("/api/v1/cap", post(cap_received))
        .route("/api/v1/events", get(events))
        .route("/api/v1/performance", get(performance::rows))
        .route("/api/v1/performance.csv", get(performance::table))
        .route("/api/v1/performance.html", get(performance::page))
        .route("/api/v1/zones", get(zones))
        .route("/api/v1/stream", get(stream))
        .route("/api/v1/session", get(door::who).post(door::sign_in).delete(door::sign_out))
        .route("/api/v1/health", get(well))
        .route("/api/v1/openapi.json", get(door::description))
        .route("/metrics", get(metrics))
}

impl Console {
    pub(super) fn view(&self) -> Arc<View> {
        self.backend.view.borrow().clone()
    }

    /// Asks the store, when it is this person's turn, and waits.
    pub(super) async fn query<T>(
        &self,
        by: &Caller,
        make: impl FnOnce(oneshot::Sender<Result<T, String>>) -> Ask,
    ) -> Result<T, Problem> {
        let _turn = self.queries.turn(&by.who.name).await?;
        self.ask(make).await?.map_err(Problem::store)
    }

    /// Asks the daemon and waits.
    pub(super) async fn ask<T>(&self, make: impl FnOnce(oneshot::Sender<T>) -> Ask) -> Result<T, Problem> {
        let (reply, answer) = oneshot::channel();
        let sent = self.backend.ask.send(make(reply)).await;
        sent.map_err(|_| Problem::new(Code::Stopping, "the program is stopping"))?;
        answer.await.map_err(|_| {
            let detail = "nothing was recorded: the journal does not take it; try again when /api/v1/health is well";
            Problem::new(Code::NotRecorded, detail)
        })
    }
}

/// The person who asks, as [`permit`] found them.
type By = Extension<Caller>;

pub(super) fn unknown(what: String) -> Problem {
    Problem::new(Code::Unknown, what)
}

async fn alarms(State(console): Shared, Extension(by): By, Asked(asked): Asked<AlarmsAsked>) -> Answer<List<shape::Alarm>> {
    let view = console.view();
    if asked.state == Shown::Active {
        let List { items, next, total, .. } =
            asked.active(view.alarms.values().map(Arc::as_ref).filter(|alarm| alarm.is_listed()))?;
        let items = items.into_iter().map(|alarm| shape::alarm(alarm, &view.titles)).collect();
        return Ok(Json(List { items, next, total, incomplete: vec![] }));
    }
    let (before, limit) = asked.all()?;
    let (rows, next) = console.query(&by, |reply| Ask::Alarms { before, limit, reply }).await?;
    // The store is a moment behind: what stands now goes first, as it is now.
    let shaped = |alarm| shape::alarm(alarm, &view.titles);
    let mut all: BTreeMap<u64, shape::Alarm> = rows.iter().map(|alarm| (alarm.id.0, shaped(alarm))).collect();
    let (oldest, newest) = (next.unwrap_or(0), before.unwrap_or(u64::MAX));
    if oldest < newest {
        all.extend(view.alarms.range(oldest..newest).map(|(number, alarm)| (*number, shaped(alarm))));
    }
    Ok(Json(List {
        items: all.into_values().rev().collect(),
        next: next.map(|n| n.to_string()),
        total: None,
        incomplete: vec![],
    }))
}

async fn alarm(State(console): Shared, Extension(by): By, Path(number): Path<String>) -> Answer<shape::AlarmDetail> {
    let view = console.view();
    let alarm = alarm_of(&console, &by, &view, id(&number)?).await?;
    Ok(Json(shape::detail(&alarm, &view)))
}

/// An alarm as it stands, or as it was last where it is over.
pub(super) async fn alarm_of(console: &Console, by: &Caller, view: &View, number: u64) -> Result<Arc<Alarm>, Problem> {
    if let Some(alarm) = view.alarms.get(&number) {
        return Ok(Arc::clone(alarm));
    }
    let ask = |reply| Ask::Alarms { before: number.checked_add(1), limit: 1, reply };
    let (rows, _) = console.query(by, ask).await?;
    let found = rows.into_iter().find(|alarm| alarm.id.0 == number);
    found.map(Arc::new).ok_or_else(|| unknown(format!("there is no alarm {number}")))
}

/// Carries out a person's act. The same `Idempotency-Key` gets the same answer and no second effect.
pub(super) async fn act(console: &Console, Command { key, by, .. }: Command, act: Act) -> Answer<shape::Done> {
    let seq = console.ask(|reply| Ask::Act { command: key, by, act, reply }).await??;
    Ok(Json(shape::Done { seq: seq.to_string() }))
}

async fn acknowledge(
    State(console): Shared,
    command: Command,
    Path(number): Path<String>,
    Sent(Acknowledge { note, severity, occurrence }): Sent<Acknowledge>,
) -> Answer<shape::Done> {
    act(&console, command, Act::Acknowledge { alarm: AlarmId(id(&number)?), severity, occurrence, note }).await
}

async fn handle(
    State(console): Shared,
    command: Command,
    Path(number): Path<String>,
    Sent(Note { note }): Sent<Note>,
) -> Answer<shape::Done> {
    act(&console, command, Act::Handle { alarm: AlarmId(id(&number)?), note }).await
}

async fn reset(
    State(console): Shared,
    command: Command,
    Path(number): Path<String>,
    Sent(Note { note }): Sent<Note>,
) -> Answer<shape::Done> {
    act(&console, command, Act::Reset { alarm: AlarmId(id(&number)?), note }).await
}

async fn close(
    State(console): Shared,
    command: Command,
    Path(number): Path<String>,
    Sent(Close { note, cause, evidence }): Sent<Close>,
) -> Answer<shape::Done> {
    let closing = Some(Closing { cause, evidence });
    act(&console, command, Act::Close { alarm: AlarmId(id(&number)?), note, closing }).await
}

/// The bureau hears who has it with the next message of this alarm, which goes at once.
async fn take_instruction(
    State(console): Shared,
    command: Command,
    Path(number): Path<String>,
    Sent(TakeInstruction { message, note }): Sent<TakeInstruction>,
) -> Answer<shape::Done> {
    act(&console, command, Act::TakeInstruction { alarm: AlarmId(id(&number)?), message, note }).await
}

async fn shelve(
    State(console): Shared,
    command: Command,
    Path(number): Path<String>,
    Sent(Shelve { minutes, one_shot, note, severity, occurrence }): Sent<Shelve>,
) -> Answer<shape::Done> {
    let (alarm, for_s) = (AlarmId(id(&number)?), minutes.saturating_mul(60));
    act(&console, command, Act::Shelve { alarm, for_s, one_shot, severity, occurrence, note }).await
}

async fn unshelve(
    State(console): Shared,
    command: Command,
    Path(number): Path<String>,
    Sent(Note { note }): Sent<Note>,
) -> Answer<shape::Done> {
    act(&console, command, Act::Unshelve { alarm: AlarmId(id(&number)?), note }).await
}

async fn take_out(
    State(console): Shared,
    command: Command,
    Path(tag): Path<String>,
    Sent(TakeOut { minutes, permit, measure }): Sent<TakeOut>,
) -> Answer<shape::Done> {
    act(&console, command, Act::TakeOut { tag, for_s: minutes.saturating_mul(60), permit, measure }).await
}

async fn put_back(
    State(console): Shared,
    command: Command,
    Path(tag): Path<String>,
    Sent(Note { note }): Sent<Note>,
) -> Answer<shape::Done> {
    act(&console, command, Act::PutBack { tag, note }).await
}

async fn release(State(console): Shared, command: Command, Path(rule): Path<String>) -> Answer<shape::Done> {
    act(&console, command, Act::ReleaseRule { rule }).await
}

async fn on_duty(State(console): Shared) -> Answer<duty::Duty> {
    Ok(Json(duty::on_duty(&console.view())))
}

async fn outbox(State(console): Shared) -> Answer<duty::Outbox> {
    Ok(Json(duty::outbox(&console.view())))
}

async fn hand_over(
    State(console): Shared,
    command: Command,
    Path(roster): Path<String>,
    Sent(HandOver { to, note }): Sent<HandOver>,
) -> Answer<shape::Done> {
    act(&console, command, Act::Duty { roster, change: DutyChange::HandOver { to }, note }).await
}

async fn take_over(
    State(console): Shared,
    command: Command,
    Path(roster): Path<String>,
    Sent(TakeOver { alarms, note }): Sent<TakeOver>,
) -> Answer<shape::Done> {
    let alarms = alarms.iter().map(|number| id(number).map(AlarmId)).collect::<Result<_, _>>()?;
    act(&console, command, Act::Duty { roster, change: DutyChange::TakeOver { alarms }, note }).await
}

/// What it answers stands in the outbox, and on record.
async fn test_annunciator(State(console): Shared, command: Command, Path(audience): Path<String>) -> Answer<shape::Done> {
    act(&console, command, Act::TestAnnunciator { audience }).await
}

/// All that is put aside, so that nothing is forgotten there: alarms, logics that hold, tags out of service.
async fn suppressed(State(console): Shared) -> Answer<Suppressed> {
    Ok(Json(aside::suppressed(&console.view())))
}

async fn tags(State(console): Shared, Asked(asked): Asked<InOrder>) -> Answer<List<tag::Tag>> {
    let view = console.view();
    let marks = tag::Marks::of(&view);
    asked.of(view.tags.iter(), |tag| tag::tag(tag, view.at, &marks)).map(Json)
}

async fn series(
    State(console): Shared,
    Extension(by): By,
    Path(tag): Path<String>,
    Asked(asked): Asked<SeriesAsked>,
) -> Answer<List<shape::Point>> {
    let view = console.view();
    let Some(silent_ms) = view.tags.iter().find(|known| known.name == tag).map(|known| known.silent_ms) else {
        let nearest = nearest(&tag, view.tags.iter().map(|known| known.name.as_str()));
        let hint = nearest.as_ref().map_or(String::new(), |nearest| format!("; did you mean {nearest:?}?"));
        let problem = Problem::new(Code::UnknownTag, format!("there is no tag {tag:?}{hint}"));
        return Err(problem.with("tag", tag.as_str()).with("nearest", nearest));
    };
    let (from, to, points) = asked.read(view.at)?;
    let found = console.query(&by, |reply| Ask::Series { tag, from, to, points, reply }).await?;
    // Of each fifth point's stretch a few are left: as far apart they may lie.
    let most =
        i64::try_from(silent_ms).unwrap_or(i64::MAX / 1000).saturating_mul(1000).saturating_add((to - from) / points as i64 * 5);
    let items: Vec<shape::Point> = super::series::with_holes(found.rows, most).iter().map(shape::point).collect();
    let total = Some(items.len());
    Ok(Json(List { items, next: None, total, incomplete: found.incomplete }))
}

async fn links(State(console): Shared, Asked(asked): Asked<InOrder>) -> Answer<List<shape::Link>> {
    asked.of(console.view().links.iter(), shape::link).map(Json)
}

async fn all_rules(State(console): Shared, Asked(asked): Asked<InOrder>) -> Answer<List<rules::Rule>> {
    asked.of(console.view().rules.iter(), |row| rules::rule(row, &console.backend.publishers)).map(Json)
}

async fn zones(State(console): Shared, Asked(asked): Asked<InOrder>) -> Answer<List<shape::Zone>> {
    asked.of(console.view().zones.iter(), |(name, title)| shape::zone(name, title)).map(Json)
}

/// The newest come from the view alone, so that they show with the store out of use; older ones, which the view has forgotten, from the store.
async fn notices(State(console): Shared, Extension(by): By, Asked(asked): Asked<NoticesAsked>) -> Answer<List<shape::Notice>> {
    let (before, limit) = asked.read();
    let view = console.view();
    if asked.waiting {
        return Ok(Json(waiting(&view, before, limit)));
    }
    let newest = view.notices.last_key_value().map_or(0, |(number, _)| *number);
    let below = before.map_or(newest, |before| before.0.saturating_sub(1)).min(newest);
    // Numbers have no gaps, and begin with 1.
    let numbers = (1..=below).rev().take(limit);
    let known: Option<Vec<&Arc<OutboxRow>>> = numbers.map(|number| view.notices.get(&number)).collect();
    let (items, next) = match known {
        Some(rows) => {
            let next = rows.last().map(|row| row.notice.id.0).filter(|last| *last > 1);
            (rows.into_iter().map(|row| shape::notice(row, &view.titles)).collect(), next)
        }
        None => {
            let before = Some(NoticeId(below + 1));
            let (rows, next) = console.query(&by, |reply| Ask::Notices { before, limit, reply }).await?;
            let now = |row: &OutboxRow| shape::notice(view.notices.get(&row.notice.id.0).map_or(row, |now| now), &view.titles);
            (rows.iter().map(now).collect(), next)
        }
    };
    Ok(Json(List { items, next: next.map(|n| n.to_string()), total: usize::try_from(newest).ok(), incomplete: vec![] }))
}

/// What is still to be told is all in the view.
fn waiting(view: &View, before: Option<NoticeId>, limit: usize) -> List<shape::Notice> {
    let all = || view.notices.values().rev().filter(|row| row.is_owed());
    let mut rows: Vec<_> = all().filter(|row| before.is_none_or(|before| row.notice.id < before)).take(limit + 1).collect();
    let more = rows.len() > limit;
    rows.truncate(limit);
    List {
        next: rows.last().filter(|_| more).map(|row| row.notice.id.0.to_string()),
        items: rows.into_iter().map(|row| shape::notice(row, &view.titles)).collect(),
        total: Some(all().count()),
        incomplete: vec![],
    }
}

async fn cap_of(State(console): Shared, Extension(by): By, Path(number): Path<String>) -> Result<Response, Problem> {
    let notice = NoticeId(id(&number)?);
    let xml = console.query(&by, |reply| Ask::CapOf { notice, reply }).await?;
    let xml = xml.ok_or_else(|| unknown(format!("notice {} is unknown or no CAP message", notice.0)))?;
    let kind = if xml.starts_with('{') { "application/json" } else { "application/cap+xml; charset=utf-8" };
    Ok(([(header::CONTENT_TYPE, kind)], xml).into_response())
}

async fn cap_received(State(console): Shared, Extension(by): By, request: Request) -> Answer<Taken> {
    let body = body(request).await?.to_vec();
    let taken = console.ask(|reply| Ask::CapReceived { body, over: by.who.name, reply }).await?;
    taken.map_err(|why| Problem::new(Code::Cap, why.as_str()).with("reason", why))?;
    Ok(Json(Taken { taken: true }))
}

async fn events(State(console): Shared, Extension(by): By, Asked(asked): Asked<EventsAsked>) -> Answer<List<shape::Event>> {
    let (after, limit, which) = asked.read();
    let found = console.query(&by, |reply| Ask::Events { after, limit, which, reply }).await?;
    let next = found.next.map(|next| next.to_string());
    Ok(Json(List { items: found.rows.into_iter().map(shape::event).collect(), next, total: None, incomplete: found.incomplete }))
}

async fn stream(State(console): Shared, Extension(caller): By) -> Response {
    Arc::clone(&console.frames).follow(console.door.clone(), caller)
}

async fn well(State(console): Shared) -> Json<Health> {
    Json(health(&console.view()))
}

async fn metrics(State(console): Shared, headers: HeaderMap) -> Result<Response, Problem> {
    if !console.door.loopback {
        access::allowed(&console.door, &headers, Right::See)?;
    }
    let text = super::metrics::text(&console.view());
    Ok(([(header::CONTENT_TYPE, "application/openmetrics-text; version=1.0.0; charset=utf-8")], text).into_response())
}
