//! Whoever has a plant's line can send what is refused as often as they like: the record of it grows by the minute, not by the message.

use super::*;

fn refused(nth: u64) -> Event {
    Event::Refused { plant: "a".into(), detail: format!("forged {nth}"), digest: String::new(), times: 1 }
}

/// As the desk does it. Whether it went on record at once.
fn suspect(rig: &mut Rig, cause: Cause, event: Event) -> bool {
    let record = rig.bureau.suspects(rig.at, cause, event);
    let is_recorded = record.is_some();
    record.into_iter().for_each(|event| rig.step(event).unwrap());
    is_recorded
}

fn look(rig: &mut Rig) -> usize {
    let due = rig.bureau.suspected(rig.at, false);
    let count = due.len();
    due.into_iter().for_each(|event| rig.step(event).unwrap());
    count
}

fn shown(rig: &Rig) -> Line {
    rig.bureau.picture(rig.at).plants[0].1.clone()
}

#[test]
fn of_one_cause_the_first_is_on_record_at_once_and_the_rest_together() {
    let mut rig = Rig::new(&["a"]);
    let (mut sent, mut records) = (0, 0);
    // Ten a second for five minutes, and then it ends.
    for second in 0..300 {
        for _ in 0..10 {
            sent += 1;
            records += usize::from(suspect(&mut rig, Cause::Forged, refused(sent)));
            assert_eq!(shown(&rig).refused, sent, "each is counted as it comes");
            assert_eq!(rig.entry(1).about, About::Suspicion, "an officer sees it from the first on");
        }
        records += look(&mut rig);
        assert!(records as i64 <= 1 + second / 60, "{records} records after {second} s");
        rig.wait(1);
    }
    assert_eq!(rig.act(1, accept()), Ok(()));
    rig.wait(60);
    assert_eq!(look(&mut rig), 1);
    assert_eq!((shown(&rig).refused, rig.entry(1).messages_so_far as u64), (sent, sent), "all are on record in the end");
    assert_eq!((rig.entry(1).state, rig.entry(1).description.en.as_str()), (State::Received, "forged 3000"), "more came");
    rig.wait(60);
    assert_eq!(look(&mut rig), 0);
    assert!(suspect(&mut rig, Cause::Forged, refused(1)), "the first of another stretch");
    rig.replay();
}

/// A cause does not hide another one, nor does a plant; and what an officer closed is opened again by the next record.
#[test]
fn causes_and_plants_are_counted_apart() {
    let mut rig = Rig::new(&["a", "b"]);
    let again = |how| Event::Again { plant: "a".into(), identifier: "a.1.1".into(), how, digest: String::new(), times: 1 };
    let causes = [
        (Cause::Heartbeat, refused(0)),
        (Cause::OldHeartbeat, refused(0)),
        (Cause::Unfit, refused(0)),
        (Cause::Again(Again::Duplicate), again(Again::Duplicate)),
        (Cause::Again(Again::Replay), again(Again::Replay)),
        (Cause::Again(Again::Changed), again(Again::Changed)),
    ];
    for expected in [true, false, false] {
        for (cause, event) in &causes {
            assert_eq!(suspect(&mut rig, *cause, event.clone()), expected, "{cause:?}");
        }
    }
    let other = Event::Refused { plant: "b".into(), detail: String::new(), digest: String::new(), times: 1 };
    assert!(suspect(&mut rig, Cause::Unfit, other));
    let line = shown(&rig);
    assert_eq!((line.refused, line.duplicates, line.replays, line.changed), (9, 3, 3, 3));
    rig.act(1, accept()).unwrap();
    rig.act(1, Act::Close { note: note("x") }).unwrap();
    // At a stop, or where somebody answers to it, all is put on record, however short it waited.
    let due = rig.bureau.suspected(rig.at, true);
    assert_eq!(due.len(), causes.len());
    due.into_iter().for_each(|event| rig.step(event).unwrap());
    let line = shown(&rig);
    assert_eq!((line.refused, line.duplicates, line.replays, line.changed), (9, 3, 3, 3));
    assert_eq!(rig.entry(3).about, About::Suspicion);
    rig.replay();
}
