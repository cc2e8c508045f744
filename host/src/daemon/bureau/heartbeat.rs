//! A heartbeat as a plant sends it (see [`super::super::heartbeat`]), read back and proved. Must not know: when one is due.

use crate::key::{Meaning, Seal, is_signed};
use crate::notices::cap;
use brain::Micros;
use brain::bureau::{Bureau, Heartbeat};
use brain::site::Mode;
use serde::Deserialize;
use std::collections::BTreeMap;

/// Names kept of what fails, and their length.
const FAILING_MAX: usize = 32;
const NAME_CHARS_MAX: usize = 64;
const ECHO_CHARS: usize = 32;

/// What is read of it; more may stand there.
#[derive(Deserialize)]
struct Form {
    form: String,
    sender: String,
    mode: Mode,
    at: String,
    #[serde(default)]
    run: Micros,
    number: u64,
    #[serde(default)]
    echo: String,
    version: String,
    alarms: BTreeMap<String, u64>,
    #[serde(default)]
    unacknowledged: BTreeMap<String, u64>,
    #[serde(default)]
    aside: BTreeMap<String, u64>,
    waiting: u64,
    failing: Vec<String>,
    #[serde(default)]
    every_s: u32,
}

/// A heartbeat, and what it says that it was asked to say; empty = nothing.
#[derive(Debug)]
pub struct Said {
    pub heartbeat: Heartbeat,
    pub echo: String,
}

/// What a plant is to say in its next heartbeat: another word after each that is heard, after each silence, and after this start of the bureau, which
/// `seal` stands for. Nobody has heard it before.
pub fn echo(seal: &Seal, bureau: &Bureau, plant: &str) -> String {
    let (silences, run, number) = bureau.pulse(plant);
    let pulse = [silences.to_le_bytes(), run.to_le_bytes(), number.to_le_bytes()].concat();
    seal.mark(plant, &pulse).to_hex()[..ECHO_CHARS].to_owned()
}

/// Reads one that came over the line of this sender; `key` must have signed it, where there is one.
///
/// # Errors
/// What is wrong with it.
pub fn read(body: &[u8], signed: Option<&(String, String)>, sender: &str, key: Option<&String>) -> Result<Said, String> {
    if let Some(key) = key {
        let good = signed.is_some_and(|(given, signature)| given == key && is_signed(key, Meaning::Heartbeat, body, signature));
        if !good {
            return Err(format!("heartbeat: not signed with the key {key} of this plant"));
        }
    }
    let said: Form = serde_json::from_slice(body).map_err(|error| format!("heartbeat: {error}"))?;
    if said.form != "safety-brain-heartbeat/1" {
        return Err(format!("heartbeat: form {:?}, and this program reads safety-brain-heartbeat/1", said.form));
    }
    if said.sender != sender {
        return Err(format!("heartbeat: {:?} does not speak over this line, only {sender:?} does", said.sender));
    }
    let short = |text: String| text.chars().take(NAME_CHARS_MAX).collect::<String>();
    let heartbeat = Heartbeat {
        run: said.run,
        number: said.number,
        sent: cap::time::read(&said.at).map_err(|fault| format!("heartbeat: at: {fault}"))?,
        mode: said.mode,
        version: short(said.version),
        alarms: levels(said.alarms),
        unacknowledged: levels(said.unacknowledged),
        aside: levels(said.aside),
        waiting: said.waiting,
        failing: said.failing.into_iter().take(FAILING_MAX).map(short).collect(),
        every_s: said.every_s,
    };
    Ok(Said { heartbeat, echo: said.echo })
}

/// Counts of levels that are none are not taken.
fn levels(said: BTreeMap<String, u64>) -> BTreeMap<String, u64> {
    said.into_iter().filter(|(level, _)| brain::Severity::ALL.iter().any(|known| known.word() == level)).collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use crate::key::Key;

    #[test]
    fn a_heartbeat_counts_only_from_its_plant() {
        let data = tempfile::tempdir().unwrap();
        let key = Key::of(data.path()).unwrap();
        let public = key.public();
        let ours = |body: &str, signed: Option<(String, String)>| {
            read(body.as_bytes(), signed.as_ref(), "p@plant.example", Some(&public))
        };
        let body = |sender: &str, form: u8| {
            format!(
                "{{\"form\":\"safety-brain-heartbeat/{form}\",\"plant\":\"p\",\"sender\":\"{sender}\",\"mode\":\"actual\",\
                 \"at\":\"2026-01-02T11:04:05+08:00\",\"number\":7,\"every_s\":1,\"version\":\"0.1.0\",\"durable\":9,\
                 \"alarms\":{{\"red\":1,\"mauve\":2}},\"waiting\":3,\"failing\":[\"links\"]}}"
            )
        };
        let signed = |body: &str| Some((key.public(), key.sign(Meaning::Heartbeat, body.as_bytes())));
        let (good, other, newer) = (body("p@plant.example", 1), body("q@plant.example", 1), body("p@plant.example", 2));
        let Said { heartbeat: said, echo } = ours(&good, signed(&good)).unwrap();
        assert_eq!((said.run, echo.as_str(), said.aside.len()), (0, "", 0), "as version 0.1.0 wrote it");
        let later = good.replace("\"number\"", "\"run\":5,\"echo\":\"x\",\"aside\":{\"red\":1,\"mauve\":2},\"number\"");
        let Said { heartbeat, echo } = ours(&later, signed(&later)).unwrap();
        assert_eq!((heartbeat.run, echo.as_str()), (5, "x"));
        assert_eq!(heartbeat.aside, BTreeMap::from([("red".to_owned(), 1)]), "what is put aside there goes on");
        assert_eq!((said.number, said.waiting, said.alarms.len(), said.every_s), (7, 3, 1, 1));
        for (body, signed, why) in [
            (&good, None, "not signed"),
            (&good, signed(&other), "not signed"),
            (&other, signed(&other), "does not speak over this line"),
            (&newer, signed(&newer), "form"),
            (&"{}".to_owned(), signed("{}"), "missing field"),
        ] {
            let told = ours(body, signed).unwrap_err();
            assert!(told.contains(why), "{told}");
        }
        assert!(read(good.as_bytes(), None, "p@plant.example", None).is_ok(), "its token alone says who it is");
    }
}
