//! The time the shell hands in. Brain time runs with the monotonic clock alone: nobody can set it, so no deadline comes early or late. What the wall
//! clock shows beside it is compared once a second, and told as an event where it changed. Must not know: who uses the time.

use crate::links::Now;
use brain::{Event, Micros};
use std::ops::Range;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// Differences up to this are not followed: nobody reads them off a clock.
const TOLERANCE_US: Micros = 500_000;
/// What a clock can show while this program is in use, 2025 to 2074: a dead battery shows 1970, a broken one anything.
const POSSIBLE: Range<Micros> = 1_735_689_600_000_000..3_313_526_400_000_000;
/// A look at both clocks that took longer was interrupted, and says nothing of their difference.
const LOOK_MAX: Duration = Duration::from_millis(20);

/// One look at the two clocks of the machine.
#[derive(Clone, Copy, Debug)]
pub struct Look {
    /// The wall clock, microseconds since 1970-01-01 UTC.
    pub wall: Micros,
    /// The monotonic clock, microseconds since any moment.
    pub steady: Micros,
}

/// Looks at the clocks of the machine.
pub fn machine() -> Box<dyn Fn() -> Look + Send + Sync> {
    let began = Instant::now();
    Box::new(move || {
        let look = || {
            let before = Instant::now();
            let wall = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, micros);
            (Look { wall, steady: micros(before - began) }, before.elapsed())
        };
        let (mut now, mut took) = look();
        for _ in 0..3 {
            if took <= LOOK_MAX {
                break;
            }
            (now, took) = look();
        }
        now
    })
}

fn micros(time: Duration) -> Micros {
    Micros::try_from(time.as_micros()).unwrap_or(Micros::MAX)
}

/// What a stop counts for, at most (own default).
///
/// A clock that is possible and wrong at a boot cannot be told from a right one: what it adds comes early by as much, up to this. That is borne because
/// what comes early is on the safe side. Silence, standing still and the wait of a limit to end its alarm begin anew with each start; what a rung, a
/// lease, a renewal or a missing receipt brings is one more call or one more alarm, and a danger that was waiting to count counts. The other way,
/// counting less than the clock says where nobody disciplines it, would make every stop of a plant without a time server late: a ladder that waits
/// for days is the danger. What is kept (`journal_days`) loses seven days at most.
const STOP_MAX_US: Micros = 7 * 86_400_000_000;

/// Brain time, and how the wall clock is known to read beside it.
pub struct Clock {
    look: Box<dyn Fn() -> Look + Send + Sync>,
    /// Brain time when the monotonic clock shows 0.
    base: Micros,
    /// Brain time when this run began.
    since: Micros,
    ahead: AtomicI64,
    wrong: AtomicBool,
}

impl Clock {
    /// Goes on where the record ends: `last` is its last brain time, `known` what it says of the wall clock. The time between counts as the wall
    /// clock says, seven days of it at most: a clock that is wrong by years must not make all that is kept look old. Where it shows what cannot be, or
    /// a time before the end of the record, or was in doubt, nobody knows how long it was, and none of it counts.
    pub fn start(look: Box<dyn Fn() -> Look + Send + Sync>, last: Micros, known: &brain::Clock) -> Clock {
        let now = look();
        let by_wall = now.wall.saturating_sub(known.ahead());
        let at = match POSSIBLE.contains(&now.wall) {
            true if last == 0 => by_wall,
            true if !known.is_doubtful() => by_wall.clamp(last, last.saturating_add(STOP_MAX_US)),
            true | false => last.max(POSSIBLE.start),
        };
        let (ahead, wrong) = (AtomicI64::new(known.ahead()), AtomicBool::new(known.is_wrong()));
        Clock { look, base: at - now.steady, since: at, ahead, wrong }
    }

    /// Brain time.
    pub fn now(&self) -> Micros {
        self.base + (self.look)().steady
    }

    /// Brain time, and what was told last of the wall clock beside it.
    pub fn read(&self) -> Now {
        Now { at: self.now(), ahead: self.ahead(), wrong: self.wrong.load(Ordering::Relaxed) }
    }

    /// Wall clock minus brain time, as told last.
    pub fn ahead(&self) -> Micros {
        self.ahead.load(Ordering::Relaxed)
    }

    /// What to tell, where the wall clock reads differently from what was told last. To be called at a start, and each second.
    pub fn check(&self) -> Option<Event> {
        let look = (self.look)();
        let now = self.base + look.steady;
        let (wrong, ahead) = (!POSSIBLE.contains(&look.wall), look.wall - now);
        let same = (ahead - self.ahead()).abs() <= TOLERANCE_US;
        if same && wrong == self.wrong.load(Ordering::Relaxed) {
            return None;
        }
        self.ahead.store(ahead, Ordering::Relaxed);
        self.wrong.store(wrong, Ordering::Relaxed);
        Some(Event::Clock { since: self.since, ahead, wrong })
    }
}

#[cfg(test)]
mod tests;
