//! Two hours of three plants and their bureau in virtual time, one of them without the wire of the second plant. Messages are made, read and answered
//! as on the wire. Nothing is lost, nothing counts twice, silence is told in its time, and both sides come out of a crash as they went in, a plant also
//! with its clock set back. What went over the wire before never makes a plant look alive.
//! Must not know: HTTP, disks.

use crate::process::tell;
use crate::stage;
use brain::alarm::{Cause, Closing, Person};
use brain::bureau::{self, About, Bureau, Heartbeat, Judged, State, Terms, Unheard};
use brain::event::{Change, Event};
use brain::site::Mode;
use brain::{Act, AlarmId, Brain, Effect, Micros, Quality, Reading, Site, TagId};
use safety_brain::config::types::{CapChannel, Form};
use safety_brain::notices::answer::answer;
use safety_brain::notices::cap;
use safety_brain::notices::received::{self, Desk, Line};
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::ops::Range;

const SECOND: Micros = 1_000_000;
const START: Micros = 1_790_000_000 * SECOND;
const TAGS: usize = 20;
const HOURS: Range<i64> = 0..7_200;
const CUT: Range<i64> = 600..4_200;
const SILENT_S: u32 = 90;
/// How long an officer takes.
const OFFICER_S: i64 = 45;

/// A plant: its brain, and all that happened to it.
struct Plant {
    name: &'static str,
    site: Site,
    brain: Brain,
    record: Vec<(Micros, Event)>,
    cut: Range<i64>,
    beats: u64,
    /// Brain time of its last start.
    run: Micros,
    /// Its clock was set back by so much.
    behind: Micros,
    /// What the bureau asked it to say.
    echo: Echo,
    next: VecDeque<Event>,
    /// Alarms that are not closed, by tag name.
    open: BTreeMap<String, AlarmId>,
    opened: BTreeSet<u64>,
    commands: u64,
}

/// What a heartbeat is to say: another thing after each start of the bureau, each heartbeat that is heard, and each silence.
type Echo = (u64, (u64, Micros, u64));

struct World {
    at: i64,
    plants: Vec<Plant>,
    bureau: Bureau,
    journal: Vec<(Micros, bureau::Event)>,
    starts: u64,
    /// What somebody on the wire has heard.
    tapped: Vec<(usize, Heartbeat, Echo)>,
    lost: u64,
    duplicates: u64,
    tries: u64,
    /// When somebody of the bureau was told that a plant is silent, and when that ended.
    silences: Vec<(i64, String)>,
}

fn channel() -> CapChannel {
    CapChannel {
        url: "http://127.0.0.1/".into(),
        token: None,
        tls: None,
        timeout_ms: 1000,
        expires_s: 3600,
        division: String::new(),
        anchors: None,
        signer: None,
        form: Form::Xml,
        sender: None,
    }
}

impl World {
    fn now(&self) -> Micros {
        START + self.at * SECOND
    }

    fn record(&mut self, event: bureau::Event) {
        let now = self.now();
        let _ = self.bureau.step(now, &event);
        self.journal.push((now, event));
    }

    /// Something happens at a plant; what it says goes out.
    fn step(&mut self, index: usize, event: Event) {
        let now = self.now();
        let effects = self.plants[index].brain.step(now, &event);
        self.plants[index].record.push((now, event));
        for effect in effects {
            match effect {
                Effect::Tell { notice, .. } if notice.bureau => {
                    let taken = self.send(index, &notice);
                    let told = match taken {
                        true => Event::Receipt { notice: notice.id, code: String::new(), accepted: true },
                        false => Event::Undelivered { notice: notice.id, detail: "no wire".into(), rejected: false },
                    };
                    self.plants[index].next.push_back(told);
                }
                Effect::Tell { notice, .. } => {
                    self.plants[index].next.push_back(Event::Receipt { notice: notice.id, code: String::new(), accepted: true });
                }
                Effect::Alarm { alarm, change } => self.plants[index].changed(alarm, change),
                _ => {}
            }
        }
    }

    /// One try over the wire. True where the plant hears the Ack.
    fn send(&mut self, index: usize, notice: &brain::Notice) -> bool {
        self.tries += 1;
        let plant = &self.plants[index];
        if plant.cut.contains(&self.at) {
            return false;
        }
        let (name, text) = (plant.name.to_owned(), cap::build(notice, &channel()));
        let received =
            received::received(text.as_bytes(), Line { sender: &plant.site.sender, trusted: None, signature: None }).unwrap();
        let report = received.report;
        match self.bureau.judge(&name, &report) {
            Judged::New => self.record(bureau::Event::Reported {
                plant: name,
                report: Box::new(report),
                message: text,
                acked: bureau::Acked::default(),
            }),
            Judged::Known(how, ..) => {
                assert_eq!(how, bureau::Again::Duplicate, "{name}: {}", report.identifier);
                self.duplicates += 1;
                self.record(bureau::Event::Again {
                    plant: name,
                    identifier: report.identifier,
                    how,
                    digest: report.digest,
                    times: 1,
                });
            }
            Judged::Past => panic!("{name}: {} is no old one", report.identifier),
            Judged::Full => panic!("full"),
        }
        // Now and then the Ack is lost on its way back.
        self.lost = self.lost.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        self.lost >> 60 != 0
    }

    /// One second: what came back, heartbeats, silence, the officer, time.
    fn second(&mut self) {
        self.at += 1;
        for index in 0..self.plants.len() {
            for event in std::mem::take(&mut self.plants[index].next) {
                self.step(index, event);
            }
            self.step(index, Event::Tick);
            self.script(index);
            if self.at % 30 == 0 && !self.plants[index].cut.contains(&self.at) {
                self.beat(index);
            }
        }
        for event in self.bureau.silent(self.now()) {
            if let bureau::Event::Silent { plant, .. } = &event {
                self.silences.push((self.at, plant.clone()));
            }
            self.record(event);
        }
        self.officer();
        self.answers();
    }

    fn beat(&mut self, index: usize) {
        let (now, name) = (self.now(), self.plants[index].name);
        for _ in 0..2 {
            let plant = &mut self.plants[index];
            plant.beats += 1;
            let said = (index, plant.says(now), plant.echo);
            let heard = self.hears(&said);
            self.plants[index].echo = (self.starts, self.bureau.pulse(name));
            self.tapped.push(said);
            if heard != Err(Unheard::Unproved) {
                return assert_eq!(heard, Ok(()), "{name}");
            }
        }
        panic!("{name} says what it is asked, and is not heard");
    }

    /// As the bureau's desk does it.
    fn hears(&mut self, (index, heartbeat, echo): &(usize, Heartbeat, Echo)) -> Result<(), Unheard> {
        let (now, name) = (self.now(), self.plants[*index].name);
        let fresh = *echo == (self.starts, self.bureau.pulse(name));
        let news = self.bureau.hears(now, name, heartbeat, fresh)?;
        news.into_iter().for_each(|event| self.record(event));
        Ok(())
    }

    /// All of it again: refused, and nobody looks more alive for it. Gives how many of them are known to be old; of the others nobody can say.
    fn replay(&mut self) -> usize {
        let before = self.bureau.picture(self.now()).plants;
        let refused: Vec<Unheard> = self.tapped.clone().iter().map(|said| self.hears(said).unwrap_err()).collect();
        assert_eq!(self.bureau.picture(self.now()).plants, before);
        refused.iter().filter(|why| matches!(why, Unheard::Old(_))).count()
    }
}

impl Plant {
    fn says(&self, now: Micros) -> Heartbeat {
        Heartbeat {
            run: self.run,
            number: self.beats,
            sent: now - self.behind,
            mode: Mode::Test,
            version: String::new(),
            unacknowledged: BTreeMap::new(),
            aside: BTreeMap::new(),
            alarms: BTreeMap::new(),
            waiting: 0,
            failing: vec![],
            every_s: 30,
        }
    }
}

impl World {
    /// Takes everything that has waited long enough.
    fn officer(&mut self) {
        let (now, due) = (self.now(), self.now() - OFFICER_S * SECOND);
        let waits = |entry: &bureau::Entry| entry.state == State::Received && entry.changed_at <= due;
        let entries = self.bureau.picture(now).entries;
        for entry in entries.iter().filter(|entry| waits(entry)) {
            let act = bureau::Act::Accept { note: String::new() };
            let number = self.bureau.next_answer();
            let desk = Desk { sender: "duty@bureau.example", identifier: &format!("district.a{number}"), at: now, before: "" };
            let to = cap::parse(entry.message.as_bytes());
            let text = to.ok().and_then(|to| received::said(desk, "王值班", &act, &to, None).unwrap());
            let answer = text.map(|message| bureau::Answer { number, message, identifier: format!("district.a{number}") });
            let by = Person { name: "王值班".into(), role: "operator".into(), station: "desk".into() };
            let (command, entry) = (format!("{}-{}", self.at, entry.number), entry.number);
            self.record(bureau::Event::Act { command, by, entry, seen: None, act, answer });
        }
    }

    /// What is owed goes to the plants that can be reached.
    fn answers(&mut self) {
        for index in 0..self.plants.len() {
            if self.plants[index].cut.contains(&self.at) {
                continue;
            }
            for owed in self.bureau.owed(self.plants[index].name) {
                let said = answer(owed.message.as_bytes(), &[]).unwrap();
                let brain = &self.plants[index].brain;
                let known: Vec<_> = brain
                    .outbox()
                    .filter(|row| said.references.contains(&cap::Triple::to(&row.notice)))
                    .map(|row| row.notice.id)
                    .collect();
                assert!(!known.is_empty(), "an answer to nothing: {}", owed.message);
                for notice in known {
                    let (by, note) = (said.by.clone(), said.note.clone());
                    self.step(
                        index,
                        Event::Answered { notice, accepted: said.accepted, by, note, instruction: false, message: String::new() },
                    );
                }
                self.record(bureau::Event::Delivered { answer: owed.number });
            }
        }
    }

    /// Each tag in turn: high, taken, low, reset, closed by another person; every seventh stays open.
    fn script(&mut self, index: usize) {
        let (turn, phase) = (self.at / 120, self.at % 120);
        let tag = (turn as usize * 7 + index) % TAGS;
        let alarm = self.plants[index].open.get(&format!("T{tag}")).copied();
        let closes = turn % 7 != 0;
        match (phase, alarm) {
            (1, _) if HOURS.contains(&(self.at + 300)) => self.read(index, tag, stage::DANGER),
            (20, Some(alarm)) => {
                self.act(index, "ann", Act::Acknowledge { alarm, severity: None, occurrence: None, note: String::new() })
            }
            (40, _) => self.read(index, tag, stage::CALM),
            (60, Some(alarm)) if closes => self.act(index, "ann", Act::Reset { alarm, note: "looked".into() }),
            (90, Some(alarm)) if closes => {
                let closing = Some(Closing { cause: Some(Cause::Process), evidence: "photo".into() });
                self.act(index, "bob", Act::Close { alarm, note: "done".into(), closing });
            }
            _ => {}
        }
    }

    fn read(&mut self, index: usize, tag: usize, value: f64) {
        let reading = Reading { tag: TagId(tag as u32), value, quality: Quality::GOOD, source_us: self.now() };
        self.step(index, Event::Readings { readings: vec![reading] });
    }

    fn act(&mut self, index: usize, name: &str, act: Act) {
        self.plants[index].commands += 1;
        let by = Person { name: name.into(), role: "lead".into(), station: "room".into() };
        let command = self.plants[index].commands.to_string();
        self.step(index, Event::Operator { command, by, act });
    }

    /// SIGKILL, and a start from the journal.
    fn crash_bureau(&mut self) {
        let mut again = Bureau::default();
        for (at, event) in &self.journal {
            let _ = again.step(*at, event);
        }
        let now = self.now();
        let (before, after) = (self.bureau.picture(now), again.picture(now));
        assert_eq!(before.entries, after.entries, "the queue of after the crash is that of before");
        self.bureau = again;
        self.start_bureau();
    }

    fn start_bureau(&mut self) {
        let plants = self.plants.iter().map(|plant| bureau::Plant { name: plant.name.into(), silent_s: SILENT_S }).collect();
        self.starts += 1;
        self.record(bureau::Event::Started {
            version: String::new(),
            plants,
            terms: Terms::default(),
            officers: vec![],
            series: String::new(),
            number_from: 0,
        });
    }

    /// The same of a plant: what has no receipt is sent again.
    fn crash_plant(&mut self, index: usize) {
        let plant = &mut self.plants[index];
        let mut again = Brain::new(plant.site.clone());
        for (at, event) in &plant.record {
            again.step(*at, event);
        }
        plant.brain = again;
        plant.next.clear();
        (plant.beats, plant.echo, plant.behind) = (0, Default::default(), plant.behind + 3_600 * SECOND);
        self.start_plant(index);
    }

    fn start_plant(&mut self, index: usize) {
        self.plants[index].run = self.now();
        let tags = self.plants[index].site.tags.iter().map(|tag| tag.name.clone()).collect();
        self.step(index, Event::started(tags));
    }
}

impl Plant {
    fn changed(&mut self, alarm: AlarmId, change: Change) {
        let of = self.brain.alarm(alarm).expect("it changed");
        // That the bureau cannot be reached is not told to it.
        if of.key.hazard != "gas.high" {
            return;
        }
        if change == Change::Opened {
            self.opened.insert(alarm.0);
        }
        match change {
            Change::Closed => _ = self.open.remove(&of.key.object),
            _ => _ = self.open.insert(of.key.object.clone(), alarm),
        }
    }
}

#[test]
fn bureau_hour_without_a_wire_loses_nothing_and_counts_nothing_twice() {
    let plant = |name: &'static str, cut: Range<i64>| {
        let mut site = stage::plant(TAGS);
        site.id = name.into();
        site.sender = format!("{name}@plant.example");
        site.tags.iter_mut().for_each(|tag| tag.silent_ms = 40 * 86_400_000);
        let brain = Brain::new(site.clone());
        let (record, next, open, opened) = Default::default();
        Plant {
            name,
            site,
            brain,
            record,
            cut,
            beats: 0,
            run: 0,
            behind: 0,
            echo: Default::default(),
            next,
            open,
            opened,
            commands: 0,
        }
    };
    let mut world = World {
        at: 0,
        plants: vec![plant("a", 0..0), plant("b", CUT), plant("c", 0..0)],
        bureau: Bureau::default(),
        journal: vec![],
        starts: 0,
        tapped: vec![],
        lost: 7,
        duplicates: 0,
        tries: 0,
        silences: vec![],
    };
    world.start_bureau();
    (0..3).for_each(|index| world.start_plant(index));
    let owed = |world: &World| -> usize {
        world.plants.iter().map(|plant| plant.brain.outbox().filter(|row| row.is_owed() && row.notice.bureau).count()).sum()
    };
    let (mut waited, mut replayed) = (0, vec![]);
    while world.at < HOURS.end {
        world.second();
        match world.at {
            2_000 => world.crash_bureau(),
            3_000 => world.crash_plant(1),
            3_100 => world.crash_plant(2),
            // Of a bureau that has just started nobody is known to have said all of it.
            1_990 | 3_200 | 7_000 => replayed.push((world.tapped.len(), world.replay())),
            at if at == CUT.end - 1 => waited = owed(&world),
            _ => {}
        }
    }
    // After its start the bureau does not know all that was said before, of the plant that nothing came from since; and hears none of it.
    let all_known: Vec<bool> = replayed.iter().map(|(all, old)| all == old).collect();
    assert_eq!(all_known, [true, false, true], "{replayed:?}");
    let mut drained = 0;
    while owed(&world) > 0 && drained < 600 {
        world.second();
        drained += 1;
    }
    assert_eq!(owed(&world), 0, "everything came");
    world.crash_bureau();

    let entries = world.bureau.picture(world.now()).entries;
    let mut known: BTreeMap<(String, String), u32> = BTreeMap::new();
    for entry in &entries {
        if let About::Report { incident } = &entry.about {
            *known.entry((entry.plant.clone(), incident.clone())).or_default() += 1;
        }
    }
    let mut missing = Vec::new();
    for plant in &world.plants {
        for alarm in &plant.opened {
            match known.get(&(plant.name.to_owned(), format!("{}.{alarm}", plant.name))) {
                Some(1) => {}
                other => missing.push(format!("{} {alarm}: {other:?} entries", plant.name)),
            }
        }
    }
    let opened: usize = world.plants.iter().map(|plant| plant.opened.len()).sum();
    assert_eq!(missing, Vec::<String>::new(), "one entry for each of {opened} alarms");
    assert!(entries.iter().all(|entry| entry.about != About::Suspicion), "nothing looked forged or replayed");
    // Silent after its time: the bureau's own crash counts anew, and tells nothing twice.
    let expected = CUT.start - CUT.start % 30 + i64::from(SILENT_S);
    let silences: Vec<&str> = world.silences.iter().map(|(_, plant)| plant.as_str()).collect();
    assert_eq!(silences, ["b"], "{:?}", world.silences);
    let told = world.silences[0].0;
    assert!(told >= expected - 30 && told <= CUT.start + i64::from(SILENT_S) + 1, "told at {told} s, cut at {} s", CUT.start);
    let silence = entries.iter().find(|entry| matches!(entry.about, About::Silence { .. })).unwrap();
    assert!(silence.is_closed() && silence.ended, "it speaks again, and an officer had seen it");
    assert!(waited > 20, "{waited} messages waited");
    let closed = entries.iter().filter(|entry| entry.is_closed()).count();
    tell(&format!(
        "bureau_hour: 3 plants, 2 h, wire of one cut for 3600 s: {opened} alarms, {} entries ({closed} closed), {} messages tried, {} came twice, {waited} \
         waited at the end of the cut, {replayed:?} heartbeats played again and known to be old, none heard, silence told {} s after it began, bureau and two plants killed once each and the plants' clocks set back an hour, {} records of the bureau",
        entries.len(),
        world.tries,
        world.duplicates,
        told - CUT.start,
        world.journal.len()
    ));
}
