//! What the wall calendar says, as values: a rule knows batch time alone, and a season stop, a shift or a holiday is a fact of the site like any other.
//! Must not know: what a window means.

use super::{FromLink, Now, Outlet, count};
use crate::config::types::{Calendar, CalendarPoint};
use brain::event::LinkState;
use brain::{Quality, Reading};
use std::time::Duration;

/// Tells every value at each period until `outlet.stop`. It has no connection to lose.
pub(super) async fn run(calendar: &Calendar, outlet: &Outlet) {
    if !outlet.report(LinkState::Up, "calendar").await {
        return;
    }
    count(&outlet.counters.connects, 1);
    loop {
        let readings = read(&calendar.points, (outlet.clock)());
        count(&outlet.counters.readings, readings.len() as u64);
        let told = outlet.send(FromLink::Readings { link: outlet.link, readings, ack: None }).await;
        if !told || !outlet.pause(Duration::from_millis(calendar.period_ms)).await {
            return;
        }
    }
}

/// Every value at this moment. A wall clock that shows what cannot be says nothing about the season.
fn read(points: &[CalendarPoint], now: Now) -> Vec<Reading> {
    let wall = now.at.saturating_add(now.ahead);
    let quality = if now.wrong { Quality::BAD } else { Quality::GOOD };
    let within = |point: &CalendarPoint| point.windows.iter().any(|(from, until)| (*from..*until).contains(&wall));
    let value = |point| f64::from(u8::from(within(point)));
    points.iter().map(|point| Reading { tag: point.tag, value: value(point), quality, source_us: now.at }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use brain::TagId;

    #[test]
    fn a_window_is_read_off_the_wall_clock() {
        let points = [CalendarPoint { tag: TagId(7), windows: vec![(100, 200), (300, 301)] }];
        let value = |at, ahead| read(&points, Now { at, ahead, wrong: false })[0].value;
        let table = [
            (99, 0, 0.0),
            (100, 0, 1.0),
            (199, 0, 1.0),
            (200, 0, 0.0),
            (300, 0, 1.0),
            (301, 0, 0.0),
            (0, 150, 1.0),
            (150, 60, 0.0),
        ];
        for (at, ahead, expected) in table {
            assert_eq!(value(at, ahead), expected, "{at} and {ahead} ahead");
        }
        let doubtful = read(&points, Now { at: 150, ahead: 0, wrong: true })[0];
        assert_eq!((doubtful.tag, doubtful.quality, doubtful.source_us), (TagId(7), Quality::BAD, 150));
    }
}
