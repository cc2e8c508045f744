//! A siren or beacon: switched on for a while, and read back. Advisory: it draws attention and protects nothing, and no process depends on it. It writes one
//! coil, or one topic, that the site file lists, and nothing else; the only place of the program that writes to a device at all.
//! Must not know: who is told else, when to try again.

use super::super::deliver::Delivered;
use super::broker;
use crate::config::types::{Annunciator, Drive};
use brain::AlarmId;
use brain::notice::{Notice, Reason};
use brain::site::Mode;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpStream;
use tokio::sync::Mutex;
use tokio::time::{Instant, sleep, sleep_until, timeout};
use tokio_modbus::client::{Reader, Writer, tcp};
use tokio_modbus::slave::Slave;

/// How long a test sounds.
const TEST: Duration = Duration::from_secs(2);
/// Between two tries to silence what should be silent.
const AGAIN: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(60));

/// Switches one annunciator.
#[derive(Clone, Debug)]
pub struct Switch {
    spec: Arc<Annunciator>,
    /// Held while the device is spoken to: one at a time.
    sounding: Arc<Mutex<Sounding>>,
}

#[derive(Debug, Default)]
struct Sounding {
    /// For which alarms, and until when.
    until: BTreeMap<AlarmId, Instant>,
    /// Something waits to silence it.
    silencing: bool,
}

/// What a notice asks of it.
enum Wish {
    Sound,
    /// The alarm asks for nobody any more.
    Rest,
    /// The drill is over: it is silent, also where an earlier run of it switched it on.
    End,
    Nothing(&'static str),
}

impl Switch {
    /// Speaks to nobody yet.
    pub fn new(spec: Annunciator) -> Switch {
        Switch { spec: Arc::new(spec), sounding: Arc::default() }
    }

    /// What an earlier run left sounding is silenced once its time is over.
    pub async fn begin(&self) {
        let mut sounding = self.sounding.lock().await;
        self.silence_later(&mut sounding, Instant::now() + self.sound());
    }

    /// One try. The receipt is the device's own word that it is on.
    pub async fn deliver(&self, notice: &Notice) -> Delivered {
        let done = match self.wish(notice) {
            Wish::Nothing(why) => Ok(why.to_owned()),
            Wish::Sound => self.sound_for(notice.alarm.id).await,
            Wish::Rest => self.rest(notice.alarm.id).await,
            Wish::End => self.end(notice.alarm.id).await,
        };
        match done {
            Ok(code) => Delivered::Receipt { code, accepted: false },
            Err(detail) => Delivered::Failed { detail, rejected: false },
        }
    }

    /// Sounds for a moment. What was read back, or what is wrong.
    ///
    /// # Errors
    /// It cannot be reached, or does not say that it did what it was told; for people.
    pub async fn test(&self) -> Result<String, String> {
        let mut sounding = self.sounding.lock().await;
        let on = self.set(true).await?;
        sleep(TEST).await;
        if !sounding.until.is_empty() {
            return Ok(format!("{on}; it goes on, an alarm sounds"));
        }
        match self.set(false).await {
            Ok(off) => Ok(format!("{on}; {off}")),
            Err(error) => {
                self.silence_later(&mut sounding, Instant::now());
                Err(format!("{on}; not silenced yet: {error}"))
            }
        }
    }

    fn sound(&self) -> Duration {
        Duration::from_millis(self.spec.sound_ms)
    }

    fn wish(&self, notice: &Notice) -> Wish {
        if notice.mode != Mode::Actual && !self.spec.drills {
            return Wish::Nothing("not sounded: no real danger");
        }
        match notice.reason {
            Reason::Opened | Reason::Reopened | Reason::Raised | Reason::Overdue | Reason::Repeated => Wish::Sound,
            Reason::Acknowledged | Reason::Cleared | Reason::Closed | Reason::Suppressed => Wish::Rest,
            Reason::Ended => Wish::End,
            Reason::Lowered | Reason::Renewed | Reason::Accepted | Reason::Instructed | Reason::Handled | Reason::Accident => {
                Wish::Nothing("nothing to sound")
            }
        }
    }

    async fn sound_for(&self, alarm: AlarmId) -> Result<String, String> {
        let mut sounding = self.sounding.lock().await;
        let said = self.set(true).await;
        // Also where the answer was lost: it may sound.
        let until = Instant::now() + self.sound();
        sounding.until.insert(alarm, until);
        self.silence_later(&mut sounding, until);
        said
    }

    async fn rest(&self, alarm: AlarmId) -> Result<String, String> {
        let mut sounding = self.sounding.lock().await;
        match (sounding.until.remove(&alarm), sounding.until.is_empty()) {
            (None, _) => Ok("silent for this alarm already".to_owned()),
            (Some(_), false) => Ok("sounds on for another alarm".to_owned()),
            (Some(until), true) => {
                let said = self.set(false).await;
                if said.is_err() {
                    sounding.until.insert(alarm, until);
                }
                said
            }
        }
    }

    async fn end(&self, alarm: AlarmId) -> Result<String, String> {
        let mut sounding = self.sounding.lock().await;
        sounding.until.remove(&alarm);
        match sounding.until.is_empty() {
            true => self.set(false).await,
            false => Ok("sounds on for another alarm".to_owned()),
        }
    }

    /// Sees to it that it is silent once nothing sounds any more.
    fn silence_later(&self, sounding: &mut Sounding, first: Instant) {
        if !std::mem::replace(&mut sounding.silencing, true) {
            tokio::spawn(self.clone().silence(first));
        }
    }

    async fn silence(self, first: Instant) {
        let (mut due, mut wait) = (first, AGAIN.0);
        loop {
            sleep_until(due).await;
            let mut sounding = self.sounding.lock().await;
            let now = Instant::now();
            sounding.until.retain(|_, until| *until > now);
            if let Some(last) = sounding.until.values().max() {
                due = *last;
                continue;
            }
            match self.set(false).await {
                Ok(_) => {
                    sounding.silencing = false;
                    return;
                }
                Err(error) => {
                    tracing::warn!("an annunciator is not silenced yet: {error}");
                    (due, wait) = (Instant::now() + wait, (wait * 2).min(AGAIN.1));
                }
            }
        }
    }

    /// Switches it, and asks whether it did.
    async fn set(&self, on: bool) -> Result<String, String> {
        let word = if on { "on" } else { "off" };
        match &self.spec.drive {
            Drive::Coil { host, port, unit, coil, timeout_ms } => {
                let limit = Duration::from_millis(*timeout_ms);
                let place = format!("coil {coil} of unit {unit} at {host}:{port}");
                let switched = timeout(limit, switch(host, *port, *unit, *coil, on)).await;
                match switched.map_err(|_| format!("{place}: no answer within {timeout_ms} ms"))? {
                    Ok(read) if read == on => Ok(format!("{place} reads back {word}")),
                    Ok(_) => Err(format!("{place} was switched {word} and reads back otherwise")),
                    Err(error) => Err(format!("{place}: {error}")),
                }
            }
            Drive::Topic { broker, topic, payloads, state } => {
                let payload = if on { &payloads.0 } else { &payloads.1 };
                let answer = state.as_deref().map(|state| (state, payload.as_str()));
                broker::publish(broker, topic, payload.clone().into_bytes(), answer).await?;
                Ok(match state {
                    Some(state) => format!("{topic} {word}, {state} says so"),
                    None => format!("{topic} {word}, PUBACK, no read-back"),
                })
            }
        }
    }
}

/// Writes one coil and reads it back.
async fn switch(host: &str, port: u16, unit: u8, coil: u16, on: bool) -> Result<bool, String> {
    let stream = TcpStream::connect((host, port)).await.map_err(|error| error.to_string())?;
    let mut device = tcp::attach_slave(stream, Slave(unit));
    let said = |error: tokio_modbus::Error| match error {
        tokio_modbus::Error::Protocol(_) => "an answer to another question".to_owned(),
        tokio_modbus::Error::Transport(error) => format!("the connection ended: {}", error.kind()),
    };
    let refused = |code: tokio_modbus::ExceptionCode| format!("the device refuses: {code}");
    device.write_single_coil(coil, on).await.map_err(said)?.map_err(refused)?;
    let read = device.read_coils(coil, 1).await.map_err(said)?.map_err(refused)?;
    read.first().copied().ok_or_else(|| "an empty answer".to_owned())
}
