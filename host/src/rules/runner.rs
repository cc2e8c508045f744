//! Worker threads that own the rules. Batches go in without ever blocking, findings and strikes come out.
//! Must not know: the brain's decisions, the journal; it obeys `quarantine`, it does not judge.
//!
//! Each rule is pinned to one worker, so a slow rule delays only its neighbours there. A watcher replaces a worker that died, or whose
//! guest call does not end although fuel, deadline and ticker should have ended it; the other rules of that worker keep their state.

use super::admission::Admitted;
use super::instance::Instance;
use super::mailbox::{Mailbox, Work};
use super::sandbox::{Pulse, Strike};
use brain::event::{Row, StrikeKind};
use brain::finding::Finding;
use brain::reading::Micros;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};
use tokio::sync::mpsc::Sender;
use tracing::{Level, error};

/// Beyond a rule's deadline: a call that lasts longer is not coming back.
const STUCK_AFTER: Duration = Duration::from_secs(1);
/// How often the watcher looks.
const WATCH_EVERY: Duration = Duration::from_millis(200);

/// One thing a rule said, or that happened to it.
#[derive(Debug, PartialEq)]
pub struct FromRule {
    /// Index in the list given to [`Runner::start`], which is the index in `site.rules`.
    pub rule: usize,
    /// Batch time it belongs to.
    pub at: Micros,
    /// What.
    pub what: Said,
}

/// What a rule said, or what happened to it.
#[derive(Debug, PartialEq)]
pub enum Said {
    /// Claims. Empty only for the first answer after a start or a release: it works and has nothing to claim.
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
    /// Desk and slot of each rule.
    places: Vec<(usize, usize)>,
    watch: Arc<Watch>,
}

/// One worker: its mail, its rules, its thread.
struct Desk {
    mailbox: Mailbox,
    /// Rules by slot.
    seats: Mutex<Vec<Arc<Seat>>>,
    /// Slot and batch time being worked on.
    busy: AtomicUsize,
    busy_at: AtomicI64,
    thread: Mutex<Option<JoinHandle<()>>>,
    out: Sender<FromRule>,
}

/// One rule at a desk.
struct Seat {
    rule: usize,
    admitted: Admitted,
    instance: Mutex<Instance>,
    pulse: Pulse,
    deadline: Duration,
    /// Has not answered yet: its first answer is told even when it claims nothing.
    fresh: AtomicBool,
}

impl Seat {
    fn new(rule: usize, admitted: Admitted) -> Arc<Seat> {
        let instance = Instance::new(&admitted);
        Arc::new(Seat {
            rule,
            pulse: instance.pulse(),
            deadline: instance.deadline(),
            instance: Mutex::new(instance),
            fresh: AtomicBool::new(true),
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
    /// Starts the workers: one per core but one, at least one, at most one per rule. `out` must be drained; a full one holds the workers.
    pub fn start(admitted: Vec<Admitted>, out: Sender<FromRule>) -> anyhow::Result<Runner> {
        let cores = std::thread::available_parallelism().map_or(1, |n| n.get());
        let workers = (cores.max(2) - 1).min(admitted.len());
        let mut seats: Vec<Vec<Arc<Seat>>> = vec![Vec::new(); workers];
        let mut places = Vec::new();
        for (rule, admitted) in admitted.into_iter().enumerate() {
            let desk = rule % workers;
            places.push((desk, seats[desk].len()));
            seats[desk].push(Seat::new(rule, admitted));
        }
        let desk = |seats: Vec<Arc<Seat>>| {
            Arc::new(Desk {
                mailbox: Mailbox::new(seats.len()),
                seats: Mutex::new(seats),
                busy: AtomicUsize::new(0),
                busy_at: AtomicI64::new(0),
                thread: Mutex::new(None),
                out: out.clone(),
            })
        };
        let runner = Runner { desks: seats.into_iter().map(desk).collect(), places, watch: Arc::default() };
        for desk in &runner.desks {
            spawn(desk, 0)?;
        }
        let (desks, watch) = (runner.desks.clone(), runner.watch.clone());
        std::thread::Builder::new().name("rules-watch".into()).spawn(move || watch.run(&desks))?;
        Ok(runner)
    }

    /// Hands a batch to a rule of the list given at the start, and returns at once. False: no room; the loss is counted and told as [`Said::Overrun`].
    pub fn consult(&self, rule: usize, at: Micros, rows: Vec<Row>) -> bool {
        let (desk, slot) = self.places[rule];
        self.desks[desk].mailbox.put(slot, at, rows)
    }

    /// On: the instance is dropped and batches are ignored. Off: a fresh instance begins from nothing.
    pub fn quarantine(&self, rule: usize, on: bool) {
        let (desk, slot) = self.places[rule];
        self.desks[desk].mailbox.quarantine(slot, on);
    }

    /// Threads that were given up because a call did not end.
    pub fn abandoned(&self) -> u64 {
        self.watch.abandoned.load(Ordering::Relaxed)
    }

    /// Lets the workers do what waits, at most this long. Blocks; `out` must still be drained. Returns how many did not end.
    pub fn stop(&self, deadline: Duration) -> usize {
        let end = Instant::now() + deadline;
        self.signal_stop();
        loop {
            let alive = self.desks.iter().filter(|desk| !desk.is_done()).count();
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

fn spawn(desk: &Arc<Desk>, generation: u64) -> std::io::Result<()> {
    let own = desk.clone();
    let thread = std::thread::Builder::new().name("rules".into()).spawn(move || own.work(generation))?;
    *lock(&desk.thread) = Some(thread);
    Ok(())
}

impl Desk {
    fn work(&self, generation: u64) {
        while let Some(work) = self.mailbox.take(generation) {
            let told = match work {
                Work::Ask { slot, at, rows } => self.ask(slot, at, &rows, generation),
                Work::Overrun { slot, at, count } => {
                    let seat = self.seat(slot);
                    // Its next answer says that it looks again, whatever it finds.
                    seat.fresh.store(true, Ordering::Relaxed);
                    self.tell(&seat, at, Said::Overrun(count))
                }
                Work::Renew { slot } => {
                    let seat = self.seat(slot);
                    lock(&self.seats)[slot] = Seat::new(seat.rule, seat.admitted.clone());
                    true
                }
            };
            if !told {
                return; // nobody listens, or we were given up
            }
        }
    }

    fn ask(&self, slot: usize, at: Micros, rows: &[Row], generation: u64) -> bool {
        let seat = self.seat(slot);
        self.busy.store(slot, Ordering::Relaxed);
        self.busy_at.store(at, Ordering::Relaxed);
        let answer = lock(&seat.instance).evaluate(at, rows);
        if !self.mailbox.is_current(generation) {
            return false;
        }
        let lines = answer.lines.into_iter().map(|line| Said::Log { level: line.level, text: line.text });
        let first = answer.strikes.is_empty() && seat.fresh.swap(false, Ordering::Relaxed);
        let strikes = answer.strikes.into_iter().map(|strike| Said::Strike { kind: strike.kind, detail: strike.detail });
        if answer.skipped {
            // Its next answer says that it looks again, whatever it finds.
            seat.fresh.store(true, Ordering::Relaxed);
        }
        let skipped = answer.skipped.then(|| Said::Skipped(rows.to_vec()));
        let findings = (first || !answer.findings.is_empty()).then_some(Said::Findings(answer.findings));
        lines.chain(strikes).chain(skipped).chain(findings).all(|what| self.tell(&seat, at, what))
    }

    /// False when nobody listens any more.
    fn tell(&self, seat: &Seat, at: Micros, what: Said) -> bool {
        let rule = seat.rule;
        self.out.blocking_send(FromRule { rule, at, what }).is_ok()
    }

    fn seat(&self, slot: usize) -> Arc<Seat> {
        lock(&self.seats)[slot].clone()
    }

    fn is_done(&self) -> bool {
        lock(&self.thread).as_ref().is_none_or(JoinHandle::is_finished)
    }

    /// Ended, and not because it was told to.
    fn has_panicked(&self) -> bool {
        let mut thread = lock(&self.thread);
        thread.take_if(|thread| thread.is_finished()).is_some_and(|thread| thread.join().is_err())
    }

    /// A new thread for this desk. The rule that was at work begins again from nothing; the others keep their state.
    fn replace(self: &Arc<Self>, why: &str) {
        let slot = self.busy.load(Ordering::Relaxed);
        let seat = self.seat(slot);
        let generation = self.mailbox.succeed();
        lock(&self.seats)[slot] = Seat::new(seat.rule, seat.admitted.clone());
        if let Err(e) = spawn(self, generation) {
            error!(rule = seat.admitted.rule.name, "no new worker thread: {e}");
        }
        let strike = Strike { kind: StrikeKind::Deadline, detail: format!("{why}; the rule begins again without its state") };
        error!(rule = seat.admitted.rule.name, "{strike}");
        let what = Said::Strike { kind: strike.kind, detail: strike.detail };
        self.tell(&seat, self.busy_at.load(Ordering::Relaxed), what);
    }
}

impl Watch {
    fn run(&self, desks: &[Arc<Desk>]) {
        let mut looks: Vec<Look> = desks.iter().map(|_| Look::default()).collect();
        while !self.stopped_within(WATCH_EVERY) {
            for (desk, look) in desks.iter().zip(&mut looks) {
                let slot = desk.busy.load(Ordering::Relaxed);
                let seat = desk.seat(slot);
                let count = seat.pulse.load(Ordering::Relaxed);
                if look.is_stuck((slot, count), Instant::now(), seat.deadline + STUCK_AFTER) {
                    self.abandoned.fetch_add(1, Ordering::Relaxed);
                    desk.replace("a call did not end and its thread was given up");
                } else if desk.has_panicked() {
                    desk.replace("the worker thread died");
                }
            }
        }
    }

    fn stopped_within(&self, time: Duration) -> bool {
        let waited = self.wake.wait_timeout_while(lock(&self.stopping), time, |stop| !*stop);
        *waited.unwrap_or_else(PoisonError::into_inner).0
    }
}

/// What the watcher saw last: slot, how many of its guest calls had begun or ended, and since when it saw nothing else.
#[derive(Default)]
struct Look {
    seen: Option<((usize, u64), Instant)>,
}

impl Look {
    /// An odd count means that a call is running.
    fn is_stuck(&mut self, now_at: (usize, u64), now: Instant, limit: Duration) -> bool {
        match self.seen {
            Some((seen, since)) if seen == now_at => !now_at.1.is_multiple_of(2) && now.duration_since(since) > limit,
            _ => {
                self.seen = Some((now_at, now));
                false
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
