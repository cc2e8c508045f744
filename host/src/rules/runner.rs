//! Worker threads that own the rules. Batches go in without ever blocking, findings and strikes come out.
//! Must not know: the brain's decisions, the journal; it obeys `quarantine`, it does not judge.
//!
//! Each rule is pinned to one desk, where one thread works. Once that one is at something long, a call beyond two ticks of its own or a recovery, another thread
//! takes its place, and it goes on apart with less of the processor; so does from its beginning what a rule is asked that took long or struck lately. Its
//! neighbours hardly wait. A watcher gives up a thread whose guest call does not end although fuel, deadline and ticker should have ended it; the other
//! rules of that desk keep their state.

use super::admission::Admitted;
use super::instance::Instance;
use super::mailbox::{Mailbox, WATCH, Work};
use super::sandbox::Pulse;
use super::strike::Strike;
use crate::pace;
use brain::event::{Row, StrikeKind};
use brain::finding::Finding;
use brain::reading::Micros;
use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use tokio::sync::mpsc::Sender;
use tracing::{Level, error, info, warn};

/// Beyond a rule's deadline: a call that lasts longer is not coming back. More than a call may be starved of the processor (`sandbox.rs`).
const STUCK_AFTER: Duration = Duration::from_secs(2);
/// How often the watcher looks.
const WATCH_EVERY: Duration = Duration::from_millis(200);

/// One thing a rule said, or that happened to it.
#[derive(Debug, PartialEq)]
pub struct FromRule {
    /// Index in the list given to [`Runner::start`], which is the index in `site.rules`.
    pub rule: usize,
    /// Of the component that said it: more than one may run in the place of a rule.
    pub digest: Arc<str>,
    /// Batch time it belongs to.
    pub at: Micros,
    /// There were readings in that batch that can be believed.
    pub judged: bool,
    /// What.
    pub what: Said,
}

/// What a rule said, or what happened to it.
#[derive(Debug, PartialEq)]
pub enum Said {
    /// Claims. Empty only for the first answer after a start or a release, and the first to readings: it works and has nothing to claim.
    Findings(Vec<Finding>),
    /// It failed; a fresh instance in the same state goes on.
    Strike {
        /// How.
        kind: StrikeKind,
        /// For the vendor.
        detail: String,
    },
    /// A line for the vendor.
    Log {
        /// As the rule says.
        level: Level,
        /// At most 512 bytes.
        text: String,
    },
    /// So many rows found no room since the last time.
    Overrun(u64),
    /// These rows failed twice and are judged never; none where only time had passed.
    Skipped(Vec<Row>),
}

/// The rules at work.
pub struct Runner {
    desks: Vec<Arc<Desk>>,
    /// What runs in the place of each rule. All of it gets the same rows; which one counts is not for us to know.
    places: Mutex<Vec<Vec<Place>>>,
    watch: Arc<Watch>,
}

/// One component at work for a rule.
struct Place {
    digest: Arc<str>,
    slot: usize,
}

/// A place of work: its mail, its rules, what its threads say.
struct Desk {
    mailbox: Mailbox,
    /// Rules by slot.
    seats: Mutex<Vec<Arc<Seat>>>,
    out: Sender<FromRule>,
    /// No thread could be started for the neighbours of a slow rule, which was said.
    refused: AtomicBool,
}

/// One rule at a desk.
struct Seat {
    rule: usize,
    digest: Arc<str>,
    admitted: Admitted,
    instance: Mutex<Instance>,
    pulse: Pulse,
    deadline: Duration,
    /// Time of the batch that it was given last.
    at: AtomicI64,
    /// The rows of the call that runs.
    asked: Mutex<Option<Arc<Vec<Row>>>>,
    /// Has not answered yet: its first answer is told even when it claims nothing.
    fresh: AtomicBool,
    /// Has not answered to readings yet: the same.
    unread: AtomicBool,
}

impl Seat {
    fn new(rule: usize, admitted: Admitted) -> Arc<Seat> {
        let instance = Instance::new(&admitted);
        Arc::new(Seat {
            rule,
            digest: admitted.rule.digest.as_str().into(),
            pulse: instance.pulse(),
            deadline: instance.deadline(),
            at: AtomicI64::new(0),
            asked: Mutex::new(None),
            instance: Mutex::new(instance),
            fresh: AtomicBool::new(true),
            unread: AtomicBool::new(true),
            admitted,
        })
    }
}

#[derive(Default)]
struct Watch {
    stopping: Mutex<bool>,
    wake: Condvar,
    abandoned: AtomicU64,
}

impl Runner {
    /// Starts the desks: one per core but one, at least one, at most one per rule. `out` must be drained; a full one holds them.
    pub fn start(admitted: Vec<Admitted>, out: Sender<FromRule>) -> anyhow::Result<Runner> {
        Runner::start_with(admitted.into_iter().map(Some).collect(), out)
    }

    /// As [`Runner::start`]; in some places nothing runs yet.
    pub fn start_with(admitted: Vec<Option<Admitted>>, out: Sender<FromRule>) -> anyhow::Result<Runner> {
        let cores = std::thread::available_parallelism().map_or(1, |n| n.get());
        let desks = (cores.max(2) - 1).min(admitted.len());
        let mut seats: Vec<Vec<Arc<Seat>>> = vec![Vec::new(); desks];
        let mut places = Vec::new();
        for (rule, admitted) in admitted.into_iter().enumerate() {
            let desk = rule % desks;
            let Some(admitted) = admitted else {
                places.push(vec![]);
                continue;
            };
            let seat = Seat::new(rule, admitted);
            places.push(vec![Place { digest: seat.digest.clone(), slot: seats[desk].len() }]);
            seats[desk].push(seat);
        }
        let desk = |seats: Vec<Arc<Seat>>| {
            let (mailbox, seats) = (Mailbox::new(seats.len()), Mutex::new(seats));
            Arc::new(Desk { mailbox, seats, out: out.clone(), refused: AtomicBool::new(false) })
        };
        let runner = Runner { desks: seats.into_iter().map(desk).collect(), places: Mutex::new(places), watch: Arc::default() };
        for desk in &runner.desks {
            desk.spawn(0)?;
        }
        let (desks, watch) = (runner.desks.clone(), runner.watch.clone());
        std::thread::Builder::new().name("rules-watch".into()).spawn(move || watch.run(&desks))?;
        Ok(runner)
    }

    /// Hands a batch to all that runs in the place of a rule of the list given at the start, and returns at once. False: no room somewhere; the loss
    /// is counted and told as [`Said::Overrun`].
    pub fn consult(&self, rule: usize, at: Micros, rows: Vec<Row>) -> bool {
        let (places, desk) = (lock(&self.places), self.desk(rule));
        let Some((last, others)) = places[rule].split_last() else { return false };
        let others = others.iter().map(|place| desk.mailbox.put(place.slot, at, rows.clone()));
        let room = others.fold(true, |room, more| room & more);
        desk.mailbox.put(last.slot, at, rows) & room
    }

    /// On: the instance is dropped and batches are ignored. Off: a fresh instance begins from nothing.
    pub fn quarantine(&self, rule: usize, digest: &str, on: bool) {
        let places = lock(&self.places);
        if let Some(place) = places[rule].iter().find(|place| *place.digest == *digest) {
            self.desk(rule).mailbox.quarantine(place.slot, on);
        }
    }

    /// From the next batch on this component runs for the rule as well. It begins where `heir_of` stands: with its state, or with the rows it saw last.
    /// One that runs already goes on.
    pub fn run_beside(&self, rule: usize, heir_of: Option<&str>, admitted: Admitted) {
        let (mut places, desk) = (lock(&self.places), self.desk(rule));
        let slot_of = |digest: &str| places[rule].iter().find(|place| *place.digest == *digest).map(|place| place.slot);
        if slot_of(&admitted.rule.digest).is_some() {
            return;
        }
        let seat = Seat::new(rule, admitted);
        // Whoever works there finds the seat where the mailbox says that it is.
        let mut seats = lock(&desk.seats);
        let slot = desk.mailbox.open(heir_of.and_then(slot_of));
        places[rule].push(Place { digest: seat.digest.clone(), slot });
        if slot < seats.len() { seats[slot] = seat } else { seats.push(seat) }
    }

    /// This component no longer runs for the rule; what it was given and has not judged is dropped.
    pub fn end_beside(&self, rule: usize, digest: &str) {
        let mut places = lock(&self.places);
        if let Some(place) = places[rule].extract_if(.., |place| *place.digest == *digest).next() {
            self.desk(rule).mailbox.close(place.slot);
        }
    }

    /// All that runs for a rule has one desk.
    fn desk(&self, rule: usize) -> &Desk {
        &self.desks[rule % self.desks.len()]
    }

    /// Threads that were given up because a call did not end.
    pub fn abandoned(&self) -> u64 {
        self.watch.abandoned.load(Ordering::Relaxed)
    }

    /// Lets the desks do what waits, at most this long. Blocks; `out` must still be drained. Returns at how many somebody still works.
    pub fn stop(&self, deadline: Duration) -> usize {
        let end = Instant::now() + deadline;
        self.signal_stop();
        loop {
            let alive = self.desks.iter().filter(|desk| !desk.mailbox.is_left()).count();
            if alive == 0 || Instant::now() >= end {
                return alive;
            }
            std::thread::sleep(Duration::from_millis(1));
        }
    }

    fn signal_stop(&self) {
        *lock(&self.watch.stopping) = true;
        self.watch.wake.notify_all();
        for desk in &self.desks {
            desk.mailbox.stop();
        }
    }
}

impl Drop for Runner {
    fn drop(&mut self) {
        self.signal_stop();
    }
}

impl Desk {
    /// One more thread, to take with this number.
    fn spawn(self: &Arc<Self>, number: u64) -> std::io::Result<()> {
        let own = self.clone();
        std::thread::Builder::new().name("rules".into()).spawn(move || own.work(number))?;
        Ok(())
    }

    fn work(self: &Arc<Self>, number: u64) {
        while let Some(work) = self.mailbox.take(number) {
            let slots = match work {
                Work::Ask { slot, .. } | Work::Overrun { slot, .. } | Work::Renew { slot } => [slot; 2],
                Work::Inherit { slot, from } => [slot, from],
            };
            match catch_unwind(AssertUnwindSafe(|| self.one(work, number))) {
                Ok(true) => {}
                Err(_) if self.mailbox.is_held(slots[0], number) => {
                    self.mailbox.distrust(slots[0], number);
                    self.begin_anew(slots[0], "the program failed at its work");
                }
                Ok(false) | Err(_) => return self.mailbox.leave(number), // nobody listens, or we were given up
            }
            self.mailbox.done(&slots, number);
        }
    }

    /// False: no more.
    fn one(self: &Arc<Self>, work: Work, number: u64) -> bool {
        match work {
            Work::Ask { slot, at, rows, distrusted } => {
                if distrusted {
                    self.relieve(slot, number);
                }
                self.ask(slot, at, rows, number)
            }
            Work::Overrun { slot, at, count } => {
                let seat = self.seat(slot);
                // Its next answer says that it looks again, whatever it finds.
                seat.fresh.store(true, Ordering::Relaxed);
                self.tell(&seat, at, Said::Overrun(count))
            }
            Work::Inherit { slot, from } => self.inherit(slot, from, number),
            Work::Renew { slot } => {
                self.renew(slot);
                true
            }
        }
    }

    fn ask(self: &Arc<Self>, slot: usize, at: Micros, rows: Vec<Row>, number: u64) -> bool {
        let (seat, rows) = (self.watched(slot), Arc::new(rows));
        *lock(&seat.asked) = Some(rows.clone());
        seat.at.store(at, Ordering::Relaxed);
        let answer = lock(&seat.instance).evaluate(at, &rows);
        if seat.pulse.took_long() || !answer.strikes.is_empty() {
            self.mailbox.distrust(slot, number);
        }
        // Under its lock: what is answered is not told as judged by nobody.
        let mut asked = lock(&seat.asked);
        if !self.mailbox.is_held(slot, number) {
            return false;
        }
        *asked = None;
        drop(asked);
        let lines = answer.lines.into_iter().map(|line| Said::Log { level: line.level, text: line.text });
        let judged = !answer.skipped && rows.iter().any(|row| !row.quality.is_bad());
        let read = judged && seat.unread.swap(false, Ordering::Relaxed);
        let first = answer.strikes.is_empty() && seat.fresh.swap(false, Ordering::Relaxed);
        let strikes = answer.strikes.into_iter().map(|strike| Said::Strike { kind: strike.kind, detail: strike.detail });
        if answer.skipped {
            // Its next answer says that it looks again, whatever it finds.
            seat.fresh.store(true, Ordering::Relaxed);
        }
        let skipped = answer.skipped.then(|| Said::Skipped(rows.to_vec()));
        let findings = (first || read || !answer.findings.is_empty()).then_some(Said::Findings(answer.findings));
        lines.chain(strikes).chain(skipped).chain(findings).all(|what| self.tell_of(&seat, at, judged, what))
    }

    /// No batch was taken since this was asked for, so the other one stands exactly where this one's rows begin.
    fn inherit(self: &Arc<Self>, slot: usize, from: usize, number: u64) -> bool {
        let (seat, other) = (self.watched(slot), self.seat(from));
        let at = other.at.load(Ordering::Relaxed);
        seat.at.store(at, Ordering::Relaxed);
        // Not under its lock: a call of the heir that does not end must not take the one with it that counts.
        let stands = lock(&other.instance).as_it_stands();
        // It may go on: what it stands at is known.
        self.mailbox.done(&[from], number);
        let (answer, how) = lock(&seat.instance).inherit(&stands);
        if !self.mailbox.is_held(slot, number) {
            return false;
        }
        info!(rule = seat.admitted.rule.name, digest = &*seat.digest, "begins {how}");
        let lines = answer.lines.into_iter().map(|line| Said::Log { level: line.level, text: line.text });
        let strikes = answer.strikes.into_iter().map(|strike| Said::Strike { kind: strike.kind, detail: strike.detail });
        lines.chain(strikes).all(|what| self.tell(&seat, at, what))
    }

    /// Of something else than a batch.
    fn tell(&self, seat: &Seat, at: Micros, what: Said) -> bool {
        self.tell_of(seat, at, false, what)
    }

    /// False when nobody listens any more.
    fn tell_of(&self, seat: &Seat, at: Micros, judged: bool, what: Said) -> bool {
        let (rule, digest) = (seat.rule, seat.digest.clone());
        self.out.blocking_send(FromRule { rule, digest, at, judged, what }).is_ok()
    }

    /// Whoever sits there begins again from nothing; returns who sat there. Under one lock: another one may be about to take the seat.
    fn renew(&self, slot: usize) -> Arc<Seat> {
        let mut seats = lock(&self.seats);
        let fresh = Seat::new(seats[slot].rule, seats[slot].admitted.clone());
        std::mem::replace(&mut seats[slot], fresh)
    }

    fn seat(&self, slot: usize) -> Arc<Seat> {
        lock(&self.seats)[slot].clone()
    }

    /// The rule there, whose thread is relieved by another one where it takes long.
    fn watched(self: &Arc<Self>, slot: usize) -> Arc<Seat> {
        let seat = self.seat(slot);
        seat.pulse.when_long(|| {
            let (desk, own) = (Arc::downgrade(self), Arc::downgrade(&seat));
            Box::new(move || {
                // Unless it was given up, and another one sits there.
                if let Some(desk) = desk.upgrade()
                    && std::ptr::eq(Arc::as_ptr(&desk.seat(slot)), own.as_ptr())
                {
                    // We are the thread at work for it.
                    desk.mailbox.holder(slot).into_iter().for_each(|number| desk.relieve(slot, number));
                }
            })
        });
        seat
    }

    /// The others of this desk do not wait for the rule there, at work for which is this thread; nor, from here on, for the processor.
    fn relieve(self: &Arc<Self>, slot: usize, number: u64) {
        self.stand_in(slot, number);
        if self.mailbox.is_apart(number) {
            pace::step_back();
        }
    }

    /// Another thread takes the place of this one, where it is the one that takes and at work for this slot, and where another one starts.
    fn stand_in(self: &Arc<Self>, slot: usize, number: u64) {
        match self.mailbox.relieve(slot, number, |number| self.spawn(number)) {
            Ok(relieved) => _ = self.refused.fetch_and(!relieved, Ordering::Relaxed),
            Err(e) if !self.refused.swap(true, Ordering::Relaxed) => {
                warn!("no thread for the neighbours of a slow rule, which wait for it: {e}");
            }
            Err(_) => {}
        }
    }

    /// The thread at work for this slot was given up; `next` is the number to take with, where it was the one that takes.
    fn go_on_without(self: &Arc<Self>, slot: usize, next: Option<u64>) {
        // Nobody takes for the rule before it is another instance, and that is told.
        self.begin_anew(slot, "a call did not end and its thread was given up");
        self.mailbox.done(&[slot], WATCH);
        if let Some(number) = next {
            self.man(number);
        }
    }

    /// A thread to take with this number; where none starts, the watcher tries again.
    fn man(self: &Arc<Self>, number: u64) {
        if let Err(e) = self.spawn(number) {
            self.mailbox.leave(number);
            error!("no thread for the rules of this desk: {e}");
        }
    }

    /// The rule there begins again from nothing, and that is told; the others keep their state.
    fn begin_anew(&self, slot: usize, why: &str) {
        let seat = self.renew(slot);
        let strike = Strike { kind: StrikeKind::Deadline, detail: format!("{why}; the rule begins again without its state") };
        error!(rule = seat.admitted.rule.name, "{strike}");
        let at = seat.at.load(Ordering::Relaxed);
        self.tell(&seat, at, Said::Strike { kind: strike.kind, detail: strike.detail });
        // What it was at is judged by nobody, and that is told.
        let unjudged = lock(&seat.asked).take();
        unjudged.into_iter().for_each(|rows| _ = self.tell(&seat, at, Said::Skipped(Arc::unwrap_or_clone(rows))));
    }
}

impl Watch {
    fn run(&self, desks: &[Arc<Desk>]) {
        let mut looks: Vec<BTreeMap<(usize, u64), Look>> = desks.iter().map(|_| BTreeMap::new()).collect();
        while !self.stopped_within(WATCH_EVERY) {
            for (desk, looks) in desks.iter().zip(&mut looks) {
                let held = desk.mailbox.held();
                looks.retain(|at, _| held.contains(at));
                for (slot, number) in held {
                    let seat = desk.seat(slot);
                    let look = looks.entry((slot, number)).or_default();
                    let Some(running) = look.at_one_call(seat.pulse.count(), Instant::now()) else { continue };
                    if running <= seat.deadline + STUCK_AFTER {
                        // It did not notice the ticks at which it would have been relieved.
                        desk.stand_in(slot, number);
                    } else if let Some(next) = desk.mailbox.give_up(slot, number) {
                        // It did not come back meanwhile. Counted before anybody is told of it.
                        self.abandoned.fetch_add(1, Ordering::Relaxed);
                        desk.go_on_without(slot, next);
                    }
                }
                if let Some(number) = desk.mailbox.vacant() {
                    desk.man(number);
                }
                desk.mailbox.nudge();
            }
        }
    }

    fn stopped_within(&self, time: Duration) -> bool {
        let waited = self.wake.wait_timeout_while(lock(&self.stopping), time, |stop| !*stop);
        *waited.unwrap_or_else(PoisonError::into_inner).0
    }
}

/// What the watcher saw last of a rule at work: how many of its guest calls had begun or ended, and since when it saw nothing else.
#[derive(Default)]
struct Look {
    seen: Option<(u64, Instant)>,
}

impl Look {
    /// For how long it has been seen at the same call, from the second look on: an odd count means that a call is running.
    fn at_one_call(&mut self, count: u64, now: Instant) -> Option<Duration> {
        match self.seen {
            Some((seen, since)) if seen == count => (!count.is_multiple_of(2)).then(|| now.duration_since(since)),
            _ => {
                self.seen = Some((count, now));
                None
            }
        }
    }
}

/// Locks that guard values which are whole at every moment: a panic elsewhere is no reason to stop.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
#[path = "runner_tests.rs"]
mod tests;
