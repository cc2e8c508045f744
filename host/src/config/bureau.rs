//! The file of a bureau: who it is, which plants report to it, who is on its duty desk, how long what may wait. All faults at once.
//! Must not know: how any of it is used.

use super::reader::Reader;
use super::types::{CapChannel, Console, Form, Person, Role, Trusted};
use super::{Fault, alone, console, duty, plant, tls};
use crate::key::Certified;
use brain::bureau::Terms;
use brain::words::Words;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// A bureau's file that has passed every check.
#[derive(Clone, Debug)]
pub struct Bureau {
    /// Stable identifier: part of every answer, and the name of its journal.
    pub id: String,
    /// What people call it.
    pub title: Words,
    /// CAP sender: a name the bureau owns.
    pub sender: String,
    /// Signs what officers say to plants; none = it goes unsigned.
    pub signer: Option<Arc<Certified>>,
    /// How long a level may wait.
    pub terms: Terms,
    /// In file order.
    pub plants: Vec<Plant>,
    /// The duty desk.
    pub people: Vec<Person>,
    /// Root of journal and sessions.
    pub data_dir: PathBuf,
    /// Size of one journal segment.
    pub segment_bytes: u64,
    /// Days that the journal keeps what happened.
    pub events_days: u32,
    /// The screen and the API.
    pub console: Console,
    /// Things a person should know that are not faults.
    pub warnings: Vec<String>,
}

/// A plant that reports to the bureau.
#[derive(Clone, Debug)]
pub struct Plant {
    /// Name.
    pub name: String,
    /// What people call it.
    pub title: Words,
    /// CAP sender: nothing else may come over its line.
    pub sender: String,
    /// SHA-256 of the token that it reports with.
    pub token_sha256: [u8; 32],
    /// What proves its messages and heartbeats; none = its token alone says who it is.
    pub trusted: Option<Trusted>,
    /// Silent after so many seconds without a heartbeat or a message.
    pub silent_s: u32,
    /// Where answers go.
    pub answers: CapChannel,
}

/// Reads and checks a bureau's file.
///
/// # Errors
/// Every fault found, in no particular order.
pub fn load(path: &Path) -> Result<Bureau, Vec<Fault>> {
    alone(path, bureau)
}

fn bureau(main: &Reader<'_>) -> Option<Bureau> {
    let mut warnings = Vec::new();
    let about = main.table_of("bureau", true).and_then(|table| {
        let (id, title, sender) = (table.name("id"), table.words("title", true), plant::sender(&table));
        let signer = tls::signer(&table);
        main.done("bureau", table);
        Some((id?, title?, sender?, signer))
    });
    let (terms, storage, console) = (terms(main), storage(main), console(main, &mut warnings));
    let plants: Option<Vec<Plant>> = main.tables("plant", true, |table| plant(table, &mut warnings)).into_iter().collect();
    let roles = [Role::Viewer, Role::Operator, Role::Lead];
    let people: Option<Vec<Person>> = main.tables("person", true, |table| duty::person(table, &roles)).into_iter().collect();
    if let (Some(plants), Some(people)) = (&plants, &people) {
        distinct(main, plants, people);
    }
    let ((id, title, sender, signer), (data_dir, segment_bytes, events_days)) = (about?, storage?);
    let (terms, plants, people, console) = (terms?, plants?, people?, console?);
    Some(Bureau { id, title, sender, signer, terms, plants, people, data_dir, segment_bytes, events_days, console, warnings })
}

fn plant(table: &Reader<'_>, warnings: &mut Vec<String>) -> Option<Plant> {
    let (name, title, sender) = (table.name("name"), table.words("title", true), plant::sender(table));
    let (token_sha256, pinned) = (duty::token_sha256(table), tls::pinned(table));
    let silent = table.duration("silent", (3_000, 86_400_000), Some(90_000));
    let answers = table.table_of("answers", true).and_then(|of| {
        let answers = answers(&of, warnings);
        table.done("answers", of);
        answers
    });
    let silent_s = u32::try_from(silent? / 1000).ok()?;
    let ((certificates, key), name, sender) = (pinned?, name?, sender?);
    let any = !certificates.is_empty() || key.is_some();
    if !any {
        warnings.push(format!("plant {name}: no certificate and no key: whoever has its token can speak for it"));
    }
    let trusted = any.then(|| Trusted { name: name.clone(), sender: sender.clone(), certificates, key });
    Some(Plant { name, title: title?, sender, token_sha256: token_sha256?, trusted, silent_s, answers: answers? })
}

/// The plant's address for answers: `/api/v1/cap` of its console, with the token of its person of role bureau.
fn answers(table: &Reader<'_>, warnings: &mut Vec<String>) -> Option<CapChannel> {
    let (url, tls, token) = (table.text("url"), tls::client(table), table.secret("token"));
    let (insecure, timeout) = (table.flag("insecure", false), table.duration("timeout", (100, 60_000), Some(10_000)));
    let url = url?;
    duty::address(table, "url", &url, insecure, warnings);
    let (expires_s, division, anchors, signer, form) = (3600, String::new(), None, None, Form::Xml);
    Some(CapChannel { url, token, tls, timeout_ms: timeout?, expires_s, division, anchors, signer, form, sender: None })
}

/// `[duty] acknowledge = { red = "2min" }, handle = { red = "15min" }, transfer = { red = "10min" }`; what is not named has its default.
fn terms(main: &Reader<'_>) -> Option<Terms> {
    let Terms { acknowledge_s, handle_s, transfer_s } = Terms::default();
    let Some(table) = main.table_of("duty", false) else { return Some(Terms::default()) };
    let each = |key, defaults: [u32; 4]| {
        let Some(of) = table.table_of(key, false) else { return Some(defaults) };
        let levels = ["blue", "yellow", "orange", "red"];
        let mut all = [0; 4];
        for ((level, default), into) in levels.into_iter().zip(defaults).zip(&mut all) {
            let given = of.duration(level, (1_000, 7 * 86_400_000), Some(u64::from(default) * 1000));
            *into = u32::try_from(given? / 1000).ok()?;
        }
        table.done(key, of);
        Some(all)
    };
    let (acknowledge_s, handle_s) = (each("acknowledge", acknowledge_s), each("handle", handle_s));
    let transfer_s = each("transfer", transfer_s);
    main.done("duty", table);
    Some(Terms { acknowledge_s: acknowledge_s?, handle_s: handle_s?, transfer_s: transfer_s? })
}

fn storage(main: &Reader<'_>) -> Option<(PathBuf, u64, u32)> {
    let Some(table) = main.table_of("storage", false) else { return Some((main.beside("data"), 64 << 20, 1095)) };
    let (data_dir, segment) = (super::data_dir(&table), table.whole("segment_mib", (1, 4095), Some(64)));
    let events_days = table.whole("events_days", (30, 36_500), Some(1095));
    main.done("storage", table);
    Some((data_dir, u64::try_from(segment?).ok()? << 20, u32::try_from(events_days?).ok()?))
}

/// Who comes in is known by a name and a token of its own.
fn distinct(main: &Reader<'_>, plants: &[Plant], people: &[Person]) {
    let plant = |plant: &Plant| ("plant", plant.name.clone(), plant.token_sha256);
    let person = |person: &Person| ("person", person.name.clone(), person.token_sha256);
    let all: Vec<_> = plants.iter().map(plant).chain(people.iter().map(person)).collect();
    for (index, (kind, name, token)) in all.iter().enumerate() {
        for (_, other, others) in &all[..index] {
            if other == name {
                main.fault(kind, format!("{name:?} twice"), "a name of its own for each plant and each person", None);
            } else if others == token {
                main.fault(kind, format!("the token of {other:?} again, for {name:?}"), "a token of its own for each", None);
            }
        }
    }
    for (index, plant) in plants.iter().enumerate() {
        if let Some(other) = plants[..index].iter().find(|other| other.sender == plant.sender) {
            let found = format!("the sender of {:?} again, for {:?}", other.name, plant.name);
            main.fault("plant", found, "a sender of its own for each plant", None);
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn read(text: &str) -> Result<Bureau, Vec<Fault>> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("bureau.toml");
        std::fs::write(&path, text).unwrap();
        load(&path)
    }

    #[test]
    fn the_example_is_legal_and_says_what_is_the_default() {
        let example = include_str!("../../../configs/bureau.toml").replace("{ file = \"", "{ file = \"/dev/null\" } #");
        let faults = read(&example).unwrap_err();
        assert!(faults.iter().all(|fault| fault.found == "an empty secret"), "{faults:?}");
        let bureau = read(&include_str!("../../../configs/bureau.toml").replace("token = {", "# token = {")).unwrap();
        assert_eq!((bureau.terms, bureau.plants.len(), bureau.plants[0].silent_s), (Terms::default(), 2, 90));
    }

    #[test]
    fn every_fault_is_told_at_once() {
        let faults = read(
            "[bureau]\nid = \"a b\"\nsender = \"a,b\"\n[duty]\nacknowledge = { red = \"0s\" }\n[[plant]]\nname = \"p\"\nkey = \"x\"\n\
             token_sha256 = \"x\"\nsilent = \"1s\"\nanswer = 1\n",
        );
        let mut keys: Vec<String> = faults.unwrap_err().into_iter().map(|fault| fault.key).collect();
        keys.sort();
        let expected = [
            "bureau.id",
            "bureau.sender",
            "bureau.title",
            "duty.acknowledge.red",
            "person",
            "plant.p.answer",
            "plant.p.answers",
            "plant.p.key",
            "plant.p.sender",
            "plant.p.silent",
            "plant.p.title",
            "plant.p.token_sha256",
        ];
        assert_eq!(keys, expected);
    }
}
