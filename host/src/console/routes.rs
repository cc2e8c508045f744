//! Every route of the API: what it needs, what it takes, what it answers. One table for the permission check and for the OpenAPI description.
//! Must not know: how a route works.

use super::access::Right;
use super::accident::{AccidentReport, Declared, ReportedTo, Retracted};
use super::aside::Suppressed;
use super::asked::{
    Acknowledge, AlarmsAsked, Close, EventsAsked, InOrder, Note, NoticesAsked, SeriesAsked, Shelve, SignIn, TakeInstruction,
    TakeOut,
};
use super::callback::CallBack;
use super::duty::{Duty, HandOver, Outbox, TakeOver};
use super::health::Health;
use super::history::History;
use super::performance::{PerformanceAsked, Report};
use super::problem::Problem;
use super::rules::{Rule, StepAsked};
use super::shape::{Alarm, AlarmDetail, Done, Event, Link, List, Notice, Point, Session, Zone};
use super::tag::Tag;
use schemars::generate::SchemaSettings;
use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// Makes the schema of a type.
type Make = fn(&mut SchemaGenerator) -> Schema;

const fn of<T: JsonSchema>() -> Make {
    SchemaGenerator::subschema_for::<T>
}

/// What a route answers with 200.
pub(super) enum Gives {
    /// JSON of this type.
    Json(Make),
    /// Text of this media type.
    Text(&'static str),
    /// 204.
    Nothing,
}

/// One route.
pub(super) struct Route {
    pub(super) method: &'static str,
    pub(super) path: &'static str,
    pub(super) right: Right,
    summary: &'static str,
    query: Option<Make>,
    body: Option<Make>,
    gives: Gives,
}

pub(super) const fn route(method: &'static str, path: &'static str, right: Right, gives: Gives, summary: &'static str) -> Route {
    Route { method, path, right, summary, query: None, body: None, gives }
}

impl Route {
    pub(super) const fn query<T: JsonSchema>(mut self) -> Route {
        self.query = Some(of::<T>());
        self
    }

    pub(super) const fn body<T: JsonSchema>(mut self) -> Route {
        self.body = Some(of::<T>());
        self
    }
}

pub(super) const fn json<T: JsonSchema>() -> Gives {
    Gives::Json(of::<T>())
}

use Right::{Act, Answer, Lead, Open, See};

/// Every route. One that is not here lets nobody pass.
pub(super) const ROUTES: &[Route] = &[
    route("get", "/api/v1/alarms", See, json::<List<Alarm>>(), "Alarms that need somebody, or all").query::<AlarmsAsked>(),
    route(
        "get",
        "/api/v1/alarms/{id}",
        See,
        json::<AlarmDetail>(),
        "One alarm: cause, consequence, response, evidence, who was told",
    ),
    route("get", "/api/v1/alarms/{id}/history", See, json::<History>(), "What happened to it, and who did what, or looked away"),
    route("post", "/api/v1/alarms/{id}/acknowledge", Act, json::<Done>(), "Take it").body::<Acknowledge>(),
    route("post", "/api/v1/alarms/{id}/handle", Act, json::<Done>(), "Note what was done").body::<Note>(),
    route("post", "/api/v1/alarms/{id}/reset", Lead, json::<Done>(), "Release a latch after somebody went and looked")
        .body::<Note>(),
    route(
        "post",
        "/api/v1/alarms/{id}/close",
        Lead,
        json::<Done>(),
        "End it, with its cause and evidence; from orange on another person",
    )
    .body::<Close>(),
    route(
        "post",
        "/api/v1/alarms/{id}/instructions/take",
        Act,
        json::<Done>(),
        "Take what the bureau told the plant to do: it hears who has it",
    )
    .body::<TakeInstruction>(),
    route(
        "get",
        "/api/v1/alarms/{id}/accident",
        See,
        json::<AccidentReport>(),
        "The report of an accident, filled in from the record",
    ),
    route("get", "/api/v1/alarms/{id}/accident.html", See, Gives::Text("text/html"), "The same to print"),
    route("post", "/api/v1/alarms/{id}/accident", Act, json::<Done>(), "Declare it an accident, or say what more is known")
        .body::<Declared>(),
    route("post", "/api/v1/alarms/{id}/accident/told", Act, json::<Done>(), "Note that somebody the law names was told")
        .body::<ReportedTo>(),
    route("post", "/api/v1/alarms/{id}/accident/retract", Lead, json::<Done>(), "It is no accident after all")
        .body::<Retracted>(),
    route("post", "/api/v1/alarms/{id}/shelve", Act, json::<Done>(), "Put it aside for a while, or longer; never red")
        .body::<Shelve>(),
    route("post", "/api/v1/alarms/{id}/unshelve", Act, json::<Done>(), "Take it back from the shelf").body::<Note>(),
    route("get", "/api/v1/duty", See, json::<Duty>(), "Who is on duty, what is to be handed over, and the last hand-overs"),
    route("post", "/api/v1/rosters/{roster}/hand-over", Act, json::<Done>(), "Offer one's duty to another person of the roster")
        .body::<HandOver>(),
    route(
        "post",
        "/api/v1/rosters/{roster}/take-over",
        Act,
        json::<Done>(),
        "Take duty over, with all alarms that need somebody",
    )
    .body::<TakeOver>(),
    route("get", "/api/v1/outbox", See, json::<Outbox>(), "Per audience what waits, since when, and whether it hears us"),
    route("post", "/api/v1/annunciators/{audience}/test", Lead, json::<Done>(), "Sound a siren or beacon for a moment"),
    route("get", "/api/v1/suppressed", See, json::<Suppressed>(), "All that is put aside: by whom, why, until when"),
    route("post", "/api/v1/tags/{tag}/out-of-service", Lead, json::<Done>(), "Put a tag's alarms aside under a permit")
        .body::<TakeOut>(),
    route("post", "/api/v1/tags/{tag}/in-service", Lead, json::<Done>(), "Put it back into service").body::<Note>(),
    route("get", "/api/v1/tags", See, json::<List<Tag>>(), "Measured points with value, quality and age").query::<InOrder>(),
    route("get", "/api/v1/tags/{tag}/series", See, json::<List<Point>>(), "One tag over time").query::<SeriesAsked>(),
    route("get", "/api/v1/links", See, json::<List<Link>>(), "Connections to the field").query::<InOrder>(),
    route("get", "/api/v1/rules", See, json::<List<Rule>>(), "Rules: what runs, what runs beside it, how they compare")
        .query::<InOrder>(),
    route("post", "/api/v1/rules/{rule}/release", Lead, json::<Done>(), "Put a quarantined rule back to work"),
    route("post", "/api/v1/rules/{rule}/step", Lead, json::<Done>(), "Shadow, promote, roll back, disable, enable, approve")
        .body::<StepAsked>(),
    route("post", "/api/v1/rules/{rule}/install", Lead, json::<Done>(), "Admit and keep the bundle that is the body"),
    route("get", "/api/v1/notices", See, json::<List<Notice>>(), "What was told to whom, with receipts; newest first")
        .query::<NoticesAsked>(),
    route("get", "/api/v1/notices/{id}/cap", See, Gives::Text("application/cap+xml"), "The CAP message that was sent"),
    route(
        "get",
        "/api/v1/notices/{id}/slip.html",
        See,
        Gives::Text("text/html"),
        "接报单: the notice as a sheet to print and sign",
    ),
    route("post", "/api/v1/call-backs", Right::CallBack, json::<Done>(), "A gateway's call-back: who took which alarm there")
        .body::<CallBack>(),
    route("post", "/api/v1/cap", Answer, json::<Taken>(), "The bureau's answer: a CAP Ack or Error that names a person"),
    route("get", "/api/v1/events", See, json::<List<Event>>(), "The record, oldest first").query::<EventsAsked>(),
    route("get", "/api/v1/performance", See, json::<Report>(), "Figures of the alarm system per shift, day or month")
        .query::<PerformanceAsked>(),
    route("get", "/api/v1/performance.csv", See, Gives::Text("text/csv"), "The same for spreadsheets")
        .query::<PerformanceAsked>(),
    route("get", "/api/v1/performance.html", See, Gives::Text("text/html"), "The same to print").query::<PerformanceAsked>(),
    route("get", "/api/v1/zones", See, json::<List<Zone>>(), "Places").query::<InOrder>(),
    route(
        "get",
        "/api/v1/stream",
        See,
        Gives::Text("text/event-stream"),
        "Server-sent events: hello, snapshot, delta, beat, bye",
    ),
    route("get", "/api/v1/session", Open, json::<Session>(), "Who am I"),
    route("post", "/api/v1/session", Open, json::<Session>(), "Sign in with a token: a cookie with a session of its own")
        .body::<SignIn>(),
    route("delete", "/api/v1/session", Open, Gives::Nothing, "Sign out: the session ends on the server"),
    route("get", "/api/v1/health", Open, json::<Health>(), "Per part whether it works"),
    route("get", "/api/v1/openapi.json", Open, Gives::Text("application/json"), "This description"),
    route("get", "/metrics", Open, Gives::Text("application/openmetrics-text"), "Prometheus metrics; loopback, or any token"),
];

/// The bureau's answer is on record.
#[derive(serde::Serialize, JsonSchema)]
pub(super) struct Taken {
    pub(super) taken: bool,
}

/// The description of routes as OpenAPI 3.1, whose schemas are those of JSON Schema 2020-12.
pub(super) fn openapi(routes: &[Route]) -> Value {
    let schemas = |contract| {
        let settings = SchemaSettings::draft2020_12().with(|s| s.definitions_path = "/components/schemas".into());
        SchemaGenerator::new(if contract { settings.for_serialize() } else { settings })
    };
    // What we send has every field; what we take may leave some out.
    let (mut sent, mut taken) = (schemas(true), schemas(false));
    let problem = json!({"description": "What went wrong, and what would be right",
        "content": {"application/problem+json": {"schema": sent.subschema_for::<Problem>()}}});
    let mut paths: BTreeMap<&str, Value> = BTreeMap::new();
    for Route { method, path, right, summary, query, body, gives } in routes {
        let named = path.split('/').filter_map(|part| part.strip_prefix('{')?.strip_suffix('}'));
        let mut parameters: Vec<Value> =
            named.map(|name| json!({"name": name, "in": "path", "required": true, "schema": {"type": "string"}})).collect();
        parameters.extend(query.map(|make| in_query(make)).unwrap_or_default());
        let (status, answer) = match gives {
            Gives::Json(make) => {
                ("200", json!({"description": summary, "content": {"application/json": {"schema": make(&mut sent)}}}))
            }
            Gives::Text(media) => ("200", json!({"description": summary, "content": {*media: {"schema": {"type": "string"}}}})),
            Gives::Nothing => ("204", json!({"description": summary})),
        };
        let security = if *right == Right::Open { json!([]) } else { json!([{"token": []}, {"session": []}]) };
        let mut operation = json!({"summary": summary, "parameters": parameters, "security": security,
            "responses": {status: answer, "default": problem.clone()}});
        if let Some(make) = body {
            operation["requestBody"] = json!({"content": {"application/json": {"schema": make(&mut taken)}}});
        }
        paths.entry(path).or_insert_with(|| json!({}))[*method] = operation;
    }
    let mut all = taken.take_definitions(true);
    all.extend(sent.take_definitions(true));
    json!({
        "openapi": "3.1.0", "info": {"title": "safety-brain", "version": env!("CARGO_PKG_VERSION")}, "paths": paths,
        "components": {"schemas": all, "securitySchemes": {
            "token": {"type": "http", "scheme": "bearer"},
            "session": {"type": "apiKey", "in": "cookie", "name": "safety-brain"},
        }},
    })
}

/// The fields of a type as parameters of the address.
fn in_query(make: Make) -> Vec<Value> {
    let mut generator = SchemaSettings::draft2020_12().with(|s| s.inline_subschemas = true).into_generator();
    let schema = make(&mut generator);
    let fields = schema.get("properties").and_then(Value::as_object).cloned().unwrap_or_default();
    fields.into_iter().map(|(name, schema)| json!({"name": name, "in": "query", "required": false, "schema": schema})).collect()
}
