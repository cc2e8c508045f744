//! The last-known table as timelines: what becomes of a reading, and whether it is believed.

use crate::Quality;
use crate::harness::{Timeline, gas, limit, plant, shown, timeline};
use crate::site::LimitKind::High;
use crate::site::Severity::Red;
use crate::site::{Site, Tag};

fn one(tag: Tag) -> Site {
    plant(vec![tag])
}

#[test]
fn the_newest_reading_stands() {
    shown(
        &one(Tag::plain("gas")),
        &[
            ("0 start", "NaN never_seen"),
            ("1 gas=10", "10 good"),
            ("2 gas=10@1", "10 good"),   // the same again
            ("3 gas=99@0.5", "10 good"), // older: kept in the journal, not judged
            ("4 gas=20@1", "20 good"),   // another value of the same moment is news
            ("5 gas=21 gas=22 gas=21@4.5", "22 good"),
        ],
    );
}

#[test]
fn quality_only_gets_worse_than_the_link_said() {
    shown(
        &one(Tag { silent_ms: 10_000, ..Tag::plain("gas") }),
        &[
            ("0 gas=10~doubtful", "10 doubtful"),
            ("1 gas=10~simulated", "10 simulated"),
            ("2 gas=0", "0 good"),
            ("3 gas=100", "100 good"),
            ("4 gas=100.01", "100.01 impossible"),
            ("5 gas=-0.01", "-0.01 impossible"),
            ("6 gas=nan", "NaN impossible"),
            ("7 gas=inf", "inf impossible"),
            ("8 gas=200~sensor_failure", "200 sensor_failure"),
            ("20 gas=10@10", "10 good"),
            ("21 gas=10@10.9", "10 late"), // older on arrival than silence lasts
            ("22 gas=10~by_hand@11", "10 by_hand"),
            ("23 gas=10~bad@12", "10 bad"),
        ],
    );
}

#[test]
fn the_same_moment_told_again_as_bad_is_news() {
    timeline(
        &one(gas(&[limit(High, 50.0, Red)])),
        &[
            ("0 gas=10", ""),
            ("1 gas=10~sensor_failure@0", "device.impossible opened yellow"),
            ("2 gas=10@0", ""), // and the first telling, delivered again, does not mend it
        ],
    );
}

#[test]
fn a_jump_is_doubted_three_readings_long_then_accepted() {
    let site = one(Tag { max_per_s: Some(5.0), ..Tag::plain("gas") });
    shown(
        &site,
        &[
            ("0 gas=10", "10 good"),
            ("1 gas=15", "15 good"), // as fast as physics allows
            ("2 gas=60", "60 doubtful"),
            ("3 gas=60", "60 doubtful"),
            ("4 gas=61", "61 doubtful"),
            ("5 gas=61", "61 good"),
            ("6 gas=0", "0 doubtful"),
            ("7 gas=60", "60 good"), // it was a spike
            ("8 gas=0", "0 doubtful"),
            ("9 gas=0", "0 doubtful"),
            ("10 gas=0", "0 doubtful"),
            ("11 gas=0", "0 good"),
            ("12 gas=nan", "NaN impossible"),
            ("13 gas=90", "90 good"), // nothing to compare with
        ],
    );
    // Slower than physics over the time that passed.
    shown(&site, &[("0 gas=10", "10 good"), ("10 gas=60", "60 good"), ("10.5 gas=63", "63 doubtful")]);
}

#[test]
fn a_jump_over_a_limit_is_never_hidden_and_a_jump_back_does_not_clear_at_once() {
    timeline(
        &one(Tag { max_per_s: Some(5.0), ..gas(&[limit(High, 50.0, Red)]) }),
        &[
            ("0 gas=10", ""),
            ("1 gas=90", "gas.high opened red"),
            ("5 gas=90", ""),
            ("6 gas=90", ""),
            ("7 gas=90", ""),
            ("8 gas=10", ""),
            ("9 gas=10", ""),
            ("10 gas=10", ""),
            ("11 gas=10", "gas.high cleared"),
        ],
    );
}

/// A device that lost its clock must not lose its voice: older readings are set aside only while newer ones come.
#[test]
fn a_source_whose_clock_went_back_is_heard_after_the_silence_limit() {
    let site = one(Tag { silent_ms: 10_000, ..gas(&[limit(High, 50.0, Red)]) });
    timeline(
        &site,
        &[
            ("100 gas=10", ""),
            ("105 gas=90@5", ""), // might be a late batch
            ("112 gas=90@12", ""),
            ("115 gas=90@15", ""),
            ("116 gas=90@16", "gas.high opened red"),
            ("117 gas=10@17", ""), // late on arrival: danger counts, absence of danger does not
            ("118 gas=10@118", "gas.high cleared"),
        ],
    );
    // What is delivered again after a long outage is a late batch.
    timeline(
        &site,
        &[
            ("100 gas=90", "gas.high opened red"),
            ("105 gas=10", "gas.high cleared"),
            ("115 tick", "device.silent opened yellow"),
            ("900 gas=90@100 gas=10@105", ""),
            ("901 gas=10", "device.silent cleared"),
        ],
    );
    shown(
        &site,
        &[
            ("100 gas=10", "10 good"),
            ("101 gas=90@95", "10 good"),
            ("112 gas=20@99.5", "20 late"),
            ("113 gas=20@103.5", "20 good"),
        ],
    );
}

#[test]
fn a_late_reading_shows_that_somebody_is_there() {
    timeline(
        &one(Tag { silent_ms: 10_000, ..Tag::plain("gas") }),
        &[("100 gas=10", ""), ("109 gas=11@99", ""), ("119 tick", "device.silent opened yellow")],
    );
}

#[test]
fn every_reading_but_a_duplicate_is_counted() {
    let mut now = Timeline::new(&one(Tag::plain("gas")));
    for (at, what, count, arrived) in [
        (1.0, "gas=10", 1, 1.0),
        (2.0, "gas=10@1", 1, 1.0),
        (3.0, "gas=9@0", 2, 1.0),
        (4.0, "gas=10", 3, 4.0),
        (5.0, "gas=nan", 4, 5.0),
    ] {
        now.only(at, what);
        let shown = now.brain.tag(crate::TagId(0));
        assert_eq!((shown.count, shown.arrived_us), (count, crate::harness::at(arrived)), "{what}");
    }
    assert_eq!(now.brain.tag(crate::TagId(0)).quality, Quality::IMPOSSIBLE);
}
