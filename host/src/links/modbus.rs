//! The owner of one Modbus TCP connection: scans by period, one request at a time, reconnects after any answer that does not fit.
//!
//! Owns: when what is asked, and what a refusal means for the tags. Must not know: frames (`bus`), register layouts (`decode`).
//! Reads only: functions 1 to 4 are all that `bus` can say.

mod bus;
mod decode;
pub(super) mod fuzzing;
mod plan;

use super::back_off::BackOff;
use super::hold::Hold;
use super::{Outlet, count};
use crate::config::types::Modbus;
use brain::event::LinkState;
use brain::{Quality, Reading};
use bus::{Answer, Bus, Poison};
use decode::Data;
use plan::Read;
use std::collections::{BTreeMap, HashMap};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::time::Duration;
use tokio::time::{Instant, sleep_until};

/// Failures in a row after which a unit is left alone. This and all below are our own defaults.
const FAILURES_MAX: u32 = 3;
/// How often a unit that is left alone is tried: a dead unit must not cost the living ones their time. The only unit of a link
/// costs nobody anything and is tried with the back-off of the link.
const UNIT_RETRY: Duration = Duration::from_secs(30);
/// How often a single point that the device refused is tried.
const POINT_RETRY: Duration = Duration::from_secs(600);
/// Wait before the one retry of a busy device.
const BUSY_WAIT: Duration = Duration::from_millis(200);
/// First scans are spread over at most this time.
const STAGGER_MAX: Duration = Duration::from_secs(1);

pub(super) async fn run(name: &str, config: Modbus, outlet: &Outlet) {
    let mut poller = Poller::new(name, config, outlet);
    while let Some(class) = poller.next_class().await {
        if let Err(Stopped) = poller.scan(class).await {
            return;
        }
    }
}

/// The points of one period.
struct Class {
    period: Duration,
    due: Instant,
    blocks: Vec<Block>,
}

/// A request and whether the device has refused it.
struct Block {
    read: Read,
    /// Refused as a single point: bad until tried again then.
    refused_until: Option<Instant>,
}

/// What we know of a unit.
#[derive(Default)]
struct Unit {
    failures: u32,
    /// Left alone until then.
    until: Option<Instant>,
}

struct Poller<'a> {
    config: Modbus,
    outlet: &'a Outlet,
    classes: Vec<Class>,
    units: HashMap<u8, Unit>,
    bus: Option<Bus>,
    back_off: BackOff,
    connect_at: Instant,
    /// Until then a gateway may still hold an answer to a question we have given up.
    drained_at: Instant,
    state: Option<LinkState>,
    up_at: Option<Instant>,
    /// Of the scan under way; sent before any change of state, which would otherwise overtake them.
    readings: Vec<Reading>,
    hold: Hold,
}

/// What one request came to.
enum Outcome {
    Data(Data),
    Exception(u8),
    /// Something else than an answer: the connection is gone, the fault may be the unit's.
    Poisoned(String),
    /// There is no connection.
    Unconnected(String),
}

/// We are to stop, or the daemon is gone.
struct Stopped;

impl<'a> Poller<'a> {
    fn new(name: &str, config: Modbus, outlet: &'a Outlet) -> Self {
        let now = Instant::now();
        let mut by_period: BTreeMap<u64, Vec<usize>> = BTreeMap::new();
        for (index, point) in config.points.iter().enumerate() {
            by_period.entry(point.period_ms.max(1)).or_default().push(index);
        }
        let classes = by_period.into_iter().map(|(ms, chosen)| {
            let period = Duration::from_millis(ms);
            let reads = plan::plan(&config.points, chosen, config.gap_max);
            let blocks = reads.into_iter().map(Block::new).collect();
            Class { period, due: now + stagger(name, period), blocks }
        });
        Poller {
            classes: classes.collect(),
            units: config.points.iter().map(|p| (p.unit, Unit::default())).collect(),
            config,
            outlet,
            bus: None,
            back_off: BackOff::new(),
            connect_at: now,
            drained_at: now,
            state: None,
            up_at: None,
            readings: Vec::new(),
            hold: Hold::default(),
        }
    }

    /// Waits for the class that is due first. None = stop.
    async fn next_class(&mut self) -> Option<usize> {
        let due = self.classes.iter().map(|c| c.due).enumerate().min_by_key(|(_, due)| *due);
        let Some((class, due)) = due else {
            self.outlet.stop.cancelled().await;
            return None;
        };
        tokio::select! { biased;
            () = self.outlet.stop.cancelled() => None,
            () = sleep_until(due) => Some(class),
        }
    }

    /// Reads all of a class once and sends what came.
    async fn scan(&mut self, class: usize) -> Result<(), Stopped> {
        let mut blocks = Vec::new();
        let mut may_split = true;
        for mut block in std::mem::take(&mut self.classes[class].blocks) {
            match self.block(&mut block).await? {
                // At most one split in a scan: a device with many holes is not flooded.
                Some(halves) if may_split => {
                    may_split = false;
                    blocks.extend(halves.map(Block::new));
                }
                Some(_) | None => blocks.push(block),
            }
        }
        self.classes[class].blocks = blocks;
        self.end_scan(class);
        self.send()
    }

    fn send(&mut self) -> Result<(), Stopped> {
        let readings = std::mem::take(&mut self.readings);
        if self.hold.send(self.outlet, readings) { Ok(()) } else { Err(Stopped) }
    }

    /// The phase stays; scans whose time has passed are skipped and counted.
    fn end_scan(&mut self, class: usize) {
        let class = &mut self.classes[class];
        class.due += class.period;
        let late = Instant::now().saturating_duration_since(class.due);
        let missed = late.as_nanos() / class.period.as_nanos();
        if missed > 0 {
            let missed = u32::try_from(missed).unwrap_or(u32::MAX);
            class.due += class.period * missed;
            count(&self.outlet.counters.missed_scans, missed.into());
        }
    }

    /// One request with all that may come of it. Some = to be read as these two from the next scan on.
    async fn block(&mut self, block: &mut Block) -> Result<Option<[Read; 2]>, Stopped> {
        let now = Instant::now();
        let unit = block.read.unit;
        if self.units[&unit].until.is_some_and(|until| now < until) {
            self.all_bad(&block.read, Quality::LINK_LOST);
            return Ok(None);
        }
        if block.refused_until.is_some_and(|until| now < until) {
            self.all_bad(&block.read, Quality::BAD);
            return Ok(None);
        }
        match self.ask(&block.read).await? {
            Outcome::Data(data) => {
                block.refused_until = None;
                self.answered(unit).await?;
                self.values(&block.read, &data);
                Ok(None)
            }
            Outcome::Exception(code) => self.refused(block, code).await,
            Outcome::Poisoned(why) => {
                self.failed(unit, &why).await?;
                Ok(None)
            }
            Outcome::Unconnected(why) => {
                self.down(&why).await?;
                Ok(None)
            }
        }
    }

    /// Exception codes: Modbus application protocol V1.1b3, section 7.
    async fn refused(&mut self, block: &mut Block, code: u8) -> Result<Option<[Read; 2]>, Stopped> {
        let unit = block.read.unit;
        match code {
            // The gateway is well, the unit behind it is not.
            10 | 11 => self.failed(unit, &format!("the gateway does not reach unit {unit} (exception {code})")).await?,
            _ => self.answered(unit).await?,
        }
        match code {
            // One of the points, or a hole between them, is not there.
            2 | 3 if block.read.points.len() > 1 => {
                self.all_bad(&block.read, Quality::BAD);
                return Ok(block.read.halves(&self.config.points));
            }
            1..=3 => {
                block.refused_until = Some(Instant::now() + POINT_RETRY);
                self.all_bad(&block.read, Quality::BAD);
            }
            4 => self.all_bad(&block.read, Quality::SENSOR_FAILURE),
            // Still busy after the retry: no value now. Busy for long is silence, and judged as that.
            5 | 6 => {}
            10 | 11 => self.all_bad(&block.read, Quality::LINK_LOST),
            _ => self.all_bad(&block.read, Quality::BAD),
        }
        Ok(None)
    }

    /// Asks once, and once more where the device was busy.
    async fn ask(&mut self, read: &Read) -> Result<Outcome, Stopped> {
        let first = self.ask_once(read).await?;
        if !matches!(first, Outcome::Exception(5 | 6)) {
            return Ok(first);
        }
        if !self.outlet.pause(BUSY_WAIT).await {
            return Err(Stopped);
        }
        self.ask_once(read).await
    }

    async fn ask_once(&mut self, read: &Read) -> Result<Outcome, Stopped> {
        let bus = match self.bus.take() {
            Some(bus) => bus,
            None if Instant::now() < self.connect_at => {
                return Ok(Outcome::Unconnected("not connected".into()));
            }
            None => match self.connect().await? {
                Ok(bus) => bus,
                Err(why) => return Ok(Outcome::Unconnected(why)),
            },
        };
        let limit = Duration::from_millis(self.config.timeout_ms);
        let answer = tokio::select! { biased;
            () = self.outlet.stop.cancelled() => return Err(Stopped),
            answer = bus.read(read, limit) => answer,
        };
        Ok(match answer {
            Ok((bus, Answer::Data(data))) => {
                self.bus = Some(bus);
                Outcome::Data(data)
            }
            Ok((bus, Answer::Exception(code))) => {
                self.bus = Some(bus);
                count(&self.outlet.counters.exceptions, 1);
                Outcome::Exception(code)
            }
            Err(poison) => {
                count(&self.outlet.counters.poisonings, 1);
                Outcome::Poisoned(match poison {
                    Poison::Closed(why) => why,
                    Poison::Unfit(why) => {
                        self.drained_at = Instant::now() + limit;
                        why
                    }
                })
            }
        })
    }

    async fn connect(&mut self) -> Result<Result<Bus, String>, Stopped> {
        let limit = Duration::from_millis(self.config.timeout_ms);
        let made = tokio::select! { biased;
            () = self.outlet.stop.cancelled() => return Err(Stopped),
            made = async {
                sleep_until(self.drained_at).await;
                Bus::connect(&self.config.host, self.config.port, limit).await
            } => made,
        };
        match made {
            Ok(_) => count(&self.outlet.counters.connects, 1),
            Err(_) => self.connect_at = Instant::now() + self.wait(),
        }
        Ok(made)
    }

    /// A unit answered, if only with a refusal: the link is up.
    async fn answered(&mut self, unit: u8) -> Result<(), Stopped> {
        self.units.insert(unit, Unit::default());
        self.up_at.get_or_insert_with(Instant::now);
        self.change(LinkState::Up, &format!("unit {unit} answers")).await
    }

    /// A unit did not answer, or not properly. After three times in a row it is left alone; with no unit left the link is down.
    async fn failed(&mut self, unit: u8, why: &str) -> Result<(), Stopped> {
        let state = self.units.entry(unit).or_default();
        state.failures += 1;
        if state.failures >= FAILURES_MAX {
            let alone = self.units.len() == 1;
            let wait = if alone { self.wait() } else { UNIT_RETRY };
            self.units.entry(unit).or_default().until = Some(Instant::now() + wait);
        }
        if self.units.values().all(|u| u.until.is_some()) {
            return self.down(&format!("no unit answers; last: {why}")).await;
        }
        Ok(())
    }

    fn wait(&mut self) -> Duration {
        let lasted = self.up_at.take().map_or(Duration::ZERO, |up| up.elapsed());
        self.back_off.after(lasted)
    }

    async fn down(&mut self, why: &str) -> Result<(), Stopped> {
        self.change(LinkState::Down, &format!("{}:{}: {why}", self.config.host, self.config.port)).await
    }

    async fn change(&mut self, state: LinkState, reason: &str) -> Result<(), Stopped> {
        if self.state == Some(state) {
            return Ok(());
        }
        // What was read before belongs before: a value after `Down` would look fresh.
        self.send()?;
        self.state = Some(state);
        if self.hold.flush(self.outlet).await && self.outlet.report(state, reason).await { Ok(()) } else { Err(Stopped) }
    }

    fn values(&mut self, read: &Read, data: &Data) {
        let source_us = (self.outlet.clock)().at;
        for &index in &read.points {
            let point = &self.config.points[index];
            let (value, quality) = decode::value(point, data, usize::from(point.address - read.address));
            self.readings.push(Reading { tag: point.tag, value, quality, source_us });
        }
    }

    /// Says that nothing is known of these points. While the link is down that has been said of all of them.
    fn all_bad(&mut self, read: &Read, quality: Quality) {
        if self.state == Some(LinkState::Down) {
            return;
        }
        let source_us = (self.outlet.clock)().at;
        for &index in &read.points {
            let tag = self.config.points[index].tag;
            self.readings.push(Reading { tag, value: f64::NAN, quality, source_us });
        }
    }
}

impl Block {
    fn new(read: Read) -> Self {
        Block { read, refused_until: None }
    }
}

/// Where in its period a link begins, so that many links do not ask at the same moment.
fn stagger(name: &str, period: Duration) -> Duration {
    let mut hasher = DefaultHasher::new();
    name.hash(&mut hasher);
    let span = period.min(STAGGER_MAX).as_micros() as u64;
    Duration::from_micros(hasher.finish() % span.max(1))
}

#[cfg(test)]
mod tests;
