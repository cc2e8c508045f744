//! One store with every limit set: what a component may call, how much it may use, and what it did when it failed.
//! Must not know: what its answers mean, or what happens after a strike.

use super::bindings::{self, RiskRule, RiskRulePre, describing, export, history, log};
use super::engine::TICK;
use super::foreign::beginning;
use super::history::History;
use super::logging::{Flood, Line, Logging};
use super::strike::{self, Call, Exceeded, Strike};
use crate::config::types::Limits;
use brain::event::StrikeKind;
use brain::reading::Micros;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::{Duration, Instant};
use wasmtime::{ResourceLimiter, Store, StoreContextMut, UpdateDeadline};

/// Fuel of one call whatever a rule asks for. Burns in 60-180 ms, so the deadline comes first for any rule that needs it all.
pub(super) const FUEL_MAX: u64 = Limits::MOST.fuel_per_call;
/// Bytes and items the host lifts out of a guest in one call, in wasmtime's hostcall fuel.
const HOSTCALL_FUEL: usize = 1 << 20;
/// The same of a snapshot; four times the largest that a rule may declare.
const SNAPSHOT_LIFTED_MAX: usize = 4 << 20;
/// Time of `describe`, `init`, `snapshot` and `restore`.
const SETUP_TIME: Duration = Duration::from_millis(100);
/// Wall-clock time beyond the deadline after which a call ends even if its thread got no processor: thrice what one would need that has not stepped back.
const STARVED_MAX: Duration = Duration::from_millis(1500);
/// Ticks after which neighbours do not wait for a call that gets no processor either: it may wait for memory.
const STALLED: u32 = 10;
/// Ticks after which a call that takes long is told once more: there may have been nobody to relieve its thread.
const TOLD_EVERY: u64 = 5;
/// Component handles; the contract has no resources, so this only bounds abuse.
const HANDLES_MAX: usize = 0x400;
/// Elements of all tables of a component.
const TABLE_ELEMENTS_MAX: usize = 20_000;
/// Tables of a component, and modules at work in it: one of an interpreter has some dozens.
const PARTS_MAX: usize = 100;

/// What one `evaluate` may use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Caps {
    pub(super) deadline: Duration,
    pub(super) fuel_per_call: u64,
    pub(super) fuel_per_row: u64,
    pub(super) memory_bytes: usize,
    pub(super) snapshot_bytes: usize,
    pub(super) log_lines: u32,
}

impl Caps {
    /// For `describe`, before anybody knows what the plug-in wants.
    pub(super) const DESCRIBE: Caps = Caps {
        deadline: SETUP_TIME,
        fuel_per_call: FUEL_MAX,
        fuel_per_row: 0,
        memory_bytes: 16 << 20,
        snapshot_bytes: 0,
        log_lines: Limits::USUAL.log_lines,
    };
}

/// What is seen of a rule's calls from outside: whether one does not end, and that what it does will take long.
#[derive(Clone, Default)]
pub(super) struct Pulse(Arc<Beats>);

#[derive(Default)]
struct Beats {
    count: AtomicU64,
    was_long: AtomicBool,
    long: OnceLock<Box<dyn Fn() + Send + Sync>>,
}

impl Pulse {
    /// How many guest calls began or ended: odd while one runs.
    pub(super) fn count(&self) -> u64 {
        self.0.count.load(Ordering::Relaxed)
    }

    /// A guest call begins, or ends.
    pub(super) fn beat(&self) {
        self.0.count.fetch_add(1, Ordering::Relaxed);
    }

    /// Whom to tell from now on, once and for all. Told within a call: be quick.
    pub(super) fn when_long(&self, tell: impl FnOnce() -> Box<dyn Fn() + Send + Sync>) {
        self.0.long.get_or_init(tell);
    }

    /// The call that runs takes long.
    pub(super) fn is_long(&self) {
        self.0.was_long.store(true, Ordering::Relaxed);
        self.takes_long();
    }

    /// A call took long since the last time that this was asked.
    pub(super) fn took_long(&self) -> bool {
        self.0.was_long.load(Ordering::Relaxed) && self.0.was_long.swap(false, Ordering::Relaxed)
    }

    /// What its thread does now may take long.
    pub(super) fn takes_long(&self) {
        if let Some(tell) = self.0.long.get() {
            tell();
        }
    }
}

fn exceeded(kind: StrikeKind, text: String) -> wasmtime::Error {
    wasmtime::Error::new(Exceeded(kind, text))
}

/// What a store holds beside the guest's memory: the guest's side of the host.
pub(super) struct Guest {
    history: Arc<Mutex<History>>,
    logging: Logging,
    memory: MemoryCap,
    clock: CallClock,
    pulse: Pulse,
}

struct MemoryCap {
    bytes: usize,
    bytes_max: usize,
    table_elements: usize,
    /// Of those, what was asked for last.
    table_growth: usize,
}

impl ResourceLimiter for MemoryCap {
    /// An error, not `false`: a guest told "no" aborts somewhere inside its allocator, with nothing to tell the vendor.
    fn memory_growing(&mut self, _current: usize, desired: usize, _maximum: Option<usize>) -> wasmtime::Result<bool> {
        if desired <= self.bytes_max {
            self.bytes = desired;
            return Ok(true);
        }
        let (desired, max) = (desired >> 10, self.bytes_max >> 10);
        let text = format!("asked for {desired} KiB of memory, may have {max} KiB");
        Err(exceeded(StrikeKind::Memory, text))
    }

    fn table_growing(&mut self, current: usize, desired: usize, _maximum: Option<usize>) -> wasmtime::Result<bool> {
        self.table_growth = desired.saturating_sub(current);
        self.table_elements = self.table_elements.saturating_add(self.table_growth);
        if self.table_elements <= TABLE_ELEMENTS_MAX {
            return Ok(true);
        }
        let text = format!("asked for tables of {} elements in all, may have {TABLE_ELEMENTS_MAX}", self.table_elements);
        Err(exceeded(StrikeKind::Memory, text))
    }

    /// Beyond its own maximum, say: a guest that can do without goes on.
    fn table_grow_failed(&mut self, _error: wasmtime::Error) -> wasmtime::Result<()> {
        self.table_elements = self.table_elements.saturating_sub(std::mem::take(&mut self.table_growth));
        Ok(())
    }

    fn memories(&self) -> usize {
        1
    }

    fn tables(&self) -> usize {
        PARTS_MAX
    }

    fn instances(&self) -> usize {
        PARTS_MAX
    }
}

/// When the running call began. The deadline counts processor time of the thread: a machine busy elsewhere must not strike a rule.
struct CallClock {
    limit: Duration,
    wall: Instant,
    /// Processor time of the thread, and of the call at most, as of the first tick: most calls end before it, and asking for it costs more than many of
    /// them.
    first: Option<(Duration, Duration)>,
    /// Of an `evaluate`.
    judges: bool,
}

impl CallClock {
    fn start(limit: Duration, judges: bool) -> CallClock {
        CallClock { judges, limit, wall: Instant::now(), first: None }
    }

    /// To be called at each tick that the guest notices: ticks to the next one that matters, and whether it takes long and others wait; none where its time
    /// is over.
    fn left(&mut self) -> Option<(u64, bool, bool)> {
        let (now, wall) = (thread_time(), self.wall.elapsed());
        let (first, before) = *self.first.get_or_insert((now, wall.min(TICK)));
        let since = now.saturating_sub(first);
        if wall > self.limit + STARVED_MAX {
            return None;
        }
        let left = self.limit.checked_sub(before + since)?;
        // Not where the machine is busy elsewhere, which is no fault of the rule.
        let long = since >= TICK;
        let told = if long { TOLD_EVERY } else { 1 };
        Some((ticks(left).clamp(1, told), long, long || wall >= STALLED * TICK))
    }
}

fn ticks(time: Duration) -> u64 {
    (time.as_micros() / TICK.as_micros()) as u64
}

/// Processor time this thread has used.
pub fn thread_time() -> Duration {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: `time` is a valid, writable timespec for the duration of the call.
    let status = unsafe { libc::clock_gettime(libc::CLOCK_THREAD_CPUTIME_ID, &mut time) };
    assert_eq!(status, 0, "every Unix we build for has this clock");
    Duration::new(time.tv_sec as u64, time.tv_nsec as u32)
}

impl log::Host for Guest {
    fn log(&mut self, level: u8, text: String) -> wasmtime::Result<()> {
        self.logging.line(level, text).map_err(|flood: Flood| exceeded(StrikeKind::Log, flood.to_string()))
    }
}

impl history::Host for Guest {
    fn history(&mut self, input: u32, since: Micros, most: u32) -> wasmtime::Result<history::Series> {
        let history = self.history.lock().unwrap_or_else(PoisonError::into_inner);
        Ok(bindings::series(&history.rows(input, since, most)))
    }
}

/// A component at work in its own store. Dead after any strike: drop it.
pub(super) struct Sandbox {
    store: Store<Guest>,
    rule: RiskRule,
    caps: Caps,
    pulse: Pulse,
}

impl Sandbox {
    /// A fresh store and instance; nothing of the plug-in's own has run but its start function.
    pub(super) fn start(
        pre: &RiskRulePre<Guest>,
        caps: Caps,
        history: Arc<Mutex<History>>,
        pulse: Pulse,
    ) -> Result<Sandbox, Strike> {
        let guest = Guest {
            history,
            logging: Logging::new(caps.log_lines),
            memory: MemoryCap { bytes: 0, bytes_max: caps.memory_bytes, table_elements: 0, table_growth: 0 },
            clock: CallClock::start(SETUP_TIME, false),
            pulse: pulse.clone(),
        };
        let mut store = Store::new(pre.engine(), guest);
        store.limiter(|guest| &mut guest.memory);
        store.set_max_component_handles(HANDLES_MAX);
        store.epoch_deadline_callback(on_epoch);
        let call = setup("instantiate");
        prepare(&mut store, call, HOSTCALL_FUEL);
        let rule = metered(&pulse, || pre.instantiate(&mut store)).map_err(|e| strike::of(&e, call, None))?;
        Ok(Sandbox { store, rule, caps, pulse })
    }

    pub(super) fn describe(&mut self) -> Result<describing::Description, Strike> {
        self.call(setup("describe"), HOSTCALL_FUEL, |rule, store| rule.call_describe(store))
    }

    pub(super) fn init(&mut self, start: &export::Start) -> Result<Result<(), Vec<export::Fault>>, Strike> {
        self.call(setup("init"), HOSTCALL_FUEL, |rule, store| rule.call_init(store, start))
    }

    pub(super) fn evaluate(
        &mut self,
        at: Micros,
        columns: &bindings::types::Columns,
    ) -> Result<Vec<bindings::types::Finding>, Strike> {
        self.store.data_mut().logging.refill(at);
        let rows = columns.inputs.len();
        let call = Call { what: "evaluate", rows: Some(rows), fuel: self.fuel_for(rows), time: self.caps.deadline };
        self.call(call, HOSTCALL_FUEL, |rule, store| rule.call_evaluate(store, at, columns))
    }

    pub(super) fn snapshot(&mut self) -> Result<Vec<u8>, Strike> {
        let max = self.caps.snapshot_bytes;
        // Room to lift more than any rule may declare, so that its vendor reads how large it was.
        let state = self.call(setup("snapshot"), SNAPSHOT_LIFTED_MAX, |rule, store| rule.call_snapshot(store))?;
        if state.len() > max {
            return Err(Strike { kind: StrikeKind::Result, detail: strike::large_snapshot(state.len(), max) });
        }
        Ok(state)
    }

    pub(super) fn restore(&mut self, version: u32, state: &[u8]) -> Result<(), Strike> {
        let answer = self.call(setup("restore"), HOSTCALL_FUEL, |rule, store| rule.call_restore(store, version, state))?;
        answer.map_err(|text| Strike {
            kind: StrikeKind::Nonsense,
            detail: format!("refused its own snapshot: {}", beginning(&text)),
        })
    }

    /// Fuel that an `evaluate` of so many rows may use.
    pub(super) fn fuel_for(&self, rows: usize) -> u64 {
        self.caps.fuel_per_row.saturating_mul(rows as u64).saturating_add(self.caps.fuel_per_call).min(FUEL_MAX)
    }

    /// Fuel that the last `evaluate`, of so many rows, has used.
    pub(super) fn fuel_used(&self, rows: usize) -> u64 {
        self.fuel_for(rows).saturating_sub(self.store.get_fuel().unwrap_or_default())
    }

    /// Linear memory that it has taken so far.
    pub(super) fn memory_bytes(&self) -> usize {
        self.store.data().memory.bytes
    }

    /// What it logged since the last time.
    pub(super) fn take_lines(&mut self) -> Vec<Line> {
        std::mem::take(&mut self.store.data_mut().logging.lines)
    }

    /// Lines of its log that nobody was told of.
    pub(super) fn muted_lines(&self) -> u64 {
        self.store.data().logging.muted()
    }

    fn call<T>(
        &mut self,
        call: Call,
        hostcall_fuel: usize,
        run: impl FnOnce(&export::Guest, &mut Store<Guest>) -> wasmtime::Result<T>,
    ) -> Result<T, Strike> {
        prepare(&mut self.store, call, hostcall_fuel);
        let export = self.rule.safety_brain_rule_rule();
        metered(&self.pulse, || run(export, &mut self.store))
            .map_err(|e| strike::of(&e, call, self.store.data().logging.last_words()))
    }
}

/// A call that judges nothing yet.
fn setup(what: &'static str) -> Call {
    Call { what, rows: None, fuel: FUEL_MAX, time: SETUP_TIME }
}

/// Every meter is set anew before every call: none of them renews itself.
fn prepare(store: &mut Store<Guest>, call: Call, hostcall_fuel: usize) {
    store.set_fuel(call.fuel).expect("the engine consumes fuel");
    store.set_epoch_deadline(1);
    store.set_hostcall_fuel(hostcall_fuel);
    let guest = store.data_mut();
    guest.clock = CallClock::start(call.time, call.rows.is_some());
    guest.logging.begin_call();
}

fn on_epoch(mut store: StoreContextMut<'_, Guest>) -> wasmtime::Result<UpdateDeadline> {
    let Guest { clock, pulse, .. } = store.data_mut();
    match clock.left() {
        Some((ticks, long, others_wait)) => {
            if long && clock.judges {
                pulse.is_long();
            } else if others_wait {
                pulse.takes_long();
            }
            Ok(UpdateDeadline::Continue(ticks))
        }
        None => {
            let text = format!("no answer within {} ms", clock.limit.as_millis());
            Err(exceeded(StrikeKind::Deadline, text))
        }
    }
}

fn metered<T>(pulse: &Pulse, call: impl FnOnce() -> T) -> T {
    pulse.beat();
    let answer = call();
    pulse.beat();
    answer
}
