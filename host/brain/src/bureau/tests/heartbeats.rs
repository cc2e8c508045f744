//! Which heartbeats are signs of life, whatever clocks, starts and people on the line do.

use super::*;

/// A heartbeat by run, number and the plant's clock.
fn beat(run: i64, number: u64, second: i64) -> Heartbeat {
    Heartbeat {
        run,
        number,
        sent: START + second * SECOND,
        mode: Mode::Actual,
        version: String::new(),
        alarms: BTreeMap::new(),
        unacknowledged: BTreeMap::new(),
        aside: BTreeMap::new(),
        waiting: 0,
        failing: vec![],
        every_s: 30,
    }
}

/// As the desk does it.
fn hear(rig: &mut Rig, heartbeat: &Heartbeat, fresh: bool) -> Result<bool, Unheard> {
    let news = rig.bureau.hears(rig.at, "a", heartbeat, fresh)?;
    let is_news = news.is_some();
    news.into_iter().for_each(|event| rig.step(event).unwrap());
    Ok(is_news)
}

fn is_old(heard: Result<bool, Unheard>) -> bool {
    matches!(heard, Err(Unheard::Old(_)))
}

/// A plant's clock may be set as it likes, and its program start as often: only what comes again is refused, of this run or of an earlier one.
#[test]
fn a_heartbeat_of_a_later_run_follows_whatever_the_clock_says() {
    let mut rig = Rig::new(&["a"]);
    assert_eq!(hear(&mut rig, &beat(7, 1, 0), true), Ok(true));
    for number in 2..=50 {
        assert_eq!(hear(&mut rig, &beat(7, number, number as i64), true), Ok(false));
    }
    // A start with the clock set back an hour; before, this was called an earlier one.
    assert_eq!(hear(&mut rig, &beat(8, 1, -3_600), true), Ok(true));
    assert_eq!(hear(&mut rig, &beat(8, 2, -3_570), true), Ok(false));
    for (run, number) in [(8, 2), (8, 1), (7, 50), (7, 51), (7, 9_999), (0, 9_999)] {
        assert!(is_old(hear(&mut rig, &beat(run, number, 9_999), true)), "{number} of run {run}");
    }
    assert_eq!(hear(&mut rig, &beat(8, 3, -3_540), true), Ok(false), "what was refused says nothing of it");
    // What went over the line before never keeps a dead plant alive.
    for second in 1..=90 {
        rig.wait(1);
        let _ = hear(&mut rig, &beat([7, 8][second % 2], second as u64 % 4, second as i64), true);
        let silent = !rig.bureau.silent(rig.at).is_empty();
        assert_eq!(silent, second == 90, "{second} s");
    }
    rig.replay();
}

/// Of what a bureau heard before its start it knows what was on record: nothing of that time is a sign of life after it.
#[test]
fn after_a_start_of_the_bureau_only_what_it_asked_for_is_heard() {
    let mut rig = Rig::new(&["a"]);
    hear(&mut rig, &beat(7, 1, 0), true).unwrap();
    for number in 2..=50 {
        assert_eq!(hear(&mut rig, &beat(7, number, number as i64), true), Ok(false), "on no record");
    }
    let text = serde_json::to_string(&rig.bureau).unwrap();
    let alive = |rig: &Rig| rig.bureau.lines["a"].alive.as_ref().map(|last| last.number);
    for from_snapshot in [true, false] {
        let mut rig = Rig { bureau: Bureau::default(), journal: rig.journal.clone(), ..rig };
        match from_snapshot {
            true => rig.bureau = serde_json::from_str(&text).unwrap(),
            false => rig.journal.clone().iter().for_each(|(at, event)| _ = rig.bureau.step(*at, event)),
        }
        rig.start(&["a"]);
        let known = alive(&rig).unwrap();
        assert_eq!(known, if from_snapshot { 50 } else { 1 });
        for number in 2..=90 {
            rig.wait(1);
            let heard = hear(&mut rig, &beat(7, number, number as i64), false);
            assert!(heard == Err(Unheard::Unproved) && number > known || is_old(heard) && number <= known, "{number}");
            assert!(rig.bureau.silent(rig.at).is_empty());
        }
        rig.wait(1);
        let event = rig.bureau.silent(rig.at).remove(0);
        rig.step(event).unwrap();
        assert_eq!(hear(&mut rig, &beat(7, 60, 60), false), Err(Unheard::Unproved));
        assert_eq!(hear(&mut rig, &beat(7, 61, 61), true), Ok(true), "the plant itself");
        assert!(rig.queue().iter().all(|number| rig.entry(*number).about == About::Suspicion || rig.entry(*number).ended));
    }
}

/// A plant whose record was lost and whose clock is behind begins with a lower run: suspicious at first, and heard once its time of silence has passed.
#[test]
fn a_plant_that_begins_anew_is_heard_after_its_silence() {
    let mut rig = Rig::new(&["a"]);
    hear(&mut rig, &beat(7, 50, 0), true).unwrap();
    rig.wait(89);
    assert!(is_old(hear(&mut rig, &beat(3, 1, 0), true)));
    rig.wait(1);
    let event = rig.bureau.silent(rig.at).remove(0);
    assert_eq!(rig.bureau.pulse("a"), (0, 7, 50));
    rig.step(event).unwrap();
    assert_eq!(rig.bureau.pulse("a"), (1, 7, 50), "from here on it is asked to say something else");
    assert!(is_old(hear(&mut rig, &beat(3, 2, 1), false)), "an old one proves nothing");
    assert_eq!(rig.queue().len(), 1);
    assert_eq!(hear(&mut rig, &beat(3, 3, 2), true), Ok(true));
    assert_eq!(rig.bureau.pulse("a"), (1, 3, 3), "and again after each that is heard");
    assert_eq!((rig.entry(1).ended, hear(&mut rig, &beat(3, 4, 3), true)), (true, Ok(false)));
    assert!(is_old(hear(&mut rig, &beat(3, 3, 2), true)));
    // Version 0.1.0 names no run: nobody can tell that its heartbeats are not of before the plant was renewed.
    assert!(is_old(hear(&mut rig, &beat(0, 999, 99), false)));
    rig.start(&[]);
    rig.start(&["a"]);
    assert_eq!(hear(&mut rig, &beat(0, 999, 99), false), Ok(true), "its name was out of the file for a start: a person says so");
    rig.replay();
}

/// Out of a backup, or from nothing, a bureau knows nothing of what was told behind it, and no plant tells it again: what stands there is asked for once, by
/// a person, and not where all of it is known or on its way.
#[test]
fn what_a_record_that_begins_anew_does_not_know_is_asked_for_once() {
    let stands = |count: u64, waiting: u64| {
        let alarms = BTreeMap::from([("red".to_owned(), count), ("yellow".to_owned(), 0)]);
        Heartbeat { alarms, waiting, ..beat(7, 1, 0) }
    };
    for (series, number_from, count, waiting, expected) in [
        ("k3q0vz9d", 0, 2, 0, true),
        ("", 1_764_000_000, 2, 0, true),
        ("", 0, 2, 0, false),
        ("k3q0vz9d", 0, 1, 0, false),
        ("k3q0vz9d", 0, 2, 1, false),
    ] {
        let mut rig = Rig { bureau: Bureau::default(), at: START, journal: vec![], commands: 0 };
        rig.step(Event::Started {
            version: String::new(),
            plants: vec![Plant { name: "a".into(), silent_s: 90 }],
            terms: Terms::default(),
            officers: ["王".to_owned()].into(),
            series: series.to_owned(),
            number_from,
        })
        .unwrap();
        rig.send("a", report("a.9.1", NoticeKind::Alert, Severity::Red, 0));
        hear(&mut rig, &stands(count, waiting), true).unwrap();
        let asked = |rig: &Rig| -> Vec<(u64, Severity)> {
            let of =
                |entry: &Arc<Entry>| matches!(entry.about, About::Unknown { alarms: 2 }).then_some((entry.number, entry.level));
            rig.bureau.entries.values().filter_map(of).collect()
        };
        assert_eq!(
            asked(&rig),
            if expected { vec![(2, Severity::Red)] } else { vec![] },
            "{series} {number_from} {count} {waiting}"
        );
        hear(&mut rig, &Heartbeat { number: 2, failing: vec!["store".into()], ..stands(5, 0) }, true).unwrap();
        assert_eq!(asked(&rig).len(), usize::from(expected), "once");
        rig.replay();
        if expected {
            rig.act(2, Act::Accept { note: String::new() }).unwrap();
            rig.act(2, Act::Close { note: "asked by telephone".into() }).unwrap();
        }
    }
}
