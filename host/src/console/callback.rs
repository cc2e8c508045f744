//! What a gateway calls back with: somebody pressed a key in a call, answered a short message, touched a card. Owns: the forms, and whose answer it is.
//! A gateway is a `[[person]]` with role `gateway`: where there is none, nobody calls back. Must not know: any gateway by name.

use super::access::Right;
use super::api::{Answer, Shared, act};
use super::asked::{Command, Sent};
use super::problem::{Code, Problem};
use super::{Ask, shape};
use crate::config::types::Person;
use axum::extract::State;
use brain::alarm::Person as Name;
use brain::notice::OutboxRow;
use brain::site::Severity;
use brain::{Act, AlarmId, Micros};
use schemars::JsonSchema;
use serde::Deserialize;

/// An answer older than this, or further ahead, is refused: who answers is there now (own default).
const LATE_US: Micros = 300_000_000;
/// The key that means: I take it.
const TAKES: &str = "1";
/// How a short message begins that takes an alarm; its number stands behind it.
const MARKS: [&str; 2] = ["确认", "ACK"];
/// Characters of a refusal that go on record.
const SAID_CHARS: usize = 300;

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
    pub(super) alarm: AlarmId,
    severity: Severity,
    occurrence: u32,
    note: &'static str,
}

impl Meant {
    /// Whose answer it is.
    pub(super) fn name(&self) -> &str {
        &self.by.0
    }
}

/// What a call-back means, judged by who is known, what was told, and the time.
///
/// # Errors
/// Why it is nobody's answer, for people.
pub(super) fn meant<'r>(
    call: &CallBack,
    people: &[Person],
    rows: impl Iterator<Item = &'r OutboxRow>,
    now: Micros,
) -> Result<Meant, String> {
    let (CallBack::Voice { at, number: who, .. } | CallBack::Sms { at, number: who, .. } | CallBack::Card { at, user: who, .. }) =
        call;
    let given: jiff::Timestamp = at.parse().map_err(|_| format!("{at:?} is no time of RFC 3339"))?;
    if given.as_microsecond().saturating_sub(now).saturating_abs() > LATE_US {
        return Err(format!("of {at}, more than {} s from now", LATE_US / 1_000_000));
    }
    let person = people.iter().find(|person| person.known_as.iter().any(|name| name == who));
    let person = person.ok_or_else(|| format!("{who:?} is nobody here: known_as of a [[person]] names who may answer so"))?;
    if !Right::Act.of(person.role) {
        return Err(format!("{} has role {} and takes no alarms", person.name, person.role.word()));
    }
    // What was told again, or to somebody else, is told by another one: the newest counts.
    let mut told = rows.filter(|row| row.attempts > 0).collect::<Vec<_>>();
    told.sort_unstable_by_key(|row| row.notice.id);
    let (row, note) = match call {
        CallBack::Voice { key, .. } if key != TAKES => return Err(format!("key {key:?}; {TAKES} takes it")),
        CallBack::Voice { notice, .. } => (named(&told, notice)?, "电话按键确认 / key pressed in a call"),
        CallBack::Card { notice, .. } => (named(&told, notice)?, "卡片确认 / card"),
        CallBack::Sms { text, .. } => (answered(&told, text)?, "短信确认 / short message"),
    };
    let alarm = &row.notice.alarm;
    if matches!(call, CallBack::Sms { .. }) && alarm.severity >= Severity::Orange {
        return Err(format!(
            "a short message does not take a {} alarm: by telephone key, card or console",
            alarm.severity.word()
        ));
    }
    let by = (person.name.clone(), person.role.word().to_owned());
    Ok(Meant { by, alarm: alarm.id, severity: alarm.severity, occurrence: alarm.occurrences, note })
}

fn named<'r>(told: &[&'r OutboxRow], identifier: &str) -> Result<&'r OutboxRow, String> {
    let found = told.iter().find(|row| row.notice.identifier == identifier);
    found.copied().ok_or_else(|| format!("no message of ours is {identifier:?}"))
}

fn answered<'r>(told: &[&'r OutboxRow], text: &str) -> Result<&'r OutboxRow, String> {
    let rest = MARKS.iter().find_map(|mark| text.trim().strip_prefix(mark));
    let number = rest.and_then(|rest| rest.trim().parse::<u64>().ok());
    let number = number.ok_or_else(|| format!("{text:?} takes no alarm: {:?} or {:?} and its number do", MARKS[0], MARKS[1]))?;
    let found = told.iter().rev().find(|row| row.notice.alarm.id == AlarmId(number));
    found.copied().ok_or_else(|| format!("nobody was told of an alarm {number}"))
}

/// Takes it as the act of the person whose it is, or refuses it; either goes on record.
pub(super) async fn called_back(State(console): Shared, command: Command, Sent(call): Sent<CallBack>) -> Answer<shape::Done> {
    let view = console.view();
    let over = command.by.name.clone();
    let meant = meant(&call, &console.backend.people, view.notices.values().map(AsRef::as_ref), view.at);
    match meant {
        Ok(Meant { by: (name, role), alarm, severity, occurrence, note }) => {
            let by = Name { name, role, station: format!("{} ({over})", command.by.station) };
            let (severity, occurrence, note) = (Some(severity), Some(occurrence), note.to_owned());
            act(&console, Command { key: command.key, by }, Act::Acknowledge { alarm, severity, occurrence, note }).await
        }
        Err(why) => {
            let why: String = why.chars().take(SAID_CHARS).collect();
            console.ask(|reply| Ask::Refused { over, detail: why.clone(), reply }).await?;
            Err(Problem::new(Code::CallBack, why.as_str()).with("reason", why))
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::config::types::Role;

    const NOW: Micros = 1_767_323_045_000_000;

    fn people() -> Vec<Person> {
        let person = |name: &str, role, known: &str| Person {
            name: name.into(),
            role,
            token_sha256: [0; 32],
            known_as: vec![known.to_owned()],
        };
        vec![
            person("甲", Role::Operator, "13800000001"),
            person("乙", Role::Viewer, "13800000002"),
            person("丙", Role::Lead, "bing"),
        ]
    }

    /// Message `test.1.2` of a yellow alarm 1, and `test.2.3` of a red alarm 2; `test.3.4` was never told.
    fn rows() -> Vec<OutboxRow> {
        let notice: brain::Notice = serde_json::from_str(include_str!("../../../tests/fuzz/corpus/cap-notice/alert")).unwrap();
        let row = |alarm: u64, severity, attempts| {
            let mut notice = notice.clone();
            notice.id = brain::NoticeId(alarm + 1);
            notice.identifier = format!("test.{alarm}.{}", alarm + 1);
            (notice.alarm.id, notice.alarm.severity, notice.alarm.occurrences) = (AlarmId(alarm), severity, 3);
            super::super::fuzzing::told(notice, attempts)
        };
        vec![row(1, Severity::Yellow, 1), row(2, Severity::Red, 2), row(3, Severity::Red, 0)]
    }

    fn judged(body: &str) -> Result<Meant, String> {
        let call = super::super::asked::sent(body.replace("NOW", "2026-01-02T11:04:05+08:00").as_bytes());
        meant(&call.map_err(|_| "no call-back".to_owned())?, &people(), rows().iter(), NOW)
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
            (r#"{"form":"voice","notice":"test.9.9","number":"13800000001","key":"1","at":"NOW"}"#, "no message of ours"),
            (r#"{"form":"voice","notice":"test.3.4","number":"13800000001","key":"1","at":"NOW"}"#, "no message of ours"),
            (r#"{"form":"card","notice":"test.2.3","user":"bing","at":"2026-01-02T10:59:04+08:00"}"#, "more than 300 s"),
            (r#"{"form":"card","notice":"test.2.3","user":"bing","at":"2026-01-02T11:09:06+08:00"}"#, "more than 300 s"),
            (r#"{"form":"card","notice":"test.2.3","user":"bing","at":"yesterday"}"#, "no time"),
            (r#"{"form":"sms","number":"13800000001","text":"确认 2","at":"NOW"}"#, "does not take a red alarm"),
            (r#"{"form":"sms","number":"13800000001","text":"确认","at":"NOW"}"#, "takes no alarm"),
            (r#"{"form":"sms","number":"13800000001","text":"好的","at":"NOW"}"#, "takes no alarm"),
            (r#"{"form":"sms","number":"13800000001","text":"确认 9","at":"NOW"}"#, "nobody was told"),
            (r#"{"form":"pigeon","notice":"test.2.3","user":"bing","at":"NOW"}"#, "no call-back"),
            (r#"{"form":"card","notice":"test.2.3","user":"bing","at":"NOW","more":1}"#, "no call-back"),
        ] {
            let said = judged(body).expect_err(body);
            assert!(said.contains(why), "{body}: {said}");
        }
    }
}
