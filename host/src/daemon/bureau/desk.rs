//! The desk: takes one thing after the other, puts it on record, and lets nothing leave before the disk has it.
//! Must not know: HTTP, how an answer is sent, what the queue looks like.

use super::super::anchors::{self, Unkept};
use super::super::manager::Manager;
use super::super::snapshot;
use super::answers::Owed;
use super::{Clock, heartbeat};
use crate::config::bureau::{Bureau as Config, Plant};
use crate::config::types::Form;
use crate::console::{BureauAsk as Ask, BureauPulse as Pulse, BureauReply as Reply, BureauView as View, NotTaken, Why};
use crate::journal::{Durable, Journal};
use crate::key::{Key, Seal};
use crate::notices::letter;
use crate::notices::received::{self, Answered, Desk as Speaker, Line, Received, Refused, Signers};
use anyhow::anyhow;
use brain::Micros;
use brain::alarm::Person;
use brain::bureau::{About, Acked, Act, Again, Answer, Bureau, Cause, Event, Judged, Report, Unheard};
use brain::calendar::LOCAL_US;
use brain::event::{Entry, Refusal};
use brain::site::Severity;
use std::collections::{BTreeMap, VecDeque};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

/// How often silence is looked for, and screens are told.
const LOOK_EVERY: Duration = Duration::from_millis(200);

/// Heads of one plant's chain that are kept come at least so far apart: half of what a plant may be told to send (own default).
const HEADS_APART_US: Micros = 5_000_000;

/// Heartbeats are counted by the clock, so that no count lies on both sides of midnight.
const COUNT_EVERY_US: Micros = 600_000_000;
const DAY_US: Micros = 86_400_000_000;

/// What is done once the disk has a record, given its number.
type After = Box<dyn FnOnce(u64) + Send>;

/// A record on its way to the disk.
struct Waiting {
    seq: u64,
    after: After,
    /// The answer in it.
    answer: Option<u64>,
    /// A person is answered, and reads what was done; what a plant said the screens see a moment later, however much it is.
    person: bool,
    /// It changes what is owed to plants.
    owed: bool,
}

/// A snapshot is made so long after the last one, or after so many records; without one a start reads the whole journal.
const SNAPSHOT_US: Micros = 3_600_000_000;
const SNAPSHOT_RECORDS: u64 = 10_000;

/// Where what the desk says goes.
pub struct Ways {
    /// To screens.
    pub view: watch::Sender<Arc<View>>,
    /// To plants.
    pub owed: watch::Sender<Owed>,
    /// Signs what its machine answers in JSON.
    pub key: Option<Arc<Key>>,
    /// Data directory: snapshots.
    pub data: PathBuf,
    /// Marks what heartbeats are to say in this run.
    pub seal: Seal,
}

/// The desk.
pub struct Desk {
    config: Config,
    bureau: Bureau,
    journal: Journal,
    durable: watch::Receiver<Durable>,
    clock: Arc<Clock>,
    /// Records on their way to the disk.
    waiting: VecDeque<Waiting>,
    /// Answers up to this number are on disk.
    on_record: u64,
    ways: Ways,
    manager: Manager,
    /// Last record so far.
    last: u64,
    /// Messages of the line that were only counted, in this run.
    unrecorded: u64,
    /// Last record in a snapshot, and when it was begun.
    saved: (u64, Micros),
    saving: Option<JoinHandle<()>>,
    /// When heartbeats were counted last, by the wall clock in steps of [`COUNT_EVERY_US`].
    counted: Micros,
    /// When a head of each plant's chain came last, in this run.
    heads: BTreeMap<String, Micros>,
}

impl Desk {
    /// A desk that goes on where the journal ends: with this bureau, the last record in its snapshot, and the last record of all.
    pub fn new(
        config: Config,
        (bureau, saved, last): (Bureau, u64, u64),
        (journal, clock): (Journal, Arc<Clock>),
        ways: Ways,
        manager: Manager,
    ) -> Desk {
        let (durable, on_record) = (journal.durable(), bureau.next_answer() - 1);
        let (waiting, counted) = (VecDeque::new(), step_of(clock.now().saturating_add(clock.ahead())));
        let (saved, saving) = ((saved, clock.now()), None);
        let unrecorded = 0;
        Desk {
            config,
            bureau,
            journal,
            durable,
            clock,
            waiting,
            on_record,
            ways,
            manager,
            last,
            unrecorded,
            saved,
            saving,
            counted,
            heads: BTreeMap::new(),
        }
    }

    /// Runs until `stop`.
    ///
    /// # Errors
    /// The journal takes no records any more.
    pub async fn run(
        mut self,
        mut asks: mpsc::Receiver<Ask>,
        mut sent: mpsc::Receiver<Event>,
        stop: CancellationToken,
    ) -> anyhow::Result<()> {
        let mut look = tokio::time::interval(LOOK_EVERY);
        look.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Skip);
        let mut durable = self.durable.clone();
        self.tell_owed();
        self.manager.ready();
        loop {
            tokio::select! {
                Some(ask) = asks.recv() => self.asked(ask)?,
                Some(event) = sent.recv() => self.record(event, None, |_, _| ())?,
                Ok(()) = durable.changed() => self.release()?,
                _ = look.tick() => self.look()?,
                () = stop.cancelled() => break,
            }
        }
        self.manager.stopping();
        self.suspected(true)?;
        self.count(self.counted)?;
        self.record(Event::Stopped, None, |_, _| ())?;
        self.journal.close()
    }

    /// Puts an event on record and steps; `after` is called with the result and the number once the disk has it.
    fn record(
        &mut self,
        event: Event,
        answer: Option<u64>,
        after: impl FnOnce(Result<(), Refusal>, u64) + Send + 'static,
    ) -> anyhow::Result<()> {
        let at = self.clock.now();
        let entry = Entry::Bureau(event);
        let seq = self.journal.append(at, &entry)?;
        self.last = seq;
        let Entry::Bureau(event) = entry else { return Ok(()) };
        let person = matches!(event, Event::Act { .. } | Event::Shift { .. });
        let owed = person || matches!(event, Event::Delivered { .. } | Event::Returned { .. });
        let result = self.bureau.step(at, &event);
        // An act that is refused, or was done before, brings none.
        let answer = answer.filter(|number| *number < self.bureau.next_answer());
        self.waiting.push_back(Waiting { seq, after: Box::new(move |seq| after(result, seq)), answer, person, owed });
        Ok(())
    }

    /// Puts on record what is not taken as new, or only counts it; `after` is called with a word for it that nothing else bears, and not before the disk has
    /// all that was recorded until now: what is said again was taken once.
    fn suspect(&mut self, cause: Cause, event: Event, after: impl FnOnce(String) + Send + 'static) -> anyhow::Result<()> {
        if let Some(event) = self.bureau.suspects(self.clock.now(), cause, event) {
            tracing::warn!(?cause, ?event, "refused, or known");
            return self.record(event, None, move |_, seq| after(seq.to_string()));
        }
        self.unrecorded += 1;
        let (seq, word) = (self.last, format!("{}.{}", self.last, self.unrecorded));
        if self.durable.borrow().seq >= seq {
            after(word);
        } else {
            let after = Box::new(move |_| after(word));
            self.waiting.push_back(Waiting { seq, after, answer: None, person: false, owed: false });
        }
        Ok(())
    }

    /// Puts what was only counted on record, where that is due.
    fn suspected(&mut self, all: bool) -> anyhow::Result<()> {
        self.bureau.suspected(self.clock.now(), all).into_iter().try_for_each(|event| self.record(event, None, |_, _| ()))
    }

    /// What the disk has by now.
    fn release(&mut self) -> anyhow::Result<()> {
        let Durable { seq, failed, .. } = self.durable.borrow().clone();
        let due = self.waiting.partition_point(|waits| waits.seq <= seq);
        let [person, owed] =
            [|waits: &Waiting| waits.person, |waits: &Waiting| waits.owed].map(|is| self.waiting.range(..due).any(is));
        if person {
            self.publish();
        }
        for Waiting { seq, after, answer, .. } in self.waiting.drain(..due) {
            after(seq);
            self.on_record = self.on_record.max(answer.unwrap_or(0));
        }
        if owed {
            self.tell_owed();
        }
        failed.map_or(Ok(()), |why| Err(anyhow!("the journal has failed: {why}; nothing more can be accepted")))
    }

    fn tell_owed(&self) {
        let mut owed = Owed::new();
        for plant in &self.config.plants {
            let mut answers = self.bureau.owed(&plant.name);
            answers.retain(|answer| answer.number <= self.on_record);
            owed.insert(plant.name.clone(), answers);
        }
        self.ways.owed.send_if_modified(|known| {
            let changed = *known != owed;
            *known = owed;
            changed
        });
    }

    /// Silence, the wall clock, the screens.
    fn look(&mut self) -> anyhow::Result<()> {
        self.manager.alive();
        let now = self.clock.now();
        for event in self.bureau.silent(now) {
            tracing::warn!(?event, "a plant is silent");
            self.record(event, None, |_, _| ())?;
        }
        self.suspected(false)?;
        // The difference is kept by the clock: times are shown by it.
        let _ = self.clock.check();
        let step = step_of(self.wall(now));
        if step != self.counted {
            self.count(self.counted)?;
            self.counted = step;
        }
        self.save(now);
        self.publish();
        Ok(())
    }

    /// Puts the heartbeats heard in the step that began then on record.
    fn count(&mut self, step: Micros) -> anyhow::Result<()> {
        let counted = self.bureau.count(self.clock.now(), shown_day(step));
        counted.map_or(Ok(()), |event| self.record(event, None, |_, _| ()))
    }

    /// Begins to write a snapshot where one is due, on a thread of its own.
    fn save(&mut self, now: Micros) {
        let news = self.last.saturating_sub(self.saved.0);
        let is_due = news >= SNAPSHOT_RECORDS || (news > 0 && now.saturating_sub(self.saved.1) >= SNAPSHOT_US);
        if !is_due || self.saving.as_ref().is_some_and(|saving| !saving.is_finished()) {
            return;
        }
        let (data, durable, bureau, seq) = (self.ways.data.clone(), self.durable.clone(), self.bureau.clone(), self.last);
        let era = durable.borrow().era;
        self.saved = (seq, now);
        self.saving = Some(tokio::task::spawn_blocking(move || {
            if let Err(error) = snapshot::write_bureau(&data, (seq, era), &bureau, &durable) {
                tracing::warn!("no snapshot, the next start takes longer: {error:#}");
            }
        }));
    }

    fn publish(&self) {
        let (picture, durable) = (self.bureau.picture(self.clock.now()), self.durable.borrow().seq);
        self.ways.view.send_replace(Arc::new(View { made: Instant::now(), picture, ahead: self.clock.ahead(), durable }));
    }

    fn wall(&self, at: Micros) -> Micros {
        at.saturating_add(self.clock.ahead())
    }

    fn asked(&mut self, ask: Ask) -> anyhow::Result<()> {
        match ask {
            Ask::Report { plant, body, signature, form, reply } => {
                self.report(&plant, &body, signature.as_deref(), (form, reply))
            }
            Ask::Heartbeat { plant, body, signed, reply } => self.heartbeat(&plant, &body, signed.as_ref(), reply),
            Ask::Anchor { plant, body, reply } => self.anchor(plant, &body, reply),
            Ask::Act { act, reply, .. } if received::reads_as_instruction(&act) => {
                drop(reply.send(Err(Refusal::NotYet { missing: "instruct".to_owned() })));
                Ok(())
            }
            Ask::Act { command, by, entry, seen, act, reply } => {
                if self.bureau.entry(entry).is_some_and(|entry| entry.about == About::Suspicion) {
                    // Who answers to it answers to all that has come.
                    self.suspected(true)?;
                }
                let answer = self.worded(&by, entry, seen, &act);
                let number = answer.as_ref().map(|answer| answer.number);
                let event = Event::Act { command, by, entry, seen, act, answer };
                // Whoever asked may have gone away: the act stands all the same.
                self.record(event, number, move |result, seq| drop(reply.send(result.map(|()| seq))))
            }
            Ask::Shift { command, by, change, reply } => {
                let event = Event::Shift { command, by, change };
                self.record(event, None, move |result, seq| drop(reply.send(result.map(|()| seq))))
            }
            Ask::CapOf { entry, reply } => {
                let packed = self.bureau.entry(entry).map(|entry| entry.message.as_str()).filter(|packed| !packed.is_empty());
                drop(reply.send(packed.and_then(|packed| letter::unpack(packed).ok())));
                Ok(())
            }
        }
    }

    fn plant(&self, name: &str) -> Option<&Plant> {
        self.config.plants.iter().find(|plant| plant.name == name)
    }

    fn report(
        &mut self,
        name: &str,
        body: &[u8],
        signature: Option<&str>,
        (form, reply): (Form, oneshot::Sender<Result<Reply, NotTaken>>),
    ) -> anyhow::Result<()> {
        let Some(plant) = self.plant(name) else { return Ok(()) };
        let line = Line { sender: &plant.sender, trusted: plant.trusted.as_ref(), signature };
        let Received { message, report } = match received::received(body, line) {
            Ok(received) => received,
            Err(refused) => {
                let said = self.error(body, form, refused.to_string());
                let (cause, why) = match &refused {
                    Refused::Forged(_) => (Cause::Forged, Why::Forged),
                    Refused::Unfit(_) => (Cause::Unfit, Why::Unfit),
                };
                let detail = refused.to_string();
                return self.suspect(cause, refusal(name, body, detail.clone()), move |word| {
                    drop(reply.send(Err(NotTaken { why, detail, error: said.map(|said| said(&word)) })));
                });
            }
        };
        let plant = name.to_owned();
        // What is said again is the same to the byte: of what was known before, its time and its signature are on record.
        let known = self.bureau.known(name, &message.identifier).map(|(number, at, acked)| (number, at, acked.clone()));
        let now = self.wall(self.clock.now());
        let (number, before) = match known {
            None => (self.bureau.messages() + 1, Acked { at: now, signature: String::new() }),
            Some((number, at, acked)) if acked.at == 0 => (number, Acked { at: self.wall(at), ..acked }),
            Some((number, _, acked)) => (number, acked),
        };
        let identifier = format!("{}.m{number}", self.bureau.prefix(&self.config.id));
        let speaker = Speaker { sender: &self.config.sender, identifier: &identifier, at: before.at, before: &before.signature };
        let ack = received::answered(speaker, None, &message, form, self.signers());
        match self.bureau.judge(name, &report) {
            Judged::Full => {
                let detail = format!("the duty queue is full for {name}: close what is over, and send it again");
                drop(reply.send(Err(NotTaken { why: Why::Full, detail, error: None })));
                Ok(())
            }
            Judged::New => match std::str::from_utf8(body).map_err(anyhow::Error::from).and_then(letter::pack) {
                Ok(message) => {
                    let acked = Acked { at: before.at, signature: ack.signature.clone() };
                    let (event, ack) = (Event::Reported { plant, report: Box::new(report), message, acked }, spoken(ack));
                    self.record(event, None, move |_, _| drop(reply.send(Ok(ack))))
                }
                Err(error) => {
                    tracing::error!("a message cannot be packed: {error:#}");
                    Ok(())
                }
            },
            judged @ (Judged::Known(..) | Judged::Past) => {
                let how = if let Judged::Known(how, ..) = judged { how } else { Again::Past };
                let Report { identifier, digest, .. } = report;
                let detail = match how {
                    Again::Duplicate | Again::Replay => {
                        let (event, ack) = (Event::Again { plant, identifier, how, digest, times: 1 }, spoken(ack));
                        return self.suspect(Cause::Again(how), event, move |_| drop(reply.send(Ok(ack))));
                    }
                    Again::Changed => format!("identifier: {identifier} was used before for another message"),
                    Again::Past => format!("identifier: {identifier} is an old one, as its plant numbers what it tells"),
                };
                let event = Event::Again { plant, identifier, how, digest, times: 1 };
                let said = self.error(body, form, detail.clone());
                self.suspect(Cause::Again(how), event, move |word| {
                    let error = said.map(|said| said(&word));
                    drop(reply.send(Err(NotTaken { why: Why::Unfit, detail, error })));
                })
            }
        }
    }

    fn signers(&self) -> Signers<'_> {
        Signers { certified: self.config.signer.as_deref(), key: self.ways.key.as_deref() }
    }

    /// The CAP Error that says why a message is refused, named by the word of [`Desk::suspect`]; none where there is nothing that it could answer.
    fn error(&self, body: &[u8], form: Form, detail: String) -> Option<impl FnOnce(&str) -> Reply + Send + use<>> {
        let message = received::answerable(body)?;
        let (signer, key, at) = (self.config.signer.clone(), self.ways.key.clone(), self.wall(self.clock.now()));
        let (sender, id) = (self.config.sender.clone(), self.bureau.prefix(&self.config.id));
        Some(move |word: &str| {
            let speaker = Speaker { sender: &sender, identifier: &format!("{id}.e{word}"), at, before: "" };
            let signers = Signers { certified: signer.as_deref(), key: key.as_deref() };
            spoken(received::answered(speaker, Some(&detail), &message, form, signers))
        })
    }

    /// A head of the chain of a plant's record. However often it sends some, the record here grows no faster than by one in [`HEADS_APART_US`].
    fn anchor(&mut self, name: String, body: &[u8], reply: oneshot::Sender<Result<(), NotTaken>>) -> anyhow::Result<()> {
        let Some(plant) = self.plant(&name) else { return Ok(()) };
        let key = plant.trusted.as_ref().and_then(|trusted| trusted.key.as_deref());
        let not = |why, detail: String| Err(NotTaken { why, detail, error: None });
        let now = self.clock.now();
        match anchors::read(body, key) {
            Err(unkept) => {
                let (cause, why, detail) = match unkept {
                    Unkept::Forged(detail) => (Cause::Forged, Why::Forged, detail),
                    Unkept::Unfit(detail) => (Cause::Unfit, Why::Unfit, detail),
                };
                let event = refusal(&name, body, detail.clone());
                self.suspect(cause, event, move |_| drop(reply.send(not(why, detail))))
            }
            Ok(_) if self.heads.get(&name).is_some_and(|last| now - last < HEADS_APART_US) => {
                let detail = format!("anchor: one came less than {} s ago; send the next one later", HEADS_APART_US / 1_000_000);
                drop(reply.send(not(Why::Full, detail)));
                Ok(())
            }
            Ok(head) => {
                self.heads.insert(name.clone(), now);
                self.record(Event::Anchored { plant: name, head }, None, move |_, _| drop(reply.send(Ok(()))))
            }
        }
    }

    fn heartbeat(
        &mut self,
        name: &str,
        body: &[u8],
        signed: Option<&(String, String)>,
        reply: oneshot::Sender<Pulse>,
    ) -> anyhow::Result<()> {
        let Some(plant) = self.plant(name) else { return Ok(()) };
        let key = plant.trusted.as_ref().and_then(|trusted| trusted.key.as_ref());
        let (now, echo) = (self.clock.now(), heartbeat::echo(&self.ways.seal, &self.bureau, name));
        let heard = match heartbeat::read(body, signed, &plant.sender, key) {
            Ok(said) => {
                self.bureau.hears(now, name, &said.heartbeat, said.echo == echo).map_err(|why| (Cause::OldHeartbeat, why))
            }
            Err(why) => Err((Cause::Heartbeat, Unheard::Old(why))),
        };
        let echo = heartbeat::echo(&self.ways.seal, &self.bureau, name);
        let tell = |heard| drop(reply.send(Pulse { heard, echo }));
        let forged = |detail| Err(NotTaken { why: Why::Forged, detail, error: None });
        match heard {
            Ok(None) => tell(Ok(())),
            Ok(Some(event)) => return self.record(event, None, move |_, _| tell(Ok(()))),
            Err((_, Unheard::Unproved)) => {
                tell(forged("heartbeat: it may be an old one; say it again with the echo that is given here".to_owned()));
            }
            Err((cause, Unheard::Old(why))) => {
                return self.suspect(cause, refusal(name, body, why.clone()), move |_| tell(forged(why)));
            }
        }
        Ok(())
    }

    /// What the plant is told of an act, put into words once; none where nothing is told, or the act is refused.
    fn worded(&self, by: &Person, entry: u64, seen: Option<Severity>, act: &Act) -> Option<Answer> {
        let entry = self.bureau.allows(entry, seen, act).ok()?;
        let text = letter::unpack(&entry.message).ok().filter(|text| !text.is_empty())?;
        let message = received::kept(&text).ok()?;
        let number = self.bureau.next_answer();
        let identifier = format!("{}.a{number}", self.bureau.prefix(&self.config.id));
        let speaker =
            Speaker { sender: &self.config.sender, identifier: &identifier, at: self.wall(self.clock.now()), before: "" };
        let said = received::said(speaker, &by.name, act, &message, self.config.signer.as_deref());
        let text = said.inspect_err(|error| tracing::error!("an answer cannot be signed: {error:#}")).ok()??;
        Some(Answer { number, message: letter::pack(&text).ok()?, identifier })
    }
}

/// What came over the line of this plant is not what it says.
fn refusal(plant: &str, body: &[u8], detail: String) -> Event {
    let digest = blake3::hash(body).to_hex().to_string();
    Event::Refused { plant: plant.to_owned(), detail, digest, times: 1 }
}

fn spoken(Answered { text, form, headers, .. }: Answered) -> Reply {
    Reply { text, form, headers }
}

fn step_of(wall: Micros) -> Micros {
    wall.div_euclid(COUNT_EVERY_US) * COUNT_EVERY_US
}

/// The day of a moment of the wall clock, by the clock that people there read (UTC+8).
fn shown_day(wall: Micros) -> i64 {
    wall.saturating_add(LOCAL_US).div_euclid(DAY_US)
}
