//! How much room is left and how long it lasts at the present growth. Measures only: what is bad is the brain's to say.
//! Must not know: who is told.

use crate::journal::Usage;
use anyhow::ensure;
use brain::Micros;
use std::collections::VecDeque;
use std::ffi::CString;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

const DAY_US: Micros = 86_400_000_000;
/// Measurements this far apart are kept, as many as make a day.
const KEPT_EVERY: Micros = 600_000_000;
const KEPT: usize = 145;
/// A growth measured over less than this says nothing.
const SPAN_MIN: Micros = 6 * 3_600_000_000;
/// Pruning that is so late does not go on.
const LATE: Micros = 6 * 3_600_000_000;
/// What lasts longer lasts.
const DAYS_MAX: f64 = 3650.0;

/// Room of a file system, bytes. What only the superuser may use is not counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Disk {
    /// Free.
    pub free: u64,
    /// Free and used.
    pub total: u64,
}

impl Disk {
    /// Of the file system that holds `path`.
    ///
    /// # Errors
    /// The system does not say.
    pub fn of(path: &Path) -> anyhow::Result<Disk> {
        let name = CString::new(path.as_os_str().as_bytes())?;
        let mut stat = std::mem::MaybeUninit::<libc::statvfs>::zeroed();
        // SAFETY: a C string that lives through the call, and room for what is written; zeroes are a valid value of it.
        let (status, stat) = unsafe { (libc::statvfs(name.as_ptr(), stat.as_mut_ptr()), stat.assume_init()) };
        ensure!(status == 0, "cannot measure the room of {}: {}", path.display(), std::io::Error::last_os_error());
        let bytes = |blocks: u64| blocks.saturating_mul(stat.f_frsize);
        let free = bytes(stat.f_bavail);
        Ok(Disk { free, total: free + bytes(stat.f_blocks.saturating_sub(stat.f_bfree)) })
    }

    /// Free part, percent.
    pub fn free_percent(&self) -> f64 {
        self.free as f64 * 100.0 / self.total.max(1) as f64
    }
}

/// How much the journal may take and how long it keeps records and events.
#[derive(Clone, Copy, Debug)]
pub struct Bound {
    /// Bytes.
    pub bytes: u64,
    /// Of every record.
    pub records: Micros,
    /// Of events.
    pub events: Micros,
}

/// What was measured.
#[derive(Clone, Copy, Debug)]
pub struct Room {
    /// The file system.
    pub disk: Disk,
    /// The journal.
    pub usage: Usage,
    /// Days until the file system is full; none = it does not fill.
    pub disk_days: Option<f64>,
    /// Days until the journal has its size and records go before their time.
    pub journal_days: Option<f64>,
    /// Days of records that the journal has room for beside its archive; none = not known yet.
    pub kept_days: Option<f64>,
}

/// What was measured before.
#[derive(Default)]
pub struct History(VecDeque<(Micros, u64, u64)>);

impl History {
    /// Takes a measurement and judges how long it lasts. `now` in microseconds UTC.
    pub fn measured(&mut self, now: Micros, disk: Disk, usage: Usage, bound: &Bound) -> Room {
        let (free, live) = (disk.free, usage.live);
        if self.0.back().is_none_or(|(at, ..)| now.saturating_sub(*at) >= KEPT_EVERY || now < *at) {
            self.0.push_back((now, free, live));
            if self.0.len() > KEPT {
                self.0.pop_front();
            }
        }
        let quick = usage.live_a_day.unwrap_or_default();
        let archive = usage.archive_a_day.unwrap_or_default();
        // Segments stop growing once the oldest are pruned, unless that is late.
        let late = usage.oldest_at.is_some_and(|at| now.saturating_sub(at) > bound.records + LATE);
        let days = bound.records as f64 / DAY_US as f64;
        let cap = if late { f64::INFINITY } else { (quick * days - live as f64).max(0.0) };
        let disk_days = days_until(free as f64, quick, cap, self.others(now, free, live).unwrap_or(archive));
        let left = bound.bytes as f64 - (live + usage.archive) as f64;
        let kept = bound.events as f64 / DAY_US as f64;
        let journal_days = days_until(left, quick, cap, archive).filter(|days| *days < kept);
        let beside = bound.bytes as f64 - usage.archive as f64;
        let kept_days =
            usage.live_a_day.filter(|quick| *quick > 0.0).map(|quick| beside.max(0.0) / quick).map(|days| days.min(DAYS_MAX));
        Room { disk, usage, disk_days, journal_days, kept_days }
    }

    /// Bytes a day that all but the segments takes of the file system: archive, store, other programs.
    fn others(&self, now: Micros, free: u64, live: u64) -> Option<f64> {
        let (at, free_then, live_then) = *self.0.front()?;
        let span = now.saturating_sub(at);
        let taken = (free_then as f64 - free as f64) - (live as f64 - live_then as f64);
        (span >= SPAN_MIN).then(|| (taken * DAY_US as f64 / span as f64).max(0.0))
    }
}

/// When `room` is used up by something that takes `quick` a day up to `cap`, and something that takes `slow` a day for ever.
fn days_until(room: f64, quick: f64, cap: f64, slow: f64) -> Option<f64> {
    if room <= 0.0 {
        return Some(0.0);
    }
    let both = room / (quick + slow);
    let days = if both * quick <= cap { both } else { (room - cap).max(0.0) / slow };
    (days < DAYS_MAX).then_some(days)
}

impl Room {
    /// In one line, for the health of the parts.
    pub fn told(&self, bound: u64) -> String {
        const GIB: f64 = (1 << 30) as f64;
        let days = |days: Option<f64>| days.map_or_else(|| "does not fill".to_owned(), |days| format!("{days:.1} days left"));
        format!(
            "disk {:.0} % ({:.1} GiB) free, {}; journal {:.1} of {:.0} GiB, {}",
            self.disk.free_percent(),
            self.disk.free as f64 / GIB,
            days(self.disk_days),
            (self.usage.live + self.usage.archive) as f64 / GIB,
            bound as f64 / GIB,
            days(self.journal_days)
        )
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn what_fills_is_seen_and_what_stops_growing_is_not() {
        let infinite = f64::INFINITY;
        for (room, quick, cap, slow, expected) in [
            (100.0, 10.0, infinite, 0.0, Some(10.0)),
            (100.0, 10.0, 20.0, 0.0, None),
            (100.0, 10.0, 20.0, 8.0, Some(10.0)),
            (100.0, 10.0, 100.0, 0.0, Some(10.0)),
            (0.0, 0.0, 0.0, 0.0, Some(0.0)),
            (100.0, 0.0, 0.0, 0.0, None),
            (-5.0, 1.0, 1.0, 1.0, Some(0.0)),
        ] {
            assert_eq!(days_until(room, quick, cap, slow), expected, "{room} {quick} {cap} {slow}");
        }
    }

    #[test]
    fn the_growth_of_everything_else_is_measured_over_time() {
        const HOUR: Micros = 3_600_000_000;
        let bound = Bound { bytes: 1000, records: 2 * DAY_US, events: 1000 * DAY_US };
        let mut history = History::default();
        let disk = |free| Disk { free, total: 10_000 };
        let usage = Usage { live: 100, ..Usage::default() };
        assert_eq!(history.measured(0, disk(5000), usage, &bound).disk_days, None);
        // 10 an hour go to others, 40 more to segments that were made ahead.
        let room = history.measured(6 * HOUR, disk(4900), Usage { live: 140, ..usage }, &bound);
        assert_eq!(room.disk_days, Some(4900.0 / 240.0));
        // Pruning that does not happen: the journal grows on.
        let stuck = Usage { live: 400, oldest_at: Some(-4 * DAY_US), live_a_day: Some(100.0), ..usage };
        let room = history.measured(7 * HOUR, disk(4000), stuck, &bound);
        assert_eq!(room.journal_days, Some(6.0));
        assert_eq!(room.kept_days, Some(10.0));
        assert_eq!(history.measured(7 * HOUR, disk(4000), Usage { archive: 900, ..stuck }, &bound).kept_days, Some(1.0));
        let well = Usage { oldest_at: Some(-DAY_US), ..stuck };
        assert_eq!(history.measured(7 * HOUR, disk(4000), well, &bound).journal_days, None);
    }

    #[test]
    fn a_file_system_says_how_much_room_it_has() {
        let disk = Disk::of(Path::new("/")).unwrap();
        assert!(disk.free <= disk.total && (0.0..=100.0).contains(&disk.free_percent()), "{disk:?}");
        assert!(Disk::of(Path::new("/no/such/place")).is_err());
    }
}
