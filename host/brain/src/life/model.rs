//! A small model of an alarm's life, written from the truth table alone, beside the brain: 20 000 random lives must look the same in both.

use super::*;
use crate::alarm::State;
use crate::harness::{ladder, pigged};
use crate::notice::{NoticeKind, Reason};
use crate::site::{RungKind, Severity::*};
use crate::{Act, Brain, Effect, Event, Quality, Reading, TagId};
use std::cell::Cell;

const LIVES: u64 = 20_000;
const STEPS: u64 = 30;
/// Seconds between two events: three cycles cannot fall into a minute, so that nothing chatters here.
const PACE: i64 = 45;
/// Seconds that a lower level stands before the bureau is told of it.
const LOWERED_S: i64 = 60;

#[derive(Clone, Copy, Debug, PartialEq)]
enum Base {
    A,
    B,
    C,
    D,
    LU,
    LA,
}

#[derive(Clone, Copy, Debug)]
struct Put {
    until: i64,
    cap: Severity,
    one_shot: bool,
    extensions: u8,
}

/// What the table says, and no more. Where something puts the alarm aside, only the condition, its level and the latch go on.
#[derive(Clone, Debug)]
struct Model {
    latching: bool,
    base: Base,
    active: bool,
    level: Severity,
    /// Shown: never falls before somebody has seen it.
    high: Severity,
    latch: bool,
    put: Option<Put>,
    design: bool,
    service: bool,
    occurrences: u32,
    /// Worst level told in this occurrence since somebody took it.
    told: Option<Severity>,
    /// Taken: by nobody, or for a level.
    taken: bool,
    announced: bool,
    /// The level fell then, while it stands.
    lowered: Option<i64>,
}

impl Model {
    fn aside(&self) -> bool {
        self.put.is_some() || self.hidden()
    }

    fn hidden(&self) -> bool {
        self.service || (self.design && self.level_allows())
    }

    /// By design suppresses nothing red that its hazard does not allow.
    fn level_allows(&self) -> bool {
        self.high.max(self.level) != Red
    }

    fn state(&self) -> State {
        match (self.service, self.design && self.level_allows(), self.put.is_some(), self.base) {
            (true, ..) => State::OutOfService,
            (_, true, ..) => State::SuppressedByDesign,
            (_, _, true, _) => State::Shelved,
            (.., Base::A) => State::Normal,
            (.., Base::B) => State::Unacknowledged,
            (.., Base::C) => State::Acknowledged,
            (.., Base::D) => State::Returned,
            (.., Base::LU) => State::LatchedUnacknowledged,
            (.., Base::LA) => State::LatchedAcknowledged,
        }
    }

    fn tell(&mut self) {
        if self.told.is_none_or(|told| told < self.high) {
            (self.told, self.announced) = (Some(self.high), true);
        }
    }

    /// Nothing puts it aside any more: B where it stands, LU where somebody must look, else A.
    fn back(&mut self, rose: bool) {
        if self.active {
            if !rose {
                self.occurrences += 1;
                self.told = None;
            }
            if self.taken {
                self.high = self.level;
            }
            (self.base, self.taken) = (Base::B, false);
            self.tell();
        } else {
            (self.base, self.taken) = if self.latch { (Base::LU, false) } else { (Base::A, true) };
        }
    }

    fn danger(&mut self, now: i64, level: Severity) {
        let (was_aside, was_hidden) = (self.aside(), self.hidden());
        let rose = !self.active;
        let before = self.level;
        (self.active, self.level) = (true, level);
        self.lowered = (!rose && level < before).then_some(now).or(self.lowered.filter(|_| !rose && level == before));
        self.latch |= self.latching || level == Red;
        if rose {
            self.occurrences += 1;
            self.told = None;
            self.high = if self.taken { level } else { self.high.max(level) };
            self.taken = false;
        } else if level > before && (self.taken || level > self.high) {
            if level > self.high {
                // Somebody had taken less than this: all are told again.
                if self.taken {
                    self.told = None;
                }
                self.taken = false;
            }
            self.high = self.high.max(level);
        } else if level < before && self.taken {
            self.high = level;
        }
        let design_went = was_hidden && !self.hidden();
        let broke = self.put.is_some_and(|put| level == Red || level > put.cap);
        if broke {
            self.put = None;
        }
        if was_aside && !self.aside() && (broke || design_went) {
            return self.back(rose);
        }
        if self.aside() {
            return;
        }
        self.base = if self.taken { Base::C } else { Base::B };
        self.tell();
    }

    /// It fell so long ago, stands there, and somebody has taken it: the bureau knows.
    fn tells_lower(&self, now: i64, after: i64) -> bool {
        let stands = self.active && !self.aside() && self.high == self.level;
        stands && self.lowered.is_some_and(|since| now - since >= after)
    }

    fn safe(&mut self) {
        if !self.active {
            return;
        }
        self.active = false;
        if !self.aside() {
            self.base = match (self.latch, self.taken) {
                (true, false) => Base::LU,
                (true, true) => Base::LA,
                (false, false) => Base::D,
                (false, true) => Base::A,
            };
        }
        if self.put.take_if(|put| put.one_shot).is_some() && !self.aside() {
            self.back(false);
        }
    }

    fn expire(&mut self, now: i64) {
        if self.put.take_if(|put| put.until <= now).is_some() && !self.aside() {
            self.back(false);
        }
    }

    /// Logic or permit came or went.
    fn turn(&mut self, design: bool, service: bool) {
        let was = self.aside();
        (self.design, self.service) = (design, service);
        if was && !self.aside() {
            self.back(false);
        }
    }

    /// True = done.
    fn act(&mut self, now: i64, what: Do) -> bool {
        match what {
            Do::Ack if self.aside() || self.taken => false,
            Do::Ack => {
                self.taken = true;
                if self.active {
                    self.high = self.level;
                }
                self.base = match self.base {
                    Base::B => Base::C,
                    Base::D => Base::A,
                    Base::LU => Base::LA,
                    other => other,
                };
                true
            }
            Do::Reset => {
                let may = !self.aside() && self.base == Base::LA;
                if may {
                    (self.latch, self.base) = (false, Base::A);
                }
                may
            }
            Do::Shelve { for_s, one_shot } => {
                let worst = self.high.max(self.level);
                let extensions = self.put.map_or(0, |put| put.extensions + 1);
                let most = if worst == Orange { 3_600 } else { 28_800 };
                let may = worst != Red && !self.hidden() && !(self.latch && !self.active) && extensions <= 3 && for_s <= most;
                if may {
                    let cap = self.put.map_or(worst, |put| put.cap);
                    self.put = Some(Put { until: now + i64::from(for_s), cap, one_shot, extensions });
                }
                may
            }
            Do::Unshelve => {
                let was = self.put.take().is_some();
                if was && !self.aside() {
                    self.back(false);
                }
                was
            }
        }
    }
}

#[derive(Clone, Copy, Debug)]
enum Do {
    Ack,
    Reset,
    Shelve { for_s: u32, one_shot: bool },
    Unshelve,
}

fn random(seed: &mut u64) -> u64 {
    *seed ^= *seed << 13;
    *seed ^= *seed >> 7;
    *seed ^= *seed << 17;
    *seed
}

/// What the crew hears of an alarm that is new to it, or worse.
fn announced(effects: &[Effect]) -> bool {
    effects.iter().any(|effect| {
        matches!(effect, Effect::Tell { notice, attempt: 1, .. } if notice.kind != NoticeKind::Cancel
            && matches!(notice.reason, Reason::Opened | Reason::Reopened | Reason::Raised))
    })
}

/// What a model may forget.
#[derive(Clone, Copy, PartialEq)]
enum Bend {
    /// That red is never shelved.
    Shelf,
    /// That a lower level is told to the bureau only once it has stood for a while.
    Lowered,
}

/// One life; an error says where brain and model differ.
fn life(seed: u64, bend: Option<Bend>) -> Result<[usize; 9], String> {
    let mut random_state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut dice = |n: u64| random(&mut random_state) % n;
    let latching = dice(3) == 0;
    let mut site = pigged(latching);
    site.tags.iter_mut().for_each(|tag| tag.silent_ms = 86_400_000);
    ladder(&mut site, &[("crew", RungKind::AtOnce, [Some(0); 4]), ("bureau", RungKind::AtOnce, [Some(0); 4])]);
    let mut brain = Brain::new(site.clone());
    let mut seconds: i64 = 1_000_000;
    let mut seen = [0; 9];
    let reading = |tag, value, seconds| Event::Readings {
        readings: vec![Reading { tag: TagId(tag), value, quality: Quality::GOOD, source_us: seconds * 1_000_000 }],
    };
    let (mut commands, mut untold) = (0, Vec::new());
    // The level that the bureau was told last, and when it was told that it fell.
    let (known, fell) = (Cell::new(None), Cell::new(false));
    let heard = |effects: &[Effect]| {
        for effect in effects {
            let Effect::Tell { notice, .. } = effect else { continue };
            if notice.bureau {
                known.set(Some(notice.alarm.severity));
            }
            if notice.reason == Reason::Lowered {
                assert!(notice.bureau, "it is for bureaus alone");
                fell.set(true);
            }
        }
    };
    let mut feed = |brain: &mut Brain, seconds: i64, event: &Event| {
        let effects = brain.step(seconds * 1_000_000, event);
        heard(&effects);
        untold.extend(effects.iter().filter_map(|effect| match effect {
            Effect::Tell { notice, .. } => Some(notice.id),
            _ => None,
        }));
        let mut all = effects;
        while let Some(notice) = untold.pop() {
            let more = brain.step(seconds * 1_000_000, &Event::Receipt { notice, code: String::new(), accepted: false });
            heard(&more);
            untold.extend(more.iter().filter_map(|effect| match effect {
                Effect::Tell { notice, .. } => Some(notice.id),
                _ => None,
            }));
            all.extend(more);
        }
        all
    };
    feed(&mut brain, seconds, &reading(1, 0.0, seconds));
    feed(&mut brain, seconds, &reading(0, 30.0, seconds));
    let mut model = Model {
        latching,
        base: Base::B,
        active: true,
        level: Yellow,
        high: Yellow,
        latch: latching,
        put: None,
        design: false,
        service: false,
        occurrences: 1,
        told: Some(Yellow),
        taken: false,
        announced: false,
        lowered: None,
    };
    let by = |name: &str| Person { name: name.into(), role: "lead".into(), station: "t".into() };
    for step in 0..STEPS {
        seconds += PACE + dice(3) as i64 * 100;
        model.announced = false;
        let ticked = feed(&mut brain, seconds, &Event::Tick);
        let due = model.tells_lower(seconds, if bend == Some(Bend::Lowered) { 0 } else { LOWERED_S });
        if due && known.get() != Some(model.level) {
            return Err(format!(
                "life {seed}, step {step}: it fell to {:?}, and the bureau knows {:?}",
                model.level,
                known.get()
            ));
        }
        if fell.take() && !due {
            return Err(format!("life {seed}, step {step}: the bureau is told too early that it fell"));
        }
        model.expire(seconds);
        let mut done = None;
        let mut act = |brain: &mut Brain, feed: &mut dyn FnMut(&mut Brain, i64, &Event) -> Vec<Effect>, who: &str, act: Act| {
            commands += 1;
            feed(brain, seconds, &Event::Operator { command: commands.to_string(), by: by(who), act })
        };
        let alarm = AlarmId(1);
        let note = "looked".to_owned();
        let what = dice(16);
        let effects = match what {
            0..=4 => {
                let (value, level) = [(10.0, None), (30.0, Some(Yellow)), (50.0, Some(Orange)), (70.0, Some(Red))]
                    [[0, 0, 1, 1, 2, 2, 3][dice(7) as usize]];
                match level {
                    Some(level) => model.danger(seconds, level),
                    None => model.safe(),
                }
                feed(&mut brain, seconds, &reading(0, value, seconds))
            }
            5..=8 => {
                done = Some(model.act(seconds, Do::Ack));
                act(&mut brain, &mut feed, "ann", Act::Acknowledge { alarm, severity: None, occurrence: None, note })
            }
            9 => {
                done = Some(model.act(seconds, Do::Reset));
                act(&mut brain, &mut feed, "ann", Act::Reset { alarm, note })
            }
            10 | 11 => {
                let (for_s, one_shot) = ([300, 900, 28_800][dice(3) as usize], dice(2) == 0);
                let bent = bend == Some(Bend::Shelf) && model.high == Red;
                done = Some(if bent { true } else { model.act(seconds, Do::Shelve { for_s, one_shot }) });
                act(&mut brain, &mut feed, "ann", Act::Shelve { alarm, for_s, one_shot, severity: None, occurrence: None, note })
            }
            12 => {
                done = Some(model.act(seconds, Do::Unshelve));
                act(&mut brain, &mut feed, "ann", Act::Unshelve { alarm, note })
            }
            13 => {
                let on = !model.design;
                model.turn(on, model.service);
                feed(&mut brain, seconds, &reading(1, if on { 1.0 } else { 0.0 }, seconds))
            }
            14 if model.service => {
                model.turn(model.design, false);
                done = Some(true);
                act(&mut brain, &mut feed, "ann", Act::PutBack { tag: "gas".into(), note })
            }
            14 => {
                model.turn(model.design, true);
                done = Some(true);
                let out = Act::TakeOut { tag: "gas".into(), for_s: 86_400, permit: "P-1".into(), measure: "a person".into() };
                let first = act(&mut brain, &mut feed, "ann", out.clone());
                first.into_iter().chain(act(&mut brain, &mut feed, "bob", out)).collect()
            }
            _ => feed(&mut brain, seconds, &Event::Tick),
        };
        let answered = effects.iter().rev().find_map(|effect| match effect {
            Effect::Answer { result, .. } => Some(result.is_ok()),
            _ => None,
        });
        let now = brain.alarm(alarm).expect("it stands");
        let brain_says =
            (now.state(), now.severity, now.occurrences, now.latched, answered, announced(&ticked) || announced(&effects));
        let model_says = (model.state(), model.high, model.occurrences, model.latch, done, model.announced);
        if brain_says != model_says {
            return Err(format!("life {seed}, step {step}, event {what}: the brain {brain_says:?}, the model {model_says:?}"));
        }
        seen[now.state() as usize] += 1;
    }
    Ok(seen)
}

#[test]
fn twenty_thousand_lives_are_as_the_model_says() {
    let mut seen = [0; 9];
    for seed in 1..=LIVES {
        let life = life(seed, None).unwrap_or_else(|fault| panic!("{fault}"));
        seen.iter_mut().zip(life).for_each(|(all, of)| *all += of);
    }
    assert!(seen.iter().all(|steps| *steps > 1_000), "a state is hardly met: {seen:?}");
    crate::harness::tell(&format!(
        "model: {LIVES} lives, {} steps, each as the model says; by state {seen:?}",
        seen.iter().sum::<usize>()
    ));
}

#[test]
fn a_model_that_is_wrong_is_found_out() {
    for bend in [Bend::Shelf, Bend::Lowered] {
        assert!((1..=200).any(|seed| life(seed, Some(bend)).is_err()));
    }
}
