//! A feed beside a brain: the same readings, links, ticks and starts, and the same calls.

use super::*;
use crate::event::{LinkState, StrikeKind};
use crate::harness::{at, hazard, plant, rule};
use crate::{Brain, Effect, Event, Severity};

/// One call, as text, so that NaN is NaN.
type Calls = Vec<String>;

/// Small numbers that look random.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % sides
    }
}

/// A call that costs two strikes: a value that it cannot bear.
fn fails(rows: &[Row]) -> bool {
    rows.iter().any(|row| row.quality.is_good() && row.value >= 90.0)
}

/// Three tags on two links, one of them bound twice, which fall silent, stand still and jump.
fn site(tick_ms: u64) -> Site {
    let fast = |name, link| Tag { silent_ms: 10_000, link, ..Tag::plain(name) };
    let still = Tag { frozen_ms: Some(15_000), max_per_s: Some(20.0), ..fast("heat", 1) };
    let mut site = plant(vec![fast("gas", 0), still, fast("flow", 1)]);
    site.quarantine = Quarantine { strikes: 3, within_s: 60, return_after_s: Some(20) };
    site.links = vec!["bus".into(), "line".into()];
    let inputs = vec![TagId(2), TagId(0), TagId(1), TagId(0)];
    site.rules = vec![Rule { tick_ms, inputs, ..rule(vec![hazard("leak", Severity::Red)], 0) }];
    site
}

fn events(dice: &mut Dice, steps: usize) -> Vec<(Micros, Event)> {
    let names = ["gas", "heat", "flow"].map(str::to_owned).to_vec();
    let start = || Event::started(names.clone());
    let mut now = at(0.0);
    let mut events = vec![(now, start())];
    for _ in 0..steps {
        now += match dice.roll(20) {
            0 => 0,
            1 => 13_000_000,
            2..5 => dice.roll(1_500_000) as i64,
            _ => 1_000_000,
        };
        let link = ["bus", "line"][dice.roll(2) as usize].to_owned();
        let state = [LinkState::Up, LinkState::Down, LinkState::Saturated][dice.roll(3) as usize];
        events.push(match dice.roll(40) {
            0 => (now, start()),
            1 | 2 => (now, Event::Link { link, state, reason: String::new() }),
            _ => {
                let mut readings = vec![];
                for _ in 0..dice.roll(5) {
                    let (value, quality) = match dice.roll(12) {
                        0 => (f64::NAN, Quality::SENSOR_FAILURE),
                        1 => (150.0, Quality::GOOD),
                        2 => (dice.roll(100) as f64, Quality::DOUBTFUL),
                        3 => (dice.roll(100) as f64, Quality::GOOD),
                        _ => (7.0, Quality::GOOD),
                    };
                    let late = [0, 0, 0, 0, 500_000, 3_000_000, 30_000_000][dice.roll(7) as usize];
                    readings.push(Reading { tag: TagId(dice.roll(3) as u32), value, quality, source_us: now - late });
                }
                (now, Event::Readings { readings })
            }
        });
    }
    events
}

fn by_brain(site: &Site, events: &[(Micros, Event)]) -> Calls {
    let (mut brain, mut calls, mut now) = (Brain::new(site.clone()), vec![], events[0].0);
    let strike = Event::Strike { rule: site.rules[0].name.clone(), kind: StrikeKind::Trap, detail: String::new() };
    let mut step = |at, event: &Event| {
        let mut effects: VecDeque<Effect> = brain.step(at, event).into();
        while let Some(effect) = effects.pop_front() {
            match effect {
                Effect::Consult { at, rows, .. } => {
                    calls.push(format!("{at} {rows:?}"));
                    if fails(&rows) {
                        (0..2).for_each(|_| effects.extend(brain.step(at, &strike)));
                    }
                }
                Effect::Quarantine { on, .. } => calls.push(format!("{at} {}", if on { "out" } else { "back" })),
                _ => {}
            }
        }
    };
    for (at, event) in events {
        if !matches!(event, Event::Started { .. }) {
            while now + TICK_US < *at {
                now += TICK_US;
                step(now, &Event::Tick);
            }
        }
        now = *at;
        step(*at, event);
    }
    calls
}

fn by_feed(site: &Site, events: &[(Micros, Event)]) -> Calls {
    let (mut feed, mut calls) = (Feed::new(site, &site.rules[0]), vec![]);
    let places: Vec<TagId> = feed.tags().map(|(id, _)| id).collect();
    let mut ask = |at: Micros, turn: Turn<'_>| {
        calls.push(match turn {
            Turn::Asked(rows) => format!("{at} {rows:?}"),
            Turn::Out => format!("{at} out"),
            Turn::Back => format!("{at} back"),
        });
        if matches!(turn, Turn::Asked(rows) if fails(rows)) { 2 } else { 0 }
    };
    for (at, event) in events {
        match event {
            Event::Started { .. } => feed.start(*at, &mut ask),
            Event::Link { link, state, .. } => {
                feed.pass(*at, &mut ask);
                let link = site.links.iter().position(|known| known == link).unwrap();
                feed.link(*at, link, *state != LinkState::Down, &mut ask);
            }
            Event::Readings { readings } => {
                feed.pass(*at, &mut ask);
                let placed = readings.iter().filter_map(|reading| {
                    let place = places.iter().position(|id| *id == reading.tag)?;
                    Some(Reading { tag: TagId(place as u32), ..*reading })
                });
                feed.take(*at, placed, &mut ask);
            }
            other => panic!("{other:?}"),
        }
    }
    calls
}

#[test]
fn a_feed_asks_what_the_brain_asks_at_the_same_times() {
    let (mut asked, mut out, mut back) = (0, 0, 0);
    for seed in 0..60 {
        for tick_ms in [0, 1000, 2500] {
            let (site, events) = (site(tick_ms), events(&mut Dice(seed), 400));
            let (brain, feed) = (by_brain(&site, &events), by_feed(&site, &events));
            let differs = brain.iter().zip(&feed).position(|(brain, feed)| brain != feed);
            if let Some(first) = differs {
                panic!("seed {seed}, tick {tick_ms}, call {first}:\nbrain {}\nfeed  {}", brain[first], feed[first]);
            }
            assert_eq!(brain.len(), feed.len(), "seed {seed}, tick {tick_ms}");
            let times = |what: &str| brain.iter().filter(|call| call.ends_with(what)).count();
            (asked, out, back) = (asked + brain.len(), out + times("out"), back + times("back"));
        }
    }
    assert!(
        asked > 60 * 3 * 100 && back > 40 && out > back,
        "{asked} calls, {out} quarantines and {back} ends of one compare nothing"
    );
}

/// The control: what is compared tells one site from another.
#[test]
fn another_silence_gives_other_calls() {
    let (site, events) = (site(1000), events(&mut Dice(1), 400));
    let mut other = site.clone();
    other.tags[0].silent_ms = 5_000;
    assert_ne!(by_brain(&site, &events), by_feed(&other, &events));
}

#[test]
fn three_strikes_in_a_minute_end_it() {
    for (apart, quarantined) in [(29_000_000, Some((at(59.0), None))), (31_000_000, None)] {
        let mut site = Site { quarantine: Quarantine::BY_HAND, ..site(0) };
        site.tags.iter_mut().for_each(|tag| tag.silent_ms = 3_600_000);
        let (mut feed, mut calls) = (Feed::new(&site, &site.rules[0]), 0);
        let mut ask = |_: Micros, turn: Turn<'_>| {
            calls += usize::from(matches!(turn, Turn::Asked(_)));
            1
        };
        feed.start(at(0.0), &mut ask);
        for n in 0..5 {
            let now = at(1.0) + n * apart;
            feed.take(now, [Reading { tag: TagId(0), value: 1.0, quality: Quality::GOOD, source_us: now }], &mut ask);
        }
        assert_eq!(feed.quarantined(), quarantined.as_slice());
        assert_eq!(calls, if quarantined.is_some() { 3 } else { 5 });
    }
}
