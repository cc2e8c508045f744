//! What a message refers to: what came before it, and as it was sent.

use super::*;

/// What a receiver refused it does not have: nothing refers to it, and what comes next stands for itself.
#[test]
fn only_what_came_is_referred_to() {
    let rows: &[(&str, &str, &[u64])] = &[
        ("0 rule leak=yellow", "alert 1", &[]),
        ("0.1 rejected 1", "", &[]),
        ("0.2 receipt 2", "", &[]), // the notice of the refusal
        ("1 rule leak=orange", "alert 3", &[]),
        ("1.1 receipt 3", "", &[]),
        ("1.3 receipt 4", "", &[]),
        ("2 rule leak=red", "update 5", &[3]),
        ("2.1 rejected 5", "", &[]),
        ("2.2 receipt 6", "", &[]),
        ("3 rule leak=clear", "update 7", &[3]),
        ("3.1 receipt 7", "", &[]),
        ("3.2 receipt 8", "", &[]),
        ("4 ack 1", "update 9", &[3, 7]),
        ("4.1 receipt 9", "", &[]),
        ("4.2 reset 1", "", &[]),
        ("5 close 1", "cancel 10", &[3, 7, 9]),
    ];
    let mut now = Timeline::new(&telling("crew"));
    for (row, told, came) in rows {
        let (second, what) = row.split_once(' ').unwrap();
        let effects = now.only(second.parse().unwrap(), what);
        assert!(effects.contains(told), "{row}: {effects}");
        if let Some((_, number)) = told.split_once(' ') {
            let made = &now.brain.notice(NoticeId(number.parse().unwrap())).unwrap().notice;
            let references: Vec<&str> = made.references.iter().map(|reference| reference.identifier.as_str()).collect();
            assert_eq!(references, came.iter().map(|n| format!("plant.1.{n}")).collect::<Vec<_>>(), "{row}");
        }
    }
    // The end of what never came is news, and names nothing.
    let mut now = Timeline::new(&telling("crew"));
    for (second, what) in
        [(0.0, "rule leak=red"), (0.1, "rejected 1"), (0.2, "receipt 2"), (1.0, "rule leak=clear"), (1.1, "rejected 3")]
    {
        now.only(second, what);
    }
    now.only(2.0, "ack 1");
    now.only(2.1, "rejected 4");
    now.only(2.2, "reset 1");
    let effects = now.only(3.0, "close 1");
    assert!(effects.contains("alert 5 to crew: closed"), "{effects}");
    // One that is taken late after all is referred to from then on.
    let mut now = Timeline::new(&telling("crew"));
    for (second, what) in
        [(0.0, "rule leak=yellow"), (0.1, "rejected 1"), (0.2, "receipt 2"), (900.0, "receipt 1"), (900.1, "receipt 3")]
    {
        now.only(second, what);
    }
    let effects = now.only(901.0, "rule leak=red");
    assert!(effects.contains("update 4 to crew"), "{effects}");
    assert_eq!(now.brain.notice(NoticeId(4)).unwrap().notice.references[0].identifier, "plant.1.1");
}

/// Twenty, too far apart to be chatter, each waiting behind the one before it, while the wall clock is set by a day: each names those before it with
/// the times that stand in them.
#[test]
fn what_waited_refers_to_those_before_it_as_they_were_sent() {
    let mut now = Timeline::new(&telling("bureau"));
    now.only(0.0, "rule leak=red");
    let (ahead, start) = (86_400_000_000, now.brain.now());
    let mut told = std::collections::BTreeMap::new();
    let mut referred = 0;
    for n in 0..20 {
        let second = 1.0 + 25.0 * f64::from(n);
        now.only(second, if n % 2 == 0 { "rule leak=clear" } else { "rule leak=red" });
        if n == 10 {
            now.only(second + 0.1, "tick");
            let present = now.brain.now();
            now.brain.step(present, &Event::Clock { since: at(0.0), ahead, wrong: false });
        }
        // All but the newest has come by the next change.
        let waiting =
            now.brain.outbox().find(|row| row.attempts > 0 && row.delivery == Delivery::Queued).map(|row| row.notice.clone());
        let Some(notice) = waiting else { continue };
        for reference in &notice.references {
            let sent = told.get(&reference.identifier);
            assert_eq!(sent, Some(&reference.sent), "{} refers to {}", notice.identifier, reference.identifier);
            referred += 1;
        }
        told.insert(notice.identifier.clone(), notice.at);
        now.only(second + 1.0, &format!("receipt {}", notice.id.0));
    }
    let late = told.values().filter(|sent| **sent > start + ahead / 2).count();
    assert!(told.len() > 18 && referred >= 150 && late > 7, "{} told, {referred} referred to, {late} late", told.len());
}

/// Whoever was told that an alarm has ended is not told afterwards that it stands.
#[test]
fn what_is_said_of_a_closed_alarm_ends_it_once_more() {
    let mut site = Site { rules: vec![rule(vec![hazard("leak", Red)], 0)], ..plant(vec![]) };
    ladder(&mut site, &[("bureau", AtOnce, [Some(0); 4]), ("crew", AtOnce, [Some(0); 4])]);
    let mut now = Timeline::new(&site);
    for (second, what, notices) in [
        (0.0, "rule leak=red", 1..3),
        (1.0, "rule leak=clear", 3..5),
        (2.0, "ack 1", 5..7),
        (3.0, "reset 1", 7..7),
        (4.0, "close 1", 7..9),
    ] {
        now.only(second, what);
        for id in notices {
            now.only(second + 0.1, &format!("receipt {id}"));
        }
    }
    let taken = now.only(5.0, "accepted 7");
    assert!(taken.contains("cancel 9 to crew: accepted"), "{taken}");
}

/// What fails of this program itself is in no zone, whatever ladder it climbs: nobody is sent there.
#[test]
fn the_system_is_told_of_without_a_place() {
    let mut site = telling("bureau");
    site.title = crate::words::Words { zh: "厂".into(), en: "Plant".into() };
    site.zones[0].title = crate::words::Words { zh: "混药工房".into(), en: "Mixing".into() };
    site.zones[0].area = Some(crate::site::Area { latitude: 28.0, longitude: 113.0, radius_km: 0.1, converted: false });
    let mut now = Timeline::new(&site);
    now.only(0.0, "rule leak=red");
    now.only(1.0, "journal ill");
    let places: Vec<_> = now.brain.outbox().map(|row| (row.notice.zone.en.as_str(), row.notice.area.is_some())).collect();
    assert_eq!(places, [("Mixing", true), ("Plant", false)]);
}
