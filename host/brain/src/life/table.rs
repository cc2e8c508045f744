//! The truth table: what every event makes of every state, and what is refused. Written from the design, not from the code.

use crate::AlarmId;
use crate::alarm::State;
use crate::harness::{Timeline, pigged};
use crate::site::Site;

/// Columns of the table. `up` is orange where yellow stood; `down` is yellow where orange stood; `expiry` is six minutes without anything.
const EVENTS: [(&str, &str); 13] = [
    ("rise", "gas=30"),
    ("fall", "gas=10"),
    ("ack", "ack 1"),
    ("reset", "reset 1"),
    ("shelve", "shelve 1 300"),
    ("unshelve", "unshelve 1"),
    ("expiry", "tick"),
    ("design on", "pig=1"),
    ("design off", "pig=0"),
    ("out", "out gas 3600"),
    ("in", "in gas"),
    ("up", "gas=50"),
    ("down", "gas=30"),
];

/// State, whether the alarm latches, how it is reached (`gas=L` is 30, or 50 before `down`), and what each event makes of it; `!` = refused.
const TABLE: &[(&str, bool, &str, &str)] = &[
    //                                                           rise fall ack reset shelve unshelve expiry on off out in up down
    ("A", false, "gas=L, gas=10, ack 1", "B  A  A!  A!  E  A! A  F  A  G  A! B  B"),
    ("B", false, "gas=L", "B  D  C  B!  E  B! B  F  B  G  B! B  B"),
    ("B latching", true, "gas=L", "B  LU C  B!  E  B! B  F  B  G  B! B  B"),
    ("C", false, "gas=L, ack 1", "C  A  C! C!  E  C! C  F  C  G  C! B  C"),
    ("C latching", true, "gas=L, ack 1", "C  LA C! C!  E  C! C  F  C  G  C! B  C"),
    ("D", false, "gas=L, gas=10", "B  D  A  D!  E  D! D  F  D  G  D! B  B"),
    ("LU", true, "gas=L, gas=10", "B  LU LA LU! LU! LU! LU F  LU G  LU! B  B"),
    ("LA", true, "gas=L, gas=10, ack 1", "B  LA LA! A  LA! LA! LA F  LA G  LA! B  B"),
    ("E active", false, "gas=L, shelve 1 300", "E  E  E! E!  E  B  B  F  E  G  E! B  E"),
    ("E cleared", false, "gas=L, shelve 1 300, gas=10", "E  E  E! E!  E  A  A  F  E  G  E! B  E"),
    ("E of A", false, "gas=L, gas=10, ack 1, shelve 1 300", "E  E  E! E!  E  A  A  F  E  G  E! B  E"),
    ("E of C", false, "gas=L, ack 1, shelve 1 300", "E  E  E! E!  E  B  B  F  E  G  E! B  E"),
    ("E one-shot", false, "gas=L, once 1 300", "E  A  E! E!  E  B  B  F  E  G  E! B  E"),
    ("E latching, cleared", true, "gas=L, shelve 1 300, gas=10", "E  E  E! E!  E! LU LU F  E  G  E! B  E"),
    ("F active", false, "gas=L, pig=1", "F  F  F! F!  F! F! F  F  B  G  F! F  F"),
    ("F cleared", false, "gas=L, pig=1, gas=10", "F  F  F! F!  F! F! F  F  A  G  F! F  F"),
    ("F latching, cleared", true, "gas=L, pig=1, gas=10", "F  F  F! F!  F! F! F  F  LU G  F! F  F"),
    ("F over E", false, "gas=L, shelve 1 300, pig=1", "F  F  F! F!  F! F  F  F  E  G  F! F  F"),
    ("G active", false, "gas=L, out gas 3600", "G  G  G! G!  G! G! G  G  G  G  B  G  G"),
    ("G cleared", false, "gas=L, out gas 3600, gas=10", "G  G  G! G!  G! G! G  G  G  G  A  G  G"),
    ("G latching, cleared", true, "gas=L, out gas 3600, gas=10", "G  G  G! G!  G! G! G  G  G  G  LU G  G"),
    ("G over E", false, "gas=L, shelve 1 300, out gas 3600", "G  G  G! G!  G! G  G  G  G  G  E  G  G"),
    ("G over F", false, "gas=L, pig=1, out gas 3600", "G  G  G! G!  G! G! G  G  G  G  F  G  G"),
];

/// Without a red limit, so that one person may take the tag out of service.
fn site(latches: bool) -> Site {
    let mut site = pigged(latches);
    site.tags[0].limits.pop();
    site
}

fn letter(timeline: &Timeline) -> &'static str {
    match timeline.brain.alarm(AlarmId(1)).expect("it was opened").state() {
        State::Normal => "A",
        State::Unacknowledged => "B",
        State::Acknowledged => "C",
        State::Returned => "D",
        State::LatchedUnacknowledged => "LU",
        State::LatchedAcknowledged => "LA",
        State::Shelved => "E",
        State::SuppressedByDesign => "F",
        State::OutOfService => "G",
    }
}

#[test]
fn every_event_in_every_state() {
    let mut pairs = 0;
    let mut faults = Vec::new();
    for (state, latches, reached, row) in TABLE {
        let expected: Vec<&str> = row.split_whitespace().collect();
        assert_eq!(expected.len(), EVENTS.len(), "{state}");
        for ((name, event), expected) in EVENTS.iter().zip(expected) {
            let mut now = Timeline::new(&site(*latches));
            let mut second = 0.0;
            let level = if *name == "down" { "gas=50" } else { "gas=30" };
            for what in reached.split(", ") {
                now.only(second, &what.replace("gas=L", level));
                second += 30.0;
            }
            assert!(state.starts_with(letter(&now)), "{state} is not reached by {reached}: {}", letter(&now));
            let before = now.brain.alarm(AlarmId(1)).cloned();
            let effects = now.only(second + if *name == "expiry" { 360.0 } else { 0.0 }, event);
            let is_act = !event.contains('=') && *event != "tick";
            let refused = is_act && effects.split("; ").all(|effect| effect != "done");
            let got = format!("{}{}", letter(&now), if refused { "!" } else { "" });
            if got != expected {
                faults.push(format!("{state} + {name}: {got}, the table says {expected} ({effects})"));
            }
            if refused && now.brain.alarm(AlarmId(1)).cloned() != before {
                faults.push(format!("{state} + {name}: refused, and something changed"));
            }
            pairs += 1;
        }
    }
    assert!(faults.is_empty(), "{} of {pairs} pairs:\n{}", faults.len(), faults.join("\n"));
    assert_eq!(pairs, 299);
    crate::harness::tell(&format!("truth table: {pairs} pairs of state and event, each as it says"));
}
