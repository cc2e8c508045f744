//! What a gateway calls back with: somebody pressed a key in a call, answered a short message, touched a card. Owns: the forms, and whose answer it is.
//! A gateway is a `[[person]]` with role `gateway`: where there is none, nobody calls back. Must not know: any gateway by name.

use super::access::Right;
use super::api::{Answer, Shared, act};
use super::asked::{Command, Sent};
use super::problem::{Code, Problem};
use super::{Ask, Console, shape};
use crate::config::types::{AnswerForm, Person};
use axum::extract::State;
use brain::alarm::Person as Name;
use brain::notice::OutboxRow;
use brain::site::Severity;
use brain::{Act, Alarm, AlarmId, Micros};
use schemars::JsonSchema;
use serde::Deserialize;
use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// An answer older than this, or further ahead, is refused: who answers is there now (own default).
const LATE_US: Micros = 300_000_000;
/// The key that means: I take it.
const TAKES: &str = "1";
/// How a short message begins that takes an alarm; its number stands behind it.
const MARKS: [&str; 2] = ["确认", "ACK"];
/// Characters of a refusal that go on record.
const SAID_CHARS: usize = 300;

/// Call-backs of one gateway in a minute that change nothing and go on record each, and how long that is.
const REFUSED_MAX: u32 = 10;
const MINUTE: Duration = Duration::from_secs(60);
/// What a gateway hears whoever is unknown, what was told to nobody, or who may not: which of it is on record, and not its business.
const NOBODY: &str =
    "nobody's answer: no person who takes alarms is known so there, or was told of that; which it is, is on record";

/// A call-back of a gateway.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(tag = "form", rename_all = "snake_case", deny_unknown_fields)]
pub(super) enum CallBack {
    /// A key was pressed in a call; only 1 takes the alarm.
    Voice {
        /// Identifier of the message that was read out: `{{identifier}}` of the request.
        notice: String,
        /// Who was called: in `known_as` of a person.
        number: String,
        /// The key.
        key: String,
        /// When, RFC 3339.
        at: String,
    },
    /// A short message came back: `确认 17` or `ACK 17` with the number of the alarm. It takes yellow and blue alone: nobody knows who holds the phone.
    Sms {
        /// Who sent it: in `known_as` of a person.
        number: String,
        /// What it says.
        text: String,
        /// When, RFC 3339.
        at: String,
    },
    /// The button of a card was touched, in an application where people sign in.
    Card {
        /// Identifier of the message that the card showed.
        notice: String,
        /// Who: in `known_as` of a person.
        user: String,
        /// When, RFC 3339.
        at: String,
    },
}

/// Who takes which alarm, as it stood in what that person was told.
#[derive(Debug, PartialEq)]
pub(super) struct Meant {
    by: (String, String),
    /// What was said: the same again is the same command.
    said: String,
    pub(super) alarm: AlarmId,
    severity: Severity,
    occurrence: u32,
    note: &'static str,
}

impl Meant {
    /// It changes nothing, as far as is known: the alarm is taken, over, put aside, or no longer as it was told. Said again or for the first time, the
    /// brain answers it; but a gateway may say it without end.
    fn is_vain(&self, alarm: Option<&Alarm>) -> bool {
        alarm.is_none_or(|alarm| {
            let moved = alarm.occurrences != self.occurrence || alarm.severity > self.severity;
            alarm.closed || alarm.acknowledged.is_some() || !alarm.shelf.is_empty() || moved
        })
    }

    /// Whose answer it is.
    pub(super) fn name(&self) -> &str {
        &self.by.0
    }
}

/// Why a call-back is nobody's answer.
#[derive(Debug)]
pub(super) struct Refused {
    /// For the record.
    pub(super) why: String,
    /// The gateway hears it too: it tells nothing of who and what is known here.
    told: bool,
}

/// The gateway's own fault, or the person's: said.
fn said(why: String) -> Refused {
    Refused { why, told: true }
}

/// Nobody's: not said why.
fn unsaid(why: String) -> Refused {
    Refused { why, told: false }
}

/// What a call-back of this gateway means, judged by what it may bring, who is known, what was told before that time, and the time.
///
/// # Errors
/// Why it is nobody's answer, for people.
pub(super) fn meant<'r>(
    call: &CallBack,
    gateway: &Person,
    people: &[Person],
    rows: impl Iterator<Item = &'r OutboxRow>,
    now: Micros,
) -> Result<Meant, Refused> {
    let (CallBack::Voice { at, number: who, .. } | CallBack::Sms { at, number: who, .. } | CallBack::Card { at, user: who, .. }) =
        call;
    let given: jiff::Timestamp = at.parse().map_err(|_| said(format!("{at:?} is no time of RFC 3339")))?;
    let given = given.as_microsecond();
    let (form, word) = match call {
        CallBack::Voice { .. } => (AnswerForm::Voice, "voice"),
        CallBack::Sms { .. } => (AnswerForm::Sms, "sms"),
        CallBack::Card { .. } => (AnswerForm::Card, "card"),
    };
    if !gateway.brings.forms.contains(&form) {
        return Err(said(format!("{} brings no answers of form {word}: forms of its [[person]]", gateway.name)));
    }
    if given.saturating_sub(now).saturating_abs() > LATE_US {
        return Err(said(format!("of {at}, more than {} s from now", LATE_US / 1_000_000)));
    }
    let person = people.iter().find(|person| person.known_as.iter().any(|name| name == who));
    let person =
        person.ok_or_else(|| unsaid(format!("{who:?} is nobody here: known_as of a [[person]] names who may answer so")))?;
    if !Right::Act.of(person.role) {
        return Err(unsaid(format!("{} has role {} and takes no alarms", person.name, person.role.word())));
    }
    // Nobody answers what came later, and nobody but who is told there. What was told again is told by another one: the newest counts.
    let is_told = |row: &&OutboxRow| {
        let there = gateway.brings.audiences.get(&row.notice.audience);
        row.attempts > 0
            && row.notice.at <= given
            && there.is_some_and(|there| there.contains(&person.name) || row.notice.duty.contains(&person.name))
    };
    let rows = rows.collect::<Vec<_>>();
    let mut told = rows.iter().copied().filter(is_told).collect::<Vec<_>>();
    if form == AnswerForm::Sms {
        // A message that tells of several names the number of each.
        let carried: BTreeSet<_> = told.iter().flat_map(|row| &row.notice.digest).map(|told| told.notice).collect();
        told.extend(rows.iter().filter(|row| carried.contains(&row.notice.id)));
    }
    told.sort_unstable_by_key(|row| row.notice.id);
    let (row, note) = match call {
        CallBack::Voice { key, .. } if key != TAKES => return Err(said(format!("key {key:?}; {TAKES} takes it"))),
        CallBack::Voice { notice, .. } => (named(&told, notice)?, "电话按键确认 / key pressed in a call"),
        CallBack::Card { notice, .. } => (named(&told, notice)?, "卡片确认 / card"),
        CallBack::Sms { text, .. } => (answered(&told, text)?, "短信确认 / short message"),
    };
    let alarm = &row.notice.alarm;
    if matches!(call, CallBack::Sms { .. }) && alarm.severity >= Severity::Orange {
        let level = alarm.severity.word();
        return Err(said(format!("a short message does not take a {level} alarm: by telephone key, card or console")));
    }
    let by = (person.name.clone(), person.role.word().to_owned());
    let said =
        format!("{word}.{given}.{}.{}", row.notice.alarm.id.0, if form == AnswerForm::Sms { "" } else { &row.notice.identifier });
    Ok(Meant { by, said, alarm: alarm.id, severity: alarm.severity, occurrence: alarm.occurrences, note })
}

fn named<'r>(told: &[&'r OutboxRow], identifier: &str) -> Result<&'r OutboxRow, Refused> {
    let found = told.iter().find(|row| row.notice.identifier == identifier);
    found
        .copied()
        .ok_or_else(|| unsaid(format!("no message told to that person over this gateway before that is {identifier:?}")))
}

fn answered<'r>(told: &[&'r OutboxRow], text: &str) -> Result<&'r OutboxRow, Refused> {
    let rest = MARKS.iter().find_map(|mark| text.trim().strip_prefix(mark));
    let number = rest.and_then(|rest| rest.trim().parse::<u64>().ok());
    let number =
        number.ok_or_else(|| said(format!("{text:?} takes no alarm: {:?} or {:?} and its number do", MARKS[0], MARKS[1])))?;
    let found = told.iter().rev().find(|row| row.notice.alarm.id == AlarmId(number));
    found.copied().ok_or_else(|| unsaid(format!("that person was told of no alarm {number} over this gateway before that")))
}

/// Takes it as the act of the person whose it is, or refuses it; either goes on record.
pub(super) async fn called_back(State(console): Shared, command: Command, Sent(call): Sent<CallBack>) -> Answer<shape::Done> {
    let view = console.view();
    let over = command.by.name.clone();
    let people = &console.backend.people;
    let gateway = people.iter().find(|person| person.name == over).ok_or_else(Problem::unknown_person)?;
    let meant = meant(&call, gateway, people, view.notices.values().map(AsRef::as_ref), view.at);
    match meant {
        Ok(meant) => {
            if meant.is_vain(view.alarms.get(&meant.alarm.0).map(AsRef::as_ref)) {
                bounded(&console, &over, Kind::Vain).await?;
            }
            let Meant { by: (name, role), said, alarm, severity, occurrence, note } = meant;
            // One gateway brings answers of many, each with keys of one's own; without a key the same answer again is the same command.
            let key = format!("{over}/{name}/{}", command.given.as_deref().unwrap_or(&said));
            let by = Name { name, role, station: format!("{} ({over})", command.by.station) };
            let (severity, occurrence, note) = (Some(severity), Some(occurrence), note.to_owned());
            act(&console, Command { key, given: command.given, by }, Act::Acknowledge { alarm, severity, occurrence, note }).await
        }
        Err(refused) => {
            let why: String = refused.why.chars().take(SAID_CHARS).collect();
            let heard = if refused.told { why.clone() } else { NOBODY.to_owned() };
            bounded(&console, &over, Kind::Nobody).await?;
            console.ask(|reply| Ask::Refused { over, detail: why, reply }).await?;
            Err(Problem::new(Code::CallBack, heard.as_str()).with("reason", heard))
        }
    }
}

/// What changes nothing, and is counted by itself: a gateway that repeats itself takes no record from what is nobody's answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Kind {
    /// Nobody's answer.
    Nobody,
    /// Somebody's, of whom the alarm is taken already, or no longer as it was told: the brain says so, and that goes on record as the act that it is.
    Vain,
}

impl Kind {
    /// For the record, behind a number.
    fn words(self) -> &'static str {
        match self {
            Kind::Nobody => "call-backs refused within a minute",
            Kind::Vain => "answers within a minute to what was taken already or has changed",
        }
    }
}

/// Ten a minute go on record each; with the first one more the record says that the rest are only counted, and at the end of the minute how many those
/// were. What a stop within that minute takes away is this number alone: an answer that would change anything is never only counted.
///
/// # Errors
/// It is only counted.
async fn bounded(console: &Arc<Console>, over: &str, kind: Kind) -> Result<(), Problem> {
    let (turn, left) = console.refusals.count(over, kind, Instant::now());
    match turn {
        Turn::Recorded => return Ok(()),
        Turn::First => {
            drop(tokio::spawn(summed(console.clone(), over.to_owned(), kind, left)));
            let (over, detail) = (over.to_owned(), format!("more than {REFUSED_MAX} {}: from here on counted", kind.words()));
            console.ask(|reply| Ask::Refused { over, detail, reply }).await?;
        }
        Turn::Counted => {}
    }
    let seconds = left.as_secs() + 1;
    Err(Problem::new(Code::TooOften, format!("more than {REFUSED_MAX} {}", kind.words())).with("after_s", seconds))
}

/// At the end of the minute, how many were only counted goes on record.
async fn summed(console: Arc<Console>, over: String, kind: Kind, left: Duration) {
    tokio::time::sleep(left).await;
    let counted = console.refusals.end(&over, kind);
    let detail = format!("{counted} more {}, not recorded one by one", kind.words());
    // Stopping, or the journal takes nothing: health says so.
    let _ = console.ask(|reply| Ask::Refused { over, detail, reply }).await;
}

/// What becomes of a call-back that changes nothing.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Turn {
    /// On record.
    Recorded,
    /// The first of this minute that is only counted: whoever sees it has the count put on record when the minute is over.
    First,
    /// Counted.
    Counted,
}

/// Call-backs of the present minute that changed nothing, by gateway and kind.
#[derive(Default)]
pub(super) struct Refusals(Mutex<HashMap<(String, Kind), (Instant, u32)>>);

impl Refusals {
    /// One more of this gateway and kind; and what is left of its minute.
    fn count(&self, over: &str, kind: Kind, now: Instant) -> (Turn, Duration) {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (since, count) = all.entry((over.to_owned(), kind)).or_insert((now, 0));
        // A minute with a count ends when that is on record.
        if *count <= REFUSED_MAX && now.duration_since(*since) >= MINUTE {
            (*since, *count) = (now, 0);
        }
        *count = count.saturating_add(1);
        let turn = match *count {
            ..=REFUSED_MAX => Turn::Recorded,
            count if count == REFUSED_MAX + 1 => Turn::First,
            _ => Turn::Counted,
        };
        (turn, MINUTE.saturating_sub(now.duration_since(*since)))
    }

    /// Ends the minute of this gateway and kind: how many were only counted.
    fn end(&self, over: &str, kind: Kind) -> u32 {
        let ended = self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(&(over.to_owned(), kind));
        ended.map_or(0, |(_, count)| count.saturating_sub(REFUSED_MAX))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::config::types::{Brings, Role};

    const NOW: Micros = 1_767_323_045_000_000;

    fn people() -> Vec<Person> {
        let person = |name: &str, role, known: &str| Person {
            name: name.into(),
            role,
            token_sha256: [0; 32],
            known_as: vec![known.to_owned()],
            brings: Brings::default(),
        };
        vec![
            person("甲", Role::Operator, "13800000001"),
            person("乙", Role::Viewer, "13800000002"),
            person("丙", Role::Lead, "bing"),
            person("丁", Role::Lead, "13800000004"),
        ]
    }

    /// Brings all forms of whoever but 丁 is told at the audience of the messages.
    fn gateway(audience: &str) -> Person {
        let told = ["甲", "乙", "丙"].map(str::to_owned).to_vec();
        let brings = Brings {
            forms: vec![AnswerForm::Voice, AnswerForm::Sms, AnswerForm::Card],
            audiences: [(audience.to_owned(), told)].into(),
        };
        Person { name: "网关".into(), role: Role::Gateway, token_sha256: [0; 32], known_as: vec![], brings }
    }

    /// Message `test.1.2` of a yellow alarm 1, and `test.2.3` of a red alarm 2; `test.3.4` was never told.
    fn rows() -> Vec<OutboxRow> {
        let notice: brain::Notice = serde_json::from_str(include_str!("../../../tests/fuzz/corpus/cap-notice/alert")).unwrap();
        let row = |alarm: u64, severity, attempts| {
            let mut notice = notice.clone();
            notice.id = brain::NoticeId(alarm + 1);
            notice.identifier = format!("test.{alarm}.{}", alarm + 1);
            (notice.audience, notice.at, notice.duty) = ("crew".into(), NOW - 60_000_000, vec![]);
            (notice.alarm.id, notice.alarm.severity, notice.alarm.occurrences) = (AlarmId(alarm), severity, 3);
            super::super::fuzzing::told(notice, attempts)
        };
        vec![row(1, Severity::Yellow, 1), row(2, Severity::Red, 2), row(3, Severity::Red, 0)]
    }

    #[test]
    fn a_short_message_takes_an_alarm_that_another_one_s_message_told_of() {
        let mut rows = rows();
        let mut told = rows[2].clone();
        (told.notice.alarm.severity, told.delivery) = (Severity::Yellow, brain::notice::Delivery::Superseded);
        let digested = brain::notice::Digested {
            notice: told.notice.id,
            alarm: told.notice.alarm.id,
            title: told.notice.alarm.title.clone(),
            zone: told.notice.zone.clone(),
            severity: Severity::Yellow,
            reason: told.notice.reason,
            at: told.notice.at,
        };
        rows[2] = told;
        let sms = r#"{"form":"sms","text":"确认 3","number":"13800000001","at":"NOW"}"#;
        assert!(judged_of(sms, &gateway("crew"), &rows).unwrap_err().contains("told of no alarm 3"));
        rows[0].notice.digest.push(digested);
        let meant = judged_of(sms, &gateway("crew"), &rows).unwrap();
        assert_eq!((meant.alarm, meant.severity, meant.occurrence), (AlarmId(3), Severity::Yellow, 3));
        assert!(judged_of(sms, &gateway("officer"), &rows).is_err(), "only of what that person was told");
    }

    fn judged(body: &str) -> Result<Meant, String> {
        judged_of(body, &gateway("crew"), &rows())
    }

    fn judged_of(body: &str, gateway: &Person, rows: &[OutboxRow]) -> Result<Meant, String> {
        let call = super::super::asked::sent(body.replace("NOW", "2026-01-02T11:04:05+08:00").as_bytes());
        meant(&call.map_err(|_| "no call-back".to_owned())?, gateway, &people(), rows.iter(), NOW).map_err(|refused| refused.why)
    }

    #[test]
    fn a_gateway_brings_what_the_site_file_says_and_no_more() {
        let voice = r#"{"form":"voice","notice":"test.2.3","number":"13800000001","key":"1","at":"NOW"}"#;
        assert!(judged(voice).is_ok());
        let said = judged_of(voice, &gateway("officer"), &rows()).unwrap_err();
        assert!(said.contains("no message told to that person"), "{said}");
        let mut of_messages = gateway("crew");
        of_messages.brings.forms = vec![AnswerForm::Sms];
        let said = judged_of(voice, &of_messages, &rows()).unwrap_err();
        assert!(said.contains("no answers of form voice"), "{said}");
        // Who has taken over is told, whatever the roster says.
        let another = voice.replace("13800000001", "13800000004");
        assert!(judged(&another).is_err());
        let mut rows = rows();
        rows[1].notice.duty = vec!["丁".into()];
        assert!(judged_of(&another, &gateway("crew"), &rows).is_ok());
    }

    #[test]
    fn an_answer_is_to_what_was_told_before_it() {
        let sms = r#"{"form":"sms","number":"13800000001","text":"确认 1","at":"NOW"}"#;
        let mut rows = rows();
        let mut again = rows[0].clone();
        again.notice.id = brain::NoticeId(9);
        (again.notice.alarm.occurrences, again.notice.at) = (4, NOW + 1);
        rows.push(again);
        let first = judged_of(sms, &gateway("crew"), &rows).unwrap();
        assert_eq!((first.occurrence, &first), (3, &judged(sms).unwrap()), "the same again means the same");
        rows[3].notice.at = NOW;
        assert_eq!(judged_of(sms, &gateway("crew"), &rows).unwrap().occurrence, 4);
    }

    #[test]
    fn what_changes_nothing_is_recorded_ten_a_minute_and_then_counted() {
        let (refusals, start) = (Refusals::default(), Instant::now());
        let turns_of = |over: &str, kind, count: u32, at: Duration| -> Vec<Turn> {
            (0..count).map(|_| refusals.count(over, kind, start + at).0).collect()
        };
        let turns = |over: &str, count: u32, at: Duration| turns_of(over, Kind::Nobody, count, at);
        assert_eq!(turns("a", REFUSED_MAX, Duration::ZERO), vec![Turn::Recorded; 10]);
        assert_eq!(turns("a", 3, MINUTE / 2), [Turn::First, Turn::Counted, Turn::Counted]);
        assert_eq!(turns("b", 1, MINUTE / 2), [Turn::Recorded], "another gateway");
        assert_eq!(turns_of("a", Kind::Vain, REFUSED_MAX, MINUTE / 2), vec![Turn::Recorded; 10], "another kind");
        assert_eq!(turns_of("a", Kind::Vain, 1, MINUTE / 2), [Turn::First]);
        let end = |over: &str, kind| refusals.end(over, kind);
        assert_eq!((end("a", Kind::Nobody), end("a", Kind::Vain), end("b", Kind::Nobody)), (3, 1, 0));
        assert_eq!(turns("a", REFUSED_MAX + 1, MINUTE).last(), Some(&Turn::First));
        assert_eq!(turns("b", REFUSED_MAX, MINUTE), vec![Turn::Recorded; 10]);
        assert_eq!(turns("b", 1, MINUTE * 2), [Turn::Recorded], "the next minute");
    }

    /// Only what would change nothing is ever counted: whoever takes an alarm as it stands is heard, however often others repeat themselves.
    #[test]
    fn an_answer_to_an_alarm_as_it_stands_is_never_vain() {
        let voice = r#"{"form":"voice","notice":"test.2.3","number":"13800000001","key":"1","at":"NOW"}"#;
        let (meant, stands) = (judged(voice).unwrap(), *rows()[1].notice.alarm.clone());
        assert!(!meant.is_vain(Some(&stands)) && meant.is_vain(None));
        let by = Name { name: "甲".into(), role: "operator".into(), station: String::new() };
        let taken = brain::alarm::Acknowledgement { by, at: NOW, severity: Severity::Red, note: String::new() };
        for other in [
            Alarm { closed: true, ..stands.clone() },
            Alarm { occurrences: 4, ..stands.clone() },
            Alarm { acknowledged: Some(taken), ..stands.clone() },
        ] {
            assert!(meant.is_vain(Some(&other)));
        }
    }

    #[test]
    fn a_known_person_takes_what_that_person_was_told() {
        for (body, who, alarm, severity) in [
            (r#"{"form":"voice","notice":"test.2.3","number":"13800000001","key":"1","at":"NOW"}"#, "甲", 2, Severity::Red),
            (r#"{"form":"card","notice":"test.2.3","user":"bing","at":"NOW"}"#, "丙", 2, Severity::Red),
            (r#"{"form":"sms","number":"13800000001","text":" 确认 1","at":"NOW"}"#, "甲", 1, Severity::Yellow),
            (r#"{"form":"sms","number":"bing","text":"ACK1","at":"2026-01-02T03:08:05Z"}"#, "丙", 1, Severity::Yellow),
        ] {
            let meant = judged(body).unwrap_or_else(|why| panic!("{body}: {why}"));
            assert_eq!((&*meant.by.0, meant.alarm.0, meant.severity, meant.occurrence), (who, alarm, severity, 3), "{body}");
        }
    }

    #[test]
    fn nobody_else_takes_anything() {
        for (body, why) in [
            (r#"{"form":"voice","notice":"test.2.3","number":"13900000000","key":"1","at":"NOW"}"#, "is nobody here"),
            (r#"{"form":"voice","notice":"test.2.3","number":"13800000002","key":"1","at":"NOW"}"#, "takes no alarms"),
            (r#"{"form":"voice","notice":"test.2.3","number":"13800000001","key":"2","at":"NOW"}"#, "1 takes it"),
            (r#"{"form":"voice","notice":"test.9.9","number":"13800000001","key":"1","at":"NOW"}"#, "no message told to"),
            (r#"{"form":"voice","notice":"test.3.4","number":"13800000001","key":"1","at":"NOW"}"#, "no message told to"),
            (r#"{"form":"card","notice":"test.2.3","user":"bing","at":"2026-01-02T10:59:04+08:00"}"#, "more than 300 s"),
            (r#"{"form":"card","notice":"test.2.3","user":"bing","at":"2026-01-02T11:09:06+08:00"}"#, "more than 300 s"),
            (r#"{"form":"voice","notice":"test.2.3","number":"13800000004","key":"1","at":"NOW"}"#, "no message told to"),
            (r#"{"form":"card","notice":"test.2.3","user":"bing","at":"yesterday"}"#, "no time"),
            (r#"{"form":"sms","number":"13800000001","text":"确认 2","at":"NOW"}"#, "does not take a red alarm"),
            (r#"{"form":"sms","number":"13800000001","text":"确认","at":"NOW"}"#, "takes no alarm"),
            (r#"{"form":"sms","number":"13800000001","text":"好的","at":"NOW"}"#, "takes no alarm"),
            (r#"{"form":"sms","number":"13800000001","text":"确认 9","at":"NOW"}"#, "was told of no alarm 9"),
            (r#"{"form":"pigeon","notice":"test.2.3","user":"bing","at":"NOW"}"#, "no call-back"),
            (r#"{"form":"card","notice":"test.2.3","user":"bing","at":"NOW","more":1}"#, "no call-back"),
        ] {
            let said = judged(body).expect_err(body);
            assert!(said.contains(why), "{body}: {said}");
        }
    }
}
