//! The scenario of a drill in the place of the field: every tag at its period shows what the scenario says, until the end.
//! Must not know: what a value means, that anybody expects anything.

use super::{BATCH_MAX, FromLink, Outlet, count};
use crate::config::drill::{Step, To, Track};
use crate::config::types::Scenario;
use brain::event::LinkState;
use brain::{Micros, Quality, Reading};
use std::time::Duration;

/// No tag is told more often, milliseconds.
const PERIOD_MIN_MS: u64 = 100;
/// No step is told later than this, milliseconds.
const PAUSE_MAX_MS: u64 = 1_000;

/// Plays it from now on until `outlet.stop`; behind its last step everything stays as it is.
pub(super) async fn run(scenario: &Scenario, outlet: &Outlet) {
    if !outlet.report(LinkState::Up, scenario.about.as_str()).await {
        return;
    }
    count(&outlet.counters.connects, 1);
    let begun = (outlet.clock)().at;
    let pause = scenario.tracks.iter().map(|track| track.period_ms).min().unwrap_or(1_000).clamp(PERIOD_MIN_MS, PAUSE_MAX_MS);
    // When each is told next, and whether it wavers then.
    let mut next: Vec<(Micros, bool)> = vec![(begun, false); scenario.tracks.len()];
    loop {
        let now = (outlet.clock)().at;
        let at_ms = now.saturating_sub(begun) as f64 / 1e3 * scenario.speed;
        let mut readings = Vec::new();
        for (track, (due, wavers)) in scenario.tracks.iter().zip(&mut next).filter(|(_, (due, _))| *due <= now) {
            // Half a round early, so that none is left for the round after its time; and where it changes, whatever its period.
            let wait_ms = track.period_ms.saturating_sub(pause / 2);
            let step = track.steps.iter().map(|step| begun.saturating_add((step.at_ms as f64 * 1e3 / scenario.speed) as Micros));
            let regular = now.saturating_add(Micros::try_from(wait_ms).unwrap_or(Micros::MAX).saturating_mul(1000));
            *due = step.filter(|at| *at > now).min().map_or(regular, |step| step.min(regular));
            *wavers = !*wavers;
            readings.extend(shown(track, at_ms).map(|(value, quality)| {
                let value = if *wavers { value + track.waver } else { value };
                Reading { tag: track.tag, value, quality, source_us: now }
            }));
        }
        for some in readings.chunks(BATCH_MAX) {
            count(&outlet.counters.readings, some.len() as u64);
            if !outlet.send(FromLink::Readings { link: outlet.link, readings: some.to_vec(), ack: None }).await {
                return;
            }
        }
        if !outlet.pause(Duration::from_millis(pause)).await {
            return;
        }
    }
}

/// What a tag shows so long after the beginning; nothing where it is silent.
fn shown(track: &Track, at_ms: f64) -> Option<(f64, Quality)> {
    let mut shown = (track.normal, Quality::GOOD);
    let mut silent = false;
    let begun: Vec<&Step> = track.steps.iter().take_while(|step| step.at_ms as f64 <= at_ms).collect();
    for (index, step) in begun.iter().enumerate() {
        match step.to {
            To::Value(value, ramp_ms) => {
                // A ramp goes on until it is there, or the next step begins.
                let until = begun.get(index + 1).map_or(at_ms, |next| next.at_ms as f64);
                let part = if ramp_ms == 0 { 1.0 } else { ((until - step.at_ms as f64) / ramp_ms as f64).min(1.0) };
                let reached = if part < 1.0 { shown.0 + (value - shown.0) * part } else { value };
                (shown, silent) = ((reached, Quality::GOOD), false);
            }
            To::Bad => (shown.1, silent) = (Quality::SENSOR_FAILURE, false),
            To::Silent => silent = true,
        }
    }
    (!silent).then_some(shown)
}

#[cfg(test)]
mod tests {
    use super::*;
    use brain::TagId;

    #[test]
    fn values_ramp_fail_fall_silent_and_come_back() {
        let step = |at_ms, to| Step { at_ms, to };
        let steps = vec![
            step(1_000, To::Value(20.0, 10_000)),
            step(6_000, To::Value(5.0, 0)),
            step(7_000, To::Bad),
            step(8_000, To::Silent),
            step(9_000, To::Value(9.0, 1_000)),
        ];
        let track = Track { tag: TagId(0), period_ms: 1_000, normal: 10.0, waver: 0.0, steps };
        let good = |value| Some((value, Quality::GOOD));
        for (at_ms, expected) in [
            (0.0, good(10.0)),
            (1_000.0, good(10.0)),
            (3_000.0, good(12.0)),
            (5_999.9, good(14.9999)),
            (6_000.0, good(5.0)),
            (7_500.0, Some((5.0, Quality::SENSOR_FAILURE))),
            (8_500.0, None),
            (9_500.0, good(7.0)),
            (99_000.0, good(9.0)),
        ] {
            let found = shown(&track, at_ms);
            let near = |a: Option<(f64, Quality)>, b: Option<(f64, Quality)>| match (a, b) {
                (Some((a, q)), Some((b, r))) => (a - b).abs() < 1e-3 && q == r,
                (None, None) => true,
                _ => false,
            };
            assert!(near(found, expected), "{at_ms}: {found:?}, not {expected:?}");
        }
    }
}
