//! The shared part of the life of an alarm beside that of an open implementation of ANSI/ISA-18.2 (alerta-server 9.1.0): its states A to E under the
//! events both know. The table is what that program answers, state by state; where we differ stands below, with the reason.

use crate::AlarmId;
use crate::alarm::State;
use crate::harness::{Timeline, hazard, plant, rule};
use crate::site::{Severity::Red, Site};

/// Events of both: ours in the words of a timeline. Low is yellow, high is orange.
const EVENTS: [(&str, &str); 6] = [
    ("low", "rule leak=yellow"),
    ("high", "rule leak=orange"),
    ("clear", "rule leak=clear"),
    ("ack", "ack 1"),
    ("shelve", "shelve 1 3600"),
    ("unshelve", "unshelve 1"),
];

/// State and standing severity (`0`, `l`, `h`) there, and the state it goes to at each event.
const PEER: &[(&str, char, [&str; 6])] = &[
    ("A", '0', ["B", "B", "A", "A", "E", "A"]),
    ("B", 'l', ["B", "B", "D", "C", "E", "B"]),
    ("B", 'h', ["B", "B", "D", "C", "E", "B"]),
    ("C", 'l', ["C", "B", "A", "C", "E", "B"]),
    ("C", 'h', ["C", "C", "A", "C", "E", "B"]),
    ("D", '0', ["B", "B", "D", "A", "E", "A"]),
    ("E", '0', ["E", "E", "E", "E", "E", "A"]),
    ("E", 'l', ["E", "E", "E", "E", "E", "B"]),
    ("E", 'h', ["E", "E", "E", "E", "E", "B"]),
];

/// Where we go elsewhere: state, event, ours, and why.
const DIFFERENCES: &[(&str, &str, &str, &str)] = &[
    ("E", "high", "B", "what rises above the level that was seen when it was shelved breaks the shelf"),
    ("C", "unshelve", "C", "what is not shelved cannot be taken from the shelf: refused"),
    ("D", "unshelve", "D", "the same: it would be an acknowledgement by nobody"),
];

fn letter(timeline: &Timeline) -> &'static str {
    match timeline.brain.alarm(AlarmId(1)).expect("it was opened").state() {
        State::Normal => "A",
        State::Unacknowledged => "B",
        State::Acknowledged => "C",
        State::Returned => "D",
        State::Shelved => "E",
        other => panic!("{other:?} is not shared"),
    }
}

/// One sequence side by side, up to the first known difference: which one.
fn walk(seed: u64, known: &[(&str, &str, &str, &str)]) -> Result<Option<usize>, String> {
    let mut random = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut now = Timeline::new(&Site { rules: vec![rule(vec![hazard("leak", Red)], 0)], ..plant(vec![]) });
    now.only(0.0, "rule leak=yellow");
    let (mut state, mut stands) = ("B", 'l');
    for step in 1..=14_u32 {
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        let event = (random >> 20) as usize % EVENTS.len();
        let (name, ours) = EVENTS[event];
        now.only(f64::from(step) * 45.0, ours);
        let row = PEER.iter().find(|(of, severity, _)| (*of, *severity) == (state, stands)).expect("reachable");
        let (from, expected) = (state, row.2[event]);
        stands = match name {
            "low" => 'l',
            "high" => 'h',
            "clear" => '0',
            _ => stands,
        };
        if letter(&now) != expected {
            let found = known.iter().position(|known| (known.0, known.1, known.2) == (from, name, letter(&now)));
            return found.map(Some).ok_or_else(|| format!("{seed}: {from} + {name}: {} here, {expected} there", letter(&now)));
        }
        state = expected;
    }
    Ok(None)
}

#[test]
fn an_independent_implementation_agrees_but_for_what_is_named() {
    let mut met = vec![0; DIFFERENCES.len()];
    let mut agreed = 0;
    for seed in 1..=5_000 {
        match walk(seed, DIFFERENCES).unwrap_or_else(|fault| panic!("{fault}")) {
            Some(difference) => met[difference] += 1,
            None => agreed += 1,
        }
    }
    assert!(agreed > 500, "{agreed} sequences to their end");
    for ((from, event, _, why), met) in DIFFERENCES.iter().zip(met) {
        assert!(met > 0, "{from} + {event} is no difference: {why}");
    }
    assert!((1..=5_000).any(|seed| walk(seed, &DIFFERENCES[1..]).is_err()), "a difference that is not named is found out");
}
