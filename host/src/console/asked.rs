//! What a request asks, read and checked: addresses, bodies, pages, commands. Owns: limits, cursors and what is wrong with a request.
//! Must not know: what a route answers.

use super::access::{self, Caller};
use super::door::Door;
use super::problem::{Code, Problem};
use super::shape::List;
use super::{ARRIVE_MAX, Which};
use axum::body::Bytes;
use axum::extract::{ConnectInfo, FromRef, FromRequest, FromRequestParts, Query, Request};
use axum::http::StatusCode;
use axum::http::request::Parts;
use brain::alarm::{Alarm, Cause, Condition, Person};
use brain::site::Severity;
use brain::{Micros, NoticeId};
use schemars::JsonSchema;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use std::cmp::Reverse;
use std::net::{Ipv4Addr, SocketAddr};
use std::str::FromStr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// Rows of a page where nothing is asked, and the most that can be.
const LIMIT: usize = 200;
const LIMIT_MAX: usize = 1_000;
/// Characters of a person's words.
const WORDS_CHARS_MAX: usize = 2_000;

/// Parameters of the address; unknown ones are refused by the types.
pub(super) struct Asked<T>(pub(super) T);

impl<T: DeserializeOwned + Send, S: Send + Sync> FromRequestParts<S> for Asked<T> {
    type Rejection = Problem;
    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let asked = Query::from_request_parts(parts, state).await;
        asked.map(|Query(asked)| Asked(asked)).map_err(|error| Problem::new(Code::Query, error.body_text()))
    }
}

/// A body of JSON; none is `{}`. Unknown fields are refused by the types.
pub(super) struct Sent<T>(pub(super) T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequest<S> for Sent<T> {
    type Rejection = Problem;
    async fn from_request(request: Request, _: &S) -> Result<Self, Problem> {
        let bytes = body(request).await?;
        sent(&bytes).map(Sent)
    }
}

/// Reads a body.
pub(super) fn sent<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Problem> {
    let text = if bytes.is_empty() { b"{}" } else { bytes };
    serde_json::from_slice(text).map_err(|error| {
        let code = if error.is_data() { Code::Body } else { Code::Json };
        Problem::new(code, error.to_string())
    })
}

/// The body of a request, which must be here in time.
///
/// # Errors
/// More than may be sent, later than we wait, or a connection that broke.
pub(super) async fn body(request: Request) -> Result<Bytes, Problem> {
    arrived(request, ARRIVE_MAX).await
}

/// The same, where it may take this long.
pub(super) async fn arrived(request: Request, most: Duration) -> Result<Bytes, Problem> {
    let arrived = tokio::time::timeout(most, Bytes::from_request(request, &())).await;
    let late = |_| Problem::new(Code::TooSlow, format!("the body was not here within {} s", most.as_secs()));
    arrived.map_err(late)?.map_err(|rejection| {
        let too_large = rejection.status() == StatusCode::PAYLOAD_TOO_LARGE;
        Problem::new(if too_large { Code::TooLarge } else { Code::Body }, rejection.body_text())
    })
}

/// A person's command: who, from where, and the key by which a repeated request has no second effect.
pub(super) struct Command {
    pub(super) key: String,
    /// The key as it was given.
    pub(super) given: Option<String>,
    pub(super) by: Person,
}

impl<S: Send + Sync> FromRequestParts<S> for Command
where
    Door: FromRef<S>,
{
    type Rejection = Problem;
    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        static COMMANDS: AtomicU64 = AtomicU64::new(0);
        let who = parts.extensions.get::<Caller>().ok_or_else(Problem::unknown_person)?.who.clone();
        let given = parts.headers.get("idempotency-key").map(|key| key.to_str().unwrap_or_default().to_owned());
        if given.as_ref().is_some_and(|key| key.is_empty() || key.len() > 128) {
            return Err(Problem::new(Code::IdempotencyKey, "1 to 128 ASCII characters, different for every command"));
        }
        // Without a key every request is a command of its own.
        let key = match &given {
            Some(key) => format!("{}/{key}", who.name),
            None => format!("{}.{}", Door::from_ref(state).run, COMMANDS.fetch_add(1, Ordering::Relaxed)),
        };
        let unspecified = SocketAddr::from((Ipv4Addr::UNSPECIFIED, 0));
        let from = parts.extensions.get::<ConnectInfo<SocketAddr>>().map_or(unspecified, |from| from.0);
        let station = access::station(&parts.headers, from);
        Ok(Command { key, given, by: Person { name: who.name, role: who.role.word().to_owned(), station } })
    }
}

/// The number of an alarm or notice in a path.
pub(super) fn id(text: &str) -> Result<u64, Problem> {
    text.parse().map_err(|_| Problem::new(Code::Unknown, format!("{text:?} is no number of an alarm or notice")))
}

/// Rows of a page, where the whole list would fit into memory many times.
pub(super) fn limit(asked: Option<usize>) -> usize {
    asked.unwrap_or(LIMIT).clamp(1, LIMIT_MAX)
}

fn cursor<T: FromStr>(text: &str) -> Result<T, Problem> {
    text.parse()
        .map_err(|_| Problem::new(Code::Cursor, format!("{text:?} is no cursor of this list: use `next` of the page before")))
}

/// A page of a list that stands in a fixed order.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct InOrder {
    /// `next` of the page before.
    after: Option<String>,
    /// Rows at most, 1 to 1000 (default).
    limit: Option<usize>,
}

impl InOrder {
    /// The rows asked for.
    pub(super) fn of<R, T>(&self, rows: impl ExactSizeIterator<Item = R>, shape: impl Fn(R) -> T) -> Result<List<T>, Problem> {
        let after: usize = self.after.as_deref().map_or(Ok(0), cursor)?;
        let (total, most) = (rows.len(), limit(self.limit.or(Some(LIMIT_MAX))));
        let items: Vec<T> = rows.skip(after).take(most).map(shape).collect();
        let end = after.saturating_add(items.len());
        Ok(List { items, next: (end < total).then(|| end.to_string()), total: Some(total), incomplete: vec![] })
    }
}

/// Which notices, newest first.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct NoticesAsked {
    /// Only those that are still to be told.
    #[serde(default)]
    pub(super) waiting: bool,
    /// `next` of the page before.
    before: Option<u64>,
    /// Rows at most, 1 to 1000 (default 200).
    limit: Option<usize>,
}

impl NoticesAsked {
    /// Numbers below this, and how many.
    pub(super) fn read(&self) -> (Option<NoticeId>, usize) {
        (self.before.map(NoticeId), limit(self.limit))
    }
}

/// Which alarms.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct AlarmsAsked {
    /// `active` (default): what needs somebody, most urgent first; `all`: everything known, newest first.
    #[serde(default)]
    pub(super) state: Shown,
    /// `next` of the page before. An active alarm that became more urgent meanwhile stands on an earlier page: `total` tells.
    before: Option<String>,
    /// Rows at most, 1 to 1000 (default: 1000 of `active`, 200 of `all`).
    limit: Option<usize>,
}

#[derive(Clone, Copy, Deserialize, Default, PartialEq, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(super) enum Shown {
    #[default]
    Active,
    All,
}

impl AlarmsAsked {
    /// The most urgent of those listed after the cursor.
    pub(super) fn active<'a>(&self, listed: impl Iterator<Item = &'a Alarm>) -> Result<List<&'a Alarm>, Problem> {
        let after: Option<Urgency> = self.before.as_deref().map(cursor).transpose()?;
        let mut rows: Vec<(Urgency, &Alarm)> = listed.map(|alarm| (Urgency::of(alarm), alarm)).collect();
        rows.sort_by_key(|(urgency, _)| *urgency);
        let total = rows.len();
        let begin = after.map_or(0, |after| rows.partition_point(|(urgency, _)| *urgency <= after));
        let end = begin.saturating_add(limit(self.limit.or(Some(LIMIT_MAX)))).min(total);
        let page = &rows[begin..end];
        let next = page.last().filter(|_| end < total).map(|(urgency, _)| urgency.to_string());
        Ok(List { items: page.iter().map(|(_, alarm)| *alarm).collect(), next, total: Some(total), incomplete: vec![] })
    }

    /// Numbers below this, and how many.
    pub(super) fn all(&self) -> Result<(Option<u64>, usize), Problem> {
        Ok((self.before.as_deref().map(cursor).transpose()?, limit(self.limit)))
    }
}

/// The place of an alarm among those that need somebody: unacknowledged first, then by severity, then what stands before what has cleared, then
/// the newest; the pages order theirs alike. As a text it is a cursor that stays right while alarms come and go.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Urgency(bool, Reverse<Severity>, bool, Reverse<Micros>, Reverse<u64>);

impl Urgency {
    pub(super) fn of(alarm: &Alarm) -> Urgency {
        let (taken, cleared) = (alarm.acknowledged.is_some(), alarm.condition == Condition::Cleared);
        Urgency(taken, Reverse(alarm.severity), cleared, Reverse(alarm.raised_at), Reverse(alarm.id.0))
    }
}

impl std::fmt::Display for Urgency {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Urgency(taken, Reverse(severity), cleared, Reverse(raised_at), Reverse(number)) = self;
        write!(f, "{}.{}.{}.{raised_at}.{number}", u8::from(*taken), severity.word(), u8::from(*cleared))
    }
}

impl FromStr for Urgency {
    type Err = ();
    fn from_str(text: &str) -> Result<Self, ()> {
        let parts: Vec<&str> = text.split('.').collect();
        let [taken, severity, cleared, raised_at, number] = parts.as_slice() else { return Err(()) };
        let severity = Severity::ALL.into_iter().find(|known| known.word() == *severity).ok_or(())?;
        let raised_at = raised_at.parse().map_err(|_| ())?;
        let number = number.parse().map_err(|_| ())?;
        Ok(Urgency(*taken == "1", Reverse(severity), *cleared == "1", Reverse(raised_at), Reverse(number)))
    }
}

/// The record after a number; all that is given must fit.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct EventsAsked {
    /// `next` of the page before, or any sequence number (default 0: from the beginning).
    #[serde(default)]
    after: u64,
    /// Rows at most, 1 to 1000 (default 200).
    limit: Option<usize>,
    /// Kind of event (`started`, `link`, `operator`, ...), `outcome`, or a kind of outcome: `alarm`, `told`, `delivery`, `quarantine`, `answer`.
    kind: Option<String>,
    /// Only what names this alarm or a notice of it: its history.
    alarm: Option<u64>,
    /// Only alarms and notices of this zone.
    zone: Option<String>,
    /// Only from this time on, RFC 3339.
    #[schemars(with = "Option<String>", extend("format" = "date-time"))]
    from: Option<jiff::Timestamp>,
    /// Only before this time, RFC 3339.
    #[schemars(with = "Option<String>", extend("format" = "date-time"))]
    to: Option<jiff::Timestamp>,
}

impl EventsAsked {
    /// After which number, how many, and which.
    pub(super) fn read(self) -> (u64, usize, Which) {
        let time = |time: Option<jiff::Timestamp>| time.map(jiff::Timestamp::as_microsecond);
        let which = Which { kind: self.kind, alarm: self.alarm, zone: self.zone, from: time(self.from), to: time(self.to) };
        (self.after, limit(self.limit), which)
    }
}

/// Days a trend may span.
const DAYS_MAX: i64 = 400;
const DAY_US: Micros = 86_400_000_000;
/// Points of a trend.
const POINTS_MAX: usize = 4_000;

/// A stretch of time of one tag.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct SeriesAsked {
    /// RFC 3339; default: 15 minutes before `to`.
    #[schemars(with = "Option<String>", extend("format" = "date-time"))]
    from: Option<jiff::Timestamp>,
    /// RFC 3339; default: now.
    #[schemars(with = "Option<String>", extend("format" = "date-time"))]
    to: Option<jiff::Timestamp>,
    /// Points at most about, 2 to 4000 (default 600); each hole has one without a value beside them.
    points: Option<usize>,
}

impl SeriesAsked {
    /// From, to, points.
    pub(super) fn read(&self, now: Micros) -> Result<(Micros, Micros, usize), Problem> {
        // The end is not part of the stretch: the newest reading is.
        let to = self.to.map_or(now + 1, |to| to.as_microsecond());
        let from = self.from.map_or(to - 15 * 60_000_000, |from| from.as_microsecond());
        let wrong = if from >= to {
            "`from` is not before `to`".to_owned()
        } else if to - from > DAYS_MAX * DAY_US {
            format!("more than {DAYS_MAX} days: ask for less at a time")
        } else if from > now + DAY_US {
            "it is yet to come".to_owned()
        } else {
            return Ok((from, to, self.points.unwrap_or(600).clamp(2, POINTS_MAX)));
        };
        let (from, to) = (super::shape::time(from), super::shape::time(to));
        let problem = Problem::new(Code::Range, wrong).with("most_days", DAYS_MAX);
        Err(problem.with("from", serde_json::json!(from)).with("to", serde_json::json!(to)))
    }
}

/// Take an alarm.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Acknowledge {
    /// In the person's words.
    #[serde(default, deserialize_with = "words")]
    #[schemars(length(max = 2000))]
    pub(super) note: String,
    /// Severity that was seen; refused with `moved` where it has risen since.
    #[schemars(with = "Option<super::shape::SeverityWord>")]
    pub(super) severity: Option<Severity>,
    /// Occurrence that was seen; refused with `moved` where there is a new one.
    pub(super) occurrence: Option<u32>,
}

/// End an alarm.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Close {
    /// In the person's words.
    #[serde(default, deserialize_with = "words")]
    #[schemars(length(max = 2000))]
    pub(super) note: String,
    /// Why it came to it; needed from yellow on.
    #[schemars(with = "Option<super::shape::CauseWord>")]
    pub(super) cause: Option<Cause>,
    /// Where a photograph or record is kept; needed from orange on.
    #[serde(default, deserialize_with = "words")]
    #[schemars(length(max = 2000))]
    pub(super) evidence: String,
}

/// Take what the bureau told the plant to do.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct TakeInstruction {
    /// `message` of the instruction.
    pub(super) message: String,
    /// In the person's words.
    #[serde(default, deserialize_with = "words")]
    #[schemars(length(max = 2000))]
    pub(super) note: String,
}

/// Put an alarm aside for a while.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Shelve {
    /// 5, 15, 30, 60 or 480 minutes; at most 60 for orange.
    pub(super) minutes: u32,
    /// Ends as soon as the condition clears.
    #[serde(default)]
    pub(super) one_shot: bool,
    /// Why.
    #[serde(default, deserialize_with = "words")]
    #[schemars(length(max = 2000))]
    pub(super) note: String,
    /// Severity that was seen; refused with `moved` where it has risen since.
    #[schemars(with = "Option<super::shape::SeverityWord>")]
    pub(super) severity: Option<Severity>,
    /// Occurrence that was seen; refused with `moved` where there is a new one.
    pub(super) occurrence: Option<u32>,
}

/// Take a tag out of service.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct TakeOut {
    /// 1 to 1440; then it is asked for again.
    pub(super) minutes: u32,
    /// Number of the permit.
    #[serde(default, deserialize_with = "words")]
    #[schemars(length(max = 64))]
    pub(super) permit: String,
    /// What watches instead.
    #[serde(default, deserialize_with = "words")]
    #[schemars(length(max = 2000))]
    pub(super) measure: String,
}

/// What a person says of an act.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Note {
    /// In the person's words.
    #[serde(default, deserialize_with = "words")]
    #[schemars(length(max = 2000))]
    pub(super) note: String,
}

/// A person's words, at most [`WORDS_CHARS_MAX`] characters: an alarm is written whole at each change, and told whole to the bureau.
pub(super) fn words<'de, D: serde::Deserializer<'de>>(from: D) -> Result<String, D::Error> {
    let words = String::deserialize(from)?;
    let chars = words.chars().count();
    if chars > WORDS_CHARS_MAX {
        let error = format!("note: {chars} characters, at most {WORDS_CHARS_MAX}: name the file or folder that holds the rest");
        return Err(serde::de::Error::custom(error));
    }
    Ok(words)
}

/// A name, or a name and a way to reach it, at most 200 characters: shorter than a note, for many may stand in one alarm or entry.
pub(super) fn name<'de, D: serde::Deserializer<'de>>(from: D) -> Result<String, D::Error> {
    let name = String::deserialize(from)?;
    match name.chars().count() {
        0..=200 => Ok(name),
        chars => Err(serde::de::Error::custom(format!("to: {chars} characters, at most 200: who, and how"))),
    }
}

/// A token from the site file, against a session.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct SignIn {
    pub(super) token: String,
}
