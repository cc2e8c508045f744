//! A storm of alarms, and a day behind it, told through the real channels to strangers that count as their vendors do, all in virtual time: nobody is told
//! more than the vendor lets pass, red is told at once, and what is left of yellow and blue is told together. Judged by what the strangers were asked, and by
//! events. Must not know: how the brain counts.

use crate::channels::{audiences, channel, ports, site, strangers};
use crate::gateway::{Gateway, TOO_MANY, Time};
use crate::process::tell;
use crate::stage;
use brain::event::{Change, Event};
use brain::ladder::Repeat;
use brain::site::{Audience, Rung, RungKind};
use brain::{AlarmId, Brain, Effect, Micros, NoticeId, Quality, Reading, Severity, TagId};
use safety_brain::config::types::Channel;
use safety_brain::notices::{Courier, Delivered, channels::words};
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

const SECOND: Micros = 1_000_000;
const START: Micros = 1_000_000_000 * SECOND;
/// Four levels, ten of each.
const TAGS: usize = 40;
const CHANNELS: [&str; 5] = ["wecom", "dingtalk", "feishu", "sms", "voice"];
/// What each says where it is asked too often.
const REFUSED: [&str; 5] = ["45009", "410100", "11232", TOO_MANY, TOO_MANY];
/// Who calls of red again and again.
const INSISTS: &str = "voice";

struct Storm {
    brain: Brain,
    second: u64,
    clock: Arc<AtomicU64>,
    ways: BTreeMap<String, (Channel, Courier)>,
    /// Comes back in the next second.
    next: VecDeque<Event>,
    /// Red alarms, with the second in which they opened.
    opened: BTreeMap<AlarmId, u64>,
    /// When an audience was first told of an alarm, by a message of its own or together with others.
    told: BTreeMap<(String, AlarmId), u64>,
    together: usize,
    tried: BTreeMap<String, usize>,
    /// Whose receipt came back: nothing of them may go again.
    received: BTreeSet<NoticeId>,
}

impl Storm {
    async fn step(&mut self, event: Event) {
        let at = START + i64::try_from(self.second).unwrap() * SECOND;
        for effect in self.brain.step(at, &event) {
            match effect {
                Effect::Tell { notice, .. } if !self.ways.contains_key(&notice.audience) => {
                    self.next.push_back(Event::Receipt { notice: notice.id, code: "console".into(), accepted: true });
                }
                Effect::Tell { notice, number, .. } => {
                    assert!(!self.received.contains(&notice.id), "{} goes again behind its receipt", notice.identifier);
                    *self.tried.entry(notice.audience.clone()).or_default() += 1;
                    let (channel, courier) = &self.ways[&notice.audience];
                    let words = words(&notice, channel, None).unwrap();
                    let event = match courier.deliver(&notice, words, number).await {
                        Delivered::Receipt { code, accepted } => {
                            let with = notice.digest.iter().map(|of| of.alarm);
                            for alarm in with.chain([notice.alarm.id]) {
                                self.told.entry((notice.audience.clone(), alarm)).or_insert(self.second);
                            }
                            self.together += notice.digest.len();
                            Event::Receipt { notice: notice.id, code, accepted }
                        }
                        Delivered::Failed { detail, rejected } => Event::Undelivered { notice: notice.id, detail, rejected },
                    };
                    self.next.push_back(event);
                }
                Effect::Alarm { alarm, change: Change::Opened }
                    if self.brain.alarm(alarm).is_some_and(|of| of.severity == Severity::Red) =>
                {
                    self.opened.insert(alarm, self.second);
                }
                _ => {}
            }
        }
        // What is due at that moment comes before it.
        if let Event::Receipt { notice, .. } = event {
            self.received.insert(notice);
        }
    }

    async fn until(&mut self, second: u64) {
        while self.second < second {
            self.second += 1;
            self.clock.store(self.second, Ordering::SeqCst);
            for event in std::mem::take(&mut self.next) {
                self.step(event).await;
            }
            self.step(Event::Tick).await;
        }
    }

    async fn read(&mut self, value: f64) {
        let source_us = START + i64::try_from(self.second).unwrap() * SECOND;
        let reading = |tag| Reading { tag: TagId(tag), value, quality: Quality::GOOD, source_us };
        self.step(Event::Readings { readings: (0..TAGS as u32).map(reading).collect() }).await;
    }
}

/// A plant that has started, whose five channels lead to strangers, under the limits of its site file or under none; all by one clock.
async fn storm(limited: bool) -> (Storm, [Gateway; 5]) {
    let clock = Arc::new(AtomicU64::new(0));
    let strangers = strangers(&Time::Given(Arc::clone(&clock)));
    let folder = tempfile::tempdir().unwrap();
    let config = site(folder.path(), &audiences(folder.path(), ports(&strangers))).unwrap_or_else(|faults| panic!("{faults:?}"));
    let mut plant = stage::plant(TAGS);
    plant.tags.iter_mut().for_each(|tag| tag.silent_ms = 40 * 86_400_000);
    let mut ways = BTreeMap::new();
    for name in CHANNELS {
        let of = config.site.audiences.iter().find(|of| of.name == name).unwrap().clone();
        let endless = Audience { numbers: of.numbers, ..Audience::new(name, of.title.clone(), false) };
        let mut rung = Rung::new(name, plant.audiences.len(), RungKind::AtOnce, [Some(0); 4]);
        if name == INSISTS {
            rung.repeat = Some(Repeat { every_s: 300, most: None });
        }
        plant.audiences.push(if limited { of } else { endless });
        plant.ladders[0].rungs.push(rung);
        let channel = channel(&config, name);
        let courier = Courier::of(&channel, None, &[]).unwrap().unwrap();
        ways.insert(name.to_owned(), (channel, courier));
    }
    let names = plant.tags.iter().map(|tag| tag.name.clone()).collect();
    let mut storm = Storm {
        brain: Brain::new(plant),
        second: 0,
        clock,
        ways,
        next: VecDeque::new(),
        opened: BTreeMap::new(),
        told: BTreeMap::new(),
        together: 0,
        tried: BTreeMap::new(),
        received: BTreeSet::new(),
    };
    storm.step(Event::started(names)).await;
    (storm, strangers)
}

/// Of each stranger, how many requests it took and how many it refused because there were too many.
fn counted(strangers: &[Gateway; 5]) -> [(usize, usize); 5] {
    std::array::from_fn(|at| {
        let heard = strangers[at].heard();
        let refused = heard.iter().filter(|(.., said)| said.contains(REFUSED[at])).count();
        (heard.len() - refused, refused)
    })
}

#[tokio::test]
async fn storm_goes_to_each_vendor_as_fast_as_it_counts_and_no_faster() {
    let (mut storm, strangers) = storm(true).await;
    // An hour in which all forty rise and fall every ten minutes; then a day in which they stand, and nobody comes.
    for turn in 0..6 {
        storm.until(turn * 600 + 10).await;
        storm.read(stage::DANGER).await;
        storm.until(turn * 600 + 300).await;
        if turn < 5 {
            storm.read(stage::CALM).await;
        }
    }
    storm.until(25 * 3_600).await;
    let counts = counted(&strangers);
    tell(&format!(
        "a storm of {TAGS} alarms six times over and a day behind it: {CHANNELS:?} took {:?}, refused none; {} told together; tried {:?}",
        counts.map(|(took, _)| took),
        storm.together,
        storm.tried
    ));
    assert_eq!(counts.map(|(_, refused)| refused), [0; 5], "nobody was asked more often than it lets pass");
    assert!(counts.iter().all(|(took, _)| *took > 0) && storm.together > 0, "{counts:?}");
    assert_eq!(storm.opened.len(), TAGS / 4);
    for name in CHANNELS {
        for (alarm, opened) in &storm.opened {
            let told = storm.told.get(&(name.to_owned(), *alarm)).copied();
            let told = told.unwrap_or_else(|| panic!("{name} was never told of red {alarm:?}"));
            // Two numbers, four calls an hour each, and nobody takes the first.
            let most = if name == INSISTS { 4 * 3_600 } else { 60 };
            assert!(told - opened <= most, "{name} heard of red {alarm:?} after {} s", told - opened);
        }
    }
}

/// The control: without the limits each of them refuses.
#[tokio::test]
async fn storm_without_the_limits_is_refused_by_each_vendor() {
    let (mut storm, strangers) = storm(false).await;
    for turn in 0..2 {
        storm.until(turn * 60 + 1).await;
        storm.read(stage::DANGER).await;
        storm.until(turn * 60 + 30).await;
        storm.read(stage::CALM).await;
    }
    storm.until(120).await;
    let counts = counted(&strangers);
    assert!(counts.iter().all(|(_, refused)| *refused > 0), "{counts:?}");
}
