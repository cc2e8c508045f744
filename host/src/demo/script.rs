//! What happens in the simulated plant, as data: which points there are, where each is read, how its value runs.
//! Must not know: protocols, clocks.
//!
//! | Tag | Where | What |
//! |---|---|---|
//! | `TT-301` `TT-302` | MQTT `plant/<tag>` | air of the mixing room, °C: passes 34 |
//! | `HU-301` | MQTT | humidity of the mixing room, % |
//! | `PC-301` | MQTT | people in the mixing room: 2 (its quota) at 4 s, 4 at 13 s |
//! | `TT-401` | MQTT | air of the press room, °C: freezes at 10 s |
//! | `PC-401` | MQTT | people in the press room: up to 5 (quota 6) |
//! | `WX-001` | MQTT | thunderstorm, 0 or 1: after 7 minutes |
//! | `TT-501` | MQTT | air of the store, °C: silent from 10 s |
//! | `GT-101` `GT-102` `GT-103` | unit 1, input registers 0, 2, 4, f32 ABCD | combustible gas, %LEL: two of three rise |
//! | `PT-101` | unit 1, input register 6, f32 ABCD | gas line, kPa: 300, falls to 240 |
//! | `FT-101` | unit 1, holding register 0, u16, scale 0.1 | gas line flow, m3/h |
//! | `XV-101` | unit 1, discrete input 0 | gas line valve open |
//!
//! An MQTT payload is `{"v": 23.41, "t": 1767323045123}`: value, and milliseconds since 1970. A value is a pure function of seed and
//! script time: both protocols need no shared state, and the same seed is the same plant.

/// Seconds after which the script starts again. What goes wrong goes wrong in the first minute; then it calms.
pub const CYCLE_S: f64 = 900.0;

/// Where a point is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum At {
    /// Topic `plant/<tag>`.
    Mqtt,
    /// Two input registers from here, f32, ABCD.
    Input(u16),
    /// One holding register, tenths.
    Holding(u16),
    /// One discrete input.
    Discrete(u16),
}

/// How a value runs over one cycle: straight lines between corners, noise on top.
#[derive(Clone, Copy, Debug)]
pub struct Point {
    /// Tag.
    pub tag: &'static str,
    /// Where it is read.
    pub at: At,
    /// (second, value); held before the first and after the last.
    pub corners: &'static [(f64, f64)],
    /// Largest deviation.
    pub noise: f64,
    /// Smallest step of the value.
    pub step: f64,
    /// The value stands still from, to.
    pub frozen: Option<(f64, f64)>,
    /// Nothing is published from, to.
    pub silent: Option<(f64, f64)>,
}

#[rustfmt::skip] // a line is a row of a table
const fn point(tag: &'static str, at: At, noise: f64, step: f64, corners: &'static [(f64, f64)]) -> Point {
    Point { tag, at, corners, noise, step, frozen: None, silent: None }
}

/// The whole plant.
#[rustfmt::skip] // a line is a row of a table
pub const SCRIPT: &[Point] = &[
    point("TT-301", At::Mqtt, 0.15, 0.01, &[(8.0, 25.0), (35.0, 36.5), (150.0, 36.5), (300.0, 25.0)]),
    point("TT-302", At::Mqtt, 0.15, 0.01, &[(8.0, 24.6), (40.0, 33.2), (150.0, 33.2), (300.0, 24.6)]),
    point("HU-301", At::Mqtt, 0.6, 0.01, &[(0.0, 66.0), (60.0, 62.0), (300.0, 66.0)]),
    point("PC-301", At::Mqtt, 0.0, 1.0, &[
        (3.0, 1.0), (4.0, 2.0), (12.0, 2.0), (13.0, 4.0), (160.0, 4.0), (161.0, 2.0), (240.0, 2.0), (241.0, 1.0),
    ]),
    Point { frozen: Some((10.0, 260.0)), ..point("TT-401", At::Mqtt, 0.15, 0.01, &[(0.0, 23.5)]) },
    point("PC-401", At::Mqtt, 0.0, 1.0, &[(50.0, 4.0), (51.0, 5.0), (400.0, 5.0), (401.0, 3.0), (700.0, 3.0), (701.0, 4.0)]),
    point("WX-001", At::Mqtt, 0.0, 1.0, &[(420.0, 0.0), (421.0, 1.0), (540.0, 1.0), (541.0, 0.0)]),
    Point { silent: Some((10.0, 260.0)), ..point("TT-501", At::Mqtt, 0.1, 0.01, &[(0.0, 19.0)]) },
    point("GT-101", At::Input(0), 0.4, 0.01, &[(15.0, 2.0), (45.0, 58.0), (170.0, 58.0), (240.0, 2.0)]),
    point("GT-102", At::Input(2), 0.4, 0.01, &[(18.0, 1.5), (48.0, 54.0), (170.0, 54.0), (240.0, 1.5)]),
    point("GT-103", At::Input(4), 0.4, 0.01, &[(0.0, 2.2)]),
    point("PT-101", At::Input(6), 0.5, 0.01, &[(15.0, 300.0), (45.0, 248.0), (120.0, 240.0), (170.0, 240.0), (260.0, 300.0)]),
    point("FT-101", At::Holding(0), 0.8, 0.1, &[
        (15.0, 120.0), (45.0, 165.0), (90.0, 165.0), (95.0, 0.0), (240.0, 0.0), (260.0, 120.0),
    ]),
    point("XV-101", At::Discrete(0), 0.0, 1.0, &[(90.0, 1.0), (91.0, 0.0), (239.0, 0.0), (240.0, 1.0)]),
];

impl Point {
    /// The value at a script time, or none while nothing is published. `seed` decides the noise, nothing else.
    pub fn value(&self, seed: u64, seconds: f64) -> Option<f64> {
        let t = seconds.rem_euclid(CYCLE_S);
        let within = |span: Option<(f64, f64)>| span.filter(|(from, to)| (*from..*to).contains(&t));
        if within(self.silent).is_some() {
            return None;
        }
        let seconds = match within(self.frozen) {
            Some((from, _)) => seconds - t + from,
            None => seconds,
        };
        let smooth = self.line(seconds.rem_euclid(CYCLE_S));
        let noisy = smooth + self.noise * deviation(seed, self.tag, seconds);
        Some(((noisy / self.step).round() * self.step).max(0.0))
    }

    fn line(&self, t: f64) -> f64 {
        let after = self.corners.partition_point(|(second, _)| *second <= t);
        match (after.checked_sub(1).map(|i| self.corners[i]), self.corners.get(after)) {
            (Some((t0, v0)), Some((t1, v1))) => v0 + (v1 - v0) * (t - t0) / (t1 - t0),
            (Some((_, held)), None) | (None, Some(&(_, held))) => held,
            (None, None) => f64::NAN,
        }
    }
}

/// -1 to 1, mostly near 0; new every half second of script.
fn deviation(seed: u64, tag: &str, seconds: f64) -> f64 {
    let half_seconds = (seconds * 2.0).floor() as i64 as u64;
    let name = tag.bytes().fold(0u64, |hash, b| hash.wrapping_mul(31).wrapping_add(u64::from(b)));
    let unit = |salt: u64| {
        let bits = mix(seed ^ mix(name ^ mix(half_seconds.wrapping_add(salt << 60))));
        (bits >> 11) as f64 / (1u64 << 53) as f64
    };
    unit(1) + unit(2) - 1.0
}

/// The finalizer of SplitMix64: every bit of the input moves every bit of the output.
fn mix(x: u64) -> u64 {
    let x = x.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    x ^ (x >> 31)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn value(tag: &str, seconds: f64) -> Option<f64> {
        let point = SCRIPT.iter().find(|p| p.tag == tag).unwrap();
        point.value(7, seconds)
    }

    fn number(tag: &str, seconds: f64) -> f64 {
        value(tag, seconds).unwrap()
    }

    #[test]
    fn the_first_minute_has_everything_and_then_it_calms() {
        let people = |t| number("PC-301", t);
        assert_eq!((people(0.0), people(8.0), people(20.0)), (1.0, 2.0, 4.0));
        assert!(number("TT-301", 0.0) < 26.0 && number("TT-301", 40.0) > 34.0);
        assert!(number("GT-101", 50.0) > 50.0 && number("GT-102", 50.0) > 50.0);
        assert!(number("GT-103", 50.0) < 5.0 && number("PT-101", 50.0) < 260.0);
        assert_ne!(value("TT-401", 8.0), value("TT-401", 9.0));
        assert_eq!(value("TT-401", 12.0), value("TT-401", 200.0));
        assert!(value("TT-501", 9.0).is_some() && value("TT-501", 11.0).is_none());
        let calm = |tag| number(tag, 700.0);
        assert!(calm("TT-301") < 26.0 && calm("GT-101") < 5.0 && calm("PC-301") == 1.0);
        assert!(value("TT-501", 700.0).is_some());
        assert_ne!(value("TT-401", 700.0), value("TT-401", 701.0));
    }

    #[test]
    fn a_seed_is_a_plant() {
        let point = SCRIPT.iter().find(|p| p.tag == "TT-302").unwrap();
        let line = |seed| -> Vec<_> { (0..50).map(|t| point.value(seed, f64::from(t))).collect() };
        assert_eq!(line(1), line(1));
        assert_ne!(line(1), line(2));
        for point in SCRIPT {
            for t in 0..2000 {
                let value = point.value(3, f64::from(t));
                assert!(value.is_none_or(f64::is_finite), "{} at {t}", point.tag);
            }
        }
    }
}
