//! A day without the bureau, in virtual time: nothing is lost, nothing goes twice, nothing is out of order, and what waited is drained within the
//! limit of its channel with the worst first. Judged by events and effects. Must not know: the brain's state, except what a page can see of the outbox.

use crate::process::tell;
use crate::stage;
use brain::alarm::{Cause, Closing, Person};
use brain::event::{Change, Event};
use brain::notice::{Delivery, NoticeKind};
use brain::{Act, AlarmId, Brain, Effect, Micros, NoticeId, Quality, Reading, Severity, TagId};
use std::collections::{BTreeMap, BTreeSet, VecDeque};

const SECOND: Micros = 1_000_000;
const START: Micros = 1_000_000_000 * SECOND;
const DAY_S: i64 = 86_400;
const TAGS: usize = 60;
/// Messages a minute that the bureau takes: five a second.
const LIMIT: u32 = 300;

/// What the bureau has, by alarm: number, kind, level and whether it is over, in the order in which it came.
type Heard = BTreeMap<AlarmId, Vec<(NoticeId, NoticeKind, Severity)>>;

struct Day {
    brain: Brain,
    at: i64,
    down_until: i64,
    /// When each try to the bureau was made.
    tries: Vec<i64>,
    heard: Heard,
    /// Whose receipt came back.
    received: BTreeSet<NoticeId>,
    /// Levels of the alarms in the order in which the bureau first heard of them.
    came: Vec<Severity>,
    offered_again: usize,
    /// Events of the next second.
    next: VecDeque<Event>,
    /// Alarms that are not closed, by tag name.
    open: BTreeMap<String, AlarmId>,
    /// The newest notice of each alarm that waits for the bureau at the end of the day.
    newest: BTreeMap<AlarmId, NoticeId>,
    /// All that were opened.
    opened: Vec<AlarmId>,
    commands: u64,
    lost: u64,
}

impl Day {
    fn step(&mut self, event: &Event) {
        for effect in self.brain.step(START + self.at * SECOND, event) {
            match effect {
                Effect::Tell { notice, .. } if notice.audience == "crew" => {
                    self.next.push_back(Event::Receipt { notice: notice.id, code: String::new(), accepted: true });
                }
                Effect::Tell { notice, .. } => {
                    self.tries.push(self.at);
                    // Now and then a receipt is lost on its way back.
                    self.lost = self.lost.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                    assert!(notice.digest.is_empty(), "a bureau is told each by itself");
                    let arrives = self.at >= self.down_until;
                    assert!(!self.received.contains(&notice.id), "{} goes again behind its receipt", notice.identifier);
                    if arrives {
                        if !self.heard.contains_key(&notice.alarm.id) {
                            self.came.push(notice.alarm.worst());
                        }
                        let chain = self.heard.entry(notice.alarm.id).or_default();
                        if chain.iter().any(|(id, ..)| *id == notice.id) {
                            self.offered_again += 1;
                        } else {
                            chain.push((notice.id, notice.kind, notice.alarm.worst()));
                        }
                    }
                    self.next.push_back(if arrives && self.lost >> 60 != 0 {
                        Event::Receipt { notice: notice.id, code: String::new(), accepted: true }
                    } else {
                        Event::Undelivered { notice: notice.id, detail: "503".into(), rejected: false }
                    });
                }
                Effect::Alarm { alarm, change } => {
                    let of = self.brain.alarm(alarm).expect("it changed");
                    // That the bureau cannot be reached is not told to it.
                    if of.key.hazard != "gas.high" {
                        continue;
                    }
                    if change == Change::Opened {
                        self.opened.push(alarm);
                    }
                    if change == Change::Closed {
                        self.open.remove(&of.key.object);
                    } else {
                        self.open.insert(of.key.object.clone(), alarm);
                    }
                }
                Effect::Consult { .. }
                | Effect::RunBeside { .. }
                | Effect::EndBeside { .. }
                | Effect::Test { .. }
                | Effect::Rule { .. }
                | Effect::Delivery { .. }
                | Effect::Quarantine { .. }
                | Effect::Answer { .. } => {}
            }
        }
        // What is due at that moment comes before it.
        if let Event::Receipt { notice, .. } = event {
            self.received.insert(*notice);
        }
    }

    /// One second: what came back, then time.
    fn second(&mut self) {
        self.at += 1;
        for event in std::mem::take(&mut self.next) {
            self.step(&event);
        }
        self.step(&Event::Tick);
    }

    fn read(&mut self, tag: usize, value: f64) {
        let reading = Reading { tag: TagId(tag as u32), value, quality: Quality::GOOD, source_us: START + self.at * SECOND };
        self.step(&Event::Readings { readings: vec![reading] });
    }

    fn act(&mut self, name: &str, act: Act) {
        self.commands += 1;
        let by = Person { name: name.into(), role: "lead".into(), station: "day".into() };
        self.step(&Event::Operator { command: self.commands.to_string(), by, act });
    }

    fn owed(&self) -> usize {
        self.brain.outbox().filter(|row| row.is_owed() && row.notice.bureau).count()
    }
}

#[test]
fn outage_of_a_day_loses_nothing_and_is_drained_within_the_limit() {
    let mut site = stage::plant(TAGS);
    site.tags.iter_mut().for_each(|tag| tag.silent_ms = 40 * 86_400_000);
    site.audiences[1].per_minute = Some(LIMIT);
    let names: Vec<String> = site.tags.iter().map(|tag| tag.name.clone()).collect();
    let mut day = Day {
        brain: Brain::new(site),
        at: 0,
        down_until: DAY_S + 1,
        tries: vec![],
        heard: BTreeMap::new(),
        received: BTreeSet::new(),
        came: vec![],
        offered_again: 0,
        next: VecDeque::new(),
        open: BTreeMap::new(),
        newest: BTreeMap::new(),
        opened: vec![],
        commands: 0,
        lost: 7,
    };
    day.step(&Event::started(names.clone()));
    // Each tag in turn: high, taken, low, reset, closed by another person; every seventh stays open.
    while day.at < DAY_S {
        day.second();
        let (turn, phase) = (day.at / 150, day.at % 150);
        let tag = (turn as usize * 7) % TAGS;
        let alarm = day.open.get(&names[tag]).copied();
        match (phase, alarm) {
            (1, _) => day.read(tag, stage::DANGER),
            (30, Some(alarm)) => {
                day.act("ann", Act::Acknowledge { alarm, severity: None, occurrence: None, note: String::new() });
            }
            (60, _) => day.read(tag, stage::CALM),
            (90, Some(alarm)) if turn % 7 != 0 => day.act("ann", Act::Reset { alarm, note: "looked".into() }),
            (120, Some(alarm)) if turn % 7 != 0 => {
                let closing = Some(Closing { cause: Some(Cause::Process), evidence: "photo".into() });
                day.act("bob", Act::Close { alarm, note: "done".into(), closing });
            }
            _ => {}
        }
    }
    for row in day.brain.outbox().filter(|row| row.notice.bureau && row.is_owed()) {
        day.newest.insert(row.notice.alarm.id, row.notice.id);
    }
    let (waited, opened, superseded) =
        (day.owed(), day.opened.len(), day.brain.outbox().filter(|row| row.delivery == Delivery::Superseded).count());
    assert!(day.heard.is_empty() && waited > opened, "{waited} wait, {opened} alarms, the bureau has {}", day.heard.len());
    while day.owed() > 0 && day.at < DAY_S + 3_600 {
        day.second();
    }
    let drained = day.at - DAY_S;
    let most = busiest_minute(&day.tries);
    let told: usize = day.heard.values().map(Vec::len).sum();
    tell(&format!(
        "24 h without the bureau: {opened} alarms, {waited} messages waited ({superseded} superseded by later ones), {told} came, {} of them \
         offered again, drained in {drained} s; {} tries, at most {most} in 60 s",
        day.offered_again,
        day.tries.len()
    ));
    assert_eq!(day.owed(), 0, "drained");
    assert!(most <= LIMIT as usize, "{most} tries in one minute");
    assert!(drained < 1_800, "{drained} s");
    let alarms = std::mem::take(&mut day.opened);
    for alarm in &alarms {
        let chain = day.heard.get(alarm).unwrap_or_else(|| panic!("the bureau never heard of {alarm:?}"));
        assert!(chain.windows(2).all(|pair| pair[0].0 < pair[1].0), "out of order: {chain:?}");
        assert_eq!(chain[0].1, NoticeKind::Alert, "{chain:?}");
        let newest = day.newest.get(alarm).copied().unwrap_or(chain[0].0);
        assert!(chain[chain.len() - 1].0 >= newest, "{alarm:?}: {newest:?} is the newest, the bureau has {chain:?}");
    }
    let ended = alarms.iter().filter(|alarm| day.heard[alarm].iter().any(|(_, kind, _)| *kind == NoticeKind::Cancel)).count();
    assert!(ended > alarms.len() / 4, "{ended} ends came");
    // What is worse came before what is less bad, on the whole: each of the others had its place in the queue.
    let place = |level: Severity| {
        let of: Vec<usize> = (0..day.came.len()).filter(|at| day.came[*at] == level).collect();
        of.iter().sum::<usize>() / of.len().max(1)
    };
    let [blue, yellow, orange, red] = Severity::ALL.map(place);
    assert!(red < orange && orange < yellow && yellow < blue, "in the middle red came {red}th, {orange}, {yellow}, {blue}");
    let worst = |level: Severity| alarms.iter().filter(|alarm| day.heard[alarm][0].2 == level).count();
    assert!(Severity::ALL.into_iter().all(|level| worst(level) > alarms.len() / 8), "every level was there");
}

/// Most tries in any 60 s.
fn busiest_minute(tries: &[i64]) -> usize {
    let (mut first, mut most) = (0, 0);
    for (last, at) in tries.iter().enumerate() {
        while at - tries[first] >= 60 {
            first += 1;
        }
        most = most.max(last - first + 1);
    }
    most
}
