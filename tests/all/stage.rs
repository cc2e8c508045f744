//! A stage for the console: the real console before a real brain of as many tags as a test likes, with nothing between them but this file. What a
//! test wants to happen it makes happen: a value, a stop of the brain. Must not know: HTTP, pages, the daemon.

use brain::alarm::Person as Name;
use brain::event::{Effect, Entry, Event, Outcome};
use brain::site::{Audience, Guide, Ladder, Limit, LimitKind, Mode, Rung, RungKind, Severity, Site, Tag, Zone};
use brain::words::Words;
use brain::{Act, Brain, Micros, NoticeId, Quality, Reading, TagId};
use safety_brain::config::types::{Company, Person, Role};
use safety_brain::console::{Ask, Backend, EventRow, Facts, Found, Part, Point, View, serve};
use sha2::{Digest, Sha256};
use std::net::TcpListener;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;

/// The token of the one person that every role has.
pub fn token(role: Role) -> String {
    format!("{}-of-the-stage", role.word())
}

/// Every role has one person.
pub const ROLES: [Role; 5] = [Role::Viewer, Role::Operator, Role::Lead, Role::Admin, Role::Bureau];

/// A value above the limit of every tag, and one below.
pub const DANGER: f64 = 60.0;
/// See [`DANGER`].
pub const CALM: f64 = 10.0;

/// A hall with this many tags `T0`, `T1` ...; tag n raises an alarm of severity n modulo 4, blue first. The crew and the bureau are told at once.
pub fn plant(tags: usize) -> Site {
    let guide = Guide {
        cause: words("泄漏", "a leak"),
        consequence: words("爆炸", "an explosion"),
        action: words("停止作业，撤离", "stop work, leave"),
        respond_s: 120,
    };
    let limit = |severity: Severity| Limit {
        title: words("可燃气体超限", "combustible gas high"),
        guide: guide.clone(),
        ..Limit::plain("gas.high", LimitKind::High, 50.0, severity)
    };
    let tag = |n: usize| Tag {
        title: words(&format!("测点 {n}"), &format!("point {n}")),
        limits: vec![limit(Severity::ALL[n % 4])],
        ..Tag::plain(&format!("T{n}"))
    };
    let rung = |name: &str, audience| Rung::new(name, audience, RungKind::AtOnce, [Some(0); 4]);
    let audience = |name: &str, bureau| Audience::new(name, Words::same(name), bureau);
    Site {
        title: words("试验厂", "a plant on a stage"),
        sender: "stage@plant.example".into(),
        zones: vec![Zone { title: words("车间", "the hall"), ..Zone::plain("hall") }],
        tags: (0..tags).map(tag).collect(),
        links: vec!["bus".into()],
        ladders: vec![Ladder { name: "ladder".into(), rungs: vec![rung("crew", 0), rung("bureau", 1)] }],
        audiences: vec![audience("crew", false), audience("bureau", true)],
        ..Site::plain("stage", "hall")
    }
}

fn words(zh: &str, en: &str) -> Words {
    Words { zh: zh.into(), en: en.into() }
}

/// The brain, and the record of what happened to it.
pub struct Actors {
    brain: Brain,
    record: Vec<(Micros, Event)>,
    /// What became of alarms, beside what caused it.
    outcomes: Vec<(Micros, Entry)>,
    view: watch::Sender<Arc<View>>,
    /// The brain's thread stands still.
    pub stalled: bool,
}

impl Actors {
    /// Something happens; its number.
    pub fn step(&mut self, event: Event) -> (u64, Vec<Effect>) {
        let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
        let at = i64::try_from(now.as_micros()).unwrap();
        let effects = self.brain.step(at, &event);
        self.record.push((at, event));
        let outcome = |effect: &Effect| match effect {
            Effect::Alarm { alarm, change } => {
                Some(Outcome::Alarm { change: *change, alarm: Box::new(self.brain.alarm(*alarm)?.clone()) })
            }
            _ => None,
        };
        let outcome: Vec<Outcome> = effects.iter().filter_map(outcome).collect();
        if !outcome.is_empty() {
            self.outcomes.push((at, Entry::Outcome { cause: self.record.len() as u64, outcome }));
        }
        (self.record.len() as u64, effects)
    }

    /// These tags read this.
    pub fn read(&mut self, tags: std::ops::Range<u32>, value: f64) {
        let at = self.brain.now() + 1;
        let reading = |n| Reading { tag: TagId(n), value, quality: Quality::GOOD, source_us: at };
        self.step(Event::Readings { readings: tags.map(reading).collect() });
    }

    /// To each notice that this audience is still to be told, this happens.
    pub fn told(&mut self, audience: &str, what: impl Fn(NoticeId) -> Event) {
        let owed = self.brain.outbox().filter(|row| row.is_owed() && row.notice.audience == audience);
        let numbers: Vec<NoticeId> = owed.map(|row| row.notice.id).collect();
        numbers.into_iter().for_each(|notice| drop(self.step(what(notice))));
    }

    /// What the brain's thread does ten times a second; a stalled one does not.
    pub fn publish(&mut self) {
        if !self.stalled {
            let facts = Facts {
                durable: self.record.len() as u64,
                health: vec![Part { name: "brain", ok: true, detail: String::new() }],
            };
            self.view.send_modify(|view| *view = Arc::new(View::of(&self.brain, view, facts)));
        }
    }

    fn answer(&mut self, ask: Ask) {
        match ask {
            Ask::Act { command, by, act, reply } => {
                let result = self.act(command, by, act);
                self.publish();
                drop(reply.send(result));
            }
            Ask::Events { after, limit, which, reply } => {
                let alarms = which.kind.as_deref() == Some("alarm");
                let total = if alarms { self.outcomes.len() } else { self.record.len() };
                let row = |n: usize| {
                    let (at, kind, body) = if alarms {
                        let (at, entry) = &self.outcomes[n];
                        (*at, "outcome".to_owned(), serde_json::to_string(entry).unwrap())
                    } else {
                        let (at, event) = &self.record[n];
                        let kind = serde_json::to_value(event).unwrap()["event"].as_str().unwrap().to_owned();
                        (*at, kind, serde_json::to_string(&Entry::Event(event.clone())).unwrap())
                    };
                    EventRow { seq: n as u64 + 1, at, kind, body }
                };
                let rows: Vec<EventRow> = (after as usize..total).take(limit).map(row).collect();
                let last = after + rows.len() as u64;
                let next = (last < total as u64).then_some(last);
                drop(reply.send(Ok(Found { rows, next, incomplete: vec![] })));
            }
            Ask::Alarms { before, limit, reply } => {
                let mut rows: Vec<_> =
                    self.brain.alarms().filter(|a| before.is_none_or(|before| a.id.0 < before)).cloned().collect();
                rows.reverse();
                let more = rows.len() > limit;
                rows.truncate(limit);
                let next = rows.last().filter(|_| more).map(|a| a.id.0);
                drop(reply.send(Ok((rows, next))));
            }
            Ask::Notices { before, limit, reply } => {
                let mut rows: Vec<_> =
                    self.brain.outbox().filter(|row| before.is_none_or(|before| row.notice.id < before)).cloned().collect();
                rows.reverse();
                let more = rows.len() > limit;
                rows.truncate(limit);
                let next = rows.last().filter(|_| more).map(|row| row.notice.id.0);
                drop(reply.send(Ok((rows, next))));
            }
            Ask::Series { tag, from, to, reply, .. } => {
                let index = self.brain.site().tags.iter().position(|known| known.name == tag);
                let readings =
                    self.record.iter().filter(|(at, _)| (from..to).contains(at)).filter_map(|(at, event)| match event {
                        Event::Readings { readings } => Some(readings.iter().map(|reading| (*at, *reading))),
                        _ => None,
                    });
                let of = readings.flatten().filter(|(_, reading)| Some(reading.tag.0 as usize) == index);
                let points = of.map(|(at, reading)| Point { at, value: reading.value, quality: reading.quality });
                drop(reply.send(Ok(Found { rows: points.collect(), next: None, incomplete: vec![] })));
            }
            Ask::CapOf { reply, .. } => drop(reply.send(Ok(None))),
            Ask::Install { reply, .. } => drop(reply.send(Err(vec!["nobody here admits bundles".into()]))),
            Ask::Refused { reply, .. } => {
                let _ = reply.send(());
            }
            Ask::CapReceived { reply, .. } => drop(reply.send(Err("nobody here reads CAP".into()))),
        }
    }

    fn act(&mut self, command: String, by: Name, act: Act) -> Result<u64, brain::event::Refusal> {
        let (seq, effects) = self.step(Event::Operator { command, by, act });
        let answer = effects.into_iter().find_map(|effect| match effect {
            Effect::Answer { result, .. } => Some(result),
            _ => None,
        });
        answer.unwrap().map(|()| seq)
    }
}

/// The console at work.
pub struct Stage {
    /// `http://127.0.0.1:<port>`.
    pub address: String,
    stop: CancellationToken,
    served: tokio::task::JoinHandle<anyhow::Result<()>>,
    actors: Arc<Mutex<Actors>>,
}

impl Stage {
    /// Opens on a free port, before a [`plant`] with this many tags.
    pub fn open(tags: usize) -> Stage {
        Stage::of(plant(tags))
    }

    /// The same before this site.
    pub fn of(site: Site) -> Stage {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        let (view, seen) = watch::channel(Arc::new(View::default()));
        let (ask, mut asked) = mpsc::channel::<Ask>(16);
        let names = site.tags.iter().map(|tag| tag.name.clone()).collect();
        let mut actors = Actors { brain: Brain::new(site), record: Vec::new(), outcomes: Vec::new(), view, stalled: false };
        actors.step(Event::started(names));
        actors.step(Event::Link { link: "bus".into(), state: brain::event::LinkState::Up, reason: String::new() });
        actors.publish();
        let actors = Arc::new(Mutex::new(actors));
        let answering = Arc::clone(&actors);
        tokio::spawn(async move {
            let mut publish = tokio::time::interval(Duration::from_millis(100));
            loop {
                tokio::select! {
                    _ = publish.tick() => lock(&answering).publish(),
                    ask = asked.recv() => match ask {
                        Some(ask) => lock(&answering).answer(ask),
                        None => return,
                    },
                }
            }
        });
        let person = |role: Role| Person {
            name: format!("a {}", role.word()),
            role,
            token_sha256: Sha256::digest(token(role)).into(),
            known_as: vec![],
            brings: Default::default(),
        };
        let backend = Backend {
            view: seen,
            ask,
            people: ROLES.map(person).to_vec(),
            company: Company::default(),
            mode: Mode::Test,
            unsigned: true,
            publishers: Default::default(),
            sessions: None,
        };
        let stop = CancellationToken::new();
        let served = tokio::spawn(serve(listener, None, backend, stop.clone()));
        Stage { address, stop, served, actors }
    }

    /// Ends it.
    pub async fn close(self) {
        self.stop.cancel();
        self.served.await.unwrap().unwrap();
    }

    /// Who stands on it.
    pub fn actors(&self) -> MutexGuard<'_, Actors> {
        lock(&self.actors)
    }
}

fn lock(actors: &Mutex<Actors>) -> MutexGuard<'_, Actors> {
    actors.lock().unwrap_or_else(PoisonError::into_inner)
}
