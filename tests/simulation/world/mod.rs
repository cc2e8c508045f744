//! The brain in a seeded world: readings lost, doubled, late, NaN, silent; links that drop; people who answer late, twice or never; receivers that
//! lose, refuse and repeat receipts; a wall clock that is set; crashes at any record. Must not know: what is planted, who asks.

pub mod oracle;
mod plant;

use brain::accident::{Said, Step};
use brain::alarm::{Cause, Closing, Person};
use brain::duty::DutyChange;
use brain::event::{Change, LinkState, StrikeKind};
use brain::finding::{Certainty, Finding, Verdict};
use brain::site::*;
use brain::words::{Text, Words};
use brain::{Act, AlarmId, Brain, Event, Micros, NoticeId, Quality, Reading, TagId};
use oracle::{Oracle, Seen, seen};
use plant::site;
use std::collections::{BTreeMap, BTreeSet};

pub const HOUR: Micros = 3_600 * SECOND;
pub const HALF: Micros = HOUR / 2;
const LIMIT: f64 = 100.0;
const DEADBAND: f64 = 5.0;
const OFFICER_AFTER_S: i64 = 30;
/// The officer is told again so often, and so many times.
const REPEAT_S: i64 = 25;
pub const REPEATS: u32 = 2;
const SILENT_S: i64 = 10;
pub const SECOND: Micros = 1_000_000;
/// Second 0, late enough for a clock to be set back.
const START: Micros = 1_000_000_000 * SECOND;
/// What a wall clock is set by: an hour, a day, a leap second, a dead battery.
const STEPS_S: [Micros; 7] = [3_600, -3_600, 86_400, -86_400, -1, 700_000_000, -700_000_000];

struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }
    fn below(&mut self, n: u64) -> u64 {
        self.next() % n
    }
    fn one_in(&mut self, n: u64) -> bool {
        self.below(n) == 0
    }
}

/// Faults of this seed: few kinds, hard.
struct Weather {
    lossy: bool,
    nan: bool,
    doubled: bool,
    late: bool,
    links: bool,
    deaf: bool,
    strikes: bool,
    clock: bool,
}

struct World {
    random: Random,
    weather: Weather,
    /// The monotonic clock.
    at: Micros,
    /// What somebody set the wall clock to be ahead of it.
    ahead: Micros,
    values: [f64; 3],
    last: Vec<Reading>,
    silent_until: [Micros; 3],
    open: BTreeMap<AlarmId, (u32, Severity)>,
    untold: Vec<NoticeId>,
    /// A machine refused them.
    refused: BTreeSet<NoticeId>,
    commands: u64,
}

impl World {
    fn new(seed: u64) -> World {
        let mut random = Random(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1);
        let mut on = || random.one_in(3);
        let weather =
            Weather { lossy: on(), nan: on(), doubled: on(), late: on(), links: on(), deaf: on(), strikes: on(), clock: on() };
        World {
            random,
            weather,
            at: START,
            ahead: 0,
            values: [50.0; 3],
            last: Vec::new(),
            silent_until: [0; 3],
            open: BTreeMap::new(),
            untold: Vec::new(),
            refused: BTreeSet::new(),
            commands: 0,
        }
    }

    fn event(&mut self) -> Event {
        self.at += self.random.below(1_500_000) as Micros;
        let person = |n: u64| Person { name: format!("person {n}"), role: "lead".into(), station: "sim".into() };
        match self.random.below(100) {
            0..=54 => self.readings(),
            55..=64 => self.receipt(),
            65..=69 => {
                let Some((&alarm, &(occurrence, severity))) = self.open.iter().next() else { return Event::Tick };
                self.commands += u64::from(!self.random.one_in(4));
                let act = match self.random.below(4) {
                    0 | 1 => {
                        Act::Acknowledge { alarm, severity: Some(severity), occurrence: Some(occurrence), note: String::new() }
                    }
                    2 => Act::Reset { alarm, note: "looked".into() },
                    _ => {
                        let cause = [None, Some(Cause::Process)][self.random.below(2) as usize];
                        let closing = Some(Closing { cause, evidence: "photo".into() });
                        Act::Close { alarm, note: "done".into(), closing }
                    }
                };
                Event::Operator { command: format!("c{}", self.commands), by: person(self.random.below(3)), act }
            }
            70..=72 if self.weather.links => {
                let state = if self.random.one_in(2) { LinkState::Down } else { LinkState::Up };
                let link = if self.random.one_in(2) { "one" } else { "two" };
                Event::Link { link: link.into(), state, reason: "sim".into() }
            }
            73..=76 => {
                let verdict = [Verdict::Active, Verdict::Clear, Verdict::CannotTell][self.random.below(3) as usize];
                let severity = Severity::ALL[self.random.below(4) as usize];
                let text = Text::Words(Words::same("x"));
                let finding = Finding {
                    hazard: "r.hazard".into(),
                    verdict,
                    severity,
                    certainty: Certainty::Likely,
                    text,
                    evidence: vec![],
                };
                Event::Assessed { rule: "rule".into(), findings: vec![finding] }
            }
            77 if self.weather.strikes => Event::Strike { rule: "rule".into(), kind: StrikeKind::Trap, detail: "sim".into() },
            78 if self.weather.strikes => {
                self.commands += 1;
                Event::Operator {
                    command: format!("c{}", self.commands),
                    by: person(9),
                    act: Act::ReleaseRule { rule: "rule".into() },
                }
            }
            80 if self.weather.clock && self.random.one_in(5) => {
                // Set, or set right again.
                let by = STEPS_S[self.random.below(STEPS_S.len() as u64) as usize] * SECOND;
                self.ahead = if self.ahead == 0 { by } else { 0 };
                Event::Clock { since: START, ahead: self.ahead, wrong: by.abs() > 86_400 * SECOND && self.ahead != 0 }
            }
            81..=84 => self.aside(),
            85..=86 => self.duty(),
            87 => self.accident(),
            79 if self.random.one_in(20) => Event::started(vec!["A".into(), "B".into(), "C".into()]),
            _ => Event::Tick,
        }
    }

    /// Somebody puts something aside, or takes it back: what may be, and what may not.
    fn aside(&mut self) -> Event {
        self.commands += 1;
        let tag = ["A", "B"][self.random.below(2) as usize].to_owned();
        let act = match (self.open.keys().nth(self.random.below(4) as usize).copied(), self.random.below(8)) {
            (Some(alarm), 0..=2) => {
                let (for_s, one_shot) = ([300, 900, 28_800][self.random.below(3) as usize], self.random.one_in(2));
                Act::Shelve { alarm, for_s, one_shot, severity: None, occurrence: None, note: "known".into() }
            }
            (Some(alarm), 3) => Act::Unshelve { alarm, note: String::new() },
            (_, 4..=6) => Act::TakeOut { tag, for_s: 120, permit: "P".into(), measure: "a person".into() },
            _ => Act::PutBack { tag, note: String::new() },
        };
        let by = Person { name: format!("person {}", self.random.below(3)), role: "lead".into(), station: "sim".into() };
        Event::Operator { command: format!("c{}", self.commands), by, act }
    }

    /// Somebody declares an accident, or says that it is none.
    fn accident(&mut self) -> Event {
        let Some(&alarm) = self.open.keys().next() else { return Event::Tick };
        self.commands += 1;
        let facts = Box::new(Said { course: Some("x".into()), dead: Some(self.random.below(4) as u32), ..Said::default() });
        let step = if self.random.one_in(3) { Step::Retract { note: "none".into() } } else { Step::Declare { facts } };
        let by = Person { name: "person 1".into(), role: "lead".into(), station: "sim".into() };
        Event::Operator { command: format!("c{}", self.commands), by, act: Act::Accident { alarm, step } }
    }

    /// Somebody hands over or takes over: who may, and who may not.
    fn duty(&mut self) -> Event {
        self.commands += 1;
        let name = |n: u64| if n == 3 { "person 9".to_owned() } else { format!("person {n}") };
        let change = if self.random.one_in(3) {
            DutyChange::HandOver { to: name(self.random.below(4)) }
        } else {
            DutyChange::TakeOver { alarms: if self.random.one_in(3) { vec![] } else { (1..1_000).map(AlarmId).collect() } }
        };
        let by = Person { name: name(self.random.below(4)), role: "operator".into(), station: "sim".into() };
        let act = Act::Duty { roster: "officers".into(), change, note: String::new() };
        Event::Operator { command: format!("c{}", self.commands), by, act }
    }

    fn readings(&mut self) -> Event {
        if self.weather.doubled && self.random.one_in(5) && !self.last.is_empty() {
            return Event::Readings { readings: self.last.clone() };
        }
        let mut readings = Vec::new();
        for tag in 0..3 {
            if self.at < self.silent_until[tag] || (self.weather.lossy && self.random.one_in(3)) {
                continue;
            }
            if self.random.one_in(400) {
                self.silent_until[tag] = self.at + 40 * SECOND;
            }
            let step = self.random.below(41) as f64 - 20.0;
            self.values[tag] = (self.values[tag] + step).clamp(20.0, 160.0);
            let (value, quality) = match self.random.below(60) {
                0 if self.weather.nan => (f64::NAN, Quality::SENSOR_FAILURE),
                1 if self.weather.nan => (f64::NAN, Quality::GOOD),
                2 if self.weather.nan => (5_000.0, Quality::GOOD),
                _ => (self.values[tag], Quality::GOOD),
            };
            let age = if self.weather.late && self.random.one_in(6) { self.random.below(20_000_000) as Micros } else { 0 };
            readings.push(Reading { tag: TagId(tag as u32), value, quality, source_us: self.at - age });
        }
        if readings.is_empty() {
            return Event::Tick;
        }
        self.last = readings.clone();
        Event::Readings { readings }
    }

    fn receipt(&mut self) -> Event {
        if self.untold.is_empty() || (self.weather.deaf && !self.random.one_in(4)) {
            return Event::Tick;
        }
        let pick = self.random.below(self.untold.len() as u64) as usize;
        let notice = self.untold[pick];
        if !self.random.one_in(3) {
            self.untold.remove(pick); // else the receipt comes twice
        }
        let by = Person { name: "officer".into(), role: "bureau".into(), station: "sim".into() };
        match self.random.below(10) {
            0 => Event::Undelivered { notice, detail: "503".into(), rejected: false },
            2..=4 if self.weather.deaf => {
                self.refused.insert(notice);
                Event::Undelivered { notice, detail: "422".into(), rejected: true }
            }
            5 if self.weather.deaf && self.random.one_in(4) => {
                let note = "no".into();
                Event::Answered { notice, accepted: false, by, note, instruction: false, message: String::new() }
            }
            1 => Event::Answered { notice, accepted: true, by, note: String::new(), instruction: false, message: String::new() },
            _ => Event::Receipt { notice, code: "200".into(), accepted: self.random.one_in(2) },
        }
    }

    fn learn(&mut self, effects: &[Seen]) {
        for effect in effects {
            match effect {
                Seen::Alarm(_, alarm) if alarm.closed => drop(self.open.remove(&alarm.id)),
                Seen::Alarm(_, alarm) => drop(self.open.insert(alarm.id, (alarm.occurrences, alarm.severity))),
                // Each try may be answered.
                Seen::Told(notice, _) if !self.untold.contains(&notice.id) => self.untold.push(notice.id),
                Seen::Told(..) | Seen::Other => {}
            }
        }
    }
}

fn snapshot(brain: &Brain) -> String {
    serde_json::to_string(brain).expect("a brain is JSON")
}

fn wake(saved: &str) -> Result<Brain, String> {
    let saved: brain::Saved = serde_json::from_str(saved).map_err(|error| format!("a snapshot cannot be read: {error}"))?;
    saved.wake().ok_or_else(|| "a snapshot does not fit itself".to_owned())
}

/// Which time is handed to the brain.
#[derive(Clone, Copy, PartialEq)]
pub enum Time {
    /// The monotonic one.
    Brain,
    /// The wall clock's: the fault that must be seen.
    Wall,
}

/// What happened in one world.
#[derive(Default)]
pub struct Lived {
    pub events: u64,
    pub alarms: u64,
    pub notices: u64,
    /// Tries of what a machine had refused.
    pub retold: u64,
    pub crashes: u64,
}

impl Lived {
    pub fn add(&mut self, other: &Lived) {
        self.events += other.events;
        self.alarms += other.alarms;
        self.notices += other.notices;
        self.retold += other.retold;
        self.crashes += other.crashes;
    }
}

/// Runs one seed for so long; `bend` may change what the oracle sees, to prove that it looks.
pub fn run(seed: u64, span: Micros, bend: impl FnMut(&Event, &mut Vec<Seen>)) -> Result<Lived, String> {
    run_by(Time::Brain, seed, span, bend)
}

pub fn run_by(time: Time, seed: u64, span: Micros, mut bend: impl FnMut(&Event, &mut Vec<Seen>)) -> Result<Lived, String> {
    let (mut world, mut oracle, mut brain) = (World::new(seed), Oracle::default(), Brain::new(site()));
    let mut record: Vec<(Micros, Event)> = Vec::new();
    let mut lived = Lived::default();
    let mut saved = (brain.clone(), 0);
    let mut event = Event::started(vec!["A".into(), "B".into(), "C".into()]);
    loop {
        let happened = event.clone();
        let (at, given) = match (time, event) {
            (Time::Brain, event) => (world.at, event),
            // To whom the wall clock is the time, it cannot differ from it.
            (Time::Wall, Event::Clock { .. }) => (world.at + world.ahead, Event::Tick),
            (Time::Wall, event) => (world.at + world.ahead, event),
        };
        let effects = brain.step(at, &given);
        let mut shown = seen(&brain, &effects);
        world.learn(&shown);
        lived.events += 1;
        for shown in &shown {
            lived.alarms += u64::from(matches!(shown, Seen::Alarm(Change::Opened, _)));
            lived.notices += u64::from(matches!(shown, Seen::Told(_, 1)));
            lived.retold += u64::from(matches!(shown, Seen::Told(notice, _) if world.refused.contains(&notice.id)));
        }
        bend(&given, &mut shown);
        record.push((at, given));
        let step = record.len();
        if std::env::var("TRACE").is_ok() {
            for x in &shown {
                match x {
                    Seen::Alarm(c, a) => eprintln!(
                        "{step} {} {c:?} id {} {} {} occ {} sev {:?} now {:?} cond {:?} ack {} shelf {:?}",
                        (world.at - START) / 1000,
                        a.id.0,
                        a.key.hazard,
                        a.key.object,
                        a.occurrences,
                        a.severity,
                        a.severity_now,
                        a.condition,
                        a.acknowledged.is_some(),
                        a.shelf.is_empty()
                    ),
                    Seen::Told(n, t) => eprintln!(
                        "{step} {} told {} {} {:?} rung {} try {t} alarm {} occ {}",
                        (world.at - START) / 1000,
                        n.identifier,
                        n.audience,
                        n.reason,
                        n.rung,
                        n.alarm.id.0,
                        n.alarm.occurrences
                    ),
                    Seen::Other => {}
                }
            }
            eprintln!("{step} {} {happened:?}", (world.at - START) / 1000);
        }
        oracle.see(world.at, &happened, &shown).map_err(|fault| format!("seed {seed}, step {step}, {happened:?}: {fault}"))?;
        // A crash: a brain woken from the last snapshot is fed what came since, and must be where the old one was. At the end, so must one that is fed
        // everything.
        let ends = world.at >= START + span;
        if ends || world.random.one_in(1_000) {
            lived.crashes += 1;
            let (from, mut again) = if ends { (0, Brain::new(site())) } else { (saved.1, wake(&snapshot(&saved.0))?) };
            let mut last = None;
            for (at, event) in &record[from..] {
                last = Some(again.step(*at, event));
            }
            let differs = last.is_some_and(|last| format!("{last:?}") != format!("{effects:?}"));
            if differs || snapshot(&again) != snapshot(&brain) {
                return Err(format!("seed {seed}, step {step}: replay from step {from} decides differently"));
            }
            brain = again;
        }
        if ends {
            return Ok(lived);
        }
        if world.random.one_in(600) {
            saved = (brain.clone(), record.len());
        }
        event = world.event();
    }
}
