//! What was forgotten long ago and comes again, and what comes late and is new.

use super::*;

/// The nth message of a plant that owes all from `floor` on, about this alarm.
fn numbered(alarm: u64, number: u64, floor: u64, kind: NoticeKind) -> Report {
    let identifier = format!("p.s3r1es00.{alarm}.{number}");
    Report { number, floor, ..report(&identifier, kind, Severity::Red, number as i64) }
}

/// An alarm that came and was closed, answered by an officer: number n and n + 1.
fn over(rig: &mut Rig, number: u64, floor: u64) {
    let entry = rig.bureau.entries_so_far + 1;
    assert_eq!(rig.send("p", numbered(number, number, floor, NoticeKind::Alert)), Judged::New);
    rig.act(entry, accept()).unwrap();
    assert_eq!(rig.send("p", numbered(number, number + 1, floor, NoticeKind::Cancel)), Judged::New);
}

#[test]
fn an_old_message_is_known_by_its_number_long_after_its_name_was_forgotten() {
    let mut rig = Rig::new(&["p", "q"]);
    let first = numbered(2, 2, 2, NoticeKind::Alert);
    over(&mut rig, 2, 2);
    for nth in 2..=KNOWN_MAX as u64 / 2 + 1 {
        over(&mut rig, nth * 2, nth * 2);
    }
    assert!(rig.bureau.known("p", &first.identifier).is_none(), "forgotten");
    let entries = rig.bureau.entries_so_far;
    assert_eq!(rig.send("p", first.clone()), Judged::Past);
    assert_eq!(rig.bureau.entries_so_far, entries + 1);
    assert_eq!(rig.entry(entries + 1).about, About::Suspicion, "nothing else was opened");
    assert_eq!((rig.queue(), rig.bureau.lines["p"].replays), (vec![entries + 1], 1));
    // The controls: of a plant that says no numbers, or of another one, or in another series, nobody can tell.
    assert_eq!(rig.bureau.judge("p", &Report { number: 0, floor: 0, ..first.clone() }), Judged::New);
    assert_eq!(rig.bureau.judge("q", &first), Judged::New);
    assert_eq!(rig.bureau.judge("p", &Report { incident: "p-drill-x-1.other000.2".into(), ..first }), Judged::New);
}

/// One message waits for a day, whatever others of its plant come meanwhile: it is new when it comes, and those others are not.
#[test]
fn a_message_that_waited_behind_twenty_thousand_others_is_new() {
    let mut rig = Rig::new(&["p"]);
    // The plant owes number 1 all the while, and says so.
    for nth in 1..=KNOWN_MAX as u64 / 2 + 1 {
        over(&mut rig, nth * 2, 1);
    }
    let old = numbered(2, 2, 1, NoticeKind::Alert);
    assert!(rig.bureau.known("p", &old.identifier).is_none(), "forgotten");
    assert_eq!(rig.bureau.judge("p", &old), Judged::Past, "its number came");
    let late = numbered(1, 1, 1, NoticeKind::Alert);
    assert_eq!(rig.send("p", late.clone()), Judged::New);
    assert_eq!(
        (rig.queue().len(), rig.send("p", late.clone())),
        (1, Judged::Known(Again::Duplicate, KNOWN_MAX as u64 + 3, rig.at))
    );
    // A snapshot in between knows it too.
    rig.bureau = serde_json::from_str(&serde_json::to_string(&rig.bureau).unwrap()).unwrap();
    assert_eq!(rig.bureau.judge("p", &old), Judged::Past);
    // Once it has come nothing of before is owed.
    over(&mut rig, 90_000, 90_000);
    assert_eq!(rig.bureau.memories["p"].series.len(), 1);
    assert_eq!(rig.bureau.judge("p", &numbered(45_000, 89_999, 1, NoticeKind::Alert)), Judged::Past);
    assert_eq!(rig.bureau.judge("p", &numbered(45_001, 90_003, 90_002, NoticeKind::Alert)), Judged::New);
}

/// A plant that said of itself more than can be true harms itself alone, and not for what it has yet to say.
#[test]
fn a_floor_above_its_own_number_counts_as_its_number() {
    let mut rig = Rig::new(&["p"]);
    rig.send("p", numbered(5, 5, u64::MAX, NoticeKind::Alert));
    assert_eq!(rig.bureau.judge("p", &numbered(4, 4, 4, NoticeKind::Alert)), Judged::Past);
    assert_eq!(rig.bureau.judge("p", &numbered(6, 6, 6, NoticeKind::Alert)), Judged::New);
    // Messages of an alarm and of its accident are of one series; so many series are remembered, and no more.
    let accident = Report { incident: "p.s3r1es00.5.accident".into(), ..numbered(5, 4, 4, NoticeKind::Alert) };
    assert_eq!(rig.bureau.judge("p", &accident), Judged::Past);
    for drill in 0..200 {
        rig.send("p", Report { incident: format!("p-drill-{drill}.s.1"), ..numbered(1_000 + drill, 7, 7, NoticeKind::Alert) });
    }
    assert_eq!(rig.bureau.memories["p"].series.len(), 100);
    rig.replay();
}
