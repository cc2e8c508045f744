//! The JSON that other programs rely on. Owns: names and forms of every field, and with them the schemas of the description: both come from these
//! types, so neither can be wrong alone. Must not know: HTTP, who asks.
//!
//! Times are RFC 3339 with the plant's offset, 64-bit numbers are texts, texts for people come in both languages.

use super::aside::{Aside, Closure, aside, closure};
use super::duty::{Answers, Escalation, answers, escalation};
use super::present::{Present, now};
use super::titles::{Titles, reason};
use super::view::{LinkRow, View};
use brain::accident::{Grade, Kind, Telling};
use brain::alarm::{self, BureauState, Cause, Condition, Source, State};
use brain::event::{LinkState, Refusal};
use brain::finding::Certainty;
use brain::notice::{Delivery, NoticeKind, OutboxRow, Reason};
use brain::site::{Citation, Mode, Severity};
use brain::{Micros, words};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::Serialize;
use serde_json::Value;
use std::borrow::Cow;
use std::collections::BTreeMap;

/// The plant's clock.
const BEIJING: jiff::tz::Offset = jiff::tz::offset(8);

/// RFC 3339 with offset; null for "never".
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Time(pub(super) Option<String>);

/// A moment as people and programs read it; 0 is "never".
pub fn time(at: Micros) -> Time {
    let stamp = (at != 0).then(|| jiff::Timestamp::from_microsecond(at).ok()).flatten();
    Time(stamp.map(|stamp| BEIJING.to_datetime(stamp).strftime("%Y-%m-%dT%H:%M:%S%.3f+08:00").to_string()))
}

impl std::fmt::Display for Time {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.0.as_deref().unwrap_or("-"))
    }
}

impl JsonSchema for Time {
    fn inline_schema() -> bool {
        true
    }
    fn schema_name() -> Cow<'static, str> {
        "Time".into()
    }
    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({"type": ["string", "null"], "format": "date-time", "description": "RFC 3339 with offset; null = never"})
    }
}

/// Words of the brain as the API writes them: the same as in the journal. A word that is missing here does not compile.
macro_rules! words_of {
    ($($name:ident: $of:ident { $($variant:ident),* })*) => { $(
        #[doc = concat!("One of the words of `", stringify!($of), "`.")]
        #[derive(Clone, Copy, Debug, Serialize)]
        pub struct $name(pub $of);

        impl JsonSchema for $name {
            fn schema_name() -> Cow<'static, str> {
                stringify!($of).into()
            }
            fn json_schema(_: &mut SchemaGenerator) -> Schema {
                let _all = |of: $of| match of { $($of::$variant)|* => () };
                json_schema!({"type": "string", "enum": [$($of::$variant),*]})
            }
        }
    )* };
}

words_of! {
    SeverityWord: Severity { Blue, Yellow, Orange, Red }
    ConditionWord: Condition { Active, Cleared }
    BureauWord: BureauState { None, Queued, Received, Acknowledged }
    DeliveryWord: Delivery { Queued, Received, Acknowledged, Rejected, Superseded, Expired }
    KindWord: NoticeKind { Alert, Update, Cancel }
    ReasonWord: Reason { Opened, Reopened, Raised, Lowered, Overdue, Acknowledged, Cleared, Closed, Suppressed, Renewed, Repeated, Accepted, Instructed, Handled, Accident, Ended }
    LinkWord: LinkState { Up, Down, Saturated }
    ModeWord: Mode { Actual, Exercise, Test }
    StateWord: State {
        Normal, Unacknowledged, Acknowledged, Returned, LatchedUnacknowledged, LatchedAcknowledged, Shelved, SuppressedByDesign, OutOfService
    }
    CauseWord: Cause { Process, Equipment, Instrument, Operation, Maintenance, External, Setting, Unknown }
    AccidentWord: Kind { Fire, Road, Explosion, Poisoning, Leak, Other }
    GradeWord: Grade { General, Larger, Major, Extraordinary }
    TellingWord: Telling { Head, County, Province, Upward, FollowUp, Casualties }
    CertaintyWord: Certainty { Observed, Likely, Possible, Unlikely }
}

/// A text for people, in both languages.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
pub struct Text {
    pub(super) zh: String,
    pub(super) en: String,
}

impl From<&words::Words> for Text {
    fn from(words: &words::Words) -> Text {
        Text { zh: words.zh.clone(), en: words.en.clone() }
    }
}

pub(super) fn number(value: f64) -> Option<f64> {
    value.is_finite().then_some(value)
}

/// Rows of a list, and where it goes on.
#[derive(Debug, Serialize, JsonSchema)]
pub struct List<T> {
    pub(super) items: Vec<T>,
    /// Cursor of the next page, for `after` or `before`; null at the end.
    pub(super) next: Option<String>,
    /// Rows of the whole list; null where nobody has counted them.
    pub(super) total: Option<usize>,
    /// UTC dates of days asked for that are not whole: rows of theirs may be missing. Left out where there are none.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(default)]
    pub(super) incomplete: Vec<String>,
}

/// One line of the alarm list.
#[derive(Debug, Serialize, JsonSchema)]
pub struct Alarm {
    id: String,
    /// Zone name.
    zone: String,
    /// This program or its surroundings failed, nothing in a zone: `zone` only says whose ladder it climbs.
    of_the_system: bool,
    /// Rule name, or `guard`.
    rule: String,
    /// `id@version` of the plug-in, or `guard`.
    plugin: String,
    hazard: String,
    /// Tag or part it is about; empty where the zone says it all.
    object: String,
    title: Text,
    /// Highest since it was last acknowledged: what is shown.
    severity: SeverityWord,
    /// Of the condition at present.
    severity_now: SeverityWord,
    condition: ConditionWord,
    /// Its inputs cannot be believed at present: it is never cleared by them.
    held: bool,
    /// Leaves only by a reset.
    latched: bool,
    /// Changed while nothing could be put on record.
    unrecorded: bool,
    /// Changed while the clock could not be believed: its times may be wrong.
    times_doubtful: bool,
    /// In the active list.
    listed: bool,
    /// What people see, derived from the fields around it.
    state: StateWord,
    /// What puts it aside; null where nothing does.
    aside: Option<Aside>,
    /// Never shelved, whatever its level.
    managed: bool,
    /// Alarms of one cause.
    group: String,
    /// The common cause of its group.
    parent: bool,
    /// The first of its group since none of them needed anybody.
    first_out: bool,
    /// Rises and clears again and again.
    chattering: bool,
    /// Has stood for a day.
    stale: bool,
    /// Times it was gone within ten seconds.
    fleeting: u32,
    acknowledged: bool,
    acknowledged_by: Option<String>,
    /// Rises of the condition, 1 or more.
    occurrences: u32,
    opened_at: Time,
    raised_at: Time,
    cleared_at: Time,
    text: Text,
    value: Option<f64>,
    limit: Option<f64>,
    unit: Option<String>,
    tag: Option<String>,
    escalation: Escalation,
}

/// One line of the alarm list.
pub fn alarm(alarm: &alarm::Alarm, titles: &Titles) -> Alarm {
    let evidence = alarm.evidence.first();
    Alarm {
        id: alarm.id.0.to_string(),
        zone: alarm.key.zone.clone(),
        of_the_system: alarm.is_of_the_system(),
        rule: match &alarm.key.source {
            Source::Guard => "guard".to_owned(),
            Source::Rule(name) => name.clone(),
        },
        plugin: alarm.plugin.clone(),
        hazard: alarm.key.hazard.clone(),
        object: alarm.key.object.clone(),
        title: (&alarm.title).into(),
        severity: SeverityWord(alarm.severity),
        severity_now: SeverityWord(alarm.severity_now),
        condition: ConditionWord(alarm.condition),
        held: alarm.held,
        latched: alarm.latched,
        unrecorded: alarm.unrecorded,
        times_doubtful: alarm.times_doubtful,
        listed: alarm.is_listed(),
        state: StateWord(alarm.state()),
        aside: aside(alarm),
        managed: alarm.managed,
        group: alarm.group.clone(),
        parent: alarm.parent,
        first_out: alarm.first_out,
        chattering: alarm.chattering,
        stale: alarm.stale,
        fleeting: alarm.fleeting,
        acknowledged: alarm.acknowledged.is_some(),
        acknowledged_by: alarm.acknowledged.as_ref().map(|ack| ack.by.name.clone()),
        occurrences: alarm.occurrences,
        opened_at: time(alarm.opened_at),
        raised_at: time(alarm.raised_at),
        cleared_at: time(alarm.cleared_at.unwrap_or(0)),
        text: (&titles.text(&alarm.text)).into(),
        value: evidence.and_then(|e| number(e.value)),
        limit: evidence.and_then(|e| e.limit).and_then(number),
        unit: evidence.map(|e| e.unit.clone()),
        tag: evidence.map(|e| e.tag.clone()),
        escalation: escalation(&alarm.escalation),
    }
}

/// A reading that an alarm rests on.
#[derive(Debug, Serialize, JsonSchema)]
pub struct Evidence {
    tag: String,
    value: Option<f64>,
    /// What the value stands for, where it is a state; null else.
    meaning: Option<Text>,
    unit: String,
    at: Time,
    /// Quality word.
    quality: String,
    limit: Option<f64>,
    /// The tag at present; null where the site file no longer has it.
    now: Option<Present>,
    /// Where the limit comes from: standard, edition, clause, confidence.
    #[schemars(with = "Option<BTreeMap<String, String>>")]
    citation: Option<Citation>,
}

/// One thing the ladder did.
#[derive(Debug, Serialize, JsonSchema)]
pub struct Told {
    rung: String,
    audience: String,
    audience_title: Text,
    occurrence: u32,
    severity: SeverityWord,
    at: Time,
    /// Notice number.
    notice: String,
    /// Times it had been told before, unanswered.
    repeat: u32,
    /// What the audience answered, three answers apart.
    #[serde(flatten)]
    answers: Answers,
}

/// Somebody took the alarm.
#[derive(Debug, Serialize, JsonSchema)]
pub struct Acknowledgement {
    by: String,
    role: String,
    /// Where: an address, or a name and the address.
    station: String,
    at: Time,
    /// What was seen.
    severity: SeverityWord,
    note: String,
}

/// What was done.
#[derive(Debug, Serialize, JsonSchema)]
pub struct Handling {
    by: String,
    station: String,
    at: Time,
    note: String,
}

/// What of an alarm as it stands now could only be refused: the word for what stands in the way, as a refusal names it (`missing`, or `already`); null =
/// nothing does.
#[derive(Debug, Serialize, JsonSchema)]
pub struct Barred {
    acknowledge: Option<String>,
    reset: Option<String>,
    close: Option<String>,
}

fn bar(may: Result<(), Refusal>) -> Option<String> {
    may.err().map(|refusal| match refusal {
        Refusal::NotYet { missing } => missing,
        _ => "already".to_owned(),
    })
}

/// All of one alarm.
#[derive(Debug, Serialize, JsonSchema)]
pub struct AlarmDetail {
    #[serde(flatten)]
    alarm: Alarm,
    cause: Text,
    consequence: Text,
    response: Text,
    /// Time to respond, seconds; 0 = not said.
    respond_s: u32,
    certainty: CertaintyWord,
    /// Of the component; empty for a guard.
    digest: String,
    closed: bool,
    evidence: Vec<Evidence>,
    told: Vec<Told>,
    acknowledgement: Option<Acknowledgement>,
    /// Who at the bureau took it.
    bureau_by: Option<String>,
    handling: Vec<Handling>,
    /// What may not be done now.
    barred: Barred,
    /// How it ended; null while it has not.
    closure: Option<Closure>,
    /// An accident that a person declared of it; null: nobody did.
    accident: Option<super::accident::Shown>,
}

/// All of one alarm.
pub fn detail(of: &alarm::Alarm, view: &View) -> AlarmDetail {
    let evidence = of.evidence.iter().map(|e| Evidence {
        tag: e.tag.clone(),
        value: number(e.value),
        meaning: e.meaning.as_ref().map(Text::from),
        unit: e.unit.clone(),
        at: time(e.at),
        quality: e.quality.word().to_owned(),
        limit: e.limit.and_then(number),
        now: view.tags.iter().find(|tag| tag.name == e.tag).map(|tag| now(tag)),
        citation: e.citation.clone(),
    });
    let told = of.escalation.told.iter().map(|t| Told {
        rung: t.rung.clone(),
        audience: t.audience.clone(),
        audience_title: (&view.titles.audience(&t.audience)).into(),
        occurrence: t.occurrence,
        severity: SeverityWord(t.severity),
        at: time(t.at),
        notice: t.notice.to_string(),
        repeat: t.repeat,
        answers: answers(&t.answers),
    });
    let handling = of.handling.iter().map(|h| Handling {
        by: h.by.name.clone(),
        station: h.by.station.clone(),
        at: time(h.at),
        note: h.note.clone(),
    });
    AlarmDetail {
        alarm: alarm(of, &view.titles),
        cause: (&of.guide.cause).into(),
        consequence: (&of.guide.consequence).into(),
        response: (&of.guide.action).into(),
        respond_s: of.guide.respond_s,
        certainty: CertaintyWord(of.certainty),
        digest: of.digest.clone(),
        closed: of.closed,
        evidence: evidence.collect(),
        told: told.collect(),
        acknowledgement: of.acknowledged.as_ref().map(|ack| Acknowledgement {
            by: ack.by.name.clone(),
            role: ack.by.role.clone(),
            station: ack.by.station.clone(),
            at: time(ack.at),
            severity: SeverityWord(ack.severity),
            note: ack.note.clone(),
        }),
        bureau_by: of.escalation.bureau_by.as_ref().map(|by| by.name.clone()),
        handling: handling.collect(),
        barred: Barred {
            acknowledge: bar(of.may_be_acknowledged()),
            reset: bar(of.may_be_reset()),
            close: bar(of.may_be_closed()),
        },
        closure: of.closure.as_ref().map(closure),
        accident: of.accident.as_ref().map(|accident| super::accident::shown(accident, view.at)),
    }
}

/// One link.
#[derive(Debug, Serialize, JsonSchema)]
pub struct Link {
    name: String,
    /// Null until it first reported.
    state: Option<LinkWord>,
    /// As the link said it.
    reason: String,
    /// The same for people.
    reason_text: Text,
    since: Time,
    /// Payloads that could not be read.
    malformed: String,
    malformed_sample: String,
}

/// One link.
pub fn link(link: &LinkRow) -> Link {
    Link {
        name: link.name.clone(),
        state: link.state.map(LinkWord),
        reason: link.reason.clone(),
        reason_text: (&reason(&link.reason)).into(),
        since: time(link.since),
        malformed: link.malformed.to_string(),
        malformed_sample: link.malformed_sample.clone(),
    }
}

/// One notice.
#[derive(Debug, Serialize, JsonSchema)]
pub struct Notice {
    id: String,
    /// CAP identifier.
    identifier: String,
    audience: String,
    audience_title: Text,
    /// The authority outside the company.
    bureau: bool,
    /// Alarm number.
    alarm: String,
    hazard: String,
    title: Text,
    severity: SeverityWord,
    kind: KindWord,
    reason: ReasonWord,
    /// Rung that spoke; empty for an answer told back down.
    rung: String,
    at: Time,
    /// Made while the clock could not be believed.
    times_doubtful: bool,
    delivery: DeliveryWord,
    /// It is still to be told: nobody has received it, or it was refused and is tried again.
    waiting: bool,
    /// Times handed to the sender.
    attempts: u32,
    due_at: Time,
    /// The three answers apart.
    #[serde(flatten)]
    answers: Answers,
    /// Who was on duty there when it was made; empty where there is no roster, or nobody was.
    duty: Vec<String>,
    /// Numbers of other alarms that this message tells of.
    digest: Vec<String>,
    /// As it was said; empty where all is well.
    last_error: String,
    /// The same for people.
    last_error_text: Text,
}

/// One notice.
pub fn notice(row: &OutboxRow, titles: &Titles) -> Notice {
    let notice = &row.notice;
    Notice {
        id: notice.id.0.to_string(),
        identifier: notice.identifier.clone(),
        audience: notice.audience.clone(),
        audience_title: (&titles.audience(&notice.audience)).into(),
        bureau: notice.bureau,
        alarm: notice.alarm.id.0.to_string(),
        hazard: notice.alarm.key.hazard.clone(),
        title: (&notice.alarm.title).into(),
        severity: SeverityWord(notice.alarm.severity),
        kind: KindWord(notice.kind),
        reason: ReasonWord(notice.reason),
        rung: notice.rung.clone(),
        at: time(notice.at),
        times_doubtful: notice.times_doubtful,
        delivery: DeliveryWord(row.delivery),
        waiting: row.is_owed(),
        attempts: row.attempts,
        due_at: time(row.due_at),
        answers: answers(&alarm::Answers {
            received_at: row.received_at,
            accepted_at: row.accepted_at,
            person: row.acknowledged.clone(),
        }),
        duty: notice.duty.clone(),
        digest: notice.digest.iter().map(|told| told.alarm.0.to_string()).collect(),
        last_error: row.last_error.clone(),
        last_error_text: (&reason(&row.last_error)).into(),
    }
}

/// One record of the journal.
#[derive(Debug, Serialize, JsonSchema)]
pub struct Event {
    /// Sequence number.
    seq: String,
    at: Time,
    kind: String,
    /// The record; a text where it cannot be read as JSON.
    body: Value,
}

/// One record of the journal.
pub fn event(row: super::EventRow) -> Event {
    let body = serde_json::from_str(&row.body).unwrap_or(Value::String(row.body));
    Event { seq: row.seq.to_string(), at: time(row.at), kind: row.kind, body }
}

/// One place.
#[derive(Debug, Serialize, JsonSchema)]
pub struct Zone {
    name: String,
    title: Text,
}

/// One place.
pub fn zone(name: &str, title: &words::Words) -> Zone {
    Zone { name: name.to_owned(), title: title.into() }
}

/// One point of a trend.
#[derive(Debug, Serialize, JsonSchema)]
pub struct Point {
    at: Time,
    /// The same, seconds since 1970.
    t: f64,
    /// Null where there is none: it cannot be believed, or nothing came any more.
    value: Option<f64>,
    /// Quality word.
    quality: String,
}

/// One point of a trend.
pub fn point(p: &super::Point) -> Point {
    Point { at: time(p.at), t: p.at as f64 / 1e6, value: number(p.value), quality: p.quality.word().to_owned() }
}

/// A command is on record.
#[derive(Debug, Serialize, JsonSchema)]
pub struct Done {
    /// Sequence number of the record that covers it.
    pub(super) seq: String,
}

/// Who is signed in.
#[derive(Debug, Serialize, JsonSchema)]
pub struct Session {
    pub(super) name: String,
    pub(super) role: String,
    pub(super) can: Can,
    pub(super) mode: ModeWord,
}

/// What a page offers to whoever is signed in.
#[derive(Debug, Serialize, JsonSchema)]
pub struct Can {
    pub(super) see: bool,
    pub(super) act: bool,
    pub(super) lead: bool,
}
