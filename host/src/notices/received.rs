//! What a bureau receives of a plant: bytes to a [`Report`] whose sender is proved, or a refusal that says what is wrong; and what it says back.
//! Must not know: what was received before, how bytes come and go, where anything is kept.

use super::answer::{INSTRUCTION_MARKS, PERSON_MARKS};
use super::cap::{self, CapError, Info, Message, MsgType, Reply, Severity as Level, Urgency};
use super::proof::{self, Unproved};
use super::watcher::{KEY_HEADER, SIGNATURE_HEADER};
use crate::config::types::{Form, Trusted};
use crate::key::{Certified, Key, Meaning};
use brain::Micros;
use brain::accident::{Grade, Kind, Owed, Telling};
use brain::bureau::{Accident, Act, Report, Taken};
use brain::notice::{NoticeKind, Reason};
use brain::site::{Mode, Severity};
use brain::words::Words;

/// Instructions taken that are read of one message: more than a plant keeps.
const TAKEN_MAX: usize = 64;

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
    // A number that nothing proves could put an end to all that its plant has yet to say.
    let report = if line.trusted.is_some() { report } else { Report { number: 0, floor: 0, ..report } };
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
    let number = |name: &str| info.and_then(|info| parameter(info, name)?.parse().ok()).unwrap_or(0);
    Report {
        identifier: message.identifier.clone(),
        number: number(cap::NUMBER),
        floor: number(cap::OWED_FROM),
        sent,
        mode,
        kind,
        references,
        incident: message.incidents.as_deref().and_then(|all| all.split_ascii_whitespace().next()).unwrap_or_default().to_owned(),
        // A Cancel may come without: what ends raises nothing.
        level: info.map_or(Severity::Blue, level),
        cleared: info.is_some_and(|info| info.urgency == Urgency::Past),
        notes: info.and_then(|info| parameter(info, "handlingNotes")?.parse().ok()).unwrap_or(0),
        headline: words(&message.infos, |info| Some(info.headline.as_ref().unwrap_or(&info.event))),
        reason: info
            .and_then(|info| parameter(info, cap::REASON))
            .and_then(|word| Reason::ALL.into_iter().find(|known| known.word() == word)),
        description: words(&message.infos, |info| info.description.as_ref()),
        digest,
        taken: info.map(taken).unwrap_or_default(),
        accident: info.and_then(accident).map(Box::new),
    }
}

/// What is said of an accident, if the message is about one. What cannot be read of it is as if it were not said.
fn accident(info: &Info) -> Option<Accident> {
    let retracted = parameter(info, cap::ACCIDENT)? == "retracted";
    let count = |name: &str| parameter(info, name).and_then(|text| text.parse().ok()).unwrap_or(0);
    let at = |name: &str| parameter(info, name).and_then(|text| cap::time::read(text).ok());
    let word = |name: &str| parameter(info, name).unwrap_or_default();
    let clock = |i: usize| {
        let [what, due, done, until] = cap::CLOCK.map(|name| format!("{name}{}", cap::nth(i)));
        let what = Telling::ALL.into_iter().find(|known| known.word() == word(&what))?;
        Some(Owed { what, due_at: at(&due)?, done_at: at(&done), until: at(&until) })
    };
    Some(Accident {
        retracted,
        kind: Kind::ALL.into_iter().find(|known| known.word() == word("accidentKind")).unwrap_or_default(),
        grade: Grade::ALL.into_iter().find(|known| known.word() == word("accidentGrade")).unwrap_or(Grade::Extraordinary),
        declared_at: at("accidentDeclaredAt").unwrap_or(0),
        declared_by: word("accidentDeclaredBy").to_owned(),
        dead: count("dead"),
        injured: count("injured"),
        missing: count("missing"),
        at_risk: count("atRisk"),
        clocks: (0..Telling::ALL.len()).map_while(clock).collect(),
    })
}

/// Which instructions somebody at the plant took.
fn taken(info: &Info) -> Vec<Taken> {
    let one = |i: usize| {
        let value = |name: &str| parameter(info, &format!("{name}{}", cap::nth(i)));
        let at = value(cap::TAKEN_AT).and_then(|at| cap::time::read(at).ok())?;
        let note = value(cap::TAKEN_NOTE).unwrap_or_default().to_owned();
        Some(Taken { message: value(cap::INSTRUCTION)?.to_owned(), by: value(cap::TAKEN_BY)?.to_owned(), at, note })
    };
    (0..TAKEN_MAX).map_while(one).collect()
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
    /// The value that the signature had when the same was said before; empty = it was not.
    pub before: &'a str,
}

/// What signs what a bureau says, as far as it has it.
#[derive(Clone, Copy, Debug, Default)]
pub struct Signers<'a> {
    /// Within a message in XML.
    pub certified: Option<&'a Certified>,
    /// Beside one in JSON.
    pub key: Option<&'a Key>,
}

/// What the bureau's machine answers; no person has seen the message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answered {
    /// A CAP Ack or Error.
    pub text: String,
    /// Its form.
    pub form: Form,
    /// Headers that go beside it: name and value.
    pub headers: Vec<(&'static str, String)>,
    /// The value of the signature within it; empty = none.
    pub signature: String,
}

/// That the bureau's machine takes a message, or `refused` for this reason: a CAP Ack or Error.
pub fn answered(desk: Desk<'_>, refused: Option<&str>, to: &Message, form: Form, signers: Signers<'_>) -> Answered {
    let Desk { sender, identifier, at, before } = desk;
    let reply = Reply { accepted: refused.is_none(), identifier, sender, at, note: refused.unwrap_or_default() };
    let message = cap::compose_reply(&reply, to);
    match form {
        Form::Xml => {
            let text = cap::write(&message);
            // Said without its signature rather than not at all: the plant would send the message for ever.
            let signed = signers.certified.map(|signer| cap::sign_again(&text, signer, before)).transpose();
            let signed = signed.inspect_err(|error| tracing::error!(identifier, "goes unsigned: {error:#}")).ok().flatten();
            let (text, signature) = signed.unwrap_or_else(|| (text, String::new()));
            Answered { text, form, headers: vec![], signature }
        }
        Form::Json => {
            let text = cap::json::write(&message);
            let beside =
                |key: &Key| vec![(KEY_HEADER, key.public()), (SIGNATURE_HEADER, key.sign(Meaning::Message, text.as_bytes()))];
            let headers = signers.key.map(beside).unwrap_or_default();
            Answered { text, form, headers, signature: String::new() }
        }
    }
}

/// The message that a refusal can be an answer to, if what came is one: it names itself as CAP can refer to it. Nothing it says is proved.
pub fn answerable(bytes: &[u8]) -> Option<Message> {
    let message = kept(std::str::from_utf8(bytes).ok()?).ok()?;
    let reply = Reply { accepted: false, identifier: "x", sender: "x", at: 0, note: "x" };
    cap::check(&cap::compose_reply(&reply, &message)).is_empty().then_some(message)
}

/// Whether a plant would read the words of this acceptance as an instruction, which only [`Act::Instruct`] gives.
pub fn reads_as_instruction(act: &Act) -> bool {
    matches!(act, Act::Accept { note } if INSTRUCTION_MARKS.iter().any(|mark| note.trim().starts_with(mark)))
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
        Act::Transfer { to, note } => (true, format!("转办 {}：{}", to.trim(), note.trim())),
        Act::Heard { .. } | Act::Close { .. } => return Ok(None),
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
        Desk { sender: "duty@bureau.example", identifier: "district.m1", at: sample::notice().at, before: "" }
    }

    #[test]
    fn a_plant_s_message_is_read_and_a_stranger_s_refused() {
        let notice = sample::follow_up(NoticeKind::Update, brain::notice::Reason::Cleared);
        let text = cap::build(&notice, &sample::channel("http://x"));
        let Received { message, report } = received(text.as_bytes(), PLANT).unwrap();
        assert_eq!((report.kind, report.mode, report.level), (NoticeKind::Update, Mode::Test, Severity::Red));
        assert_eq!((report.references, report.incident.as_str()), (vec!["demo.7.12".to_owned()], "demo.7"));
        assert!(report.notes > 0 && !report.cleared && report.headline.zh.contains("混药间"), "{report:?}", report = message);
        let forged = received(text.as_bytes(), Line { sender: "other@demo.example", ..PLANT });
        assert!(matches!(forged, Err(Refused::Forged(ref why)) if why.contains("plant@demo.example")), "{forged:?}");
        let ack = answered(desk(), None, &message, Form::Xml, Signers::default()).text;
        let ack = received(ack.as_bytes(), Line { sender: "duty@bureau.example", ..PLANT });
        assert!(matches!(ack, Err(Refused::Unfit(_))), "{ack:?}");
        assert!(matches!(received(b"<alert/>", PLANT), Err(Refused::Unfit(_))));
    }

    /// What the plant writes of an accident the bureau reads, in both forms; an alarm's message says nothing of one.
    #[test]
    fn an_accident_is_read_as_it_was_declared() {
        use brain::accident::{Grade, Kind, Telling};
        for (kind, retracted) in [(NoticeKind::Alert, false), (NoticeKind::Update, false), (NoticeKind::Cancel, true)] {
            let notice = sample::accident(kind, retracted);
            for form in [Form::Xml, Form::Json] {
                let text = cap::build(&notice, &crate::config::types::CapChannel { form, ..sample::channel("http://x") });
                let Received { message, report } = received(text.as_bytes(), PLANT).unwrap();
                assert_eq!((report.kind, report.level, report.cleared), (kind, Severity::Red, retracted), "{text}");
                assert_eq!((report.incident.as_str(), message.infos[0].expires.as_ref()), ("demo.7.accident", None));
                let headline = &report.headline.zh;
                assert!(headline.contains("火灾") && headline.contains("较大事故") && headline.contains("已撤销") == retracted);
                assert!(report.description.zh.contains("压药间起火 <三人>"), "{}", report.description.zh);
                let accident = report.accident.unwrap();
                assert_eq!((accident.kind, accident.grade, accident.dead), (Kind::Fire, Grade::Larger, 3));
                assert_eq!((accident.declared_by.as_str(), accident.retracted), ("乙", retracted));
                let of = notice.alarm.accident.as_ref().unwrap();
                assert_eq!(accident.declared_at, of.declared_at);
                assert_eq!(accident.clocks, of.owed(), "whom the law wants told by when, and who was");
                assert!(retracted || accident.clocks.iter().any(|clock| clock.what == Telling::Province));
            }
        }
        let text = cap::build(&sample::notice(), &sample::channel("http://x"));
        assert_eq!(received(text.as_bytes(), PLANT).unwrap().report.accident, None);
    }

    /// The machine's own answer, in both forms, signed where there is something to sign with; and what nobody can answer.
    #[test]
    fn a_machine_answers_in_the_form_asked_for() {
        let folder = tempfile::tempdir().unwrap();
        let key = Key::of(folder.path()).unwrap();
        let certified = Certified::create(&folder.path().join("b.key"), &folder.path().join("b.crt"), "x").unwrap();
        let bureau = Trusted {
            name: "bureau".into(),
            sender: "duty@bureau.example".into(),
            certificates: vec![certified.certificate().clone()],
            key: Some(key.public()),
        };
        let message = cap::compose(&sample::notice(), &sample::channel("http://x"));
        let signers = Signers { certified: Some(&certified), key: Some(&key) };
        for (refused, kind) in [(None, MsgType::Ack), (Some("sender: another one <speaks>"), MsgType::Error)] {
            let xml = answered(desk(), refused, &message, Form::Xml, signers);
            let json = answered(desk(), refused, &message, Form::Json, signers);
            let told = proof::proved(xml.text.as_bytes(), [&bureau]).unwrap().message;
            let signature = json.headers.iter().find(|(name, _)| *name == SIGNATURE_HEADER).map(|(_, value)| value.as_str());
            let said = proof::proved_json(json.text.as_bytes(), signature, [&bureau]).unwrap().message;
            assert_eq!((told.msg_type, told.note.as_deref(), cap::check(&told)), (kind, refused, vec![]));
            assert_eq!((said, told.triples().unwrap()), (Message { signatures: 0, ..told }, vec![cap::Triple::of(&message)]));
            let bare = answered(desk(), refused, &message, Form::Xml, Signers::default());
            assert!(!bare.text.contains("Signature") && bare.headers.is_empty());
            // Said again it is the same to the byte, though the key signs otherwise each time; a value of another message is none.
            let again = |before: &str| answered(Desk { before, ..desk() }, refused, &message, Form::Xml, signers);
            assert_eq!(again(&xml.signature), xml);
            let other = again("").signature;
            assert!(other != xml.signature && again(&other).text != xml.text);
            for of_none in ["AAAA", "not base64", &again("").signature.replace('A', "B")[1..]] {
                let text = again(of_none).text;
                assert!(proof::proved(text.as_bytes(), [&bureau]).is_ok(), "{of_none}");
            }
            assert_eq!(answered(desk(), refused, &message, Form::Json, signers), json, "Ed25519 gives one signature");
        }
        let text = cap::write(&message);
        assert_eq!(answerable(text.as_bytes()).as_ref(), Some(&message));
        assert_eq!(answerable(cap::json::write(&message).as_bytes()).as_ref(), Some(&message));
        for mute in [&text.replace("demo.7.12", "a b"), "<alert/>", "{}", "\u{0}", &text.replace(">Test<", ">Draft<")] {
            assert_eq!(answerable(mute.as_bytes()), None, "{mute}");
        }
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
            (
                Act::Transfer { to: note("消防大队"), note: note("已起火; 请增援") },
                Some((true, "转办 消防大队：已起火; 请增援", false)),
            ),
            (Act::Heard { transfer: 1, note: note("已到场") }, None),
            (Act::Close { note: note("完") }, None),
        ] {
            let text = said(desk(), "王；值班", &act, &message, None).unwrap();
            let heard = text.map(|text| answer::answer(text.as_bytes(), &[]).unwrap());
            let heard = heard.as_ref().map(|said| {
                assert_eq!(said.by.name, "王,值班");
                (said.accepted, said.note.as_str(), said.instruction)
            });
            assert_eq!(heard, expected, "{act:?}");
            assert!(!reads_as_instruction(&act), "{act:?}");
        }
        // Words of an acceptance that a plant takes for an instruction are known before they are sent.
        for words in ["指令 撤离", " \n指令 撤离", "Instruction leave", "指令撤离", "; 指令 撤离", "指令 "] {
            let act = Act::Accept { note: note(words) };
            let text = said(desk(), "王", &act, &message, None).unwrap().unwrap();
            assert_eq!(answer::answer(text.as_bytes(), &[]).unwrap().instruction, reads_as_instruction(&act), "{words:?}");
        }
    }
}
