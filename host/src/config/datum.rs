//! Places as Chinese maps give them (GCJ-02) to where they are (WGS-84). Plain arithmetic; must not know: what stands there.
//!
//! The shift of GCJ-02 is not published by whoever decreed it. The formula here is the one that everybody uses, and this is its inverse to less than a
//! millimetre. How far a map itself is from the formula is not known here: take a place converted so for right within some metres, no better.

use std::f64::consts::PI;

/// Degrees of latitude and longitude within which the shift holds; the same envelope that a message may name.
const LATITUDE: std::ops::RangeInclusive<f64> = 3.0..=54.0;
const LONGITUDE: std::ops::RangeInclusive<f64> = 73.0..=136.0;
/// Krasovsky's ellipsoid: half axis in metres, and eccentricity squared.
const AXIS: f64 = 6_378_245.0;
const ECCENTRICITY: f64 = 0.006_693_421_622_965_943;
/// Each round leaves less than a thousandth of the error before it; the first one is some hundred metres.
const ROUNDS: usize = 6;
/// A centimetre, in parts of a degree: more digits would only look exact.
const PER_DEGREE: f64 = 1e7;

/// Where a GCJ-02 place is: WGS-84 latitude and longitude, degrees, to a centimetre. None outside of China's extent, where there is no such shift.
pub(super) fn wgs84(latitude: f64, longitude: f64) -> Option<(f64, f64)> {
    if !(LATITUDE.contains(&latitude) && LONGITUDE.contains(&longitude)) {
        return None;
    }
    let mut found = (latitude, longitude);
    for _ in 0..ROUNDS {
        let (north, east) = shift(found.0, found.1);
        found = (latitude - north, longitude - east);
    }
    let rounded = |degrees: f64| (degrees * PER_DEGREE).round() / PER_DEGREE;
    Some((rounded(found.0), rounded(found.1)))
}

/// How far GCJ-02 moves a WGS-84 place north and east, degrees.
fn shift(latitude: f64, longitude: f64) -> (f64, f64) {
    let (x, y) = (longitude - 105.0, latitude - 35.0);
    let wave = |amount: f64, turns: f64| amount * (turns * PI).sin();
    let ripple = wave(20.0, 6.0 * x) + wave(20.0, 2.0 * x);
    let north = -100.0 + 2.0 * x + 3.0 * y + 0.2 * y * y + 0.1 * x * y + 0.2 * x.abs().sqrt();
    let north =
        north + (ripple + wave(20.0, y) + wave(40.0, y / 3.0) + wave(160.0, y / 12.0) + wave(320.0, y / 30.0)) * 2.0 / 3.0;
    let east = 300.0 + x + 2.0 * y + 0.1 * x * x + 0.1 * x * y + 0.1 * x.abs().sqrt();
    let east = east + (ripple + wave(20.0, x) + wave(40.0, x / 3.0) + wave(150.0, x / 12.0) + wave(300.0, x / 30.0)) * 2.0 / 3.0;
    let radians = latitude.to_radians();
    let flat = 1.0 - ECCENTRICITY * radians.sin().powi(2);
    let (meridian, parallel) = (AXIS * (1.0 - ECCENTRICITY) / flat.powf(1.5), AXIS / flat.sqrt() * radians.cos());
    ((north / meridian).to_degrees(), (east / parallel).to_degrees())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    /// Metres between two places that are close to each other.
    fn apart(a: (f64, f64), b: (f64, f64)) -> f64 {
        let north = (a.0 - b.0) * 111_320.0;
        north.hypot((a.1 - b.1) * 111_320.0 * a.0.to_radians().cos())
    }

    /// Points that others publish to compare with: Shanghai, Shenzhen, Beijing. They were made with another radius of the Earth.
    #[test]
    fn published_points_are_met() {
        let points = [
            ((31.1774276, 121.5272106), (31.17530398364597, 121.531541859215)),
            ((22.543847, 113.912316), (22.540796131694766, 113.9171764808363)),
            ((39.911954, 116.377817), (39.91334545536069, 116.38404722455657)),
        ];
        for (wgs, gcj) in points {
            let found = wgs84(gcj.0, gcj.1).unwrap();
            assert!(apart(found, wgs) < 0.05, "{found:?} is {} m from {wgs:?}", apart(found, wgs));
            // The control: without it the place would be off by the width of a plant.
            assert!(apart(gcj, wgs) > 300.0);
        }
    }

    /// Forth and back over all of the extent.
    #[test]
    fn it_is_the_inverse_everywhere() {
        let mut worst: f64 = 0.0;
        for tenth in 0..510 {
            for step in 0..63 {
                let wgs = (3.05 + f64::from(tenth) / 10.0, 73.5 + f64::from(step) * 0.987);
                let (north, east) = shift(wgs.0, wgs.1);
                if let Some(found) = wgs84(wgs.0 + north, wgs.1 + east) {
                    worst = worst.max(apart(found, wgs));
                }
            }
        }
        // Half a unit of the last digit that is kept, in both directions.
        assert!(worst < 0.009, "{worst} m");
    }

    #[test]
    fn outside_of_china_there_is_none() {
        for (latitude, longitude) in [(2.9, 110.0), (54.1, 110.0), (30.0, 72.9), (30.0, 136.1), (113.0, 28.0), (f64::NAN, 110.0)]
        {
            assert_eq!(wgs84(latitude, longitude), None);
        }
    }
}
