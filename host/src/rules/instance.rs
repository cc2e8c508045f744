//! One rule at work: it is asked, it answers, and when it fails it is replaced by a fresh instance in the same state.
//! Must not know: threads, queues, who reads the findings.
//!
//! A strike drops the store. A new one gets `init`, the last snapshot, and the batches since it once more; what was found in those was
//! already told and is dropped. Then the batch that failed is tried again. If it fails again it is a poison batch: skipped for ever.

use super::admission::{Admitted, Plan};
use super::bindings::{columns, export};
use super::foreign::beginning;
use super::history::{History, LastQuality};
use super::logging::Line;
use super::mailbox::CALL_ROWS_MAX;
use super::sandbox::{Pulse, Sandbox, thread_time};
use super::strike::Strike;
use brain::event::{Row, StrikeKind};
use brain::finding::Finding;
use brain::reading::Micros;
use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// Batches after which a snapshot is taken.
const SNAPSHOT_BATCHES: usize = 64;
/// The same over history, where many calls are made and nobody waits for a recovery.
const SNAPSHOT_BATCHES_OF_HISTORY: usize = 256;
/// Batch time after which a snapshot is taken, microseconds.
const SNAPSHOT_EVERY_US: Micros = 10_000_000;
/// Batches after which an interpreted rule gets a fresh store: interpreters collect what nobody sees from outside. Own default.
const RECYCLED_AFTER: usize = 1000;
/// Tries to rebuild an instance within one batch.
const REBUILDS_MAX: usize = 3;
/// Processor time of one recovery, all its tries together: what is behind it waits (own default). The step that runs when it is over ends by its
/// own limit.
const RECOVERY_TIME: Duration = Duration::from_millis(250);
/// Fuel since the last snapshot after which another one is taken: what is given again after a strike costs as much, and this burns in 15 to 50 ms.
const SNAPSHOT_FUEL: u64 = 256_000_000;

/// What came of one batch.
#[derive(Debug, Default, PartialEq)]
pub struct Answer {
    /// What the rule claims; empty when it has nothing to say, or could not.
    pub findings: Vec<Finding>,
    /// What it did wrong on the way, in order. Findings beside a strike stand: the second try gave them, or only a severity was above its
    /// worst.
    pub strikes: Vec<Strike>,
    /// What it logged.
    pub lines: Vec<Line>,
    /// Lines beyond what is shown, of this batch and those before, of which no line says so yet.
    pub muted: u64,
    /// Phrases that were given as many numbers as they do not have places.
    pub misfits: Vec<String>,
    /// The batch failed twice, or there was no instance to give it to: its rows are judged never.
    pub skipped: bool,
}

/// What a rule has used, at most.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Used {
    /// Fuel of the `evaluate` that came closest to what it may use.
    pub fuel: u64,
    /// Fuel that this call might have used.
    pub fuel_max: u64,
    /// Rows of that call.
    pub rows: usize,
    /// Linear memory, bytes.
    pub memory: usize,
}

impl Used {
    /// The most of both.
    #[must_use]
    pub fn most(self, other: Used) -> Used {
        let share = |used: &Used| used.fuel as f64 / used.fuel_max.max(1) as f64;
        let higher = if share(&other) > share(&self) { other } else { self };
        Used { memory: self.memory.max(other.memory), ..higher }
    }
}

/// One rule at work. Starts with the first batch.
pub struct Instance {
    plan: Arc<Plan>,
    sandbox: Option<Sandbox>,
    history: Arc<Mutex<History>>,
    last: LastQuality,
    /// Time of the first batch, given to every `init`.
    born: Option<Micros>,
    snapshot: Option<Snapshot>,
    /// Batches since the snapshot.
    since: VecDeque<Batch>,
    /// Fuel that these have used.
    fuel_since: u64,
    /// Batches that its store has seen.
    age: usize,
    /// Batches, and batch time, after which a snapshot is taken.
    snapshots: (usize, Micros),
    used: Used,
    pulse: Pulse,
    /// Processor time of each call that failed, its sense made or not; kept where somebody asks for it.
    cuts: Option<Vec<Duration>>,
}

#[derive(Clone)]
struct Snapshot {
    state: Vec<u8>,
    at: Micros,
}

#[derive(Clone)]
struct Batch {
    at: Micros,
    rows: Vec<Row>,
    /// Failed twice: its rows happened, but it is never evaluated again.
    poison: bool,
}

impl Instance {
    /// Nothing of the plug-in runs yet.
    pub fn new(admitted: &Admitted) -> Instance {
        let plan = admitted.plan.clone();
        let history = History::new(plan.keep.iter().copied());
        Instance {
            last: LastQuality::new(plan.keep.len()),
            plan,
            sandbox: None,
            history: Arc::new(Mutex::new(history)),
            born: None,
            snapshot: None,
            since: VecDeque::new(),
            fuel_since: 0,
            age: 0,
            snapshots: (SNAPSHOT_BATCHES, SNAPSHOT_EVERY_US),
            used: Used::default(),
            pulse: Pulse::default(),
            cuts: None,
        }
    }

    /// Measures from here on how soon each failing call is ended: for tests and benchmarks.
    pub fn measured(self) -> Instance {
        Instance { cuts: Some(Vec::new()), ..self }
    }

    /// Processor time of each failing call since the last time that this was asked.
    pub fn take_cuts(&mut self) -> Vec<Duration> {
        self.cuts.as_mut().map(std::mem::take).unwrap_or_default()
    }

    /// The same for a back-test: snapshots are fewer, and cost more to go on from after a strike; what it says is the same.
    pub fn of_history(admitted: &Admitted) -> Instance {
        Instance { snapshots: (SNAPSHOT_BATCHES_OF_HISTORY, Micros::MAX), ..Instance::new(admitted) }
    }

    /// Its calls as seen from outside.
    pub(super) fn pulse(&self) -> Pulse {
        self.pulse.clone()
    }

    /// Longest `evaluate` that is no strike.
    pub(super) fn deadline(&self) -> Duration {
        self.plan.caps.deadline
    }

    /// What it has used so far.
    pub fn used(&self) -> Used {
        self.used
    }

    /// Asks the rule. `at` never goes back; no rows: only time passed. Blocks for a deadline at most; after a strike for two of them and two
    /// recoveries.
    pub fn evaluate(&mut self, at: Micros, rows: &[Row]) -> Answer {
        let mut answer = Answer::default();
        let plan = self.plan.clone();
        let rows = &*plan.codes.judged(rows);
        self.born.get_or_insert(at);
        if self.sandbox.is_none() && !self.recover(&mut answer) {
            answer.skipped = true;
            return answer;
        }
        self.last.give(rows);
        self.history().give(rows);
        let mut batch = Batch { at, rows: rows.to_vec(), poison: false };
        let mut findings = self.attempt(&batch, &mut answer);
        if findings.is_none() {
            findings = self.try_again(&batch, &mut answer);
        }
        batch.poison = findings.is_none();
        self.since.push_back(batch);
        match findings {
            Some(findings) => answer.findings = findings,
            None => {
                answer.skipped = true;
                self.recover(&mut answer);
            }
        }
        if let Some(sandbox) = &mut self.sandbox {
            answer.lines.extend(sandbox.take_lines());
            answer.muted = sandbox.muted_lines();
        }
        self.age += 1;
        self.snapshot_if_due(at, &mut answer);
        answer
    }

    /// What an heir begins with: the same, and nothing at work.
    pub(super) fn as_it_stands(&self) -> Instance {
        Instance {
            plan: self.plan.clone(),
            sandbox: None,
            history: Arc::new(Mutex::new(self.history().clone())),
            last: self.last.clone(),
            snapshot: self.snapshot.clone(),
            since: self.since.clone(),
            pulse: Pulse::default(),
            cuts: None,
            ..*self
        }
    }

    /// Begins where another one stands, bound to the same tags: with its state where both keep the same kind, else with the rows it saw last. What
    /// is found in those is the other one's to tell. Returns what went wrong on the way, and how it began.
    pub(super) fn inherit(&mut self, from: &Instance) -> (Answer, String) {
        let mut answer = Answer::default();
        let Some(born) = from.born else { return (answer, "from nothing".to_owned()) };
        self.pulse.takes_long();
        (self.born, self.last) = (Some(born), from.last.clone());
        // What the other one knew as a state may be none to this one.
        let plan = self.plan.clone();
        let seen = |rows: &[Row]| plan.codes.judged(rows).into_owned();
        let since = || from.since.iter().map(|batch| Batch { at: batch.at, rows: seen(&batch.rows), poison: false });
        let kind = |plan: &Plan| (plan.package.description.id.clone(), plan.package.description.state_version);
        if kind(&self.plan) == kind(&from.plan) && from.snapshot.is_some() {
            (self.snapshot, self.since) = (from.snapshot.clone(), since().collect());
            *self.history() = lock(&from.history).heir(&plan.keep, |row| plan.codes.one(row));
            match self.rebuild(&Recovery::begins()) {
                Ok(sandbox) => {
                    self.sandbox = Some(sandbox);
                    return (answer, format!("with its state and {} batches", self.since.len()));
                }
                Err(strike) => {
                    answer.lines.push(Line { level: tracing::Level::WARN, text: format!("its state is not taken: {strike}") })
                }
            }
            self.forget();
        }
        let until = from.snapshot.as_ref().map_or(born, |snapshot| snapshot.at);
        let old = seen(&lock(&from.history).before_mark());
        let mut at = born.min(old.first().map_or(born, |row| row.source_us));
        let batch = |rows: &[Row]| {
            at = at.max(rows.last().map_or(at, |row| row.source_us)).min(until);
            Batch { at, rows: rows.to_vec(), poison: false }
        };
        self.since = old.chunks(CALL_ROWS_MAX).map(batch).chain(since()).collect();
        let rows: usize = self.since.iter().map(|batch| batch.rows.len()).sum();
        self.recover(&mut answer);
        (answer, format!("with the last {rows} rows"))
    }

    /// Taken down and put up again from its own snapshot, as any plant may do between two batches. For who tries a rule.
    ///
    /// # Errors
    /// It gives no snapshot, or does not take its own.
    pub fn reborn(&mut self, at: Micros) -> Result<(), Strike> {
        let Some(sandbox) = &mut self.sandbox else { return Ok(()) };
        self.snapshot = Some(Snapshot { state: sandbox.snapshot()?, at });
        self.forget_since();
        self.history().mark();
        // Tried again as after a strike: a busy machine is no fault of the rule.
        let mut rebuilt = self.rebuild(&Recovery::begins());
        for _ in 1..REBUILDS_MAX {
            if rebuilt.is_err() {
                rebuilt = self.rebuild(&Recovery::begins());
            }
        }
        self.sandbox = Some(rebuilt?);
        Ok(())
    }

    /// One call. A strike is noted and costs the sandbox.
    fn attempt(&mut self, batch: &Batch, answer: &mut Answer) -> Option<Vec<Finding>> {
        let sandbox = self.sandbox.as_mut()?;
        let judged = timed(&mut self.cuts, || judge(&self.plan, sandbox, batch, &self.last));
        let rows = batch.rows.len();
        let (fuel, fuel_max) = (sandbox.fuel_used(rows), sandbox.fuel_for(rows));
        self.fuel_since = self.fuel_since.saturating_add(fuel);
        self.used = self.used.most(Used { fuel, fuel_max, rows, memory: sandbox.memory_bytes() });
        match judged {
            Ok(Judged { findings, above, misfits }) => {
                answer.strikes.extend(above);
                answer.misfits = misfits;
                Some(findings)
            }
            Err(strike) => {
                answer.lines.extend(sandbox.take_lines());
                answer.strikes.push(strike);
                self.sandbox = None;
                None
            }
        }
    }

    /// A batch failed: once more, on a fresh instance in the state before it.
    fn try_again(&mut self, batch: &Batch, answer: &mut Answer) -> Option<Vec<Finding>> {
        if !self.recover(answer) {
            return None;
        }
        self.history().give(&batch.rows);
        self.attempt(batch, answer)
    }

    /// Fresh instance, last snapshot, the batches since. False when even that fails, or takes too long: the next batch tries again, without them.
    fn recover(&mut self, answer: &mut Answer) -> bool {
        if self.snapshot.is_some() || !answer.strikes.is_empty() {
            self.pulse.takes_long(); // not its first start
        }
        let recovery = Recovery::begins();
        for _ in 0..REBUILDS_MAX {
            match self.rebuild(&recovery) {
                Ok(sandbox) => {
                    self.sandbox = Some(sandbox);
                    return true;
                }
                Err(strike) => answer.strikes.push(strike),
            }
            if recovery.goes_on(0).is_err() {
                break;
            }
        }
        self.forget();
        false
    }

    /// Its own state does not bear it: begin again without, rather than lose the rule.
    fn forget(&mut self) {
        self.sandbox = None;
        self.snapshot = None;
        self.forget_since();
        self.history().clear();
    }

    fn forget_since(&mut self) {
        self.since.clear();
        self.fuel_since = 0;
    }

    fn rebuild(&mut self, recovery: &Recovery) -> Result<Sandbox, Strike> {
        let first_life = self.snapshot.is_none();
        let mut sandbox = self.plan.sandbox(self.history.clone(), self.pulse.clone())?;
        let start = export::Start { at: self.born.unwrap_or_default(), ..self.plan.start.clone() };
        timed(&mut self.cuts, || sandbox.init(&start))?.map_err(|own| Strike {
            kind: StrikeKind::Nonsense,
            detail: format!(
                "refused to start with what it accepted at admission: {}",
                own.first().map(|fault| beginning(&fault.text)).unwrap_or_default()
            ),
        })?;
        recovery.goes_on(self.since.len())?;
        match &self.snapshot {
            Some(s) => {
                timed(&mut self.cuts, || sandbox.restore(self.plan.package.description.state_version, &s.state))?;
            }
            None => {
                let state = timed(&mut self.cuts, || sandbox.snapshot())?;
                self.snapshot = Some(Snapshot { state, at: self.born.unwrap_or_default() });
            }
        }
        self.history().rewind();
        let mut left = self.since.len();
        for batch in &mut self.since {
            recovery.goes_on(left)?;
            left -= 1;
            lock(&self.history).give(&batch.rows);
            if !batch.poison
                && let Err(strike) = judge(&self.plan, &mut sandbox, batch, &self.last)
            {
                batch.poison = true;
                return Err(strike);
            }
        }
        if !first_life {
            sandbox.take_lines(); // told the first time
        }
        Ok(sandbox)
    }

    fn snapshot_if_due(&mut self, at: Micros, answer: &mut Answer) {
        let (batches, every) = self.snapshots;
        let due = self.since.len() >= batches || self.fuel_since >= SNAPSHOT_FUEL;
        let due = due || self.snapshot.as_ref().is_some_and(|s| at.saturating_sub(s.at) >= every);
        let Some(sandbox) = self.sandbox.as_mut().filter(|_| due) else {
            return;
        };
        match timed(&mut self.cuts, || sandbox.snapshot()) {
            Ok(state) => {
                self.snapshot = Some(Snapshot { state, at });
                self.forget_since();
                self.history().mark();
                if self.plan.package.is_interpreted() && self.age >= RECYCLED_AFTER {
                    self.age = 0;
                    self.recover(answer);
                }
            }
            Err(strike) => {
                answer.strikes.push(strike);
                self.sandbox = None;
                if self.since.len() >= 2 * self.snapshots.0 {
                    self.forget();
                }
            }
        }
    }

    fn history(&self) -> MutexGuard<'_, History> {
        lock(&self.history)
    }
}

/// Notes the processor time of a call that failed, where somebody asks for it.
fn timed<T>(cuts: &mut Option<Vec<Duration>>, call: impl FnOnce() -> Result<T, Strike>) -> Result<T, Strike> {
    let began = cuts.is_some().then(thread_time);
    let answer = call();
    if let (Some(began), Some(cuts), Err(_)) = (began, cuts, &answer) {
        cuts.push(thread_time().saturating_sub(began));
    }
    answer
}

/// The processor time that one recovery has used.
struct Recovery {
    began: Duration,
}

impl Recovery {
    fn begins() -> Recovery {
        Recovery { began: thread_time() }
    }

    /// There is time for more; or what so many batches that are left cost it.
    fn goes_on(&self, left: usize) -> Result<(), Strike> {
        if thread_time().saturating_sub(self.began) <= RECOVERY_TIME {
            return Ok(());
        }
        let ms = RECOVERY_TIME.as_millis();
        let detail = format!(
            "to put it up again in the state before takes more than {ms} ms, with {left} batches still to come: it begins again without its state; \
             do less in `init`, `restore` and each call"
        );
        Err(Strike { kind: StrikeKind::Deadline, detail })
    }
}

/// A panic elsewhere cannot have left the rings half-written in a way that matters more than going on.
fn lock(history: &Mutex<History>) -> MutexGuard<'_, History> {
    history.lock().unwrap_or_else(PoisonError::into_inner)
}

/// An answer that makes sense.
struct Judged {
    findings: Vec<Finding>,
    above: Option<Strike>,
    misfits: Vec<String>,
}

/// Asks and makes sense of the answer. `above` is a severity above its worst: a strike, but the finding stands.
fn judge(plan: &Plan, sandbox: &mut Sandbox, batch: &Batch, last: &LastQuality) -> Result<Judged, Strike> {
    let nonsense = |detail| Strike { kind: StrikeKind::Nonsense, detail };
    let answer = sandbox.evaluate(batch.at, &columns(&batch.rows))?;
    let (findings, above) = plan.lexicon.findings(&answer, last).map_err(nonsense)?;
    Ok(Judged { findings, above: above.map(nonsense), misfits: plan.lexicon.misfits(&answer) })
}

#[cfg(test)]
#[path = "instance_tests.rs"]
mod tests;
