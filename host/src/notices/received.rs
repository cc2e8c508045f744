//! What a bureau receives of a plant: bytes to a [`Report`] whose sender is proved, or a refusal that says what is wrong; and what it says back.
//! Must not know: what was received before, how bytes come and go, where anything is kept.

use super::answer::{INSTRUCTION_MARKS, PERSON_MARKS};
use super::cap::{self, CapError, Info, Message, MsgType, Reply, Severity as Level, Urgency};
use super::proof::{self, Unproved};
use crate::config::types::Trusted;
use crate::key::Certified;
use brain::Micros;
use brain::bureau::{Act, Report};
use brain::notice::NoticeKind;
use brain::site::{Mode, Severity};
use brain::words::Words;

/// Whose messages may come over a line.
#[derive(Clone, Copy, Debug)]
pub struct Line<'a> {
    /// CAP sender of the plant.
    pub sender: &'a str,
    /// What proves its messages; none = whoever has the line is believed, and nobody else's signature is.
    pub trusted: Option<&'a Trusted>,
    /// What came beside a message in JSON.
    pub signature: Option<&'a str>,
}

/// Why a message was not taken.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// It is not what it says.
    #[error("{0}")]
    Forged(String),
    /// It cannot be read, or must not be acted on.
    #[error("{0}")]
    Unfit(CapError),
}

/// What came.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Received {
    /// The message itself.
    pub message: Message,
    /// What the queue needs of it.
    pub report: Report,
}

/// Reads a message and proves who sent it: the one place where a signature belongs.
///
/// # Errors
/// [`Refused`], naming what is wrong.
pub fn received(bytes: &[u8], line: Line<'_>) -> Result<Received, Refused> {
    let message = proved(bytes, line)?;
    let mut faults = cap::check(&message);
    let kind = match message.msg_type {
        MsgType::Alert => Some(NoticeKind::Alert),
        MsgType::Update => Some(NoticeKind::Update),
        MsgType::Cancel => Some(NoticeKind::Cancel),
        MsgType::Ack | MsgType::Error => {
            faults.push("msgType: a bureau takes Alert, Update and Cancel".to_owned());
            None
        }
    };
    let mode = message.status.mode();
    if mode.is_none() {
        faults.push("status: a bureau takes Actual, Exercise and Test; heartbeats go to /api/v1/heartbeat".to_owned());
    }
    let (Some(kind), Some(mode), Ok(sent), Ok(references), true) =
        (kind, mode, cap::time::read(&message.sent), message.triples(), faults.is_empty())
    else {
        return Err(Refused::Unfit(CapError::Refused(faults)));
    };
    let references = references.into_iter().map(|triple| triple.identifier).collect();
    let digest = blake3::hash(bytes).to_hex().to_string();
    let report = report(&message, (mode, kind, sent), references, digest);
    Ok(Received { message, report })
}

/// The message, if its sender is who may speak over this line.
fn proved(bytes: &[u8], line: Line<'_>) -> Result<Message, Refused> {
    let proof = match is_json(bytes) {
        true => proof::proved_json(bytes, line.signature, line.trusted),
        false => proof::proved(bytes, line.trusted),
    };
    let message = match proof {
        Ok(proved) => proved.message,
        Err(Unproved::Unsigned(message)) if line.trusted.is_none() => *message,
        Err(Unproved::Unreadable(error @ CapError::Signature(_))) => return Err(Refused::Forged(error.to_string())),
        Err(Unproved::Unreadable(error)) => return Err(Refused::Unfit(error)),
        Err(error) => return Err(Refused::Forged(error.to_string())),
    };
    if message.sender != line.sender {
        let why = format!("sender: {:?} does not speak over this line, only {:?} does", message.sender, line.sender);
        return Err(Refused::Forged(why));
    }
    Ok(message)
}

fn is_json(bytes: &[u8]) -> bool {
    bytes.trim_ascii_start().first() == Some(&b'{')
}

/// A message that was received and kept, read again.
///
/// # Errors
/// It is not what was kept.
pub fn kept(text: &str) -> Result<Message, CapError> {
    if is_json(text.as_bytes()) { cap::json::read(text.as_bytes()) } else { cap::parse(text.as_bytes()) }
}

fn report(message: &Message, (mode, kind, sent): (Mode, NoticeKind, Micros), references: Vec<String>, digest: String) -> Report {
    let info = message.infos.first();
    let handled = info.and_then(|info| parameter(info, "handlingNotes")?.parse::<u64>().ok());
    Report {
        identifier: message.identifier.clone(),
        sent,
        mode,
        kind,
        references,
        incident: message.incidents.as_deref().and_then(|all| all.split_ascii_whitespace().next()).unwrap_or_default().to_owned(),
        // A Cancel may come without: what ends raises nothing.
        level: info.map_or(Severity::Blue, level),
        cleared: info.is_some_and(|info| info.urgency == Urgency::Past),
        handled: handled.is_some_and(|notes| notes > 0),
        headline: words(&message.infos, |info| Some(info.headline.as_ref().unwrap_or(&info.event))),
        description: words(&message.infos, |info| info.description.as_ref()),
        digest,
    }
}

/// Unknown is the worst.
fn level(info: &Info) -> Severity {
    match info.severity {
        Level::Extreme | Level::Unknown => Severity::Red,
        Level::Severe => Severity::Orange,
        Level::Moderate => Severity::Yellow,
        Level::Minor => Severity::Blue,
    }
}

fn parameter<'a>(info: &'a Info, name: &str) -> Option<&'a str> {
    info.parameters.iter().find(|pair| pair.name == name).map(|pair| pair.value.as_str())
}

/// A text in both languages; what one language lacks the other says.
fn words(infos: &[Info], of: impl Fn(&Info) -> Option<&String>) -> Words {
    let begins = |info: &&Info, code: &str| {
        info.language.as_deref().is_some_and(|language| language.to_ascii_lowercase().starts_with(code))
    };
    let find =
        |code: &str| infos.iter().find(|info| begins(info, code)).or(infos.first()).and_then(&of).cloned().unwrap_or_default();
    Words { zh: find("zh"), en: find("en") }
}

/// Who answers.
#[derive(Clone, Copy, Debug)]
pub struct Desk<'a> {
    /// CAP sender of the bureau.
    pub sender: &'a str,
    /// Unique for it for ever.
    pub identifier: &'a str,
    /// By the wall clock.
    pub at: Micros,
}

/// That the bureau's machine takes a message: no person has seen it.
pub fn accepted(desk: Desk<'_>, to: &Message) -> String {
    cap::build_reply(&Reply { accepted: true, identifier: desk.identifier, sender: desk.sender, at: desk.at, note: "" }, to)
}

/// What a named person says to a message: a CAP Ack or Error, as a plant reads it (see [`super::answer`]). None: nothing is told of this.
///
/// # Errors
/// It cannot be signed.
pub fn said(desk: Desk<'_>, person: &str, act: &Act, to: &Message, signer: Option<&Certified>) -> anyhow::Result<Option<String>> {
    let person = person.replace([';', '；'], ",");
    let (is_taken, words) = match act {
        Act::Accept { note } => (true, note.trim().to_owned()),
        Act::Reject { note } => (false, note.trim().to_owned()),
        Act::Instruct { note } => (true, format!("{}{}", INSTRUCTION_MARKS[0], note.trim())),
        Act::Close { .. } => return Ok(None),
    };
    let note = format!("{}{person}{}{words}", PERSON_MARKS[0], if words.is_empty() { "" } else { "; " });
    let reply = Reply { accepted: is_taken, identifier: desk.identifier, sender: desk.sender, at: desk.at, note: &note };
    let text = cap::build_reply(&reply, to);
    signer.map_or_else(|| Ok(text.clone()), |signer| cap::sign(&text, signer)).map(Some)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use crate::notices::{answer, cap, sample};

    const PLANT: Line<'static> = Line { sender: "plant@demo.example", trusted: None, signature: None };

    fn desk() -> Desk<'static> {
        Desk { sender: "duty@bureau.example", identifier: "district.m1", at: sample::notice().at }
    }

    #[test]
    fn a_plant_s_message_is_read_and_a_stranger_s_refused() {
        let notice = sample::follow_up(NoticeKind::Update, brain::notice::Reason::Cleared);
        let text = cap::build(&notice, &sample::channel("http://x"));
        let Received { message, report } = received(text.as_bytes(), PLANT).unwrap();
        assert_eq!((report.kind, report.mode, report.level), (NoticeKind::Update, Mode::Test, Severity::Red));
        assert_eq!((report.references, report.incident.as_str()), (vec!["demo.7.12".to_owned()], "demo.7"));
        assert!(report.handled && !report.cleared && report.headline.zh.contains("混药间"), "{report:?}", report = message);
        let forged = received(text.as_bytes(), Line { sender: "other@demo.example", ..PLANT });
        assert!(matches!(forged, Err(Refused::Forged(ref why)) if why.contains("plant@demo.example")), "{forged:?}");
        let ack = accepted(desk(), &message);
        let ack = received(ack.as_bytes(), Line { sender: "duty@bureau.example", ..PLANT });
        assert!(matches!(ack, Err(Refused::Unfit(_))), "{ack:?}");
        assert!(matches!(received(b"<alert/>", PLANT), Err(Refused::Unfit(_))));
    }

    /// What one side writes the other side reads.
    #[test]
    fn a_plant_reads_what_an_officer_says() {
        let text = cap::build(&sample::notice(), &sample::channel("http://x"));
        let message = cap::parse(text.as_bytes()).unwrap();
        let note = |text: &str| text.to_owned();
        for (act, expected) in [
            (Act::Accept { note: String::new() }, Some((true, "", false))),
            (Act::Accept { note: note("已派人") }, Some((true, "已派人", false))),
            (Act::Reject { note: note("非本辖区") }, Some((false, "非本辖区", false))),
            (Act::Instruct { note: note("撤离; 断电") }, Some((true, "撤离; 断电", true))),
            (Act::Close { note: note("完") }, None),
        ] {
            let text = said(desk(), "王；值班", &act, &message, None).unwrap();
            let heard = text.map(|text| answer::answer(text.as_bytes(), &[]).unwrap());
            let heard = heard.as_ref().map(|said| {
                assert_eq!(said.by.name, "王,值班");
                (said.accepted, said.note.as_str(), said.instruction)
            });
            assert_eq!(heard, expected, "{act:?}");
        }
    }
}
