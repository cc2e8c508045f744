//! What a named person at the receiver answers to a notice: a CAP Ack (taken) or Error (refused) whose `note` names the person.
//!
//! The note is `值班员 <name>` or `Duty officer <name>`, then nothing or `; <words>` (`；` is as good). An Error needs the words:
//! they are its reason. Words of an Ack that begin with `指令 ` or `Instruction ` say what the plant is to do.
//! A machine's acceptance has no such note and is never taken for a person.
//! Must not know: which notices exist, how the bytes came, whether the sender may speak (its token is checked where they come in).

use super::cap::{self, CapError, MsgType};
use super::proof::{Proved, Unproved, proved};
use crate::config::types::Trusted;
use brain::alarm::Person;
use brain::site::Mode;

/// How the note of a person's answer begins.
pub const PERSON_MARKS: [&str; 2] = ["值班员 ", "Duty officer "];
/// How the words of an instruction begin, behind name and semicolon: somebody at the plant is to do what follows.
pub const INSTRUCTION_MARKS: [&str; 2] = ["指令 ", "Instruction "];
/// Longest name of a person, characters.
const NAME_CHARS_MAX: usize = 64;
/// What is kept of their words, characters: they become part of an alarm, which is written and told whole.
const WORDS_CHARS_MAX: usize = 2_000;

/// What a person answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// Name of the message itself: the same for its sender for ever.
    pub identifier: String,
    /// The messages answered; never empty.
    pub references: Vec<cap::Triple>,
    /// Must be that of the notice answered: a drill's answer never stops a real call.
    pub mode: Mode,
    /// True = Ack, false = Error.
    pub accepted: bool,
    /// Who; role `bureau`, station = the CAP sender.
    pub by: Person,
    /// Their words; may be empty where accepted.
    pub note: String,
    /// The words say what the plant is to do.
    pub instruction: bool,
}

/// Reads an answer. Refused unless every part of it can be believed: a sender in `trusted` must have signed it, any other must not claim to have.
pub fn answer(bytes: &[u8], trusted: &[Trusted]) -> Result<Answer, CapError> {
    let message = match proved(bytes, trusted) {
        Ok(Proved { message, .. }) => message,
        // Over the authenticated line of somebody who signs nothing.
        Err(Unproved::Unsigned(message)) if trusted.iter().all(|one| one.sender != message.sender) => *message,
        Err(Unproved::Unreadable(error)) => return Err(error),
        Err(error) => return Err(CapError::Signature(error.to_string())),
    };
    let mut faults = cap::check(&message);
    let accepted = match message.msg_type {
        MsgType::Ack => Some(true),
        MsgType::Error => Some(false),
        MsgType::Alert | MsgType::Update | MsgType::Cancel => {
            faults.push("msgType: only Ack and Error are answers".to_owned());
            None
        }
    };
    let mode = message.status.mode();
    if mode.is_none() {
        faults.push("status: must be that of the message answered".to_owned());
    }
    let person = person(message.note.as_deref().unwrap_or_default());
    match &person {
        Err(fault) => faults.push(format!("note: {fault}")),
        Ok((_, words)) if accepted == Some(false) && words.is_empty() => {
            faults.push("note: an Error needs a reason after the name and a semicolon".to_owned());
        }
        Ok(_) => {}
    }
    let (Some(accepted), Some(mode), Ok((name, words)), Ok(triples), true) =
        (accepted, mode, person, message.triples(), faults.is_empty())
    else {
        return Err(CapError::Refused(faults));
    };
    let told = INSTRUCTION_MARKS.iter().find_map(|mark| words.strip_prefix(mark)).filter(|_| accepted);
    let (note, instruction) = told.map_or((words.as_str(), false), |told| (told.trim(), true));
    Ok(Answer {
        identifier: message.identifier,
        references: triples,
        mode,
        accepted,
        by: Person { name, role: "bureau".to_owned(), station: message.sender },
        note: note.to_owned(),
        instruction,
    })
}

/// Name and words of a person's note.
fn person(note: &str) -> Result<(String, String), String> {
    let Some(rest) = PERSON_MARKS.iter().find_map(|mark| note.strip_prefix(mark)) else {
        return Err(format!("must begin with {:?} or {:?} and the person's name", PERSON_MARKS[0], PERSON_MARKS[1]));
    };
    let (name, words) = rest.split_once([';', '；']).unwrap_or((rest, ""));
    let name = name.trim();
    if name.is_empty() || name.chars().count() > NAME_CHARS_MAX || name.chars().any(char::is_control) {
        return Err(format!("the name must have 1 to {NAME_CHARS_MAX} characters on one line"));
    }
    // A refusal must be heard however long it is.
    let words = words.trim();
    let kept = match words.char_indices().nth(WORDS_CHARS_MAX) {
        Some((end, _)) => format!("{}…", &words[..end]),
        None => words.to_owned(),
    };
    Ok((name.to_owned(), kept))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use crate::notices::cap::{Message, Reply, Status, build_reply, compose, parse, write};
    use crate::notices::sample;

    fn reply(accepted: bool, note: &str) -> String {
        let to = compose(&sample::notice(), &sample::channel("http://x"));
        let reply = Reply { accepted, identifier: "b.2", sender: "duty@bureau.example", at: sample::notice().at, note };
        build_reply(&reply, &to)
    }

    #[test]
    fn a_named_person_is_heard() {
        let cases = [
            (true, "值班员 李 某; 已派人", "李 某", "已派人"),
            (true, "值班员 李某；已派人；请保持联系", "李某", "已派人；请保持联系"),
            (true, "Duty officer A. Person", "A. Person", ""),
            (false, "Duty officer A. Person; not our district", "A. Person", "not our district"),
        ];
        for (accepted, note, name, words) in cases {
            let answer = answer(reply(accepted, note).as_bytes(), &[]).unwrap();
            assert_eq!(answer.references, [cap::Triple::to(&sample::notice())]);
            assert_eq!(answer.mode, Mode::Test);
            assert_eq!(answer.accepted, accepted);
            assert_eq!((&*answer.by.name, &*answer.note), (name, words));
            assert_eq!(answer.by.role, "bureau");
            assert_eq!(answer.by.station, "duty@bureau.example");
        }
    }

    #[test]
    fn of_a_long_reason_the_beginning_is_kept() {
        let note = answer(reply(false, &format!("值班员 甲; {}", "不".repeat(84_000))).as_bytes(), &[]).unwrap().note;
        assert_eq!((note.chars().count(), note.ends_with('…')), (WORDS_CHARS_MAX + 1, true));
    }

    #[test]
    fn a_machine_or_nobody_is_not() {
        let long = format!("值班员 {}", "x".repeat(65));
        let changed = |change: fn(&mut Message)| {
            let mut message = parse(reply(true, "值班员 甲").as_bytes()).unwrap();
            change(&mut message);
            write(&message)
        };
        let signature = "<Signature xmlns=\"http://www.w3.org/2000/09/xmldsig#\"/></alert>";
        let cases = [
            ("note", reply(true, "")),
            ("note", reply(true, "accepted")),
            ("note", reply(true, "值班员")),
            ("note", reply(true, "值班员 ; 已派人")),
            ("note", reply(true, "值班员甲")),
            ("note", reply(true, &long)),
            ("an Error needs a reason", reply(false, "值班员 甲")),
            ("references", changed(|m| m.references = None)),
            ("msgType", changed(|m| m.msg_type = MsgType::Cancel)),
            ("status", changed(|m| m.status = Status::System)),
            ("Signature", reply(true, "值班员 甲").replace("</alert>", signature)),
            ("UTF-8", "<?xml version=\"1.0\" encoding=\"GBK\"?><alert/>".to_owned()),
        ];
        for (wanted, text) in cases {
            let error = answer(text.as_bytes(), &[]).unwrap_err().to_string();
            assert!(error.contains(wanted), "{wanted:?} not in {error:?}");
        }
    }
}
