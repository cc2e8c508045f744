//! A snapshot and a heartbeat as functions of bytes. See [`crate::fuzzing`].

use super::snapshot::{FORMAT, FORMAT_BUREAU, parse, parse_bureau, seal};
use brain::alarm::Person;
use brain::bureau::{Acked, Act, Again, Answer, Bureau, Event, Plant, Report, ShiftChange, Taken, Terms};
use brain::notice::NoticeKind;
use brain::site::{Mode, Severity};
use std::path::Path;

/// A snapshot file as it is; then the bytes as the packed state, and as the state itself, under seals that fit. A brain that wakes can live: a tick and
/// a start make no panic.
pub fn snapshot(bytes: &[u8]) -> bool {
    files(FORMAT, "site", bytes).iter().fold(false, |taken, file| taken | lives(file))
}

/// The same of a bureau: whatever happens first to one that is taken makes no panic, and what it saves is taken again.
pub fn bureau_snapshot(bytes: &[u8]) -> bool {
    files(FORMAT_BUREAU, "", bytes).iter().fold(false, |taken, file| taken | goes_on(file))
}

fn files(format: &str, site: &str, bytes: &[u8]) -> [Vec<u8>; 3] {
    let sealed = |packed: &[u8]| [format!("{format}\n{site}\n{}\n", seal(1, site, packed)).as_bytes(), packed].concat();
    let packed = zstd::encode_all(bytes, 1).expect("bytes can be packed");
    [bytes.to_vec(), sealed(bytes), sealed(&packed)]
}

fn lives(file: &[u8]) -> bool {
    let Ok(snapshot) = parse(Path::new("fuzz.brain"), file, 1) else { return false };
    let (mut brain, site) = (snapshot.brain.reconfigured(snapshot.brain.site().clone()), snapshot.brain.site().clone());
    let mut same = snapshot.brain;
    for brain in [&mut same, &mut brain] {
        let at = brain.now();
        brain.step(at, &brain::Event::Tick);
        let tags = site.tags.iter().map(|tag| tag.name.clone()).collect();
        brain.step(at.saturating_add(60_000_000), &brain::Event::started(tags));
        brain.step(at.saturating_add(120_000_000), &brain::Event::Tick);
    }
    true
}

fn goes_on(file: &[u8]) -> bool {
    let Ok(mut bureau) = parse_bureau(Path::new("fuzz.bureau"), file, 1) else { return false };
    let by = Person { name: "officer".into(), role: "lead".into(), station: String::new() };
    let (entries, before) = (bureau.picture(0).entries, bureau.picture(0).plants);
    let first = entries.iter().find(|entry| !entry.is_closed()).map_or(1, |entry| entry.number);
    let plants: Vec<String> = before.into_iter().map(|(name, _)| name).chain(["p".to_owned()]).collect();
    let listed = plants.iter().map(|name| Plant { name: name.clone(), silent_s: 90 }).collect();
    let act = |act: Act, answer: Option<u64>| {
        let answer = answer.map(|number| Answer { number, message: String::new(), identifier: "b.a1".into() });
        Event::Act { command: format!("{act:?}"), by: by.clone(), entry: first, seen: None, act, answer }
    };
    let note = String::from("n");
    let instruct = act(Act::Instruct { note: note.clone() }, Some(bureau.next_answer()));
    let transfer = act(Act::Transfer { to: "x".into(), note: note.clone() }, None);
    let taken = Taken { message: "b.a1".into(), by: "x".into(), at: 0, note: note.clone() };
    let open = entries.iter().filter(|entry| !entry.is_closed()).map(|entry| entry.number).collect();
    let take =
        Event::Shift { command: "s".into(), by: by.clone(), change: ShiftChange::TakeOver { entries: open, note: note.clone() } };
    let officers = vec!["officer".to_owned()];
    let mut events = vec![
        Event::Started {
            version: String::new(),
            plants: listed,
            terms: Terms::default(),
            officers,
            series: String::new(),
            number_from: 0,
        },
        take,
    ];
    for plant in plants {
        let message = |identifier: &str, kind| Report {
            number: 0,
            floor: 0,
            identifier: identifier.to_owned(),
            sent: 0,
            mode: Mode::Actual,
            kind,
            references: entries.iter().flat_map(|entry| entry.newest().map(str::to_owned)).take(8).collect(),
            incident: String::new(),
            level: Severity::Red,
            cleared: true,
            notes: 1,
            headline: Default::default(),
            description: Default::default(),
            reason: None,
            digest: String::new(),
            taken: vec![taken.clone()],
            accident: None,
        };
        for report in [message("fuzz.1", NoticeKind::Alert), message("fuzz.2", NoticeKind::Cancel)] {
            let _ = bureau.judge(&plant, &report);
            events.push(Event::Reported {
                plant: plant.clone(),
                report: Box::new(report),
                message: String::new(),
                acked: Acked::default(),
            });
        }
        events.push(Event::Refused { plant: plant.clone(), detail: note.clone(), digest: String::new(), times: 1 });
        events.push(Event::Again {
            plant: plant.clone(),
            identifier: "fuzz.1".into(),
            how: Again::Replay,
            digest: String::new(),
            times: 1,
        });
        let _ = bureau.owed(&plant);
    }
    let close = act(Act::Close { note: note.clone() }, None);
    events.extend([
        act(Act::Accept { note: String::new() }, None),
        instruct,
        transfer,
        act(Act::Heard { transfer: 1, note }, None),
        close,
    ]);
    let at = bureau.picture(0).entries.iter().map(|entry| entry.opened_at).max().unwrap_or(0);
    for event in events {
        let _ = bureau.step(at, &event);
    }
    let later = at.saturating_add(600_000_000);
    for event in bureau.silent(i64::MAX).into_iter().chain(bureau.count(later, 20_000)) {
        let _ = bureau.step(later, &event);
    }
    let picture = bureau.picture(at);
    let _ = (picture.full(), picture.entries.iter().map(|entry| entry.rank()).max());
    let saved = serde_json::to_vec(&bureau).expect("a bureau is always JSON");
    // One that had counted nearly all that there is to count has counted too far by now, and is refused.
    if let Ok(again) = serde_json::from_slice::<Bureau>(&saved) {
        assert_eq!(again, bureau, "read otherwise than saved");
    }
    true
}

/// A heartbeat as a bureau reads it. What is taken is bounded, and the same again is an old one.
pub fn heartbeat(bytes: &[u8]) -> bool {
    let Ok(said) = super::bureau::heartbeat::read(bytes, None, "plant@demo.example", None) else { return false };
    let heartbeat = said.heartbeat;
    let size = serde_json::to_vec(&heartbeat).map_or(usize::MAX, |text| text.len());
    assert!(size < 16 << 10, "a record of {size} bytes");
    let mut bureau = Bureau::default();
    assert_eq!(
        bureau.hears(0, "p", &heartbeat, false).is_ok(),
        heartbeat.run <= 0,
        "one that names its run proves that it is new"
    );
    let mut bureau = Bureau::default();
    let event = bureau.hears(1, "p", &heartbeat, true).expect("the first").expect("is news");
    assert!(bureau.step(1, &event).is_ok() && bureau.hears(2, "p", &heartbeat, true).is_err());
    true
}

/// A head of a chain as a bureau reads it. What is kept is bounded, and read again as it is.
pub fn head(bytes: &[u8]) -> bool {
    let Ok(line) = super::anchors::read(bytes, None) else { return false };
    assert!(super::anchors::read(line.as_bytes(), None).is_ok_and(|again| again == line), "{line}");
    true
}
